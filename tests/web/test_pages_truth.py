"""What a page says is so: each sentence is asked for in a state in which another would be true."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest

from licet.access.roles import Scope, StaffRole
from licet.curate import release_build
from licet.erasure import sweeper
from licet.policy.file import from_document
from licet.policy.period import instant
from licet.service import explanations, policy_changes
from licet.store.connect import Pool
from licet.vault.commands import AddTurn, CloseAccount, Outcome, SetAge, SetPlan
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac
from licet.vault.installation import load_policies

from ..terms import preset
from .served import BEFORE, NOTICE, ApplicationClient, World, api, world

__all__ = ["api", "world"]

FORM = {"content-type": "application/x-www-form-urlencoded"}


def page(api: Any, headers: dict[str, str], path: str) -> str:
    """The words of a page."""
    answer = api.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code)
    return words(answer.text)


def words(html: str) -> str:
    main = html[html.index("<main") :]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split()).replace(" .", ".")


def send(api: Any, headers: dict[str, str], path: str, **fields: str) -> str:
    """What the page says that a form leads to."""
    body = "&".join(f"{key}={value}" for key, value in fields.items())
    made = api.post(path, content=body, headers={**headers, **FORM}, follow_redirects=False)
    assert made.status_code == 303, (path, made.status_code, words(made.text))
    return page(api, headers, made.headers["location"])


def asked_on(api: Any, headers: dict[str, str], path: str = "/settings") -> str:
    return re.findall(r'name="showing" value="(\w+)"', api.get(path, headers=headers).text)[0]


def usable(world: World, name: str = "ana") -> bool:
    seen = explanations.explain(world.installation, f"acc_{world.accounts[name].hex}")
    assert isinstance(seen, explanations.AccountSeen)
    return any("permitted" in reasons for reasons in seen.turns.values())


def newer_terms(world: World) -> None:
    """A material version that nobody has answered, which can be put off until the end of 30
    November.
    """
    base = load_policies(world.installation)[0].document()
    changed = {
        **base,
        "version": "2025-11-01",
        "effective": "2025-11-01",
        "decide_by": "2025-11-30",
    }
    policy_changes.apply_policy(world.installation, from_document(changed), actor="test")
    world.clock.set(instant("2025-11-02"))


def uncover(world: World, why: str) -> None:
    about: dict[str, Any] = {"account": world.accounts["ana"], "at": world.clock.now}
    match why:
        case "closed":
            world.tell(CloseAccount(**about))
        case "plan":
            world.tell(SetPlan(**about, plan="work"))
        case "age":
            world.tell(SetAge(**about, age=15))


UNCOVERED = {
    "closed": (
        "This account is closed. Nothing of it is used.",
        "This account is closed. Nothing of it is used.",
    ),
    "plan": (
        (
            "The terms about training do not cover your plan. There is nothing to answer, and "
            "nothing of yours is used."
        ),
        "The terms do not cover your plan, so nothing of yours is used, whatever is picked.",
    ),
    "age": (
        "You are under 18. There is nothing to answer, and nothing of yours is used.",
        "You are under 18, so nothing of yours is used, whatever is picked.",
    ),
    "terms": (
        (
            "No terms about training are in force. There is nothing to answer, and nothing of "
            "yours is used."
        ),
        "No terms about training are in force, so nothing of yours is used, whatever is picked.",
    ),
}


@pytest.mark.parametrize("why", UNCOVERED)
def test_an_account_that_nothing_is_asked_of_is_told_the_reason_that_holds(
    pool: Pool, tmp_path: Any, why: str
) -> None:

    world = World(pool, tmp_path / "data", preset("strict"))
    world.open("ana")
    with ApplicationClient(world.app) as api:
        world.clock.set(BEFORE if why == "terms" else NOTICE)
        if why != "terms":
            world.open("ben", allow=True)
            world.say("ben", "Bees")
            assert usable(world, "ben"), "somebody whom the terms cover is used"
            old = asked_on(api, world.browser("ana"))
            send(
                api, world.browser("ana"), "/settings", question="models", allow="yes", showing=old
            )
            world.say("ana", "Bees")
            assert usable(world)
        uncover(world, why)
        asked, answered = UNCOVERED[why]
        for path in ("/notice", "/settings"):
            said = page(api, world.browser("ana"), path)
            assert asked in said
            assert [one for one, _ in UNCOVERED.values() if one in said] == [asked]
        assert not usable(world)
        if why != "closed":  # which can sign in no more than it could answer
            body = {"allow": True, "question": "models", "age": 40}
            made = api.post(
                "/v1/accounts/me/choices", json=body, headers=world.person("ana")
            ).json()
            assert made["outcome"] == "unchanged", made
            number = world.rows("SELECT max(seq) FROM choices")[0][0]
            assert answered in page(api, world.browser("ana"), f"/settings?flash={number}")
        assert not usable(world)


def test_an_answer_that_had_no_effect_says_so_and_no_reason_that_is_over(
    world: World, api: Any
) -> None:
    world.open("ana", allow=True)  # before there were terms
    number = world.rows("SELECT max(seq) FROM choices")[0][0]
    world.clock.set(NOTICE)
    said = page(api, world.browser("ana"), f"/settings?flash={number}")
    assert (
        "Your answer had no effect when you gave it. You can answer in your privacy settings."
        in said
    )


def test_a_closed_account_has_no_filled_mark_and_a_lapsed_yes_is_said_no_more(
    world: World, api: Any
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    ana = world.browser("ana")
    said = send(api, ana, "/settings", allow="yes", showing=asked_on(api, ana))
    number = world.rows("SELECT max(seq) FROM choices")[0][0]
    assert "Saved: from now on your chats may be used" in said
    assert "use-whole now" in api.get("/settings", headers=ana).text
    uncover(world, "plan")
    assert "Saved: from now on" not in page(api, ana, f"/settings?flash={number}")
    uncover(world, "closed")
    assert "use-none now" in api.get("/settings", headers=world.browser("ana")).text


def test_what_was_put_off_comes_back_when_the_page_says_and_after_the_last_day_at_once(
    world: World, api: Any
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    ana = world.browser("ana")
    said = send(api, ana, "/notice", act="later", showing=asked_on(api, ana, "/notice"))
    assert "Nothing was decided, and nothing of yours is used." in said
    assert "We ask again on 8 September 2025 at the earliest." in said
    assert "You can put it off until the end of 28 September 2025 (UTC)." in said
    assert not usable(world)
    for moment, asks in (("2025-09-08T09:59:00Z", False), ("2025-09-08T10:00:00Z", True)):
        world.clock.set(instant(moment))
        assert ("Save my answer" in page(api, ana, "/notice")) == asks, moment
    world.clock.set(instant("2025-09-28T12:00:00Z"))
    said = send(api, ana, "/notice", act="later", showing=asked_on(api, ana, "/notice"))
    assert "We ask again on 29 September 2025 at the earliest." in said, (
        "it does not rest beyond the last day"
    )
    world.clock.set(instant("2025-09-29"))
    said = page(api, ana, "/notice")
    assert "Writing waits for your answer." in said
    for path in ("/notice", "/notice?whole=1", "/settings"):
        assert "You can put" not in page(api, ana, path), (
            "nor does the text of the notice say it once it is over"
        )


def test_who_allowed_earlier_terms_and_not_the_new_is_told_what_goes_on_and_what_does_not(
    world: World, api: Any
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    ana = world.browser("ana")
    send(api, ana, "/settings", allow="yes", showing=asked_on(api, ana))
    world.say("ana", "Bees")
    newer_terms(world)
    assert usable(world), "what was said under the terms that were allowed"
    stale = (
        "What you said under the terms that you allowed may be used to improve models and "
        "recognise misuse. "
    )
    assert f"{stale}What you say now is not used until you answer the new terms." in page(
        api, ana, "/settings"
    )
    goes_on = (
        "What you allowed before stays as it is, and nothing you say from now on is used "
        "until "
        "you answer."
    )
    assert goes_on in page(api, {**ana, "sec-gpc": "1"}, "/notice")
    said = send(api, ana, "/notice", act="later", showing=asked_on(api, ana, "/notice"))
    assert f"Nothing was decided. {goes_on}" in said
    bees = world.say("ana", "More bees")
    seen = explanations.explain(world.installation, bees)
    assert isinstance(seen, explanations.ConversationSeen)
    assert {one.because.value for one in seen.answers if not one.use} == {"stale_terms"}
    assert not any(one.use for one in seen.answers)


def test_writing_waits_once_the_last_day_is_over_and_either_answer_opens_it(
    world: World, api: Any
) -> None:
    world.open("ana")
    world.open("ben")
    world.clock.set(instant("2025-09-30"))
    for name, allow in (("ana", "yes"), ("ben", "no")):
        headers = world.browser(name)
        turn = AddTurn(
            account=world.accounts[name],
            at=world.clock.now,
            content=encode(Content(text="Bees")),
            host_conversation=host_hmac(world.site.host_key, "conversation", f"bees of {name}"),
        )
        assert world.tell(turn)[0].outcome is Outcome.refused
        assert "Writing waits for your answer." in page(api, headers, "/notice")
        showing = asked_on(api, headers, "/notice")
        assert "You can go on writing" in send(
            api, headers, "/notice", terms="yes", allow=allow, showing=showing
        )
        world.clock.set(world.clock.now + timedelta(seconds=1))
        assert world.tell(turn)[0].outcome is Outcome.done


# Dates, and what became of a conversation


GONE = (
    "Deleted on DAY; its keys are destroyed by DAY at the latest, and no old copy of the "
    "database opens it after DAY"
)
OVER = "Its time was over on DAY; its keys are destroyed by DAY at the latest"


def erased(world: World, name: str) -> bool:
    rows = world.rows(
        "SELECT count(*) FROM segments WHERE conversation_id = %s AND erased_at IS NULL",
        ident(name),
    )
    return rows == [(0,)]


def ident(name: str) -> UUID:
    return UUID(hex=name.removeprefix("conv_"))


def dated(said: str, sentence: str) -> list[datetime]:
    """The days that a sentence names, in its order."""
    found = re.search(sentence.replace("DAY", r"(\d+ \w+ \d{4})"), said)
    assert found is not None, (sentence, said)
    return [datetime.strptime(day, "%d %B %Y").replace(tzinfo=UTC) for day in found.groups()]


def test_the_dates_of_a_deletion_are_those_on_which_it_is_out_of_reach(
    world: World, api: Any
) -> None:
    world.open("ana")
    bees = world.say("ana", "Bees")
    world.clock.set(NOTICE)
    ana = world.browser("ana")
    asked = dated(
        page(api, ana, f"/chats/{bees}/delete"),
        "Its keys are destroyed by DAY at the latest. Old copies of the database may open "
        "it until DAY;",
    )
    said = send(api, ana, f"/chats/{bees}/delete")
    (told,) = dated(said, "its keys are destroyed by DAY at the latest. ")
    deleted, destroyed, gone = dated(said, GONE)
    assert [destroyed, gone] == asked
    assert destroyed == told
    assert deleted < destroyed < gone
    (due,) = world.rows("SELECT max(keep_until) FROM segments")[0]
    world.clock.set(due)
    sweeper.sweep(world.installation)
    assert due <= destroyed, "and a sweep follows within a day"
    assert erased(world, bees)
    assert (gone - destroyed).days == keys_of(world)["daily"] == 8


def test_a_deleted_conversation_is_used_no_more_and_can_be_taken_out_no_more(
    world: World, api: Any
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    ana = world.browser("ana")
    send(api, ana, "/settings", allow="yes", showing=asked_on(api, ana))
    bees = world.say("ana", "Bees", "Where do bees go in winter?")
    promise = "It is no longer used, and its text can no longer be taken out, from this moment."
    assert promise in page(api, ana, f"/chats/{bees}/delete")
    path = "/v1/accounts/me/export"
    assert usable(world)
    assert "Where do bees go" in api.get(path, headers=ana).text
    send(api, ana, f"/chats/{bees}/delete")
    assert not usable(world)
    assert "Where do bees go" not in api.get(path, headers=ana).text


def keys_of(world: World) -> dict[str, int]:
    from licet.erasure import epochs

    return epochs.status(world.installation).out_of_reach_days


def test_what_was_over_before_it_was_deleted_is_not_said_to_be_destroyed_before_that(
    world: World, api: Any
) -> None:
    world.open("ana")
    bees = world.say("ana", "Bees")
    (due,) = world.rows("SELECT max(keep_until) FROM segments")[0]
    world.clock.set(due + timedelta(days=5))
    ana = world.browser("ana")
    over, until = dated(page(api, ana, f"/chats/{bees}"), OVER)
    assert over.date() == due.date()
    send(api, ana, f"/chats/{bees}/delete")
    deleted, destroyed, _ = dated(page(api, ana, f"/chats/{bees}"), GONE)
    assert over < until
    assert deleted < destroyed


def test_what_was_kept_out_and_let_in_again_is_told_by_what_the_person_did(
    world: World, api: Any
) -> None:
    world.open("ben")
    early = world.say("ben", "Early")
    world.open("ana")
    world.clock.set(NOTICE)
    ana = world.browser("ana")
    send(api, ana, "/settings", allow="yes", showing=asked_on(api, ana))
    bees = world.say("ana", "Bees")
    send(api, ana, f"/chats/{bees}/keep-out")
    assert "because you kept it out" in page(api, ana, f"/chats/{bees}")
    world.say("ana", "Bees", "and in winter?")
    send(api, ana, f"/chats/{bees}/let-in", narrowings="1")
    said = page(api, ana, f"/chats/{bees}")
    assert "because it was said before you let it in again" in said
    assert "because you had kept it out when it was said" in said
    assert "before you allowed it" not in said
    ben = world.browser("ben")
    send(api, ben, "/settings", allow="yes", showing=asked_on(api, ben))
    assert "because it was said before you allowed it" in page(api, ben, f"/chats/{early}")


def test_an_answer_that_came_without_a_page_of_ours_is_told_as_what_it_is(
    world: World, api: Any
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    host, ana = world.service(), world.browser("ana")
    notice = api.get("/v1/accounts/host:ana/notice", headers=host).json()["notice"]["id"]
    shown = api.post("/v1/accounts/host:ana/showings", json={"notice": notice}, headers=host).json()
    for body in ({"allow": True, "via": "notice"}, {"allow": False, "showing": shown["id"]}):
        assert api.post("/v1/accounts/host:ana/choices", json=body, headers=host).status_code == 201
    said = page(api, ana, "/settings")
    assert "What was shown is not on record; the answer came by way of “notice”" in said
    assert f"Notice {shown['sha256'][:12]}, English, shown by the assistant" in said
    assert "nothing pre-selected" not in said, "of a page of the host's that is the host's to say"
    send(api, ana, "/settings", allow="no", showing=asked_on(api, ana))
    assert "nothing pre-selected" in page(api, ana, "/settings")


def test_after_a_no_the_training_sets_are_said_to_be_of_the_time_before(
    world: World, api: Any
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    ana = world.browser("ana")
    send(api, ana, "/settings", allow="yes", showing=asked_on(api, ana))
    world.say("ana", "Bees")
    release_build.build_release(world.installation, name="first", purpose="improve_models")
    ended = (
        "They were made while you allowed it. That has ended, so what you allowed can no "
        "longer "
        "be opened from them"
    )
    assert ended not in page(api, ana, "/settings")
    said = send(api, ana, "/settings", allow="no", showing=asked_on(api, ana))
    assert ended in said
    assert not usable(world)


# What nobody else is shown


def test_a_conversation_is_shown_without_its_title_to_services_and_staff(
    world: World, api: Any
) -> None:
    world.open("ana")
    chat = world.say("ana", "Planting pears in heavy soil")
    mine = api.get(f"/v1/conversations/{chat}", headers=world.person("ana"))
    assert "Planting pears" in mine.text
    others = [world.service(Scope.conversations_read), *(world.staff(role) for role in StaffRole)]
    seen = [api.get(f"/v1/conversations/{chat}", headers=one) for one in others]
    assert sum(one.status_code == 200 for one in seen) >= 2
    assert not [one for one in seen if "Planting pears" in one.text]


def test_a_part_is_shown_as_a_part_and_a_whole_as_a_whole(world: World, api: Any) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    ana = world.browser("ana")
    send(api, ana, "/settings", allow="yes", showing=asked_on(api, ana))
    whole = world.say("ana", "Whole")
    part = world.say("ana", "Part")
    send(api, ana, f"/chats/{part}/keep-out")
    world.say("ana", "Part", "said while it was kept out")
    send(api, ana, f"/chats/{part}/let-in", narrowings="1")
    world.clock.set(world.clock.now + timedelta(minutes=1))
    world.say("ana", "Part", "said after it was let in")
    seen = {path: api.get(f"/chats/{path}", headers=ana).text for path in (whole, part)}
    assert 'class="badge use-whole"' in seen[whole]
    assert 'class="badge use-part"' in seen[part]
    said, _, parts = seen[part].partition('id="words"')
    assert 'class="badge use-whole"' not in said
    assert 'class="badge use-part"' not in parts, "each of its parts has one answer"
    badges = api.get(f"/v1/conversations/{part}", headers=ana).json()["badges"]
    assert {one["use"] for one in badges} == {"part"}


def test_a_person_reads_until_the_end_and_not_at_it(world: World, api: Any) -> None:
    world.open("ana")
    chat = world.say("ana", "Bees", "Where do bees go in winter?")
    (due,) = world.rows("SELECT max(keep_until) FROM segments")[0]
    for moment, reads in ((due - timedelta(microseconds=1), True), (due, False)):
        world.clock.set(moment)
        answer = api.get(f"/v1/conversations/{chat}/turns", headers=world.person("ana"))
        assert ("Where do bees go" in answer.text) == reads, moment
        taken = api.get("/v1/accounts/me/export", headers=world.person("ana"))
        assert ("Where do bees go" in taken.text) == reads, moment
