"""The worker's side of a build in several processes (`release.build_workers`): the messages between
a build and its workers, and the loop that makes the pages that a build asks for.

A worker gets a `WorkerJob` first, then a `PageTask` for each page. During a task it sends the
requests of its `PageTurn`, waiting for each answer, and finally `PageBuilt`. `WorkerSays` has no
answer.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import msgspec

from licet.config import Configuration
from licet.errors import BrokenError, LicetError, RefusedError
from licet.keys import objects
from licet.keys.keyring import Keyring
from licet.keys.providers import provider
from licet.policy.file import Policies
from licet.release.base import BaseRelease
from licet.release.curation import PageCuration
from licet.release.draft import Draft
from licet.release.manifest import ReleaseManifest
from licet.release.page_builder import BuiltPage, PageBuilder
from licet.release.registry import Release
from licet.store.connect import open_pool, transaction
from licet.store.core_dumps import harden
from licet.vault.conversation_pages import Place

LOCK_SECONDS_MAX = 60


class WorkerJob(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker needs for a build. ``base``: the base's folder, record and manifest."""

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


class PageTask(msgspec.Struct, frozen=True, tag=True):
    """Requests the page ``number``, of the conversations after ``after``."""

    number: int
    after: Place


class PageBegins(msgspec.Struct, frozen=True, tag=True):
    """Reports the page's last conversation; answered with the time of decision."""

    last: Place


class PageLost(msgspec.Struct, frozen=True, tag=True):
    """Asks whether the named documents lose; answered with a bool for each."""

    names: Sequence[bytes]


class PageRows(msgspec.Struct, frozen=True, tag=True):
    """Reports the page's turns and rows; answered with the first row's ordinal."""

    turns: int
    rows: int


class PageCommits(msgspec.Struct, frozen=True, tag=True):
    """Asks to commit the page; answered with None once all earlier pages are committed."""


class PageBuilt(msgspec.Struct, frozen=True, tag=True):
    """``page``: None if no conversation is left."""

    page: BuiltPage | None


class WorkerSays(msgspec.Struct, frozen=True, tag=True):
    """A line of output for the operator."""

    line: str


class WorkerFailed(msgspec.Struct, frozen=True, tag=True):
    """An error of the worker, by class name; ``because`` is empty for one without a reason."""

    kind: str
    message: str
    hint: str = ""
    because: str = ""

    @classmethod
    def from_error(cls, error: LicetError) -> WorkerFailed:
        because = error.because if isinstance(error, RefusedError) else ""
        return cls(type(error).__name__, error.message, error.hint, because)

    def error(self) -> LicetError:
        """The worker's error; BrokenError for an unknown class."""
        kind = next((one for one in _errors() if one.__name__ == self.kind), BrokenError)
        error = kind.__new__(kind)
        LicetError.__init__(error, self.message, self.hint)
        if isinstance(error, RefusedError):
            # the message's lines are for a terminal
            error.because, error.details = self.because, {}
        return error


def _errors() -> Iterator[type[LicetError]]:
    """All imported classes of the error tree."""
    left: list[type[LicetError]] = [LicetError]
    while left:
        one = left.pop()
        yield one
        left += one.__subclasses__()


WorkerMessage: TypeAlias = (
    PageBegins | PageLost | PageRows | PageCommits | PageBuilt | WorkerSays | WorkerFailed
)

# A job, a task, or the answer to `PageBegins`, `PageLost`, `PageRows` and `PageCommits`, in order.
BuildMessage: TypeAlias = WorkerJob | PageTask | datetime | Sequence[bool] | int | None


class BuildChannel(Protocol):
    """A worker's connection to its build; EOFError or OSError once the build has ended."""

    def send(self, obj: Any, /) -> None: ...  # noqa: ANN401 a message

    def recv(self) -> Any: ...  # noqa: ANN401 the job, a task or an answer


def work(pipe: Connection) -> None:
    """Runs a worker process until its build closes the pipe."""
    harden()
    # Ctrl-C reaches the whole process group: the build ends its workers itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_build, daemon=True).start()
    make_pages(pipe)


def make_pages(channel: BuildChannel) -> None:
    """Makes the requested pages until the build ends; sends an error to the build and stops."""
    try:
        _make_pages(channel)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the build has ended
    except LicetError as error:
        _send_failure(channel, WorkerFailed.from_error(error))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = (
            f"a worker of the build failed: `{type(error).__name__}` in "
            f"`{Path(place.filename).name}:{place.lineno}`"
        )
        _send_failure(channel, WorkerFailed(BrokenError.__name__, message))


def _make_pages(channel: BuildChannel) -> None:
    job: WorkerJob = channel.recv()
    turn = _RemoteTurn(channel)
    keyring = Keyring(provider(job.config), cold=objects.open_cold_store(job.config))
    with ExitStack() as held:
        pool = held.enter_context(open_pool(job.dsn, 1))
        with transaction(pool) as tx:
            # A page that waits for its turn holds row locks. A third party that waits for these and
            # blocks the previous page would be a deadlock that the database cannot see: so waits
            # have a timeout.
            tx.execute(f"SET lock_timeout = '{LOCK_SECONDS_MAX}s'")
            stored = Draft.find(tx, keyring, job.release.release_id)
        if stored is None:
            raise BrokenError("the build that a worker was started for is not in the database")
        base = None
        if job.base is not None:
            base = held.enter_context(
                BaseRelease(*job.base, lambda line: channel.send(WorkerSays(line)))
            )
        builder = PageBuilder(
            pool,
            keyring,
            job.policies,
            job.release,
            stored[0],
            job.curation,
            base=base,
            page_bytes_max=job.page_bytes_max,
            looks_ahead=job.looks_ahead,
        )
        while True:
            task: PageTask = channel.recv()
            channel.send(PageBuilt(builder.build(task.number, task.after, turn)))


def _send_failure(channel: BuildChannel, failed: WorkerFailed) -> None:
    with contextlib.suppress(OSError):
        channel.send(failed)


def _end_with_the_build() -> None:
    """Exits once the build has died; the database rolls the page back."""
    build = parent_process()
    if build is not None:
        build.join()
    os._exit(1)


class _RemoteTurn:
    """The `PageTurn` of a page whose build is in another process."""

    def __init__(self, channel: BuildChannel) -> None:
        self._channel = channel

    def begins(self, last: Place) -> datetime:
        at: datetime = self._ask(PageBegins(last))
        return at

    def lost(self, names: Sequence[bytes]) -> Sequence[bool]:
        lost: Sequence[bool] = self._ask(PageLost(names))
        return lost

    def rows(self, turns: int, count: int) -> int:
        first: int = self._ask(PageRows(turns, count))
        return first

    def commits(self) -> None:
        self._ask(PageCommits())

    def _ask(self, question: WorkerMessage) -> Any:  # noqa: ANN401 what the question says
        self._channel.send(question)
        return self._channel.recv()
