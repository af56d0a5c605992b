"""A notice says of what is taken out of a text what the installed detectors do, and no release is built under another."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel import Locale

from licet import doctor
from licet.config import Configuration, Curate
from licet.consent import catalogue, notice, pressing_words
from licet.curate import engine_settings, national_numbers, release_build, rules
from licet.errors import RefusedError
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.release import catalog
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.vault import installation
from licet.vault.installation import Installation

from ..installed import BEGIN
from ..state_hook import lived
from ..terms import preset

STRICT = preset("strict")
OLD_WORDS = "We remove personal details such as addresses and numbers before anything is used."
ALL = frozenset({"person", "address"})


def place(pool: Pool, folder: Path, names: str, kinds: tuple[str, ...] = ("person", "address")) -> Installation:
    """An installation that looks for names as it is told."""
    return lived(Installation(
        config=Configuration(data=folder, curate=Curate(names=names, names_kinds=kinds)), pool=pool,
        keyring=Keyring(FileProvider(folder / "keys")), clock=lambda: BEGIN,
    ))  # fmt: skip


# What a notice says


@pytest.mark.parametrize(
    ("looks_for", "says", "does_not_say"),
    [
        ((), "Nothing looks for names and street addresses: they are left in.", "A model"),
        (
            ("person",),
            "A model looks for names, and what it recognises is replaced too. Nothing looks for street",
            "names and street",
        ),
        (("person", "address"), "A model looks for names and street addresses, and what", "Nothing looks"),
        (("address", "person", "place"), "A model looks for places, names and street addresses", "Nothing looks"),
    ],
)
def test_a_shipped_notice_says_what_is_looked_for_and_what_is_not(
    looks_for: tuple[str, ...], says: str, does_not_say: str
) -> None:
    for source in notice.shipped(STRICT, ["en"]):
        text = notice.read(notice.fill(source, STRICT, looks_for))
        sentence = notice.removes(catalogue.catalogue("en"), looks_for)
        assert sentence in text.body
        assert says in text.body
        assert does_not_say not in sentence
        assert sentence.startswith(
            "Before anything is used, rules replace the identifiers and secrets that they recognise"
        )
        assert sentence.endswith("Not everything is found, and what a text tells can still show who wrote it.")
        assert (text.removes.split(), notice.overpromised(text, looks_for)) == (sorted(looks_for), "")


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
    here = place(pool, tmp_path, "off")
    policy_changes.apply_policy(here, STRICT, by="test")
    known, source = (
        installation.policies(here),
        notice.shipped(STRICT, ["en"])[0].replace("We do not sell", f"{words} We do not sell"),
    )
    with transaction(pool) as tx:
        before = notice.in_force(tx, 0)
        with pytest.raises(RefusedError, match="promises more than is done") as caught:
            notice.publish(
                tx, known, [source], version=None, at=BEGIN, by="test", random=here.keyring.random, looks_for=looks_for
            )
        assert notice.in_force(tx, 0) == before
    assert "{removes}" in caught.value.hint


@pytest.mark.parametrize(
    "words",
    [
        "Delete a chat, and its name is gone.", "We do not sell your name.", "What results is never anonymous.",
        "Rules replace e-mail addresses and identifiers.",
        "You can take out everything that we keep.", "Chats that you delete or keep out.",
        "We use your name in mails.",
    ],
)  # fmt: skip
def test_words_that_promise_no_removal_pass(words: str) -> None:
    assert pressing_words.removals(words) == {}


def test_kinds_that_a_notice_names_itself_are_held_too() -> None:
    source = notice.shipped(STRICT, ["en"])[0].replace('"{removes_kinds}"', "person organisation")
    text = notice.read(notice.fill(source, STRICT, ("person",)))
    assert notice.overpromised(text, ("person",)) == "removes: organisation"
    assert notice.overpromised(text, ("person", "organisation")) == ""


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
    assert (
        engine_settings.looks_for(Configuration(data=tmp_path, curate=Curate(names=names, names_kinds=kinds))) == found
    )


@pytest.mark.parametrize("names", ["off", "built-in", "policy"])
def test_what_a_notice_says_is_looked_for_a_build_looks_for(tmp_path: Path, names: str) -> None:
    config = Configuration(data=tmp_path, curate=Curate(names=names))
    built_with = engine_settings.named(config.curate)
    kinds = {kind.value for kind in built_with.kinds} if built_with is not None else set()
    assert engine_settings.looks_for(config) <= kinds
    assert bool(engine_settings.looks_for(config)) == (built_with is not None)
    if built_with is not None:
        (found,) = built_with.found(["My name is Maria Rossi and I work with Peter Miller."])
        assert {span.kind.value for span in found} >= {"person"}


# Building


def test_no_release_is_built_under_a_notice_that_promises_more_than_the_build_does(pool: Pool, tmp_path: Path) -> None:
    promising, without = place(pool, tmp_path, "built-in"), place(pool, tmp_path, "off")
    policy_changes.apply_policy(promising, STRICT, by="test")
    with pytest.raises(RefusedError, match="removes: address, person") as caught:
        release_build.build_release(without, name="r", purpose="improve_models")
    assert caught.value.because == "notice_promises"
    assert "licet notice publish" in caught.value.hint
    assert catalog.releases(without) == []
    assert finding(without) is doctor.FindingState.broken
    policy_changes.publish_notices(without, by="test")
    assert release_build.build_release(without, name="r", purpose="improve_models").manifest.rows == 0
    assert finding(without) is doctor.FindingState.well


def test_a_notice_of_before_with_its_old_words_is_held_to_them(pool: Pool, tmp_path: Path) -> None:
    here = place(pool, tmp_path, "off")
    policy_changes.apply_policy(here, STRICT, by="test")
    old = [
        source.replace("{removes}", OLD_WORDS).replace('removes: "{removes_kinds}"\n', "")
        for source in notice.shipped(STRICT, ["en"])
    ]
    with transaction(pool) as tx:
        notice.publish(
            tx,
            installation.policies(here),
            old,
            version=None,
            at=BEGIN,
            by="test",
            random=here.keyring.random,
            looks_for=ALL,
        )
    with pytest.raises(RefusedError, match="We remove personal details"):
        release_build.build_release(here, name="r", purpose="improve_models")
    policy_changes.publish_notices(
        here, [source.replace("that are yours", "of yours") for source in notice.shipped(STRICT, ["en"])], by="test"
    )
    release_build.build_release(here, name="r", purpose="improve_models")


def test_the_page_lists_the_countries_whose_ids_have_a_rule_and_no_other() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "curate.md").read_text(encoding="utf-8").split())
    listed = page.partition("The list has numbers of ")[2].partition(". Social security numbers")[0]
    rules_of = [rule.name for rule in rules.ours().rules if rule.kind is rules.IdentifierKind.NATIONAL_ID]
    anywhere = {"licence_or_passport", national_numbers.ANYWHERE}
    countries = {name[:2].upper() for name in rules_of if name not in anywhere}
    names = Locale("en").territories
    assert sorted(listed.replace(" and ", ", ").split(", ")) == sorted(
        part for code in countries for part in names[code].replace(" and ", ", ").split(", ")
    )


def finding(here: Installation) -> doctor.FindingState:
    return next(one.state for one in doctor.examine(here) if one.what == "notices")
