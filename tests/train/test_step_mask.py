"""Steps of several ranks: what is withdrawn before a step is taken is in it on no rank, wherever in
the step it lands.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence, Set
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from licet.errors import BusyError, UsageError
from licet.train import step_mask
from licet.train.gate import WhenStale
from licet.train.mix import RankBatches
from licet.train.step_mask import MaskedSteps, OneRank

from ..release.world import build
from .extras import require
from .publishing import ROWS, Office, World, run_ranks

BATCH, ACCUMULATE, POSITIONS = 2, 3, 168
RANKS = 4
STEP = BATCH * ACCUMULATE * RANKS  # positions of a step
DIES_AT = 4


def test_a_withdrawal_in_the_middle_of_a_step_is_masked_on_every_rank_and_a_killed_rank_costs_no_row(
    tmp_path: Path,
) -> None:
    """The gradient of each step says, bit by bit, whose rows are in it: over four ranks, and on as
    many as go on after a kill -9 from the `state_dict` that was kept, one or all.
    """
    require("torch")
    folder = tmp_path / "autumn"
    build(folder, ROWS, rows_per_part=150)
    world = World(folder, tmp_path, time.time)
    *others, last = run_ranks(folder, tmp_path, RANKS, "first")
    assert last[0] == -signal.SIGKILL, last[2][-2_000:]
    assert all(one[0] > 0 for one in others), "ranks that are left alone stop"
    kept = json.loads((tmp_path / "checkpoint.json").read_text())
    taken = {position: (set(rows), attempts) for position, rows, attempts in kept["taken"]}
    everybody = set(range(STEP))
    assert taken == {
        0: (everybody - {1, 2}, 1),  # withdrawn between read and step
        STEP: (everybody, 1),
        # withdrawn in the accumulation: made again without them, on every rank
        2 * STEP: (everybody - {0, 3}, 2),
        3 * STEP: (everybody, 1),
    }
    assert kept["steps"] == {"step": DIES_AT, "position": DIES_AT * STEP}

    gone, late = {1, 2, 2 * STEP, 2 * STEP + 3}, {4 * STEP + 2, POSITIONS - 1}
    world.office.ordinals, world.office.number = set(gone), 2
    world.office.withdraw(*late)
    used = [position + place for position, rows, _ in kept["taken"] for place in rows]
    for resumed in (1, RANKS):
        (tmp_path / "store-again").unlink(missing_ok=True)
        (tmp_path / "checkpoint.json").write_text(json.dumps(kept))
        told = run_ranks(folder, tmp_path, resumed, "again")
        assert all(one[0] == 0 for one in told), told[0][2][-2_000:]
        again = json.loads(told[0][1].splitlines()[-1])
        check_resumed(used, again, BATCH * ACCUMULATE * resumed, gone, late)


def check_resumed(
    before: Sequence[int], again: Sequence[Any], own: int, gone: Set[int], late: Set[int]
) -> None:
    """What was used before the kill and ``again``, in steps of ``own`` positions, is each row once,
    without what was withdrawn.
    """
    used = list(before)
    assert [position for position, _, _ in again] == list(range(DIES_AT * STEP, POSITIONS, own))
    for position, rows, attempts in again:
        assert attempts == 1
        wanted = set(range(position, position + own)) - late
        assert wanted <= set(rows), (
            "what was withdrawn is replaced by another row, and no row is skipped"
        )
        assert len(rows) == own and not set(rows) & (gone | late)
        used += wanted
    assert not set(used) & (gone | late)
    assert len(used) == len(set(used)), "no row is in two steps"
    assert set(range(POSITIONS)) - set(used) == gone | late, (
        "none is left out but those that were withdrawn"
    )


@pytest.mark.parametrize("how", ["fsdp", "accelerate"])
def test_weights_that_are_sharded_and_accelerate_take_the_same_step_on_every_rank(
    tmp_path: Path, how: str
) -> None:
    require("torch")
    require("accelerate")
    folder = tmp_path / "autumn"
    build(folder, ROWS, rows_per_part=150)
    World(folder, tmp_path, time.time)
    told = run_ranks(folder, tmp_path, 2, how, "rank_sharded")
    assert [one[0] for one in told] == [0, 0], told[0][2][-2_000:] + told[1][2][-2_000:]
    first, other = (json.loads(one[1].splitlines()[-1]) for one in told)
    everybody = list(range(8))
    assert (
        first
        == other
        == [
            [everybody, 1],
            [[place for place in everybody if place not in (0, 3)], 2],
            [everybody, 1],
        ]
    )


# One process, and what cannot be


def test_a_loader_that_does_not_know_its_position_has_no_state(tmp_path: Path) -> None:
    made, _ = steps(Office(tmp_path))
    with pytest.raises(UsageError, match="batch_sampler"):
        made.state_dict()


def test_the_state_is_that_of_the_steps_that_were_taken_whatever_was_read_ahead(
    tmp_path: Path,
) -> None:
    data = require("torch.utils.data")
    folder = tmp_path / "autumn"
    build(folder, ROWS, rows_per_part=150)
    rows = World(folder, tmp_path).rows()
    gate = rows.gate

    def made() -> MaskedSteps:
        batches = RankBatches(0, 40, 2, 1, 2)
        loader = data.DataLoader(
            rows, batch_sampler=batches, collate_fn=list, prefetch_factor=4, num_workers=2
        )
        return MaskedSteps(loader, gate, accumulate=2)

    first = made()
    seen = [
        row["ordinal"] for step in islice(first, 2) for batch in next(iter(step)) for row in batch
    ]
    kept = first.state_dict()
    assert kept == {"step": 2, "position": 16}
    second = made()
    second.load_state_dict(kept)
    seen += [row["ordinal"] for step in second for batch in next(iter(step)) for row in batch]
    assert seen == [place for start in range(2, 40, 4) for place in (start, start + 1)]
    assert second.state_dict() == {"step": 5, "position": 40}


def steps(office: Office, **more: Any) -> tuple[MaskedSteps, list[tuple[int, list[int]]]]:
    heard: list[tuple[int, list[int]]] = []
    batches = [
        [{"ordinal": n, "messages": []} for n in (start, start + 1)] for start in range(0, 9, 2)
    ]
    made = MaskedSteps(
        batches,
        office.gate(WhenStale.stop),
        accumulate=2,
        used=lambda step, found: heard.append((step, list(found))),
        **more,
    )
    return made, heard


def test_an_attempt_is_made_again_until_nothing_of_it_was_withdrawn_meanwhile(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    made, heard = steps(office, step=7)
    seen = []
    for step in made:
        for attempt in step:
            seen.append((step.number, [row["ordinal"] for batch in attempt for row in batch]))
            if step.number == 7 and step.attempts < 3:
                office.withdraw(step.attempts)
            if step.number == 8 and step.attempts == 1:
                office.withdraw(0)
    assert seen == [(7, [0, 1, 2, 3]), (7, [0, 0, 2, 3]), (7, [0, 0, 3, 3]), (8, [4, 5, 6, 7])]
    assert heard == [(7, [0, 1, 2, 3]), (7, [0, 2, 3]), (7, [0, 3]), (8, [4, 5, 6, 7])]
    assert made.step == 9, "the batch that fills no step is not handed out"


class Ahead(OneRank):
    """Another rank, which has read a later bitmap already."""

    def __init__(self, office: Office, number: int, arrives: int = 2) -> None:
        self.office, self.number, self.retry_while_busy, self.arrives = office, number, 0, arrives

    def highest(self, numbers: Sequence[int]) -> list[int]:
        self.retry_while_busy += 1
        assert self.retry_while_busy < 40, "they never agree"
        if self.retry_while_busy == self.arrives:
            self.office.withdraw(1)  # what the other has read comes to this machine too
        if len(numbers) == 2:  # the bitmap's number, and whether it moved
            return [max(numbers[0], self.number), numbers[1]]
        return (
            [max(numbers[0], -self.number)]
            if numbers[0] <= 0 and self.retry_while_busy > 1
            else list(numbers)
        )


def test_a_rank_that_is_behind_waits_for_the_bitmap_of_the_others_before_it_hands_out(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    made, heard = steps(office, ranks=Ahead(office, 1))
    (attempt,) = next(iter(made))
    assert [row["ordinal"] for batch in attempt for row in batch] == [0, 0, 2, 3]
    assert heard == [(0, [0, 2, 3])]


def test_a_rank_that_never_hears_what_the_others_know_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_mask, "AGREE_SECONDS_MAX", 0.0)
    office = Office(tmp_path)
    made, heard = steps(office, ranks=Ahead(office, 99))
    with pytest.raises(BusyError, match="still at bitmap"):
        next(iter(next(iter(made))))
    assert heard == []
    with pytest.raises(UsageError, match="at least one batch"):
        MaskedSteps([], office.gate(), accumulate=0)
