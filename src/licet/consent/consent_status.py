"""The consent status of an account as a tree: the account, its projects and their conversations.

The account has its standing in each question; an item below has its own grants, since when it is
kept out, and the grant that covers it now. Decisions are made by the rule (`policy.decide`), not
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from licet.consent import acts, history, own_conversations
from licet.consent.acts import ActKind, ConsentAct, ConsentActs
from licet.errors import NotFoundError
from licet.keys.keyring import Keyring
from licet.masked import Masked
from licet.policy.decide import Gate, gate, unanswered_questions
from licet.policy.file import Policies
from licet.policy.state import (
    AccountState,
    ConversationKind,
    ConversationState,
    Grant,
    GrantStanding,
)
from licet.store.connect import Transaction
from licet.vault import account_view, projects
from licet.vault.projects import StoredPlace


class QuestionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A question of the version in force. ``answered`` names the version last answered, ``grant``
    is the account's own.
    """

    question: str
    covers: tuple[str, ...]
    standing: GrantStanding
    answered: str | None
    unanswered: bool
    grant: int | None
    act: ConsentAct | None


class StandingPlace(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A project or a conversation. ``own`` are the grants given for exactly it, ``in_force`` those
    that cover it.
    """

    place: StoredPlace
    title: str
    kept_out: ConsentAct | None
    own: tuple[tuple[Grant, ConsentAct | None], ...]
    in_force: tuple[Grant, ...]


class StandingTree(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A page of the tree; ``next`` is the cursor of the one after it."""

    gate: Gate
    version: str
    questions: tuple[QuestionStatus, ...]
    places: tuple[StandingPlace, ...]
    next: tuple[UUID, UUID] | None


def question_statuses(
    state: AccountState, policies: Policies, now: datetime, acts: ConsentActs | None = None
) -> tuple[QuestionStatus, ...]:
    """An account's standing in each question of the version in force, in the order of asking."""
    waiting = unanswered_questions(state, policies, now)
    stood = []
    for question in policies.in_force(now).questions:
        answered = state.answered_version(question.question)
        stood.append(
            QuestionStatus(
                question=question.question,
                covers=tuple(sorted(question.covers)),
                standing=state.standing(question.question),
                answered=policies[answered].version if answered is not None else None,
                unanswered=question.question in waiting,
                grant=state.grant(question.question),
                act=acts.questions.get(question.question) if acts is not None else None,
            )
        )
    return tuple(stood)


def load_status(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    now: datetime,
    *,
    after: tuple[UUID, UUID] | None,
    limit: int,
    titled: bool,
) -> StandingTree:
    """A page of up to ``limit`` places after ``after``; NotFoundError for an unknown account.

    Titles are content: they are unsealed only with ``titled``, for the account's own person.
    """
    row = account_view.load_accounts(tx, [account]).get(account)
    if row is None:
        raise NotFoundError("no such account")
    state = account_view.account_at(row, policies, now).account
    standing = acts.standing_acts(tx, keyring, policies, row, now)
    places = projects.tree(tx, account, after, limit + 1)
    page = places[:limit]
    titles = _titles(tx, keyring, policies, account, page, now) if titled else {}
    return StandingTree(
        gate=gate(state, policies, now),
        version=policies.in_force(now).version,
        questions=question_statuses(state, policies, now, standing),
        places=tuple(_place(place, state, standing, titles) for place in page),
        next=page[-1].cursor if len(places) > limit else None,
    )


def _place(
    place: StoredPlace,
    state: AccountState,
    acts: ConsentActs,
    titles: Mapping[tuple[UUID, UUID], str],
) -> StandingPlace:
    kept_out = place.kept_out_at
    return StandingPlace(
        place=place,
        title=titles.get(place.cursor, ""),
        kept_out=ConsentAct(act=ActKind.kept_out, at=kept_out) if kept_out is not None else None,
        own=tuple(
            (grant, acts.grants.get(grant.number))
            for grant in state.grants
            if grant.scope == place.scope
        ),
        in_force=_in_force(place, state),
    )


def _in_force(place: StoredPlace, state: AccountState) -> tuple[Grant, ...]:
    """The grant that covers the place, by question."""
    conversation = ConversationState(
        name=place.conversation.hex if place.conversation is not None else "",
        incognito=False,
        kind=ConversationKind.chat,
        project=place.project.hex if place.project is not None else "",
    )
    numbers = {state.grant_for(grant.question, conversation) for grant in state.grants}
    return tuple(grant for grant in state.grants if grant.number in numbers)


def _titles(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    page: Sequence[StoredPlace],
    now: datetime,
) -> dict[tuple[UUID, UUID], str]:
    """The title of each place, if it can be unsealed."""
    keys = keyring.account_keys(tx, [account]).get(account)
    named = [(account, place.conversation) for place in page if place.conversation is not None]
    opened = own_conversations.load_titles(
        tx, keyring, account_view.load_views(tx, named, policies, now), now
    )
    titles = {
        place.cursor: opened.get(place.conversation, "")
        for place in page
        if place.conversation is not None
    }
    return titles | {
        place.cursor: history.unseal_title(place.title, account, keys)
        for place in page
        if place.conversation is None
    }
