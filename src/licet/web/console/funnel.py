"""How the candidates of a release became what is in it, as bars that the server draws: one a
reason, below one another.

A bar is as long as what was still in; its end is what the reason took out. No style and no script,
as in `chart`; the table beside it has the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from licet.service.release_view import FunnelStep

WIDTH, BAR, LABEL, GAP = 640, 22, 28, 10
STEPS_MAX = 12


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


def drawn(candidates: int, steps: Sequence[FunnelStep]) -> FunnelDrawing | None:
    """The bars of the first `STEPS_MAX` reasons; None where there was nothing to choose from."""
    if candidates <= 0:
        return None
    bars = [FunnelBar(top=0, kept=WIDTH, lost=0, label=f"all candidates: {candidates:,}")]
    for number, step in enumerate(steps[:STEPS_MAX], 1):
        kept, lost = (round(WIDTH * count / candidates, 1) for count in (step.left, step.out))
        label = f"{step.reason.replace('_', ' ')}: {step.out:,} out, {step.left:,} left"
        bars.append(FunnelBar(top=number * (BAR + LABEL + GAP), kept=kept, lost=lost, label=label))
    return FunnelDrawing(width=WIDTH, height=len(bars) * (BAR + LABEL + GAP), bars=tuple(bars))
