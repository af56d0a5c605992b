"""The log's state when the rows of a release were decided; they are decided again by it.

Kept by pseudonym (accounts) and by handle (conversations). A `release_decided` entry divides the
log: entries between it and the release's leaf are held in `meanwhile` until `advance`. A release
without one is decided as of its leaf. Purges, reviews and measurements come after the leaf.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from licet.verifier.grants import ACCOUNT, GrantTarget, target_of

# Kinds of entries that change an account's standing, or its projects' or conversations'.
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
class GrantState:
    """A grant in force. ``begun_on``: the day it began, if in this log. ``first_logged_on``: the
    day of its first entry. ``owed``: a no was logged since, but not yet the entry that keeps the
    grant.
    """

    scope: GrantTarget
    begun_on: str = ""
    first_logged_on: str = ""
    owed: bool = False


@dataclass(slots=True)
class AccountStanding:
    """``answers``: by question, the day and the version of each answer."""

    grants: dict[int, GrantState] = field(default_factory=dict)
    # target -> number of its grant in force
    numbers: dict[GrantTarget, int] = field(default_factory=dict)
    answers: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    questions: frozenset[str] = frozenset()  # the questions of its grants
    closed: bool = False
    shortened: bool = False

    def grant_for(self, question: str, conversation: str, project: str | None) -> int | None:
        """The number of the narrowest grant in force for a conversation: its own, its project's or
        the account's.
        """
        for kind, place in (
            ("conversation", conversation),
            ("project", project or ""),
            (ACCOUNT, ""),
        ):
            number = self.numbers.get(GrantTarget(question, kind, place))
            if number is not None and not self.grants[number].owed:
                return number
        return None

    def begin(self, number: int, grant: GrantState) -> None:
        self.end(self.numbers.get(grant.scope))
        self.end(number)
        self.grants[number], self.numbers[grant.scope] = grant, number
        self.questions |= {grant.scope.question}

    def end(self, number: int | None) -> None:
        state = self.grants.pop(number, None) if number is not None else None
        if state is not None:
            del self.numbers[state.scope]

    def end_all(self) -> None:
        self.grants, self.numbers = {}, {}

    def end_of(self, kind: str, place: str) -> None:
        for question in self.questions:
            self.end(self.numbers.get(GrantTarget(question, kind, place)))


@dataclass(slots=True)
class LoggedConversation:
    """``destroyed``: (segment, whether it was its safety copy's key)."""

    who: str = ""
    deleted: bool = False
    narrowed: bool = False
    narrowings: int = 0
    widened: int = 0
    narrowed_on: str = ""
    widened_on: str = ""
    # (first, last) days on which it was kept out
    out: list[tuple[str, str]] = field(default_factory=list)
    unflagged: bool = False
    flagged_on: list[str] = field(default_factory=list)
    destroyed: set[tuple[int, bool]] = field(default_factory=set)


class Permissions:
    """Builds the state from a year's entries up to one release's decision."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.sealed: dict[str, Any] | None = None
        self.decided = False
        # the entries between the last decision and the leaf
        self.meanwhile: list[dict[str, Any]] = []
        self.year = 0
        self.broken = False  # whether the log is contradicted
        self.asked = False  # whether an entry named a scope or a project
        self.accounts: dict[str, AccountStanding] = {}
        self.chats: dict[str, LoggedConversation] = {}
        self.policies: dict[int, str] = {}
        # facts of releases sealed before this one
        self.bases: dict[str, dict[str, Any]] = {}
        # (kind, hash) -> purge, review or measurement of this release
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
            self._take_kept(self.accounts[who], facts)
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
            self._apply(entry)

    def advance(self) -> None:
        """Takes the entries between the decision and the leaf."""
        for entry in self.meanwhile:
            self._apply(entry)
        self.meanwhile = []

    def _apply(self, entry: dict[str, Any]) -> None:
        kind, facts, who = entry["t"], entry["facts"], entry.get("who")
        self.asked = self.asked or "scope" in facts or kind in _PROJECTS
        if kind == "release_sealed":
            self.bases[facts["release"]] = facts
        elif kind in ("policy_applied", "policy_stands"):
            self.policies[facts["number"]] = facts["sha256"]
        elif kind in _CHATS and "handle" in facts:
            self._take_conversation_entry(
                self.chats.setdefault(facts["handle"], LoggedConversation(str(who))),
                kind,
                facts,
                entry["at"][:10],
            )
            if kind == "narrowed" and who in self.accounts:
                self.accounts[who].end_of("conversation", facts["handle"])
        elif kind == "project_kept_out" and who in self.accounts:
            self.accounts[who].end_of("project", facts["project"])
        elif who is not None and kind in _STANDINGS:
            self._take_account_entry(
                self.accounts.setdefault(who, AccountStanding()), kind, facts, entry["at"][:10]
            )

    def _take_account_entry(
        self, account: AccountStanding, kind: str, facts: dict[str, Any], day: str
    ) -> None:
        match kind:
            case "closed":
                account.closed = True
                account.end_all()
            case "shortened":
                account.shortened = True
            case "grant_ended" if "grant" in facts:
                account.end(facts["grant"])
            case "grant_ended":
                account.end_all()
            case "choice":
                self._take_choice(account, facts, day)
            case _:
                self._take_grant(account, kind, facts, day)

    def _take_choice(self, account: AccountStanding, facts: dict[str, Any], day: str) -> None:
        """A no ends all grants of its question but those of narrower scopes that later entries
        affirm. (From before there were questions, `grant_ended` may come after the release's
        entry.)
        """
        scope = target_of(facts)
        if not facts["allow"]:
            account.end(account.numbers.get(GrantTarget(scope.question, ACCOUNT)))
            for state in account.grants.values():
                state.owed = state.owed or state.scope.question == scope.question
        if scope.kind == ACCOUNT and facts["effect"] != "none":
            account.answers.setdefault(scope.question, []).append((day, facts["version"]))

    def _take_grant(
        self, account: AccountStanding, kind: str, facts: dict[str, Any], day: str
    ) -> None:
        scope, number = target_of(facts), facts["grant"]
        previous = account.grants.get(number)
        if kind == "grant_begun":
            state = GrantState(scope, day, day)
        # a lapsed grant does not continue under its number
        elif previous is not None and previous.scope == scope:
            state = GrantState(scope, previous.begun_on, previous.first_logged_on)
        else:
            state = GrantState(scope, "", day)
        account.begin(number, state)
        if scope.kind == ACCOUNT or kind == "grant_stands":
            account.answers.setdefault(scope.question, []).append((day, facts["version"]))

    def _take_kept(self, account: AccountStanding, facts: dict[str, Any]) -> None:
        """Completes a no whose entries the release's leaf interrupted."""
        state = account.grants.get(facts["grant"])
        if state is not None and state.scope == target_of(facts):
            state.owed = False

    def _take_conversation_entry(
        self, conversation: LoggedConversation, kind: str, facts: dict[str, Any], day: str
    ) -> None:
        match kind:
            case "deleted":
                conversation.deleted = True
            case "narrowed":
                conversation.narrowed = True
                conversation.narrowed_on = day
                conversation.narrowings = conversation.narrowings + 1
            case "widened":
                conversation.out += (
                    [(conversation.narrowed_on, day)] if conversation.narrowed else []
                )
                conversation.narrowed = False
                conversation.widened = conversation.widened + 1
                conversation.widened_on = day
            case "flagged":
                conversation.flagged_on.append(day)
            case "unflagged":
                conversation.unflagged = True
                conversation.flagged_on.clear()
            case "key_destroyed" if "segment" in facts:
                conversation.destroyed.add((facts["segment"], facts["because"] == "safety"))
