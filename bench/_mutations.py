"""The mutations of one source file: small wrong changes, each of which a test ought to notice.

Changed are comparisons, `and` and `or` and their operands, `not`, truth values and numbers within
functions, sums, `min` and `max`, `any` and `all`, what is returned, whole statements (a call, a
`raise`, an assignment to a field, a `continue`), a `with` that binds nothing (a lock, say), and
within SQL comparisons, `AND`, `IS NULL`, `EXISTS`, `FOR UPDATE`, `DISTINCT` and `ON CONFLICT DO
NOTHING`. Not changed are words for people (messages, log lines, what is printed), docstrings,
annotations, assertions (`assert_never` too), and named numbers of a module: tests use those by
their names, and the comparisons with them are changed.
"""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import dataclass, replace

SWAPS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: (r"is\s+not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}  # fmt: skip
SUMS = {ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.BitOr: ("|", "&"), ast.BitAnd: ("&", "|")}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
SPOKEN = {
    "assert_never",
    "print",
    "echo",
    "secho",
    "warn",
    "debug",
    "info",
    "warning",
    "error",
    "exception",
    "critical",
}
SQL = re.compile(r"\b(SELECT|UPDATE|INSERT INTO|DELETE FROM|WHERE|LEFT JOIN)\b")
SQL_SWAPS = [
    (re.compile(pattern), put)
    for pattern, put in [
        (r" <= ", " < "),
        (r" < ", " <= "),
        (r" >= ", " > "),
        (r" > ", " >= "),
        (r"(?<=[\w)]) IS NULL", " IS NOT NULL"),
        (r" IS NOT NULL", " IS NULL"),
        (r" AND ", " OR "),
        (r" FOR (?:NO KEY )?(?:UPDATE|SHARE|KEY SHARE)\b", ""),
        (r" ON CONFLICT DO NOTHING", ""),
        (r"NOT EXISTS", "EXISTS"),
        (r"(?<!NOT )EXISTS", "NOT EXISTS"),
        (r"SELECT DISTINCT ", "SELECT "),
        (r"(?<= WHERE )([\w.]+) = (?=[\w%(])", r"\1 <> "),
        (r"(?<= AND )([\w.]+) = (?=[\w%(])", r"\1 <> "),
        (r"\bmin\((?=\w)", "max("),
        (r"\bmax\((?=\w)", "min("),
        (r" DESC\b", " ASC"),
    ]
]


# File, qualified function (empty for a module), line, mutation, what is put there, and which of
# several alike in the function.
Identity = tuple[str, str, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file: the bytes from ``start`` to ``end`` become ``put``. ``lines`` are its
    statement's.
    """

    file: str
    line: int
    lines: tuple[int, int]
    function: str
    what: str
    text: str
    start: int
    end: int
    put: str
    nth: int = 0

    @property
    def key(self) -> str:
        """Stays the same while other lines of the file change."""
        told = "\0".join([self.file, self.function, self.text, self.what, str(self.nth)])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def identity(self) -> Identity:
        return self.file, self.function, self.text, self.what, self.put, self.nth

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.put.encode() + source[self.end :]


def mutants(file: str, source: bytes) -> list[Mutant]:
    """Every mutation of ``source``. A few do not compile: ask `compiles`."""
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    counts: dict[str, int] = {}
    made = []
    for one in finder.made:
        nth = counts.get(one.key, -1) + 1
        counts[one.key] = nth
        made.append(replace(one, nth=nth))
    return made


def compiles(source: bytes) -> bool:
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


class SourceFinder(ast.NodeVisitor):
    """Makes mutants of one source file: where it is, and what stands there."""

    def __init__(self, file: str, source: bytes) -> None:
        self.file, self.source = file, source
        self.lines = source.split(b"\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.path: list[str] = []
        self.statement = (1, 1)
        self.made: list[Mutant] = []

    # Places

    def at(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.at(node.lineno, node.col_offset), self.at(node.end_lineno, node.end_col_offset)

    def words(self, node: ast.expr | ast.stmt) -> str:
        start, end = self.span(node)
        return self.source[start:end].decode()

    def make(self, line: int, what: str, start: int, end: int, put: str) -> None:
        text = self.lines[line - 1].decode().strip()
        self.made.append(
            Mutant(
                self.file, line, self.statement, ".".join(self.path), what, text, start, end, put
            )
        )

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
            self.statement = (node.lineno, last)
        super().visit(node)


class _Finder(SourceFinder):
    def __init__(self, file: str, source: bytes) -> None:
        super().__init__(file, source)
        self.returns_bool = [False]

    def put(self, node: ast.expr | ast.stmt, what: str, text: str) -> None:
        self.make(node.lineno, what, *self.span(node), text)

    def between(self, left: ast.expr, right: ast.expr, pattern: str, text: str, what: str) -> None:
        start, end = self.span(left)[1], self.span(right)[0]
        if found := re.search(pattern.encode(), self.source[start:end]):
            place = start + found.start()
            line = self.source.count(b"\n", 0, place) + 1
            self.make(line, what, place, start + found.end(), text)

    # What is passed over

    def body(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue  # a docstring
            self.visit(node)

    def visit_Module(self, node: ast.Module) -> None:
        self.body(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.path.append(node.name)
        self.body(node.body)
        self.path.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name in {"__repr__", "__str__"}:
            return
        self.path.append(node.name)
        self.returns_bool.append(isinstance(node.returns, ast.Name) and node.returns.id == "bool")
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.visit(default)
        self.body(node.body)
        self.returns_bool.pop()
        self.path.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) in {"TYPE_CHECKING", "__name__ == '__main__'"}:
            return
        if isinstance(node.test, ast.Name | ast.Call | ast.Attribute | ast.NamedExpr | ast.Await):
            self.put(node.test, "condition negated", f"not ({self.words(node.test)})")
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if (
            not self.path
            and all(isinstance(target, ast.Name | ast.Tuple) for target in node.targets)
            and _is_number(node.value)
        ):
            return
        if any(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
            self.put(node, "statement deleted", "pass")
        self.visit(node.value)

    # What is changed

    def visit_Raise(self, node: ast.Raise) -> None:
        self.put(node, "raise deleted", "pass")

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.put(node, "statement deleted", "pass")
        self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        self.put(node, "statement deleted", "pass")

    def visit_Continue(self, node: ast.Continue) -> None:
        self.put(node, "continue deleted", "pass")

    def visit_Break(self, node: ast.Break) -> None:
        self.put(node, "break deleted", "pass")

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call):
            if _called(call) in SPOKEN:
                return
            self.put(node, "statement deleted", "pass")
        self.visit(node.value)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        if all(item.optional_vars is None for item in node.items):
            start, first = self.span(node)[0], node.items[-1].context_expr
            end = (
                self.source.index(b":\n", self.span(first)[1])
                if b":\n" in self.source[self.span(first)[1] :]
                else -1
            )
            if end > 0 and end < self.span(node.body[0])[0]:
                self.make(node.lineno, "with removed", start, end, "if True")
        self.generic_visit(node)

    visit_AsyncWith = visit_With

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            return
        if self.returns_bool[-1] and not isinstance(node.value, ast.Constant | ast.Compare):
            self.put(node.value, "answer negated", f"not ({self.words(node.value)})")
        elif not isinstance(node.value, ast.Constant):
            self.put(node.value, "returns None", "None")
        self.visit(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, op, right in zip(
            [node.left, *node.comparators], node.ops, node.comparators, strict=False
        ):
            old, new = SWAPS[type(op)]
            self.between(left, right, old, new, f"{old.replace(chr(92) + 's+', ' ')} becomes {new}")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.between(left, right, rf"\b{old}\b", new, f"{old} becomes {new}")
        whole_start, whole_end = self.span(node)
        first, last = node.values[0], node.values[-1]
        self.make(
            first.lineno, "first operand dropped", whole_start, self.span(node.values[1])[0], ""
        )
        self.make(last.lineno, "last operand dropped", self.span(node.values[-2])[1], whole_end, "")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.put(node, "not removed", f"({self.words(node.operand)})")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        if isinstance(node.test, ast.Name | ast.Call | ast.Attribute):
            self.put(node.test, "condition negated", f"not ({self.words(node.test)})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        texts = ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp | ast.Dict
        sides = [node.left, node.right]
        if type(node.op) in SUMS and not any(isinstance(s, texts) or _is_text(s) for s in sides):
            old, new = SUMS[type(node.op)]
            self.between(node.left, node.right, re.escape(old), new, f"{old} becomes {new}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _called(node)
        if name in SPOKEN or name.endswith(("Error", "Exception")):
            return
        if isinstance(node.func, ast.Name) and name in CALLS:
            self.put(node.func, f"{name} becomes {CALLS[name]}", CALLS[name])
        self.visit(node.func)
        for argument in [
            *node.args,
            *(word.value for word in node.keywords if word.arg != "strict"),
        ]:
            self.visit(argument)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.sql(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        match node.value:
            case bool():
                self.put(node, f"{node.value} becomes {not node.value}", str(not node.value))
            case int() | float():
                self.put(node, "off by one", f"{node.value + 1}")
            case str():
                self.sql(node)

    def sql(self, node: ast.Constant | ast.JoinedStr) -> None:
        words = self.words(node)
        if not SQL.search(words):
            return
        start, _ = self.span(node)
        for pattern, new in SQL_SWAPS:
            for found in pattern.finditer(words):
                if words.count("{", 0, found.start()) == words.count("}", 0, found.start()):
                    place = start + len(words[: found.start()].encode())
                    line = self.source.count(b"\n", 0, place) + 1
                    put = found.expand(new) if "\\" in new else new
                    what = f"SQL {found[0].strip()} becomes {put.strip() or 'nothing'}"
                    self.make(line, what, place, place + len(found[0].encode()), put)


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(name) | ast.Attribute(_, name):
            return name
    return ""


def _is_number(node: ast.expr) -> bool:
    """Whether it is made of numbers alone."""
    parts = [one for one in ast.walk(node) if isinstance(one, ast.expr)]
    return all(
        isinstance(one, ast.BinOp | ast.UnaryOp | ast.Tuple)
        or (isinstance(one, ast.Constant) and not isinstance(one.value, bool | str))
        for one in parts
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
