"""Requests to URLs that somebody entered, restricted to permitted addresses (protection against SSRF).

An operator enters an endpoint's URL, and other parties resolve its name, to any address they like. Therefore:

- https only; plain http only to a host that the setting ``inside`` names and that is this machine - no user, no
fragment, no redirect followed, no proxy of the environment - each address that the name resolves to must be public,
unless ``inside`` names the host. Addresses that embed another one (IPv4-mapped, NAT64, 6to4, Teredo) are checked for
both - the request goes to the address that was checked: the name is not resolved a second time. The certificate and the
`Host` header are nevertheless those of the name - a response's body is not read; only its status and `Retry-After` are
kept
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

import httpx2
import msgspec

from licet.errors import RefusedError, UsageError

URL_CHARACTERS_MAX = 2_000
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 15.0
RETRY_AFTER_SECONDS_MAX = 86_400
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?|[0-9a-f:.]{2,45}")
# Site-local addresses (RFC 3879), the anycast of 6to4 relays (RFC 7526): retired, but some networks route them inside.
_RETIRED = (ipaddress.ip_network("fec0::/10"), ipaddress.ip_network("192.88.99.0/24"))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Resolve = Callable[[str, int], Sequence[str]]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed URL. ``path`` includes its query; ``authority`` is the value of the `Host` header."""

    scheme: str
    host: str
    port: int
    authority: str
    path: str


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """``status`` is 0 if there was no response; ``said`` is a closed word or the status as text."""

    status: int
    said: str
    retry_after_seconds: int = 0

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def target(url: str, inside: Collection[str]) -> Target:
    """The target that ``url`` names; UsageError for one that is never permitted, whatever it resolves to."""
    if len(url) > URL_CHARACTERS_MAX or not url.isascii() or any(ord(letter) <= 32 for letter in url):
        raise UsageError("the URL is too long, or has spaces or letters outside of ASCII", "percent-encode them")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise UsageError("the URL cannot be parsed") from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc or parts.fragment:
        raise UsageError("the URL contains a user, a password or a fragment", "omit them: requests are signed")
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
        scheme=parts.scheme, host=host, port=port or (443 if parts.scheme == "https" else 80), authority=parts.netloc,
        path=path,
    )  # fmt: skip


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, by this machine's resolver."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def address_of(to: Target, inside: Collection[str], resolved: Resolve = resolve) -> str:
    """The address to connect to; RefusedError if one of the name's addresses is not permitted. OSError if there is
    none.
    """
    found = [ipaddress.ip_address(text.partition("%")[0]) for text in resolved(to.host, to.port)]
    if not found:
        raise OSError("the name has no address")
    if to.scheme == "http" and not all(address.is_loopback for address in found):
        raise RefusedError("plain http is permitted only to this machine", because="http")
    if to.host not in inside and not all(is_public(address) for address in found):
        raise RefusedError(
            f"`{to.host}` has an address that is not public", "name the host in LICET_WEBHOOKS__INSIDE if it is yours",
            because="inside",
        )  # fmt: skip
    return str(found[0])


def reachable(url: str, inside: Collection[str], resolved: Resolve = resolve) -> None:
    """RefusedError for a URL whose name has an address that is not permitted, UsageError for an invalid URL.

    A name without an address now may have one when something is sent, and is checked then.
    """
    to = target(url, inside)
    with contextlib.suppress(OSError, ValueError):
        address_of(to, inside, resolved)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is in the public network; for one that embeds others, whether those are too."""
    carried = _carried(address) if isinstance(address, IPv6Address) else []
    if carried:
        return all(map(is_public, carried))
    if any(address in network for network in _RETIRED if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _carried(address: IPv6Address) -> list[IPv4Address]:
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFF_FFFF)]
    return [one for one in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())) if one is not None]


class Poster:
    """Sends to the places that ``inside`` and the rules above permit. Each endpoint has its own: connections for one
    name are never used for another with the same address.
    """

    def __init__(self, inside: Collection[str], ca: ssl.SSLContext | None = None, resolved: Resolve = resolve) -> None:
        self._inside, self._resolved = frozenset(inside), resolved
        self._http = httpx2.Client(
            verify=ca if ca is not None else True, trust_env=False, follow_redirects=False,
            timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        )  # fmt: skip

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpReply:
        """Posts once; never raises for errors of the other side."""
        try:
            to = target(url, self._inside)
            address = address_of(to, self._inside, self._resolved)
        except (RefusedError, UsageError):
            return HttpReply(status=0, said="refused")
        except (OSError, ValueError):  # no such name
            return HttpReply(status=0, said="unresolved")
        shown = f"[{address}]" if ":" in address else address
        try:
            with self._http.stream(
                "POST", f"{to.scheme}://{shown}:{to.port}{to.path}", content=body,
                headers={**headers, "host": to.authority, "accept-encoding": "identity"},
                extensions={"sni_hostname": to.host},
            ) as answer:  # fmt: skip
                seconds = _seconds(answer.headers.get("retry-after", ""))
                return HttpReply(status=answer.status_code, said=str(answer.status_code), retry_after_seconds=seconds)
        except httpx2.TimeoutException:
            return HttpReply(status=0, said="timeout")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
            return HttpReply(status=0, said="unreachable")

    def close(self) -> None:
        self._http.close()


def _seconds(text: str) -> int:
    """A `Retry-After` in seconds; a date, which few servers send, counts as none."""
    return min(int(text), RETRY_AFTER_SECONDS_MAX) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
