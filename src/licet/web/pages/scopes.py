"""The settings of one chat or project: its state, and the three choices *use this one*, *keep this
one out* and *as in my settings*.

A choice that would have no effect is replaced by the reason. The page states the effect of a
choice before it is made; afterwards it states the result from the stored state, never from the
address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from licet.consent import conversation_search, differences, notice_views, scope_forms
from licet.consent.catalogue import Catalogue
from licet.consent.notice_views import ShownOn
from licet.consent.prompt import Prompt, load_prompt, require_notice
from licet.consent.scope_forms import ScopeAct, ScopeForm, ScopeFormResult, ScopeStands
from licet.errors import RefusedError
from licet.masked import Masked
from licet.policy.file import Policies, Question, Reach
from licet.policy.outcomes import NoEffect
from licet.policy.period import instant, rfc3339
from licet.store.connect import Transaction
from licet.vault.commands import STALE
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import policy_snapshot
from licet.web.pages import questions
from licet.web.pages import shared as shell
from licet.web.pages.conversation_lines import conversation_line, dates_of
from licet.web.pages.reader_language import strip_marks
from licet.web.pages.shared import (
    PageReader,
    RouteReader,
    Sent,
    fenced_form,
    fenced_page,
)


class UseLine(msgspec.Struct, frozen=True, kw_only=True):
    """A question for which it can be allowed by itself, with the effect."""

    question: str
    label: str
    means: str


class ScopePanel(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """The controls for a chat or a project. ``cannot`` are the reasons for missing ones;
    ``keep_out`` and ``as_settings`` describe their effect, empty if they are not offered.
    """

    path: str
    lines: tuple[str, ...]
    uses: tuple[UseLine, ...]
    cannot: tuple[str, ...]
    keep_out: str
    as_settings: str
    narrowings: str
    out_at: str
    showing: str


def panel(
    tx: Transaction,
    reader: PageReader,
    scope: ScopeStands,
    *,
    path: str,
    policies: Policies,
    now: datetime,
) -> ScopePanel:
    """The state and the controls; records that a question was shown."""
    words, kind = reader.words, scope.scope.kind
    prompt = load_prompt(tx, reader.account, policies, now, language=words.language)
    whole = differences.load_differences(
        tx, reader.installation.keyring, policies, reader.account, now
    )
    found = [
        (one, scope.obstacle(policies, now, one.question)) for one in prompt.in_force.questions
    ]
    uses = tuple(
        _use(words, prompt, scope, one)
        for one, because in found
        if because is None and prompt.notice
    )
    own = whole.own(kind, scope.scope.name)
    lines = questions.scope_lines(words, whole, own, out=scope.kept_out, now=scope.out_at)
    return ScopePanel(
        path=path,
        lines=tuple(lines),
        uses=uses,
        cannot=tuple(_cannot(words, prompt, scope, found)),
        keep_out="" if scope.kept_out else words.say(f"scope.keep_out.{kind.value}"),
        as_settings=_as_settings(words, policies, scope, now),
        narrowings=str(scope.conversation.narrowings) if scope.conversation is not None else "",
        out_at=rfc3339(scope.out_at) if scope.out_at is not None else "",
        showing=_scope_values(tx, reader, prompt, uses, now) if uses else "",
    )


def _use(words: Catalogue, prompt: Prompt, scope: ScopeStands, question: Question) -> UseLine:
    kind, policy = scope.scope.kind.value, prompt.in_force
    only = shell.allowed_phrase(words, question.covers)
    label = (
        words.say("scope.use")
        if len(policy.asks) == 1
        else words.say("scope.use.for", purposes=only)
    )
    if not scope.kept_out:
        whole = (
            ".whole"
            if policy.reach is Reach.conversation and scope.conversation is not None
            else ""
        )
        means = words.say(f"scope.use.{kind}{whole}", purposes=only)
    else:
        covers = set(question.covers).union(
            *(one.covers for one in policy.questions if _allows(scope, one.question))
        )
        means = words.say(f"scope.use.lets_in.{kind}", purposes=shell.allowed_phrase(words, covers))
    return UseLine(question=question.question, label=label, means=means)


def _allows(scope: ScopeStands, question: str) -> bool:
    """Whether it is already allowed for the question, once it is let in."""
    if scope.conversation is not None:
        return scope.state.grant_for(question, scope.conversation) is not None
    return scope.state.grant(question) is not None


def _cannot(
    words: Catalogue,
    prompt: Prompt,
    scope: ScopeStands,
    answers: Sequence[tuple[Question, NoEffect | None]],
) -> list[str]:
    """Why it cannot be allowed by itself, each reason once; a question that is already covered is
    named.
    """
    refusals = [
        no_effect(words, prompt, scope, because, question)
        for question, because in answers
        if because is not None
        and not (because is NoEffect.covered and (scope.own or scope.kept_out))
    ]
    return list(dict.fromkeys(refusals))


def no_effect(
    words: Catalogue, prompt: Prompt, scope: ScopeStands, because: NoEffect, question: Question
) -> str:
    """The sentence of a reason."""
    return words.say(
        f"no_effect.{because.value}",
        purposes=shell.allowed_phrase(words, question.covers),
        age=prompt.min_age,
        what=words.say(f"scope.this.{scope.scope.kind.value}"),
    )


def _as_settings(words: Catalogue, policies: Policies, scope: ScopeStands, now: datetime) -> str:
    if scope.kept_out:
        return words.say(f"scope.as_settings.let_in.{scope.scope.kind.value}")
    ended = {grant.question for grant in scope.grants_to_end(policies, now)}
    below = {question for question in ended if scope.project_grant(question) is not None}
    lines = []
    for key, found, say in (
        ("scope.as_settings.ends", ended - below, shell.refused_phrase),
        ("scope.as_settings.ends.project", below, shell.allowed_phrase),
    ):
        covers = [one.covers for one in policies.in_force(now).questions if one.question in found]
        lines += [words.say(key, purposes=say(words, set().union(*covers)))] if covers else []
    return words.join(*lines)


def _scope_values(
    tx: Transaction,
    reader: PageReader,
    prompt: Prompt,
    uses: Sequence[UseLine],
    now: datetime,
) -> str:
    asked_in = strip_marks("\n".join(f"{one.label}\n{one.means}" for one in uses))
    return notice_views.record(
        tx,
        reader.account,
        require_notice(prompt),
        place=ShownOn.settings,
        surface=reader.surface,
        gpc=reader.gpc,
        now=now,
        after=prompt.newest_choice,
        random=reader.installation.keyring.random,
        markup=hashlib.sha256(asked_in.encode()).digest(),
    ).hex


# The acts


def _form(path: str, act: ScopeAct, about: str) -> HTTPRouteHandler:
    """The route that performs an act on a chat or a project, and redirects to its page, which
    describes the new state.
    """

    async def submit(reader: RouteReader, name: FromPath[str], data: Sent) -> Response[Any]:
        chat = project = None
        if path.startswith("/chats"):
            chat = shell.conversation_of(name)
            page = f"/chats/{format_id(Prefix.conversation, chat)}"
        else:
            project = shell.project_of(name)
            page = f"/projects/{format_id(Prefix.project, project)}"
        form = ScopeForm(
            account=reader.account,
            at=reader.site.now(),
            act=act,
            conversation=chat,
            project=project,
            question=data.question,
            showing=data.showing,
            surface=reader.surface,
            gpc=reader.gpc,
            narrowings=int(data.narrowings) if data.narrowings.isdecimal() else None,
            out_at=_moment(data.out_at),
        )
        try:
            result = (await reader.site.write(form)).finished
        except RefusedError as error:
            if error.because != STALE:
                raise
            return shell.redirect_to(reader, page, flash="again")
        assert isinstance(result, ScopeFormResult)
        done = act.value if result.done else "none" if result.because is not None else "again"
        return shell.redirect_to(reader, page, flash=done, question=data.question)

    submit.__doc__ = about
    return fenced_form(f"{path}/{{name:str}}/{act.value.replace('_', '-')}")(submit)


def _moment(text: str) -> datetime | None:
    try:
        return instant(text) if text else None
    except ValueError:
        return None


def describe_outcome(
    words: Catalogue,
    prompt: Prompt,
    policies: Policies,
    scope: ScopeStands,
    query: Mapping[str, str],
    now: datetime,
) -> str:
    """Describes the last form's effect as far as it still holds: the act comes from the address,
    the sentence from the state.
    """
    done, named, kind = (
        query.get("flash", ""),
        query.get("question", ""),
        scope.scope.kind,
    )
    asks = prompt.in_force.questions
    question = (
        asks[0]
        if named == "" and len(asks) == 1
        else next((o for o in asks if o.question == named), None)
    )
    own = {grant.question for grant in scope.own}
    if done == "again":
        return words.say("done.scope.again")
    if done == ScopeAct.keep_out.value and scope.kept_out:
        return words.say(f"done.scope.kept_out.{kind.value}")
    if (
        done == ScopeAct.as_settings.value
        and not scope.kept_out
        and not scope.grants_to_end(policies, now)
    ):
        return words.say(f"done.scope.as_settings.{kind.value}")
    if question is None:
        return ""
    if done == ScopeAct.use.value and question.question in own:
        return words.say(
            f"done.scope.use.{kind.value}", purposes=shell.allowed_phrase(words, question.covers)
        )
    because = scope.obstacle(policies, now, question.question)
    if done == "none" and because is not None:
        return words.join(
            words.say("done.scope.none"), no_effect(words, prompt, scope, because, question)
        )
    return ""


# The page of a project


@fenced_page("/projects/{name:str}")
def project(reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """One project: its state, its controls, and its chats."""
    at, words, named = reader.now, reader.words, shell.project_of(name)
    with policy_snapshot(reader.installation, records=True) as (tx, known):
        seen = scope_forms.view(tx, known, reader.account, at, project=named)
        found = differences.load_differences(
            tx, reader.installation.keyring, known, reader.account, at
        ).project(named)
        made = panel(
            tx,
            reader,
            seen,
            path=f"/projects/{found.shown_id}",
            policies=known,
            now=at,
        )
        sought = conversation_search.ConversationQuery(project=named)
        page = conversation_search.search(
            tx, reader.installation.keyring, known, reader.account, at, sought
        ).listed.conversations
        dates = dates_of(reader.installation, known)
        prompt = load_prompt(tx, reader.account, known, at, language=words.language)
        saved = describe_outcome(words, prompt, known, seen, reader.query, at)
    title = found.title or words.say("project.untitled", day=words.day(found.begun_at or at))
    return shell.page(
        "project.html",
        reader,
        title=title,
        place="chats",
        panel=made,
        id=found.shown_id,
        chats=[conversation_line(words, dates, mine) for mine in page],
        saved=saved,
    )


_OF_SETTINGS = "Removes the {}'s own choice, so that the settings apply."
_USES = "Allows the {} by itself; where it is kept out, lets it in first."
_KEEPS_OUT = "From now on none of its chats is used, and none that begins in it later."
ROUTES = (
    project,
    _form("/projects", ScopeAct.use, _USES.format("project")),
    _form("/projects", ScopeAct.keep_out, _KEEPS_OUT),
    _form("/projects", ScopeAct.as_settings, _OF_SETTINGS.format("project")),
    _form("/chats", ScopeAct.use, _USES.format("chat")),
    _form("/chats", ScopeAct.as_settings, _OF_SETTINGS.format("chat")),
)
