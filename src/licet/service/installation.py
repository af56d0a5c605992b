"""An open installation: what is configured, opened; every verb takes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import msgspec

from licet.config import Config
from licet.errors import RefusedError
from licet.policy.file import Policies
from licet.service.objects import objects
from licet.service.provider import provider
from licet.store import migrate, migrations, pending
from licet.store.connect import Pool, database, transaction
from licet.vault import fence, restricting
from licet.vault import policies as versions
from licet.vault.keyring import Keyring
from licet.vault.restrictions import Journal

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
def installation(
    config: Config, clock: Clock = utc_now, *, upgrade: bool = False, behind_fence: bool = False
) -> Iterator[Installation]:
    """Opens what is configured, starting the embedded database where there is none.

    An empty or an embedded database is brought to the newest schema; one of your own that holds an older schema is
    refused unless ``upgrade`` is asked for, so that no command migrates it in passing. A database that lacks what its
    restriction journal holds is refused; ``behind_fence`` opens it for `licet restore` alone, which brings it forward.
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
        with over(pool, config, clock, behind_fence=behind_fence) as here:
            yield here


@contextmanager
def over(pool: Pool, config: Config, clock: Clock, *, behind_fence: bool = False) -> Iterator[Installation]:
    """An installation over a database that is open and of the newest schema; refused as in `installation`."""
    with closing(Journal(config.journal)) as journal:
        keyring = Keyring(provider(config), restrictions=journal, behind_fence=behind_fence, cold=objects(config))
        if not behind_fence:
            _refuse_older(pool, journal, clock())
        yield Installation(config=config, pool=pool, keyring=keyring, clock=clock)


def _refuse_older(pool: Pool, journal: Journal, at: datetime) -> None:
    """RefusedError for a database that was restored and not brought forward; finishes what a crash kept out."""
    with transaction(pool) as tx:
        fence.check(tx)
        match fence.standing(tx, journal, at):
            case fence.Standing.current:
                restricting.catch_up(tx, journal)
            case fence.Standing.older:
                raise RefusedError(
                    "the database is older than its restriction journal: it lacks what was taken back since",
                    "bring it forward: `licet restore --here`", because="restored",
                )  # fmt: skip
            case fence.Standing.foreign:
                raise RefusedError(
                    "the database belongs to another restriction journal than the one found here",
                    "put the folder of its journal back, or name it with LICET_RESTRICTIONS", because="other_journal",
                )  # fmt: skip


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
