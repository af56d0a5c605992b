"""A log as its readers see it: the published folder of one year, read without the writer's lock.

Promise: a proof that is handed out was checked against a checkpoint that the log's own key signed.
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
from licet.ledger.proof import Proof
from licet.ledger.storage import Folder
from licet.ledger.tiles import TileReader, read_entries


class Published:
    """One published log at the checkpoint that its folder showed when this was made."""

    def __init__(self, folder: Path, log: Verifier) -> None:
        """Raises `NotFoundError` where there is no log, `RefusedError` for a checkpoint that ``log`` did not sign."""
        if not folder.is_dir():
            raise NotFoundError(f"no log `{log.name}` here", "nothing has been logged in that year")
        self._read = Folder(folder).read
        found = self._read(CHECKPOINT)
        if found is None:
            raise NotFoundError(f"no log `{log.name}` here", "nothing has been logged in that year")
        self.note = found
        self.checkpoint: Checkpoint = checkpoints.verify(found, log.name, log)
        self._tiles = TileReader(self._read, self.checkpoint.size)

    def entry(self, index: int) -> bytes:
        """The bytes of one entry."""
        self._check_index(index)
        return next(read_entries(self._read, index, index + 1, self.checkpoint.size))

    def entries(self) -> Iterator[bytes]:
        """Every entry, as the bundles say it."""
        return read_entries(self._read, 0, self.checkpoint.size, self.checkpoint.size)

    def prove(self, index: int) -> Proof:
        """The proof that the checkpoint holds an entry, checked."""
        self._check_index(index)
        size, root = self.checkpoint.size, self.checkpoint.root
        path = tree.prove_inclusion(self._tiles, index, size)
        tree.check_inclusion(tree.leaf_hash(self.entry(index)), index, size, path, root)
        return Proof(index, path, self.note)

    def root_at(self, size: int) -> bytes:
        """The root of the first ``size`` entries, as the tiles say it."""
        return tree.root(self._tiles, size)

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self.checkpoint.size:
            raise NotFoundError(f"the log has no entry `{index}` yet", "try again in a second")
