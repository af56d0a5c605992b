"""The town's people, and the in-memory world that mirrors the vault."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Protocol
from uuid import UUID

import msgspec

from licet.demo import speech
from licet.demo.code_sessions import CodingSession, TownRepository, repository
from licet.demo.speech import Talk
from licet.policy import events
from licet.policy.file import Policies
from licet.policy.state import ConversationKind, TurnRole
from licet.policy.world import World
from licet.vault import commands
from licet.vault.commands import CommandResult
from licet.vault.content import Content
from licet.vault.ids import host_hmac
from licet.vault.installation import Installation, load_host_key

COVERED_PLANS = ("free", "pro", "max")
SHOWN = 200  # of these, people within the terms who write English are shown
PLANS = (("free", 60), ("pro", 20), ("max", 6), ("work", 8), ("education", 5), ("gov", 1))


class Townsperson:
    """An account's person: when it opens, its answers and their times, and its amount, language and
    topics of chat. ``shares_at`` is when somebody who said no says yes to one project;
    ``is_shown``: the demonstration shows their pages.
    """

    __slots__ = (
        "account", "age", "allows", "changes_at", "chats_a_day", "closed", "conversations", "decides_at", "is_shown",
        "is_tidy", "language", "name", "opens_at", "plan", "projects", "repositories", "shares_at",
    )  # fmt: skip

    def __init__(
        self, random: Random, number: int, opens_at: datetime, notice: datetime, end: datetime
    ) -> None:
        self.name = f"p{number}"
        self.plan = random.choices([p for p, _ in PLANS], [w for _, w in PLANS])[0]
        self.age = None if random.random() < 0.05 else random.randrange(14, 80)
        self.opens_at = opens_at
        self.account: UUID | None = None
        self.closed = False
        self.language = speech.draw_language(random)
        self.is_shown = self.language == "en" and self.plan in COVERED_PLANS and number < SHOWN
        codes = self.plan in ("pro", "max") and random.random() < 0.5
        self.repositories: list[TownRepository] = (
            [repository(random) for _ in range(random.randrange(1, 3))] if codes else []
        )
        self.is_tidy = random.random() < 0.25
        self.projects: list[str] = []
        self.chats_a_day = random.choice((0.01, 0.02, 0.04, 0.08))
        self.conversations: list[tuple[str, UUID]] = []
        self.allows = random.random() < 0.6
        silent = random.random() < 0.08
        if opens_at >= notice:
            self.decides_at = opens_at if not silent else None
        else:
            self.decides_at = (
                None if silent else notice + timedelta(days=min(random.expovariate(1 / 12), 60))
            )
        changes = self.decides_at is not None and random.random() < 0.08
        self.changes_at = end - timedelta(days=random.randrange(1, 55)) if changes else None
        shares = (
            self.decides_at is not None
            and not self.allows
            and not changes
            and random.random() < 0.1
        )
        self.shares_at = end - timedelta(days=random.randrange(1, 55)) if shares else None

    @property
    def id(self) -> UUID:
        assert self.account is not None
        return self.account


def populate(
    random: Random, count: int, begin: datetime, notice: datetime, end: datetime
) -> list[Townsperson]:
    """Draws the people. Nine in ten joined before the terms changed; the others sign up
    under them.
    """
    people = []
    for number in range(1, count + 1):
        new = number % 10 == 0
        days = random.randrange((end - notice).days - 5) if new else 0
        opens_at = (
            notice + timedelta(days=days, hours=random.randrange(20))
            if new
            else begin - timedelta(days=number % 300)
        )
        people.append(Townsperson(random, number, opens_at, notice, end))
    return people


class Town:
    """A small world per person, and the vault's ids of its names."""

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self.people: list[Townsperson] = []
        self.worlds: dict[str, World] = {}
        self.turns: defaultdict[str, int] = defaultdict(int)
        self.begun: dict[str, BegunChat] = {}
        self.feedback: list[str] = []
        self.ids: dict[str, UUID] = {}
        self.expected: dict[str, int] = {}
        self.said: dict[tuple[UUID, int], tuple[str, str]] = {}
        self._by_name: dict[str, Townsperson] = {}
        self._host_key: bytes | None = None

    def person(self, name: str) -> Townsperson:
        return self._by_name[name]

    def host(self, installation: Installation, kind: str, name: str) -> bytes:
        """The HMAC of one of the town's names."""
        if self._host_key is None:
            self._host_key = load_host_key(installation)
        return host_hmac(self._host_key, kind, name)

    def apply(self, event: events.Event, command: commands.Command, answer: CommandResult) -> None:
        """Applies an event that the vault accepted to the world, and records the vault's id."""
        world = self.worlds.get(event.account)
        if world is None:
            world = self.worlds[event.account] = World(self.policies)
            self._by_name[event.account] = self.people[int(event.account[1:]) - 1]
        world.apply(event)
        if isinstance(event, events.SayEvent) and answer.conversation is not None and answer.turn:
            self.said[answer.conversation, answer.turn] = (event.account, event.turn)
            if event.conversation not in self.ids:
                self.ids[event.conversation] = answer.conversation
                self._by_name[event.account].conversations.append(
                    (event.conversation, answer.conversation)
                )

    def expect(self, release: str, purpose: str, now: datetime) -> None:
        """Records the number of turns that the world permits at the time of a release."""
        total = 0
        for world in self.worlds.values():
            world.advance(now)
            total += len(world.usable(purpose, now))
        self.expected[release] = total


CODE_SHARE, REPEATED_SHARE, SCAM_SHARE = 0.6, 0.06, 0.006


class ChatSort(StrEnum):
    code = "code"
    talk = "talk"
    repeated = "repeated"
    scam = "scam"


class Speaker(Protocol):
    """A person's language, whether they use projects, and their repositories."""

    language: str
    is_tidy: bool
    repositories: list[TownRepository]


class BegunChat(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that may continue. ``about`` is None if it ends with its answer."""

    sort: ChatSort
    about: Talk | CodingSession | None = None
    project: str = ""

    @property
    def kind(self) -> ConversationKind:
        return ConversationKind.code if self.sort is ChatSort.code else ConversationKind.chat

    @property
    def surface(self) -> str:
        return "cli" if self.sort is ChatSort.code else "app"


def draw_chat(random: Random, speaker: Speaker) -> BegunChat:
    """Draws the kind of a person's next conversation."""
    if speaker.repositories and random.random() < CODE_SHARE:
        session = CodingSession(random, random.choice(speaker.repositories))
        return BegunChat(sort=ChatSort.code, about=session, project=session.repository.project)
    chance = random.random()
    if chance < REPEATED_SHARE:
        return BegunChat(sort=ChatSort.repeated)
    if chance < REPEATED_SHARE + SCAM_SHARE:
        return BegunChat(sort=ChatSort.scam)
    talk = Talk(random, speaker.language)
    return BegunChat(
        sort=ChatSort.talk, about=talk, project=talk.name.capitalize() if speaker.is_tidy else ""
    )


def draw_turns(
    random: Random, speaker: Speaker, chat: BegunChat, *, resumed: bool
) -> Iterator[tuple[TurnRole, Content]]:
    """Draws the turns of one sitting of a conversation."""
    match chat.about:
        case CodingSession() as session:
            for n in range(random.randrange(1, 3)):
                yield from session.exchange(random, first=n == 0 and not resumed)
        case Talk() as talk:
            for n in range(random.randrange(1, 4)):
                yield (
                    TurnRole.user,
                    Content(text=talk.follow(random) if n or resumed else talk.ask(random)),
                )
                yield TurnRole.assistant, Content(text=talk.answer(random))
        case None:
            draw = speech.common_exchange if chat.sort is ChatSort.repeated else speech.scam
            question, answer = draw(random, speaker.language)
            yield TurnRole.user, Content(text=question)
            yield TurnRole.assistant, Content(text=answer)
