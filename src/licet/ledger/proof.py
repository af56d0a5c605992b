"""Inclusion proofs for offline checks: an index, the hashes beside the path to the root, a signed
checkpoint.

Promise: `verify` returns only if the entry's bytes lead to a root that the log signed. The extra
data is carried, never trusted. Follows c2sp.org/tlog-proof (`c2sp.org/tlog-proof@v1`); files end in
`.tlog-proof`.
"""

from __future__ import annotations

from dataclasses import dataclass

from licet.ledger import checkpoint as checkpoints
from licet.ledger import tree
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.note import (
    NOTE_BYTES_MAX,
    NoteRefusal,
    Verifier,
    decode_base64,
    encode_base64,
    refusal_error,
)

PROOF_BYTES_MAX = NOTE_BYTES_MAX
_VERSION = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """``path`` begins with the leaf's sibling; ``checkpoint`` is the signed note, verbatim."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        lines = [_VERSION]
        if self.extra is not None:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines += [f"index {self.index}", *map(encode_base64, self.path), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> InclusionProof:
        """Parses a proof without verifying it; raises `RefusedError`."""
        if len(data) > PROOF_BYTES_MAX:
            raise refusal_error(
                f"a proof has at most `{PROOF_BYTES_MAX}` bytes", NoteRefusal.too_large
            )
        head, blank, checkpoint = data.partition(b"\n\n")
        if not blank or not head.isascii():
            raise refusal_error("a proof has ASCII lines, a blank line and a checkpoint")
        lines = head.decode("ascii").split("\n")
        if lines.pop(0) != _VERSION:
            raise refusal_error(f"a proof begins with `{_VERSION}`")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = decode_base64(lines.pop(0).removeprefix("extra "), "the extra data")
        if not lines or not lines[0].startswith("index "):
            raise refusal_error("the proof has no index")
        index = checkpoints.parse_size(lines.pop(0).removeprefix("index "), "the index")
        if len(lines) > tree.PROOF_HASHES_MAX:
            raise refusal_error(
                f"a proof has at most `{tree.PROOF_HASHES_MAX}` hashes", NoteRefusal.too_large
            )
        path = tuple(checkpoints.parse_hash(line, "a hash of the proof") for line in lines)
        return cls(index, path, checkpoint, extra)


def verify(proof: InclusionProof, entry: bytes, origin: str, log: Verifier) -> Checkpoint:
    """Returns the log's checkpoint that contains the entry at the proof's index; raises
    `RefusedError`.
    """
    checkpoint = checkpoints.verify(proof.checkpoint, origin, log)
    leaf = tree.leaf_hash(entry)
    tree.check_inclusion(leaf, proof.index, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint
