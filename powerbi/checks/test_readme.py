"""The README's numbers of the sample lake are those that the measures give, and its counts those of the checks."""

import datetime as dt
import os
import re
import unittest
from pathlib import Path

import minterpreter
import model as semantic_model
import test_faults
import test_measures
from evaluator import Context, Evaluator
from formatting import formatted

PROJECT = Path(__file__).resolve().parents[1]
LAKE = os.environ.get("POWERBI_LAKE")
DAY = {("Date", "Date"): {dt.date(2026, 1, 15)}}
COLUMNS = ({}, DAY, {**DAY, ("Time of Day", "Hour"): {"10:00"}}, {**DAY, ("Category", "Category"): {"shoes"}})


class Readme(unittest.TestCase):
    """powerbi/README.md."""

    @classmethod
    def setUpClass(cls):
        cls.text = (PROJECT / "README.md").read_text(encoding="utf-8")

    @unittest.skipUnless(LAKE, "POWERBI_LAKE names no lake; check.sh makes one")
    def test_the_expected_numbers(self):
        model = semantic_model.read(PROJECT / "Tillrace.SemanticModel/definition")
        dax = Evaluator(model, minterpreter.load(model, LAKE))
        rows = [
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in self.text.split("\n")
            if line.startswith("   | ")
        ]
        self.assertGreater(len(rows), 10)
        for measure, *wanted in rows[1:]:
            format_string = model.measures[measure].node.get("formatString")
            got = [formatted(dax.measure(measure, Context.of(filters)), format_string, "blank") for filters in COLUMNS]
            self.assertEqual(got, wanted, measure)

    def test_the_counts_of_measures_and_faults(self):
        faults, checks = map(
            int, re.search(r"(\d+) planted faults, at least one for each of (\d+) checks", self.text).groups()
        )
        self.assertEqual((faults, checks), (len(test_faults.planted()), len(test_faults.checks())))
        self.assertIn(f"{len(test_measures.EXPECTED)} measures in", self.text)

    def test_the_sample_lake_is_the_one_of_the_checks(self):
        command = re.search(r"run (--seed .*) --lake lake", self.text).group(1)
        self.assertIn(command, (PROJECT / "check.sh").read_text(encoding="utf-8"))

    def test_every_picture_is_there(self):
        for name in re.findall(r"\(preview/(\w+\.png)\)", self.text):
            self.assertTrue((PROJECT / "preview" / name).is_file(), name)


if __name__ == "__main__":
    unittest.main()
