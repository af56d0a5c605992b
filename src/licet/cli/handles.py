"""The command that prints a person's handles."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.shell import at_option, data_option, opened, show, year_option
from licet.proof import documents
from licet.proof import handles as finding


@click.command("handles")
@click.argument("account")
@year_option
@data_option
@at_option
def handles(account: str, year: int | None, data: Path | None, at: str | None) -> None:
    """Prints the handles of an ACCOUNT and its conversations. They are its names in the log and in the proofs of
    releases, for its person alone.

    \b
    Example:  licet ledger handles ana --year 2025
    """
    with opened(data, at) as here:
        show(finding.handles(here, documents.account_named(here, account), year), True, str)
