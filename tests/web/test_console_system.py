"""The pages of recipients, notices, the log and the endpoints: each shows what the rooms know, and
acts by their verbs.
"""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest

from licet.access import staff_orders
from licet.access.roles import StaffRole
from licet.access.staff_orders import OrderKind
from licet.consent import notice, notice_views
from licet.curate import release_build
from licet.erasure import certificates, recall_register
from licet.errors import RefusedError
from licet.ledger.log import CHECKPOINT
from licet.proof import documents
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.vault.commands import Delete
from licet.vault.host_events import EventKind
from licet.webhooks import endpoints

from .served import NOTICE, World, api, world
from .test_console import form
from .test_console_tables import uuid_of

__all__ = ["api", "world"]


@pytest.fixture
def lived(world: World) -> World:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    return world


def reasons(world: World) -> list[tuple[str, str, str]]:
    with transaction(world.installation.pool) as tx:
        return [
            (one.kind.value, one.about, one.reason)
            for one in staff_orders.list_newest(tx, tuple(OrderKind), 50)
        ]


# Recipients


def test_a_recipient_has_what_it_was_given_what_of_it_lives_and_what_it_is_to_delete(
    api: Any, lived: World
) -> None:
    said = (
        "How do I plant a pear tree?",
        "Which screws hold a shelf on plaster?",
        "Translate a poem about the sea for me.",
    )
    chats = [lived.say("ana", f"Chat {n}", text) for n, text in enumerate(said)]
    release_build.build_release(lived.installation, name="autumn", purpose="improve_models")
    recall_register.hand_out(lived.installation, "autumn", "lab-one")
    auditor = lived.staff(StaffRole.auditor)
    page = api.get("/console/recipients/lab-one", headers=auditor).text
    assert re.search(r'data-head="Rows">3<.*data-head="May be used now">3<', page)
    listed = api.get("/console/recipients", headers=auditor).text
    assert '<a href="/console/recipients/lab-one">lab-one</a>' in listed
    lived.tell(
        Delete(account=lived.accounts["ana"], at=lived.clock.now, conversation=uuid_of(chats[0]))
    )
    certificates.advance_erasures(lived.installation)
    page = api.get("/console/recipients/lab-one", headers=auditor).text
    assert re.search(
        r'data-head="May be used now">2<.*data-head="Not acknowledged">1<.*data-head="Overdue">0<',
        page,
    )
    lived.clock.set(lived.clock.now + timedelta(days=recall_register.RECALL_DAYS))
    page = api.get("/console/recipients/lab-one", headers=auditor).text
    assert 'data-head="Overdue" class="due">1<' in page
    assert 'class="due">yes' in api.get("/console/recipients?state=overdue", headers=auditor).text
    assert (
        "No recipients match the filters."
        in api.get("/console/recipients?recipient=lab-two", headers=auditor).text
    )
    assert api.get("/console/recipients/lab-two", headers=auditor).status_code == 404
    assert api.get("/console/recipients/lab-one", headers=lived.service()).status_code == 403


# Notices


def test_a_notice_is_shown_as_it_is_with_its_lint_and_how_many_saw_and_answered_it(
    api: Any, lived: World
) -> None:
    policy_changes.publish_notices(lived.installation, None, actor="test")
    auditor = lived.staff(StaffRole.auditor)
    with transaction(lived.installation.pool) as tx:
        ((name,),) = tx.execute(
            "SELECT notice_id FROM notices WHERE language = 'en' AND variant = 'existing'"
        ).fetchall()
        seen = notice.get(tx, name)
        assert seen is not None
    assert name.hex in api.get("/console/notices?language=en&for=existing", headers=auditor).text
    page = api.get(f"/console/notices/{name.hex}", headers=auditor).text
    framed = f"/console/notices/{name.hex}/page"
    assert f'src="{framed}"' in page
    assert seen.text.title in page
    assert "neither answer is easier" in page
    assert "<dt>Shown</dt><dd>0</dd>" in page
    lived.open("ben")
    asked = api.get(f"/v1/accounts/acc_{lived.accounts['ben'].hex}/notice", headers=lived.service())
    assert asked.status_code == 200
    with transaction(lived.installation.pool) as tx:
        went = notice_views.count_by_notice(tx, name)
    assert (went.answered, went.more) == (0, False)
    assert (
        f"<dt>Shown</dt><dd>{went.shown}</dd>"
        in api.get(f"/console/notices/{name.hex}", headers=auditor).text
    )
    for unknown in ("0" * 32, "x"):
        for page in ("", "/page"):
            at = f"/console/notices/{unknown}{page}"
            assert api.get(at, headers=auditor).status_code == 404


def test_staff_see_a_notice_in_each_language_as_the_page_that_its_people_get(
    api: Any, lived: World
) -> None:
    policy_changes.publish_notices(lived.installation, None, actor="test")
    auditor = lived.staff(StaffRole.auditor)
    lived.open("ben", age=None)
    with transaction(lived.installation.pool) as tx:
        published = tx.execute(
            "SELECT notice_id, language FROM notices WHERE variant = 'signup'"
        ).fetchall()
    assert {language for _, language in published} > {"ar", "de", "en", "ja"}
    for name, language in published:
        framed = api.get(f"/console/notices/{name.hex}/page", headers=auditor).text
        asked = api.get(
            "/signup", headers={**lived.browser("ben"), "accept-language": language}
        ).text
        assert question_of(framed) == question_of(asked), language
    with transaction(lived.installation.pool) as tx:
        assert notice_views.count_by_notice(tx, published[0][0]).shown == 1  # ben's alone


def question_of(page: str) -> str:
    """The title and the form of a notice, without what ties it to one session."""
    shown = re.search(r"<h1>.*?</form>", page, re.DOTALL)
    assert shown is not None
    return re.sub(r'<input type="hidden"[^>]*>', "", shown[0])


# The log


def test_the_page_of_the_log_says_whether_it_holds_and_who_cosigned(api: Any, lived: World) -> None:
    documents.append(lived.installation)
    owner = lived.staff(StaffRole.owner)
    page = api.get("/console/log", headers=owner).text
    assert "signed by its key and consistent with the database" in page
    assert "no witnesses are set up" in page
    assert "Ask the witnesses" not in page
    assert api.post("/console/log/witness", **form(owner)).status_code == 409


@pytest.mark.state_is_broken
def test_a_log_that_does_not_hold_is_said_and_the_page_is_there_all_the_same(
    api: Any, lived: World
) -> None:
    documents.append(lived.installation)
    place = documents.place(lived.installation)
    checkpoint = place.folder / str(lived.clock.now.year) / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes().replace(b"\n", b"\n0", 1))
    assert all("the signature of" in one.fault for one in documents.check_years(lived.installation))
    page = api.get("/console/log", headers=lived.staff(StaffRole.owner))
    assert page.status_code == 200
    assert "It does not hold: the signature of" in page.text


def test_a_witness_that_never_cosigned_is_behind_by_all(api: Any, lived: World) -> None:
    documents.append(lived.installation)
    key = documents.key(lived.installation)
    witness = type(key)(
        name="w.example/one", type=documents.note.SignatureType.cosignature, public=key.public
    )
    (lived.installation.config.data / documents.WITNESSES_FILE).write_text(
        f"witness one {witness.vkey}\nquorum one\n"
    )
    owner = lived.staff(StaffRole.owner)
    page = api.get("/console/log", headers=owner).text
    assert "<dd>not met</dd>" in page
    assert 'data-head="Behind by" class="due">all<' in page
    assert "one has no address." in api.post("/console/log/witness", **form(owner)).text
    api.post("/console/log/witness", **form(owner, confirmed="yes", reason="before the audit"))
    assert reasons(lived) == [("cosign_log", "", "before the audit")]


# Webhooks


def test_an_endpoint_is_paused_resumed_replayed_and_removed_each_with_a_reason(
    api: Any, lived: World
) -> None:
    endpoints.add(lived.installation, "chat", "https://chat.example.org/events")
    chat = lived.say("ana", "Pears")
    lived.tell(
        Delete(account=lived.accounts["ana"], at=lived.clock.now, conversation=uuid_of(chat))
    )
    waiting = endpoints.backlog_of(lived.installation, "chat").waiting
    assert waiting > 0
    owner, page = lived.staff(StaffRole.owner), "/console/webhooks/chat"
    asked = api.post(f"{page}/pause", **form(owner))
    assert f"{waiting} events wait" in asked.text
    assert endpoints.backlog_of(lived.installation, "chat").disabled_at is None
    assert api.post(f"{page}/pause", **form(owner, confirmed="yes")).status_code == 422
    done = api.post(f"{page}/pause", **form(owner, confirmed="yes", reason="they move house"))
    assert done.headers["location"] == f"{page}?flash=pause_webhook"
    assert endpoints.backlog_of(lived.installation, "chat").disabled_because == "paused"
    shown = api.get(page, headers=owner).text
    assert "Paused since" in shown
    assert "they move house" in shown
    api.post(f"{page}/resume", **form(owner, confirmed="yes", reason="they moved"))
    assert endpoints.backlog_of(lived.installation, "chat").disabled_at is None
    assert api.post(f"{page}/replay", **form(owner, since="x")).status_code == 400
    assert "is sent again" in api.post(f"{page}/replay", **form(owner, since="0")).text
    api.post(f"{page}/replay", **form(owner, since="0", confirmed="yes", reason="they lost them"))
    assert "It cannot be taken back" in api.post(f"{page}/remove", **form(owner)).text
    removed = api.post(f"{page}/remove", **form(owner, confirmed="yes", reason="they are gone"))
    assert removed.headers["location"] == "/console/webhooks?flash=remove_webhook"
    assert api.get(page, headers=owner).status_code == 404
    assert sorted(reasons(lived)) == [
        ("pause_endpoint", "chat", "they move house"),
        ("remove_endpoint", "chat", "they are gone"),
        ("replay_endpoint", "chat", "they lost them"),
        ("resume_endpoint", "chat", "they moved"),
    ]
    assert "they lost them" in api.get("/console/orders?state=done", headers=owner).text


def test_an_endpoint_is_added_by_its_form_and_its_secret_is_shown_once(
    api: Any, lived: World
) -> None:
    owner, page = lived.staff(StaffRole.owner), "/console/webhooks"
    assert "Add an endpoint" in api.get(page, headers=owner).text
    sent = {"name": "chat", "url": "https://chat.example.org/events", "kinds": "choice.changed"}
    asked = api.post(page, **form(owner, **sent))
    assert asked.status_code == 200
    assert "It is sent to https://chat.example.org/events." in asked.text
    assert "It receives: choice.changed." in asked.text
    with transaction(lived.installation.pool) as tx:
        assert endpoints.list_names(tx) == []
    again = {"name": "chat", "url": sent["url"], "kinds": "choice.changed", "confirmed": "yes"}
    assert api.post(page, **form(owner, **again)).status_code == 422, "without a reason"
    made = api.post(page, **form(owner, **again, reason="the chat moved"))
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", html.unescape(made.text))
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    assert "shown only once" in made.text
    (seen,) = endpoints.list_endpoints(lived.installation)
    assert (seen.endpoint, seen.url, seen.kinds, seen.secrets) == (
        "chat",
        sent["url"],
        (EventKind.choice_changed,),
        1,
    )
    twice = api.post(page, **form(owner, **again, reason="the chat moved"))
    assert (
        twice.status_code,
        "there is already an endpoint" in html.unescape(twice.text).lower(),
    ) == (422, True)
    for path in (page, f"{page}/chat", "/console/orders?state=done"):
        assert secret not in html.unescape(api.get(path, headers=owner).text)
    assert reasons(lived) == [("add_endpoint", "chat", "the chat moved")]


def test_an_endpoint_that_reads_by_itself_is_added_without_a_secret(api: Any, lived: World) -> None:
    owner, page = lived.staff(StaffRole.owner), "/console/webhooks"
    sent = {"name": "reader", "url": "", "kinds": " ".join(EventKind)}
    assert (
        "It has no secret: it polls with a key of its own."
        in api.post(page, **form(owner, **sent)).text
    )
    done = api.post(page, **form(owner, **sent, confirmed="yes", reason="a batch reads them"))
    assert done.headers["location"] == f"{page}?flash=add_webhook"
    assert "It is added" in api.get(done.headers["location"], headers=owner).text
    refused = api.post(f"{page}/reader/secret", **form(owner, overlap_hours="24"))
    assert refused.status_code == 409
    assert "Replace its secret" not in api.get(f"{page}/reader", headers=owner).text


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"name": "Not A Name", "kinds": "choice.changed"}, "Not A Name is no name"),
        ({"name": "chat"}, "pick at least one event"),
        ({"name": "chat", "kinds": "everything"}, "everything is no kind"),
        ({"name": "chat", "kinds": "choice.changed", "url": "http://127.0.0.1/x"}, "127.0.0.1"),
    ],
)
def test_what_is_wrong_with_a_new_endpoint_is_said_beside_its_form(
    api: Any, lived: World, sent: dict[str, str], said: str
) -> None:
    answer = api.post("/console/webhooks", **form(lived.staff(StaffRole.owner), **sent))
    page = html.unescape(answer.text)
    assert answer.status_code == 422
    assert said in page.lower() or said in page
    assert f'value="{sent["name"]}"' in page, "what was typed stays"
    assert reasons(lived) == []


def test_the_secret_of_an_endpoint_is_replaced_once_for_each_page_that_asked(
    api: Any, lived: World
) -> None:
    first = endpoints.add(lived.installation, "chat", "https://chat.example.org/events").secret
    owner, page = lived.staff(StaffRole.owner), "/console/webhooks/chat"
    asked = api.post(f"{page}/secret", **form(owner, overlap_hours="12"))
    assert "The old one signs too for 12 hours more" in asked.text
    assert endpoints.list_endpoints(lived.installation)[0].secrets == 1
    assert (
        "no more, from now on" in api.post(f"{page}/secret", **form(owner, overlap_hours="0")).text
    )
    assert api.post(f"{page}/secret", **form(owner, overlap_hours="800")).status_code == 400
    assert api.post(f"{page}/secret", **form(owner, overlap_hours="soon")).status_code == 400
    confirmed = {"hours": "12", "last": "", "confirmed": "yes"}
    assert api.post(f"{page}/secret", **form(owner, **confirmed)).status_code == 422, (
        "without a reason"
    )
    made = api.post(f"{page}/secret", **form(owner, **confirmed, reason="it lay in a log"))
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", html.unescape(made.text))
    assert secret != first
    assert endpoints.list_endpoints(lived.installation)[0].secrets == 2
    again = api.post(f"{page}/secret", **form(owner, **confirmed, reason="it lay in a log"))
    assert again.status_code == 409, "the form is sent again: the first secret, in use, would end"
    assert secret not in html.unescape(api.get(page, headers=owner).text)
    assert reasons(lived) == [("rotate_endpoint", "chat", "it lay in a log")]
    (last,) = re.findall(
        r'name="seen" value="(\w+)"',
        api.post(f"{page}/secret", **form(owner, overlap_hours="0")).text,
    )
    api.post(
        f"{page}/secret",
        **form(owner, overlap_hours="0", seen=last, confirmed="yes", reason="it is known"),
    )
    assert endpoints.list_endpoints(lived.installation)[0].secrets == 1, "the old one signs no more"


def test_an_endpoint_that_reads_by_itself_is_not_paused_and_a_disabled_one_keeps_its_cause(
    lived: World,
) -> None:
    endpoints.add(lived.installation, "reader", None)
    with pytest.raises(RefusedError, match="polls the event feed"):
        endpoints.pause(lived.installation, "reader")
    endpoints.add(lived.installation, "chat", "https://chat.example.org/events")
    with transaction(lived.installation.pool) as tx:
        endpoints.disable_all(tx, lived.clock.now)
    endpoints.pause(lived.installation, "chat")
    assert endpoints.backlog_of(lived.installation, "chat").disabled_because == "restored"


@pytest.mark.parametrize("act", ["secret", "pause", "resume", "replay", "remove"])
def test_nobody_but_an_owner_orders_anything_of_an_endpoint(
    api: Any, lived: World, act: str
) -> None:
    endpoints.add(lived.installation, "chat", "https://chat.example.org/events")
    others = lived.staff(*(role for role in StaffRole if role is not StaffRole.owner))
    path = f"/console/webhooks/chat/{act}"
    assert (
        api.post(path, **form(others, confirmed="yes", reason="because", since="0")).status_code
        == 403
    )
    assert (
        api.post("/console/webhooks", **form(others, name="x", kind="choice.changed")).status_code
        == 403
    )
    assert "Add an endpoint" not in api.get("/console/webhooks", headers=others).text
    assert reasons(lived) == []
    assert "Acts" not in api.get("/console/webhooks/chat", headers=others).text


# Holds


def test_a_hold_that_was_reviewed_has_its_new_day_and_one_of_another_matter_is_not_placed(
    api: Any, lived: World
) -> None:
    chat, officer = lived.say("ana", "Pears"), lived.staff(StaffRole.privacy_officer)
    first = {
        "act": "hold",
        "chosen": chat,
        "asked": "yes",
        "matter": "Smith v. Jones",
        "reason": "litigation",
    }
    api.post("/console/conversations/act", **form(officer, **first, confirmed="yes"))
    again = {
        "act": "review",
        "chosen": chat,
        "asked": "yes",
        "matter": "Smith v. Jones",
        "reason": "regulator",
    }
    asked = api.post("/console/holds/act", **form(officer, **again, review_at="2026-06-01"))
    assert "Already held for this matter" in asked.text
    ((reason, review),) = lived.rows("SELECT reason, review_at FROM holds")
    assert (reason, review.year) == ("litigation", 2026)
    api.post(
        "/console/holds/act", **form(officer, **again, review_at="2027-06-01", confirmed="yes")
    )
    ((reason, review),) = lived.rows("SELECT reason, review_at FROM holds")
    assert (reason, review.year) == ("regulator", 2027)
    other = api.post(
        "/console/holds/act", **form(officer, **{**again, "matter": "Other"}, confirmed="yes")
    )
    assert "no hold for that matter" in other.text
    assert lived.rows("SELECT count(*) FROM holds") == [(1,)]
