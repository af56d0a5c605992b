"""The console and the receipts in a real browser: whole stories, in two sizes, accessible, without
a script.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from licet import verifier
from licet.access import service_keys
from licet.access.roles import Scope, StaffRole
from licet.consent import notice
from licet.curate import release_build
from licet.erasure import recall_register
from licet.policy.period import instant
from licet.proof import documents
from licet.release import catalog
from licet.service import canary_audit, inbox, orders
from licet.service.inbox import InboxView
from licet.store.connect import transaction
from licet.train.canary_register import CanaryGroup
from licet.vault.commands import Delete, Flag, Hold
from licet.vault.installation import Installation
from licet.vault.safety_copies import FLAG_REVIEW_DAYS
from licet.web.console.shared import SECTIONS
from licet.webhooks import endpoints

from .axe import faults
from .browsing import DESKTOP, PHONE, Site, browser, existing, site, unfold
from .people import NOTICE
from .test_console_inbox import member
from .test_console_releases import learnt
from .test_model_page import found as audit_found

__all__ = ["browser", "site"]

EVERY = tuple(StaffRole)
HEADER_PIXELS_MAX, HEADING_PIXELS_MAX, ROW_PIXELS_MAX = 56, 120, 44
ITEMS = 10  # of an inbox that is worked through by keyboard
PATHS = (*(one.path for one in SECTIONS), "/console/rights/enter")


def lived_in(site: Site) -> UUID:
    """A town with something on every page of the console; returns a conversation that was
    flagged.
    """
    town = site.town
    existing(site)
    town.choose("ana", True)
    flagged = town.say("ana", "Pear trees in heavy soil")
    gone = town.say("ana", "Old plans")
    town.tell(Delete(account=town.accounts["ana"], at=town.clock.now, conversation=gone))
    town.tell(
        Flag(account=town.accounts["ana"], at=town.clock.now, conversation=flagged, score=0.9)
    )
    town.tell(
        Hold(
            account=town.accounts["ana"],
            at=town.clock.now,
            conversation=flagged,
            matter="Smith v. Jones",
        )
    )
    release_build.build_release(town.installation, name="autumn", purpose="improve_models")
    documents.append(town.installation)
    return flagged


def audited(installation: Installation, folder: Path) -> str:
    """A model on record that learnt from the release, with an audit that found something."""
    (release,) = catalog.list_releases(installation)
    model = f"model_{learnt(installation, release.release_id, folder, [0]).hex}"
    canary_audit.record_audit(
        installation,
        model,
        audit_found(CanaryGroup.permitted, CanaryGroup.deleted),
        actor="staff:cora@example.org",
    )
    return model


def text(page: Any) -> str:
    return str(page.locator("main").inner_text())


def test_axe_finds_nothing_on_any_page_of_the_console_and_nothing_scrolls_sideways(
    site: Site,
) -> None:
    flagged = lived_in(site)
    asked = site.town.ask("ana")
    account = site.town.accounts["ana"].hex
    (release,) = catalog.list_releases(site.town.installation)
    with transaction(site.town.installation.pool) as tx:
        ((erasure,),) = tx.execute("SELECT erasure_id FROM erasures").fetchall()
        service_keys.create_key(
            tx, "assistant", (Scope.gate_read,), site.town.clock.now, os.urandom
        )
    page = site.visit_as(EVERY, "/console")
    for path in (
        *PATHS,
        f"/console/releases/{release.release_id.hex}",
        f"/console/erasures/era_{erasure.hex}",
        "/console/policy/versions/0",
        "/console/access/keys/assistant",
        f"/console/inbox/request:{asked}",
        "/console/look-up",
        f"/console/rights/{asked}",
        f"/console/accounts/acc_{account}",
        f"/console/conversations/conv_{flagged.hex}",
    ):
        page.goto(site.url + path)
        assert "That did not work" not in text(page), path
        unfold(page)
        assert faults(page) == [], path
    page.get_by_role("button", name="Read and record").click()
    assert page.get_by_role("alert").is_visible()
    assert faults(page) == [], "the form with its faults"
    page.locator("#reason").select_option("incident")
    page.get_by_label("Ticket").fill("I-1")
    page.get_by_role("button", name="Read and record").click()
    assert faults(page) == [], "the conversation, opened"
    page.goto(site.url + "/console/accounts/acc_0")
    assert faults(page) == [], "a refusal"


def test_axe_finds_nothing_on_the_page_of_one_recipient_notice_endpoint_or_model_or_on_an_order_that_is_asked(
    site: Site,
    tmp_path: Path,
) -> None:
    lived_in(site)
    installation = site.town.installation
    model = audited(installation, tmp_path)
    recall_register.hand_out(installation, "autumn", "lab-one")
    endpoints.add(installation, "chat", "https://chat.example.org/events")
    with transaction(installation.pool) as tx:
        name = next(one.notice_id for one in notice.list_in_force(tx, 1) if one.language == "en")
    pages = {
        "/console/recipients/lab-one": "May be used now",
        f"/console/models/{model}": "(the control)",
        f"/console/notices/{name.hex}": "Lint findings",
        "/console/webhooks/chat": "Failed deliveries",
    }
    page = site.visit_as(EVERY, "/console")
    for path, words in pages.items():
        page.goto(site.url + path)
        assert words.lower() in text(page).lower(), path
        unfold(page)
        assert faults(page) == [], path
    page.get_by_role("button", name="Pause…").click()
    assert faults(page) == [], "a pause that is asked"
    page.get_by_role("button", name="Pause", exact=True).click()
    assert "Say why" in page.get_by_role("alert").inner_text()
    assert faults(page) == [], "a pause without a reason"
    page.goto(site.url + "/console/webhooks")
    unfold(page)
    page.get_by_role("button", name="Add an endpoint…").click()
    assert faults(page) == [], "an endpoint without a name"
    page.get_by_label("Name").fill("a-new-one")
    page.get_by_label("Address").fill("https://chat.example.org/events")
    page.get_by_role("button", name="Add an endpoint…").click()
    page.get_by_label("Reason").fill("looked at")
    assert faults(page) == [], "an endpoint that is asked"
    page.get_by_role("button", name="Add it", exact=True).click()
    assert "shown only once" in text(page)
    assert faults(page) == [], "the secret of a new endpoint"
    page.goto(f"{site.url}/console/webhooks/a-new-one")
    unfold(page)
    page.get_by_role("button", name="Replace its secret…").click()
    page.get_by_label("Reason").fill("looked at")
    assert faults(page) == [], "a secret that is asked for"
    page.get_by_role("button", name="Replace its secret", exact=True).click()
    assert "shown only once" in text(page)
    assert faults(page) == [], "a secret that was replaced"
    page.goto(site.url + "/console/keys")
    page.get_by_role("button", name="Rotate the keys, daily").click()
    page.get_by_label("Reason").fill("looked at")
    assert faults(page) == [], "a rotation that is asked"
    page.get_by_role("button", name="Rotate", exact=True).click()
    assert "looked at" in text(page)
    assert faults(page) == [], "a rotation that was ordered"


def test_the_header_is_low_and_the_drawer_of_a_phone_opens_without_a_script(site: Site) -> None:
    lived_in(site)
    page = site.visit_as(EVERY, "/console", viewport=PHONE, java_script_enabled=False)
    sections = page.get_by_role("navigation", name="Sections")
    for path in PATHS:
        page.goto(site.url + path)
        assert page.locator(".bar").bounding_box()["height"] <= HEADER_PIXELS_MAX, path
        assert page.locator("h1").bounding_box()["y"] <= HEADING_PIXELS_MAX, path
        assert not sections.is_visible(), path
    page.get_by_role("button", name="Menu").click()
    sections.get_by_role("link", name="Holds").click()
    page.wait_for_url("**/console/holds")
    wide = site.visit_as(EVERY, "/console", java_script_enabled=False)
    wide.get_by_text("Content", exact=True).click()
    assert not wide.get_by_role("link", name="Holds").is_visible(), "a group that was closed"


RELEASE_PIXELS_MAX = 1_600


def test_a_release_is_one_page_of_a_desk_and_what_is_ordered_there_is_followed(site: Site) -> None:
    lived_in(site)
    page = site.visit_as(EVERY, "/console/releases")
    page.get_by_text("Build a release", exact=True).click()
    page.get_by_label("Name").fill("winter")
    page.get_by_role("button", name="Build it…").click()
    page.get_by_label("Reason").fill("the next run")
    page.get_by_role("button", name="Build it", exact=True).click()
    page.get_by_text("pending or running").wait_for()
    assert orders.carry_out(site.town.installation) == 1  # as the server does
    page.get_by_text("Sealed: 1 rows").wait_for()
    page.get_by_role("link", name="winter").click()
    page.get_by_role("list", name="Progress").wait_for()
    assert page.evaluate("document.documentElement.scrollHeight") <= RELEASE_PIXELS_MAX


def test_going_back_after_a_form_and_its_fault_shows_the_page_of_the_form(site: Site) -> None:
    flagged = lived_in(site)
    path = f"/console/conversations/conv_{flagged.hex}"
    page = site.visit_as(EVERY, path)
    page.get_by_text("Read content", exact=True).click()
    page.get_by_role("button", name="Read and record").click()
    assert page.get_by_role("alert").is_visible()
    page.goto(site.url + "/console/policy")
    page.go_back()
    page.wait_for_url(f"**{path}")
    assert page.get_by_text("Read content", exact=True).is_visible()
    with transaction(site.town.installation.pool) as tx:
        assert tx.execute("SELECT count(*) FROM staff_reads").fetchall() == [(0,)]


def test_the_sidebar_and_the_header_count_what_waits_for_the_role(site: Site) -> None:
    lived_in(site)
    site.town.ask("ana")
    page = site.visit_as((StaffRole.privacy_officer,), "/console/policy")
    header = page.locator("header")
    assert header.get_by_role("link", name="Requests , waiting: 1").count() == 1
    assert header.get_by_text("Nothing overdue").count() == 1
    site.town.clock.set(instant("2026-03-01"))
    page = site.visit_as((StaffRole.privacy_officer, StaffRole.reviewer), "/console/policy")
    page.get_by_role("link", name="overdue").click()
    page.wait_for_url("**/console/inbox?overdue=yes")


def test_ten_items_are_closed_by_keyboard_both_ways_in_a_few_strokes_each(site: Site) -> None:
    town, strokes = site.town, 0
    for name in ("ana", "ben"):
        town.open(name)
    town.clock.set(NOTICE)
    for name in ("ana", "ben"):
        town.choose(name, True)
        town.ask(name)
    for number in range(ITEMS - 2):
        flagged = town.say("ana", f"Chat {number}")
        town.tell(Flag(account=town.accounts["ana"], at=town.clock.now, conversation=flagged))
    town.clock.set(town.clock.now + timedelta(days=FLAG_REVIEW_DAYS))
    roles = (StaffRole.privacy_officer, StaffRole.reviewer)
    page = site.visit_as(roles, "/console/inbox")
    assert page.locator(".queue summary", has_text=f"{ITEMS - 2}").count() == 1, "equal ones fold"
    assert faults(page) == [], "the list"
    for number in range(ITEMS):
        page.keyboard.press("j")
        page.wait_for_url(re.compile(r"/console/inbox/\w+:\w+$"))
        act = "2" if "/request:" in page.url else "12"[number % 2]
        for key in (act, "Yes", "Control+Enter"):
            page.keyboard.type(key) if key == "Yes" else page.keyboard.press(key)
        strokes += 3
        page.wait_for_url("**flash=**")
        assert "no longer in the inbox" in text(page)
        assert faults(page) == [] or number, "an item that is done"
    assert strokes <= 4 * ITEMS
    assert inbox.page(town.installation, member(*roles), InboxView()).items == ()
    with transaction(town.installation.pool) as tx:
        upheld, overturned = tx.execute(
            "SELECT count(upheld_at), count(overturned_at) FROM flags"
        ).fetchall()[0]
    assert (upheld + overturned, upheld > 0, overturned > 0) == (ITEMS - 2, True, True)


def test_the_first_row_of_a_table_is_near_by_keyboard_and_its_columns_sort(site: Site) -> None:
    lived_in(site)
    page = site.visit_as(EVERY, "/console/conversations")
    for key in ("Tab", "Enter", "Tab", "Enter", "Tab"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.closest('tbody tr:first-child') !== null")
    rows = page.locator("tbody tr")
    assert max(row.bounding_box()["height"] for row in rows.all()) <= ROW_PIXELS_MAX
    first = rows.first.inner_text()
    begun = page.get_by_role("columnheader", name="Conversation")
    assert begun.get_attribute("aria-sort") == "descending"
    begun.get_by_role("link").click()
    page.wait_for_url("**order=oldest")
    assert begun.get_attribute("aria-sort") == "ascending"
    assert rows.first.inner_text() != first
    assert faults(page) == []


@pytest.mark.parametrize(
    ("size", "script"), [(PHONE, True), (DESKTOP, False)], ids=["phone", "no script"]
)
def test_an_officer_signs_in_looks_a_person_up_reads_with_a_reason_and_signs_out(
    site: Site, size: dict[str, int], script: bool
) -> None:
    lived_in(site)
    role = (StaffRole.privacy_officer,)
    page = site.visit_as(role, "/console", viewport=size, java_script_enabled=script)
    assert "privacy officer" in page.locator("header").inner_text()
    page.get_by_role("searchbox", name="Search").fill("ana")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/accounts/acc_*")
    assert "granted" in text(page)
    assert "Pear trees" not in text(page)
    page.locator("a[href^='/console/conversations/']").last.click()
    page.get_by_text("Read content", exact=True).click()
    page.locator("#reason").select_option("person_request")
    page.get_by_label("Ticket").fill("REQ-17")
    page.get_by_role("button", name="Read and record").click()
    assert "How do I plant a pear tree?" in text(page)
    assert "and shown to the person." in text(page)
    mine = site.visit("ana", "/chats")
    mine.get_by_role("link", name="Pear trees", exact=True).click()
    assert "by the privacy officer: because you asked us to" in text(mine)
    page.locator(".me summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto(site.url + "/console")
    assert "not signed in as staff" in text(page)


def test_a_person_reads_the_receipt_of_each_choice_and_anybody_can_check_the_file(
    site: Site,
) -> None:
    existing(site)
    page = site.visit("ana", "/settings")
    page.get_by_role("button", name="Use my chats", exact=True).click()
    page.get_by_role("button", name="Don’t use my chats", exact=True).click()
    page.get_by_text("The record of your choices").click()
    assert page.get_by_role("link", name="Read or print the receipt").count() == 2
    page.get_by_role("link", name="Read or print the receipt").first.click()
    assert "No, from now on: you took your permission back." in text(page)
    assert "reaches our public log by itself" in text(page)
    documents.append(site.town.installation)
    page.reload()
    assert "stands in our public log" in text(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the receipt").click()
    raw = Path(download.value.path()).read_bytes()
    assert json.loads(raw)["proof"]
    vkey = documents.key(site.town.installation).vkey
    assert vkey in text(page)
    with page.expect_download() as program:
        page.get_by_role("link", name="Download verifier.py").click()
    folder = Path(download.value.path()).parent
    for name, saved in (("receipt.json", download), ("verifier.py", program)):
        (folder / name).write_bytes(Path(saved.value.path()).read_bytes())
    call = [sys.executable, "-I", "verifier.py", "receipt", "receipt.json", "--key", vkey]
    done = subprocess.run(
        call, cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    assert (done.returncode, done.stdout[:15]) == (0, "proved: receipt"), done.stdout + done.stderr
    assert verifier.check_receipt(raw, verifier.trust(vkey), "receipt").findings == []
    assert (
        verifier.check_receipt(
            raw.replace(b'"v":1', b'"v":2'), verifier.trust(vkey), "receipt"
        ).answer
        == "unreadable"
    )


def test_a_receipt_of_somebody_else_answers_as_one_that_never_was(site: Site) -> None:
    existing(site)
    site.town.open("ben")
    site.town.choose("ben", True)
    site.town.choose("ana", True)
    (theirs,) = documents.receipts(site.town.installation, site.town.accounts["ben"])
    name = str(theirs.payload["receipt_id"]).removeprefix("urn:licet:receipt:").replace(":", "-")
    never = f"{site.town.accounts['ben'].hex}-999"
    for path in ("/settings/receipts/{}", "/settings/receipts/{}/receipt.json"):
        said = []
        for one in (name, never, "0", f"{site.town.accounts['ana'].hex}-999"):
            page = site.visit("ana", "/settings")
            answer = page.goto(site.url + path.format(one))
            said.append((answer.status, text(page)))
        assert len(set(said)) == 1
        assert said[0][0] == 404


def test_axe_finds_nothing_on_a_receipt(site: Site) -> None:
    existing(site)
    site.town.choose("ana", True)
    page = site.visit("ana", "/settings")
    page.get_by_text("The record of your choices").click()
    page.get_by_role("link", name="Read or print the receipt").click()
    page.get_by_text("The file itself").click()
    assert faults(page) == []
