"""The chain of keys: what a rolled-back transaction made is forgotten, epoch keys are durable, and each key is bound."""

from __future__ import annotations

import os
import stat
import threading
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.errors import BrokenError
from licet.policy import fold
from licet.store.connect import Pool, transaction
from licet.vault import commands as do
from licet.vault.ids import uuid7
from licet.vault.keyring import Keyring
from licet.vault.keys import (
    EMPTY_PAGE,
    KEY_BYTES,
    SLOTS_PER_PAGE,
    WRAPPED_BYTES,
    FileProvider,
    account_place,
    bucket_place,
    read_slot,
    seal,
    slot_place,
    turn_place,
    unseal,
    write_slot,
)
from licet.vault.safety import safety_place
from licet.vault.tables import ConversationRow
from licet.vault.writes import feedback_place

from .model import hashed, new_account, sound
from .town import CHOSEN, OPENED, Town

ANA = new_account(OPENED)
KEY = bytes(range(KEY_BYTES))


class PowerCut(Exception):
    pass


def test_the_keys_of_a_transaction_that_was_rolled_back_are_never_used_again(
    pool: Pool, provider: FileProvider, keyring: Keyring
) -> None:
    """A keyring that remembered a bucket key that never was would seal accounts under it, and lose them at restart."""

    def open_in_one_bucket(town: Town, name: str) -> None:
        account = uuid7(OPENED + len(name) * timedelta(seconds=1), b"one bucket")
        opening = do.OpenAccount(account=account, at=OPENED, host=hashed(name), plan="free", age=30)
        town.take(opening, do.Choose(account=account, at=CHOSEN, allow=True))
        town.say(account, chat=name)

    with pytest.raises(PowerCut), transaction(pool) as tx:
        open_in_one_bucket(Town(tx, keyring), "a")
        raise PowerCut
    with transaction(pool) as tx:
        town = Town(tx, keyring)
        open_in_one_bucket(town, "a")
        open_in_one_bucket(town, "bb")
    with transaction(pool) as tx:
        assert tx.execute("SELECT count(*) FROM buckets").fetchone() == (1,)
        assert len(sound(tx, Keyring(provider))) == 4


def test_two_keyrings_share_one_installation(pool: Pool, provider: FileProvider) -> None:
    first, second = Keyring(provider), Keyring(provider)
    with transaction(pool) as tx:
        town = Town(tx, first)
        ana = town.account()
        town.say(ana)
    with transaction(pool) as tx:
        town.tx, town.keyring = tx, second
        town.say(ana, turn="t2", at=OPENED + timedelta(days=100))
        assert len(sound(tx, first)) == len(sound(tx, second)) == 3
        assert first.host_key(tx) == second.host_key(tx)


def test_an_account_fills_page_after_page(pool: Pool, keyring: Keyring) -> None:
    with transaction(pool) as tx:
        town = Town(tx, keyring)
        ana = town.account()
        for n in range(2 * SLOTS_PER_PAGE + 1):
            town.say(ana, chat=str(n), title=None)
    with transaction(pool) as tx:
        assert tx.execute("SELECT page, length(slots) FROM key_pages ORDER BY page").fetchall() == [
            (n, SLOTS_PER_PAGE * WRAPPED_BYTES) for n in range(3)
        ]
        assert len(sound(tx, keyring)) == 2 * SLOTS_PER_PAGE + 1


def test_epoch_keys_are_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    provider = FileProvider(tmp_path / "deep" / "keys")
    assert provider.newest() == provider.newest() == 1
    (file,) = (tmp_path / "deep" / "keys").iterdir()
    assert file.name == "epoch-000001.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_many_who_begin_at_once_get_one_epoch(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    wrapped: list[bytes] = []

    def begin() -> None:
        provider = FileProvider(tmp_path / "keys")
        barrier.wait()
        wrapped.append(provider.wrap(provider.newest(), KEY, b"place"))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    late = FileProvider(tmp_path / "keys")
    assert [late.unwrap(1, each, b"place") for each in wrapped] == [KEY] * 8
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_a_draft_that_a_crash_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f"epoch-000001.{os.getpid()}.draft").write_bytes(b"half")
    assert FileProvider(tmp_path).newest() == 1


def test_a_destroyed_epoch_opens_nothing(tmp_path: Path) -> None:
    provider = FileProvider(tmp_path)
    wrapped = provider.wrap(provider.newest(), KEY, b"place")
    provider.destroy(1)
    for each in (provider, FileProvider(tmp_path)):
        with pytest.raises(BrokenError, match="not in the key folder"):
            each.unwrap(1, wrapped, b"place")


def test_a_damaged_epoch_key_is_said_to_be(tmp_path: Path) -> None:
    FileProvider(tmp_path).newest()
    (tmp_path / "epoch-000001.key").write_bytes(b"short")
    with pytest.raises(BrokenError, match="`5` bytes"):
        FileProvider(tmp_path).wrap(1, KEY, b"place")


@given(st.binary(), st.binary(max_size=40), st.binary(max_size=40), st.integers(min_value=0))
def test_sealed_bytes_open_in_their_place_alone(plain: bytes, place: bytes, other: bytes, bit: int) -> None:
    sealed = seal(KEY, plain, place)
    assert unseal(KEY, sealed, place) == plain
    flipped = bytearray(sealed)
    flipped[bit // 8 % len(sealed)] ^= 1 << bit % 8
    wrong = [(bytes(KEY_BYTES), sealed, place), (KEY, bytes(flipped), place), (KEY, sealed[:-1], place)]
    wrong += [(KEY, sealed, other)] if other != place else []
    for attempt in (*wrong, (KEY, b"", place)):
        with pytest.raises(BrokenError, match="do not open"):
            unseal(*attempt)


@given(st.dictionaries(st.integers(0, SLOTS_PER_PAGE * 3 - 1), st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)))
def test_a_page_gives_each_slot_its_key_and_nothing_for_a_destroyed_one(keys: dict[int, bytes]) -> None:
    keys = {slot % SLOTS_PER_PAGE: key for slot, key in keys.items()}
    page = EMPTY_PAGE
    for slot, key in keys.items():
        page = write_slot(page, slot, seal(KEY, key, slot_place(ANA, slot)))
    assert len(page) == len(EMPTY_PAGE)
    assert {s: k for s in range(SLOTS_PER_PAGE) if (k := read_slot(page, ANA, KEY, s)) is not None} == keys


def test_the_places_that_keys_and_content_are_bound_to_are_pinned() -> None:
    """A version byte is never reused: another encoding of a place needs another one."""
    account, conversation = UUID(int=1), UUID(int=2)
    first, second = "00" * 15 + "01", "00" * 15 + "02"
    row = ConversationRow(
        account_id=account, conversation_id=conversation, host_hmac=None, begun_at=OPENED,
        state=fold.begin(), saved=None, keys=[],
    )  # fmt: skip
    pinned = {
        turn_place(account, conversation, 3, 4): "7431" + first + second + "00000003" + "00000004",
        safety_place(row, 3, 4): "79" + "7431" + first + second + "00000003" + "00000004",
        feedback_place(conversation, 4): "6631" + second + "00000004",
        slot_place(account, 7): "7331" + first + "00000007",
        account_place(account): "6131" + first,
        bucket_place(5): "6231" + "00000005",
    }
    assert {place.hex() for place in pinned} == set(pinned.values())
    assert all(place.hex() == expected for place, expected in pinned.items())
