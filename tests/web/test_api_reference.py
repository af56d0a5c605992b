"""The description of the API: nothing in it is without a meaning, and its examples are answered as
it says.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from licet.access.roles import Scope, StaffRole
from licet.proof import documents
from licet.release.reader import LEASE_SECONDS_MAX
from licet.web.api import reference, schema

from .browsing import PHONE, Site, browser, site
from .served import AFTER, NOTICE, World, api, world

__all__ = ["api", "browser", "site", "world"]

# Whose answers need more than a request beforehand, and where they are held.
ELSEWHERE = {
    "propose_policy": "tests/web/test_policy_proposals.py",
    "withdraw_proposal": "tests/web/test_policy_proposals.py",
    "apply_proposal": "tests/web/test_policy_proposals.py",
    "lease_rows": "tests/train/test_leases.py",
    "acknowledge": "tests/web/test_events.py",
    "run_erasure": "tests/web/test_staff_acts_api.py",
    "decide_misuse": "tests/web/test_staff_acts_api.py",
    "approve_sweep": "tests/web/test_staff_acts_api.py",
    "make_document": "tests/web/test_papers_page.py",
    "draw_sample": "tests/web/test_staff_api.py",
    "open_row": "tests/web/test_staff_api.py",
    "read_slice": "tests/web/test_console_review.py",
    "read_replacements": "tests/web/test_console_replacements.py",
    "mark_replacement": "tests/web/test_console_replacements.py",
    "give_finding": "tests/web/test_staff_api.py",
    "undo_finding": "tests/web/test_staff_api.py",
    "sign_release": "tests/web/test_staff_api.py",
    "retire_model": "tests/web/test_staff_api.py",
}


@pytest.fixture
def document(api: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each operation, by its id."""
    return {
        one["operationId"]: (method.upper(), path, one)
        for path, item in document["paths"].items()
        for method, one in item.items()
    }


def test_operations_have_stable_names_a_sentence_and_whom_they_answer(
    document: dict[str, Any],
) -> None:
    named = [one["operationId"] for item in document["paths"].values() for one in item.values()]
    assert [name for name, count in Counter(named).items() if count > 1] == []
    for name, (_, _, one) in operations(document).items():
        assert re.fullmatch(r"[a-z][a-z_]+", name)
        assert len(one["summary"]) > 10
        assert re.search(
            r"\n\nAnswers: (a person|anybody|any known caller|`)", one["description"]
        ), name


def test_every_field_schema_and_parameter_has_a_meaning_and_none_is_left_over(
    document: dict[str, Any],
) -> None:
    schemas, texts = document["components"]["schemas"], reference.texts()
    fields = {
        (name, field): value
        for name, one in schemas.items()
        for field, value in one.get("properties", {}).items()
    }
    assert [
        f"{name}.{field}" for (name, field), value in fields.items() if not value.get("description")
    ] == []
    assert [
        name for name, one in schemas.items() if "enum" in one and not one.get("description")
    ] == []
    silent = [
        (name, parameter["name"])
        for name, (_, _, one) in operations(document).items()
        for parameter in one.get("parameters", ())
        if not parameter.get("description")
    ]
    assert silent == []
    assert set(texts.fields) - {field for _, field in fields} == set()
    assert set(texts.of) - {f"{name}.{field}" for name, field in fields} == set()


def test_a_class_of_another_program_with_the_same_name_describes_nothing() -> None:
    class Acknowledged(msgspec.Struct):
        """Somebody else's."""

    about = reference.described({"paths": {}, "components": {"schemas": {"Acknowledged": {}}}}, {})
    said = about["components"]["schemas"]["Acknowledged"]["description"]
    assert said == " ".join((schema.Acknowledged.__doc__ or "").replace("``", "`").split())
    assert said != Acknowledged.__doc__


def test_what_a_list_holds_is_of_one_type(document: dict[str, Any]) -> None:
    def lists(one: Any) -> Iterator[Any]:
        if isinstance(one, dict):
            if one.get("type") == "array":
                yield one["items"]
            one = list(one.values())
        if isinstance(one, list):
            for each in one:
                yield from lists(each)

    found = list(lists(document))
    assert len(found) > 50
    assert [one for one in found if not one or {} in one.get("oneOf", ())] == []


def test_every_operation_that_takes_a_body_has_an_example(document: dict[str, Any]) -> None:
    takes = {name for name, (_, _, one) in operations(document).items() if "requestBody" in one}
    assert set(reference.texts().requests) == takes


def test_the_examples_are_answered_as_successes(
    world: World, api: Any, document: dict[str, Any]
) -> None:
    """In the order in which a host sends them; the ids in braces are those of the answers
    before.
    """
    world.clock.set(NOTICE)
    world.open("kid", allow=True)
    service, staff = world.service(), world.staff(*StaffRole)
    known = {"account": "host:ada", "conversation": "host:chat-7", "project": "host:garden"}
    done: list[str] = []

    def send(name: str, headers: dict[str, str], **more: str) -> Any:
        method, path, operation = operations(document)[name]
        media, text = next(
            (media, one["example"])
            for media, one in operation["requestBody"]["content"].items()
            if "example" in one
        )
        text = text if isinstance(text, str) else json.dumps(text)
        for key, value in {**known, **more}.items():
            text = text.replace("{" + key + "}", value)
            path = path.replace("{" + key + "}", value)
        params = {"account": "host:ada"} if path.startswith("/v1/conversations/host:") else {}
        answer = api.request(
            method, path, headers={**headers, "content-type": media}, content=text, params=params
        )
        assert answer.status_code < 300, (name, answer.text)
        assert str(answer.status_code) in operation["responses"]
        done.append(name)
        return (
            [json.loads(line) for line in answer.text.splitlines()]
            if "ndjson" in media
            else answer.json()
        )

    send("open_account", service)
    send("set_plan", service)
    send("set_age", service)
    notice = api.get("/v1/accounts/host:ada/notice", headers=service).json()["notice"]["id"]
    showing = send("record_showing", service, notice=notice)["id"]
    send("accept_terms", service, showing=showing)
    send("choose", service)
    send("say", service)
    again = {
        "account": "host:ada",
        "conversation": "host:chat-7",
        "role": "assistant",
        "text": "In late winter.",
    }
    assert api.post("/v1/turns", headers=service, json=again).status_code == 201
    send("give_feedback", service)
    send("keep_project_out", service)
    send("let_project_in", service)
    assert send("take_spans", service) == {}, "every span is taken"
    assert [line["status"] for line in send("say_in_bulk", service)] == [201, 201]
    send("read_conversation", staff)
    send("place_hold", staff)
    send("end_hold", staff)
    send("set_region", service)
    asked = send("send_request", {**world.person("ada")})["id"]
    send("act_on_request", staff, request_id=asked)
    send("reply_to_request", world.person("ada"), request_id=asked)
    send("enter_request", staff)
    for name in ("bea@example.org", "ada@example.org"):
        world.staff(StaffRole.privacy_officer, email=name)
    item = f"request:{asked}"
    for step in ("take_item", "hand_item"):
        send(step, staff, item=item)
    mine = f"request:{send('send_request', {**world.person('ada')})['id']}"
    for step in ("take_item", "note_item", "give_back_item", "act_on_item"):
        send(step, staff, item=mine)
    documents.append(world.installation)
    send("make_document", staff)
    known["name"] = send("make_api_key", staff)["key"]["name"]
    send("limit_api_key", staff)
    send("revoke_api_key", staff)
    send("set_staff_roles", staff, staff=send("add_staff", staff)["member"]["staff"])
    send("give_order", staff)
    known["endpoint"] = send("add_webhook", staff)["endpoint"]["endpoint"]
    for name in (
        "pause_webhook",
        "resume_webhook",
        "replay_webhook",
        "rotate_webhook",
        "remove_webhook",
    ):
        send(name, staff)
    assert set(done) | set(ELSEWHERE) == set(reference.texts().requests)


def test_the_examples_that_are_not_sent_here_fit_their_schema(document: dict[str, Any]) -> None:
    for name, held_by in ELSEWHERE.items():
        assert (Path(__file__).parents[2] / held_by).is_file()
        (content,) = operations(document)[name][2]["requestBody"]["content"].values()
        schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        assert (
            set(schema.get("required", ())) <= set(content["example"]) <= set(schema["properties"])
        )
    assert reference.texts().requests["lease_rows"]["seconds"] <= LEASE_SECONDS_MAX


def test_the_page_shows_every_operation_with_its_fields_and_asks_nobody_else(
    api: Any, document: dict[str, Any]
) -> None:
    answer = api.get("/docs")
    assert answer.status_code == 200
    html = answer.text
    for name, (method, path, _) in operations(document).items():
        assert f'id="{name}"' in html
        assert f"<code>{method} {path}</code>" in html
    assert "The same key twice is one request." in html
    assert "How do I prune a pear tree?" in html
    assert f"<code>{Scope.turns_write.value}</code>" in html
    assert re.findall(r'(?:src|href)="(?!/|#|data:,)', html) == []
    assert api.get("/docs", headers={"accept-encoding": "identity"}).text == html


def test_an_operation_is_tried_from_the_page_with_a_key_that_no_cookie_goes_with(
    site: Site,
) -> None:
    site.town.open("ana")
    site.town.clock.set(NOTICE)
    page = site.visit("ana", "/settings")  # signed in: a cookie would open what the key does not
    page.goto(f"{site.url}/docs")
    page.get_by_label("Find an operation").fill("gate")
    seen = page.locator("details.fold:visible summary code").all_inner_texts()
    assert "GET /v1/accounts/{account}/gate" in seen
    assert "POST /v1/turns" not in seen
    page.locator("#get_gate summary").click()
    form = page.locator("#get_gate form")
    for key, first in (
        ("", "401"),
        ("licet_of_nobody", "401"),
        (site.town.token("ana"), "200"),
    ):
        page.get_by_label("Your key or token").fill(key)
        form.get_by_label("account").fill("me")
        form.get_by_role("button", name="Send GET").click()
        form.locator("output", has_text=re.compile(f"^{first} ")).wait_for()
    assert '"gate": "notice"' in form.locator("output").inner_text()

    page.get_by_label("Find an operation").fill("")
    page.locator("#choose summary").click()
    form = page.locator("#choose form")
    form.get_by_label("account").fill("me")
    form.get_by_label("Body").fill('{"allow": false}')
    form.get_by_role("button", name="Send POST").click()
    form.locator("output", has_text=re.compile(r"^2\d\d ")).wait_for()
    assert site.town.standing("ana", "training") == "declined"
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_a_caller_is_named_by_a_bearer_a_refusal_is_a_problem_and_times_are_in_utc(
    world: World, api: Any
) -> None:
    world.open("ana", allow=True)
    for headers in (world.person("ana"), world.service()):
        assert headers["authorization"].startswith("Bearer ")
        account = api.get("/v1/accounts/host:ana", headers=headers).json()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", account["opened_at"])
    world.open("ben")
    world.clock.set(AFTER)
    refused = api.post(
        "/v1/turns", headers=world.service(), json={"account": "host:ben", "text": "hello"}
    )
    assert refused.status_code == 451
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert re.fullmatch(r"[a-z_]+", refused.json()["because"])
