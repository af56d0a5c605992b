"""Whether curation runs its loops as machine code: where the extra `compiled` is installed, once
there is enough to read.

To load what numba made before costs a process some hundred milliseconds, to make it anew some
seconds and two hundred megabytes: so the plain code reads the first texts of a build, and all texts
of a process that builds nothing, as a server that shows previews. Both give the same, whichever
reads a text.
"""

from __future__ import annotations

from importlib.util import find_spec
from types import ModuleType

PLAIN_BYTES = 4 * 2**20  # that a process reads before


class _Read:
    count = 0
    is_build = False


def allow() -> None:
    """This process builds: the loops may be loaded once there is enough to read."""
    _Read.is_build = True


def load() -> None:
    """This process is the one that workers of a build begin as: the loops are loaded at once, for
    all of them.
    """
    allow()
    _Read.count = PLAIN_BYTES + 1


def loops(size: int) -> ModuleType | None:
    """`loops` if ``size`` more bytes are to be read by it; None for the plain code."""
    _Read.count += size
    if not _Read.is_build or _Read.count <= PLAIN_BYTES or not is_installed():
        return None
    from licet.curate import loops as compiled

    return compiled


def is_installed() -> bool:
    return find_spec("numba") is not None
