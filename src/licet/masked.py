"""Values that must never be printed: they show their type and not their content."""

from __future__ import annotations

from typing import Any


class Masked:
    """Shows its type and nothing of its content, to `repr` and to rich's tracebacks, which read it
    in another way.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sealed)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []
