"""The rate of each caller, counted once for all the workers of a server.

The rate uses the generic cell rate algorithm (ITU-T I.371): one timestamp per caller, so that a
burst of a sixth of a minute's requests passes and the long-term rate is not exceeded.

The timestamps are in a fixed table in memory. Workers map the same one, so that all of them
together allow what one would; a byte lock of the system protects each bucket, and is released if
its worker is killed. The table has no addresses and no ids, only 64 bits of a hash under a key that
is drawn when the server starts. When a bucket is full the caller in it who has been idle longest is
forgotten, which only favours them.

Hosts that share a bucket also share the rates, through the database (`licet.access.rate_counts`):
once in `EXCHANGE_SECONDS`, each process adds what it allowed, and learns what the others did. No
request waits for that. Between two exchanges a host goes by what it knows, so n hosts may allow a
caller n bursts at once; each of those requests is counted, and all hosts refuse until the time for
them has passed. Over any time T that is at most the requests of T and, for each host, those of
`BURST_SECONDS` and of the time between two exchanges, and one.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import secrets
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b

from licet.web.api.problems import RateLimitedError

BURST_SECONDS = 10
EXCHANGE_SECONDS = 1.0
BUCKETS = 2**14
WAYS = 8  # slots of a bucket
CALLERS_MAX = BUCKETS * WAYS
KEY_BYTES = 32
# 64 bits of the caller's hash, and the second at which the caller is due
_SLOT = struct.Struct("=qd")
_BUCKET_BYTES = WAYS * _SLOT.size
_HASHED = struct.Struct("=Qq")
TABLE_BYTES = KEY_BYTES + BUCKETS * _BUCKET_BYTES


def shared_table() -> int:
    """A file descriptor of an empty table, to pass to workers; it is in memory, and ends with its
    last user.
    """
    if sys.platform == "linux":
        file = os.memfd_create("licet-rates")
    else:
        with tempfile.TemporaryFile() as unnamed:
            file = os.dup(unnamed.fileno())
    os.ftruncate(file, TABLE_BYTES)
    os.pwrite(file, secrets.token_bytes(KEY_BYTES), 0)
    return file


class Rates:
    """The rate of each caller. ``table`` is what `shared_table` returned, or None for a table of
    this process alone. ``hosts_key`` is the key of the hash on all hosts that share the rates, or
    None where none does.

    The methods are called from one thread of a process.
    """

    def __init__(self, table: int | None = None, hosts_key: bytes | None = None) -> None:
        self._file = table
        self._memory = mmap.mmap(-1 if table is None else table, TABLE_BYTES)
        if table is None:
            self._memory[:KEY_BYTES] = secrets.token_bytes(KEY_BYTES)
        self._key = hosts_key or bytes(self._memory[:KEY_BYTES])
        self._is_shared = hosts_key is not None
        # of a mark: its bucket, and the seconds of its rate that it took
        self._untold = dict[int, tuple[int, float]]()

    def take(self, caller: bytes, per_minute: int, now: float, count: int = 1) -> None:
        """Counts requests of ``caller`` at ``now`` seconds; RateLimitedError, with the time to
        retry, above the rate.

        ``now`` is `time.monotonic`, which is the same in every process of a machine.
        """
        step = 60 / per_minute
        place, mark = _HASHED.unpack(blake2b(caller, digest_size=16, key=self._key).digest())
        begin = KEY_BYTES + place % BUCKETS * _BUCKET_BYTES
        mark = mark or 1  # 0 is an empty slot
        with self._locked(begin):
            slot, known = self._slot(begin, mark)
            due = max(known, now)
            early = due - now - max(BURST_SECONDS, step)
            if early > 0:
                raise RateLimitedError(math.ceil(early))
            _SLOT.pack_into(self._memory, slot, mark, due + step * count)
        if self._is_shared:
            self._untold[mark] = (begin, self._untold.get(mark, (begin, 0.0))[1] + step * count)

    def take_new(self) -> dict[int, tuple[int, float]]:
        """The requests that this process allowed since the last call, by the caller's mark, for
        `learn`.
        """
        counts, self._untold = self._untold, {}
        return counts

    def learn(
        self, counts: Mapping[int, tuple[int, float]], due: Mapping[int, float], now: float
    ) -> None:
        """Raises each caller of ``counts`` to what all hosts have counted: ``due`` seconds after
        ``now``.
        """
        for mark, (begin, _) in counts.items():
            since = self._untold.get(mark, (begin, 0.0))[1]
            with self._locked(begin):
                slot, known = self._slot(begin, mark)
                _SLOT.pack_into(
                    self._memory, slot, mark, max(known, now + due.get(mark, 0.0) + since)
                )

    def _slot(self, begin: int, mark: int) -> tuple[int, float]:
        """The caller's slot and due time: their own, or that of the caller who has been idle
        longest.
        """
        oldest, oldest_due = begin, math.inf
        for slot in range(begin, begin + _BUCKET_BYTES, _SLOT.size):
            whose, due = _SLOT.unpack_from(self._memory, slot)
            if whose == mark:
                return slot, due
            if due < oldest_due:
                oldest, oldest_due = slot, due
        return oldest, -math.inf

    @contextmanager
    def _locked(self, begin: int) -> Iterator[None]:
        if self._file is None:
            yield
            return
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, begin)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, begin)
