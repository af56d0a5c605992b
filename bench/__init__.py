"""What licet costs, each figure beside the floor of the same run: the same work with none of its
meaning.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

import msgspec
import psutil

from licet.config import Curate
from licet.policy.file import NamesTerm, preset
from licet.store.connect import Transaction

NO_NAMES = Curate(names="off")  # models of names have a bench of their own
NAMES_LEFT_IN = msgspec.structs.replace(preset("article-2025"), names=NamesTerm.left_in)


class Row(NamedTuple):
    """One measured figure. ``ratio`` is to the floor, 1.00 as good; both are empty where there is
    none. Where the floor is a limit, the bench fails unless it ``is_held``.
    """

    what: str
    figure: str
    floor: str = ""
    ratio: str = ""
    is_held: bool = True

    @property
    def cells(self) -> tuple[str, str, str, str]:
        return self.what, self.figure, self.floor, self.ratio


def limited(what: str, figure: float, limit: float, digits: int = 2) -> Row:
    """A figure that may be ``limit`` at most; a count has the limit 0."""
    if limit == 0:
        return Row(what, f"{figure:.0f}", "0", "", figure <= 0)
    ratio = f"{figure / limit:.2f}"
    return Row(what, f"{figure:.{digits}f}", f"{limit:.{digits}f}", ratio, figure <= limit)


def server_seconds(conn: Transaction) -> float:
    """The processor seconds of the whole database server so far: of every backend, and of those
    that have ended.
    """
    postmaster = psutil.Process(conn.info.backend_pid).parent()
    assert postmaster is not None
    return sum(
        sum(process.cpu_times()[:4])
        for process in (postmaster, *postmaster.children(recursive=True))
    )  # the last two are of children that are gone


def measured(name: str, arguments: list[str]) -> list[Row]:
    """The rows of one bench. Here, not in `__main__`, so that a fresh process finds it by name."""
    return [Row(*row) for row in importlib.import_module(f"bench.{name}").main(arguments)]
