"""A file of tests closes what it opened: sockets, files, pipes. What is kept for all tests of a
worker is a few.

A worker that keeps a descriptor a test comes to 1,024, from which on `select` fails, and to the
limit of the system.
"""

from __future__ import annotations

import gc
import os
import re
from collections import Counter
from pathlib import Path

OPEN = "/dev/fd"
# the server, a pool, a browser and the network loop of the first file that asks for them
LEFT_MAX = 40


class Descriptors:
    """What was open before the tests of a file."""

    def __init__(self) -> None:
        self._path, self._before = Path(), 0

    def begin(self, path: Path) -> None:
        """Before each test of ``path``."""
        if path != self._path:
            self._path, self._before = path, len(os.listdir(OPEN))

    def check(self) -> None:
        """After the last test of the file; AssertionError where it left too many open."""
        if len(os.listdir(OPEN)) - self._before <= LEFT_MAX:
            return
        gc.collect()
        left = len(os.listdir(OPEN)) - self._before
        assert left <= LEFT_MAX, f"{self._path.name} left {left} descriptors open: {self._kinds()}"

    @staticmethod
    def _kinds() -> str:
        """What is open most often, with numbers left out."""
        kinds: Counter[str] = Counter()
        for link in Path(OPEN).iterdir():
            if link.is_symlink():
                kinds[re.sub(r"\d+", "#", os.readlink(link))] += 1
        return ", ".join(f"{count} of {kind}" for kind, count in kinds.most_common(3))
