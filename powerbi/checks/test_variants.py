"""The variants for other sources: each is a whole project without findings, and Delta folders give what Parquet folders give."""

import os
import tempfile
import unittest
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import variant
from deltalake import write_deltalake

import minterpreter
import model as semantic_model
import project as checked
from evaluator import Context, Evaluator

LAKE = os.environ.get("POWERBI_LAKE")
SAME = (
    "Revenue",
    "Orders",
    "Unique Customers",
    "Payments Made",
    "Product Revenue",
    "Category Revenue",
    "Records",
    "Session-Days",
)


class Variants(unittest.TestCase):
    """Written anew into a temporary folder for each test."""

    def written(self, name):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        output = Path(folder.name) / name
        variant.write(name, output)
        return output, semantic_model.read(output / "Tillrace.SemanticModel/definition")

    def test_no_variant_has_a_finding(self):
        for path in sorted((variant.HERE / "variants").glob("*.tmdl")):
            with self.subTest(variant=path.stem):
                output, _ = self.written(path.stem)
                self.assertEqual([str(finding) for finding in checked.check(output)], [])

    def test_direct_query_asks_the_source_and_keeps_no_copy(self):
        for name in sorted(variant.DIRECT_QUERY):
            _, model = self.written(name)
            for table in model.tables.values():
                (partition,) = table.node.of("partition")
                wanted = (
                    "import"
                    if table.name in variant.IMPORTED
                    else "dual"
                    if table.name in variant.DUAL
                    else "directQuery"
                )
                self.assertEqual(partition.get("mode"), wanted, f"{name}: {table.name}")
                self.assertFalse(table.node.of("refreshPolicy"), f"{name}: {table.name}")

    def test_measures_and_relationships_are_the_same_in_all(self):
        plain = semantic_model.read(variant.HERE / "Tillrace.SemanticModel/definition")
        for path in sorted((variant.HERE / "variants").glob("*.tmdl")):
            _, model = self.written(path.stem)
            self.assertEqual(
                {n: m.expression for n, m in model.measures.items()},
                {n: m.expression for n, m in plain.measures.items()},
            )
            self.assertEqual(
                [(r.many, r.one) for r in model.relationships], [(r.many, r.one) for r in plain.relationships]
            )

    @unittest.skipUnless(LAKE, "POWERBI_LAKE names no lake; check.sh makes one")
    def test_delta_folders_give_what_parquet_folders_give(self):
        """The Delta tables hold the first two days of the same Gold, over a version whose rows the log has removed."""
        days = (20260101, 20260102)
        with tempfile.TemporaryDirectory() as folder:
            for path in sorted(Path(LAKE, "gold").iterdir()):
                rows = pq.read_table(path, partitioning=None)
                if "date_key" in rows.column_names:
                    rows = rows.filter(pc.is_in(rows.column("date_key"), pa.array(days, pa.int32())))
                target = f"{folder}/gold/{path.name}"
                write_deltalake(target, rows.slice(0, 3))
                write_deltalake(target, rows, mode="overwrite")
            _, model = self.written("delta")
            delta = Evaluator(model, minterpreter.load(model, folder))
        plain = semantic_model.read(variant.HERE / "Tillrace.SemanticModel/definition")
        parquet = Evaluator(plain, minterpreter.load(plain, LAKE))
        both = Context.of({("Date", "Date Key"): set(days)})
        self.assertEqual(delta.distinct("Date", "Date Key", Context()), set(days))
        for name in SAME:
            self.assertIsNotNone(delta.measure(name, both), name)
            self.assertEqual(delta.measure(name, both), parquet.measure(name, both), name)


if __name__ == "__main__":
    unittest.main()
