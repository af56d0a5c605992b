"""The drawings of the console, as SVG that the server renders: stored content over time, the funnel
of a release, and what a plan changes.

They contain no style and no script, so the pages' content security policy allows them; their
colours are classes of the console's stylesheet. A table beside each has the same figures, so a
drawing is never the only source.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from licet.service.release_view import FunnelStep
from licet.vault.policy_plan import PolicyPlan

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


# The candidates of a release, and what each reason took out

FUNNEL_BAR, FUNNEL_LABEL, FUNNEL_GAP = 22, 28, 10
FUNNEL_STEPS_MAX = 12


class FunnelBar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar from the left: ``kept`` wide, then ``lost`` wide; ``top`` is its place. ``label``
    stands below it.
    """

    top: int
    kept: float
    lost: float
    label: str


class FunnelDrawing(msgspec.Struct, frozen=True, kw_only=True):
    width: int
    height: int
    bars: tuple[FunnelBar, ...]


def draw_funnel(candidates: int, steps: Sequence[FunnelStep]) -> FunnelDrawing | None:
    """The bars of the first `FUNNEL_STEPS_MAX` reasons; None where there was nothing to choose from."""
    if candidates <= 0:
        return None
    bars = [FunnelBar(top=0, kept=WIDTH, lost=0, label=f"all candidates: {candidates:,}")]
    for number, step in enumerate(steps[:FUNNEL_STEPS_MAX], 1):
        kept, lost = (round(WIDTH * count / candidates, 1) for count in (step.left, step.out))
        label = f"{step.reason.replace('_', ' ')}: {step.out:,} out, {step.left:,} left"
        bars.append(
            FunnelBar(
                top=number * (FUNNEL_BAR + FUNNEL_LABEL + FUNNEL_GAP),
                kept=kept,
                lost=lost,
                label=label,
            )
        )
    return FunnelDrawing(
        width=WIDTH, height=len(bars) * (FUNNEL_BAR + FUNNEL_LABEL + FUNNEL_GAP), bars=tuple(bars)
    )


# What a plan of a policy changes, by unit: its longest bar is the largest number

PLAN_BAR, PLAN_LABEL, PLAN_GAP = 18, 22, 8
PLAN_BARS_MAX = 24


class PlanBar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar from the left; ``is_loss`` is what leaves, ends or gets a nearer date."""

    top: int
    width: float
    is_loss: bool
    label: str


class PlanDrawing(msgspec.Struct, frozen=True, kw_only=True):
    """The bars of one unit: accounts, messages or segments."""

    title: str
    width: int
    height: int
    bars: tuple[PlanBar, ...]


def draw_plan(plan: PolicyPlan) -> tuple[PlanDrawing, ...]:
    """A drawing for each unit in which something changes."""
    accounts = [("asked again", plan.asked_again, False)]
    accounts += [
        (f"asked {name}, and were not", told.asked, False) for name, told in plan.questions.items()
    ]
    grants = [
        (f"permissions for {name} end", told.ended, True) for name, told in plan.questions.items()
    ]
    messages = [
        (f"enter {purpose}", rows.entering, False) for purpose, rows in plan.purposes.items()
    ]
    messages += [
        (f"leave {purpose}", rows.leaving, True) for purpose, rows in plan.purposes.items()
    ]
    segments = [
        ("get a nearer date, as their permission ends", plan.nearer, True),
        ("would get one, if stored dates are shortened too", plan.shortened_on_request, True),
    ]
    groups = (
        ("Accounts", accounts),
        ("Permissions", grants),
        ("Messages", messages),
        ("Segments", segments),
    )
    return tuple(
        _plan_drawing(title, rows) for title, rows in groups if any(count for _, count, _ in rows)
    )


def _plan_drawing(title: str, rows: Iterable[tuple[str, int, bool]]) -> PlanDrawing:
    kept = [row for row in rows if row[1]][:PLAN_BARS_MAX]
    most, step = max(count for _, count, _ in kept), PLAN_BAR + PLAN_LABEL + PLAN_GAP
    bars = tuple(
        PlanBar(
            top=place * step,
            width=max(2.0, round(WIDTH * count / most, 1)),
            is_loss=is_loss,
            label=f"{count:,} {name.replace('_', ' ')}",
        )
        for place, (name, count, is_loss) in enumerate(kept)
    )
    return PlanDrawing(title=title, width=WIDTH, height=len(bars) * step, bars=bars)
