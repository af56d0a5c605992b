"""`licet release read`: a few rows of a slice of a release, on record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.review import message_lines
from licet.cli.shell import answer_options, open_installation, show
from licet.errors import UsageError
from licet.release import signatures

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.service.slice_sample import SliceRead


@click.command("read")
@click.argument("release")
@click.option("--by", required=True, help="The e-mail address of the member of staff who reads.")
@click.option("--where", help="Which rows, by their labels; as for `licet.mix`.")
@click.option("--rows", type=int, default=5, show_default=True, help="How many, at most 50.")
@click.option(
    "--row",
    "numbers",
    type=int,
    multiple=True,
    help="A row by its number instead; may be repeated.",
)
@answer_options
def read(
    release: str,
    by: str,
    where: str | None,
    rows: int,
    numbers: tuple[int, ...],
    data: Path | None,
    at: str | None,
    as_json: bool,
) -> None:
    """Shows a few rows of a slice of a release, drawn at random. Each opened row is recorded, and
    its person sees that.

    The slice is looked for among 2,000 rows of the release. A reviewer or the privacy officer
    reads.

    \b
    Example:  licet release read october --where "language = 'de' and words > 50" --by
    ana@example.org
              licet release read october --row 1204 --by ana@example.org
    """
    from licet.service import slice_sample

    if (where is None) == (not numbers):
        raise UsageError(
            "rows are read either by their labels or by their numbers", "give --where or --row"
        )
    with open_installation(data, at) as here:
        reader = signatures.member(here, by)
        seen = (
            slice_sample.read_numbered(here, release, reader, numbers)
            if where is None
            else slice_sample.read(here, release, reader, where, rows)
        )
        show(
            seen,
            as_json,
            lambda: "\n".join(_text(seen, "match" if where is not None else "may be used now")),
        )


def _text(view: SliceRead, do: str) -> Iterator[str]:
    yield f"{view.matching:,} of {view.scanned:,} rows {do}, opened: {len(view.rows)}"
    for row in view.rows:
        yield (
            f"row {row.ordinal}, {row.split}, {row.language}, {row.topic}; this reading is on "
            "record, and the person sees it"
        )
        yield ""
        yield from message_lines(row.messages)
