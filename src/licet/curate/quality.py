"""Quality signals: numbers that are computed once for each document. Selection rules can change without computing them again.

Each is a signal of MassiveText (Rae et al. 2021, "Gopher", arXiv:2112.11446, appendix A.1.1, tables A1 and A2),
measured within each turn and weighted by its size, so that an assistant that quotes the text it was asked to fix does not
look repetitive. The thresholds of `Select` are the paper's; its rules for the length of words and for stop words hold
for English web pages and are not in the default rule, nor is any held against code, whose lines repeat by nature.

A word is what stands between blanks; where a script writes none, it is as many of its characters as an English word takes in
translation (unspaced.py), and five words in a row are as many characters. An ellipsis of two characters, as Chinese and
Japanese write it, is one. Symbols are held against how much was said: against words, or where these are long, as in Finnish
or Korean, against as many letters as English words have.

Invariant: a signal depends on the document's own texts. A turn is read to ``words.CHUNK_BYTES_MAX`` bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import filterfalse

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.curate.sketches import CHUNK_BYTES
from licet.curate.unspaced import LETTERS_A_WORD, Unspaced, unspaced
from licet.curate.words import CHUNK_BYTES_MAX, SHINGLE_WORDS, Hashes, joined, shingles, words
from licet.release.rows import Quality

LINES_READ_MAX = 10_000
_KEY = b"licet quality 1"
_BULLETS, _ELLIPSES = frozenset("-*•‣▪"), ("...", "…")


def qualities(documents: Sequence[Sequence[str]]) -> list[Quality]:
    """The signals of each document, given what people and the assistant said in it, turn by turn."""
    turns = [turn[:CHUNK_BYTES_MAX] for document in documents for turn in document]
    scripts = {number: found for number, turn in enumerate(turns) if not turn.isascii() and (found := unspaced(turn))}
    repeats, fives = _repetition(turns, scripts)
    out, first = [], 0
    for document in documents:
        last = first + len(document)
        own = [scripts[number] for number in range(first, last) if number in scripts] if scripts else []
        out.append(_quality(turns[first:last], own, sum(repeats[first:last]), sum(fives[first:last])))
        first = last
    return out


def _quality(turns: Sequence[str], scripts: Sequence[Unspaced], repeats: int, fives: int) -> Quality:
    lines = again = bullets = ellipses = symbols = letters = spaced = alphabetic = 0
    for turn in turns:
        own = [line for line in map(str.strip, turn.splitlines()[:LINES_READ_MAX]) if line]
        lines += len(own)
        again += len(own) - len(set(own))
        for line in own:
            bullets += line[0] in _BULLETS
            ellipses += line.endswith(_ELLIPSES)
        symbols += turn.count("#") + turn.count("...") + turn.count("…") - turn.count("……")
        whole = turn.split()
        spaced += len(whole)
        letters += len("".join(whole))
        mixed = list(filterfalse(str.isalpha, whole))
        alphabetic += len(whole) - len(mixed)
        alphabetic += sum(word[0].isalpha() or any(map(str.isalpha, word)) for word in mixed)
    count = spaced + round(sum(script.words for script in scripts))
    return Quality(
        words=count,
        word_letters=_share(letters, count),
        symbols=_share(symbols, max(count, round(letters / LETTERS_A_WORD + sum(script.saying for script in scripts)))),
        alphabetic=_share(alphabetic, spaced) if spaced else 1.0,
        bullets=_share(bullets, lines),
        ellipses=_share(ellipses, lines),
        repeated_lines=_share(again, lines),
        repeated_fives=_share(repeats, fives),
    )


def _share(part: int, of: int) -> float:
    """Rounded, so that no engine's arithmetic shows."""
    return round(part / of, 4) if of else 0.0


def _repetition(turns: Sequence[str], scripts: Mapping[int, Unspaced]) -> tuple[list[int], list[int]]:
    """Of each turn how many of its shingles were there before in it, and how many it has."""
    written = [turn.encode("utf-8", "replace")[:CHUNK_BYTES_MAX] for turn in turns]
    for number, script in scripts.items():
        written[number] = script.apart(turns[number]).encode("utf-8", "replace")[:CHUNK_BYTES_MAX]
    sizes = [scripts[number].shingle if number in scripts else SHINGLE_WORDS for number in range(len(turns))]
    repeats, totals = [0] * len(turns), [0] * len(turns)
    for size in sorted(set(sizes)):
        numbers = [number for number, own in enumerate(sizes) if own == size]
        for number, *found in zip(numbers, *_repeated([written[number] for number in numbers], size), strict=True):
            repeats[number], totals[number] = found
    return repeats, totals


def _repeated(turns: Sequence[bytes], size: int) -> tuple[list[int], list[int]]:
    repeats: list[int] = []
    totals: list[int] = []
    for chunk in _chunks(turns):
        hashes, ends = shingles(words(*joined(chunk), _KEY), size)
        sizes = np.diff(ends, prepend=0)
        owner = np.repeat(np.arange(len(chunk)), sizes)
        repeats += _counted_again(hashes, owner, len(chunk))
        totals += sizes.tolist()
    return repeats, totals


def _counted_again(hashes: Hashes, owner: NDArray[np.int64], turns: int) -> list[int]:
    """How many hashes of each turn stand in it before. Most stand nowhere else, and one plain sort of the hashes finds
    those that do: the sort by turn and hash, which takes ten times as long, is of these alone.
    """
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return [0] * turns
    place = np.minimum(np.searchsorted(twice, hashes), len(twice) - 1)
    some = np.flatnonzero(twice[place] == hashes)
    hashes, owner = hashes[some], owner[some]
    order = np.lexsort((hashes, owner))
    again = (np.diff(hashes[order]) == 0) & (np.diff(owner[order]) == 0)
    return [int(count) for count in np.bincount(owner[order][1:][again], minlength=turns)]


def _chunks(turns: Sequence[bytes]) -> list[list[bytes]]:
    out: list[list[bytes]] = []
    size = CHUNK_BYTES
    for turn in turns:
        if size + len(turn) > CHUNK_BYTES or not out:
            out.append([])
            size = 0
        out[-1].append(turn)
        size += len(turn)
    return out


class Select(msgspec.Struct, frozen=True, kw_only=True):
    """The rule that selects by signals, of documents with ``words_min`` words or more that are no code."""

    words_min: int = 50  # Gopher's least
    repeated_lines_max: float = 0.30  # table A1: duplicate line fraction
    repeated_fives_max: float = 0.15  # table A1: duplicate 5-gram fraction
    ellipses_max: float = 0.30  # A.1.1: lines that end with an ellipsis
    symbols_max: float = 0.10  # A.1.1: symbol to word ratio

    def refuses(self, quality: Quality) -> bool:
        return quality.words >= self.words_min and (
            quality.repeated_lines > self.repeated_lines_max
            or quality.repeated_fives > self.repeated_fives_max
            or quality.ellipses > self.ellipses_max
            or quality.symbols > self.symbols_max
        )
