"""A world in memory: accounts, conversations and feedback that events act on, and questions about
them.

For case files, simulations and tests, with the verbs of the vault and none of its storage: only the
results of `fold` and `decide`. Times are raised to the account's newest event, because the order of
events, not a clock, determines which came first.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from licet.policy import fold, outcomes
from licet.policy.decide import UNKNOWN, Decision, Gate, decide, decide_feedback, gate
from licet.policy.events import (
    ChooseEvent,
    CloseAccountEvent,
    DeleteEvent,
    Event,
    FlagEvent,
    GiveFeedbackEvent,
    HoldEvent,
    NarrowEvent,
    OpenAccountEvent,
    SayEvent,
    SetAgeEvent,
    SetPlanEvent,
    SetRegionEvent,
    UnflagEvent,
    UnholdEvent,
    WidenEvent,
)
from licet.policy.file import Policies
from licet.policy.retention import ContentKind
from licet.policy.state import (
    AccountState,
    ConversationState,
    Feedback,
    ScopeKind,
    TurnRole,
    TurnState,
)


class Owned(msgspec.Struct):
    """A conversation, its account, and its turns by their names in events."""

    account: str
    conversation: ConversationState
    feedback: list[str]


class World:
    """Begins empty; ``apply`` takes events in order; queries are about now or later.

    A replay of recorded history applies stamps and dates, but not the refusals of live writes.
    History from before the account's newest event can give nothing any more: a turn is under no
    grant, and a yes has no effect.
    """

    def __init__(self, policies: Policies, *, replay: bool = False) -> None:
        self.policies, self.replay = policies, replay
        self.accounts: dict[str, AccountState] = {}
        self.conversations: dict[str, Owned] = {}
        self.turns: dict[str, tuple[str, TurnState]] = {}
        self.feedback: dict[str, tuple[str, Feedback]] = {}
        self.refused: list[tuple[str, outcomes.Refusal | None]] = []

    def apply(self, event: Event) -> datetime:
        """Applies an event; returns its time in the account's order."""
        if isinstance(event, OpenAccountEvent):
            return self._open(event)
        account = self.accounts.get(event.account)
        if account is None:
            return event.at
        at = max(event.at, account.last_at)
        self._advance(event.account, at)
        match event:
            case SetPlanEvent():
                self._apply_change(
                    event.account,
                    fold.set_plan(self.accounts[event.account], self.policies, at, event.plan),
                )
            case SetAgeEvent():
                self._apply_change(
                    event.account,
                    fold.set_age(self.accounts[event.account], self.policies, at, event.age),
                )
            case SetRegionEvent():
                self._apply_change(
                    event.account,
                    fold.set_region(self.accounts[event.account], self.policies, at, event.region),
                )
            case CloseAccountEvent():
                self._apply_change(
                    event.account,
                    fold.close_account(self.accounts[event.account], self.policies, at),
                )
            case ChooseEvent():
                self._choose(event, at)
            case SayEvent():
                self._add_turn(event, at, is_late=self.replay and event.at < account.last_at)
            case NarrowEvent() | WidenEvent() if event.project is not None:
                self._change_project(event, event.project, at)
            case GiveFeedbackEvent():
                self._give_feedback(event, at)
            case _:
                self._change(event, at)
        return at

    def _open(self, event: OpenAccountEvent) -> datetime:
        if event.account not in self.accounts:
            self.accounts[event.account] = fold.open_account(
                self.policies, event.at, event.plan, event.age
            )
        return event.at

    def advance(self, at: datetime) -> None:
        """Brings every account to ``at``, unless its newest event is later."""
        for name, account in self.accounts.items():
            self._advance(name, max(at, account.last_at))

    def _advance(self, name: str, at: datetime) -> None:
        self._apply_change(name, fold.advance(self.accounts[name], self.policies, at))

    def _apply_change(self, name: str, changed: outcomes.AccountChange) -> None:
        self.accounts[name] = changed.account
        if not changed.endings and changed.all_until is None:
            return
        for owned in self.conversations.values():
            if owned.account == name:
                for ending in changed.endings:
                    self._apply_ending(owned, ending)
                if changed.all_until is not None:
                    owned.conversation = fold.shorten_segments(
                        owned.conversation, changed.all_until
                    )
                    self._shorten_feedback(owned, changed.all_until)

    def _apply_ending(self, owned: Owned, ending: outcomes.Ending) -> None:
        if not ending.covers(owned.conversation):
            return
        owned.conversation = fold.after_ending(ending, owned.conversation, self.policies)
        for name in owned.feedback:
            conversation, feedback = self.feedback[name]
            nearer = fold.feedback_after(ending, owned.conversation, feedback, self.policies)
            self.feedback[name] = (conversation, nearer)

    def _shorten_feedback(self, owned: Owned, until: datetime) -> None:
        for name in owned.feedback:
            conversation, feedback = self.feedback[name]
            self.feedback[name] = (conversation, fold.shorten_date(feedback, until))

    def _find_owned(self, account: str, conversation: str | None) -> Owned | None:
        """Returns the account's conversation of that name; another account's is as unknown as a
        missing one.
        """
        owned = self.conversations.get(conversation or "")
        return owned if owned is not None and owned.account == account else None

    def _choose(self, event: ChooseEvent, at: datetime) -> None:
        if self.replay and event.allow and event.at < at:
            return
        scope = event.chosen_for
        named = (
            self._find_owned(event.account, scope.name)
            if scope.kind is ScopeKind.conversation
            else None
        )
        chosen = fold.choose(
            self.accounts[event.account],
            self.policies,
            at,
            event.allow,
            question=event.question,
            scope=scope,
            conversation=named.conversation if named else None,
            keep=[kept.scope for kept in event.keep],
            age=event.age,
        )
        self._apply_change(
            event.account, outcomes.AccountChange(account=chosen.account, endings=chosen.endings)
        )

    def _add_turn(self, event: SayEvent, at: datetime, *, is_late: bool) -> None:
        owned = self.conversations.get(event.conversation)
        account = self.accounts[event.account]
        if event.turn in self.turns or (owned is not None and owned.account != event.account):
            return
        before = owned.conversation if owned is not None else None
        role = TurnRole(event.role)
        if self.replay:
            refusal = fold.refusal_of_history(account, before)
        else:
            refusal = fold.refusal(account, before, self.policies, at, role)
        if refusal is not None:
            self.refused.append((event.turn, refusal))
            return
        if before is None:
            before = fold.begin_conversation(
                account,
                name=event.conversation,
                project=event.project,
                incognito=event.incognito,
                kind=event.kind,
                narrow=event.narrow,
            )
        origin = event.origin or ("typed" if role is TurnRole.user else role.value)
        if not is_late:
            taken = fold.add_turn(account, before, self.policies, at, role, event.surface, origin)
        elif before.segments and event.at < before.segments[-1].last_at:
            return
        else:
            taken = fold.add_late_turn(
                account, before, self.policies, event.at, role, event.surface, origin, now=at
            )
        if owned is None:
            self.conversations[event.conversation] = Owned(event.account, taken.conversation, [])
        else:
            owned.conversation = taken.conversation
        turn = TurnState(number=taken.turn, segment=taken.segment, role=role, origin=origin)
        self.turns[event.turn] = (event.conversation, turn)

    def _change(
        self,
        event: DeleteEvent
        | NarrowEvent
        | WidenEvent
        | FlagEvent
        | UnflagEvent
        | HoldEvent
        | UnholdEvent,
        at: datetime,
    ) -> None:
        owned = self._find_owned(event.account, event.conversation)
        if owned is None:
            return
        before, policies = owned.conversation, self.policies
        match event:
            case DeleteEvent():
                owned.conversation = fold.delete(before, policies, at)
                self._shorten_feedback(
                    owned, policies.in_force(at).keep.period(ContentKind.deleted).after(at)
                )
            case NarrowEvent():
                self._narrow(event.account, owned, at)
            case WidenEvent():
                owned.conversation = fold.widen_conversation(before)
            case FlagEvent():
                owned.conversation = fold.flag(self.accounts[event.account], before, policies, at)
            case UnflagEvent():
                owned.conversation = fold.unflag(before)
            case HoldEvent():
                owned.conversation = fold.hold(before, at, event.matter)
            case UnholdEvent():
                owned.conversation = fold.unhold(before, event.matter)

    def _narrow(self, account: str, owned: Owned, at: datetime) -> None:
        narrowed = fold.narrow(self.accounts[account], owned.conversation, self.policies, at)
        if narrowed.conversation is owned.conversation:
            return
        self.accounts[account], owned.conversation = narrowed.account, narrowed.conversation
        until = (
            self.policies.in_force(at).keep.period(ContentKind.feedback, allowed=False).after(at)
        )
        self._shorten_feedback(owned, until)

    def _change_project(self, event: NarrowEvent | WidenEvent, project: str, at: datetime) -> None:
        account = self.accounts[event.account]
        if isinstance(event, WidenEvent):
            self.accounts[event.account] = fold.let_project_in(account, project)
            return
        for owned in self.conversations.values():
            if owned.account == event.account and owned.conversation.project == project:
                self._narrow(event.account, owned, at)
        self._apply_change(
            event.account,
            fold.keep_project_out(self.accounts[event.account], self.policies, at, project),
        )

    def _give_feedback(self, event: GiveFeedbackEvent, at: datetime) -> None:
        owned = self.conversations.get(event.conversation)
        if owned is None or owned.account != event.account or event.feedback in self.feedback:
            return
        feedback = fold.give_feedback(
            self.accounts[event.account], owned.conversation, self.policies, at, event.share
        )
        if feedback is not None:
            self.feedback[event.feedback] = (event.conversation, feedback)
            owned.feedback.append(event.feedback)

    # Queries: the caller has advanced the world to their time.

    def decide(self, turn: str, purpose: str, at: datetime) -> Decision:
        if turn not in self.turns:
            return UNKNOWN
        name, taken = self.turns[turn]
        owned = self.conversations[name]
        return decide(
            self.accounts[owned.account], owned.conversation, taken, self.policies, purpose, at
        )

    def decide_feedback(self, feedback: str, at: datetime) -> Decision:
        if feedback not in self.feedback:
            return UNKNOWN
        name, given = self.feedback[feedback]
        owned = self.conversations[name]
        return decide_feedback(
            self.accounts[owned.account], owned.conversation, given, self.policies, at
        )

    def gate(self, account: str, at: datetime) -> Gate | None:
        return gate(self.accounts[account], self.policies, at) if account in self.accounts else None

    def usable(self, purpose: str, at: datetime) -> frozenset[str]:
        """Returns the names of all usable turns."""
        return self._where(lambda turn: self.decide(turn, purpose, at).use)

    def _where(self, holds: Callable[[str], bool]) -> frozenset[str]:
        return frozenset(turn for turn in self.turns if holds(turn))
