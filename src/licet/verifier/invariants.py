"""The invariants of an honest log, per account and for the whole log.

Each act of the vault writes its entries in one transaction, in order, at one time of the account's
clock. So an entry implies others, and whoever rewrites a log with its own key has to keep all of
these:

- Per account: its first entry opens it or carries it over from an earlier year (a year whose log
  was removed after its retention leaves neither); its clock and answered versions never decrease;
  all entries of an act precede the next act; a grant follows its choice (`grants`); a closed
  account begins nothing; a hold, a flag, feedback, a deletion and a closure precede their effects.
- Whole log: its clock never decreases; a policy follows the one before; a log with the first policy
  is the installation's first: no entry is of an earlier year, and everything it refers to is in it;
  a release is sealed before statements about it, which match its manifest and sealed rows.
- Restore: it begins the next life, and lacked no more entries than existed. It may lose the newest
  changes; it undoes no logged restriction.

`Story` (`entries`) reads the entries in order and raises `ContradictionError` if one of these is
broken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from licet.verifier.answer import ContradictionError
from licet.verifier.grants import GrantStory

# Restrictions, which a restore reapplies with their original time.
_RESTRICTS = {
    "plan_set",
    "age_found",
    "region_set",
    "narrowed",
    "closed",
    "deleted",
    "project_kept_out",
}
_TAKES_BACK = frozenset(_RESTRICTS | {"unflagged", "held", "unheld", "feedback_taken_back"})
# Kinds that begin an act, with a time on the account's own clock, which never decreases.
OWN_TIME = _TAKES_BACK | {
    "account_opened",
    "choice",
    "widened",
    "project_let_in",
    "flagged",
    "feedback",
}
# The entry that must precede each kind, of the same account or conversation.
_AFTER = {
    "unheld": ("held", ""),
    "feedback_taken_back": ("feedback", ""),
    "key_destroyed because deleted": ("deleted", "handle"),
    "key_destroyed because safety": ("flagged", "handle"),
    "key_destroyed because feedback": ("feedback", ""),
    "key_destroyed because closed": ("closed", ""),
}
_BEFORE = frozenset({"held", "flagged", "feedback", "deleted", "closed"})
IMPLYING = _BEFORE | {"unheld", "feedback_taken_back", "key_destroyed"}
STARTS_GRANT = frozenset({"grant_begun", "grant_affirmed", "grant_stands"})
CLOSED = "nothing begins or ends for an account that is closed"


@dataclass(slots=True)
class AccountStory:
    """``at``: the newest time of its own clock; ``is_rest``: all entries so far may complete an act
    of the previous year's log.
    """

    at: str = ""
    act: tuple[str, str] = ("", "")
    version: int = 0
    is_opened: bool = False
    carried_from: int = 0
    is_closed: bool = False
    is_rest: bool = False
    grants: GrantStory | None = None
    # the number of entries of each kind in `_BEFORE`, by account and by conversation
    marks: dict[str, int] | None = None

    def grant_story(self) -> GrantStory:
        if self.grants is None:
            self.grants = GrantStory(
                self.carried_from > 0, self.is_opened, self.is_rest, act=self.act
            )
        return self.grants

    def take_act(
        self, kind: str, facts: dict[str, Any], time: str, is_restored: bool, place: str
    ) -> None:
        """Takes the account's next act. After a restore, restrictions keep their original time."""
        is_again = is_restored and (
            kind in _TAKES_BACK or (kind == "choice" and not facts["allow"])
        )
        if time < self.at and not is_again:
            raise ContradictionError(place, "the time of an account never decreases")
        if self.grants is not None:
            self.grants.next_act(kind, facts, time, place)
        self.at, self.act = max(time, self.at), (kind, time)
        if kind == "choice":
            if facts["version"] < self.version and not is_again:
                raise ContradictionError(
                    place, "an account answers no version older than one that it answered"
                )
            self.version = max(facts["version"], self.version)
            if self.is_closed and facts["effect"] != "none":
                raise ContradictionError(place, CLOSED)
        elif kind == "closed":
            self.is_closed = True

    def check_implied(
        self, kind: str, facts: dict[str, Any], is_restored: bool, place: str
    ) -> None:
        """Checks that the entry's cause was logged, if this log has the whole account."""
        if kind in _BEFORE:
            self.marks = counts = self.marks or {}
            for key in (kind, f"{kind} {facts['handle']}") if "handle" in facts else (kind,):
                counts[key] = counts.get(key, 0) + 1
            return
        after = _AFTER.get(
            f"{kind} because {facts['because']}" if kind == "key_destroyed" else kind
        )
        if after is None or not self.is_opened or is_restored:
            return
        name, about = after
        key = f"{name} {facts[about]}" if about else name
        counts = self.marks or {}
        if not counts.get(key):
            raise ContradictionError(place, f"a `{kind}` follows a `{name}`")
        if kind != "key_destroyed":
            counts[key] -= 1

    def was_deleted(self, handle: str) -> bool:
        return f"deleted {handle}" in (self.marks or ())


def begin_account(
    kind: str, facts: dict[str, Any], year: int, is_first: bool, place: str
) -> AccountStory:
    """Starts an account at its first entry. ``is_first``: the log is the installation's first."""
    if kind == "account_opened":
        return AccountStory(is_opened=True)
    if kind == "carried" and facts["from"] < year and not is_first:
        return AccountStory(carried_from=facts["from"], is_rest=True)
    if kind == "carried":
        raise ContradictionError(
            place, "a pseudonym is carried over from a year before, by its first entry"
        )
    if is_first:
        raise ContradictionError(
            place, "the first entry of an account opens it, or carries it over"
        )
    # its earlier logs were removed: no grant in them was in force
    return AccountStory()


# number, question and scope kind: these are comparable between two years' logs
GrantKey = tuple[int, str, str]


def carried_over(accounts: Iterable[AccountStory], year: int) -> tuple[int, Counter[GrantKey]]:
    """The number of accounts carried over from a year, and the grants stated to be from then."""
    carried = [account for account in accounts if account.carried_from == year]
    return len(carried), Counter(
        key for account in carried if account.grants is not None for key in account.grants.before
    )


def ended_with(accounts: Collection[AccountStory]) -> tuple[int, Counter[GrantKey]]:
    """The number of accounts that may have unlogged grants, and the grants in force at a year's
    end.
    """
    stories = [account.grants for account in accounts if account.grants is not None]
    left = Counter(
        (number, about.question, about.kind)
        for story in stories
        for about, number in story.known.items()
        if number is not None
    )
    unsure = sum(
        account.carried_from > 0 or (account.grants is not None and bool(account.grants.owed))
        for account in accounts
    )
    return unsure, left


@dataclass(slots=True)
class ReleaseStory:
    """A release's entry, the number of its purges and purged rows, and its reviews."""

    manifest_sha256: str
    rows: int
    purges: int = 0
    purged: int = 0
    reviews: dict[str, int] = field(default_factory=dict)  # review hash -> number of signatures


@dataclass(slots=True)
class CommonStory:
    """Entries that concern no account: notices, releases and restores."""

    notices: set[str] = field(default_factory=set)
    releases: dict[str, ReleaseStory] = field(default_factory=dict)
    decided: dict[str, int] = field(default_factory=dict)  # release -> log position of its decision
    # releases with statements before their entry
    early: set[str] = field(default_factory=set)
    life: int = 0

    def take_sealed(
        self, facts: dict[str, Any], stands: dict[int, str], is_of_year: bool, place: str
    ) -> None:
        if is_of_year and facts["version"] not in stands:
            raise ContradictionError(place, "the policy version of a release was logged before it")
        if facts["release"] in self.early:
            raise ContradictionError(place, "a release is sealed before statements about it")
        if self.decided.get(facts["release"], facts["position"]) != facts["position"]:
            raise ContradictionError(
                place, "a release is sealed as of the position of its decision"
            )
        self.releases[facts["release"]] = ReleaseStory(facts["manifest_sha256"], facts["rows"])

    def take_stated(self, kind: str, facts: dict[str, Any], is_first: bool, place: str) -> None:
        """Takes a purge, review, signature or measurement. After a restore their numbers may
        repeat.
        """
        release = self.releases.get(facts["release"])
        if release is None and is_first:
            raise ContradictionError(place, "a release is sealed before statements about it")
        if release is None:
            self.early.add(facts["release"])
            return
        if facts.get("manifest_sha256", release.manifest_sha256) != release.manifest_sha256:
            raise ContradictionError(
                place, "a statement about a release is for the sealed manifest"
            )
        match kind:
            case "release_purged":
                release.purged += facts["rows"]
                if not self._is_next(facts["number"], release.purges) or (
                    release.purged > release.rows and not self.life
                ):
                    raise ContradictionError(
                        place, "purges are numbered in order, and remove sealed rows"
                    )
                release.purges = facts["number"]
            case "release_reviewed":
                release.reviews[facts["sha256"]] = 0
            case "release_signed":
                signed = release.reviews.get(facts["review_sha256"])
                if signed is None or not self._is_next(facts["signature"], signed):
                    raise ContradictionError(
                        place, "a signature is for a review, and is numbered in order"
                    )
                release.reviews[facts["review_sha256"]] = facts["signature"]

    def _is_next(self, number: int, before: int) -> bool:
        return number == before + 1 or (self.life > 0 and 0 < number <= before)

    def take_restored(self, facts: dict[str, Any], index: int, is_first: bool, place: str) -> None:
        if facts["life"] <= self.life:
            raise ContradictionError(place, "a restore begins a later life")
        if is_first and facts["entries"] > index:
            raise ContradictionError(place, "a restored database lacked entries that existed")
        self.life = facts["life"]
