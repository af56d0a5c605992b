"""Sessions of staff and links to begin them: once, for an hour, while they are used, and none of
anyone who is revoked.
"""

from __future__ import annotations

import os
from datetime import timedelta
from uuid import UUID

import pytest

from licet.access import sessions
from licet.access.roles import Staff, StaffRole, UnauthenticatedError
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.policy.period import instant
from licet.store.connect import Pool, transaction

NOW = instant("2026-03-01")


def added(pool: Pool, email: str, *roles: StaffRole) -> tuple[UUID, str]:
    """A member of staff with a link to sign in with."""
    with transaction(pool) as tx:
        secret = sessions.add_staff(tx, email, roles, NOW, os.urandom)
        return sessions.find_or_add_staff(tx, email, NOW, os.urandom), secret


def begun(pool: Pool, staff: UUID) -> str:
    with transaction(pool) as tx:
        return sessions.begin_staff(tx, staff, (), NOW, os.urandom)


def found(pool: Pool, cookie: str, after: timedelta) -> Staff | None:
    with transaction(pool) as tx:
        who = sessions.find(tx, cookie, NOW + after)
    assert who is None or isinstance(who, Staff)
    return who


def test_a_link_holds_once_and_not_when_its_hour_is_over(pool: Pool) -> None:
    staff, secret = added(pool, "ana@example.org", StaffRole.auditor)
    _, late = added(pool, "ana@example.org")
    almost = NOW + sessions.LINK_LIFETIME - timedelta(microseconds=1)
    with transaction(pool) as tx:
        assert sessions.use_link(tx, secret, almost) == staff
    for used, at in ((secret, almost), (late, NOW + sessions.LINK_LIFETIME), ("x" * 43, NOW)):
        with pytest.raises(UnauthenticatedError), transaction(pool) as tx:
            sessions.use_link(tx, used, at)


def test_a_session_of_staff_ends_when_it_is_idle_and_a_used_one_goes_on(pool: Pool) -> None:
    staff, _ = added(pool, "ana@example.org", StaffRole.auditor)
    idle, used = begun(pool, staff), begun(pool, staff)
    limit = sessions.IDLE_MAX["staff"]
    assert found(pool, used, limit) is not None
    assert found(pool, idle, limit + timedelta(seconds=1)) is None
    assert found(pool, used, limit + limit) is not None
    assert found(pool, used, sessions.LIFETIME_MAX["staff"]) is None


def test_who_is_revoked_keeps_neither_session_nor_link_nor_role_and_others_keep_theirs(
    pool: Pool,
) -> None:
    ana, link = added(pool, "ana@example.org", StaffRole.auditor)
    ben, other = added(pool, "ben@example.org", StaffRole.curator)
    cookies = begun(pool, ana), begun(pool, ben)
    with transaction(pool) as tx:
        sessions.revoke_staff(tx, ana)
    assert [found(pool, cookie, timedelta()) is not None for cookie in cookies] == [False, True]
    with pytest.raises(UnauthenticatedError), transaction(pool) as tx:
        sessions.use_link(tx, link, NOW)
    with transaction(pool) as tx:
        assert sessions.use_link(tx, other, NOW) == ben
        assert (sessions.granted_roles(tx, ana), sessions.granted_roles(tx, ben)) == (
            [],
            [StaffRole.curator],
        )
    with pytest.raises(NotFoundError), transaction(pool) as tx:
        sessions.revoke_staff(tx, UUID(int=1))


def test_roles_are_given_to_one_member_of_staff_and_to_nobody_else(pool: Pool) -> None:
    ana, _ = added(pool, "ana@example.org", StaffRole.auditor)
    ben, _ = added(pool, "ben@example.org", StaffRole.curator)
    with transaction(pool) as tx:
        sessions.set_roles(tx, ana, [StaffRole.reviewer], expected=[StaffRole.auditor])
    with transaction(pool) as tx:
        assert sessions.granted_roles(tx, ana) == [StaffRole.reviewer]
        assert sessions.granted_roles(tx, ben) == [StaffRole.curator]
    with pytest.raises(RefusedError, match="changed meanwhile"), transaction(pool) as tx:
        sessions.set_roles(tx, ana, [StaffRole.curator], expected=[StaffRole.auditor])
    added(pool, "ana@example.org", StaffRole.auditor)
    with transaction(pool) as tx:
        assert sessions.granted_roles(tx, ana) == [StaffRole.auditor, StaffRole.reviewer]
        assert sessions.granted_roles(tx, ben) == [StaffRole.curator]


def test_an_owner_is_neither_revoked_nor_given_other_roles(pool: Pool) -> None:
    with transaction(pool) as tx:
        sessions.bootstrap(tx, "ana@example.org", NOW, os.urandom)
        ana = sessions.find_or_add_staff(tx, "ana@example.org", NOW, os.urandom)
    for act in (
        lambda tx: sessions.revoke_staff(tx, ana),
        lambda tx: sessions.set_roles(tx, ana, [], expected=[StaffRole.owner]),
    ):
        with pytest.raises(RefusedError, match="an owner stays"), transaction(pool) as tx:
            act(tx)


def test_nobody_is_made_an_owner_by_being_given_roles(pool: Pool) -> None:
    ana, _ = added(pool, "ana@example.org", StaffRole.auditor)
    roles = [StaffRole.auditor, StaffRole.owner]
    with pytest.raises(UsageError, match="nobody is made an owner"), transaction(pool) as tx:
        sessions.set_roles(tx, ana, roles, expected=[StaffRole.auditor])
    with pytest.raises(UsageError, match="nobody is made an owner"), transaction(pool) as tx:
        sessions.add_staff(tx, "ana@example.org", roles, NOW, os.urandom)
    with transaction(pool) as tx:
        assert sessions.granted_roles(tx, ana) == [StaffRole.auditor]


def test_a_token_of_the_host_begins_one_session_and_another_token_another(pool: Pool) -> None:
    with transaction(pool) as tx:
        for token in (b"a" * 32, b"b" * 32):
            sessions.use_token(tx, token, NOW)
    with pytest.raises(UnauthenticatedError, match="used already"), transaction(pool) as tx:
        sessions.use_token(tx, b"a" * 32, NOW + timedelta(hours=1))
