"""What one process does at a time is under a lock of the system, which ends with its holder."""

from __future__ import annotations

import fcntl
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from licet.agent import memory
from licet.agent.memory import AgentMemory
from licet.backup import archives, base_recovery, drills, wal_receiver
from licet.curate import release_build
from licet.errors import BusyError
from licet.keys.restriction_journal import Journal
from licet.release import registry, release_store
from licet.store import embedded
from licet.store.connect import transaction
from licet.store.embedded import Cluster, Options
from licet.train import streamed
from licet.web.access.rates import KEY_BYTES, Rates, shared_table

from ..installed import House
from ..journals import KEY


def is_locked(file: Path) -> bool:
    """Whether somebody holds the lock of a file."""
    with file.open("ab") as another:
        try:
            fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_refused(held: AbstractContextManager[Any], another: AbstractContextManager[Any]) -> bool:
    """Whether ``another`` does not begin while ``held`` lasts."""
    with held:
        try:
            with another:
                return False
        except BusyError:
            return True


def test_one_hook_at_a_time_reads_the_transcripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "BUSY_SECONDS", -1.0)
    one, another = (AgentMemory(tmp_path, "ana") for _ in range(2))
    assert is_refused(one.exclusive(), another.exclusive())
    assert not is_refused(nullcontext(), another.exclusive())
    for each in (one, another):
        each.close()


def test_backups_run_side_by_side_and_none_beside_a_prune(tmp_path: Path) -> None:
    shared, alone = (
        (lambda: archives._lock_folder(tmp_path, fcntl.LOCK_SH)),
        (lambda: archives._lock_folder(tmp_path, fcntl.LOCK_EX)),
    )
    assert not is_refused(shared(), shared())
    assert is_refused(shared(), alone())
    assert is_refused(alone(), shared())
    assert is_refused(alone(), alone())


def test_one_restore_of_a_server_one_drill_and_one_receiver_of_wal_run_at_a_time(
    house: House, tmp_path: Path
) -> None:
    options = Options(durable=False)
    assert is_refused(
        base_recovery.begin_recovery(tmp_path / "postgres", options),
        base_recovery.begin_recovery(tmp_path / "postgres", options),
    )
    assert is_refused(
        drills._lock_scratch(house.installation), drills._lock_scratch(house.installation)
    )
    assert is_refused(
        wal_receiver._lock_receiver(house.installation),
        wal_receiver._lock_receiver(house.installation),
    )


def test_nobody_appends_to_a_journal_while_another_process_does(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", key=KEY)
    lock = tmp_path / "journal" / "lock"
    with journal.storage.exclusive():
        assert is_locked(lock)
    assert not is_locked(lock)
    journal.close()


def test_a_cache_of_releases_is_changed_by_one_process_at_a_time(tmp_path: Path) -> None:
    place = tmp_path / "cache" / "one"
    place.parent.mkdir()
    with streamed._locked(place):
        assert is_locked(place.parent / streamed.LOCK_FILE)
    assert not is_locked(place.parent / streamed.LOCK_FILE)


def test_a_release_that_somebody_uses_is_not_removed_from_the_disk(tmp_path: Path) -> None:
    place, file = tmp_path / "one", tmp_path / ".one.json"
    place.mkdir()
    file.write_text('{"release":"%s","tag":"a","files":{}}' % ("0" * 32))
    with place.with_name(".one.lock").open("a") as used:
        fcntl.flock(used, fcntl.LOCK_EX)
        assert not release_store._removed(file, place)
        assert place.is_dir()
    assert release_store._removed(file, place)
    assert not place.exists()


def test_a_release_of_a_bucket_is_changed_by_one_process_of_a_host_and_of_all_hosts(
    house: House,
) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    with transaction(house.installation.pool) as tx:
        known = registry.find(tx, "one")
    assert known is not None
    place = house.installation.config.releases / "one"
    home = release_store._BucketRelease(house.installation, cast(Any, None), known, place)
    with home.locked():
        assert is_locked(place.with_name(".one.lock"))
    assert not is_locked(place.with_name(".one.lock"))
    with home.exclude_writers() as mine, home.exclude_writers() as another:
        assert (mine, another) == (True, False)


def test_a_bucket_of_rates_is_changed_by_one_worker_at_a_time() -> None:
    table = shared_table()
    rates = Rates(table)

    def is_free(begin: int) -> bool:
        """As another process finds it: a lock of bytes is of a process."""
        child = os.fork()
        if child == 0:
            try:
                fcntl.lockf(table, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, begin)
            except OSError:
                os._exit(1)
            os._exit(0)
        return os.waitpid(child, 0)[1] == 0

    with rates._locked(KEY_BYTES):
        assert not is_free(KEY_BYTES)
        assert is_free(KEY_BYTES + 128)
    assert is_free(KEY_BYTES)
    os.close(table)


def test_a_server_s_folder_is_changed_by_one_and_in_use_while_somebody_has_a_seat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOCK_SECONDS_MAX", 0.0)
    one, another = (Cluster(tmp_path, Options(durable=False)) for _ in range(2))
    with one.locked(), pytest.raises(BusyError), another.locked():
        raise AssertionError("it began")
    assert not one.has_users()
    seat = one.take_seat()
    assert another.has_users()
    os.close(seat)
    assert not another.has_users()
