"""Checks of the semantic model on its own: names, references, relationships, house rules. They need neither data nor network."""

import re

import dax
import mquery
import schemas
from findings import Finding

# Functions of connectors that Desktop brings along beside the M library.
CONNECTORS = {"Databricks.Catalogs"}
FOLDER = re.compile(r"\d [A-Z].*")
TYPES = {
    "Int64.Type": "int64", "Currency.Type": "decimal", "type text": "string", "type number": "double",
    "type datetime": "dateTime", "type date": "dateTime", "type time": "dateTime", "type logical": "boolean",
}  # fmt: skip


def check(model):
    """Everything that is wrong with the model."""
    rules = (
        settings, described, formatted, columns_well_kept, sorted_columns, hierarchies, lineage, relationships, star, keys_related,
        measure_references, measure_cycles, measure_style, additivity, queries, query_columns, ranges,
    )  # fmt: skip
    return list(model.findings) + [finding for rule in rules for finding in rule(model)]


def all_nodes(model):
    return [node for nodes in model.nodes.values() for node in nodes]


def settings(model):
    nodes = all_nodes(model)
    found = next((node for node in nodes if node.kind == "model"), None)
    if found is None:
        yield Finding("model-settings", "model.tmdl", "there is no model")
        return
    for name, wanted in (("culture", "en-US"), ("sourceQueryCulture", "en-US"), ("discourageImplicitMeasures", True)):
        if found.get(name) != wanted:
            yield Finding("model-settings", "model.tmdl", f"{name} is {found.get(name)!r}; expected {wanted!r}")
    automatic = next((node.expression for node in nodes if node.name == "__PBI_TimeIntelligenceEnabled"), None)
    if automatic != "0":
        yield Finding(
            "model-settings", "model.tmdl", "auto date/time must be off: annotation __PBI_TimeIntelligenceEnabled = 0"
        )
    named = [node.name for node in nodes if node.kind == "ref table"]
    for name in sorted(set(named) ^ set(model.tables)):
        yield Finding(
            "model-ref", "model.tmdl", f"table {name!r} is {'listed but missing' if name in named else 'not listed'}"
        )
    if not any(node.kind == "database" for node in nodes):
        yield Finding("model-settings", "database.tmdl", "there is no database")


def described(model):
    for table in model.tables.values():
        if not table.node.description:
            yield Finding("described", table.name, "the table has no description")
        for column in table.columns.values():
            if not column.node.description:
                yield Finding("described", f"{table.name}[{column.name}]", "the column has no description")
    for measure in model.measures.values():
        if not measure.node.description:
            yield Finding("described", f"[{measure.name}]", "the measure has no description")
    for name, (node, _) in model.expressions.items():
        if not node.description:
            yield Finding("described", name, "the query has no description")


def formatted(model):
    for measure in model.measures.values():
        node, where = measure.node, f"[{measure.name}]"
        if not node.get("isHidden") and not node.get("formatString"):
            yield Finding("formatted", where, "the measure has no formatString")
        if not FOLDER.fullmatch(node.get("displayFolder", "")):
            yield Finding(
                "foldered", where, f"the folder is {node.get('displayFolder')!r}; expected a digit, a space and a name"
            )
    for table in model.tables.values():
        for column in table.columns.values():
            if column.type != "string" and not column.node.get("formatString"):
                yield Finding("formatted", f"{table.name}[{column.name}]", "the column has no formatString")


def columns_well_kept(model):
    many = {relationship.many for relationship in model.relationships}
    for table in model.tables.values():
        sorting = {column.node.get("sortByColumn") for column in table.columns.values()}
        if table.columns and all(column.hidden for column in table.columns.values()):
            holds_measures = bool(table.node.of("measure"))
            if table.hidden == holds_measures:
                yield Finding(
                    "hidden-table", table.name, "a table is hidden when all its columns are and it holds no measure"
                )
        for column in table.columns.values():
            where, node = f"{table.name}[{column.name}]", column.node
            if not column.source:
                yield Finding("source-column", where, "the column has no sourceColumn")
            if not column.type:
                yield Finding("column-type", where, "the column has no dataType")
            if node.get("summarizeBy") != "none":
                yield Finding("summarize-none", where, f"summarizeBy is {node.get('summarizeBy')!r}; expected 'none'")
            if (table.name, column.name) in many and not column.hidden:
                yield Finding("hidden-keys", where, "a column on the many side of a relationship must be hidden")
            if column.adds and not column.hidden:
                yield Finding("hidden-figures", where, "a figure is used by measures only and must be hidden")
            needed = node.get("isKey") or column.name in sorting
            if column.hidden and not needed and node.get("isAvailableInMdx") != "false":
                yield Finding("mdx", where, "a hidden column that sorts nothing takes isAvailableInMdx: false")
            if column.type == "double" and "ratio" not in column.name.lower() and "delay" not in column.name.lower():
                yield Finding("no-double", where, "double is for ratios and delays; money is decimal, counts are int64")


def sorted_columns(model):
    for table in model.tables.values():
        for column in table.columns.values():
            by = column.node.get("sortByColumn")
            if by and by not in table.columns:
                yield Finding(
                    "sort-column", f"{table.name}[{column.name}]", f"sorted by {by!r}, which the table does not have"
                )
    for table, name in (
        ("Date", "Month"),
        ("Date", "Weekday"),
        ("Time of Day", "Part of Day"),
        ("Funnel Stage", "Funnel Stage"),
    ):
        column = model.column(table, name)
        if column and not column.node.get("sortByColumn"):
            yield Finding(
                "sort-column", f"{table}[{name}]", "the names need a sortByColumn: the alphabet is the wrong order"
            )


def hierarchies(model):
    for table in model.tables.values():
        for found in table.node.of("hierarchy"):
            where = f"{table.name}/{found.name}"
            if not found.description:
                yield Finding("described", where, "the hierarchy has no description")
            for level in found.of("level"):
                column = table.columns.get(level.get("column"))
                if column is None or column.hidden:
                    message = f"level {level.name!r} stands on {level.get('column')!r}, no visible column of the table"
                    yield Finding("hierarchy", where, message)


def lineage(model):
    seen = {}
    for node in all_nodes(model):
        for found in (node, *node.children):
            tag = found.get("lineageTag")
            if tag is None and found.kind in ("table", "column", "measure", "expression"):
                yield Finding("lineage-tag", found.name, f"the {found.kind} has no lineageTag")
            if tag is not None and seen.setdefault(tag, found) is not found:
                yield Finding("lineage-tag", found.name, f"shares its lineageTag {tag} with {seen[tag].name!r}")


def relationships(model):
    pairs = set()
    for relationship in model.relationships:
        where = f"{'/'.join(relationship.many)} to {'/'.join(relationship.one)}"
        ends = [model.column(*relationship.many), model.column(*relationship.one)]
        for end, (table, name) in zip(ends, (relationship.many, relationship.one), strict=True):
            if end is None:
                yield Finding("relationship-ends", where, f"column '{table}'[{name}] does not exist")
        if None not in ends and ends[0].type != ends[1].type:
            yield Finding("relationship-type", where, f"{ends[0].type} cannot relate to {ends[1].type}")
        if relationship.node.get("crossFilteringBehavior", "oneDirection") != "oneDirection":
            yield Finding("relationship-direction", where, "filters go from the one side to the many side only")
        if relationship.node.get("isActive"):
            yield Finding("relationship-direction", where, "an inactive relationship is used by no measure")
        if (relationship.many[0], relationship.one[0]) in pairs:
            yield Finding("relationship-ambiguous", where, "the two tables are related twice")
        pairs.add((relationship.many[0], relationship.one[0]))


def star(model):
    """Facts point at dimensions: a fact's rows hold figures, a dimension's do not; and one path leads from one to the other."""
    parents = {}
    for relationship in model.relationships:
        parents.setdefault(relationship.many[0], []).append(relationship.one[0])
    facts = {table.name for table in model.tables.values() if any(column.adds for column in table.columns.values())}
    for many, ones in parents.items():
        for one in ones:
            if one in facts:
                yield Finding(
                    "relationship-direction", f"{many} to {one}", f"{one} holds figures and cannot be a one side"
                )
    for table in model.tables:
        reached = list(paths(table, parents, ()))
        for end in {path[-1] for path in reached}:
            if sum(path[-1] == end for path in reached) > 1:
                yield Finding("relationship-ambiguous", table, f"more than one path leads to {end}, or a circle does")


def paths(table, parents, walked):
    for one in parents.get(table, ()):
        if one in walked:
            yield (*walked, one)
            return
        yield (*walked, one)
        yield from paths(one, parents, (*walked, one))


def keys_related(model):
    """A column that is named like a key elsewhere and holds figures beside it must relate to it."""
    ones = {relationship.one for relationship in model.relationships}
    many = {relationship.many for relationship in model.relationships}
    names = {name for _, name in ones} | {"Date Key", "Minute of Day", "Product Id", "Customer Id"}
    owners = {table for table, _ in ones}
    for table in model.tables.values():
        for column in table.columns.values():
            if column.name in names and table.name not in owners and (table.name, column.name) not in many:
                yield Finding("relationship-missing", f"{table.name}[{column.name}]", "the key relates to nothing")


def measure_references(model):
    functions = schemas.dax_functions()
    for measure in model.measures.values():
        for part in dax.walk(measure.expression) if measure.expression else ():
            where = f"[{measure.name}]"
            if part[0] == "measure" and part[1] not in model.measures:
                yield Finding(
                    "dax-reference", where, f"measure [{part[1]}] does not exist; a column needs its table before it"
                )
            if part[0] == "column" and not model.column(part[1], part[2]):
                yield Finding("dax-reference", where, f"column '{part[1]}'[{part[2]}] does not exist")
            if part[0] == "table" and part[1] not in model.tables:
                yield Finding("dax-reference", where, f"table or variable {part[1]!r} does not exist")
            if part[0] == "call" and functions:
                yield from function_call(where, part, functions)


def function_call(where, part, functions):
    if part[1] not in functions:
        yield Finding("dax-function", where, f"there is no function {part[1]}")
        return
    least, most = functions[part[1]]
    if not least <= len(part[2]) <= (most if most is not None else len(part[2])):
        yield Finding("dax-function", where, f"{part[1]} takes {least} to {most} arguments, not {len(part[2])}")


def measure_cycles(model):
    uses = {
        name: {part[1] for part in dax.walk(measure.expression) if part[0] == "measure"}
        if measure.expression
        else set()
        for name, measure in model.measures.items()
    }
    for name in uses:
        reached, ahead = set(), list(uses[name])
        while ahead:
            used = ahead.pop()
            if used not in reached:
                reached.add(used)
                ahead.extend(uses.get(used, ()))
        if name in reached:
            yield Finding("dax-cycle", f"[{name}]", "the measure needs itself")


def measure_style(model):
    names = {
        column.name.lower() for table in model.tables.values() for column in table.columns.values() if not column.hidden
    }
    for measure in model.measures.values():
        if measure.name.lower() in names:
            yield Finding("names-unique", f"[{measure.name}]", "a visible column has the same name")
        for part in dax.walk(measure.expression) if measure.expression else ():
            if part[0] == "op" and part[1] == "/":
                yield Finding(
                    "dax-division", f"[{measure.name}]", "divide with DIVIDE, which answers blank for a divisor of 0"
                )
    used = {
        part[1]
        for measure in model.measures.values()
        if measure.expression
        for part in dax.walk(measure.expression)
        if part[0] == "measure"
    }
    for measure in model.measures.values():
        if measure.node.get("isHidden") and measure.name not in used:
            yield Finding("unused", f"[{measure.name}]", "a hidden measure that no other one uses")


def additivity(model):
    """Figures are added only over what they may be added over: a sum of distinct counts is no answer."""
    for table in model.tables.values():
        related = {relationship.many[1] for relationship in model.relationships if relationship.many[0] == table.name}
        for column in table.columns.values():
            figure = column.hidden and column.type in ("int64", "decimal", "double") and column.name not in related
            if (
                figure
                and related
                and not column.adds
                and not column.node.get("isKey")
                and column.node.get("formatString") != "0"
            ):
                sorting = {other.node.get("sortByColumn") for other in table.columns.values()}
                if column.name not in sorting:
                    message = "say over what the figure adds up: annotation Tillrace_Adds = yes, never, maximum only or per KEY"
                    yield Finding("additivity-said", f"{table.name}[{column.name}]", message)
    for measure in model.measures.values():
        if measure.expression:
            yield from added_wrongly(model, measure)


def added_wrongly(model, measure):
    found = list(dax.walk(measure.expression))
    where = f"[{measure.name}]"
    for part in found:
        if part[0] != "call" or not part[2]:
            continue
        for inner in (item for argument in part[2] if argument for item in dax.walk(argument) if item[0] == "column"):
            column = model.column(inner[1], inner[2])
            adds = column.adds if column else None
            if adds in (None, "yes"):
                continue
            summed = part[1] in ("SUM", "SUMX", "AVERAGE", "AVERAGEX")
            if summed and adds in ("never", "maximum only") and "-Days" not in measure.name:
                yield Finding("summed-distinct", where, f"{part[1]} of '{inner[1]}'[{inner[2]}], which does not add up")
            if summed and adds.startswith("per "):
                key = next(
                    (other for other in model.tables[inner[1]].columns if other.lower().startswith(adds[4:])), None
                )
                guard = ("call", "HASONEVALUE", [("column", inner[1], key)])
                if guard not in found:
                    message = f"{part[1]} of '{inner[1]}'[{inner[2]}], which adds up {adds} only: guard it with HASONEVALUE of [{key}]"
                    yield Finding("summed-distinct", where, message)
            if part[1] in ("MAX", "MIN") and adds == "never":
                guard = ("op", "=", [("call", "COUNTROWS", [("table", inner[1])]), ("number", 1)])
                if guard not in found:
                    message = f"{part[1]} of '{inner[1]}'[{inner[2]}] stands for one window only: guard it with COUNTROWS ( ... ) = 1"
                    yield Finding("distinct-unguarded", where, message)


def model_queries(model):
    for table in model.tables.values():
        if table.query:
            yield table.name, table.query
    for name, (_, expression) in model.expressions.items():
        if expression:
            yield name, expression


def queries(model):
    library = schemas.m_library()
    known = set(model.expressions) | set(model.tables) | CONNECTORS
    for name, expression in model_queries(model):
        for used in sorted(mquery.free_names(expression) - known):
            if used == "_" or (library and used not in library) or not (library or "." in used or used.startswith("#")):
                yield Finding("m-name", name, f"the name {used!r} is neither defined nor in the M library")
        if name in model.expressions and "IsParameterQuery" in model.expressions[name][0].expression:
            continue
        for part in mquery.walk(expression):
            if part[0] == "text" and re.match(r"[A-Za-z]:[\\/]|\\\\|/|https?:|abfss?:", part[1]):
                yield Finding("m-path", name, f"the path {part[1]!r} belongs into a parameter")


def source_of(table):
    """What a table's query takes from Gold: [(function, Gold table, columns)]; empty for a table that M makes."""
    found = []
    for function in ("GoldWindows", "GoldTable"):
        for arguments in mquery.calls(table.query, function) if table.query else ():
            gold = arguments[0][1] if arguments[0][0] == "text" else None
            found.append((function, gold, mquery.columns_of_list(arguments[1]) if len(arguments) > 1 else None))
    return found


def query_columns(model):
    """The columns that a query gives are the table's source columns, with the types that TMDL says."""
    for table in model.tables.values():
        if not table.query:
            continue
        sources = source_of(table)
        literal = [mquery.columns_of_table(arguments[0]) for arguments in mquery.calls(table.query, "#table")]
        given = next((columns for columns in [*(columns for _, _, columns in sources), *literal] if columns), None)
        if given is None or any(columns is None for _, _, columns in sources):
            yield Finding(
                "m-columns", table.name, 'the query names no columns: expected {{"column", type}, ...} once each'
            )
            continue
        wanted = {column.source: column.type for column in table.columns.values()}
        for name in sorted(given.keys() - wanted.keys()):
            yield Finding("m-columns", table.name, f"the query gives {name!r}, which no column of the table takes")
        for name in sorted(wanted.keys() - given.keys(), key=str):
            yield Finding("m-columns", table.name, f"a column takes {name!r}, which the query does not give")
        for name in sorted(given.keys() & wanted.keys()):
            if TYPES.get(given[name]) != wanted[name]:
                yield Finding("m-type", table.name, f"{name!r} is {given[name]} in M and {wanted[name]} in TMDL")


def ranges(model):
    """Windowed tables refresh incrementally: a policy, and RangeStart and RangeEnd in the table's own query."""
    policies = {table.name: bool(table.node.of("refreshPolicy")) for table in model.tables.values()}
    lengths = set()
    for table in model.tables.values():
        names = mquery.free_names(table.query) if table.query else set()
        ranged = bool(table.query and mquery.calls(table.query, "GoldWindows"))
        if ranged != policies[table.name]:
            yield Finding(
                "refresh-policy",
                table.name,
                "a table that reads GoldWindows has a refresh policy, and no other one has",
            )
        if ranged and not {"RangeStart", "RangeEnd"} <= names:
            yield Finding("refresh-range", table.name, "the table's own query must name RangeStart and RangeEnd")
        for policy in table.node.of("refreshPolicy"):
            lengths.add(tuple(value for name, value in policy.properties.items() if name != "sourceExpression"))
    if len(lengths) > 1:
        yield Finding(
            "refresh-policy", "tables", "the tables keep different spans of days; sums of minutes and days would differ"
        )
    for name in ("RangeStart", "RangeEnd"):
        node, _ = model.expressions.get(name, (None, None))
        if any(policies.values()) and (node is None or "DateTime" not in node.expression):
            yield Finding("refresh-range", name, "the parameter must exist and be of type DateTime")
