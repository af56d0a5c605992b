"""A person's decision on one chat or project: use it, keep it out, or follow the settings.

Each is one transaction. *Use it* is a yes for it alone; if it is kept out it is let in first, for
every allowed question, as the page states. *Keep it out* is the vault's `Narrow` or
`KeepProjectOut`. *As in my settings* lets it in, and ends a grant of its own by repeating the
account's no with every other grant kept by name: it is possible only if the account's answer is a
no under the current terms. An act that gives permission fails if the state has changed since the
page was shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
from msgspec.structs import replace

from licet.consent import choices, notice_views
from licet.errors import NotFoundError, RefusedError
from licet.policy import fold
from licet.policy.decide import unanswered_questions
from licet.policy.file import Policies
from licet.policy.outcomes import NoEffect
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
from licet.vault.ids import Prefix, format_id
from licet.vault.requests import VerbRequest, VerbStep

VIA = "chats"
REFUSED = (GrantStanding.declined, GrantStanding.withdrawn)


class ScopeAct(StrEnum):
    use = "use"
    keep_out = "keep_out"
    as_settings = "as_settings"


class ScopeStands(msgspec.Struct, frozen=True, kw_only=True):
    """A chat or project and its account. ``out_at`` is since when a project is kept out."""

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
        """For a chat: the grant of its project, which covers it after its own has ended."""
        if self.conversation is None or not self.conversation.project:
            return None
        whole = GrantScope(ScopeKind.project, self.conversation.project)
        return next(
            (
                grant
                for grant in self.state.grants
                if (grant.question, grant.scope) == (question, whole)
            ),
            None,
        )

    @property
    def let_in(self) -> ScopeStands:
        """The state after it is let in."""
        if self.conversation is not None:
            return replace(self, conversation=fold.widen_conversation(self.conversation))
        return replace(self, state=fold.let_project_in(self.state, self.scope.name), out_at=None)

    def obstacle(self, policies: Policies, now: datetime, question: str) -> NoEffect | None:
        """Why a yes for it would have no effect, after it is let in; None if it would have."""
        state = self.let_in
        made = fold.choose(
            state.state,
            policies,
            now,
            True,
            question=question,
            scope=self.scope,
            conversation=state.conversation,
        )
        return made.because or made.answers[0].because

    def grants_to_end(self, policies: Policies, now: datetime) -> tuple[Grant, ...]:
        """Its own grants that `as in my settings` ends: those of questions that the account has
        answered with no. With a yes, ending one would withdraw what both allow.
        """
        waiting = unanswered_questions(self.state, policies, now)
        return tuple(
            grant
            for grant in self.own
            if self.state.standing(grant.question) in REFUSED and grant.question not in waiting
        )


def view(
    tx: Transaction,
    policies: Policies,
    account: UUID,
    now: datetime,
    *,
    conversation: UUID | None = None,
    project: UUID | None = None,
) -> ScopeStands:
    """A conversation or a project of the account's own; NotFoundError for any other id."""
    if conversation is not None:
        loaded = account_view.load_views(tx, [(account, conversation)], policies, now).get(
            conversation
        )
        if loaded is None:
            raise NotFoundError(f"no conversation `{format_id(Prefix.conversation, conversation)}`")
        scope = GrantScope(ScopeKind.conversation, conversation.hex)
        return ScopeStands(state=loaded.state, scope=scope, conversation=loaded.turns)
    assert project is not None
    row = account_view.load_accounts(tx, [account]).get(account)
    projects = tables.load_projects(tx, [(account, project)], [])
    if row is None or not projects:
        raise NotFoundError(f"no project `{format_id(Prefix.project, project)}`")
    state = account_view.account_at(row, policies, now).account
    return ScopeStands(
        state=state,
        scope=GrantScope(ScopeKind.project, project.hex),
        out_at=projects[0].kept_out_at,
    )


class ScopeFormResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result; ``because`` is why there was no effect."""

    because: NoEffect | None = None
    done: bool = False


class ScopeForm(VerbRequest, frozen=True, kw_only=True):
    """An act on a ``conversation`` or a ``project``. ``question`` is the one allowed, empty if only
    one is asked; ``narrowings`` and ``out_at`` are the state that the page showed.
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

    @property
    def may_restrict(self) -> bool:
        return self.act is not ScopeAct.use

    def prepare(self, tx: Transaction, versions: Policies) -> VerbStep:
        """RefusedError (`stale`) if the state has changed since the page and the act would give a
        permission.
        """
        state = view(
            tx,
            versions,
            self.account,
            self.at,
            conversation=self.conversation,
            project=self.project,
        )
        match self.act:
            case ScopeAct.use:
                return self._use(tx, versions, state)
            case ScopeAct.keep_out:
                return VerbStep(commands=(self._keep_out(),), finish=_form_result)
            case ScopeAct.as_settings:
                return VerbStep(
                    commands=tuple(self._as_settings(tx, versions, state)), finish=_form_result
                )

    @property
    def _scope(self) -> ChosenScope:
        return ChosenScope(project=self.project, conversation=self.conversation)

    def _use(self, tx: Transaction, versions: Policies, scope_state: ScopeStands) -> VerbStep:
        asks = versions.in_force(self.at).asks
        question = asks[0] if self.question == "" and len(asks) == 1 else self.question
        because = scope_state.obstacle(versions, self.at, question)
        if because is not None:
            return VerbStep(finish=lambda _: ScopeFormResult(because=because))
        answered = notice_views.find(tx, self.account, self.showing)
        if answered is None:
            raise RefusedError("a yes needs the question that it answers", because=STALE)
        newest = notice_views.newest_answers(tx, self.account).get(question)
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
        return VerbStep(
            commands=(*self._let_in(scope_state), chosen.command(answered)), finish=_form_result
        )

    def _keep_out(self) -> Command:
        if self.conversation is not None:
            return Narrow(account=self.account, at=self.at, conversation=self.conversation)
        return KeepProjectOut(account=self.account, at=self.at, project=self.project)

    def _let_in(self, scope_state: ScopeStands) -> list[Command]:
        """The commands that let it in; RefusedError (`stale`) if it was kept out again since."""
        if not scope_state.kept_out:
            return []
        if self.conversation is not None:
            times = -1 if self.narrowings is None else self.narrowings
            if scope_state.conversation is None or scope_state.conversation.narrowings != times:
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
        if scope_state.out_at != self.out_at:
            raise RefusedError(
                "the project was kept out again since", "look at it again", because=STALE
            )
        return [
            LetProjectIn(
                account=self.account, at=self.at, project=self.project, out_at=scope_state.out_at
            )
        ]

    def _as_settings(
        self, tx: Transaction, versions: Policies, scope_state: ScopeStands
    ) -> list[Command]:
        answered = notice_views.find(tx, self.account, self.showing)
        commands: list[Command] = self._let_in(scope_state)
        for ended in scope_state.grants_to_end(versions, self.at):
            others = (
                g
                for g in scope_state.state.grants
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
            commands.append(chosen.command(answered))
        return commands

    @property
    def _as_scope(self) -> GrantScope:
        if self.conversation is not None:
            return GrantScope(ScopeKind.conversation, self.conversation.hex)
        assert self.project is not None
        return GrantScope(ScopeKind.project, self.project.hex)


def _form_result(answers: Sequence[CommandResult]) -> ScopeFormResult:
    """A stale answer had no effect. RefusedError cannot be raised here: the rest of the batch is
    written.
    """
    if any(answer.outcome is Outcome.refused for answer in answers):
        return ScopeFormResult()
    words = [
        answer.because
        for answer in answers
        if answer.outcome is Outcome.unchanged and answer.because
    ]
    return ScopeFormResult(because=NoEffect(words[0]) if words else None, done=not words)
