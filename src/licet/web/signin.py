"""Beginning and ending a browser's session: a person with a token of the host, staff with the provider or a link.

The cookie is `__Host-`, `Secure`, `HttpOnly` and `SameSite=Strict`. A browser that arrives from another site does not
send such a cookie with the request that it was redirected to, so a sign-in ends on a small page of ours that goes on
from there. A new session always has a new secret, and a target is a path of this site.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from time import monotonic
from typing import Any

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from licet.errors import UsageError
from licet.store.connect import Transaction
from licet.web import oidc, sessions
from licet.web.api_shell import AnyRequest
from licet.web.auth import same_origin
from licet.web.problems import ForbiddenError, UnauthenticatedError
from licet.web.refs import site_of
from licet.web.roles import ANY_CALLER, ANYBODY, Caller, Person, Staff
from licet.web.site import Site

STAFF_HOME = "/console"
TARGET_CHARACTERS_MAX = 200


@get("/enter", may=ANYBODY, include_in_schema=False)
async def enter(request: AnyRequest, token: FromQuery[str] = "", to: FromQuery[str] = "/settings") -> Response[Any]:
    """Begins a person's session with a token of the host application, once, and goes on to a page."""
    site = _counted(request)
    target = _target(to)
    held = site.tokens.read(token, site.wall().timestamp())
    account = await site.account_by_host(held.subject)
    if account is None:
        raise UnauthenticatedError("no account of this person is known here")

    def begin(tx: Transaction) -> str:
        sessions.use_token(tx, held.sha256, datetime.fromtimestamp(held.expires, UTC))
        return sessions.begin_person(tx, account, site.wall(), site.here.keyring.random)

    return _going_on(target, await site.reading(begin))


@get("/sign-in", may=ANYBODY, include_in_schema=False)
async def sign_in(request: AnyRequest) -> Redirect:
    """Sends staff to the identity provider."""
    site = _counted(request)
    began = await site.calling(lambda: _oidc(site, request).begin(site.wall().timestamp()))
    # Lax: the provider sends the browser back from another site.
    waiting = _cookie(oidc.COOKIE, began.cookie, "lax", oidc.SECONDS_MAX)
    return Redirect(began.url, status_code=303, cookies=[waiting])


@get("/sign-in/callback", may=ANYBODY, include_in_schema=False)
async def callback(request: AnyRequest) -> Response[Any]:
    """Takes staff back from the provider."""
    site = _counted(request)
    cookie, query = request.cookies.get(oidc.COOKIE, ""), dict(request.query_params.items())
    signed = await site.calling(lambda: _oidc(site, request).finish(cookie, query, site.wall().timestamp()))

    def begin(tx: Transaction) -> str:
        staff = sessions.known_staff(tx, signed.email, site.wall(), site.here.keyring.random)
        if not signed.roles and not sessions.roles_of(tx, staff):
            raise ForbiddenError("this address has no role here", "the owner, or the provider, gives roles")
        return sessions.begin_staff(tx, staff, signed.roles, site.wall(), site.here.keyring.random)

    answer = _going_on(STAFF_HOME, await site.reading(begin))
    answer.delete_cookie(oidc.COOKIE)
    return answer


@get("/sign-in/link/{secret:str}", may=ANYBODY, include_in_schema=False, sync_to_thread=False)
def link(request: AnyRequest, secret: FromPath[str]) -> Response[str]:
    """Shows the button of a one-time link: what only looks at links must not use it up."""
    _counted(request)
    form = (
        '<form method="post" action="/sign-in/link"><input type="hidden" name="secret" '
        f'value="{escape(secret, quote=True)}"><button type="submit">Sign in</button></form>'
    )
    return _page("Sign in to Licet", form)


@post("/sign-in/link", may=ANYBODY, include_in_schema=False)
async def use_link(request: AnyRequest) -> Response[Any]:
    """Begins the session of a one-time link."""
    site = _counted(request)
    if not same_origin(site, request.scope, dict(request.scope["headers"])):
        raise ForbiddenError("the request comes from another site")
    secret = str((await request.form()).get("secret", ""))

    def begin(tx: Transaction) -> str:
        staff = sessions.use_link(tx, secret, site.wall())
        return sessions.begin_staff(tx, staff, (), site.wall(), site.here.keyring.random)

    return _going_on(STAFF_HOME, await site.reading(begin))


@post("/sign-out", may=ANY_CALLER, include_in_schema=False, status_code=200)
async def sign_out(request: AnyRequest) -> Response[str]:
    """Ends the session, here and in every copy of its cookie."""
    caller: Caller = request.auth
    session = caller.session if isinstance(caller, Person | Staff) else None
    if session is not None:
        ended = session
        await site_of(request).reading(lambda tx: sessions.end(tx, ended))
    answer = _page("Signed out", "<p>You are signed out.</p>")
    answer.delete_cookie(sessions.COOKIE)
    answer.headers["clear-site-data"] = '"cache", "storage"'
    return answer


def _counted(request: AnyRequest) -> Site:
    """The site; RateLimitedError for an address that tries too often."""
    site, address = site_of(request), request.client.host if request.client else "unknown"
    site.rates.take(address.encode(), site.settings.unknown_requests_per_minute, monotonic())
    return site


def _oidc(site: Site, request: AnyRequest) -> oidc.Oidc:
    base = site.settings.url or f"{request.scope['scheme']}://{request.headers.get('host', '')}"
    return oidc.Oidc(site.settings, site.signin_key, f"{base}/sign-in/callback")


def _target(to: str) -> str:
    """A path of this site; UsageError for anything that a browser could take for another."""
    plain = to.startswith("/") and not to.startswith("//") and "\\" not in to and to.isascii() and to.isprintable()
    if not plain or len(to) > TARGET_CHARACTERS_MAX:
        raise UsageError("`to` is not a path of this site")
    return to


def _going_on(target: str, secret: str) -> Response[Any]:
    shown = escape(target, quote=True)
    answer = _page(
        "Signed in", f'<p><a href="{shown}">Go on</a></p>', f'<meta http-equiv="refresh" content="0; url={shown}">'
    )
    answer.set_cookie(_cookie(sessions.COOKIE, secret, "strict", None))
    return answer


def _cookie(name: str, value: str, same_site: Any, seconds: int | None) -> Cookie:  # noqa: ANN401 a literal of Litestar's
    return Cookie(key=name, value=value, path="/", secure=True, httponly=True, samesite=same_site, max_age=seconds)


def _page(title: str, body: str, head: str = "") -> Response[str]:
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width">{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>'
    )
    return Response(html, media_type="text/html")


ROUTES = [enter, sign_in, callback, link, use_link, sign_out]
