"""Shared parts of the commands: options, opening the installation, and printing an answer."""

from __future__ import annotations

import getpass
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from enum import StrEnum
from functools import wraps
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from licet.clock import Clock, utc_now
from licet.config import Configuration
from licet.errors import UsageError
from licet.policy.period import instant, rfc3339
from licet.vault.simulated_clock import clock_of

if TYPE_CHECKING:
    from rich.progress import Progress

    from licet.vault.installation import Installation

PORT_MAX = 65_535
NAME_CHARACTERS_MAX = 200
Shown = TypeVar("Shown", bound=Callable[..., object])
Answer = TypeVar("Answer")

PATH = click.Path(path_type=Path)
EXISTING = click.Path(path_type=Path, exists=True)
EXISTING_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
data_option = click.option(
    "--data", type=PATH, help="The data folder; by default LICET_DATA, or licet-data."
)
year_option = click.option(
    "--year", type=click.IntRange(1970, 9999), help="The year of the log; by default this year."
)
model_name_option = click.option(
    "--name", default="", help="The model's name; by default that of its folder."
)
recipient_option = click.option("--recipient", help="Only this recipient's.")
at_option = click.option(
    "--at", hidden=True, help="The moment, in a simulation: a demo folder has its own clock."
)


def dry_option(does: str) -> Callable[[Shown], Shown]:
    """Adds `--dry-run`, with what it does instead."""
    return click.option("--dry-run", is_flag=True, help=does)


def by_option(does: str) -> Callable[[Shown], Shown]:
    """Adds `--by`: who does it, for the record; None stands for `user`."""
    return click.option("--by", help=f"Who {does}; by default the current system user.")


def listen_options(port: int) -> Callable[[Shown], Shown]:
    """Adds `--host` and `--port` to a command that serves."""

    def add_options(command: Shown) -> Shown:
        host_option = click.option(
            "--host", default="127.0.0.1", show_default=True, help="The address to listen on."
        )
        port_option = click.option(
            "--port", default=port, show_default=True, type=click.IntRange(0, PORT_MAX)
        )
        return host_option(port_option(command))

    return add_options


class CliCall:
    """The arguments of every command: the data folder, a simulated time, the answer's form."""

    def __init__(self, data: Path | None, as_json: bool, at: str | None = None) -> None:
        self.data, self.as_json, self.at = data, as_json, at

    def installation(self, *, make: bool = False) -> AbstractContextManager[Installation]:
        return open_installation(self.data, self.at, make=make)

    def show(self, value: object, text: Callable[[], str]) -> None:
        show(value, self.as_json, text)


def local_options(command: Callable[..., Answer]) -> Callable[..., Answer]:
    """Adds `--data` and `--json` to a command that queries an installation."""

    @wraps(command)
    def act(
        *args: object,
        data: Path | None,
        as_json: bool,
        at: str | None = None,
        **options: object,
    ) -> Answer:
        return command(*args, call=CliCall(data, as_json, at), **options)

    return data_option(json_option(act))


def answer_options(command: Callable[..., Answer]) -> Callable[..., Answer]:
    """Adds `local_options` and `--at`."""
    return at_option(local_options(command))


def choice(words: type[StrEnum]) -> click.Choice[str]:
    """Returns an enumeration's words as an option's values."""
    return click.Choice([word.value for word in words])


def stop_on_signals() -> Event:
    """Returns an event that SIGINT or SIGTERM sets."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def show(value: object, as_json: bool, text: Callable[[], str]) -> None:
    """Prints an answer, as JSON or as text."""
    # paths are the only type of answers unknown to msgspec
    as_text = msgspec.json.format(msgspec.json.encode(value, enc_hook=os.fspath), indent=2).decode
    click.echo(as_text() if as_json else text())


def pluralize(number: int, noun: str) -> str:
    """Formats a count: `1 row`, `1,200 rows`, of the singular ``noun``."""
    many = f"{noun[:-1]}ies" if noun[-1] == "y" and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


@contextmanager
def open_installation(
    data: Path | None, at: str | None = None, *, make: bool = False
) -> Iterator[Installation]:
    """Yields the installation, on the system's clock or its folder's simulated one."""
    # here: commands on files need no database driver
    from licet.store.core_dumps import harden
    from licet.vault.installation import open_installation, require_initialised

    harden()
    config = Configuration.from_environment(os.environ, data)
    if not make:
        require_initialised(config)
    clock, now = clock_at(config, at)
    with open_installation(config, clock, create=make) as installation:
        if now is not None:
            click.echo(f"(simulated clock: {rfc3339(now)})", err=True)
        yield installation


def clock_at(config: Configuration, at: str | None) -> tuple[Clock, datetime | None]:
    """Returns an installation's clock and, if it is simulated, its time."""
    simulated = clock_of(config.data)
    if at is not None and simulated is None:
        raise UsageError("--at moves a simulated clock, and this installation runs on the real one")
    now = moment(at) if at is not None else simulated
    return utc_now if now is None else (lambda: now), now


def user() -> str:
    """Returns the system user who runs the command, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def actor_name(name: str | None) -> str:
    """Returns the user of `--by`, or the system's, for the record."""
    actor = user() if name is None else name
    if not actor or len(actor) > NAME_CHARACTERS_MAX or any(letter.isspace() for letter in actor):
        raise UsageError("`--by` is no name without blanks", "write it as in ada@example.org")
    return f"user:{actor}"


def moment(text: str) -> datetime:
    """Parses a time; UsageError with a hint."""
    try:
        return instant(text)
    except ValueError as error:
        message, _, mend = str(error).partition(": ")
        raise UsageError(message, mend) from None


@contextmanager
def progress(counted: str = "{task.completed}/{task.total}") -> Iterator[Progress]:
    """Shows a progress bar on standard error; silent unless that is a terminal. ``counted`` formats
    its `task`.
    """
    from rich.console import Console  # here: most commands show no bar
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(counted),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar:
        yield bar
