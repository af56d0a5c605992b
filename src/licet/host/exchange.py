"""A person's message with its answer, as a middleware passes it to the program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import Future
from uuid import uuid4

import msgspec

from licet.host import ConversationTurn, GatePermit, Host


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
