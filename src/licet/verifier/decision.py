"""Decides a row again from its proof line and the log entries before the release.

The checks follow the order of the rule, and the first broken promise is raised. Without a log,
grants, deletions and exclusions are not checked.

A row is judged by every policy version from its turn's to the one in force; a line of version 1,
from before policies had questions, by the first and last of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from licet.verifier.answer import ContradictionError
from licet.verifier.grants import ACCOUNT, TRAINING
from licet.verifier.permissions import AccountStanding, LoggedConversation, Permissions
from licet.verifier.terms import ReleasePolicies, Terms

SAFETY = "safety_classifiers"


class Decider:
    def __init__(
        self,
        release: str,
        purpose: str,
        built_at: datetime,
        policies: ReleasePolicies,
        log: Permissions | None,
    ) -> None:
        self.release, self.purpose, self.policies, self.log = release, purpose, policies, log
        self.number = policies.number(built_at)
        self.current = policies.versions[self.number]
        self.question = self.current.question_of(purpose)
        # rows that rest on a flag that is not in the log
        self.unlogged_flags: list[str] = []
        self.touched = {entry.get("who") for entry in log.meanwhile} if log is not None else set()
        self._touched_rows: list[dict[str, Any]] = []  # the rows of the touched accounts
        self.built_on = built_at.date().isoformat()
        self.is_older = True  # whether every row so far has version 1

    def check(self, row: dict[str, Any], place: str) -> None:
        """Raises `ContradictionError` with the first promise that the row breaks."""
        if row["who"] in self.touched:
            self._touched_rows.append(row)
        self.is_older &= row["v"] == 1
        sources, marks = row["sources"], row["marks"]
        standing = chat = None
        if self.log is not None:
            standing = self.log.accounts.get(row["who"])
            chat = self.log.chats.get(row["conversation"])
        if row["policy_sha256"] != self.current.sha256:
            raise ContradictionError(place, "it was decided under the policy in force")
        if chat is not None and chat.who != row["who"]:
            raise ContradictionError(place, "it has the pseudonym of its conversation's account")
        if standing is not None and standing.closed:
            raise ContradictionError(place, "no account of a row is closed")
        if chat is not None and chat.deleted:
            raise ContradictionError(place, "no conversation of a row was deleted")
        versions = self.policies.versions_on(row["last_on"])
        if not sources or not all(
            source["turns"] and source["mark"] < len(marks) for source in sources
        ):
            raise ContradictionError(place, "it has the fields of a row")
        if len({(source["segment"], source["because"]) for source in sources}) < len(sources):
            raise ContradictionError(place, "it names each of its sources once")
        if any(mark[2] >= len(self.policies.versions) for mark in marks):
            raise ContradictionError(place, "it has the fields of a row: existing versions")
        if max(mark[2] for mark in marks) > versions[-1]:
            raise ContradictionError(
                place, "its turns were recorded under a version in force by then"
            )
        for source in sources:
            self._check_source(row, source, standing, chat, place)
        self._check_form(row, place)
        if not self.built_on <= row["until"] <= min(source["keep_until"] for source in sources):
            raise ContradictionError(
                place, "its use ends with the earliest of its sources, after the release"
            )

    def _check_form(self, row: dict[str, Any], place: str) -> None:
        """A row has a question exactly if one of its sources rests on a grant."""
        if row["v"] == 1:
            if self.log is not None and self.log.asked:
                raise ContradictionError(
                    place, "a row of version 1 precedes the first question in the log"
                )
            return
        is_granted = any(source["because"] == "permitted" for source in row["sources"])
        if is_granted and self.question is None:
            raise ContradictionError(place, "the choice covers the purpose")
        if row["question"] != (self.question if is_granted else None):
            raise ContradictionError(place, "it names the question that covers the purpose")
        if row["project"] is not None and not is_granted:
            raise ContradictionError(
                place, "it names its project exactly if its grant is for the project"
            )

    def ended_rows(self) -> list[int]:
        """The rows that log entries between the decision and the release's leaf ended."""
        rows, self._touched_rows, self.touched = self._touched_rows, [], set()
        if self.log is not None:
            self.log.advance()
        return [row["ordinal"] for row in rows if not self._still_holds(row)]

    def _still_holds(self, row: dict[str, Any]) -> bool:
        try:
            self.check(row, "")
        except ContradictionError:
            return False
        return True

    def _applicable_terms(self, row: dict[str, Any], version: int) -> Sequence[Terms]:
        """The versions that judge a turn recorded under version number ``version``."""
        if row["v"] == 1:
            return (self.policies.versions[version], self.current)
        return self.policies.versions[min(version, self.number) : max(version, self.number) + 1]

    def _in_scope(self, row: dict[str, Any], plan: str, surface: str, version: int) -> bool:
        return all(
            plan in terms.plans and surface in terms.surfaces
            for terms in self._applicable_terms(row, version)
        )

    def _check_source(
        self,
        row: dict[str, Any],
        source: dict[str, Any],
        standing: AccountStanding | None,
        chat: LoggedConversation | None,
        place: str,
    ) -> None:
        number = row["marks"][source["mark"]][2]
        applicable = self._applicable_terms(row, number)
        if source["last_on"] > row["last_on"] or number not in self.policies.versions_on(
            source["last_on"]
        ):
            raise ContradictionError(
                place, "its days are in order, and each turn has the version of its day"
            )
        scoped = row["marks"] if _is_whole(row, applicable) else [row["marks"][source["mark"]]]
        if not all(self._in_scope(row, *mark) for mark in scoped):
            raise ContradictionError(place, "its plan and surface are covered by the terms")
        if chat is not None and (source["segment"], source["place"] == "safety") in chat.destroyed:
            raise ContradictionError(place, "the keys of its sources existed when it was sealed")
        if source["because"] == "flagged" and self.purpose == SAFETY:
            self._check_flagged(source, chat, place)
        elif source["because"] == "permitted" and source["place"] == "vault":
            self._check_permitted(row, source, applicable, standing, chat, place)
        else:
            raise ContradictionError(place, "it is permitted, or flagged and for safety")

    def _check_flagged(
        self, source: dict[str, Any], chat: LoggedConversation | None, place: str
    ) -> None:
        """A flag of an earlier year is not in this log: it must end before any flag of this year
        would.
        """
        if any(
            source.get(key) is not None for key in ("grant", "widening", "narrowing", "said_on")
        ):
            raise ContradictionError(place, "a flagged source rests on no grant")
        if self.log is None:
            return
        new_year, versions = f"{self.log.year}-01-01", self.policies.versions
        earlier = source["keep_until"] < max(
            self.policies.after(new_year, v.flagged) for v in versions
        )
        flags = [] if chat is None else chat.flagged_on
        ends = {
            self.policies.after(day, versions[n].flagged)
            for day in flags
            for n in self.policies.versions_on(day)
        }
        if (chat is not None and chat.unflagged and not flags) or not (
            earlier or source["keep_until"] in ends
        ):
            raise ContradictionError(place, "its flag was in force, and gives it its end")
        if source["keep_until"] not in ends:
            self.unlogged_flags.append(place)

    def _check_permitted(
        self,
        row: dict[str, Any],
        source: dict[str, Any],
        applicable: Sequence[Terms],
        standing: AccountStanding | None,
        chat: LoggedConversation | None,
        place: str,
    ) -> None:
        is_version_1, said_on = row["v"] == 1, source["said_on"]
        kept_out = source["widening" if is_version_1 else "narrowing"]
        if source["grant"] is None or kept_out is None or said_on is None:
            raise ContradictionError(
                place, "it names the grant that decides it is in force, and when it was given"
            )
        if not is_version_1 and not _is_whole(row, applicable) and said_on != source["last_on"]:
            raise ContradictionError(
                place, "it names the grant that decides it is in force, and when it was given"
            )
        if not self._is_dated(row, source, standing):
            raise ContradictionError(place, "the policy gives it its end")
        if chat is not None and (
            chat.narrowed or kept_out < (chat.widened if is_version_1 else chat.narrowings)
        ):
            raise ContradictionError(
                place, "no conversation of a row was kept out, or included again without a new turn"
            )
        if chat is not None and any(begun < source["last_on"] < ended for begun, ended in chat.out):
            raise ContradictionError(
                place, "it was not written while its conversation was kept out"
            )
        if self.log is not None:
            self._check_grant(row, source["grant"], standing or AccountStanding(), place)
        if not all(self._covers(terms, is_version_1) for terms in applicable):
            raise ContradictionError(place, "the choice covers the purpose")
        if not all(source["turns"].keys() <= terms.origins for terms in applicable):
            raise ContradictionError(place, "the origins of its turns are listed")
        if (
            not source["last_on"] <= row["last_on"] <= self.built_on
            or not said_on <= row["last_on"]
        ):
            raise ContradictionError(place, "its days are in order, and before the release")
        days = (
            {said_on}
            if is_version_1 or all(terms.whole for terms in applicable)
            else {said_on, source["last_on"]}
        )
        if standing is not None and any(self._is_stale(day, standing) for day in days):
            raise ContradictionError(place, "newer terms had been answered when it was written")
        answers = (
            standing.answers.get(self.question or TRAINING, ()) if standing is not None else ()
        )
        if any(version > self.policies.versions_on(day)[-1] for day, version in answers):
            raise ContradictionError(place, "no version was answered before it was in force")
        grant = standing.grants.get(source["grant"]) if standing is not None else None
        if min(days) < max(grant.begun_on if grant else "", chat.widened_on if chat else ""):
            raise ContradictionError(place, "it was written under the grant")

    def _covers(self, terms: Terms, is_version_1: bool) -> bool:
        """Whether these terms also cover the purpose by the same question (version 1: by any)."""
        covers = (
            terms.covers if is_version_1 else terms.questions.get(self.question or "", frozenset())
        )
        return self.purpose in covers

    def _check_grant(
        self, row: dict[str, Any], grant: int, standing: AccountStanding, place: str
    ) -> None:
        """Checks against the log that the grant is in force for the row's conversation."""
        begun, question = standing.grants.get(grant), self.question or TRAINING
        if (
            begun is None
            or begun.owed
            or (row["v"] != 1 and self._has_lapsed(question, begun.first_logged_on))
        ):
            raise ContradictionError(place, "the grant that decides it is in force")
        kind, place_named, project = begun.scope.kind, begun.scope.place, row.get("project")
        if begun.scope.question != question:
            raise ContradictionError(
                place, "the grant that decides it is for the question that covers the purpose"
            )
        if (
            place_named
            not in {ACCOUNT: ("",), "project": (project,), "conversation": (row["conversation"],)}[
                kind
            ]
        ):
            raise ContradictionError(
                place,
                "the grant that decides it is for its conversation, its project or its account",
            )
        if (project is not None) != (kind == "project"):
            raise ContradictionError(
                place, "it names its project exactly if its grant is for the project"
            )
        if grant != standing.grant_for(question, row["conversation"], project):
            raise ContradictionError(
                place, "the narrowest grant in force for its conversation decides it"
            )

    def _has_lapsed(self, question: str, first_logged_on: str) -> bool:
        """Whether a version without the question took effect since the grant's first entry."""
        return any(
            question not in version.questions
            and first_logged_on < version.effective.date().isoformat()
            for version in self.policies.versions[: self.number + 1]
        )

    def _is_dated(
        self, row: dict[str, Any], source: dict[str, Any], standing: AccountStanding | None
    ) -> bool:
        """Whether a version in force at the last turn gives this end; an earlier end is allowed
        where periods were shortened.
        """
        ends = set()
        for number in self.policies.versions_on(row["last_on"]):
            terms = self.policies.versions[number]
            dated = row["last_on"] if terms.whole else source["last_on"]
            ends |= {
                self.policies.after(dated, terms.opted_in),
                self.policies.after(row["last_on"], terms.opted_out),
            }
        may_be_shorter = (
            standing.shortened
            or (self.log is not None and row["last_on"] < f"{self.log.year}-01-01")
            if standing is not None
            else self.log is None
        )
        return source["keep_until"] in ends or (may_be_shorter and source["keep_until"] < max(ends))

    def _is_stale(self, said_on: str, standing: AccountStanding) -> bool:
        """Whether the account's logged answers by that day precede the newest material version."""
        answers = standing.answers.get(self.question or TRAINING, ())
        answered = [version for day, version in answers if day <= said_on]
        newest = min(map(self.policies.newest_material, self.policies.versions_on(said_on)))
        return bool(answered) and max(answered) < newest


def _is_whole(row: dict[str, Any], applicable: Sequence[Terms]) -> bool:
    """Whether one of the versions (for a row of version 1: both) decides conversations as a
    whole.
    """
    return (all if row["v"] == 1 else any)(terms.whole for terms in applicable)
