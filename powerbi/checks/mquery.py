"""A parser of Power Query M, and what the checks ask of a query: its free names, its calls, the columns it gives.

It covers the expressions of the language specification except sections and `@` recursion. Microsoft's own parser
(npm, see microsoft.mjs) reads the same texts where Node is at hand. Nothing here runs M: there is no M engine on Linux.

An expression is a tuple that begins with its kind:
  ("let", [(name, e)...], body)   ("if", a, b, c)   ("each", e)   ("fn", [(name, type)...], type, body)   ("try", e, other)
  ("call", e, [args])   ("field", e, name)   ("item", e, index)   ("list", [e...])   ("record", [(name, e)...])
  ("name", name)   ("text", s)   ("number", s)   ("literal", s)   ("type", t)   ("op", operator, [operands])   ("range", a, b)
"""

import re

KEYWORDS = {
    "and", "as", "each", "else", "error", "false", "if", "in", "is", "let", "meta", "not", "null", "or", "otherwise",
    "section", "shared", "then", "true", "try", "type",
}  # fmt: skip
PRIMITIVE_TYPES = {
    "any", "anynonnull", "binary", "date", "datetime", "datetimezone", "duration", "function", "list", "logical", "none",
    "null", "number", "record", "table", "text", "time", "type",
}  # fmt: skip
TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<text>"(?:[^"]|"")*")
      | (?P<quoted>\#"(?:[^"]|"")*")
      | (?P<hash>\#[a-z]+)
      | (?P<number>0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
      | (?P<mark>=>|<=|>=|<>|\.\.\.|\.\.|\?\?|[-+*/&=<>(){}\[\],;?@])""",
    re.VERBOSE | re.DOTALL,
)


class MError(Exception):
    """The text is no M expression. The message names the line and what was expected."""


class Token:
    def __init__(self, kind, text, at, line):
        self.kind, self.text, self.at, self.line = kind, text, at, line


def tokens(text):
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        line = text.count("\n", 0, at) + 1
        if not match:
            raise MError(f"line {line}: unexpected {text[at : at + 10]!r}")
        if match.lastgroup != "space":
            kind = match.lastgroup
            if kind == "name" and match.group() in KEYWORDS:
                kind = "keyword"
            found.append(Token(kind, match.group(), at, line))
        at = match.end()
    found.append(Token("end", "the end", len(text), text.count("\n") + 1))
    return found


def parse(text):
    """The expression that the text is."""
    parser = Parser(text)
    found = parser.expression()
    parser.expect("end")
    return found


BINARY = [  # weakest first
    {"or"}, {"and"}, {"is", "as"}, {"=", "<>"}, {"<", "<=", ">", ">="}, {"+", "-", "&"}, {"*", "/"}, {"meta"},
]  # fmt: skip


class Parser:
    """Recursive descent; `self.now` is the next token."""

    def __init__(self, text):
        self.text = text
        self.tokens = tokens(text)
        self.at = 0

    @property
    def now(self):
        return self.tokens[self.at]

    def next(self, ahead=1):
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def is_at(self, *texts):
        return self.now.kind not in ("text", "quoted") and self.now.text in texts

    def take(self):
        token = self.now
        self.at += 1
        return token

    def accept(self, text):
        if self.is_at(text):
            self.take()
            return True
        return False

    def expect(self, wanted):
        if not (self.now.kind == wanted or self.is_at(wanted)):
            raise MError(f"line {self.now.line}: expected {wanted!r}, found {self.now.text!r}")
        return self.take()

    def identifier(self):
        if self.now.kind == "quoted":
            return self.take().text[2:-1].replace('""', '"')
        return self.expect("name").text

    def separated(self, close, one):
        """Comma-separated items up to `close`, which is taken; no trailing comma."""
        found = []
        if not self.is_at(close):
            found.append(one())
            while self.accept(","):
                found.append(one())
        self.expect(close)
        return found

    def expression(self):
        if self.accept("let"):
            bindings = [self.binding()]
            while self.accept(","):
                bindings.append(self.binding())
            self.expect("in")
            return ("let", bindings, self.expression())
        if self.accept("if"):
            condition = self.expression()
            self.expect("then")
            yes = self.expression()
            self.expect("else")
            return ("if", condition, yes, self.expression())
        if self.accept("each"):
            return ("each", self.expression())
        if self.accept("try"):
            tried = self.expression()
            return ("try", tried, self.expression() if self.accept("otherwise") else None)
        if self.accept("error"):
            return ("op", "error", [self.expression()])
        if self.is_at("(") and self.is_function():
            return self.function()
        return self.binary(0)

    def binding(self):
        name = self.identifier()
        self.expect("=")
        return (name, self.expression())

    def is_function(self):
        """Whether the bracket here closes before `=>` or `as ... =>`."""
        depth, at = 0, self.at
        while at < len(self.tokens):
            token = self.tokens[at]
            if token.kind == "mark" and token.text == "(":
                depth += 1
            elif token.kind == "mark" and token.text == ")":
                depth -= 1
                if depth == 0:
                    break
            at += 1
        after = self.tokens[at + 1 : at + 6]
        return bool(after) and (
            after[0].text == "=>" or (after[0].text == "as" and any(token.text == "=>" for token in after))
        )

    def function(self):
        self.expect("(")
        parameters = self.separated(")", self.parameter)
        result = self.primitive() if self.accept("as") else None
        self.expect("=>")
        return ("fn", parameters, result, self.expression())

    def parameter(self):
        if self.now.text == "optional":
            self.take()
        name = self.identifier()
        return (name, self.primitive() if self.accept("as") else None)

    def primitive(self):
        nullable = self.now.text == "nullable" and bool(self.take())
        token = self.take()
        if token.text not in PRIMITIVE_TYPES:
            raise MError(f"line {token.line}: expected a type, found {token.text!r}")
        return ("nullable " if nullable else "") + token.text

    def binary(self, level):
        if level == len(BINARY):
            return self.unary()
        left = self.binary(level + 1)
        while self.is_at(*BINARY[level]):
            operator = self.take().text
            if operator in ("is", "as"):
                left = ("op", operator, [left, ("type", self.primitive())])
            else:
                left = ("op", operator, [left, self.binary(level + 1)])
        return left

    def unary(self):
        if self.is_at("+", "-", "not"):
            operator = self.take().text
            return ("op", operator, [self.unary()])
        if self.accept("type"):
            return ("type", self.type())
        return self.postfix(self.primary())

    def type(self):
        """A type after `type`: a primitive name, `nullable T`, `table [...]`, `{T}`, or an expression such as Int64.Type."""
        if self.now.text == "nullable":
            self.take()
            return ("nullable", self.type())
        if self.now.text == "table" and self.next().text == "[":
            self.take()
            self.expect("[")
            return ("table", self.separated("]", self.field_type))
        if self.accept("{"):
            inner = self.type()
            self.expect("}")
            return ("list", inner)
        if self.now.text in PRIMITIVE_TYPES:
            return self.take().text
        return self.primary()

    def field_type(self):
        name = self.general_name("=")
        self.expect("=")
        return (name, self.type())

    def general_name(self, *ends):
        """A name that may hold spaces, as in [Folder Path]."""
        if self.now.kind == "quoted":
            return self.identifier()
        first = self.now
        while not self.is_at(*ends) and self.now.kind in ("name", "keyword", "number"):
            self.take()
        if self.now is first:
            raise MError(f"line {first.line}: expected a field name, found {first.text!r}")
        return self.text[first.at : self.now.at].strip()

    def primary(self):
        token = self.now
        if token.kind == "text":
            return ("text", self.take().text[1:-1].replace('""', '"'))
        if token.kind == "number":
            return ("number", self.take().text)
        if token.kind == "hash":
            return ("name", self.take().text)
        if token.kind in ("name", "quoted"):
            return ("name", self.identifier())
        if self.is_at("true", "false", "null"):
            return ("literal", self.take().text)
        if self.accept("("):
            inner = self.expression()
            self.expect(")")
            return inner
        if self.accept("{"):
            return ("list", self.separated("}", self.list_item))
        if self.is_at("["):
            return self.bracket(None)
        raise MError(f"line {token.line}: expected an expression, found {token.text!r}")

    def list_item(self):
        first = self.expression()
        return ("range", first, self.expression()) if self.accept("..") else first

    def bracket(self, base):
        """A record, or the selection of a field of `base` (of the item at hand where there is none)."""
        self.expect("[")
        if base is None and self.accept("]"):
            return ("record", [])
        if self.is_at("["):
            raise MError(
                f"line {self.now.line}: projections are not used here; name the columns with Table.SelectColumns"
            )
        name = self.general_name("=", "]")
        if base is None and self.accept("="):
            fields = [(name, self.expression())]
            while self.accept(","):
                name = self.general_name("=")
                self.expect("=")
                fields.append((name, self.expression()))
            self.expect("]")
            return ("record", fields)
        self.expect("]")
        return ("field", base or ("name", "_"), name)

    def postfix(self, found):
        while True:
            if self.accept("("):
                found = ("call", found, self.separated(")", self.expression))
            elif self.accept("{"):
                found = ("item", found, self.expression())
                self.expect("}")
            elif self.is_at("["):
                found = self.bracket(found)
            else:
                return found


def parts(expression):
    """The expressions directly inside an expression."""
    kind = expression[0]
    if kind == "let":
        return [value for _, value in expression[1]] + [expression[2]]
    if kind == "record":
        return [value for _, value in expression[1]]
    if kind == "list":
        return expression[1]
    if kind == "op":
        return expression[2]
    if kind == "call":
        return [expression[1], *expression[2]]
    if kind == "fn":
        return [expression[3]]
    if kind == "field":
        return [expression[1]]
    if kind == "type":
        return list(type_names(expression[1]))
    return [part for part in expression[1:] if isinstance(part, tuple)]


def type_names(found):
    """Names of types that are expressions, such as Int64.Type, inside a type."""
    if isinstance(found, tuple):
        if found[0] == "name":
            yield found
        elif found[0] == "table":
            for _, inner in found[1]:
                yield from type_names(inner)
        else:
            for inner in found[1:]:
                yield from type_names(inner)


def walk(expression):
    """The expression and all inside it."""
    yield expression
    for part in parts(expression):
        yield from walk(part)


def free_names(expression, scope=frozenset()):
    """Names that the expression uses and does not define itself."""
    kind = expression[0]
    if kind == "name":
        return set() if expression[1] in scope else {expression[1]}
    if kind == "let" or kind == "fn":
        scope = scope | {name for name, _ in expression[1]}
    elif kind == "each":
        scope = scope | {"_"}
    found = set()
    for part in parts(expression):
        found |= free_names(part, scope)
    return found


def calls(expression, name):
    """The argument lists of all calls of a function by name."""
    return [part[2] for part in walk(expression) if part[0] == "call" and part[1] == ("name", name)]


def type_text(found):
    """A type as one word: `type text` and `Int64.Type` as they are written."""
    if isinstance(found, tuple) and found[0] == "type":
        found = found[1]
        return f"type {found}" if isinstance(found, str) else type_text(found)
    if isinstance(found, tuple) and found[0] == "name":
        return found[1]
    if isinstance(found, tuple) and found[0] == "nullable":
        return type_text(("type", found[1]))
    return f"type {found}" if isinstance(found, str) else "?"


def columns_of_list(expression):
    """The columns of a literal list such as {{"date_key", Int64.Type}}: name to type; None where it is another shape."""
    if expression[0] != "list":
        return None
    found = {}
    for item in expression[1]:
        if item[0] != "list" or len(item[1]) != 2 or item[1][0][0] != "text":
            return None
        name = item[1][0][1]
        if name in found:
            return None
        found[name] = type_text(item[1][1])
    return found


def columns_of_table(expression):
    """The columns of a literal `type table [...]`."""
    if expression[0] == "type" and isinstance(expression[1], tuple) and expression[1][0] == "table":
        return {name: type_text(kind) for name, kind in expression[1][1]}
    return None
