"""Keys of services: 256 random bits, shown once; what is stored is their SHA-256.

A key is `licet_` + the id of its row + `_` + the secret. A key that leases row keys is bound to a recipient and to
releases, one that acknowledges events to an endpoint: its holder can act for nobody else. A revoked key is refused at
once by the database, and within `REMEMBERED_SECONDS_MAX` by a process that has just looked it up.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from licet.access.roles import UNBOUND, KeyBinding, Scope, Service
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.keys.restriction_journal import Journal
from licet.store.connect import Transaction
from licet.vault import restriction
from licet.vault.ids import uuid7

REMEMBERED_SECONDS_MAX = 1.0
SECRET_BYTES = 32
PREFIX = "licet_"
_KEY = re.compile(r"licet_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_RELEASES = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\*?|\*")
RELEASES_MAX = 100


class ServiceKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret. ``endpoint`` is the name of the one that it acknowledges for."""

    key_id: UUID
    name: str
    scopes: tuple[Scope, ...]
    made_at: datetime
    revoked_at: datetime | None
    recipient: str | None
    own: bool
    releases: tuple[str, ...]
    endpoint: str | None


def make(
    tx: Transaction, name: str, scopes: Iterable[Scope], at: datetime, random: Callable[[int], bytes],
    bound: KeyBinding = UNBOUND,
) -> str:  # fmt: skip
    """Creates a key and returns it, for the only time; RefusedError if the name is taken."""
    granted = sorted({scope.value for scope in scopes})
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"`{name}` is not a name for a key", "use lower-case letters, digits, `-`, `_` and `.`")
    if not granted:
        raise UsageError("a key needs a scope", f"scopes are {', '.join(Scope)}")
    _check(granted, bound)
    key_id, secret = uuid7(at, random(10)), base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode()
    made = tx.execute(
        """INSERT INTO api_keys (key_id, name, secret_sha256, scopes, made_at, recipient, own, releases, endpoint_id)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING RETURNING key_id""",
        [
            key_id, name, hashlib.sha256(secret.encode()).digest(), granted, at, bound.recipient, bound.own,
            list(bound.releases) if bound.recipient is not None else None, bound.endpoint,
        ],
    ).fetchone()  # fmt: skip
    if made is None:
        raise RefusedError(f"there is a key `{name}` already", "give it another name", because="exists")
    return f"{PREFIX}{key_id.hex}_{secret}"


def _check(granted: Collection[str], bound: KeyBinding) -> None:
    """UsageError unless a key that leases has a recipient and releases, one that acknowledges has an endpoint, and no
    other key has either.
    """
    leases, answers = Scope.release_lease in granted, Scope.events_acknowledge in granted
    if leases != (bound.recipient is not None) or leases != bool(bound.releases) or (bound.own and not leases):
        raise UsageError(
            f"a recipient and releases go with the scope `{Scope.release_lease}`, and it with them",
            "name who holds the row keys, and of which releases: --recipient NAME --release NAME",
        )
    if answers != (bound.endpoint is not None):
        raise UsageError(
            f"an endpoint goes with the scope `{Scope.events_acknowledge}`, and it with one",
            "name the endpoint that the key acknowledges for: --endpoint NAME",
        )
    if bound.recipient is not None and _NAME.fullmatch(bound.recipient) is None:
        raise UsageError(
            f"`{bound.recipient}` is no name of a recipient", "use lower-case letters, digits, `-`, `_`, `.`"
        )
    wrong = next((one for one in bound.releases if _RELEASES.fullmatch(one) is None), None)
    if wrong is not None or len(bound.releases) > RELEASES_MAX:
        raise UsageError(
            f"`{wrong}` is no name of a release" if wrong else f"a key is bound to {RELEASES_MAX} releases at most",
            "name a release, or the beginning of names before a `*`",
        )


def every(tx: Transaction) -> list[ServiceKey]:
    """All keys, the newest last."""
    rows = tx.execute(
        """SELECT k.key_id, k.name, k.scopes, k.made_at, k.revoked_at, k.recipient, k.own, k.releases, p.name
             FROM api_keys k LEFT JOIN endpoints p USING (endpoint_id) ORDER BY k.key_id"""
    ).fetchall()
    return [
        ServiceKey(
            key_id=key_id, name=name, scopes=tuple(map(Scope, scopes)), made_at=made_at, revoked_at=revoked_at,
            recipient=recipient, own=own, releases=tuple(releases or ()), endpoint=endpoint,
        )
        for key_id, name, scopes, made_at, revoked_at, recipient, own, releases, endpoint in rows
    ]  # fmt: skip


def revoke(tx: Transaction, name: str, at: datetime, journal: Journal | None) -> None:
    """Revokes a key, which no restore brings back; a repetition changes nothing."""
    known = tx.execute(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, %s) WHERE name = %s RETURNING key_id", [at, name]
    ).fetchone()
    if known is None:
        raise NotFoundError(f"no key `{name}`", "`licet api-key list` shows them")
    restriction.keep_key(tx, journal, known[0], at)


def revoke_again(tx: Transaction, key: UUID, at: datetime) -> bool:
    """Revokes a key that a restore brought back, as named by the restriction journal; False if there is no such valid
    key.
    """
    revoked = tx.execute(
        "UPDATE api_keys SET revoked_at = %s WHERE key_id = %s AND revoked_at IS NULL", [at, key]
    )  # fmt: skip
    return revoked.rowcount == 1


def find(tx: Transaction, text: str) -> Service | None:
    """The service that the key ``text`` belongs to, unless it was revoked."""
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    row = tx.execute(
        """SELECT name, secret_sha256, scopes, recipient, own, releases, endpoint_id FROM api_keys
            WHERE key_id = %s AND revoked_at IS NULL""",
        [UUID(match[1])],
    ).fetchone()
    if row is None or not hmac.compare_digest(row[1], hashlib.sha256(match[2].encode()).digest()):
        return None
    bound = KeyBinding(recipient=row[3], own=row[4], releases=tuple(row[5] or ()), endpoint=row[6])
    return Service(key_id=UUID(match[1]), name=row[0], scopes=frozenset(map(Scope, row[2])), bound=bound)
