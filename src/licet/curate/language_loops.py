"""The likeliest language of texts as machine code: the results of `language_model.plain` in a tenth
of the time.

As `loops`, imported only where numba is installed; nothing here calls a function of another module,
so numba's cache by this file's time is right.
"""

from __future__ import annotations

import numpy as np

from licet.curate.loops import INT, Bools, Bytes, Numbers, Places, inner, jit

_HALF_SCALE = 2.0**112  # what a half-precision number lacks when its bits are moved to a single's


@jit
def languages(
    data: Bytes,
    ends: Places,
    moves: Numbers,
    rows: Numbers,
    features: Numbers,
    table: Numbers,
    priors: Numbers,
    group: Places,
    is_neighbour: Bools,
) -> tuple[Places, Numbers]:
    """The likeliest language of each text, -1 for none, and its probability:
    `language_model.plain`.
    """
    names, shares = np.full(len(ends) - 1, -1, np.int64), np.zeros(len(ends) - 1, np.float64)
    classes = len(priors)
    bits = np.empty(classes, np.uint32)
    entries = bits.view(np.float32)
    counts = np.zeros(len(table), np.int32)
    seen = np.empty(256, np.int64)
    scores, summed = np.empty(classes, np.float64), np.empty(len(is_neighbour), np.float64)
    for text in range(len(ends) - 1):
        size = ends[text + 1] - ends[text]
        if size == 0:
            continue
        if len(seen) < size:
            seen = np.empty(2 * size, np.int64)
        state, found = INT(0), 0
        for at in range(ends[text], ends[text + 1]):
            state = INT(moves[INT(rows[state]) << 8 | INT(data[at])])
            feature = features[state]
            if feature >= 0:
                seen[found] = feature
                found += counts[feature] == 0
                counts[feature] += 1
        for at in range(classes):
            scores[at] = priors[at] if found else 0.0
        for nth in range(found):
            feature = seen[nth]
            weight = np.log1p(np.float64(counts[feature])) * _HALF_SCALE
            counts[feature] = 0
            for at in range(classes):
                half = np.uint32(table[feature, at])
                bits[at] = (half & np.uint32(0x8000)) << np.uint32(16) | (
                    half & np.uint32(0x7FFF)
                ) << np.uint32(13)
            for at in range(classes):
                scores[at] += weight * np.float64(entries[at])
        names[text], shares[text] = _likeliest(scores, size, group, is_neighbour, summed)
    return names, shares


@inner
def _likeliest(
    scores: Numbers, size: int, group: Places, is_neighbour: Bools, summed: Numbers
) -> tuple[int, float]:
    """The name with the largest share of these scores of classes, and its share."""
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
