"""The page `spec/v2/policy.md` once more, as slow and plain as it can be said.

Every question is answered from the whole list of events, from the first on. What is kept are turns,
acts, grants ever given and dates; what is in force, segments, standings, use and reasons are worked
out anew from them, by the words of the page. It shares no rule with the product, only its events
and its calendar. Where the page leaves a choice:

(a) what names an account that is not open yet has no effect, and an account is opened once;
(b) of an account's acts at one instant, those of a version come first, as the page says, and then
those of the list; (c) a no that answers several questions answers them in the order of the file:
the dates are the same in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from licet.policy import events as ev
from licet.policy.period import instant, parse_period

Version = Mapping[str, Any]
# a grant as it is for one conversation: its number, and how often that was kept out
Given = tuple[int, int]
ACCOUNT, PROJECT, CONVERSATION = "account", "project", "conversation"
BEYOND = datetime.max.replace(tzinfo=UTC)  # the date of what is not dated yet


@dataclass(frozen=True)
class Stamp:
    plan: str
    surface: str
    in_scope: bool
    version: int
    kept_out: bool
    stale: tuple[tuple[str, bool], ...]  # for each question that the version asks
    grants: tuple[tuple[str, Given | None], ...]  # for each question that the version asks

    def grant(self, question: str) -> Given | None:
        return dict(self.grants).get(question)

    def is_stale(self, question: str) -> bool:
        return dict(self.stale).get(question, False)


@dataclass
class Turn:
    name: str
    at: datetime
    role: str
    origin: str
    stamp: Stamp
    after_expired: bool
    keep_until: datetime
    safety_until: datetime | None = None


@dataclass
class Feedback:
    share: str
    version: int
    grant: Given | None
    kept_out: bool
    keep_until: datetime = BEYOND


@dataclass
class Conversation:
    name: str
    account: str
    project: str
    incognito: bool
    kept_out: bool
    narrowed: int = 0
    deleted: bool = False
    turns: list[Turn] = field(default_factory=list)
    feedback: dict[str, Feedback] = field(default_factory=dict)
    matters: set[str] = field(default_factory=set)

    def segments(self) -> list[list[Turn]]:
        """Consecutive turns with the same stamp, all of it; a turn after an expired last segment
        begins a new one.
        """
        parts = [[self.turns[0]]]
        for before, turn in pairwise(self.turns):
            if turn.stamp != before.stamp or turn.after_expired:
                parts.append([])
            parts[-1].append(turn)
        return parts

    def segment_of(self, turn: Turn) -> list[Turn]:
        return next(part for part in self.segments() if turn in part)

    def deciding(self) -> list[Turn]:
        """The last segment in which the person spoke; the last segment, if there is none."""
        parts = self.segments()
        spoken = [part for part in parts if any(turn.role == "user" for turn in part)]
        return spoken[-1] if spoken else parts[-1]

    def keep_until(self) -> datetime:
        return max(turn.keep_until for turn in self.turns)


@dataclass
class Grant:
    number: int
    question: str
    kind: str
    name: str
    ended: bool = False

    def covers(self, conversation: Conversation) -> bool:
        if self.kind == PROJECT:
            return bool(conversation.project) and self.name == conversation.project
        return self.kind == ACCOUNT or self.name == conversation.name


@dataclass
class Act:
    """What was done about a question: `yes`, `no`, or that its answer was forgotten in a
    `lapse`.
    """

    what: str
    question: str
    version: int
    after_a_grant: bool


@dataclass
class Account:
    opened: datetime
    plan: str
    age: int | None
    region: str | None = None
    closed: bool = False
    grants: list[Grant] = field(default_factory=list)  # every one ever given
    acts: list[Act] = field(default_factory=list)
    projects_out: set[str] = field(default_factory=set)

    def in_force(self) -> list[Grant]:
        return [grant for grant in self.grants if not grant.ended]

    def grant_for(self, question: str, conversation: Conversation) -> Grant | None:
        """The narrowest in force that covers it: its own, else its project's, else the
        account's.
        """
        for kind in (CONVERSATION, PROJECT, ACCOUNT):
            for grant in self.in_force():
                if grant.question == question and grant.kind == kind and grant.covers(conversation):
                    return grant
        return None

    def had_a_grant(self, question: str) -> bool:
        return any(grant.question == question for grant in self.grants)

    def last_act(self, question: str) -> Act | None:
        acts = [act for act in self.acts if act.question == question]
        return acts[-1] if acts else None

    def answered(self, question: str) -> int | None:
        """The version under which it was last answered; None: never, or forgotten."""
        act = self.last_act(question)
        return None if act is None or act.what == "lapse" else act.version

    def standing(self, question: str) -> str:
        """Why no grant is in force for a conversation."""
        act = self.last_act(question)
        if act is None:
            return "undecided"
        if act.what == "lapse":
            return "lapsed"
        assert act.what == "no", "a yes for the account is a grant in force for every conversation"
        return "withdrawn" if act.after_a_grant else "declined"


class Reference:
    def __init__(self, policies: Sequence[Version], events: Iterable[ev.Event]) -> None:
        self.versions = sorted(policies, key=effective)
        self.events = list(events)
        self._last: tuple[datetime, Past] | None = None

    def past(self, at: datetime) -> Past:
        """Everything up to and with ``at``, from the first event on; only the last moment asked is
        remembered.
        """
        if at.tzinfo is None:
            raise ValueError("a time without an offset")
        if self._last is None or self._last[0] != at:
            self._last = (
                at,
                Past(self.versions, [event for event in self.events if event.at <= at], at),
            )
        return self._last[1]

    def decide(self, turn: str, purpose: str, at: datetime) -> tuple[str, datetime | None]:
        return self.past(at).decide(turn, purpose)

    def conversation(self, name: str, at: datetime) -> tuple[datetime | None, datetime | None]:
        conversation = self.past(at).conversations.get(name)
        if conversation is None:
            return None, None
        safe = [turn.safety_until for turn in conversation.turns if turn.safety_until]
        return None if conversation.matters else conversation.keep_until(), max(safe, default=None)

    def gate(self, account: str, at: datetime) -> str | None:
        past = self.past(at)
        return past.gate(past.accounts[account]) if account in past.accounts else None

    def feedback(self, name: str, at: datetime) -> tuple[str, str, datetime | None]:
        return self.past(at).feedback_answer(name)


class Past:
    """What the events up to a moment come to."""

    def __init__(
        self, versions: Sequence[Version], events: Iterable[ev.Event], until: datetime
    ) -> None:
        self.versions = versions
        self.accounts: dict[str, Account] = {}
        self.conversations: dict[str, Conversation] = {}
        coming = list(range(len(versions)))
        for event in events:
            self.let_versions_begin(coming, event.at)
            self.at = event.at
            self.take(event)
        self.let_versions_begin(coming, until)
        self.at = until

    # The versions

    def let_versions_begin(self, coming: list[int], at: datetime) -> None:
        while coming and effective(self.versions[coming[0]]) <= at:
            version = self.versions[coming.pop(0)]
            self.at = effective(version)
            for account in self.accounts.values():
                if account.plan not in version["scope"]["plans"] or refuses_age(
                    version, account.age, account.region
                ):
                    self.lapse(account, account.in_force())
                else:
                    self.lapse(
                        account,
                        [
                            grant
                            for grant in account.in_force()
                            if grant.question not in asks(version)
                        ],
                    )

    def number(self) -> int:
        """The version in force; before the first is effective, the first."""
        return max(
            [n for n, version in enumerate(self.versions) if effective(version) <= self.at],
            default=0,
        )

    def version(self) -> Version:
        return self.versions[self.number()]

    def begun(self) -> bool:
        return effective(self.versions[0]) <= self.at

    def since(self, number: int) -> Sequence[Version]:
        """Every version from that one to the one in force."""
        return self.versions[number : self.number() + 1]

    def newest_material(self) -> int | None:
        material = [
            n for n, v in enumerate(self.versions) if effective(v) <= self.at and v["material"]
        ]
        return material[-1] if material else None

    def question_of(self, purpose: str) -> str | None:
        """The question of the version in force that covers a purpose."""
        covering = [
            question for question, covers in asks(self.version()).items() if purpose in covers
        ]
        return covering[0] if covering else None

    def after(self, *keys: str, start: datetime | None = None) -> datetime:
        """``start``, or now, plus a period of the version in force."""
        value = self.version()["keep"]
        for key in keys:
            value = value[key]
        return parse_period(value).after(start or self.at)

    # The events

    def take(self, event: ev.Event) -> None:
        if isinstance(event, ev.OpenAccountEvent):
            self.accounts.setdefault(event.account, Account(event.at, event.plan, event.age))
            return
        account = self.accounts.get(event.account)
        if account is None:
            return
        match event:
            case ev.SetPlanEvent():
                account.plan = event.plan
                if event.plan not in self.version()["scope"]["plans"]:
                    self.lapse(account, account.in_force())
            case ev.SetAgeEvent():
                self.set_age(account, event.age)
            case ev.SetRegionEvent():
                account.region = event.region
                self.set_age(account, account.age)
            case ev.CloseAccountEvent():
                self.close(account)
            case ev.ChooseEvent():
                self.choose(account, event)
            case ev.SayEvent():
                self.say(account, event)
            case ev.NarrowEvent() if event.project:
                self.keep_project_out(account, event.project)
            case ev.WidenEvent() if event.project:
                account.projects_out.discard(event.project)
            case _:
                conversation = self.own(event.account, event.conversation)
                if conversation is not None:
                    self.settle(account, event, conversation)

    def own(self, account: str, name: str) -> Conversation | None:
        conversation = self.conversations.get(name)
        return (
            conversation if conversation is not None and conversation.account == account else None
        )

    def of(self, account: Account) -> list[Conversation]:
        return [c for c in self.conversations.values() if self.accounts[c.account] is account]

    def set_age(self, account: Account, age: int | None) -> None:
        account.age = age
        if refuses_age(self.version(), age, account.region):
            self.lapse(account, account.in_force())

    def lapse(self, account: Account, grants: list[Grant]) -> None:
        for grant in grants:
            if grant.kind == ACCOUNT:
                account.acts.append(Act("lapse", grant.question, self.number(), after_a_grant=True))
        self.end(account, grants)

    def end(self, account: Account, grants: list[Grant]) -> None:
        """Brings near what no grant keeps useful any more, in the conversations in their scopes."""
        for grant in grants:
            grant.ended = True
        for conversation in self.of(account):
            if any(grant.covers(conversation) for grant in grants):
                for segment in conversation.segments():
                    if not self.useful(conversation, segment):
                        at_most(segment, self.after("opted_out"))
                for copy in conversation.feedback.values():
                    if self.because_of_feedback(conversation, copy) != "permitted":
                        at_most([copy], self.after("feedback", "opted_out"))

    def close(self, account: Account) -> None:
        account.closed = True
        self.end(account, account.in_force())
        for conversation in self.of(account):
            at_most([*conversation.turns, *conversation.feedback.values()], self.after("deleted"))

    # Choosing, by the numbers of the page

    def choose(self, account: Account, event: ev.ChooseEvent) -> None:
        if event.age is not None and (account.age is None or event.age < account.age):  # 1
            self.set_age(account, event.age)
        asked = list(asks(self.version()))
        # 2
        if (
            account.closed
            or not self.begun()
            or (event.question is not None and event.question not in asked)
        ):
            return
        if event.question is None and event.allow and len(asked) > 1:
            return
        for question in asked if event.question is None else [event.question]:
            if not event.allow:
                self.refuse(account, question, event.keep)
            elif event.scope is None:
                self.allow(account, question)
            else:
                self.allow_within(account, event.account, question, event.scope)

    def refuse(self, account: Account, question: str, keep: Iterable[ev.NamedScope]) -> None:  # 3
        kept = [
            (CONVERSATION, one.conversation) if one.conversation else (PROJECT, one.project)
            for one in keep
        ]
        account.acts.append(Act("no", question, self.number(), account.had_a_grant(question)))
        of = [grant for grant in account.in_force() if grant.question == question]
        self.end(account, [grant for grant in of if (grant.kind, grant.name) not in kept])

    def takes_no_yes(self, account: Account) -> bool:
        return account.plan not in self.version()["scope"]["plans"] or refuses_age(
            self.version(), account.age, account.region
        )

    def allow(self, account: Account, question: str) -> None:  # 4
        if self.takes_no_yes(account):
            return
        account.acts.append(Act("yes", question, self.number(), after_a_grant=True))
        if not any(
            grant.question == question and grant.kind == ACCOUNT for grant in account.in_force()
        ):
            self.begin(account, question, ACCOUNT, "")

    # 5
    def allow_within(
        self, account: Account, owner: str, question: str, scope: ev.NamedScope
    ) -> None:
        if self.gate(account) != "open" or self.takes_no_yes(account):
            return
        within = [grant for grant in account.in_force() if grant.question == question]
        if scope.project:
            covered = any(
                g.kind == ACCOUNT or (g.kind, g.name) == (PROJECT, scope.project) for g in within
            )
            if scope.project not in account.projects_out and not covered:
                self.begin(account, question, PROJECT, scope.project)
            return
        assert scope.conversation
        conversation = self.own(owner, scope.conversation)
        if (
            conversation is None
            or conversation.deleted
            or conversation.incognito
            or conversation.kept_out
        ):
            return
        if self.at < conversation.keep_until() and not any(
            grant.covers(conversation) for grant in within
        ):
            self.begin(account, question, CONVERSATION, scope.conversation)

    def begin(self, account: Account, question: str, kind: str, name: str) -> None:
        account.grants.append(Grant(len(account.grants) + 1, question, kind, name))

    # A turn, and its stamp

    def say(self, account: Account, event: ev.SayEvent) -> None:
        conversation = self.conversations.get(event.conversation)
        if account.closed or (event.role == "user" and self.gate(account) == "must_decide"):
            return
        if any(turn.name == event.turn for c in self.conversations.values() for turn in c.turns):
            return
        if conversation is None:
            out = event.narrow or event.project in account.projects_out
            conversation = Conversation(
                event.conversation, event.account, event.project, event.incognito, out
            )
            self.conversations[event.conversation] = conversation
        elif (
            conversation.account != event.account
            or conversation.deleted
            or self.at >= conversation.keep_until()
        ):
            return
        last = conversation.turns[-1] if conversation.turns else None
        after_expired = last is not None and self.at >= last.keep_until
        origin = event.origin or ("typed" if event.role == "user" else event.role.value)
        turn = Turn(
            event.turn,
            self.at,
            event.role,
            origin,
            self.stamp(event, account, conversation),
            after_expired,
            BEYOND,
        )
        conversation.turns.append(turn)
        with_it = conversation.segments()[-1]
        turn.keep_until = with_it[0].keep_until  # one segment has one date
        self.date(conversation)

    def stamp(self, event: ev.SayEvent, account: Account, conversation: Conversation) -> Stamp:
        in_scope = listed(self.version(), account.plan, event.surface)
        stale, grants = [], []
        for question in asks(self.version()):
            grant = self.would_be_given(account, conversation, question) if in_scope else None
            if event.role != "user":
                asked = [turn for turn in conversation.turns if turn.role == "user"]
                if not asked or asked[-1].stamp.grant(question) != grant:
                    grant = None
            stale.append((question, self.stale(account, conversation, question)))
            grants.append((question, grant))
        return Stamp(
            account.plan,
            event.surface,
            in_scope,
            self.number(),
            conversation.kept_out,
            tuple(stale),
            tuple(grants),
        )

    def stale(self, account: Account, conversation: Conversation, question: str) -> bool:
        """A grant for it is in force, and the newest material terms are not answered."""
        return account.grant_for(question, conversation) is not None and not self.is_answered(
            account, question
        )

    def is_answered(self, account: Account, question: str) -> bool:
        newest, answered = self.newest_material(), account.answered(question)
        return newest is not None and answered is not None and answered >= newest

    def would_be_given(
        self, account: Account, conversation: Conversation, question: str
    ) -> Given | None:
        """The grant that a user's in-scope turn of this conversation taken now is given for the
        question.
        """
        grant = account.grant_for(question, conversation)
        if (
            grant is None
            or self.stale(account, conversation, question)
            or refuses_age(self.version(), account.age, account.region)
        ):
            return None
        return (
            None
            if conversation.incognito or conversation.kept_out
            else (grant.number, conversation.narrowed)
        )

    # What else happens to a conversation

    def settle(self, account: Account, event: ev.Event, conversation: Conversation) -> None:
        match event:
            case ev.DeleteEvent():
                conversation.deleted = True
                at_most(
                    [*conversation.turns, *conversation.feedback.values()], self.after("deleted")
                )
            case ev.NarrowEvent():
                self.narrow(account, conversation)
            case ev.WidenEvent() if not conversation.deleted:
                conversation.kept_out = False
            case ev.GiveFeedbackEvent():
                self.give_feedback(account, event, conversation)
            case ev.FlagEvent() if not conversation.deleted and not account.closed:
                for turn in conversation.turns:
                    if self.at < turn.keep_until:
                        turn.safety_until = self.after("flagged")
            case ev.UnflagEvent():
                for turn in conversation.turns:
                    turn.safety_until = None
            case ev.HoldEvent() if self.at < conversation.keep_until():
                conversation.matters.add(event.matter)
            case ev.UnholdEvent():
                conversation.matters.discard(event.matter)

    def narrow(self, account: Account, conversation: Conversation) -> None:
        if conversation.kept_out or conversation.deleted:
            return
        conversation.kept_out = True
        conversation.narrowed += 1
        own = (CONVERSATION, conversation.name)
        self.end(
            account, [grant for grant in account.in_force() if (grant.kind, grant.name) == own]
        )
        at_most(conversation.turns, self.after("opted_out"))
        at_most(conversation.feedback.values(), self.after("feedback", "opted_out"))

    def keep_project_out(self, account: Account, project: str) -> None:
        account.projects_out.add(project)
        for conversation in self.of(account):
            if conversation.project == project:
                self.narrow(account, conversation)
        own = (PROJECT, project)
        self.end(
            account, [grant for grant in account.in_force() if (grant.kind, grant.name) == own]
        )

    def give_feedback(
        self, account: Account, event: ev.GiveFeedbackEvent, conversation: Conversation
    ) -> None:
        if account.closed or conversation.deleted or self.at >= conversation.keep_until():
            return
        if any(event.feedback in c.feedback for c in self.conversations.values()):
            return
        share = "rating" if conversation.incognito else event.share.value
        question = self.question_of("improve_models")
        grant = self.would_be_given(account, conversation, question) if question else None
        copy = Feedback(share, self.number(), grant, conversation.kept_out)
        usable = self.because_of_feedback(conversation, copy) == "permitted"
        copy.keep_until = self.after("feedback", "opted_in" if usable else "opted_out")
        conversation.feedback[event.feedback] = copy

    # How long

    def useful(self, conversation: Conversation, segment: list[Turn]) -> bool:
        """The rule, row 5 apart, permits one of its turns for some purpose."""
        purposes = [purpose for covers in asks(self.version()).values() for purpose in covers]
        return any(
            self.because(conversation, turn, purpose, flags=False) == "permitted"
            for turn in segment
            for purpose in purposes
        )

    def date(self, conversation: Conversation) -> None:
        """Date every segment that has not expired, at the turn just taken."""
        by_turn = self.version()["reach"] == "turn"
        dates = []
        for segment in conversation.segments():
            if self.useful(conversation, segment):
                dates.append(self.after("opted_in", start=segment[-1].at if by_turn else self.at))
            else:
                dates.append(self.after("incognito" if conversation.incognito else "opted_out"))
        for segment, until in zip(conversation.segments(), dates, strict=True):
            if self.at < segment[0].keep_until:
                for turn in segment:
                    turn.keep_until = until

    # The answers

    def decide(self, name: str, purpose: str) -> tuple[str, datetime | None]:
        for conversation in self.conversations.values():
            for turn in conversation.turns:
                if turn.name == name:
                    because = self.because(conversation, turn, purpose)
                    until = {"permitted": turn.keep_until, "flagged": turn.safety_until}.get(
                        because
                    )
                    return because, until
        return "unknown", None

    def because(
        self, conversation: Conversation, turn: Turn, purpose: str, *, flags: bool = True
    ) -> str:
        """The first row that holds."""
        return next(self.rows(conversation, turn, purpose, flags=flags))

    def rows(
        self, conversation: Conversation, turn: Turn, purpose: str, *, flags: bool
    ) -> Iterator[str]:
        account = self.accounts[conversation.account]
        versions = self.since(turn.stamp.version)
        reaches = {version["reach"] for version in versions}
        if account.closed:
            yield "closed"
        if conversation.deleted:
            yield "deleted"
        judged = {"turn": [turn], "conversation": conversation.turns}
        if any(not self.in_scope(one) for reach in reaches for one in judged[reach]):
            yield "out_of_scope"
        if any(refuses_age(version, account.age, account.region) for version in versions):
            yield "age"
        if (
            flags
            and purpose == "safety_classifiers"
            and turn.safety_until is not None
            and self.at < turn.safety_until
        ):
            yield "flagged"
        if conversation.incognito:
            yield "incognito"
        if self.at >= turn.keep_until:
            yield "expired"
        if conversation.kept_out or turn.stamp.kept_out:
            yield "narrowed"
        question = self.question_of(purpose)
        if question is None:
            yield "purpose"
            return
        grant = account.grant_for(question, conversation)
        if grant is None:
            yield account.standing(question)
            return
        if any(purpose not in asks(version).get(question, []) for version in versions):
            yield "purpose"
        if any(turn.origin not in version["origins"] for version in versions):
            yield "origin"
        deciding = {
            "turn": conversation.segment_of(turn)[0].stamp,
            "conversation": conversation.deciding()[0].stamp,
        }
        if any(deciding[reach].is_stale(question) for reach in reaches):
            yield "stale_terms"
        if any(
            deciding[reach].grant(question) != (grant.number, conversation.narrowed)
            for reach in reaches
        ):
            yield "before_grant"
        yield "permitted"

    def in_scope(self, turn: Turn) -> bool:
        """Every version from the one that it was taken under to the one in force lists its plan and
        surface.
        """
        return all(
            listed(version, turn.stamp.plan, turn.stamp.surface)
            for version in self.since(turn.stamp.version)
        )

    def feedback_answer(self, name: str) -> tuple[str, str, datetime | None]:
        for conversation in self.conversations.values():
            if name in conversation.feedback:
                copy = conversation.feedback[name]
                because = self.because_of_feedback(conversation, copy)
                return copy.share, because, None if conversation.matters else copy.keep_until
        return "none", "unknown", None

    def because_of_feedback(self, conversation: Conversation, copy: Feedback) -> str:
        return next(self.rows_of_feedback(conversation, copy))

    def rows_of_feedback(self, conversation: Conversation, copy: Feedback) -> Iterator[str]:
        account = self.accounts[conversation.account]
        versions = self.since(copy.version)
        if account.closed:
            yield "closed"
        if conversation.deleted:
            yield "deleted"
        if any(refuses_age(version, account.age, account.region) for version in versions):
            yield "age"
        if conversation.incognito:
            yield "incognito"
        if self.at >= copy.keep_until:
            yield "expired"
        if conversation.kept_out or copy.kept_out:
            yield "narrowed"
        question = self.question_of("improve_models")
        if question is None:
            yield "purpose"
            return
        grant = account.grant_for(question, conversation)
        if grant is None:
            yield account.standing(question)
            return
        if any("improve_models" not in asks(version).get(question, []) for version in versions):
            yield "purpose"
        if copy.grant != (grant.number, conversation.narrowed):
            yield "before_grant"
        yield "permitted"

    def gate(self, account: Account) -> str:
        newest, version = self.newest_material(), self.version()
        if account.closed:
            return "closed"
        too_young = account.age is not None and refuses_age(version, account.age, account.region)
        if newest is None or account.plan not in version["scope"]["plans"] or too_young:
            return "not_asked"
        if all(self.is_answered(account, question) for question in asks(version)):
            return "open"
        over = day_is_over(self.versions[newest].get("decide_by"), self.at)
        return (
            "must_decide"
            if over or account.opened >= effective(self.versions[newest])
            else "notice"
        )


def at_most(dated: Iterable[Turn | Feedback], until: datetime) -> None:
    for one in dated:
        one.keep_until = min(one.keep_until, until)


def effective(version: Version) -> datetime:
    return instant(version["effective"])


def asks(version: Version) -> dict[str, list[str]]:
    """What each question covers; the older form is one question named `training`."""
    choice = version["choice"]
    if isinstance(choice, Mapping):
        return {"training": choice["covers"]}
    return {asked["question"]: asked["covers"] for asked in choice}


def day_is_over(day: date | str | None, at: datetime) -> bool:
    return day is not None and at >= instant(day) + timedelta(days=1)


def refuses_age(version: Version, age: int | None, region: str | None) -> bool:
    least = least_age(version, region)
    return least is not None and (age is None or age < least)


def least_age(version: Version, region: str | None) -> int | None:
    """That of the part of a country, else of the country, else the version's; without a region the
    strictest of all.
    """
    by_region = {
        name: said["min_age"]
        for name, said in version.get("regions", {}).items()
        if "min_age" in said
    }
    if region is None:
        return max(
            [age for age in [version["min_age"], *by_region.values()] if age is not None],
            default=None,
        )
    for name in [region, region.split("-")[0]]:
        if name in by_region:
            return by_region[name]
    return version["min_age"]


def listed(version: Version, plan: str, surface: str) -> bool:
    return plan in version["scope"]["plans"] and surface in version["scope"]["surfaces"]
