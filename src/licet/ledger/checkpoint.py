"""Checkpoints: a log's signed commitment to its content at one size, in three lines.

Promise: `verify` returns only a checkpoint of the named log that the log's own key signed. Licet
writes no extension lines, which nobody can audit; it keeps those of others, because a signature
covers them. Follows c2sp.org/tlog-checkpoint@v1.0.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from licet.errors import UsageError
from licet.ledger import note
from licet.ledger.note import NoteRefusal, Verifier, decode_base64, encode_base64, refusal_error

SIZE_MAX = 2**63 - 1
ORIGIN_BYTES_MAX = 255

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``root`` is the RFC 6962 tree hash of the first ``size`` entries."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "".join(
            f"{line}\n"
            for line in (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        )


def parse_size(text: str, name: str) -> int:
    """Parses an ASCII decimal without leading zeroes, below 2**63; raises `RefusedError`."""
    if not _DECIMAL.fullmatch(text) or int(text) > SIZE_MAX:
        raise refusal_error(f"{name} is not a decimal below 2**63 without leading zeroes")
    return int(text)


def parse_hash(text: str, name: str) -> bytes:
    digest = decode_base64(text, name)
    if len(digest) != 32:
        raise refusal_error(f"{name} does not have 32 bytes")
    return digest


def parse(text: str) -> Checkpoint:
    """Parses the text of a note as a checkpoint; raises `RefusedError`."""
    lines = text.removesuffix("\n").split("\n")
    if not text.endswith("\n") or len(lines) < 3 or not all(lines):
        raise refusal_error("a checkpoint has at least three lines and none is empty")
    check_origin(lines[0])
    size = parse_size(lines[1], "the size of the checkpoint")
    return Checkpoint(
        lines[0], size, parse_hash(lines[2], "the root of the checkpoint"), tuple(lines[3:])
    )


def verify(data: bytes, origin: str, log: Verifier) -> Checkpoint:
    """Returns the checkpoint of a log, verified with the log's key; raises `RefusedError`."""
    checkpoint = parse(note.verify(data, [log]).text)
    if checkpoint.origin != origin:
        raise refusal_error(
            f"the checkpoint belongs to another log than `{origin}`", NoteRefusal.foreign
        )
    return checkpoint


def check_origin(origin: str) -> None:
    if not origin or len(origin.encode()) > ORIGIN_BYTES_MAX:
        raise refusal_error(f"an origin has 1 to `{ORIGIN_BYTES_MAX}` bytes")


def origin_of(name: str, year: int) -> str:
    if not 1970 <= year <= 9999:
        raise UsageError(f"`{year}` is not a year of four digits")
    if not name or name.endswith("/") or "+" in name or any(c.isspace() or c < " " for c in name):
        raise UsageError(
            f"`{name}` cannot name a log",
            "use a URL without its scheme, such as `example.com/ledger`",
        )
    return f"{name}/{year}"
