"""The commands for a session of a coding assistant. SESSION is by default the one last active in
this folder.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import click
import msgspec

from licet.agent.memory import AgentMemory, Session
from licet.agent.project_file import LOCK, Narrowing, find_narrowing
from licet.agent.recorder import BY_PERSON
from licet.agent.repository import find_repository
from licet.agent.session_agent import choice_url, open_agent, open_memory
from licet.agent.transport import Allowed, Usable
from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import json_option
from licet.config import Configuration
from licet.errors import LicetError, NotFoundError, RefusedError, UsageError
from licet.policy.outcomes import NoEffect
from licet.policy.state import ScopeKind
from licet.undecodable import UNDECODABLE

EVENT_BYTES_MAX = 2**20


class SessionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a session. ``recorded`` and ``used`` apply to what is said from now on."""

    session: str
    recorded: bool
    used: bool
    incognito: bool
    by: str
    gate: str
    because: str = ""
    until: datetime | None = None
    turns: int = 0
    scope: ScopeKind | None = None
    since: datetime | None = None


@click.group(cls=CommandGroup)
def session() -> None:
    """Shows and changes whether a session may be used."""


@session.command("status")
@click.argument("session", required=False)
@json_option
def status(session: str | None, as_json: bool) -> None:
    """Shows whether a session may be used, and until when. Also shows who wants it left out.

    \b
    Example:  licet session status
    """
    config = Configuration.from_environment(os.environ)
    with open_memory(config) as state:
        state_now = _session_status(
            config, state, _session_id(state, session), str(Path.cwd()), start=True
        )
        click.echo(
            msgspec.json.encode(state_now).decode()
            if as_json
            else line(state_now, choice_url(config))
        )


@session.command("keep-out")
@click.argument("session", required=False)
@json_option
def keep_out(session: str | None, as_json: bool) -> None:
    """Keeps a session out: it is recorded but never used. This holds at once, even while Licet
    cannot be reached.

    \b
    Example:  licet session keep-out
    """
    with _choosing(session) as (config, state, chosen):
        state.save_session(msgspec.structs.replace(chosen, keep_out=True, is_sent=False))
        done = _keep_out(config, chosen.session)
        if done:
            state.save_session(msgspec.structs.replace(chosen, keep_out=True, is_sent=True))
        _print_choice(as_json, chosen.session, "kept out", done)


@session.command("let-in")
@click.argument("session", required=False)
@json_option
def let_in(session: str | None, as_json: bool) -> None:
    """Lets in what follows in a session that was kept out. Refused where a project or the
    organisation keeps it out.

    \b
    Example:  licet session let-in
    """
    with _choosing(session) as (config, state, chosen):
        _refuse_narrowed(config, msgspec.structs.replace(chosen, keep_out=False))
        # letting in is never assumed: it is done at Licet, or not
        with open_agent(config, start=True) as installation:
            installation.transport.keep_out(chosen.session, False)
        state.save_session(Session(session=chosen.session))
        _print_choice(as_json, chosen.session, "let in from here on", True)


@session.command("allow")
@click.argument("session", required=False)
@click.option("--project", is_flag=True, help="Allow every session of this folder's repository.")
@click.option(
    "--question",
    "questions",
    multiple=True,
    help="Say yes to this question. Required where several are asked.",
)
@json_option
def allow(session: str | None, project: bool, questions: tuple[str, ...], as_json: bool) -> None:
    """Allows the use of one session or one repository.

    It is for where the account's answer is no. Refused for a session that is kept out, and where a
    project's file or the organisation keeps it out.

    \b
    Example:  licet session allow --project
    """
    with _choosing(session, optional=project) as (config, _, chosen):
        place = find_repository(str(Path.cwd())) if project else None
        if not project:
            _refuse_narrowed(config, chosen)
        else:
            _refuse_narrowed(config, Session(session=""))
        with open_agent(config, start=True) as installation:
            asked = installation.transport.questions()
            wanted = questions or (asked if len(asked) == 1 else ())
            if not wanted:
                raise UsageError(
                    f"this version asks {len(asked)} questions: {', '.join(asked)}",
                    f"name each: --question {asked[0]}",
                )
            done = [
                installation.transport.allow(chosen.session, place.name if place else "", question)
                for question in wanted
            ]
        what = f"the repository `{place.title}`" if place else chosen.session
        _say_allowed(as_json, what, done)


def _refuse_narrowed(config: Configuration, chosen: Session) -> None:
    others = find_narrowing(str(Path.cwd()), _locks(config), Narrowing())
    if others.by:
        raise RefusedError(
            f"{others.by} keeps this session out", "only they can change that", because="narrowed"
        )
    if chosen.incognito:
        raise RefusedError("the session is incognito", "begin another one", because="incognito")
    if chosen.keep_out:
        raise RefusedError(
            "the session is kept out", "let it in first: `licet session let-in`", because="narrowed"
        )


def _say_allowed(as_json: bool, subject: str, result: Sequence[Allowed]) -> None:
    if as_json:
        click.echo(msgspec.json.encode(result).decode())
    else:
        for allowed in result:
            why = allowed.because.replace("_", " ")
            text = (
                "allowed from now on"
                if allowed.effect == "began"
                else f"unchanged ({why or allowed.effect})"
            )
            click.echo(f"{subject}, {allowed.question}: {text}")
    if not any(
        allowed.effect == "began" or allowed.because == NoEffect.covered.value for allowed in result
    ):
        sys.exit(EXIT_NO)


@session.command("incognito")
@click.argument("session", required=False)
@json_option
def incognito(session: str | None, as_json: bool) -> None:
    """Stops recording a session, for good. What was recorded before stays; it can be deleted.

    \b
    Example:  licet session incognito
    """
    with _choosing(session) as (_, state, chosen):
        state.save_session(msgspec.structs.replace(chosen, incognito=True))
        _print_choice(as_json, chosen.session, "incognito", True)


@session.command("status-line")
def status_line() -> None:
    """Prints a status line for Claude Code. Reads its JSON from standard input. It never fails.

    \b
    Example:  licet session status-line < status.json
    """
    try:
        given = msgspec.json.decode(sys.stdin.buffer.read(EVENT_BYTES_MAX))
        name, folder = str(given.get("session_id") or ""), str(given.get("cwd") or "")
        config = Configuration.from_environment(os.environ)
        with open_memory(config) as state:
            click.echo(
                line(_session_status(config, state, name, folder, start=False), choice_url(config))
            )
    except (LicetError, *UNDECODABLE, OSError, sqlite3.Error, AttributeError):
        click.echo("Licet: not recorded (not set up)")


def line(status: SessionStatus, choice: str) -> str:
    """Formats a session's state as one line."""
    until = f" until {status.until:%Y-%m-%d}" if status.until else ""
    match status:
        case SessionStatus(incognito=True, by=by):
            return f"Licet: not recorded (incognito: {by})"
        case SessionStatus(gate="unknown"):
            return "Licet: away, nothing is used"
        case SessionStatus(gate="must_decide"):
            return f"Licet: please decide first {choice}".rstrip()
        case SessionStatus(recorded=False):
            return f"Licet: not recorded ({status.gate})"
        case SessionStatus(used=False, by=by) if by:
            return f"Licet: kept out ({by})"
        case SessionStatus(used=False):
            return f"Licet: not used ({status.because})"
        case SessionStatus(scope=ScopeKind.project | ScopeKind.conversation as scope, since=since):
            what = "this repository" if scope is ScopeKind.project else "this session"
            begun = f", since {since.day} {since:%B}" if since else ""
            return f"Licet: may be used{until} ({what}{begun})"
        case _:
            return f"Licet: may be used{until}"


def _session_status(
    config: Configuration, state: AgentMemory, name: str, folder: str, *, start: bool
) -> SessionStatus:
    chosen = state.session(name)
    own = Narrowing(
        keep_out=chosen.keep_out,
        incognito=chosen.incognito,
        by=BY_PERSON if chosen.keep_out or chosen.incognito else "",
    )
    held = find_narrowing(folder, _locks(config), own)
    gate, granted, usable = "unknown", False, Usable()
    # Licet is away: nothing is used
    with suppress(LicetError), open_agent(config, start=start) as installation:
        standing = installation.transport.standing()
        found = find_repository(folder)
        granted = bool(standing.token) and installation.transport.covers(
            name, found.name if found else ""
        )
        gate, usable = standing.gate, installation.transport.usable(name)
    recorded = not held.incognito and gate in ("open", "notice", "not_asked")
    used = recorded and not held.keep_out and (usable.use if usable.turns else granted)
    kept = "narrowed" if usable.kept_out or held.keep_out else ""
    because = kept or usable.because or ("permitted" if granted else "no permission")
    return SessionStatus(
        session=name,
        recorded=recorded,
        incognito=held.incognito,
        used=used and not usable.kept_out,
        by=held.by,
        gate=gate,
        because=because,
        until=usable.until if used else None,
        turns=usable.turns,
        scope=usable.scope if used else None,
        since=usable.since if used else None,
    )


def _locks(config: Configuration) -> list[Path]:
    return [LOCK, *([config.agent.lock_file] if config.agent.lock_file else [])]


def _session_id(state: AgentMemory, session: str | None) -> str:
    name = session or state.last_session(str(Path.cwd()))
    if name is None:
        raise NotFoundError(
            "no session was at work in this folder", "name it: its id is that of its transcript"
        )
    return name


@contextmanager
def _choosing(
    session: str | None, *, optional: bool = False
) -> Iterator[tuple[Configuration, AgentMemory, Session]]:
    config = Configuration.from_environment(os.environ)
    with open_memory(config) as state:
        yield (
            config,
            state,
            Session(session="") if optional else state.session(_session_id(state, session)),
        )


def _keep_out(config: Configuration, name: str) -> bool:
    """Sends a narrowing choice to Licet. If Licet cannot be reached, it is sent before anything
    further is recorded.
    """
    try:
        with open_agent(config, start=True) as installation:
            return installation.transport.keep_out(name, True)
    except LicetError:
        return False


def _print_choice(as_json: bool, name: str, state: str, is_sent: bool) -> None:
    text = f"{name} is {state}" + (
        "" if is_sent else "; Licet hears of it before anything more is recorded"
    )
    click.echo(
        msgspec.json.encode({"session": name, "now": state, "told": is_sent}).decode()
        if as_json
        else text
    )
