"""The command that gives several hosts what one had: the restriction journal, the log and releases
in a bucket.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from licet.cli.root import CommandGroup
from licet.cli.shell import data_option, dry_option, json_option, pluralize, progress, show
from licet.config import Configuration
from licet.service import store_move
from licet.store.core_dumps import harden
from licet.vault import installation


@click.group(cls=CommandGroup)
def store() -> None:
    """Moves the journal, log and releases into a shared bucket."""


@store.command("move")
@dry_option("Say what would be moved, and change nothing.")
@data_option
@json_option
def move(dry_run: bool, data: Path | None, as_json: bool) -> None:
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
    config = Configuration.of(os.environ, data)
    installation.refuse_unmade(config)
    clock = installation.own_clock(config)
    if dry_run:
        found = store_move.look(config, clock)
    else:
        with progress("") as bar:
            task = bar.add_task("", total=None)
            found = store_move.move(
                config, clock, lambda what: bar.update(task, description=f"moving {what}")
            )
    show(found, as_json, lambda: "\n".join(_lines(found)))


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
