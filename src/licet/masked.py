"""What must never be printed: a value that shows its type and not what it holds."""

from __future__ import annotations

from typing import Any


class Masked:
    """Shows its type and nothing of what it holds, to `repr` and to rich's tracebacks, which ask another way."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sealed)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []
