"""The loops of curation as machine code: the same results as the plain code beside which they stand, a tenth of the time.

Only `compiled` imports this module, where numba is installed. Arrays come in as numpy's over the bytes or the code points
of many texts that lie one after the other, text ``i`` at ``ends[i-1]:ends[i]``; nothing here makes a Python object for a
word. What each function gives is defined by its plain twin, named in its docstring, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from licet.curate.characters import ALPHA, BREAK, BULLET, SPACE
from licet.curate.hash_constants import GOLDEN

SIGNALS = 8  # lines, repeated lines, bullets, ellipses, symbols, words, letters, words with a letter

Bytes: TypeAlias = NDArray[np.uint8]
Codes: TypeAlias = NDArray[np.uint32]
Hashes: TypeAlias = NDArray[np.uint64]
Places: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[Any]
_Function = TypeVar("_Function", bound=Callable[..., Any])

_U = np.uint64
_GOLDEN = _U(GOLDEN)
_FNV, _FNV_PRIME = _U(0xCBF29CE484222325), _U(0x100000001B3)


def _jit(function: _Function) -> _Function:
    try:
        made = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that a cache can be kept in
        made = numba.njit(nogil=True)(function)
    compiled: _Function = made
    return compiled


@_jit
def _mixed(hashed: np.uint64) -> np.uint64:
    hashed = (hashed ^ (hashed >> _U(30))) * _U(0xBF58476D1CE4E5B9)
    hashed = (hashed ^ (hashed >> _U(27))) * _U(0x94D049BB133111EB)
    return hashed ^ (hashed >> _U(31))


@_jit
def words(data: Bytes, ends: Places, lower: Bytes, values: Hashes) -> tuple[Hashes, Places]:
    """The hashes of the words and where those of each text end: `words.words`."""
    hashes, out = np.empty(len(data), np.uint64), np.empty(len(ends), np.int64)
    count, start = 0, 0
    for text in range(len(ends)):
        is_open, hashed, power = False, _U(0), _U(1)
        for at in range(start, ends[text]):
            byte = data[at]
            low = lower[byte]
            begins = low != 0 and (not is_open or 0xE3 <= byte <= 0xED)
            if is_open and (low == 0 or begins):
                hashes[count] = _mixed(hashed)
                count += 1
                is_open = False
            if begins:
                is_open, hashed, power = True, _U(0), _U(1)
            if is_open:
                hashed += values[low] * power
                power *= _GOLDEN
        if is_open:
            hashes[count] = _mixed(hashed)
            count += 1
        out[text] = count
        start = ends[text]
    return hashes[:count].copy(), out


@_jit
def shingles(hashes: Hashes, ends: Places, factors: Hashes) -> tuple[Hashes, Places]:
    """The hashes of the shingles and where those of each text end: `words.shingles`."""
    size = len(factors)
    made, out = np.empty(len(hashes), np.uint64), np.empty(len(ends), np.int64)
    count, start = 0, 0
    for text in range(len(ends)):
        own = ends[text] - start
        for at in range(start, start + max(own - size + 1, min(own, 1))):
            hashed = _U(0)
            for k in range(min(size, own)):
                hashed += hashes[at + k] * factors[k]
            made[count] = _mixed(hashed)
            count += 1
        out[text] = count
        start = ends[text]
    return made[:count].copy(), out


@_jit
def again(hashes: Hashes, ends: Places) -> Places:
    """Of each text how many of its hashes stand in it before: `quality.repeats`."""
    out = np.zeros(len(ends), np.int64)
    most, start = 1, 0
    for text in range(len(ends)):
        most = max(most, ends[text] - start)
        start = ends[text]
    size = 1
    while size < 2 * most:
        size *= 2
    known, stamps, mask = np.empty(size, np.uint64), np.zeros(size, np.int64), _U(size - 1)
    start = 0
    for text in range(len(ends)):
        for at in range(start, ends[text]):
            place = hashes[at] & mask
            while stamps[place] == text + 1 and known[place] != hashes[at]:
                place = (place + _U(1)) & mask
            if stamps[place] == text + 1:
                out[text] += 1
            else:
                stamps[place], known[place] = text + 1, hashes[at]
        start = ends[text]
    return out


@_jit
def signatures(hashes: Hashes, ends: Places, places: int, empty: np.uint32) -> Codes:
    """The signature of each text of ``places`` numbers: `sketches.plain_signatures`."""
    out = np.full((len(ends), places), empty, np.uint32)
    rounds, mask, start = np.empty(places, np.int64), _U(places - 1), 0
    for text in range(len(ends)):
        own, left = out[text], places
        for turn in range(2 * places):
            if left == 0 or ends[text] == start:
                break
            for at in range(start, ends[text]):
                drawn = hashes[at] if turn == 0 else _mixed(hashes[at] + _U(turn) * _GOLDEN)
                place = np.int64(drawn & mask) if turn < places else turn - places
                value = min(np.uint32(drawn >> _U(32)), np.uint32(empty - 1))
                if own[place] == empty:
                    own[place], rounds[place] = value, turn
                    left -= 1
                elif rounds[place] == turn and value < own[place]:
                    own[place] = value
        start = ends[text]
    return out


@_jit
def signals(codes: Codes, ends: Places, classes: Bytes, lines_max: int) -> Places:
    """What `quality` counts in each text: `quality.plain_signals`. ``classes``: the class of each code point."""
    out = np.zeros((len(ends), SIGNALS), np.int64)
    start = 0
    for text in range(len(ends)):
        end, own = ends[text], out[text]
        _words_and_symbols(codes, start, end, classes, own)
        _lines(codes, start, end, classes, lines_max, own)
        start = end
    return out


@_jit
def _words_and_symbols(codes: Codes, start: int, end: int, classes: Bytes, out: Places) -> None:
    symbols, words, said, alphabetic = 0, 0, 0, 0
    was_open, had_letter, dots, marks = 0, 0, 0, 0
    for at in range(start, end):
        code = codes[at]
        kind = int(classes[code])
        # Without a branch for where a word begins and ends, which a processor cannot foresee.
        is_open = 1 - (kind & SPACE)
        words += is_open & (1 - was_open)
        said += is_open
        letter = is_open & ((kind & ALPHA) // ALPHA)
        alphabetic += letter & (1 - had_letter)
        had_letter = is_open & (letter | had_letter)
        was_open = is_open
        symbols += code == 35
        dots = dots + 1 if code == 46 else 0
        if dots == 3:
            symbols += 1
            dots = 0
        if code == 0x2026:
            marks += 1
            symbols += 1
            if marks == 2:
                symbols -= 1
                marks = 0
        else:
            marks = 0
    out[4] += symbols
    out[5] += words
    out[6] += said
    out[7] += alphabetic


@_jit
def _lines(codes: Codes, start: int, end: int, classes: Bytes, lines_max: int, out: Places) -> None:
    size = 16
    firsts, lasts, hashed = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.uint64)
    count, seen, at = 0, 0, start
    while at < end and seen < lines_max:
        stop = at
        while stop < end and not classes[codes[stop]] & BREAK:
            stop += 1
        first, last = at, stop
        while first < last and classes[codes[first]] & SPACE:
            first += 1
        while first < last and classes[codes[last - 1]] & SPACE:
            last -= 1
        at = stop + (2 if stop + 1 < end and codes[stop] == 13 and codes[stop + 1] == 10 else 1)
        seen += 1
        if first == last:
            continue
        out[0] += 1
        out[2] += (classes[codes[first]] & BULLET) != 0
        dots = last - first > 2 and codes[last - 1] == 46 and codes[last - 2] == 46 and codes[last - 3] == 46
        out[3] += codes[last - 1] == 0x2026 or dots
        if count == size:
            size *= 2
            firsts, lasts, hashed = _grown(firsts, size), _grown(lasts, size), _grown(hashed, size)
        firsts[count], lasts[count] = first, last
        count += 1
    if count > 1:
        for line in range(count):
            own = _FNV
            for place in range(firsts[line], lasts[line]):
                own = (own ^ _U(codes[place])) * _FNV_PRIME
            hashed[line] = own
        out[1] += _equal_lines(codes, firsts[:count], lasts[:count], hashed[:count])


@_jit
def _grown(numbers: Numbers, size: int) -> Numbers:
    out = np.empty(size, numbers.dtype)
    out[: len(numbers)] = numbers
    return out


@_jit
def _equal_lines(codes: Codes, firsts: Places, lasts: Places, hashed: Hashes) -> int:
    """How many lines are equal to one before."""
    out, size = 0, 1
    while size < 2 * len(firsts):
        size *= 2
    table, mask = np.full(size, -1, np.int64), _U(size - 1)
    for line in range(len(firsts)):
        place = _mixed(hashed[line]) & mask
        while table[place] >= 0:
            other = table[place]
            if hashed[other] == hashed[line] and _equal(
                codes[firsts[other] : lasts[other]], codes[firsts[line] : lasts[line]]
            ):
                break
            place = (place + _U(1)) & mask
        if table[place] >= 0:
            out += 1
        else:
            table[place] = line
    return out


@_jit
def _equal(one: Codes, other: Codes) -> bool:
    if len(one) != len(other):
        return False
    for at in range(len(one)):  # noqa: SIM110 numba has no generators
        if one[at] != other[at]:
            return False
    return True


@_jit
def hashed(codes: Codes) -> np.uint64:
    """The hash by which `languages` finds a word."""
    out = _FNV
    for code in codes:
        out = (out ^ _U(code)) * _FNV_PRIME
    return _mixed(out)


@_jit
def languages(
    codes: Codes,
    ends: Places,
    texts: Places,
    each: Places,
    letters: NDArray[np.bool_],
    table: Places,
    known: Codes,
    known_ends: Places,
    weights: Places,
    counted_max: int,
) -> Places:
    """The scores of each document, and behind them how many words were read: `labels.plain_scores`.

    Document ``i`` has the texts ``texts[i-1]:texts[i]``, of each of which ``each[i]`` words are read. ``table``: by the
    last bits of its hash the number of a word, which lies in ``known``, or -1. ``weights``: of each word by language.
    """
    spoken = weights.shape[1]
    out = np.zeros((len(texts), spoken + 1), np.int64)
    counts, touched = np.zeros(len(known_ends), np.int64), np.empty(len(known_ends), np.int64)
    first, mask = 0, _U(len(table) - 1)
    for document in range(len(texts)):
        count = 0
        for text in range(first, texts[document]):
            at, end, left = (ends[text - 1] if text else 0), ends[text], each[document]
            while left > 0 and at < end:
                while at < end and not letters[codes[at]]:
                    at += 1
                stop, own = at, _FNV
                while stop < end and letters[codes[stop]]:
                    own = (own ^ _U(codes[stop])) * _FNV_PRIME
                    stop += 1
                if stop == at:
                    break
                left -= 1
                out[document, spoken] += 1
                place = _mixed(own) & mask
                while table[place] >= 0:
                    number = table[place]
                    begins = known_ends[number - 1] if number else 0
                    if _equal(known[begins : known_ends[number]], codes[at:stop]):
                        break
                    place = (place + _U(1)) & mask
                if table[place] >= 0:
                    number = table[place]
                    if counts[number] == 0:
                        touched[count] = number
                        count += 1
                    counts[number] += 1
                at = stop
        for n in range(count):
            number = touched[n]
            for one in range(spoken):
                out[document, one] += weights[number, one] * min(counts[number], counted_max)
            counts[number] = 0
        first = texts[document]
    return out
