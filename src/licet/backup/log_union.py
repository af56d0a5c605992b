"""Plans the restrictions that a restore applies: those in the journal or the log that the database
lacks.

The journal has whole records; the log has leaves: a kind, a time, the account's pseudonym of the
year, and that of a conversation or project. They are compared restriction by restriction:

    in both                 the record is applied
    in the journal alone    a record that can only narrow is applied; one that could widen is not (`_WIDENS`), and its
                            account counts as withdrawn. A policy is refused
    in the log alone        applied if the leaf is sufficient (`_FROM_LOG`), else unexplained

An unexplained leaf is named and refused. `RestoreFinish.narrow` continues: its account counts as
withdrawn, or every account if its own is unknown. A withdrawn account has no grant and no flag, so
none of its data may be used until its person says yes again.

Pseudonyms are recomputed from the keys of the database's accounts; entries about other accounts are
ignored.
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

# The leaves that a record explains, of the same account and time.
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
# Records that could widen: applied only if the log has this leaf.
_WIDENS: Mapping[RestrictionKind, str] = {
    RestrictionKind.plan: EntryKind.plan_set,
    RestrictionKind.age: EntryKind.age_found,
    RestrictionKind.region: EntryKind.region_set,
    RestrictionKind.unflagged: EntryKind.unflagged,
    RestrictionKind.unheld: EntryKind.unheld,
}
# Leaves that suffice to apply the restriction, and leaves that need the record.
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
    """How to finish a refused restore; ``narrow``: unmatched accounts count as withdrawn."""

    narrow = "narrow"


class Unexplained(NamedTuple):
    """An unexplained leaf or record: its place, a description, and its account if known."""

    place: str
    what: str
    account: UUID | None

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


class LoggedRestriction(NamedTuple):
    """A leaf that the database lacks. ``account`` is None without a pseudonym of one of the
    database's accounts; ``is_erased``: the leaf's account was erased.
    """

    place: str
    kind: str
    at: str
    year: int
    account: UUID | None
    is_erased: bool
    facts: Mapping[str, Any]


class RestorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """``records`` are applied, in order; ``from_log`` counts those that only the log has, by kind.
    ``withdrawn``: accounts of widening records that the log lacks; ``grants``: grants whose end the
    log has.
    """

    records: list[Restriction]
    from_log: dict[str, int]
    withdrawn: frozenset[UUID]
    unexplained: list[Unexplained]
    grants: frozenset[tuple[UUID, int]]


class LogUnion:
    """Plans the restrictions for a database that lacks the log entries ``ahead``. ``names`` are its
    accounts' pseudonyms by year, ``keys`` their log keys, ``outbox`` its outbox rows.
    """

    def __init__(
        self,
        tx: Transaction,
        policies: Policies,
        ahead: Sequence[Ahead],
        names: Mapping[int, Mapping[UUID, str]],
        keys: Mapping[int, Mapping[UUID, bytes]],
        outbox: Sequence[OutboxRow],
    ) -> None:
        self._tx, self._policies, self._ahead = tx, policies, ahead
        self._accounts = {
            year: {pseudonym: account for account, pseudonym in each.items()}
            for year, each in names.items()
        }
        self._keys, self._outbox = keys, outbox
        self._handles: dict[tuple[int, UUID], dict[str, UUID]] = {}

    def plan(self, lacking: Sequence[Restriction]) -> RestorePlan:
        """Plans for the journal records ``lacking`` in the database."""
        present = account_view.existing_ages(
            self._tx,
            {restriction.account for restriction in lacking if restriction.account is not None},
        )
        records: list[Restriction] = []
        withdrawn: set[UUID] = set()
        unexplained: list[Unexplained] = []
        for record in lacking:
            if self._may_be_applied(record, present):
                records.append(record)
            elif record.kind is RestrictionKind.policy:
                description = (
                    f"policy version {record.seq} of {rfc3339(record.at)}, which the log does "
                    "not have"
                )
                unexplained.append(Unexplained("the restriction journal", description, None))
            elif record.kind is not RestrictionKind.unheld and record.account is not None:
                withdrawn.add(record.account)
        from_log, others = self._from_log(records)
        return RestorePlan(
            records=sorted([*records, *from_log], key=lambda record: record.at)
            if from_log
            else records,
            from_log=dict(sorted(Counter(record.kind.value for record in from_log).items())),
            withdrawn=frozenset(withdrawn),
            unexplained=unexplained + others,
            grants=self._ended_grants(),
        )

    @cached_property
    def _leaves(self) -> list[LoggedRestriction]:
        leaves = []
        for log in self._ahead:
            accounts = self._accounts.get(log.year, {})
            for index, entry in enumerate(log.entries, log.first):
                place = f"entry {index} of the log of {log.year}"
                account = accounts.get(entry.get("who", ""))
                erased = "commit" in entry and "who" not in entry
                leaves.append(
                    LoggedRestriction(
                        place, entry["t"], entry["at"], log.year, account, erased, entry["facts"]
                    )
                )
        return leaves

    @cached_property
    def _logged_keys(self) -> set[tuple[UUID | None, str, str]]:
        """(account, kind, time) of each entry in the log or the outbox."""
        logged = {
            (leaf.account, leaf.kind, leaf.at)
            for leaf in self._leaves
            if leaf.account or leaf.is_erased
        }
        return logged | {(row.account, row.kind, rfc3339(row.occurred_at)) for row in self._outbox}

    @cached_property
    def _logged_policies(self) -> set[str]:
        logged = {
            leaf.facts["sha256"] for leaf in self._leaves if leaf.kind == EntryKind.policy_applied
        }
        return logged | {
            str(row.facts["sha256"]) for row in self._outbox if row.kind == EntryKind.policy_applied
        }

    def _may_be_applied(self, record: Restriction, present: Mapping[UUID, int | None]) -> bool:
        """Whether the record cannot widen anything, or the log has its leaf."""
        if record.kind is RestrictionKind.policy:
            return _policy_hash(record) in self._logged_policies
        leaf = _WIDENS.get(record.kind)
        if leaf is None or record.account is None or record.account not in present:
            return True
        at = rfc3339(record.at)
        if (record.account, leaf, at) in self._logged_keys or (None, leaf, at) in self._logged_keys:
            return True
        if record.kind is RestrictionKind.plan:  # a plan out of scope permits nothing
            return record.plan not in self._policies.in_force(record.at).plans
        before = present[record.account]
        lower = record.age is None or (before is not None and record.age <= before)
        return record.kind is RestrictionKind.age and lower

    def _from_log(
        self, records: Iterable[Restriction]
    ) -> tuple[list[Restriction], list[Unexplained]]:
        """Returns the restrictions that only the log has, and the unexplained leaves."""
        explained = {(row.account, row.kind, rfc3339(row.occurred_at)) for row in self._outbox}
        erased = {(row.kind, rfc3339(row.occurred_at)) for row in self._outbox}
        policies = {version.sha256().hex() for version in self._policies.versions}
        for record in records:
            for kind in _EXPLAINS.get(record.kind, ()):
                explained.add((record.account, kind, rfc3339(record.at)))
                erased.add((kind, rfc3339(record.at)))
            if record.kind is RestrictionKind.policy:
                policies.add(_policy_hash(record))
        restrictions: list[Restriction] = []
        others: list[Unexplained] = []
        for leaf in self._leaves:
            if leaf.kind == EntryKind.policy_applied and leaf.facts["sha256"] not in policies:
                others.append(
                    Unexplained(
                        leaf.place, f"policy version {leaf.facts['number']} of {leaf.at}", None
                    )
                )
            if leaf.kind not in _FROM_LOG | _RECORD_ALONE or not _is_restriction(leaf):
                continue
            if leaf.is_erased and (leaf.kind, leaf.at) not in erased:
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
                restrictions.append(restriction)
            elif not is_gone:
                others.append(Unexplained(leaf.place, f"`{leaf.kind}` of {leaf.at}", leaf.account))
        return restrictions, others

    def _record_of(self, leaf: LoggedRestriction, account: UUID) -> tuple[Restriction | None, bool]:
        """Returns the restriction that a leaf states completely, or None; and whether its
        conversation is missing.
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
        by_handle = self._handles.get((leaf.year, account))
        if by_handle is None:
            salt = entries.derive_salt(self._keys[leaf.year][account])
            of_account = restriction_targets.conversations(self._tx, account)
            by_handle = {
                entries.conversation_pseudonym(salt, conversation): conversation
                for conversation in of_account
            }
            self._handles[leaf.year, account] = by_handle
        return by_handle.get(leaf.facts.get("handle", ""))

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
        """Returns the grants ended by their person or a closure, by the log; lapses follow from the
        rule.
        """
        return frozenset(
            (leaf.account, leaf.facts["grant"])
            for leaf in self._leaves
            if leaf.kind == EntryKind.grant_ended
            and leaf.account is not None
            and leaf.facts.get("cause") != "lapsed"
            and "grant" in leaf.facts
        )


def _is_restriction(leaf: LoggedRestriction) -> bool:
    """Whether the leaf restricts: a choice may be a yes, or a no without effect."""
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
    """Returns the restrictions that end every use of ``accounts``: a no, and every flag
    overturned.
    """
    restrictions: list[Restriction] = []
    for account in sorted(accounts):
        restrictions.append(_record(RestrictionKind.refused, account, now))
        restrictions += [
            _record(RestrictionKind.unflagged, account, now, conversation=conversation)
            for conversation in restriction_targets.flagged(tx, account)
        ]
    return restrictions
