"""The two halves of a live integration in any program: the gate before a call, and the recording of
its turns after it.

* `permit` asks the gate. Only a call with a permit is recorded, and as turns of the account that
  the gate was asked for.
* `keep` puts what a call added into the spool, on disk before it returns. It never raises: what is
  not taken (a full spool, a call without a permit) is counted, by a reason, and said in the log;
  content and names never are.
* A thread delivers the spool through the API. Every turn has the host's ids, so that a turn that is
  delivered again, after a kill or a lost answer, is stored once. Turns that cannot be delivered yet
  wait; turns that Licet refuses are counted and dropped.
* Every turn names the grant that the gate named. A turn is refused if it was said before a later
  yes, or under a yes that was withdrawn and given again, because it would be stamped with the new
  grant.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from licet.client import AsyncClient, BulkItem, Client, ConversationTurn, say_all
from licet.errors import BusyError, LicetError, UsageError
from licet.plugins.gates import MUST_DECIDE, UNKNOWN, GatePermit, Gates
from licet.plugins.settings import PluginSettings
from licet.plugins.spool import Spool, SpoolFullError

ATTEMPTS_MAX = 3
BATCH_TURNS_MAX = 1_000
BATCH_BYTES_MAX = 8 * 2**20
GATHER_SECONDS = 0.2
WAIT_SECONDS_MAX = 30.0

_log = logging.getLogger("licet.plugins")
_AGAIN = frozenset({429, 500, 502, 503, 504})


_encode, _decode = (
    msgspec.msgpack.Encoder().encode,
    msgspec.msgpack.Decoder(tuple[ConversationTurn, ...]).decode,
)


class Recorder:
    """One per process. ``counts`` has the outcomes of calls and turns, by reason."""

    def __init__(self, settings: PluginSettings) -> None:
        self.settings, self.gates = settings, Gates()
        self.spool = Spool(settings.spool, settings.spool_key, settings.spool_bytes_max)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._asking = AsyncClient(
            settings.url,
            settings.token,
            attempts_max=1,
            timeout_seconds=settings.gate_timeout_seconds,
        )
        self._sending = Client(settings.url, settings.token, attempts_max=ATTEMPTS_MAX)
        self._news, self._ends = threading.Event(), threading.Event()
        self._sender = threading.Thread(target=self._deliver, name="licet-sender", daemon=True)
        self._sender.start()

    @property
    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    async def permit(self, account: str) -> tuple[str, GatePermit | None]:
        """The gate, and a permit if the call may be recorded."""
        seen = await self.gates.ask(self._asking, account)
        if seen.may_write:
            return seen.gate, GatePermit(account=account, grant=seen.grant)
        self.count("gate: " + (seen.gate if seen.gate != UNKNOWN else f"{UNKNOWN}, {seen.because}"))
        return seen.gate, None

    def keep(self, permit: GatePermit, turns: Sequence[ConversationTurn]) -> threading.Event | None:
        """Puts the turns that a call added into the spool; the event is set once they are on disk.
        None if they are not accepted.
        """
        record = _encode([msgspec.structs.replace(turn, grant=permit.grant) for turn in turns])
        try:
            done = self.spool.put(record)
        except SpoolFullError as error:
            self.refused(f"spool: {error.message}", "spool: full", len(turns))
            return None
        on_disk = threading.Event()

        def written(_: object) -> None:
            on_disk.set()
            if done.exception() is None:
                self.count("spooled", len(turns))
                self._news.set()
            else:
                self.refused("spool: the disk does not take it", "spool: disk", len(turns))

        done.add_done_callback(written)
        return on_disk

    def refused(self, said: str, reason: str, turns: int = 1) -> None:
        """Counts and logs what is not recorded, without its content."""
        self.count(reason, turns)
        _log.warning("not recorded: %s", said)

    def count(self, reason: str, number: int = 1) -> None:
        with self._lock:
            self._counts[reason] += number

    def close(self) -> None:
        """Stops delivering; what is in the spool stays for the next start."""
        self._ends.set()
        self._news.set()
        self._sender.join()
        self.spool.close()
        self._sending.close()

    async def aclose(self) -> None:
        """`close`, from an event loop; also closes the connections to the gate."""
        await self._asking.close()
        await asyncio.to_thread(self.close)

    def _deliver(self) -> None:
        failed = 0
        while not self._ends.is_set():
            try:
                more = self._deliver_file()
                failed = 0
            except Exception as error:  # whatever it is: nothing is lost, and the thread goes on
                more, failed = False, failed + 1
                wait = min(GATHER_SECONDS * 2**failed, WAIT_SECONDS_MAX)
                said = error.message if isinstance(error, LicetError) else type(error).__name__
                _log.warning("not delivered, again in %.1f s: %s", wait, said)
                self._ends.wait(wait)
                continue
            if not more:
                self._news.wait()
                self._news.clear()
                # so that the turns of a busy moment are sent in one request
                self._ends.wait(GATHER_SECONDS)

    def _deliver_file(self) -> bool:
        """Delivers the oldest file; returns whether there was one."""
        taken = self.spool.take()
        if taken is None:
            return False
        if taken.unreadable:
            _log.error(
                "%d records of the spool do not open: their file is set aside", taken.unreadable
            )
            self.count("spool: unreadable", taken.unreadable)
        for turns in _batches(self._to_send(map(_decode, taken.records))):
            self._send(turns)
        self.spool.delivered(taken)
        return True

    def _to_send(
        self, records: Iterator[tuple[ConversationTurn, ...]]
    ) -> Iterator[ConversationTurn]:
        for turns in records:
            seen = self.gates.ask_now(self._sending, turns[0].account)
            if seen.gate in (MUST_DECIDE, UNKNOWN):
                self.refused(
                    f"the gate: {seen.gate}", f"refused: {seen.because or seen.gate}", len(turns)
                )
            else:
                yield from turns

    def _send(self, turns: list[ConversationTurn]) -> None:
        try:
            items = self._sending.send(say_all(turns))
        except UsageError as error:  # one of them makes the whole request invalid
            if len(turns) == 1:
                self.refused(error.message, "refused: bad_request")
                return
            middle = len(turns) // 2
            self._send(turns[:middle])
            self._send(turns[middle:])
            return
        if len(items) != len(turns) or any(item.status in _AGAIN for item in items):
            raise BusyError("some turns were not taken", "see the log of Licet")
        for item in items:
            self._answered(item)

    def _answered(self, item: BulkItem) -> None:
        if item.status == 201:
            self.count(f"delivered: {item.outcome}")
        else:
            reason = item.because or item.problem.rpartition(":")[2] or str(item.status)
            self.refused(f"Licet refuses it: {reason}", f"refused: {reason}")


def _batches(turns: Iterator[ConversationTurn]) -> Iterator[list[ConversationTurn]]:
    batch, size = list[ConversationTurn](), 0
    for turn in turns:
        batch.append(turn)
        size += len(turn.text) + sum(len(call.arguments) for call in turn.tool_calls)
        if len(batch) >= BATCH_TURNS_MAX or size >= BATCH_BYTES_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
