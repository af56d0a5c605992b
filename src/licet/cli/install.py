"""The commands that create, check and upgrade an installation, and those of its embedded
database.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from licet.cli.root import EXIT_CHANGES, EXIT_NO, CommandGroup
from licet.cli.shell import (
    PATH,
    CliCall,
    answer_options,
    clock_at,
    dry_option,
    local_options,
)
from licet.config import Configuration
from licet.consent import controller, notice
from licet.errors import BusyError, InputError, UsageError
from licet.policy.file import PRESETS, NamesTerm
from licet.policy.period import rfc3339
from licet.service import alerts, policy_changes
from licet.store import embedded
from licet.store.connect import transaction
from licet.store.migrate import expanding, migrations
from licet.vault import counts
from licet.vault.installation import open_installation, pending_steps, require_initialised

_DAY = click.DateTime(["%Y-%m-%d"])
SEVERAL = {
    "jurisdictions": "jurisdiction",
    "storage_locations": "storage",
    "joint_controllers": "joint",
}
HISTORY_MAX = 9_999  # of the units of `--since`
OF_CODES = ("jurisdictions", "storage_locations")


def _controller_options(command: Callable[..., object]) -> Callable[..., object]:
    """Adds one option for each statement of the operator about itself."""
    for key, meaning in reversed(controller.MEANING.items()):
        name = SEVERAL.get(key, key).replace("_", "-")
        command = click.option(
            f"--controller-{name}",
            key,
            multiple=key in SEVERAL,
            help=f"{meaning[0].upper()}{meaning[1:]}.",
        )(command)
    return command


@click.command()
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default="strict",
    show_default=True,
    help="The preset to begin with.",
)
@click.option(
    "--policy",
    "file",
    type=PATH,
    help="A policy file of your own instead of a preset.",
)
@click.option(
    "--effective",
    type=_DAY,
    help="The day from which the preset applies, in UTC; by default today.",
)
@click.option(
    "--decide-by",
    type=_DAY,
    help="The last day to put the notice off; by default thirty days later.",
)
@click.option(
    "--languages",
    help="The languages in which its notices are published beside English, parted by commas; by "
    "default all that they "
    "ship in.",
)
@click.option(
    "--names-left-in",
    is_flag=True,
    help="Let releases hold people's names; the notices say so. Writes `names: left in`.",
)
@_controller_options
@local_options
def init(
    preset: str,
    file: Path | None,
    effective: datetime | None,
    decide_by: datetime | None,
    languages: str | None,
    names_left_in: bool,
    call: CliCall,
    **stated: Any,  # noqa: ANN401 click gives what it has
) -> None:
    """Creates an installation: database, keys and a first policy. Also records who is responsible
    for the data.

    Every receipt states who is responsible. At a terminal, the command asks for it; otherwise give
    the options, or fill in controller.yaml in the data folder. Until then `licet doctor` reports
    it, and `licet serve` accepts only callers on this machine.

    If you already have users, --effective is the day from which your terms apply to them: a future
    day, or the past day since which you have asked them. Users with older accounts may put off the
    notice until --decide-by.

    Releases replace people's names, unless --names-left-in says that they keep them. Decide now:
    what is said under terms that replace names is never in a release with names, whatever a later
    version says.

    \b
    Example:  licet init --preset strict
              licet init --preset strict --effective 2027-02-01 --decide-by 2027-03-15
              licet init --controller-name "Example Ltd" --controller-address "1 Example Street, Dublin" \\
                --controller-contact privacy@example.org --controller-jurisdiction IE --controller-storage IE
    """
    by_hand = not any(stated.values())
    responsible = None if by_hand else _require_complete(stated)
    with call.installation(make=True) as installation:
        policy_changes.check_unused(installation)
        if by_hand and not call.as_json and sys.stdin.isatty() and sys.stdout.isatty():
            responsible = _ask_controller()
        begun = policy_changes.init(
            installation,
            preset=preset,
            file=file,
            effective=effective.date() if effective else None,
            decide_by=decide_by.date() if decide_by else None,
            responsible=responsible,
            languages=None
            if languages is None
            else [language.strip() for language in languages.split(",") if language.strip()],
            names_left_in=names_left_in,
        )
        call.show(begun, lambda: _begun_text(begun, installation.config, installation.clock()))


def _require_complete(stated: Mapping[str, Any]) -> controller.Controller:
    """Returns the options' statements; UsageError for a missing required one."""
    made = controller.validate(
        controller.Controller(**{key: value for key, value in stated.items() if value})
    )
    if made.missing:
        wanted = ", ".join(made.missing)
        raise UsageError(
            f"the controller is not complete: {wanted} missing",
            "give all options `--controller-..`, or none and fill in `controller.yaml`",
        )
    return made


def _ask_controller() -> controller.Controller:
    """Prompts at the terminal. An empty answer leaves the file's line empty; an invalid one is
    asked again.
    """
    click.echo(
        "Who is responsible? It stands in every receipt. Leave empty what you do not know yet.",
        err=True,
    )
    stated = controller.Controller()
    for key, meaning in controller.MEANING.items():
        stated = click.prompt(
            f"{meaning[0].upper()}{meaning[1:]}",
            default="",
            show_default=False,
            err=True,
            value_proc=partial(_with_answer, stated, key),
        )
    return stated


def _with_answer(stated: controller.Controller, key: str, answer: str) -> controller.Controller:
    several = key in OF_CODES
    value = tuple(answer.replace(",", " ").split()) if several else answer.strip()
    try:
        return controller.validate(
            msgspec.structs.replace(stated, **{key: value or (() if several else None)})
        )
    except InputError as error:
        raise click.BadParameter(f"{error.message} ({error.hint})") from None


def _begun_text(
    begun: policy_changes.InstallationBegun, config: Configuration, now: datetime
) -> str:
    lines = [
        f"policy     {begun.policy}, version {begun.version}: {begun.file}",
        f"effective  {rfc3339(begun.effective)}",
        f"decide by  {begun.decide_by or 'no last day: the notice can be put off without end'}",
        f"data       {config.data}",
    ]
    if missing := controller.read_controller(config.controller).missing:
        lines.append(
            f"missing    who is responsible: fill in {', '.join(missing)} in {config.controller}"
        )
    from licet.curate import engine_settings  # here, because it imports everything that curates

    if (
        begun.names is NamesTerm.replaced
        and notice.PERSON not in engine_settings.name_search(config).kinds
    ):
        lines.append(
            "names      to be replaced, and nothing here looks for them: unset "
            "LICET_CURATE__NAMES before the first release"
        )
    lines.append("")
    return "\n".join([*lines, *_for_people(begun, now)])


def _for_people(begun: policy_changes.InstallationBegun, now: datetime) -> list[str]:
    """Describes the first version's effect on existing and on new accounts."""
    first = begun.effective.date()
    lines = []
    if now < begun.effective:
        lines.append(f"Before {first} (UTC) nobody is asked and nothing can be chosen.")
    if begun.decide_by is not None and now.date() > begun.decide_by:
        lines.append(
            f"{begun.decide_by} is over: who has not answered can read, export, delete and "
            "choose, but not write."
        )
    elif begun.decide_by is not None:
        lines += [
            f"Until the end of {begun.decide_by} (UTC) an account that was opened before {first} "
            "may put the notice off and"
            " go on writing.",
            "After it, an account that has not answered can read, export, delete and choose, but "
            "not write, until it"
            " answers; either answer opens it again. Silence is never consent: nothing becomes "
            f"usable on {begun.decide_by}.",
        ]
    lines += [
        f"An account that was opened on {first} or later must decide before it writes. Say when "
        "each account was opened"
        " (`opened`, in POST /v1/accounts and in the file of `licet import --accounts`): without "
        "it, it is opened now.",
        f"A choice that was made before {first} has no effect.",
    ]
    return lines


def _hours(_: click.Context, __: click.Parameter, text: str | None) -> timedelta | None:
    """Parses `30m`, `1h` or `2d`."""
    if text is None:
        return None
    units = {"m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], units.get(text[-1:])
    if unit is None or not number.isdecimal() or not 0 < int(number) <= HISTORY_MAX:
        raise click.BadParameter(f"`{text}` is not a time: write 30m, 1h or 2d")
    return timedelta(**{unit: int(number)})


@click.command("doctor")
@click.option(
    "--alert", help="Say what an alert of deploy/alerts.yaml means and what to do; checks nothing."
)
@click.option(
    "--since",
    callback=_hours,
    help="Say instead what was wrong lately and what to type next: 30m, 1h, 2d.",
)
@answer_options
def doctor(alert: str | None, since: timedelta | None, call: CliCall) -> int:
    """Checks the installation and says how to fix what is broken. Exits 1 if anything is.

    With --since it says what is on record of outages, failed work and what became late, and what it
    cannot know. Exits 1 if any of it still stands.

    \b
    Example:  licet doctor
              licet doctor --since 1h
              licet doctor --alert LicetBackupLate
    """
    if since is not None:
        return _lately(since, call)
    if alert is not None:
        found = alerts.get_alert(alert)
        call.show(
            found,
            lambda: (
                f"{found.means}\n{'mend:':<6}{found.mend}\n{'page:':<6}docs/runbooks/{found.page}.md"
            ),
        )
        return 0
    from licet import doctor  # here, not above: it knows of everything

    with call.installation() as installation:
        findings = doctor.examine(installation)
        lines = [
            f"{f.state.value:<8} {f.what:<14} {f.seen}"
            + (f"\n{'':<23} mend: {f.mend}" if f.mend else "")
            for f in findings
        ]
        call.show(findings, lambda: "\n".join(lines))
    return EXIT_NO if any(f.state is doctor.FindingState.broken for f in findings) else 0


def _lately(since: timedelta, call: CliCall) -> int:
    from licet.service import recent_faults  # here, not above: it knows of everything

    config = Configuration.from_environment(os.environ, call.data)
    require_initialised(config)
    until = clock_at(config, call.at)[0]()
    try:
        with call.installation() as opened:
            found = recent_faults.find_faults(opened, until - since, until)
    except BusyError as error:
        found = recent_faults.without_database(config, until - since, until, error.message)
    call.show(found, lambda: recent_faults.describe(found))
    return EXIT_NO if found.stands else 0


class SchemaUpgrade(msgspec.Struct, frozen=True, kw_only=True):
    """The steps that were or would be applied, and those that wait for `--contract`."""

    taken: tuple[str, ...]
    waiting: tuple[str, ...]
    dry_run: bool


@click.command()
@click.option(
    "--contract",
    is_flag=True,
    help="Take also the steps after which servers of the version before no longer work.",
)
@dry_option("Say which steps would be taken, and change nothing. Exits 2 if there are any.")
@local_options
def upgrade(contract: bool, dry_run: bool, call: CliCall) -> int:
    """Upgrades the database schema to this version. Takes a lock. A schema that is newer than this
    version is refused.

    Stops before the first step that contracts the schema, so that servers of the version before go
    on: reload them, then give --contract.

    \b
    Example:  licet upgrade --dry-run
              licet upgrade
              licet upgrade --contract
    """
    config = Configuration.from_environment(os.environ, call.data)
    require_initialised(config)
    todo = pending_steps(config)
    taken = todo if contract else expanding(todo)
    if len(todo) == len(migrations()) or (taken and not dry_run):
        with open_installation(config, upgrade=contract, expand=True, create=False):
            pass
    found = SchemaUpgrade(
        taken=tuple(f"{step.number:04} {step.name}" for step in taken),
        waiting=tuple(f"{step.number:04} {step.name}" for step in todo[len(taken) :]),
        dry_run=dry_run,
    )
    call.show(found, lambda: _upgrade_text(found))
    return EXIT_CHANGES if dry_run and taken else 0


def _upgrade_text(upgrade: SchemaUpgrade) -> str:
    does = "would take" if upgrade.dry_run else "took"
    lines = [f"{does:<11}{step}" for step in upgrade.taken]
    lines += [f"{'waits':<11}{step}" for step in upgrade.waiting]
    if upgrade.waiting:
        lines.append(
            "servers of the version before do not work after what waits: reload them "
            "all, then `licet upgrade --contract`"
        )
    return "\n".join(lines or [f"the schema is at migration {len(migrations()):04}"])


@click.group(cls=CommandGroup)
def db() -> None:
    """Starts and stops the embedded database, and recounts."""


def _database(name: str, act: Callable[[Path], embedded.ServerStatus]) -> None:
    @db.command(name, help=act.__doc__)
    @local_options
    def command(call: CliCall) -> None:
        config = Configuration.from_environment(os.environ, call.data)
        if config.database_url:
            raise UsageError(
                "LICET_DATABASE_URL names a database of your own", "start and stop it where it runs"
            )
        state = act(config.data / "postgres")
        call.show(
            state,
            lambda: "\n".join(f"{k:<10} {v}" for k, v in msgspec.structs.asdict(state).items()),
        )


def _start(folder: Path) -> embedded.ServerStatus:
    """Starts the embedded database and keeps it running. `licet db stop` ends it."""
    return embedded.start(folder)


def _stop(folder: Path) -> embedded.ServerStatus:
    """Stops the embedded database."""
    return embedded.stop(folder)


def _state(folder: Path) -> embedded.ServerStatus:
    """Shows whether the embedded database runs, and who uses it."""
    return embedded.status(folder)


for _name, _act in (("start", _start), ("stop", _stop), ("status", _state)):
    _database(_name, _act)


@db.command("recount")
@local_options
def recount(call: CliCall) -> None:
    """Counts accounts and content anew for `licet status` and the console. `licet doctor`
    says when it is needed.

    \b
    Example:  licet db recount
    """
    with call.installation() as installation:
        with transaction(installation.pool) as tx:
            found = counts.differences(tx)
            counts.recount(tx)
        answer = {"differed": found}
        call.show(
            answer,
            lambda: "\n".join([f"{len(found):,} counts differed and are counted anew", *found]),
        )
