"""The bench that takes safeguards out: it finds each kind in a source, and what it leaves in its
place still runs.
"""

from __future__ import annotations

import ast
from functools import cache

import pytest
from bench._mutations import Mutant, compiles
from bench._removals import (
    CHECKS,
    COMPARED,
    FILE_LOCKS,
    REFUSALS,
    ROLES,
    SYNCS,
    Kind,
    kind_of,
    removals,
)
from bench.mutants import read_equivalents
from bench.removals import asked

from licet.access.roles import May, Person, StaffRole
from licet.store.connect import Pool, transaction

SOURCE = '''
"""A docstring that says FOR UPDATE, and LOCK TABLE x IN SHARE MODE."""
import fcntl
import os

_QUEUE = f"""SELECT a FROM b WHERE c = %s
             FOR NO KEY UPDATE OF b SKIP LOCKED"""


@get("/v1/things", may=SEES)
def listed(tx, file, viewer, lock):
    """FOR UPDATE is no lock here."""
    os.fsync(file)
    sync(file)
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.flock(file, fcntl.LOCK_UN)
    tx.execute("SELECT pg_advisory_xact_lock(%s)", [1])
    tx.execute("SELECT pg_try_advisory_lock(%s)", [1])
    tx.execute("SELECT pg_advisory_unlock(%s)", [1])
    tx.execute("LOCK TABLE staff IN SHARE ROW EXCLUSIVE MODE")
    tx.execute(f"SELECT x FROM y WHERE z = 1 {'FOR UPDATE' if lock else ''}")
    identities.check(settings, viewer)
    rules.check(file)
    if not viewer.roles & READERS:
        raise ForbiddenError("no")
    if not hmac.compare_digest(a, b):
        raise UnauthenticatedError("no")


@get("/open", may=ANYBODY)
def opened():
    pass
'''
FOUND = [
    (Kind.row_lock, 7), (Kind.row_lock, 7), (Kind.authorization, 10), (Kind.fsync, 13), (Kind.fsync, 14),
    (Kind.file_lock, 15), (Kind.advisory_lock, 17), (Kind.advisory_lock, 18), (Kind.table_lock, 20), (Kind.row_lock, 21),
    (Kind.authorization, 22), (Kind.authorization, 24), (Kind.authorization, 25), (Kind.authorization, 26),
    (Kind.authorization, 27),
]  # fmt: skip


@cache
def every_safeguard() -> tuple[Mutant, ...]:
    """Those of the product; to look for them takes a second."""
    return tuple(asked([]))


def found() -> list[Mutant]:
    return sorted(removals("web/api/things.py", SOURCE.encode()), key=lambda one: one.start)


def test_each_kind_of_safeguard_is_found_once_and_nothing_else_is() -> None:
    assert [(kind_of(one), one.line) for one in found()] == FOUND
    assert len({one.key for one in found()}) == len(FOUND)


def test_what_is_left_without_one_is_python_and_all_else_stays() -> None:
    for one in found():
        source = one.applied(SOURCE.encode())
        assert compiles(source), one
        assert source.count(b"\n") in {SOURCE.count("\n"), SOURCE.count("\n") - 1}
    (route,) = [one for one in found() if one.line == 10]
    decorator = next(
        node.decorator_list[0]
        for node in ast.walk(ast.parse(route.applied(SOURCE.encode())))
        if isinstance(node, ast.FunctionDef)
    )
    assert isinstance(decorator, ast.Call)
    may = eval(ast.unparse(decorator.keywords[0].value))
    assert isinstance(may, May)
    may.check(Person(account=None))


@pytest.mark.parametrize(
    "one", [one for one in found() if "lock" in kind_of(one) and one.line > 10], ids=str
)
def test_a_statement_without_its_lock_answers_as_if_it_had_it(pool: Pool, one: Mutant) -> None:
    if kind_of(one) is Kind.file_lock:
        assert one.put == "None"
        return
    line = one.applied(SOURCE.encode()).decode().split("\n")[one.line - 1].strip()
    call = ast.parse(line).body[0]
    assert isinstance(call, ast.Expr) and isinstance(call.value, ast.Call)
    statement = eval(ast.unparse(call.value.args[0]), {"lock": True})
    if "FROM y" in statement:
        assert statement == "SELECT x FROM y WHERE z = 1 "
        return
    with transaction(pool) as tx:
        row = tx.execute(statement, [1] if "%s" in statement else None).fetchone()
        assert row is not None and (row[0] is True) == ("0 = " in statement)
        assert tx.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        ).fetchone() == (0,)


def test_every_safeguard_of_the_product_is_found_by_kind_and_place() -> None:
    every = every_safeguard()
    assert {kind_of(one) for one in every} == set(Kind)
    assert len(every) > 350
    assert {one.file.partition("/")[0] for one in asked(["row-lock", "keys/"])} == {"keys"}
    with pytest.raises(SystemExit, match="nothing of that kind"):
        asked(["no-such-kind"])


@pytest.mark.parametrize(
    "name",
    sorted(
        {*SYNCS - {"fdatasync"}, *FILE_LOCKS, *CHECKS, *COMPARED, *ROLES, *REFUSALS, "may=", "who="}
    ),
)
def test_each_name_that_stands_for_a_safeguard_is_in_the_product(name: str) -> None:
    assert [one for one in every_safeguard() if name in one.text], (
        "it was renamed, or guards nothing"
    )


def test_a_verb_without_its_roles_is_every_role_s() -> None:
    source = b'HOLD = StaffVerb(name="hold", who=(StaffRole.owner,), takes=HoldBody)'
    (one,) = removals("service/things.py", source)
    assert kind_of(one) is Kind.authorization
    verb = ast.parse(one.applied(source)).body[0]
    assert isinstance(verb, ast.Assign) and isinstance(verb.value, ast.Call)
    assert eval(ast.unparse(verb.value.keywords[1].value)) == tuple(StaffRole)


def test_a_safeguard_that_is_said_to_need_no_test_is_in_the_source_and_says_why() -> None:
    every = {one.identity for one in every_safeguard()}
    for identity, why in read_equivalents():
        if identity[3].removesuffix(" removed") in set(Kind):
            assert identity in every
            assert len(why) > 40, identity
