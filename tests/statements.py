"""Which module writes and reads which table, by reading the source: every string that is SQL, and
the calls that append rows.

Run as a program it prints the counts. Nothing is imported from the source and nothing is executed.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "licet"
SCHEMA = SRC / "store" / "migrations" / "0001_schema.sql"

# of `store.rows`: their second argument is the table's name
APPENDING = {"insert", "appending", "copy_in"}

_TABLE = r"(?:ONLY\s+)?(?P<table>[a-z_]+|\{[^{}]*\})"
_WRITES = re.compile(
    rf"(?:\bINSERT\s+INTO|(?<!FOR )(?<!NO KEY )(?<!DO )\bUPDATE|\bDELETE\s+FROM|\bTRUNCATE(?:\s+TABLE)?|\bCOPY)\s+{_TABLE}"
)
_READS = re.compile(
    rf"(?:(?<!DELETE )(?<!DISTINCT )\bFROM|\bJOIN(?:\s+LATERAL)?|\bUSING)\s+{_TABLE}"
)
_MORE = re.compile(r"\s*(?:AS\s+)?(?:[a-z_]+\s*)?,\s*(?:LATERAL\s+)?(?P<table>[a-z_]+)\b(?!\s*\()")
_CTE = re.compile(
    r"(?:\bWITH(?:\s+RECURSIVE)?|,)\s+([a-z_]+)\s*(?:\([^()]*\)\s*)?AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\("
)
_SQL = re.compile(r"\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|TRUNCATE|COPY|FROM|JOIN|USING)\b")


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """One table in one statement: ``module`` is relative to the package, ``line`` where the string
    begins.
    """

    table: str
    module: str
    line: int
    writes: bool


@cache
def tables() -> tuple[str, ...]:
    """The schema's tables and views, in its order."""
    return tuple(
        re.findall(
            r"^CREATE (?:UNLOGGED )?(?:TABLE|VIEW) (?:IF NOT EXISTS )?([a-z_]+)",
            SCHEMA.read_text("utf-8"),
            re.M,
        )
    )


@cache
def uses() -> tuple[Use, ...]:
    """Every table of every statement in the package, sorted."""
    found = set[Use]()
    for path in sorted(SRC.rglob("*.py")):
        module = path.relative_to(SRC).as_posix()
        found |= {
            Use(table, module, line, writes)
            for table, line, writes in uses_of(path.read_text("utf-8"))
        }
    return tuple(sorted(found))


def uses_of(source: str) -> Iterator[tuple[str, int, bool]]:
    """`(table, line, writes)` of the source of one module; a table that its text does not name is
    `{expression}`.
    """
    parsed = ast.parse(source)
    constants = _constants(parsed)
    for line, text in _strings(parsed, constants):
        for table, writes in tables_of(text):
            yield table, line, writes
    appending = APPENDING & _imported(parsed, "licet.store.rows")
    for node in ast.walk(parsed):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in appending
        ):
            yield _text(node.args[1], constants) or "{table}", node.lineno, True


def tables_of(text: str) -> Iterator[tuple[str, bool]]:
    """`(table, writes)` of one statement or of a part of one; a `WITH` query's own name is no
    table.
    """
    if not _SQL.search(text):
        return
    text = re.sub(r"--[^\n]*", "", text)
    own = set(_CTE.findall(text))
    for match in _WRITES.finditer(text):
        if _is_table(match["table"], own):
            yield match["table"], True
    for match in _READS.finditer(text):
        table, end = match["table"], match.end()
        if _is_table(table, own):
            yield table, False
        while more := _MORE.match(text, end):
            if _is_table(more["table"], own):
                yield more["table"], False
            end = more.end()


def _is_table(name: str, own: set[str]) -> bool:
    return name.startswith("{") or (name in tables() and name not in own)


def _imported(parsed: ast.Module, module: str) -> set[str]:
    found = (
        node
        for node in ast.walk(parsed)
        if isinstance(node, ast.ImportFrom) and node.module == module
    )
    return {alias.name for node in found for alias in node.names}


def _constants(parsed: ast.Module) -> Mapping[str, str]:
    """The module's names for one string each, so that `f"UPDATE {TABLE}"` is read."""
    named = dict[str, str]()
    for node in parsed.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                if (text := _text(value, named)) is not None:
                    named[name] = text
    return named


def _strings(parsed: ast.Module, constants: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Each string of the module with its line, whole where it is put together, but no
    docstrings.
    """
    skipped = set[ast.AST]()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if node in skipped or not isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
            continue
        if (text := _text(node, constants)) is not None:
            skipped |= set(ast.walk(node))
            yield node.lineno, text


def _text(node: ast.expr, constants: Mapping[str, str]) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return constants.get(name)
        case ast.JoinedStr(values=values):
            return "".join(_piece(value, constants) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = _text(left, constants), _text(right, constants)
            if texts == (None, None):
                return None
            return "".join(
                "{" + ast.unparse(n) + "}" if t is None else t
                for n, t in zip((left, right), texts, strict=True)
            )
        case _:
            return None


def _piece(node: ast.expr, constants: Mapping[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    value = node.value if isinstance(node, ast.FormattedValue) else node
    short = constants.get(value.id) if isinstance(value, ast.Name) else None
    if short is not None and re.fullmatch("[a-z_]+", short):
        return short
    return "{" + re.sub(r"[{}]", "", ast.unparse(value)) + "}"


def room(module: str) -> str:
    return module.split("/")[0].removesuffix(".py")


if __name__ == "__main__":
    for name in tables():
        for kind, writes in (("written", True), ("read", False)):
            by = Counter(use.module for use in uses() if use.table == name and use.writes is writes)
            rooms = {room(module) for module in by}
            modules = ", ".join(f"{module} {count}" for module, count in sorted(by.items()))
            print(f"`{name}` is {kind} by {len(by)} modules of {len(rooms)} rooms: {modules}")
