"""The command for the hooks of a coding assistant: asks the gate before a prompt, and records the
transcript after it.

It speaks Claude Code's hook protocol: an event as JSON on standard input, an answer as JSON on
standard output. It stops only a prompt of a person who must decide first. Any failure is one line
on standard error and exit 0: the session continues, and its words wait in the transcript for the
next hook or for `licet watch`.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Event

import click
import msgspec

from licet.agent.session_agent import SessionAgent, choice_url, open_agent
from licet.agent.transport import AccountAccess
from licet.cli.shell import PATH, stop_on_signals
from licet.config import Configuration
from licet.errors import BusyError, DeniedError, LicetError, UsageError
from licet.intake.read_turn import BrokenRecord

EVENT_BYTES_MAX = 16 * 2**20
HOOK_SECONDS_MAX = 8.0
BEGINS, PROMPT = "SessionStart", "UserPromptSubmit"
GAINS = frozenset(
    {"Stop", "StopFailure", "SubagentStop", "SessionEnd", "PreCompact", "PostCompact"}
)


class _Event(msgspec.Struct, frozen=True):
    hook_event_name: str = ""
    session_id: str = ""
    transcript_path: str | None = None
    agent_transcript_path: str | None = None
    cwd: str | None = None


@click.command()
def hook() -> None:
    """Answers one hook event of Claude Code. Reads it from standard input. It never breaks a
    session.

    \b
    Example:  licet hook < event.json
    """
    try:
        event = msgspec.json.decode(sys.stdin.buffer.read(EVENT_BYTES_MAX), type=_Event)
        answer = _answer(event) if event.hook_event_name in {BEGINS, PROMPT, *GAINS} else None
    except LicetError as error:
        click.echo(f"licet: not recorded now: {error.message}", err=True)
    except (msgspec.DecodeError, OSError, sqlite3.Error, ValueError) as error:
        click.echo(f"licet: not recorded now: {type(error).__name__}", err=True)
    else:
        if answer:
            click.echo(msgspec.json.encode(answer).decode())


def _answer(event: _Event) -> dict[str, str] | None:
    config = Configuration.from_environment(os.environ)
    with open_agent(config, tell=report_broken) as installation:
        standing = installation.transport.standing()
        if event.hook_event_name in (BEGINS, PROMPT) and event.session_id:
            installation.state.save_active_session(event.session_id, event.cwd or "")
        try:
            _record(installation, event, standing)
        # the gate is known, and answered even if the rest fails
        except (LicetError, sqlite3.Error) as error:
            click.echo(f"licet: not recorded now: {type(error).__name__}", err=True)
    notice = (
        "Please decide how your sessions may be used: "
        f"{choice_url(config) or 'in your privacy settings'}"
    )
    match event.hook_event_name, standing.gate:
        case "UserPromptSubmit", "must_decide":
            return {"decision": "block", "reason": notice}
        case "SessionStart", "must_decide":
            return {"systemMessage": notice}
        case "SessionStart", "notice":
            return {"systemMessage": f"{notice} (you can put it off)"}
        case _:
            return None


def _record(installation: SessionAgent, event: _Event, standing: AccountAccess) -> None:
    if not event.transcript_path:
        return
    path, until = Path(event.transcript_path), time.monotonic() + HOOK_SECONDS_MAX
    with installation.state.exclusive():
        installation.agent.observe(path, standing)
        paths = [path]
        if event.agent_transcript_path:
            side = Path(event.agent_transcript_path)
            paths += [side] if installation.agent.observe_side(side, path, standing) else []
        if event.hook_event_name in GAINS:
            for gained in paths:
                installation.agent.record(gained, standing, lambda: time.monotonic() < until)


WAIT_SECONDS_MAX = 60.0


@click.command()
@click.argument("folder", type=PATH)
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
    config, ends = (
        Configuration.from_environment(os.environ),
        Event() if once else stop_on_signals(),
    )
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
    ends: Event,
    *,
    once: bool,
    every: float,
    as_json: bool,
) -> None:
    with open_agent(config, start=True, tell=report_broken) as installation:
        while True:
            counts = installation.agent.poll(folder, lambda: not ends.is_set())
            _report(counts, as_json, always=once)
            if once or ends.wait(every):
                return


def report_broken(broken: BrokenRecord) -> None:
    """Prints unreadable records' places on standard error; none of their content."""
    click.echo(f"licet: left out: {broken.place}: {broken.message}", err=True)


def _report(counts: Counter[str], as_json: bool, *, always: bool) -> None:
    found = {what: count for what, count in sorted(counts.items()) if count}
    if found or always:
        text = ", ".join(f"{count:,} {what}" for what, count in found.items()) or "nothing new"
        click.echo(msgspec.json.encode(found).decode() if as_json else text)
