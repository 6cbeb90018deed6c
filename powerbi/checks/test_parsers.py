"""The parsers of TMDL, M and DAX, the format strings and the interpreter of M: what they take and what they refuse."""

import datetime as dt
import unittest
from pathlib import Path

import dax
import minterpreter
import model as semantic_model
import mquery
import tmdl
from formatting import formatted

PROJECT = Path(__file__).resolve().parents[1]


class Tmdl(unittest.TestCase):
    """Indentation, names, values and expressions."""

    def refuse(self, text, message):
        with self.assertRaisesRegex(tmdl.TmdlError, message):
            tmdl.parse(text)

    def test_a_table_with_all_that_this_project_uses(self):
        (table,) = tmdl.parse(
            "/// What it is.\ntable 'A ''B'' C'\n\tisHidden\n\n\tmeasure M =\n\t\t\tVAR X = 1\n\n\t\t\tRETURN\n\t\t\t\tX\n\t\tformatString: 0\n"
            "\n\tcolumn C\n\t\tdataType: int64\n\n\t\tannotation A = b c\n\n\tpartition P = m\n\t\tmode: import\n\t\tsource =\n\t\t\tlet\n\t\t\t    A = 1\n\t\t\tin\n\t\t\t    A\n"
        )
        self.assertEqual((table.name, table.description, table.get("isHidden")), ("A 'B' C", "What it is.", True))
        self.assertEqual(table.of("measure")[0].expression, "VAR X = 1\n\nRETURN\n\tX")
        self.assertEqual(table.of("column")[0].annotation("A"), "b c")
        self.assertEqual(table.of("partition")[0].get("source"), "let\n    A = 1\nin\n    A")

    def test_references_to_columns(self):
        self.assertEqual(tmdl.reference("'A B'.'C D'"), ("A B", "C D"))
        self.assertEqual(tmdl.reference("A.'C.D'"), ("A", "C.D"))
        self.assertIsNone(tmdl.reference("A B.C"))

    def test_refusals_name_the_line_and_what_was_expected(self):
        self.refuse("table T\n    isHidden\n", "line 2: indented by spaces")
        self.refuse("table T\n\t\tisHidden\n", "line 2: indented by 2 tabs where 1 were expected")
        self.refuse("table T\n\tcolour: red\n", "line 2: table has no property 'colour'; it may have lineageTag")
        self.refuse("table T\n\tisHidden\n\tisHidden\n", "line 3: property 'isHidden' stands twice")
        self.refuse(
            "table T\n\tcolumn C\n\t\tdataType: number\n", "line 3: dataType is 'number'; expected one of string, int64"
        )
        self.refuse("table\n", "line 1: table needs a name")
        self.refuse("measure M = 1\n", "line 1: unexpected 'measure M = 1'; expected one of database, model")
        self.refuse("table T\n\tmeasure M =\n\t\tformatString: 0\n", "line 2: an expression is missing")
        self.refuse("table T\n\t/// nothing below\n", "a description without an object")


class MLanguage(unittest.TestCase):
    """Expressions, and what is said about them."""

    def test_names_that_are_not_defined(self):
        expression = mquery.parse(
            'let f = (x) => x + Y, t = each _ + [Some Field] in f(t) & #"Other Query" & List.Sum({1..3})'
        )
        self.assertEqual(mquery.free_names(expression), {"Y", "Other Query", "List.Sum"})

    def test_literal_columns(self):
        (arguments,) = mquery.calls(mquery.parse('F("t", {{"a", Int64.Type}, {"b", type text}})'), "F")
        self.assertEqual(mquery.columns_of_list(arguments[1]), {"a": "Int64.Type", "b": "type text"})
        self.assertIsNone(mquery.columns_of_list(mquery.parse('{{"a", Int64.Type}, {"a", type text}}')))
        table = mquery.parse('type table [A = text, #"B C" = Int64.Type]')
        self.assertEqual(mquery.columns_of_table(table), {"A": "type text", "B C": "Int64.Type"})

    def test_refusals(self):
        for text in (
            "let a = 1",
            "let a = 1, in a",
            "f(1,)",
            "{1, 2",
            "if a then b",
            "(x) =>",
            "1 +",
            "[a = ]",
            '"open',
        ):
            with self.subTest(text=text), self.assertRaises(mquery.MError):
                mquery.parse(text)

    def test_it_runs_lazily_and_with_its_own_scopes(self):
        run = lambda text: minterpreter.Interpreter({}).run(mquery.parse(text), {})
        self.assertEqual(run("let a = b + 1, b = 2, c = Not.There in a"), 3)
        self.assertEqual(run("let f = (x) => x * 2 in List.Transform({1..3}, each f(_))"), [2, 4, 6])
        self.assertEqual(run("let name = 1 in [name = name]"), {"name": 1})
        self.assertEqual(run('try Date.FromText("x", [Format = "yyyy-MM-dd", Culture = "en-US"]) otherwise null'), None)
        self.assertEqual(run('Text.AfterDelimiter("a\\b\\c", "\\", {0, RelativePosition.FromEnd})'), "c")
        with self.assertRaisesRegex(minterpreter.MRuntimeError, "'Not.There' is not known"):
            run("Not.There")

    def test_the_calendar_has_no_gap_and_knows_the_newest_day(self):
        model = semantic_model.read(PROJECT / "Tillrace.SemanticModel/definition")
        days = [dt.date(2024, 2, 27), dt.date(2024, 3, 2)]
        interpreter = minterpreter.Interpreter({}, {"GoldDays": lambda name: days})
        calendar = interpreter.run(model.tables["Date"].query, {}).to_pylist()
        self.assertEqual([row["DateKey"] for row in calendar], [20240227, 20240228, 20240229, 20240301, 20240302])
        self.assertEqual([row["DayOffset"] for row in calendar], [-4, -3, -2, -1, 0])
        self.assertEqual(
            (calendar[2]["Weekday"], calendar[2]["WeekdayNumber"], calendar[2]["YearMonth"]), ("Thursday", 4, "2024-02")
        )


class Dax(unittest.TestCase):
    """Expressions."""

    def test_precedence_variables_and_empty_arguments(self):
        self.assertEqual(dax.parse("1 + 2 * 3 = 7 && NOT [A]"), (
            "op", "&&", [("op", "=", [("op", "+", [("number", 1), ("op", "*", [("number", 2), ("number", 3)])]), ("number", 7)]), ("op", "NOT", [("measure", "A")])],
        ))  # fmt: skip
        self.assertEqual(dax.parse("VAR X = 1 RETURN X + Y")[2], ("op", "+", [("variable", "X"), ("table", "Y")]))
        self.assertEqual(dax.parse("F ( T, , DESC )"), ("call", "F", [("table", "T"), None, ("word", "DESC")]))
        self.assertEqual(dax.parse("'A B'[C]]D]"), ("column", "A B", "C]D"))

    def test_refusals(self):
        for text in ("F ( 1", "1 +", "VAR X = 1", "[A", "1 2", "VAR = 1 RETURN 1"):
            with self.subTest(text=text), self.assertRaises(dax.DaxError):
                dax.parse(text)


class Formats(unittest.TestCase):
    """The format strings of the model."""

    def test_each_kind(self):
        for value, text, wanted in (
            (1234567.891, "#,0.00", "1,234,567.89"), (1234, "#,0", "1,234"), (0.12345, "0.0%;-0.0%;0.0%", "12.3%"),
            (-0.5, "+0.0%;-0.0%;0.0%", "-50.0%"), (0.5, "+0.0%;-0.0%;0.0%", "+50.0%"), (0, "+0.0%;-0.0%;0.0%", "0.0%"),
            (dt.datetime(2026, 1, 2, 3, 4, 5), "yyyy-mm-dd hh:nn", "2026-01-02 03:04"), (None, "0", ""), (20260101, "0", "20260101"),
        ):  # fmt: skip
            self.assertEqual(formatted(value, text), wanted)

    def test_every_format_string_of_the_model_is_known(self):
        model = semantic_model.read(PROJECT / "Tillrace.SemanticModel/definition")
        for measure in model.measures.values():
            text = measure.node.get("formatString")
            if text:
                value = dt.datetime(2026, 1, 2) if text.startswith("yyyy") else 1
                self.assertTrue(formatted(value, text), measure.name)


if __name__ == "__main__":
    unittest.main()
