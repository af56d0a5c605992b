"""Limits of keys: two changes at once, an older version, and whom a key is bound to."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from licet.access import service_keys
from licet.access.roles import KeyBinding, Scope
from licet.access.service_keys import KeyAct, KeyLimits
from licet.errors import RefusedError, UsageError
from licet.policy.period import instant
from licet.store.connect import Pool, Transaction, transaction

from ..meanwhile import in_transaction, meanwhile

NOW = instant("2026-03-01")
ACT = KeyAct(by="staff:ana", reason="fewer requests", at=NOW)


def made(pool: Pool, name: str = "training", *, own: bool = True) -> service_keys.ServiceKey:
    bound = KeyBinding(recipient="training", own=own, releases=("october",))
    with transaction(pool) as tx:
        service_keys.create_key(tx, name, [Scope.release_lease], NOW, os.urandom, bound)
        return service_keys.find_by_name(tx, name)


def limited(
    tx: Transaction, rate: int, version: int, *, scopes: tuple[Scope, ...] = (Scope.release_lease,)
) -> None:
    wanted = KeyLimits(scopes=scopes, releases=("october",), requests_per_minute=rate)
    service_keys.set_limits(tx, "training", wanted, ACT, None, version=version)


def test_of_two_changes_at_once_the_second_sees_the_first_and_is_refused(pool: Pool) -> None:
    made(pool)
    done = meanwhile(
        pool,
        lambda tx: limited(tx, 1, version=1),
        in_transaction(pool, lambda tx: limited(tx, 2, version=1)),
    )
    assert done.waited, "for the key's row"
    assert isinstance(done.error, RefusedError)
    assert done.error.because == "changed"
    with transaction(pool) as tx:
        key = service_keys.find_by_name(tx, "training")
        assert (key.requests_per_minute, key.version) == (1, 2)
        assert [change.version for change in service_keys.list_changes(tx, key.key_id)] == [1]


def test_limits_of_an_older_version_never_come_back(pool: Pool) -> None:
    key = made(pool)
    with transaction(pool) as tx:
        limited(tx, 5, version=1)
        limited(tx, 4, version=2)
    older = msgspec.json.encode(KeyLimits(scopes=(Scope.release_lease,), releases=("*",))).decode()
    with transaction(pool) as tx:
        assert not service_keys.restore_limits(tx, key.key_id, 2, older)
        assert not service_keys.restore_limits(tx, key.key_id, 3, older)
        now = service_keys.find_by_name(tx, "training")
    assert (now.requests_per_minute, now.releases, now.version) == (4, ("october",), 3)


def test_a_key_of_a_foreign_recipient_never_becomes_one_of_the_installations_own(
    pool: Pool,
) -> None:
    for name, own in (("theirs", False), ("ours", True)):
        bound = KeyBinding(recipient=name, own=own, releases=("october",))
        with transaction(pool) as tx:
            service_keys.create_key(tx, name, [Scope.release_lease], NOW, os.urandom, bound)
            limits = KeyLimits(
                scopes=(Scope.release_lease,), releases=("october",), requests_per_minute=3
            )
            changed = service_keys.set_limits(tx, name, limits, ACT, None, version=1)
        assert (changed.own, changed.recipient) == (own, name)


def test_a_key_that_loses_its_scope_is_bound_as_before_and_may_not_lease(pool: Pool) -> None:
    made(pool)
    with transaction(pool) as tx:
        limited(tx, 1, version=1, scopes=(Scope.gate_read,))
        changed = service_keys.find_by_name(tx, "training")
    assert (changed.scopes, changed.recipient, changed.releases) == (
        (Scope.gate_read,),
        "training",
        ("october",),
    )


@pytest.mark.parametrize("rate", [0, -1, service_keys.RATE_MAX + 1])
def test_a_rate_outside_its_bounds_is_refused(pool: Pool, tmp_path: Path, rate: int) -> None:
    made(pool)
    with pytest.raises(UsageError, match="requests a minute"), transaction(pool) as tx:
        limited(tx, rate, version=1)
