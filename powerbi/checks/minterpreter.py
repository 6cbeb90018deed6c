"""Runs the model's M queries on a lake: an interpreter of the part of M that they use.

It is not Power Query. It follows the language specification for expressions (lazy `let`, `each`, records, lists) and the
documentation of the few library functions in `LIBRARY`; a query that uses another function fails here by name. Reading
the lake this way means that the measures are evaluated on what the queries give, not on what a test assumes.

One thing is made worse on purpose: an instant with a zone that is cast to `type datetime` without being turned into UTC
first is shifted by `MACHINE_ZONE`, as Power Query does on a machine that is not in UTC.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MACHINE_ZONE = dt.timedelta(hours=5, minutes=30)
ARROW = {
    "Int64.Type": pa.int64(), "Currency.Type": pa.decimal128(19, 4), "text": pa.string(), "number": pa.float64(),
    "datetime": pa.timestamp("us"), "date": pa.date32(), "time": pa.time64("us"), "logical": pa.bool_(),
}  # fmt: skip


class MRuntimeError(Exception):
    """A query failed as it would in Power Query, or uses something that this interpreter does not know."""


@dataclass(frozen=True)
class Type:
    """A type by name; `fields` for a table type."""

    name: str
    fields: tuple = ()


@dataclass
class FileTable:
    """The table of Folder.Contents: rows of named values; the content is a path, or a table for a folder."""

    rows: list
    folder: Path | None = None


class Thunk:
    """A binding of `let`, evaluated when it is first asked for."""

    def __init__(self, interpreter, expression, scope):
        self.arguments = (interpreter, expression, scope)

    def value(self):
        if self.arguments:
            interpreter, expression, scope = self.arguments
            self.result = interpreter.run(expression, scope)
            self.arguments = None
        return self.result


class Interpreter:
    """Evaluates expressions; `shared` are the model's named expressions."""

    def __init__(self, shared, overrides=None):
        self.cache = {}
        self.globals = dict(overrides or {})
        for name, expression in shared.items():
            if name not in self.globals:
                self.globals[name] = Thunk(self, expression, {})

    def run(self, expression, scope):
        return getattr(self, "run_" + expression[0])(expression, scope)

    def run_name(self, expression, scope):
        name = expression[1]
        for place in (scope, self.globals):
            if name in place:
                found = place[name]
                return found.value() if isinstance(found, Thunk) else found
        if name in LIBRARY:
            return LIBRARY[name]
        if name in ARROW:
            return Type(name)
        raise MRuntimeError(f"the name {name!r} is not known to the interpreter of the checks")

    def run_let(self, expression, scope):
        scope = dict(scope)
        for name, value in expression[1]:
            scope[name] = Thunk(self, value, scope)
        return self.run(expression[2], scope)

    def run_if(self, expression, scope):
        return self.run(expression[2] if self.run(expression[1], scope) else expression[3], scope)

    def run_each(self, expression, scope):
        return lambda item: self.run(expression[1], {**scope, "_": item})

    def run_fn(self, expression, scope):
        names = [name for name, _ in expression[1]]

        def called(*arguments):
            if len(arguments) != len(names):
                raise MRuntimeError(f"{len(arguments)} arguments were passed to a function which expects {len(names)}")
            return self.run(expression[3], {**scope, **dict(zip(names, arguments, strict=True))})

        return called

    def run_try(self, expression, scope):
        try:
            return self.run(expression[1], scope)
        except (MRuntimeError, ValueError, TypeError, IndexError):
            return self.run(expression[2], scope)

    def run_call(self, expression, scope):
        called = self.run(expression[1], scope)
        if not callable(called):
            raise MRuntimeError(f"{called!r} is no function")
        return called(*[self.run(argument, scope) for argument in expression[2]])

    def run_field(self, expression, scope):
        base = self.run(expression[1], scope)
        name = expression[2]
        if isinstance(base, FileTable):
            return [row[name] for row in base.rows]
        if isinstance(base, pa.Table):
            return column(base, name).to_pylist()
        if name not in base:
            raise MRuntimeError(f"the field {name!r} of the record wasn't found")
        return base[name]

    def run_item(self, expression, scope):
        base, index = self.run(expression[1], scope), self.run(expression[2], scope)
        if isinstance(index, dict):
            return only_row(base, index)
        return base[index]

    def run_list(self, expression, scope):
        found = []
        for item in expression[1]:
            if item[0] == "range":
                found.extend(range(self.run(item[1], scope), self.run(item[2], scope) + 1))
            else:
                found.append(self.run(item, scope))
        return found

    def run_record(self, expression, scope):
        return {name: self.run(value, scope) for name, value in expression[1]}

    def run_text(self, expression, _):
        return expression[1]

    def run_number(self, expression, _):
        return int(expression[1]) if expression[1].isdigit() else Decimal(expression[1])

    def run_literal(self, expression, _):
        return {"true": True, "false": False, "null": None}[expression[1]]

    def run_type(self, expression, scope):
        found = expression[1]
        if isinstance(found, str):
            return Type(found)
        if found[0] == "table":
            return Type("table", tuple((name, self.run_type(("type", kind), scope).name) for name, kind in found[1]))
        return self.run_type(("type", found[1]), scope) if found[0] == "nullable" else self.run(found, scope)

    def run_op(self, expression, scope):
        operator, operands = expression[1], expression[2]
        if operator in ("and", "or"):
            left = self.run(operands[0], scope)
            return left if left is (operator == "or") else self.run(operands[1], scope)
        values = [self.run(operand, scope) for operand in operands]
        return OPERATORS[operator](*values)


def is_of(value, kind):
    if kind.name == "table":
        return isinstance(value, (FileTable, pa.Table))
    if kind.name == "datetimezone":
        return isinstance(value, dt.datetime) and value.tzinfo is not None
    raise MRuntimeError(f"`is {kind.name}` is not known to the interpreter of the checks")


def compared(test):
    """Comparison with null gives null, as in M."""
    return lambda a, b: None if a is None or b is None else test(a, b)


OPERATORS = {
    "&": lambda a, b: a + b,
    "+": lambda a, b=None: a if b is None else a + b,
    "-": lambda a, b=None: -a if b is None else a - b,
    "*": lambda a, b: a * b,
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": compared(lambda a, b: a < b),
    "<=": compared(lambda a, b: a <= b),
    ">": compared(lambda a, b: a > b),
    ">=": compared(lambda a, b: a >= b),
    "not": lambda a: not a,
    "meta": lambda a, _: a,
    "is": is_of,
}


def column(table, name):
    if name not in table.column_names:
        raise MRuntimeError(f"the column {name!r} of the table wasn't found; it has {', '.join(table.column_names)}")
    return table.column(name).combine_chunks()


def folder_contents(path):
    """Files and folders in a folder; a folder's content is such a table too. Paths have backslashes, as on Windows."""
    folder = Path(path.replace("\\", "/"))
    if not folder.is_dir():
        raise MRuntimeError(f"could not find the folder {str(folder)!r}")
    rows = [
        {
            "Content": folder_contents(str(entry)) if entry.is_dir() else entry,
            "Name": entry.name,
            "Extension": "" if entry.is_dir() else entry.suffix,
            "Folder Path": f"{folder}/".replace("/", "\\"),
        }
        for entry in sorted(folder.iterdir())
    ]
    return FileTable(rows, folder)


def delta_table(directory):
    """The newest version of the Delta table in a folder."""
    from deltalake import DeltaTable

    return pa.table(DeltaTable(directory.folder).to_pyarrow_table())


def select_rows(table, keep):
    if isinstance(table, FileTable):
        return FileTable([row for row in table.rows if keep(row) is True])
    rows = table.to_pylist()
    return table.filter(pa.array([keep(row) is True for row in rows], pa.bool_()))


def add_column(table, name, make, _type=None):
    if isinstance(table, pa.Table):
        return table.append_column(name, pa.array([make(row) for row in table.to_pylist()]))
    return FileTable([{**row, name: make(row)} for row in table.rows])


def select_columns(table, names):
    return pa.table({name: column(table, name) for name in names})


def transform_columns(table, transformations):
    for name, change in transformations:
        values = column(table, name)
        changed = {value: change(value) for value in set(values.to_pylist())}
        table = replaced(table, name, pa.array([changed[value] for value in values.to_pylist()]))
    return table


def replaced(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


def transform_column_types(table, types, _culture):
    for name, kind in types:
        values = column(table, name)
        wanted = ARROW.get(kind.name)
        if wanted is None:
            raise MRuntimeError(f"column {name!r}: no type {kind.name!r}")
        if pa.types.is_timestamp(values.type) and values.type.tz and kind.name == "datetime":
            values = pc.add(values.cast(pa.timestamp("us")), pa.scalar(MACHINE_ZONE))
        try:
            table = replaced(table, name, values.cast(wanted))
        except pa.ArrowInvalid as error:
            raise MRuntimeError(f"column {name!r}: cannot convert to {kind.name}: {error}") from error
    return table


def only_row(table, wanted):
    """The row of a table whose fields have the wanted values, as in Source{[Name = "kpis_1m"]}."""
    found = [row for row in table.rows if all(row[name] == value for name, value in wanted.items())]
    if len(found) != 1:
        raise MRuntimeError(f"the key {wanted} matched {len(found)} rows in the table; expected 1")
    return found[0]


def combine(tables):
    if not tables:
        return pa.table({})
    if all(isinstance(table, FileTable) for table in tables):
        return FileTable([row for table in tables for row in table.rows])
    return pa.concat_tables(tables, promote_options="default")


def distinct(table, names=None):
    """The first row of each combination of values."""
    keys = zip(*[column(table, name).to_pylist() for name in names or table.column_names], strict=True)
    first = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    return table.take(pa.array(list(first.values()), pa.int64()))


def replace_value(table, old, new, _replacer, names):
    for name in names:
        values = column(table, name)
        table = replaced(
            table, name, pc.fill_null(values, new) if old is None else pc.if_else(pc.equal(values, old), new, values)
        )
    return table


def literal_table(kind, rows):
    columns = {}
    for place, (name, wanted) in enumerate(kind.fields):
        columns[name] = pa.array([row[place] for row in rows], ARROW[wanted])
    return pa.table(columns)


def after_delimiter(text, delimiter, which):
    """Text after the n-th delimiter from the end."""
    index, _from_end = which
    parts = text.split(delimiter)
    return delimiter.join(parts[len(parts) - 1 - index :])


def date_from_text(text, options):
    if options["Format"] != "yyyy-MM-dd":
        raise MRuntimeError(f"the format {options['Format']!r} is not known to the interpreter of the checks")
    return dt.datetime.strptime(text, "%Y-%m-%d").date()


def date_to_text(date, options):
    return date.strftime({"MMMM": "%B", "yyyy-MM": "%Y-%m"}[options["Format"]])


LIBRARY = {
    "#table": literal_table,
    "#date": lambda year, month, day: dt.date(year, month, day),
    "#datetime": lambda *parts: dt.datetime(*parts),
    "#duration": lambda days, hours, minutes, seconds: dt.timedelta(days, seconds, 0, 0, minutes, hours),
    "#time": lambda hour, minute, second: dt.time(hour, minute, second),
    "Date.Day": lambda date: date.day,
    "Date.DayOfWeek": lambda date, first: (date.weekday() - first) % 7,
    "Date.DayOfWeekName": lambda date, _culture: date.strftime("%A"),
    "Date.From": lambda value: value.date(),
    "Date.FromText": date_from_text,
    "Date.Month": lambda date: date.month,
    "Date.ToText": date_to_text,
    "Date.Year": lambda date: date.year,
    "DateTime.Date": lambda value: value.date(),
    "DateTimeZone.RemoveZone": lambda value: value.replace(tzinfo=None),
    "DateTimeZone.ToUtc": lambda value: value.astimezone(dt.UTC),
    "DateTimeZone.UtcNow": lambda: dt.datetime.now(dt.UTC),
    "Day.Monday": 0,
    "Duration.Days": lambda span: span.days,
    "DeltaLake.Table": delta_table,
    "Folder.Contents": folder_contents,
    "List.Dates": lambda start, count, step: [start + step * n for n in range(count)],
    "List.Distinct": lambda items: list(dict.fromkeys(items)),
    "List.IsEmpty": lambda items: not items,
    "List.Max": lambda items: max(items),
    "List.Min": lambda items: min(items),
    "List.RemoveNulls": lambda items: [item for item in items if item is not None],
    "List.Select": lambda items, keep: [item for item in items if keep(item) is True],
    "List.Transform": lambda items, change: [change(item) for item in items],
    "Number.IntegerDivide": lambda a, b: a // b,
    "Number.Mod": lambda a, b: a % b,
    "Parquet.Document": lambda path: pq.read_table(path, partitioning=None),
    "Record.Field": lambda record, name: record[name],
    "RelativePosition.FromEnd": "from the end",
    "Replacer.ReplaceValue": "replace the value",
    "Table.AddColumn": add_column,
    "Table.Column": lambda table, name: column(table, name).to_pylist(),
    "Table.Combine": combine,
    "Table.Distinct": distinct,
    "Table.RemoveColumns": lambda table, names: table.drop_columns(names),
    "Table.ReplaceValue": replace_value,
    "Table.SelectColumns": select_columns,
    "Table.SelectRows": select_rows,
    "Table.TransformColumnTypes": transform_column_types,
    "Table.TransformColumns": transform_columns,
    "Text.AfterDelimiter": after_delimiter,
    "Text.From": lambda value, _culture: str(value),
    "Text.Lower": lambda text, _culture: None if text is None else text.lower(),
    "Text.PadStart": lambda text, width, fill: text.rjust(width, fill),
    "Text.TrimEnd": lambda text, fill: None if text is None else text.rstrip(fill),
    "Type.Is": lambda kind, other: kind.name == other.name,
}


def load(model, lake, **overrides):
    """All tables of the model, by name, as the queries give them for this lake: Arrow tables with the model's columns."""
    shared = {name: expression for name, (_, expression) in model.expressions.items()}
    interpreter = Interpreter(shared, {"LakePath": str(lake).replace("/", "\\"), **overrides})
    loaded = {}
    for table in model.tables.values():
        try:
            result = interpreter.run(table.query, {})
            loaded[table.name] = pa.table(
                {name: column(result, wanted.source) for name, wanted in table.columns.items()}
            )
        except MRuntimeError as error:
            raise MRuntimeError(f"{table.name}: {error}") from error
    return loaded
