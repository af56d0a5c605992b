"""Compares two releases: their manifests, and which rows were added or removed, and why.

A row has a different id in every release, so rows are compared by their conversation. A release's
proofs state why a conversation is not in it. A reason that reveals something about a person is a
commitment, which the salt of their account opens; once the account's key is destroyed, nobody can.
The result contains no id, pseudonym or content.
"""

from __future__ import annotations

import gzip
import hmac
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from licet.keys.keyring import Keyring
from licet.keys.log_keys import LogKeys
from licet.ledger import entries
from licet.policy.decide import DecisionReason
from licet.release.curation import LeftOut
from licet.release.manifest import PROOF_NAMES, ReleaseManifest
from licet.release.proofs import OPEN_REASONS
from licet.release.registry import Release
from licet.store.connect import Transaction

ACCOUNTS_MAX = 500
NEW, GONE, ERASED = "new", "gone", "erased"
HIDDEN_REASONS = sorted(
    ({one.value for one in DecisionReason} | {one.value for one in LeftOut}) - OPEN_REASONS
)

Plain: TypeAlias = str | int
_Moved: TypeAlias = tuple[UUID, UUID, int]


class DiffSide(msgspec.Struct, frozen=True, kw_only=True):
    """One of the compared releases: folder, manifest and record."""

    folder: Path
    manifest: ReleaseManifest
    known: Release


class ManifestChange(msgspec.Struct, frozen=True):
    key: str
    old: Plain
    new: Plain


class ReleaseDiff(msgspec.Struct, frozen=True, kw_only=True):
    """``kept`` rows are in both. ``came``: added rows by why the older release lacks them;
    ``went``: removed rows by why the newer does.

    ``new`` was not a candidate then, ``gone`` no longer is; of ``erased`` the reason is unknown,
    since its keys are destroyed.
    """

    changes: tuple[ManifestChange, ...]
    kept: int
    came: dict[str, int]
    went: dict[str, int]


def diff(tx: Transaction, keyring: Keyring, old: DiffSide, new: DiffSide) -> ReleaseDiff:
    ids = {"old": old.known.release_id, "new": new.known.release_id}
    came: list[_Moved] = []
    went: list[_Moved] = []
    common = 0
    for account, conversation, before, after in tx.execute(_COUNTED, ids):
        common += min(before, after)
        if after > before:
            came.append((account, conversation, after - before))
        elif before > after:
            went.append((account, conversation, before - after))
    return ReleaseDiff(
        changes=tuple(_changes(old.manifest, new.manifest)),
        kept=common,
        came=_reasons(tx, keyring, old, came, NEW),
        went=_reasons(tx, keyring, new, went, GONE),
    )


_COUNTED = """
    SELECT account_id, conversation_id, count(*) FILTER (WHERE release_id = %(old)s),
           count(*) FILTER (WHERE release_id = %(new)s)
      FROM release_rows WHERE release_id IN (%(old)s, %(new)s) GROUP BY account_id, conversation_id
     ORDER BY account_id, conversation_id"""


def _changes(old: ReleaseManifest, new: ReleaseManifest) -> Iterator[ManifestChange]:
    before, after = _promises(old), _promises(new)
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key, 0), after.get(key, 0)
        if one != other:
            yield ManifestChange(key, one, other)


def _promises(of: ReleaseManifest) -> dict[str, Plain]:
    """The comparable values of a manifest, in the order in which they are shown."""
    return {
        "purpose": of.purpose,
        "policy": f"{of.policy.name} {of.policy.version}",
        "policy.sha256": of.policy.sha256,
        "curation.plan": of.curation.plan if of.curation else "none",
        "rules": of.deidentification.rules,
        "rules.sha256": of.deidentification.sha256,
        "licet": of.licet,
        "rows": of.rows,
        "candidates": of.counts.candidates,
        "included": of.counts.included,
        **{f"left out: {reason}": count for reason, count in sorted(of.counts.dropped.items())},
        **{
            f"replaced: {kind}": count for kind, count in sorted(of.deidentification.counts.items())
        },
    }


def _reasons(
    tx: Transaction, keyring: Keyring, side: DiffSide, moved: list[_Moved], otherwise: str
) -> dict[str, int]:
    """Counts rows of conversations that are not in ``side``, by reason."""
    salts = _salts(tx, keyring, side, {account for account, _, _ in moved})
    counted: Counter[str] = Counter()
    wanted: dict[str, tuple[bytes, int]] = {}
    for account, conversation, rows in moved:
        if account not in salts:
            counted[ERASED] += rows
        else:
            salt = salts[account]
            wanted[entries.conversation_pseudonym(salt, conversation)] = salt, rows
    for handle, out, salted in _candidates(side.folder, wanted):
        salt, rows = wanted.pop(handle)
        counted[_first(side.known.release_id, handle, salt, out, salted) or otherwise] += rows
    counted[otherwise] += sum(rows for _, rows in wanted.values())
    return dict(sorted((+counted).items()))


def _salts(
    tx: Transaction, keyring: Keyring, side: DiffSide, accounts: Collection[UUID]
) -> dict[UUID, bytes]:
    """The salts of accounts with existing keys, for the release's year."""
    keys, ordered = LogKeys(keyring), sorted(accounts)
    salts: dict[UUID, bytes] = {}
    for start in range(0, len(ordered), ACCOUNTS_MAX):
        log_keys = keys.log_keys(
            tx, ordered[start : start + ACCOUNTS_MAX], side.known.begun_at.year
        )
        salts |= {account: entries.derive_salt(key) for account, key in log_keys.items()}
    return salts


def _candidates(
    folder: Path, conversations: Collection[str]
) -> Iterator[tuple[str, dict[str, int], dict[str, int]]]:
    """(handle, open reasons, commitments) of the ``conversations`` candidates of a release."""
    with gzip.open(folder / PROOF_NAMES["candidates"]) as lines:
        for line in lines:
            one: dict[str, Any] = msgspec.json.decode(line)
            if one["conversation"] in conversations:
                yield one["conversation"], one["out"], one["salted"]


def _first(
    release_id: UUID, handle: str, salt: bytes, out: Mapping[str, int], salted: Mapping[str, int]
) -> str:
    """The reason against most turns of a conversation; empty if none was excluded."""
    about = b"why" + release_id.bytes + bytes.fromhex(handle)
    named = {
        hmac.digest(salt, about + reason.encode(), "sha256").hex(): reason
        for reason in HIDDEN_REASONS
    }
    counted = Counter(dict(out))
    for commitment, count in salted.items():
        counted[named.get(commitment, "unknown")] += count
    return max(sorted(counted), key=counted.__getitem__) if counted else ""
