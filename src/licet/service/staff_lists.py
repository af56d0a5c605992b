"""Short lists for staff without content: holds, standing flags, versions. Long ones are in
`staff_tables`.

Every list is newest first, except holds, by day of review, and is bounded, with the total number of
entries. None has titles, matters of holds or texts of turns.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from licet.policy.file import from_document as read_policy
from licet.store.connect import transaction
from licet.vault import account_view, policy_versions, safety_copies
from licet.vault import holds as vault_holds
from licet.vault.commands import HoldReason
from licet.vault.ids import Prefix, format_id, host_hmac
from licet.vault.installation import Installation

LISTED_MAX = 200

One = TypeVar("One")


class NewestList(msgspec.Struct, Generic[One], frozen=True, kw_only=True):
    """The newest entries of a list; ``total`` counts all."""

    items: tuple[One, ...]
    total: int


class HoldSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A legal hold, without its matter. ``told``: the person may see it. It is ``overdue`` from
    ``review_at`` on. ``turns_not_held`` had expired before it was placed.
    """

    account: str
    conversation: str
    reason: HoldReason
    placed_at: datetime
    placed_by: str
    review_at: datetime
    told: bool
    overdue: bool
    turns_held: int
    turns_not_held: int


class FlagDue(msgspec.Struct, frozen=True, kw_only=True):
    """A standing flag, whose safety copy is kept until ``copy_until``."""

    account: str
    conversation: str
    flagged_at: datetime
    copy_until: datetime
    review_at: datetime
    overdue: bool


class VersionSeen(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    policy: str
    effective: datetime
    decide_by: date | None
    material: bool
    sha256: str
    applied_at: datetime
    applied_by: str


def list_holds(installation: Installation) -> NewestList[HoldSeen]:
    """Returns the legal holds, by review date."""
    now = installation.clock()
    with transaction(installation.pool) as tx:
        listed, total = vault_holds.by_review(tx, LISTED_MAX), vault_holds.counts(tx, now).holds
    seen = (
        HoldSeen(
            account=_account(hold.account),
            conversation=_conversation(hold.conversation),
            reason=hold.reason,
            placed_at=hold.placed_at,
            placed_by=hold.placed_by,
            review_at=hold.review_at,
            told=hold.is_told,
            overdue=hold.review_at <= now,
            turns_held=hold.turns_held,
            turns_not_held=hold.turns_not_held,
        )
        for hold in listed
    )
    return NewestList(items=tuple(seen), total=total)


def list_flags(installation: Installation) -> list[FlagDue]:
    """Returns the first `LISTED_MAX` standing flags, by review date."""
    now, days = installation.clock(), timedelta(days=safety_copies.FLAG_REVIEW_DAYS)
    with transaction(installation.pool) as tx:
        found = safety_copies.standing_flags(tx, now, LISTED_MAX)
    return [
        FlagDue(
            account=_account(account),
            conversation=_conversation(conversation),
            flagged_at=flagged_at,
            copy_until=until,
            review_at=flagged_at + days,
            overdue=flagged_at + days <= now,
        )
        for account, conversation, flagged_at, until in found
    ]


def list_versions(installation: Installation) -> NewestList[VersionSeen]:
    """Returns the policy versions, including future ones."""
    with transaction(installation.pool) as tx:
        listed = policy_versions.newest_applied(tx, LISTED_MAX)
        total = policy_versions.applied_count(tx)
    seen = []
    for version in listed:
        policy = read_policy(msgspec.json.decode(version.document))
        seen.append(
            VersionSeen(
                version=policy.version,
                policy=policy.policy,
                effective=policy.effective,
                decide_by=policy.decide_by,
                material=policy.material,
                sha256=version.sha256.hex(),
                applied_at=version.applied_at,
                applied_by=version.applied_by,
            )
        )
    return NewestList(items=tuple(seen), total=total)


def conversation_by_host(installation: Installation, account: UUID, name: str) -> str | None:
    """Returns our id of the account's conversation with the host's id ``name``."""
    with transaction(installation.pool) as tx:
        hashed = host_hmac(installation.keyring.host_key(tx), "conversation", name)
        found = account_view.conversation_by_host(tx, account, hashed)
    return _conversation(found) if found is not None else None


def _account(account: UUID) -> str:
    return format_id(Prefix.account, account)


def _conversation(conversation: UUID) -> str:
    return format_id(Prefix.conversation, conversation)
