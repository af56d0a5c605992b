"""Moves shared state (restriction journal, log, releases) from folders into the bucket, and
verifies it there.

Promise: nothing is lost or forked, wherever the program is killed; run again, it continues. It
holds the sequencer's and the journal's locks, so no server appends meanwhile. The authoritative
journal changes in one step (`keys.journal_move`), after the log is completely in the bucket. The
installation is then opened from the bucket, with the checks of every start, and the releases
follow. Folders are renamed and kept; releases stay as copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from licet.clock import Clock
from licet.config import Configuration, Store
from licet.errors import BusyError, UsageError
from licet.keys import journal_move
from licet.keys.journal_move import JournalMoved, moved_folder
from licet.ledger.sequence import SEQUENCER_LOCK
from licet.ledger.storage import copy_to_bucket, log_files
from licet.proof import documents
from licet.release import registry, release_store
from licet.release.registry import Release
from licet.store import bucket as buckets
from licet.store.bucket import Bucket
from licet.store.connect import advisory_lock, transaction
from licet.store.files import sync
from licet.vault.installation import Installation, open_installation

FOLDERS = ("log", "log-state")


class MovedPart(msgspec.Struct, frozen=True, kw_only=True):
    files: int
    bytes: int


class StoreMove(msgspec.Struct, frozen=True, kw_only=True):
    """What was or would be moved. ``missing`` releases have no folder on this host; ``kept``
    folders still contain the moved state.
    """

    url: str
    moved: bool
    records: int
    journal: MovedPart
    log: MovedPart
    releases: dict[str, MovedPart]
    missing: list[str]
    kept: list[Path]


def forecast(config: Configuration, clock: Clock) -> StoreMove:
    """Returns what `move` would do. After a killed run: what was already moved, without
    releases.
    """
    bucket = _bucket(config)
    if journal_move.moved_folder(config.journal).is_dir():
        return _move_report(
            config, journal_move.forecast_move(config.journal, bucket), {}, moved=False
        )
    with (
        open_installation(_in_folders(config), clock, create=False) as opened,
        _server_lock(opened),
    ):
        found = journal_move.forecast_move(config.journal, bucket)
        parts = {known.name: _release_part(opened, known) for known in _sealed_releases(opened)}
    return _move_report(config, found, parts, moved=False)


def move(
    config: Configuration, clock: Clock, progress: Callable[[str], None] = lambda _: None
) -> StoreMove:
    """Moves everything, calling ``progress`` with each part; BusyError while a server runs."""
    bucket = _bucket(config)
    progress("restriction journal and log")
    if journal_move.moved_folder(config.journal).is_dir():
        found = journal_move.move_journal(config.journal, bucket, lambda: None)
    else:
        with (
            open_installation(_in_folders(config), clock, create=False) as opened,
            _server_lock(opened),
        ):
            found = journal_move.move_journal(
                config.journal, bucket, lambda: _copy_log(config, bucket)
            )
    for name in FOLDERS:
        _rename_moved(config.data / name)
    parts: dict[str, MovedPart | None] = {}
    with open_installation(_in_bucket(config), clock, create=False) as opened:
        for known in _sealed_releases(opened):
            progress(f"release {known.name}")
            release_store.find_folder(opened, known)
            copied = release_store.verify_objects(opened, known)
            parts[known.name] = (
                MovedPart(files=copied.files, bytes=copied.bytes) if copied is not None else None
            )
    return _move_report(config, found, parts, moved=True)


def _move_report(
    config: Configuration,
    journal: JournalMoved,
    releases: dict[str, MovedPart | None],
    *,
    moved: bool,
) -> StoreMove:
    logs = [_current_folder(config.data / name) for name in FOLDERS]
    files = [folder / name for folder in logs for name in log_files(folder)]
    return StoreMove(
        url=config.store.url or "",
        moved=moved,
        records=journal.records,
        journal=MovedPart(files=journal.objects, bytes=journal.bytes),
        log=MovedPart(files=len(files), bytes=sum(file.stat().st_size for file in files)),
        releases={name: part for name, part in releases.items() if part is not None},
        missing=[name for name, part in releases.items() if part is None],
        kept=[folder for folder in (journal.folder, *logs) if folder.is_dir()],
    )


def _bucket(config: Configuration) -> Bucket:
    bucket = buckets.open_bucket(config.store)
    if bucket is None:
        raise UsageError(
            "no bucket is configured", "set LICET_STORE__URL and its key: docs/configuration.md"
        )
    return bucket


def _in_folders(config: Configuration) -> Configuration:
    return msgspec.structs.replace(config, store=Store())


def _in_bucket(config: Configuration) -> Configuration:
    return msgspec.structs.replace(config, restrictions=None)


@contextmanager
def _server_lock(installation: Installation) -> Iterator[None]:
    """Holds the lock of a running server; BusyError if one runs."""
    with advisory_lock(installation.pool, SEQUENCER_LOCK) as mine:
        if not mine:
            raise BusyError(
                "a server is running, or `licet ledger append`", "stop every server, then try again"
            )
        yield


def _release_part(installation: Installation, release: Release) -> MovedPart | None:
    folder = release_store.find_folder(installation, release)
    if folder is None:
        return None
    files = [path for path in folder.rglob("*") if path.is_file()]
    return MovedPart(files=len(files), bytes=sum(file.stat().st_size for file in files))


def _current_folder(folder: Path) -> Path:
    """Returns a folder of the log, under its present name."""
    moved = moved_folder(folder)
    return moved if moved.is_dir() else folder


def _copy_log(config: Configuration, bucket: Bucket) -> None:
    for name, target in zip(FOLDERS, documents.bucket_folders(bucket), strict=True):
        copy_to_bucket(config.data / name, target, lambda _: None)


def _rename_moved(folder: Path) -> None:
    if folder.is_dir():
        folder.rename(moved_folder(folder))
        sync(folder.parent)


def _sealed_releases(installation: Installation) -> list[Release]:
    with transaction(installation.pool) as tx:
        return [known for known in registry.list_all(tx) if known.state == "sealed"]
