"""A notice says of what is taken out of a text what the installed detectors do, and no release is
built under another.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from babel import Locale

from licet import doctor
from licet.config import Configuration, Curate
from licet.consent import catalogue, dark_patterns, name_sentences, notice
from licet.curate import engine_settings, national_numbers, release_build, rules
from licet.errors import RefusedError
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.release import catalog
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.vault.installation import Installation, load_policies

from ..installed import BEGIN
from ..state_hook import lived
from ..terms import preset

STRICT = preset("strict")
OLD_WORDS = "We remove personal details such as addresses and numbers before anything is used."
ALL = name_sentences.NameSearch(frozenset({"person", "address"}), ("en", "sv"))


def search(*kinds: str, others_stay: bool = False) -> name_sentences.NameSearch:
    return name_sentences.NameSearch(frozenset(kinds), ("en", "sv") if kinds else (), others_stay)


def place(
    pool: Pool, folder: Path, names: str, kinds: tuple[str, ...] = ("person", "address")
) -> Installation:
    """An installation that looks for names as it is told."""
    return lived(
        Installation(
            config=Configuration(data=folder, curate=Curate(names=names, names_kinds=kinds)),
            pool=pool,
            keyring=Keyring(FileProvider(folder / "keys")),
            clock=lambda: BEGIN,
        )
    )


# What a notice says


FOUND = (
    "Lists of names and the words beside a name are used to find {}, and what is found is "
    "replaced too."
)
LANGUAGES = " Languages in which this is done: English and Swedish."
UNUSED = (
    " Nothing looks for {} in other languages: a conversation in which another language is "
    "recognised is not used."
)


@pytest.mark.parametrize(
    ("kinds", "says", "does_not_say"),
    [
        ((), "Nothing looks for names and street addresses: they are left in.", "other languages"),
        (
            ("person",),
            (
                f"{FOUND.format('names')}{LANGUAGES}{UNUSED.format('names')} Nothing looks for "
                "street addresses: they"
            ),
            "names and street",
        ),
        (
            ("person", "address"),
            f"{FOUND.format('names and street addresses')}{LANGUAGES}{UNUSED.format('names and street addresses')}",
            "left in",
        ),
        (
            ("address", "person", "place"),
            FOUND.format("places, names and street addresses"),
            "left in",
        ),
    ],
)
def test_a_shipped_notice_says_what_is_looked_for_in_which_languages_and_what_is_not(
    kinds: tuple[str, ...], says: str, does_not_say: str
) -> None:
    looking = search(*kinds)
    for source in notice.list_shipped_sources(STRICT, ["en"]):
        text = notice.parse_notice(notice.fill(source, STRICT, looking))
        sentence = name_sentences.removal_sentence(catalogue.catalogue("en"), looking)
        assert sentence in text.body
        assert says in text.body
        assert does_not_say not in sentence
        assert sentence.startswith(
            "Before anything is used, rules replace the identifiers and secrets that they recognise"
        )
        assert sentence.endswith(
            "Not everything is found, and what a text tells can still show who wrote it."
        )
        assert (text.removes.split(), notice.unkept_promises(text, looking)) == (
            [*sorted(kinds), *looking.languages],
            "",
        )


@pytest.mark.parametrize("language", sorted(catalogue.load_languages().names))
def test_every_language_says_by_what_names_are_found_and_what_happens_in_others(
    language: str,
) -> None:
    words = catalogue.catalogue(language)
    looking = engine_settings.name_search(Configuration(data=Path()))
    assert len(looking.languages) == len(set(map(words.language_name, looking.languages))) == 12
    said = name_sentences.removal_sentence(words, looking)
    assert all(words.language_name(one) in said for one in looking.languages)
    for other in (
        looking,
        name_sentences.NameSearch(looking.kinds, looking.languages, others_stay=True),
    ):
        sentence = name_sentences.other_languages_sentence(words, other)
        assert sentence in name_sentences.removal_sentence(words, other)
        assert language == "en" or sentence != name_sentences.other_languages_sentence(
            catalogue.catalogue("en"), other
        )


def test_a_notice_that_names_a_language_in_which_nothing_looks_any_more_promises_too_much() -> None:
    source = notice.list_shipped_sources(STRICT, ["en"])[0]
    text = notice.parse_notice(notice.fill(source, STRICT, ALL))
    assert (
        notice.unkept_promises(text, name_sentences.NameSearch(ALL.kinds, ("en",))) == "removes: sv"
    )


@pytest.mark.parametrize(
    ("words", "looks_for"),
    [
        (OLD_WORDS, ()),
        (OLD_WORDS, ("person",)),
        ("Names and addresses are replaced by others.", ()),
        ("Our software strips out who you are first.", ("address",)),
        ("Only anonymised chats are used.", ("person", "address")),
        ("What is used is anonymous.", ("person", "address")),
    ],
)
def test_words_of_ones_own_that_promise_more_are_not_published(
    pool: Pool, tmp_path: Path, words: str, looks_for: tuple[str, ...]
) -> None:
    installation = place(pool, tmp_path, "off")
    policy_changes.apply_policy(installation, STRICT, actor="test")
    known, source = (
        load_policies(installation),
        notice.list_shipped_sources(STRICT, ["en"])[0].replace(
            "We do not sell", f"{words} We do not sell"
        ),
    )
    with transaction(pool) as tx:
        before = notice.list_in_force(tx, 0)
        with pytest.raises(RefusedError, match="promises more than is done") as caught:
            notice.publish(
                tx,
                known,
                [source],
                version=None,
                now=BEGIN,
                by="test",
                random=installation.keyring.random,
                search=search(*looks_for),
            )
        assert notice.list_in_force(tx, 0) == before
    assert "{removes}" in caught.value.hint


@pytest.mark.parametrize(
    "words",
    [
        "Delete a chat, and its name is gone.",
        "We do not sell your name.",
        "What results is never anonymous.",
        "Rules replace e-mail addresses and identifiers.",
        "You can take out everything that we keep.",
        "Chats that you delete or keep out.",
        "We use your name in mails.",
    ],
)
def test_words_that_promise_no_removal_pass(words: str) -> None:
    assert dark_patterns.find_removal_promises(words) == {}


def test_kinds_that_a_notice_names_itself_are_held_too() -> None:
    source = notice.list_shipped_sources(STRICT, ["en"])[0].replace(
        '"{removes_kinds}"', "person organisation"
    )
    text = notice.parse_notice(notice.fill(source, STRICT, search("person")))
    assert notice.unkept_promises(text, search("person")) == "removes: organisation"
    assert notice.unkept_promises(text, search("person", "organisation")) == ""


# What is looked for


@pytest.mark.parametrize(
    ("names", "kinds", "found"),
    [
        ("off", ("person", "address"), set()),
        ("built-in", ("person", "address"), {"person", "address"}),
        ("built-in", ("person",), {"person"}),
        ("policy", ("person", "address"), {"person", "address"}),
    ],
)
def test_only_what_a_detector_is_made_for_counts_as_looked_for(
    tmp_path: Path, names: str, kinds: tuple[str, ...], found: set[str]
) -> None:
    config = Configuration(data=tmp_path, curate=Curate(names=names, names_kinds=kinds))
    looking = engine_settings.name_search(config)
    assert (looking.kinds, bool(looking.languages)) == (found, bool(found))


@pytest.mark.parametrize("names", ["off", "built-in", "policy"])
def test_what_a_notice_says_is_looked_for_a_build_looks_for(tmp_path: Path, names: str) -> None:
    config = Configuration(data=tmp_path, curate=Curate(names=names))
    built_with = engine_settings.name_search_step(config.curate)
    kinds = {kind.value for kind in built_with.kinds} if built_with is not None else set()
    assert engine_settings.name_search(config).kinds <= kinds
    assert bool(engine_settings.name_search(config).kinds) == (built_with is not None)
    if built_with is not None:
        (found,) = built_with.find_names(["My name is Maria Rossi and I work with Peter Miller."])
        assert {span.kind.value for span in found} >= {"person"}


# Building


def test_no_release_is_built_under_a_notice_that_promises_more_than_the_build_does(
    pool: Pool, tmp_path: Path
) -> None:
    promising, without = place(pool, tmp_path, "built-in"), place(pool, tmp_path, "off")
    policy_changes.apply_policy(promising, STRICT, actor="test")
    with pytest.raises(
        RefusedError,
        match="removes: address, da, de, en, es, fr, it, nl, person, pl, pt, ru, sv, uk",
    ) as caught:
        release_build.build_release(without, name="r", purpose="improve_models")
    assert caught.value.because == "notice_promises"
    assert "licet notice publish" in caught.value.hint
    assert catalog.list_releases(without) == []
    assert finding(without) is doctor.FindingState.broken
    policy_changes.publish_notices(without, actor="test")
    assert (
        release_build.build_release(without, name="r", purpose="improve_models").manifest.rows == 0
    )
    assert finding(without) is doctor.FindingState.well


def test_a_notice_of_before_with_its_old_words_is_held_to_them(pool: Pool, tmp_path: Path) -> None:
    installation = place(pool, tmp_path, "off")
    policy_changes.apply_policy(installation, STRICT, actor="test")
    old = [
        source.replace("{removes}", OLD_WORDS).replace('removes: "{removes_kinds}"\n', "")
        for source in notice.list_shipped_sources(STRICT, ["en"])
    ]
    with transaction(pool) as tx:
        notice.publish(
            tx,
            load_policies(installation),
            old,
            version=None,
            now=BEGIN,
            by="test",
            random=installation.keyring.random,
            search=ALL,
        )
    with pytest.raises(RefusedError, match="We remove personal details"):
        release_build.build_release(installation, name="r", purpose="improve_models")
    policy_changes.publish_notices(
        installation,
        [
            source.replace("that are yours", "of yours")
            for source in notice.list_shipped_sources(STRICT, ["en"])
        ],
        actor="test",
    )
    release_build.build_release(installation, name="r", purpose="improve_models")


def test_the_page_lists_the_countries_whose_ids_have_a_rule_and_no_other() -> None:
    page = " ".join(
        (Path(__file__).parents[2] / "docs" / "curate.md").read_text(encoding="utf-8").split()
    )
    listed = page.partition("The list has numbers of ")[2].partition(". Social security numbers")[0]
    rules_of = [
        rule.name
        for rule in rules.load_rules().rules
        if rule.kind is rules.IdentifierKind.NATIONAL_ID
    ]
    anywhere = {"licence_or_passport", national_numbers.ANYWHERE}
    countries = {name[:2].upper() for name in rules_of if name not in anywhere}
    names = Locale("en").territories
    assert sorted(listed.replace(" and ", ", ").split(", ")) == sorted(
        part for code in countries for part in names[code].replace(" and ", ", ").split(", ")
    )


def finding(installation: Installation) -> doctor.FindingState:
    return next(one.state for one in doctor.examine(installation) if one.what == "notices")
