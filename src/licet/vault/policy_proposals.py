"""Proposals of a policy version, as rows: what somebody sent, until another person applies it or
one withdraws it.

Promise: a proposal ends once, and nobody applies their own; the table's constraints hold both.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.errors import NotFoundError
from licet.store.connect import Transaction
from licet.vault.ids import Prefix, format_id

LISTED_MAX = 100


class ProposalState(StrEnum):
    """The state of a proposal: open, or how it ended."""

    open = "open"
    withdrawn = "withdrawn"
    applied = "applied"


class ProposalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal. ``text`` is the submitted file; ``reason`` was given at its end. The identities
    are the identity provider's (`access.identities`); None for a link and on the command line.
    """

    proposal_id: UUID
    version: str
    text: str
    proposed_at: datetime
    proposed_by: str
    proposed_identity: bytes | None
    state: ProposalState
    ended_at: datetime | None
    ended_by: str | None
    ended_identity: bytes | None
    reason: str

    @property
    def shown_id(self) -> str:
        return format_id(Prefix.proposal, self.proposal_id)


_COLUMNS = ", ".join(ProposalRow.__struct_fields__)


def add(
    tx: Transaction,
    proposal: UUID,
    sha256: bytes,
    version: str,
    text: str,
    now: datetime,
    by: str,
    identity: bytes | None,
) -> UUID:
    """Stores a proposal and returns its id; that of an open equal proposal, if there is one."""
    tx.execute(
        """INSERT INTO policy_proposals (
               proposal_id, policy_sha256, version, text, proposed_at, proposed_by,
                 proposed_identity, state)
           VALUES (%s, %s, %s, %s, %s, %s, %s, 'open')
           ON CONFLICT (policy_sha256) WHERE state = 'open' DO NOTHING""",
        [proposal, sha256, version, text, now, by, identity],
    )
    row = tx.execute(
        "SELECT proposal_id FROM policy_proposals WHERE policy_sha256 = %s AND state = 'open'",
        [sha256],
    ).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def get(tx: Transaction, proposal: UUID, *, lock: bool = False) -> ProposalRow:
    """A proposal, optionally locked until ``tx`` ends; NotFoundError."""
    row = tx.execute(
        f"SELECT {_COLUMNS} FROM policy_proposals WHERE proposal_id = %s "
        f"{'FOR UPDATE' if lock else ''}",
        [proposal],
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no proposal `{format_id(Prefix.proposal, proposal)}`")
    return _row(row)


def newest(tx: Transaction) -> list[ProposalRow]:
    """The open proposals, then the newest others, at most `LISTED_MAX`."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM policy_proposals ORDER BY state <> 'open', proposed_at "
        "DESC LIMIT %s",
        [LISTED_MAX],
    )
    return [_row(row) for row in rows]


def second_identity(tx: Transaction, policy_sha256: bytes) -> bool:
    """Whether different identities proposed and applied a version; False for one applied
    as a file.
    """
    row = tx.execute(
        """SELECT 1 FROM policy_proposals
            WHERE policy_sha256 = %s AND state = 'applied'
              AND proposed_identity <> ended_identity""",
        [policy_sha256],
    ).fetchone()
    return row is not None


def end(
    tx: Transaction,
    proposal: UUID,
    state: ProposalState,
    now: datetime,
    by: str,
    identity: bytes | None,
    reason: str,
) -> None:
    """Ends an open proposal, which the caller has locked."""
    tx.execute(
        """UPDATE policy_proposals SET (state, ended_at, ended_by, ended_identity, reason) = (%s,
            %s, %s, %s, %s)
            WHERE proposal_id = %s AND state = 'open'""",
        [state.value, now, by, identity, reason, proposal],
    )


def _row(row: tuple[object, ...]) -> ProposalRow:
    return msgspec.convert(dict(zip(ProposalRow.__struct_fields__, row, strict=True)), ProposalRow)
