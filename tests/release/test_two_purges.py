"""A release is purged by one at a time: another one that begins meanwhile changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from licet.curate import release_build
from licet.errors import BusyError
from licet.release import purge_verbs
from licet.release.purge_verbs import purge_release
from licet.store.connect import Transaction
from licet.vault import commands as do

from ..installed import House
from ..meanwhile import meanwhile


@pytest.fixture
def house(house: House) -> House:
    for name in ("ana", "ben"):
        house.open(name, allow=True)
        house.talk(name, f"{name}'s chat")
    for name in ("one", "other"):
        release_build.build_release(house.installation, name=name, purpose="improve_models")
    house.about(do.Delete, "ana", "ana's chat")
    return house


def lying(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_purge_that_begins_while_another_one_runs_is_refused_and_touches_nothing(
    house: House,
) -> None:
    from licet.erasure import certificates

    certificates.advance_erasures(house.installation, at_once=True)
    folder = house.installation.config.data / "releases" / "one"
    before = lying(folder)

    def purging(tx: Transaction) -> None:
        """As a purge of that release holds it."""
        row = tx.execute(
            "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [purge_verbs.PURGE_LOCK, "one"]
        ).fetchone()
        assert row == (True,)

    done = meanwhile(
        house.installation.pool, purging, lambda: purge_release(house.installation, "one")
    )
    assert isinstance(done.error, BusyError)
    assert lying(folder) == before
    other = meanwhile(
        house.installation.pool, purging, lambda: purge_release(house.installation, "other")
    )
    assert (other.error, other.result.rows) == (None, 1)
    assert purge_release(house.installation, "one").rows == 1
