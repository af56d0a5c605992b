"""Constants that the plain code shares with its compiled twin."""

from __future__ import annotations

# 2**64 by the golden ratio; odd, so that it has an inverse modulo 2**64
GOLDEN = 0x9E3779B97F4A7C15
# Of the entries of the model of languages: all lie above 2, where numbers of half precision are
# 1 / 512 apart.
LANGUAGE_SCALE = 512
# of its table: 142 classes, and zeros up to a multiple of what a processor adds at once
LANGUAGE_COLUMNS = 144
