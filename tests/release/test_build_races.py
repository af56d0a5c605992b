"""Builds race with everything that ends something, on connections of their own; the position in the
journal judges.

TESTS_BUILD_SECONDS sets for how many seconds (20, of which a run takes four), and until three are
built.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from licet.curate import release_build
from licet.erasure import sweeper as erasure_sweeper
from licet.errors import BusyError
from licet.policy import events as ev
from licet.policy.file import Policies, from_document
from licet.policy.state import TurnRole
from licet.policy.world import World
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult
from licet.store.connect import ContentionError, Pool, transaction
from licet.vault import apply
from licet.vault import commands as do
from licet.vault.commands import Outcome
from licet.vault.content import Content, encode
from licet.vault.installation import Installation, load_policies

from ..installed import BEGIN, House
from ..meanwhile import WAITERS
from ..terms import preset
from ..tiers import share
from .test_build import IMPROVE, SAFETY, Meddling, build, check_whole, sealed_rows

SECONDS = float(os.environ.get("TESTS_BUILD_SECONDS") or share(20, least=4))
BUILT_MIN, ENDINGS_MIN, TRIES_MAX = 3, 10, 1_000
ENDERS, ACCOUNTS_EACH = 3, 8
DAYS_A_SECOND = 2.0


class Slow(release_build.RuleCleaner):
    """De-identifies, and lets others go first."""

    def clean(self, texts: Sequence[str], key: bytes) -> tuple[Sequence[str], Mapping[str, int]]:
        time.sleep(0.0005)
        return super().clean(texts, key)


class Racers:
    """Accounts, each told things by one thread only, so that what was told is the account's order.

    ``told`` has, for each account, the events that took effect, with the position of their first
    ending or None.
    """

    def __init__(self, pool: Pool, folder: Path) -> None:
        document = preset("article-2025").document()
        document["min_age"] = 16
        document["keep"] |= {
            "opted_in": "P20D",
            "opted_out": "P5D",
            "deleted": "P2D",
            "flagged": "P8D",
        }
        document["decide_by"] = None
        self.house = House(pool, folder, from_document(document))
        self.started = time.monotonic()
        self.installation = Installation(
            config=self.house.installation.config,
            pool=pool,
            keyring=self.house.installation.keyring,
            clock=self.clock,
        )
        self.policies = load_policies(self.installation)
        self.told: dict[str, list[tuple[ev.Event, int | None]]] = {}
        self.chats: dict[str, list[str]] = {}
        self.endings = 0
        self.stop = threading.Event()
        self.failed: list[BaseException] = []

    def clock(self) -> datetime:
        """Two days a second."""
        return BEGIN + timedelta(days=DAYS_A_SECOND * (time.monotonic() - self.started))

    def tell(self, name: str, event: ev.Event, command: do.Command) -> do.CommandResult:
        """One transaction; notes the event and the position under which the journal has what it
        ended.
        """
        with transaction(self.installation.pool) as tx:
            (answer,) = apply.apply(tx, self.installation.keyring, self.policies, [command])
            row = tx.execute(
                """SELECT min(position) FROM journal
                    WHERE account_id = %s AND ends AND xmin = pg_current_xact_id()::xid""",
                [self.house.accounts[name]],
            ).fetchone()
        position = row[0] if row else None
        if answer.outcome in (Outcome.done, Outcome.unchanged):
            timed = type(event)(
                **{f: getattr(event, f) for f in event.__struct_fields__} | {"at": answer.at}
            )
            self.told[name].append((timed, position))
            self.endings += position is not None
        return answer

    def lives(self, name: str, draw: Random) -> None:
        """One thing that somebody does, or that is done to their account or chats."""
        at, account = self.clock(), self.house.accounts[name]
        about: dict[str, Any] = {"at": at, "account": account}
        mine: dict[str, Any] = {"at": at, "account": name}
        chat = draw.choice(self.chats[name]) if self.chats[name] else None
        what = draw.choices(
            (
                "say",
                "resume",
                "elsewhere",
                "choose",
                "plan",
                "age",
                "delete",
                "narrow",
                "widen",
                "flag",
                "unflag",
            ),
            (6, 6, 1, 6, 1, 1, 2, 2, 2, 3, 2),
        )[0]
        if what in ("say", "resume", "elsewhere") or chat is None:
            self.says(
                name,
                draw,
                at,
                chat if what != "say" else None,
                "bedrock" if what == "elsewhere" else "app",
            )
            return
        if what == "choose":
            allow = draw.random() < 0.6
            self.tell(name, ev.ChooseEvent(**mine, allow=allow), do.Choose(**about, allow=allow))
            return
        if what == "plan":
            plan = draw.choice(("pro", "max", "work"))
            self.tell(name, ev.SetPlanEvent(**mine, plan=plan), do.SetPlan(**about, plan=plan))
            return
        if what == "age":
            age = draw.choice((30, 30, 12))
            self.tell(name, ev.SetAgeEvent(**mine, age=age), do.SetAge(**about, age=age))
            return
        kinds: dict[str, tuple[type[Any], type[Any]]] = {
            "delete": (ev.DeleteEvent, do.Delete), "narrow": (ev.NarrowEvent, do.Narrow), "widen": (ev.WidenEvent, do.Widen),
            "flag": (ev.FlagEvent, do.Flag), "unflag": (ev.UnflagEvent, do.Unflag),
        }  # fmt: skip
        event, command = kinds[what]
        self.tell(
            name,
            event(**mine, conversation=chat),
            command(**about, conversation=self.house.chats[chat]),
        )

    def says(self, name: str, draw: Random, at: datetime, chat: str | None, surface: str) -> None:
        chat = chat or f"{name}-{len(self.chats[name])}"
        for role in (TurnRole.user, TurnRole.assistant):
            turn = f"{chat}.{len(self.told[name])}.{role}"
            answer = self.tell(
                name,
                ev.SayEvent(
                    at=at, account=name, conversation=chat, turn=turn, role=role, surface=surface
                ),
                do.AddTurn(
                    at=at,
                    account=self.house.accounts[name],
                    host_conversation=self.house.host("conversation", chat),
                    host_turn=self.house.host("turn", turn),
                    role=role,
                    surface=surface,
                    content=encode(Content(text=f"what {turn} says")),
                ),
            )
            if (
                answer.outcome is Outcome.done
                and answer.conversation is not None
                and chat not in self.house.chats
            ):
                self.house.chats[chat] = answer.conversation
                self.chats[name].append(chat)

    def opens(self, name: str) -> None:
        at = self.clock()
        self.told[name], self.chats[name] = [], []
        self.house.now = at
        self.house.open(name)
        self.told[name].append((ev.OpenAccountEvent(at=at, account=name, plan="pro", age=30), None))
        self.tell(
            name,
            ev.ChooseEvent(at=at, account=name, allow=True),
            do.Choose(
                at=at,
                account=self.house.accounts[name],
                allow=True,
            ),
        )

    def guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                while not self.stop.is_set():
                    work()
            except BaseException as error:
                self.failed.append(error)
                self.stop.set()

        return run

    def ender(self, number: int) -> Callable[[], None]:
        draw, names = Random(number), [f"p{number}-{n}" for n in range(ACCOUNTS_EACH)]

        def work() -> None:
            self.lives(draw.choice(names), draw)
            time.sleep(draw.random() * 0.01)

        return self.guarded(work)

    def sweeper(self) -> None:
        erasure_sweeper.sweep(self.installation)
        time.sleep(0.05)

    def build(self, name: str, purpose: str) -> BuildResult | None:
        builder = Builder(
            self.installation.pool,
            self.installation.keyring,
            self.policies,
            Slow(),
            self.clock,
            rows_per_part=7,
            page_bytes_max=6_000,
        )
        folder = self.installation.config.releases / name
        try:
            return builder.run(
                BuildOrder(name=name, purpose=purpose, folder=folder, software="test")
            )
        except (BusyError, ContentionError):
            return None


def world_at(
    told: Sequence[tuple[ev.Event, int | None]], policies: Policies, position: int
) -> World:
    """The account as it was just before its first ending beyond the position: only endings take
    anything out.
    """
    world = World(policies)
    for event, ended in told:
        if ended is not None and ended > position:
            break
        world.apply(event)
    return world


def check_permitted(
    racers: Racers, built: BuildResult, told: Mapping[str, list[tuple[ev.Event, int | None]]]
) -> int:
    """Every source of every row might be used at the seal, by the bare rule; returns how many were
    asked about.
    """
    asked = 0
    names = {account: name for name, account in racers.house.accounts.items()}
    chats = {conversation: chat for chat, conversation in racers.house.chats.items()}
    worlds: dict[str, World] = {}
    for row in sealed_rows(racers.house, built.manifest.name):
        name = names[row.account]
        if name not in worlds:
            worlds[name] = world_at(told[name], racers.policies, built.manifest.journal)
        turns = {
            turn.number: key
            for key, (chat, turn) in worlds[name].turns.items()
            if chat == chats[row.conversation]
        }
        for source in row.sources:
            decision = worlds[name].decide(
                turns[source.turn], built.manifest.purpose, built.manifest.built_at
            )
            assert decision.use, (built.manifest.name, chats[row.conversation], source, decision)
            asked += 1
    return asked


def test_a_sealed_release_holds_nothing_that_ended_before_its_seal(
    pool: Pool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    racers = Racers(pool, tmp_path / "data")
    for number in range(ENDERS):
        for n in range(ACCOUNTS_EACH):
            racers.opens(f"p{number}-{n}")
    draw = Random(0)
    for name in racers.told:
        for _ in range(4):
            racers.says(name, draw, racers.clock(), None, "app")
    work = [racers.ender(number) for number in range(ENDERS)] + [racers.guarded(racers.sweeper)]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    built: list[BuildResult] = []
    tries, until = 0, time.monotonic() + SECONDS
    try:
        while not racers.stop.is_set():
            enough = len(built) >= BUILT_MIN and racers.endings > ENDINGS_MIN
            if time.monotonic() > until and (enough or tries >= TRIES_MAX):
                break
            tries += 1
            made = racers.build(f"r{tries}", (IMPROVE, SAFETY)[tries % 2])
            if made is not None:
                built.append(made)
    finally:
        racers.stop.set()
        for thread in threads:
            thread.join()
    assert racers.failed == []
    asked = 0
    for one in built:
        check_whole(racers.house, one)
        asked += check_permitted(racers, one, racers.told)
    locks = sorted(one.lock_seconds * 1000 for one in built)
    with capsys.disabled():
        print(
            f"\n  {len(built)} of {tries} builds sealed against {racers.endings} endings, {asked} "
            "sources asked about, "
            f"the endings lock: median {locks[len(locks) // 2]:.1f} ms, "
            f"longest {locks[-1]:.1f} ms"
        )
    assert built
    assert asked > len(built), "the releases hold something"
    assert racers.endings > ENDINGS_MIN


def test_the_seal_waits_for_an_ending_that_is_numbered_and_not_committed(
    pool: Pool, tmp_path: Path
) -> None:
    house = House(pool, tmp_path / "data")
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    numbered = threading.Event()
    waited: list[bool] = []

    def waits() -> bool:
        """Whether somebody comes to wait for the lock of endings."""
        for _ in range(100):
            if house.query(WAITERS):
                return True
            time.sleep(0.02)
        return False

    def withdraw_slowly() -> None:
        refusal = do.Choose(account=house.accounts["ana"], at=house.now, allow=False)
        with transaction(pool) as tx:
            apply.apply(
                tx, house.installation.keyring, load_policies(house.installation), [refusal]
            )
            numbered.set()
            waited.append(waits())

    slow = threading.Thread(target=withdraw_slowly)

    def begin() -> None:
        slow.start()
        assert numbered.wait(600)

    built = build(house, cleaner=Meddling(begin))
    slow.join()
    check_whole(house, built)
    assert waited == [True]
    (position,) = house.query("SELECT max(position) FROM journal WHERE ends")[0]
    assert built.manifest.journal >= position
    assert built.manifest.rows == 0


STOPPED = """
import sys, time
from licet.curate import release_build
from licet.vault.installation import open_installation
from licet.config import Configuration, Curate
from licet.policy.period import instant
from licet.release import catalog

class Stuck(release_build.RuleCleaner):
    left = 2
    def clean(self, texts, key):
        Stuck.left -= 1
        if Stuck.left == 0:
            print("cleaning", flush=True)
            time.sleep(600)
        return super().clean(texts, key)

release_build.RuleCleaner = Stuck
from pathlib import Path
config = Configuration(data=Path(sys.argv[1]), database_url=sys.argv[2], curate=Curate(names="off"))
with open_installation(config, lambda: instant("2025-09-01")) as installation:
    release_build.build_release(installation, name="r", purpose="improve_models")
"""


def test_a_build_that_is_killed_leaves_nothing_to_lease_and_the_same_name_builds_again(
    pool: Pool, dsn: str, tmp_path: Path
) -> None:
    house = House(pool, tmp_path / "data")
    house.open("ana", allow=True)
    for n in range(3):
        house.talk("ana", f"a{n}")
    command = [sys.executable, "-c", STOPPED, str(tmp_path / "data"), dsn]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as building:
        assert building.stdout is not None
        assert building.stdout.readline() == "cleaning\n"
        with pytest.raises(BusyError, match="is being built already"):
            release_build.build_release(house.installation, name="r", purpose=IMPROVE)
        building.send_signal(signal.SIGKILL)
    for _ in range(100):  # the server notices that its client is gone a moment later
        try:
            built = release_build.build_release(house.installation, name="r", purpose=IMPROVE)
            break
        except BusyError:
            time.sleep(0.05)
    check_whole(house, built)
    assert built.manifest.rows == 3
    assert house.query("SELECT count(*) FROM releases") == [(1,)]
