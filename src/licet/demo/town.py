"""A town of about two thousand accounts of all plans, from August to December 2025, on the real
code.

Every event goes to the vault and to an in-memory world without storage. At the end both are
compared turn by turn, and every promise is checked against the stored content.

The same seed gives the same figures. Other ids and keys are random in every run, so no output may
depend on them: accounts get their ids from the seed, and repeated questions have a fixed number of
turns.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import yaml

from licet.consent import choices
from licet.curate import release_build
from licet.demo import office, people, scenes, speech
from licet.demo.checks import check_all
from licet.demo.people import COVERED_PLANS, BegunChat, ChatSort, Town, Townsperson, populate
from licet.demo.stage import (
    DemoPromise,
    DemoReport,
    Progress,
    Say,
    dated_lines,
    no_progress,
    plot,
    show_promises,
    stage,
)
from licet.demo.town_requests import TownRequests
from licet.erasure import certificates, epochs, recall_register, sweeper
from licet.erasure.sweep_batches import SweepResult
from licet.policy import events
from licet.policy.file import NamesTerm, Policies, Policy, from_document, preset
from licet.policy.period import instant
from licet.policy.state import Share, TurnRole
from licet.proof import documents
from licet.release import catalog, registry
from licet.release.build_order import BuildResult
from licet.release.curation import LeftOut
from licet.service import policy_changes, population_status, staff_tables
from licet.store.connect import transaction
from licet.store.keyset import TableView
from licet.train import recipients
from licet.vault import commands, safety_copies, verbs
from licet.vault.commands import CommandResult, HoldReason, Outcome
from licet.vault.content import Content, encode
from licet.vault.ids import uuid7
from licet.vault.installation import Installation
from licet.vault.safety_copies import FLAG_REVIEW_DAYS
from licet.vault.simulated_clock import SimulatedClock
from licet.vault.staff_reads import ReaderRole, ReadReason

BEGIN, END = instant("2025-08-01"), instant("2025-12-15")
NOTICE, DEADLINE = instant("2025-08-28"), instant("2025-09-29")
FIRST_RELEASE = instant("2025-10-14")
WITHDRAWAL = instant("2025-10-15")
SECOND_RELEASE = instant("2025-12-09")
SHOWCASE = "showcase.txt"  # the people whom `licet demo` shows
PLANTED = "the yellow kettle of Tartu sings only for locksmiths"
BATCH_COMMANDS = 1_000
RECALL = instant("2025-11-20")
DAYS_SHARE = 0.7  # share of the demonstration's time; releases and promises take the rest
ONE_DAY = timedelta(days=1)
SELDOM = 0.012
MATTERS = (
    (HoldReason.litigation, "Northgate Ltd v. Moffat", True),
    (HoldReason.regulator, "enquiry of the data protection authority, no. 2025-118", True),
    (HoldReason.investigation, "fraud with gift cards, file 7", False),
)


def play_town(
    folder: Path,
    *,
    population: int = 2_000,
    seed: int = 1,
    say: Say,
    progress: Progress = no_progress,
    check: Callable[..., Iterable[DemoPromise]] = check_all,
) -> DemoReport:
    """Plays the town and returns its promises and figures; leaves ``folder`` for other commands."""
    clock = SimulatedClock(BEGIN)
    progress("starting the database", 0)
    with stage(folder, clock, say) as installation:
        policy = _policy(folder)
        policy_changes.apply_policy(installation, policy, actor="demo", languages=None)
        policy_changes.publish_notices(installation, scenes.notices_with_age(), actor="demo")
        say(
            f"a town of {population:,} accounts under {policy.policy}, seed {seed}: 1 "
            "August to 15 December 2025\n"
        )
        random = Random(seed)  # noqa: S311 a town, not a secret
        play = _Play(installation, clock, Town(Policies([policy])), random, say, progress)
        releases = list(play.story(population))
        play.sum_up()
        shown = (person.name for person in play.town.people if person.is_shown)
        (folder / SHOWCASE).write_text("\n".join(shown), encoding="utf-8")
        say("\nwhat is stored now, and for how long, if nobody says anything more:")
        for line in plot(population_status.forecast(installation)):
            say(line)
        progress("checking the promises", DAYS_SHARE + 0.15)
        say("\npromises, checked on what is stored:")
        promises = list(
            check(installation, play.town, releases, play.kept_copy, play.withdrawn_person, PLANTED)
        )
        show_promises(promises, say)
        progress("", 1)
        say(
            f"\nthe folder {folder} is an installation on the simulated clock of 15 "
            "December 2025; try"
        )
        say(f"  ./run status --data {folder}")
        say(f"  ./run explain {play.withdrawn_person.name} --data {folder}")
        say(f"  ./run release show december --data {folder}")
    return DemoReport(folder=folder, clock=clock.now, promises=tuple(promises))


def _policy(folder: Path) -> Policy:
    """Returns the article's policy with an additional recipient, a minimum age in one region, and
    names left in, because no name search is needed; writes it to ``folder``.
    """
    document = preset("article-2025").document() | {
        "recipients": [scenes.RECIPIENT],
        "names": NamesTerm.left_in.value,
        "regions": {scenes.AGED_REGION: {"min_age": scenes.MIN_AGE}},
    }
    (folder / "policy.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return from_document(document)


class _Play:
    def __init__(
        self,
        installation: Installation,
        clock: SimulatedClock,
        town: Town,
        random: Random,
        say: Say,
        progress: Progress,
    ) -> None:
        self.installation = installation
        self.clock = clock
        self.town = town
        self.random = random
        self.say = say
        self.progress = progress
        self.day = BEGIN
        self.queue: list[tuple[events.Event, commands.Command]] = []
        self.later: list[tuple[datetime, Callable[[datetime], None]]] = []
        self.outcomes: Counter[str] = Counter()
        self.swept = SweepResult()
        self.kept_copy = installation.config.data / "copies" / "october"
        self._left: Townsperson | None = None
        self.conversations = 0
        self.planted = False
        self.to_read: list[tuple[ReaderRole, ReadReason, Townsperson, UUID]] = []
        self.readings = 0
        self.requests = TownRequests(installation)

    def story(self, population: int) -> Iterator[BuildResult]:
        """Plays the town from first day to last; yields each release."""
        self._people(population)
        self._until(NOTICE)
        self._put_off()
        self._tell(
            f"the new terms, and the notice that asks everybody: {self.count_at_gate('notice')} "
            "may put it off"
        )
        self._until(DEADLINE)
        waiting = self.count_at_gate("must_decide")
        self._tell(
            f"the last day is over: {waiting} have not answered, and cannot write until they do"
        )
        self._until(FIRST_RELEASE)
        yield (first := self._release("october", "improve_models"))
        self._withdraw_after(first)
        rows, export = scenes.export_rows(self.installation, "october")
        self._tell(
            f"{rows:,} rows go to {scenes.RECIPIENT}, the recipient that the policy names, "
            "as plain text"
        )
        self._until(RECALL)
        recalled = recipients.recall_ended(self.installation)
        self._tell(
            f"{recalled:,} of these rows may no longer be used: {scenes.RECIPIENT} is asked "
            "to delete them, and did"
        )
        if recalled:
            scenes.acknowledge_deletion(self.installation, export)
        self._until(SECOND_RELEASE)
        yield (second := self._release("december", "improve_models"))
        learnt = scenes.train(self.installation, second.manifest.name)
        self._tell(
            f"the model {scenes.MODEL} learns from {learnt:,} rows of it; the gate is asked "
            "before every step"
        )
        yield self._release("december-safety", "safety_classifiers")
        self._until(END)
        self._ask()
        self._last_day(first)
        self.requests.letter()
        recipients.recall_ended(self.installation)
        self._keep_house()
        office.keep_office(self.installation, "october")
        office.keep_machine(self.installation)

    def _last_day(self, first: BuildResult) -> None:
        """Deletes a chat under a legal hold, whose erasure hangs, and one that the first release's
        recipient must take out.
        """
        now, release = self.clock.now, UUID(hex=first.manifest.release)
        usable = next(catalog.usable_rows(self.installation, first.manifest))
        with transaction(self.installation.pool) as tx:
            rows = registry.rows_at(tx, release, usable)
        chats = {
            conversation: (person, now, name, conversation)
            for person in self.town.people
            if not person.closed
            for name, conversation in person.conversations
        }
        held, other = [chats[row.conversation] for row in rows if row.conversation in chats][:2]
        self._hold(*held)
        self._delete(*held)
        self._delete(*other)
        self._flush()

    def _delete(self, person: Townsperson, now: datetime, name: str, conversation: UUID) -> None:
        self._add(
            events.DeleteEvent(at=now, account=person.name, conversation=name),
            commands.Delete(at=now, account=person.id, conversation=conversation),
        )

    def _tell(self, text: str, *more: str) -> None:
        for line in dated_lines(self.clock.now, text, *more):
            self.say(line)

    def _people(self, population: int) -> None:
        """Opens the accounts that existed before the terms changed."""
        self.town.people = populate(self.random, population, BEGIN, NOTICE, END)
        for person in self.town.people:
            if person.opens_at <= BEGIN:
                self._open(person)
        self._flush()

    def _until(self, end: datetime) -> None:
        """Plays days until ``end``, with a sweep every Sunday."""
        while self.day < end:
            self.progress(
                f"{self.day.day} {self.day:%B}", DAYS_SHARE * ((self.day - BEGIN) / (END - BEGIN))
            )
            self.clock.set(self.day)
            due = [act for at, act in self.later if at <= self.day]
            self.later = [(at, act) for at, act in self.later if at > self.day]
            for act in due:
                act(self.day)
            for person in self.town.people:
                self._live(person)
            self._end_day()
            if self.day.weekday() == 6:
                self.clock.set(self.day + timedelta(hours=23))
                self._keep_house()
            self.day += timedelta(days=1)
        self.clock.set(end)

    def _keep_house(self) -> None:
        """Does a server's background work: sweeps, erasures, and key rotations."""
        self.swept = self.swept.plus(sweeper.sweep(self.installation))
        documents.append(self.installation)
        certificates.advance_erasures(self.installation)
        self._answer_recalls()
        rotation = epochs.next_rotation(self.installation)
        if rotation is not None:
            epochs.rotate(self.installation, rotation)
        epochs.destroy_due(self.installation)

    def _answer_recalls(self) -> None:
        """Acknowledges week-old recalls for the recipients."""
        view = TableView(filters={"state": "open"})
        for row in staff_tables.read_page(self.installation, staff_tables.RECALLS, view).rows:
            erasure, handout, *_, recalled, _, _, _, _ = (cell.value for cell in row)
            if isinstance(recalled, datetime) and recalled <= self.clock.now - 7 * ONE_DAY:
                recall_register.acknowledge(self.installation, str(erasure), str(handout))

    def count_at_gate(self, gate: str) -> str:
        """Counts the accounts with that gate now."""
        return f"{population_status.status(self.installation).gates.get(gate, 0):,} accounts"

    def _live(self, person: Townsperson) -> None:
        at, random, tomorrow = self.day, self.random, self.day + ONE_DAY
        if BEGIN < at <= person.opens_at < tomorrow:
            self._open(person)
        if person.account is None or person.closed or person.opens_at >= tomorrow:
            return
        today = [
            when is not None and at <= when < tomorrow
            for when in (person.decides_at, person.changes_at, person.shares_at)
        ]
        chat_today, seldom = random.random() < person.chats_a_day, random.random()
        if not (chat_today or seldom < SELDOM or any(today)):
            return
        decides, changes, shares = today
        moment = at + timedelta(seconds=random.randrange(6 * 3600, 20 * 3600))
        moment = max(moment, person.opens_at + timedelta(minutes=5))
        if decides:
            via = "signup" if person.opens_at >= NOTICE else "notice"
            self._choose(person, moment, person.allows, via)
        if changes:
            self._choose(person, moment, not person.allows, "settings")
        if shares and person.projects:
            self._share(person, moment, random.choice(person.projects))
        if chat_today:
            self._chat(person, moment)
        self._seldom(person, moment + timedelta(hours=1), seldom)

    def _seldom(self, person: Townsperson, now: datetime, chance: float) -> None:
        """Plays occasional acts of a person on a conversation or the account."""
        random = self.random
        if chance < 0.0004:
            plan = random.choice(("work", "pro", "free"))
            self._add(
                events.SetPlanEvent(at=now, account=person.name, plan=plan),
                commands.SetPlan(at=now, account=person.id, plan=plan),
            )
        elif chance < 0.0006:
            person.closed = True
            self._add(
                events.CloseAccountEvent(at=now, account=person.name),
                commands.CloseAccount(at=now, account=person.id),
            )
        elif chance < 0.001 and person.projects:
            self._keep_project(person, now, random.choice(person.projects))
        elif chance < SELDOM and person.conversations:
            name, conversation = random.choice(person.conversations)
            self._to_conversation(person, now, name, conversation)

    def _keep_project(self, person: Townsperson, now: datetime, project: str) -> None:
        """Keeps a project out; one in three is let in again."""
        host = self.town.host(self.installation, "project", project)
        self._add(
            events.NarrowEvent(at=now, account=person.name, project=project),
            commands.KeepProjectOut(at=now, account=person.id, host_project=host),
        )
        if self.random.random() < 0.3:
            self._later(
                person,
                9,
                lambda day: self._add(
                    events.WidenEvent(at=day, account=person.name, project=project),
                    commands.LetProjectIn(at=day, account=person.id, host_project=host),
                ),
            )

    def _later(self, person: Townsperson, days: int, act: Callable[[datetime], None]) -> None:
        """Does something after some days, unless the account is closed by then."""
        at = self.day + timedelta(days=days)
        self.later.append((at, lambda day: None if person.closed else act(day)))

    def _to_conversation(
        self, person: Townsperson, now: datetime, name: str, conversation: UUID
    ) -> None:
        about: dict[str, Any] = {"at": now, "conversation": name, "account": person.name}
        shared: dict[str, Any] = {"at": now, "conversation": conversation, "account": person.id}
        match self.random.choice(
            (
                "delete",
                "delete",
                "narrow",
                "narrow",
                "widen",
                "rate",
                "rate",
                "flag",
                "hold",
                "read",
            )
        ):
            case "delete":
                self._delete(person, now, name, conversation)
            case "narrow":
                self._add(events.NarrowEvent(**about), commands.Narrow(**shared))
            case "widen":
                self._add(events.WidenEvent(**about), commands.Widen(**shared))
            case "flag" if self.random.random() < 0.5:
                self._flag(person, now, name, conversation, is_misuse=False)
            case "hold" if self.random.random() < 0.3:
                self._hold(person, now, name, conversation)
            case "read" if self.random.random() < 0.5:
                self._read(
                    ReaderRole.privacy_officer, ReadReason.person_request, person, conversation
                )
            case _:
                self._rate(person, now, name, conversation)

    def _rate(self, person: Townsperson, now: datetime, name: str, conversation: UUID) -> None:
        share, rating = self.random.choice(tuple(Share)), self.random.choice(("up", "down"))
        spoken = speech.language(person.language)
        comment = self.random.choice(spoken.comment) if self.random.random() < 0.5 else None
        number = f"f{len(self.town.feedback)}"
        self.town.feedback.append(number)
        self._add(
            events.GiveFeedbackEvent(
                at=now,
                conversation=name,
                account=person.name,
                feedback=number,
                share=share,
                rating=rating,
            ),
            commands.GiveFeedback(
                at=now,
                conversation=conversation,
                account=person.id,
                share=share,
                rating=rating,
                turn=2,
                comment=encode(Content(text=comment)) if comment else None,
            ),
        )

    def _flag(
        self, person: Townsperson, now: datetime, name: str, conversation: UUID, *, is_misuse: bool
    ) -> None:
        """Flags a chat for the host's classifier; two days later a reviewer reads it, and overturns
        a false flag or upholds it; a standing flag is reviewed again in time.
        """
        score = round(
            self.random.uniform(0.86, 0.99) if is_misuse else self.random.uniform(0.5, 0.8), 3
        )
        self._add(
            events.FlagEvent(at=now, account=person.name, conversation=name),
            commands.Flag(at=now, account=person.id, conversation=conversation, score=score),
        )

        def review(day: datetime) -> None:
            self._read(ReaderRole.reviewer, ReadReason.misuse_review, person, conversation)
            if is_false:
                self._add(
                    events.UnflagEvent(at=day, account=person.name, conversation=name),
                    commands.Unflag(at=day, account=person.id, conversation=conversation),
                )
            else:
                with transaction(self.installation.pool) as tx:
                    safety_copies.uphold(tx, person.id, conversation, day)
                # also of an account that was closed meanwhile
                self.later.append((day + timedelta(days=FLAG_REVIEW_DAYS - 7), review))

        is_false = not is_misuse and self.random.random() < 0.6
        self.later.append((self.day + timedelta(days=2), review))

    def _hold(self, person: Townsperson, now: datetime, name: str, conversation: UUID) -> None:
        """Places a legal hold for one of a few matters; half end after six weeks."""
        reason, matter, is_told = self.random.choice(MATTERS)
        self._add(
            events.HoldEvent(at=now, account=person.name, conversation=name, matter=matter),
            commands.Hold(
                at=now,
                account=person.id,
                conversation=conversation,
                matter=matter,
                reason=reason,
                is_told=is_told,
                by=f"staff:{scenes.OFFICER}",
            ),
        )
        if self.random.random() < 0.5:
            self._later(
                person,
                42,
                lambda day: self._add(
                    events.UnholdEvent(
                        at=day, account=person.name, conversation=name, matter=matter
                    ),
                    commands.Unhold(
                        at=day, account=person.id, conversation=conversation, matter=matter
                    ),
                ),
            )

    def _read(
        self, role: ReaderRole, reason: ReadReason, person: Townsperson, conversation: UUID
    ) -> None:
        """Queues a reading by staff for the end of the day."""
        self.to_read.append((role, reason, person, conversation))

    def _end_day(self) -> None:
        self._flush()
        for role, reason, person, conversation in self.to_read:
            ticket = f"T-{self.readings + 101}"
            self.readings += scenes.read_as_staff(
                self.installation, role, reason, ticket, person.id, conversation
            )
        self.to_read.clear()
        self._ask()

    def _ask(self) -> None:
        """Sends due legal requests of people, and the officer's answers."""
        self.requests.play(
            [
                person.id
                for person in self.town.people
                if person.account is not None and not person.closed
            ]
        )

    def _open(self, person: Townsperson) -> None:
        at = person.opens_at
        person.account = uuid7(at, self.random.randbytes(10))
        self._add(
            events.OpenAccountEvent(at=at, account=person.name, plan=person.plan, age=person.age),
            commands.OpenAccount(
                at=at,
                account=person.id,
                host=self.town.host(self.installation, "account", person.name),
                plan=person.plan,
                age=person.age,
            ),
        )

    def _put_off(self) -> None:
        """Puts the notice off for half of the shown people when they first see it."""
        late = NOTICE + 3 * ONE_DAY
        shown = [
            person for person in self.town.people if person.is_shown and person.account is not None
        ]
        for person in shown:
            if person.decides_at is None or person.decides_at > late:
                scenes.put_off(self.installation, person.id)

    def _choose(self, person: Townsperson, now: datetime, allow: bool, via: str) -> None:
        shown = None
        if person.is_shown and via in ("notice", "signup"):
            self._flush()
            shown = scenes.answer_notice(self.installation, person.id, now, via)
        self._add(
            events.ChooseEvent(at=now, account=person.name, allow=allow, via=via),
            commands.Choose(
                at=now,
                account=person.id,
                allow=allow,
                via=via,
                evidence=choices.evidence(shown, surface="app", gpc=False),
                answers=shown.question if shown is not None else None,
            ),
        )

    def _share(self, person: Townsperson, now: datetime, project: str) -> None:
        """Says yes to one project for somebody who said no."""
        host = self.town.host(self.installation, "project", project)
        self._add(
            events.ChooseEvent(
                at=now,
                account=person.name,
                allow=True,
                via="settings",
                scope=events.NamedScope(project=project),
            ),
            commands.Choose(
                at=now,
                account=person.id,
                allow=True,
                via="settings",
                scope=commands.ChosenScope(host_project=host),
                evidence="pressed the button of the project",
            ),
        )

    def _chat(self, person: Townsperson, now: datetime) -> None:
        """Begins or resumes a conversation."""
        random = self.random
        open_ones = [
            name for name, _ in person.conversations[-3:] if self.town.begun[name].about is not None
        ]
        resumed = bool(open_ones) and random.random() < 0.25
        name = random.choice(open_ones) if resumed else f"c{self.conversations}"
        self.conversations += not resumed
        if not resumed:
            self.town.begun[name] = self._begin(person, name)
        chat = self.town.begun[name]
        surface = "bedrock" if random.random() < 0.02 else chat.surface
        incognito, narrow = random.random() < 0.03, random.random() < 0.02
        project = (
            self.town.host(self.installation, "project", chat.project)
            if chat.project and not resumed
            else None
        )
        project_title = encode(Content(text=chat.project)) if project else None
        title: bytes | None = None
        waits = (
            now >= DEADLINE
            and person.plan in COVERED_PLANS
            and (person.decides_at is None or person.decides_at > now)
        )
        for role, content in self._words(person, chat, resumed=resumed):
            if waits and role is not TurnRole.user:
                continue  # a message refused at the gate gets no answer
            turn = f"{name}.{self.town.turns[name]}"
            if self.town.turns[name] == 0:
                title = encode(Content(text=speech.title(content.text)))
            self.town.turns[name] += 1
            self._add(
                events.SayEvent(
                    at=now,
                    account=person.name,
                    conversation=name,
                    turn=turn,
                    role=role,
                    surface=surface,
                    incognito=incognito,
                    kind=chat.kind,
                    narrow=narrow,
                    project=chat.project,
                ),
                commands.AddTurn(
                    at=now,
                    account=person.id,
                    host_conversation=self.town.host(self.installation, "conversation", name),
                    host_turn=self.town.host(self.installation, "turn", turn),
                    role=role,
                    surface=surface,
                    incognito=incognito,
                    kind=chat.kind,
                    narrow=narrow,
                    content=encode(content),
                    title=title,
                    host_project=project,
                    project_title=project_title,
                ),
            )
            now += timedelta(seconds=random.randrange(4, 90))

    def _begin(self, person: Townsperson, name: str) -> BegunChat:
        chat = people.draw_chat(self.random, person)
        if chat.project and chat.project not in person.projects:
            person.projects.append(chat.project)
        if chat.sort is ChatSort.scam:
            self._later(person, 1, lambda day: self._suspect(person, day, name))
        return chat

    def _words(
        self, person: Townsperson, chat: BegunChat, *, resumed: bool
    ) -> Iterator[tuple[TurnRole, Content]]:
        """Draws the turns; one, once, contains the planted sentence."""
        for role, content in people.draw_turns(self.random, person, chat, resumed=resumed):
            if not self.planted and role is TurnRole.user:
                self.planted = True
                yield role, Content(text=f"{content.text} {PLANTED}")
            else:
                yield role, content

    def _suspect(self, person: Townsperson, day: datetime, name: str) -> None:
        if name in self.town.ids:
            self._flag(person, day, name, self.town.ids[name], is_misuse=True)

    def _add(self, event: events.Event, command: commands.Command) -> None:
        self.queue.append((event, command))
        if len(self.queue) >= BATCH_COMMANDS:
            self._flush()

    def _flush(self) -> None:
        """Sends the events to the vault, then to the world, in the same order."""
        if not self.queue:
            return
        queue, self.queue = self.queue, []
        answers = verbs.apply_commands(self.installation, [command for _, command in queue])
        for (event, command), answer in zip(queue, answers, strict=True):
            self.town.apply(event, command, answer)
            self._count(event, answer)

    def _count(self, event: events.Event, answer: CommandResult) -> None:
        kind = type(event).__name__.removesuffix("Event")
        if answer.outcome is Outcome.refused and isinstance(event, events.SayEvent):
            self.outcomes[f"refused {answer.because}"] += 1
        elif isinstance(event, events.ChooseEvent) and answer.effect is not None:
            self.outcomes[f"choice {answer.effect.value}"] += 1
        elif answer.outcome is Outcome.done:
            self.outcomes[kind] += 1

    # Releases

    def _release(self, name: str, purpose: str) -> BuildResult:
        """Builds a release and records what the world expects in it."""
        self._flush()
        self.progress(
            f"building the release {name}", DAYS_SHARE * ((self.day - BEGIN) / (END - BEGIN))
        )
        built = release_build.build_release(self.installation, name=name, purpose=purpose)
        self.town.expect(name, purpose, self.clock.now)
        counts = built.manifest.counts
        curated = {why.value for why in LeftOut}
        left = sum(n for why, n in counts.dropped.items() if why in curated)
        barred = sorted(
            ((why, n) for why, n in counts.dropped.items() if why not in curated),
            key=lambda item: (-item[1], item[0]),
        )
        share = counts.included / max(counts.included + left, 1)
        self._tell(
            f"release {name} for {purpose}: {built.manifest.rows:,} rows",
            f"{counts.included + left:,} of {counts.candidates:,} turns are permitted; {share:.0%} "
            "of them are in, and "
            f"{left:,} said what others say",
            "not permitted: "
            f"{', '.join(f'{n:,} {why}' for why, n in barred[:5])}{', ...' if barred[5:] else ''}",
        )
        return built

    def _withdraw_after(self, built: BuildResult) -> None:
        """On the day after a release, hands out a copy and withdraws somebody in it."""
        shutil.copytree(built.folder, self.kept_copy)
        self.clock.set(WITHDRAWAL)
        with transaction(self.installation.pool) as tx:
            account, count = next(
                iter(registry.rows_by_account(tx, UUID(hex=built.manifest.release)).items())
            )
        self._left = next(p for p in self.town.people if p.account == account)
        before = sum(1 for _ in catalog.open_release(self.installation, "october"))
        self._choose(self.withdrawn_person, WITHDRAWAL, False, "settings")
        self._flush()
        after = sum(1 for _ in catalog.open_release(self.installation, "october"))
        self._tell(
            f"{self.withdrawn_person.name} withdraws; {count} rows of the release handed out "
            "yesterday were theirs",
            f"{before:,} rows came out before, {after:,} now",
        )

    @property
    def withdrawn_person(self) -> Townsperson:
        """The person who withdrew on the day after the first release."""
        assert self._left is not None
        return self._left

    def sum_up(self) -> None:
        """Prints the town's figures."""
        o = self.outcomes
        self.say("\nwhat happened:")
        self.say(
            f"  accounts   {o['OpenAccount']:,} opened, {o['CloseAccount']:,} closed; "
            f"{o['SetPlan']:,} plan moves"
        )
        self.say(
            f"  choices    {o['choice began']:,} said yes, {o['choice declined']:,} said "
            f"no, {o['choice withdrew']:,} withdrew"
        )
        refused = ", ".join(
            f"{n:,} {key.removeprefix('refused ')}"
            for key, n in sorted(o.items())
            if key.startswith("refused")
        )
        self.say(
            f"  turns      {o['Say']:,} kept; refused at the gate and after: {refused or 'none'}"
        )
        self.say(
            f"  chats      {o['Delete']:,} deleted, {o['Narrow']:,} chats and projects kept "
            f"out, {o['GiveFeedback']:,} feedback"
        )
        self.say(
            f"  staff      {o['Flag']:,} flags, {o['Unflag']:,} taken back; {o['Hold']:,} holds, "
            f"{o['Unhold']:,} ended; "
            f"{self.readings:,} readings; {self.requests.count:,} requests of people"
        )
        self.say(
            f"  sweeps     erased {self.swept.turns:,} turns in {self.swept.segments:,} segments, "
            "and "
            f"{self.swept.feedback:,} feedback: "
            f"{', '.join(f'{n:,} {why}' for why, n in sorted(self.swept.reasons.items()))}"
        )


assert BEGIN.tzinfo is UTC
