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

from litestar import Response
from markupsafe import Markup

from licet.consent import answer_forms, differences, markdown, notice_views
from licet.consent.answer_forms import AnswerForm, FormFault, FormPage, FormResult
from licet.consent.catalogue import Catalogue
from licet.consent.differences import QuestionDiffers
from licet.consent.notice import PublishedNotice, Variant
from licet.consent.notice_views import ShowingRecord, ShownOn
from licet.consent.prompt import (
    Prompt,
    Reason,
    Uncovered,
    load_prompt,
    preview_prompt,
    require_notice,
)
from licet.policy.decide import Gate
from licet.policy.file import Policies, Policy
from licet.policy.outcomes import Effect
from licet.store.connect import Transaction, join_transaction
from licet.vault.account_choices import NewestChoice
from licet.vault.installation import Installation, policy_snapshot
from licet.web.pages import questions
from licet.web.pages import shared as shell
from licet.web.pages.shared import (
    NO_FAULTS,
    Faults,
    Fields,
    PageForm,
    PageReader,
    RouteReader,
    fenced_form,
    fenced_page,
)
from licet.web.site import Site


@fenced_page("/notice")
def notice(reader: RouteReader) -> Response[Any]:
    """The notice if there is something to answer; else the answers, or why there are none."""
    with policy_snapshot(reader.installation, records=True) as (tx, known):
        return _load_notice_page(tx, known, reader)


def _load_notice_page(
    tx: Transaction,
    policies: Policies,
    reader: PageReader,
) -> Response[Any]:
    prompt = _load_page_prompt(tx, policies, reader)
    saved, made = describe_outcome(tx, reader, prompt)
    if prompt.show or prompt.terms_waiting:
        return _page(reader, prompt, saved=saved, made=made, tx=tx)
    if reader.query.get("whole") == "1" and prompt.notice is not None:
        title = reader.words.mark_language(prompt.notice.text.title, prompt.notice.language)
        return shell.page("whole.html", reader, title=title, **_text(prompt.notice))
    if made or (reader.query.get("flash") == "terms" and prompt.terms_accepted_at is not None):
        return _done(reader, prompt, saved, made)
    return _nothing(
        tx,
        policies,
        reader,
        prompt,
        has_put_off=reader.query.get("flash") == "later",
    )


@fenced_page("/signup")
def signup(reader: RouteReader) -> Response[Any]:
    """The terms and the choice of a new account."""
    with policy_snapshot(reader.installation, records=True) as (tx, known):
        prompt = _load_page_prompt(tx, known, reader)
        if prompt.show or prompt.terms_waiting:
            return _page(reader, prompt, tx=tx)
        return _nothing(tx, known, reader, prompt)


@fenced_form("/notice")
async def answer_notice(reader: RouteReader, data: Fields) -> Response[Any]:
    """Saves the answers, or puts the notice off."""
    return await _answer(reader, shell.form_of(data))


@fenced_form("/signup")
async def answer_signup(reader: RouteReader, data: Fields) -> Response[Any]:
    """Saves the answers; the sign-up is complete only once everything is answered."""
    return await _answer(reader, shell.form_of(data))


async def _answer(reader: PageReader, data: PageForm) -> Response[Any]:
    result = await submit_answers(reader, data, FormPage.notice)
    if result.stale or result.stale_terms:
        return await reader.site.calling(lambda: ask_again(reader, data, result))
    if result.faults:
        faults = _faults(reader, result)
        made = _made_together(result.prompt, result.newest_choice)
        return await reader.site.calling(
            lambda: _page(reader, result.prompt, data, faults, made=made)
        )
    if data.act == "later":
        return shell.redirect_to(reader, "/notice", flash="later")
    return shell.redirect_to(
        reader,
        "/notice",
        flash=str(result.newest_choice) if data.all_answers else "terms",
    )


async def submit_answers(reader: PageReader, sent: PageForm, page: FormPage) -> FormResult:
    """Submits a form; returns its result."""
    form = AnswerForm(
        account=reader.account,
        at=reader.site.now(),
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
    result = (await reader.site.write(form)).finished
    assert isinstance(result, FormResult)
    return result


def ask_again(reader: PageReader, sent: PageForm, result: FormResult) -> Response[Any]:
    """Redirects to the current page, which says why a yes from an old page did not count, and which
    no did.
    """
    with policy_snapshot(reader.installation, records=True) as (tx, known):
        prompt = _load_page_prompt(tx, known, reader, reports=True)
    page = "/notice" if prompt.show or prompt.terms_waiting else "/settings"
    again = _UNKNOWN if result.unknown_showing else sent.showing or "none"
    noes = {"flash": str(result.newest_choice)} if "no" in sent.all_answers.values() else {}
    return shell.redirect_to(reader, page, again=again, of=",".join(result.stale), **noes)


_UNKNOWN = "unknown"  # in the place of the showing of a page that is not on record


def describe_outcome(
    tx: Transaction, reader: PageReader, prompt: Prompt
) -> tuple[str, tuple[NewestChoice, ...]]:
    """The confirmation of the form that led to this page, and its choices. The URL names them; the
    sentences come from the record, and are empty if it differs.
    """
    again, done = reader.query.get("again", ""), reader.query.get("flash", "")
    made = _made_together(prompt, int(done)) if done == str(prompt.newest_choice) else ()
    texts = [outcome_text(reader, prompt, one) for one in made]
    if again:
        of = reader.query.get("of", "").split(",")
        texts.append(
            _again_text(reader, prompt, again, notice_views.find(tx, reader.account, again), of)
        )
    return reader.words.join(*texts), made


def _made_together(prompt: Prompt, newest_choice: int) -> tuple[NewestChoice, ...]:
    """The choices of the form whose last one is ``newest_choice``; empty if that is 0 or is no
    longer the account's newest.
    """
    if not newest_choice or newest_choice != prompt.newest_choice:
        return ()
    newest = max(prompt.answers.values(), key=lambda one: one.seq)
    together = (one for one in prompt.answers.values() if _is_of_one_form(one, newest))
    return tuple(sorted(together, key=lambda one: one.seq))


def _is_of_one_form(choice: NewestChoice, newest: NewestChoice) -> bool:
    """Whether a choice came with the newest one: from the same showing or, where none is on record,
    at the same moment.
    """
    return choice.showing == newest.showing and (
        choice.showing is not None or (choice.at, choice.via) == (newest.at, newest.via)
    )


def _again_text(
    reader: PageReader, prompt: Prompt, again: str, old: ShowingRecord | None, of: Sequence[str]
) -> str:
    """By question, why a yes from the page with this showing does not count, or empty."""
    if again == _UNKNOWN:
        return reader.words.say("again.unknown")
    named = [prompt.answers[name] for name in of if name in prompt.answers] or list(
        prompt.answers.values()
    )
    newer = [one for one in named if old is None or one.seq > old.after_seq]
    if old is not None and old.number == prompt.number and not newer:
        return ""
    if not newer or (old is not None and old.number != prompt.number):
        return reader.words.say("again.terms")
    several = len(prompt.in_force.asks) > 1
    return reader.words.join(
        *(
            reader.words.say(
                "again.newer.of" if several else "again.newer",
                when=reader.words.moment(one.at),
                question=reader.words.question(one.question),
            )
            for one in newer
        )
    )


def _load_page_prompt(
    tx: Transaction,
    policies: Policies,
    reader: PageReader,
    *,
    reports: bool = False,
) -> Prompt:
    """The account's prompt; records a browser signal of the request. ``reports``: a form answered
    it.
    """
    at = reader.now
    prompt = load_prompt(
        tx,
        reader.account,
        policies,
        at,
        language=reader.words.language,
        gpc=reader.gpc and not reports,
    )
    notice_views.record_signal(tx, reader.account, gpc=reader.gpc, now=at)
    return prompt


def _faults(reader: PageReader, result: FormResult) -> Faults:
    """The faults of a form: text and place, in the order of the page."""
    say, policy = reader.words.say, result.prompt.in_force
    words = result.prompt.notice.text.words(policy.asks) if result.prompt.notice is not None else ()
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
    """The faults of an age: missing, or below the known one, which must be confirmed."""
    say, policy = reader.words.say, result.prompt.in_force
    words = result.prompt.notice.text.words(policy.asks) if result.prompt.notice is not None else ()
    lines = []
    if FormFault.age in result.faults:
        key = "notice.error.age" if len(words) == 1 else "notice.error.age.several"
        lines.append(("age", "age", say(key, yes=words[0].yes if words else "")))
    if FormFault.lower_age in result.faults:
        key = (
            "notice.error.lower_age"
            if policy.refuses_age(result.age, result.prompt.state.region)
            else "notice.error.lower_age.allowed"
        )
        lines.append(
            ("age", "age", say(key, known=result.prompt.state.age, age=result.prompt.min_age))
        )
    return lines


def _text(notice: PublishedNotice) -> dict[str, Any]:
    # as below
    four = [(name, Markup(markdown.inline(line))) for name, line in notice.text.gist]  # noqa: S704
    # markdown escapes all but its own tags
    return {"text": notice.text, "four": four, "body": Markup(notice.text.html)}  # noqa: S704


def _page(
    reader: PageReader,
    prompt: Prompt,
    sent: PageForm | None = None,
    faults: Faults = NO_FAULTS,
    saved: str = "",
    made: Sequence[NewestChoice] = (),
    tx: Transaction | None = None,
) -> Response[str]:
    """The page with the questions; records their showing before it is sent. ``made``: the choices
    of the previous form, if something else is still asked.
    """
    found, sent = require_notice(prompt), sent or PageForm()
    reader = shell.offer_languages(reader, prompt.languages)
    place = answer_forms.place(prompt, FormPage.notice)
    # an answer that came back is shown with its question
    terms_only = prompt.terms_waiting and not sent.all_answers
    waiting = prompt.unanswered or prompt.in_force.asks
    with join_transaction(reader.installation.pool, tx) as tx:
        below = questions.grants_below(tx, reader.installation, prompt)
        values = _question_values(reader, prompt, found, waiting, terms_only, below)
        blank = shell.markup("question.html", reader.words, **values, errors_of={}, kept=PageForm())
        showing = _record_showing(tx, reader, prompt, blank)
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
        title=reader.words.mark_language(found.text.title, found.language),
        nav=prompt.variant is not Variant.signup,
        errors=faults,
        status=422 if faults else 200,
        outcome="asked",
        event_detail={
            **_question_detail(prompt, terms_only=terms_only),
            **(answers_detail(reader, made) if made else {}),
        },
        question=question,
        showing=showing,
        action=f"/{place.value}",
        saved=saved,
        waiting=_waiting(reader, prompt),
    )


def _question_values(
    reader: PageReader,
    prompt: Prompt,
    notice: PublishedNotice,
    waiting: Sequence[str],
    terms_only: bool = False,
    below: Sequence[QuestionDiffers] = (),
) -> dict[str, Any]:
    """The template values of a notice's questions."""
    words = reader.words
    return {
        **_text(notice),
        "accepted": _accepted(reader, prompt),
        "asks_age": prompt.asks_age,
        "terms_only": terms_only,
        "asks": questions.questions_for_page(
            words, prompt, notice, waiting, page="notice", below=below
        ),
        "known_age": "",
        "one_question": len(prompt.in_force.asks) == 1,
        "save": _save(reader, prompt, 0 if terms_only else len(waiting)),
        "later": words.mark_language(notice.text.later, notice.language)
        if prompt.may_put_off and not terms_only
        else "",
        "until": _until(reader, prompt) if prompt.may_put_off else "",
    }


def preview_page(
    site: Site, notice: PublishedNotice, policy: Policy, words: Catalogue
) -> Response[str]:
    """The page of a notice as an account without answers sees it; records nothing."""
    existing = notice.variant is Variant.existing
    prompt = preview_prompt(notice, policy, site.installation.clock())
    reader = PageReader(site=site, account=prompt.account, words=words)
    values = _question_values(reader, prompt, notice, policy.asks)
    return shell.page(
        "notice.html",
        reader,
        title=words.mark_language(notice.text.title, notice.language),
        nav=existing,
        question=shell.markup("question.html", words, **values, errors_of={}, kept=PageForm()),
        showing="",
        action="/notice" if existing else "/signup",
        saved="",
        waiting="",
    )


def _record_showing(tx: Transaction, reader: PageReader, prompt: Prompt, blank: str) -> str:
    """Records that the questions were shown, by the hash of their markup; returns its id."""
    showing = notice_views.record(
        tx,
        reader.account,
        require_notice(prompt),
        place=answer_forms.place(prompt, FormPage.notice),
        surface=reader.surface,
        gpc=reader.gpc,
        now=reader.now,
        after=prompt.newest_choice,
        random=reader.installation.keyring.random,
        markup=hashlib.sha256(blank.encode()).digest(),
    )
    return showing.hex


def _save(reader: PageReader, prompt: Prompt, questions: int) -> str:
    if prompt.variant is Variant.signup:
        return reader.words.say("notice.signup.save")
    keys = ("notice.go_on", "notice.save", "notice.save.several")
    return reader.words.say(keys[min(questions, 2)])


def _question_detail(prompt: Prompt, *, terms_only: bool) -> dict[str, Any]:
    """The event detail of a question."""
    ends = prompt.ends - timedelta(days=1) if prompt.ends is not None else None
    return {
        "questions": [] if terms_only else list(prompt.unanswered or prompt.in_force.asks),
        "terms": prompt.terms_accepted_at is None,
        "may_put_off": prompt.may_put_off and not terms_only,
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
    """The age to confirm, for a form with that fault."""
    return sent.age if any(name == "age" for name, _, _ in faults.found) else ""


def _accepted(reader: PageReader, prompt: Prompt) -> str:
    at = prompt.terms_accepted_at
    return (
        reader.words.say("notice.terms.accepted", day=reader.words.day(at))
        if at is not None
        else ""
    )


def _waiting(reader: PageReader, prompt: Prompt) -> Markup | str:
    if prompt.gate is not Gate.must_decide or prompt.variant is Variant.signup:
        return ""
    # markdown escapes all but its own tags
    return Markup(markdown.inline(reader.words.say("notice.waiting")))  # noqa: S704


def _until(reader: PageReader, prompt: Prompt) -> str:
    if prompt.ends is None:
        return reader.words.say("notice.no_end")
    return reader.words.say("notice.until", day=reader.words.day(prompt.ends - timedelta(days=1)))


def _put_off(reader: PageReader, prompt: Prompt, *, sent: bool) -> Response[str]:
    """The page after the notice was put off: until when it rests, and how long it can be
    put off.
    """
    words, again = reader.words, prompt.asks_again
    assert again is not None
    lines = [
        words.say("notice.put_off.granted" if prompt.allows_any else "notice.put_off"),
        words.say("notice.put_off.again", day=words.day(again)),
        words.say("notice.put_off.no_end")
        if prompt.ends is None
        else words.say("notice.put_off.until", day=words.day(prompt.ends - timedelta(days=1))),
    ]
    return shell.message_page(
        reader,
        title=words.say("notice.put_off.title"),
        lines=lines,
        links=[("/settings", words.say("site.settings"))],
        outcome="put_off" if sent else "nothing",
        icon="clock",
        event_detail={
            "again": again.date().isoformat(),
            "until": _question_detail(prompt, terms_only=False)["until"],
        }
        if sent
        else _why(prompt),
    )


def _done(
    reader: PageReader,
    prompt: Prompt,
    saved: str,
    made: tuple[NewestChoice, ...],
) -> Response[str]:
    """The page after everything is answered."""
    words = reader.words
    signed_up = any(one.via == ShownOn.signup.value for one in made)
    lines = [text for one in made if (text := outcome_text(reader, prompt, one))] if saved else []
    if prompt.because is Reason.answered:
        lines.append(words.say("notice.nothing.answered"))
    goes_on = (
        "done.closed"
        if prompt.gate is Gate.closed
        else "done.signup"
        if signed_up
        else "done.goes_on"
    )
    return shell.message_page(
        reader,
        title=words.say(goes_on),
        lines=list(dict.fromkeys(lines)),
        links=[("/settings", words.say("site.settings")), ("/chats", words.say("site.chats"))],
        outcome="answered",
        icon="check",
        event_detail=answers_detail(reader, made),
    )


def outcome_text(reader: PageReader, prompt: Prompt, made: NewestChoice) -> str:
    """The effect of a choice, in words, while it holds, or why it has none."""
    covers = next(
        (one.covers for one in prompt.in_force.questions if one.question == made.question), None
    )
    if made.effect is Effect.none:
        why = prompt.uncovered.value if prompt.uncovered is not None else "other"
        return reader.words.say(f"done.none.{why}", age=prompt.min_age)
    # it lapsed since
    if covers is None or (made.allow and prompt.state.grant(made.question) is None):
        return ""
    if made.allow:
        return reader.words.say("done.yes", purposes=shell.allowed_phrase(reader.words, covers))
    kept = any(grant.question == made.question for grant in prompt.state.grants)
    outcome = reader.words.say("done.no", purposes=shell.refused_phrase(reader.words, covers))
    return reader.words.join(outcome, reader.words.say("done.no.kept") if kept else "")


def uncovered_text(reader: PageReader, prompt: Prompt) -> str:
    """Why an account outside the terms is asked nothing."""
    return reader.words.say(
        f"uncovered.{(prompt.uncovered or Uncovered.terms).value}", age=prompt.min_age
    )


def _nothing(
    tx: Transaction,
    policies: Policies,
    reader: PageReader,
    prompt: Prompt,
    *,
    has_put_off: bool = False,
) -> Response[str]:
    """The page without questions, and why there are none."""
    words, icon = reader.words, "info"
    match prompt.because:
        case Reason.put_off:
            return _put_off(reader, prompt, sent=has_put_off)
        case Reason.closed | Reason.not_asked:
            lines, icon = [uncovered_text(reader, prompt)], "no"
        case Reason.gpc:
            lines = [
                words.say(
                    "notice.nothing.gpc.granted" if prompt.allows_any else "notice.nothing.gpc"
                )
            ]
        case _:
            lines = [
                *_answers_in_force(tx, policies, reader.installation, prompt, words),
                words.say("notice.nothing.answered"),
            ]
    return shell.message_page(
        reader,
        title=words.say("notice.nothing.title"),
        lines=lines,
        links=[("/settings", words.say("site.settings"))],
        outcome="nothing",
        icon=icon,
        event_detail=_why(prompt),
    )


def _answers_in_force(
    tx: Transaction,
    policies: Policies,
    installation: Installation,
    prompt: Prompt,
    words: Catalogue,
) -> list[str]:
    """The answers in force."""
    whole = differences.load_differences(
        tx, installation.keyring, policies, prompt.account, installation.clock()
    )
    return [one.text for one in questions.now_lines(words, whole)]


def _why(prompt: Prompt) -> dict[str, str]:
    return {"because": prompt.because.value}


ROUTES = (notice, signup, answer_notice, answer_signup)
