"""Identifies the primary server: the one with the newest life of the database.

Promise: a former primary is never used, whether it was restarted, partitioned from the others, or
left running by mistake. A promotion begins a new life of the database, as a restore does; the life
and its server are recorded in the restriction journal, which is on no server's disk. A server of an
earlier life is refused, and so is a restriction that was committed on it and not recorded yet.

A promoted server is admitted once it has every restriction of the journal. Without synchronous
replication it may lack some: then it is refused until `licet restore --here` has applied them.
Turns and grants are not in the journal, and are lost with the commits that were lost.

A life begins in this order, and a crash at any point is continued by the next connection:

    1. the journal records the life and its server: from here on it rejects records of earlier lives
    2. the database is checked against the journal; committed restrictions that it lacks are added
    3. the database records the life
"""

from __future__ import annotations

import threading
from datetime import datetime

from licet.clock import Clock
from licet.errors import BusyError, LicetError, RefusedError
from licet.keys import fence
from licet.keys.fence import DatabaseLife
from licet.keys.restriction_journal import (
    NEWEST_RECORDS_MAX,
    Journal,
    JournalLife,
    Restriction,
    RestrictionKind,
)
from licet.store import primary
from licet.store.connect import Pool, Transaction, probe, translate_errors
from licet.store.primary import ServerConnection, ServerIdentity
from licet.vault import account_journal, journal_state, restriction

WATCH_SECONDS = 2.0
LOCK_SECONDS_MAX = 5


class FormerPrimaryError(BusyError):
    """The server is the former primary of a failover; no query was sent."""


class PrimaryGuard:
    """Examines the server of each new connection of an installation; see `licet.store.primary`."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock

    def examine(self, conn: ServerConnection) -> int:
        """The life of the database; raises for a replica, a former primary, or a server without all
        restrictions.
        """
        with translate_errors():
            server = primary.identity(conn)
            present, newest = fence.newest_life(conn), self._journal.newest_life()
            if present is None:
                return 0  # an empty database: the opening binds it to its journal
            if present.journal != self._journal.id:
                raise RefusedError(
                    "the database belongs to another restriction journal than the one found here",
                    "put its journal back, or set LICET_RESTRICTIONS or LICET_STORE__URL to it",
                    because="other_journal",
                )
            if newest.life == present.life and newest.server == str(server):
                return present.life
            life = self._settled(conn, server)
            conn.commit()
            return life

    def _settled(self, tx: Transaction, server: ServerIdentity) -> int:
        """Determines the life under a lock, so that one process at a time decides."""
        tx.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS_MAX}s"])
        fence.lock_lives(tx)
        fence.check(tx)
        present, newest = fence.newest_life(tx), self._journal.newest_life()
        assert present is not None
        if newest.life == present.life and newest.server == str(server):
            return present.life
        if newest.life <= present.life and not newest.server:
            self._record(present.life, server, self._clock())
            return present.life
        _refuse_former(server, present, newest)
        return self._begin(tx, server, present, newest)

    def _begin(
        self, tx: Transaction, server: ServerIdentity, present: DatabaseLife, newest: JournalLife
    ) -> int:
        at = self._clock()
        if newest.life > present.life and newest.server == str(server):
            number = newest.life  # its beginning was interrupted
        else:
            number = max(newest.life, present.life) + 1
            self._record(number, server, at)
        known = [
            one
            for one in self._journal.newest(NEWEST_RECORDS_MAX)
            if one.kind is not RestrictionKind.life and one.life != number
        ]
        if any(journal_state.missing(tx, known, present.life)):
            raise RefusedError(
                "the database failed over to a server that lacks later withdrawals and deletions",
                "bring it up to date: `licet restore --here`",
                because="restored",
            )
        restriction.catch_up(tx, self._journal, new_life=number)
        fence.begin(tx, number, self._journal, at, account_journal.last_position(tx))
        return number

    def _record(self, life: int, server: ServerIdentity, now: datetime) -> None:
        self._journal.append(
            [Restriction(life=life, kind=RestrictionKind.life, at=now, server=str(server))]
        )


def _refuse_former(server: ServerIdentity, present: DatabaseLife, newest: JournalLife) -> None:
    """FormerPrimaryError if the newest life is on a later timeline of the cluster, or on another
    cluster; RefusedError if the database was restored but not brought up to date.
    """
    if newest.life <= present.life:
        return
    if not newest.server:
        raise RefusedError(
            "the database is older than its restriction journal: it lacks later withdrawals "
            "and deletions",
            "bring it up to date: `licet restore --here`",
            because="restored",
        )
    known = ServerIdentity.parse(newest.server)
    if known.system != server.system or server.timeline < known.timeline:
        raise FormerPrimaryError(
            f"the server is a former primary: its timeline is `{server.timeline}`, "
            "the newest known is "
            f"`{known.timeline}`",
            "connect to the present primary, and make this server its replica: docs/failover.md",
        )


def keep_watch(pool: Pool, stop: threading.Event) -> None:
    """Opens a connection every few seconds until ``stop``, to detect a failover even while all
    pooled connections wait; those to a former primary are closed then.
    """
    while not stop.wait(WATCH_SECONDS):
        try:
            probe(pool)
        except LicetError:
            continue  # every request reports it to its own caller
