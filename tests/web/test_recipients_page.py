"""The settings page names everybody who was given rows, and says of each what holds; so does the
API, to nobody else.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from licet.curate import release_build
from licet.policy.state import TurnRole
from licet.service import policy_changes
from licet.train import export_files, recipients
from licet.train.exports import Format
from licet.vault.commands import Choose

from ..terms import preset
from .served import NOTICE, World, api, world

__all__ = ["api", "world"]

EVERY = ("train", "validation", "test")


@pytest.fixture
def lab(world: World, tmp_path: Path) -> World:
    """Ana's rows lie with a recipient as plain text."""
    world.clock.set(NOTICE)
    policy = replace(
        preset("article-2025"),
        version="2025-09-15",
        effective=world.clock.now,
        material=True,
        recipients=frozenset({"lab-one"}),
    )
    policy_changes.apply_policy(world.installation, policy, actor="test")
    for name in ("ana", "bo"):
        world.open(name, allow=True)
        world.say(name, f"{name}1", f"how does {name} plant a pear tree")
        world.say(name, f"{name}1", "in November", role=TurnRole.assistant)
    release_build.build_release(world.installation, name="autumn", purpose="improve_models")
    return world


def given(world: World, out: Path) -> None:
    export_files.export(
        world.installation, "autumn", Format.trl, recipient="lab-one", out=out, splits=EVERY
    )


def said(api: Any, world: World, name: str) -> str:
    text = re.sub(r"<[^>]+>", " ", api.get("/settings", headers=world.browser(name)).text)
    return re.sub(r"\s+", " ", text)


def test_the_page_says_of_each_recipient_what_holds_at_that_moment(
    api: Any, lab: World, tmp_path: Path
) -> None:
    ana = lab.accounts["ana"]
    text = said(api, lab, "ana")
    assert "Who was given rows of yours Nobody." in text
    assert "plain text" not in text
    assert "a key that was given before holds for 60 minutes at most" in text
    given(lab, tmp_path / "out")
    text = said(api, lab, "ana")
    assert re.search(
        r"lab-one: 1 row of autumn, as plain text, on [^.]+\. Some or all of them may still be used\.",
        text,
    )
    assert "Whoever has them is asked to delete them, and to say so within 14 days" in text
    lab.tell(Choose(account=ana, at=lab.clock.now, allow=False, via="settings"))
    assert "They may not be used any more, and are about to be asked back." in said(api, lab, "ana")
    recipients.recall_ended(lab.installation)
    assert "Asked to delete what may not be used any more" in said(api, lab, "ana")
    assert "Some or all of them may still be used." in said(api, lab, "bo")
    (export,) = export_files.list_exports(lab.installation)
    export_files.acknowledge(lab.installation, export.export)
    assert re.search(
        r"lab-one: .* Answered on [^.]+ that they are deleted\.", said(api, lab, "ana")
    )


def test_the_api_tells_a_person_their_recipients_and_nobody_elses(
    api: Any, lab: World, tmp_path: Path
) -> None:
    given(lab, tmp_path / "out")
    (one,) = api.get("/v1/accounts/me/recipients", headers=lab.person("ana")).json()["items"]
    assert (one["recipient"], one["release"], one["plain"], one["rows"], one["state"]) == (
        "lab-one",
        "autumn",
        True,
        1,
        "in_use",
    )
    theirs = f"/v1/accounts/acc_{lab.accounts['ana'].hex}/recipients"
    assert api.get(theirs, headers=lab.person("bo")).status_code == 404
