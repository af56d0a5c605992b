"""`licet release stats`: what is in a release, in figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.shell import answer_options, open_installation, pluralize, progress, show

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.release.stats import ReleaseDrift, ReleaseStats, StatsSlice

SHOWN_SLICES = 12


@click.command("stats")
@click.argument("name")
@click.option(
    "--against",
    help="The release to measure the drift from; by default the last before it of its purpose.",
)
@answer_options
def stats(name: str, against: str | None, data: Path | None, at: str | None, as_json: bool) -> None:
    """Shows what is in a release, in figures. Counts rows, turns, tokens, languages, topics and
    quality, and the drift from an earlier release.

    It reads each row that may be used now. Tokens are estimated: a quarter of the bytes.

    \b
    Example:  licet release stats october
              licet release stats november --against october --json
    """
    from licet.release import stats as figures

    with open_installation(data, at) as here, progress() as bar:
        task = bar.add_task("reading", total=figures.rows_to_read(here, name, against))
        found = figures.stats(
            here, name, against=against, progress=lambda rows: bar.advance(task, rows)
        )
        bar.stop()
        show(found, as_json, lambda: "\n".join(_stats_text(found)))


def _stats_text(result: ReleaseStats) -> Iterator[str]:
    yield (
        f"release    {result.release}: {result.rows:,} of {result.promised:,} rows may be used now"
    )
    roles = ", ".join(f"{count:,} {role}" for role, count in result.turns.items()) or "none"
    yield f"turns      {sum(result.turns.values()):,}: {roles}"
    yield f"gaps       {result.gapped:,} rows miss a turn before one of their messages"
    yield f"tokens     {result.tokens:,}, estimated"
    for title, slices in (
        ("splits", result.splits),
        ("languages", result.languages),
        ("topics", result.topics),
    ):
        yield from _slices(title, slices, result.rows)
    if result.spread:
        yield f"{'a row':<28}{'p5':>10}{'p25':>10}{'p50':>10}{'p75':>10}{'p95':>10}"
    for what, values in result.spread.items():
        yield f"  {what:<26}" + "".join(f"{value:>10,.6g}" for value in values)
    yield f"left out   {sum(result.left_out.values()):,} of {pluralize(result.candidates, 'turn')}"
    for reason, count in result.left_out.items():
        yield f"  {reason:<26}{count:>10,}"
    if result.drift is not None:
        yield from _drift(result.drift)


def _slices(title: str, slices: dict[str, StatsSlice], rows: int) -> Iterator[str]:
    yield f"{title:<28}{'rows':>10}{'share':>10}{'turns':>10}{'tokens':>12}"
    for word, one in list(slices.items())[:SHOWN_SLICES]:
        yield (
            f"  {word:<26}{one.rows:>10,}{one.rows / rows:>10.1%}{one.turns:>10,}{one.tokens:>12,}"
        )
    if len(slices) > SHOWN_SLICES:
        yield f"  and {len(slices) - SHOWN_SLICES} more; --json has them all"


def _drift(drift: ReleaseDrift) -> Iterator[str]:
    yield (
        f"drift      from {drift.against}, {pluralize(drift.rows, 'row')}: 0 is the same, 1 is "
        "nothing in common"
    )
    for what, distance in sorted(drift.distances.items(), key=lambda item: -item[1]):
        yield f"  {what:<26}{distance:>10.3f}"
