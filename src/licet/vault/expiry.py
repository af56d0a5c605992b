"""What is due to be erased, and its erasure: one definition of `due` for the sweep, its forecast
and its alarms.

Content is due at an instant if it is still stored, its `keep_until` has passed and no hold keeps
it; a safety copy has an end of its own. A hold that was placed after the end of something's period
keeps nothing of it, except a safety copy. The stamp and the dates of an erased segment stay.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from licet.store.connect import Transaction
from licet.vault import account_keys, host_events
from licet.vault.host_events import ErasedConversation

KEPT_COUNTED_MAX = 100_000


class DueSegment(NamedTuple):
    """A due segment. ``is_asked``: its erasure was requested, so it enters the daily rotation."""

    account: UUID
    conversation: UUID
    segment: int
    key_slot: int | None
    because: str
    turns: int
    is_asked: bool


class DueSafetyCopy(NamedTuple):
    """The due safety copy of a segment."""

    account: UUID
    conversation: UUID
    segment: int
    key_slot: int
    is_asked: bool


class DueFeedback(NamedTuple):
    """Due feedback."""

    account: UUID
    conversation: UUID
    feedback: UUID
    key_slot: int | None
    is_asked: bool


class DueContent(NamedTuple):
    """The due content of some accounts, by kind."""

    segments: list[DueSegment]
    safety: list[DueSafetyCopy]
    feedback: list[DueFeedback]


# Whether a hold keeps a segment or feedback `s`: not one placed after the end of its period. Every
# statement about due or kept content uses these.
_HELD = """EXISTS (SELECT FROM holds h WHERE h.account_id = s.account_id
                     AND h.conversation_id = s.conversation_id
                     AND h.placed_at < s.keep_until)"""
_COPY_HELD = """EXISTS (SELECT FROM holds h WHERE h.account_id = s.account_id
                          AND h.conversation_id = s.conversation_id)"""
# What is due: the day by the index, the instant exactly, and not kept by a hold.
_IS_DUE = f"""s.erased_at IS NULL AND s.due_on <= (%(at)s::timestamptz AT TIME ZONE 'UTC')::date
     AND s.keep_until <= %(at)s AND NOT {_HELD}"""
_DUE = f"FROM segments s WHERE {_IS_DUE}"
_FEEDBACK_DUE = f"FROM feedback s WHERE {_IS_DUE}"
# Looked up by primary key, not joined: while the tables had no statistics, a join's plan was 100
# times slower.
_REASON = """(SELECT CASE WHEN a.closed_at IS NOT NULL THEN 'closed' WHEN c.deleted_at IS NOT NULL
                          THEN 'deleted'
                          WHEN c.incognito THEN 'incognito' ELSE 'expired' END
                FROM conversations c JOIN accounts a USING (account_id)
               WHERE c.account_id = s.account_id AND c.conversation_id = s.conversation_id)"""
# Whether somebody asked for it: a deletion, a closure, or a date that a withdrawal or keeping out
# shortened; of feedback also that it was taken back. Such
# a key enters the daily rotation, any other the weekly one.
_IN_FORCE = """ARRAY(SELECT t.grant_no FROM standings t WHERE t.account_id = a.account_id
                     AND t.grant_no IS NOT NULL
                     UNION ALL SELECT g.grant_no FROM scoped_grants g
                       WHERE g.account_id = a.account_id)"""
_REQUESTED = """(SELECT a.closed_at IS NOT NULL OR c.deleted_at IS NOT NULL
                     OR (c.narrowed AND NOT s.narrowed)
                     OR ({}) FROM conversations c JOIN accounts a USING (account_id)
                  WHERE c.account_id = s.account_id AND c.conversation_id = s.conversation_id)"""
_SEGMENT_REQUESTED = _REQUESTED.format(f"s.grants <> '{{}}' AND NOT s.grants && {_IN_FORCE}")
_FEEDBACK_REQUESTED = _REQUESTED.format(
    f"s.grant_no IS NOT NULL AND s.grant_no <> ALL({_IN_FORCE})"
)
_SAFETY_DUE = f"""
    FROM segments s WHERE s.safety_slot IS NOT NULL AND s.safety_until <= %(at)s
      AND NOT {_COPY_HELD}"""
_MINE = "s.account_id = ANY(%(accounts)s::uuid[])"


# Counting


def segment_counts(tx: Transaction, now: datetime) -> list[tuple[str, int, int]]:
    """`(reason, segments, turns)` of the due segments."""
    rows = tx.execute(
        f"SELECT {_REASON}, count(*), sum(s.last_turn - s.first_turn + 1) {_DUE} GROUP BY 1",
        {"at": now},
    ).fetchall()
    return [(reason, int(count), int(turns)) for reason, count, turns in rows]


def feedback_count(tx: Transaction, now: datetime) -> int:
    return _count(tx, f"SELECT count(*) {_FEEDBACK_DUE}", now)


def safety_counts(tx: Transaction, now: datetime) -> tuple[int, int]:
    """The numbers of due safety copies and of their turns."""
    turns = f"""SELECT count(*) FROM safety_bodies b
                 WHERE EXISTS (SELECT {_SAFETY_DUE} AND s.account_id = b.account_id
                                  AND s.conversation_id = b.conversation_id
                                    AND s.segment = b.segment)"""
    return _count(tx, f"SELECT count(*) {_SAFETY_DUE}", now), _count(tx, turns, now)


def score_count(tx: Transaction, now: datetime) -> int:
    """The number of due flag scores."""
    return _count(
        tx, "SELECT count(*) FROM flags WHERE score IS NOT NULL AND score_until <= %(at)s", now
    )


def due_count(tx: Transaction, now: datetime, limit: int) -> int:
    """The number of segments, feedback and safety copies due at ``now``; counts at most ``limit``
    of each.
    """
    return sum(
        _count(tx, f"SELECT count(*) FROM (SELECT 1 {due} LIMIT {limit:d}) d", now)
        for due in (_DUE, _FEEDBACK_DUE, _SAFETY_DUE)
    )


def overdue_since(tx: Transaction, now: datetime) -> datetime | None:
    """When the longest overdue content became due; None if nothing is due."""
    row = tx.execute(
        f"""SELECT least((SELECT min(s.keep_until) {_DUE}),
                         (SELECT min(s.keep_until) {_FEEDBACK_DUE}),
                         (SELECT min(s.safety_until) {_SAFETY_DUE}))""",
        {"at": now},
    ).fetchone()
    return row[0] if row is not None else None


def kept_count(tx: Transaction) -> int:
    """The number of kept segments: exact up to KEPT_COUNTED_MAX, above that the index's last
    statistics.
    """
    row = tx.execute(
        """SELECT (SELECT count(*) FROM (SELECT FROM segments WHERE erased_at IS NULL LIMIT %(limit)s) s),
                  (SELECT reltuples::bigint FROM pg_class WHERE oid = 'segments_due'::regclass)""",
        {"limit": KEPT_COUNTED_MAX},
    ).fetchone()
    assert row is not None
    counted, estimate = row
    return max(counted, estimate) if counted == KEPT_COUNTED_MAX else int(counted)


def _count(tx: Transaction, statement: str, now: datetime) -> int:
    return _total(tx, statement, {"at": now})


def _total(tx: Transaction, statement: str, params: dict[str, datetime | None]) -> int:
    row = tx.execute(statement, params).fetchone()
    return int(row[0]) if row else 0


# The content of a batch


def due_accounts(
    tx: Transaction, now: datetime, limit: int, accounts: Collection[UUID] | None = None
) -> list[UUID]:
    """The accounts with the longest overdue content, from up to ``limit`` of each kind; only of
    ``accounts`` if given.
    """
    mine = f" AND (%(accounts)s::uuid[] IS NULL OR {_MINE})"
    rows = tx.execute(
        f"""
        (SELECT s.account_id {_DUE}{mine} ORDER BY s.due_on, s.account_id LIMIT %(limit)s)
        UNION
        (SELECT s.account_id {_FEEDBACK_DUE}{mine} ORDER BY s.due_on, s.account_id LIMIT %(limit)s)
        UNION
        (SELECT s.account_id {_SAFETY_DUE}{mine}
          ORDER BY s.safety_until, s.account_id LIMIT %(limit)s)
        """,
        {"at": now, "limit": limit, "accounts": None if accounts is None else list(accounts)},
    ).fetchall()
    return [row[0] for row in rows]


def due_content(
    tx: Transaction, now: datetime, accounts: Collection[UUID], limit: int
) -> DueContent:
    """Up to ``limit`` of each kind of due content of ``accounts``, in order; one statement."""
    rows = tx.execute(
        _DUE_CONTENT, {"at": now, "limit": limit, "accounts": list(accounts)}
    ).fetchall()
    due = DueContent([], [], [])
    for kind, account, conversation, segment, feedback, slot, because, turns, is_asked in rows:
        if kind == "segment":
            due.segments.append(
                DueSegment(account, conversation, segment, slot, because, turns, is_asked)
            )
        elif kind == "safety":
            due.safety.append(DueSafetyCopy(account, conversation, segment, slot, is_asked))
        else:
            due.feedback.append(DueFeedback(account, conversation, feedback, slot, is_asked))
    return due


_DUE_CONTENT = f"""
    (SELECT 'segment', s.account_id, s.conversation_id, s.segment, NULL::uuid, s.key_slot,
      {_REASON},
            s.last_turn - s.first_turn + 1, {_SEGMENT_REQUESTED}
       {_DUE} AND {_MINE} ORDER BY s.account_id, s.conversation_id, s.segment LIMIT %(limit)s)
    UNION ALL
    (SELECT 'safety', s.account_id, s.conversation_id, s.segment, NULL, s.safety_slot, NULL, NULL,
      {_SEGMENT_REQUESTED}
       {_SAFETY_DUE} AND {_MINE} ORDER BY s.account_id, s.conversation_id, s.segment
         LIMIT %(limit)s)
    UNION ALL
    (SELECT 'feedback', s.account_id, s.conversation_id, NULL, s.feedback_id, s.key_slot, NULL,
      NULL,
            s.taken_back_at IS NOT NULL OR {_FEEDBACK_REQUESTED}
       {_FEEDBACK_DUE} AND {_MINE} ORDER BY s.account_id, s.feedback_id LIMIT %(limit)s)"""


# Erasing: the keys first, then the rows. The accounts are locked


_SEGMENT_KEYS = """SELECT * FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[],
                      %(segment)b::smallint[])
                      AS k(account_id, conversation_id, segment)"""
_WITH_REASON = """SELECT * FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[],
                      %(segment)b::smallint[],
                      %(because)b::text[]) AS k(account_id, conversation_id, segment, because)"""
_SAME_SEGMENT = """s.account_id = k.account_id AND s.conversation_id = k.conversation_id
                   AND s.segment = k.segment"""
# One statement each, so that the keys of the rows are sent and sorted once.
_ERASE = f"""
    WITH k AS ({_WITH_REASON}),
         erased AS (UPDATE segments s SET key_slot = NULL, erased_at = %(at)s, stored_bytes = 0
                      FROM k WHERE {_SAME_SEGMENT}),
         ended AS (UPDATE copies s SET ended_at = %(at)s FROM k WHERE {_SAME_SEGMENT}
           AND s.place = 'vault'),
         unsaid AS (DELETE FROM suggestions s USING k
                     WHERE s.account_id = k.account_id AND s.conversation_id = k.conversation_id),
         unfound AS (DELETE FROM found_names s USING k WHERE {_SAME_SEGMENT}),
         gone AS (UPDATE blocks s SET (sizes, sealed, object_id, object_offset, object_length)
                                    = (NULL, NULL, NULL, NULL, NULL)
                    FROM k WHERE {_SAME_SEGMENT} AND s.sizes IS NOT NULL)
    {host_events.ERASED}"""

_ERASE_SAFETY = f"""
    WITH k AS ({_SEGMENT_KEYS}),
         erased AS (UPDATE segments s SET safety_slot = NULL, safety_bytes = 0 FROM k
           WHERE {_SAME_SEGMENT}),
         ended AS (UPDATE copies s SET ended_at = %(at)s FROM k WHERE {_SAME_SEGMENT}
           AND s.place = 'safety')
    DELETE FROM safety_bodies s USING k WHERE {_SAME_SEGMENT}"""
_ERASE_FEEDBACK = """
    WITH k AS (SELECT * FROM unnest(%(account)b::uuid[], %(feedback)b::uuid[]) AS k(account_id, feedback_id)),
         erased AS (UPDATE feedback s SET key_slot = NULL, erased_at = %(at)s, stored_bytes = 0
                      FROM k WHERE s.account_id = k.account_id AND s.feedback_id = k.feedback_id),
         ended AS (UPDATE copies s SET ended_at = %(at)s FROM k
                    WHERE s.account_id = k.account_id AND s.reference = k.feedback_id
                      AND s.place = 'feedback')
    DELETE FROM feedback_bodies s USING k WHERE s.account_id = k.account_id
      AND s.feedback_id = k.feedback_id"""


def erase_segments(
    tx: Transaction, rows: Sequence[DueSegment], now: datetime
) -> list[ErasedConversation]:
    """Erases the segments; returns the conversations to report to hosts."""
    _destroy(tx, rows)
    key = {**_segment_keys(rows, now), "because": [row.because for row in rows]}
    return [ErasedConversation(*row) for row in tx.execute(_ERASE, key).fetchall()]


def erase_safety_copies(tx: Transaction, rows: Sequence[DueSafetyCopy], now: datetime) -> int:
    """Erases the copies; returns the erased turns."""
    _destroy(tx, rows)
    return tx.execute(_ERASE_SAFETY, _segment_keys(rows, now)).rowcount


def erase_feedback(tx: Transaction, rows: Sequence[DueFeedback], now: datetime) -> None:
    _destroy(tx, rows)
    tx.execute(
        _ERASE_FEEDBACK,
        {
            "account": [row.account for row in rows],
            "feedback": [row.feedback for row in rows],
            "at": now,
        },
    )


def erase_scores(tx: Transaction, now: datetime, limit: int) -> int:
    """Erases up to ``limit`` due scores of flags; returns how many."""
    return tx.execute(
        """UPDATE flags SET score = NULL WHERE (account_id, conversation_id, seq) IN (
               SELECT account_id, conversation_id, seq FROM flags
                WHERE score IS NOT NULL AND score_until <= %(at)s LIMIT %(limit)s)""",
        {"at": now, "limit": limit},
    ).rowcount


def _destroy(tx: Transaction, rows: Sequence[DueSegment | DueSafetyCopy | DueFeedback]) -> None:
    slots = [(row.account, row.key_slot) for row in rows if row.key_slot is not None]
    account_keys.destroy_slots(tx, slots, daily={row.account for row in rows if row.is_asked})


def _segment_keys(rows: Sequence[DueSegment | DueSafetyCopy], now: datetime) -> dict[str, Any]:
    return {
        "account": [row.account for row in rows],
        "conversation": [row.conversation for row in rows],
        "segment": [row.segment for row in rows],
        "at": now,
    }
