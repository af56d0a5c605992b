"""Keys: whom one is bound to, what revokes it, who has it, and its limits: two changes at once and
an older version.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from uuid import UUID

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


LEASES, ENDPOINT = (Scope.release_lease,), UUID(int=9)


@pytest.mark.parametrize(
    ("scopes", "bound", "refusal"),
    [
        ((), KeyBinding(), "needs a scope"),
        (LEASES, KeyBinding(), "a recipient and releases go with"),
        (LEASES, KeyBinding(recipient="training"), "a recipient and releases go with"),
        (LEASES, KeyBinding(releases=("october",)), "a recipient and releases go with"),
        ((Scope.gate_read,), KeyBinding(recipient="training"), "a recipient and releases go with"),
        ((Scope.gate_read,), KeyBinding(releases=("october",)), "a recipient and releases go with"),
        ((Scope.gate_read,), KeyBinding(own=True), "a recipient and releases go with"),
        ((Scope.events_acknowledge,), KeyBinding(), "an endpoint goes with"),
        ((Scope.gate_read,), KeyBinding(endpoint=ENDPOINT), "an endpoint goes with"),
        (LEASES, KeyBinding(recipient="A", releases=("october",)), "no name of a recipient"),
        (LEASES, KeyBinding(recipient="training", releases=("**",)), "no name of a release"),
    ],
)
def test_a_key_is_bound_to_what_its_scopes_need_and_to_nothing_else(
    pool: Pool, scopes: tuple[Scope, ...], bound: KeyBinding, refusal: str
) -> None:
    with pytest.raises(UsageError, match=refusal), transaction(pool) as tx:
        service_keys.create_key(tx, "training", scopes, NOW, os.urandom, bound)


def test_a_change_of_a_key_has_a_reason_of_bounded_length(pool: Pool) -> None:
    made(pool)
    longest = "x" * service_keys.REASON_CHARACTERS_MAX
    for reason in ("", " \n", longest + "x"):
        act = KeyAct(by="staff:ana", reason=reason, at=NOW)
        with pytest.raises(UsageError, match="say why"), transaction(pool) as tx:
            service_keys.revoke(tx, "training", act, None)
    with transaction(pool) as tx:
        act = KeyAct(by="staff:ana", reason=longest, at=NOW)
        service_keys.revoke(tx, "training", act, None)
        key = service_keys.find_by_name(tx, "training")
        assert [change.reason for change in service_keys.list_changes(tx, key.key_id)] == [longest]


def test_a_key_is_revoked_once_and_no_other_with_it(pool: Pool) -> None:
    for name in ("training", "assistant"):
        made(pool, name)
    later = KeyAct(by="staff:ben", reason="again", at=NOW + timedelta(days=1))
    with transaction(pool) as tx:
        for act in (ACT, later):
            service_keys.revoke(tx, "training", act, None)
        key = service_keys.find_by_name(tx, "training")
        assert key.revoked_at == NOW
        assert [change.by for change in service_keys.list_changes(tx, key.key_id)] == [ACT.by]
        assert service_keys.find_by_name(tx, "assistant").revoked_at is None


def test_a_restore_revokes_the_named_key_once_and_no_other_with_it(pool: Pool) -> None:
    key, later = made(pool).key_id, NOW + timedelta(days=1)
    made(pool, "assistant")
    with transaction(pool) as tx:
        restored = [
            service_keys.restore_revocation(tx, *named)
            for named in ((key, NOW), (key, later), (UUID(int=1), NOW))
        ]
        assert restored == [True, False, False]
        assert service_keys.find_by_name(tx, "training").revoked_at == NOW
        assert service_keys.find_by_name(tx, "assistant").revoked_at is None


def test_a_key_is_found_by_its_whole_text_until_it_expires(pool: Pool) -> None:
    bound = KeyBinding(recipient="training", releases=("october",))
    ends = NOW + timedelta(days=1)
    with transaction(pool) as tx:
        text, other = (
            service_keys.create_key(
                tx, name, LEASES, NOW, os.urandom, bound, requests_per_minute=5, expires_at=ends
            )
            for name in ("training", "assistant")
        )
        almost = ends - timedelta(microseconds=1)
        found = service_keys.find(tx, text, almost)
        assert found is not None
        assert (found.name, found.scopes, found.bound, found.requests_per_minute) == (
            "training",
            frozenset(LEASES),
            bound,
            5,
        )
        start = len(text) - len(other.split("_", 2)[2])
        swapped = text[:start] + other[start:]
        unknown = text.replace(found.key_id.hex, UUID(int=1).hex)
        for wrong in (swapped, unknown, text[:-1], text + "x"):
            assert service_keys.find(tx, wrong, almost) is None
        assert service_keys.find(tx, text, ends) is None
