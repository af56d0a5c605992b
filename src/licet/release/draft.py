"""The stored state of an unsealed build: enough to resume one that was killed, and no more.

A page is stored in the transaction that registers its rows. Its counts and proofs are encrypted
under the build's own secret, because counts by reason may reveal something about the texts. Nothing
that identifies duplicates is stored, encrypted or not (docs/adr/0008), and no salt: the lines are
those of the final proofs (`release.proofs`).

The hash of a part is stored once it is on disk; before it is rewritten, the hash of the new content
is stored too. Every file that a crash leaves is therefore one of two known ones, or it does not
count.
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
_LEVEL = 1  # most of a page are hashes in hexadecimal, and its row goes with the build


class Stage(StrEnum):
    """The progress of a build: its pages are read, its duplicates are known, or they have been
    removed.
    """

    reading = "reading"
    electing = "electing"
    elected = "elected"


class BuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a build beside its policy and its purpose: ``plan`` is the hash of its
    curation, ``base`` the release whose rows it carries.
    """

    plan: str
    software: str
    rows_per_part: int
    base: UUID | None = None


class KeptPage(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A page: turns decided and excluded, replacements, the splits and figures of its rows, which
    were carried, and the lines of its proofs.
    """

    candidates: int
    dropped: Mapping[str, int]
    replaced: Mapping[str, int]
    splits: Sequence[str]
    candidate_lines: Sequence[bytes]
    row_lines: Sequence[bytes]
    carried: Sequence[bool]
    figures: Sequence[RowFigures] = ()  # a page of before they were counted has none
    judged: Sequence[JudgedRows] = ()
    # words, and those that were changed (changed_words.by_language)
    changes: Mapping[str, int] = {}
    # conversations left out because nothing looks for names in their language
    unread: Mapping[str, int] = {}


class KeptPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part: the ordinal after its last, its hash, and the hash of its pending replacement: empty
    for no file.
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
    """Where a page ends: its number, the rows up to there, its last conversation."""

    page: int
    rows: int
    place: Place


_encode = msgspec.msgpack.Encoder().encode
_page = msgspec.msgpack.Decoder(KeptPage).decode
_gone = msgspec.msgpack.Decoder(list[DroppedRows]).decode


class Draft:
    """The stored state of one build. Its methods run in the caller's transaction."""

    def __init__(self, release_id: UUID, key: KeyMaterial, random: Random) -> None:
        self._id, self._key, self._random = release_id, key, random

    @classmethod
    def begin(
        cls, tx: Transaction, keyring: Keyring, release_id: UUID, made: BuildSettings
    ) -> Draft:
        tx.execute(
            """INSERT INTO builds (release_id, plan, software, rows_per_part, base, stage)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            [release_id, made.plan, made.software, made.rows_per_part, made.base, Stage.reading],
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

    def enter(self, tx: Transaction, stage: Stage) -> None:
        tx.execute("UPDATE builds SET stage = %s WHERE release_id = %s", [stage, self._id])

    # Pages

    def keep_page(self, tx: Transaction, end: End, kept: KeptPage) -> None:
        tx.execute(
            """INSERT INTO build_pages (release_id, page, rows, account_id, conversation_id, sealed)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            [
                self._id,
                end.page,
                end.rows,
                *end.place,
                self._seal(f"page {end.page}", _encode(kept)),
            ],
        )

    def last_end(self, tx: Transaction, rows_max: int) -> End | None:
        """The end of the last page up to which there are at most ``rows_max`` rows."""
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

    def pages(self, pool: Pool) -> Iterator[KeptPage]:
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
        """Stores a part that is on disk, or its replacement."""
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
        """Announces that a part is about to be rewritten, or removed."""
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

    def parts(self, tx: Transaction) -> list[KeptPart]:
        rows = tx.execute(
            "SELECT part, ends, sha256, becomes FROM build_parts WHERE release_id = %s "
            "ORDER BY part",
            [self._id],
        )
        return [
            KeptPart(part=part, ends=ends, sha256=sha256, becomes=becomes)
            for part, ends, sha256, becomes in rows
        ]

    # Rows that went

    def keep_gone(self, tx: Transaction, gone: Sequence[DroppedRows]) -> None:
        sealed = self._seal("gone", _encode(gone))
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

    # Less of it

    def cut(self, tx: Transaction, end: End, first_part: int) -> bool:
        """Drops what comes after ``end``, and the parts from ``first_part`` on; returns whether
        that included a page.
        """
        cut = tx.execute(
            "DELETE FROM build_pages WHERE release_id = %s AND page > %s", [self._id, end.page]
        ).rowcount
        tx.execute(
            "DELETE FROM build_parts WHERE release_id = %s AND part >= %s", [self._id, first_part]
        )
        if cut:
            kept = [[one for one in batch if one.ordinal < end.rows] for batch in self.gone(tx)]
            tx.execute("DELETE FROM build_gone WHERE release_id = %s", [self._id])
            for batch in filter(None, kept):
                self.keep_gone(tx, batch)
            self.enter(tx, Stage.reading)
        return cut > 0

    def _seal(self, what: str, data: bytes) -> bytes:
        return seal(
            self._key,
            zstandard.ZstdCompressor(_LEVEL).compress(data),
            self._place(what),
            self._random,
        )

    def _open(self, what: str, sealed: bytes) -> bytes:
        frame = unseal(self._key, sealed, self._place(what))
        if zstandard.frame_content_size(frame) > SEALED_BYTES_MAX:
            raise BrokenError(
                "the stored state of the unfinished build claims more bytes than allowed"
            )
        return zstandard.ZstdDecompressor().decompress(frame)

    def _place(self, what: str) -> bytes:
        return b"d1" + self._id.bytes + what.encode()


def forget(tx: Transaction, release_id: UUID) -> None:
    """Deletes the stored state of a build, and its secret."""
    tx.execute("DELETE FROM build_pages WHERE release_id = %s", [release_id])
    tx.execute("DELETE FROM build_parts WHERE release_id = %s", [release_id])
    tx.execute("DELETE FROM build_gone WHERE release_id = %s", [release_id])
    tx.execute("DELETE FROM builds WHERE release_id = %s", [release_id])
    forget_build_key(tx, release_id)


def forget_sealed(pool: Pool) -> None:
    """Deletes the state of sealed builds: after the seal, which must be short, and again if that is
    killed.
    """
    with transaction(pool) as tx:
        for (release_id,) in tx.execute(
            "SELECT release_id FROM builds JOIN releases USING (release_id) WHERE state = 'sealed'"
        ).fetchall():
            forget(tx, release_id)


def obstacle(
    release: Release,
    made: BuildSettings,
    *,
    settings: BuildSettings,
    purpose: str,
    version: int,
    now: datetime,
) -> str:
    """Why an unfinished build cannot be resumed; empty if it can."""
    reasons = {
        "the purpose differs": release.purpose != purpose,
        "another policy version is in force": release.version != version,
        "a new year began, which has a new log": release.begun_at.year != now.year,
        "the curation plan differs": settings.plan != made.plan,
        "the software version differs": settings.software != made.software,
        "the part size differs": settings.rows_per_part != made.rows_per_part,
        "the release that it carries rows of differs": settings.base != made.base,
    }
    return next((why for why, is_so in reasons.items() if is_so), "")
