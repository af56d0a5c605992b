"""Limits on connections: nobody can keep one open without sending, or keep out other clients.

- A request's headers must arrive within `header_seconds`, its body at a minimum pace, and the
  client must read the response; otherwise the connection is closed. The sender's time does not run
  while the server itself does not read, nor while its process stands still: what arrived meanwhile
  is read first.
- Headers are limited to `HEADER_BYTES_MAX` (431), because the parser has no limit of its own.
- When more than `connections_max` are open, an idle connection is closed: the oldest of the address
  with the most. A new connection is refused (503) only if all others are busy, or if its own
  address has the most and none of them is idle.

Connections through one proxy share its address, and so its share: the oldest idle one of them is
closed first.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import OrderedDict
from collections.abc import Callable
from math import inf
from typing import Any

import msgspec
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from licet.config import Web
from licet.errors import UsageError

HEADER_BYTES_MAX = 64 * 2**10
HEADERS_MAX = 200
BACKLOG = 1_024
TICKS = 5  # of a tenth of a second, between two checks for slow connections
TICK_SECONDS = 0.1
STILL_SECONDS = 5 * TICKS * TICK_SECONDS  # between two checks: the process stood still
LEAVE_TICKS_MAX = 200  # longer than an idle connection stays open
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class ConnectionBounds(msgspec.Struct, frozen=True, kw_only=True):
    """The maximum number of connections, and how long each may keep the server waiting: see
    `config.Web`.
    """

    connections_max: int
    header_seconds: float
    body_seconds: float
    body_bytes_per_second: float
    answer_seconds: float


def bounds_of(settings: Web, files: int, workers: int = 1) -> ConnectionBounds:
    """The bounds in ``settings``, as far as the limit on open files allows; each of ``workers`` has
    its part.
    """
    return ConnectionBounds(
        connections_max=max(1, min(settings.connections_max // workers, files)),
        header_seconds=settings.header_seconds,
        body_seconds=settings.body_seconds,
        body_bytes_per_second=settings.body_bytes_per_second,
        answer_seconds=settings.answer_seconds,
    )


class Connections:
    """All connections of a server, by address; for each address, the idle ones, oldest first."""

    def __init__(self, bounds: ConnectionBounds) -> None:
        self.bounds, self.leaving = bounds, False
        self.open: set[Connection] = set()
        self._counts: dict[str, int] = {}
        self._waiting: dict[str, OrderedDict[Connection, None]] = {}

    def add(self, connection: Connection) -> bool:
        """Accepts a new connection, and closes another one for it if necessary; False if none can
        be closed.
        """
        if len(self.open) >= self.bounds.connections_max:
            victim = self._to_close(connection.address)
            if victim is None:
                return False
            self.remove(victim)
            victim.transport.abort()
        self.open.add(connection)
        self._counts[connection.address] = self._counts.get(connection.address, 0) + 1
        self.waits(connection)
        return True

    def remove(self, connection: Connection) -> None:
        if connection not in self.open:
            return
        self.open.remove(connection)
        self.works(connection)
        self._counts[connection.address] -= 1
        if not self._counts[connection.address]:
            del self._counts[connection.address]

    def waits(self, connection: Connection) -> None:
        """Marks the connection as idle: it waits for its client to send."""
        if connection in self.open:
            self._waiting.setdefault(connection.address, OrderedDict())[connection] = None

    def works(self, connection: Connection) -> None:
        """Marks the connection as busy: it has sent a whole request, or is gone."""
        waiting = self._waiting.get(connection.address)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._waiting[connection.address]

    def _to_close(self, newcomer: str) -> Connection | None:
        """The oldest idle connection of the address with the most, or of the newcomer's own."""
        own = self._counts.get(newcomer, 0)
        most = max(self._waiting, key=lambda address: self._counts[address], default=None)
        if most is not None and self._counts[most] > own:
            return next(iter(self._waiting[most]))
        return next(iter(self._waiting.get(newcomer, ())), None)

    def close_after_answer(self) -> None:
        """Makes the next response on every connection its last."""
        self.leaving = True
        for one in self.open:
            one.say_last()

    def close_late(self, now: float, passed: float) -> None:
        """Closes connections that are too slow; ``passed`` is the number of seconds since the last
        check.
        """
        stood_still = passed > STILL_SECONDS
        for one in list(self.open):
            if (stood_still or one.flow.read_paused) and one.due != inf:
                one.due += passed
            elif min(one.due, one.read_by) < now:
                self.remove(one)
                one.transport.abort()


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's with the deadlines of its client. Times are the loop's."""

    transport: asyncio.Transport

    # uvicorn's signature
    def __init__(self, connections: Connections, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._connections = connections
        self.address = "unknown"
        self.due = self.read_by = inf
        self._header_bytes = self._headers_seen = self._heads = self._unended_bytes = 0
        self._body_from: float | None = None
        self._body_bytes = 0
        self._waited = False

    # as uvicorn has it
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else "unknown"
        self.due = self.loop.time() + self._connections.bounds.header_seconds
        if not self._connections.add(self):
            transport.write(_BUSY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """Closes an idle connection at its second call, a tick after the first: after the process
        stood still, the loop calls what is due before it reads a request that has arrived.
        """
        if self._waited:
            super().timeout_keep_alive_handler()
            return
        self._waited = True
        self.timeout_keep_alive_task = self.loop.call_later(
            TICK_SECONDS, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        self._waited = False
        if self.due == inf and (self.cycle is None or self.cycle.response_complete):
            self.due = self.loop.time() + self._connections.bounds.header_seconds
        if self.transport.is_closing():
            return
        heads, in_body = self._heads, self._body_from is not None
        super().data_received(data)
        # The parser reports a header only when it is complete.
        ended = in_body or self._body_from is not None or heads != self._heads
        self._unended_bytes = 0 if ended else self._unended_bytes + len(data)
        if self._unended_bytes > HEADER_BYTES_MAX:
            self._refuse_headers()

    def on_message_begin(self) -> None:
        self._header_bytes = self._headers_seen = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._fits(len(url)):
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_seen += 1
        if self._fits(len(name) + len(value) + 4):
            super().on_header(name, value)

    def _fits(self, count: int) -> bool:
        self._header_bytes += count
        if self._header_bytes <= HEADER_BYTES_MAX and self._headers_seen <= HEADERS_MAX:
            return True
        self._refuse_headers()
        return False

    def _refuse_headers(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        if self.transport.is_closing():
            return
        self._heads += 1
        self._body_from, self._body_bytes = self.loop.time(), 0
        self.due = self._body_from + self._connections.bounds.body_seconds
        super().on_headers_complete()
        if self._connections.leaving:
            self.say_last()

    def say_last(self) -> None:
        """Marks the next response as the connection's last; one that has begun cannot be marked."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False  # uvicorn says so in the response, and closes

    def on_body(self, body: bytes) -> None:
        if self.transport.is_closing() or self._body_from is None:
            return
        self._body_bytes += len(body)
        bounds = self._connections.bounds
        self.due = (
            self._body_from + bounds.body_seconds + self._body_bytes / bounds.body_bytes_per_second
        )
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.transport.is_closing() or self._body_from is None:
            return
        self.due, self._body_from = inf, None
        if self.cycle is not None and not self.cycle.response_complete:
            self._connections.works(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._connections.waits(self)

    def pause_writing(self) -> None:
        self.read_by = self.loop.time() + self._connections.bounds.answer_seconds
        super().pause_writing()

    def resume_writing(self) -> None:
        self.read_by = inf
        super().resume_writing()


class BoundedServer(Server):
    """uvicorn's server, with a check for slow connections twice a second. ``each_tick`` is called
    ten times a second, ``on_listening`` once it takes connections.

    When it ends it closes idle connections at once. With ``leaves_slowly`` it answers one more
    request on each: a client that is just about to send would lose a request otherwise. For a
    worker whose successor takes new connections.
    """

    def __init__(self, config: Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections, self._looked = connections, 0.0
        self.leaves_slowly = False
        self.each_tick: Callable[[BoundedServer, int], None] = lambda _server, _counter: None
        self.on_listening: Callable[[], object] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except OSError as error:  # another process listens since `bound`
            host, port = (sockets or [])[0].getsockname()[:2]
            raise _cannot_listen(error, host, port) from None
        self.on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.leaves_slowly:
            for taking in self.servers:
                taking.close()
            for listener in sockets or []:
                listener.close()
            self._connections.close_after_answer()
            # at least some: what was accepted may not be a connection yet
            for counter in range(LEAVE_TICKS_MAX):
                if counter > TICKS and not self._connections.open:
                    break
                await asyncio.sleep(TICK_SECONDS)
                await self.on_tick(counter)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        self.each_tick(self, counter)
        now = asyncio.get_running_loop().time()
        if counter % TICKS == 0:
            self._connections.close_late(now, now - self._looked if self._looked else 0.0)
            self._looked = now
        return await super().on_tick(counter)


def protocol(connections: Connections) -> type[asyncio.Protocol]:
    """The protocol of a server, as uvicorn expects one: a class that it instantiates."""

    class Bounded(Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 uvicorn's signature
            super().__init__(connections, *args, **kwargs)

    return Bounded


def bind_socket(host: str, port: int) -> socket.socket:
    """A socket at an address; UsageError names the address and a remedy.

    It does not listen: a client that connects before the application is ready is refused, and asks
    another host, instead of waiting for it. The server listens when it can answer.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise UsageError(
            f"`{host}` is no address of this machine", "give --host one, as 127.0.0.1"
        ) from None
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _cannot_listen(error, host, port) from None
    return listener


def _cannot_listen(error: OSError, host: str, port: int) -> UsageError:
    what = f"cannot listen on `{format_host(host)}:{port}`"
    match error.errno:
        case errno.EADDRINUSE:
            return UsageError(
                f"{what}: another process has it", "end it, or name another port with --port"
            )
        case errno.EACCES:
            return UsageError(f"{what}: this user may not", "give a --port above 1023")
        case _:
            return UsageError(what, "give --host an address of this machine")


def format_host(host: str) -> str:
    """A host as it is written in a URL."""
    return f"[{host}]" if ":" in host else host
