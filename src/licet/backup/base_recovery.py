"""Restores a base backup: recovers it beside the embedded server, then puts it in that server's
place.

Promise: the cluster under the server's name is either the previous one, or one that went through
``prepare`` (which raises the fence) and was stopped cleanly. After a crash at any point, run it
again.

1. copy the base backup and the WAL to `cluster.restoring`, beside the cluster in use, and prove the
   copies
2. recover it with a separate server, from its own WAL and the archive's, to the end or to a moment;
   call ``prepare`` with a connection to it; set today's password; stop it
3. stop the server in use, which must have no users; two renames put the recovered cluster in its
   place

The separate server trusts every connection to its socket, because a base backup contains an old
password. The socket's folder has mode 0700: only somebody who could also write the cluster's files
can connect.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql

from licet.errors import BrokenError, BusyError, LicetError, UsageError
from licet.store.embedded import (
    OUTPUT_CHARACTERS_MAX,
    SOCKET_NAME,
    STALE_SECONDS_MAX,
    Cluster,
    Options,
    is_working_in,
    try_flock,
    used_error,
    wait_for,
    workers,
)

RESTORING = "cluster.restoring"
_POLL_SECONDS = 0.02
_ARCHIVE, _TRUST = "licet.wal", "licet_hba.conf"
_SETTINGS = """\
hot_standby = off
hba_file = '{hba}'
# A segment that the base backup contains is complete there, and may be partial in the archive.
restore_command = 'exec 2>/dev/null; cp "{archive}/%f" "%p" || {{ test ! -e "pg_wal/%f" && cp "{archive}/%f.partial" "%p"; }}'
recovery_target_action = 'promote'
"""


class Recovery:
    """One restore of a base backup; created by `begin_recovery`."""

    def __init__(self, folder: Path, options: Options) -> None:
        self._used = Cluster(folder, options)
        self._side = Cluster(folder, options, RESTORING)

    def recover(
        self,
        base: Path,
        check_copy: Callable[[Path], None],
        copy_wal: Callable[[Path], None] | None,
        until: datetime | None,
        prepare: Callable[[str], None],
    ) -> None:
        """Steps 1 and 2. UsageError if the base backup and its archive end before ``until``;
        nothing in use is changed. ``check_copy`` raises if the copy of the base backup was changed;
        ``copy_wal`` creates a folder of the archived WAL.
        """
        side = self._side
        shutil.copytree(base, side.data, symlinks=True)
        check_copy(side.data)
        side.data.chmod(0o700)
        if copy_wal is not None:
            (side.data / "recovery.signal").touch(0o600)
            copy_wal(side.data / _ARCHIVE)
        side.write(side.data / _TRUST, "local all all trust\n")
        _change_owner(side)
        side.prepare_folders()
        side.check_version()
        side.configure(_recovery_settings(side, until))
        log = side.folder / f"{RESTORING}.log"
        running = _begin(side, log)
        try:
            while not side.is_ready():
                if running.poll() is not None:
                    raise _recovery_error(log, until)
                time.sleep(_POLL_SECONDS)
            prepare(side.dsn)
            _set_password(side)
            running.send_signal(signal.SIGINT)  # a fast stop, which ends with a checkpoint
        except BaseException:
            running.send_signal(signal.SIGQUIT)
            running.wait()
            raise
        if running.wait() != 0:
            raise _recovery_error(log, None)
        for name in (_ARCHIVE, _TRUST):
            _remove(side.data / name)
        log.unlink()

    def put_in_place(self) -> None:
        """Step 3; BusyError if anybody uses the server."""
        with self._used.locked():
            self._used.replace_by(self._side.data)

    def clear(self) -> None:
        """Stops the server that a killed restore left running, and removes its files."""
        side = self._side
        pid = side.postmaster()
        if is_working_in(pid, side.data):
            os.kill(pid, signal.SIGQUIT)
        has_proc = Path("/proc/self/cwd").exists()
        if not wait_for(
            lambda: not (workers(side.data) if has_proc else is_working_in(pid, side.data)),
            STALE_SECONDS_MAX,
        ):
            raise BusyError(
                "processes of a killed restore are still running", "try again in a minute"
            )
        for path in (side.data, side.folder / f"{RESTORING}.log"):
            _remove(path)
        if side.sockets.is_dir():
            for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
                (side.sockets / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                side.sockets.rmdir()


@contextlib.contextmanager
def begin_recovery(folder: Path, options: Options | None = None) -> Iterator[Recovery]:
    """Begins the only restore; BusyError if another one is running, or the server is in use."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(folder / "restoring", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not try_flock(file, fcntl.LOCK_EX):
            raise BusyError("another restore is running", "wait until it has ended")
        used = Cluster(folder, options or Options())
        with used.locked():
            if used.has_users():
                raise used_error()
        recovery = Recovery(folder, options or Options())
        recovery.clear()
        try:
            yield recovery
        finally:
            recovery.clear()
    finally:
        os.close(file)


def clear_leftovers(folder: Path) -> None:
    """Stops the server that a killed restore below ``folder`` left running, and removes its
    files.
    """
    Recovery(folder, Options()).clear()


def _begin(side: Cluster, log: Path) -> subprocess.Popen[str]:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        return side.spawn("postgres", "-D", side.name, output=output)
    finally:
        os.close(output)


def _recovery_settings(side: Cluster, until: datetime | None) -> str:
    hba = str(side.data / _TRUST).replace("\\", "\\\\").replace("'", "''")
    moment = f"recovery_target_time = '{until.isoformat(sep=' ')}'\n" if until is not None else ""
    # one sync of the file system instead of one per file
    sync = "recovery_init_sync_method = syncfs\n" if sys.platform == "linux" else ""
    return _SETTINGS.format(hba=hba, archive=_ARCHIVE) + moment + sync


def _set_password(side: Cluster) -> None:
    """A base backup contains the password of its day; this sets the one in today's file."""
    password = side.pass_file.read_text("utf-8").strip().rpartition(":")[2]
    with psycopg.connect(side.dsn, autocommit=True) as conn:
        role = sql.Identifier(conn.info.user)
        conn.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(password)))


def _recovery_error(log: Path, until: datetime | None) -> LicetError:
    output = log.read_text("utf-8", "replace")
    if until is not None and "before configured recovery target" in output:
        return UsageError(
            "the WAL ends before the moment of --until",
            "omit --until to restore all of it",
        )
    fatal = [line.partition("FATAL:")[2] for line in output.splitlines() if "FATAL:" in line]
    reason = " ".join((fatal or output.splitlines() or ["no reason given"])[-1].split())
    return BrokenError(f"cannot recover the base backup: {reason[:OUTPUT_CHARACTERS_MAX]}")


def _change_owner(side: Cluster) -> None:
    if side.other:
        for path in (side.data, *side.data.rglob("*")):
            side.give(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
