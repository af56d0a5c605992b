"""A base backup with its WAL: what was acknowledged comes back, and what was taken back does not,
as of any moment.
"""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest

from licet import doctor
from licet.backup import (
    archives,
    backup_manifest,
    base_backup,
    base_recovery,
    wal_archive,
    wal_receiver,
    wal_seals,
)
from licet.backup.backup_manifest import ARCHIVES, BASE, BackupForm
from licet.erasure import certificates, key_rotation, sweep_batches
from licet.erasure.key_rotation import Rotation
from licet.errors import (
    BrokenError,
    BusyError,
    ContradictedError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from licet.keys import fence
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.decide import DecisionReason
from licet.proof import documents
from licet.store import embedded
from licet.store.connect import transaction
from licet.vault import commands as do
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import Installation, open_installation

from ..erasure.search import files, found_in
from ..waiting import wait_until
from .test_backup import DAY, NAMES, Home, Place, check_nothing_came_back, check_the_log, take_back

CONTROL = "zq7controlzq in clear"
PLANTED = "zq9plantedzq in the letter"


@contextmanager
def archived(installation: Installation, place: Place) -> Iterator[None]:
    """The WAL is archived meanwhile; at the end all that was committed is there."""
    stop, failed = threading.Event(), []

    def archive() -> None:
        try:
            wal_receiver.archive(
                installation,
                place.backups / backup_manifest.ARCHIVES,
                stop,
                failed.append,
                lambda: None,
            )
        except BaseException as error:  # told by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=archive)
    thread.start()
    try:
        waited(lambda: bool(failed) or received_by(installation) is not None)
        yield
        with transaction(
            installation.pool
        ) as tx:  # the server of a test commits before it has flushed
            tx.execute("SET LOCAL synchronous_commit = on")
            tx.execute("SELECT pg_logical_emit_message(true, 'licet', '')")
        with installation.pool.connection() as conn:
            (end,) = conn.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or ("",)
        waited(lambda: bool(failed) or has(installation, end))
    finally:
        stop.set()
        thread.join(600)
    assert failed == []


def received_by(installation: Installation) -> int | None:
    """The server's end of the receiver that is at work."""
    with installation.pool.connection() as conn:
        row = conn.execute(
            "SELECT pid FROM pg_stat_replication WHERE application_name = 'pg_receivewal'"
        ).fetchone()
    return row[0] if row else None


def has(installation: Installation, end: str) -> bool:
    with installation.pool.connection() as conn:
        row = conn.execute(
            "SELECT bool_or(flush_lsn >= %s::pg_lsn) FROM pg_stat_replication", [end]
        ).fetchone()
    return bool(row and row[0])


def waited(ready: Callable[[], bool]) -> None:
    wait_until(ready, "the log is received")


def clock_of(installation: Installation) -> datetime:
    with installation.pool.connection() as conn:
        row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]


@dataclass(slots=True)
class Lived:
    """An installation with a base backup and its WAL: ``moment`` lies between what was said and
    what was taken back.
    """

    folder: Path
    home: Home
    base: Path
    moment: datetime
    now: datetime


def in_clear(installation: Installation, table: str) -> None:
    """A control, in a database beside Licet's: both forms of copy hold all that the server has."""
    with psycopg.connect(
        embedded.revive(installation.config.data / "postgres"), dbname="postgres"
    ) as conn:
        conn.execute(f"CREATE TABLE {table} AS SELECT '{CONTROL} {table}' AS said")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    place = Place(tmp_path_factory.mktemp("lived"))
    postgres = place.config.data / "postgres"
    embedded.start(postgres, embedded.Options(durable=False))
    with open_installation(place.config, place.clock) as installation:
        home = Home(installation, place)
        for name in NAMES:
            home.open(name, allow=True)
            home.talk(name, f"{name}-chat")
        place.now += DAY
        with archived(installation, place):
            home.talk("ana", "ana-letter", PLANTED)
            in_clear(installation, "before")
            made = archives.back_up(installation, place.backups, BackupForm.base).folder
            home.talk("ben", "ben-later", PLANTED)
            in_clear(installation, "after")
            documents.append(installation)
            time.sleep(0.01)
            moment = clock_of(installation)
            time.sleep(0.01)
            place.now += DAY
            take_back(home)
            documents.append(installation)
        home.choose("gus", False)  # after the last WAL that was archived
        documents.append(installation)
    embedded.stop(postgres)
    return Lived(place.backups.parent, home, made, moment, place.now)


@pytest.fixture
def place(lived: Lived, tmp_path: Path) -> Iterator[Place]:
    """A copy of it; its server is stopped."""
    shutil.copytree(lived.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    copy = Place(tmp_path)
    copy.now = lived.now
    yield copy
    embedded.stop(copy.config.data / "postgres")


def base_of(place: Place, lived: Lived) -> Path:
    return place.backups / lived.base.name


def archive_of(place: Place) -> Path:
    (archive,) = (place.backups / ARCHIVES).iterdir()
    return archive


def begins(base: Path) -> str:
    return str(json.loads((base / backup_manifest.MANIFEST).read_bytes())["begins"])


def start(place: Place) -> str:
    """The server, kept running between commands, as fast as a test may have it."""
    folder = place.config.data / "postgres"
    embedded.start(folder, embedded.Options(durable=False))
    return embedded.revive(folder)


def there(home: Home, chat: str) -> bool:
    return (
        home.query("SELECT FROM conversations WHERE conversation_id = %s", home.chats[chat]) != []
    )


def check_nothing_is_left_beside(place: Place) -> None:
    left = {
        path.name
        for path in (place.config.data / "postgres").iterdir()
        if path.name.startswith("cluster")
    }
    assert left == {"cluster"}
    assert not (place.config.data / "postgres" / "cluster" / "licet.wal").is_symlink()


# Restoring


def test_what_was_acknowledged_is_back_with_the_wal_and_what_was_lost_is_still_taken_back(
    place: Place, lived: Lived
) -> None:
    done = archives.restore(place.config, base_of(place, lived), place.clock)
    assert done.applied == {"refused": 1}, "all but the last was in the WAL"
    assert done.life == 1
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, lived.home)
        check_nothing_came_back(again)
        assert again.decided("gus-chat") is DecisionReason.withdrawn
        assert again.read("ben", "ben-later") == PLANTED
        check_the_log(again)
        assert again.query("SELECT slot_name FROM pg_replication_slots") == [], (
            "its WAL goes to another archive"
        )
    check_nothing_is_left_beside(place)


def test_until_a_moment_the_writes_before_it_are_back_and_nothing_taken_back_since(
    place: Place, lived: Lived
) -> None:
    done = archives.restore(place.config, base_of(place, lived), place.clock, lived.moment)
    assert done.applied == {
        "deleted": 1,
        "refused": 2,
        "narrowed": 1,
        "closed": 1,
        "plan": 1,
        "held": 1,
        "unflagged": 1,
    }
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, lived.home)
        check_nothing_came_back(again)
        assert again.read("ben", "ben-later") == PLANTED
        assert not there(again, "new-chat"), "said after it"
        check_the_log(again)


def test_a_base_alone_is_as_of_its_end_and_the_password_of_today_opens_it(
    place: Place, lived: Lived
) -> None:
    archive = archive_of(place)
    shutil.rmtree(archive)
    with pytest.raises(NotFoundError, match="is missing"):
        archives.restore(place.config, base_of(place, lived), place.clock)
    archive.mkdir()
    # the disk of the database is lost, and its password with it
    shutil.rmtree(place.config.data / "postgres")
    done = archives.restore(place.config, base_of(place, lived), place.clock)
    assert done.applied["deleted"] == 1
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, lived.home)
        check_nothing_came_back(again)
        assert not there(again, "ben-later")


def test_a_moment_that_cannot_be_reached_changes_nothing(place: Place, lived: Lived) -> None:
    start(place)
    would = archives.forecast(place.config, base_of(place, lived), place.clock, lived.moment)
    assert (would.form, would.life) == (backup_manifest.BackupForm.base, 0)
    with pytest.raises(UsageError, match="the base backup ended at"):
        archives.forecast(place.config, base_of(place, lived), place.clock, lived.moment - DAY)
    for until, why in (
        (lived.moment - DAY, "the base backup ended at"),
        (lived.moment + DAY, "ends before the moment"),
    ):
        with pytest.raises(UsageError, match=why):
            archives.restore(place.config, base_of(place, lived), place.clock, until)
        check_nothing_is_left_beside(place)
    with open_installation(place.config, place.clock) as installation:
        assert (
            Home(installation, place, lived.home).decided("gus-chat") is DecisionReason.withdrawn
        ), "and no fence was left"
        kept = archives.back_up(installation, place.backups)
    with pytest.raises(UsageError, match="--until needs a base"):
        archives.restore(place.config, kept.folder, place.clock, lived.moment)


KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from licet.config import Configuration
from licet.backup import archives

config, base, now = Configuration(data=Path(sys.argv[1])), Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
for line in sys.stdin:
    name, caller, left = line.split()
    left = int(left)

    def step(frame, event, _):
        global left
        if event == "call" and frame.f_code.co_name == name and frame.f_back.f_code.co_name == caller:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if child := os.fork():  # nothing but this thread is at work
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    else:
        sys.setprofile(step)
        archives.restore(config, base, lambda: now)
        os._exit(0)
"""
STEPS = tuple(
    (step.__name__, caller if isinstance(caller, str) else caller.__name__, call)
    for step, caller, call in (
        (fence.raise_fence, archives._raise_fence, 1),
        # the fence is up in the cluster in use
        (base_recovery.Recovery.recover, archives._restore_base, 1),
        # the base was recovered, and is open beside the one in use
        (archives._fence_restored, "<lambda>", 1),
        # the fence is up in both, and both are stopped
        (Path.rename, embedded.Cluster.replace_by, 1),
        # none has the name
        (Path.rename, embedded.Cluster.replace_by, 2),
        # it has the name, and the one before lies beside it
        (embedded.Cluster._end_swap, embedded.Cluster.replace_by, 2),
        # it was brought forward
        (fence.lift_fence, archives._complete, 1),
    )
)


def test_killed_at_any_step_it_leaves_a_fence_and_is_finished_by_the_same_command(
    place: Place, lived: Lived
) -> None:
    start(place)
    call = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        KILLED,
        str(place.config.data),
        str(base_of(place, lived)),
        place.now.isoformat(),
    ]
    with subprocess.Popen(
        call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as killed:
        assert killed.stdin is not None
        assert killed.stdout is not None
        for step in STEPS:
            killed.stdin.write(" ".join(map(str, step)) + "\n")
            assert killed.stdout.readline() == "-9\n", step
            if step is STEPS[0]:
                with open_installation(place.config, place.clock) as installation:
                    assert (
                        Home(installation, place, lived.home).decided("gus-chat")
                        is DecisionReason.withdrawn
                    )
                continue
            with (
                pytest.raises(RefusedError) as error,
                open_installation(place.config, place.clock),
            ):
                pass
            assert error.value.because == "fenced", step
        killed.stdin.close()
    assert archives.restore(place.config, base_of(place, lived), place.clock).applied == {
        "refused": 1
    }
    check_nothing_is_left_beside(place)
    with open_installation(place.config, place.clock) as installation:
        check_nothing_came_back(Home(installation, place, lived.home))


def test_nobody_may_be_using_the_database_that_is_replaced(place: Place, lived: Lived) -> None:
    start(place)
    with open_installation(place.config, place.clock) as installation:
        with pytest.raises(BusyError, match="in use by other programs"):
            archives.restore(place.config, base_of(place, lived), place.clock)
        assert Home(installation, place, lived.home).read("ben", "ben-later") == PLANTED, (
            "and no fence was put up"
        )


def test_once_the_epoch_is_destroyed_the_base_and_its_wal_open_nothing(
    place: Place, lived: Lived
) -> None:
    start(place)
    with open_installation(place.config, place.clock) as installation:
        key_rotation.rotate(installation.pool, installation.keyring, Rotation.daily, place.clock)
        place.now += 8 * DAY
        window = timedelta(days=place.config.key_chain.backup_days)
        assert key_rotation.destroy_due(
            installation.pool, installation.keyring, place.clock, window
        ) == [1]
    with pytest.raises(RefusedError) as error:
        archives.restore(place.config, base_of(place, lived), place.clock)
    assert error.value.because == "dead_epoch"
    with open_installation(place.config, place.clock) as installation:
        assert Home(installation, place, lived.home).read("ben", "ben-later") == PLANTED, (
            "and no fence was left"
        )


def test_the_base_of_a_server_of_ones_own_is_not_ours_to_put_back(
    place: Place, lived: Lived
) -> None:
    own = msgspec.structs.replace(place.config, database_url=start(place))
    with pytest.raises(RefusedError) as error:
        archives.restore(own, base_of(place, lived), place.clock)
    assert error.value.because == "own_server"
    assert "licet restore --here" in error.value.hint
    with open_installation(own, place.clock) as installation:
        made = archives.back_up(installation, place.backups, BackupForm.base)
        assert archives.verify(place.config, made.folder).form is BackupForm.base
        with transaction(installation.pool) as tx:
            tx.execute("CREATE ROLE plain")
            tx.execute("SET LOCAL ROLE plain")
            with pytest.raises(RefusedError) as error:
                base_backup.may_replicate(tx)
    assert error.value.because == "no_replication"
    assert "REPLICATION" in error.value.hint


# What it holds


def test_a_sentence_lies_in_clear_neither_in_the_base_nor_in_the_wal(
    place: Place, lived: Lived
) -> None:
    found = found_in(CONTROL.split()[0], files(place.backups))
    assert [
        kind
        for kind in (f"{BASE}/base/", f"{ARCHIVES}/")
        if not any(kind in name for name in found)
    ] == []
    assert found_in(PLANTED.split()[0], files(place.backups)) == {}
    held = [path.read_bytes() for path in place.backups.rglob("*") if path.is_file()]
    for key in place.config.keys.glob("*.key"):
        assert not any(key.read_bytes() in data for data in held)


def test_verify_finds_a_flipped_byte_and_a_segment_that_is_not_there(
    place: Place, lived: Lived
) -> None:
    folder, archive = base_of(place, lived), archive_of(place)
    assert archives.verify(place.config, folder).archive == archive.name
    whole, *_, partial = wal_archive.list_segments(archive)
    assert (whole.suffix, partial.suffix) == ("", ".partial")
    table = max((folder / BASE / "base").rglob("*"), key=lambda path: path.stat().st_size)
    begun = wal_archive.list_segments(archive)[-2]
    for path, at in ((table, 4000), (folder / BASE / "backup_manifest", 100), (begun, 64)):
        with flipped(path, at), pytest.raises(ContradictedError):
            archives.verify(place.config, folder)
    aside = begun.rename(archive.parent.parent / "aside")
    with pytest.raises(BrokenError, match="is missing"):
        archives.verify(place.config, folder)
    aside.unlink()


@contextmanager
def flipped(path: Path, place: int) -> Iterator[None]:
    data = path.read_bytes()
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    yield
    path.write_bytes(data)


def test_a_base_with_a_setting_that_runs_a_program_is_contradicted_and_never_started(
    place: Place, lived: Lived, tmp_path: Path
) -> None:
    """PostgreSQL's own check of a base leaves this file out, and the WAL that lies in it."""
    folder, ran = base_of(place, lived), tmp_path / "ran"
    settings, (first, *_) = (
        folder / BASE / "postgresql.auto.conf",
        sorted((folder / BASE / "pg_wal").glob("0*")),
    )
    before = settings.read_text()
    settings.write_text(
        before
        + f"archive_mode = on\narchive_command = 'touch {ran}'\nrestore_command = 'touch {ran}'\n"
    )
    base_backup.check(folder / BASE)  # the control: PostgreSQL finds nothing amiss
    check_contradicted(place, folder)
    assert not ran.exists()
    settings.write_text(before)
    assert archives.verify(place.config, folder).form is BackupForm.base
    with flipped(first, first.stat().st_size - 100):  # behind the last record, where it is not read
        base_backup.check(folder / BASE)
        check_contradicted(place, folder)
    for planted in (folder / BASE / "recovery.signal", folder / BASE / "global" / "planted"):
        planted.touch()
        check_contradicted(place, folder)
        planted.unlink()
    (folder / BASE / "pg_tblspc" / "16400").symlink_to(tmp_path)
    check_contradicted(place, folder)
    (folder / BASE / "pg_tblspc" / "16400").unlink()
    assert archives.restore(place.config, folder, place.clock).applied == {"refused": 1}


def check_contradicted(place: Place, folder: Path) -> None:
    for refused in (archives.verify, lambda *of: archives.restore(*of, place.clock)):
        with pytest.raises(ContradictedError):
            refused(place.config, folder)
    check_nothing_is_left_beside(place)


def test_wal_that_was_not_received_here_is_not_replayed(place: Place, lived: Lived) -> None:
    folder, archive = base_of(place, lived), archive_of(place)
    *_, whole, partial = wal_archive.list_segments(archive)
    for path, at in ((whole, whole.stat().st_size - 100), (partial, 64)):
        with flipped(path, at):
            check_contradicted(place, folder)
    seal = partial.with_name(partial.name + wal_seals.SUFFIX)
    told = json.loads(seal.read_bytes())
    for lie in (
        {**told, "size": told["size"] - 1},
        {**told, "mac": "0" * 64},
        {**told, "more": 1},
        [],
    ):
        with replaced(seal, json.dumps(lie).encode()):
            check_contradicted(place, folder)
    with (
        replaced(partial, whole.read_bytes()),
        replaced(seal, whole.with_name(whole.name + wal_seals.SUFFIX).read_bytes()),
    ):
        check_contradicted(place, folder)  # the seal of another segment
    data = partial.read_bytes()
    size = told["size"]
    with replaced(partial, data[:size] + b"forged" + data[size + 6 :]):  # behind what is sealed
        assert archives.verify(place.config, folder).archive == archive.name
        target = place.backups / "copied"
        key = backup_manifest.verify_mac(Keyring(FileProvider(place.config.keys)), folder)[1]
        wal_seals.copy(archive, key, begins(folder), target)
        assert (target / partial.name).read_bytes() == data, "is left out"
        shutil.rmtree(target)
    seal.unlink()  # what has no seal was not received, or not seen to be
    done = archives.restore(place.config, folder, place.clock)
    assert done.applied["deleted"] == 1, "and the journal has what was in it"


@contextmanager
def replaced(path: Path, data: bytes) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(data)
    yield
    path.write_bytes(before)


def test_what_is_received_is_sealed_and_what_is_pruned_loses_its_seal(
    place: Place, lived: Lived
) -> None:
    archive = archive_of(place)
    for path in wal_archive.list_segments(archive):
        assert path.with_name(path.name + wal_seals.SUFFIX).exists()
    start(place)
    with open_installation(place.config, place.clock) as installation:
        place.now = lived.now + timedelta(days=place.config.key_chain.backup_days)
        assert archives.prune(installation, place.backups).segments > 0
    left = {path.name.removesuffix(wal_seals.SUFFIX) for path in archive.iterdir()}
    assert left == {path.name for path in wal_archive.list_segments(archive)}


# How long


def test_wal_lies_no_longer_than_the_base_that_needs_it(place: Place, lived: Lived) -> None:
    start(place)
    window = timedelta(days=place.config.key_chain.backup_days)
    first, archive = base_of(place, lived), archive_of(place)
    with open_installation(place.config, place.clock) as installation:
        archives.prune(installation, place.backups)
        assert wal_archive.list_segments(archive)[0].name == begins(first), (
            "what is older than the oldest base is gone"
        )
        with archived(installation, place):
            second = archives.back_up(installation, place.backups, BackupForm.base)
        assert archives.prune_wal(installation, place.backups) == 0
        place.now = lived.now - DAY + window  # the day of the first one
        assert archives.prune_wal(installation, place.backups) > 0, (
            "by the archive's own program, though the base lies there still"
        )
        assert wal_archive.list_segments(archive)[0].name[:24] == begins(second.folder)
        assert [kept.folder for kept in archives.prune(installation, place.backups).backups] == [
            first
        ]
        place.now = lived.now + window
        assert [kept.folder for kept in archives.prune(installation, place.backups).backups] == [
            second.folder
        ]
        assert all(path.suffix for path in wal_archive.list_segments(archive)), (
            "but the one that is being written"
        )
        wal_receiver.end(installation)
        archives.prune(installation, place.backups)
        assert not archive.exists()


def test_a_certificate_names_a_base_that_was_taken_after_the_erasure_too(
    place: Place, lived: Lived
) -> None:
    """On its pages lies what was deleted, until it is vacuumed and written over."""
    start(place)
    with open_installation(place.config, place.clock) as installation:
        home = Home(installation, place, lived.home)
        home.about(do.Delete, "ana", "ana-letter")
        place.now += 40 * DAY
        with transaction(installation.pool) as tx:
            while sweep_batches.sweep_batch(tx, place.now).more:
                pass
            tx.execute("UPDATE erasures SET (state, shredded_at) = ('shredded', %s)", [place.now])
        place.now += DAY
        dumped, paged = (
            archives.back_up(installation, place.backups, form).backup
            for form in (BackupForm.dump, BackupForm.base)
        )
        certificates.advance_erasures(installation)
        (name,) = [
            format_id(Prefix.erasure, row[0])
            for row in home.query(
                "SELECT erasure_id FROM erasures WHERE conversation_id = %s",
                home.chats["ana-letter"],
            )
        ]
        raw = json.loads(certificates.certificate_file(installation, name))["certificate"].split(
            "."
        )[1]
    named = [one["backup"] for one in json.loads(base64.urlsafe_b64decode(raw + "=="))["backups"]]
    assert paged in named
    assert dumped not in named


# The command


def licet(place: Place, *arguments: str | Path) -> list[str]:
    return [
        sys.executable,
        "-c",
        "from licet.cli import main; main()",
        *map(str, arguments),
        "--data",
        str(place.config.data),
    ]


def test_the_archive_is_kept_by_a_command_that_stops_cleanly_and_ends_a_receiver_that_was_left(
    place: Place,
) -> None:
    start(place)
    archive = archive_of(place)
    with (
        open_installation(place.config, place.clock) as installation,
        subprocess.Popen(
            licet(place, "backup", "wal", place.backups), stderr=subprocess.PIPE
        ) as first,
    ):
        waited(lambda: received_by(installation) is not None)
        with pytest.raises(BusyError, match="another program is archiving"):
            wal_receiver.end(installation)
        first.kill()  # its receiver goes on
    call = [*licet(place, "backup", "wal", place.backups), "--json"]
    with (
        open_installation(place.config, place.clock) as installation,
        subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as second,
    ):
        was = received_by(installation)
        waited(lambda: received_by(installation) not in (None, was))
        second.send_signal(signal.SIGTERM)
        told, complained = second.communicate(timeout=600)
        assert (second.returncode, json.loads(told)) == (0, {"archive": str(archive)}), complained
        waited(lambda: received_by(installation) is None)
        (idle,) = [one for one in doctor.examine(installation) if one.what == "WAL archive"]
        assert "nobody receives it" in idle.seen, "meanwhile the server keeps it"
    ended = subprocess.run(
        [*licet(place, "backup", "wal", place.backups), "--end"], capture_output=True, text=True
    )
    assert ended.stdout == f"ended {archive.name}\n", ended.stderr


def test_why_a_base_cannot_be_recovered_is_the_last_fatal_line_of_the_server(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    log.write_text(
        "LOG:  starting\n1 FATAL:  the first\n2 FATAL:  requested timeline  is not a "
        "child\nLOG:  shut down\n"
    )
    assert "requested timeline is not a child" in base_recovery._recovery_error(log, None).message
    log.write_text("LOG:  starting\nLOG:  shut down\n")
    assert "LOG: shut down" in base_recovery._recovery_error(log, None).message
    log.write_text("")
    assert "no reason given" in base_recovery._recovery_error(log, None).message
