"""Texts with labelled names, for training and measuring.

Promise: a labelled text's spans slice to what is labelled. CoNLL: one token and its IOB label a
line, a tab between, an empty line after each text (WNUT17, Derczynski et al. 2017). Marked text: a
text a line, `[[` and `]]` around a person, `{{` and `}}` around an address, `\\n` for a line end;
`== xx` opens the texts of language xx.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from licet.curate.rules import IdentifierKind
from licet.errors import InputError

CONLL_BYTES_MAX = 64 << 20
_LABELS = {
    "person": IdentifierKind.PERSON,
    "location": IdentifierKind.PLACE,
    "group": IdentifierKind.ORGANISATION,
    "corporation": IdentifierKind.ORGANISATION,
    "per": IdentifierKind.PERSON,
    "loc": IdentifierKind.PLACE,
    "gpe": IdentifierKind.PLACE,
    "org": IdentifierKind.ORGANISATION,
    "address": IdentifierKind.ADDRESS,
}
_NO_KIND = {"creative-work", "product", "misc"}


class LabelledText(msgspec.Struct, frozen=True):
    """A text, and its labelled spans in characters, with their kind."""

    text: str
    spans: tuple[tuple[int, int, IdentifierKind], ...]

    def __repr__(self) -> str:
        return f"Labelled(<{len(self.text)} characters>, {len(self.spans)} spans)"


def read_conll(path: Path) -> list[LabelledText]:
    """The texts of a file, tokens joined by blanks; InputError for a malformed line or unknown
    label.
    """
    if path.stat().st_size > CONLL_BYTES_MAX:
        raise InputError(f"more than `{CONLL_BYTES_MAX}` bytes", file=str(path))
    out: list[LabelledText] = []
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate((*path.read_text("utf-8", "replace").splitlines(), ""), start=1):
        if line.strip():
            token, tab, label = line.partition("\t")
            label = label.split("\t")[0].strip()
            if not tab or not _known(label):
                raise InputError(
                    "not a token, a tab and a label known here", file=str(path), line=number
                )
            pairs.append((token, label))
        elif pairs:
            out.append(_joined(pairs))
            pairs = []
    return out


_MARKED = re.compile(r"\[\[(.+?)\]\]|\{\{(.+?)\}\}", re.DOTALL)


def read_marked(path: Path) -> dict[str, list[LabelledText]]:
    """The marked texts of a file by language; `und` before the first heading. InputError for a
    heading without a language.
    """
    out: dict[str, list[LabelledText]] = {}
    language = "und"
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if line.startswith("== "):
            language = line[3:].strip()
            if not language.isascii() or not language.isalpha():
                raise InputError("names no language", "as in `== en`", file=str(path), line=number)
        elif line and line[0] != "#":
            out.setdefault(language, []).append(parse_marked(line.replace("\\n", "\n")))
    return out


def parse_marked(line: str) -> LabelledText:
    """Parses a marked text."""
    text, spans, last = "", [], 0
    for mark in _MARKED.finditer(line):
        text += line[last : mark.start()]
        kind = IdentifierKind.PERSON if mark[1] else IdentifierKind.ADDRESS
        value = mark[1] or mark[2]
        spans.append((len(text), len(text) + len(value), kind))
        text, last = text + value, mark.end()
    return LabelledText(text + line[last:], tuple(spans))


def _known(label: str) -> bool:
    name = label.split(",")[0][2:].lower()
    return label == "O" or (label[:2] in ("B-", "I-") and (name in _LABELS or name in _NO_KIND))


def _joined(pairs: Sequence[tuple[str, str]]) -> LabelledText:
    spans: list[tuple[int, int, IdentifierKind]] = []
    place = 0
    for token, label in pairs:
        kind = _LABELS.get(label.split(",")[0][2:].lower())
        if kind is not None:
            if (
                label.startswith("I-")
                and spans
                and spans[-1][2] is kind
                and spans[-1][1] == place - 1
            ):
                spans[-1] = (spans[-1][0], place + len(token), kind)
            else:
                spans.append((place, place + len(token), kind))
        place += len(token) + 1
    return LabelledText(" ".join(token for token, _ in pairs), tuple(spans))
