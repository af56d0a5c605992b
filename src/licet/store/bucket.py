"""A bucket of an S3 service: whole objects, written with conditional requests.

Promise: after `create` or `replace` returned a tag, the object has exactly those bytes, and no
other writer's call for the same name under the same condition succeeded. None means that another
writer was first; nothing was changed. BusyError means that the service did not answer: the object
may have been written, and the caller must read before it goes on. What S3 calls strongly consistent
is required: a read sees every write that was answered before it.

A write whose answer was lost, and which the library repeats, meets its own object; so a refused
condition is compared with what is there. Two writers that write the same bytes both succeed: who
must know which of them it was puts something unique into the bytes.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import uuid4

from licet.errors import BrokenError, BusyError, UsageError
from licet.store.circuit import CircuitBreaker

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ObjectStore

SECRET_BYTES_MAX = 4_096
CONNECT_SECONDS_MAX = 5
REQUEST_SECONDS_MAX = 30
PROMPT_SECONDS_MAX = 2  # of a probe
RETRIES_MAX = 3
OBJECT_BYTES_MAX = 1 << 28
CACHE_BYTES_MAX = 16 * 2**20
READS_AT_ONCE_MAX = 16
CHUNK_BYTES = 4 * 2**20
PROBE_FOLDER = "doctor/"
SILENT = "bucket_silent"
_LOCAL = ("memory:", "file:")
_HINT = "check that the object store answers, and that its address, key and secret are correct"


class BucketSettings(Protocol):
    """The settings of a bucket in a section of the configuration."""

    @property
    def url(self) -> str | None: ...
    @property
    def endpoint(self) -> str | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def access_key_id(self) -> str | None: ...
    @property
    def secret_access_key_file(self) -> Path | None: ...


def options(settings: BucketSettings, what: str) -> dict[str, Any]:
    """The options for obstore; UsageError, which names the store ``what``, if the file with the
    secret cannot be read.
    """
    given = {
        "endpoint": settings.endpoint,
        "region": settings.region,
        "access_key_id": settings.access_key_id,
        "secret_access_key": _secret(settings.secret_access_key_file, what),
    }
    options_: dict[str, Any] = {name: value for name, value in given.items() if value}
    options_["client_options"] = {
        "connect_timeout": f"{CONNECT_SECONDS_MAX}s",
        "timeout": f"{REQUEST_SECONDS_MAX}s",
    }
    options_["retry_config"] = {
        "max_retries": RETRIES_MAX,
        "retry_timeout": timedelta(seconds=REQUEST_SECONDS_MAX),
    }
    if (settings.endpoint or "").startswith("http://"):
        options_["client_options"]["allow_http"] = True
    return options_


def _secret(path: Path | None, name: str) -> str | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return file.read(SECRET_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"`{path}`, the secret of the {name}, cannot be read: {type(error).__name__}"
        ) from None


class TaggedObject(NamedTuple):
    """An object's bytes, and the tag of this version of it."""

    content: bytes
    tag: str


class Bucket:
    """Objects below one address. Any thread may call it."""

    def __init__(
        self, url: str, options: dict[str, Any], circuit: CircuitBreaker | None = None
    ) -> None:
        """``options`` is what `options` returned. The service is not contacted yet."""
        self.url, self._options, self.circuit = url, options, circuit
        self._fixed: OrderedDict[str, bytes] = OrderedDict()
        self._fixed_bytes = 0
        self._mutex = threading.Lock()

    def __repr__(self) -> str:
        return f"Bucket({self.url})"

    @property
    def address(self) -> str:
        """Where it is, for people."""
        endpoint = self._options.get("endpoint")
        return f"{self.url}` at `{endpoint}" if endpoint else self.url

    @cached_property
    def store(self) -> ObjectStore:
        """The library's object, for what reads by ranges."""
        from obstore.store import from_url

        try:
            return from_url(self.url, **self._options)
        except Exception:
            # the library's message may quote the secret
            raise UsageError(
                f"the object store `{self.url}` cannot be opened",
                "write its URL as in s3://BUCKET/FOLDER or file:///FOLDER: docs/configuration.md",
            ) from None

    @cached_property
    def guarded(self) -> Bucket:
        """The same bucket behind a circuit breaker: after a call that was waited for and was not
        answered, `probe` among them, the others are refused at once.
        """
        made = Bucket(self.url, self._options, CircuitBreaker("the object store", _HINT, SILENT))
        if self.url.startswith(_LOCAL):  # another of these would be another store
            made.store = self.store
        return made

    @cached_property
    def _prompt(self) -> Bucket:
        """For reads that take `PROMPT_SECONDS_MAX` at most. No write may: one that was given up
        could still arrive, after what was written in its place.
        """
        seconds = f"{PROMPT_SECONDS_MAX}s"
        limits = {
            "client_options": {
                **self._options.get("client_options", {}),
                "connect_timeout": seconds,
                "timeout": seconds,
            },
            "retry_config": {"max_retries": 0},
        }
        return Bucket(self.url, {**self._options, **limits}, self.circuit)

    def probe(self) -> None:
        """BusyError if the service does not answer soon, for anyone who watches a `guarded`
        bucket.
        """
        if not self.url.startswith(_LOCAL):
            with self._prompt._calling("read", probes=True):
                self._prompt._get(f"{PROBE_FOLDER}nothing")

    @contextlib.contextmanager
    def _calling(self, what: str, *, probes: bool = False) -> Iterator[None]:
        """Surrounds a request; BusyError if it fails. The library's message is not quoted: it may
        have the secret.
        """
        import obstore

        guarded = self.circuit and self.circuit.calling(probes=probes)
        with guarded or contextlib.nullcontext():
            try:
                yield
            except (obstore.exceptions.BaseError, OSError) as error:
                raise BusyError(
                    f"an object of `{self.address}` could not be {what}: {_cause(error)}",
                    _HINT,
                    because=SILENT,
                ) from None

    def read(self, name: str) -> TaggedObject | None:
        """The current version of an object; None if there is none."""
        with self._calling("read"):
            return self._get(name)

    def _get(self, name: str) -> TaggedObject | None:
        import obstore

        try:
            found = obstore.get(self.store, name)
            if found.meta["size"] > OBJECT_BYTES_MAX:
                raise BrokenError(f"object `{name}` has more than `{OBJECT_BYTES_MAX}` bytes")
            return TaggedObject(bytes(found.bytes()), found.meta["e_tag"] or "")
        except (obstore.exceptions.NotFoundError, FileNotFoundError):
            return None

    def read_fixed(self, name: str) -> bytes | None:
        """An object whose bytes never change, cached in memory."""
        with self._mutex:
            if (known := self._fixed.get(name)) is not None:
                self._fixed.move_to_end(name)
                return known
        found = self.read(name)
        if found is None:
            return None
        with self._mutex:
            if name not in self._fixed:
                self._fixed[name] = found.content
                self._fixed_bytes += len(found.content)
            while self._fixed_bytes > CACHE_BYTES_MAX:
                self._fixed_bytes -= len(self._fixed.popitem(last=False)[1])
        return found.content

    def read_all(self, names: Sequence[str]) -> Iterator[bytes]:
        """Reads existing objects in order, with concurrent requests; BrokenError if one is
        missing.
        """
        with ThreadPoolExecutor(READS_AT_ONCE_MAX) as pool:
            for start in range(0, len(names), READS_AT_ONCE_MAX * 4):
                part = names[start : start + READS_AT_ONCE_MAX * 4]
                for name, found in zip(part, pool.map(self.read, part), strict=True):
                    if found is None:
                        raise BrokenError(
                            f"object `{name}` is missing", "restore it from a copy of the bucket"
                        )
                    yield found.content

    def chunks(self, name: str) -> Iterator[bytes] | None:
        """An object of any size, piece by piece; None if there is none."""
        import obstore

        with self._calling("read"):
            try:
                found = obstore.get(self.store, name).stream(min_chunk_size=CHUNK_BYTES)
            except (obstore.exceptions.NotFoundError, FileNotFoundError):
                return None
        return self._pieces(found)

    def _pieces(self, parts: Iterable[Any]) -> Iterator[bytes]:
        with self._calling("read"):
            for chunk in parts:
                yield bytes(chunk)

    def send(self, name: str, file: Path) -> None:
        """Writes a file of any size under a name that is unique to its bytes, so that concurrent
        writers agree.
        """
        import obstore

        with self._calling("written"):
            obstore.put(self.store, name, file)

    def create(self, name: str, content: bytes) -> str | None:
        """Writes an object that does not exist; None if another one has the name."""
        return self._write(name, content, "create")

    def replace(self, name: str, content: bytes, tag: str) -> str | None:
        """Replaces the version ``tag`` of an object; None if another version is current."""
        return self._write(name, content, {"e_tag": tag})

    def put_compared(self, name: str, content: bytes) -> None:
        """Writes an object unconditionally, reads it back and compares it. For a single writer:
        BusyError if there is another.
        """
        found = self.read(name)
        if found is None or found.content != content:
            done = (
                self.create(name, content)
                if found is None
                else self.replace(name, content, found.tag)
            )
            if done is None:
                raise BusyError(
                    f"another program writes object `{name}`",
                    "let one program use the bucket, then try again",
                )
            found = self.read(name)
        if found is None or found.content != content:
            raise BrokenError(
                f"object `{name}` is not what was written to the bucket", "use another bucket"
            )

    def _write(self, name: str, content: bytes, mode: PutMode) -> str | None:
        import obstore

        taken = (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError)
        missing = (obstore.exceptions.NotFoundError, FileNotFoundError)
        with self._calling("written"):
            try:
                return (
                    obstore.put(self.store, name, content, mode=mode, use_multipart=False)["e_tag"]
                    or ""
                )
            except (*taken, *missing):  # what is replaced may be gone too
                pass
        found = self.read(name)
        return found.tag if found is not None and found.content == content else None

    def names(self, prefix: str) -> list[str]:
        """The names below ``prefix``, which ends with `/`, without it, at any depth, sorted."""
        import obstore

        with self._calling("listed"):
            pages = obstore.list(self.store, prefix.rstrip("/"), chunk_size=1_000)
            return sorted(one["path"].removeprefix(prefix) for page in pages for one in page)

    def written(self, prefix: str) -> dict[str, datetime]:
        """When each object below ``prefix``, which ends with `/`, was last written, by the clock of
        the service.
        """
        import obstore

        with self._calling("listed"):
            pages = obstore.list(self.store, prefix.rstrip("/"), chunk_size=1_000)
            return {
                one["path"].removeprefix(prefix): one["last_modified"]
                for page in pages
                for one in page
            }

    def names_after(self, prefix: str, after: str, limit: int) -> list[str]:
        """The first ``limit`` names below ``prefix`` that sort after ``after``, sorted, in one
        request.
        """
        import obstore

        with self._calling("listed"):
            pages = obstore.list(
                self.store, prefix.rstrip("/"), offset=prefix + after, chunk_size=limit
            )
            return sorted(one["path"].removeprefix(prefix) for one in next(iter(pages), []))

    def below(self, prefix: str) -> list[str]:
        """The first components of the names below ``prefix``, as a folder listing, sorted."""
        import obstore

        with self._calling("listed"):
            found = obstore.list_with_delimiter(self.store, prefix.rstrip("/"))
        parts = {one["path"].removeprefix(prefix) for one in found["objects"]}
        return sorted(
            parts | {one.removeprefix(prefix).rstrip("/") for one in found["common_prefixes"]}
        )

    def delete(self, name: str) -> None:
        """Deletes an object; a missing one is no error."""
        import obstore

        with (
            self._calling("deleted"),
            contextlib.suppress(obstore.exceptions.NotFoundError, FileNotFoundError),
        ):
            obstore.delete(self.store, name)
        with self._mutex:
            self._fixed_bytes -= len(self._fixed.pop(name, b""))


@lru_cache(maxsize=8)
def open_bucket(settings: BucketSettings) -> Bucket | None:
    """The bucket of ``settings``, cached by its settings; None if none is configured."""
    if settings.url is None:
        return None
    return Bucket(settings.url.rstrip("/"), options(settings, "object store"))


def _cause(error: Exception) -> str:
    """Why a request failed. Of the library's message only its words for a time-out and a refused
    connection are looked for.
    """
    text = str(error).lower()
    if "timed out" in text or "timeout" in text:
        return "no answer in time"
    if "connection refused" in text:
        return "nothing listens there"
    return type(error).__name__


class BucketProbe(NamedTuple):
    """What a bucket guarantees. ``ignored`` names the conditions of writes that the service does
    not honour; ``apart_seconds`` is positive if its clock is ahead; ``deletes`` is False if the key
    may not delete the object.
    """

    ignored: tuple[str, ...]
    apart_seconds: float
    deletes: bool


def probe_bucket(bucket: Bucket, now: datetime) -> BucketProbe:
    """Checks a bucket with one object: writes it, writes it again under conditions that do not
    hold, and deletes it.

    BusyError if the service does not answer, or refuses the key.
    """
    name, ignored = f"{PROBE_FOLDER}{uuid4().hex}", list[str]()
    bucket.create(name, b"first")
    written = bucket.written(PROBE_FOLDER).get(name.removeprefix(PROBE_FOLDER))
    if bucket.create(name, b"second") is not None:
        ignored.append("If-None-Match")
    found = bucket.read(name)
    is_new = found is not None and bucket.replace(name, b"third", found.tag) is not None
    if not is_new or found is None or bucket.replace(name, b"fourth", found.tag) is not None:
        ignored.append("If-Match")
    try:
        bucket.delete(name)
        deletes = True
    except BusyError:
        deletes = False
    return BucketProbe(
        tuple(ignored), (written - now).total_seconds() if written is not None else 0.0, deletes
    )
