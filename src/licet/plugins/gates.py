"""A cache of the gate of each account. The gate is asked at most once a minute, and counts as
closed while it is unknown.

An answer is cached for `GATE_SECONDS`, whatever it is. A failure to reach Licet is cached for
`UNKNOWN_SECONDS`, so that during an outage one call per account waits, and not every call. An
account that Licet does not know is closed, as is one whose gate could not be asked. Concurrent
calls of one account share one request.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from time import monotonic

import msgspec

from licet.client import AsyncClient, Client, GateResult, gate, unknown_gate
from licet.errors import NotFoundError

GATE_SECONDS = 60.0
UNKNOWN_SECONDS = 5.0
ACCOUNTS_MAX = 100_000
MUST_DECIDE = "must_decide"
UNKNOWN = "unknown"
NO_ACCOUNT = "no_account"


class Gates:
    """The cache. It is safe to use from an event loop and from threads at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[float, GateResult]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[GateResult]] = {}

    def known(self, account: str) -> GateResult | None:
        """The cached gate of an account, if it has not expired."""
        with self._lock:
            seen = self._seen.get(account)
        return seen[1] if seen is not None and seen[0] > monotonic() else None

    async def ask(self, client: AsyncClient, account: str) -> GateResult:
        """The gate; never raises: a gate that cannot be determined is `unknown`, and the person may
        not write.
        """
        known = self.known(account)
        if known is not None:
            return known
        asking = self._asking.get(account)
        if asking is None:
            asking = self._asking[account] = asyncio.create_task(self._ask(client, account))
        return await asyncio.shield(asking)

    async def _ask(self, client: AsyncClient, account: str) -> GateResult:
        begun = monotonic()
        try:
            # in total; the connection's own is per step
            async with asyncio.timeout(client.timeout_seconds):
                return self._keep(account, begun, await client.send(gate(account)))
        except Exception as error:  # whatever it is: the gate is not known
            return self._keep(account, begun, _closed(error))
        finally:
            del self._asking[account]

    def ask_now(self, client: Client, account: str) -> GateResult:
        """The same on a thread, with the same timeout for the whole request. `unknown` only for an
        account that Licet does not know; other errors are raised.
        """
        known = self.known(account)
        if known is not None and known.gate != UNKNOWN:
            return known
        begun = monotonic()
        try:
            seen = client.send(gate(account), within=client.timeout_seconds)
            return self._keep(account, begun, seen)
        except NotFoundError as error:
            return self._keep(account, begun, _closed(error))

    def _keep(self, account: str, begun: float, seen: GateResult) -> GateResult:
        """Caches an answer; its age counts from before the request was sent."""
        seconds = (
            UNKNOWN_SECONDS if seen.gate == UNKNOWN and seen.because != NO_ACCOUNT else GATE_SECONDS
        )
        with self._lock:
            self._seen[account] = (begun + seconds, seen)
            self._seen.move_to_end(account)
            if len(self._seen) > ACCOUNTS_MAX:
                self._seen.popitem(last=False)
        return seen


def _closed(error: Exception) -> GateResult:
    because = NO_ACCOUNT if isinstance(error, NotFoundError) else type(error).__name__
    return unknown_gate(because)


class GatePermit(msgspec.Struct, frozen=True, kw_only=True):
    """Proof that a call passed the gate, and the grant that was in force then, 0 for none."""

    account: str
    grant: int
