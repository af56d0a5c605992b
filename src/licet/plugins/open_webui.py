"""The filter function of Open WebUI: asks the gate before a message, and records the exchange after
it.

    from licet.plugins.open_webui import Filter

is all that its function editor needs (docs/quickstart/open-webui.md). `inlet` asks the gate: for a
person who must decide first, the message is stopped with the URL to do so. `outlet` spools the
exchange's new turns. Messages that passed no gate are not recorded: temporary chats, channels,
calls without a person or with an unknown one. The setting ``outage`` applies while Licet is
unreachable. A turn has the message's id, as does `licet import` of Open WebUI's export, so a later
import adds no duplicate. Open WebUI is not part of Licet: this module is imported only in its
process.
"""

from __future__ import annotations

import asyncio
import atexit
import hmac
import html
import re
import threading
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic, time
from typing import Any

import msgspec
from pydantic import BaseModel, Field

from licet.client import ConversationTurn, ToolCallResult
from licet.host import GatePermit, Host, Outage, ReasonCode
from licet.plugins.dialogue import is_marked
from licet.plugins.settings import PluginSettings

MESSAGES_MAX = 100_000
NOTICE_SECONDS = 24 * 3600.0
LINK_SECONDS = 600
NOTICE = "notice"
_UNSAVED = ("local:", "temporary:", "channel:")
_DETAILS = re.compile(
    r'<details type="(?P<type>reasoning|tool_calls|code_interpreter)"(?P<attributes>[^>]*)>'
    r"(?P<inner>.*?)(?:</details>|\Z)",
    re.S,
)
_SUMMARY = re.compile(r"\A\s*<summary>.*?</summary>\s*", re.S)
_ATTRIBUTE = re.compile(r'([a-z_]+)="([^"]*)"')

Body = dict[str, Any]
Emitter = Callable[[dict[str, Any]], Awaitable[None]]


class Filter:
    """One per process. Its objects are created with the first message, after any fork."""

    class Valves(BaseModel):
        """An administrator's settings. The key is a file: anyone who can read it can send turns for
        any account.
        """

        priority: int = Field(default=0, description="Before filters with a higher one.")
        url: str = Field(
            default="http://127.0.0.1:8787", description="Where `licet serve` answers."
        )
        key_file: str = Field(
            default="", description="A file with a key of the scopes gate:read and turns:write."
        )
        spool: str = Field(
            default="", description="A folder on a local disk, for turns that wait, sealed."
        )
        surface: str = Field(
            default="app", description="Through what people write, as the policy calls it."
        )
        choice_url: str = Field(
            default="", description="Where people answer; by default /notice of the URL."
        )
        token_key_file: str = Field(
            default="",
            description="The file of LICET_WEB__TOKEN_KEY_FILE: links sign the person in. Optional.",
        )
        token_audience: str = Field(
            default="licet",
            description="LICET_WEB__TOKEN_AUDIENCE of `licet serve`, if it is not `licet`.",
        )
        outage: Outage = Field(
            default=Outage.allow_and_keep,
            description="While nobody answers: `allow_and_keep` records later, `block` stops people.",
        )
        gate_timeout_seconds: float = Field(
            default=2.0, gt=0, description="How long a message waits at most."
        )

    def __init__(self) -> None:
        self.valves = self.Valves()
        self._permits: OrderedDict[tuple[str, str], GatePermit] = OrderedDict()
        self._noticed: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()
        self._host: Host | None = None
        atexit.register(self.close)

    async def _current(self) -> Host | None:
        """Returns the host for the present valves; None until an administrator has set them."""
        if not (self.valves.key_file and self.valves.spool):
            return None
        wanted = _settings(self.valves)
        with self._lock:
            known = self._host
            if known is not None and known.settings == wanted:
                return known
            self._host = None
        if known is not None:
            await known.aclose()
        return await asyncio.to_thread(self._connect, wanted)

    def _connect(self, settings: PluginSettings) -> Host:
        with self._lock:
            if self._host is None:
                self._host = Host(settings)
            return self._host

    def close(self) -> None:
        """Stops delivering; spooled turns stay for the next start."""
        with self._lock:
            if self._host is not None:
                self._host.close()
                self._host = None

    async def inlet(
        self,
        body: Body,
        __user__: Body | None = None,
        __metadata__: Body | None = None,
        __event_emitter__: Emitter | None = None,
    ) -> Body:
        """Lets a message through, with or without a permit to record it, or stops it with the
        reason.
        """
        metadata = __metadata__ or body.get("metadata") or {}
        account = _account(__user__)
        host = await self._current()
        if host is None or not account:
            return self._unknown(body)
        permit = await host.gate(account)
        where = _link(host.settings.choice, self.valves, account.removeprefix("host:"))
        if permit.because == ReasonCode.must_decide:
            raise PermissionError(
                f"Before you go on, please decide how your chats may be used: {where}"
            )
        if not permit.may_record:
            return self._unknown(body)
        if permit.gate == NOTICE and __event_emitter__ is not None and self._is_due(account):
            message = f"Please decide how your chats may be used. You can put it off: {where}"
            await __event_emitter__(
                {"type": "notification", "data": {"type": "info", "content": message}}
            )
        place = _place(metadata)
        if (
            place is None
            or metadata.get("task")
            or _is_off_record(body)
            or _is_off_record(metadata)
        ):
            host.count("not saved, or marked")
            return body
        self._permits[place] = permit
        if len(self._permits) > MESSAGES_MAX:
            self._permits.popitem(last=False)
        return body

    async def outlet(
        self, body: Body, __user__: Body | None = None, __metadata__: Body | None = None
    ) -> Body:
        """Spools the exchange's new turns; returns the body unchanged."""
        place = _place(
            {"chat_id": body.get("chat_id"), "message_id": body.get("id"), **(__metadata__ or {})}
        )
        permit = self._permits.pop(place, None) if place is not None else None
        host = self._host
        if place is None or permit is None or host is None or _account(__user__) != permit.account:
            return body
        turns = exchange_turns(body, place, account=permit.account, surface=self.valves.surface)
        await asyncio.wrap_future(host.record(permit, turns))
        return body

    def _unknown(self, body: Body) -> Body:
        if self.valves.outage is Outage.block:
            raise PermissionError(
                "Whether this may be said is not known at the moment. Please try again later."
            )
        return body

    def _is_due(self, account: str) -> bool:
        """Whether to show a notice that can be put off: once per day and account, per process."""
        now = monotonic()
        if now < self._noticed.get(account, 0.0):
            return False
        self._noticed[account] = now + NOTICE_SECONDS
        if len(self._noticed) > MESSAGES_MAX:
            self._noticed.popitem(last=False)
        return True


def exchange_turns(
    body: Body, place: tuple[str, str], *, account: str, surface: str
) -> list[ConversationTurn]:
    """Returns the turns of an exchange: the messages since the previous answer, and the answer that
    ``place`` (chat, message) names.
    """
    messages = [message for message in body.get("messages") or [] if isinstance(message, Mapping)]
    chat, answer = place
    end = next((n for n, message in enumerate(messages) if message.get("id") == answer), None)
    if end is None:
        return []
    begin = 1 + max(
        (n for n, message in enumerate(messages[:end]) if message.get("role") == "assistant"),
        default=-1,
    )
    turns = []
    for message in messages[begin : end + 1]:
        name = message.get("id")
        if not isinstance(name, str) or not name:
            continue
        for number, part in enumerate(_turns_of_message(message, str(body.get("model") or "")), 1):
            turns.append(
                msgspec.structs.replace(
                    part,
                    account=account,
                    conversation=f"host:{chat}",
                    surface=surface,
                    id=name if number == 1 else f"{name}#{number}",
                )
            )
    return turns


def _settings(valves: Filter.Valves) -> PluginSettings:
    return PluginSettings(
        url=valves.url,
        key_file=Path(valves.key_file),
        spool=Path(valves.spool),
        surface=valves.surface,
        choice_url=valves.choice_url,
        outage=valves.outage,
        gate_timeout_seconds=valves.gate_timeout_seconds,
    )


def _link(choice: str, valves: Filter.Valves, person: str) -> str:
    """Returns where the person answers; with the host's key, a short-lived link that signs them
    in.
    """
    if not valves.token_key_file:
        return choice
    try:
        key = Path(valves.token_key_file).read_bytes().strip()
    except OSError:
        return choice
    now = int(time())
    claims = {
        "sub": person,
        "aud": f"{valves.token_audience}-enter",
        "iat": now,
        "exp": now + LINK_SECONDS,
    }
    signed = b".".join(
        _base64(msgspec.json.encode(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    token = b".".join((signed, _base64(hmac.digest(key, signed, "sha256")))).decode()
    return f"{choice.removesuffix('/notice')}/enter?token={token}&to=/notice"


def _base64(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def _account(user: Body | None) -> str:
    named = (user or {}).get("id")
    return f"host:{named}" if isinstance(named, str) and named else ""


def _place(metadata: Mapping[str, Any]) -> tuple[str, str] | None:
    """Returns the ids of chat and answer; None for a chat that Open WebUI does not save."""
    chat, message = metadata.get("chat_id"), metadata.get("message_id")
    if not (isinstance(chat, str) and isinstance(message, str) and chat and message):
        return None
    return None if chat == "local" or chat.startswith(_UNSAVED) else (chat, message)


def _is_off_record(request: Mapping[str, Any]) -> bool:
    """Whether the request has a mark against recording; deeper levels are Open WebUI's own."""
    return is_marked(
        {key: value for key, value in request.items() if not isinstance(value, Mapping | list)}
    )


# The parts of a message, exactly as the import of an export reads them


def _turns_of_message(message: Mapping[str, Any], model: str) -> Iterator[ConversationTurn]:
    content, output = message.get("content"), message.get("output")
    text = content if isinstance(content, str) else _join_content(content)
    if message.get("role") == "user":
        files = message.get("files")
        named = tuple(map(_file_name, files)) if isinstance(files, list) else ()
        if text or named:
            yield ConversationTurn(
                account="", text=text, origin="typed" if text else "upload", attachments=named
            )
    elif message.get("role") == "assistant":
        parts = (
            _in_output(output, model)
            if isinstance(output, list) and output
            else _in_text(text, model)
        )
        yield from (part for part in parts if part.role == "tool" or part.text or part.tool_calls)


def _in_output(output: Sequence[Any], model: str) -> Iterator[ConversationTurn]:
    names: dict[str, str] = {}
    texts, calls = list[str](), list[ToolCallResult]()
    for item in output:
        if not isinstance(item, Mapping):
            continue
        kind, call_id = item.get("type"), str(item.get("call_id") or item.get("id") or "")
        if kind == "message":
            texts.append(_join_content(item.get("content")))
        elif kind == "function_call":
            names[call_id] = str(item.get("name") or "")
            calls.append(
                ToolCallResult(
                    id=call_id, name=names[call_id], arguments=_arguments(item.get("arguments"))
                )
            )
        elif kind != "reasoning":
            yield _answer(texts, calls, model)
            given = _join_content(
                item.get("content") if item.get("output") is None else item.get("output")
            )
            if given or kind == "function_call_output":
                yield _result(given, call_id, names.get(call_id, ""))
            texts, calls = [], []
    yield _answer(texts, calls, model)


def _in_text(text: str, model: str) -> Iterator[ConversationTurn]:
    begin, calls, texts = 0, list[ToolCallResult](), list[str]()
    for block in _DETAILS.finditer(text):
        texts.append(text[begin : block.start()].strip())
        begin = block.end()
        if block["type"] == "reasoning":
            continue
        results = {
            key: html.unescape(value) for key, value in _ATTRIBUTE.findall(block["attributes"])
        }
        call_id, called = results.get("id", ""), results.get("name", "")
        if called:
            calls.append(
                ToolCallResult(id=call_id, name=called, arguments=results.get("arguments") or "{}")
            )
        yield _answer(texts, calls, model)
        yield _result(
            results.get("result") or html.unescape(_SUMMARY.sub("", block["inner"])),
            call_id,
            called,
        )
        texts, calls = [], []
    yield _answer([*texts, text[begin:].strip()], calls, model)


def _answer(texts: list[str], calls: list[ToolCallResult], model: str) -> ConversationTurn:
    joined = "\n".join(text for text in texts if text.strip())
    return ConversationTurn(
        account="",
        role="assistant",
        origin="assistant",
        text=joined,
        tool_calls=tuple(calls),
        model=model,
    )


def _result(text: str, call_id: str, called: str) -> ConversationTurn:
    return ConversationTurn(
        account="", role="tool", origin="tool", text=text, tool_call_id=call_id, tool_name=called
    )


def _join_content(content: object) -> str:
    if isinstance(content, str):
        return content.strip()
    parts = content if isinstance(content, list) else []
    return "\n".join(
        str(part.get("text") or "") for part in parts if isinstance(part, Mapping)
    ).strip()


def _arguments(arguments: object) -> str:
    return (
        arguments
        if isinstance(arguments, str)
        else msgspec.json.encode({} if arguments is None else arguments).decode()
    )


def _file_name(file: object) -> str:
    named = file if isinstance(file, Mapping) else {}
    return str(named.get("name") or named.get("id") or named.get("type") or "unnamed")
