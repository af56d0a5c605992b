"""Rights by page and by API: a form for each with its time, the state of each request, and nothing
of it for anybody else.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import timedelta
from typing import Any

import pytest

from licet.access.roles import Scope, StaffRole
from licet.consent import deadlines, rights_requests
from licet.consent.catalogue import catalogue
from licet.consent.deadlines import RightKind
from licet.consent.rights import RequestState
from licet.consent.rights_requests import (
    NEEDS_WORDS,
    OPEN_REQUESTS_MAX,
    WORDS_CHARACTERS_MAX,
    StaffAct,
)
from licet.erasure import sweeper
from licet.proof import documents
from licet.store.connect import transaction
from licet.vault import account_view
from licet.vault.commands import CloseAccount

from .served import NOTICE, World, api, world

__all__ = ["api", "world"]  # fixtures

WORDS = catalogue("en")
SENTENCE = "my aunt still keeps the tin lighthouse of Narva"
OFFICER = "staff:ada@example.org"
REASONS = {"pause": "clarification", "extend": "complexity", "refuse": "kept_by_law"}


@pytest.fixture
def lived(world: World, api: Any) -> World:
    world.clock.set(NOTICE)
    for name in ("ana", "ben"):
        world.open(name, allow=True)
        lives_in(world, api, name, "DE")
    return world


def lives_in(world: World, api: Any, name: str, region: str | None) -> None:
    answer = api.put(
        f"/v1/accounts/host:{name}/region",
        json={"region": region},
        headers=world.service(Scope.accounts_write),
    )
    assert answer.status_code == 200


def plain(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split()).replace("&#39;", "'")


def page(world: World, api: Any, path: str, name: str = "ana", status: int = 200) -> str:
    answer = api.get(path, headers=world.browser(name))
    assert answer.status_code == status, path
    return plain(answer.text)


def sent(world: World, api: Any, path: str, name: str = "ana", **fields: str) -> Any:
    return api.post(
        path, data=fields or {"words": ""}, headers=world.browser(name), follow_redirects=False
    )


def send(world: World, api: Any, kind: str, words: str = "", name: str = "ana") -> str:
    """Sends a request by its form; returns its id."""
    answer = sent(world, api, f"/rights/{kind}", name, words=words)
    assert answer.status_code == 303, plain(answer.text)
    found = re.search(r"req_[0-9a-f]{32}", answer.headers["location"])
    assert found is not None
    return found[0]


def act(
    world: World, request: str, what: str, words: str = "We looked into it.", reason: str = ""
) -> None:
    rights_requests.take_step(
        world.installation,
        request,
        StaffAct(what),
        OFFICER,
        reason=reason or REASONS.get(what, ""),
        words=words,
    )


def day(world: World, kind: str, region: str | None = "DE") -> str:
    return WORDS.day(deadlines.deadline(RightKind(kind), region).due_at(world.clock.now))


@pytest.mark.parametrize("kind", [kind.value for kind in RightKind])
@pytest.mark.parametrize("region", ["DE", "US-CA", None])
def test_each_form_says_its_time_before_it_is_sent_and_the_request_has_that_time(
    lived: World, api: Any, kind: str, region: str | None
) -> None:
    lives_in(lived, api, "ana", region)
    told = page(lived, api, f"/rights/{kind}")
    times = deadlines.deadline(RightKind(kind), region)
    until = times.extended_to(lived.clock.now)
    assert WORDS.say("rights.due", day=day(lived, kind, region)) in told
    assert (
        WORDS.say("rights.due.extended", day=WORDS.day(until))
        if until
        else WORDS.say("rights.due.whole")
    ) in told
    if region is None:
        assert WORDS.say("rights.law.strictest", laws=WORDS.join_names(times.laws)) in told
    else:
        assert WORDS.say("rights.law", law=times.laws[0]) in told
    request = send(lived, api, kind, "It is about pears.")
    found = rights_requests.get_request(lived.installation, request)
    assert found.due_at == times.due_at(lived.clock.now) and found.region == region
    assert WORDS.say("request.due", day=day(lived, kind, region)) in page(
        lived, api, f"/rights/requests/{request}"
    )


def test_the_page_of_rights_has_each_right_the_law_the_authority_and_every_request(
    lived: World, api: Any
) -> None:
    told = page(lived, api, "/rights")
    assert (
        WORDS.say("rights.requests.none") in told and WORDS.say("rights.authority.country") in told
    )
    for kind in RightKind:
        assert (
            WORDS.say(f"rights.kind.{kind.value}") in told
            and WORDS.say(f"rights.means.{kind.value}") in told
        )
    lives_in(lived, api, "ana", "US-CA")
    assert WORDS.say(
        "rights.authority", authority="the California Privacy Protection Agency"
    ) in page(lived, api, "/rights")
    for _ in range(3):
        send(lived, api, "access")
    html = api.get("/rights", headers=lived.browser("ana")).text
    assert html.count("/rights/requests/req_") == 3
    assert "/rights/requests/" not in api.get("/rights", headers=lived.browser("ben")).text


def test_your_data_and_the_settings_lead_there(lived: World, api: Any) -> None:
    for path in ("/chats", "/settings"):
        assert 'href="/rights"' in api.get(path, headers=lived.browser("ana")).text


def test_a_request_s_page_says_each_step_and_what_was_written(lived: World, api: Any) -> None:
    request = send(lived, api, "complaint", SENTENCE)
    where = f"/rights/requests/{request}"
    assert WORDS.say("rights.done.sent") in page(lived, api, f"{where}?flash=sent")
    assert SENTENCE in page(lived, api, where)
    act(lived, request, "pause", "Which lighthouse?")
    waits = page(lived, api, where)
    for key in ("request.state.paused", "request.stops", "request.step.paused.clarification"):
        assert WORDS.say(key) in waits
    assert "Which lighthouse?" in waits
    lived.clock.set(NOTICE + timedelta(days=4))
    assert sent(lived, api, f"{where}/reply", words="The one at the river.").status_code == 303
    told = page(lived, api, f"{where}?flash=replied")
    assert WORDS.say("rights.done.replied") in told and WORDS.say("request.step.replied") in told
    due = deadlines.deadline(RightKind.complaint, "DE").due_at(NOTICE) + timedelta(days=4)
    assert WORDS.say("request.due", day=WORDS.day(due)) in told
    act(lived, request, "answer", "We have put it right.")
    told = page(lived, api, where)
    assert WORDS.say("request.state.answered", day=WORDS.day(lived.clock.now)) in told
    assert "We have put it right." in told and "ada@example.org" not in told
    # nothing to take back
    assert 'href="/rights/requests/' not in api.get(where, headers=lived.browser("ana")).text


@pytest.mark.parametrize(
    "reason",
    ["unfounded", "excessive", "not_identified", "kept_by_law", "rights_of_others", "not_ours"],
)
def test_a_refusal_says_why_and_where_to_complain(lived: World, api: Any, reason: str) -> None:
    request = send(lived, api, "erasure", "All of it.")
    assert (
        'href="/erasures"'
        in api.get(f"/rights/requests/{request}", headers=lived.browser("ana")).text
    )
    act(lived, request, "refuse", "A court asked for it.", reason)
    told = page(lived, api, f"/rights/requests/{request}")
    assert WORDS.say(f"request.step.refused.{reason}") in told and "A court asked for it." in told
    assert WORDS.say("rights.authority.country") in told
    assert WORDS.say("request.state.refused", day=WORDS.day(lived.clock.now)) in told


@pytest.mark.parametrize("reason", ["complexity", "number"])
def test_an_extension_says_why_and_the_new_day(lived: World, api: Any, reason: str) -> None:
    request = send(lived, api, "access")
    act(lived, request, "extend", "It lies in four places.", reason)
    told = page(lived, api, f"/rights/requests/{request}")
    until = deadlines.deadline(RightKind.access, "DE").extended_to(NOTICE)
    assert until is not None
    assert (
        WORDS.say(f"request.step.extended.{reason}") in told
        and WORDS.say("request.due", day=WORDS.day(until)) in told
    )


def test_what_is_late_says_so(lived: World, api: Any) -> None:
    request = send(lived, api, "access")
    due = deadlines.deadline(RightKind.access, "DE").due_at(NOTICE)
    lived.clock.set(due + timedelta(days=1))
    assert WORDS.say("request.late", day=WORDS.day(due)) in page(
        lived, api, f"/rights/requests/{request}"
    )


def test_staff_asking_who_it_is_and_going_on_are_steps_of_the_page(lived: World, api: Any) -> None:
    lives_in(lived, api, "ana", "US-CA")
    request = send(lived, api, "access")
    act(lived, request, "pause", "Who are you?", "identity")
    told = page(lived, api, f"/rights/requests/{request}")
    assert WORDS.say("request.step.paused.identity") in told
    assert WORDS.say("request.stops") not in told  # the clock of California runs on
    act(lived, request, "resume", "")
    assert WORDS.say("request.step.resumed") in page(lived, api, f"/rights/requests/{request}")


@pytest.mark.parametrize("kind", ["objection", "restriction"])
def test_sending_an_objection_is_the_no_of_the_account(lived: World, api: Any, kind: str) -> None:
    assert WORDS.say("rights.no") in page(lived, api, f"/rights/{kind}")
    request = send(lived, api, kind)
    with transaction(lived.installation.pool) as tx:
        assert (
            account_view.load_accounts(tx, [lived.accounts["ana"]])[
                lived.accounts["ana"]
            ].state.grants
            == ()
        )
    told = page(lived, api, f"/rights/requests/{request}?flash=no")
    assert WORDS.say("rights.done.no") in told and WORDS.say("request.step.no_recorded") in told
    assert rights_requests.get_request(lived.installation, request).ended_at is not None


def test_a_request_is_taken_back_after_it_was_asked_once(lived: World, api: Any) -> None:
    request = send(lived, api, "objection", "And the safety copy?")
    where = f"/rights/requests/{request}"
    assert WORDS.say("request.withdraw.means") in page(lived, api, f"{where}/withdraw")
    assert rights_requests.get_request(lived.installation, request).ended_at is None
    assert sent(lived, api, f"{where}/withdraw").status_code == 303
    told = page(lived, api, f"{where}?flash=withdrawn")
    assert (
        WORDS.say("rights.done.withdrawn") in told and WORDS.say("request.step.withdrawn") in told
    )
    assert WORDS.say("request.state.withdrawn", day=WORDS.day(lived.clock.now)) in told
    assert (
        rights_requests.list_requests(
            lived.installation, states=(RequestState.open, RequestState.paused)
        )
        == []
    )
    with transaction(lived.installation.pool) as tx:  # the no stays
        assert (
            account_view.load_accounts(tx, [lived.accounts["ana"]])[
                lived.accounts["ana"]
            ].state.grants
            == ()
        )
    send(lived, api, "objection", "Once more.")


@pytest.mark.parametrize("kind", sorted(kind.value for kind in NEEDS_WORDS))
def test_what_is_about_something_says_what(lived: World, api: Any, kind: str) -> None:
    answer = sent(lived, api, f"/rights/{kind}", words="  ")
    assert answer.status_code == 422 and WORDS.say("rights.fault.words") in plain(answer.text)
    assert rights_requests.list_requests(lived.installation) == []


def test_what_is_too_long_comes_back_to_be_shortened(lived: World, api: Any) -> None:
    answer = sent(lived, api, "/rights/access", words="a" * (WORDS_CHARACTERS_MAX + 1))
    assert answer.status_code == 422
    assert WORDS.say("rights.fault.long", most=f"{WORDS_CHARACTERS_MAX:,}") in plain(answer.text)


def test_another_s_request_and_a_right_that_is_none_are_not_there(lived: World, api: Any) -> None:
    request = send(lived, api, "access", SENTENCE)
    for path in (
        f"/rights/requests/{request}",
        f"/rights/requests/{request}/withdraw",
        "/rights/sleep",
    ):
        assert SENTENCE not in page(lived, api, path, "ben", 404)
    for path in (
        f"/rights/requests/{request}/withdraw",
        f"/rights/requests/{request}/reply",
        "/rights/sleep",
    ):
        assert sent(lived, api, path, "ben", words="x").status_code == 404


def test_a_page_claims_nothing_that_was_not_done(lived: World, api: Any) -> None:
    request = send(lived, api, "access")
    for said in ("no", "replied", "withdrawn", "nonsense"):
        told = page(lived, api, f"/rights/requests/{request}?flash={said}")
        assert not any(
            WORDS.say(f"rights.done.{one}") in told
            for one in ("sent", "no", "replied", "withdrawn")
        )


def test_each_request_and_its_end_are_on_the_timeline(lived: World, api: Any) -> None:
    made = {what: send(lived, api, "access") for what in ("answer", "refuse", "withdraw")}
    for what in ("answer", "refuse"):
        act(lived, made[what], what)
    sent(lived, api, f"/rights/requests/{made['withdraw']}/withdraw")
    told, right = page(lived, api, "/timeline?about=requests"), WORDS.say("rights.kind.access")
    assert told.count(WORDS.say("timeline.asked", right=right)) == 3
    for state in ("answered", "refused", "withdrawn"):
        assert told.count(WORDS.say(f"timeline.asked.{state}", right=right)) == 1
    html = api.get("/timeline", headers=lived.browser("ana")).text
    assert all(html.count(f'href="/rights/requests/{one}"') == 2 for one in made.values())
    assert "/rights/requests/" not in api.get("/timeline", headers=lived.browser("ben")).text


# The API


def by_api(
    lived: World, api: Any, headers: dict[str, str], method: str, path: str, **body: Any
) -> Any:
    answer = api.request(method, path, json=body or None, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_a_host_sends_for_its_person_and_staff_answer(lived: World, api: Any) -> None:
    host, officer = lived.service(Scope.accounts_write), lived.staff(StaffRole.privacy_officer)
    made = by_api(
        lived, api, host, "POST", "/v1/accounts/host:ana/requests", kind="access", words=SENTENCE
    )
    assert (
        made["via"] == "api"
        and made["acknowledged_at"] is None
        and SENTENCE not in json.dumps(made)
    )
    told = page(lived, api, f"/rights/requests/{made['id']}")
    assert WORDS.say("request.step.received.host") in told and SENTENCE in told
    path = f"/v1/requests/{made['id']}"
    assert SENTENCE in json.dumps(by_api(lived, api, officer, "GET", path))
    confirmed = by_api(lived, api, officer, "POST", f"{path}/steps", act="acknowledge")
    assert confirmed["acknowledged_at"] and confirmed["steps"][-1]["step"] == "acknowledged"
    assert WORDS.say("request.step.acknowledged") in page(
        lived, api, f"/rights/requests/{made['id']}"
    )
    done = by_api(lived, api, officer, "POST", f"{path}/steps", act="answer", words="Here it is.")
    assert done["state"] == "answered"
    refused = api.post(f"{path}/steps", json={"act": "answer", "words": "again"}, headers=officer)
    assert refused.status_code == 409 and refused.json()["because"] == "ended"


def test_what_was_written_is_for_its_person_and_the_privacy_officers(
    lived: World, api: Any
) -> None:
    request = send(lived, api, "complaint", SENTENCE)
    act(lived, request, "answer", f"We know that {SENTENCE}.")
    for roles in (
        (StaffRole.auditor,),
        (StaffRole.owner,),
        (StaffRole.reviewer,),
        (StaffRole.curator,),
    ):
        headers = lived.staff(*roles)
        for path in (
            f"/v1/requests/{request}",
            "/v1/requests?state=answered",
            f"/v1/accounts/host:ana/requests/{request}",
        ):
            assert SENTENCE not in api.get(path, headers=headers).text
    reads = lived.service(Scope.accounts_read)
    assert SENTENCE not in api.get(f"/v1/accounts/host:ana/requests/{request}", headers=reads).text
    assert (
        SENTENCE in api.get(f"/v1/accounts/me/requests/{request}", headers=lived.person("ana")).text
    )
    assert (
        SENTENCE
        in api.get(f"/v1/requests/{request}", headers=lived.staff(StaffRole.privacy_officer)).text
    )
    assert not any(SENTENCE in str(row) for row in lived.rows("SELECT s::text FROM rights_steps s"))


def test_the_same_request_twice_under_one_key_is_one(lived: World, api: Any) -> None:
    headers = {**lived.person("ana"), "idempotency-key": "once"}
    first, second = (
        api.post("/v1/accounts/me/requests", json={"kind": kind, "words": ""}, headers=headers)
        for kind in ("objection", "objection")
    )
    assert first.json() == second.json() and second.headers["idempotent-replayed"] == "true"
    assert (
        len(by_api(lived, api, lived.person("ana"), "GET", "/v1/accounts/me/requests")["items"])
        == 1
    )


def test_the_list_of_staff_goes_on_by_cursor_and_has_a_filter(lived: World, api: Any) -> None:
    officer = lived.staff(StaffRole.privacy_officer)
    lives_in(lived, api, "ben", "BR")
    mine = [send(lived, api, "access") for _ in range(3)]
    first = send(lived, api, "erasure", name="ben")
    found, cursor = [], ""
    while True:
        got = by_api(lived, api, officer, "GET", f"/v1/requests?limit=2{cursor}")
        found += [one["id"] for one in got["items"]]
        if got["next"] is None:
            break
        cursor = f"&cursor={got['next']}"
    # the other three are due at one moment
    assert found[0] == first and sorted(found[1:]) == sorted(mine)
    only = by_api(lived, api, officer, "GET", "/v1/requests?kind=erasure")
    assert [one["id"] for one in only["items"]] == [first]
    assert by_api(lived, api, officer, "GET", "/v1/requests?state=answered")["items"] == []


def test_staff_enter_a_request_of_somebody_without_an_account(lived: World, api: Any) -> None:
    officer = lived.staff(StaffRole.privacy_officer, email="ada@example.org")
    made = by_api(
        lived,
        api,
        officer,
        "POST",
        "/v1/requests",
        kind="erasure",
        words=SENTENCE,
        identity="a passport",
        region="GB",
        received_at="2025-08-30T09:00:00Z",
    )
    assert (made["account"], made["due_at"], made["via"]) == (None, "2025-09-30T09:00:00Z", "staff")
    assert [one["by"] for one in made["steps"]] == [OFFICER, OFFICER]


def test_a_request_that_staff_entered_is_on_the_page_of_its_person(lived: World, api: Any) -> None:
    officer = lived.staff(StaffRole.privacy_officer)
    made = by_api(
        lived,
        api,
        officer,
        "POST",
        "/v1/requests",
        kind="access",
        words="all of it",
        identity="a passport",
        account="host:ana",
        region="GB",
    )
    assert made["region"] == "DE"  # the account's own
    told = page(lived, api, f"/rights/requests/{made['id']}")
    assert (
        WORDS.say("request.step.received.staff") in told
        and WORDS.say("request.step.identified") in told
    )


def test_the_api_says_the_times_of_each_right(lived: World, api: Any) -> None:
    told = by_api(lived, api, lived.person("ana"), "GET", "/v1/accounts/me/rights")
    assert told["region"] == "DE" and {one["kind"] for one in told["rights"]} == {
        kind.value for kind in RightKind
    }
    assert all(one["sources"] and one["laws"] == ["GDPR"] for one in told["rights"])


@pytest.mark.parametrize("region", ["de", "Germany", ""])
def test_a_region_that_is_no_code_is_refused(lived: World, api: Any, region: str) -> None:
    headers = lived.service(Scope.accounts_write)
    assert (
        api.put(
            "/v1/accounts/host:ana/region", json={"region": region}, headers=headers
        ).status_code
        == 400
    )


def test_too_many_open_requests_are_refused(lived: World, api: Any) -> None:
    for _ in range(OPEN_REQUESTS_MAX):
        send(lived, api, "access")
    answer = api.post(
        "/v1/accounts/me/requests", json={"kind": "access"}, headers=lived.person("ana")
    )
    assert answer.status_code == 409 and answer.json()["because"] == "too_many_requests"


def test_every_request_is_in_what_its_person_takes_out(lived: World, api: Any) -> None:
    request = send(lived, api, "complaint", SENTENCE)
    act(lived, request, "answer", "We have put it right.")
    send(lived, api, "access", "of ben alone", "ben")
    archive = zipfile.ZipFile(
        io.BytesIO(api.get("/takeout.zip", headers=lived.browser("ana")).content)
    )
    (line,) = [json.loads(line) for line in archive.read("requests.jsonl").splitlines()]
    assert line["id"] == request and [one["words"] for one in line["steps"]] == [
        SENTENCE,
        "",
        "We have put it right.",
    ]
    assert json.loads(archive.read("licet.json"))["region"] == "DE"
    assert (
        SENTENCE in archive.read("index.html").decode()
        and "of ben alone" not in archive.read("index.html").decode()
    )


def test_what_was_written_in_a_request_is_erased_with_its_account(lived: World, api: Any) -> None:
    request = send(lived, api, "complaint", SENTENCE)
    headers = lived.browser("ana")
    lived.tell(CloseAccount(account=lived.accounts["ana"], at=lived.clock.now))
    lived.clock.set(NOTICE + timedelta(days=40))
    documents.append(lived.installation)
    sweeper.sweep(lived.installation)
    told = plain(api.get(f"/rights/requests/{request}", headers=headers).text)
    assert WORDS.say("request.gone") in told and SENTENCE not in told
    assert SENTENCE not in rights_requests.get_request(lived.installation, request).steps[0].words
