"""Copies a sealed release to an object store, and brings that copy to the state of the folder again
after a purge.

Layout: the folder's files under the same names, and `files.json`, `{"files":{name:SHA-256},"v":1}`,
by which the next push knows what is there. Parts and proofs are written before the manifest, so
that a copy with a manifest has all parts; `files.json` is written last. A push that was killed is
repeated whole but for what `files.json` names.

The copy is sealed as the folder is: anyone who can read the bucket sees no text. Nothing here reads
a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from licet.errors import BrokenError, BusyError, NotInstalledError, UsageError
from licet.release import manifest
from licet.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from obstore.store import ObjectStore

INDEX_FILE = "files.json"
INDEX_BYTES_MAX = 64 * 2**20
_HINT = (
    "check the address and the credentials (AWS_ACCESS_KEY_ID and the others that S3's tools read)"
)


class PushResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was copied, or, in a dry run, would be: files and bytes sent, files deleted, files that
    were there.
    """

    url: str
    sent: tuple[str, ...]
    sent_bytes: int
    deleted: tuple[str, ...]
    unchanged: int


class FileIndex(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `files.json` says: the files of a release, each with the SHA-256 of its bytes."""

    files: Mapping[str, str]
    v: Literal[1] = 1


def decoded_index(data: bytes) -> Mapping[str, str]:
    """The files that a `files.json` names; BrokenError if it is none."""
    try:
        return msgspec.json.decode(data, type=FileIndex).files
    except UNDECODABLE:
        raise BrokenError(f"`{INDEX_FILE}` is not that of a release") from None


def store_at(url: str) -> ObjectStore:
    """The object store at ``url``: `s3://`, `gs://`, `az://` or `file://`, with the credentials of
    the environment.
    """
    try:
        from obstore.store import from_url
    except ImportError:
        raise NotInstalledError("obstore", "loader") from None
    if "://" not in url:
        raise UsageError(
            f"`{url}` is not the address of an object store", "it begins like `s3://bucket/folder`"
        )
    try:
        return from_url(url.rstrip("/"))
    except Exception as error:
        # the library's message may quote a secret
        raise UsageError(
            f"the object store `{url}` cannot be opened: {type(error).__name__}", _HINT
        ) from None


def fetched(store: ObjectStore, name: str, bytes_max: int) -> bytes | None:
    """A small object; None if it is not there, BusyError if the store does not answer."""
    import obstore

    try:
        if obstore.head(store, name)["size"] > bytes_max:
            raise BrokenError(f"`{name}` has more than `{bytes_max}` bytes")
        return bytes(obstore.get(store, name).bytes())
    except (obstore.exceptions.NotFoundError, FileNotFoundError):
        return None
    except (obstore.exceptions.BaseError, OSError) as error:
        raise unreachable("read", error) from None


def unreachable(what: str, error: Exception) -> BusyError:
    """For an object store that does not answer; the library's message is not quoted, as it may have
    a secret.
    """
    return BusyError(f"an object of a release could not be {what}: {type(error).__name__}", _HINT)


def push(
    folder: Path,
    url: str,
    *,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda _bytes: None,
) -> PushResult:
    """Brings the copy at ``url`` to the state of ``folder``; ``progress`` is told of bytes sent.

    BrokenError where another release lies there.
    """
    store, name = store_at(url), manifest.FILE
    there = _index(store)
    own = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    digests = {one: _digest(path) for one, path in own.items()}
    if there.get(name, digests[name]) != digests[name]:
        raise BrokenError(f"another release lies at `{url}`", "name a folder of its own")
    changed = [
        one
        for one in sorted(own, key=lambda one: (one == name, one))
        if there.get(one) != digests[one]
    ]
    gone = sorted(set(there) - set(own))
    result = PushResult(
        url=url,
        sent=tuple(changed),
        sent_bytes=sum(own[one].stat().st_size for one in changed),
        deleted=tuple(gone),
        unchanged=len(own) - len(changed),
    )
    if not dry_run and (changed or gone):
        _send(store, own, changed, gone, digests, progress)
    return result


def _send(
    store: ObjectStore,
    own: Mapping[str, Path],
    changed: list[str],
    gone: list[str],
    digests: Mapping[str, str],
    progress: Callable[[int], Any],
) -> None:
    import obstore

    try:
        for one in changed:
            obstore.put(store, one, own[one])
            progress(own[one].stat().st_size)
        for one in gone:
            obstore.delete(store, one)
        obstore.put(
            store, INDEX_FILE, msgspec.json.encode({"files": dict(sorted(digests.items())), "v": 1})
        )
    except (obstore.exceptions.BaseError, OSError) as error:
        raise unreachable("written", error) from None


def _index(store: ObjectStore) -> Mapping[str, str]:
    data = fetched(store, INDEX_FILE, INDEX_BYTES_MAX)
    if data is None:
        return {}
    return decoded_index(data)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, sha256).hexdigest()
