"""Names are never left in silently: the policy allows it, and the notice, the manifest and the card
say so alike.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from licet import doctor, verifier
from licet.config import Configuration, Curate
from licet.consent import catalogue, name_sentences, notice
from licet.curate import release_build
from licet.curate.rules import IdentifierKind
from licet.errors import RefusedError
from licet.policy import file
from licet.policy.file import NamesTerm, Policy
from licet.policy.period import instant
from licet.proof import documents
from licet.release import catalog
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.vault.installation import Installation

from ..installed import House
from ..terms import preset
from .test_build import IMPROVE
from .test_curated import build, named

SAID = "Nothing looks for names and street addresses: they are left in."


def house_under(pool: Pool, folder: Path, policy: Policy) -> House:
    """Ana says a name under this policy, where nothing looks for names."""
    house = House(pool, folder / "data", policy)
    house.open("ana", allow=True)
    house.talk("ana", "a1", "I am Maria Rossi", "hello")
    return house


def from_the_desk(house: House) -> release_build.BuildResult:
    return release_build.build_release(house.installation, name="r", purpose=IMPROVE)


def test_where_nothing_finds_names_no_release_is_built_unless_the_policy_lets_them_in(
    pool: Pool, tmp_path: Path
) -> None:
    house = house_under(pool, tmp_path, file.preset("article-2025"))
    with pytest.raises(RefusedError, match="nothing here looks for people's names") as refused:
        from_the_desk(house)
    assert refused.value.because == "names"
    assert "LICET_CURATE__NAMES" in refused.value.hint and "`names: left in`" in refused.value.hint
    assert (
        catalog.list_releases(house.installation) == []
        and not (house.installation.config.releases / "r").exists()
    )
    (found,) = [one for one in doctor.examine(house.installation) if one.what == "names"]
    assert "no release is built" in found.seen


def test_kinds_without_people_are_not_names(pool: Pool, tmp_path: Path) -> None:
    house = house_under(pool, tmp_path, file.preset("article-2025"))
    with pytest.raises(RefusedError, match="names: left in"):
        build(house, pipeline=named(house, kinds=(IdentifierKind.ADDRESS,)))
    made = build(house, pipeline=named(house)).manifest.deidentification
    assert made.left_in is msgspec.UNSET and "person" in made.names.kinds


def test_notice_manifest_and_card_say_in_the_same_words_that_names_are_left_in(
    pool: Pool, tmp_path: Path
) -> None:
    house = house_under(pool, tmp_path, preset("article-2025"))
    built = from_the_desk(house)
    assert built.manifest.deidentification.left_in == SAID
    card = " ".join((built.folder / "README.md").read_text("utf-8").split())
    assert f"{SAID} Each version of the policy up to `2025-08-28` says `names: left in`." in card
    with transaction(pool) as tx:
        published = notice.list_in_force(tx, 0)
    assert len(published) == 2 and all(SAID in " ".join(one.text.body.split()) for one in published)


def test_a_stranger_proves_it(pool: Pool, tmp_path: Path) -> None:
    house = house_under(pool, tmp_path, preset("article-2025"))
    built = from_the_desk(house)
    documents.append(house.installation)
    log = verifier.FolderFiles(house.installation.config.data / "log" / "2025")
    trusted = verifier.trust(documents.key(house.installation, 2025).vkey)
    report = verifier.check_release(verifier.FolderFiles(built.folder), trusted, log)
    assert (report.answer, report.findings) == ("proved", [])
    assert "names" in [part.what for part in report.parts]


def test_what_was_said_while_names_were_to_be_replaced_is_in_no_release_that_leaves_them_in(
    pool: Pool, tmp_path: Path
) -> None:
    house = house_under(pool, tmp_path, file.preset("article-2025"))
    later = msgspec.structs.replace(
        preset("article-2025"), version="later", effective=instant("2025-09-05"), decide_by=None
    )
    policy_changes.apply_policy(house.installation, later, actor="test")
    house.passes(10)
    with pytest.raises(
        RefusedError, match="version `2025-08-28` of the policy does not say `names: left in`"
    ):
        from_the_desk(house)


def test_a_notice_of_ones_own_must_say_it_too(pool: Pool, tmp_path: Path) -> None:
    house = house_under(pool, tmp_path, preset("article-2025"))
    silent = [
        one.replace("{removes} ", "")
        for one in notice.list_shipped_sources(preset("article-2025"), ["en"])
    ]
    with pytest.raises(RefusedError, match="the notice in `en` does not say so") as refused:
        policy_changes.publish_notices(house.installation, silent, actor="test")
    assert refused.value.because == "notice_silent" and SAID in refused.value.hint
    said = [
        one.replace("{removes}", SAID)
        for one in notice.list_shipped_sources(preset("article-2025"), ["en"])
    ]
    assert all(
        one.new for one in policy_changes.publish_notices(house.installation, said, actor="test")
    )


def test_no_release_leaves_names_in_under_a_notice_of_before_that_is_silent(
    pool: Pool, tmp_path: Path
) -> None:
    house = house_under(pool, tmp_path, preset("article-2025"))
    silent = [
        one.replace("{removes} ", "")
        for one in notice.list_shipped_sources(preset("article-2025"), ["en"])
    ]
    finding = Installation(
        config=Configuration(
            data=house.installation.config.data,
            curate=Curate(names="built-in", names_kinds=("person",)),
        ),
        pool=pool,
        keyring=house.installation.keyring,
        clock=house.clock,
    )
    silent = [one.replace('removes: "{removes_kinds}"\n', "") for one in silent]
    policy_changes.publish_notices(finding, silent, actor="test")
    with pytest.raises(RefusedError, match="names are left in, and the notice") as refused:
        from_the_desk(house)
    assert refused.value.because == "notice_silent"


@pytest.mark.parametrize("language", sorted(catalogue.load_languages().names))
def test_the_notice_says_it_in_every_language(language: str) -> None:
    policy = preset("strict")
    sentence = name_sentences.left_in_sentence(catalogue.catalogue(language), ())
    assert sentence != SAID or language == "en"
    for source in notice.list_shipped_sources(policy, [language]):
        text = notice.parse_notice(notice.fill(source, policy))
        assert notice.missing_disclosure(text, policy, notice.NO_SEARCH) == ""
        assert (
            notice.missing_disclosure(
                msgspec.structs.replace(text, body=text.title), policy, notice.NO_SEARCH
            )
            == sentence
        )


@pytest.mark.parametrize("name", file.PRESETS)
def test_a_preset_has_names_replaced_and_lets_them_in_where_it_is_asked_to(name: str) -> None:
    day = instant("2027-01-02").date()
    assert (
        file.parse(policy_changes.dated_preset(name, day).encode(), "").names is NamesTerm.replaced
    )
    made = file.parse(policy_changes.dated_preset(name, day, names_left_in=True).encode(), "")
    assert made.names is NamesTerm.left_in
    assert made.document()["names"] == "left in" and "names" not in file.preset(name).document()
