"""Position-stable: whatever is withdrawn, as many rows come out as the manifest promises, in the
same places; none of them may not be used. Ranks finish in step, a resumed run neither repeats nor
skips, and what workers read ahead is checked again at hand-off.
"""

from __future__ import annotations

import json
import multiprocessing
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.errors import BrokenError, BusyError, DeniedError, UsageError
from licet.release import manifest, purge
from licet.release.part import GROUP_ROWS_MAX
from licet.train.batch_mask import MaskedBatches
from licet.train.dataset import GatedDataset, GatedStream, RowDataset
from licet.train.gate import WhenStale

from ..release.world import LOG_SEED, START, build, log_key, row_of
from ..waiting import wait_until
from .extras import require
from .publishing import COUNT, ROWS, Keys, Office, World, ordinals, run_ranks


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("release") / "autumn"
    build(made, ROWS, rows_per_part=150)
    return made


@pytest.fixture
def world(folder: Path, tmp_path: Path) -> World:
    return World(folder, tmp_path)


# Rows of a release


def test_every_row_is_at_its_position_in_any_order(world: World) -> None:
    rows = world.rows()
    assert len(rows) == COUNT
    assert ordinals(rows) == list(range(COUNT))
    order = rows.shuffled(7)
    assert sorted(order) == list(range(COUNT)) != order
    assert ordinals(rows.__getitems__(order)) == order
    assert rows[-1]["ordinal"] == COUNT - 1
    assert ordinals(rows[3:9:2]) == [3, 5, 7]
    assert rows[5]["messages"][0]["content"] == "question 5"
    with pytest.raises(IndexError):
        rows[COUNT]


def test_the_order_depends_on_seed_and_epoch_alone(world: World) -> None:
    rows = world.rows()
    order = rows.shuffled(7, 1)
    world.office.withdraw(1, 2, 3)
    assert world.rows().shuffled(7, 1) == order
    assert rows.shuffled(7, 2) != order != rows.shuffled(8, 1)


def test_dealt_positions_mix_neighbours_alike_in_every_process_whatever_is_withdrawn(
    world: World,
) -> None:
    rows, again = world.rows(), world.rows()
    rows.deal(3)
    found = ordinals(rows)
    assert sorted(found) == list(range(COUNT)) != found
    batches = [found[at : at + 32] for at in range(0, COUNT, 32)]
    assert all(max(batch) - min(batch) > 100 for batch in batches), (
        "neighbours, as one person's rows are, are in many"
    )
    world.office.withdraw(*range(10))
    again.deal(3)
    assert pickle.loads(pickle.dumps(again)).ordinals == again.ordinals == rows.ordinals
    order = rows.shuffled(7)
    assert sorted(order) == list(range(COUNT))
    in_order = world.rows()
    assert [rows.ordinals[place] for place in order] == [
        in_order.ordinals[place] for place in in_order.shuffled(7)
    ], (
        "and the blocks that are shuffled are those of the release, so that row groups are "
        "read together"
    )


def test_a_batch_asks_for_one_lease_a_row_group_and_a_scattered_one_for_its_own_rows(
    folder: Path, world: World
) -> None:
    rows = world.rows()
    for _ in range(3):
        rows.__getitems__(range(0, 32))
    assert world.keys.retry_while_busy == [150]
    rows.__getitems__([10, 200, 399])
    assert world.keys.retry_while_busy == [150, 150, 100]


@settings(max_examples=25, deadline=None)
@given(
    st.sets(st.integers(0, COUNT - 1), max_size=COUNT - 1),
    st.sets(st.integers(0, COUNT - 1), max_size=5),
)
def test_a_row_that_may_not_be_used_is_replaced_and_every_other_stays_where_it_was(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, withdrawn: set[int], refused: set[int]
) -> None:
    world = World(folder, tmp_path_factory.mktemp("gate"))
    world.office.withdraw(*withdrawn)
    world.keys.refused = refused
    gone = withdrawn | refused
    if len(gone) == COUNT:
        return
    found = ordinals(world.rows())
    assert len(found) == COUNT
    assert not set(found) & gone
    assert [o for place, o in enumerate(found) if place not in gone] == sorted(
        set(range(COUNT)) - gone
    )
    assert ordinals(world.rows().__getitems__(range(COUNT))) == found


def test_nobody_stands_in_for_many(world: World) -> None:
    world.office.withdraw(*range(100, 200))
    found = ordinals(world.rows())[100:200]
    assert max(found.count(o) for o in set(found)) <= 5


def test_where_nothing_may_be_used_the_run_stops(world: World) -> None:
    world.office.withdraw(*range(COUNT))
    with pytest.raises(DeniedError, match="may still be used"):
        world.rows()[0]


def test_a_row_past_its_own_end_is_replaced_though_its_key_was_given(tmp_path: Path) -> None:
    ends = [row_of(0), row_of(1, until=START.replace(day=2)), row_of(2)]
    build(tmp_path / "r", ends)
    world = World(tmp_path / "r", tmp_path, rows=ends)
    rows = world.rows()
    assert ordinals(rows) == [0, 1, 2]
    world.office.clock.passes(86_400)
    world.office.publish()
    found = ordinals(rows)
    assert found[::2] == [0, 2]
    assert found[1] in (0, 2)


def test_an_expired_lease_of_keys_is_renewed_before_the_next_row_and_where_it_cannot_be_reading_stops(
    world: World,
) -> None:
    rows = world.rows()
    rows[0]
    world.office.clock.passes(world.keys.seconds)
    world.office.publish()
    world.keys.refused = {1}
    assert rows[1]["ordinal"] != 1
    world.office.clock.passes(world.keys.seconds)
    world.office.publish()
    world.keys.seconds = 0
    with pytest.raises(DeniedError, match="had already expired when it was given"):
        rows[2]


def test_an_expired_lease_of_the_gate_stops_reading(world: World) -> None:
    rows = world.rows()
    rows[0]
    world.office.clock.passes(world.office.seconds)
    with pytest.raises(DeniedError, match="expired"):
        rows[0]


def test_a_source_of_keys_that_is_busy_is_asked_again_or_stops(world: World, folder: Path) -> None:
    class Away(Keys):
        away = 3

        def lease(self, *asked: Any) -> Any:
            self.away -= 1
            if self.away >= 0:
                raise BusyError("away")
            return super().lease(*asked)

    keys = Away(ROWS, clock=world.office.clock)
    assert (
        RowDataset(folder, world.office.gate(WhenStale.pause), keys, now=keys.now)[0]["ordinal"]
        == 0
    )
    keys.away = 1
    with pytest.raises(BusyError):
        RowDataset(folder, world.office.gate(WhenStale.stop), keys, now=keys.now)[0]


def test_a_part_that_is_not_the_manifests_is_not_read(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    world = World(copy, tmp_path)
    rows = world.rows()
    part = copy / manifest.read_manifest(copy)[0].parts[1].file
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    assert rows[0]["ordinal"] == 0
    with pytest.raises(BrokenError):
        rows[160]
    with pytest.raises(BrokenError):
        World(copy, tmp_path).rows()[160]


def test_the_gate_of_another_release_is_refused(folder: Path, tmp_path: Path) -> None:
    build(tmp_path / "other", ROWS[:3])
    other = World(tmp_path / "other", tmp_path)
    with pytest.raises(UsageError, match="another release"):
        RowDataset(folder, other.office.gate(), other.keys, now=other.keys.now)


def test_positions_stay_when_rows_are_purged(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    gone = [0, 7, *range(150, 300), 399]
    world = World(copy, tmp_path)
    before = world.rows()
    world.office.withdraw(*gone)
    expected = ordinals(before)
    promised, sha256 = manifest.read_manifest(copy)
    chain = purge.read_chain(copy, promised, sha256, log_key)
    made = purge.prepare(copy, promised, chain, gone, START)
    assert made is not None
    purge.apply(copy, chain, promised, purge.sign(made, LOG_SEED))
    for rows in (
        world.rows(),
        before,
        pickle.loads(pickle.dumps(before.ordinals)) and world.rows(),
    ):
        rows.gate = world.office.gate()
        assert len(rows) == COUNT
        assert ordinals(rows) == expected


def test_a_release_of_many_row_groups_is_read_in_any_order(tmp_path: Path) -> None:
    many = [row_of(n) for n in range(3 * GROUP_ROWS_MAX + 5)]
    build(tmp_path / "r", many, rows_per_part=5_000)
    world = World(tmp_path / "r", tmp_path, rows=many)
    rows = world.rows()
    order = rows.shuffled(1)
    scattered = [0, GROUP_ROWS_MAX, 2 * GROUP_ROWS_MAX, 3 * GROUP_ROWS_MAX]
    assert ordinals(rows.__getitems__(scattered)) == scattered
    assert world.keys.retry_while_busy == [4]
    found = [
        o
        for start in range(0, len(order), 256)
        for o in ordinals(rows.__getitems__(order[start : start + 256]))
    ]
    assert found == order


def test_shuffled_reading_asks_for_a_lease_a_row_group_and_not_one_a_batch(tmp_path: Path) -> None:
    many = [row_of(n) for n in range(6 * GROUP_ROWS_MAX)]
    build(tmp_path / "r", many, rows_per_part=10_000)
    world = World(tmp_path / "r", tmp_path, rows=many)
    rows = world.rows()
    order = rows.shuffled(1)
    assert [a // GROUP_ROWS_MAX for a in order[:50]] != [0] * 50, "rows of several groups are mixed"
    for start in range(0, len(order), 32):
        assert ordinals(rows.__getitems__(order[start : start + 32])) == order[start : start + 32]
    assert len(world.keys.retry_while_busy) <= 2 * 6, f"{len(order) // 32} batches were read"
    world.office.withdraw(order[40])
    world.office.clock.passes(1)
    assert order[40] not in ordinals(rows.__getitems__(order[32:64]))


# Data sets of one's own


class Listed(list):
    """A map-style data set of rows."""


def own(count: int) -> Listed:
    return Listed({"ordinal": n, "text": f"text {n}"} for n in range(count))


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 99), max_size=99))
def test_a_data_set_of_ones_own_is_position_stable(
    tmp_path_factory: pytest.TempPathFactory, gone: set[int]
) -> None:
    office = Office(tmp_path_factory.mktemp("gate"))
    office.withdraw(*gone)
    for made in (GatedDataset(own(100), office.gate()), GatedStream(own(100), office.gate())):
        found = ordinals(made)
        assert len(found) == 100
        assert not set(found) & gone
        assert [o for place, o in enumerate(found) if place not in gone] == sorted(
            set(range(100)) - gone
        )
        assert ordinals(made) == found
    mapped = GatedDataset(own(100), office.gate())
    assert (
        ordinals(mapped)
        == ordinals(mapped[n] for n in range(100))
        == ordinals(mapped.__getitems__(range(100)))
    )


def test_hugging_faces_data_sets_are_position_stable_and_nothing_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = require("datasets")
    office = Office(tmp_path)
    office.withdraw(3, 40)
    plain = datasets.Dataset.from_list(list(own(100)))
    for made in (
        GatedDataset(plain, office.gate()),
        GatedDataset(plain.shuffle(seed=1, keep_in_memory=True), office.gate()),
        GatedStream(plain.to_iterable_dataset(), office.gate()),
    ):
        found = ordinals(made)
        assert len(found) == 100
        assert not {3, 40} & set(found)
        assert set(found) == set(range(100)) - {3, 40}
    made = GatedDataset(plain, office.gate())
    assert made.__getitems__([2, 3])[0] == {"ordinal": 2, "text": "text 2"}
    assert plain.cache_files == []


def test_where_every_row_of_a_data_set_was_withdrawn_the_run_stops(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.withdraw(*range(100))
    for made in (GatedDataset(own(100), office.gate()), GatedStream(own(100), office.gate())):
        with pytest.raises(DeniedError):
            list(made)


# A run: workers, ranks, resuming


def loader(data: Any, **more: Any) -> Any:
    torch = require("torch")
    return torch.utils.data.DataLoader(data, batch_size=8, collate_fn=list, **more)


def test_of_rows_that_two_workers_read_eight_batches_ahead_none_is_used_once_it_is_withdrawn(
    folder: Path, tmp_path: Path
) -> None:
    """Without the check at hand-off every row of the batches that were read ahead would be."""
    world = World(folder, tmp_path, time.time)
    rows = world.rows()
    used: list[tuple[int, list[int], int]] = []
    batches = iter(loader(rows, num_workers=2, prefetch_factor=8))
    read_ahead: list[int] = []

    def noting() -> Iterator[Any]:
        for batch in batches:
            read_ahead.extend(ordinals(batch))
            yield batch

    handed = MaskedBatches(
        noting(),
        rows.gate,
        used=lambda step, found: used.append((step, list(found), rows.gate.number)),
    )
    stream = iter(handed)
    trained = [ordinals(next(stream)) for _ in range(4)]
    withdrawn = {o for o in range(32, COUNT) if o % 3}
    wait_until(lambda: all(worker.is_alive() for worker in batches._workers), "the workers work")
    world.office.withdraw(*withdrawn)
    trained += [ordinals(batch) for batch in stream]
    assert len(trained) == COUNT // 8
    assert all(len(batch) == 8 for batch in trained)
    assert set(read_ahead) & withdrawn, "the workers had read ahead"
    assert not {o for batch in trained[4:] for o in batch} & withdrawn
    assert [step for step, _, _ in used] == list(range(COUNT // 8))
    assert [set(found) for _, found, _ in used] == [set(batch) for batch in trained]
    assert {number for _, _, number in used[4:]} == {1}


def test_a_run_that_resumes_under_a_newer_bitmap_repeats_nothing_and_skips_nothing(
    folder: Path, tmp_path: Path
) -> None:
    world = World(folder, tmp_path)
    order = world.rows().shuffled(3)

    def run(first: int, last: int, held: bytes | None = None) -> tuple[list[list[int]], bytes]:
        rows = RowDataset(folder, world.office.gate(held=held), world.keys, now=world.keys.now)
        batches = MaskedBatches(loader(rows, sampler=order[first * 8 :]), rows.gate, step=first)
        found = [ordinals(batch) for _, batch in zip(range(first, last), batches, strict=False)]
        assert batches.step in (last, last + 1)
        return found, rows.gate.signed_withdrawals()

    world.office.withdraw(1, 2, 3)
    before, held = run(0, 20)
    world.office.withdraw(*order[100:140], *order[200:230])
    after, _ = run(20, COUNT // 8, held)
    found = [o for batch in (*before, *after) for o in batch]
    own = [(place, o) for place, o in enumerate(found) if o == order[place]]
    gone_by = [{1, 2, 3} if place < 160 else world.office.ordinals for place in range(COUNT)]
    assert len(found) == COUNT
    assert [o for _, o in own] == [o for place, o in enumerate(order) if o not in gone_by[place]]
    assert not any(o in gone_by[place] for place, o in enumerate(found))


def test_two_ranks_finish_in_step_when_rows_are_withdrawn_in_the_middle(
    folder: Path, tmp_path: Path
) -> None:
    require("torch")
    World(folder, tmp_path, time.time)
    ranks = run_ranks(folder, tmp_path, 2, "", "rank")
    assert [code for code, _, _ in ranks] == [0, 0], "".join(rank[2][-2_000:] for rank in ranks)
    assert {said for _, said, _ in ranks} == {"[(25, 0), (25, 0)]\n"}


def test_rows_go_into_workers_that_are_started_afresh(folder: Path, tmp_path: Path) -> None:
    world = World(folder, tmp_path, time.time)
    rows = world.rows()
    assert rows[0]["ordinal"] == 0
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map(rows.__getitem__, range(0, COUNT, 7))
    assert ordinals(found) == list(range(0, COUNT, 7))
    there = pickle.loads(pickle.dumps(rows))
    assert there._opener._groups == there._opener._parts == {}
    assert there[9]["ordinal"] == 9


def test_a_data_set_of_rays_is_position_stable_and_checked_at_hand_off(tmp_path: Path) -> None:
    require("ray")
    alone = [sys.executable, "-m", "tests.train.ray_alone", str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run(alone, capture_output=True, text=True, cwd=root, timeout=600)
    assert ran.returncode == 0, ran.stderr[-3_000:]
    said = json.loads(ran.stdout.splitlines()[-1])
    assert (said["rows"], len(said["used"])) == (40, 8)
    before, after = (
        {o for found in some for o in found} for some in (said["used"][:4], said["used"][4:])
    )
    assert before == set(range(10)) - {3, 4}, (
        "the second block was withdrawn whole, and is nobody's"
    )
    assert after == set(range(20, 25))
    assert said["texts"] == sorted(
        {"", "None", *(f"text {n}" for n in before | after)} & set(said["texts"])
    )
