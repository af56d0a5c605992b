"""Sessions of browsers: an opaque cookie of 256 random bits, of which only the SHA-256 is stored
(ASVS 5.0, chapter 7).

A session ends after an idle time, after an absolute one, and when it is signed out. A person's
begins with a token of the host application, which can be used once; that of staff with the identity
provider, or with a link created on the machine. Roles that were given here are read again with
every request. The CSRF token is an HMAC under the cookie's secret, so that it needs no storage.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from licet.access.roles import Person, Staff, StaffRole, UnauthenticatedError
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.store.connect import Transaction
from licet.store.rows import select
from licet.vault.ids import staff_address, uuid7

COOKIE = "__Host-licet"
# of a person with a link, until it is clear whether somebody else is signed in
ENTERING = "__Host-licet-entering"
SECRET_BYTES = 32
SECRET_CHARACTERS = 43
IDLE_MAX = {"person": timedelta(minutes=30), "staff": timedelta(minutes=30)}
LIFETIME_MAX = {"person": timedelta(hours=12), "staff": timedelta(hours=8)}
SEEN_AGAIN = timedelta(minutes=1)
LINK_LIFETIME = timedelta(hours=1)

Random = Callable[[int], bytes]


def new_secret(random: Random) -> str:
    return base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode()


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def csrf_token(secret: str) -> str:
    """The token that a form of this session's browser must include."""
    return (
        base64.urlsafe_b64encode(hmac.digest(secret.encode(), b"csrf", "sha256"))
        .rstrip(b"=")
        .decode()
    )


def begin_person(tx: Transaction, account: UUID, now: datetime, random: Random) -> str:
    """Begins a person's session; returns the cookie's value."""
    return _begin(tx, account, None, (), None, now, random, LIFETIME_MAX["person"])


def begin_staff(
    tx: Transaction,
    staff: UUID,
    roles: Iterable[StaffRole],
    now: datetime,
    random: Random,
    *,
    identity: bytes | None = None,
) -> str:
    """Begins a session of staff with the provider's ``roles``; returns the cookie's value.

    ``identity``: of the provider (`access.identities`); None where a link began it.
    """
    return _begin(tx, None, staff, roles, identity, now, random, LIFETIME_MAX["staff"])


def _begin(
    tx: Transaction,
    account: UUID | None,
    staff: UUID | None,
    roles: Iterable[StaffRole],
    identity: bytes | None,
    now: datetime,
    random: Random,
    lifetime: timedelta,
) -> str:
    secret, names = new_secret(random), sorted({role.value for role in roles})
    tx.execute(
        """INSERT INTO sessions (session_sha256, account_id, staff_id, roles, identity, begun_at,
           seen_at, ends_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [digest(secret), account, staff, names, identity, now, now, now + lifetime],
    )
    return secret


def find(tx: Transaction, secret: str, now: datetime) -> Person | Staff | None:
    """The caller to whom a cookie's value belongs, unless the session has ended."""
    if len(secret) != SECRET_CHARACTERS:
        return None
    sha256 = digest(secret)
    row = tx.execute(
        """SELECT s.account_id, s.staff_id, s.roles || coalesce(f.roles, '{}'), f.email, s.identity,
             s.seen_at
             FROM sessions s LEFT JOIN staff f USING (staff_id) WHERE s.session_sha256 = %s
               AND s.ends_at > %s""",
        [sha256, now],
    ).fetchone()
    if row is None:
        return None
    account, staff, roles, email, identity, seen_at = row
    if now - seen_at > IDLE_MAX["staff" if staff else "person"]:
        return None
    if now - seen_at > SEEN_AGAIN:
        tx.execute("UPDATE sessions SET seen_at = %s WHERE session_sha256 = %s", [now, sha256])
    if staff is not None:
        known = frozenset(map(StaffRole, roles))
        return Staff(staff_id=staff, email=email, roles=known, session=sha256, identity=identity)
    return Person(account=account, session=sha256)


def end(tx: Transaction, session: bytes) -> None:
    tx.execute("DELETE FROM sessions WHERE session_sha256 = %s", [session])


def end_person(tx: Transaction, account: UUID, *, but: bytes | None = None) -> None:
    """Ends every session of a person, in every browser (ASVS 5.0, 7.4.2), except ``but``, the one
    that requests it.
    """
    tx.execute(
        "DELETE FROM sessions WHERE account_id = %s AND session_sha256 IS DISTINCT FROM %s",
        [account, but],
    )


def end_all(tx: Transaction) -> int:
    """Ends every session, and every link to begin one: those of a restored database. Returns the
    number of sessions.
    """
    tx.execute("DELETE FROM staff_links")
    return tx.execute("DELETE FROM sessions").rowcount


def use_token(tx: Transaction, sha256: bytes, expires: datetime) -> None:
    """Uses a token to begin a session; UnauthenticatedError the second time."""
    first = tx.execute(
        "INSERT INTO used_tokens (token_sha256, expires_at) VALUES (%s, %s) ON CONFLICT DO "
        "NOTHING RETURNING expires_at",
        [sha256, expires],
    ).fetchone()
    if first is None:
        raise UnauthenticatedError(
            "the link was used already", "ask the host application for a new one"
        )


def find_or_add_staff(tx: Transaction, email: str, now: datetime, random: Random) -> UUID:
    """The member of staff with an address; added if there is none."""
    row = tx.execute(
        """INSERT INTO staff (staff_id, email, roles, made_at) VALUES (%s, %s, '{}', %s)
           ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING staff_id""",
        [uuid7(now, random(10)), staff_address(email), now],
    ).fetchone()
    assert row is not None
    staff: UUID = row[0]
    return staff


def find_staff(tx: Transaction, email: str) -> tuple[UUID, list[StaffRole]] | None:
    """The member of staff with an address, and the roles that were given here; None if there is
    none.
    """
    row = tx.execute(
        "SELECT staff_id, roles FROM staff WHERE email = %s", [staff_address(email)]
    ).fetchone()
    return (row[0], list(map(StaffRole, row[1]))) if row else None


def addresses(tx: Transaction, staff: Collection[UUID]) -> dict[UUID, str]:
    return dict(
        tx.execute(
            "SELECT staff_id, email FROM staff WHERE staff_id = ANY(%s)", [list(staff)]
        ).fetchall()
    )


def granted_roles(tx: Transaction, staff: UUID) -> list[StaffRole]:
    row = tx.execute("SELECT roles FROM staff WHERE staff_id = %s", [staff]).fetchone()
    return [StaffRole(role) for role in row[0]] if row else []


def session_roles(tx: Transaction, staff: UUID) -> frozenset[StaffRole]:
    """The roles that the identity provider gave with the sessions that somebody has."""
    rows = tx.execute("SELECT unnest(roles) FROM sessions WHERE staff_id = %s", [staff])
    return frozenset(StaffRole(row[0]) for row in rows)


class StaffAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A member of staff. ``roles`` are those given here; ``sessions`` counts the browsers that are
    signed in.
    """

    staff_id: UUID
    email: str
    roles: tuple[StaffRole, ...]
    made_at: datetime
    sessions: int


def list_staff(tx: Transaction, now: datetime) -> list[StaffAccount]:
    """All staff that have signed in or were given a role, by address."""
    return select(
        tx,
        StaffAccount,
        """SELECT f.staff_id, f.email, f.roles, f.made_at, count(s.staff_id) AS sessions
             FROM staff f LEFT JOIN sessions s ON s.staff_id = f.staff_id AND s.ends_at > %s
            GROUP BY f.staff_id ORDER BY f.email""",
        [now],
    )


def get_staff(tx: Transaction, staff: UUID, now: datetime) -> StaffAccount:
    """A member of staff by id; NotFoundError."""
    member = next((account for account in list_staff(tx, now) if account.staff_id == staff), None)
    if member is None:
        raise NotFoundError("no such member of staff")
    return member


def set_roles(
    tx: Transaction, staff: UUID, roles: Iterable[StaffRole], expected: Iterable[StaffRole]
) -> None:
    """Sets the roles granted here, effective with the next request; RefusedError if they are not
    ``expected`` any more, and for an owner. Roles from the identity provider are set at each sign-in and
    stay.
    """
    wanted, present = ({role.value for role in several} for several in (roles, expected))
    row = tx.execute("SELECT roles FROM staff WHERE staff_id = %s FOR UPDATE", [staff]).fetchone()
    if row is None:
        raise NotFoundError("no such member of staff")
    if StaffRole.owner.value in row[0]:
        raise RefusedError("an owner stays: the installation needs one", because="owner")
    if StaffRole.owner.value in wanted:
        raise UsageError(
            "nobody is made an owner this way", "`licet staff bootstrap` makes the first one"
        )
    if set(row[0]) != present:
        raise RefusedError(
            "their roles were changed meanwhile",
            "look at them again, and decide anew",
            because="changed",
        )
    tx.execute("UPDATE staff SET roles = %s WHERE staff_id = %s", [sorted(wanted), staff])


def revoke_staff(tx: Transaction, staff: UUID) -> None:
    """Removes the roles that were given here, and ends every session and link; NotFoundError,
    RefusedError for an owner.

    Nobody can remove an owner, not even the owner: otherwise nobody might be left who can give
    roles.
    """
    row = tx.execute("SELECT roles FROM staff WHERE staff_id = %s FOR UPDATE", [staff]).fetchone()
    if row is None:
        raise NotFoundError("no such member of staff")
    if StaffRole.owner.value in row[0]:
        raise RefusedError("an owner stays: the installation needs one", because="owner")
    tx.execute("UPDATE staff SET roles = '{}' WHERE staff_id = %s", [staff])
    tx.execute("DELETE FROM sessions WHERE staff_id = %s", [staff])
    tx.execute("DELETE FROM staff_links WHERE staff_id = %s", [staff])


def bootstrap(tx: Transaction, email: str, now: datetime, random: Random) -> str:
    """Makes ``email`` the owner, and creates a link's secret to sign in with once; RefusedError if
    there is another owner.
    """
    tx.execute("LOCK TABLE staff IN SHARE ROW EXCLUSIVE MODE")
    other = tx.execute(
        "SELECT 1 FROM staff WHERE 'owner' = ANY(roles) AND email <> %s", [staff_address(email)]
    ).fetchone()
    if other is not None:
        raise RefusedError(
            "there is an owner already", "the owner, or the provider, gives roles", because="exists"
        )
    staff = find_or_add_staff(tx, email, now, random)
    tx.execute("UPDATE staff SET roles = '{owner}' WHERE staff_id = %s", [staff])
    return _link(tx, staff, now, random)


def add_staff(
    tx: Transaction, email: str, roles: Iterable[StaffRole], now: datetime, random: Random
) -> str:
    """Gives ``email`` additional roles here, and creates a link's secret to sign in with once;
    never the owner's role.
    """
    named = sorted({role.value for role in roles})
    if StaffRole.owner.value in named:
        raise UsageError(
            "nobody is made an owner this way", "`licet staff bootstrap` makes the first one"
        )
    staff = find_or_add_staff(tx, email, now, random)
    tx.execute(
        "UPDATE staff SET roles = (SELECT array_agg(DISTINCT r ORDER BY r) FROM unnest(roles || "
        "%s::text[]) r) WHERE staff_id = %s",
        [named, staff],
    )
    return _link(tx, staff, now, random)


def _link(tx: Transaction, staff: UUID, now: datetime, random: Random) -> str:
    secret = new_secret(random)
    tx.execute(
        "INSERT INTO staff_links (link_sha256, staff_id, expires_at) VALUES (%s, %s, %s)",
        [digest(secret), staff, now + LINK_LIFETIME],
    )
    return secret


def use_link(tx: Transaction, secret: str, now: datetime) -> UUID:
    """The owner of a one-time link; UnauthenticatedError for one that was used, has expired or does
    not exist.
    """
    row = tx.execute(
        """UPDATE staff_links SET used_at = %(now)s
            WHERE link_sha256 = %(link)s AND used_at IS NULL AND expires_at > %(now)s
              RETURNING staff_id""",
        {"now": now, "link": digest(secret)},
    ).fetchone()
    if row is None:
        raise UnauthenticatedError(
            "the link does not hold any more", "`licet staff bootstrap` makes another"
        )
    found: UUID = row[0]
    return found


def sweep(tx: Transaction, now: datetime) -> None:
    """Deletes ended sessions, links and used tokens."""
    tx.execute("DELETE FROM sessions WHERE ends_at <= %s", [now])
    tx.execute("DELETE FROM used_tokens WHERE expires_at <= %s", [now])
    tx.execute("DELETE FROM staff_links WHERE expires_at <= %s", [now])
