"""The page of examples: its fragments are the pages' own, it needs no account, and it shows every
state.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from licet import web
from licet.vault.commands import Delete, Narrow
from licet.web.pages import elements

from .axe import violations
from .browsing import DESKTOP, PHONE, Site, browser, site
from .served import NOTICE, World, api, world

__all__ = ["api", "browser", "site", "world"]

EXAMPLES = Path(web.__file__).parent / "examples"


def steady(html: str) -> str:
    """A fragment without what is drawn anew each time: ids, hashes, signatures, keys."""
    html = re.sub(r"[0-9a-f]{12,}", lambda found: "0" * len(found[0]), html)
    html = re.sub(r"(receipt&#34;:&#34;)[\w.-]+(&#34;,&#34;v)", r"\1..\2", html)
    return re.sub(r"\+[0-9a-f]{8}\+[\w+/=]+", "+0", html).rstrip() + "\n"


def recorded(world: World, api: Any) -> dict[str, str]:
    """The fragments of an invented person, by name."""
    for name in ("ana", "ben", "eve"):
        world.open(name)
    world.clock.set(NOTICE)

    def fragment(name: str, path: str, form: dict[str, str] | None = None) -> str:
        headers = {**world.person(name), "licet-fragment": "1"}
        method = "POST" if form else "GET"
        answer = api.request(method, path, data=form, headers=headers, follow_redirects=True)
        return str(answer.text)

    found = {"notice": fragment("ana", "/notice")}
    showing = re.search(r'name="showing" value="([0-9a-f]+)"', fragment("eve", "/notice"))
    assert showing is not None
    found["put_off"] = fragment("eve", "/notice", {"act": "later", "showing": showing[1]})
    found["nothing"] = fragment("eve", "/notice")
    fields = re.findall(r'name="(allow[^"]*)" value="yes"', found["notice"])
    form = {**dict.fromkeys(fields, "yes"), "terms": "yes", "act": "save"}
    showing = re.search(r'name="showing" value="([0-9a-f]+)"', found["notice"])
    assert showing is not None
    found["answered"] = fragment("ana", "/notice", {**form, "showing": showing[1]})
    chats = []
    for title in ("Old plans", "A question about my health", "Pear trees in heavy soil"):
        world.clock.set(world.clock.now + timedelta(hours=1))
        chats.append(world.say("ana", title))
    gone, out, kept = chats
    for verb, chat in ((Narrow, out), (Delete, gone)):
        world.tell(
            verb(account=world.accounts["ana"], at=world.clock.now, conversation=UUID(hex=chat[5:]))
        )
    found["settings"], found["data"] = fragment("ana", "/settings"), fragment("ana", "/chats")
    found["badge"] = fragment("ana", f"/chats/{kept}/badge")
    found["receipt"] = fragment("ana", "/settings/receipts/newest")
    found["refused"] = str(api.get("/settings", headers={"licet-fragment": "1"}).text)
    return {name: steady(html) for name, html in found.items()}


def test_the_examples_are_the_fragments_that_the_pages_make(world: World, api: Any) -> None:
    found = recorded(world, api)
    assert sorted(found) == sorted(elements.FRAGMENTS)
    if os.environ.get("TESTS_WRITE_GOLDEN"):
        for name, html in found.items():
            (EXAMPLES / f"{name}.html").write_text(html, encoding="utf-8")
    for name, html in found.items():
        kept = (EXAMPLES / f"{name}.html").read_text("utf-8")
        assert kept == html, f"TESTS_WRITE_GOLDEN=1 writes {name}.html anew"


@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone", "desktop"]
)
def test_the_page_of_examples_shows_every_state_to_anybody_and_sends_nothing(
    site: Site, size: dict[str, int], scheme: str
) -> None:
    page = site.visit(None, "/healthz", viewport=size, color_scheme=scheme)
    sent: list[str] = []
    page.on(
        "request", lambda request: sent.append(f"{request.method} {urlsplit(request.url).path}")
    )
    page.goto(site.url + "/elements")
    for name, words in STATES.items():
        page.locator(f"[data-name={name}]").get_by_text(words).first.wait_for()
    assert violations(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    notice = page.locator("[data-name=notice]")
    notice.locator("input[type=radio][value=no]").first.check()
    notice.locator("button[name=act][value=save]").click()
    page.locator("[data-heard=notice]").get_by_text("licet-answered").wait_for()
    page.locator("[data-opens=dialog]").click()
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.locator("[data-heard=places]").get_by_text("licet-put-off").wait_for()
    page.get_by_label("Theme of the examples").select_option("dark")
    assert notice.get_attribute("theme") == "dark"
    assert {one for one in sent if not one.startswith("GET /static/")} == {"GET /elements"}


STATES = {
    "notice": "New terms", "nothing": "Nothing to decide.", "loading": "One moment", "failed": "could not be reached",
    "refused": "You are not signed in here", "badge": "May be used", "settings": "Privacy settings", "data": "Pear trees",
    "receipt": "Yes: your chats may be used.",
}  # fmt: skip
