"""Returns memory to the system that building a model or an automaton needed only temporarily.

The C library keeps freed memory below its newest blocks: 100 MB after the rule for e-mail
addresses, 50 after the language model.
"""

from __future__ import annotations

import ctypes
import sys


def trim() -> None:
    """Returns free heap pages, if the C library is glibc 2.8 or newer."""
    if sys.platform == "linux":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back is not None:
            give_back(0)
