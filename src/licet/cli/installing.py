"""The commands that make an installation, look at it, and bring it up to date; and those of its database."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from licet import service
from licet.cli.root import EXIT_NO
from licet.cli.shell import at_option, data_option, json_option, opened, show
from licet.config import Config
from licet.errors import UsageError
from licet.policy.file import PRESETS
from licet.policy.period import written
from licet.store import embedded, migrations


@click.command()
@click.option("--preset", type=click.Choice(PRESETS), default="strict", show_default=True, help="What to begin with.")
@click.option("--policy", "file", type=click.Path(path_type=Path), help="A policy file of your own, instead.")
@data_option
@json_option
def init(preset: str, file: Path | None, data: Path | None, as_json: bool) -> None:
    """Makes an installation: its database, its keys, and its first policy.

    \b
    Example:  licet init --preset strict
    """
    with opened(data, make=True) as here:
        begun = service.init(here, preset=preset, file=file)
        show(begun, as_json, lambda: _begun(begun, here.config.data))


def _begun(begun: service.Begun, data: Path) -> str:
    lines = [
        f"policy     {begun.policy}, version {begun.version}: {begun.file}",
        f"effective  {written(begun.effective)}",
        f"decide by  {begun.decide_by or 'no last day: the notice can be put off without end'}",
        f"data       {data}",
        "",
    ]
    if begun.decide_by is not None:
        lines += [
            f"Until the end of {begun.decide_by} (UTC) an existing account may put the notice off and go on writing.",
            f"After it, an account that has not answered can read, export, delete and choose, but not write, until it"
            f" answers; either answer opens it again. Silence is never consent: nothing becomes usable on {begun.decide_by}.",
        ]
    return "\n".join(lines)


@click.command("doctor")
@data_option
@at_option
@json_option
def doctor(data: Path | None, at: str | None, as_json: bool) -> int:
    """Looks at the installation and says what is well, what to know, and what is broken; exits 1 if anything is.

    \b
    Example:  licet doctor
    """
    from licet import doctor  # here, not above: it knows of everything

    with opened(data, at) as here:
        findings = doctor.examine(here)
        lines = [
            f"{f.state.value:<8} {f.what:<14} {f.seen}" + (f"\n{'':<23} mend: {f.mend}" if f.mend else "")
            for f in findings
        ]
        show(findings, as_json, lambda: "\n".join(lines))
    return EXIT_NO if any(f.state is doctor.State.broken for f in findings) else 0


@click.command()
@data_option
@json_option
def upgrade(data: Path | None, as_json: bool) -> None:
    """Brings the database's schema up to this version, under a lock; a newer schema than this version is refused.

    \b
    Example:  licet upgrade
    """
    config = Config.of(os.environ, data)
    with service.installation(config, upgrade=True):
        steps = [f"{step.number:04} {step.name}" for step in migrations()]
        show(steps, as_json, lambda: f"the schema is at migration {steps[-1]}")


@click.group()
def db() -> None:
    """The embedded database: keep it running between commands, or stop it."""


def _database(name: str, act: Callable[[Path], embedded.Status]) -> None:
    @db.command(name, help=act.__doc__)
    @data_option
    @json_option
    def command(data: Path | None, as_json: bool) -> None:
        config = Config.of(os.environ, data)
        if config.database_url:
            raise UsageError("LICET_DATABASE_URL names a database of your own", "start and stop it where it runs")
        state = act(config.data / "postgres")
        show(state, as_json, lambda: "\n".join(f"{k:<10} {v}" for k, v in msgspec.structs.asdict(state).items()))


def _start(folder: Path) -> embedded.Status:
    """Starts the embedded database and keeps it running until `licet db stop`."""
    return embedded.start(folder)


def _stop(folder: Path) -> embedded.Status:
    """Stops the embedded database."""
    return embedded.stop(folder)


def _state(folder: Path) -> embedded.Status:
    """Whether the embedded database runs, and who uses it."""
    return embedded.status(folder)


for _name, _act in (("start", _start), ("stop", _stop), ("status", _state)):
    _database(_name, _act)
