"""Planted faults: each is put into a copy of the project (or of a Gold file) and must be found by the check that is named.

This is the proof that the checks can fail. A fault that is found by another check only, or by none, fails its test.
"""

import os
import re
import shutil
import tempfile
import unittest
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import minterpreter
import model as semantic_model
import project as checked
import schemas
import test_measures
from evaluator import EvaluationError

PROJECT = Path(__file__).resolve().parents[1]
LAKE = os.environ.get("POWERBI_LAKE")
TABLES = "Tillrace.SemanticModel/definition/tables/"
MODEL = "Tillrace.SemanticModel/definition/"
KEY = TABLES + "Key Figures.tmdl"

# Check, what is wrong, file, text, its replacement. The text must be in the file.
TEXT_FAULTS = [
    # TMDL
    ("tmdl-syntax", "a misspelt property", TABLES + "Product.tmdl", "\t\tsummarizeBy: none", "\t\tsumarizeBy: none"),
    ("tmdl-syntax", "spaces for tabs", TABLES + "Product.tmdl", "\t\tdataType: decimal", "        dataType: decimal"),
    ("tmdl-syntax", "an object one level too deep", TABLES + "Product.tmdl", "\tcolumn Product\n", "\t\tcolumn Product\n"),
    ("tmdl-syntax", "a data type that does not exist", TABLES + "Product.tmdl", "dataType: decimal", "dataType: money"),
    ("tmdl-syntax", "a name with a space without quotes", TABLES + "Product.tmdl", "column 'List Price'", "column List Price"),
    ("tmdl-syntax", "a measure without its equals sign", KEY, "measure Revenue = IF", "measure Revenue IF"),
    ("tmdl-syntax", "a flag with a value", TABLES + "Date.tmdl", "\t\tisKey", "\t\tisKey: yes please"),
    ("names-unique", "a column twice", TABLES + "Product.tmdl", "column 'List Price'", "column Product"),
    ("names-unique", "a measure twice", KEY, "measure Orders =", "measure Revenue ="),
    ("model-ref", "a table that the model does not list", MODEL + "model.tmdl", "ref table Payments\n", ""),
    ("model-settings", "auto date/time on", MODEL + "model.tmdl", "__PBI_TimeIntelligenceEnabled = 0", "__PBI_TimeIntelligenceEnabled = 1"),
    ("model-settings", "implicit measures allowed", MODEL + "model.tmdl", "\tdiscourageImplicitMeasures\n", ""),
    ("model-settings", "another culture", MODEL + "model.tmdl", "\tculture: en-US", "\tculture: de-DE"),
    ("described", "a measure without a description", KEY, "\t/// Payments that failed.\n", ""),
    ("formatted", "a measure without a format", KEY, "\t\tformatString: 0.00\n", ""),
    ("foldered", "a measure without a folder", KEY, "\t\tdisplayFolder: 7 Freshness\n", ""),
    ("summarize-none", "a column that Power BI would sum", TABLES + "Product.tmdl", "summarizeBy: none", "summarizeBy: sum"),
    ("hidden-keys", "a visible foreign key", TABLES + "Payments.tmdl", "\t\tisHidden\n", ""),
    ("sort-column", "months sorted by the alphabet", TABLES + "Date.tmdl", "\t\tsortByColumn: 'Month Number'\n", ""),
    ("sort-column", "sorted by a column that does not exist", TABLES + "Date.tmdl", "sortByColumn: 'Weekday Number'", "sortByColumn: 'Weekday No'"),
    ("hierarchy", "a level of a column that does not exist", TABLES + "Date.tmdl", "\t\t\tcolumn: Year-Month", "\t\t\tcolumn: Month-Year"),
    ("lineage-tag", "a copied lineage tag", TABLES + "Date.tmdl", "c7109cac-da34-5bcd-b1c5-286c2c0326c5", "fb9a1f0e-8bbc-5a38-af4c-17bef2c4821b"),
    ("no-double", "money as double", TABLES + "Product.tmdl", "dataType: decimal", "dataType: double"),
    ("partition", "a table without a partition", TABLES + "Product.tmdl", "\tpartition Product = m\n", "\tpartition Product = m\n\t\tmode: import\n\t\tsource = 1\n\n\tpartition Other = m\n"),
    ("hidden-table", "a table of hidden columns that shows", TABLES + "KPI Day.tmdl", "table 'KPI Day'\n\tisHidden\n", "table 'KPI Day'\n"),
    ("hidden-figures", "a figure that can be dragged onto a visual", TABLES + "KPI Day.tmdl", "\t\tisHidden\n", ""),
    ("source-column", "a column without its source", TABLES + "Product.tmdl", "\t\tsourceColumn: price\n", ""),
    ("column-type", "a column without a type", TABLES + "Product.tmdl", "\t\tdataType: decimal\n", ""),
    ("mdx", "a hidden column with an attribute hierarchy", TABLES + "KPI Day.tmdl", "\t\tisAvailableInMdx: false\n", ""),
    ("unused", "a hidden measure that nothing uses", KEY, "[Stage Is Filtered] ||", "[Customer Is Filtered] ||"),
    # Relationships
    ("relationship-ends", "a misspelt key", MODEL + "relationships.tmdl", "toColumn: Date.'Date Key'", "toColumn: Date.DateKey"),
    ("relationship-type", "keys of two types", TABLES + "Customer Activity.tmdl", "dataType: string", "dataType: int64"),
    ("relationship-direction", "filters both ways", MODEL + "relationships.tmdl", "\ttoColumn: Product.", "\tcrossFilteringBehavior: bothDirections\n\ttoColumn: Product."),
    ("relationship-direction", "from the one side to the many", MODEL + "relationships.tmdl", "\tfromColumn: 'Product Sales'.'Product Id'\n\ttoColumn: Product.'Product Id'", "\tfromColumn: Product.'Product Id'\n\ttoColumn: 'Product Sales'.'Product Id'"),
    ("relationship-missing", "a relationship taken out", MODEL + "relationships.tmdl", "relationship 120d342f-0a7f-5e7d-a188-85b8999b33cc\n\tfromColumn: 'Product Sales'.'Product Id'\n\ttoColumn: Product.'Product Id'\n", ""),
    ("relationship-ambiguous", "two paths from sales to categories", MODEL + "relationships.tmdl", "\tfromColumn: 'Category Sales'.Category\n", "\tfromColumn: 'Product Sales'.'Product Id'\n"),
    # DAX
    ("dax-syntax", "a bracket that does not close", KEY, "DIVIDE ( [Revenue], [Orders] )", "DIVIDE ( [Revenue], [Orders]"),
    ("dax-reference", "a misspelt column", KEY, "'KPI Minute'[Revenue Amount]", "'KPI Minute'[Revenue]"),
    ("dax-reference", "a measure that does not exist", KEY, "DIVIDE ( [Revenue], [Orders] )", "DIVIDE ( [Revenue], [Order] )"),
    ("dax-reference", "a column without its table", KEY, "SUM ( 'KPI Minute'[Revenue Amount] )", "SUM ( [Revenue Amount] )"),
    ("dax-reference", "a table that does not exist", KEY, "COUNTROWS ( 'KPI Hour' )", "COUNTROWS ( 'KPI Week' )"),
    ("dax-cycle", "a measure that needs itself by another one", KEY, "DIVIDE ( [Revenue], [Orders] )", "DIVIDE ( [Revenue per Customer], [Revenue Change (%)] ) + [Average Order Value]"),
    ("dax-division", "a division without DIVIDE", KEY, "DIVIDE ( [Revenue], [Orders] )", "[Revenue] / [Orders]"),
    ("summed-distinct", "distinct customers of minutes added up", KEY, "DISTINCTCOUNT ( 'Customer Activity'[Customer Id] )", "SUM ( 'KPI Minute'[Customer Count] )"),
    ("summed-distinct", "sessions added up under a name that hides it", KEY, "measure Session-Days =", "measure 'Session Total' ="),
    ("summed-distinct", "orders of several products added up", KEY, "HASONEVALUE ( 'Product Sales'[Product Id] )", "HASONEVALUE ( 'Product Sales'[Date Key] )"),
    ("summed-distinct", "percentiles added up", KEY, "MAX ( 'Data Quality'[Delay P99] )", "SUM ( 'Data Quality'[Delay P99] )"),
    ("distinct-unguarded", "a window's count for several windows", KEY, "COUNTROWS ( 'KPI Hour' ) = 1, MAX ( 'KPI Hour'[Session Count] )", "COUNTROWS ( 'KPI Hour' ) > 0, MAX ( 'KPI Hour'[Session Count] )"),
    ("additivity-said", "a figure that does not say whether it adds up", TABLES + "KPI Hour.tmdl", "\t\tannotation Tillrace_Adds = never\n", ""),
    # M
    ("m-syntax", "a comma too few", TABLES + "Product.tmdl", '{"name", type text},', '{"name", type text}'),
    ("m-name", "a query that does not exist", TABLES + "Product.tmdl", "GoldTable(", "GoldTabel("),
    ("m-path", "a path of somebody's machine", MODEL + "expressions.tmdl", 'LakePath & "\\gold"', '"D:\\lake\\gold"'),
    ("m-columns", "a column of TMDL that M does not give", TABLES + "Product.tmdl", "sourceColumn: price", "sourceColumn: list_price"),
    ("m-type", "another type in M", TABLES + "Product.tmdl", '{"price", Currency.Type}', '{"price", Int64.Type}'),
    ("refresh-range", "a table that does not name its range", TABLES + "Payments.tmdl", ", RangeStart, RangeEnd)", ", #datetime(2000, 1, 1, 0, 0, 0), #datetime(2100, 1, 1, 0, 0, 0))"),
    ("refresh-policy", "a policy whose query is another one", TABLES + "Payments.tmdl", "\t\tsourceExpression =\n\t\t\tlet\n", "\t\tsourceExpression =\n\t\t\tlet\n\t\t\t    Other = 1,\n"),
    ("refresh-policy", "tables that keep different spans", TABLES + "KPI Day.tmdl", "rollingWindowPeriods: 13", "rollingWindowPeriods: 24"),
]  # fmt: skip

PAGES = "Tillrace.Report/definition/pages/"
REPORT = "Tillrace.Report/definition/report.json"
LINE = PAGES + "Live/visuals/RevenueByMinute/visual.json"
CARD = PAGES + "Live/visuals/KeyFigures/visual.json"
TOP = PAGES + "Live/visuals/TopProducts/visual.json"
REPORT_FAULTS = [
    ("json-syntax", "a comma too many", LINE, '"visualType": "lineChart",', '"visualType": "lineChart",,'),
    ("query-ref", "a queryRef of another field", LINE, '"queryRef": "Key Figures.Revenue"', '"queryRef": "Key Figures.Orders"'),
    ("query-ref", "a projection without nativeQueryRef", LINE, '"nativeQueryRef": "Revenue"', '"displayName": "Revenue"'),
    ("field-exists", "a misspelt measure", LINE, '"Property": "Revenue"', '"Property": "Revenues"'),
    ("field-exists", "a misspelt column", LINE, '"Property": "Time"', '"Property": "Tme"'),
    ("field-exists", "a measure of another table", LINE, '"Entity": "Key Figures"', '"Entity": "KPI Minute"'),
    ("field-exists", "a filter of a column that does not exist", TOP, '"Property": "Product"', '"Property": "Name"'),
    ("field-hidden", "a hidden column on a visual", LINE, '"Property": "Time"', '"Property": "Minute of Day"'),
    ("alt-text", "no alternative text", LINE, "Line: revenue of each minute of the newest day.", ""),
    ("title", "no title", LINE, '"Value": "\'Revenue by minute\'"', '"Value": "\'\'"'),
    ("tab-order", "two visuals with one place in the tab order", CARD, '"tabOrder": 1000', '"tabOrder": 2000'),
    ("layout-overlap", "two visuals on each other", LINE, '"y": 192', '"y": 150'),
    ("layout-outside", "a visual outside the page", LINE, '"y": 192', '"y": 600'),
    ("phone-layout", "a visual that leaves the phone", PAGES + "Live/visuals/KeyFigures/mobile.json", '"x": 8', '"x": 80'),
    ("page-order", "a page that the order does not name", PAGES + "pages.json", '    "About",\n', ""),
    ("page-order", "an active page that does not exist", PAGES + "pages.json", '"activePageName": "Live"', '"activePageName": "Start"'),
    ("names", "a visual named unlike its folder", LINE, '"name": "RevenueByMinute"', '"name": "Revenue by minute"'),
    ("names", "a page named unlike its folder", PAGES + "Live/page.json", '"name": "Live"', '"name": "live"'),
    ("filter-name", "a filter's name used twice", PAGES + "Customers/visuals/CustomersByHour/visual.json", '"CustomersNewestDay"', '"LiveDay"'),
    ("page-binding", "a drill-through bound to no filter", PAGES + "ProductDetail/page.json", '"boundFilter": "DrillProduct"', '"boundFilter": "Product"'),
    ("interaction", "an interaction with no visual", PAGES + "Customers/page.json", '"target": "CustomersByHour"', '"target": "Hours"'),
    ("tooltip-page", "a tooltip page that is none", PAGES + "Trends/visuals/RevenueByDay/visual.json", "'DayTooltip'", "'About'"),
    ("visual-empty", "a visual without a field", CARD, '"queryState"', '"queryStates"'),
    ("theme", "a theme that is not registered", REPORT, '"path": "TillraceLight-3f1c8a52.json"', '"path": "Light.json"'),
]  # fmt: skip
# Faults that need the names of the M and DAX libraries.
LIBRARY_FAULTS = [
    ("dax-function", "a function that does not exist", KEY, "DISTINCTCOUNT (", "COUNTDISTINCT ("),
    ("dax-function", "too few arguments", KEY, "DIVIDE ( [Revenue], [Orders] )", "DIVIDE ( [Revenue] )"),
    ("m-name", "a misspelt function of the library", MODEL + "expressions.tmdl", "Parquet.Document(", "Parquet.Documents("),
]  # fmt: skip
# Faults that Microsoft's schemas and catalogue of visuals show; without them they are not looked for.
CATALOGUE_FAULTS = [
    ("schema-version", "a schema version that does not exist", LINE, "visualContainer/2.0.0", "visualContainer/9.0.0"),
    ("json-schema", "a property that no schema knows", LINE, '"drillFilterOtherVisuals"', '"drillFilterOthers"'),
    ("json-schema", "a position without its width", LINE, '"width": 820', '"wide": 820'),
    ("theme-schema", "a theme property that does not exist", "Tillrace.Report/StaticResources/RegisteredResources/TillraceLight-3f1c8a52.json", '"dataColors"', '"dataColours"'),
    ("json-schema", "a display option that does not exist", PAGES + "Live/page.json", '"FitToPage"', '"FitToWindow"'),
    ("visual-type", "a visual type that does not exist", LINE, '"lineChart"', '"linesChart"'),
    ("visual-role", "a role that the visual does not have", LINE, '"Y": {', '"Values": {'),
    ("visual-role", "measures where a column belongs", CARD, '"Data": {', '"Rows": {'),
    ("visual-object", "a formatting object that does not exist", LINE, '"valueAxis"', '"valuesAxis"'),
    ("visual-object", "a formatting property that does not exist", CARD, '"columnCount"', '"columns"'),
    ("visual-object", "a value that a formatting property does not take", CARD, "'Cards'", "'Tiles'"),
]  # fmt: skip

# Faults that only the lake shows: check, what is wrong, file, text, its replacement.
LAKE_FAULTS = [
    ("gold-table", "a Gold table that does not exist", TABLES + "Payments.tmdl", '"payments_1m"', '"payment_1m"'),
    ("gold-column", "a Gold column that does not exist", TABLES + "Product.tmdl", '"price"', '"list_price"'),
    ("gold-type", "a type that Parquet does not have", TABLES + "Product.tmdl", '{"price", Currency.Type}', '{"price", type number}'),
    ("gold-unused", "a Gold column that nothing takes", TABLES + "KPI Minute.tmdl", '{"units", Int64.Type},', ""),
]  # fmt: skip


# Faults that no text shows, only values: a measure that SQL contradicts. Measure, text, its replacement.
VALUE_FAULTS = [
    ("Revenue", "SUM ( 'KPI Minute'[Revenue Amount] )", "SUM ( 'KPI Minute'[Paid Amount] )"),
    ("Orders", "IF ( [Only Time Is Filtered], SUM ( 'KPI Minute'[Order Count] ) )", "SUM ( 'KPI Minute'[Order Count] )"),
    ("Average Order Value", "DIVIDE ( [Revenue], [Orders] )", "DIVIDE ( [Orders], [Revenue] )"),
    ("Revenue (previous day)", "'Date'[Date] + 1 IN Days", "'Date'[Date] + 2 IN Days"),
    ("Unique Customers", "[Customer Is Filtered], BLANK (),", ""),
    ("Unique Customers", "DISTINCTCOUNT ( 'Customer Activity'[Customer Id] )", "COUNTROWS ( 'Customer Activity' )"),
    ("Conversion Rate", "MAX ( 'KPI Day'[Conversion Ratio] )", "MAX ( 'KPI Hour'[Conversion Ratio] )"),
    ("Step Conversion (%)", "[Step] = Step - 1", "[Step] = 1"),
    ("Payments Failed", 'KEEPFILTERS ( Payments[Status] = "failed" )', 'Payments[Status] = "failed"'),
    ("Payment Success Rate", "[Payments Succeeded] + 0", "[Payments Succeeded]"),
    ("Product Revenue Rank", "DESC, SKIP", "ASC, SKIP"),
    ("Product Revenue Share (%)", "ALLEXCEPT ( 'Product', Category[Category] )", "REMOVEFILTERS ( 'Product' )"),
    ("Time Grain", 'ISFILTERED ( \'Time of Day\' ), "hour",', ""),
]  # fmt: skip


# Faults of the queries that only show on data: what is wrong, text, its replacement, the test that must then fail.
QUERY_FAULTS = [
    ("instants that keep their zone", "DateTimeZone.RemoveZone(DateTimeZone.ToUtc(value))", "value", "test_the_queries_shift_no_instant"),
    ("a day too many", "day < Last", "day <= Last", "test_a_range_loads_its_days_and_an_empty_one_still_has_columns"),
    ("a day too few", "day >= First", "day > First", "test_a_range_loads_its_days_and_an_empty_one_still_has_columns"),
    ("no schema where there is no day", "{OwnFiles} & ", "", "test_a_range_loads_its_days_and_an_empty_one_still_has_columns"),
    ("keys that differ in case only", 'Table.Distinct(Comparable, {"Comparable"})', "Comparable", "test_keys_that_differ_in_case_only_are_one_for_power_bi_and_break_nothing"),
]  # fmt: skip


def int_table(kind=None, **columns):
    return pa.table(columns or {"n": pa.array([1, 2], kind or pa.int64())})


# Check, what is wrong, a table, how it is written.
FILE_FAULTS = [
    ("parquet-type", "unsigned integers", int_table(pa.uint64()), {}),
    ("parquet-type", "nanoseconds", int_table(pa.timestamp("ns", "UTC")), {"version": "2.6"}),
    ("parquet-type", "an instant without a zone", int_table(pa.timestamp("us")), {}),
    ("parquet-type", "INT96", int_table(pa.timestamp("us")), {"use_deprecated_int96_timestamps": True}),
    ("parquet-type", "a decimal that overflows", int_table(pa.decimal128(38, 6)), {}),
    ("parquet-type", "bytes", int_table(n=pa.array([b"x"])), {}),
    ("parquet-type", "a list", int_table(n=pa.array([[1]])), {}),
    ("parquet-encoding", "delta-encoded integers", int_table(), {"use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"}),
    ("parquet-encoding", "delta-length strings", int_table(n=pa.array(["x"])), {"use_dictionary": False, "column_encoding": "DELTA_LENGTH_BYTE_ARRAY"}),
    ("parquet-codec", "Zstandard", int_table(), {"compression": "zstd"}),
    ("parquet-schema", "a file with another schema", int_table(other=pa.array([1])), {}),
]  # fmt: skip


def copied(folder):
    for part in ("Tillrace.pbip", "Tillrace.SemanticModel", "Tillrace.Report"):
        copy = shutil.copytree if (PROJECT / part).is_dir() else shutil.copy
        copy(PROJECT / part, Path(folder) / part)
    return Path(folder)


def faults_of_text(faults):
    for check, wrong, file, text, replacement in faults:
        yield check, wrong, lambda folder, f=file, t=text, r=replacement: replace(folder / f, t, r)


def replace(path, text, replacement):
    before = path.read_text(encoding="utf-8")
    assert text in before, f"{path.name} no longer holds {text!r}"
    path.write_text(before.replace(text, replacement), encoding="utf-8")


def planted():
    """The check of each planted fault."""
    faults = [*TEXT_FAULTS, *LIBRARY_FAULTS, *REPORT_FAULTS, *CATALOGUE_FAULTS, *LAKE_FAULTS, *FILE_FAULTS]
    return [fault[0] for fault in faults] + ["parquet-file"] + ["value"] * len([*VALUE_FAULTS, *QUERY_FAULTS])


def checks():
    """The names of all checks, from their sources."""
    sources = [
        (PROJECT / f"checks/{name}.py").read_text(encoding="utf-8") for name in ("lake", "model", "report", "rules")
    ]
    return {name for source in sources for name in re.findall(r'Finding\(\s*"([\w-]+)"', source)}


class Faults(unittest.TestCase):
    """Each planted fault, found by name."""

    def found(self, plant, lake=None):
        with tempfile.TemporaryDirectory() as folder:
            project = copied(folder)
            plant(project)
            return checked.check(project, lake)

    def demand(self, faults, lake=None):
        for check, wrong, plant in faults:
            with self.subTest(check=check, fault=wrong):
                found = self.found(plant, lake)
                self.assertIn(
                    check, {finding.check for finding in found}, f"{wrong}: found only {[str(f) for f in found][:5]}"
                )

    def test_the_project_without_a_fault_has_no_finding(self):
        self.assertEqual([str(finding) for finding in self.found(lambda folder: None, LAKE)], [])

    def test_faults_in_the_model(self):
        self.demand(faults_of_text(TEXT_FAULTS))

    def test_faults_in_the_report(self):
        self.demand(faults_of_text(REPORT_FAULTS))

    @unittest.skipUnless(schemas.folder(), "the names of the M and DAX libraries are not at hand")
    def test_faults_that_the_names_of_the_libraries_show(self):
        self.demand(faults_of_text(LIBRARY_FAULTS))

    @unittest.skipUnless(
        schemas.folder() and schemas.visuals(), "Microsoft's schemas or catalogue of visuals are not at hand"
    )
    def test_faults_that_microsofts_schemas_show(self):
        self.demand(faults_of_text(CATALOGUE_FAULTS))

    def test_at_least_forty_faults_are_planted_and_every_check_has_one(self):
        self.assertGreaterEqual(len(planted()), 40)
        self.assertEqual(checks() - set(planted()), set(), "checks without a planted fault")
        print(f"\n{len(planted())} faults planted for {len(checks())} checks")

    @unittest.skipUnless(LAKE, "POWERBI_LAKE names no lake; check.sh makes one")
    def test_faults_between_the_model_and_gold(self):
        self.demand(faults_of_text(LAKE_FAULTS), LAKE)

    @unittest.skipUnless(LAKE, "POWERBI_LAKE names no lake; check.sh makes one")
    def test_faults_in_what_measures_mean(self):
        comparison = test_measures.Comparison(LAKE)
        for measure, text, replacement in VALUE_FAULTS:
            with self.subTest(measure=measure, text=text), tempfile.TemporaryDirectory() as folder:
                project = copied(folder)
                replace(project / KEY, text, replacement)
                model = semantic_model.read(project / MODEL)
                self.assertEqual(model.findings, [])
                names = [measure] if measure in test_measures.EXPECTED else list(test_measures.EXPECTED)
                self.assertIsNotNone(next(comparison.differences(model, names), None), "SQL says the same")

    @unittest.skipUnless(LAKE, "POWERBI_LAKE names no lake; check.sh makes one")
    def test_faults_in_what_queries_read(self):
        test_measures.Measures.setUpClass()
        for wrong, text, replacement, test in QUERY_FAULTS:
            with self.subTest(fault=wrong), tempfile.TemporaryDirectory() as folder:
                project = copied(folder)
                replace(project / MODEL / "expressions.tmdl", text, replacement)
                mutated = test_measures.Measures(test)
                mutated.model = semantic_model.read(project / MODEL)
                with self.assertRaises((AssertionError, EvaluationError, minterpreter.MRuntimeError), msg=wrong):
                    mutated.loaded = minterpreter.load(mutated.model, LAKE)
                    getattr(mutated, test)()

    def test_faults_in_parquet_files(self):
        import lake

        for check, wrong, table, options in FILE_FAULTS:
            with self.subTest(check=check, fault=wrong), tempfile.TemporaryDirectory() as folder:
                gold = Path(folder) / "gold"
                (gold / "kpis_1m").mkdir(parents=True)
                pq.write_table(int_table(), gold / "kpis_1m/a.parquet")
                pq.write_table(table, gold / "kpis_1m/b.parquet", **options)
                found = {finding.check for finding in lake.check_files(gold, gold / "kpis_1m")}
                self.assertIn(check, found, wrong)

    def test_a_parquet_file_cut_short(self):
        import lake

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "gold/kpis_1m/a.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(int_table(), path)
            path.write_bytes(path.read_bytes()[:-20])
            found = [finding.check for finding in lake.check_files(path.parents[1], path.parent)]
            self.assertEqual(found, ["parquet-file"])


if __name__ == "__main__":
    unittest.main()
