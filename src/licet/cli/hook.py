"""The command for the hooks of a coding assistant: asks the gate before a prompt, and records the
transcript after it.

It speaks Claude Code's protocol of hooks: an event as JSON on standard input, an answer as JSON on
standard output. The only thing that it ever stops is a prompt of a person who must decide first.
Whatever goes wrong besides is one line on standard error and exit 0: the session goes on, and what
it says waits in its transcript for the next hook or for `licet watch`.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path

import click
import msgspec

from licet.agent.session_agent import SessionAgent, agent, choice_url
from licet.agent.transport import AccountAccess
from licet.cli.watch import tell_broken
from licet.config import Configuration
from licet.errors import LicetError

EVENT_BYTES_MAX = 16 * 2**20
HOOK_SECONDS_MAX = 8.0
BEGINS, PROMPT = "SessionStart", "UserPromptSubmit"
GAINS = frozenset(
    {"Stop", "StopFailure", "SubagentStop", "SessionEnd", "PreCompact", "PostCompact"}
)


class _Event(msgspec.Struct, frozen=True):
    """What of an event is read."""

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
    config = Configuration.of(os.environ)
    with agent(config, tell=tell_broken) as here:
        standing = here.way.standing()
        if event.hook_event_name in (BEGINS, PROMPT) and event.session_id:
            here.state.save_active_session(event.session_id, event.cwd or "")
        try:
            _record(here, event, standing)
        # the gate is known: it is answered whatever becomes of the rest
        except (LicetError, sqlite3.Error) as error:
            click.echo(f"licet: not recorded now: {type(error).__name__}", err=True)
    asked = (
        "Please decide how your sessions may be used: "
        f"{choice_url(config) or 'in your privacy settings'}"
    )
    match event.hook_event_name, standing.gate:
        case "UserPromptSubmit", "must_decide":
            return {"decision": "block", "reason": asked}
        case "SessionStart", "must_decide":
            return {"systemMessage": asked}
        case "SessionStart", "notice":
            return {"systemMessage": f"{asked} (you can put it off)"}
        case _:
            return None


def _record(here: SessionAgent, event: _Event, standing: AccountAccess) -> None:
    if not event.transcript_path:
        return
    path, until = Path(event.transcript_path), time.monotonic() + HOOK_SECONDS_MAX
    with here.state.exclusive():
        here.agent.observe(path, standing)
        paths = [path]
        if event.agent_transcript_path:
            side = Path(event.agent_transcript_path)
            paths += [side] if here.agent.observe_side(side, path, standing) else []
        if event.hook_event_name in GAINS:
            for gained in paths:
                here.agent.record(gained, standing, lambda: time.monotonic() < until)
