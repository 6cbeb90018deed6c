"""What a visual shows: its fields evaluated under the filters of its page and its own, row by row.

As in Power BI, a row appears where at least one measure is not blank; filters of the page and the visual hold for all rows,
and each row adds its group's values.
"""

import itertools
from dataclasses import dataclass

from evaluator import Context, EvaluationError
from report import references


@dataclass
class Result:
    """Columns of a visual: `groups` and `measures` are projections, `rows` pairs of group values and measure values."""

    groups: list
    measures: list
    rows: list
    totals: dict


def literal(text):
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return None if text == "null" else int(text.rstrip("LD"))


def field_of(projection):
    """('Column' or 'Measure', table, name)."""
    return next(references(projection["field"]))


class VisualQuery:
    """Evaluates visuals; `bound` gives the values of filters that a drill-through or tooltip sets."""

    def __init__(self, evaluator, bound=None):
        self.dax = evaluator
        self.bound = bound or {}

    def outer(self, page, visual):
        filters = {}
        top = []
        for found in [*page.filters, *visual.filters]:
            _kind, table, column = next(references(found["field"]))
            if found["name"] in self.bound:
                self.narrow(filters, (table, column), self.bound[found["name"]])
            elif found["type"] == "TopN":
                top.append((found, (table, column)))
            elif "filter" in found:
                self.narrow(filters, (table, column), self.kept(found, (table, column)))
        for found, key in top:
            self.narrow(filters, key, self.top(found, key, filters))
        return filters

    @staticmethod
    def narrow(filters, key, values):
        filters[key] = filters[key] & values if key in filters else frozenset(values)

    def kept(self, found, key):
        condition = found["filter"]["Where"][0]["Condition"]
        if "In" in condition:
            return {literal(value["Literal"]["Value"]) for (value,) in condition["In"]["Values"]}
        if "Not" in condition and condition["Not"]["Expression"]["Comparison"]["Right"]["Literal"]["Value"] == "null":
            return set(self.dax.column(*key).values) - {None}
        raise EvaluationError(f"the filter {found['name']!r} is of a kind that the previews do not know")

    def top(self, found, key, filters):
        query = found["filter"]["From"][0]["Expression"]["Subquery"]["Query"]
        measure = query["OrderBy"][0]["Expression"]["Measure"]["Property"]
        context = Context.of(filters)
        ranked = []
        for value in self.dax.distinct(*key, context):
            got = self.dax.measure(measure, context.with_filters({**filters, key: {value}}))
            if got is not None:
                ranked.append((got, str(value), value))
        ranked.sort(key=lambda entry: (-entry[0], entry[1]))
        return {value for _, _, value in ranked[: query["Top"]]}

    def run(self, page, visual, clicked=None):
        """What the visual shows; `clicked` adds the filters of a data point that was clicked in another visual."""
        groups, measures = [], []
        for role, found in visual.roles.items():
            for projection in found:
                (groups if field_of(projection)[0] == "Column" else measures).append((role, projection))
        outer = self.outer(page, visual)
        for key, values in (clicked or {}).items():
            self.narrow(outer, key, values)
        base = Context.of(outer)
        keys = [field_of(projection)[1:] for _, projection in groups]
        rows = []
        for values in self.combinations(keys, base) if keys else ():
            context = base.with_filters(self.joined(outer, keys, values))
            got = {
                field_of(projection)[2]: self.dax.measure(field_of(projection)[2], context)
                for _, projection in measures
            }
            if any(value is not None for value in got.values()) or not measures:
                rows.append((values, got))
        totals = {
            field_of(projection)[2]: self.dax.measure(field_of(projection)[2], base) for _, projection in measures
        }
        self.sort(visual, keys, rows)
        return Result(groups, measures, rows, totals)

    def joined(self, outer, keys, values):
        filters = dict(outer)
        for key, value in zip(keys, values, strict=True):
            self.narrow(filters, key, {value})
        return filters

    def combinations(self, keys, context):
        """Values of columns of one table as they occur together, those of different tables each with each."""
        tables = list(dict.fromkeys(table for table, _ in keys))
        parts = []
        for table in tables:
            columns = [column for of, column in keys if of == table]
            kept = self.dax.rows(table, context)
            held = [self.dax.column(table, column) for column in columns]
            found = {tuple(one.values[one.codes[row]] for one in held) for row in kept[:-1].nonzero()[0]}
            if kept[-1] and self.dax.tables[table].has_blank:
                found.add((None,) * len(columns))
            parts.append([dict(zip([(table, column) for column in columns], values, strict=True)) for values in found])
        for combination in itertools.product(*parts):
            merged = {key: value for part in combination for key, value in part.items()}
            yield tuple(merged[key] for key in keys)

    def sort(self, visual, keys, rows):
        """By the visual's own order, else by the first column in the order that the model gives it."""
        for place in reversed(range(len(keys))):
            order = self.order_of(keys[place])
            rows.sort(key=lambda row, place=place, order=order: order[row[0][place]])
        wanted = visual.document["visual"].get("query", {}).get("sortDefinition", {}).get("sort", [])
        for entry in reversed(wanted):
            kind, table, name = next(references(entry["field"]))
            place = keys.index((table, name)) if kind == "Column" else None
            value = lambda row, p=place, n=name: row[1][n] if p is None else row[0][p]
            rows.sort(key=lambda row, v=value: (v(row) is not None, v(row)), reverse=entry["direction"] == "Descending")

    def order_of(self, key):
        """The place of each value of a column, by the column that sorts it; blank comes first."""
        table, column = key
        by = self.dax.model.column(table, column).node.get("sortByColumn", column)
        held, sorting = self.dax.column(table, column), self.dax.column(table, by)
        pairs = {
            held.values[code]: sorting.values[other] for code, other in zip(held.codes, sorting.codes, strict=True)
        }
        return {value: (place is not None, place) for value, place in pairs.items()} | {None: (False, None)}
