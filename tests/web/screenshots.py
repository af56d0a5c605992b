"""Takes the screenshots of docs/screenshots: every page and the console, in two sizes and two
colour schemes.

    python -m tests.web.screenshots FOLDER              # in English; NAME-SIZE-SCHEME.png
    python -m tests.web.screenshots FOLDER de ja ar     # the pages for people, in these languages; NAME-SIZE-SCHEME.LANGUAGE.png
    python -m tests.web.screenshots FOLDER --first      # the first screens that README.md shows; first-NAME-SCHEME.png

What they show is made here, on a clock of its own, so that a change of a page is all that changes a
picture. Each is reduced to 32 colours by ImageMagick's `convert`, without which it stays three
times as large.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

from playwright.sync_api import sync_playwright

from licet.access.roles import StaffRole
from licet.consent import notice as notices
from licet.consent import rendered_page, rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights_requests import EnteredRequest, StaffAct
from licet.curate import release_build
from licet.demo import office
from licet.policy.period import instant
from licet.policy.state import ConversationKind
from licet.proof import documents
from licet.release import catalog
from licet.service import staff_lists, staff_tables
from licet.store import embedded
from licet.store.connect import Pool, open_pool, transaction
from licet.store.keyset import TableView
from licet.store.migrate import migrate
from licet.vault.commands import Delete, Flag, Hold, Narrow
from licet.vault.ids import Prefix, format_id

from .browsing import DESKTOP, PHONE, Site
from .people import AFTER, NOTICE, Town, application, serving

OFFICER = "staff:officer@example.org"
SOIL = "Pear trees in heavy soil"
# README.md shows them at one height.
FIRST_PHONE, FIRST_WIDE = {"width": 390, "height": 780}, {"width": 980, "height": 980}
LETTER = (
    "A letter to the landlord, with all that was agreed about the roof and about the long "
    "wait "
    "for it"
)


def stage(
    pool: Pool, folder: Path, languages: Sequence[str] = ()
) -> tuple[Town, dict[str, tuple[str | None, str, str]]]:
    """A town, and for each picture who looks at which page and the value of the button that they
    press there.
    """
    town = Town(pool, folder, "strict", languages=languages)
    town.open("ana", age=None)
    town.open("zoe")
    town.open("kid", age=15)
    ben = town.open("ben")
    town.say("ben", SOIL)
    town.clock.set(instant("2025-09-01T08:00:00Z"))
    town.say("ben", LETTER)
    town.clock.set(NOTICE)
    town.open("new", age=None)
    town.choose("ben", True)
    town.say("ben", SOIL)
    code = town.say("ben", "Sorting in Python", kind=ConversationKind.code)
    garden = {"host_project": town.host("project", "garden")}
    town.say("ben", "What grows under a walnut", **garden)
    town.say(
        "ben",
        "Mail the nursery",
        "Write to order@nursery.example that I want ten, and sign it Ben Ilves.",
        **garden,
    )
    town.tell(
        Narrow(
            account=ben,
            at=town.clock.now,
            conversation=town.say("ben", "A question about my health"),
        )
    )
    town.tell(Delete(account=ben, at=town.clock.now, conversation=town.say("ben", "Old plans")))
    town.say("ben", "Something private", incognito=True)
    flagged = town.say("ben", "Passwords of other people")
    town.tell(Flag(account=ben, at=town.clock.now, conversation=flagged, score=0.93))
    town.tell(Hold(account=ben, at=town.clock.now, conversation=code, matter="a matter"))
    asked = rights_requests.enter(
        town.installation,
        EnteredRequest(
            account=ben,
            kind=RightKind.rectification,
            words="My name has two t.",
            identity="by his account",
            region="DE",
        ),
        "staff:officer@example.org",
    )
    request = format_id(Prefix.request, asked.row.request)
    rights_requests.take_step(
        town.installation,
        request,
        StaffAct.pause,
        "staff:officer@example.org",
        reason="clarification",
        words="In which chat is it written so?",
    )
    release_build.build_release(town.installation, name="autumn", purpose="improve_models")
    documents.append(town.installation)
    return town, {
        "notice": ("ana", "/notice", ""),
        "notice-error": ("ana", "/notice", "save"),
        "signup": ("new", "/signup", ""),
        "settings": ("ben", "/settings", ""),
        "receipt": ("ben", f"/settings/receipts/{receipt_of(town, ben)}", ""),
        "settings-undecided": ("ana", "/settings", ""),
        "chats": ("ben", "/chats", ""),
        "chat": ("ben", f"/chats/conv_{code.hex}", ""),
        "delete": ("ben", f"/chats/conv_{code.hex}/delete", ""),
        "project": ("ben", f"/projects/proj_{garden_of(town, ben).hex}", ""),
        "preview": ("ben", "/preview", ""),
        "timeline": ("ben", "/timeline", ""),
        "erasures": ("ben", "/erasures", ""),
        "feedback": ("ben", "/feedback", ""),
        "rights": ("ben", "/rights", ""),
        "right": ("ben", "/rights/objection", ""),
        "right-error": ("ben", "/rights/complaint", "send"),
        "request": ("ben", f"/rights/requests/{request}", ""),
        "everything": ("ben", "/everything/delete", ""),
        "close": ("ben", "/account/close", ""),
        "put-off": ("zoe", "/notice", "later"),
        "nothing": ("ben", "/notice", ""),
        "nothing-age": ("kid", "/notice", ""),
        "design": (None, "/design", ""),
        "signed-out": (None, "/settings", ""),
    }


# Plain lists, of which one light and one dark picture are made.
LISTS = (
    "look-up", "models", "accounts", "conversations", "erasures", "recalls", "holds",
    "suggestions", "flags", "readings",
    "releases", "policy", "log", "background", "access", "rights", "documents", "keys", "backups", "webhooks",
    "orders", "notices", "recipients",
)  # fmt: skip
LIST_LOOKS = ("desktop-light", "phone-dark")


def garden_of(town: Town, account: UUID) -> UUID:
    with transaction(town.installation.pool) as tx:
        return tx.execute(
            "SELECT project_id FROM projects WHERE account_id = %s", [account]
        ).fetchall()[0][0]


def receipt_of(town: Town, account: UUID) -> str:
    newest = documents.receipts(town.installation, account)[-1]
    return str(newest.payload["receipt_id"]).removeprefix("urn:licet:receipt:").replace(":", "-")


def console(town: Town) -> dict[str, str]:
    """The pages of the console, by name."""
    (flag,) = staff_lists.list_flags(town.installation)
    (erasure,) = staff_tables.read_page(town.installation, staff_tables.ERASURES, TableView()).rows
    (release,) = catalog.list_releases(town.installation)
    with transaction(town.installation.pool) as tx:
        shown = notices.find(tx, 0, "en", notices.Variant.existing)
    assert shown is not None
    return {
        "console": "/console",
        "console-inbox": "/console/inbox",
        **{f"console-{name}": f"/console/{name}" for name in LISTS},
        "console-account": f"/console/accounts/{flag.account}",
        "console-conversation": f"/console/conversations/{flag.conversation}",
        "console-erasure": f"/console/erasures/{erasure[0].value}",
        "console-notice": f"/console/notices/{shown.notice_id.hex}",
        "console-release": f"/console/releases/{release.release_id.hex}",
    }


def shoot(
    site: Site, pictures: dict[str, tuple[str | None, str, str]], out: Path, language: str
) -> None:
    """The pages in one language; an empty one is that of a browser which asks for none."""
    asked: dict[str, str] = {"locale": language} if language else {}
    for name, (who, path, press) in pictures.items():
        for look, viewport, scheme in looks():
            page = site.visit(who, path, viewport=viewport, color_scheme=scheme, **asked)
            button = page.locator(
                'main button[type="submit"]'
                if press == "send"
                else f'button[name="act"][value="{press}"]'
            )
            if button.count():
                button.click()
                page.wait_for_load_state("networkidle")
            page.screenshot(
                path=out / f"{name}-{look}{'.' * bool(language)}{language}.png", full_page=True
            )


def shoot_console(site: Site, town: Town, out: Path) -> None:
    for look, viewport, scheme in looks():
        page = site.visit_as(tuple(StaffRole), "/console", viewport=viewport, color_scheme=scheme)
        for name, path in console(town).items():
            if name.removeprefix("console-") in LISTS and look not in LIST_LOOKS:
                continue
            page.goto(site.url + path)
            page.screenshot(path=out / f"{name}-{look}.png", full_page=True)
        page.goto(site.url + console(town)["console-conversation"])
        page.get_by_text("Read content", exact=True).click()
        page.locator("#reason").select_option("misuse_review")
        page.get_by_label("Ticket").fill("M-17")
        page.get_by_role("button", name="Read and record").click()
        page.screenshot(path=out / f"console-read-{look}.png", full_page=True)


def shoot_changes(site: Site, out: Path) -> None:
    """The settings after a no and after it was taken back, and the notice with its details open."""
    for look, viewport, scheme in looks():
        page = site.visit("ben", "/settings", viewport=viewport, color_scheme=scheme)
        for name, press in (
            ("settings-no", "Don’t use my chats to improve models"),
            ("settings-undone", "Undo"),
        ):
            page.get_by_role("button", name=press).click()
            page.screenshot(path=out / f"{name}-{look}.png", full_page=True)
        page = site.visit("ana", "/notice", viewport=viewport, color_scheme=scheme)
        page.get_by_text("All details").click()
        page.screenshot(path=out / f"notice-details-{look}.png", full_page=True)


def looks() -> Iterator[tuple[str, dict[str, int], str]]:
    for size, viewport in (("phone", PHONE), ("desktop", DESKTOP)):
        for scheme in ("light", "dark"):
            yield f"{size}-{scheme}", viewport, scheme


def shoot_first(site: Site, town: Town, out: Path) -> None:
    """What README.md and the first page of the site show in a row: the notice, an answer with its
    reason, and the console.
    """
    said = town.say("ben", SOIL)
    for scheme in ("light", "dark"):
        for name, who, path in (
            ("notice", "ana", "/notice"),
            ("answer", "ben", f"/chats/conv_{said.hex}"),
        ):
            page = site.visit(who, path, viewport=FIRST_PHONE, color_scheme=scheme)
            page.screenshot(path=out / f"first-{name}-{scheme}.png")
        page = site.visit_as(
            (StaffRole.curator,),
            console(town)["console-release"],
            viewport=FIRST_WIDE,
            color_scheme=scheme,
        )
        page.screenshot(path=out / f"first-console-{scheme}.png")


def check_fonts(languages: Sequence[str]) -> None:
    """Ends where this machine has no font for a language: each letter would be an empty box."""
    for language in languages:
        called = ["fc-list", f":lang={language}", "family"]
        if not subprocess.run(called, check=True, capture_output=True).stdout:
            raise SystemExit(
                f"error: no font here has the letters of `{language}`\n"
                "hint: apt-get install fonts-dejavu-core fonts-vlgothic"
            )


def reduce(folder: Path) -> None:
    if convert := shutil.which("convert"):
        for picture in sorted(folder.glob("*.png")):
            subprocess.run(
                [convert, picture, "+dither", "-colors", "32", "-strip", f"PNG8:{picture}"],
                check=True,
            )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.web.screenshots")
    parser.add_argument("folder", type=Path)
    parser.add_argument("languages", nargs="*")
    parser.add_argument(
        "--first", action="store_true", help="the first screens that README.md shows, and no other"
    )
    asked = parser.parse_args(arguments)
    check_fonts(asked.languages)
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        base = Path(folder)
        (base / "data").mkdir()
        with (
            embedded.running(base / "postgres", embedded.Options(durable=False)) as dsn,
            open_pool(dsn) as pool,
        ):
            with pool.connection() as conn:
                migrate(conn)
            town, pictures = stage(pool, base / "data", asked.languages)
            browser = driver.chromium.launch(
                executable_path=rendered_page.find_chromium(os.environ)
            )
            with serving(application(town)) as url:
                site = Site(town, url, browser)
                if asked.first:
                    shoot_first(site, town, asked.folder)
                else:
                    shoot_all(site, town, pictures, asked.folder, asked.languages)
                site.close()
    reduce(asked.folder)


def shoot_all(
    site: Site,
    town: Town,
    pictures: dict[str, tuple[str | None, str, str]],
    out: Path,
    languages: Sequence[str],
) -> None:
    for language in languages or ("",):
        shoot(site, pictures, out, language)
    if not languages:
        shoot_changes(site, out)
    if not languages:
        office.keep_office(town.installation, "autumn")
    town.clock.set(AFTER)
    for language in languages or ("",):
        shoot(site, {"notice-after": ("ana", "/notice", "")}, out, language)
    if not languages:
        shoot_console(site, town, out)


if __name__ == "__main__":
    main(sys.argv[1:])
