"""The first owner: one, made of one address, and nobody beside it."""

from __future__ import annotations

import os

from licet.access import rate_counts, sessions
from licet.access.roles import StaffRole
from licet.errors import RefusedError
from licet.store.connect import Pool, transaction

from ..meanwhile import in_transaction, meanwhile
from .test_sessions import NOW, added


def owners(pool: Pool) -> list[str]:
    with transaction(pool) as tx:
        return [one.email for one in sessions.list_staff(tx, NOW) if StaffRole.owner in one.roles]


def test_making_an_owner_gives_the_role_to_nobody_else(pool: Pool) -> None:
    added(pool, "ben@example.org", StaffRole.auditor)
    with transaction(pool) as tx:
        sessions.bootstrap(tx, "ana@example.org", NOW, os.urandom)
    assert owners(pool) == ["ana@example.org"]
    with transaction(pool) as tx:
        assert {one.email: one.roles for one in sessions.list_staff(tx, NOW)}[
            "ben@example.org"
        ] == (StaffRole.auditor,)


def test_of_two_first_owners_at_once_one_is_made(pool: Pool) -> None:
    done = meanwhile(
        pool,
        lambda tx: sessions.bootstrap(tx, "ana@example.org", NOW, os.urandom),
        in_transaction(pool, lambda tx: sessions.bootstrap(tx, "ben@example.org", NOW, os.urandom)),
    )
    assert isinstance(done.error, RefusedError)
    assert owners(pool) == ["ana@example.org"]


def test_roles_are_given_by_what_they_are_and_not_by_what_they_were_before_a_change_meanwhile(
    pool: Pool,
) -> None:
    ana, _ = added(pool, "ana@example.org", StaffRole.auditor)
    done = meanwhile(
        pool,
        lambda tx: sessions.set_roles(tx, ana, [StaffRole.reviewer], expected=[StaffRole.auditor]),
        in_transaction(
            pool,
            lambda tx: sessions.set_roles(
                tx, ana, [StaffRole.curator], expected=[StaffRole.auditor]
            ),
        ),
    )
    assert isinstance(done.error, RefusedError)
    with transaction(pool) as tx:
        assert sessions.granted_roles(tx, ana) == [StaffRole.reviewer]


def test_whoever_becomes_the_owner_meanwhile_is_not_revoked(pool: Pool) -> None:
    ana, _ = added(pool, "ana@example.org", StaffRole.auditor)
    done = meanwhile(
        pool,
        lambda tx: sessions.bootstrap(tx, "ana@example.org", NOW, os.urandom),
        in_transaction(pool, lambda tx: sessions.revoke_staff(tx, ana)),
    )
    assert isinstance(done.error, RefusedError)
    assert owners(pool) == ["ana@example.org"]


def test_sweeping_rates_waits_for_nobody_and_takes_the_others(pool: Pool) -> None:
    with transaction(pool) as tx:
        rate_counts.count_requests(tx, {1: -5.0, 2: -5.0})
    done = meanwhile(
        pool,
        lambda tx: rate_counts.count_requests(tx, {1: -1.0}),
        in_transaction(pool, rate_counts.sweep),
    )
    assert (done.waited, done.error) == (False, None)
    with transaction(pool) as tx:
        assert tx.execute("SELECT caller FROM rates").fetchall() == [(1,)]
