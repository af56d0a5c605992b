"""Over HTTP: a host reads events from a cursor, waits for them, and answers; a person follows their
own erasure.
"""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from licet import client, verifier
from licet.access.roles import KeyBinding, Scope, StaffRole
from licet.client import Client
from licet.config import Webhooks
from licet.erasure import certificates
from licet.errors import RefusedError
from licet.proof import documents
from licet.store.connect import transaction
from licet.vault.commands import Choose
from licet.vault.host_events import EventKind, LeaveReason
from licet.web.app import create_app
from licet.webhooks import endpoints

from ..waiting import wait_until
from ..webhooks.test_webhooks import Receiver, receiver
from .served import NOTICE, ApplicationClient, World, api, url, world

__all__ = ["api", "receiver", "url", "world"]


@pytest.fixture
def reader(world: World) -> dict[str, str]:
    """The headers of a host that reads by itself, and the world in the days of the notice."""
    world.clock.set(NOTICE)
    endpoints.add(world.installation, "chat", None)
    return world.service(Scope.events_read, Scope.events_acknowledge)


def choose(world: World, name: str, allow: bool) -> None:
    world.tell(Choose(account=world.accounts[name], at=world.clock.now, allow=allow))


def test_a_host_reads_every_event_once_by_going_on_where_the_answer_ends(
    api: Any, world: World, reader: dict[str, str]
) -> None:
    assert api.get("/v1/events", headers=reader).json() == {"items": [], "next": "0"}
    world.open("ana", allow=True)
    choose(world, "ana", False)
    found, cursor = [], "0"
    while page := api.get(f"/v1/events?since={cursor}&limit=1", headers=reader).json():
        if not page["items"]:
            break
        found += page["items"]
        cursor = page["next"]
    assert page == {"items": [], "next": cursor}
    assert [one["type"] for one in found] == [
        "choice.changed",
        "choice.changed",
        "conversation.must_leave",
    ]
    assert found[-1]["cursor"] == cursor
    assert found[0]["data"]["account"] == f"acc_{world.accounts['ana'].hex}"
    account = api.get("/v1/accounts/host:ana", headers=world.service()).json()
    assert account["id"] == found[0]["data"]["account"], (
        "the host finds out which of its accounts is meant"
    )


def test_a_reader_that_waits_is_answered_when_something_happens(
    url: str, world: World, reader: dict[str, str]
) -> None:
    world.open("ana")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx.get, f"{url}/v1/events?wait=15", headers=reader, timeout=600)
        while not world.app.state.get("waiting"):
            time.sleep(0.01)
        choose(world, "ana", True)
        page = waiting.result().json()
    assert [one["data"]["effect"] for one in page["items"]] == ["began"]
    assert world.app.state.waiting == 0


def test_without_an_endpoint_a_reader_is_told_that_nothing_is_kept(api: Any, world: World) -> None:
    answer = api.get("/v1/events", headers=world.service(Scope.events_read))
    assert (answer.status_code, answer.json()["because"]) == (409, "nobody_hears")


@pytest.mark.parametrize(
    "query", ["since=x", "since=-1", "limit=0", "limit=1001", "wait=16", "since=" + "1" * 19]
)
def test_a_query_that_cannot_be_meant_is_refused(
    api: Any, reader: dict[str, str], query: str
) -> None:
    assert api.get(f"/v1/events?{query}", headers=reader).status_code == 400


def test_an_answer_is_kept_and_a_second_one_changes_nothing(
    api: Any, world: World, reader: dict[str, str]
) -> None:
    world.open("ana", allow=True)
    choose(world, "ana", False)
    changed, _, leaving = api.get("/v1/events", headers=reader).json()["items"]
    path = f"/v1/events/{leaving['id']}/acknowledge"
    done = api.post(path, json={"endpoint": "chat"}, headers=reader)
    assert done.status_code == 200
    assert (done.json()["endpoint"], done.json()["overdue"]) == ("chat", False)
    assert done.json()["acknowledged_at"]
    assert api.post(path, json={"endpoint": "chat"}, headers=reader).json() == done.json()
    assert api.post(path, json={"endpoint": "other"}, headers=reader).status_code == 403
    assert api.post(path, json={"endpoint": "Chat"}, headers=reader).status_code == 400
    unknown = "evt_" + "0" * 32
    assert (
        api.post(
            f"/v1/events/{unknown}/acknowledge", json={"endpoint": "chat"}, headers=reader
        ).status_code
        == 404
    )
    other = api.post(
        f"/v1/events/{changed['id']}/acknowledge", json={"endpoint": "chat"}, headers=reader
    )
    assert other.status_code == 404, "a reader is told of no delivery of what asks for no answer"


def test_a_key_that_was_made_for_one_endpoint_acknowledges_for_no_other(
    api: Any, world: World, reader: dict[str, str]
) -> None:
    """One host that could answer for another would stand in the certificate of erasure as that
    other.
    """
    endpoints.add(world.installation, "archive", None)
    world.open("ana", allow=True)
    with transaction(world.installation.pool) as tx:
        archive = endpoints.id_of(tx, "archive")
    scopes = (Scope.events_read, Scope.events_acknowledge)
    key = {"authorization": f"Bearer {world.key(*scopes, bound=KeyBinding(endpoint=archive))}"}
    choose(world, "ana", False)
    leaving = api.get("/v1/events", headers=reader).json()["items"][-1]
    path = f"/v1/events/{leaving['id']}/acknowledge"
    refused = api.post(path, json={"endpoint": "chat"}, headers=key)
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "the key may not acknowledge for this endpoint",
    )
    answers = (
        "SELECT p.name, d.acknowledged_at IS NOT NULL FROM deliveries d JOIN endpoints p "
        "USING "
        "(endpoint_id) ORDER BY 1"
    )
    assert world.rows(answers) == [("archive", False), ("chat", False)]
    assert api.post(path, json={"endpoint": "archive"}, headers=key).status_code == 200
    assert world.rows(answers) == [("archive", True), ("chat", False)]


def test_a_key_answers_no_more_once_its_endpoint_was_removed_though_another_has_its_name(
    api: Any, world: World, reader: dict[str, str]
) -> None:
    endpoints.remove(world.installation, "chat")
    endpoints.add(world.installation, "chat", None)
    world.open("ana", allow=True)
    choose(world, "ana", False)
    leaving = api.get("/v1/events", headers=reader).json()["items"][-1]
    answer = api.post(
        f"/v1/events/{leaving['id']}/acknowledge", json={"endpoint": "chat"}, headers=reader
    )
    assert answer.status_code == 403


def test_a_person_follows_their_deletion_to_its_certificate_and_nobody_elses(
    api: Any, world: World
) -> None:
    world.clock.set(NOTICE)
    endpoints.add(world.installation, "chat", None)
    for name in ("ana", "ben"):
        world.open(name, allow=True)
    chat = world.say("ana", "c1")
    ana, ben = world.person("ana"), world.person("ben")
    named = api.delete(f"/v1/conversations/{chat}", headers=ana).json()["erasure"]
    assert api.delete(f"/v1/conversations/{chat}", headers=ana).json()["erasure"] is None, (
        "it began one"
    )
    seen = api.get(f"/v1/erasures/{named}", headers=ana).json()
    assert (seen["state"], seen["conversation"], seen["overdue"]) == ("fenced", chat, 0)
    assert [one["endpoint"] for one in seen["hosts"]] == ["chat"]
    early = api.get(f"/v1/erasures/{named}/certificate", headers=ana)
    assert (early.status_code, early.json()["because"]) == (409, "unfinished")
    certificates.advance_erasures(world.installation, at_once=True)
    documents.append(world.installation)
    assert api.get(f"/v1/erasures/{named}", headers=ana).json()["state"] == "verified"
    file = api.get(f"/v1/erasures/{named}/certificate", headers=ana).content
    report = verifier.check_certificate(
        file, verifier.trust(documents.key(world.installation).vkey)
    )
    assert (report.answer, report.findings, report.lacks) == ("stated", [], []), report
    assert [
        one["erasure"] for one in api.get("/v1/accounts/me/erasures", headers=ana).json()["items"]
    ] == [named]
    assert api.get("/v1/accounts/me/erasures", headers=ben).json() == {"items": []}
    never = "era_" + "0" * 32
    for path in ("", "/certificate"):
        others, unknown = (
            api.get(f"/v1/erasures/{one}{path}", headers=ben) for one in (named, never)
        )
        assert (
            (others.status_code, others.content)
            == (unknown.status_code, unknown.content)
            == (404, others.content)
        )
    for headers in (world.service(Scope.accounts_read), world.staff(StaffRole.auditor)):
        assert api.get(f"/v1/erasures/{named}", headers=headers).status_code == 200


def test_the_client_reads_answers_and_follows(
    url: str, world: World, reader: dict[str, str]
) -> None:
    world.open("ana", allow=True)
    world.say("ana", "c1")
    with Client(url, world.key()) as licet:
        begun = licet.send(client.delete("host:c1", "host:ana"))
        assert begun.erasure is not None
        page = licet.send(client.events(limit=10))
        (leaving,) = [one for one in page.items if one.type == EventKind.must_leave]
        assert leaving.data["conversation"] == begun.conversation
        assert licet.send(client.events(page.next)).items == ()
        told = licet.send(client.acknowledge(leaving.id, "chat"))
        assert licet.send(client.erasure(begun.erasure)).hosts == (told,)
        with pytest.raises(RefusedError):
            licet.send(client.certificate(begun.erasure))
        certificates.advance_erasures(world.installation, at_once=True)
        assert json.loads(licet.send(client.certificate(begun.erasure)))["v"] == 1


def test_a_closure_says_which_erasure_it_began(api: Any, world: World) -> None:
    world.open("ana")
    answer = api.post("/v1/accounts/host:ana/close", headers=world.service()).json()
    assert answer["erasure"].startswith("era_")


def test_a_server_sends_what_happens_without_another_command(
    world: World, receiver: Receiver
) -> None:
    world.clock.set(NOTICE)
    installation = replace(
        world.installation,
        config=replace(world.installation.config, webhooks=Webhooks(inside=("127.0.0.1",))),
    )
    receiver.secret = endpoints.add(installation, "chat", receiver.url).secret or ""
    with ApplicationClient(create_app(installation, world.web, sequencer=True)):
        world.open("ana", allow=True)
        wait_until(lambda: receiver.taken, "the message is sent")
    assert receiver.types() == ["choice.changed"]
    assert receiver.refused == []


def test_the_page_of_events_names_every_type_and_reason() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "events.md").read_text(encoding="utf-8")
    for head, words in (("| `type` |", EventKind), ("| `because` | `leaves` |", LeaveReason)):
        table = page[page.index(head) :].split("\n\n")[0]
        told = [
            word
            for line in table.splitlines()[2:]
            for word in re.findall(r"`([\w.]+)`", line.split("|")[1])
        ]
        assert sorted(told) == sorted(word.value for word in words)
    for block in page.split("```json\n")[1:]:
        assert json.loads(block.partition("```")[0])["type"] in list(EventKind)
