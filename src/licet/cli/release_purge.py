"""`licet release purge`: removes rows whose keys are destroyed from the files of a release."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.root import EXIT_CHANGES
from licet.cli.shell import answer_options, counted, dry_option, opened, show
from licet.release.purge_verbs import PurgeResult, purge_release


@click.command("purge")
@click.argument("name")
@dry_option("Count the dead rows, and change nothing; exits 2 if there are any.")
@answer_options
def purge(name: str, dry_run: bool, data: Path | None, at: str | None, as_json: bool) -> int:
    """Removes dead rows from the files of a release. RELEASE is a name, or any folder with a copy
    of it.

    A row is dead when a key that it needs was destroyed; a row that was only withdrawn is not dead.
    Only parts with dead rows are rewritten. An addendum beside the manifest states what was
    removed; root, counts and card do not change. An interrupted purge continues when it is run
    again.

    \b
    Example:  licet release purge tuesday --dry-run
              licet release purge /mnt/copies/tuesday
    """
    with opened(data, at) as here:
        done = purge_release(here, name, dry_run=dry_run)
        show(done, as_json, lambda: _text(done, dry_run))
    return EXIT_CHANGES if dry_run and (done.rows or done.brought) else 0


def _text(done: PurgeResult, dry_run: bool) -> str:
    lines = [
        f"{'would bring' if dry_run else 'brought'} the folder to {file}" for file in done.brought
    ]
    verb = "would take out" if dry_run else "took out"
    lines.append(f"{verb} {counted(done.rows, 'dead row')} of {counted(len(done.parts), 'part')}")
    lines += [f"  {rows:>9,}  {part}" for part, rows in done.parts.items()]
    if done.addendum and not dry_run:
        lines.append(f"addendum   {done.folder / done.addendum}")
    return "\n".join(lines)
