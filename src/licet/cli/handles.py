"""The command that gives a person their handles."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.shell import at_option, data_option, opened, show
from licet.proof import documents
from licet.proof import handles as finding


@click.command()
@click.argument("account")
@click.option("--year", type=click.IntRange(1970, 9999), help="Of the log of that year; by default the present one.")
@data_option
@at_option
def handles(account: str, year: int | None, data: Path | None, at: str | None) -> None:
    """What an ACCOUNT and its conversations are called in the log and in the proofs of releases, for its person.

    \b
    Example:  licet handles ana --year 2025
    """
    with opened(data, at) as here:
        show(finding.handles(here, documents.account_named(here, account), year), True, str)
