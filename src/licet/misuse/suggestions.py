"""Suggestions of a misuse classifier (`misuse.screener`) and people's decisions on them.

A stored suggestion is a score without text; it is deleted with the first segment of its
conversation that is erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from licet.access import sessions
from licet.errors import DeniedError, NotFoundError, RefusedError
from licet.release.signatures import StaffMember
from licet.store.connect import Transaction, transaction
from licet.store.keyset import KeyColumn, KeyType, ListChoice, ListFilter, Listing, ListOrder
from licet.vault import account_view, safety_copies, tables, verbs
from licet.vault.commands import Flag, Outcome, Unflag
from licet.vault.ids import Prefix, format_id, parse
from licet.vault.installation import Installation, load_policies
from licet.vault.list_filters import BY_ACCOUNT, BY_CONVERSATION
from licet.vault.staff_reads import ReadReason

DECIDERS = frozenset({"privacy_officer", "reviewer"})
LISTED_MAX = 1_000


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation to review, its reader and decision. ``score`` is None without a suggestion."""

    account: str
    conversation: str
    score: float | None
    suggested_at: datetime
    suggested_by: str
    decision: str | None
    decided_at: datetime | None
    decided_by: str | None


def list_undecided(installation: Installation) -> list[Suggestion]:
    """The undecided suggestions, highest score first."""
    with transaction(installation.pool) as tx:
        return select_open(tx, installation.clock())


def decide(
    installation: Installation,
    conversation: str,
    actor: StaffMember,
    *,
    dismiss: bool = False,
    overturn: bool = False,
    uphold: bool = False,
    only_open: bool = False,
) -> Suggestion:
    """Flags a conversation, dismisses its suggestion, or overturns or upholds its flag; recorded as
    ``actor``'s decision.

    RefusedError if that is not possible; with ``only_open`` also without an undecided suggestion.
    """
    if not actor.roles & DECIDERS:
        raise DeniedError(
            f"`{actor.email}` may not decide on suggestions",
            f"deciders have the role {' or '.join(sorted(DECIDERS))}",
        )
    conversation_id, in_force = (
        parse(Prefix.conversation, conversation),
        load_policies(installation),
    )
    with transaction(installation.pool) as tx:
        account = account_view.owner(tx, conversation_id)
        if account is None:
            raise NotFoundError(f"no conversation `{conversation}`")
        now = installation.clock()
        open_ = tx.execute(
            """SELECT score FROM suggestions WHERE account_id = %s AND conversation_id = %s
                  AND decided_at IS NULL
                  FOR UPDATE""",
            [account, conversation_id],
        ).fetchone()
        if only_open and open_ is None:
            check_undecided(
                _require(_select_by_conversation(tx, account, conversation_id), conversation)
            )
        if dismiss and open_ is None:
            raise RefusedError(f"there is no suggestion for `{conversation}`", because="nothing")
        score = open_[0] if open_ is not None else None
        if uphold:
            done = safety_copies.uphold(tx, account, conversation_id, now)
            because = "" if done else "nothing"
        elif not dismiss:
            command = (
                Unflag(account=account, at=now, conversation=conversation_id)
                if overturn
                else Flag(account=account, at=now, conversation=conversation_id, score=score)
            )
            (answer,) = verbs.apply_commands_in(tx, installation.keyring, in_force, [command])
            done = answer.outcome is Outcome.done
            because = answer.because or answer.outcome.value
        else:
            done, because = True, ""
        decision = _word(dismiss=dismiss, overturn=overturn, uphold=uphold)
        if not done:
            raise RefusedError(f"{_REFUSED[decision]} `{conversation}`", because=because)
        _store_decision(tx, account, conversation_id, decision, now, actor)
        return _select_by_conversation(tx, account, conversation_id)[0]


_REFUSED = {
    "flagged": "there is nothing left to flag in",
    "overturned": "there is no flag to overturn on",
    "upheld": "there is no flag to uphold on",
}


def _word(*, dismiss: bool, overturn: bool, uphold: bool) -> str:
    words = {"dismissed": dismiss, "overturned": overturn, "upheld": uphold}
    return next((word for word, decided in words.items() if decided), "flagged")


def get_suggestion(installation: Installation, conversation: str) -> Suggestion:
    """The suggestion of a conversation and its decision; NotFoundError."""
    conversation_id = parse(Prefix.conversation, conversation)
    with transaction(installation.pool) as tx:
        account = account_view.owner(tx, conversation_id)
        found = _select_by_conversation(tx, account, conversation_id) if account is not None else []
    return _require(found, conversation)


def _require(suggestions: Sequence[Suggestion], conversation: str) -> Suggestion:
    if not suggestions:
        raise NotFoundError(f"nothing is suggested of `{conversation}`")
    return suggestions[0]


def check_undecided(suggestion: Suggestion) -> None:
    if suggestion.decided_at is not None:
        raise RefusedError(
            f"it was {suggestion.decision} already, by {suggestion.decided_by}", because="decided"
        )


def _store_decision(
    tx: Transaction,
    account: UUID,
    conversation: UUID,
    decision: str,
    now: datetime,
    actor: StaffMember,
) -> None:
    (row,) = tables.load_conversations(tx, [(account, conversation)])
    last_turn = max((segment.last_turn for segment in row.state.segments), default=0)
    tx.execute(
        """INSERT INTO suggestions (account_id, conversation_id, last_turn, suggested_at,
                                    suggested_by, decision,
                                    decided_at, decided_by)
           VALUES (%(account)s, %(conversation)s, %(turn)s, %(at)s, %(by)s, %(decision)s, %(at)s,
             %(by)s)
           ON CONFLICT (account_id, conversation_id) DO UPDATE
              SET (decision, decided_at, decided_by) = (EXCLUDED.decision, EXCLUDED.decided_at,
                EXCLUDED.decided_by)""",
        {
            "account": account,
            "conversation": conversation,
            "turn": last_turn,
            "decision": decision,
            "at": now,
            "by": actor.staff_id,
        },
    )


_SELECT = """SELECT g.account_id, g.conversation_id, g.score, g.suggested_at, g.suggested_by,
    g.decision, g.decided_at,
    g.decided_by FROM suggestions g"""


_SCORED = (
    KeyColumn("coalesce(t.score, -1)::float8", KeyType.real),
    KeyColumn("t.conversation_id", KeyType.uuid),
)
_SUGGESTED = (
    KeyColumn("t.suggested_at", KeyType.timestamptz),
    KeyColumn("t.conversation_id", KeyType.uuid),
)
# Deleted and expired conversations need no decision.
_ALIVE = """EXISTS (SELECT FROM conversations c JOIN segments s USING (account_id, conversation_id)
    WHERE c.account_id = t.account_id AND c.conversation_id = t.conversation_id
      AND c.deleted_at IS NULL
      AND s.keep_until > %(at)s)"""
LISTING = Listing(
    columns="""t.conversation_id, t.score, t.suggested_at, t.suggested_by, coalesce(t.decision, 'open'), t.decided_at,
        t.decided_by, t.account_id""",
    source="FROM suggestions t",
    orders={
        "score": ListOrder(label="highest score first", columns=_SCORED, descending=True),
        "newest": ListOrder(label="newest first", columns=_SUGGESTED, descending=True),
        "oldest": ListOrder(label="oldest first", columns=_SUGGESTED),
    },
    filters={
        "state": ListFilter(
            label="State",
            choices={
                "open": ListChoice(
                    label="to be decided", looked="t.decided_at IS NULL", kept=_ALIVE
                ),
                "flagged": ListChoice(label="flagged", kept="t.decision = 'flagged'"),
                "dismissed": ListChoice(label="dismissed", kept="t.decision = 'dismissed'"),
                "overturned": ListChoice(label="overturned", kept="t.decision = 'overturned'"),
                "upheld": ListChoice(label="upheld", kept="t.decision = 'upheld'"),
            },
        ),
        **BY_CONVERSATION,
        **BY_ACCOUNT,
    },
)


def select_open(tx: Transaction, now: datetime) -> list[Suggestion]:
    rows = tx.execute(
        f"""{_SELECT} JOIN conversations c USING (account_id, conversation_id)
             WHERE g.decided_at IS NULL AND c.deleted_at IS NULL
               AND EXISTS (SELECT FROM segments s WHERE s.account_id = g.account_id
                              AND s.conversation_id = g.conversation_id AND s.keep_until > %s)
             ORDER BY g.score DESC, g.conversation_id LIMIT %s""",
        [now, LISTED_MAX],
    ).fetchall()
    return _to_suggestions(tx, rows)


def _select_by_conversation(tx: Transaction, account: UUID, conversation: UUID) -> list[Suggestion]:
    rows = tx.execute(
        f"{_SELECT} WHERE g.account_id = %s AND g.conversation_id = %s", [account, conversation]
    ).fetchall()
    return _to_suggestions(tx, rows)


def _to_suggestions(tx: Transaction, rows: Sequence[Sequence[Any]]) -> list[Suggestion]:
    emails = sessions.addresses(
        tx, {staff for row in rows for staff in (row[4], row[7]) if staff is not None}
    )
    return [
        Suggestion(
            account=format_id(Prefix.account, account),
            conversation=format_id(Prefix.conversation, conversation),
            score=score,
            suggested_at=suggested_at,
            suggested_by=emails[suggested_by],
            decision=decision,
            decided_at=decided_at,
            decided_by=emails[decided_by] if decided_by is not None else None,
        )
        for account, conversation, score, suggested_at, suggested_by, decision, decided_at, decided_by in rows
    ]


# Screening


class ScoredConversation(msgspec.Struct, frozen=True, kw_only=True):
    """A scored conversation; ``score`` is NaN if the model abstained."""

    account: UUID
    conversation: UUID
    score: float
    last_turn: int


_READABLE = """SELECT c.account_id, c.conversation_id, max(s.last_at) AS last_at,
         (array_agg(s.surface ORDER BY s.segment))[1] AS domain
     FROM conversations c
     JOIN accounts a USING (account_id) JOIN segments s USING (account_id, conversation_id)
    WHERE NOT c.incognito AND c.deleted_at IS NULL AND a.closed_at IS NULL
      AND s.erased_at IS NULL AND s.keep_until > %(at)s AND s.has_user
    GROUP BY 1, 2
   HAVING NOT bool_and(s.safety_until IS NOT NULL AND s.safety_until > %(at)s
     AND s.last_turn <= s.flagged_turn)
      AND NOT EXISTS (SELECT FROM staff_reads r WHERE r.account_id = c.account_id
                         AND r.conversation_id = c.conversation_id AND r.reason = %(reason)s
                         AND r.ticket = %(ticket)s AND r.read_at >= max(s.last_at))
      AND NOT EXISTS (SELECT FROM suggestions g WHERE g.account_id = c.account_id
                         AND g.conversation_id = c.conversation_id AND g.model_sha256 = %(weights)s
                         AND g.last_turn >= max(s.last_turn))"""


def count_readable(tx: Transaction, now: datetime, ticket: str, weights: bytes) -> dict[str, int]:
    """The number of readable conversations by domain."""
    values = {
        "at": now,
        "reason": ReadReason.misuse_review.value,
        "ticket": ticket,
        "weights": weights,
    }
    return dict(
        tx.execute(
            f"SELECT domain, count(*) FROM ({_READABLE}) w GROUP BY domain ORDER BY domain", values
        ).fetchall()
    )


def select_readable(
    tx: Transaction, now: datetime, ticket: str, weights: bytes, domains: Sequence[str], limit: int
) -> list[tuple[UUID, UUID, str]]:
    """The newest readable conversations of ``domains``, each with its domain."""
    values = {
        "at": now,
        "reason": ReadReason.misuse_review.value,
        "ticket": ticket,
        "weights": weights,
        "domains": list(domains),
        "limit": limit,
    }
    return tx.execute(
        f"""SELECT account_id, conversation_id, domain FROM ({_READABLE}) w
            WHERE domain = ANY(%(domains)s)
            ORDER BY last_at DESC, conversation_id LIMIT %(limit)s""",
        values,
    ).fetchall()


def store_suggestion(
    tx: Transaction, scored: ScoredConversation, weights: bytes, now: datetime, reader: StaffMember
) -> None:
    """Stores a suggestion, unless the conversation was erased meanwhile: an erasure locks its
    row.
    """
    tables.lock_accounts(tx, [scored.account])
    (row,) = tables.load_conversations(tx, [(scored.account, scored.conversation)])
    if any(keys.erased for keys in row.keys):
        return
    tx.execute(
        """INSERT INTO suggestions (account_id, conversation_id, model_sha256, score, last_turn,
           suggested_at, suggested_by)
           VALUES (%(account)s, %(conversation)s, %(weights)s, %(score)s, %(turn)s, %(at)s, %(by)s)
           ON CONFLICT (account_id, conversation_id) DO UPDATE
              SET (model_sha256, score, last_turn, suggested_at, suggested_by, decision, decided_at,
                decided_by)
                = (EXCLUDED.model_sha256, EXCLUDED.score, EXCLUDED.last_turn, EXCLUDED.suggested_at,
                   EXCLUDED.suggested_by, NULL, NULL, NULL)""",
        {
            "account": scored.account,
            "conversation": scored.conversation,
            "weights": weights,
            "score": scored.score,
            "turn": scored.last_turn,
            "at": now,
            "by": reader.staff_id,
        },
    )
