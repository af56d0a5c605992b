"""What the log told before a release was sealed: all that its rows are decided by.

Kept by pseudonym (accounts) and by handle (conversations). Purges and reviews of the release may follow later, and are
kept as well, and what a no keeps; nothing else is taken once the release's own entry was seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from licet.verifier.grants import ACCOUNT, ToldScope, scope_of

# Kinds of entries that change an account's standing, and those about what it keeps out.
_STANDINGS = {"choice", "closed", "shortened", "grant_ended", "grant_begun", "grant_affirmed", "grant_stands"}
_PROJECTS = {"project_kept_out", "project_let_in"}
_CHATS = {"deleted", "narrowed", "widened", "flagged", "unflagged", "key_destroyed"}


@dataclass(slots=True)
class GrantTold:
    """A grant in force, by its number: what it is for, the day of its beginning if this log tells it, and the last day on
    which the log said that it is in force. ``owed``: a no was told since, and not yet that it keeps this one.
    """

    scope: ToldScope
    begun_on: str = ""
    told_on: str = ""
    owed: bool = False


@dataclass(slots=True)
class AccountStanding:
    """An account at a moment of the log. ``answers`` are the days of its answers by question, each with the version answered."""

    grants: dict[int, GrantTold] = field(default_factory=dict)
    answers: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    closed: bool = False
    shortened: bool = False

    def grant_for(self, question: str, conversation: str, project: str | None) -> int | None:
        """The grant in force for a conversation: its own, else its project's, else the account's."""
        found = {told.scope: number for number, told in self.grants.items() if not told.owed}
        for scope in (
            ToldScope(question, "conversation", conversation), ToldScope(question, "project", project or ""),
            ToldScope(question, ACCOUNT),
        ):  # fmt: skip
            if scope in found:
                return found[scope]
        return None

    def end(self, scope: ToldScope | None = None, *, place: str = "") -> None:
        """Ends the grant that is for ``scope``, those for the project or conversation ``place``, or all."""
        self.grants = {
            number: told for number, told in self.grants.items()
            if (scope is not None and told.scope != scope) or (place and told.scope.place != place)
        }  # fmt: skip


@dataclass(slots=True)
class Chat:
    """What the log tells of a conversation. ``destroyed``: segments, each with whether its safety copy's key died."""

    who: str = ""
    deleted: bool = False
    narrowed: bool = False
    narrowings: int = 0
    widened: int = 0
    narrowed_on: str = ""
    widened_on: str = ""
    out: list[tuple[str, str]] = field(default_factory=list)  # the days between which it was kept out
    unflagged: bool = False
    flagged_on: list[str] = field(default_factory=list)
    destroyed: set[tuple[int, bool]] = field(default_factory=set)


class Permissions:
    """What the entries of a year told before the leaf of one release: all that its rows are decided by."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.sealed: dict[str, Any] | None = None
        self.year = 0
        self.broken = False  # whether the log does not hold
        self.asked = False  # whether an entry named a question, or a project
        self.accounts: dict[str, AccountStanding] = {}
        self.chats: dict[str, Chat] = {}
        self.policies: dict[int, str] = {}
        self.since: dict[tuple[str, str], dict[str, Any]] = {}  # addenda and reviews, by kind and hash

    def take(self, entry: dict[str, Any]) -> None:
        kind, facts, who = entry["t"], entry["facts"], entry.get("who")
        if kind in ("release_purged", "release_reviewed") and facts["release"] == self.release:
            self.since[kind, facts["sha256"]] = entry
        if self.sealed is not None:
            if kind == "grant_affirmed" and who in self.accounts:
                self._kept(self.accounts[who], facts)
            return
        self.asked = self.asked or "scope" in facts or kind in _PROJECTS
        if kind == "release_sealed" and facts["release"] == self.release:
            self.sealed = entry
        elif kind in ("policy_applied", "policy_stands"):
            self.policies[facts["number"]] = facts["sha256"]
        elif kind in _CHATS and "handle" in facts:
            self._chat(self.chats.setdefault(facts["handle"], Chat(str(who))), kind, facts, entry["at"][:10])
            if kind == "narrowed" and who in self.accounts:
                self.accounts[who].end(place=facts["handle"])
        elif kind == "project_kept_out" and who in self.accounts:
            self.accounts[who].end(place=facts["project"])
        elif who is not None and kind in _STANDINGS:
            self._account(self.accounts.setdefault(who, AccountStanding()), kind, facts, entry["at"][:10])

    def _account(self, of: AccountStanding, kind: str, facts: dict[str, Any], day: str) -> None:
        match kind:
            case "closed":
                of.closed = True
                of.end()
            case "shortened":
                of.shortened = True
            case "grant_ended" if "grant" in facts:
                of.grants.pop(facts["grant"], None)
            case "grant_ended":
                of.end()
            case "choice":
                self._choice(of, facts, day)
            case _:
                self._grant(of, kind, facts, day)

    def _choice(self, of: AccountStanding, facts: dict[str, Any], day: str) -> None:
        """A no leaves of its question only what it keeps: grants of narrower scopes, each affirmed by an entry after it.

        Without questions it ended all there was, and `grant_ended` may come after the release's entry. One that was about
        no question that is asked ends nothing.
        """
        scope = scope_of(facts)
        if not facts["allow"]:
            of.end(ToldScope(scope.question, ACCOUNT))
            for told in of.grants.values():
                told.owed = told.owed or told.scope.question == scope.question
        if scope.kind == ACCOUNT and facts["effect"] != "none":
            of.answers.setdefault(scope.question, []).append((day, facts["version"]))

    def _grant(self, of: AccountStanding, kind: str, facts: dict[str, Any], day: str) -> None:
        scope, number = scope_of(facts), facts["grant"]
        known = of.grants.get(number)
        begun_on = day if kind == "grant_begun" else known.begun_on if known and known.scope == scope else ""
        of.end(scope)
        of.grants[number] = GrantTold(scope, begun_on, day)
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
