"""The commands of models: which ones learnt from a person, and which are affected by a
withdrawal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import (
    EXISTING_FOLDER,
    CliCall,
    answer_options,
    local_options,
    moment,
    pluralize,
)
from licet.cli.status import run_line
from licet.cli.verb_commands import Printing, declare_commands
from licet.policy.period import rfc3339

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.service.model_view import ModelDetail
    from licet.train.model_registry import RecordedModel


@click.group(cls=CommandGroup)
def models() -> None:
    """Lists models, and traces which people's rows each learnt from."""


@models.command("trace")
@click.argument("name", metavar="CONVERSATION|ACCOUNT")
@answer_options
def trace(name: str, call: CliCall) -> None:
    """Lists the models that learnt from a conversation or account. The newest comes first.

    \b
    Example:  licet models trace conv_0190f3a4c2d87b6e9a51c3d4e5f60718
              licet models trace ana
    """
    from licet.train import lineage  # here, not above: no other command waits for it

    with call.installation() as installation:
        found = lineage.which_models(installation, name)
        lines = [
            (
                f"{model.model} {model.name}: {pluralize(model.rows, 'row')} of {model.release}, "
                f"{rfc3339(model.finished_at)}"
            )
            for model in found
        ]
        call.show(found, lambda: "\n".join(lines) or "no model learnt from it")


@models.command("affected")
@click.option("--since", help="Only rows withdrawn or erased since this moment; by default all.")
@answer_options
def list_affected(since: str | None, call: CliCall) -> int:
    """Lists the models that learnt from rows withdrawn since. Erased rows count too. Exits 1 if
    there is one.

    What a run consumed before a withdrawal remains in the model until it is trained again: this is
    the list of models to retrain.

    \b
    Example:  licet models affected --since 2026-01-01
    """
    from licet.train import lineage  # here, not above: no other command waits for it

    with call.installation() as installation:
        found = lineage.models_affected(installation, moment(since) if since else None)
        lines = [
            f"{model.model} {model.name}: {model.withdrawn:,} of "
            f"{pluralize(model.consumed, 'row')} of {model.release}, "
            f"of {model.people:,} people, may no longer be used; {model.erased:,} are erased"
            for model in found
        ]
        call.show(found, lambda: "\n".join(lines) or "no model is affected")
    return EXIT_NO if found else 0


@models.command("record")
@click.argument("folder", type=EXISTING_FOLDER)
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="The public key that signed it, if it was not signed here; repeatable.",
)
@answer_options
def record_model(folder: Path, keys: tuple[str, ...], call: CliCall) -> None:
    """Records a model that was trained elsewhere under the gate. FOLDER must pass every check of
    `licet verify`.

    \b
    Example:  licet models record models/ours --key "$TRAINERS_KEY"
    """
    from licet.train import lineage

    with call.installation() as installation:
        seen = lineage.record(installation, folder, keys)
        call.show(seen, lambda: _line(seen))


@models.command("list")
@answer_options
def list_models(call: CliCall) -> None:
    """Lists the recorded models, newest first. Also runs that left no model, which `licet status
    --json` has too.

    \b
    Example:  licet models list
    """
    from licet.train import lineage, run_marks

    with call.installation() as installation:
        seen = lineage.list_models(installation)
        runs = run_marks.list_unfinished(installation.config.data)
        lines = [*map(_line, seen), *(f"run {run_line(run)}" for run in runs)]
        call.show(seen, lambda: "\n".join(lines) or "no model is on record")


@models.command("show")
@click.argument("model")
@answer_options
def show_model(model: str, call: CliCall) -> None:
    """Shows MODEL: its run, its withdrawn rows, its canary audits.

    \b
    Example:  licet models show model_0190f3a4c2d87b6e9a51c3d4e5f60718
    """
    from licet.service import model_view

    with call.installation() as installation:
        found = model_view.show(installation, model)
        call.show(found, lambda: "\n".join(_lines(found)))


RETIRED = Printing(text=lambda _, seen: _line(seen.model), value=lambda _, seen: seen.model)
declare_commands(models, {"retire_model": RETIRED}, "release_verbs")


@models.command("key")
@click.option(
    "--pem",
    is_flag=True,
    help="Print the key of `model.sig` instead, in the form that `model_signing` takes.",
)
@local_options
def key(pem: bool, call: CliCall) -> None:
    """Prints the public key that verifies models' statements. `licet verify` takes it: hand it out
    apart from the models.

    \b
    Example:  licet models key
    """
    from licet.train import lineage

    with call.installation() as installation:
        vkey, signature_key = lineage.public_keys(installation)
        call.show(
            {"vkey": vkey, "pem": signature_key},
            lambda: signature_key.rstrip("\n") if pem else vkey,
        )


def _lines(result: ModelDetail) -> Iterator[str]:
    known, run, gone = result.seen.model, result.run, result.seen.affected
    yield _line(known)
    yield (
        f"  took {run.consumed:,} of {pluralize(run.release_rows, 'row')}, steps "
        f"{run.first_step:,} to {run.last_step:,},"
        f" {pluralize(run.gates, 'state')} of the gate"
    )
    if gone is not None:
        yield (
            f"  {gone.withdrawn:,} of its rows, of {gone.people:,} people, may no longer be "
            f"used; {gone.erased:,} are erased"
        )
    else:
        yield "  every row that it learnt from may still be used"
    for audit in result.audits:
        yield (
            f"  canary audit {rfc3339(audit.audited_at)} by {audit.audited_by}: "
            f"{audit.verdict.value}, {audit.exposed} of {audit.planted}"
            f" exposed (p below {audit.bound:g}), {audit.recipe}, licet {audit.licet}"
        )
    if not result.audits:
        yield "  no canary audit was run for it"


def _line(view: RecordedModel) -> str:
    retired = f", used no more since {rfc3339(view.retired_at)}" if view.retired_at else ""
    learnt = f"{pluralize(view.rows, 'row')} of {view.release}, {view.recipe}"
    return f"{view.model} {view.name}: {learnt}, {rfc3339(view.finished_at)}{retired}"
