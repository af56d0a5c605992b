"""What the sequencer refuses when it opens: a log, a root, rows or a year that the database does
not have so.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from licet.errors import BrokenError
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.ledger import forward, outbox, sequence
from licet.ledger.outbox import Entry, EntryKind
from licet.ledger.sequence import LogPlace, LogStanding, RestoredError
from licet.policy.period import instant
from licet.store.connect import Pool, transaction

from .office import Office
from .test_sequence import AfterAppend, BeforeAppend, crash


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(FileProvider(tmp_path_factory.mktemp("keys")))


@pytest.fixture
def office(pool: Pool, keyring: Keyring, tmp_path: Path) -> Office:
    return Office.opened(pool, keyring, tmp_path)


def change(office: Office, statement: str) -> None:
    with transaction(office.pool) as tx:
        tx.execute(statement)


def test_a_clock_that_is_set_back_sets_the_log_s_time_back_neither_behind_its_entries_nor_behind_its_last_batch(
    office: Office,
) -> None:
    ana = office.account("ana")
    office.now += timedelta(hours=5)
    office.sequence()
    office.now -= timedelta(hours=4)
    office.choose(ana, True)
    office.sequence()
    office.now += timedelta(days=3)
    office.choose(ana, False)
    office.now -= timedelta(days=2)
    office.sequence()
    logged = [instant(entry["logged"]) for entry in office.entries()]
    assert logged == sorted(logged)
    assert all(instant(entry["at"]) <= instant(entry["logged"]) for entry in office.entries())
    assert len(set(logged)) == 2, (
        "the second batch has the time of the first, the third that of what it tells"
    )


def test_a_log_whose_root_is_another_than_the_database_knew_is_forked(office: Office) -> None:
    for name in ("ana", "ben"):
        office.account(name)
        office.sequence()
    change(office, "UPDATE logs SET root = sha256(root)")
    with pytest.raises(BrokenError, match="another root"):
        office.sequence()


def test_a_log_whose_last_batch_is_another_is_forked(office: Office) -> None:
    for name in ("ana", "ben"):
        office.account(name)
        office.sequence()
    change(office, "UPDATE logs SET digest = sha256(digest)")
    with pytest.raises(BrokenError, match="other entries"):
        office.sequence()


@pytest.mark.state_is_broken
def test_a_batch_of_which_rows_are_lost_is_not_appended_in_part(office: Office) -> None:
    office.account("ana")
    office.sequence()
    office.account("ben")
    office.account("eva")
    assert crash(office, BeforeAppend)
    change(office, "DELETE FROM outbox WHERE index = (SELECT max(index) FROM outbox)")
    before = office.log().checkpoint.size
    with pytest.raises(BrokenError, match="lost rows"):
        office.sequence()
    assert office.log().checkpoint.size == before


@pytest.mark.parametrize("state", [False, True], ids=["readers", "writer"])
def test_a_year_that_the_database_knows_nothing_of_is_refused_at_opening_and_while_it_runs(
    office: Office, state: bool
) -> None:
    ana = office.account("ana")
    base = Path(office.base / ("log-state" if state else "log"))
    with office.sequencing() as sequencer:
        sequencer.run_once()
        (base / "2026").mkdir()
        office.now = instant("2026-01-01T00:00:05Z")
        office.choose(ana, True)
        with pytest.raises(RestoredError, match="knows nothing of it"):
            sequencer.run_once()
    with pytest.raises(RestoredError, match="knows nothing of it"):
        office.sequence()
    (base / "2026").rename(base / "not-a-year")
    office.sequence()
    (base / "2024").mkdir()
    with pytest.raises(RestoredError, match="2024"):
        office.sequence()


@pytest.mark.state_is_broken
def test_a_log_that_is_ahead_of_its_database_is_refused_also_by_one_batch(office: Office) -> None:
    office.account("ana")
    office.sequence()
    with transaction(office.pool) as tx:
        known = tx.execute("SELECT decided, root, size, digest, logged_at FROM logs").fetchone()
    office.account("ben")
    assert crash(office, AfterAppend)
    with transaction(office.pool) as tx:
        tx.execute(
            "UPDATE logs SET (decided, root, size, digest, logged_at) = (%s, %s, %s, %s, %s)", known
        )
    with pytest.raises(RestoredError):
        office.sequence()


class Renamed(Office):
    """The same installation after somebody gave its log another name."""

    @property
    def place(self) -> LogPlace:
        return LogPlace(
            folder=self.base / "log", state=self.base / "log-state", name="log.example/another"
        )


def test_a_log_keeps_its_name_for_its_year(office: Office) -> None:
    office.account("ana")
    office.sequence()
    renamed = Renamed(office.pool, office.keyring, office.base, office.now)
    with pytest.raises(BrokenError, match="is named"):
        renamed.sequence()


@pytest.mark.state_is_broken
def test_a_database_that_is_put_back_while_the_sequencer_runs_gives_no_place_beside_the_log_s(
    office: Office,
) -> None:
    office.account("ana")
    with office.sequencing() as sequencer:
        sequencer.run_once()
        change(office, "UPDATE logs SET size = size + 1")
        office.account("ben")
        with pytest.raises(BrokenError, match="the database gave out place"):
            sequencer.run_once()


def standing(office: Office) -> LogStanding:
    with transaction(office.pool) as tx:
        (found,) = sequence._standings(tx)
    return found


def is_awaited(office: Office, account: UUID) -> bool:
    size = office.log().checkpoint.size
    with transaction(office.pool) as tx:
        return sequence.is_awaited(tx, account, lambda _: size)


def test_a_log_that_has_the_whole_batch_or_none_of_it_is_the_database_s_and_no_other(
    office: Office,
) -> None:
    office.account("ana")
    office.sequence()
    office.account("ben")
    office.account("eva")
    assert crash(office, BeforeAppend)
    forward.check_log(office.place, office.seed, standing(office))
    office.sequence()
    office.account("kim")
    assert crash(office, AfterAppend)
    appended = standing(office)
    forward.check_log(office.place, office.seed, appended)
    with pytest.raises(BrokenError, match="other entries"):
        forward.check_log(
            office.place, office.seed, msgspec.structs.replace(appended, digest=bytes(32))
        )


def test_a_batch_whose_account_was_erased_before_it_was_appended_is_known_by_what_was_appended(
    office: Office,
) -> None:
    ana = office.account("ana")
    office.sequence()
    assert not is_awaited(office, ana)
    office.choose(ana, True)
    assert is_awaited(office, ana)
    assert crash(office, BeforeAppend)
    assert is_awaited(office, ana), "it has a place, and the log lacks it"
    office.destroy_key(ana)
    assert crash(office, AfterAppend)
    forward.check_log(office.place, office.seed, standing(office))


def test_a_closed_sequencer_appends_nothing_more(office: Office) -> None:
    with office.sequencing() as sequencer:
        pass
    office.account("ana")
    with pytest.raises(BrokenError, match="it was closed"):
        sequencer.run_once()


def test_an_entry_that_the_published_log_does_not_have_yet_has_no_proof(office: Office) -> None:
    office.account("ana")
    office.sequence()
    log = office.log()
    size = log.checkpoint.size
    assert log.entry_with_proof(size) == (None, None)
    entry, proof = log.entry_with_proof(size - 1)
    assert entry is not None
    assert proof is not None


def test_a_year_is_forgotten_alone_and_has_the_releases_that_were_sealed_in_it(
    office: Office,
) -> None:
    release = UUID(int=9)
    kinds = (EntryKind.release_sealed, EntryKind.release_decided)
    for year in (2025, 2026):
        office.now = instant(f"{year}-11-01")
        office.account(f"of {year}")
        facts = {"release": release.hex}
        with transaction(office.pool) as tx:
            outbox.append(
                tx, [Entry(kind=kind, occurred_at=office.now, facts=facts) for kind in kinds]
            )
        office.sequence()
    with transaction(office.pool) as tx:
        assert [outbox.logged_releases(tx, year) for year in (2025, 2026)] == [[release]] * 2
        policies = [outbox.logged_policies(tx, year) for year in (2025, 2026)]
        outbox.forget_year(tx, 2025)
        assert [outbox.logged_releases(tx, year) for year in (2025, 2026)] == [[], [release]]
        for table in ("logs", "log_accounts", "outbox"):
            years = tx.execute(f"SELECT DISTINCT log_year FROM {table}").fetchall()
            assert years == [(2026,)], table
    assert policies[0] == {office.policies[0].sha256().hex()}
