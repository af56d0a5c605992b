"""The chain of keys: what a rolled-back transaction made is forgotten, epoch keys are durable, and
each key is bound.
"""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
import threading
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from licet.errors import BrokenError, RefusedError
from licet.keys.keyring import CACHE_SECONDS_MAX, Keyring
from licet.keys.material import (
    ACCOUNT_KEYS_BYTES,
    DESTROYED_KEYS,
    EMPTY_PAGE,
    EMPTY_SLOT,
    KEY_BYTES,
    SLOTS_PER_PAGE,
    WRAPPED_BYTES,
    AccountKeys,
    FileProvider,
    KeyMaterial,
    account_keys_place,
    account_place,
    block_place,
    bucket_of,
    bucket_place,
    read_slot,
    rewrap_page,
    safety_place,
    seal,
    slot_place,
    unseal,
    unseal_slots,
    unwrap_account_keys,
    wrap_account_keys,
    write_slot,
)
from licet.store.connect import Pool, transaction
from licet.vault import commands as do
from licet.vault.ids import uuid7
from licet.vault.permit import open as open_content
from licet.vault.writes import Writes, feedback_place

from ..vault.model import hashed, new_account, sound
from ..vault.town import CHOSEN, OPENED, Town

ANA = new_account(OPENED)
KEY = bytes(range(KEY_BYTES))


class PowerCut(Exception):
    pass


def test_the_keys_of_a_transaction_that_was_rolled_back_are_never_used_again(
    pool: Pool, provider: FileProvider, keyring: Keyring
) -> None:
    """A keyring that remembered a bucket key that never was would seal accounts under it, and lose
    them at restart.
    """

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
def test_sealed_bytes_open_in_their_place_alone(
    plain: bytes, place: bytes, other: bytes, bit: int
) -> None:
    sealed = seal(KEY, plain, place)
    assert unseal(KEY, sealed, place) == plain
    flipped = bytearray(sealed)
    flipped[bit // 8 % len(sealed)] ^= 1 << bit % 8
    wrong = [
        (bytes(KEY_BYTES), sealed, place),
        (KEY, bytes(flipped), place),
        (KEY, sealed[:-1], place),
    ]
    wrong += [(KEY, sealed, other)] if other != place else []
    for attempt in (*wrong, (KEY, b"", place)):
        with pytest.raises(BrokenError, match="cannot be opened"):
            unseal(*attempt)


@given(
    st.dictionaries(
        st.integers(0, SLOTS_PER_PAGE * 3 - 1), st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
    )
)
def test_a_page_gives_each_slot_its_key_and_nothing_for_a_destroyed_one(
    keys: dict[int, bytes],
) -> None:
    keys = {slot % SLOTS_PER_PAGE: key for slot, key in keys.items()}
    page = EMPTY_PAGE
    for slot, key in keys.items():
        page = write_slot(page, slot, seal(KEY, key, slot_place(ANA, slot)))
    assert len(page) == len(EMPTY_PAGE)
    assert {
        s: k for s in range(SLOTS_PER_PAGE) if (k := read_slot(page, ANA, KEY, s)) is not None
    } == keys


@given(
    keys=st.dictionaries(
        st.integers(0, 2**31 - 1), st.one_of(st.none(), st.binary(min_size=32, max_size=32))
    )
)
def test_the_slots_of_an_account_open_together_as_they_do_each(
    keys: dict[int, bytes | None],
) -> None:
    held = [
        EMPTY_SLOT if key is None else seal(KEY, key, slot_place(ANA, slot))
        for slot, key in keys.items()
    ]
    slots = b"".join(slot.to_bytes(4, "big") for slot in keys)
    assert unseal_slots(KEY, ANA, slots, b"".join(held)) == list(keys.values())


def test_a_slot_of_another_place_does_not_open_among_many() -> None:
    moved = seal(KEY, KEY, slot_place(ANA, 7))
    with pytest.raises(BrokenError, match="cannot be opened"):
        unseal_slots(KEY, ANA, (8).to_bytes(4, "big"), moved)
    with pytest.raises(BrokenError, match="cannot be opened"):
        unseal_slots(KEY, ANA, (7).to_bytes(4, "big"), moved + moved)


def test_the_places_that_keys_and_content_are_bound_to_are_pinned() -> None:
    """A version byte is never reused: another encoding of a place needs another one."""
    account, conversation = UUID(int=1), UUID(int=2)
    first, second = "00" * 15 + "01", "00" * 15 + "02"
    pinned = {
        block_place(account, conversation, 3, 4): "6b31" + first + second + "00000003" + "00000004",
        safety_place(account, conversation, 3, 4): "79"
        + "7431"
        + first
        + second
        + "00000003"
        + "00000004",
        feedback_place(conversation, 4): "6631" + second + "00000004",
        slot_place(account, 7): "7331" + first + "00000007",
        account_place(account): "6131" + first,
        account_keys_place(account): "6132" + first,
        bucket_place(5): "6231" + "00000005",
    }
    assert {place.hex() for place in pinned} == set(pinned.values())
    assert all(place.hex() == expected for place, expected in pinned.items())


# Where a key must not show


def test_whatever_holds_a_key_shows_nothing_of_it(tmp_path: Path) -> None:
    key = KeyMaterial(os.urandom(KEY_BYTES))
    keyring = Keyring(FileProvider(tmp_path))
    keys = AccountKeys(slots=key, own=key)
    for holder in (
        key,
        keys,
        keyring,
        {"a": key},
        [keys],
        FileProvider(tmp_path),
        Writes(cast("Any", None), keyring),
    ):
        for shown in (repr(holder), str(holder), f"{holder}", f"{holder!r:>9}"):
            assert_hidden(shown, key)


def assert_hidden(text: str, key: bytes) -> None:
    hidden = (repr(bytes(key))[2:-1], key.hex(), base64.b64encode(key).decode(), str(list(key)))
    assert not [form for form in hidden if form in text]


def test_a_failing_unseal_shows_no_key_to_a_traceback_that_prints_locals(
    pool: Pool, keyring: Keyring
) -> None:
    """Every frame from the verb to the cipher, with whatever it holds."""
    with transaction(pool) as tx:
        town = Town(tx, keyring)
        ana = town.account()
        said = town.say(ana)
        keys = keyring.account_keys(tx, [ana])[ana]
        (segment,) = keyring.slot_keys(tx, [(ana, 0)]).values()
        buckets = keyring.bucket_keys(tx, {bucket_of(ana)})
        permit = town.permit(said)
        damage = [
            (
                "UPDATE blocks SET sealed = overlay(sealed PLACING '\\x00'::bytea FROM 20)",
                [segment],
            ),
            (
                "UPDATE key_pages SET slots = overlay(slots PLACING '\\x00'::bytea FROM 20)",
                [keys.slots],
            ),
            (
                (
                    "UPDATE accounts SET wrapped_key = overlay(wrapped_key PLACING "
                    "'\\x00'::bytea FROM 20)"
                ),
                [*buckets.values()],
            ),
        ]
        for statement, secret in damage:
            tx.execute(statement)
            with pytest.raises(BrokenError) as caught:
                open_content(tx, keyring, [permit])
            told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            text = "".join(told.format())
            assert "unseal" in text
            for each in (*secret, keys.own):
                assert each is not None
                assert_hidden(text, each)


def test_what_was_unwrapped_is_forgotten_after_a_minute(pool: Pool, tmp_path: Path) -> None:
    """A process that has not heard of a rotation holds no key of before it for longer than is
    published.
    """
    began = 1_000.0
    seconds = [began]
    provider = FileProvider(tmp_path / "keys")
    keyring = Keyring(provider, monotonic=lambda: seconds[0])
    with transaction(pool) as tx:
        ana = Town(tx, keyring).account()
    provider.destroy(1)
    with transaction(pool) as tx:
        seconds[0] = began + CACHE_SECONDS_MAX - 0.1
        assert keyring.account_keys(tx, [ana])
        seconds[0] = began + CACHE_SECONDS_MAX
        with pytest.raises(BrokenError, match="not in the key folder"):
            keyring.account_keys(tx, [ana])


HARDENED = """
import ctypes, os, resource, subprocess, sys
from licet.store.core_dumps import harden
done = harden()
assert done.no_core_dump and resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
assert subprocess.run([sys.executable, "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[1])"],
                      capture_output=True, text=True).stdout == "0\\n"
if sys.platform == "linux":
    assert done.memory_private and ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0
    locked = [line for line in open("/proc/self/status") if line.startswith("VmLck")][0].split()[1]
    assert done.memory_locked == (int(locked) > 0), locked
    filler = bytearray(64 * 2 ** 20)  # an allocation does not fail for being locked
"""


def test_a_hardened_program_dumps_no_core_and_locks_its_memory_where_it_may() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HARDENED], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


FIRST = """
import ctypes
from licet.cli.shell import open_installation
from licet.errors import UsageError
dumpable = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
before = dumpable()
try:
    open_installation(None).__enter__()
except UsageError as error:
    print(before, dumpable(), error.message)
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="it asks Linux whether the program may be dumped"
)
def test_a_command_that_unseals_hardens_itself_before_it_reads_as_much_as_its_settings() -> None:
    environment = os.environ | {"LICET_NO_SUCH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", FIRST], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1 0 unknown setting `LICET_NO_SUCH`\n"


def test_the_wrapped_keys_of_an_account_are_pinned() -> None:
    """A version byte is never reused: nonce, both keys under one tag, bound to the account."""
    keys = AccountKeys(slots=KeyMaterial(KEY), own=KeyMaterial(KEY[::-1]))
    wrapped = wrap_account_keys(KeyMaterial(KEY), ANA, keys, bytes)
    assert wrapped == bytes(12) + AESGCM(KEY).encrypt(bytes(12), KEY + KEY[::-1], b"a2" + ANA.bytes)
    assert len(wrapped) == ACCOUNT_KEYS_BYTES
    assert unwrap_account_keys(KeyMaterial(KEY), ANA, wrapped) == keys
    for other in (UUID(int=1), UUID(int=ANA.int ^ 1)):
        with pytest.raises(BrokenError, match="cannot be opened"):
            unwrap_account_keys(KeyMaterial(KEY), other, wrapped)
    with pytest.raises(RefusedError, match="erased"):
        unwrap_account_keys(KeyMaterial(KEY), ANA, DESTROYED_KEYS)


@given(
    st.dictionaries(
        st.integers(0, SLOTS_PER_PAGE - 1), st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
    )
)
def test_a_page_that_is_wrapped_anew_gives_each_slot_its_key_to_the_new_key_alone(
    keys: dict[int, bytes],
) -> None:
    old, new, first = KeyMaterial(KEY), KeyMaterial(KEY[::-1]), 3 * SLOTS_PER_PAGE
    page = EMPTY_PAGE
    for slot, key in keys.items():
        page = write_slot(page, slot, seal(old, key, slot_place(ANA, first + slot)))
    again = rewrap_page(page, 3, ANA, old, new)
    assert {
        s: k
        for s in range(SLOTS_PER_PAGE)
        if (k := read_slot(again, ANA, new, first + s)) is not None
    } == keys
    for slot in keys:
        with pytest.raises(BrokenError):
            read_slot(again, ANA, old, first + slot)
