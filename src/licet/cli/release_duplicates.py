"""`licet release duplicates`: which conversations of a release were said more than once, in
figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.shell import answer_options, counted, opened, progress, show

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.release.duplicates import DuplicateClusters


@click.command("duplicates")
@click.argument("name")
@answer_options
def duplicates(name: str, data: Path | None, at: str | None, as_json: bool) -> None:
    """Counts the clusters of duplicates of a release. A cluster is a conversation that stays, and
    those that hold the same.

    It reads everything that may be used for the purpose of the release now, as a build does, and
    stores the figures alone, for the console to show. The number of accounts of a cluster is told
    from 10 on.

    \b
    Example:  licet release duplicates october
              licet release duplicates october --json
    """
    from licet.curate import duplicate_clusters

    with opened(data, at) as here, progress() as bar:
        task = bar.add_task("reading", total=None)
        found = duplicate_clusters.count(here, name, progress=lambda read: bar.advance(task, read))
        bar.stop()
        show(found, as_json, lambda: "\n".join(_text(found)))


def _text(found: DuplicateClusters) -> Iterator[str]:
    yield f"release    {found.release}"
    yield (
        f"duplicates {found.left_out:,} of {counted(found.looked_at, 'conversation')} that may "
        "be used now"
    )
    yield f"clusters   {found.clusters:,}"
    if found.sizes:
        yield f"  {'conversations':<26}{'clusters':>10}{'together':>10}"
    for one in found.sizes:
        size = f"{one.least:,}" if one.least == one.most else f"{one.least:,} to {one.most:,}"
        yield f"  {size:<26}{one.clusters:>10,}{one.conversations:>10,}"
    if found.largest:
        yield f"  {'the largest':<26}{'accounts':>10}{'row':>10}"
    for cluster in found.largest:
        accounts = "under 10" if cluster.accounts is None else f"{cluster.accounts:,}"
        row = "none" if cluster.row is None else f"{cluster.row}"
        yield f"  {cluster.conversations:<26,}{accounts:>10}{row:>10}"
