"""The pictures of the console, as SVG that the server renders: areas over time, and bars beside the
numbers of a table (a funnel, shares, what a plan changes).

They contain no style and no script, so the pages' content security policy allows them; their
colours are classes of the console's stylesheet. A table beside each has the same figures, so a
drawing is never the only source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from licet.service.release_view import FunnelStep
from licet.vault.policy_plan import PolicyPlan

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 96, 12, 16, 36
LINES = 4
YEARS_MAX = 8
NARROW, DAYS, SHORT = 420, 3, timedelta(days=730)
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
    moments: Sequence[datetime],
    totals: Sequence[int],
    part: Sequence[int] = (),
    *,
    width: int = WIDTH,
    text: Callable[[int], str] = lambda count: size(count),
) -> ChartDrawing | None:
    """Draws the areas of ``totals`` and of ``part`` within it; None without values to draw."""
    if len(moments) < 2 or max(totals) <= 0 or moments[-1] <= moments[0]:
        return None
    top = _rounded_up(max(totals))
    lines = min(LINES, top)
    right, bottom = width - RIGHT, HEIGHT - BOTTOM
    length = moments[-1] - moments[0]

    def x(at: datetime) -> float:
        return round(LEFT + (at - moments[0]) / length * (right - LEFT), 1)

    def y(value: float) -> float:
        return round(bottom - value / top * (bottom - TOP), 1)

    def outline(values: Sequence[int]) -> str:
        """Steps, because content is erased at an instant and not gradually."""
        steps, height = [f"M{LEFT} {bottom}"], bottom * 1.0
        for at, value in zip(moments, values, strict=True):
            steps.append(f"L{x(at)} {height} L{x(at)} {y(value)}")
            height = y(value)
        return " ".join([*steps, f"L{right} {height} L{right} {bottom} Z"])

    return ChartDrawing(
        width=width,
        height=HEIGHT,
        left=LEFT,
        right=right,
        top=TOP,
        bottom=bottom,
        whole=outline(totals),
        part=outline(part) if part else "",
        across=tuple(
            AxisMark(place=x(at), text=mark) for at, mark in _marks(moments[0], moments[-1])
        ),
        up=tuple(
            AxisMark(place=y(top * n / lines), text=text(round(top * n / lines)))
            for n in range(lines + 1)
        ),
    )


def _marks(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """The labels below a chart: years, or at most three days, each once, where it is shorter than
    two years.
    """
    years = range(first.year + 1, last.year + 1)
    if last - first >= SHORT:
        stride = max(1, -(-len(years) // YEARS_MAX))
        return [(first.replace(year=y, month=1, day=1), str(y)) for y in years[::stride]]
    inner = [first + (last - first) * (2 * n + 1) / (2 * DAYS) for n in range(DAYS)]
    return [(at, text) for text, at in {f"{at.day} {at:%b}": at for at in inner}.items()]


def draw_line(points: Sequence[tuple[datetime, int]]) -> ChartDrawing | None:
    """Draws one count over time as a narrow line."""
    moments, counts = [at for at, _ in points], [count for _, count in points]
    return drawn(moments, counts, width=NARROW, text=lambda count: f"{count:,}")


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


# Bars: what stands beside the numbers of a table, in thousandths of the largest


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A table row's bar: ``width`` and behind it ``rest``, in thousandths; ``is_loss`` marks what
    leaves, ends or gets a nearer date.
    """

    label: str
    counts: tuple[int, ...]
    width: int
    rest: int = 0
    is_loss: bool = False


def _thousandths(count: int, limit: int) -> int:
    return max(2, round(1000 * count / limit)) if count else 0


def draw_shares(rows: Sequence[tuple[str, int]]) -> tuple[Bar, ...]:
    """Counts with their shares of the sum."""
    total = sum(count for _, count in rows)
    return tuple(
        Bar(label=label, counts=(count,), width=_thousandths(count, total)) for label, count in rows
    )


def draw_funnel(candidates: int, steps: Sequence[FunnelStep]) -> tuple[Bar, ...]:
    """The candidates of a release, with the number removed by each reason and the number left."""
    if candidates <= 0:
        return ()
    bars = [Bar(label="all candidates", counts=(0, candidates), width=1000)]
    for step in steps:
        left = _thousandths(step.left, candidates)
        label = step.reason.replace("_", " ")
        out = min(1000 - left, _thousandths(step.out, candidates))
        bars.append(Bar(label=label, counts=(step.out, step.left), width=left, rest=out))
    return tuple(bars)


def draw_plan(plan: PolicyPlan) -> tuple[tuple[str, tuple[Bar, ...]], ...]:
    """The changes of a policy plan, by unit, scaled to the largest number."""
    accounts = [("asked again", plan.asked_again, False)]
    accounts += [
        (f"asked {name}, and were not", counts.asked, False)
        for name, counts in plan.questions.items()
    ]
    grants = [
        (f"permissions for {name} end", counts.ended, True)
        for name, counts in plan.questions.items()
    ]
    messages = [
        (f"enter {purpose}", rows.entering, False) for purpose, rows in plan.purposes.items()
    ]
    messages += [
        (f"leave {purpose}", rows.leaving, True) for purpose, rows in plan.purposes.items()
    ]
    segments = [
        ("get a nearer date, as their permission ends", plan.nearer, True),
        ("would too, if stored dates are shortened", plan.shortened_on_request, True),
    ]
    groups = (
        ("Accounts", accounts),
        ("Permissions", grants),
        ("Messages", messages),
        ("Segments", segments),
    )
    return tuple(
        (title, _plan_bars(rows)) for title, rows in groups if any(count for _, count, _ in rows)
    )


def _plan_bars(rows: Sequence[tuple[str, int, bool]]) -> tuple[Bar, ...]:
    most = max(count for _, count, _ in rows)
    return tuple(
        Bar(
            label=label.replace("_", " "),
            counts=(count,),
            width=_thousandths(count, most),
            is_loss=is_loss,
        )
        for label, count, is_loss in rows
        if count
    )
