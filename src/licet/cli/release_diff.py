"""`licet release diff`: what differs between two releases, and why rows came or went."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.root import EXIT_CHANGES
from licet.cli.shell import answer_options, counted, opened, show
from licet.release.catalog import diff_releases
from licet.release.diff import ReleaseDiff

_WHY = {
    "new": "said or let in since",
    "gone": "nothing of it was left to ask about",
    "erased": "its keys are destroyed, so nobody can say why",
}


@click.command("diff")
@click.argument("old")
@click.argument("new")
@answer_options
def diff(old: str, new: str, data: Path | None, at: str | None, as_json: bool) -> int:
    """Shows what differs between two releases. Compares settings, counts, and rows in and out by
    reason. Exits 2 if anything differs.

    Rows are compared by the conversation from which they were made. For an added row, the reason is
    why it was not in OLD; for a removed one, why it is not in NEW.

    \b
    Example:  licet release diff tuesday wednesday
    """
    with opened(data, at) as here:
        found = diff_releases(here, old, new)
        show(found, as_json, lambda: _text(found))
    return EXIT_CHANGES if found.changes or found.came or found.went else 0


def _text(found: ReleaseDiff) -> str:
    lines = [f"~ {change.key}: {change.old} -> {change.new}" for change in found.changes]
    lines.append(f"  {counted(found.kept, 'row')} in both")
    lines += [
        f"+ {rows:,} rows came; in the older one: {_WHY.get(why, why)}"
        for why, rows in found.came.items()
    ]
    lines += [
        f"- {rows:,} rows went; in the newer one: {_WHY.get(why, why)}"
        for why, rows in found.went.items()
    ]
    return "\n".join(lines)
