"""Keys of services: 256 random bits, shown once; what is kept is their SHA-256.

A key is `licet_` + the id of its row + `_` + the secret. A key that is revoked is refused at once by the database,
and within `REMEMBERED_SECONDS_MAX` by a process that has just looked it up.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from licet.errors import NotFoundError, RefusedError, UsageError
from licet.store.connect import Transaction
from licet.vault import restricting
from licet.vault.ids import uuid7
from licet.vault.restrictions import Journal
from licet.web.roles import Scope, Service

REMEMBERED_SECONDS_MAX = 1.0
SECRET_BYTES = 32
PREFIX = "licet_"
_KEY = re.compile(r"licet_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret."""

    key_id: UUID
    name: str
    scopes: tuple[Scope, ...]
    made_at: datetime
    revoked_at: datetime | None


def make(tx: Transaction, name: str, scopes: Iterable[Scope], at: datetime, random: Callable[[int], bytes]) -> str:
    """Makes a key and returns it, for the only time; RefusedError where the name is taken."""
    granted = sorted({scope.value for scope in scopes})
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"`{name}` is not a name for a key", "use lower-case letters, digits, `-`, `_` and `.`")
    if not granted:
        raise UsageError("a key needs a scope", f"scopes are {', '.join(Scope)}")
    key_id, secret = uuid7(at, random(10)), base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode()
    made = tx.execute(
        """INSERT INTO api_keys (key_id, name, secret_sha256, scopes, made_at) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (name) DO NOTHING RETURNING key_id""",
        [key_id, name, hashlib.sha256(secret.encode()).digest(), granted, at],
    ).fetchone()
    if made is None:
        raise RefusedError(f"there is a key `{name}` already", "give it another name", because="exists")
    return f"{PREFIX}{key_id.hex}_{secret}"


def every(tx: Transaction) -> list[Key]:
    """All keys, the newest last."""
    rows = tx.execute("SELECT key_id, name, scopes, made_at, revoked_at FROM api_keys ORDER BY key_id").fetchall()
    return [
        Key(key_id=key_id, name=name, scopes=tuple(map(Scope, scopes)), made_at=made_at, revoked_at=revoked_at)
        for key_id, name, scopes, made_at, revoked_at in rows
    ]


def revoke(tx: Transaction, name: str, at: datetime, journal: Journal | None) -> None:
    """Revokes a key, which no restore brings back; a second time changes nothing."""
    known = tx.execute(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, %s) WHERE name = %s RETURNING key_id", [at, name]
    ).fetchone()
    if known is None:
        raise NotFoundError(f"no key `{name}`", "`licet key list` shows them")
    restricting.keep_key(tx, journal, known[0], at)


def find(tx: Transaction, text: str) -> Service | None:
    """The service whose key ``text`` is, unless it was revoked."""
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    row = tx.execute(
        "SELECT name, secret_sha256, scopes FROM api_keys WHERE key_id = %s AND revoked_at IS NULL", [UUID(match[1])]
    ).fetchone()
    if row is None or not hmac.compare_digest(row[1], hashlib.sha256(match[2].encode()).digest()):
        return None
    return Service(key_id=UUID(match[1]), name=row[0], scopes=frozenset(map(Scope, row[2])))
