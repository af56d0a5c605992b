"""What owners order about the system itself over the API: the console's verbs, each once under its
key and with its reason.
"""

from __future__ import annotations

from typing import Any

import pytest

from licet.access.roles import StaffRole
from licet.erasure import epochs
from licet.service import orders
from licet.vault.commands import Delete
from licet.web.api import reference

from .served import NOTICE, World, api, world
from .test_console_tables import uuid_of
from .test_staff_api import under

__all__ = ["api", "world"]

EXAMPLES = reference.texts().requests
WHY = {"reason": "the receiver is moved"}


@pytest.fixture
def owner(world: World) -> dict[str, str]:
    world.clock.set(NOTICE)
    return world.staff(StaffRole.owner, email="olga@example.org")


def test_a_rotation_is_ordered_once_under_its_key_and_its_end_is_told(
    api: Any, world: World, owner: dict[str, str]
) -> None:
    before = len(epochs.status(world.installation).epochs)
    dry = api.post(
        "/v1/orders", json={**EXAMPLES["give_order"], "dry_run": True}, headers=owner
    ).json()
    assert dry["order"] is None
    assert dry["would"][0].startswith("A new epoch, and ")
    assert api.get("/v1/orders", headers=owner).json() == {"items": []}
    first, again = (
        api.post("/v1/orders", json=EXAMPLES["give_order"], headers=under(owner, "o1"))
        for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["would"] == dry["would"]
    assert again.json() == {"would": [], "order": first.json()["order"]}
    named = first.json()["order"]["order"]
    other = api.post("/v1/orders", json=EXAMPLES["give_order"], headers=under(owner, "o2"))
    assert (other.status_code, other.json()["because"]) == (409, "ordered")
    auditor = world.staff(StaffRole.auditor)
    seen = api.get(f"/v1/orders/{named}", headers=auditor).json()
    assert (seen["about"], seen["by"], seen["outcome"]) == ("daily", "staff:olga@example.org", None)
    assert orders.carry_out(world.installation) == 1
    seen = api.get(f"/v1/orders/{named}", headers=auditor).json()
    assert (seen["outcome"], seen["said"][:13]) == ("done", "Rotated into ")
    assert len(epochs.status(world.installation).epochs) == before + 1
    (listed,) = api.get("/v1/orders", headers=auditor).json()["items"]
    assert listed == seen
    assert api.get(f"/v1/orders/ord_{'0' * 31}1", headers=auditor).status_code == 404


@pytest.mark.parametrize(
    ("kind", "about", "status"),
    [
        ("rotate_keys", "yearly", 400),
        ("destroy_epochs", "", 409),
        ("destroy_epochs", "5", 400),
        ("drill_backup", "", 404),
        ("cosign_log", "", 409),
        ("pause_endpoint", "", 400),
    ],
)
def test_an_order_of_which_nothing_is_due_is_refused_and_not_on_record(
    api: Any, world: World, owner: dict[str, str], kind: str, about: str, status: int
) -> None:
    for dry_run in (True, False):
        sent = {"kind": kind, "about": about, "dry_run": dry_run, **WHY}
        refused = api.post("/v1/orders", json=sent, headers=under(owner, "o1"))
        assert refused.status_code == status, refused.text
    assert world.rows("SELECT FROM staff_orders") == []


def test_an_endpoint_is_added_once_and_its_secret_answered_once(
    api: Any, world: World, owner: dict[str, str]
) -> None:
    first, again = (
        api.post("/v1/webhooks", json=EXAMPLES["add_webhook"], headers=under(owner, "w1"))
        for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["secret"].startswith("whsec_")
    assert (again.json()["secret"], again.json()["endpoint"]) == (None, first.json()["endpoint"])
    assert first.json()["endpoint"]["kinds"] == ["conversation.must_leave"]
    turned = [
        api.post(
            "/v1/webhooks/chat/secret", json=EXAMPLES["rotate_webhook"], headers=under(owner, "w2")
        ).json()["secret"]
        for _ in range(2)
    ]
    assert (turned[0] != first.json()["secret"], turned[1]) == (True, None)
    taken = api.post("/v1/webhooks", json=EXAMPLES["add_webhook"], headers=under(owner, "w3"))
    assert (taken.status_code, taken.json()["because"]) == (409, "exists")
    inside = api.post(
        "/v1/webhooks", json={"name": "in", "url": "http://127.0.0.1/x", **WHY}, headers=owner
    )
    assert inside.status_code == 400, "as the command refuses it"
    whole = api.get("/v1/webhooks/chat", headers=world.staff(StaffRole.auditor)).json()
    assert sorted((one["kind"], one["by"]) for one in whole["orders"]) == [
        ("add_endpoint", "staff:olga@example.org"),
        ("rotate_endpoint", "staff:olga@example.org"),
    ]
    kept = str(world.rows("SELECT answer FROM idempotency_keys")) + str(
        world.rows("SELECT said FROM staff_orders")
    )
    assert [one for one in (first.json()["secret"], turned[0]) if one in kept] == []


def test_an_endpoint_is_paused_resumed_sent_again_and_removed_with_its_reasons(
    api: Any, world: World, owner: dict[str, str]
) -> None:
    assert (
        api.post(
            "/v1/webhooks", json={**EXAMPLES["add_webhook"], "kinds": []}, headers=owner
        ).status_code
        == 201
    )
    world.open("ana", allow=True)
    chat = world.say("ana", "Pears")
    world.tell(
        Delete(account=world.accounts["ana"], at=world.clock.now, conversation=uuid_of(chat))
    )

    def act(name: str, key: str, **more: Any) -> Any:
        return api.post(
            f"/v1/webhooks/chat/{name}", json={**WHY, **more}, headers=under(owner, key)
        )

    def seen() -> Any:
        return api.get("/v1/webhooks/chat", headers=owner).json()["endpoint"]

    waiting = seen()["waiting"]
    assert waiting >= 2
    assert act("pause", "p0", dry_run=True).json()["unsent"] == waiting
    assert seen()["disabled_because"] is None
    first, again = act("pause", "p1"), act("pause", "p1")
    assert (
        first.json()["unsent"],
        again.json()["unsent"],
        again.headers["idempotent-replayed"],
    ) == (
        waiting,
        0,
        "true",
    )
    assert seen()["disabled_because"] == "paused"
    assert act("resume", "r1").json()["events"] == waiting
    assert seen()["disabled_at"] is None
    assert act("replay", "a1", since="0", dry_run=True).json()["events"] >= waiting
    assert act("replay", "a2", since="0").json()["events"] >= waiting
    assert act("replay", "a3", since="x").status_code == 400
    assert act("remove", "d0", dry_run=True).json()["unsent"] >= waiting
    assert act("remove", "d1").json()["unsent"] >= waiting
    assert act("remove", "d1").headers["idempotent-replayed"] == "true"
    assert (act("remove", "d2").status_code, api.get("/v1/webhooks", headers=owner).json()) == (
        404,
        {"items": []},
    )
    assert world.rows(
        "SELECT kind FROM staff_orders WHERE reason = 'the receiver is moved' ORDER BY kind"
    ) == [(f"{kind}_endpoint",) for kind in ("pause", "remove", "replay", "resume")]


def test_nothing_is_done_without_a_reason(api: Any, world: World, owner: dict[str, str]) -> None:
    sent = {"/v1/orders": {"kind": "rotate_keys"}, "/v1/webhooks": {"name": "chat"}}
    for path, body in sent.items():
        for reason in ({}, {"reason": " "}):
            assert api.post(path, json={**body, **reason}, headers=owner).status_code == 400
    assert world.rows("SELECT FROM staff_orders UNION ALL SELECT FROM endpoints") == []
