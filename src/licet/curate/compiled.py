"""Decides whether curation runs compiled loops: with the extra `compiled`, after enough text.

Loading numba's cached code costs a process some hundred milliseconds, compiling it some seconds and
two hundred megabytes. So the plain code handles the first texts of a build, and processes that
build nothing, such as previewing servers. Both give equal results.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import cast

PLAIN_BYTES = 4 * 2**20  # handled by the plain code first


class _Read:
    count = 0
    is_build = False


def allow() -> None:
    """Declares this process a build, which may load the loops after enough text."""
    _Read.is_build = True


def load() -> None:
    """Loads the loops at once, in the server process of forked workers."""
    allow()
    _Read.count = PLAIN_BYTES + 1


def loops(size: int) -> ModuleType | None:
    """The module `loops` for ``size`` more bytes; None for the plain code."""
    _Read.count += size
    if not _Read.is_build or _Read.count <= PLAIN_BYTES or not is_installed():
        return None
    return _loops()


@cache
def _loops() -> ModuleType:
    """The module, loaded without SciPy, 40 MB, which numba imports if installed; a scorer that
    needs it has loaded it before.
    """
    is_hidden = sys.modules.setdefault("scipy", cast("ModuleType", None)) is None
    try:
        from licet.curate import loops as compiled

        import_module("numba.np.arraymath")
    finally:
        if is_hidden:
            del sys.modules["scipy"]
    return compiled


def is_installed() -> bool:
    return find_spec("numba") is not None
