"""Turns of an import that wait for their account's whole history: in memory, and beyond a bound in
a sealed file.

A record is the name of its turn, 16 bytes, and the turn itself. Records lie one behind another in
blocks. The blocks that `memory_bytes_max` allows stay in memory; each later one is sealed whole
under a key that is in memory alone, and written to a file that has no name and is gone with the
process.

A waiting turn takes three numbers, in arrays, because a million Python objects would take ten times
the memory: its time, the place of its record, and its account's previous turn.
"""

from __future__ import annotations

import tempfile
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from licet.keys.material import KEY_BYTES, seal, unseal
from licet.masked import Masked
from licet.policy.state import ConversationKind, TurnRole

MEMORY_BYTES_MAX = 16 * 2**20
BLOCK_BYTES = 32 * 2**10  # a block that has as many takes no more records
OPEN_BLOCKS_MAX = 64
NAME_BYTES = 16
_SIZE_BYTES = 4
_NONE = 2**32 - 1  # no turn; also how many may wait
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class SpooledTurn(Masked, msgspec.Struct, frozen=True, array_like=True):
    """A waiting turn. Names are HMACs; texts are envelopes of `vault.content`."""

    conversation: bytes
    host_turn: bytes
    role: TurnRole
    origin: str
    kind: ConversationKind
    surface: str
    envelope: bytes
    title: bytes | None
    incognito: bool
    kept_out: bool
    project: bytes | None
    project_title: bytes | None


class TurnSpool:
    """Stores records, each found again by its place."""

    def __init__(
        self, folder: Path, random: Callable[[int], bytes], memory_bytes_max: int = MEMORY_BYTES_MAX
    ) -> None:
        self._folder, self._random, self._memory_bytes_max = folder, random, memory_bytes_max
        self._key = random(KEY_BYTES)
        self._file: IO[bytes] | None = None
        self._filling = bytearray()
        self._begins = [0]  # the place at which each block begins
        self._kept: list[bytes] = []  # the first blocks
        self._sealed: list[tuple[int, int]] = []  # of the others: where in the file, and how long
        self._opened: OrderedDict[int, bytes] = OrderedDict()
        self._encode, self._decode = (
            msgspec.msgpack.Encoder().encode,
            msgspec.msgpack.Decoder(SpooledTurn).decode,
        )

    def put(self, turn: SpooledTurn) -> int:
        """Stores a turn; returns its place."""
        place = self._begins[-1] + len(self._filling)
        record = self._encode(turn)
        self._filling += turn.host_turn + len(record).to_bytes(_SIZE_BYTES, "big") + record
        if len(self._filling) >= BLOCK_BYTES:
            self._end_block()
        return place

    def name(self, place: int) -> bytes:
        """The HMAC of the host's id of a turn."""
        block, at = self._locate(place)
        return bytes(block[at : at + NAME_BYTES])

    def get(self, place: int) -> SpooledTurn:
        block, at = self._locate(place)
        at += NAME_BYTES + _SIZE_BYTES
        return self._decode(
            memoryview(block)[at : at + int.from_bytes(block[at - _SIZE_BYTES : at], "big")]
        )

    def close(self) -> None:
        self._filling, self._kept, self._opened = bytearray(), [], OrderedDict()
        if self._file is not None:
            self._file.close()

    def _end_block(self) -> None:
        block, self._filling = bytes(self._filling), bytearray()
        begins = self._begins[-1]
        self._begins.append(begins + len(block))
        if begins + len(block) <= self._memory_bytes_max and not self._sealed:
            self._kept.append(block)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 closed by `close`
        sealed = seal(self._key, block, begins.to_bytes(8, "big"), self._random)
        offset = sum(self._sealed[-1]) if self._sealed else 0
        self._file.seek(offset)
        self._file.write(sealed)
        self._sealed.append((offset, len(sealed)))

    def _locate(self, place: int) -> tuple[bytes | bytearray, int]:
        """The block that contains a record, and the record's start in it."""
        number = bisect_right(self._begins, place) - 1
        at = place - self._begins[number]
        if number == len(self._begins) - 1:
            return self._filling, at
        if number < len(self._kept):
            return self._kept[number], at
        block = self._opened.get(number)
        if block is None:
            block = self._opened[number] = self._open(number)
            if len(self._opened) > OPEN_BLOCKS_MAX:
                self._opened.popitem(last=False)
        else:
            self._opened.move_to_end(number)
        return block, at

    def _open(self, number: int) -> bytes:
        assert self._file is not None
        offset, size = self._sealed[number - len(self._kept)]
        self._file.seek(offset)
        return unseal(self._key, self._file.read(size), self._begins[number].to_bytes(8, "big"))


class WaitingTurn(NamedTuple):
    """A waiting turn. ``number`` counts turns in the order of reading."""

    at: datetime
    number: int
    place: int


class _Chain(msgspec.Struct):
    """The turns of an account as a linked list from the newest, and the first one's time."""

    newest: int
    first_us: int


class WaitingTurns:
    """The waiting turns by host."""

    def __init__(self) -> None:
        self._at_us, self._place, self._before = array("q"), array("Q"), array("I")
        self._of: dict[str, _Chain] = {}

    def add(self, host: str, at: datetime, place: int) -> None:
        at_us, number = (at - _EPOCH) // _MICROSECOND, len(self._at_us)
        assert number < _NONE, "more turns than one import may hold"
        chain = self._of.get(host)
        self._at_us.append(at_us)
        self._place.append(place)
        if chain is None:
            self._before.append(_NONE)
            self._of[host] = _Chain(number, at_us)
        else:
            self._before.append(chain.newest)
            chain.newest, chain.first_us = number, min(at_us, chain.first_us)

    def first_at(self, host: str) -> datetime | None:
        """The time of the first of them."""
        chain = self._of.get(host)
        return None if chain is None else _EPOCH + timedelta(microseconds=chain.first_us)

    def list_by_host(self, host: str) -> list[WaitingTurn]:
        """The turns of an account in the order of reading."""
        turns = [
            WaitingTurn(
                _EPOCH + timedelta(microseconds=self._at_us[number]), number, self._place[number]
            )
            for number in self._numbers(host)
        ]
        return turns[::-1]

    def _numbers(self, host: str) -> Iterator[int]:
        chain = self._of.get(host)
        number = _NONE if chain is None else chain.newest
        while number != _NONE:
            yield number
            number = self._before[number]
