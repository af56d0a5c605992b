"""The commands of cold storage."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.root import CommandGroup
from licet.cli.shell import answer_options, dry_option, open_installation, pluralize, progress, show
from licet.vault import cold_storage


@click.group(cls=CommandGroup)
def vault() -> None:
    """Moves old sealed content to cold storage."""


@vault.command("cool")
@click.option(
    "--after-days",
    type=click.IntRange(1, cold_storage.AFTER_DAYS_MAX),
    default=cold_storage.AFTER_DAYS,
    show_default=True,
    help="Move conversations that nobody has added to for this many days.",
)
@dry_option("Count what would move, and change nothing.")
@answer_options
def cool(after_days: int, dry_run: bool, data: Path | None, at: str | None, as_json: bool) -> None:
    """Moves old sealed content out of the database. It goes to a folder or a bucket. An interrupted
    run continues when it is called again.

    \b
    Example:  licet vault cool --after-days 180 --dry-run
    """
    with open_installation(data, at) as here:
        planned = cold_storage.coolable(here, after_days)
        if dry_run:
            show(
                planned,
                as_json,
                lambda: f"would move {_counted(planned.segments, planned.turns, planned.bytes)}",
            )
            return
        with progress() as bar:
            task = bar.add_task("moving turns", total=planned.turns)
            done = cold_storage.cool(here, after_days, lambda turns: bar.advance(task, turns))
        show(
            done,
            as_json,
            lambda: (
                f"moved {_counted(done.segments, done.turns, done.bytes)} to"
                f" {pluralize(done.objects, 'object')}; deleted {done.deleted:,} in which nothing "
                "lived"
            ),
        )


def _counted(segments: int, turns: int, size: int) -> str:
    return (
        f"{pluralize(turns, 'turn')} of {pluralize(segments, 'segment')}, {pluralize(size, 'byte')}"
    )
