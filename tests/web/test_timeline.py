"""The timeline names everything that is on record, and deleting and closing lead from one page to a
certificate.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pyroaring import BitMap

from licet import verifier
from licet.consent import history, selected_conversations
from licet.consent.catalogue import catalogue
from licet.erasure import certificates, recall_register, sweeper
from licet.policy.state import Share
from licet.proof import documents
from licet.store.connect import transaction
from licet.train import export_files, lineage, recipients
from licet.vault import account_journal, staff_reads
from licet.vault.commands import (
    Choose,
    CloseAccount,
    Delete,
    GiveFeedback,
    Hold,
    KeepProjectOut,
    LetProjectIn,
    Narrow,
    SetPlan,
    TakeBackFeedback,
    Unflag,
    Unhold,
    Widen,
)
from licet.vault.ids import host_hmac
from licet.vault.installation import load_policies
from licet.vault.staff_reads import ReaderRole, ReadNoted
from licet.web.pages import erasures, timeline

from .served import World, api, world
from .test_recipients_page import given
from .test_recipients_page import lab as lab
from .test_sentences import ana as ana
from .test_sentences import choose, mine, narrow, page, plain

__all__ = ["ana", "api", "lab", "world"]

WORDS = catalogue("en")


def line(kind: str, title: str = "", **values: str) -> str:
    chat = WORDS.say("timeline.chat", title=title) if title else WORDS.say("timeline.chat.untitled")
    return WORDS.say(f"timeline.{kind}", chat=chat, **values)


def read(world: World, name: str, chat: str) -> None:
    """A reading of a chat by the privacy officer."""
    note = ReadNoted(
        account=world.accounts[name],
        conversation=UUID(hex=chat[5:]),
        staff=UUID(int=7),
        role=ReaderRole.privacy_officer,
        reason="person_request",
        ticket="T-1",
        turns=2,
        at=world.clock.now,
    )
    with transaction(world.installation.pool) as tx:
        tx.execute(
            "INSERT INTO staff (staff_id, email, roles, made_at) VALUES (%s, "
            "'o@example.org', '{}', %s) ON CONFLICT DO NOTHING",
            [UUID(int=7), world.clock.now],
        )
        staff_reads.record(tx, note, os.urandom)


def learnt(world: World, name: str, model: str) -> None:
    """A model that learnt from a row of the person's, out of the release `autumn`."""
    ((release, ordinal),) = world.rows(
        "SELECT release_id, ordinal FROM release_rows WHERE account_id = %s LIMIT 1",
        world.accounts[name],
    )
    at = world.clock.now
    with transaction(world.installation.pool) as tx:
        tx.execute(
            """INSERT INTO models (model_id, name, release_id, recipe, rows, first_gate, last_gate,
                                   started_at, finished_at,
                                   recorded_at, statement, consumed)
               VALUES (%s, %s, %s, 'sft', 1, 0, 0, %s, %s, %s, '', '')""",
            [UUID(int=5), model, release, at, at, at],
        )
        lineage.add_rows(tx, release, UUID(int=5), BitMap([ordinal]))


def test_each_thing_that_happened_has_its_line_and_its_topic(ana: World, api: Any) -> None:
    account = ana.accounts["ana"]
    choose(ana, True)
    bees, roof, gone = ana.say("ana", "Bees"), ana.say("ana", "Roof"), ana.say("ana", "Gone")
    for verb in (Narrow, Widen):
        narrow(ana, roof, verb)
    narrow(ana, gone, Delete)
    ana.flag("ana", bees)
    rated = GiveFeedback(
        account=account,
        at=ana.clock.now,
        conversation=UUID(hex=roof[5:]),
        rating="up",
        share=Share.rating,
    )
    (answer,) = ana.tell(rated)
    assert answer.feedback is not None
    ana.tell(
        TakeBackFeedback(
            account=account,
            at=ana.clock.now,
            conversation=UUID(hex=roof[5:]),
            feedback=answer.feedback,
        )
    )
    read(ana, "ana", bees)
    ana.tell(SetPlan(account=account, at=ana.clock.now, plan="free"))
    (flagged,) = [one for one in mine(ana) if one.title == "Bees"]
    assert flagged.safety_until is not None
    expected = {
        "choices": [line("account_opened"), line("plan_set"), "you answered “Use”"],
        "chats": [line("narrowed", "Roof"), line("widened", "Roof")],
        "safety": [line("copy", "Bees", day=WORDS.day(flagged.safety_until))],
        "feedback": [line("feedback", "Roof"), line("feedback_taken_back", "Roof")],
        "erasure": [line("deleted")],
        "readings": [
            line(
                "read",
                "Bees",
                role="the privacy officer",
                messages="2 messages",
                reason="because you asked us to",
            )
        ],
    }
    whole = page(ana, api, "/timeline")
    for topic, lines in expected.items():
        said = page(ana, api, f"/timeline?about={topic}")
        assert [one for one in lines if one not in said or one not in whole] == [], topic
        others = [one for name, several in expected.items() if name != topic for one in several]
        assert [one for one in others if one in said] == [], topic


def test_releases_models_and_recipients_have_their_lines(
    api: Any, lab: World, tmp_path: Path
) -> None:
    learnt(lab, "ana", "pelican")
    given(lab, tmp_path / "out")
    said = page(lab, api, "/timeline?about=training")
    release = line(
        "release", name="autumn", purpose="improve models", rows="1 row", conversations="1 chat"
    )
    assert release in said
    assert line("model", model="pelican", rows="1 row", release="autumn") in said
    assert (
        "lab-one was given 1 row of autumn, as plain text. Some or all of them may still be used."
        in said
    )
    lab.tell(Choose(account=lab.accounts["ana"], at=lab.clock.now, allow=False, via="settings"))
    recipients.recall_ended(lab.installation)
    (export,) = export_files.list_exports(lab.installation)
    export_files.acknowledge(lab.installation, export.export)
    with transaction(lab.installation.pool) as tx:
        tx.execute("UPDATE models SET retired_at = %s", [lab.clock.now + timedelta(days=1)])
    said = page(lab, api, "/timeline?about=training")
    assert line("answered", recipient="lab-one", rows="1 row", name="autumn") in said
    assert line("retired", model="pelican") in said
    lab.open("eve", allow=True)
    other = plain(api.get("/timeline?about=training", headers=lab.browser("eve")).text)
    assert WORDS.say("timeline.none.training") in other and "pelican" not in other


def test_the_timeline_is_newest_first_and_its_pages_miss_and_repeat_nothing(
    ana: World, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        narrow(ana, ana.say("ana", f"Chat {number}"))
        ana.clock.set(ana.clock.now + timedelta(seconds=number % 2))
    monkeypatch.setattr(timeline, "LINES_MAX", 3)
    found: list[str] = []
    path = "/timeline?about=chats"
    while path:
        answer = api.get(path, headers=ana.browser("ana")).text
        found += re.findall(r"Kept out: the chat “(Chat \d)”", plain(answer))
        more = re.search(r'href="(/timeline\?about=chats&amp;before=[^"]+)"', answer)
        path = more[1].replace("&amp;", "&") if more else ""
    once = list(dict.fromkeys(found))
    assert once == [f"Chat {number}" for number in reversed(range(7))]
    assert api.get("/timeline?before=nothing", headers=ana.browser("ana")).status_code == 404


def test_a_hold_that_may_not_be_told_is_in_no_line(ana: World, api: Any) -> None:
    chat = ana.say("ana", "Bees")
    before = page(ana, api, "/timeline")
    hold = Hold(
        account=ana.accounts["ana"],
        at=ana.clock.now,
        conversation=UUID(hex=chat[5:]),
        matter="m",
        is_told=False,
    )
    ana.tell(hold)
    assert page(ana, api, "/timeline") == before
    assert not {"held", "unheld"} & history.HAPPENED


def test_what_was_shown_put_off_accepted_and_signalled_has_its_line(ana: World, api: Any) -> None:
    browser = ana.browser("ana")
    notice = api.get("/notice", headers=browser).text
    (showing,) = set(re.findall(r'name="showing" value="([0-9a-f]+)"', notice))
    sent = {"showing": showing, "act": "later"}
    assert (
        api.post("/notice", headers=browser, data=sent, follow_redirects=False).status_code == 303
    )
    api.get("/settings", headers={**browser, "sec-gpc": "1"})
    api.get("/settings", headers=browser)
    with transaction(ana.installation.pool) as tx:
        tx.execute(
            "INSERT INTO terms (account_id, version, accepted_at) SELECT %s, number, %s "
            "FROM policies LIMIT 1",
            [ana.accounts["ana"], ana.clock.now],
        )
    said = page(ana, api, "/timeline?about=choices")
    version = load_policies(ana.installation)[0].version
    for one in (
        line("shown", language="English"),
        line("shown_settings", language="English"),
        line("put_off"),
        line("signal_on"),
        line("terms", version=version),
    ):
        assert one in said, one


def test_lapsing_projects_and_the_end_of_keys_have_their_lines(ana: World, api: Any) -> None:
    choose(ana, True)
    account, at = ana.accounts["ana"], ana.clock.now
    host = host_hmac(ana.site.host_key, "project", "p")
    ana.tell(
        KeepProjectOut(account=account, at=at, host_project=host),
        LetProjectIn(account=account, at=at, host_project=host),
    )
    gone = ana.say("ana", "Gone")
    ana.flag("ana", gone)
    ana.tell(Unflag(account=account, at=at, conversation=UUID(hex=gone[5:])))
    ana.tell(SetPlan(account=account, at=at, plan="work"))
    narrow(ana, gone, Delete)
    ana.clock.set(at + timedelta(days=60))
    sweeper.sweep(ana.installation)
    said = page(ana, api, "/timeline")
    for kind in (
        "ended_lapsed",
        "project_kept_out",
        "project_let_in",
        "flagged",
        "unflagged",
        "deleted",
        "erased",
    ):
        assert line(kind) in said, kind
    ana.tell(CloseAccount(account=account, at=ana.clock.now))
    assert line("closed") in page(ana, api, "/timeline")


def test_a_person_sees_that_misuse_was_suggested_and_what_became_of_it(
    ana: World, api: Any
) -> None:
    chat = UUID(hex=ana.say("ana", "Ways to fool a bank")[5:])
    account, at = ana.accounts["ana"], ana.clock.now
    with transaction(ana.installation.pool) as tx:
        tx.execute(
            "INSERT INTO staff (staff_id, email, roles, made_at) VALUES (%s, "
            "'o@example.org', '{}', %s)",
            [UUID(int=8), at],
        )
        tx.execute(
            """INSERT INTO suggestions (account_id, conversation_id, model_sha256, score, last_turn,
               suggested_at, suggested_by)
               VALUES (%s, %s, %s, 0.9, 1, %s, %s)""",
            [account, chat, bytes(32), at, UUID(int=8)],
        )

    def becomes(decision: str) -> str:
        with transaction(ana.installation.pool) as tx:
            tx.execute(
                "UPDATE suggestions SET decision = %s, decided_at = %s, decided_by = suggested_by",
                [decision, at],
            )
        return page(ana, api, "/timeline?about=safety")

    waiting = page(ana, api, "/timeline?about=safety")
    title = next(one.title for one in mine(ana) if one.conversation == chat)
    assert line("suggested_open", title) in waiting
    assert line("suggested_open", title) in page(ana, api, "/timeline")
    dismissed = becomes("dismissed")
    assert line("suggested", title) in dismissed and line("dismissed", title) in dismissed
    assert line("suggested_open", title) not in dismissed and "o@example.org" not in dismissed
    ana.flag("ana", f"conv_{chat.hex}")
    flagged = becomes("flagged")
    assert line("suggested", title) in flagged and line("dismissed", title) not in flagged
    assert line("flagged", title) in flagged


def test_terms_that_shorten_have_their_line(ana: World, api: Any) -> None:
    with transaction(ana.installation.pool) as tx:
        account_journal.append_endings(
            tx, "shortened", ana.clock.now, [(ana.accounts["ana"], None)]
        )
    assert line("shortened") in page(ana, api, "/timeline?about=chats")


def test_each_empty_topic_says_that_there_is_nothing(ana: World, api: Any) -> None:
    for topic in ("chats", "training", "readings", "safety", "feedback", "erasure", "requests"):
        assert WORDS.say(f"timeline.none.{topic}") in page(ana, api, f"/timeline?about={topic}")


def test_every_kind_of_event_that_the_timeline_reads_has_a_topic_and_a_sentence() -> None:
    assert set(timeline._OF_JOURNAL) == history.HAPPENED
    for kind in history.HAPPENED:
        assert line(kind)


# Everything


def test_everything_is_deleted_after_a_page_that_says_what_that_does(
    api: Any, lab: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt(lab, "ana", "pelican")
    given(lab, tmp_path / "out")
    for number in range(5):
        lab.say("ana", f"Chat {number}")
    asked = page(lab, api, "/everything/delete")
    assert WORDS.count("everything.means.chats", 6) in asked
    assert WORDS.say("end.means.releases", names="autumn") in asked
    assert WORDS.say("end.means.recipients", names="lab-one", days=14) in asked
    assert WORDS.say("end.means.models", names="pelican") in asked
    monkeypatch.setattr(selected_conversations, "EVERYTHING_BATCH", 2)
    monkeypatch.setattr(erasures, "EVERYTHING_BATCH", 2)
    monkeypatch.setattr(erasures, "BATCHES_MAX", 2)
    browser = lab.browser("ana")
    first = api.post("/everything/delete", headers=browser, data={"": ""}, follow_redirects=False)
    there = api.get(first.headers["location"].partition("#")[0], headers=browser).text
    assert WORDS.say("everything.more") in plain(there), "what is left is said"
    api.post("/everything/delete", headers=browser, data={"": ""}, follow_redirects=False)
    last = api.post("/everything/delete", headers=browser, data={"": ""}, follow_redirects=False)
    assert last.headers["location"].startswith("/erasures")
    said = plain(api.get(last.headers["location"].partition("#")[0], headers=browser).text)
    assert WORDS.say("everything.done") in said
    assert WORDS.count("erasures.summary", 6, done="0") in said
    assert {one.deleted_at is not None for one in mine(lab)} == {True}
    assert WORDS.say("everything.empty") in page(lab, api, "/everything/delete")
    assert lab.say("ana", "A new one"), "the account stays"
    assert "6 chats" not in page(lab, api, "/chats")


def test_a_closed_account_reads_its_certificate_in_the_session_that_closed_it(
    ana: World, api: Any
) -> None:
    choose(ana, True)
    ana.say("ana", "Bees")
    browser, elsewhere = ana.browser("ana"), ana.browser("ana")
    asked = plain(api.get("/account/close", headers=browser).text)
    assert WORDS.count("close.means.chats", 1) in asked
    assert WORDS.say("close.means.after") in asked
    closed = api.post("/account/close", headers=browser, data={"": ""}, follow_redirects=False)
    path = closed.headers["location"].partition("#")[0]
    said = plain(api.get(path, headers=browser).text)
    assert WORDS.say("close.done") in said
    assert api.get(path, headers=elsewhere).status_code == 401, "every other session ended"
    (erasure,) = re.findall(
        r"/erasures/(era_[0-9a-f]+)\"", api.get("/erasures", headers=browser).text
    )
    waiting = api.get(f"/erasures/{erasure}", headers=browser).text
    assert WORDS.say("erasure.certificate.none") in plain(waiting)
    assert api.get(f"/erasures/{erasure}/certificate.json", headers=browser).status_code == 409
    certificates.advance_erasures(ana.installation, at_once=True)
    documents.append(ana.installation)
    certificates.advance_erasures(ana.installation, at_once=True)
    done = plain(api.get(f"/erasures/{erasure}", headers=browser).text)
    assert WORDS.say("erasure.state.verified") in done
    assert WORDS.say("erasure.certificate.means") in done
    documents.append(ana.installation)
    file = api.get(f"/erasures/{erasure}/certificate.json", headers=browser).content
    report = verifier.check_certificate(file, verifier.trust(documents.key(ana.installation).vkey))
    assert (report.findings, report.lacks) == ([], [])
    assert line("certified_account") in plain(
        api.get("/timeline?about=erasure", headers=browser).text
    )
    for name in ("/chats", "/timeline", "/erasures", "/feedback"):
        assert api.get(name, headers=browser).status_code == 200, name


def test_the_page_of_an_account_that_stored_nothing_says_so(ana: World, api: Any) -> None:
    browser = ana.browser("ana")
    api.post("/account/close", headers=browser, data={"": ""}, follow_redirects=False)
    documents.append(ana.installation)
    certificates.advance_erasures(ana.installation, at_once=True)
    ((erasure, said),) = [
        (one.erasure, plain(api.get(f"/erasures/{one.erasure}", headers=browser).text))
        for one in certificates.list_page(ana.installation, ana.accounts["ana"], 1)
    ]
    assert WORDS.say("erasure.certificate.nothing") in said
    assert WORDS.say("erasure.certificate.means") not in said
    documents.append(ana.installation)
    report = verifier.check_certificate(
        certificates.certificate_file(ana.installation, erasure),
        verifier.trust(documents.key(ana.installation).vkey),
    )
    assert (report.answer, report.findings, report.lacks) == ("stated", [], [])


def test_an_erasure_says_what_it_waits_for_and_what_its_recipients_answered(
    api: Any, lab: World, tmp_path: Path
) -> None:
    given(lab, tmp_path / "out")
    ((chat,),) = lab.rows(
        "SELECT conversation_id FROM conversations WHERE account_id = %s", lab.accounts["ana"]
    )
    browser = lab.browser("ana")
    api.post(
        f"/chats/conv_{chat.hex}/delete", headers=browser, data={"": ""}, follow_redirects=False
    )
    certificates.advance_erasures(lab.installation)
    (one,) = certificates.list_page(lab.installation, lab.accounts["ana"], 2)
    assert one.due_at is not None
    said = page(lab, api, f"/erasures/{one.erasure}")
    assert WORDS.say("erasure.of.deletion", day=WORDS.day(one.requested_at)) in said
    assert WORDS.say("erasure.state.fenced") in said
    assert WORDS.say("erasure.waits.period", day=WORDS.day(one.due_at + timedelta(days=1))) in said
    (recall,) = one.recalls
    assert (
        WORDS.say("erasure.recall.asked", recipient="lab-one", day=WORDS.day(recall.due_at)) in said
    )
    lab.clock.set(one.due_at)
    assert WORDS.say("erasure.waits.sweep") in page(lab, api, f"/erasures/{one.erasure}")
    lab.clock.set(recall.due_at)
    overdue = WORDS.say("erasure.recall.overdue", recipient="lab-one", day=WORDS.day(recall.due_at))
    assert overdue in page(lab, api, "/erasures")
    recall_register.acknowledge(lab.installation, one.erasure, recall.handout)
    answered = WORDS.say(
        "erasure.recall.answered", recipient="lab-one", day=WORDS.day(lab.clock.now)
    )
    assert answered in page(lab, api, f"/erasures/{one.erasure}")
    sweeper.sweep(lab.installation)
    certificates.advance_erasures(lab.installation)
    assert WORDS.say("erasure.state.verified") in page(lab, api, f"/erasures/{one.erasure}")
    assert WORDS.count("erasures.summary", 1, done="1") in page(lab, api, "/erasures")
    assert line("certified") in page(lab, api, "/timeline?about=erasure")


def test_an_erasure_under_a_hold_says_so_and_goes_on_after_it(ana: World, api: Any) -> None:
    chat = ana.say("ana", "Bees")
    at, of = ana.clock.now, UUID(hex=chat[5:])
    ana.tell(Hold(account=ana.accounts["ana"], at=at, conversation=of, matter="m"))
    narrow(ana, chat, Delete)
    assert WORDS.say("erasure.waits.hold") in page(ana, api, "/erasures")
    ana.clock.set(at + timedelta(days=60))
    sweeper.sweep(ana.installation)
    assert WORDS.say("erasure.waits.hold") in page(ana, api, "/erasures")
    ana.tell(Unhold(account=ana.accounts["ana"], at=ana.clock.now, conversation=of, matter="m"))
    said = page(ana, api, "/erasures")
    assert WORDS.say("erasure.of.hold_released", day=WORDS.day(ana.clock.now)) in said


def test_closing_says_that_safety_copies_are_kept(ana: World, api: Any) -> None:
    chat = ana.say("ana", "Bees")
    for path in ("/account/close", "/everything/delete"):
        assert WORDS.say("end.means.safety") not in page(ana, api, path)
    ana.flag("ana", chat)
    for path in ("/account/close", "/everything/delete"):
        assert WORDS.say("end.means.safety") in page(ana, api, path)
        for none in ("releases", "recipients", "models"):
            assert WORDS.say(f"end.means.{none}.none") in page(ana, api, path)


def test_nobody_sees_anothers_erasure(ana: World, api: Any) -> None:
    ana.open("ben", allow=True)
    narrow(ana, ana.say("ana", "Bees"), Delete)
    ((erasure,),) = ana.rows("SELECT erasure_id FROM erasures")
    for path in (f"/erasures/era_{erasure.hex}", f"/erasures/era_{erasure.hex}/certificate.json"):
        assert api.get(path, headers=ana.browser("ben")).status_code == 404
    assert WORDS.say("erasures.none") in plain(
        api.get("/erasures", headers=ana.browser("ben")).text
    )


def test_all_that_has_to_do_with_ones_data_is_one_link_from_it(ana: World, api: Any) -> None:
    ana.say("ana", "Bees")
    html = api.get("/chats", headers=ana.browser("ana")).text
    links = set(re.findall(r'href="(/[^"]*)"', html))
    wanted = {
        "/timeline",
        "/timeline?about=readings",
        "/timeline?about=training",
        "/timeline?about=safety",
        "/feedback",
        "/erasures",
        "/takeout.zip",
        "/everything/delete",
        "/account/close",
    }
    assert wanted <= links
    for path in sorted(wanted):
        assert api.get(path, headers=ana.browser("ana")).status_code == 200, path
