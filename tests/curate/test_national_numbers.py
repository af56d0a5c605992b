"""National numbers of the table: each is found behind and before each of its names, and what fails
its check is not.
"""

from __future__ import annotations

from importlib.resources import files
from random import Random

import msgspec
import pytest
import yaml

from licet.curate import national_numbers, rules, surrogates
from licet.curate.deidentify import deidentify, detect
from licet.curate.national_numbers import NationalNumber, Table
from licet.curate.rules import IdentifierKind

from .shapes import drawn

TEXT = files("licet.curate").joinpath("national_numbers.yaml").read_text("utf-8")
TABLE = msgspec.convert(yaml.safe_load(TEXT), Table)
VALID = national_numbers.validators(TABLE)
TRIES = 20_000
KEY = bytes(range(32))
BEHIND = (("", ": ", ""), ("my ", " is ", ", please keep it"), ('{"', '": "', '"}'), ("", " ", "."))
BEFORE = (("", " (", ")"), ("I have ", " as my ", "."))
EVERY = pytest.mark.parametrize(("name", "number"), TABLE.numbers.items(), ids=TABLE.numbers)
BARE = {name: number for name, number in TABLE.numbers.items() if number.bare}


def valid(name: str, shape: str, choose: Random, *, checks: bool = True) -> str:
    """A number of the shape that checks, or that does not, and that is nobody's surrogate."""
    for _ in range(TRIES):
        number = drawn(shape, choose)
        if VALID[name](number) is checks and not surrogates.is_reserved(
            IdentifierKind.NATIONAL_ID, number
        ):
            return number
    raise AssertionError(
        f"no number of the shape of `{name}` {'checks' if checks else 'fails its check'}"
    )


def left(before: str, number: str, after: str) -> str:
    """What of the number nothing found."""
    spans = detect([before + number + after])[0]
    found = {
        place for span in spans for place in range(span.start - len(before), span.end - len(before))
    }
    return "".join(c for place, c in enumerate(number) if place not in found and c.isalnum())


@EVERY
def test_a_number_is_found_beside_each_of_its_names(name: str, number: NationalNumber) -> None:
    choose = Random(name)
    for pattern in number.words:
        word = drawn(pattern, choose)
        for front, middle, end in BEHIND:
            value = valid(name, number.shape, choose)
            assert not left(f"{front}{word}{middle}", value, end), (
                f"{front}{word}{middle}{value}{end}"
            )
        for front, middle, end in BEFORE:
            value = valid(name, number.shape, choose)
            assert not left(front, value, f"{middle}{word}{end}"), (
                f"{front}{value}{middle}{word}{end}"
            )


@pytest.mark.parametrize(("name", "number"), BARE.items(), ids=BARE)
def test_a_form_that_leaves_little_to_chance_is_found_without_a_name(
    name: str, number: NationalNumber
) -> None:
    choose = Random(name)
    for front, end in (("", ""), ("it is ", ", I think"), ('["', '"]'), ("値は", "です")):
        value = valid(name, number.bare, choose)
        assert not left(front, value, end), f"{front}{value}{end}"


CHECKED = {
    name: number for name, number in TABLE.numbers.items() if number.check and not number.bare
}


@pytest.mark.parametrize(("name", "number"), CHECKED.items(), ids=CHECKED)
def test_a_number_without_a_name_or_with_a_wrong_check_is_not_taken_by_its_rule(
    name: str, number: NationalNumber
) -> None:
    choose, book = Random(name), rules.load_rules()
    word = drawn(number.words[0], choose)
    for text in (
        f"{word}: {valid(name, number.shape, choose, checks=False)}",
        f"order {valid(name, number.shape, choose)} came",
    ):
        data = text.encode()
        found = list(book.spans(data, [len(data)], [book.orders[name]]))
        assert not [f for f in found if VALID[name](data[f.start : f.end].decode()) is False], text
        assert not (found and text.startswith("order")), text


@EVERY
def test_a_number_is_replaced_by_one_that_is_nobodys_and_the_second_pass_changes_nothing(
    name: str, number: NationalNumber
) -> None:
    choose = Random(name)
    value = valid(name, number.shape, choose)
    once = deidentify([f"{drawn(number.words[0], choose)}: {value}."], KEY).texts
    assert value not in once[0]
    assert [c.isalnum() for c in once[0][-len(value) - 1 :]] == [c.isalnum() for c in f"{value}."]
    assert deidentify(once, KEY).texts == once


def test_a_number_of_any_country_is_found_behind_the_words_that_name_one_anywhere() -> None:
    choose = Random(7)
    checked = [(name, number) for name, number in TABLE.numbers.items() if number.check]
    missed = []
    for name, number in checked:
        value = valid(name, number.shape, choose)
        if not value[-1].isspace() and left("My national ID number is ", value, "."):
            missed.append((name, value))
    assert len(missed) <= len(checked) / 10, missed


def test_an_israeli_number_is_found_with_its_last_digit_behind_a_dash() -> None:
    for text in (
        "my teudat zehut is 12345678-2",
        "תעודת זהות 12345678-2",
        "my ID number is 12345678-2",
    ):
        assert [text[s.start : s.end] for s in detect([text])[0]] == ["12345678-2"]


@pytest.mark.parametrize(
    "text",
    [
        "the build ID number is not known, run 20251127-1",
        "see RFC 7519 and RFC 6749",
        "version 12.345.678-9 of the NIC driver",
        "const ID = 4711; // the CI of 2025-11-27",
        "order 20251127001 was sent on 27.11.2025 at 10:30",
        "epoch 1700000000 and 1700000000000 in milliseconds",
        "sha 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "the PIN of the chip is on pin 14",
        "tests: 12345678 passed, 0 failed",
    ],
)
def test_what_only_looks_like_a_number_of_somebody_is_left(text: str) -> None:
    assert [s for s in detect([text])[0] if s.kind is IdentifierKind.NATIONAL_ID] == []
