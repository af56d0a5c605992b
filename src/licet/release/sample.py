"""The review samples of a release in the database; opens their rows under the live decision.

A row is opened for a reader in the transaction that records the reading: reader, account and the
review as reason. A row that may no longer be opened is out of reach. Signatures refer to a manifest
and the statement of a closed sample; each has a leaf in the log with its number, without a name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec

from licet.access import sessions
from licet.errors import BrokenError
from licet.keys.keyring import Keyring
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.policy.file import Policies
from licet.release import purge, registry
from licet.release.live_leases import LeasedRow, lease_rows
from licet.release.manifest import ReleaseManifest
from licet.release.part import groups
from licet.release.purge import Chain
from licet.release.registry import Release
from licet.release.review import DrawnBy, ReviewFinding, StatedReview, risk, shuffle_numbers
from licet.release.row_keys import open_row
from licet.release.rows import Payload
from licet.store.connect import Transaction
from licet.vault import staff_reads
from licet.vault.ids import uuid7
from licet.vault.staff_reads import RELEASE_REVIEW, ReaderRole, ReadNoted

ASKED_MAX = 256  # ordinals at a time
SCANNED_PARTS_MAX = 8
SCANNED_ROWS_MAX = 2_000


class ReleaseCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A release, and the folder of the copy that is read."""

    known: Release
    folder: Path
    manifest: ReleaseManifest
    chain: Chain


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A sample. ``stated`` is the signed statement of a closed one, with its hash."""

    review_id: UUID
    release_id: UUID
    manifest_sha256: bytes
    drawn_at: datetime
    closed_at: datetime | None
    stated: str | None
    stated_sha256: bytes | None
    bound_ppm: int | None


class SampleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a sample. ``second``: another reader's finding, None without one. Identities are
    those of the identity provider at sign-in.
    """

    ordinal: int
    drawn_by: DrawnBy
    finding: ReviewFinding | None
    staff: UUID | None
    identity: bytes | None
    second: ReviewFinding | None
    second_staff: UUID | None
    second_identity: bytes | None

    @property
    def pair(self) -> tuple[ReviewFinding, ReviewFinding] | None:
        """Both findings, if two people have read it."""
        away = (None, ReviewFinding.out_of_reach)
        if (
            self.finding is None
            or self.second is None
            or self.finding in away
            or self.second in away
        ):
            return None
        return self.finding, self.second

    @property
    def stated(self) -> ReviewFinding | None:
        """The finding for the statement: either reader's, and of two kinds the first reader's."""
        if self.pair is not None and self.finding is ReviewFinding.nothing:
            return self.second
        return self.finding


class ReviewSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature. ``has_identity``: the signer was signed in with the identity provider."""

    email: str
    via: str
    signed_at: datetime
    has_identity: bool


class RowRead(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was opened for a reader."""

    ordinal: int
    payload: Payload

    def __repr__(self) -> str:
        return f"RowRead({self.ordinal}, sealed)"


def lock(tx: Transaction, release_id: UUID) -> None:
    """Serialises drawing, closing and signing, which depend on one another's state."""
    tx.execute("SELECT FROM releases WHERE release_id = %s FOR UPDATE", [release_id])


# Drawing


def draw(
    tx: Transaction,
    keyring: Keyring,
    copy: ReleaseCopy,
    policies: Policies,
    now: datetime,
    *,
    chance: int,
    by_risk: int,
) -> Review:
    """Draws a sample: ``chance`` rows at random, then ``by_risk`` of the riskiest others."""
    random = Random(int.from_bytes(keyring.random(32)))  # noqa: S311 seeded with 256 secret bits
    drawn = dict.fromkeys(
        _draw_by_chance(tx, keyring, copy, policies, now, random, chance), DrawnBy.chance
    )
    risky = _draw_by_risk(tx, keyring, copy, policies, now, random, set(drawn), by_risk)
    drawn |= dict.fromkeys(risky, DrawnBy.risk)
    assert copy.known.manifest_sha256 is not None
    review = Review(
        review_id=uuid7(now, keyring.random(10)),
        release_id=copy.known.release_id,
        manifest_sha256=copy.known.manifest_sha256,
        drawn_at=now,
        closed_at=None,
        stated=None,
        stated_sha256=None,
        bound_ppm=None,
    )
    tx.execute(
        "INSERT INTO reviews (review_id, release_id, manifest_sha256, drawn_at) VALUES (%s, "
        "%s, %s, %s)",
        [review.review_id, review.release_id, review.manifest_sha256, now],
    )
    tx.cursor().executemany(
        "INSERT INTO review_rows (review_id, ordinal, drawn_by) VALUES (%s, %s, %s)",
        [(review.review_id, ordinal, by.value) for ordinal, by in drawn.items()],
    )
    return review


def _draw_by_chance(
    tx: Transaction,
    keyring: Keyring,
    copy: ReleaseCopy,
    policies: Policies,
    now: datetime,
    random: Random,
    count: int,
) -> list[int]:
    """Openable rows, uniformly drawn, in random order."""
    named, chosen = (
        shuffle_numbers(random, registry.rows_end(tx, copy.known.release_id)),
        list[int](),
    )
    while len(chosen) < count and (
        batch := [n for n, _ in zip(named, range(ASKED_MAX), strict=False)]
    ):
        usable = {row.ordinal for row in lease_rows(tx, keyring, copy.known, batch, policies, now)}
        chosen += [ordinal for ordinal in batch if ordinal in usable]
    return chosen[:count]


def _draw_by_risk(
    tx: Transaction,
    keyring: Keyring,
    copy: ReleaseCopy,
    policies: Policies,
    now: datetime,
    random: Random,
    without: set[int],
    count: int,
) -> list[int]:
    """The riskiest rows of some parts; only their scores are kept."""
    rows = scan_rows(tx, keyring, copy, policies, now, random, without) if count else ()
    scores = {ordinal: risk(payload.messages) for ordinal, payload in rows}
    return sorted(scores, key=lambda ordinal: (-scores[ordinal], ordinal))[:count]


def scan_rows(
    tx: Transaction,
    keyring: Keyring,
    copy: ReleaseCopy,
    policies: Policies,
    now: datetime,
    random: Random,
    without: Collection[int] = (),
) -> Iterator[tuple[int, Payload]]:
    """At most `SCANNED_ROWS_MAX` openable rows of `SCANNED_PARTS_MAX` parts, for programs that show
    no text.
    """
    parts = random.sample(copy.manifest.parts, min(SCANNED_PARTS_MAX, len(copy.manifest.parts)))
    wanted = [
        ordinal
        for part in parts
        for ordinal in range(part.first_ordinal, part.first_ordinal + part.rows)
        if ordinal not in without
    ]
    # in order, so that a part is read a few times
    drawn = sorted(random.sample(wanted, min(SCANNED_ROWS_MAX, len(wanted))))
    for start in range(0, len(drawn), ASKED_MAX):
        yield from open_rows(
            copy,
            lease_rows(tx, keyring, copy.known, drawn[start : start + ASKED_MAX], policies, now),
        )


def open_ordinals(
    tx: Transaction,
    keyring: Keyring,
    copy: ReleaseCopy,
    policies: Policies,
    now: datetime,
    ordinals: Collection[int],
) -> Iterator[tuple[int, Payload]]:
    """The openable rows among ``ordinals``."""
    yield from open_rows(copy, lease_rows(tx, keyring, copy.known, sorted(ordinals), policies, now))


def open_rows(copy: ReleaseCopy, rows: Collection[LeasedRow]) -> Iterator[tuple[int, Payload]]:
    """Opens rows from the folder; each part's hash is verified first."""
    keys = {row.ordinal: row.key for row in rows}
    for number, part in enumerate(copy.manifest.parts):
        after = copy.manifest.parts[number + 1 :][:1]
        mine = {
            n
            for n in keys
            if part.first_ordinal <= n and not (after and n >= after[0].first_ordinal)
        }
        if not mine:
            continue
        with purge.open_state(copy.folder, copy.chain.states[part.file], part.file) as opened:
            if opened is None or opened[0] is None:
                raise BrokenError(
                    f"part `{part.file}` is missing, or is not the file that the manifest names"
                )
            for group in groups(opened[0]):
                for ordinal, row_id, sealed in zip(
                    group.ordinals, group.row_ids, group.sealed, strict=True
                ):
                    if ordinal in mine:
                        yield (
                            ordinal,
                            open_row(sealed, keys[ordinal], copy.known.release_id.bytes, row_id),
                        )


# Reading


_COLUMNS = """review_id, release_id, manifest_sha256, drawn_at, closed_at, statement, statement_sha256, bound_ppm"""


def newest(tx: Transaction, release_id: UUID, *, closed: bool) -> Review | None:
    """The newest closed sample of a release, or the open one."""
    row = tx.execute(
        f"""SELECT {_COLUMNS} FROM reviews WHERE release_id = %s AND (closed_at IS NOT NULL) = %s
             ORDER BY drawn_at DESC, review_id DESC LIMIT 1""",
        [release_id, closed],
    ).fetchone()
    return Review(**dict(zip(Review.__struct_fields__, row, strict=True))) if row else None


class UnsignedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed release with too few signatures. ``left``: rows of an open sample without a finding,
    None without a sample; ``closed``: a sample was closed; ``signatures``: the valid ones under its
    newest statement.
    """

    release_id: UUID
    name: str
    sealed_at: datetime
    left: int | None
    closed: bool
    signatures: int


def list_unsigned(
    tx: Transaction, needed: int, limit: int, *, identities: bool
) -> list[UnsignedRelease]:
    """The sealed releases with fewer than ``needed`` signatures or an open sample, newest first.

    ``identities``: signatures count once for each identity of the identity provider, and not
    without one.
    """
    rows = tx.execute(
        """SELECT r.release_id, r.name, r.sealed_at, o.left_rows, c.statement_sha256 IS NOT NULL,
             coalesce(s.count, 0)
             FROM releases r
             LEFT JOIN LATERAL (
                 SELECT (SELECT count(*) FROM review_rows w WHERE w.review_id = v.review_id
                   AND w.finding IS NULL) AS left_rows
                   FROM reviews v WHERE v.release_id = r.release_id
                     AND v.closed_at IS NULL) o ON true
             LEFT JOIN LATERAL (
                 SELECT v.statement_sha256 FROM reviews v WHERE v.release_id = r.release_id
                   AND v.closed_at IS NOT NULL
                  ORDER BY v.drawn_at DESC, v.review_id DESC LIMIT 1) c ON true
             LEFT JOIN LATERAL (
                 SELECT CASE WHEN %(identities)s THEN count(DISTINCT f.identity)
                   ELSE count(*) END AS count FROM sign_offs f
                  WHERE f.release_id = r.release_id
                    AND f.statement_sha256 = c.statement_sha256) s ON true
            WHERE r.state = 'sealed' AND (o.left_rows IS NOT NULL
              OR coalesce(s.count, 0) < %(needed)s)
            ORDER BY r.sealed_at DESC, r.release_id LIMIT %(limit)s""",
        {"needed": needed, "limit": limit, "identities": identities},
    )
    return [
        UnsignedRelease(**dict(zip(UnsignedRelease.__struct_fields__, row, strict=True)))
        for row in rows
    ]


def list_rows(tx: Transaction, review: Review) -> list[SampleRow]:
    rows = tx.execute(
        """SELECT r.ordinal, r.drawn_by, r.finding, r.staff_id, r.identity, s.finding, s.staff_id,
             s.identity
             FROM review_rows r LEFT JOIN second_findings s USING (review_id, ordinal)
            WHERE r.review_id = %s ORDER BY r.ordinal""",
        [review.review_id],
    )
    return [
        SampleRow(
            ordinal=ordinal,
            drawn_by=DrawnBy(drawn_by),
            finding=ReviewFinding(finding) if finding else None,
            staff=staff,
            identity=identity,
            second=ReviewFinding(second) if second else None,
            second_staff=second_staff,
            second_identity=second_identity,
        )
        for ordinal, drawn_by, finding, staff, identity, second, second_staff, second_identity in rows
    ]


_FIRST = """SELECT ordinal FROM review_rows WHERE review_id = %(review)s AND finding IS NULL
    ORDER BY staff_id IS DISTINCT FROM %(staff)s, staff_id IS NOT NULL, ordinal LIMIT 1
      FOR UPDATE SKIP LOCKED"""
# Rows that another reader judged first: those that this reader opened, then unread ones.
_SECOND = """SELECT r.ordinal FROM review_rows r LEFT
   JOIN second_findings s USING (review_id, ordinal)
   WHERE r.review_id = %(review)s AND r.finding <> 'out_of_reach' AND r.staff_id <> %(staff)s
     AND (r.identity = %(identity)s) IS NOT TRUE
     AND (s.ordinal IS NULL OR (s.finding IS NULL AND s.staff_id = %(staff)s))
   ORDER BY s.ordinal IS NULL, r.ordinal LIMIT 1 FOR UPDATE OF r SKIP LOCKED"""
_JUDGED = {
    False: """UPDATE review_rows SET (finding, staff_id, identity, read_at) = (
                   %(finding)s, %(staff)s, %(identity)s, %(at)s)
               WHERE review_id = %(review)s AND ordinal = %(ordinal)s""",
    True: """INSERT INTO second_findings (review_id, ordinal, staff_id, identity, finding, read_at)
             VALUES (%(review)s, %(ordinal)s, coalesce(%(staff)s, %(reader)s), %(identity)s,
               %(finding)s, %(at)s)
             ON CONFLICT (review_id, ordinal) DO UPDATE
               SET (staff_id, identity, finding, read_at) = (
                 EXCLUDED.staff_id, EXCLUDED.identity, EXCLUDED.finding, EXCLUDED.read_at)""",
}


def read_next(
    tx: Transaction,
    keyring: Keyring,
    copy: ReleaseCopy,
    review: Review,
    policies: Policies,
    now: datetime,
    *,
    staff: UUID,
    identity: bytes | None,
    role: ReaderRole,
    random: Callable[[int], bytes],
    second: bool = False,
) -> RowRead | None:
    """Records and opens a reader's next row: one that they opened without judging, then an unopened
    one, then one that another reader left. None if every row has a finding or is out of reach.

    ``second``: the next row that another reader judged, for a second judgement.
    """
    values: dict[str, object] = {
        "review": review.review_id,
        "staff": staff,
        "reader": staff,
        "identity": identity,
        "at": now,
    }
    while True:
        row = tx.execute(_SECOND if second else _FIRST, values).fetchone()
        if row is None:
            return None
        ordinal = int(row[0])
        keys = lease_rows(tx, keyring, copy.known, [ordinal], policies, now)
        if not keys:
            tx.execute(
                _JUDGED[second],
                {**values, "ordinal": ordinal, "finding": "out_of_reach", "staff": None},
            )
            continue
        note_reading(
            tx,
            copy,
            ordinal,
            f"review-{review.review_id.hex}",
            now,
            staff=staff,
            role=role,
            random=random,
        )
        tx.execute(_JUDGED[second], {**values, "ordinal": ordinal, "finding": None})
        ((_, payload),) = open_rows(copy, keys)
        return RowRead(ordinal=ordinal, payload=payload)


def note_reading(
    tx: Transaction,
    copy: ReleaseCopy,
    ordinal: int,
    ticket: str,
    now: datetime,
    *,
    staff: UUID,
    role: ReaderRole,
    random: Callable[[int], bytes],
) -> None:
    """Records the reading of a row, in the transaction that opens it."""
    (source,) = registry.rows_at(tx, copy.known.release_id, [ordinal])
    note = ReadNoted(
        account=source.account,
        conversation=source.conversation,
        staff=staff,
        role=role,
        reason=RELEASE_REVIEW,
        ticket=ticket,
        turns=sum(each.count for each in source.sources),
        at=now,
    )
    staff_reads.record(tx, note, random)


_FOUND = {
    False: """UPDATE review_rows SET finding = %s WHERE review_id = %s AND ordinal = %s
                 AND staff_id = %s
                 AND finding IS DISTINCT FROM 'out_of_reach' RETURNING ordinal""",
    True: """UPDATE second_findings SET finding = %s WHERE review_id = %s AND ordinal = %s
                AND staff_id = %s
                AND finding IS DISTINCT FROM 'out_of_reach' RETURNING ordinal""",
}
_UNDONE = {
    False: """UPDATE review_rows SET finding = NULL WHERE review_id = %(review)s AND ordinal = (
                  SELECT r.ordinal FROM review_rows r LEFT
                    JOIN second_findings s USING (review_id, ordinal)
                   WHERE r.review_id = %(review)s AND r.staff_id = %(staff)s
                     AND r.finding <> 'out_of_reach'
                     AND s.ordinal IS NULL ORDER BY r.read_at DESC, r.ordinal DESC LIMIT 1)
              RETURNING ordinal""",
    True: """UPDATE second_findings SET finding = NULL WHERE review_id = %(review)s AND ordinal = (
                 SELECT s.ordinal FROM second_findings s
                  WHERE s.review_id = %(review)s AND s.staff_id = %(staff)s
                    AND s.finding <> 'out_of_reach'
                  ORDER BY s.read_at DESC, s.ordinal DESC LIMIT 1)
             RETURNING ordinal""",
}


def record_finding(
    tx: Transaction,
    review: Review,
    ordinal: int,
    finding: ReviewFinding,
    staff: UUID,
    *,
    second: bool = False,
) -> bool:
    """Records a finding in the row that the reader opened last; False for any other row."""
    row = tx.execute(_FOUND[second], [finding.value, review.review_id, ordinal, staff]).fetchone()
    return row is not None


def undo(tx: Transaction, review: Review, staff: UUID, *, second: bool = False) -> int | None:
    """Undoes a reader's newest finding, so that its row is next; returns its ordinal, None if there
    is none.

    A row that a second reader has opened since keeps its first finding.
    """
    row = tx.execute(_UNDONE[second], {"review": review.review_id, "staff": staff}).fetchone()
    return int(row[0]) if row is not None else None


def close(tx: Transaction, review: Review, stated: StatedReview, now: datetime) -> None:
    """Closes a sample with its signed statement and leaf."""
    statement = stated.statement
    tx.execute(
        """UPDATE reviews SET (closed_at, statement, statement_sha256, bound_ppm) = (%s, %s, %s, %s)
            WHERE review_id = %s AND closed_at IS NULL""",
        [now, stated.jws, bytes.fromhex(stated.sha256), statement.bound.ppm, review.review_id],
    )
    facts: dict[str, str | int | bool | None] = {
        "release": review.release_id.hex,
        "manifest_sha256": review.manifest_sha256.hex(),
        "sha256": stated.sha256,
        "rows": statement.read,
        "findings": statement.found,
        "bound_ppm": statement.bound.ppm,
    }
    outbox.append(tx, [Entry(kind=EntryKind.release_reviewed, occurred_at=now, facts=facts)])


# Signing


def signatures(tx: Transaction, review: Review) -> list[ReviewSignature]:
    """The signatures under a closed sample, in order."""
    rows = tx.execute(
        "SELECT staff_id, via, signed_at, identity IS NOT NULL FROM sign_offs"
        " WHERE release_id = %s AND statement_sha256 = %s",
        [review.release_id, review.stated_sha256],
    ).fetchall()
    emails = sessions.addresses(tx, [staff for staff, *_ in rows])
    signed = [
        ReviewSignature(
            email=emails[staff], via=via, signed_at=signed_at, has_identity=has_identity
        )
        for staff, via, signed_at, has_identity in rows
    ]
    return sorted(signed, key=lambda one: (one.signed_at, one.email))


def signing_identities(tx: Transaction, review: Review) -> dict[UUID, bytes | None]:
    """The identity-provider identity of each signer of a closed sample."""
    rows = tx.execute(
        "SELECT staff_id, identity FROM sign_offs WHERE release_id = %s AND statement_sha256 = %s",
        [review.release_id, review.stated_sha256],
    )
    return dict(rows.fetchall())


def sign(
    tx: Transaction, review: Review, staff: UUID, via: str, now: datetime, *, identity: bytes | None
) -> bool:
    """Adds a signature of a closed sample, with its leaf; False if ``staff`` has signed already.

    Signing again with an identity adds it to a signature without one, without a second leaf. The
    caller holds the `lock`, so that signatures are numbered in order.
    """
    assert review.stated_sha256 is not None
    signed = signing_identities(tx, review)
    if identity is not None and identity in signed.values():
        return False
    if staff in signed:
        row = tx.execute(
            """UPDATE sign_offs SET identity = %s WHERE release_id = %s AND statement_sha256 = %s
                  AND staff_id = %s AND identity IS NULL AND %s RETURNING signed_at""",
            [identity, review.release_id, review.stated_sha256, staff, identity is not None],
        ).fetchone()
        return row is not None
    number = len(signed) + 1
    tx.execute(
        """INSERT INTO sign_offs (release_id, staff_id, via, identity, manifest_sha256,
           statement_sha256, signed_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s)""",
        [
            review.release_id,
            staff,
            via,
            identity,
            review.manifest_sha256,
            review.stated_sha256,
            now,
        ],
    )
    facts: dict[str, str | int | bool | None] = {
        "release": review.release_id.hex,
        "manifest_sha256": review.manifest_sha256.hex(),
        "review_sha256": review.stated_sha256.hex(),
        "signature": number,
    }
    outbox.append(tx, [Entry(kind=EntryKind.release_signed, occurred_at=now, facts=facts)])
    return True


def is_stated(tx: Transaction, release_id: UUID, jws: str) -> bool:
    """Whether a statement is of a closed sample of this installation."""
    digest = sha256(jws.encode()).digest()
    row = tx.execute(
        "SELECT FROM reviews WHERE release_id = %s AND statement_sha256 = %s", [release_id, digest]
    ).fetchone()
    return row is not None
