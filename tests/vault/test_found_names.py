"""Where names were found is kept with its segment: sealed under its key, gone with it, and of one
finder.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import pytest

from licet.erasure import certificates
from licet.keys.material import KeyMaterial
from licet.store.connect import Transaction, transaction
from licet.vault import account_view, found_names
from licet.vault import commands as do
from licet.vault.conversation_pages import turns_with_content
from licet.vault.found_names import RECORD_BYTES_MAX, NamedSegment, load, open_record, seal_record
from licet.vault.installation import load_policies
from licet.vault.permit import Permit
from licet.vault.permit import open as open_permits

from ..installed import House

FINDER, OTHER = "a" * 64, "b" * 64
FOUND = {
    b"m" * 16: b"\x90",
    b"n" * 16: b"\x91\x95\x00\x05\xa6person\xcb?\xec\xcc\xcc\xcc\xcc\xcc\xcd\xa5words",
}


def segment_of(**other: object) -> NamedSegment:
    of = {"account": UUID(int=1), "conversation": UUID(int=2), "segment": 3, "slot": 4}
    return NamedSegment(**{**of, "key": KeyMaterial(bytes(range(32))), **other})  # type: ignore[arg-type]  # fields by name


def drawn(count: int) -> bytes:
    return bytes(count)


# The record


def test_a_record_has_these_bytes() -> None:
    sealed = seal_record(segment_of(), FINDER, {b"m" * 16: b"\x90"}, drawn)
    assert sealed.hex() == (
        "0000000000000000000000005f71a889e2eb55f0276d225de8ceb6173c55745ae589782d604eedb0430912669dc2598314945a920348c05c94a802ae"
        "eee83c09c954dc6a91f0eaf392e22047e163aea82c0fb4fa84e8c13dda0574d2026752f7404aa19ecc6935dacfb061819fe86239878294d228"
    )
    assert open_record(segment_of(), FINDER, sealed) == {b"m" * 16: b"\x90"}


def test_a_mark_has_these_bytes_and_is_of_one_segment() -> None:
    assert segment_of().mark("Maria lives here").hex() == "69c2d9cefa2a3da8f473e752e624dd60"
    assert segment_of(key=KeyMaterial(bytes(32))).mark("Maria lives here") != segment_of().mark(
        "Maria lives here"
    )


@pytest.mark.parametrize(
    "other",
    [
        {"key": KeyMaterial(bytes(32))},
        {"segment": 4},
        {"account": segment_of().conversation},
        {"conversation": segment_of().account},
    ],
)
def test_a_record_opens_with_its_key_at_its_place_alone(other: Mapping[str, object]) -> None:
    sealed = seal_record(segment_of(), FINDER, FOUND, drawn)
    assert open_record(segment_of(), FINDER, sealed) == FOUND
    assert open_record(segment_of(**other), FINDER, sealed) == {}


def test_a_record_of_another_finder_or_one_that_is_damaged_counts_as_none() -> None:
    sealed = seal_record(segment_of(), FINDER, FOUND, drawn)
    assert open_record(segment_of(), OTHER, sealed) == {}
    for broken in (
        b"",
        sealed[:11],
        sealed[:-1],
        bytes([sealed[0] ^ 1]) + sealed[1:],
        sealed + b"x",
    ):
        assert open_record(segment_of(), FINDER, broken) == {}


def test_a_record_is_bounded_and_keeps_what_comes_first() -> None:
    many = {n.to_bytes(16, "big"): bytes(1000) for n in range(2000)}
    sealed = seal_record(segment_of(), FINDER, many, drawn)
    assert len(sealed) < RECORD_BYTES_MAX + 1000
    kept = open_record(segment_of(), FINDER, sealed)
    assert list(kept) == list(many)[: len(kept)] and 900 < len(kept) < 2000


# In the vault


@pytest.fixture
def house(house: House) -> House:
    house.open("ana", allow=True)
    house.talk("ana", "one")
    house.talk("ana", "two")
    return house


def opened(house: House, tx: Transaction, chat: str) -> NamedSegment:
    """The only segment of a chat, as a build opens it."""
    place, known = (house.accounts["ana"], house.chats[chat]), load_policies(house.installation)
    seen = account_view.load_views(tx, [place], known, house.now)[place[1]]
    turns = turns_with_content(tx, [place])[place[1]][0]
    of = turns.segment, turns.numbers
    decision = seen.decide_segment(turns.segment, 1, ["typed"], known, "improve_models")["typed"]
    (one,) = open_permits(
        tx,
        house.installation.keyring,
        [Permit.from_decision(decision, seen.account, seen.conversation, *of)],
    )
    return NamedSegment(
        account=place[0],
        conversation=place[1],
        segment=turns.segment,
        slot=one.permit.slot,
        key=one.key,
    )


def kept(house: House, *chats: str, finder: str = FINDER) -> int:
    with transaction(house.installation.pool) as tx:
        records = [(opened(house, tx, chat), FOUND) for chat in chats]
        return found_names.save(tx, records, finder)


def test_what_is_kept_is_loaded_by_the_same_finder_and_replaced_by_another(house: House) -> None:
    assert kept(house, "one", "two") == 2
    with transaction(house.installation.pool) as tx:
        both = [opened(house, tx, "one"), opened(house, tx, "two")]
        assert load(tx, both, FINDER) == [FOUND, FOUND]
        assert load(tx, both, OTHER) == [{}, {}]
    assert kept(house, "one", finder=OTHER) == 1
    with transaction(house.installation.pool) as tx:
        assert load(tx, both, OTHER) == [FOUND, {}]
        assert load(tx, both, FINDER) == [{}, FOUND]


def test_it_goes_with_the_erasure_of_its_segment_and_no_other(house: House) -> None:
    kept(house, "one", "two")
    house.about(do.Delete, "ana", "one")
    certificates.advance_erasures(house.installation, at_once=True)
    assert [row[0] for row in house.query("SELECT conversation_id FROM found_names")] == [
        house.chats["two"]
    ]


def test_what_was_erased_since_it_was_opened_is_not_kept(house: House) -> None:
    """The page of a build sees the database as it was: the erasure that ended meanwhile has the
    last word.
    """
    with transaction(house.installation.pool) as tx:
        segment = opened(house, tx, "one")
    house.about(do.Delete, "ana", "one")
    certificates.advance_erasures(house.installation, at_once=True)
    with transaction(house.installation.pool) as tx:
        assert found_names.save(tx, [(segment, FOUND)], FINDER) == 0
    assert house.query("SELECT FROM found_names") == []


def test_an_account_that_somebody_else_has_locked_is_passed_over_without_waiting(
    house: House,
) -> None:
    with transaction(house.installation.pool) as tx:
        segment = opened(house, tx, "one")
    with transaction(house.installation.pool) as other:
        other.execute("SELECT FROM accounts FOR NO KEY UPDATE")
        with transaction(house.installation.pool) as tx:
            assert found_names.save(tx, [(segment, FOUND)], FINDER) == 0
    assert kept(house, "one") == 1
