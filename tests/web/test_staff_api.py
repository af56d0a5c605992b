"""Keys, staff, releases, their review and models over the API: the verbs of the console, each once
under its key.
"""

from __future__ import annotations

from typing import Any

from licet.access.roles import Scope, StaffRole
from licet.store.connect import transaction
from licet.web.api import reference

from .served import NOTICE, World, api, world
from .test_console_review import SECRET, Built, built

__all__ = ["api", "built", "world"]

EXAMPLES = reference.texts().requests


def under(headers: dict[str, str], key: str) -> dict[str, str]:
    return {**headers, "idempotency-key": key}


def test_a_key_is_made_once_under_its_idempotency_key_and_its_secret_is_answered_once(
    api: Any, world: World
) -> None:
    world.clock.set(NOTICE)
    owner = world.staff(StaffRole.owner, email="olga@example.org")
    first, again = (
        api.post("/v1/api-keys", json=EXAMPLES["make_api_key"], headers=under(owner, "k1"))
        for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert first.json()["secret"].startswith("licet_")
    assert (again.json()["secret"], again.json()["key"]) == (None, first.json()["key"])
    other = api.post(
        "/v1/api-keys", json={"name": "b", "scopes": ["gate:read"]}, headers=under(owner, "k1")
    )
    assert (other.status_code, other.json()["because"]) == (422, "idempotency_key_reused")
    taken = api.post("/v1/api-keys", json=EXAMPLES["make_api_key"], headers=under(owner, "k2"))
    assert (taken.status_code, taken.json()["because"]) == (409, "exists")
    mine = {"authorization": f"Bearer {first.json()['secret']}"}
    assert api.get("/v1/me", headers=mine).json()["scopes"] == ["gate:read", "turns:write"]
    kept = str(world.rows("SELECT answer FROM idempotency_keys"))
    assert first.json()["secret"] not in kept


def test_a_key_is_limited_at_once_and_only_as_it_was_seen(api: Any, world: World) -> None:
    world.clock.set(NOTICE)
    owner = world.staff(StaffRole.owner, email="olga@example.org")
    key = {
        "authorization": f"Bearer {world.key(Scope.gate_read, Scope.turns_write, name='assistant')}"
    }
    assert api.get("/v1/me", headers=key).json()["scopes"] == ["gate:read", "turns:write"]
    wanted = EXAMPLES["limit_api_key"]
    done = api.put("/v1/api-keys/assistant/limits", json=wanted, headers=under(owner, "l1")).json()
    assert (done["version"], done["scopes"], done["requests_per_minute"]) == (2, ["gate:read"], 600)
    assert api.get("/v1/me", headers=key).json()["scopes"] == ["gate:read"], (
        "from the next request on"
    )
    stale = api.put("/v1/api-keys/assistant/limits", json=wanted, headers=owner)
    assert (stale.status_code, stale.json()["because"]) == (409, "changed")
    assert (
        api.put("/v1/api-keys/assistant/limits", json=wanted, headers=under(owner, "l1")).json()
        == done
    )
    revoked = api.post(
        "/v1/api-keys/assistant/revoke", json=EXAMPLES["revoke_api_key"], headers=owner
    ).json()
    assert revoked["state"] == "revoked"
    assert api.get("/v1/me", headers=key).status_code == 401
    whole = api.get("/v1/api-keys/assistant", headers=owner).json()
    assert [(one["act"], one["by"], one["was"]["scopes"]) for one in whole["changes"]] == [
        ("revoked", "staff:olga@example.org", ["gate:read"]),
        ("limited", "staff:olga@example.org", ["gate:read", "turns:write"]),
    ]
    assert api.put("/v1/api-keys/nobody/limits", json=wanted, headers=owner).status_code == 404
    wrongs: list[dict[str, Any]] = [
        {"reason": " "},
        {"scopes": []},
        {"requests_per_minute": 0},
        {"version": 0},
    ]
    for wrong in wrongs:
        assert (
            api.put(
                "/v1/api-keys/assistant/limits", json={**wanted, **wrong}, headers=owner
            ).status_code
            == 400
        )


def test_staff_are_added_given_other_roles_and_ended_and_no_owner_is(
    api: Any, world: World
) -> None:
    owner = world.staff(StaffRole.owner, email="olga@example.org")
    first, again = (
        api.post("/v1/staff", json=EXAMPLES["add_staff"], headers=under(owner, "s1")).json()
        for _ in range(2)
    )
    assert "/sign-in/link/" in first["link"]
    assert (again["link"], again["member"]) == (None, first["member"])
    path = f"/v1/staff/{first['member']['staff']}"
    changed = api.put(f"{path}/roles", json=EXAMPLES["set_staff_roles"], headers=owner).json()
    assert changed["roles"] == ["auditor", "reviewer"]
    stale = api.put(f"{path}/roles", json=EXAMPLES["set_staff_roles"], headers=owner)
    assert (stale.status_code, stale.json()["because"]) == (409, "changed")
    none = api.put(
        f"{path}/roles", json={"roles": ["owner"], "was": ["reviewer", "auditor"]}, headers=owner
    )
    assert none.status_code == 400
    assert api.post(f"{path}/end", headers=owner).json()["roles"] == []
    assert [one["email"] for one in api.get("/v1/staff", headers=owner).json()["items"]] == [
        "olga@example.org",
        "rae@example.org",
    ]


def test_a_call_that_was_interrupted_is_not_done_again_under_its_key(
    api: Any, world: World
) -> None:
    owner = world.staff(StaffRole.owner, email="olga@example.org")
    api.post("/v1/staff", json=EXAMPLES["add_staff"], headers=under(owner, "s1"))
    with transaction(
        world.installation.pool
    ) as tx:  # as after a crash between the two rows of the key
        tx.execute("UPDATE idempotency_keys SET answer = '\"begun\"'")
    answer = api.post("/v1/staff", json=EXAMPLES["add_staff"], headers=under(owner, "s1"))
    assert (answer.status_code, answer.json()["because"]) == (409, "idempotency_key_running")


def test_a_release_is_reviewed_by_two_closed_and_signed_over_the_api(
    api: Any, built: Built
) -> None:
    world, path = built.world, "/v1" + built.path.removeprefix("/console")
    rae, sam = (
        world.staff(StaffRole.reviewer, email=f"{name}@example.org") for name in ("rae", "sam")
    )
    drawn = api.post(
        f"{path}/review/sample", json={"chance": 3, "risk": 0}, headers=under(rae, "d1")
    ).json()
    assert (drawn["sample"]["drawn"], drawn["sample"]["left"]) == (3, 3)
    again = api.post(
        f"{path}/review/sample", json={"chance": 3, "risk": 0}, headers=under(rae, "d1")
    )
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert api.post(f"{path}/review/sample", json={}, headers=rae).status_code == 409
    for reader, second in ((rae, False), (sam, True)):
        for left in (3, 2, 1):
            row = api.post(f"{path}/review/rows", json={"second": second}, headers=reader).json()
            assert (row["left"], SECRET in row["messages"][0]["content"]) == (left, True)
            found = {
                "row": row["row"],
                "finding": "name" if left == 3 else "nothing",
                "second": second,
            }
            assert (
                api.post(f"{path}/review/findings", json=found, headers=reader).status_code == 200
            )
    assert api.post(f"{path}/review/rows", json={}, headers=rae).json()["row"] is None
    undone = api.post(f"{path}/review/undo", json={"second": True}, headers=under(sam, "u1")).json()
    assert (
        api.post(f"{path}/review/undo", json={"second": True}, headers=under(sam, "u1")).json()
        == undone
    )
    row = api.post(f"{path}/review/rows", json={"second": True}, headers=sam).json()
    assert row["row"] == undone["row"]
    found = {"row": row["row"], "finding": "nothing", "second": True}
    assert api.post(f"{path}/review/findings", json=found, headers=sam).status_code == 200
    closed = api.post(f"{path}/review/close", headers=rae).json()
    assert (closed["statement"]["readers"], closed["statement"]["chance"]["read"]) == (2, 3)
    for name in ("cora", "dan"):
        signer = world.staff(StaffRole.curator, email=f"{name}@example.org")
        assert api.post(f"{path}/sign", json={}, headers=signer).status_code == 409, (
            "nobody looked for names"
        )
        signed = api.post(
            f"{path}/sign", json=EXAMPLES["sign_release"], headers=under(signer, "n1")
        )
        assert signed.status_code == 200
        assert (
            api.post(
                f"{path}/sign", json=EXAMPLES["sign_release"], headers=under(signer, "n1")
            ).json()
            == signed.json()
        )
    assert signed.json()["signed_off"]
    assert str(world.installation.config.data) not in signed.text
    assert world.rows("SELECT count(*) FROM staff_reads WHERE reason = 'release_review'") == [(7,)]


def test_a_release_says_who_has_it_and_what_differs_and_a_name_is_no_path(
    api: Any, built: Built
) -> None:
    world, path = built.world, "/v1" + built.path.removeprefix("/console")
    auditor = world.staff(StaffRole.auditor)
    (listed,) = api.get("/v1/releases", headers=auditor).json()["items"]
    assert (listed["name"], listed["state"], listed["rows"]) == ("autumn", "sealed", 3)
    whole = api.get(path, headers=auditor).json()
    assert (whole["usable"], whole["recipients"], whole["models"]) == (3, [], [])
    same = api.get(f"{path}/against/{listed['id']}", headers=auditor).json()
    assert (same["kept"], same["came"], same["went"]) == (3, {}, {})
    for name in ("autumn", "..", "%2e%2e%2fautumn", "0" * 32):
        assert api.get(f"/v1/releases/{name}/review", headers=auditor).status_code == 404, name


def test_models_are_listed_for_a_person_and_one_that_is_unknown_is_not_retired(
    api: Any, built: Built
) -> None:
    world = built.world
    curator, auditor = world.staff(StaffRole.curator), world.staff(StaffRole.auditor)
    assert api.get("/v1/models", headers=auditor).json() == {"items": []}
    unknown = f"/v1/models/model_{'0' * 31}1"
    assert api.get(unknown, headers=auditor).status_code == 404
    for _ in range(2):  # what was refused is forgotten, and tried anew
        refused = api.post(
            f"{unknown}/retire", json=EXAMPLES["retire_model"], headers=under(curator, "r1")
        )
        assert refused.status_code == 404
    assert api.get("/v1/accounts/host:ana/models", headers=auditor).json() == {"items": []}
    ((chat,),) = world.rows(
        "SELECT conversation_id FROM conversations WHERE account_id = %s", world.accounts["ana"]
    )
    assert api.get(f"/v1/conversations/conv_{chat.hex}/models", headers=auditor).json() == {
        "items": []
    }
    assert api.get("/v1/accounts/host:nobody/models", headers=auditor).status_code == 404
