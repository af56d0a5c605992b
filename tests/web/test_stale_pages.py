"""A page counts as what it was when it was shown: an old one never gives a permission that was
taken back since.

Each story ends with what the vault then answers. What takes something back works from any page.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from licet.consent.scope_forms import ScopeAct, ScopeForm, ScopeFormResult
from licet.policy.file import from_document
from licet.policy.period import instant
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.vault.commands import KeepProjectOut, LetProjectIn, Narrow, SetPlan, Widen
from licet.vault.ids import Prefix, format_id, host_hmac
from licet.vault.installation import load_policies
from licet.vault.requests import Write, WriteResult

from .browsing import PHONE, Site, browser, existing, site
from .people import AFTER, NOTICE
from .served import World, api, world

__all__ = ["api", "browser", "site", "world"]

OLDER = "is older than your answer of"


def text(page: Any) -> str:
    return str(page.locator("main").inner_text())


def answer(page: Any, label: str) -> None:
    """The same answer to each question that the page asks."""
    page.get_by_label("I accept").check()
    for one in page.locator("label.answer", has_text=re.compile(rf"^\s*{label}")).all():
        one.check()
    page.get_by_role("button", name=re.compile("Save my answers?|Finish signing up")).click()


def choices(site: Site, name: str = "ana") -> list[bool]:
    return [made.allow for made in site.town.seen(name).choices]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_reload_after_a_yes_posts_nothing_again_once_another_tab_said_no(
    site: Site, script: bool
) -> None:
    existing(site)
    first = site.visit("ana", "/settings", java_script_enabled=script)
    first.get_by_role("button", name="Use my chats", exact=True).click()
    assert "from now on your chats may be used" in text(first)
    second = site.visit("ana", "/settings", java_script_enabled=script)
    second.get_by_role("button", name="Don’t use my chats").click()
    first.reload()
    assert site.town.standing("ana") == "withdrawn"
    assert choices(site) == [True, False]
    assert "from now on" not in text(first), (
        "what was said once is not said of what does not hold any more"
    )


def test_a_yes_from_a_tab_that_is_older_than_a_no_has_no_effect_and_the_page_asks_again(
    site: Site,
) -> None:
    existing(site)
    old = site.visit("ana", "/settings")
    newer = site.visit("ana", "/settings")
    newer.get_by_role("button", name="Don’t use my chats").click()
    old.get_by_role("button", name="Use my chats", exact=True).click()
    assert OLDER in text(old)
    assert site.town.standing("ana") == "declined"
    old.get_by_role("button", name="Use my chats", exact=True).click()
    assert site.town.standing("ana") == "granted", "the page that asks again takes a yes"


def test_a_no_counts_from_any_page_however_old(site: Site) -> None:
    existing(site)
    old = site.visit("ana", "/settings")
    site.town.choose("ana", True)
    old.get_by_role("button", name="Don’t use my chats").click()
    assert site.town.standing("ana") == "withdrawn"
    assert "will not be used" in text(old)


def test_an_old_notice_gives_nothing_after_a_no_elsewhere_and_leads_to_where_one_can_answer(
    site: Site,
) -> None:
    existing(site)
    old, newer = site.visit("ana", "/notice", viewport=PHONE), site.visit("ana", "/notice")
    answer(newer, "Don’t use my chats")
    answer(old, "Use my chats")
    assert OLDER in text(old)
    assert old.get_by_role("heading", name="Privacy settings").is_visible()
    assert choices(site) == [False]


@pytest.mark.parametrize("site", ["strict"], indirect=True)
def test_an_old_sign_up_gives_nothing_after_a_no_elsewhere(site: Site) -> None:
    site.town.clock.set(instant("2025-09-02"))
    site.town.open("new", age=30)
    old, newer = site.visit("new", "/signup"), site.visit("new", "/signup")
    answer(newer, "Don’t use my chats")
    assert "You are signed up" in text(newer)
    answer(old, "Use my chats")
    assert "is older than your answer about “Improving models” of" in text(old)
    assert "is older than your answer about “Recognising misuse” of" in text(old)
    assert choices(site, "new") == [False, False]


def test_a_yes_to_terms_that_were_replaced_since_counts_for_nothing(site: Site) -> None:
    existing(site)
    town = site.town
    old = site.visit("ana", "/notice")
    document = {
        **load_policies(town.installation)[0].document(),
        "version": "2025-11-15",
        "effective": "2025-11-15",
    }
    policy_changes.apply_policy(
        town.installation, from_document({**document, "decide_by": None}), actor="test"
    )
    town.clock.set(instant("2025-11-16"))
    answer(old, "Use my chats")
    assert "showed an older question" in text(old)
    assert (choices(site), town.seen("ana").questions[0].answered) == ([], None)
    with transaction(town.installation.pool) as tx:
        assert tx.execute("SELECT count(*) FROM terms").fetchone() == (0,), (
            "nor were terms accepted that nobody saw"
        )


def test_a_chat_kept_out_again_elsewhere_is_not_let_in_by_an_old_page(site: Site) -> None:
    existing(site)
    town, account = site.town, site.town.accounts["ana"]
    town.choose("ana", True)
    bees = town.say("ana", "Bees")
    about: dict[str, Any] = {"account": account, "at": town.clock.now, "conversation": bees}
    town.tell(Narrow(**about))
    stays, let_in = "This chat stays kept out", "Let in: what you say in it from now on"
    changed, follows = (
        "Something changed after you opened the page",
        "Saved: this chat follows your settings",
    )
    for path, act, says, done in (
        ("/chats", "Let in", stays, let_in),
        (f"/chats/conv_{bees.hex}", "As in my settings", changed, follows),
    ):
        old = site.visit("ana", path)
        town.tell(Widen(**about))
        town.tell(Narrow(**about))
        for answer in (says, done):
            for menu in old.get_by_label(
                "All details: Bees"
            ).all():  # in the list, not beside the chat
                menu.click()
            old.get_by_role("button", name=act).click()
            assert answer in text(old)
        town.tell(Narrow(**about))
        old.reload()
        assert done not in text(old), "and is not said once it holds no more"


@pytest.mark.parametrize("act", [ScopeAct.as_settings, ScopeAct.use])
def test_a_project_kept_out_again_while_an_old_page_is_sent_is_not_let_in(
    world: World, api: Any, act: ScopeAct
) -> None:
    """It is kept out again behind the page's form and before the form has its turn: checked where
    it is written.
    """
    world.clock.set(NOTICE)
    world.open("ana", allow=False)
    account = world.accounts["ana"]
    garden = host_hmac(world.site.host_key, "project", "garden")
    world.tell(KeepProjectOut(account=account, at=NOTICE, host_project=garden))
    (project, out_at) = world.rows("SELECT project_id, kept_out_at FROM projects")[0]
    page = api.get(
        f"/projects/{format_id(Prefix.project, project)}", headers=world.browser("ana")
    ).text
    (showing,) = set(re.findall(r'name="showing" value="(\w+)"', page))
    later = NOTICE + timedelta(minutes=5)
    world.clock.set(later)
    form = ScopeForm(
        account=account,
        at=later,
        act=act,
        project=project,
        out_at=out_at,
        question="training",
        showing=showing,
    )
    again = (
        LetProjectIn(account=account, at=later, project=project),
        KeepProjectOut(account=account, at=later, project=project),
    )
    with transaction(world.installation.pool) as tx:
        results = world.site.writing.apply(tx, [Write(command=one) for one in (*again, form)])
    assert isinstance(results[-1], WriteResult)
    assert results[-1].finished == ScopeFormResult()
    assert world.rows("SELECT kept_out_at FROM projects") == [(later,)]
    assert world.rows("SELECT count(*) FROM choices WHERE effect = 'began'") == [(0,)]
    with transaction(world.installation.pool) as tx:  # the page as it is now
        (done,) = world.site.writing.apply(tx, [Write(command=replace(form, out_at=later))])
    assert isinstance(done, WriteResult)
    assert done.finished == ScopeFormResult(done=True)
    assert world.rows("SELECT kept_out_at FROM projects") == [(None,)]


def test_every_form_of_a_page_leads_to_a_page_that_can_be_loaded_again(
    world: World, api: Any
) -> None:
    world.open("ana")
    kept = world.say("ana", "Bees")
    world.clock.set(NOTICE)
    ana = {**world.browser("ana"), "content-type": "application/x-www-form-urlencoded"}

    def showing(path: str) -> str:
        return re.findall(r'name="showing" value="(\w+)"', api.get(path, headers=ana).text)[0]

    later = f"act=later&showing={showing('/notice')}"
    sent = [
        ("/notice", later),
        ("/notice", f"terms=yes&allow=no&showing={showing('/notice')}"),
        ("/settings", f"allow=yes&showing={showing('/settings')}"),
        (f"/chats/{kept}/keep-out", ""),
        (f"/chats/{kept}/let-in", "narrowings=1"),
        (f"/chats/{kept}/delete", ""),
        ("/sign-out", ""),
    ]
    for path, body in sent:
        made = api.post(path, headers=ana, content=body, follow_redirects=False)
        assert made.status_code == 303, (path, made.status_code)
        before = (
            world.rows("SELECT count(*) FROM journal"),
            world.rows("SELECT count(*) FROM choices"),
        )
        for _ in range(2):
            assert (
                api.get(made.headers["location"], headers={"cookie": ana["cookie"]}).status_code
                == 200
            )
        assert before == (
            world.rows("SELECT count(*) FROM journal"),
            world.rows("SELECT count(*) FROM choices"),
        )


# The same through the API


def shown(api: Any, name: str, headers: dict[str, str]) -> str:
    """The id of a showing that the host records for a person."""
    notice = api.get(f"/v1/accounts/host:{name}/notice", headers=headers).json()["notice"]["id"]
    made = api.post(f"/v1/accounts/host:{name}/showings", json={"notice": notice}, headers=headers)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def choose(api: Any, headers: dict[str, str], **body: Any) -> Any:
    return api.post("/v1/accounts/host:ana/choices", json=body, headers=headers)


def test_through_the_api_an_old_showing_takes_no_yes_and_the_same_answer_twice_is_one(
    world: World, api: Any
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    host = world.service()
    old, first = shown(api, "ana", host), choose(api, host, allow=True)
    assert first.json()["effect"] == "began"
    newer = shown(api, "ana", host)
    assert newer != old, "what is shown after an answer is another showing"
    assert choose(api, host, allow=False, showing=newer).json()["effect"] == "withdrew"
    refused = choose(api, host, allow=True, showing=old)
    assert (refused.status_code, refused.json()["because"]) == (409, "stale")
    again = choose(api, host, allow=False, showing=newer)
    assert (again.status_code, again.json()["outcome"], again.json()["effect"]) == (
        201,
        "duplicate",
        "withdrew",
    )
    assert choose(api, host, allow=False, showing=old).status_code == 201, (
        "a no counts from any showing"
    )
    assert [row[0] for row in world.rows("SELECT allow FROM choices ORDER BY seq")] == [
        True,
        False,
        False,
    ]


def test_a_double_click_is_one_choice_however_the_two_requests_meet(world: World, api: Any) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    host = world.service()
    showing = shown(api, "ana", host)
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(lambda _: choose(api, host, allow=True, showing=showing).json(), range(8))
        )
    assert sorted(one["outcome"] for one in made) == ["done", *["duplicate"] * 7]
    assert {one["effect"] for one in made} == {"began"}
    assert world.rows("SELECT count(*) FROM choices") == [(1,)]


def test_anothers_showing_answers_nothing_and_accepts_no_terms(world: World, api: Any) -> None:
    world.open("ana")
    world.open("ben")
    world.clock.set(NOTICE)
    host = world.service()
    bens = shown(api, "ben", host)
    assert choose(api, host, allow=True, showing=bens).status_code == 404
    accepted = api.post("/v1/accounts/host:ana/terms", json={"showing": bens}, headers=host)
    assert accepted.status_code == 404
    assert world.rows("SELECT count(*) FROM choices") == [(0,)]
    assert world.rows("SELECT count(*) FROM terms") == [(0,)]


def test_a_yes_that_had_no_effect_is_told_by_its_reason(site: Site) -> None:
    existing(site)
    page = site.visit("ana", "/settings")
    site.town.tell(SetPlan(account=site.town.accounts["ana"], at=site.town.clock.now, plan="work"))
    page.get_by_role("button", name="Use my chats", exact=True).click()
    assert "The terms do not cover your plan, so nothing of yours is used" in text(page)
    site.town.clock.set(AFTER)
    assert site.town.standing("ana") == "undecided"
