"""A badge says for a whole conversation what the rule says turn by turn, and an archive is made of
what is there.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
import pytest

from licet.consent import history, own_conversations, takeout
from licet.consent.own_conversations import Use, UseBadge
from licet.curate import release_build
from licet.erasure import sweeper
from licet.errors import NotFoundError
from licet.policy.decide import IMPROVE, SAFETY, DecisionReason
from licet.policy.state import TurnRole
from licet.store.connect import transaction
from licet.vault import commands as do
from licet.vault.ids import uuid7
from licet.vault.installation import load_policies

from ..installed import DAY, House


@pytest.fixture
def house(house: House) -> House:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    return house


def badge_of(house: House, name: str, chat: str, purpose: str = IMPROVE) -> UseBadge:
    with transaction(house.installation.pool) as tx:
        known, account = load_policies(house.installation), house.accounts[name]
        mine = own_conversations.get(
            tx, house.installation.keyring, known, account, house.chats[chat], house.now
        )
    (found,) = [badge for badge in mine.badges if badge.purpose == purpose]
    return found


def test_what_a_tool_put_out_makes_no_part_of_a_whole_yes(house: House) -> None:
    house.say("ana", "chat", "a table of prices", TurnRole.tool)
    seen = badge_of(house, "ana", "chat")
    assert [run.because for run in seen.runs] == [DecisionReason.permitted, DecisionReason.origin]
    assert (seen.use, seen.because, seen.until) == (
        Use.whole,
        DecisionReason.permitted,
        seen.runs[0].until,
    )


def test_of_what_a_tool_put_out_alone_nothing_is_used(house: House) -> None:
    house.say("ana", "tools", "a table of prices", TurnRole.tool)
    seen = badge_of(house, "ana", "tools")
    assert (seen.use, seen.because, seen.until) == (Use.none, DecisionReason.origin, None)


def test_what_was_said_while_it_was_kept_out_makes_it_a_part(house: House) -> None:
    house.about(do.Narrow, "ana", "chat")
    house.say("ana", "chat", "said while it was out")
    assert badge_of(house, "ana", "chat").use is Use.none
    house.about(do.Widen, "ana", "chat")
    house.passes(1)
    house.say("ana", "chat", "said since")
    seen = badge_of(house, "ana", "chat")
    assert (seen.use, seen.because) == (Use.part, DecisionReason.permitted)
    assert [run.until is None for run in seen.runs] == [False, True, False]


def test_a_badge_ends_with_what_is_used_longest(house: House) -> None:
    """What was flagged serves safety for as long as its copy is kept; what was said since, for as
    long as the yes.
    """
    house.about(do.Flag, "ana", "chat", score=0.5)
    house.say("ana", "chat", "said since")
    seen = badge_of(house, "ana", "chat", SAFETY)
    flagged, since = (run.until for run in seen.runs)
    assert flagged is not None
    assert since is not None
    assert (flagged < since, seen.until) == (True, since)


def test_a_badge_gives_the_reason_of_what_is_used_though_more_is_not(house: House) -> None:
    house.about(do.Narrow, "ana", "chat")
    for n in range(5):
        house.say("ana", "chat", f"{n} said while it was out")
    assert badge_of(house, "ana", "chat").reason == "narrowed"
    house.about(do.Widen, "ana", "chat")
    house.say("ana", "chat", "said since")
    seen = badge_of(house, "ana", "chat")
    assert (seen.use, seen.because, seen.reason) == (
        Use.part,
        DecisionReason.permitted,
        "permitted",
    )
    assert [run.reason for run in seen.runs] == ["permitted", "was_narrowed", "permitted"]


def test_a_person_is_told_the_holds_on_a_conversation_of_theirs_that_may_be_told(
    house: House,
) -> None:
    house.open("ben", allow=True)
    house.talk("ben", "bens")
    house.talk("ana", "other")
    reason, later = do.HoldReason.litigation, house.now + DAY
    house.about(do.Hold, "ana", "chat", matter="a", reason=reason)
    house.about(do.Hold, "ana", "other", matter="b", reason=reason, is_told=False)
    house.passes(1)
    house.about(do.Hold, "ana", "chat", matter="c", reason=reason)
    house.about(do.Hold, "ben", "bens", matter="d", reason=reason)

    def told(name: str, chat: str) -> list[datetime]:
        with transaction(house.installation.pool) as tx:
            mine = own_conversations.get(
                tx,
                house.installation.keyring,
                load_policies(house.installation),
                house.accounts[name],
                house.chats[chat],
                house.now,
            )
        assert (mine.keep_until is None) == bool(mine.holds)
        assert {hold.reason for hold in mine.holds} <= {reason}
        return [hold.placed_at for hold in mine.holds]

    assert told("ana", "chat") == [later - DAY, later]
    assert told("ana", "other") == []
    assert told("ben", "bens") == [later]


def test_what_is_kept_for_an_investigation_alone_is_told_apart_from_what_is_kept(
    house: House,
) -> None:
    house.choose("ana", False)
    house.about(do.Flag, "ana", "chat", score=0.5)
    house.passes(31)
    house.talk("ana", "later")
    sweeper.sweep(house.installation)
    with transaction(house.installation.pool) as tx:
        known, account = load_policies(house.installation), house.accounts["ana"]
        found = own_conversations.list_page(
            tx, house.installation.keyring, known, account, house.now
        ).conversations
    assert [(one.conversation, one.erased) for one in found] == [
        (house.chats["later"], False),
        (house.chats["chat"], True),
    ]
    assert [one.safety_until is None for one in found] == [True, False]


def test_a_conversation_is_in_the_releases_that_hold_a_row_of_it_and_in_no_other(
    house: House,
) -> None:
    house.talk("ana", "other")
    house.open("ben", allow=True)
    house.talk("ben", "bens")
    release_build.build_release(house.installation, name="one", purpose=IMPROVE)
    house.talk("ana", "later")
    release_build.build_release(house.installation, name="two", purpose=IMPROVE)
    ana = house.accounts["ana"]
    with transaction(house.installation.pool) as tx:
        for chat, releases in (("chat", ["one", "two"]), ("later", ["two"])):
            named = house.chats[chat]
            assert history.releases_by_conversation(tx, ana, [named]) == {named: releases}
        assert (
            history.releases_by_conversation(tx, house.accounts["ben"], [house.chats["chat"]]) == {}
        )
        tx.execute("UPDATE releases SET state = 'building' WHERE name = 'two'")
        assert history.releases_by_conversation(tx, ana, [house.chats["chat"]]) == {
            house.chats["chat"]: ["one"]
        }
        tx.rollback()


def test_anothers_conversation_and_one_that_never_was_are_answered_alike(house: House) -> None:
    house.open("ben", allow=True)
    house.talk("ben", "bens")
    house.chats["none"] = uuid7(house.now, house.installation.keyring.random(10))
    for chat in ("bens", "none"):
        with pytest.raises(NotFoundError, match="no conversation"):
            badge_of(house, "ana", chat)


def test_nobody_takes_out_what_an_account_that_was_never_opened_said(house: House) -> None:
    stranger = uuid7(house.now, house.installation.keyring.random(10))
    with pytest.raises(NotFoundError, match="no such account"):
        takeout.takeout(
            lambda: transaction(house.installation.pool),
            house.installation.keyring,
            load_policies(house.installation),
            stranger,
            house.now,
        )


def test_a_turn_that_came_without_its_words_is_listed_without_them(house: House) -> None:
    bare = msgspec.structs.replace(house.saying("ana", "chat", "not to be kept"), content=None)
    assert house.tell(bare)[0].outcome is do.Outcome.done
    house.say("ana", "chat", "said since")
    with transaction(house.installation.pool) as tx:
        found = own_conversations.list_turns(
            tx,
            house.installation.keyring,
            load_policies(house.installation),
            house.accounts["ana"],
            house.chats["chat"],
            house.now,
            after=1,
            limit=10,
        )
    assert found is not None
    words = {
        one.turn.number: one.content.text if one.content is not None else None for one in found
    }
    assert words == {2: "answer in chat", 3: None, 4: "said since"}


def test_the_pages_of_conversations_hold_each_once_and_the_last_names_none_behind_it(
    house: House,
) -> None:
    most = own_conversations.PAGE_CONVERSATIONS_MAX
    house.tell(*(house.saying("ana", f"chat {n}", f"said in {n}") for n in range(most * 2 - 1)))

    def page(before: UUID | None) -> own_conversations.ConversationList:
        with transaction(house.installation.pool) as tx:
            known, account = load_policies(house.installation), house.accounts["ana"]
            return own_conversations.list_page(
                tx, house.installation.keyring, known, account, house.now, before=before
            )

    first = page(None)
    second = page(first.next)
    ids = [one.conversation for one in (*first.conversations, *second.conversations)]
    assert [len(first.conversations), len(second.conversations)] == [most, most]
    assert (len(set(ids)), first.next, second.next) == (2 * most, ids[most - 1], None)
