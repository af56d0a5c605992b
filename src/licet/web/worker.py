"""A worker of `licet serve --workers N`: a server process on the parent's socket.
`licet.web.workers` starts it.

It opens the installation itself and shares no memory with other workers but the table of rates.
While its event loop runs it reports every second; a parent that has gone ends it. It is a program
of its own, `python -m licet.web.worker ORDER`, and not a fork: threads and connections of the
parent would not survive one.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import msgspec
from litestar import Litestar

from licet import traces
from licet.config import Configuration
from licet.errors import BrokenError, LicetError
from licet.policy.period import instant
from licet.store.connect import POOL_SIZE_MAX
from licet.store.core_dumps import harden
from licet.vault.installation import Installation, load_clock, open_installation
from licet.web import metrics
from licet.web.access.connections import BoundedServer
from licet.web.app import create_app
from licet.web.serve import log_as_json, server, until_interrupted
from licet.web.worker_channel import WorkerChannel, WorkerOrder, WorkerReport, WorkersStanding

TICKS_A_REPORT = 10  # of a tenth of a second
POOL_TOTAL_MAX = 80  # connections to the database of all workers: an ordinary PostgreSQL takes 100


def pool_size(workers: int) -> int:
    """How many connections to the database each of ``workers`` may open."""
    return max(1, min(POOL_SIZE_MAX, POOL_TOTAL_MAX // workers))


class WorkerLife:
    """What a worker does on each tick of its server: it reports, and receives the state of all
    workers.
    """

    def __init__(
        self, installation: Installation, app: Litestar, channel: WorkerChannel[WorkersStanding]
    ) -> None:
        self._here, self._app, self._channel = installation, app, channel

    def tick(self, made: BoundedServer, counter: int) -> None:
        standing = self._channel.newest()
        if standing is not None:
            self._app.state.workers = standing
            made.leaves_slowly = made.leaves_slowly or standing.leave
        if made.leaves_slowly or self._channel.ended:
            made.should_exit = True
        if counter % TICKS_A_REPORT == 0:
            edge, watch = self._app.state.edge, self._app.state.site.dependencies
            edge.measure_pool(self._here.pool.get_stats())
            edge.measure_dependencies(watch.watched, watch.silent)
            self._channel.tell(
                WorkerReport(
                    fault=self._app.state.following.fault,
                    fatal=self._fatal(),
                    silent=watch.silent,
                )
            )

    def _fatal(self) -> str:
        """Why no worker may continue: this one's knowledge about the disk of the restriction
        journal.
        """
        journal = self._here.keyring.restrictions
        if journal is not None:
            try:
                journal.check()
            except BrokenError as error:
                return error.message
        return ""


def run(order: WorkerOrder) -> None:
    """Serves until asked to end."""
    harden()
    config = Configuration.from_environment(os.environ, Path(order.data))
    at = instant(order.at) if order.at else None
    clock = load_clock(config) if at is None else (lambda: at)
    metrics.share(order.metrics, order.seat)
    with (
        socket.socket(fileno=order.listener) as listener,
        open_installation(
            config, clock, create=False, connections_max=pool_size(order.workers)
        ) as installation,
        traces.sending(config.web.traces),
    ):
        log_as_json(worker=order.seat)
        app = create_app(
            installation, config.web, sequencer=True, workers=order.workers, rates=order.rates
        )
        made = server(app, order.host, order.port, config.web, workers=order.workers)
        channel = WorkerChannel(socket.socket(fileno=order.channel), WorkersStanding)
        made.each_tick = WorkerLife(installation, app, channel).tick
        until_interrupted(made, listener)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to end
    try:
        run(msgspec.json.decode(sys.argv[1], type=WorkerOrder))
    except LicetError as error:
        hint = f"hint: {error.hint}\n" if error.hint else ""
        os.write(2, f"error: {error.message}\n{hint}".encode())
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
