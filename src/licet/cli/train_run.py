"""The commands of a training run: train a model here, and delete what training libraries cached."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.shell import (
    EXISTING_FOLDER,
    PATH,
    CliCall,
    answer_options,
    dry_option,
    json_option,
    model_name_option,
    pluralize,
    show,
)

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.train.local_runs import TrainedModel


@click.command("sft")
@click.argument("release")
@click.option(
    "--out",
    required=True,
    type=PATH,
    help="The folder to create for the model.",
)
@click.option(
    "--base",
    type=EXISTING_FOLDER,
    help=(
        "A folder with a causal model to start from; by default a small one is trained from "
        "scratch."
    ),
)
@model_name_option
@click.option("--steps", type=click.IntRange(1, 10_000_000), default=120, show_default=True)
@click.option(
    "--batch-rows",
    type=click.IntRange(1, 4_096),
    default=16,
    show_default=True,
    help="Rows per step.",
)
@click.option(
    "--tokens",
    type=click.IntRange(8, 1_000_000),
    default=128,
    show_default=True,
    help="Tokens per row.",
)
@click.option("--learning-rate", type=float, help="By default 3e-3 from scratch, 2e-5 from a base.")
@click.option("--seed", type=int, default=1, show_default=True)
@answer_options
def sft(
    release: str,
    out: Path,
    base: Path | None,
    name: str,
    steps: int,
    batch_rows: int,
    tokens: int,
    learning_rate: float | None,
    seed: int,
    call: CliCall,
) -> None:
    """Fine-tunes a causal model on RELEASE under the gate. Uses TRL, asks the gate before each
    step, and signs a record of what the model consumed.

    Without a base it takes a minute on a CPU; with a base it uses the GPU if there is one.

    \b
    Example:  licet train sft october --out models/small
              licet train sft october --out models/ours --base /models/base --steps 2000 --tokens 2048
    """
    from licet.train import local_runs
    from licet.train.recipe import TrainingSettings

    rate = learning_rate if learning_rate is not None else 3e-3 if base is None else 2e-5
    settings = TrainingSettings(
        steps=steps, batch_rows=batch_rows, tokens_max=tokens, learning_rate=rate, seed=seed
    )
    with call.installation() as installation:
        made = local_runs.sft(installation, release, out, base=base, called=name, settings=settings)
        call.show(made, lambda: _run_lines(made))


def _run_lines(result: TrainedModel) -> str:
    trained = result.trained
    lines = [
        f"{result.name} ({result.model}): {pluralize(trained.parameters, 'parameter')}, "
        f"{pluralize(trained.steps, 'step')} "
        f"on {result.release}",
        f"consumed   {pluralize(result.consumed, 'row')}, on record in `{result.folder}`",
    ]
    if trained.unfit:
        refused = (
            f", {trained.refused:,} of them refused by the chat template" if trained.refused else ""
        )
        lines.append(
            f"left out   {trained.unfit:,} rows that teach nothing within the tokens{refused}"
        )
    if trained.held_out_before is None or trained.held_out_after is None:
        lines.append("held out   nobody: there are too few people")
    else:
        people = (
            f"{pluralize(trained.held_out_rows, 'row')} of {result.held_out_people:,} people "
            "who are not in training"
        )
        lines.append(
            f"held out   loss {trained.held_out_before:.3f} -> "
            f"{trained.held_out_after:.3f}, on {people}"
        )
    return "\n".join(lines)


@click.command("cache")
@click.argument("folder", type=PATH)
@json_option
def cache(folder: Path, as_json: bool) -> None:
    """Makes FOLDER a cache that `licet train purge` empties. Prints the variables that point the
    training libraries there.

    Use a file system in memory: the libraries cache a release as plain text.

    \b
    Example:  eval "$(licet train cache /dev/shm/licet)"
    """
    from licet.train import caches

    made = caches.create_owned(os.environ, Path.home(), folder)
    show(
        made,
        as_json,
        lambda: "\n".join(f"export {name}={shlex.quote(value)}" for name, value in made.items()),
    )


@click.command("purge")
@dry_option("List what would be deleted, and delete nothing.")
@json_option
def purge(dry_run: bool, as_json: bool) -> None:
    """Deletes the plain text of releases that libraries cached. Looks wherever training libraries
    cache on this machine.

    That is the caches of `datasets`, the hub, Torch and Ray, temporary files, and the folders of
    `licet train cache`. Stop the runs that use them first.

    \b
    Example:  licet train purge --dry-run
    """
    from licet.train import caches

    found = caches.find(
        caches.roots(
            os.environ, Path.home(), Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
        )
    )
    gone = found if dry_run else caches.purge(found)
    lines = [
        f"{cache.kind:<9} {cache.files:>6,} files {cache.bytes:>13,} bytes  {cache.path}"
        for cache in gone
    ]
    verb = "would delete" if dry_run else "deleted"
    lines.append(
        f"{verb} {pluralize(sum(cache.files for cache in gone), 'file')}, "
        f"{pluralize(sum(cache.bytes for cache in gone), 'byte')}"
    )
    show(gone, as_json, lambda: "\n".join(lines))


COMMANDS = (sft, cache, purge)
