"""Marks of unfinished training runs: where each writes, and whether it is running or was killed.

A run keeps a file in the folder `runs` of the installation's data, locked while its process lives;
one that ends well removes it. A run that failed or was killed left no model but a record of what it
consumed, so its folder is named until it is removed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from licet.errors import BrokenError
from licet.store.files import make_folder, replacing
from licet.undecodable import UNDECODABLE

RUNS, MARK_SUFFIX = "runs", ".run"


class RunMark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``folder`` is absolute."""

    folder: str
    release: str
    started_at: datetime


class UnfinishedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run without a model."""

    folder: Path
    release: str
    started_at: datetime
    is_running: bool


def list_unfinished(data: Path) -> list[UnfinishedRun]:
    """Lists local runs that wrote no model, oldest first; removes marks without a folder."""
    runs: list[UnfinishedRun] = []
    for path in sorted((data / RUNS).glob(f"*{MARK_SUFFIX}")):
        is_running = _is_locked(path)
        try:
            mark = msgspec.json.decode(path.read_bytes(), type=RunMark)
        except FileNotFoundError:  # it ended meanwhile
            continue
        except UNDECODABLE:
            raise BrokenError(f"`{path}` does not say which run it is of", "delete it") from None
        folder = Path(mark.folder)
        if is_running or folder.is_dir():
            run = UnfinishedRun(
                folder=folder,
                release=mark.release,
                started_at=mark.started_at,
                is_running=is_running,
            )
            runs.append(run)
        else:
            path.unlink(missing_ok=True)
    return sorted(runs, key=lambda run: run.started_at)


@contextmanager
def mark_running(data: Path, run: UUID, mark: RunMark) -> Iterator[None]:
    """Holds the mark of a run; removes it at the end, unless by an error or a signal."""
    make_folder(data / RUNS)
    path = data / RUNS / f"{run.hex}{MARK_SUFFIX}"
    with replacing(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(msgspec.json.encode(mark))
        held = os.dup(file.fileno())  # the lock belongs to the open file description
    try:
        yield
        path.unlink()
    finally:
        os.close(held)


def rename_folder(data: Path, old: Path, new: Path) -> None:
    for path in (data / RUNS).glob(f"*{MARK_SUFFIX}"):
        mark = msgspec.json.decode(path.read_bytes(), type=RunMark)
        if mark.folder == str(old.absolute()):
            with replacing(path) as file:
                file.write(
                    msgspec.json.encode(msgspec.structs.replace(mark, folder=str(new.absolute())))
                )


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
