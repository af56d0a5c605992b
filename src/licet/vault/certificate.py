"""Erasures, from the request to the certificate, which states where content was and that nothing was found there.

Every deletion, every closure, and every end of a hold that leaves something overdue requires a certificate, from the
same transaction on. An erasure passes through its states in order; each step can be repeated:

    requested   somebody asked for it
    fenced      unreadable and unusable, in the transaction that took the request
    shredded    every key of its content is overwritten, on its date, or at once if that is asked for
    swept       the sealed rows are deleted too; a closed account keeps its own key until the log has all its leaves
    verified    each place of the register was read back, and the certificate is signed and its leaf appended

The register decides which places are read back; a place that cannot be read back is an error, never a success. Content
with a date of its own (a safety copy, content under a hold) is listed with it. A certificate contains ids, closed
words, numbers and dates, and a salt, so that its hash reveals nothing to somebody without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import BrokenError, NotFoundError
from licet.keys.keyring import Keyring
from licet.ledger.canonical_json import Canonical
from licet.policy.period import written
from licet.store.connect import Transaction
from licet.store.keyset import (
    KeyColumn,
    KeyType,
    ListChoice,
    ListFilter,
    Listing,
    newest_and_oldest,
)
from licet.store.rows import insert
from licet.vault import account_keys
from licet.vault.commands import CloseAccount, Command, CommandResult, Delete, Outcome, Unhold
from licet.vault.copies import CopyPlace
from licet.vault.ids import Prefix, named, shown, uuid7
from licet.vault.list_filters import BY_ACCOUNT, by_day

VERSION = 1
SALT_BYTES = 32


class ErasureState(StrEnum):
    """How far an erasure is; each state is committed together with its effects."""

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
    log = "log"  # leaves of a closed account are not in the log yet, and need the key that is destroyed with it


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


class PlaceSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A place of the register, and the result of reading it back. ``kept_until`` is the end of what stays
    intentionally.
    """

    place: CopyPlace
    reference: UUID
    registered_at: datetime
    copies: int
    found: int
    done: str
    kept_until: datetime | None = None


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure waits for: the keys left, when the last of them is due, and whether a hold keeps them."""

    keys: int
    bodies: int
    due_at: datetime | None
    held: bool


_COLUMNS = """account_id, erasure_id, conversation_id, cause, state, requested_at, fenced_at, shredded_at, swept_at,
    verified_at"""

_BEGUN = {
    "account_id": "uuid", "erasure_id": "uuid", "conversation_id": "uuid", "cause": "text", "state": "text",
    "requested_at": "timestamptz", "fenced_at": "timestamptz",
}  # fmt: skip


def request(tx: Transaction, keyring: Keyring, told: Sequence[tuple[Command, CommandResult, int]]) -> dict[int, UUID]:
    """Begins an erasure for each effective command that requires one; it is fenced, because its transaction fences it.

    Returns the erasures' ids by the command's place.
    """
    begun: dict[int, UUID] = {}
    rows: list[Sequence[object]] = []
    for place, (command, answer, _) in enumerate(told):
        if answer.outcome is not Outcome.done:
            continue
        conversation: UUID | None = None
        match command:
            case Delete():
                cause, conversation = ErasureCause.deletion, command.conversation
            case CloseAccount():
                cause = ErasureCause.closure
            case Unhold() if _is_overdue(tx, answer, command.conversation):
                cause, conversation = ErasureCause.hold_released, command.conversation
            case _:
                continue
        begun[place] = uuid7(answer.at, keyring.random(10))
        rows.append(
            (answer.account, begun[place], conversation, cause.value, ErasureState.fenced.value, answer.at, answer.at)
        )
    insert(tx, "erasures", _BEGUN, rows)
    return begun


def _is_overdue(tx: Transaction, answer: CommandResult, conversation: UUID) -> bool:
    """Whether the end of the last hold leaves something that should have been erased."""
    row = tx.execute(
        """SELECT NOT EXISTS (SELECT FROM holds WHERE account_id = %(account)s AND conversation_id = %(conversation)s)
              AND EXISTS (SELECT FROM segments WHERE account_id = %(account)s AND conversation_id = %(conversation)s
                             AND erased_at IS NULL AND keep_until <= %(at)s)""",
        {"account": answer.account, "conversation": conversation, "at": answer.at},
    ).fetchone()
    return bool(row and row[0])


def get(tx: Transaction, erasure: UUID) -> ErasureRecord:
    """NotFoundError for an unknown id: an erasure that nobody requested is never reported as done."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM erasures WHERE erasure_id = %s", [erasure]).fetchone()
    if row is None:
        raise NotFoundError(f"no erasure `{shown(Prefix.erasure, erasure)}`")
    return _read(row)


# By when all of it is to be gone, and whether a hold keeps any of it.
_DUE = """CROSS JOIN LATERAL (SELECT CASE WHEN t.state = 'verified' THEN NULL WHEN t.cause = 'hold_released' THEN t.requested_at
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
        ELSE EXISTS (SELECT FROM holds h WHERE h.account_id = t.account_id AND h.conversation_id = t.conversation_id)
    END AS held) k"""
_REQUESTED = (KeyColumn("t.requested_at", KeyType.timestamptz), KeyColumn("t.erasure_id", KeyType.uuid))
_OPEN = "t.state <> 'verified'"
OVERDUE_DAYS = 2  # a sweep a day, and a day for whoever must approve it
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
                "overdue": ListChoice(label="overdue", looked=f"{_OPEN} AND {_OLD}", kept=_LATE, scanned_max=4_000),
                "held": ListChoice(label="kept by a hold", looked=_OPEN, kept="k.held", scanned_max=4_000),
                **{one.value: ListChoice(label=one.value, kept=f"t.state = '{one.value}'") for one in ErasureState},
            },
        ),
        "cause": ListFilter(
            label="After",
            choices={
                one.value: ListChoice(label=one.value.replace("_", " "), kept=f"t.cause = '{one.value}'")
                for one in ErasureCause
            },
        ),
        "erasure": ListFilter(
            label="Erasure", sql="t.erasure_id = %(value)s", read=partial(named, Prefix.erasure), indexed=True, hint="era_.."
        ),
        **by_day("Asked for from", "t.requested_at"),
        **BY_ACCOUNT,
    },
)  # fmt: skip


def open_by_age(tx: Transaction, at: datetime, ages: Mapping[str, timedelta], most: int) -> dict[str, int]:
    """The erasures that are not finished by the time since they were asked for: under each of the rising ``ages``, and
    `older`. Only the oldest ``most`` are counted.
    """
    found = dict.fromkeys([*ages, "older"], 0)
    rows = tx.execute(
        "SELECT requested_at FROM erasures WHERE state <> 'verified' ORDER BY requested_at, erasure_id LIMIT %s", [most]
    )
    for (requested_at,) in rows:
        found[next((name for name, age in ages.items() if at - requested_at < age), "older")] += 1
    return found


def unlogged_closures(tx: Transaction) -> tuple[int, datetime | None]:
    """The number of closures that are swept and not certified, and since when the first of them waits."""
    row = tx.execute(
        "SELECT count(*), min(swept_at) FROM erasures WHERE state = 'swept' AND cause = 'closure'"
    ).fetchone()
    assert row is not None
    return int(row[0]), row[1]


def record_verified(tx: Transaction, of: ErasureRecord, at: datetime, jws: str) -> ErasureRecord:
    """Sets the erasure to verified, and stores its certificate; returns it."""
    row = tx.execute(
        f"""UPDATE erasures SET (state, verified_at, certificate) = ('verified', %s, %s)
             WHERE account_id = %s AND erasure_id = %s RETURNING {_COLUMNS}""",
        [at, jws, of.account, of.erasure],
    ).fetchone()
    assert row is not None
    return _read(row)


def certificate_of(tx: Transaction, erasure: UUID) -> str | None:
    """The certificate as it was signed; None before that."""
    row = tx.execute("SELECT certificate FROM erasures WHERE erasure_id = %s", [erasure]).fetchone()
    return row[0] if row is not None else None


def rename(tx: Transaction, account: UUID, conversation: UUID | None, requested_at: datetime, new: UUID) -> list[UUID]:
    """Gives the erasure that was requested at that moment the id ``new``; returns the ids that it had."""
    rows = tx.execute(
        """WITH again AS (SELECT account_id, erasure_id AS was FROM erasures
                           WHERE account_id = %s AND requested_at = %s AND conversation_id IS NOT DISTINCT FROM %s)
           UPDATE erasures e SET erasure_id = %s FROM again a
            WHERE e.account_id = a.account_id AND e.erasure_id = a.was RETURNING a.was""",
        [account, requested_at, conversation, new],
    ).fetchall()
    return [row[0] for row in rows]


def of_account(tx: Transaction, account: UUID) -> list[ErasureRecord]:
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM erasures WHERE account_id = %s ORDER BY requested_at, erasure_id", [account]
    )
    return [_read(row) for row in rows]


def newest_of(tx: Transaction, account: UUID, most: int, *, before: UUID | None = None) -> list[ErasureRecord]:
    """The newest ``most`` erasures of an account that were requested before the one named."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM erasures
             WHERE account_id = %(account)s AND (%(before)s::uuid IS NULL OR erasure_id < %(before)s)
             ORDER BY erasure_id DESC LIMIT %(most)s""",
        {"account": account, "before": before, "most": most},
    )
    return [_read(row) for row in rows]


def states_of(tx: Transaction, account: UUID) -> dict[ErasureState, int]:
    """The number of erasures of an account in each state."""
    rows = tx.execute("SELECT state, count(*) FROM erasures WHERE account_id = %s GROUP BY state", [account])
    return {ErasureState(state): count for state, count in rows}


def unfinished(tx: Transaction, limit: int, after: UUID | None = None, *, keyless: bool = False) -> list[ErasureRecord]:
    """Erasures that are not verified, in the order of their ids; ``keyless``: only those of which no key is left."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM erasures e
             WHERE e.state <> 'verified' AND (%(after)s::uuid IS NULL OR e.erasure_id > %(after)s)
               AND NOT (%(keyless)s AND EXISTS (
                   SELECT FROM segments s WHERE s.account_id = e.account_id AND s.key_slot IS NOT NULL
                      AND (e.conversation_id IS NULL OR s.conversation_id = e.conversation_id)
                      AND (e.cause <> 'hold_released' OR s.keep_until <= e.requested_at)))
             ORDER BY e.erasure_id LIMIT %(limit)s""",
        {"after": after, "limit": limit, "keyless": keyless},
    )
    return [_read(row) for row in rows]


def _read(row: Sequence[Any]) -> ErasureRecord:
    account, erasure, conversation, cause, state, *times = row
    requested_at, fenced_at, shredded_at, swept_at, verified_at = times
    return ErasureRecord(
        account=account, erasure=erasure, conversation=conversation, cause=ErasureCause(cause), state=ErasureState(state),
        requested_at=requested_at, fenced_at=fenced_at, shredded_at=shredded_at, swept_at=swept_at,
        verified_at=verified_at,
    )  # fmt: skip


# The content of an erasure: its conversation or all of its account's; after a hold, what had expired by then.
_SCOPE = "{0}.account_id = %(account)s AND (%(conversation)s::uuid IS NULL OR {0}.conversation_id = %(conversation)s)"
_ENDED = " AND (%(ended)s::timestamptz IS NULL OR {0}.keep_until <= %(ended)s)"
_OF_SEGMENTS, _OF_FEEDBACK = ((_SCOPE + _ENDED).format(alias) for alias in ("s", "f"))
_SEGMENTS = f"FROM segments s WHERE {_OF_SEGMENTS}"
_FEEDBACK = f"FROM feedback f WHERE {_OF_FEEDBACK}"
_BODIES = f"FROM bodies b JOIN segments s USING (account_id, conversation_id, segment) WHERE {_OF_SEGMENTS}"
_SHARED = f"FROM feedback_bodies b JOIN feedback f USING (account_id, feedback_id) WHERE {_OF_FEEDBACK}"


def scope(of: ErasureRecord) -> dict[str, Any]:
    """The parameters of every statement about what is erased."""
    ended = of.requested_at if of.cause is ErasureCause.hold_released else None
    return {"account": of.account, "conversation": of.conversation, "ended": ended}


def waits(tx: Transaction, of: ErasureRecord) -> Waits:
    """What keeps the erasure from its next state."""
    row = tx.execute(
        f"""SELECT (SELECT count(s.key_slot) {_SEGMENTS}) + (SELECT count(f.key_slot) {_FEEDBACK}),
                   (SELECT count(*) {_BODIES}) + (SELECT count(*) {_SHARED}),
                   greatest((SELECT max(s.keep_until) {_SEGMENTS} AND s.erased_at IS NULL),
                            (SELECT max(f.keep_until) {_FEEDBACK} AND f.erased_at IS NULL)),
                   EXISTS (SELECT FROM holds h WHERE {_SCOPE.format("h")})""",
        scope(of),
    ).fetchone()
    assert row is not None
    return Waits(keys=row[0], bodies=row[1], due_at=row[2], held=row[3])


def is_told_hold(tx: Transaction, of: ErasureRecord) -> bool:
    """Whether it is under a hold that its person may be told about."""
    return (
        tx.execute(f"SELECT FROM holds h WHERE {_SCOPE.format('h')} AND is_told LIMIT 1", scope(of)).fetchone()
        is not None
    )


def bring_nearer(tx: Transaction, of: ErasureRecord, at: datetime) -> None:
    """Makes all of it due at ``at``: the period of a deletion is a maximum, and requested erasures may happen sooner."""
    params = {**scope(of), "at": at}
    later = "keep_until > %(at)s AND erased_at IS NULL"
    tx.execute(
        f"""WITH nearer AS (UPDATE segments s SET keep_until = %(at)s WHERE {_OF_SEGMENTS} AND {later})
            UPDATE feedback f SET keep_until = %(at)s WHERE {_OF_FEEDBACK} AND {later}""",
        params,
    )


def move(tx: Transaction, of: ErasureRecord, to: ErasureState, at: datetime) -> ErasureRecord:
    """Moves the erasure to the next state, entered at ``at``; returns it."""
    assert to in (ErasureState.shredded, ErasureState.swept)
    row = tx.execute(
        f"""UPDATE erasures SET state = %s, {to.value}_at = %s WHERE account_id = %s AND erasure_id = %s
            RETURNING {_COLUMNS}""",
        [to.value, at, of.account, of.erasure],
    ).fetchone()
    assert row is not None
    return _read(row)


def read_back(tx: Transaction, of: ErasureRecord, leasable: dict[UUID, int], at: datetime) -> list[PlaceSeen]:
    """Reads back each place of the register at ``at``. ``leasable`` counts, by release, the rows of it whose key can
    still be leased.
    """
    rows = tx.execute(
        f"""SELECT c.place, c.reference, min(c.registered_at), count(*) FROM copies c
             WHERE {_SCOPE.format("c")} GROUP BY c.place, c.reference
            UNION ALL
            SELECT '{CopyPlace.release}', r.release_id, l.begun_at, count(DISTINCT (r.conversation_id, k.segment))
              FROM release_rows r JOIN releases l USING (release_id) CROSS JOIN LATERAL release_row_keys(r.sources) k
             WHERE {_SCOPE.format("r")} GROUP BY r.release_id, l.begun_at ORDER BY 1, 2""",
        scope(of),
    ).fetchall()
    seen = []
    for place, reference, registered_at, count in rows:
        found, done, kept_until = _read_place(tx, of, CopyPlace(place), reference, leasable, at)
        seen.append(
            PlaceSeen(
                place=CopyPlace(place), reference=reference, registered_at=registered_at, copies=count, found=found,
                done=done, kept_until=kept_until,
            )
        )  # fmt: skip
    return seen


def _read_place(
    tx: Transaction, of: ErasureRecord, place: CopyPlace, reference: UUID, leasable: dict[UUID, int], at: datetime
) -> tuple[int, str, datetime | None]:
    params = {**scope(of), "reference": reference}
    if place is CopyPlace.vault:
        left = _count(tx, f"SELECT count(*) {_BODIES}", params) + account_keys.stray_keys(tx, of.account)
        return left, "shredded and swept", None
    if place is CopyPlace.feedback:
        statement = f"SELECT count(*) {_SHARED} AND f.feedback_id = %(reference)s"
        return _count(tx, statement, params), "shredded and swept", None
    if place is CopyPlace.safety:
        return _read_safety(tx, params)
    if place is CopyPlace.release:
        return leasable.get(reference, 0), "every row refused, its key dead", None
    if place is CopyPlace.export:
        return 0, _recalled(tx, of, reference, at), None
    raise BrokenError(f"the place `{place.value}` cannot be read back")


def _recalled(tx: Transaction, of: ErasureRecord, export: UUID, at: datetime) -> str:
    """The answer of the recipient of an export. No key reaches what left in clear: the recall is all that can be read
    back.

    BrokenError if it was never recalled from them, unless a hold ended whose content the export does not contain.
    """
    row = tx.execute(
        """SELECT coalesce(r.acknowledged_at, e.acknowledged_at), r.due_at FROM exports e
             LEFT JOIN recalls r ON r.handout_id = e.handout_id AND r.account_id = %s AND r.erasure_id = %s
            WHERE e.export_id = %s""",
        [of.account, of.erasure, export],
    ).fetchone()
    if row is not None and row[0] is not None:
        return "recalled from its recipient, who acknowledged"
    if row is not None and row[1] is not None:
        return f"recalled from its recipient, {'overdue' if row[1] <= at else 'not acknowledged yet'}"
    if of.cause is ErasureCause.hold_released:
        return "holds nothing of what was to go"
    raise BrokenError(f"export `{shown(Prefix.export, export)}` was not recalled from its recipient")


def _read_safety(tx: Transaction, params: dict[str, Any]) -> tuple[int, str, datetime | None]:
    """A safety copy stays until its own date, which a deletion does not shorten; without a key nothing of it may stay."""
    row = tx.execute(
        f"SELECT max(s.safety_until) FROM segments s WHERE {_SCOPE.format('s')} AND s.safety_slot IS NOT NULL", params
    ).fetchone()
    if row is not None and row[0] is not None:
        return 0, "kept for the investigation of misuse", row[0]
    statement = f"SELECT count(*) FROM safety_bodies b WHERE {_SCOPE.format('b')}"
    return _count(tx, statement, params), "shredded and swept", None


def _count(tx: Transaction, statement: str, params: dict[str, Any]) -> int:
    row = tx.execute(statement, params).fetchone()
    return int(row[0]) if row else 0


def rows_by_release(tx: Transaction, of: ErasureRecord) -> dict[UUID, list[int]]:
    """The rows of every release that were made from the erased content; rows that rest only on a safety copy die with
    that.
    """
    rows = tx.execute(
        f"""SELECT r.release_id, array_agg(r.ordinal) FROM release_rows r
             WHERE {_SCOPE.format("r")} AND EXISTS (SELECT FROM release_row_keys(r.sources) k WHERE NOT k.is_safety)
               AND (%(ended)s::timestamptz IS NULL OR EXISTS (
                   SELECT FROM release_row_keys(r.sources) k JOIN segments s ON s.account_id = r.account_id
                      AND s.conversation_id = r.conversation_id AND s.segment = k.segment
                    WHERE s.keep_until <= %(ended)s))
             GROUP BY r.release_id""",
        scope(of),
    )
    return dict(rows.fetchall())


def document(
    of: ErasureRecord, at: datetime, places: Sequence[PlaceSeen], recipients: Sequence[dict[str, Canonical]],
    hosts: Sequence[dict[str, Canonical]], backups: Sequence[dict[str, Canonical]], out_of_reach: datetime | None, salt: bytes,
) -> dict[str, Canonical]:  # fmt: skip
    """The content of a certificate. BrokenError if something was found: then nothing can be certified."""
    for seen in places:
        if seen.found:
            raise BrokenError(f"`{seen.found}` erased items are still in the place `{seen.place.value}`")
    return {
        "v": VERSION,
        "type": "licet-erasure-certificate",
        "erasure": shown(Prefix.erasure, of.erasure),
        "account": f"urn:licet:account:{of.account.hex}",
        "conversation": None if of.conversation is None else f"urn:licet:conversation:{of.conversation.hex}",
        "cause": of.cause.value,
        "requested": written(of.requested_at),
        "fenced": _time(of.fenced_at),
        "shredded": _time(of.shredded_at),
        "swept": _time(of.swept_at),
        "verified": written(at),
        "places": [
            {
                "place": seen.place.value,
                "reference": seen.reference.hex if seen.reference.int else None,
                "registered": written(seen.registered_at),
                "copies": seen.copies,
                "done": seen.done,
                "read_back": seen.found,
                "kept_until": _time(seen.kept_until),
            }
            for seen in places
        ],
        "recipients": list(recipients),
        "hosts": list(hosts),
        "backups": list(backups),
        "backups_out_of_reach": _time(out_of_reach),
        "salt": salt.hex(),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else written(at)
