"""Quality signals of documents, independent of the selection rules on them.

The signals of MassiveText (Rae et al. 2021, "Gopher", arXiv:2112.11446, appendix A.1.1, tables A1
and A2), measured within each turn and weighted by its size, so that an assistant that quotes a text
does not look repetitive. The thresholds of `Select` are the paper's; its rules for word length and
stop words suit English web pages and are not in the default rule, and none applies to code.

Words are separated by blanks; in a script without spaces, a word is as many characters as an
English word takes in translation (spaceless.py), and five words in a row are as many characters.
The two-character ellipsis of Chinese and Japanese counts as one. Symbols are measured against
words, or against letters of average English words where words are long, as in Finnish or Korean.

Invariant: a signal depends on the document's own texts. A turn is read up to
``words.CHUNK_BYTES_MAX`` bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import filterfalse
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.curate.characters import BULLETS
from licet.curate.sketches import CHUNK_BYTES
from licet.curate.spaceless import LETTERS_A_WORD, Unspaced, estimate
from licet.curate.words import (
    CHUNK_BYTES_MAX,
    SHINGLE_WORDS,
    Hashes,
    Offsets,
    shingles,
    to_columns,
    words,
)
from licet.release.rows import Quality

LINES_READ_MAX = 10_000
KEY = b"licet quality 1"
_ELLIPSES = ("...", "…")
_Text = TypeVar("_Text", str, bytes)


def qualities(documents: Sequence[Sequence[str]]) -> list[Quality]:
    """The signals of each document, given the turns of people and the assistant."""
    turns = [turn[:CHUNK_BYTES_MAX] for document in documents for turn in document]
    scripts = {
        number: figures
        for number, turn in enumerate(turns)
        if not turn.isascii() and (figures := estimate(turn))
    }
    repeats, fives = repetition(turns, scripts)
    counted = list(map(plain_signals, turns))
    out, first = [], 0
    for document in documents:
        last = first + len(document)
        own = (
            [scripts[number] for number in range(first, last) if number in scripts]
            if scripts
            else []
        )
        counts = list(map(sum, zip(*counted[first:last], strict=True))) or [0] * len(
            TurnSignals._fields
        )
        out.append(
            _quality(TurnSignals(*counts), own, sum(repeats[first:last]), sum(fives[first:last]))
        )
        first = last
    return out


class TurnSignals(NamedTuple):
    """The counts of a turn; words are separated by blanks."""

    lines: int
    repeated: int
    bullets: int
    ellipses: int
    symbols: int
    words: int
    letters: int
    alphabetic: int


def plain_signals(turn: str) -> TurnSignals:
    """The counts of a turn, in plain Python."""
    own = [line for line in map(str.strip, turn.splitlines()[:LINES_READ_MAX]) if line]
    tokens = turn.split()
    mixed = list(filterfalse(str.isalpha, tokens))
    return TurnSignals(
        lines=len(own),
        repeated=len(own) - len(set(own)),
        bullets=sum(line[0] in BULLETS for line in own),
        ellipses=sum(line.endswith(_ELLIPSES) for line in own),
        symbols=turn.count("#") + turn.count("...") + turn.count("…") - turn.count("……"),
        words=len(tokens),
        letters=len("".join(tokens)),
        alphabetic=len(tokens)
        - len(mixed)
        + sum(word[0].isalpha() or any(map(str.isalpha, word)) for word in mixed),
    )


def _quality(
    signals: TurnSignals, scripts: Sequence[Unspaced], repeats: int, fives: int
) -> Quality:
    count = signals.words + round(sum(script.words for script in scripts))
    saying = round(signals.letters / LETTERS_A_WORD + sum(script.saying for script in scripts))
    return Quality(
        words=count,
        word_letters=_share(signals.letters, count),
        symbols=_share(signals.symbols, max(count, saying)),
        alphabetic=_share(signals.alphabetic, signals.words) if signals.words else 1.0,
        bullets=_share(signals.bullets, signals.lines),
        ellipses=_share(signals.ellipses, signals.lines),
        repeated_lines=_share(signals.repeated, signals.lines),
        repeated_fives=_share(repeats, fives),
    )


def _share(part: int, total: int) -> float:
    """Rounded, so that all engines agree."""
    return round(part / total, 4) if total else 0.0


def quality_columns(
    counts: NDArray[np.int64],
    repeats: NDArray[np.int64],
    fives: NDArray[np.int64],
    scripts: Mapping[int, Sequence[Unspaced]],
) -> dict[str, NDArray[Any]]:
    """The signals of documents by name, each an array: `qualities`, from their counts
    (`TurnSignals`), their shingles and their turns in scripts without spaces.
    """
    lines, repeated, bullets, ellipses, symbols, whole, letters, alphabetic = counts.T
    words, saying = (np.zeros(len(counts)) for _ in range(2))
    for number, own in scripts.items():
        words[number], saying[number] = (
            sum(one.words for one in own),
            sum(one.saying for one in own),
        )
    count = whole + np.rint(words).astype(np.int64)
    saying = np.rint(letters / LETTERS_A_WORD + saying).astype(np.int64)
    return {
        "words": count.astype(np.uint64),
        "word_letters": _shares(letters, count),
        "symbols": _shares(symbols, np.maximum(count, saying)),
        "alphabetic": np.where(whole, _shares(alphabetic, whole), 1.0),
        "bullets": _shares(bullets, lines),
        "ellipses": _shares(ellipses, lines),
        "repeated_lines": _shares(repeated, lines),
        "repeated_fives": _shares(repeats, fives),
    }


def _shares(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> NDArray[np.float64]:
    """`_share` of each; values near a rounding boundary are rounded by Python, which is exact."""
    exact = parts / np.maximum(wholes, 1)
    scaled = exact * 1e4
    out: NDArray[np.float64] = np.rint(scaled) / 1e4
    for number in np.flatnonzero(np.abs(scaled - np.floor(scaled) - 0.5) < 1e-3).tolist():
        out[number] = round(float(exact[number]), 4)
    out[wholes == 0] = 0.0
    return out


def repetition(
    turns: Sequence[str], scripts: Mapping[int, Unspaced]
) -> tuple[list[int], list[int]]:
    """For each turn, how many of its shingles occurred in it before, and their number."""
    written = [turn.encode("utf-8", "replace")[:CHUNK_BYTES_MAX] for turn in turns]
    for number, script in scripts.items():
        written[number] = script.apart(turns[number]).encode("utf-8", "replace")[:CHUNK_BYTES_MAX]
    sizes = [
        scripts[number].shingle if number in scripts else SHINGLE_WORDS
        for number in range(len(turns))
    ]
    repeats, totals = [0] * len(turns), [0] * len(turns)
    for size in sorted(set(sizes)):
        numbers = [number for number, own in enumerate(sizes) if own == size]
        for number, *counts in zip(
            numbers, *_repeated([written[number] for number in numbers], size), strict=True
        ):
            repeats[number], totals[number] = counts
    return repeats, totals


def _repeated(turns: Sequence[bytes], size: int) -> tuple[list[int], list[int]]:
    counts: list[int] = []
    totals: list[int] = []
    for chunk in _chunks(turns):
        hashes, ends = shingles(words(*to_columns(chunk), KEY), size)
        counts += repeats(hashes, ends).tolist()
        totals += np.diff(ends, prepend=0).tolist()
    return counts, totals


def repeats(hashes: Hashes, ends: Offsets) -> NDArray[np.int64]:
    """The number of repeated hashes in each turn. A plain sort first discards the unique hashes,
    which are most: sorting by turn and hash takes ten times as long.
    """
    owner = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return np.zeros(len(ends), np.int64)
    place = np.minimum(np.searchsorted(twice, hashes), len(twice) - 1)
    some = np.flatnonzero(twice[place] == hashes)
    hashes, owner = hashes[some], owner[some]
    order = np.lexsort((hashes, owner))
    again = (np.diff(hashes[order]) == 0) & (np.diff(owner[order]) == 0)
    return np.bincount(owner[order][1:][again], minlength=len(ends))


def _chunks(turns: Sequence[_Text]) -> list[list[_Text]]:
    out: list[list[_Text]] = []
    size = CHUNK_BYTES
    for turn in turns:
        if size + len(turn) > CHUNK_BYTES or not out:
            out.append([])
            size = 0
        out[-1].append(turn)
        size += len(turn)
    return out


class Select(msgspec.Struct, frozen=True, kw_only=True):
    """Selects by signals, among documents with at least ``words_min`` words that are not code."""

    words_min: int = 50  # Gopher's least
    repeated_lines_max: float = 0.30  # table A1: duplicate line fraction
    repeated_fives_max: float = 0.15  # table A1: duplicate 5-gram fraction
    ellipses_max: float = 0.30  # A.1.1: lines that end with an ellipsis
    symbols_max: float = 0.10  # A.1.1: symbol to word ratio

    def refuses(self, quality: Quality) -> bool:
        return bool(self.refused(msgspec.structs.asdict(quality)))

    def refused(self, signals: Mapping[str, Any]) -> Any:  # noqa: ANN401 a bool or array
        """Whether signals, by name, are refused."""
        return (signals["words"] >= self.words_min) & (
            (signals["repeated_lines"] > self.repeated_lines_max)
            | (signals["repeated_fives"] > self.repeated_fives_max)
            | (signals["ellipses"] > self.ellipses_max)
            | (signals["symbols"] > self.symbols_max)
        )
