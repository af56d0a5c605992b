"""Stories of a finer choice, in a real browser: by question, by project, by chat. Each ends with
what the vault then answers.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from licet.policy.file import from_document
from licet.policy.period import instant
from licet.policy.state import AccountState
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.vault import account_view
from licet.vault.commands import ChosenScope, Narrow, SetAge, SetPlan
from licet.vault.content import Content, encode
from licet.vault.installation import load_policies

from .browsing import PHONE, Site, browser, existing, site
from .people import Town

__all__ = ["browser", "site"]

strict = pytest.mark.parametrize("site", ["strict"], indirect=True)
BOTH = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
MODELS, SAFETY = "improve_models", "safety_classifiers"


def text(page: Any) -> str:
    return str(page.locator("main").inner_text())


def state(town: Town, name: str = "ana") -> AccountState:
    at, account = town.clock.now, town.accounts[name]
    known = load_policies(town.installation)
    with transaction(town.installation.pool) as tx:
        return account_view.account_at(
            account_view.load_accounts(tx, [account])[account], known, at
        ).account


def grants(town: Town) -> list[tuple[str, str]]:
    """The grants in force, by question and kind of scope."""
    return [(grant.question, grant.scope.kind.value) for grant in state(town).grants]


def usable(town: Town, conversation: UUID) -> set[str]:
    """The purposes for which the newest turn of a conversation may be used."""
    known, at, account = load_policies(town.installation), town.clock.now, town.accounts["ana"]
    with transaction(town.installation.pool) as tx:
        seen = account_view.load_views(tx, [(account, conversation)], known, at, with_turns=True)[
            conversation
        ]
    return {
        purpose
        for purpose in (MODELS, SAFETY)
        if seen.decide(seen.turn_states[-1], known, purpose).use
    }


def chat_in(town: Town, project: str, chat: str) -> UUID:
    title = encode(Content(text=project))
    return town.say("ana", chat, host_project=town.host("project", project), project_title=title)


def answered(site: Site, *, models: bool, safety: bool) -> Town:
    """Ana, who was there before the terms and has answered both questions."""
    existing(site)
    site.town.choose("ana", models, "models")
    site.town.choose("ana", safety, "safety")
    return site.town


def allow_project(town: Town, project: str, question: str = "models") -> None:
    town.choose(
        "ana", True, question, scope=ChosenScope(host_project=town.host("project", project))
    )


@strict
@BOTH
def test_two_questions_are_answered_differently_on_a_phone(site: Site, script: bool) -> None:
    existing(site)
    town = site.town
    page = site.visit("ana", "/notice", viewport=PHONE, java_script_enabled=script)
    assert page.locator("input:checked").count() == 0
    page.get_by_label("I accept the new terms.").check()
    page.locator("#allow-models-no").check()
    page.get_by_role("button", name="Save my answers").click()
    assert (
        "Pick one of the two answers to “May we use your chats and coding sessions to "
        "recognise misuse?”"
    ) in text(page)
    assert state(town).standings == (), "nothing counts before each is answered"
    assert page.locator("#allow-models-no").is_checked()
    page.locator("#allow-safety-yes").check()
    page.get_by_role("button", name="Save my answers").click()
    said = text(page)
    assert "Saved: your chats will not be used to improve models." in said
    assert "Saved: from now on your chats may be used to recognise misuse." in said
    assert (town.standing("ana", "models"), town.standing("ana", "safety")) == (
        "declined",
        "granted",
    )
    assert usable(town, town.say("ana", "Bees")) == {SAFETY}
    page.goto(site.url + "/settings")
    said = text(page)
    assert (
        "Your chats and coding sessions are not used to improve models. You said no on 1 "
        "September 2025."
    ) in said
    assert "Your chats and coding sessions may be used to recognise misuse." in said
    assert "You answered on 1 September 2025, 10:00 UTC, on the notice. This was in “app”." in said
    page.get_by_role("button", name="Don’t use my chats to recognise misuse").click()
    assert town.standing("ana", "safety") == "withdrawn"
    assert usable(town, town.say("ana", "Bees")) == set()


@strict
@BOTH
def test_a_no_keeps_the_one_project_that_is_ticked_and_ends_the_other(
    site: Site, script: bool
) -> None:
    town = answered(site, models=False, safety=False)
    garden, kitchen = chat_in(town, "Garden", "Pears"), chat_in(town, "Kitchen", "Soup")
    allow_project(town, "Garden")
    allow_project(town, "Kitchen")
    for project, chat in (("Garden", "Pears"), ("Kitchen", "Soup")):
        chat_in(town, project, chat)
    assert (usable(town, garden), usable(town, kitchen)) == ({MODELS}, {MODELS})
    page = site.visit("ana", "/settings", java_script_enabled=script)
    assert (
        "But for what you allow by itself: the project “Garden” and the project “Kitchen”."
        in text(page)
    )
    section = page.locator("section[aria-labelledby=change-models]")
    assert section.get_by_role("checkbox").count() == 2
    assert page.locator("input:checked").count() == 0, "nothing is ticked for anybody"
    section.get_by_label("Keep the project “Garden”").check()
    section.get_by_role("button", name="Don’t use my chats to improve models").click()
    said = text(page)
    assert (
        "Saved: your chats will not be used to improve models. What you kept stays allowed." in said
    )
    assert "But for what you allow by itself: the project “Garden”." in said
    assert (usable(town, garden), usable(town, kitchen)) == ({MODELS}, set())
    assert grants(town) == [("models", "project")]


@strict
@BOTH
def test_use_this_one_lets_a_kept_out_chat_in_for_every_question_that_is_allowed(
    site: Site, script: bool
) -> None:
    town = answered(site, models=False, safety=True)
    bees = town.say("ana", "Bees")
    town.tell(Narrow(account=town.accounts["ana"], at=town.clock.now, conversation=bees))
    page = site.visit("ana", f"/chats/conv_{bees.hex}", java_script_enabled=script)
    told = (
        "It lets this chat in for every question that is allowed: what you say in it from then "
        "on may be used to"
    )
    assert f"{told} improve models and recognise misuse." in text(page)
    page.get_by_role("button", name="Use this one to improve models").click()
    assert "Saved: you allow this chat by itself to improve models." in text(page)
    assert grants(town) == [("safety", "account"), ("models", "conversation")]
    assert usable(town, bees) == set(), "what was said until then stays out"
    town.clock.set(town.clock.now + timedelta(minutes=1))
    assert usable(town, town.say("ana", "Bees")) == {MODELS, SAFETY}
    assert usable(town, town.say("ana", "Frost")) == {SAFETY}
    page.reload()
    page.get_by_role("button", name="As in my settings").click()
    assert "Saved: this chat follows your settings." in text(page)
    assert grants(town) == [("safety", "account")]
    assert usable(town, bees) == {SAFETY}


@strict
@BOTH
def test_a_project_is_kept_out_with_all_its_chats_and_let_in_again(
    site: Site, script: bool
) -> None:
    town = answered(site, models=True, safety=False)
    pears = chat_in(town, "Garden", "Pears")
    assert usable(town, pears) == {MODELS}
    page = site.visit("ana", "/settings", java_script_enabled=script)
    page.get_by_role("link", name="Garden", exact=True).click()
    assert "You allow this project already to improve models." in text(page)
    page.get_by_role("button", name="Keep this one out").click()
    assert "Kept out: none of its chats will be used." in text(page)
    assert usable(town, pears) == set()
    assert usable(town, chat_in(town, "Garden", "Plums")) == set(), (
        "what begins in it later begins kept out"
    )
    assert usable(town, town.say("ana", "Bees")) == {MODELS}
    page.goto(site.url + "/settings")
    assert "You keep it out since 1 September 2025" in text(page)
    page.get_by_role("link", name="Garden", exact=True).click()
    page.get_by_role("button", name="As in my settings").click()
    assert "Saved: this project follows your settings." in text(page)
    assert usable(town, chat_in(town, "Garden", "Quinces")) == {MODELS}
    assert usable(town, chat_in(town, "Garden", "Pears")) == set(), (
        "each that was kept out stays so"
    )


@strict
def test_a_project_is_allowed_by_itself_and_follows_the_settings_again(site: Site) -> None:
    town = answered(site, models=False, safety=False)
    chat_in(town, "Garden", "Pears")
    allow_project(town, "Kitchen", "safety")
    page = site.visit("ana", "/settings")
    page.get_by_role("link", name="Garden", exact=True).click()
    page.get_by_role("button", name="Use this one to improve models").click()
    assert "Saved: you allow this project by itself to improve models." in text(page)
    assert usable(town, chat_in(town, "Garden", "Pears")) == {MODELS}
    page.get_by_role("button", name="As in my settings").click()
    assert "Saved: this project follows your settings." in text(page)
    assert grants(town) == [("safety", "project")], "another grant stays"


@strict
def test_what_would_have_no_effect_is_said_with_its_reason_and_not_offered(site: Site) -> None:
    existing(site)
    town = site.town
    pears = town.say("ana", "Pears")
    private = town.say("ana", "Private", incognito=True)
    page = site.visit("ana", f"/chats/conv_{pears.hex}")
    assert "Answer the questions in your settings first" in text(page)
    assert page.get_by_role("button", name="Use this one").count() == 0
    page.goto(f"{site.url}/chats/conv_{private.hex}")
    assert page.get_by_role("button", name="Use this one").count() == 0
    town.choose("ana", False)
    page.goto(f"{site.url}/chats/conv_{pears.hex}")
    assert page.get_by_role("button", name="Use this one").count() == 2
    town.tell(SetPlan(account=town.accounts["ana"], at=town.clock.now, plan="work"))
    page.get_by_role("button", name="Use this one to improve models").click()
    assert "Nothing changed. The terms do not cover your plan, so nothing can be allowed." in text(
        page
    )
    assert grants(town) == []


@strict
def test_a_yes_for_a_chat_from_before_a_newer_no_counts_for_nothing(site: Site) -> None:
    town = answered(site, models=False, safety=False)
    pears = town.say("ana", "Pears")
    page = site.visit("ana", f"/chats/conv_{pears.hex}")
    town.choose("ana", False, "models")
    page.get_by_role("button", name="Use this one to improve models").click()
    assert "Something changed after you opened the page, so it did not count." in text(page)
    assert grants(town) == []
    page.get_by_role("button", name="Use this one to improve models").click()
    assert grants(town) == [("models", "conversation")]


@strict
def test_a_new_version_asks_again_and_lists_what_is_allowed_below_to_keep_or_to_end(
    site: Site,
) -> None:
    town = answered(site, models=False, safety=True)
    chat_in(town, "Garden", "Pears")
    allow_project(town, "Garden")
    base = load_policies(town.installation)[0].document()
    changed = {**base, "version": "2025-11-01", "effective": "2025-11-01", "decide_by": None}
    policy_changes.apply_policy(town.installation, from_document(changed), actor="test")
    town.clock.set(instant("2025-11-02"))
    page = site.visit("ana", "/notice", viewport=PHONE)
    assert "Keep the project “Garden”" in text(page)
    assert page.locator("input:checked").count() == 0
    page.get_by_label("I accept the new terms.").check()
    page.get_by_label("Keep the project “Garden”").check()
    page.locator("#allow-models-no").check()
    page.locator("#allow-safety-no").check()
    page.get_by_role("button", name="Save my answers").click()
    assert "What you kept stays allowed." in text(page)
    assert grants(town) == [("models", "project")]
    assert usable(town, chat_in(town, "Garden", "Pears")) == {MODELS}


@strict
@BOTH
def test_an_age_below_the_known_one_is_asked_once_more_before_it_ends_what_is_allowed(
    site: Site, script: bool
) -> None:
    """The host tells the age while the page, which asked for it, is open."""
    town = site.town
    town.open("ana", age=None)
    town.clock.set(instant("2025-09-01T10:00:00Z"))
    page = site.visit("ana", "/notice", java_script_enabled=script)
    town.tell(SetAge(account=town.accounts["ana"], at=town.clock.now, age=30))
    town.choose("ana", True)
    page.get_by_label("I accept the new terms.").check()
    page.locator("#allow-models-no").check()
    page.locator("#allow-safety-no").check()
    page.get_by_label("How old are you?").fill("15")
    page.get_by_role("button", name="Save my answers").click()
    told = (
        "We were told that you are 30. Under 18 nothing may be used, and all that you allowed "
        "ends at once."
    )
    assert told in text(page)
    assert (state(town).age, len(grants(town))) == (30, 2), "nothing is taken, and nothing ends"
    page.get_by_label("How old are you?").fill("16")
    page.get_by_role("button", name="Save my answer").click()
    assert told in text(page), "another age is asked once more, too"
    page.get_by_role("button", name="Save my answer").click()
    assert (state(town).age, grants(town)) == (16, [])
    assert "Saved: your chats will not be used to improve models." in text(page)
