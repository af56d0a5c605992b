"""A rule of quality refuses as often in one language as in another: the same chats, said in each
language of the pages.

The sentences are those of licet/consent/languages, so the chats have the same lines, headings,
ellipses and repeats in every language, and only the writing differs.
"""

from __future__ import annotations

from random import Random

import pytest
from bench.fairness import chat, refused, sentences

from licet.curate.quality import Select, qualities
from licet.curate.spaceless import CHARACTERS_A_WORD, HAN, HANGUL, KANA, Unspaced, estimate

CHATS = 250
FACTOR = 1.5
SENTENCES = sentences()
ENGLISH = SENTENCES["en"]


def share(language: str) -> float:
    draw = Random(7)
    return refused([chat(SENTENCES[language], draw) for _ in range(CHATS)])


@pytest.fixture(scope="module")
def english() -> float:
    return share("en")


def test_there_are_sentences_enough_to_say_it_of() -> None:
    assert len(ENGLISH) > 150
    assert {"ar", "el", "fi", "he", "hi", "ja", "ko", "zh-Hans"} <= SENTENCES.keys()


@pytest.mark.parametrize("language", sorted(SENTENCES.keys() - {"en"}))
def test_chats_are_refused_as_often_in_every_language_as_in_english(
    language: str, english: float
) -> None:
    assert 0.2 < english < 0.5  # or there would be nothing to compare
    assert english / FACTOR < share(language) < english * FACTOR


@pytest.mark.parametrize("language", ["zh-Hans", "ja", "ko", "fi", "hi", "ar"])
def test_the_same_sentences_have_about_as_many_words_in_every_language(language: str) -> None:
    counts = [
        qualities([[own[key] for key in ENGLISH]])[0].words
        for own in (SENTENCES[language], ENGLISH)
    ]
    assert 1 / FACTOR < counts[0] / counts[1] < FACTOR


def test_how_many_characters_stand_for_an_english_word_is_as_measured_on_the_sentences() -> None:
    words = sum(len(ENGLISH[key].split()) for key in ENGLISH)
    chinese, japanese, korean = (
        "".join(SENTENCES[code][key] for key in ENGLISH) for code in ("zh-Hans", "ja", "ko")
    )
    assert sum("一" <= c <= "鿿" for c in chinese) / words == pytest.approx(
        CHARACTERS_A_WORD[HAN], rel=0.15
    )
    assert sum("가" <= c <= "힣" for c in korean) / words == pytest.approx(
        CHARACTERS_A_WORD[HANGUL], rel=0.2
    )
    kanji, kana = sum("一" <= c <= "鿿" for c in japanese), sum("ぁ" <= c <= "ヿ" for c in japanese)
    said = kanji / CHARACTERS_A_WORD[HAN] + kana / CHARACTERS_A_WORD[KANA]
    assert said / words == pytest.approx(1, rel=0.15)


@pytest.mark.parametrize(
    ("text", "words", "shingle"),
    [
        ("plain words", 0, 5),
        ("naïve café", 0, 5),
        ("слова и слова", 0, 5),
        ("水" * 15, 10, 8),
        ("ひらがな" * 10, 40 / 2.9, 14),
        ("한국어 문장", 0, 12),
        ("ภาษาไทย", 7 / 4, 20),
        ("𠀀" * 3, 2, 8),
        ("a sentence in English with 水 in it", 1 / 1.5, 5),
    ],
)
def test_words_of_scripts_without_blanks_are_counted_by_their_characters(
    text: str, words: float, shingle: int
) -> None:
    found = estimate(text) or Unspaced()
    assert (found.words, found.shingle) == (pytest.approx(words), shingle)


def test_thai_that_says_the_same_again_and_again_is_repetition_and_other_thai_is_none() -> None:
    draw = Random(1)
    letters = [chr(c) for c in range(0x0E01, 0x0E2F)]
    said = "".join(draw.choices(letters, k=400))
    same, other = qualities([[said[:40] * 10], [said]])
    assert same.repeated_fives > 0.8 > 0.05 > other.repeated_fives
    assert same.words == other.words == 101


@pytest.mark.parametrize(
    ("text", "symbols"), [("好" * 15 + "……", 1), ("well then…", 1), ("a b c... d # e", 2)]
)
def test_an_ellipsis_is_one_symbol_however_it_is_written(text: str, symbols: int) -> None:
    [quality] = qualities([[text]])
    assert quality.symbols == pytest.approx(symbols / quality.words, rel=0.2)


@pytest.mark.parametrize(
    "text",
    [
        "haha 😂😂 nö",
        "ha ha ha ha",
        "jo mei, des is a Gaudi",
        "…",
        "lol lol lol lol",
        "#yolo #fun",
        "なるほど……",
    ],
)
def test_nothing_is_refused_for_being_short_playful_or_in_dialect(text: str) -> None:
    assert not any(map(Select().refuses, qualities([[text], [text] * 5])))
