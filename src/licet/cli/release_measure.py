"""`licet release measure`: the cost of curation for a release as training data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from licet.cli.shell import (
    EXISTING_FOLDER,
    CliCall,
    answer_options,
    progress,
)
from licet.errors import UsageError

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.release.measurement import MeasurementStatement


@click.command("measure")
@click.argument("name")
@click.option(
    "--base",
    type=EXISTING_FOLDER,
    help=(
        "A folder with a causal model to start from; by default a model that counts words is made."
    ),
)
@click.option(
    "--steps",
    type=click.IntRange(1, 10_000_000),
    help="Steps of each model from a base.  [default: 200]",
)
@click.option(
    "--seeds", type=click.IntRange(2, 100), help="Models of each kind from a base.  [default: 3]"
)
@click.option(
    "--rows",
    type=click.IntRange(20, 1_000_000),
    default=5_000,
    show_default=True,
    help="About so many rows.",
)
@click.option(
    "--batch-rows", type=click.IntRange(1, 4_096), help="Rows per step from a base.  [default: 16]"
)
@click.option(
    "--tokens",
    type=click.IntRange(8, 1_000_000),
    help="Tokens per row from a base.  [default: 128]",
)
@click.option("--only-deidentification", is_flag=True, help="Leave out what each filter costs.")
@answer_options
def measure(
    name: str,
    base: Path | None,
    steps: int | None,
    seeds: int | None,
    rows: int,
    batch_rows: int | None,
    tokens: int | None,
    only_deidentification: bool,
    call: CliCall,
) -> None:
    """Measures what curation costs a model. States it, signed, in the release's folder and on its
    card.

    The same model is trained on the rows as they were said and as they leave, and with what each
    filter left out. Each is held against people who are in none of the runs. A figure needs ten of
    them. Without a base it takes seconds, and the model counts words; with one it takes minutes,
    and `./run setup train`. The models are thrown away.

    \b
    Example:  licet release measure october
              licet release measure october --base /models/base --steps 500 --tokens 1024 --only-deidentification
    """
    from licet.service import release_measure as measuring
    from licet.train.recipe import TrainingSettings

    given = {"steps": steps, "batch_rows": batch_rows, "tokens_max": tokens}
    chosen = {option: value for option, value in given.items() if value is not None}
    if base is None and (chosen or seeds):
        raise UsageError(
            "`--steps`, `--seeds`, `--batch-rows` and `--tokens` are of models that begin "
            "from a `--base`"
        )
    order = measuring.MeasuringOrder(
        settings=TrainingSettings(learning_rate=2e-5, **chosen),
        seeds=seeds or measuring.SEEDS,
        rows_max=rows,
        base=base,
        filters=not only_deidentification,
    )
    with call.installation() as installation, progress() as bar:
        stated = measuring.measure(installation, name, order, bar.console.print)
        bar.stop()
        answer = msgspec.structs.asdict(stated.statement) | {"sha256": stated.sha256}
        call.show(answer, lambda: "\n".join(text(stated.statement)))


def text(statement: MeasurementStatement) -> Iterator[str]:
    from licet.release import measurement

    yield from measurement.sentences(statement)
    yield f"{'cost of':<18}{'on':<18}{'rows':>7}{'people':>8}{'cost':>10}{'from':>10}{'to':>10}"
    for cost in statement.costs:
        subject = (
            "all" if cost.slice is measurement.CostSlice.all else f"{cost.slice.value} {cost.value}"
        )
        low, point, high = (
            measurement.percent(ppm) for ppm in (cost.low_ppm, cost.cost_ppm, cost.high_ppm)
        )
        yield f"{cost.of:<18}{subject:<18}{cost.rows:>7,}{cost.people:>8,}{point:>10}{low:>10}{high:>10}"
