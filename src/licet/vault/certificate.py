"""Erasures, from the request to the certificate that each place of the content was found empty.

Every deletion, every closure, and every end of a hold that leaves something overdue begins an
erasure in the same transaction. It passes through its states in order; each step is repeatable:

    requested   somebody asked for it
    fenced      unreadable and unusable, in the transaction that took the request
    shredded    every key of its content is overwritten, on its date, or at once if requested
    swept       the sealed rows are deleted too; a closed account keeps its own key until the log has all its leaves
    verified    each place within reach was read back, and the certificate is signed and its leaf appended

The certificate names the places in the register of copies. For each it states separately what was
read back, when, and what was left; what a recipient was asked to delete; and what the recipient
answered, with a signature if given. A place that was not read has no count; one within reach that
cannot be read back is an error. Content with a date of its own (a safety copy, content under a
hold) is listed with it. A certificate contains ids, closed words, numbers and dates, and a salt, so
that its hash reveals nothing without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, assert_never
from uuid import UUID

import msgspec

from licet.errors import BrokenError, NotFoundError
from licet.keys import fence
from licet.ledger.canonical_json import Canonical
from licet.policy.period import rfc3339
from licet.store.connect import Transaction
from licet.store.keyset import (
    KeyColumn,
    KeyType,
    ListChoice,
    ListFilter,
    Listing,
    newest_and_oldest,
)
from licet.store.rows import Change, by_column, change, rows_sql, rows_values
from licet.vault import account_keys
from licet.vault.copies import CopyPlace
from licet.vault.ids import Prefix, format_id, parse_input
from licet.vault.list_filters import BY_ACCOUNT, by_day

VERSION = 2
SALT_BYTES = 32


class ErasureState(StrEnum):
    """The progress of an erasure; each state is committed together with its effects."""

    requested = "requested"
    fenced = "fenced"
    shredded = "shredded"
    swept = "swept"
    verified = "verified"


class ErasureCause(StrEnum):
    """Why something is erased."""

    deletion = "deletion"
    closure = "closure"
    hold_released = "hold_released"


class WaitsFor(StrEnum):
    """Why an erasure is not in its next state."""

    hold = "hold"  # a legal hold keeps its content
    period = "period"  # its keys are destroyed by a future day
    sweep = "sweep"  # its content is due, and the next sweep or `licet erase run` erases it
    # leaves of a closed account are not in the log yet, and need the key that is destroyed with it
    log = "log"


class ErasureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure. ``conversation`` is None if the whole account is erased."""

    account: UUID
    erasure: UUID
    conversation: UUID | None
    cause: ErasureCause
    state: ErasureState
    requested_at: datetime
    fenced_at: datetime | None
    shredded_at: datetime | None
    swept_at: datetime | None
    verified_at: datetime | None


class PlaceOutcome(StrEnum):
    """What was done with the content in a place."""

    erased = "erased"  # its keys are destroyed and its rows deleted; read back
    kept = "kept"  # it stays until a date of its own, for the investigation of misuse; read back
    # rows of a release: a lease was requested and refused
    refused = "refused"
    # an export: its recipient was asked to delete it, and has not answered
    recalled = "recalled"
    answered = "answered"  # an export that its recipient has deleted, as they answered
    untouched = "untouched"  # an export without erased content


class RecipientAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient's confirmation that they deleted recalled rows; ``signed`` is its JWS, None if it
    is unsigned.
    """

    recipient: str
    answered_at: datetime
    signed: str | None


class PlaceSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A place of the register. ``left`` is how much was found when it was read back, None if it
    cannot be read back; ``kept_until`` is the end of content that stays intentionally; ``recalled``
    has the time of the recall and its deadline.
    """

    place: CopyPlace
    reference: UUID
    registered_at: datetime
    copies: int
    done: PlaceOutcome
    left: int | None = None
    kept_until: datetime | None = None
    recalled: tuple[datetime, datetime] | None = None
    answer: RecipientAnswer | None = None


class ErasureWaits(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure waits for: the remaining keys, when the last of them is due, whether a hold
    keeps them, and the releases with rows made from its content.
    """

    keys: int
    bodies: int
    due_at: datetime | None
    held: bool
    is_fenced: bool = False
    releases: tuple[UUID, ...] = ()

    def refuse_fenced(self) -> None:
        """FencedError behind the fence, as read in the same statement."""
        if self.is_fenced:
            raise fence.fenced_error()


_COLUMNS = """account_id, erasure_id, conversation_id, cause, state, requested_at, fenced_at, shredded_at, swept_at,
    verified_at"""

_BEGUN = {
    "account_id": "uuid",
    "erasure_id": "uuid",
    "conversation_id": "uuid",
    "cause": "text",
    "requested_at": "timestamptz",
}
_BEGIN = f"""
    INSERT INTO erasures ({", ".join(_BEGUN)}, state, fenced_at)
    SELECT {", ".join(_BEGUN)}, '{ErasureState.fenced}', requested_at
      FROM {rows_sql(_BEGUN)} AS k({", ".join(_BEGUN)})"""


class BegunErasure(NamedTuple):
    """An erasure that a command begins; fenced by the command's transaction."""

    account: UUID
    erasure: UUID
    conversation: UUID | None
    cause: ErasureCause
    requested_at: datetime


def insert_changes(erasures: Sequence[BegunErasure]) -> list[Change]:
    """The change that inserts new erasures."""
    return [Change(_BEGIN, rows_values(_BEGUN, by_column(_BEGUN, erasures)))] if erasures else []


def get(tx: Transaction, erasure: UUID) -> ErasureRecord:
    """NotFoundError for an unknown id, so that an erasure that nobody requested is never reported
    as done.
    """
    row = tx.execute(f"SELECT {_COLUMNS} FROM erasures WHERE erasure_id = %s", [erasure]).fetchone()
    if row is None:
        raise NotFoundError(f"no erasure `{format_id(Prefix.erasure, erasure)}`")
    return _parse_erasure(row)


# When all of its content is due, and whether a hold keeps any.
_DUE = """CROSS JOIN LATERAL (SELECT CASE WHEN t.state = 'verified'
    THEN NULL WHEN t.cause = 'hold_released' THEN t.requested_at
    WHEN t.conversation_id IS NULL THEN greatest(t.requested_at,
        (SELECT max(s.keep_until) FROM segments s WHERE s.account_id = t.account_id),
        (SELECT max(f.keep_until) FROM feedback f WHERE f.account_id = t.account_id))
    ELSE greatest(t.requested_at,
        (SELECT max(s.keep_until) FROM segments s
          WHERE s.account_id = t.account_id AND s.conversation_id = t.conversation_id),
        (SELECT max(f.keep_until) FROM feedback f
          WHERE f.account_id = t.account_id AND f.conversation_id = t.conversation_id))
    END AS due_at) d
    CROSS JOIN LATERAL (SELECT t.state <> 'verified' AND CASE WHEN t.conversation_id IS NULL
        THEN EXISTS (SELECT FROM holds h WHERE h.account_id = t.account_id)
        ELSE EXISTS (SELECT FROM holds h WHERE h.account_id = t.account_id
          AND h.conversation_id = t.conversation_id)
    END AS held) k"""
_REQUESTED = (
    KeyColumn("t.requested_at", KeyType.timestamptz),
    KeyColumn("t.erasure_id", KeyType.uuid),
)
_OPEN = "t.state <> 'verified'"
OVERDUE_DAYS = 2  # a sweep a day, and a day for anyone who must approve it
_OLD = f"t.requested_at <= %(at)s - interval '{OVERDUE_DAYS} days'"
_LATE = f"d.due_at <= %(at)s - interval '{OVERDUE_DAYS} days' AND NOT k.held"

LISTING = Listing(
    columns=f"""t.erasure_id, t.cause, t.state, t.requested_at, d.due_at, k.held, coalesce({_LATE}, false), t.verified_at,
        t.conversation_id, t.account_id""",
    source="FROM erasures t",
    joins=_DUE,
    orders=newest_and_oldest(_REQUESTED),
    filters={
        "state": ListFilter(
            label="State",
            choices={
                "open": ListChoice(label="not finished", looked=_OPEN),
                "overdue": ListChoice(
                    label="overdue", looked=f"{_OPEN} AND {_OLD}", kept=_LATE, scanned_max=4_000
                ),
                "held": ListChoice(
                    label="kept by a hold", looked=_OPEN, kept="k.held", scanned_max=4_000
                ),
                **{
                    one.value: ListChoice(label=one.value, kept=f"t.state = '{one.value}'")
                    for one in ErasureState
                },
            },
        ),
        "cause": ListFilter(
            label="After",
            choices={
                one.value: ListChoice(
                    label=one.value.replace("_", " "), kept=f"t.cause = '{one.value}'"
                )
                for one in ErasureCause
            },
        ),
        "erasure": ListFilter(
            label="Erasure",
            sql="t.erasure_id = %(value)s",
            read=partial(parse_input, Prefix.erasure),
            indexed=True,
            hint="era_..",
        ),
        **by_day("Asked for from", "t.requested_at"),
        **BY_ACCOUNT,
    },
)


def open_by_age(
    tx: Transaction, now: datetime, ages: Mapping[str, timedelta], limit: int
) -> dict[str, int]:
    """Counts unfinished erasures by the time since their request: under each of the rising
    ``ages``, and `older`. Only the oldest ``limit`` are counted.
    """
    counts = dict.fromkeys([*ages, "older"], 0)
    rows = tx.execute(
        "SELECT requested_at FROM erasures WHERE state <> 'verified' ORDER BY requested_at, "
        "erasure_id LIMIT %s",
        [limit],
    )
    for (requested_at,) in rows:
        counts[next((name for name, age in ages.items() if now - requested_at < age), "older")] += 1
    return counts


def unlogged_closures(tx: Transaction) -> tuple[int, datetime | None]:
    """The number of swept closures without a certificate, and since when the oldest waits."""
    row = tx.execute(
        "SELECT count(*), min(swept_at) FROM erasures WHERE state = 'swept' AND cause = 'closure'"
    ).fetchone()
    assert row is not None
    return int(row[0]), row[1]


def save(
    tx: Transaction, erasure: ErasureRecord, jws: str | None = None, changes: Sequence[Change] = ()
) -> None:
    """Stores the state of an erasure and its certificate, in one statement with ``changes``."""
    state = [
        erasure.state.value,
        erasure.shredded_at,
        erasure.swept_at,
        erasure.verified_at,
        jws,
        erasure.account,
        erasure.erasure,
    ]
    change(tx, [*changes, Change(_SAVE, state)])


_SAVE = """UPDATE erasures SET (state, shredded_at, swept_at, verified_at, certificate) = (%s, %s,
    %s, %s, %s)
    WHERE account_id = %s AND erasure_id = %s"""


def certificate_of(tx: Transaction, erasure: UUID) -> str | None:
    """The signed certificate; None before it is signed."""
    row = tx.execute("SELECT certificate FROM erasures WHERE erasure_id = %s", [erasure]).fetchone()
    return row[0] if row is not None else None


def replace_id(
    tx: Transaction, account: UUID, conversation: UUID | None, requested_at: datetime, new: UUID
) -> list[UUID]:
    """Gives the erasure requested at that moment the id ``new``; returns its former ids."""
    rows = tx.execute(
        """WITH again AS (SELECT account_id, erasure_id AS was FROM erasures
                           WHERE account_id = %s AND requested_at = %s
                             AND conversation_id IS NOT DISTINCT FROM %s)
           UPDATE erasures e SET erasure_id = %s FROM again a
            WHERE e.account_id = a.account_id AND e.erasure_id = a.was RETURNING a.was""",
        [account, requested_at, conversation, new],
    ).fetchall()
    return [row[0] for row in rows]


def list_by_account(tx: Transaction, account: UUID) -> list[ErasureRecord]:
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM erasures WHERE account_id = %s ORDER BY requested_at, erasure_id",
        [account],
    )
    return [_parse_erasure(row) for row in rows]


def list_newest(
    tx: Transaction, account: UUID, limit: int, *, before: UUID | None = None
) -> list[ErasureRecord]:
    """The newest ``limit`` erasures of an account requested before the given one."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM erasures
             WHERE account_id = %(account)s AND (%(before)s::uuid IS NULL
               OR erasure_id < %(before)s)
             ORDER BY erasure_id DESC LIMIT %(limit)s""",
        {"account": account, "before": before, "limit": limit},
    )
    return [_parse_erasure(row) for row in rows]


def states_of(tx: Transaction, account: UUID) -> dict[ErasureState, int]:
    """The number of erasures of an account in each state."""
    rows = tx.execute(
        "SELECT state, count(*) FROM erasures WHERE account_id = %s GROUP BY state", [account]
    )
    return {ErasureState(state): count for state, count in rows}


def unfinished(
    tx: Transaction, limit: int, after: UUID | None = None, *, keyless: bool = False
) -> list[ErasureRecord]:
    """Erasures that are not verified, by id; ``keyless``: only those without remaining keys."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM erasures e
             WHERE e.state <> 'verified' AND (%(after)s::uuid IS NULL OR e.erasure_id > %(after)s)
               AND NOT (%(keyless)s AND EXISTS (
                   SELECT FROM segments s WHERE s.account_id = e.account_id
                     AND s.key_slot IS NOT NULL
                      AND (e.conversation_id IS NULL OR s.conversation_id = e.conversation_id)
                      AND (e.cause <> 'hold_released' OR s.keep_until <= e.requested_at)))
             ORDER BY e.erasure_id LIMIT %(limit)s""",
        {"after": after, "limit": limit, "keyless": keyless},
    )
    return [_parse_erasure(row) for row in rows]


def _parse_erasure(row: Sequence[Any]) -> ErasureRecord:
    account, erasure, conversation, cause, state, *times = row
    requested_at, fenced_at, shredded_at, swept_at, verified_at = times
    return ErasureRecord(
        account=account,
        erasure=erasure,
        conversation=conversation,
        cause=ErasureCause(cause),
        state=ErasureState(state),
        requested_at=requested_at,
        fenced_at=fenced_at,
        shredded_at=shredded_at,
        swept_at=swept_at,
        verified_at=verified_at,
    )


# The content of an erasure: its conversation or all of its account's; after a hold, what had
# expired by then.
_SCOPE = (
    "{0}.account_id = %(account)s AND (%(conversation)s::uuid IS NULL OR {0}.conversation_id "
    "= "
    "%(conversation)s)"
)
_ENDED = " AND (%(ended)s::timestamptz IS NULL OR {0}.keep_until <= %(ended)s)"
_OF_SEGMENTS, _OF_FEEDBACK = ((_SCOPE + _ENDED).format(alias) for alias in ("s", "f"))
_SEGMENTS = f"FROM segments s WHERE {_OF_SEGMENTS}"
_FEEDBACK = f"FROM feedback f WHERE {_OF_FEEDBACK}"
_BODIES = (
    "FROM blocks b JOIN segments s USING (account_id, conversation_id, segment) WHERE "
    f"b.sizes IS NOT NULL AND {_OF_SEGMENTS}"
)
_SHARED = (
    f"FROM feedback_bodies b JOIN feedback f USING (account_id, feedback_id) WHERE {_OF_FEEDBACK}"
)


# The rows of releases that were made from it; what rests only on a safety copy dies with that.
_OF_ROWS = f"""{_SCOPE.format("r")} AND EXISTS (SELECT FROM release_row_keys(r.sources) k
    WHERE NOT k.is_safety)
    AND (%(ended)s::timestamptz IS NULL OR EXISTS (
        SELECT FROM release_row_keys(r.sources) k JOIN segments s ON s.account_id = r.account_id
           AND s.conversation_id = r.conversation_id AND s.segment = k.segment
         WHERE s.keep_until <= %(ended)s))"""


def scope(erasure: ErasureRecord) -> dict[str, Any]:
    """The parameters that select an erasure's content in every statement."""
    ended = erasure.requested_at if erasure.cause is ErasureCause.hold_released else None
    return {"account": erasure.account, "conversation": erasure.conversation, "ended": ended}


_HELD = f"EXISTS (SELECT FROM holds h WHERE {_SCOPE.format('h')})"
_WAITS = f"""(SELECT count(s.key_slot) {_SEGMENTS}) + (SELECT count(f.key_slot) {_FEEDBACK}),
    (SELECT count(*) {_BODIES}) + (SELECT count(*) {_SHARED}),
    greatest((SELECT max(s.keep_until) {_SEGMENTS} AND s.erased_at IS NULL),
             (SELECT max(f.keep_until) {_FEEDBACK} AND f.erased_at IS NULL)),
    {_HELD}, {fence.STANDS}, ARRAY(SELECT DISTINCT r.release_id FROM release_rows r
      WHERE {_OF_ROWS})"""
_LATER = f"keep_until > %(at)s AND erased_at IS NULL AND NOT {_HELD}"
_NEARER = f"""WITH segments_nearer AS (UPDATE segments s SET keep_until = %(at)s
    WHERE {_OF_SEGMENTS} AND {_LATER}),
    feedback_nearer AS (UPDATE feedback f SET keep_until = %(at)s WHERE {_OF_FEEDBACK}
      AND {_LATER})"""


def waits(
    tx: Transaction, erasure: ErasureRecord, *, at_once: datetime | None = None
) -> ErasureWaits:
    """What the erasure waits for. ``at_once`` makes all of its content due, except under a hold:
    the period of a deletion is a maximum. The result is the state before that.
    """
    nearer = "" if at_once is None else _NEARER
    row = tx.execute(f"{nearer} SELECT {_WAITS}", {**scope(erasure), "at": at_once}).fetchone()
    assert row is not None
    return _read_waits(row)


def reload(tx: Transaction, erasure: ErasureRecord) -> tuple[ErasureRecord, ErasureWaits]:
    """The present state of the erasure, and what it waits for."""
    row = tx.execute(
        f"SELECT {_COLUMNS}, {_WAITS} FROM erasures WHERE erasure_id = %(erasure)s",
        {**scope(erasure), "erasure": erasure.erasure},
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no erasure `{format_id(Prefix.erasure, erasure.erasure)}`")
    return _parse_erasure(row[:-6]), _read_waits(row[-6:])


def _read_waits(row: Sequence[Any]) -> ErasureWaits:
    keys, bodies, due_at, held, is_fenced, releases = row
    return ErasureWaits(
        keys=keys,
        bodies=bodies,
        due_at=due_at,
        held=held,
        is_fenced=is_fenced,
        releases=tuple(releases),
    )


def is_under_disclosed_hold(tx: Transaction, erasure: ErasureRecord) -> bool:
    """Whether a hold on it may be disclosed to its person."""
    return (
        tx.execute(
            f"SELECT FROM holds h WHERE {_SCOPE.format('h')} AND is_told LIMIT 1", scope(erasure)
        ).fetchone()
        is not None
    )


# Each place of the register, and each release with its rows: the remaining content, its end date, and
# a recipient's answer to a recall.
# A safety copy stays until its own date, which a deletion does not shorten; without a key nothing
# may remain.
_READ_BACK = f"""
    SELECT c.place, c.reference, c.registered_at, c.copies,
           CASE c.place WHEN 'vault' THEN (SELECT count(*) {_BODIES}) + {account_keys.STRAY_KEYS}
                        WHEN 'feedback' THEN (SELECT count(*) {_SHARED}
                          AND f.feedback_id = c.reference)
                        WHEN 'safety' THEN (SELECT count(*) FROM safety_bodies b
                          WHERE {_SCOPE.format("b")}) END,
           CASE WHEN c.place = 'safety' THEN (
               SELECT max(s.safety_until) FROM segments s WHERE {_SCOPE.format("s")}
                 AND s.safety_slot IS NOT NULL) END,
           r.recalled_at, r.due_at, h.recipient, coalesce(r.acknowledged_at, e.acknowledged_at),
             r.signed
      FROM (SELECT c.place, c.reference, min(c.registered_at) AS registered_at, count(*) AS copies
        FROM copies c
             WHERE {_SCOPE.format("c")} GROUP BY c.place, c.reference
            UNION ALL
            SELECT '{CopyPlace.release}', r.release_id, l.begun_at,
              count(DISTINCT (r.conversation_id, k.segment))
              FROM release_rows r JOIN releases l USING (release_id) CROSS
                JOIN LATERAL release_row_keys(r.sources) k
             WHERE {_SCOPE.format("r")} GROUP BY r.release_id, l.begun_at) c
      LEFT JOIN exports e ON c.place = 'export' AND e.export_id = c.reference
      LEFT JOIN handouts h USING (handout_id)
      LEFT JOIN recalls r ON r.handout_id = e.handout_id AND r.account_id = %(account)s
        AND r.erasure_id = %(erasure)s
     ORDER BY c.place, c.reference"""


def read_back(
    tx: Transaction, erasure: ErasureRecord, leasable: dict[UUID, int]
) -> list[PlaceSeen]:
    """Reads back each reachable place of the register at one moment. ``leasable`` counts, by
    release, its rows whose key can still be leased.
    """
    rows = tx.execute(_READ_BACK, {**scope(erasure), "erasure": erasure.erasure}).fetchall()
    return [_place_seen(erasure, row, leasable) for row in rows]


def _place_seen(erasure: ErasureRecord, row: Sequence[Any], leasable: dict[UUID, int]) -> PlaceSeen:
    (
        name,
        reference,
        registered_at,
        count,
        left,
        kept_until,
        recalled_at,
        due_at,
        recipient,
        answered_at,
        signed,
    ) = row
    outcome = PlaceSeen(
        place=CopyPlace(name),
        reference=reference,
        registered_at=registered_at,
        copies=count,
        left=left,
        done=PlaceOutcome.erased,
    )
    match outcome.place:
        case CopyPlace.vault | CopyPlace.feedback:
            return outcome
        case CopyPlace.safety:
            kept = (
                outcome
                if kept_until is None
                else msgspec.structs.replace(outcome, done=PlaceOutcome.kept)
            )
            return msgspec.structs.replace(kept, kept_until=kept_until)
        case CopyPlace.release:
            return msgspec.structs.replace(
                outcome, done=PlaceOutcome.refused, left=leasable.get(reference, 0)
            )
        case CopyPlace.export:
            answer = (
                None
                if answered_at is None
                else RecipientAnswer(recipient=recipient, answered_at=answered_at, signed=signed)
            )
            recalled = None if due_at is None else (recalled_at, due_at)
            done = _export_outcome(erasure, reference, answer, recalled)
            return msgspec.structs.replace(
                outcome, done=done, left=None, recalled=recalled, answer=answer
            )
        case _:
            assert_never(outcome.place)


def _export_outcome(
    erasure: ErasureRecord,
    export: UUID,
    answer: RecipientAnswer | None,
    recalled: tuple[datetime, datetime] | None,
) -> PlaceOutcome:
    """The outcome of an export. Text in clear cannot be read back. BrokenError if it was never
    recalled from its recipient, unless its erasure followed a hold and the export lacks that
    content.
    """
    if answer is not None:
        return PlaceOutcome.answered
    if recalled is not None:
        return PlaceOutcome.recalled
    if erasure.cause is ErasureCause.hold_released:
        return PlaceOutcome.untouched
    raise BrokenError(
        f"export `{format_id(Prefix.export, export)}` was not recalled from its recipient"
    )


def rows_by_release(tx: Transaction, erasure: ErasureRecord) -> dict[UUID, list[int]]:
    """The rows of every release made from the erased content; rows made only from a safety copy die
    with that copy.
    """
    rows = tx.execute(
        f"SELECT r.release_id, array_agg(r.ordinal) FROM release_rows r WHERE {_OF_ROWS} "
        "GROUP BY r.release_id",
        scope(erasure),
    )
    return dict(rows.fetchall())


def build_document(
    erasure: ErasureRecord,
    now: datetime,
    places: Sequence[PlaceSeen],
    recipients: Sequence[dict[str, Canonical]],
    hosts: Sequence[dict[str, Canonical]],
    backups: Sequence[dict[str, Canonical]],
    out_of_reach: datetime | None,
    salt: bytes,
) -> dict[str, Canonical]:
    """Builds the certificate's content; BrokenError if content was found, because then nothing can
    be certified.
    """
    for place in places:
        if place.left and place.done is not PlaceOutcome.kept:
            raise BrokenError(
                f"`{place.left}` erased items are still in the place `{place.place.value}`"
            )
    return {
        "v": VERSION,
        "type": "licet-erasure-certificate",
        "erasure": format_id(Prefix.erasure, erasure.erasure),
        "account": f"urn:licet:account:{erasure.account.hex}",
        "conversation": None
        if erasure.conversation is None
        else f"urn:licet:conversation:{erasure.conversation.hex}",
        "cause": erasure.cause.value,
        "requested": rfc3339(erasure.requested_at),
        "fenced": _time(erasure.fenced_at),
        "shredded": _time(erasure.shredded_at),
        "swept": _time(erasure.swept_at),
        "verified": rfc3339(now),
        "places": [_place_entry(place, now) for place in places],
        "recipients": list(recipients),
        "hosts": list(hosts),
        "backups": list(backups),
        "backups_out_of_reach": _time(out_of_reach),
        "salt": salt.hex(),
    }


def _place_entry(place: PlaceSeen, now: datetime) -> dict[str, Canonical]:
    """The certificate's entry for a place, read back at ``now`` if that is possible."""
    recalled, answer = place.recalled, place.answer
    return {
        "place": place.place.value,
        "reference": place.reference.hex if place.reference.int else None,
        "registered": rfc3339(place.registered_at),
        "copies": place.copies,
        "done": place.done.value,
        "kept_until": _time(place.kept_until),
        "read_back": None if place.left is None else {"at": rfc3339(now), "left": place.left},
        "recalled": None
        if recalled is None
        else {"at": rfc3339(recalled[0]), "due": rfc3339(recalled[1])},
        "answered": None
        if answer is None
        else {
            "at": rfc3339(answer.answered_at),
            "by": answer.recipient,
            "signed": answer.signed,
        },
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
