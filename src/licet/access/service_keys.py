"""Keys of services: 256 random bits, shown once; what is stored is their SHA-256.

A key is `licet_` + the id of its row + `_` + the secret. A key that leases row keys is bound to a
recipient and to releases, one that acknowledges events to an endpoint: its holder can act for
nobody else. A key that was revoked or limited, or has expired, is refused at once by the database,
and within `REMEMBERED_SECONDS_MAX` by a process that has just looked it up.

A change of limits names the version that its author saw: a change based on an older one is refused.
Each change is on record with its author, its reason and the limits until then, and goes to the
restriction journal: a restore keeps it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
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
NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_RELEASES = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\*?|\*")
RELEASES_MAX = 100
RATE_MAX = 1_000_000
REASON_CHARACTERS_MAX = 500


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a key: scopes, releases, rate and expiry; None is no limit of its own."""

    scopes: tuple[Scope, ...]
    releases: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    expires_at: datetime | None = None


class KeyAct(msgspec.Struct, frozen=True, kw_only=True):
    """The author, reason and time of a change."""

    by: str
    reason: str
    at: datetime


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded change: `limited` or `revoked`. ``was`` are the limits before it."""

    version: int
    act: str
    at: datetime
    by: str
    reason: str
    was: KeyLimits


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
    requests_per_minute: int | None
    expires_at: datetime | None
    version: int

    @property
    def limits(self) -> KeyLimits:
        return KeyLimits(
            scopes=self.scopes,
            releases=self.releases,
            requests_per_minute=self.requests_per_minute,
            expires_at=self.expires_at,
        )

    def state(self, now: datetime) -> str:
        """`revoked`, `expired` or `valid`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


def create_key(
    tx: Transaction,
    name: str,
    scopes: Iterable[Scope],
    now: datetime,
    random: Callable[[int], bytes],
    bound: KeyBinding = UNBOUND,
    *,
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Creates a key and returns it, for the only time; RefusedError if the name is taken."""
    granted = sorted({scope.value for scope in scopes})
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"`{name}` is not a name for a key", "use lower-case letters, digits, `-`, `_` and `.`"
        )
    _check(granted, bound)
    _check_limits(requests_per_minute, expires_at, now)
    key_id = uuid7(now, random(10))
    secret = base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode()
    made = tx.execute(
        """INSERT INTO api_keys (key_id, name, secret_sha256, scopes, made_at, recipient, own,
                                 releases, endpoint_id,
                                 requests_per_minute, expires_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING
             RETURNING key_id""",
        [
            key_id,
            name,
            hashlib.sha256(secret.encode()).digest(),
            granted,
            now,
            bound.recipient,
            bound.own,
            list(bound.releases) if bound.recipient is not None else None,
            bound.endpoint,
            requests_per_minute,
            expires_at,
        ],
    ).fetchone()
    if made is None:
        raise RefusedError(
            f"there is a key `{name}` already", "give it another name", because="exists"
        )
    return f"{PREFIX}{key_id.hex}_{secret}"


def _check(granted: Collection[str], bound: KeyBinding) -> None:
    """UsageError unless a key has a scope, one that leases a recipient and releases, one that
    acknowledges an endpoint, and no other key has either.
    """
    if not granted:
        raise UsageError("a key needs a scope", f"scopes are {', '.join(Scope)}")
    leases, answers = Scope.release_lease in granted, Scope.events_acknowledge in granted
    if (
        leases != (bound.recipient is not None)
        or leases != bool(bound.releases)
        or (bound.own and not leases)
    ):
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
            f"`{bound.recipient}` is no name of a recipient",
            "use lower-case letters, digits, `-`, `_`, `.`",
        )
    wrong = next(
        (release for release in bound.releases if _RELEASES.fullmatch(release) is None), None
    )
    if wrong is not None or len(bound.releases) > RELEASES_MAX:
        raise UsageError(
            f"`{wrong}` is no name of a release"
            if wrong
            else f"a key is bound to {RELEASES_MAX} releases at most",
            "name a release, or the beginning of names before a `*`",
        )


def _check_limits(rate: int | None, expires_at: datetime | None, now: datetime) -> None:
    if rate is not None and not 1 <= rate <= RATE_MAX:
        raise UsageError(f"`{rate}` requests a minute: a key may have from 1 to {RATE_MAX}")
    if expires_at is not None and expires_at <= now:
        raise UsageError("a key expires in the future", "to end it now, revoke it")


_SELECT = """SELECT k.key_id, k.name, k.scopes, k.made_at, k.revoked_at, k.recipient, k.own,
       coalesce(k.releases, '{}'),
       p.name AS endpoint, k.requests_per_minute, k.expires_at, k.version
  FROM api_keys k LEFT JOIN endpoints p USING (endpoint_id)"""


def list_keys(tx: Transaction) -> list[ServiceKey]:
    """The newest last."""
    return [_key(row) for row in tx.execute(f"{_SELECT} ORDER BY k.key_id").fetchall()]


def find_by_name(tx: Transaction, name: str) -> ServiceKey:
    """The key with a name; NotFoundError."""
    row = tx.execute(f"{_SELECT} WHERE k.name = %s", [name]).fetchone()
    if row is None:
        raise NotFoundError(f"no key `{name}`", "`licet api-key list` shows them")
    return _key(row)


def _key(row: Sequence[Any]) -> ServiceKey:
    values = dict(zip(ServiceKey.__struct_fields__, row, strict=True))
    return ServiceKey(
        **{
            **values,
            "scopes": tuple(map(Scope, values["scopes"])),
            "releases": tuple(values["releases"]),
        }
    )


def list_changes(tx: Transaction, key: UUID) -> list[KeyChange]:
    """Newest first."""
    rows = tx.execute(
        """SELECT version, act, changed_at, changed_by, reason, scopes, coalesce(releases, '{}'),
                  requests_per_minute,
                  expires_at
             FROM api_key_changes WHERE key_id = %s ORDER BY version DESC""",
        [key],
    ).fetchall()
    return [
        KeyChange(
            version=version,
            act=act,
            at=at,
            by=by,
            reason=reason,
            was=KeyLimits(
                scopes=tuple(map(Scope, scopes)),
                releases=tuple(releases),
                requests_per_minute=rate,
                expires_at=expires,
            ),
        )
        for version, act, at, by, reason, scopes, releases, rate, expires in rows
    ]


# Changes


def set_limits(
    tx: Transaction,
    name: str,
    limits: KeyLimits,
    act: KeyAct,
    journal: Journal | None,
    *,
    version: int,
) -> ServiceKey:
    """Gives a key other limits, at once; RefusedError if it is not at ``version`` any more, or is
    revoked.

    Its binding stays, even without the scope for it: another recipient or endpoint needs another
    key.
    """
    known = _locked(tx, name)
    if known.revoked_at is not None:
        raise RefusedError(f"the key `{name}` is revoked", "make another one", because="revoked")
    if known.version != version:
        raise RefusedError(
            f"the key `{name}` was changed meanwhile: it is at version `{known.version}`, "
            f"not `{version}`",
            "look at it again, and decide anew",
            because="changed",
        )
    _check_limits(limits.requests_per_minute, limits.expires_at, act.at)
    leases = Scope.release_lease in limits.scopes
    answers = Scope.events_acknowledge in limits.scopes
    bound = KeyBinding(
        recipient=known.recipient if leases else None,
        own=known.own and leases,
        releases=limits.releases if leases else (),
        # `_check` only asks whether it is bound
        endpoint=known.key_id if answers and known.endpoint is not None else None,
    )
    _check({scope.value for scope in limits.scopes}, bound)
    limits = limits if leases else msgspec.structs.replace(limits, releases=known.releases)
    _record(tx, known, "limited", act)
    _set_limits(tx, known.key_id, limits, known.version + 1)
    document = msgspec.json.encode(limits).decode()
    restriction.record_key_limits(tx, journal, known.key_id, act.at, known.version + 1, document)
    return find_by_name(tx, name)


def _locked(tx: Transaction, name: str) -> ServiceKey:
    tx.execute("SELECT FROM api_keys WHERE name = %s FOR UPDATE", [name])
    return find_by_name(tx, name)


def _record(tx: Transaction, key: ServiceKey, change: str, act: KeyAct) -> None:
    if not act.reason.strip() or len(act.reason) > REASON_CHARACTERS_MAX:
        raise UsageError(f"say why, in {REASON_CHARACTERS_MAX} characters at most")
    tx.execute(
        """INSERT INTO api_key_changes (key_id, version, act, changed_at, changed_by, reason,
                                        scopes, releases,
                                        requests_per_minute, expires_at)
           SELECT key_id, version, %s, %s, %s, %s, scopes, releases, requests_per_minute, expires_at
             FROM api_keys WHERE key_id = %s""",
        [change, act.at, act.by, act.reason.strip(), key.key_id],
    )


def _set_limits(tx: Transaction, key: UUID, limits: KeyLimits, version: int) -> bool:
    """Sets the limits of a key that is below ``version``, which it then has."""
    done = tx.execute(
        """UPDATE api_keys SET scopes = %s, releases = CASE WHEN recipient IS NULL THEN NULL
                               ELSE %s::text[] END,
                               requests_per_minute = %s, expires_at = %s, version = %s
            WHERE key_id = %s AND version < %s""",
        [
            sorted({scope.value for scope in limits.scopes}),
            list(limits.releases),
            limits.requests_per_minute,
            limits.expires_at,
            version,
            key,
            version,
        ],
    )
    return done.rowcount == 1


def restore_limits(tx: Transaction, key: UUID, version: int, document: str) -> bool:
    """Sets the limits of the restriction journal on a key that a restore brought back; False if it
    has them already.
    """
    return _set_limits(tx, key, msgspec.json.decode(document, type=KeyLimits), version)


def revoke(tx: Transaction, name: str, act: KeyAct, journal: Journal | None) -> None:
    """Revokes a key for good: a restore keeps it revoked. Idempotent."""
    known = _locked(tx, name)
    if known.revoked_at is None:
        _record(tx, known, "revoked", act)
        tx.execute("UPDATE api_keys SET revoked_at = %s WHERE key_id = %s", [act.at, known.key_id])
    restriction.record_key_revocation(tx, journal, known.key_id, known.revoked_at or act.at)


def restore_revocation(tx: Transaction, key: UUID, now: datetime) -> bool:
    """Revokes a key that a restore brought back, as named by the restriction journal; False if
    there is no such valid key.
    """
    revoked = tx.execute(
        "UPDATE api_keys SET revoked_at = %s WHERE key_id = %s AND revoked_at IS NULL", [now, key]
    )
    return revoked.rowcount == 1


def revoke_all(tx: Transaction, now: datetime) -> int:
    """Revokes every key, when the restored journal cannot tell which were revoked; returns how
    many.
    """
    return tx.execute(
        "UPDATE api_keys SET revoked_at = %s WHERE revoked_at IS NULL", [now]
    ).rowcount


def find(tx: Transaction, text: str, now: datetime) -> Service | None:
    """The service with the key ``text``; None if it is unknown, revoked or expired."""
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    row = tx.execute(
        """SELECT name, secret_sha256, scopes, recipient, own, releases, endpoint_id,
            requests_per_minute FROM api_keys
            WHERE key_id = %s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %s)""",
        [UUID(match[1]), now],
    ).fetchone()
    if row is None or not hmac.compare_digest(row[1], hashlib.sha256(match[2].encode()).digest()):
        return None
    bound = KeyBinding(recipient=row[3], own=row[4], releases=tuple(row[5] or ()), endpoint=row[6])
    return Service(
        key_id=UUID(match[1]),
        name=row[0],
        scopes=frozenset(map(Scope, row[2])),
        bound=bound,
        requests_per_minute=row[7],
    )
