"""The lists that staff see without reading content: holds, flags, requests, versions, notices, readings,
conversations.

Every list is newest first, except holds, which are by day of review. Each has a bound and says how many entries there
are in all. Titles, matters of holds and texts of turns are content, and are in none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from licet.policy.file import read as read_policy
from licet.store.connect import transaction
from licet.vault.commands import HoldReason
from licet.vault.ids import Prefix, host_hmac, shown
from licet.vault.installation import Installation

LISTED_MAX = 200

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
    rows, total = _rows(
        here,
        """SELECT account_id, conversation_id, reason, placed_at, placed_by, review_at, is_told FROM holds
            ORDER BY review_at, account_id, conversation_id LIMIT %s""",
        "SELECT count(*) FROM holds",
    )
    seen = (
        HoldSeen(
            account=_account(a), conversation=_conversation(c), reason=HoldReason(reason), placed_at=at, placed_by=by,
            review_at=review_at, told=told, overdue=review_at <= now,
        )
        for a, c, reason, at, by, review_at, told in rows
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def requests(here: Installation) -> NewestList[RequestSeen]:
    """What people asked to have erased, from the request to the certificate."""
    rows, total = _rows(
        here,
        """SELECT account_id, conversation_id, cause, state, requested_at, fenced_at, shredded_at, swept_at, verified_at
             FROM erasures ORDER BY requested_at DESC LIMIT %s""",
        "SELECT count(*) FROM erasures",
    )
    seen = (
        RequestSeen(
            account=_account(a), conversation=_conversation(c) if c is not None else None, cause=cause, state=state,
            requested_at=requested, fenced_at=fenced, shredded_at=shredded, swept_at=swept, verified_at=verified,
        )
        for a, c, cause, state, requested, fenced, shredded, swept, verified in rows
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def flags(here: Installation) -> NewestList[FlagSeen]:
    """The flags whose scores are kept, including overturned ones."""
    rows, total = _rows(
        here,
        """SELECT account_id, conversation_id, f.flagged_at, f.score, f.score_until, f.overturned_at, c.safety_until
             FROM flags f JOIN conversations c USING (account_id, conversation_id)
            ORDER BY f.flagged_at DESC LIMIT %s""",
        "SELECT count(*) FROM flags",
    )
    seen = (
        FlagSeen(
            account=_account(a), conversation=_conversation(c), flagged_at=at, score=score, score_until=until,
            overturned_at=overturned, copy_until=copy_until,
        )
        for a, c, at, score, until, overturned, copy_until in rows
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def versions(here: Installation) -> NewestList[VersionSeen]:
    """The versions of the policy, including future ones."""
    rows, total = _rows(
        here,
        "SELECT document, sha256, applied_at, applied_by FROM policies ORDER BY number DESC LIMIT %s",
        "SELECT count(*) FROM policies",
    )
    seen = []
    for document, sha256, applied_at, applied_by in rows:
        policy = read_policy(msgspec.json.decode(document))
        seen.append(
            VersionSeen(
                version=policy.version, policy=policy.policy, effective=policy.effective, decide_by=policy.decide_by,
                material=policy.material, sha256=sha256.hex(), applied_at=applied_at, applied_by=applied_by,
            )
        )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def notices(here: Installation) -> NewestList[NoticeSeen]:
    """The notices that were published."""
    rows, total = _rows(
        here,
        """SELECT p.version, n.language, n.variant, n.sha256, n.published_at, n.published_by
             FROM notices n JOIN policies p ON p.number = n.version ORDER BY n.position DESC LIMIT %s""",
        "SELECT count(*) FROM notices",
    )
    seen = (
        NoticeSeen(
            version=version, language=language, variant=variant, sha256=sha256.hex(), published_at=at, published_by=by
        )
        for version, language, variant, sha256, at, by in rows
    )
    return NewestList(items=tuple(seen), total=total)


def readings(here: Installation) -> NewestList[ReadingSeen]:
    """Which staff read what, in which role, and why."""
    rows, total = _rows(
        here,
        """SELECT r.account_id, r.conversation_id, f.email, r.role, r.reason, r.ticket, r.turns, r.read_at
             FROM staff_reads r JOIN staff f USING (staff_id) ORDER BY r.read_id DESC LIMIT %s""",
        "SELECT count(*) FROM staff_reads",
    )
    seen = (
        ReadingSeen(
            account=_account(a), conversation=_conversation(c), staff=email, role=role, reason=reason, ticket=ticket,
            turns=turns, at=at,
        )
        for a, c, email, role, reason, ticket, turns, at in rows
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def conversations(here: Installation, account: UUID) -> NewestList[ConversationListed]:
    """The conversations of an account, without their titles."""
    rows, total = _rows(
        here,
        """SELECT conversation_id, kind, begun_at, deleted_at, narrowed, incognito FROM conversations
            WHERE account_id = %s ORDER BY conversation_id DESC LIMIT %s""",
        "SELECT count(*) FROM conversations WHERE account_id = %s",
        account,
    )
    seen = (
        ConversationListed(
            conversation=_conversation(c), kind=kind, begun_at=at, deleted_at=deleted, kept_out=narrowed,
            incognito=incognito,
        )
        for c, kind, at, deleted, narrowed, incognito in rows
    )  # fmt: skip
    return NewestList(items=tuple(seen), total=total)


def conversation_by_host(here: Installation, account: UUID, name: str) -> str | None:
    """Our id of the account's conversation which the host calls ``name``."""
    with transaction(here.pool) as tx:
        hashed = host_hmac(here.keyring.host_key(tx), "conversation", name)
        row = tx.execute(
            "SELECT conversation_id FROM conversations WHERE account_id = %s AND host_hmac = %s", [account, hashed]
        ).fetchone()
    return _conversation(row[0]) if row else None


def _rows(here: Installation, statement: str, count: str, *params: object) -> tuple[Sequence[tuple[Any, ...]], int]:
    with transaction(here.pool) as tx:
        rows = tx.execute(statement, [*params, LISTED_MAX]).fetchall()
        total = tx.execute(count, list(params) or None).fetchone()
    assert total is not None
    return rows, total[0]


def _account(account: UUID) -> str:
    return shown(Prefix.account, account)


def _conversation(conversation: UUID) -> str:
    return shown(Prefix.conversation, conversation)
