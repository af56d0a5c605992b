"""Where the classifier may speak: a text that is unlike what it learnt gets no suggestion.

A text is unlike what was learnt if more of its n-grams are unknown than of nearly all held-out texts of a domain. The
limit of a domain is a conformal one: among texts like those of the domain, at most `LEVEL` lie above it. A domain
with too few texts for this level has no limit of its own; the limit of any other domain is the highest of all.

Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005): conformal p-values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from licet.misuse import ngrams
from licet.misuse.ngrams import Array, Rows

LEVEL = 0.05
TEXTS_MIN = 19  # the fewest for which a p-value can be as small as `LEVEL`


def known_in(counts: Sequence[Any], rows: Rows) -> list[ngrams.Mask]:
    """The buckets that occur in ``rows``, by kind of n-gram."""
    return [ngrams.in_texts(kind[rows]) > 0 for kind in counts]


def held_out(counts: Sequence[Any], folds: Rows, rows: Rows) -> Array:
    """For each of ``rows`` the share of its n-grams that none of the rows in other folds has."""
    shares = np.ones(len(rows))
    for fold in np.unique(folds[rows]):
        mine = folds[rows] == fold
        rest = rows[~mine]
        shares[mine] = ngrams.unknown_share([kind[rows[mine]] for kind in counts], known_in(counts, rest))
    return shares


def limits(shares: Array, domains: Sequence[str]) -> dict[str, float]:
    """The limit of each domain that has enough texts, and under ``""`` that of all others."""
    found = {}
    for name in sorted(set(domains)):
        mine = shares[np.array([one == name for one in domains])]
        if len(mine) >= TEXTS_MIN:
            found[name] = _limit(mine)
    return found | {"": max(found.values()) if found else _limit(shares)}


def _limit(shares: Array) -> float:
    place = int(LEVEL * (len(shares) + 1))
    return float(np.sort(shares)[::-1][place - 1]) if place else float("-inf")
