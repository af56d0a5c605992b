"""The API as a product team meets it: accounts, the gate, choices, turns, and what a person may do
at any time.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import psycopg
import pytest
from structlog.testing import capture_logs

from licet.access.roles import Scope, StaffRole
from licet.keys.restriction_journal import Journal, RestrictionKind
from licet.policy.period import instant
from licet.policy.state import TurnRole
from licet.service import policy_changes
from licet.store.connect import open_pool, transaction
from licet.vault import policy_versions as versions
from licet.vault.commands import Choose, Delete
from licet.web.access.limits import (
    BODY_BYTES_MAX,
    BULK_BYTES_MAX,
    BULK_LINES_MAX,
    TURN_REQUEST_BYTES_MAX,
)
from licet.web.api.problems import OF_STATUS, TYPES, URN
from licet.web.serve import Lines

from ..journals import KEY
from ..terms import preset
from .served import AFTER, NOTICE, ApplicationClient, World, api, world

__all__ = ["api", "world"]  # fixtures

PLANTED = "the cat's name is Heliotrope"
HOST_ID = "heliotrope@example.org"


def problem(answer) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    return body["type"].removeprefix("urn:licet:problem:")


def test_an_account_is_opened_once_and_known_by_the_hosts_id(world, api) -> None:
    service_key = world.service(Scope.accounts_write, Scope.accounts_read)
    first = api.post(
        "/v1/accounts", json={"host": HOST_ID, "plan": "pro", "age": 30}, headers=service_key
    )
    again = api.post("/v1/accounts", json={"host": HOST_ID, "plan": "max"}, headers=service_key)
    assert (first.status_code, first.json()["outcome"], again.json()["outcome"]) == (
        201,
        "done",
        "duplicate",
    )
    assert first.json()["account"] == again.json()["account"]
    seen = api.get(f"/v1/accounts/host:{HOST_ID}", headers=service_key).json()
    assert (seen["id"], seen["plan"]) == (first.json()["account"], "pro")
    (question,) = seen["questions"]
    assert question == {
        "question": "training",
        "covers": ["improve_models", "safety_classifiers"],
        "standing": "undecided",
        "answered": None,
        "unanswered": False,
    }


def test_plan_and_age_are_set_and_a_closed_account_stays_closed(world, api) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    headers = world.service()
    changed = api.put("/v1/accounts/host:ana/plan", json={"plan": "team"}, headers=headers).json()
    assert changed["outcome"] == "done"
    assert changed["ended"] == [
        {
            "scope": "account",
            "project": None,
            "conversation": None,
            "number": 1,
            "question": "training",
        }
    ]
    (question,) = api.get("/v1/accounts/host:ana", headers=headers).json()["questions"]
    assert (question["standing"], question["answered"]) == ("lapsed", None)
    assert (
        api.put("/v1/accounts/host:ana/age", json={"age": None}, headers=headers).status_code == 200
    )
    assert api.post("/v1/accounts/host:ana/close", headers=headers).json()["outcome"] == "done"
    gate = api.get("/v1/accounts/host:ana/gate", headers=headers).json()
    assert (gate["gate"], gate["may_write"]) == ("closed", False)
    said = api.post("/v1/turns", json={"account": "host:ana", "text": "hello"}, headers=headers)
    assert (said.status_code, problem(said), said.json()["because"]) == (409, "refused", "closed")


def test_a_choice_opens_the_gate_and_is_listed_newest_first_in_pages(world, api) -> None:
    world.open("ana")
    world.clock.set(AFTER)
    me = world.person("ana")
    assert api.get("/v1/accounts/me/gate", headers=me).json()["gate"] == "must_decide"
    for allow, effect in ((True, "began"), (False, "withdrew"), (True, "began")):
        chosen = api.post("/v1/accounts/me/choices", json={"allow": allow}, headers=me)
        assert (chosen.status_code, chosen.json()["effect"]) == (201, effect)
    gate = api.get("/v1/accounts/me/gate", headers=me).json()
    assert (gate["gate"], gate["may_write"], gate["standings"]) == (
        "open",
        True,
        {"training": "granted"},
    )
    assert (gate["unanswered"], gate["grant"]) == ([], 2)
    first = api.get("/v1/accounts/me/choices?limit=2", headers=me).json()
    second = api.get("/v1/accounts/me/choices", params={"cursor": first["next"]}, headers=me).json()
    assert [c["allow"] for c in first["items"] + second["items"]] == [True, False, True]
    assert second["next"] is None


def test_at_must_decide_a_persons_turn_is_answered_451_with_where_to_answer(world, api) -> None:
    account = world.open("ana")
    world.say("ana", "Pears")
    world.clock.set(AFTER)
    headers = world.service()
    said = api.post("/v1/turns", json={"account": "host:ana", "text": "hello"}, headers=headers)
    assert (said.status_code, problem(said)) == (451, "must_decide")
    assert said.json()["choice"] == f"/v1/accounts/{account}/choices"
    assert f"<{said.json()['choice']}>" in said.headers["link"]
    answer = {"account": "host:ana", "text": "an answer on its way", "role": "assistant"}
    assert api.post("/v1/turns", json=answer, headers=headers).status_code == 201
    api.post(said.json()["choice"], json={"allow": False}, headers=headers)
    assert (
        api.post(
            "/v1/turns", json={"account": "host:ana", "text": "hello"}, headers=headers
        ).status_code
        == 201
    )


def test_at_must_decide_reading_exporting_deleting_and_choosing_stay_open(world, api) -> None:
    world.open("ana")
    world.clock.set(instant("2025-09-20"))
    chat = world.say("ana", "Pears", PLANTED)
    world.say("ana", "Pears", "an answer", role=TurnRole.assistant)
    world.clock.set(AFTER)
    me = world.person("ana")
    assert api.get("/v1/accounts/me/gate", headers=me).json()["may_write"] is False
    assert (
        api.get(f"/v1/conversations/{chat}/turns", headers=me).json()["items"][0]["text"] == PLANTED
    )
    assert PLANTED in api.get("/v1/accounts/me/export", headers=me).text
    assert api.get("/v1/accounts/me/explain", headers=me).status_code == 200
    given = api.post(f"/v1/conversations/{chat}/feedback", json={"rating": "up"}, headers=me)
    assert given.status_code == 201
    assert api.delete(f"/v1/conversations/{chat}", headers=me).json()["outcome"] == "done"
    assert api.post("/v1/accounts/me/choices", json={"allow": False}, headers=me).status_code == 201


def test_a_version_applied_by_another_process_holds_from_its_first_instant(world, api) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    me = world.person("ana")
    assert api.get("/v1/accounts/me/gate", headers=me).json()["gate"] == "open"
    first = instant("2025-10-01")
    newer = msgspec.structs.replace(
        preset("article-2025"), version="next", effective=first, decide_by=None
    )
    policy_changes.apply_policy(world.installation, newer, actor="another process")
    world.clock.set(first - timedelta(microseconds=1))
    assert api.get("/v1/accounts/me/gate", headers=me).json()["gate"] == "open"
    world.clock.set(first)
    seen = api.get("/v1/accounts/me/gate", headers=me).json()
    assert (seen["gate"], seen["policy"]) == ("notice", "next")
    chosen = api.post("/v1/accounts/me/choices", json={"allow": True}, headers=me)
    assert world.rows("SELECT version FROM choices ORDER BY seq DESC LIMIT 1") == [(1,)], (
        chosen.text
    )


def test_a_turn_is_said_once_and_read_back_by_its_person_alone(world, api) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    turn = {
        "account": "host:ana", "conversation": "host:c1", "id": "t1", "text": PLANTED, "title": "Cats",
        "tool_calls": [{"id": "1", "name": "search", "arguments": "{}"}], "attachments": ["cat.png"],
    }  # fmt: skip
    headers = world.service()
    first, again = (api.post("/v1/turns", json=turn, headers=headers).json() for _ in range(2))
    assert (first["outcome"], again["outcome"], first["turn"]) == (
        "done",
        "duplicate",
        again["turn"],
    )
    me = world.person("ana")
    (read,) = api.get("/v1/conversations/host:c1/turns", headers=me).json()["items"]
    assert (read["text"], read["tool_calls"][0]["name"], read["attachments"]) == (
        PLANTED,
        "search",
        ["cat.png"],
    )
    (mine,) = api.get("/v1/accounts/me/conversations", headers=me).json()["items"]
    assert (mine["title"], mine["badges"][0]["use"], mine["badges"][0]["because"]) == (
        "Cats",
        "whole",
        "permitted",
    )
    for_service = api.get("/v1/accounts/host:ana/conversations", headers=headers).json()["items"][0]
    assert for_service["title"] == ""
    assert (
        api.get("/v1/conversations/host:c1/turns?account=host:ana", headers=headers).status_code
        == 403
    )


HOSTILE = (
    "x'); DELETE FROM accounts; --",
    "x' OR '1'='1",
    "%s %(at)s {0} $1",
    "\\'; SELECT pg_sleep(600); --",
    'x"; DROP TABLE turns; --',
)


def test_every_string_of_a_caller_is_a_value_for_sql_and_comes_back_as_it_was(world, api) -> None:
    world.clock.set(NOTICE)
    headers = world.service()
    for number, text in enumerate(HOSTILE):
        begun = api.post(
            "/v1/accounts", json={"host": text, "plan": "pro", "age": 30}, headers=headers
        )
        assert begun.status_code == 201, begun.text
        account = world.accounts[text] = UUID(begun.json()["account"].removeprefix("acc_"))
        world.tell(Choose(account=account, at=world.clock.now, allow=True, via="notice"))
        turn = {
            "account": f"host:{text}",
            "conversation": f"host:{text}",
            "id": text,
            "text": text,
            "title": text,
        }
        assert (
            api.post(
                "/v1/turns", json=turn, headers={**headers, "idempotency-key": f"{number}"}
            ).status_code
            == 201
        )
        me = world.person(text)
        (mine,) = api.get("/v1/accounts/me/conversations", headers=me).json()["items"]
        (read,) = api.get(f"/v1/conversations/{mine['id']}/turns", headers=me).json()["items"]
        assert (mine["title"], read["text"]) == (text, text)
    with transaction(world.installation.pool) as tx:
        assert tx.execute("SELECT count(*) FROM accounts").fetchone() == (len(HOSTILE),)


def test_keeping_out_letting_in_deleting_and_explaining(world, api) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    chat, me = world.say("ana", "Pears"), world.person("ana")

    def because() -> str:
        return api.get(f"/v1/conversations/{chat}/explain", headers=me).json()["answers"][0][
            "because"
        ]

    assert because() == "permitted"
    assert api.post(f"/v1/conversations/{chat}/keep-out", headers=me).json()["outcome"] == "done"
    assert (
        api.post(f"/v1/conversations/{chat}/keep-out", headers=me).json()["outcome"] == "unchanged"
    )
    assert because() == "narrowed"
    assert api.post(f"/v1/conversations/{chat}/let-in", headers=me).json()["outcome"] == "done"
    assert because() == "before_grant"  # what was said before stays out; what follows is in
    turn = chat.replace("conv_", "turn_") + "-1"
    assert api.get(f"/v1/turns/{turn}/explain", headers=me).json()["answers"][0]["turn"] == turn
    assert api.delete(f"/v1/conversations/{chat}", headers=me).json()["outcome"] == "done"
    assert because() == "deleted"
    (gone,) = api.get(f"/v1/conversations/{chat}/turns", headers=me).json()["items"]
    assert (gone["readable"], gone["text"]) == (False, "")


def test_bulk_turns_are_answered_line_by_line_and_one_broken_line_stops_nothing(world, api) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    world.open("ben")  # opened under the terms: must decide
    turns = [
        {"account": "host:ana", "conversation": "host:c1", "id": "1", "text": PLANTED},
        "not JSON",
        {"account": "host:nobody", "text": "hello"},
        {"account": "host:ben", "conversation": "host:c2", "id": "1", "text": "hello"},
        {"account": "host:ana", "conversation": "host:c1", "id": "2", "text": "half \ud800"},
        {"account": "host:ana", "conversation": "conv_" + "0" * 32, "text": "hello"},
        {"account": "host:ana", "conversation": "host:c1", "id": "1", "text": PLANTED},
        {"account": "host:ana", "conversation": "host:c1", "id": "3", "colour": "red"},
        {
            "account": "host:ana",
            "conversation": "host:c1",
            "id": "4",
            "text": "last",
            "role": "assistant",
        },
    ]
    body = "\n".join(t if isinstance(t, str) else json.dumps(t) for t in turns)
    answer = api.post("/v1/turns:bulk", content=body, headers=world.service(Scope.turns_write))
    items = [json.loads(line) for line in answer.text.splitlines()]
    assert [item["line"] for item in items] == list(range(1, 10))
    assert [item["status"] for item in items] == [201, 400, 404, 451, 400, 404, 201, 400, 201]
    assert (items[0]["outcome"], items[6]["outcome"], items[6]["turn"]) == (
        "done",
        "duplicate",
        items[0]["turn"],
    )
    assert items[8]["turn"].endswith("-2")
    assert PLANTED not in answer.text
    assert world.rows("SELECT count(*) FROM turns") == [(2,)]


TOO_MUCH = {
    "empty lines": b"\n" * 4_000_000,
    "lines": b"{}\n" * (BULK_LINES_MAX + 1),
    "a line": b"x" * (TURN_REQUEST_BYTES_MAX + 1),
    "bytes": bytes(BULK_BYTES_MAX + 1),
}


@pytest.mark.parametrize("body", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_bulk_request_past_a_bound_is_refused_once_and_nothing_of_it_is_taken(
    world, api, body
) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    turn = json.dumps({"account": "host:ana", "conversation": "host:c1", "text": "hello"}).encode()
    answer = api.post(
        "/v1/turns:bulk", content=turn + b"\n" + body, headers=world.service(Scope.turns_write)
    )
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:licet:problem:too_large")
    assert world.rows("SELECT 1 FROM turns") == []


DEEP = "[" * 200_000


def test_json_that_is_nested_too_deeply_is_refused_by_every_route_that_takes_json(
    world, api
) -> None:
    headers = {**world.service(), "content-type": "application/json"}
    taking = 0
    for route in world.app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if handler.parsed_data_field is None:
                continue
            path = re.sub(r"\{[^}]*\}", "0" * 32, route.path)
            for body in (DEEP, '{"x":' * 50_000, f'{{"text": {DEEP}', f'{{"unknown": {DEEP}'):
                (method,) = handler.http_methods - {"OPTIONS"}
                answer = api.request(method, path, content=body, headers=headers)
                assert answer.status_code in (400, 403), (path, answer.text)
            taking += 1
    assert taking > 8
    answer = api.post(
        "/v1/turns:bulk", content=f"{DEEP}\n{{}}", headers=world.service(Scope.turns_write)
    )
    assert [json.loads(line)["status"] for line in answer.text.splitlines()] == [400, 400]


def test_a_bulk_request_of_many_lines_takes_them_in_order(world, api) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    lines = [
        json.dumps(
            {"account": "host:ana", "conversation": "host:c1", "id": str(n), "text": f"turn {n}"}
        )
        for n in range(2_500)
    ]
    answer = api.post(
        "/v1/turns:bulk", content="\n".join(lines), headers=world.service(Scope.turns_write)
    )
    turns = [json.loads(line)["turn"].rpartition("-")[2] for line in answer.text.splitlines()]
    assert turns == [str(n + 1) for n in range(2_500)]


def test_feedback_shares_what_was_chosen_and_is_given_once(world, api) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    chat, me = world.say("ana", "Pears"), world.person("ana")
    body = {"rating": "up", "share": "conversation", "comment": "thank you", "id": "f1"}
    first, again = (
        api.post(f"/v1/conversations/{chat}/feedback", json=body, headers=me).json()
        for _ in range(2)
    )
    assert (first["outcome"], again["outcome"], first["feedback"]) == (
        "done",
        "duplicate",
        again["feedback"],
    )
    refused = api.post(f"/v1/conversations/{chat}/feedback", json={"rating": "maybe"}, headers=me)
    assert (refused.status_code, problem(refused)) == (400, "bad_request")


def test_staff_read_content_only_with_a_reason_and_the_person_sees_it(world, api) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    chat, me = world.say("ana", "Pears", PLANTED), world.person("ana")
    reviewer, officer = world.staff(StaffRole.reviewer), world.staff(StaffRole.privacy_officer)
    why = {"reason": "misuse_review", "ticket": "SAFE-12"}
    assert api.post(f"/v1/conversations/{chat}/reads", json={}, headers=officer).status_code == 400
    assert (
        api.post(f"/v1/conversations/{chat}/reads", json=why, headers=reviewer).status_code == 403
    )
    assert world.rows("SELECT count(*) FROM staff_reads") == [(0,)]
    world.flag("ana", chat)
    read = api.post(f"/v1/conversations/{chat}/reads", json=why, headers=reviewer)
    assert (read.status_code, read.json()["items"][0]["text"]) == (201, PLANTED)
    world.clock.set(world.clock.now + timedelta(seconds=1))
    asked = {"reason": "person_request", "ticket": "REQ/7"}
    assert (
        api.post(f"/v1/conversations/{chat}/reads", json=asked, headers=officer).json()["items"][0][
            "text"
        ]
        == PLANTED
    )
    seen = api.get("/v1/accounts/me/reads", headers=me).json()["items"]
    assert [(r["role"], r["reason"], r["conversation"]) for r in seen] == [
        ("privacy_officer", "person_request", chat),
        ("reviewer", "misuse_review", chat),
    ]
    assert world.rows("SELECT count(*) FROM outbox WHERE entry = 'content_read'") == [(2,)]
    world.tell(
        Delete(account=world.accounts["ana"], at=world.clock.now, conversation=UUID(hex=chat[5:]))
    )
    assert (
        api.post(f"/v1/conversations/{chat}/reads", json=asked, headers=officer).status_code == 403
    )


def test_no_content_and_no_id_of_a_person_reaches_the_log_the_metrics_or_a_refusal(
    world, api
) -> None:
    world.clock.set(NOTICE)
    headers = world.service()
    said = []
    with capture_logs() as logged:
        opened_ = api.post(
            "/v1/accounts", json={"host": HOST_ID, "plan": "pro", "age": 30}, headers=headers
        ).json()
        turn = {
            "account": f"host:{HOST_ID}",
            "conversation": f"host:{PLANTED}",
            "id": PLANTED,
            "text": PLANTED,
        }
        for body in (
            turn,
            {**turn, "plan": PLANTED},
            {**turn, "role": PLANTED},
            {**turn, "surface": PLANTED},
        ):
            said.append(api.post("/v1/turns", json=body, headers=headers))
        said.append(
            api.post(
                "/v1/turns:bulk", content=json.dumps({**turn, "kind": PLANTED}), headers=headers
            )
        )
        said.append(api.get(f"/v1/conversations/host:{PLANTED}", headers=headers))
        said.append(api.get(f"/v1/accounts/host:{PLANTED}", headers=headers))
        said.append(
            api.get(
                "/v1/accounts/me/choices", params={"cursor": PLANTED}, headers=world.person(HOST_ID)
            )
        )
        said.append(api.get("/v1/policy", headers={"authorization": f"Bearer {PLANTED}"}))
    assert len(logged) == 10
    assert {line["caller"] for line in logged} == {"service", "person", "nobody"}
    everything = [
        json.dumps(logged),
        api.get("/metrics").text,
        *(r.text + str(r.headers) for r in said),
    ]
    for text in everything:
        assert PLANTED not in text
        assert HOST_ID not in text
    for text in everything[:2]:
        assert opened_["account"] not in text


def test_the_hosts_ids_are_kept_as_hmacs_alone(world, api, dsn) -> None:
    headers = world.service()
    api.post(
        "/v1/accounts",
        json={"host": HOST_ID, "plan": "pro", "age": 30},
        headers={**headers, "idempotency-key": HOST_ID},
    )
    turn = {
        "account": f"host:{HOST_ID}",
        "conversation": f"host:{PLANTED}",
        "id": HOST_ID,
        "text": PLANTED,
        "title": PLANTED,
    }
    assert (
        api.post(
            "/v1/turns", json=turn, headers={**headers, "idempotency-key": PLANTED}
        ).status_code
        == 201
    )
    with psycopg.connect(dsn) as conn:
        tables = [
            name
            for (name,) in conn.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
        ]
        rows = [
            str(row) for name in tables for row in conn.execute(f"SELECT t::text FROM {name} t")
        ]
    assert any("account_opened" in row for row in rows)
    for planted in (PLANTED, HOST_ID):
        assert not [row for row in rows if planted in row or planted.encode().hex() in row]


def test_where_the_database_is_away_everything_is_refused_and_nothing_is_allowed(
    dsn, tmp_path: Path
) -> None:

    with open_pool(dsn) as pool:
        world = World(pool, tmp_path / "data")
        world.open("ana")
        headers, me = world.service(), world.person("ana")
        with ApplicationClient(world.app) as api:
            assert (
                api.get("/v1/accounts/host:ana/gate", headers=headers).json()["may_write"] is True
            )
            account = f"acc_{world.accounts['ana'].hex}"
            assert api.get("/v1/accounts/me/gate", headers=me).status_code == 200
            pool.close()
            answers = [
                api.get(f"/v1/accounts/{account}/gate", headers=me),
                api.post(f"/v1/accounts/{account}/choices", json={"allow": True}, headers=me),
                api.get(f"/v1/accounts/{account}", headers=me),
                api.get("/v1/accounts/me/export", headers=me),
                api.get("/v1/policy", headers=world_key_unknown()),
                api.post(
                    "/v1/turns:bulk",
                    content=b'{"account":"host:ana","text":"hello"}',
                    headers=headers,
                ),
                api.get("/readyz"),
            ]
            for answer in answers:
                assert (answer.status_code, problem(answer)) == (503, "busy")
                assert int(answer.headers["retry-after"]) >= 1
                assert "may_write" not in answer.text
            assert api.get("/healthz").status_code == 200


def world_key_unknown() -> dict[str, str]:
    return {"authorization": f"Bearer licet_{'0' * 32}_{'A' * 43}"}


def test_a_body_over_the_bound_is_refused(world, api) -> None:
    world.open("ana")
    big = json.dumps({"allow": True, "showing": "x" * BODY_BYTES_MAX})
    refused = api.post("/v1/accounts/me/choices", content=big, headers=world.person("ana"))
    assert (refused.status_code, problem(refused)) == (413, "too_large")


@pytest.mark.parametrize("path", ["/v1/me", "/nope", "/v1/accounts/me", "/healthz"])
def test_every_answer_carries_the_security_headers(world, api, path: str) -> None:
    headers = api.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert headers["cache-control"] == "no-store"


def test_the_metrics_count_by_route_and_kind_of_caller(world, api) -> None:
    world.open("ana")
    api.get("/v1/accounts/me/gate", headers=world.person("ana"))
    shown = api.get("/metrics").text
    line = 'licet_requests_total{caller="person",method="GET",route="/v1/accounts/{account}/gate",status="200"} 1.0'
    assert line in shown
    assert "ana" not in shown.replace("manage", "")


def test_a_deadline_that_was_moved_holds_at_once(world, api) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    headers = world.service()
    assert (
        api.get("/v1/accounts/host:ana/gate", headers=headers).json()["decide_by"] == "2025-09-28"
    )
    later = msgspec.structs.replace(preset("article-2025"), decide_by=date(2025, 10, 8))
    with transaction(world.installation.pool) as tx:
        versions.amend(tx, later, world.clock.now, "another process")
    assert (
        api.get("/v1/accounts/host:ana/gate", headers=headers).json()["decide_by"] == "2025-10-08"
    )
    world.clock.set(AFTER)
    assert api.get("/v1/accounts/host:ana/gate", headers=headers).json()["gate"] == "notice"


def test_the_page_of_the_api_lists_every_problem_scope_and_role() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "api.md").read_text("utf-8")
    for name in [*Scope, *StaffRole]:
        assert f"`{name}`" in page, name
    table = page[page.index(f"| `type` `{URN}`") :].split("\n\n")[0]
    told = [
        name
        for line in table.splitlines()[2:]
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    ]
    assert sorted(told) == sorted(
        {name for _, name, _ in TYPES} | {name for name, _ in OF_STATUS.values()}
    )


def test_the_log_has_one_json_object_a_line_in_order() -> None:
    file = io.BytesIO()
    lines = Lines(file)

    async def story() -> None:
        for n in range(3):
            lines.msg(json.dumps({"n": n}).encode())
        assert file.getvalue() == b""
        await asyncio.sleep(0)

    asyncio.run(story())
    lines.msg(b'{"n": 3}')
    assert [json.loads(line)["n"] for line in file.getvalue().splitlines()] == [0, 1, 2, 3]


def test_a_persons_browser_reaches_the_pages_with_its_session_and_changes_with_its_form(
    world, api
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    headers = world.browser("ana")
    shown = api.get("/settings", headers={"cookie": headers["cookie"]})
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in shown.headers["content-security-policy"]
    assert api.get("/settings").status_code == 401
    refused = api.post(
        "/settings",
        data={"allow": "yes"},
        headers={"cookie": headers["cookie"], "origin": headers["origin"]},
    )
    assert refused.status_code == 403
    assert world.rows("SELECT count(*) FROM choices") == [(0,)]


@pytest.mark.parametrize(
    ("known", "given", "begins", "becomes"),
    [(13, 40, False, 13), (30, 40, True, 30), (30, 15, False, 15), (None, 40, True, 40)],
)
def test_the_age_that_comes_with_a_choice_fills_or_lowers_the_known_one_and_never_raises_it(
    pool, tmp_path, known: int | None, given: int, begins: bool, becomes: int
) -> None:
    world = World(pool, tmp_path / "data", preset("strict"))
    journal = world.installation.keyring.restrictions = Journal(tmp_path / "restrictions", key=KEY)
    world.open("ana", age=known)
    world.clock.set(NOTICE)
    with ApplicationClient(world.app) as api:
        for headers in (world.person("ana"), world.browser("ana"), world.service()):
            asked = {"allow": True, "question": "models", "age": given}
            made = api.post("/v1/accounts/host:ana/choices", json=asked, headers=headers)
            assert (made.json()["effect"] != "none") == begins
            assert world.rows("SELECT age FROM accounts") == [(becomes,)]
        kept = {record.age for record in journal.records() if record.kind is RestrictionKind.age}
        assert kept <= {known, becomes}, "nor does a restore apply an age that was not taken"
        told = api.put("/v1/accounts/host:ana/age", json={"age": 41}, headers=world.service())
        assert told.status_code == 200
        assert world.rows("SELECT age FROM accounts") == [(41,)], "the host's word always holds"
