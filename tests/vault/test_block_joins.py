"""Small blocks of segments at rest become one: everything reads as before, in less space, and what
happens meanwhile is neither lost nor kept.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from licet.curate import release_build
from licet.erasure import sweeper
from licet.errors import BrokenError
from licet.keys.objects import Stored
from licet.policy.decide import IMPROVE
from licet.store.connect import transaction
from licet.vault import block_joins, blocks, cold_tier
from licet.vault import commands as do
from licet.vault.block_joins import JoinResult

from ..installed import House
from .test_cold import Meddled, said

REST_DAYS = 7


@pytest.fixture
def house(house: House) -> House:
    """Ana, who allows, has two chats at rest, a turn a block, and one of today."""
    house.installation.keyring.cold = Stored(house.installation.config.data / "cold")
    house.open("ana", allow=True)
    for chat in ("river", "stone"):
        house.talk("ana", chat)
        house.say("ana", chat, f"and more of {chat}")
    house.passes(REST_DAYS + 1)
    house.talk("ana", "today")
    return house


def join(house: House) -> JoinResult:
    return block_joins.join(house.installation)


def roles(house: House, chat: str) -> list[str]:
    """The roles in each block of a chat."""
    rows = house.query(
        "SELECT roles FROM blocks WHERE conversation_id = %s ORDER BY first_turn", house.chats[chat]
    )
    return [row[0] for row in rows]


def turns(house: House) -> list[tuple[object, ...]]:
    return house.query("SELECT * FROM turns ORDER BY account_id, conversation_id, turn")


def test_blocks_of_a_segment_at_rest_become_one_and_nothing_else_changes(house: House) -> None:
    before, read = turns(house), said(house)
    release_build.build_release(house.installation, name="apart", purpose=IMPROVE)
    ((stored,),) = house.query("SELECT sum(stored_bytes) FROM segments")
    assert join(house) == JoinResult(segments=2, blocks_before=6, blocks_after=2)
    assert (roles(house, "river"), roles(house, "today")) == (["uau"], ["u", "a"])
    assert turns(house) == before
    assert said(house) == read
    release_build.build_release(house.installation, name="joined", purpose=IMPROVE)
    assert house.rows("joined") == house.rows("apart") != []
    seals = 4 * 28  # of nonces and tags
    assert house.query("SELECT sum(stored_bytes) FROM segments") == [(stored - seals,)]
    assert join(house) == JoinResult()


def test_a_segment_is_at_rest_after_the_days_that_are_set(house: House) -> None:
    newest = house.now - timedelta(days=REST_DAYS + 1)
    house.now = newest + timedelta(days=REST_DAYS)
    assert join(house) == JoinResult()
    house.now += timedelta(microseconds=1)
    assert join(house).segments == 2


def test_a_chat_that_goes_on_is_joined_again_once_it_rests(house: House) -> None:
    join(house)
    house.say("ana", "river", "back again")
    assert roles(house, "river") == ["uau", "u"]
    house.passes(REST_DAYS + 1)
    join(house)
    assert roles(house, "river") == ["uauu"]
    assert "back again" in said(house)


def test_what_is_to_be_erased_soon_or_is_erased_is_not_written_again(house: House) -> None:
    house.about(do.Delete, "ana", "river")
    assert join(house).segments == 1
    house.passes(31)
    sweeper.sweep(house.installation)
    join(house)
    assert roles(house, "river") == ["u", "a", "u"]


def test_no_joined_block_passes_the_bounds_of_a_block(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_joins, "BATCH_SEGMENTS_MAX", 1)
    for n in range(blocks.TURNS_MAX + 2):
        house.say("ana", "long", f"turn {n}")
    house.passes(REST_DAYS + 1)
    read = said(house)
    join(house)
    assert [len(one) for one in roles(house, "long")] == [blocks.TURNS_MAX, 2]
    assert said(house) == read
    assert join(house) == JoinResult()


def test_large_blocks_stay_apart(house: House) -> None:
    for _ in range(3):
        text = house.installation.keyring.random(
            blocks.BYTES_MAX // 2
        ).hex()  # packs to half its length
        house.say("ana", "large", text)
    house.passes(REST_DAYS + 1)
    assert join(house).segments == 3, "the other three"
    assert roles(house, "large") == ["u", "u", "u"]


def test_what_lies_in_the_cold_store_stays_there_and_what_was_joined_moves_there(
    house: House,
) -> None:
    house.passes(100)
    cold_tier.cool(house.installation)
    house.say("ana", "stone", "still here")
    house.say("ana", "stone", "and here")
    house.passes(REST_DAYS + 1)
    read = said(house)
    assert join(house).blocks_after == 1
    assert roles(house, "stone") == ["u", "a", "u", "uu"]
    assert roles(house, "river") == ["u", "a", "u"]
    house.passes(100)
    cold_tier.cool(house.installation)
    assert house.query("SELECT count(*) FROM blocks WHERE sealed IS NOT NULL") == [(0,)]
    assert said(house) == read


def test_blocks_that_are_joined_while_they_are_moved_stay_in_the_database(house: House) -> None:
    house.passes(100)
    read, inner = said(house), house.installation.keyring.cold
    assert isinstance(inner, Stored)
    house.installation.keyring.cold = Meddled(inner, lambda: void(join(house)))
    cold_tier.cool(house.installation)
    assert roles(house, "river") == ["uau"]
    assert house.query("SELECT count(*) FROM blocks WHERE object_id IS NOT NULL") == [(0,)]
    assert said(house) == read
    house.passes(1)
    house.installation.keyring.cold = inner
    cold_tier.cool(house.installation)
    assert house.query("SELECT count(*) FROM blocks WHERE sealed IS NOT NULL") == [(0,)]
    assert said(house) == read


def test_a_block_that_is_being_moved_is_left_alone(house: House) -> None:
    with transaction(house.installation.pool) as tx:
        tx.execute(
            "SELECT FROM blocks WHERE conversation_id = %s AND first_turn = 2 FOR UPDATE",
            [house.chats["river"]],
        )
        assert join(house).segments == 1
    assert (roles(house, "river"), roles(house, "stone")) == (["u", "a", "u"], ["uau"])
    assert join(house).segments == 1


def test_a_segment_that_does_not_open_stays_as_it_is_and_the_others_are_joined(
    house: House,
) -> None:
    with transaction(house.installation.pool) as tx:
        tx.execute(
            "UPDATE blocks SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) "
            "WHERE conversation_id = %s AND first_turn = 2",
            [house.chats["river"]],
        )
    with pytest.raises(BrokenError, match="`1` segments do not open"):
        join(house)
    assert (roles(house, "river"), roles(house, "stone")) == (["u", "a", "u"], ["uau"])


def void(_: object) -> None:
    return None
