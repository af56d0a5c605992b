"""The rate of each caller, counted once for all the workers of a server.

The rate uses the generic cell rate algorithm (ITU-T I.371): one timestamp per caller, so that a burst of a sixth of a
minute's requests passes and the long-term rate is not exceeded.

The timestamps are in a fixed table in memory. Workers map the same one, so that all of them together allow what one
would; a byte lock of the system protects each bucket, and is released if its worker is killed. The table has no
addresses and no ids, only 64 bits of a hash under a key that is drawn when the server starts. When a bucket is full the
caller in it who has been idle longest is forgotten, which only favours them. Servers on other hosts count for
themselves.
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
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from licet.web.api.problems import RateLimitedError

BURST_SECONDS = 10
BUCKETS = 2**14
WAYS = 8  # slots of a bucket
CALLERS_MAX = BUCKETS * WAYS
KEY_BYTES = 32
_SLOT = struct.Struct("=Qd")  # 64 bits of the caller's hash, and the second at which the caller is due
_BUCKET_BYTES = WAYS * _SLOT.size
_HASHED = struct.Struct("=QQ")
TABLE_BYTES = KEY_BYTES + BUCKETS * _BUCKET_BYTES


def shared_table() -> int:
    """A file descriptor of an empty table, to pass to workers; it is in memory, and ends with its last user."""
    if sys.platform == "linux":
        file = os.memfd_create("licet-rates")
    else:
        with tempfile.TemporaryFile() as unnamed:
            file = os.dup(unnamed.fileno())
    os.ftruncate(file, TABLE_BYTES)
    os.pwrite(file, secrets.token_bytes(KEY_BYTES), 0)
    return file


class Rates:
    """The rate of each caller. ``table`` is what `shared_table` returned, or None for a table of this process alone.

    The methods are called from one thread of a process.
    """

    def __init__(self, table: int | None = None) -> None:
        self._file = table
        self._memory = mmap.mmap(-1 if table is None else table, TABLE_BYTES)
        if table is None:
            self._memory[:KEY_BYTES] = secrets.token_bytes(KEY_BYTES)
        self._key = bytes(self._memory[:KEY_BYTES])

    def take(self, caller: bytes, per_minute: int, now: float, count: int = 1) -> None:
        """Counts requests of ``caller`` at ``now`` seconds; RateLimitedError, with the time to retry, above the rate.

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

    def _slot(self, begin: int, mark: int) -> tuple[int, float]:
        """Where the caller's slot is, and when they are due: their own, or that of whoever has been idle longest."""
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
