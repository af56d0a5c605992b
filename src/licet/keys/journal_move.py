"""Moves a restriction journal from its folder into a bucket. Creating one object switches journals.

Promise: at any time at most one of the two opens as the installation's journal, wherever the
program is killed, and acknowledged records are in it. Called again, it continues. The folder is
renamed and kept.

    1   under the folder's lock, segment N becomes object N + 1, read back and compared; without object 1, the bucket's journal
        cannot be opened
    2   the folder is renamed to `NAME-moved`: opening the old name begins a journal that is not the database's
    3   object 1, the header alone, is created: from now on the bucket has the journal

The mark of each object is a hash of its frames, so that a repeated run recognises its objects.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from licet.errors import BrokenError, RefusedError, UsageError
from licet.keys.journal_bucket import HEAD_BYTES, MARK_BYTES, PREFIX, object_name
from licet.keys.journal_frames import MAGIC, frames_in
from licet.keys.restriction_journal import SEGMENT_BYTES_MAX, FolderSegments, segment_files
from licet.store.bucket import Bucket
from licet.store.files import sync

_SEGMENT_HEAD = len(MAGIC) + 16


class JournalMoved(NamedTuple):
    """Counts of a journal, and the folder that still has it."""

    id: UUID
    objects: int
    records: int
    bytes: int
    folder: Path


def moved_folder(folder: Path) -> Path:
    """Returns the name of a journal's folder after the move."""
    return folder.with_name(f"{folder.name}-moved")


def forecast_move(folder: Path, bucket: Bucket) -> JournalMoved:
    """Counts what `move_journal` would move, or has moved; raises its errors, changes nothing."""
    if (moved := moved_folder(folder)).is_dir():
        return _describe(moved)
    _refuse_missing(folder)
    described = _describe(folder)
    _refuse_other(bucket, described.id, described.objects)
    return described


def move_journal(folder: Path, bucket: Bucket, beside: Callable[[], None]) -> JournalMoved:
    """Moves the journal; ``beside`` moves prerequisites, while nobody appends.

    UsageError if there is no journal, RefusedError if the bucket has another one.
    """
    moved = moved_folder(folder)
    if not moved.is_dir():
        _refuse_missing(folder)
        with (
            closing(FolderSegments(folder, os.urandom, SEGMENT_BYTES_MAX)) as segments,
            segments.exclusive(),
        ):
            objects = list(objects_of(folder))
            _refuse_other(bucket, segments.tail.journal, len(objects))
            for name, content in reversed(objects[1:]):
                bucket.put_compared(name, content)
            beside()
            _rename(folder, moved)
    objects = list(objects_of(moved))
    if bucket.create(*objects[0]) is None:
        raise _other_error()
    for name, content in objects:
        stored = bucket.read(name)
        if stored is None or stored.content != content:
            raise BrokenError(
                f"object `{name}` is not what `{moved}` has",
                f"keep `{moved}`: it has the restriction journal",
            )
    return _describe(moved)


def _refuse_missing(folder: Path) -> None:
    if not segment_files(folder):
        raise UsageError(
            f"there is no restriction journal in `{folder}`",
            "name the data folder that has it with --data",
        )


def _refuse_other(bucket: Bucket, ident: UUID, objects: int) -> None:
    """Refuses a bucket with a journal or log that no earlier run of this move wrote."""
    names = bucket.names(PREFIX)
    if not names and (bucket.below("log/") or bucket.below("log-state/")):
        raise _other_error()
    if any(name not in map(object_name, range(2, objects + 1)) for name in names):
        raise _other_error()
    for name in names:
        stored = bucket.read(PREFIX + name)
        if stored is None or stored.content[len(MAGIC) : _SEGMENT_HEAD] != ident.bytes:
            raise _other_error()


def _other_error() -> RefusedError:
    return RefusedError(
        "the bucket has a journal or a log already",
        "name an empty folder of a bucket in LICET_STORE__URL; a start that was refused leaves an "
        "empty journal, which may be deleted",
        because="other_journal",
    )


def objects_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the objects of a folder's segments, the header first."""
    for number, path in enumerate((None, *segment_files(folder)), 1):
        content = (path or segment_files(folder)[0]).read_bytes()
        frames = content[_SEGMENT_HEAD:] if path else b""
        mark = sha256(number.to_bytes(8, "big") + frames).digest()[:MARK_BYTES]
        yield PREFIX + object_name(number), content[:_SEGMENT_HEAD] + mark + frames


def _rename(folder: Path, moved: Path) -> None:
    try:
        folder.rename(moved)
    except OSError as error:
        raise RefusedError(
            f"`{folder}` cannot be renamed to `{moved.name}`: {type(error).__name__}",
            "the journal is still in it; let its parent be writable, and the folder itself "
            "no mount point",
        ) from None
    sync(folder.parent)


def _describe(folder: Path) -> JournalMoved:
    records, ident, objects = 0, b"", list(objects_of(folder))
    for name, content in objects:
        ident = content[len(MAGIC) : _SEGMENT_HEAD]
        records += sum(
            1 for _ in frames_in(content[HEAD_BYTES:], name, is_last=name == objects[-1][0])
        )
    size = sum(len(content) for _, content in objects)
    return JournalMoved(UUID(bytes=ident), len(objects), records, size, folder)
