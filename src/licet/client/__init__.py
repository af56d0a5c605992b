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
from typing import Any, ClassVar, Generic, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx2
import msgspec

from licet.client.failures import (
    Lost,
    Reply,
    error_for,
    gate_reason,
    lost_reply,
    parse_problem,
    reason_of,
    sentence_of,
    unreadable_error,
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
    however often it is sent. ``tools``, for the role ``system``, is the JSON text of the tools
    offered to the model. ``thread`` names a subagent's side thread; the conversation itself has
    none. ``grant`` is the one that the gate named when the turn was written: its stamp has no newer
    one. ``project`` is the host's own id of the conversation's project, determined by its first
    turn.
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
    """Opens an account by the host's own id; an existing one is unchanged, even a closed one.

    ``opened`` is when the host opened it, if not now: people from before a policy may put its
    notice off. ``begin_anew`` opens another account in place of a closed one, with nothing of it.
    """
    body: dict[str, Any] = {"host": host, "plan": plan, "age": age}
    if opened is not None:
        body["opened"] = opened.isoformat()
    if begin_anew:
        body["begin_anew"] = True
    return _change("POST", "/v1/accounts", OpenedAccount, body)


def get_account(account: str) -> ApiRequest[Account]:
    return _get(_account(account), Account)


def set_plan(account: str, plan: str) -> ApiRequest[ChangeResult]:
    return _change("PUT", f"{_account(account)}/plan", ChangeResult, {"plan": plan})


def set_age(account: str, age: int | None) -> ApiRequest[ChangeResult]:
    return _change("PUT", f"{_account(account)}/age", ChangeResult, {"age": age})


def set_region(account: str, region: str | None) -> ApiRequest[ChangeResult]:
    """Sets where the person lives, as `DE` or `US-CA`, which determines the deadlines of their
    later requests.
    """
    return _change("PUT", f"{_account(account)}/region", ChangeResult, {"region": region})


def close_account(account: str) -> ApiRequest[ChangeResult]:
    return _change("POST", f"{_account(account)}/close", ChangeResult)


def gate(account: str) -> ApiRequest[GateResult]:
    """The gate; `check` of the drivers asks the same and never raises. SetupError for a reference
    that can be none.
    """
    return _get(f"{_account(checked_account(account))}/gate", GateResult)


def myself() -> ApiRequest[CallerResult]:
    """Returns the caller and its scopes."""
    return _get("/v1/me", CallerResult)


def notice(account: str) -> ApiRequest[NoticeResult]:
    return _get(f"{_account(account)}/notice", NoticeResult)


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
        "allow": allow,
        "question": question,
        "scope": scope,
        "keep": tuple(keep),
        "age": age,
        "via": via,
        "surface": surface,
        "showing": showing,
    }
    return _change("POST", f"{_account(account)}/choices", ChoiceResult, body)


def choices(account: str, cursor: str | None = None) -> ApiRequest[Choices]:
    return _get(f"{_account(account)}/choices", Choices, _page(cursor))


def standing(account: str, cursor: str | None = None) -> ApiRequest[StandingResult]:
    """Returns who chose what, when and where: for the account, its projects, and their
    conversations.
    """
    return _get(f"{_account(account)}/standing", StandingResult, _page(cursor))


def preview(
    account: str = "me",
    *,
    purpose: str = "improve_models",
    conversation: str | None = None,
    project: str | None = None,
    assume: bool = False,
    cursor: str | None = None,
) -> ApiRequest[PreviewResult]:
    """Returns what a release built now would contain of the person's conversations; ``assume``: as
    after a yes for them.
    """
    query = [("purpose", purpose), ("assume", "true" if assume else "false"), *_page(cursor)]
    query += [
        (name, value)
        for name, value in (("conversation", conversation), ("project", project))
        if value
    ]
    return _get(f"{_account(account)}/preview", PreviewResult, tuple(query))


def keep_project_out(account: str, project: str, title: str = "") -> ApiRequest[ChangeResult]:
    """Keeps a project out: its conversations, and later ones from their first turn on."""
    return _change("POST", f"{_project(account, project)}/keep-out", ChangeResult, {"title": title})


def let_project_in(account: str, project: str, title: str = "") -> ApiRequest[ChangeResult]:
    """Lets in conversations that begin in a project; one that is kept out stays so until it is let
    in itself.
    """
    return _change("POST", f"{_project(account, project)}/let-in", ChangeResult, {"title": title})


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
    return _change("POST", "/v1/turns", TurnResult, turn)


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
    return _get(f"{_account(account)}/conversations", Conversations, _page(cursor))


def get_conversation(conversation: str, account: str | None = None) -> ApiRequest[Conversation]:
    return _get(_conversation(conversation), Conversation, _for(account))


def explain(conversation: str, account: str | None = None) -> ApiRequest[Explanation]:
    """Explains each turn of a conversation and purpose: the answer, the reason, and the act behind
    it.
    """
    return _get(f"{_conversation(conversation)}/explain", Explanation, _for(account))


def explain_turn(turn: str) -> ApiRequest[Explanation]:
    """Explains one turn."""
    return _get(f"/v1/turns/{quote(turn)}/explain", Explanation)


def keep_out(conversation: str, account: str | None = None) -> ApiRequest[ChangeResult]:
    return _change(
        "POST", f"{_conversation(conversation)}/keep-out", ChangeResult, query=_for(account)
    )


def let_in(conversation: str, account: str | None = None) -> ApiRequest[ChangeResult]:
    return _change(
        "POST", f"{_conversation(conversation)}/let-in", ChangeResult, query=_for(account)
    )


def delete(conversation: str, account: str | None = None) -> ApiRequest[ChangeResult]:
    return _change("DELETE", _conversation(conversation), ChangeResult, query=_for(account))


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
    return _change(
        "POST", f"{_conversation(conversation)}/feedback", FeedbackResult, body, _for(account)
    )


def feedback(account: str = "me", cursor: str | None = None) -> ApiRequest[FeedbackPage]:
    """Returns an account's stored feedback, newest first."""
    return _get(f"{_account(account)}/feedback", FeedbackPage, _page(cursor))


def take_feedback_back(feedback: str, account: str = "me") -> ApiRequest[FeedbackResult]:
    """Withdraws a feedback: nothing uses it from now on."""
    return _change("DELETE", f"{_account(account)}/feedback/{quote(feedback)}", FeedbackResult)


def rights(account: str = "me") -> ApiRequest[RightTimes]:
    """Returns when each right would be answered if it were requested now, and by which law."""
    return _get(f"{_account(account)}/rights", RightTimes)


def send_request(kind: str, words: str = "", account: str = "me") -> ApiRequest[SentRequest]:
    """Sends a request of a person; an objection, or a request to restrict, is also the account's
    no.
    """
    return _change(
        "POST", f"{_account(account)}/requests", SentRequest, {"kind": kind, "words": words}
    )


def requests(account: str = "me", cursor: str | None = None) -> ApiRequest[SentRequests]:
    """Returns the account's requests, newest first."""
    return _get(f"{_account(account)}/requests", SentRequests, _page(cursor))


def get_request(request: str, account: str = "me") -> ApiRequest[SentRequest]:
    """Returns a request with its steps."""
    return _get(f"{_account(account)}/requests/{quote(request)}", SentRequest)


def reply_to_request(request: str, words: str, account: str = "me") -> ApiRequest[SentRequest]:
    """Answers what staff asked, while the request waits."""
    return _change(
        "POST",
        f"{_account(account)}/requests/{quote(request)}/reply",
        SentRequest,
        {"words": words},
    )


def withdraw_request(request: str, account: str = "me") -> ApiRequest[SentRequest]:
    """Takes a request back."""
    return _change("POST", f"{_account(account)}/requests/{quote(request)}/withdraw", SentRequest)


def events(since: str = "0", *, limit: int = 100, wait: int = 0) -> ApiRequest[Events]:
    """Returns the events after a cursor; waits up to ``wait`` seconds, less than the client's
    time-out, for one.
    """
    return _get(
        "/v1/events", Events, (("since", since), ("limit", str(limit)), ("wait", str(wait)))
    )


def acknowledge(event: str, endpoint: str) -> ApiRequest[EventDelivery]:
    """Acknowledges that the host of ``endpoint`` deleted what an event named."""
    return _change(
        "POST", f"/v1/events/{quote(event)}/acknowledge", EventDelivery, {"endpoint": endpoint}
    )


def erasure(erasure: str) -> ApiRequest[ErasureResult]:
    return _get(f"/v1/erasures/{quote(erasure)}", ErasureResult)


def certificate(erasure: str) -> ApiRequest[bytes]:
    """Returns the signed certificate of an erasure; RefusedError while it is in progress."""
    return ApiRequest(method="GET", path=f"/v1/erasures/{quote(erasure)}/certificate", read=bytes)


def export(account: str = "me") -> ApiRequest[bytes]:
    """Returns a person's own conversations as NDJSON."""
    return ApiRequest(method="GET", path=f"{_account(account)}/export", read=bytes)


def _account(account: str) -> str:
    return f"/v1/accounts/{_segment(account)}"


def _conversation(conversation: str) -> str:
    return f"/v1/conversations/{_segment(conversation)}"


def _project(account: str, project: str) -> str:
    return f"{_account(account)}/projects/{_segment(project)}"


def _segment(reference: str) -> str:
    """Encodes a reference as one path segment, slashes included."""
    return quote(reference, safe=":")


def _page(cursor: str | None) -> tuple[tuple[str, str], ...]:
    return (("cursor", cursor),) if cursor else ()


def _for(account: str | None) -> tuple[tuple[str, str], ...]:
    return (("account", account),) if account is not None else ()


def _get(
    path: str, kind: type[Result], query: tuple[tuple[str, str], ...] = ()
) -> ApiRequest[Result]:
    return ApiRequest(
        method="GET",
        path=path,
        query=query,
        read=lambda answer: msgspec.json.decode(answer, type=kind),
    )


def _change(
    method: str,
    path: str,
    kind: type[Result],
    body: object = None,
    query: tuple[tuple[str, str], ...] = (),
) -> ApiRequest[Result]:
    """Returns a request for a change, with an idempotency key: sent again, by a retry or by hand,
    it is the same request.
    """
    return ApiRequest(
        method=method,
        path=path,
        query=query,
        key=uuid4().hex,
        body=None if body is None else msgspec.json.encode(body),
        read=lambda answer: msgspec.json.decode(answer, type=kind),
    )


# Sending, independent of the driver


class _Wait(msgspec.Struct, frozen=True):
    seconds: float


_Steps = Generator[ApiRequest[Any] | _Wait, Reply | Lost | None, Any]


def _steps(call: ApiRequest[Any], attempts_max: int) -> _Steps:
    """Yields each request to send, or time to wait, and is sent its outcome; returns the result."""
    for attempt in range(1, attempts_max + 1):
        outcome = yield call
        assert outcome is not None
        if isinstance(outcome, Reply) and outcome.status < 300:
            try:
                return call.read(outcome.body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise unreadable_error(outcome) from None
        error = error_for(outcome)
        if attempt == attempts_max or not call.again or not _may_pass(outcome):
            raise error
        yield _Wait(_pause(outcome, attempt))
    raise BrokenError("no attempt was made")


def _read_once(call: ApiRequest[Result], outcome: Reply | Lost) -> Result:
    """Returns the response of one attempt; an error of `licet.errors` for anything else."""
    steps = _steps(call, 1)
    next(steps)
    try:
        steps.send(outcome)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise BrokenError("one attempt was to be the only one")


def check_caller(outcome: Reply | Lost, scopes: Sequence[str]) -> CallerResult:
    """Returns the caller in an answer to `myself`; raises the errors of `Client.verify`."""
    try:
        caller = _read_once(myself(), outcome)
    except NotFoundError:
        raise SetupError(
            ReasonCode.address_path if _is_problem(outcome) else ReasonCode.not_licet
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


def _is_problem(outcome: Reply | Lost) -> bool:
    return isinstance(outcome, Reply) and bool(parse_problem(outcome).type)


def _may_pass(outcome: Reply | Lost) -> bool:
    """Whether a retry may succeed."""
    if isinstance(outcome, Lost):
        return True
    return outcome.status in _AGAIN or (
        outcome.status == 409 and parse_problem(outcome).type == _RUNNING
    )


def _pause(outcome: Reply | Lost, attempt: int) -> float:
    """Returns the seconds to wait: the server's, or exponential back-off with jitter."""
    seconds = outcome.retry_after if isinstance(outcome, Reply) else None
    if seconds is not None and seconds.isdecimal():
        return min(float(seconds), WAIT_SECONDS_MAX)
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


def _reply(answer: httpx2.Response) -> Reply:
    return Reply(answer.status_code, answer.content, answer.headers.get("retry-after"))


def _unknown(error: Exception) -> GateResult:
    """Returns the closed gate for an error."""
    because = gate_reason(error)
    return unknown_gate(
        because, sentence_of(error, because), retry_after=getattr(error, "retry_after", 0.0)
    )


def _within(seconds: float, ask: Callable[[], Result]) -> Result:
    """Returns the result of ``ask``; BusyError after ``seconds``.

    Runs on a thread, because a connection's time-out applies to each of its steps.
    """
    answered: SimpleQueue[Result | Exception] = SimpleQueue()

    def run() -> None:
        try:
            answered.put(ask())
        except Exception as error:  # it is raised in the calling thread
            answered.put(error)

    threading.Thread(target=run, name="licet-within", daemon=True).start()
    try:
        outcome = answered.get(timeout=seconds)
    except Empty:
        raise UnansweredError(ReasonCode.late) from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


# The two drivers


class _Driver:
    _connect: ClassVar[type[httpx2.Client | httpx2.AsyncClient]]

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
        self._http: Any = self._connect(base_url=checked_address(url), timeout=timeout_seconds)
        if isinstance(token, str):
            checked_key(token)

    def _request(self, call: ApiRequest[Any], **limits: float) -> Any:  # noqa: ANN401 a reply, or its future
        return self._http.request(
            call.method,
            call.path,
            params=call.query or None,
            content=call.body,
            headers=_headers(call, self._token),
            **limits,
        )


class Client(_Driver):
    """Sends requests, one after the other. ``token`` is a service's key or a person's token, or a
    function that returns a fresh one.
    """

    _connect = httpx2.Client

    def send(self, call: ApiRequest[Result], *, within: float | None = None) -> Result:
        """Sends a request and returns its result; an error of `licet.errors` for anything else.

        ``within`` bounds the whole call, in seconds: BusyError after it.
        """
        return self._send(call) if within is None else _within(within, lambda: self._send(call))

    def _send(self, call: ApiRequest[Result]) -> Result:
        steps, outcome = _steps(call, self._attempts_max), None
        try:
            while True:
                step = steps.send(outcome)
                if isinstance(step, _Wait):
                    time.sleep(step.seconds)
                    outcome = None
                else:
                    outcome = self._exchange(step)
        except StopIteration as done:
            result: Result = done.value
            return result

    def _exchange(self, call: ApiRequest[Any], seconds: float | None = None) -> Reply | Lost:
        try:
            answer = self._request(call, timeout=seconds or self.timeout_seconds)
        except httpx2.TransportError as error:
            return lost_reply(error)
        return _reply(answer)

    def check(self, account: str) -> GateResult:
        """Returns whether the account may write now. One attempt; never raises: a gate that is
        unknown after `CHECK_SECONDS` is a no.
        """
        try:
            return _within(self._check_seconds, lambda: self._check(account))
        except Exception as error:
            return _unknown(error)

    def _check(self, account: str) -> GateResult:
        try:
            outcome = self._exchange(gate(account), self._check_seconds)
            return _read_once(gate(account), outcome)
        except Exception as error:  # a missing token, an invalid address: the result is the same
            return _unknown(error)

    def verify(self, *scopes: str) -> CallerResult:
        """Asks once who calls. SetupError for a wrong address or key or a missing scope,
        UnansweredError without an answer.
        """
        outcome = self._exchange(myself(), self._check_seconds)
        return check_caller(outcome, scopes)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(_Driver):
    """`Client` for an event loop."""

    _connect = httpx2.AsyncClient

    async def send(self, call: ApiRequest[Result]) -> Result:
        """Sends a request and returns its result; an error of `licet.errors` for anything else."""
        steps, outcome = _steps(call, self._attempts_max), None
        try:
            while True:
                step = steps.send(outcome)
                if isinstance(step, _Wait):
                    await async_sleep(step.seconds)
                    outcome = None
                else:
                    outcome = await self._exchange(step)
        except StopIteration as done:
            result: Result = done.value
            return result

    async def _exchange(self, call: ApiRequest[Any]) -> Reply | Lost:
        try:
            answer = await self._request(call)
        except httpx2.TransportError as error:
            return lost_reply(error)
        return _reply(answer)

    async def check(self, account: str) -> GateResult:
        """Returns whether the account may write now. One attempt; never raises: a gate that is
        unknown after `CHECK_SECONDS` is a no.
        """
        try:
            async with timeout(self._check_seconds):
                return _read_once(gate(account), await self._exchange(gate(account)))
        except Exception as error:  # a missing token, an invalid address: the result is the same
            return _unknown(error)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
