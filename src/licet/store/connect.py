"""Connections to PostgreSQL: the only module that opens them, to the embedded server or the
operator's.

Promise: `transaction` commits all or nothing at READ COMMITTED with the session's time zone UTC,
and every error that leaves it is one of Licet's and quotes no statement, no parameter and no value.
psycopg's own messages quote all three (`Key (text)=(..) already exists`), so they are never
chained.

Both ends of a connection send keepalives, so a session's advisory lock is a lease: free at once
after its process is killed, and after `SILENT_SECONDS_MAX` if its host vanishes.

    BusyError
    ├── ReplicaError            the server is read-only (`licet.store.primary`): no statement was sent
    ├── UnreachableError        no connection, or it broke before the commit: nothing was changed
    ├── ContentionError         another transaction interfered: nothing was changed; `retrying` tries again
    └── OutcomeUnknownError     the connection broke during COMMIT: whether it took effect is unknown; never retried here
    BrokenError
    └── StatementError          the server refused a statement; ``sqlstate`` and ``constraint`` say which rule
"""

from __future__ import annotations

import contextlib
import functools
import logging
import select
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

from licet import traces
from licet.errors import BrokenError, BusyError, LicetError, UsageError
from licet.store import embedded
from licet.store.database_activity import DatabaseActivity, read_activity
from licet.store.primary import Admission, Examination, replica_error

# The driver's log lines may quote values.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
logging.getLogger("psycopg").propagate = False

Result = TypeVar("Result")
Transaction = psycopg.Connection[TupleRow]


class Pool(ConnectionPool[Transaction]):
    """Connections to one database. ``admission`` decides which servers are used, ``folder`` is that
    of an embedded server, ``lock_seconds`` limits a transaction's wait for a lock, if set.
    """

    def __init__(
        self,
        dsn: str | Callable[[], str],
        **options: Any,  # noqa: ANN401 those of psycopg's pool
    ) -> None:
        self.admission = Admission()
        self.folder: Path | None = None
        self.lock_seconds: float | None = None
        super().__init__(dsn, **options)


POOL_SIZE_MAX = 16
WAIT_SECONDS_MAX = 10.0
CONNECT_SECONDS_MAX = 5
RETRY_ATTEMPTS_MAX = 5
_RETRY_SECONDS = 0.01
# until a vanished host or database is detected and its locks are released
SILENT_SECONDS_MAX = 25
_IDLE, _INTERVAL, _COUNT = 10, 5, 3
_KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": _IDLE,
    "keepalives_interval": _INTERVAL,
    "keepalives_count": _COUNT,
    "tcp_user_timeout": SILENT_SECONDS_MAX * 1_000,
}
_CONFIGURE = f"""
    SET timezone = 'UTC';
    SET client_min_messages = warning;
    SET tcp_keepalives_idle = {_IDLE};
    SET tcp_keepalives_interval = {_INTERVAL};
    SET tcp_keepalives_count = {_COUNT};
    SET tcp_user_timeout = {SILENT_SECONDS_MAX * 1_000};
"""
_warned: WeakKeyDictionary[Transaction, str] = WeakKeyDictionary()
_following: WeakKeyDictionary[Transaction, list[Callable[[], None]]] = WeakKeyDictionary()
_HINT_BUSY = (
    "try again; if it lasts, see that the database runs and that its connections are not used up"
)
_HINT_FULL = "make room on the disk of the database, then run it again"
_HINT_FULL_UNKNOWN = (
    "make room on the disk of the database, then look whether the change was "
    "kept before making "
    "it again"
)
_HINT_UNKNOWN = (
    "look whether the change was kept before making it again, or repeat it with the "
    "same "
    "idempotency key"
)


class UnreachableError(BusyError):
    """The database cannot be reached, or the connection broke before the commit: nothing was
    changed.
    """

    because = "database_silent"


class ContentionError(BusyError):
    """Another transaction interfered: nothing was changed."""


class OutcomeUnknownError(BusyError):
    """The connection broke during the commit, which may have taken effect."""


class StatementError(BrokenError):
    """The server refused a statement; ``constraint`` is empty unless one was violated."""

    def __init__(self, sqlstate: str, constraint: str) -> None:
        rule = f" by constraint `{constraint}`" if constraint else ""
        super().__init__(f"the database refused a statement{rule}: sqlstate `{sqlstate}`")
        self.sqlstate, self.constraint = sqlstate, constraint


class StoreConfig(Protocol):
    """The part of the configuration that `database` needs."""

    @property
    def database_url(self) -> str | None:
        """A connection string, or None for the embedded server."""

    @property
    def data(self) -> Path:
        """The data folder; the embedded server is in ``postgres`` below it."""


@contextlib.contextmanager
def database(config: StoreConfig, connections_max: int = POOL_SIZE_MAX) -> Iterator[Pool]:
    """Yields a pool on the configured database; starts the embedded server if none is
    configured.
    """
    if config.database_url:
        with open_pool(config.database_url, connections_max) as pool:
            yield pool
        return
    folder = config.data / "postgres"
    with (
        embedded.running(folder),
        open_pool(functools.partial(embedded.revive, folder), connections_max) as pool,
    ):
        pool.folder = folder
        yield pool


@contextlib.contextmanager
def open_pool(dsn: str | Callable[[], str], size_max: int = POOL_SIZE_MAX) -> Iterator[Pool]:
    """Yields a pool on ``dsn``. A callable ``dsn`` is called for each new connection, so that it
    can restart a dead server.
    """
    named = dsn if isinstance(dsn, str) else dsn()
    options = _check_connection(named)
    pool: Pool = Pool(
        dsn,
        min_size=1,
        max_size=size_max,
        timeout=WAIT_SECONDS_MAX,
        reconnect_timeout=WAIT_SECONDS_MAX,
        kwargs=options,
        configure=_configure,
        check=lambda conn: _check(pool.admission, conn),
        open=False,
        name="licet",
    )
    with pool:
        yield pool


@contextlib.contextmanager
def guard_admission(pool: Pool, examine: Examination) -> Iterator[None]:
    """Lets ``examine`` admit servers within the block; see `licet.store.primary`."""
    with pool.admission.guarded(examine):
        yield


def probe(pool: Pool) -> None:
    """Opens a new connection and examines its server, which cuts older connections if it is a newer
    primary; LicetError if it is refused.
    """
    conninfo = pool.conninfo() if callable(pool.conninfo) else pool.conninfo
    assert isinstance(pool.kwargs, dict)
    with translate_errors(pool), psycopg.connect(conninfo, **pool.kwargs) as conn:
        _configure(conn)
        pool.admission.check(conn)


@contextlib.contextmanager
def heartbeat(pool: Pool) -> Iterator[Callable[[], DatabaseActivity]]:
    """Yields a function that reads the database's activity on a connection of its own, reopened
    when broken; LicetError without an answer. Not thread-safe.
    """
    open_: list[psycopg.Connection[Any]] = []

    def ask() -> DatabaseActivity:
        with translate_errors(pool):
            try:
                if not open_:
                    named = pool.conninfo() if callable(pool.conninfo) else pool.conninfo
                    assert isinstance(pool.kwargs, dict)
                    open_.append(psycopg.connect(named, **{**pool.kwargs, "autocommit": True}))
                return read_activity(open_[0])
            except psycopg.Error:
                while open_:
                    open_.pop().close()
                raise

    try:
        yield ask
    finally:
        for conn in open_:
            conn.close()


@contextlib.contextmanager
def advisory_lock(pool: Pool, lock: int) -> Iterator[bool]:
    """Yields whether this process holds the advisory lock ``lock``. Uses a connection of its own,
    so that a crash releases it.
    """
    with translate_errors(pool), pool.connection() as conn:
        row = conn.execute("SELECT pg_try_advisory_lock(%s)", [lock]).fetchone()
        conn.commit()
        try:
            yield row == (True,)
        finally:
            if row == (True,):
                # a broken connection has released its lock
                with contextlib.suppress(psycopg.Error):
                    conn.execute("SELECT pg_advisory_unlock(%s)", [lock])
                    conn.commit()


@contextlib.contextmanager
def transaction(
    pool: Pool, following: list[Callable[[], None]] | None = None
) -> Iterator[Transaction]:
    """Runs one transaction: commits at the end of the block, rolls back on an exception.

    Functions passed to `after_commit` are called before this returns; with ``following`` they are
    appended there instead, and the caller must call them before it acknowledges anything.
    """
    with traces.transaction(), translate_errors(pool), pool.connection() as conn:
        _following.pop(conn, None)
        if pool.lock_seconds is not None:
            conn.execute(f"SET LOCAL lock_timeout = '{pool.lock_seconds} s'")
        try:
            yield conn
        except pg.ReadOnlySqlTransaction:
            _refuse_read_only(conn)
            raise
        _commit(pool, conn)
        acts = _following.pop(conn, [])
    if following is not None:
        following += acts
        return
    for act in acts:
        act()


@contextlib.contextmanager
def lock_waits_limited(pool: Pool, seconds: float) -> Iterator[None]:
    """Within the block a transaction raises ContentionError after ``seconds`` of waiting for a
    lock: for diagnostics of a blocked database.
    """
    pool.lock_seconds = seconds
    try:
        yield
    finally:
        pool.lock_seconds = None


@contextlib.contextmanager
def statement(pool: Pool, _following: object = None) -> Iterator[Transaction]:
    """Yields a connection for a single read, without BEGIN and COMMIT."""
    with traces.transaction(), translate_errors(pool), pool.connection() as conn:
        conn.autocommit = True
        try:
            yield conn
        finally:
            if not conn.closed:
                conn.autocommit = False


@contextlib.contextmanager
def snapshot(pool: Pool, *, records: bool = False) -> Iterator[Transaction]:
    """Yields a transaction in which all statements see one state of the database. It is read-only,
    except with ``records``: then it may insert rows, but not update any.
    """
    with transaction(pool) as tx:
        tx.execute(
            f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ{'' if records else ', READ ONLY'}"
        )
        yield tx


@contextlib.contextmanager
def join_transaction(pool: Pool, tx: Transaction | None) -> Iterator[Transaction]:
    """Yields ``tx``, or a new transaction if it is None."""
    if tx is not None:
        yield tx
        return
    with transaction(pool) as own:
        yield own


def after_commit(tx: Transaction, act: Callable[[], None]) -> None:
    """Calls ``act`` after ``tx`` has committed and before `transaction` returns; never after a
    rollback. For effects outside the database that must be durable before anything is acknowledged.

    If it raises, it should raise an `OutcomeUnknownError`: the change is in force, and the caller
    got no answer.
    """
    _following.setdefault(tx, []).append(act)


def uuids(ids: Iterable[UUID]) -> str:
    """Encodes a parameter for `::uuid[]`, ten times as fast as the driver: for statements in every
    read.
    """
    return "{" + ",".join([one.hex for one in ids]) + "}"


@contextlib.contextmanager
def translate_errors(pool: Pool | None = None) -> Iterator[None]:
    """Translates psycopg's errors into Licet's; never chains the original, which quotes values."""
    try:
        yield
    except (PoolTimeout, TooManyRequests):
        fault = pool.admission.fault if pool is not None else None
        if fault is not None:  # connections there are, to a server that is not to be asked
            raise UnreachableError(fault.message, fault.hint) from None
        raise UnreachableError("no connection to the database became free", _HINT_BUSY) from None
    except psycopg.Error as error:
        raise _licet_error(error) from None


def retrying(fn: Callable[[], Result], sleep: Callable[[float], None] = time.sleep) -> Result:
    """Calls ``fn``, which contains a whole transaction, again while another transaction interferes;
    returns its result.
    """
    for attempt in range(RETRY_ATTEMPTS_MAX - 1):
        try:
            return fn()
        except ContentionError:
            sleep(_RETRY_SECONDS * 2**attempt)
    return fn()


def _check_connection(dsn: str) -> dict[str, Any]:
    """Connects once, because a pool hides the reason of a failure; returns the connection options
    that ``dsn`` does not set.
    """
    wanted: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS_MAX,
        "target_session_attrs": "read-write",
        **_KEEPALIVES,
    }
    try:
        given = conninfo_to_dict(dsn)
        options = {name: value for name, value in wanted.items() if name not in given}
        psycopg.connect(dsn, **options).close()
    except psycopg.ProgrammingError:
        # libpq's message quotes the string, which may contain a password.
        raise UsageError(
            "LICET_DATABASE_URL cannot be read, and is not repeated: it may hold a password",
            "write it as in postgresql://USER@HOST:5432/DATABASE",
        ) from None
    except psycopg.OperationalError as error:
        # Every attempt has a line; libpq's question behind one is no news to an operator.
        lines = [line.strip(" -\t") for line in str(error).splitlines()]
        causes = [
            line for line in lines if line and not line.startswith(("Is the server", "Multiple"))
        ]
        reason = "; ".join(dict.fromkeys(causes)) or "no reason given"
        raise UnreachableError(f"cannot connect to the database: {reason}", _HINT_BUSY) from None
    return options


def _configure(conn: Transaction) -> None:
    conn.execute(_CONFIGURE)
    conn.commit()
    conn.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    known = weakref.ref(conn)
    conn.add_notice_handler(lambda notice: _note_warning(known(), notice))


def _note_warning(conn: Transaction | None, diagnostic: psycopg.errors.Diagnostic) -> None:
    if conn is not None and diagnostic.severity_nonlocalized == "WARNING":
        _warned[conn] = diagnostic.sqlstate or ""


def _check(admission: Admission, conn: Transaction) -> None:
    # A query to the server would cost a round trip for each transaction. An idle connection has
    # nothing to read, so only one with something to read (above all the end of the stream) is
    # checked.
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(conn)
    admission.check(conn)


def _refuse_read_only(conn: Transaction) -> None:
    """Closes the connection and raises ReplicaError if its server is read-only."""
    conn.rollback()
    row = conn.execute(
        "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"
    ).fetchone()
    if row != (False,):
        conn.close()
        raise replica_error() from None


def _commit(pool: Pool, conn: Transaction) -> None:
    """Commits; OutcomeUnknownError unless the server confirms it, also for the synchronous replica.

    A full disk ends an embedded server during a commit without an error, so its disk is checked. A
    cancelled wait for a synchronous replica succeeds with a warning: the commit is on one server
    only, and a failover would lose it. Licet's commits raise no other warning.
    """
    _warned.pop(conn, None)
    try:
        conn.commit()
    except psycopg.OperationalError as error:
        if _is_contention(error):
            raise
        if pool.folder is not None and embedded.is_full(pool.folder):
            raise OutcomeUnknownError(
                "the database went away during the commit: its disk is full",
                _HINT_FULL_UNKNOWN,
                because="disk_full",
            ) from None
        raise OutcomeUnknownError(
            "the database went away during the commit", _HINT_UNKNOWN, because="database_silent"
        ) from None
    if _warned.pop(conn, None) is not None:
        raise OutcomeUnknownError("no replica has confirmed the commit", _HINT_UNKNOWN)


def _is_contention(error: psycopg.Error) -> bool:
    return isinstance(error, pg.SerializationFailure | pg.DeadlockDetected | pg.LockNotAvailable)


def _licet_error(error: psycopg.Error) -> LicetError:
    if _is_contention(error):
        return ContentionError("another transaction was in the way", _HINT_BUSY)
    state = error.sqlstate or ""
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not state:
        return UnreachableError("the connection to the database broke", _HINT_BUSY)
    if isinstance(error, pg.DiskFull):
        return UnreachableError(
            "the disk of the database is full: nothing was changed", _HINT_FULL, because="disk_full"
        )
    if state[:2] == "58":  # the system, above all its disk
        return UnreachableError(
            "the disk of the database failed: nothing was changed",
            _HINT_BUSY,
            because="disk_failed",
        )
    if state[:2] in {"08", "53", "57"}:  # connection, resources, operator intervention
        return UnreachableError(f"the database is not available: sqlstate `{state}`", _HINT_BUSY)
    return StatementError(state or type(error).__name__, error.diag.constraint_name or "")
