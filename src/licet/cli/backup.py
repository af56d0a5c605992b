"""The commands of backup and restore."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from licet.backup import archives as backups
from licet.backup import drills, wal_receiver
from licet.backup.archives import PrunedBackups, RestoreForecast
from licet.backup.backup_manifest import ARCHIVES, BackupForm, KeptBackup
from licet.backup.bring_forward import RestoreResult
from licet.backup.drills import DrillOutcome, DrillResult
from licet.backup.log_union import RestoreFinish
from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import (
    PATH,
    CliCall,
    actor_name,
    answer_options,
    by_option,
    choice,
    clock_at,
    dry_option,
    local_options,
    moment,
    pluralize,
    stop_on_signals,
)
from licet.config import Configuration
from licet.errors import ContradictedError, RefusedError, UsageError
from licet.policy.period import rfc3339


@click.group(cls=CommandGroup)
def backup() -> None:
    """Makes, lists, verifies, drills and prunes backups. A large database also archives its WAL
    beside them.

    Backups contain no epoch keys: store those separately.

    \b
    Example:  licet backup make /srv/backups
    """


@backup.command("make")
@click.argument("folder", type=PATH)
@click.option(
    "--base",
    is_flag=True,
    help="Copy the server's data files instead of dumping the live rows; for large databases.",
)
@answer_options
def make(folder: Path, base: bool, call: CliCall) -> None:
    """Makes a backup in a new folder below FOLDER. It is registered with the day on which it
    expires.

    \b
    Example:  licet backup make /srv/backups
    """
    with call.installation() as installation:
        kept = backups.back_up(installation, folder, BackupForm.base if base else BackupForm.dump)
        lines = [_line(kept), "keys, log and restriction journal are not in it: docs/backup.md"]
        if folder.resolve().is_relative_to(installation.config.data.resolve()):
            lines.append(
                f"{folder} is in the data folder: copy it to another disk, away from the keys"
            )
        call.show(kept, lambda: "\n".join(lines))


@backup.command("list")
@click.argument("folder", type=PATH)
@answer_options
def list_backups(folder: Path, call: CliCall) -> None:
    """Lists the backups below FOLDER, and when each expires.

    \b
    Example:  licet backup list /srv/backups
    """
    with call.installation() as installation:
        found = backups.list_backups(installation, folder)
        call.show(found, lambda: "\n".join(map(_line, found)) or "no backups")


@backup.command("prune")
@click.argument("folder", type=PATH)
@dry_option("List what would be removed, and remove nothing.")
@answer_options
def prune(folder: Path, dry_run: bool, call: CliCall) -> None:
    """Removes expired and unfinished backups and unneeded WAL. WAL is unneeded when only removed
    backups could use it.

    \b
    Example:  licet backup prune /srv/backups --dry-run
    """
    with call.installation() as installation:
        spent = backups.prune(installation, folder, dry_run=dry_run)
        call.show(spent, lambda: _pruned_text(spent, dry_run))


@backup.command("wal")
@click.argument("folder", type=PATH)
@click.option(
    "--end", is_flag=True, help="End the archive, so that the server stops keeping WAL for it."
)
@local_options
def archive(folder: Path, end: bool, call: CliCall) -> None:
    """Archives the WAL below FOLDER as it is written, until stopped. A base backup made meanwhile
    can be restored to any moment of it.

    Runs beside the server, and removes WAL that no base below FOLDER needs. While it is stopped,
    the server keeps the WAL.

    \b
    Example:  licet backup wal /srv/backups
    """
    with call.installation() as installation:
        if end:
            name = wal_receiver.end(installation)
            call.show({"ended": name}, lambda: f"ended {name}" if name else "no WAL was archived")
            return
        stop = stop_on_signals()
        done = wal_receiver.archive(
            installation,
            folder / ARCHIVES,
            stop,
            lambda why: click.echo(f"interrupted, goes on: {why}", err=True),
            lambda: backups.prune_wal(installation, folder),
        )
        call.show({"archive": done}, lambda: f"archived in {done}")


@backup.command("verify")
@click.argument("folder", type=PATH)
@local_options
def verify(folder: Path, call: CliCall) -> int:
    """Checks that a backup is ours, whole and unchanged. Exits 1 if it is contradicted or not
    proved.

    It needs the key provider, and no database.

    \b
    Example:  licet backup verify /srv/backups/20260301T040000Z-0f3a9c21
    """
    try:
        manifest = backups.verify(Configuration.from_environment(os.environ, call.data), folder)
    except (ContradictedError, RefusedError) as error:
        verdict = "contradicted" if isinstance(error, ContradictedError) else "not proved"
        why = error.message.removeprefix(f"{verdict}: ")
        text = f"{verdict}: {why}\n{error.hint}"
        call.show({"verdict": verdict, "why": why, "hint": error.hint}, lambda: text)
        return EXIT_NO
    answer = {"verdict": "proved", **msgspec.to_builtins(manifest)}
    call.show(
        answer,
        lambda: (
            f"proved: {manifest.backup}, {pluralize(manifest.size, 'byte')}, of "
            f"{rfc3339(manifest.made_at)}"
        ),
    )
    return 0


@backup.command("drill")
@click.argument("folder", type=PATH, required=False)
@dry_option("Show which backup would be restored, and restore nothing.")
@by_option("drills")
@answer_options
def drill(folder: Path | None, dry_run: bool, by: str | None, call: CliCall) -> int:
    """Restores the newest backup into a scratch place and proves it.

    Its files, keys and log are proved. FOLDER is a backup, or the folder that they are
    written to; without it, the newest backup on record is restored.

    Nothing that is in use is touched. The result goes on record. Exits 1 if the backup could not be
    restored or proved.

    \b
    Example:  licet backup drill
    """
    with call.installation() as installation:
        if dry_run:
            found = drills.choose_backup(installation, folder)
            call.show({"folder": found}, lambda: f"would restore {found} into a scratch place")
            return 0
        done = drills.drill(installation, folder, by=actor_name(by))
        call.show(done, lambda: _drill_text(done))
        return 0 if done.outcome is DrillOutcome.proved else EXIT_NO


@click.command()
@click.argument("source", type=PATH, required=False)
@click.option(
    "--here",
    "in_place",
    is_flag=True,
    help="The database was already restored by other means; reapply only what followed.",
)
@click.option(
    "--until",
    help=(
        "Restore a base backup to this moment of the server's clock; by default to the end of "
        "its WAL."
    ),
)
@click.option(
    "--finish",
    type=choice(RestoreFinish),
    help=(
        "Restore although journal or log lack something: what cannot be matched counts as "
        "withdrawn."
    ),
)
@dry_option("Prove the backup, and show what would be replaced and applied again; restore nothing.")
@answer_options
def restore(
    source: Path | None,
    in_place: bool,
    until: str | None,
    finish: str | None,
    dry_run: bool,
    call: CliCall,
) -> None:
    """Restores a backup, then reapplies withdrawals and deletions. Nothing is served until both are
    done. A restore that was interrupted starts over.

    A base backup replaces the embedded database, which must not be in use. A restore that is
    refused because records of the restriction journal are missing or were changed is finished with
    --finish narrow, which permits nothing.

    \b
    Example:  licet restore /srv/backups/20260301T040000Z-0f3a9c21 --dry-run
              licet restore /srv/backups/20260301T040000Z-0f3a9c21
    """
    if (source is None) is not in_place:
        raise UsageError(
            "name a backup's folder, or say --here", "`licet backup list` shows the folders"
        )
    config = Configuration.from_environment(os.environ, call.data)
    clock, _ = clock_at(config, call.at)
    to = moment(until) if until is not None else None
    how = RestoreFinish(finish) if finish is not None else None
    if dry_run:
        would = backups.forecast(config, source, clock, to, how)
        call.show(would, lambda: _forecast(would))
        return
    done = backups.restore(config, source, clock, to, how)
    call.show(done, lambda: _report(done))


def _line(kept: KeptBackup) -> str:
    if kept.damage:
        return f"{kept.folder}: damaged: {kept.damage}"
    if kept.made_at is None or kept.expires_at is None:
        return f"{kept.folder}: never finished"
    state = "expired" if kept.expired else f"until {rfc3339(kept.expires_at)}"
    return (
        f"{kept.folder}: {kept.form} {kept.backup}, {pluralize(kept.size, 'byte')}, of "
        f"{rfc3339(kept.made_at)}, {state}"
    )


def _drill_text(result: DrillResult) -> str:
    if result.outcome is DrillOutcome.failed:
        return f"failed: {result.backup}: {result.failure}"
    return (
        f"proved: {result.backup}: {pluralize(result.accounts, 'account')}, the keys of "
        f"{result.keys:,} of them unwrapped,"
        f" {pluralize(result.segments, 'segment')} kept, {pluralize(result.entries, 'entry')} of "
        "the log"
    )


def _pruned_text(spent: PrunedBackups, dry_run: bool) -> str:
    verb = "would remove" if dry_run else "removed"
    lines = [f"{verb} {backup.folder}" for backup in spent.backups]
    lines += [f"{verb} {pluralize(spent.segments, 'segment')} of WAL"] if spent.segments else []
    return "\n".join(lines) or "nothing to remove"


def _forecast(would: RestoreForecast) -> str:
    backup = (
        f"{would.form} {would.backup}, of {rfc3339(would.made_at)}"
        if would.form and would.made_at
        else "no backup"
    )
    replaced_database = (
        f"the database here, in life {would.life}"
        if would.life is not None
        else "nothing: there is no database here"
    )
    applied = ", ".join(f"{count:,} {kind}" for kind, count in would.since.items()) or "nothing"
    replaced = [f"would replace  {replaced_database}"] if would.form is not None else []
    unfit = [f"does not fit   {misfit}" for misfit in would.unfit]
    unfit += (
        ["would narrow   every account: a record that is missing may have been anybody's"]
        if unfit
        else []
    )
    return "\n".join(
        [f"would restore  {backup}", *replaced, f"would apply    {applied}, recorded since", *unfit]
    )


def _report(result: RestoreResult) -> str:
    applied = (
        ", ".join(f"{count:,} {kind}" for kind, count in sorted(result.applied.items()))
        or "nothing"
    )
    return "\n".join(
        [
            f"restored   {result.backup or 'the database here'}, now in life {result.life}",
            (
                f"applied    {applied}, of what was taken back since; {result.gone:,} about "
                "what the backup does not hold"
            ),
            f"the log    {result.entries:,} entries that the backup does not know; "
            f"{result.placed:,} rows had their place, "
            f"{result.repeated:,} were logged already",
            (
                f"look at    {pluralize(result.sessions_ended, 'session')} ended; webhooks are "
                "silent until `licet webhooks resume`"
            ),
            *_narrowed_lines(result),
        ]
    )


def _narrowed_lines(result: RestoreResult) -> list[str]:
    """Formats the restrictions that only the log had, and unexplained entries."""
    counts = ", ".join(f"{count:,} {kind}" for kind, count in result.from_log.items())
    lines = [f"from log   {counts}, which the restriction journal lacked"] if counts else []
    lines += [f"unfit      {place}" for place in result.unfit]
    lines += [f"set aside  {place}" for place in result.set_aside]
    if result.withdrawn or result.keys_revoked:
        keys = (
            f"; {pluralize(result.keys_revoked, 'key')} of services revoked"
            if result.keys_revoked
            else ""
        )
        lines.append(
            f"withdrawn  {pluralize(result.withdrawn, 'account')}, until its person says "
            f"yes again{keys}"
        )
    return lines
