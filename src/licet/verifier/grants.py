"""The grants of an account, as the entries of one year tell them in order.

A grant is a yes to one question, for the account, for one of its projects or for one conversation. Entries of before
there were questions name neither: they mean the question `training`, for the account.

Held of every account: a grant begins with a yes and keeps its number and what it is for; a no for the account ends each
grant of its question, for every scope, but for those that it is told to keep; nothing begins for what is kept out.
With questions, the grants that a no ends are told before it, so that no beginning of a log holds a no beside a grant that
it ended; without them, the one there was is told after it.
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


class ToldScope(NamedTuple):
    """What a choice or a grant is for: ``place`` is the pseudonym of the project or the conversation."""

    question: str
    kind: str
    place: str = ""


def scope_of(facts: dict[str, Any]) -> ToldScope:
    """What an entry is about. The question is empty in a choice that was about none, and so had no effect."""
    scope = facts.get("scope")
    if scope is None:
        return _about_account(TRAINING)
    if scope == ACCOUNT:
        return _about_account(facts.get("question", ""))
    return ToldScope(facts.get("question", ""), scope, facts.get("handle", facts.get("project", "")))


@lru_cache(maxsize=1 << 10)
def _about_account(question: str) -> ToldScope:
    return ToldScope(question, ACCOUNT)


@dataclass(slots=True)
class GrantStory:
    """The grants of one account.

    ``carried``: grants may have begun before this log. ``fresh``: nothing was told since it was carried over or restored,
    and ``unsure``: only what choices bring, which may be the rest of one that was told elsewhere. ``lost``: where a
    restore may have lost the grant that was told, and ``again``: it may give numbers again. ``asked``: an entry named a
    question.
    """

    carried: bool = False
    fresh: bool = False
    unsure: bool = False
    again: bool = False
    asked: bool = False
    known: dict[ToldScope, int | None] = field(default_factory=dict)  # in force; None: told, and none in force
    numbers: dict[int, ToldScope | None] = field(default_factory=dict)  # what each that was told is for; None: ended
    owed: dict[ToldScope, str] = field(default_factory=dict)  # the entry that must follow a choice
    begun: tuple[int, ...] = ()  # the first number that began here, and the last
    lost: frozenset[ToldScope] = frozenset()
    refused: frozenset[str] = frozenset()  # questions whose grants ended by a no that is not told yet
    settled: frozenset[str] = frozenset()  # questions whose choices were told since it was unsure
    noes: frozenset[str] = frozenset()  # questions whose newest choice was a no

    def restored(self) -> None:
        """The database is an older copy: it may not know the newest grants, and what it took back it took back again."""
        self.fresh = self.unsure = self.again = True
        self.lost = frozenset(about for about, grant in self.known.items() if grant is not None)
        self.begun, self.owed, self.refused, self.settled = (), {}, frozenset(), frozenset()

    def passed(self, kind: str) -> None:
        """An entry of the account was told."""
        if self.fresh or self.unsure:
            self.fresh, self.unsure = False, self.unsure and kind in OF_CHOICES

    def take(self, kind: str, facts: dict[str, Any], out: set[str], place: str) -> None:
        """The next entry about choices and grants. ``out`` are the projects and conversations that are kept out or gone."""
        about, asked = scope_of(facts), "scope" in facts
        if asked:
            self.asked = True
        if kind == "grant_ended":
            self._ended(facts, place)
            return
        if kind == "choice" and asked:
            self._choice(about, facts, out, place)
            return
        if kind == "choice":
            self._choice_before(about, facts, place)
            return
        if kind != "grant_stands":
            self._follows(about, kind, asked, place)
        self._in_force(about, kind, facts["grant"], asked, place)
        if kind == "grant_begun" and about.place in out:
            raise ContradictionError(place, "no grant begins for what is kept out or deleted")

    def _choice_before(self, about: ToldScope, facts: dict[str, Any], place: str) -> None:
        """A choice of before there were questions: the entry that it owes, an ending too, comes after it."""
        if about in self.owed:
            raise ContradictionError(place, f"the choice before it was followed by a `{self.owed[about]}`")
        self.unsure, self.refused = False, frozenset()
        if facts["effect"] in OWED:
            self.owed[about] = OWED[facts["effect"]]

    def _choice(self, about: ToldScope, facts: dict[str, Any], out: set[str], place: str) -> None:
        question, effect = about.question, facts["effect"]
        for other, kind in self.owed.items():
            if question in ("", other.question):
                raise ContradictionError(place, f"the choice before it was followed by a `{kind}`")
        if effect == "none":
            return
        if facts["allow"]:
            if question in self.refused:
                raise ContradictionError(place, "a grant that was refused is followed by the no that refused it")
            if about.place in out:
                raise ContradictionError(place, "no grant begins for what is kept out or deleted")
            self.owed[about] = OWED[effect]
            if question in self.noes:
                self.noes -= {question}
        else:
            self._no(question, effect, place)
        if question not in self.settled:
            self.settled |= {question}

    def _no(self, question: str, effect: str, place: str) -> None:
        """What it did not end is kept, and affirmed by an entry of its own; the account's own grant cannot be kept."""
        if effect == "withdrew" and not (self._is_open(question) or self.refused & {question, ""}):
            raise ContradictionError(place, "a no that ended a grant follows the ending of it")
        if effect == "declined" and question in self.refused:
            raise ContradictionError(place, "a no that ended a grant says so")
        for about in (about for about in self.lost if about.question == question):
            self.numbers = {number: of for number, of in self.numbers.items() if of != about}
            del self.known[about]
        self.lost = frozenset(about for about in self.lost if about.question != question)
        left = {about for about, grant in self.known.items() if about.question == question and grant is not None}
        if any(about.kind == ACCOUNT for about in left):
            raise ContradictionError(place, "a no ends the account's grant, and that is told before it")
        self.owed |= dict.fromkeys(left, "grant_affirmed")
        self.refused -= {question, ""}
        self.noes |= {question}

    def _is_open(self, question: str) -> bool:
        return self.unsure and question not in self.settled

    def _follows(self, about: ToldScope, kind: str, asked: bool, place: str) -> None:
        """A grant begins, or is affirmed, by a choice that says so, or is kept by a no."""
        if self.owed.get(about) == kind:
            del self.owed[about]
            return
        is_kept = kind == "grant_affirmed" and about.kind != ACCOUNT and about.question in self.noes
        is_rest = self._is_open(about.question) if asked else self.fresh
        if not is_rest and not (is_kept and about not in self.known):
            raise ContradictionError(place, f"a `{kind}` follows a choice that says so")
        self.owed.pop(about, None)

    def _in_force(self, about: ToldScope, kind: str, grant: int, asked: bool, place: str) -> None:
        """A grant keeps its number from beginning to end. The first entry about one that was carried over gives its number."""
        is_new, known = about not in self.known, self.known.get(about)
        if kind == "grant_stands" and is_new and not self.carried and not self.again:
            raise ContradictionError(place, "a grant that stands was begun, or carried over")
        if kind == "grant_begun":
            follows = known is None or about in self.lost
            if asked:
                follows = follows and (not self.begun or grant > self.begun[-1])
                follows = follows and (grant not in self.numbers or (self.again and self._is_over(grant)))
            self.begun = (*self.begun[:1], grant)
            if about in self.lost:
                self.lost -= {about}
        elif is_new:
            follows = self._is_of_before(grant) if asked else None not in self.numbers.values()
        else:
            follows = grant == known
        if not follows:
            raise ContradictionError(place, f"a `{kind}` follows from the grant in force")
        self.known[about], self.numbers[grant] = grant, about

    def _ended(self, facts: dict[str, Any], place: str) -> None:
        """Names its grant by number alone. An account that was closed without one names none."""
        before = next((about for about, kind in self.owed.items() if kind == "grant_ended"), None)
        if before is not None:
            del self.owed[before]
        if "grant" not in facts:
            self.known |= dict.fromkeys({*self.known, ToldScope(TRAINING, ACCOUNT)})
            return
        grant: int = facts["grant"]
        about = self.numbers.get(grant)
        if about is not None:
            self.known[about] = None
        elif (self.known or self.numbers) and not (self._is_of_before(grant) and (self.asked or not self.known)):
            raise ContradictionError(place, "a `grant_ended` follows from the grant in force")
        self.numbers[grant] = None
        if facts["cause"] == "refused" and before is None:
            self.refused |= {"" if about is None or self._is_open(about.question) else about.question}

    def _is_of_before(self, grant: int) -> bool:
        """Whether a grant of which nothing was told may have begun before this log."""
        is_older = grant not in self.numbers and (not self.begun or grant < self.begun[0])
        return (self.carried or self.again) and is_older

    def _is_over(self, grant: int) -> bool:
        """Whether a number may be given again after a restore: its grant ended, or was lost."""
        about = self.numbers[grant]
        return about is None or about in self.lost
