"""The JSON Schema of the policy file accepts and rejects as loading does, as far as a schema can
see.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from licet.errors import InputError
from licet.policy.file import PRESETS, from_document, preset, preset_text, schema_text
from licet.policy.period import instant, parse_period

from . import test_file


def as_an_editor_reads_it(text: str) -> Any:
    """YAML 1.2, as editors do: a day is text."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rules if not tag.endswith("timestamp")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(text, Loader=Loader)


VALIDATOR = Draft202012Validator(
    json.loads(schema_text()), format_checker=Draft202012Validator.FORMAT_CHECKER
)
# What no schema can see: one key given twice, an alias, a tag, text that YAML 1.1 alone takes for a
# day, an order of days, a name given to two questions, a purpose of two, which codes are
# assigned.
BEYOND_A_SCHEMA = (
    "is given twice",
    "uses an alias",
    "has the tag",
    "`2025-08-28` is not text",
    "is before `effective`",
    "holds a key that is not a name",
    "the question `training`",
    "has the purpose",
    "`XX` is no code",
)
(MISTAKES,) = (
    mark.args[1]
    for mark in test_file.test_a_mistake_is_told_with_its_file_line_key_and_mend.pytestmark
)


def test_the_schema_is_one() -> None:
    schema = json.loads(schema_text())
    assert list(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)) == []


@pytest.mark.parametrize("name", PRESETS)
def test_the_schema_accepts_the_presets_as_files_and_as_documents(name: str) -> None:
    assert list(VALIDATOR.iter_errors(as_an_editor_reads_it(preset_text(name)))) == []
    assert list(VALIDATOR.iter_errors(preset(name).document())) == []


SEEN_BY_A_SCHEMA = [
    mistake for mistake in MISTAKES if not any(beyond in mistake[4] for beyond in BEYOND_A_SCHEMA)
]


@pytest.mark.parametrize(("right", "wrong", "line", "key", "told", "mend"), SEEN_BY_A_SCHEMA)
def test_the_schema_rejects_what_the_file_rejects(
    right: str, wrong: str, line: int, key: str, told: str, mend: str
) -> None:
    errors = list(
        VALIDATOR.iter_errors(as_an_editor_reads_it(test_file.ARTICLE.replace(right, wrong)))
    )
    assert errors, told
    places = {".".join(map(str, error.absolute_path)) for error in errors}
    assert any(key.startswith(place) or place.startswith(key) for place in places), (key, places)


@pytest.mark.parametrize(
    "effective", ["2026-01-10T12:00:00Z", "2026-01-10 12:00:00+02:00", "2026-01-10T12:00+0200"]
)
def test_the_schema_takes_every_instant_that_the_file_takes(effective: str) -> None:
    instant(effective)
    assert list(VALIDATOR.iter_errors(preset("strict").document() | {"effective": effective})) == []


@pytest.mark.parametrize(
    "period", ["P1D", "P05D", "P36600D", "P100Y", "P1200M", "P101Y", "P0D", "P00M", "P000Y", "P1H"]
)
def test_the_schema_takes_a_period_where_the_file_does_up_to_the_bound_in_months(
    period: str,
) -> None:
    document = preset("strict").document()
    accepted = VALIDATOR.is_valid(document | {"keep": document["keep"] | {"opted_in": period}})
    try:
        parse_period(period)
    except ValueError:
        assert not accepted or period == "P1200M"
    else:
        assert accepted


ASKS = {"question": "models", "covers": ["improve_models"]}


@pytest.mark.parametrize(
    "choice",
    [
        {"covers": ["improve_models"]},
        [ASKS],
        [ASKS, {"question": "safety", "covers": ["safety_classifiers", "ads"]}],
        [{"question": "q_1" + "x" * 29, "covers": ["ads"]}],
        [],
        {},
        {"covers": []},
        {"question": "models", "covers": ["improve_models"]},
        [{"question": "models"}],
        [{"covers": ["ads"]}],
        [{"question": "models", "covers": []}],
        [{"question": "models", "covers": ["ads", "ads"]}],
        [{"question": "models", "covers": "ads"}],
        [{"question": "models", "covers": [""]}],
        [{"question": "", "covers": ["ads"]}],
        [{"question": "9models", "covers": ["ads"]}],
        [{"question": "Models", "covers": ["ads"]}],
        [{"question": "q" * 33, "covers": ["ads"]}],
        [{"question": 7, "covers": ["ads"]}],
        [{**ASKS, "scope": "account"}],
        [ASKS, "safety"],
        [[ASKS]],
        "training",
        None,
    ],
)
def test_the_schema_takes_questions_where_the_file_does(choice: object) -> None:
    document = preset("strict").document() | {"choice": choice}
    try:
        from_document(document)
    except InputError:
        assert not VALIDATOR.is_valid(document)
    else:
        assert VALIDATOR.is_valid(document)


@pytest.mark.parametrize(
    "twice", [[ASKS, {**ASKS, "covers": ["ads"]}], [ASKS, {**ASKS, "question": "safety"}]]
)
def test_what_is_given_twice_in_two_questions_is_beyond_a_schema_and_not_beyond_the_file(
    twice: object,
) -> None:
    document = preset("strict").document() | {"choice": twice}
    assert VALIDATOR.is_valid(document)
    with pytest.raises(InputError, match="twice"):
        from_document(document)
