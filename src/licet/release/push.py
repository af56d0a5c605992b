"""Copies a sealed release to an object store, and updates that copy after a purge.

Layout: the folder's files under the same names, and `files.json`, `{"files":{name:SHA-256},"v":1}`,
which tells the next push what is there. Parts and proofs are written before the manifest, so that a
copy with a manifest has all parts; `files.json` is written last. A push after a killed one sends
everything that `files.json` does not name.

The copy is sealed like the folder: the bucket contains no text. No key is read here.
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
    """Files and bytes sent, files deleted and files unchanged, or as a dry run predicts them."""

    url: str
    sent: tuple[str, ...]
    sent_bytes: int
    deleted: tuple[str, ...]
    unchanged: int


class FileIndex(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`files.json`: the files of a release, each with its SHA-256."""

    files: Mapping[str, str]
    v: Literal[1] = 1


def decode_index(data: bytes) -> Mapping[str, str]:
    """Decodes `files.json`; BrokenError."""
    try:
        return msgspec.json.decode(data, type=FileIndex).files
    except UNDECODABLE:
        raise BrokenError(f"`{INDEX_FILE}` is not that of a release") from None


def open_store(url: str) -> ObjectStore:
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


def fetch_object(store: ObjectStore, name: str, bytes_max: int) -> bytes | None:
    """A small object; None if it is not there, BusyError if the store does not answer."""
    import obstore

    try:
        if obstore.head(store, name)["size"] > bytes_max:
            raise BrokenError(f"`{name}` has more than `{bytes_max}` bytes")
        return bytes(obstore.get(store, name).bytes())
    except (obstore.exceptions.NotFoundError, FileNotFoundError):
        return None
    except (obstore.exceptions.BaseError, OSError) as error:
        raise store_error("read", error) from None


def store_error(participle: str, error: Exception) -> BusyError:
    """The error of an unreachable store, without the library's message: it may quote a secret."""
    return BusyError(
        f"an object of a release could not be {participle}: {type(error).__name__}", _HINT
    )


def push(
    folder: Path,
    url: str,
    *,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda _bytes: None,
) -> PushResult:
    """Updates the copy at ``url`` to the state of ``folder``; ``progress`` gets the bytes sent.

    BrokenError if another release is there.
    """
    store, name = open_store(url), manifest.FILE
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
    paths: Mapping[str, Path],
    changed: list[str],
    removed: list[str],
    digests: Mapping[str, str],
    progress: Callable[[int], Any],
) -> None:
    import obstore

    try:
        for one in changed:
            obstore.put(store, one, paths[one])
            progress(paths[one].stat().st_size)
        for one in removed:
            obstore.delete(store, one)
        obstore.put(
            store, INDEX_FILE, msgspec.json.encode({"files": dict(sorted(digests.items())), "v": 1})
        )
    except (obstore.exceptions.BaseError, OSError) as error:
        raise store_error("written", error) from None


def _index(store: ObjectStore) -> Mapping[str, str]:
    data = fetch_object(store, INDEX_FILE, INDEX_BYTES_MAX)
    if data is None:
        return {}
    return decode_index(data)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, sha256).hexdigest()
