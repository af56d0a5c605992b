"""The notice for an account that was there, and the same at sign-up.

Two things, apart: the terms, and the choice. Both answers stand beside each other with equal weight and nothing is
picked; a form without an answer comes back with an error, never with an answer that nobody gave. `later` stands
beside both, only while the notice can be put off. Sign-up is complete only when it is answered.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from markupsafe import Markup

from licet.consent import answer_forms, history, markdown, prompt, showings
from licet.consent.answer_forms import AnswerForm, FormFault, FormPage, FormResult
from licet.consent.history import NewestAnswer
from licet.consent.notice import PublishedNotice, Variant
from licet.consent.prompt import Prompt, Reason, Uncovered
from licet.consent.showings import ShowingRecord, ShownOn
from licet.errors import RefusedError
from licet.policy.decide import Gate
from licet.policy.fold import Effect
from licet.store.connect import Transaction, transaction
from licet.vault.commands import STALE
from licet.vault.installation import Installation, policies
from licet.web.api.references import site_of
from licet.web.pages import shared as shell
from licet.web.pages.shared import NO_FAULTS, PERSONS, AnyRequest, Faults, PageForm, PageReader, Sent


@get("/notice", may=PERSONS, sync_to_thread=True, include_in_schema=False)
def notice(request: AnyRequest) -> Response[Any]:
    """The notice, where there is something to answer; else what was answered, or why there is nothing."""
    here, who = shell.opened(request)
    asked = _asked(here, who)
    saved, made = noted(here, who, asked, request)
    if asked.show or asked.terms_waiting:
        return _page(here, who, asked, saved=saved)
    if request.query_params.get("whole") == "1" and asked.notice is not None:
        return shell.page("whole.html", who, here.clock(), title=asked.notice.text.title, values=_text(asked.notice))
    if made is not None or (request.query_params.get("said") == "terms" and asked.terms_accepted_at is not None):
        return _done(here, who, asked, made)
    return _nothing(here, who, asked, has_put_off=request.query_params.get("said") == "later")


@get("/signup", may=PERSONS, sync_to_thread=True, include_in_schema=False)
def signup(request: AnyRequest) -> Response[Any]:
    """The terms and the choice of a new account."""
    here, who = shell.opened(request)
    asked = _asked(here, who)
    return _page(here, who, asked) if asked.show or asked.terms_waiting else _nothing(here, who, asked)


@post("/notice", may=PERSONS, checks_fence=True, include_in_schema=False)
async def answer_notice(request: AnyRequest, data: Sent) -> Response[Any]:
    """Saves what was answered, or puts the notice off."""
    return await _answer(request, data)


@post("/signup", may=PERSONS, checks_fence=True, include_in_schema=False)
async def answer_signup(request: AnyRequest, data: Sent) -> Response[Any]:
    """Saves what was answered; without an answer to both the sign-up is not complete."""
    return await _answer(request, data)


async def _answer(request: AnyRequest, data: PageForm) -> Response[Any]:
    here, who = shell.opened(request)
    result = await told(request, who, data, FormPage.notice)
    if result is None:
        return await site_of(request).calling(lambda: ask_again(here, who, shell.showing_of(data.showing)))
    if result.faults:
        faults = _faults(who, result)
        return await site_of(request).calling(lambda: _page(here, who, result.asked, data, faults))
    if data.act == "later":
        return shell.then(who, "/notice", said="later")
    return shell.then(who, "/notice", said=str(result.newest_choice) if data.allow else "terms")


async def told(request: AnyRequest, who: PageReader, sent: PageForm, page: FormPage) -> FormResult | None:
    """What became of a form; None where it came from a page that shows the question as it was."""
    site = site_of(request)
    form = AnswerForm(
        account=who.account, at=site.now(), page=page, allow=sent.allow, age=sent.age, terms=sent.terms == "yes",
        later=page is FormPage.notice and sent.act == "later", showing=shell.showing_of(sent.showing),
        surface=who.surface, language=who.words.language, gpc=who.gpc,
    )  # fmt: skip
    try:
        result = (await site.write(form)).finished
    except RefusedError as error:
        if error.because != STALE:
            raise
        return None
    assert isinstance(result, FormResult)
    return None if result.is_stale else result


def ask_again(here: Installation, who: PageReader, showing: UUID | None) -> Response[Any]:
    """To the page that asks now, which says why the answer from an old page did not count."""
    asked = _asked(here, who, told=True)
    page = "/notice" if asked.show or asked.terms_waiting else "/settings"
    return shell.then(who, page, again=showing.hex if showing is not None else "none")


def noted(
    here: Installation, who: PageReader, asked: Prompt, request: AnyRequest
) -> tuple[str, NewestAnswer | None]:  # fmt: skip
    """What a page that a form led to says of it, and the choice that the form made.

    The address names them; what is said of them is what is on record, and nothing where it says otherwise.
    """
    again, said = request.query_params.get("again", ""), request.query_params.get("said", "")
    with transaction(here.pool) as tx:
        newest = history.newest(tx, who.account)
        old = _old(tx, who, again)
    if again:
        return _again_text(who, asked, old, newest), None
    if newest is None or said != str(newest.seq):
        return "", None
    return outcome_text(who, asked, newest), newest


def _old(tx: Transaction, who: PageReader, text: str) -> ShowingRecord | None:
    named = shell.showing_of(text) if text not in ("", "none") else None
    return showings.get(tx, who.account, named) if named is not None else None


def _again_text(who: PageReader, asked: Prompt, old: ShowingRecord | None, newest: NewestAnswer | None) -> str:
    """Why a yes from the page with this showing does not count; empty where it would."""
    if old is not None and (old.number, old.after_seq) == (asked.number, asked.newest_choice):
        return ""
    if newest is None or (old is not None and old.number != asked.number):
        return who.words.say("again.terms")
    return who.words.say("again.newer", when=who.words.moment(newest.at))


def _asked(here: Installation, who: PageReader, *, told: bool = False) -> Prompt:
    """What the account is asked; a signal that came with the request is recorded. ``told``: a form answered it."""
    known, at = policies(here), here.clock()
    with transaction(here.pool) as tx:
        asked = prompt.ask(tx, who.account, known, at, language=who.words.language, gpc=who.gpc and not told)
        showings.signal(tx, who.account, gpc=who.gpc, at=at)
    return asked


def _faults(who: PageReader, result: FormResult) -> Faults:
    """What is wrong with a form, where and in words."""
    say, yes = who.words.say, result.asked.notice.text.yes if result.asked.notice is not None else ""
    lines = {
        FormFault.terms: ("terms", "terms", say("notice.error.terms")),
        FormFault.choice: ("allow", "allow-yes", say("notice.error.choice")),
        FormFault.age: ("age", "age", say("notice.error.age", yes=yes)),
        FormFault.later: ("later", "allow-yes", say("notice.error.later")),
    }
    return Faults(tuple(lines[fault] for fault in FormFault if fault in result.faults))


def _text(found: PublishedNotice) -> dict[str, Any]:
    return {"text": found.text, "body": Markup(found.text.html)}  # noqa: S704 markdown escapes all but its own tags


def _page(
    here: Installation, who: PageReader, asked: Prompt, sent: PageForm | None = None, faults: Faults = NO_FAULTS,
    saved: str = "",
) -> Response[str]:  # fmt: skip
    """The question itself; that it was shown is on record before it leaves."""
    found, sent = prompt.asked_notice(asked), sent or PageForm()
    words, place = who.words, answer_forms.place(asked, FormPage.notice)
    terms_only = asked.terms_waiting
    policy = asked.in_force
    with transaction(here.pool) as tx:
        made = {
            **_text(found), "accepted": _accepted(who, asked), "asks_age": asked.asks_age, "terms_only": terms_only,
            "yes_means": words.say(
                "notice.yes.means", period=words.period(policy.keep.opted_in), purposes=shell.allowed(words, policy)
            ),
            "no_means": words.say(
                "notice.no.means", period=words.period(policy.keep.opted_out), purposes=shell.refused(words, policy)
            ),
        }  # fmt: skip
        blank = shell.markup("question.html", words, **made, errors_of={}, kept=PageForm())
        showing = showings.record(
            tx, who.account, found, place=place, surface=who.surface, gpc=who.gpc, at=here.clock(),
            after=asked.newest_choice, random=here.keyring.random, markup=hashlib.sha256(blank.encode()).digest(),
        ).hex  # fmt: skip
    question = shell.markup("question.html", words, **made, errors_of=faults.of, kept=sent) if faults else blank
    signing_up = asked.variant is Variant.signup
    values = {
        "question": question, "showing": showing, "action": f"/{place.value}", "saved": saved,
        "save": words.say("notice.signup.save" if signing_up else "notice.save"),
        "later": found.text.later if asked.may_put_off and not terms_only else "",
        "waiting": _waiting(who, asked), "until": _until(who, asked) if asked.may_put_off else "",
    }  # fmt: skip
    return shell.page(
        "notice.html", who, here.clock(), title=found.text.title, nav=not signing_up, errors=faults,
        status=422 if faults else 200, values=values, outcome="asked",
    )  # fmt: skip


def _accepted(who: PageReader, asked: Prompt) -> str:
    at = asked.terms_accepted_at
    return who.words.say("notice.terms.accepted", day=who.words.day(at)) if at is not None else ""


def _waiting(who: PageReader, asked: Prompt) -> Markup | str:
    if asked.gate is not Gate.must_decide or asked.variant is Variant.signup:
        return ""
    return Markup(markdown.inline(who.words.say("notice.waiting")))  # noqa: S704 markdown escapes all but its own tags


def _until(who: PageReader, asked: Prompt) -> str:
    if asked.ends is None:
        return who.words.say("notice.no_end")
    return who.words.say("notice.until", day=who.words.day(asked.ends - timedelta(days=1)))


def _put_off(here: Installation, who: PageReader, asked: Prompt, *, sent: bool) -> Response[str]:
    """That it was put off, until when it rests, and how long it can be put off still."""
    words, again = who.words, asked.asks_again
    assert again is not None
    lines = [
        words.say("notice.put_off" if asked.state.grant is None else "notice.put_off.granted"),
        words.say("notice.put_off.again", day=words.day(again)),
        words.say("notice.put_off.no_end")
        if asked.ends is None
        else words.say("notice.put_off.until", day=words.day(asked.ends - timedelta(days=1))),
    ]
    return shell.plain(
        who, here.clock(), title=words.say("notice.put_off.title"), lines=lines,
        links=[("/settings", words.say("site.settings"))], outcome="put_off" if sent else "nothing",
    )  # fmt: skip


def _done(here: Installation, who: PageReader, asked: Prompt, made: NewestAnswer | None) -> Response[str]:
    """What was answered, and that writing goes on."""
    words = who.words
    signed_up = made is not None and made.via == ShownOn.signup.value
    lines = [text] if made is not None and (text := outcome_text(who, asked, made)) else []
    if asked.because is Reason.answered:
        lines.append(words.say("notice.nothing.answered"))
    goes_on = "done.closed" if asked.gate is Gate.closed else "done.signup" if signed_up else "done.goes_on"
    return shell.plain(
        who, here.clock(), title=words.say(goes_on), lines=lines,
        links=[("/settings", words.say("site.settings")), ("/chats", words.say("site.chats"))], outcome="answered",
    )  # fmt: skip


def outcome_text(who: PageReader, asked: Prompt, made: NewestAnswer) -> str:
    """What a choice did, in words, while that holds: one that had no effect says why."""
    if made.effect is Effect.none:
        why = asked.uncovered.value if asked.uncovered is not None else "other"
        return who.words.say(f"done.none.{why}", age=asked.in_force.min_age)
    if made.allow and asked.state.grant is None:  # it lapsed since
        return ""
    if made.allow:
        return who.words.say("done.yes", purposes=shell.allowed(who.words, asked.in_force))
    return who.words.say("done.no", purposes=shell.refused(who.words, asked.in_force))


def uncovered_text(who: PageReader, asked: Prompt) -> str:
    """Why nothing is asked of an account that the terms do not cover."""
    return who.words.say(f"uncovered.{(asked.uncovered or Uncovered.terms).value}", age=asked.in_force.min_age)


def _nothing(here: Installation, who: PageReader, asked: Prompt, *, has_put_off: bool = False) -> Response[str]:
    """Why nothing is asked."""
    words = who.words
    match asked.because:
        case Reason.put_off:
            return _put_off(here, who, asked, sent=has_put_off)
        case Reason.closed | Reason.not_asked:
            line = uncovered_text(who, asked)
        case Reason.gpc:
            line = words.say("notice.nothing.gpc" if asked.state.grant is None else "notice.nothing.gpc.granted")
        case _:
            line = words.say("notice.nothing.answered")
    return shell.plain(
        who, here.clock(), title=words.say("notice.nothing.title"), lines=[line],
        links=[("/settings", words.say("site.settings"))], outcome="nothing",
    )  # fmt: skip


ROUTES = (notice, signup, answer_notice, answer_signup)
