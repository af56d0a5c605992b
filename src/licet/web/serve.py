"""The server around the application: uvicorn in this process, and a log with one JSON object per
line on standard output.

It also appends committed entries to the log of leaves, unless another process does so: see
`web.background`.

uvicorn's own access log is off, because it has paths, and with them ids. A proxy's headers are
trusted only if `LICET_WEB__PROXIES` names it. `connections` limits what each connection may cost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import IO
from urllib.parse import urlsplit

import msgspec
import structlog
import uvicorn
from litestar.types import ASGIApp

from licet import traces
from licet.config import Web
from licet.consent import controller
from licet.errors import RefusedError
from licet.vault.installation import Installation, load_host_key, load_policies
from licet.web import workers as worker_parent
from licet.web.access.connections import (
    BACKLOG,
    BoundedServer,
    Connections,
    bind_socket,
    bounds_of,
    format_host,
    protocol,
)
from licet.web.access.tokens import TokenVerifier
from licet.web.app import create_app

GRACE_SECONDS = 20
IDLE_SECONDS = 15
PIPE_BYTES = 4_096  # what POSIX and Linux write to a pipe in one piece
# reserved of the files that a process may open: for the database, the keys, the log
FILES_KEPT = 256
NO_SIGN_IN = (
    "nobody can sign in to the pages, /notice among them: set LICET_WEB__TOKEN_KEY_FILE "
    "or "
    "LICET_WEB__TOKEN_JWKS_FILE"
)


class Lines:
    """Writes lines, all those of one turn of the event loop at once: each write releases the
    interpreter's lock, and reacquiring it may take longer than the whole response. Outside an event
    loop, writes a line immediately.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._waiting: list[bytes] = []

    def msg(self, line: bytes) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write(line + b"\n")
            return
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append(line)

    def _flush(self) -> None:
        lines, self._waiting = self._waiting, []
        piece = bytearray()
        # workers share a pipe, which takes no more than so many bytes in one piece
        for line in lines:
            if piece and len(piece) + len(line) >= PIPE_BYTES:
                self._write(piece)
                piece = bytearray()
            piece += line + b"\n"
        self._write(piece)

    def _write(self, piece: bytes | bytearray) -> None:
        self._file.write(piece)
        self._file.flush()

    debug = info = warning = error = critical = msg


def log_as_json(worker: int | None = None) -> None:
    """Configures one JSON object per line, with the number of the worker that wrote it. What a
    traceback would quote is omitted: `problems.note` logs type and place.
    """
    lines = Lines(sys.stdout.buffer)
    own = {} if worker is None else {"worker": worker}
    structlog.configure(
        processors=[
            lambda _logger, _level, event: {**own, **event},
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(
                serializer=lambda line, **_: msgspec.json.encode(line)
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )


def server(
    app: ASGIApp, host: str, port: int, settings: Web | None = None, workers: int = 1
) -> BoundedServer:
    """A server that is not started yet, one of ``workers``."""
    settings = settings or Web()
    connections = Connections(bounds_of(settings, _files() - FILES_KEPT, workers))
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        http=protocol(connections),
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        backlog=BACKLOG,
        lifespan="on",
        ws="none",
    )
    return BoundedServer(config, connections)


def stated(installation: Installation, host: str) -> None:
    """RefusedError if other machines reach ``host`` or the configured URL, and the controller has
    not been stated.
    """
    reached = [
        host,
        urlsplit(installation.config.web.url).hostname or "" if installation.config.web.url else "",
    ]
    elsewhere = [name for name in reached if name and not _is_this_machine(name)]
    missing = controller.read_controller(installation.config.controller).missing
    if elsewhere and missing:
        raise RefusedError(
            f"`{elsewhere[0]}` is reached by others, and receipts do not say who is responsible: "
            f"{', '.join(missing)} not stated",
            f"fill in `{installation.config.controller}`: docs/install.md shows how",
            because="controller",
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def serve(
    installation: Installation,
    host: str,
    port: int,
    say: Callable[[str], object],
    *,
    workers: int = 1,
    at: str | None = None,
) -> None:
    """Serves until it is interrupted; accepted requests are answered before it ends.

    With several ``workers`` they serve, and this process watches them; ``at`` is then the time of a
    simulation. ``say`` gets the URL once requests are answered there. UsageError if it cannot
    listen on the address. RefusedError before a policy is applied (serving without one would create
    an installation that nobody configured), and if other machines can reach it although the
    controller has not been stated. BusyError if the key provider does not answer, BrokenError if it
    lacks a key.
    """
    load_policies(installation)
    stated(installation, host)
    load_host_key(installation)  # the key provider answers, and has the keys
    signs_in = TokenVerifier(
        installation.config.web
    ).configured  # a wrong key is reported before anything else
    with bind_socket(host, port) as listener:
        address = f"http://{format_host(host)}:{listener.getsockname()[1]}"

        def announce() -> None:
            say(f"serving on {address}")
            if not signs_in:
                say(f"warning: {NO_SIGN_IN}")

        if workers > 1:
            log_as_json(worker=0)
            worker_parent.serve(listener, installation.config.data, at, host, workers, announce)
            return
        log_as_json()
        with traces.sending(installation.config.web.traces):
            app = create_app(installation, installation.config.web, sequencer=True)
            made = server(app, host, port, installation.config.web)
            made.on_listening = announce
            until_interrupted(made, listener)


def until_interrupted(made: uvicorn.Server, listener: socket.socket) -> None:
    """Runs a server until SIGINT or SIGTERM."""
    # uvicorn raises the signal again after it has stopped, while the installation is still open.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        made.run(sockets=[listener])


def _files() -> int:
    """How many files this process may open, after raising the limit as far as allowed."""
    if sys.platform == "win32":
        return 8_192
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft if soft > 0 else 1_048_576
