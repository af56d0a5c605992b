"""The same request twice is one: replays, races, and what is kept of a request."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta

import httpx
import pytest

from licet.access.roles import Scope
from licet.store.connect import Transaction, transaction
from licet.vault import idempotency
from licet.vault.commands import Choose
from licet.vault.requests import Write

from .served import NOTICE, World, api, url, world

__all__ = ["api", "url", "world"]  # fixtures

KEY = {"idempotency-key": "one"}


def choices(world: World) -> int:
    ((count,),) = world.rows("SELECT count(*) FROM choices")
    return count


@pytest.fixture(autouse=True)
def ana(world: World) -> None:
    world.clock.set(NOTICE)
    world.open("ana")


def test_the_same_request_under_the_same_key_is_done_once_and_answered_alike(world, api) -> None:
    me = {**world.person("ana"), **KEY}
    first, again = (
        api.post("/v1/accounts/me/choices", json={"allow": True}, headers=me) for _ in range(2)
    )
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert choices(world) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/accounts/me/choices", {"allow": False}),
        ("POST", "/v1/accounts/me/choices?x=1", {"allow": True}),
        ("POST", "/v1/accounts/acc_{account}/choices", {"allow": True}),
    ],
)
def test_the_same_key_with_another_request_is_refused(world, api, method, path, body) -> None:
    me = {**world.person("ana"), **KEY}
    api.post("/v1/accounts/me/choices", json={"allow": True}, headers=me)
    other = api.request(
        method, path.format(account=world.accounts["ana"].hex), json=body, headers=me
    )
    assert (other.status_code, other.json()["because"]) == (422, "idempotency_key_reused")
    assert choices(world) == 1


def test_a_key_belongs_to_its_caller(world, api) -> None:
    for headers in (world.person("ana"), world.service(), world.service()):
        path = f"/v1/accounts/acc_{world.accounts['ana'].hex}/choices"
        assert api.post(path, json={"allow": True}, headers={**headers, **KEY}).status_code == 201
    assert choices(world) == 3


def test_what_was_refused_can_be_tried_again_under_its_key(world, api) -> None:
    world.clock.set(NOTICE + timedelta(days=60))
    headers = {**world.service(), **KEY}
    turn = {"account": "host:ana", "text": "hello"}
    assert api.post("/v1/turns", json=turn, headers=headers).status_code == 451
    api.post("/v1/accounts/me/choices", json={"allow": False}, headers=world.person("ana"))
    assert api.post("/v1/turns", json=turn, headers=headers).status_code == 201


def test_a_key_is_forgotten_after_a_day(world, api) -> None:
    me = {**world.person("ana"), **KEY}
    api.post("/v1/accounts/me/choices", json={"allow": True}, headers=me)
    world.clock.set(NOTICE + idempotency.KEPT)
    again = api.post("/v1/accounts/me/choices", json={"allow": False}, headers=me)
    assert (again.status_code, again.json()["effect"]) == (201, "withdrew")
    with transaction(world.installation.pool) as tx:
        idempotency.sweep(tx, NOTICE + 3 * idempotency.KEPT)
    assert world.rows("SELECT count(*) FROM idempotency_keys") == [(0,)]


@pytest.mark.parametrize("key", ["", "x" * 256, "new\tline"])
def test_a_key_that_is_none_is_refused(world, api, key) -> None:
    headers = {**world.person("ana"), "idempotency-key": key}
    assert (
        api.post("/v1/accounts/me/choices", json={"allow": True}, headers=headers).status_code
        == 400
    )
    assert choices(world) == 0


def test_while_the_first_is_under_way_in_another_process_the_second_is_told_so(world, api) -> None:
    once = idempotency.make_call(
        world.site.host_key, b"p" + world.accounts["ana"].bytes, "one", b"", b""
    )
    with transaction(world.installation.pool) as other:
        idempotency.claim(other, [once], NOTICE)
        me = {**world.person("ana"), **KEY}
        running = api.post("/v1/accounts/me/choices", json={"allow": True}, headers=me)
        assert (running.status_code, running.json()["because"]) == (409, "idempotency_key_running")
        assert int(running.headers["retry-after"]) >= 1
    assert api.post("/v1/accounts/me/choices", json={"allow": True}, headers=me).status_code == 201


class Crash(Exception):
    pass


def write(world: World, tx: Transaction, allow: bool = True) -> list:
    command = Choose(account=world.accounts["ana"], at=world.clock.now, allow=allow)
    once = idempotency.make_call(world.site.host_key, b"caller", "one", b"request")
    return world.site.writing.apply(tx, [Write(command=command, once=once)])


def test_a_crash_before_the_commit_leaves_neither_the_effect_nor_the_key(world) -> None:
    def crash() -> None:
        with transaction(world.installation.pool) as tx:
            write(world, tx)
            raise Crash

    with pytest.raises(Crash):
        crash()
    assert choices(world) == 0
    with transaction(world.installation.pool) as tx:
        assert write(world, tx)[0].replayed is False
    with transaction(world.installation.pool) as tx:
        assert write(world, tx)[0].replayed is True
    assert choices(world) == 1


def test_two_requests_with_one_key_in_one_batch_are_one(world) -> None:
    command = Choose(account=world.accounts["ana"], at=world.clock.now, allow=True)
    once = idempotency.make_call(world.site.host_key, b"caller", "one", b"request")
    with transaction(world.installation.pool) as tx:
        first, second = world.site.writing.apply(tx, [Write(command=command, once=once)] * 2)
    assert first.answer.effect == "began"
    assert second.status == 409
    assert choices(world) == 1


def test_many_at_once_with_one_key_have_one_effect(world, url) -> None:
    headers = {**world.service(Scope.choices_write), **KEY}
    answers: list[httpx.Response] = []

    def ask() -> None:
        with httpx.Client(base_url=url) as client:
            for _ in range(5):
                answers.append(
                    client.post(
                        "/v1/accounts/host:ana/choices", json={"allow": True}, headers=headers
                    )
                )

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    assert choices(world) == 1
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) <= {201, 409}
    assert len(answers) == 60
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1


def test_many_people_at_once_each_keep_their_own_order(world, url) -> None:
    names = [f"p{n}" for n in range(8)]
    for name in names:
        world.open(name)

    def flip(name: str) -> None:
        with httpx.Client(base_url=url) as client:
            for n in range(10):
                body = {"allow": n % 2 == 0}
                assert (
                    client.post(
                        "/v1/accounts/me/choices", json=body, headers=world.person(name)
                    ).status_code
                    == 201
                )

    threads = [threading.Thread(target=flip, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    for name in names:
        made = world.rows(
            "SELECT allow FROM choices WHERE account_id = %s ORDER BY seq", world.accounts[name]
        )
        assert [allow for (allow,) in made] == [n % 2 == 0 for n in range(10)]
