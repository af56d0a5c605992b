"""Connections on real sockets: who sends nothing, too slowly or too much is closed, and nobody else
notices.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from licet.access.roles import Scope
from licet.config import Web
from licet.store.connect import Pool
from licet.web.access import connections as connections_module
from licet.web.access import limits
from licet.web.access.connections import (
    HEADER_BYTES_MAX,
    BoundedServer,
    Connection,
    ConnectionBounds,
    Connections,
    protocol,
)

from .served import World, listening, running

Result = TypeVar("Result")
# seconds that a test waits for what must happen; nothing here passes by being quick
PATIENCE = 60.0
BOUNDS = ConnectionBounds(
    connections_max=20,
    header_seconds=PATIENCE,
    body_seconds=PATIENCE,
    body_bytes_per_second=1,
    answer_seconds=PATIENCE,
)


def connected(url: str, source: str = "127.0.0.1", receive_bytes: int = 0) -> socket.socket:
    parts = urlsplit(url)
    made = socket.socket()
    if receive_bytes:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    made.settimeout(PATIENCE)
    made.bind((source, 0))
    made.connect((parts.hostname, parts.port))
    return made


def is_closed(one: socket.socket) -> bool:
    """Whether the other side closes the connection, without having answered."""
    try:
        return one.recv(1) == b""
    except ConnectionError:
        return True


def is_open(one: socket.socket) -> bool:
    """Whether the connection still answers."""
    try:
        one.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        return one.recv(12) == b"HTTP/1.1 200"
    except ConnectionError:
        return False


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """An application: reads a body whole; `/much` answers more than any buffer holds."""
    if scope["type"] == "lifespan":
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(256 if scope["path"] == "/much" else 0):
        await send({"type": "http.response.body", "body": bytes(2**18), "more_body": True})
    await send({"type": "http.response.body", "body": b"done"})


@contextmanager
def serving(**bounds: float) -> Iterator[str]:
    with serving_with(
        Connections(
            ConnectionBounds(
                **{**{f: getattr(BOUNDS, f) for f in BOUNDS.__struct_fields__}, **bounds}
            )
        )
    ) as url:
        yield url


@contextmanager
def serving_with(connections: Connections) -> Iterator[str]:
    config = uvicorn.Config(
        answering,
        host="127.0.0.1",
        port=0,
        log_config=None,
        http=protocol(connections),
        lifespan="on",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=int(PATIENCE),
    )
    with running(BoundedServer(config, connections)) as url:
        yield url


def test_a_thousand_half_open_sockets_lock_nobody_out(pool: Pool, tmp_path: Path) -> None:
    world = World(pool, tmp_path / "data")
    with listening(world.app) as url, ExitStack() as open_ones:
        for number in range(1_030):
            one = open_ones.enter_context(connected(url))
            if number % 2:
                # and never the end of its headers
                one.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        for _ in range(3):
            assert httpx.get(f"{url}/healthz", timeout=PATIENCE).status_code == 200


def test_who_opens_many_connections_takes_none_from_other_addresses() -> None:
    with serving() as url, ExitStack() as open_ones:
        kept = [open_ones.enter_context(connected(url, "127.0.0.3")) for _ in range(3)]
        for _ in range(50):
            open_ones.enter_context(connected(url, "127.0.0.2"))
        newcomer = open_ones.enter_context(connected(url, "127.0.0.4"))
        assert is_open(newcomer)
        assert all(map(is_open, kept))


def test_a_connection_that_is_answered_is_not_closed_for_another() -> None:
    with serving(connections_max=2) as url, ExitStack() as open_ones:
        busy = [open_ones.enter_context(connected(url, receive_bytes=4_096)) for _ in range(2)]
        for one in busy:
            one.sendall(b"GET /much HTTP/1.1\r\nhost: x\r\n\r\n")
            assert one.recv(12) == b"HTTP/1.1 200"
        assert open_ones.enter_context(connected(url)).recv(12) == b"HTTP/1.1 503"
        for one in busy:
            one.sendall(b"")  # still open
            assert one.recv(1)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /healthz HTTP/1.1\r\nhost: x\r\n", b"G"],
    ids=["nothing", "no end", "a byte"],
)
def test_headers_that_do_not_come_in_time_end_the_connection(sent: bytes) -> None:
    with serving(header_seconds=0.3) as url, connected(url) as one:
        one.sendall(sent)
        assert is_closed(one)


def test_headers_of_a_second_request_have_the_same_time() -> None:
    with serving(header_seconds=0.3) as url, connected(url) as one:
        assert is_open(one)
        one.sendall(b"GET /healthz")
        while one.recv(2**16):  # the rest of the first answer
            pass


def test_a_body_that_comes_too_slowly_ends_the_connection() -> None:
    with serving(body_seconds=0.3, body_bytes_per_second=2**20) as url, connected(url) as one:
        one.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc")
        assert is_closed(one)


def test_a_body_that_comes_at_a_pace_is_taken_whole() -> None:
    with serving(body_seconds=0.3, body_bytes_per_second=1) as url, connected(url) as one:
        one.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 30\r\n\r\n")
        # a second for each byte: the last part comes long after the first third of a second
        for _ in range(3):
            one.sendall(b"abcdefghij")
            time.sleep(0.4)
        assert one.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("count", [1, 2**16, 2**18, 2**20, 5 * 2**20])
def test_a_body_of_any_size_is_no_header(count: int) -> None:
    with serving() as url, httpx.Client() as http:
        for _ in range(3):
            assert http.post(url, content=bytes(count), timeout=PATIENCE).status_code == 200


def test_the_headers_of_many_requests_on_one_connection_are_not_added_up() -> None:
    with serving() as url, httpx.Client() as http:
        for _ in range(10):
            assert (
                http.get(
                    url, headers={"x": "y" * (HEADER_BYTES_MAX // 4)}, timeout=PATIENCE
                ).status_code
                == 200
            )


def test_a_request_that_came_while_the_server_stood_still_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its loop calls what is due before it reads: the check for slow connections, and the end of an
    idle one.
    """
    # between the two calls that end an idle one
    monkeypatch.setattr(connections_module, "TICK_SECONDS", PATIENCE)
    connections = Connections(BOUNDS)
    with serving_with(connections) as url, connected(url) as client:
        assert answer(client, WHOLE)
        (one,) = connections.open
        client.sendall(WHOLE[:BEGUN])
        assert called(one, lambda: one.due < inf), "its headers have begun, and have a time"
        called(one, lambda: connections.close_late(one.loop.time() + 2 * PATIENCE, 2 * PATIENCE))
        assert answer(client, WHOLE[BEGUN:])
        called(one, one.timeout_keep_alive_handler)
        assert answer(client, WHOLE)
        client.sendall(WHOLE[:BEGUN])
        assert called(one, lambda: one.due < inf)
        called(one, lambda: connections.close_late(one.loop.time() + 2 * PATIENCE, 0.5))
        assert is_closed(client)
    with serving_with(connections) as url, connected(url) as client:
        assert answer(client, WHOLE)
        (one,) = connections.open
        called(one, one.timeout_keep_alive_handler)
        called(one, one.timeout_keep_alive_handler)
        assert is_closed(client)


WHOLE, BEGUN = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", 23


def answer(client: socket.socket, sent: bytes) -> bytes:
    """What comes back for ``sent``, to its end; empty if the connection was closed."""
    client.sendall(sent)
    came = b""
    while not came.endswith(b"\r\n0\r\n\r\n"):
        piece = client.recv(1_024)
        if not piece:
            return b""
        came += piece
    return came


def called(one: Connection, ask: Callable[[], Result]) -> Result:
    """What ``ask`` gives in the loop of the server, when it has read what was sent before."""
    given: Future[Result] = Future()
    one.loop.call_soon_threadsafe(
        lambda: one.loop.call_later(0.05, lambda: given.set_result(ask()))
    )
    return given.result(PATIENCE)


def test_a_reader_that_takes_nothing_of_an_answer_is_left() -> None:
    with serving(answer_seconds=0.3) as url, connected(url, receive_bytes=4_096) as one:
        one.sendall(b"GET /much HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(1.5)
        taken = 0
        try:
            while piece := one.recv(2**20):
                taken += len(piece)
        except ConnectionError:
            pass
        assert taken < 256 * 2**18


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * HEADER_BYTES_MAX + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * HEADER_BYTES_MAX + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 1_000,
    ],
    ids=["address", "value", "count"],
)
def test_headers_that_are_too_large_are_refused_before_they_end(head: bytes) -> None:
    with serving() as url, connected(url) as one:
        one.sendall(head)
        assert one.recv(12) == b"HTTP/1.1 431"


@pytest.mark.parametrize(
    ("proxies", "refused"), [((), True), (("127.0.0.1",), False)], ids=["none", "named"]
)
def test_whom_a_proxy_speaks_for_is_believed_only_of_one_that_is_named(
    pool: Pool, tmp_path: Path, proxies: tuple[str, ...], refused: bool
) -> None:
    world = World(pool, tmp_path / "data", proxies=proxies, unknown_requests_per_minute=6)
    with listening(world.app, world.web) as url:
        said = [{"x-forwarded-for": f"203.0.113.{n}"} for n in range(20)]
        answers = {httpx.get(f"{url}/v1/me", headers=one).status_code for one in said}
    assert (429 in answers) is refused


def test_bodies_of_many_callers_are_held_to_a_sum(pool: Pool, tmp_path: Path) -> None:
    world = World(pool, tmp_path / "data")
    key, each = world.service(Scope.turns_write), limits.BULK_BYTES_MAX
    patient = Web(
        body_seconds=PATIENCE, body_bytes_per_second=1
    )  # a machine with much to do takes long over so many bytes
    with listening(world.app, patient) as url, ExitStack() as open_ones:
        parts = urlsplit(url)
        head = (
            f"POST /v1/turns:bulk HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: "
            f"{key['authorization']}\r\n"
        )
        held = []
        for _ in range(limits.HEAVY_BYTES_MAX // each + 1):
            one = open_ones.enter_context(connected(url))
            one.sendall(f"{head}content-length: {each}\r\n\r\n".encode())
            one.sendall(bytes(each - 1))  # never the last byte
            held.append(one)
        # `select` knows descriptors below 1,024 alone
        selector = open_ones.enter_context(selectors.DefaultSelector())
        for one in held:
            selector.register(one, selectors.EVENT_READ)
        answered = selector.select(PATIENCE)  # which one it is depends on whose bytes came last
        answer = held[[one.fileno() for one in held].index(answered[0][0].fd)].recv(2**16)
        assert answer.startswith(b"HTTP/1.1 503")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "urn:licet:problem:busy"
        assert httpx.get(f"{url}/healthz", timeout=PATIENCE).status_code == 200


def test_a_server_that_leaves_says_with_the_next_answer_that_it_is_a_connection_s_last() -> None:
    connections = Connections(BOUNDS)
    with serving_with(connections) as url, httpx.Client(base_url=url) as client:
        assert "connection" not in client.get("/").headers
        connections.close_after_answer()
        assert client.get("/").headers["connection"] == "close"
