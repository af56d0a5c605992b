"""One owner a table: who writes it, who else reads it and where queries join subjects, held against
docs/tables.md.

The statements are found by reading the source (`tests.statements`), which the last tests here hold
on planted modules.
"""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from ..statements import ROOT, SRC, Use, room, tables, tables_of, uses, uses_of

PAGE = ROOT / "docs" / "tables.md"

# Written outside the owner's room, each with its reason. It may only shrink.
WRITTEN_ELSEWHERE = {
    (
        "deliveries",
        "vault/host_events.py",
    ): "an event and its deliveries are one statement of the verb that causes it",
    (
        "suggestions",
        "vault/expiry.py",
    ): "erasing a segment is one statement, and a suggestion goes with its conversation",
}
# Strings that are SQL of something else than this database.
NOT_OURS = {
    "agent/memory.py": "the assistant's own file, which SQLite writes",
    "demo/code_sessions.py": "SQL that people of the demonstration ask about",
}
# Tables whose names a string leaves open, by what is written there.
OPEN = {
    ("backup/dump.py", True): set[str](),  # every table, of a database that nothing else is in yet
    # `insert`, `appending` and `copy_in`, whose callers name the table
    ("store/rows.py", True): set[str](),
    ("vault/conversation_pages.py", False): {"blocks", "safety_bodies"},
    ("vault/permit.py", False): {"blocks", "safety_bodies"},
    ("vault/counts.py", True): {"segments", "feedback"},
    ("vault/writes.py", True): {
        "blocks",
        "safety_bodies",
        "choices",
        "feedback",
        "feedback_bodies",
    },
    ("vault/counts.py", False): {
        "account_counts",
        "segments",
        "feedback",
        "blocks",
        "safety_bodies",
        "feedback_bodies",
    },
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading of the page, without backticks."""
    section = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines
    ]


def owners() -> dict[str, str]:
    """The room that owns each table."""
    return {cells[0]: room(cells[1].split(", ")[0]) for cells in rows("Owners")}


def is_open(use: Use) -> bool:
    """Whether the text leaves the table to the run: a lower-case name in braces, which is no
    fragment of SQL.
    """
    return re.fullmatch(r"\{[a-z]*\}", use.table) is not None


def ours() -> list[Use]:
    """Every use of a table of the schema, those included that a string leaves open."""
    found = list[Use]()
    for use in uses():
        if use.module in NOT_OURS:
            continue
        if is_open(use):
            named = sorted(OPEN[use.module, use.writes])
            found += [Use(table, use.module, use.line, use.writes) for table in named]
        elif use.table in tables():
            found.append(use)
    return found


def test_every_table_has_one_owner_and_every_owner_is_there() -> None:
    assert [cells[0] for cells in rows("Owners")] == list(tables())
    for table, modules, *_ in rows("Owners"):
        assert len({room(module) for module in modules.split(", ")}) == 1, f"{table} has one room"
        for module in modules.split(", "):
            assert (SRC / module).is_file(), module


def test_a_table_is_written_by_its_owner_alone() -> None:
    named = {cells[0]: cells[1].split(", ") for cells in rows("Owners")}
    elsewhere = {
        (use.table, use.module)
        for use in ours()
        if use.writes and room(use.module) != owners()[use.table]
    }
    assert elsewhere == set(WRITTEN_ELSEWHERE)
    for use in ours():
        if use.writes and (use.table, use.module) not in WRITTEN_ELSEWHERE:
            assert use.module in named[use.table], (
                f"{use.module}:{use.line} writes `{use.table}` and is not its owner"
            )


def test_the_page_has_the_number_of_modules_that_read_each_table() -> None:
    readers = defaultdict[str, set[str]](set)
    for use in ours():
        if not use.writes:
            readers[use.table].add(use.module)
    counted = {table: len(readers[table]) for table in tables()}
    assert {cells[0]: int(cells[3]) for cells in rows("Owners")} == counted, (
        "a number that rises: ask the owner instead, or say in the commit why not; one that "
        "falls: write it into docs/tables.md"
    )


def test_a_query_reads_another_room_s_table_only_in_a_named_place() -> None:
    allowed = {cells[0]: set(cells[1].split(", ")) for cells in rows("Where queries join subjects")}
    foreign = defaultdict[str, set[str]](set)
    for use in ours():
        if not use.writes and room(use.module) != owners()[use.table]:
            foreign[use.module].add(use.table)
    assert foreign == allowed, (
        "what is not in the page asks the owner; what is not in the source leaves the page"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "SELECT 1 FROM accounts a JOIN journal j USING (account_id)",
            {("accounts", False), ("journal", False)},
        ),
        ("SELECT 1 FROM accounts a, journal j", {("accounts", False), ("journal", False)}),
        (
            "DELETE FROM blocks b USING segments s WHERE true",
            {("blocks", True), ("segments", False)},
        ),
        ("SELECT 1 FROM accounts FOR NO KEY UPDATE", {("accounts", False)}),
        ("INSERT INTO holds (a) SELECT 1 ON CONFLICT (a) DO UPDATE SET a = 1", {("holds", True)}),
        (
            "WITH flags AS (SELECT 1 FROM turns) UPDATE holds SET a = 1 FROM flags",
            {("turns", False), ("holds", True)},
        ),
        ("COPY release_runs (a) FROM STDIN (FORMAT BINARY)", {("release_runs", True)}),
        ("the sessions from accounts that update events", set()),
    ],
)
def test_a_statement_is_read_for_its_tables(text: str, found: set[tuple[str, bool]]) -> None:
    assert set(tables_of(text)) == found


def test_a_module_is_read_for_its_statements() -> None:
    source = '''
"""FROM accounts: a docstring is no statement."""
from licet.store.rows import insert
TABLE = "holds"
def f(tx, rows):
    """SELECT 1 FROM segments"""
    tx.execute(f"UPDATE {TABLE} SET a = 1")
    tx.execute("SELECT 1 FROM " "turns t")
    tx.execute("SELECT 1 FROM flags" + rows)
    insert(tx, "choices", {}, rows)
'''
    assert {(table, writes) for table, _, writes in uses_of(source)} == {
        ("holds", True),
        ("turns", False),
        ("flags", False),
        ("choices", True),
    }
