"""Only what may be used now comes out, of what is sealed; reading that cannot be sure stops, and
says so for good.
"""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import msgspec
import psutil
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import licet
from licet.errors import BrokenError, BusyError, DeniedError, InputError, UsageError
from licet.release import manifest, part, reader
from licet.release.reader import Lease, load
from licet.release.row_keys import SealedRow, seal_row

from .world import (
    PLANTED,
    RELEASE_ID,
    START,
    UNTIL,
    Town,
    build,
    key_of,
    keyed,
    manifest_of,
    promise,
    row_of,
)

ROWS = [row_of(n, sources=3) for n in range(10)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("release") / "autumn"
    build(made, ROWS)
    return made


@pytest.fixture
def town() -> Town:
    return Town(ROWS)


def ordinals(folder: Path, town: Town) -> list[int]:
    return [row["ordinal"] for row in load(folder, town, now=town.clock)]


# What comes out


def test_every_permitted_row_comes_out_in_order(folder: Path, town: Town) -> None:
    loaded = load(folder, town, now=town.clock)
    assert list(loaded) == [
        {
            "messages": [
                {"role": "user", "content": f"question {n}"},
                {"role": "assistant", "content": f"answer {n}"},
            ],
            "row_id": ROWS[n].row_id.hex(),
            "ordinal": n,
        }
        for n in range(10)
    ]
    assert (loaded.yielded, loaded.withheld, loaded.complete) == (10, 0, True)
    assert town.asked == [(0, [0, 1, 2, 3]), (1, [4, 5, 6, 7]), (2, [8, 9])]


def test_rows_are_mixed_by_a_seed_alike_whatever_is_withdrawn_and_each_behind_its_lease(
    folder: Path, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mixed(seed: int, town: Town = town) -> list[int]:
        return [row["ordinal"] for row in load(folder, town, now=town.clock, seed=seed)]

    orders = {seed: mixed(seed) for seed in range(4)}
    assert all(sorted(order) == list(range(10)) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) > 1
    assert mixed(2) == orders[2]
    monkeypatch.setattr(reader, "DEALT_BYTES_MAX", 1)
    assert mixed(2) == list(range(10)), "no more than fits is in memory"
    monkeypatch.undo()
    less = Town(ROWS)
    less.withdraw(4)
    less.withdraw(7)
    assert mixed(2, less) == [ordinal for ordinal in orders[2] if ordinal not in (4, 7)]
    late = Town(ROWS)
    some = iter(load(folder, late, now=late.clock, seed=2))
    first = next(some)["ordinal"]
    for ordinal in range(10):
        late.withdraw(ordinal)
    late.passes(3_600)
    assert list(some) == [], f"after row {first} the lease is over, and no other row is given out"


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
@settings(deadline=None)
def test_a_row_withdrawn_or_with_one_key_destroyed_never_comes_out(
    folder: Path, withdrawn: set[int], killed: set[int]
) -> None:
    town = Town(ROWS)
    for ordinal in withdrawn:
        town.withdraw(ordinal)
    for ordinal in killed:
        town.kill(ordinal)
    loaded = load(folder, town, now=town.clock)
    assert [row["ordinal"] for row in loaded] == [
        n for n in range(10) if n not in withdrawn | killed
    ]
    assert (loaded.withheld, loaded.complete) == (len(withdrawn | killed), True)


def test_so_it_is_from_any_copy_of_the_files(folder: Path, town: Town, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert ordinals(copy, town) == list(range(10))
    town.kill(4)
    assert ordinals(copy, town) == ordinals(folder, town) == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_the_planted_sentence_comes_out_and_lies_in_no_file(tmp_path: Path) -> None:
    rows = [row_of(n, f"{PLANTED}, and again {PLANTED}") for n in range(3)]
    build(tmp_path, rows)
    town = Town(rows)
    assert all(
        PLANTED in row["messages"][0]["content"] for row in load(tmp_path, town, now=town.clock)
    )
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        data = file.read_bytes()
        for words in (PLANTED, PLANTED[-12:], "Oswin", "answer 1"):
            assert words.encode() not in data and words.encode("utf-16-le") not in data


def test_a_release_of_nothing_loads_nothing(tmp_path: Path) -> None:
    build(tmp_path, [])
    loaded = load(tmp_path, Town([]), now=lambda: START)
    assert list(loaded) == [] and loaded.complete


def test_rows_that_left_before_sealing_leave_gaps(folder: Path, town: Town, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    parts = [
        part.rewrite_part(copy / one.file, {2, 4, 5, 6, 7})
        for one in manifest.read_manifest(copy)[0].parts
    ]
    promise(copy, tuple(one for one in parts if one))
    assert ordinals(copy, town) == [0, 1, 3, 8, 9]
    assert [number for number, _ in town.asked] == [0, 2]


# Time


def test_a_row_whose_end_has_come_stays_in_even_with_a_key(tmp_path: Path) -> None:
    rows = [row_of(n, until=UNTIL + timedelta(days=n % 3)) for n in range(6)]
    build(tmp_path, rows)
    town = Town(rows)
    for moment, expected in [
        (UNTIL - timedelta(microseconds=1), [0, 1, 2, 3, 4, 5]),
        (UNTIL, [1, 2, 4, 5]),
        (UNTIL + timedelta(days=1), [2, 5]),
        (UNTIL + timedelta(days=2), []),
    ]:
        town.now = moment
        assert ordinals(tmp_path, town) == expected


def test_a_lease_that_ran_out_is_renewed_before_the_next_row(folder: Path, town: Town) -> None:
    loaded = load(folder, town, now=town.clock)
    assert [next(loaded)["ordinal"] for _ in range(2)] == [0, 1]
    town.withdraw(2)
    town.passes(59.999)
    assert next(loaded)["ordinal"] == 2, "the lease that holds"
    town.withdraw(3)
    town.passes(0.001)
    assert next(loaded)["ordinal"] == 4, "at its end, exclusive, the lease holds no more"
    assert town.asked == [(0, [0, 1, 2, 3]), (0, [3]), (1, [4, 5, 6, 7])]


@given(
    st.lists(st.tuples(st.floats(0, 90), st.none() | st.integers(0, 9)), min_size=10, max_size=10)
)
@settings(deadline=None)
def test_no_row_comes_out_later_than_a_lease_after_its_withdrawal(
    folder: Path, steps: list[tuple[float, int | None]]
) -> None:
    """The fence as a theorem: whatever the consumer's pauses, and no matter who withdraws
    meanwhile.
    """
    town, withdrawn_at = Town(ROWS), dict[int, datetime]()
    loaded = load(folder, town, now=town.clock)
    for pause, withdrawn in steps:
        row = next(loaded, None)
        if row is None:
            break
        since = withdrawn_at.get(row["ordinal"])
        assert since is None or town.now < since + timedelta(seconds=town.lease_seconds)
        if withdrawn is not None:
            town.withdraw(withdrawn)
            withdrawn_at.setdefault(withdrawn, town.now)
        town.passes(pause)


def test_a_clock_set_back_lengthens_no_lease(folder: Path, town: Town) -> None:
    loaded = load(folder, town, now=town.clock)
    next(loaded)
    town.passes(50)
    next(loaded)
    town.passes(-3600)
    next(loaded)
    assert town.asked == [(0, [0, 1, 2, 3])]
    next(loaded)
    with pytest.raises(DeniedError, match="had already expired"):
        next(loaded)


def test_nor_does_one_set_back_while_the_lease_is_renewed(folder: Path, town: Town) -> None:
    def lease(release_id: bytes, number: int, asked: list[int]) -> Lease:
        if town.now > START:
            town.passes(-30)
        return town.lease(release_id, number, asked)

    loaded = load(folder, SimpleNamespace(lease=lease), now=town.clock)
    next(loaded)
    town.passes(60)
    town.lease_seconds = 20
    with pytest.raises(DeniedError, match="had already expired"):
        next(loaded)


@pytest.mark.parametrize(
    "error", [BusyError("no answer"), DeniedError("not yours"), OSError("no network")]
)
def test_a_renewal_that_fails_stops_the_reading_for_good(
    folder: Path, town: Town, error: Exception
) -> None:
    loaded = load(folder, town, now=town.clock)
    next(loaded)
    town.passes(60)
    town.closed = error
    for _ in range(3):
        with pytest.raises(type(error)):
            next(loaded)
    town.closed = None
    with pytest.raises(type(error)):
        list(loaded)
    assert (loaded.yielded, loaded.complete) == (1, False)


def test_a_lease_that_had_run_out_when_it_was_given_opens_nothing(folder: Path, town: Town) -> None:
    town.lease_seconds = 0
    with pytest.raises(
        DeniedError, match="the lease of part `0` had already expired when it was given"
    ):
        next(load(folder, town, now=town.clock))


def test_times_without_an_offset_are_errors(folder: Path, town: Town) -> None:
    with pytest.raises(UsageError, match="UTC offset"):
        load(folder, town, now=lambda: datetime(2025, 10, 1))  # noqa: DTZ001 on purpose
    with pytest.raises(BrokenError, match="UTC offset"):
        Lease(keys={}, expires=datetime(2025, 10, 1))  # noqa: DTZ001 on purpose


# Who lies


def test_a_wrong_key_stops_the_reading_instead_of_passing_the_row_over(
    folder: Path, town: Town
) -> None:
    def lease(release_id: bytes, number: int, asked: list[int]) -> Lease:
        return Lease(
            keys={n: keyed("wrong", n) for n in asked}, expires=town.now + timedelta(seconds=60)
        )

    loaded = load(folder, SimpleNamespace(lease=lease), now=town.clock)
    with pytest.raises(DeniedError, match="does not open"):
        next(loaded)
    assert (loaded.yielded, loaded.withheld) == (0, 0)


def damaged_copy(folder: Path, into: Path, name: str, at: int = 700) -> Path:
    copy = shutil.copytree(folder, into / "copy")
    data = bytearray((copy / name).read_bytes())
    data[at] ^= 1
    (copy / name).write_bytes(data)
    return copy


def test_a_part_that_was_changed_is_refused_before_a_lease_is_asked_for(
    folder: Path, town: Town, tmp_path: Path
) -> None:
    copy = damaged_copy(folder, tmp_path, "part-00001.parquet")
    loaded = load(copy, town, now=town.clock)
    assert [next(loaded)["ordinal"] for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(BrokenError, match="its hash differs"):
        next(loaded)
    assert [number for number, _ in town.asked] == [0]


def test_a_part_that_is_missing_is_refused(folder: Path, town: Town, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "part-00000.parquet").unlink()
    with pytest.raises(BrokenError, match=r"`part-00000\.parquet` cannot be read"):
        next(load(copy, town, now=town.clock))


def test_a_manifest_that_was_changed_is_refused(folder: Path, town: Town, tmp_path: Path) -> None:
    known = manifest.read_manifest(folder)[1]
    copy = shutil.copytree(folder, tmp_path / "copy")
    manifest.write(
        copy, msgspec.structs.replace(manifest.read_manifest(copy)[0], purpose="safety_classifiers")
    )
    with pytest.raises(BrokenError, match="the manifest has hash"):
        load(copy, town, now=town.clock, manifest_sha256=known)
    assert load(folder, town, now=town.clock, manifest_sha256=known).manifest.rows == 10
    (copy / "manifest.json").write_bytes(b"{}")
    with pytest.raises(InputError):
        load(copy, town, now=town.clock)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_manifest_that_misstates_its_parts_is_refused(
    folder: Path, town: Town, tmp_path: Path, rows: int
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    made = manifest.read_manifest(copy)[0]
    last = msgspec.structs.replace(made.parts[2], rows=rows)
    manifest.write(
        copy, msgspec.structs.replace(made, parts=(*made.parts[:2], last), rows=8 + rows)
    )
    with pytest.raises(BrokenError, match="rows, and the manifest"):
        list(load(copy, town, now=town.clock))


def test_parts_whose_ordinals_do_not_follow_are_refused(
    folder: Path, town: Town, tmp_path: Path
) -> None:
    made = manifest.read_manifest(folder)[0]
    copy = shutil.copytree(folder, tmp_path / "copy")
    shutil.copy(copy / "part-00000.parquet", copy / "part-00001.parquet")
    again = msgspec.structs.replace(made.parts[0], file="part-00001.parquet", first_ordinal=4)
    manifest.write(copy, msgspec.structs.replace(made, parts=(made.parts[0], again, made.parts[2])))
    with pytest.raises(BrokenError, match="has ordinal `0` after `3`"):
        list(load(copy, town, now=town.clock))


def test_no_repr_and_no_error_shows_content_or_a_key(tmp_path: Path) -> None:
    rows = [row_of(0, PLANTED), row_of(1, PLANTED)]
    build(tmp_path, rows)
    town = Town(rows)
    loaded = load(tmp_path, town, now=town.clock)
    lease = town.lease(RELEASE_ID, 0, [0, 1])
    next(loaded)
    shown = [repr(loaded), repr(lease), f"{loaded}", f"{lease}"]
    assert shown[0] == f"Loaded({RELEASE_ID.hex()}, 1 yielded, 0 withheld)"
    assert not any(
        PLANTED in text or key_of(rows[0]).hex() in text or repr(key_of(rows[0])) in text
        for text in shown
    )


def test_closing_ends_the_reading_and_does_not_call_it_complete(folder: Path, town: Town) -> None:
    loaded = load(folder, town, now=town.clock)
    next(loaded)
    loaded.close()
    assert list(loaded) == [] and not loaded.complete


# Memory and import


def test_memory_stays_flat_on_200_000_rows(tmp_path: Path) -> None:
    """Written and loaded as a stream: what is held is less than one part, and does not grow with
    the release.
    """
    count, key, process = 200_000, bytes(32), psutil.Process()
    one = seal_row(row_of(0, "".join(keyed("noise", n).hex() for n in range(8))), key, RELEASE_ID)
    held: list[int] = []

    def sealed_rows() -> Iterator[SealedRow]:
        for ordinal in range(count):
            if ordinal % 20_000 == 19_999:
                held.append(process.memory_info().rss)
            yield SealedRow(row_id=one.row_id, ordinal=ordinal, until=one.until, sealed=one.sealed)

    class Keys:
        def lease(self, release_id: bytes, number: int, asked: list[int]) -> Lease:
            return Lease(keys=dict.fromkeys(asked, key), expires=START + timedelta(seconds=60))

    gc.collect()
    before = process.memory_info().rss
    parts = tuple(part.write_parts(tmp_path, sealed_rows()))
    manifest.write(tmp_path, manifest_of(parts, bytes(32)))
    assert sum(one.bytes for one in parts) > 100 * 2**20
    for row in load(tmp_path, Keys(), now=lambda: START):
        if row["ordinal"] % 10_000 == 9_999:
            held.append(process.memory_info().rss)
            assert pa.total_allocated_bytes() < 8 * 2**20
    assert len(held) == 30
    assert max(held) - before < min(one.bytes for one in parts)


def test_licet_is_imported_without_a_database_and_names_its_version() -> None:
    code = (
        "import sys, licet\n"
        "assert licet.__version__ == sys.argv[1]\n"
        "assert not [m for m in sys.modules if m.split('.')[0] in "
        "{'psycopg', 'pyarrow', 'msgspec'}]"
    )
    subprocess.run([sys.executable, "-c", code, version("licet")], check=True)
    with pytest.raises(AttributeError, match="`nothing`"):
        _ = licet.nothing
