"""The command that moves an installation's restriction journal, log and releases to a bucket for
several hosts.
"""

from __future__ import annotations

import os

import click

from licet.cli.root import CommandGroup
from licet.cli.shell import (
    CliCall,
    answer_options,
    dry_option,
    local_options,
    pluralize,
    progress,
)
from licet.config import Configuration
from licet.service import store_move
from licet.store.core_dumps import harden
from licet.vault import cold_tier
from licet.vault.installation import load_clock, require_initialised


@click.group(cls=CommandGroup)
def store() -> None:
    """Moves the journal, log and releases into a shared bucket."""


@store.command("move")
@dry_option("Say what would be moved, and change nothing.")
@local_options
def move(dry_run: bool, call: CliCall) -> None:
    """Moves the journal, the log and releases from folders into the bucket. It is that of
    LICET_STORE__URL, which no server may use before.

    Stop every server first: it exits 75 while one runs. What was written is read back and compared.
    A run that was killed is continued when it is called again; where it was killed near its end, no
    server starts before that. The folders are renamed and kept. Afterwards every host needs the
    same LICET_STORE__URL, and none LICET_RESTRICTIONS.

    \b
    Example:  LICET_STORE__URL=s3://bucket/licet licet store move --dry-run
              LICET_STORE__URL=s3://bucket/licet licet store move
    """
    harden()
    config = Configuration.from_environment(os.environ, call.data)
    require_initialised(config)
    clock = load_clock(config)
    if dry_run:
        found = store_move.forecast(config, clock)
    else:
        with progress("") as bar:
            task = bar.add_task("", total=None)
            found = store_move.move(
                config, clock, lambda what: bar.update(task, description=f"moving {what}")
            )
    call.show(found, lambda: "\n".join(_lines(found)))


def _lines(result: store_move.StoreMove) -> list[str]:
    would = "moved" if result.moved else "would move"
    lines = [
        f"{would} to {result.url}",
        (
            f"journal    {pluralize(result.records, 'record')}, "
            f"{pluralize(result.journal.bytes, 'byte')}"
        ),
        f"log        {pluralize(result.log.files, 'file')}, {pluralize(result.log.bytes, 'byte')}",
        *(
            f"release    {name}: {pluralize(part.files, 'file')}, {pluralize(part.bytes, 'byte')}"
            for name, part in result.releases.items()
        ),
        *(
            f"not here   release {name}: its folder is on another host, or lost"
            for name in result.missing
        ),
    ]
    if result.moved:
        lines += [f"kept       {folder}" for folder in result.kept]
        lines.append(
            "set        on every host LICET_STORE__URL and its key, and not "
            "LICET_RESTRICTIONS; then `licet doctor`"
        )
    return lines


@click.group(cls=CommandGroup)
def vault() -> None:
    """Moves old sealed content to cold storage."""


@vault.command("cool")
@click.option(
    "--after-days",
    type=click.IntRange(1, cold_tier.AFTER_DAYS_MAX),
    default=cold_tier.AFTER_DAYS,
    show_default=True,
    help="Move conversations that nobody has added to for this many days.",
)
@dry_option("Count what would move, and change nothing.")
@answer_options
def cool(after_days: int, dry_run: bool, call: CliCall) -> None:
    """Moves old sealed content out of the database. It goes to a folder or a bucket. An interrupted
    run continues when it is called again.

    \b
    Example:  licet vault cool --after-days 180 --dry-run
    """
    with call.installation() as installation:
        planned = cold_tier.coolable(installation, after_days)
        if dry_run:
            call.show(
                planned,
                lambda: f"would move {_count_line(planned.segments, planned.turns, planned.bytes)}",
            )
            return
        with progress() as bar:
            task = bar.add_task("moving turns", total=planned.turns)
            done = cold_tier.cool(installation, after_days, lambda turns: bar.advance(task, turns))
        call.show(
            done,
            lambda: (
                f"moved {_count_line(done.segments, done.turns, done.bytes)} to"
                f" {pluralize(done.objects, 'object')}; deleted {done.deleted:,} in which nothing "
                "lived"
            ),
        )


def _count_line(segments: int, turns: int, size: int) -> str:
    return (
        f"{pluralize(turns, 'turn')} of {pluralize(segments, 'segment')}, {pluralize(size, 'byte')}"
    )
