"""Array types and constants that the compiled loops share with the plain code."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]
Bools: TypeAlias = NDArray[np.bool_]
Classes: TypeAlias = NDArray[np.uint16]
Codes: TypeAlias = NDArray[np.uint32]
Hashes: TypeAlias = NDArray[np.uint64]
Places: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[Any]

# 2**64 by the golden ratio; odd, so that it has an inverse modulo 2**64
GOLDEN = 0x9E3779B97F4A7C15

# The language model's entries, all above 2, are half-precision multiples of 1 / 512.
LANGUAGE_SCALE = 512

# The language model's 142 classes, padded with zeros to a multiple of a vector register.
LANGUAGE_COLUMNS = 144
