"""The applied policy versions, as rows: applied once, in order, and never changed, except for a
later deadline.

A version's number is its position in the order of first instants. What was stamped under a version
names it by that number, so only a newer version can be added. A later `decide_by` changes only how
long people may wait. The newest version may therefore be amended by that, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache

import msgspec

from licet.errors import BrokenError, RefusedError
from licet.keys import fence
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.policy.file import Policies, Policy, from_document
from licet.store.connect import Transaction

PARSED_VERSIONS_MAX = 1_000


def add(tx: Transaction, policy: Policy, now: datetime, by: str) -> int:
    """Adds a version and returns its number; RefusedError if it is not newer than every other.

    A version with a past first instant would judge turns taken before it was known. Only the first
    version may have one, because nothing was taken before it.
    """
    tx.execute("LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE")
    known = load(tx)
    number = 0
    if known is not None:
        check_newer(known, policy, now)
        number = len(known)
    document = msgspec.json.encode(policy.document(), order="sorted").decode()
    tx.execute(
        """INSERT INTO policies (number, policy, version, effective, document, sha256, applied_at,
           applied_by)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            number,
            policy.policy,
            policy.version,
            policy.effective,
            document,
            policy.sha256(),
            now,
            by,
        ],
    )
    facts: dict[str, str | int | bool | None] = {"number": number, "sha256": policy.sha256().hex()}
    outbox.append(tx, [Entry(kind=EntryKind.policy_applied, occurred_at=now, facts=facts)])
    return number


def amends(newest: Policy, policy: Policy) -> bool:
    """Whether ``policy`` is ``newest`` with a later deadline, or without one."""
    if (
        newest.decide_by is None
        or msgspec.structs.replace(policy, decide_by=newest.decide_by) != newest
    ):
        return False
    return policy.decide_by is None or policy.decide_by > newest.decide_by


def amend(tx: Transaction, policy: Policy, now: datetime, by: str) -> int:
    """Moves the newest version's deadline to a later day; returns its number."""
    tx.execute("LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE")
    known = load(tx)
    if known is None or not amends(known[len(known) - 1], policy):
        raise RefusedError(
            "only the newest version's deadline can be moved, and only to a later day",
            because="amends",
        )
    number = len(known) - 1
    document = msgspec.json.encode(policy.document(), order="sorted").decode()
    tx.execute(
        "UPDATE policies SET (document, sha256, applied_at, applied_by) = (%s, %s, %s, %s) "
        "WHERE number = %s",
        [document, policy.sha256(), now, by, number],
    )
    facts: dict[str, str | int | bool | None] = {
        "number": number,
        "sha256": policy.sha256().hex(),
        "amends": known[number].sha256().hex(),
    }
    outbox.append(tx, [Entry(kind=EntryKind.policy_applied, occurred_at=now, facts=facts)])
    return number


def check_newer(policies: Policies, policy: Policy, now: datetime) -> None:
    """RefusedError unless ``policy`` is newer than every version of ``policies`` and is not
    effective before ``now``.
    """
    newest = policies[len(policies) - 1]
    if policy == newest:
        raise RefusedError(f"version `{policy.version}` is already applied", because="exists")
    if msgspec.structs.replace(policy, decide_by=newest.decide_by) == newest:
        deadline = "no day" if newest.decide_by is None else f"`{newest.decide_by}`"
        raise RefusedError(
            f"version `{policy.version}` was applied with {deadline} to decide by, but "
            f"`{policy.decide_by}` is earlier",
            "people were told how long they may wait: only a later `decide_by` can amend a version",
            because="earlier_deadline",
        )
    if policy.version in {version.version for version in policies.versions}:
        raise RefusedError(
            f"version `{policy.version}` is already applied, and this file has a different meaning",
            "give the change a new `version` and a later `effective`; only `decide_by` of "
            "an applied version can be moved later",
            because="not_newer",
        )
    if policy.effective <= newest.effective:
        raise RefusedError(
            f"version `{policy.version}` is not newer than `{newest.version}`",
            f"set `effective` to a day after `{newest.effective.date()}`",
            because="not_newer",
        )
    if policy.effective < now:
        raise RefusedError(
            f"version `{policy.version}` would be effective in the past",
            "set `effective` to a future day",
            because="effective_in_the_past",
        )


class AppliedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A stored version. ``document`` is its text as JSON."""

    document: str
    sha256: bytes
    applied_at: datetime
    applied_by: str


def block_changes(tx: Transaction) -> None:
    """Prevents applying or amending any version until ``tx`` ends."""
    tx.execute("LOCK TABLE policies IN SHARE MODE")


def newest_applied(tx: Transaction, limit: int) -> list[AppliedVersion]:
    """The newest ``limit`` versions, future ones included."""
    rows = tx.execute(
        "SELECT document, sha256, applied_at, applied_by FROM policies ORDER BY number DESC "
        "LIMIT %s",
        [limit],
    )
    return [
        AppliedVersion(document=d, sha256=sha256, applied_at=at, applied_by=by)
        for d, sha256, at, by in rows
    ]


def names(tx: Transaction) -> dict[int, str]:
    """The names of the versions, by number."""
    return dict(tx.execute("SELECT number, version FROM policies").fetchall())


def applied_count(tx: Transaction) -> int:
    row = tx.execute("SELECT count(*) FROM policies").fetchone()
    return int(row[0]) if row else 0


def texts(tx: Transaction, hashes: Collection[bytes] | None = None) -> dict[bytes, str]:
    """The text of every version by its hash, oldest first; with ``hashes``, only of these."""
    rows = tx.execute(
        """SELECT sha256, document FROM policies
            WHERE %(only)b::bytea[] IS NULL OR sha256 = ANY(%(only)b::bytea[]) ORDER BY number""",
        {"only": None if hashes is None else list(hashes)},
    )
    return {bytes(sha256): _parsed(document)[0].text().decode() for sha256, document in rows}


def load(tx: Transaction) -> Policies | None:
    """All versions; None before the first. BrokenError if a stored one is not what was applied."""
    rows = tx.execute("SELECT document, sha256, version FROM policies ORDER BY number").fetchall()
    versions = []
    for document, sha256, version in rows:
        policy, digest = _parsed(document)
        if digest != sha256:
            raise BrokenError(f"policy version `{version}` is not the one that was applied")
        versions.append(policy)
    return Policies(versions) if versions else None


def applied(tx: Transaction) -> Policies:
    """All versions; RefusedError before the first is applied."""
    versions = load(tx)
    if versions is None:
        raise RefusedError(
            "no policy has been applied", "run `licet init` first", because="no_policy"
        )
    return versions


def current(tx: Transaction) -> Policies:
    """`applied` for frequent callers: reads the documents only if they changed. FencedError behind
    the fence.
    """
    row = tx.execute(f"SELECT {MARK}").fetchone()
    assert row is not None
    return load_marked(tx, *row)


def load_marked(tx: Transaction, hashes: Sequence[bytes] | None, is_fenced: bool) -> Policies:
    """`current` for a caller that has read the `MARK` in another statement; FencedError behind the
    fence.
    """
    if is_fenced:
        raise fence.fenced_error()
    mark = tuple(hashes or ())
    versions = _current.get(mark)
    if versions is None:
        versions = applied(tx)
        if len(_current) >= PARSED_VERSIONS_MAX:
            _current.clear()
        _current[mark] = versions
    return versions


# The SHA-256 of every version, in order, and whether the fence stands.
MARK = f"(SELECT array_agg(sha256 ORDER BY number) FROM policies), {fence.STANDS}"
# by the SHA-256 of every version, which identify their content
_current: dict[tuple[bytes, ...], Policies] = {}


@lru_cache(maxsize=PARSED_VERSIONS_MAX)
def _parsed(document: str) -> tuple[Policy, bytes]:
    """The policy in a stored document, and its SHA-256; cached."""
    policy = from_document(msgspec.json.decode(document), file="the policies table")
    return policy, policy.sha256()
