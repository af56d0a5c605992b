"""The notice for an account that was there, and the same at sign-up.

Two things, apart: the terms, and the choice. Both answers stand beside each other with equal weight and nothing is
picked; a form without an answer comes back with an error, never with an answer that nobody gave. `later` stands
beside both, only while the notice can be put off. Sign-up is complete only when it is answered.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from litestar import Response, get, post
from markupsafe import Markup

from licet.consent import answering, asking, markdown, shown
from licet.consent.asking import REST_DAYS, Ask
from licet.consent.notice import Notice, Variant
from licet.consent.shown import Where
from licet.policy.decide import Gate
from licet.policy.file import AGE_MAX
from licet.policy.fold import Effect
from licet.service import Installation, policies
from licet.store.connect import transaction
from licet.vault.commands import Answer
from licet.web import pages_shell as shell
from licet.web.pages_shell import NO_FAULTS, PERSONS, AnyRequest, Faults, Form, Reader, Sent


@get("/notice", may=PERSONS, sync_to_thread=True, include_in_schema=False)
def notice(request: AnyRequest) -> Response[Any]:
    """The notice, where there is something to answer; else why there is nothing."""
    here, who = shell.opened(request)
    asked = _asked(here, who)
    if asked.show or asked.terms_waiting:
        return _page(here, who, asked)
    if request.query_params.get("whole") == "1" and asked.notice is not None:
        return shell.page("whole.html", who, here.clock(), title=asked.notice.text.title, values=_text(asked.notice))
    return _nothing(here, who, asked)


@get("/signup", may=PERSONS, sync_to_thread=True, include_in_schema=False)
def signup(request: AnyRequest) -> Response[Any]:
    """The terms and the choice of a new account."""
    here, who = shell.opened(request)
    asked = _asked(here, who)
    return _page(here, who, asked) if asked.show or asked.terms_waiting else _nothing(here, who, asked)


@post("/notice", may=PERSONS, sync_to_thread=True, include_in_schema=False)
def answer_notice(request: AnyRequest, data: Sent) -> Response[Any]:
    """Saves what was answered, or puts the notice off."""
    return _answer(request, data)


@post("/signup", may=PERSONS, sync_to_thread=True, include_in_schema=False)
def answer_signup(request: AnyRequest, data: Sent) -> Response[Any]:
    """Saves what was answered; without an answer to both the sign-up is not complete."""
    return _answer(request, data)


def _answer(request: AnyRequest, data: Form) -> Response[Any]:
    here, who = shell.opened(request)
    asked = _asked(here, who, told=True)
    if data.act == "later":
        return _later(here, who, asked, data)
    age, faults = _read(who, asked, data)
    if asked.variant is Variant.signup and faults:
        return _page(here, who, asked, data, faults)
    if "allow" in faults.of or "age" in faults.of:
        return _page(here, who, asked, data, faults)
    known, at, showing = policies(here), here.clock(), shell.showing_of(data.showing)
    with transaction(here.pool) as tx:
        if data.terms == "yes":
            answering.accept_terms(tx, who.account, known, at, showing=showing)
        said = None
        if data.allow:
            said = answering.choose(
                tx, here.keyring, known, who.account, at, allow=data.allow == "yes", via=_place(asked).value,
                surface=who.surface, showing=showing, age=age, gpc=who.gpc,
            )  # fmt: skip
    if faults:
        return _terms_left(here, who, data, said)
    return _done(here, who, asked, data, said)


def _asked(here: Installation, who: Reader, *, told: bool = False) -> Ask:
    """What the account is asked; a signal that came with the request is recorded. ``told``: a form answers it."""
    known, at = policies(here), here.clock()
    with transaction(here.pool) as tx:
        asked = asking.ask(tx, who.account, known, at, language=who.words.language, gpc=who.gpc and not told)
        shown.signal(tx, who.account, gpc=who.gpc, at=at)
    return asked


def _read(who: Reader, asked: Ask, sent: Form) -> tuple[int | None, Faults]:
    """The age, and what is wrong with an answer. An age is needed for a yes alone."""
    say, text = who.words.say, asking.asked_notice(asked).text
    found = []
    if asked.terms_accepted_at is None and sent.terms != "yes":
        found.append(("terms", "terms", say("notice.error.terms")))
    if sent.allow not in ("yes", "no") and not asked.terms_waiting:
        found.append(("allow", "allow-yes", say("notice.error.choice")))
    age = int(sent.age) if sent.age.strip().isdecimal() and len(sent.age.strip()) <= 3 else None
    wrong = sent.age.strip() != "" and (age is None or age > AGE_MAX)
    if asked.asks_age and (wrong or (sent.allow == "yes" and age is None)):
        found.append(("age", "age", say("notice.error.age", yes=text.yes)))
    return (None if wrong or not asked.asks_age else age), Faults(tuple(found))


def _place(asked: Ask) -> Where:
    return Where.signup if asked.variant is Variant.signup else Where.notice


def _text(found: Notice) -> dict[str, Any]:
    return {"text": found.text, "body": Markup(found.text.html)}  # noqa: S704 markdown escapes all but its own tags


def _page(
    here: Installation, who: Reader, asked: Ask, sent: Form | None = None, faults: Faults = NO_FAULTS,
    saved: str = "",
) -> Response[str]:  # fmt: skip
    """The question itself; that it was shown is on record before it leaves."""
    found, sent = asking.asked_notice(asked), sent or Form()
    words, place = who.words, _place(asked)
    terms_only = asked.terms_waiting
    keep = policies(here).in_force(here.clock()).keep
    with transaction(here.pool) as tx:
        made = {
            **_text(found), "accepted": _accepted(who, asked), "asks_age": asked.asks_age, "terms_only": terms_only,
            "yes_means": words.say("notice.yes.means", period=words.period(keep.opted_in)),
            "no_means": words.say("notice.no.means", period=words.period(keep.opted_out)),
        }  # fmt: skip
        blank = shell.markup("question.html", words, **made, errors_of={}, kept=Form())
        showing = sent.showing or shown.record(
            tx, who.account, found, place=place, surface=who.surface, gpc=who.gpc, at=here.clock(),
            random=here.keyring.random, markup=hashlib.sha256(blank.encode()).digest(),
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


def _accepted(who: Reader, asked: Ask) -> str:
    at = asked.terms_accepted_at
    return who.words.say("notice.terms.accepted", day=who.words.day(at)) if at is not None else ""


def _waiting(who: Reader, asked: Ask) -> Markup | str:
    if asked.gate is not Gate.must_decide or asked.variant is Variant.signup:
        return ""
    return Markup(markdown.inline(who.words.say("notice.waiting")))  # noqa: S704 markdown escapes all but its own tags


def _until(who: Reader, asked: Ask) -> str:
    if asked.ends is None:
        return who.words.say("notice.no_end")
    return who.words.say("notice.until", day=who.words.day(asked.ends - timedelta(days=1)))


def _later(here: Installation, who: Reader, asked: Ask, sent: Form) -> Response[str]:
    """Records that it was put off; after the last day that is no answer any more."""
    say = who.words.say
    if not asked.may_put_off:
        return _page(here, who, asked, sent, Faults((("later", "allow-yes", say("notice.error.later")),)))
    showing = shell.showing_of(sent.showing)
    if showing is not None:
        with transaction(here.pool) as tx:
            shown.put_off(tx, who.account, showing, here.clock())
    left = (
        say("notice.put_off.no_end")
        if asked.ends is None
        else say("notice.put_off.until", day=who.words.day(asked.ends - timedelta(days=1)))
    )
    return shell.plain(
        who, here.clock(), title=say("notice.put_off.title"), lines=[say("notice.put_off", days=REST_DAYS), left],
        links=[("/settings", say("site.settings"))], outcome="put_off",
    )  # fmt: skip


def _terms_left(here: Installation, who: Reader, sent: Form, said: Answer | None) -> Response[str]:
    """The choice is saved, whatever became of the terms: they wait on a page of their own."""
    words = who.words
    saved = outcome_text(here, who, sent.allow == "yes", said) if said is not None else ""
    faults = Faults((("terms", "terms", words.say("notice.error.terms")),))
    return _page(here, who, _asked(here, who, told=True), Form(showing=sent.showing), faults, saved)


def _done(here: Installation, who: Reader, asked: Ask, sent: Form, said: Answer | None) -> Response[str]:
    words = who.words
    first = words.say("done.signup") if asked.variant is Variant.signup else words.say("done.goes_on")
    lines = [outcome_text(here, who, sent.allow == "yes", said)] if said is not None else []
    return shell.plain(
        who, here.clock(), title=first, lines=[*lines, words.say("notice.nothing.answered")],
        links=[("/settings", words.say("site.settings")), ("/chats", words.say("site.chats"))], outcome="answered",
    )  # fmt: skip


def outcome_text(here: Installation, who: Reader, allow: bool, said: Answer) -> str:
    """What a choice did, in words: a yes that the terms do not take says so."""
    now = policies(here).in_force(here.clock())
    if allow and said.effect is Effect.none:
        key = "done.minor" if now.min_age is not None else "done.covered"
        return who.words.say(key, age=now.min_age)
    return who.words.say("done.yes" if allow else "done.no")


def _nothing(here: Installation, who: Reader, asked: Ask) -> Response[str]:
    """Why nothing is asked."""
    words = who.words
    return shell.plain(
        who, here.clock(), title=words.say("notice.nothing.title"),
        lines=[words.say(f"notice.nothing.{asked.because.value}")],
        links=[("/settings", words.say("site.settings"))], outcome="nothing",
    )  # fmt: skip


ROUTES = (notice, signup, answer_notice, answer_signup)
