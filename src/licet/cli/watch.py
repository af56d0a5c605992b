"""The command that watches a folder of transcripts, for what hooks did not report."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path

import click
import msgspec

from licet.agent.session_agent import agent
from licet.config import Configuration
from licet.errors import BusyError, DeniedError, UsageError
from licet.intake.read_turn import BrokenRecord

WAIT_SECONDS_MAX = 60.0


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="Look once, and exit.")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=5.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON, one line per look.")
def watch(folder: Path, once: bool, every: float, as_json: bool) -> None:
    """Records new messages of the transcripts in FOLDER. Runs until interrupted. What is already
    there is history, and is not recorded.

    If it is stopped, the next run continues where it was. While Licet cannot be reached, it waits;
    nothing is lost, and no permission is assumed.

    \b
    Example:  licet watch ~/.claude/projects
              licet watch ~/.claude/projects --once --json
    """
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder `{folder}`",
            "Claude Code keeps its transcripts in ~/.claude/projects",
        )
    config, ends = Configuration.of(os.environ), threading.Event()
    if not once:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ends.set())
    failed = 0
    while not ends.is_set():
        try:
            _watch(config, folder, ends, once=once, every=every, as_json=as_json)
        except (BusyError, DeniedError) as error:
            if once:
                raise
            failed += 1
            click.echo(f"licet: waiting: {error.message}", err=True)
            ends.wait(min(every * 2**failed, WAIT_SECONDS_MAX))
        else:
            return


def _watch(
    config: Configuration,
    folder: Path,
    ends: threading.Event,
    *,
    once: bool,
    every: float,
    as_json: bool,
) -> None:
    with agent(config, start=True, tell=tell_broken) as here:
        while True:
            counts = here.agent.poll(folder, lambda: not ends.is_set())
            _tell(counts, as_json, always=once)
            if once or ends.wait(every):
                return


def tell_broken(broken: BrokenRecord) -> None:
    """A line on standard error: what could not be read, and where; nothing of what it says."""
    click.echo(f"licet: left out: {broken.place}: {broken.message}", err=True)


def _tell(counts: Counter[str], as_json: bool, *, always: bool) -> None:
    told = {what: count for what, count in sorted(counts.items()) if count}
    if told or always:
        text = ", ".join(f"{count:,} {what}" for what, count in told.items()) or "nothing new"
        click.echo(msgspec.json.encode(told).decode() if as_json else text)
