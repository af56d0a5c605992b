"""A demonstration's folder: an installation on a simulated clock, checked promises, and a plot of
what is stored.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from licet.config import Configuration, Curate
from licet.consent import controller
from licet.consent.controller import Controller
from licet.errors import UsageError
from licet.policy.period import rfc3339
from licet.service.population_status import Forecast
from licet.store import embedded
from licet.vault.installation import Installation, open_installation
from licet.vault.simulated_clock import CLOCK_FILE, SimulatedClock, save

Say = Callable[[str], object]
Progress = Callable[[str, float], object]
"""Told what is being done, and how much of the whole is done: from 0 to 1."""
DATE_COLUMNS = 14
RESPONSIBLE = Controller(
    name="Example Assistant Ltd, of a demonstration",
    address="1 Example Street, Dublin, Ireland",
    contact="privacy@assistant.example",
    jurisdictions=("IE",),
    storage_locations=("IE",),
    joint_controllers=False,
    representative=False,
    dpo="Dana Example, dpo@assistant.example",
    papers={
        "service_name": "Example Assistant, of a demonstration",
        "service_description": "It answers questions and writes code for people who do not exist.",
        "licensed_data": False,
        "crawled_data": False,
        "public_datasets": False,
        "transfers": False,
        "processors": False,
    },
)


class DemoPromise(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    kept: bool
    seen: str


class DemoReport(msgspec.Struct, frozen=True, kw_only=True):
    folder: Path
    clock: datetime
    promises: tuple[DemoPromise, ...]

    @property
    def all_kept(self) -> bool:
        return all(promise.kept for promise in self.promises)


def would_replace(folder: Path) -> bool:
    """Whether a demonstration in ``folder`` would delete an earlier one; UsageError if the folder
    has other content.
    """
    if folder.exists() and not (folder / CLOCK_FILE).exists() and any(folder.iterdir()):
        raise UsageError(
            f"`{folder}` is not the folder of a demonstration", "name another with --data"
        )
    return folder.exists()


@contextmanager
def stage(folder: Path, clock: SimulatedClock, say: Say) -> Iterator[Installation]:
    """Opens a fresh installation in ``folder`` on ``clock``; deletes an earlier demonstration
    there.
    """
    if would_replace(folder):
        say(f"clearing the earlier demonstration in {folder}")
        embedded.stop(folder / "postgres")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    controller.write(Configuration(data=folder).controller, RESPONSIBLE)
    save(folder, clock)
    # Installed name models would take a hundred times as long as the rest.
    with open_installation(
        Configuration(data=folder, curate=Curate(names="off")), clock
    ) as installation:
        yield installation
        save(folder, clock)


def no_progress(_what: str, _share: float) -> None: ...


def dated_lines(day_time: datetime, text: str, *more: str) -> list[str]:
    """Formats a day's events in aligned lines."""
    day = f"{day_time.day} {day_time:%B}"
    return [f"{day:<{DATE_COLUMNS}}{text}", *(f"{'':<{DATE_COLUMNS}}{line}" for line in more)]


def show_promises(promises: list[DemoPromise], say: Say) -> None:
    for promise in promises:
        say(f"  {'kept  ' if promise.kept else 'BROKEN'}  {promise.text}")
        say(f"          {promise.seen}")
    broken = sum(not promise.kept for promise in promises)
    say(f"{len(promises)} promises checked, {broken} broken")


PLOT_COLUMNS, PLOT_ROWS = 63, 8
_BARS = " ▁▂▃▄▅▆▇█"


def plot(forecast: Forecast) -> list[str]:
    """Plots the forecast in columns: stored bytes after each month, for five years. The dark part
    is erased within thirty days; the rest is permitted for five years.
    """
    top = max(forecast.kept[0], 1)
    lines = []
    for row in range(PLOT_ROWS, 0, -1):
        cells = "".join(
            _bar(size / top * PLOT_ROWS - (row - 1)) for size in forecast.kept[:PLOT_COLUMNS]
        )
        label = (
            f"{top * row / PLOT_ROWS / 1e6:8.2f} MB "
            if row in (PLOT_ROWS, PLOT_ROWS // 2)
            else " " * 12
        )
        lines.append(f"{label}│{cells}")
    years = "".join(f"{forecast.moments[m].year:<12}" for m in range(0, PLOT_COLUMNS - 11, 12))
    lines.append(" " * 12 + "└" + "─" * PLOT_COLUMNS)
    lines.append(" " * 13 + years)
    after = forecast.kept[2] if len(forecast.kept) > 2 else 0
    lines.append(
        f"now {forecast.kept[0] / 1e6:.2f} MB, of which {forecast.short[0] / 1e6:.2f} MB goes "
        "within thirty days; "
        f"{after / 1e6:.2f} MB stays after two months, nothing after "
        f"{rfc3339(forecast.moments[_last(forecast)])[:7]}"
    )
    return lines


def _bar(height: float) -> str:
    return _BARS[max(0, min(8, round(height * 8)))]


def _last(forecast: Forecast) -> int:
    months = [n for n, size in enumerate(forecast.kept) if size > 0]
    return min((months[-1] if months else 0) + 1, len(forecast.moments) - 1)
