"""Other readings of a text, in which what is encoded or broken apart stands in plain, each with a map back.

A view is made only of a text that has what it undoes; most have none. What the rules find in a view is cut from the
text as it was written: the places of a view's characters say where each came from.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from html import unescape

import msgspec
import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed

from licet.curate.rules import IdentifierKind

ENCODED_CHARACTERS_MAX = 100_000  # of one run of base64 or hexadecimal
ENCODED_BYTES_MIN = 12
PRINTABLE_MIN = 0.95
CHECKED = (IdentifierKind.IBAN, IdentifierKind.CARD, IdentifierKind.SECRET)


class View(msgspec.Struct, frozen=True):
    """A reading of a text. ``starts`` and ``ends``: where each character of ``text`` stands in what was written.

    ``kinds``: what may be found in it, anything where it is empty.
    """

    text: str
    starts: list[int]
    ends: list[int]
    kinds: tuple[IdentifierKind, ...] = ()

    def written(self, start: int, end: int) -> tuple[int, int]:
        """The characters, as written, of those from ``start`` to ``end`` of the view."""
        return self.starts[start], self.ends[end - 1]


class EncodedRun(msgspec.Struct, frozen=True):
    """A run of base64 or hexadecimal that is text once it is decoded."""

    start: int
    end: int
    text: str


_ESCAPE = re2.compile(
    r"\\+u(?:(?P<u>[0-9A-Fa-f]{4})|\{(?P<long>[0-9A-Fa-f]{1,6})\})|\\+x(?P<x>[0-9A-Fa-f]{2})|(?P<html>&(?:#[0-9]{2,7}|#[xX][0-9A-Fa-f]{2,6}|[A-Za-z]{2,8});)"
    r"|(?P<url>(?:%[0-9A-Fa-f]{2})+)"
)
_MIXED = re2.compile(r"[A-Za-z0-9/_\-][\p{Cyrillic}\p{Greek}]|[\p{Cyrillic}\p{Greek}][A-Za-z0-9/_\-]")
_MIXED_TOKEN = re2.compile(r"[\p{Cyrillic}\p{Greek}A-Za-z0-9/_\-.@]{6,}")
_SPACED = re2.compile(r"(?:^|[^\w])((?:[\w@.+\-] ){7,}[\w@.+\-])(?:$|[^\w])")
_BROKEN = re2.compile(r"[0-9A-Z][ \-]?\r?\n[ \t]{0,4}[0-9A-Z]{2,4}(?:$|[^\w])")
_BREAK = re2.compile(r"([0-9A-Z])[ \-]?\r?\n[ \t]{0,4}([0-9A-Z]{2,4})")
_RUN = re2.compile(r"(?:[A-Za-z0-9+/]{20,}|[A-Za-z0-9_\-]{20,})={0,2}")
_HEX = re2.compile(r"(?:[0-9a-fA-F]{2})+")

_TELLING = frozenset("@.-_+:/ ")  # beside letters and digits

# Unicode's confusables, the letters that look like one of Latin in the usual faces.
_CONFUSABLES = str.maketrans(
    "АВЕКМНОРСТУХаеорсухіјѕԁԛԝһΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανρ", "ABEKMHOPCTYXaeopcyxijsdqwhABEZHIKMNOPTYXoavp"
)  # fmt: skip


def views(texts: Sequence[str]) -> Iterator[tuple[int, View]]:
    """The readings of the texts of a conversation that differ from them, each with the number of its text.

    What undoes something is asked of all texts at once first: most conversations have none of it.
    """
    joined = "\n".join(texts)
    for pattern, made in _MAKERS:
        if pattern.search(joined) is not None:
            for number, text in enumerate(texts):
                if pattern.search(text) is not None and (view := made(text)) is not None:
                    yield number, view


def encoded(texts: Sequence[str]) -> Iterator[tuple[int, EncodedRun]]:
    """The runs of base64 and hexadecimal in the texts that decode to text, each with the number of its text."""
    if _RUN.search("\n".join(texts)) is None:
        return
    for number, text in enumerate(texts):
        for match in _RUN.finditer(text):
            run = match.group()
            if len(run) > ENCODED_CHARACTERS_MAX:
                continue
            plain = (_HEX.fullmatch(run) is not None and _text(_from_hex(run))) or _text(_from_base64(run))
            if plain:
                yield number, EncodedRun(match.start(), match.end(), plain)


def plain(value: str) -> str:
    """A value with its escapes undone and its look-alikes as Latin letters."""
    if (view := _unescaped(value)) is not None:
        value = view.text
    return value.translate(_CONFUSABLES) if _MIXED.search(value) is not None else value


def _unescaped(text: str) -> View | None:
    """The text with its escapes undone; None where none of them stands for what an identifier or its name is made of."""
    found = [(match.start(), pieces) for match in _ESCAPE.finditer(text) if (pieces := list(_meanings(match)))]
    if not any(out.isalnum() or out in _TELLING for _, pieces in found for out, _ in pieces):
        return None
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    last = 0
    for start, pieces in found:
        chars.extend(text[last:start])
        starts.extend(range(last, start))
        ends.extend(range(last + 1, start + 1))
        for out, width in pieces:
            chars.append(out)
            starts.append(start)
            ends.append(start := start + width)
        last = start
    chars.extend(text[last:])
    starts.extend(range(last, len(text)))
    ends.extend(range(last + 1, len(text) + 1))
    return View("".join(chars), starts, ends)


def _meanings(match: re2._Match) -> Iterator[tuple[str, int]]:
    """The characters that an escape stands for, each with how many characters it is written in."""
    whole = match.end() - match.start()
    if point := match["u"] or match["long"] or match["x"]:
        number = int(point, 16)
        if 0x20 <= number < 0xD800 or 0xE000 <= number <= 0x10FFFF:
            yield chr(number), whole
    elif html := match["html"]:
        out = unescape(html)
        if out != html and len(out) == 1:
            yield out, whole
    elif url := match["url"]:
        try:
            out = bytes.fromhex(url.replace("%", "")).decode()
        except UnicodeDecodeError:
            return
        for char in out:
            yield char, 3 * len(char.encode())


def _confused(text: str) -> View:
    out = _MIXED_TOKEN.sub(lambda m: m.group().translate(_CONFUSABLES) if _MIXED.search(m.group()) else m.group(), text)
    places = list(range(len(text)))
    return View(out, places, [place + 1 for place in places])


def _spaced(text: str) -> View:
    runs = (match.span(1) for match in _SPACED.finditer(text))
    return _without(text, [place for start, end in runs for place in range(start, end) if text[place] == " "])


def _broken(text: str) -> View:
    joined = _without(text, [p for m in _BREAK.finditer(text) for p in range(m.end(1), m.start(2))])
    return msgspec.structs.replace(joined, kinds=CHECKED)  # columns of numbers are many, and few of them check


def _without(text: str, places: list[int]) -> View:
    gone = set(places)
    left = [place for place in range(len(text)) if place not in gone]
    return View("".join(text[place] for place in left), left, [place + 1 for place in left])


def _from_hex(run: str) -> bytes:
    return bytes.fromhex(run)


def _from_base64(run: str) -> bytes:
    bare = run.rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1:
        return b""
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return b""


def _text(data: bytes) -> str:
    """The text that bytes are, if they are one."""
    if len(data) < ENCODED_BYTES_MIN:
        return ""
    try:
        out = data.decode()
    except UnicodeDecodeError:
        return ""
    return out if sum(c.isprintable() or c in "\r\n\t" for c in out) >= PRINTABLE_MIN * len(out) else ""


_MAKERS: tuple[tuple[re2._Regexp, Callable[[str], View | None]], ...] = (
    (_ESCAPE, _unescaped), (_MIXED, _confused), (_SPACED, _spaced), (_BROKEN, _broken),
)  # fmt: skip
