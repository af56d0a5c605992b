"""The log: entries appended to a folder of static files, and a head, stored apart, that states how
far it has committed itself.

Promise: an entry whose `append` returned is never lost and never changes its index; no two
published checkpoints contradict each other; a published file never changes a byte. An append
writes, each step durable before the next begins:

    1. `head` in the state folder: the new signed checkpoint and the entries it adds. This decides the append
    2. entry bundles and tiles in the log's folder
    3. `checkpoint` in the log's folder, last. Now readers see it, and the caller is answered

A crash before 1 leaves nothing; after 1 `open` repeats the append from the head, with the same
bytes. It does so even after 3, because what a killed process could see was not necessarily on the
disk.

Where both are in a bucket, the head is written over the version that this object has read or
written, and so decides between two writers too: the one who opened the log last has written it, and
the other's next append fails before it has an effect.

The head is trusted, the folder is not. If the folder is ahead of the head, further behind than one
append, or leads to another root, only a rollback or a fork explains it, and the log refuses to
start (`BrokenError`). After any failed step the object is unusable; open it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from licet.errors import BrokenError, NotFoundError, RefusedError, UsageError
from licet.ledger import checkpoint as checkpoints
from licet.ledger import note, tiles, tree
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.note import NoteRefusal, Signer, Verifier, refusal_error
from licet.ledger.proof import InclusionProof
from licet.ledger.storage import (
    Backend,
    Durable,
    Lock,
    LogFiles,
    LogFolder,
    Prunable,
    folder_exists,
    lock_folder,
    open_files,
)
from licet.ledger.tiles import ENTRY_BYTES_MAX, TileEdge, TileReader, decode_entries, encode_entries

BATCH_ENTRIES_MAX = 65_536
BATCH_BYTES_MAX = 1 << 26

CHECKPOINT = "checkpoint"
HEAD = "head"
_RESTORE = "a folder and its state belong together: restore both, as `licet restore` does"
_HEAD_VERSION = b"licet.ledger/head@v1"


@dataclass(frozen=True, slots=True)
class AppendResult:
    """The first entry's index, and the size and root of the log that contains all of them."""

    first_index: int
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class LogHead:
    """The last commitment: the signed checkpoint, and the entries that it appended to
    ``old`` ones.
    """

    old: int
    note: bytes
    entries: tuple[bytes, ...]

    def encode(self) -> bytes:
        lines = (_HEAD_VERSION, b"old %d" % self.old, b"note %d" % len(self.note))
        return b"\n".join(lines) + b"\n" + self.note + encode_entries(self.entries)

    @classmethod
    def parse(cls, data: bytes) -> LogHead:
        version, _, rest = data.partition(b"\n")
        old, _, rest = rest.partition(b"\n")
        length, _, rest = rest.partition(b"\n")
        if (
            version != _HEAD_VERSION
            or not old.startswith(b"old ")
            or not length.startswith(b"note ")
        ):
            raise refusal_error("the head is not a `licet.ledger/head@v1`")
        size = checkpoints.parse_size(
            old[4:].decode("ascii", "replace"), "the old size in the head"
        )
        end = checkpoints.parse_size(
            length[5:].decode("ascii", "replace"), "the note's length in the head"
        )
        return cls(size, rest[:end], tuple(decode_entries(rest[end:])))


class LogWriter:
    """A log with a single writer. Thread-safe; appends are serialised."""

    def __init__(
        self, storage: LogFiles, state: LogFiles, signer: Signer, head: LogHead, edge: TileEdge
    ) -> None:
        """Called by `create` and `open`, which ensure that folder, head and edge agree."""
        self._storage, self._state, self._signer = storage, state, signer
        self._edge = edge
        self._head = head
        self._published = storage.read(CHECKPOINT) or head.note
        self._checkpoint = Checkpoint(signer.name, edge.size, edge.root())
        self._reader = TileReader(storage.read, edge.size)
        self._mutex = threading.Lock()
        self._lock: Lock | None = None
        self._dead = ""

    @classmethod
    def create(cls, folder: LogFolder, state: LogFolder, origin: str, signer: Signer) -> Self:
        """Creates a new log; opening never does, because an empty folder would look like a fork."""
        return cls._locked(
            state, lambda: cls._begin_files(open_files(folder), open_files(state), origin, signer)
        )

    @classmethod
    def open(cls, folder: LogFolder, state: LogFolder, origin: str, signer: Signer) -> Self:
        """Opens a log, and completes an interrupted append.

        Raises `NotFoundError` if none was created, `BusyError` if another process has it open, and
        `BrokenError` if the folder contradicts the head. In a bucket an earlier writer gets a
        `BusyError` at its next append.
        """
        if not folder_exists(state):
            raise NotFoundError(f"no log `{origin}` here", "create it first")
        return cls._locked(
            state, lambda: cls._recover_files(open_files(folder), open_files(state), origin, signer)
        )

    @classmethod
    def begin(cls, storage: Backend, state: Backend, origin: str, signer: Signer) -> Self:
        """`create` over any backends, without a lock."""
        return cls._begin_files(Durable(storage), Durable(state), origin, signer)

    @classmethod
    def recover(cls, storage: Backend, state: Backend, origin: str, signer: Signer) -> Self:
        """`open` over any backends, without a lock."""
        return cls._recover_files(Durable(storage), Durable(state), origin, signer)

    @classmethod
    def _begin_files(cls, written: LogFiles, state: LogFiles, origin: str, signer: Signer) -> Self:
        _check_signer(origin, signer)
        if state.read(HEAD) is not None or written.read(CHECKPOINT) is not None:
            raise RefusedError(f"the log `{origin}` already exists", "open it", because="exists")
        empty = Checkpoint(origin, 0, tree.EMPTY_ROOT)
        head = LogHead(0, note.sign(empty.text, signer), ())
        state.write({HEAD: head.encode()})
        written.write({CHECKPOINT: head.note})
        return cls(written, state, signer, head, TileEdge())

    @classmethod
    def _recover_files(
        cls, written: LogFiles, state: LogFiles, origin: str, signer: Signer
    ) -> Self:
        _check_signer(origin, signer)
        data = state.read(HEAD)
        # durable, and in a bucket taken from every other writer, before anything else is read
        if data is not None:
            state.write({HEAD: data})
        head, edge, files = _reconcile(written, data, signer.verifier)
        published = written.read(CHECKPOINT)
        promised = note.parse(head.note).text
        written.write(files)
        if published is None or note.parse(published).text != promised:
            published = head.note
        written.write({CHECKPOINT: published})
        return cls(written, state, signer, head, edge)

    @property
    def checkpoint(self) -> Checkpoint:
        return self._checkpoint

    @property
    def published(self) -> bytes:
        """The published checkpoint's note, with cosignatures."""
        return self._published

    def append(self, entries: Sequence[bytes]) -> AppendResult:
        """Appends the entries under one checkpoint; returns when they are durable and published.

        Raises `UsageError` for a batch out of bounds (nothing is written), `BrokenError` after a
        failed step.
        """
        _check_batch(entries)
        with self._mutex:
            self._check_usable()
            if not entries:
                return AppendResult(self._edge.size, self._edge.size, self._checkpoint.root)
            try:
                return self._commit(tuple(entries))
            except BaseException as error:
                self._mark_unusable(error)
                raise

    def cosign(self, lines: bytes, witnesses: Sequence[Verifier]) -> None:
        """Publishes a witness's signature lines with the checkpoint; unknown or invalid ones are
        refused.
        """
        with self._mutex:
            self._check_usable()
            merged = self._published + lines
            signed = note.verify(merged, [self._signer.verifier, *witnesses]).signed
            if len(signed) < len(note.parse(merged).signatures):
                raise refusal_error(
                    "a signature line belongs to no known witness, or occurs twice",
                    NoteRefusal.unsigned,
                )
            try:
                self._storage.write({CHECKPOINT: merged})
            except BaseException as error:
                self._mark_unusable(error)
                raise
            self._published = merged

    def prove(self, index: int) -> InclusionProof:
        """Proves, and checks, that the published checkpoint contains an entry."""
        with self._mutex:
            size = self._edge.size
            root = self._checkpoint.root
            reader = self._reader
            published = self._published
            if not 0 <= index < size:
                raise NotFoundError(f"the log has no entry `{index}` yet")
            path = tree.prove_inclusion(reader, index, size)
            self._report_own_failure(
                lambda: tree.check_inclusion(reader.node(0, index), index, size, path, root)
            )
        return InclusionProof(index, path, published)

    def prove_consistency(self, old: int) -> tuple[bytes, ...]:
        """Returns the hashes that prove the log of ``old`` entries to be a prefix of this one."""
        with self._mutex:
            size, root, reader = self._edge.size, self._checkpoint.root, self._reader
            if not 0 <= old <= size:
                raise NotFoundError(f"the log has not had `{old}` entries yet")
            path = tree.prove_consistency(reader, old, size)
            old_root = tree.root(reader, old)
            self._report_own_failure(
                lambda: tree.check_consistency(old, old_root, size, root, path)
            )
        return path

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yields the entries from ``start`` to before ``stop``, each compared with its
        leaf hash.
        """
        size, reader = self._checkpoint.size, self._reader
        for index, entry in enumerate(
            tiles.read_entries(self._storage.read, start, stop, size), start
        ):
            if tree.leaf_hash(entry) != reader.node(0, index):
                raise BrokenError(f"entry `{index}` does not match its tile")
            yield entry

    def close(self) -> None:
        """Releases the log to the next writer."""
        with self._mutex:
            self._dead = self._dead or "it was closed"
            if self._lock is not None:
                self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _commit(self, entries: tuple[bytes, ...]) -> AppendResult:
        old = self._edge.size
        files = self._edge.extend(entries)
        new = Checkpoint(self._signer.name, self._edge.size, self._edge.root())
        head = LogHead(old, note.sign(new.text, self._signer), entries)
        self._state.write({HEAD: head.encode()})
        self._storage.write(files)
        self._storage.write({CHECKPOINT: head.note})
        self._head, self._published, self._checkpoint = head, head.note, new
        self._reader = self._reader.with_size(new.size)
        return AppendResult(old, new.size, new.root)

    def _check_usable(self) -> None:
        if self._dead:
            raise BrokenError(
                f"the log `{self._signer.name}` is stopped: {self._dead}", "open it again"
            )

    def _mark_unusable(self, error: BaseException) -> None:
        self._dead = f"an append failed: `{type(error).__name__}`"

    @staticmethod
    def _report_own_failure(check: Callable[[], None]) -> None:
        try:
            check()
        except RefusedError as error:
            raise BrokenError(f"the tiles contradict the checkpoint: {error.message}") from error

    @classmethod
    def _locked(cls, state: LogFolder, begin: Callable[[], Self]) -> Self:
        lock = lock_folder(state)
        try:
            log = begin()
        except BaseException:
            if lock is not None:
                lock.close()
            raise
        log._lock = lock
        return log


def prune(folder: Prunable, size: int) -> int:
    """Removes partial tiles and bundles long superseded by full ones; returns their number.

    tlog-tiles allows it, and readers fall back to the full tile. Otherwise a log that commits each
    entry by itself keeps every bundle 128 times over. ``size`` is that of the log's checkpoint.
    """
    return sum(
        _prune_tiles(folder, f"tile/{name}", "", 0 if name == "entries" else int(name), size)
        for name in folder.names("tile")
        if name == "entries" or name.isdecimal()
    )


def _prune_tiles(folder: Prunable, root: str, below: str, level: int, size: int) -> int:
    removed = 0
    for name in folder.names(f"{root}{below}"):
        path = f"{below}/{name}"
        if name.startswith("x"):
            removed += _prune_tiles(folder, root, path, level, size)
        elif name.endswith(".p"):
            index = int(path.removesuffix(".p").replace("/", "").replace("x", ""))
            if tiles.width_at(level, index, size) == tiles.WIDTH:
                removed += _remove_all(folder, f"{root}{path}")
    return removed


def _remove_all(folder: Prunable, path: str) -> int:
    names = folder.names(path)
    for name in names:
        folder.remove(f"{path}/{name}")
    folder.remove(path)
    return len(names)


def _reconcile(
    storage: LogFiles, data: bytes | None, log: Verifier
) -> tuple[LogHead, TileEdge, dict[str, bytes]]:
    """Returns the head in ``data``, the edge after its entries, and the files that contain them.
    BrokenError if no interrupted append explains a difference between head and folder.
    """
    published = storage.read(CHECKPOINT)
    if data is None and published is None:
        raise NotFoundError(f"no log `{log.name}` here", "create it first")
    if data is None:
        raise BrokenError(f"the log `{log.name}` has a checkpoint but its head is gone", _RESTORE)
    try:
        head = LogHead.parse(data)
        promised = checkpoints.verify(head.note, log.name, log)
        shown = checkpoints.verify(published, log.name, log) if published is not None else None
        _check_distance(head, promised, shown)
        edge = TileEdge.load(storage.read, head.old)
        before = (
            edge
            if shown is None or shown.size == head.old
            else TileEdge.load(storage.read, shown.size)
        )
        if shown is not None and before.root() != shown.root:
            raise BrokenError(f"the tiles of `{log.name}` contradict its checkpoint", _RESTORE)
        files = edge.extend(head.entries)
    except RefusedError as error:
        raise BrokenError(
            f"the log `{log.name}` is not valid: {error.message}", _RESTORE
        ) from error
    if edge.root() != promised.root:
        raise BrokenError(
            f"the folder of `{log.name}` does not lead to its head at `{promised.size}`", _RESTORE
        )
    return head, edge, files


def _check_distance(head: LogHead, promised: Checkpoint, published: Checkpoint | None) -> None:
    """Raises BrokenError if more than an interrupted append lies between head and folder."""
    name = promised.origin
    if head.old + len(head.entries) != promised.size:
        raise BrokenError(
            f"the head of `{name}` adds `{len(head.entries)}` entries to `{head.old}`", _RESTORE
        )
    if published is None:
        if promised.size:
            raise BrokenError(
                f"the checkpoint of `{name}` is gone, and its head is at `{promised.size}`",
                _RESTORE,
            )
    elif published.size > promised.size:
        raise BrokenError(
            f"the folder of `{name}` is at `{published.size}`, ahead of its head at "
            f"`{promised.size}`",
            _RESTORE,
        )
    elif published.size == promised.size and published.root != promised.root:
        raise BrokenError(f"`{name}` is forked: two roots at `{published.size}`", _RESTORE)
    elif published.size < promised.size and published.size != head.old:
        raise BrokenError(
            f"the folder of `{name}` was rolled back to `{published.size}`: its head is at "
            f"`{promised.size}`",
            _RESTORE,
        )


def _check_signer(origin: str, signer: Signer) -> None:
    if signer.name != origin:
        raise UsageError(
            f"the key is named `{signer.name}`, the log `{origin}`", "use `Signer.named`"
        )


def _check_batch(entries: Sequence[bytes]) -> None:
    if len(entries) > BATCH_ENTRIES_MAX:
        raise UsageError(f"a batch has at most `{BATCH_ENTRIES_MAX}` entries, not `{len(entries)}`")
    for number, entry in enumerate(entries):
        if len(entry) > ENTRY_BYTES_MAX:
            raise UsageError(
                f"an entry has at most `{ENTRY_BYTES_MAX}` bytes: number `{number}` of the batch"
            )
    if sum(map(len, entries)) > BATCH_BYTES_MAX:
        raise UsageError(f"a batch has at most `{BATCH_BYTES_MAX}` bytes")
