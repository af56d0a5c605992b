"""A policy may cover a purpose that there are no words for: no page fails, and each says its
name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from licet.access.roles import StaffRole
from licet.cli.policy import plan_text
from licet.consent.catalogue import catalogue
from licet.curate import release_build
from licet.errors import UsageError
from licet.policy import purposes
from licet.policy.decide import IMPROVE, SAFETY
from licet.policy.file import Policy, from_document
from licet.proof import documents, receipt
from licet.service import policy_changes
from licet.store.connect import Pool

from ..terms import preset
from .served import NOTICE, ApplicationClient, World
from .test_pages_truth import asked_on, page, send, words

RESEARCH = "serve the purpose “public research”"


def covering(*names: str) -> Policy:
    base = preset("article-2025").document()
    return from_document({**base, "choice": {"covers": list(names)}})


def test_every_purpose_that_ships_has_its_words_and_its_address() -> None:
    english = catalogue("en")
    for name in (IMPROVE, SAFETY):
        assert purposes.sentence_key(name) != purposes.OTHER
        assert english.purpose(name)
        assert purposes.purpose_url(name).startswith(purposes.DPV)
    assert english.purpose("public_research") == RESEARCH
    assert purposes.purpose_url("public_research") == "urn:licet:purpose:public_research"
    assert {
        name for one in ("article-2025", "strict") for name in preset(one).covers
    } <= purposes.PURPOSES.keys()


def test_a_third_purpose_makes_no_page_fail_and_is_named_wherever_purposes_are(
    pool: Pool, tmp_path: Path
) -> None:
    world = World(pool, tmp_path / "data", covering(IMPROVE, "public_research", SAFETY))
    world.open("ana")
    world.clock.set(NOTICE)
    ana = world.browser("ana")
    with ApplicationClient(world.app) as api:
        said = page(api, ana, "/notice")
        assert f"May be used to improve models, {RESEARCH} and recognise misuse." in said
        assert f"Never used to improve models or {RESEARCH}." in said
        assert f"will not be used to improve models or {RESEARCH}." in send(
            api, ana, "/settings", allow="no", showing=asked_on(api, ana)
        )
        said = send(api, ana, "/settings", allow="yes", showing=asked_on(api, ana))
        assert (
            f"from now on your chats may be used to improve models, {RESEARCH} and "
            "recognise misuse."
        ) in said
        chat = world.say("ana", "Bees")
        release_build.build_release(world.installation, name="first", purpose="public_research")
        documents.append(world.installation)
        for path in ("/chats", f"/chats/{chat}"):
            assert RESEARCH in page(api, ana, path)
        assert f"to {RESEARCH}, made on" in page(api, ana, "/settings")
        number = world.rows("SELECT max(seq) FROM choices")[0][0]
        assert RESEARCH in page(
            api, ana, f"/settings/receipts/{world.accounts['ana'].hex}-{number}"
        )
        found = documents.receipts(world.installation, world.accounts["ana"])[-1]
        assert "urn:licet:purpose:public_research" in found.encode().decode() + str(found.payload)
        assert "public" in dict(receipt.list_fields(found))["About"]
        staff = world.staff(*StaffRole)
        account = f"acc_{world.accounts['ana'].hex}"
        for path in (
            "/console",
            f"/console/accounts/{account}",
            f"/console/conversations/{chat}",
            "/console/releases",
        ):
            made = api.get(path, headers=staff)
            assert made.status_code == 200, path
            if path not in ("/console",):
                assert "public research" in words(made.text), path
        for path in (
            "/takeout.zip",
            "/v1/accounts/me/conversations",
            f"/v1/conversations/{chat}/explain",
        ):
            assert api.get(path, headers=ana).status_code == 200, path


def test_a_choice_for_safety_alone_promises_no_more_than_holds(pool: Pool, tmp_path: Path) -> None:
    world = World(pool, tmp_path / "data", covering(SAFETY))
    world.open("ana")
    world.clock.set(NOTICE)
    with ApplicationClient(world.app) as api:
        said = page(api, world.browser("ana"), "/settings")
        assert "may be used to recognise misuse." in said
        assert "never used to recognise misuse, unless our safety team flags it." in said


@pytest.mark.parametrize("name", ["Research", "public research", "<b>", "x" * 33])
def test_what_can_be_the_name_of_no_purpose_is_refused_when_it_is_applied(
    pool: Pool, tmp_path: Path, name: Any
) -> None:
    with pytest.raises(UsageError, match=r"choice\.covers"):
        World(pool, tmp_path / "data", covering(IMPROVE, name))


def test_a_plan_says_which_purposes_the_pages_have_no_words_for(pool: Pool, tmp_path: Path) -> None:
    world = World(pool, tmp_path / "data", covering(IMPROVE))
    document = covering(IMPROVE, "public_research").document()
    changed = from_document(
        {**document, "version": "2025-12-01", "effective": "2025-12-01", "decide_by": "2026-01-01"}
    )
    file = tmp_path / "next.yaml"
    file.write_bytes(_yaml(changed.document()))
    planned = policy_changes.plan_policy(world.installation, file, actor="test")
    assert planned.unworded == ("public_research",)
    assert "the pages have no words for `public_research`, and say its name" in plan_text(planned)


def _yaml(document: dict[str, Any]) -> bytes:
    import msgspec

    return msgspec.yaml.encode(document)
