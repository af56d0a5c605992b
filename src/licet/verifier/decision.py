"""The decision of one row, made again from its proof line and from what the log told before the release.

Each test raises the first promise that the row breaks, in the order of the rule. Without a log, what only the log knows
(grants, deletions, conversations kept out) is not tested, and the report says so elsewhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from licet.verifier.answer import ContradictionError
from licet.verifier.permissions import AccountStanding, Chat, Permissions
from licet.verifier.terms import ReleasePolicies, Terms

SAFETY = "safety_classifiers"


class Decider:
    """Makes the decision of a row again, from what its line and the log tell."""

    def __init__(self, release: str, purpose: str, built_at: datetime, policies: ReleasePolicies,
                 log: Permissions | None) -> None:  # fmt: skip
        self.release, self.purpose, self.policies, self.log = release, purpose, policies, log
        self.number = policies.number(built_at)
        self.now = policies.versions[self.number]
        self.untold: list[str] = []  # the rows that rest on a flag of which the log does not tell
        self.built_on = built_at.date().isoformat()

    def check(self, row: dict[str, Any], place: str) -> None:
        """Raises `ContradictionError` with the first promise that the row breaks, in the order of the rule."""
        sources, marks = row["sources"], row["marks"]
        standing = chat = None
        if self.log is not None:
            standing = self.log.accounts.get(row["who"])
            chat = self.log.chats.get(row["conversation"])
        if row["policy_sha256"] != self.now.sha256:
            raise ContradictionError(place, "it was decided under the policy in force")
        if chat is not None and chat.who != row["who"]:
            raise ContradictionError(place, "it stands under the pseudonym of its conversation's account")
        if standing is not None and standing.closed:
            raise ContradictionError(place, "no account of a row is closed")
        if chat is not None and chat.deleted:
            raise ContradictionError(place, "no conversation of a row was deleted")
        versions = self.policies.on(row["last_on"])
        if not sources or not all(source["turns"] and source["mark"] < len(marks) for source in sources):
            raise ContradictionError(place, "it has the fields of a row")
        if len({(source["segment"], source["because"]) for source in sources}) < len(sources):
            raise ContradictionError(place, "it names each of its sources once")
        if any(mark[2] >= len(self.policies.versions) for mark in marks):
            raise ContradictionError(place, "it has the fields of a row: versions that are")
        if max(mark[2] for mark in marks) > versions[-1]:
            raise ContradictionError(place, "its turns were taken under a version in force by then")
        scopes = [self._in_scope(*mark) for mark in marks]
        for source in sources:
            self._source(row, source, scopes, standing, chat, place)
        if not self.built_on <= row["until"] <= min(source["keep_until"] for source in sources):
            raise ContradictionError(place, "its use ends with that of its first source, after the release")

    def _in_scope(self, plan: str, surface: str, version: int) -> bool:
        taken = self.policies.versions[version]
        return all(plan in one.plans and surface in one.surfaces for one in (taken, self.now))

    def _source(self, row: dict[str, Any], source: dict[str, Any], scopes: list[bool], standing: AccountStanding | None,
                chat: Chat | None, place: str) -> None:  # fmt: skip
        number = row["marks"][source["mark"]][2]
        old = self.policies.versions[number]
        whole = old.whole and self.now.whole
        if source["last_on"] > row["last_on"] or number not in self.policies.on(source["last_on"]):
            raise ContradictionError(
                place, "its days are in order, and each turn was taken under the version of its day"
            )
        if not scopes[source["mark"]] or (whole and not all(scopes)):
            raise ContradictionError(place, "its plan and surface are covered by the terms")
        if chat is not None and (source["segment"], source["place"] == "safety") in chat.destroyed:
            raise ContradictionError(place, "the keys of its sources lived when it was sealed")
        if source["because"] == "flagged" and self.purpose == SAFETY:
            self._flagged(source, chat, place)
        elif source["because"] == "permitted" and source["place"] == "vault":
            self._permitted(row, source, old, standing, chat, place)
        else:
            raise ContradictionError(place, "it is permitted, or flagged and for safety")

    def _flagged(self, source: dict[str, Any], chat: Chat | None, place: str) -> None:
        """A flag of an earlier year has no entry in this log; it must end before any flag of this year could."""
        if any(source[key] is not None for key in ("grant", "widening", "said_on")):
            raise ContradictionError(place, "what is flagged rests on no grant")
        if self.log is None:
            return
        new_year, versions = f"{self.log.year}-01-01", self.policies.versions
        earlier = source["keep_until"] < max(self.policies.after(new_year, v.flagged) for v in versions)
        flags = [] if chat is None else chat.flagged_on
        ends = {self.policies.after(day, versions[n].flagged) for day in flags for n in self.policies.on(day)}
        if (chat is not None and chat.unflagged and not flags) or not (earlier or source["keep_until"] in ends):
            raise ContradictionError(place, "the flag that it rests on stood, and gives it its end")
        if source["keep_until"] not in ends:
            self.untold.append(place)

    def _permitted(self, row: dict[str, Any], source: dict[str, Any], old: Terms, standing: AccountStanding | None,
                   chat: Chat | None, place: str) -> None:  # fmt: skip
        grant, widening, said_on = source["grant"], source["widening"], source["said_on"]
        if grant is None or widening is None or said_on is None:
            raise ContradictionError(place, "it names the grant that decides it is in force, and when it was given")
        if not self._is_dated(row, source, standing):
            raise ContradictionError(place, "the policy gives it its end")
        if chat is not None and (chat.narrowed or widening < chat.widened):
            raise ContradictionError(place, "no conversation of a row was kept out, or let in again without a new turn")
        if chat is not None and any(begun < source["last_on"] < ended for begun, ended in chat.out):
            raise ContradictionError(place, "it was not said while its conversation was kept out")
        if self.log is not None and (standing is None or standing.grant is None or standing.grant != grant):
            raise ContradictionError(place, "the grant that decides it is in force")
        if self.purpose not in old.covers or self.purpose not in self.now.covers:
            raise ContradictionError(place, "the choice covers the purpose")
        if not source["turns"].keys() <= old.origins & self.now.origins:
            raise ContradictionError(place, "the origins of its turns are listed")
        if not source["last_on"] <= row["last_on"] <= self.built_on or not said_on <= row["last_on"]:
            raise ContradictionError(place, "its days are in order, and before the release")
        if standing is not None and self._is_stale(said_on, standing):
            raise ContradictionError(place, "newer terms were answered when it was said")
        since = max(standing.begun_on if standing else "", chat.widened_on if chat else "")
        if said_on < since:
            raise ContradictionError(place, "it was said under the grant")

    def _is_dated(self, row: dict[str, Any], source: dict[str, Any], standing: AccountStanding | None) -> bool:
        """Whether a version in force at the last turn gives this end. An earlier end is allowed where dates were shortened."""
        ends = set()
        for number in self.policies.on(row["last_on"]):
            terms = self.policies.versions[number]
            dated = row["last_on"] if terms.whole else source["last_on"]
            ends |= {self.policies.after(dated, terms.opted_in), self.policies.after(row["last_on"], terms.opted_out)}
        may_be_shorter = (
            standing.shortened or (self.log is not None and row["last_on"] < f"{self.log.year}-01-01")
            if standing is not None else self.log is None
        )  # fmt: skip
        return source["keep_until"] in ends or (may_be_shorter and source["keep_until"] < max(ends))

    def _is_stale(self, said_on: str, standing: AccountStanding) -> bool:
        """Whether the account had not yet answered the newest material version of that day; False if the log has no answers."""
        answered = [version for day, version in standing.answers if day <= said_on]
        newest = min(map(self.policies.newest_material, self.policies.on(said_on)))
        return bool(answered) and max(answered) < newest
