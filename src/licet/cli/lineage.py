"""The commands of lineage: from a person to the models that learnt from them, and from a withdrawal to its models."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.root import EXIT_NO
from licet.cli.shell import at_option, data_option, json_option, moment, opened, show
from licet.policy.period import written


@click.command("which-models")
@click.argument("name", metavar="CONVERSATION|ACCOUNT")
@data_option
@at_option
@json_option
def which_models(name: str, data: Path | None, at: str | None, as_json: bool) -> None:
    """The models that learnt from a conversation or from an account, the newest first.

    \b
    Example:  licet which-models conv_0190f3a4c2d87b6e9a51c3d4e5f60718
              licet which-models ana
    """
    from licet.train import lineage  # here, not above: no other command waits for it

    with opened(data, at) as here:
        found = lineage.which_models(here, name)
        lines = [
            f"{one.model} {one.name}: {one.rows:,} rows of {one.release}, {written(one.finished_at)}" for one in found
        ]
        show(found, as_json, lambda: "\n".join(lines) or "no model learnt from it")


@click.command()
@click.option("--since", help="Only what was withdrawn or erased from this moment on; by default ever.")
@data_option
@at_option
@json_option
def affected(since: str | None, data: Path | None, at: str | None, as_json: bool) -> int:
    """The models that learnt from rows which were withdrawn or erased since; exits 1 if there is one.

    What a run consumed before a withdrawal stays in it until it is trained anew: this is the list of what is due.

    \b
    Example:  licet affected --since 2026-01-01
    """
    from licet.train import lineage  # here, not above: no other command waits for it

    with opened(data, at) as here:
        found = lineage.affected(here, moment(since) if since else None)
        lines = [
            f"{one.model} {one.name}: {one.withdrawn:,} of {one.consumed:,} rows of {one.release}, of {one.people:,} people, "
            f"may no longer be used; {one.erased:,} are erased"
            for one in found
        ]
        show(found, as_json, lambda: "\n".join(lines) or "no model is affected")
    return EXIT_NO if found else 0
