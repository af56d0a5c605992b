"""Rotation: what lives goes on opening, what was erased opens nowhere, and neither a crash nor a
race changes that.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from licet.erasure import key_rotation, sweep_batches
from licet.erasure.key_rotation import Rotation
from licet.errors import BrokenError, BusyError, LicetError, RefusedError
from licet.keys.chain import list_epochs
from licet.keys.keyring import Keyring
from licet.keys.log_keys import LogKeys
from licet.keys.material import (
    SLOTS_PER_PAGE,
    FileProvider,
    KeyMaterial,
    KeyProvider,
    bucket_of,
    bucket_place,
    read_slot,
    unwrap_account_keys,
)
from licet.policy.period import instant
from licet.store.connect import Pool, Transaction, open_pool, retrying, transaction
from licet.vault import account_view
from licet.vault import commands as do
from licet.vault.commands import CommandResult
from licet.vault.ids import uuid7

from ..conftest import Databases, empty_tables
from .model import hashed, sound
from .town import CHOSEN, OPENED, POLICIES, Town

WINDOW = timedelta(days=7)
START = instant("2026-01-01")
RACE_SECONDS = 3.0
EXAMPLES = 60 if os.environ.get("CI") == "true" else 15


class Stop(Exception):
    """Somebody pulls the plug."""


class House:
    """An installation on a clock of its own: accounts in a few buckets, verbs that commit, copies
    of the database.
    """

    buckets = 3

    def __init__(self, pool: Pool, folder: Path, provider: KeyProvider | None = None) -> None:
        self.pool, self.now = pool, START
        self.provider: KeyProvider = provider or FileProvider(folder)
        self.keyring = Keyring(self.provider)
        self.accounts: list[UUID] = []
        self.said: list[CommandResult] = []
        self.copies: list[dict[str, list[Any]]] = []
        with transaction(pool) as tx:
            Town(tx, self.keyring)

    def clock(self) -> datetime:
        return self.now

    def town(self, tx: Transaction) -> Town:
        town = Town.__new__(Town)
        town.tx, town.keyring, town.policies = tx, self.keyring, POLICIES
        return town

    def account(self, allow: bool = True) -> UUID:
        """A new account, in one of the few buckets."""
        number = len(self.accounts)
        account = uuid7(
            OPENED, os.urandom(6) + number.to_bytes(3, "little") + bytes([number % self.buckets])
        )
        with transaction(self.pool) as tx:
            self.town(tx).take(
                do.OpenAccount(
                    account=account, at=OPENED, host=hashed(str(number)), plan="free", age=30
                ),
                do.Choose(account=account, at=CHOSEN, allow=allow, evidence="a click"),
            )
        self.accounts.append(account)
        return account

    def say(self, account: UUID) -> CommandResult:
        with transaction(self.pool) as tx:
            said = self.town(tx).say(account, chat=f"chat {len(self.said)}", at=self.now)
        self.said.append(said)
        return said

    def delete(self, said: CommandResult) -> None:
        with transaction(self.pool) as tx:
            self.town(tx).about(said, do.Delete, at=self.now)

    def close(self, account: UUID) -> None:
        with transaction(self.pool) as tx:
            self.town(tx).take(do.CloseAccount(account=account, at=self.now))

    def sweep(self) -> None:
        """Forty days later, what is due is erased."""
        self.now += timedelta(days=40)
        while True:
            with transaction(self.pool) as tx:
                if not sweep_batches.sweep_batch(tx, self.now).more:
                    return

    def rotate(
        self,
        rotation: Rotation = Rotation.daily,
        seen: Callable[[key_rotation.RotationResult], None] = lambda _: None,
    ):
        return key_rotation.rotate(self.pool, self.keyring, rotation, self.clock, seen)

    def rotate_until(self, rotation: Rotation, buckets: int) -> None:
        """Rotates, and is killed after some buckets."""

        def stop(done: key_rotation.RotationResult) -> None:
            if done.buckets >= buckets:
                raise Stop

        try:
            self.rotate(rotation, stop)
        except Stop:
            return

    def destroy_due(self) -> list[int]:
        return key_rotation.destroy_due(self.pool, self.keyring, self.clock, WINDOW)

    def window_passes(self) -> None:
        self.now += WINDOW
        self.destroy_due()

    def copy(self) -> None:
        """What a backup of this moment holds of keys."""
        with transaction(self.pool) as tx:
            self.copies.append(
                {
                    "buckets": tx.execute("SELECT bucket, epoch, wrapped FROM buckets").fetchall(),
                    "accounts": tx.execute(
                        "SELECT account_id, bucket, wrapped_key FROM accounts"
                    ).fetchall(),
                    "pages": tx.execute("SELECT account_id, page, slots FROM key_pages").fetchall(),
                }
            )

    def contents(self) -> int:
        """How many sealed bodies are there; every one of them opens, and every invariant of the
        tables holds.
        """
        with transaction(self.pool) as tx:
            return len(sound(tx, Keyring(self.provider)))


def within_reach(
    copies: Sequence[dict[str, list[Any]]], provider: KeyProvider
) -> tuple[set[UUID], set[Any]]:
    """What somebody opens who has every copy of the database and the provider of today: own keys,
    and slots.

    They try every key on everything it might open, whichever copy either is from.
    """
    buckets: dict[int, set[Any]] = {}
    for copy in copies:
        for bucket, epoch, wrapped in copy["buckets"]:
            try:
                buckets.setdefault(bucket, set()).add(
                    provider.unwrap(epoch, wrapped, bucket_place(bucket))
                )
            except BrokenError:
                continue
    chains: dict[UUID, set[Any]] = {}
    owners: set[UUID] = set()
    for copy in copies:
        for account, bucket, wrapped in copy["accounts"]:
            for key in buckets.get(bucket, ()):
                try:
                    keys = unwrap_account_keys(key, account, wrapped)
                except LicetError:
                    continue
                chains.setdefault(account, set()).add(keys.slots)
                owners.add(account)
    slots = set()
    for copy in copies:
        for account, page, wrapped in copy["pages"]:
            for key, slot in itertools.product(chains.get(account, ()), range(SLOTS_PER_PAGE)):
                number = page * SLOTS_PER_PAGE + slot
                try:
                    found = read_slot(wrapped, account, key, number)
                except BrokenError:
                    continue
                if found is not None:
                    slots.add((account, number))
    return owners, slots


def living(tx: Transaction) -> set[Any]:
    return set(
        tx.execute(
            """SELECT account_id, key_slot FROM segments WHERE key_slot IS NOT NULL
               UNION SELECT account_id, safety_slot FROM segments WHERE safety_slot IS NOT NULL
               UNION SELECT account_id, key_slot FROM feedback WHERE key_slot IS NOT NULL"""
        ).fetchall()
    )


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return House(pool, tmp_path / "keys")


# The theorem

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["yes", "no", "sweep", "daily", "weekly", "window", "copy"]), st.just(0)
        ),
        st.tuples(
            st.sampled_from(["say", "delete", "close", "withdraw", "die", "killed"]),
            st.integers(0, 20),
        ),
    ),
    max_size=25,
)


def act(house: House, step: str, number: int) -> None:
    account = house.accounts[number % len(house.accounts)]
    match step:
        case "yes" | "no":
            house.account(allow=step == "yes")
        case "say":
            house.say(account)
        case "delete":
            mine = [said for said in house.said if said.conversation is not None]
            if mine:
                house.delete(mine[number % len(mine)])
        case "withdraw":
            with transaction(house.pool) as tx:
                house.town(tx).choose(account, False, house.now)
        case "close":
            house.close(account)
        case "die":
            house.close(account)
            house.sweep()
            with transaction(house.pool) as tx:
                key_rotation.destroy_account_keys(tx, account, house.now)
        case "sweep":
            house.sweep()
        case "daily" | "weekly":
            house.rotate(Rotation(step))
        case "killed":
            house.rotate_until(Rotation.weekly if number % 2 else Rotation.daily, number % 4)
        case "window":
            house.window_passes()
        case "copy":
            house.copy()


@settings(
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_theorem_what_lives_opens_and_what_was_erased_opens_nowhere(
    dsn: str, pool: Pool, steps: list[tuple[str, int]]
) -> None:
    """With every copy of the database that there ever was, and all keys that the provider has in
    the end.
    """
    empty_tables(dsn)
    with tempfile.TemporaryDirectory() as folder:
        house = House(pool, Path(folder))
        for account in (house.account(), house.account()):
            house.say(account)
            house.delete(house.say(account))
        for step, number in steps:
            house.copy()
            act(house, step, number)
        house.contents()
        house.sweep()
        house.copy()
        house.rotate(Rotation.weekly)  # this one may only finish what was begun
        house.rotate(Rotation.weekly)
        house.copy()
        house.window_passes()
        house.contents()
        owners, slots = within_reach(house.copies, house.provider)
        with transaction(pool) as tx:
            alive = {
                row[0]
                for row in tx.execute("SELECT account_id, wrapped_key FROM accounts")
                if any(row[1])
            }
            assert slots == living(tx)
            assert owners == alive
            assert sum(key_rotation.count_marked(tx).values()) == 0


def test_an_erased_key_is_within_reach_of_an_old_copy_until_the_window_has_passed_and_not_after(
    house: House,
) -> None:
    """The attack that the theorem forbids is a real one: this is what it looks like before."""
    ana = house.account()
    said = house.say(ana)
    house.say(ana)
    house.copy()
    house.delete(said)
    house.sweep()
    house.copy()
    with transaction(house.pool) as tx:
        (erased,) = {(ana, 0), (ana, 1)} - living(tx)
    assert erased in within_reach(house.copies, house.provider)[1]
    house.rotate()
    house.copy()
    house.now += WINDOW - timedelta(seconds=1)
    assert house.destroy_due() == []
    assert erased in within_reach(house.copies, house.provider)[1]
    house.now += timedelta(seconds=1)
    assert house.destroy_due() == [1]
    assert within_reach(house.copies, house.provider)[1] == {(ana, 0), (ana, 1)} - {erased}


def test_mere_expiry_waits_for_the_weekly_rotation_and_nothing_else_does(house: House) -> None:
    declined, granted, closed = house.account(allow=False), house.account(), house.account()
    house.say(declined)
    kept, deleted = house.say(granted), house.say(granted)
    house.say(closed)
    house.delete(deleted)
    house.close(closed)
    house.sweep()
    with transaction(house.pool) as tx:
        assert key_rotation.count_marked(tx) == {Rotation.daily: 2, Rotation.weekly: 1}
        marked = dict(tx.execute("SELECT account_id, daily FROM spent_accounts").fetchall())
    assert marked == {declined: False, granted: True, closed: True}
    assert house.rotate().accounts_rekeyed == 2
    assert house.rotate().accounts_rekeyed == 0
    assert house.rotate(Rotation.weekly).accounts_rekeyed == 1
    assert kept.conversation is not None
    assert house.contents() == 2


def test_what_a_withdrawal_brought_nearer_enters_the_daily_rotation(house: House) -> None:
    ana = house.account()
    house.say(ana)
    with transaction(house.pool) as tx:
        house.town(tx).choose(ana, False, house.now)
    house.sweep()
    with transaction(house.pool) as tx:
        assert key_rotation.count_marked(tx) == {Rotation.daily: 1, Rotation.weekly: 0}


def test_a_forecast_has_begun_nothing_and_without_accounts_there_is_nothing_to_do(
    pool: Pool, tmp_path: Path
) -> None:
    house = House(pool, tmp_path)
    with transaction(pool) as tx:
        told = key_rotation.forecast(tx, Rotation.daily)
    assert told == key_rotation.RotationResult(
        epoch=told.epoch,
        rotation=Rotation.daily,
        resumed=False,
        buckets=0,
        buckets_rekeyed=0,
        accounts_rewrapped=0,
        accounts_rekeyed=0,
        pages=0,
        left=0,
    )
    done = house.rotate()
    assert done == msgspec.structs.replace(told, epoch=done.epoch)


@pytest.mark.parametrize("kind", Rotation)
def test_a_forecast_says_what_the_rotation_then_does(house: House, kind: Rotation) -> None:
    declined, granted, *_ = [house.account(allow=n != 0) for n in range(12)]
    house.say(declined)
    for _ in range(SLOTS_PER_PAGE + 2):
        house.delete(house.say(granted))
    house.sweep()
    with transaction(house.pool) as tx:
        told = key_rotation.forecast(tx, kind)
    assert 0 < told.buckets_rekeyed <= told.accounts_rekeyed < told.pages < told.accounts_rewrapped
    assert house.rotate(kind) == msgspec.structs.replace(told, left=0)


def test_what_was_rotated_is_counted_together_and_of_what_is_left_none_is_below_nothing() -> None:
    one = key_rotation.RotationResult(
        epoch=2,
        rotation=Rotation.weekly,
        resumed=True,
        buckets=1,
        buckets_rekeyed=2,
        accounts_rewrapped=3,
        accounts_rekeyed=4,
        pages=5,
        left=7,
    )
    assert one.plus(msgspec.structs.replace(one, left=0)) == key_rotation.RotationResult(
        epoch=2,
        rotation=Rotation.weekly,
        resumed=True,
        buckets=2,
        buckets_rekeyed=4,
        accounts_rewrapped=6,
        accounts_rekeyed=8,
        pages=10,
        left=6,
    )
    assert one.plus(msgspec.structs.replace(one, buckets=9)).left == 0


def test_only_buckets_and_accounts_in_which_a_key_was_destroyed_get_new_keys(house: House) -> None:
    accounts = [house.account() for _ in range(6)]
    said = [house.say(account) for account in accounts]
    before = chain(house)
    house.delete(said[0])
    house.sweep()
    done = house.rotate()
    after = chain(house)
    assert (done.buckets, done.buckets_rekeyed, done.accounts_rewrapped, done.accounts_rekeyed) == (
        3,
        1,
        2,
        1,
    )
    assert {a for a in accounts if before["slots"][a] != after["slots"][a]} == {accounts[0]}
    assert {b for b in before["buckets"] if before["buckets"][b] != after["buckets"][b]} == {
        bucket_of(accounts[0])
    }
    assert before["own"] == after["own"]


def chain(house: House) -> dict[str, dict[Any, bytes]]:
    """The keys themselves."""
    with transaction(house.pool) as tx:
        numbers = {row[0] for row in tx.execute("SELECT bucket FROM buckets")}
        keys = house.keyring.account_keys(tx, house.accounts)
        return {
            "buckets": {
                number: bytes(key) for number, key in house.keyring.bucket_keys(tx, numbers).items()
            },
            "slots": {account: bytes(each.slots) for account, each in keys.items()},
            "own": {account: bytes(each.own) for account, each in keys.items()},
        }


def test_pseudonyms_and_evidence_stay_what_they_were_across_rotations_and_die_with_the_account(
    house: House,
) -> None:
    ana = house.account()
    said = house.say(ana)
    log_keys = LogKeys(house.keyring)
    with transaction(house.pool) as tx:
        before, seed = log_keys.log_keys(tx, [ana], 2026), house.keyring.log_seed(tx)
    house.delete(said)
    house.sweep()
    house.rotate()
    house.rotate(Rotation.weekly)
    with transaction(house.pool) as tx:
        assert log_keys.log_keys(tx, [ana], 2026) == before
        assert house.keyring.log_seed(tx) == Keyring(house.provider).log_seed(tx) == seed
    house.close(ana)
    with transaction(house.pool) as tx:
        key_rotation.destroy_account_keys(tx, ana, house.now)
        assert log_keys.log_keys(tx, [ana], 2026) == {}
        assert house.town(tx).take(
            do.Choose(account=ana, at=house.now, allow=True, evidence="a click")
        )


def test_an_account_keeps_its_keys_while_it_is_open_or_anything_of_it_is_kept(house: House) -> None:
    ana = house.account()
    house.say(ana)
    with transaction(house.pool) as tx, pytest.raises(RefusedError, match="is open"):
        key_rotation.destroy_account_keys(tx, ana, house.now)
    house.close(ana)
    with transaction(house.pool) as tx, pytest.raises(RefusedError, match="still has content"):
        key_rotation.destroy_account_keys(tx, ana, house.now)
    house.sweep()
    with transaction(house.pool) as tx:
        key_rotation.destroy_account_keys(tx, ana, house.now)
        key_rotation.destroy_account_keys(tx, ana, house.now)
        told = (
            "SELECT payload FROM outbox WHERE entry = 'key_destroyed' AND payload LIKE '%account%'"
        )
        assert len(tx.execute(told).fetchall()) == 1


def test_a_physical_copy_from_before_a_deletion_opens_nothing_of_what_was_erased(
    house: House, databases: Databases, dsn: str
) -> None:
    """The whole database of that day, opened by the product itself with the keys of today."""
    ana, ben = house.account(), house.account()
    gone, kept = house.say(ana), house.say(ben)
    name = str(conninfo_to_dict(dsn)["dbname"])
    copy = make_conninfo(dsn, dbname=name + "_copy")
    with duplicated(dsn, name), open_pool(copy) as old:
        house.pool.check()  # its connections were ended for the copy
        with transaction(old) as tx:
            assert len(sound(tx, Keyring(house.provider))) == 4
        house.delete(gone)
        house.sweep()
        house.rotate()
        house.window_passes()
        assert house.contents() == 2
        assert kept.conversation is not None
        with transaction(old) as tx:
            holders = account_view.load_accounts(tx, [ana, ben])
            for holder in holders.values():
                with pytest.raises(BrokenError, match="epoch `1`"):
                    Keyring(house.provider).slot_keys(tx, [(holder.account_id, 0)])


class duplicated:
    """A copy of a database, as its files are, for as long as the block lasts."""

    def __init__(self, dsn: str, name: str) -> None:
        self.dsn, self.name = make_conninfo(dsn, dbname="postgres"), name

    def __enter__(self) -> None:
        self.drop()
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s "
                "AND pid <> pg_backend_pid()",
                [self.name],
            )
            names = (sql.Identifier(self.name + "_copy"), sql.Identifier(self.name))
            conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))

    def __exit__(self, *_: object) -> None:
        self.drop()

    def drop(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                    sql.Identifier(self.name + "_copy")
                )
            )


# Crashes

KILLED = """
import os, random, sys, time
from datetime import datetime, timezone
from pathlib import Path
from licet.store.connect import open_pool
from licet.erasure import key_rotation
from licet.keys.chain import list_epochs
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider

dsn, folder, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
draw = random.Random(seed)


class Dying(FileProvider):
    "Dies at one of its calls, before or after it: the moments between the provider and the commit."

    left = 10 ** 9

    def _count(self):
        Dying.left -= 1
        if Dying.left == 0:
            os.kill(os.getpid(), 9)

    def newest(self, after=0):
        self._count()
        found = super().newest(after)
        self._count()
        return found

    def wrap(self, *given):
        self._count()
        return super().wrap(*given)

    def destroy(self, epoch):
        self._count()
        super().destroy(epoch)
        self._count()


def child():
    with open_pool(dsn) as pool:
        keyring, clock = Keyring(Dying(folder)), lambda: datetime.now(timezone.utc)
        key_rotation.rotate(pool, keyring, draw.choice(list(key_rotation.Rotation)), clock)
        key_rotation.destroy_due(pool, keyring, clock, timedelta(0))


from datetime import timedelta
killed = 0
for _ in range(24):
    Dying.left, seconds = (draw.randrange(1, 30), 60) if draw.random() < 0.5 else (10 ** 9, draw.random() * 0.12)
    draw.random()
    pid = os.fork()
    if pid == 0:
        child()
        os._exit(0)
    until = time.monotonic() + seconds
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() >= until:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            killed += 1
            break
        time.sleep(0.001)
print(killed)
"""


def test_a_rotation_that_is_killed_anywhere_is_gone_on_with_and_finished(
    house: House, dsn: str, tmp_path: Path
) -> None:
    """Two dozen rotations, each killed at a drawn moment or at a drawn call of the provider; then
    one that is not.
    """
    house.buckets = 40
    accounts = [house.account() for _ in range(40)]
    said = [house.say(account) for account in accounts for _ in range(2)]
    for each in said[::8]:
        house.delete(each)
    house.sweep()
    house.copy()
    script = [sys.executable, "-c", KILLED, dsn, str(tmp_path / "keys"), "7"]
    done = subprocess.run(script, check=True, capture_output=True, text=True)
    assert int(done.stdout) > 0, done.stderr
    assert house.contents() == 2 * (80 - 10)
    house.now = max(house.now, datetime.now(UTC))
    house.rotate(Rotation.weekly)
    house.rotate(Rotation.weekly)
    house.copy()
    house.window_passes()
    assert house.contents() == 2 * (80 - 10)
    with transaction(house.pool) as tx:
        known = list_epochs(tx)
        assert within_reach(house.copies, house.provider)[1] == living(tx)
    assert [epoch.number for epoch in known] == list(range(1, len(known) + 1))
    assert [path.name for path in (tmp_path / "keys").glob("*.key")] == [
        f"epoch-{known[-1].number:06}.key"
    ]
    assert all(epoch.destroyed_at for epoch in known[:-1])


def test_a_crash_between_the_destruction_and_its_record_destroys_again_and_records_once(
    house: House,
) -> None:
    house.say(house.account())
    house.rotate()
    house.provider.destroy(1)  # and here the plug was pulled
    house.now += WINDOW
    assert house.destroy_due() == [1]
    assert house.destroy_due() == []
    with transaction(house.pool) as tx:
        told = tx.execute("SELECT payload FROM outbox WHERE entry = 'key_destroyed'").fetchall()
    assert told == [('{"because":"rotation","epoch":1}',)]


def test_an_epoch_that_still_wraps_a_key_is_never_destroyed(house: House) -> None:
    house.say(house.account())
    house.rotate()
    with transaction(house.pool) as tx:
        tx.execute("UPDATE buckets SET epoch = 1")
    house.now += WINDOW
    with pytest.raises(BrokenError, match="still wraps a key"):
        house.destroy_due()
    assert isinstance(house.provider, FileProvider)
    assert house.provider.wrap(1, KeyMaterial(bytes(32)), b"it is there")


# Races


def test_a_rotation_with_the_keys_of_another_installation_makes_nothing_in_them_or_here(
    house: House, tmp_path: Path
) -> None:
    house.say(house.account())
    with transaction(house.pool) as tx:
        before = list_epochs(tx)
    other = FileProvider(tmp_path / "of another")
    newest = other.newest()
    with pytest.raises(BrokenError, match="cannot be opened"):
        key_rotation.rotate(house.pool, Keyring(other), Rotation.weekly, house.clock)
    assert other.newest() == newest
    with transaction(house.pool) as tx:
        assert list_epochs(tx) == before


def test_two_rotations_at_once_are_one_and_a_refusal(house: House) -> None:
    house.say(house.account())

    def second(_: key_rotation.RotationResult) -> None:
        with pytest.raises(BusyError, match="another rotation"):
            house.rotate()

    house.rotate(seen=second)
    assert house.rotate().epoch == 3


def test_rotating_races_with_every_verb_and_with_reading_and_nothing_breaks(house: House) -> None:
    """Readers hold what they read before; nobody ever meets half a chain."""
    for _ in range(6):
        house.say(house.account())
    ended, failures = threading.Event(), []
    counts = dict.fromkeys(("rotate", "say", "choose", "delete", "open", "read"), 0)

    def repeat(name: str, act: Callable[[int], object]) -> Callable[[], None]:
        def run() -> None:
            number = 0
            while not ended.is_set():
                try:
                    retrying(lambda: act(number))  # noqa: B023 it is called at once
                except Exception as error:
                    failures.append((name, error))
                    ended.set()
                number += 1
            counts[name] = number

        return run

    def read(number: int) -> None:
        with transaction(house.pool) as tx:
            holders = account_view.load_accounts(tx, house.accounts)
            time.sleep(0.001)
            keys = house.keyring.slot_keys(
                tx, [(holder.account_id, 0) for holder in holders.values()]
            )
            house.keyring.account_keys(tx, house.accounts)
            assert len(keys) == len(holders)

    def choose(number: int) -> None:
        with transaction(house.pool) as tx:
            town = house.town(tx)
            for account in house.accounts[:2]:
                town.take(
                    do.Choose(
                        account=account, at=house.now, allow=number % 2 == 0, evidence="a click"
                    )
                )

    def erase_one(number: int) -> None:
        said = house.say(house.accounts[number % 6])
        with transaction(house.pool) as tx:
            house.town(tx).about(said, do.Delete, at=house.now)
            sweep_batches.sweep_batch(tx, house.now + timedelta(days=60), only=[said.account])

    acts: dict[str, Callable[[int], object]] = {
        "rotate": lambda n: house.rotate(Rotation.weekly if n % 2 else Rotation.daily),
        "say": lambda n: house.say(house.accounts[n % 6]),
        "choose": choose,
        "delete": erase_one,
        "open": lambda n: house.account(),
        "read": read,
    }
    threads = [threading.Thread(target=repeat(name, act)) for name, act in acts.items()]
    for thread in threads:
        thread.start()
    ended.wait(RACE_SECONDS)
    ended.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert min(counts.values()) > 1, counts
    house.rotate(Rotation.weekly)
    house.contents()


def test_a_database_behind_the_fence_is_not_rotated(house: House) -> None:
    """What it lacks would be wrapped anew as if it lived."""
    house.say(house.account())
    with transaction(house.pool) as tx:
        tx.execute("INSERT INTO fence (begun_at) VALUES (%s)", [house.now])
    with pytest.raises(LicetError):
        house.rotate()
    with transaction(house.pool) as tx:
        tx.execute("DELETE FROM fence")
    house.rotate()
    assert house.contents() == 2
