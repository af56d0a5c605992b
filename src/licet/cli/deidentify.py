"""The commands that try de-identification, and make and measure the tagger of names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from rich.progress import MofNCompleteColumn

from licet.cli.shell import data_option, json_option, progress, show
from licet.config import Configuration
from licet.curate import name_models
from licet.errors import InputError, UsageError

TEXT_BYTES_MAX = 16 << 20


@click.group()
def deidentify() -> None:
    """What identifies in texts: see what is found, train the tagger of names, measure what is missed."""


@deidentify.command("text")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@data_option
@json_option
def text(file: Path, data: Path | None, as_json: bool) -> None:
    """Prints the text of FILE (`-` for standard input) as a release would have it, under a key that is thrown away.

    \b
    Example:  echo "call Maria Rossi on 415-267-1234" | licet deidentify text -
    """
    with sys.stdin.buffer if str(file) == "-" else file.open("rb") as source:
        given = source.read(TEXT_BYTES_MAX + 1)
    if len(given) > TEXT_BYTES_MAX:
        raise InputError(f"more than `{TEXT_BYTES_MAX}` bytes", "give a part of it", file=str(file))
    made = name_models.tried(Configuration.of(os.environ, data), given.decode("utf-8", "replace"))
    show(made, as_json, lambda: made.text)


@deidentify.command("train")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--conll", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Labelled texts beside the templates, a token, a tab and an IOB label a line; repeatable.")  # fmt: skip
@click.option("--turns", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Real turns to set templates in, one a line; those with a name are passed over.")  # fmt: skip
@click.option("--texts", type=click.IntRange(100, 100_000), default=name_models.TEXTS, show_default=True,
              help="How many texts to write from templates.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1, 100_000), default=name_models.STEPS, show_default=True,
              help="Of 32 texts each; some one second a step and core.")  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True, help="Other texts, in another order.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Cores to use.")
@json_option
def train(
    folder: Path, conll: tuple[Path, ...], turns: Path | None, texts: int, steps: int, seed: int, threads: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Trains the tagger of names and writes it into FOLDER, which must not exist. Needs the extra `train`.

    \b
    Example:  licet deidentify train licet-data/tagger --conll wnut17train.conll
    """
    with progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("training", total=steps)
        made = name_models.train(
            folder, conll=conll, turns=turns, texts=texts, steps=steps, seed=seed, threads=threads,
            progress=lambda step, _loss: bar.update(task, completed=step),
        )  # fmt: skip
    show(made, as_json, lambda: f"{made.folder}: {made.steps:,} steps over {made.texts:,} texts, loss {made.loss:.4f}\n"
         f"sha256 {made.sha256}\nmeasure it: licet deidentify measure --labelled NAME=FILE --keep")  # fmt: skip


@deidentify.command("measure")
@click.option("--labelled", multiple=True, required=True, metavar="NAME=FILE",
              help="A slice's name, and labelled texts that no training saw (as `train --conll`); repeatable.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Write the figures beside the tagger, for the cards of releases.")
@data_option
@json_option
def measure(labelled: tuple[str, ...], keep: bool, data: Path | None, as_json: bool) -> None:
    """Measures what of labelled names would be replaced, as this installation is configured.

    \b
    Example:  licet deidentify measure --labelled noisy=emerging.test.conll --keep
    """
    slices = {}
    for one in labelled:
        name, equals, file = one.partition("=")
        if not equals or not Path(file).is_file():
            raise UsageError(f"`{one}` is not a name, `=` and a file", "as in --labelled noisy=test.conll")
        slices[name] = Path(file)
    made = name_models.measure(Configuration.of(os.environ, data), slices, keep=keep)
    show(made, as_json, lambda: "\n".join(map(name_models.in_words, made)))
