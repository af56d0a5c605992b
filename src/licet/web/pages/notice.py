"""The notice for an account that was there, and the same at sign-up.

The terms, and apart from them each question by itself. Both answers stand beside each other with
equal weight and nothing is picked; a form without an answer to each comes back with an error, never
with an answer that nobody gave. What is allowed below the account is listed, each to keep or to
end. `later` stands beside the answers, only while the notice can be put off. Sign-up is complete
only when all is answered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from litestar import Response, post
from markupsafe import Markup

from licet.consent import answer_forms, differences, markdown, notice_views, prompt
from licet.consent.answer_forms import AnswerForm, FormFault, FormPage, FormResult
from licet.consent.catalogue import Catalogue
from licet.consent.differences import QuestionDiffers
from licet.consent.notice import PublishedNotice, Variant
from licet.consent.notice_views import ShowingRecord, ShownOn
from licet.consent.prompt import Prompt, Reason, Uncovered
from licet.policy.decide import Gate
from licet.policy.file import Policies, Policy
from licet.policy.outcomes import Effect
from licet.store.connect import Transaction, joined
from licet.vault.account_choices import NewestChoice
from licet.vault.installation import Installation, policy_snapshot
from licet.web.api.references import site_of
from licet.web.pages import questions
from licet.web.pages import shared as shell
from licet.web.pages.shared import (
    NO_FAULTS,
    PERSONS,
    AnyRequest,
    Faults,
    Fields,
    PageForm,
    PageReader,
    get_page,
)


@get_page("/notice", may=PERSONS, checks_fence=True)
def notice(request: AnyRequest) -> Response[Any]:
    """The notice, where there is something to answer; else what was answered, or why there is
    nothing.
    """
    here, who = shell.open_reader(request)
    with policy_snapshot(here, records=True) as (tx, known):
        return _load_notice_page(tx, known, here, who, request)


def _load_notice_page(
    tx: Transaction,
    policies: Policies,
    installation: Installation,
    reader: PageReader,
    request: AnyRequest,
) -> Response[Any]:
    asked = _load_prompt(tx, policies, installation, reader)
    saved, made = describe_outcome(tx, reader, asked, request)
    if asked.show or asked.terms_waiting:
        return _page(installation, reader, asked, saved=saved, made=made, tx=tx)
    if request.query_params.get("whole") == "1" and asked.notice is not None:
        title = reader.words.mark_language(asked.notice.text.title, asked.notice.language)
        return shell.page(
            "whole.html", reader, installation.clock(), title=title, values=_text(asked.notice)
        )
    if made or (
        request.query_params.get("flash") == "terms" and asked.terms_accepted_at is not None
    ):
        return _done(installation, reader, asked, saved, made)
    return _nothing(
        tx,
        policies,
        installation,
        reader,
        asked,
        has_put_off=request.query_params.get("flash") == "later",
    )


@get_page("/signup", may=PERSONS, checks_fence=True)
def signup(request: AnyRequest) -> Response[Any]:
    """The terms and the choice of a new account."""
    here, who = shell.open_reader(request)
    with policy_snapshot(here, records=True) as (tx, known):
        asked = _load_prompt(tx, known, here, who)
        if asked.show or asked.terms_waiting:
            return _page(here, who, asked, tx=tx)
        return _nothing(tx, known, here, who, asked)


@post("/notice", may=PERSONS, checks_fence=True, include_in_schema=False)
async def answer_notice(request: AnyRequest, data: Fields) -> Response[Any]:
    """Saves what was answered, or puts the notice off."""
    return await _answer(request, shell.form_of(data))


@post("/signup", may=PERSONS, checks_fence=True, include_in_schema=False)
async def answer_signup(request: AnyRequest, data: Fields) -> Response[Any]:
    """Saves what was answered; without an answer to everything the sign-up is not complete."""
    return await _answer(request, shell.form_of(data))


async def _answer(request: AnyRequest, data: PageForm) -> Response[Any]:
    here, who = shell.open_reader(request)
    result = await submit_answers(request, who, data, FormPage.notice)
    if result.stale or result.stale_terms:
        return await site_of(request).calling(lambda: ask_again(here, who, data, result))
    if result.faults:
        faults = _faults(who, result)
        made = _made_together(result.asked, result.newest_choice)
        return await site_of(request).calling(
            lambda: _page(here, who, result.asked, data, faults, made=made)
        )
    if data.act == "later":
        return shell.redirect_to(who, "/notice", place="flash", flash="later")
    return shell.redirect_to(
        who,
        "/notice",
        place="flash",
        flash=str(result.newest_choice) if data.all_answers else "terms",
    )


async def submit_answers(
    request: AnyRequest, reader: PageReader, sent: PageForm, page: FormPage
) -> FormResult:
    """Submits a form; returns its result."""
    site = site_of(request)
    form = AnswerForm(
        account=reader.account,
        at=site.now(),
        page=page,
        answers=sent.all_answers,
        keep=sent.kept,
        age=sent.age,
        age_again=sent.age_again,
        terms=sent.terms == "yes",
        later=page is FormPage.notice and sent.act == "later",
        showing=sent.showing,
        surface=reader.surface,
        language=reader.words.language,
        gpc=reader.gpc,
    )
    result = (await site.write(form)).finished
    assert isinstance(result, FormResult)
    return result


def ask_again(
    installation: Installation, reader: PageReader, sent: PageForm, result: FormResult
) -> Response[Any]:
    """To the page that asks now, which says why a yes from an old page did not count, and which no
    did.
    """
    with policy_snapshot(installation, records=True) as (tx, known):
        asked = _load_prompt(tx, known, installation, reader, reports=True)
    page = "/notice" if asked.show or asked.terms_waiting else "/settings"
    again = _UNKNOWN if result.unknown_showing else sent.showing or "none"
    noes = {"flash": str(result.newest_choice)} if "no" in sent.all_answers.values() else {}
    return shell.redirect_to(
        reader, page, place="flash", again=again, of=",".join(result.stale), **noes
    )


_UNKNOWN = "unknown"  # in the place of the showing of a page that is not on record


def describe_outcome(
    tx: Transaction, reader: PageReader, asked: Prompt, request: AnyRequest
) -> tuple[str, tuple[NewestChoice, ...]]:
    """Returns the confirmation of the form that led to this page, and the choices that it made.

    The address names them; the sentences come from the record, and are empty where it differs.
    """
    again, done = request.query_params.get("again", ""), request.query_params.get("flash", "")
    made = _made_together(asked, int(done)) if done == str(asked.newest_choice) else ()
    texts = [outcome_text(reader, asked, one) for one in made]
    if again:
        of = request.query_params.get("of", "").split(",")
        texts.append(
            _again_text(reader, asked, again, notice_views.find(tx, reader.account, again), of)
        )
    return " ".join(filter(None, texts)), made


def _made_together(asked: Prompt, newest_choice: int) -> tuple[NewestChoice, ...]:
    """The choices of the form whose last one is ``newest_choice``; empty if that is 0 or is no
    longer the account's newest.
    """
    if not newest_choice or newest_choice != asked.newest_choice:
        return ()
    newest = max(asked.answers.values(), key=lambda one: one.seq)
    together = (one for one in asked.answers.values() if _is_of_one_form(one, newest))
    return tuple(sorted(together, key=lambda one: one.seq))


def _is_of_one_form(choice: NewestChoice, newest: NewestChoice) -> bool:
    """Whether a choice came with the newest one: from the same showing or, where none is on record,
    at the same moment.
    """
    return choice.showing == newest.showing and (
        choice.showing is not None or (choice.at, choice.via) == (newest.at, newest.via)
    )


def _again_text(
    reader: PageReader, asked: Prompt, again: str, old: ShowingRecord | None, of: Sequence[str]
) -> str:
    """Why a yes from the page with this showing does not count, by question; empty where it
    would.
    """
    if again == _UNKNOWN:
        return reader.words.say("again.unknown")
    named = [asked.answers[name] for name in of if name in asked.answers] or list(
        asked.answers.values()
    )
    newer = [one for one in named if old is None or one.seq > old.after_seq]
    if old is not None and old.number == asked.number and not newer:
        return ""
    if not newer or (old is not None and old.number != asked.number):
        return reader.words.say("again.terms")
    several = len(asked.in_force.asks) > 1
    return " ".join(
        reader.words.say(
            "again.newer.of" if several else "again.newer",
            when=reader.words.moment(one.at),
            question=reader.words.question(one.question),
        )
        for one in newer
    )


def _load_prompt(
    tx: Transaction,
    policies: Policies,
    installation: Installation,
    reader: PageReader,
    *,
    reports: bool = False,
) -> Prompt:
    """What the account is asked; a signal that came with the request is recorded. ``reports``: a
    form answered it.
    """
    at = installation.clock()
    asked = prompt.ask(
        tx,
        reader.account,
        policies,
        at,
        language=reader.words.language,
        gpc=reader.gpc and not reports,
    )
    notice_views.record_signal(tx, reader.account, gpc=reader.gpc, now=at)
    return asked


def _faults(reader: PageReader, result: FormResult) -> Faults:
    """What is wrong with a form, where and in words, in the order of the page."""
    say, policy = reader.words.say, result.asked.in_force
    words = result.asked.notice.text.words(policy.asks) if result.asked.notice is not None else ()
    lines = []
    for one in words if FormFault.choice in result.faults else ():
        if one.name in result.missing and len(words) == 1:
            lines.append(("allow", "allow-yes", say("notice.error.choice")))
        elif one.name in result.missing:
            fault = say("notice.error.choice.of", question=one.question)
            lines.append((f"{shell.ALLOW}{one.name}", f"{shell.ALLOW}{one.name}-yes", fault))
    lines += age_faults(reader, result)
    if FormFault.terms in result.faults:
        lines.append(("terms", "terms", say("notice.error.terms")))
    if FormFault.later in result.faults:
        lines.append(("later", "terms-set", say("notice.error.later")))
    return Faults(tuple(lines))


def age_faults(reader: PageReader, result: FormResult) -> list[tuple[str, str, str]]:
    """What is wrong with an age: it is missing, or it is below the known one and is asked once
    more.
    """
    say, policy = reader.words.say, result.asked.in_force
    words = result.asked.notice.text.words(policy.asks) if result.asked.notice is not None else ()
    lines = []
    if FormFault.age in result.faults:
        key = "notice.error.age" if len(words) == 1 else "notice.error.age.several"
        lines.append(("age", "age", say(key, yes=words[0].yes if words else "")))
    if FormFault.lower_age in result.faults:
        key = (
            "notice.error.lower_age"
            if policy.refuses_age(result.age, result.asked.state.region)
            else "notice.error.lower_age.allowed"
        )
        lines.append(
            ("age", "age", say(key, known=result.asked.state.age, age=result.asked.min_age))
        )
    return lines


def _text(found: PublishedNotice) -> dict[str, Any]:
    # as below
    four = [(name, Markup(markdown.inline(line))) for name, line in found.text.gist]  # noqa: S704
    # markdown escapes all but its own tags
    return {"text": found.text, "four": four, "body": Markup(found.text.html)}  # noqa: S704


def _page(
    installation: Installation,
    reader: PageReader,
    asked: Prompt,
    sent: PageForm | None = None,
    faults: Faults = NO_FAULTS,
    saved: str = "",
    made: Sequence[NewestChoice] = (),
    tx: Transaction | None = None,
) -> Response[str]:
    """The questions; that they were shown is on record before they leave. ``made``: the choices
    that the form before it saved, though something else is still asked.
    """
    found, sent = prompt.require_notice(asked), sent or PageForm()
    reader = shell.offer_languages(reader, asked.languages)
    place = answer_forms.place(asked, FormPage.notice)
    # an answer that came back is shown with its question
    terms_only = asked.terms_waiting and not sent.all_answers
    waiting = asked.unanswered or asked.in_force.asks
    with joined(installation.pool, tx) as tx:
        below = questions.grants_below(tx, installation, asked)
        values = _question_values(reader, asked, found, waiting, terms_only, below)
        blank = shell.markup("question.html", reader.words, **values, errors_of={}, kept=PageForm())
        showing = _record_showing(tx, installation, reader, asked, blank)
    if faults:
        values["known_age"] = ask_age_again(sent, faults)
    question = (
        shell.markup("question.html", reader.words, **values, errors_of=faults.of, kept=sent)
        if faults
        else blank
    )
    return shell.page(
        "notice.html",
        reader,
        installation.clock(),
        title=reader.words.mark_language(found.text.title, found.language),
        nav=asked.variant is not Variant.signup,
        errors=faults,
        status=422 if faults else 200,
        values={
            "question": question,
            "showing": showing,
            "action": f"/{place.value}",
            "saved": saved,
            "waiting": _waiting(reader, asked),
        },
        outcome="asked",
        event_detail={
            **_question_detail(asked, terms_only=terms_only),
            **(answers_detail(reader, made) if made else {}),
        },
    )


def _question_values(
    reader: PageReader,
    asked: Prompt,
    found: PublishedNotice,
    waiting: Sequence[str],
    terms_only: bool = False,
    below: Sequence[QuestionDiffers] = (),
) -> dict[str, Any]:
    """What `question.html` shows of a notice."""
    words = reader.words
    return {
        **_text(found),
        "accepted": _accepted(reader, asked),
        "asks_age": asked.asks_age,
        "terms_only": terms_only,
        "asks": questions.questions_for_page(
            words, asked, found, waiting, page="notice", below=below
        ),
        "known_age": "",
        "one_question": len(asked.in_force.asks) == 1,
        "save": _save(reader, asked, 0 if terms_only else len(waiting)),
        "later": words.mark_language(found.text.later, found.language)
        if asked.may_put_off and not terms_only
        else "",
        "until": _until(reader, asked) if asked.may_put_off else "",
    }


def preview_page(
    installation: Installation, found: PublishedNotice, policy: Policy, words: Catalogue
) -> Response[str]:
    """The page of a notice as somebody who has answered nothing sees it; nothing is recorded."""
    existing = found.variant is Variant.existing
    asked = prompt.for_preview(found, policy, installation.clock())
    reader = PageReader(account=asked.account, words=words)
    values = _question_values(reader, asked, found, policy.asks)
    return shell.page(
        "notice.html",
        reader,
        installation.clock(),
        title=words.mark_language(found.text.title, found.language),
        nav=existing,
        values={
            "question": shell.markup(
                "question.html", words, **values, errors_of={}, kept=PageForm()
            ),
            "showing": "",
            "action": "/notice" if existing else "/signup",
            "saved": "",
            "waiting": "",
        },
    )


def _record_showing(
    tx: Transaction, installation: Installation, reader: PageReader, asked: Prompt, blank: str
) -> str:
    """Records that the questions were shown, by the hash of their markup; returns its id."""
    showing = notice_views.record(
        tx,
        reader.account,
        prompt.require_notice(asked),
        place=answer_forms.place(asked, FormPage.notice),
        surface=reader.surface,
        gpc=reader.gpc,
        now=installation.clock(),
        after=asked.newest_choice,
        random=installation.keyring.random,
        markup=hashlib.sha256(blank.encode()).digest(),
    )
    return showing.hex


def _save(reader: PageReader, asked: Prompt, questions: int) -> str:
    if asked.variant is Variant.signup:
        return reader.words.say("notice.signup.save")
    keys = ("notice.go_on", "notice.save", "notice.save.several")
    return reader.words.say(keys[min(questions, 2)])


def _question_detail(asked: Prompt, *, terms_only: bool) -> dict[str, Any]:
    """The event detail of a question."""
    ends = asked.ends - timedelta(days=1) if asked.ends is not None else None
    return {
        "questions": [] if terms_only else list(asked.unanswered or asked.in_force.asks),
        "terms": asked.terms_accepted_at is None,
        "may_put_off": asked.may_put_off and not terms_only,
        "until": ends.date().isoformat() if ends is not None else None,
    }


def answers_detail(reader: PageReader, made: Sequence[NewestChoice]) -> dict[str, Any]:
    """The event detail of choices: question, answer, effect, and the receipt's id."""
    return {
        "answers": [
            {
                "question": one.question,
                "allow": one.allow,
                "effect": one.effect.value,
                "receipt": f"{reader.account.hex}-{one.seq}",
            }
            for one in made
        ]
    }


def ask_age_again(sent: PageForm, faults: Faults) -> str:
    """The age that is to be given once more, on a form that comes back for that."""
    return sent.age if any(name == "age" for name, _, _ in faults.found) else ""


def _accepted(reader: PageReader, asked: Prompt) -> str:
    at = asked.terms_accepted_at
    return (
        reader.words.say("notice.terms.accepted", day=reader.words.day(at))
        if at is not None
        else ""
    )


def _waiting(reader: PageReader, asked: Prompt) -> Markup | str:
    if asked.gate is not Gate.must_decide or asked.variant is Variant.signup:
        return ""
    # markdown escapes all but its own tags
    return Markup(markdown.inline(reader.words.say("notice.waiting")))  # noqa: S704


def _until(reader: PageReader, asked: Prompt) -> str:
    if asked.ends is None:
        return reader.words.say("notice.no_end")
    return reader.words.say("notice.until", day=reader.words.day(asked.ends - timedelta(days=1)))


def _put_off(
    installation: Installation, reader: PageReader, asked: Prompt, *, sent: bool
) -> Response[str]:
    """That it was put off, until when it rests, and how long it can be put off still."""
    words, again = reader.words, asked.asks_again
    assert again is not None
    lines = [
        words.say("notice.put_off.granted" if asked.allows_any else "notice.put_off"),
        words.say("notice.put_off.again", day=words.day(again)),
        words.say("notice.put_off.no_end")
        if asked.ends is None
        else words.say("notice.put_off.until", day=words.day(asked.ends - timedelta(days=1))),
    ]
    return shell.message_page(
        reader,
        installation.clock(),
        title=words.say("notice.put_off.title"),
        lines=lines,
        links=[("/settings", words.say("site.settings"))],
        outcome="put_off" if sent else "nothing",
        icon="clock",
        event_detail={
            "again": again.date().isoformat(),
            "until": _question_detail(asked, terms_only=False)["until"],
        }
        if sent
        else _why(asked),
    )


def _done(
    installation: Installation,
    reader: PageReader,
    asked: Prompt,
    saved: str,
    made: tuple[NewestChoice, ...],
) -> Response[str]:
    """What was answered, and that writing goes on."""
    words = reader.words
    signed_up = any(one.via == ShownOn.signup.value for one in made)
    lines = [text for one in made if (text := outcome_text(reader, asked, one))] if saved else []
    if asked.because is Reason.answered:
        lines.append(words.say("notice.nothing.answered"))
    goes_on = (
        "done.closed"
        if asked.gate is Gate.closed
        else "done.signup"
        if signed_up
        else "done.goes_on"
    )
    return shell.message_page(
        reader,
        installation.clock(),
        title=words.say(goes_on),
        lines=list(dict.fromkeys(lines)),
        links=[("/settings", words.say("site.settings")), ("/chats", words.say("site.chats"))],
        outcome="answered",
        icon="check",
        event_detail=answers_detail(reader, made),
    )


def outcome_text(reader: PageReader, asked: Prompt, made: NewestChoice) -> str:
    """What a choice did, in words, while that holds: one that had no effect says why."""
    covers = next(
        (one.covers for one in asked.in_force.questions if one.question == made.question), None
    )
    if made.effect is Effect.none:
        why = asked.uncovered.value if asked.uncovered is not None else "other"
        return reader.words.say(f"done.none.{why}", age=asked.min_age)
    # it lapsed since
    if covers is None or (made.allow and asked.state.grant(made.question) is None):
        return ""
    if made.allow:
        return reader.words.say("done.yes", purposes=shell.allowed_phrase(reader.words, covers))
    kept = any(grant.question == made.question for grant in asked.state.grants)
    outcome = reader.words.say("done.no", purposes=shell.refused_phrase(reader.words, covers))
    return f"{outcome} {reader.words.say('done.no.kept')}" if kept else outcome


def uncovered_text(reader: PageReader, asked: Prompt) -> str:
    """Why nothing is asked of an account that the terms do not cover."""
    return reader.words.say(
        f"uncovered.{(asked.uncovered or Uncovered.terms).value}", age=asked.min_age
    )


def _nothing(
    tx: Transaction,
    policies: Policies,
    installation: Installation,
    reader: PageReader,
    asked: Prompt,
    *,
    has_put_off: bool = False,
) -> Response[str]:
    """Why nothing is asked."""
    words, icon = reader.words, "info"
    match asked.because:
        case Reason.put_off:
            return _put_off(installation, reader, asked, sent=has_put_off)
        case Reason.closed | Reason.not_asked:
            lines, icon = [uncovered_text(reader, asked)], "no"
        case Reason.gpc:
            lines = [
                words.say(
                    "notice.nothing.gpc.granted" if asked.allows_any else "notice.nothing.gpc"
                )
            ]
        case _:
            lines = [
                *_answers_in_force(tx, policies, installation, asked, words),
                words.say("notice.nothing.answered"),
            ]
    return shell.message_page(
        reader,
        installation.clock(),
        title=words.say("notice.nothing.title"),
        lines=lines,
        links=[("/settings", words.say("site.settings"))],
        outcome="nothing",
        icon=icon,
        event_detail=_why(asked),
    )


def _answers_in_force(
    tx: Transaction, policies: Policies, installation: Installation, asked: Prompt, words: Catalogue
) -> list[str]:
    """What was answered, as it holds now."""
    whole = differences.load_differences(
        tx, installation.keyring, policies, asked.account, installation.clock()
    )
    return [one.text for one in questions.now_lines(words, whole)]


def _why(asked: Prompt) -> dict[str, str]:
    return {"because": asked.because.value}


ROUTES = (notice, signup, answer_notice, answer_signup)
