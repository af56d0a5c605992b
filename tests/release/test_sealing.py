"""What a row's bytes are, that they never change their meaning, and that only all of its keys open
it.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from licet.errors import BrokenError, DeniedError
from licet.policy.state import ConversationKind, TurnRole
from licet.release import row_keys, rows
from licet.release.row_keys import RowKeys, open_labels, open_row, row_key, seal_row
from licet.release.rows import (
    CalledFunction,
    Labels,
    Payload,
    Quality,
    ReleaseRow,
    RowCall,
    RowMessage,
    derive_row_id,
)

from .world import PLANTED, RELEASE_ID, UNTIL, key_of, keyed, row_of, source_keys

ROW = ReleaseRow(
    row_id=bytes(range(16, 32)),
    ordinal=3,
    until=UNTIL,
    messages=(
        RowMessage(role=TurnRole.user, content="Wie spät ist es?"),
        RowMessage(
            role=TurnRole.assistant,
            content="",
            tool_calls=(RowCall(id="c1", function=CalledFunction(name="clock", arguments="{}")),),
        ),
        RowMessage(role=TurnRole.tool, content="12:00", tool_call_id="c1", name="clock"),
        RowMessage(role=TurnRole.assistant, content="Zwölf."),
    ),
    kind=ConversationKind.code,
    sources=2,
)
PACKED = bytes.fromhex(
    "83a46b696e64a4636f6465a86d657373616765739482a4726f6c65a475736572a7636f6e74656e74b1576965207370c3"
    "a474206973742065733f83a4726f6c65a9617373697374616e74a7636f6e74656e74a0aa746f6f6c5f63616c6c739183"
    "a26964a26331a474797065a866756e6374696f6ea866756e6374696f6e82a46e616d65a5636c6f636ba9617267756d65"
    "6e7473a27b7d84a4726f6c65a4746f6f6ca7636f6e74656e74a531323a3030ac746f6f6c5f63616c6c5f6964a26331a4"
    "6e616d65a5636c6f636b82a4726f6c65a9617373697374616e74a7636f6e74656e74a75a77c3b66c662ea7736f757263"
    "657302"
)
PLAINTEXT = bytes.fromhex(
    "0628b52ffd20f3ed0500f40983a46b696e64a4636f6465a86d657373616765739482a4726f6c65a475736572a7636f6e"
    "74656e74b1576965207370c3a474206973742065733f83a9617373697374616e74a0aa746f6f6c5f63616c6c739183a2"
    "6964a26331a474797065a866756e6374696f6e82a46e616d65a5636c6f636ba9617267756d656e7473a27b7d84a4746f"
    "6f6ca531323a3030ac5fa75a77c3b66c662ea7736f7572636573020a0013f380b301446ce062dc2f8ad182b45fb8432c"
    "8534457dd1a5a0"
)
PLAINTEXT_LEVEL_3 = bytes.fromhex(
    "0628b52ffd20f36d0500b2c9222690b53a0fe61d199b26b61f52488db3ff3fca2497242d22249b129197fc12e07d824a"
    "6682180183d68491db2234af205324ac6520490c05a57a478341b5af42d1810d7b925f560ab57d69d9796e6c2e8d16fe"
    "4a528ca3a647bfd77279cc2e10e0dbbc5d77c3a6432be2ed10ff2c6a441d82c0577d392da81d5f1fc397005a9dd6add0"
    "a50ce733eb9e9f020b0013f380b301446ce062dc2f8a6941c0445cbf7087580a698afaa24b4101"
)
KEY = bytes.fromhex("f506c276cc2429e46b7898c1dd9a1ba2bf655dbf6d817ace90af96eedd561bed")
SEALED = bytes.fromhex(
    "0200007819139ef6cd6b56e20c9b009d26f9ee2ae109b0f67d8ffca3e0594fdaaf31d373a1f0a7329431a525edad4120"
    "ebf8f805ba5bf25d1aed4dfdb062fd2511dd8820dbf4caeae365c9ed1f518cbe8935d7003f8491a283695fa85c4c118b"
    "adff07d87d40e9c77aca90ffdcc1bedd9dfed3e8f3b3cc046197e88c781bafd53178e2966e9b331474105df8d4ae3410"
    "81d04373c2dcf7fd01fb9d4f78c032cf68530cb2974f550df744fd68b49fccfe02eb6ea02cf6aa47c657d1662d3bcbe6"
    "1ba84cde52e7428eaf995b9381e6b17016b52b38d2bce032f02037c8cabe1d523a6238aa357c"
)
LABELS = Labels(
    split="train",
    language="de",
    topic="code",
    quality=Quality(
        words=7,
        word_letters=4.5,
        symbols=0.0,
        alphabetic=1.0,
        bullets=0.0,
        ellipses=0.0,
        repeated_lines=0.25,
        repeated_fives=0.0,
    ),
    scores={"misuse": 0.125},
)
LABELLED = msgspec.structs.replace(ROW, labels=LABELS)
LABELS_PLAINTEXT = bytes.fromhex(
    "8185a573706c6974a5747261696ea86c616e6775616765a26465a5746f706963a4636f6465a77175616c69747988a577"
    "6f72647307ac776f72645f6c657474657273cb4012000000000000a773796d626f6c73cb0000000000000000aa616c70"
    "68616265746963cb3ff0000000000000a762756c6c657473cb0000000000000000a8656c6c6970736573cb0000000000"
    "000000ae72657065617465645f6c696e6573cb3fd0000000000000ae72657065617465645f6669766573cb0000000000"
    "000000a673636f72657381a66d6973757365cb3fc0000000000000"
)
LABELLED_SEALED = bytes.fromhex(
    "0200f77a59b367e26ed08c4364e9a38855b84414a29cdedf2c1b74b473c58698f658c0f0aad2bb6b649ef0551ec23b34"
    "6d9ed2bc9f6f492663dc868405fb98747f5d2056994a1e4175f51fa748d3a2e489b8b4bc9cf4743a83ae6116e5f7a960"
    "c982983b418f9e78c1c345214b7a184699dd793e984bbae9e04f57bcabc2d0a9e688b2ef557b6b98997bf9295b82a538"
    "a020765735c1153e2be50287ce6aa59c89f7d00ff109eaa476a9befd91deecd06bd3ba017b35a5b4e90bf599086a1629"
    "b148f8f53df4663d18c3ed43481c652101b9177d650aad49e18ec3fdbc1bc84771fa29459b032a1b44d0135b69188366"
    "2929cc4a30910bae63a725fc95725f1f8bc00a974ef4bc50e23b423efb1bfbfada7c4a1139816a5d2ee6ad086b9939b1"
    "11566aa18dac35b2d638d0d23d11321670ec841ac4186ee4071d2780c1b6e444532e3667679dbe8ed4d05961f4238802"
    "f62e56e5cb583f800d78b8c95b4afe378eb1cb72457d3d840c9c00a9724a779e4117aba01e7766ecbb032584882994bd"
    "16580b4817ddae81a572b357dc151e126b71fb48b0689bc40be5ba2377f1bf31c05b5fc7dbb941002956039867e9412b"
    "a927296854def54d0c731d53f50e9d9776597dd7b1fad7a84cb8833b8cc2ee01b4e5e3fe345258cf22f5e4bef2"
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
calls = st.builds(
    RowCall, id=texts, function=st.builds(CalledFunction, name=texts, arguments=texts)
)
messages = st.builds(
    RowMessage,
    role=st.sampled_from(TurnRole),
    content=texts,
    tool_calls=st.lists(calls, max_size=2).map(tuple),
    tool_call_id=texts,
    name=texts,
)
made_rows = st.builds(
    ReleaseRow,
    row_id=st.binary(min_size=16, max_size=16),
    ordinal=st.integers(0, rows.ROWS_MAX - 1),
    until=st.datetimes(timezones=st.just(UTC)),
    messages=st.lists(messages, min_size=1, max_size=4).map(tuple),
    kind=st.sampled_from(ConversationKind),
    sources=st.integers(1, 3),
)
keys = st.binary(min_size=32, max_size=32)


def payload_of(row: ReleaseRow) -> Payload:
    messages = [msgspec.msgpack.decode(msgspec.msgpack.encode(message)) for message in row.messages]
    return Payload(kind=row.kind, messages=messages, sources=row.sources, gaps=list(row.gaps))


GAPPED: dict[str, object] = msgspec.msgpack.decode(PACKED) | {"gaps": [0, 3]}


# The bytes


def test_the_plaintext_of_a_row_is_these_bytes() -> None:
    frame = rows.encode(ROW)
    assert frame[:1] == rows.PLAINTEXT_V6 == b"\x06"
    assert zstandard.ZstdDecompressor().decompress(frame[1:]) == PACKED


def test_gaps_stand_behind_the_rest_and_come_back_as_they_were() -> None:
    gapped = msgspec.structs.replace(ROW, gaps=(0, 3))
    frame = rows.encode(gapped)
    assert zstandard.ZstdDecompressor().decompress(frame[1:]) == msgspec.msgpack.encode(GAPPED)
    assert rows.decode(frame).gaps == [0, 3]
    masked = rows.encode(msgspec.structs.replace(gapped, results_left_out=(3,)))
    packed = zstandard.ZstdDecompressor().decompress(masked[1:])
    assert packed == msgspec.msgpack.encode(GAPPED | {"results_left_out": [3]})
    assert rows.decode(masked).results_left_out == [3]


def test_instructions_of_the_host_stand_in_a_message_with_the_tools_behind_the_rest() -> None:
    told = RowMessage(role=TurnRole.system, content="Kurz.", tools='[{"name":"clock"}]')
    frame = rows.encode(msgspec.structs.replace(ROW, messages=(told,)))
    packed = zstandard.ZstdDecompressor().decompress(frame[1:])
    assert packed.hex() == (
        "83a46b696e64a4636f6465a86d657373616765739183a4726f6c65a673797374656da7636f6e74656e74a54b75727a2e"
        "a5746f6f6c73b25b7b226e616d65223a22636c6f636b227d5da7736f757263657302"
    )
    assert rows.decode(frame).messages == [
        {"role": "system", "content": "Kurz.", "tools": '[{"name":"clock"}]'}
    ]


@pytest.mark.parametrize("plaintext", [PLAINTEXT, PLAINTEXT_LEVEL_3])
def test_a_plaintext_once_written_reads_the_same_for_ever(plaintext: bytes) -> None:
    assert rows.decode(plaintext) == payload_of(ROW)


def test_the_messages_are_in_the_shape_of_openai_and_trl() -> None:
    assert rows.decode(PLAINTEXT).messages == [
        {"role": "user", "content": "Wie spät ist es?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "content": "12:00", "tool_call_id": "c1", "name": "clock"},
        {"role": "assistant", "content": "Zwölf."},
    ]


def test_a_row_key_is_these_bytes_and_hkdf_as_rfc_5869_has_it() -> None:
    sources = [b"\x01" * 32, b"\x02" * 32]
    assert row_key(sources, RELEASE_ID, ROW.row_id) == KEY
    extracted = hmac.digest(RELEASE_ID, b"".join(sources), "sha256")
    assert hmac.digest(extracted, ROW.row_id + b"\x02" + b"\x01", "sha256") == KEY


@given(
    keys=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4),
    ordinal=st.integers(0, 2**32 - 1),
)
def test_the_keys_of_many_rows_are_those_of_each(keys: list[bytes], ordinal: int) -> None:
    many, row_id = RowKeys(RELEASE_ID), derive_row_id(RELEASE_ID, ordinal)
    assert many.row_id(ordinal) == row_id
    assert many.key(b"".join(keys), row_id) == row_key(keys, RELEASE_ID, row_id)


def test_a_sealed_row_is_these_bytes_and_opens() -> None:
    assert open_row(SEALED, KEY, RELEASE_ID, ROW.row_id) == payload_of(ROW)
    assert SEALED[:3] == row_keys.SEALED_V2 + bytes(2) == b"\x02\x00\x00"
    beside = RELEASE_ID + ROW.row_id + SEALED[:3]
    assert SEALED[3:15] == hmac.digest(KEY, beside + PLAINTEXT, hashlib.sha256)[:12]
    assert open_labels(SEALED, KEY, RELEASE_ID, ROW.row_id) is None
    assert (
        AESGCM(KEY).decrypt(SEALED[3:15], SEALED[15:], RELEASE_ID + ROW.row_id + SEALED[:3])
        == PLAINTEXT
    )


def test_labels_are_sealed_before_the_content_which_opens_beside_no_others() -> None:
    end = 3 + int.from_bytes(LABELLED_SEALED[1:3], "big")
    head, nonce, ids = (
        LABELLED_SEALED[:end],
        LABELLED_SEALED[end : end + 12],
        RELEASE_ID + ROW.row_id,
    )
    assert AESGCM(KEY).decrypt(head[3:15], head[15:], ids + b"\x02") == LABELS_PLAINTEXT
    assert AESGCM(KEY).decrypt(nonce, LABELLED_SEALED[end + 12 :], ids + head) == PLAINTEXT
    assert head[3:15] == hmac.digest(KEY, ids + b"\x02" + LABELS_PLAINTEXT, hashlib.sha256)[:12]
    assert nonce == hmac.digest(KEY, ids + head + PLAINTEXT, hashlib.sha256)[:12]
    assert nonce != SEALED[3:15], "the same content beside other labels has a nonce of its own"
    shown = msgspec.to_builtins(LABELS)
    assert open_labels(LABELLED_SEALED, KEY, RELEASE_ID, ROW.row_id) == shown
    whole = open_row(LABELLED_SEALED, KEY, RELEASE_ID, ROW.row_id)
    assert (whole.labels, whole.messages) == (shown, payload_of(ROW).messages)
    assert open_row(LABELLED_SEALED, KEY, RELEASE_ID, ROW.row_id, labels=False) == payload_of(ROW)
    assert seal_row(LABELLED, KEY, RELEASE_ID).sealed == LABELLED_SEALED
    for other in (b"\x02\x00\x00" + LABELLED_SEALED[end:], head + SEALED[3:]):
        with pytest.raises(DeniedError):
            open_row(other, KEY, RELEASE_ID, ROW.row_id)


@pytest.mark.parametrize("length", [1, 27, 60, 2**16 - 1])
def test_labels_of_another_length_do_not_open(length: int) -> None:
    sealed = LABELLED_SEALED[:1] + length.to_bytes(2, "big") + LABELLED_SEALED[3:]
    for verb in (open_row, open_labels):
        with pytest.raises((BrokenError, DeniedError)):
            verb(sealed, KEY, RELEASE_ID, ROW.row_id)


@pytest.mark.parametrize(
    "plaintext", [b"", b"\x80" + b"", PLAINTEXT, b"\x81", b"\x81\x80", b"\x06" + b"\x80"]
)
def test_bytes_that_are_no_labels_do_not_decode(plaintext: bytes) -> None:
    with pytest.raises(BrokenError):
        rows.decode_labels(plaintext)


def test_a_content_that_has_labels_within_is_not_read() -> None:
    packed = msgspec.msgpack.encode(
        msgspec.msgpack.decode(PACKED) | {"labels": msgspec.to_builtins(LABELS)}
    )
    with pytest.raises(BrokenError, match="of their own"):
        rows.decode(b"\x06" + frame_of(packed))


# The properties


@given(made_rows, keys)
def test_what_is_sealed_opens_to_itself(row: ReleaseRow, key: bytes) -> None:
    sealed = seal_row(row, key, RELEASE_ID)
    assert open_row(sealed.sealed, key, RELEASE_ID, row.row_id) == payload_of(row)
    assert (sealed.row_id, sealed.ordinal) == (row.row_id, row.ordinal)


@given(made_rows, keys)
def test_equal_rows_seal_equally(row: ReleaseRow, key: bytes) -> None:
    assert seal_row(row, key, RELEASE_ID) == seal_row(msgspec.structs.replace(row), key, RELEASE_ID)


@given(made_rows, keys, st.data())
def test_no_flipped_bit_of_a_sealed_row_opens(
    row: ReleaseRow, key: bytes, data: st.DataObject
) -> None:
    sealed = bytearray(seal_row(row, key, RELEASE_ID).sealed)
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((DeniedError, BrokenError)):
        open_row(bytes(sealed), key, RELEASE_ID, row.row_id)


@given(made_rows, st.lists(keys, min_size=3, max_size=3, unique=True), st.integers(0, 2))
def test_a_row_of_three_sources_stays_shut_when_one_key_is_gone(
    row: ReleaseRow, sources: list[bytes], gone: int
) -> None:
    sealed = seal_row(row, row_key(sources, RELEASE_ID, row.row_id), RELEASE_ID).sealed
    left = [key for place, key in enumerate(sources) if place != gone]
    attempts = itertools.chain(
        itertools.permutations(left),
        [[*left, b"\x00" * 32]],
        itertools.permutations(left, 1),
        [[*left, left[0]]],
    )
    for attempt in attempts:
        with pytest.raises(DeniedError):
            open_row(sealed, row_key(attempt, RELEASE_ID, row.row_id), RELEASE_ID, row.row_id)


def test_another_text_under_the_same_key_never_meets_the_same_nonce() -> None:
    nonces = {
        seal_row(row_of(0, f"text {n}"), keyed("one"), RELEASE_ID).sealed[3:15]
        for n in range(20_000)
    }
    assert len(nonces) == 20_000


def test_a_row_opens_only_in_its_release_and_place() -> None:
    row, other = row_of(0), row_of(1)
    key, sealed = key_of(row), seal_row(row, key_of(row), RELEASE_ID).sealed
    for release_id, row_id in [(bytes(16), row.row_id), (RELEASE_ID, other.row_id)]:
        with pytest.raises(DeniedError):
            open_row(sealed, key, release_id, row_id)
    assert key_of(row) != key_of(row, bytes(16))


def test_the_end_of_a_row_in_clear_is_its_day_and_never_later() -> None:
    row = row_of(0, until=datetime(2030, 9, 1, 13, 14, 15, 16, tzinfo=UTC))
    assert seal_row(row, key_of(row), RELEASE_ID).until == datetime(2030, 9, 1, tzinfo=UTC)


# What must fail


@pytest.mark.parametrize(
    ("sealed", "error"),
    [
        (b"", BrokenError),
        (b"\x02" + bytes(2), BrokenError),
        (b"\x02" + bytes(2 + 27), BrokenError),
        (b"\x00" + SEALED[1:], BrokenError),
        (b"\x01" + SEALED[1:], BrokenError),
        (b"\x03" + SEALED[1:], BrokenError),
        (SEALED[:-1], DeniedError),
        (SEALED + b"\x00", DeniedError),
    ],
)
def test_bytes_that_are_no_sealed_row_do_not_open(sealed: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        open_row(sealed, KEY, RELEASE_ID, ROW.row_id)


def frame_of(packed: bytes, **how: bool) -> bytes:
    return zstandard.ZstdCompressor(**how).compress(packed)


@pytest.mark.parametrize(
    "plaintext",
    [
        b"",
        b"\x00" + PLAINTEXT[1:],
        b"\x01" + PLAINTEXT[1:],
        b"\x02" + PLAINTEXT[1:],
        b"\x03" + PLAINTEXT[1:],
        b"\x04" + PLAINTEXT[1:],
        b"\x05" + PLAINTEXT[1:],
        b"\x07" + PLAINTEXT[1:],
        b"\x81" + PLAINTEXT[1:],
        PLAINTEXT[:-1],
        b"\x06" + PACKED,
        b"\x06" + frame_of(b""),
        b"\x06" + frame_of(PACKED[:-1]),
        b"\x06" + frame_of(PACKED + b"\x00"),
        b"\x06" + frame_of(PACKED, write_content_size=False),
        b"\x06"
        + frame_of(
            msgspec.msgpack.encode({"kind": "chat", "messages": [], "sources": 1, "more": 1})
        ),
        b"\x06" + frame_of(msgspec.msgpack.encode({"kind": "poem", "messages": [], "sources": 1})),
        *(
            b"\x06" + frame_of(msgspec.msgpack.encode(GAPPED | {"gaps": gaps}))
            for gaps in ([4], [-1], [1, 1], [2, 1])
        ),
        *(
            b"\x06" + frame_of(msgspec.msgpack.encode(GAPPED | {"results_left_out": places}))
            for places in ([1], [3, 3], [3, 0], [4])
        ),
    ],
)
def test_bytes_that_are_no_plaintext_do_not_decode(plaintext: bytes) -> None:
    with pytest.raises(BrokenError):
        rows.decode(plaintext)


def test_a_frame_that_states_more_than_the_bound_is_not_decompressed() -> None:
    with pytest.raises(BrokenError, match="claims more than"):
        rows.decode(b"\x06" + frame_of(bytes(rows.ROW_BYTES_MAX + 1)))


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(31), bytes(33)])
def test_a_key_of_another_length_neither_seals_nor_opens_nor_derives(key: bytes) -> None:
    with pytest.raises(BrokenError):
        seal_row(ROW, key, RELEASE_ID)
    with pytest.raises(BrokenError):
        open_row(SEALED, key, RELEASE_ID, ROW.row_id)
    with pytest.raises(BrokenError):
        row_key([bytes(32), key], RELEASE_ID, ROW.row_id)


def test_ids_of_another_length_and_rows_without_sources_have_no_key() -> None:
    for sources, release_id, row_id in [
        ([], RELEASE_ID, ROW.row_id),
        ([bytes(32)], RELEASE_ID[1:], ROW.row_id + b"\x00"),
        ([bytes(32)], RELEASE_ID, b""),
        ([bytes(32)] * (rows.SOURCES_MAX + 1), RELEASE_ID, ROW.row_id),
    ]:
        with pytest.raises(BrokenError):
            row_key(sources, release_id, row_id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"row_id": bytes(15)},
        {"ordinal": -1},
        {"ordinal": 2**32},
        {"until": datetime(2030, 1, 1)},  # noqa: DTZ001  (a naive time is what must fail)
        {"until": datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=1)))},
        {"messages": ()},
        {"sources": 0},
        {"gaps": (4,)},
        {"gaps": (1, 1)},
        {"gaps": (1,), "results_left_out": (2,)},
    ],
)
def test_a_row_that_cannot_be_does_not_construct(wrong: dict[str, object]) -> None:
    with pytest.raises(BrokenError):
        msgspec.structs.replace(ROW, **wrong)


def test_a_row_above_the_bound_is_refused() -> None:
    huge = row_of(0, "a" * (rows.ROW_BYTES_MAX + 1))
    with pytest.raises(BrokenError, match="bytes, more than"):
        rows.encode(huge)


def test_half_a_surrogate_pair_is_refused_without_showing_the_text() -> None:
    with pytest.raises(BrokenError, match="not Unicode") as caught:
        rows.encode(row_of(0, PLANTED + "\ud800"))
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_no_repr_and_no_error_shows_content_or_a_key() -> None:
    row = row_of(0, PLANTED)
    shown = [repr(row), repr(row.messages[0]), repr(rows.decode(rows.encode(row)))]
    damaged = b"\x06" + frame_of(
        msgspec.msgpack.encode({"kind": PLANTED, "messages": [], "sources": 1})
    )
    for verb in (
        lambda: rows.decode(damaged),
        lambda: open_row(SEALED, keyed("other"), RELEASE_ID, ROW.row_id),
    ):
        with pytest.raises((BrokenError, DeniedError)) as caught:
            verb()
        assert caught.value.__cause__ is None and caught.value.__suppress_context__
        shown.append(str(caught.value))
    assert not any(PLANTED in text or keyed("other").hex() in text for text in shown)
    assert source_keys(row)[0].hex() not in "".join(shown)
