"""A reply that is read at once is read as `http.client` reads it, and any other is left to it."""

from __future__ import annotations

import io
import socket
import threading
from http.client import HTTPException, HTTPResponse
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.webhooks import outbound_http
from licet.webhooks.outbound_http import HttpReply, Poster

from ..waiting import HANG_SECONDS

WHOLE = (
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n",
    b"HTTP/1.1 429 Slow down\r\nRetry-After:  30 \r\nContent-Length: 0\r\nDate: Mon, 01 Sep 2025 00:00:00 GMT\r\n\r\n",
    b"HTTP/1.1 410 Gone\r\nServer: \xe9\r\nContent-Length: 0\r\n\r\n",
)
LEFT = (
    b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: +0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
)  # fmt: skip


class Bytes:
    """A connection that has said all of it."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def makefile(self, _: str) -> io.BytesIO:
        return io.BytesIO(self._said)


def by_the_library(said: bytes) -> HttpReply | None:
    answer = HTTPResponse(cast("socket.socket", Bytes(said)), method="POST")
    try:
        answer.begin()
    except (HTTPException, OSError, ValueError):
        return None
    seconds = outbound_http._parse_retry_after(answer.headers.get("retry-after", ""))
    return HttpReply(status=answer.status, outcome=str(answer.status), retry_after_seconds=seconds)


@pytest.mark.parametrize("said", WHOLE)
def test_a_short_reply_that_came_whole_is_read_at_once_as_the_library_reads_it(said: bytes) -> None:
    assert outbound_http._whole_reply(said) == by_the_library(said) is not None


@pytest.mark.parametrize("said", LEFT)
def test_a_reply_of_any_other_form_is_left_to_the_library(said: bytes) -> None:
    assert outbound_http._whole_reply(said) is None


@given(
    st.lists(st.sampled_from((*WHOLE, *LEFT)), min_size=1, max_size=2),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=3),
)
def test_whatever_was_damaged_what_is_read_at_once_is_what_the_library_reads(
    parts: list[bytes], damage: list[tuple[int, int]]
) -> None:
    said = bytearray(b"".join(parts))
    for place, value in damage:
        if said:
            said[place % len(said)] = value
    read = outbound_http._whole_reply(bytes(said))
    assert read is None or read == by_the_library(bytes(said))


def test_a_reply_in_pieces_is_read_whole_and_its_connection_serves_the_next_request() -> None:
    """The first piece is read before the library is asked: nothing of it may be lost."""
    pieces = (b"HTTP/1.1 20", b"0 OK\r\nContent-", b"Length: 5\r\n\r\nhe", b"llo")
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[int] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(HANG_SECONDS)
                for _ in range(2):
                    asked = b""
                    while not asked.endswith(b"\r\n\r\n{}"):
                        asked += connection.recv(4_096)
                    accepted.append(len(asked))
                    for piece in pieces:
                        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        connection.sendall(piece)
                        threading.Event().wait(0.02)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        poster = Poster(("127.0.0.1",))
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        replies = [poster.post(url, b"{}", {"a": "b"}) for _ in range(2)]
        thread.join(HANG_SECONDS)
        poster.close()
    assert [reply.status for reply in replies] == [200, 200]
    assert len(accepted) == 2
