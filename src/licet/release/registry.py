"""Releases and their rows in the database: what was built, from what, and whether it may be read.

A release is `building` until one short transaction seals it; rows of an unsealed release cannot be leased.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import BrokenError, NotFoundError
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.store.connect import Transaction
from licet.store.rows import copy_in
from licet.vault import copies
from licet.vault.copies import CopyPlace


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """``pinned`` is the journal's position when the build began, ``position`` when it was sealed."""

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


class RowSource(msgspec.Struct, frozen=True, kw_only=True):
    """Turns of one segment and one origin in a row; ``turn`` is the last of them, ``count`` how many."""

    segment: int
    origin: str
    turn: int
    count: int


class RowSources(msgspec.Struct, frozen=True, kw_only=True):
    """The sources of a row. ``keys`` are the (segment, place) pairs from whose keys its own is derived, in order."""

    account: UUID
    conversation: UUID
    row_id: bytes
    ordinal: int
    keys: tuple[tuple[int, CopyPlace], ...]
    sources: tuple[RowSource, ...]


def begin(tx: Transaction, release: Release) -> None:
    tx.execute(
        """INSERT INTO releases (release_id, name, purpose, state, version, pinned, begun_at)
           VALUES (%s, %s, %s, 'building', %s, %s, %s)""",
        [release.release_id, release.name, release.purpose, release.version, release.pinned, release.begun_at],
    )


def find(tx: Transaction, name: str) -> Release | None:
    row = tx.execute(f"SELECT {_COLUMNS} FROM releases WHERE name = %s", [name]).fetchone()
    return _read(row) if row else None


def get(tx: Transaction, release_id: UUID) -> Release:
    row = tx.execute(f"SELECT {_COLUMNS} FROM releases WHERE release_id = %s", [release_id]).fetchone()
    if row is None:
        raise NotFoundError(f"no release `{release_id.hex}`")
    return _read(row)


def names(tx: Transaction, releases: Sequence[UUID]) -> dict[UUID, str]:
    """The names of the releases with these ids."""
    if not releases:
        return {}
    return dict(
        tx.execute("SELECT release_id, name FROM releases WHERE release_id = ANY(%s)", [list(releases)]).fetchall()
    )


def every(tx: Transaction) -> list[Release]:
    return [_read(row) for row in tx.execute(f"SELECT {_COLUMNS} FROM releases ORDER BY begun_at")]


def _read(row: Sequence[Any]) -> Release:
    return Release(**dict(zip(Release.__struct_fields__, row, strict=True)))


def discard(tx: Transaction, release_id: UUID, at: datetime) -> None:
    """Deletes a build that was never sealed; nobody ever had a key of its rows."""
    tx.execute("DELETE FROM release_rows WHERE release_id = %s", [release_id])
    copies.end_whole(tx, CopyPlace.release, release_id, at)
    tx.execute("DELETE FROM releases WHERE release_id = %s AND state = 'building'", [release_id])


def seal(tx: Transaction, release: Release) -> None:
    """Seals a build, with its leaf; BrokenError if two of its rows have one number."""
    assert release.root is not None
    assert release.manifest_sha256 is not None
    assert release.sealed_at is not None
    twice = tx.execute(
        "SELECT ordinal FROM release_rows WHERE release_id = %s GROUP BY ordinal HAVING count(*) > 1 LIMIT 1",
        [release.release_id],
    ).fetchone()
    if twice is not None:
        raise BrokenError(f"two rows of the release `{release.name}` have the number `{twice[0]}`", "build it again")
    tx.execute(
        """UPDATE releases SET (state, sealed_at, position, rows, turns, root, manifest_sha256)
                             = ('sealed', %s, %s, %s, %s, %s, %s) WHERE release_id = %s""",
        [
            release.sealed_at, release.position, release.rows, release.turns, release.root,
            release.manifest_sha256, release.release_id,
        ],
    )  # fmt: skip
    facts: dict[str, str | int | bool | None] = {
        "release": release.release_id.hex,
        "purpose": release.purpose,
        "version": release.version,
        "position": release.position,
        "rows": release.rows,
        "root": release.root.hex(),
        "manifest_sha256": release.manifest_sha256.hex(),
    }
    outbox.append(tx, [Entry(told=EntryKind.release_sealed, occurred_at=release.sealed_at, facts=facts)])


_ROWS = {
    "account_id": "uuid", "release_id": "uuid", "row_id": "bytea", "ordinal": "int4", "conversation_id": "uuid",
    "key_segments": "int2[]", "key_places": "text[]", "source_segments": "int2[]", "source_origins": "text[]",
    "source_turns": "int4[]", "source_counts": "int4[]",
}  # fmt: skip


def add_rows(tx: Transaction, release_id: UUID, rows: Sequence[RowSources]) -> None:
    copy_in(
        tx,
        "release_rows",
        _ROWS,
        [
            (
                row.account, release_id, row.row_id, row.ordinal, row.conversation,
                [segment for segment, _ in row.keys],
                [place.value for _, place in row.keys],
                [source.segment for source in row.sources],
                [source.origin for source in row.sources],
                [source.turn for source in row.sources],
                [source.count for source in row.sources],
            )
            for row in rows
        ],
    )  # fmt: skip


_SELECT_ROWS = """SELECT account_id, conversation_id, row_id, ordinal, key_segments, key_places, source_segments,
    source_origins, source_turns, source_counts FROM release_rows WHERE release_id = %(release)s"""


def rows_at(tx: Transaction, release_id: UUID, ordinals: Sequence[int]) -> list[RowSources]:
    """The rows with these ordinals."""
    found = tx.execute(
        f"{_SELECT_ROWS} AND ordinal = ANY(%(ordinals)s) ORDER BY ordinal",
        {"release": release_id, "ordinals": list(ordinals)},
    )
    return [_row(row) for row in found]


def rows_by_account(tx: Transaction, release_id: UUID | None = None) -> dict[UUID, int]:
    """How many rows were made from each account, of a release or of all, the most first."""
    rows = tx.execute(
        """SELECT account_id, count(*) FROM release_rows WHERE %(release)s::uuid IS NULL OR release_id = %(release)s::uuid
            GROUP BY account_id ORDER BY count(*) DESC, account_id""",
        {"release": release_id},
    )
    return dict(rows.fetchall())


def accounts_at(tx: Transaction, release_id: UUID, ordinals: Sequence[int]) -> dict[int, UUID]:
    """The accounts of the rows with these ordinals."""
    return dict(
        tx.execute(
            "SELECT ordinal, account_id FROM release_rows WHERE release_id = %s AND ordinal = ANY(%s)",
            [release_id, list(ordinals)],
        ).fetchall()
    )


def rows_of(
    tx: Transaction, release_id: UUID, accounts: Sequence[UUID], conversations: Sequence[UUID]
) -> list[RowSources]:
    """The rows made from any of these accounts or conversations."""
    found = tx.execute(
        f"{_SELECT_ROWS} AND (account_id = ANY(%(accounts)s) OR conversation_id = ANY(%(conversations)s))",
        {"release": release_id, "accounts": list(accounts), "conversations": list(conversations)},
    )
    return [_row(row) for row in found]


def sealed_rows_of(tx: Transaction, account: UUID) -> dict[UUID, dict[int, UUID]]:
    """The account's rows by sealed release: the conversation of each ordinal."""
    found: dict[UUID, dict[int, UUID]] = {}
    rows = tx.execute(
        """SELECT x.release_id, x.ordinal, x.conversation_id FROM release_rows x JOIN releases r USING (release_id)
            WHERE x.account_id = %s AND r.state = 'sealed'""",
        [account],
    )
    for release, ordinal, conversation in rows:
        found.setdefault(release, {})[ordinal] = conversation
    return found


def row_ids(tx: Transaction, release_id: UUID, first: int, end: int) -> dict[int, bytes]:
    """The ids of the rows from ``first`` up to, and without, the ordinal ``end``."""
    found = tx.execute(
        "SELECT ordinal, row_id FROM release_rows WHERE release_id = %s AND ordinal >= %s AND ordinal < %s",
        [release_id, first, end],
    )
    return {ordinal: bytes(row_id) for ordinal, row_id in found}


def rows_from(tx: Transaction, release_id: UUID, first: int, limit: int) -> list[RowSources]:
    """The rows from the ordinal ``first`` on."""
    found = tx.execute(
        f"{_SELECT_ROWS} AND ordinal >= %(first)s ORDER BY ordinal LIMIT %(limit)s",
        {"release": release_id, "first": first, "limit": limit},
    )
    return [_row(row) for row in found]


def rows_within(
    tx: Transaction, release_id: UUID, first: tuple[UUID, UUID], last: tuple[UUID, UUID]
) -> list[RowSources]:
    """The rows of the conversations from ``first`` to ``last``, by account and id."""
    found = tx.execute(
        f"""{_SELECT_ROWS} AND (account_id, conversation_id) BETWEEN (%(a)s, %(b)s) AND (%(c)s, %(d)s)
             ORDER BY ordinal""",
        {"release": release_id, "a": first[0], "b": first[1], "c": last[0], "d": last[1]},
    )
    return [_row(row) for row in found]


def drop_rows(tx: Transaction, release_id: UUID, rows: Sequence[RowSources], at: datetime) -> None:
    """Removes rows from a build. The register records that the copies of their segments in it have ended."""
    tx.execute(
        "DELETE FROM release_rows WHERE release_id = %s AND ordinal = ANY(%s)",
        [release_id, [row.ordinal for row in rows]],
    )
    copies.end_rowless(tx, release_id, {row.account for row in rows}, {row.conversation for row in rows}, at)


def _row(row: Sequence[Any]) -> RowSources:
    account, conversation, row_id, ordinal, key_segments, key_places, segments, origins, turns, counts = row
    return RowSources(
        account=account,
        conversation=conversation,
        row_id=bytes(row_id),
        ordinal=ordinal,
        keys=tuple((n, CopyPlace(place)) for n, place in zip(key_segments, key_places, strict=True)),
        sources=tuple(
            RowSource(segment=s, origin=o, turn=t, count=c)
            for s, o, t, c in zip(segments, origins, turns, counts, strict=True)
        ),
    )
