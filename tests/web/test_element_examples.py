"""The page of examples: its fragments are the pages' own, it needs no account, and it shows every state."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from licet import web
from licet.vault.commands import Delete, Narrow
from licet.web.pages import elements

from .browsing import browser, site
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
        answer = api.post(path, data=form, headers=headers) if form else api.get(path, headers=headers)
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
        world.tell(verb(account=world.accounts["ana"], at=world.clock.now, conversation=UUID(hex=chat[5:])))
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
