"""Withdraw, delete and close race with say, sweep, rotate and build, statement by statement; one
order explains it all.

Each round takes one schedule of a seed: several connections work at one account, and who comes next
is drawn before every statement and on either side of every commit. What was answered is then told
again to the bare rule, in the order of the account's own numbers, and both must say the same of
everything.

TESTS_RACES sets how many rounds there are in all (700, of which a run
takes a sixteenth: `tests/tiers.py`): each races about three pairs of an ending and something else.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec
import pytest

from licet.curate import release_build
from licet.erasure import epochs, sweeper
from licet.erasure.key_rotation import Rotation
from licet.policy import events as ev
from licet.policy import fold
from licet.policy.file import Policy, from_document
from licet.policy.state import TurnRole
from licet.policy.world import World
from licet.release import catalog
from licet.release.build_order import BuildResult
from licet.release.row_runs import RowSources
from licet.store.connect import Pool, retrying, transaction
from licet.vault import commands as do
from licet.vault.apply import apply
from licet.vault.commands import CommandResult, Outcome
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies

from ..conftest import empty_tables
from ..installed import DAY, House
from ..release.test_build import check_whole, sealed_rows
from ..state_hook import emptied
from ..terms import preset
from ..tiers import SHARES, SIXTEENTH, share
from ..vault.model import Pair, destroyed, sound
from .racing import Actor, Scheduler, paused

ROUNDS = int(os.environ.get("TESTS_RACES") or share(700))
SHARE = {"say": 0.35, "sweep": 0.35, "rotate": 0.2, "build": 0.1}
TOWN_ROUNDS = {
    "say": 32,
    "sweep": 16,
    "rotate": 16,
    "build": 12,
}  # the more people, the dearer each look at all of them
IMPROVE, SAFETY = "improve_models", "safety_classifiers"
SECOND = timedelta(seconds=1)

# What an order needs of a verb: the account's last number, whether the verb took it, and its first
# ending's position.
PLACE = """
    SELECT a.last_seq, EXISTS (SELECT FROM journal j WHERE j.account_id = a.account_id
      AND j.seq = a.last_seq
                                  AND j.xmin = pg_current_xact_id()::xid)
                    OR EXISTS (SELECT FROM blocks b WHERE b.account_id = a.account_id
                      AND b.seq = a.last_seq
                                  AND b.xmin = pg_current_xact_id()::xid),
           (SELECT min(position) FROM journal j WHERE j.account_id = a.account_id AND j.ends
                                  AND j.xmin = pg_current_xact_id()::xid)
      FROM accounts a WHERE a.account_id = %s
"""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its time in the account's order, what was answered, and where it stands."""

    event: ev.Event
    answer: CommandResult
    seq: int
    took: bool
    ended: int | None


def rules() -> Policy:
    document = preset("article-2025").document()
    document["keep"] |= {
        "opted_in": "P20D",
        "opted_out": "P5D",
        "incognito": "P5D",
        "deleted": "P2D",
    }
    document["decide_by"] = None
    return from_document(document)


class Town:
    """An installation whose connections stop; everybody in it lives in one bucket of keys."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        self.house = House(emptied(pool), folder, rules())
        self.installation = self.house.installation
        self.rounds: dict[UUID, Round] = {}

    def settled(self, draws: Sequence[Random]) -> list[Round]:
        """A newcomer for each, with a past that both sides know."""
        for number, draw in enumerate(draws):
            pair = Pair(
                lambda: transaction(self.installation.pool),
                self.installation.keyring,
                load_policies(self.installation),
            )
            bucketless = uuid7(self.house.now, draw.randbytes(10)).int >> 16 << 16
            account = pair.accounts[f"person {number}"] = UUID(int=bucketless | 7)
            self.rounds[account] = Round(self, pair, draw, number)
        rounds = list(self.rounds.values())
        for part in (slice(0, -1), slice(-1, None)):  # what is deleted must be there before
            events = [(one, event) for one in rounds for event in one.past[part]]
            for (one, event), answer in zip(events, self.happened(events), strict=True):
                one.replay(event, answer)
        with transaction(self.installation.pool) as tx:
            keys = self.installation.keyring.account_keys(tx, self.rounds)
        for account, one in self.rounds.items():
            one.keys_before = keys[account].slots
        return rounds

    def happened(self, events: Sequence[tuple[Round, ev.Event]]) -> list[CommandResult]:
        commands = [one.command(event) for one, event in events]
        with transaction(self.installation.pool) as tx:
            return apply(tx, self.installation.keyring, load_policies(self.installation), commands)


class Round:
    """One account and its past; then a race about it.

    ``open`` may be used. ``secret`` (incognito) and ``gone`` (deleted) fall due a second after the
    race begins, and a second before that nothing has.
    """

    def __init__(self, town: Town, pair: Pair, draw: Random, number: int) -> None:
        self.town, self.installation, self.pair, self.draw = town, town.installation, pair, draw
        self.name = name = f"person {number}"
        self.began = town.house.now + 10 * DAY + number * DAY / 24
        self.told: list[Told] = []
        self.said = 0
        self.prefix = f"{name}: "
        due = self.began + SECOND
        self.past: list[ev.Event] = [
            ev.OpenAccountEvent(at=self.began - 6 * DAY, account=name, plan="pro", age=30),
            ev.ChooseEvent(at=self.began - 6 * DAY, account=name, allow=True),
            timed(self.saying("secret", incognito=True), due - 5 * DAY),
            timed(self.saying("gone"), due - 4 * DAY),
            timed(self.saying("open"), due - 3 * DAY),
            timed(self.saying("open", TurnRole.assistant), due - 3 * DAY),
            ev.DeleteEvent(at=due - 2 * DAY, account=name, conversation=self.prefix + "gone"),
        ]
        self.keys_before = b""

    @property
    def account(self) -> UUID:
        return self.pair.accounts[self.name]

    def saying(
        self, chat: str, role: TurnRole = TurnRole.user, *, incognito: bool = False
    ) -> ev.SayEvent:
        self.said += 1
        name = self.prefix + chat
        return ev.SayEvent(
            at=self.began,
            account=self.name,
            conversation=name,
            turn=f"{name}.{self.said}",
            role=role,
            incognito=incognito,
        )

    def at(self) -> datetime:
        """A clock of one of several machines: before, at or after the moment at which something
        falls due.
        """
        return self.began + self.draw.choice((0, 0, 1, 2)) * SECOND

    def command(self, event: ev.Event) -> do.Command:
        command = self.pair._command(event)
        assert command is not None
        return command

    def sent(self, event: ev.Event, command: do.Command) -> Told:
        """One transaction, tried again as a caller would."""

        def once() -> Told:
            with transaction(self.installation.pool) as tx:
                (answer,) = apply(tx, self.installation.keyring, self.pair.policies, [command])
                row = tx.execute(PLACE, [self.account]).fetchone()
            assert row is not None
            return Told(
                event=timed(event, answer.at), answer=answer, seq=row[0], took=row[1], ended=row[2]
            )

        return retrying(once)

    def actor(self, name: str, events: Sequence[ev.Event]) -> Actor:
        """Somebody who does these things one after another."""
        commands = [(event, self.command(event)) for event in events]

        def work() -> None:
            for event, command in commands:
                self.told.append(self.sent(event, command))

        return Actor(name, work)

    def ending(self) -> list[ev.Event]:
        """Something is taken back; sometimes a new yes follows."""
        draw, about = self.draw, {"at": self.at(), "account": self.name}
        chat = self.prefix + draw.choice(("open", "open", "secret", "gone"))
        match draw.randrange(5):
            case 0 | 1:
                again = (
                    [ev.ChooseEvent(at=self.at(), account=self.name, allow=True)]
                    if draw.random() < 0.4
                    else []
                )
                return [ev.ChooseEvent(**about, allow=False), *again]
            case 2 | 3:
                return [ev.DeleteEvent(**about, conversation=chat)]
            case _:
                return [ev.CloseAccountEvent(**about)]

    def words(self) -> list[ev.Event]:
        chats = ("open", "open", "secret", "secret", "gone", "new")
        return [
            timed(self.saying(self.draw.choice(chats)), self.at())
            for _ in range(self.draw.choice((1, 2)))
        ]

    # The rule

    def explain(self) -> None:
        """Tells the bare rule what the race did, by the account's own numbers; every answer must
        follow.
        """
        self.told.sort(key=lambda one: (one.seq, not one.took, one.event.at))
        taken = [one.seq for one in self.told if one.took]
        assert len(taken) == len(set(taken)), "no number was given twice"
        for one in self.told:
            self.replay(one.event, one.answer)
        at = self.began + 3 * SECOND
        assert self.pair.of_vault(at) == self.pair.of_world(at)

    def replay(self, event: ev.Event, answer: CommandResult) -> None:
        """The event happens in the world; what was answered must be what it does there."""
        pair = self.pair
        known, before = pair._known(event), pair.world.accounts.get(self.name)
        pair.world.apply(event)
        assert answer.outcome is not Outcome.unknown
        if isinstance(event, ev.SayEvent):
            assert answer.outcome is pair._expected(event, known), (event, answer)
            if answer.outcome is Outcome.done:
                assert answer.conversation is not None
                assert (
                    pair.conversations.setdefault(event.conversation, answer.conversation)
                    == answer.conversation
                )
                pair.turns[event.turn] = (event.conversation, answer.turn)
        if isinstance(event, ev.ChooseEvent) and before is not None:
            brought = fold.advance(before, pair.policies, event.at).account
            chosen = fold.choose(brought, pair.policies, event.at, event.allow, age=event.age)
            assert answer.answers == chosen.answers, (event, answer)

    def world_at(self, position: int) -> World:
        """The account as it was before its first ending beyond the position: only endings take
        anything out.
        """
        world = World(self.pair.policies)
        for event in self.past:
            world.apply(event)
        for one in self.told:
            if one.ended is not None and one.ended > position:
                break
            world.apply(one.event)
        return world

    def named(self, row: RowSources) -> list[str]:
        """The turns of a row in order, by the names that the world knows; a source is the last so
        many of its kind.
        """
        chat = next(
            chat for chat, known in self.pair.conversations.items() if known == row.conversation
        )
        turns = [(turn, name) for name, (of, turn) in self.pair.world.turns.items() if of == chat]
        found: dict[int, str] = {}
        for source in row.sources:
            like = {
                t.number: name
                for t, name in turns
                if (t.segment, t.origin) == (source.segment, source.origin)
            }
            numbers = sorted(number for number in like if number <= source.turn)
            found |= {number: like[number] for number in numbers[-source.count :]}
        return [found[number] for number in sorted(found)]

    def check_keys(self) -> int:
        """What lives opens, what is due is gone for good; answers how many keys the race
        destroyed.
        """
        with transaction(self.installation.pool) as tx:
            sound(tx, self.installation.keyring)
            early = "SELECT count(*) FROM segments WHERE erased_at < keep_until"
            assert tx.execute(early).fetchone() == (0,), "nothing is erased before its time"
            dead = sum(
                gone for (account, _), gone in destroyed(tx).items() if account == self.account
            )
            marked = tx.execute(
                "SELECT FROM spent_accounts WHERE account_id = %s", [self.account]
            ).fetchone()
            keys = self.installation.keyring.account_keys(tx, [self.account])[self.account].slots
        if dead and marked is None:
            assert keys != self.keys_before, (
                "a key died, and neither was the one above it changed nor will it be"
            )
        return dead


def timed(event: ev.Event, at: datetime) -> ev.Event:
    return type(event)(
        **{name: getattr(event, name) for name in event.__struct_fields__} | {"at": at}
    )


class Races:
    """Rounds of one kind, in towns that are begun anew before they grow."""

    def __init__(self, dsn: str, folder: Path, kind: str) -> None:
        self.dsn, self.folder, self.kind = dsn, folder, kind
        self.rounds = max(1, int(ROUNDS * SHARE[kind]))
        self.pool, self.scheduler = paused(dsn), Scheduler(dsn)
        self.counts: Counter[str] = Counter()
        self.pairs = 0

    def close(self) -> None:
        self.scheduler.close()
        self.pool.close()

    def each(self) -> Iterator[Round]:
        begin = SIXTEENTH * self.rounds
        for first in range(0, self.rounds, TOWN_ROUNDS[self.kind]):
            empty_tables(self.dsn)
            town = Town(self.pool, self.folder / f"{self.kind}-{first}")
            numbers = range(begin + first, begin + min(first + TOWN_ROUNDS[self.kind], self.rounds))
            yield from town.settled([Random(f"{self.kind} {number}") for number in numbers])

    def race(self, round_: Round, *more: Actor) -> None:
        """The endings and the words of the round against ``more``, and then the rule."""
        endings, words = round_.ending(), round_.words()
        actors = [round_.actor("end", endings), round_.actor("say", words), *more]
        self.pairs += len(endings) * (len(words) + len(more))
        self.scheduler.race(actors, round_.draw)
        round_.explain()
        self.counts.update(
            f"{type(one.event).__name__} {one.answer.outcome}" for one in round_.told
        )
        order = [type(one.event).__name__ for one in round_.told if one.took]
        self.counts["first " + order[0] if order else "nothing"] += 1


@pytest.fixture
def races(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[str], Races]]:
    made: list[Races] = []

    def begin(kind: str) -> Races:
        made.append(Races(dsn, tmp_path, kind))
        return made[-1]

    yield begin
    for one in made:
        one.close()
        with capsys.disabled():
            print(
                f"\n  {one.kind}: {one.rounds:,} rounds of {one.pairs:,} pairs, "
                f"{len(one.scheduler.seen):,} schedules, "
                f"{one.scheduler.steps:,} steps, {one.scheduler.held:,} met a lock; "
                f"{dict(sorted(one.counts.items()))}"
            )


def test_endings_and_turns_on_three_connections_are_explained_by_one_order(
    races: Callable[[str], Races],
) -> None:
    run = races("say")
    for one in run.each():
        run.race(one, one.actor("other", one.draw.choice((one.words, one.ending))()))
    assert (
        run.counts["first SayEvent"]
        and run.counts["first ChooseEvent"]
        and run.counts["SayEvent refused"]
    )
    assert len(run.scheduler.seen) > run.rounds * 0.9


def test_a_sweep_among_endings_and_turns_erases_what_is_due_and_nothing_else(
    races: Callable[[str], Races],
) -> None:
    run = races("sweep")
    for one in run.each():
        run.race(one, Actor("sweep", lambda one=one: sweeper.sweep(moved(one.town, one.at()))))
        run.counts["keys destroyed"] += one.check_keys()
    assert run.counts["keys destroyed"]


def moved(town: Town, at: datetime) -> Installation:
    """The installation with a clock that stands."""
    installation = town.installation
    return Installation(
        config=installation.config,
        pool=installation.pool,
        keyring=installation.keyring,
        clock=lambda: at,
    )


def test_a_rotation_among_endings_turns_and_a_sweep_forgets_no_key_and_saves_none(
    races: Callable[[str], Races],
) -> None:
    run = races("rotate")
    for one in run.each():
        kind = one.draw.choice(list(Rotation))
        run.race(
            one,
            Actor(
                "rotate", lambda one=one, kind=kind: epochs.rotate(moved(one.town, one.began), kind)
            ),
            Actor("sweep", lambda one=one: sweeper.sweep(moved(one.town, one.began + 2 * SECOND))),
        )
        run.counts["keys destroyed"] += one.check_keys()
    assert run.counts["keys destroyed"]


def test_a_release_that_is_built_among_endings_holds_nothing_that_ended_before_its_seal(
    races: Callable[[str], Races],
) -> None:
    run = races("build")
    for number, one in enumerate(run.each()):
        built: list[BuildResult] = []
        place, purpose = moved(one.town, one.at()), one.draw.choice((IMPROVE, SAFETY))

        def build(
            installation: Installation = place,
            purpose: str = purpose,
            built: list[BuildResult] = built,
        ) -> None:
            built.append(release_build.build_release(place, name=f"r{number}", purpose=purpose))  # noqa: B023 run at once

        run.race(one, Actor("build", build))
        for release in built:
            check_whole(one.town.house, release)
            run.counts["sources"] += check_sealed(one.town, release)
            run.counts["sealed after an ending"] += any(
                t.ended and t.ended <= release.manifest.journal for t in one.told
            )
            run.counts["sealed before one"] += any(
                t.ended and t.ended > release.manifest.journal for t in one.told
            )
            check_leases(one.town, release, one.began + 3 * SECOND)
    assert run.counts["sources"]
    # of a run's few builds the draw may let none seal before an ending
    assert run.counts["sealed before one"] or SHARES > 1


def check_sealed(town: Town, built: BuildResult) -> int:
    """Every source of every row might be used at the seal, by the bare rule; answers how many there
    are.
    """
    worlds: dict[UUID, World] = {}
    asked = 0
    for row in sealed_rows(town.house, built.manifest.name):
        one = town.rounds[row.account]
        world = worlds.setdefault(row.account, one.world_at(built.manifest.journal))
        for turn in one.named(row):
            decision = world.decide(turn, built.manifest.purpose, built.manifest.built_at)
            assert decision.use, (built.manifest.name, turn, decision)
            asked += 1
    return asked


def check_leases(town: Town, built: BuildResult, at: datetime) -> None:
    """What comes out after the race is what the rule permits after it, of what was sealed."""
    expected = []
    for row in sealed_rows(town.house, built.manifest.name):
        one = town.rounds[row.account]
        if all(
            one.pair.world.decide(turn, built.manifest.purpose, at).use for turn in one.named(row)
        ):
            expected.append([f"what {turn} says" for turn in one.named(row)])
    out = catalog.open_release(moved(town, at), built.manifest.name)
    assert sorted([message["content"] for message in row["messages"]] for row in out) == sorted(
        expected
    )
