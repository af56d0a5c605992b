"""Repairs a restriction journal that cannot be opened, for a restore that an operator finishes.

Promise: every readable record stays in its place, in its order; none is trusted by this, because
each is authenticated when it is read (`keys.journal_frames`). Replaced parts are kept first, under
other names beside it. A missing file or object becomes an empty one, so that the numbers have no
gap; a misplaced one is set aside. An interrupted repair continues when called again. Nobody else
may use the journal meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

from licet.errors import BrokenError
from licet.keys import journal_bucket
from licet.keys.journal_frames import MAGIC, frames_in, pack_frame, readable_frames
from licet.store.bucket import Bucket
from licet.store.files import make_folder, sync

HOLE_MAX = 10_000  # a part beyond a longer gap is set aside: it may have been planted
SET_ASIDE = "set-aside"


class JournalPlace(Protocol):
    """The storage of a journal's parts: files of a folder, or objects of a bucket."""

    def names(self) -> list[str]:
        """Returns every name that may be a part's."""

    def read(self, name: str) -> bytes:
        """Returns a part's bytes."""

    def set_aside(self, name: str, content: bytes, *, remove: bool) -> str:
        """Stores ``content`` durably under another name; then removes the part if ``remove``."""

    def write(self, name: str, content: bytes) -> None:
        """Writes a part, replacing any of that name."""


class _FolderPlace:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder, 0o700)

    def names(self) -> list[str]:
        return sorted(path.name for path in self._folder.glob("*.log") if path.stem.isdecimal())

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def set_aside(self, name: str, content: bytes, *, remove: bool) -> str:
        kept = f"{SET_ASIDE}-{name}-{sha256(content).hexdigest()[:8]}"
        (self._folder / kept).write_bytes(content)
        sync(self._folder / kept)
        if remove:
            (self._folder / name).unlink()
        sync(self._folder)
        return str(self._folder / kept)

    def write(self, name: str, content: bytes) -> None:
        draft = self._folder / "draft"
        draft.write_bytes(content)
        sync(draft)
        draft.replace(self._folder / name)
        sync(self._folder)


class _BucketPlace:
    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def names(self) -> list[str]:
        return sorted(
            name for name in self._bucket.names(journal_bucket.PREFIX) if name.isdecimal()
        )

    def read(self, name: str) -> bytes:
        content = self._bucket.read(journal_bucket.PREFIX + name)
        return content.content if content is not None else b""

    def set_aside(self, name: str, content: bytes, *, remove: bool) -> str:
        kept = f"journal-{SET_ASIDE}/{name}-{sha256(content).hexdigest()[:8]}"
        self._bucket.put_compared(kept, content)
        if remove:
            self._bucket.delete(journal_bucket.PREFIX + name)
        return kept

    def write(self, name: str, content: bytes) -> None:
        self._bucket.put_compared(journal_bucket.PREFIX + name, content)


class PartForm(NamedTuple):
    """The name and header of a journal's parts: a segment's header is its id, an object's has a
    mark after it.
    """

    width: int
    suffix: str
    mark: int
    is_torn: bool

    def name(self, number: int) -> str:
        return f"{number:0{self.width}}{self.suffix}"

    def head(self, journal: bytes) -> bytes:
        return MAGIC + journal + bytes(self.mark)

    def identity(self, content: bytes) -> bytes | None:
        """Returns the journal's id in a part's header, or None."""
        end = len(MAGIC) + 16
        return (
            content[len(MAGIC) : end]
            if content.startswith(MAGIC) and len(content) >= end + self.mark
            else None
        )


_SEGMENTS = PartForm(8, ".log", 0, is_torn=True)
_OBJECTS = PartForm(10, "", journal_bucket.MARK_BYTES, is_torn=False)


def mend(place: Bucket | Path, journal: UUID | None) -> tuple[str, ...]:
    """Makes a journal readable; returns where the replaced parts are kept.

    ``journal`` is the id to use if the journal is gone or has no header left.
    """
    if isinstance(place, Path):
        return mend_parts(_FolderPlace(place), _SEGMENTS, journal)
    return mend_parts(_BucketPlace(place), _OBJECTS, journal)


def mend_parts(place: JournalPlace, form: PartForm, journal: UUID | None) -> tuple[str, ...]:
    names = place.names()
    places = [
        place.set_aside(name, place.read(name), remove=True)
        for name in _misplaced_names(names, form)
    ]
    names = place.names()
    identity = _journal_id((form.identity(place.read(name)) for name in names), journal)
    if identity is None:
        return tuple(places)  # unknown: opening it begins another journal
    last = int(names[-1].removesuffix(form.suffix)) if names else 1
    for number in range(1, last + 1):
        name = form.name(number)
        if name not in names:
            place.write(name, form.head(identity))
            continue
        content = place.read(name)
        if not _is_whole(content, name, form, identity, is_last=number == last):
            places.append(place.set_aside(name, content, remove=False))
            place.write(
                name, form.head(identity) + b"".join(map(pack_frame, readable_frames(content)))
            )
    return tuple(places)


def _misplaced_names(names: Iterable[str], form: PartForm) -> list[str]:
    """Returns the names of parts with malformed numbers, or after a long gap."""
    astray, last = [], 0
    for name in sorted(names, key=lambda part: int(part.removesuffix(form.suffix))):
        number = int(name.removesuffix(form.suffix))
        if name == form.name(number) and last < number <= last + HOLE_MAX:
            last = number
        else:
            astray.append(name)
    return astray


def _journal_id(headers: Iterable[bytes | None], journal: UUID | None) -> bytes | None:
    """Returns the id of most parts; ``journal`` if none has one."""
    counted = Counter(header for header in headers if header is not None)
    if journal is not None and (not counted or journal.bytes in counted):
        return journal.bytes
    return counted.most_common(1)[0][0] if counted else None


def _is_whole(content: bytes, name: str, form: PartForm, identity: bytes, *, is_last: bool) -> bool:
    if form.identity(content) != identity:
        return False
    try:
        for _ in frames_in(
            content[len(form.head(identity)) :], name, is_last=is_last and form.is_torn
        ):
            pass
    except BrokenError:
        return False
    return True
