"""To take an answer back at once: an answer like any other, offered where it is the opposite, with
what it cannot restore.
"""

from __future__ import annotations

from typing import Any

import pytest

from .browsing import Site, browser, existing, site
from .test_pages_choices import (
    MODELS,
    SAFETY,
    allow_project,
    answered,
    chat_in,
    grants,
    state,
    text,
    usable,
)

__all__ = ["browser", "site"]

strict = pytest.mark.parametrize("site", ["strict"], indirect=True)
SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
AS_NO = "Undo takes this permission back, which counts as a no. Your record keeps both."


def undo(page: Any) -> Any:
    return page.get_by_role("button", name="Undo")


def said(site: Site) -> list[tuple[bool, str]]:
    return [(one.allow, one.effect) for one in site.town.seen("ana").choices]


@SCRIPT
def test_a_yes_is_undone_by_a_no_and_the_record_keeps_both(site: Site, script: bool) -> None:
    existing(site)
    page = site.visit("ana", "/settings", java_script_enabled=script)
    page.get_by_role("button", name="Use my chats", exact=True).click()
    bees = site.town.say("ana", "Bees")
    assert usable(site.town, bees) == {MODELS, SAFETY}
    assert AS_NO in text(page)
    undo(page).click()
    assert said(site) == [(True, "began"), (False, "withdrew")]
    assert usable(site.town, bees) == set()
    assert "You took your permission back on" in text(page)
    page.locator("#record summary").click()
    assert page.locator("#record .record > li").count() == 2


@strict
@SCRIPT
def test_a_no_is_undone_by_a_new_yes_that_counts_from_then_on_and_restores_nothing(
    site: Site, script: bool
) -> None:
    town = answered(site, models=True, safety=False)
    before = town.say("ana", "Bees")
    page = site.visit("ana", "/settings", java_script_enabled=script)
    page.get_by_role("button", name="Don’t use my chats to improve models").click()
    told = (
        "Undo is a new yes to “Use my chats to improve models”, from then on. What the no "
        "ended "
        "does not come back: "
    )
    assert f"{told}what you said under it is not used again. Your record keeps both." in text(page)
    undo(page).click()
    assert [one for one in said(site) if one[1] != "declined"] == [
        (True, "began"),
        (False, "withdrew"),
        (True, "began"),
    ]
    assert {grant.number for grant in state(town).grants} == {2}, (
        "another grant than the one that ended"
    )
    assert usable(town, before) == set()
    assert usable(town, town.say("ana", "Frost")) == {MODELS}
    assert usable(town, town.say("ana", "Bees", "and in winter?")) == {MODELS}, (
        "what is said from then on"
    )


def test_where_a_yes_reaches_back_an_older_chat_is_used_once_one_goes_on_in_it(site: Site) -> None:
    existing(site)
    site.town.choose("ana", True)
    bees = site.town.say("ana", "Bees")
    page = site.visit("ana", "/settings")
    page.get_by_role("button", name="Don’t use my chats").click()
    assert "an older chat is used again only once you go on in it" in text(page)
    undo(page).click()
    assert usable(site.town, bees) == set()
    site.town.say("ana", "Bees", "and in winter?")
    assert usable(site.town, bees) == {MODELS, SAFETY}


@SCRIPT
def test_an_undo_of_a_no_from_a_page_that_is_older_than_another_no_counts_for_nothing(
    site: Site, script: bool
) -> None:
    existing(site)
    site.town.choose("ana", True)
    old = site.visit("ana", "/settings", java_script_enabled=script)
    old.get_by_role("button", name="Don’t use my chats").click()
    site.town.choose("ana", False)
    undo(old).click()
    assert "is older than your answer of" in text(old)
    assert grants(site.town) == []


@strict
def test_nothing_is_offered_where_the_opposite_would_allow_more_than_there_was(site: Site) -> None:
    existing(site)
    page = site.visit("ana", "/settings")
    page.get_by_role("button", name="Don’t use my chats to improve models").click()
    assert "Saved: your chats will not be used to improve models." in text(page)
    assert undo(page).count() == 0, "a first no is undone by no yes"
    page.get_by_role("button", name="Don’t use my chats to recognise misuse").click()
    chat_in(site.town, "Garden", "Pears")
    allow_project(site.town, "Garden")
    page.goto(site.url + "/settings")
    page.get_by_role("button", name="Don’t use my chats to improve models").click()
    assert said(site)[-1] == (False, "withdrew"), "it ended the yes for the project"
    assert undo(page).count() == 0, "a yes for all of the account would be more than that"


@strict
def test_nothing_is_offered_for_what_does_not_hold_any_more_or_was_said_elsewhere(
    site: Site,
) -> None:
    town = answered(site, models=True, safety=False)
    page = site.visit("ana", "/settings")
    page.get_by_role("button", name="Don’t use my chats to improve models").click()
    assert undo(page).count() == 1
    town.choose("ana", True, "models")
    page.reload()
    assert undo(page).count() == 0
    number = town.seen("ana").choices[-1]
    page.goto(f"{site.url}/settings?flash=99")
    assert (undo(page).count(), number.allow) == (0, True)
