"""Blocks: the turns of one segment that arrive together are one row, with packed metadata and one
sealed value.

The sealed value is the envelopes of the turns' content (`vault.content`), one behind another in the
order of the turns: a frame still has one author. Their sizes stand beside it and are part of its
associated data, with the place of the block, so that a sealed value opens only as the block that it
was sealed as. What is not content is packed a number, a letter or a name a turn (`blocks` in the
schema, which checks the lengths; its view `turns` unpacks them).

A block is never changed, but for losing its content, and for small ones that are joined
(`vault.block_joins`). Its bounds keep what one turn costs to read: a block takes no further turn
once it has `TURNS_MAX`, or `BYTES_MAX` of content.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from licet.errors import BrokenError
from licet.keys.material import KeyMaterial, block_place
from licet.policy.state import TurnRole, TurnState

TURNS_MAX = 128
BYTES_MAX = 2**18
HOST_BYTES = 16
TITLE = 0  # the number of a conversation's title, stored in its first block

_NO_HOST = bytes(HOST_BYTES)
_TITLE_LETTER = "h"
_LETTERS = {
    TurnRole.user: "u",
    TurnRole.assistant: "a",
    TurnRole.tool: "t",
    TurnRole.system: "s",
}
_ROLES = {letter: role for role, letter in _LETTERS.items()} | {_TITLE_LETTER: TurnRole.user}
_ORIGINS = {
    letter: "typed" if role is TurnRole.user else role.value for letter, role in _ROLES.items()
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# The columns of a block as they are written, each with its type.
COLUMNS = {
    "account_id": "uuid",
    "conversation_id": "uuid",
    "first_turn": "int4",
    "segment": "int2",
    "seq": "int8",
    "seqs": "bytea",
    "roles": "text",
    "origins": "text",
    "times": "bytea",
    "hosts": "bytea",
    "sizes": "bytea",
    "sealed": "bytea",
}
# What `unpack` reads of a block `b`.
PACKED = "b.first_turn, b.segment, b.roles, b.origins, b.times, b.sizes"
# The number of turns of a block `b`, and of those with stored content.
TURNS = "(length(b.roles) - (b.first_turn = 0)::int)"
TURNS_STORED = """(SELECT count(*)
    FROM generate_series((b.first_turn = 0)::int, length(b.roles) - 1) n
   WHERE packed_int4(b.sizes, n) > 0)"""


class PendingBlock:
    """A block under construction: turns are added in order until it is full."""

    def __init__(
        self, account: UUID, conversation: UUID, segment: int, first_turn: int, seq: int
    ) -> None:
        self.account, self.conversation, self.segment = account, conversation, segment
        self.first_turn, self._seq = first_turn, seq
        self.key: KeyMaterial | None = None  # once it has content
        self._letters: list[str] = []
        self._origins: list[str] = []
        self._times: list[int] = []
        self._seqs: list[int] = []
        self._hosts: list[bytes] = []
        self._sizes: list[int] = []
        self._content: list[bytes] = []
        self._bytes = 0
        self._is_plain = True  # each origin is the one that goes with the role
        self._last_seq = seq - 1
        self._is_dense = True  # each number follows the one before

    @property
    def next_turn(self) -> int:
        return self.first_turn + len(self._letters)

    @property
    def is_full(self) -> bool:
        return len(self._letters) >= TURNS_MAX or self._bytes >= BYTES_MAX

    def add_title(self, seq: int, at: datetime, content: bytes) -> None:
        """Adds the conversation's title, under the number of its first turn."""
        self._add(_TITLE_LETTER, "typed", at, None, content)
        self._seqs.append(seq - self._seq)

    def add(
        self,
        seq: int,
        role: TurnRole,
        origin: str,
        at: datetime,
        host: bytes | None,
        content: bytes | None,
    ) -> None:
        """Adds the next turn. ``content`` is its envelope, or None if it must not be stored."""
        self._add(_LETTERS[role], origin, at, host, content or b"")
        self._seqs.append(seq - self._seq)
        if seq != self._last_seq + 1:
            self._is_dense = False
        self._last_seq = seq

    def _add(
        self, letter: str, origin: str, at: datetime, host: bytes | None, content: bytes
    ) -> None:
        self._letters.append(letter)
        self._origins.append(origin)
        if origin != _ORIGINS[letter]:
            self._is_plain = False
        self._times.append((at - _EPOCH) // _MICROSECOND)
        self._hosts.append(host or _NO_HOST)
        self._sizes.append(len(content))
        self._content.append(content)
        self._bytes += len(content)

    def sizes(self) -> bytes | None:
        return pack_sizes(self._sizes) if self.key is not None else None

    def content(self) -> bytes:
        """The content to seal."""
        return b"".join(self._content)

    def row(self, sealed: bytes | None) -> tuple[object, ...]:
        """The values of `COLUMNS`."""
        count = len(self._letters)
        hosts = b"".join(self._hosts)
        return (
            self.account,
            self.conversation,
            self.first_turn,
            self.segment,
            self._seq,
            None if self._is_dense else struct.pack(f">{count}i", *self._seqs),
            "".join(self._letters),
            "" if self._is_plain else ",".join(self._origins),
            struct.pack(f">{count}q", *self._times),
            hosts if any(hosts) else None,
            self.sizes(),
            sealed,
        )


def pack_sizes(sizes: Sequence[int]) -> bytes:
    return struct.pack(f">{len(sizes)}i", *sizes)


class UnpackedTurn(NamedTuple):
    """A turn of a block; ``size`` is that of its envelope, 0 if its content is not stored."""

    number: int
    segment: int
    role: TurnRole
    origin: str
    time: int  # microseconds since 1970
    size: int

    @property
    def at(self) -> datetime:
        return unpack_time(self.time)

    def state(self) -> TurnState:
        return TurnState(
            number=self.number, segment=self.segment, role=self.role, origin=self.origin
        )


def unpack_time(microseconds: int) -> datetime:
    """Decodes a packed time."""
    return _EPOCH + timedelta(microseconds=microseconds)


class TurnColumns(NamedTuple):
    """Turns of one segment as columns of equal length, in order: ``times`` in microseconds since
    1970, ``sizes`` as in `UnpackedTurn`.
    """

    segment: int
    numbers: Sequence[int]
    roles: Sequence[TurnRole]
    origins: Sequence[str]
    times: Sequence[int]
    sizes: Sequence[int]

    def select(self, places: Sequence[int]) -> TurnColumns:
        """The turns at these places."""
        if len(places) == len(self.numbers):
            return self
        chosen = (map(column.__getitem__, places) for column in self[1:])
        return TurnColumns(self.segment, *map(list[Any], chosen))


def columns(
    first_turn: int, segment: int, roles: str, origins: str, times: bytes, sizes: bytes | None
) -> TurnColumns:
    """The turns of a row of `PACKED`, in order, including the title."""
    count = len(roles)
    of_turns, plain = _roles(roles)
    return TurnColumns(
        segment,
        range(first_turn, first_turn + count),
        of_turns,
        origins.split(",") if origins else plain,
        struct.unpack(f">{count}q", times),
        struct.unpack(f">{count}i", sizes) if sizes is not None else (0,) * count,
    )


@lru_cache(4_096)
def _roles(letters: str) -> tuple[tuple[TurnRole, ...], tuple[str, ...]]:
    """The roles and usual origins of a block's turns; cached, since most blocks are alike."""
    return tuple(_ROLES[one] for one in letters), tuple(_ORIGINS[one] for one in letters)


def unpack(
    first_turn: int, segment: int, roles: str, origins: str, times: bytes, sizes: bytes | None
) -> Iterator[UnpackedTurn]:
    """`columns`, as one value per turn."""
    _, numbers, *others = columns(first_turn, segment, roles, origins, times, sizes)
    return map(UnpackedTurn, numbers, [segment] * len(numbers), *others)


class StoredBlock(NamedTuple):
    """A row of `blocks` to be joined: `COLUMNS` without its place."""

    first_turn: int
    seq: int
    seqs: bytes | None
    roles: str
    origins: str
    times: bytes
    hosts: bytes | None
    sizes: bytes | None
    sealed: bytes | None

    def numbers(self) -> Sequence[int]:
        """The account's number of each turn; that of the title is its first turn's."""
        count = len(self.roles)
        if self.seqs is not None:
            return [self.seq + behind for behind in struct.unpack(f">{count}i", self.seqs)]
        begin = max(self.first_turn, 1)
        return [
            self.seq + max(turn - begin, 0)
            for turn in range(self.first_turn, self.first_turn + count)
        ]


def join_blocks(
    account: UUID,
    conversation: UUID,
    segment: int,
    stored: Sequence[StoredBlock],
    opened: Sequence[bytes],
    key: KeyMaterial,
) -> PendingBlock:
    """Joins consecutive blocks into one; ``opened`` is the content of the blocks that have any, in
    order.
    """
    block = PendingBlock(account, conversation, segment, stored[0].first_turn, stored[0].seq)
    contents = iter(opened)
    for row in stored:
        found: dict[int, bytes] = {}
        if row.sizes is not None:
            block.key = key
            found = envelopes(row.first_turn, row.sizes, next(contents))
        hosts = row.hosts or bytes(HOST_BYTES * len(row.roles))
        packed = unpack(row.first_turn, segment, row.roles, row.origins, row.times, None)
        for place, (turn, seq) in enumerate(zip(packed, row.numbers(), strict=True)):
            if turn.number == TITLE:
                block.add_title(seq, turn.at, found[TITLE])
                continue
            host = hosts[place * HOST_BYTES : (place + 1) * HOST_BYTES]
            block.add(seq, turn.role, turn.origin, turn.at, host, found.get(turn.number))
    return block


def turns(rows: Sequence[Sequence[Any]]) -> Iterator[UnpackedTurn]:
    """The turns of rows of `PACKED`, in order, without titles."""
    return (turn for row in rows for turn in unpack(*row) if turn.number != TITLE)


def envelopes(first_turn: int, sizes: bytes, content: bytes) -> dict[int, bytes]:
    """The envelopes in a block's opened content, by turn number."""
    by_turn, begin = {}, 0
    for number, size in enumerate(struct.unpack(f">{len(sizes) // 4}i", sizes), first_turn):
        if size:
            by_turn[number] = content[begin : begin + size]
            begin += size
    if begin != len(content):
        raise BrokenError("the content of a block is not as long as its turns")
    return by_turn


def associated_data(
    account: UUID, conversation: UUID, segment: int, first_turn: int, sizes: bytes
) -> bytes:
    """The associated data of a block's content."""
    return block_place(account, conversation, segment, first_turn) + sizes


# The host's ids. A conversation's are looked up in its blocks: an index over all turns would take a
# third of their space.


def hosts_within(first_turn: int, hosts: bytes) -> Iterator[tuple[bytes, int]]:
    """The HMACs of the host's ids in a block, each with its turn's number."""
    for start in range(0, len(hosts), HOST_BYTES):
        name = hosts[start : start + HOST_BYTES]
        if name != _NO_HOST:
            yield name, first_turn + start // HOST_BYTES


# Selects the blocks `b` that may contain one of `k.names`. The database searches for a single one, so
# that a long conversation does not send all its blocks; several are compared in Python.
MAY_HOLD = f"""b.hosts IS NOT NULL
    AND (length(k.names) > {HOST_BYTES} OR position(k.names IN b.hosts) > 0)"""
