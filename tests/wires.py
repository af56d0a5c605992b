"""A wire before a service that really runs: it takes connections and says nothing, or is slow, for
as long as a test likes.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

WELL, BLACK_HOLE, SLOW = "well", "black hole", "slow"
SLOW_SECONDS = 30.0
CHUNK_BYTES = 1 << 16
Address = tuple[str, int] | str


class ServiceWire:
    """Passes bytes between anyone who connects and ``upstream``, an address of TCP or the path of a
    Unix socket; itself it listens at ``path``, or at ``address`` of TCP.

    While its `harm` is `BLACK_HOLE` nothing passes, while it is `SLOW` each piece of an answer
    waits for `SLOW_SECONDS`. What was held back passes once it is `WELL`.
    """

    def __init__(self, upstream: Address, path: Path | None = None) -> None:
        self._upstream, self._harm = upstream, WELL
        self._changed = threading.Condition()
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.address: tuple[str, int] = self._listener.getsockname()
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return self.address[1]

    @contextlib.contextmanager
    def harmed(self, harm: str) -> Iterator[None]:
        self._set(harm)
        try:
            yield
        finally:
            self._set(WELL)

    def _set(self, harm: str) -> None:
        with self._changed:
            self._harm = harm
            self._changed.notify_all()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        self._wait(WELL if self._harm == BLACK_HOLE else self._harm)
        is_unix = isinstance(self._upstream, str)
        far = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET)
        try:
            far.connect(self._upstream)
        except OSError:
            near.close()
            return
        for source, sink, answers in ((near, far, False), (far, near, True)):
            threading.Thread(target=self._pump, args=(source, sink, answers), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(CHUNK_BYTES):
                self._hold(answers)
                sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _wait(self, harm: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._harm in (harm, WELL))

    def _hold(self, answers: bool) -> None:
        with self._changed:
            if self._harm == BLACK_HOLE:
                self._changed.wait_for(lambda: self._harm == WELL)
            elif self._harm == SLOW and answers:
                self._changed.wait_for(lambda: self._harm == WELL, SLOW_SECONDS)

    def close(self) -> None:
        self._listener.close()
