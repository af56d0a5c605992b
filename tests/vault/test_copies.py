"""The register holds every copy: each that is there is registered and open, each that is open is
there.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from licet.erasure import sweep_batches
from licet.keys.keyring import Keyring
from licet.policy.state import Share, TurnRole
from licet.store.connect import Transaction
from licet.vault import account_keys, copies
from licet.vault import commands as do
from licet.vault.content import Content, encode
from licet.vault.copies import Copy, CopyPlace

from .model import orphans
from .town import SAID, Town

DAY = timedelta(days=1)


@pytest.fixture
def town(conn: Transaction, keyring: Keyring) -> Town:
    return Town(conn, keyring)


def registered(tx: Transaction) -> dict[tuple[str, int], tuple[object, object]]:
    rows = tx.execute("SELECT place, segment, registered_at, ended_at FROM copies").fetchall()
    return {(place, segment): (begun, ended) for place, segment, begun, ended in rows}


def test_the_search_for_orphans_finds_one_of_each_kind(town: Town) -> None:
    said = town.say(town.account())
    given = town.give(said, share=Share.rating)
    assert orphans(town.tx) == []
    key = (said.account, said.conversation, 0)
    forget = "UPDATE copies SET ended_at = now() WHERE place = %s"
    for place, reference in (
        (CopyPlace.vault, copies.NO_REFERENCE),
        (CopyPlace.feedback, given.feedback),
    ):
        with town.tx.transaction(force_rollback=True):
            town.tx.execute(forget, [place.value])
            assert orphans(town.tx) == [("not registered", *key, place.value, reference)]
    with town.tx.transaction(force_rollback=True):
        town.tx.execute("DELETE FROM blocks")
        assert orphans(town.tx) == [("not there", *key, "vault", copies.NO_REFERENCE)]
    with town.tx.transaction(force_rollback=True):
        safety = Copy(
            account=said.account, conversation=said.conversation, segment=0, place=CopyPlace.safety
        )
        copies.register(town.tx, {safety: SAID})
        assert orphans(town.tx) == [("not there", *key, "safety", copies.NO_REFERENCE)]


def test_each_segment_is_registered_once_where_its_first_content_came(town: Town) -> None:
    ana = town.account()
    first = town.say(ana, turn="t1")
    town.say(ana, turn="t2", role=TurnRole.assistant, at=SAID + DAY)
    town.about(first, do.Narrow, at=SAID + DAY)
    town.say(ana, turn="t3", at=SAID + 2 * DAY, content=None)
    town.say(ana, turn="t4", at=SAID + 3 * DAY)
    assert registered(town.tx) == {("vault", 0): (SAID, None), ("vault", 1): (SAID + 3 * DAY, None)}
    assert orphans(town.tx) == []


def test_a_flag_registers_its_copy_and_its_overturning_ends_it_and_a_new_flag_opens_it_again(
    town: Town,
) -> None:
    said = town.say(town.account())
    for what, ended in ((do.Flag, None), (do.Flag, None), (do.Unflag, SAID), (do.Flag, None)):
        town.about(said, what)
        assert registered(town.tx)["safety", 0] == (SAID, ended)
        assert orphans(town.tx) == []


@pytest.mark.parametrize(
    ("share", "segments"), [(Share.rating, [0]), (Share.reply, [1]), (Share.conversation, [0, 1])]
)
def test_a_feedback_registers_the_segments_that_it_holds(
    town: Town, share: Share, segments: list[int]
) -> None:
    """A comment alone belongs to the conversation, by its first segment."""
    ana = town.account()
    first = town.say(ana, turn="t1")
    town.about(first, do.Narrow)
    second = town.say(ana, turn="t2", at=SAID + DAY)
    given = town.give(second, share=share, at=SAID + DAY)
    rows = town.tx.execute(
        "SELECT segment, reference FROM copies WHERE place = 'feedback' ORDER BY 1"
    ).fetchall()
    assert rows == [(segment, given.feedback) for segment in segments]
    assert orphans(town.tx) == []
    sweep_batches.sweep_batch(town.tx, SAID + 31 * DAY + timedelta(days=366 * 6))
    assert orphans(town.tx) == []
    assert town.tx.execute("SELECT count(*) FROM copies WHERE ended_at IS NULL").fetchone() == (0,)


def test_a_rating_without_a_comment_holds_nothing_and_registers_nothing(town: Town) -> None:
    said = town.say(town.account())
    town.give(said, share=Share.rating, comment=None)
    assert list(registered(town.tx)) == [("vault", 0)]
    assert town.tx.execute("SELECT key_slot FROM feedback").fetchone() == (None,)


def test_in_an_incognito_conversation_only_the_rating_is_taken(town: Town) -> None:
    said = town.say(town.account(), incognito=True)
    town.give(said, share=Share.conversation, comment=None)
    assert town.tx.execute("SELECT share, key_slot FROM feedback").fetchone() == ("rating", None)
    assert town.tx.execute("SELECT count(*) FROM feedback_bodies").fetchone() == (0,)


def test_no_key_of_what_is_kept_is_a_stray_one_and_each_of_what_is_gone_is(town: Town) -> None:
    """Content, safety copies and comments have keys of their own; those of another account count
    for nothing.
    """
    said, other = town.say(town.account()), town.say(town.account("ben"), chat="of another")
    town.about(said, do.Flag, score=0.9)
    town.give(said, share=Share.rating, comment=encode(Content(text="of great help")))
    town.give(other, share=Share.rating, comment=encode(Content(text="of no help")))
    town.say(other.account, chat="one more")

    def stray() -> int:
        statement = f"SELECT {account_keys.STRAY_KEYS}"
        (count,) = town.tx.execute(statement, {"account": said.account}).fetchone() or ()
        return int(count)

    assert stray() == 0
    for forgotten in (
        "UPDATE segments SET key_slot = NULL WHERE account_id = %s",
        "UPDATE segments SET safety_slot = NULL WHERE account_id = %s",
        "UPDATE feedback SET key_slot = NULL WHERE account_id = %s",
    ):
        with town.tx.transaction(force_rollback=True):
            town.tx.execute("SET LOCAL session_replication_role = replica")
            town.tx.execute(forgotten, [said.account])
            assert stray() == 1, forgotten
    assert stray() == 0
