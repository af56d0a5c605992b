"""Restoring last week's backup brings nothing back that was taken back since: the drill, on a
database of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import psutil
import psycopg
import pytest
from click.testing import CliRunner

from licet.access import service_keys
from licet.access.roles import Scope
from licet.access.service_keys import KeyAct, KeyLimits
from licet.backup import archives, backup_manifest, dump, postgres_programs
from licet.cli.command import main
from licet.config import Configuration
from licet.consent import rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights import ReceivedVia
from licet.consent.rights_requests import EnteredRequest, SendRequest
from licet.curate import release_build
from licet.erasure import certificates, key_rotation, sweeper
from licet.erasure.key_rotation import Rotation
from licet.errors import (
    BrokenError,
    BusyError,
    ContradictedError,
    DeniedError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from licet.keys import fence
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.keys.restriction_journal import Restriction, RestrictionKind
from licet.ledger import publication
from licet.ledger.sequence import SEQUENCER_LOCK
from licet.policy.decide import DecisionReason
from licet.proof import documents
from licet.service import policy_changes
from licet.store import embedded
from licet.store.connect import transaction
from licet.store.migrate import drift
from licet.vault import account_view, apply
from licet.vault import commands as do
from licet.vault.commands import HoldReason
from licet.vault.installation import Installation, load_host_key, load_policies, open_installation
from licet.vault.permit import Permit
from licet.vault.permit import open as open_content
from licet.vault.requests import Write, WriteBatch

from ..forking import FORKED
from ..installed import BEGIN, House
from ..terms import preset

DAY = timedelta(days=1)


class Place:
    """An installation on a server of its own, opened and closed as commands do."""

    def __init__(self, folder: Path) -> None:
        self.config = Configuration(data=folder / "data")
        self.config.data.mkdir(exist_ok=True)
        self.backups = folder / "backups"
        # where what was told once is kept, of which each test gets a copy
        self.shared = folder / "talked"
        self.now = BEGIN

    def clock(self) -> datetime:
        return self.now


class Home(House):
    """A `House` over an opened installation, journal and all."""

    def __init__(
        self, installation: Installation, place: Place, before: Home | None = None
    ) -> None:
        self.place = place
        self.installation = installation
        if before is None:
            policy_changes.apply_policy(installation, preset("article-2025"), actor="test")
        self.accounts = before.accounts if before else {}
        self.chats = before.chats if before else {}
        self._host_key = load_host_key(installation)
        self._turns = before._turns if before else {}

    @property
    def now(self) -> datetime:  # type: ignore[override]  # a property in place of an attribute
        return self.place.now

    def decided(self, chat: str, purpose: str = "improve_models") -> DecisionReason:
        """Why the first turn of a chat may or may not be used now."""
        known = load_policies(self.installation)
        with transaction(self.installation.pool) as tx:
            account = account_view.owner(tx, self.chats[chat])
            assert account is not None
            seen = account_view.load_views(tx, [(account, self.chats[chat])], known, self.now)[
                self.chats[chat]
            ]
            turn = account_view.list_turns(tx, account, self.chats[chat])[0]
            return seen.decide(turn, known, purpose).because

    def read(self, name: str, chat: str) -> str:
        """The first turn of a chat, as its own person reads it."""
        known = load_policies(self.installation)
        with transaction(self.installation.pool) as tx:
            seen = account_view.load_views(
                tx, [(self.accounts[name], self.chats[chat])], known, self.now
            )[self.chats[chat]]
            of = seen.conversation, seen.turns, 0, [1]
            permit = Permit.to_owner(seen.account, *of, self.now)
            return open_content(tx, self.installation.keyring, [permit])[0].contents[0].text


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path)
    place.shared = tmp_path_factory.getbasetemp() / "talked"
    yield place
    embedded.stop(place.config.data / "postgres")


NAMES = ("ana", "ben", "cem", "dia", "eva", "fay", "gus")


@dataclass(frozen=True, slots=True)
class Talked:
    """What `talk` leaves, its server stopped."""

    place: Place
    home: Home
    backup: Path

    def copied(self, place: Place) -> tuple[Home, Path]:
        given = [self.place.config.data, self.place.backups]
        # a quarter of the time of shutil
        subprocess.run(["cp", "-a", *given, place.config.data.parent], check=True)
        place.now, backup = self.place.now, place.backups / self.backup.name
        embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
        with embedded.running(place.config.data / "postgres") as dsn, psycopg.connect(dsn) as conn:
            conn.execute("UPDATE backups SET folder = %s", [str(backup)])
        home = copy(self.home)
        home.place, home.accounts, home.chats = place, dict(home.accounts), dict(home.chats)
        home._turns = dict(home._turns)
        return home, backup


_talked: list[Talked] = []


def talk(place: Place) -> tuple[Home, Path]:
    """Everybody says yes and talks; a backup is taken; then each takes something back, and the log
    is told.
    """
    if not _talked:
        place.shared.mkdir()
        first = Place(place.shared)
        home, backup = talk_first(first)
        embedded.stop(first.config.data / "postgres")
        _talked.append(Talked(first, home, backup))
    return _talked[0].copied(place)


def talk_first(place: Place) -> tuple[Home, Path]:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    with open_installation(place.config, place.clock) as installation:
        home = Home(installation, place)
        for name in NAMES:
            home.open(name, allow=True)
            home.talk(name, f"{name}-chat")
        home.about(do.Flag, "gus", "gus-chat", score=0.9)
        documents.append(installation)
        home.choose("ana", True)  # waits in the backup, and is told after it
        place.now += DAY
        kept = archives.back_up(installation, place.backups)
        documents.append(installation)
        place.now += DAY
        take_back(home)
        documents.append(installation)
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
    assert home.decided("ana-chat") is DecisionReason.deleted
    assert home.decided("ben-chat") is DecisionReason.withdrawn
    assert home.decided("cem-chat") is DecisionReason.narrowed
    assert home.decided("dia-chat") is DecisionReason.closed
    assert home.decided("eva-chat") is DecisionReason.lapsed
    assert home.decided("fay-chat") is DecisionReason.permitted
    assert home.decided("gus-chat", "safety_classifiers") is not DecisionReason.flagged
    with pytest.raises(DeniedError):
        home.read("ana", "ana-chat")
    assert home.read("ben", "ben-chat")
    held = home.query("SELECT conversation_id FROM holds")
    assert [row[0] for row in held] == [home.chats["fay-chat"]]
    mine = "SELECT requested_at, state FROM erasures WHERE cause = 'deletion' AND account_id = %s"
    (asked,) = home.query(mine, home.accounts["ana"])
    assert asked == (BEGIN + 2 * DAY, "fenced")
    keep = home.query(
        "SELECT keep_until FROM segments WHERE conversation_id = %s", home.chats["ana-chat"]
    )
    assert keep == [(BEGIN + 32 * DAY,)], (
        "the deletion counts from the day on which it was asked for"
    )


def check_the_log(home: Home) -> dict[str, int]:
    """The stranger's verifier, on its own; returns how often each kind is told."""
    folder = home.place.config.data / "published"
    documents.append(home.installation)
    documents.publish(home.installation, folder)
    vkey = (folder / documents.KEYS_FILE).read_text().split()[0]
    alone = [
        sys.executable,
        "-I",
        str(folder / "verifier.py"),
        "log",
        str(folder / "2025"),
        "--key",
        vkey,
    ]
    done = subprocess.run(alone, capture_output=True, text=True, cwd="/", check=False, timeout=600)
    assert done.returncode == 0, done.stdout
    told: dict[str, int] = {}
    for raw in publication.PublishedLog(
        folder / "2025", documents.key(home.installation)
    ).entries():
        kind = json.loads(raw)["t"]
        told[kind] = told.get(kind, 0) + 1
    return told


def test_what_was_taken_back_since_the_backup_stays_taken_back(place: Place) -> None:
    home, folder = talk(place)
    with open_installation(place.config, place.clock) as installation:
        before = check_the_log(Home(installation, place, home))
    place.now += DAY
    done = archives.restore(place.config, folder, place.clock)
    assert done.applied == {
        "deleted": 1,
        "refused": 1,
        "narrowed": 1,
        "closed": 1,
        "plan": 1,
        "held": 1,
        "unflagged": 1,
    }
    assert (done.gone, done.life) == (1, 1), "what the backup does not hold cannot come back either"
    assert done.placed > 0, "what waited in the backup and was told since has its place again"
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, home)
        check_nothing_came_back(again)
        after = check_the_log(again)
        grown = {"restored": 1, "journal_head": before["journal_head"] + 1}
        assert after == {**before, **grown}, "what had been told is not told twice"
        again.choose("fay", False)
        assert again.decided("fay-chat") is DecisionReason.withdrawn
        assert check_the_log(again)["choice"] == before["choice"] + 1


def test_a_dry_run_shows_what_a_restore_then_does_and_restores_nothing(place: Place) -> None:
    home, folder = talk(place)
    would = archives.forecast(place.config, folder, place.clock)
    assert (would.form, would.life) == (backup_manifest.BackupForm.dump, 0)
    environment = {"LICET_DATA": str(place.config.data)}
    typed = CliRunner(env=environment).invoke(main, ["restore", str(folder), "--dry-run", "--json"])
    assert json.loads(typed.stdout)["since"] == would.since, typed.output
    with open_installation(place.config, place.clock) as installation:
        assert Home(installation, place, home).decided("new-chat") is DecisionReason.deleted, (
            "what the backup lacks is here still"
        )
    with pytest.raises(UsageError, match="--until needs a base"):
        archives.forecast(place.config, folder, place.clock, place.now)
    done = archives.restore(place.config, folder, place.clock)
    assert sum(would.since.values()) == sum(done.applied.values()) + done.gone
    assert (
        done.applied.items()
        <= (would.since | {"deleted": would.since["deleted"] - done.gone}).items()
    )
    again = archives.forecast(place.config, None, place.clock)
    assert (again.backup, again.life, again.since) == (None, 1, {})
    nowhere = Configuration(
        data=place.config.data.parent / "elsewhere", restrictions=place.config.journal
    )
    with pytest.raises(UsageError, match="there is no installation"):
        archives.forecast(nowhere, None, place.clock)
    assert not nowhere.data.exists()


def test_what_was_kept_of_projects_and_what_was_kept_out_since_the_backup_stay_so(
    place: Place,
) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    with open_installation(place.config, place.clock) as installation:
        home = Home(installation, place)
        work, play, club, late = (
            home.host("project", name) for name in ("work", "play", "club", "late")
        )
        home.open("ana", allow=True)
        home.open("ben", allow=True)
        home.choose("ana", False)
        for chat, project in (("work-chat", work), ("play-chat", play)):
            home.choose("ana", True, scope=do.ChosenScope(host_project=project))
            home.say("ana", chat, f"of {chat}", host_project=project)
        home.say("ben", "club-chat", "of the club", host_project=club)
        folder = archives.back_up(installation, place.backups).folder
        place.now += DAY
        home.choose("ana", False, keep=(do.ChosenScope(host_project=work),))
        home.account(do.KeepProjectOut, "ana", host_project=late)
        home.account(do.KeepProjectOut, "ben", host_project=club)
        check_the_log(home)
    place.now += DAY
    done = archives.restore(place.config, folder, place.clock)
    assert done.applied == {"refused": 1, "project_kept_out": 2}
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, home)
        assert again.decided("work-chat") is DecisionReason.permitted
        assert again.decided("play-chat") is DecisionReason.withdrawn
        assert again.decided("club-chat") is DecisionReason.narrowed
        for name, chat, project in (("ana", "late-chat", late), ("ben", "new-chat", club)):
            again.say(name, chat, "later", host_project=project)
            assert again.decided(chat) is DecisionReason.narrowed, (
                "what begins in it later begins kept out"
            )
        check_the_log(again)


def test_while_the_fence_stands_nothing_is_read_leased_written_or_erased(place: Place) -> None:
    home, folder = talk(place)
    with open_installation(place.config, place.clock) as installation:
        running = Home(installation, place, home)
        release_build.build_release(installation, name="one", purpose="improve_models")
        with transaction(installation.pool) as tx:
            fence.raise_fence(tx, place.now)
        for refused in (
            lambda: running.read("ben", "ben-chat"),
            lambda: running.rows("one"),
            lambda: running.say("fay", "fay-chat", "more"),
            lambda: running.choose("fay", True),
            lambda: release_build.build_release(installation, name="two", purpose="improve_models"),
            lambda: sweeper.sweep(installation),
            lambda: archives.back_up(installation, place.backups),
        ):
            with pytest.raises(RefusedError) as error:
                refused()
            assert error.value.because == "fenced"
    with (
        pytest.raises(RefusedError, match="have not been applied"),
        open_installation(place.config, place.clock),
    ):
        pass
    assert archives.restore(place.config, folder, place.clock).applied["deleted"] == 1
    with open_installation(place.config, place.clock) as installation:
        assert Home(installation, place, home).read("ben", "ben-chat")


RESTORE = "import sys; from licet.cli import main; sys.exit(main())"


def test_a_restore_that_is_killed_anywhere_leaves_the_fence_and_is_begun_anew(place: Place) -> None:
    home, folder = talk(place)
    call = [sys.executable, "-c", RESTORE, "restore", str(folder), "--data", str(place.config.data)]
    place.now = datetime.now(place.now.tzinfo)  # the command's clock
    killed = 0
    dice = random.Random(6)
    longest = 2.2  # seconds; less each time a restore was done before
    for _ in range(40):
        running = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            running.wait(dice.uniform(0.3, 1) * longest)
            longest *= 0.7
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            killed += 1
        if killed == 4:
            break
    assert killed == 4, "a restore was killed four times before its end"
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, home)
        assert again.decided("ana-chat") is DecisionReason.deleted
        assert again.decided("dia-chat") is DecisionReason.closed
        assert not again.query("SELECT FROM fence")


def test_a_database_restored_by_other_means_is_refused_until_it_was_brought_forward(
    place: Place,
) -> None:
    home, folder = talk(place)
    dsn = embedded.revive(place.config.data / "postgres")
    dump.restore_rows(dsn, folder / backup_manifest.DUMP)  # behind our back, without a fence
    with pytest.raises(RefusedError) as error, open_installation(place.config, place.clock):
        pass
    assert error.value.because == "restored"
    assert archives.restore(place.config, None, place.clock).applied["refused"] == 1
    with open_installation(place.config, place.clock) as installation:
        check_nothing_came_back(Home(installation, place, home))
        check_the_log(Home(installation, place, home))


def test_restoring_twice_applies_again_only_what_each_backup_lacks(place: Place) -> None:
    home, first = talk(place)
    archives.restore(place.config, first, place.clock)
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, home)
        again.choose("ben", True)
        place.now += DAY
        second = archives.back_up(installation, place.backups).folder
        again.about(do.Narrow, "fay", "fay-chat")
    done = archives.restore(place.config, second, place.clock)
    assert done.applied == {"narrowed": 1}, (
        "what an earlier life took back is in a backup of a later one"
    )
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, home)
        assert again.decided("fay-chat") is DecisionReason.narrowed
        assert again.query(
            "SELECT standing FROM standings WHERE account_id = %s", home.accounts["ben"]
        ) == [("granted",)]
        check_the_log(again)
    assert archives.restore(place.config, first, place.clock).applied["narrowed"] == 2
    with open_installation(place.config, place.clock) as installation:
        check_nothing_came_back_but_for_fay(Home(installation, place, home))
        check_the_log(Home(installation, place, home))


def check_nothing_came_back_but_for_fay(home: Home) -> None:
    assert home.decided("ana-chat") is DecisionReason.deleted
    assert home.decided("ben-chat") is DecisionReason.withdrawn, (
        "a yes that was lost is to be asked for again"
    )
    assert home.decided("fay-chat") is DecisionReason.narrowed
    assert home.query("SELECT count(*) FROM backups") == [(2,)], (
        "a backup that was taken since is known again"
    )


def test_a_policy_that_was_applied_since_is_applied_again(place: Place) -> None:
    home, folder = talk(place)
    place.now += DAY
    newer = msgspec.structs.replace(
        preset("article-2025"),
        version="2025-12-01",
        effective=place.now + 30 * DAY,
        decide_by=None,
        material=True,
    )
    with open_installation(place.config, place.clock) as installation:
        policy_changes.apply_policy(installation, newer, actor="counsel")
        documents.append(installation)
    assert archives.restore(place.config, folder, place.clock).applied["policy"] == 1
    with open_installation(place.config, place.clock) as installation:
        assert len(load_policies(installation)) == 2
        check_the_log(Home(installation, place, home))


def test_once_the_epoch_is_destroyed_its_backup_opens_nothing(place: Place) -> None:
    home, folder = talk(place)
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, home)
        key_rotation.rotate(installation.pool, installation.keyring, Rotation.daily, place.clock)
        place.now += 8 * DAY
        window = timedelta(days=place.config.key_chain.backup_days)
        assert key_rotation.destroy_due(
            installation.pool, installation.keyring, place.clock, window
        ) == [1]
        assert again.read("ben", "ben-chat"), "what lives opens in today's database"
    with pytest.raises(RefusedError) as error:
        archives.restore(place.config, folder, place.clock)
    assert error.value.because == "dead_epoch"
    # nothing was changed, and no fence was left
    with open_installation(place.config, place.clock) as installation:
        assert Home(installation, place, home).read("ben", "ben-chat")


def test_a_damaged_manifest_is_listed_as_damaged_and_nothing_is_pruned_beside_it(
    place: Place,
) -> None:
    _, folder = talk(place)
    damaged = place.backups / "damaged"
    damaged.mkdir()
    (damaged / backup_manifest.DUMP).write_bytes(b"PGDMP")
    (damaged / backup_manifest.MANIFEST).write_bytes(b"{")
    place.now += timedelta(days=place.config.key_chain.backup_days)
    with open_installation(place.config, place.clock) as installation:
        listed = {kept.folder: kept for kept in archives.list_backups(installation, place.backups)}
        assert listed[folder].expired
        assert "was changed" in listed[damaged].damage
        for prune in (archives.prune, archives.prune_wal):
            with pytest.raises(ContradictedError, match="nothing is removed beside it"):
                prune(installation, place.backups)
        assert folder.is_dir()
        assert damaged.is_dir()
        damaged.rename(place.backups.parent / "damaged")
        assert [kept.folder for kept in archives.prune(installation, place.backups).backups] == [
            folder
        ]


def test_a_backup_is_verified_listed_and_pruned_by_its_day(place: Place) -> None:
    _, folder = talk(place)
    assert archives.verify(place.config, folder).life == 0
    (place.backups / "half").mkdir()
    (place.backups / "half" / backup_manifest.DUMP).write_bytes(b"PGDMP")
    with open_installation(place.config, place.clock) as installation:
        assert [kept.whole for kept in archives.list_backups(installation, place.backups)] == [
            True,
            False,
        ]
        assert [
            kept.folder.name for kept in archives.prune(installation, place.backups).backups
        ] == ["half"]
        place.now += timedelta(days=place.config.key_chain.backup_days)
        assert [kept.folder for kept in archives.prune(installation, place.backups).backups] == [
            folder
        ]
        with transaction(installation.pool) as tx:
            assert tx.execute("SELECT pruned_at FROM backups").fetchall() == [(place.now,)]
    with pytest.raises(NotFoundError):
        archives.verify(place.config, folder)


def test_a_backup_that_was_changed_or_is_anothers_is_refused_and_changes_nothing(
    place: Place, tmp_path: Path
) -> None:
    home, folder = talk(place)
    dumped = (folder / backup_manifest.DUMP).read_bytes()
    (folder / backup_manifest.DUMP).write_bytes(dumped[:-1] + bytes([dumped[-1] ^ 1]))
    with pytest.raises(ContradictedError, match="does not match its manifest"):
        archives.restore(place.config, folder, place.clock)
    (folder / backup_manifest.DUMP).write_bytes(dumped)
    other = msgspec.structs.replace(place.config, restrictions=tmp_path / "another")
    with pytest.raises(RefusedError) as error:
        archives.restore(other, folder, place.clock)
    assert error.value.because == "other_journal"
    with pytest.raises(RefusedError) as error, open_installation(other, place.clock):
        pass
    assert error.value.because == "other_journal"
    with open_installation(place.config, place.clock) as installation:
        check_nothing_came_back(Home(installation, place, home))


COPIES = b"COPY public.accounts ("


def with_a_program(dumped: bytes, ran: Path) -> bytes:
    """The dump with another statement of the same length where the rows of accounts are to be
    copied.
    """
    begin = dumped.index(COPIES)
    end = dumped.index(b"FROM stdin;\n", begin) + len(b"FROM stdin;\n")
    statement = b"COPY public.accounts TO PROGRAM 'touch %s'; --" % bytes(ran)
    return dumped[:begin] + statement.ljust(end - begin - 1) + b"\n" + dumped[end:]


def written_anew(place: Place, folder: Path, dumped: bytes) -> None:
    """The dump replaced, and the manifest's hash of it with it, as anybody can who may write to the
    folder.
    """
    (folder / backup_manifest.DUMP).write_bytes(dumped)
    told = json.loads((folder / backup_manifest.MANIFEST).read_bytes())
    told |= {"size": len(dumped), "sha256": hashlib.sha256(dumped).hexdigest()}
    (folder / backup_manifest.MANIFEST).write_text(json.dumps(told))


def proved_anew(place: Place, folder: Path) -> None:
    """The manifest proved as only the installation's own key can."""
    manifest = backup_manifest.read_manifest(folder)
    seed = Keyring(FileProvider(place.config.keys)).unwrap_secret("log", manifest.proof)
    (folder / backup_manifest.MANIFEST).write_bytes(backup_manifest.write(manifest, seed))


def test_a_dump_that_was_made_to_run_a_program_is_contradicted_and_never_runs(
    place: Place, tmp_path: Path
) -> None:
    home, folder = talk(place)
    ran, dumped = tmp_path / "ran", (folder / backup_manifest.DUMP).read_bytes()
    tampered = with_a_program(dumped, ran)
    # The control: given to PostgreSQL as it is, by its own programs and as its superuser, it does
    # run.
    control = tmp_path / "control.dump"
    control.write_bytes(tampered)
    postgres_programs.run_program(
        ["createdb", "control"], dsn := embedded.revive(place.config.data / "postgres")
    )
    with suppress(BrokenError):
        postgres_programs.run_program(
            ["pg_restore", "--no-owner", "--dbname=control", str(control)], dsn
        )
    assert ran.exists()
    ran.unlink()
    written_anew(place, folder, tampered)
    for refused in (archives.verify, lambda *of: archives.restore(*of, place.clock)):
        with pytest.raises(ContradictedError, match="manifest"):
            refused(place.config, folder)
    proved_anew(place, folder)  # and were it proved: what is in it is held to what may be in it
    for refused in (archives.verify, lambda *of: archives.restore(*of, place.clock)):
        with pytest.raises(
            ContradictedError, match=r"no dump of Licet contains: `COPY public\.accounts TO PROGRAM"
        ):
            refused(place.config, folder)
    with pytest.raises(ContradictedError, match="TO PROGRAM"):
        dump.restore_rows(dsn, folder / backup_manifest.DUMP)
    assert not ran.exists()
    # nothing was changed, and no fence was left
    with open_installation(place.config, place.clock) as installation:
        check_nothing_came_back(Home(installation, place, home))


FOREIGN = (
    "CREATE FUNCTION run() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE another (id int)",
    "CREATE VIEW seen AS SELECT 1 AS one",
    "CREATE EXTENSION citext",
    "CREATE FUNCTION fire() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; "
    "CREATE EVENT TRIGGER fires ON ddl_command_end EXECUTE FUNCTION fire()",
    "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
    "CREATE TRIGGER notes AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION noted()",
    "CREATE RULE ruled AS ON INSERT TO holds DO ALSO NOTIFY ruled",
    "CREATE SCHEMA beside; CREATE TABLE beside.holds (id int)",
    (
        "ALTER TABLE accounts ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON accounts "
        "USING (true)"
    ),
)


def test_a_dump_holds_our_tables_and_nothing_else(
    databases: Callable[..., str], tmp_path: Path
) -> None:
    dsn, target = databases(), tmp_path / "of.dump"
    dump.dump_database(dsn, target)
    dump.check(target)
    for statement in FOREIGN:
        changed = databases()
        with psycopg.connect(changed, autocommit=True) as conn:
            conn.execute(statement)
        dump.dump_database(changed, target)
        with pytest.raises(ContradictedError, match="contains what no dump of Licet contains"):
            dump.check(target)
    with psycopg.connect(dsn) as conn:
        conn.execute("ALTER TABLE holds ADD COLUMN more text")
        conn.execute("DROP TABLE suggestions")
    dump.dump_database(dsn, target)
    with pytest.raises(
        ContradictedError, match=r"contains what no dump of Licet contains: `COPY public.holds"
    ):
        dump.restore_rows(databases(), target)
    with psycopg.connect(dsn) as conn:
        conn.execute("ALTER TABLE holds DROP COLUMN more")
    dump.dump_database(dsn, target)
    with pytest.raises(ContradictedError, match="lacks the table `suggestions`"):
        dump.restore_rows(databases(), target)


def test_what_stands_beside_our_tables_is_gone_after_putting_back_and_what_an_extension_brought_stays(
    databases: Callable[..., str], tmp_path: Path
) -> None:
    dsn = databases()
    dump.dump_database(dsn, tmp_path / "dump")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE FUNCTION brought() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        conn.execute("ALTER EXTENSION plpgsql ADD FUNCTION brought()")  # as one of its own
        conn.execute("CREATE FUNCTION noted() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        conn.execute("CREATE PROCEDURE done() LANGUAGE sql AS 'SELECT 1'")
        dump.restore_rows(dsn, tmp_path / "dump")
        left = conn.execute(
            "SELECT proname FROM pg_proc WHERE proname IN ('noted', 'done', 'brought')"
        ).fetchall()
        assert left == [("brought",)]


def test_a_reader_of_a_dump_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    class OnPurpose(Exception):
        pass

    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(OnPurpose), dump._output(["sleep", "600"]):
        raise OnPurpose
    assert {child.pid for child in psutil.Process().children()} <= before


def test_rows_are_put_back_by_a_role_that_has_these_tables_and_no_right_beside(
    databases: Callable[..., str], tmp_path: Path
) -> None:
    """Seen from inside; outside a transaction that puts rows back there is no such role."""
    dsn, into, target = databases(), databases(), tmp_path / "of.dump"
    dump.dump_database(dsn, target)
    roles = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'licet_restore_%'"
    with psycopg.connect(into) as conn:
        with dump._restricted_role(conn):
            asked = (
                "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE "
                "rolname = current_user"
            )
            ((who, may_more),) = conn.execute(asked).fetchall()
            assert who.startswith("licet_restore_")
            assert not may_more
            for forbidden in (
                "COPY accounts TO PROGRAM 'true'",
                "COPY accounts TO '/tmp/accounts'",
                "SELECT pg_read_file('PG_VERSION')",
                "INSERT INTO fence (begun_at) VALUES (now())",
                "CREATE TABLE mine (id int)",
                "CREATE ROLE another",
                "CREATE EXTENSION file_fdw",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                    conn.execute(forbidden)
        conn.commit()
        assert conn.execute(roles).fetchone() == (0,)
    dump.restore_rows(into, target)
    with psycopg.connect(into) as ours, psycopg.connect(dsn) as theirs:
        assert drift(ours, theirs) == "", (
            "nothing is left of it, and indexes and references are there again"
        )
        assert ours.execute(roles).fetchone() == (0,)


def test_every_field_of_a_manifest_is_proved(place: Place) -> None:
    _, folder = talk(place)
    told = json.loads((folder / backup_manifest.MANIFEST).read_bytes())
    lies = {
        "backup": "bak_0190f3a4c2d87b6e9a51c3d4e5f60718",
        "made_at": "2025-01-01T00:00:00Z",
        "form": "base",
        "expires_at": "2035-01-01T00:00:00Z",
        "schema": told["schema"] - 1,
        "life": 7,
        "epochs": [],
        "logs": [],
        "journal": "0190f3a4-c2d8-7b6e-9a51-c3d4e5f60718",
        "head": told["head"] + 1,
        "chain": "0" * 64,
        "size": told["size"] - 1,
        "sha256": "0" * 64,
        "begins": "000000010000000000000002",
        "archive": "../elsewhere",
        "ended_at": "2025-01-01T00:00:00Z",
        "mac": "0" * 64,
        "v": backup_manifest.VERSION - 1,
    }
    assert lies.keys() == told.keys() - {"proof"}
    for field, lie in lies.items():
        (folder / backup_manifest.MANIFEST).write_text(json.dumps({**told, field: lie}))
        with pytest.raises(ContradictedError, match="was changed"):
            archives.verify(place.config, folder)
    proof = base64.b64encode(bytes(64)).decode()
    (folder / backup_manifest.MANIFEST).write_text(json.dumps({**told, "proof": proof}))
    with pytest.raises(RefusedError, match="not proved"):
        archives.verify(place.config, folder)
    (folder / backup_manifest.MANIFEST).write_text(json.dumps(told))
    assert archives.verify(place.config, folder).life == 0


def test_verify_says_proved_contradicted_or_not_proved(place: Place) -> None:
    _, folder = talk(place)
    place.now = datetime.now(place.now.tzinfo)
    manifest = (folder / backup_manifest.MANIFEST).read_text()

    def said(code: int, *more: str) -> str:
        call = [FORKED, "backup", "verify", str(folder), "--data", str(place.config.data), *more]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout

    assert said(0).startswith("proved: ")
    assert json.loads(said(0, "--json"))["verdict"] == "proved"
    (folder / backup_manifest.MANIFEST).write_text(manifest.replace('"life": 0', '"life": 1'))
    assert said(1).startswith("contradicted: ")
    assert json.loads(said(1, "--json"))["verdict"] == "contradicted"
    (folder / backup_manifest.MANIFEST).write_text(manifest)
    place.config.keys.rename(place.config.data / "keys-elsewhere")
    assert said(1).startswith("not proved: ")
    assert json.loads(said(1, "--json"))["verdict"] == "not proved"


def test_a_backup_of_an_older_licet_is_listed_and_pruned_by_the_day_that_was_registered(
    place: Place,
) -> None:
    _, folder = talk(place)
    told = json.loads((folder / backup_manifest.MANIFEST).read_bytes())
    del told["mac"]
    (folder / backup_manifest.MANIFEST).write_text(
        json.dumps({**told, "v": 2, "expires_at": "2099-01-01T00:00:00Z"})
    )
    with open_installation(place.config, place.clock) as installation:
        (kept,) = archives.list_backups(installation, place.backups)
        assert kept.expires_at is not None
        assert kept.expires_at == datetime.fromisoformat(told["expires_at"]), (
            "a manifest cannot keep a backup for longer"
        )
        place.now = kept.expires_at
        assert [one.folder for one in archives.prune(installation, place.backups).backups] == [
            folder
        ]


def test_the_dump_holds_no_epoch_key(place: Place) -> None:
    """In the dump as it is, and in all that PostgreSQL reads out of it: its rows are compressed."""
    _, folder = talk(place)
    (key,) = [path.read_bytes() for path in place.config.keys.glob("*.key")]
    assert in_dump(folder, key) == set()
    assert in_dump(folder, b"article-2025") == {"read"}, (
        "what is in clear in a row is found, read and not as it lies"
    )
    with open_installation(place.config, place.clock) as installation:
        # the control: put in on purpose, in bytes and in letters
        with transaction(installation.pool) as tx:
            tx.execute("INSERT INTO secrets (name, wrapped) VALUES ('leak', %s)", [key])
        leaked = archives.back_up(installation, place.backups).folder
        assert in_dump(leaked, key) == {"read"}
        with transaction(installation.pool) as tx:
            tx.execute(
                "UPDATE secrets SET (name, wrapped) = (%s, '') WHERE name = 'leak'", [key.hex()]
            )
        leaked = archives.back_up(installation, place.backups).folder
        assert in_dump(leaked, key) == {"read"}


def in_dump(folder: Path, secret: bytes) -> set[str]:
    """Where a secret is found, in bytes, hexadecimal or base64: in the files as they lie, in what
    they are read as.
    """
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret)}
    lies = b"".join(path.read_bytes() for path in folder.iterdir())
    read = subprocess.run(
        [embedded.binaries() / "pg_restore", "--file=-", str(folder / backup_manifest.DUMP)],
        capture_output=True,
        check=True,
    ).stdout
    return {
        name
        for name, held in (("lies", lies), ("read", read))
        if any(form in held for form in forms)
    }


def test_a_hold_comes_back_as_it_was_placed_and_reviewed(place: Place) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    asked = "SELECT placed_at, reason, review_at, placed_by, is_told, matter_hmac FROM holds"
    with open_installation(place.config, place.clock) as installation:
        home = Home(installation, place)
        home.open("ana", allow=True)
        home.talk("ana", "ana-chat")
        folder = archives.back_up(installation, place.backups).folder
        place.now += DAY
        for reason, days, told in (
            (HoldReason.investigation, 30, True),
            (HoldReason.litigation, 90, False),
        ):
            home.about(
                do.Hold,
                "ana",
                "ana-chat",
                matter="kettles",
                reason=reason,
                review_at=place.now + days * DAY,
                is_told=told,
                by="staff:officer",
            )
        held = home.query(asked)
        assert [row[1:5] for row in held] == [
            ("litigation", place.now + 90 * DAY, "staff:officer", False)
        ]
    assert archives.restore(place.config, folder, place.clock).applied == {"held": 2}
    with open_installation(place.config, place.clock) as installation:
        assert Home(installation, place, home).query(asked) == held


def test_requests_come_back_with_what_was_written_and_an_objection_since_stays_a_no(
    place: Place,
) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    by, sentence = "staff:officer", "the kettle whistles at noon"
    with open_installation(place.config, place.clock) as installation:
        home = Home(installation, place)
        home.open("ana", allow=True)
        home.talk("ana", "ana-chat")
        entered = [
            EnteredRequest(
                kind=RightKind.complaint,
                words=sentence,
                identity="a passport",
                account=account,
                region="DE",
            )
            for account in (home.accounts["ana"], None)
        ]
        names = [rights_requests.enter(installation, one, by).shown_id for one in entered]
        kept = [rights_requests.get_request(installation, name) for name in names]
        folder = archives.back_up(installation, place.backups).folder
        place.now += DAY
        objects = SendRequest(
            account=home.accounts["ana"],
            at=place.now,
            keyring=installation.keyring,
            kind=RightKind.objection,
            via=ReceivedVia.page,
        )
        with transaction(installation.pool) as tx:
            WriteBatch(installation.keyring, place.clock).apply(tx, [Write(command=objects)])
        assert home.decided("ana-chat") is DecisionReason.withdrawn
    archives.restore(place.config, folder, place.clock)
    place.now -= DAY
    with open_installation(place.config, place.clock) as installation:
        assert [rights_requests.get_request(installation, name) for name in names] == kept
        assert kept[1].steps[0].words == sentence
        assert Home(installation, place, home).decided("ana-chat") is DecisionReason.withdrawn


@pytest.mark.parametrize(
    ("lock", "who"),
    [(SEQUENCER_LOCK, "is adding entries to the log"), (sweeper.SWEEPS_LOCK, "sweeps")],
)
def test_nothing_is_restored_while_another_program_sweeps_or_adds_to_the_log(
    place: Place, lock: int, who: str
) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    with open_installation(place.config, place.clock) as installation:
        Home(installation, place)
        folder = archives.back_up(installation, place.backups).folder
        with installation.pool.connection() as other:
            other.execute("SELECT pg_advisory_lock(%s)", [lock])
            for source in (folder, None):
                with pytest.raises(BusyError, match=f"another program {who}; nothing was changed"):
                    archives.restore(place.config, source, place.clock)
                with pytest.raises(BusyError, match=who):
                    archives.forecast(place.config, source, place.clock)
            other.execute("SELECT pg_advisory_unlock(%s)", [lock])
        assert archives.forecast(place.config, folder, place.clock).life == 0, "no life was begun"
    assert archives.restore(place.config, folder, place.clock).life == 1, "the locks are free again"


def test_a_life_is_never_begun_twice(place: Place) -> None:
    _, folder = talk(place)
    assert [archives.restore(place.config, folder, place.clock).life for _ in range(3)] == [1, 2, 3]


def test_a_key_that_was_revoked_since_the_backup_stays_revoked(place: Place) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    with open_installation(place.config, place.clock) as installation:
        Home(installation, place)
        with transaction(installation.pool) as tx:
            made = {
                n: service_keys.create_key(
                    tx, n, [Scope.gate_read], place.now, installation.keyring.random
                )
                for n in ("lost", "kept")
            }
        folder = archives.back_up(installation, place.backups).folder
        place.now += DAY
        with transaction(installation.pool) as tx:
            service_keys.revoke(
                tx,
                "lost",
                KeyAct(by="user:ana", reason="lost", at=place.now),
                installation.keyring.restrictions,
            )
    assert archives.restore(place.config, folder, place.clock).applied == {"key_revoked": 1}
    with (
        open_installation(place.config, place.clock) as installation,
        transaction(installation.pool) as tx,
    ):
        assert service_keys.find(tx, made["lost"], place.now) is None
        assert service_keys.find(tx, made["kept"], place.now) is not None


def test_a_key_that_was_limited_since_the_backup_stays_limited(place: Place) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    with open_installation(place.config, place.clock) as installation:
        Home(installation, place)
        both = [Scope.gate_read, Scope.accounts_read]
        with transaction(installation.pool) as tx:
            made = service_keys.create_key(
                tx, "assistant", both, place.now, installation.keyring.random
            )
        folder = archives.back_up(installation, place.backups).folder
        place.now += DAY
        for version, scope in ((1, Scope.accounts_read), (2, Scope.gate_read)):
            with transaction(installation.pool) as tx:
                wanted, act = (
                    KeyLimits(scopes=(scope,)),
                    KeyAct(by="user:ana", reason="less", at=place.now),
                )
                service_keys.set_limits(
                    tx, "assistant", wanted, act, installation.keyring.restrictions, version=version
                )
    assert archives.restore(place.config, folder, place.clock).applied == {"key_limited": 2}
    with (
        open_installation(place.config, place.clock) as installation,
        transaction(installation.pool) as tx,
    ):
        found = service_keys.find(tx, made, place.now)
        assert found is not None
        assert (found.scopes, service_keys.find_by_name(tx, "assistant").version) == (
            {Scope.gate_read},
            3,
        )


def test_what_was_committed_before_a_restore_and_was_slow_to_be_kept_is_refused(
    place: Place,
) -> None:
    """Anyone who took it was stopped between its commit and the journal: the restore cannot know
    it, so nobody is told.
    """
    home, folder = talk(place)
    with open_installation(place.config, place.clock) as slow:
        journal = slow.keyring.restrictions
        assert journal is not None
        archives.restore(place.config, folder, place.clock)
        late = Restriction(
            life=0, kind=RestrictionKind.closed, at=place.now, account=home.accounts["fay"], seq=99
        )
        with pytest.raises(RefusedError) as error:
            journal.append([late])
        assert error.value.because == "restored"
        Home(slow, place, home).account(do.CloseAccount, "fay")
        assert [record.life for record in journal.newest(1)] == [1], "made again, it is kept"


def test_no_epoch_is_destroyed_while_the_fence_stands(place: Place) -> None:
    """The restore that put it up has found the keys of its backup."""
    talk(place)
    with open_installation(place.config, place.clock) as installation:
        key_rotation.rotate(installation.pool, installation.keyring, Rotation.daily, place.clock)
        place.now += 8 * DAY
        with transaction(installation.pool) as tx:
            fence.raise_fence(tx, place.now)
        with pytest.raises(RefusedError) as error:
            key_rotation.destroy_due(
                installation.pool, installation.keyring, place.clock, timedelta()
            )
        assert error.value.because == "fenced"
        assert (place.config.keys / "epoch-000001.key").exists()


def test_what_was_certified_stays_erased_though_a_crash_kept_it_out_of_the_journal(
    place: Place,
) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    with open_installation(place.config, place.clock) as installation:
        home = Home(installation, place)
        home.open("ana", allow=True)
        home.talk("ana", "ana-chat")
        folder = archives.back_up(installation, place.backups).folder
        place.now += DAY
        with transaction(installation.pool) as tx:  # its program was killed before it could keep it
            unkept = Keyring(installation.keyring.provider)
            gone = do.Delete(
                account=home.accounts["ana"], at=place.now, conversation=home.chats["ana-chat"]
            )
            apply.apply(tx, unkept, load_policies(installation), [gone])
        home.choose("ana", True)  # what comes after it is kept, so that no opening looks for it
        assert certificates.advance_erasures(installation, at_once=True).certificates == 1
    assert archives.restore(place.config, folder, place.clock).applied["deleted"] == 1
    with open_installation(place.config, place.clock) as installation:
        assert Home(installation, place, home).decided("ana-chat") is DecisionReason.deleted
