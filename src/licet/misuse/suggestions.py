"""What a misuse classifier suggests for review, and what people decide: the model decides nothing.

To score a conversation is to read it. It is therefore read under the rules for staff
(`vault.staff_reads`): by a privacy officer, with a ticket, each conversation recorded before it is
opened and visible to its person. Only what the person wrote is opened. A conversation is not read
if it is incognito, deleted, expired, of a closed account, or flagged completely; nor if it was read
under the same ticket and has no newer turn. Its domain is the surface on which it began. A domain
is read only if it has an operating point, or enough conversations to set one
(`misuse.operating_points`).

A stored suggestion is a score without text; it is deleted with the first segment of its
conversation that is erased. Nothing is stored of a conversation that is not suggested.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import numpy as np

from licet.access import sessions
from licet.errors import DeniedError, NotFoundError, RefusedError, UsageError
from licet.misuse import operating_points
from licet.misuse.ngrams import Array
from licet.misuse.operating_points import OperatingPoint
from licet.policy.state import TurnRole
from licet.release.signatures import StaffMember
from licet.store.connect import Transaction, transaction
from licet.store.keyset import KeyColumn, KeyType, ListChoice, ListFilter, Listing, ListOrder
from licet.vault import account_view, staff_reads, tables, verbs
from licet.vault.commands import Flag, Outcome, Unflag
from licet.vault.ids import Prefix, parse, shown
from licet.vault.installation import Installation, policies
from licet.vault.list_filters import BY_ACCOUNT, BY_CONVERSATION
from licet.vault.staff_reads import ReaderRole, Reading, ReadReason

if TYPE_CHECKING:  # a process that only lists or decides does not import what scores
    from licet.misuse.detector import MisuseDetector

READERS = frozenset({"privacy_officer"})
DECIDERS = frozenset({"privacy_officer", "reviewer"})
CONVERSATIONS = 500
CONVERSATIONS_MAX = 100_000
ALARMS = 0.05
TURNS_READ_MAX = 1_000
LISTED_MAX = 1_000


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation to review, who read it, and what was decided. ``score`` is None if the model
    did not suggest it.
    """

    account: str
    conversation: str
    score: float | None
    suggested_at: datetime
    suggested_by: str
    decision: str | None
    decided_at: datetime | None
    decided_by: str | None


class ScreenedDomain(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a domain, on how many conversations the model abstained, and the point above
    which it suggests.

    ``point`` is None if the domain has none: its ``waiting`` conversations are too few, and none of
    them is suggested.
    """

    domain: str
    waiting: int
    read: int
    abstained: int
    suggested: int
    threshold: float | None
    point: OperatingPoint | None


class ScreeningResult(msgspec.Struct, frozen=True, kw_only=True):
    """How many conversations were read, and those suggested; ``more``: there are further ones to
    read.
    """

    read: int
    abstained: int
    domains: tuple[ScreenedDomain, ...]
    suggested: tuple[Suggestion, ...]
    more: bool


class _Scored(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that was read; ``score`` is NaN if the model abstained."""

    account: UUID
    conversation: UUID
    score: float
    last_turn: int


def suggest(
    here: Installation,
    model: MisuseDetector,
    points_file: Path,
    by: StaffMember,
    ticket: str,
    *,
    limit: int = CONVERSATIONS,
    alarms: float = ALARMS,
) -> ScreeningResult:
    """Reads up to ``limit`` conversations, the newest first, and suggests those that score above
    the operating point of their domain. A domain without a point gets one from what is read of it,
    if that is enough.

    ``points_file`` has the model's points; at most the share ``alarms`` of a domain is suggested,
    one of `classifier.FALSE_ALARMS`.
    """
    _check(by, ticket, limit, alarms)
    weights, at = bytes.fromhex(model.sha256), here.clock()
    points, least = (
        operating_points.read(points_file, model.sha256, alarms, at),
        operating_points.conversations_min(alarms),
    )
    with transaction(here.pool) as tx:
        counted = _waiting_by_domain(tx, at, ticket, weights)
        readable = [name for name, waiting in counted.items() if name in points or waiting >= least]
        listed = _waiting(tx, at, ticket, weights, readable, limit + 1)
    screened, found = list[ScreenedDomain](), set[UUID]()
    for domain, waiting in counted.items():
        mine = [
            (account, conversation) for account, conversation, of in listed[:limit] if of == domain
        ]
        point, scored = points.get(domain), list[_Scored]()
        if point is not None or len(mine) >= least:
            scored = _scored(here, model, domain, mine, by, ticket)
            if (
                point is None
                and (point := operating_points.choose(domain, _scores(scored), alarms, at))
                is not None
            ):
                operating_points.write(points_file, model.sha256, [point])
        threshold = max(point.threshold, model.floor(alarms)) if point is not None else None
        over = [one for one in scored if threshold is not None and one.score > threshold]
        for one in over:
            with transaction(here.pool) as tx:
                _suggest(tx, one, weights, here.clock(), by)
        found |= {one.conversation for one in over}
        screened.append(
            ScreenedDomain(
                domain=domain,
                waiting=waiting,
                read=len(scored),
                abstained=int(np.isnan(_scores(scored)).sum()),
                suggested=len(over),
                threshold=threshold,
                point=point,
            )
        )
    with transaction(here.pool) as tx:
        suggested = [
            one
            for one in _listed(tx, here.clock())
            if parse(Prefix.conversation, one.conversation) in found
        ]
    return ScreeningResult(
        read=sum(one.read for one in screened),
        abstained=sum(one.abstained for one in screened),
        domains=tuple(screened),
        suggested=tuple(suggested),
        more=len(listed) > limit,
    )


def _check(by: StaffMember, ticket: str, limit: int, alarms: float) -> None:
    from licet.misuse.classifier import FALSE_ALARMS

    if not by.roles & READERS:
        raise DeniedError(
            f"`{by.email}` may not read conversations",
            "a privacy officer may: `licet staff add` gives the role",
        )
    if staff_reads.TICKET.fullmatch(ticket) is None:
        raise UsageError(f"`--ticket` must match {staff_reads.TICKET.pattern}")
    if not 1 <= limit <= CONVERSATIONS_MAX or alarms not in FALSE_ALARMS:
        raise UsageError(
            f"it reads 1 to {CONVERSATIONS_MAX} conversations, at a share of alarms out of "
            f"{FALSE_ALARMS}"
        )


def _scored(
    here: Installation,
    model: MisuseDetector,
    domain: str,
    asked: Sequence[tuple[UUID, UUID]],
    by: StaffMember,
    ticket: str,
) -> list[_Scored]:
    """The scores of those conversations that may be opened; each reading is recorded before."""
    scored = []
    for account, conversation in asked:
        text, last_turn = _read(here, account, conversation, by, ticket)
        if text is not None:
            score = float(model.judge([text], domain)[0])
            scored.append(
                _Scored(
                    account=account, conversation=conversation, score=score, last_turn=last_turn
                )
            )
    return scored


def _scores(scored: Sequence[_Scored]) -> Array:
    return np.array([one.score for one in scored])


def waiting(here: Installation) -> list[Suggestion]:
    """The suggestions that nobody has decided, the highest score first."""
    with transaction(here.pool) as tx:
        return _listed(tx, here.clock())


def decide(
    here: Installation,
    conversation: str,
    by: StaffMember,
    *,
    dismiss: bool = False,
    overturn: bool = False,
    only_open: bool = False,
) -> Suggestion:
    """Flags a conversation, dismisses its suggestion, or overturns its flag; recorded as ``by``'s
    decision.

    RefusedError if there is nothing to flag, to dismiss or to overturn; with ``only_open`` also
    where nothing that was suggested of it waits for a decision.
    """
    if not by.roles & DECIDERS:
        raise DeniedError(
            f"`{by.email}` may not decide on suggestions",
            f"deciders have the role {' or '.join(sorted(DECIDERS))}",
        )
    asked, known = parse(Prefix.conversation, conversation), policies(here)
    with transaction(here.pool) as tx:
        account = account_view.owner(tx, asked)
        if account is None:
            raise NotFoundError(f"no conversation `{conversation}`")
        at = here.clock()
        open_ = tx.execute(
            """SELECT score FROM suggestions WHERE account_id = %s AND conversation_id = %s
                  AND decided_at IS NULL
                  FOR UPDATE""",
            [account, asked],
        ).fetchone()
        if only_open and open_ is None:
            refuse_decided(_first(_of(tx, account, asked), conversation))
        if dismiss and open_ is None:
            raise RefusedError(f"there is no suggestion for `{conversation}`", because="nothing")
        if not dismiss:
            score = open_[0] if open_ is not None else None
            command = (
                Unflag(account=account, at=at, conversation=asked)
                if overturn
                else Flag(account=account, at=at, conversation=asked, score=score)
            )
            (answer,) = verbs.tell_in(tx, here.keyring, known, [command])
            if answer.outcome is not Outcome.done:
                what = (
                    "there is no flag to overturn on"
                    if overturn
                    else "there is nothing left to flag in"
                )
                raise RefusedError(
                    f"{what} `{conversation}`", because=answer.because or answer.outcome.value
                )
        _decided(
            tx,
            account,
            asked,
            "dismissed" if dismiss else "overturned" if overturn else "flagged",
            at,
            by,
        )
        return _of(tx, account, asked)[0]


def of_conversation(here: Installation, conversation: str) -> Suggestion:
    """What was suggested of a conversation, and decided; NotFoundError where nothing was."""
    asked = parse(Prefix.conversation, conversation)
    with transaction(here.pool) as tx:
        account = account_view.owner(tx, asked)
        found = _of(tx, account, asked) if account is not None else []
    return _first(found, conversation)


def _first(found: Sequence[Suggestion], conversation: str) -> Suggestion:
    if not found:
        raise NotFoundError(f"nothing is suggested of `{conversation}`")
    return found[0]


def refuse_decided(found: Suggestion) -> None:
    """RefusedError where somebody has decided."""
    if found.decided_at is not None:
        raise RefusedError(
            f"it was {found.decision} already, by {found.decided_by}", because="decided"
        )


# Reading


_WAITING = """SELECT c.account_id, c.conversation_id, max(s.last_at) AS last_at,
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


def _waiting_by_domain(
    tx: Transaction, at: datetime, ticket: str, weights: bytes
) -> dict[str, int]:
    """How many conversations may be read, by domain."""
    asked = {
        "at": at,
        "reason": ReadReason.misuse_review.value,
        "ticket": ticket,
        "weights": weights,
    }
    return dict(
        tx.execute(
            f"SELECT domain, count(*) FROM ({_WAITING}) w GROUP BY domain ORDER BY domain", asked
        ).fetchall()
    )


def _waiting(
    tx: Transaction, at: datetime, ticket: str, weights: bytes, domains: Sequence[str], limit: int
) -> list[tuple[UUID, UUID, str]]:
    """The newest conversations of ``domains`` that may be read, each with its domain."""
    asked = {
        "at": at,
        "reason": ReadReason.misuse_review.value,
        "ticket": ticket,
        "weights": weights,
        "domains": list(domains),
        "limit": limit,
    }
    return tx.execute(
        f"""SELECT account_id, conversation_id, domain FROM ({_WAITING}) w
            WHERE domain = ANY(%(domains)s)
            ORDER BY last_at DESC, conversation_id LIMIT %(limit)s""",
        asked,
    ).fetchall()


def _read(
    here: Installation, account: UUID, conversation: UUID, by: StaffMember, ticket: str
) -> tuple[str | None, int]:
    """What its person wrote in a conversation, and the number of its last turn; None if nothing may
    be opened.
    """
    reading = Reading(
        staff=by.staff_id,
        role=ReaderRole.privacy_officer,
        reason=ReadReason.misuse_review,
        ticket=ticket,
    )
    known = policies(here)
    with transaction(here.pool) as tx:
        seen = account_view.seen(tx, [(account, conversation)], known, here.clock()).get(
            conversation
        )
        turns = account_view.turns(tx, account, conversation)
        theirs = [turn for turn in turns if turn.role is TurnRole.user][-TURNS_READ_MAX:]
        if seen is None or not theirs:
            return None, 0
        try:
            opened = staff_reads.read(tx, here.keyring, seen, theirs, reading, here.keyring.random)
        except DeniedError:  # erased or deleted since it was listed
            return None, 0
        return "\n".join(one.content.text for one in opened), turns[-1].number


# What is kept


def _suggest(tx: Transaction, one: _Scored, weights: bytes, at: datetime, by: StaffMember) -> None:
    """Stores a suggestion, unless the conversation was erased meanwhile: an erasure locks its
    row.
    """
    tables.lock_accounts(tx, [one.account])
    (row,) = tables.load_conversations(tx, [(one.account, one.conversation)])
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
            "account": one.account,
            "conversation": one.conversation,
            "weights": weights,
            "score": one.score,
            "turn": one.last_turn,
            "at": at,
            "by": by.staff_id,
        },
    )


def _decided(
    tx: Transaction, account: UUID, conversation: UUID, decision: str, at: datetime, by: StaffMember
) -> None:
    """Records a decision, with the suggestion or by itself."""
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
            "at": at,
            "by": by.staff_id,
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
# Of a conversation that is deleted, or of which nothing is kept, nothing is to be decided.
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
            },
        ),
        **BY_CONVERSATION,
        **BY_ACCOUNT,
    },
)


def _listed(tx: Transaction, at: datetime) -> list[Suggestion]:
    rows = tx.execute(
        f"""{_SELECT} JOIN conversations c USING (account_id, conversation_id)
             WHERE g.decided_at IS NULL AND c.deleted_at IS NULL
               AND EXISTS (SELECT FROM segments s WHERE s.account_id = g.account_id
                              AND s.conversation_id = g.conversation_id AND s.keep_until > %s)
             ORDER BY g.score DESC, g.conversation_id LIMIT %s""",
        [at, LISTED_MAX],
    ).fetchall()
    return _shown(tx, rows)


def _of(tx: Transaction, account: UUID, conversation: UUID) -> list[Suggestion]:
    rows = tx.execute(
        f"{_SELECT} WHERE g.account_id = %s AND g.conversation_id = %s", [account, conversation]
    ).fetchall()
    return _shown(tx, rows)


def _shown(tx: Transaction, rows: Sequence[Sequence[Any]]) -> list[Suggestion]:
    emails = sessions.addresses(
        tx, {staff for row in rows for staff in (row[4], row[7]) if staff is not None}
    )
    return [
        Suggestion(
            account=shown(Prefix.account, account),
            conversation=shown(Prefix.conversation, conversation),
            score=score,
            suggested_at=suggested_at,
            suggested_by=emails[suggested_by],
            decision=decision,
            decided_at=decided_at,
            decided_by=emails[decided_by] if decided_by is not None else None,
        )
        for account, conversation, score, suggested_at, suggested_by, decision, decided_at, decided_by in rows
    ]
