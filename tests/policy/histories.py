"""Histories to hold promises against: policies that change, people who come, go, decide and write.

Drawn from a seed alone, so that a failure names the seed that repeats it. Times favour the instants where
limits meet: equal times, whole days, exactly a period later, a version's first instant, the end of a notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from licet.policy import events as ev
from licet.policy.file import Policies, read
from licet.policy.state import ConversationKind, Share, TurnRole

IMPROVE, SAFETY = "improve_models", "safety_classifiers"
PURPOSES = (IMPROVE, SAFETY, "ads")
BEGIN = datetime(2025, 8, 28, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class History:
    seed: int
    documents: list[dict[str, Any]]
    events: list[ev.Event]
    moments: list[datetime]

    def policies(self) -> Policies:
        return Policies(read(document) for document in self.documents)


def history(seed: int, *, length: int = 30, moments: int = 5, versions: int | None = None) -> History:
    """One history; the same for the same seed. Those with the same ``versions`` share their policy versions."""
    draw = Random(seed)
    documents = _documents(draw if versions is None else Random(versions))
    events = _Story(draw, documents).events(draw.randint(length // 2, length))
    return History(seed, documents, events, _moments(draw, events, documents, moments))


def _documents(draw: Random) -> list[dict[str, Any]]:
    first = _document(draw, BEGIN)
    documents = [first]
    for _ in range(draw.choice((0, 1, 1, 2, 2))):
        effective = datetime.fromisoformat(documents[-1]["effective"]) + draw.choice((15, 30, 45, 90, 300)) * DAY
        changed = _document(draw, effective)
        kept = dict(documents[-1], version=changed["version"], effective=changed["effective"])
        for key in changed:  # a version changes some things, not all
            if key in ("material", "decide_by") or draw.random() < 0.2:
                kept[key] = changed[key]
        documents.append(kept)
    draw.shuffle(documents)
    return documents


def _document(draw: Random, effective: datetime) -> dict[str, Any]:
    pick = draw.choice
    notice = pick((None, 10, 31, 31, 120, 120))
    return {
        "policy": "drawn",
        "version": effective.date().isoformat(),
        "effective": effective.isoformat(),
        "decide_by": None if notice is None else (effective + notice * DAY).date().isoformat(),
        "material": draw.random() < 0.85,
        "scope": {
            "plans": pick((["free", "pro"],) * 6 + (["free", "pro", "work"], ["pro"])),
            "surfaces": pick((["app", "cli"],) * 3 + (["app", "cli", "api"], ["app"])),
        },
        "choice": {"covers": pick(([IMPROVE, SAFETY],) * 4 + ([IMPROVE], [SAFETY], list(PURPOSES)))},
        "reach": pick(("turn", "conversation")),
        "keep": {
            "opted_in": pick(("P5Y", "P5Y", "P1Y", "P40D", "P10D")),
            "opted_out": pick(("P30D", "P30D", "P7D", "P2M")),
            "incognito": pick(("P30D", "P5D", "P6W")),
            "deleted": pick(("P30D", "P1D", "P90D")),
            "flagged": pick(("P2Y", "P2Y", "P60D", "P20D")),
            "flag_score": "P7Y",
            "feedback": {"opted_in": pick(("P5Y", "P35D")), "opted_out": pick(("P30D", "P10D", "P2M"))},
        },
        "origins": pick((["typed", "assistant", "upload"], ["typed", "assistant", "connector"], ["typed"])),
        "min_age": pick((None, None, None, 16, 18)),
        "recipients": [],
    }


class _Story:
    """Events as they come, from accounts with a few conversations each."""

    def __init__(self, draw: Random, documents: list[dict[str, Any]]) -> None:
        self.draw = draw
        self.at = BEGIN + draw.choice((-58, -20, -3, -1, -1, 0, 3)) * DAY
        self.accounts = ["ana", "ben", "eva"][: draw.choice((1, 1, 2, 3))]
        self.instants = sorted(datetime.fromisoformat(d["effective"]) for d in documents)
        self.turns = self.feedback = 0
        self.newest = dict.fromkeys(self.accounts, 1)

    def events(self, count: int) -> list[ev.Event]:
        opening = [self._open(name) for name in self.accounts]
        return opening + [event for _ in range(count) for event in self._next()]

    def _open(self, name: str) -> ev.Event:
        age = self.draw.choice((30,) * 12 + (18, 17, 12, None))
        plan = self.draw.choice(("free",) * 5 + ("pro",) * 5 + ("work",))
        opened = ev.OpenAccountEvent(at=self.at, account=name, plan=plan, age=age)
        self.at += self.draw.choice((0, 0, 0, 1, 1, 20)) * DAY
        return opened

    def _pass_time(self) -> None:
        gaps = (0 * DAY, SECOND, HOUR, DAY, 3 * DAY, 7 * DAY, 10 * DAY, 29 * DAY, 30 * DAY, 90 * DAY, 366 * DAY)
        (gap,) = self.draw.choices(gaps, weights=(34, 8, 14, 18, 10, 7, 4, 2, 2, 0.5, 0.3))
        later = [instant for instant in self.instants if instant > self.at]
        if later and self.draw.random() < 0.05:
            self.at = later[0]
        else:
            self.at += gap

    def _next(self) -> list[ev.Event]:
        self._pass_time()
        draw, name = self.draw, self.draw.choice(self.accounts)
        ways = (self._say, self._choose, self._about, self._mark, self._move, self._give_feedback)
        (way,) = draw.choices(ways, weights=(46, 15, 11, 11, 9, 10))
        return way(name)

    def _conversation(self, name: str) -> str:
        """Mostly one of the account's own newest three; now and then somebody else's."""
        owner = self.draw.choice(self.accounts) if self.draw.random() < 0.1 else name
        return f"{owner}-{max(1, self.newest[owner] - self.draw.choice((0, 0, 1, 2)))}"

    def _say(self, name: str) -> list[ev.Event]:
        draw = self.draw
        self.newest[name] += draw.random() < 0.25
        chat = self._conversation(name)
        said = [self._turn(name, chat, TurnRole.user)]
        while draw.random() < 0.4:
            if draw.random() < 0.25:
                self._pass_time()
            said.append(
                self._turn(
                    name, chat, draw.choice((TurnRole.assistant, TurnRole.assistant, TurnRole.tool, TurnRole.user))
                )
            )
        if draw.random() < 0.12:
            said = said[1:]
        return said

    def _turn(self, name: str, chat: str, role: TurnRole) -> ev.Event:
        draw = self.draw
        again = self.turns > 0 and draw.random() < 0.02
        self.turns += not again
        return ev.SayEvent(
            at=self.at,
            account=name,
            conversation=chat,
            turn=f"t{self.turns}",
            role=role,
            origin=draw.choice(("",) * 8 + ("connector", "upload")),
            surface=draw.choice(("app",) * 28 + ("cli", "api")),
            incognito=draw.random() < 0.06,
            narrow=draw.random() < 0.08,
            kind=draw.choice((ConversationKind.chat, ConversationKind.code)),
        )

    def _choose(self, name: str) -> list[ev.Event]:
        age = self.draw.choice((None,) * 18 + (30, 30, 15))
        return [ev.ChooseEvent(at=self.at, account=name, allow=self.draw.random() < 0.75, age=age)]

    def _about(self, name: str) -> list[ev.Event]:
        kind = self.draw.choices((ev.NarrowEvent, ev.WidenEvent, ev.DeleteEvent), weights=(5, 5, 2))[0]
        return [kind(at=self.at, account=name, conversation=self._conversation(name))]

    def _mark(self, name: str) -> list[ev.Event]:
        draw, chat = self.draw, self._conversation(name)
        kind = draw.choices((ev.FlagEvent, ev.UnflagEvent, ev.HoldEvent, ev.UnholdEvent), weights=(6, 1, 2, 2))[0]
        if kind is ev.HoldEvent or kind is ev.UnholdEvent:
            return [kind(at=self.at, account=name, conversation=chat, matter=draw.choice(("m1", "m2")))]
        return [kind(at=self.at, account=name, conversation=chat)]

    def _move(self, name: str) -> list[ev.Event]:
        draw = self.draw
        if draw.random() < 0.07:
            return [ev.CloseAccountEvent(at=self.at, account=name)]
        if draw.random() < 0.5:
            return [ev.SetAgeEvent(at=self.at, account=name, age=draw.choice((30, 30, 30, 18, 15, None)))]
        return [ev.SetPlanEvent(at=self.at, account=name, plan=draw.choice(("free", "pro", "work")))]

    def _give_feedback(self, name: str) -> list[ev.Event]:
        self.feedback += self.feedback == 0 or self.draw.random() < 0.95
        chat, share = self._conversation(name), self.draw.choice(tuple(Share))
        return [
            ev.GiveFeedbackEvent(at=self.at, account=name, conversation=chat, feedback=f"f{self.feedback}", share=share)
        ]


def _moments(draw: Random, events: list[ev.Event], documents: list[dict[str, Any]], count: int) -> list[datetime]:
    """When to ask: at events, exactly a period after one, at a version's first instant, and far beyond."""
    last = events[-1].at
    found = {last}
    for _ in range(count - 1):
        event = draw.choice(events[len(events) // 3 :]).at
        after = draw.choice((SECOND, DAY, DAY, 7 * DAY, 10 * DAY, 30 * DAY - SECOND, 30 * DAY, 60 * DAY, 731 * DAY))
        first = datetime.fromisoformat(draw.choice(documents)["effective"])
        found.add(draw.choice((event, event, event, event + after, event + after, first)))
    return sorted(found)
