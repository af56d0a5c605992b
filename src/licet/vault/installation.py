"""An open installation: its configuration, database and keys. Every verb takes one."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from datetime import datetime

import msgspec

from licet.clock import Clock, utc_now
from licet.config import Configuration
from licet.errors import RefusedError, UsageError
from licet.keys import chain, fence, journal_heads, objects
from licet.keys.journal_bucket import journal as journal_of
from licet.keys.journal_frames import journal_key
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.keys.providers import provider
from licet.keys.restriction_journal import Journal
from licet.policy.file import Policies
from licet.store.connect import (
    POOL_SIZE_MAX,
    Pool,
    Transaction,
    database,
    guard_admission,
    snapshot,
    transaction,
)
from licet.store.migrate import Migration, expanding, migrate, migrations, pending
from licet.vault import journal_evidence, journal_state, policy_versions, restriction
from licet.vault.journal_state import JournalState
from licet.vault.primary import PrimaryGuard
from licet.vault.simulated_clock import clock_of


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """An open installation: its database, its keys, its clock."""

    config: Configuration
    pool: Pool
    keyring: Keyring
    clock: Clock


def is_initialised(config: Configuration) -> bool:
    """Whether an installation exists: commands that only open one must not create a second one."""
    return config.data.is_dir() and (
        config.database_url is not None or (config.data / "postgres").is_dir()
    )


def require_initialised(config: Configuration) -> None:
    """UsageError if no installation exists."""
    if not is_initialised(config):
        raise UsageError(
            f"there is no installation in `{config.data}`",
            "make one with `licet init`, or name its folder with --data",
        )


def load_clock(config: Configuration) -> Clock:
    """The system's clock, or the simulated one that the folder was made with."""
    simulated = clock_of(config.data)
    return utc_now if simulated is None else (lambda: simulated)


def held_installation(config: Configuration, clock: Clock) -> tuple[Installation, ExitStack]:
    """`open_installation`, also returning its close function, which runs at the latest when the
    process ends.
    """
    stack = ExitStack()
    installation = stack.enter_context(open_installation(config, clock, create=False))
    held, pid = weakref.ref(stack), os.getpid()

    def close() -> None:
        # one that came with a fork is the parent's
        if (one := held()) is not None and os.getpid() == pid:
            one.close()

    atexit.register(close)
    stack.callback(atexit.unregister, close)
    return installation, stack


@contextmanager
def open_installation(
    config: Configuration,
    clock: Clock = utc_now,
    *,
    upgrade: bool = False,
    expand: bool = False,
    create: bool = True,
    behind_fence: bool = False,
    connections_max: int = POOL_SIZE_MAX,
) -> Iterator[Installation]:
    """Opens the configured installation, and starts the embedded database if none is configured.

    An empty database is given the newest schema with ``create`` and refused without it. One with an
    older schema is refused while an expanding step is pending: ``expand`` takes the steps before
    the first contracting one, ``upgrade`` all of them. A database that lacks restrictions of its
    journal is refused; ``behind_fence`` opens it for `licet restore` alone.
    """
    with database(config, connections_max) as pool:
        with pool.connection() as conn:
            todo = pending(conn)
            known = len(migrations()) - len(todo)
            if not known and not create:
                raise UsageError(
                    f"the database of `{config.data}` is empty: there is no installation in it",
                    "make one with `licet init`, or set LICET_DATABASE_URL to the one it has",
                )
            if upgrade or not known:
                migrate(conn)
            elif expand:
                migrate(conn, migrations()[: known + len(expanding(todo))])
            elif any(step.expands for step in todo):
                raise RefusedError(
                    f"the database's schema is older: {len(todo)} migration(s) must run",
                    "back it up, then run `licet upgrade`; `licet upgrade --dry-run` says what "
                    "it would do",
                    because="older_schema",
                )
        with from_pool(pool, config, clock, behind_fence=behind_fence) as installation:
            yield installation


def pending_steps(config: Configuration) -> tuple[Migration, ...]:
    """The pending steps of an upgrade; changes nothing."""
    with database(config) as pool, pool.connection() as conn:
        return pending(conn)


@contextmanager
def from_pool(
    pool: Pool, config: Configuration, clock: Clock, *, behind_fence: bool = False
) -> Iterator[Installation]:
    """An installation on an open database with the newest schema; refused as in
    `open_installation`.
    """
    with closing(journal_of(config)) as journal:
        keys = provider(config)
        if config.store.url and isinstance(keys, FileProvider):
            _refuse_without_key(pool, keys)
        keyring = Keyring(
            keys,
            restrictions=journal,
            behind_fence=behind_fence,
            cold=objects.open_cold_store(config),
        )
        if not behind_fence:
            _unlock(pool, keyring, journal)
        guard = PrimaryGuard(journal, clock)
        with _guarding(pool, config, guard, behind_fence=behind_fence):
            if not behind_fence:
                _refuse_older(pool, journal, clock())
            if config.database_url is not None and not behind_fence:
                with transaction(pool) as tx:
                    guard.examine(tx)  # binds a new database to its server
            yield Installation(config=config, pool=pool, keyring=keyring, clock=clock)


def _guarding(
    pool: Pool, config: Configuration, guard: PrimaryGuard, *, behind_fence: bool
) -> AbstractContextManager[None]:
    """Refuses a former primary. The embedded server has no replica; a restore itself decides which
    server it updates.
    """
    if config.database_url is None or behind_fence:
        return nullcontext()
    return guard_admission(pool, guard.examine)


def _refuse_older(pool: Pool, journal: Journal, now: datetime) -> None:
    """RefusedError for a restored database that was not brought up to date; also completes the
    writes that a crash left undone.
    """
    with transaction(pool) as tx:
        fence.check(tx)
        match journal_state.state_of(tx, journal, now):
            case JournalState.current:
                journal_evidence.check_journal(tx, journal)
                restriction.catch_up(tx, journal)
                journal_heads.save_head_if_free(tx, journal.id, journal.current_head())
            case JournalState.older:
                raise RefusedError(
                    "the database is older than its restriction journal: it lacks later "
                    "withdrawals and deletions",
                    "bring it up to date: `licet restore --here`",
                    because="restored",
                )
            case JournalState.foreign:
                raise RefusedError(
                    "the database belongs to another restriction journal than the one found here",
                    "put its journal back, or set LICET_RESTRICTIONS or LICET_STORE__URL to it",
                    because="other_journal",
                )


def _unlock(pool: Pool, keyring: Keyring, journal: Journal) -> None:
    """Gives the journal its key; FencedError behind the fence."""
    with transaction(pool) as tx:
        fence.check(tx)
        present = fence.newest_life(tx)
        if present is not None and present.journal != journal.id:
            # refused as foreign below, by the guard first: a host that was moved away from may have
            # no key
            return
        journal.unlock(journal_key(keyring.log_seed(tx)))


def _refuse_without_key(pool: Pool, keys: FileProvider) -> None:
    """RefusedError for a host that shares a bucket with others but lacks their key files."""
    with transaction(pool) as tx:
        epoch = chain.newest_epoch(tx)
    if epoch is not None and not keys.has(epoch):
        raise RefusedError(
            f"the key of epoch `{epoch}` is not in the key folder of this host, and hosts that "
            "share a bucket need the same "
            "keys",
            "keep the keys in OpenBao or PKCS#11 (docs/keys.md), or give every host one key "
            "folder on a shared disk",
            because="no_key",
        )


def load_policies(installation: Installation) -> Policies:
    """The versions in force; RefusedError before the first one is applied."""
    with transaction(installation.pool) as tx:
        return policy_versions.applied(tx)


@contextmanager
def policy_snapshot(
    installation: Installation, *, records: bool = False
) -> Iterator[tuple[Transaction, Policies]]:
    """A snapshot and the policy versions in it, so that all parts of a page agree. With ``records``
    it may also insert a record of the page's showing. FencedError behind the fence.
    """
    with snapshot(installation.pool, records=records) as tx:
        fence.check_before_snapshot(tx)
        yield tx, policy_versions.applied(tx)


def load_host_key(installation: Installation) -> bytes:
    """The key for hashing the host's ids, for a caller with many of them."""
    with transaction(installation.pool) as tx:
        return installation.keyring.host_key(tx)
