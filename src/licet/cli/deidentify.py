"""The commands that try de-identification and measure it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from licet.cli.root import CommandGroup
from licet.cli.shell import EXISTING_FOLDER, CliCall, local_options
from licet.config import Configuration
from licet.curate import name_models
from licet.errors import InputError, UsageError

TEXT_BYTES_MAX = 16 << 20


@click.group(cls=CommandGroup)
def deidentify() -> None:
    """Shows and measures the removal of identifying data."""


@deidentify.command("text")
@click.argument(
    "file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
)
@local_options
def text(file: Path, call: CliCall) -> None:
    """Prints a text as a release would contain it. FILE may be `-` for standard input. The
    surrogates come from a key that is thrown away.

    \b
    Example:  echo "call Maria Rossi on 415-267-1234" | licet deidentify text -
    """
    with sys.stdin.buffer if str(file) == "-" else file.open("rb") as source:
        given = source.read(TEXT_BYTES_MAX + 1)
    if len(given) > TEXT_BYTES_MAX:
        raise InputError(f"more than `{TEXT_BYTES_MAX}` bytes", "give a part of it", file=str(file))
    made = name_models.try_text(
        Configuration.from_environment(os.environ, call.data), given.decode("utf-8", "replace")
    )
    call.show(made, lambda: made.text)


@deidentify.command("measure")
@click.argument("folder", required=False, type=EXISTING_FOLDER)
@click.option(
    "--labelled",
    multiple=True,
    metavar="NAME=FILE",
    help="A name, and labelled texts (CoNLL) unseen in training; repeatable.",
)
@click.option(
    "--keep",
    is_flag=True,
    help="Save the figures of --labelled in the data folder; release cards then quote them.",
)
@local_options
def measure(folder: Path | None, labelled: tuple[str, ...], keep: bool, call: CliCall) -> int:
    """Measures what would be replaced in texts of your own. The settings of this installation
    apply.

    FOLDER holds `.txt` and `.md` files, each of which is a text. It prints the words that change by
    kind, language and place, and twenty places; it exits 1 where that is more than is usual, so
    that a build would stop. A file that begins with `== en` holds a labelled text a line, `[[` and
    `]]` around persons and `{{` and `}}` around addresses: of these the share is printed that is
    found, and that is right.

    \b
    Example:  licet deidentify measure our-chats/
              licet deidentify measure --labelled noisy=emerging.test.conll --keep
    """
    config = Configuration.from_environment(os.environ, call.data)
    if (folder is None) == (not labelled):
        raise UsageError(
            "give a folder, or `--labelled`", "as in `licet deidentify measure our-chats/`"
        )
    if folder is not None:
        seen = name_models.measure_folder(config, folder)
        call.show(seen, lambda: name_models.describe_folder(seen))
        return 1 if seen.unusual else 0
    slices = {}
    for pair in labelled:
        name, equals, file = pair.partition("=")
        if not equals or not Path(file).is_file():
            raise UsageError(
                f"`{pair}` is not a name, `=` and a file", "as in --labelled noisy=test.conll"
            )
        slices[name] = Path(file)
    made = name_models.measure(config, slices, keep=keep)
    call.show(made, lambda: "\n".join(map(name_models.describe_figure, made)))
    return 0
