"""Privacy settings: what holds now, one step to change it either way, what that does, and all that
is on record.

Every choice on record has its receipt, as a page to read and print and as the file that proves it.
A receipt is named by its account and its number; one of another account answers as one that never
was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_never

import msgspec
from litestar import Response
from litestar.params import FromPath

from licet.consent import differences, history, notice_views
from licet.consent.answer_forms import FormPage
from licet.consent.catalogue import QUESTIONS, Catalogue, catalogue
from licet.consent.differences import Differences, PlaceDiffers, QuestionDiffers
from licet.consent.history import ChoiceHistory, ChoiceMade
from licet.consent.notice_views import ShownOn
from licet.consent.prompt import Prompt, load_prompt
from licet.erasure.recall_register import RECALL_DAYS
from licet.errors import NotFoundError
from licet.masked import Masked
from licet.policy.decide import Gate
from licet.policy.file import Policy
from licet.policy.outcomes import Effect
from licet.policy.period import instant, parse_period
from licet.policy.retention import ContentKind
from licet.policy.state import GrantStanding, ScopeKind
from licet.proof import documents, receipt
from licet.proof.receipt import Receipt
from licet.release.reader import LEASE_SECONDS_MAX
from licet.store.connect import Transaction
from licet.train import recipients
from licet.train.recipients import RecipientSeen
from licet.vault.account_choices import NewestChoice
from licet.vault.installation import policy_snapshot
from licet.web.pages import questions
from licet.web.pages import shared as shell
from licet.web.pages.conversation_lines import training_lines
from licet.web.pages.notice import (
    age_faults,
    answers_detail,
    ask_again,
    ask_age_again,
    describe_outcome,
    submit_answers,
    uncovered_text,
)
from licet.web.pages.questions import VIAS, NowLine, QuestionAsked, now_lines, scope_lines
from licet.web.pages.reader_language import strip_marks
from licet.web.pages.shared import (
    NO_FAULTS,
    PERSONS,
    Faults,
    Fields,
    PageForm,
    PageReader,
    RouteReader,
    fenced_form,
    fenced_page,
    get_page,
)

NEWEST = "newest"


@fenced_page("/settings")
def settings(reader: RouteReader) -> Response[Any]:
    """The settings; records that their questions were shown."""
    return _page(reader)


@fenced_form("/settings")
async def change(reader: RouteReader, data: Fields) -> Response[Any]:
    """Records one answer, effective when this responds."""
    site, say, sent = reader.site, reader.words.say, shell.form_of(data)
    if sent.allow not in ("yes", "no"):
        nothing = Faults((("allow", _place(sent), say("notice.error.choice")),))
        return await site.calling(lambda: _page(reader, sent, nothing))
    result = await submit_answers(reader, sent, FormPage.settings)
    if result.stale:
        return await site.calling(lambda: ask_again(reader, sent, result))
    if result.faults:
        faults = Faults(
            tuple(age_faults(reader, result))
            or (("allow", _place(sent), say("notice.error.choice")),)
        )
        return await site.calling(lambda: _page(reader, sent, faults))
    return shell.redirect_to(reader, "/settings", flash=str(result.newest_choice))


def _place(sent: PageForm) -> str:
    """The place of a form on the page."""
    return f"change-{sent.question}" if sent.question else "change"


@get_page("/settings/receipts/{name:str}", may=PERSONS)
def read_receipt(reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """The receipt of one choice, to read and to print; that of the newest under the name
    `newest`.
    """
    at = reader.now
    name = _newest(reader) if name == NEWEST else name
    if not name:
        return _no_receipt(reader, at)
    found = _receipt(reader, name)
    return shell.page(
        "receipt.html",
        reader,
        title=reader.words.say("receipt.title"),
        place="settings",
        statement=receipt.describe(found),
        proves=receipt.describe_proof(found),
        lines=[_readable(catalogue(), *line) for line in receipt.list_fields(found)],
        vkey=documents.receipt_key(reader.installation, found).vkey,
        raw=found.encode().decode(),
        name=name,
        number=name.rpartition("-")[2],
    )


@get_page("/settings/receipts/{name:str}/receipt.json", may=PERSONS)
def take_receipt(reader: RouteReader, name: FromPath[str]) -> Response[bytes]:
    """The signed receipt as a file, with its proof once the choice is in the log."""
    found = _receipt(reader, name)
    headers = {
        "content-disposition": f'attachment; filename="receipt-{name.rpartition("-")[2]}.json"',
        "cache-control": "no-store",
    }
    return Response(found.encode(), media_type="application/json", headers=headers)


def _readable(words: Catalogue, term: str, value: str) -> tuple[str, str]:
    """A line of a receipt for display; the file has the exact values."""
    match term:
        case "When":
            return term, words.moment(instant(value))
        case "About" if value:
            return term, ", ".join(words.purpose(purpose) for purpose in value.split(", "))
        case "How" if value in VIAS:
            return term, words.say(f"said.via.{value}")
        case "Question" if value in QUESTIONS:
            return term, words.question(value)
        case "Kept for":
            return term, words.period(parse_period(value))
        case _:
            return term, value


def _newest(reader: PageReader) -> str:
    """The name of the newest receipt; empty before the first choice."""
    found = documents.receipts(reader.installation, reader.account)
    return (
        f"{reader.account.hex}-{str(found[-1].payload['receipt_id']).rpartition(':')[2]}"
        if found
        else ""
    )


def _no_receipt(reader: PageReader, now: datetime) -> Response[str]:
    return shell.message_page(
        reader,
        title=reader.words.say("receipt.title"),
        lines=[reader.words.say("settings.record.none")],
        links=[("/settings", reader.words.say("receipt.back"))],
        outcome="nothing",
        event_detail={"because": "no_choice"},
    )


def _receipt(reader: PageReader, name: str) -> Receipt:
    """The reader's own receipt; NotFoundError for any other name."""
    account, _, seq = name.partition("-")
    wanted = f"urn:licet:receipt:{account}:{seq}"
    found = (
        documents.receipts(reader.installation, reader.account)
        if account == reader.account.hex
        else []
    )
    for one in found:
        if one.payload["receipt_id"] == wanted:
            return one
    raise NotFoundError("no such receipt")


def _page(
    reader: PageReader,
    sent: PageForm | None = None,
    faults: Faults = NO_FAULTS,
) -> Response[str]:
    at, words = reader.now, reader.words
    with policy_snapshot(reader.installation, records=True) as (tx, known):
        prompt = load_prompt(tx, reader.account, known, at, language=words.language)
        notice_views.record_signal(tx, reader.account, gpc=reader.gpc, now=at)
        whole = differences.load_differences(
            tx, reader.installation.keyring, known, reader.account, at
        )
        asks, showing = _questions(tx, reader, prompt, whole)
        on_record = history.load_history(tx, reader.installation.keyring, reader.account)
        saved, made = describe_outcome(tx, reader, prompt)
        rows = recipients.given_rows(tx, reader.account)
    given, several = recipients.describe(reader.installation, rows), len(prompt.in_force.asks) > 1
    return shell.page(
        "settings.html",
        reader,
        title=words.say("settings.title"),
        place="settings",
        errors=faults,
        status=422 if faults else 200,
        outcome="answered" if made else "asked" if saved else "",
        event_detail=answers_detail(reader, made)
        if made
        else {"questions": [one.name for one in asks]},
        now=_now(reader, prompt, whole),
        gpc=reader.gpc,
        asks={one.name: one for one in asks},
        one_question=not several,
        undo=undo_offer(words, prompt, made, on_record.choices, asks),
        if_no=_if_no(words, prompt, on_record, given),
        text=prompt.notice.text if prompt.notice is not None and asks else None,
        holds={one.question: _current_answer(one) for one in whole.questions},
        showing=showing,
        saved=saved,
        waiting=words.say("settings.waiting") if prompt.gate is Gate.must_decide else "",
        asks_age=prompt.asks_age,
        kept=sent or PageForm(),
        known_age=ask_age_again(sent, faults) if sent else "",
        failed=sent.question if sent is not None and sent.question else "",
        means_title=words.say(
            "settings.means", no=asks[0].no if asks and not several else words.say("answer.no")
        ),
        means=_means(words, prompt.in_force, given),
        projects=_places(words, whole, whole.projects),
        chats=_places(words, whole, whole.chats),
        record=[
            _choice_lines(words, reader, made, prompt.in_force.asks) for made in on_record.choices
        ],
        facts=_facts(words, on_record),
        releases=_releases(words, on_record),
        ended=_ended_lines(words, prompt, on_record),
        recipients=[_recipient_line(words, one) for one in given],
        learnt=tuple(training_lines(words, on_record.consumed)),
    )


def _questions(
    tx: Transaction,
    reader: PageReader,
    prompt: Prompt,
    differs: Differences,
) -> tuple[tuple[QuestionAsked, ...], str]:
    """The questions that can be answered here, and the id of their recorded showing."""
    if prompt.gate not in (Gate.open, Gate.notice, Gate.must_decide) or prompt.notice is None:
        return (), ""
    asks = questions.questions_for_page(
        reader.words,
        prompt,
        prompt.notice,
        prompt.in_force.asks,
        page="settings",
        below=differs.questions,
    )
    asked_in = strip_marks(
        "\n".join(
            f"{one.question}\n{one.yes}\n{one.yes_means}\n{one.no}\n{one.no_means}" for one in asks
        )
    )
    showing = notice_views.record(
        tx,
        reader.account,
        prompt.notice,
        place=ShownOn.settings,
        surface=reader.surface,
        gpc=reader.gpc,
        now=reader.now,
        after=prompt.newest_choice,
        random=reader.installation.keyring.random,
        markup=hashlib.sha256(asked_in.encode()).digest(),
    )
    return asks, showing.hex


def _now(reader: PageReader, prompt: Prompt, differs: Differences) -> list[NowLine]:
    if prompt.gate is Gate.closed or prompt.gate is Gate.not_asked:
        lines, pill = uncovered_text(reader, prompt), reader.words.say("use.none")
        return [NowLine(question="", name="", use="none", pill=pill, text=lines, statement="")]
    return now_lines(reader.words, differs)


def _if_no(
    words: Catalogue,
    prompt: Prompt,
    on_record: ChoiceHistory,
    recipients_seen: Sequence[RecipientSeen],
) -> list[tuple[str, str]]:
    """The effects of a no on stored, given and learnt content, with icons; empty if nothing is
    allowed.
    """
    if not prompt.allows_any:
        return []
    several = ".several" if len(prompt.in_force.asks) > 1 else ""
    lines = [
        (
            "chat",
            words.say(
                f"if_no.stored{several}",
                period=words.period(prompt.in_force.keep.of_turn(allowed=False)),
            ),
        )
    ]
    releases, models = len(on_record.holdings), len({one.model for one in on_record.consumed})
    recipients = len({one.recipient for one in recipients_seen})
    if releases:
        lines.append(
            ("lock", words.count("if_no.releases", releases, minutes=LEASE_SECONDS_MAX // 60))
        )
    if recipients:
        lines.append(("shield", words.count("if_no.recipients", recipients)))
    if any(one.plain for one in recipients_seen):
        lines.append(
            (
                "undo",
                words.say("settings.means.releases.plain", period=words.units(RECALL_DAYS, "day")),
            )
        )
    if models:
        lines.append(("info", words.count("if_no.models", models)))
    if not (releases or recipients or models):
        lines.append(("check", words.say("if_no.nothing_given")))
    return lines


def _current_answer(question: QuestionDiffers) -> str:
    """The answer that holds now; None before the first one."""
    match question.standing:
        case GrantStanding.granted:
            return "yes"
        case GrantStanding.declined | GrantStanding.withdrawn:
            return "no"
        case GrantStanding.undecided | GrantStanding.lapsed:
            return ""
        case _:
            assert_never(question.standing)


class BelowLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A project or a chat that differs from the account, and how."""

    href: str
    what: str
    lines: tuple[str, ...]


def _places(
    words: Catalogue, differs: Differences, places: Sequence[PlaceDiffers]
) -> list[BelowLine]:
    """Lines for projects or chats; an empty list links to the page where one can be changed."""
    return [
        BelowLine(
            href=f"/{'projects' if one.kind is ScopeKind.project else 'chats'}/{one.shown_id}",
            what=one.title or _untitled(words, one),
            lines=tuple(
                scope_lines(words, differs, one.own, out=one.kept_out, now=one.kept_out_at)
            ),
        )
        for one in places
    ]


def _untitled(words: Catalogue, place: PlaceDiffers) -> str:
    """The day on which a project began, as its name."""
    if place.begun_at is not None:
        return words.say("project.untitled", day=words.day(place.begun_at))
    return words.say(f"below.{place.kind.value}.heading")


def _means(
    words: Catalogue, policy: Policy, recipients_seen: list[RecipientSeen]
) -> list[tuple[str, str]]:
    """The effects of a no, part by part."""
    out = words.period(policy.keep.of_turn(allowed=False))
    flagged = words.period(policy.keep.period(ContentKind.flagged))
    several = ".several" if len(policy.asks) > 1 else ""
    refused = shell.refused_phrase(words, policy.covers)
    means = [
        (
            words.say(f"settings.means.{part}"),
            words.say(f"settings.means.{part}.text{several}", period=period, purposes=refused),
        )
        for part, period in (("from_now", out), ("stored", out))
    ]
    shut = words.say(
        "settings.means.releases.text", period=words.units(LEASE_SECONDS_MAX // 60, "minute")
    )
    if any(one.plain for one in recipients_seen):
        shut = (
            f"{shut} "
            f"{words.say('settings.means.releases.plain', period=words.units(RECALL_DAYS, 'day'))}"
        )
    means.append((words.say("settings.means.releases"), shut))
    means += [
        (
            words.say(f"settings.means.{part}"),
            words.say(f"settings.means.{part}.text", period=period),
        )
        for part, period in (("models", ""), ("flagged", flagged))
    ]
    return means


def _recipient_line(words: Catalogue, recipient: RecipientSeen) -> str:
    """A recipient of rows, and the state of the rows."""
    day = recipient.due_at or recipient.acknowledged_at
    state = words.say(
        f"settings.recipients.{recipient.state.value}", day=words.day(day) if day else ""
    )
    how = "plain" if recipient.plain else "sealed"
    return words.say(
        f"settings.recipients.{how}",
        recipient=recipient.recipient,
        rows=words.count("rows", recipient.rows),
        name=recipient.release,
        day=words.day(recipient.given_at),
        state=state,
    )


class ChoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """A choice on the page. ``about`` is its question and scope, unless obvious."""

    when: str
    about: str
    what: str
    effect: str
    shown: str
    number: int
    receipt: str


def _about(words: Catalogue, made: ChoiceMade, asks: Sequence[str]) -> str:
    """The question and scope of a choice, if not obvious."""
    known = {made.question, *asks} - {None}
    named = words.question(made.question) if made.question is not None and len(known) > 1 else ""
    kind = (
        "project"
        if made.project is not None
        else "conversation"
        if made.conversation is not None
        else ""
    )
    return ", ".join(
        filter(None, (named, words.say(f"settings.record.for.{kind}") if kind else ""))
    )


def _effect(words: Catalogue, made: ChoiceMade) -> str:
    """The effect of a choice, or why it had none."""
    text = words.say(f"effect.{made.effect}")
    if made.because is None or made.effect != Effect.none.value:
        return text
    return f"{text}: {words.say(f'because_none.{made.because}')}"


def _choice_lines(
    words: Catalogue, reader: PageReader, made: ChoiceMade, asks: Sequence[str]
) -> ChoiceLine:
    evidence = made.unsealed
    if evidence is not None and evidence.sha256:
        by = "host" if evidence.place == ShownOn.host.value else "notice"
        seen = words.say(
            f"settings.record.{by}",
            hash=evidence.sha256[:12],
            language=words.language_name(evidence.language),
        )
    else:
        seen = words.say("settings.record.no_notice", via=made.via)
    if evidence is not None and evidence.gpc:
        seen = f"{seen}. {words.say('settings.record.gpc')}"
    return ChoiceLine(
        when=words.moment(made.at),
        about=_about(words, made, asks),
        what=words.say("answer.yes" if made.allow else "answer.no"),
        effect=_effect(words, made),
        shown=seen,
        number=made.seq,
        receipt=f"{reader.account.hex}-{made.seq}",
    )


def _facts(words: Catalogue, on_record: ChoiceHistory) -> list[str]:
    """Facts on record beside the choices."""
    lines = [
        words.say("settings.record.terms", version=v, day=words.day(at))
        for at, v in on_record.terms
    ]
    asked = [one for one in on_record.shown if one.place is not ShownOn.settings]
    put_off = sum(one.put_off_at is not None for one in asked)
    if asked:
        lines.append(words.count("settings.record.shown_times", len(asked)))
    if put_off:
        lines.append(words.count("settings.record.put_off", put_off))
    lines += [
        words.say(f"settings.record.signal.{'on' if gpc else 'off'}", day=words.day(at))
        for at, gpc in on_record.signals
    ]
    return lines


def _ended_lines(words: Catalogue, prompt: Prompt, on_record: ChoiceHistory) -> str:
    """The state of training sets under a permission that has ended."""
    if not on_record.holdings or prompt.allows_any:
        return ""
    return words.say(
        "settings.releases.ended", period=words.units(LEASE_SECONDS_MAX // 60, "minute")
    )


def _releases(words: Catalogue, on_record: ChoiceHistory) -> list[str]:
    return [
        words.say(
            "settings.releases.line",
            name=one.name,
            rows=words.count("rows", one.rows),
            conversations=words.count("conversations", one.conversations),
            purpose=words.purpose(one.purpose),
            day=words.day(one.sealed_at),
        )
        for one in on_record.holdings
    ]


class UndoOffer(msgspec.Struct, frozen=True, kw_only=True):
    """The opposite answer, `yes` or `no`, to a question on the page, and what it does in words."""

    asked: QuestionAsked
    allow: str
    text: str


def undo_offer(
    words: Catalogue,
    prompt: Prompt,
    made: Sequence[NewestChoice],
    choices: Sequence[ChoiceMade],
    asks: Sequence[QuestionAsked],
) -> UndoOffer | None:
    """How to undo the only answer that a form of the settings gave; None where the opposite answer
    would not be truthful. Nothing is reverted behind the record: the offer is an ordinary answer,
    which counts from then on, and says what it does not bring back. A no that ended only what was
    allowed below the account is not undone by a yes for all of it.

    ``choices`` are all on record, newest first.
    """
    if len(made) != 1 or made[0].via != ShownOn.settings.value:
        return None
    (newest,) = made
    question = next((one for one in asks if one.name == newest.question), None)
    if question is None:
        return None
    granted = prompt.state.grant(newest.question) is not None
    if newest.effect is Effect.began and granted:
        return UndoOffer(asked=question, allow="no", text=words.say("undo.yes"))
    if newest.effect is Effect.withdrew and not granted and _had_allowed(newest, choices):
        text = words.say(f"undo.no.{prompt.in_force.reach.value}", yes=question.yes)
        return UndoOffer(asked=question, allow="yes", text=text)
    return None


def _had_allowed(no: NewestChoice, choices: Sequence[ChoiceMade]) -> bool:
    """Whether the answer before this no was a yes for the whole account."""
    before = (
        one
        for one in choices
        if one.question == no.question
        and one.project is None
        and one.conversation is None
        and one.seq < no.seq
        and one.effect != Effect.none.value
    )
    return next((one.allow for one in before), False)


ROUTES = (settings, change, read_receipt, take_receipt)
