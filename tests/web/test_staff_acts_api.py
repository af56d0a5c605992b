"""What staff do in the console they do over the API, by the same verbs and with the same
answers.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any
from uuid import UUID

from licet.access import sessions
from licet.access.roles import StaffRole
from licet.curate import release_build
from licet.erasure import recall_register
from licet.store.connect import transaction
from licet.vault.commands import Delete

from .served import NOTICE, World, api, world

__all__ = ["api", "world"]


def deleted(world: World) -> str:
    """An erasure of a conversation that a recipient was given rows of."""
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    chat = world.say("ana", "Pears", "How deep do the roots of an old pear tree go?")
    release_build.build_release(world.installation, name="autumn", purpose="improve_models")
    recall_register.hand_out(world.installation, "autumn", "lab-one")
    conversation = UUID(hex=chat.partition("_")[2])
    (done,) = world.tell(
        Delete(account=world.accounts["ana"], at=world.clock.now, conversation=conversation)
    )
    assert done.erasure is not None
    return f"era_{done.erasure.hex}"


def suggested(world: World, name: str, chat: str) -> None:
    """A suggestion about a conversation, by rae@example.org."""
    with transaction(world.installation.pool) as tx:
        reader = sessions.find_or_add_staff(tx, "rae@example.org", world.wall, os.urandom)
        tx.execute(
            """INSERT INTO suggestions (account_id, conversation_id, model_sha256, score, last_turn,
               suggested_at, suggested_by)
               VALUES (%s, %s, %s, 0.9, 1, %s, %s)""",
            [
                world.accounts[name],
                UUID(hex=chat.partition("_")[2]),
                bytes(32),
                world.clock.now,
                reader,
            ],
        )


def test_an_officer_moves_an_erasure_on_after_a_dry_run_and_records_the_recipients_answer(
    api: Any, world: World
) -> None:
    erasure, officer = deleted(world), world.staff(StaffRole.privacy_officer)
    path = f"/v1/erasures/{erasure}/run"
    would = api.post(path, json={"at_once": True, "dry_run": True}, headers=officer).json()
    assert (would["forecast"]["due"], would["forecast"]["keys"], would["erasure"]["state"]) == (
        1,
        1,
        "fenced",
    )
    later = api.post(path, json={}, headers=officer).json()
    assert (later["forecast"]["later"], later["erasure"]["state"]) == (1, "fenced"), (
        "its period has not ended"
    )
    done = api.post(path, json={"at_once": True}, headers=officer).json()
    assert done["erasure"]["state"] == "verified"
    (recall,) = done["erasure"]["recalls"]
    told = api.post(
        f"/v1/erasures/{erasure}/recalls/{recall['handout']}/acknowledge", headers=officer
    )
    assert (told.status_code, told.json()["recipient"]) == (200, "lab-one")
    assert told.json()["acknowledged_at"] is not None
    assert (
        api.post(
            f"/v1/erasures/{erasure}/recalls/hand_{'0' * 31}1/acknowledge", headers=officer
        ).status_code
        == 404
    )
    assert api.post(path, json={"now": True}, headers=officer).status_code == 400


def test_the_inbox_of_the_api_is_that_of_the_page(api: Any, world: World) -> None:
    erasure = deleted(world)
    world.clock.set(world.clock.now + timedelta(days=40))
    for role, kinds in (
        (StaffRole.privacy_officer, {"erasure", "review"}),
        (StaffRole.curator, {"review"}),
    ):
        items = api.get("/v1/inbox", headers=world.staff(role)).json()["items"]
        assert {one["kind"] for one in items} == kinds, role
        page = api.get("/console/inbox", headers=world.staff(role)).text
        assert all(f'href="/console/inbox/{one["item"]}"' in page for one in items)
    assert erasure


def test_a_suggestion_is_decided_over_the_api(api: Any, world: World) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    chat = world.say("ana", "Pears", "roots")
    suggested(world, "ana", chat)
    reviewer = world.staff(StaffRole.reviewer, email="rae@example.org")
    path = f"/v1/conversations/{chat}/misuse"
    done = api.post(path, json={"decision": "flag"}, headers=reviewer)
    assert (done.status_code, done.json()["decision"], done.json()["decided_by"]) == (
        200,
        "flagged",
        "rae@example.org",
    )
    assert api.post(path, json={"decision": "dismiss"}, headers=reviewer).status_code == 409
    assert (
        api.post(path, json={"decision": "overturn"}, headers=reviewer).json()["decision"]
        == "overturned"
    )
    assert api.post(path, json={"decision": "forget"}, headers=reviewer).status_code == 400


def test_a_sweep_is_approved_over_the_api_for_the_amount_that_was_announced(
    api: Any, world: World
) -> None:
    owner = world.staff(StaffRole.owner, email="olga@example.org")
    assert api.post("/v1/sweep/approve", json={"due": 5000}, headers=owner).status_code == 409
    with transaction(world.installation.pool) as tx:
        tx.execute(
            "INSERT INTO sweeping (waits_since, due, kept) VALUES (%s, 5000, 9000)",
            [world.clock.now],
        )
    assert api.get("/v1/sweep", headers=owner).json()["due"] == 5000
    assert api.post("/v1/sweep/approve", json={"due": 4999}, headers=owner).status_code == 409
    done = api.post("/v1/sweep/approve", json={"due": 5000}, headers=owner).json()
    assert (done["approved"], done["approved_by"]) == (5000, "staff:olga@example.org")
