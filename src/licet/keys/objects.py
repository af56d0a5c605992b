"""Objects: sealed bytes outside the database, in a folder or an S3 bucket, under names chosen by
Licet.

An object is written once, completely, under a new name, and later only deleted. `put` returns when
the bytes are durable: in a folder the file and every folder above it are synced, an S3 bucket's
answer is trusted; in both the bytes are read back and compared by hash. This module cannot read the
bytes: they need their keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from licet.config import Configuration
from licet.errors import BrokenError, BusyError, UsageError
from licet.store import bucket
from licet.store.files import sync

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_HINT = "check that the object store answers, and that its address and secret are correct"


class Objects(Protocol):
    """A store of objects."""

    def put(self, name: str, content: bytes) -> None:
        """Writes a new object, durable and read back on return. BusyError: retry under another
        name.
        """

    def read(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Returns the bytes at each (offset, length); BrokenError if the object is missing or too
        short.
        """

    def delete(self, name: str) -> None:
        """Deletes an object; a missing one is no error."""


class Stored:
    """Objects in obstore, opened at first use: a ``folder``, or an S3 bucket's ``url`` with its
    options.
    """

    def __init__(
        self, folder: Path | None = None, url: str = "", options: dict[str, Any] | None = None
    ) -> None:
        self._folder, self._url, self._options = folder, url, options or {}

    def __repr__(self) -> str:
        return f"Stored({self._folder or self._url})"

    @cached_property
    def _store(self) -> ObjectStore:
        from obstore.store import LocalStore, from_url

        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return LocalStore(self._folder)
        try:
            return from_url(self._url, **self._options)
        except Exception as error:
            # the library's message may quote the secret
            raise UsageError(
                f"the cold store `{self._url}` cannot be opened: {type(error).__name__}",
                "write its URL as in s3://BUCKET/FOLDER or file:///FOLDER: docs/configuration.md",
            ) from None

    def put(self, name: str, content: bytes) -> None:
        import obstore

        try:
            obstore.put(self._store, name, content, mode="create", use_multipart=False)
            if self._folder is not None:
                _sync(self._folder, name)
            back = obstore.get(self._store, name).bytes()
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _busy("written", error) from None
        if hashlib.sha256(back).digest() != hashlib.sha256(content).digest():
            raise BrokenError(f"object `{name}` read back differs from what was written")

    def read(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        import obstore

        starts, lengths = [start for start, _ in spans], [length for _, length in spans]
        try:
            # a file, unlike an S3 object, may be truncated, and past its end the library panics
            if self._folder is not None and (self._folder / name).stat().st_size < max(
                map(sum, spans), default=0
            ):
                raise BrokenError(f"object `{name}` is shorter than its recorded content")
            parts = [
                bytes(span)
                for span in obstore.get_ranges(self._store, name, starts=starts, lengths=lengths)
            ]
        except (obstore.exceptions.NotFoundError, FileNotFoundError):
            raise BrokenError(f"object `{name}` is not in the cold store") from None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _busy("read", error) from None
        return parts

    def delete(self, name: str) -> None:
        import obstore

        try:
            obstore.delete(self._store, name)
        except (obstore.exceptions.NotFoundError, FileNotFoundError):
            return
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _busy("deleted", error) from None


def _busy(action: str, error: Exception) -> BusyError:
    return BusyError(
        f"an object of the cold store could not be {action}: {type(error).__name__}", _HINT
    )


def _sync(folder: Path, name: str) -> None:
    """Makes a file durable, and each folder from its own up to the parent of ``folder``."""
    path = folder / name
    for parent in [path, *path.parents[: len(Path(name).parts) + 1]]:
        sync(parent)


def open_cold_store(config: Configuration) -> Objects:
    """Returns the installation's cold store, its bucket or the folder ``cold``, without contacting
    it. UsageError if a secret's file cannot be read.
    """
    if not config.cold.url:
        return Stored(config.data / "cold")
    return Stored(url=config.cold.url, options=bucket.options(config.cold, "cold store"))
