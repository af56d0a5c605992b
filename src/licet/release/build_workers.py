"""Builds pages in several workers at once. The release is the same, byte for byte, as from one
process.

Each worker makes whole pages (`release.page_builder`): it decides, opens, curates, seals, registers
and commits them under its own connection. The build gives out the pages and holds what they share:
it tells a page where it begins, the ordinals and ids of its rows and which documents lose, enters
the sketches for the election, and writes the parts, because a part of consecutive ordinals is made
of pages of several workers. At any time there is one page a worker:

    a page begins where the page before ends, once that page has reported its last conversation
    it gets ordinals when all pages before it know how many rows they have
    it commits when all pages before it are committed

So the pages in the database are always the first ones without a gap, as they are from one process,
and a build that was killed resumes in the same way. It loses at most a part and a page of each
worker.

A worker that dies ends the build with BusyError: its page is rolled back, and the same command goes
on behind the last page. Workers end with the build: one whose build was killed ends when it next
asks for something, or at once where it notices; anyone who continues the build waits for the page
that it still holds.

A `Crew` is where workers come from: processes of this machine, here, or actors of a cluster
(`curate.ray_workers`).

Processes are forked from one that has nothing but modules: it is started anew, and loads what all
of them need once (`Processes.preload`), while the build still prepares. It ends with the process
that builds. What they need comes over a pipe, never in their arguments or their environment: the
connection string, the configuration, the plan. They open the key provider themselves, as every
command does. Decided content does not leave a worker but sealed; sketches are keyed hashes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Protocol, Self

import msgspec

from licet.config import Configuration
from licet.errors import BusyError, UsageError
from licet.release.curation import Curation, PageCuration
from licet.release.draft import End
from licet.release.page_builder import BuiltPage, PageTurn
from licet.release.page_worker import (
    BuildMessage,
    PageBegins,
    PageBuilt,
    PageCommits,
    PageLost,
    PageRows,
    PageTask,
    WorkerFailed,
    WorkerJob,
    WorkerMessage,
    WorkerSays,
    work,
)
from licet.store.connect import Pool

WORKERS_MAX = 256
END_SECONDS_MAX = 10.0  # how long a worker may take to end once asked before it is killed
RUN_AGAIN = "run the command again: the build resumes"


class PageMaker(Protocol):
    """One worker. ``page``: the number of the page that it makes; 0 for none."""

    page: int

    def begin(self, job: WorkerJob) -> None:
        """The first that it is told. What goes wrong there is told by `take`."""

    def give(self, message: BuildMessage) -> None:
        """A task, or the answer to what it asked last."""

    def take(self) -> WorkerMessage:
        """What it says next; BusyError if it died."""

    def end(self) -> None:
        """Ends it; the page that it still makes is rolled back."""


class Crew(Protocol):
    """Where the workers of a build come from."""

    def prepare(self) -> None:
        """Called while the build prepares, before the first worker is hired."""

    def hire(self) -> PageMaker:
        """A worker that waits for its job; BusyError if there is none to be had."""

    def ready(self, workers: Sequence[PageMaker]) -> Sequence[PageMaker]:
        """Those of its workers who have something to say, as soon as one has."""


class Processes(msgspec.Struct, frozen=True):
    """Processes of this machine. ``preload``: the modules that are imported before they are
    forked.
    """

    preload: tuple[str, ...] = ()

    def prepare(self) -> None:
        multiprocessing.forkserver.set_forkserver_preload(list(self.preload))
        multiprocessing.forkserver.ensure_running()

    def hire(self) -> LocalWorker:
        return LocalWorker()

    def ready(self, workers: Sequence[PageMaker]) -> Sequence[PageMaker]:
        by_pipe = {worker.pipe: worker for worker in workers if isinstance(worker, LocalWorker)}
        return [by_pipe[pipe] for pipe in wait(list(by_pipe)) if isinstance(pipe, Connection)]


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many workers build, where they come from, and the configuration with which they open the
    installation.
    """

    count: int
    config: Configuration
    crew: Crew = Processes()

    def __post_init__(self) -> None:
        if not 1 <= self.count <= WORKERS_MAX:
            raise UsageError(f"a build has 1 to `{WORKERS_MAX}` workers, not `{self.count}`")


def passed_on(curation: Curation) -> PageCuration:
    """What of ``curation`` goes to workers; UsageError if it is bound to this process."""
    passed = curation.elsewhere()
    try:
        ForkingPickler.dumps(passed)  # as the pipe to a worker writes it
    except Exception as error:
        raise UsageError(
            "the curation of this build cannot be passed to worker processes: it does not pickle",
            "build with one worker, or define the scorer in a module",
        ) from error
    return passed


class BuildWorkers:
    """The workers of one build; they end with the block, or when they are closed."""

    def __init__(
        self, settings: WorkerSettings, job: WorkerJob, says: Callable[[str], None]
    ) -> None:
        self._says = says
        self._workers: list[PageMaker] = []
        self._job, self._count, self._crew = job, settings.count, settings.crew

    def __enter__(self) -> Self:
        try:
            for _ in range(self._count):
                self._workers.append(self._crew.hire())
            for worker in self._workers:
                worker.begin(self._job)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pages(self, end: End, turns: PageTurn) -> Iterator[BuiltPage]:
        """The pages behind ``end``, in order, each committed before it comes out. ``turns`` are the
        build's own.
        """
        return _Pages(self._crew, self._workers, end, turns, self._says).built()

    def close(self) -> None:
        """Ends the workers; the page that one still makes is rolled back."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()


class LocalWorker:
    """A process of this machine that makes pages."""

    def __init__(self) -> None:
        # A fork of this process would take over connections, and locks of threads that it does not
        # have.
        context = multiprocessing.get_context("forkserver")
        self.pipe, theirs = context.Pipe()
        self.page = 0
        self._process = context.Process(
            target=work, args=(theirs,), name="licet build", daemon=True
        )
        try:
            with theirs:
                self._process.start()
        except (EOFError, OSError) as error:
            self.pipe.close()
            hint = f"{RUN_AGAIN}; if the machine ran out of memory, use fewer workers"
            raise BusyError("the process that workers are forked from has ended", hint) from error

    def begin(self, job: WorkerJob) -> None:
        self.give(job)

    def give(self, message: BuildMessage) -> None:
        with contextlib.suppress(OSError):  # it died: `take` tells
            self.pipe.send(message)

    def take(self) -> WorkerMessage:
        try:
            message: WorkerMessage = self.pipe.recv()
        except (EOFError, OSError):
            raise self._died() from None
        return message

    def end(self) -> None:
        self.pipe.close()
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
        hint = f"{RUN_AGAIN}; if the machine ran out of memory, use fewer workers"
        return BusyError(f"a worker process of the build was ended {how}", hint)


class _Pages:
    """Gives out pages to workers and answers what they ask, so that their results are those of
    pages made in order.
    """

    def __init__(
        self,
        crew: Crew,
        workers: Sequence[PageMaker],
        end: End,
        turns: PageTurn,
        says: Callable[[str], None],
    ) -> None:
        self._crew, self._workers, self._turns, self._says = crew, workers, turns, says
        self._idle = deque(workers)
        self._next = PageTask(end.page + 1, end.place)
        self._is_told = True  # where the next page begins
        self._is_over = False
        self._counted = self._committed = end.page
        self._waiting: dict[int, tuple[PageMaker, PageRows | PageCommits]] = {}
        self._made: deque[BuiltPage] = deque()

    def built(self) -> Iterator[BuiltPage]:
        self._give_out()
        while any(worker.page for worker in self._workers):
            for worker in self._crew.ready(self._workers):
                self._answer(worker, worker.take())
            while self._made:  # only when nobody waits for an answer that can be given
                yield self._made.popleft()

    def _give_out(self) -> None:
        """The next page to a worker without one, once it is known where it begins."""
        if self._is_told and not self._is_over and self._idle:
            worker = self._idle.popleft()
            worker.page, self._is_told = self._next.number, False
            worker.give(self._next)

    def _answer(self, worker: PageMaker, message: WorkerMessage) -> None:
        match message:
            case PageBegins(last):
                worker.give(self._turns.begins(last))
                self._next, self._is_told = PageTask(worker.page + 1, last), True
            case PageLost(names):
                worker.give(self._turns.lost(names))
            case PageRows() | PageCommits():
                self._waiting[worker.page] = worker, message
            case PageBuilt(None):
                self._is_over = True
                self._is_free(worker)
            case PageBuilt(page):
                assert page is not None
                self._committed = worker.page
                self._made.append(page)
                self._is_free(worker)
            case WorkerSays(line):
                self._says(line)
            case WorkerFailed():
                raise message.error()
        self._answer_waiting()
        self._give_out()

    def _is_free(self, worker: PageMaker) -> None:
        worker.page = 0
        self._idle.append(worker)

    def _answer_waiting(self) -> None:
        """Ordinals to the first page that has none, and the commit to the first that is not
        committed.
        """
        while (found := self._waiting.get(self._counted + 1)) and isinstance(found[1], PageRows):
            del self._waiting[self._counted + 1]
            self._counted += 1
            found[0].give(self._turns.rows(found[1].turns, found[1].rows))
        found = self._waiting.get(self._committed + 1)
        if found and isinstance(found[1], PageCommits):
            del self._waiting[self._committed + 1]
            self._turns.commits()
            found[0].give(None)


def dsn_of(pool: Pool) -> str:
    """The connection string of an open pool."""
    dsn = pool.conninfo() if callable(pool.conninfo) else pool.conninfo
    assert isinstance(dsn, str)
    return dsn
