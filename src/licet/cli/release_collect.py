"""`licet release collect`: deletes what killed processes left of releases in the bucket."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.root import EXIT_CHANGES
from licet.cli.shell import answer_options, dry_option, opened, show
from licet.clock import utc_now
from licet.release import homes


@click.command("collect")
@dry_option("Say what would be deleted, and change nothing; exits 2 if there is anything.")
@answer_options
def collect(dry_run: bool, data: Path | None, at: str | None, as_json: bool) -> int:
    """Deletes what killed processes left in the bucket of several hosts. `licet serve` does so once
    a day.

    These are objects of a sealed release that its list of files does not name, older than a week. A
    release that is being published, purged or reviewed is passed over.

    \b
    Example:  licet release collect --dry-run
    """
    with opened(data, at) as here:
        found = homes.collect(here, utc_now(), dry_run=dry_run)
    verb = "would delete" if dry_run else "deleted"
    lines = [f"{verb} {name}: {', '.join(objects)}" for name, objects in found.items()]
    show(found, as_json, lambda: "\n".join(lines or ["nothing is left over"]))
    return EXIT_CHANGES if dry_run and found else 0
