"""Clicking: a data point that is clicked filters the page's other visuals, and none of them may turn blank by it.

Measures are blank under filters that they do not know, so some pairs of visuals must not interact. Which ones is worked out
here, on a lake, and the pages must say exactly that.
"""

import json
import os
import unittest
from pathlib import Path

import minterpreter
import model as semantic_model
import preview
import report as report_files
from evaluator import Evaluator
from visualquery import VisualQuery, field_of

PROJECT = Path(__file__).resolve().parents[1]
LAKE = os.environ.get("POWERBI_SMALL_LAKE")


class Clicks:
    """Which visuals of a page a click in another one would leave blank."""

    def __init__(self, lake):
        model = semantic_model.read(PROJECT / "Tillrace.SemanticModel/definition")
        evaluator = Evaluator(model, minterpreter.load(model, lake))
        self.query = VisualQuery(evaluator, preview.bound_values(evaluator))
        self.report = report_files.read(PROJECT / "Tillrace.Report")

    def blanked(self, page):
        """Pairs of a visual and another one that a click on its first data point leaves without any figure."""
        shown = [visual for visual in page.visuals if visual.type not in ("textbox", "actionButton", "slicer")]
        pairs = []
        for source in shown:
            result = self.query.run(page, source)
            if not result.rows:
                continue
            keys = [field_of(projection)[1:] for _, projection in result.groups]
            clicked = {key: {value} for key, value in zip(keys, result.rows[0][0], strict=True)}
            pairs += [
                (source.name, target.name)
                for target in shown
                if target is not source and self.is_blank(self.query.run(page, target, clicked))
            ]
        return pairs

    @staticmethod
    def is_blank(result):
        figures = result.rows if result.groups else [((), result.totals)]
        return all(value is None for _, got in figures for value in got.values())


@unittest.skipUnless(LAKE, "POWERBI_SMALL_LAKE names no lake; check.sh makes one")
class Pages(unittest.TestCase):
    """The report's own pages."""

    def test_no_click_leaves_a_visual_blank(self):
        clicks = Clicks(LAKE)
        for page in clicks.report.pages.values():
            if page.document.get("type") == "Tooltip":
                continue
            with self.subTest(page=page.name):
                named = page.document.get("visualInteractions", [])
                without = {(found["source"], found["target"]) for found in named if found["type"] == "NoFilter"}
                slicers = {visual.name for visual in page.visuals if visual.type == "slicer"}
                without = {(source, target) for source, target in without if source not in slicers}
                self.assertEqual(without, set(clicks.blanked(page)))


if __name__ == "__main__":
    # Prints what the pages should say, to be copied into their page.json.
    found = Clicks(LAKE)
    for one in found.report.pages.values():
        entries = [{"source": source, "target": target, "type": "NoFilter"} for source, target in found.blanked(one)]
        print(one.name, json.dumps(entries))
