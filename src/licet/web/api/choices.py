"""The choice: made, listed, and where it stands, as a tree of account, projects and conversations.

What has no effect by the rule is answered with 201 as any other choice, for it is on record:
`effect` is `none`, `because` says why and `detail` what to do.
"""

from __future__ import annotations

from uuid import UUID

from litestar import Response, get, post
from litestar.params import JSONBody

from licet.access.roles import Scope, may
from licet.consent import consent_status
from licet.consent.acts import ConsentAct
from licet.consent.choices import ChoiceRequest
from licet.consent.consent_status import QuestionStatus, StandingPlace
from licet.errors import NotFoundError, UsageError
from licet.policy.outcomes import Answer, Effect, NoEffect
from licet.policy.state import Grant
from licet.store.connect import Transaction
from licet.vault import account_choices, policy_versions
from licet.vault.account_choices import StoredChoice
from licet.vault.commands import ChoiceFault, ChosenScope, CommandResult
from licet.vault.ids import Prefix, format_id, host_hmac, parse
from licet.vault.projects import scope_of
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.accounts import SEES
from licet.web.api.problems import ContradictoryRequestError
from licet.web.api.references import (
    HOST,
    account_of,
    own,
    project_of,
    require_account,
    site_of,
)
from licet.web.api.shared import (
    READS,
    WRITES,
    AccountRef,
    AnyRequest,
    Cursor,
    IdempotencyKey,
    Limit,
)

TAG = ["choices"]

# What to do where a choice did nothing.
WHAT_TO_DO: dict[NoEffect, str] = {
    NoEffect.closed: "the account is closed: nothing can be chosen for it any more",
    NoEffect.not_begun: "no version of the policy has begun: choose again from its first instant on",
    NoEffect.not_asked: "the version in force does not ask this question: name one of `could_name`",
    NoEffect.several_questions: (
        "several questions are asked, and a yes is to one: name one of `could_name` as `question`"
    ),
    NoEffect.plan: "the account's plan is outside the policy: report another plan first, if it has one",
    NoEffect.age: "the account's age is unknown or below the minimum: give `age`, if it is unknown",
    NoEffect.gate: (
        "a question waits for an answer: the person answers each for the account first, either way"
    ),
    NoEffect.kept_out: "it is kept out: let it in first, then choose again",
    NoEffect.unknown: (
        "the account has no such project or conversation: send its first turn "
        "before you choose "
        "for it"
    ),
    NoEffect.deleted: (
        "the conversation was deleted, and what was deleted is never used: choose for another one"
    ),
    NoEffect.expired: "the conversation has expired: choose for another one",
    NoEffect.incognito: "incognito conversations are never used: choose for another one",
    NoEffect.covered: "a grant that covers it is in force already: there is nothing to do",
}
_STRONGEST = (Effect.began, Effect.affirmed, Effect.withdrew, Effect.declined)


@post(
    "/v1/accounts/{account:str}/choices",
    may=may(person=True, scope=Scope.choices_write),
    responses=WRITES,
    tags=TAG,
)
async def choose(
    request: AnyRequest,
    account: AccountRef,
    data: JSONBody[schema.NewChoice],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ChosenAnswer]:
    """Allows or refuses, or withdraws, a question or all of them. `Sec-GPC` is stored as evidence
    and decides nothing.

    A yes without a scope is for the account, with one for a project or a conversation; a no is for
    the account, and leaves what `keep` names. A no with a `scope` is an error (422). Any other no
    counts whatever it refers to: `not_taken` lists the keys that named nothing of the account's.

    A yes to a `showing` that is older than the newest choice, or than the terms in force, is
    refused (409, `stale`), one to an unknown showing is not found (404); the same answer to the
    same showing is one choice. `age` is taken only if none is known, or if it is lower, even if the
    rest is refused.
    """
    site, holder = site_of(request), await account_of(request, account)
    if data.scope is not None and not data.allow:  # the policy's page: a no for a scope is `narrow`
        raise ContradictoryRequestError(
            "`scope` belongs to a yes: a no is for the account",
            "keep out the project or the conversation instead",
        )
    asked = ChoiceRequest(
        account=holder,
        at=site.now(),
        allow=data.allow,
        question=data.question,
        scope=_scope(data.scope, site.host_key) if data.scope is not None else None,
        keep=tuple(_scope(kept, site.host_key) for kept in data.keep),
        age=data.age,
        via=data.via,
        surface=data.surface,
        showing=data.showing,
        fault=_fault(data),
        gpc=request.headers.get("sec-gpc") == "1",
    )
    written = await shell.write(request, asked, idempotency_key)
    return shell.answered(_chosen(written.answer), written, 201)


def _scope(named: schema.NewScope, host_key: bytes) -> ChosenScope:
    """The scope; an invalid one names nothing, and the choice decides what that means."""
    project, conversation = named.project, named.conversation
    if (project is None) == (conversation is None):
        return _NOTHING
    try:
        if project is not None:
            return project_of(project, host_key) if project.removeprefix(HOST) else _NO_PROJECT
        assert conversation is not None
        if conversation.startswith(HOST):
            host = host_hmac(host_key, "conversation", conversation.removeprefix(HOST))
            return ChosenScope(host_conversation=host)
        return ChosenScope(conversation=parse(Prefix.conversation, conversation))
    except (NotFoundError, UsageError):
        return _NOTHING if project is None else _NO_PROJECT


_NOTHING, _NO_PROJECT = ChosenScope(conversation=UUID(int=0)), ChosenScope(project=UUID(int=0))


def _fault(data: schema.NewChoice) -> ChoiceFault | None:
    """The part of the request that contradicts a yes."""
    if data.keep:
        return ChoiceFault.keep
    scope = data.scope
    both_or_none = scope is not None and (scope.project is None) == (scope.conversation is None)
    return ChoiceFault.scope if both_or_none else None


def _chosen(answer: CommandResult) -> schema.ChosenAnswer:
    because = NoEffect(answer.because) if answer.because else None
    names = because in (NoEffect.not_asked, NoEffect.several_questions)
    effects = {one.effect for one in answer.answers}
    return schema.ChosenAnswer(
        outcome=answer.outcome,
        at=answer.at,
        account=format_id(Prefix.account, answer.account),
        effect=next((effect for effect in _STRONGEST if effect in effects), Effect.none),
        answers=tuple(_answer(one) for one in answer.answers),
        because=because,
        detail=WHAT_TO_DO[because] if because is not None else "",
        could_name=answer.could_name if names else (),
        ended=tuple(map(shell.grant_shown, answer.ended)),
        not_taken=answer.not_taken,
    )


def _answer(answer: Answer) -> schema.AnsweredAnswer:
    return schema.AnsweredAnswer(
        question=answer.question,
        effect=answer.effect,
        grant=answer.grant,
        kept=tuple(map(shell.grant_shown, answer.kept)),
        **shell.scope_shown(answer.scope),
    )


@get("/v1/accounts/{account:str}/choices", may=SEES, responses=READS, tags=TAG)
async def list_choices(
    request: AnyRequest, account: AccountRef, cursor: Cursor = None, limit: Limit = shell.LIMIT
) -> schema.ChoicePage:
    """Every choice, newest first, with one item for each question that it answered."""
    holder, before = await account_of(request, account), shell.int_cursor(cursor)

    def read(tx: Transaction) -> schema.ChoicePage:
        require_account(tx, holder)
        made = account_choices.list_by_account(
            tx, holder, newest_first=True, limit=limit + 1, before=before
        )
        return schema.ChoicePage(
            items=tuple(map(_made, made[:limit])),
            next=shell.cursor_of(made[limit - 1].seq) if len(made) > limit else None,
        )

    return await site_of(request).reading(read)


def _made(made: StoredChoice) -> schema.ChoiceAnswer:
    return schema.ChoiceAnswer(
        at=made.at,
        question=made.question,
        allow=made.allow,
        effect=made.effect,
        because=made.because,
        grant=made.grant,
        kept=made.kept,
        via=made.via,
        policy=made.version,
        **shell.scope_shown(scope_of(made.project, made.conversation)),
    )


@get("/v1/accounts/{account:str}/standing", may=SEES, responses=READS, tags=TAG)
async def get_standing(
    request: AnyRequest, account: AccountRef, cursor: Cursor = None, limit: Limit = shell.LIMIT
) -> schema.StandingPage:
    """Who chose what, when and where: the account by question, then each project and its
    conversations, oldest first. Titles are only for the account's own person.
    """
    site, holder = site_of(request), await account_of(request, account)
    after, titled = shell.pair_cursor(cursor), own(request.auth) == holder

    def read(tx: Transaction) -> schema.StandingPage:
        tree = consent_status.load_status(
            tx,
            site.installation.keyring,
            policy_versions.current(tx),
            holder,
            site.now(),
            after=after,
            limit=limit,
            titled=titled,
        )
        return schema.StandingPage(
            account=format_id(Prefix.account, holder),
            gate=tree.gate,
            policy=tree.version,
            questions=tuple(map(_stood, tree.questions)),
            items=tuple(map(_item, tree.places)),
            next=shell.pair_cursor_of(tree.next) if tree.next is not None else None,
        )

    return await site.reading(read)


def _stood(stood: QuestionStatus) -> schema.QuestionStandingAnswer:
    return schema.QuestionStandingAnswer(
        question=stood.question,
        covers=stood.covers,
        standing=stood.standing,
        answered=stood.answered,
        unanswered=stood.unanswered,
        grant=stood.grant,
        said=_said_answer(stood.act),
    )


def _item(place: StandingPlace) -> schema.StandingItemAnswer:
    stored = place.place
    conversation = stored.conversation
    return schema.StandingItemAnswer(
        scope=stored.scope.kind,
        title=place.title,
        begun_at=stored.begun_at,
        incognito=stored.incognito,
        project=format_id(Prefix.project, stored.project) if stored.project is not None else None,
        conversation=format_id(Prefix.conversation, conversation)
        if conversation is not None
        else None,
        kept_out=_said_answer(place.kept_out),
        own=tuple(_given(grant, act) for grant, act in place.own),
        in_force=tuple(map(shell.grant_shown, place.in_force)),
    )


def _given(grant: Grant, act: ConsentAct | None) -> schema.GivenGrantAnswer:
    return schema.GivenGrantAnswer(
        number=grant.number,
        question=grant.question,
        said=_said_answer(act),
        **shell.scope_shown(grant.scope),
    )


def _said_answer(act: ConsentAct | None) -> schema.SaidAnswer | None:
    if act is None:
        return None
    return schema.SaidAnswer(
        act=act.act, at=act.at, via=act.via, surface=act.surface, policy=act.policy, cause=act.cause
    )


ROUTES = [choose, list_choices, get_standing]
