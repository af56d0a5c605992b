"""Builds pages in several workers at once; the release equals, byte for byte, that of one process.

Each worker makes whole pages (`release.page_builder`): it decides, opens, curates, seals, registers
and commits them under its own connection. The build assigns the pages and their shared state: where
a page begins, the ordinals and ids of its rows, and which documents lose. It enters the sketches
for the election and writes the parts, since a part spans pages of several workers. Each worker has
one page at a time:

    a page begins where the previous page ends, once that page has reported its last conversation
    it gets ordinals when all earlier pages have reported their number of rows
    it commits when all earlier pages are committed

So the committed pages never have a gap, as from one process, and a killed build resumes in the same
way. It loses at most one part, and one page of each worker.

If a worker dies, the build ends with BusyError: the worker's page is rolled back, and the same
command resumes. A worker whose build was killed ends when it next sends a message, or at once if it
notices; a resumed build waits for the page that it still holds.

A `Crew` supplies workers: local processes, here, or actors of a cluster (`curate.ray_workers`).

Processes are forked from a fresh server process that imports the shared modules once
(`Processes.preload`) while the build prepares, and ends with the build. Connection string,
configuration and plan are sent over a pipe, never as arguments or environment. Workers open the key
provider themselves. Decided content leaves a worker only sealed; sketches are keyed hashes.
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
END_SECONDS_MAX = 10.0  # for a worker to end before it is killed
RUN_AGAIN = "run the command again: the build resumes"


class PageMaker(Protocol):
    """A worker. ``page``: the number of its current page, 0 for none."""

    page: int

    def begin(self, job: WorkerJob) -> None:
        """Sends the job, first of all; `take` raises what goes wrong."""

    def give(self, message: BuildMessage) -> None:
        """Sends a task, or the answer to the worker's last message."""

    def take(self) -> WorkerMessage:
        """Receives the worker's next message; BusyError if it died."""

    def end(self) -> None:
        """Ends the worker; its current page is rolled back."""


class Crew(Protocol):
    """A supply of workers for a build."""

    def prepare(self) -> None:
        """Prepares for hiring, while the build prepares."""

    def hire(self) -> PageMaker:
        """A worker that waits for its job; BusyError if none is available."""

    def ready(self, workers: Sequence[PageMaker]) -> Sequence[PageMaker]:
        """Waits for messages; returns the ``workers`` that have one."""


class Processes(msgspec.Struct, frozen=True):
    """Local processes. ``preload``: modules that are imported before forking."""

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
    """The number and supply of workers, and their configuration of the installation."""

    count: int
    config: Configuration
    crew: Crew = Processes()

    def __post_init__(self) -> None:
        if not 1 <= self.count <= WORKERS_MAX:
            raise UsageError(f"a build has 1 to `{WORKERS_MAX}` workers, not `{self.count}`")


def picklable_curation(curation: Curation) -> PageCuration:
    """The curation to send to workers; UsageError if that fails."""
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
    """The workers of one build, ended on exit from the block or by `close`."""

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
        """The pages after ``end``, in order, each once committed. ``turns``: the build's."""
        return _Pages(self._crew, self._workers, end, turns, self._says).built()

    def close(self) -> None:
        """Ends the workers; their current pages are rolled back."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()


class LocalWorker:
    def __init__(self) -> None:
        # A fork of this process would inherit connections, and locks of threads that it lacks.
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
        with contextlib.suppress(OSError):  # it died: `take` raises
            self.pipe.send(message)

    def take(self) -> WorkerMessage:
        try:
            message: WorkerMessage = self.pipe.recv()
        except (EOFError, OSError):
            raise self._death_error() from None
        return message

    def end(self) -> None:
        self.pipe.close()
        self._process.join(END_SECONDS_MAX if self.page == 0 else 0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def _death_error(self) -> BusyError:
        self._process.join(END_SECONDS_MAX)
        code = self._process.exitcode
        how = f"with exit code `{code}`"
        if code is not None and code < 0:
            how = f"by `{signal.Signals(-code).name}`"
        hint = f"{RUN_AGAIN}; if the machine ran out of memory, use fewer workers"
        return BusyError(f"a worker process of the build was ended {how}", hint)


class _Pages:
    """Assigns pages and answers workers so that results equal those of pages made in order."""

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
        self._is_start_known = True  # of the next page
        self._is_over = False
        self._counted = self._committed = end.page
        self._waiting: dict[int, tuple[PageMaker, PageRows | PageCommits]] = {}
        self._made: deque[BuiltPage] = deque()

    def built(self) -> Iterator[BuiltPage]:
        self._assign_page()
        while any(worker.page for worker in self._workers):
            for worker in self._crew.ready(self._workers):
                self._answer(worker, worker.take())
            while self._made:  # only after every possible answer was sent
                yield self._made.popleft()

    def _assign_page(self) -> None:
        """Assigns the next page to an idle worker, once the page's start is known."""
        if self._is_start_known and not self._is_over and self._idle:
            worker = self._idle.popleft()
            worker.page, self._is_start_known = self._next.number, False
            worker.give(self._next)

    def _answer(self, worker: PageMaker, message: WorkerMessage) -> None:
        match message:
            case PageBegins(last):
                worker.give(self._turns.begins(last))
                self._next, self._is_start_known = PageTask(worker.page + 1, last), True
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
        self._assign_page()

    def _is_free(self, worker: PageMaker) -> None:
        worker.page = 0
        self._idle.append(worker)

    def _answer_waiting(self) -> None:
        """Answers the first page that waits for ordinals, and the first that waits to commit."""
        while (waiting := self._waiting.get(self._counted + 1)) and isinstance(
            waiting[1], PageRows
        ):
            del self._waiting[self._counted + 1]
            self._counted += 1
            waiting[0].give(self._turns.rows(waiting[1].turns, waiting[1].rows))
        waiting = self._waiting.get(self._committed + 1)
        if waiting and isinstance(waiting[1], PageCommits):
            del self._waiting[self._committed + 1]
            self._turns.commits()
            waiting[0].give(None)


def connection_string(pool: Pool) -> str:
    """The connection string of an open pool."""
    dsn = pool.conninfo() if callable(pool.conninfo) else pool.conninfo
    assert isinstance(dsn, str)
    return dsn
