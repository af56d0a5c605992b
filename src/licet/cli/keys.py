"""The commands of the encryption keys."""

from __future__ import annotations

import click

from licet.cli.root import CommandGroup
from licet.cli.shell import (
    CliCall,
    answer_options,
    dry_option,
    pluralize,
    progress,
)
from licet.erasure import epochs
from licet.erasure.key_rotation import Rotation, RotationResult
from licet.policy.period import rfc3339


@click.group(cls=CommandGroup)
def keys() -> None:
    """Rotates encryption keys and destroys those that are due."""


@keys.command()
@click.option(
    "--daily",
    "kind",
    flag_value="daily",
    help="Make the daily rotation: new keys where something was deleted or withdrawn.",
)
@click.option(
    "--weekly",
    "kind",
    flag_value="weekly",
    help="Make the weekly rotation: new keys also where something expired.",
)
@dry_option("Count what would be done, and change nothing.")
@answer_options
def rotate(kind: str | None, dry_run: bool, call: CliCall) -> None:
    """Runs the rotation that is due, or the one that is named. A rotation that was interrupted is
    finished first.

    \b
    Example:  licet keys rotate
    """
    with call.installation() as installation:
        chosen = Rotation(kind) if kind else epochs.next_rotation(installation)
        if chosen is None:
            call.show({"rotated": None}, lambda: "nothing is due")
            return
        if dry_run:
            counted = epochs.forecast(installation, chosen)
            call.show(counted, lambda: f"would rotate: {_counts(counted)}")
            return
        with progress() as bar:
            task = bar.add_task("buckets", total=None)
            done = epochs.rotate(
                installation,
                chosen,
                lambda so_far: bar.update(task, completed=so_far.buckets, total=_total(so_far)),
            )
        call.show(done, lambda: f"{'finished' if done.resumed else 'rotated'}: {_counts(done)}")


def _total(so_far: RotationResult) -> int:
    return so_far.buckets + so_far.left


def _counts(result: RotationResult) -> str:
    return (
        f"epoch {result.epoch} ({result.rotation.value}), {pluralize(result.buckets, 'bucket')},"
        f" {result.buckets_rekeyed:,} with a new key;"
        f" {pluralize(result.accounts_rewrapped, 'account')} wrapped anew, "
        f"{result.accounts_rekeyed:,} with new keys,"
        f" {pluralize(result.pages, 'key page')}"
    )


@keys.command()
@answer_options
def status(call: CliCall) -> None:
    """Shows the epochs, and which rotations are due when. Also shows after how many days erased
    content is out of reach of old copies.

    \b
    Example:  licet keys status
    """
    with call.installation() as installation:
        seen = epochs.status(installation)
        call.show(seen, lambda: "\n".join(_lines(seen)))


def _lines(view: epochs.KeyStatus) -> list[str]:
    lines = [f"provider: {view.provider}"]
    for epoch in view.epochs:
        opened_at = rfc3339(epoch.opened_at) if epoch.opened_at else "the beginning"
        state = "in use"
        if epoch.destroyed_at:
            state = f"destroyed {rfc3339(epoch.destroyed_at)}"
        elif epoch.destroy_at:
            state = f"to be destroyed {rfc3339(epoch.destroy_at)}"
        lines.append(f"epoch {epoch.number} ({epoch.rotation}) since {opened_at}: {state}")
    if view.unfinished:
        lines.append(
            f"the rotation into epoch {view.unfinished} was begun: `licet keys rotate` goes "
            "on with it"
        )
    for name, waiting in view.waiting.items():
        due = view.due[name]
        when = f"due {rfc3339(due)}" if due else "nothing is due"
        days = view.out_of_reach_days[name]
        lines.append(
            f"{name}: {waiting:,} accounts wait, {when}; out of reach of old copies within "
            f"{pluralize(days, 'day')}"
        )
    return lines


@keys.command("destroy-due")
@dry_option("List the epochs whose keys are due, and destroy nothing.")
@answer_options
def destroy_due(dry_run: bool, call: CliCall) -> None:
    """Destroys the epoch keys that no kept backup still needs.

    \b
    Example:  licet keys destroy-due --dry-run
    """
    with call.installation() as installation:
        due = epochs.destroy_due(installation, dry_run=dry_run)
        names, verb = ", ".join(map(str, due)), "would destroy" if dry_run else "destroyed"
        answer = {"due" if dry_run else "destroyed": due}
        call.show(answer, lambda: f"{verb}: epoch {names}" if due else "nothing is due")
