"""Constants of the word hashes, shared by the plain code and its compiled twin."""

from __future__ import annotations

# 2**64 by the golden ratio; odd, so that it has an inverse modulo 2**64
GOLDEN = 0x9E3779B97F4A7C15
