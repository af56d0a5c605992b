"""Your rights: a short form for each, which names its deadline before it is sent, and the state of
each request.

What a person can do here alone is offered first: take everything out, delete, say no. Withdrawing a
request asks once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath, URLEncodedBody

from licet.consent import deadlines, request_register, rights_requests
from licet.consent.catalogue import Catalogue
from licet.consent.deadlines import RightKind
from licet.consent.request_register import RequestRow, SeenStep
from licet.consent.rights import REFUSES, ReceivedVia, RequestState, RequestStep
from licet.consent.rights_requests import (
    NEEDS_WORDS,
    WORDS_CHARACTERS_MAX,
    ReplyToRequest,
    SeenRequest,
    SendRequest,
    WithdrawRequest,
)
from licet.errors import NotFoundError
from licet.masked import Masked
from licet.vault import account_region, account_view
from licet.vault.ids import Prefix, format_id, parse
from licet.vault.installation import policy_snapshot
from licet.web.api.shared import write
from licet.web.pages import shared as shell
from licet.web.pages.shared import (
    NO_FAULTS,
    AnyRequest,
    Faults,
    PageReader,
    RouteReader,
    fenced_form,
    fenced_page,
)

PAGE_REQUESTS_MAX = 25
# What a person can do at once without anybody's answer: the page, and the sentence that leads
# there.
DOES_ITSELF = {
    RightKind.access: ("/chats#takeout", "rights.itself.takeout"),
    RightKind.portability: ("/chats#takeout", "rights.itself.takeout"),
    RightKind.erasure: ("/chats#end", "rights.itself.erase"),
    RightKind.restriction: ("/settings", "rights.itself.no"),
    RightKind.objection: ("/settings", "rights.itself.no"),
}


# Where what came of it is seen.
_LEADS = {RightKind.erasure: (("/erasures", "data.erasures"),)}


class WordsForm(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """What somebody writes with a request."""

    words: str = ""


class RequestLine(msgspec.Struct, frozen=True, kw_only=True):
    """A request on the page of rights."""

    id: str
    title: str
    state: str


class StepLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A step of a request on its page."""

    when: str
    what: str
    words: str


@fenced_page("/rights")
def list_rights(reader: RouteReader) -> Response[Any]:
    """Each right, and the requests that were sent, newest first."""
    at, words, before = reader.now, reader.words, reader.query.get("before", "")
    start = parse(Prefix.request, before) if before else None
    with policy_snapshot(reader.installation) as (tx, known):
        region = account_region.load_regions(tx, [reader.account])[reader.account]
        rows = request_register.list_by_account(
            tx, reader.account, PAGE_REQUESTS_MAX + 1, before=start
        )
        is_closed = (
            account_view.load_accounts(tx, [reader.account])[reader.account].state.closed_at
            is not None
        )
    authority = (
        known.in_force(at).authority_of(region)
        or deadlines.deadline(RightKind.access, region).authority
    )
    kinds = () if is_closed else tuple(kind.value for kind in RightKind)
    return shell.page(
        "rights.html",
        reader,
        title=words.say("rights.title"),
        place="chats",
        rights=[
            (kind, words.say(f"rights.kind.{kind}"), words.say(f"rights.means.{kind}"))
            for kind in kinds
        ],
        law=_law(words, region),
        authority=_authority(words, authority),
        requests=[_line(words, row, at) for row in rows[:PAGE_REQUESTS_MAX]],
        before=before,
        older=format_id(Prefix.request, rows[PAGE_REQUESTS_MAX - 1].request)
        if len(rows) > PAGE_REQUESTS_MAX
        else "",
    )


@fenced_page("/rights/{kind:str}")
def ask_right(reader: RouteReader, kind: FromPath[str]) -> Response[Any]:
    """The form of one right, with its due date."""
    return _form(reader, _kind(kind))


def _form(
    reader: PageReader,
    kind: RightKind,
    kept: str = "",
    faults: Faults = NO_FAULTS,
) -> Response[Any]:
    at = reader.now
    with policy_snapshot(reader.installation) as (tx, _):
        region = account_region.load_regions(tx, [reader.account])[reader.account]
    words, times = reader.words, deadlines.deadline(kind, region)
    until = times.extended_to(at)
    lines = [words.say("rights.due", day=words.day(times.due_at(at)))]
    lines.append(
        words.say("rights.due.extended", day=words.day(until))
        if until is not None
        else words.say("rights.due.whole")
    )
    lines.append(_law(words, region))
    if kind in REFUSES:
        lines.insert(0, words.say("rights.no"))
    return shell.page(
        "right.html",
        reader,
        title=words.say(f"rights.kind.{kind.value}"),
        place="chats",
        errors=faults,
        status=422 if faults else 200,
        kind=kind.value,
        means=words.say(f"rights.means.{kind.value}"),
        itself=DOES_ITSELF.get(kind),
        lines=lines,
        needed=kind in NEEDS_WORDS,
        kept=kept,
        words_max=WORDS_CHARACTERS_MAX,
        danger=kind in REFUSES,
    )


@fenced_form("/rights/{kind:str}")
async def send(
    request: AnyRequest, reader: RouteReader, kind: FromPath[str], data: URLEncodedBody[WordsForm]
) -> Response[Any]:
    """Sends the request, and redirects to its page."""
    right = _kind(kind)
    faults = _faults(reader.words, data.words, needed=right in NEEDS_WORDS)
    if faults:
        kept = data.words[:WORDS_CHARACTERS_MAX]
        return await reader.site.calling(lambda: _form(reader, right, kept, faults))
    asked = SendRequest(
        account=reader.account,
        at=reader.now,
        keyring=reader.installation.keyring,
        kind=right,
        words=data.words.strip(),
        via=ReceivedVia.page,
    )
    written = await write(request, asked, None)
    assert isinstance(written.finished, RequestRow)
    named = format_id(Prefix.request, written.finished.request)
    return shell.redirect_to(
        reader,
        f"/rights/requests/{named}",
        flash="no" if right in REFUSES else "sent",
    )


def _faults(words: Catalogue, text: str, *, needed: bool) -> Faults:
    if needed and not text.strip():
        return Faults((("words", "words", words.say("rights.fault.words")),))
    if len(text) > WORDS_CHARACTERS_MAX:
        return Faults(
            (("words", "words", words.say("rights.fault.long", most=f"{WORDS_CHARACTERS_MAX:,}")),)
        )
    return NO_FAULTS


@fenced_page("/rights/requests/{name:str}")
def read_request(reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """One request: its state, steps, texts, and its person's possible acts."""
    return _request(reader, name, done=reader.query.get("flash", ""))


def _request(
    reader: PageReader,
    name: str,
    *,
    done: str = "",
    kept: str = "",
    faults: Faults = NO_FAULTS,
) -> Response[Any]:
    at, words, found = (
        reader.now,
        reader.words,
        _load_own_request(reader, name),
    )
    saved = words.say(f"rights.done.{done}") if done in _SAID and _SAID[done](found) else ""
    is_open = found.ended_at is None
    title = words.say(
        "request.of",
        right=words.say(f"rights.kind.{found.kind.value}"),
        day=words.day(found.received_at),
    )
    return shell.page(
        "request.html",
        reader,
        title=title,
        place="chats",
        errors=faults,
        status=422 if faults else 200,
        request=found,
        state=_state(words, found, at),
        saved=saved,
        is_open=is_open,
        steps=[_step(words, one) for one in found.steps],
        kept=kept,
        words_max=WORDS_CHARACTERS_MAX,
        itself=[*filter(None, [DOES_ITSELF.get(found.kind)]), *_LEADS.get(found.kind, ())],
        authority=_authority(words, found.authority),
        asks=found.state is RequestState.paused,
    )


# What a page says was done, as far as it is so.
_SAID = {
    "sent": lambda found: found.state is RequestState.open,
    "no": lambda found: any(one.step is RequestStep.no_recorded for one in found.steps),
    "replied": lambda found: any(one.step is RequestStep.replied for one in found.steps),
    "withdrawn": lambda found: found.state is RequestState.withdrawn,
}


@fenced_form("/rights/requests/{name:str}/reply")
async def reply(
    request: AnyRequest, reader: RouteReader, name: FromPath[str], data: URLEncodedBody[WordsForm]
) -> Response[Any]:
    """Sends the answer to a question of staff."""
    faults = _faults(reader.words, data.words, needed=True)
    if faults:
        kept = data.words[:WORDS_CHARACTERS_MAX]
        return await reader.site.calling(lambda: _request(reader, name, kept=kept, faults=faults))
    verb = ReplyToRequest(
        account=reader.account,
        at=reader.now,
        keyring=reader.installation.keyring,
        request=parse(Prefix.request, name),
        words=data.words.strip(),
    )
    await write(request, verb, None)
    return shell.redirect_to(reader, f"/rights/requests/{name}", flash="replied")


@fenced_page("/rights/requests/{name:str}/withdraw")
def ask_withdraw(reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """Asks for confirmation of a withdrawal of the request, with its effect."""
    found = _load_own_request(reader, name)
    if found.ended_at is not None:
        return shell.redirect_to(reader, f"/rights/requests/{name}")
    return shell.page(
        "withdraw.html",
        reader,
        title=reader.words.say("request.withdraw.title"),
        place="chats",
        request=found,
    )


@fenced_form("/rights/requests/{name:str}/withdraw")
async def withdraw(request: AnyRequest, reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """Withdraws the request."""
    verb = WithdrawRequest(
        account=reader.account,
        at=reader.now,
        keyring=reader.installation.keyring,
        request=parse(Prefix.request, name),
    )
    await write(request, verb, None)
    return shell.redirect_to(reader, f"/rights/requests/{name}", flash="withdrawn")


# Sentences


def _kind(text: str) -> RightKind:
    try:
        return RightKind(text)
    except ValueError:
        raise NotFoundError("no such right") from None


def _load_own_request(reader: PageReader, name: str) -> SeenRequest:
    named = parse(Prefix.request, name)
    with policy_snapshot(reader.installation) as (tx, _):
        found = rights_requests.open_request(
            tx, reader.installation.keyring, rights_requests.get_own(tx, reader.account, named)
        )
    return rights_requests.detail(found, reader.now, for_staff=False)


def _law(words: Catalogue, region: str | None) -> str:
    laws = deadlines.deadline(RightKind.access, region).laws
    if len(laws) == 1:
        return words.say("rights.law", law=laws[0])
    return words.say("rights.law.strictest", laws=words.join_names(laws))


def _authority(words: Catalogue, authority: str | None) -> str:
    if authority is None:
        return words.say("rights.authority.country")
    return words.say("rights.authority", authority=authority)


def _line(words: Catalogue, row: RequestRow, now: datetime) -> RequestLine:
    found = rights_requests.summary(row, now)
    right = words.say(f"rights.kind.{found.kind.value}")
    return RequestLine(
        id=found.id,
        title=words.say("request.of", right=right, day=words.day(found.received_at)),
        state=words.join(*_state(words, found, now)),
    )


def _state(words: Catalogue, request: SeenRequest, now: datetime) -> list[str]:
    """The state of a request, and the date of the next step."""
    if request.ended_at is not None:
        return [words.say(f"request.state.{request.state.value}", day=words.day(request.ended_at))]
    if request.clock_stops:
        return [words.say("request.state.paused"), words.say("request.stops")]
    when = "request.late" if request.due_at < now else "request.due"
    return [
        words.say(f"request.state.{request.state.value}"),
        words.say(when, day=words.day(request.due_at)),
    ]


def _step(words: Catalogue, step: SeenStep) -> StepLine:
    key = f"request.step.{step.step.value}"
    if step.step is RequestStep.received:
        key = f"{key}.{step.by}"
    elif step.reason:
        key = f"{key}.{step.reason}"
    return StepLine(when=words.moment(step.at), what=words.say(key), words=step.words)


ROUTES = (list_rights, ask_right, send, read_request, reply, ask_withdraw, withdraw)
