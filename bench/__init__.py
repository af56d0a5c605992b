"""What licet costs, each figure beside the floor of the same run: the same work with none of its meaning."""

from __future__ import annotations

import importlib
from typing import NamedTuple

from licet.config import Curate

NO_NAMES = Curate(names=("off",))  # models of names have a bench of their own


class Row(NamedTuple):
    """One measured figure. ``ratio`` is to the floor, 1.00 as good; both are empty where there is none."""

    what: str
    figure: str
    floor: str = ""
    ratio: str = ""


def measured(name: str, arguments: list[str]) -> list[Row]:
    """The rows of one bench. Here, not in `__main__`, so that a fresh process finds it by name."""
    return [Row(*row) for row in importlib.import_module(f"bench.{name}").main(arguments)]
