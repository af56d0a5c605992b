"""The sequencer tells every committed row once, in each account's order, whatever crashes and
no matter who else runs.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from licet.errors import BrokenError, BusyError
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.ledger import outbox, sequence
from licet.ledger.entries import pseudonym
from licet.ledger.log import LogWriter
from licet.ledger.outbox import Entry, EntryKind
from licet.ledger.sequence import LogStanding, RestoredError, Sequencer
from licet.ledger.storage import Folder
from licet.policy.period import instant
from licet.store.connect import Pool, transaction

from ..waiting import wait_until
from .office import BEGIN, Office


@pytest.fixture(scope="session")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(FileProvider(tmp_path_factory.mktemp("keys")))


@pytest.fixture
def office(pool: Pool, keyring: Keyring, tmp_path: Path) -> Office:
    return Office.opened(pool, keyring, tmp_path)


def assert_every_row_once(office: Office, year: int = 2025) -> None:
    """The places of a year run from 0 without a gap, and each entry is the one that its row
    tells.
    """
    placed = office.rows(rest=f"WHERE log_year = {year}")
    assert sorted(row[4] for row in placed) == list(range(len(placed)))
    told = office.entries(year)
    assert len(told) == len(placed)
    assert all(told[index]["t"] == entry for _, _, entry, _, index in placed)
    assert office.report(year).ok


def test_every_committed_row_becomes_a_leaf(office: Office) -> None:
    ana = office.account("ana")
    office.choose(ana, True)
    office.choose(ana, False)
    assert office.sequence() == len(office.rows()) == 6
    assert [entry["t"] for entry in office.entries()] == [
        "policy_applied",
        "account_opened",
        "choice",
        "grant_begun",
        "grant_ended",
        "choice",
    ]
    assert_every_row_once(office)
    assert office.sequence() == 0


def test_a_row_that_did_not_commit_is_told_nowhere(office: Office) -> None:
    office.sequence()
    with pytest.raises(ZeroDivisionError), transaction(office.pool) as tx:
        outbox.append(tx, [Entry(kind=EntryKind.policy_applied, occurred_at=BEGIN)])
        raise ZeroDivisionError
    assert office.sequence() == 0


def test_a_lower_number_that_commits_later_is_not_missed(office: Office, dsn: str) -> None:
    office.sequence()
    with psycopg.connect(dsn) as slow:
        outbox.append(slow, [Entry(kind=EntryKind.notice_published, occurred_at=BEGIN)])
        with transaction(office.pool) as tx:
            outbox.append(tx, [Entry(kind=EntryKind.policy_applied, occurred_at=BEGIN)])
        assert office.sequence() == 1
        slow.commit()
    assert office.sequence() == 1
    assert [entry["t"] for entry in office.entries()][-2:] == ["policy_applied", "notice_published"]
    assert_every_row_once(office)


def test_the_time_of_the_log_never_goes_back(office: Office) -> None:
    ana = office.account("ana")
    office.sequence()
    office.choose(ana, True)
    office.now = BEGIN
    office.sequence()
    logged = [instant(entry["logged"]) for entry in office.entries()]
    assert logged == sorted(logged)
    assert all(instant(entry["at"]) <= instant(entry["logged"]) for entry in office.entries())


# Crashes


class Crash(Exception):
    pass


class BeforeAppend(Sequencer):
    """The power goes when the places are durable and the log knows nothing."""

    def _append(self, log: LogWriter, first: int, batch: Sequence[bytes]) -> None:
        raise Crash


class AfterAppend(Sequencer):
    """The power goes when the log has it and nobody was told."""

    def _append(self, log: LogWriter, first: int, batch: Sequence[bytes]) -> None:
        super()._append(log, first, batch)
        raise Crash


class BeforePlaces(Sequencer):
    """The power goes before the transaction that gives places commits."""

    def _set_places(self, *args: object) -> None:
        super()._set_places(*args)
        raise Crash


class Breaking(Folder):
    """A folder whose steps fail once a shared count has run out."""

    def __init__(self, root: Path, left: list[int]) -> None:
        super().__init__(root)
        self.left = left

    def _step(self) -> None:
        self.left[0] -= 1
        if self.left[0] < 0:
            raise Crash

    def create(self, files: Mapping[str, bytes]) -> None:
        self._step()
        super().create(files)

    def rename(self, old: str, new: str) -> None:
        self._step()
        super().rename(old, new)

    def fsync_dirs(self, paths: Sequence[str]) -> None:
        self._step()
        super().fsync_dirs(paths)


def breaking_after(steps: int) -> type[Sequencer]:
    """A sequencer whose log fails at a given step of its next append."""

    class Broken(Sequencer):
        def _open_log(self, standing: LogStanding) -> LogWriter:
            left = [10**9]
            super()._open_log(standing).close()
            signer = self._place.signer(self._seed, standing.year)
            folders = [
                Breaking(base / str(standing.year), left)
                for base in (self._place.folder, self._place.state)
            ]
            log = LogWriter.recover(*folders, standing.origin, signer)
            left[0] = steps
            return log

    return Broken


def crash(office: Office, kind: type[Sequencer]) -> bool:
    """Runs a sequencer until it crashes; False where nothing was left to crash at."""
    try:
        with office.faulty(kind) as sequencer:
            sequencer.run_once()
    except Crash:
        return True
    return False


@pytest.mark.parametrize("kind", [BeforePlaces, BeforeAppend, AfterAppend])
@pytest.mark.parametrize("fresh", [True, False], ids=["a new log", "a log that grows"])
def test_a_crash_between_two_steps_loses_and_doubles_nothing(
    office: Office, kind: type, fresh: bool
) -> None:
    ana = office.account("ana")
    if not fresh:
        office.sequence()
    office.choose(ana, True)
    assert crash(office, kind)
    office.choose(ana, False)
    office.sequence()
    assert_every_row_once(office)
    assert not office.rows(rest="WHERE index IS NULL")


def test_a_crash_at_every_step_of_an_append_loses_and_doubles_nothing(office: Office) -> None:
    ana = office.account("ana")
    office.sequence()
    steps = 0
    while True:
        office.choose(ana, steps % 2 == 0)
        if not crash(office, breaking_after(steps)):
            break
        steps += 1
        office.sequence()
        assert_every_row_once(office)
    assert steps > 8


def test_a_crash_after_a_crash_is_recovered_too(office: Office) -> None:
    ana = office.account("ana")
    assert crash(office, BeforeAppend)
    with pytest.raises(Crash), office.faulty(BeforeAppend):  # recovering appends, and crashes again
        raise AssertionError("it opened")
    office.choose(ana, True)
    office.sequence()
    assert_every_row_once(office)


def test_a_key_that_dies_between_the_steps_does_not_stop_the_log(office: Office) -> None:
    ana = office.account("ana")
    office.sequence()
    office.choose(ana, True)
    assert crash(office, BeforeAppend)
    office.destroy_key(ana)
    office.sequence()
    assert_every_row_once(office)
    assert all("who" not in entry for entry in office.entries() if entry["t"] == "choice")


def test_a_key_that_dies_after_the_append_does_not_stop_the_log(office: Office) -> None:
    ana = office.account("ana")
    assert crash(office, AfterAppend)
    office.destroy_key(ana)
    office.sequence()
    assert_every_row_once(office)


def test_a_sequencer_that_failed_does_nothing_more(office: Office) -> None:
    with office.faulty(BeforeAppend) as sequencer:
        with pytest.raises(Crash):
            sequencer.run_once()
        with pytest.raises(BrokenError, match="stopped"):
            sequencer.run_once()


# A database and a log that do not belong together


def copied(office: Office) -> Path:
    return Path(shutil.copytree(office.base, office.base.parent / f"{office.base.name}-kept"))


def put_back(office: Office, kept: Path) -> None:
    shutil.rmtree(office.base)
    shutil.copytree(kept, office.base)


def test_a_database_older_than_the_log_is_refused_by_name(office: Office) -> None:
    office.sequence()
    with transaction(office.pool) as tx:
        before = tx.execute("SELECT decided, root, size, digest, logged_at FROM logs").fetchone()
    office.account("ana")
    office.sequence()
    with transaction(office.pool) as tx:  # what a restore of yesterday's copy leaves
        tx.execute("DELETE FROM outbox WHERE account_id IS NOT NULL")
        tx.execute(
            "UPDATE logs SET (decided, root, size, digest, logged_at) = (%s, %s, %s, %s, %s)",
            before,
        )
    with pytest.raises(RestoredError, match="older copy") as refused:
        office.sequence()
    assert refused.value.hint


def test_a_database_that_knows_no_log_is_refused_beside_one(office: Office) -> None:
    office.sequence()
    with transaction(office.pool) as tx:
        tx.execute("DELETE FROM logs")
        tx.execute("UPDATE outbox SET (log_year, index) = (NULL, NULL)")
    with pytest.raises(RestoredError):
        office.sequence()


def test_a_log_that_was_rolled_back_is_refused(office: Office) -> None:
    office.sequence()
    kept = copied(office)
    for name in ("ana", "ben", "eva"):
        office.account(name)
        office.sequence()
    put_back(office, kept)
    with pytest.raises(BrokenError, match="rolled back"):
        office.sequence()


def test_a_log_that_went_another_way_is_refused(office: Office) -> None:
    office.sequence()
    kept = copied(office)
    office.account("ana")
    office.sequence()
    put_back(office, kept)
    signer = office.place.signer(office.seed, 2025)
    with LogWriter.open(
        office.place.folder / "2025", office.place.state / "2025", signer.name, signer
    ) as log:
        log.append([b"a forged entry"])
    with pytest.raises(BrokenError, match="forked"):
        office.sequence()


def test_a_log_whose_folders_are_gone_is_not_begun_again(office: Office) -> None:
    office.sequence()
    office.account("ana")
    office.sequence()
    shutil.rmtree(office.base)
    with pytest.raises(BrokenError, match="is missing"):
        office.sequence()


# Two at once


def test_only_one_sequencer_works_at_a_time(office: Office) -> None:
    with office.sequencing(), pytest.raises(BusyError), office.sequencing():
        raise AssertionError("two at once")
    assert office.sequence() == 1


def test_two_loops_tell_every_row_once(office: Office) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(3) as threads:
        loops = [threads.submit(sequence.run, office.sequencing, stop) for _ in range(2)]
        accounts = [office.account(f"person {n}") for n in range(10)]
        for account in accounts:
            office.choose(account, True)
        stop.wait(0.5)
        stop.set()
        for loop in loops:
            loop.result(timeout=600)
    office.sequence()
    assert_every_row_once(office)


def test_a_loop_whose_connection_is_cut_goes_on(office: Office) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        loop = threads.submit(sequence.run, office.sequencing, stop)
        try:
            everything_told(office)
            with transaction(office.pool) as tx:
                cut = tx.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = "
                    "database"
                    " WHERE locktype = 'advisory' AND datname = current_database()"
                ).fetchall()
            assert cut == [(True,)]
            office.account("ana")
            everything_told(office)
        finally:
            stop.set()
        loop.result(timeout=600)
    assert_every_row_once(office)


def everything_told(office: Office) -> None:
    wait_until(lambda: not office.rows(rest="WHERE index IS NULL"), "the log has every row")


def test_each_accounts_leaves_keep_their_order_under_16_writers(office: Office) -> None:
    accounts = [office.account(f"person {n}") for n in range(8)]
    stop = threading.Event()

    def write(number: int) -> None:
        for turn in range(12):
            office.choose(accounts[(number + turn) % len(accounts)], (number + turn) % 3 == 0)

    with ThreadPoolExecutor(17) as threads:
        loop = threads.submit(sequence.run, office.sequencing, stop)
        for writer in [threads.submit(write, number) for number in range(16)]:
            writer.result(timeout=600)
        stop.set()
        loop.result(timeout=600)
    office.sequence()
    assert_every_row_once(office)
    rows = office.rows(
        "account_id, index, (payload::json ->> 'seq')::bigint", "WHERE account_id IS NOT NULL"
    )
    for account in accounts:
        in_order = [
            seq for _, _, seq in sorted((r for r in rows if r[0] == account), key=lambda r: r[1])
        ]
        assert len(in_order) > 12
        assert in_order == sorted(in_order)


# Years


def test_the_first_leaf_of_a_new_year_carries_the_old_pseudonym_over(office: Office) -> None:
    ana, ben = office.account("ana"), office.account("ben")
    office.sequence()
    office.now = instant("2026-01-01T00:00:05Z")
    office.choose(ana, True)
    eva = office.account("eva")
    office.sequence()
    told = office.entries(2026)
    assert [entry["t"] for entry in told] == ["carried", "choice", "grant_begun", "account_opened"]
    assert told[0]["facts"] == {"from": 2025}
    assert told[0]["who"] == told[1]["who"] != told[3]["who"]
    with transaction(office.pool) as tx:
        keys = {year: office.keys.log_keys(tx, [ana, ben, eva], year) for year in (2025, 2026)}
    assert told[0]["who"] == pseudonym(keys[2026][ana])
    assert not {entry.get("who") for entry in office.entries(2025)} & {
        entry["who"] for entry in told
    }
    office.choose(ben, False)
    office.choose(ana, False)
    office.sequence()
    assert [e["t"] for e in office.entries(2026)][4:] == [
        "carried",
        "choice",
        "grant_ended",
        "choice",
    ]
    assert_every_row_once(office, 2025)
    assert_every_row_once(office, 2026)


@pytest.mark.parametrize("kind", [BeforePlaces, BeforeAppend, AfterAppend])
def test_a_crash_at_the_turn_of_the_year_carries_over_once(office: Office, kind: type) -> None:
    ana = office.account("ana")
    assert crash(office, kind)  # the last batch of the old year, found only in the new one
    office.now = instant("2026-01-01T00:00:05Z")
    office.choose(ana, True)
    crash(office, kind)
    office.choose(ana, False)
    office.sequence()
    years = [2025, 2026] if kind is not BeforePlaces else [2026]
    for year in years:
        assert_every_row_once(office, year)
    told = [entry["t"] for entry in office.entries(2026)]
    assert told.count("carried") == (1 if kind is not BeforePlaces else 0)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [t.name for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


def test_an_account_is_a_stranger_to_its_own_pseudonyms_without_its_key(office: Office) -> None:
    ana = office.account("ana")
    office.sequence()
    office.destroy_key(ana)
    with transaction(office.pool) as tx:
        found: Mapping[UUID, bytes] = office.keys.log_keys(tx, [ana], 2025)
    assert ana not in found
