"""A parser of TMDL, the text form of a semantic model: indentation by tabs, one grammar table for what may stand where.

Microsoft's own deserializer (see tom.py) reads the same files; this one also runs where that may not, and names lines.
Only the objects and properties that this project uses are in the grammar: another one is an error until it is added.
"""

import re
from dataclasses import dataclass, field

TEXT, NUMBER, FLAG, EXPRESSION, REFERENCE = "text", "a whole number", "a flag", "an expression", "a reference"


def one_of(*values):
    return values


@dataclass(frozen=True)
class Kind:
    """What one kind of object may hold."""

    properties: dict
    children: tuple = ()
    named: bool = True
    # What follows the name after an equals sign: nothing, an expression, or one word (a partition's language).
    default: str = ""


GRAMMAR = {
    "database": Kind({"compatibilityLevel": NUMBER}, named=False),
    "model": Kind(
        {
            "culture": TEXT,
            "defaultPowerBIDataSourceVersion": one_of("powerBI_V3"),
            "discourageImplicitMeasures": FLAG,
            "sourceQueryCulture": TEXT,
        },
        ("dataAccessOptions",),
    ),
    "dataAccessOptions": Kind({"legacyRedirects": FLAG, "returnErrorValuesAsNull": FLAG}, named=False),
    "annotation": Kind({}, default=TEXT),
    "ref table": Kind({}),
    "ref cultureInfo": Kind({}),
    "expression": Kind({"lineageTag": TEXT}, ("annotation",), default=EXPRESSION),
    "relationship": Kind(
        {
            "fromColumn": REFERENCE,
            "toColumn": REFERENCE,
            "isActive": FLAG,
            "crossFilteringBehavior": one_of("oneDirection", "bothDirections", "automatic"),
            "fromCardinality": one_of("one", "many"),
            "toCardinality": one_of("one", "many"),
        }
    ),
    "table": Kind(
        {"lineageTag": TEXT, "isHidden": FLAG, "dataCategory": TEXT},
        ("refreshPolicy", "measure", "column", "hierarchy", "partition", "annotation"),
    ),
    "refreshPolicy": Kind(
        {
            "policyType": one_of("basic"),
            "rollingWindowGranularity": one_of("day", "month", "quarter", "year"),
            "rollingWindowPeriods": NUMBER,
            "incrementalGranularity": one_of("day", "month", "quarter", "year"),
            "incrementalPeriods": NUMBER,
            "sourceExpression": EXPRESSION,
        },
        named=False,
    ),
    "measure": Kind(
        {"formatString": TEXT, "isHidden": FLAG, "displayFolder": TEXT, "lineageTag": TEXT},
        ("annotation",),
        default=EXPRESSION,
    ),
    "column": Kind(
        {
            "dataType": one_of("string", "int64", "double", "decimal", "dateTime", "boolean"),
            "isHidden": FLAG,
            "isKey": FLAG,
            "isAvailableInMdx": one_of("true", "false"),
            "formatString": TEXT,
            "lineageTag": TEXT,
            "dataCategory": TEXT,
            "summarizeBy": one_of("none", "sum", "average", "min", "max", "count", "distinctCount"),
            "sourceColumn": TEXT,
            "sortByColumn": TEXT,
        },
        ("annotation",),
    ),
    "hierarchy": Kind({"lineageTag": TEXT}, ("level",)),
    "level": Kind({"lineageTag": TEXT, "column": TEXT}),
    "partition": Kind(
        {"mode": one_of("import", "directQuery", "dual"), "source": EXPRESSION},
        default=one_of("m"),
    ),
    "cultureInfo": Kind({"linguisticMetadata": EXPRESSION, "contentType": one_of("json", "xml")}),
}
# What may stand unindented in a file; `annotation` and `ref` there belong to the model.
TOP = (
    "database",
    "model",
    "table",
    "relationship",
    "expression",
    "cultureInfo",
    "annotation",
    "ref table",
    "ref cultureInfo",
)


class TmdlError(Exception):
    """The text is no TMDL. The message begins with the line number."""


@dataclass
class Node:
    """One object: its kind and name, its properties by name and the objects in it."""

    kind: str
    name: str
    line: int
    description: str = ""
    properties: dict = field(default_factory=dict)
    expression: str = ""
    children: list = field(default_factory=list)

    def get(self, name, otherwise=None):
        return self.properties.get(name, otherwise)

    def of(self, kind):
        return [child for child in self.children if child.kind == kind]

    def annotation(self, name):
        return next((child.expression for child in self.of("annotation") if child.name == name), None)


NAME = r"(?:'(?:[^']|'')+'|[^\s'=.:]+)"
OBJECT = re.compile(rf"(ref \w+|\w+)(?: ({NAME}))?(?: =(?: (.*))?)?$")
PROPERTY = re.compile(r"(\w+): ?(.*)$")
ASSIGNED = re.compile(r"(\w+) =(?: (.*))?$")


def unquote(name):
    """The name without the quotes that TMDL puts around names with spaces or marks."""
    if name.startswith("'") and name.endswith("'") and len(name) > 1:
        return name[1:-1].replace("''", "'")
    return name


def reference(text):
    """The parts of a reference such as 'KPI Minute'.'Date Key'."""
    parts = re.fullmatch(rf"({NAME})\.({NAME})", text)
    return tuple(unquote(part) for part in parts.groups()) if parts else None


def parse(text):
    """The objects of one file, in order."""
    return Parser(text).file()


class Parser:
    """Walks the lines; `self.at` is the next one to read."""

    def __init__(self, text):
        self.lines = text.split("\n")
        self.at = 0

    def error(self, message, line=None):
        return TmdlError(f"line {(self.at if line is None else line) + 1}: {message}")

    @staticmethod
    def tabs(line):
        return len(line) - len(line.lstrip("\t"))

    def level(self, line):
        stripped = line.lstrip("\t")
        if stripped.startswith(" "):
            raise self.error("indented by spaces; TMDL indents by tabs")
        return len(line) - len(stripped)

    def file(self):
        found = self.block(0, TOP, None)
        if self.at < len(self.lines):
            raise self.error(f"unexpected text {self.lines[self.at].strip()!r}")
        return found

    def block(self, level, allowed, owner):
        """The objects at one level; properties on the way go to `owner`."""
        found, description = [], []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line.strip():
                self.at += 1
                continue
            depth = self.level(line)
            if depth < level:
                break
            if depth > level:
                raise self.error(f"indented by {depth} tabs where {level} were expected")
            text = line.strip()
            if text.startswith("///"):
                description.append(text[3:].strip())
                self.at += 1
            elif owner and self.property(owner, text, level):
                if description:
                    raise self.error("a description must stand directly above an object")
            else:
                found.append(self.object(text, level, allowed, " ".join(description)))
                description = []
        if description:
            raise self.error("a description without an object below it")
        return found

    def property(self, owner, text, level):
        known = GRAMMAR[owner.kind].properties
        match = PROPERTY.match(text) or ASSIGNED.match(text)
        name = match.group(1) if match else text
        if name not in known:
            if PROPERTY.match(text):
                raise self.error(f"{owner.kind} has no property {name!r}; it may have {', '.join(known) or 'none'}")
            return False
        if name in owner.properties:
            raise self.error(f"property {name!r} stands twice in {owner.kind} {owner.name!r}")
        line, self.at = self.at, self.at + 1
        owner.properties[name] = self.value(owner, name, known[name], text, match, level, line)
        return True

    def value(self, owner, name, expected, text, match, level, line):
        if expected == EXPRESSION:
            if not ASSIGNED.match(text):
                raise self.error(f"{name} takes an expression after an equals sign", line)
            return self.expression(match.group(2) or "", level + 1, line)
        if expected == FLAG:
            if match:
                raise self.error(f"{name} is a flag and takes no value", line)
            return True
        if not match or not PROPERTY.match(text):
            raise self.error(f"{name} takes a value after a colon", line)
        value = match.group(2)
        if expected == NUMBER:
            if not value.isdigit():
                raise self.error(f"{name} is {value!r}; expected a whole number", line)
            return int(value)
        if isinstance(expected, tuple) and value not in expected:
            raise self.error(f"{name} is {value!r}; expected one of {', '.join(expected)}", line)
        if expected == REFERENCE:
            parts = reference(value)
            if not parts:
                raise self.error(f"{name} is {value!r}; expected Table.Column", line)
            return parts
        return unquote(value) if name in ("sortByColumn", "column") else value

    def object(self, text, level, allowed, description):
        match = OBJECT.match(text)
        kind = match.group(1) if match else text
        if not match or kind not in allowed:
            raise self.error(f"unexpected {text!r}; expected one of {', '.join(allowed) or 'nothing'}")
        rule = GRAMMAR[kind]
        if rule.named != bool(match.group(2)):
            raise self.error(f"{kind} {'needs a' if rule.named else 'takes no'} name")
        line, self.at = self.at, self.at + 1
        node = Node(kind, unquote(match.group(2) or ""), line + 1, description)
        assigned = " =" in text[len(kind) + len(match.group(2) or "") :]
        if bool(rule.default) != assigned:
            raise self.error(f"{kind} {node.name!r} {'needs' if rule.default else 'takes no'} value after '='", line)
        if rule.default:
            node.expression = self.default(node, rule.default, match.group(3) or "", level, line)
        node.children = self.block(level + 1, rule.children, node)
        return node

    def default(self, node, expected, rest, level, line):
        if isinstance(expected, tuple):
            if rest not in expected:
                raise self.error(f"{node.kind} {node.name!r} is {rest!r}; expected {', '.join(expected)}", line)
            return rest
        # An object's own expression stands one level deeper than its properties.
        return self.expression(rest, level + 2, line)

    def expression(self, rest, level, line):
        """The rest of the line, or the lines at `level` or deeper, with their common indentation taken off."""
        if rest.strip():
            return rest.strip()
        found = []
        while self.at < len(self.lines):
            text = self.lines[self.at]
            if text.strip() and self.tabs(text) < level:
                break
            found.append(text)
            self.at += 1
        while found and not found[-1].strip():
            found.pop()
        if not found:
            raise self.error("an expression is missing after '='", line)
        depth = min(self.tabs(text) for text in found if text.strip())
        return "\n".join(text[depth:] for text in found)
