"""The settings: what holds in one line, what a no would do before it is said, and the rest one
press below.
"""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pyroaring import BitMap

from licet.consent.catalogue import catalogue
from licet.store.connect import transaction
from licet.train import lineage

from .browsing import Site, browser, existing, site
from .served import NOTICE, World, api, world
from .test_pages_choices import answered
from .test_pages_truth import FORM, asked_on, send, usable
from .test_recipients_page import given, lab

__all__ = ["api", "browser", "lab", "site", "world"]

WORDS = catalogue("en")


def if_no(api: Any, world: World, name: str = "ana") -> list[str]:
    """The lines of what a no would do now, as the page has them."""
    html = api.get("/settings", headers=world.browser(name)).text
    found = re.search(r'aria-labelledby="if-no">(.*?)</section>', html, re.DOTALL)
    lines = re.findall(r"<span>(.*?)</span>", found[1]) if found else []
    return [unescape(line) for line in lines]


def learns(world: World) -> None:
    """A model is trained on the rows of the release."""
    ((release, ordinal),) = world.rows(
        "SELECT release_id, ordinal FROM release_rows WHERE account_id = %s", world.accounts["ana"]
    )
    at, model = world.clock.now, UUID(int=5)
    with transaction(world.installation.pool) as tx:
        tx.execute(
            """INSERT INTO models (model_id, name, release_id, recipe, rows, first_gate, last_gate,
                                   started_at, finished_at,
                                   recorded_at, statement, consumed)
               VALUES (%s, 'pelican', %s, 'sft', 1, 0, 0, %s, %s, %s, '', '')""",
            [model, release, at, at, at],
        )
        lineage.add_rows(tx, release, model, BitMap([ordinal]))


LOST = ["", "0" * 32, "another's", "zzz", "f" * 5_000]


@pytest.mark.parametrize("showing", LOST, ids=lambda text: text[:10])
@pytest.mark.parametrize("fragment", [False, True], ids=["page", "component"])
def test_a_no_on_a_page_that_is_not_on_record_is_saved_and_the_person_is_told(
    lab: World, api: Any, showing: str, fragment: bool
) -> None:
    """As after a restore of a backup that is older than the open page."""
    lab.open("ben", allow=True)
    showing = asked_on(api, lab.browser("ben")) if showing == "another's" else showing
    assert usable(lab)
    headers = lab.browser("ana") | ({"licet-fragment": "1"} if fragment else {})
    fields = f"allow=no&showing={showing}"
    made = api.post(
        "/settings", content=fields, headers={**headers, **FORM}, follow_redirects=False
    )
    said = api.get(made.headers["location"], headers=headers).text
    assert WORDS.say("done.no", purposes="").rpartition(" to")[0] in said
    assert not usable(lab)


def test_a_yes_on_a_page_that_is_not_on_record_gives_nothing_and_says_so(
    lab: World, api: Any
) -> None:
    headers = lab.browser("ana")
    send(api, headers, "/settings", allow="no", showing="0" * 32)
    said = send(api, headers, "/settings", allow="yes", showing="0" * 32)
    assert WORDS.say("again.unknown") in unescape(said)
    assert not usable(lab)


def test_before_a_no_the_settings_say_what_it_does_to_what_is_stored_given_out_and_learnt(
    lab: World, api: Any, tmp_path: Path
) -> None:
    stored = WORDS.say("if_no.stored", period="30 days")
    held = WORDS.count("if_no.releases", 1, minutes=60)
    asked_back = WORDS.say("settings.means.releases.plain", period="14 days")
    assert if_no(api, lab) == [stored, held]
    given(lab, tmp_path / "out")
    assert if_no(api, lab) == [stored, held, WORDS.count("if_no.recipients", 1), asked_back]
    learns(lab)
    model = WORDS.count("if_no.models", 1)
    assert if_no(api, lab) == [stored, held, WORDS.count("if_no.recipients", 1), asked_back, model]
    headers = lab.browser("ana")
    said = send(api, headers, "/settings", allow="no", showing=asked_on(api, headers))
    assert not usable(lab)
    (until,) = lab.rows(
        "SELECT max(keep_until) FROM segments WHERE account_id = %s", lab.accounts["ana"]
    )[0]
    assert until <= lab.clock.now + timedelta(days=30), "and is kept for no longer than it said"
    assert "They may not be used any more, and are about to be asked back." in said
    assert "pelican, finished on" in said, "and the model stays"
    assert if_no(api, lab) == [], "there is nothing left for a no to do"


def test_who_allows_and_whose_chats_went_nowhere_is_told_that(world: World, api: Any) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    headers = world.browser("ana")
    assert if_no(api, world) == [], "nothing is allowed yet"
    send(api, headers, "/settings", allow="yes", showing=asked_on(api, headers))
    assert if_no(api, world) == [
        WORDS.say("if_no.stored", period="30 days"),
        WORDS.say("if_no.nothing_given"),
    ]


def test_what_holds_is_one_line_with_its_pill_and_the_rest_is_folded_and_whole(site: Site) -> None:
    existing(site)
    page = site.visit("ana", "/settings")
    assert page.locator(".pill.now").all_inner_texts() == ["Not answered"]
    for answer, pill in (
        ("Use my chats", "May be used"),
        ("Don’t use my chats", "Will not be used"),
    ):
        page.get_by_role("button", name=answer, exact=True).click()
        assert page.locator(".pill.now").all_inner_texts() == [pill]
    folds = page.locator("details.fold")
    assert folds.count() == 5
    assert page.locator("details[open]").count() == 0
    for fold in folds.all():
        fold.locator("summary").click()
        assert len(fold.inner_text().splitlines()) >= 2


@pytest.mark.parametrize("site", ["strict"], indirect=True)
def test_each_of_two_questions_has_its_own_line_its_own_pill_and_its_own_pair(site: Site) -> None:
    answered(site, models=True, safety=False)
    cards = site.visit("ana", "/settings").locator("section.card").all()
    assert [card.locator(".pill").inner_text() for card in cards] == [
        "May be used",
        "Will not be used",
    ]
    assert [card.get_by_role("button").count() for card in cards] == [2, 2]
    assert ["may be used to improve models" in card.inner_text() for card in cards] == [True, False]
