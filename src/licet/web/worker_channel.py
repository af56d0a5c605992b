"""Messages between a server's parent process and its workers: a line of JSON each, over a socket
pair.

Neither side ever waits for the other. Each message states the whole present state and is sent again
every second, so that one that does not fit into the socket's buffer may be dropped. The end of the
stream is the end of the other side.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Generic, TypeVar

import msgspec

READ_BYTES_MAX = 64 * 2**10


class WorkerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The start arguments of a worker. ``listener``, ``channel`` and ``rates`` are inherited file
    descriptors; ``seat`` is its number, unique among live workers; ``metrics`` is the folder of the
    counters.
    """

    data: str
    at: str | None
    host: str
    port: int
    listener: int
    channel: int
    rates: int
    metrics: str
    seat: int
    workers: int


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A worker's heartbeat, sent each second. ``fault`` is the type of the error that ended
    its sequencer; ``fatal`` is why no process of this server may go on; ``silent`` names what does
    not answer it.
    """

    fault: str = ""
    fatal: str = ""
    silent: tuple[str, ...] = ()


class WorkersStanding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of all workers, which the parent sends to each of them every second. ``ends``
    counts unrequested ends by reason; ``leave``: this one must end once its connections have.
    """

    wanted: int = 1
    ready: int = 1
    faults: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    ends: dict[str, int] = msgspec.field(default_factory=dict)
    leave: bool = False


Heard = TypeVar("Heard", WorkerReport, WorkersStanding)


class WorkerChannel(Generic[Heard]):
    """One end of the pair, which receives messages of one type."""

    def __init__(self, end: socket.socket, hears: type[Heard]) -> None:
        end.setblocking(False)
        self._end = end
        self._decoder: msgspec.json.Decoder[Heard] = msgspec.json.Decoder(hears)
        self._unread = self._unsent = b""
        self.ended = False

    def fileno(self) -> int:
        return self._end.fileno()

    def tell(self, message: WorkerReport | WorkersStanding) -> None:
        """Sends a message, unless the one before it is still under way."""
        if not self._unsent:
            self._unsent = msgspec.json.encode(message) + b"\n"
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self._unsent = self._unsent[self._end.send(self._unsent) :]

    def newest(self) -> Heard | None:
        """The newest message since the last call, if there is one. ``ended`` is set at the end of
        the stream.
        """
        while not self.ended:
            try:
                piece = self._end.recv(READ_BYTES_MAX)
            except BlockingIOError:
                break
            except ConnectionResetError:
                piece = b""
            self.ended = not piece
            self._unread += piece
        *lines, self._unread = self._unread.split(b"\n")
        return self._decoder.decode(lines[-1]) if lines else None

    def close(self) -> None:
        self._end.close()
