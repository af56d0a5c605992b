"""Where the classifier abstains: on a domain that it has not learnt, and on a text that is unlike
what it has learnt.

A text is unlike what was learnt if more of its n-grams are unknown than of nearly all held-out
texts of its domain. The limit of a domain is a conformal one: among texts like those of the domain,
at most `LEVEL` lie above it.

Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005): conformal
p-values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from licet.misuse import ngrams
from licet.misuse.ngrams import Array, Rows

LEVEL = 0.05
TEXTS_MIN = 19  # the fewest for which a p-value can be as small as `LEVEL`


def held_out(counts: Sequence[Any], folds: Rows) -> Array:
    """For each text the share of its n-grams that no text of another fold has."""
    shares = np.ones(len(folds))
    for fold in np.unique(folds):
        mine = folds == fold
        known = [ngrams.in_texts(kind[~mine]) > 0 for kind in counts]
        shares[mine] = ngrams.unknown_share([kind[mine] for kind in counts], known)
    return shares


def limits(shares: Array, domains: Sequence[str]) -> dict[str, float]:
    """The limit of each domain that has enough texts."""
    by_domain = {name: shares[np.array(domains) == name] for name in sorted(set(domains))}
    return {name: _limit(mine) for name, mine in by_domain.items() if len(mine) >= TEXTS_MIN}


def _limit(shares: Array) -> float:
    return float(np.sort(shares)[::-1][int(LEVEL * (len(shares) + 1)) - 1])
