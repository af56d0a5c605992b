"""Types of the arrays that compiled loops read and write."""

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
