"""Differences below the account, for its person's pages: grants for projects and chats, and what is
kept out.

Returns each question with the account's standing and the act behind it, each scoped grant, every
project, and the chats that are kept out or have a grant of their own. Titles are unsealed: only for
the person themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from licet.consent import acts, history, own_conversations
from licet.consent.acts import ConsentAct, ConsentActs
from licet.errors import NotFoundError
from licet.keys.keyring import Keyring
from licet.masked import Masked
from licet.policy.decide import is_answered
from licet.policy.file import Policies
from licet.policy.state import WHOLE_ACCOUNT, AccountState, Grant, GrantStanding, ScopeKind
from licet.store.connect import Transaction
from licet.vault import account_choices, account_view
from licet.vault.ids import Prefix, format_id

CHATS_MAX = 100  # of those that are kept out, the newest


class ScopedGrant(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A grant in force for a project or conversation, with its ``id``; ``title`` may be empty."""

    number: int
    question: str
    kind: ScopeKind
    id: UUID
    title: str
    act: ConsentAct | None


class QuestionDiffers(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A question of the version in force. ``answered``: under the terms that ask now. ``act`` is
    behind the account's standing, ``since`` when the account's grant began; ``below`` are the
    grants below it.
    """

    question: str
    covers: frozenset[str]
    standing: GrantStanding
    answered: bool
    act: ConsentAct | None
    since: datetime | None
    below: tuple[ScopedGrant, ...]

    @property
    def allows(self) -> bool:
        return self.standing is GrantStanding.granted


class PlaceDiffers(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A project, or a chat that differs; ``own`` are its grants. ``kept_out_at`` is known of a
    project alone.
    """

    kind: ScopeKind
    id: UUID
    title: str
    begun_at: datetime | None
    kept_out: bool
    kept_out_at: datetime | None
    own: tuple[ScopedGrant, ...]

    @property
    def shown_id(self) -> str:
        prefix = Prefix.project if self.kind is ScopeKind.project else Prefix.conversation
        return format_id(prefix, self.id)


class Differences(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """The questions in their order, every project, and the chats that differ."""

    questions: tuple[QuestionDiffers, ...]
    projects: tuple[PlaceDiffers, ...]
    chats: tuple[PlaceDiffers, ...]

    def question(self, name: str) -> QuestionDiffers | None:
        return next((question for question in self.questions if question.question == name), None)

    def project(self, project: UUID) -> PlaceDiffers:
        """NotFoundError for one that is not the account's."""
        for place in self.projects:
            if place.id == project:
                return place
        raise NotFoundError(f"no project `{format_id(Prefix.project, project)}`")

    def own(self, kind: ScopeKind, name: str) -> tuple[ScopedGrant, ...]:
        """The grants of exactly this project or conversation."""
        grants = (grant for question in self.questions for grant in question.below)
        return tuple(grant for grant in grants if grant.kind is kind and grant.id.hex == name)


def load_differences(
    tx: Transaction, keyring: Keyring, policies: Policies, account: UUID, now: datetime
) -> Differences:
    """The differences of an account at ``now``; NotFoundError if it does not exist."""
    row = account_view.load_accounts(tx, [account]).get(account)
    if row is None:
        raise NotFoundError("no such account")
    state = account_view.account_at(row, policies, now).account
    standing = acts.standing_acts(tx, keyring, policies, row, now)
    scoped = [grant for grant in state.grants if grant.scope.kind is not ScopeKind.account]
    out = account_view.kept_out_ids(tx, account, CHATS_MAX)
    chats = list(dict.fromkeys([*_scope_ids(scoped, ScopeKind.conversation), *out]))
    named = account_view.load_views(tx, [(account, chat) for chat in chats], policies, now)
    titles = own_conversations.load_titles(tx, keyring, named, now)
    own = history.list_projects(tx, keyring, account)
    titles |= {
        project.project: own_conversations.truncate(" ".join(project.title.split()))
        for project in own
    }
    grants = [_scoped_grant(grant, titles, standing) for grant in scoped]
    return Differences(
        questions=tuple(_question_differences(tx, account, state, policies, now, standing, grants)),
        projects=tuple(
            PlaceDiffers(
                kind=ScopeKind.project,
                id=project.project,
                title=titles.get(project.project, ""),
                begun_at=project.begun_at,
                kept_out=project.kept_out_at is not None,
                kept_out_at=project.kept_out_at,
                own=tuple(grant for grant in grants if grant.id == project.project),
            )
            for project in own
        ),
        chats=tuple(
            PlaceDiffers(
                kind=ScopeKind.conversation,
                id=chat,
                title=titles.get(chat, ""),
                begun_at=None,
                kept_out=chat in out,
                kept_out_at=None,
                own=tuple(grant for grant in grants if grant.id == chat),
            )
            for chat in chats
        ),
    )


def _question_differences(
    tx: Transaction,
    account: UUID,
    state: AccountState,
    policies: Policies,
    now: datetime,
    acts: ConsentActs,
    grants: Sequence[ScopedGrant],
) -> list[QuestionDiffers]:
    newest = policies.newest_material(now)
    began = account_choices.grant_times(
        tx, account, [grant.number for grant in state.grants if grant.scope == WHOLE_ACCOUNT]
    )
    return [
        QuestionDiffers(
            question=question.question,
            covers=question.covers,
            standing=state.standing(question.question),
            answered=newest is not None and is_answered(state, question.question, newest),
            act=acts.questions.get(question.question),
            since=began.get(state.grant(question.question) or 0),
            below=tuple(grant for grant in grants if grant.question == question.question),
        )
        for question in policies.in_force(now).questions
    ]


def _scope_ids(grants: Sequence[Grant], kind: ScopeKind) -> list[UUID]:
    return [UUID(hex=grant.scope.name) for grant in grants if grant.scope.kind is kind]


def _scoped_grant(grant: Grant, titles: dict[UUID, str], acts: ConsentActs) -> ScopedGrant:
    named = UUID(hex=grant.scope.name)
    return ScopedGrant(
        number=grant.number,
        question=grant.question,
        kind=grant.scope.kind,
        id=named,
        title=titles.get(named, ""),
        act=acts.grants.get(grant.number),
    )
