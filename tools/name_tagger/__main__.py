"""The command: templates, labelled texts and turns in, a tagger's folder out.

In a checkout of the repository, with the part `train` (`./run setup train`):

    python -m tools.name_tagger licet-data/tagger --conll wnut17train.conll
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from licet.cli.shell import json_option, progress, show
from licet.curate.names_labelled import conll as read_conll
from licet.errors import InputError, LicetError, UsageError
from tools.name_tagger import training
from tools.name_tagger.templates import TemplateWriter

TEXTS = 7_000
STEPS = 800
CONLL_TIMES = 2  # what people labelled counts double beside what templates made
TURNS_BYTES_MAX = 256 << 20


def train(
    folder: Path, *, conll: Sequence[Path] = (), turns: Path | None = None, texts: int = TEXTS, steps: int = STEPS,
    seed: int = 7, threads: int = 1, progress: Callable[[int, float], None] = lambda _step, _loss: None,
) -> training.TrainedTagger:  # fmt: skip
    """Trains the tagger of names into ``folder``, which must not exist, on templates of ours and what is given."""
    if folder.exists():
        raise UsageError(f"`{folder}` exists", "name a new folder")
    said: list[str] = []
    if turns is not None:
        if turns.stat().st_size > TURNS_BYTES_MAX:
            raise InputError(f"more than `{TURNS_BYTES_MAX}` bytes", file=str(turns))
        said = turns.read_text("utf-8", "replace").splitlines()
    written = list(TemplateWriter(seed, said).texts(texts))
    labelled = [one for path in conll for one in read_conll(path)] * CONLL_TIMES
    return training.train([*written, *labelled], folder, steps=steps, seed=seed, threads=threads, progress=progress)


@click.command("python -m tools.name_tagger")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--conll", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Labelled texts beside the templates, a token, a tab and an IOB label a line; repeatable.")  # fmt: skip
@click.option("--turns", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Real turns to set templates in, one a line; those with a name are passed over.")  # fmt: skip
@click.option("--texts", type=click.IntRange(100, 100_000), default=TEXTS, show_default=True,
              help="How many texts to write from templates.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1, 100_000), default=STEPS, show_default=True,
              help="Of 32 texts each; some one second a step and core.")  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True, help="Other texts, in another order.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Cores to use.")
@json_option
def command(
    folder: Path, conll: tuple[Path, ...], turns: Path | None, texts: int, steps: int, seed: int, threads: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Trains the tagger of names and writes it into FOLDER, which must not exist. Needs the extra `train`.

    \b
    Example:  python -m tools.name_tagger licet-data/tagger --conll wnut17train.conll
    """
    with progress() as bar:
        task = bar.add_task("training", total=steps)
        made = train(
            folder, conll=conll, turns=turns, texts=texts, steps=steps, seed=seed, threads=threads,
            progress=lambda step, _loss: bar.update(task, completed=step),
        )  # fmt: skip
    show(made, as_json, lambda: f"{made.folder}: {made.steps:,} steps over {made.texts:,} texts, loss {made.loss:.4f}\n"
         f"sha256 {made.sha256}\nmeasure it: licet deidentify measure --labelled NAME=FILE --keep")  # fmt: skip


if __name__ == "__main__":
    try:
        command()
    except LicetError as error:
        raise SystemExit(f"error: {error}\nhint: {error.hint}") from None
