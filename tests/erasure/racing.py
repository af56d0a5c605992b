"""A seeded scheduler: of several actors on connections of their own one works at a time, from one
statement to the next.

An actor stops before each statement, before each commit and after it, and goes on when the
scheduler says so. Whether one that does not come back waits for another's lock is asked of the
server, so a schedule follows from its seed alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, cast

import psycopg
from psycopg import pq
from psycopg.rows import TupleRow

from licet.store.connect import Pool

LOOKS_MAX = 20_000
_mine = threading.local()


class Actor:
    """One thread of a race. ``waits`` says that the server holds it back."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name, self.work = name, work
        self.ended, self.waits = False, False
        self.error: BaseException | None = None
        self.backend = 0
        # held until the other side lets go
        self._go, self.came = threading.Lock(), threading.Lock()
        self._go.acquire()
        self.came.acquire()
        self.goes_on: Callable[[Actor], bool] = lambda _: False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, goes_on: Callable[[Actor], bool]) -> None:
        self.goes_on = goes_on
        self._thread.start()

    def step(self) -> None:
        self._go.release()

    def join(self) -> None:
        self._thread.join()

    def pause(self, backend: int) -> None:
        self.backend = backend
        if self.goes_on(self):
            return
        self.came.release()
        self._go.acquire()

    def _run(self) -> None:
        _mine.actor = self
        self._go.acquire()
        try:
            self.work()
        except BaseException as error:
            self.error = error
        self.ended = True
        self.came.release()


class _Paused(psycopg.Connection[TupleRow]):
    """A connection on which an actor stops; on any other thread it is like every other."""

    def _pause(self) -> None:
        actor: Actor | None = getattr(_mine, "actor", None)
        if actor is not None:
            actor.pause(self.info.backend_pid)

    def execute(self, *arguments: Any, **more: Any) -> Any:
        self._pause()
        return super().execute(*arguments, **more)

    def commit(self) -> None:
        if self.info.transaction_status is pq.TransactionStatus.IDLE:
            super().commit()
            return
        self._pause()
        super().commit()
        self._pause()


def paused(dsn: str) -> Pool:
    """A real pool on whose connections actors stop. Anyone who waits for each other for ever is
    told so soon.
    """

    def configure(conn: _Paused) -> None:
        conn.execute("SET timezone = 'UTC'")
        conn.execute("SET deadlock_timeout = '50ms'")
        psycopg.Connection.commit(conn)
        conn.isolation_level = psycopg.IsolationLevel.READ_COMMITTED

    return Pool(
        dsn,
        connection_class=_Paused,
        min_size=6,
        max_size=16,
        timeout=600,
        configure=configure,
        open=True,
    )


class Race:
    """One race. Anyone who works draws who comes next, and hands over only where that is another: a
    switch is dear.
    """

    def __init__(self, actors: Sequence[Actor], draw: Random) -> None:
        self.draw, self.order = draw, list[str]()
        self.living, self.next = list(actors), cast(Actor | None, None)
        self._stays = draw.choice((0.0, 0.5, 0.8, 0.95))
        self._haste = {actor: draw.choice((1, 1, 10, 100)) for actor in actors}
        self._last: Actor | None = None
        # In half of the races one of them stands still somewhere until all others have ended or
        # wait for it.
        self._stands = draw.choice([*actors, *actors[2:] * 3]) if draw.random() < 0.5 else None
        self._stands_at = draw.randrange(1, draw.choice((10, 25, 60)))
        self._taken = 0  # steps by the one that is to stand

    def pick(self) -> Actor | None:
        """Who comes next; None where all wait for somebody's lock."""
        ready = [actor for actor in self.living if not actor.waits]
        if not ready:
            return None
        if self._stands in ready and len(ready) > 1 and self._taken >= self._stands_at:
            ready.remove(self._stands)
        if self._last not in ready or self.draw.random() >= self._stays:
            self._last = self.draw.choices(ready, [self._haste[one] for one in ready])[0]
        self.order.append(self._last.name)
        self._taken += self._last is self._stands
        return self._last

    def goes_on(self, actor: Actor) -> bool:
        """Whether the actor that works is the next one as well. While another waits, the scheduler
        has to look.
        """
        if any(one.waits for one in self.living):
            return False
        self.next = self.pick()
        if self.next is actor:
            self.next = None
            return True
        return False


class Scheduler:
    """Runs races. ``steps`` counts the times that an actor was let go on, ``held`` those that it
    met another's lock.
    """

    def __init__(self, dsn: str) -> None:
        self._asking = psycopg.connect(dsn, autocommit=True)
        self.steps = self.held = 0
        self.seen: set[tuple[str, ...]] = set()

    def close(self) -> None:
        self._asking.close()

    def race(self, actors: Sequence[Actor], draw: Random) -> None:
        """Runs them to their ends, in an order that ``draw`` gives; raises what the first of them
        raised.
        """
        race = Race(actors, draw)
        for actor in actors:
            actor.start(race.goes_on)
        while race.living:
            actor, race.next = race.next or race.pick(), None
            if actor is None:  # each waits for another: the server ends it
                self._settle(race.living, until_one=True)
            else:
                actor.step()
                self._wait(actor)
                self._settle([other for other in race.living if other is not actor and other.waits])
            race.living = [actor for actor in race.living if not actor.ended]
        self.steps += len(race.order)
        self.seen.add(tuple(race.order))
        for actor in actors:
            actor.join()
        for actor in actors:
            if actor.error is not None:
                raise actor.error

    def _wait(self, actor: Actor) -> None:
        """Until it has come back, or waits for somebody's lock."""
        for _ in range(LOOKS_MAX):
            if actor.came.acquire(timeout=0.002):
                actor.waits = False
                return
            if self._held([actor]):
                self.held += not actor.waits
                actor.waits = True
                return
        raise AssertionError(f"`{actor.name}` neither comes back nor waits for a lock")

    def _settle(self, waiting: Sequence[Actor], *, until_one: bool = False) -> None:
        """Lets those whose lock has become free come back."""
        for _ in range(LOOKS_MAX):
            held = self._held(waiting) if waiting else set()
            for actor in waiting:
                if actor.backend not in held:
                    self._wait(actor)
            if not until_one or any(not actor.waits for actor in waiting):
                return
        raise AssertionError("all wait for each other, and the server does not end it")

    def _held(self, actors: Sequence[Actor]) -> set[int]:
        """The backends of those that wait for a lock. A lock that is let go of is its next holder's
        at once.
        """
        asked = "SELECT pid FROM pg_locks WHERE NOT granted AND pid = ANY(%s)"
        return {
            row[0] for row in self._asking.execute(asked, [[actor.backend for actor in actors]])
        }
