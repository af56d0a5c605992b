"""Where an installation's cold objects are stored: the bucket that its configuration names, or the
folder ``cold``.
"""

from __future__ import annotations

from licet.config import Configuration
from licet.keys.objects import Objects, Stored
from licet.store import bucket


def objects(config: Configuration) -> Objects:
    """The configured store, not contacted yet; UsageError if a file with a secret cannot be
    read.
    """
    if not config.cold.url:
        return Stored(config.data / "cold")
    return Stored(url=config.cold.url, options=bucket.options(config.cold, "cold store"))
