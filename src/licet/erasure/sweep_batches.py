"""Erasure: the key first, then the rows, in bounded batches, each a transaction of its own.

`sweep` erases what is due at a moment: segments and feedback whose `keep_until` has come and that no hold keeps,
safety copies whose end has come, and scores of flags. It reads candidates by day from an index, locks each
account, and rechecks the exact instant and the holds under the lock: a turn that was taken in between has moved
the date. Stopped anywhere, it goes on where it was: what is erased is no candidate any more.

What stays of an erased segment is its stamp and its dates, without content, so that what was erased is still
answered for: `expired`, `deleted`, not `unknown`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.store.connect import Transaction
from licet.vault import host_events
from licet.vault.cold_tier import SIZE
from licet.vault.tables import destroy_slots, lock_accounts
from licet.vault.writes import ENDINGS_LOCK

BATCH_SEGMENTS_MAX = 2_000  # what a batch costs besides its rows is shared by more; the locks last a fifth of a second

KEPT_COUNTED_MAX = 100_000


class SweepResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch erased, by reason. ``more`` says whether another batch may find something."""

    segments: int = 0
    turns: int = 0
    safety_turns: int = 0
    feedback: int = 0
    scores: int = 0
    reasons: dict[str, int] = {}
    more: bool = False

    def plus(self, other: SweepResult) -> SweepResult:
        return SweepResult(
            segments=self.segments + other.segments,
            turns=self.turns + other.turns,
            safety_turns=self.safety_turns + other.safety_turns,
            feedback=self.feedback + other.feedback,
            scores=self.scores + other.scores,
            reasons=dict(Counter(self.reasons) + Counter(other.reasons)),
            more=other.more,
        )


# What a hold keeps of a segment or of feedback `s`: one that was placed when its time was over keeps nothing of it. Who
# says what is due, or what will be kept, says it by these.
_HELD = """EXISTS (SELECT FROM holds h WHERE h.account_id = s.account_id AND h.conversation_id = s.conversation_id
                     AND h.placed_at < s.keep_until)"""
_COPY_HELD = """EXISTS (SELECT FROM holds h WHERE h.account_id = s.account_id
                          AND h.conversation_id = s.conversation_id)"""
# What is due: the day by the index, the instant exactly, and no hold that keeps it.
_IS_DUE = f"""s.erased_at IS NULL AND s.due_on <= (%(at)s::timestamptz AT TIME ZONE 'UTC')::date
     AND s.keep_until <= %(at)s AND NOT {_HELD}"""
_DUE = f"FROM segments s WHERE {_IS_DUE}"
_FEEDBACK_DUE = f"FROM feedback s WHERE {_IS_DUE}"
# Looked up by primary key, not joined: where the tables have no statistics yet, a join's plan was 100 times slower.
_REASON = """(SELECT CASE WHEN a.closed_at IS NOT NULL THEN 'closed' WHEN c.deleted_at IS NOT NULL THEN 'deleted'
                          WHEN c.incognito THEN 'incognito' ELSE 'expired' END
                FROM conversations c JOIN accounts a USING (account_id)
               WHERE c.account_id = s.account_id AND c.conversation_id = s.conversation_id)"""
# Whether somebody asked for it: a deletion, a closure, or a date that a withdrawal or keeping out brought nearer; of
# feedback also that it was taken back. Such
# a key enters the daily rotation, any other the weekly one.
_ASKED_FOR = """(SELECT a.closed_at IS NOT NULL OR c.deleted_at IS NOT NULL OR (c.narrowed AND NOT s.narrowed)
                     OR (s.grant_no IS NOT NULL AND s.grant_no IS DISTINCT FROM a.grant_no)
                   FROM conversations c JOIN accounts a USING (account_id)
                  WHERE c.account_id = s.account_id AND c.conversation_id = s.conversation_id)"""
_SAFETY_DUE = f"""
    FROM segments s WHERE s.safety_slot IS NOT NULL AND s.safety_until <= %(at)s AND NOT {_COPY_HELD}"""


def due(tx: Transaction, at: datetime) -> SweepResult:
    """What a sweep at ``at`` would erase, counted and not touched."""
    due_segments = tx.execute(
        f"SELECT {_REASON}, count(*), sum(s.last_turn - s.first_turn + 1) {_DUE} GROUP BY 1", {"at": at}
    ).fetchall()
    expired: dict[str, int] = {reason: count for reason, count, _ in due_segments}
    feedback = _count(tx, f"SELECT count(*) {_FEEDBACK_DUE}", at)
    copies = _count(tx, f"SELECT count(*) {_SAFETY_DUE}", at)
    safety = _count(
        tx,
        f"""SELECT count(*) FROM safety_bodies b
             WHERE EXISTS (SELECT {_SAFETY_DUE} AND s.account_id = b.account_id
                              AND s.conversation_id = b.conversation_id AND s.segment = b.segment)""",
        at,
    )
    return SweepResult(
        segments=sum(expired.values()),
        turns=sum(int(turns) for *_, turns in due_segments),
        safety_turns=safety,
        feedback=feedback,
        scores=_count(tx, "SELECT count(*) FROM flags WHERE score IS NOT NULL AND score_until <= %(at)s", at),
        reasons=dict(Counter(expired) + Counter(safety=copies, feedback=feedback)),
    )


def due_count(tx: Transaction, at: datetime, most: int) -> int:
    """How many segments, feedback and safety copies are due at ``at``; it stops counting at ``most`` of each."""
    return sum(
        _count(tx, f"SELECT count(*) FROM (SELECT 1 {due} LIMIT {most:d}) d", at)
        for due in (_DUE, _FEEDBACK_DUE, _SAFETY_DUE)
    )


def overdue_since(tx: Transaction, at: datetime) -> datetime | None:
    """Since when the oldest of what is due at ``at`` is due; None where nothing is."""
    row = tx.execute(
        f"""SELECT least((SELECT min(s.keep_until) {_DUE}), (SELECT min(s.keep_until) {_FEEDBACK_DUE}),
                         (SELECT min(s.safety_until) {_SAFETY_DUE}))""",
        {"at": at},
    ).fetchone()
    return row[0] if row is not None else None


class KeptBytes(msgspec.Struct, frozen=True, kw_only=True):
    """Sealed bytes of one end. ``until`` is when a sweep may erase them, None while a hold keeps them.

    ``is_long`` says that they are kept for more than a year.
    """

    until: datetime | None
    size: int
    is_long: bool


def kept_bytes(tx: Transaction) -> list[KeptBytes]:
    """All sealed bytes that are kept, copies and feedback included, by when a sweep may erase them."""
    ends = f"CASE WHEN {_HELD} THEN NULL ELSE s.keep_until END"
    rows = tx.execute(
        f"""SELECT ends, sum(size), is_long FROM (
               SELECT {ends} AS ends, {SIZE} AS size, s.keep_until > s.last_at + interval '1 year' AS is_long
                 FROM bodies b JOIN segments s USING (account_id, conversation_id, segment)
               UNION ALL
               SELECT CASE WHEN {_COPY_HELD} THEN NULL ELSE s.safety_until END, octet_length(b.sealed), true
                 FROM safety_bodies b JOIN segments s USING (account_id, conversation_id, segment)
               UNION ALL
               SELECT {ends}, octet_length(b.sealed), s.keep_until > s.given_at + interval '1 year'
                 FROM feedback_bodies b JOIN feedback s USING (account_id, feedback_id)) k
            GROUP BY ends, is_long"""
    ).fetchall()
    return [
        KeptBytes(until=until, size=int(size), is_long=until is None or bool(is_long)) for until, size, is_long in rows
    ]


def kept_count(tx: Transaction) -> int:
    """How many segments are kept: exact up to KEPT_COUNTED_MAX, beyond it what the index was last seen to hold."""
    row = tx.execute(
        """SELECT (SELECT count(*) FROM (SELECT FROM segments WHERE erased_at IS NULL LIMIT %(most)s) s),
                  (SELECT reltuples::bigint FROM pg_class WHERE oid = 'segments_due'::regclass)""",
        {"most": KEPT_COUNTED_MAX},
    ).fetchone()
    assert row is not None
    counted, seen = row
    return max(counted, seen) if counted == KEPT_COUNTED_MAX else int(counted)


def _count(tx: Transaction, statement: str, at: datetime) -> int:
    row = tx.execute(statement, {"at": at}).fetchone()
    return int(row[0]) if row else 0


def sweep_batch(
    tx: Transaction, at: datetime, *, limit: int = BATCH_SEGMENTS_MAX, only: Sequence[UUID] | None = None
) -> SweepResult:
    """Erases up to ``limit`` segments and feedback that are due at ``at``. The caller commits and calls again."""
    params: dict[str, Any] = {"at": at, "limit": limit, "only": list(only) if only is not None else None}
    mine = " AND (%(only)s::uuid[] IS NULL OR s.account_id = ANY(%(only)s::uuid[]))"
    due_accounts = tx.execute(
        f"""
        (SELECT s.account_id {_DUE}{mine} ORDER BY s.due_on, s.account_id LIMIT %(limit)s)
        UNION
        (SELECT s.account_id {_FEEDBACK_DUE}{mine} ORDER BY s.due_on, s.account_id LIMIT %(limit)s)
        UNION
        (SELECT s.account_id {_SAFETY_DUE}{mine} ORDER BY s.safety_until, s.account_id LIMIT %(limit)s)
        """,
        params,
    ).fetchall()
    if not due_accounts:
        scores = _erase_scores(tx, at, limit)
        return SweepResult(scores=scores, more=scores == limit)
    locked = lock_accounts(tx, [row[0] for row in due_accounts])
    tx.execute("SELECT pg_advisory_xact_lock_shared(%s)", [ENDINGS_LOCK])
    params["only"] = list(locked)
    swept = _erase_segments(tx, params, mine)
    swept = swept.plus(_erase_safety(tx, params, mine))
    swept = swept.plus(_erase_feedback(tx, params))
    return msgspec.structs.replace(swept, scores=_erase_scores(tx, at, limit), more=True)


def _erase_segments(tx: Transaction, params: dict[str, Any], mine: str) -> SweepResult:
    rows = tx.execute(
        f"""SELECT s.account_id, s.conversation_id, s.segment, s.key_slot, {_REASON}, s.last_turn - s.first_turn + 1,
                   {_ASKED_FOR}
              {_DUE}{mine} ORDER BY s.account_id, s.conversation_id, s.segment LIMIT %(limit)s""",
        params,
    ).fetchall()
    if not rows:
        return SweepResult()
    destroy_slots(
        tx, [(row[0], row[3]) for row in rows if row[3] is not None], daily={row[0] for row in rows if row[6]}
    )
    key = _keys(rows)
    key["at"] = params["at"]
    tx.execute(_ERASE, key)
    dead = [
        _destroyed(account, params["at"], conversation, because, segment=segment)
        for account, conversation, segment, slot, because, _, _ in rows
        if slot is not None
    ]
    _tell(tx, rows, dead, params["at"])
    host_events.erased(tx, [(row[0], row[1], row[2], row[4]) for row in rows], params["at"])
    reasons = Counter(row[4] for row in rows)
    return SweepResult(segments=len(rows), turns=sum(row[5] for row in rows), reasons=dict(reasons))


_SEGMENT_KEYS = """(SELECT * FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[], %(segment)b::smallint[])
                      AS k(account_id, conversation_id, segment)) k"""
_SAME_SEGMENT = """s.account_id = k.account_id AND s.conversation_id = k.conversation_id
                   AND s.segment = k.segment"""


# One statement, so that the keys of the rows are sent and sorted out once.
_ERASE = f"""
    WITH k AS (SELECT * FROM {_SEGMENT_KEYS}),
         erased AS (UPDATE segments s SET key_slot = NULL, erased_at = %(at)s FROM k WHERE {_SAME_SEGMENT}),
         ended AS (UPDATE copies s SET ended_at = %(at)s FROM k WHERE {_SAME_SEGMENT} AND s.place = 'vault'),
         unsaid AS (DELETE FROM suggestions s USING k
                     WHERE s.account_id = k.account_id AND s.conversation_id = k.conversation_id)
    DELETE FROM bodies s USING k WHERE {_SAME_SEGMENT}"""


def _keys(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return {
        "account": [row[0] for row in rows],
        "conversation": [row[1] for row in rows],
        "segment": [row[2] for row in rows],
    }


def _erase_safety(tx: Transaction, params: dict[str, Any], mine: str) -> SweepResult:
    rows = tx.execute(
        f"""SELECT s.account_id, s.conversation_id, s.segment, s.safety_slot, {_ASKED_FOR}
              {_SAFETY_DUE}{mine} ORDER BY s.account_id, s.conversation_id, s.segment LIMIT %(limit)s""",
        params,
    ).fetchall()
    if not rows:
        return SweepResult()
    destroy_slots(tx, [(row[0], row[3]) for row in rows], daily={row[0] for row in rows if row[4]})
    key = _keys(rows)
    key["at"] = params["at"]
    tx.execute(f"UPDATE segments s SET safety_slot = NULL FROM {_SEGMENT_KEYS} WHERE {_SAME_SEGMENT}", key)
    turns = tx.execute(f"DELETE FROM safety_bodies s USING {_SEGMENT_KEYS} WHERE {_SAME_SEGMENT}", key).rowcount
    tx.execute(
        f"UPDATE copies s SET ended_at = %(at)s FROM {_SEGMENT_KEYS} WHERE {_SAME_SEGMENT} AND s.place = 'safety'", key
    )
    dead = [
        _destroyed(account, params["at"], conversation, "safety", segment=segment)
        for account, conversation, segment, *_ in rows
    ]
    _tell(tx, rows, dead, params["at"])
    return SweepResult(safety_turns=turns, reasons={"safety": len(rows)})


def _erase_feedback(tx: Transaction, params: dict[str, Any]) -> SweepResult:
    rows = tx.execute(
        f"""SELECT s.account_id, s.conversation_id, s.feedback_id, s.key_slot,
                   s.taken_back_at IS NOT NULL OR {_ASKED_FOR} {_FEEDBACK_DUE}
               AND s.account_id = ANY(%(only)s::uuid[]) ORDER BY s.account_id, s.feedback_id LIMIT %(limit)s""",
        params,
    ).fetchall()
    if not rows:
        return SweepResult()
    destroy_slots(
        tx, [(row[0], row[3]) for row in rows if row[3] is not None], daily={row[0] for row in rows if row[4]}
    )
    key = {"account": [r[0] for r in rows], "feedback": [r[2] for r in rows], "at": params["at"]}
    keys = """(SELECT * FROM unnest(%(account)b::uuid[], %(feedback)b::uuid[]) AS k(account_id, feedback_id)) k"""
    same = "s.account_id = k.account_id AND s.feedback_id = k.feedback_id"
    tx.execute(f"UPDATE feedback s SET key_slot = NULL, erased_at = %(at)s FROM {keys} WHERE {same}", key)
    tx.execute(f"DELETE FROM feedback_bodies s USING {keys} WHERE {same}", key)
    tx.execute(
        f"""UPDATE copies s SET ended_at = %(at)s FROM {keys}
             WHERE s.account_id = k.account_id AND s.reference = k.feedback_id AND s.place = 'feedback'""",
        key,
    )
    dead = [
        _destroyed(account, params["at"], conversation, "feedback", feedback=feedback.hex)
        for account, conversation, feedback, slot, _ in rows
        if slot is not None
    ]
    _tell(tx, rows, dead, params["at"])
    return SweepResult(feedback=len(rows), reasons={"feedback": len(rows)})


def _erase_scores(tx: Transaction, at: datetime, limit: int) -> int:
    return tx.execute(
        """UPDATE flags SET score = NULL WHERE (account_id, conversation_id, seq) IN (
               SELECT account_id, conversation_id, seq FROM flags
                WHERE score IS NOT NULL AND score_until <= %(at)s LIMIT %(limit)s)""",
        {"at": at, "limit": limit},
    ).rowcount


def _destroyed(account: UUID, at: datetime, conversation: UUID, because: str, **which: str | int) -> Entry:
    return Entry(
        told=EntryKind.key_destroyed,
        occurred_at=at,
        account=account,
        facts={"conversation": conversation.hex, "because": because, **which},
    )


def _tell(tx: Transaction, rows: Sequence[Sequence[Any]], dead: Sequence[Entry], at: datetime) -> None:
    """The journal takes an ending for each conversation, and the log a leaf for each key.

    The sweep's moment is one of the account's from now on: no later event may come before it.
    """
    conversations = sorted({(row[0], row[1]) for row in rows})
    tx.execute(
        """
        WITH told AS (
            SELECT account_id, conversation_id, row_number() OVER (PARTITION BY account_id) AS place
              FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[]) AS k(account_id, conversation_id)
        ), moved AS (
            UPDATE accounts a SET last_seq = a.last_seq + c.count, last_at = greatest(a.last_at, %(at)s)
              FROM (SELECT account_id, count(*) FROM told GROUP BY account_id) c
             WHERE a.account_id = c.account_id
            RETURNING a.account_id, a.last_seq - c.count AS base, a.last_at
        ), numbered AS (
            SELECT account_id, base + place AS seq, last_at, conversation_id FROM told JOIN moved USING (account_id)
             ORDER BY account_id, place
        )
        INSERT INTO journal (account_id, seq, position, occurred_at, event, conversation_id, ends)
        SELECT account_id, seq, nextval('journal_position'), last_at, 'erased', conversation_id, true FROM numbered
        """,
        {"account": [a for a, _ in conversations], "conversation": [c for _, c in conversations], "at": at},
    )
    outbox.append(tx, dead)
