"""Privacy settings: what holds now, one step to change it either way, what that does, and all that is on record.

Every choice on record has its receipt, as a page to read and print and as the file that proves it. A receipt is named
by its account and its number; one of another account answers as one that never was.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, assert_never

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from licet.consent import history, prompt, showings
from licet.consent.answer_forms import FormPage
from licet.consent.catalogue import Catalogue
from licet.consent.history import ChoiceHistory, ChoiceMade
from licet.consent.notice import Text
from licet.consent.prompt import Prompt
from licet.consent.showings import ShownOn
from licet.erasure.certificates import RECALL_DAYS
from licet.errors import NotFoundError
from licet.policy.decide import Gate
from licet.policy.file import Policy
from licet.policy.period import instant, parse_period
from licet.policy.state import GrantStanding
from licet.proof import documents, receipt
from licet.proof.receipt import Receipt
from licet.release.live_leases import LEASE_SECONDS_MAX
from licet.store.connect import transaction
from licet.train import recipients
from licet.train.recipients import RecipientSeen
from licet.vault.installation import Installation, policies
from licet.web.api.references import site_of
from licet.web.pages import shared as shell
from licet.web.pages.conversations import learnt
from licet.web.pages.notice import ask_again, noted, told, uncovered_text
from licet.web.pages.shared import NO_FAULTS, PERSONS, AnyRequest, Faults, PageForm, PageReader, Sent


@get("/settings", may=PERSONS, sync_to_thread=True, include_in_schema=False)
def settings(request: AnyRequest) -> Response[Any]:
    """The settings; that the question stood on them is on record."""
    return _page(request)


@post("/settings", may=PERSONS, checks_fence=True, include_in_schema=False)
async def change(request: AnyRequest, data: Sent) -> Response[Any]:
    """One step, either way: it holds when this answers."""
    here, who = shell.opened(request)
    site, say = site_of(request), who.words.say
    if data.allow not in ("yes", "no"):
        nothing = Faults((("allow", "change", say("notice.error.choice")),))
        return await site.calling(lambda: _page(request, data, nothing))
    result = await told(request, who, data, FormPage.settings)
    if result is None:
        return await site.calling(lambda: ask_again(here, who, shell.showing_of(data.showing)))
    if result.faults:
        text = prompt.asked_notice(result.asked).text
        no_age = Faults((("age", "age", say("notice.error.age", yes=text.yes)),))
        return await site.calling(lambda: _page(request, data, no_age))
    return shell.then(who, "/settings", said=str(result.newest_choice))


@get("/settings/receipts/{name:str}", may=PERSONS, sync_to_thread=True, include_in_schema=False)
def read_receipt(request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """The receipt of one choice, to read and to print."""
    here, who = shell.opened(request)
    found, at = _receipt(here, who, name), here.clock()
    values = {
        "said": receipt.said(found), "proves": receipt.proves(found),
        "lines": [_readable(who.words, *line) for line in receipt.lines(found)],
        "vkey": documents.receipt_key(here, found).vkey, "raw": found.encode().decode(), "name": name,
        "number": name.rpartition("-")[2],
    }  # fmt: skip
    return shell.page(
        "receipt.html", who, at, title=who.words.say("receipt.title"), place="settings", values=values
    )  # fmt: skip


@get("/settings/receipts/{name:str}/receipt.json", may=PERSONS, sync_to_thread=True, include_in_schema=False)
def take_receipt(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """The receipt's file: signed, and with its proof once the choice stands in the log."""
    here, who = shell.opened(request)
    found = _receipt(here, who, name)
    headers = {
        "content-disposition": f'attachment; filename="receipt-{name.rpartition("-")[2]}.json"',
        "cache-control": "no-store",
    }
    return Response(found.encode(), media_type="application/json", headers=headers)


def _readable(words: Catalogue, term: str, value: str) -> tuple[str, str]:
    """A line of a receipt as a person reads it: the file has the exact values."""
    match term:
        case "When":
            return term, words.moment(instant(value))
        case "About" if value:
            return term, ", ".join(words.purpose(purpose) for purpose in value.split(", "))
        case "Kept for":
            return term, words.period(parse_period(value))
        case _:
            return term, value


def _receipt(here: Installation, who: PageReader, name: str) -> Receipt:
    """The reader's own receipt of that name; NotFoundError for any other name."""
    account, _, seq = name.partition("-")
    wanted = f"urn:licet:receipt:{account}:{seq}"
    found = documents.receipts(here, who.account) if account == who.account.hex else []
    for one in found:
        if one.payload["receipt_id"] == wanted:
            return one
    raise NotFoundError("no such receipt")


def _page(request: AnyRequest, sent: PageForm | None = None, faults: Faults = NO_FAULTS) -> Response[str]:
    here, who = shell.opened(request)
    at, words = here.clock(), who.words
    known = policies(here)
    policy = known.in_force(at)
    with transaction(here.pool) as tx:
        asked = prompt.ask(tx, who.account, known, at, language=words.language)
        showings.signal(tx, who.account, gpc=who.gpc, at=at)
        can_change = asked.gate in (Gate.open, Gate.notice, Gate.must_decide) and asked.notice is not None
        showing = ""
        if can_change and asked.notice is not None:
            asked_in = f"{asked.notice.text.question}\n{asked.notice.text.yes}\n{asked.notice.text.no}"
            showing = showings.record(
                tx, who.account, asked.notice, place=ShownOn.settings, surface=who.surface, gpc=who.gpc, at=at,
                after=asked.newest_choice, random=here.keyring.random, markup=hashlib.sha256(asked_in.encode()).digest(),
            ).hex  # fmt: skip
        on_record = history.recorded(tx, here.keyring, who.account)
    saved, made = noted(here, who, asked, request)
    text = asked.notice.text if asked.notice is not None and can_change else None
    given = recipients.of_account(here, who.account)
    values = {
        "granted": asked.state.grant is not None,
        "now": _now(who, asked, on_record), "gpc": who.gpc, "text": text,
        "holds": _holds(asked), "showing": showing, "saved": saved,
        "waiting": words.say("settings.waiting") if asked.gate is Gate.must_decide else "",
        "asks_age": asked.asks_age, "kept": sent or PageForm(),
        "yes_means": words.say(
            "settings.yes.means", period=words.period(policy.keep.opted_in), purposes=shell.allowed(words, policy)
        ),
        "no_means": words.say(
            "settings.no.means", period=words.period(policy.keep.opted_out), purposes=shell.refused(words, policy)
        ),
        "means_title": words.say("settings.means", no=_no(text, words)), "means": _means(words, policy, given),
        "record": [_made(words, who, made) for made in on_record.choices], "facts": _facts(words, on_record),
        "releases": _releases(words, on_record), "ended": _ended(words, asked, on_record),
        "recipients": [_given(words, one) for one in given],
        "learnt": tuple(learnt(words, on_record.consumed)),
    }  # fmt: skip
    return shell.page(
        "settings.html", who, at, title=words.say("settings.title"), place="settings", errors=faults, values=values,
        status=422 if faults else 200, outcome="answered" if made is not None else "asked" if saved else "",
    )  # fmt: skip


def _holds(asked: Prompt) -> str:
    """Which of the two answers holds now; neither before the first one."""
    match asked.state.standing:
        case GrantStanding.granted:
            return "yes"
        case GrantStanding.declined | GrantStanding.withdrawn:
            return "no"
        case GrantStanding.undecided | GrantStanding.lapsed:
            return ""
        case _:
            assert_never(asked.state.standing)


def _no(text: Text | None, words: Catalogue) -> str:
    return text.no if text is not None else words.say("answer.no")


def _now(who: PageReader, asked: Prompt, on_record: ChoiceHistory) -> str:
    words = who.words
    if asked.gate is Gate.closed or asked.gate is Gate.not_asked:
        return uncovered_text(who, asked)
    held = next((made for made in on_record.choices if made.effect != "none"), None)
    day = words.day(held.at) if held is not None else ""
    if asked.state.standing is not GrantStanding.granted:
        return words.say(f"settings.now.{asked.state.standing.value}", day=day)
    now = "settings.now.granted" if asked.gate is Gate.open else "settings.now.granted.stale"
    allowed = words.say(now, purposes=shell.allowed(words, asked.in_force))
    return f"{allowed} {words.say('settings.now.granted.since', day=words.day(_since(on_record)))}"


def _since(on_record: ChoiceHistory) -> datetime:
    """When the grant in force began."""
    return next(made.at for made in on_record.choices if made.effect == "began")


def _means(words: Catalogue, policy: Policy, given: list[RecipientSeen]) -> list[tuple[str, str]]:
    """What a no does, part by part."""
    out, flagged = words.period(policy.keep.opted_out), words.period(policy.keep.flagged)
    refused = shell.refused(words, policy)
    means = [
        (words.say(f"settings.means.{part}"), words.say(f"settings.means.{part}.text", period=period, purposes=refused))
        for part, period in (("from_now", out), ("stored", out))
    ]
    shut = words.say("settings.means.releases.text", minutes=LEASE_SECONDS_MAX // 60)
    if any(one.plain for one in given):
        shut = f"{shut} {words.say('settings.means.releases.plain', days=RECALL_DAYS)}"
    means.append((words.say("settings.means.releases"), shut))
    means += [
        (words.say(f"settings.means.{part}"), words.say(f"settings.means.{part}.text", period=period))
        for part, period in (("models", ""), ("flagged", flagged))
    ]
    return means


def _given(words: Catalogue, one: RecipientSeen) -> str:
    """A recipient of rows, and how it stands with them."""
    day = one.due_at or one.acknowledged_at
    state = words.say(f"settings.recipients.{one.state.value}", day=words.day(day) if day else "")
    how = "plain" if one.plain else "sealed"
    return words.say(
        f"settings.recipients.{how}", recipient=one.recipient, rows=words.count("rows", one.rows), name=one.release,
        day=words.day(one.given_at), state=state,
    )  # fmt: skip


class ChoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """A choice on the page."""

    when: str
    what: str
    effect: str
    shown: str
    number: int
    receipt: str


def _made(words: Catalogue, who: PageReader, made: ChoiceMade) -> ChoiceLine:
    evidence = made.evidence
    if evidence is not None and evidence.sha256:
        by = "host" if evidence.place == ShownOn.host.value else "notice"
        seen = words.say(f"settings.record.{by}", hash=evidence.sha256[:12], language=evidence.language)
    else:
        seen = words.say("settings.record.no_notice", via=made.via)
    if evidence is not None and evidence.gpc:
        seen = f"{seen}. {words.say('settings.record.gpc')}"
    return ChoiceLine(
        when=words.moment(made.at), what=words.say("answer.yes" if made.allow else "answer.no"),
        effect=words.say(f"effect.{made.effect}"), shown=seen, number=made.seq,
        receipt=f"{who.account.hex}-{made.seq}",
    )  # fmt: skip


def _facts(words: Catalogue, on_record: ChoiceHistory) -> list[str]:
    """What is on record beside the choices."""
    lines = [words.say("settings.record.terms", version=v, day=words.day(at)) for at, v in on_record.terms]
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


def _ended(words: Catalogue, asked: Prompt, on_record: ChoiceHistory) -> str:
    """What became of the training sets of a permission that has ended."""
    if not on_record.holdings or asked.state.grant is not None:
        return ""
    return words.say("settings.releases.ended", minutes=LEASE_SECONDS_MAX // 60)


def _releases(words: Catalogue, on_record: ChoiceHistory) -> list[str]:
    return [
        words.say(
            "settings.releases.line", name=one.name, rows=words.count("rows", one.rows),
            conversations=words.count("conversations", one.conversations),
            purpose=words.purpose(one.purpose), day=words.day(one.sealed_at),
        )
        for one in on_record.holdings
    ]  # fmt: skip


ROUTES = (settings, change, read_receipt, take_receipt)
