"""The envelope of content: its bytes are pinned, what is no envelope does not decode, and odd text is refused."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from licet.errors import BrokenError, UsageError
from licet.vault.content import Content, ToolCall, decode, encode

# Version 1, as written once and for all: b"\\x01", then a zstd frame of {"text": "hello", "model": "m"} in MessagePack.
PINNED = bytes.fromhex("01") + zstandard.ZstdCompressor(level=3).compress(
    bytes.fromhex("82a474657874a568656c6c6fa56d6f64656ca16d")
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
calls = st.builds(ToolCall, id=texts, name=texts, arguments=texts)
contents = st.builds(
    Content, text=texts, tool_calls=st.lists(calls, max_size=3).map(tuple), tool_call_id=texts, tool_name=texts,
    thread=texts, attachments=st.lists(texts, max_size=3).map(tuple), model=texts, folder=texts, branch=texts,
)  # fmt: skip


@given(contents)
def test_what_is_encoded_decodes_to_itself(content: Content) -> None:
    assert decode(encode(content)) == content


def test_the_bytes_of_version_one_are_pinned() -> None:
    assert decode(PINNED) == Content(text="hello", model="m")
    packed = zstandard.ZstdDecompressor().decompress(encode(Content(text="hello", model="m"))[1:])
    assert packed.hex() == "82a474657874a568656c6c6fa56d6f64656ca16d"
    assert encode(Content())[:1] == b"\x01"


@pytest.mark.parametrize(
    "envelope",
    [b"", b"\x00" + PINNED[1:], b"\x02" + PINNED[1:], PINNED[:-3], PINNED[:1], b"\x01" + b"hello",
     b"\x01" + zstandard.compress(b"\xc1"), b"\x01" + zstandard.compress(b"\x81\xa4text\x01")],
)  # fmt: skip
def test_what_is_no_envelope_does_not_decode(envelope: bytes) -> None:
    with pytest.raises(BrokenError):
        decode(envelope)


def test_half_a_surrogate_pair_is_refused_without_quoting_the_text() -> None:
    with pytest.raises(UsageError) as caught:
        encode(Content(text="a secret \ud83d"))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
