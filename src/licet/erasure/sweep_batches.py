"""Erasure in bounded batches, each in its own transaction: the key first, then the rows.

`sweep` erases what is due at a given time: segments and feedback whose `keep_until` has passed and
that no hold keeps, safety copies that have ended, and scores of flags. It reads candidates by day
from an index, locks each account, and checks the exact time and the holds again under the lock,
because a turn in between may have moved the date. An interrupted sweep continues where it stopped:
what is erased is no longer a candidate.

The stamp and the dates of an erased segment are kept, without content, so that the answer for it is
still `expired` or `deleted`, and not `unknown`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from licet.ledger.outbox import Entry, EntryKind
from licet.store.connect import Transaction
from licet.vault import account_journal, expiry, host_events
from licet.vault.expiry import DueFeedback, DueSafetyCopy, DueSegment
from licet.vault.tables import lock_account_rows

# a larger batch amortises its fixed cost; the locks are held for a fifth of a second
BATCH_SEGMENTS_MAX = 2_000


class SweepResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch erased, by reason. ``more``: another batch may find something."""

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


def count_due(tx: Transaction, now: datetime) -> SweepResult:
    """What a sweep at ``now`` would erase, as counts; changes nothing."""
    segments = expiry.segment_counts(tx, now)
    expired: dict[str, int] = {reason: count for reason, count, _ in segments}
    feedback, (copies, safety_turns) = expiry.feedback_count(tx, now), expiry.safety_counts(tx, now)
    return SweepResult(
        segments=sum(expired.values()),
        turns=sum(turns for *_, turns in segments),
        safety_turns=safety_turns,
        feedback=feedback,
        scores=expiry.score_count(tx, now),
        reasons=dict(Counter(expired) + Counter(safety=copies, feedback=feedback)),
    )


def sweep_batch(
    tx: Transaction,
    now: datetime,
    *,
    limit: int = BATCH_SEGMENTS_MAX,
    only: Sequence[UUID] | None = None,
) -> SweepResult:
    """Erases up to ``limit`` segments and feedback that are due at ``now``. The caller commits and
    calls again.
    """
    due_accounts = expiry.due_accounts(tx, now, limit, only)
    if not due_accounts:
        scores = expiry.erase_scores(tx, now, limit)
        return SweepResult(scores=scores, more=scores == limit)
    swept = sweep_locked(tx, now, lock_account_rows(tx, due_accounts), limit=limit)
    return msgspec.structs.replace(swept, scores=expiry.erase_scores(tx, now, limit), more=True)


def sweep_locked(
    tx: Transaction, now: datetime, accounts: Collection[UUID], *, limit: int = BATCH_SEGMENTS_MAX
) -> SweepResult:
    """Erases up to ``limit`` of each kind of content of ``accounts``, which the caller has locked.

    ``more``: that many were found, so there may be others. Otherwise nothing of theirs is left that
    is due at ``now``.
    """
    due = expiry.due_content(tx, now, accounts, limit)
    swept = _erase_segments(tx, now, due.segments)
    swept = swept.plus(_erase_safety(tx, now, due.safety))
    swept = swept.plus(_erase_feedback(tx, now, due.feedback))
    return msgspec.structs.replace(
        swept, more=max(len(due.segments), len(due.safety), len(due.feedback)) >= limit
    )


def _erase_segments(tx: Transaction, now: datetime, rows: Sequence[DueSegment]) -> SweepResult:
    if not rows:
        return SweepResult()
    conversations = expiry.erase_segments(tx, rows, now)
    dead = [
        _key_destroyed_entry(row.account, now, row.conversation, row.because, segment=row.segment)
        for row in rows
        if row.key_slot is not None
    ]
    _record_endings(tx, rows, dead, now)
    host_events.append_erased(tx, conversations, now)
    reasons = Counter(row.because for row in rows)
    return SweepResult(
        segments=len(rows), turns=sum(row.turns for row in rows), reasons=dict(reasons)
    )


def _erase_safety(tx: Transaction, now: datetime, rows: Sequence[DueSafetyCopy]) -> SweepResult:
    if not rows:
        return SweepResult()
    turns = expiry.erase_safety_copies(tx, rows, now)
    dead = [
        _key_destroyed_entry(row.account, now, row.conversation, "safety", segment=row.segment)
        for row in rows
    ]
    _record_endings(tx, rows, dead, now)
    return SweepResult(safety_turns=turns, reasons={"safety": len(rows)})


def _erase_feedback(tx: Transaction, now: datetime, rows: Sequence[DueFeedback]) -> SweepResult:
    if not rows:
        return SweepResult()
    expiry.erase_feedback(tx, rows, now)
    dead = [
        _key_destroyed_entry(
            row.account, now, row.conversation, "feedback", feedback=row.feedback.hex
        )
        for row in rows
        if row.key_slot is not None
    ]
    _record_endings(tx, rows, dead, now)
    return SweepResult(feedback=len(rows), reasons={"feedback": len(rows)})


def _key_destroyed_entry(
    account: UUID, now: datetime, conversation: UUID, because: str, **which: str | int
) -> Entry:
    return Entry(
        kind=EntryKind.key_destroyed,
        occurred_at=now,
        account=account,
        facts={"conversation": conversation.hex, "because": because, **which},
    )


def _record_endings(
    tx: Transaction,
    rows: Sequence[DueSegment | DueSafetyCopy | DueFeedback],
    dead: Sequence[Entry],
    now: datetime,
) -> None:
    """Records an ending in the journal for each conversation, and a leaf for each key."""
    places = sorted({(row.account, row.conversation) for row in rows})
    account_journal.append_endings(tx, "erased", now, places, dead)
