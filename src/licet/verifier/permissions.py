"""What the log told before a release was sealed: all that its rows are decided by.

Kept by pseudonym (accounts) and by handle (conversations). Purges and reviews of the release may follow later, and are
kept as well; nothing else is taken once the release's own entry was seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Kinds of entries that change an account's standing.
_STANDINGS = {"choice", "closed", "shortened", "grant_ended", "grant_begun", "grant_affirmed", "grant_stands"}


@dataclass(slots=True)
class AccountStanding:
    """An account at a moment of the log. ``answers`` are the days of its answers, each with the version answered."""

    grant: int | None = None
    begun_on: str = ""
    answers: list[tuple[str, int]] = field(default_factory=list)
    closed: bool = False
    shortened: bool = False


@dataclass(slots=True)
class Chat:
    """What the log tells of a conversation. ``destroyed``: segments, each with whether its safety copy's key died."""

    who: str = ""
    deleted: bool = False
    narrowed: bool = False
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
        self.accounts: dict[str, AccountStanding] = {}
        self.chats: dict[str, Chat] = {}
        self.policies: dict[int, str] = {}
        self.since: dict[tuple[str, str], dict[str, Any]] = {}  # addenda and reviews, by kind and hash

    def take(self, entry: dict[str, Any]) -> None:
        kind, facts, who = entry["t"], entry["facts"], entry.get("who")
        if kind in ("release_purged", "release_reviewed") and facts["release"] == self.release:
            self.since[kind, facts["sha256"]] = entry
        if self.sealed is not None:
            return
        if kind == "release_sealed" and facts["release"] == self.release:
            self.sealed = entry
        elif kind in ("policy_applied", "policy_stands"):
            self.policies[facts["number"]] = facts["sha256"]
        elif "handle" in facts:
            self._chat(self.chats.setdefault(facts["handle"], Chat(str(who))), kind, facts, entry["at"][:10])
        elif who is not None and kind in _STANDINGS:
            self._account(self.accounts.setdefault(who, AccountStanding()), kind, facts, entry["at"][:10])

    def _account(self, of: AccountStanding, kind: str, facts: dict[str, Any], day: str) -> None:
        match kind:
            case "closed":
                of.closed, of.grant = True, None
            case "shortened":
                of.shortened = True
            case "grant_ended":
                of.grant = None
            case "choice":  # a no ends the grant at once; `grant_ended` may come after the release's entry
                of.grant = of.grant if facts["allow"] else None
            case _:
                of.begun_on = day if kind == "grant_begun" else of.begun_on if of.grant == facts["grant"] else ""
                of.grant = facts["grant"]
                of.answers.append((day, facts["version"]))

    def _chat(self, of: Chat, kind: str, facts: dict[str, Any], day: str) -> None:
        match kind:
            case "deleted":
                of.deleted = True
            case "narrowed":
                of.narrowed, of.narrowed_on = True, day
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
