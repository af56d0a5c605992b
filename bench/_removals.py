"""The safeguards of one source file, each as a mutant without it.

fsync           a call of `os.fsync` or `os.fdatasync`, or of a function that does nothing else
file lock       a call of `fcntl.flock` or `fcntl.lockf`, or of the function that tries one
advisory lock   `pg_advisory_..` in SQL text; one that is tried is always had
row lock        `FOR UPDATE`, `FOR SHARE` and theirs; `SKIP LOCKED` once more by itself
table lock      `LOCK TABLE`
authorization   `may=` of a route, which then answers every known caller; `who=` of a staff verb,
                which then is every role's; a call of a check of who may; a `raise` that refuses a
                caller; a comparison of secrets

Giving a lock back is no safeguard. SQL is found in every string but docstrings, f-strings included.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from enum import StrEnum

from bench._mutations import Mutant, SourceFinder


class Kind(StrEnum):
    fsync = "fsync"
    file_lock = "file lock"
    advisory_lock = "advisory lock"
    row_lock = "row lock"
    table_lock = "table lock"
    authorization = "authorization"


SYNCS = {"fsync", "fdatasync", "sync", "_sync", "_fsync_folder", "fsync_dirs"}
FILE_LOCKS = {"flock": "None", "lockf": "None", "try_flock": "True"}
CHECKS = {"may", "identities"}  # whose `check` and `check_two` are about who may
COMPARED = {"compare_digest": "True"}
ROLES = {"isdisjoint": "False"}  # roles against roles: they meet
REFUSALS = {"ForbiddenError", "UnauthenticatedError", "not_found"}
_ROLES = "__import__('licet.access.roles', fromlist=['May'])"
EVERY_CALLER = f"{_ROLES}.May(known=True, staff=frozenset({_ROLES}.StaffRole))"
EVERY_ROLE = "tuple(__import__('licet.access.roles', fromlist=['StaffRole']).StaffRole)"
UNGUARDED = {"ANYBODY", "ANY_CALLER"}
SQL: list[tuple[Kind, str, str]] = [
    (Kind.advisory_lock, r"\bpg_try_advisory_(?:xact_)?lock(?:_shared)?\(", "0 = num_nulls("),
    (Kind.advisory_lock, r"\bpg_advisory_(?:xact_)?lock(?:_shared)?\(", "num_nulls("),
    (
        Kind.row_lock,
        r"\s?\bFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b(?: OF \w+)?(?: SKIP LOCKED| NOWAIT)?",
        "",
    ),
    (Kind.row_lock, r" (?:SKIP LOCKED|NOWAIT)\b", ""),
    (Kind.table_lock, r"\bLOCK TABLE \w+ IN [A-Z ]+ MODE\b", "SELECT 1"),
]


def removals(file: str, source: bytes) -> list[Mutant]:
    """Every safeguard of ``source``, each taken out."""
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    counts: dict[str, int] = {}
    made = []
    for one in finder.made:
        counts[one.key] = nth = counts.get(one.key, -1) + 1
        made.append(replace(one, nth=nth))
    return made


def kind_of(mutant: Mutant) -> Kind:
    return Kind(mutant.what.removesuffix(" removed"))


class _Finder(SourceFinder):
    def remove(self, kind: Kind, start: int, end: int, put: str) -> None:
        self.make(self.source.count(b"\n", 0, start) + 1, f"{kind} removed", start, end, put)

    def put_in_place(self, kind: Kind, node: ast.expr | ast.stmt, put: str) -> None:
        self.remove(kind, *self.span(node), put)

    # Where we are

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.path.append(node.name)
        self.generic_visit(node)
        self.path.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.path.append(node.name)
        self.statement = (
            node.lineno,
            node.lineno,
        )  # of a route's `may`: `Covered` takes the tests that run the function
        for decorator in node.decorator_list:
            self.visit(decorator)
        for statement in node.body:
            self.visit(statement)
        self.path.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node.value, ast.Call) and _is_check(node.value):
            self.put_in_place(Kind.authorization, node, "pass")
        self.visit(node.value)

    # What guards

    def visit_Call(self, node: ast.Call) -> None:
        name = _called(node)
        if name in SYNCS:
            self.put_in_place(Kind.fsync, node, "None")
        elif name in FILE_LOCKS and "LOCK_UN" not in ast.unparse(node):
            self.put_in_place(Kind.file_lock, node, FILE_LOCKS[name])
        elif name in COMPARED:
            self.put_in_place(Kind.authorization, node, COMPARED[name])
        elif name in ROLES and "roles" in ast.unparse(node):
            self.put_in_place(Kind.authorization, node, ROLES[name])
        for word in node.keywords:
            if word.arg == "may" and not (
                isinstance(word.value, ast.Name) and word.value.id in UNGUARDED
            ):
                self.put_in_place(Kind.authorization, word.value, EVERY_CALLER)
            if word.arg == "who" and name == "StaffVerb":
                self.put_in_place(Kind.authorization, word.value, EVERY_ROLE)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if (
            isinstance(node.op, ast.BitAnd)
            and isinstance(node.left, ast.Attribute)
            and node.left.attr == "roles"
        ):
            self.put_in_place(Kind.authorization, node, "True")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        if isinstance(node.exc, ast.Call) and _called(node.exc) in REFUSALS:
            self.put_in_place(Kind.authorization, node, "pass")
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.sql(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.sql(node)

    def sql(self, node: ast.Constant | ast.JoinedStr) -> None:
        assert node.end_lineno is not None and node.end_col_offset is not None
        start = self.starts[node.lineno - 1] + node.col_offset
        words = self.source[start : self.starts[node.end_lineno - 1] + node.end_col_offset]
        for kind, pattern, put in SQL:
            for found in re.finditer(pattern.encode(), words):
                self.remove(kind, start + found.start(), start + found.end(), put)


def _is_check(call: ast.Call) -> bool:
    """Whether it is a check of who may: `may.check`, `identities.check_two`, whatever holds the
    `may`.
    """
    match call.func:
        case ast.Attribute(ast.Name(holder), "check" | "check_two") if holder in CHECKS:
            return True
        case ast.Attribute(ast.Attribute(_, "may"), "check"):
            return True
    return False


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(name) | ast.Attribute(_, name):
            return name
    return ""
