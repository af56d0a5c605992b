"""What the embedded PostgreSQL is told about the machine: how much memory it may use, and how large
its log may grow.

Nothing here concerns durability. PostgreSQL's defaults are for a machine of the smallest size (128
MB of buffers, a checkpoint for each gigabyte of log); the shares are those that its manual names
(19.4.1, 19.5.2), halved, because the assistant and Licet itself work beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

MEGABYTE = 2**20
# of the memory, one part in so many; at most so many megabytes
BUFFERS_SHARE, BUFFERS_MAX = 16, 1024
MAINTENANCE_SHARE, MAINTENANCE_MAX = 64, 512
CACHE_SHARE = 2
LOG_SHARE, LOG_MIN, LOG_MAX = 10, 1024, 8192  # of what is free on the disk
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_bytes() -> int:
    """The memory that this process may use: the machine's, or less in a container."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in map(Path, _LIMITS):
        try:
            found = min(found, int(limit.read_text("ascii")))
        except (OSError, ValueError):  # there is none, or it says `max`
            continue
    return found


def settings(memory: int, free: int) -> str:
    """The settings for ``memory`` bytes of memory and ``free`` bytes on the disk."""
    buffers = max(128, min(memory // BUFFERS_SHARE // MEGABYTE, BUFFERS_MAX))
    maintenance = max(64, min(memory // MAINTENANCE_SHARE // MEGABYTE, MAINTENANCE_MAX))
    cache = max(buffers, memory // CACHE_SHARE // MEGABYTE)
    log = max(LOG_MIN, min(free // LOG_SHARE // MEGABYTE, LOG_MAX))
    return (
        f"shared_buffers = {buffers}MB\n"
        f"effective_cache_size = {cache}MB\n"
        f"maintenance_work_mem = {maintenance}MB\n"
        f"max_wal_size = {log}MB\n"
        "wal_compression = on\n"
        "checkpoint_completion_target = 0.9\n"
    )
