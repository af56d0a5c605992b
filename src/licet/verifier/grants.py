"""Follows an account's grants through the log entries of one year.

A grant is a yes to one question, for the account, one of its projects or one conversation. Entries
from before there were questions mean the question `training`, for the account.

Checked per account: a grant begins with a yes, at its time and under its version, and keeps its
number and target; numbers are consecutive; a no for the account ends each grant of its question, in
every scope, except those that it keeps; keeping out or closing ends the grants concerned, and none
begins for what is kept out. All entries of one act precede the account's next act. With questions,
the grants that a no ends are logged before it, so that no prefix of a log contains a no beside a
grant that it ended; without them, the end of the single grant comes after it.

A restore returns the database to an older copy and reapplies every restriction since. The newest
grants may be lost and their numbers reused; but none begins, is affirmed or stays in force without
its requirements, and none whose end was logged comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from licet.verifier.answer import ContradictionError

TRAINING, ACCOUNT = "training", "account"
OWED = {"began": "grant_begun", "affirmed": "grant_affirmed", "withdrew": "grant_ended"}
# Kinds that a choice or the end of a grant may add.
OF_CHOICES = ("choice", "grant_begun", "grant_affirmed", "grant_stands", "grant_ended", "age_found")
CAUSES = frozenset({"refused", "lapsed", "narrowed", "closed"})
# The act that ends a grant for a cause, at the same time. A no is logged after the endings, and a
# lapse needs no act.
ENDED_BY = {"narrowed": ("narrowed", "project_kept_out"), "closed": ("closed",)}


class GrantTarget(NamedTuple):
    """The target of a choice or a grant: ``place`` is the pseudonym of the project or the
    conversation.
    """

    question: str
    kind: str
    place: str = ""


class OwedEntry(NamedTuple):
    """An entry that must follow a choice: its kind, at the choice's time and under its version."""

    kind: str
    at: str
    version: int
    is_kept: bool = False  # whether a no kept the grant


def target_of(facts: dict[str, Any]) -> GrantTarget:
    """The target of an entry; its question is "" in a choice without a question, which had no
    effect.
    """
    scope = facts.get("scope")
    if scope is None:
        return _account_target(TRAINING)
    if scope == ACCOUNT:
        return _account_target(facts.get("question", ""))
    return GrantTarget(
        facts.get("question", ""), scope, facts.get("handle", facts.get("project", ""))
    )


@lru_cache(maxsize=1 << 10)
def _account_target(question: str) -> GrantTarget:
    return GrantTarget(question, ACCOUNT)


@dataclass(slots=True)
class GrantStory:
    """The grants of one account.

    ``carried``: grants may have begun before this log; ``opened``: the account began in it.
    ``rest``: all entries so far may belong to an act begun in the previous year's log.
    ``restored``: a restore was logged since. ``recount``: a restore may have reset the grant
    numbers. ``asked``: an entry named a question.
    """

    carried: bool = False
    opened: bool = False
    rest: bool = False
    restored: bool = False
    recount: bool = False
    asked: bool = False
    # the number in force; None: none is
    known: dict[GrantTarget, int | None] = field(default_factory=dict)
    # the target of each logged grant; None: ended
    numbers: dict[int, GrantTarget | None] = field(default_factory=dict)
    owed: dict[GrantTarget, OwedEntry] = field(default_factory=dict)
    # grants that the newest act ends, and the cause
    must_end: dict[int, str] = field(default_factory=dict)
    act: tuple[str, str] = ("", "")  # the account's newest act, and its time
    first_begun: int = 0
    count: int = 0  # the newest number
    # targets of grants in force before a restore, which may have lost them
    lost: frozenset[GrantTarget] = frozenset()
    # by question: the time of logged endings whose no is not logged yet
    refused: dict[str, str] = field(default_factory=dict)
    # questions with logged endings whose no a restore lost
    untold: frozenset[str] = frozenset()
    # number, question and scope kind of each grant from before this log
    before: tuple[tuple[int, str, str], ...] = ()
    # grants that a no may have kept: a restore lost the entry
    kept: dict[GrantTarget, int] = field(
        default_factory=dict
    )  # questions with choices while ``rest``
    settled: frozenset[str] = frozenset()
    noes: frozenset[str] = frozenset()  # questions whose newest choice was a no
    ended: frozenset[str] = frozenset()  # questions with a logged no

    def restore(self) -> None:
        """Takes a restore: the database is an older copy that reapplies every restriction."""
        for number in self.must_end:
            self._end(number)
        self.kept = {
            about: self.known[about] or 0 for about, owed in self.owed.items() if owed.is_kept
        }
        self.untold |= self.refused.keys()
        self.restored = self.recount = True
        self.rest = False
        self.lost = frozenset(about for about, grant in self.known.items() if grant is not None)
        self.owed, self.refused, self.must_end = {}, {}, {}

    def next_act(self, kind: str, facts: dict[str, Any], time: str, place: str) -> None:
        """Begins the account's next act; all entries owed by the previous one must be logged."""
        for owed in self.owed.values():
            raise ContradictionError(place, f"the choice before it was followed by a `{owed.kind}`")
        if self.refused and not (
            kind == "choice" and not facts["allow"] and self._is_refused(time)
        ):
            raise ContradictionError(place, "a refused grant is followed by the no that refused it")
        if self.must_end and not (kind == "narrowed" and self.act == ("project_kept_out", time)):
            raise ContradictionError(
                place, "keeping out or closing ends the grants, and the endings are logged with it"
            )
        for grant in self.kept.values():
            self._end(grant)
        self.kept = {}
        # the conversations of a project are kept out with it
        if not (kind == "narrowed" and self.must_end):
            self.act = (kind, time)
        self._end_with_act(kind, facts)

    def _end_with_act(self, kind: str, facts: dict[str, Any]) -> None:
        match kind:
            case "closed":
                ends = list(self.known)
            case "narrowed" | "project_kept_out":
                handle = facts.get("handle") or facts.get("project")
                ends = [about for about in self.known if about.place == handle]
            case _:
                return
        cause = "closed" if kind == "closed" else "narrowed"
        for target in ends:
            grant = self.known[target]
            if grant is None:
                continue
            if target in self.lost:  # the database may have lost it
                self._end(grant)
            else:
                self.must_end[grant] = cause

    def take(
        self, kind: str, facts: dict[str, Any], time: str, excluded: set[str], place: str
    ) -> None:
        """Takes the next entry about choices and grants. ``excluded``: projects and conversations
        kept out or deleted.
        """
        target, names_question = target_of(facts), "scope" in facts
        if names_question:
            self.asked = True
        if kind == "grant_ended":
            self._take_ending(facts, time, place)
            return
        if kind == "choice" and names_question:
            self._take_choice(target, facts, time, excluded, place)
            return
        if kind == "choice":
            self._take_choice_without_question(target, facts, time)
            return
        if kind == "grant_stands":
            if time < self.act[1]:
                raise ContradictionError(place, "the time of an account never decreases")
        else:
            self._check_owed(target, kind, facts, time, place)
        self._check_in_force(target, kind, facts["grant"], names_question, place)
        if kind == "grant_begun" and target.place in excluded:
            raise ContradictionError(place, "no grant begins for what is kept out or deleted")

    def _take_choice_without_question(
        self, target: GrantTarget, facts: dict[str, Any], time: str
    ) -> None:
        """Takes a choice from before there were questions: the entry that it owes follows, even an
        ending.
        """
        self.rest = False
        if facts["effect"] in OWED:
            self.owed[target] = OwedEntry(OWED[facts["effect"]], time, facts["version"])

    def _take_choice(
        self, target: GrantTarget, facts: dict[str, Any], time: str, excluded: set[str], place: str
    ) -> None:
        question, effect = target.question, facts["effect"]
        if effect == "none":
            return
        if facts["allow"]:
            if target.place in excluded:
                raise ContradictionError(place, "no grant begins for what is kept out or deleted")
            self.owed[target] = OwedEntry(OWED[effect], time, facts["version"])
            if question in self.noes:
                self.noes -= {question}
        else:
            self._take_refusal(question, facts, time, place)
        if self.rest and question not in self.settled:
            self.settled |= {question}

    def _take_refusal(self, question: str, facts: dict[str, Any], time: str, place: str) -> None:
        """Takes a no. Each grant that it did not end is kept by an entry that affirms it; the
        account's own grant cannot be kept.
        """
        has_ended = not self.refused.keys().isdisjoint((question, ""))
        has_ending = (
            has_ended
            or self._may_be_earlier_act(question)
            or not self.untold.isdisjoint((question, ""))
        )
        if facts["effect"] == "withdrew" and not has_ending:
            raise ContradictionError(place, "a no that ended a grant follows the ending of it")
        if facts["effect"] == "declined" and question in self.refused:
            raise ContradictionError(place, "a no that ended a grant has the effect `withdrew`")
        for target in [about for about in self.lost if about.question == question]:
            grant = self.known[target]
            if grant is not None:
                self._end(grant)
                self.kept |= {target: grant} if target.kind != ACCOUNT else {}
        self.lost = frozenset(about for about in self.lost if about.question != question)
        remaining = {
            about
            for about, grant in self.known.items()
            if about.question == question and grant is not None
        }
        if any(about.kind == ACCOUNT for about in remaining):
            raise ContradictionError(
                place, "a no ends the account's grant, and the ending is logged before it"
            )
        self.owed |= dict.fromkeys(
            remaining, OwedEntry("grant_affirmed", time, facts["version"], is_kept=True)
        )
        self.refused = {
            other: moment for other, moment in self.refused.items() if other not in (question, "")
        }
        self.untold -= {question}
        self.noes |= {question}
        self.ended |= {question}

    def _may_be_earlier_act(self, question: str) -> bool:
        return self.rest and question not in self.settled

    def _check_owed(
        self, target: GrantTarget, kind: str, facts: dict[str, Any], time: str, place: str
    ) -> None:
        """Checks that a choice begins or affirms the grant, or that a no keeps it."""
        owed = self.owed.get(target)
        if owed is not None and owed.kind == kind:
            if (owed.at, owed.version) != (time, facts["version"]):
                raise ContradictionError(
                    place, "a grant has the time and the version of its choice"
                )
            del self.owed[target]
            return
        if kind == "grant_affirmed" and self.kept.get(target) == facts["grant"]:
            self.known[target] = self.kept.pop(target)
            return
        is_kept = (
            kind == "grant_affirmed"
            and target.kind != ACCOUNT
            and target.question in self.noes
            and self.act == ("choice", time)
        )
        if not self._may_be_earlier_act(target.question) and not (
            is_kept and target not in self.known
        ):
            raise ContradictionError(place, f"a `{kind}` follows its choice")

    def _check_in_force(
        self, target: GrantTarget, kind: str, grant: int, names_question: bool, place: str
    ) -> None:
        """Checks that a grant keeps its number; the first entry about a carried-over grant sets
        it.
        """
        is_new, current = target not in self.known, self.known.get(target)
        if kind == "grant_stands" and is_new and not self.carried:
            raise ContradictionError(place, "a grant that stands was begun, or carried over")
        if kind == "grant_begun":
            self._begin(target, grant, names_question, place)
        elif not (
            self._may_predate_log(grant) and self._survives_refusals(target, kind)
            if is_new
            else grant == current
        ):
            raise ContradictionError(place, f"a `{kind}` follows from the grant in force")
        elif is_new:
            self.before = (*self.before, (grant, target.question, target.kind))
        elif target in self.lost:
            self.lost -= {target}
        self.known[target], self.numbers[grant] = grant, target

    def _begin(self, target: GrantTarget, grant: int, names_question: bool, place: str) -> None:
        """Checks that the number is the next one. After a restore it may be that of a lost grant;
        then all later ones are lost too.
        """
        current = self.known.get(target)
        follows = current is None or target in self.lost
        if names_question:
            follows = follows and (
                grant not in self.numbers or (self.recount and self._may_reuse(grant))
            )
        if not follows:
            raise ContradictionError(place, "a `grant_begun` follows from the grant in force")
        if self.opened or self.count:
            highest = self.count + 1
            is_next = grant <= highest if self.recount else grant == highest
        else:
            is_next = all(grant > other for other in self.numbers) or self.recount
        if names_question and not is_next:
            raise ContradictionError(place, "the numbers of an account's grants are consecutive")
        if self.recount:
            for number in [number for number in self.numbers if number >= grant]:
                self._end(number)
                del self.numbers[number]
            self.recount, self.lost = False, frozenset()
        self.count = grant
        self.first_begun = min(self.first_begun or grant, grant)

    def _end(self, number: int) -> None:
        target = self.numbers.get(number)
        if target is not None and self.known.get(target) == number:
            self.known[target] = None
        self.numbers[number] = None

    def _take_ending(self, facts: dict[str, Any], time: str, place: str) -> None:
        """Takes the end of a grant, which is named by its number; without one a closed account had
        none.
        """
        owed_target = next(
            (about for about, owed in self.owed.items() if owed.kind == "grant_ended"), None
        )
        if owed_target is not None:
            del self.owed[owed_target]
        cause = facts["cause"]
        if cause not in CAUSES:
            raise ContradictionError(place, "a grant ends for one of four causes")
        if "grant" not in facts:
            self.known |= dict.fromkeys({*self.known, GrantTarget(TRAINING, ACCOUNT)})
            self.must_end = {}
            return
        grant: int = facts["grant"]
        target, is_again = self.numbers.get(grant), self.restored and grant in self.numbers
        if target is None and not is_again and not self._may_predate_log(grant):
            raise ContradictionError(place, "a `grant_ended` follows from the grant in force")
        is_logged = self.must_end.pop(grant, cause) == cause
        if cause in ENDED_BY and not self.rest and not (is_again and target is None):
            is_logged = is_logged and self.act[0] in ENDED_BY[cause] and self.act[1] == time
        if not is_logged:
            raise ContradictionError(place, "a grant ends by the act that is logged with it")
        self._end(grant)
        if cause == "refused" and owed_target is None:
            if not self._is_refused(time):
                raise ContradictionError(
                    place, "a refused grant is followed by the no that refused it"
                )
            self.refused[
                ""
                if target is None or self._may_be_earlier_act(target.question)
                else target.question
            ] = time

    def _is_refused(self, time: str) -> bool:
        """Whether the endings so far belong to a no of that time."""
        return all(moment == time for moment in self.refused.values())

    def _may_predate_log(self, grant: int) -> bool:
        """Whether an unlogged grant may have begun before this log."""
        is_older = grant not in self.numbers and (not self.first_begun or grant < self.first_begun)
        return self.carried and is_older

    def _survives_refusals(self, target: GrantTarget, kind: str) -> bool:
        """Whether a grant from before this log can be in force after the logged noes to its
        question.
        """
        return target.question not in self.ended or (
            kind == "grant_affirmed"
            and target.kind != ACCOUNT
            and self.act[0] == "choice"
            and target.question in self.noes
        )

    def _may_reuse(self, grant: int) -> bool:
        """Whether a number may be reused after a restore: its grant ended, or was lost."""
        target = self.numbers[grant]
        return target is None or target in self.lost
