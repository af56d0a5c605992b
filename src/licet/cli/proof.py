"""The commands of proof: receipts, verifying, and the log."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import click

from licet.cli.shell import at_option, data_option, json_option, opened, show
from licet.errors import UsageError
from licet.policy.period import written
from licet.service import proving

EXIT_NO = 1


@click.command()
@click.argument("account")
@click.option("--choice", "number", type=click.IntRange(min=1), help="Only this one: 1 is the first.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write it to a file; as a page where the name ends in .html."
)
@data_option
@at_option
def receipt(account: str, number: int | None, out: Path | None, data: Path | None, at: str | None) -> None:
    """The receipts of an ACCOUNT's choices: signed, and proved once they stand in the log.

    \b
    Example:  licet receipt ana --choice 1 --out receipt.json
    """
    with opened(data, at) as here:
        issued = proving.receipts(here, proving.account_named(here, account))
        if number is not None and number > len(issued):
            raise UsageError(f"the account has made `{len(issued)}` choices", "name one of them: --choice N")
        chosen = issued if number is None else issued[number - 1 : number]
        if out is None:
            show([one.payload for one in chosen], True, str)
        elif len(chosen) != 1:
            raise UsageError(f"a file takes one receipt, and the account has `{len(issued)}`", "name one: --choice N")
        else:
            is_page = out.suffix == ".html"
            out.write_bytes(proving.receipt_page(here, chosen[0]).encode() if is_page else chosen[0].encode())


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--key", "keys", multiple=True, help="A log's public key, the only thing that is believed.")
@click.option("--entry", type=click.Path(path_type=Path, exists=True), help="With a proof: the entry's bytes.")
@click.option("--log", type=click.Path(path_type=Path, exists=True), help="With a release: the log that tells of it.")
@json_option
def verify(path: Path, keys: tuple[str, ...], entry: Path | None, log: Path | None, as_json: bool) -> int:
    """Holds a log, a published folder, a receipt, a proof or a release to its promises; exits 1 on a contradiction.

    \b
    Example:  licet verify receipt.json --key "$(licet ledger key)"
    """
    seen = proving.verify(path, keys, entry=entry, log=log)
    broken = [f"contradiction: {place}: broken promise: {promise}" for place, promise in seen.broken]
    show(seen, as_json, lambda: "\n".join(broken or [f"ok: {what}" for what in seen.checked]))
    return EXIT_NO if broken else 0


@click.group()
def ledger() -> None:
    """The log: what was done, for strangers to check."""


@ledger.command("key")
@click.option("--year", type=click.IntRange(1970, 9999), help="Of the log of that year; by default the present one.")
@data_option
@at_option
def ledger_key(year: int | None, data: Path | None, at: str | None) -> None:
    """Prints the log's public key (a vkey), which strangers are to trust: hand it out apart from the log.

    \b
    Example:  licet ledger key
    """
    with opened(data, at) as here:
        click.echo(proving.key(here, year).vkey)


@ledger.command("append")
@click.option("--follow", is_flag=True, help="Go on until interrupted.")
@data_option
@at_option
def ledger_append(follow: bool, data: Path | None, at: str | None) -> None:
    """Takes what was committed and waits into the log.

    \b
    Example:  licet ledger append
    """
    with opened(data, at) as here:
        click.echo(f"{proving.append(here):,} entries appended")
        if follow:
            proving.follow(here, Event())


@ledger.command("publish")
@click.argument("folder", type=click.Path(path_type=Path))
@data_option
@json_option
def ledger_publish(folder: Path, data: Path | None, as_json: bool) -> None:
    """Copies the log, its keys, the policies and the verifier to FOLDER, for any web server to serve.

    \b
    Example:  licet ledger publish /srv/www/log
    """
    with opened(data) as here:
        copied = proving.publish(here, folder)
        show(copied, as_json, lambda: f"{copied.files:,} new files; entries by year: {copied.sizes}")


@ledger.command("status")
@data_option
@json_option
def ledger_status(data: Path | None, as_json: bool) -> None:
    """The logs, and what waits to be told.

    \b
    Example:  licet ledger status
    """
    with opened(data) as here:
        seen = proving.status(here)
        lines = [f"{log.origin}: {log.size:,} entries until {written(log.logged_at)}, {log.vkey}" for log in seen.logs]
        show(seen, as_json, lambda: "\n".join([*lines, f"{seen.waiting:,} rows wait"]))
