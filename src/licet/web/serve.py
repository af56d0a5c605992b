"""A server around the application: uvicorn in this process, and a log of one JSON object a line on standard output.

It also takes what commits into the log of leaves, unless another process does: see `web.background`.

uvicorn's own access log is off: it has paths, and with them ids. A proxy is believed when it says whom it speaks for only
if `LICET_WEB__PROXIES` names it. What each connection may cost, `connections` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import IO
from urllib.parse import urlsplit

import msgspec
import structlog
import uvicorn
from litestar.types import ASGIApp

from licet.config import Web
from licet.consent import controller
from licet.errors import RefusedError
from licet.vault import installation
from licet.vault.installation import Installation
from licet.web.access.connections import BACKLOG, BoundedServer, Connections, bound, bounds_of, protocol, shown
from licet.web.app import create_app

GRACE_SECONDS = 20
IDLE_SECONDS = 15
FILES_KEPT = 256  # of those that a process may open: the database's, the keys', the log's
NO_SIGN_IN = (
    "nobody can sign in to the pages, /notice among them: set LICET_WEB__TOKEN_KEY_FILE or LICET_WEB__TOKEN_JWKS_FILE"
)


class Lines:
    """Writes lines, those of one turn of the event loop together: each write lets another thread take the lock of the
    interpreter, and getting it back may take longer than the whole answer. Elsewhere a line is written at once.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._waiting: list[bytes] = []

    def msg(self, line: bytes) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._file.write(line + b"\n")
            self._file.flush()
            return
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append(line)

    def _flush(self) -> None:
        lines, self._waiting = self._waiting, []
        self._file.write(b"\n".join([*lines, b""]))
        self._file.flush()

    debug = info = warning = error = critical = msg


def log_as_json() -> None:
    """One JSON object a line. What a traceback would quote is left out: `problems.note` says where and what kind."""
    lines = Lines(sys.stdout.buffer)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(serializer=lambda line, **_: msgspec.json.encode(line)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )


def server(app: ASGIApp, host: str, port: int, settings: Web | None = None) -> uvicorn.Server:
    """A server that has not begun."""
    settings = settings or Web()
    connections = Connections(bounds_of(settings, _files() - FILES_KEPT))
    config = uvicorn.Config(
        app, host=host, port=port, access_log=False, log_config=None, log_level="warning", server_header=False,
        http=protocol(connections), timeout_keep_alive=IDLE_SECONDS, timeout_graceful_shutdown=GRACE_SECONDS,
        proxy_headers=bool(settings.proxies), forwarded_allow_ips=list(settings.proxies), backlog=BACKLOG,
        lifespan="on", ws="none",
    )  # fmt: skip
    return BoundedServer(config, connections)


def stated(here: Installation, host: str) -> None:
    """RefusedError where others than this machine reach ``host`` or the set URL, and nobody stated who is responsible."""
    reached = [host, urlsplit(here.config.web.url).hostname or "" if here.config.web.url else ""]
    elsewhere = [name for name in reached if name and not _is_this_machine(name)]
    missing = controller.read(here.config.controller).missing
    if elsewhere and missing:
        raise RefusedError(
            f"`{elsewhere[0]}` is reached by others, and receipts do not say who is responsible: "
            f"{', '.join(missing)} not stated",
            f"fill in `{here.config.controller}`: docs/install.md shows how", because="controller",
        )  # fmt: skip


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def serve(here: Installation, host: str, port: int, say: Callable[[str], object]) -> None:
    """Serves until it is interrupted; what was taken is answered before it ends.

    UsageError where the address cannot be listened on; RefusedError before a policy is applied (what
    serves without one would be an installation that nobody made), and where others than this machine would reach it and
    nobody has stated who is responsible.
    """
    installation.policies(here)
    stated(here, host)
    with bound(host, port) as listener:
        log_as_json()
        app = create_app(here, here.config.web, sequencer=True)
        made = server(app, host, port, here.config.web)
        say(f"serving on http://{shown(host)}:{listener.getsockname()[1]}")
        if not app.state.site.tokens.configured:
            say(f"warning: {NO_SIGN_IN}")
        # uvicorn raises the signal again when it has ended; the installation is still to be closed then.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            made.run(sockets=[listener])


def _files() -> int:
    """How many files this process may open, after asking for as many as it may ask for."""
    if sys.platform == "win32":
        return 8_192
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft if soft > 0 else 1_048_576
