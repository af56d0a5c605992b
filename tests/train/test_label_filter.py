"""`where`: what it chooses, what it does not, and that it says where it does not read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.errors import UsageError
from licet.release.rows import Quality
from licet.train.label_filter import LabelFilter

QUALITY = dict.fromkeys(Quality.__struct_fields__, 0.5) | {"words": 40}


def labels(language: str = "de", topic: str = "code", split: str = "train", **scores: float) -> Any:
    return {
        "split": split,
        "language": language,
        "topic": topic,
        "quality": QUALITY,
        "scores": scores,
    }


@pytest.mark.parametrize(
    "text",
    [
        "language = 'de'",
        "language != 'en'",
        "language <> 'en' AND quality > 0.6",
        "language in ('en', 'de')",
        "not language in ('en')",
        "language not in ('en')",
        "scores.quality >= 0.7",
        "quality.words = 40",
        "words > 39 and words<41",
        "other is null",
        "quality is not null",
        "topic = 'x' or topic = 'code'",
        "topic = 'x' and topic = 'x' or topic = 'code'",
        "topic = 'code' or topic = 'x' and topic = 'x'",
        "(language='en' or language='de') and not (split = 'test')",
        "quality > -1",
        "other is null or other < 0.1",
    ],
)
def test_it_chooses_what_it_says(text: str) -> None:
    assert LabelFilter(text)(labels(quality=0.7))


@pytest.mark.parametrize(
    "text",
    [
        "language = 'DE'",
        "quality > 0.7",
        "language in ('en')",
        "not language = 'de'",
        "quality is null",
        "topic = 'code' and (topic = 'x' or topic = 'y')",
        "not (language = 'de' or topic = 'x')",
    ],
)
def test_and_nothing_else(text: str) -> None:
    assert not LabelFilter(text)(labels(quality=0.7))


@pytest.mark.parametrize(
    "text",
    ["misuse < 0.5", "misuse >= 0.5", "not misuse < 0.5", "misuse in (1)", "not misuse in (1)"],
)
def test_a_row_without_the_score_is_read_by_neither_side(text: str) -> None:
    assert not LabelFilter(text)(labels())
    assert LabelFilter(f"{text} or language = 'de'")(labels())
    assert not LabelFilter(f"{text} and language = 'de'")(labels())


@pytest.mark.parametrize(
    ("text", "at", "wanted"),
    [
        ("language = de", 12, "text in quotes"),
        ("langauge = 'de'", 12, "a number"),
        ("", 1, "a label"),
        ("language", 9, "a comparison"),
        ("language = 'de' topic", 17, "`and`"),
        ("(language = 'de'", 17, "`)`"),
        ("language = 'de", 12, "a label, a value or a sign"),
        ("quality.letters > 1", 1, "word_letters"),
        ("language in 'de'", 13, "`(`"),
        ("words > '3'", 9, "a number"),
        ("__import__('os')", 11, "a comparison"),
        ("words > 1; drop", 10, "a sign"),
        ("and", 1, "a label"),
    ],
)
def test_what_does_not_read_is_told_with_its_place(text: str, at: int, wanted: str) -> None:
    with pytest.raises(UsageError, match=f"character `{at}`") as refused:
        LabelFilter(text)
    assert wanted in refused.value.hint


def test_it_has_bounds() -> None:
    with pytest.raises(UsageError, match="at most"):
        LabelFilter("words > 1 or " * 1_000 + "words > 1")
    with pytest.raises(UsageError, match="inside one another"):
        LabelFilter("(" * 100 + "words > 1" + ")" * 100)


def test_a_quote_is_written_twice() -> None:
    assert LabelFilter("topic = 'it''s'")(labels(topic="it's"))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="()'<>=!, .andorinot0123456789ws_", max_size=30))
def test_whatever_is_written_it_is_read_or_refused(text: str) -> None:
    try:
        assert LabelFilter(text)(labels()) in (True, False)
    except UsageError as error:
        assert error.hint


# Which splits are opened

TESTS = [
    "split = 'test'",
    "split != 'train'",
    "split in ('train', 'test')",
    "split is null",
    "language = 'de'",
    "words > 39",
    "misuse is null",
    "misuse < 0.5",
    "quality in (1)",
]
FILTERS = st.recursive(
    st.sampled_from(TESTS),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("text", "splits"),
    [
        ("split = 'test'", {"test"}),
        ("split <> 'test' and language = 'de'", {"train"}),
        ("not (split = 'test' or words > 3)", {"train"}),
        ("split = 'test' or language = 'de'", {"train", "test"}),
        ("split is null", set()),
        ("misuse < 0.5", {"train", "test"}),
        ("split = 'x' and misuse is null", set()),
    ],
)
def test_a_split_of_which_no_row_can_match_is_named(text: str, splits: set[str]) -> None:
    assert {split for split in ("train", "test") if LabelFilter(text).may_match(split)} == splits


@settings(max_examples=300)
@given(
    FILTERS,
    st.sampled_from(["train", "test"]),
    st.sampled_from(["de", "en"]),
    st.dictionaries(st.sampled_from(["misuse", "quality"]), st.sampled_from([0.2, 1.0])),
)
def test_a_row_that_matches_is_of_a_split_that_may(
    text: str, split: str, language: str, scores: Any
) -> None:
    found = LabelFilter(text)
    if found(labels(language=language, split=split, **scores)):
        assert found.may_match(split)
