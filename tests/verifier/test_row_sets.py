"""The bitmaps that a stranger reads and writes with nothing but Python are those of the library
that wrote them.
"""

from __future__ import annotations

import struct
from random import Random

import pytest
from pyroaring import BitMap

from licet.train.bitmap import serialize
from licet.verifier.row_sets import (
    CHUNK_BITS,
    read_roaring,
    roaring_forms,
    set_excess,
    set_of,
    set_overlap,
    set_size,
    set_union,
)


def drawn(random: Random) -> BitMap:
    """Numbers in a few containers: scattered, in runs of three (as long in either form), in long
    runs, dense or full.
    """
    made = BitMap()
    for _ in range(random.randrange(6)):
        base = random.randrange(9) * CHUNK_BITS
        match random.choice(["few", "threes", "runs", "dense", "full"]):
            case "few":
                made |= BitMap(base + random.randrange(CHUNK_BITS) for _ in range(40))
            case "threes":
                firsts = [base + random.randrange(60_000) for _ in range(random.randint(1, 5))]
                made |= BitMap(first + n for first in firsts for n in range(3))
            case "runs":
                first = base + random.randrange(60_000)
                made |= BitMap(range(first, first + random.randint(1, 5_000)))
            case "dense":
                made |= BitMap(range(base, base + CHUNK_BITS, 2))
            case _:
                made |= BitMap(range(base, base + CHUNK_BITS))
    return made


@pytest.mark.parametrize("seed", range(150))
def test_a_set_is_read_and_written_as_the_library_does(seed: int) -> None:
    random = Random(seed)
    one, other = drawn(random), drawn(random)
    mine, theirs = read_roaring(one.serialize()), read_roaring(serialize(other))
    assert serialize(one) in set(roaring_forms(mine))
    assert serialize(one | other) in set(roaring_forms(set_union(mine, theirs)))
    assert (set_size(mine), set_size(set_union(mine, theirs))) == (len(one), len(one | other))
    assert set_overlap(mine, theirs) == (min(one & other) if one & other else None)
    assert set_excess(mine, theirs) == (min(one - other) if one - other else None)


@pytest.mark.parametrize("runs", [[], [(0, 0)], [(65_530, 65_540), (3, 9)], [(0, 131_071)]])
def test_runs_of_numbers_make_a_set(runs: list[tuple[int, int]]) -> None:
    made = BitMap(n for first, last in runs for n in range(first, last + 1))
    assert set_of(runs) == read_roaring(made.serialize())


WHOLE = serialize([1, 2, 3, 4, 5, 100_000])
WRONG = {
    "another cookie": b"\x00" + WHOLE[1:],
    "nothing": b"",
    "cut short": WHOLE[:-1],
    "more": WHOLE + b"\0",
    "a size that does not hold": WHOLE.replace(struct.pack("<HH", 0, 4), struct.pack("<HH", 0, 5)),
    "containers out of order": WHOLE.replace(struct.pack("<HH", 1, 0), struct.pack("<HH", 0, 0)),
    "a run past its container": WHOLE.replace(
        struct.pack("<HHH", 1, 1, 4), struct.pack("<HHH", 1, 65_533, 4)
    ),
    "a bitset cut short": BitMap(range(0, CHUNK_BITS, 2)).serialize()[:-1],
    "too many containers": struct.pack("<II", 12346, 2**31),
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_what_is_no_set_is_refused(data: bytes) -> None:
    assert read_roaring(WHOLE)
    assert data != WHOLE
    with pytest.raises((ValueError, struct.error)):
        read_roaring(data)
