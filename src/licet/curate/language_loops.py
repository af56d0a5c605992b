"""The likeliest language of texts as machine code: the results of `language_model.plain` in a tenth
of the time.

As `loops`, imported only where numba is installed; nothing here calls a function of another module,
so numba's cache by this file's time is right.
"""

from __future__ import annotations

import numpy as np

from licet.curate.loop_shared import LANGUAGE_COLUMNS, LANGUAGE_SCALE, Bools, Bytes, Numbers, Places
from licet.curate.loops import INT, U, inner, jit

LEVELS = 8  # up to which the n-grams that occur equally often are added as integers
BLANK = 32


@jit
def languages(
    data: Bytes,
    ends: Places,
    documents: Places,
    automaton: tuple[Numbers, ...],
    table: Numbers,
    priors: Numbers,
    group: Places,
    is_neighbour: Bools,
) -> tuple[Places, Numbers]:
    """The likeliest language, -1 for none, and its probability (`language_model.plain`) of each
    piece, and behind the pieces of a document of them all, joined by blanks. An entry is fetched
    once for a piece and for the whole.
    """
    pieces = len(ends) - 1
    names = np.full(pieces + len(documents) - 1, -1, np.int64)
    shares = np.zeros(len(names), np.float64)
    own, whole = np.zeros(len(table), np.int32), np.zeros(len(table), np.int32)  # occurrences
    seen, times = np.empty(256, np.int64), np.empty(256, np.int64)  # in a piece, and how often
    across = np.empty(256, np.int64)  # those of the joined pieces at which no piece has one
    up_to = np.zeros(pieces + 1, np.int64)  # the end of each piece in `seen`
    sums = np.zeros((2, LEVELS, LANGUAGE_COLUMNS), np.int32)
    scores, summed = np.empty((2, len(priors))), np.empty(len(is_neighbour))
    for document in range(len(documents) - 1):
        first, last = documents[document], documents[document + 1]
        size = ends[last] - ends[first] + last - first - 1  # of the joined pieces
        if len(seen) <= size:
            seen, times = np.empty(2 * size, np.int64), np.empty(2 * size, np.int64)
            across = np.empty(2 * size, np.int64)
        found, crossing = _count(
            data, ends, first, last, automaton, (own, whole, seen, times, across, up_to)
        )
        _begin(sums[1], scores[1], priors, found + crossing)
        begin = 0
        for piece in range(first, last):
            _begin(sums[0], scores[0], priors, up_to[piece + 1] - begin)
            for nth in range(begin, up_to[piece + 1]):
                feature = seen[nth]
                _add(table, feature, times[nth], sums, scores, 0)
                if whole[feature]:
                    _add(table, feature, whole[feature], sums, scores, 1)
                    whole[feature] = 0
            begin = up_to[piece + 1]
            if ends[piece + 1] > ends[piece]:
                names[piece + document], shares[piece + document] = _likeliest(
                    sums[0], scores[0], ends[piece + 1] - ends[piece], group, is_neighbour, summed
                )
        for nth in range(crossing):
            if whole[across[nth]]:
                _add(table, across[nth], whole[across[nth]], sums, scores, 1)
                whole[across[nth]] = 0
        if size > 0:
            names[last + document], shares[last + document] = _likeliest(
                sums[1], scores[1], size, group, is_neighbour, summed
            )
    return names, shares


@inner
def _count(
    data: Bytes,
    ends: Places,
    first: int,
    last: int,
    automaton: tuple[Numbers, ...],
    counts: tuple[Numbers, ...],
) -> tuple[int, int]:
    """Counts the n-grams of each piece, and of the pieces joined; returns how many it found.

    Reading a piece ends in the same state wherever the piece begins, but for its first bytes. So it
    is read once: ``other`` is the state of the joined pieces until it meets that of the piece.
    """
    blocks, block_of, rows, features = automaton
    own, whole, seen, times, across, up_to = counts
    found, crossing, other = 0, 0, INT(0)
    for piece in range(first, last):
        state, begin = INT(0), found
        if piece > first:
            other = _next(blocks, block_of, rows, other, BLANK)
            if features[other] >= 0:
                across[crossing] = features[other]
                whole[features[other]] += 1
                crossing += 1
        for at in range(ends[piece], ends[piece + 1]):
            is_apart = other != state
            state = _next(blocks, block_of, rows, state, data[at])
            feature = features[state]
            if feature >= 0:
                seen[found] = feature
                found += own[feature] == 0
                own[feature] += 1
            if is_apart:
                other = _next(blocks, block_of, rows, other, data[at])
                if features[other] >= 0:
                    across[crossing] = features[other]
                    whole[features[other]] += 1
                    crossing += 1
            else:
                other = state
                if feature >= 0:
                    whole[feature] += 1
        for nth in range(begin, found):
            times[nth] = own[seen[nth]]
            own[seen[nth]] = 0
        up_to[piece + 1] = found
    return found, crossing


@inner
def _next(blocks: Numbers, block_of: Numbers, rows: Numbers, state: int, byte: int) -> int:
    """The state after a byte."""
    block = U(block_of[U(rows[U(state)]) << U(4) | U(byte) >> U(4)])
    after: int = INT(blocks[block << U(4) | U(byte) & U(15)])
    return after


@inner
def _begin(sums: Numbers, scores: Numbers, priors: Numbers, found: int) -> None:
    """Nothing is added yet; without any n-gram all classes are equally likely."""
    for level in range(LEVELS):
        for at in range(LANGUAGE_COLUMNS):
            sums[level, at] = 0
    for at in range(len(scores)):
        scores[at] = priors[at] if found else 0.0


@inner
def _add(
    table: Numbers, feature: int, times: int, sums: Numbers, scores: Numbers, place: int
) -> None:
    """Adds an n-gram that occurs that often to the piece, 0, or to the whole, 1."""
    row, level, to = U(feature), U(times), U(place)
    if level < U(LEVELS):
        for at in range(LANGUAGE_COLUMNS):
            sums[to, level, at] += np.int32(table[row, at])
    else:
        weight = np.log1p(np.float64(times)) / LANGUAGE_SCALE
        for at in range(scores.shape[1]):
            scores[to, at] += weight * np.float64(table[row, at])


@inner
def _likeliest(
    sums: Numbers,
    scores: Numbers,
    size: int,
    group: Places,
    is_neighbour: Bools,
    summed: Numbers,
) -> tuple[int, float]:
    """The name with the largest share of these scores of classes, and its share; ``sums`` are added
    to the scores, each with its weight.
    """
    for level in range(1, LEVELS):
        weight = np.log1p(np.float64(level)) / LANGUAGE_SCALE
        for at in range(len(scores)):
            scores[at] += weight * np.float64(sums[level, at])
    most, root, total = scores[0], np.sqrt(np.float64(size)), 0.0
    for score in scores:
        most = max(most, score)
    for name in range(len(summed)):
        summed[name] = 0.0
    for at in range(len(scores)):
        own = np.exp((scores[at] - most) / root)
        summed[group[at]] += own
        total += own
    best, beside = 0, 0.0
    for name in range(len(summed)):
        if summed[name] > summed[best]:
            best = name
        if is_neighbour[name]:
            beside += summed[name]
    return best, (summed[best] + (0.0 if is_neighbour[best] else beside)) / total
