"""Languages: what is said in which, by whose rules, and what the check of a catalogue finds."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from licet.cli.command import main
from licet.config import Configuration
from licet.consent import catalogue_check, cldr, dark_patterns, language_tags, notice
from licet.consent.catalogue import (
    Catalogue,
    catalogue,
    english_source,
    load_languages,
    stamp,
)
from licet.consent.catalogue_check import CatalogueRule
from licet.consent.notice import Variant
from licet.errors import InputError, UsageError
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.file import PRESETS, NamesTerm, preset
from licet.policy.period import Period, Unit
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.vault.installation import Installation

AT = datetime(2025, 9, 28, 10, 5, tzinfo=UTC)
ENGLISH = load_languages().english
UNION = (
    *("bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "ga", "hr"),
    *("hu", "it", "lt", "lv", "mt", "nl", "pl", "pt", "ro", "sk", "sl", "sv"),
)
PLANNED = [*UNION, "ar", "he", "hi", "ja", "ko", "pt-BR", "zh-Hans"]
OTHERS = [name for name in load_languages().names if name != "en"]


def written(
    folder: Path, language: str, sentences: dict[str, str], of: dict[str, str] | None = None
) -> Path:
    """A catalogue in a folder, stamped with the English of today where nothing else is said."""
    stamps = {
        key: stamp(text) for key in sentences if (text := english_source(key, ENGLISH)) is not None
    }
    file = {"sentences": sentences, "of": stamps if of is None else of}
    (folder / f"{language}.json").write_text(json.dumps(file, ensure_ascii=False), "utf-8")
    return folder


def read(folder: Path, language: str) -> Catalogue:
    load_languages.cache_clear()
    return load_languages(folder).catalogue(language)


def found(folder: Path, language: str) -> dict[str, set[CatalogueRule]]:
    """The rules that each sentence breaks; what is only missing is left out."""
    load_languages.cache_clear()
    places: dict[str, set[CatalogueRule]] = {}
    for one in catalogue_check.check(load_languages(folder), language):
        if one.rule is not CatalogueRule.missing:
            places.setdefault(one.place, set()).add(one.rule)
    return places


# The languages that ship


ONE_WORD = {  # what a thing is called to a person, and what it is never called
    "chat": ("conversation", "thread", "dialogue"),
    "training set": ("dataset", "corpus"),
    "permission": ("consent", "grant", "opt in", "opt out", "opted in", "opted out"),
    "answer": ("choice was made", "decision was made"),
    "delete": ("remove", "removed", "purge"),
    "certificate": ("attestation",),
    "message": ("turn", "turns", "prompt"),
}
OF_A_RELEASE = "removes.others_unused"  # in the words of a release's manifest, which is pinned


def test_a_thing_has_one_word_on_every_page_receipt_and_mail() -> None:
    shown: dict[str, str] = json.loads((catalogue_check.shipped_folder() / "en.json").read_bytes())
    for word, others in ONE_WORD.items():
        assert any(word in text.lower() for text in shown.values()), f"{word} is said nowhere"
        for key, text in shown.items():
            plain = re.sub(r"\{[^}]*\}", "", text).lower()
            strange = [one for one in others if re.search(rf"\b{one}s?\b", plain)]
            assert not strange or key == OF_A_RELEASE, (key, strange)


# A row a language and a column a thing: the stems of its one word, and in the row `en` the English.
ONE_WORD_EACH: dict[str, dict[str, str]] = {}
with Path(__file__).with_name("one_word.csv").open(encoding="utf-8", newline="") as table:
    for row in csv.DictReader(table):
        ONE_WORD_EACH[row.pop("language")] = row


def other_words(language: str, english: str, shown: str) -> list[str]:
    """The things that an English text names, and its translation by no word of the table."""
    english, shown = (re.sub(r"\{[^}]*\}|\]\([^)]*\)", "", one).lower() for one in (english, shown))
    return [
        thing
        for thing, word in ONE_WORD_EACH["en"].items()
        if re.search(rf"\b(?:{word})\b", english)
        and not re.search(ONE_WORD_EACH[language][thing], shown)
    ]


@pytest.mark.parametrize("language", OTHERS)
def test_a_thing_has_one_word_in_each_language_on_every_page_and_in_every_notice(
    language: str,
) -> None:
    assert len(set(ONE_WORD_EACH[language].values())) == len(ONE_WORD_EACH["en"])
    own = load_languages().catalogue(language).own
    strange = {key: other_words(language, ENGLISH[key], own[key]) for key in own.keys() & ENGLISH}
    for name, text in notice.sources().items():
        if name.endswith(f".{language}.md"):
            source = notice.sources()[name.replace(f".{language}.md", ".en.md")]
            for place, blocks in enumerate(
                zip(*(one.split("\n\n") for one in (source, text)), strict=True)
            ):
                strange[f"{name} {place}"] = other_words(language, *blocks)
    assert {place: things for place, things in strange.items() if things} == {}


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_that_ships_is_right_in_what_it_says_and_presses_nobody(language: str) -> None:
    """What is missing or out of date is said in English, so that a change of English does not wait
    for translators.
    """
    wrong = [str(one) for one in errors(language) if one.rule not in BEHIND]
    assert wrong == [], f"`licet languages check {language}` lists them"


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_that_ships_says_most_of_it(language: str) -> None:
    behind = [str(one) for one in errors(language) if one.rule in BEHIND]
    assert len(behind) <= BEHIND_SHARE_MAX * len(ENGLISH), (
        f"{len(behind)} are behind: `licet languages check {language}`"
    )


BEHIND = {CatalogueRule.missing, CatalogueRule.stale}
BEHIND_SHARE_MAX = 0.5


def errors(language: str) -> list[catalogue_check.CatalogueFinding]:
    return [one for one in catalogue_check.check(load_languages(), language) if not one.is_warning]


@pytest.mark.parametrize("name", sorted(notice.sources()))
def test_each_notice_that_ships_can_be_published(name: str) -> None:
    source = notice.sources()[name]
    policy = next(one for one in map(preset, PRESETS) if name.startswith(f"{one.policy}."))
    text = notice.parse_notice(notice.fill(source, policy))
    assert text.language == notice.language_of(name)
    assert "{" not in text.body


def test_english_notices_come_first_and_a_stale_translation_does_not_come() -> None:
    english = "---\ntitle: New\n---\n\nIt is so.\n"
    made = notice.add_stamp("---\ntitle: Neu\n---\n\nSo ist es.\n", english)
    assert notice.translates(made, english)
    assert not notice.translates(made, english.replace("so", "otherwise"))
    assert not notice.translates(notice.remove_stamp(made), english)
    assert notice.add_stamp(made, english) == made
    tags = [
        notice.front(source)["language"] for source in notice.list_shipped_sources(preset("strict"))
    ]
    assert tags[:2] == ["en", "en"]
    assert tags == sorted(tags, key=lambda tag: (tag != "en", tag))
    assert set(tags) <= set(load_languages().names)


def test_an_installation_asks_in_the_languages_that_it_was_begun_with_and_goes_on_in_them(
    pool: Pool, tmp_path: Path
) -> None:
    installation = Installation(
        config=Configuration(data=tmp_path),
        pool=pool,
        keyring=Keyring(FileProvider(tmp_path / "keys")),
        clock=lambda: AT,
    )
    with pytest.raises(UsageError, match="no notice ships in `xx`"):
        policy_changes.init(installation, languages=["xx"])
    others = sorted(
        {
            notice.front(source)["language"]
            for source in notice.list_shipped_sources(preset("strict"))
        }
        - {"en"}
    )
    first = policy_changes.init(installation, languages=others[:1])
    assert first.names is NamesTerm.replaced
    begun = ["en", *others[:1]]
    assert published(pool) == {(0, language) for language in begun}
    newer = msgspec.structs.replace(
        preset("strict"), version="2", effective=AT + timedelta(days=90), decide_by=None
    )
    file = tmp_path / "newer.json"
    file.write_bytes(msgspec.json.encode(newer.document()))
    policy_changes.plan_policy(installation, file, actor="test")
    policy_changes.apply_planned(installation, file, actor="test")
    assert published(pool) == {(number, language) for number in (0, 1) for language in begun}
    policy_changes.publish_notices(installation, actor="test")
    assert {language for number, language in published(pool) if number == 1} == {"en", *others}
    with transaction(pool) as tx:
        found = notice.find(tx, 1, "eo", Variant.signup)
    assert found is not None and found.language == "en"


def published(pool: Pool) -> set[tuple[int, str]]:
    with transaction(pool) as tx:
        return {(one.number, one.language) for one in notice.list_in_force(tx, 1)}


# What CLDR says


@pytest.mark.parametrize(
    ("language", "day", "moment", "years", "days", "listed"),
    [
        (
            "en",
            "28 September 2025",
            "28 September 2025, 10:05 UTC",
            "5 years",
            "1 day",
            "a, b and c",
        ),
        (
            "de",
            "28. September 2025",
            "28. September 2025, 10:05 UTC",
            "5 Jahre",
            "1 Tag",
            "a, b und c",
        ),
        ("ja", "2025年9月28日", "2025年9月28日 10:05 UTC", "5年", "1日", "a、b、c"),
        ("ar", "28 سبتمبر 2025", "28 سبتمبر 2025، 10:05 UTC", "5 سنوات", "يوم", "a وb وc"),
    ],
)
def test_dates_periods_and_lists_are_those_of_the_language(
    language: str, day: str, moment: str, years: str, days: str, listed: str
) -> None:
    words = catalogue(language)
    assert words.day(AT) == words.day(AT.date()) == day
    assert words.moment(AT) == moment
    assert words.period(Period(5, Unit.years)) == years
    assert words.period(Period(1, Unit.days)) == days
    assert words.join_names(["a", "b", "c"]) == listed
    assert words.join_names(["a"]) == "a"


def test_sentences_are_joined_with_a_space_where_their_script_has_one() -> None:
    assert catalogue("en").join("Asked.", "", "Due.") == "Asked. Due."
    assert (
        catalogue("ja").join("受け付けました。", "回答期限です。")
        == "受け付けました。回答期限です。"
    )
    assert catalogue("ja").join("Asked.", "回答期限です。") == "Asked. 回答期限です。"


def test_each_number_is_counted_by_the_rule_of_its_language() -> None:
    arabic = [catalogue("ar").count("rows", number) for number in (0, 1, 2, 3, 11, 100)]
    assert arabic == ["لا صفوف", "صف واحد", "صفان", "3 صفوف", "11 صفًا", "100 صف"]
    assert [catalogue("en").count("rows", number) for number in (0, 1, 1234)] == [
        "0 rows",
        "1 row",
        "1,234 rows",
    ]
    assert catalogue("de").count("rows", 1234) == "1.234 Datenzeilen"
    assert catalogue("ja").count("rows", 1) == "1行"


@pytest.mark.parametrize(
    ("language", "needed"),
    [
        ("pl", {"one", "few", "many", "other"}),
        ("cs", {"one", "few", "other"}),
        ("ga", {"one", "two", "few", "many", "other"}),
        ("lv", {"zero", "one", "other"}),
        ("fr", {"one", "other"}),
        ("zh-Hans", {"other"}),
        ("ar", set(cldr.CATEGORIES)),
    ],
)
def test_the_plural_forms_that_a_language_needs_are_those_that_counting_meets(
    language: str, needed: set[str]
) -> None:
    assert cldr.categories(language)[0] == needed
    assert {
        key.rpartition(".")[2]
        for key in catalogue_check.required_keys(ENGLISH, language)
        if key.startswith("rows.")
    } == needed


def test_portuguese_is_that_of_portugal_and_a_tag_that_nobody_knows_is_english() -> None:
    assert cldr.locale("pt").territory == "PT"
    assert cldr.locale("pt-BR").territory == "BR"
    assert cldr.day("xx", AT) == "28 September 2025"


@pytest.mark.parametrize("language", PLANNED)
def test_cldr_has_every_planned_language_and_each_has_a_list_of_what_presses(language: str) -> None:
    assert str(cldr.locale(language)).replace("_", "-").startswith(language)
    assert str(AT.year) in cldr.day(language, AT)
    assert language in dark_patterns.covered_languages()


def test_no_babel_is_loaded_where_nothing_is_said_to_a_person() -> None:
    modules = (
        "licet.cli.command, licet.cli.notice, licet.consent.prompt, "
        "licet.consent.catalogue_check, licet.web.app"
    )
    run = (
        f"import {modules}, sys; print([name for name in sys.modules if name.partition('.')[0] "
        "== 'babel'])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", run], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


# Which language a reader gets


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-CH, en;q=0.5", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("xx, de;q=0.1", "de"),
        ("de;q=0, fr", "fr"),
        ("DE", "de"),
        ("pt-BR", "pt-BR"),
        ("pt", "pt"),
        ("pt-AO", "pt"),
        ("pt-br", "pt-BR"),
        ("fr-CA, de", "fr"),
        ("*", "en"),
        ("", "en"),
        ("zh", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh-SG", "zh-Hans"),
        ("zh-Hans-HK", "zh-Hans"),
        ("zh_CN", "zh-Hans"),
        ("zh-TW", "en"),
        ("zh-HK, de;q=0.3", "de"),
        ("zh-Hant-CN", "en"),
        ("iw", "he"),
        ("de;level=1", "en"),
        ("no, da;q=0.8", "da"),
        (";q=1,,de;q=x,sv", "sv"),
    ],
)
def test_the_language_is_the_first_wanted_one_that_there_is(header: str, language: str) -> None:
    assert language_tags.lookup(language_tags.rank_tags(header), PLANNED) == language


def test_one_countrys_form_serves_another_where_there_is_no_other_and_never_another_script() -> (
    None
):
    assert language_tags.lookup(["pt-PT"], ["en", "pt-BR"]) == "pt-BR"
    assert language_tags.lookup(["zh-TW"], ["en", "zh-Hant", "zh-Hans"]) == "zh-Hant"
    assert language_tags.fallbacks("pt-BR") == ("pt-BR", "pt", "en")
    assert language_tags.fallbacks("zh-Hans") == ("zh-Hans", "en")
    assert language_tags.fallbacks("de") == ("de", "en")


# A language is one file


def test_a_language_is_added_in_one_file(tmp_path: Path) -> None:
    words = read(written(tmp_path, "eo", {"language.name": "Esperanto", "answer.yes": "Uzi"}), "eo")
    there = load_languages(tmp_path)
    assert there.preferred("eo, de;q=0.5") == "eo"
    assert ("eo", "Esperanto") in there.own_names
    assert words.say("answer.yes") == "Uzi"
    assert words.say("answer.no") == catalogue("en").say("answer.no"), (
        "what it does not have is said in English"
    )
    assert words.count("rows", 2) == "2 rows"
    assert words.day(AT).startswith("28 Septembro 2025")
    assert set(load_languages().names) < set(there.names)


def test_a_sentence_is_said_in_english_once_its_english_has_changed(tmp_path: Path) -> None:
    of = {"answer.yes": stamp("Use it"), "answer.no": stamp(ENGLISH["answer.no"])}
    words = read(written(tmp_path, "eo", {"answer.yes": "Uzi", "answer.no": "Ne uzi"}, of), "eo")
    assert words.say("answer.yes") == ENGLISH["answer.yes"]
    assert words.say("answer.no") == "Ne uzi"
    assert found(tmp_path, "eo")["answer.yes"] == {CatalogueRule.stale}


def test_a_folder_of_the_operators_stands_in_the_place_of_what_ships(tmp_path: Path) -> None:
    assert (
        read(written(tmp_path, "de", {"answer.yes": "Nutzen"}), "de").say("answer.yes") == "Nutzen"
    )
    (tmp_path / "de.json").write_text("{}", "utf-8")
    with pytest.raises(InputError, match=r"`de.json` is no catalogue"):
        read(tmp_path, "de")


def test_a_page_is_told_what_is_english_among_another_language(tmp_path: Path) -> None:
    read(written(tmp_path, "eo", {"answer.yes": "Uzi"}), "eo")
    marked = load_languages(tmp_path).catalogue("eo", marked=True)
    assert marked.say("answer.yes") == "Uzi"
    assert marked.say("answer.no") == f"\ue000{ENGLISH['answer.no']}\ue001"
    assert marked.mark_language("Use it", "en") == "\ue000Use it\ue001"
    assert (
        load_languages(tmp_path).catalogue("en", marked=True).say("answer.no")
        == ENGLISH["answer.no"]
    )


def test_latin_values_stay_whole_within_a_sentence_from_right_to_left() -> None:
    assert "«\u2068Bees\u2069»" in catalogue("ar").say("below.conversation", title="Bees")
    assert "«\u20682025-08-28\u2069»" in catalogue("ar").say(
        "below.conversation", title="2025-08-28"
    )
    assert "\u2068" not in catalogue("ar").say("below.conversation", title="نحل")
    assert "\u2068" not in catalogue("de").say("below.conversation", title="Bees")


# What the check finds

FAULTS = {
    "nothing.like.it": ("x", CatalogueRule.unknown),
    "rows.few": ("{count} rader", CatalogueRule.category),
    "unit.year.two": ("{count} x", CatalogueRule.category),
    "notice.until": ("Du kan skjuta upp detta.", CatalogueRule.places),
    "notice.put_off.again": ("Vi frågar {när}.", CatalogueRule.places),
    "chats.about": ("{action}: {title} {", CatalogueRule.places),
    "chats.kept": ("Sparas till {day!r}", CatalogueRule.places),
    "delete.undo": ("<b>Det går inte att ångra.</b>", CatalogueRule.markup),
    "delete.no": ("Behåll ", CatalogueRule.markup),
    "notice.waiting": (
        "Skrivandet väntar på svar. Se [dina data](/settings).",
        CatalogueRule.markup,
    ),
    "answer.yes": ("Vi rekommenderar", CatalogueRule.wording),
    "notice.save": ("Spara mitt svar, tack så hemskt mycket, och gå vidare", CatalogueRule.length),
    "asked.training.yes": ("Ja, ni får gärna använda alla mina samtal", CatalogueRule.unequal),
}


def test_every_fault_of_a_catalogue_is_found_and_nothing_else(tmp_path: Path) -> None:
    good = {
        "answer.no": "Använd inte",
        "rows.one": "En rad",
        "rows.other": "{count} rader",
        "unit.day.other": "{count} dagar",
    }
    wrong = {key: text for key, (text, _) in FAULTS.items()}
    written(tmp_path, "sv", {**good, **wrong, "asked.training.no": "Nej"})
    faults = found(tmp_path, "sv")
    assert set(faults) == set(FAULTS)
    for key, (_, rule) in FAULTS.items():
        assert rule in faults[key], key


def test_what_is_missing_is_named_with_what_english_says(tmp_path: Path) -> None:
    written(tmp_path, "sr", {})
    load_languages.cache_clear()
    missing = {
        one.place
        for one in catalogue_check.check(load_languages(tmp_path), "sr")
        if one.rule is CatalogueRule.missing
    }
    assert {"rows.one", "rows.few", "rows.other", "answer.yes", "strict.signup.sr.md"} <= missing
    assert not {"rows.two", "rows.many"} & missing


def test_a_number_may_be_a_word_where_the_form_is_for_one_number_alone(tmp_path: Path) -> None:
    written(tmp_path, "sv", {"rows.one": "en rad", "rows.other": "rader"})
    assert found(tmp_path, "sv") == {"rows.other": {CatalogueRule.places}}


def test_a_notice_that_does_not_follow_the_english_one_is_found() -> None:
    english = notice.sources()["strict.signup.en.md"]
    german = english.replace("language: en", "language: de")

    def rules(source: str) -> set[CatalogueRule]:
        return {
            rule
            for rule, _ in catalogue_check._check_notice(
                notice.add_stamp(source, english), english, "de"
            )
        }

    assert rules(german) == set()
    assert rules(german.replace("{opted_in}", "five years")) == {CatalogueRule.places}
    assert rules(german.replace("](/settings)", "](/chats)")) == {CatalogueRule.markup}
    assert rules(german.replace("\nage: ", "\nalter: ")) >= {CatalogueRule.places}
    assert rules(english) == {CatalogueRule.unknown}
    assert rules(german.rstrip() + " Nur noch 2 Tage.") == {CatalogueRule.wording}
    assert CatalogueRule.stale in {
        rule for rule, _ in catalogue_check._check_notice(german, english, "de")
    }


# Words that press


@pytest.mark.parametrize("language", [name for name in PLANNED if name != "en"])
def test_each_phrase_of_a_list_is_found_and_the_list_has_every_kind(language: str) -> None:
    lines = (
        (Path(dark_patterns.__file__).parent / "pressing" / f"{language}.txt")
        .read_text("utf-8")
        .splitlines()
    )
    phrases = [line.partition(": ")[2] for line in lines if not line.startswith("#")]
    assert len(phrases) >= 10
    for phrase in phrases:
        assert dark_patterns.find_faults(
            f"x {phrase.replace('#', '3').upper()} x", language=language
        ), phrase
    assert {reason for reason, _ in dark_patterns.rules(language)} == set(
        dark_patterns.REASONS.values()
    )


def test_a_phrase_within_another_word_does_not_press() -> None:
    assert dark_patterns.find_faults("der Haftnahme", language="de") == []
    assert dark_patterns.find_faults("unempfohlen", language="de") == []
    assert dark_patterns.find_faults("Empfohlene Antwort", language="de") == [
        "an answer that is pushed: `Empfohlen`"
    ]
    assert dark_patterns.find_faults("act now", language="xx") == []


# The commands


def test_a_language_is_checked_and_stamped_by_commands(tmp_path: Path) -> None:
    written(
        tmp_path,
        "sv",
        {"answer.yes": "Använd", "answer.no": "Använd inte"},
        {"answer.no": stamp("Do not")},
    )
    load_languages.cache_clear()
    checked = CliRunner().invoke(main, ["languages", "check", "sv", "--folder", str(tmp_path)])
    assert checked.exit_code == 1
    assert "error: sv: answer.yes: stale: it is not stamped" in checked.output
    assert (
        "error: sv: answer.no: stale: English has changed since, and is shown: "
        f"`{ENGLISH['answer.no']}`"
    ) in checked.output
    stamped = CliRunner().invoke(main, ["languages", "stamp", "sv", "--folder", str(tmp_path)])
    assert stamped.output == "stamped 1 in sv\n", (
        "one that has changed is stamped by name, or with --all"
    )
    again = CliRunner().invoke(
        main, ["languages", "stamp", "sv", "answer.no", "--folder", str(tmp_path)]
    )
    assert again.output == "stamped 1 in sv\n"
    load_languages.cache_clear()
    assert load_languages(tmp_path).catalogue("sv").own == {
        "answer.yes": "Använd",
        "answer.no": "Använd inte",
    }
    listed = CliRunner().invoke(main, ["languages", "list", "--folder", str(tmp_path)])
    assert f"sv           2 of {len(ENGLISH)}  sv\n" in listed.output


def test_forms_of_the_plural_that_english_has_not_are_no_sentences_of_their_own() -> None:
    listed = json.loads(CliRunner().invoke(main, ["languages", "list", "--json"]).output)
    assert all(row["sentences"] <= row["english"] for row in listed)
    assert any(
        len(load_languages().catalogue(row["language"]).own) > row["english"] for row in listed
    )


def test_a_language_that_is_not_there_cannot_be_checked_or_stamped(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no catalogue for `eo`"):
        catalogue_check.check(load_languages(), "eo")
    with pytest.raises(UsageError, match=r"no `en.json`"):
        catalogue_check.stamp_all(tmp_path, "en")
    written(tmp_path, "not a tag", {})
    assert found(tmp_path, "not a tag") == {"the file": {CatalogueRule.unknown}}


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    load_languages.cache_clear()
