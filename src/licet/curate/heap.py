"""Gives the memory that a model or an automaton needed only while it was made back to the system.

The C library keeps what is freed below its newest blocks: 100 MB after the rule for e-mail
addresses, 50 after the model of languages. Where it cannot return it, nothing happens.
"""

from __future__ import annotations

import ctypes
import sys


def trim() -> None:
    """Returns the free pages of the heap; glibc alone can, since version 2.8."""
    if sys.platform == "linux":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back is not None:
            give_back(0)
