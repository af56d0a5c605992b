"""The tools that a host offers its model, as a turn records them; shared by plugins and log
readers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


def offered_text(offered: object) -> str:
    """Encodes the offered tools as JSON text with the host's keys in its order; "" without
    tools.
    """
    if not isinstance(offered, Sequence) or isinstance(offered, str | bytes) or not offered:
        return ""
    return (
        msgspec.json.encode(offered).decode()
        if all(isinstance(tool, Mapping) for tool in offered)
        else ""
    )
