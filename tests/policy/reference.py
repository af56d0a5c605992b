"""The page `spec/policy.md` once more, as slow and plain as it can be said.

Every question is answered from the whole list of events, from the first on. What is kept are turns, acts
and dates; stamps, segments, grants and reasons are worked out anew from them, by the words of the page. It
shares no rule with the product, only its events and its calendar. Where the page leaves a choice:

(a) a flag covers, segment by segment, what has not expired when it is set; what an earlier flag covered and
    has expired since stays under that earlier flag;
(b) after an expired last segment a turn begins a new one, even under an equal stamp;
(c) deleting or closing again brings dates to `at most` again;
(d) a turn or feedback under a name already taken has no effect;
(e) nothing is held where every segment has expired; a hold hides every date of the conversation's feedback;
(f) a flag or hold names the account that the conversation belongs to: naming another, it has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from licet.policy import events as ev
from licet.policy.period import instant, parse_period

Version = Mapping[str, Any]
Grant = tuple[int, int]  # which act began it, and how often the conversation had been widened


@dataclass(frozen=True)
class Stamp:
    plan: str
    surface: str
    in_scope: bool
    version: int
    kept_out: bool
    stale: bool
    grant: Grant | None


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
    grant: Grant | None
    kept_out: bool
    keep_until: datetime


@dataclass
class Conversation:
    account: str
    incognito: bool
    kept_out: bool
    widened: int = 0
    deleted: bool = False
    turns: list[Turn] = field(default_factory=list)
    feedback: dict[str, Feedback] = field(default_factory=dict)
    matters: set[str] = field(default_factory=set)

    def segments(self) -> list[list[Turn]]:
        """Consecutive turns with the same stamp, all of it."""
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
class Account:
    opened: datetime
    plan: str
    age: int | None
    closed: bool = False
    acts: list[tuple[str, int]] = field(default_factory=list)  # (allowed | refused | lapsed | closed, version)

    def grant(self) -> int | None:
        """The grant in force, named by the act that began it."""
        began = None
        for place, (act, _) in enumerate(self.acts):
            if act != "allowed":
                began = None
            elif began is None:
                began = place
        return began

    def answered(self) -> int:
        """The version answered, either way; -1 for none, or none since a lapse."""
        return self.acts[-1][1] if self.acts and self.acts[-1][0] in ("allowed", "refused") else -1

    def why_no_grant(self) -> str:
        if not self.acts:
            return "undecided"
        if self.acts[-1][0] == "lapsed":
            return "lapsed"
        return "withdrawn" if any(act == "allowed" for act, _ in self.acts) else "declined"


class Reference:
    def __init__(self, policies: Sequence[Version], events: Iterable[ev.Event]) -> None:
        self.versions = sorted(policies, key=effective)
        self.events = list(events)
        self._last: tuple[datetime, Past] | None = None

    def past(self, at: datetime) -> Past:
        """Everything up to and with ``at``, from the first event on; only the last moment asked is remembered."""
        if at.tzinfo is None:
            raise ValueError("a time without an offset")
        if self._last is None or self._last[0] != at:
            self._last = (at, Past(self.versions, [event for event in self.events if event.at <= at], at))
        return self._last[1]

    def decide(self, turn: str, purpose: str, at: datetime) -> tuple[str, datetime | None]:
        return self.past(at).decide(turn, purpose)

    def conversation(self, name: str, at: datetime) -> tuple[datetime | None, datetime | None]:
        conversation = self.past(at).conversations.get(name)
        if conversation is None:
            return None, None
        safe = [turn.safety_until for turn in conversation.turns if turn.safety_until]
        return None if conversation.matters else conversation.keep_until(), max(safe, default=None)

    def gate(self, account: str, at: datetime) -> str:
        past = self.past(at)
        return past.gate(past.accounts[account])

    def feedback(self, name: str, at: datetime) -> tuple[str, str, datetime | None]:
        return self.past(at).feedback_answer(name)


class Past:
    """What the events up to a moment come to."""

    def __init__(self, versions: Sequence[Version], events: Iterable[ev.Event], until: datetime) -> None:
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
            for name, account in self.accounts.items():
                if account.plan not in version["scope"]["plans"] or refuses_age(version, account.age):
                    self.lapse(name)

    def number(self) -> int:
        """The version in force; before the first is effective, the first."""
        return max([n for n, version in enumerate(self.versions) if effective(version) <= self.at], default=0)

    def version(self) -> Version:
        return self.versions[self.number()]

    def newest_material(self) -> int | None:
        material = [n for n, v in enumerate(self.versions) if effective(v) <= self.at and v["material"]]
        return material[-1] if material else None

    def after(self, *keys: str, start: datetime | None = None) -> datetime:
        """``start``, or now, plus a period of the version in force."""
        value = self.version()["keep"]
        for key in keys:
            value = value[key]
        return parse_period(value).after(start or self.at)

    # The events

    def take(self, event: ev.Event) -> None:
        match event:
            case ev.OpenAccountEvent():
                self.accounts.setdefault(event.account, Account(event.at, event.plan, event.age))
            case ev.SetPlanEvent():
                self.accounts[event.account].plan = event.plan
                if event.plan not in self.version()["scope"]["plans"]:
                    self.lapse(event.account)
            case ev.SetAgeEvent():
                self.set_age(event.account, event.age)
            case ev.CloseAccountEvent():
                self.close(event.account)
            case ev.ChooseEvent():
                self.choose(event)
            case ev.SayEvent():
                self.say(event)
            case _:
                conversation = self.conversations.get(event.conversation)
                if conversation is not None and conversation.account == event.account:
                    self.settle(event, conversation)

    def set_age(self, name: str, age: int | None) -> None:
        self.accounts[name].age = age
        if refuses_age(self.version(), age):
            self.lapse(name)

    def lapse(self, name: str) -> None:
        if self.accounts[name].grant() is not None:
            self.end_grant(name, "lapsed")

    def end_grant(self, name: str, how: str) -> None:
        self.accounts[name].acts.append((how, self.number()))
        for conversation in self.of_account(name):
            self.at_most(conversation, self.after("opted_out"), self.after("feedback", "opted_out"))

    def close(self, name: str) -> None:
        account = self.accounts[name]
        if account.grant() is not None:
            self.end_grant(name, "closed")
        account.closed = True
        for conversation in self.of_account(name):
            self.at_most(conversation, self.after("deleted"), self.after("deleted"))

    def choose(self, event: ev.ChooseEvent) -> None:
        account, version = self.accounts[event.account], self.version()
        if event.age is not None:
            self.set_age(event.account, event.age)
        if account.closed or self.at < effective(self.versions[0]):
            return
        if event.allow:
            if account.plan in version["scope"]["plans"] and not refuses_age(version, account.age):
                account.acts.append(("allowed", self.number()))
        elif account.grant() is not None:
            self.end_grant(event.account, "refused")
        else:
            account.acts.append(("refused", self.number()))

    def say(self, event: ev.SayEvent) -> None:
        account = self.accounts[event.account]
        conversation = self.conversations.get(event.conversation)
        if account.closed or (event.role == "user" and self.gate(account) == "must_decide"):
            return
        if any(turn.name == event.turn for c in self.conversations.values() for turn in c.turns):
            return
        if conversation is None:
            conversation = Conversation(event.account, event.incognito, event.narrow)
            self.conversations[event.conversation] = conversation
        elif conversation.account != event.account or conversation.deleted or self.at >= conversation.keep_until():
            return
        after_expired = bool(conversation.turns) and self.at >= conversation.turns[-1].keep_until
        origin = event.origin or ("typed" if event.role == "user" else event.role.value)
        stamp = self.stamp(event, account, conversation)
        not_yet = self.at + timedelta(days=1)
        conversation.turns.append(Turn(event.turn, self.at, event.role, origin, stamp, after_expired, not_yet))
        self.date(account, conversation)

    def stamp(self, event: ev.SayEvent, account: Account, conversation: Conversation) -> Stamp:
        in_scope = listed(self.version(), account.plan, event.surface)
        grant = self.current(account, conversation) if in_scope else None
        if event.role != "user":
            asked = [turn for turn in conversation.turns if turn.role == "user"]
            if not asked or asked[-1].stamp.grant != grant:
                grant = None
        kept_out, stale = conversation.kept_out, self.stale(account)
        return Stamp(account.plan, event.surface, in_scope, self.number(), kept_out, stale, grant)

    def stale(self, account: Account) -> bool:
        newest = self.newest_material()
        return account.grant() is not None and newest is not None and account.answered() < newest

    def current(self, account: Account, conversation: Conversation) -> Grant | None:
        """The grant that a user's in-scope turn of this conversation taken now would be given."""
        grant = account.grant()
        if grant is None or self.stale(account) or refuses_age(self.version(), account.age):
            return None
        return None if conversation.incognito or conversation.kept_out else (grant, conversation.widened)

    def settle(self, event: ev.Event, conversation: Conversation) -> None:
        match event:
            case ev.DeleteEvent():
                conversation.deleted = True
                self.at_most(conversation, self.after("deleted"), self.after("deleted"))
            case ev.NarrowEvent() if not conversation.kept_out and not conversation.deleted:
                conversation.kept_out = True
                self.at_most(conversation, self.after("opted_out"), self.after("feedback", "opted_out"))
            case ev.WidenEvent() if conversation.kept_out and not conversation.deleted:
                conversation.kept_out = False
                conversation.widened += 1
            case ev.GiveFeedbackEvent():
                self.give_feedback(event, conversation)
            case _:
                self.mark(event, conversation)

    def give_feedback(self, event: ev.GiveFeedbackEvent, conversation: Conversation) -> None:
        account = self.accounts[event.account]
        if account.closed or conversation.deleted or self.at >= conversation.keep_until():
            return
        if any(event.feedback in c.feedback for c in self.conversations.values()):
            return
        share = "rating" if conversation.incognito else event.share.value
        grant = self.current(account, conversation)
        until = self.after("feedback", "opted_out" if grant is None else "opted_in")
        conversation.feedback[event.feedback] = Feedback(share, self.number(), grant, conversation.kept_out, until)

    def mark(self, event: ev.Event, conversation: Conversation) -> None:
        match event:
            case ev.FlagEvent() if not conversation.deleted:
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

    # How long

    def of_account(self, name: str) -> list[Conversation]:
        return [conversation for conversation in self.conversations.values() if conversation.account == name]

    def at_most(self, conversation: Conversation, content: datetime, feedback: datetime) -> None:
        for turn in conversation.turns:
            turn.keep_until = min(turn.keep_until, content)
        for copy in conversation.feedback.values():
            copy.keep_until = min(copy.keep_until, feedback)

    def date(self, account: Account, conversation: Conversation) -> None:
        """Date every segment not yet expired, at the turn just taken."""
        current = self.current(account, conversation)
        segments = conversation.segments()
        out = self.after("incognito" if conversation.incognito else "opted_out")
        if len(segments[-1]) > 1:  # the new turn shares the date of its segment
            conversation.turns[-1].keep_until = segments[-1][0].keep_until
        if self.version()["reach"] == "conversation":
            given = current is not None and conversation.deciding()[0].stamp.grant == current
            whole = given and all(self.in_scope(turn) for turn in conversation.turns)
            dates = [self.after("opted_in") if whole and not s[0].stamp.kept_out else out for s in segments]
        else:
            dates = [
                self.after("opted_in", start=s[-1].at) if current is not None and s[0].stamp.grant == current else out
                for s in segments
            ]
        for segment, until in zip(segments, dates, strict=True):
            if self.at < segment[0].keep_until:
                for turn in segment:
                    turn.keep_until = until

    def in_scope(self, turn: Turn) -> bool:
        """Under both the version the turn was taken under and the version in force."""
        return all(listed(version, turn.stamp.plan, turn.stamp.surface) for version in self.both(turn.stamp.version))

    def both(self, number: int) -> tuple[Version, Version]:
        return self.versions[number], self.version()

    # The answers

    def decide(self, name: str, purpose: str) -> tuple[str, datetime | None]:
        for conversation in self.conversations.values():
            for turn in conversation.turns:
                if turn.name == name:
                    because = self.because(conversation, turn, purpose)
                    until = {"permitted": turn.keep_until, "flagged": turn.safety_until}.get(because)
                    return because, until
        return "unknown", None

    def because(self, conversation: Conversation, turn: Turn, purpose: str) -> str:
        account = self.accounts[conversation.account]
        both = self.both(turn.stamp.version)
        whole = all(version["reach"] == "conversation" for version in both)
        deciding = (conversation.deciding() if whole else conversation.segment_of(turn))[0].stamp
        grant = account.grant()
        flagged = turn.safety_until is not None and self.at < turn.safety_until
        rows = (
            ("closed", account.closed),
            ("deleted", conversation.deleted),
            ("out_of_scope", not all(map(self.in_scope, conversation.turns if whole else [turn]))),
            ("age", any(refuses_age(version, account.age) for version in both)),
            ("flagged", purpose == "safety_classifiers" and flagged),
            ("incognito", conversation.incognito),
            ("expired", self.at >= turn.keep_until),
            ("narrowed", conversation.kept_out or turn.stamp.kept_out),
            (account.why_no_grant(), grant is None),
            ("purpose", any(purpose not in version["choice"]["covers"] for version in both)),
            ("origin", any(turn.origin not in version["origins"] for version in both)),
            ("stale_terms", deciding.stale),
            ("before_grant", deciding.grant != (grant, conversation.widened)),
        )
        return next((because for because, holds in rows if holds), "permitted")

    def feedback_answer(self, name: str) -> tuple[str, str, datetime | None]:
        for conversation in self.conversations.values():
            if name in conversation.feedback:
                copy = conversation.feedback[name]
                because = self.because_of_feedback(conversation, copy)
                return copy.share, because, None if conversation.matters else copy.keep_until
        return "none", "unknown", None

    def because_of_feedback(self, conversation: Conversation, copy: Feedback) -> str:
        account = self.accounts[conversation.account]
        both = self.both(copy.version)
        grant = account.grant()
        rows = (
            ("closed", account.closed),
            ("deleted", conversation.deleted),
            ("age", any(refuses_age(version, account.age) for version in both)),
            ("incognito", conversation.incognito),
            ("expired", self.at >= copy.keep_until),
            ("narrowed", conversation.kept_out or copy.kept_out),
            (account.why_no_grant(), grant is None),
            ("purpose", any("improve_models" not in version["choice"]["covers"] for version in both)),
            ("before_grant", copy.grant != (grant, conversation.widened)),
        )
        return next((because for because, holds in rows if holds), "permitted")

    def gate(self, account: Account) -> str:
        newest, version = self.newest_material(), self.version()
        if account.closed:
            return "closed"
        too_young = version["min_age"] is not None and account.age is not None and account.age < version["min_age"]
        if newest is None or account.plan not in version["scope"]["plans"] or too_young:
            return "not_asked"
        if account.answered() >= newest:
            return "open"
        over = day_is_over(self.versions[newest].get("decide_by"), self.at)
        return "must_decide" if over or account.opened >= effective(self.versions[newest]) else "notice"


def effective(version: Version) -> datetime:
    return instant(version["effective"])


def day_is_over(day: date | str | None, at: datetime) -> bool:
    return day is not None and at >= instant(day) + timedelta(days=1)


def refuses_age(version: Version, age: int | None) -> bool:
    return version["min_age"] is not None and (age is None or age < version["min_age"])


def listed(version: Version, plan: str, surface: str) -> bool:
    return plan in version["scope"]["plans"] and surface in version["scope"]["surfaces"]
