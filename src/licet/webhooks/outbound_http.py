"""Requests to configured URLs, restricted to permitted addresses (protection against SSRF).

An operator enters an endpoint's URL, and other parties resolve its name, to any address they like.
Therefore:

- https only; plain http only to a host that the setting ``inside`` names and that is this machine
- no user, no fragment, no redirect followed, no proxy of the environment
- each address of the name must be public, unless ``inside`` names the host. Addresses that embed
  another one (IPv4-mapped, NAT64, 6to4, Teredo) are checked for both
- the request goes to the address that was checked: the name is not resolved a second time. The
  certificate and the `Host` header are nevertheless those of the name
- of a response only the status and `Retry-After` are kept. A short body is read and discarded, so
  that the connection serves the next request; a longer one ends the connection
"""

from __future__ import annotations

import contextlib
import functools
import io
import ipaddress
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from http.client import HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import httpx2
import msgspec

from licet.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

URL_CHARACTERS_MAX = 2_000
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 15.0
RETRY_AFTER_SECONDS_MAX = 86_400
DISCARDED_BYTES_MAX, DISCARD_READS_MAX, DISCARD_SECONDS = 16_384, 3, 1.0  # of a response's body
FIRST_BYTES_MAX = 16_384  # of a response, read at once
CONNECTIONS_KEPT_MAX = 16
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?|[0-9a-f:.]{2,45}")
# Site-local addresses (RFC 3879), the anycast of 6to4 relays (RFC 7526): retired, but some networks
# route them inside.
_RETIRED = (ipaddress.ip_network("fec0::/10"), ipaddress.ip_network("192.88.99.0/24"))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Resolve = Callable[[str, int], Sequence[str]]
_Place = tuple[str, str, str, int]  # scheme, host, address, port


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed URL. ``path`` includes its query; ``authority`` is the value of the `Host`
    header.
    """

    scheme: str
    host: str
    port: int
    authority: str
    path: str


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """``status`` is 0 if there was no response; ``outcome`` is a closed word or the status as
    text.
    """

    status: int
    outcome: str
    retry_after_seconds: int = 0

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def parse_target(url: str, inside: Collection[str]) -> Target:
    """Parses a URL; UsageError for one that is never permitted, whatever its name resolves to."""
    if (
        len(url) > URL_CHARACTERS_MAX
        or not url.isascii()
        or any(ord(letter) <= 32 for letter in url)
    ):
        raise UsageError(
            "the URL is too long, or has spaces or letters outside of ASCII", "percent-encode them"
        )
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise UsageError("the URL cannot be parsed") from None
    if (
        parts.username is not None
        or parts.password is not None
        or "@" in parts.netloc
        or parts.fragment
    ):
        raise UsageError(
            "the URL contains a user, a password or a fragment", "omit them: requests are signed"
        )
    if _HOST.fullmatch(host) is None:
        raise UsageError("the URL names no host")
    allowed = ("https", "http") if host in inside else ("https",)
    if parts.scheme not in allowed:
        raise UsageError(
            "the URL must begin with https://",
            "plain http is permitted only to this machine, if LICET_WEBHOOKS__INSIDE names it",
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port or (443 if parts.scheme == "https" else 80),
        authority=parts.netloc,
        path=path,
    )


def resolve(host: str, port: int) -> Sequence[str]:
    """Returns the addresses of a name, by this machine's resolver."""
    # As bytes: the standard library first converts text to Punycode. `parse_target` accepts only
    # ASCII.
    return [
        str(entry[4][0])
        for entry in socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    ]


def address_of(to: Target, inside: Collection[str], resolved: Resolve = resolve) -> str:
    """Returns the address to connect to; RefusedError if any of the name's addresses is not
    permitted, OSError if there is none.
    """
    addresses = [_parse_address(text.partition("%")[0]) for text in resolved(to.host, to.port)]
    if not addresses:
        raise OSError("the name has no address")
    if to.scheme == "http" and not all(address.is_loopback for address in addresses):
        raise RefusedError("plain http is permitted only to this machine", because="http")
    if to.host not in inside and not all(is_public(address) for address in addresses):
        raise RefusedError(
            f"`{to.host}` has an address that is not public",
            "name the host in LICET_WEBHOOKS__INSIDE if it is yours",
            because="inside",
        )
    return str(addresses[0])


@functools.lru_cache(1_024)
def _parse_address(address: str) -> IPv4Address | IPv6Address:
    return ipaddress.ip_address(address)


def check_reachable(url: str, inside: Collection[str], resolved: Resolve = resolve) -> None:
    """Raises RefusedError for a URL whose name has an address that is not permitted, UsageError for
    an invalid URL. A name without an address is accepted: addresses are checked again at each
    request.
    """
    to = parse_target(url, inside)
    with contextlib.suppress(OSError, ValueError):
        address_of(to, inside, resolved)


@functools.lru_cache(1_024)
def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is public; for one that embeds others, whether those are."""
    carried = _embedded_addresses(address) if isinstance(address, IPv6Address) else []
    if carried:
        return all(map(is_public, carried))
    if any(address in network for network in _RETIRED if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded_addresses(address: IPv6Address) -> list[IPv4Address]:
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFF_FFFF)]
    return [
        entry
        for entry in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
        if entry is not None
    ]


class Poster:
    """Posts to targets permitted by the rules above and ``inside``. One per endpoint: a connection
    for one name is never used for another.

    Connections are reused, each for one address of one name. A short complete reply is parsed here,
    any other by `http.client`, which takes three times as long; a full HTTP client costs four times
    as much per request (bench/events.py).
    """

    def __init__(
        self, inside: Collection[str], ca: ssl.SSLContext | None = None, resolved: Resolve = resolve
    ) -> None:
        self._inside, self._resolved = frozenset(inside), resolved
        self._ca, self._lock = ca, threading.Lock()
        self._kept: list[tuple[_Place, socket.socket]] = []
        self._last: tuple[str, Target] | None = None

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpReply:
        """Posts once; never raises for the peer's errors. If the peer closes a reused connection
        before it answers, the request is sent again on a new one, and may have arrived twice.
        """
        try:
            to = self._target(url)
            address = address_of(to, self._inside, self._resolved)
        except (RefusedError, UsageError):
            return HttpReply(status=0, outcome="refused")
        except (OSError, ValueError):  # no such name
            return HttpReply(status=0, outcome="unresolved")
        place = (to.scheme, to.host, address, to.port)
        request = _request(to, body, headers)
        try:
            connection = self._take(place)
            if connection is not None:
                with contextlib.suppress(ConnectionError):  # `RemoteDisconnected` is one
                    return self._exchange(place, connection, request)
            return self._exchange(place, self._connect(place), request)
        except TimeoutError:
            return HttpReply(status=0, outcome="timeout")
        except (HTTPException, OSError, ValueError):
            return HttpReply(status=0, outcome="unreachable")

    def _target(self, url: str) -> Target:
        """`parse_target`, cached for the last URL."""
        last = self._last
        if last is None or last[0] != url:
            self._last = last = (url, parse_target(url, self._inside))
        return last[1]

    def close(self) -> None:
        with self._lock:
            idle, self._kept = self._kept, []
        for _, connection in idle:
            connection.close()

    def _take(self, place: _Place) -> socket.socket | None:
        """Takes an idle connection to ``place`` that is still open and has no unread bytes."""
        with self._lock:
            idle = [entry for entry in self._kept if entry[0] == place]
            if not idle:
                return None
            self._kept.remove(idle[-1])
        connection = idle[-1][1]
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        if poll.poll(0):
            connection.close()
            return None
        return connection

    def _connect(self, place: _Place) -> socket.socket:
        scheme, host, address, port = place
        connection = socket.create_connection((address, port), CONNECT_SECONDS)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if scheme == "https":
                connection = self._context().wrap_socket(connection, server_hostname=host)
            connection.settimeout(ANSWER_SECONDS)
        except BaseException:
            connection.close()
            raise
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._ca is None:  # created once: it loads all of this machine's CA certificates
            self._ca = httpx2.create_ssl_context(trust_env=False)
        return self._ca

    def _exchange(self, place: _Place, connection: socket.socket, request: bytes) -> HttpReply:
        """Sends ``request`` and returns the reply; keeps the connection if it can serve another
        request.
        """
        is_kept = False
        answer: HTTPResponse | None = None
        try:
            connection.sendall(request)
            begun = connection.recv(FIRST_BYTES_MAX)
            whole = _whole_reply(begun)
            if whole is not None:
                is_kept = True
                return whole
            answer = HTTPResponse(
                cast("socket.socket", _BegunConnection(connection, begun)), method="POST"
            )
            answer.begin()
            seconds = _parse_retry_after(answer.headers.get("retry-after", ""))
            reply = HttpReply(
                status=answer.status, outcome=str(answer.status), retry_after_seconds=seconds
            )
            is_kept = not answer.will_close and _is_read_to_its_end(answer, connection)
            return reply
        finally:
            if answer is not None:
                answer.close()
            with self._lock:
                is_kept = is_kept and len(self._kept) < CONNECTIONS_KEPT_MAX
                if is_kept:
                    self._kept.append((place, connection))
            if not is_kept:
                connection.close()


@functools.lru_cache(64)  # an endpoint's replies are mostly equal
def _whole_reply(begun: bytes) -> HttpReply | None:
    """Parses one complete HTTP/1.1 reply on a reusable connection; None for any other, which
    `http.client` parses.
    """
    head, end, body = begun.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    if not end or _STATUS_LINE.fullmatch(first) is None:
        return None
    headers = dict[bytes, bytes]()
    for line in lines:
        if (header := _HEADER_LINE.fullmatch(line)) is None or header[1].lower() in headers:
            return None
        headers[header[1].lower()] = header[2].strip(b" \t")
    status = int(first[9:12])
    length = headers.get(b"content-length", b"0" if status == 204 else b"")
    if length != str(len(body)).encode() or not headers.keys().isdisjoint(_CHANGES_CONNECTION):
        return None
    if status < 200 or status == 304 or (status == 204 and body):
        return None
    seconds = _parse_retry_after(headers.get(b"retry-after", b"").decode("latin-1"))
    return HttpReply(status=status, outcome=str(status), retry_after_seconds=seconds)


_STATUS_LINE = re.compile(rb"HTTP/1\.1 [1-9][0-9]{2}(?: [\t -~\x80-\xff]*)?")
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)")
_CHANGES_CONNECTION = frozenset(
    (b"connection", b"transfer-encoding", b"upgrade", b"content-encoding")
)


class _BegunConnection:
    """A connection whose first bytes were read already, for `http.client`."""

    def __init__(self, connection: socket.socket, begun: bytes) -> None:
        self._connection, self._begun = connection, begun

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(
            _BegunFile(self._begun, self._connection.makefile("rb", buffering=0))
        )


class _BegunFile(io.RawIOBase):
    """The bytes already read, then the rest."""

    def __init__(self, begun: bytes, reader: socket.SocketIO) -> None:
        self._begun, self._rest = begun, reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        if not self._begun:
            return self._rest.readinto(buffer)
        into = memoryview(buffer)
        taken, self._begun = self._begun[: len(into)], self._begun[len(into) :]
        into[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        self._rest.close()
        super().close()


def _is_read_to_its_end(answer: HTTPResponse, connection: socket.socket) -> bool:
    """Whether the body ended within a few reads; bounded, so that a slow sender cannot extend
    it.
    """
    try:
        connection.settimeout(DISCARD_SECONDS)
        for _ in range(DISCARD_READS_MAX):
            if not answer.length and not answer.chunked:
                return answer.length == 0
            if not answer.read1(DISCARDED_BYTES_MAX):
                return answer.isclosed()
        return answer.length == 0
    except (HTTPException, OSError, ValueError):  # the status is known already
        return False
    finally:
        connection.settimeout(ANSWER_SECONDS)


def _request(to: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Encodes an HTTP/1.1 request in one piece, to send one packet. ``headers`` are trusted."""
    lines = [f"POST {to.path} HTTP/1.1", f"host: {to.authority}", "accept-encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("ascii") + body


def _parse_retry_after(text: str) -> int:
    """Parses a `Retry-After` in seconds; 0 for a date, which few servers send."""
    text = text.strip(" \t")
    return (
        min(int(text), RETRY_AFTER_SECONDS_MAX)
        if text.isascii() and text.isdecimal() and len(text) < 10
        else 0
    )
