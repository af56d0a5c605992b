"""A legal hold is placed and ended by staff, kept on record, and seen by its person unless the
matter forbids telling.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from licet import doctor
from licet.access.roles import StaffRole
from licet.erasure import sweeper
from licet.errors import NotFoundError, UsageError
from licet.service import staff_lists
from licet.vault import holds
from licet.vault.commands import Delete, HoldReason, Outcome
from licet.vault.hold_coverage import HoldCount

from .served import NOTICE, World, api, world

__all__ = ["api", "world"]  # fixtures

MATTER = "Smith v. Acme, the kettle of 2026"
DAY = timedelta(days=1)


@pytest.fixture
def chat(world: World) -> str:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    return world.say("ana", "kettles")


def held(world: World, chat: str, **more: Any) -> holds.HoldAct:
    told = {"matter": MATTER, "reason": HoldReason.litigation, "by": "user:counsel", **more}
    (act,) = holds.place(world.installation, [chat], **told)
    return act


def test_staff_place_and_end_a_hold_through_the_api_and_the_list_tells_no_matter(
    world: World, api: TestClient[Litestar], chat: str
) -> None:
    officer = world.staff(StaffRole.privacy_officer, email="officer@example.org")
    review = "2025-12-01T00:00:00Z"
    placed = api.post(
        f"/v1/conversations/{chat}/holds",
        headers=officer,
        json={"matter": MATTER, "reason": "litigation", "review_at": review},
    )
    assert (placed.status_code, placed.json()["outcome"]) == (200, "done")
    listed = api.get("/v1/holds", headers=world.staff(StaffRole.auditor))
    assert MATTER not in listed.text
    (one,) = listed.json()["items"]
    assert (one["conversation"], one["reason"], one["review_at"]) == (chat, "litigation", review)
    assert (one["placed_by"], one["told"], one["overdue"]) == (
        "staff:officer@example.org",
        True,
        False,
    )
    again = api.post(
        f"/v1/conversations/{chat}/holds",
        headers=officer,
        json={"matter": MATTER, "reason": "regulator", "review_at": "2026-01-01T00:00:00Z"},
    )
    assert again.json()["outcome"] == "unchanged"
    (one,) = api.get("/v1/holds", headers=officer).json()["items"]
    assert (one["reason"], one["review_at"]) == ("regulator", "2026-01-01T00:00:00Z"), (
        "its review moves its day"
    )
    ended = api.post(
        f"/v1/conversations/{chat}/holds/end", headers=officer, json={"matter": "another"}
    )
    assert ended.json()["outcome"] == "unchanged"
    ended = api.post(
        f"/v1/conversations/{chat}/holds/end", headers=officer, json={"matter": MATTER}
    )
    assert ended.json()["outcome"] == "done"
    assert api.get("/v1/holds", headers=officer).json() == {"items": [], "total": 0}
    told = [
        row[0]
        for row in world.rows(
            "SELECT entry FROM outbox WHERE entry IN ('held', 'unheld') ORDER BY outbox_id"
        )
    ]
    assert told == ["held", "unheld"]
    (facts,) = [
        msgspec.json.decode(row[0])
        for row in world.rows("SELECT payload FROM outbox WHERE entry = 'held'")
    ]
    assert (facts["reason"], facts["person_told"]) == ("litigation", True)


def test_a_hold_is_refused_with_a_day_that_is_past_or_too_far_or_without_a_matter(
    world: World, api: TestClient[Litestar], chat: str
) -> None:
    officer = world.staff(StaffRole.privacy_officer)
    for wrong in (
        {"matter": MATTER, "reason": "litigation", "review_at": "2025-08-01T00:00:00Z"},
        {"matter": MATTER, "reason": "litigation", "review_at": "2035-08-01T00:00:00Z"},
        {"matter": "  ", "reason": "litigation"},
        {"matter": MATTER, "reason": "because"},
        {"matter": MATTER},
        {"matter": "m" * (holds.MATTER_CHARACTERS_MAX + 1), "reason": "other"},
    ):
        assert (
            api.post(f"/v1/conversations/{chat}/holds", headers=officer, json=wrong).status_code
            == 400
        ), wrong
    assert world.rows("SELECT count(*) FROM holds") == [(0,)]


def test_the_person_sees_the_hold_with_its_reason_and_days_and_not_its_matter(
    world: World, api: TestClient[Litestar], chat: str
) -> None:
    before = api.get(f"/v1/conversations/{chat}", headers=world.person("ana")).json()
    assert (before["held"], before["holds"]) == (False, [])
    held(world, chat, review_at=NOTICE + 30 * DAY)
    seen = api.get(f"/v1/conversations/{chat}", headers=world.person("ana")).json()
    assert (seen["held"], seen["keep_until"]) == (True, None)
    assert seen["holds"] == [
        {
            "reason": "litigation",
            "placed_at": "2025-09-01T10:00:00Z",
            "review_at": "2025-10-01T10:00:00Z",
        }
    ]
    page = api.get(f"/chats/{chat}", headers=world.browser("ana")).text
    assert "Kept under a legal hold" in page
    assert "A legal hold keeps it since 1 September 2025: a lawsuit." in page
    assert "The hold is to be reviewed by 1 October 2025." in page
    assert MATTER not in page
    assert seen["badges"][0]["use"] == "whole", "a hold takes no use away either"


def test_a_hold_whose_matter_forbids_telling_is_seen_nowhere_by_its_person_and_that_is_on_record(
    world: World, api: TestClient[Litestar], chat: str
) -> None:
    told = world.tell(
        Delete(
            account=world.accounts["ana"],
            at=world.clock.now,
            conversation=uuid(world.say("ana", "b")),
        )
    )
    erasure = f"era_{told[0].erasure.hex}" if told[0].erasure else ""
    other = f"conv_{told[0].conversation.hex}" if told[0].conversation else ""

    def seen() -> list[Any]:
        person, browser = world.person("ana"), world.browser("ana")
        answers: list[Any] = [
            api.get(path, headers=person).raise_for_status().json()
            for path in (
                f"/v1/conversations/{chat}",
                f"/v1/conversations/{other}",
                "/v1/accounts/me/conversations",
                f"/v1/erasures/{erasure}",
                "/v1/accounts/me/erasures",
                f"/v1/conversations/{chat}/explain",
            )
        ]
        return answers + [
            api.get(path, headers=browser).raise_for_status().text.partition("csrf")[0]
            for path in (f"/chats/{chat}", f"/chats/{other}")
        ]

    before = seen()
    held(world, chat, is_told=False)
    held(world, other, is_told=False)
    assert seen() == before
    (one, _) = staff_lists.list_holds(world.installation).items
    assert one.told is False
    facts = [
        msgspec.json.decode(row[0])
        for row in world.rows("SELECT payload FROM outbox WHERE entry = 'held'")
    ]
    assert [fact["person_told"] for fact in facts] == [False, False]
    held(world, chat, matter="another matter")
    assert seen()[0]["held"] is True
    assert len(seen()[0]["holds"]) == 1


def uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(hex=text.partition("_")[2])


def test_a_hold_of_several_conversations_is_placed_on_all_or_none_and_a_dry_run_changes_nothing(
    world: World, chat: str
) -> None:
    other = world.say("ana", "teapots")
    unknown = "conv_" + "0" * 31 + "1"
    with pytest.raises(NotFoundError):
        holds.place(
            world.installation,
            [chat, unknown],
            matter=MATTER,
            reason=HoldReason.other,
            by="user:me",
        )
    with pytest.raises(UsageError, match="matter"):
        holds.place(world.installation, [chat], matter=" ", reason=HoldReason.other, by="user:me")
    would = held(world, chat, dry_run=True)
    assert (would.outcome, would.coverage.held) == (Outcome.done, HoldCount(segments=1, turns=1))
    assert world.rows("SELECT count(*) FROM holds") == [(0,)]
    done = holds.place(
        world.installation,
        [chat, other, chat],
        matter=MATTER,
        reason=HoldReason.other,
        by="user:me",
    )
    assert [one.outcome for one in done] == [Outcome.done, Outcome.done]
    held(world, other, matter="another")
    assert [
        one.keeps
        for one in holds.end(world.installation, [chat, other], matter=MATTER, dry_run=True)
    ] == [False, True]
    assert world.rows("SELECT count(*) FROM holds") == [(3,)]
    with pytest.raises(NotFoundError, match="no hold for that matter"):
        holds.end(world.installation, [chat, other], matter="another")
    assert world.rows("SELECT count(*) FROM holds") == [(3,)]
    holds.end(world.installation, [chat, other], matter=MATTER)
    assert world.rows("SELECT conversation_id FROM holds") == [(uuid(other),)]


def test_a_hold_on_what_is_over_is_refused_and_keeps_no_other_from_being_held(
    world: World, api: TestClient[Litestar], chat: str
) -> None:
    """Before the sweep: until then the text lies there, and a hold that claimed it would be
    believed.
    """
    world.clock.set(NOTICE + 6 * 366 * DAY)
    later = world.say("ana", "later")
    would = holds.place(
        world.installation,
        [chat, later],
        matter=MATTER,
        reason=HoldReason.other,
        by="user:me",
        dry_run=True,
    )
    done = holds.place(
        world.installation, [chat, later], matter=MATTER, reason=HoldReason.other, by="user:me"
    )
    assert done == would
    over, kept = done
    assert (over.outcome, over.because, over.review_at) == (Outcome.refused, "expired", None)
    assert (over.coverage.held, over.coverage.due) == (HoldCount(), HoldCount(segments=1, turns=1))
    assert (kept.outcome, kept.because, kept.coverage.held) == (
        Outcome.done,
        "",
        HoldCount(segments=1, turns=1),
    )
    officer = world.staff(StaffRole.privacy_officer)
    body = {"matter": MATTER, "reason": "litigation"}
    refused = api.post(f"/v1/conversations/{chat}/holds", headers=officer, json=body)
    assert (refused.status_code, refused.json()["because"]) == (409, "expired")
    assert "1 turn not held: past their time, erased by the next sweep" in refused.json()["detail"]
    again = api.post(f"/v1/conversations/{later}/holds", headers=officer, json=body).json()
    assert (again["outcome"], again["because"]) == ("unchanged", "held_already")
    assert again["coverage"]["held"] == {
        "segments": 1,
        "turns": 1,
        "feedback": 0,
        "safety_copies": 0,
    }
    (listed,) = api.get("/v1/holds", headers=officer).json()["items"]
    assert (listed["conversation"], listed["turns_held"], listed["turns_not_held"]) == (later, 1, 0)
    assert api.get(f"/v1/conversations/{chat}", headers=world.person("ana")).json()["held"] is False
    assert sweeper.sweep(world.installation).segments == 1
    (gone,) = holds.place(
        world.installation, [chat], matter=MATTER, reason=HoldReason.other, by="user:me"
    )
    assert (gone.outcome, gone.coverage.erased) == (Outcome.refused, HoldCount(segments=1, turns=1))


def test_a_deleted_chat_that_is_due_is_refused_and_one_that_is_not_due_is_held(
    world: World, chat: str
) -> None:
    world.tell(Delete(account=world.accounts["ana"], at=world.clock.now, conversation=uuid(chat)))
    assert held(world, chat, dry_run=True).outcome is Outcome.done, (
        "within the period of a deletion it lies there"
    )
    world.clock.set(NOTICE + 30 * DAY)
    assert (held(world, chat).outcome, held(world, chat).because) == (Outcome.refused, "expired")
    assert world.rows("SELECT count(*) FROM holds") == [(0,)]


def test_doctor_tells_of_holds_past_the_day_of_their_review(world: World, chat: str) -> None:
    def seen() -> list[tuple[str, str]]:
        return [
            (f.state.value, f.seen) for f in doctor.examine(world.installation) if f.what == "holds"
        ]

    assert seen() == []
    held(world, chat, review_at=NOTICE + 30 * DAY)
    assert seen() == [("well", "1 legal holds, the next to be reviewed on 2025-10-01T10:00:00Z")]
    world.clock.set(NOTICE + 31 * DAY)
    assert seen() == [
        (
            "warning",
            "1 of 1 legal holds are past their review, the first since 2025-10-01T10:00:00Z",
        )
    ]
    held(world, chat, review_at=NOTICE + 90 * DAY)
    assert seen()[0][0] == "well"


def test_in_the_console_a_hold_is_said_again_before_it_is_placed_or_ended(
    world: World, api: TestClient[Litestar], chat: str
) -> None:
    officer = world.staff(StaffRole.privacy_officer)
    page = api.get(f"/console/conversations/{chat}", headers=officer).text
    assert "Place a legal hold" in page
    assert "End a legal hold" not in page, "there is none to end"
    form = {
        "matter": MATTER,
        "reason": "litigation",
        "review_at": "2025-12-01",
        "csrf": officer["x-csrf-token"],
    }
    where = f"/console/conversations/{chat}/hold"
    asked = api.post(where, headers=officer, data=form)
    assert asked.status_code == 200
    assert MATTER in asked.text
    assert "What is held of it stays until the last hold on it ends." in asked.text
    assert world.rows("SELECT count(*) FROM holds") == [(0,)], "it was said, and not done"
    done = then(
        api,
        officer,
        api.post(where, headers=officer, data={**form, "confirmed": "yes"}, follow_redirects=False),
    )
    assert "The hold is placed, and on record." in done.text
    assert MATTER not in done.text
    assert MATTER not in api.get("/console/holds", headers=officer).text
    wrong = api.post(
        f"/console/conversations/{chat}/end-hold",
        headers=officer,
        data={**form, "matter": "another"},
    )
    assert wrong.status_code == 422
    assert "No hold for that matter on" in wrong.text
    asked = api.post(f"/console/conversations/{chat}/end-hold", headers=officer, data=form)
    assert "what is over its time is erased by the next sweep" in asked.text
    assert world.rows("SELECT count(*) FROM holds") == [(1,)]
    where_ended = f"/console/conversations/{chat}/end-hold"
    ended = api.post(
        where_ended, headers=officer, data={**form, "confirmed": "yes"}, follow_redirects=False
    )
    done = then(api, officer, ended)
    assert "The hold is ended, and that is on record." in done.text
    assert world.rows("SELECT count(*) FROM holds") == [(0,)]
    for wrong in (
        {"matter": ""},
        {"reason": ""},
        {"review_at": "tomorrow"},
        {"review_at": "2020-01-01"},
    ):
        answer = api.post(where, headers=officer, data={**form, **wrong, "confirmed": "yes"})
        assert answer.status_code == 422, wrong
    assert world.rows("SELECT count(*) FROM holds") == [(0,)]
    reviewer = world.staff(StaffRole.reviewer)
    assert (
        "Place a legal hold" not in api.get(f"/console/conversations/{chat}", headers=reviewer).text
    )


def then(api: TestClient[Litestar], headers: dict[str, str], answer: Any) -> Any:
    """The page that a form's answer leads to."""
    assert answer.status_code == 303
    return api.get(answer.headers["location"], headers=headers)


def test_a_hold_keeps_what_is_kept_until_the_last_one_ends_and_makes_nothing_usable(
    world: World, api: TestClient[Litestar], chat: str
) -> None:
    held(world, chat)
    held(world, chat, matter="another matter", reason=HoldReason.regulator)
    # the day of review is long past, and the time of what was said too
    world.clock.set(NOTICE + 6 * 366 * DAY)
    assert sweeper.sweep(world.installation).segments == 0
    seen = api.get(f"/v1/conversations/{chat}", headers=world.person("ana")).json()
    assert [one["reason"] for one in seen["holds"]] == ["litigation", "regulator"], (
        "nothing ends a hold by itself"
    )
    assert {badge["use"] for badge in seen["badges"]} == {"none"}
    asked = api.get(f"/chats/{chat}/delete", headers=world.browser("ana")).text
    assert "A legal hold stands on it: a sealed copy is kept until the hold ends." in asked
    (first,) = holds.end(world.installation, [chat], matter=MATTER)
    assert first.keeps
    assert sweeper.sweep(world.installation).segments == 0
    holds.end(world.installation, [chat], matter="another matter")
    assert sweeper.sweep(world.installation).segments == 1, (
        "what is over its time goes with the next sweep"
    )


def test_the_form_in_the_console_says_what_would_come_of_it(
    world: World, api: TestClient[Litestar], chat: str
) -> None:
    officer = world.staff(StaffRole.privacy_officer)
    where = f"/console/conversations/{chat}"
    page = api.get(where, headers=officer).text
    for said in (
        "Its stored content stays sealed until the last hold on it ends.",
        "by default in 180 days",
        "In your own words, sealed with the conversation. The same words end the hold.",
        "It does not end the hold.",
    ):
        assert said in page
    form = {
        "matter": MATTER,
        "reason": "litigation",
        "told": "no",
        "csrf": officer["x-csrf-token"],
    }
    assert "does not see the hold" in api.post(f"{where}/hold", headers=officer, data=form).text
    api.post(
        f"{where}/hold", headers=officer, data={**form, "confirmed": "yes"}, follow_redirects=False
    )
    assert world.rows("SELECT review_at - placed_at, is_told FROM holds") == [(180 * DAY, False)]
    again = api.post(f"{where}/hold", headers=officer, data={**form, "told": ""}).text
    assert (
        "This matter holds it already: the reason, the day of review and the telling become these."
        in again
    )
    assert "sees the hold" in again
    listed = api.get("/console/holds", headers=officer).text
    assert "not disclosed to the person" in listed
    assert "The matter is sealed with the conversation." in listed
    held(world, chat, matter="another")
    assert (
        "It stays held for another matter."
        in api.post(f"{where}/end-hold", headers=officer, data=form).text
    )
    gone = world.say("ana", "gone")
    world.clock.set(NOTICE + 6 * 366 * DAY)
    late = api.post(
        f"/console/conversations/{gone}/hold", headers=officer, data={**form, "reason": "other"}
    ).text
    assert "Nothing of it can be held:" in late
    assert "1 turn not held: past their time, erased by the next sweep." in late
    assert ">Place the hold<" not in late, "there is nothing to confirm"
