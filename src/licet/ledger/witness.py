"""Licet's own witness: it cosigns a log's checkpoint only as an extension of the last one it
signed.

Promise: for each log the signed sizes never decrease and each root is consistent with the one
before. The new state is on the disk before the signature leaves, and reading, deciding and storing
are one step. `add_checkpoint` is pure; `Witness` stores the state; the HTTP edge only carries
bytes. A witness run by the operator proves nothing against the operator: somebody else must run it.
Follows c2sp.org/tlog-witness@v1.0.0 and c2sp.org/tlog-cosignature (Ed25519).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from licet.errors import BrokenError, RefusedError, UsageError
from licet.ledger import checkpoint as checkpoints
from licet.ledger import note, tree
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.note import (
    NoteRefusal,
    SignatureType,
    Signer,
    Verifier,
    encode_base64,
    refusal_error,
)
from licet.ledger.storage import Backend, Durable, Folder, Lock

REQUEST_BYTES_MAX = note.NOTE_BYTES_MAX
_VERSION = "licet.ledger/witness@v1"
_TEXT = "text/plain; charset=utf-8"
_SIZE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Request:
    """An `add-checkpoint` request: the size that the witness should have stored, the proof from
    there, the note.
    """

    old: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        return (
            "\n".join([f"old {self.old}", *map(encode_base64, self.path), "", ""]).encode()
            + self.checkpoint
        )

    @classmethod
    def parse(cls, body: bytes) -> Request:
        if len(body) > REQUEST_BYTES_MAX:
            raise refusal_error(
                f"a request has at most `{REQUEST_BYTES_MAX}` bytes", NoteRefusal.too_large
            )
        head, blank, checkpoint = body.partition(b"\n\n")
        lines = head.decode("ascii", "replace").split("\n")
        if not blank or not lines[0].startswith("old "):
            raise refusal_error(
                "a request has an `old` line, hashes, a blank line and a checkpoint"
            )
        if len(lines) - 1 > tree.PROOF_HASHES_MAX:
            raise refusal_error(
                f"a request has at most `{tree.PROOF_HASHES_MAX}` hashes", NoteRefusal.too_large
            )
        old = checkpoints.parse_size(lines[0].removeprefix("old "), "the old size")
        path = tuple(checkpoints.parse_hash(line, "a hash of the request") for line in lines[1:])
        return cls(old, path, checkpoint)


@dataclass(frozen=True, slots=True)
class WitnessState:
    """A witness's watched logs, and the last checkpoint that it signed for each."""

    logs: Mapping[str, Sequence[Verifier]]
    latest: Mapping[str, Checkpoint]


@dataclass(frozen=True, slots=True)
class WitnessReply:
    """An HTTP status and body. ``remember`` must be on the disk before the body is sent."""

    status: int
    body: bytes
    content_type: str = _TEXT
    remember: Checkpoint | None = None


def add_checkpoint(state: WitnessState, body: bytes, cosigner: Signer, at: int) -> WitnessReply:
    """Decides a request at the POSIX time ``at``: 200, 400, 403, 404, 409 or 422, checked in the
    order of the specification.
    """
    try:
        request = Request.parse(body)
        claimed = checkpoints.parse(note.parse(request.checkpoint).text)
    except RefusedError as error:
        return _refusal(400, error.message)
    keys = state.logs.get(claimed.origin)
    if keys is None:
        return _refusal(404, "this log is not watched here")
    try:
        text = note.verify(request.checkpoint, keys).text
    except RefusedError as error:
        return _refusal(403, error.message)
    if request.old > claimed.size:
        return _refusal(400, "the old size is larger than the checkpoint")
    latest = state.latest.get(claimed.origin) or Checkpoint(claimed.origin, 0, tree.EMPTY_ROOT)
    if request.old != latest.size or (request.old == claimed.size and claimed.root != latest.root):
        return WitnessReply(409, b"%d\n" % latest.size, _SIZE)
    try:
        tree.check_consistency(latest.size, latest.root, claimed.size, claimed.root, request.path)
    except RefusedError as error:
        return _refusal(422, error.message)
    return WitnessReply(200, cosigner.cosign(text, at).line.encode(), remember=claimed)


class Witness:
    """A witness with its state: one file per log, in a folder used by one process."""

    def __init__(
        self, backend: Backend, cosigner: Signer, logs: Mapping[str, Sequence[Verifier]]
    ) -> None:
        """``logs`` maps each watched origin to its log's keys."""
        if cosigner.type is not SignatureType.cosignature:
            raise UsageError("a witness signs with a key of type `0x04`")
        self._files = Durable(backend)
        self._cosigner, self._logs = cosigner, dict(logs)
        self._latest: dict[str, Checkpoint] = {}
        for origin in self._logs:
            stored = self._files.read(_file_of(origin))
            if stored is not None:
                self._latest[origin] = _decode(stored, origin)
        self._mutex = threading.Lock()
        self._lock: Lock | None = None
        self._dead = ""

    @classmethod
    def open(cls, folder: Path, cosigner: Signer, logs: Mapping[str, Sequence[Verifier]]) -> Self:
        """Opens and locks a folder; raises `BusyError` if another process has it."""
        backend = Folder(folder)
        lock = Lock(folder)
        try:
            witness = cls(backend, cosigner, logs)
        except BaseException:
            lock.close()
            raise
        witness._lock = lock
        return witness

    def close(self) -> None:
        with self._mutex:
            self._dead = self._dead or "it was closed"
            if self._lock is not None:
                self._lock.close()

    def add_checkpoint(self, body: bytes, at: int) -> WitnessReply:
        """Decides a request, stores the new state, answers. After a failed write it answers no more
        requests.
        """
        with self._mutex:
            if self._dead:
                raise BrokenError(f"the witness is stopped: {self._dead}", "start it again")
            answer = add_checkpoint(
                WitnessState(self._logs, self._latest), body, self._cosigner, at
            )
            if answer.remember is not None:
                self._remember(answer.remember)
        return answer

    def _remember(self, latest: Checkpoint) -> None:
        try:
            self._files.write({_file_of(latest.origin): _encode(latest)})
        except BaseException:
            self._dead = "its memory did not reach the disk"
            raise
        self._latest[latest.origin] = latest


def _refusal(status: int, message: str) -> WitnessReply:
    return WitnessReply(status, f"{message}\n".encode())


def _file_of(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()


def _encode(latest: Checkpoint) -> bytes:
    return f"{_VERSION}\n{Checkpoint(latest.origin, latest.size, latest.root).text}".encode()


def _decode(data: bytes, origin: str) -> Checkpoint:
    version, _, text = data.decode("utf-8", "replace").partition("\n")
    try:
        latest = checkpoints.parse(text)
    except RefusedError as error:
        raise BrokenError(f"the memory of `{origin}` cannot be read: {error.message}") from error
    if version != _VERSION or latest.origin != origin or latest.extensions:
        raise BrokenError(f"the memory of `{origin}` is not a `{_VERSION}`")
    return latest
