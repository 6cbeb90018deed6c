#!/usr/bin/env python3
"""Evaluates every measure in every context of test_measures.py with another DAX engine too, and compares.

The other one is pbix-mcp (PyPI, MIT), written by somebody else against the answers of Power BI Desktop. Neither is Power BI's;
that both agree, and both with SQL, is the most that Linux can say. It is slow on many rows, so the lake is a small one:

    python second_opinion.py --lake lake      # of tillrace run --seed 8 --duration 9d --rate 0.05
"""

import argparse
import datetime as dt
import sys
from decimal import Decimal
from pathlib import Path

from pbix_mcp.dax import engine

import minterpreter
import model as semantic_model
import test_measures
from evaluator import Context, Evaluator

# It takes the clock of the machine, which this comparison cannot set.
BY_THE_CLOCK = {"Data Age (minutes)"}


def plain(value):
    """A value as the other engine holds it: dates and times as instants, money as floats."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time())
    if isinstance(value, dt.time):
        return dt.datetime.combine(dt.date(1899, 12, 30), value)
    return float(value) if isinstance(value, Decimal) else value


class Other:
    """The other engine on the same tables."""

    def __init__(self, model, loaded):
        rows = lambda table: [
            [plain(value) for value in row] for row in zip(*[c.to_pylist() for c in table.columns], strict=True)
        ]
        self.tables = {name: {"columns": table.column_names, "rows": rows(table)} for name, table in loaded.items()}
        self.measures = {name: measure.node.expression for name, measure in model.measures.items()}
        self.known = {
            "date_table": "Date",
            "date_column": "Date",
            "relationships": [
                {
                    "FromTable": r.many[0],
                    "FromColumn": r.many[1],
                    "ToTable": r.one[0],
                    "ToColumn": r.one[1],
                    "IsActive": True,
                }
                for r in model.relationships
            ],
            "measure_tables": {name: measure.table for name, measure in model.measures.items()},
            "model_columns": {name: table.column_names for name, table in loaded.items()},
        }

    def values(self, names, filters):
        context = {f"{table}.{column}": [plain(value) for value in values] for (table, column), values in filters}
        return engine.evaluate_measures_batch(
            names, self.tables, self.measures, context, selected_filters=context, **self.known
        )


def same(one, other):
    if one is None or other is None or isinstance(one, dt.datetime):
        return one == other
    return abs(float(one) - float(other)) <= 1e-6 * max(1.0, abs(float(other)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", type=Path, required=True)
    lake = parser.parse_args().lake
    comparison = test_measures.Comparison(lake)
    model = semantic_model.read(test_measures.DEFINITION)
    loaded = minterpreter.load(model, lake)
    own, other = Evaluator(model, loaded, test_measures.NOW), Other(model, loaded)
    names = [name for name in test_measures.EXPECTED if name not in BY_THE_CLOCK]
    count = differ = 0
    for case in comparison.cases:
        theirs = other.values(names, case.filters)
        for name in names:
            ours = own.measure(name, Context.of(dict(case.filters)))
            count += 1
            if not same(theirs.get(name), plain(ours)):
                differ += 1
                print(f"[{name}] in {case.name}: {theirs.get(name)!r} by pbix-mcp, {ours!r} by ours")
    print(
        f"{count} values of {len(names)} measures in {len(comparison.cases)} contexts by two engines: {differ} differ"
    )
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
