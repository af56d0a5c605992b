"""One message of a person with its answer: what a middleware hands to the program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from uuid import uuid4

import msgspec

from licet.host import ConversationTurn, GatePermit, Host


class ChatExchange:
    """Turns are recorded together, in order, by `finish`: a program adds them, and the middleware
    finishes after the response. ``conversation`` and ``id`` are the program's own; a turn without
    an id is given one.
    """

    def __init__(self, host: Host, permit: GatePermit, surface: str = "app") -> None:
        self.host, self.permit, self._surface = host, permit, surface
        self._turns: list[ConversationTurn] = []
        self._open: list[tuple[ConversationTurn, list[str]]] = []

    def say(
        self, text: str, *, conversation: str, id: str | None = None, role: str = "user"
    ) -> None:
        """The person's words, or those of another ``role``."""
        self.add(self._turn(conversation, id, role), text)

    def add(self, turn: ConversationTurn, text: str | None = None) -> None:
        """A turn with all that `ConversationTurn` has."""
        self._turns.append(turn if text is None else msgspec.structs.replace(turn, text=text))

    async def answer(
        self, parts: AsyncIterator[str], *, conversation: str, id: str | None = None
    ) -> AsyncIterator[str]:
        """Passes the assistant's words on as they come; what was passed on is the turn, also if the
        person left before the end.
        """
        with self._passing(self._turn(conversation, id, "assistant")) as passed:
            async for part in parts:
                passed.append(part)
                yield part

    def answer_now(
        self, parts: Iterator[str], *, conversation: str, id: str | None = None
    ) -> Iterator[str]:
        """The same on a thread."""
        with self._passing(self._turn(conversation, id, "assistant")) as passed:
            for part in parts:
                passed.append(part)
                yield part

    def finish(self) -> Future[bool]:
        """Records the turns so far, as `Host.record` does; a second call adds nothing."""
        while self._open:
            self._close(self._open[0])
        turns, self._turns = self._turns, []
        return self.host.record(self.permit, turns)

    @contextmanager
    def _passing(self, turn: ConversationTurn) -> Iterator[list[str]]:
        passed: list[str] = []
        one = (turn, passed)
        self._open.append(one)
        try:
            yield passed
        finally:
            if one in self._open:
                self._close(one)

    def _close(self, one: tuple[ConversationTurn, list[str]]) -> None:
        self._open.remove(one)
        turn, passed = one
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
