"""An open installation: what is configured, opened; every verb takes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec

from licet.config import Config
from licet.errors import RefusedError
from licet.policy.file import Policies
from licet.store import migrate, migrations, pending
from licet.store.connect import Pool, database, transaction
from licet.vault import policies as versions
from licet.vault.keyring import Keyring
from licet.vault.keys import FileProvider

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The edge's clock."""
    return datetime.now(UTC)


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """An open installation: its database, its keys, its clock."""

    config: Config
    pool: Pool
    keyring: Keyring
    clock: Clock


@contextmanager
def installation(config: Config, clock: Clock = utc_now, *, upgrade: bool = False) -> Iterator[Installation]:
    """Opens what is configured, starting the embedded database where there is none.

    An empty or an embedded database is brought to the newest schema; one of your own that holds an older schema is
    refused unless ``upgrade`` is asked for, so that no command migrates it in passing.
    """
    with database(config) as pool:
        with pool.connection() as conn:
            todo = pending(conn)
            if todo and config.database_url and not upgrade and len(todo) < len(migrations()):
                raise RefusedError(
                    f"the database's schema is older: {len(todo)} migration(s) are to be made",
                    "back it up, then run `licet upgrade`",
                    because="older_schema",
                )
            migrate(conn)
        yield Installation(config=config, pool=pool, keyring=Keyring(FileProvider(config.keys)), clock=clock)


def policies(here: Installation) -> Policies:
    """The versions in force; RefusedError before the first is applied."""
    with transaction(here.pool) as tx:
        found = versions.load(tx)
    if found is None:
        raise RefusedError("no policy has been applied", "run `licet init` first", because="no_policy")
    return found


def host_key(here: Installation) -> bytes:
    """The key under which the host's ids are hashed, for a caller with many of them."""
    with transaction(here.pool) as tx:
        return here.keyring.host_key(tx)
