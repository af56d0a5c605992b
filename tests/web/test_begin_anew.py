"""A closed account says that it is closed; its host's id may begin another, to which nothing of it
passes.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from licet import client
from licet.client import Client
from licet.keys.restriction_journal import Restriction, RestrictionKind
from licet.vault import restriction, verbs
from licet.vault.commands import CloseAccount, OpenAccount, Outcome
from licet.vault.ids import host_hmac, uuid7
from licet.web import site as site_module

from .served import NOTICE, ApplicationClient, World, api, listening, url, world
from .shared_app import application

__all__ = ["api", "url", "world"]  # fixtures

DAY = timedelta(days=1)


@pytest.fixture
def closed(world: World, api: TestClient[Litestar]) -> dict[str, Any]:
    """Ana allowed training, said something in a chat of a project that she kept out later, and
    closed her account.
    """
    world.clock.set(NOTICE)
    api.headers.update(world.service())
    opened = api.post(
        "/v1/accounts",
        json={"host": "ana", "plan": "pro", "age": 30, "opened": "2024-01-01T00:00:00Z"},
    )
    assert (opened.status_code, opened.json()["outcome"], opened.json()["closed_at"]) == (
        201,
        "done",
        None,
    )
    account = opened.json()["account"]
    world.accounts["ana"] = UUID(hex=account.removeprefix("acc_"))
    assert (
        api.post("/v1/accounts/host:ana/choices", json={"allow": True}).json()["effect"] == "began"
    )
    turn = {
        "account": "host:ana",
        "conversation": "host:c1",
        "id": "1",
        "text": "plant pears",
        "project": "garden",
    }
    said = api.post("/v1/turns", json=turn).json()
    assert (
        api.post("/v1/accounts/host:ana/projects/host:garden/keep-out", json={}).json()["outcome"]
        == "done"
    )
    assert api.post("/v1/accounts/host:ana/close").json()["outcome"] == "done"
    return {"account": account, "conversation": said["conversation"], "turn": turn}


def begin_anew(api: TestClient[Litestar], **more: Any) -> dict[str, Any]:
    answer = api.post(
        "/v1/accounts", json={"host": "ana", "plan": "pro", "begin_anew": True, **more}
    )
    assert answer.status_code == 201
    return dict(answer.json())


def test_a_closed_account_says_so_to_whoever_opens_it_again(
    api: TestClient[Litestar], closed: dict[str, Any]
) -> None:
    again = api.post("/v1/accounts", json={"host": "ana", "plan": "pro"})
    assert (again.status_code, again.json()["outcome"], again.json()["account"]) == (
        201,
        "duplicate",
        closed["account"],
    )
    assert again.json()["closed_at"] == "2025-09-01T10:00:00Z"
    assert api.get("/v1/accounts/host:ana/gate").json()["gate"] == "closed"
    assert api.get("/v1/accounts/host:ana/gate").json()["unanswered"] == []


def test_nothing_of_the_closed_account_passes_to_the_one_that_begins_anew(
    world: World, api: TestClient[Litestar], closed: dict[str, Any]
) -> None:
    world.clock.set(NOTICE + DAY)
    anew = begin_anew(api, opened="2024-01-01T00:00:00Z")
    assert (anew["outcome"], anew["closed_at"]) == ("done", None)
    assert anew["account"] != closed["account"]
    account = api.get("/v1/accounts/host:ana").json()
    assert (account["id"], account["age_known"], account["closed_at"]) == (
        anew["account"],
        False,
        None,
    )
    assert account["opened_at"] == "2025-09-01T10:00:00Z", (
        "what was before the closure is not its own"
    )
    assert {one["standing"] for one in account["questions"]} == {"undecided"}
    assert api.get("/v1/accounts/host:ana/choices").json()["items"] == []
    assert api.get("/v1/accounts/host:ana/conversations").json()["items"] == []
    assert api.get("/v1/accounts/host:ana/standing").json()["items"] == [], "no project either"
    assert api.get("/v1/accounts/host:ana/gate").json()["grant"] == 0
    chosen = api.post("/v1/accounts/host:ana/choices", json={"allow": True, "age": 30}).json()
    assert (chosen["effect"], chosen["answers"][0]["grant"]) == ("began", 1)
    said = api.post("/v1/turns", json=closed["turn"]).json()
    assert (said["outcome"], said["account"]) == ("done", anew["account"])
    assert said["conversation"] != closed["conversation"], (
        "the host's id of a chat is its account's own"
    )
    old = api.get(f"/v1/accounts/{closed['account']}").json()
    assert (old["closed_at"], old["gate"]) == ("2025-09-01T10:00:00Z", "closed")
    answers = api.get(f"/v1/conversations/{closed['conversation']}/explain").json()["answers"]
    assert {one["because"] for one in answers} == {"closed"}, (
        "a yes of the new account reaches nothing of the old"
    )
    assert (
        api.post("/v1/turns", json={"account": closed["account"], "text": "more"}).status_code
        == 409
    )
    own = api.get("/v1/accounts/me", headers=world.person("ana"))
    assert own.json()["id"] == anew["account"]
    old_chat = f"/v1/conversations/{closed['conversation']}"
    assert api.get(old_chat, headers=world.person("ana")).status_code == 404
    assert begin_anew(api) == {**anew, "outcome": "duplicate", "at": "2025-09-02T10:00:00Z"}, (
        "once begun it goes on"
    )


def test_an_open_account_cannot_begin_anew(world: World, api: TestClient[Litestar]) -> None:
    world.clock.set(NOTICE)
    api.headers.update(world.service())
    first = begin_anew(api)
    assert first["outcome"] == "done"
    assert begin_anew(api)["outcome"] == "duplicate"
    assert world.rows("SELECT count(*) FROM accounts") == [(1,)]


def test_two_that_begin_anew_at_once_are_one_account(world: World, closed: dict[str, Any]) -> None:
    host = host_hmac(world.site.host_key, "account", "ana")
    barrier = threading.Barrier(4)
    done: list[Any] = []

    def begin(place: int) -> None:
        account = uuid7(NOTICE, bytes([place]) * 10)
        command = OpenAccount(
            account=account, at=NOTICE, host=host, plan="pro", age=None, begin_anew=True
        )
        barrier.wait()
        done.extend(verbs.apply_commands(world.installation, [command]))

    threads = [threading.Thread(target=begin, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(one.outcome.value for one in done) == [
        "done",
        "duplicate",
        "duplicate",
        "duplicate",
    ]
    assert len({one.account for one in done}) == 1
    assert world.rows("SELECT count(*) FROM accounts") == [(2,)]


def test_opened_closed_and_begun_anew_in_one_batch(world: World) -> None:
    host, (one, two) = (
        host_hmac(world.site.host_key, "account", "ben"),
        (uuid7(NOTICE, bytes([n]) * 10) for n in (1, 2)),
    )
    opening = OpenAccount(account=one, at=NOTICE, host=host, plan="pro", age=30)
    anew = OpenAccount(account=two, at=NOTICE, host=host, plan="pro", age=30, begin_anew=True)
    answers = world.tell(opening, CloseAccount(account=one, at=NOTICE), anew, anew)
    assert [(a.outcome, a.account) for a in answers] == [
        (Outcome.done, one),
        (Outcome.done, one),
        (Outcome.done, two),
        (Outcome.duplicate, two),
    ]


def test_a_restore_keeps_the_closed_account_closed_and_leaves_the_new_one_alone(
    world: World, api: TestClient[Litestar], closed: dict[str, Any]
) -> None:
    """The records of the restriction journal name accounts by our ids: what is applied again finds
    the closed one.
    """
    anew, old = begin_anew(api), world.accounts["ana"]
    record = Restriction(life=0, kind=RestrictionKind.closed, at=NOTICE + DAY, account=old, seq=9)
    (again,) = world.tell(restriction.command_of(record, world.site.host_key))
    assert (again.outcome, again.account) == (Outcome.unchanged, old)
    assert api.get(f"/v1/accounts/{closed['account']}").json()["gate"] == "closed"
    assert api.get(f"/v1/accounts/{anew['account']}").json()["closed_at"] is None


def test_another_process_finds_the_new_account_within_a_second(
    world: World, api: TestClient[Litestar], closed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = [100.0]
    monkeypatch.setattr(site_module, "monotonic", lambda: passed[0])
    with ApplicationClient(
        application(world.installation, world.web, wall=lambda: world.wall)
    ) as other:
        other.headers.update(world.service())
        assert other.get("/v1/accounts/host:ana").json()["id"] == closed["account"]
        anew = begin_anew(api)
        assert api.get("/v1/accounts/host:ana").json()["id"] == anew["account"], (
            "in this one at once"
        )
        passed[0] += site_module.ACCOUNT_SECONDS_MAX
        assert other.get("/v1/accounts/host:ana").json()["id"] == anew["account"]


def test_the_client_reads_that_an_account_is_closed_and_begins_another(world: World) -> None:
    world.clock.set(NOTICE)
    with listening(world.app) as address, Client(address, world.key()) as licet:
        first = licet.send(client.open_account("ana", "pro", 30))
        licet.send(client.close_account("host:ana"))
        again = licet.send(client.open_account("ana", "pro", 30))
        assert (again.outcome, again.account, again.closed_at) == (
            "duplicate",
            first.account,
            NOTICE,
        )
        anew = licet.send(client.open_account("ana", "pro", 30, begin_anew=True))
        assert (anew.outcome, anew.closed_at) == ("done", None)
        assert anew.account != first.account
