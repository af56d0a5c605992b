"""The tools that a host offers its model, as a turn keeps them: the plugins and the readers of
their logs say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


def offered_text(offered: object) -> str:
    """The tools that a host offers its model as JSON text, with its own keys in its own order;
    empty if there are none.
    """
    if not isinstance(offered, Sequence) or isinstance(offered, str | bytes) or not offered:
        return ""
    return (
        msgspec.json.encode(offered).decode()
        if all(isinstance(one, Mapping) for one in offered)
        else ""
    )
