"""Connects an assistant to Licet: the gate before a chat, recording after it.

    from licet.host import Host, HostSettings

    host = Host(HostSettings(url="https://privacy.example.org", key_file=key, spool=folder))
    permit = await host.gate("host:ana")
    if permit.may_write:
        ...
        host.record(permit, turns)

`gate` asks, through a bounded cache; `record` puts an exchange's turns into a sealed spool on disk,
from which a thread delivers them. A permit carries the grant from the gate to its turns: however
late they arrive, they are stamped under no newer one. While nobody answers, `HostSettings.outage`
decides (docs/adr/0032-an-outage-blocks-or-keeps.md).

    app ── gate ──> GateCache ── GET ../gate ──> Licet
    app ── record ──> Spool (sealed, on disk) ── sender, POST /v1/turns:bulk ──> Licet
    app <── on_event ── EventFollower <── GET /v1/events ── Licet

It imports only `licet.client` and `licet.errors`. `licet.host.asgi` has the middleware.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Self

import msgspec

from licet.client import (
    BulkItem,
    Client,
    ConversationTurn,
    Event,
    GateResult,
    ReasonCode,
    UnansweredError,
    unknown_gate,
)
from licet.client.reasons import ABOUT_ACCOUNT
from licet.client.setup_checks import checked_account, key_in
from licet.host.delivery import Delivery
from licet.host.event_follower import EventFollower
from licet.host.gate_cache import UNKNOWN, GateCache, late_gate
from licet.host.settings import PREFIX, HostSettings, Outage, from_environment
from licet.host.spool import Spool

SEND_ATTEMPTS_MAX = 3
NO_ANSWER = unknown_gate()
_log = logging.getLogger("licet.host")

__all__ = [
    "ConversationTurn",
    "Event",
    "GatePermit",
    "Host",
    "HostSettings",
    "Outage",
    "ReasonCode",
]


class GatePermit(msgspec.Struct, frozen=True, kw_only=True):
    """The gate's answer for one message, under which its turns are recorded.

    ``may_write``: the message may be sent. ``may_record``: its turns are recorded, as this
    account's. ``grant``: the newest known grant, 0 for none. ``because`` and ``detail`` say why it
    may not be sent, or why the gate is unknown; ``choice`` is where the person answers.
    """

    account: str
    gate: str
    may_write: bool
    may_record: bool
    grant: int = 0
    because: str = ""
    detail: str = ""
    choice: str = ""
    retry_after: float = 0.0


class Host:
    """The connection of one process. Constructed even while Licet is away; `SetupError` names a
    wrong setting. `verify` checks the settings with Licet.

    ``on_event`` gets each event; ``recorded`` each recorded turn, with Licet's ids.
    """

    def __init__(
        self,
        settings: HostSettings,
        *,
        on_event: Callable[[Event], None] | None = None,
        recorded: Callable[[ConversationTurn, BulkItem], None] | None = None,
    ) -> None:
        self.settings = settings
        seconds = settings.gate_timeout_seconds
        self._asking = Client(settings.url, settings.token, attempts_max=1, timeout_seconds=seconds)
        self._sending = Client(settings.url, settings.token, attempts_max=SEND_ATTEMPTS_MAX)
        self.gates = GateCache(self._asking, seconds)
        spool = Spool(settings.spool, settings.spool_key, settings.spool_bytes_max)
        self._delivery = Delivery(spool, self._sending, self.gates, recorded)
        self._events = (
            EventFollower(self._sending, settings.spool / "events.cursor", self.gates, on_event)
            if settings.events
            else None
        )

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] = os.environ,
        *,
        on_event: Callable[[Event], None] | None = None,
    ) -> Self:
        """Makes a host of the variables ``HOST_LICET_..`` and verifies it."""
        host = cls(from_environment(HostSettings, PREFIX, environment), on_event=on_event)
        try:
            host.verify()
        except BaseException:
            host.close()
            raise
        return host

    @property
    def spool(self) -> Spool:
        return self._delivery.spool

    @property
    def counts(self) -> dict[str, int]:
        """The outcomes of gates and turns, by reason."""
        return self._delivery.counts

    def count(self, reason: str) -> None:
        self._delivery.count(reason)

    def verify(self) -> None:
        """Asks Licet whether address, key and scopes are right; SetupError if not. Logs an outage,
        without an error.
        """
        key_in(self.settings.key_file)
        try:
            self._asking.verify(*self.settings.scopes)
        except UnansweredError as error:
            _log.warning("the settings cannot be checked now: %s", error.message)

    async def gate(self, account: str) -> GatePermit:
        """Returns the permit for one message of an account. UsageError for a malformed
        reference.
        """
        answer = self.gates.ask(checked_account(account))
        if answer.done():
            return self._permit(account, answer.result())
        waiting = asyncio.wrap_future(answer)
        done, _ = await asyncio.wait([waiting], timeout=self.settings.gate_timeout_seconds)
        return self._permit(account, waiting.result() if done else late_gate())

    def gate_now(self, account: str) -> GatePermit:
        """`gate` for threads."""
        seconds = self.settings.gate_timeout_seconds
        return self._permit(account, self.gates.ask_within(checked_account(account), seconds))

    def record(self, permit: GatePermit, turns: Sequence[ConversationTurn]) -> Future[bool]:
        """Spools the turns of a permitted message; never raises. The future is true once they are
        on disk; false, and counted, if they are refused.
        """
        if permit.may_record and turns:
            under = [
                msgspec.structs.replace(turn, account=permit.account, grant=permit.grant)
                for turn in turns
            ]
            return self._delivery.put(under)
        if turns:
            self._delivery.count_refused("refused: no permit", "its gate was closed", len(turns))
        refused: Future[bool] = Future()
        refused.set_result(False)
        return refused

    def close(self) -> None:
        """Stops delivery; the spool's content waits for the next start."""
        if self._events is not None:
            self._events.close()
        self._delivery.close()
        self.gates.close()
        self._sending.close()
        self._asking.close()

    async def aclose(self) -> None:
        """`close` for an event loop."""
        await asyncio.to_thread(self.close)

    def _permit(self, account: str, result: GateResult) -> GatePermit:
        """Applies the rule of outages: an unanswered message is blocked, or allowed and kept. A
        known no holds until another answer comes.
        """
        unanswered = result.gate == UNKNOWN and result.because not in ABOUT_ACCOUNT
        last = (self.gates.last(account) or NO_ANSWER) if unanswered else result
        keeps = unanswered and self.settings.outage is Outage.allow_and_keep
        may = result.may_write or (keeps and (last.may_write or last is NO_ANSWER))
        answer = last if unanswered and last.because in ABOUT_ACCOUNT and keeps else result
        if not result.may_write:
            self.count(
                f"gate: {result.gate}, {result.because}"
                if result.because
                else f"gate: {result.gate}"
            )
        return GatePermit(
            account=account,
            gate=answer.gate,
            may_write=may,
            may_record=may,
            grant=last.grant,
            because=answer.because,
            detail=answer.detail,
            choice=self.settings.choice,
            retry_after=answer.retry_after,
        )
