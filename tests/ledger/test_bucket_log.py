"""The log in a bucket: one order no matter who writes, nothing acknowledged is lost, and a writer
that was overtaken stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from licet import verifier
from licet.errors import BrokenError, BusyError, LicetError, NotFoundError
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.ledger.log import LogWriter, prune
from licet.ledger.publication import PublishedLog
from licet.ledger.quorum import Quorum
from licet.ledger.sequence import LogPlace, Sequencer
from licet.ledger.storage import (
    MARK_BYTES,
    BucketFiles,
    BucketFolder,
    folder_exists,
    list_files,
    list_names,
    open_prunable,
)
from licet.ledger.witness_http import gather
from licet.store.bucket import TaggedObject
from licet.store.connect import Pool

from ..buckets import HeldBucket
from .office import Office
from .world import ORIGIN, SIGNER, Held, entry_of

BATCHES = (1, 254, 3, 1, 260)
MODEL = [entry_of(i) for i in range(sum(BATCHES) + 5)]
TRUST = verifier.trust(SIGNER.verifier.vkey)


def folders(bucket: HeldBucket) -> tuple[BucketFolder, BucketFolder]:
    return BucketFolder(bucket, "log/2026/"), BucketFolder(
        bucket, "log-state/2026/", is_marked=True
    )


def begun(bucket: HeldBucket) -> LogWriter:
    return LogWriter.create(*folders(bucket), ORIGIN, SIGNER)


def opened(bucket: HeldBucket) -> LogWriter:
    return LogWriter.open(*folders(bucket), ORIGIN, SIGNER)


def files(bucket: HeldBucket, prefix: str = "log/2026/") -> dict[str, bytes]:
    return {
        name.removeprefix(prefix): one.content
        for name, one in bucket.held.items()
        if name.startswith(prefix)
    }


def check(bucket: HeldBucket, size: int) -> None:
    """A stranger finds the first entries of the model, whole, and nothing else."""
    report = verifier.check_log(Held(files(bucket)), TRUST)
    assert report.ok, report.findings
    assert report.size == size
    assert list(PublishedLog(folders(bucket)[0], SIGNER.verifier).entries()) == MODEL[:size]


def test_a_log_in_a_bucket_is_the_same_files_as_in_a_folder(tmp_path: Path) -> None:
    bucket = HeldBucket()
    assert not folder_exists(folders(bucket)[1])
    with pytest.raises(NotFoundError):
        opened(bucket)
    with (
        begun(bucket) as there,
        LogWriter.create(tmp_path / "log", tmp_path / "state", ORIGIN, SIGNER) as installation,
    ):
        size = 0
        for batch in BATCHES:
            for log in (there, installation):
                log.append(MODEL[size : size + batch])
            size += batch
    held = {
        p.relative_to(tmp_path / "log").as_posix(): p.read_bytes()
        for p in (tmp_path / "log").rglob("*")
        if p.is_file()
    }
    assert files(bucket) == held
    assert (
        files(bucket, "log-state/2026/")["head"][MARK_BYTES:]
        == (tmp_path / "state" / "head").read_bytes()
    )
    check(bucket, size)
    assert sorted(list_files(folders(bucket)[0], "tile")) == sorted(
        list_files(tmp_path / "log", "tile")
    )
    assert list_names(folders(bucket)[0]) == list_names(tmp_path / "log")
    assert (
        prune(open_prunable(folders(bucket)[0]), size)
        == prune(open_prunable(tmp_path / "log"), size)
        > 0
    )
    check(bucket, size)


def test_whoever_opened_the_log_last_has_it_and_every_writer_before_stops(tmp_path: Path) -> None:
    bucket = HeldBucket()
    first = begun(bucket)
    first.append(MODEL[:3])
    second = opened(bucket.beside())
    with pytest.raises(BusyError):
        first.append([b"an entry of its own"])
    with pytest.raises(BrokenError, match="stopped"):
        first.append([b"an entry of its own"])
    second.append(MODEL[3:5])
    check(bucket, 5)
    third = opened(bucket.beside())
    third.append(MODEL[5:6])
    with pytest.raises(BusyError):
        second.append([b"an entry of its own"])
    check(bucket, 6)


def test_a_writer_that_won_the_head_and_slept_writes_nothing_that_contradicts_whoever_went_on() -> (
    None
):
    """It was stopped at any step of an append, another took over and went on, and then it wakes
    up.
    """
    for asleep in range(1, 12):
        bucket = HeldBucket()
        log = begun(bucket)
        log.append(MODEL[:255])
        late: list[tuple[str, bytes, object]] = []
        write = bucket._write

        def sleeping(name: str, content: bytes, mode: object) -> str | None:
            sleeping.left -= 1  # type: ignore[attr-defined]  # a counter kept on the function
            if sleeping.left < 0:  # type: ignore[attr-defined]  # a counter kept on the function
                late.append((name, content, mode))  # noqa: B023 called in its own turn of the loop
                raise BusyError("asleep")
            return write(name, content, mode)  # noqa: B023  # called in its turn of the loop alone

        sleeping.left = asleep - 1  # type: ignore[attr-defined]  # a counter kept on the function
        bucket._write = sleeping  # type: ignore[method-assign]  # delays writes
        with suppress(BusyError):
            log.append(MODEL[255:260])
        with opened(bucket.beside()) as other:
            size = other.checkpoint.size
            assert size in (255, 260)
            other.append(MODEL[size : size + 3])
        for name, content, mode in late:
            write(name, content, mode)
        check(bucket, size + 3)


@pytest.mark.parametrize("word", ["lost", "unheard"])
def test_wherever_the_bucket_does_not_answer_nothing_acknowledged_is_lost(word: str) -> None:
    """The log is opened again and goes on, as the sequencer does; each call once does not answer,
    and the third after it.
    """
    call, batches = 0, (1, 255, 3)
    while True:
        bucket = HeldBucket()
        bucket.fails = {call: word, call + 3: word}
        log: LogWriter | None = None
        goal = 0
        for batch in batches:
            goal += batch
            for _ in range(20):
                with suppress(BusyError, BrokenError):
                    if log is None:
                        log = (
                            begun(bucket)
                            if not folder_exists(folders(bucket)[1])
                            else opened(bucket)
                        )
                    size = log.checkpoint.size
                    if size < goal:
                        log.append(MODEL[size:goal])
                    break
                log = None
            check(bucket.beside(), goal)
        if bucket.calls <= call:
            break
        call += 1
    assert call > 15


def test_a_tile_that_is_there_with_other_bytes_and_a_log_that_was_rolled_back_are_refused() -> None:
    bucket = HeldBucket()
    with begun(bucket) as log:
        log.append(MODEL[:2])
        before = dict(bucket.held)
        log.append(MODEL[2:4])
    whole = dict(bucket.held)
    bucket.held["log/2026/checkpoint"] = before["log/2026/checkpoint"]
    opened(bucket).close()  # one append: a crash would leave that
    bucket.held.update(whole)
    with opened(bucket) as log:
        log.append(MODEL[4:6])
    bucket.held["log/2026/checkpoint"] = before["log/2026/checkpoint"]
    with pytest.raises(BrokenError, match="rolled back"):
        opened(bucket.beside())
    place = BucketFiles(folders(bucket)[0])
    name = next(name for name in bucket.held if "/tile/0/" in name)
    with pytest.raises(BrokenError, match="other bytes"):
        place.write({name.removeprefix("log/2026/"): b"other bytes"})


def test_cosignatures_of_two_hosts_do_not_overwrite_each_other() -> None:
    bucket = HeldBucket()
    begun(bucket).append(MODEL[:3])
    folder = folders(bucket)[0]
    one, two = BucketFiles(folder), BucketFiles(BucketFolder(bucket.beside(), folder.prefix))
    assert one.read("cosigned") is two.read("cosigned") is None
    one.write({"cosigned": b"one"})
    with pytest.raises(BusyError):
        two.write({"cosigned": b"two"})
    bucket.delete("log/2026/cosigned")
    nobody = gather(folder, SIGNER.verifier, Quorum((), (), (), "none"))
    assert nobody.size == 3


# The sequencer


@dataclass(slots=True)
class BucketOffice(Office):
    """An office whose log is in a bucket. Each `place` is a host's own view of it."""

    bucket: HeldBucket = field(default_factory=HeldBucket)

    @property
    def place(self) -> LogPlace:
        bucket = self.bucket.beside()
        folder, state = (
            BucketFolder(bucket, "log/"),
            BucketFolder(bucket, "log-state/", is_marked=True),
        )
        return LogPlace(folder=folder, state=state, name="log.example/ledger")

    def report(self, year: int = 2025) -> verifier.VerifierReport:
        return verifier.check_log(
            Held(files(self.bucket, f"log/{year}/")), verifier.trust(self.vkey(year))
        )


@pytest.fixture
def office(pool: Pool, tmp_path: Path) -> Office:
    return BucketOffice.opened(pool, Keyring(FileProvider(tmp_path / "keys")), tmp_path)


def assert_every_row_once(office: Office, year: int = 2025) -> None:
    placed = office.rows(rest=f"WHERE log_year = {year}")
    assert sorted(row[4] for row in placed) == list(range(len(placed)))
    told = office.entries(year)
    assert len(told) == len(placed)
    assert all(told[index]["t"] == entry for _, _, entry, _, index in placed)
    assert office.report(year).ok
    assert not office.rows(rest="WHERE index IS NULL")


class Asleep(Exception):
    pass


class Sleeper(Sequencer):
    """It gives places, and sleeps before it appends: `wake` appends then."""

    def _append(self, log: LogWriter, first: int, batch: Sequence[bytes]) -> None:
        self.slept = log, first, batch
        raise Asleep

    def wake(self) -> None:
        super()._append(*self.slept)


def test_a_sequencer_that_slept_through_the_loss_of_its_lock_appends_nothing(
    office: Office,
) -> None:
    """Its batch has places already. Anyone who took over encodes it anew, with other nonces, at the
    same places.
    """
    ana = office.account("ana")
    office.sequence()
    office.choose(ana, True)
    with ExitStack() as stack:
        sleeper = stack.enter_context(office.faulty(Sleeper))
        with pytest.raises(Asleep):
            sleeper.run_once()
        office.sequence()
        assert isinstance(sleeper, Sleeper)
        with pytest.raises(BusyError):
            sleeper.wake()
    office.choose(ana, False)
    office.sequence()
    assert_every_row_once(office)


def test_a_sequencer_that_wakes_while_another_opens_the_log_leaves_one_batch(
    office: Office,
) -> None:
    """It appends when the other has read the head, and not yet written it: the other must begin
    again.
    """
    ana = office.account("ana")
    office.sequence()
    office.choose(ana, True)
    with ExitStack() as stack:
        sleeper = stack.enter_context(office.faulty(Sleeper))
        with pytest.raises(Asleep):
            sleeper.run_once()
        assert isinstance(sleeper, Sleeper)
        other = office.place
        state, woke = other.state / "2025", list[bool]()
        assert isinstance(state, BucketFolder)
        read = state.bucket.read

        def waking(name: str) -> TaggedObject | None:
            found = read(name)
            if name.endswith("head") and not woke:
                woke.append(True)
                sleeper.wake()
            return found

        state.bucket.read = waking  # type: ignore[method-assign]  # delays reads
        signer = other.signer(office.seed, 2025)
        with pytest.raises(BusyError):
            LogWriter.open(other.folder / "2025", state, other.origin(2025), signer)
    office.sequence()
    assert_every_row_once(office)


def test_a_sequencer_goes_on_wherever_the_bucket_does_not_answer(office: Office) -> None:
    ana = office.account("ana")
    office.sequence()
    call = 0
    while True:
        office.choose(ana, call % 2 == 0)
        seen = office.place.folder
        assert isinstance(seen, BucketFolder)
        assert isinstance(seen.bucket, HeldBucket)
        failing = HeldBucket(seen.bucket.held)
        failing.fails = {call: "unheard" if call % 2 else "lost"}
        folder, state = (
            BucketFolder(failing, "log/"),
            BucketFolder(failing, "log-state/", is_marked=True),
        )
        place = LogPlace(folder=folder, state=state, name="log.example/ledger")
        with suppress(LicetError), office.pool.connection() as conn:
            Sequencer(
                conn, place, office.seed, office.keys, office.clock, lambda n: b"n" * n
            ).run_once()
        office.sequence()
        assert_every_row_once(office)
        if failing.calls <= call:
            break
        call += 3
    assert call > 15
