"""Two releases are compared by what they promise and by whose rows are in, with the reason for each
that is not.
"""

from __future__ import annotations

import pytest

from licet.curate import release_build
from licet.erasure import sweeper
from licet.errors import NotFoundError, RefusedError
from licet.release.catalog import diff_releases
from licet.release.diff import ReleaseDiff
from licet.vault import commands as do

from ..installed import House


def built(house: House, name: str) -> None:
    release_build.build_release(house.installation, name=name, purpose="improve_models")


def changed(found: ReleaseDiff) -> dict[str, tuple[str | int, str | int]]:
    return {change.key: (change.old, change.new) for change in found.changes}


def test_rows_that_came_and_went_are_counted_by_the_reason_against_them(house: House) -> None:
    for name in ("ana", "bo", "cy", "di"):
        house.open(name, allow=True)
        house.talk(name, f"{name}-1")
    house.open("eve", allow=False)
    house.talk("eve", "eve-1")
    house.talk("ana", "ana-2")
    built(house, "old")
    house.passes(1)
    house.choose("bo", False)
    house.about(do.Narrow, "cy", "cy-1")
    house.about(do.Delete, "ana", "ana-2")
    house.talk("di", "di-2")
    house.choose("eve", True)
    house.talk("eve", "eve-1", "eve goes on", "answered")
    built(house, "new")
    found = diff_releases(house.installation, "old", "new")
    assert found.kept == 2
    assert found.went == {"withdrawn": 1, "narrowed": 1, "deleted": 1}
    assert found.came == {"new": 1, "declined": 1}
    assert changed(found)["rows"] == (5, 4)
    assert changed(found)["left out: declined"] == (2, 0)


def test_what_was_erased_between_two_releases_is_gone_and_of_a_dead_account_nobody_can_say(
    house: House,
) -> None:
    for name in ("ana", "bo"):
        house.open(name, allow=True)
        house.talk(name, f"{name}-1")
        house.talk(name, f"{name}-2")
    built(house, "old")
    house.about(do.Delete, "ana", "ana-1")
    house.account(do.CloseAccount, "bo")
    house.passes(40)
    sweeper.sweep(house.installation)
    built(house, "new")
    found = diff_releases(house.installation, "old", "new")
    assert (found.kept, found.came) == (1, {})
    assert sum(found.went.values()) == 3
    assert set(found.went) <= {"gone", "erased"}
    assert found.went["gone"] >= 1


def test_a_release_does_not_differ_from_itself(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "ana-1")
    built(house, "r")
    found = diff_releases(house.installation, "r", str(house.installation.config.releases / "r"))
    assert found == ReleaseDiff(changes=(), kept=1, came={}, went={})


def test_another_purpose_policy_or_plan_is_told(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "ana-1")
    built(house, "one")
    release_build.build_release(house.installation, name="two", purpose="safety_classifiers")
    found = changed(diff_releases(house.installation, "one", "two"))
    assert found["purpose"] == ("improve_models", "safety_classifiers")
    assert set(found) <= {"purpose"}


def test_what_is_no_release_cannot_be_compared(house: House) -> None:
    built(house, "r")
    with pytest.raises(NotFoundError):
        diff_releases(house.installation, "r", "never")
    with house.installation.pool.connection() as tx:
        tx.execute(
            "UPDATE releases SET state = 'building', sealed_at = NULL, manifest_sha256 = "
            "NULL, root = NULL"
        )
    with pytest.raises(RefusedError):
        diff_releases(house.installation, "r", "r")
