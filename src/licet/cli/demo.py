"""The command that plays the town, or a demonstration on one's own files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from licet.cli.root import EXIT_NO
from licet.cli.shell import PATH, dry_option, json_option, moment, show
from licet.cli.terminal import console, printer, whole_progress
from licet.demo.files import play_files
from licet.demo.stage import would_replace
from licet.demo.town import play_town


@click.command()
@click.argument("paths", nargs=-1, type=PATH)
@click.option(
    "--allow-from",
    help="With files: the day on which the account gives permission; without it, never.",
)
@click.option("--plan", default="pro", show_default=True, help="With files: the account's plan.")
@click.option(
    "--age", type=click.IntRange(0, 150), default=30, show_default=True, help="With files: its age."
)
@click.option(
    "--accounts",
    "population",
    type=click.IntRange(50, 1_000_000),
    default=2_000,
    show_default=True,
    help="How many accounts the town has.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the town.")
@click.option(
    "--data",
    type=PATH,
    default=Path("demo"),
    show_default=True,
    help="The folder of the demo.",
)
@click.option(
    "--no-serve",
    is_flag=True,
    help="Do not serve the town's pages; the default without a terminal.",
)
@dry_option("Show which earlier demo would be deleted; play nothing.")
@json_option
def demo(
    paths: tuple[Path, ...],
    allow_from: str | None,
    plan: str,
    age: int,
    population: int,
    seed: int,
    data: Path,
    no_serve: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Plays a simulated town, or runs Licet on your own files. The town runs from August to
    December 2025, through the real code.

    The resulting folder is an installation on a simulated clock: the other commands work on it. An
    earlier demo in the folder is deleted first. Exits 1 if a promise was not kept.

    \b
    Example:  licet demo
              licet demo ~/.claude/projects --allow-from 2025-09-01
    """
    if dry_run:
        gone = would_replace(data)
        text = (
            f"would delete the earlier demo in {data}"
            if gone
            else f"would delete nothing: {data} is free"
        )
        show({"folder": data, "deletes": gone}, as_json, lambda: text)
        return 0
    out = console(stderr=as_json)
    say = printer(out)
    with whole_progress(out) as progress:
        if paths:
            since = moment(allow_from) if allow_from else None
            report = play_files(
                data, paths, plan=plan, age=age, allow_from=since, say=say, progress=progress
            )
        else:
            report = play_town(data, population=population, seed=seed, say=say, progress=progress)
    if as_json:
        show(report, True, str)
    if not (no_serve or as_json or paths) and sys.stdin.isatty() and sys.stdout.isatty():
        from licet.demo.serve import serve

        serve(data, report.clock, say)
    return 0 if report.all_kept else EXIT_NO
