"""People who were there before the first version: the host says when their accounts were opened,
and they may put it off.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from licet.access.roles import Scope
from licet.client import open_account
from licet.policy.period import rfc3339

from .served import AFTER, BEFORE, NOTICE, api, world

__all__ = ["api", "world"]  # fixtures

DAY = timedelta(days=1)


def test_an_account_that_was_opened_before_the_version_may_put_it_off_and_one_of_today_must_decide(
    world, api
) -> None:
    world.clock.set(NOTICE)
    headers = world.service(Scope.accounts_write, Scope.accounts_read, Scope.gate_read)
    for name, opened in (("old", {"opened": rfc3339(BEFORE)}), ("new", {})):
        answer = api.post(
            "/v1/accounts", json={"host": name, "plan": "pro", "age": 30, **opened}, headers=headers
        )
        assert answer.status_code == 201, answer.text
    gates = {
        name: api.get(f"/v1/accounts/host:{name}/gate", headers=headers).json()
        for name in ("old", "new")
    }
    assert (gates["old"]["gate"], gates["old"]["may_write"]) == ("notice", True)
    assert (gates["new"]["gate"], gates["new"]["may_write"]) == ("must_decide", False)
    assert api.get("/v1/accounts/host:old", headers=headers).json()["opened_at"] == rfc3339(BEFORE)
    world.clock.set(AFTER)
    assert api.get("/v1/accounts/host:old/gate", headers=headers).json()["gate"] == "must_decide"


def test_what_became_known_and_when_it_was_opened_are_both_on_record(world, api) -> None:
    world.clock.set(NOTICE)
    body = {"host": "old", "plan": "pro", "age": 30, "opened": rfc3339(BEFORE)}
    api.post("/v1/accounts", json=body, headers=world.service(Scope.accounts_write))
    assert world.rows("SELECT opened_at, last_at FROM accounts") == [(BEFORE, NOTICE)]
    assert world.rows("SELECT occurred_at FROM journal WHERE event = 'account_opened'") == [
        (NOTICE,)
    ]


def test_when_a_known_account_was_opened_cannot_be_said_again(world, api) -> None:
    world.clock.set(NOTICE)
    headers = world.service(Scope.accounts_write, Scope.accounts_read)
    api.post("/v1/accounts", json={"host": "ana", "plan": "pro"}, headers=headers)
    again = api.post(
        "/v1/accounts",
        json={"host": "ana", "plan": "pro", "opened": rfc3339(BEFORE)},
        headers=headers,
    )
    assert again.json()["outcome"] == "duplicate"
    assert api.get("/v1/accounts/host:ana", headers=headers).json()["opened_at"] == rfc3339(NOTICE)


@pytest.mark.parametrize(
    ("opened", "said"),
    [
        (rfc3339(NOTICE + DAY), "has not come yet"),
        ("2025-08-01T10:00:00", "has no offset"),
        ("1969-12-31T23:59:59Z", "is before 1970"),
        ("yesterday", "opened"),
        (1_700_000_000, "opened"),
    ],
)
def test_a_time_at_which_no_account_was_opened_is_refused(
    world, api, opened: object, said: str
) -> None:
    world.clock.set(NOTICE)
    body = {"host": "ana", "plan": "pro", "opened": opened}
    answer = api.post("/v1/accounts", json=body, headers=world.service(Scope.accounts_write))
    assert (answer.status_code, said in answer.text) == (400, True), answer.text
    assert world.rows("SELECT count(*) FROM accounts") == [(0,)]


def test_a_person_cannot_say_when_they_came(world, api) -> None:
    world.clock.set(NOTICE)
    world.open("ana")
    body = {"host": "ana", "plan": "pro", "opened": rfc3339(BEFORE)}
    assert api.post("/v1/accounts", json=body, headers=world.person("ana")).status_code == 403


def test_the_client_says_when_an_account_was_opened() -> None:
    call = open_account("ana", "pro", 30, opened=BEFORE)
    assert json.loads(call.body) == {
        "host": "ana",
        "plan": "pro",
        "age": 30,
        "opened": BEFORE.isoformat(),
    }
