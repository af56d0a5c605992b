"""What is encoded or broken apart is found in plain, and cut from what was written."""

from __future__ import annotations

import base64
import html
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.curate import views
from licet.curate.deidentify import deidentify, detect

KEY = bytes(range(32))
VALUES = {
    "email": "zoe.miller@acme-corp.de",
    "iban": "DE89370400440532013000",
    "card": "4539578763621486",
    "ipv6": "2a02:8070:e1:4c00::1f",
    "home_unix": "/home/alice.jones/src",
    "token": "npm_" + "a1B2c3D4e5" * 3 + "f6G7h8",
}
WRITTEN = {
    "escapes of JSON": lambda v: "".join(f"\\u{ord(c):04x}" for c in v),
    "some escapes of JSON": lambda v: "".join(f"\\u{ord(c):04X}" if place % 2 else c for place, c in enumerate(v)),
    "entities of HTML": lambda v: "".join(f"&#{ord(c)};" for c in v),
    "entities in hexadecimal": lambda v: "".join(f"&#x{ord(c):x};" for c in v),
    "a part of a URL": lambda v: "".join(f"%{ord(c):02X}" for c in v),
    "a URL's own quoting": lambda v: quote(v, safe=""),
    "base64": lambda v: base64.b64encode(f"user {v} asked".encode()).decode(),
    "base64 of URLs": lambda v: base64.urlsafe_b64encode(f"user {v} asked".encode()).decode().rstrip("="),
    "hexadecimal": lambda v: f"user {v} asked".encode().hex(),
    "tag characters within": lambda v: "\U000e0041".join(v),
    "combining marks": lambda v: "".join(c + "\u0301" * c.isalnum() for c in v),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_a_value_is_found_and_gone_however_it_is_written(write, value: str) -> None:
    text = f'seen: "{write(value)}" and no more'
    once = deidentify([text], KEY).texts
    assert write(value) not in once[0]
    assert detect(once) == [[]]
    assert deidentify(once, KEY).texts == once


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("pay to DE89 3704 0044\n0532 0130 00 please", "0532 0130"),
        ("card 4539 5787\n  6362 1486.", "4539 5787"),
        ("write to z o e . m @ a c m e . d e today", "z o e"),
        ("key: \u0410KIA" + "QYLPMN5HHHFPGXYZ"[:16], "QYLPMN5HHHFPGXYZ"),
        ("cd /h\u043eme/alice.jones/src", "alice.jones"),
        ("&lt;zoe&#64;acme.de&gt;", "zoe"),
    ],
)
def test_a_value_that_is_broken_apart_or_has_letters_of_another_script_is_gone(text: str, gone: str) -> None:
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
    ],
)
def test_what_is_encoded_and_identifies_nobody_is_left(text: str) -> None:
    assert deidentify([text], KEY).texts == (text,)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="a1 @.\\u0041x&#;%4\n=еА", max_size=60))
def test_a_view_says_where_each_of_its_characters_was_written(text: str) -> None:
    for _, view in views.views([text]):
        assert len(view.text) == len(view.starts) == len(view.ends)
        assert all(0 <= start < end <= len(text) for start, end in zip(view.starts, view.ends, strict=True))
        assert list(view.starts) == sorted(view.starts)


def test_the_escapes_of_a_value_are_undone() -> None:
    assert views.plain(html.escape("<a@b>", quote=False) + "\\u0041%41") == "<a@b>AA"
