"""Table access for rights requests: each with its deadlines, its steps in order, and their sealed
texts.

Texts are sealed under the account's key and erased with it; for a person without an account under a
key of the request, which is destroyed `RECORD` after the request ended. Lists unseal nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from licet import wire
from licet.consent.deadlines import RightKind
from licet.consent.rights import ReceivedVia, RequestClock, RequestState, RequestStep
from licet.keys.keyring import Keyring, forget_request_keys
from licet.keys.material import KeyMaterial, Random, request_place, seal, unseal
from licet.masked import Masked
from licet.policy.period import Period, Unit
from licet.store.connect import Transaction
from licet.store.keyset import KeyColumn, KeyType, ListChoice, ListFilter, Listing, ListOrder
from licet.store.rows import select
from licet.vault.content import Content, decode, encode
from licet.vault.ids import Prefix, parse_input
from licet.vault.list_filters import BY_ACCOUNT, by_day

# 11 CCR 7101(a): records of requests are kept for at least 24 months
RECORD = Period(24, Unit.months)
FORGOTTEN_MAX = 1_000


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """A request without its texts. ``account`` is None for a person without one."""

    request: UUID
    account: UUID | None
    via: ReceivedVia
    clock: RequestClock
    forgotten_at: datetime | None = None


class SeenStep(Masked, wire.SentRequestStep, frozen=True, kw_only=True):
    """A step for display. ``by`` is `person`, `licet`, `host` or `staff`; staff also see the
    name.
    """

    step: RequestStep


class NewRequestStep(SeenStep, frozen=True, kw_only=True):
    """A step to write."""

    reason: str = ""
    words: str = ""


_COLUMNS = """t.request_id, t.account_id, t.via, t.forgotten_at, t.kind, t.region, t.received_at, t.due_at, t.acknowledge_by,
    t.acknowledged_at, t.extended_at, t.paused_at, t.stops, t.stopped, t.state, t.ended_at"""
_BY_ID = {
    "request": ListFilter(
        label="Request",
        sql="t.request_id = %(value)s",
        read=partial(parse_input, Prefix.request),
        indexed=True,
        hint="req_..",
    )
}
_OPEN = "t.ended_at IS NULL"
# As `RequestClock.due` and `RequestClock.is_overdue`.
_DUE = "t.due_at + CASE WHEN t.stops THEN greatest(%(at)s - t.paused_at, '0') ELSE '0' END"
_LATE = f"({_OPEN} AND ({_DUE} < %(at)s OR t.acknowledged_at IS NULL AND t.acknowledge_by < %(at)s)) IS TRUE"
LISTING = Listing(
    columns=f"t.request_id, t.kind, t.state, {_DUE}, {_LATE}, t.received_at, t.via, t.region, t.account_id",
    source="FROM rights_requests t",
    orders={
        "due": ListOrder(
            label="due first",
            columns=(
                KeyColumn("t.due_at", KeyType.timestamptz),
                KeyColumn("t.request_id", KeyType.uuid),
            ),
        ),
        "newest": ListOrder(
            label="newest first",
            columns=(KeyColumn("t.request_id", KeyType.uuid),),
            descending=True,
        ),
    },
    filters={
        "state": ListFilter(
            label="State",
            choices={
                "waiting": ListChoice(label="waiting", looked=_OPEN),
                "overdue": ListChoice(label="overdue", looked=_OPEN, kept=_LATE),
                **{
                    state.value: ListChoice(label=state.value, kept=f"t.state = '{state.value}'")
                    for state in RequestState
                },
            },
        ),
        "kind": ListFilter(
            label="Kind",
            choices={
                kind.value: ListChoice(label=kind.value, kept=f"t.kind = '{kind.value}'")
                for kind in RightKind
            },
        ),
        **_BY_ID,
        **by_day("Received from", "t.received_at", indexed=False),
        **BY_ACCOUNT,
    },
)
_UNCONFIRMED = "t.acknowledged_at IS NULL AND t.acknowledge_by IS NOT NULL"
WAITING = Listing(
    columns=_COLUMNS,
    # The sort keys are columns of the subquery, so that the planner knows the order of a page's
    # rows.
    source="""FROM (SELECT r.*, least(r.due_at, CASE WHEN r.acknowledged_at IS NULL THEN r.acknowledge_by END) AS next_at,
        extract(epoch FROM (r.due_at - r.paused_at))::float8 AS seconds_left
          FROM rights_requests r) t""",
    orders={
        "running": ListOrder(
            label="due first",
            columns=(
                KeyColumn("t.next_at", KeyType.timestamptz),
                KeyColumn("t.request_id", KeyType.uuid),
            ),
        ),
        "stopped": ListOrder(
            label="with the least time left first",
            columns=(
                KeyColumn("t.seconds_left", KeyType.real),
                KeyColumn("t.request_id", KeyType.uuid),
            ),
        ),
    },
    filters={
        "clock": ListFilter(
            label="Clock",
            choices={
                "running": ListChoice(
                    label="runs", looked=f"t.ended_at IS NULL AND (NOT t.stops OR ({_UNCONFIRMED}))"
                ),
                "stopped": ListChoice(
                    label="stands still",
                    looked=(
                        "t.ended_at IS NULL AND t.stops AND (t.acknowledged_at IS NOT NULL OR "
                        "t.acknowledge_by IS NULL)"
                    ),
                ),
            },
        ),
        **_BY_ID,
        **BY_ACCOUNT,
    },
)
"""Requests that wait: those whose clock runs by when they are due, the others by what is left of
their time.
"""


def request_row(columns: Sequence[Any]) -> RequestRow:
    (
        request,
        account,
        via,
        forgotten_at,
        kind,
        region,
        received_at,
        due_at,
        by,
        confirmed,
        extended,
        *rest,
    ) = columns
    paused, stops, stopped, state, ended = rest
    clock = RequestClock(
        kind=RightKind(kind),
        region=region,
        received_at=received_at,
        due_at=due_at,
        acknowledge_by=by,
        acknowledged_at=confirmed,
        extended_at=extended,
        paused_at=paused,
        stops=stops,
        stopped=stopped,
        state=RequestState(state),
        ended_at=ended,
    )
    return RequestRow(
        request=request,
        account=account,
        via=ReceivedVia(via),
        clock=clock,
        forgotten_at=forgotten_at,
    )


def add(
    tx: Transaction, keyring: Keyring, row: RequestRow, steps: Sequence[NewRequestStep]
) -> None:
    """Inserts a request with its first steps."""
    clock, key = row.clock, _key_for(tx, keyring, row, steps)
    tx.execute(
        """INSERT INTO rights_requests (request_id, account_id, via, kind, region, received_at,
                                        due_at, acknowledge_by,
                                        acknowledged_at, state, ended_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            row.request,
            row.account,
            row.via.value,
            clock.kind.value,
            clock.region,
            clock.received_at,
            clock.due_at,
            clock.acknowledge_by,
            clock.acknowledged_at,
            clock.state.value,
            clock.ended_at,
        ],
    )
    _write(tx, key, keyring.random, row, steps, 0)


def advance(
    tx: Transaction, keyring: Keyring, row: RequestRow, steps: Sequence[NewRequestStep]
) -> None:
    """Updates a locked request and appends its new steps."""
    clock, key = row.clock, _key_for(tx, keyring, row, steps)
    tx.execute(
        """UPDATE rights_requests
              SET (due_at, acknowledged_at, extended_at, paused_at, stops, stopped, state, ended_at)
                = (%s, %s, %s, %s, %s, %s, %s, %s) WHERE request_id = %s""",
        [
            clock.due_at,
            clock.acknowledged_at,
            clock.extended_at,
            clock.paused_at,
            clock.stops,
            clock.stopped,
            clock.state.value,
            clock.ended_at,
            row.request,
        ],
    )
    number = tx.execute(
        "SELECT count(*) FROM rights_steps WHERE request_id = %s", [row.request]
    ).fetchone()
    _write(tx, key, keyring.random, row, steps, int(number[0]) if number else 0)


def _key_for(
    tx: Transaction, keyring: Keyring, row: RequestRow, steps: Sequence[NewRequestStep]
) -> KeyMaterial | None:
    """The key for the steps' texts, loaded before anything is written."""
    return _key(tx, keyring, row) if any(step.words for step in steps) else None


def _write(
    tx: Transaction,
    key: KeyMaterial | None,
    random: Random,
    row: RequestRow,
    steps: Sequence[NewRequestStep],
    first: int,
) -> None:
    for number, step in enumerate(steps, first):
        sealed = None
        if step.words and key is not None:
            sealed = seal(
                key, encode(Content(text=step.words)), request_place(row.request, number), random
            )
        tx.execute(
            'INSERT INTO rights_steps (request_id, step_no, step, at, "by", reason, words) VALUES (%s, %s, %s, %s, %s, %s, %s)',
            [row.request, number, step.step.value, step.at, step.by, step.reason, sealed],
        )


def _key(tx: Transaction, keyring: Keyring, row: RequestRow) -> KeyMaterial | None:
    """The key of a request's texts; None if it is destroyed."""
    if row.account is None:
        return keyring.request_key(tx, row.request) if row.forgotten_at is None else None
    keys = keyring.account_keys(tx, [row.account]).get(row.account)
    return keys.own if keys is not None else None


def steps(tx: Transaction, keyring: Keyring, row: RequestRow) -> tuple[list[SeenStep], bool]:
    """Every step in order, with its text if it can be unsealed; and whether texts can be unsealed
    and added.
    """
    rows = tx.execute(
        'SELECT step_no, step, at, "by", reason, words FROM rights_steps WHERE request_id = %s ORDER BY step_no',
        [row.request],
    ).fetchall()
    key = _key(tx, keyring, row)
    return [
        SeenStep(
            step=RequestStep(step),
            at=at,
            by=by,
            reason=reason,
            words=decode(unseal(key, words, request_place(row.request, number))).text
            if key and words
            else "",
        )
        for number, step, at, by, reason, words in rows
    ], key is not None


def get(tx: Transaction, request: UUID, *, locks: bool = False) -> RequestRow | None:
    """A request, None if unknown; with ``locks`` its row is locked until ``tx`` ends."""
    lock = "FOR NO KEY UPDATE" if locks else ""
    row = tx.execute(
        f"SELECT {_COLUMNS} FROM rights_requests t WHERE request_id = %s {lock}", [request]
    ).fetchone()
    return None if row is None else request_row(row)


def list_by_account(
    tx: Transaction, account: UUID, limit: int, *, before: UUID | None = None
) -> list[RequestRow]:
    """The newest ``limit`` requests of an account before ``before``."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM rights_requests t
             WHERE account_id = %(account)s AND (%(before)s::uuid IS NULL
               OR request_id < %(before)s)
             ORDER BY request_id DESC LIMIT %(limit)s""",
        {"account": account, "before": before, "limit": limit},
    )
    return [request_row(row) for row in rows]


def open_count(tx: Transaction, account: UUID) -> int:
    row = tx.execute(
        "SELECT count(*) FROM rights_requests WHERE account_id = %s AND ended_at IS NULL", [account]
    ).fetchone()
    return int(row[0]) if row else 0


class OpenRequests(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of open and overdue requests, and when the next one is due."""

    open: int
    overdue: int
    next_due: datetime | None


def open_requests(tx: Transaction, now: datetime) -> OpenRequests:
    """Counts all open requests at ``now``; overdue as in `RequestClock.is_overdue`."""
    (counted,) = select(
        tx,
        OpenRequests,
        """SELECT count(*) AS open, count(*) FILTER (WHERE late) AS overdue,
             min(due) FILTER (WHERE NOT late) AS next_due FROM (
             SELECT due, due < %(at)s OR (acknowledged_at IS NULL
               AND acknowledge_by < %(at)s) IS TRUE AS late
               FROM (SELECT *, due_at + CASE WHEN stops THEN greatest(%(at)s - paused_at, '0')
                 ELSE '0' END AS due
                       FROM rights_requests WHERE ended_at IS NULL) r) o""",
        {"at": now},
    )
    return counted


def list_by_due(
    tx: Transaction,
    limit: int,
    *,
    kinds: Collection[RightKind] = (),
    states: Collection[RequestState] = (),
    after: UUID | None = None,
) -> list[RequestRow]:
    """Requests by due date after ``after``; without ``kinds`` and ``states`` of all."""
    wanted, start = (
        list(states) or list(RequestState),
        get(tx, after) if after is not None else None,
    )
    is_open = not {RequestState.answered, RequestState.refused, RequestState.withdrawn} & set(
        wanted
    )
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM rights_requests t
             WHERE state = ANY(%(states)s) AND kind = ANY(%(kinds)s) {"AND ended_at IS NULL" if is_open else ""}
               {"AND (due_at, request_id) > (%(due)s, %(after)s)" if start is not None else ""}
             ORDER BY due_at, request_id LIMIT %(limit)s""",
        {
            "states": [state.value for state in wanted],
            "kinds": [kind.value for kind in kinds or list(RightKind)],
            "due": start.clock.due_at if start is not None else None,
            "after": after,
            "limit": limit,
        },
    )
    return [request_row(row) for row in rows]


def find_received(
    tx: Transaction, account: UUID, kind: RightKind, now: datetime
) -> RequestRow | None:
    """The newest request of that kind received from an account at exactly ``now``."""
    row = tx.execute(
        f"""SELECT {_COLUMNS} FROM rights_requests t WHERE account_id = %s AND kind = %s
             AND received_at = %s
             ORDER BY request_id DESC LIMIT 1""",
        [account, kind.value, now],
    ).fetchone()
    return None if row is None else request_row(row)


def forget(tx: Transaction, now: datetime) -> int:
    """Erases the texts of people without an account once `RECORD` has passed since their requests
    ended; returns for how many requests.
    """
    due = tx.execute(
        """SELECT request_id, ended_at FROM rights_requests
            WHERE account_id IS NULL AND forgotten_at IS NULL AND ended_at <= %s
            ORDER BY ended_at LIMIT %s FOR NO KEY UPDATE""",
        [now, FORGOTTEN_MAX],
    ).fetchall()
    over = [request for request, ended in due if RECORD.after(ended) <= now]
    if over:
        forget_request_keys(tx, over)
        tx.execute("UPDATE rights_steps SET words = NULL WHERE request_id = ANY(%s)", [over])
        tx.execute(
            "UPDATE rights_requests SET forgotten_at = %s WHERE request_id = ANY(%s)", [now, over]
        )
    return len(over)
