"""What a release holds of one conversation, found and proved: by the index in its proof files, and
by reading them whole.

Goal: under 50 ms of the processor, whatever the size. The floor is the check of such a proof, which
reads nothing.

    python -m bench proofs [ROWS ...]
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bench import Row
from bench.verifying import release, row_handle, spent
from licet import verifier

SIZES = (10_000, 100_000, 1_000_000)
MANY = 50
GOAL_MS = 50


class WholeFiles:
    """A folder for anyone who cannot seek in its files."""

    def __init__(self, folder: Path) -> None:
        self._files = verifier.FolderFiles(folder)

    def paths(self) -> Iterable[str]:
        return self._files.paths()

    def read(self, path: str) -> bytes | None:
        return self._files.read(path)


def main(arguments: list[str]) -> list[Row]:
    """Milliseconds of the processor, and what reading the whole files takes."""
    rows = []
    for size in [int(argument) for argument in arguments] or SIZES:
        with tempfile.TemporaryDirectory() as base:
            folder = Path(base) / "release"
            manifest = release(folder, size)
            rows += measured(folder, manifest, size)
    return rows


def measured(folder: Path, manifest: bytes, size: int) -> Iterable[Row]:
    asked = [row_handle(number) for number in range(0, size, max(1, size // MANY))]
    files = verifier.FolderFiles(folder)
    shown = [verifier.prove_conversation(files, handle) for handle in asked]
    took = spent(lambda: [verifier.prove_conversation(files, handle) for handle in asked]) / len(
        asked
    )
    floor = spent(
        lambda: [
            verifier.check_conversation(manifest, proof, handle)
            for proof, handle in zip(shown, asked, strict=True)
        ]
    ) / len(asked)
    whole = spent(lambda: verifier.prove_conversation(WholeFiles(folder), asked[0]))
    yield Row(
        f"one conversation of {size:,} rows found and proved, ms (goal: {GOAL_MS})",
        f"{took * 1e3:.1f}",
        f"{floor * 1e3:.2f}",
        f"{floor / took:.2f}",
    )
    yield Row(
        "  beside reading the files whole, ms",
        f"{took * 1e3:.1f}",
        f"{whole * 1e3:,.0f}",
        f"{whole / took:,.0f}",
    )
    yield Row("  a proof, bytes", f"{len(json.dumps(shown[0])):,}")
