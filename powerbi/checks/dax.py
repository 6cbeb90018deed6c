"""A parser of DAX: the expressions that measures are made of, and the names they refer to.

An expression is a tuple that begins with its kind:
  ("vars", [(name, e)...], result)   ("call", FUNCTION, [e or None...])   ("op", operator, [e...])
  ("column", table, column)   ("measure", name)   ("table", name)   ("variable", name)   ("number", n)   ("text", s)
  ("word", w) for words that a function takes, such as DAY or DESC
"""

import re
from decimal import Decimal

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|--[^\n]*|/\*.*?\*/)
      | (?P<text>"(?:[^"]|"")*")
      | (?P<table>'(?:[^']|'')+')
      | (?P<bracket>\[(?:[^\]]|\]\])+\])
      | (?P<number>\d+(?:\.\d+)?)
      | (?P<name>[A-Za-z_][\w.]*)
      | (?P<mark>&&|\|\||<>|<=|>=|==|[-+*/&=<>(),{}^])""",
    re.VERBOSE | re.DOTALL,
)
WORDS = {"DAY", "MONTH", "QUARTER", "YEAR", "HOUR", "MINUTE", "SECOND", "ASC", "DESC", "SKIP", "DENSE"}
BINARY = [{"||"}, {"&&"}, {"=", "==", "<>", "<", "<=", ">", ">=", "IN"}, {"&"}, {"+", "-"}, {"*", "/"}]  # weakest first


class DaxError(Exception):
    """The text is no DAX expression. The message names what was expected."""


def tokens(text):
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise DaxError(f"unexpected {text[at : at + 10]!r}")
        if match.lastgroup != "space":
            found.append((match.lastgroup, match.group()))
        at = match.end()
    return [*found, ("end", "the end")]


def parse(text):
    """The expression that the text is."""
    parser = Parser(tokens(text))
    found = parser.expression(frozenset())
    if parser.now[0] != "end":
        raise DaxError(f"unexpected {parser.now[1]!r}")
    return found


class Parser:
    """Recursive descent; `scope` holds the variables in sight."""

    def __init__(self, found):
        self.tokens = found
        self.at = 0

    @property
    def now(self):
        return self.tokens[self.at]

    def take(self):
        token = self.now
        self.at += 1
        return token

    def accept(self, text):
        if self.now[0] in ("mark", "name") and self.now[1].upper() == text:
            self.take()
            return True
        return False

    def expect(self, text):
        if not self.accept(text):
            raise DaxError(f"expected {text!r}, found {self.now[1]!r}")

    def expression(self, scope):
        variables = []
        while self.accept("VAR"):
            kind, name = self.take()
            if kind != "name":
                raise DaxError(f"expected the name of a variable, found {name!r}")
            self.expect("=")
            variables.append((name, self.expression(scope)))
            scope = scope | {name}
        if variables:
            self.expect("RETURN")
            return ("vars", variables, self.expression(scope))
        return self.binary(0, scope)

    def binary(self, level, scope):
        if level == len(BINARY):
            return self.unary(scope)
        left = self.binary(level + 1, scope)
        while self.now[0] in ("mark", "name") and self.now[1].upper() in BINARY[level]:
            operator = self.take()[1].upper()
            left = ("op", operator, [left, self.binary(level + 1, scope)])
        return left

    def unary(self, scope):
        if self.accept("NOT"):
            return ("op", "NOT", [self.unary(scope)])
        if self.accept("-"):
            return ("op", "NEG", [self.unary(scope)])
        return self.primary(scope)

    def primary(self, scope):
        kind, text = self.take()
        if kind == "text":
            return ("text", text[1:-1].replace('""', '"'))
        if kind == "number":
            return ("number", Decimal(text) if "." in text else int(text))
        if kind == "bracket":
            return ("measure", text[1:-1].replace("]]", "]"))
        if kind == "table":
            return self.table(text[1:-1].replace("''", "'"))
        if text == "(":
            inner = self.expression(scope)
            self.expect(")")
            return inner
        if kind != "name":
            raise DaxError(f"expected an expression, found {text!r}")
        if self.accept("("):
            return ("call", text.upper(), self.arguments(scope))
        if self.now[0] == "bracket":
            return self.table(text)
        if text in scope:
            return ("variable", text)
        return ("word", text.upper()) if text.upper() in WORDS else ("table", text)

    def table(self, name):
        if self.now[0] == "bracket":
            return ("column", name, self.take()[1][1:-1].replace("]]", "]"))
        return ("table", name)

    def arguments(self, scope):
        if self.accept(")"):
            return []
        found = []
        while True:
            empty = self.now[0] == "mark" and self.now[1] in (",", ")")
            found.append(None if empty else self.expression(scope))
            if self.accept(")"):
                return found
            self.expect(",")


def parts(expression):
    """The expressions directly inside an expression."""
    if expression[0] == "vars":
        return [value for _, value in expression[1]] + [expression[2]]
    if expression[0] in ("call", "op"):
        return [part for part in expression[2] if part is not None]
    return []


def walk(expression):
    """The expression and all inside it."""
    yield expression
    for part in parts(expression):
        yield from walk(part)
