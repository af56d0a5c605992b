"""A middleware for FastAPI, Starlette and any other ASGI program.

    app.add_middleware(LicetMiddleware, host=host, account=lambda scope: ..)

``account`` returns a request's account, as `host:` and the program's own id, or None if it needs no
gate. A closed gate is answered with 451 and where the person answers, a closed or unknown account
with 403, and an outage under `block` with 503: problem+json with ``because``, ``detail`` and
``choice``. Any other request has a `ChatExchange` in ``request.state.licet``, which is recorded
after the response, streamed or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

import msgspec

from licet.host import ConversationTurn, GatePermit, Host, ReasonCode

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Program = Callable[[Scope, Receive, Send], Awaitable[None]]


class ChatExchange:
    """The turns of one exchange: the program adds them, `finish` records them together, in order,
    after the response.

    ``conversation`` and ``id`` are the program's own; a turn without an id gets one.
    """

    def __init__(self, host: Host, permit: GatePermit, surface: str = "app") -> None:
        self.host, self.permit, self._surface = host, permit, surface
        self._turns: list[ConversationTurn] = []
        self._open: list[tuple[ConversationTurn, list[str]]] = []

    def say(
        self, text: str, *, conversation: str, id: str | None = None, role: str = "user"
    ) -> None:
        """Adds the person's words, or those of another ``role``."""
        self.add(self._turn(conversation, id, role), text)

    def add(self, turn: ConversationTurn, text: str | None = None) -> None:
        """Adds a turn with all fields of `ConversationTurn`."""
        self._turns.append(turn if text is None else msgspec.structs.replace(turn, text=text))

    async def answer(
        self, parts: AsyncIterator[str], *, conversation: str, id: str | None = None
    ) -> AsyncIterator[str]:
        """Passes the assistant's words through; the passed words become the turn, even if the
        person leaves before the end.
        """
        entry = (self._turn(conversation, id, "assistant"), list[str]())
        self._open.append(entry)
        try:
            async for part in parts:
                entry[1].append(part)
                yield part
        finally:
            if entry in self._open:
                self._close(entry)

    def finish(self) -> Future[bool]:
        """Records the turns so far, like `Host.record`; a second call adds nothing."""
        while self._open:
            self._close(self._open[0])
        turns, self._turns = self._turns, []
        return self.host.record(self.permit, turns)

    def _close(self, entry: tuple[ConversationTurn, list[str]]) -> None:
        self._open.remove(entry)
        turn, passed = entry
        if passed:
            self.add(turn, "".join(passed))

    def _turn(self, conversation: str, id: str | None, role: str) -> ConversationTurn:
        return ConversationTurn(
            account=self.permit.account,
            conversation=f"host:{conversation.removeprefix('host:')}",
            id=id or uuid4().hex,
            role=role,
            surface=self._surface,
        )


class LicetMiddleware:
    def __init__(
        self,
        app: Program,
        *,
        host: Host,
        account: Callable[[Scope], str | None],
        surface: str = "app",
    ) -> None:
        self._app, self._host, self._account, self._surface = app, host, account, surface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        account = self._account(scope) if scope["type"] == "http" else None
        if account is None:
            return await self._app(scope, receive, send)
        permit = await self._host.gate(account)
        if not permit.may_write:
            return await _refuse(permit, send)
        exchange = ChatExchange(self._host, permit, self._surface)
        scope.setdefault("state", {})["licet"] = exchange
        try:
            await self._app(scope, receive, send)
        finally:
            # after the response, so that nobody waits for the disk
            await asyncio.shield(asyncio.wrap_future(exchange.finish()))
        return None


def refusal_status(permit: GatePermit) -> int:
    """Returns the status for a refused message."""
    match permit.because:
        case ReasonCode.must_decide:
            return 451
        case ReasonCode.closed | ReasonCode.no_account:
            return 403
        case _:
            return 503


async def _refuse(permit: GatePermit, send: Send) -> None:
    status = refusal_status(permit)
    problem = {
        "type": f"urn:licet:problem:{permit.because or permit.gate}",
        "title": permit.detail,
        "status": status,
        "because": permit.because,
        "detail": permit.detail,
        "choice": permit.choice if status == 451 else "",
    }
    headers = [(b"content-type", b"application/problem+json")]
    if status == 503:
        headers.append((b"retry-after", str(int(permit.retry_after) or 5).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem)})
