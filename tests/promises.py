"""The register of promises, docs/promises.csv: what is shown to people, and what holds each
sentence of it.

A row is `where,sentence,held_by`. `where` is a file of this repository or a pattern of such, behind
a # with the key of the sentence in the catalogue; `sentence` stands in it to the letter, blanks
aside. `held_by` is one of

    tests/web/test_x.py::test_y         the test that fails where the sentence is not so; several are parted by blanks
    none: label                         it promises nothing: the name of a thing, a heading, an answer, a button
    none: question                      .. it asks none: request                       .. it tells
    the reader what to do none: fault                         .. it says what is wrong with what was
    just sent none: world                         .. it tells how the world is, which no program of
    ours makes so none: operator                      only who runs the installation can keep it:
    docs/notices.md tells them open                                nothing holds it yet: a test
    counts these, and there may never be more of them

`shown` reads each sentence from the sources that must be in the register whole: the catalogue, the
templates, the notices, the components, the texts of receipts and cards, and the limits in
README.md. Of other documents the register holds what somebody put there.
What promises nothing by its form needs no row: a question, a heading, what has two words at most (a
place for a value counts as one), and what has no letters outside of such places.
"""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import jinja2.nodes

ROOT = Path(__file__).parent.parent
REGISTER = ROOT / "docs" / "promises.csv"
CATALOGUE = "src/licet/consent/languages/en.json"
NOTICES = "src/licet/consent/notices/*.md"
# the others are translations: tests/consent/test_languages.py
ENGLISH_NOTICES = "src/licet/consent/notices/*.en.md"
TEMPLATES = "src/licet/web/templates/*.html"
# Modules whose texts are read by people: what a receipt, a card or a page says outside of the
# catalogue.
TEXTS = (
    "src/licet/proof/receipt.py",
    "src/licet/release/card.py",
    "src/licet/release/review.py",
    "src/licet/proof/papers.py",
    "src/licet/misuse/card.py",
    "src/licet/train/cards.py",
)
OPEN = "open"
NOTHING = ("label", "question", "request", "fault", "world", "operator")
HEADINGS = {
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "th",
    "label",
    "legend",
    "button",
    "option",
    "dt",
    "title",
    "caption",
}
WORDS_OF_A_NAME = 2
_WORD = re.compile(r"[^\W\d_]{2}")
_PLACE = re.compile(r"\{[^{}]*\}")
_ENDS = re.compile(r"(?<=[.!?])\s+(?=[\"“*`({]*[A-Z{])")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the register; ``line`` is where it stands."""

    where: str
    sentence: str
    held_by: str
    line: int

    @property
    def tests(self) -> list[str]:
        return (
            [] if self.held_by.startswith("none:") or self.held_by == OPEN else self.held_by.split()
        )

    def covers(self, shown: Shown) -> bool:
        files, _, keys = self.where.partition("#")
        return Path(shown.file).match(files) and fnmatchcase(shown.key, keys)


@dataclass(frozen=True, slots=True)
class Shown:
    """A sentence of a source that must be in the register."""

    file: str
    sentence: str
    key: str = ""

    @property
    def row(self) -> str:
        """The row that it lacks, to be completed."""
        quoted = self.sentence.replace('"', '""')
        return f'{self.where},"{quoted}",tests/..::test_..'

    @property
    def where(self) -> str:
        if Path(self.file).match(NOTICES):
            return NOTICES
        return f"{self.file}#{self.key}" if self.key else self.file


def rows(register: Path = REGISTER) -> list[Row]:
    with register.open(encoding="utf-8", newline="") as file:
        read = csv.reader(file)
        assert next(read) == ["where", "sentence", "held_by"], "its head is where,sentence,held_by"
        return [Row(*row, line=read.line_num) for row in read]


def plain(text: str) -> str:
    """``text`` with one blank for any, and without what only marks up."""
    return " ".join(text.replace("**", "").split())


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, without those that promise nothing by their form."""
    for sentence in _ENDS.split(plain(text)):
        if (
            len(sentence.split()) > WORDS_OF_A_NAME
            and _WORD.search(_PLACE.sub("", sentence))
            and not sentence.endswith("?")
        ):
            yield sentence.strip()


def shown() -> list[Shown]:
    """Every sentence that must be in the register, once a file."""
    found = [*_catalogue(), *_notices(), *_templates(), *_texts(), *_limits()]
    return list(dict.fromkeys(found))


def _catalogue() -> Iterator[Shown]:
    for key, text in json.loads((ROOT / CATALOGUE).read_text(encoding="utf-8")).items():
        yield from (Shown(CATALOGUE, sentence, key) for sentence in sentences(text))


def _notices() -> Iterator[Shown]:
    for file in files(ENGLISH_NOTICES):
        _, front, body = (ROOT / file).read_text(encoding="utf-8").split("---\n", 2)
        values = [
            line.partition(": ")[2]
            for line in front.splitlines()
            if not re.match(r"policy|version|lang|vari", line)
        ]
        blocks = [
            re.sub(r"^- ", "", b)
            for b in re.split(r"\n(?=- )|\n\n", body)
            if not b.strip().startswith("#")
        ]
        yield from (
            Shown(file, sentence) for text in (*values, *blocks) for sentence in sentences(text)
        )


def _templates() -> Iterator[Shown]:
    for file in files(TEMPLATES):
        yield from (
            Shown(file, s)
            for text in template_texts((ROOT / file).read_text("utf-8"))
            for s in sentences(text)
        )


class _Words(HTMLParser):
    """The texts of markup that are no headings, a paragraph each, with its places as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._now: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in INLINE:
            self.end()
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in INLINE:
            self.end()
            if tag in self._within:
                del self._within[self._within.index(tag) :]

    def handle_data(self, data: str) -> None:
        self._now.append(data)

    def end(self) -> None:
        text = " ".join("".join(self._now).split())
        if text and not HEADINGS & set(self._within):
            self.texts.append(text)
        self._now = []


INLINE = {"b", "strong", "em", "code", "span", "small", "a"}
VOID = {"input", "meta", "link", "path", "br"}
_TAG = re.compile(r"<(/?[a-z0-9]+|!doctype)\b[^>]*>")


def template_texts(source: str) -> list[str]:
    """What a template says itself: the text of its markup, `{}` for each value, and literals of
    three words or more.

    The branches of a condition stand one behind the other, so that none is passed over.
    """
    tree = jinja2.Environment(autoescape=True).parse(source)
    literals = [
        node.value
        for node in tree.find_all(jinja2.nodes.Const)
        if isinstance(node.value, str) and len(node.value.split()) >= 3 and "<" not in node.value
    ]
    markup = re.sub(r"\{#.*?#\}", "", source, flags=re.DOTALL)
    markup = re.sub(
        r"\{%.*?%\}", " ", re.sub(r"\{\{.*?\}\}", "{}", markup, flags=re.DOTALL), flags=re.DOTALL
    )
    words = _Words()
    words.feed(_TAG.sub(lambda tag: f"<{tag[1]}>" if tag[1] not in VOID else "", markup))
    words.end()
    return [*words.texts, *literals]


def _texts() -> Iterator[Shown]:
    for file in TEXTS:
        yield from (
            Shown(file, s)
            for text in module_texts((ROOT / file).read_text("utf-8"))
            for s in sentences(text)
        )


def module_texts(source: str) -> Iterator[str]:
    """The literals of a module that speak: with the end of a sentence in them, no docstring and no
    error's.
    """
    tree = ast.parse(source)
    silent = {id(node) for top in ast.walk(tree) for node in _silent(top)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in silent:
            text = "".join(p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)  # type: ignore[misc]  # a constant in an f-string is a text
            silent |= {id(part) for part in ast.walk(node)}
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            text = node.value
        else:
            continue
        text = re.sub(r"<style>.*?</style>|</?code>", "", text, flags=re.DOTALL)
        for block in re.split(r"\n\s*\n|\n(?=[-|#])|<[^>]+>", text):
            said = plain(re.sub(r"^- ", "", block.strip()))
            if (
                re.search(r"\w{2}.*[.:]$", said)
                and len(said.split()) > 3
                and not said.startswith(("#", "|", "```"))
            ):
                yield said


def _silent(node: ast.AST) -> Iterator[ast.AST]:
    """What stands below a node and is no text of a page: docstrings, what is raised, SQL."""
    if isinstance(node, ast.Raise):
        yield from ast.walk(node)
    if (
        isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and ast.get_docstring(node) is not None
    ):
        yield from ast.walk(node.body[0])
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "execute"
    ):
        yield from ast.walk(node)


def _limits() -> Iterator[Shown]:
    text = (
        (ROOT / "README.md")
        .read_text("utf-8")
        .partition("## Limits, said plainly\n")[2]
        .partition("\nApache-2.0")[0]
    )
    for block in re.split(r"\n(?=- )", text):
        yield from (
            Shown("README.md", sentence) for sentence in sentences(re.sub(r"^\s*- ", "", block))
        )


def files(pattern: str) -> list[str]:
    """The files that a pattern names."""
    return sorted(
        path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern) if path.is_file()
    )


@cache
def every() -> tuple[Shown, ...]:
    """`shown`, read once."""
    return tuple(shown())


@cache
def says(file: str) -> str:
    """The whole text of a file, to look for a sentence in; pieces of one string are joined."""
    text = (ROOT / file).read_text("utf-8")
    return plain(re.sub(r'"\n\s*[fr]?"', "", text) if file.endswith(".py") else text)


@cache
def tests_of(file: str) -> frozenset[str]:
    """The names of the tests in a file, those of classes by `Class::test`."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text("utf-8"))
    found = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    for one in tree.body:
        if isinstance(one, ast.ClassDef):
            inside = (
                n.name for n in one.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
            )
            found |= {f"{one.name}::{name}" for name in inside}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))
