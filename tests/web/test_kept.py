"""Everything that is kept of a person is listed to them with its date, is in what they take out,
and can be taken back.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pyroaring import BitMap

from licet.access.roles import StaffRole
from licet.client import Client, conversations, feedback, give_feedback, take_feedback_back
from licet.client import Client as LicetClient
from licet.consent import own_conversations
from licet.consent.catalogue import catalogue
from licet.curate import release_build
from licet.erasure import sweeper
from licet.errors import DeniedError, NotFoundError
from licet.policy.state import Share
from licet.store.connect import transaction
from licet.train import lineage
from licet.vault import account_view
from licet.vault.commands import (
    CloseAccount,
    Delete,
    GiveFeedback,
    Hold,
    Narrow,
    Outcome,
    TakeBackFeedback,
    Widen,
)
from licet.vault.content import Content, encode
from licet.vault.installation import load_policies
from licet.vault.permit import Permit

from .served import NOTICE, World, api, url, world

__all__ = ["api", "url", "world"]  # fixtures

SECRET = "the tin lighthouse of Narva hums at noon"
WORDS = catalogue("en")
DAY = timedelta(days=1)


def uuid(shown: str) -> UUID:
    return UUID(hex=shown.partition("_")[2])


def plain(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split()).replace("&#34;", '"')


def page(world: World, api: Any, path: str, name: str = "ana") -> str:
    answer = api.get(path, headers=world.browser(name))
    assert answer.status_code == 200, path
    return answer.text


def taken(world: World, api: Any, name: str = "ana") -> zipfile.ZipFile:
    answer = api.get("/takeout.zip", headers=world.browser(name))
    assert answer.status_code == 200
    return zipfile.ZipFile(io.BytesIO(answer.content))


def lines(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read(name).splitlines()]


def passes(world: World, days: float) -> None:
    world.clock.set(world.clock.now + days * DAY)


def give(
    world: World, name: str, conversation: str, share: Share = Share.conversation, comment: str = ""
) -> UUID:
    (answer,) = world.tell(
        GiveFeedback(
            account=world.accounts[name],
            at=world.clock.now,
            conversation=uuid(conversation),
            rating="down",
            share=share,
            comment=encode(Content(text=comment)) if comment else None,
        )
    )
    assert answer.feedback is not None, answer
    return answer.feedback


@pytest.fixture
def lived(world: World) -> World:
    world.open("ana")
    world.open("ben")
    world.clock.set(NOTICE)
    return world


# Safety copies


def flagged_and_gone(world: World) -> tuple[str, datetime]:
    """A chat that was flagged and deleted, and whose text the sweep has erased; its safety copy is
    still there.
    """
    conversation = world.say("ana", "Lighthouses", SECRET)
    world.flag("ana", conversation)
    until = yours_of(world, conversation).safety_until
    assert until is not None
    world.tell(
        Delete(account=world.accounts["ana"], at=world.clock.now, conversation=uuid(conversation))
    )
    passes(world, 31)
    sweeper.sweep(world.installation)
    assert world.rows("SELECT count(*) FROM blocks WHERE sealed IS NOT NULL") == [(0,)]
    assert world.rows("SELECT count(*) FROM safety_bodies") == [(1,)]
    return conversation, until


def yours_of(world: World, conversation: str) -> own_conversations.OwnConversation:
    with transaction(world.installation.pool) as tx:
        return own_conversations.get(
            tx,
            world.installation.keyring,
            load_policies(world.installation),
            world.accounts["ana"],
            uuid(conversation),
            world.clock.now,
        )


def test_a_flagged_chat_whose_text_is_gone_is_listed_with_its_date_as_long_as_its_safety_copy_is_kept(
    lived: World, api: Any
) -> None:
    conversation, until = flagged_and_gone(lived)
    for path in ("/chats", f"/chats/{conversation}"):
        said = plain(page(lived, api, path))
        assert WORDS.say("chat.safety", day=WORDS.day(until)) in said, path
        assert WORDS.say("chats.erased") in said, path
        assert SECRET not in said
    assert f'action="/chats/{conversation}' not in page(lived, api, "/chats"), (
        "there is nothing left to keep out or delete"
    )
    lived.clock.set(until)
    sweeper.sweep(lived.installation)
    assert lived.rows("SELECT count(*) FROM safety_bodies") == [(0,)]
    assert WORDS.say("chats.none") in plain(page(lived, api, "/chats"))


def test_every_page_that_shows_a_chats_date_shows_the_end_of_its_safety_copy(
    lived: World, api: Any
) -> None:
    conversation = lived.say("ana", "Lighthouses", SECRET)
    lived.flag("ana", conversation)
    mine = yours_of(lived, conversation)
    assert mine.safety_until is not None and mine.keep_until is not None
    for path in ("/chats", f"/chats/{conversation}"):
        said = plain(page(lived, api, path))
        assert WORDS.say("chats.kept", day=WORDS.day(mine.keep_until)) in said, path
        assert WORDS.say("chat.safety", day=WORDS.day(mine.safety_until)) in said, path
    delete = plain(page(lived, api, f"/chats/{conversation}/delete"))
    assert WORDS.say("delete.means.flagged", day=WORDS.day(mine.safety_until)) in delete
    staff = api.get(
        f"/console/conversations/{conversation}", headers=lived.staff(StaffRole.privacy_officer)
    ).text
    assert f"{mine.safety_until:%Y-%m-%d}" in staff
    (item,) = api.get("/v1/accounts/me/conversations", headers=lived.person("ana")).json()["items"]
    assert item["safety_until"].startswith(f"{mine.safety_until:%Y-%m-%d}")


def test_the_safety_copy_is_in_what_its_person_takes_out_and_in_nobody_elses(
    lived: World, api: Any
) -> None:
    conversation, until = flagged_and_gone(lived)
    archive = taken(lived, api)
    (copy,) = lines(archive, "safety_copies.jsonl")
    assert copy["conversation"] == conversation
    assert [said["text"] for said in copy["copied"]] == [SECRET]
    assert copy["kept_until"].startswith(f"{until:%Y-%m-%d}")
    assert archive.read("messages.jsonl") == b"", "an import would bring back what was deleted"
    assert lines(taken(lived, api, "ben"), "safety_copies.jsonl") == []
    lived.clock.set(until)
    assert lines(taken(lived, api), "safety_copies.jsonl") == []


def test_nobody_but_its_person_has_a_permit_to_a_safety_copy_and_nobody_once_it_is_over(
    lived: World,
) -> None:
    conversation, until = flagged_and_gone(lived)
    with transaction(lived.installation.pool) as tx:
        known, ana = load_policies(lived.installation), lived.accounts["ana"]
        seen = account_view.load_views(
            tx, [(ana, uuid(conversation))], known, lived.clock.now, with_turns=True
        )[uuid(conversation)]
        ben = account_view.load_accounts(tx, [lived.accounts["ben"]])[lived.accounts["ben"]]
        of = seen.conversation, seen.turns, seen.turn_states[0].segment, [1]
        assert Permit.of_safety_copy(seen.account, *of, lived.clock.now).turns == [1]
        for account, at in ((ben, lived.clock.now), (seen.account, until)):
            with pytest.raises(DeniedError):
                Permit.of_safety_copy(account, *of, at)


# Feedback


def test_every_feedback_that_is_kept_is_listed_with_what_it_shares_and_its_date(
    lived: World, api: Any
) -> None:
    chat = lived.say("ana", "Pears", SECRET)
    give(lived, "ana", chat, comment="it forgot the frost")
    give(lived, "ana", chat, Share.rating)
    give(lived, "ben", lived.say("ben", "Plums", "How do I prune?"), comment="ben's own")
    html = page(lived, api, "/feedback")
    said = plain(html)
    assert said.count("Feedback of ") >= 2
    assert (
        "it forgot the frost" in said
        and SECRET in said
        and "ben's own" not in said
        and "prune" not in said
    )
    for key in ("feedback.share.conversation", "feedback.share.rating"):
        assert WORDS.say(key) in said
    until = {
        row[0]
        for row in lived.rows(
            "SELECT keep_until FROM feedback WHERE account_id = %s", lived.accounts["ana"]
        )
    }
    assert all(WORDS.say("chats.kept", day=WORDS.day(at)) in said for at in until)
    assert WORDS.say("feedback.not_used", because=WORDS.say("because.undecided")) in said
    assert f'href="/chats/{chat}"' in html
    assert 'href="/feedback"' in page(lived, api, "/chats")
    api.get("/feedback", headers=lived.browser("ana"))
    lived.clock.set(max(until))
    sweeper.sweep(lived.installation)
    assert WORDS.say("feedback.none") in plain(page(lived, api, "/feedback"))


def test_a_feedback_that_may_be_used_says_so_until_when_and_why(lived: World, api: Any) -> None:
    lived.open("eve", allow=True)
    give(lived, "eve", lived.say("eve", "Pears"))
    ((until,),) = lived.rows("SELECT keep_until FROM feedback")
    used = WORDS.say("feedback.used", day=WORDS.day(until), because=WORDS.say("because.permitted"))
    assert used in plain(page(lived, api, "/feedback", "eve"))


def test_more_feedback_than_a_page_holds_is_reached_page_by_page(lived: World, api: Any) -> None:
    chat = lived.say("ana", "Pears")
    given = []
    for _ in range(27):
        passes(lived, 0.001)
        given.append(give(lived, "ana", chat, Share.rating).hex)
    first = page(lived, api, "/feedback")
    (older,) = re.findall(r'href="(/feedback\?before=[^"]+)"', first)
    second = page(lived, api, older)
    listed = [re.findall(r'<li id="fb_([0-9a-f]{32})"', html) for html in (first, second)]
    assert [*listed[0], *listed[1]] == given[::-1]
    assert len(lines(taken(lived, api), "feedback.jsonl")) == 27


def test_a_feedback_is_taken_back_one_by_one_and_is_used_read_and_kept_no_more(
    lived: World, api: Any
) -> None:
    lived.open("eve", allow=True)
    chat = lived.say("eve", "Pears", SECRET)
    first = give(lived, "eve", chat, comment="the first")
    passes(lived, 0.001)
    second = give(lived, "eve", chat, comment="the second")
    browser = lived.browser("eve")
    answer = api.post(
        f"/feedback/fb_{first.hex}/take-back",
        headers=browser,
        data={"": ""},
        follow_redirects=False,
    )
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/feedback?flash=taken_back#flash",
    )
    html = page(lived, api, "/feedback?flash=taken_back", "eve")
    said = plain(html)
    assert WORDS.say("done.taken_back") in said
    assert WORDS.say("feedback.taken", day=WORDS.day(lived.clock.now)) in said
    assert "the first" not in said and "the second" in said
    assert html.count("/take-back") == 1, "it is taken back once"
    with transaction(lived.installation.pool) as tx:
        from licet.consent import feedback as consent

        listed = consent.list_feedback(
            tx,
            lived.installation.keyring,
            load_policies(lived.installation),
            lived.accounts["eve"],
            lived.clock.now,
        )
    assert [given.decision.use for given in listed.given] == [True, False]
    assert lived.rows(
        "SELECT entry FROM outbox WHERE entry LIKE 'feedback%%' ORDER BY outbox_id"
    ) == [
        ("feedback",),
        ("feedback",),
        ("feedback_taken_back",),
    ]
    sweeper.sweep(lived.installation)
    assert lived.rows("SELECT feedback_id FROM feedback_bodies GROUP BY 1") == [(second,)]
    assert lived.rows("SELECT key_slot FROM feedback WHERE feedback_id = %s", first) == [(None,)]
    assert lived.rows(
        "SELECT count(*) FROM copies WHERE reference = %s AND ended_at IS NULL", first
    ) == [(0,)]
    assert "the second" in plain(page(lived, api, "/feedback", "eve"))
    assert yours_title(lived, "eve", chat) == "Pears", "the conversation stays as it is"


def yours_title(world: World, name: str, conversation: str) -> str:
    with transaction(world.installation.pool) as tx:
        known = load_policies(world.installation)
        return own_conversations.get(
            tx,
            world.installation.keyring,
            known,
            world.accounts[name],
            uuid(conversation),
            world.clock.now,
        ).title


def test_taking_back_again_changes_nothing_and_anothers_feedback_is_unknown(
    lived: World, api: Any
) -> None:
    chat = lived.say("ana", "Pears")
    given = give(lived, "ana", chat)
    command = TakeBackFeedback(
        account=lived.accounts["ana"], at=lived.clock.now, conversation=uuid(chat), feedback=given
    )
    assert [answer.outcome for answer in lived.tell(command, command)] == [
        Outcome.done,
        Outcome.unchanged,
    ]
    other = lived.say("ben", "Plums")
    for account, conversation in (("ben", other), ("ben", chat)):
        (answer,) = lived.tell(
            TakeBackFeedback(
                account=lived.accounts[account],
                at=lived.clock.now,
                conversation=uuid(conversation),
                feedback=given,
            )
        )
        assert answer.outcome is Outcome.unknown
    browser = lived.browser("ben")
    for named in (given.hex, os.urandom(16).hex()):
        answer = api.post(
            f"/feedback/fb_{named}/take-back",
            headers=browser,
            data={"": ""},
            follow_redirects=False,
        )
        assert answer.status_code == 404


def test_a_feedback_that_a_hold_keeps_says_so_and_is_read_by_nobody(lived: World, api: Any) -> None:
    chat = lived.say("ana", "Pears", SECRET)
    given = give(lived, "ana", chat)
    lived.tell(
        Hold(
            account=lived.accounts["ana"],
            at=lived.clock.now,
            conversation=uuid(chat),
            matter="a matter",
        )
    )
    passes(lived, 0.1)
    lived.tell(
        TakeBackFeedback(
            account=lived.accounts["ana"],
            at=lived.clock.now,
            conversation=uuid(chat),
            feedback=given,
        )
    )
    sweeper.sweep(lived.installation)
    assert lived.rows("SELECT count(*) FROM feedback_bodies") == [(1,)]
    said = plain(page(lived, api, "/feedback"))
    assert WORDS.say("feedback.taken.held", day=WORDS.day(lived.clock.now)) in said
    assert SECRET not in said
    assert [line["shared"] for line in lines(taken(lived, api), "feedback.jsonl")] == [[]]


def test_a_hold_that_may_not_be_told_is_not_told_by_a_feedback_either(
    lived: World, api: Any
) -> None:
    chat = lived.say("ana", "Pears", SECRET)
    give(lived, "ana", chat)
    before = plain(page(lived, api, "/feedback"))
    hold = Hold(
        account=lived.accounts["ana"],
        at=lived.clock.now,
        conversation=uuid(chat),
        matter="a matter",
        is_told=False,
    )
    lived.tell(hold)
    assert plain(page(lived, api, "/feedback")) == before


def test_what_was_taken_back_stays_so_after_a_restore(lived: World) -> None:
    from licet.keys.restriction_journal import Restriction, RestrictionKind
    from licet.vault import restriction

    chat = lived.say("ana", "Pears")
    given = give(lived, "ana", chat)
    at = lived.clock.now
    record = Restriction(
        life=1,
        kind=RestrictionKind.feedback_taken_back,
        at=at,
        account=lived.accounts["ana"],
        seq=9,
        conversation=uuid(chat),
        feedback=given,
    )
    command = restriction.command_of(record, b"k" * 32)
    assert [answer.outcome for answer in lived.tell(command)] == [Outcome.done]
    assert lived.rows("SELECT keep_until, taken_back_at FROM feedback") == [(at, at)]


def test_feedback_is_in_what_its_person_takes_out_with_its_content(lived: World, api: Any) -> None:
    chat = lived.say("ana", "Pears", SECRET)
    given = give(lived, "ana", chat, comment="it forgot the frost")
    give(lived, "ben", lived.say("ben", "Plums"))
    (line,) = lines(taken(lived, api), "feedback.jsonl")
    assert (line["feedback"], line["conversation"], line["rating"]) == (
        f"fb_{given.hex}",
        chat,
        "down",
    )
    assert (line["comment"], line["shared"]) == (
        "it forgot the frost",
        [{"turn": 1, "text": SECRET}],
    )
    assert line["kept_until"] and line["taken_back"] is None


def test_the_api_lists_feedback_and_takes_it_back_for_its_person_and_content_for_nobody_else(
    lived: World, api: Any, url: str
) -> None:
    chat = lived.say("ana", "Pears", SECRET)
    with Client(url, lived.token("ana")) as client:
        made = client.send(
            give_feedback(chat, "down", share="conversation", comment="it forgot the frost")
        )
        (item,) = client.send(feedback()).items
        assert (item.id, item.comment, item.shared[0].text) == (
            made.feedback,
            "it forgot the frost",
            SECRET,
        )
        assert (item.use, item.because) == (False, "undecided")
    for headers in (lived.service(), lived.staff(StaffRole.privacy_officer)):
        (seen,) = api.get(
            f"/v1/accounts/acc_{lived.accounts['ana'].hex}/feedback", headers=headers
        ).json()["items"]
        assert (seen["id"], seen["comment"], seen["shared"]) == (made.feedback, "", [])
    with LicetClient(url, lived.token("ana")) as client:
        assert client.send(take_feedback_back(made.feedback)).outcome == "done"
        assert client.send(take_feedback_back(made.feedback)).outcome == "unchanged"
        (item,) = client.send(feedback()).items
        assert (item.taken_back_at is not None, item.comment, item.shared) == (True, "", ())
    with LicetClient(url, lived.token("ben")) as client, pytest.raises(NotFoundError):
        client.send(take_feedback_back(made.feedback))


def test_closing_an_account_leaves_nothing_unlisted_until_it_is_erased(
    lived: World, api: Any, url: str
) -> None:
    chat = lived.say("ana", "Pears", SECRET)
    give(lived, "ana", chat)
    lived.tell(CloseAccount(account=lived.accounts["ana"], at=lived.clock.now))
    with LicetClient(url, lived.token("ana")) as client:
        assert (
            len(client.send(feedback()).items) == len(client.send(conversations("me")).items) == 1
        )


# What learnt from it


def test_a_person_is_told_which_models_learnt_from_which_of_their_chats(
    lived: World, api: Any
) -> None:
    for name in ("eve", "max"):
        lived.open(name, allow=True)
        for n in range(2):
            lived.say(name, f"{name}{n}", f"{name} asks {n}")
    built = release_build.build_release(lived.installation, name="autumn", purpose="improve_models")
    assert built.manifest.rows == 4
    release = UUID(hex=built.manifest.release)
    rows = lived.rows(
        "SELECT ordinal, conversation_id FROM release_rows WHERE account_id = %s",
        lived.accounts["eve"],
    )
    ordinal, conversation = rows[0]
    model, finished = UUID(int=5), lived.clock.now
    with transaction(lived.installation.pool) as tx:
        tx.execute(
            """INSERT INTO models (model_id, name, release_id, recipe, rows, first_gate, last_gate,
                                   started_at, finished_at,
                                   recorded_at, statement, consumed)
               VALUES (%s, 'pelican', %s, 'sft', 1, 0, 0, %s, %s, %s, '', '')""",
            [model, release, finished, finished, finished],
        )
        lineage.add_rows(tx, release, model, BitMap([ordinal]))
    line = WORDS.say(
        "learnt.line",
        model="pelican",
        day=WORDS.day(finished),
        rows="1 row",
        conversations="1 chat",
        release="autumn",
    )
    for path in ("/settings", f"/chats/conv_{conversation.hex}"):
        assert line in plain(page(lived, api, path, "eve")), path
    assert WORDS.say("learnt.stays") in plain(page(lived, api, "/settings", "eve"))
    other = next(c for _, c in rows if c != conversation)
    for name, path in (
        ("eve", f"/chats/conv_{other.hex}"),
        ("max", "/settings"),
        ("ana", "/settings"),
    ):
        assert "pelican" not in page(lived, api, path, name)
        assert WORDS.say("learnt.none") in plain(page(lived, api, path, name))
    head, row = taken(lived, api, "eve").read("learnt.csv").decode().splitlines()
    assert head == "model,finished,release,purpose,conversation,rows"
    assert row.startswith("pelican,2025-09-01") and row.endswith(
        f",autumn,improve_models,conv_{conversation.hex},1"
    )
    lived.tell(Delete(account=lived.accounts["eve"], at=lived.clock.now, conversation=conversation))
    assert line in plain(page(lived, api, "/settings", "eve")), "what a run consumed stays consumed"


# Keeping out


def test_keeping_out_is_announced_with_the_date_that_it_sets_and_letting_in_brings_none_back(
    lived: World, api: Any
) -> None:
    lived.open("eve", allow=True)
    chat = lived.say("eve", "Pears")
    until = lived.clock.now + 30 * DAY
    warning = WORDS.say("chats.keep_out.warning", day=WORDS.day(until))
    html = page(lived, api, "/chats", "eve")
    assert warning in plain(html)
    assert f'aria-describedby="{chat}-means"' in html and f'id="{chat}-means"' in html
    assert warning in plain(page(lived, api, f"/chats/{chat}", "eve"))
    eve = lived.accounts["eve"]
    for verb in (Narrow, Widen):
        lived.tell(verb(account=eve, at=lived.clock.now, conversation=uuid(chat)))
        assert lived.rows("SELECT max(keep_until) FROM segments WHERE account_id = %s", eve) == [
            (until,)
        ]
        said = plain(page(lived, api, "/chats", "eve"))
        assert WORDS.say("chats.kept", day=WORDS.day(until)) in said
        assert warning not in said, "it changes no date any more"


def test_no_warning_stands_where_keeping_out_changes_no_date(lived: World, api: Any) -> None:
    lived.say("ana", "Pears")
    assert "Letting it in again" not in page(lived, api, "/chats")
