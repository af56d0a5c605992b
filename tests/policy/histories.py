"""Histories to hold promises against: policies that change, people who come, go, decide and write.

Drawn from a seed alone, so that a failure names the seed that repeats it. Times favour the instants
where limits meet: equal times, whole days, exactly a period later, a version's first instant, the
end of a notice.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any

import msgspec

from licet.policy import events as ev
from licet.policy.diff import compare, must_be_material
from licet.policy.file import Policies, from_document
from licet.policy.state import ConversationKind, Share, TurnRole

IMPROVE, SAFETY = "improve_models", "safety_classifiers"
PURPOSES = (IMPROVE, SAFETY, "ads")
QUESTIONS = ("models", "safety", "more")
PROJECTS = ("p", "q")  # every account has projects of these names, each its own
BEGIN = datetime(2025, 8, 28, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


# one is another one's equal where it is the same: what is derived from it is kept
@dataclass(frozen=True, eq=False)
class History:
    seed: int
    documents: list[dict[str, Any]]
    events: list[ev.Event]
    moments: list[datetime]

    def policies(self) -> Policies:
        return self._policies

    @cached_property
    def _policies(self) -> Policies:
        return Policies(from_document(document) for document in self.documents)


def history(
    seed: int,
    *,
    length: int = 30,
    moments: int = 5,
    versions: int | None = None,
    chain: int | None = None,
) -> History:
    """One history; the same for the same seed. Those with the same ``versions`` share their policy
    versions.

    ``chain`` is how many versions there are, where it is not drawn.
    """
    draw = Random(seed)
    documents = _documents(draw if versions is None else Random(versions), chain)
    events = _Story(draw, documents).events(draw.randint(length // 2, length))
    asked = _moments(draw, events, documents, moments)
    if Random(f"regions {seed if versions is None else versions}").random() < 0.4:
        _differ_by_region(Random(f"versions {seed if versions is None else versions}"), documents)
        events = _told_regions(Random(f"people {seed}"), events)
    return History(seed, documents, events, asked)


# Regions, drawn apart from the rest: the other histories stay what they were


NAMED_REGIONS = ("DE", "US", "US-CA")
REGIONS = (None, None, "DE", "DE-BY", "US", "US-CA", "US-NY", "FR")


def _differ_by_region(draw: Random, documents: list[dict[str, Any]]) -> None:
    """Most versions have an age of their own for some regions; often the one before had it as
    well.
    """
    before: dict[str, Any] = {}
    for document in sorted(documents, key=lambda one: datetime.fromisoformat(one["effective"])):
        names = [name for name in NAMED_REGIONS if draw.random() < 0.5]
        drawn = {name: {"min_age": draw.choice((None, 13, 16, 18, 21))} for name in names}
        said = draw.choice((drawn, drawn, before or drawn, {}))
        if said:
            document["regions"] = said
        before = said


def _told_regions(draw: Random, events: list[ev.Event]) -> list[ev.Event]:
    """The host tells regions at some opening, and now and then another one."""
    told: list[ev.Event] = []
    for event in events:
        if isinstance(event, ev.OpenAccountEvent):
            told += [
                event,
                ev.SetRegionEvent(at=event.at, account=event.account, region=draw.choice(REGIONS)),
            ]
            continue
        told.append(event)
        if draw.random() < 0.06:
            told.append(
                ev.SetRegionEvent(at=event.at, account=event.account, region=draw.choice(REGIONS))
            )
    return told


# The versions


def _documents(draw: Random, chain: int | None) -> list[dict[str, Any]]:
    """Up to four versions, each as it may follow the one before: `material` where it must be."""
    documents = [dict(_document(draw, BEGIN), material=True)]
    for _ in range(draw.choice((0, 1, 1, 2, 2, 3, 3)) if chain is None else chain - 1):
        before = documents[-1]
        effective = (
            datetime.fromisoformat(before["effective"])
            + draw.choice((15, 20, 30, 45, 90, 300)) * DAY
        )
        changed = _document(draw, effective)
        kept = dict(before, version=changed["version"], effective=changed["effective"])
        for key in changed:  # a version changes some things, not all, and some of them back
            if key in ("material", "decide_by") or (
                key != "choice" and draw.random() < (0.4 if key == "reach" else 0.15)
            ):
                kept[key] = changed[key]
        if draw.random() < 0.4:
            kept["choice"] = _asked_anew(draw, before["choice"], changed["choice"])
        for key in CHANGED_BACK if len(documents) > 1 else ():
            if draw.random() < 0.4:
                kept[key] = documents[-2][key]
        kept["material"] = kept["material"] or must_be_material(
            compare(from_document(before), from_document(kept))
        )
        documents.append(kept)
    draw.shuffle(documents)
    return documents


def _document(draw: Random, effective: datetime) -> dict[str, Any]:
    pick = draw.choice
    notice = pick((None, None, 10, 31, 120, 120))
    return {
        "policy": "drawn",
        "version": effective.date().isoformat(),
        "effective": effective.isoformat(),
        "decide_by": None if notice is None else (effective + notice * DAY).date().isoformat(),
        "material": draw.random() < 0.5,
        "scope": {
            "plans": pick((["free", "pro"],) * 7 + (["free", "pro", "work"], ["pro"])),
            "surfaces": pick((["app", "cli"],) * 3 + (["app", "cli", "api"], ["app"])),
        },
        "choice": pick(CHOICES),
        "reach": pick(("turn", "conversation")),
        "keep": {
            "opted_in": pick(("P5Y", "P5Y", "P1Y", "P40D", "P10D")),
            "opted_out": pick(("P30D", "P30D", "P7D", "P2M")),
            "incognito": pick(("P30D", "P5D", "P6W")),
            "deleted": pick(("P30D", "P1D", "P90D")),
            "flagged": pick(("P2Y", "P2Y", "P60D", "P20D")),
            "flag_score": "P7Y",
            "feedback": {
                "opted_in": pick(("P5Y", "P35D")),
                "opted_out": pick(("P30D", "P10D", "P2M")),
            },
        },
        "origins": pick(
            (["typed", "assistant", "upload"], ["typed", "assistant", "connector"], ["typed"])
        ),
        "min_age": pick((None, None, None, None, 16, 18)),
        "recipients": [],
    }


CHANGED_BACK = ("choice", "reach", "scope", "origins", "min_age")


def _asks(**covers: list[str]) -> list[dict[str, Any]]:
    return [{"question": question, "covers": purposes} for question, purposes in covers.items()]


CHOICES: tuple[Any, ...] = (
    *[{"covers": [IMPROVE, SAFETY]}] * 3,
    *[{"covers": one} for one in ([IMPROVE], [SAFETY], list(PURPOSES))],
    *[_asks(models=[IMPROVE], safety=[SAFETY])] * 5,
    _asks(safety=[SAFETY], models=[IMPROVE, "ads"]),
    _asks(models=[IMPROVE, SAFETY], more=["ads"]),
    *[_asks(models=[IMPROVE], safety=[SAFETY], more=["ads"])] * 2,
    _asks(models=[IMPROVE]),
)


def _asked_anew(draw: Random, before: Any, other: Any) -> Any:
    """What a next version asks: a question less, one more or again, a purpose moved, dropped or
    more; or all anew.
    """
    if isinstance(before, dict) or draw.random() < 0.25:
        return other
    asked = {one["question"]: list(one["covers"]) for one in copy.deepcopy(before)}
    name = draw.choice(list(asked))
    free = [
        purpose for purpose in PURPOSES if not any(purpose in covers for covers in asked.values())
    ]
    match draw.choice(("drop", "add", "move", "less", "more")):
        case "drop":
            del asked[name]
        case "add" if free:
            asked.setdefault(draw.choice(QUESTIONS), []).append(draw.choice(free))
        case "move":
            asked.setdefault(draw.choice(QUESTIONS), []).append(asked[name].pop())
        case "less":
            asked[name].pop(draw.randrange(len(asked[name])))
        case "more" if free:
            asked[name].append(draw.choice(free))
    return _asks(**{question: covers for question, covers in asked.items() if covers}) or other


def questions(document: dict[str, Any]) -> list[str]:
    choice = document["choice"]
    return ["training"] if isinstance(choice, dict) else [one["question"] for one in choice]


# What people do


def project_of(chat: str) -> str:
    """In which project a conversation mostly begins: two of three are in one."""
    return ("", *PROJECTS)[int(chat.rpartition("-")[2]) % 3]


class _Story:
    """Events as they come, from accounts with a few conversations each, some of them in
    projects.
    """

    def __init__(self, draw: Random, documents: list[dict[str, Any]]) -> None:
        self.draw = draw
        self.at = BEGIN + draw.choice((-58, -20, -3, -1, -1, -1, 0, 3)) * DAY
        self.accounts = ["ana", "ben", "eva"][: draw.choice((1, 1, 1, 2, 3))]
        self.versions = sorted(documents, key=lambda document: document["effective"])
        self.instants = [
            datetime.fromisoformat(document["effective"]) for document in self.versions
        ]
        self.turns = self.feedback = 0
        self.newest = dict.fromkeys(self.accounts, 1)
        self.choosy = draw.choice((0.25, 0.5, 0.75, 0.9))  # how often an answer is a yes

    def events(self, count: int) -> list[ev.Event]:
        opening = [self._open(name) for name in self.accounts]
        if self.draw.random() < 0.6:
            self.at = max(self.at, BEGIN)  # before, nothing can be chosen
            opening += [event for name in self.accounts for event in self._answer_all(name)]
        return opening + [event for _ in range(count) for event in self._next()]

    def _open(self, name: str) -> ev.Event:
        age = self.draw.choice((30,) * 12 + (18, 17, 12, None))
        plan = self.draw.choice(("free",) * 5 + ("pro",) * 5 + ("work",))
        opened = ev.OpenAccountEvent(at=self.at, account=name, plan=plan, age=age)
        self.at += self.draw.choice((0, 0, 0, 1, 1, 20)) * DAY
        return opened

    def _pass_time(self) -> bool:
        """Whether it passed to the first instant of a version, which nobody has answered yet."""
        gaps = (
            0 * DAY,
            SECOND,
            HOUR,
            DAY,
            3 * DAY,
            7 * DAY,
            10 * DAY,
            29 * DAY,
            30 * DAY,
            90 * DAY,
            366 * DAY,
        )
        (gap,) = self.draw.choices(gaps, weights=(38, 8, 16, 18, 8, 5, 3, 1.5, 1.5, 0.4, 0.2))
        later = [instant for instant in self.instants if instant > self.at]
        if later and self.draw.random() < 0.06:
            self.at = later[0]
            return True
        self.at += gap
        return False

    def _perhaps_pass_time(self) -> None:
        if self.draw.random() < 0.3:
            self._pass_time()

    def _next(self) -> list[ev.Event]:
        draw = self.draw
        if self._pass_time() and draw.random() < 0.6:
            return [event for name in self.accounts for event in self._say(name)]
        name = draw.choice(self.accounts)
        ways: tuple[Callable[[str], list[ev.Event]], ...] = (
            self._say,
            self._choose,
            self._answer_all,
            self._except,
            self._keep_out,
            self._mark,
            self._move,
            self._give_feedback,
        )
        (way,) = draw.choices(ways, weights=(46, 7, 9, 8, 10, 7, 6, 9))
        if draw.random() < 0.01:
            name = "zoe"  # whom nobody ever opened an account for
        return way(name)

    def _conversation(self, name: str) -> str:
        """Mostly one of the account's own newest three; now and then somebody else's."""
        owner = (
            self.draw.choice(self.accounts)
            if name not in self.newest or self.draw.random() < 0.1
            else name
        )
        return f"{owner}-{max(1, self.newest[owner] - self.draw.choice((0, 0, 1, 2)))}"

    def _asked(self) -> list[str]:
        """The questions of the version in force, or of the first before it is."""
        begun = sum(instant <= self.at for instant in self.instants)
        return questions(self.versions[max(0, begun - 1)])

    def _question(self) -> str | None:
        """Mostly one that is asked; none, and one of another version, as well."""
        asked = self._asked()
        return self.draw.choice(
            (None, *asked * 4, *QUESTIONS, "training")
            if len(asked) > 1
            else (None, *asked * 3, "safety")
        )

    def _scope(self, name: str) -> ev.NamedScope:
        chat = self._conversation(name)
        project = project_of(chat) or self.draw.choice(PROJECTS)
        return (
            ev.NamedScope(project=project)
            if self.draw.random() < 0.5
            else ev.NamedScope(conversation=chat)
        )

    def _say(self, name: str) -> list[ev.Event]:
        draw, chat = self.draw, self._conversation(name)
        if name in self.newest and draw.random() < 0.25:
            self.newest[name] += 1
            chat = f"{name}-{self.newest[name]}"
        said = [self._turn(name, chat, TurnRole.user)]
        while draw.random() < 0.4:
            if draw.random() < 0.25:
                self._pass_time()
            said.append(
                self._turn(
                    name,
                    chat,
                    draw.choice(
                        (TurnRole.assistant, TurnRole.assistant, TurnRole.tool, TurnRole.user)
                    ),
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
            surface=draw.choice(("app",) * 38 + ("cli", "api")),
            incognito=draw.random() < 0.05,
            narrow=draw.random() < 0.06,
            kind=draw.choice((ConversationKind.chat, ConversationKind.code)),
            project=project_of(chat) if draw.random() < 0.9 else draw.choice(PROJECTS),
        )

    def _chosen(
        self, name: str, allow: bool, question: str | None, scope: ev.NamedScope | None = None
    ) -> ev.Event:
        draw = self.draw
        age = draw.choice((None,) * 24 + (30, 17, 15))
        keep = [self._scope(name) for _ in range(draw.choice((0, 0, 1, 2)))] if not allow else []
        return ev.ChooseEvent(
            at=self.at,
            account=name,
            allow=allow,
            question=question,
            scope=scope,
            keep=tuple(keep),
            age=age,
        )

    def _choose(self, name: str) -> list[ev.Event]:
        return [self._chosen(name, self.draw.random() < self.choosy, self._question())]

    def _answer_all(self, name: str) -> list[ev.Event]:
        """Every question that is asked, at one instant: the gate opens, where it can."""
        asked = self._asked()
        self.draw.shuffle(asked)
        return [
            self._chosen(name, self.draw.random() < self.choosy, question) for question in asked
        ]

    def _except(self, name: str) -> list[ev.Event]:
        """A yes for a project or a conversation, often right after a no for all."""
        draw, chat, question = self.draw, self._conversation(name), self._question()
        project = project_of(chat) or draw.choice(PROJECTS)
        chosen: list[ev.Event] = []
        if draw.random() < 0.6:
            chosen = [self._chosen(name, False, asked) for asked in self._asked()]
        scopes = [ev.NamedScope(conversation=chat), ev.NamedScope(project=project)]
        draw.shuffle(scopes)
        for scope in scopes[: draw.choice((1, 2))]:
            chosen.append(
                self._chosen(
                    name, True, question if draw.random() < 0.8 else self._question(), scope
                )
            )
            if draw.random() < 0.5:
                self._perhaps_pass_time()
                chosen.append(self._turn(name, chat, TurnRole.user))
        return chosen

    def _out_and_in(self, name: str) -> list[ev.Event]:
        """A conversation, or its project, kept out and let in again; something may be said between
        and after.
        """
        draw, chat = self.draw, self._conversation(name)
        project = project_of(chat)
        whole = {"project": project} if project and draw.random() < 0.4 else {"conversation": chat}
        happened: list[ev.Event] = []
        for act in (
            ev.NarrowEvent(at=self.at, account=name, **whole),
            None,
            ev.WidenEvent(at=self.at, account=name, **whole),
            ev.WidenEvent(at=self.at, account=name, conversation=chat),
            None,
        ):
            if act is not None:
                happened.append(msgspec.structs.replace(act, at=self.at))
            elif draw.random() < 0.6:
                happened.append(
                    self._turn(
                        name, chat, draw.choice((TurnRole.user, TurnRole.user, TurnRole.assistant))
                    )
                )
            self._perhaps_pass_time()
        return happened

    def _keep_out(self, name: str) -> list[ev.Event]:
        draw = self.draw
        if draw.random() < 0.35:
            return self._out_and_in(name)
        kind = draw.choices((ev.NarrowEvent, ev.WidenEvent, ev.DeleteEvent), weights=(5, 5, 2))[0]
        if kind is not ev.DeleteEvent and draw.random() < 0.35:
            return [kind(at=self.at, account=name, project=draw.choice(PROJECTS))]
        return [kind(at=self.at, account=name, conversation=self._conversation(name))]

    def _mark(self, name: str) -> list[ev.Event]:
        draw, chat = self.draw, self._conversation(name)
        kind = draw.choices(
            (ev.FlagEvent, ev.UnflagEvent, ev.HoldEvent, ev.UnholdEvent), weights=(6, 1, 2, 2)
        )[0]
        if kind is ev.HoldEvent or kind is ev.UnholdEvent:
            return [
                kind(at=self.at, account=name, conversation=chat, matter=draw.choice(("m1", "m2")))
            ]
        return [kind(at=self.at, account=name, conversation=chat)]

    def _move(self, name: str) -> list[ev.Event]:
        """Out of the terms and, mostly, back at once or soon: grants lapse, and what was said stays
        in scope.
        """
        draw = self.draw
        if draw.random() < 0.05:
            return [ev.CloseAccountEvent(at=self.at, account=name)]
        moved: list[ev.Event] = []
        ages = draw.choice(((None, 30), (15, 30), (15, 30), (18,), (15,)))
        plans = draw.choice((("work", "free"), ("work", "pro"), ("pro",), ("work",)))
        if draw.random() < 0.5:
            for age in ages:
                moved.append(ev.SetAgeEvent(at=self.at, account=name, age=age))
                self._perhaps_pass_time()
        else:
            for plan in plans:
                moved.append(ev.SetPlanEvent(at=self.at, account=name, plan=plan))
                self._perhaps_pass_time()
        return moved

    def _give_feedback(self, name: str) -> list[ev.Event]:
        self.feedback += self.feedback == 0 or self.draw.random() < 0.95
        chat, share = self._conversation(name), self.draw.choice(tuple(Share))
        return [
            ev.GiveFeedbackEvent(
                at=self.at,
                account=name,
                conversation=chat,
                feedback=f"f{self.feedback}",
                share=share,
            )
        ]


def _moments(
    draw: Random, events: list[ev.Event], documents: list[dict[str, Any]], count: int
) -> list[datetime]:
    """When to ask: at events, exactly a period after one, at a version's first instant, at the end
    of a notice, far beyond.
    """
    last = events[-1].at
    found = {last}
    for _ in range(count - 1):
        event = draw.choice(events[len(events) // 3 :]).at
        after = draw.choice(
            (SECOND, DAY, DAY, 7 * DAY, 10 * DAY, 30 * DAY - SECOND, 30 * DAY, 60 * DAY, 731 * DAY)
        )
        version = draw.choice(documents)
        first = datetime.fromisoformat(version["effective"])
        over = (
            datetime.fromisoformat(version["decide_by"] or version["version"]).replace(tzinfo=UTC)
            + DAY
        )
        found.add(
            draw.choice(
                (
                    event,
                    event,
                    event,
                    event + after,
                    event + after,
                    first,
                    first - SECOND,
                    over,
                    over - SECOND,
                )
            )
        )
    return sorted(found)
