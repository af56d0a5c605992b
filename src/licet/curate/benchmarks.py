"""Decontamination: marks texts that contain a benchmark question, so that they are not trained on.

By the rule ``palm`` a text contains a question if it has ``HELD_MIN`` of the question's eight-word
shingles (Chowdhery et al. 2022, section 8); by ``gpt-3``, if it has one run of thirteen words of it
(Brown et al. 2020, appendix C, which cuts two hundred characters around the run; here the whole
conversation is dropped). Questions shorter than a run are indistinguishable from common phrases and
omitted. The first line of a question file names a rule other than ``palm``, so that a list keeps
its rule. The list contains hashes under a fixed key, which is not secret: benchmarks are public,
and the list is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from licet.curate.words import CHUNK_BYTES_MAX, shingles, to_columns, words
from licet.errors import InputError

HELD_MIN = 0.7
RULE_LINE = "# rule: "
QUESTIONS_MAX = 1_000_000
FILE_BYTES_MAX = 1 << 30
_KEY = b"licet benchmark questions 1"


class OverlapRule(StrEnum):
    """The rule of when a text contains a question."""

    palm = "palm"
    gpt3 = "gpt-3"

    @property
    def words(self) -> int:
        """The words of a run."""
        return 13 if self is OverlapRule.gpt3 else 8


class Benchmarks(msgspec.Struct, frozen=True, kw_only=True):
    """The sorted shingles of all questions with their question's number, and each question's size.

    Little-endian buffers, so that a plan with benchmarks can be hashed and sent.
    """

    hashes: bytes = b""
    questions: bytes = b""
    sizes: bytes = b""
    rule: OverlapRule = OverlapRule.palm

    def sha256(self) -> str:
        rule = b"" if self.rule is OverlapRule.palm else self.rule.encode()
        return sha256(self.hashes + self.questions + self.sizes + rule).hexdigest()

    def held(self, texts: Sequence[str]) -> list[bool]:
        """For each text, whether it contains a question."""
        if not self.sizes:
            return [False] * len(texts)
        hashes = np.frombuffer(self.hashes, "<u8")
        questions, sizes = np.frombuffer(self.questions, "<u4"), np.frombuffer(self.sizes, "<u4")
        results = []
        for text in texts:
            own = np.unique(np.concatenate([_hashes(piece, self.rule) for piece in _pieces(text)]))
            first = np.searchsorted(hashes, own, "left")
            last = np.searchsorted(hashes, own, "right")
            among = [questions[first[n] : last[n]] for n in np.flatnonzero(last > first)]
            numbers, counts = np.unique(
                np.concatenate(among or [questions[:0]]), return_counts=True
            )
            results.append(
                bool(
                    (
                        counts
                        >= (1 if self.rule is OverlapRule.gpt3 else HELD_MIN * sizes[numbers])
                    ).any()
                )
            )
        return results


def build_benchmarks(questions: Sequence[str], rule: OverlapRule = OverlapRule.palm) -> Benchmarks:
    """Builds the list from ``questions``."""
    pairs: list[tuple[int, int]] = []
    sizes: list[int] = []
    for question in questions:
        hashed = words(*to_columns([question.encode("utf-8", "replace")[:CHUNK_BYTES_MAX]]), _KEY)
        if len(hashed.hashes) < rule.words:
            continue
        own = np.unique(shingles(hashed, rule.words)[0])
        pairs += [(int(value), len(sizes)) for value in own]
        sizes.append(len(own))
    pairs.sort()
    return Benchmarks(
        hashes=np.array([h for h, _ in pairs], "<u8").tobytes(),
        questions=np.array([q for _, q in pairs], "<u4").tobytes(),
        sizes=np.array(sizes, "<u4").tobytes(),
        rule=rule,
    )


def read_benchmarks(path: Path) -> Benchmarks:
    """Reads a file with one question a line; InputError."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise InputError(
                f"has more than `{FILE_BYTES_MAX}` bytes", "split the list", file=str(path)
            )
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise InputError(
            f"cannot be read: {reason}", "name a file with one question a line", file=str(path)
        ) from error
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8", "save it as UTF-8", file=str(path)) from error
    if len(lines) > QUESTIONS_MAX:
        raise InputError(
            f"has more than `{QUESTIONS_MAX}` questions", "split the list", file=str(path)
        )
    return build_benchmarks(*_ruled(lines, path))


def _ruled(lines: list[str], path: Path) -> tuple[list[str], OverlapRule]:
    """Splits off the rule named in the first line; returns the questions and the rule."""
    if not lines or not lines[0].startswith(RULE_LINE):
        return lines, OverlapRule.palm
    name = lines[0].removeprefix(RULE_LINE).strip()
    if name not in list(OverlapRule):
        known = " or ".join(f"`{RULE_LINE}{rule}`" for rule in OverlapRule)
        raise InputError(
            f"`{name}` is no rule of overlap", f"write {known} in the first line", file=str(path)
        )
    return lines[1:], OverlapRule(name)


def _hashes(text: bytes, rule: OverlapRule) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    return shingles(words(*to_columns([text]), _KEY), rule.words)[0]


def _pieces(text: str) -> Iterator[bytes]:
    data = text.encode("utf-8", "replace")
    return (
        data[start : start + CHUNK_BYTES_MAX]
        for start in range(0, max(len(data), 1), CHUNK_BYTES_MAX)
    )
