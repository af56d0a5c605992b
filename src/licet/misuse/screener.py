"""Screening: reads conversations with a misuse classifier and stores those above its operating
point as suggestions.

Scoring a conversation counts as a reading by staff (`vault.staff_reads`): by a privacy officer,
with a ticket, each recorded before the conversation is opened and visible to its person. Only the
person's turns are opened. A conversation is not read if it is incognito, deleted, expired, of a
closed account, or flagged completely; nor if it was read under the same ticket and has no newer
turn. Its domain is the surface on which it began. A domain is read only if it has an operating
point, or enough conversations to set one (`misuse.operating_points`).

Nothing is stored of a conversation that is not suggested.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np

from licet.errors import DeniedError, UsageError
from licet.misuse import operating_points
from licet.misuse.classifier import FALSE_ALARMS
from licet.misuse.detector import MisuseDetector
from licet.misuse.ngrams import Array
from licet.misuse.operating_points import OperatingPoint
from licet.misuse.suggestions import (
    ScoredConversation,
    Suggestion,
    count_readable,
    select_open,
    select_readable,
    store_suggestion,
)
from licet.policy.state import TurnRole
from licet.release.signatures import StaffMember
from licet.store.connect import transaction
from licet.vault import account_view, staff_reads
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation, load_policies
from licet.vault.staff_reads import ReaderRole, Reading, ReadReason

READERS = frozenset({"privacy_officer"})
CONVERSATIONS = 500
CONVERSATIONS_MAX = 100_000
ALARMS = 0.05
TURNS_READ_MAX = 1_000


class ScreenedDomain(msgspec.Struct, frozen=True, kw_only=True):
    """The readings, abstentions and operating point of a domain.

    ``point`` is None if its ``waiting`` conversations are too few, so that none is suggested.
    """

    domain: str
    waiting: int
    read: int
    abstained: int
    suggested: int
    threshold: float | None
    point: OperatingPoint | None


class ScreeningResult(msgspec.Struct, frozen=True, kw_only=True):
    """The number of readings, and the suggestions; ``more``: further conversations can be read."""

    read: int
    abstained: int
    domains: tuple[ScreenedDomain, ...]
    suggested: tuple[Suggestion, ...]
    more: bool


def suggest(
    installation: Installation,
    model: MisuseDetector,
    points_file: Path,
    reader: StaffMember,
    ticket: str,
    *,
    limit: int = CONVERSATIONS,
    alarms: float = ALARMS,
) -> ScreeningResult:
    """Reads up to ``limit`` conversations, newest first, and suggests those that score above their
    domain's operating point. A domain without a point gets one if enough is read of it.

    ``points_file`` has the model's points; ``alarms``: the share of a domain to suggest at most,
    one of `classifier.FALSE_ALARMS`.
    """
    _check_call(reader, ticket, limit, alarms)
    weights, now = bytes.fromhex(model.sha256), installation.clock()
    points = operating_points.read_points(points_file, model.sha256, alarms, now)
    conversations_min = operating_points.conversations_min(alarms)
    with transaction(installation.pool) as tx:
        counted = count_readable(tx, now, ticket, weights)
        enough = {name for name, waiting in counted.items() if waiting >= conversations_min}
        readable = [name for name in counted if name in points or name in enough]
        listed = select_readable(tx, now, ticket, weights, readable, limit + 1)
    screened, found = list[ScreenedDomain](), set[UUID]()
    for domain, waiting in counted.items():
        in_domain = [
            (account, conversation) for account, conversation, of in listed[:limit] if of == domain
        ]
        point, scored = points.get(domain), list[ScoredConversation]()
        if point is not None or len(in_domain) >= conversations_min:
            scored = _score_conversations(installation, model, domain, in_domain, reader, ticket)
            if point is None:
                point = operating_points.choose_point(domain, _scores(scored), alarms, now)
                if point is not None:
                    operating_points.add_points(points_file, model.sha256, [point])
        threshold = max(point.threshold, model.floor(alarms)) if point is not None else None
        above = [
            conversation
            for conversation in scored
            if threshold is not None and conversation.score > threshold
        ]
        _store_all(installation, above, weights, reader)
        found |= {conversation.conversation for conversation in above}
        screened.append(
            ScreenedDomain(
                domain=domain,
                waiting=waiting,
                read=len(scored),
                abstained=int(np.isnan(_scores(scored)).sum()),
                suggested=len(above),
                threshold=threshold,
                point=point,
            )
        )
    with transaction(installation.pool) as tx:
        suggested = [
            suggestion
            for suggestion in select_open(tx, installation.clock())
            if parse(Prefix.conversation, suggestion.conversation) in found
        ]
    return ScreeningResult(
        read=sum(domain.read for domain in screened),
        abstained=sum(domain.abstained for domain in screened),
        domains=tuple(screened),
        suggested=tuple(suggested),
        more=len(listed) > limit,
    )


def _store_all(
    installation: Installation,
    scored: Sequence[ScoredConversation],
    weights: bytes,
    reader: StaffMember,
) -> None:
    """Stores suggestions, each in a transaction."""
    for conversation in scored:
        with transaction(installation.pool) as tx:
            store_suggestion(tx, conversation, weights, installation.clock(), reader)


def _check_call(reader: StaffMember, ticket: str, limit: int, alarms: float) -> None:
    if not reader.roles & READERS:
        raise DeniedError(
            f"`{reader.email}` may not read conversations",
            "a privacy officer may: `licet staff add` gives the role",
        )
    if staff_reads.TICKET.fullmatch(ticket) is None:
        raise UsageError(f"`--ticket` must match {staff_reads.TICKET.pattern}")
    if not 1 <= limit <= CONVERSATIONS_MAX or alarms not in FALSE_ALARMS:
        raise UsageError(
            f"1 to {CONVERSATIONS_MAX} conversations can be read, at a share of alarms out of "
            f"{FALSE_ALARMS}"
        )


def _score_conversations(
    installation: Installation,
    model: MisuseDetector,
    domain: str,
    conversations: Sequence[tuple[UUID, UUID]],
    reader: StaffMember,
    ticket: str,
) -> list[ScoredConversation]:
    """Scores the conversations that may be opened; each reading is recorded first."""
    scored = []
    for account, conversation in conversations:
        text, last_turn = _read_text(installation, account, conversation, reader, ticket)
        if text is not None:
            score = float(model.judge([text], domain)[0])
            scored.append(
                ScoredConversation(
                    account=account, conversation=conversation, score=score, last_turn=last_turn
                )
            )
    return scored


def _scores(scored: Sequence[ScoredConversation]) -> Array:
    return np.array([conversation.score for conversation in scored])


def _read_text(
    installation: Installation, account: UUID, conversation: UUID, reader: StaffMember, ticket: str
) -> tuple[str | None, int]:
    """The person's text in a conversation, None if it may not be opened, and its last turn."""
    reading = Reading(
        staff=reader.staff_id,
        role=ReaderRole.privacy_officer,
        reason=ReadReason.misuse_review,
        ticket=ticket,
    )
    versions = load_policies(installation)
    with transaction(installation.pool) as tx:
        views = account_view.load_views(
            tx, [(account, conversation)], versions, installation.clock()
        ).get(conversation)
        turns = account_view.list_turns(tx, account, conversation)
        own_turns = [turn for turn in turns if turn.role is TurnRole.user][-TURNS_READ_MAX:]
        if views is None or not own_turns:
            return None, 0
        try:
            opened = staff_reads.read(
                tx, installation.keyring, views, own_turns, reading, installation.keyring.random
            )
        except DeniedError:  # erased or deleted since it was listed
            return None, 0
        return "\n".join(content.text for content in opened.values()), turns[-1].number
