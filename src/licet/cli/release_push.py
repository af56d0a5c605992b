"""`licet release push`: copies a sealed release to an object store."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.root import EXIT_CHANGES
from licet.cli.shell import answer_options, counted, dry_option, opened, progress, show
from licet.release import push as pushing
from licet.release import signatures
from licet.release.push import PushResult


@click.command("push")
@click.argument("name")
@click.argument("url")
@dry_option("Count what would be copied, and copy nothing; exits 2 if there is anything.")
@answer_options
def push(
    name: str, url: str, dry_run: bool, data: Path | None, at: str | None, as_json: bool
) -> int:
    """Copies a sealed release to an object store. Push again after `licet release purge`: what the
    folder has no more is deleted there.

    URL is of S3, Google Cloud Storage, Azure or a folder, with the credentials that their tools
    read from the environment. The copy is sealed: reading it takes a lease. `licet.load` and
    `licet.mix` read it from there.

    \b
    Example:  licet release push october s3://training/october --dry-run
              licet release push october s3://training/october
    """
    with opened(data, at) as here, progress("{task.completed:,} bytes") as bar:
        folder = signatures.place(here, name).folder
        planned = pushing.push(folder, url, dry_run=True)
        task = bar.add_task("copying", total=planned.sent_bytes)
        done = (
            planned
            if dry_run
            else pushing.push(folder, url, progress=lambda sent: bar.advance(task, sent))
        )
        bar.stop()
        show(done, as_json, lambda: _text(done, dry_run))
    return EXIT_CHANGES if dry_run and (done.sent or done.deleted) else 0


def _text(done: PushResult, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    return (
        f"{would}copied {counted(len(done.sent), 'file')}, {counted(done.sent_bytes, 'byte')}, to "
        f"{done.url}\n"
        f"{would}deleted {len(done.deleted):,} there; {done.unchanged:,} were there already"
    )
