"""A person's own feedback: listing it with its decision and end date, and taking one back.

Like `own_conversations`: somebody else's id behaves as an unknown one. Feedback is listed until its
copy is erased, also after it was taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from licet.consent import own_conversations
from licet.errors import NotFoundError
from licet.keys.keyring import Keyring
from licet.masked import Masked
from licet.policy import fold
from licet.policy.decide import Decision, decide_feedback
from licet.policy.file import Policies
from licet.store.connect import Transaction
from licet.vault import account_view, feedback
from licet.vault.commands import TakeBackFeedback
from licet.vault.feedback import FeedbackRow, SharedFeedback
from licet.vault.ids import Prefix, format_id
from licet.vault.requests import VerbRequest, VerbStep

PAGE_FEEDBACK_MAX = 25


class PersonFeedback(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """One feedback as its person sees it. ``keep_until`` is None under a legal hold that may be
    disclosed.
    """

    row: FeedbackRow
    decision: Decision
    keep_until: datetime | None
    shared: SharedFeedback

    @property
    def shown_id(self) -> str:
        return format_id(Prefix.feedback, self.row.feedback)


class ListedFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """A page of feedback, newest first; ``next`` begins the page after it."""

    given: tuple[PersonFeedback, ...]
    next: UUID | None


def list_feedback(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    now: datetime,
    *,
    before: UUID | None = None,
    limit: int = PAGE_FEEDBACK_MAX,
) -> ListedFeedback:
    """A page of the account's stored feedback, given before ``before``."""
    rows = feedback.list_stored(tx, account, before=before, limit=limit + 1)
    return ListedFeedback(
        given=tuple(_person_feedback(tx, keyring, policies, rows[:limit], now)),
        next=rows[limit - 1].feedback if len(rows) > limit else None,
    )


def _person_feedback(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    rows: Sequence[FeedbackRow],
    now: datetime,
) -> list[PersonFeedback]:
    views = account_view.load_views(
        tx, sorted({(row.account, row.conversation) for row in rows}), policies, now
    )
    shared = feedback.open_shared(tx, keyring, rows, now)
    made = []
    for row in rows:
        about = views[row.conversation]
        is_held = bool(about.turns.holds) and own_conversations.has_visible_hold(
            tx, row.account, row.conversation
        )
        state = row.state
        # that no verb has written yet
        for ending in account_view.account_at(about.account, policies, now).endings:
            if ending.covers(about.turns):
                state = fold.feedback_after(ending, about.turns, state, policies)
        decision = decide_feedback(about.state, about.turns, state, policies, now)
        made.append(
            PersonFeedback(
                row=row,
                decision=decision,
                keep_until=None if is_held else state.keep_until,
                shared=shared.get(row.feedback, SharedFeedback(comment="", turns=())),
            )
        )
    return made


class TakeBackRequest(VerbRequest, frozen=True, kw_only=True):
    """Takes a feedback back: it is not used from then on, and the next sweep erases its copy."""

    feedback: UUID

    @property
    def may_restrict(self) -> bool:
        return True

    def prepare(self, tx: Transaction, versions: Policies) -> VerbStep:
        """NotFoundError for one that the account never gave."""
        conversation = feedback.conversation_of(tx, self.account, self.feedback)
        if conversation is None:
            raise NotFoundError(f"no feedback `{format_id(Prefix.feedback, self.feedback)}`")
        command = TakeBackFeedback(
            account=self.account, at=self.at, conversation=conversation, feedback=self.feedback
        )
        return VerbStep(commands=(command,))
