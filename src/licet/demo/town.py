"""A small town: some two thousand accounts of all plans, from August to December 2025, through the real code.

Every event goes to the vault and, beside it, to a world in memory that holds the meaning only. At the end the two
are held against each other turn by turn, and every promise is checked on what is really stored.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from licet.curate import release_build
from licet.demo import text
from licet.demo.checks import check_all
from licet.demo.people import Town, Townsperson, populate
from licet.demo.stage import DemoPromise, DemoReport, Say, plot, show_promises, stage
from licet.erasure import sweeper
from licet.erasure.sweep_batches import SweepResult
from licet.policy import events
from licet.policy.file import Policies, preset, preset_text
from licet.policy.period import instant
from licet.policy.state import ConversationKind, Share, TurnRole
from licet.release import catalog, registry
from licet.release.build import BuildResult
from licet.service import answers as service_answers
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.vault import commands, installation, verbs
from licet.vault.commands import CommandResult, Outcome
from licet.vault.content import Content, ToolCall, encode
from licet.vault.ids import uuid7
from licet.vault.simulated_clock import SimulatedClock

BEGIN, END = instant("2025-08-01"), instant("2025-12-15")
NOTICE, DEADLINE = instant("2025-08-28"), instant("2025-09-29")
FIRST_RELEASE, WITHDRAWAL, SECOND_RELEASE = instant("2025-10-14"), instant("2025-10-15"), instant("2025-12-09")
PLANTED = "the yellow kettle of Tartu sings only for locksmiths"
BATCH_COMMANDS = 1_000


def play_town(
    folder: Path,
    *,
    population: int = 2_000,
    seed: int = 1,
    say: Say,
    check: Callable[..., list[DemoPromise]] = check_all,
) -> DemoReport:
    """Plays the town and returns what was promised and seen; leaves ``folder`` for the other commands."""
    clock = SimulatedClock(BEGIN)
    with stage(folder, clock, say) as here:
        policy = preset("article-2025")
        (folder / "policy.yaml").write_text(preset_text("article-2025"), encoding="utf-8")
        policy_changes.apply_policy(here, policy, by="demo")
        say(f"a town of {population:,} accounts under {policy.policy}, seed {seed}: 1 August to 15 December 2025\n")
        play = _Play(here, clock, Town(Policies([policy])), Random(seed), say)  # noqa: S311 a town, not a secret
        play.people(population)
        play.until(NOTICE)
        say(f"{NOTICE:%d %B}  the new terms, and the notice that asks everybody: {play.asked('notice')} may put it off")
        play.until(DEADLINE)
        waiting = play.asked("must_decide")
        say(f"{DEADLINE:%d %B}  the last day is over: {waiting} have not answered, and cannot write until they do")
        play.until(FIRST_RELEASE)
        first = play.release("october", "improve_models")
        play.withdraw_after(first)
        play.until(SECOND_RELEASE)
        second = play.release("december", "improve_models")
        safety = play.release("december-safety", "safety_classifiers")
        play.until(END)
        play.story()
        say("\nwhat is stored now, and for how long, if nobody says anything more:")
        for line in plot(service_answers.forecast(here)):
            say(line)
        say("\npromises, checked on what is stored:")
        promises = check(here, play.town, [first, second, safety], play.kept_copy, play.left, PLANTED)
        show_promises(promises, say)
        say(f"\nthe folder {folder} is an installation on the simulated clock of 15 December 2025; try")
        say(f"  ./run status --data {folder}")
        say(f"  ./run explain {play.shown()} --data {folder}")
        say(f"  ./run release show december --data {folder}")
    return DemoReport(folder=folder, clock=clock.now, promises=tuple(promises))


class _Play:
    """The town's days."""

    def __init__(
        self, here: installation.Installation, clock: SimulatedClock, town: Town, random: Random, say: Say
    ) -> None:
        self.here, self.clock, self.town, self.random, self.say = here, clock, town, random, say
        self.day = BEGIN
        self.queue: list[tuple[events.Event, commands.Command]] = []
        self.outcomes: Counter[str] = Counter()
        self.swept = SweepResult()
        self.kept_copy = here.config.data / "copies" / "october"
        self._left: Townsperson | None = None
        self.conversations = 0
        self.planted = False

    def people(self, population: int) -> None:
        """Opens the accounts that were there before the terms changed."""
        self.town.people = populate(self.random, population, BEGIN, NOTICE, END)
        for person in self.town.people:
            if person.opens_at <= BEGIN:
                self._open(person)
        self._flush()

    def until(self, end: datetime) -> None:
        """Plays days until ``end``; a sweep every Sunday."""
        while self.day < end:
            self.clock.set(self.day)
            for person in self.town.people:
                self._live(person)
            self._flush()
            if self.day.weekday() == 6:
                self.clock.set(self.day + timedelta(hours=23))
                self.swept = self.swept.plus(sweeper.sweep(self.here))
            self.day += timedelta(days=1)
        self.clock.set(end)

    def asked(self, gate: str) -> str:
        """How many accounts stand at a gate now."""
        return f"{service_answers.status(self.here).gates.get(gate, 0):,} accounts"

    def _live(self, person: Townsperson) -> None:
        """One day of one person."""
        at, random = self.day, self.random
        if person.opens_at.date() == at.date() and at > BEGIN:
            self._open(person)
        if person.account is None or person.closed or person.opens_at > at:
            return
        moment = at + timedelta(seconds=random.randrange(6 * 3600, 20 * 3600))
        if person.decides_at is not None and person.decides_at.date() == at.date():
            via = "signup" if person.opens_at >= NOTICE else "notice"
            self._choose(person, moment, person.allows, via)
        if person.changes_at is not None and person.changes_at.date() == at.date():
            self._choose(person, moment, not person.allows, "settings")
        if random.random() < person.chats_a_day:
            self._chat(person, moment)
        self._seldom(person, moment + timedelta(hours=1))

    def _seldom(self, person: Townsperson, at: datetime) -> None:
        """What people do now and then, to one of their conversations or to the account."""
        random, chance = self.random, self.random.random()
        if chance < 0.0004:
            plan = random.choice(("work", "pro", "free"))
            self._add(
                events.SetPlanEvent(at=at, account=person.name, plan=plan),
                commands.SetPlan(at=at, account=person.id, plan=plan),
            )
        elif chance < 0.0006:
            person.closed = True
            self._add(
                events.CloseAccountEvent(at=at, account=person.name), commands.CloseAccount(at=at, account=person.id)
            )
        elif chance < 0.012 and person.conversations:
            name, conversation = random.choice(person.conversations)
            self._to_conversation(person, at, name, conversation)

    def _to_conversation(self, person: Townsperson, at: datetime, name: str, conversation: UUID) -> None:
        about: dict[str, Any] = {"at": at, "conversation": name, "account": person.name}
        told: dict[str, Any] = {"at": at, "conversation": conversation, "account": person.id}
        match self.random.choice(("delete", "delete", "narrow", "narrow", "widen", "rate", "rate", "flag", "hold")):
            case "delete":
                self._add(events.DeleteEvent(**about), commands.Delete(**told))
            case "narrow":
                self._add(events.NarrowEvent(**about), commands.Narrow(**told))
            case "widen":
                self._add(events.WidenEvent(**about), commands.Widen(**told))
            case "flag" if self.random.random() < 0.5:
                self._add(events.FlagEvent(**about), commands.Flag(**told, score=round(self.random.random(), 3)))
            case "hold" if self.random.random() < 0.2:
                self._add(events.HoldEvent(**about, matter="case 7"), commands.Hold(**told, matter="case 7"))
            case _:
                share = self.random.choice(tuple(Share))
                rating = self.random.choice(("up", "down"))
                number = f"f{len(self.town.feedback)}"
                self.town.feedback.append(number)
                self._add(
                    events.GiveFeedbackEvent(**about, feedback=number, share=share, rating=rating),
                    commands.GiveFeedback(**told, share=share, rating=rating, turn=2),
                )

    def _open(self, person: Townsperson) -> None:
        at = person.opens_at
        person.account = uuid7(at, self.here.keyring.random(10))
        self._add(
            events.OpenAccountEvent(at=at, account=person.name, plan=person.plan, age=person.age),
            commands.OpenAccount(
                at=at, account=person.id, host=self.town.host(self.here, "account", person.name), plan=person.plan,
                age=person.age,
            ),
        )  # fmt: skip

    def _choose(self, person: Townsperson, at: datetime, allow: bool, via: str) -> None:
        self._add(
            events.ChooseEvent(at=at, account=person.name, allow=allow, via=via),
            commands.Choose(
                at=at, account=person.id, allow=allow, via=via, evidence="pressed the button of the notice"
            ),
        )

    def _chat(self, person: Townsperson, at: datetime) -> None:
        """A conversation, begun or resumed: the person's words, answers, and in code a tool's output."""
        random = self.random
        resumed = person.conversations and random.random() < 0.25
        code = person.codes and random.random() < 0.6
        name = random.choice(person.conversations[-3:])[0] if resumed else f"c{self.conversations}"
        self.conversations += not resumed
        kind, surface = self.town.begun.get(
            name, (ConversationKind.code if code else ConversationKind.chat, "cli" if code else "app")
        )
        if random.random() < 0.02:
            surface = "bedrock"
        incognito, narrow = random.random() < 0.03, random.random() < 0.02
        self.town.begun.setdefault(name, (kind, surface))
        for role, content in self._words(kind, resumed=bool(resumed)):
            turn = f"{name}.{self.town.turns[name]}"
            self.town.turns[name] += 1
            self._add(
                events.SayEvent(
                    at=at, account=person.name, conversation=name, turn=turn, role=role, surface=surface,
                    incognito=incognito, kind=kind, narrow=narrow,
                ),
                commands.Say(
                    at=at, account=person.id, host_conversation=self.town.host(self.here, "conversation", name),
                    host_turn=self.town.host(self.here, "turn", turn), role=role, surface=surface,
                    incognito=incognito, kind=kind, narrow=narrow, content=encode(content),
                    title=encode(Content(text=content.text[:40])),
                ),
            )  # fmt: skip
            at += timedelta(seconds=random.randrange(4, 90))

    def _words(self, kind: ConversationKind, *, resumed: bool) -> list[tuple[TurnRole, Content]]:
        random = self.random
        said: list[tuple[TurnRole, Content]] = []
        for n in range(random.randrange(1, 4)):
            if kind is ConversationKind.code:
                call = ToolCall(id=f"call_{n}", name="read_file", arguments='{"path": "importer.py"}')
                said.append((TurnRole.user, Content(text=text.code_ask(random))))
                said.append((TurnRole.assistant, Content(text=text.code_answer(random), tool_calls=(call,))))
                said.append(
                    (TurnRole.tool, Content(text=text.tool_output(random), tool_call_id=call.id, tool_name="read_file"))
                )
                said.append((TurnRole.assistant, Content(text=text.code_answer(random))))
            else:
                words = text.scam(random) if random.random() < 0.004 else text.ask(random, first=n == 0 and not resumed)
                if not self.planted:
                    words, self.planted = f"{words} {PLANTED}", True
                said.append((TurnRole.user, Content(text=words)))
                said.append((TurnRole.assistant, Content(text=text.answer(random))))
        return said

    def _add(self, event: events.Event, command: commands.Command) -> None:
        self.queue.append((event, command))
        if len(self.queue) >= BATCH_COMMANDS:
            self._flush()

    def _flush(self) -> None:
        """Tells the vault, and then the world beside it, in the same order."""
        if not self.queue:
            return
        queue, self.queue = self.queue, []
        answers = verbs.tell(self.here, [command for _, command in queue])
        for (event, command), answer in zip(queue, answers, strict=True):
            self.town.apply(event, command, answer)
            self._count(event, answer)

    def _count(self, event: events.Event, answer: CommandResult) -> None:
        kind = type(event).__name__
        if answer.outcome is Outcome.refused and isinstance(event, events.SayEvent):
            self.outcomes[f"refused {answer.because}"] += 1
        elif isinstance(event, events.ChooseEvent) and answer.effect is not None:
            self.outcomes[f"choice {answer.effect.value}"] += 1
        elif answer.outcome is Outcome.done:
            self.outcomes[kind] += 1

    # Releases

    def release(self, name: str, purpose: str) -> BuildResult:
        """Builds a release and notes, from the world beside it, what it ought to hold."""
        self._flush()
        built = release_build.build_release(self.here, name=name, purpose=purpose)
        self.town.expect(name, purpose, self.clock.now)
        counts = built.manifest.counts
        left = ", ".join(f"{n:,} {why}" for why, n in sorted(counts.dropped.items(), key=lambda item: -item[1])[:5])
        self.say(
            f"{self.clock.now:%d %B}  release {name} for {purpose}: {built.manifest.rows:,} rows; "
            f"{counts.candidates:,} turns = {counts.included:,} in + {counts.candidates - counts.included:,} left out"
            f" ({left}, ...)"
        )
        return built

    def withdraw_after(self, built: BuildResult) -> None:
        """The day after a release: a copy of it is handed out, and somebody in it withdraws."""
        shutil.copytree(built.folder, self.kept_copy)
        self.clock.set(WITHDRAWAL)
        with transaction(self.here.pool) as tx:
            account, count = next(iter(registry.rows_by_account(tx, UUID(hex=built.manifest.release)).items()))
        self._left = next(p for p in self.town.people if p.account == account)
        before = sum(1 for _ in catalog.open_release(self.here, "october"))
        self._choose(self.left, WITHDRAWAL, False, "settings")
        self._flush()
        after = sum(1 for _ in catalog.open_release(self.here, "october"))
        self.say(
            f"{WITHDRAWAL:%d %B}  {self.left.name} withdraws; {count} rows of the release handed out yesterday were theirs: "
            f"{before:,} rows came out before, {after:,} now"
        )

    @property
    def left(self) -> Townsperson:
        """Whoever withdrew on the day after the first release."""
        assert self._left is not None
        return self._left

    def story(self) -> None:
        """What happened, in a few lines."""
        o = self.outcomes
        self.say(
            f"\nwhat happened: {o['OpenAccount']:,} accounts; {o['Say']:,} turns; "
            f"{o['choice began']:,} said yes, {o['choice declined']:,} said no, {o['choice withdrew']:,} withdrew; "
            f"{o['Delete']:,} deletions, {o['Narrow']:,} chats kept out, {o['Flag']:,} flags, {o['Hold']:,} holds, "
            f"{o['GiveFeedback']:,} feedback, {o['SetPlan']:,} plan moves, {o['CloseAccount']:,} closings"
        )
        refused = ", ".join(
            f"{n:,} {key.removeprefix('refused ')}" for key, n in o.items() if key.startswith("refused")
        )
        self.say(f"turns refused at the gate and after: {refused}")
        self.say(
            f"sweeps erased {self.swept.turns:,} turns in {self.swept.segments:,} segments and "
            f"{self.swept.feedback:,} feedback: {', '.join(f'{n:,} {why}' for why, n in self.swept.reasons.items())}"
        )

    def shown(self) -> str:
        """An account worth explaining."""
        return self.left.name


assert BEGIN.tzinfo is UTC
