"""The commands that are asked while somebody codes, under a root of their own: they load a tenth of the program."""

from __future__ import annotations

import click

from licet.cli import hook, session, watch
from licet.cli.root import Root


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """What a coding assistant's hooks and its person ask."""


main.add_command(hook.hook)
main.add_command(session.session)
main.add_command(watch.watch)
