"""What is encoded or broken apart is found in plain, and cut from what was written."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from itertools import product
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.curate import views
from licet.curate.deidentify import deidentify, detect

KEY = bytes(range(32))
VALUES = {
    "email": "zoe.miller@acme-corp.de",
    "phone": "+49 30 901820 17",
    "iban": "DE89370400440532013000",
    "card": "4539578763621486",
    "ssn": "536-22-8726",
    "ipv4": "81.2.69.142",
    "ipv6": "2a02:8070:e1:4c00::1f",
    "mac": "3c:22:fb:9a:01:7e",
    "home_unix": "/home/alice.jones/src",
    "aws": "AKIAQ3EGTN5ZPLKD7W2B",
    "token": "npm_" + "a1B2c3D4e5" * 3 + "f6G7h8",
    "door": "postgres://mara:Tr0ub4dor-x9@db.kontor.se/main",
}
LETTER = (
    "this is a long letter in which somebody says that it is {} and then goes on about the "
    "weather and much else"
)
NAMED = {"@": "&commat;", ".": "&period;", "/": "&sol;", "_": "&lowbar;", ":": "&colon;"}


def each(shape: str) -> Callable[[str], str]:
    """Every character in an escape of this shape."""
    return lambda value: "".join(shape.format(ord(c)) for c in value)


def said(value: str) -> str:
    return f"user {value} asked"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def lines(text: str, width: int, end: str = "\n") -> str:
    return end.join(text[at : at + width] for at in range(0, len(text), width))


def shifted(value: str, upper: int, lower: int, digit: int) -> str:
    """Letters and digits of another block of Unicode."""
    return "".join(
        chr(ord(c) + (upper - 65 if c.isupper() else lower - 97 if c.islower() else digit - 48))
        if c.isalnum()
        else c
        for c in value
    )


WRITTEN = {
    "escapes of JSON": each("\\u{:04x}"),
    "some escapes of JSON": lambda v: "".join(
        f"\\u{ord(c):04X}" if at % 2 else c for at, c in enumerate(v)
    ),
    "long escapes": each("\\U{:08x}"),
    "escapes of bytes": each("\\x{:02x}"),
    "entities of HTML": each("&#{};"),
    "entities in hexadecimal": each("&#x{:x};"),
    "entities by name": lambda v: "".join(NAMED.get(c, f"&#{ord(c)};") for c in v),
    "entities, twice": lambda v: html.escape(each("&#{};")(v)),
    "a part of a URL": each("%{:02X}"),
    "a URL's own quoting": lambda v: quote(v, safe=""),
    "a URL's quoting, twice": lambda v: quote(each("%{:02x}")(v)),
    "a URL in JSON in JSON": lambda v: json.dumps(
        json.dumps({"u": "https://x.org/?q=" + each("%{:02x}")(v)})
    ),
    "quoted-printable": each("={:02X}"),
    "a header of mail": lambda v: (
        "=?utf-8?Q?" + "".join(c if c.isalnum() else f"={ord(c):02X}" for c in v) + "?="
    ),
    "base64": lambda v: b64(said(v)),
    "base64 of it alone": b64,
    "base64, twice": lambda v: b64(b64(said(v))),
    "base64 of JSON with escapes": lambda v: b64(json.dumps({"v": each("\\u{:04x}")(v)})),
    "base64 of URLs": lambda v: (
        base64.urlsafe_b64encode(f"user? {v} ~~ asked ??>".encode()).decode().rstrip("=")
    ),
    "base64, quoted for a URL": lambda v: quote(b64(f"user {v} asked!"), safe=""),
    "base64 in lines of 76": lambda v: lines(b64(LETTER.format(v)), 76),
    "base64 in lines of mail": lambda v: lines(b64(LETTER.format(v)), 64, "\r\n"),
    "base64 of UTF-16": lambda v: base64.b64encode(said(v).encode("utf-16-le")).decode(),
    "base64 in a header of mail": lambda v: f"=?utf-8?B?{b64(v)}?=",
    "a data URL": lambda v: "data:text/plain;base64," + b64(said(v)),
    "base64 in a path": lambda v: f"https://x.org/download/{b64(said(v))}/view",
    "base32": lambda v: base64.b32encode(said(v).encode()).decode(),
    "hexadecimal": lambda v: said(v).encode().hex(),
    "hexadecimal behind 0x": lambda v: "0x" + said(v).encode().hex(),
    "hexadecimal with colons": lambda v: said(v).encode().hex(":"),
    "hexadecimal with blanks": lambda v: said(v).encode().hex(" "),
    "hexadecimal as a list": lambda v: ", ".join(f"0x{c:02x}" for c in said(v).encode()),
    "a dump": lambda v: said(v).encode().hex(" ", 2),
    "numbers of characters": lambda v: str(list(said(v).encode())),
    "tag characters within": lambda v: "\U000e0041".join(v),
    "tag characters alone": lambda v: "".join(chr(0xE0000 + ord(c)) for c in v),
    "combining marks": lambda v: "".join(c + "\u0301" * c.isalnum() for c in v),
    "characters of no width": lambda v: "\u200b".join(v),
    "soft hyphens": lambda v: "\xad".join(v),
    "marks of direction": lambda v: "\u202e\u2066" + "\u2069".join(v),
    "selectors of variants": lambda v: "\ufe0f".join(v),
    "wide letters": lambda v: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in v),
    "bold letters of mathematics": lambda v: shifted(v, 0x1D400, 0x1D41A, 0x1D7CE),
    "Arabic digits": lambda v: shifted(v, 65, 97, 0x660),
    "Cyrillic letters": lambda v: v.translate(str.maketrans("aeopcA", "аеорсА")),
    "escapes of Markdown": lambda v: re.sub(r"([_.@-])", r"\\\1", v),
    "bold within": lambda v: f"{v[:3]}**{v[3:8]}**{v[8:]}",
    "HTML within": lambda v: f"{v[: len(v) // 2]}<b>{v[len(v) // 2 :]}</b>",
    "JSON in JSON in JSON": lambda v: json.dumps(json.dumps(json.dumps({"v": v}))),
}
STANDS = {
    "prose": lambda w: f"Please note: {w} is mine, thanks.",
    "JSON": lambda w: json.dumps({"seen": w}),
    "code": lambda w: f'x = "{w}"  # here\n',
    "a URL": lambda w: f"https://x.org/a?b={w}&c=1",
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_is_found_and_gone_however_it_is_written(
    write: Callable[[str], str], value: str
) -> None:
    written = write(value)
    for place, stand in STANDS.items():
        if written != value and not (place == "a URL" and "\n" in written):
            text = stand(written)
            once = deidentify([text], KEY).texts
            assert written not in once[0] and once[0] != text, place
            assert detect(once) == [[]]
            assert deidentify(once, KEY).texts == once


@pytest.mark.parametrize(
    "value", ["81.2.69.142", "zoe.miller@acme.de", "+49 30 901820 17", "4539578763621486"]
)
def test_a_value_with_blanks_between_its_letters_is_gone(value: str) -> None:
    once = deidentify([f"it is {' '.join(value)} today"], KEY).texts
    assert " ".join(value) not in once[0] and deidentify(once, KEY).texts == once


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("pay to DE89 3704 0044\n0532 0130 00 please", "0532 0130"),
        ("card 4539 5787\n  6362 1486.", "4539 5787"),
        ("write to z o e . m @ a c m e . d e today", "z o e"),
        ("key: \u0410KIA" + "QYLPMN5HHHFPGXYZ"[:16], "QYLPMN5HHHFPGXYZ"),
        ("cd /h\u043eme/alice.jones/src", "alice.jones"),
        ("&lt;zoe&#64;acme.de&gt;", "zoe"),
        ("call +49 30\n90182 017 now", "90182"),
        ("to DE8937040044\n0532013000.", "0532013000"),
        ("write to zoe@\nacme.de", "acme.de"),
    ],
)
def test_a_value_that_is_broken_apart_or_has_letters_of_another_script_is_gone(
    text: str, gone: str
) -> None:
    once = deidentify([text], KEY).texts
    assert gone not in once[0]
    assert deidentify(once, KEY).texts == once


@pytest.mark.parametrize(
    "text",
    [
        "Привет, это обычный текст с числом 42 и A1-кодом",
        "a b c d e f g h i j k l m n o p",
        "1111\n2222\n3333\n4444",
        "https://example.com/path%20with%20blanks?q=caf%C3%A9",
        "&nbsp;&amp;&lt;b&gt; \\u00e9t\\u00e9 \\x41",
        base64.b64encode(b"the quick brown fox jumps over the lazy dog").decode(),
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "x = 2**32 + a**b and <b>bold</b> and **is** it",
        "offset=20&id=40ab&size=3F took 1024\n2048\n4096",
        "12, 34, 56, 78, 90, 12, 34, 56, 78, 90",
        "[104, 101, 108, 108, 111, 32, 119, 111, 114, 108, 100]",
        "00000000  7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00",
    ],
)
def test_what_is_encoded_and_identifies_nobody_is_left(text: str) -> None:
    assert deidentify([text], KEY).texts == (text,)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="a1 @.\\u0041x&#;%4\n=еА", max_size=60))
def test_a_view_says_where_each_of_its_characters_was_written(text: str) -> None:
    for view in views.views(text, views.find_hidden(text.encode("utf-8", "replace"))):
        assert len(view.text) == len(view.starts) == len(view.ends)
        assert all(
            0 <= start < end <= len(text) for start, end in zip(view.starts, view.ends, strict=True)
        )
        assert list(view.starts) == sorted(view.starts)


def test_the_escapes_of_a_value_are_undone() -> None:
    assert views.plain(html.escape("<a@b>", quote=False) + "\\u0041%41") == "<a@b>AA"


def test_a_run_of_small_letters_alone_stands_for_no_value_in_base64() -> None:
    """What `views` passes over: wherever an `@`, a `=` or three digits stand, a capital letter or a
    digit comes out.
    """
    small = set("abcdefghijklmnopqrstuvwxyz_-")
    values = [b"@", b"=", *(f"{number:03}".encode() for number in range(1_000))]
    for value, before, beside in product(values, range(3), range(0x20, 0x7F, 3)):
        data = b"j" * before + value + bytes([beside])
        written = base64.urlsafe_b64encode(data + b"j" * (-len(data) % 3)).decode()
        own = written[before * 8 // 6 : ((before + len(value)) * 8 - 1) // 6 + 1]
        assert not set(own) <= small, (value, before, beside)
