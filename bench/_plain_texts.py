"""Texts in which nobody is named, or hardly anybody: Debian's manual pages and catalogues of
messages by language, and code.

The packages: manpages-XX and whatever else is installed. Pages are told apart by a hash of their
names: no threshold was chosen on the half that is measured. What stands in them under a heading of
authors, translators or history is left out.
"""

from __future__ import annotations

import gettext
import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

MAN, LOCALE = Path("/usr/share/man"), Path("/usr/share/locale")
PAGES_MAX, PAGE_CHARS_MAX, PAGE_CHARS_MIN = 60, 20_000, 600
# languages without manual pages
MESSAGES = ("ar", "bg", "ca", "sk", "hr", "he", "hi", "th", "fa", "eu")
MESSAGES_MAX, MESSAGE_WORDS_MIN = 4_000, 4
_OF_PEOPLE = re.compile(
    r"(?i)copyright|©|authors?\b|written by|@[\w.-]+\.\w+|contributor|maintain"
)  # lines that name people
_CODES = {"pt_BR": "pt", "zh_CN": "zh"}
_PEOPLE = re.compile(
    r"(?i)AUTH?OR|AUTEUR|FORFATTER|FÖRFATTARE|UPPHOVS|KIRJOITT|TEKIJ|ALKUPER|SZERZ|PENULIS|PENGARANG|YAZAN|YAZAR|АВТОР|АУТОР"
    r"|TÁC GIẢ|ΣΥΓΓΡΑΦ|ΔΗΜΙΟΥΡΓ|作者|著者|저자|TRADU|ÜBERSETZ|TRANSLAT|ПЕРЕВОД|ПЕРЕКЛАД|ÖVERSÄTT|OVERS[ÆE]T|VERTAL|TŁUMACZ"
    r"|PŘEKLAD|FORD[IÍ]T|KÄÄNT|ÇEV[İI]R|번역|翻訳|译|PREVOD|ПРЕВОД|ΜΕΤΑΦΡ|HISTOR|ISTORI|GESCHICHTE|ИСТОРИ|ІСТОРІ|COLABORA|MAINTAIN"
    r"|CREDIT|DANK|ACKNOW|COPYRIGHT|BUGS|MELDEN|СООБЩЕН|ПОВІДОМЛ|履歴|歴史|谢|貢献|MITWIRK|CONTRIB|REMERC|AGRADEC|RINGRAZ"
    r"|PODZI|PODĚK|KIITOK|KÖSZÖN|БЛАГОДАР|ПОДЯК|TEŞEKK|OPPHAV|RETTIGHET|FEIL|KÄÄNNÖS|TERJEMAH|SIEHE AUCH|LITERATUR"
)


def pages() -> Iterator[tuple[str, list[str]]]:
    """The pages of the measured half by language."""
    folders = {"en": MAN} | {
        _CODES.get(one.name, one.name): one
        for one in sorted(MAN.glob("[a-z][a-z]*"))
        if one.is_dir()
    }
    for language, folder in folders.items():
        if re.fullmatch("[a-z]{2}", language) is None or not (folder / "man1").is_dir():
            continue
        files = sorted(
            folder.glob("man[1-8]/*"), key=lambda file: hashlib.sha256(file.name.encode()).digest()
        )
        found: list[str] = []
        for file in files:
            if len(found) < PAGES_MAX and not file.is_symlink() and is_measured(file.name):
                text = _page(file)
                found += [text[:PAGE_CHARS_MAX]] if len(text) >= PAGE_CHARS_MIN else []
        if found:
            yield language, found


def is_measured(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1


def _page(file: Path) -> str:
    command = ["mandoc", "-T", "utf8", "-O", "width=600", str(file)]
    made = subprocess.run(command, capture_output=True, timeout=60, check=False).stdout.decode(
        "utf-8", "replace"
    )
    kept, skips = [], False
    for line in re.sub(".\x08", "", made).splitlines()[1:-1]:
        if line and not line[0].isspace():
            skips = _PEOPLE.search(line) is not None
        if not skips and _OF_PEOPLE.search(line) is None:
            kept.append(line.strip())
    return "\n".join(kept)


def catalogues() -> Iterator[tuple[str, list[str]]]:
    """Messages of programs, by language; names of towns and countries are in catalogues that are
    left out.
    """
    for language in MESSAGES:
        found: list[str] = []
        for file in sorted((LOCALE / language / "LC_MESSAGES").glob("*.mo")):
            if file.stem.startswith("iso_") or "gweather" in file.stem:
                continue
            with file.open("rb") as opened:
                every = gettext.GNUTranslations(opened)._catalog.values()  # type: ignore[attr-defined]  # the only table
            texts = (one for one in every if isinstance(one, str) and "Last-Translator" not in one)
            found += [one for one in texts if len(one.split()) >= MESSAGE_WORDS_MIN]
        if found:
            yield language, found[:MESSAGES_MAX]


def technical(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Code, shell, SQL, logs, JSON, tables and maths, fenced or not as they lie there."""
    python = sorted(Path("/usr/lib/python3").rglob("*.py")) or sorted(
        Path(re.__file__).parents[1].glob("*.py")
    )
    shell = [
        one
        for one in sorted(Path("/usr/bin").iterdir())
        if one.is_file() and one.read_bytes()[:9] == b"#!/bin/sh"
    ]
    yield "code", [_read(file) for file in python if is_measured(file.name)][:60]
    yield "shell", [_read(file) for file in shell][:60]
    yield "SQL", [_read(file) for file in sorted((root / "src/licet/store").rglob("*.sql"))]
    yield (
        "logs",
        [_read(file) for file in sorted(Path("/var/log").glob("*.log")) if file.stat().st_size][
            :20
        ],
    )
    yield "JSON", [_read(file) for file in sorted((root / "src").rglob("*.json"))]
    yield "tables", [_read(root / "bench/RESULTS.md")]
    mixed = (root / "tests/curate/cases/nameless.txt").read_text("utf-8").splitlines()
    yield "lines of each kind, inline and unfenced", mixed


def _read(file: Path) -> str:
    """A file without the lines that name its authors."""
    lines = file.read_text("utf-8", "replace")[:PAGE_CHARS_MAX].split("\n")
    return "\n".join(line for line in lines if _OF_PEOPLE.search(line) is None)
