"""Requests of people in the console: by due date, acted on by a privacy officer, and nothing
written in a list.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from licet.access.roles import StaffRole
from licet.consent import rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights_requests import EnteredRequest
from licet.service import staff_tables
from licet.store.keyset import TableView

from .served import NOTICE, World, api, world

__all__ = ["api", "world"]  # fixtures

SENTENCE = "my uncle repairs the foghorn of Kihnu"


@pytest.fixture
def lived(world: World, api: Any) -> World:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    return world


def asked(world: World, kind: str = "access", region: str = "DE", days_ago: int = 0) -> str:
    entered = EnteredRequest(
        kind=RightKind(kind),
        words=SENTENCE,
        identity="a passport",
        account=world.accounts["ana"],
        region=region,
        received_at=world.clock.now - timedelta(days=days_ago),
    )
    return rights_requests.enter(world.installation, entered, "staff:ada@example.org").shown_id


def officer(world: World) -> dict[str, str]:
    return world.staff(StaffRole.privacy_officer, email="ada@example.org")


def page(api: Any, headers: dict[str, str], path: str) -> str:
    answer = api.get(path, headers=headers)
    assert answer.status_code == 200, path
    return str(answer.text)


def acted(api: Any, headers: dict[str, str], request: str, **fields: str) -> Any:
    return api.post(
        f"/console/rights/{request}/step", data=fields, headers=headers, follow_redirects=False
    )


def listed(text: str) -> list[str]:
    return re.findall(r'href="/console/rights/(req_[0-9a-f]{32})"', text)


def test_the_list_is_by_due_date_filtered_and_without_a_word_that_was_written(
    lived: World, api: Any
) -> None:
    late, other = asked(lived, days_ago=40), asked(lived, "erasure", "US-CA")
    text = page(api, officer(lived), "/console/rights")
    assert listed(text) == [late, other] and "overdue" in text and SENTENCE not in text
    assert listed(page(api, officer(lived), "/console/rights?kind=erasure")) == [other]
    assert listed(page(api, officer(lived), "/console/rights?state=answered")) == []


def test_the_list_goes_on_behind_its_last_request(lived: World, api: Any) -> None:
    # weeks apart: of working days several can end on one
    made = [asked(lived, days_ago=days) for days in (21, 14, 7)]
    first = page(api, officer(lived), "/console/rights")
    assert listed(first) == made
    view = TableView(filters={"state": "waiting"}, rows=1)
    after = staff_tables.read_page(lived.installation, staff_tables.REQUESTS, view).after
    path = f"/console/rights?state=waiting&after={after}"
    assert listed(page(api, officer(lived), path)) == made[1:]


def test_a_request_whose_clock_stands_still_is_due_later_and_is_not_overdue(
    lived: World, api: Any
) -> None:
    request, headers = asked(lived), officer(lived)
    answer = acted(api, headers, request, act="acknowledge")
    answer = acted(api, headers, request, act="pause", reason="identity", words="Who are you?")
    assert answer.status_code == 303
    lived.clock.set(lived.clock.now + timedelta(days=90))
    seen = rights_requests.get_request(lived.installation, request)
    (row,) = staff_tables.read_page(lived.installation, staff_tables.REQUESTS, TableView()).rows
    assert (row[0].value, row[3].value, row[4].value) == (request, seen.due_at, seen.overdue)
    assert listed(page(api, headers, "/console/rights?state=paused")) == [request]
    overdue = listed(page(api, headers, "/console/rights?state=overdue"))
    assert overdue == [request] * seen.overdue
    text = page(api, headers, "/console/rights?order=newest")
    assert 'aria-sort="descending"' in text and 'aria-current="page">All' in text


def test_a_request_is_asked_about_extended_and_answered_on_its_page(lived: World, api: Any) -> None:
    request, headers = asked(lived), officer(lived)
    path = f"/console/rights/{request}"
    assert SENTENCE in page(api, headers, path)
    for fields in (
        {"act": "acknowledge"},
        {"act": "pause", "reason": "identity", "words": "Who are you?"},
        {"act": "resume"},
        {"act": "extend", "reason": "complexity", "words": "It lies in four places."},
        {"act": "answer", "words": "Here it is."},
    ):
        answer = acted(api, headers, request, **fields)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"] == f"{path}?flash=act_on_request"
    text = page(api, headers, path)
    for words in (
        "Who are you?",
        "It lies in four places.",
        "Here it is.",
        "staff:ada@example.org",
    ):
        assert words in text
    assert "Actions</h2>" not in text
    assert [
        one.step.value for one in rights_requests.get_request(lived.installation, request).steps
    ] == [
        "received",
        "identified",
        "acknowledged",
        "paused",
        "resumed",
        "extended",
        "answered",
    ]


def test_a_refusal_without_words_comes_back_and_nothing_was_done(lived: World, api: Any) -> None:
    request = asked(lived)
    answer = acted(api, officer(lived), request, act="refuse", reason="unfounded", words=" ")
    assert answer.status_code == 422 and "needs words" in answer.text
    answer = acted(api, officer(lived), request, act="sleep")
    assert answer.status_code == 422 and "Sleep is no act" in answer.text
    assert rights_requests.get_request(lived.installation, request).ended_at is None
    assert (
        acted(
            api, officer(lived), request, act="refuse", reason="unfounded", words="We asked once."
        ).status_code
        == 303
    )


def test_an_auditor_sees_the_steps_and_not_what_was_written(lived: World, api: Any) -> None:
    request = asked(lived)
    headers = lived.staff(StaffRole.auditor)
    text = page(api, headers, f"/console/rights/{request}")
    assert "received" in text and SENTENCE not in text and "Actions</h2>" not in text
    assert acted(api, headers, request, act="answer", words="x").status_code == 403
    assert "/console/rights/enter" not in page(api, headers, "/console/rights")


def test_a_letter_is_entered_with_its_day_and_comes_back_where_it_is_not_whole(
    lived: World, api: Any
) -> None:
    headers = officer(lived)
    letter = {
        "kind": "erasure",
        "words": SENTENCE,
        "identity": "a passport",
        "region": "fr",
        "received_at": "2025-08-20",
    }

    def entered(**fields: str) -> Any:
        return api.post(
            "/console/rights/enter",
            data={**letter, **fields},
            headers=headers,
            follow_redirects=False,
        )

    for wrong, text in (
        ({"kind": ""}, "Kind is missing: What is asked for"),
        ({"identity": " "}, "Identity is missing"),
        ({"region": "France"}, "FRANCE is no region"),
        ({"received_at": "soon"}, "Soon is no day"),
        ({"received_at": "2031-01-01"}, "is in the future"),
        ({"account": "nobody"}, "No account has the host&#39;s id nobody"),
    ):
        answer = entered(**wrong)
        assert answer.status_code == 422 and text in answer.text, text
    assert rights_requests.list_requests(lived.installation) == []
    answer = entered()
    assert answer.status_code == 303
    (found,) = rights_requests.list_requests(lived.installation)
    assert answer.headers["location"] == f"/console/rights/{found.id}"
    assert (found.account, found.region, found.due_at.date().isoformat()) == (
        None,
        "FR",
        "2025-09-20",
    )
