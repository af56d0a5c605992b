"""Storage of an installation's releases: in folders of one host, or in a bucket shared by hosts.

With a bucket (`LICET_STORE__URL`) sealed releases are stored there, and each host caches those that
it needs as ordinary folders below `config.releases`:

    releases/RELEASE/SHA256        a file of the release, under the hash of its bytes: never written over
    releases/RELEASE/files.json    {"files":{name:SHA-256},"v":1}: what the release is now, replaced under a condition
    .NAME.json                     on a host: the version of `files.json` that its folder has, beside the folder

`files.json` is written last, and its manifest must be the sealed one in the database. So a reader
has all files of one version, or none: a writer killed midway leaves only unreferenced files. Each
file's hash is checked before it enters the folder. Changes after the seal (review, measurement,
purge) are made in one host's folder under a database lock, and all hosts see them when the block of
`publish_changes` ends. If the host is killed inside, it continues when it next uses the release;
the database's part of the change is redone by repeating the command.

Every writer to a release in the bucket holds its database lock, and so does `delete_unreferenced`.

Cached folders may take `LICET_STORE__RELEASES_BYTES`: the least recently used are removed, none
that was used within an hour.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import file_digest, sha256
from pathlib import Path

import msgspec

from licet.errors import BrokenError, BusyError
from licet.ledger.canonical_json import canonical
from licet.release import manifest, registry
from licet.release.push import INDEX_FILE, decode_index
from licet.release.registry import Release
from licet.store import bucket as buckets
from licet.store.bucket import Bucket, TaggedObject
from licet.store.connect import transaction
from licet.store.files import make_folder, replacing
from licet.undecodable import UNDECODABLE
from licet.vault.installation import Installation

CHANGE_LOCK = 0x11CE9
ATTEMPTS_MAX = 5
KEPT_SECONDS = 3_600
LEFT_DAYS = 7  # after which an unreferenced object is deleted
_NAME = re.compile(
    r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", re.ASCII
)


class _FolderState(msgspec.Struct, frozen=True, kw_only=True):
    """A host's record of its folder. ``tag`` is empty until all files of a version are there."""

    release: str
    tag: str
    files: Mapping[str, str]
    is_changing: bool = False


def find_folder(installation: Installation, release: Release) -> Path | None:
    """The up-to-date folder of a release on this host; None if it is stored nowhere.

    BrokenError if something else has its path.
    """
    place, bucket = (
        installation.config.releases / release.name,
        buckets.open_bucket(installation.config.store),
    )
    if bucket is None or release.state != "sealed":
        return place if place.is_dir() else None
    home = _BucketRelease(installation, bucket, release, place)
    with home.locked():
        standing = home.load_state()
        if standing is not None and standing.is_changing:
            with home.exclude_writers() as mine:
                if mine:  # the process that changed it was killed
                    home.publish_interrupted(standing)
            return place  # another process is changing it: readers accept every state in between
        return place if home.fetch() else None


def find_manifest(installation: Installation, release: Release) -> manifest.ReleaseManifest | None:
    """The manifest of a release, from this host or the bucket; None if it is stored nowhere."""
    place, bucket = (
        installation.config.releases / release.name,
        buckets.open_bucket(installation.config.store),
    )
    if (place / manifest.FILE).is_file():
        made, hashed = manifest.read_manifest(place)
        if (
            bucket is None
            or release.manifest_sha256 is None
            or release.manifest_sha256.hex() == hashed
        ):
            return made
    if bucket is None or release.manifest_sha256 is None:
        return None
    data = bucket.read_fixed(_object(release, release.manifest_sha256.hex()))
    return manifest.decode(data) if data is not None else None


def publish(installation: Installation, release: Release, place: Path) -> None:
    """Uploads a newly sealed release from its folder to the bucket, if there is one."""
    bucket = buckets.open_bucket(installation.config.store)
    if bucket is None or release.state != "sealed":
        return
    home = _BucketRelease(installation, bucket, release, place)
    with home.locked():
        home.publish_new()


@contextmanager
def publish_changes(installation: Installation, release: Release, place: Path) -> Iterator[None]:
    """Publishes the block's changes of a release's own folder to all hosts; BusyError while another
    host changes it. Changes of any other copy of the release are not published.
    """
    bucket = buckets.open_bucket(installation.config.store)
    if (
        bucket is None
        or place.absolute() != (installation.config.releases / release.name).absolute()
    ):
        yield
        return
    home = _BucketRelease(installation, bucket, release, place)
    with home.exclude_writers() as mine:
        if not mine:
            raise BusyError(
                f"release `{release.name}` is being changed on another host", "try again"
            )
        with home.locked():
            home.fetch(is_alone=True)
            home.begin_change()
        yield
        with home.locked():
            home.publish(home.index())


def delete_unreferenced(
    installation: Installation, now: datetime, *, dry_run: bool = False
) -> dict[str, list[str]]:
    """Deletes objects of sealed releases that `files.json` does not name and that are older than
    `LEFT_DAYS`; returns them by release. A process killed during a publication or purge leaves such
    objects. Releases that are being published or changed, or that the database lacks, are skipped.
    """
    bucket, gone = buckets.open_bucket(installation.config.store), dict[str, list[str]]()
    if bucket is None:
        return gone
    with transaction(installation.pool) as tx:
        sealed = [known for known in registry.list_all(tx) if known.state == "sealed"]
    for known in sealed:
        home = _BucketRelease(
            installation, bucket, known, installation.config.releases / known.name
        )
        with home.exclude_writers() as mine:
            if mine and (leftovers := home.leftovers(now - timedelta(days=LEFT_DAYS))):
                gone[known.name] = leftovers
                for name in () if dry_run else leftovers:
                    bucket.delete(_object(known, name))
    return gone


class ReleaseObjects(msgspec.Struct, frozen=True, kw_only=True):
    """The size of a release in the bucket."""

    files: int
    bytes: int


def verify_objects(installation: Installation, release: Release) -> ReleaseObjects | None:
    """Verifies the hash of every file of a release in the bucket; None if the release is not there.
    BrokenError for a missing or different file.
    """
    bucket = buckets.open_bucket(installation.config.store)
    if bucket is None or release.state != "sealed":
        return None
    home = _BucketRelease(
        installation, bucket, release, installation.config.releases / release.name
    )
    index = home.index()
    return home.compared(index) if index is not None else None


class _BucketRelease:
    """A sealed release in the bucket, and its folder on this host."""

    def __init__(
        self, installation: Installation, bucket: Bucket, release: Release, place: Path
    ) -> None:
        assert release.manifest_sha256 is not None
        self._installation, self._bucket, self._known, self._place = (
            installation,
            bucket,
            release,
            place,
        )
        self._sealed = release.manifest_sha256.hex()
        self._file = place.with_name(f".{place.name}.json")
        self._is_own = place.absolute() == (installation.config.releases / release.name).absolute()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Excludes other processes of this host; the kernel releases a dead process's lock."""
        if not self._is_own:
            yield
            return
        make_folder(self._place.parent)
        with self._place.with_name(f".{self._place.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def exclude_writers(self) -> Iterator[bool]:
        """Tries to exclude all other writers for the block; yields whether that succeeded."""
        with transaction(self._installation.pool) as tx:
            row = tx.execute(
                "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))",
                [CHANGE_LOCK, self._known.name],
            ).fetchone()
            yield row is not None and bool(row[0])

    def load_state(self) -> _FolderState | None:
        """The record of the folder; None for one that was neither published nor fetched."""
        try:
            state = msgspec.json.decode(self._file.read_bytes(), type=_FolderState)
        except (FileNotFoundError, *UNDECODABLE):
            return None
        return state if state.release == self._known.release_id.hex else None

    def index(self) -> TaggedObject | None:
        return self._bucket.read(_object(self._known, INDEX_FILE))

    def fetch(self, *, is_alone: bool = False) -> bool:
        """Updates the folder from the bucket; False if neither has the release. ``is_alone``: the
        caller excludes other writers.
        """
        for _ in range(ATTEMPTS_MAX):
            index = self.index()
            if index is None:
                if not self._is_whole():
                    return False
                if is_alone:
                    self.publish(None)
                else:
                    self.publish_new()  # its builder was killed before publishing
                return True
            standing = self.load_state()
            if standing is not None and standing.tag == index.tag and self._place.is_dir():
                os.utime(self._file)
                return True
            if self._fetch(self._files(index), index.tag):
                self._make_room()
                return True
        raise BusyError(
            f"release `{self._known.name}` is being changed on another host", "try again"
        )

    def compared(self, index: TaggedObject) -> ReleaseObjects:
        size, files = 0, self._files(index)
        for name, expected in files.items():
            hashed = sha256()
            for chunk in self._bucket.chunks(_object(self._known, expected)) or ():
                hashed.update(chunk)
                size += len(chunk)
            if hashed.hexdigest() != expected:
                raise BrokenError(
                    f"`{name}` of release `{self._known.name}` is not what was written to "
                    "the bucket"
                )
        return ReleaseObjects(files=len(files), bytes=size)

    def publish_interrupted(self, standing: _FolderState) -> None:
        """Publishes the changes of a killed process, unless another host changed the release since:
        its changes then win.
        """
        index = self.index()
        if index is not None and index.tag == standing.tag:
            self.publish(index)
        else:
            self.fetch(is_alone=True)

    def begin_change(self) -> None:
        standing = self.load_state()
        assert standing is not None
        self._write(msgspec.structs.replace(standing, is_changing=True))

    def publish_new(self) -> None:
        """Publishes while excluding all other writers."""
        with self.exclude_writers() as mine:
            if not mine:
                raise BusyError(
                    f"release `{self._known.name}` is being changed on another host", "try again"
                )
            self.publish(self.index())

    def leftovers(self, before: datetime) -> list[str]:
        """The unreferenced objects written before ``before``, thus by killed processes."""
        written, index = self._bucket.written(_object(self._known, "")), self.index()
        named = {INDEX_FILE, *(self._files(index).values() if index is not None else ())}
        return sorted(name for name, at in written.items() if name not in named and at < before)

    def publish(self, before: TaggedObject | None) -> None:
        """Publishes the folder to all hosts; BusyError if another host was first."""
        was = self._files(before) if before is not None else {}
        now = self._digests()
        if now.get(manifest.FILE) != self._sealed:
            raise BrokenError(f"the manifest in `{self._place}` is not the one that was sealed")
        for hashed, path in {hashed: self._place / name for name, hashed in now.items()}.items():
            if hashed not in was.values():
                self._bucket.send(_object(self._known, hashed), path)
        data, name = canonical({"files": dict(now), "v": 1}), _object(self._known, INDEX_FILE)
        tag = (
            self._bucket.replace(name, data, before.tag)
            if before
            else self._bucket.create(name, data)
        )
        if tag is None:
            raise BusyError(
                f"release `{self._known.name}` was changed on another host meanwhile", "try again"
            )
        self._write(_FolderState(release=self._known.release_id.hex, tag=tag, files=now))
        for hashed in set(was.values()) - set(now.values()):
            self._bucket.delete(_object(self._known, hashed))

    def _is_whole(self) -> bool:
        """Whether the folder has the sealed release: a build writes the manifest last."""
        return (self._place / manifest.FILE).is_file() and digest(
            self._place / manifest.FILE
        ) == self._sealed

    def _files(self, index: TaggedObject) -> Mapping[str, str]:
        try:
            files = decode_index(index.content)
        except BrokenError:
            files = {}
        if files.get(manifest.FILE) != self._sealed or not all(map(_NAME.fullmatch, files)):
            raise BrokenError(
                f"the bucket has another release than the sealed `{self._known.name}`",
                "restore its objects from a copy",
            )
        return files

    def _fetch(self, files: Mapping[str, str], tag: str) -> bool:
        """Makes the folder contain exactly these files; False if an object is gone."""
        standing = self.load_state()
        if standing is None and self._place.exists() and not self._is_whole():
            raise BrokenError(
                f"`{self._place}` has the path of release `{self._known.name}`",
                "move it away, then try again",
            )
        is_known = standing is not None and standing.tag and not standing.is_changing
        own = standing.files if standing is not None and is_known else self._digests()
        self._write(_FolderState(release=self._known.release_id.hex, tag="", files={}))
        for name in sorted(set(files), key=lambda one: (one == manifest.FILE, one)):
            if own.get(name) == files[name] and (self._place / name).is_file():
                continue
            chunks = self._bucket.chunks(_object(self._known, files[name]))
            if chunks is None:
                return False
            make_folder((self._place / name).parent)
            self._keep(name, files[name], chunks)
        for name in set(own) - set(files):
            (self._place / name).unlink(missing_ok=True)
        self._write(_FolderState(release=self._known.release_id.hex, tag=tag, files=files))
        return True

    def _keep(self, name: str, expected: str, chunks: Iterator[bytes]) -> None:
        found = sha256()
        with replacing(self._place / name) as target:
            for chunk in chunks:
                found.update(chunk)
                target.write(chunk)
            if found.hexdigest() != expected:
                raise BrokenError(
                    f"`{name}` of release `{self._known.name}` is not what was written to "
                    "the bucket"
                )

    def _digests(self) -> dict[str, str]:
        """The hash of each complete file of the folder."""
        digests = {
            path.relative_to(self._place).as_posix(): path
            for path in self._place.rglob("*")
            if path.is_file()
        }
        return {
            name: digest(path) for name, path in sorted(digests.items()) if _NAME.fullmatch(name)
        }

    def _make_room(self) -> None:
        """Removes cached folders, least recently used first, until the rest fits."""
        cached = []
        for file in self._place.parent.glob(".*.json"):
            place = file.with_name(file.name[1 : -len(".json")])
            if place != self._place and place.is_dir():
                bytes_ = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
                cached.append((file.stat().st_mtime, bytes_, file, place))
        own = sum(path.stat().st_size for path in self._place.rglob("*") if path.is_file())
        total = own + sum(bytes_ for _, bytes_, _, _ in cached)
        now = self._file.stat().st_mtime  # written a moment ago
        for used, bytes_, file, place in sorted(cached):
            if total <= self._installation.config.store.releases_bytes or now - used < KEPT_SECONDS:
                return
            if _removed(file, place):
                total -= bytes_

    def _write(self, standing: _FolderState) -> None:
        if not self._is_own:
            return
        with replacing(self._file) as file:
            file.write(msgspec.json.encode(standing))


def _removed(file: Path, place: Path) -> bool:
    """Removes a folder equal to the bucket's copy, unless it is in use."""
    with place.with_name(f".{place.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            standing = msgspec.json.decode(file.read_bytes(), type=_FolderState)
        except (BlockingIOError, FileNotFoundError, *UNDECODABLE):
            return False
        if standing.is_changing:
            return False
        # if killed here, the folder does not pass for whole
        with replacing(file) as target:
            target.write(msgspec.json.encode(msgspec.structs.replace(standing, tag="", files={})))
        shutil.rmtree(place)
        file.unlink()
    return True


def _object(release: Release, name: str) -> str:
    return f"releases/{release.release_id.hex}/{name}"


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
