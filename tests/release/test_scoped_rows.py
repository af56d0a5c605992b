"""Releases of people who answer each question by itself, and allow a project or a chat what they
refuse for the rest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from licet import verifier
from licet.ledger import publication
from licet.policy.period import instant
from licet.policy.state import TurnRole
from licet.proof import documents
from licet.proof import handles as finding
from licet.store.connect import Pool
from licet.vault import commands as do
from licet.vault.ids import Prefix, format_id

from ..installed import House
from ..terms import preset
from .test_proofs import IMPROVE, SAFETY, built, findings, lines

MODELS = "models"


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    """Ana says no to both questions, and yes for models in one project and in one chat; her other
    chats stay out.
    """
    house = House(pool, tmp_path / "data", preset("strict"), at=instant("2025-09-01"))
    house.open("ana", allow=False)
    house.passes(1)
    house.say("ana", "before", "in the project, and said before", host_project=atlas(house))
    house.say("ana", "solo", "a chat of its own")
    house.choose("ana", True, question=MODELS, scope=do.ChosenScope(host_project=atlas(house)))
    house.choose(
        "ana", True, question=MODELS, scope=do.ChosenScope(conversation=house.chats["solo"])
    )
    house.passes(1)
    for chat, more in (("solo", {}), ("inside", {"host_project": atlas(house)}), ("outside", {})):
        house.say("ana", chat, f"about {chat}", **more)
        house.say("ana", chat, "an answer", role=TurnRole.assistant)
    house.passes(1)
    return house


def atlas(house: House) -> bytes:
    return house.host("project", "atlas")


def handles(house: House, *chats: str) -> set[str]:
    named = finding.handles(house.installation, house.accounts["ana"]).conversations
    return {named[format_id(Prefix.conversation, house.chats[chat])] for chat in chats}


def told(house: House, year: int = 2025) -> list[dict[str, Any]]:
    documents.append(house.installation)
    log = publication.PublishedLog(
        house.installation.config.data / "log" / str(year), documents.key(house.installation, year)
    )
    return [json.loads(entry) for entry in log.entries()]


def test_only_what_was_said_under_a_scoped_yes_is_in_and_strangers_decide_it_again(
    house: House,
) -> None:
    one = built(house)
    rows = lines(one, "rows")
    assert {row["conversation"] for row in rows} == handles(house, "solo", "inside")
    (project,) = finding.handles(house.installation, house.accounts["ana"]).projects.values()
    by_chat = {row["conversation"]: (row["question"], row["project"]) for row in rows}
    (solo,), (inside,) = handles(house, "solo"), handles(house, "inside")
    assert by_chat == {solo: (MODELS, None), inside: (MODELS, project)}
    assert findings(house, one) == []
    for row in rows:
        assert [source["turns"] for source in row["sources"]] == [{"typed": 1, "assistant": 1}]


def test_a_yes_to_one_question_lets_nothing_into_a_release_for_anothers_purpose(
    house: House,
) -> None:
    one = built(house, SAFETY)
    assert one.manifest.rows == 0
    assert findings(house, one) == []
    house.choose("ana", True, question="safety")
    house.say("ana", "solo", "and now for safety too")
    two = built(house, SAFETY, name="two")
    assert [(row["question"], row["project"]) for row in lines(two, "rows")] == [("safety", None)]
    assert findings(house, two) == []


def test_a_no_that_keeps_a_chat_ends_the_project_and_the_log_tells_it_in_order(
    house: House,
) -> None:
    house.choose(
        "ana", False, question=MODELS, keep=(do.ChosenScope(conversation=house.chats["solo"]),)
    )
    one = built(house)
    assert {row["conversation"] for row in lines(one, "rows")} == handles(house, "solo")
    assert findings(house, one) == []
    last = [entry for entry in told(house) if not entry["t"].startswith("release_")][-3:]
    assert [entry["t"] for entry in last] == ["grant_ended", "choice", "grant_affirmed"]
    assert last[1]["facts"] == {
        "allow": False,
        "effect": "withdrew",
        "version": 0,
        "question": MODELS,
        "scope": "account",
    }
    assert (last[2]["facts"]["scope"], {last[2]["facts"]["handle"]}) == (
        "conversation",
        handles(house, "solo"),
    )


def test_a_project_that_is_kept_out_is_out_until_it_is_let_in_and_allowed_again(
    house: House,
) -> None:
    house.tell(
        do.KeepProjectOut(account=house.accounts["ana"], at=house.now, host_project=atlas(house))
    )
    one = built(house)
    assert {row["conversation"] for row in lines(one, "rows")} == handles(house, "solo")
    house.passes(1)
    house.tell(
        do.LetProjectIn(account=house.accounts["ana"], at=house.now, host_project=atlas(house))
    )
    house.choose("ana", True, question=MODELS, scope=do.ChosenScope(host_project=atlas(house)))
    house.passes(1)
    house.say("ana", "later", "in the project again", host_project=atlas(house))
    two = built(house, name="two")
    assert {row["conversation"] for row in lines(two, "rows")} == handles(house, "solo", "later")
    assert findings(house, one) == findings(house, two) == []
    kinds = [entry["t"] for entry in told(house)]
    assert kinds.index("project_kept_out") < kinds.index("narrowed") < kinds.index("project_let_in")


def test_a_scoped_grant_of_the_year_before_is_told_once_and_only_where_a_row_rests_on_it(
    house: House,
) -> None:
    house.choose(
        "ana", True, question=MODELS, scope=do.ChosenScope(conversation=house.chats["outside"])
    )
    documents.append(house.installation)
    house.passes(150)
    assert house.now.year == 2026
    one, two = built(house), built(house, name="two")
    assert {row["conversation"] for row in lines(one, "rows")} == handles(house, "solo", "inside")
    assert findings(house, one, 2026) == findings(house, two, 2026) == []
    entries = told(house, 2026)
    assert [entry["t"] for entry in entries] == [
        "policy_stands",
        "carried",
        "grant_stands",
        "grant_stands",
        *(["release_decided", "release_sealed"] * 2),
    ]
    stands = [entry["facts"] for entry in entries if entry["t"] == "grant_stands"]
    assert {facts["scope"] for facts in stands} == {"project", "conversation"}
    (solo,) = handles(house, "solo")
    assert {facts.get("handle") for facts in stands} == {None, solo}


def test_the_log_is_a_story_that_holds_and_names_no_project_of_ours(house: House) -> None:
    house.tell(
        do.KeepProjectOut(account=house.accounts["ana"], at=house.now, host_project=atlas(house))
    )
    house.choose("ana", False)
    entries = told(house)
    trusted = verifier.trust(documents.key(house.installation, 2025).vkey)
    files = verifier.FolderFiles(house.installation.config.data / "log" / "2025")
    report = verifier.check_log(files, trusted, (), verifier.new_story(trusted.origin))
    assert (report.answer, report.findings) == ("proved", [])
    ((project,),) = house.query("SELECT project_id FROM projects")
    text = json.dumps(entries)
    assert project.hex not in text and str(project) not in text
    assert IMPROVE not in text


def test_receipts_are_one_a_question_and_scope_and_say_what_was_kept(house: House) -> None:
    house.choose("ana", False, question=MODELS, keep=(do.ChosenScope(host_project=atlas(house)),))
    documents.append(house.installation)
    issued = documents.receipts(house.installation, house.accounts["ana"])
    events: list[Any] = [one.payload["record"]["events"][0] for one in issued]  # type: ignore[index, call-overload]  # the shape is `document`'s
    ((project,),) = house.query("SELECT project_id FROM projects")
    of = [f"urn:licet:project:{project.hex}", f"urn:licet:conversation:{house.chats['solo'].hex}"]
    assert [
        (event["question"], event["scope"], event["of"], event["event_state"]) for event in events
    ] == [
        (MODELS, "account", None, "dpv:ConsentRefused"),
        ("safety", "account", None, "dpv:ConsentRefused"),
        (MODELS, "project", of[0], "dpv:ConsentGiven"),
        (MODELS, "conversation", of[1], "dpv:ConsentGiven"),
        (MODELS, "account", None, "dpv:ConsentWithdrawn"),
    ]
    assert [event["kept"] for event in events] == [[]] * 4 + [
        [{"grant": 1, "scope": "project", "of": of[0]}]
    ]
    purposes = [
        [one["name"] for one in receipt.payload["record"]["processes"]] for receipt in issued
    ]
    assert purposes == [[IMPROVE], [SAFETY], [IMPROVE], [IMPROVE], [IMPROVE]]
    assert [one.payload["replaces"] for one in issued] == [None] * 4 + [
        issued[0].payload["receipt_id"]
    ]
    for one in issued:
        report = verifier.check_receipt(
            one.encode(), verifier.trust(documents.receipt_key(house.installation, one).vkey)
        )
        assert (report.answer, report.findings) == ("proved", []), one.payload
