"""How many steps a journey takes, counted in a browser without a script: every press of a link or a
button is one.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from licet.store.connect import transaction
from licet.vault import staff_reads
from licet.vault.staff_reads import ReaderRole, ReadNoted

from .browsing import DESKTOP, PHONE, Site, browser, site
from .people import NOTICE

__all__ = ["browser", "site"]

STAFF = UUID(int=7)


class Steps:
    """A page on which presses are counted."""

    def __init__(self, page: Any) -> None:
        self.page, self.count = page, 0

    def press(self, role: str, name: str) -> Any:
        """Presses what is called so, and says what the page says then."""
        self.count += 1
        with self.page.expect_navigation():
            self.page.get_by_role(role, name=name, exact=True).click()
        return self.page.locator("main").inner_text()

    def unfold(self, name: str) -> None:
        """Opens what is folded away under this name."""
        self.count += 1
        self.page.locator(f'summary[aria-label="{name}"], summary:text-is("{name}")').click()


@pytest.fixture(params=[(PHONE, True), (DESKTOP, False)], ids=["phone", "no script"])
def steps(request: pytest.FixtureRequest, site: Site) -> Steps:
    """Ana on her data, with chats that may be used."""
    town = site.town
    town.open("ana")
    town.clock.set(NOTICE)
    town.choose("ana", True)
    for chat in ("Bees", "Roof"):
        town.say("ana", chat)
    size, script = request.param
    return Steps(site.visit("ana", "/chats", viewport=size, java_script_enabled=script))


def test_one_chat_is_kept_out_in_two_steps_and_taken_back_in_another(
    site: Site, steps: Steps
) -> None:
    steps.unfold("All details: Bees")
    said = steps.press("button", "Keep out: Bees")
    assert steps.count == 2
    assert "Kept out: this chat will not be used." in said
    focused = steps.page.evaluate("() => document.activeElement.id")
    assert focused == "flash", "the confirmation has the focus"
    said = steps.press("button", "Let it in again")
    assert "Let in: 1 chat." in said


def test_several_chats_are_kept_out_in_one_step_once_they_are_ticked(steps: Steps) -> None:
    for chat in ("Bees", "Roof"):
        steps.page.get_by_role("checkbox", name=f"Select: {chat}").check()
    assert "Kept out: 2 chats will not be used." in steps.press("button", "Keep them out")
    assert steps.count == 1


def test_everything_is_deleted_within_three_steps_from_the_chats_and_from_the_settings(
    site: Site, steps: Steps
) -> None:
    steps.page.goto(f"{site.url}/settings")
    steps.press("link", "Your data")
    asked = steps.press("link", "Delete all chats …")
    assert "2 chats are deleted." in asked and "It cannot be undone." in asked
    said = steps.press("button", "Delete all chats")
    assert steps.count == 3
    assert "Deleted: all your chats." in said
    assert "0 of 2 deletions are certified." in said
    steps.page.reload()
    assert "0 of 2 deletions are certified." in steps.page.locator("main").inner_text()
    assert site.town.seen("ana").turns["improve_models"].keys() == {"deleted"}


def test_who_read_ones_chats_is_one_step_away(site: Site, steps: Steps) -> None:
    town = site.town
    chat = town.say("ana", "Bees", "And in winter?")
    note = ReadNoted(
        account=town.accounts["ana"],
        conversation=chat,
        staff=STAFF,
        role=ReaderRole.privacy_officer,
        turns=2,
        reason="person_request",
        ticket="T-1",
        at=town.clock.now,
    )
    with transaction(town.installation.pool) as tx:
        tx.execute(
            "INSERT INTO staff (staff_id, email, roles, made_at) VALUES (%s, "
            "'o@example.org', '{}', %s)",
            [STAFF, town.clock.now],
        )
        staff_reads.record(tx, note, os.urandom)
    said = steps.press("link", "Who read your chats")
    assert steps.count == 1
    assert "the privacy officer read 2 messages of the chat “Bees” because you asked us to." in said


def test_everything_is_taken_out_in_one_step(steps: Steps) -> None:
    with steps.page.expect_download() as download:
        steps.page.get_by_role("link", name="Download the zip").click()
    with zipfile.ZipFile(Path(download.value.path())) as archive:
        assert "index.html" in archive.namelist()


def test_the_index_of_what_was_taken_out_opens_in_a_browser_from_a_folder(
    steps: Steps, tmp_path: Path
) -> None:
    with steps.page.expect_download() as download:
        steps.page.get_by_role("link", name="Download the zip").click()
    with zipfile.ZipFile(Path(download.value.path())) as archive:
        archive.extractall(tmp_path)
    asked: list[str] = []
    page = steps.page.context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "index.html").as_uri())
    page.get_by_role("link", name="Bees").click()
    assert "How do I plant a pear tree?" in page.locator("body").inner_text()
    assert {url.partition(":")[0] for url in asked} == {"file"}, "nothing is asked from elsewhere"


def test_a_chat_is_found_by_its_title_in_two_steps(steps: Steps) -> None:
    steps.unfold("Find chats")
    steps.page.get_by_label("Words in the title").fill("bee")
    said = steps.press("button", "Find")
    assert steps.count == 2
    assert "Bees" in said and "Roof" not in said
    assert "bee" not in steps.page.url.lower().partition("found=")[0]
    assert steps.page.get_by_label("Words in the title").input_value() == "bee"


def test_an_account_is_closed_in_two_steps_and_leads_to_where_the_certificate_will_be(
    site: Site, steps: Steps
) -> None:
    steps.press("link", "Close the account …")
    said = steps.press("button", "Close my account")
    assert steps.count == 2
    assert "Your account is closed." in said
    assert "Closing of your account on" in said
    assert site.town.seen("ana").closed_at is not None
