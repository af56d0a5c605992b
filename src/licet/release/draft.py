"""The stored state of an unsealed build: enough to resume one that was killed, and no more.

A page is stored in the transaction that registers its rows. Its counts and proofs are encrypted
under a secret of the build, because counts by reason may reveal something about the texts. Neither
data that identifies duplicates (docs/adr/0008) nor salts are stored; the lines are those of the
final proofs (`release.proofs`).

The hash of a part is stored once it is on disk, and before a rewrite the hash of the new content
too: a file left by a crash is one of the two, or is discarded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
import zstandard

from licet.errors import BrokenError
from licet.keys.keyring import Keyring, forget_build_key
from licet.keys.material import KeyMaterial, Random, seal, unseal
from licet.release.contents import RowFigures
from licet.release.part import PartPromise
from licet.release.quality_counts import JudgedRows
from licet.release.registry import Release
from licet.store.connect import Pool, Transaction, transaction
from licet.vault.conversation_pages import Place

PAGES_AT_ONCE = 64
SEALED_BYTES_MAX = 2**30  # of one page before it is compressed
_LEVEL = 1  # a page is mostly hexadecimal hashes, and is deleted with the build's state


class Stage(StrEnum):
    """A build's progress: reading pages, electing among duplicates, or duplicates removed."""

    reading = "reading"
    electing = "electing"
    elected = "elected"


class BuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A build's settings beside policy and purpose: ``plan`` is the hash of its curation, ``base``
    the release whose rows it reuses.
    """

    plan: str
    software: str
    rows_per_part: int
    base: UUID | None = None


class StoredPage(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A page: decided and excluded turns, replacements, its rows' splits and figures, which rows
    were reused, and its proof lines.
    """

    candidates: int
    dropped: Mapping[str, int]
    replaced: Mapping[str, int]
    splits: Sequence[str]
    candidate_lines: Sequence[bytes]
    row_lines: Sequence[bytes]
    carried: Sequence[bool]
    figures: Sequence[RowFigures]
    judged: Sequence[JudgedRows] = ()
    # words and changed words (changed_words.by_language)
    changes: Mapping[str, int] = {}
    # conversations left out for an unsearched language
    unread: Mapping[str, int] = {}


class StoredPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part: the ordinal after its last, its hash, and that of its pending replacement (empty:
    removal).
    """

    part: int
    ends: int
    sha256: bytes
    becomes: bytes | None


class DroppedRows(msgspec.Struct, frozen=True, array_like=True):
    """A removed row: its account, and its turns by reason."""

    ordinal: int
    account: UUID
    reasons: Mapping[str, int]


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a page: its number, the rows so far, its last conversation."""

    page: int
    rows: int
    place: Place


_encode = msgspec.msgpack.Encoder().encode
_page = msgspec.msgpack.Decoder(StoredPage).decode
_gone = msgspec.msgpack.Decoder(list[DroppedRows]).decode


class Draft:
    """The stored state of one build. Its methods run in the caller's transaction."""

    def __init__(self, release_id: UUID, key: KeyMaterial, random: Random) -> None:
        self._id, self._key, self._random = release_id, key, random

    @classmethod
    def begin(
        cls, tx: Transaction, keyring: Keyring, release_id: UUID, settings: BuildSettings
    ) -> Draft:
        tx.execute(
            """INSERT INTO builds (release_id, plan, software, rows_per_part, base, stage)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            [
                release_id,
                settings.plan,
                settings.software,
                settings.rows_per_part,
                settings.base,
                Stage.reading,
            ],
        )
        return cls(release_id, keyring.build_key(tx, release_id), keyring.random)

    @classmethod
    def find(
        cls, tx: Transaction, keyring: Keyring, release_id: UUID
    ) -> tuple[Draft, BuildSettings, Stage] | None:
        row = tx.execute(
            "SELECT plan, software, rows_per_part, base, stage FROM builds WHERE release_id = %s",
            [release_id],
        ).fetchone()
        if row is None:
            return None
        made = BuildSettings(plan=row[0], software=row[1], rows_per_part=row[2], base=row[3])
        return (
            cls(release_id, keyring.build_key(tx, release_id), keyring.random),
            made,
            Stage(row[4]),
        )

    def set_stage(self, tx: Transaction, stage: Stage) -> None:
        tx.execute("UPDATE builds SET stage = %s WHERE release_id = %s", [stage, self._id])

    # Pages

    def keep_page(self, tx: Transaction, end: End, page: StoredPage) -> None:
        tx.execute(
            """INSERT INTO build_pages (release_id, page, rows, account_id, conversation_id, sealed)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            [
                self._id,
                end.page,
                end.rows,
                *end.place,
                self._seal(f"page {end.page}", _encode(page)),
            ],
        )

    def last_end(self, tx: Transaction, rows_max: int) -> End | None:
        """The end of the last page with at most ``rows_max`` rows so far."""
        row = tx.execute(
            """SELECT page, rows, account_id, conversation_id FROM build_pages
                WHERE release_id = %s AND rows <= %s ORDER BY page DESC LIMIT 1""",
            [self._id, rows_max],
        ).fetchone()
        return None if row is None else End(page=row[0], rows=row[1], place=(row[2], row[3]))

    def opens(self, tx: Transaction) -> bool:
        """Whether the stored pages can be decrypted."""
        row = tx.execute(
            "SELECT sealed FROM build_pages WHERE release_id = %s AND page = 1", [self._id]
        ).fetchone()
        try:
            return row is not None and bool(self._open("page 1", row[0]))
        except BrokenError:
            return False

    def pages(self, pool: Pool) -> Iterator[StoredPage]:
        """The pages, in order; BrokenError if one is missing or cannot be decrypted."""
        count = 0
        while True:
            with transaction(pool) as tx:
                rows = tx.execute(
                    "SELECT page, sealed FROM build_pages WHERE release_id = %s AND page > "
                    "%s ORDER BY page LIMIT %s",
                    [self._id, count, PAGES_AT_ONCE],
                ).fetchall()
            if not rows:
                return
            for page, sealed in rows:
                count += 1
                if page != count:
                    raise BrokenError(f"page `{count}` of the unfinished build is missing")
                yield _page(self._open(f"page {page}", sealed))

    # Parts

    def keep_part(self, tx: Transaction, part: PartPromise, ends: int) -> None:
        """Stores the hash of a part on disk."""
        tx.execute(
            """INSERT INTO build_parts (release_id, part, ends, sha256) VALUES (%s, %s, %s, %s)
               ON CONFLICT (release_id, part) DO UPDATE SET (ends, sha256, becomes)
                                                           = (excluded.ends, excluded.sha256,
        NULL)""",
            [self._id, part.number, ends, bytes.fromhex(part.sha256)],
        )

    def declare(
        self, tx: Transaction, part: PartPromise, becomes: PartPromise | None, ends_max: int
    ) -> None:
        """Stores the pending replacement of a part, before it is rewritten or removed."""
        tx.execute(
            """UPDATE build_parts SET (ends, sha256, becomes) = (least(ends, %s), %s, %s)
                WHERE release_id = %s AND part = %s""",
            [
                ends_max,
                bytes.fromhex(part.sha256),
                bytes.fromhex(becomes.sha256) if becomes else b"",
                self._id,
                part.number,
            ],
        )

    def parts(self, tx: Transaction) -> list[StoredPart]:
        rows = tx.execute(
            "SELECT part, ends, sha256, becomes FROM build_parts WHERE release_id = %s "
            "ORDER BY part",
            [self._id],
        )
        return [
            StoredPart(part=part, ends=ends, sha256=sha256, becomes=becomes)
            for part, ends, sha256, becomes in rows
        ]

    # Removed rows

    def keep_gone(self, tx: Transaction, removed: Sequence[DroppedRows]) -> None:
        sealed = self._seal("gone", _encode(removed))
        tx.execute(
            "INSERT INTO build_gone (release_id, sealed) VALUES (%s, %s)", [self._id, sealed]
        )

    def gone(self, tx: Transaction) -> Iterator[Sequence[DroppedRows]]:
        last = 0
        while rows := tx.execute(
            "SELECT number, sealed FROM build_gone WHERE release_id = %s AND number > %s "
            "ORDER BY number LIMIT %s",
            [self._id, last, PAGES_AT_ONCE],
        ).fetchall():
            last = rows[-1][0]
            for _, sealed in rows:
                yield _gone(self._open("gone", sealed))

    # Truncation

    def cut(self, tx: Transaction, end: End, first_part: int) -> bool:
        """Drops pages after ``end`` and parts from ``first_part`` on; returns whether there was
        such a page.
        """
        cut = tx.execute(
            "DELETE FROM build_pages WHERE release_id = %s AND page > %s", [self._id, end.page]
        ).rowcount
        tx.execute(
            "DELETE FROM build_parts WHERE release_id = %s AND part >= %s", [self._id, first_part]
        )
        if cut:
            remaining = [
                [one for one in batch if one.ordinal < end.rows] for batch in self.gone(tx)
            ]
            tx.execute("DELETE FROM build_gone WHERE release_id = %s", [self._id])
            for batch in filter(None, remaining):
                self.keep_gone(tx, batch)
            self.set_stage(tx, Stage.reading)
        return cut > 0

    def _seal(self, name: str, data: bytes) -> bytes:
        return seal(
            self._key,
            zstandard.ZstdCompressor(_LEVEL).compress(data),
            self._place(name),
            self._random,
        )

    def _open(self, name: str, sealed: bytes) -> bytes:
        frame = unseal(self._key, sealed, self._place(name))
        if zstandard.frame_content_size(frame) > SEALED_BYTES_MAX:
            raise BrokenError(
                "the stored state of the unfinished build claims more bytes than allowed"
            )
        return zstandard.ZstdDecompressor().decompress(frame)

    def _place(self, name: str) -> bytes:
        return b"d1" + self._id.bytes + name.encode()


def delete_state(tx: Transaction, release_id: UUID) -> None:
    """Deletes a build's stored state and secret."""
    tx.execute("DELETE FROM build_pages WHERE release_id = %s", [release_id])
    tx.execute("DELETE FROM build_parts WHERE release_id = %s", [release_id])
    tx.execute("DELETE FROM build_gone WHERE release_id = %s", [release_id])
    tx.execute("DELETE FROM builds WHERE release_id = %s", [release_id])
    forget_build_key(tx, release_id)


def delete_sealed(pool: Pool) -> None:
    """Deletes the state of sealed builds: after the seal, which must be short, and at the next
    build.
    """
    with transaction(pool) as tx:
        for (release_id,) in tx.execute(
            "SELECT release_id FROM builds JOIN releases USING (release_id) WHERE state = 'sealed'"
        ).fetchall():
            delete_state(tx, release_id)


def resume_obstacle(
    release: Release,
    settings: BuildSettings,
    *,
    begun_with: BuildSettings,
    purpose: str,
    version: int,
    now: datetime,
) -> str:
    """Why an unfinished build cannot be resumed; empty if it can."""
    reasons = {
        "the purpose differs": release.purpose != purpose,
        "another policy version is in force": release.version != version,
        "a new year began, which has a new log": release.begun_at.year != now.year,
        "the curation plan differs": begun_with.plan != settings.plan,
        "the software version differs": begun_with.software != settings.software,
        "the part size differs": begun_with.rows_per_part != settings.rows_per_part,
        "the release that it carries rows of differs": begun_with.base != settings.base,
    }
    return next((why for why, is_so in reasons.items() if is_so), "")
