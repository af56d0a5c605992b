"""The command of the server. The web is imported only where it is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.shell import (
    at_option,
    data_option,
    listen_options,
    open_installation,
)
from licet.config import PORT

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    pass


WORKERS_MAX = 10


@click.command()
@listen_options(PORT)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, WORKERS_MAX),
    help="How many processes serve; another one watches and replaces them.",
)
@data_option
@at_option
def serve(host: str, port: int, workers: int, data: Path | None, at: str | None) -> None:
    """Serves the API and the pages. Settings are the variables LICET_WEB__..: docs/api.md.

    With several workers, SIGHUP replaces them one after the other, and no request is lost:
    docs/operate.md.

    \b
    Example:  licet serve --port 8787
              licet serve --workers 4
    """
    from licet.web.serve import serve as run

    with open_installation(data, at) as installation:
        run(
            installation,
            host,
            port,
            lambda line: click.echo(line, err=True),
            workers=workers,
            at=at,
        )
