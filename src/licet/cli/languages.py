"""The commands for translators: list languages, check one, and stamp it as a translation of today's
English.
"""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import EXISTING_FOLDER, json_option, pluralize, show
from licet.consent import catalogue, catalogue_check
from licet.consent.language_tags import ENGLISH

_folder_option = click.option(
    "--folder",
    type=EXISTING_FOLDER,
    help="A folder of catalogues of your own, as in LICET_LANGUAGES; by default those that ship.",
)


@click.group(cls=CommandGroup)
def languages() -> None:
    """Checks the languages that the pages speak. A language is one file of sentences, and its
    notices.
    """


@languages.command("list")
@_folder_option
@json_option
def list_languages(folder: Path | None, as_json: bool) -> None:
    """Lists the languages, and how far each is translated.

    \b
    Example:  licet languages list
    """
    known = catalogue.load_languages(folder)
    rows = [
        {
            "language": name,
            "name": own,
            "sentences": len(known.catalogue(name).own.keys() & known.english.keys()),
            "english": len(known.english),
        }
        for name, own in known.own_names
    ]
    show(
        rows,
        as_json,
        lambda: "\n".join(
            "{language:<8} {sentences:>5} of {english}  {name}".format(**r) for r in rows
        ),
    )


@languages.command("check")
@click.argument("names", nargs=-1)
@_folder_option
@json_option
def check(names: tuple[str, ...], folder: Path | None, as_json: bool) -> int:
    """Lists what is missing or wrong in languages. Without NAMES checks all. Exits 1 on an error; a
    warning is for you to judge.

    \b
    Example:  licet languages check de
    """
    known = catalogue.load_languages(folder)
    wanted = names or tuple(name for name in known.names if name != ENGLISH)
    found = [finding for name in wanted for finding in catalogue_check.check(known, name)]
    errors = sum(not finding.is_warning for finding in found)
    lines = [
        *map(str, found),
        f"{pluralize(errors, 'error')}, {pluralize(len(found) - errors, 'warning')}",
    ]
    show(found, as_json, lambda: "\n".join(lines))
    return EXIT_NO if errors else 0


@languages.command("stamp")
@click.argument("name")
@click.argument("keys", nargs=-1)
@click.option(
    "--all",
    "again",
    is_flag=True,
    help="Stamp all anew: you have read the English of today beside each.",
)
@_folder_option
@json_option
def stamp(
    name: str, keys: tuple[str, ...], again: bool, folder: Path | None, as_json: bool
) -> None:
    """Records that a language's sentences translate the English of today. Takes those without a
    stamp, and KEYS (or the file names of notices) that you have read again. Until then English is
    shown in their place.

    \b
    Example:  licet languages stamp de
              licet languages stamp de settings.title strict.signup.de.md
    """
    target = folder or catalogue_check.shipped_folder()
    count = catalogue_check.stamp_all(target, name, frozenset(keys), again=again)
    show({"language": name, "stamped": count}, as_json, lambda: f"stamped {count} in {name}")
