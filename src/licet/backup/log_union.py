"""Plans which restrictions a restore applies: those that the journal or the log has and the
database lacks.

The journal has whole records, the log has leaves: a kind, a moment, the account's pseudonym of the
year, and the pseudonym of a conversation or a project. Both are held against each other,
restriction by restriction:

    in both                 the record is applied
    in the journal alone    a record that can only narrow is applied; one that could widen is not (`_WIDENS`), and its
                            account counts as withdrawn. A policy is refused
    in the log alone        applied where the leaf says all that is needed (`_FROM_LOG`); otherwise nothing explains it

What nothing explains is refused, and named. An operator finishes it (`RestoreFinish.narrow`): its
account counts as withdrawn, or everybody, if nobody can know whose it was. An account that counts
as withdrawn has no grant and no flag, so that nothing of it may be used for anything until its
person says yes again.

Pseudonyms are recomputed from the keys of the accounts that the database has: entries about other
accounts concern nothing in the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from licet.keys.restriction_journal import Restriction, RestrictionKind
from licet.ledger import entries
from licet.ledger.entries import OutboxRow
from licet.ledger.forward import Ahead
from licet.ledger.outbox import EntryKind
from licet.policy.file import Policies, from_document
from licet.policy.period import instant, rfc3339
from licet.store.connect import Transaction
from licet.vault import account_view, restriction_targets

# The leaves that a record explains, of the same account and moment.
_EXPLAINS: Mapping[RestrictionKind, frozenset[str]] = {
    RestrictionKind.plan: frozenset({EntryKind.plan_set}),
    RestrictionKind.age: frozenset({EntryKind.age_found}),
    RestrictionKind.region: frozenset({EntryKind.region_set}),
    RestrictionKind.refused: frozenset({EntryKind.choice, EntryKind.age_found}),
    RestrictionKind.closed: frozenset({EntryKind.closed}),
    RestrictionKind.deleted: frozenset({EntryKind.deleted}),
    RestrictionKind.narrowed: frozenset({EntryKind.narrowed}),
    RestrictionKind.project_kept_out: frozenset({EntryKind.project_kept_out, EntryKind.narrowed}),
    RestrictionKind.unflagged: frozenset({EntryKind.unflagged}),
    RestrictionKind.held: frozenset({EntryKind.held}),
    RestrictionKind.feedback_taken_back: frozenset({EntryKind.feedback_taken_back}),
}
# Records that are applied only where the log has this leaf of theirs.
_WIDENS: Mapping[RestrictionKind, str] = {
    RestrictionKind.plan: EntryKind.plan_set,
    RestrictionKind.age: EntryKind.age_found,
    RestrictionKind.region: EntryKind.region_set,
    RestrictionKind.unflagged: EntryKind.unflagged,
    RestrictionKind.unheld: EntryKind.unheld,
}
# Leaves from which the restriction can be applied without a record, and leaves from which it
# cannot.
_FROM_LOG = frozenset(
    {
        EntryKind.choice,
        EntryKind.closed,
        EntryKind.deleted,
        EntryKind.narrowed,
        EntryKind.unflagged,
        EntryKind.project_kept_out,
    }
)
_RECORD_ALONE = frozenset(
    {
        EntryKind.plan_set,
        EntryKind.age_found,
        EntryKind.region_set,
        EntryKind.held,
        EntryKind.feedback_taken_back,
    }
)
_NO_EFFECT = "none"


class RestoreFinish(StrEnum):
    """How to finish a refused restore: what cannot be matched counts as withdrawn."""

    narrow = "narrow"


class Unexplained(NamedTuple):
    """A leaf or record that nothing explains, with its place, and its account if known."""

    place: str
    what: str
    account: UUID | None

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


class LoggedRestriction(NamedTuple):
    """A leaf that the database lacks; ``account`` is None if it has no pseudonym of an account that
    the database has.
    """

    place: str
    kind: str
    at: str
    year: int
    account: UUID | None
    is_anybodys: bool
    facts: Mapping[str, Any]


class RestorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """``records`` are applied, in order; ``from_log`` counts those of them that only the log has,
    by kind. ``withdrawn`` are accounts of records that could widen and that the log lacks;
    ``grants`` the grants that the log tells the end of.
    """

    records: list[Restriction]
    from_log: dict[str, int]
    withdrawn: frozenset[UUID]
    unexplained: list[Unexplained]
    grants: frozenset[tuple[UUID, int]]


class LogUnion:
    """Plans the restrictions for a database that lacks the entries ``known`` of its log.

    ``names`` are the pseudonyms of its accounts by year, ``keys`` their log keys, ``waits`` the
    leaves that it has and that no log had when it was left.
    """

    def __init__(
        self,
        tx: Transaction,
        policies: Policies,
        known: Sequence[Ahead],
        names: Mapping[int, Mapping[UUID, str]],
        keys: Mapping[int, Mapping[UUID, bytes]],
        waits: Sequence[OutboxRow],
    ) -> None:
        self._tx, self._policies, self._known = tx, policies, known
        self._accounts = {
            year: {pseudonym: account for account, pseudonym in each.items()}
            for year, each in names.items()
        }
        self._keys, self._waits = keys, waits
        self._handles: dict[tuple[int, UUID], dict[str, UUID]] = {}

    def plan(self, lacking: Sequence[Restriction]) -> RestorePlan:
        """The plan, given the records ``lacking`` in the database."""
        present = account_view.existing(
            self._tx,
            {restriction.account for restriction in lacking if restriction.account is not None},
        )
        kept: list[Restriction] = []
        withdrawn: set[UUID] = set()
        unexplained: list[Unexplained] = []
        for record in lacking:
            if self._may_be_applied(record, present):
                kept.append(record)
            elif record.kind is RestrictionKind.policy:
                what = (
                    f"policy version {record.seq} of {rfc3339(record.at)}, which the log does "
                    "not have"
                )
                unexplained.append(Unexplained("the restriction journal", what, None))
            elif record.kind is not RestrictionKind.unheld and record.account is not None:
                withdrawn.add(record.account)
        found, others = self._from_log(kept)
        return RestorePlan(
            records=sorted([*kept, *found], key=lambda record: record.at) if found else kept,
            from_log=dict(sorted(Counter(record.kind.value for record in found).items())),
            withdrawn=frozenset(withdrawn),
            unexplained=unexplained + others,
            grants=self._ended_grants(),
        )

    @cached_property
    def _leaves(self) -> list[LoggedRestriction]:
        found = []
        for log in self._known:
            accounts = self._accounts.get(log.year, {})
            for index, entry in enumerate(log.entries, log.first):
                place = f"entry {index} of the log of {log.year}"
                account = accounts.get(entry.get("who", ""))
                anybodys = "commit" in entry and "who" not in entry
                found.append(
                    LoggedRestriction(
                        place, entry["t"], entry["at"], log.year, account, anybodys, entry["facts"]
                    )
                )
        return found

    @cached_property
    def _logged_keys(self) -> set[tuple[UUID | None, str, str]]:
        """Account, kind and moment of each entry in the log or waiting for it."""
        logged = {
            (leaf.account, leaf.kind, leaf.at)
            for leaf in self._leaves
            if leaf.account or leaf.is_anybodys
        }
        return logged | {(row.account, row.kind, rfc3339(row.occurred_at)) for row in self._waits}

    @cached_property
    def _logged_policies(self) -> set[str]:
        logged = {
            leaf.facts["sha256"] for leaf in self._leaves if leaf.kind == EntryKind.policy_applied
        }
        return logged | {
            str(row.facts["sha256"]) for row in self._waits if row.kind == EntryKind.policy_applied
        }

    def _may_be_applied(self, record: Restriction, present: Mapping[UUID, int | None]) -> bool:
        """Whether the log has the record's leaf, or it cannot widen anything."""
        if record.kind is RestrictionKind.policy:
            return _policy_hash(record) in self._logged_policies
        leaf = _WIDENS.get(record.kind)
        if leaf is None or record.account is None or record.account not in present:
            return True
        at = rfc3339(record.at)
        if (record.account, leaf, at) in self._logged_keys or (None, leaf, at) in self._logged_keys:
            return True
        if record.kind is RestrictionKind.plan:  # out of the scope nothing is permitted
            return record.plan not in self._policies.in_force(record.at).plans
        before = present[record.account]
        lower = record.age is None or (before is not None and record.age <= before)
        return record.kind is RestrictionKind.age and lower

    def _from_log(self, kept: Iterable[Restriction]) -> tuple[list[Restriction], list[Unexplained]]:
        """The restrictions that only the log has, and the unexplained leaves."""
        explained = {(row.account, row.kind, rfc3339(row.occurred_at)) for row in self._waits}
        anybodys = {(row.kind, rfc3339(row.occurred_at)) for row in self._waits}
        policies = {version.sha256().hex() for version in self._policies.versions}
        for record in kept:
            for kind in _EXPLAINS.get(record.kind, ()):
                explained.add((record.account, kind, rfc3339(record.at)))
                anybodys.add((kind, rfc3339(record.at)))
            if record.kind is RestrictionKind.policy:
                policies.add(_policy_hash(record))
        found: list[Restriction] = []
        others: list[Unexplained] = []
        for leaf in self._leaves:
            if leaf.kind == EntryKind.policy_applied and leaf.facts["sha256"] not in policies:
                others.append(
                    Unexplained(
                        leaf.place, f"policy version {leaf.facts['number']} of {leaf.at}", None
                    )
                )
            if leaf.kind not in _FROM_LOG | _RECORD_ALONE or not _restricts(leaf):
                continue
            if leaf.is_anybodys and (leaf.kind, leaf.at) not in anybodys:
                others.append(
                    Unexplained(
                        leaf.place,
                        f"`{leaf.kind}` of {leaf.at}, of an account that was erased",
                        None,
                    )
                )
            if leaf.account is None or (leaf.account, leaf.kind, leaf.at) in explained:
                continue
            restriction, is_gone = self._record_of(leaf, leaf.account)
            if restriction is not None:
                found.append(restriction)
            elif not is_gone:
                others.append(Unexplained(leaf.place, f"`{leaf.kind}` of {leaf.at}", leaf.account))
        return found, others

    def _record_of(self, leaf: LoggedRestriction, account: UUID) -> tuple[Restriction | None, bool]:
        """The restriction that a leaf states completely, or None and whether its subject is missing
        in the database.
        """
        at = instant(leaf.at)
        match leaf.kind:
            case EntryKind.choice:
                question = leaf.facts.get("question") or ""
                return _record(RestrictionKind.refused, account, at, question=question), False
            case EntryKind.closed:
                return _record(RestrictionKind.closed, account, at), False
            case EntryKind.deleted | EntryKind.narrowed | EntryKind.unflagged:
                conversation = self._conversation(leaf, account)
                if conversation is None:
                    return None, True
                return _record(
                    RestrictionKind(leaf.kind), account, at, conversation=conversation
                ), False
            case EntryKind.project_kept_out:
                project = self._project(leaf, account)
                if project is None:
                    return None, False
                named = _record(
                    RestrictionKind.project_kept_out,
                    account,
                    at,
                    project=project[0],
                    host=project[1],
                )
                return named, False
            case _:
                return None, False

    def _conversation(self, leaf: LoggedRestriction, account: UUID) -> UUID | None:
        known = self._handles.get((leaf.year, account))
        if known is None:
            salt = entries.derive_salt(self._keys[leaf.year][account])
            of_account = restriction_targets.conversations(self._tx, account)
            known = {
                entries.conversation_pseudonym(salt, conversation): conversation
                for conversation in of_account
            }
            self._handles[leaf.year, account] = known
        return known.get(leaf.facts.get("handle", ""))

    def _project(self, leaf: LoggedRestriction, account: UUID) -> tuple[UUID, bytes] | None:
        name, salt = leaf.facts.get("project"), entries.derive_salt(self._keys[leaf.year][account])
        of_account = restriction_targets.projects(self._tx, account)
        return next(
            (
                project
                for project in of_account
                if entries.project_pseudonym(salt, project[0]) == name
            ),
            None,
        )

    def _ended_grants(self) -> frozenset[tuple[UUID, int]]:
        """The grants that the log says were ended by their person or a closure; lapses follow from
        the rule.
        """
        return frozenset(
            (leaf.account, leaf.facts["grant"])
            for leaf in self._leaves
            if leaf.kind == EntryKind.grant_ended
            and leaf.account is not None
            and leaf.facts.get("cause") != "lapsed"
            and "grant" in leaf.facts
        )


def _restricts(leaf: LoggedRestriction) -> bool:
    """Whether the leaf restricts: a choice may be a yes, or a no to a question that is not
    asked.
    """
    if leaf.kind != EntryKind.choice:
        return True
    return not leaf.facts.get("allow") and leaf.facts.get("effect") != _NO_EFFECT


def _policy_hash(record: Restriction) -> str:
    return (
        from_document(msgspec.json.decode(record.document), file="the restriction journal")
        .sha256()
        .hex()
    )


def _record(
    kind: RestrictionKind,
    account: UUID,
    now: datetime,
    *,
    question: str = "",
    conversation: UUID | None = None,
    project: UUID | None = None,
    host: bytes = b"",
) -> Restriction:
    return Restriction(
        life=0,
        kind=kind,
        at=now,
        account=account,
        question=question,
        conversation=conversation,
        project=project,
        host=host,
    )


def withdrawals(tx: Transaction, accounts: Iterable[UUID], now: datetime) -> list[Restriction]:
    """The restrictions after which nothing of ``accounts`` may be used for anything: a no, and
    every flag overturned.
    """
    found: list[Restriction] = []
    for account in sorted(accounts):
        found.append(_record(RestrictionKind.refused, account, now))
        found += [
            _record(RestrictionKind.unflagged, account, now, conversation=conversation)
            for conversation in restriction_targets.flagged(tx, account)
        ]
    return found
