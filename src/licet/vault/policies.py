"""The policy versions in force, as rows: applied once, in order, never changed.

A version's number is its place in the order of first instants; what was stamped under it names it by number, so
only a newer version can be added.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from licet.errors import BrokenError, RefusedError
from licet.ledger import outbox
from licet.ledger.outbox import Entry, Told
from licet.policy.file import Policies, Policy, read
from licet.store.connect import Transaction


def add(tx: Transaction, policy: Policy, at: datetime, by: str) -> int:
    """Adds a version and returns its number; RefusedError where it is not newer than every other.

    A version whose first instant has passed would judge what was taken before it was known: only the first one
    may, as nothing was taken before it.
    """
    tx.execute("LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE")
    known = load(tx)
    number = 0
    if known is not None:
        newest = known[len(known) - 1]
        number = len(known)
        if policy.effective <= newest.effective or policy.version == newest.version:
            raise RefusedError(
                f"version `{policy.version}` is not newer than `{newest.version}`",
                "give it a later `effective` and a `version` of its own",
                because="not_newer",
            )
        if policy.effective < at:
            raise RefusedError(
                f"version `{policy.version}` would be effective in the past",
                "set `effective` to a day to come",
                because="effective_in_the_past",
            )
    document = msgspec.json.encode(policy.document(), order="sorted").decode()
    tx.execute(
        """INSERT INTO policies (number, policy, version, effective, document, sha256, applied_at, applied_by)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [number, policy.policy, policy.version, policy.effective, document, policy.sha256(), at, by],
    )
    facts: dict[str, str | int | bool | None] = {"number": number, "sha256": policy.sha256().hex()}
    outbox.append(tx, [Entry(told=Told.policy_applied, occurred_at=at, facts=facts)])
    return number


def load(tx: Transaction) -> Policies | None:
    """Every version, or None before the first; BrokenError where a stored one is not what was applied."""
    rows = tx.execute("SELECT document, sha256, version FROM policies ORDER BY number").fetchall()
    versions = []
    for document, sha256, version in rows:
        policy = read(msgspec.json.decode(document), file="the policies table")
        if policy.sha256() != sha256:
            raise BrokenError(f"policy version `{version}` is not the one that was applied")
        versions.append(policy)
    return Policies(versions) if versions else None
