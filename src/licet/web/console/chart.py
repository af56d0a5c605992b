"""A chart of stored content over time, as SVG that the server renders: two stacked areas and their
axes.

It contains no style and no script, so the pages' content security policy allows it; its colours are
classes of the console's stylesheet. A table beside it has the same figures, so the drawing is never
the only source.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 96, 12, 16, 36
LINES = 4
YEARS_MAX = 8
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


class AxisMark(msgspec.Struct, frozen=True, kw_only=True):
    """A label on an axis, and its position."""

    place: float
    text: str


class ChartDrawing(msgspec.Struct, frozen=True, kw_only=True):
    """The chart's geometry: ``whole`` and ``part`` are the outlines of its areas, in units of its
    view box.
    """

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    whole: str
    part: str
    across: tuple[AxisMark, ...]
    up: tuple[AxisMark, ...]


def drawn(
    moments: Sequence[datetime], whole: Sequence[int], part: Sequence[int]
) -> ChartDrawing | None:
    """The areas of ``whole`` and of ``part`` within it, both in bytes; None if there is nothing to
    draw.
    """
    if len(moments) < 2 or max(whole) <= 0:
        return None
    top = _rounded_up(max(whole))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    length = (moments[-1] - moments[0]).total_seconds()

    def x(at: datetime) -> float:
        return round(LEFT + (at - moments[0]).total_seconds() / length * (right - LEFT), 1)

    def y(value: float) -> float:
        return round(bottom - value / top * (bottom - TOP), 1)

    def outline(values: Sequence[int]) -> str:
        """Steps, because content is erased at an instant and not gradually."""
        steps, height = [f"M{LEFT} {bottom}"], bottom * 1.0
        for at, value in zip(moments, values, strict=True):
            steps.append(f"L{x(at)} {height} L{x(at)} {y(value)}")
            height = y(value)
        return " ".join([*steps, f"L{right} {height} L{right} {bottom} Z"])

    years = range(moments[0].year + 1, moments[-1].year + 1)
    stride = max(1, -(-len(years) // YEARS_MAX))
    return ChartDrawing(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=right,
        top=TOP,
        bottom=bottom,
        whole=outline(whole),
        part=outline(part),
        across=tuple(
            AxisMark(place=x(moments[0].replace(year=year, month=1, day=1)), text=str(year))
            for year in years[::stride]
        ),
        up=tuple(
            AxisMark(place=y(top * n / LINES), text=size(round(top * n / LINES)))
            for n in range(LINES + 1)
        ),
    )


def size(count: int) -> str:
    """Bytes as text: 1.5 MB, in powers of a thousand."""
    value, unit = float(count), 0
    while value >= 999.5 and unit + 1 < len(_UNITS):
        value, unit = value / 1000, unit + 1
    return (
        f"{value:.0f} {_UNITS[unit]}"
        if unit == 0 or value >= 99.5
        else f"{value:.3g} {_UNITS[unit]}"
    )


def _rounded_up(value: int) -> int:
    """The next 1, 2, 4 or 8 times a power of ten, so that its quarters are round numbers."""
    power = int("1" + "0" * (len(str(value)) - 1))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value)
