"""What a person says about one chat or one project of theirs: use it, keep it out, or let it be as
in their settings.

Each is one verb and one transaction. *Use it* is a yes for it alone; where it is kept out it is let
in first, which lets it in for every question that is allowed, as the page says before. *Keep it
out* is the vault's `Narrow` and `KeepProjectOut`. *As in my settings* lets it in where it is kept
out, and ends a grant of its own by the account's no said again, which keeps every other grant by
name: so it is open only where the account's answer is a no under today's terms. What gives
permission counts only while things stand as the page showed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
from msgspec.structs import replace

from licet.consent import choices, showings
from licet.errors import NotFoundError, RefusedError
from licet.policy import fold
from licet.policy.decide import unanswered
from licet.policy.file import Policies
from licet.policy.fold import NoEffect
from licet.policy.state import (
    AccountState,
    ConversationState,
    Grant,
    GrantScope,
    GrantStanding,
    ScopeKind,
)
from licet.store.connect import Transaction
from licet.vault import account_view, tables
from licet.vault.commands import (
    STALE,
    ChosenScope,
    Command,
    CommandResult,
    KeepProjectOut,
    LetProjectIn,
    Narrow,
    Outcome,
    Widen,
)
from licet.vault.ids import Prefix, shown
from licet.vault.requests import VerbRequest, VerbStep

VIA = "chats"
REFUSED = (GrantStanding.declined, GrantStanding.withdrawn)


class ScopeAct(StrEnum):
    use = "use"
    keep_out = "keep_out"
    as_settings = "as_settings"


class ScopeStands(msgspec.Struct, frozen=True, kw_only=True):
    """A chat or a project and its account as they are at a moment. ``out_at`` is since when a
    project is kept out.
    """

    state: AccountState
    scope: GrantScope
    conversation: ConversationState | None = None
    out_at: datetime | None = None

    @property
    def kept_out(self) -> bool:
        return (
            self.conversation.narrowed if self.conversation is not None else self.out_at is not None
        )

    @property
    def own(self) -> tuple[Grant, ...]:
        return tuple(grant for grant in self.state.grants if grant.scope == self.scope)

    def project_grant(self, question: str) -> Grant | None:
        """Of a chat: the grant of its project, which covers it once its own ended."""
        if self.conversation is None or not self.conversation.project:
            return None
        whole = GrantScope(ScopeKind.project, self.conversation.project)
        return next(
            (one for one in self.state.grants if (one.question, one.scope) == (question, whole)),
            None,
        )

    @property
    def let_in(self) -> ScopeStands:
        """The same once it is let in."""
        if self.conversation is not None:
            return replace(self, conversation=fold.widen(self.conversation))
        return replace(self, state=fold.let_project_in(self.state, self.scope.name), out_at=None)

    def why_not(self, policies: Policies, at: datetime, question: str) -> NoEffect | None:
        """Why a yes for it would do nothing about the question, once it is let in; None where it
        would.
        """
        seen = self.let_in
        made = fold.choose(
            seen.state,
            policies,
            at,
            True,
            question=question,
            scope=self.scope,
            conversation=seen.conversation,
        )
        return made.because or made.answers[0].because

    def returns(self, policies: Policies, at: datetime) -> tuple[Grant, ...]:
        """Its own grants that `as in my settings` ends: those of questions to which the account
        says no today. Where it says yes, ending one would take away what both of them allow.
        """
        waiting = unanswered(self.state, policies, at)
        return tuple(
            grant
            for grant in self.own
            if self.state.standing(grant.question) in REFUSED and grant.question not in waiting
        )


def view(
    tx: Transaction,
    policies: Policies,
    account: UUID,
    at: datetime,
    *,
    conversation: UUID | None = None,
    project: UUID | None = None,
) -> ScopeStands:
    """A conversation or a project of the account's own; NotFoundError for any other id."""
    if conversation is not None:
        seen = account_view.seen(tx, [(account, conversation)], policies, at).get(conversation)
        if seen is None:
            raise NotFoundError(f"no conversation `{shown(Prefix.conversation, conversation)}`")
        scope = GrantScope(ScopeKind.conversation, conversation.hex)
        return ScopeStands(state=seen.state, scope=scope, conversation=seen.turns)
    assert project is not None
    row = account_view.accounts(tx, [account]).get(account)
    found = tables.load_projects(tx, [(account, project)], [])
    if row is None or not found:
        raise NotFoundError(f"no project `{shown(Prefix.project, project)}`")
    state = account_view.brought(row, policies, at).account
    return ScopeStands(
        state=state, scope=GrantScope(ScopeKind.project, project.hex), out_at=found[0].kept_out_at
    )


class ScopeFormResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it: ``because`` is why nothing did."""

    because: NoEffect | None = None
    done: bool = False


class ScopeForm(VerbRequest, frozen=True, kw_only=True):
    """What was asked, of a ``conversation`` or a ``project``. ``question`` is the one that a use is
    for, empty where one is asked; ``narrowings`` and ``out_at`` say how it was kept out on the
    page.
    """

    act: ScopeAct
    conversation: UUID | None = None
    project: UUID | None = None
    question: str = ""
    narrowings: int | None = None
    out_at: datetime | None = None
    showing: str = ""
    surface: str = "app"
    gpc: bool = False

    def prepare(self, tx: Transaction, known: Policies) -> VerbStep:
        """RefusedError (`stale`) where things stand otherwise than on the page, and the act would
        give a permission.
        """
        seen = view(
            tx, known, self.account, self.at, conversation=self.conversation, project=self.project
        )
        match self.act:
            case ScopeAct.use:
                return self._use(tx, known, seen)
            case ScopeAct.keep_out:
                return VerbStep(commands=(self._keep_out(),), finish=_done)
            case ScopeAct.as_settings:
                return VerbStep(commands=tuple(self._as_settings(tx, known, seen)), finish=_done)

    @property
    def _scope(self) -> ChosenScope:
        return ChosenScope(project=self.project, conversation=self.conversation)

    def _use(self, tx: Transaction, known: Policies, seen: ScopeStands) -> VerbStep:
        asks = known.in_force(self.at).asks
        question = asks[0] if self.question == "" and len(asks) == 1 else self.question
        because = seen.why_not(known, self.at, question)
        if because is not None:
            return VerbStep(finish=lambda _: ScopeFormResult(because=because))
        answered = showings.find(tx, self.account, self.showing)
        if answered is None:
            raise RefusedError("a yes needs the question that it answers", because=STALE)
        newest = showings.newest_answers(tx, self.account).get(question)
        if newest is not None and newest.seq > answered.after_seq:
            raise RefusedError("the question is older than the newest answer", because=STALE)
        chosen = choices.ChoiceRequest(
            account=self.account,
            at=self.at,
            allow=True,
            via=VIA,
            question=question,
            scope=self._scope,
            surface=self.surface,
            showing=self.showing,
            gpc=self.gpc,
        )
        return VerbStep(commands=(*self._let_in(seen), chosen.command(answered)), finish=_done)

    def _keep_out(self) -> Command:
        if self.conversation is not None:
            return Narrow(account=self.account, at=self.at, conversation=self.conversation)
        return KeepProjectOut(account=self.account, at=self.at, project=self.project)

    def _let_in(self, seen: ScopeStands) -> list[Command]:
        """What lets it in, where it is kept out; RefusedError (`stale`) where it was kept out again
        since.
        """
        if not seen.kept_out:
            return []
        if self.conversation is not None:
            times = -1 if self.narrowings is None else self.narrowings
            if seen.conversation is None or seen.conversation.narrowings != times:
                raise RefusedError(
                    "the conversation was kept out again since", "look at it again", because=STALE
                )
            return [
                Widen(
                    account=self.account,
                    at=self.at,
                    conversation=self.conversation,
                    narrowings=times,
                )
            ]
        if seen.out_at != self.out_at:
            raise RefusedError(
                "the project was kept out again since", "look at it again", because=STALE
            )
        return [
            LetProjectIn(account=self.account, at=self.at, project=self.project, out_at=seen.out_at)
        ]

    def _as_settings(self, tx: Transaction, known: Policies, seen: ScopeStands) -> list[Command]:
        answered = showings.find(tx, self.account, self.showing)
        told: list[Command] = self._let_in(seen)
        for ended in seen.returns(known, self.at):
            others = (
                g
                for g in seen.state.grants
                if g.question == ended.question and g.scope != self._as_scope
            )
            chosen = choices.ChoiceRequest(
                account=self.account,
                at=self.at,
                allow=False,
                via=VIA,
                question=ended.question,
                keep=tuple(map(choices.scope_of, others)),
                surface=self.surface,
                showing=self.showing or None,
                gpc=self.gpc,
            )
            told.append(chosen.command(answered))
        return told

    @property
    def _as_scope(self) -> GrantScope:
        if self.conversation is not None:
            return GrantScope(ScopeKind.conversation, self.conversation.hex)
        assert self.project is not None
        return GrantScope(ScopeKind.project, self.project.hex)


def _done(answers: Sequence[CommandResult]) -> ScopeFormResult:
    """RefusedError cannot be raised here, as the rest of the batch is done: a stale answer did
    nothing.
    """
    if any(answer.outcome is Outcome.refused for answer in answers):
        return ScopeFormResult()
    words = [
        answer.because
        for answer in answers
        if answer.outcome is Outcome.unchanged and answer.because
    ]
    return ScopeFormResult(because=NoEffect(words[0]) if words else None, done=not words)
