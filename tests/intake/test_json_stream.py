"""The splitter against `json.loads`: the same elements, wherever the chunks are cut and wherever
the file ends.
"""

import json
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from licet.intake.json_stream import KEYS_MAX, Element, Flaw, elements, keys
from licet.intake.read_turn import BrokenRecord

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a"\\[]{},:é☂\n ', max_size=12)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
ARRAYS = st.lists(VALUES, max_size=8)
INDENTS = st.sampled_from([None, 0, 2])


def cut(raw: bytes, size: int) -> list[bytes]:
    return [raw[i : i + size] for i in range(0, len(raw), size)]


def written(array: list, indent: int | None, ascii_only: bool = False) -> bytes:
    return json.dumps(array, indent=indent, ensure_ascii=ascii_only).encode()


@given(ARRAYS, INDENTS, st.booleans(), st.integers(1, 40))
def test_elements_are_those_of_a_whole_parser_wherever_chunks_are_cut(
    array, indent, ascii_only, size
):
    found = list(elements(cut(written(array, indent, ascii_only), size)))
    assert [json.loads(element.raw) for element in found] == array
    assert [element.index for element in found] == list(range(len(array)))


@given(ARRAYS, INDENTS, st.integers(1, 40), st.data())
def test_a_truncated_array_yields_what_was_whole_and_then_one_flaw(array, indent, size, data):
    raw = written(array, indent)
    end = data.draw(st.integers(1, len(raw) - 1))
    *whole, last = elements(cut(raw[:end], size))
    assert [json.loads(element.raw) for element in whole] == array[: len(whole)]
    assert last == Flaw(len(whole), "the file ends before the array does")
    complete = sum(_ends_within(array, n, indent, end) for n in range(len(array)))
    assert len(whole) >= complete


def test_what_was_closed_before_the_file_ends_is_whole_and_what_was_not_is_none():
    for last in (b'{"a": 2}', b"[2]", b'"two"'):
        found = list(elements([b"[1, " + last + b" "]))
        assert [one.raw for one in found[:-1]] == [b"1", last]
        assert found[-1] == Flaw(2, "the file ends before the array does")
    assert list(elements([b"[1, 2"]))[1:] == [Flaw(1, "the file ends before the array does")]


def test_the_keys_of_an_object_end_with_it_and_have_a_bound():
    assert keys(b'{"a": {"c": 1}, "b": [2]} {"d": 3}') == {b"a", b"b"}
    many = json.dumps({f"k{number}": number for number in range(KEYS_MAX + 1)}).encode()
    assert len(keys(many)) == KEYS_MAX
    assert keys(many[: many.index(b'"k2"')]) == {b"k0", b"k1"}


def _ends_within(array: list, n: int, indent: int | None, end: int) -> bool:
    """Whether element n and the comma behind it lie within the first ``end`` bytes."""
    return n + 1 < len(array) and len(written(array[: n + 1], indent)[:-1].rstrip()) + 1 <= end


@given(ARRAYS, ARRAYS, st.integers(1, 40))
def test_arrays_one_after_another_count_on(first, second, size):
    found = list(elements(cut(written(first, None) + b"\n" + written(second, None), size)))
    assert [json.loads(element.raw) for element in found] == first + second


@given(st.binary(max_size=80), st.integers(1, 20))
def test_no_bytes_at_all_make_it_raise(raw, size):
    for start in (b"", b"[", b'[{"a":', b'["'):
        indexes = [found.index for found in elements(cut(start + raw, size))]
        assert indexes == sorted(indexes)


@given(ARRAYS.filter(bool), st.integers(1, 40), st.data())
def test_an_element_over_the_bound_is_one_flaw_and_the_others_are_kept(array, size, data):
    at = data.draw(st.integers(0, len(array)))
    bound = max(len(written([value], None)) for value in array)
    long = [*array[:at], "x" * bound, *array[at:]]
    found = list(elements(cut(written(long, None), size), bound))
    assert found[at] == Flaw(at, f"the element is over {bound} bytes")
    assert [json.loads(f.raw) for f in found if isinstance(f, Element)] == array


def test_an_element_that_is_not_utf8_costs_itself_only():
    assert list(elements([b'[{"a":"\xff"},{"b":1},"\xc3", 2]'])) == [
        Flaw(0, "not valid UTF-8"),
        Element(1, b'{"b":1}'),
        Flaw(2, "not valid UTF-8"),
        Element(3, b"2"),
    ]


def test_memory_stays_within_the_bound_for_an_element_without_end():
    def endless():
        yield b'[{"a":"'
        for _ in range(64):
            yield b"x" * 2**20

    tracemalloc.start()
    found = list(elements(endless(), 2 * 2**20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [Flaw(0, "the file ends before the array does")]
    assert peak < 8 * 2**20


def test_what_is_no_array_or_has_holes_is_said():
    assert list(elements([b'{"a":1}'])) == [Flaw(0, "what stands here is not a JSON array")]
    assert list(elements([b"[1] x"])) == [
        Element(0, b"1"),
        Flaw(1, "what stands here is not a JSON array"),
    ]
    assert [type(f) for f in elements([b"[1,,2,]"])] == [Element, Flaw, Element, Flaw]
    assert list(elements([b" [ ] ", b""])) == []


def test_damage_below_ends_the_elements_with_its_own_message():
    assert list(elements([b"[[1],[2", BrokenRecord(place="p", message="damaged")])) == [
        Element(0, b"[1]"),
        Flaw(1, "damaged"),
    ]


@given(ARRAYS, st.integers(1, 40))
def test_the_array_of_a_key_is_found_and_what_follows_is_not_read(array, size):
    raw = b'{"rows": ' + written(array, 1) + b', "more": [1, 2]}'
    found = list(elements([raw[:12], *cut(raw[12:], size)], within="rows"))
    assert [json.loads(element.raw) for element in found] == array


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=6), INDENTS, st.data())
def test_keys_of_an_object_are_known_as_far_as_its_text_goes(value, indent, data):
    raw = json.dumps(value, indent=indent).encode()
    assert {json.loads(b'"' + key + b'"') for key in keys(raw)} == set(value)
    end = data.draw(st.integers(0, len(raw)))
    assert keys(raw[:end]) <= keys(raw)
