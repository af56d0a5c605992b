"""Ranks that share a sequence read the same rows, and what is withdrawn is masked in every slice in
the same step.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.errors import DeniedError, UsageError
from licet.train.batch_mask import mask_batch
from licet.train.gate import HandOff
from licet.train.mix import RankBatches
from licet.train.sequence_parallel import SharedBatches, slice_batch
from licet.train.step_mask import OneRank

from ..release.world import build
from .extras import require
from .publishing import ROWS, Office, World, run_ranks

torch = require("torch")
PAD, MASKED = 0, -100


# The division of the stream


@given(
    st.integers(0, 400),
    st.integers(0, 30),
    st.integers(1, 5),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(0, 9),
)
def test_a_group_has_one_stream_and_a_run_goes_on_in_groups_of_another_size(
    count: int, first: int, batch: int, before: tuple[int, int], after: tuple[int, int], later: int
) -> None:
    """Groups divide the positions among them; ranks of a group have all of theirs; and so on from
    any position.
    """

    def divided(start: int, groups: int, size: int) -> list[RankBatches]:
        ranks = [
            RankBatches(start, count, batch, rank, groups * size, size)
            for rank in range(groups * size)
        ]
        streams = [list(rank) for rank in ranks]
        assert (
            {len(rank) for rank in ranks} == {len(stream) for stream in streams} == {len(ranks[0])}
        )
        for rank, stream in enumerate(streams):
            assert stream == streams[rank - rank % size]
        return ranks[::size]

    begun = divided(first, *before)
    steps = min(later, len(begun[0]))
    used = [place for group in begun for found in list(group)[:steps] for place in found]
    position = begun[0].position(steps)
    assert sorted(used) == list(range(first, position))
    rest = divided(position, *after)
    used += [place for group in rest for found in group for place in found]
    assert sorted(used) == list(range(first, first + len(used)))
    assert count - (first + len(used)) < batch * after[0], (
        "no more is left than fills no batch of every group"
    )


@pytest.mark.parametrize(
    ("rank", "ranks", "shared_by"), [(0, 3, 2), (0, 2, 0), (0, 2, 4), (4, 4, 2)]
)
def test_ranks_that_do_not_divide_into_groups_are_refused(
    rank: int, ranks: int, shared_by: int
) -> None:
    with pytest.raises(UsageError, match="in groups of"):
        RankBatches(0, 100, 1, rank, ranks, shared_by)


# Slices


def sequence(*ordinals: int) -> dict[str, Any]:
    tokens = torch.arange(1, 1 + len(ordinals)).reshape(1, -1)
    return {
        "input_ids": tokens,
        "labels": tokens.clone(),
        "ordinal": torch.tensor([ordinals]),
        "lr": torch.tensor(2.0),
    }


@given(st.lists(st.integers(0, 4), min_size=4, max_size=4), st.sampled_from([1, 2, 4]))
def test_slices_together_are_the_sequence_and_no_token_has_a_label_of_another_row(
    runs: list[int], size: int
) -> None:
    ordinals = [ordinal for ordinal, length in enumerate(runs) for _ in range(length)]
    ordinals += [-1] * (16 - len(ordinals))
    whole = sequence(*ordinals)
    parts = [slice_batch(whole, place, size) for place in range(size)]
    for name in ("input_ids", "labels", "ordinal"):
        assert torch.cat([part[name] for part in parts], 1).tolist() == whole[name].tolist()
    following = torch.cat([part["shift_labels"] for part in parts], 1).tolist()[0]
    assert following == [
        2 + place if ordinals[place + 1 : place + 2] == [ordinal] else MASKED
        for place, ordinal in enumerate(ordinals)
    ]
    assert all(part["lr"] == 2 for part in parts)


def test_rows_of_one_ordinal_each_are_cut_and_a_withdrawn_one_is_masked_in_every_slice(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    tokens = torch.arange(1, 9).reshape(2, 4)
    batch = {"input_ids": tokens, "labels": tokens.clone(), "ordinal": torch.tensor([5, 7])}
    parts = [slice_batch(batch, place, 2) for place in range(2)]
    assert [part["shift_labels"].tolist() for part in parts] == [
        [[2, 3], [6, 7]],
        [[4, MASKED], [8, MASKED]],
    ]
    office.withdraw(7)
    found = [mask_batch(part, HandOff(office.gate()), 0)[0] for part in parts]
    assert [one["input_ids"].tolist() for one in found] == [
        [[1, 2], [PAD, PAD]],
        [[3, 4], [PAD, PAD]],
    ]
    assert [one["shift_labels"][1].tolist() for one in found] == [[MASKED, MASKED]] * 2


def test_labels_that_a_collator_shifted_keep_no_token_of_a_withdrawn_row(tmp_path: Path) -> None:
    """The label of the token before is its first one."""
    office = Office(tmp_path)
    office.withdraw(7)
    batch = {
        "input_ids": torch.arange(1, 7).reshape(1, 6),
        "shift_labels": torch.tensor([[2, 3, 4, 5, 6, MASKED]]),
        "ordinal": torch.tensor([[5, 5, 7, 7, 8, 8]]),
    }
    found, _ = mask_batch(batch, HandOff(office.gate()), 0)
    assert found["shift_labels"].tolist() == [[2, MASKED, MASKED, MASKED, 6, MASKED]]


def test_a_sequence_that_cannot_be_cut_or_does_not_say_whose_it_is_stops_the_run() -> None:
    with pytest.raises(UsageError, match="cannot be cut into `4`"):
        slice_batch(sequence(1, 1, 1, 1, 1, 1), 0, 4)
    with pytest.raises(UsageError, match="no `ordinal`"):
        slice_batch({"input_ids": torch.ones(1, 2)}, 0, 2)


# One reads for all


class Wire:
    """A group in one process: what its first rank says, the others hear."""

    size, ranks = 2, OneRank()

    def __init__(self, place: int, said: list[Any]) -> None:
        self.place, self.said = place, said

    def broadcast(self, thing: Any) -> Any:
        if self.place:
            return self.said.pop(0)
        self.said.append(thing)
        return thing


def test_where_the_reader_stops_the_others_stop_too_and_none_of_them_reads() -> None:
    def failing() -> Any:
        yield [1]
        raise DeniedError("every row was withdrawn")

    def unread() -> Any:
        raise AssertionError("another rank reads")
        yield

    said: list[Any] = []
    # `Wire` stands in for a group of torch
    assert list(SharedBatches([[1], [2]], Wire(0, said))) == [[1], [2]]  # type: ignore[arg-type]
    # as above
    assert list(SharedBatches(unread(), Wire(1, said))) == [[1], [2]]  # type: ignore[arg-type]
    reading = iter(SharedBatches(failing(), Wire(0, said)))  # type: ignore[arg-type]  # as above
    hearing = iter(SharedBatches(unread(), Wire(1, said)))  # type: ignore[arg-type]  # as above
    assert next(reading) == [1]
    with pytest.raises(DeniedError, match="every row"):
        next(reading)
    assert next(hearing) == [1]
    with pytest.raises(DeniedError, match="stopped: every row was withdrawn"):
        next(hearing)


# Four ranks in two groups


def tokens_of(ordinals: list[int | None]) -> list[int]:
    return [PAD if row is None else 1 + row * 4 + n for row in ordinals for n in range(4)]


def labels_of(ordinals: list[int | None]) -> list[int]:
    return [
        MASKED if row is None or n == 3 else 2 + row * 4 + n for row in ordinals for n in range(4)
    ]


def test_a_withdrawn_row_is_masked_in_the_slices_of_all_ranks_in_the_same_step(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "autumn"
    build(folder, ROWS, rows_per_part=150)
    World(folder, tmp_path, time.time)
    told = run_ranks(folder, tmp_path, 4, "", "rank_slices")
    assert [one[0] for one in told] == [0] * 4, "".join(one[2][-1_000:] for one in told)
    said = [json.loads(one[1].splitlines()[-1]) for one in told]
    assert all(one["taken"] == said[0]["taken"] for one in said)
    assert [one["asked"] > 0 for one in said] == [True, False, True, False], (
        "one rank of a group asks for keys"
    )

    together = []  # by step and group, its sequences with their slices put together
    for found, _ in said[0]["taken"]:
        for left, right in (found[:2], found[2:]):
            together.append(
                [
                    [one + other for one, other in zip(*both, strict=True)]
                    for both in zip(left, right, strict=True)
                ]
            )
    assert [attempts for _, attempts in said[0]["taken"]] == [1, 2, 1, 1]
    replaced = {row for row in range(400) if tokens_of([row]) == together[4][0][0][4:8]} - {25}
    assert len(replaced) == 1, "both ranks have the slices of one and the same row in its place"
    expected: list[list[list[int | None]]] = [
        [[0, None, 2], [6, 7, 8]],
        [[3, 4, 5], [9, None, 11]],
        [[12, None, 14], [18, 19, 20]],
        [[15, None, 17], [21, 22, 23]],
        [[24, *replaced, 26], [30, 31, 32]],
        [[27, 28, 29], [33, 34, 35]],
        [[36, 37, 38], [42, 43, 44]],
        [[39, 40, 41], [45, 46, 47]],
    ]
    assert together == [
        [[tokens_of(rows), labels_of(rows)] for rows in batches] for batches in expected
    ]
