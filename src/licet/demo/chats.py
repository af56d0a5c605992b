"""The town's conversations: coding sessions, chats, common questions, and scams."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from random import Random
from typing import Protocol

import msgspec

from licet.demo import speech
from licet.demo.code_sessions import CodingSession, TownRepository
from licet.demo.speech import Talk
from licet.policy.state import ConversationKind, TurnRole
from licet.vault.content import Content

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
            draw = speech.repeated if chat.sort is ChatSort.repeated else speech.scam
            question, answer = draw(random, speaker.language)
            yield TurnRole.user, Content(text=question)
            yield TurnRole.assistant, Content(text=answer)
