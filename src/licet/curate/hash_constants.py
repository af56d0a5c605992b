"""Constants that the plain code shares with its compiled twin."""

from __future__ import annotations

# 2**64 by the golden ratio; odd, so that it has an inverse modulo 2**64
GOLDEN = 0x9E3779B97F4A7C15

# The language model's entries, all above 2, are half-precision multiples of 1 / 512.
LANGUAGE_SCALE = 512

# The language model's 142 classes, padded with zeros to a multiple of a vector register.
LANGUAGE_COLUMNS = 144
