"""A client of the API: verbs are values, and one of two drivers sends them.

    from licet.client import Client, choose, say

    with Client("https://privacy.example.org", key) as licet:
        licet.send(choose("host:ana", allow=True))
        licet.send(say("host:ana", "hello", conversation="host:c1", id="t1"))

`AsyncClient` sends the same values with ``await``. `check` asks the gate once, within
`CHECK_SECONDS`, never raises, and returns no if the gate is unknown: call it before every message
of a chat. Every change has an `Idempotency-Key`, so that a retry after a lost connection, a 503 or
a 429 does it once. Errors are those of `licet.errors`; nothing else of Licet is imported but
`licet.wire`, which has the types of the responses, so that this package can be used alone.
"""

from __future__ import annotations

import random
import threading
import time
from asyncio import sleep as async_sleep
from asyncio import timeout
from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx2
import msgspec

from licet.client.failures import (
    Lost,
    Reply,
    error_of,
    gate_reason,
    lost,
    problem_in,
    reason_of,
    sentence_of,
    unreadable,
)
from licet.client.failures import SetupError as SetupError
from licet.client.failures import UnansweredError as UnansweredError
from licet.client.reasons import ReasonCode as ReasonCode
from licet.client.setup_checks import checked_account, checked_address, checked_key
from licet.errors import BrokenError, LicetError, NotFoundError, UsageError
from licet.wire import *  # the types of the answers

Result = TypeVar("Result")
Token = str | Callable[[], str]

ATTEMPTS_MAX = 5
WAIT_SECONDS = 0.1
WAIT_SECONDS_MAX = 5.0
TIMEOUT_SECONDS = 10.0
CHECK_SECONDS = 2.0
BULK_BYTES_MAX = 64 * 2**20
BULK_LINES_MAX = 10_000
_AGAIN = frozenset({429, 502, 503, 504})
_CONTRADICTION = "urn:licet:problem:contradiction"
_RUNNING = "urn:licet:problem:idempotency_key_running"


# Requests


class ApiRequest(msgspec.Struct, Generic[Result], frozen=True, kw_only=True):
    """A request, and how to read its response. ``again``: sending it twice has the effect of
    sending it once.
    """

    method: str
    path: str
    read: Callable[[bytes], Result]
    body: bytes | None = None
    content_type: str = "application/json"
    query: tuple[tuple[str, str], ...] = ()
    again: bool = True
    key: str = ""


class ToolCallResult(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the assistant requested; ``arguments`` is JSON text."""

    id: str
    name: str
    arguments: str


class ConversationTurn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A turn for `say_all`. With the host's own ``conversation`` and ``id`` it is stored once,
    however often it is sent.

    ``tools`` is, of the role ``system``, the JSON text of the list of tools that the host offered
    the model. ``thread`` names the side thread of a subagent; the conversation itself has none.
    ``grant`` is that of the gate's answer when it was said: it is stamped under no newer one.
    ``project`` is the host's own id of the conversation's project, which its first turn determines.
    """

    account: str
    conversation: str | None = None
    id: str | None = None
    role: str = "user"
    text: str = ""
    tool_calls: tuple[ToolCallResult, ...] = ()
    tool_call_id: str = ""
    tool_name: str = ""
    tools: str = ""
    attachments: tuple[str, ...] = ()
    title: str = ""
    origin: str | None = None
    surface: str = "app"
    kind: str = "chat"
    incognito: bool = False
    keep_out: bool = False
    model: str = ""
    thread: str = ""
    grant: int | None = None
    project: str | None = None
    project_title: str = ""


def open_account(
    host: str,
    plan: str,
    age: int | None = None,
    *,
    opened: datetime | None = None,
    begin_anew: bool = False,
) -> ApiRequest[OpenedAccount]:
    """Opens an account by the host's own id; an existing one is unchanged, and stays closed if it
    is closed.

    ``opened`` is when the host opened it, if not now: people from before a policy may put its
    notice off. ``begin_anew`` opens another account where that of the id is closed; nothing of the
    closed one passes to it.
    """
    body: dict[str, Any] = {"host": host, "plan": plan, "age": age}
    if opened is not None:
        body["opened"] = opened.isoformat()
    if begin_anew:
        body["begin_anew"] = True
    return _changing("POST", "/v1/accounts", OpenedAccount, body)


def get_account(account: str) -> ApiRequest[Account]:
    return _reading(_account(account), Account)


def set_plan(account: str, plan: str) -> ApiRequest[ChangeResult]:
    return _changing("PUT", f"{_account(account)}/plan", ChangeResult, {"plan": plan})


def set_age(account: str, age: int | None) -> ApiRequest[ChangeResult]:
    return _changing("PUT", f"{_account(account)}/age", ChangeResult, {"age": age})


def set_region(account: str, region: str | None) -> ApiRequest[ChangeResult]:
    """Where the person lives, as `DE` or `US-CA`: whose clock holds for their later requests."""
    return _changing("PUT", f"{_account(account)}/region", ChangeResult, {"region": region})


def close_account(account: str) -> ApiRequest[ChangeResult]:
    return _changing("POST", f"{_account(account)}/close", ChangeResult)


def gate(account: str) -> ApiRequest[GateResult]:
    """The gate; `check` of the drivers asks the same and never raises. SetupError for a reference
    that can be none.
    """
    return _reading(f"{_account(checked_account(account))}/gate", GateResult)


def myself() -> ApiRequest[CallerResult]:
    """Who calls, and with which scopes."""
    return _reading("/v1/me", CallerResult)


def notice(account: str) -> ApiRequest[NoticeResult]:
    return _reading(f"{_account(account)}/notice", NoticeResult)


def choose(
    account: str,
    *,
    allow: bool,
    question: str | None = None,
    scope: ChoiceScope | None = None,
    keep: Sequence[ChoiceScope] = (),
    age: int | None = None,
    via: str = "api",
    surface: str = "app",
    showing: str | None = None,
) -> ApiRequest[ChoiceResult]:
    """Allows, refuses or withdraws. A no without ``question`` answers every question; a yes must
    name it if several are asked.

    With ``scope`` it is a yes for a project or a conversation alone; ``keep`` are those whose
    grants a no leaves in force.
    """
    body = {
        "allow": allow, "question": question, "scope": scope, "keep": tuple(keep), "age": age, "via": via,
        "surface": surface, "showing": showing,
    }  # fmt: skip
    return _changing("POST", f"{_account(account)}/choices", ChoiceResult, body)


def choices(account: str, cursor: str | None = None) -> ApiRequest[Choices]:
    return _reading(f"{_account(account)}/choices", Choices, _page(cursor))


def standing(account: str, cursor: str | None = None) -> ApiRequest[StandingResult]:
    """Who chose what, when and where: for the account, its projects, and their conversations."""
    return _reading(f"{_account(account)}/standing", StandingResult, _page(cursor))


def preview(
    account: str = "me",
    *,
    purpose: str = "improve_models",
    conversation: str | None = None,
    project: str | None = None,
    assume: bool = False,
    cursor: str | None = None,
) -> ApiRequest[PreviewResult]:
    """What a release built now would contain of the person's conversations; ``assume``: as if they
    said yes for what is shown.
    """
    query = [("purpose", purpose), ("assume", "true" if assume else "false"), *_page(cursor)]
    query += [
        (name, value)
        for name, value in (("conversation", conversation), ("project", project))
        if value
    ]
    return _reading(f"{_account(account)}/preview", PreviewResult, tuple(query))


def keep_project_out(account: str, project: str, title: str = "") -> ApiRequest[ChangeResult]:
    """Keeps a project out: each of its conversations, and later ones from their first turn on."""
    return _changing(
        "POST", f"{_project(account, project)}/keep-out", ChangeResult, {"title": title}
    )


def let_project_in(account: str, project: str, title: str = "") -> ApiRequest[ChangeResult]:
    """Lets in conversations that begin in a project; a conversation that is kept out stays so until
    it is let in itself.
    """
    return _changing("POST", f"{_project(account, project)}/let-in", ChangeResult, {"title": title})


def say(
    account: str,
    text: str,
    *,
    conversation: str | None = None,
    id: str | None = None,
    role: str = "user",
    title: str = "",
    origin: str | None = None,
    surface: str = "app",
    kind: str = "chat",
    incognito: bool = False,
    keep_out: bool = False,
    model: str = "",
    project: str | None = None,
    project_title: str = "",
) -> ApiRequest[TurnResult]:
    """Sends a turn. GateError at `must_decide`; its hint is where the account can answer."""
    turn = ConversationTurn(
        account=account,
        text=text,
        conversation=conversation,
        id=id,
        role=role,
        title=title,
        origin=origin,
        surface=surface,
        kind=kind,
        incognito=incognito,
        keep_out=keep_out,
        model=model,
        project=project,
        project_title=project_title,
    )
    return _changing("POST", "/v1/turns", TurnResult, turn)


def say_all(turns: Iterable[ConversationTurn]) -> ApiRequest[list[BulkItem]]:
    """Sends turns in bulk; returns one item for each. Retried only if every turn has ids of the
    host.
    """
    taken = list(turns)
    if len(taken) > BULK_LINES_MAX:
        raise _too_large(f"`{len(taken)}` turns in one request: at most {BULK_LINES_MAX}")
    body = b"\n".join(map(msgspec.json.encode, taken))
    if len(body) > BULK_BYTES_MAX:
        raise _too_large(f"`{len(body)}` bytes in one request: at most {BULK_BYTES_MAX}")
    return ApiRequest(
        method="POST",
        path="/v1/turns:bulk",
        body=body,
        content_type="application/x-ndjson",
        read=lambda answer: [
            msgspec.json.decode(line, type=BulkItem) for line in answer.splitlines() if line
        ],
        again=all(turn.conversation is not None and turn.id is not None for turn in taken),
    )


def _too_large(message: str) -> UsageError:
    error = UsageError(message, "send fewer turns at a time")
    error.because = ReasonCode.too_large
    return error


def conversations(account: str, cursor: str | None = None) -> ApiRequest[Conversations]:
    return _reading(f"{_account(account)}/conversations", Conversations, _page(cursor))


def get_conversation(conversation: str, account: str | None = None) -> ApiRequest[Conversation]:
    return _reading(_conversation(conversation), Conversation, _for(account))


def explain(conversation: str, account: str | None = None) -> ApiRequest[Explanation]:
    """The answer for each turn of a conversation and each purpose, the reason, and the act behind
    it.
    """
    return _reading(f"{_conversation(conversation)}/explain", Explanation, _for(account))


def explain_turn(turn: str) -> ApiRequest[Explanation]:
    """The same for one turn."""
    return _reading(f"/v1/turns/{quote(turn)}/explain", Explanation)


def keep_out(conversation: str, account: str | None = None) -> ApiRequest[ChangeResult]:
    return _changing(
        "POST", f"{_conversation(conversation)}/keep-out", ChangeResult, query=_for(account)
    )


def let_in(conversation: str, account: str | None = None) -> ApiRequest[ChangeResult]:
    return _changing(
        "POST", f"{_conversation(conversation)}/let-in", ChangeResult, query=_for(account)
    )


def delete(conversation: str, account: str | None = None) -> ApiRequest[ChangeResult]:
    return _changing("DELETE", _conversation(conversation), ChangeResult, query=_for(account))


def give_feedback(
    conversation: str,
    rating: str,
    *,
    share: str = "rating",
    turn: int = 0,
    comment: str = "",
    id: str | None = None,
    account: str | None = None,
    check: str | None = None,
    score: float | None = None,
) -> ApiRequest[FeedbackResult]:
    """Gives feedback of a person, or with ``check`` (`tests`, `build`, `lint`, `task`, `accepted`,
    `reward`) the service's.
    """
    body = {"rating": rating, "share": share, "turn": turn, "comment": comment, "id": id}
    body |= {"check": check, "score": score}
    return _changing(
        "POST", f"{_conversation(conversation)}/feedback", FeedbackResult, body, _for(account)
    )


def feedback(account: str = "me", cursor: str | None = None) -> ApiRequest[FeedbackPage]:
    """The feedback that an account gave, as far as it is stored, newest first."""
    return _reading(f"{_account(account)}/feedback", FeedbackPage, _page(cursor))


def take_feedback_back(feedback: str, account: str = "me") -> ApiRequest[FeedbackResult]:
    """Takes one feedback back: nothing uses it from now on."""
    return _changing("DELETE", f"{_account(account)}/feedback/{quote(feedback)}", FeedbackResult)


def rights(account: str = "me") -> ApiRequest[RightTimes]:
    """By when each right would be answered if it were asked for now, and by which law."""
    return _reading(f"{_account(account)}/rights", RightTimes)


def send_request(kind: str, words: str = "", account: str = "me") -> ApiRequest[SentRequest]:
    """Sends a request of a person; an objection, or a request to restrict, is also the account's
    no.
    """
    return _changing(
        "POST", f"{_account(account)}/requests", SentRequest, {"kind": kind, "words": words}
    )


def requests(account: str = "me", cursor: str | None = None) -> ApiRequest[SentRequests]:
    """The requests of an account, newest first."""
    return _reading(f"{_account(account)}/requests", SentRequests, _page(cursor))


def get_request(request: str, account: str = "me") -> ApiRequest[SentRequest]:
    """A request with its steps."""
    return _reading(f"{_account(account)}/requests/{quote(request)}", SentRequest)


def reply_to_request(request: str, words: str, account: str = "me") -> ApiRequest[SentRequest]:
    """Answers what staff asked, while the request waits."""
    return _changing(
        "POST",
        f"{_account(account)}/requests/{quote(request)}/reply",
        SentRequest,
        {"words": words},
    )


def withdraw_request(request: str, account: str = "me") -> ApiRequest[SentRequest]:
    """Takes a request back."""
    return _changing("POST", f"{_account(account)}/requests/{quote(request)}/withdraw", SentRequest)


def events(since: str = "0", *, limit: int = 100, wait: int = 0) -> ApiRequest[Events]:
    """The events after a cursor; ``wait`` seconds, fewer than the client's timeout, for one to
    occur.
    """
    return _reading(
        "/v1/events", Events, (("since", since), ("limit", str(limit)), ("wait", str(wait)))
    )


def acknowledge(event: str, endpoint: str) -> ApiRequest[EventDelivery]:
    """Acknowledges that what an event named has left the host of ``endpoint``."""
    return _changing(
        "POST", f"/v1/events/{quote(event)}/acknowledge", EventDelivery, {"endpoint": endpoint}
    )


def erasure(erasure: str) -> ApiRequest[ErasureResult]:
    return _reading(f"/v1/erasures/{quote(erasure)}", ErasureResult)


def certificate(erasure: str) -> ApiRequest[bytes]:
    """The signed certificate of an erasure; RefusedError while it is in progress."""
    return ApiRequest(method="GET", path=f"/v1/erasures/{quote(erasure)}/certificate", read=bytes)


def export(account: str = "me") -> ApiRequest[bytes]:
    """A person's own conversations as NDJSON."""
    return ApiRequest(method="GET", path=f"{_account(account)}/export", read=bytes)


def _account(account: str) -> str:
    return f"/v1/accounts/{_segment(account)}"


def _conversation(conversation: str) -> str:
    return f"/v1/conversations/{_segment(conversation)}"


def _project(account: str, project: str) -> str:
    return f"{_account(account)}/projects/{_segment(project)}"


def _segment(reference: str) -> str:
    """A reference as one segment of a path: a slash in the host's id is encoded too."""
    return quote(reference, safe=":")


def _page(cursor: str | None) -> tuple[tuple[str, str], ...]:
    return (("cursor", cursor),) if cursor else ()


def _for(account: str | None) -> tuple[tuple[str, str], ...]:
    return (("account", account),) if account is not None else ()


def _reading(
    path: str, of: type[Result], query: tuple[tuple[str, str], ...] = ()
) -> ApiRequest[Result]:
    return ApiRequest(
        method="GET",
        path=path,
        query=query,
        read=lambda answer: msgspec.json.decode(answer, type=of),
    )


def _changing(
    method: str,
    path: str,
    of: type[Result],
    body: object = None,
    query: tuple[tuple[str, str], ...] = (),
) -> ApiRequest[Result]:
    """A change, with an idempotency key: the value sent again, by a retry or by hand, is the same
    request.
    """
    return ApiRequest(
        method=method,
        path=path,
        query=query,
        key=uuid4().hex,
        body=None if body is None else msgspec.json.encode(body),
        read=lambda answer: msgspec.json.decode(answer, type=of),
    )


# Sending, independent of the driver


class _Wait(msgspec.Struct, frozen=True):
    seconds: float


_Steps = Generator[ApiRequest[Any] | _Wait, Reply | Lost | None, Any]


def _steps(call: ApiRequest[Any], attempts_max: int) -> _Steps:
    """The exchange as steps: yields what to send or how long to wait, and is sent the result."""
    for attempt in range(1, attempts_max + 1):
        came = yield call
        assert came is not None
        if isinstance(came, Reply) and came.status < 300:
            try:
                return call.read(came.body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise unreadable(came) from None
        error = error_of(came)
        if attempt == attempts_max or not call.again or not _may_pass(came):
            raise error
        yield _Wait(_pause(came, attempt))
    raise BrokenError("no attempt was made")


def _read_once(call: ApiRequest[Result], came: Reply | Lost) -> Result:
    """The response of one attempt; an error of `licet.errors` for anything else."""
    steps = _steps(call, 1)
    next(steps)
    try:
        steps.send(came)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise BrokenError("one attempt was to be the only one")


def verified(came: Reply | Lost, scopes: Sequence[str]) -> CallerResult:
    """The caller in an answer to `myself`; the errors of `Client.verify`."""
    try:
        caller = _read_once(myself(), came)
    except NotFoundError:
        raise SetupError(
            ReasonCode.address_path if _is_problem(came) else ReasonCode.not_licet
        ) from None
    except UnansweredError as error:
        if error.because is ReasonCode.not_licet:
            raise SetupError(ReasonCode.not_licet, error.message) from None
        raise
    except LicetError as error:
        because = reason_of(error)
        if because is ReasonCode.broken:
            raise UnansweredError(because) from None
        refused = because is ReasonCode.token_refused
        raise SetupError(because, error.message if refused else "") from None
    missing = sorted(set(scopes) - set(caller.scopes))
    if missing:
        raise SetupError(ReasonCode.scope_missing, ", ".join(missing))
    return caller


def _is_problem(came: Reply | Lost) -> bool:
    return isinstance(came, Reply) and bool(problem_in(came).type)


def _may_pass(came: Reply | Lost) -> bool:
    """Whether a retry may succeed."""
    if isinstance(came, Lost):
        return True
    return came.status in _AGAIN or (came.status == 409 and problem_in(came).type == _RUNNING)


def _pause(came: Reply | Lost, attempt: int) -> float:
    """Seconds to wait: what the server asks for, otherwise longer each time, with jitter against
    other clients.
    """
    asked = came.retry_after if isinstance(came, Reply) else None
    if asked is not None and asked.isdecimal():
        return min(float(asked), WAIT_SECONDS_MAX)
    return float(min(WAIT_SECONDS * 2**attempt, WAIT_SECONDS_MAX) * random.uniform(0.5, 1.0))  # noqa: S311 no secret


def _headers(call: ApiRequest[Any], token: Token) -> dict[str, str]:
    headers = {
        "authorization": f"Bearer {token if isinstance(token, str) else checked_key(token())}",
        "accept": "application/json",
    }
    if call.body is not None:
        headers["content-type"] = call.content_type
    if call.key:
        headers["idempotency-key"] = call.key
    return headers


def _unknown(error: Exception) -> GateResult:
    """The gate that is returned if it cannot be determined: closed."""
    because = gate_reason(error)
    return unknown_gate(
        because, sentence_of(error, because), retry_after=getattr(error, "retry_after", 0.0)
    )


def _within(seconds: float, ask: Callable[[], Result]) -> Result:
    """The result of ``ask``; BusyError if there is none in time.

    It runs on a thread, because a timeout of the connection applies to each of its steps.
    """
    answered: SimpleQueue[Result | Exception] = SimpleQueue()

    def run() -> None:
        try:
            answered.put(ask())
        except Exception as error:  # it is raised in the calling thread
            answered.put(error)

    threading.Thread(target=run, name="licet-within", daemon=True).start()
    try:
        came = answered.get(timeout=seconds)
    except Empty:
        raise UnansweredError(ReasonCode.late) from None
    if isinstance(came, Exception):
        raise came
    return came


# The two drivers


class Client:
    """Sends calls, one after the other. ``token`` is a service's key or a person's token, or a
    function that returns a fresh one.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        attempts_max: int = ATTEMPTS_MAX,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._token, self._attempts_max = token, attempts_max
        self.timeout_seconds, self._check_seconds = (
            timeout_seconds,
            min(timeout_seconds, CHECK_SECONDS),
        )
        self._http = httpx2.Client(base_url=checked_address(url), timeout=timeout_seconds)
        if isinstance(token, str):
            checked_key(token)

    def send(self, call: ApiRequest[Result], *, within: float | None = None) -> Result:
        """The result of the call; an error of `licet.errors` for anything else.

        ``within`` bounds the whole call, in seconds: BusyError if there is no response by then.
        """
        return self._sent(call) if within is None else _within(within, lambda: self._sent(call))

    def _sent(self, call: ApiRequest[Result]) -> Result:
        steps, came = _steps(call, self._attempts_max), None
        try:
            while True:
                step = steps.send(came)
                if isinstance(step, _Wait):
                    time.sleep(step.seconds)
                    came = None
                else:
                    came = self._exchanged(step)
        except StopIteration as done:
            result: Result = done.value
            return result

    def _exchanged(self, call: ApiRequest[Any], seconds: float | None = None) -> Reply | Lost:
        try:
            answer = self._http.request(
                call.method,
                call.path,
                params=call.query or None,
                content=call.body,
                headers=_headers(call, self._token),
                timeout=self.timeout_seconds if seconds is None else seconds,
            )
        except httpx2.TransportError as error:
            return lost(error)
        return Reply(answer.status_code, answer.content, answer.headers.get("retry-after"))

    def check(self, account: str) -> GateResult:
        """Whether the account may write now. One attempt, never raises: a gate that is unknown
        after `CHECK_SECONDS` is a no.
        """
        try:
            return _within(self._check_seconds, lambda: self._checked(account))
        except Exception as error:
            return _unknown(error)

    def _checked(self, account: str) -> GateResult:
        try:
            came = self._exchanged(gate(account), self._check_seconds)
            return _read_once(gate(account), came)
        except Exception as error:  # a missing token, an invalid address: the result is the same
            return _unknown(error)

    def verify(self, *scopes: str) -> CallerResult:
        """Asks once who calls. SetupError where the address, the key or one of the ``scopes`` is
        wrong, UnansweredError where that cannot be known now.
        """
        came = self._exchanged(myself(), self._check_seconds)
        return verified(came, scopes)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """The same for an event loop."""

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        attempts_max: int = ATTEMPTS_MAX,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._token, self._attempts_max = token, attempts_max
        self.timeout_seconds, self._check_seconds = (
            timeout_seconds,
            min(timeout_seconds, CHECK_SECONDS),
        )
        self._http = httpx2.AsyncClient(base_url=checked_address(url), timeout=timeout_seconds)
        if isinstance(token, str):
            checked_key(token)

    async def send(self, call: ApiRequest[Result]) -> Result:
        """The result of the call; an error of `licet.errors` for anything else."""
        steps, came = _steps(call, self._attempts_max), None
        try:
            while True:
                step = steps.send(came)
                if isinstance(step, _Wait):
                    await async_sleep(step.seconds)
                    came = None
                else:
                    came = await self._exchanged(step)
        except StopIteration as done:
            result: Result = done.value
            return result

    async def _exchanged(self, call: ApiRequest[Any]) -> Reply | Lost:
        try:
            answer = await self._http.request(
                call.method,
                call.path,
                params=call.query or None,
                content=call.body,
                headers=_headers(call, self._token),
            )
        except httpx2.TransportError as error:
            return lost(error)
        return Reply(answer.status_code, answer.content, answer.headers.get("retry-after"))

    async def check(self, account: str) -> GateResult:
        """Whether the account may write now. One attempt, never raises: a gate that is unknown
        after `CHECK_SECONDS` is a no.
        """
        try:
            async with timeout(self._check_seconds):
                return _read_once(gate(account), await self._exchanged(gate(account)))
        except Exception as error:  # a missing token, an invalid address: the result is the same
            return _unknown(error)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
