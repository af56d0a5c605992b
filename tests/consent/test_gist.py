"""The four lines with a question: they are the policy's, part of what is hashed, and can be read at
thirteen.
"""

from __future__ import annotations

import pytest

from licet.consent import dark_patterns, markdown, notice
from licet.consent.catalogue import catalogue
from licet.errors import InputError
from licet.policy.file import Policy, from_document, preset
from licet.policy.period import parse_period

from ..reading_age import grade, reading_age, syllables

READING_AGE_MAX = 13
ARTICLE, STRICT = preset("article-2025"), preset("strict")
SINGLE = from_document(
    {**STRICT.document(), "choice": {"covers": ["improve_models", "safety_classifiers"]}}
)
ENDS = {"article": ARTICLE, "strict": STRICT, "single": SINGLE}


def without_lines(source: str) -> str:
    return "\n".join(
        line
        for line in source.splitlines()
        if not line.startswith(tuple(f"{key}: " for key in notice.GIST))
    )


def gist(source: str, policy: Policy) -> list[str]:
    text = notice.parse_notice(notice.fill(source, policy))
    assert [name for name, _ in text.gist] == list(notice.GIST)
    return [markdown.plain(line) for _, line in text.gist]


@pytest.mark.parametrize("own", [True, False], ids=["as shipped", "by the catalogue"])
@pytest.mark.parametrize("policy", ENDS.values(), ids=ENDS)
def test_the_four_lines_can_be_read_at_thirteen(policy: Policy, own: bool) -> None:
    sources = notice.list_shipped_sources(policy, {"en"})
    assert len(sources) == 2
    for source in sources:
        lines = gist(source if own else without_lines(source), policy)
        ages = {line: reading_age(line) for line in [*lines, " ".join(lines)]}
        assert max(ages.values()) <= READING_AGE_MAX, ages
        assert dark_patterns.find_faults(*lines) == []


def test_the_age_of_a_reader_is_the_formulas() -> None:
    counted = {
        "use": 1,
        "chats": 1,
        "improve": 2,
        "sessions": 2,
        "conversation": 4,
        "incognito": 4,
        "people": 2,
        "named": 1,
    }
    assert {word: syllables(word) for word in counted} == counted
    assert grade("The cat sat on the mat.") == pytest.approx(0.39 * 6 + 11.8 * 1 - 15.59)
    lawyers = (
        "Notwithstanding the aforementioned provisions, participation constitutes authorisation of "
        "the utilisation of "
        "conversational material for developmental purposes."
    )
    assert reading_age(lawyers) > READING_AGE_MAX + 5, "what lawyers write would be found"


@pytest.mark.parametrize("policy", ENDS.values(), ids=ENDS)
def test_the_periods_in_the_four_lines_are_the_policys(policy: Policy) -> None:
    other = from_document(
        {
            **policy.document(),
            "keep": {**policy.document()["keep"], "opted_in": "P2Y", "opted_out": "P14D"},
        }
    )
    words = catalogue()
    for source in notice.list_shipped_sources(policy, {"en"}):
        for made in (gist(source, other), gist(without_lines(source), other)):
            how_long = made[notice.GIST.index("how_long")]
            assert [words.period(parse_period(one)) in how_long for one in ("P2Y", "P14D")] == [
                True,
                True,
            ]
            assert "5 years" not in how_long


def test_a_notice_that_lacks_a_line_gets_the_catalogues_and_they_are_hashed_with_it() -> None:
    source = without_lines(notice.list_shipped_sources(STRICT)[0]).replace(
        "terms: ", "never: Drawings are never used.\nterms: ", 1
    )
    document = notice.fill(source, STRICT)
    assert gist(source, STRICT)[2] == "Drawings are never used.", "its own words stay"
    for name in ("what", "how_long", "change"):
        assert catalogue().gist(name, STRICT) in document, (
            "and the others are part of the bytes that are published"
        )
    assert notice.fill(document, STRICT) == document


def test_a_question_for_old_chats_too_says_so_and_another_does_not() -> None:
    old = "Old ones count once you take them up again."
    for policy, said in ((ARTICLE, True), (SINGLE, False), (STRICT, False)):
        for source in notice.list_shipped_sources(policy, {"en"}):
            assert (old in gist(source, policy)[0]) == said
            assert (old in gist(without_lines(source), policy)[0]) == said


def test_an_empty_line_is_refused_and_a_notice_of_before_there_were_lines_is_still_read() -> None:
    document = notice.fill(notice.list_shipped_sources(STRICT)[0], STRICT)
    empty = document.replace(
        "never: Deleted chats are never used. Nor are those you keep out or incognito ones, "
        "unless flagged for misuse.",
        'never: ""',
    )
    assert empty != document
    with pytest.raises(InputError, match="key `never`: is empty"):
        notice.parse_notice(empty)
    assert notice.parse_notice(without_lines(document)).gist == ()
