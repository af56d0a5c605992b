"""Restoring last week's backup brings nothing back that was taken back since: the drill, on a database of its own."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from licet import service
from licet.config import Config
from licet.errors import BrokenError, DeniedError, NotFoundError, RefusedError
from licet.policy.decide import Because
from licet.policy.file import preset
from licet.policy.state import Turn
from licet.service import backup, erasure, proving
from licet.store import embedded
from licet.store.connect import transaction
from licet.vault import apply, fence, rotate, view
from licet.vault import commands as do
from licet.vault.keyring import Keyring
from licet.vault.open import Permit
from licet.vault.open import open as open_content
from licet.vault.restrictions import Kind, Restriction
from licet.vault.rotate import Rotation
from licet.web import keys
from licet.web.roles import Scope

from .installed import BEGIN, House

DAY = timedelta(days=1)


class Place:
    """An installation on a server of its own, opened and closed as commands do."""

    def __init__(self, folder: Path) -> None:
        self.config = Config(data=folder / "data")
        self.config.data.mkdir(exist_ok=True)
        self.backups = folder / "backups"
        self.now = BEGIN

    def clock(self) -> datetime:
        return self.now


class Home(House):
    """A `House` over an opened installation, journal and all."""

    def __init__(self, here: service.Installation, place: Place, before: Home | None = None) -> None:
        self.place = place
        self.here = here
        if before is None:
            service.apply_policy(here, preset("article-2025"), by="test")
        self.accounts = before.accounts if before else {}
        self.chats = before.chats if before else {}
        self._host_key = service.host_key(here)
        self._turns = before._turns if before else {}

    @property
    def now(self) -> datetime:  # type: ignore[override]
        return self.place.now

    def decided(self, chat: str, purpose: str = "improve_models") -> Because:
        """Why the first turn of a chat may or may not be used now."""
        known = service.policies(self.here)
        with transaction(self.here.pool) as tx:
            account = view.owner(tx, self.chats[chat])
            assert account is not None
            seen = view.seen(tx, [(account, self.chats[chat])], known, self.now)[self.chats[chat]]
            turn = view.turns(tx, account, self.chats[chat])[0]
            return seen.decide(turn, known, purpose).because

    def read(self, name: str, chat: str) -> str:
        """The first turn of a chat, as its own person reads it."""
        known = service.policies(self.here)
        with transaction(self.here.pool) as tx:
            seen = view.seen(tx, [(self.accounts[name], self.chats[chat])], known, self.now)[self.chats[chat]]
            turn: Turn = view.turns(tx, self.accounts[name], self.chats[chat])[0]
            permit = Permit.to_owner(seen.account, seen.conversation, seen.turns, turn, self.now)
            return open_content(tx, self.here.keyring, [permit])[0].content.text


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    embedded.stop(place.config.data / "postgres")


NAMES = ("ana", "ben", "cem", "dia", "eva", "fay", "gus")


def talk(place: Place) -> tuple[Home, Path]:
    """Everybody says yes and talks; a backup is taken; then each takes something back, and the log is told."""
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    with service.installation(place.config, place.clock) as here:
        home = Home(here, place)
        for name in NAMES:
            home.open(name, allow=True)
            home.talk(name, f"{name}-chat")
        home.about(do.Flag, "gus", "gus-chat", score=0.9)
        proving.append(here)
        home.choose("ana", True)  # waits in the backup, and is told after it
        place.now += DAY
        kept = backup.back_up(here, place.backups)
        proving.append(here)
        place.now += DAY
        take_back(home)
        proving.append(here)
    return home, kept.folder


def take_back(home: Home) -> None:
    home.about(do.Delete, "ana", "ana-chat")
    home.choose("ben", False)
    home.about(do.Narrow, "cem", "cem-chat")
    home.account(do.CloseAccount, "dia")
    home.account(do.SetPlan, "eva", plan="work")
    home.about(do.Hold, "fay", "fay-chat", matter="the kettle v. the town")
    home.about(do.Unflag, "gus", "gus-chat")
    home.open("new", allow=True)
    home.talk("new", "new-chat")
    home.about(do.Delete, "new", "new-chat")


def check_nothing_came_back(home: Home) -> None:
    assert home.decided("ana-chat") is Because.deleted
    assert home.decided("ben-chat") is Because.withdrawn
    assert home.decided("cem-chat") is Because.narrowed
    assert home.decided("dia-chat") is Because.closed
    assert home.decided("eva-chat") is Because.lapsed
    assert home.decided("fay-chat") is Because.permitted
    assert home.decided("gus-chat", "safety_classifiers") is not Because.flagged
    with pytest.raises(DeniedError):
        home.read("ana", "ana-chat")
    assert home.read("ben", "ben-chat")
    held = home.query("SELECT conversation_id FROM holds")
    assert [row[0] for row in held] == [home.chats["fay-chat"]]
    mine = "SELECT requested_at, state FROM erasures WHERE cause = 'deletion' AND account_id = %s"
    (asked,) = home.query(mine, home.accounts["ana"])
    assert asked == (BEGIN + 2 * DAY, "fenced")
    keep = home.query("SELECT keep_until FROM segments WHERE conversation_id = %s", home.chats["ana-chat"])
    assert keep == [(BEGIN + 32 * DAY,)], "the deletion counts from the day on which it was asked for"


def check_the_log(home: Home) -> dict[str, int]:
    """The stranger's verifier, on its own; returns how often each kind is told."""
    folder = home.place.config.data / "published"
    proving.append(home.here)
    proving.publish(home.here, folder)
    vkey = (folder / proving.KEYS_FILE).read_text().split()[0]
    alone = [sys.executable, "-I", str(folder / "verifier.py"), "log", str(folder / "2025"), "--key", vkey]
    done = subprocess.run(alone, capture_output=True, text=True, cwd="/", check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    told: dict[str, int] = {}
    for raw in proving.Published(folder / "2025", proving.key(home.here)).entries():
        kind = json.loads(raw)["t"]
        told[kind] = told.get(kind, 0) + 1
    return told


def test_what_was_taken_back_since_the_backup_stays_taken_back(place: Place) -> None:
    home, folder = talk(place)
    with service.installation(place.config, place.clock) as here:
        before = check_the_log(Home(here, place, home))
    place.now += DAY
    done = backup.restore(place.config, folder, place.clock)
    assert done.applied == {
        "deleted": 1, "refused": 1, "narrowed": 1, "closed": 1, "plan": 1, "held": 1, "unflagged": 1
    }  # fmt: skip
    assert (done.gone, done.life) == (1, 1), "what the backup does not hold cannot come back either"
    assert done.placed > 0, "what waited in the backup and was told since has its place again"
    with service.installation(place.config, place.clock) as here:
        again = Home(here, place, home)
        check_nothing_came_back(again)
        after = check_the_log(again)
        assert after == {**before, "restored": 1}, "what had been told is not told twice"
        again.choose("fay", False)
        assert again.decided("fay-chat") is Because.withdrawn
        assert check_the_log(again)["choice"] == before["choice"] + 1


def test_while_the_fence_stands_nothing_is_read_leased_written_or_erased(place: Place) -> None:
    home, folder = talk(place)
    with service.installation(place.config, place.clock) as here:
        running = Home(here, place, home)
        service.build_release(here, name="one", purpose="improve_models")
        with transaction(here.pool) as tx:
            fence.raise_(tx, place.now)
        for refused in (
            lambda: running.read("ben", "ben-chat"),
            lambda: running.rows("one"),
            lambda: running.say("fay", "fay-chat", "more"),
            lambda: running.choose("fay", True),
            lambda: service.build_release(here, name="two", purpose="improve_models"),
            lambda: service.sweep(here),
            lambda: backup.back_up(here, place.backups),
        ):
            with pytest.raises(RefusedError) as error:
                refused()
            assert error.value.because == "fenced"
    with pytest.raises(RefusedError, match="has not been applied"), service.installation(place.config, place.clock):
        pass
    assert backup.restore(place.config, folder, place.clock).applied["deleted"] == 1
    with service.installation(place.config, place.clock) as here:
        assert Home(here, place, home).read("ben", "ben-chat")


RESTORE = "import sys; from licet.cli import main; sys.exit(main())"


def test_a_restore_that_is_killed_anywhere_leaves_the_fence_and_is_begun_anew(place: Place) -> None:
    home, folder = talk(place)
    call = [sys.executable, "-c", RESTORE, "restore", str(folder), "--data", str(place.config.data)]
    place.now = datetime.now(place.now.tzinfo)  # the command's clock
    killed = 0
    dice = random.Random(6)
    for _ in range(4):
        running = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.7, 2.2))
        if running.poll() is None:
            running.send_signal(signal.SIGKILL)
            killed += 1
        running.wait()
    assert killed, "at least one was killed before its end"
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with service.installation(place.config, place.clock) as here:
        again = Home(here, place, home)
        assert again.decided("ana-chat") is Because.deleted
        assert again.decided("dia-chat") is Because.closed
        assert not again.query("SELECT FROM fence")


def test_a_database_restored_by_other_means_is_refused_until_it_was_brought_forward(place: Place) -> None:
    home, folder = talk(place)
    dsn = embedded.revive(place.config.data / "postgres")
    backup.dump.put_back(dsn, folder / backup.DUMP)  # behind our back, without a fence
    with pytest.raises(RefusedError) as error, service.installation(place.config, place.clock):
        pass
    assert error.value.because == "restored"
    assert backup.restore(place.config, None, place.clock).applied["refused"] == 1
    with service.installation(place.config, place.clock) as here:
        check_nothing_came_back(Home(here, place, home))
        check_the_log(Home(here, place, home))


def test_restoring_twice_applies_again_only_what_each_backup_lacks(place: Place) -> None:
    home, first = talk(place)
    backup.restore(place.config, first, place.clock)
    with service.installation(place.config, place.clock) as here:
        again = Home(here, place, home)
        again.choose("ben", True)
        place.now += DAY
        second = backup.back_up(here, place.backups).folder
        again.about(do.Narrow, "fay", "fay-chat")
    done = backup.restore(place.config, second, place.clock)
    assert done.applied == {"narrowed": 1}, "what an earlier life took back is in a backup of a later one"
    with service.installation(place.config, place.clock) as here:
        again = Home(here, place, home)
        assert again.decided("fay-chat") is Because.narrowed
        assert again.query("SELECT standing FROM accounts WHERE account_id = %s", home.accounts["ben"]) == [
            ("granted",)
        ]
        check_the_log(again)
    assert backup.restore(place.config, first, place.clock).applied["narrowed"] == 2
    with service.installation(place.config, place.clock) as here:
        check_nothing_came_back_but_for_fay(Home(here, place, home))
        check_the_log(Home(here, place, home))


def check_nothing_came_back_but_for_fay(home: Home) -> None:
    assert home.decided("ana-chat") is Because.deleted
    assert home.decided("ben-chat") is Because.withdrawn, "a yes that was lost is to be asked for again"
    assert home.decided("fay-chat") is Because.narrowed
    assert home.query("SELECT count(*) FROM backups") == [(2,)], "a backup that was taken since is known again"


def test_a_policy_that_was_applied_since_is_applied_again(place: Place) -> None:
    home, folder = talk(place)
    place.now += DAY
    newer = msgspec.structs.replace(
        preset("article-2025"), version="2025-12-01", effective=place.now + 30 * DAY, decide_by=None, material=True
    )
    with service.installation(place.config, place.clock) as here:
        service.apply_policy(here, newer, by="counsel")
        proving.append(here)
    assert backup.restore(place.config, folder, place.clock).applied["policy"] == 1
    with service.installation(place.config, place.clock) as here:
        assert len(service.policies(here)) == 2
        check_the_log(Home(here, place, home))


def test_once_the_epoch_is_destroyed_its_backup_opens_nothing(place: Place) -> None:
    home, folder = talk(place)
    with service.installation(place.config, place.clock) as here:
        again = Home(here, place, home)
        rotate.rotate(here.pool, here.keyring, Rotation.daily, place.clock)
        place.now += 8 * DAY
        window = timedelta(days=place.config.key_chain.backup_days)
        assert rotate.destroy_due(here.pool, here.keyring, place.clock, window) == [1]
        assert again.read("ben", "ben-chat"), "what lives opens in today's database"
    with pytest.raises(RefusedError) as error:
        backup.restore(place.config, folder, place.clock)
    assert error.value.because == "dead_epoch"
    with service.installation(place.config, place.clock) as here:  # nothing was changed, and no fence was left
        assert Home(here, place, home).read("ben", "ben-chat")


def test_a_backup_is_verified_listed_and_pruned_by_its_day(place: Place) -> None:
    _, folder = talk(place)
    assert backup.verify(folder).life == 0
    (place.backups / "half").mkdir()
    (place.backups / "half" / backup.DUMP).write_bytes(b"PGDMP")
    with service.installation(place.config, place.clock) as here:
        assert [kept.whole for kept in backup.backups(here, place.backups)] == [True, False]
        assert [kept.folder.name for kept in backup.prune(here, place.backups).backups] == ["half"]
        place.now += timedelta(days=place.config.key_chain.backup_days)
        assert [kept.folder for kept in backup.prune(here, place.backups).backups] == [folder]
        with transaction(here.pool) as tx:
            assert tx.execute("SELECT pruned_at FROM backups").fetchall() == [(place.now,)]
    with pytest.raises(NotFoundError):
        backup.verify(folder)


def test_a_backup_that_was_changed_or_is_anothers_is_refused_and_changes_nothing(place: Place, tmp_path: Path) -> None:
    home, folder = talk(place)
    dumped = (folder / backup.DUMP).read_bytes()
    (folder / backup.DUMP).write_bytes(dumped[:-1] + bytes([dumped[-1] ^ 1]))
    with pytest.raises(BrokenError, match="not the one of its manifest"):
        backup.restore(place.config, folder, place.clock)
    (folder / backup.DUMP).write_bytes(dumped)
    other = msgspec.structs.replace(place.config, restrictions=tmp_path / "another")
    with pytest.raises(RefusedError) as error:
        backup.restore(other, folder, place.clock)
    assert error.value.because == "other_journal"
    with pytest.raises(RefusedError) as error, service.installation(other, place.clock):
        pass
    assert error.value.because == "other_journal"
    with service.installation(place.config, place.clock) as here:
        check_nothing_came_back(Home(here, place, home))


def test_the_dump_holds_no_epoch_key(place: Place) -> None:
    _, folder = talk(place)
    held = b"".join(path.read_bytes() for path in folder.iterdir())
    for key in place.config.keys.glob("*.key"):
        assert key.read_bytes() not in held
        assert key.read_bytes().hex().encode() not in held


def test_a_life_is_never_begun_twice(place: Place) -> None:
    _, folder = talk(place)
    assert [backup.restore(place.config, folder, place.clock).life for _ in range(3)] == [1, 2, 3]


def test_a_key_that_was_revoked_since_the_backup_stays_revoked(place: Place) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    with service.installation(place.config, place.clock) as here:
        Home(here, place)
        with transaction(here.pool) as tx:
            made = {n: keys.make(tx, n, [Scope.gate_read], place.now, here.keyring.random) for n in ("lost", "kept")}
        folder = backup.back_up(here, place.backups).folder
        place.now += DAY
        with transaction(here.pool) as tx:
            keys.revoke(tx, "lost", place.now, here.keyring.restrictions)
    assert backup.restore(place.config, folder, place.clock).applied == {"key_revoked": 1}
    with service.installation(place.config, place.clock) as here, transaction(here.pool) as tx:
        assert keys.find(tx, made["lost"]) is None
        assert keys.find(tx, made["kept"]) is not None


def test_what_was_committed_before_a_restore_and_was_slow_to_be_kept_is_refused(place: Place) -> None:
    """Whoever took it was stopped between its commit and the journal: the restore cannot know it, so nobody is told."""
    home, folder = talk(place)
    with service.installation(place.config, place.clock) as slow:
        journal = slow.keyring.restrictions
        assert journal is not None
        backup.restore(place.config, folder, place.clock)
        late = Restriction(life=0, kind=Kind.closed, at=place.now, account=home.accounts["fay"], seq=99)
        with pytest.raises(RefusedError) as error:
            journal.append([late])
        assert error.value.because == "restored"
        Home(slow, place, home).account(do.CloseAccount, "fay")
        assert [record.life for record in journal.newest(1)] == [1], "made again, it is kept"


def test_no_epoch_is_destroyed_while_the_fence_stands(place: Place) -> None:
    """The restore that put it up has found the keys of its backup."""
    talk(place)
    with service.installation(place.config, place.clock) as here:
        rotate.rotate(here.pool, here.keyring, Rotation.daily, place.clock)
        place.now += 8 * DAY
        with transaction(here.pool) as tx:
            fence.raise_(tx, place.now)
        with pytest.raises(RefusedError) as error:
            rotate.destroy_due(here.pool, here.keyring, place.clock, timedelta())
        assert error.value.because == "fenced"
        assert (place.config.keys / "epoch-000001.key").exists()


def test_what_was_certified_stays_erased_though_a_crash_kept_it_out_of_the_journal(place: Place) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    with service.installation(place.config, place.clock) as here:
        home = Home(here, place)
        home.open("ana", allow=True)
        home.talk("ana", "ana-chat")
        folder = backup.back_up(here, place.backups).folder
        place.now += DAY
        with transaction(here.pool) as tx:  # its program was killed before it could keep it
            unkept = Keyring(here.keyring.provider)
            gone = do.Delete(account=home.accounts["ana"], at=place.now, conversation=home.chats["ana-chat"])
            apply.apply(tx, unkept, service.policies(here), [gone])
        home.choose("ana", True)  # what comes after it is kept, so that no opening looks for it
        assert erasure.run(here, at_once=True).certificates == 1
    assert backup.restore(place.config, folder, place.clock).applied["deleted"] == 1
    with service.installation(place.config, place.clock) as here:
        assert Home(here, place, home).decided("ana-chat") is Because.deleted
