"""The WAL archive: every change of a server, received continuously, in a folder of segments.

PostgreSQL's `pg_receivewal` writes the segments and syncs each one as it arrives; the last one is
named `.partial` until it is full. A replication slot keeps the server from removing WAL before it
is received. An archive belongs to one slot, and a slot to one server's history: a restored server
gets another slot, so that its WAL is never mixed with the old.
"""

from __future__ import annotations

import re
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from licet.backup import postgres_programs
from licet.backup.base_backup import ALLOWED, Beginning
from licet.errors import BrokenError

RETRY_SECONDS = 5.0
_POLL_SECONDS = 0.2
_SEGMENT = re.compile(r"[0-9A-F]{24}(\.partial)?")
_PLACE = re.compile(r"\b([0-9A-F]{1,8})/([0-9A-F]{1,8})\b")
_ABSENT = re.compile(r"could not find file \"([0-9A-F]{24})\"")


def receive(
    dsn: Callable[[], str],
    folder: Path,
    slot: str,
    stop: threading.Event,
    report: Callable[[str], None],
    meanwhile: Callable[[], None],
) -> None:
    """Receives WAL into ``folder`` until ``stop``; calls ``report`` with the reason of each
    interruption, and ``meanwhile`` several times a second. BrokenError if the server removed WAL
    before it was received: the archive ends with a gap.
    """
    command = ["pg_receivewal", "--no-password", "--no-loop", "--synchronous", f"--slot={slot}"]
    while not stop.is_set():
        meanwhile()
        try:
            running = postgres_programs.start_program([*command, f"--directory={folder}"], dsn())
            try:
                while running.poll() is None and not stop.wait(_POLL_SECONDS):
                    meanwhile()
            finally:
                # closes its file, and reports its position to the server
                running.send_signal(signal.SIGINT)
                postgres_programs.wait_program(running, ALLOWED)
        except BrokenError as error:
            if "already been removed" in error.message:
                raise BrokenError(
                    f"the WAL archive `{folder}` has a gap: the server removed WAL too early",
                    "run `licet backup wal --end`, begin another archive, and take a base backup",
                ) from None
            if not stop.is_set():
                report(error.message)
                stop.wait(RETRY_SECONDS)


def list_segments(folder: Path) -> list[Path]:
    """Lists the segments in an archive, oldest first; the last one may be partial."""
    return sorted((path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name)), key=_order)


def list_unneeded(folder: Path, oldest: str | None) -> list[Path]:
    """Lists the segments before ``oldest``, the first that a base backup needs; if None, all
    complete ones.
    """
    segments = list_segments(folder)
    if oldest is None:
        return [path for path in segments if not path.suffix]
    return [path for path in segments if path.name[8:24] < oldest[8:]]


def check(folder: Path, begins: Beginning, names: frozenset[str] | None = None) -> None:
    """Raises BrokenError if a segment between the base backup and the archive's end is missing or
    damaged. Files that are not in ``names``, if given, count as missing.
    """
    paths = [path for path in list_segments(folder) if path.name[8:24] >= begins.segment[8:]]
    paths = [path for path in paths if names is None or path.name in names]
    same = [path for path in paths if path.name[:8] == begins.segment[:8]]
    if not same:
        return
    bytes_each = same[0].stat().st_size
    numbers = [_number(path.name, bytes_each) for path in paths]
    first = _number(begins.segment, bytes_each)
    for expected, number in enumerate(numbers, start=first):
        if number > expected:
            raise _archive_error(
                folder, f"the segment before `{paths[expected - first].name}` is missing"
            )
    with tempfile.TemporaryDirectory() as temporary:
        for path in same:
            (Path(temporary) / path.name[:24]).symlink_to(path.absolute())
        timeline = str(int(begins.segment[:8], 16))
        read = [
            "pg_waldump",
            "--quiet",
            f"--timeline={timeline}",
            f"--start={begins.place}",
            f"--path={temporary}",
        ]
        try:
            postgres_programs.run_program(read)
        except BrokenError as error:
            ended = _stopped_segment(error.message, bytes_each)
            if ended is None or ended < _number(same[-1].name, bytes_each):
                raise _archive_error(folder, error.message) from None


def _stopped_segment(output: str, bytes_each: int) -> int | None:
    """Returns the number of the segment at which reading stopped: an archive's end looks like a
    damaged segment.
    """
    if absent := _ABSENT.search(output):
        return _number(absent[1], bytes_each)
    places = _PLACE.findall(output)
    return (
        ((int(places[-1][0], 16) << 32) + int(places[-1][1], 16)) // bytes_each if places else None
    )


def _archive_error(folder: Path, problem: str) -> BrokenError:
    return BrokenError(
        f"the WAL archive `{folder.name}` is incomplete or damaged: {problem}",
        "restore with --until a moment before the damage",
    )


def _number(name: str, bytes_each: int) -> int:
    return int(name[8:16], 16) * (2**32 // bytes_each) + int(name[16:24], 16)


def _order(path: Path) -> tuple[str, str]:
    return path.name[8:24], path.name
