"""Authentication, authorization and protection against CSRF: one middleware before every route.

A caller sends a bearer token of the host application, a service's key, or a session cookie. A
caller with an invalid one is refused, not treated as anonymous. A request that changes something
and has a cookie must come from our own origin (`Origin`, `Sec-Fetch-Site`) and have the session's
CSRF token, in the header `X-CSRF-Token` or in the form (ASVS 5.0, 3.5). A route states in its `may`
who may call it; without one it refuses everybody.
"""

from __future__ import annotations

import hmac
from contextvars import ContextVar
from time import monotonic, perf_counter
from typing import Any
from urllib.parse import unquote

from litestar import Request
from litestar.types import ASGIApp, Receive, Scope, Send

from licet.access import service_keys, sessions
from licet.access.roles import (
    ANYBODY,
    NOBODY,
    Caller,
    ForbiddenError,
    May,
    Nobody,
    Person,
    Service,
    Staff,
    UnauthenticatedError,
)
from licet.errors import LicetError
from licet.store.connect import Transaction
from licet.web.site import Site

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_WITHOUT_DATABASE = ("/healthz", "/readyz", "/metrics", "/static/", "/verifier.py")
_API = "/v1/"
_FORM = (b"application/x-www-form-urlencoded", b"multipart/form-data")

# The CSRF token of the current session, for the forms of a page; empty without one.
csrf_token: ContextVar[str] = ContextVar("csrf_token", default="")


class Guard:
    """The middleware, before the application's site. It stores the caller in ``scope["auth"]``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["begun"] = perf_counter()
        site: Site = scope["litestar_app"].state.site
        if scope["path"].startswith(_WITHOUT_DATABASE):
            await self._pass(site, scope, receive, send)
            return
        with site.dependencies.needing_database(changes=scope.get("method") not in _SAFE):
            await self._pass(site, scope, receive, send)

    async def _pass(self, site: Site, scope: Scope, receive: Receive, send: Send) -> None:
        may = _may(scope)
        if may.anybody:
            scope["auth"] = Nobody(_address(scope))
        else:
            caller, secret = await _identify(site, scope)
            scope["auth"] = caller
            _count(site, caller)
            may.check(caller)
            # the session was looked up without a check of the fence
            if not (secret or _checks_fence(scope)):
                await site.unfenced()
            if secret:
                csrf = sessions.csrf_token(secret)
                await _check_csrf(site, scope, receive, csrf)
                csrf_token.set(csrf)
        await self._app(scope, receive, send)


async def _identify(site: Site, scope: Scope) -> tuple[Caller, str]:
    """The caller, and the secret of their session if they have one."""
    try:
        return await identify(site, scope)
    except UnauthenticatedError:
        rates, settings = site.rates, site.settings
        rates.take(_address(scope).encode(), settings.unknown_requests_per_minute, monotonic())
        raise


def _count(site: Site, caller: Caller) -> None:
    rates, settings, now = site.rates, site.settings, monotonic()
    match caller:
        case Nobody():
            rates.take(caller.address.encode(), settings.unknown_requests_per_minute, now)
        case Person():
            name = caller.account.bytes if caller.account else b"unknown account"
            rates.take(name, settings.person_requests_per_minute, now)
        case Service():
            most = settings.service_requests_per_minute
            rates.take(caller.key_id.bytes, min(most, caller.requests_per_minute or most), now)
        case Staff():
            rates.take(caller.staff_id.bytes, settings.person_requests_per_minute, now)


async def _check_csrf(site: Site, scope: Scope, receive: Receive, csrf: str) -> None:
    """ForbiddenError for a change that another site may have made this browser request."""
    if scope.get("method") in _SAFE:
        return
    headers = dict(scope["headers"])
    if not same_origin(site, scope, headers):
        raise ForbiddenError("the request comes from another site")
    token = headers.get(b"x-csrf-token", b"").decode("latin-1")
    if not token and headers.get(b"content-type", b"").startswith(_FORM):
        form = await Request[Any, Any, Any](scope, receive, send=_no_send).form()
        token = str(form.get("csrf", ""))
    if not hmac.compare_digest(token.encode(), csrf.encode()):
        raise ForbiddenError(
            "the CSRF token is missing or another session's", "load the page again"
        )


def same_origin(site: Site, scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether the browser states that the request comes from a page of ours."""
    fetched = headers.get(b"sec-fetch-site", b"same-origin")
    origin = headers.get(b"origin", b"").decode("latin-1")
    ours = site.settings.url or f"{scope['scheme']}://{headers.get(b'host', b'').decode('latin-1')}"
    return fetched == b"same-origin" and origin == ours


async def identify(site: Site, scope: Scope) -> tuple[Caller, str]:
    """The caller of a request; UnauthenticatedError for invalid credentials."""
    authorization = cookies = b""
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value
        elif name == b"cookie":
            cookies = value
    if authorization:
        word, _, text = authorization.decode("latin-1").partition(" ")
        if word.lower() != "bearer":
            raise UnauthenticatedError("only `Authorization: Bearer` is understood")
        return await _bearer(site, text.strip()), ""
    secret = _cookie(cookies)
    if secret:
        caller = await _session(site, secret)
        if caller is not None:
            return caller, secret
        raise UnauthenticatedError("the session has ended", "sign in again")
    return Nobody(_address(scope)), ""


async def _bearer(site: Site, text: str) -> Caller:
    if text.startswith(service_keys.PREFIX):
        service = await site.service(text)
        if service is None:
            raise UnauthenticatedError("the key does not hold")
        return service
    token = site.tokens.read(text, site.wall().timestamp())
    return Person(account=await site.account_by_host(token.subject))


async def _session(site: Site, secret: str) -> Person | Staff | None:
    def find(tx: Transaction) -> Person | Staff | None:
        return sessions.find(tx, secret, site.wall())

    return await site.reading(find)


def _cookie(cookies: bytes) -> str:
    """The value of our cookie in a `Cookie` header."""
    for part in cookies.decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == sessions.COOKIE:
            return unquote(value)
    return ""


def _may(scope: Scope) -> May:
    handler = scope["route_handler"]
    may = handler.opt.get("may")
    if isinstance(may, May):
        return may
    only_asks = getattr(handler, "http_methods", frozenset()) == {"OPTIONS"}
    return ANYBODY if only_asks else NOBODY


def _checks_fence(scope: Scope) -> bool:
    """Whether a route checks the fence itself, in the transaction of its query: the API does, and
    routes that declare it.
    """
    return scope["path"].startswith(_API) or bool(scope["route_handler"].opt.get("checks_fence"))


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else "unknown"


async def _no_send(_: Any) -> None:  # noqa: ANN401 Litestar's signature
    raise LicetError("nothing is sent while the caller is identified")
