"""Legal holds as verbs: place one, end one, preview either.

A hold names its matter in the operator's own words, which are sealed: the same words end it. It
also has a reason as a closed word, the day on which somebody must check whether it is still needed,
who placed it, and whether it may be disclosed to the person. It keeps what is kept on the day it is
placed, makes nothing usable, and brings nothing back that was erased or whose period was over: of
each conversation the answer says what is held and what is not, and one of which nothing would be
held is refused. Nothing ends it automatically.

Where one of several conversations does not exist, none is held. One that is refused keeps no other
from being held: what is to be preserved must not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import NotFoundError, UsageError
from licet.store.connect import Transaction, transaction
from licet.store.keyset import KeyColumn, KeyType, ListChoice, ListFilter, Listing, ListOrder
from licet.vault import commands, hold_coverage
from licet.vault.account_view import owner
from licet.vault.commands import (
    EXPIRED,
    HELD_ALREADY,
    HOLD_REVIEW,
    Command,
    CommandResult,
    Hold,
    HoldReason,
    Outcome,
    Unhold,
)
from licet.vault.hold_coverage import HoldCount, HoldCoverage
from licet.vault.ids import HOST_ID_CHARACTERS_MAX, Prefix, format_id, host_hmac, parse
from licet.vault.installation import Installation
from licet.vault.list_filters import BY_ACCOUNT, BY_CONVERSATION
from licet.vault.verbs import apply_commands

CONVERSATIONS_MAX = 1_000
MATTER_CHARACTERS_MAX = HOST_ID_CHARACTERS_MAX  # it is hashed like an id of the host


class HoldAct(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of an act on a hold, done or forecast. ``coverage`` is the state afterwards; after
    an end, by other matters. ``outcome`` is ``refused`` (``because`` is `expired`) if nothing would
    be held, and ``unchanged`` (`held_already`) if the matter held it before; the hold then has the
    new reason and date.
    """

    conversation: str
    account: str
    outcome: Outcome
    because: str = ""
    coverage: HoldCoverage
    review_at: datetime | None = None

    @property
    def keeps(self) -> bool:
        """Whether a hold of another matter keeps any of it."""
        return self.coverage.held_by_others != HoldCount()


def place(
    installation: Installation,
    conversations: Sequence[str],
    *,
    matter: str,
    reason: HoldReason,
    by: str,
    review_at: datetime | None = None,
    is_told: bool = True,
    dry_run: bool = False,
) -> list[HoldAct]:
    """Places a hold on each conversation with content to hold; NotFoundError, with none placed, if
    one does not exist.
    """
    at = installation.clock()
    review_at = review_at or at + HOLD_REVIEW
    with transaction(installation.pool) as tx:
        owners = _owners(tx, conversations)
        known = _held_by_matter(installation, tx, owners, matter)
    holds = [
        Hold(
            account=account,
            at=at,
            conversation=conversation,
            matter=matter,
            reason=reason,
            review_at=review_at,
            is_told=is_told,
            by=by,
        )
        for account, conversation in owners
    ]
    done = dict(zip(owners, _apply_unless_dry(installation, holds, dry_run), strict=False))
    covered = _coverage(installation, owners, matter, placing=True)
    acts = []
    for name in owners:
        would = Outcome.done if covered[name].held.segments else Outcome.refused
        outcome = (
            done[name].outcome if name in done else Outcome.unchanged if name in known else would
        )
        acts.append(
            HoldAct(
                conversation=format_id(Prefix.conversation, name[1]),
                account=format_id(Prefix.account, name[0]),
                outcome=outcome,
                because=_BECAUSE.get(outcome, ""),
                coverage=covered[name],
                review_at=None if outcome is Outcome.refused else review_at,
            )
        )
    return acts


_BECAUSE = {Outcome.refused: EXPIRED, Outcome.unchanged: HELD_ALREADY}


def _coverage(
    installation: Installation,
    conversations: Sequence[tuple[UUID, UUID]],
    matter: str,
    *,
    placing: bool,
) -> dict[tuple[UUID, UUID], HoldCoverage]:
    with transaction(installation.pool) as tx:
        hashed = matter_hash(installation, tx, matter)
        return hold_coverage.coverage(
            tx, conversations, hashed, installation.clock(), placing=placing
        )


def end(
    installation: Installation, conversations: Sequence[str], *, matter: str, dry_run: bool = False
) -> list[HoldAct]:
    """Ends the matter's hold on each conversation; NotFoundError, with none ended, if it does not
    hold one of them.
    """
    at = installation.clock()
    with transaction(installation.pool) as tx:
        owners = _owners(tx, conversations)
        known = _held_by_matter(installation, tx, owners, matter)
    free = [format_id(Prefix.conversation, name[1]) for name in owners if name not in known]
    if free:
        raise NotFoundError(
            f"no hold for that matter on `{free[0]}`",
            "write it exactly as when it was placed; `licet hold list` shows what is held",
        )
    _apply_unless_dry(
        installation,
        [Unhold(account=a, at=at, conversation=c, matter=matter) for a, c in owners],
        dry_run,
    )
    covered = _coverage(installation, owners, matter, placing=False)
    return [
        HoldAct(
            conversation=format_id(Prefix.conversation, name[1]),
            account=format_id(Prefix.account, name[0]),
            outcome=Outcome.done,
            coverage=covered[name],
        )
        for name in owners
    ]


def review(
    installation: Installation, conversation: str, *, matter: str, review_at: datetime, by: str
) -> HoldAct:
    """Sets the next review of the matter's hold, which is otherwise unchanged; NotFoundError
    without a hold.
    """
    with transaction(installation.pool) as tx:
        owners = _owners(tx, [conversation])
        account, named = owners[0]
        row = tx.execute(
            f"{_HOLDS} WHERE account_id = %s AND conversation_id = %s AND matter_hmac = %s",
            [account, named, matter_hash(installation, tx, matter)],
        ).fetchone()
    if row is None:
        raise NotFoundError(
            f"no hold for that matter on `{conversation}`", "write it exactly as when it was placed"
        )
    known = _parse_hold(row)
    (done,) = place(
        installation,
        [conversation],
        matter=matter,
        reason=known.reason,
        by=by,
        review_at=review_at,
        is_told=known.is_told,
    )
    return done


def matter_hash(installation: Installation, tx: Transaction, matter: str) -> bytes:
    """The keyed hash that identifies the holds of a matter."""
    return host_hmac(installation.keyring.host_key(tx), "matter", matter)


class StoredHold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold, without its matter. Of the conversation's turns it keeps ``turns_held``."""

    account: UUID
    conversation: UUID
    reason: HoldReason
    placed_at: datetime
    placed_by: str
    review_at: datetime
    is_told: bool
    turns_held: int
    turns_not_held: int


def is_disclosed(tx: Transaction, account: UUID, conversation: UUID, matter_hmac: bytes) -> bool:
    """Whether a hold exists and may be disclosed to the person."""
    row = tx.execute(
        "SELECT is_told FROM holds WHERE account_id = %s AND conversation_id = %s AND "
        "matter_hmac = %s",
        [account, conversation, matter_hmac],
    ).fetchone()
    return row == (True,)


class HoldCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of holds, of held conversations, and of holds past their review."""

    holds: int
    conversations: int
    overdue: int
    first_review: datetime | None


# The turns of the conversation of a hold `t` that it keeps, and those that it does not: they have
# gone, or will.
_TURNS = """(SELECT coalesce(sum(s.last_turn - s.first_turn + 1), 0)::int FROM segments s
              WHERE s.account_id = t.account_id AND s.conversation_id = t.conversation_id
                AND {} (s.erased_at IS NULL AND t.placed_at < s.keep_until))"""
_TURNS_HELD, _TURNS_NOT_HELD = _TURNS.format(""), _TURNS.format("NOT")
_HOLDS = f"""SELECT account_id, conversation_id, reason, placed_at, placed_by, review_at, is_told,
                    {_TURNS_HELD},
                    {_TURNS_NOT_HELD} FROM holds t"""


def by_review(tx: Transaction, limit: int) -> list[StoredHold]:
    """The first ``limit`` holds, earliest review first."""
    rows = tx.execute(f"{_HOLDS} ORDER BY review_at, account_id, conversation_id LIMIT %s", [limit])
    return [_parse_hold(row) for row in rows]


_REVIEWED = (
    KeyColumn("t.review_at", KeyType.timestamptz),
    KeyColumn("t.conversation_id", KeyType.uuid),
    KeyColumn("t.matter_hmac", KeyType.bytea),
)
_PLACED = (
    KeyColumn("t.placed_at", KeyType.timestamptz),
    KeyColumn("t.conversation_id", KeyType.uuid),
    KeyColumn("t.matter_hmac", KeyType.bytea),
)
LISTING = Listing(
    columns=f"""t.conversation_id, t.reason, t.placed_at, split_part(t.placed_by, ':', 2), t.is_told, {_TURNS_HELD},
        {_TURNS_NOT_HELD}, t.review_at, t.review_at <= %(at)s,
        t.account_id""",
    source="FROM holds t",
    orders={
        "review": ListOrder(label="to be reviewed first", columns=_REVIEWED),
        "newest": ListOrder(label="placed last", columns=_PLACED, descending=True),
    },
    filters={
        "state": ListFilter(
            label="State",
            choices={
                "due": ListChoice(label="review is due", looked="t.review_at <= %(at)s"),
                "untold": ListChoice(label="not disclosed to the person", kept="NOT t.is_told"),
            },
        ),
        "reason": ListFilter(
            label="Reason",
            choices={
                one.value: ListChoice(
                    label=one.value.replace("_", " "), kept=f"t.reason = '{one.value}'"
                )
                for one in HoldReason
            },
        ),
        **BY_CONVERSATION,
        **BY_ACCOUNT,
    },
)


def list_disclosed(
    tx: Transaction, account: UUID, conversations: Sequence[UUID]
) -> list[StoredHold]:
    """The holds on these conversations of an account that may be disclosed to its person, oldest
    first.
    """
    rows = tx.execute(
        f"{_HOLDS} WHERE account_id = %s AND conversation_id = ANY(%s) AND is_told ORDER BY "
        "placed_at, reason",
        [account, list(conversations)],
    )
    return [_parse_hold(row) for row in rows]


def counts(tx: Transaction, now: datetime) -> HoldCounts:
    row = tx.execute(
        """SELECT count(*), count(DISTINCT (account_id, conversation_id)),
                  count(*) FILTER (WHERE review_at <= %s),
                  min(review_at) FROM holds""",
        [now],
    ).fetchone()
    assert row is not None
    return HoldCounts(holds=row[0], conversations=row[1], overdue=row[2], first_review=row[3])


def _parse_hold(row: Sequence[Any]) -> StoredHold:
    account, conversation, reason, placed_at, placed_by, review_at, is_told, held, not_held = row
    return StoredHold(
        account=account,
        conversation=conversation,
        reason=HoldReason(reason),
        placed_at=placed_at,
        placed_by=placed_by,
        review_at=review_at,
        is_told=is_told,
        turns_held=held,
        turns_not_held=not_held,
    )


def _apply_unless_dry(
    installation: Installation, orders: Sequence[Command], dry_run: bool
) -> list[CommandResult]:
    for command in orders:
        commands.check(command)
    return apply_commands(installation, orders) if orders and not dry_run else []


def _owners(tx: Transaction, conversations: Sequence[str]) -> list[tuple[UUID, UUID]]:
    if len(conversations) > CONVERSATIONS_MAX:
        raise UsageError(
            f"`{len(conversations)}` conversations at once", f"name {CONVERSATIONS_MAX} at most"
        )
    owners: list[tuple[UUID, UUID]] = []
    for text in dict.fromkeys(conversations):
        conversation = parse(Prefix.conversation, text)
        account = owner(tx, conversation)
        if account is None:
            raise NotFoundError(
                f"no conversation `{text}`",
                "ids begin with conv_; `licet explain ACCOUNT` helps to find them",
            )
        owners.append((account, conversation))
    return owners


def _held_by_matter(
    installation: Installation,
    tx: Transaction,
    conversations: Sequence[tuple[UUID, UUID]],
    matter: str,
) -> set[tuple[UUID, UUID]]:
    """Those of the conversations that the matter holds."""
    hashed = matter_hash(installation, tx, matter)
    rows = tx.execute(
        "SELECT account_id, conversation_id FROM holds WHERE matter_hmac = %s AND "
        "conversation_id = ANY(%s)",
        [hashed, [conversation for _, conversation in conversations]],
    ).fetchall()
    return {(account, conversation) for account, conversation in rows}
