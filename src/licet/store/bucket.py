"""A bucket of an S3 service: whole objects, written with conditional requests.

Promise: when `create` or `replace` returns a tag, the object has exactly those bytes, and no other
writer's call for the same name under the same condition succeeded. None means that another writer
was first and nothing was changed. BusyError means that the service did not answer: the object may
have been written, and the caller must read before it continues. The service must be strongly
consistent: a read sees every acknowledged write.

After a lost response the library repeats a write and meets its own object, so a refused condition
is compared with the stored bytes. Two writers of the same bytes both succeed; a caller that must
know the winner adds something unique to the bytes.
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
PROMPT_SECONDS_MAX = 2  # for a probe
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


def options(settings: BucketSettings, name: str) -> dict[str, Any]:
    """Returns the options for obstore; UsageError, naming the store ``name``, if the secret's file
    cannot be read.
    """
    credentials = {
        "endpoint": settings.endpoint,
        "region": settings.region,
        "access_key_id": settings.access_key_id,
        "secret_access_key": _secret(settings.secret_access_key_file, name),
    }
    options_: dict[str, Any] = {name: value for name, value in credentials.items() if value}
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
        """``options`` are those of `options`. Does not contact the service."""
        self.url, self._options, self.circuit = url, options, circuit
        self._fixed: OrderedDict[str, bytes] = OrderedDict()
        self._fixed_bytes = 0
        self._mutex = threading.Lock()

    def __repr__(self) -> str:
        return f"Bucket({self.url})"

    @property
    def address(self) -> str:
        """The URL and endpoint, for messages."""
        endpoint = self._options.get("endpoint")
        return f"{self.url}` at `{endpoint}" if endpoint else self.url

    @cached_property
    def store(self) -> ObjectStore:
        """The obstore store, for reads of ranges."""
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
        """The same bucket behind a circuit breaker: after a call timed out, other calls are refused
        at once.
        """
        made = Bucket(self.url, self._options, CircuitBreaker("the object store", _HINT, SILENT))
        if self.url.startswith(_LOCAL):  # a second local store would be empty
            made.store = self.store
        return made

    @cached_property
    def _prompt(self) -> Bucket:
        """The bucket with a time-out of `PROMPT_SECONDS_MAX`, for reads only: an abandoned write
        could still arrive, over later content.
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
        """Raises BusyError if the service does not answer soon; closes or opens the circuit of a
        `guarded` bucket.
        """
        if not self.url.startswith(_LOCAL):
            with self._prompt._calling("read", probes=True):
                self._prompt._get(f"{PROBE_FOLDER}nothing")

    @contextlib.contextmanager
    def _calling(self, action: str, *, probes: bool = False) -> Iterator[None]:
        """Raises BusyError for a failed request, without the library's message, which may contain
        the secret.
        """
        import obstore

        guarded = self.circuit and self.circuit.calling(probes=probes)
        with guarded or contextlib.nullcontext():
            try:
                yield
            except (obstore.exceptions.BaseError, OSError) as error:
                raise BusyError(
                    f"an object of `{self.address}` could not be {action}: {_cause(error)}",
                    _HINT,
                    because=SILENT,
                ) from None

    def read(self, name: str) -> TaggedObject | None:
        """Returns the current version of an object, or None."""
        with self._calling("read"):
            return self._get(name)

    def _get(self, name: str) -> TaggedObject | None:
        import obstore

        try:
            response = obstore.get(self.store, name)
            if response.meta["size"] > OBJECT_BYTES_MAX:
                raise BrokenError(f"object `{name}` has more than `{OBJECT_BYTES_MAX}` bytes")
            return TaggedObject(bytes(response.bytes()), response.meta["e_tag"] or "")
        except (obstore.exceptions.NotFoundError, FileNotFoundError):
            return None

    def read_fixed(self, name: str) -> bytes | None:
        """Returns an object whose bytes never change, cached in memory."""
        with self._mutex:
            if (known := self._fixed.get(name)) is not None:
                self._fixed.move_to_end(name)
                return known
        stored = self.read(name)
        if stored is None:
            return None
        with self._mutex:
            if name not in self._fixed:
                self._fixed[name] = stored.content
                self._fixed_bytes += len(stored.content)
            while self._fixed_bytes > CACHE_BYTES_MAX:
                self._fixed_bytes -= len(self._fixed.popitem(last=False)[1])
        return stored.content

    def read_all(self, names: Sequence[str]) -> Iterator[bytes]:
        """Reads existing objects in order, concurrently; BrokenError if one is missing."""
        with ThreadPoolExecutor(READS_AT_ONCE_MAX) as pool:
            for start in range(0, len(names), READS_AT_ONCE_MAX * 4):
                part = names[start : start + READS_AT_ONCE_MAX * 4]
                for name, stored in zip(part, pool.map(self.read, part), strict=True):
                    if stored is None:
                        raise BrokenError(
                            f"object `{name}` is missing", "restore it from a copy of the bucket"
                        )
                    yield stored.content

    def chunks(self, name: str) -> Iterator[bytes] | None:
        """Streams an object of any size; None if there is none."""
        import obstore

        with self._calling("read"):
            try:
                stream = obstore.get(self.store, name).stream(min_chunk_size=CHUNK_BYTES)
            except (obstore.exceptions.NotFoundError, FileNotFoundError):
                return None
        return self._pieces(stream)

    def _pieces(self, parts: Iterable[Any]) -> Iterator[bytes]:
        with self._calling("read"):
            for chunk in parts:
                yield bytes(chunk)

    def send(self, name: str, file: Path) -> None:
        """Writes a file of any size under a name derived from its bytes, so that concurrent writers
        agree.
        """
        import obstore

        with self._calling("written"):
            obstore.put(self.store, name, file)

    def create(self, name: str, content: bytes) -> str | None:
        """Writes a new object and returns its tag; None if the name is taken."""
        return self._write(name, content, "create")

    def replace(self, name: str, content: bytes, tag: str) -> str | None:
        """Replaces the version ``tag`` of an object and returns the new tag; None if another
        version is current.
        """
        return self._write(name, content, {"e_tag": tag})

    def put_compared(self, name: str, content: bytes) -> None:
        """Writes an object unconditionally, reads it back and compares it. For a single writer:
        BusyError if another one interferes.
        """
        stored = self.read(name)
        if stored is None or stored.content != content:
            done = (
                self.create(name, content)
                if stored is None
                else self.replace(name, content, stored.tag)
            )
            if done is None:
                raise BusyError(
                    f"another program writes object `{name}`",
                    "let one program use the bucket, then try again",
                )
            stored = self.read(name)
        if stored is None or stored.content != content:
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
            except (*taken, *missing):  # the replaced object may be gone too
                pass
        stored = self.read(name)
        return stored.tag if stored is not None and stored.content == content else None

    def names(self, prefix: str) -> list[str]:
        """Lists the names below ``prefix``, which ends with `/`, at any depth, without
        it, sorted.
        """
        import obstore

        with self._calling("listed"):
            pages = obstore.list(self.store, prefix.rstrip("/"), chunk_size=1_000)
            return sorted(entry["path"].removeprefix(prefix) for page in pages for entry in page)

    def written(self, prefix: str) -> dict[str, datetime]:
        """Returns each object's time of last write below ``prefix``, which ends with `/`, by the
        service's clock.
        """
        import obstore

        with self._calling("listed"):
            pages = obstore.list(self.store, prefix.rstrip("/"), chunk_size=1_000)
            return {
                entry["path"].removeprefix(prefix): entry["last_modified"]
                for page in pages
                for entry in page
            }

    def names_after(self, prefix: str, after: str, limit: int) -> list[str]:
        """Lists the first ``limit`` names below ``prefix`` that sort after ``after``, in one
        request.
        """
        import obstore

        with self._calling("listed"):
            pages = obstore.list(
                self.store, prefix.rstrip("/"), offset=prefix + after, chunk_size=limit
            )
            return sorted(entry["path"].removeprefix(prefix) for entry in next(iter(pages), []))

    def below(self, prefix: str) -> list[str]:
        """Lists the first components of the names below ``prefix``, sorted, like a folder."""
        import obstore

        with self._calling("listed"):
            listing = obstore.list_with_delimiter(self.store, prefix.rstrip("/"))
        parts = {entry["path"].removeprefix(prefix) for entry in listing["objects"]}
        return sorted(
            parts | {entry.removeprefix(prefix).rstrip("/") for entry in listing["common_prefixes"]}
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
    """Returns the bucket of ``settings``, cached by them; None if none is configured."""
    if settings.url is None:
        return None
    return Bucket(settings.url.rstrip("/"), options(settings, "object store"))


def _cause(error: Exception) -> str:
    """Describes a failed request without quoting the library's message."""
    text = str(error).lower()
    if "timed out" in text or "timeout" in text:
        return "no answer in time"
    if "connection refused" in text:
        return "nothing listens there"
    return type(error).__name__


class BucketProbe(NamedTuple):
    """The guarantees of a bucket. ``ignored`` are the write conditions that the service does not
    honour; ``apart_seconds`` is positive if its clock is ahead; ``deletes`` is False if the key may
    not delete.
    """

    ignored: tuple[str, ...]
    apart_seconds: float
    deletes: bool


def probe_bucket(bucket: Bucket, now: datetime) -> BucketProbe:
    """Checks a bucket's guarantees with one object, which it writes, overwrites under false
    conditions and deletes.

    BusyError if the service does not answer, or refuses the key.
    """
    name, ignored = f"{PROBE_FOLDER}{uuid4().hex}", list[str]()
    bucket.create(name, b"first")
    written = bucket.written(PROBE_FOLDER).get(name.removeprefix(PROBE_FOLDER))
    if bucket.create(name, b"second") is not None:
        ignored.append("If-None-Match")
    stored = bucket.read(name)
    is_new = stored is not None and bucket.replace(name, b"third", stored.tag) is not None
    if not is_new or stored is None or bucket.replace(name, b"fourth", stored.tag) is not None:
        ignored.append("If-Match")
    try:
        bucket.delete(name)
        deletes = True
    except BusyError:
        deletes = False
    return BucketProbe(
        tuple(ignored), (written - now).total_seconds() if written is not None else 0.0, deletes
    )
