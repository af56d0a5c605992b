"""Lines in bounded memory: numbered as an editor numbers them, whatever the file is packed in or
broken by.
"""

import gzip
import itertools
import json
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.intake import lines as module
from licet.intake.lines import CHUNK_BYTES, TextLine, head, lines
from licet.intake.read_turn import BrokenRecord
from licet.intake.records import OVER_LONG


def unheard(_count: int) -> None:
    return


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lines")


TEXTS = st.lists(st.text(alphabet='ab"é☂ {}', max_size=9), max_size=9)


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans(), st.booleans())
def test_each_line_that_is_not_empty_comes_with_its_number(
    folder, texts, ending, mark, packed, last
):
    raw = ("\ufeff" * mark + ending.join(texts) + ending * last).encode()
    path = folder / ("a.jsonl.gz" if packed else "a.jsonl")
    path.write_bytes(gzip.compress(raw) if packed else raw)
    expected = [TextLine(n, t.strip(" ").encode()) for n, t in enumerate(texts, 1) if t.strip(" ")]
    heard: list[int] = []
    assert list(lines(path, heard.append)) == expected
    assert sum(heard) == path.stat().st_size


def test_a_line_that_is_not_utf8_is_broken_by_its_number_and_the_next_is_read(folder):
    path = folder / "b.jsonl"
    path.write_bytes(b'{"a":1}\n{"\xff":1}\n\n{"b":2}')
    assert list(lines(path, unheard)) == [
        TextLine(1, b'{"a":1}'),
        BrokenRecord(place=f"{path}:2", message="not valid UTF-8"),
        TextLine(4, b'{"b":2}'),
    ]


def test_a_line_over_the_bound_is_skipped_in_bounded_memory(folder):
    path = folder / "c.jsonl"
    with path.open("wb") as file:
        file.write(b"1\n")
        for _ in range(32):
            file.write(b"x" * CHUNK_BYTES)
        file.write(b"\n2\n")
    tracemalloc.start()
    found = list(lines(path, unheard, 2 * CHUNK_BYTES))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    over = BrokenRecord(place=f"{path}:2", message="the line is over 2 MiB")
    assert found == [TextLine(1, b"1"), over, TextLine(3, b"2")]
    assert peak < 8 * CHUNK_BYTES


@given(
    st.text(alphabet='a\\"é[,', max_size=40),
    st.integers(1, 60),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_in_a_long_line_each_over_long_string_is_replaced_and_every_other_byte_stays(
    text, most, cuts
):
    raw = json.dumps({"a": text, "b": [1, {}, text]}, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LONG_LINE_BYTES", 0)
        patch.setattr(module, "TURN_BYTES_MAX", most)
        line, at = module._LineBuffer(10**9), 0
        for cut in itertools.cycle(cuts):
            line.add(raw[at : at + cut])
            at += cut
            if at >= len(raw):
                break
    kept = OVER_LONG if len(json.dumps(text, ensure_ascii=False).encode()) - 2 > most else text
    assert json.loads(line.raw()) == {"a": kept, "b": [1, {}, kept]}


def test_a_line_of_exactly_the_bound_is_read_across_chunks(folder):
    path = folder / "d.jsonl"
    path.write_bytes(b"x" * (CHUNK_BYTES + 3) + b"\n" + b"y" * 2 * CHUNK_BYTES)
    assert [len(line.raw) for line in lines(path, unheard, 2 * CHUNK_BYTES)] == [
        CHUNK_BYTES + 3,
        2 * CHUNK_BYTES,
    ]


def test_a_line_that_ends_where_a_chunk_does_is_a_line_of_its_own(folder):
    path = folder / "aligned.jsonl"
    first = b"1" * CHUNK_BYTES
    path.write_bytes(first + b"\n\n2\n")
    assert list(lines(path, unheard)) == [TextLine(1, first), TextLine(3, b"2")]


def test_a_packed_file_that_is_cut_off_gives_its_whole_lines_then_the_damage(folder):
    path = folder / "e.jsonl.gz"
    numbers = random.Random(1)
    raw = b"".join(b"%d\n" % numbers.randrange(10**9) for _ in range(50_000))
    path.write_bytes(gzip.compress(raw)[:-200])
    heard: list[int] = []
    *found, last, damage = lines(path, heard.append)
    assert len(found) > 1000
    assert (
        b"\n".join(line.raw for line in found) + b"\n"
        == raw[: sum(len(line.raw) + 1 for line in found)]
    )
    assert isinstance(last, TextLine | BrokenRecord)
    assert damage == BrokenRecord(place=str(path), message="the file ends early or is damaged")
    assert sum(heard) == path.stat().st_size


def test_what_is_called_gz_and_is_not_is_broken_and_not_an_error(folder):
    path = folder / "f.jsonl.gz"
    path.write_bytes(b'{"messages": []}')
    assert list(lines(path, unheard)) == [
        BrokenRecord(place=str(path), message="the file ends early or is damaged")
    ]
    assert head(path) == b""


def test_a_file_that_has_gone_is_broken(folder):
    path = folder / "gone"
    assert list(module.chunks(path, unheard)) == [
        BrokenRecord(place=str(path), message="the file cannot be opened")
    ]
