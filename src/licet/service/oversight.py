"""The lists that staff see without reading content: holds, flags, requests, versions, notices, readings,
conversations.

Every list is newest first, except holds, which are by day of review. Each has a bound and says how many entries there
are in all. Titles, matters of holds and texts of turns are content, and are in none of them.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from licet.access import sessions
from licet.consent import notice
from licet.policy.file import read as read_policy
from licet.store.connect import transaction
from licet.vault import account_view, certificate, policy_versions, safety_copies, staff_reads
from licet.vault import holds as vault_holds
from licet.vault.commands import HoldReason
from licet.vault.ids import Prefix, host_hmac, shown
from licet.vault.installation import Installation

LISTED_MAX = 200
FLAG_REVIEW_DAYS = 90

One = TypeVar("One")


class NewestList(msgspec.Struct, Generic[One], frozen=True, kw_only=True):
    """The newest entries of a list; ``total`` also counts those that are not in ``items``."""

    items: tuple[One, ...]
    total: int


class HoldSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A legal hold on a conversation, without its matter. ``told``: the person may see it.

    ``review_at`` is when somebody should ask whether it is still needed, and ``overdue`` holds from then on: no hold
    ends by itself.
    """

    account: str
    conversation: str
    reason: HoldReason
    placed_at: datetime
    placed_by: str
    review_at: datetime
    told: bool
    overdue: bool


class RequestSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure that a deletion, a closure or the end of a hold requested. ``conversation`` is None for a whole
    account.
    """

    account: str
    conversation: str | None
    cause: str
    state: str
    requested_at: datetime
    fenced_at: datetime | None
    shredded_at: datetime | None
    swept_at: datetime | None
    verified_at: datetime | None


class FlagSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A flag. ``copy_until``: how long the safety copy of the conversation is kept, if there is one."""

    account: str
    conversation: str
    flagged_at: datetime
    score: float | None
    score_until: datetime
    overturned_at: datetime | None
    copy_until: datetime | None


class FlagDue(msgspec.Struct, frozen=True, kw_only=True):
    """A flag that was not overturned and whose safety copy is kept until ``copy_until``; to be reviewed at ``review_at``."""

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


class NoticeSeen(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    language: str
    variant: str
    sha256: str
    published_at: datetime
    published_by: str


class ReadingSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A reading of content by staff."""

    account: str
    conversation: str
    staff: str
    role: str
    reason: str
    ticket: str
    turns: int
    at: datetime


class ConversationListed(msgspec.Struct, frozen=True, kw_only=True):
    conversation: str
    kind: str
    begun_at: datetime
    deleted_at: datetime | None
    kept_out: bool
    incognito: bool


def holds(here: Installation) -> NewestList[HoldSeen]:
    """The legal holds, the next to be reviewed first."""
    now = here.clock()
    with transaction(here.pool) as tx:
        listed, total = vault_holds.by_review(tx, LISTED_MAX), vault_holds.counts(tx, now).holds
    seen = (
        HoldSeen(
            account=_account(one.account), conversation=_conversation(one.conversation), reason=one.reason,
            placed_at=one.placed_at, placed_by=one.placed_by, review_at=one.review_at, told=one.is_told,
            overdue=one.review_at <= now,
        )
        for one in listed
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def standing_flags(here: Installation) -> list[FlagDue]:
    """The first `LISTED_MAX` flags that were not overturned, the next to be reviewed first."""
    now, days = here.clock(), timedelta(days=FLAG_REVIEW_DAYS)
    with transaction(here.pool) as tx:
        found = safety_copies.standing_flags(tx, now, LISTED_MAX)
    return [
        FlagDue(
            account=_account(account), conversation=_conversation(conversation), flagged_at=flagged_at,
            copy_until=until, review_at=flagged_at + days, overdue=flagged_at + days <= now,
        )
        for account, conversation, flagged_at, until in found
    ]  # fmt: skip


def requests(here: Installation) -> NewestList[RequestSeen]:
    """What people asked to have erased, from the request to the certificate."""
    with transaction(here.pool) as tx:
        listed, total = certificate.newest_requests(tx, LISTED_MAX), certificate.request_count(tx)
    seen = (
        RequestSeen(
            account=_account(one.account),
            conversation=_conversation(one.conversation) if one.conversation is not None else None,
            cause=one.cause.value, state=one.state.value, requested_at=one.requested_at, fenced_at=one.fenced_at,
            shredded_at=one.shredded_at, swept_at=one.swept_at, verified_at=one.verified_at,
        )
        for one in listed
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def flags(here: Installation) -> NewestList[FlagSeen]:
    """The flags whose scores are kept, including overturned ones."""
    with transaction(here.pool) as tx:
        listed, total = safety_copies.newest_flags(tx, LISTED_MAX), safety_copies.flag_count(tx)
    seen = (
        FlagSeen(
            account=_account(one.account), conversation=_conversation(one.conversation), flagged_at=one.flagged_at,
            score=one.score, score_until=one.score_until, overturned_at=one.overturned_at, copy_until=one.copy_until,
        )
        for one in listed
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def versions(here: Installation) -> NewestList[VersionSeen]:
    """The versions of the policy, including future ones."""
    with transaction(here.pool) as tx:
        listed, total = policy_versions.newest_applied(tx, LISTED_MAX), policy_versions.applied_count(tx)
    seen = []
    for one in listed:
        policy = read_policy(msgspec.json.decode(one.document))
        seen.append(
            VersionSeen(
                version=policy.version, policy=policy.policy, effective=policy.effective, decide_by=policy.decide_by,
                material=policy.material, sha256=one.sha256.hex(), applied_at=one.applied_at,
                applied_by=one.applied_by,
            )
        )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def notices(here: Installation) -> NewestList[NoticeSeen]:
    """The notices that were published."""
    with transaction(here.pool) as tx:
        listed, total = notice.newest_published(tx, LISTED_MAX), notice.published_count(tx)
    seen = (
        NoticeSeen(
            version=one.version, language=one.language, variant=one.variant, sha256=one.sha256.hex(),
            published_at=one.published_at, published_by=one.published_by,
        )
        for one in listed
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def readings(here: Installation) -> NewestList[ReadingSeen]:
    """Which staff read what, in which role, and why."""
    with transaction(here.pool) as tx:
        listed, total = staff_reads.newest(tx, LISTED_MAX), staff_reads.read_count(tx)
        emails = sessions.addresses(tx, {one.staff for one in listed})
    seen = (
        ReadingSeen(
            account=_account(one.account), conversation=_conversation(one.conversation), staff=emails[one.staff],
            role=one.role, reason=one.reason, ticket=one.ticket, turns=one.turns, at=one.at,
        )
        for one in listed
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def conversations(here: Installation, account: UUID) -> NewestList[ConversationListed]:
    """The conversations of an account, without their titles."""
    with transaction(here.pool) as tx:
        listed = account_view.newest_conversations(tx, account, LISTED_MAX)
        total = account_view.conversation_count(tx, account)
    seen = (
        ConversationListed(
            conversation=_conversation(one.conversation), kind=one.kind, begun_at=one.begun_at,
            deleted_at=one.deleted_at, kept_out=one.narrowed, incognito=one.incognito,
        )
        for one in listed
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def conversation_by_host(here: Installation, account: UUID, name: str) -> str | None:
    """Our id of the account's conversation which the host calls ``name``."""
    with transaction(here.pool) as tx:
        hashed = host_hmac(here.keyring.host_key(tx), "conversation", name)
        found = account_view.conversation_by_host(tx, account, hashed)
    return _conversation(found) if found is not None else None


def _account(account: UUID) -> str:
    return shown(Prefix.account, account)


def _conversation(conversation: UUID) -> str:
    return shown(Prefix.conversation, conversation)
