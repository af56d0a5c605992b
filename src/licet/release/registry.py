"""Releases and their rows in the database: builds, their sources, and whether they are sealed.

A release is `building` until one short transaction seals it; rows of an unsealed release cannot be
leased.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import BrokenError, NotFoundError
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.release import row_runs
from licet.release.row_runs import BLOCK_ROWS, RowSources
from licet.store.connect import Transaction
from licet.store.rows import copy_in


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """``pinned`` and ``position``: the journal's positions at the build's start and the seal."""

    release_id: UUID
    name: str
    purpose: str
    state: str
    version: int
    pinned: int
    begun_at: datetime
    sealed_at: datetime | None
    position: int | None
    rows: int | None
    turns: int | None
    root: bytes | None
    manifest_sha256: bytes | None


_COLUMNS = ", ".join(Release.__struct_fields__)


def begin(tx: Transaction, release: Release) -> None:
    tx.execute(
        """INSERT INTO releases (release_id, name, purpose, state, version, pinned, begun_at)
           VALUES (%s, %s, %s, 'building', %s, %s, %s)""",
        [
            release.release_id,
            release.name,
            release.purpose,
            release.version,
            release.pinned,
            release.begun_at,
        ],
    )


def find(tx: Transaction, name: str) -> Release | None:
    row = tx.execute(f"SELECT {_COLUMNS} FROM releases WHERE name = %s", [name]).fetchone()
    return _to_release(row) if row else None


def get(tx: Transaction, release_id: UUID) -> Release:
    row = tx.execute(
        f"SELECT {_COLUMNS} FROM releases WHERE release_id = %s", [release_id]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no release `{release_id.hex}`")
    return _to_release(row)


def names(tx: Transaction, releases: Sequence[UUID]) -> dict[UUID, str]:
    if not releases:
        return {}
    return dict(
        tx.execute(
            "SELECT release_id, name FROM releases WHERE release_id = ANY(%s)", [list(releases)]
        ).fetchall()
    )


def list_all(tx: Transaction) -> list[Release]:
    return [
        _to_release(row) for row in tx.execute(f"SELECT {_COLUMNS} FROM releases ORDER BY begun_at")
    ]


def _to_release(row: Sequence[Any]) -> Release:
    return Release(**dict(zip(Release.__struct_fields__, row, strict=True)))


def discard(tx: Transaction, release_id: UUID) -> None:
    """Deletes a build that was never sealed, so that no key of its rows was ever leased."""
    tx.execute("DELETE FROM release_runs WHERE release_id = %s", [release_id])
    tx.execute("DELETE FROM releases WHERE release_id = %s AND state = 'building'", [release_id])


def decide(tx: Transaction, release_id: UUID, position: int, now: datetime) -> None:
    """Adds the leaf that divides the log: the release is decided by the entries before it."""
    facts: dict[str, str | int | bool | None] = {"release": release_id.hex, "position": position}
    outbox.append(tx, [Entry(kind=EntryKind.release_decided, occurred_at=now, facts=facts)])


def seal(tx: Transaction, release: Release) -> None:
    """Seals a build, with its leaf; BrokenError for duplicate ordinals."""
    assert release.root is not None
    assert release.manifest_sha256 is not None
    assert release.sealed_at is not None
    twice = tx.execute(
        "SELECT ordinal FROM release_rows WHERE release_id = %s GROUP BY ordinal HAVING "
        "count(*) > 1 LIMIT 1",
        [release.release_id],
    ).fetchone()
    if twice is not None:
        raise BrokenError(
            f"two rows of the release `{release.name}` have the ordinal `{twice[0]}`",
            "build it again",
        )
    tx.execute(
        """UPDATE releases SET (state, sealed_at, position, rows, turns, root, manifest_sha256)
                             = ('sealed', %s, %s, %s, %s, %s, %s) WHERE release_id = %s""",
        [
            release.sealed_at,
            release.position,
            release.rows,
            release.turns,
            release.root,
            release.manifest_sha256,
            release.release_id,
        ],
    )
    facts: dict[str, str | int | bool | None] = {
        "release": release.release_id.hex,
        "purpose": release.purpose,
        "version": release.version,
        "position": release.position,
        "rows": release.rows,
        "root": release.root.hex(),
        "manifest_sha256": release.manifest_sha256.hex(),
    }
    outbox.append(
        tx, [Entry(kind=EntryKind.release_sealed, occurred_at=release.sealed_at, facts=facts)]
    )


_RUNS = {
    "account_id": "uuid", "release_id": "uuid", "first": "int4", "origins": "text", "conversations": "uuid[]",
    "sources": "bytea[]",
}  # fmt: skip


def add_rows(tx: Transaction, release_id: UUID, rows: Sequence[RowSources]) -> None:
    made = row_runs.runs(rows)
    copy_in(tx, "release_runs", _RUNS, [(account, release_id, *run) for account, *run in made])


_SELECT_ROWS = """SELECT account_id, conversation_id, ordinal, origins, sources FROM release_rows
    WHERE release_id = %(release)s"""
# The runs of these ordinals are found by the numbers of their blocks.
_AT = "block = ANY(release_blocks(%(ordinals)s::int[])) AND ordinal = ANY(%(ordinals)s::int[])"


def rows_at(tx: Transaction, release_id: UUID, ordinals: Sequence[int]) -> list[RowSources]:
    rows = tx.execute(
        f"{_SELECT_ROWS} AND {_AT} ORDER BY ordinal",
        {"release": release_id, "ordinals": list(ordinals)},
    )
    return [_row(row) for row in rows]


def rows_by_account(tx: Transaction, release_id: UUID | None = None) -> dict[UUID, int]:
    """The rows of each account, of a release or of all, most first."""
    rows = tx.execute(
        """SELECT account_id, count(*) FROM release_rows WHERE %(release)s::uuid IS NULL
            OR release_id = %(release)s::uuid
            GROUP BY account_id ORDER BY count(*) DESC, account_id""",
        {"release": release_id},
    )
    return dict(rows.fetchall())


def accounts_at(tx: Transaction, release_id: UUID, ordinals: Sequence[int]) -> dict[int, UUID]:
    return dict(
        tx.execute(
            "SELECT ordinal, account_id FROM release_rows WHERE release_id = %(release)s "
            f"AND {_AT}",
            {"release": release_id, "ordinals": list(ordinals)},
        ).fetchall()
    )


def rows_by_conversation(
    tx: Transaction, release_id: UUID, ended: Collection[tuple[UUID, UUID | None]]
) -> list[RowSources]:
    """The rows of these conversations, given with their accounts; None: all of an account."""
    rows = tx.execute(
        f"""{_SELECT_ROWS} AND account_id = ANY(%(accounts)s)
             AND (account_id = ANY(%(whole)s) OR conversation_id = ANY(%(conversations)s))""",
        {
            "release": release_id,
            "accounts": sorted({account for account, _ in ended}),
            "whole": sorted({account for account, conversation in ended if conversation is None}),
            "conversations": sorted(
                {conversation for _, conversation in ended if conversation is not None}
            ),
        },
    )
    return [_row(row) for row in rows]


def sealed_rows_by_account(tx: Transaction, account: UUID) -> dict[UUID, dict[int, UUID]]:
    """The account's rows by sealed release: the conversation of each ordinal."""
    conversations: dict[UUID, dict[int, UUID]] = {}
    rows = tx.execute(
        """SELECT x.release_id, x.ordinal, x.conversation_id FROM release_rows x
            JOIN releases r USING (release_id)
            WHERE x.account_id = %s AND r.state = 'sealed'""",
        [account],
    )
    for release, ordinal, conversation in rows:
        conversations.setdefault(release, {})[ordinal] = conversation
    return conversations


def ordinals(tx: Transaction, release_id: UUID, first: int, end: int) -> set[int]:
    """The ordinals of rows from ``first`` up to ``end``, exclusive."""
    rows = tx.execute(
        """SELECT ordinal FROM release_rows WHERE release_id = %(release)s
              AND block BETWEEN %(from)s AND %(to)s
              AND ordinal >= %(first)s AND ordinal < %(end)s""",
        {
            "release": release_id,
            "first": first,
            "end": end,
            "from": first // BLOCK_ROWS,
            "to": end // BLOCK_ROWS,
        },
    )
    return {ordinal for (ordinal,) in rows}


def rows_end(tx: Transaction, release_id: UUID) -> int:
    """The ordinal after the last row's, 0 without rows."""
    row = tx.execute(
        f"""SELECT max(ordinal) + 1 FROM release_rows WHERE release_id = %(release)s
               AND block = (SELECT max(first / {BLOCK_ROWS}) FROM release_runs
                 WHERE release_id = %(release)s)""",
        {"release": release_id},
    ).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def drop_from(tx: Transaction, release_id: UUID, first: int, runs: int) -> int:
    """Removes a build's last rows, of at most ``runs`` runs, from ordinal ``first`` on; returns how
    many.
    """
    rows = tx.execute(
        f"""{_SELECT_ROWS} AND ordinal >= %(first)s AND block >= %(block)s AND block >= coalesce(
               (SELECT first / {BLOCK_ROWS} FROM release_runs WHERE release_id = %(release)s
                 ORDER BY first / {BLOCK_ROWS} DESC OFFSET %(runs)s LIMIT 1), 0)""",
        {"release": release_id, "first": first, "block": first // BLOCK_ROWS, "runs": runs - 1},
    )
    gone = [_row(row).ordinal for row in rows]
    drop_rows(tx, release_id, gone)
    return len(gone)


def rows_within(
    tx: Transaction, release_id: UUID, first: tuple[UUID, UUID], last: tuple[UUID, UUID]
) -> list[RowSources]:
    """The rows of the conversations from ``first`` to ``last``, by account and id."""
    rows = tx.execute(
        f"""{_SELECT_ROWS} AND account_id BETWEEN %(a)s AND %(c)s
             AND (account_id, conversation_id) BETWEEN (%(a)s, %(b)s) AND (%(c)s, %(d)s) ORDER BY ordinal""",
        {"release": release_id, "a": first[0], "b": first[1], "c": last[0], "d": last[1]},
    )
    return [_row(row) for row in rows]


_GONE = f"r.first + (get_byte(m.sources, 0) & {BLOCK_ROWS - 1}) = ANY(%(ordinals)s::int[])"
_TOUCHED = (
    f"r.release_id = %(release)s AND r.first / {BLOCK_ROWS} = "
    "ANY(release_blocks(%(ordinals)s::int[]))"
)


def drop_rows(tx: Transaction, release_id: UUID, ordinals: Sequence[int]) -> None:
    """Removes the rows with these ordinals from a build."""
    gone = {"release": release_id, "ordinals": list(ordinals)}
    tx.execute(
        f"""DELETE FROM release_runs r
             WHERE {_TOUCHED} AND NOT EXISTS (SELECT FROM unnest(r.sources) AS m(sources)
               WHERE NOT {_GONE})""",
        gone,
    )
    tx.execute(
        f"""UPDATE release_runs r SET (conversations, sources, row_ids) =
                   (SELECT array_agg(m.conversation ORDER BY m.n),
                     array_agg(m.sources ORDER BY m.n),
                           CASE WHEN r.row_ids IS NOT NULL THEN array_agg(m.row_id ORDER BY m.n) END
                      FROM unnest(r.conversations, r.sources, r.row_ids)
                           WITH ORDINALITY AS m(conversation, sources, row_id, n) WHERE NOT {_GONE})
             WHERE {_TOUCHED} AND EXISTS (SELECT FROM unnest(r.sources) AS m(sources)
               WHERE {_GONE})""",
        gone,
    )


def _row(row: Sequence[Any]) -> RowSources:
    account, conversation, ordinal, origins, sources = row
    return row_runs.unpack_row(account, conversation, ordinal, origins.split(","), bytes(sources))
