"""The packed sources of a release's rows: a run has the rows of one account in one block of
ordinals.

    ordinal of a row    the run's ``first`` + the first byte of its ``sources`` & 63
    sources             that byte, with 128 if the numbers after it have four bytes each and not one; then numbers:
                        how many keys; a key each: segment * 2 + (1 if the key is that of the safety copy);
                        then a source each: segment, origin (its place in the run's ``origins``), last turn, turns

Invariants: a run stays within its block of `BLOCK_ROWS` ordinals, so that runs are found by block
number, and within one account. Keys and sources keep their order, in which a row's key is derived.
The schema's functions ``release_row_keys`` and ``release_row_sources`` read the same bytes in SQL,
and the view ``release_rows`` shows runs row by row.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

import msgspec

from licet.errors import BrokenError
from licet.vault.copies import CopyPlace

BLOCK_ROWS = 64
_WIDE = 0x80
_SOURCE = 4  # numbers
_KEY_PLACES = (CopyPlace.vault, CopyPlace.safety)


class RowSource(msgspec.Struct, frozen=True, kw_only=True):
    """The turns of one segment and origin in a row: the last one, and their count."""

    segment: int
    origin: str
    turn: int
    count: int


class RowSources(msgspec.Struct, frozen=True, kw_only=True):
    """The sources of a row. ``keys`` are the (segment, place) pairs from whose keys its own is
    derived, in order.
    """

    account: UUID
    conversation: UUID
    ordinal: int
    keys: tuple[tuple[int, CopyPlace], ...]
    sources: tuple[RowSource, ...]


class Run(NamedTuple):
    """Rows of one account, as stored. ``origins``: names separated by commas."""

    account: UUID
    first: int
    origins: str
    conversations: list[UUID]
    sources: list[bytes]


def runs(rows: Iterable[RowSources]) -> Iterator[Run]:
    """Groups ``rows`` into runs, in order of ordinals."""
    ordered = sorted(rows, key=lambda row: row.ordinal)
    for (account, _), together in groupby(
        ordered, key=lambda row: (row.account, row.ordinal // BLOCK_ROWS)
    ):
        mine = list(together)
        first, origins = mine[0].ordinal, dict[str, int]()
        for row in mine:
            for source in row.sources:
                origins.setdefault(source.origin, len(origins))
        packed = [_pack(row, row.ordinal - first, origins) for row in mine]
        yield Run(account, first, ",".join(origins), [row.conversation for row in mine], packed)


def unpack_row(
    account: UUID, conversation: UUID, ordinal: int, origins: Sequence[str], packed: bytes
) -> RowSources:
    """Unpacks a row of the view ``release_rows``."""
    numbers: Sequence[int] = packed[1:]
    if packed[0] & _WIDE:
        numbers = struct.unpack(f">{len(numbers) // 4}i", packed[1:])
    begin = 1 + numbers[0]
    return RowSources(
        account=account,
        conversation=conversation,
        ordinal=ordinal,
        keys=tuple((number >> 1, _KEY_PLACES[number & 1]) for number in numbers[1:begin]),
        sources=tuple(
            RowSource(
                segment=numbers[at],
                origin=origins[numbers[at + 1]],
                turn=numbers[at + 2],
                count=numbers[at + 3],
            )
            for at in range(begin, len(numbers), _SOURCE)
        ),
    )


def _pack(row: RowSources, place: int, origins: dict[str, int]) -> bytes:
    numbers = [len(row.keys)]
    for segment, where in row.keys:
        if where not in _KEY_PLACES:
            raise BrokenError(
                "the key of a row lies in the vault or in the safety copy, not in the "
                f"place `{where}`"
            )
        numbers.append(segment * 2 + _KEY_PLACES.index(where))
    for source in row.sources:
        numbers += source.segment, origins[source.origin], source.turn, source.count
    if max(numbers) < 0x100:
        return bytes((place, *numbers))
    return struct.pack(f">B{len(numbers)}i", place | _WIDE, *numbers)
