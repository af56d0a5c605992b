"""The transport over Licet's API.

It makes one attempt with a short time limit: a person who codes must not wait for Licet.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from licet import client
from licet.agent.transport import PURPOSE, AccountAccess, Allowed, Usable
from licet.client.setup_checks import fresh_key
from licet.errors import BusyError, NotFoundError
from licet.intake.read_turn import ReadTurn
from licet.policy.state import ScopeKind

Result = TypeVar("Result")

TIMEOUT_SECONDS = 3.0
SEND_SECONDS_MAX = 10.0


class ApiTransport:
    """The transport over HTTP, with an API key."""

    def __init__(self, url: str, key_file: Path, account: str) -> None:
        self._account, self._key_file = f"host:{account}", key_file
        self._client = client.Client(
            url, self._token, attempts_max=1, timeout_seconds=TIMEOUT_SECONDS
        )

    def close(self) -> None:
        self._client.close()

    def _token(self) -> str:
        return fresh_key(self._key_file)

    def standing(self) -> AccountAccess:
        status = self._ask(client.gate(self._account), time.monotonic() + TIMEOUT_SECONDS)
        return AccountAccess(gate=status.gate, token=str(status.grant) if status.grant else "")

    def _ask(self, call: client.ApiRequest[Result], until: float) -> Result:
        return self._client.send(call, within=max(until - time.monotonic(), 0.0))

    def send(self, turns: Sequence[ReadTurn]) -> list[str]:
        turns_sent = client.say_all(_turn(self._account, turn) for turn in turns)
        items = self._client.send(turns_sent, within=SEND_SECONDS_MAX)
        if len(items) != len(turns) or any(
            item.status >= 500 or item.status == 429 for item in items
        ):
            raise BusyError("some turns were not accepted", "see the log of Licet")
        return [
            "" if item.status == 201 else item.because or item.problem.rpartition(":")[2]
            for item in items
        ]

    def keep_out(self, session: str, out: bool) -> bool:
        verb = client.keep_out if out else client.let_in
        try:
            self._client.send(verb(f"host:{session}", self._account), within=TIMEOUT_SECONDS)
        except NotFoundError:
            return False
        return True

    def usable(self, session: str) -> Usable:
        try:
            answer = client.get_conversation(f"host:{session}", self._account)
            conversation = self._client.send(answer, within=TIMEOUT_SECONDS)
        except NotFoundError:
            return Usable()
        badge = next((shown for shown in conversation.badges if shown.purpose == PURPOSE), None)
        if badge is None:
            return Usable(turns=conversation.turns, kept_out=conversation.kept_out)
        return Usable(
            turns=conversation.turns,
            use=badge.use != "none",
            because=badge.because,
            until=badge.until,
            kept_out=conversation.kept_out,
            scope=_scope(badge.scope),
            since=badge.since,
        )

    def covers(self, session: str, project: str) -> bool:
        """True: the API does not state which grant covers a session."""
        return True

    def questions(self) -> tuple[str, ...]:
        return tuple(
            self._ask(client.gate(self._account), time.monotonic() + TIMEOUT_SECONDS).standings
        )

    def allow(self, session: str, project: str, question: str) -> Allowed:
        scope = (
            client.ChoiceScope(project=f"host:{project}")
            if project
            else client.ChoiceScope(conversation=f"host:{session}")
        )
        yes = client.choose(self._account, allow=True, question=question, scope=scope, via="cli")
        done = self._client.send(yes, within=TIMEOUT_SECONDS)
        return Allowed(question=question, effect=done.effect, because=done.because or "")


def _scope(name: str | None) -> ScopeKind | None:
    return ScopeKind(name) if name in set(ScopeKind) else None


def _turn(account: str, turn: ReadTurn) -> client.ConversationTurn:
    content = turn.content
    return client.ConversationTurn(
        account=account,
        conversation=f"host:{turn.host_conversation}",
        id=turn.host_turn,
        role=turn.role.value,
        text=content.text,
        origin=turn.origin,
        surface=turn.surface,
        kind=turn.kind.value,
        keep_out=turn.kept_out,
        tool_calls=tuple(
            client.ToolCallResult(id=c.id, name=c.name, arguments=c.arguments)
            for c in content.tool_calls
        ),
        tool_call_id=content.tool_call_id,
        tool_name=content.tool_name[:200],
        model=content.model[:200],
        thread=content.thread,
        project=turn.project or None,
        project_title=turn.project_title,
        attachments=tuple(name[:200] for name in content.attachments[:100]),
    )
