"""Logs that an honest installation writes of drawn histories: every verb, new years, restores,
releases, removed years.

`Installation` plays a history of `policy.histories` in the reference model and keeps what the vault
keeps of it for the log: an outbox, the restriction journal, which accounts spoke in which year.
Rows become entries in batches that end anywhere, also between the entries of one act. A restore
takes all of it back to an older copy, applies the restrictions since then again, and drops what the
log has already (`ledger.forward`). `test_operator` compares these logs with those of the real
vault, and finds no contradiction in either.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from msgspec.structs import replace

from licet.policy import events as ev
from licet.policy import fold, outcomes, period
from licet.policy.state import AccountState, Grant, GrantScope, ScopeKind
from licet.policy.world import World

from ..policy.histories import History, history

Entry = dict[str, Any]
DAY = timedelta(days=1)
RESTRICTS = (
    ev.SetPlanEvent,
    ev.SetAgeEvent,
    ev.SetRegionEvent,
    ev.CloseAccountEvent,
    ev.DeleteEvent,
    ev.NarrowEvent,
    ev.UnflagEvent,
    ev.HoldEvent,
    ev.UnholdEvent,
)
ABOUT_CHATS: dict[type, str] = {
    ev.DeleteEvent: "deleted",
    ev.NarrowEvent: "narrowed",
    ev.WidenEvent: "widened",
    ev.FlagEvent: "flagged",
    ev.UnflagEvent: "unflagged",
    ev.HoldEvent: "held",
    ev.UnholdEvent: "unheld",
}
WHOLE: dict[type, str] = {
    ev.SetPlanEvent: "plan_set",
    ev.SetAgeEvent: "age_found",
    ev.SetRegionEvent: "region_set",
    ev.CloseAccountEvent: "closed",
}


def name_of(*what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """A row of the outbox. ``facts`` name conversations and projects as the model does."""

    number: int
    kind: str
    at: datetime
    account: str
    facts: dict[str, Any]


@dataclass(eq=False)
class Database:
    """What a backup has and a restore brings back."""

    world: World
    waiting: list[Row] = field(default_factory=list)
    # how many entries of each year's log it knows
    known: dict[int, int] = field(default_factory=dict)
    # accounts, and the years of logs that have them
    spoke: set[tuple[str, int]] = field(default_factory=set)
    policies: int = 0  # how many versions were applied
    notices: int = 0
    life: int = 0
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    # grants that the log of each year tells of
    told: dict[int, set[tuple[str, int]]] = field(default_factory=dict)
    versions_told: dict[int, set[int]] = field(default_factory=dict)
    # what was lost and comes again has another id
    ids: dict[tuple[str, ...], str] = field(default_factory=dict)

    def copy(self) -> Database:
        world = World(self.world.policies)
        world.accounts, world.turns, world.feedback = (
            dict(self.world.accounts),
            dict(self.world.turns),
            dict(self.world.feedback),
        )
        world.conversations = {
            name: copy.copy(owned) for name, owned in self.world.conversations.items()
        }
        for owned in world.conversations.values():
            owned.feedback = list(owned.feedback)
        return Database(
            world,
            list(self.waiting),
            dict(self.known),
            set(self.spoke),
            self.policies,
            self.notices,
            self.life,
            copy.deepcopy(self.releases),
            copy.deepcopy(self.told),
            copy.deepcopy(self.versions_told),
            dict(self.ids),
        )


class Installation:
    """An installation from its first day. ``logs`` are the entries of each year, ``private`` what
    each is about.
    """

    def __init__(self, drawn: History, *, restores: bool = True, keeps_years: bool = True) -> None:
        self.draw, self.policies = Random(f"log {drawn.seed}"), drawn.policies()
        self.db = Database(World(self.policies))
        self.restores, self.keeps_years = restores, keeps_years
        self.backups: list[Database] = []
        # rows at the time; what restricts, or a version
        self.journal: list[tuple[int, ev.Event | int, datetime]] = []
        self.logs: dict[int, list[Entry]] = {}
        self.private: dict[int, list[Row]] = {}
        self.rows = 0
        self.clock = min(drawn.events[0].at, self.policies[0].effective) - DAY
        self.logged = self.clock
        self.restored, self.floor = 0, self.clock
        self._apply_policy(self.clock)
        for number, event in enumerate(drawn.events):
            # A restore finds a row that the log has by its account, kind and moment: no two acts
            # share one here.
            moment = max(event.at, self.floor) + timedelta(microseconds=number)
            self.step(replace(event, at=moment) if restores else event)
        self.sequence(10**6)

    # Verbs

    def step(self, event: ev.Event) -> None:
        draw = self.draw
        self.clock = max(self.clock, event.at)
        while (
            self.db.policies < len(self.policies)
            and self.policies[self.db.policies].effective <= self.clock + 10 * DAY
        ):
            self._apply_policy(self.clock)
        self.apply(event)
        self._name_all()
        chance = draw.random()
        if chance < 0.07:
            self._release()
        elif chance < 0.13:
            self._state_release()
        elif chance < 0.18:
            self._sweep()
        elif chance < 0.22:
            self._show()
        if draw.random() < 0.3:
            self.sequence(draw.choice((1, 2, 3, 5, 100)))
        if self.restores and draw.random() < 0.08:
            self.backups.append(self.db.copy())
        if self.restores and self.backups and draw.random() < 0.04:
            self._restore(draw.choice(self.backups[-3:]))

    def tell(self, kind: str, at: datetime, account: str = "", **facts: Any) -> None:
        self.rows += 1
        for key in ("conversation", "project"):
            if key in facts:
                facts[key] = self._id(key, account, facts[key])
        self.db.waiting.append(
            Row(self.rows, kind, at, self._id("account", account) if account else "", facts)
        )

    def _name_all(self) -> None:
        for chat, owned in self.db.world.conversations.items():
            self._id("conversation", owned.account, chat)
            if owned.conversation.project:
                self._id("project", owned.account, owned.conversation.project)

    def _id(self, *what: str) -> str:
        return self.db.ids.setdefault(what, f"{what[-1]}/{self.rows}")

    def _apply_policy(self, at: datetime) -> None:
        number = self.db.policies
        self.journal.append((self.rows + 1, number, at))
        self.tell("policy_applied", at, number=number, sha256=self.policies[number].sha256().hex())
        self.db.policies += 1

    def _tell_for(
        self,
        kind: str,
        at: datetime,
        name: str,
        question: str | None,
        scope: GrantScope,
        **facts: Any,
    ) -> None:
        asked = {} if question is None else {"question": question}
        within = {} if scope.kind is ScopeKind.account else {scope.kind.value: scope.name}
        self.tell(kind, at, name, scope=scope.kind.value, **asked, **within, **facts)

    def apply(self, event: ev.Event) -> None:
        """One event, with the rows that the vault writes of it, in its order."""
        world, name = self.db.world, event.account
        if isinstance(event, ev.OpenAccountEvent):
            if name not in world.accounts:
                world.apply(event)
                self.tell("account_opened", event.at, name)
            return
        if name not in world.accounts:
            return
        at = max(event.at, world.accounts[name].last_at)
        before = world.accounts[name]
        world._advance(name, at)
        self._lapsed(name, before)
        match event:
            case ev.ChooseEvent():
                self._choose(event, at)
            case (
                ev.SetPlanEvent() | ev.SetAgeEvent() | ev.SetRegionEvent() | ev.CloseAccountEvent()
            ):
                self.tell(WHOLE[type(event)], at, name)
                before = world.accounts[name]
                world.apply(event)
                cause = "closed" if isinstance(event, ev.CloseAccountEvent) else "lapsed"
                self._ended(name, before, at, cause)
            case ev.NarrowEvent() | ev.WidenEvent() if event.project is not None:
                self._project(event, event.project, at)
            case ev.GiveFeedbackEvent():
                known = len(world.feedback)
                world.apply(event)
                if len(world.feedback) > known:
                    self.tell("feedback", at, name)
            case ev.SayEvent():
                world.apply(event)
            case _:
                self._chat(event, at)
        if isinstance(event, RESTRICTS):
            self.journal.append((self.rows, replace(event, at=at), at))

    def _lapsed(self, name: str, before: AccountState) -> None:
        """A version ended grants at its first instant."""
        grants = before.grants
        for number in range(before.seen + 1, self.db.world.accounts[name].seen + 1):
            version = self.policies[number]
            over = [grant for grant in grants if self._is_over(before, grant, number)]
            for grant in over:
                self.tell(
                    "grant_ended", version.effective, name, grant=grant.number, cause="lapsed"
                )
            grants = tuple(grant for grant in grants if grant not in over)

    def _is_over(self, account: AccountState, grant: Grant, number: int) -> bool:
        version = self.policies[number]
        refuses = account.plan not in version.plans or version.refuses_age(
            account.age, account.region
        )
        return refuses or grant.question not in version.asks

    def _ended(self, name: str, before: AccountState, at: datetime, cause: str) -> None:
        now = self.db.world.accounts[name].grants
        for grant in before.grants:
            if grant not in now:
                self.tell("grant_ended", at, name, grant=grant.number, cause=cause)

    def _choose(self, event: ev.ChooseEvent, at: datetime) -> None:
        world, name, scope = self.db.world, event.account, event.chosen_for
        owned = (
            world._find_owned(name, scope.name) if scope.kind is ScopeKind.conversation else None
        )
        chosen = fold.choose(
            world.accounts[name],
            self.policies,
            at,
            event.allow,
            question=event.question,
            scope=scope,
            conversation=owned.conversation if owned else None,
            keep=[kept.scope for kept in event.keep],
            age=event.age,
        )
        aged = chosen.account.age != world.accounts[name].age
        if aged:
            self.tell("age_found", at, name)
        for ending in chosen.endings:
            for grant in ending.grants:
                self.tell("grant_ended", at, name, grant=grant.number, cause=ending.cause.value)
        version, keeps = self.policies.number(at), []
        for answer in chosen.answers or (None,):
            asked, effect = (
                (None, "none") if answer is None else (answer.question, answer.effect.value)
            )
            self._tell_for(
                "choice", at, name, asked, scope, allow=event.allow, effect=effect, version=version
            )
            if answer is None:
                continue
            if answer.grant is not None:
                kind = "grant_begun" if answer.effect is outcomes.Effect.began else "grant_affirmed"
                self._tell_for(kind, at, name, asked, scope, grant=answer.grant, version=version)
            for kept in answer.kept:
                self._tell_for(
                    "grant_affirmed",
                    at,
                    name,
                    asked,
                    kept.scope,
                    grant=kept.number,
                    version=version,
                )
                keeps.append(kept.scope)
        world.apply(event)
        if not event.allow:
            named = tuple(
                ev.NamedScope(project=one.name)
                if one.kind is ScopeKind.project
                else ev.NamedScope(conversation=one.name)
                for one in dict.fromkeys(keeps)
            )
            self.journal.append((self.rows, replace(event, at=at, keep=named), at))
        elif aged:
            self.journal.append((self.rows, ev.SetAgeEvent(at=at, account=name, age=event.age), at))

    def _project(self, event: ev.NarrowEvent | ev.WidenEvent, project: str, at: datetime) -> None:
        world, name = self.db.world, event.account
        before = world.accounts[name]
        if isinstance(event, ev.WidenEvent):
            world.apply(event)
            if world.accounts[name] is not before:
                self.tell("project_let_in", at, name, project=project)
            return
        if project not in before.kept_out:
            self.tell("project_kept_out", at, name, project=project)
        inside = [
            chat
            for chat, owned in world.conversations.items()
            if owned.account == name and owned.conversation.project == project
        ]
        for chat in inside:
            self._narrow(name, chat, at)
        before = world.accounts[name]
        world.apply(event)
        self._ended(name, before, at, "narrowed")

    def _narrow(self, name: str, chat: str, at: datetime) -> None:
        before, owned = self.db.world.accounts[name], self.db.world.conversations[chat]
        was = owned.conversation
        self.db.world._narrow(name, owned, at)
        if owned.conversation is not was:
            self.tell("narrowed", at, name, conversation=chat)
            self._ended(name, before, at, "narrowed")

    def _chat(self, event: Any, at: datetime) -> None:
        world, name, chat = self.db.world, event.account, event.conversation
        owned = world._find_owned(name, chat)
        if owned is None:
            return
        if isinstance(event, ev.NarrowEvent):
            self._narrow(name, chat, at)
            return
        was = owned.conversation
        world.apply(event)
        now = owned.conversation
        kind = ABOUT_CHATS[type(event)]
        if kind in ("deleted", "unflagged"):
            is_told = True
        elif kind in ("held", "unheld"):
            is_told = now.holds != was.holds
        else:
            is_told = now is not was
        if is_told:
            self.tell(kind, at, name, conversation=chat)

    # What is beside the verbs

    def _show(self) -> None:
        text = name_of("notice", self.db.notices)
        number = self.db.policies - 1
        if self.draw.random() < 0.5 or not self.db.notices:
            self.db.notices += 1
            text = name_of("notice", self.db.notices)
            self.tell(
                "notice_published",
                self.clock,
                number=number,
                language="en",
                variant="new",
                sha256=text,
            )
        for name in self.db.world.accounts:
            shown = {"number": number, "sha256": text, "default_state": "none"}
            self.tell("notice_shown", self.clock, name, **shown)
            kind = self.draw.choice(("notice_put_off", "terms_accepted"))
            self.tell(
                kind, self.clock, name, **({"number": number} if kind == "terms_accepted" else {})
            )

    def _sweep(self) -> None:
        """A sweep brings accounts up to the day, and destroys keys of what was deleted or of who
        closed.
        """
        self._bring_all()
        for chat, owned in self.db.world.conversations.items():
            account, now = self.db.world.accounts[owned.account], owned.conversation
            because = "closed" if account.closed_at else "deleted" if now.deleted_at else "expired"
            if self.draw.random() < 0.3:
                self.tell(
                    "key_destroyed",
                    self.clock,
                    owned.account,
                    conversation=chat,
                    because=because,
                    segment=0,
                )

    def _bring_all(self) -> None:
        for name, account in list(self.db.world.accounts.items()):
            self.db.world._advance(name, max(self.clock, account.last_at))
            self._lapsed(name, account)

    def _release(self) -> None:
        """A release, after what its rows rest on and the log of the year lacks."""
        year, name = self.clock.year, name_of("release", self.rows)[:32]
        told = self.db.versions_told.setdefault(year, set())
        if self.clock < self.policies[0].effective:
            return
        self._bring_all()
        for number in range(self.db.policies):
            applied = any(
                entry["t"] == "policy_applied" and entry["facts"]["number"] == number
                for entry in self.logs.get(year, [])
            )
            waits = any(
                row.kind == "policy_applied"
                and row.facts["number"] == number
                and row.at.year == year
                for row in self.db.waiting
            )
            if number not in told and not applied and not waits:
                self.tell(
                    "policy_stands",
                    self.clock,
                    number=number,
                    sha256=self.policies[number].sha256().hex(),
                )
                told.add(number)
        for account, state in self.db.world.accounts.items():
            for grant in state.grants:
                known = self.db.told.setdefault(year, set())
                who = self._id("account", account)
                waits = any(
                    row.account == who
                    and row.facts.get("grant") == grant.number
                    and row.at.year == year
                    for row in self.db.waiting
                )
                if (who, grant.number) not in known and not waits:
                    known.add((who, grant.number))
                    self._tell_for(
                        "grant_stands",
                        max(self.clock, state.last_at),
                        account,
                        grant.question,
                        grant.scope,
                        grant=grant.number,
                        version=state.answered_version(grant.question) or 0,
                    )
        rows = self.draw.randint(3, 90)
        facts = {
            "release": name,
            "purpose": "improve_models",
            "version": self.policies.number(self.clock),
            "position": self.rows,
            "rows": rows,
            "root": name_of("root", name),
            "manifest_sha256": name_of("manifest", name),
        }
        self.tell("release_decided", self.clock, release=name, position=self.rows)
        self.db.releases[name] = {
            "facts": facts,
            "left": rows,
            "purges": 0,
            "review": "",
            "signed": 0,
        }
        self.tell("release_sealed", self.clock, **facts)

    def _state_release(self) -> None:
        if not self.db.releases:
            return
        name = self.draw.choice(list(self.db.releases))
        made = self.db.releases[name]
        of = {"release": name, "manifest_sha256": made["facts"]["manifest_sha256"]}
        match self.draw.choice(("review", "sign", "measure", "purge")):
            case "review":
                made["review"], made["signed"] = name_of("review", self.rows), 0
                self.tell(
                    "release_reviewed",
                    self.clock,
                    **of,
                    sha256=made["review"],
                    rows=3,
                    findings=0,
                    bound_ppm=631597,
                )
            case "sign" if made["review"]:
                made["signed"] += 1
                self.tell(
                    "release_signed",
                    self.clock,
                    **of,
                    review_sha256=made["review"],
                    signature=made["signed"],
                )
            case "purge" if made["left"]:
                made["purges"], gone = made["purges"] + 1, self.draw.randint(1, made["left"])
                made["left"] -= gone
                self.tell(
                    "release_purged",
                    self.clock,
                    release=name,
                    number=made["purges"],
                    rows=gone,
                    sha256=name_of("purge", self.rows),
                )
            case "measure":
                self.tell(
                    "release_measured",
                    self.clock,
                    **of,
                    sha256=name_of("measured", self.rows),
                    rows=3,
                )

    # The log

    def sequence(self, most: int) -> None:
        """Gives the first waiting rows their places in the log of the year."""
        taken, self.db.waiting = self.db.waiting[:most], self.db.waiting[most:]
        if not taken:
            return
        self.logged = max([self.clock, self.logged, *(row.at for row in taken)]) + timedelta(
            microseconds=1
        )
        year = self.logged.year
        if year not in self.logs and not self.keeps_years:
            self._forget(year, taken)
        for row in taken:
            if row.account and (row.account, year) not in self.db.spoke:
                before = [one for who, one in self.db.spoke if who == row.account]
                self.db.spoke.add((row.account, year))
                if before:
                    self.rows += 1
                    self._log(
                        year,
                        Row(self.rows, "carried", self.logged, row.account, {"from": max(before)}),
                    )
            self._log(year, row)

    def _log(self, year: int, row: Row) -> None:
        self.logs.setdefault(year, []).append(self.entry(row, year))
        self.private.setdefault(year, []).append(row)
        self.db.known[year] = len(self.logs[year])
        if row.account and "grant" in row.facts and row.kind != "grant_ended":
            self.db.told.setdefault(year, set()).add((row.account, row.facts["grant"]))

    def entry(self, row: Row, year: int) -> Entry:
        facts = {
            key: value for key, value in row.facts.items() if key not in ("conversation", "project")
        }
        own: Entry = {}
        if row.account:
            own = {"who": name_of(year, row.account), "commit": name_of("commit", row.number)}
            for key, told in (("conversation", "handle"), ("project", "project")):
                if key in row.facts:
                    facts[told] = name_of(year, row.account, key, row.facts[key])
        if row.kind in ("held", "unheld", "feedback"):
            facts = {}
        logged = period.rfc3339(max(self.logged, row.at))
        return {
            "v": 1,
            "t": row.kind,
            "at": period.rfc3339(row.at),
            "logged": logged,
            "facts": facts,
        } | own

    def _forget(self, year: int, taken: list[Row]) -> None:
        """The log of a year is removed, where no grant that it tells of is in force and no release
        is of it.
        """
        for old in [one for one in self.logs if one < year - 1]:
            running = {
                (self._id("account", name), grant.number)
                for name, state in self.db.world.accounts.items()
                for grant in state.grants
            }
            is_late = any(row.at.year < year for row in (*taken, *self.db.waiting))
            if not running & self.db.told.get(old, set()) and not is_late:
                self.db.spoke = {(name, one) for name, one in self.db.spoke if one != old}
                self.db.releases = {
                    name: made
                    for name, made in self.db.releases.items()
                    if name not in {entry["facts"].get("release") for entry in self.logs[old]}
                }

    # Restores

    def _restore(self, backup: Database) -> None:
        """The database is an older copy: it is brought up to the log, and every restriction since
        is applied again.
        """
        self.clock = self.floor = self.clock + timedelta(hours=1)
        life, known = self.db.life + 1, backup.known
        self.restored += 1
        self.db = backup.copy()
        self.db.life = life
        newest = {year: log[known.get(year, 0) :] for year, log in self.logs.items()}
        rows = {row.number for year in newest for row in self.private[year][known.get(year, 0) :]}
        placed = [row for row in self.db.waiting if row.number in rows]
        lacked = Counter(
            identity(row) for year in newest for row in self.private[year][known.get(year, 0) :]
        )
        for year in newest:
            self.db.known[year] = len(self.logs[year])
            for row in self.private[year][known.get(year, 0) :]:
                if row.account in self.db.ids.values():
                    self.db.spoke.add((row.account, year))
                    if row in placed and "grant" in row.facts and row.kind != "grant_ended":
                        self.db.told.setdefault(year, set()).add((row.account, row.facts["grant"]))
        self.tell("restored", self.clock, life=life, entries=sum(map(len, newest.values())))
        lacked.subtract(map(identity, placed))
        before, journal = [row for row in self.db.waiting if row not in placed], self.journal
        self.db.waiting, self.journal = [], []
        first = self._first_lost(backup)
        for number, event, at in journal:
            if isinstance(event, int):
                if event >= self.db.policies:
                    self._apply_policy(at)
            elif number > first:
                self.apply(event)
        again = []
        for row in before + self.db.waiting:
            key = identity(row)
            if lacked[key] > 0:
                lacked[key] -= 1
            else:
                again.append(row)
        self.db.waiting, self.journal = again, journal
        # Later ones know what this database does not: to restore them now would tell two stories in
        # one log.
        self.backups = self.backups[: self.backups.index(backup) + 1]

    def _first_lost(self, backup: Database) -> int:
        numbers = [row.number for row in backup.waiting]
        numbers += [
            self.private[year][size - 1].number for year, size in backup.known.items() if size
        ]
        return max(numbers, default=0)


def identity(row: Row) -> tuple[object, ...]:
    """By what a restore finds that the log has a row already, in other words."""
    about = [
        row.facts.get(key)
        for key in ("question", "scope", "conversation", "project", "because", "segment")
    ]
    return (
        row.account,
        row.kind,
        row.at,
        row.facts.get("grant") if row.kind == "grant_ended" else None,
        *about,
    )


def honest_logs(seeds: range, **how: bool) -> Iterator[tuple[int, dict[int, list[Entry]]]]:
    for seed in seeds:
        made = Installation(history(seed), **how)
        yield seed, made.logs
