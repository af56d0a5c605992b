"""The command that shows an installation as a whole. It imports little else than the database
driver.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from licet.cli.shell import (
    CliCall,
    answer_options,
    pluralize,
)
from licet.policy.period import rfc3339
from licet.service import population_status
from licet.service.population_status import PopulationStatus
from licet.train.run_marks import UnfinishedRun


@click.command()
@answer_options
def status(call: CliCall) -> None:
    """Shows the accounts, gates, coming expiries and releases.

    \b
    Example:  licet status --json
    """
    with call.installation() as installation:
        seen = population_status.status(installation)
        call.show(seen, lambda: status_text(seen))


def status_text(view: PopulationStatus) -> str:
    def counts(numbers: Mapping[str, int]) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in numbers.items()) or "none"

    lines = [
        f"policy     {view.policy} {view.version}",
        f"accounts   {view.accounts:,}: {counts(view.plans)}",
        *(
            f"choices    {question}: {counts(standings)}"
            for question, standings in view.standings.items()
        ),
        f"gates      {counts(view.gates)}",
        (
            f"known      {pluralize(view.conversations, 'conversation')}, also those of which "
            "nothing is kept any more"
        ),
        (
            f"kept       {pluralize(view.turns_kept, 'turn')}, "
            f"{pluralize(view.bytes_kept, 'sealed byte')}"
        ),
        (
            "expires    "
            f"{', '.join(f'{count:,} turns within {name}' for name, count in view.expires.items()) or 'nothing'}"
        ),
        (
            f"overdue    {pluralize(view.overdue, 'segment')}, feedback and safety copies; "
            "`licet sweep` erases them"
        ),
        f"held       {pluralize(view.held, 'conversation')}; flagged {view.flagged:,}",
    ]
    for due in view.retraining_due:
        lines.append(
            f"to forget  {due.name}: {due.withdrawn:,} of {due.consumed:,} rows that it "
            "learnt from were withdrawn"
        )
    lines += [f"run        {run_line(run)}" for run in view.unfinished_runs]
    for known in view.releases:
        size = f"{pluralize(known.rows, 'row')}" if known.rows is not None else "unfinished"
        lines.append(f"release    {known.name}: {size} for {known.purpose}, {known.state}")
    return "\n".join(lines)


def run_line(run: UnfinishedRun) -> str:
    """Formats a run without a model."""
    how = (
        "goes on"
        if run.is_running
        else "ended without a model; delete the folder, or give the same command again"
    )
    return f"{run.folder}: on {run.release} since {rfc3339(run.started_at)}, {how}"
