"""The console: each role sees its pages and no other; what it shows is what the vault answers, and
never content.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.access import sessions
from licet.access.roles import StaffRole
from licet.curate import release_build
from licet.demo import serve as town_serve
from licet.policy.period import instant
from licet.proof import documents
from licet.release import catalog
from licet.service import explanations, population_status, staff_tables
from licet.store.connect import Pool, transaction
from licet.store.keyset import TableView
from licet.vault.commands import Delete, Hold
from licet.web import static_files
from licet.web.console import chart
from licet.web.console.shared import SECTIONS

from .served import NOTICE, ApplicationClient, World, api, browser, world
from .test_matrix import asked_and_paused

__all__ = ["api", "world"]

SECRET = "the roots of the pear tree"
LISTS = (*(one.path for one in SECTIONS), "/console/rights/enter")


class Lived:
    """A world with something on every page."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.clock.set(NOTICE)
        self.account = world.open("ana", allow=True)
        self.conversation = world.say("ana", "Pears", SECRET)
        self.deleted = world.say("ana", "Gone", SECRET)
        me, at = world.accounts["ana"], world.clock.now
        world.tell(Delete(account=me, at=at, conversation=uuid_of(self.deleted)))
        world.flag("ana", self.conversation)
        world.tell(
            Hold(
                account=me, at=at, conversation=uuid_of(self.conversation), matter="Smith v. Jones"
            )
        )
        release_build.build_release(world.installation, name="autumn", purpose="improve_models")
        documents.append(world.installation)
        self.key = world.key(name="assistant")

    @property
    def found(self) -> tuple[str, ...]:
        return (f"/console/accounts/{self.account}", f"/console/conversations/{self.conversation}")


def uuid_of(shown: str) -> UUID:
    return UUID(hex=shown.partition("_")[2])


@pytest.fixture
def lived(world: World) -> Lived:
    return Lived(world)


def form(headers: dict[str, str], **fields: str) -> dict[str, Any]:
    """What a browser sends with a form: the token of its session in the body, none in a header."""
    kept = {name: value for name, value in headers.items() if name != "x-csrf-token"}
    return {
        "data": {"csrf": headers["x-csrf-token"], **fields},
        "headers": kept,
        "follow_redirects": False,
    }


def reads(world: World) -> list[list[Any]]:
    """What the table of readings shows."""
    return [
        [cell.value for cell in row]
        for row in staff_tables.read_page(
            world.installation, staff_tables.READINGS, TableView()
        ).rows
    ]


def test_every_role_opens_exactly_the_sections_that_its_navigation_shows(
    api: Any, lived: Lived
) -> None:
    for role in StaffRole:
        headers = lived.world.staff(role)
        shown = re.findall(
            r'<li><a href="([^"]+)"',
            api.get("/console", headers=headers).text.partition("</header>")[0],
        )
        opens = [
            one.path for one in SECTIONS if api.get(one.path, headers=headers).status_code == 200
        ]
        assert shown == opens, role
        assert shown[0] == ("/console" if role is StaffRole.support else "/console/inbox")


def test_the_page_of_each_section_has_its_label_as_its_title(api: Any, lived: Lived) -> None:
    headers = lived.world.staff(*StaffRole)
    for section in SECTIONS:
        page = api.get(section.path, headers=headers).text
        titles = re.findall(r"<h1[^>]*>(.*?)</h1>", page)
        assert [re.sub("<.*?>", "", title) for title in titles] == [section.label], section.path
        assert f"<title>{section.label} · Licet console</title>" in page


def test_support_sees_why_something_may_be_used_and_no_words_of_a_request(
    api: Any, lived: Lived
) -> None:
    headers, officer = (
        lived.world.staff(role) for role in (StaffRole.support, StaffRole.privacy_officer)
    )
    path = f"/console/rights/{asked_and_paused(lived.world, 'ana')}"
    assert "Who are you?" in api.get(path, headers=officer).text
    assert "Who are you?" not in api.get(path, headers=headers).text
    seen = api.get(f"/console/conversations/{lived.conversation}", headers=headers).text
    assert "Decisions" in seen
    assert "Read content" not in seen
    assert "Place a legal hold" not in seen
    assert "/console/releases" not in seen


def test_the_search_leads_to_what_an_id_names_and_lists_what_has_the_words(
    api: Any, lived: Lived
) -> None:
    officer = lived.world.staff(StaffRole.privacy_officer)
    asked, account = asked_and_paused(lived.world, "ana"), lived.account
    found = {
        asked: f"/console/rights/{asked}",
        f"urn:licet:receipt:{account.removeprefix('acc_')}:3": f"/console/accounts/{account}",
        "autumn": f"/console/releases/{catalog.list_releases(lived.world.installation)[0].release_id.hex}",
        "web hook": None,
        "Webhooks": "/console/webhooks",
    }
    for name, page in found.items():
        answer = api.post("/console/look-up", **form(officer, name=name))
        assert answer.headers.get("location") == page, name
    several = api.post("/console/look-up", **form(officer, name="re"))
    assert several.status_code == 200
    assert "/console/recipients" in several.text.partition("<main")[2]
    support = lived.world.staff(StaffRole.support)
    assert api.post("/console/look-up", **form(support, name="autumn")).status_code == 404
    assert api.post("/console/look-up", **form(support, name="ana")).status_code == 303


def test_without_a_sign_in_as_staff_there_is_a_page_that_says_so_and_nothing_else(
    pool: Pool, tmp_path: Path
) -> None:
    lived = Lived(World(pool, tmp_path / "data", unknown_requests_per_minute=1_000))
    with ApplicationClient(lived.world.app) as api:
        for path in (*LISTS, *lived.found):
            nobody, person = api.get(path), api.get(path, headers=lived.world.browser("ana"))
            assert (nobody.status_code, person.status_code) == (401, 403)
            assert "not signed in as staff" in nobody.text
            assert lived.account not in nobody.text + person.text.replace(path, "")


def test_no_page_of_the_console_shows_content_or_what_a_hold_is_for(api: Any, lived: Lived) -> None:
    for role in StaffRole:
        headers = lived.world.staff(role)
        for path in (*LISTS, "/console/look-up", *lived.found):
            said = api.get(path, headers=headers).text
            assert SECRET not in said
            assert "Pears" not in said
            assert "Smith" not in said


def test_an_account_is_found_by_the_hosts_id_which_is_in_no_address(api: Any, lived: Lived) -> None:
    headers = lived.world.staff(StaffRole.privacy_officer)
    for name in ("ana", "host:ana", lived.account, f"  {lived.account} "):
        found = api.post("/console/look-up", **form(headers, name=name))
        assert (found.status_code, found.headers["location"]) == (
            303,
            f"/console/accounts/{lived.account}",
        ), name
    by_host = api.post("/console/look-up", **form(headers, name="Pears", account="ana"))
    assert by_host.headers["location"] == f"/console/conversations/{lived.conversation}"
    turn = lived.conversation.replace("conv_", "turn_") + "-1"
    assert (
        api.post("/console/look-up", **form(headers, name=turn)).headers["location"]
        == by_host.headers["location"]
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "nobody"},
        {"name": "conv_0"},
        {"name": "x" * 5_000},
        {"name": "Pears", "account": "nobody"},
        {"name": "None", "account": "ana"},
    ],
)
def test_what_is_not_there_is_said_beside_the_field(
    api: Any, lived: Lived, fields: dict[str, str]
) -> None:
    answer = api.post("/console/look-up", **form(lived.world.staff(StaffRole.auditor), **fields))
    assert answer.status_code == 404
    assert 'id="name-error"' in answer.text


def test_a_reviewer_finds_conversations_and_learns_of_no_account(api: Any, lived: Lived) -> None:
    headers = lived.world.staff(StaffRole.reviewer)
    known, unknown = (
        api.post("/console/look-up", **form(headers, name=name)) for name in ("ana", "nobody")
    )
    assert (known.status_code, unknown.status_code) == (404, 404)
    assert known.text.replace("ana", "nobody") == unknown.text.replace("ana", "nobody")
    assert api.post("/console/look-up", **form(headers, name=lived.conversation)).status_code == 303


def test_the_page_of_an_account_answers_as_the_explanation_does(api: Any, lived: Lived) -> None:
    seen = explanations.explain(lived.world.installation, lived.account)
    assert isinstance(seen, explanations.AccountSeen)
    said = api.get(lived.found[0], headers=lived.world.staff(StaffRole.auditor)).text
    (question,) = seen.questions
    assert question.act is not None
    assert f"“{question.act.act.value.capitalize()}”" in said, "the act behind where it stands"
    for words in (
        question.standing.value,
        seen.gate.value.replace("_", " "),
        seen.plan,
    ):
        assert f">{words}<" in said, words
    for conversation in (lived.conversation, lived.deleted):
        assert f'href="/console/conversations/{conversation}"' in said
    assert "the safety team flagged what was said" in said


def test_a_reading_needs_a_reason_and_a_ticket_and_is_shown_to_its_person(
    api: Any, lived: Lived
) -> None:
    world, path = lived.world, f"{lived.found[1]}/read"
    headers = world.staff(StaffRole.privacy_officer, email="officer@example.org")
    for fields in (
        {},
        {"reason": "curiosity", "ticket": "REQ-1"},
        {"reason": "incident", "ticket": "?"},
    ):
        refused = api.post(path, **form(headers, **fields))
        assert refused.status_code == 422
        assert 'role="alert"' in refused.text
        assert SECRET not in refused.text
    assert reads(world) == []
    opened = api.post(path, **form(headers, reason="person_request", ticket="REQ-1"))
    assert opened.status_code == 200
    assert SECRET in opened.text
    (reading,) = reads(world)
    assert reading[1:5] == ["officer@example.org", "privacy officer", "person request", "REQ-1"]
    mine = api.get(f"/chats/{lived.conversation}", headers=world.browser("ana")).text
    assert "by the privacy officer: because you asked us to" in mine
    listed = api.get("/console/readings", headers=world.staff(StaffRole.auditor)).text
    assert "REQ-1" in listed
    assert SECRET not in listed


def test_a_reviewer_opens_nothing_that_no_flag_covers_and_leaves_no_record(
    api: Any, lived: Lived
) -> None:
    other = lived.world.say("ana", "Bees", SECRET)
    answer = api.post(
        f"/console/conversations/{other}/read",
        **form(lived.world.staff(StaffRole.reviewer), reason="misuse_review", ticket="M-1"),
    )
    assert answer.status_code == 403
    assert "cannot open this conversation" in answer.text
    assert SECRET not in answer.text
    assert reads(lived.world) == []


@pytest.mark.parametrize("role", [StaffRole.owner, StaffRole.auditor, StaffRole.curator])
def test_roles_that_read_nothing_are_offered_no_form_and_are_refused(
    api: Any, lived: Lived, role: StaffRole
) -> None:
    headers = lived.world.staff(role)
    assert '/read"' not in api.get(lived.found[1], headers=headers).text
    answer = api.post(f"{lived.found[1]}/read", **form(headers, reason="incident", ticket="I-1"))
    assert answer.status_code == 403
    assert SECRET not in answer.text


def test_a_form_without_its_sessions_token_or_from_another_site_changes_nothing(
    api: Any, lived: Lived
) -> None:
    headers = lived.world.staff(StaffRole.owner)
    sent = form(headers)
    for broken in (
        {**sent, "data": {}},
        {**sent, "headers": {**sent["headers"], "origin": "https://evil.example"}},
    ):
        assert api.post("/console/access/keys/assistant/revoke", **broken).status_code == 403
    assert lived.world.rows("SELECT revoked_at FROM api_keys WHERE name = 'assistant'") == [(None,)]


def test_an_owner_revokes_a_key_and_it_is_refused(api: Any, lived: Lived) -> None:
    owner = lived.world.staff(StaffRole.owner)
    assert api.post("/console/access/keys/nobody/revoke", **form(owner)).status_code == 404
    asked = api.post("/console/access/keys/assistant/revoke", **form(owner))
    assert "It cannot be taken back" in asked.text
    assert lived.world.rows("SELECT revoked_at FROM api_keys WHERE name = 'assistant'") == [(None,)]
    silent = api.post("/console/access/keys/assistant/revoke", **form(owner, confirmed="yes"))
    assert (silent.status_code, "Say why" in silent.text) == (422, True)
    done = api.post(
        "/console/access/keys/assistant/revoke",
        **form(owner, confirmed="yes", reason="it lay in a log"),
    )
    assert (done.status_code, done.headers["location"]) == (
        303,
        "/console/access?flash=revoke_api_key",
    )
    page = api.get(done.headers["location"], headers=owner).text
    assert "The key is revoked" in page
    assert "/console/access/keys/assistant/revoke" not in page
    assert "it lay in a log" in api.get("/console/access/keys/assistant", headers=owner).text
    assert api.get("/v1/me", headers={"authorization": f"Bearer {lived.key}"}).status_code == 401


def test_an_owner_limits_a_key_after_seeing_what_would_change_and_who_saw_an_older_one_is_refused(
    api: Any, lived: Lived
) -> None:
    owner, path = (
        lived.world.staff(StaffRole.owner, email="olga@example.org"),
        "/console/access/keys/assistant",
    )
    page = api.get(path, headers=owner).text
    assert "Nothing since it was made" in page
    sent = {
        "scopes": ["gate:read"],
        "requests_per_minute": "600",
        "expires_at": "2026-12-01",
        "version": "1",
    }
    for wrong, words in (
        ({"requests_per_minute": "many"}, "Many is no requests per minute"),
        ({"expires_at": "soon"}, "is no day"),
        ({"scopes": []}, "Scopes is missing"),
        ({"scopes": ["all"]}, "All is no scope: Scopes are accounts:read"),
        ({"expires_at": "2020-01-01"}, "expires in the future"),
        ({"version": "7"}, "changed meanwhile"),
    ):
        refused = api.post(
            f"{path}/limit",
            **form(owner, **{**sent, **wrong, "confirmed": "yes", "reason": "it only asks"}),
        )
        assert (refused.status_code, words in refused.text) == (422, True), wrong
    asked = api.post(f"{path}/limit", **form(owner, **sent))
    assert "Requests a minute: no limit becomes 600" in asked.text
    assert lived.world.rows("SELECT version FROM api_keys WHERE name = 'assistant'") == [(1,)]
    unsaid = api.post(f"{path}/limit", **form(owner, **sent, confirmed="yes"))
    assert (unsaid.status_code, "Say why" in unsaid.text) == (422, True)
    confirmed = {**sent, "confirmed": "yes", "reason": "it only asks"}
    done = api.post(f"{path}/limit", **form(owner, **confirmed))
    assert (done.status_code, done.headers["location"]) == (303, f"{path}?flash=limit_api_key")
    page = api.get(done.headers["location"], headers=owner).text
    assert "it only asks" in page
    assert "staff:olga@example.org" in page
    assert api.post(f"{path}/limit", **form(owner, **confirmed)).status_code == 422, (
        "of the version before"
    )


def test_an_owner_changes_somebodys_roles_and_they_hold_from_the_next_request(
    api: Any, lived: Lived
) -> None:
    world, owner = lived.world, lived.world.staff(StaffRole.owner)
    with transaction(world.installation.pool) as tx:
        moved = sessions.find_or_add_staff(tx, "moved@example.org", world.wall, os.urandom)
        tx.execute("UPDATE staff SET roles = '{auditor}' WHERE staff_id = %s", [moved])
        theirs = browser(sessions.begin_staff(tx, moved, (), world.wall, os.urandom))
    path = f"/console/access/staff/{moved.hex}/roles"
    assert api.get("/console/accounts", headers=theirs).status_code == 200
    assert "Roles of moved@example.org" in api.post(path, **form(owner)).text
    assert api.get("/console/accounts", headers=theirs).status_code == 200, (
        "nothing before it is sent"
    )
    sent = {"confirmed": "yes", "was": "auditor", "roles": ["curator"]}
    assert api.post(path, **form(owner, **sent)).status_code == 303
    assert api.get("/console/accounts", headers=theirs).status_code == 403
    for wrong in (
        sent,
        {**sent, "was": "curator", "roles": ["owner"]},
        {**sent, "roles": ["king"]},
    ):
        assert api.post(path, **form(owner, **wrong)).status_code == 422, wrong


def test_an_owner_signs_somebody_out_for_good_but_no_owner(api: Any, lived: Lived) -> None:
    world = lived.world
    owner = world.staff(StaffRole.owner)
    with transaction(world.installation.pool) as tx:
        leaving = sessions.find_or_add_staff(tx, "leaving@example.org", world.wall, os.urandom)
        tx.execute("UPDATE staff SET roles = '{auditor}' WHERE staff_id = %s", [leaving])
        theirs = browser(sessions.begin_staff(tx, leaving, (), world.wall, os.urandom))
        other = sessions.find_or_add_staff(tx, "founder@example.org", world.wall, os.urandom)
        tx.execute("UPDATE staff SET roles = '{owner}' WHERE staff_id = %s", [other])
    assert api.get("/console/log", headers=theirs).status_code == 200
    asked = api.post(f"/console/access/staff/{leaving.hex}/revoke", **form(owner))
    assert "Revoke leaving@example.org" in asked.text
    assert api.get("/console/log", headers=theirs).status_code == 200, (
        "nothing before it is confirmed"
    )
    assert (
        api.post(
            f"/console/access/staff/{leaving.hex}/revoke", **form(owner, confirmed="yes")
        ).status_code
        == 303
    )
    assert api.get("/console/log", headers=theirs).status_code == 401
    refused = api.post(f"/console/access/staff/{other.hex}/revoke", **form(owner, confirmed="yes"))
    assert refused.status_code == 409
    assert "an owner stays" in refused.text
    assert dict(world.rows("SELECT email, roles FROM staff WHERE cardinality(roles) > 0")) == {
        "founder@example.org": ["owner"]
    }


def test_an_owner_makes_a_key_that_is_shown_once_and_works_within_its_limits(
    api: Any, lived: Lived
) -> None:
    owner = lived.world.staff(StaffRole.owner)
    made = api.post(
        "/console/access/keys",
        **form(owner, name="gatekeeper", scopes=["gate:read", "accounts:read"]),
    )
    assert made.status_code == 200
    (key,) = re.findall(r"licet_[0-9a-f]{32}_[A-Za-z0-9_-]{43}", made.text)
    mine = {"authorization": f"Bearer {key}"}
    assert api.get("/v1/me", headers=mine).json()["scopes"] == ["accounts:read", "gate:read"]
    assert api.get(f"/v1/conversations/{lived.conversation}", headers=mine).status_code == 403
    assert key not in api.get("/console/access", headers=owner).text
    for fields, words in (
        ({"name": "gatekeeper", "scopes": "gate:read"}, "There is a key gatekeeper already"),
        (
            {"name": "No name", "scopes": "gate:read"},
            "No name is no name: Of the program that holds it",
        ),
        ({"name": "other"}, "Scopes is missing: Scopes are"),
        ({"name": "other", "scopes": "everything"}, "Everything is no scope: Scopes are"),
        ({"name": "other", "scopes": "release:lease"}, "name who holds the row keys"),
        (
            {"name": "other", "scopes": "events:acknowledge", "endpoint": "nobody"},
            "No endpoint nobody",
        ),
    ):
        refused = api.post("/console/access/keys", **form(owner, **fields))
        assert (refused.status_code, words in refused.text) == (422, True), fields
    assert lived.world.rows("SELECT count(*) FROM api_keys WHERE name = 'other'") == [(0,)]


def test_an_owner_gives_somebody_roles_and_a_link_that_signs_them_in_once(
    api: Any, lived: Lived
) -> None:
    owner = lived.world.staff(StaffRole.owner)
    made = api.post(
        "/console/access/staff",
        **form(owner, email="Rae@example.org", roles=["reviewer", "auditor"]),
    )
    (secret,) = re.findall(r"/sign-in/link/([A-Za-z0-9_-]{43})", made.text)
    sent = {
        "data": {"secret": secret},
        "headers": {"origin": "http://testserver.local"},
        "follow_redirects": False,
    }
    assert [api.post("/sign-in/link", **sent).status_code for _ in range(2)] == [303, 401]
    assert dict(
        lived.world.rows("SELECT email, roles FROM staff WHERE cardinality(roles) > 0")
    ) == {"rae@example.org": ["auditor", "reviewer"]}
    assert secret not in api.get("/console/access", headers=owner).text
    for fields in (
        {"email": "x@example.org"},
        {"email": "x@example.org", "roles": "owner"},
        {"email": "x", "roles": "auditor"},
    ):
        assert api.post("/console/access/staff", **form(owner, **fields)).status_code == 422, fields
    every = api.post(
        "/console/access/staff", **form(owner, email="x@example.org", roles=[*StaffRole])
    )
    assert (every.status_code, "missing" in every.text) == (422, False), (
        "it is the owner's that is not given here"
    )
    assert lived.world.rows("SELECT count(*) FROM staff WHERE email LIKE 'x%%'") == [(0,)]


def test_the_demonstrations_officer_arrives_at_the_console(api: Any, lived: Lived) -> None:
    secret = town_serve.officer_link(lived.world.installation)
    answer = api.post(
        "/sign-in/link",
        data={"secret": secret},
        headers={"origin": "http://testserver.local"},
        follow_redirects=False,
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")


# The overview


def test_the_overview_says_what_the_status_says_and_draws_no_more_than_it_tells(
    api: Any, lived: Lived
) -> None:
    said = api.get("/console", headers=lived.world.staff(StaffRole.curator)).text
    status, coming = (
        population_status.status(lived.world.installation),
        population_status.forecast(lived.world.installation),
    )
    assert f"<b>{status.accounts}</b> Accounts" in said
    assert f"<b>{status.held}</b> Under legal hold" in said
    assert "<svg" in said
    assert f">{chart.size(coming.kept[0])}</td>" in said
    assert "style=" not in said
    assert re.findall("<script.*", said) == [
        f'<script type="module" src="{static_files.path("console.js")}"></script>'
    ], "no script stands in a page"


MOMENTS = st.integers(2, 40).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.integers(0, 10**15), min_size=n, max_size=n))
)


@given(MOMENTS)
def test_no_point_of_the_chart_is_outside_its_frame(drawn: tuple[int, list[int]]) -> None:
    number, values = drawn
    start = instant("2025-09-01")
    moments = [start.replace(year=2025 + n // 12, month=n % 12 + 1) for n in range(8, 8 + number)]
    found = chart.drawn(moments, values, [value // 2 for value in values])
    if found is None:
        assert max(values) == 0
        return
    for outline in (found.whole, found.part):
        points = re.findall(r"[ML](\S+) (\S+)", outline)
        assert len(points) >= 2 * number
        for across, up in points:
            assert found.left <= float(across) <= found.right
            assert found.top <= float(up) <= found.bottom
    assert all(found.left <= mark.place <= found.right for mark in found.across)


@pytest.mark.parametrize(
    ("days", "marks"), [(0.1, ["1 Sep"]), (1, ["1 Sep", "2 Sep"]), (8, ["2 Sep", "5 Sep", "7 Sep"])]
)
def test_no_day_is_written_twice_below_a_chart(days: float, marks: list[str]) -> None:
    first = instant("2025-09-01T06:00:00Z")
    found = chart.drawn([first, first + timedelta(days=days)], [1, 2])
    assert found is not None
    assert [mark.text for mark in found.across] == marks


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 KB"),
        (1_549, "1.55 KB"),
        (999_499, "999 KB"),
        (10**6, "1 MB"),
        (123_400_000, "123 MB"),
        (4 * 10**18, "4000 PB"),
    ],
)
def test_bytes_are_said_in_words(count: int, words: str) -> None:
    assert chart.size(count) == words
