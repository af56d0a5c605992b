"""Delivers recorded turns from the spool on disk to Licet, in order, each stored once.

* `put` spools the turns of one exchange. It never raises: refused turns are counted by reason and
  logged, without content and names.
* A thread delivers the spool through the API. Every turn has the host's ids, so that a turn
  delivered twice, after a kill or a lost answer, is stored once. Turns that cannot be delivered yet
  wait, the oldest first; turns that Licet refuses are counted and dropped.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

import msgspec

from licet.client import BulkItem, Client, ConversationTurn, ReasonCode, UnansweredError, say_all
from licet.errors import LicetError, UsageError
from licet.host.gate_cache import GateCache
from licet.host.spool import Spool, SpoolFullError

BATCH_TURNS_MAX = 1_000
BATCH_BYTES_MAX = 8 * 2**20
GATHER_SECONDS = 0.2
WAIT_SECONDS_MAX = 30.0

_log = logging.getLogger("licet.host")
_AGAIN = frozenset({429, 500, 502, 503, 504})
_DROPPED = frozenset({ReasonCode.must_decide, ReasonCode.no_account})
_encode, _decode = (
    msgspec.msgpack.Encoder().encode,
    msgspec.msgpack.Decoder(tuple[ConversationTurn, ...]).decode,
)


class Delivery:
    """The delivery of one process. ``counts`` are the turns' outcomes by reason."""

    def __init__(
        self,
        spool: Spool,
        client: Client,
        gates: GateCache,
        recorded: Callable[[ConversationTurn, BulkItem], None] | None = None,
    ) -> None:
        self.spool = spool
        self._client, self._gates, self._recorded = client, gates, recorded
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._news, self.ends = threading.Event(), threading.Event()
        self._sender = threading.Thread(target=self._deliver, name="licet-sender", daemon=True)
        self._sender.start()

    @property
    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def put(self, turns: Sequence[ConversationTurn]) -> Future[bool]:
        """Spools the turns of one exchange. The future is true once they are on disk, false if
        refused.
        """
        outcome: Future[bool] = Future()

        def written(done: Future[None]) -> None:
            error = done.exception()
            if error is None:
                self.count("spooled", len(turns))
                self._news.set()
            else:
                self._count_unspooled(error, len(turns))
            outcome.set_result(error is None)

        try:
            self.spool.put(_encode(turns)).add_done_callback(written)
        except SpoolFullError as error:
            self._count_unspooled(error, len(turns))
            outcome.set_result(False)
        return outcome

    def count_refused(self, reason: str, detail: str, turns: int = 1) -> None:
        """Counts and logs turns that are not recorded, without their content."""
        self.count(reason, turns)
        _log.warning("not recorded: %s", detail)

    def count(self, reason: str, number: int = 1) -> None:
        with self._lock:
            self._counts[reason] += number

    def close(self) -> None:
        """Stops delivery; the spool's content waits for the next start."""
        self.ends.set()
        self._news.set()
        self._sender.join()
        self.spool.close()

    def _count_unspooled(self, error: BaseException, turns: int) -> None:
        because = getattr(error, "because", ReasonCode.spool_disk)
        self.count_refused(f"refused: {because}", f"{because}: {error}", turns)

    def _deliver(self) -> None:
        failed = 0
        while not self.ends.is_set():
            try:
                more = self._deliver_file()
                failed = 0
            except Exception as error:  # nothing is lost, and the thread continues
                failed += 1
                wait = min(GATHER_SECONDS * 2 ** min(failed, 20), WAIT_SECONDS_MAX)
                reason = error.message if isinstance(error, LicetError) else type(error).__name__
                _log.warning("not delivered, again in %.1f s: %s", wait, reason)
                self.ends.wait(wait)
                continue
            if not more:
                self._news.wait()
                self._news.clear()
                # gathers a burst of turns into one request
                self.ends.wait(GATHER_SECONDS)

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
        for turns in _batches(self._deliverable(map(_decode, taken.records))):
            self._send(turns)
        self.spool.delivered(taken)
        return True

    def _deliverable(
        self, records: Iterator[tuple[ConversationTurn, ...]]
    ) -> Iterator[ConversationTurn]:
        """Yields the turns of accounts that exist and need not decide first; counts and drops the
        others.
        """
        for turns in records:
            because = self._gates.ask_now(turns[0].account).because
            if because in _DROPPED:
                self.count_refused(f"refused: {because}", f"the gate: {because}", len(turns))
            else:
                yield from turns

    def _send(self, turns: list[ConversationTurn]) -> None:
        try:
            items = self._client.send(say_all(turns))
        except UsageError as error:  # one invalid turn fails the whole request
            if error.because not in (ReasonCode.bad_request, ReasonCode.too_large):
                raise
            if len(turns) == 1:
                self.count_refused(f"refused: {error.because}", error.message)
                return
            middle = len(turns) // 2
            self._send(turns[:middle])
            self._send(turns[middle:])
            return
        if len(items) != len(turns) or any(item.status in _AGAIN for item in items):
            raise UnansweredError(ReasonCode.busy, "some turns were not taken")
        for turn, item in zip(turns, items, strict=True):
            self._count_delivered(turn, item)

    def _count_delivered(self, turn: ConversationTurn, item: BulkItem) -> None:
        if item.status == 201:
            self.count(f"delivered: {item.outcome}")
            if self._recorded is not None:
                self._recorded(turn, item)
        else:
            reason = item.because or item.problem.rpartition(":")[2] or str(item.status)
            self.count_refused(f"refused: {reason}", f"Licet refuses it: {reason}")


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
