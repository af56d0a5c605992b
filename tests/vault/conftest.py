"""A keyring of its own for each worker, and a transaction that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.store.connect import Pool, Transaction

from ..installed import LIVED
from ..state_check import faults


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> FileProvider:
    return FileProvider(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def keyring(provider: FileProvider) -> Keyring:
    return Keyring(provider)


@pytest.fixture
def conn(pool: Pool) -> Iterator[Transaction]:
    """One connection. What needs no second one works in savepoints and is rolled back: no tables to clean."""
    with pool.connection() as connection:
        yield connection
        connection.rollback()


@pytest.fixture(autouse=True)
def _state_is_sound(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test the whole state of every house that it made is sound, or is broken as its mark says."""
    if "pool" in request.fixturenames:
        request.getfixturevalue("pool")  # so that it is still open at the end
    LIVED.clear()
    yield
    broken = [fault for here in LIVED for fault in faults(here)]
    if request.node.get_closest_marker("state_is_broken"):
        assert broken, "the mark `state_is_broken` is not needed"
    else:
        assert broken == [], "\n".join(broken)
