"""Roles and scopes: which callers a route answers, checked before anything is read.

A person acts on their own account only; a service within its scopes; staff within their roles. A
route without a declaration answers nobody. Ownership is checked later, in `web.api.references`:
another person's object is treated like one that does not exist.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

import msgspec

from licet.errors import DeniedError


class UnauthenticatedError(DeniedError):
    """The caller did not authenticate, or their credentials are not valid."""

    status = 401


class TokenError(UnauthenticatedError):
    """A person's token is invalid; the message gives the reason, without its values."""

    because = "token_refused"


class ForbiddenError(DeniedError):
    """The caller is known, and may not do this to anybody."""

    status = 403


class Scope(StrEnum):
    """The permissions of a service's key."""

    accounts_read = "accounts:read"
    accounts_write = "accounts:write"
    gate_read = "gate:read"
    choices_write = "choices:write"
    conversations_read = "conversations:read"
    conversations_write = "conversations:write"
    turns_write = "turns:write"
    release_lease = "release:lease"
    events_read = "events:read"
    events_acknowledge = "events:acknowledge"


class StaffRole(StrEnum):
    """What a member of staff may do."""

    owner = "owner"
    privacy_officer = "privacy_officer"
    curator = "curator"
    reviewer = "reviewer"
    auditor = "auditor"
    support = "support"


# Support answers people: whether something of theirs may be used and why, and how their requests
# and deletions stand. It sees no content, no words of a request, and nothing of the installation.
TEAM = tuple(role for role in StaffRole if role is not StaffRole.support)
OFFICE = (StaffRole.privacy_officer, StaffRole.auditor)
HELPS = (*OFFICE, StaffRole.support)


class Nobody(msgspec.Struct, frozen=True):
    """An unauthenticated caller. ``address`` is kept in memory, only for the rate limit."""

    address: str


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the host application. ``account`` is None while their account is not known
    here.
    """

    account: UUID | None
    session: bytes | None = None


class KeyBinding(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is bound to beside its scopes. ``recipient`` holds the row keys that it leases,
    only of ``releases``;
    ``own``: the holder is the installation's own machines. ``endpoint`` is the one that it
    acknowledges for.
    """

    recipient: str | None = None
    own: bool = False
    releases: tuple[str, ...] = ()
    endpoint: UUID | None = None


UNBOUND = KeyBinding()


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a key. ``requests_per_minute`` is the key's own limit below the setting for
    services, if it has one.
    """

    key_id: UUID
    name: str
    scopes: frozenset[Scope]
    bound: KeyBinding = UNBOUND
    requests_per_minute: int | None = None


class Staff(msgspec.Struct, frozen=True, kw_only=True):
    """``identity``: of the identity provider (`access.identities`); None for a session that a link
    began.
    """

    staff_id: UUID
    email: str
    roles: frozenset[StaffRole]
    session: bytes
    identity: bytes | None = None

    @property
    def recorded_as(self) -> str:
        """The name under which acts are recorded."""
        return f"staff:{self.email}"


Caller: TypeAlias = Nobody | Person | Service | Staff


class May(msgspec.Struct, frozen=True, kw_only=True):
    """The callers of a route. ``anybody`` needs no authentication; ``known`` is any authenticated
    caller.
    """

    person: bool = False
    scope: Scope | None = None
    staff: frozenset[StaffRole] = frozenset()
    anybody: bool = False
    known: bool = False

    def check(self, caller: Caller) -> None:
        """UnauthenticatedError or ForbiddenError for a caller that the route does not answer."""
        if self.anybody:
            return
        match caller:
            case Nobody():
                raise UnauthenticatedError("this needs a token, a key or a session")
            case Person():
                allowed = self.known or self.person
            case Service():
                allowed = self.known or (self.scope is not None and self.scope in caller.scopes)
            case Staff():
                allowed = self.known or not self.staff.isdisjoint(caller.roles)
        if not allowed:
            raise ForbiddenError("this caller may not do this", "docs/api.md lists who may do what")


NOBODY = May()
ANYBODY = May(anybody=True)
ANY_CALLER = May(known=True)


def may(
    *, person: bool = False, scope: Scope | None = None, staff: tuple[StaffRole, ...] = ()
) -> May:
    return May(person=person, scope=scope, staff=frozenset(staff))


def kind(caller: Caller) -> str:
    """The kind of caller, for the log."""
    return type(caller).__name__.lower()
