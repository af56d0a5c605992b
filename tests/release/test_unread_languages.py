"""A language in which nothing looks for names: said alike by notice, manifest and card; left out,
or the build stops.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from licet.cli.root import EXIT_NO
from licet.config import Configuration, Curate
from licet.consent import notice
from licet.curate import release_build
from licet.policy import file
from licet.policy.file import Policy, UnreadLanguagesTerm
from licet.policy.period import instant
from licet.release import catalog
from licet.release.build_order import UnreadLanguagesError
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.vault.installation import Installation

from ..installed import House
from .test_build import IMPROVE

GREEK = "Με λένε Ελένη και θέλω να μάθω πώς γράφω ένα γράμμα στη γειτόνισσά μου για το δέντρο."
FINNISH = (
    "Minun nimeni on Aino ja haluan tietää miten kirjoitan kirjeen naapurilleni, koska puu "
    "on "
    "liian suuri."
)
ENGLISH = "How do I write a letter to the neighbour about the tree that is too tall for our garden?"
OTHERS = (
    "Nothing looks for names and street addresses in other languages: a conversation in which "
    "another language is"
    " recognised is not used."
)
STAY = "Nothing looks for names and street addresses in other languages: they are left in."


def house_under(pool: Pool, folder: Path, policy: Policy) -> tuple[House, Installation]:
    """Ana writes in English, in Greek and in Finnish, where what ships looks for names."""
    house = House(pool, folder / "data", policy)
    config = Configuration(data=house.installation.config.data, curate=Curate(names="built-in"))
    installation = Installation(
        config=config, pool=pool, keyring=house.installation.keyring, clock=house.clock
    )
    policy_changes.publish_notices(installation, actor="test")
    house.open("ana", allow=True)
    house.talk("ana", "a1", ENGLISH, "Begin with a greeting.")
    house.talk("ana", "a2", GREEK, "Begin with a greeting.")
    house.talk("ana", "a3", FINNISH, "Begin with a greeting.")
    return house, installation


def build(installation: Installation, name: str = "r") -> release_build.BuildResult:
    return release_build.build_release(installation, name=name, purpose=IMPROVE)


def test_notice_manifest_and_card_say_in_the_same_words_what_happens_in_other_languages(
    pool: Pool, tmp_path: Path
) -> None:
    _, installation = house_under(pool, tmp_path, file.preset("article-2025"))
    built = build(installation)
    made = built.manifest.deidentification
    assert built.manifest.counts.dropped == {"unread_language": 4}
    assert (made.names.other_languages, made.unread) == (OTHERS, {"el": 1, "fi": 1})
    card = " ".join((built.folder / "README.md").read_text("utf-8").split())
    assert f"{OTHERS} Conversations left out for that: 1 in `el`, 1 in `fi`." in card
    with transaction(pool) as tx:
        published = [one for one in notice.list_in_force(tx, 0) if one.language == "en"]
    assert published and all(OTHERS in " ".join(one.text.body.split()) for one in published)


def test_where_names_may_stay_the_same_three_say_that_they_do(pool: Pool, tmp_path: Path) -> None:
    policy = msgspec.structs.replace(file.preset("article-2025"), names=file.NamesTerm.left_in)
    _, installation = house_under(pool, tmp_path, policy)
    built = build(installation)
    made = built.manifest.deidentification
    assert (made.names.other_languages, made.unread, built.manifest.rows) == (
        STAY,
        msgspec.UNSET,
        3,
    )
    assert STAY in " ".join((built.folder / "README.md").read_text("utf-8").split())
    with transaction(pool) as tx:
        published = [one for one in notice.list_in_force(tx, 0) if one.language == "en"]
    assert published and all(STAY in " ".join(one.text.body.split()) for one in published)


def test_a_build_stops_where_the_policy_says_so_and_goes_on_under_a_version_that_does_not(
    pool: Pool, tmp_path: Path
) -> None:
    stops = msgspec.structs.replace(
        file.preset("article-2025"), unread_languages=UnreadLanguagesTerm.build_stopped
    )
    house, installation = house_under(pool, tmp_path, stops)
    with pytest.raises(
        UnreadLanguagesError, match="1 in `el`, 1 in `fi`; nothing is sealed"
    ) as stopped:
        build(installation)
    assert (stopped.value.because, stopped.value.exit_code) == ("unread_language", EXIT_NO)
    assert not any(one.state == "sealed" for one in catalog.list_releases(installation))
    later = msgspec.structs.replace(
        file.preset("article-2025"),
        version="later",
        effective=instant("2025-09-05"),
        decide_by=None,
        material=False,
    )
    policy_changes.apply_policy(installation, later, actor="test")
    house.passes(10)
    assert build(installation).manifest.deidentification.unread == {"el": 1, "fi": 1}


def test_the_term_is_read_written_and_of_no_weight_where_it_is_not_there() -> None:
    plain = file.preset("strict")
    stops = msgspec.structs.replace(plain, unread_languages=UnreadLanguagesTerm.build_stopped)
    assert "unread_languages" not in plain.document()
    assert (
        stops.document()["unread_languages"] == "build stopped" and stops.sha256() != plain.sha256()
    )
    assert file.from_document(json.loads(stops.text())) == stops
