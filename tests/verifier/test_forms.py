"""The types of fields: what each takes, and what it does not."""

from __future__ import annotations

import pytest

from licet.verifier.forms import Either, Null, find_misfit

TAKEN: dict[str, tuple[object, ...]] = {
    "int": (0, 1, 2**63),
    "signed": (-1, 0, 1),
    "pos": (1, 2),
    "one": (1,),
    "two": (2,),
    "bool": (True, False),
    "hash": ("ab" * 32,),
    "id": ("ab" * 16,),
    "word": ("Ab_1.-", "x"),
    "question": ("a_1",),
    "scope": ("account", "project", "conversation"),
    "period": ("P1D", "P30Y"),
    "time": ("2026-02-28T23:59:59Z", "2000-01-01T00:00:00.000001Z"),
    "day": ("2026-02-28",),
    "text": ("x", " x "),
}
REFUSED: dict[str, tuple[object, ...]] = {
    "int": (-1, True, 1.0, "1", None, []),
    "signed": (True, 1.0, "1", None),
    "pos": (0, True, 1.0, "1", None),
    "one": (0, 2, True, 1.0, "1"),
    "two": (1, 3, 2.0, "2"),
    "bool": (0, 1, "true", None),
    "hash": ("ab" * 31, "AB" * 32, "ab" * 32 + "\n", 1),
    "id": ("ab" * 15, "AB" * 16, "ab" * 32),
    "word": ("", "-x", "a b", "x" * 129),
    "question": ("", "1a", "A", "a" * 33),
    "scope": ("", "chat"),
    "period": ("P0D", "1D", "P1H", "P1D ", "P1234567D"),
    "time": ("2026-02-30T00:00:00Z", "1999-12-31T00:00:00Z", "2026-02-28", "2026-02-28T24:00:00Z"),
    "day": ("2026-02-30", "1999-12-31", "2026-2-3"),
    "text": ("", " ", 1),
    "no such type": ("x", 1, None),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_a_type_takes_its_values_and_null_where_that_is_allowed(kind: str) -> None:
    for value in TAKEN[kind]:
        assert find_misfit(value, kind) is None, value
        assert find_misfit(value, f"{kind}?") is None, value
    assert find_misfit(None, f"{kind}?") is None
    assert find_misfit(None, kind) == "."


@pytest.mark.parametrize("kind", REFUSED)
def test_a_type_takes_no_other_value(kind: str) -> None:
    for value in REFUSED[kind]:
        assert find_misfit(value, kind) == ".", value


def test_the_first_place_that_differs_is_named() -> None:
    shape = {"a": "pos", "b?": [("one", "text")], "c": Null(frozenset({"x"})), "d": {"*": "int"}}
    fits = {"a": 1, "c": None, "d": {"anything": 0}}
    assert find_misfit(fits, shape) is None
    assert find_misfit(fits | {"b": [[1, "x"]], "c": "x"}, shape) is None
    for change, place in (
        ({"a": 0}, ".a"),
        ({"b": [[1, "x"], [1, ""]]}, ".b.1.1"),
        ({"b": [[1]]}, ".b.0"),
        ({"b": {}}, ".b"),
        ({"c": "y"}, ".c"),
        ({"d": {"x": 1, "y": -1}}, ".d.y"),
        ({"d": []}, ".d"),
        ({"e": 1}, ".e"),
    ):
        assert find_misfit(fits | change, shape) == place
    assert find_misfit({"c": None, "d": {}}, shape) == ".a"
    assert find_misfit([], shape) == "."


def test_a_shape_may_be_open_or_one_of_two() -> None:
    assert find_misfit({"a": 1, "b": []}, {"a": "one", "...": None}) is None
    assert find_misfit({"a": 2, "b": []}, {"a": "one", "...": None}) == ".a"
    either = Either({"a": "one"}, "text")
    assert find_misfit({"a": 1}, either) is find_misfit("x", either) is None
    assert (find_misfit({"a": 2}, either), find_misfit(1, either)) == (".a", ".")
