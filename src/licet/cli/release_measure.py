"""`licet release measure`: what curation costs a release as training data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from licet.cli.shell import answer_options, open_installation, progress, show

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.release.measurement import MeasurementStatement


@click.command("measure")
@click.argument("name")
@click.option(
    "--base",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help=(
        "A folder with a causal model to start from; by default small ones are trained from "
        "scratch."
    ),
)
@click.option(
    "--steps",
    type=click.IntRange(1, 10_000_000),
    default=200,
    show_default=True,
    help="Steps of each model.",
)
@click.option(
    "--seeds",
    type=click.IntRange(2, 100),
    default=3,
    show_default=True,
    help="Models of each kind.",
)
@click.option(
    "--rows",
    type=click.IntRange(20, 1_000_000),
    default=5_000,
    show_default=True,
    help="About so many rows.",
)
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
@click.option("--only-deidentification", is_flag=True, help="Leave out what each filter costs.")
@answer_options
def measure(
    name: str,
    base: Path | None,
    steps: int,
    seeds: int,
    rows: int,
    batch_rows: int,
    tokens: int,
    only_deidentification: bool,
    data: Path | None,
    at: str | None,
    as_json: bool,
) -> None:
    """Measures what curation costs a model. States it, signed, in the release's folder and on its
    card.

    The same small model is trained on the rows as they were said and as they leave, and with what
    each filter left out. Each is held against people who are in none of the runs. A figure needs
    ten of them. It takes minutes on a CPU; the models are thrown away. Training needs `./run setup
    train`.

    \b
    Example:  licet release measure october
              licet release measure october --base /models/base --steps 500 --tokens 1024 --only-deidentification
    """
    from licet.service import release_measure as measuring
    from licet.train.recipe import TrainingSettings

    rate = 3e-3 if base is None else 2e-5
    order = measuring.MeasuringOrder(
        settings=TrainingSettings(
            steps=steps, batch_rows=batch_rows, tokens_max=tokens, learning_rate=rate
        ),
        seeds=seeds,
        rows_max=rows,
        base=base,
        filters=not only_deidentification,
    )
    with open_installation(data, at) as here, progress() as bar:
        stated = measuring.measure(here, name, order, bar.console.print)
        bar.stop()
        answer = msgspec.structs.asdict(stated.statement) | {"sha256": stated.sha256}
        show(answer, as_json, lambda: "\n".join(text(stated.statement)))


def text(said: MeasurementStatement) -> Iterator[str]:
    """A measurement for a terminal."""
    from licet.release import measurement

    yield from measurement.sentences(said)
    yield f"{'cost of':<18}{'on':<18}{'rows':>7}{'people':>8}{'cost':>10}{'from':>10}{'to':>10}"
    for cost in said.costs:
        of = (
            "all" if cost.slice is measurement.CostSlice.all else f"{cost.slice.value} {cost.value}"
        )
        low, point, high = (
            measurement.percent(ppm) for ppm in (cost.low_ppm, cost.cost_ppm, cost.high_ppm)
        )
        yield f"{cost.of:<18}{of:<18}{cost.rows:>7,}{cost.people:>8,}{point:>10}{low:>10}{high:>10}"
