"""Values with a masked `repr`, which shows only their type."""

from __future__ import annotations

from typing import Any


class Masked:
    """Shows only its type, to `repr` and to rich's tracebacks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sealed)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []
