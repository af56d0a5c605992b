"""Keeps key material off the disk, as far as the platform allows: no core dumps, no swapped pages.

Promise: after `harden` this process leaves no core dump, and no other process of its user reads its
memory; its pages are kept out of swap if that cannot make a later allocation fail. Failures are
returned, not raised: they are the operator's to fix (`docs/keys.md`).

Python cannot wipe a key that it copied; it disappears with its page.
"""

from __future__ import annotations

import ctypes
import sys

import msgspec

_PR_SET_DUMPABLE = 4
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


class CoreDumpState(msgspec.Struct, frozen=True, kw_only=True):
    """The protections in force for this process."""

    no_core_dump: bool
    memory_private: bool
    memory_locked: bool


def harden() -> CoreDumpState:
    """Hardens this program and, for core dumps, the programs that it starts from now on."""
    return CoreDumpState(
        no_core_dump=_no_core_dump(), memory_private=_private(), memory_locked=_locked()
    )


def _no_core_dump() -> bool:
    if sys.platform == "win32":
        return False
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def _private() -> bool:
    """Disables ptrace and core dumps to a pipe, which ignore the limit."""
    return sys.platform == "linux" and bool(
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
    )


def _locked() -> bool:
    """Locks memory only if there is no limit: otherwise every allocation beyond it would fail."""
    if sys.platform != "linux":
        return False
    import resource

    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY:
        return False
    return bool(ctypes.CDLL(None).mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)
