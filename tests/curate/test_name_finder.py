"""What looks for names: it names nobody who is not there, finds most who are, and says which
languages it looks at.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.config import Configuration, Curate
from licet.curate import engine_settings, name_models, names_measure
from licet.curate.kernels import NAMES_KINDS, NameKernel
from licet.curate.name_forms import LANGUAGES, forms
from licet.curate.name_lists import words_around
from licet.curate.names import LOOKED_AT, NameFinder
from licet.curate.names_labelled import LabelledText, read_conll, read_marked
from licet.curate.rules import IdentifierKind
from licet.errors import InputError, UsageError
from licet.release.manifest import MeasuredFigures

from .documents import Words

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "curate" / "cases"
MESSAGES = read_marked(CASES / "named_messages.txt")
NAMELESS = (CASES / "nameless.txt").read_text("utf-8").splitlines()
FINDER = NameFinder.load()
KERNEL = NameKernel(detector=FINDER)
RIGHT_MIN, FOUND_MIN = 0.95, 0.80


def found(text: str) -> list[str]:
    return [text[span.start : span.end] for span in KERNEL.find_names([text])[0]]


# --- figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LOOKED_AT)
def test_of_what_is_replaced_nearly_all_is_a_persons_and_most_persons_are_found(
    language: str,
) -> None:
    made = names_measure.measure(KERNEL, {language: MESSAGES[language]})
    share = {one.kind: one.found / one.labelled for one in made if one.labelled}
    assert share["precision"] >= RIGHT_MIN and share["person"] >= FOUND_MIN


def test_the_measuring_messages_are_of_the_languages_that_are_looked_at_and_half_name_nobody() -> (
    None
):
    assert set(MESSAGES) == set(LOOKED_AT) == set(LANGUAGES)
    for texts in MESSAGES.values():
        named = sum(bool(one.spans) for one in texts)
        assert 0.4 * len(texts) <= named <= 0.6 * len(texts) and len(texts) >= 35


def test_no_name_that_is_measured_with_stands_in_the_list_of_our_own() -> None:
    listed = set((ROOT / "tools" / "name_lists" / "more_names.txt").read_text("utf-8").split())
    texts = [one for texts in MESSAGES.values() for one in texts]
    names = {
        word
        for one in texts
        for start, end, kind in one.spans
        if kind is IdentifierKind.PERSON
        for word in one.text[start:end].split()
    }
    assert listed & names == set()


@pytest.mark.parametrize("line", NAMELESS)
def test_where_nobody_is_named_nothing_is_found(line: str) -> None:
    assert found(line) == []


def test_the_figures_that_ship_are_of_what_ships() -> None:
    made = names_measure.load_figures(KERNEL)
    assert made, "the finder or the rules changed: `./run bench names` measures them again"
    assert {one.slice for one in made} >= {f"messages-{language}" for language in LOOKED_AT}


# --- reasons --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("My name is Xqar Vundle and I need help.", ["Xqar Vundle"]),
        ("Ich heiße Xqar Vundle und suche Hilfe.", ["Xqar Vundle"]),
        ("Je m'appelle Xqar Vundle, bonjour.", ["Xqar Vundle"]),
        ("I asked Dr. Vundle about the tablets.", ["Vundle"]),
        ("my sister Xqara is moving to Leeds", ["Xqara"]),
        ("The file is late.\nBest regards,\nXqar Vundle", ["Xqar Vundle"]),
        ("Xqara wrote to xqara.vundle@acme.io", ["Xqara"]),
        ("Ask Maria Rossi. She knows.", ["Maria Rossi"]),
        ("Name: Xqar Vundle\nPhone: 0490 75 40 81", ["Xqar Vundle"]),
        ("Name: Xqar Vundle\nE-mail: xv@acme.io", ["Xqar Vundle"]),
        ("my name is malgorzata and i need help", ["malgorzata"]),
        ("Je m’appelle Xqar Vundle, bonjour.", ["Xqar Vundle"]),
        ("Everyone calls me Xqar.", ["Xqar"]),
        ("we live at 12 Mill Lane, Derby", ["12 Mill Lane, Derby"]),
        ("Wir wohnen in der Lindenstraße 14, 50674 Köln.", ["Lindenstraße 14, 50674 Köln"]),
    ],
)
def test_a_name_is_found_for_a_reason(text: str, names: list[str]) -> None:
    assert found(text) == names


@pytest.mark.parametrize("language", LANGUAGES)
def test_my_name_is_and_a_signature_tell_a_name_in_each_language(language: str) -> None:
    name, words = (
        "Ксар Вундель" if language in ("ru", "uk") else "Xqar Vundle",
        words_around(language),
    )
    assert len(words.intro) >= 3 and len(words.close) >= 5
    for phrase in words.intro:
        for said in {phrase, phrase.replace("'", "’")}:
            assert found(f"{said.capitalize()} {name}.") == [name], said
    for phrase in words.close:
        for gap in ("\n", "\n\n"):
            assert found(f"12345.{gap}{phrase.capitalize()},{gap}{name}") == [name], phrase


@pytest.mark.parametrize(
    "text",
    [
        "Name: Production Server\nVersion: 2.31.0",
        "my name is not important, and my name is on the list",
        "Albert Einstein and Marie Curie were physicists.",
        "Harry Potter met Hermione Granger.",
        "The Jordan river is in Asia.",
        "Is Paris bigger than Florence?",
        "Johns Hopkins University and the Anne Frank Museum",
        "San José is in Costa Rica.",
        "I like Ruby and Julia more than Python.",
        "See chapter Xqar Vundle.",
        "Xqar Vundle",
        "Mark my words. Will it rain?",
    ],
)
def test_what_is_public_a_place_a_word_or_has_no_reason_stays(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("language", "name", "form"),
    [
        ("pl", "Anna", "Annie"),
        ("pl", "Marek", "Markowi"),
        ("ru", "Анна", "Анне"),
        ("uk", "Іван", "Іванові"),
        ("de", "Anna", "Annas"),
    ],
)
def test_names_have_their_forms(language: str, name: str, form: str) -> None:
    assert form in set(forms(name, language)) and name not in set(forms(name, language))


@given(st.text(alphabet="Maria Rosi\nDr.,'’-@_1é{}`", max_size=60))
def test_a_name_is_whole_words_of_one_line(text: str) -> None:
    for span in FINDER.detect([text], [IdentifierKind.PERSON])[0]:
        assert 0 <= span.start < span.end <= len(text) and "\n" not in text[span.start : span.end]
        assert not text[span.start - 1 : span.start].isalnum()
        assert not text[span.end : span.end + 1].isalnum()


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert len(FINDER.detect([text], NAMES_KINDS)) == 1


def test_a_text_depends_on_no_other_and_the_finder_is_named_by_its_files() -> None:
    texts = [one.text for one in MESSAGES["en"]]
    assert FINDER.detect(texts, NAMES_KINDS) == [
        FINDER.detect([text], NAMES_KINDS)[0] for text in texts
    ]
    assert len(FINDER.sha256) == 64 and pickle.loads(pickle.dumps(FINDER)) == FINDER


# --- languages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("田中さんは東京に住んでいます。", "ja"),
        ("저는 김민수입니다. 도와주세요.", "ko"),
        ("我叫王小明，请帮我写信。", "zh"),
        ("मेरा नाम अनिल है और मुझे मदद चाहिए", "hi"),
        ("Minun nimeni on Pekka ja minä olen Suomesta, mutta en ole varma", "fi"),
        ("Benim adım Emre ve bu bir mektup için çok kısa ama olarak", "tr"),
        ("hello there", ""),
        ("ok", ""),
        ("", ""),
        ("12 + 3", ""),
        ("Translate 你好 to English, please, and explain how it is used.", ""),
    ],
)
def test_what_is_not_looked_at_is_told(text: str, language: str) -> None:
    assert FINDER.unread_language(text) == language
    assert not language or found(text) == []


@pytest.mark.parametrize("language", LOOKED_AT)
def test_what_is_looked_at_is_not_refused(language: str) -> None:
    assert [one.text for one in MESSAGES[language] if FINDER.unread_language(one.text)] == []


# --- measuring ------------------------------------------------------------------------------------


def test_recall_counts_what_goes_and_precision_the_words_that_are_right() -> None:
    texts = [
        LabelledText("ask Maria Rossi", ((4, 15, IdentifierKind.PERSON),)),  # found whole
        LabelledText("Tom Bakerson", ((0, 12, IdentifierKind.PERSON),)),  # found in part: not found
        # found but for the title, which stays
        LabelledText("Mrs Poole", ((0, 9, IdentifierKind.PERSON),)),
        LabelledText("bob@acme.io", ((0, 11, IdentifierKind.EMAIL),)),  # a rule's
        LabelledText("hope", ()),  # wrong
        LabelledText("Derby", ((0, 5, IdentifierKind.PLACE),)),  # not asked for
    ]
    words = Words(
        *((word, IdentifierKind.PERSON, 0.9) for word in ("Maria Rossi", "Tom", "hope", "Poole"))
    )
    made = names_measure.measure(
        NameKernel(detector=words, kinds=(IdentifierKind.PERSON,)), {"mine": texts}
    )
    assert made == (
        MeasuredFigures(slice="mine", kind="email", found=1, labelled=1),
        MeasuredFigures(slice="mine", kind="person", found=2, labelled=3),
        MeasuredFigures(slice="mine", kind="precision", found=7, labelled=8),
    )
    assert [one.kind for one in names_measure.measure(None, {"mine": texts})] == [
        "email",
        "precision",
    ]


def test_the_rules_that_ship_are_measured_as_they_are() -> None:
    made = names_measure.load_figures(None)
    assert made, "the rules changed: `./run bench names` measures them again"
    found = {one.kind: one.found / one.labelled for one in made if one.slice == "presidio"}
    assert min(found.values()) > 0.95


def test_what_is_measured_is_quoted_for_exactly_what_it_was_measured_with(tmp_path: Path) -> None:
    labelled = tmp_path / "a.conll"
    labelled.write_text("mail\tO\nbob@acme.io\tO\n\nask\tO\nMaria\tB-person\n", "utf-8")
    config = Configuration(data=tmp_path / "data", curate=Curate(names="built-in"))
    made = name_models.measure(config, {"mine": labelled}, keep=True)
    assert {one.kind for one in made} == {"person", "precision"}
    names = engine_settings.name_search_step(config.curate)
    assert engine_settings.describe_name_search(names, config.data).measured == made
    other = engine_settings.name_search_step(Curate(names="built-in", names_kinds=("person",)))
    assert not engine_settings.describe_name_search(other, config.data).measured
    with pytest.raises(UsageError, match="not a name for a slice"):
        name_models.measure(config, {"Mine!": labelled})


def test_labelled_files_are_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("# note\n== de\nFrag [[Anna]]\\nin {{Weg 3}}.\n", "utf-8")
    assert read_marked(file) == {
        "de": [
            LabelledText(
                "Frag Anna\nin Weg 3.",
                ((5, 9, IdentifierKind.PERSON), (13, 18, IdentifierKind.ADDRESS)),
            )
        ]
    }
    file.write_text("Anna B-person\n", "utf-8")
    with pytest.raises(InputError, match="not a token, a tab and a label"):
        read_conll(file)


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (Curate(names="auto"), "`LICET_CURATE__NAMES` is `auto`"),
        (Curate(names_kinds=("card",)), "`LICET_CURATE__NAMES_KINDS` is `card`"),
        (Curate(names_kinds=("place",)), "`LICET_CURATE__NAMES_KINDS` is `place`"),
    ],
)
def test_what_cannot_be_as_configured_is_refused(chosen: Curate, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        engine_settings.name_search_step(chosen)


@pytest.mark.parametrize(
    ("names", "left_in", "looks"),
    [
        ("policy", False, True),
        ("policy", True, False),
        ("built-in", True, True),
        ("off", False, False),
    ],
)
def test_the_setting_and_the_policy_say_whether_anything_looks(
    names: str, left_in: bool, looks: bool
) -> None:
    made = engine_settings.name_search_step(Curate(names=names), left_in=left_in)
    assert (made is not None) == looks
    if made is not None:
        pin = engine_settings.describe_name_search(made, Path("nowhere")).names
        assert pin is not msgspec.UNSET
        assert [one.sha256 for one in pin.detectors] == [FINDER.sha256] and pin.languages == tuple(
            sorted(LOOKED_AT)
        )
        assert made.may_stay == left_in
