"""Messages between a build and its workers on a cluster: a closed schema, sealed, in order.

A build gives each worker a secret of 32 random bytes at its start, and both exchange X25519 keys.
The message key is derived from both (HKDF-SHA-256, the secret as salt): an attacker who can write
Ray's traffic but lacks the secret can neither read nor forge a message, and one who has only the
secret cannot read recorded traffic. A message's nonce is its direction and a counter: a message
that was changed, repeated, dropped or reordered is refused, and so is everything after it.

A message is MessagePack of one of the types below, never code.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TypeAlias, assert_never, cast

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from licet.config import Configuration
from licet.curate.dedupe import Sketch
from licet.curate.pipeline import PlanCuration
from licet.curate.plan_schema import PlanShape, decode_plan, encode_plan
from licet.curate.runners import Local
from licet.errors import BrokenError, UsageError
from licet.policy.file import Policies, parse
from licet.release.draft import End, StoredPage
from licet.release.manifest import ReleaseManifest
from licet.release.page_builder import BuiltPage
from licet.release.page_worker import (
    BuildMessage,
    PageBegins,
    PageBuilt,
    PageCommits,
    PageLost,
    PageRows,
    PageTask,
    WorkerFailed,
    WorkerJob,
    WorkerMessage,
    WorkerSays,
)
from licet.release.proofs import ProofLine
from licet.release.registry import Release
from licet.release.row_keys import SealedRow

SECRET_BYTES = 32
MESSAGE_BYTES_MAX = 2**30  # as a page of a build is at most, before it is compressed
FORMAT = b"licet-build-worker-2"
_POLICY = "policy.yaml"  # the name in errors of a policy text


class WorkerHello(msgspec.Struct, frozen=True, tag=True):
    """A worker's first message, proof of the secret. ``software``: its version."""

    software: str


class BaseShape(msgspec.Struct, frozen=True, kw_only=True):
    """The base: its folder, record and manifest."""

    folder: str
    release: Release
    manifest: ReleaseManifest


class ClusterJob(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A `WorkerJob` as plain values."""

    dsn: str
    config: Configuration
    policies: tuple[str, ...]
    release: Release
    plan: PlanShape
    base: BaseShape | None
    page_bytes_max: int
    looks_ahead: bool

    def __repr__(self) -> str:
        return f"ClusterJob({self.release.name})"


class DecidedAt(msgspec.Struct, frozen=True, tag=True):
    at: datetime


class LostDocuments(msgspec.Struct, frozen=True, tag=True):
    lost: tuple[bool, ...]


class FirstOrdinal(msgspec.Struct, frozen=True, tag=True):
    ordinal: int


class MayCommit(msgspec.Struct, frozen=True, tag=True):
    pass


class PageShape(msgspec.Struct, frozen=True, kw_only=True):
    """A `BuiltPage` with typed sketches."""

    end: End
    kept: StoredPage
    sealed: tuple[SealedRow, ...]
    leaves: tuple[bytes, ...]
    untils_us: tuple[int, ...]
    sketches: tuple[Sketch, ...]
    candidates: tuple[ProofLine, ...]
    rows: tuple[ProofLine, ...]


class PageMade(msgspec.Struct, frozen=True, tag=True):
    """A `PageBuilt`."""

    page: PageShape | None


BuildShape: TypeAlias = ClusterJob | PageTask | DecidedAt | LostDocuments | FirstOrdinal | MayCommit
WorkerShape: TypeAlias = (
    WorkerHello
    | PageBegins
    | PageLost
    | PageRows
    | PageCommits
    | PageMade
    | WorkerSays
    | WorkerFailed
)
_FIELDS = PageShape.__struct_fields__


def encode_for_worker(message: BuildMessage) -> bytes:
    """Encodes a message of the build."""
    return _encode(_build_shape(message))


def decode_for_worker(data: bytes) -> BuildMessage:
    """Decodes a message of the build; BrokenError."""
    message = cast(BuildShape, _decode(data, _TO_WORKER))
    match message:
        case ClusterJob():
            return _job(message)
        case PageTask():
            return message
        case DecidedAt():
            return message.at
        case LostDocuments():
            return message.lost
        case FirstOrdinal():
            return message.ordinal
        case MayCommit():
            return None
        case _:
            assert_never(message)


def encode_for_build(message: WorkerMessage | WorkerHello) -> bytes:
    """Encodes a message of a worker."""
    if isinstance(message, PageBuilt):
        page = message.page
        fields = {name: getattr(page, name) for name in _FIELDS} if page is not None else None
        return _encode(PageMade(msgspec.convert(fields, PageShape | None, from_attributes=True)))
    return _encode(message)


def decode_for_build(data: bytes) -> WorkerMessage | WorkerHello:
    """Decodes a message of a worker; BrokenError."""
    message = cast(WorkerShape, _decode(data, _TO_BUILD))
    if isinstance(message, PageMade):
        page = message.page
        return PageBuilt(
            BuiltPage(**{name: getattr(page, name) for name in _FIELDS})
            if page is not None
            else None
        )
    return message


def _build_shape(message: BuildMessage) -> BuildShape:
    match message:
        case WorkerJob():
            return _job_shape(message)
        case PageTask():
            return message
        case datetime():
            return DecidedAt(message)
        case int():
            return FirstOrdinal(message)
        case None:
            return MayCommit()
        case _:
            return LostDocuments(tuple(map(bool, message)))


def _job_shape(job: WorkerJob) -> ClusterJob:
    if not isinstance(job.curation, PlanCuration):
        raise UsageError(
            "the workers of a cluster curate by a plan", "build with processes of this machine"
        )
    base = None
    if job.base is not None:
        folder, release, manifest = job.base
        base = BaseShape(folder=str(folder), release=release, manifest=manifest)
    return ClusterJob(
        dsn=job.dsn,
        config=job.config,
        policies=tuple(version.text().decode() for version in job.policies.versions),
        release=job.release,
        plan=encode_plan(job.curation.plan_steps),
        base=base,
        page_bytes_max=job.page_bytes_max,
        looks_ahead=job.looks_ahead,
    )


def _job(shape: ClusterJob) -> WorkerJob:
    base = shape.base
    return WorkerJob(
        dsn=shape.dsn,
        config=shape.config,
        policies=Policies(parse(text.encode(), _POLICY) for text in shape.policies),
        release=shape.release,
        curation=PlanCuration(decode_plan(shape.plan), Local()),
        base=(Path(base.folder), base.release, base.manifest) if base is not None else None,
        page_bytes_max=shape.page_bytes_max,
        looks_ahead=shape.looks_ahead,
    )


def _path_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a message has no `{type(value).__name__}`")


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"a message has no `{kind.__name__}`")


_encode = msgspec.msgpack.Encoder(enc_hook=_path_text).encode
_TO_WORKER = msgspec.msgpack.Decoder(BuildShape, dec_hook=_path)
_TO_BUILD = msgspec.msgpack.Decoder(WorkerShape, dec_hook=_path)


def _decode(data: bytes, decoder: msgspec.msgpack.Decoder[object]) -> object:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BrokenError(
            "a message between a build and a worker on the cluster is not of the schema"
        ) from None


# Sealing


class MessageChannel:
    """An ordered channel between a build and one worker. ``sends``: 0 for the build, 1 for the
    worker.
    """

    def __init__(self, key: bytes, *, sends: int) -> None:
        self._key, self._sends, self._is_broken = AESGCM(key), sends, False
        self._counts = [0, 0]

    def seal(self, message: bytes) -> bytes:
        return self._key.encrypt(self._nonce(self._sends), message, FORMAT)

    def open(self, sealed: object) -> bytes:
        """The next message; BrokenError for any other, and for everything after it."""
        is_taken = (
            isinstance(sealed, bytes) and len(sealed) <= MESSAGE_BYTES_MAX and not self._is_broken
        )
        try:
            if is_taken:
                return self._key.decrypt(self._nonce(1 - self._sends), cast(bytes, sealed), FORMAT)
        except InvalidTag:
            pass
        self._is_broken = True
        raise BrokenError(
            "a message on the cluster is not the next one that was sealed: it was changed or moved"
        )

    def _nonce(self, direction: int) -> bytes:
        self._counts[direction] += 1
        return direction.to_bytes(4, "big") + self._counts[direction].to_bytes(8, "big")


def message_key(
    own: X25519PrivateKey, other: bytes, secret: bytes, *, publics: tuple[bytes, bytes]
) -> bytes:
    """Derives the message key (RFC 7748, and RFC 5869 with the secret as salt).

    ``publics``: the public keys of build and worker. BrokenError for a public key of low order.
    """
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:
        raise BrokenError("a worker on the cluster sent no key that can be agreed on") from None
    return HKDF(SHA256(), 32, salt=secret, info=FORMAT + publics[0] + publics[1]).derive(shared)
