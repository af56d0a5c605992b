"""Single proofs: one entry under a signed checkpoint, and consistency of two checkpoints.

Formats: c2sp.org/tlog-proof, and a consistency proof of RFC 6962 section 2.1.2 as one base64 hash a
line.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from licet.verifier.answer import ContradictionError, UnreadableError, VerifierReport
from licet.verifier.forms import decode_base64, parse_number
from licet.verifier.keys import Trust
from licet.verifier.note import CheckpointHead, open_checkpoint
from licet.verifier.tree import leaf, root_of_path, roots_of_proof, tree_hash

PROOF_LINES_MAX = 63


def check_proof(raw: bytes, entry: bytes, trusted: Trust, place: str = "proof") -> VerifierReport:
    """Checks a `.tlog-proof` file and the entry's bytes against the checkpoint in the file."""
    report = VerifierReport("proof", origin=trusted.origin, entry_bytes=len(entry), files=1)
    report.step(
        "entry",
        "its path leads to the root that the log's key signed",
        lambda: prove_entry(raw, entry, trusted, place, report),
    )
    return report


def prove_entry(
    raw: bytes, entry: bytes, trusted: Trust, place: str, report: VerifierReport
) -> int:
    """The index of the entry; `ContradictionError` unless the proof shows the entry there."""
    lines, checkpoint = _split_proof(raw, place)
    if lines and lines[0].startswith("extra "):
        decode_base64(lines.pop(0)[6:], place, "its extra data is base64")
    if not lines or not lines[0].startswith("index "):
        raise ContradictionError(place, "it names the index of its entry")
    index = parse_number(lines.pop(0)[6:], place, "its index is a decimal")
    path = read_hashes(lines, place)
    head = open_checkpoint(checkpoint, place, trusted)
    report.size, report.root = head.size, base64.b64encode(head.root).decode()
    report.cosigned = list(head.cosigned)
    if index >= head.size:
        raise ContradictionError(
            place, f"its checkpoint of {head.size} entries contains entry {index}"
        )
    if root_of_path(index, head.size, leaf(entry), path) != head.root:
        raise ContradictionError(f"entry {index}", "its hashes lead to the root of the checkpoint")
    return index


def check_checkpoints(
    old: bytes, new: bytes, proof: Sequence[bytes], trusted: Trust
) -> VerifierReport:
    """Checks by a consistency proof that the old checkpoint's log is a prefix of the new one's."""
    report = VerifierReport("checkpoint", origin=trusted.origin, files=2)
    heads: list[CheckpointHead] = []

    def open_new() -> None:
        head = open_checkpoint(new, "new checkpoint", trusted)
        heads.append(head)
        report.size, report.root = head.size, base64.b64encode(head.root).decode()
        report.cosigned = list(head.cosigned)

    report.steps(
        (
            (
                "old checkpoint",
                f"the log's key `{trusted.key.name}` signed it",
                lambda: heads.append(
                    open_checkpoint(old, "old checkpoint", Trust(trusted.key, trusted.origin))
                ),
            ),
            ("new checkpoint", f"the log's key `{trusted.key.name}` signed it", open_new),
            (
                "continuation",
                "the log of the old checkpoint is the beginning of the new one's",
                lambda: _check_consistency(heads[0], heads[1], proof),
            ),
        )
    )
    return report


def _check_consistency(
    first: CheckpointHead, second: CheckpointHead, proof: Sequence[bytes]
) -> None:
    if first.size > second.size:
        raise ContradictionError(
            "new checkpoint", f"the log never shrinks: it had {first.size} entries"
        )
    if first.size == 0:
        roots = None if proof else (tree_hash([]), second.root)
    else:
        roots = roots_of_proof(first.size, second.size, first.root, proof)
    if roots != (first.root, second.root):
        raise ContradictionError(
            "new checkpoint", f"its first {first.size} entries are those of the old checkpoint"
        )


def read_hashes(lines: Sequence[str], place: str) -> list[bytes]:
    if len(lines) > PROOF_LINES_MAX:
        raise ContradictionError(place, f"a proof has at most {PROOF_LINES_MAX} hashes")
    hashes = [decode_base64(line, place, "each of its hashes is base64") for line in lines]
    if any(len(digest) != 32 for digest in hashes):
        raise ContradictionError(place, "each of its hashes has 32 bytes")
    return hashes


def _split_proof(raw: bytes, place: str) -> tuple[list[str], bytes]:
    head, blank, checkpoint = raw.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise UnreadableError(place, "its lines are ASCII") from None
    if not blank or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise UnreadableError(place, "it is a `c2sp.org/tlog-proof@v1`")
    return lines, checkpoint
