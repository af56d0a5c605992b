"""What a plan changes, as bars that the server draws: one group a unit, the longest bar of a group
is its largest number.

No style and no script, as in `chart`; each bar has its number beside it, and the table of the page
has them all.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from licet.vault.policy_plan import PolicyPlan

WIDTH, BAR, LABEL, GAP = 640, 18, 22, 8
BARS_MAX = 24


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


def drawn(plan: PolicyPlan) -> tuple[PlanDrawing, ...]:
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
        _drawing(title, rows) for title, rows in groups if any(count for _, count, _ in rows)
    )


def _drawing(title: str, rows: Iterable[tuple[str, int, bool]]) -> PlanDrawing:
    kept = [row for row in rows if row[1]][:BARS_MAX]
    most, step = max(count for _, count, _ in kept), BAR + LABEL + GAP
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
