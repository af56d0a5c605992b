"""What the routes of one process share: the installation, the writer, and the caches.

Only facts that cannot change (a token that was verified) or that may be a second old (a service's
key, which account has a host's id) are cached. Nothing in a cache grants what the database would
refuse.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from time import monotonic
from typing import TypeVar
from uuid import UUID

from litestar.concurrency import sync_to_thread

from licet.access import rate_counts, service_keys, sessions
from licet.access.roles import Service
from licet.clock import Clock, utc_now
from licet.config import Web
from licet.consent import catalogue
from licet.errors import LicetError
from licet.keys import fence
from licet.service import installation_figures
from licet.store import migrate
from licet.store.connect import (
    OutcomeUnknownError,
    Transaction,
    snapshot,
    statement,
    transaction,
)
from licet.vault import account_view, idempotency, policy_versions
from licet.vault.account_view import AccountGate
from licet.vault.commands import AddTurn, Command, check
from licet.vault.idempotency import IdempotentCall
from licet.vault.ids import host_hmac
from licet.vault.installation import Installation, load_host_key
from licet.vault.requests import VerbRequest, Write, WriteBatch, WriteResult
from licet.web.access import oidc
from licet.web.access.limits import Heavy
from licet.web.access.rates import EXCHANGE_SECONDS, Rates
from licet.web.access.tokens import TokenVerifier
from licet.web.api import problems
from licet.web.api.batches import ASKING, WRITING, Batches
from licet.web.dependencies import Dependencies
from licet.web.probes import Probe

Result = TypeVar("Result")

ACCOUNTS_REMEMBERED_MAX = 100_000
# how long another process may take a closed account for the one with its host's id
ACCOUNT_SECONDS_MAX = 1.0
KEYS_REMEMBERED_MAX = 1_000
SWEEP_SECONDS = 60.0
CHANGE_SECONDS_MAX = 2.5  # how long a caller waits for a change; it goes on without them
FIGURES_SECONDS = 5.0  # how old the figures of /metrics may be


class Site:
    """The state of one process. ``wall`` is the clock for tokens and sessions, which no simulation
    moves. ``rates`` is the table that it shares with the other ``workers``.
    """

    def __init__(
        self,
        installation: Installation,
        settings: Web,
        wall: Clock = utc_now,
        *,
        workers: int = 1,
        rates: int | None = None,
    ) -> None:
        self.installation, self.settings, self.wall = installation, settings, wall
        self.host_key = load_host_key(installation)
        self.signin_key = hmac.digest(self.host_key, b"sign-in", "sha256")
        self.tokens = TokenVerifier(settings)
        self.shares_rates = installation.config.store.url is not None
        rates_key = hmac.digest(self.host_key, b"rates", "sha256") if self.shares_rates else None
        self.rates, self.heavy = Rates(rates, rates_key), Heavy(workers)
        self.writing = WriteBatch(installation.keyring, installation.clock)
        # now: the files of a newer version may take the place of ours while this process serves
        self._steps_known = len(migrate.migrations())
        self.policy_probe = Probe(lambda: self.reading(self._policy))
        self.figures_probe = Probe(
            lambda: sync_to_thread(installation_figures.figures, installation), FIGURES_SECONDS
        )
        self.discovery = oidc.Discovery()
        self.dependencies = Dependencies(installation, self.discovery)
        self.languages = catalogue.load_languages(installation.config.languages)
        self._accounts: OrderedDict[bytes, tuple[float, UUID]] = OrderedDict()
        self._keys: OrderedDict[str, tuple[float, Service | None]] = OrderedDict()
        self._looking: dict[str, asyncio.Task[Service | None]] = {}
        self._turns: Batches[Write, WriteResult | LicetError] | None = None
        self._writer: Batches[Write, WriteResult | LicetError] | None = None
        self._reader: Batches[UUID, AccountGate | None] | None = None
        # seconds until a change that restricts was answered, and whether it failed
        self.measure_restriction: Callable[[float, bool], None] = lambda _seconds, _failed: None

    @asynccontextmanager
    async def running(self, _: object = None) -> AsyncIterator[None]:
        """Runs the writer, the reader and the clean-up of expired sessions; accepted requests are
        answered before it ends.
        """
        # turns wait for no restriction, which waits for the restriction journal
        self._turns = Batches(self.installation.pool, self.writing.apply, WRITING, "web-turns")
        self._writer = Batches(self.installation.pool, self.writing.apply, WRITING, "web-writer")
        self._reader = Batches(
            self.installation.pool, self._gates, ASKING, "web-reader", begin=statement
        )
        beside = [asyncio.create_task(self._sweeping())]
        beside += [asyncio.create_task(self._sharing_rates())] if self.shares_rates else []
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await sync_to_thread(self._turns.close)
            await sync_to_thread(self._writer.close)
            await sync_to_thread(self._reader.close)

    async def write(
        self, command: Command | VerbRequest, once: IdempotentCall | None = None
    ) -> WriteResult:
        """Applies one command durably; UsageError for a value that no table accepts. It checks the
        fence itself.
        """
        assert self._writer is not None
        assert self._turns is not None
        if not isinstance(command, VerbRequest):
            check(command)
        write = Write(command=command, once=once)
        if isinstance(command, AddTurn):
            written = await self._turns.submit(write)
        else:
            written = await self._change(write)
        if isinstance(written, LicetError):
            raise written
        return written

    async def _change(self, write: Write) -> WriteResult | LicetError:
        """Applies a write, which may wait for the restriction journal; a restriction's time is
        measured.
        """
        assert self._writer is not None
        begun, written = monotonic(), None
        try:
            written = await self._writer.submit(write, CHANGE_SECONDS_MAX)
            return written
        except OutcomeUnknownError as error:
            error.because = error.because or self.dependencies.held_up_by
            raise
        finally:
            if write.may_restrict:
                is_lost = written is None or (
                    isinstance(written, LicetError) and written.status >= 500
                )
                self.measure_restriction(monotonic() - begun, is_lost)

    def _gates(self, tx: Transaction, accounts: Sequence[UUID]) -> list[AccountGate | None]:
        return account_view.load_gates(tx, accounts, self.now())

    async def gate(self, account: UUID) -> AccountGate | None:
        """The gate of an account; None if it does not exist."""
        assert self._reader is not None
        return await self._reader.submit(account)

    async def reading(self, fn: Callable[[Transaction], Result]) -> Result:
        """Runs ``fn`` in its own transaction, on a thread, and commits; FencedError behind the
        fence.
        """

        def run() -> Result:
            with transaction(self.installation.pool) as tx:
                fence.check(tx)
                return fn(tx)

        return await sync_to_thread(run)

    async def seeing(self, fn: Callable[[Transaction], Result]) -> Result:
        """`reading` for several statements that must see one state."""

        def run() -> Result:
            with snapshot(self.installation.pool) as tx:
                fence.check(tx)
                return fn(tx)

        return await sync_to_thread(run)

    async def calling(self, fn: Callable[[], Result]) -> Result:
        """Runs a verb of `service` on a thread; FencedError behind the fence."""

        await self.unfenced()
        return await sync_to_thread(fn)

    async def unfenced(self) -> None:
        """FencedError behind the fence."""
        await self.reading(lambda _: None)

    async def account_by_host(self, name: str) -> UUID | None:
        """The account with a host's id, at most a second old: an id whose account is closed may
        begin another.
        """
        hashed = host_hmac(self.host_key, "account", name)
        known = self._accounts.get(hashed)
        if known is not None and known[0] > monotonic():
            return known[1]
        until = monotonic() + ACCOUNT_SECONDS_MAX  # counted from before the query
        account = await self.reading(lambda tx: account_view.account_by_host(tx, hashed))
        if account is not None:
            self._accounts[hashed] = (until, account)
            self._accounts.move_to_end(hashed)
            if len(self._accounts) > ACCOUNTS_REMEMBERED_MAX:
                self._accounts.popitem(last=False)
        return account

    def forget_account(self, host: bytes) -> None:
        """Drops the cached account of a host's id, so that a new one is found in this process at
        once.
        """
        self._accounts.pop(host, None)

    async def account_looked_up(self, host: str) -> UUID | None:
        """`account_by_host` without the cache, so that a known id takes as long as an unknown
        one.
        """
        hashed = host_hmac(self.host_key, "account", host)
        return await self.reading(lambda tx: account_view.account_by_host(tx, hashed))

    async def service(self, key: str) -> Service | None:
        """The service with a key, at most a second old."""
        known = self._keys.get(key)
        if known is not None and known[0] > monotonic():
            return known[1]
        looking = self._looking.get(key)
        if looking is None:
            looking = self._looking[key] = asyncio.create_task(self._look(key))
        return await asyncio.shield(looking)

    def forget_keys(self) -> None:
        """Drops the cached keys, so that a change takes effect in this process at once."""
        self._keys.clear()

    async def _look(self, key: str) -> Service | None:
        try:
            # counted from before the query
            until = monotonic() + service_keys.REMEMBERED_SECONDS_MAX
            found = await self.reading(lambda tx: service_keys.find(tx, key, self.now()))
            if found is not None:
                self._keys[key] = (until, found)
                self._keys.move_to_end(key)
                if len(self._keys) > KEYS_REMEMBERED_MAX:
                    self._keys.popitem(last=False)
            else:
                self._keys.pop(key, None)
            return found
        finally:
            del self._looking[key]

    async def _sweeping(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.reading(self._sweep)
            except LicetError as error:  # retried next time
                problems.note(error)

    def _sweep(self, tx: Transaction) -> None:
        sessions.sweep(tx, self.wall())
        idempotency.sweep(tx, self.installation.clock())
        rate_counts.sweep(tx)

    async def _sharing_rates(self) -> None:
        while True:
            await asyncio.sleep(EXCHANGE_SECONDS)
            try:
                await self.exchange_rates(monotonic())
            # those few are not counted on the other hosts, which only favours the callers
            except LicetError as error:
                problems.note(error)

    async def exchange_rates(self, now: float) -> None:
        """Sends the requests allowed here since the last time to the other hosts, and learns
        theirs.
        """
        samples = self.rates.take_new()
        if samples:
            seconds = {mark: taken for mark, (_, taken) in samples.items()}
            due = await self.reading(lambda tx: rate_counts.count_requests(tx, seconds))
            self.rates.learn(samples, due, now)

    def _policy(self, tx: Transaction) -> str:
        migrate.refuse_contracted(tx, self._steps_known)
        return policy_versions.current(tx).in_force(self.now()).version

    def now(self) -> datetime:
        """The installation's time, which an event of this request gets."""
        return self.installation.clock()
