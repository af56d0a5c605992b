"""Sets of row numbers as roaring bitmaps in the portable form of RoaringFormatSpec, in pure Python.

A set is a mapping from the upper 16 bits of its numbers to a non-zero integer of 65,536 bits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from itertools import product

RUN_COOKIE, PLAIN_COOKIE = 12347, 12346
ARRAY_MAX, BITSET_BYTES, CHUNK_BITS = 4_096, 8_192, 1 << 16
OFFSETS_FROM, TIES_MAX = 4, 8
RowSet = Mapping[int, int]


def read_roaring(data: bytes) -> dict[int, int]:
    """Parses a set; `ValueError` or `struct.error` for other or surplus bytes."""
    (cookie,) = struct.unpack_from("<I", data)
    offset, has_runs = 4, cookie & 0xFFFF == RUN_COOKIE
    if has_runs:
        count = (cookie >> 16) + 1
        flags = int.from_bytes(data[offset : offset + (count + 7) // 8], "little")
        offset += (count + 7) // 8
    elif cookie == PLAIN_COOKIE:
        (count,) = struct.unpack_from("<I", data, offset)
        flags, offset = 0, offset + 4
    else:
        raise ValueError("not a roaring bitmap")
    if count > CHUNK_BITS:
        raise ValueError("too many containers")
    heads = struct.unpack_from(f"<{2 * count}H", data, offset)
    offset += 4 * count + (0 if has_runs and count < OFFSETS_FROM else 4 * count)
    containers: dict[int, int] = {}
    for n in range(count):
        bits, offset = _container(data, offset, heads[2 * n + 1] + 1, is_run=bool(flags >> n & 1))
        if bits.bit_count() != heads[2 * n + 1] + 1 or (n and heads[2 * n] <= heads[2 * n - 2]):
            raise ValueError("a container is not in order, or its size differs")
        containers[heads[2 * n]] = bits
    if offset != len(data):
        raise ValueError("more bytes than containers")
    return containers


def _container(data: bytes, offset: int, size: int, *, is_run: bool) -> tuple[int, int]:
    """The bits of a container at ``offset``, and where it ends."""
    if is_run:
        (runs,) = struct.unpack_from("<H", data, offset)
        pairs = struct.unpack_from(f"<{2 * runs}H", data, offset + 2)
        bits = 0
        for first, more in zip(pairs[::2], pairs[1::2], strict=True):
            bits |= ((2 << more) - 1) << first
        if bits >> CHUNK_BITS:
            raise ValueError("a run exceeds its container")
        return bits, offset + 2 + 4 * runs
    if size > ARRAY_MAX:
        if len(data) < offset + BITSET_BYTES:
            raise ValueError("a container is truncated")
        return int.from_bytes(data[offset : offset + BITSET_BYTES], "little"), offset + BITSET_BYTES
    bits = 0
    for number in struct.unpack_from(f"<{size}H", data, offset):
        bits |= 1 << number
    return bits, offset + 2 * size


def roaring_forms(numbers: RowSet) -> Iterator[bytes]:
    """Yields the encodings of a set with minimal containers, varying up to `TIES_MAX` containers
    that have two minimal forms.
    """
    chosen = [(key, bits, _forms(bits)) for key, bits in sorted(numbers.items()) if bits]
    ties = [n for n, (_, _, forms) in enumerate(chosen) if len(forms) > 1][:TIES_MAX]
    for picks in product((0, 1), repeat=len(ties)):
        pick = dict(zip(ties, picks, strict=True))
        containers = [forms[pick.get(n, 0)] for n, (_, _, forms) in enumerate(chosen)]
        heads = b"".join(struct.pack("<HH", key, bits.bit_count() - 1) for key, bits, _ in chosen)
        yield _serialize(heads, containers)


def _forms(bits: int) -> list[tuple[bool, bytes]]:
    """The minimal encodings of a container: whether it is of runs, and its bytes."""
    starts, size = bits & ~(bits << 1), bits.bit_count()
    plain_bytes = min(2 * size, BITSET_BYTES)
    run_bytes = 4 * starts.bit_count() + 2
    forms = []
    if run_bytes >= plain_bytes:
        if size > ARRAY_MAX:
            forms.append((False, bits.to_bytes(BITSET_BYTES, "little")))
        else:
            forms.append((False, struct.pack(f"<{size}H", *_set_bits(bits))))
    if run_bytes <= plain_bytes:
        firsts, lasts = _set_bits(starts), _set_bits(bits & ~(bits >> 1))
        pairs = [
            part
            for first, last in zip(firsts, lasts, strict=True)
            for part in (first, last - first)
        ]
        forms.append((True, struct.pack(f"<{1 + len(pairs)}H", len(pairs) // 2, *pairs)))
    return forms


def _serialize(heads: bytes, containers: list[tuple[bool, bytes]]) -> bytes:
    count = len(containers)
    if any(is_run for is_run, _ in containers):
        flags = sum(is_run << n for n, (is_run, _) in enumerate(containers))
        begin = struct.pack("<I", RUN_COOKIE | (count - 1) << 16) + flags.to_bytes(
            (count + 7) // 8, "little"
        )
        has_offsets = count >= OFFSETS_FROM
    else:
        begin, has_offsets = struct.pack("<II", PLAIN_COOKIE, count), True
    offset, offsets = len(begin) + len(heads) + 4 * count * has_offsets, b""
    for _, data in containers if has_offsets else ():
        offsets += struct.pack("<I", offset)
        offset += len(data)
    return begin + heads + offsets + b"".join(data for _, data in containers)


def _set_bits(bits: int) -> list[int]:
    """The positions of the set bits, in order."""
    text = bin(bits)[:1:-1]
    positions, index = [], text.find("1")
    while index >= 0:
        positions.append(index)
        index = text.find("1", index + 1)
    return positions


def set_union(left: RowSet, right: RowSet) -> dict[int, int]:
    return {key: left.get(key, 0) | right.get(key, 0) for key in {**left, **right}}


def set_overlap(left: RowSet, right: RowSet) -> int | None:
    """The smallest number in both."""
    return _smallest({key: bits & right[key] for key, bits in left.items() if key in right})


def set_excess(left: RowSet, right: RowSet) -> int | None:
    """The smallest number of ``left`` not in ``right``."""
    return _smallest({key: bits & ~right.get(key, 0) for key, bits in left.items()})


def _smallest(numbers: RowSet) -> int | None:
    left = [(key, bits) for key, bits in numbers.items() if bits]
    if not left:
        return None
    key, bits = min(left)
    return key * CHUNK_BITS + (bits & -bits).bit_length() - 1


def set_size(numbers: RowSet) -> int:
    return sum(bits.bit_count() for bits in numbers.values())


def set_of(runs: list[tuple[int, int]]) -> dict[int, int]:
    """The numbers from each first to each last."""
    containers: dict[int, int] = {}
    for first, last in runs:
        for key in range(first // CHUNK_BITS, last // CHUNK_BITS + 1):
            low = max(first - key * CHUNK_BITS, 0)
            high = min(last - key * CHUNK_BITS, CHUNK_BITS - 1)
            containers[key] = containers.get(key, 0) | ((1 << high + 1) - (1 << low))
    return containers
