"""Events for the hosts: what an assistant must learn about choices, about what must leave it, and
about erasures.

Promise: an event shares the transaction of what it reports, so that neither exists without the
other. Events of one account are in the order of its verbs. ``number`` is the position of an event
in one order of all events. It is given after the commit by the next reader, one at a time: an event
that becomes visible late is therefore numbered after everything that was read before, and a reader
that continues after the last number it saw misses nothing. Numbers have gaps, and only grow: those
of a later life of the database are above those of all earlier ones.

Nothing is written while there is no endpoint. An event contains Licet's own ids, closed words,
numbers and dates. It never contains an id of the host's: those are stored as HMACs only
(docs/adr/0013-events-name-our-ids.md).

What must leave must be acknowledged by each endpoint that was notified. Each (event, endpoint) is a
row of `deliveries`, made with the event: the register of which host was notified of what, which a
certificate of erasure lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from licet.errors import UsageError
from licet.keys import fence
from licet.policy.period import rfc3339
from licet.policy.state import GrantScope, ScopeKind
from licet.store.connect import Transaction
from licet.store.rows import Change, change, rows_sql, rows_values
from licet.vault.ids import Prefix, format_id

NUMBERING_LOCK = 0x11CE7_000B
NUMBERED_MAX = 10_000
NUMBERS_OF_A_LIFE = 2**40
ACKNOWLEDGE_DAYS = 14  # the same as for a recipient of a release: docs/erase.md

Fact: TypeAlias = str | int | bool | Sequence[Sequence[int] | str] | None


class EventKind(StrEnum):
    """The kind of an event; the `type` of a message."""

    choice_changed = "choice.changed"
    must_leave = "conversation.must_leave"
    must_hold = "conversation.must_hold"
    hold_ended = "conversation.hold_ended"
    conversation_erased = "conversation.erased"
    account_erased = "account.erased"
    release_recalled = "release.recalled"
    request_received = "request.received"
    request_ended = "request.ended"


class LeaveReason(StrEnum):
    """Why something must leave a host. The first three end its use; the others require its
    deletion.
    """

    withdrawn = "withdrawn"
    lapsed = "lapsed"
    narrowed = "narrowed"
    deleted = "deleted"
    closed = "closed"
    expired = "expired"
    hold_released = "hold_released"


_USE_ALONE = frozenset({LeaveReason.withdrawn, LeaveReason.lapsed, LeaveReason.narrowed})


class NewHostEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A new event. ``facts`` are the message's fields beside the account."""

    account: UUID
    kind: EventKind
    at: datetime
    facts: dict[str, Fact]
    erasure: UUID | None = None
    acknowledge_by: datetime | None = None


def choice_changed(
    account: UUID,
    at: datetime,
    *,
    effect: str,
    standing: str,
    policy: str,
    question: str,
    scope: GrantScope,
) -> NewHostEvent:
    """A choice about a question took effect, or a grant lapsed; ``standing`` is the account's for
    the question.
    """
    facts: dict[str, Fact] = {
        "question": question,
        "effect": effect,
        "standing": standing,
        "policy": policy,
        "scope": scope.kind.value,
        "project": format_id(Prefix.project, UUID(hex=scope.name))
        if scope.kind is ScopeKind.project
        else None,
        "conversation": format_id(Prefix.conversation, UUID(hex=scope.name))
        if scope.kind is ScopeKind.conversation
        else None,
    }
    return NewHostEvent(account=account, kind=EventKind.choice_changed, at=at, facts=facts)


def must_leave(
    account: UUID,
    at: datetime,
    because: LeaveReason,
    *,
    leave_by: datetime | None = None,
    conversation: UUID | None = None,
    turns: Sequence[tuple[int, int]] | None = None,
    questions: Sequence[str] | None = None,
    erasure: UUID | None = None,
) -> NewHostEvent:
    """A conversation, or without one all of the account's, must not be used from ``at`` on, and
    must be gone by ``leave_by``.

    ``turns`` are the first and last of each run if only those are meant; ``questions`` those whose
    purposes it must not be used for, or all if none is named; ``erasure`` is the one that began.
    """
    by = max(leave_by or at, at)
    facts: dict[str, Fact] = {
        "conversation": format_id(Prefix.conversation, conversation)
        if conversation is not None
        else None,
        "turns": [list(run) for run in turns] if turns is not None else None,
        "questions": list(questions) if questions is not None else None,
        "because": because.value,
        "leaves": "use" if because in _USE_ALONE else "everything",
        "leave_by": rfc3339(by),
    }
    acknowledge_by = max(by, at + timedelta(days=ACKNOWLEDGE_DAYS))
    return NewHostEvent(
        account=account,
        kind=EventKind.must_leave,
        at=at,
        facts=facts,
        erasure=erasure,
        acknowledge_by=acknowledge_by,
    )


def must_hold(
    account: UUID, at: datetime, conversation: UUID, *, person_told: bool
) -> NewHostEvent:
    """A legal hold was placed: the host must keep its own copy, whatever has to leave, until the
    last hold ends.
    """
    facts: dict[str, Fact] = {
        "conversation": format_id(Prefix.conversation, conversation),
        "person_told": person_told,
    }
    return NewHostEvent(account=account, kind=EventKind.must_hold, at=at, facts=facts)


def hold_ended(account: UUID, at: datetime, conversation: UUID) -> NewHostEvent:
    """The last hold ended with nothing overdue: earlier `must_leave` events apply again."""
    facts: dict[str, Fact] = {"conversation": format_id(Prefix.conversation, conversation)}
    return NewHostEvent(account=account, kind=EventKind.hold_ended, at=at, facts=facts)


def is_withdrawal(event: NewHostEvent) -> bool:
    """Whether it reports that something must leave because the answer was no."""
    return event.kind is EventKind.must_leave and event.facts["because"] == LeaveReason.withdrawn


def conversation_erased(
    account: UUID,
    at: datetime,
    conversation: UUID,
    because: str,
    turns: Sequence[tuple[int, int]],
    *,
    complete: bool,
) -> NewHostEvent:
    """The keys of these turns are destroyed; ``complete``: nothing of the conversation is left."""
    facts: dict[str, Fact] = {
        "conversation": format_id(Prefix.conversation, conversation),
        "turns": [list(run) for run in turns],
        "because": because,
        "whole": complete,
    }
    return NewHostEvent(account=account, kind=EventKind.conversation_erased, at=at, facts=facts)


def account_erased(account: UUID, at: datetime, erasure: UUID) -> NewHostEvent:
    """The account's own keys are destroyed, after all of its content."""
    return NewHostEvent(
        account=account, kind=EventKind.account_erased, at=at, facts={}, erasure=erasure
    )


def release_recalled(
    account: UUID,
    at: datetime,
    erasure: UUID,
    *,
    release: UUID,
    name: str,
    recipient: str,
    handout: UUID,
    due_at: datetime,
) -> NewHostEvent:
    """A recipient of a release must take rows of it out of use: the withdrawn rows of the release
    say which.
    """
    facts: dict[str, Fact] = {
        "release": release.hex,
        "name": name,
        "recipient": recipient,
        "handout": format_id(Prefix.handout, handout),
        "due": rfc3339(due_at),
    }
    return NewHostEvent(
        account=account, kind=EventKind.release_recalled, at=at, facts=facts, erasure=erasure
    )


def rows_recalled(
    account: UUID,
    at: datetime,
    *,
    release: UUID,
    name: str,
    recipient: str,
    handout: UUID,
    export: UUID,
    ordinals: Sequence[int],
    due_at: datetime,
) -> NewHostEvent:
    """A recipient of a plain export must delete rows of it, by `ordinal`, in runs of a first and a
    last one.
    """
    facts: dict[str, Fact] = {
        "release": release.hex,
        "name": name,
        "recipient": recipient,
        "handout": format_id(Prefix.handout, handout),
        "export": format_id(Prefix.export, export),
        "rows": _runs(ordinals),
        "due": rfc3339(due_at),
    }
    return NewHostEvent(account=account, kind=EventKind.release_recalled, at=at, facts=facts)


def request_received(
    account: UUID, at: datetime, request: UUID, *, right: str, due_at: datetime
) -> NewHostEvent:
    """A person's request was received, and is to be answered by ``due_at``."""
    facts: dict[str, Fact] = {
        "request": format_id(Prefix.request, request),
        "right": right,
        "due": rfc3339(due_at),
    }
    return NewHostEvent(account=account, kind=EventKind.request_received, at=at, facts=facts)


def request_ended(
    account: UUID, at: datetime, request: UUID, *, right: str, state: str
) -> NewHostEvent:
    """A person's request was answered, refused or withdrawn; its page has the answer."""
    facts: dict[str, Fact] = {
        "request": format_id(Prefix.request, request),
        "right": right,
        "state": state,
    }
    return NewHostEvent(account=account, kind=EventKind.request_ended, at=at, facts=facts)


def _runs(ordinals: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for ordinal in sorted(ordinals):
        if runs and runs[-1][1] == ordinal - 1:
            runs[-1][1] = ordinal
        else:
            runs.append([ordinal, ordinal])
    return runs


def append(tx: Transaction, happened: Sequence[NewHostEvent]) -> None:
    """Inserts events in order, with a delivery to each endpoint that subscribes to their kind;
    nothing without an endpoint. The caller has locked the accounts.
    """
    change(tx, append_changes(happened))


def append_changes(happened: Sequence[NewHostEvent]) -> list[Change]:
    """`append`, as changes of one statement with others."""
    if not happened:
        return []
    values = rows_values(
        _EVENTS,
        {
            "account_id": [one.account for one in happened],
            "kind": [one.kind.value for one in happened],
            "occurred_at": [one.at for one in happened],
            "erasure_id": [one.erasure for one in happened],
            "acknowledge_by": [one.acknowledge_by for one in happened],
            "facts": [msgspec.json.encode(one.facts, order="sorted").decode() for one in happened],
        },
    )
    return [Change(_DELIVER, values, _HAPPENED)]


_EVENTS = {
    "account_id": "uuid", "kind": "text", "occurred_at": "timestamptz", "erasure_id": "uuid",
    "acknowledge_by": "timestamptz", "facts": "text",
}  # fmt: skip
# The identity column counts in the order of the query below it, so that rows of one statement keep
# their order.
_HAPPENED = f"""happened AS (
        INSERT INTO events ({", ".join(_EVENTS)})
        SELECT {", ".join(_EVENTS)} FROM {rows_sql(_EVENTS)} WITH ORDINALITY AS k({", ".join(_EVENTS)}, place)
         WHERE EXISTS (SELECT FROM endpoints WHERE removed_at IS NULL)
         ORDER BY place
        RETURNING account_id, event_id, row_no, kind, occurred_at, acknowledge_by
    )"""
_DELIVER = """
    INSERT INTO deliveries (account_id, event_id, endpoint_id, row_no, next_at, acknowledge_by)
    SELECT t.account_id, t.event_id, e.endpoint_id, t.row_no, CASE WHEN e.url IS NOT NULL
      THEN t.occurred_at END,
           t.acknowledge_by
      FROM happened t JOIN endpoints e ON t.kind = ANY(e.kinds) AND e.removed_at IS NULL
     WHERE e.url IS NOT NULL OR t.acknowledge_by IS NOT NULL"""


class ErasedConversation(NamedTuple):
    """The segments of a conversation that are being erased: the reason, their turns, and whether
    other segments remain.
    """

    account: UUID
    conversation: UUID
    because: str
    first_turns: list[int]
    last_turns: list[int]
    is_left: bool


# `ErasedConversation` of the segments `k`, in the statement that erases them, which sees them
# unchanged; none without an endpoint.
ERASED = """
    SELECT s.account_id, s.conversation_id, min(k.because),
      array_agg(s.first_turn ORDER BY s.segment),
           array_agg(s.last_turn ORDER BY s.segment),
           (SELECT count(*) FROM segments o WHERE o.account_id = s.account_id
               AND o.conversation_id = s.conversation_id AND o.erased_at IS NULL) > count(*)
      FROM k JOIN segments s USING (account_id, conversation_id, segment)
     WHERE EXISTS (SELECT FROM endpoints WHERE removed_at IS NULL)
     GROUP BY s.account_id, s.conversation_id ORDER BY s.account_id, s.conversation_id"""


def append_erased(
    tx: Transaction, conversations: Sequence[ErasedConversation], at: datetime
) -> None:
    """Reports what a sweep has just erased. Expired content must leave the hosts as well; for the
    rest they were notified when its erasure was requested.
    """
    happened = []
    for one in conversations:
        turns = list(zip(one.first_turns, one.last_turns, strict=True))
        if one.because in ("expired", "incognito"):
            expired = must_leave(
                one.account, at, LeaveReason.expired, conversation=one.conversation, turns=turns
            )
            happened.append(expired)
        happened.append(
            conversation_erased(
                one.account, at, one.conversation, one.because, turns, complete=not one.is_left
            )
        )
    append(tx, happened)


def rename_erasure(tx: Transaction, account: UUID, old: Sequence[UUID], erasure: UUID) -> None:
    """Gives an erasure that a restore began again the id that its person was given."""
    tx.execute(
        "UPDATE events SET erasure_id = %s WHERE account_id = %s AND erasure_id = ANY(%s)",
        [erasure, account, list(old)],
    )


# Reading


class HostEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as readers and webhooks see it. ``cursor`` continues after it."""

    id: str
    type: EventKind
    timestamp: datetime
    cursor: str
    data: dict[str, Fact]


def newest_number(tx: Transaction) -> int:
    """The number of the newest numbered event, 0 before the first."""
    row = tx.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()
    return int(row[0]) if row else 0


def give_numbers(tx: Transaction) -> int:
    """Numbers the committed events, and returns how many; in one transaction at a time."""
    waits = tx.execute("SELECT EXISTS (SELECT FROM events WHERE number IS NULL)").fetchone()
    if waits == (False,):
        return 0
    # The lock is released after the commit is visible, and each statement sees what was committed
    # before it began.
    tx.execute("SELECT pg_advisory_xact_lock(%s)", [NUMBERING_LOCK])
    rows = tx.execute(
        "SELECT account_id, event_id FROM events WHERE number IS NULL ORDER BY row_no LIMIT %s",
        [NUMBERED_MAX],
    ).fetchall()
    begin = fence.current_life(tx) * NUMBERS_OF_A_LIFE
    numbers = tx.execute(
        "SELECT nextval('event_numbers') FROM generate_series(1, %s)", [len(rows)]
    ).fetchall()
    tx.execute(
        """UPDATE events e SET number = k.number
             FROM unnest(%(account)b::uuid[], %(event)b::uuid[],
               %(number)b::bigint[]) AS k(account_id, event_id, number)
            WHERE e.account_id = k.account_id AND e.event_id = k.event_id""",
        {
            "account": [row[0] for row in rows],
            "event": [row[1] for row in rows],
            "number": sorted(begin + row[0] for row in numbers),
        },
    )
    return len(rows)


COLUMNS = (
    "e.account_id, e.event_id, e.number, e.kind, e.occurred_at, e.erasure_id, "
    "e.acknowledge_by, "
    "e.facts"
)


def read(row: Sequence[Any]) -> HostEvent:
    """Decodes an event from `COLUMNS`. A recalled release has no account: recipients know none."""
    account, event, number, kind, at, erasure, acknowledge_by, facts = row
    data: dict[str, Fact] = {}
    if kind != EventKind.release_recalled:
        data["account"] = format_id(Prefix.account, account)
    data |= msgspec.json.decode(facts, type=dict[str, Fact])
    if erasure is not None:
        data["erasure"] = format_id(Prefix.erasure, erasure)
    if acknowledge_by is not None:
        data["acknowledge_by"] = rfc3339(acknowledge_by)
    return HostEvent(
        id=format_id(Prefix.event, event),
        type=EventKind(kind),
        timestamp=at,
        cursor=str(number),
        data=data,
    )


def list_since(tx: Transaction, number: int, limit: int) -> list[HostEvent]:
    """The events after ``number``, in order, including just committed ones."""
    while give_numbers(tx) == NUMBERED_MAX:
        pass
    rows = tx.execute(
        f"SELECT {COLUMNS} FROM events e WHERE e.number > %s ORDER BY e.number LIMIT %s",
        [number, limit],
    )
    return [read(row) for row in rows]


def number_of(cursor: str) -> int:
    """The number in a cursor; UsageError if it is not one."""
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 18:
        raise UsageError(
            f"`since`: `{cursor[:40]}` is not the cursor of an event",
            "use `next` of the previous answer, or 0",
        )
    return int(cursor)


# Acknowledging


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    """Deletes old events, except undelivered and unacknowledged ones."""
    return tx.execute(
        """DELETE FROM events WHERE (account_id, event_id) IN (
               SELECT e.account_id, e.event_id FROM events e
                WHERE e.occurred_at < %(before)s AND e.number IS NOT NULL
                  AND NOT EXISTS (
                      SELECT FROM deliveries d JOIN endpoints p USING (endpoint_id)
                       WHERE d.account_id = e.account_id AND d.event_id = e.event_id
                         AND p.removed_at IS NULL
                         AND ((d.delivered_at IS NULL AND d.next_at IS NOT NULL)
                              OR (d.acknowledged_at IS NULL AND d.acknowledge_by IS NOT NULL)))
                  AND NOT EXISTS (
                      SELECT FROM erasures r WHERE r.account_id = e.account_id
                        AND r.erasure_id = e.erasure_id
                         AND r.state <> 'verified')
                LIMIT %(limit)s)""",
        {"before": before, "limit": limit},
    ).rowcount
