"""Reads a published log, a folder of one year, without the writer's lock.

Promise: a returned proof was checked against a checkpoint that the log's key signed; if witnesses
cosigned one that contains the entry, it is that one (`COSIGNED`, possibly older than the log's
own).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from licet.errors import NotFoundError
from licet.ledger import checkpoint as checkpoints
from licet.ledger import tree
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.log import CHECKPOINT
from licet.ledger.note import Verifier
from licet.ledger.proof import InclusionProof
from licet.ledger.storage import LogFolder, open_files
from licet.ledger.tiles import TileReader, read_entries

COSIGNED = "cosigned"


class PublishedLog:
    """A published log at the checkpoint that its folder had on construction."""

    def __init__(self, folder: LogFolder, log: Verifier) -> None:
        """Raises `NotFoundError` if there is no log, `RefusedError` for a checkpoint that ``log``
        did not sign.
        """
        if isinstance(folder, Path) and not folder.is_dir():  # a reader creates no folder
            raise NotFoundError(f"no log `{log.name}` here", "nothing has been logged in that year")
        self._read = open_files(folder).read
        found = self._read(CHECKPOINT)
        if found is None:
            raise NotFoundError(f"no log `{log.name}` here", "nothing has been logged in that year")
        self.note = found
        self.checkpoint: Checkpoint = checkpoints.verify(found, log.name, log)
        self._tiles = TileReader(self._read, self.checkpoint.size)
        self.cosigned = self._read_cosigned(log)

    def entry(self, index: int) -> bytes:
        self._check_index(index)
        return next(read_entries(self._read, index, index + 1, self.checkpoint.size))

    def entries(self, size: int | None = None) -> Iterator[bytes]:
        """Yields the first ``size`` entries, by default all, from the bundles."""
        total = self.checkpoint.size
        return read_entries(self._read, 0, total if size is None else size, total)

    def prove(self, index: int) -> InclusionProof:
        """Proves, and checks, that the checkpoint contains an entry."""
        self._check_index(index)
        raw, checkpoint = self.note, self.checkpoint
        if self.cosigned is not None and index < self.cosigned[1].size:
            raw, checkpoint = self.cosigned
        size, root = checkpoint.size, checkpoint.root
        path = tree.prove_inclusion(self._tiles.with_size(size), index, size)
        tree.check_inclusion(tree.leaf_hash(self.entry(index)), index, size, path, root)
        return InclusionProof(index, path, raw)

    def entry_with_proof(self, index: int) -> tuple[str | None, str | None]:
        """Returns an entry and its proof as text; two None if the checkpoint does not include it
        yet.
        """
        if index >= self.checkpoint.size:
            return None, None
        return self.entry(index).decode(), self.prove(index).encode().decode()

    def prove_consistency(self, old: int) -> tuple[bytes, ...]:
        """Returns the hashes that prove the first ``old`` entries to be a prefix of the log.
        Thread-safe.
        """
        size, tiles = self.checkpoint.size, TileReader(self._read, self.checkpoint.size)
        path = tree.prove_consistency(tiles, old, size)
        tree.check_consistency(old, tree.root(tiles, old), size, self.checkpoint.root, path)
        return path

    def root_at(self, size: int) -> bytes:
        """Computes the root of the first ``size`` entries from the tiles."""
        return tree.root(self._tiles, size)

    def _read_cosigned(self, log: Verifier) -> tuple[bytes, Checkpoint] | None:
        """Returns the newest cosigned checkpoint as a note, or None."""
        raw = self._read(COSIGNED)
        if raw is None:
            return None
        checkpoint = checkpoints.verify(raw, log.name, log)
        return (raw, checkpoint) if checkpoint.size <= self.checkpoint.size else None

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self.checkpoint.size:
            raise NotFoundError(f"the log has no entry `{index}` yet", "try again in a second")
