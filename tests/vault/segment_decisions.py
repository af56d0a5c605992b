"""The decision of `vault.population` on every segment and turn, as the tests of the rule's twins
compare it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from licet.policy.decide import SAFETY, DecisionReason
from licet.policy.file import Policies
from licet.policy.state import TurnState
from licet.store.connect import Transaction
from licet.vault.population import DECISIONS, Rank, for_many, parameters

BECAUSE: dict[Rank, DecisionReason] = {
    rank: DecisionReason.purpose
    if rank in (Rank.NOT_ASKED, Rank.NOT_COVERED)
    else DecisionReason(rank.name.lower())
    for rank in Rank
    if rank is not Rank.STANDING
}


@dataclass(frozen=True)
class SegmentDecision:
    """The decision on a segment, and what the decision on one of its turns needs in addition."""

    account: UUID
    conversation: UUID
    segment: int
    rank: Rank
    standing: str
    until: datetime
    flagged_turn: int
    safety_until: datetime | None
    version: int
    turns: int

    @property
    def because(self) -> DecisionReason:
        """The reason for a turn of a listed origin that no flag covers."""
        return DecisionReason(self.standing) if self.rank is Rank.STANDING else BECAUSE[self.rank]

    def of_turn(
        self, turn: TurnState, policies: Policies, purpose: str, at: datetime
    ) -> tuple[DecisionReason, datetime | None]:
        """The reason and the end for one turn: the flag and the origin applied to the segment's
        decision.
        """
        if self.rank > Rank.AGE and purpose == SAFETY and turn.number <= self.flagged_turn:
            safety_until = self.safety_until
            if safety_until is not None and at < safety_until:
                return DecisionReason.flagged, safety_until
        if (
            self.rank > Rank.NOT_COVERED
            and turn.origin not in policies.terms(self.version, policies.number(at)).origins
        ):
            return DecisionReason.origin, None
        return self.because, self.until if self.rank is Rank.PERMITTED else None


def decisions(
    tx: Transaction, policies: Policies, purpose: str, at: datetime
) -> Iterator[SegmentDecision]:
    """The decision on every segment, in no order."""
    with for_many(tx):
        rows = tx.execute(DECISIONS, parameters(policies, purpose, at)).fetchall()
    for account, conversation, segment, rank, *rest in rows:
        yield SegmentDecision(account, conversation, segment, Rank(rank), *rest)
