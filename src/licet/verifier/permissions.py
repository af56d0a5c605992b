"""What the log told before the rows of a release were decided: all that they are decided by.

Kept by pseudonym (accounts) and by handle (conversations). A `release_decided` entry divides the
log: what is told between it and the release's leaf is kept apart (`meanwhile`), and taken by
`advance`. A release without one is decided as of its leaf. Purges, reviews and measurements of the
release may follow later, and are kept as well, and what a no keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from licet.verifier.grants import ACCOUNT, ToldScope, scope_of

# Kinds of entries that change an account's standing, and those about what it keeps out.
_STANDINGS = {
    "choice",
    "closed",
    "shortened",
    "grant_ended",
    "grant_begun",
    "grant_affirmed",
    "grant_stands",
}
_PROJECTS = {"project_kept_out", "project_let_in"}
_CHATS = {"deleted", "narrowed", "widened", "flagged", "unflagged", "key_destroyed"}


@dataclass(slots=True)
class GrantTold:
    """A grant in force, by its number: what it is for, the day of its beginning if this log tells
    it, and the first day on which the log told that it is in force. ``owed``: a no was told since,
    and not yet that it keeps this one.
    """

    scope: ToldScope
    begun_on: str = ""
    told_on: str = ""
    owed: bool = False


@dataclass(slots=True)
class AccountStanding:
    """An account at a moment of the log. ``answers`` are the days of its answers by question, each
    with the version answered.
    """

    grants: dict[int, GrantTold] = field(default_factory=dict)
    # of the grant in force for exactly this
    numbers: dict[ToldScope, int] = field(default_factory=dict)
    answers: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    questions: frozenset[str] = frozenset()  # those of its grants
    closed: bool = False
    shortened: bool = False

    def grant_for(self, question: str, conversation: str, project: str | None) -> int | None:
        """The grant in force for a conversation: its own, else its project's, else the
        account's.
        """
        for kind, place in (
            ("conversation", conversation),
            ("project", project or ""),
            (ACCOUNT, ""),
        ):
            number = self.numbers.get(ToldScope(question, kind, place))
            if number is not None and not self.grants[number].owed:
                return number
        return None

    def begin(self, number: int, told: GrantTold) -> None:
        self.end(self.numbers.get(told.scope))
        self.end(number)
        self.grants[number], self.numbers[told.scope] = told, number
        self.questions |= {told.scope.question}

    def end(self, number: int | None) -> None:
        told = self.grants.pop(number, None) if number is not None else None
        if told is not None:
            del self.numbers[told.scope]

    def end_all(self) -> None:
        self.grants, self.numbers = {}, {}

    def end_of(self, kind: str, place: str) -> None:
        """Ends the grants that are for one project or one conversation."""
        for question in self.questions:
            self.end(self.numbers.get(ToldScope(question, kind, place)))


@dataclass(slots=True)
class Chat:
    """What the log tells of a conversation. ``destroyed``: segments, each with whether its safety
    copy's key died.
    """

    who: str = ""
    deleted: bool = False
    narrowed: bool = False
    narrowings: int = 0
    widened: int = 0
    narrowed_on: str = ""
    widened_on: str = ""
    # the days between which it was kept out
    out: list[tuple[str, str]] = field(default_factory=list)
    unflagged: bool = False
    flagged_on: list[str] = field(default_factory=list)
    destroyed: set[tuple[int, bool]] = field(default_factory=set)


class Permissions:
    """What the entries of a year told before the rows of one release were decided."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.sealed: dict[str, Any] | None = None
        self.decided = False
        # the entries between the last decision and the leaf
        self.meanwhile: list[dict[str, Any]] = []
        self.year = 0
        self.broken = False  # whether the log does not hold
        self.asked = False  # whether an entry named a question, or a project
        self.accounts: dict[str, AccountStanding] = {}
        self.chats: dict[str, Chat] = {}
        self.policies: dict[int, str] = {}
        # the facts of releases that were sealed before it
        self.bases: dict[str, dict[str, Any]] = {}
        # what was stated of it, by kind and hash
        self.since: dict[tuple[str, str], dict[str, Any]] = {}

    def take(self, entry: dict[str, Any]) -> None:
        kind, facts, who = entry["t"], entry["facts"], entry.get("who")
        if (
            kind in ("release_purged", "release_reviewed", "release_measured")
            and facts["release"] == self.release
        ):
            self.since[kind, facts["sha256"]] = entry
        if (
            (self.sealed is not None or self.decided)
            and kind == "grant_affirmed"
            and who in self.accounts
        ):
            self._kept(self.accounts[who], facts)
        if self.sealed is not None:
            return
        if kind == "release_decided" and facts["release"] == self.release:
            self.advance()
            self.decided = True
        elif kind == "release_sealed" and facts["release"] == self.release:
            self.sealed = entry
        elif self.decided:
            self.meanwhile.append(entry)
        else:
            self._tell(entry)

    def advance(self) -> None:
        """Takes what was told since the rows were decided."""
        for entry in self.meanwhile:
            self._tell(entry)
        self.meanwhile = []

    def _tell(self, entry: dict[str, Any]) -> None:
        kind, facts, who = entry["t"], entry["facts"], entry.get("who")
        self.asked = self.asked or "scope" in facts or kind in _PROJECTS
        if kind == "release_sealed":
            self.bases[facts["release"]] = facts
        elif kind in ("policy_applied", "policy_stands"):
            self.policies[facts["number"]] = facts["sha256"]
        elif kind in _CHATS and "handle" in facts:
            self._chat(
                self.chats.setdefault(facts["handle"], Chat(str(who))),
                kind,
                facts,
                entry["at"][:10],
            )
            if kind == "narrowed" and who in self.accounts:
                self.accounts[who].end_of("conversation", facts["handle"])
        elif kind == "project_kept_out" and who in self.accounts:
            self.accounts[who].end_of("project", facts["project"])
        elif who is not None and kind in _STANDINGS:
            self._account(
                self.accounts.setdefault(who, AccountStanding()), kind, facts, entry["at"][:10]
            )

    def _account(self, of: AccountStanding, kind: str, facts: dict[str, Any], day: str) -> None:
        match kind:
            case "closed":
                of.closed = True
                of.end_all()
            case "shortened":
                of.shortened = True
            case "grant_ended" if "grant" in facts:
                of.end(facts["grant"])
            case "grant_ended":
                of.end_all()
            case "choice":
                self._choice(of, facts, day)
            case _:
                self._grant(of, kind, facts, day)

    def _choice(self, of: AccountStanding, facts: dict[str, Any], day: str) -> None:
        """A no leaves of its question only what it keeps: grants of narrower scopes, each affirmed
        by an entry after it.

        Without questions it ended all there was, and `grant_ended` may come after the release's
        entry. One that was about no question that is asked ends nothing.
        """
        scope = scope_of(facts)
        if not facts["allow"]:
            of.end(of.numbers.get(ToldScope(scope.question, ACCOUNT)))
            for told in of.grants.values():
                told.owed = told.owed or told.scope.question == scope.question
        if scope.kind == ACCOUNT and facts["effect"] != "none":
            of.answers.setdefault(scope.question, []).append((day, facts["version"]))

    def _grant(self, of: AccountStanding, kind: str, facts: dict[str, Any], day: str) -> None:
        scope, number = scope_of(facts), facts["grant"]
        known = of.grants.get(number)
        if kind == "grant_begun":
            told = GrantTold(scope, day, day)
        # a grant that lapsed does not go on under its number
        elif known is not None and known.scope == scope:
            told = GrantTold(scope, known.begun_on, known.told_on)
        else:
            told = GrantTold(scope, "", day)
        of.begin(number, told)
        if scope.kind == ACCOUNT or kind == "grant_stands":
            of.answers.setdefault(scope.question, []).append((day, facts["version"]))

    def _kept(self, of: AccountStanding, facts: dict[str, Any]) -> None:
        """The end of a no that the release's leaf came between."""
        told = of.grants.get(facts["grant"])
        if told is not None and told.scope == scope_of(facts):
            told.owed = False

    def _chat(self, of: Chat, kind: str, facts: dict[str, Any], day: str) -> None:
        match kind:
            case "deleted":
                of.deleted = True
            case "narrowed":
                of.narrowed, of.narrowed_on, of.narrowings = True, day, of.narrowings + 1
            case "widened":
                of.out += [(of.narrowed_on, day)] if of.narrowed else []
                of.narrowed, of.widened, of.widened_on = False, of.widened + 1, day
            case "flagged":
                of.flagged_on.append(day)
            case "unflagged":
                of.unflagged = True
                of.flagged_on.clear()
            case "key_destroyed" if "segment" in facts:
                of.destroyed.add((facts["segment"], facts["because"] == "safety"))
