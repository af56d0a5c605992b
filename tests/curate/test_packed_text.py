"""What is compressed is read within bounds; what can be neither read nor cut safely leaves its
conversation out.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import os
import zlib
from collections.abc import Callable
from random import Random
from urllib.parse import quote

import pytest
import zstandard

from licet.curate import packed_text, runners
from licet.curate.deidentify import deidentify
from licet.curate.packed_text import UNPACKED_BYTES_MAX, is_packed, unpack
from licet.curate.pipeline import Pipeline
from licet.curate.plan import plan
from licet.policy.state import ConversationKind
from licet.release.curation import Curated, LeftOut, PlainCuration, Voice

from .documents import KEY, Cleaner, chat, prose, said

VALUE = "zoe.miller@acme-corp.de"
LETTER = (
    f"this is a long letter in which {VALUE} goes on about the weather, the ferry and much "
    "else "
    "that happened"
)
NOBODY = LETTER.replace(VALUE, "somebody")
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "fast zlib": lambda data: zlib.compress(data, 1),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": zstandard.ZstdCompressor().compress,
}
WRITE: dict[str, Callable[[bytes], str]] = {
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 of URLs": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "base32": lambda data: base64.b32encode(data).decode(),
    "hexadecimal": bytes.hex,
    "a dump": lambda data: data.hex(" "),
    "numbers": lambda data: ", ".join(map(str, data)),
}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
@pytest.mark.parametrize("write", WRITE.values(), ids=WRITE)
def test_what_is_compressed_goes_where_it_identifies_and_stays_where_it_does_not(
    write: Callable[[bytes], str], pack: Callable[[bytes], bytes]
) -> None:
    if write is WRITE["numbers"] and not set(pack(LETTER.encode())) <= set(range(10, 256)):
        return  # a number of one digit ends such a list
    run = write(pack(LETTER.encode()))
    made = deidentify([f"it says {run} at the end"], KEY)
    assert not made.doubtful and run not in made.texts[0]
    run = write(pack(NOBODY.encode()))
    made = deidentify([f"it says {run} at the end"], KEY)
    assert not made.doubtful
    assert run in made.texts[0] or write is WRITE["a dump"], (
        "pairs of digits with blanks may be a telephone's"
    )


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_what_is_unpacked_is_what_was_packed_or_as_much_of_it_as_there_is(
    pack: Callable[[bytes], bytes],
) -> None:
    data = Random(1).randbytes(3000) * 3
    packed = pack(data)
    assert is_packed(packed) and unpack(packed) == data
    assert data.startswith(unpack(packed[: len(packed) // 2]) or b"")
    assert unpack(pack(bytes(UNPACKED_BYTES_MAX))) == bytes(UNPACKED_BYTES_MAX)
    assert unpack(pack(bytes(UNPACKED_BYTES_MAX + 1))) is None


def test_bytes_that_only_begin_like_compressed_ones_are_none() -> None:
    assert not is_packed(b"") and not is_packed(b"x\x9c") and not is_packed(b"xylophone")
    assert unpack(b"x\x9c" + b"\xff" * 40) == b""
    assert unpack(gzip.compress(b"a")[:3] + b"\xff" * 40) is None


UNREADABLE = {
    "an archive": b64(b"PK\x03\x04" + bytes(range(60))),
    "a document": b64(b"%PDF-1.7\n" + bytes(range(128, 250))),
    "damage": b64(gzip.compress(LETTER.encode())[:30] + bytes(range(90))),
    "more than is unpacked": b64(gzip.compress(b"a" * (UNPACKED_BYTES_MAX + 1))),
    "no text": b64(gzip.compress(bytes(range(256)) * 4)),
    "an escape of the sixth degree": VALUE.replace("@", "%252525252540"),
}


def nested(text: str, layers: int) -> str:
    for _ in range(layers):
        text = b64(text.encode())
    return text


@pytest.mark.parametrize("run", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_doubtful(run: str) -> None:
    assert deidentify([f"it says {run} at the end"], KEY).doubtful


@pytest.mark.parametrize("text", [LETTER, NOBODY])
def test_what_is_encoded_more_often_than_is_looked_is_doubtful_and_nothing_before(
    text: str,
) -> None:
    assert [
        deidentify([f"it says {nested(text, layers)}"], KEY).doubtful for layers in range(6)
    ] == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    "text",
    [
        "see https://a.org/?u=" + quote(quote("https://b.org/?c=d e")),
        "мой API-ключ лежит в C:\\\\\\\\_ключ, regex \\\\\\\\.py\\\\\\\\-x",
        "a picture: " + b64(b"\x89PNG\r\n\x1a\n" + os.urandom(600)),
        "random: " + b64(Random(4).randbytes(3000)),
        "x\x9c is how zlib begins, H4sIAAAA is how gzip looks in base64",
        "a &amp;amp;amp;quot; b",
        prose(Random(2), 400),
    ],
)
def test_what_is_as_text_mostly_is_gives_no_doubt(text: str) -> None:
    assert not deidentify([text], KEY).doubtful


def test_a_conversation_in_which_much_is_packed_is_read_up_to_a_bound() -> None:
    runs = [
        b64(gzip.compress(Random(n).randbytes(8).hex().encode() * (UNPACKED_BYTES_MAX // 16)))
        for n in range(9)
    ]
    assert not deidentify([" ".join(runs[:2])], KEY).doubtful
    assert deidentify([" ".join(runs)], KEY).doubtful


def test_json_that_would_be_none_any_more_is_doubtful() -> None:
    from licet.curate import deidentify as made

    assert made._is_broken('{"a": "b"}', '{"a": "b}') and not made._is_broken(
        '{"a": "b"}', '{"a": "c"}'
    )
    assert not made._is_broken('{"a": ', "{") and not made._is_broken("a {", "b")
    arguments = json.dumps({"to": VALUE, "body": f"x\n{VALUE}\t{VALUE}", "run": nested(LETTER, 1)})
    assert not deidentify([arguments], KEY).doubtful


def curated(*documents: object) -> list[Curated]:
    pipeline = Pipeline(plan(Cleaner(), KEY), runners.Local())
    made = pipeline.curate(documents)  # type: ignore[arg-type]  # a list of one of its kinds
    pipeline.close()
    return list(made)


def test_a_doubtful_conversation_is_left_out_and_the_others_stay() -> None:
    run = UNREADABLE["an archive"]
    doubtful, call, other = curated(
        chat("a", f"open {run} please", "a file"),
        said("b", (Voice.call, json.dumps({"content": run})), kind=ConversationKind.code),
        chat("c", "open it please", prose(Random(3), 60)),
    )
    assert (doubtful.dropped, call.dropped, other.dropped) == (
        LeftOut.doubtful,
        LeftOut.doubtful,
        None,
    )
    (plain,) = PlainCuration(Cleaner()).curate([chat("a", f"open {run} please")])
    assert plain.dropped is LeftOut.doubtful


def test_unpacking_takes_bounded_memory() -> None:
    assert packed_text.MEMORY_BYTES_MAX == 64 * 2**20
    window = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    packed = zstandard.ZstdCompressor(compression_params=window).compressobj()
    data = packed.compress(os.urandom(1000)) + packed.flush()
    assert unpack(data) is None
