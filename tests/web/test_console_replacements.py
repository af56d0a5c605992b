"""Replaced names in the console and the API: before beside after, by the rules of a review, with
marks that are counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from licet.access.roles import StaffRole
from licet.config import Configuration, Curate
from licet.curate import release_build
from licet.policy import file
from licet.policy.state import TurnRole
from licet.release.signatures import StaffMember
from licet.service import replacements
from licet.store.connect import Pool
from licet.vault.commands import Choose
from licet.vault.ids import uuid7
from licet.vault.installation import Installation

from .axe import violations
from .browsing import DESKTOP, PHONE, Site, browser, existing, unfold
from .people import Town, application, serving
from .served import NOTICE, World, api
from .test_console import form
from .test_console_review import post

__all__ = ["api", "browser"]

SAID = (
    "My name is Xqar Vundle and I live at 12 Mill Lane, Derby. How do I water a pear tree in a "
    "dry summer?"
)

OTHER = (
    "Our boiler has failed again, so please write a complaint. My name is Xqar Vundle, from 4 "
    "Harbour Road, Leeds."
)


@pytest.fixture
def world(pool: Pool, tmp_path: Path) -> World:
    """One whose policy has names replaced, so that what ships looks for them."""
    return World(pool, tmp_path / "data", file.preset("article-2025"))


class Replaced:
    """A world with a sealed release in which names of two people were replaced, and a third row
    without.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        world.clock.set(NOTICE)
        for name, said in (
            ("ana", SAID),
            ("bo", OTHER),
            ("cy", "How do I prune a quince tree?"),
        ):
            world.open(name, allow=True)
            world.say(name, f"{name}'s chat", said)
            world.say(name, f"{name}'s chat", "In the evening, with a can.", TurnRole.assistant)
        release_build.build_release(world.installation, name="autumn", purpose="improve_models")
        ((release,),) = world.rows("SELECT release_id FROM releases")
        self.release = release
        self.path, self.route = f"/console/releases/{release.hex}", f"/v1/releases/{release.hex}"


@pytest.fixture
def replaced(world: World) -> Replaced:
    return Replaced(world)


def test_a_reader_sees_before_beside_after_on_record_and_marks_are_counted(
    api: Any, replaced: Replaced
) -> None:
    world, reader = replaced.world, replaced.world.staff(StaffRole.reviewer)
    page = api.get(replaced.path, headers=reader).text
    assert (
        "Replaced names have not been reviewed against the original text." in page
        and "Xqar" not in page
    )
    opened = post(api, f"{replaced.path}/replacements", reader, rows="5")
    assert opened.status_code == 200 and "Rows opened: 2." in opened.text
    assert opened.text.count('<mark class="identifier">Xqar Vundle</mark>') == 2
    after = re.findall(r'<mark class="made_up">([^<]+)</mark>', opened.text)
    assert len(after) == 4 and not any("Xqar" in one or "Mill Lane" in one for one in after)
    assert world.rows("SELECT reason, count(*) FROM staff_reads GROUP BY reason") == [
        ("release_review", 2)
    ]
    chosen = re.findall(r'name="chosen" value="(\d+\.\d+)"', opened.text)
    assert len(chosen) == 4
    told = api.post(f"{replaced.path}/replacements/marks", **form(reader, chosen=chosen[0]))
    assert (told.status_code, told.headers["location"]) == (303, f"{replaced.path}#replacements")
    page = api.get(replaced.path, headers=reader).text
    assert (
        "Of 4 replaced names that were reviewed against the original text, 1 were marked as not a name"
        in page
    )
    assert "Xqar" not in page
    whole = api.get(replaced.route, headers=reader).json()["replacements"]
    assert (whole["shown"], whole["no_name"]) == (4, 1)
    assert {kind: one["shown"] for kind, one in whole["kinds"].items()} == {
        "person": 2,
        "address": 2,
    }
    assert (
        release_build.build_release(
            world.installation, name="next", purpose="improve_models"
        ).manifest.rows
        == 3
    )


def test_the_api_opens_marks_and_takes_a_mark_back_and_each_only_for_who_was_shown_it(
    api: Any, replaced: Replaced
) -> None:
    world, reader = replaced.world, replaced.world.staff(StaffRole.reviewer)
    opened = api.post(f"{replaced.route}/replacements", headers=reader, json={"rows": 1}).json()
    assert (opened["rows"], opened["differ"], len(opened["places"])) == (1, 0, 2)
    person = next(one for one in opened["places"] if one["kind"] == "person")
    assert person["said"]["name"] == "Xqar Vundle" and person["said"]["before"].endswith(
        "My name is "
    )
    assert person["leaves"]["before"].endswith("My name is ") and "Xqar" not in str(
        person["leaves"]
    )
    ref = {"row": person["row"], "place": person["place"]}
    marked = api.post(f"{replaced.route}/replacements/mark", headers=reader, json=ref)
    assert (marked.status_code, marked.json()["no_name"]) == (200, 1)
    again = api.post(f"{replaced.route}/replacements", headers=reader, json={"rows": 20}).json()
    assert [
        one["no_name"]
        for one in again["places"]
        if one["row"] == ref["row"] and one["place"] == ref["place"]
    ] == [True]
    back = api.post(
        f"{replaced.route}/replacements/mark", headers=reader, json={**ref, "no_name": False}
    )
    assert back.json()["no_name"] == 0
    other = world.staff(StaffRole.privacy_officer)
    assert (
        api.post(f"{replaced.route}/replacements/mark", headers=other, json=ref).status_code == 409
    )
    assert (
        api.post(
            f"{replaced.route}/replacements/mark", headers=reader, json={**ref, "place": 99}
        ).status_code
        == 409
    )
    assert world.rows("SELECT count(*) FROM staff_reads") == [(3,)]
    for role in (StaffRole.curator, StaffRole.auditor, StaffRole.owner):
        assert (
            api.post(
                f"{replaced.route}/replacements", headers=world.staff(role), json={}
            ).status_code
            == 403
        )
        assert "Read replaced names" not in api.get(replaced.path, headers=world.staff(role)).text
    assert world.rows("SELECT count(*) FROM staff_reads") == [(3,)]


def test_what_was_withdrawn_or_would_become_another_row_now_is_not_shown(
    api: Any, replaced: Replaced
) -> None:
    world, reader = replaced.world, replaced.world.staff(StaffRole.reviewer)
    for said in ("My friend Maria Rossi says that Vundle is a good name.", "Thank you."):
        world.say(
            "bo", "bo's chat", said, TurnRole.user if "friend" in said else TurnRole.assistant
        )
    opened = api.post(f"{replaced.route}/replacements", headers=reader, json={"rows": 5}).json()
    assert (opened["rows"], opened["differ"]) == (2, 0), "what was said since is no part of the row"
    world.tell(
        Choose(
            account=world.accounts["ana"],
            at=world.clock.now,
            allow=False,
            question="training",
            via="notice",
        )
    )
    opened = api.post(f"{replaced.route}/replacements", headers=reader, json={"rows": 5}).json()
    assert (opened["rows"], opened["differ"]) == (1, 0)
    config = msgspec.structs.replace(
        world.installation.config, curate=Curate(names_kinds=("address",))
    )
    installation = Installation(
        config=config,
        pool=world.installation.pool,
        keyring=world.installation.keyring,
        clock=world.installation.clock,
    )
    member = StaffMember(
        staff_id=uuid7(world.clock.now, bytes(10)),
        email="x",
        roles=frozenset({"reviewer"}),
        via="cli",
    )
    read = replacements.read_replacements(installation, "autumn", member)
    assert (read.rows, read.differ, read.places) == (0, 1, ())


def test_no_text_is_kept_of_what_a_reader_saw(api: Any, replaced: Replaced) -> None:
    reader = replaced.world.staff(StaffRole.reviewer)
    post(api, f"{replaced.path}/replacements", reader, rows="5")
    kept = replaced.world.rows("SELECT * FROM shown_replacements")
    assert len(kept) == 4 and "Xqar" not in str(kept) and "Mill" not in str(kept)
    assert api.get(f"{replaced.path}/replacements", headers=reader).status_code in (404, 405)


@pytest.fixture
def site(pool: Pool, tmp_path: Path, browser: Any) -> Iterator[Site]:
    town = Town(pool, tmp_path, "article-2025")
    config = Configuration(data=tmp_path, curate=Curate(names="built-in"))
    town.installation = Installation(
        config=config, pool=pool, keyring=town.installation.keyring, clock=town.clock
    )
    with serving(application(town)) as url:
        made = Site(town, url, browser)
        yield made
        made.close()


def test_axe_finds_nothing_on_the_page_of_replaced_names_and_nothing_scrolls_sideways(
    site: Site,
) -> None:
    town, found = site.town, []
    existing(site)
    town.choose("ana", True)
    town.say("ana", "Pear trees", SAID)
    release_build.build_release(town.installation, name="autumn", purpose="improve_models")
    for size, scheme in ((PHONE, "light"), (DESKTOP, "dark")):
        page = site.visit_as(
            tuple(StaffRole), "/console/releases", viewport=size, color_scheme=scheme
        )
        for role, name in (
            ("link", "autumn"),
            ("button", "Read and record replaced names"),
        ):
            unfold(page)
            with page.expect_navigation():
                page.get_by_role(role, name=name).click()
        found += [(page.url, scheme, *one) for one in violations(page)]
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.get_by_role("heading", name="Replaced names of autumn").is_visible()
    assert found == []
