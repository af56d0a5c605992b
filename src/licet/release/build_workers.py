"""Builds pages in several processes at once. The release is the same, byte for byte, as from one.

Each worker makes whole pages (`release.page_builder`): it decides, opens, curates, seals, registers and commits them
under its own connection. The build gives out the pages and holds what they share: it tells a page where it begins, the
ordinals and ids of its rows and which documents lose, enters the sketches for the election, and writes the parts,
because a part of consecutive ordinals is made of pages of several workers. At any time there is one page a worker:

    a page begins where the page before ends, as soon as that page has told its last conversation
    it gets ordinals when all pages before it know how many rows they have
    it commits when all pages before it are committed

So the pages in the database are always the first ones without a gap, as they are from one process, and a build that was
killed resumes in the same way. It loses at most a part and a page of each worker.

A worker that dies ends the build with BusyError: its page is rolled back, and the same command goes on behind the last
page. Workers end with the build: one whose build was killed ends when it next asks for something, or at once where it
notices; whoever continues the build waits for the page that it still holds.

Workers are forked from a process that has nothing but modules: it is started anew, and loads what all of them need once
(`WorkerSettings.preload`), while the build still prepares. It ends with the process that builds.

What a worker needs comes over a pipe, never in its arguments or its environment: the connection string, the
configuration, the plan. It opens the key provider itself, as every command does. Decided content does not leave a worker
but sealed; sketches are keyed hashes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

import msgspec

from licet.config import Configuration
from licet.errors import BrokenError, BusyError, LicetError, UsageError
from licet.keys.cold_store import objects
from licet.keys.keyring import Keyring
from licet.keys.providers import provider
from licet.policy.file import Policies
from licet.release.base import BaseRelease
from licet.release.curation import Curation, PageCuration
from licet.release.draft import Draft, End
from licet.release.manifest import ReleaseManifest
from licet.release.page_builder import BuiltPage, PageBuilder, PageTurn
from licet.release.registry import Release
from licet.store.connect import Pool, opened, transaction
from licet.store.core_dumps import harden
from licet.vault.conversation_pages import Place

WORKERS_MAX = 256
END_SECONDS_MAX = 10.0  # how long a worker that was told to end may take before it is killed
LOCK_SECONDS_MAX = 60
_AGAIN = "run the command again: the build resumes"


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many processes build, and the configuration with which they open the installation. ``preload``: the modules that
    are imported before they are forked.
    """

    count: int
    config: Configuration
    preload: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.count <= WORKERS_MAX:
            raise UsageError(f"a build has 1 to `{WORKERS_MAX}` workers, not `{self.count}`")


class WorkerJob(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker needs for one build. ``base``: folder, release and manifest of the release that is carried."""

    dsn: str
    config: Configuration
    policies: Policies
    release: Release
    curation: PageCuration
    base: tuple[Path, Release, ReleaseManifest] | None
    page_bytes_max: int
    looks_ahead: bool

    def __repr__(self) -> str:
        return f"WorkerJob({self.release.name})"


class _Task(NamedTuple):
    number: int
    after: Place


class _Begins(NamedTuple):
    last: Place | None


class _Lost(NamedTuple):
    names: Sequence[bytes]


class _Rows(NamedTuple):
    turns: int
    rows: int


class _Commits(NamedTuple):
    pass


class _Built(NamedTuple):
    page: BuiltPage | None


class _Says(NamedTuple):
    line: str


class _Failed(NamedTuple):
    kind: type[LicetError]
    arguments: tuple[Any, ...]
    fields: dict[str, Any]


_Message: TypeAlias = _Begins | _Lost | _Rows | _Commits | _Built | _Says | _Failed


# In the build


def passed_on(curation: Curation) -> PageCuration:
    """What of ``curation`` goes to worker processes; UsageError if it is bound to this one."""
    passed = curation.elsewhere()
    try:
        ForkingPickler.dumps(passed)  # as the pipe to a worker writes it
    except Exception as error:
        raise UsageError(
            "the curation of this build cannot be passed to worker processes: it does not pickle",
            "build with one worker, or define the scorer in a module",
        ) from error
    return passed


def prepare(workers: WorkerSettings) -> None:
    """Starts the process that workers are forked from, if it does not run; it loads its modules meanwhile."""
    multiprocessing.forkserver.set_forkserver_preload(list(workers.preload))
    multiprocessing.forkserver.ensure_running()


class BuildWorkers:
    """The worker processes of one build; they end with the block, or when they are closed."""

    def __init__(self, count: int, job: WorkerJob, says: Callable[[str], None]) -> None:
        self._says = says
        self._workers: list[_Worker] = []
        self._job, self._count = job, count

    def __enter__(self) -> Self:
        try:
            for _ in range(self._count):
                self._workers.append(_Worker())
            for worker in self._workers:
                worker.give(self._job)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pages(self, end: End, turns: PageTurn) -> Iterator[BuiltPage]:
        """The pages behind ``end``, in order, each committed before it comes out. ``turns`` are the build's own."""
        return _Pages(self._workers, end, turns, self._says).built()

    def close(self) -> None:
        """Ends the workers; the page that one still makes is rolled back."""
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.end()
        self._workers.clear()


class _Worker:
    """One process, and the number of the page that it makes; 0 for none."""

    def __init__(self) -> None:
        # A fork of this process would take over connections, and locks of threads that it does not have.
        context = multiprocessing.get_context("forkserver")
        self.pipe, theirs = context.Pipe()
        self.page = 0
        self._process = context.Process(target=work, args=(theirs,), name="licet build", daemon=True)
        try:
            with theirs:
                self._process.start()
        except (EOFError, OSError) as error:
            self.pipe.close()
            hint = f"{_AGAIN}; if the machine ran out of memory, use fewer workers"
            raise BusyError("the process that workers are forked from has ended", hint) from error

    def give(self, message: object) -> None:
        with contextlib.suppress(OSError):  # it died: `take` tells
            self.pipe.send(message)

    def take(self) -> _Message:
        try:
            message: _Message = self.pipe.recv()
        except (EOFError, OSError):
            raise self._died() from None
        return message

    def end(self) -> None:
        self._process.join(END_SECONDS_MAX if self.page == 0 else 0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def _died(self) -> BusyError:
        self._process.join(END_SECONDS_MAX)
        code = self._process.exitcode
        how = f"with exit code `{code}`"
        if code is not None and code < 0:
            how = f"by `{signal.Signals(-code).name}`"
        hint = f"{_AGAIN}; if the machine ran out of memory, use fewer workers"
        return BusyError(f"a worker process of the build was ended {how}", hint)


class _Pages:
    """Gives out pages to workers and answers what they ask, so that their results are those of pages made in order."""

    def __init__(
        self, workers: Sequence[_Worker], end: End, turns: PageTurn, says: Callable[[str], None]
    ) -> None:  # fmt: skip
        self._workers, self._turns, self._says = workers, turns, says
        self._idle = deque(workers)
        self._next = _Task(end.page + 1, end.place)
        self._is_told = True  # where the next page begins
        self._is_over = False
        self._counted = self._committed = end.page
        self._waiting: dict[int, tuple[_Worker, _Rows | _Commits]] = {}
        self._made: deque[BuiltPage] = deque()

    def built(self) -> Iterator[BuiltPage]:
        self._give_out()
        while any(worker.page for worker in self._workers):
            by_pipe = {worker.pipe: worker for worker in self._workers}
            for ready in wait(list(by_pipe)):
                assert isinstance(ready, Connection)
                worker = by_pipe[ready]
                self._answer(worker, worker.take())
            while self._made:  # only when nobody waits for an answer that can be given
                yield self._made.popleft()

    def _give_out(self) -> None:
        """The next page to a worker without one, once it is known where it begins."""
        if self._is_told and not self._is_over and self._idle:
            worker = self._idle.popleft()
            worker.page, self._is_told = self._next.number, False
            worker.give(self._next)

    def _answer(self, worker: _Worker, message: _Message) -> None:
        match message:
            case _Begins(None):
                self._is_over = True
            case _Begins(last):
                assert last is not None
                worker.give(self._turns.begins(last))
                self._next, self._is_told = _Task(worker.page + 1, last), True
            case _Lost(names):
                worker.give(self._turns.lost(names))
            case _Rows() | _Commits():
                self._waiting[worker.page] = worker, message
            case _Built(page):
                if page is not None:
                    self._committed = worker.page
                    self._made.append(page)
                worker.page = 0
                self._idle.append(worker)
            case _Says(line):
                self._says(line)
            case _Failed():
                raise _error(message)
        self._answer_waiting()
        self._give_out()

    def _answer_waiting(self) -> None:
        """Ordinals to the first page that has none, and the commit to the first that is not committed."""
        while (found := self._waiting.get(self._counted + 1)) and isinstance(found[1], _Rows):
            del self._waiting[self._counted + 1]
            self._counted += 1
            found[0].give(self._turns.rows(*found[1]))
        found = self._waiting.get(self._committed + 1)
        if found and isinstance(found[1], _Commits):
            del self._waiting[self._committed + 1]
            self._turns.commits()
            found[0].give(None)


def dsn_of(pool: Pool) -> str:
    """The connection string of an open pool."""
    dsn = pool.conninfo() if callable(pool.conninfo) else pool.conninfo
    assert isinstance(dsn, str)
    return dsn


def _error(failed: _Failed) -> LicetError:
    """A worker's error, as it was raised there."""
    error = failed.kind.__new__(failed.kind, *failed.arguments)
    error.args = failed.arguments
    error.__dict__.update(failed.fields)
    return error


# In a worker


def work(pipe: Connection) -> None:
    """What a worker process does: it makes the pages that it is given, until its build closes the pipe."""
    harden()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the build ends its workers itself
    threading.Thread(target=_end_with_the_build, daemon=True).start()
    try:
        _make_pages(pipe)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the build has ended
    except LicetError as error:
        _tell(pipe, _Failed(type(error), error.args, error.__dict__))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = f"a worker of the build failed: `{type(error).__name__}` in `{Path(place.filename).name}:{place.lineno}`"
        _tell(pipe, _Failed(BrokenError, (said,), {"message": said, "hint": ""}))


def _make_pages(pipe: Connection) -> None:
    job: WorkerJob = pipe.recv()
    turn = _AskedTurn(pipe)
    keyring = Keyring(provider(job.config), cold=objects(job.config))
    with ExitStack() as held:
        pool = held.enter_context(opened(job.dsn, 1))
        with transaction(pool) as tx:
            # A page that waits for its turn holds what it wrote. Whoever waits for that and is waited for by the page
            # before would stop all three, and the database sees no circle: so a page does not wait for ever.
            tx.execute(f"SET lock_timeout = '{LOCK_SECONDS_MAX}s'")
            found = Draft.find(tx, keyring, job.release.release_id)
        if found is None:
            raise BrokenError("the build that a worker was started for is not in the database")
        base = None
        if job.base is not None:
            base = held.enter_context(BaseRelease(*job.base, lambda line: pipe.send(_Says(line))))
        builder = PageBuilder(
            pool, keyring, job.policies, job.release, found[0], job.curation, base=base,
            page_bytes_max=job.page_bytes_max, looks_ahead=job.looks_ahead,
        )  # fmt: skip
        while True:
            task: _Task = pipe.recv()
            page = builder.build(*task, turn)
            if page is None:
                pipe.send(_Begins(None))
            pipe.send(_Built(page))


def _tell(pipe: Connection, failed: _Failed) -> None:
    with contextlib.suppress(OSError):
        pipe.send(failed)


def _end_with_the_build() -> None:
    """Ends this process when its build has died: nobody waits for its page, and its connection rolls it back."""
    build = multiprocessing.parent_process()
    if build is not None:
        build.join()
    os._exit(1)


class _AskedTurn:
    """The turn of a page whose build is another process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def begins(self, last: Place) -> datetime:
        at: datetime = self._asked(_Begins(last))
        return at

    def lost(self, names: Sequence[bytes]) -> Sequence[bool]:
        lost: Sequence[bool] = self._asked(_Lost(names))
        return lost

    def rows(self, turns: int, count: int) -> int:
        first: int = self._asked(_Rows(turns, count))
        return first

    def commits(self) -> None:
        self._asked(_Commits())

    def _asked(self, question: _Message) -> Any:  # noqa: ANN401 what the question says
        self._pipe.send(question)
        return self._pipe.recv()
