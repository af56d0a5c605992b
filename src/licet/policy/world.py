"""A world in memory: accounts, conversations and feedback that events act on, and questions about them.

For case files, simulations and tests, with the verbs of the vault and none of its storage. It holds the
meaning only: what `fold` and `decide` say. Times are brought up to the newest event of their account, as the
order of events, not a clock, decides which of two came first.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from licet.policy import fold
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
    UnflagEvent,
    UnholdEvent,
    WidenEvent,
)
from licet.policy.file import Policies
from licet.policy.state import AccountState, ConversationState, Feedback, TurnRole, TurnState


class Owned(msgspec.Struct):
    """A conversation, whose it is, and its turns by the name that an event gave them."""

    account: str
    conversation: ConversationState
    feedback: list[str]


class World:
    """Begins empty; ``apply`` takes events in order; the questions are about now or a later moment.

    A replay of recorded history applies stamps and dates, but not the refusals that govern live writes.
    """

    def __init__(self, policies: Policies, *, replay: bool = False) -> None:
        self.policies, self.replay = policies, replay
        self.accounts: dict[str, AccountState] = {}
        self.conversations: dict[str, Owned] = {}
        self.turns: dict[str, tuple[str, TurnState]] = {}
        self.feedback: dict[str, tuple[str, Feedback]] = {}
        self.refused: list[tuple[str, fold.Refusal | None]] = []

    def apply(self, event: Event) -> datetime:
        """Applies one event and returns its time in the account's order."""
        if isinstance(event, OpenAccountEvent):
            return self._open(event)
        account = self.accounts.get(event.account)
        if account is None:
            return event.at
        at = max(event.at, account.last_at)
        self._advance(event.account, at)
        match event:
            case SetPlanEvent():
                self._took(event.account, fold.set_plan(self.accounts[event.account], self.policies, at, event.plan))
            case SetAgeEvent():
                self._took(event.account, fold.set_age(self.accounts[event.account], self.policies, at, event.age))
            case CloseAccountEvent():
                self._took(event.account, fold.close_account(self.accounts[event.account], self.policies, at))
            case ChooseEvent():
                chosen = fold.choose(self.accounts[event.account], self.policies, at, event.allow, event.age)
                self._took(event.account, fold.AccountChange(account=chosen.account, endings=chosen.endings))
            case SayEvent():
                self._say(event, at)
            case GiveFeedbackEvent():
                self._give_feedback(event, at)
            case _:
                self._change(event, at)
        return at

    def _open(self, event: OpenAccountEvent) -> datetime:
        if event.account not in self.accounts:
            self.accounts[event.account] = fold.open_account(self.policies, event.at, event.plan, event.age)
        return event.at

    def advance(self, at: datetime) -> None:
        """Brings every account to ``at``, where its newest event is not later."""
        for name, account in self.accounts.items():
            self._advance(name, max(at, account.last_at))

    def _advance(self, name: str, at: datetime) -> None:
        self._took(name, fold.advance(self.accounts[name], self.policies, at))

    def _took(self, name: str, changed: fold.AccountChange) -> None:
        self.accounts[name] = changed.account
        for ending in changed.endings:
            for owned in self.conversations.values():
                if owned.account == name:
                    owned.conversation = fold.shortened(owned.conversation, ending.content_until)
                    self._shorten_feedback(owned, ending.feedback_until)

    def _shorten_feedback(self, owned: Owned, until: datetime) -> None:
        for name in owned.feedback:
            conversation, feedback = self.feedback[name]
            self.feedback[name] = (conversation, fold.nearer(feedback, until))

    def _say(self, event: SayEvent, at: datetime) -> None:
        owned = self.conversations.get(event.conversation)
        account = self.accounts[event.account]
        if event.turn in self.turns or (owned is not None and owned.account != event.account):
            return
        before = owned.conversation if owned is not None else None
        role = TurnRole(event.role)
        refusal = fold.refusal(account, before, self.policies, at, role)
        if self.replay and refusal in fold.LIVE_REFUSALS:
            refusal = None
        if refusal is not None:
            self.refused.append((event.turn, refusal))
            return
        if before is None:
            before = fold.begin(incognito=event.incognito, kind=event.kind, narrow=event.narrow)
        said = fold.say(account, before, self.policies, at, role, event.surface)
        if owned is None:
            self.conversations[event.conversation] = Owned(event.account, said.conversation, [])
        else:
            owned.conversation = said.conversation
        origin = event.origin or ("typed" if role is TurnRole.user else role.value)
        turn = TurnState(number=said.turn, segment=said.segment, role=role, origin=origin)
        self.turns[event.turn] = (event.conversation, turn)

    def _change(
        self,
        event: DeleteEvent | NarrowEvent | WidenEvent | FlagEvent | UnflagEvent | HoldEvent | UnholdEvent,
        at: datetime,
    ) -> None:
        owned = self.conversations.get(event.conversation)
        if owned is None or owned.account != event.account:
            return
        before, policies = owned.conversation, self.policies
        keep = policies.in_force(at).keep
        match event:
            case DeleteEvent():
                owned.conversation = fold.delete(before, policies, at)
                self._shorten_feedback(owned, keep.deleted.after(at))
            case NarrowEvent():
                owned.conversation = fold.narrow(before, policies, at)
                if owned.conversation is not before:
                    self._shorten_feedback(owned, keep.feedback_opted_out.after(at))
            case WidenEvent():
                owned.conversation = fold.widen(before)
            case FlagEvent():
                owned.conversation = fold.flag(before, policies, at)
            case UnflagEvent():
                owned.conversation = fold.unflag(before)
            case HoldEvent():
                owned.conversation = fold.hold(before, at, event.matter)
            case UnholdEvent():
                owned.conversation = fold.unhold(before, event.matter)

    def _give_feedback(self, event: GiveFeedbackEvent, at: datetime) -> None:
        owned = self.conversations.get(event.conversation)
        if owned is None or owned.account != event.account or event.feedback in self.feedback:
            return
        given = fold.feedback(self.accounts[event.account], owned.conversation, self.policies, at, event.share)
        if given is not None:
            self.feedback[event.feedback] = (event.conversation, given)
            owned.feedback.append(event.feedback)

    # Questions. The caller has advanced the world to the moment asked about.

    def decide(self, turn: str, purpose: str, at: datetime) -> Decision:
        if turn not in self.turns:
            return UNKNOWN
        name, taken = self.turns[turn]
        owned = self.conversations[name]
        return decide(self.accounts[owned.account], owned.conversation, taken, self.policies, purpose, at)

    def decide_feedback(self, feedback: str, at: datetime) -> Decision:
        if feedback not in self.feedback:
            return UNKNOWN
        name, given = self.feedback[feedback]
        owned = self.conversations[name]
        return decide_feedback(self.accounts[owned.account], owned.conversation, given, self.policies, at)

    def gate(self, account: str, at: datetime) -> Gate | None:
        return gate(self.accounts[account], self.policies, at) if account in self.accounts else None

    def usable(self, purpose: str, at: datetime) -> frozenset[str]:
        """The names of all turns that may be used."""
        return self._where(lambda turn: self.decide(turn, purpose, at).use)

    def _where(self, holds: Callable[[str], bool]) -> frozenset[str]:
        return frozenset(turn for turn in self.turns if holds(turn))
