"""The command that prints a person's handles."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.shell import answer_options, open_installation, show, year_option
from licet.proof import documents
from licet.proof import handles as finding


@click.command("handles")
@click.argument("account")
@year_option
@answer_options
def handles(
    account: str, year: int | None, data: Path | None, at: str | None, as_json: bool
) -> None:
    """Prints the handles of an ACCOUNT and its conversations. They are its names in the log and in
    the proofs of releases, for its person alone.

    \b
    Example:  licet ledger handles ana --year 2025
              licet ledger handles ana --json
    """
    with open_installation(data, at) as here:
        found = finding.handles(here, documents.account_named(here, account), year)
        show(found, as_json, lambda: "\n".join(_lines(found)))


def _lines(result: finding.Handles) -> list[str]:
    return [
        f"year  {result.year}",
        f"who   {result.who}",
        f"salt  {result.salt}",
        *(f"{handle}  {name}" for name, handle in (result.conversations | result.projects).items()),
    ]
