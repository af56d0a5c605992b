"""Every mistake of every verb is found before the verb has an effect, by values alone: no table, no
key and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple, get_args
from uuid import UUID

import pytest
from msgspec.structs import replace

from licet.policy import fold
from licet.policy.state import AccountState, ConversationState, Share, TurnRole
from licet.vault import commands as do
from licet.vault import refusals
from licet.vault.refusals import DUPLICATE, SEGMENTS_MAX, UNKNOWN, CommandRefusal
from licet.vault.tables import ConversationRow, ProjectRow, SegmentKeys

from .town import CHOSEN, OPENED, POLICIES, SAID

ANA, CHAT, GARDEN, GIVEN = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
DAY = timedelta(days=1)
LATER, DECIDED, OVER = SAID + DAY, SAID + 60 * DAY, SAID + 4000 * DAY
MATTER = bytes(range(16))

OPEN = fold.open_account(POLICIES, OPENED, "free", 30)
ALLOWS = fold.choose(OPEN, POLICIES, CHOSEN, True).account
CLOSED = fold.close_account(ALLOWS, POLICIES, SAID).account
EMPTY = fold.begin_conversation(ALLOWS, name=CHAT.hex)
CHATTED = fold.add_turn(ALLOWS, EMPTY, POLICIES, SAID, TurnRole.user, "app", "typed").conversation
OUT = fold.narrow(ALLOWS, CHATTED, POLICIES, LATER).conversation
DELETED = fold.delete(CHATTED, POLICIES, LATER)
HELD = fold.hold(CHATTED, LATER, MATTER.hex())


def refused(because: str) -> CommandRefusal:
    return CommandRefusal(do.Outcome.refused, because)


class Mistake(NamedTuple):
    """A command beside the state that it meets, and what is answered; None: it succeeds."""

    command: do.Command
    answer: CommandRefusal | None
    account: AccountState = ALLOWS
    state: ConversationState | None = CHATTED
    at: datetime = LATER
    erased: bool = False
    more: Mapping[str, Any] = MappingProxyType({})


def said(**more: Any) -> do.AddTurn:
    return do.AddTurn(account=ANA, at=LATER, content=b"words", **more)


def on(what: Callable[..., Any], **more: Any) -> Any:
    return what(**{"account": ANA, "at": LATER, "conversation": CHAT, **more})


def rated(**more: Any) -> Any:
    return on(do.GiveFeedback, **{"rating": "up", "share": Share.reply, "turn": 1, **more})


REPLAY = {"replay": True}
EARLY = SAID - DAY
TURNS = [
    Mistake(said(), None),
    Mistake(said(), None, state=None),
    Mistake(said(conversation=CHAT), UNKNOWN, state=None),
    Mistake(said(), refused("closed"), account=CLOSED),
    Mistake(said(), refused("deleted"), state=DELETED),
    Mistake(said(), refused("expired"), at=OVER),
    Mistake(said(), refused("must_decide"), account=OPEN, at=DECIDED),
    Mistake(said(role=TurnRole.assistant), None, account=OPEN, at=DECIDED),
    Mistake(said(), None, account=OPEN),
    Mistake(said(), None, account=OPEN, at=DECIDED, more=REPLAY),
    Mistake(said(), None, at=OVER, more=REPLAY),
    Mistake(said(), refused("closed"), account=CLOSED, more=REPLAY),
    Mistake(said(), refused("deleted"), state=DELETED, more=REPLAY),
    Mistake(replace(said(), at=EARLY), refused(do.OUT_OF_ORDER), more=REPLAY),
    Mistake(replace(said(), at=EARLY), None, state=None, more=REPLAY),
    Mistake(replace(said(), at=EARLY), None),
]
KNOWN, MATTERS = {"feedback": GIVEN}, {"matter": MATTER}
ABOUT = [
    *(
        Mistake(on(what, **more), UNKNOWN, state=None)
        for what, more in (
            (do.Delete, {}),
            (do.Narrow, {}),
            (do.Widen, {}),
            (do.Flag, {}),
            (do.Unflag, {}),
            (do.Hold, {"matter": "m"}),
            (do.Unhold, {"matter": "m"}),
            (do.GiveFeedback, {"rating": "up", "share": Share.rating}),
            (do.TakeBackFeedback, {"feedback": GIVEN}),
        )
    ),
    *(
        Mistake(on(what, **more), None, account=account, state=state, at=at)
        for what, more in (
            (do.Delete, {}),
            (do.Narrow, {}),
            (do.Widen, {}),
            (do.Flag, {}),
            (do.Unflag, {}),
            (do.Unhold, {"matter": "m"}),
        )
        for account in (ALLOWS, CLOSED)
        for state in (CHATTED, OUT, DELETED)
        for at in (LATER, OVER)
    ),
    Mistake(on(do.Widen, narrowings=1), None, state=OUT),
    Mistake(on(do.Widen, narrowings=2), refused(do.STALE), state=OUT),
    Mistake(on(do.Widen, narrowings=2), None),
    Mistake(on(do.Hold, matter="m"), None, more=MATTERS),
    Mistake(on(do.Hold, matter="m"), refused(do.EXPIRED), at=OVER, more=MATTERS),
    Mistake(on(do.Hold, matter="m"), refused(do.EXPIRED), erased=True, more=MATTERS),
    Mistake(on(do.Hold, matter="m"), None, state=HELD, at=OVER, more=MATTERS),
    Mistake(rated(), None),
    Mistake(rated(turn=2), UNKNOWN),
    Mistake(rated(turn=2), UNKNOWN, more=KNOWN),
    Mistake(rated(), DUPLICATE, more=KNOWN),
    Mistake(rated(), DUPLICATE, account=CLOSED, more=KNOWN),
    Mistake(rated(at=EARLY), refused(do.LATE), more=REPLAY),
    Mistake(rated(at=EARLY), None),
    Mistake(rated(), refused("closed_deleted_or_expired"), account=CLOSED),
    Mistake(rated(), refused("closed_deleted_or_expired"), state=DELETED),
    Mistake(rated(), refused("closed_deleted_or_expired"), at=OVER),
    Mistake(on(do.TakeBackFeedback, feedback=GIVEN), UNKNOWN),
    Mistake(on(do.TakeBackFeedback, feedback=GIVEN), None, more=KNOWN),
]
GARDENED = ProjectRow(
    account_id=ANA, project_id=GARDEN, host_hmac=MATTER, title=None, begun_at=SAID
)


def project(what: Callable[..., Any], **more: Any) -> Any:
    return what(**{"account": ANA, "at": LATER, "project": GARDEN, **more})


PROJECTS = [
    (project(do.KeepProjectOut), None, UNKNOWN),
    (project(do.LetProjectIn), None, UNKNOWN),
    (project(do.LetProjectIn, project=None, host_project=MATTER), None, None),
    (project(do.KeepProjectOut, project=None, host_project=MATTER), None, None),
    (project(do.KeepProjectOut), replace(GARDENED, kept_out_at=SAID), None),
    (project(do.LetProjectIn), replace(GARDENED, kept_out_at=SAID), None),
    (project(do.LetProjectIn, out_at=SAID), replace(GARDENED, kept_out_at=SAID), None),
    (project(do.LetProjectIn, out_at=OPENED), GARDENED, None),
    (
        project(do.LetProjectIn, out_at=OPENED),
        replace(GARDENED, kept_out_at=SAID),
        refused(do.STALE),
    ),
]


def opening(**more: Any) -> do.OpenAccount:
    return do.OpenAccount(account=ANA, at=LATER, host=MATTER, plan="free", age=30, **more)


OPENINGS = [
    (opening(), None, None),
    (opening(), ALLOWS, DUPLICATE),
    (opening(begin_anew=True), ALLOWS, DUPLICATE),
    (opening(), CLOSED, DUPLICATE),
    (opening(begin_anew=True), CLOSED, None),
]


@pytest.mark.parametrize("mistake", TURNS)
def test_a_turn_is_refused_or_taken(mistake: Mistake) -> None:
    assert isinstance(mistake.command, do.AddTurn)
    replay = bool(mistake.more)
    answer = refusals.check_turn(
        mistake.command, mistake.account, mistake.state, POLICIES, mistake.at, replay=replay
    )
    assert answer == mistake.answer


def test_a_conversation_takes_so_many_segments() -> None:
    assert refusals.check_segment(SEGMENTS_MAX - 1) is None
    assert refusals.check_segment(SEGMENTS_MAX) == refused("too_many_segments")


@pytest.mark.parametrize("mistake", ABOUT)
def test_what_is_about_a_conversation_is_refused_or_done(mistake: Mistake) -> None:
    row = None
    if mistake.state is not None:
        row = ConversationRow(
            account_id=ANA,
            conversation_id=CHAT,
            host_hmac=None,
            begun_at=SAID,
            state=mistake.state,
            saved=None,
            keys=[SegmentKeys(erased=mistake.erased) for _ in mistake.state.segments],
        )
    command: Any = mistake.command
    answer = refusals.check_conversation(
        command, mistake.account, row, POLICIES, mistake.at, **mistake.more
    )
    assert answer == mistake.answer


def test_every_verb_about_a_conversation_has_its_mistakes_here() -> None:
    assert {type(mistake.command) for mistake in ABOUT} == set(get_args(do.About))
    assert {type(command) for command, _, _ in PROJECTS} == set(get_args(do.AboutProject))


@pytest.mark.parametrize(("command", "found", "answer"), PROJECTS)
def test_what_is_about_a_project_is_refused_or_done(
    command: do.AboutProject, found: ProjectRow | None, answer: CommandRefusal | None
) -> None:
    assert refusals.check_project(command, found) == answer


@pytest.mark.parametrize(("command", "known", "answer"), OPENINGS)
def test_an_account_is_known_or_opened(
    command: do.OpenAccount, known: AccountState | None, answer: CommandRefusal | None
) -> None:
    assert refusals.check_opening(command, known) == answer
