"""Content opens by a permit alone, a permit comes from a decision that allows use, and no key
outlives its erasure.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from licet.erasure import sweep_batches
from licet.errors import BrokenError, DeniedError
from licet.keys.keyring import Keyring
from licet.policy.decide import Decision, DecisionReason
from licet.policy.state import TurnRole
from licet.store.connect import Transaction
from licet.vault import commands as do
from licet.vault.copies import CopyPlace
from licet.vault.permit import Permit
from licet.vault.permit import open as open_permits

from .town import CHOSEN, SAFETY, SAID, Town

DAY = timedelta(days=1)


@pytest.fixture
def town(conn: Transaction, keyring: Keyring) -> Town:
    return Town(conn, keyring)


def text(town: Town, permit: Permit) -> str:
    (opened,) = open_permits(town.tx, town.keyring, [permit])
    return opened.contents[0].text


def test_a_permitted_turn_opens_to_what_was_said(town: Town) -> None:
    ana = town.account()
    asked = town.say(ana, turn="t1", text="how do tides work")
    answered = town.say(ana, turn="t2", role=TurnRole.assistant, text="the moon pulls")
    opened = open_permits(town.tx, town.keyring, [town.permit(answered), town.permit(asked)])
    assert [o.contents[0].text for o in opened] == ["the moon pulls", "how do tides work"]
    assert [o.permit.turns for o in opened] == [[2], [1]]
    assert opened[0].key == opened[1].key


@pytest.mark.parametrize(
    "because",
    [b for b in DecisionReason if b not in (DecisionReason.permitted, DecisionReason.flagged)],
)
def test_no_decision_that_refuses_gives_a_permit(town: Town, because: DecisionReason) -> None:
    said = town.say(town.account())
    seen, turn = town.seen(said)
    with pytest.raises(DeniedError, match=because.value):
        Permit.from_decision(
            Decision(because), seen.account, seen.conversation, turn.segment, [turn.number]
        )


def test_the_rule_refuses_before_any_key_is_read(town: Town) -> None:
    ben = town.account("ben", allow=False)
    said = town.say(ben)
    with pytest.raises(DeniedError, match="declined"):
        town.permit(said)


@pytest.mark.parametrize("ending", ["delete", "expire"])
def test_a_key_that_dies_after_the_decision_denies(town: Town, ending: str) -> None:
    said = town.say(town.account())
    permit = town.permit(said)
    if ending == "delete":
        town.about(said, do.Delete)
    assert text(town, permit) == "what t1 says"  # the decision was taken; the key still lives
    end = SAID + (30 * DAY if ending == "delete" else 366 * 5 * DAY)
    assert sweep_batches.sweep_batch(town.tx, end).segments == 1
    with pytest.raises(DeniedError, match="destroyed"):
        text(town, permit)


def test_a_flagged_turn_opens_from_the_safety_copy_also_when_its_own_key_is_dead(
    town: Town,
) -> None:
    said = town.say(town.account(allow=False), text="a scam")
    town.about(said, do.Flag, score=0.9)
    permit = town.permit(said, SAFETY)
    assert permit.place is CopyPlace.safety
    town.about(said, do.Unflag)
    with pytest.raises(DeniedError):
        text(town, permit)
    town.about(said, do.Flag, score=0.9)
    sweep_batches.sweep_batch(town.tx, SAID + 30 * DAY)
    assert text(town, town.permit(said, SAFETY, SAID + 31 * DAY)) == "a scam"
    with pytest.raises(DeniedError, match="expired"):
        town.permit(said, at=SAID + 31 * DAY)


def test_what_was_said_after_a_flag_is_not_in_its_copy(town: Town) -> None:
    ana = town.account(allow=False)
    before = town.say(ana, turn="t1")
    town.about(before, do.Flag)
    after = town.say(ana, turn="t2")
    assert town.permit(before, SAFETY).place is CopyPlace.safety
    with pytest.raises(DeniedError, match="declined"):
        town.permit(after, SAFETY)
    town.about(after, do.Flag)
    assert text(town, town.permit(after, SAFETY)) == "what t2 says"


def test_a_turn_that_came_without_content_is_denied_not_broken(town: Town) -> None:
    ana = town.account()
    alone = town.say(ana, chat="other", content=None)
    with pytest.raises(DeniedError):
        town.permit(alone)
    town.say(ana, turn="t1")
    empty = town.say(ana, turn="t2", content=None)
    with pytest.raises(DeniedError):
        text(town, town.permit(empty))


@pytest.mark.parametrize("moved", ["turn", "conversation", "account", "segment"])
def test_a_sealed_body_moved_elsewhere_does_not_open(town: Town, moved: str) -> None:
    """Anyone who can write the tables cannot make one turn's content another's."""
    ana, ben = town.account(), town.account("ben")
    town.say(ana, turn="t0")
    first = town.say(ana, turn="t1")
    match moved:
        case "turn":
            there = town.say(ana, turn="t2")
        case "conversation":
            town.say(ana, chat="other", turn="t0")
            there = town.say(ana, chat="other", turn="t1")
        case "account":
            town.say(ben, turn="t0")
            there = town.say(ben, turn="t1")
        case _:
            town.about(first, do.Narrow)
            town.about(first, do.Widen)
            there = town.say(ana, turn="t2")
    town.tx.execute(
        """UPDATE blocks b SET (sealed, sizes) = (o.sealed, o.sizes) FROM blocks o
            WHERE o.conversation_id = %s AND o.first_turn + length(o.roles) - 1 = %s
              AND b.conversation_id = %s AND b.first_turn + length(b.roles) - 1 = %s""",
        [first.conversation, first.turn, there.conversation, there.turn],
    )
    with pytest.raises(BrokenError, match="cannot be opened"):
        text(town, town.permit(there))


@pytest.mark.parametrize("moved", ["slot", "page", "account", "bucket"])
def test_a_wrapped_key_moved_elsewhere_does_not_open(town: Town, moved: str) -> None:
    ana, ben = town.account(), town.account("ben")
    there = town.say(ben, turn="t1")
    other = town.say(ana, turn="t1")
    match moved:
        case "slot":
            town.say(ben, chat="other")
            town.tx.execute(
                """UPDATE key_pages SET slots = overlay(slots PLACING substring(slots FROM 61 FOR 60) FROM 1 FOR 60)
                    WHERE account_id = %s""",
                [ben],
            )
        case "page":
            town.tx.execute(
                "UPDATE key_pages SET slots = (SELECT slots FROM key_pages WHERE account_id "
                "= %s) WHERE account_id = %s",
                [ana, ben],
            )
        case "account":
            town.tx.execute(
                """UPDATE accounts SET (wrapped_key, bucket)
                      = (SELECT wrapped_key, bucket FROM accounts WHERE account_id = %s)
                        WHERE account_id = %s""",
                [ana, ben],
            )
        case _:
            town.tx.execute(
                """UPDATE buckets b SET wrapped = o.wrapped FROM buckets o, accounts a, accounts c
                    WHERE a.account_id = %s AND c.account_id = %s AND o.bucket = a.bucket
                      AND b.bucket = c.bucket""",
                [ana, ben],
            )
    with pytest.raises(BrokenError, match="cannot be opened"):
        text(town, town.permit(there))
    assert moved == "bucket" or text(town, town.permit(other)) == "what t1 says"


def test_a_permit_shows_neither_key_nor_content(town: Town) -> None:
    said = town.say(town.account(), text="unmistakable")
    permit = town.permit(said)
    (opened,) = open_permits(town.tx, town.keyring, [permit])
    for shown in (repr(permit), repr(opened), repr([opened])):
        assert "unmistakable" not in shown
        assert repr(permit.account.wrapped_key)[2:-1] not in shown
        assert repr(opened.key)[2:-1] not in shown
    assert msgspec.structs.asdict(opened)["contents"][0].text == "unmistakable"


def test_time_moves_a_permit_never(town: Town) -> None:
    """A decision is taken at a moment: asked again later, the rule answers anew."""
    ana = town.account()
    said = town.say(ana)
    assert town.permit(said)
    town.choose(ana, False, SAID + DAY)
    with pytest.raises(DeniedError, match="withdrawn"):
        town.permit(said, at=SAID + DAY)
    town.choose(ana, True, SAID + 2 * DAY)
    with pytest.raises(DeniedError, match="before_grant"):
        town.permit(said, at=SAID + 2 * DAY)
    assert CHOSEN < SAID
