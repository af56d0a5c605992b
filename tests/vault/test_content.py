"""The envelope of content: its bytes are pinned, what is no envelope does not decode, and odd text
is refused.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from licet.errors import BrokenError, UsageError
from licet.vault.content import Content, ToolCall, decode, dictionary, encode

# Version 1, as written once and for all: b"\\x01", then a zstd frame of {"text": "hello", "model":
# "m"} in MessagePack.
PINNED = bytes.fromhex("01") + zstandard.ZstdCompressor(level=3).compress(
    bytes.fromhex("82a474657874a568656c6c6fa56d6f64656ca16d")
)
# Version 2: the same in a frame with the dictionary of that version.
PINNED_V2 = bytes.fromhex("0228b52ffd2014a1000082a474657874a568656c6c6fa56d6f64656ca16d")
DICTIONARY = "b84578d6558a95e05b0631fcada933894f015c0d02c7f4b0394bb8d5004fec57"
texts = st.text(st.characters(exclude_categories=["Cs"]))
calls = st.builds(ToolCall, id=texts, name=texts, arguments=texts)
contents = st.builds(
    Content,
    text=texts,
    tool_calls=st.lists(calls, max_size=3).map(tuple),
    tool_call_id=texts,
    tool_name=texts,
    thread=texts,
    attachments=st.lists(texts, max_size=3).map(tuple),
    model=texts,
    folder=texts,
    branch=texts,
)


@given(contents)
def test_what_is_encoded_decodes_to_itself(content: Content) -> None:
    assert decode(encode(content)) == content


def test_the_bytes_of_each_version_are_pinned() -> None:
    assert decode(PINNED) == decode(PINNED_V2) == Content(text="hello", model="m")
    assert sha256(dictionary().as_bytes()).hexdigest() == DICTIONARY
    packed = zstandard.ZstdDecompressor(dict_data=dictionary()).decompress(
        encode(Content(text="hello", model="m"))[1:]
    )
    assert packed.hex() == "82a474657874a568656c6c6fa56d6f64656ca16d"
    assert encode(Content())[:1] == b"\x02"


def test_a_turn_takes_less_with_the_dictionary_than_without() -> None:
    said = Content(
        text="Could you explain to me how to write a function that reads a file line by line?"
    )
    assert len(encode(said)) < 0.8 * len(
        zstandard.ZstdCompressor(level=3).compress(msgspec.msgpack.encode(said))
    )


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"\x00" + PINNED[1:],
        b"\x03" + PINNED[1:],
        PINNED_V2[:-3],
        PINNED[:-3],
        PINNED[:1],
        b"\x01" + b"hello",
        b"\x01" + zstandard.compress(b"\xc1"),
        b"\x01" + zstandard.compress(b"\x81\xa4text\x01"),
    ],
)
def test_what_is_no_envelope_does_not_decode(envelope: bytes) -> None:
    with pytest.raises(BrokenError):
        decode(envelope)


def test_half_a_surrogate_pair_is_refused_without_quoting_the_text() -> None:
    with pytest.raises(UsageError) as caught:
        encode(Content(text="a secret \ud83d"))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
