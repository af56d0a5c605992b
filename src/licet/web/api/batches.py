"""Many requests, one transaction: the one writer of a process, and the reader of gates beside it.

A verb goes to the vault through `store.writer.BatchWriter` with what else it needs: its `Idempotency-Key` is kept in the same
transaction. The gate of many accounts is read with one statement. Both look in their own transaction whether a policy
version was added or amended since they last did, so that one applied by another process holds from its first instant.

The event loop never waits for a lock: what the writer cannot take at once is refused (503), and a whole batch of
answers wakes the loop once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import date, datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from licet.errors import BusyError, LicetError, RefusedError
from licet.keys.fence import fenced_error
from licet.keys.keyring import Keyring
from licet.masked import Masked
from licet.policy.decide import Gate, gate
from licet.policy.file import Policies
from licet.policy.state import GrantStanding
from licet.store.connect import Pool, Transaction
from licet.store.writer import BatchWriter, Bounds
from licet.vault import account_view, apply
from licet.vault import policy_versions as versions
from licet.vault.commands import Command, CommandResult
from licet.web.api import idempotency
from licet.web.api.idempotency import IdempotentCall

Item = TypeVar("Item")
Result = TypeVar("Result")

UNDER_WAY_MAX = 4_000  # below the writer's own bound, so that submitting never waits
WRITING = Bounds(gather_seconds=0.001)
ASKING = Bounds(gather_seconds=0.0)


class Versions:
    """The policy versions, read anew when the table says that they changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[list[bytes], Policies] | None = None

    def current(self, tx: Transaction) -> Policies:
        """The versions as ``tx`` sees them; RefusedError before the first is applied, FencedError behind the fence."""
        row = tx.execute(
            "SELECT array_agg(sha256 ORDER BY number), EXISTS (SELECT FROM fence) FROM policies"
        ).fetchone()
        if row is None or row[1]:
            raise fenced_error()
        mark: list[bytes] | None = row[0]
        if mark is None:
            raise RefusedError("no policy has been applied", "run `licet init` first", because="no_policy")
        with self._lock:
            if self._known is not None and self._known[0] == mark:
                return self._known[1]
        found = versions.load(tx)
        assert found is not None
        with self._lock:
            self._known = (mark, found)
        return found


class Batches(Generic[Item, Result]):
    """A `BatchWriter` for callers on an event loop. Answers come back in whole batches."""

    def __init__(
        self, pool: Pool, apply: Callable[[Transaction, Sequence[Item]], Sequence[Result]], bounds: Bounds, name: str
    ) -> None:
        self._writer: BatchWriter[Item, Result] = BatchWriter(pool, apply, bounds, name)
        self._done: deque[tuple[asyncio.Future[Result], Future[Result]]] = deque()
        self._waking = False
        self._under_way = 0

    async def submit(self, item: Item) -> Result:
        """The result for ``item``, after the commit; BusyError when too many are under way."""
        if self._under_way >= UNDER_WAY_MAX:
            raise BusyError(f"`{self._under_way}` requests are under way already", "try again in a moment")
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Result] = loop.create_future()
        self._under_way += 1
        try:
            self._writer.submit(item).add_done_callback(lambda future: self._answered(loop, waiting, future))
        except BaseException:
            self._under_way -= 1
            raise
        return await waiting

    def _answered(
        self, loop: asyncio.AbstractEventLoop, waiting: asyncio.Future[Result], future: Future[Result]
    ) -> None:
        """On the writer's thread."""
        self._done.append((waiting, future))
        if not self._waking:
            self._waking = True
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._waking = False  # before the queue is read: who comes later wakes again
        while self._done:
            waiting, future = self._done.popleft()
            self._under_way -= 1
            if waiting.done():  # its caller has left
                continue
            error = future.exception()
            if error is not None:
                waiting.set_exception(error)
            else:
                waiting.set_result(future.result())

    def close(self) -> None:
        self._writer.close()


class Write(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A command, and the key under which it is to be done once."""

    command: Command
    once: IdempotentCall | None = None


class WriteResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a command did; ``replayed``: it was done before, under the same key."""

    answer: CommandResult
    replayed: bool = False


class WriteState:
    """Applies writes for `Batches`, or in a transaction of the caller's."""

    def __init__(self, keyring: Keyring, known: Versions, clock: Callable[[], datetime]) -> None:
        self._keyring, self._versions, self._clock = keyring, known, clock

    def apply(self, tx: Transaction, writes: Sequence[Write]) -> list[WriteResult | LicetError]:
        """One result a write, in order. An error is of that write alone: nothing of it was done."""
        known = self._versions.current(tx)
        asked = [w.once for w in writes if w.once is not None]
        if not asked:
            answers = apply.apply(tx, self._keyring, known, [w.command for w in writes])
            return [WriteResult(answer=answer) for answer in answers]
        at = self._clock()
        remembered = idempotency.remembered(tx, asked, at)
        results: dict[int, WriteResult | LicetError] = {}
        doing: list[int] = []
        for place, write in enumerate(writes):
            found = remembered.get(write.once.place) if write.once is not None else None
            if isinstance(found, CommandResult):
                results[place] = WriteResult(answer=found, replayed=True)
            elif found is not None:
                results[place] = found
            else:
                doing.append(place)
                if write.once is not None:  # the same key again in this batch waits for its first request
                    remembered[write.once.place] = idempotency.running()
        answers = apply.apply(tx, self._keyring, known, [writes[place].command for place in doing])
        done = [(writes[place].once, answer) for place, answer in zip(doing, answers, strict=True)]
        idempotency.keep(tx, [(one, answer) for one, answer in done if one is not None], at)
        results |= {place: WriteResult(answer=answer) for place, answer in zip(doing, answers, strict=True)}
        return [results[place] for place in range(len(writes))]


class GateSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The gate of an account now. ``version`` is the one in force, ``decide_by`` the last day of the one asked about."""

    gate: Gate
    standing: GrantStanding
    grant: int
    version: str
    decide_by: date | None


class Asking:
    """Reads gates for `Batches`."""

    def __init__(self, known: Versions, clock: Callable[[], datetime]) -> None:
        self._versions, self._clock = known, clock

    def read(self, tx: Transaction, accounts: Sequence[UUID]) -> list[GateSeen | None]:
        """The gate of each account; None for one that does not exist."""
        known = self._versions.current(tx)
        at = self._clock()
        rows = account_view.accounts(tx, list(set(accounts)))
        version, newest = known.in_force(at).version, known.newest_material(at)
        decide_by = known[newest].decide_by if newest is not None else None
        seen: dict[UUID, GateSeen] = {}
        for account, row in rows.items():
            state = account_view.brought(row, known, at).account
            seen[account] = GateSeen(
                gate=gate(state, known, at),
                standing=state.standing,
                grant=state.grant or 0,
                version=version,
                decide_by=decide_by,
            )
        return [seen.get(account) for account in accounts]
