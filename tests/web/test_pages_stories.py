"""Stories of people, in a real browser: each ends with what the vault then answers."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from licet.policy.decide import Gate
from licet.policy.file import from_document
from licet.policy.period import instant
from licet.service import policy_changes
from licet.vault.commands import AddTurn, Outcome
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac
from licet.vault.installation import load_policies

from .browsing import DESKTOP, PHONE, Site, browser, existing, site
from .people import AFTER, NOTICE

__all__ = ["browser", "site"]


def answer(page: Any, label: str, *, terms: bool = True) -> None:
    if terms:
        page.get_by_label("I accept").check()
    page.locator("label.answer", has_text=re.compile(rf"^\s*{label}")).check()
    page.get_by_role("button", name="Save my answer").click()


def text(page: Any) -> str:
    return str(page.locator("main").inner_text())


@pytest.mark.parametrize(
    ("size", "script"), [(PHONE, True), (DESKTOP, False)], ids=["phone", "no script"]
)
def test_an_existing_person_refuses_is_not_asked_again_turns_it_on_and_narrows_a_chat(
    site: Site, size: dict[str, int], script: bool
) -> None:
    existing(site)
    town = site.town
    page = site.visit("ana", "/notice", viewport=size, java_script_enabled=script)
    answer(page, "Don’t use my chats")
    assert "will not be used" in text(page)
    assert town.standing("ana") == "declined"
    for path in ("/notice", "/signup"):
        again = site.visit("ana", path, viewport=size, java_script_enabled=script)
        assert "nothing to decide" in text(again)
        assert again.get_by_role("radio").count() == 0
    page.goto(site.url + "/settings")
    page.get_by_role("button", name="Use my chats", exact=True).click()
    assert town.standing("ana") == "granted"
    town.say("ana", "Bees")
    page.goto(site.url + "/chats")
    bees = page.locator("li", has=page.get_by_role("heading", name="Bees"))
    bees.locator("summary").click()
    assert "May be used to improve models" in bees.inner_text().replace("\n", " ")
    bees.get_by_role("button", name="Keep out").click()
    assert "Kept out" in text(page)
    assert "Kept out" in page.evaluate("() => document.activeElement.innerText"), (
        "the confirmation has the focus"
    )
    assert "Kept out" in bees.inner_text(), "and stands at the chat that it is about"
    bees = page.locator("li", has=page.get_by_role("heading", name="Bees"))
    bees.locator("summary").click()
    assert "because you kept it out" in bees.inner_text().replace("\n", " ")
    assert "permitted" not in town.seen("ana").turns["improve_models"]


@pytest.mark.parametrize("site", ["strict"], indirect=True)
def test_a_new_person_signs_up_and_is_done_only_when_both_are_answered(site: Site) -> None:
    town = site.town
    town.clock.set(instant("2025-09-02"))
    town.open("new", age=None)
    page = site.visit("new", "/signup", viewport=PHONE)
    assert page.locator("main").get_by_role("button").all_inner_texts() == ["Finish signing up"]
    page.get_by_label("I accept the terms.").check()
    page.get_by_role("button", name="Finish signing up").click()
    assert (
        "Pick one of the two answers to “May we use your chats and coding sessions to "
        "improve our models?”"
    ) in text(page)
    assert town.seen("new").gate is Gate.must_decide
    page.locator("#allow-models-yes").check()
    page.get_by_role("button", name="Finish signing up").click()
    said = text(page)
    assert (
        "Pick one of the two answers to “May we use your chats and coding sessions to "
        "recognise misuse?”"
    ) in said
    assert "improve our models?”" not in said, "what was answered is not asked for again"
    assert town.standing("new") == "undecided", "nothing counts before each is answered"
    page.locator("#allow-safety-yes").check()
    page.get_by_role("button", name="Finish signing up").click()
    assert "Give your age" in text(page)
    assert page.locator("#allow-models-yes").is_checked()
    page.get_by_label("How old are you?").fill("34")
    page.get_by_role("button", name="Finish signing up").click()
    assert "You are signed up" in text(page)
    seen = town.seen("new")
    assert (seen.gate, town.standing("new"), {one.via for one in seen.choices}) == (
        Gate.open,
        "granted",
        {"signup"},
    )


@pytest.mark.parametrize("site", ["strict"], indirect=True)
def test_somebody_below_the_age_is_told_that_nothing_is_used_whatever_is_picked(site: Site) -> None:
    site.town.clock.set(instant("2025-09-02"))
    site.town.open("kid", age=None)
    page = site.visit("kid", "/signup")
    page.get_by_label("I accept the terms.").check()
    page.locator("#allow-models-yes").check()
    page.locator("#allow-safety-yes").check()
    page.get_by_label("How old are you?").fill("15")
    page.get_by_role("button", name="Finish signing up").click()
    page.get_by_text("You are under 18").first.wait_for()
    assert site.town.standing("kid") == "undecided"


def test_somebody_misses_the_last_day_exports_deletes_and_then_decides(site: Site) -> None:
    existing(site)
    town = site.town
    town.say("ana", "Bees")
    page = site.visit("ana", "/notice")
    page.get_by_role("button", name="Decide later").click()
    assert "Nothing was decided" in text(page)
    town.clock.set(AFTER)
    page.goto(site.url + "/notice")
    assert "Writing waits for your answer" in text(page)
    assert page.locator("main").get_by_role("button").all_inner_texts() == ["Save my answer"]
    blocked = AddTurn(
        account=town.accounts["ana"],
        at=town.clock.now,
        host_conversation=host_hmac(town.key, "conversation", "Late"),
        content=encode(Content(text="still there?")),
    )
    assert town.tell(blocked).outcome is Outcome.refused
    page.goto(site.url + "/chats")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the zip").click()
    taken = Path(download.value.path()).read_bytes()
    with zipfile.ZipFile(io.BytesIO(taken)) as archive:
        pages = {name for name in archive.namelist() if name.startswith("chats/")}
        assert len(pages) == 1, "one for each chat that can be read"
        assert set(archive.namelist()) - pages == {
            "index.html",
            "feedback.html",
            "safety_copies.html",
            "licet.json",
            "accounts.csv",
            "choices.csv",
            "projects.csv",
            "suggestions.csv",
            "recipients.csv",
            "messages.jsonl",
            "feedback.jsonl",
            "safety_copies.jsonl",
            "learnt.csv",
            "requests.jsonl",
        }
        assert b"Bees" in archive.read("messages.jsonl")
    page.locator('summary[aria-label="All details: Bees"]').click()
    page.get_by_role("link", name="Delete: Bees").click()
    assert "It cannot be undone" in text(page)
    page.get_by_role("button", name="Delete it").click()
    assert "Deleted. It will not be used" in text(page)
    page.goto(site.url + "/notice")
    answer(page, "Don’t use my chats")
    assert town.tell(blocked).outcome is Outcome.done


def test_two_devices_disagree_and_the_order_decides(site: Site) -> None:
    existing(site)
    phone = site.visit("ana", "/notice", viewport=PHONE)
    desk = site.visit("ana", "/notice")
    answer(phone, "Use my chats")
    answer(desk, "Don’t use my chats")
    seen = site.town.seen("ana")
    assert [choice.allow for choice in seen.choices] == [True, False]
    assert site.town.standing("ana") == "withdrawn"
    phone.goto(site.url + "/settings")
    assert "You took your permission back" in text(phone)


def test_the_question_comes_back_only_with_a_material_new_version(site: Site) -> None:
    existing(site)
    town = site.town
    page = site.visit("ana", "/notice")
    answer(page, "Don’t use my chats")
    base = load_policies(town.installation)[0].document()
    for version, material, shown in (("2025-10-15", False, 0), ("2025-11-15", True, 2)):
        document = {
            **base,
            "version": version,
            "effective": version,
            "decide_by": None,
            "material": material,
        }
        policy_changes.apply_policy(town.installation, from_document(document), actor="test")
        town.clock.set(instant(version))
        page.goto(site.url + "/notice")
        assert page.get_by_role("radio").count() == shown, version


def test_a_choice_is_saved_even_where_the_terms_are_not_accepted_and_they_wait_apart(
    site: Site,
) -> None:
    existing(site)
    page = site.visit("ana", "/notice")
    answer(page, "Don’t use my chats", terms=False)
    assert site.town.standing("ana") == "declined"
    assert page.get_by_role("radio").count() == 0
    page.get_by_label("I accept the new terms.").check()
    page.get_by_role("button", name="Continue").click()
    assert "You can go on writing" in text(page)
    assert len(site.town.seen("ana").choices) == 1


def test_the_signal_of_the_browser_is_recorded_and_shown_and_decides_nothing(site: Site) -> None:
    existing(site)
    town = site.town
    gpc = {"sec-gpc": "1"}
    page = site.visit("ana", "/notice", extra_http_headers=gpc)
    assert "Global Privacy Control" in text(page)
    assert page.get_by_role("radio").count() == 0
    assert town.seen("ana").choices == ()
    page.goto(site.url + "/settings")
    page.get_by_role("button", name="Use my chats", exact=True).click()
    page.get_by_text("The record of your choices").click()
    assert "Global Privacy Control was on" in text(page)
    assert town.standing("ana") == "granted"
    page.reload()
    assert town.standing("ana") == "granted", "a signal ends no grant"
    town.clock.set(AFTER)
    town.accounts["ben"] = town.open("ben")
    waiting = site.visit("ben", "/signup", extra_http_headers=gpc)
    assert waiting.get_by_role("radio").count() == 2, "the gate asks, signal or not"


def test_everything_is_reached_with_the_keyboard_alone(site: Site) -> None:
    existing(site)
    page = site.visit("ana", "/notice")
    reached: list[str] = []

    def tab_to(*names: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            now = page.evaluate(
                "() => document.activeElement.id || document.activeElement.innerText.trim()"
            )
            reached.append(now)
            if now in names:
                return

    tab_to("allow-yes", "allow-no")
    # Without a choice the first of the two is where Tab arrives, and nothing is picked by arriving.
    assert page.locator("input:checked").count() == 0
    assert reached[0] == "Skip to the content"
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("radio", name="Don’t use my chats").is_checked()
    tab_to("terms")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.innerText") == "Save my answer"
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert site.town.standing("ana") == "declined"


def test_nobody_sees_anothers_conversation(site: Site) -> None:
    site.town.open("ben")
    existing(site)
    conversation = site.town.say("ben", "A secret plan")
    unknown = conversation.hex[:-4] + ("0000" if not conversation.hex.endswith("0000") else "1111")
    pages = [
        site.visit("ana", path)
        for name in (conversation.hex, unknown)
        for path in (f"/chats/conv_{name}", f"/chats/conv_{name}/delete")
    ]
    said = {(text(page)) for page in pages}
    assert len(said) == 1
    assert "not yours" in said.pop()
    assert "secret" not in text(site.visit("ana", "/chats"))


def test_without_a_sign_in_a_page_says_so(site: Site) -> None:
    page = site.visit(None, "/settings")
    assert "not signed in" in text(page)


def test_twenty_five_chats_and_their_dates_are_seen_within_two_thousand_pixels_of_a_phone(
    site: Site,
) -> None:
    site.town.open("ana")
    site.town.clock.set(NOTICE)
    site.town.choose("ana", allow=True)
    for number in range(25):
        site.town.say("ana", f"Chat {number} about the roof of the house and its gutters")
    page = site.visit("ana", "/chats", viewport=PHONE)
    chats = page.locator("ol.chats > li")
    assert chats.count() == 25
    assert chats.first.bounding_box()["y"] < 300
    last = chats.last.bounding_box()
    assert last["y"] + last["height"] < 2000
    dates = chats.locator(".line > span")
    assert set(dates.all_inner_texts()) == {"Kept until 1 September 2030"}
    assert (
        dates.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length")
        == 0
    )
