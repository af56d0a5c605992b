"""The commands of the sweep: erase what is due, show its state, and approve a sweep that waits."""

from __future__ import annotations

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import (
    CliCall,
    answer_options,
    dry_option,
    pluralize,
    progress,
    stop_on_signals,
)
from licet.cli.verb_commands import declare_commands
from licet.erasure import sweeper
from licet.erasure.sweep_batches import SweepResult
from licet.erasure.sweeper import SweepStatus
from licet.errors import UsageError
from licet.policy.period import rfc3339
from licet.service import housekeeping


@click.group(cls=CommandGroup, invoke_without_command=True)
@dry_option("Count what is due, and change nothing.")
@click.option(
    "--follow",
    is_flag=True,
    help="Keep sweeping, certifying and rotating keys until stopped, as `licet serve` does.",
)
@answer_options
@click.pass_context
def sweep(context: click.Context, dry_run: bool, follow: bool, call: CliCall) -> None:
    """Erases what is due, in bounded batches. The key goes first, then the rows. An interrupted
    sweep continues when it is called again.

    A sweep that would erase more than a configured share of the stored content waits for `licet
    sweep approve`.

    \b
    Example:  licet sweep --dry-run
    """
    if context.invoked_subcommand is not None:
        if dry_run or follow or call.data is not None or call.at is not None or call.as_json:
            raise UsageError(
                "options of `licet sweep` do not go with a subcommand", "put them behind it"
            )
        return
    if dry_run and follow:
        raise UsageError("--dry-run and --follow do not go together")
    with call.installation() as installation, progress("{task.completed} segments") as bar:
        if follow:
            stop = stop_on_signals()
            housekeeping.keep_sweeping(installation, stop)
            return
        task = bar.add_task("erasing", total=None)
        swept = sweeper.sweep(
            installation,
            dry_run=dry_run,
            progress=lambda so_far: bar.update(task, completed=so_far.segments),
        )
        bar.stop()
        call.show(swept, lambda: _swept(swept, dry_run))


@sweep.command("status")
@answer_options
def status(call: CliCall) -> int:
    """Shows when the sweep last finished, and whether it waits. Exits 1 if it waits for somebody's
    approval.

    \b
    Example:  licet sweep status
    """
    with call.installation() as installation:
        seen = sweeper.sweep_status(installation)
        call.show(seen, lambda: _standing(seen))
    return EXIT_NO if seen.waits else 0


declare_commands(sweep, {}, "erasure_verbs")


def _standing(view: SweepStatus) -> str:
    last = f"last ended {rfc3339(view.ended_at)}" if view.ended_at else "has not ended yet"
    if view.waits_since is None:
        return last
    asked = (
        f"it would erase {view.due:,}, of {view.kept:,} segments kept; since "
        f"{rfc3339(view.waits_since)}"
    )
    if view.waits:
        return f"{last}\nwaits for `licet sweep approve`: {asked}"
    return f"{last}\napproved by {view.approved_by}: {asked}"


def _swept(swept: SweepResult, dry_run: bool) -> str:
    """Formats what a sweep erased, or would erase, by reason."""
    verb = "would erase" if dry_run else "erased"
    lines = [
        f"{verb} {pluralize(swept.turns, 'turn')} in {pluralize(swept.segments, 'segment')}, "
        f"{pluralize(swept.safety_turns, 'turn')} of safety copies, "
        f"{swept.feedback:,} feedback, {pluralize(swept.scores, 'score')}"
    ]
    lines += [f"  {count:>9,}  {why}" for why, count in sorted(swept.reasons.items())]
    return "\n".join(lines)
