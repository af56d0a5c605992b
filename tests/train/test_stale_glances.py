"""A glance is at most as old as its lease, and anyone who reads on looks again before each
following batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from licet.errors import DeniedError
from licet.train import gate
from licet.train.dataset import AHEAD_ROWS, GatedDataset, GatedStream
from licet.train.gate import BLOCK_POSITIONS, TrainingGate

from .publishing import Office

READERS: dict[str, Callable[[list[dict[str, int]], TrainingGate], Iterable[Any]]] = {
    "a data set": lambda rows, gated: GatedDataset(rows, gated, [row["ordinal"] for row in rows]),
    "a stream": lambda rows, gated: GatedStream(rows, gated),
}


def test_a_glance_ends_with_its_lease_though_it_is_young(tmp_path: Path) -> None:
    office = Office(tmp_path)
    asked = office.gate()
    office.clock.passes(office.seconds - gate.GLANCE_SECONDS / 2)
    asked.glance()
    office.clock.passes(gate.GLANCE_SECONDS * 0.6)
    with pytest.raises(DeniedError, match="it expired at"):
        asked.glance()


@pytest.mark.parametrize("kind", READERS)
def test_what_is_withdrawn_while_a_data_set_is_read_is_in_no_following_batch(
    tmp_path: Path, kind: str
) -> None:
    office = Office(tmp_path)
    rows = [{"ordinal": n} for n in range(min(BLOCK_POSITIONS, 4 * AHEAD_ROWS))]
    assert len(rows) > 3 * AHEAD_ROWS
    reading = iter(READERS[kind](rows, office.gate()))
    read = [next(reading)["ordinal"] for _ in range(AHEAD_ROWS)]
    gone = range(2 * AHEAD_ROWS, 3 * AHEAD_ROWS, 2)
    office.withdraw(*gone)
    office.clock.passes(gate.GLANCE_SECONDS)
    read += [row["ordinal"] for row in reading]
    assert len(read) == len(rows), "as many rows as positions"
    assert not set(read) & set(gone)
    assert read[: 2 * AHEAD_ROWS] + read[3 * AHEAD_ROWS :] == [
        *range(2 * AHEAD_ROWS),
        *range(3 * AHEAD_ROWS, len(rows)),
    ]
