"""A keyring of its own for each worker, and a transaction that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.store.connect import Pool, Transaction


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
