"""The semantic model as the checks see it: tables, columns, measures, queries and relationships, read from TMDL."""

from dataclasses import dataclass, field
from pathlib import Path

import dax
import mquery
import tmdl
from findings import Finding


@dataclass
class Column:
    """A column of a table."""

    table: str
    name: str
    node: tmdl.Node

    @property
    def type(self):
        return self.node.get("dataType")

    @property
    def source(self):
        return self.node.get("sourceColumn")

    @property
    def hidden(self):
        return bool(self.node.get("isHidden"))

    @property
    def adds(self):
        """`yes`, `never`, or `per X`: over what the column may be summed; None for columns that are no figures."""
        return self.node.annotation("Tillrace_Adds")


@dataclass
class Measure:
    """A measure; `expression` is None where its DAX does not parse."""

    table: str
    name: str
    node: tmdl.Node
    expression: tuple | None


@dataclass
class Table:
    """A table; `query` is its partition's M, None where it does not parse."""

    name: str
    node: tmdl.Node
    columns: dict = field(default_factory=dict)
    query: tuple | None = None

    @property
    def hidden(self):
        return bool(self.node.get("isHidden"))


@dataclass
class Relationship:
    """From the many side to the one side; each side is (table, column)."""

    many: tuple
    one: tuple
    node: tmdl.Node


@dataclass
class Model:
    """All of it, and what was wrong while reading."""

    folder: Path
    tables: dict = field(default_factory=dict)
    measures: dict = field(default_factory=dict)
    relationships: list = field(default_factory=list)
    expressions: dict = field(default_factory=dict)
    nodes: dict = field(default_factory=dict)
    findings: list = field(default_factory=list)

    def column(self, table, name):
        found = self.tables.get(table)
        return found.columns.get(name) if found else None


def read(folder):
    """Reads the `definition` folder of a semantic model."""
    model = Model(Path(folder))
    for path in sorted(model.folder.rglob("*.tmdl")):
        name = path.relative_to(model.folder).as_posix()
        try:
            model.nodes[name] = tmdl.parse(path.read_text(encoding="utf-8"))
        except tmdl.TmdlError as error:
            model.findings.append(Finding("tmdl-syntax", name, str(error)))
    for name, nodes in model.nodes.items():
        for node in nodes:
            add(model, name, node)
    return model


def add(model, file, node):
    if node.kind == "table":
        add_table(model, file, node)
    elif node.kind == "expression":
        model.expressions[node.name] = (node, parse_m(model, f"{file} {node.name}", node.expression))
    elif node.kind == "relationship":
        if node.get("fromColumn") and node.get("toColumn"):
            model.relationships.append(Relationship(node.get("fromColumn"), node.get("toColumn"), node))
        else:
            model.findings.append(
                Finding("relationship-ends", file, f"relationship {node.name} lacks fromColumn or toColumn")
            )


def add_table(model, file, node):
    table = Table(node.name, node)
    if node.name in model.tables:
        model.findings.append(Finding("names-unique", file, f"table {node.name!r} exists twice"))
    model.tables[node.name] = table
    for child in node.of("column"):
        if child.name in table.columns:
            model.findings.append(Finding("names-unique", file, f"column {child.name!r} exists twice"))
        table.columns[child.name] = Column(node.name, child.name, child)
    for child in node.of("measure"):
        add_measure(model, file, table, child)
    partitions = node.of("partition")
    if len(partitions) != 1:
        model.findings.append(Finding("partition", file, f"{len(partitions)} partitions; expected 1"))
        return
    table.query = parse_m(model, file, partitions[0].get("source", ""))
    policy = node.of("refreshPolicy")
    if policy and policy[0].get("sourceExpression") != partitions[0].get("source"):
        message = "the refresh policy's sourceExpression differs from the partition's source"
        model.findings.append(Finding("refresh-policy", file, message))


def add_measure(model, file, table, node):
    if node.name in model.measures:
        model.findings.append(Finding("names-unique", file, f"measure {node.name!r} exists twice"))
    try:
        expression = dax.parse(node.expression)
    except dax.DaxError as error:
        model.findings.append(Finding("dax-syntax", f"{file} [{node.name}]", str(error)))
        expression = None
    model.measures[node.name] = Measure(table.name, node.name, node, expression)


def parse_m(model, where, text):
    try:
        return mquery.parse(text)
    except mquery.MError as error:
        model.findings.append(Finding("m-syntax", where, str(error)))
        return None
