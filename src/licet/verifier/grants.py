"""The grants of an account, as the entries of one year tell them in order.

A grant is a yes to one question, for the account, for one of its projects or for one conversation.
Entries of before there were questions name neither: they mean the question `training`, for the
account.

Held of every account: a grant begins with a yes, at its moment and under its version, and keeps its
number and what it is for; numbers are given in order; a no for the account ends each grant of its
question, for every scope, but for those that it is told to keep; what is kept out or closed ends
its grants; nothing begins for what is kept out. All entries of one act are told before the next act
of the account. With questions, the grants that a no ends are told before it, so that no beginning
of a log holds a no beside a grant that it ended; without them, the one there was is told after it.

A restore takes the database back to an older copy, and applies every restriction since. So the
newest grants may be lost, and their numbers given again; but none begins, is affirmed or stands
without what any other needs, and none that was told to have ended comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from licet.verifier.answer import ContradictionError

TRAINING, ACCOUNT = "training", "account"
OWED = {"began": "grant_begun", "affirmed": "grant_affirmed", "withdrew": "grant_ended"}
# Kinds that a choice, or what ends a grant, may bring beside others.
OF_CHOICES = ("choice", "grant_begun", "grant_affirmed", "grant_stands", "grant_ended", "age_found")
CAUSES = frozenset({"refused", "lapsed", "narrowed", "closed"})
# The act that ends a grant for a cause, at its own moment. A no is told after the endings, and a
# lapse needs no act.
ENDED_BY = {"narrowed": ("narrowed", "project_kept_out"), "closed": ("closed",)}


class ToldScope(NamedTuple):
    """What a choice or a grant is for: ``place`` is the pseudonym of the project or the
    conversation.
    """

    question: str
    kind: str
    place: str = ""


class OwedEntry(NamedTuple):
    """The entry that a choice brings: its kind, at the choice's moment and under its version."""

    kind: str
    at: str
    version: int
    is_kept: bool = False  # by a no


def scope_of(facts: dict[str, Any]) -> ToldScope:
    """What an entry is about. The question is empty in a choice that was about none, and so had no
    effect.
    """
    scope = facts.get("scope")
    if scope is None:
        return _about_account(TRAINING)
    if scope == ACCOUNT:
        return _about_account(facts.get("question", ""))
    return ToldScope(
        facts.get("question", ""), scope, facts.get("handle", facts.get("project", ""))
    )


@lru_cache(maxsize=1 << 10)
def _about_account(question: str) -> ToldScope:
    return ToldScope(question, ACCOUNT)


@dataclass(slots=True)
class GrantStory:
    """The grants of one account.

    ``carried``: grants may have begun before this log; ``opened``: the account began in it.
    ``rest``: the entries so far may be the rest of an act that the log of the year before began to
    tell. ``restored``: a restore was told since.
    ``recount``: a restore may have taken the count of numbers back. ``asked``: an entry named a
    question.
    """

    carried: bool = False
    opened: bool = False
    rest: bool = False
    restored: bool = False
    recount: bool = False
    asked: bool = False
    # in force; None: told, and none in force
    known: dict[ToldScope, int | None] = field(default_factory=dict)
    # what each that was told is for; None: ended
    numbers: dict[int, ToldScope | None] = field(default_factory=dict)
    owed: dict[ToldScope, OwedEntry] = field(default_factory=dict)
    # the cause for which the act told last ends each
    must_end: dict[int, str] = field(default_factory=dict)
    act: tuple[str, str] = ("", "")  # the account's newest act, and its moment
    first_begun: int = 0
    count: int = 0  # the number given last
    # in force when a restore was told, which may have lost them
    lost: frozenset[ToldScope] = frozenset()
    # the moment of the endings of a no that is not told yet
    refused: dict[str, str] = field(default_factory=dict)
    # questions whose no a restore came before: its endings were told
    untold: frozenset[str] = frozenset()
    before: tuple[
        tuple[int, str, str], ...
    ] = ()  # the number, question and kind of scope of each that began before this log
    # that a no may keep, of which a restore leaves it open
    kept: dict[ToldScope, int] = field(default_factory=dict)
    # questions whose choices were told since there may be a rest
    settled: frozenset[str] = frozenset()
    noes: frozenset[str] = frozenset()  # questions whose newest choice was a no
    ended: frozenset[str] = frozenset()  # questions of which a no was told

    def restore(self) -> None:
        """The database is an older copy, and what it took back it takes back again."""
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

    def next_act(self, kind: str, facts: dict[str, Any], at: str, place: str) -> None:
        """The account's next act, at a moment of its clock: all that the one before brings was
        told.
        """
        for owed in self.owed.values():
            raise ContradictionError(place, f"the choice before it was followed by a `{owed.kind}`")
        if self.refused and not (kind == "choice" and not facts["allow"] and self._is_refused(at)):
            raise ContradictionError(
                place, "a grant that was refused is followed by the no that refused it"
            )
        if self.must_end and not (kind == "narrowed" and self.act == ("project_kept_out", at)):
            raise ContradictionError(
                place, "what is kept out or closed ends its grants, and that is told with it"
            )
        for grant in self.kept.values():
            self._end(grant)
        self.kept = {}
        # the conversations of a project are kept out with it
        if not (kind == "narrowed" and self.must_end):
            self.act = (kind, at)
        self._take_back(kind, facts)

    def _take_back(self, kind: str, facts: dict[str, Any]) -> None:
        match kind:
            case "closed":
                ends = list(self.known)
            case "narrowed" | "project_kept_out":
                gone = facts.get("handle") or facts.get("project")
                ends = [about for about in self.known if about.place == gone]
            case _:
                return
        cause = "closed" if kind == "closed" else "narrowed"
        for about in ends:
            grant = self.known[about]
            if grant is None:
                continue
            if about in self.lost:  # the database may not know it any more
                self._end(grant)
            else:
                self.must_end[grant] = cause

    def take(self, kind: str, facts: dict[str, Any], at: str, out: set[str], place: str) -> None:
        """The next entry about choices and grants. ``out`` are the projects and conversations that
        are kept out or gone.
        """
        about, asked = scope_of(facts), "scope" in facts
        if asked:
            self.asked = True
        if kind == "grant_ended":
            self._ended(facts, at, place)
            return
        if kind == "choice" and asked:
            self._choice(about, facts, at, out, place)
            return
        if kind == "choice":
            self._choice_before(about, facts, at)
            return
        if kind == "grant_stands":
            if at < self.act[1]:
                raise ContradictionError(place, "the time of an account never goes back")
        else:
            self._follows(about, kind, facts, at, place)
        self._in_force(about, kind, facts["grant"], asked, place)
        if kind == "grant_begun" and about.place in out:
            raise ContradictionError(place, "no grant begins for what is kept out or deleted")

    def _choice_before(self, about: ToldScope, facts: dict[str, Any], at: str) -> None:
        """A choice of before there were questions: the entry that it owes, an ending too, comes
        after it.
        """
        self.rest = False
        if facts["effect"] in OWED:
            self.owed[about] = OwedEntry(OWED[facts["effect"]], at, facts["version"])

    def _choice(
        self, about: ToldScope, facts: dict[str, Any], at: str, out: set[str], place: str
    ) -> None:
        question, effect = about.question, facts["effect"]
        if effect == "none":
            return
        if facts["allow"]:
            if about.place in out:
                raise ContradictionError(place, "no grant begins for what is kept out or deleted")
            self.owed[about] = OwedEntry(OWED[effect], at, facts["version"])
            if question in self.noes:
                self.noes -= {question}
        else:
            self._no(question, facts, at, place)
        if self.rest and question not in self.settled:
            self.settled |= {question}

    def _no(self, question: str, facts: dict[str, Any], at: str, place: str) -> None:
        """What it did not end is kept, and affirmed by an entry of its own; the account's own grant
        cannot be kept.
        """
        has_ended = not self.refused.keys().isdisjoint((question, ""))
        is_told = has_ended or self._is_open(question) or not self.untold.isdisjoint((question, ""))
        if facts["effect"] == "withdrew" and not is_told:
            raise ContradictionError(place, "a no that ended a grant follows the ending of it")
        if facts["effect"] == "declined" and question in self.refused:
            raise ContradictionError(place, "a no that ended a grant says so")
        for about in [about for about in self.lost if about.question == question]:
            grant = self.known[about]
            if grant is not None:
                self._end(grant)
                self.kept |= {about: grant} if about.kind != ACCOUNT else {}
        self.lost = frozenset(about for about in self.lost if about.question != question)
        left = {
            about
            for about, grant in self.known.items()
            if about.question == question and grant is not None
        }
        if any(about.kind == ACCOUNT for about in left):
            raise ContradictionError(
                place, "a no ends the account's grant, and that is told before it"
            )
        self.owed |= dict.fromkeys(
            left, OwedEntry("grant_affirmed", at, facts["version"], is_kept=True)
        )
        self.refused = {
            other: moment for other, moment in self.refused.items() if other not in (question, "")
        }
        self.untold -= {question}
        self.noes |= {question}
        self.ended |= {question}

    def _is_open(self, question: str) -> bool:
        return self.rest and question not in self.settled

    def _follows(
        self, about: ToldScope, kind: str, facts: dict[str, Any], at: str, place: str
    ) -> None:
        """A grant begins, or is affirmed, by a choice that says so, or is kept by a no."""
        owed = self.owed.get(about)
        if owed is not None and owed.kind == kind:
            if (owed.at, owed.version) != (at, facts["version"]):
                raise ContradictionError(
                    place, "a grant has the moment and the version of its choice"
                )
            del self.owed[about]
            return
        if kind == "grant_affirmed" and self.kept.get(about) == facts["grant"]:
            self.known[about] = self.kept.pop(about)
            return
        is_kept = (
            kind == "grant_affirmed"
            and about.kind != ACCOUNT
            and about.question in self.noes
            and self.act == ("choice", at)
        )
        if not self._is_open(about.question) and not (is_kept and about not in self.known):
            raise ContradictionError(place, f"a `{kind}` follows a choice that says so")

    def _in_force(self, about: ToldScope, kind: str, grant: int, asked: bool, place: str) -> None:
        """A grant keeps its number from beginning to end. The first entry about one that was
        carried over gives its number.
        """
        is_new, known = about not in self.known, self.known.get(about)
        if kind == "grant_stands" and is_new and not self.carried:
            raise ContradictionError(place, "a grant that stands was begun, or carried over")
        if kind == "grant_begun":
            self._begins(about, grant, asked, place)
        elif not (
            self._is_of_before(grant) and self._is_left(about, kind) if is_new else grant == known
        ):
            raise ContradictionError(place, f"a `{kind}` follows from the grant in force")
        elif is_new:
            self.before = (*self.before, (grant, about.question, about.kind))
        elif about in self.lost:
            self.lost -= {about}
        self.known[about], self.numbers[grant] = grant, about

    def _begins(self, about: ToldScope, grant: int, asked: bool, place: str) -> None:
        """Its number is the next one; after a restore that lost some, one of theirs, and so all
        from there on are lost.
        """
        known = self.known.get(about)
        follows = known is None or about in self.lost
        if asked:
            follows = follows and (
                grant not in self.numbers or (self.recount and self._is_over(grant))
            )
        if not follows:
            raise ContradictionError(place, "a `grant_begun` follows from the grant in force")
        if self.opened or self.count:
            highest = self.count + 1
            is_next = grant <= highest if self.recount else grant == highest
        else:
            is_next = all(grant > other for other in self.numbers) or self.recount
        if asked and not is_next:
            raise ContradictionError(place, "the numbers of an account's grants are given in order")
        if self.recount:
            for number in [number for number in self.numbers if number >= grant]:
                self._end(number)
                del self.numbers[number]
            self.recount, self.lost = False, frozenset()
        self.count = grant
        self.first_begun = min(self.first_begun or grant, grant)

    def _end(self, number: int) -> None:
        about = self.numbers.get(number)
        if about is not None and self.known.get(about) == number:
            self.known[about] = None
        self.numbers[number] = None

    def _ended(self, facts: dict[str, Any], at: str, place: str) -> None:
        """Names its grant by number alone. An account that was closed without one names none."""
        before = next(
            (about for about, owed in self.owed.items() if owed.kind == "grant_ended"), None
        )
        if before is not None:
            del self.owed[before]
        cause = facts["cause"]
        if cause not in CAUSES:
            raise ContradictionError(place, "a grant ends for one of four causes")
        if "grant" not in facts:
            self.known |= dict.fromkeys({*self.known, ToldScope(TRAINING, ACCOUNT)})
            self.must_end = {}
            return
        grant: int = facts["grant"]
        about, is_again = self.numbers.get(grant), self.restored and grant in self.numbers
        if about is None and not is_again and not self._is_of_before(grant):
            raise ContradictionError(place, "a `grant_ended` follows from the grant in force")
        is_told = self.must_end.pop(grant, cause) == cause
        if cause in ENDED_BY and not self.rest and not (is_again and about is None):
            is_told = is_told and self.act[0] in ENDED_BY[cause] and self.act[1] == at
        if not is_told:
            raise ContradictionError(place, "a grant ends by what is told with it")
        self._end(grant)
        if cause == "refused" and before is None:
            if not self._is_refused(at):
                raise ContradictionError(
                    place, "a grant that was refused is followed by the no that refused it"
                )
            self.refused[
                "" if about is None or self._is_open(about.question) else about.question
            ] = at

    def _is_refused(self, at: str) -> bool:
        """Whether the endings so far are of a no of that moment."""
        return all(moment == at for moment in self.refused.values())

    def _is_of_before(self, grant: int) -> bool:
        """Whether a grant of which nothing was told may have begun before this log."""
        is_older = grant not in self.numbers and (not self.first_begun or grant < self.first_begun)
        return self.carried and is_older

    def _is_left(self, about: ToldScope, kind: str) -> bool:
        """Whether the noes of this log left a grant of before it: they end all of their question
        but what they keep.
        """
        return about.question not in self.ended or (
            kind == "grant_affirmed"
            and about.kind != ACCOUNT
            and self.act[0] == "choice"
            and about.question in self.noes
        )

    def _is_over(self, grant: int) -> bool:
        """Whether a number may be given again after a restore: its grant ended, or was lost."""
        about = self.numbers[grant]
        return about is None or about in self.lost
