"""Evaluates DAX measures: filter contexts, relationships, CALCULATE and the functions that this project's measures use.

It is ours, written from the documentation of DAX, and not Power BI's engine. What it knows: a filter context is a set of
values for each filtered column; a filter of the one side of a relationship filters the many side; rows of the many side
without a partner stand at the blank member of the one side; texts are compared without case and blanks at the end. A
function that is not here fails by name. It shares nothing with the SQL that
the tests compare it with.
"""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

import numpy as np
import pyarrow as pa

BLANK = None
# Money is held as whole ten-thousandths, as Power BI's fixed decimal is.
MONEY_SCALE = 10_000
# So few rows of a one side are looked up; more are masked.
FEW = 8


class EvaluationError(Exception):
    """An expression uses something that the evaluator does not know, or mixes what cannot be mixed."""


class ColumnData:
    """The values of a column: `codes` number its distinct `values` (None for blank); figures also as an array."""

    def __init__(self, array):
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        encoded = array.dictionary_encode(null_encoding="encode")
        self.values = encoded.dictionary.to_pylist()
        self.codes = np.asarray(encoded.indices).astype(np.int64)
        self.merge_texts()
        self.code_of = {value: code for code, value in enumerate(self.values)}
        self.money = pa.types.is_decimal(array.type)
        self.figures = None
        if self.money:
            whole = np.frombuffer(array.buffers()[1], dtype=np.int64)[::2]
            self.figures = whole[array.offset : array.offset + len(array)]
        elif pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
            self.figures = array.to_numpy(zero_copy_only=False)

    def merge_texts(self):
        """Texts that differ in case or blanks at the end only are one value, that of the first row, as in Power BI."""
        first = {}
        merged = [first.setdefault(comparable(value), code) for code, value in enumerate(self.values)]
        if len(first) < len(self.values):
            kept = {code: place for place, code in enumerate(first.values())}
            self.values = [self.values[code] for code in kept]
            self.codes = np.array([kept[code] for code in merged], np.int64)[self.codes]


def comparable(value):
    """A value as Power BI compares it."""
    return value.rstrip(" ").lower() if isinstance(value, str) else value


@dataclass
class TableData:
    """A table's columns, and whether it has a blank member for rows elsewhere that know no row here."""

    name: str
    length: int
    columns: dict
    has_blank: bool = False
    # For each relationship to a one side: (its table, the row there for each row here, its length where there is none).
    parents: list = field(default_factory=list)
    # For each of them the rows here in the order of the rows there, and where each row there begins in that order.
    order: dict = field(default_factory=dict)

    def rows_of(self, parent, wanted):
        """The rows here that stand at some rows of a one side."""
        if parent not in self.order:
            rows = next(rows for name, rows in self.parents if name == parent)[:-1]
            by_parent = np.argsort(rows, kind="stable")
            self.order[parent] = by_parent, np.searchsorted(rows[by_parent], np.arange(rows.max(initial=0) + 2))
        by_parent, begins = self.order[parent]
        last = len(begins) - 1
        return np.concatenate([by_parent[begins[min(row, last)] : begins[min(row + 1, last)]] for row in wanted])


@dataclass(frozen=True)
class Context:
    """A filter context: pairs of (table, column) and the values kept, sorted by column."""

    filters: tuple = ()

    @staticmethod
    def of(filters):
        """From a dictionary of (table, column) to values."""
        return Context(
            tuple(sorted(((key, frozenset(values)) for key, values in filters.items()), key=lambda item: item[0]))
        )

    @property
    def columns(self):
        return dict(self.filters)

    def with_filters(self, filters):
        return Context.of(filters)


class Evaluator:
    """A model with its data; `now` answers UTCNOW."""

    def __init__(self, model, tables, now=None):
        self.model = model
        self.now = now or dt.datetime.now(dt.UTC).replace(tzinfo=None)
        self.tables = {
            name: TableData(
                name, table.num_rows, {column: ColumnData(table.column(column)) for column in table.column_names}
            )
            for name, table in tables.items()
        }
        for relationship in model.relationships:
            self.relate(relationship)
        # Masks are as long as their table, so few are kept.
        self.mask = lru_cache(512)(self.mask)
        self.measure = lru_cache(1 << 18)(self.measure)

    def relate(self, relationship):
        (many, many_column), (one, one_column) = relationship.many, relationship.one
        child, parent = self.tables[many], self.tables[one]
        keys, wanted = child.columns[many_column], parent.columns[one_column]
        row_of = {}
        for row, code in enumerate(wanted.codes):
            if row_of.setdefault(comparable(wanted.values[code]), row) != row:
                raise EvaluationError(f"{one}[{one_column}] holds {wanted.values[code]!r} twice; a key must be unique")
        by_code = np.array(
            [row_of.get(comparable(value), parent.length) for value in keys.values] or [parent.length], np.int64
        )
        rows = by_code[keys.codes] if child.length else np.zeros(0, np.int64)
        parent.has_blank |= bool((rows == parent.length).any())
        # The blank member of the many side stands at that of the one side.
        child.parents.append((one, np.append(rows, parent.length)))

    # Rows and values in a context

    def reaches(self, table):
        """The table and all those whose filters reach it."""
        found = {table}
        for parent, _ in self.tables[table].parents:
            found |= self.reaches(parent)
        return found

    def mask(self, table, filters):
        """Which rows are in the context; the last place is the blank member."""
        data = self.tables[table]
        kept = np.ones(data.length + 1, bool)
        for (of, column), values in filters:
            if of == table:
                held = data.columns[column]
                wanted = np.zeros(len(held.values) + 1, bool)
                wanted[[held.code_of[value] for value in values if value in held.code_of]] = True
                kept[:-1] &= wanted[held.codes] if data.length else True
                kept[-1] &= BLANK in values
        for parent, rows in data.parents:
            reached = self.reaches(parent)
            narrowed = tuple(item for item in filters if item[0][0] in reached)
            if narrowed:
                kept &= self.mask(parent, narrowed)[rows]
        return kept

    def rows(self, table, context):
        reached = self.reaches(table)
        return self.mask(table, tuple(item for item in context.filters if item[0][0] in reached))

    def selected(self, table, context):
        """The rows in the context, without the blank member: by way of a one side of which few rows are left, where there is one."""
        data = self.tables[table]
        reached = self.reaches(table)
        filters = tuple(item for item in context.filters if item[0][0] in reached)
        for parent, _rows in data.parents:
            of_parent = tuple(item for item in filters if item[0][0] in self.reaches(parent))
            wanted = np.flatnonzero(self.mask(parent, of_parent)) if of_parent else ()
            if 0 < len(wanted) <= FEW:
                rest = tuple(item for item in filters if item not in of_parent)
                rows = data.rows_of(parent, wanted)
                return rows[self.mask(table, rest)[rows]]
        return np.flatnonzero(self.mask(table, filters)[:-1])

    def column(self, table, column):
        data = self.tables.get(table)
        if data is None or column not in data.columns:
            raise EvaluationError(f"column '{table}'[{column}] does not exist")
        return data.columns[column]

    def distinct(self, table, column, context):
        """The values of a column in the context, the blank member's included."""
        held, kept = self.column(table, column), self.rows(table, context)
        found = {held.values[code] for code in np.unique(held.codes[kept[:-1]])}
        return found | ({BLANK} if kept[-1] and self.tables[table].has_blank else set())

    def figures(self, table, column, context):
        held = self.column(table, column)
        if held.figures is None:
            raise EvaluationError(f"'{table}'[{column}] holds no figures")
        found = held.figures[self.selected(table, context)]
        return found[~np.isnan(found)] if found.dtype.kind == "f" else found, held.money

    # Expressions

    def measure(self, name, context):
        """The value of a measure: a number, a text, a date, a truth value, or None for blank."""
        found = self.model.measures.get(name)
        if found is None:
            raise EvaluationError(f"measure [{name}] does not exist")
        return self.run(found.expression, context, {})

    def run(self, expression, context, variables):
        kind = expression[0]
        if kind in ("number", "text"):
            return expression[1]
        if kind == "measure":
            return self.measure(expression[1], context)
        if kind == "variable":
            return variables[expression[1]]
        if kind == "column" and expression[1:] in variables:
            return variables[expression[1:]]
        if kind == "vars":
            for name, value in expression[1]:
                variables = {**variables, name: self.run(value, context, variables)}
            return self.run(expression[2], context, variables)
        if kind == "op":
            return self.operator(expression, context, variables)
        if kind == "call":
            called = getattr(self, "call_" + expression[1].lower(), None)
            if called is None:
                raise EvaluationError(f"the function {expression[1]} is not known to the evaluator")
            return called(expression[2], context, variables)
        raise EvaluationError(f"{expression!r} is no value")

    def operator(self, expression, context, variables):
        operator, operands = expression[1], expression[2]
        if operator in ("&&", "||"):
            left = truth(self.run(operands[0], context, variables))
            return left if left == (operator == "||") else truth(self.run(operands[1], context, variables))
        values = [self.run(operand, context, variables) for operand in operands]
        if operator == "IN":
            return values[0] in values[1]
        if operator == "NOT":
            return not truth(values[0])
        if operator == "NEG":
            return None if values[0] is None else -values[0]
        if operator in ("+", "-", "*", "/"):
            return arithmetic(operator, *values)
        return compare(operator, *values)

    def column_of(self, argument):
        if argument[0] != "column":
            raise EvaluationError(f"{argument!r} is no column")
        return argument[1], argument[2]

    def call_true(self, _arguments, _context, _variables):
        return True

    def call_blank(self, _arguments, _context, _variables):
        return BLANK

    def call_utcnow(self, _arguments, _context, _variables):
        return self.now

    def call_isblank(self, arguments, context, variables):
        return self.run(arguments[0], context, variables) is BLANK

    def call_not(self, arguments, context, variables):
        return not truth(self.run(arguments[0], context, variables))

    def call_if(self, arguments, context, variables):
        if truth(self.run(arguments[0], context, variables)):
            return self.run(arguments[1], context, variables)
        return self.run(arguments[2], context, variables) if len(arguments) > 2 else BLANK

    def call_switch(self, arguments, context, variables):
        subject = self.run(arguments[0], context, variables)
        rest = arguments[1:]
        for test, result in zip(rest[::2], rest[1::2], strict=False):
            if compare("=", subject, self.run(test, context, variables)):
                return self.run(result, context, variables)
        return self.run(rest[-1], context, variables) if len(rest) % 2 else BLANK

    def call_divide(self, arguments, context, variables):
        top, bottom = (self.run(argument, context, variables) for argument in arguments[:2])
        if not bottom or top is BLANK:
            return self.run(arguments[2], context, variables) if len(arguments) > 2 and not bottom else BLANK
        return float(top) / float(bottom)

    def call_sum(self, arguments, context, _variables):
        found, money = self.figures(*self.column_of(arguments[0]), context)
        if not len(found):
            return BLANK
        return Decimal(int(found.sum())) / MONEY_SCALE if money else found.sum().item()

    def extreme(self, arguments, context, pick):
        table, column = self.column_of(arguments[0])
        values = [value for value in self.distinct(table, column, context) if value is not BLANK]
        return pick(values) if values else BLANK

    def call_max(self, arguments, context, _variables):
        return self.extreme(arguments, context, max)

    def call_min(self, arguments, context, _variables):
        return self.extreme(arguments, context, min)

    def call_countrows(self, arguments, context, _variables):
        table = arguments[0][1]
        kept = self.rows(table, context)
        count = int(kept[:-1].sum()) + bool(kept[-1] and self.tables[table].has_blank)
        return count or BLANK

    def call_distinctcount(self, arguments, context, _variables):
        return len(self.distinct(*self.column_of(arguments[0]), context)) or BLANK

    def call_hasonevalue(self, arguments, context, _variables):
        return len(self.distinct(*self.column_of(arguments[0]), context)) == 1

    def call_isfiltered(self, arguments, context, _variables):
        target = arguments[0]
        return any(
            (table == target[1] if target[0] == "table" else (table, column) == target[1:])
            for table, column in context.columns
        )

    def call_iscrossfiltered(self, arguments, context, _variables):
        reached = self.reaches(arguments[0][1])
        return any(table in reached for table, _ in context.columns)

    def call_datediff(self, arguments, context, variables):
        first, last = (self.run(argument, context, variables) for argument in arguments[:2])
        if first is BLANK or last is BLANK:
            return BLANK
        if arguments[2] != ("word", "MINUTE"):
            raise EvaluationError("DATEDIFF is known to the evaluator in minutes only")
        # Boundaries of minutes crossed, which is how DATEDIFF counts.
        return int(
            (last.replace(second=0, microsecond=0) - first.replace(second=0, microsecond=0)).total_seconds() // 60
        )

    def call_calculate(self, arguments, context, variables):
        filters = context.columns
        added = []
        for argument in arguments[1:]:
            self.modify(argument, context, variables, filters, added)
        for key, values, keep in added:
            filters[key] = filters[key] & values if keep and key in filters else values
        return self.run(arguments[0], context.with_filters(filters), variables)

    def modify(self, argument, context, variables, filters, added):
        """Applies one filter argument: removals at once to `filters`, filters to `added`."""
        name = argument[1] if argument[0] == "call" else None
        if name == "REMOVEFILTERS":
            for key in list(filters):
                if not argument[2] or any(self.covers(target, key) for target in argument[2]):
                    del filters[key]
        elif name == "ALLEXCEPT":
            table, kept = argument[2][0][1], {self.column_of(column) for column in argument[2][1:]}
            for key in [key for key in filters if key[0] in self.reaches(table) and key not in kept]:
                del filters[key]
        elif name == "FILTER":
            key, values = self.rows_that_pass(argument[2], context, variables)
            for covered in [covered for covered in filters if covered[0] == key[0]]:
                del filters[covered]
            added.append((key, values, False))
        elif name == "KEEPFILTERS":
            added.append((*self.predicate(argument[2][0], context, variables), True))
        else:
            added.append((*self.predicate(argument, context, variables), False))

    def rows_that_pass(self, arguments, context, variables):
        """FILTER ( ALL ( T ), test ) as a filter of T's key column: the keys of the rows that pass."""
        if arguments[0][1] != "ALL":
            raise EvaluationError("FILTER is known to the evaluator over ALL ( Table ) only")
        table = arguments[0][2][0][1]
        data = self.tables[table]
        key = next(
            (name for name, column in self.model.tables[table].columns.items() if column.node.get("isKey")), None
        )
        if key is None:
            raise EvaluationError(f"FILTER needs a table with a key; {table} has none")
        passing = set()
        for row in range(data.length):
            values = {(table, name): held.values[held.codes[row]] for name, held in data.columns.items()}
            if truth(self.run(arguments[1], context, {**variables, **values})):
                passing.add(values[table, key])
        return (table, key), frozenset(passing)

    def call_values(self, arguments, context, _variables):
        return frozenset(self.distinct(*self.column_of(arguments[0]), context))

    def predicate(self, expression, context, variables):
        """A comparison of one column with a value, as the set of the column's values that pass."""
        if expression[0] != "op" or expression[2][0][0] != "column":
            raise EvaluationError(
                f"{expression!r} is no filter that the evaluator knows: it wants 'Table'[Column] = value"
            )
        table, column = self.column_of(expression[2][0])
        value = self.run(expression[2][1], context, variables)
        values = {held for held in [*self.column(table, column).values, BLANK] if compare(expression[1], held, value)}
        return (table, column), frozenset(values)

    def covers(self, target, key):
        """Whether a table or column named in REMOVEFILTERS covers a filtered column. A table covers its one sides too."""
        return key[0] in self.reaches(target[1]) if target[0] == "table" else key == target[1:]

    def call_rankx(self, arguments, context, variables):
        if arguments[3:] != [("word", "DESC"), ("word", "SKIP")]:
            raise EvaluationError("RANKX is known to the evaluator descending, with skips only")
        own = number(self.run(arguments[1], context, variables))
        return 1 + sum(number(value) > own for value in self.by_row(arguments[0], arguments[1], context, variables))

    def table_of(self, expression, context, variables):
        """The name of a table and the context in which its rows are taken, for VALUES ( T ), ALL ( T ) and CALCULATETABLE."""
        name, arguments = expression[1], expression[2]
        if name == "VALUES":
            return arguments[0][1], context
        if name == "ALL":
            return arguments[0][1], Context()
        if name == "CALCULATETABLE":
            filters = context.columns
            for argument in arguments[1:]:
                self.modify(argument, context, variables, filters, [])
            return self.table_of(arguments[0], context.with_filters(filters), variables)
        raise EvaluationError(f"the table {name} is not known to the evaluator")

    def by_row(self, source, expression, context, variables):
        """The expression for each row of a table, each row's values being filters (context transition)."""
        table, within = self.table_of(source, context, variables)
        data, kept = self.tables[table], self.rows(table, within)
        for row in [*np.flatnonzero(kept[:-1]), *([data.length] if kept[-1] and data.has_blank else [])]:
            own = {
                (table, name): {held.values[held.codes[row]] if row < data.length else BLANK}
                for name, held in data.columns.items()
            }
            yield self.run(expression, context.with_filters({**context.columns, **own}), variables)


def truth(value):
    return bool(value)


def number(value):
    return 0 if value is BLANK else value


def arithmetic(operator, left, right):
    if left is BLANK and right is BLANK:
        return BLANK
    if operator in ("*", "/") and BLANK in (left, right):
        return BLANK
    left, right = number(left), number(right)
    if isinstance(left, dt.date) and isinstance(right, int):
        return left + dt.timedelta(days=right if operator == "+" else -right)
    if isinstance(left, float) or isinstance(right, float):
        left, right = float(left), float(right)
    return {"+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right, "/": lambda: left / right}[
        operator
    ]()


def compare(operator, left, right):
    """Blank compares as zero, the empty text or false, whichever the other side is."""
    if operator == "==":
        return left == right
    if left is BLANK:
        left = empty_like(right)
    if right is BLANK:
        right = empty_like(left)
    return {
        "=": lambda: left == right,
        "<>": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
    }[operator]()


def empty_like(value):
    if isinstance(value, str):
        return ""
    if isinstance(value, dt.datetime):
        return dt.datetime(1899, 12, 30)
    return dt.date(1899, 12, 30) if isinstance(value, dt.date) else 0
