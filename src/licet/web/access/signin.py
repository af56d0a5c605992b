"""The start and end of a browser session: for a person with a token of the host, for staff with the
provider or a link.

The cookie is `__Host-`, `Secure`, `HttpOnly` and `SameSite=Strict`. A browser that comes from
another site does not send such a cookie with a redirected request, so a sign-in ends on a small
page of ours that continues from there. The next request also shows who is signed in already:
another person is asked before the session changes. A new session always has a new secret, and the
target is always a path of this site.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from time import monotonic
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from licet.access import sessions
from licet.access.roles import (
    ANY_CALLER,
    ANYBODY,
    Caller,
    ForbiddenError,
    Person,
    Staff,
    UnauthenticatedError,
)
from licet.errors import UsageError
from licet.store.connect import Transaction
from licet.web.access import oidc
from licet.web.access.authentication import same_origin
from licet.web.access.tokens import TokenUse
from licet.web.api.problems import RateLimitedError
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest
from licet.web.site import Site

STAFF_HOME = "/console"
TARGET_CHARACTERS_MAX = 200
ENTERING_SECONDS_MAX = 5 * 60


def count_refusal(request: AnyRequest, error: Exception) -> Exception:
    """A refused sign-in, or RateLimitedError instead for an address with too many failures.

    Only failures are counted, so nobody locks out others who share their address.
    """
    site, address = site_of(request), request.client.host if request.client else "unknown"
    if isinstance(error, UnauthenticatedError):
        try:
            site.rates.take(
                address.encode(), site.settings.unknown_requests_per_minute, monotonic()
            )
        except RateLimitedError as late:
            return late
    return error


@get("/enter", may=ANYBODY)
async def enter_with_token(
    request: AnyRequest, token: FromQuery[str] = "", to: FromQuery[str] = "/settings"
) -> Response[Any]:
    """Accepts a token of the host application, once, and continues within this site to the start of
    the session.

    Our cookies are not sent with a request from another site: only the next request shows whose
    browser it is.
    """
    site = site_of(request)
    target = _target(to)
    held = site.tokens.read(token, site.wall().timestamp(), TokenUse.enter)
    account = await site.account_by_host(held.subject)
    if account is None:
        raise UnauthenticatedError("no account of this person is known here")

    def begin(tx: Transaction) -> str:
        sessions.use_token(tx, held.sha256, datetime.fromtimestamp(held.expires, UTC))
        return sessions.begin_person(tx, account, site.wall(), site.installation.keyring.random)

    answer = _continue_page(f"/enter/on?{urlencode({'to': target})}")
    answer.set_cookie(
        _cookie(sessions.ENTERING, await site.reading(begin), "strict", ENTERING_SECONDS_MAX)
    )
    return answer


@get("/enter/on", may=ANYBODY)
async def enter_on(request: AnyRequest, to: FromQuery[str] = "/settings") -> Response[Any]:
    """Begins the session, or asks first if somebody else is signed in here: nobody is replaced
    without notice.
    """
    site, target = site_of(request), _target(to)
    coming, present = await _incoming_and_present(site, request)
    if isinstance(present, Staff) or (present is not None and present.account != coming.account):
        return _page(
            "Somebody else is signed in here",
            "<p>This browser is signed in to Licet as another person. The link that you opened "
            "signs in the person who is "
            "signed in at the assistant.</p>"
            f'<form method="post" action="/enter/on"><input type="hidden" name="to" value="{escape(target, quote=True)}">'
            '<p><button type="submit" name="act" value="switch">Sign the other person out and go on</button></p>'
            '<p><button type="submit" name="act" value="stay">Stay signed in as before</button></p></form>',
        )
    return await _entered(site, target, coming, present)


@post("/enter/on", may=ANYBODY)
async def enter_as(request: AnyRequest) -> Response[Any]:
    """Continues as the person of the link, or stays signed in as before."""
    site = site_of(request)
    if not same_origin(site, request.scope, dict(request.scope["headers"])):
        raise ForbiddenError("the request comes from another site")
    form = await request.form()
    target = _target(str(form.get("to", "/settings")))
    coming, present = await _incoming_and_present(site, request)
    if form.get("act") == "switch":
        return await _entered(site, target, coming, present)
    await site.reading(lambda tx: sessions.end(tx, coming.session or b""))
    answer = Redirect(STAFF_HOME if isinstance(present, Staff) else "/settings", status_code=303)
    answer.set_cookie(_deleting_cookie(sessions.ENTERING))
    return answer


async def _incoming_and_present(
    site: Site, request: AnyRequest
) -> tuple[Person, Person | Staff | None]:
    """The person who enters, and the person who is signed in already; UnauthenticatedError if
    nobody enters.
    """
    waiting, present = (
        request.cookies.get(name, "") for name in (sessions.ENTERING, sessions.COOKIE)
    )

    def find(tx: Transaction) -> tuple[Person | Staff | None, Person | Staff | None]:
        return sessions.find(tx, waiting, site.wall()), sessions.find(tx, present, site.wall())

    coming, already = await site.reading(find)
    if not isinstance(coming, Person):
        raise UnauthenticatedError("nobody is entering", "ask the host application for a new link")
    return coming, already


async def _entered(
    site: Site, target: str, coming: Person, present: Person | Staff | None
) -> Response[Any]:
    """The session of the person who entered, under a new secret; the previous session has ended."""

    def begin(tx: Transaction) -> str:
        for one in (coming.session, present.session if present is not None else None):
            if one is not None:
                sessions.end(tx, one)
        assert coming.account is not None
        return sessions.begin_person(
            tx, coming.account, site.wall(), site.installation.keyring.random
        )

    answer = Redirect(target, status_code=303)
    answer.set_cookie(_cookie(sessions.COOKIE, await site.reading(begin), "strict", None))
    answer.set_cookie(_deleting_cookie(sessions.ENTERING))
    return answer


@get("/sign-in", may=ANYBODY)
async def sign_in(request: AnyRequest) -> Redirect:
    """Sends staff to the identity provider."""
    site = site_of(request)
    began = await site.calling(lambda: _oidc(site, request).begin(site.wall().timestamp()))
    # Lax: the provider sends the browser back from another site.
    waiting = _cookie(oidc.COOKIE, began.cookie, "lax", oidc.SECONDS_MAX)
    return Redirect(began.url, status_code=303, cookies=[waiting])


@get("/sign-in/callback", may=ANYBODY)
async def callback(request: AnyRequest) -> Response[Any]:
    """Completes the sign-in of staff who come back from the provider."""
    site = site_of(request)
    cookie, query = request.cookies.get(oidc.COOKIE, ""), dict(request.query_params.items())
    signed = await site.calling(
        lambda: _oidc(site, request).finish(cookie, query, site.wall().timestamp())
    )

    def begin(tx: Transaction) -> str:
        staff = sessions.find_or_add_staff(
            tx, signed.email, site.wall(), site.installation.keyring.random
        )
        if not signed.roles and not sessions.granted_roles(tx, staff):
            raise ForbiddenError(
                "this address has no role here", "the owner, or the provider, gives roles"
            )
        random = site.installation.keyring.random
        return sessions.begin_staff(
            tx, staff, signed.roles, site.wall(), random, identity=signed.identity
        )

    # The browser came back from another site: it sends the cookie only with a next request that
    # comes from ours.
    answer = _continue_page(STAFF_HOME)
    answer.set_cookie(_cookie(sessions.COOKIE, await site.reading(begin), "strict", None))
    answer.set_cookie(_deleting_cookie(oidc.COOKIE))
    return answer


@get("/sign-in/link/{secret:str}", may=ANYBODY, sync_to_thread=False)
def link(request: AnyRequest, secret: FromPath[str]) -> Response[str]:
    """Shows the button of a one-time link: a link preview must not use it up."""
    form = (
        '<form method="post" action="/sign-in/link"><input type="hidden" name="secret" '
        f'value="{escape(secret, quote=True)}"><button type="submit">Sign in</button></form>'
    )
    return _page("Sign in to Licet", form)


@post("/sign-in/link", may=ANYBODY)
async def use_link(request: AnyRequest) -> Response[Any]:
    """Begins the session of a one-time link."""
    site = site_of(request)
    if not same_origin(site, request.scope, dict(request.scope["headers"])):
        raise ForbiddenError("the request comes from another site")
    secret = str((await request.form()).get("secret", ""))

    def begin(tx: Transaction) -> str:
        staff = sessions.use_link(tx, secret, site.wall())
        return sessions.begin_staff(tx, staff, (), site.wall(), site.installation.keyring.random)

    answer = Redirect(STAFF_HOME, status_code=303)
    answer.set_cookie(_cookie(sessions.COOKIE, await site.reading(begin), "strict", None))
    return answer


@post("/sign-out", may=ANY_CALLER, status_code=303)
async def sign_out(request: AnyRequest) -> Redirect:
    """Ends the session, here and in every copy of its cookie."""
    caller: Caller = request.auth
    session = caller.session if isinstance(caller, Person | Staff) else None
    if session is not None:
        ended = session
        await site_of(request).reading(lambda tx: sessions.end(tx, ended))
    answer = Redirect("/signed-out", status_code=303)
    answer.set_cookie(_deleting_cookie(sessions.COOKIE))
    answer.headers["clear-site-data"] = '"cache", "storage"'
    return answer


@get("/signed-out", may=ANYBODY)
async def signed_out(request: AnyRequest) -> Response[Any]:
    """The page that says that this browser is signed out, if it is."""
    site, held = site_of(request), request.cookies.get(sessions.COOKIE, "")
    if await site.reading(lambda tx: sessions.find(tx, held, site.wall())) is not None:
        return Redirect("/", status_code=303)
    return _page("Signed out", "<p>You are signed out.</p>")


def _oidc(site: Site, request: AnyRequest) -> oidc.Oidc:
    base = site.settings.url or f"{request.scope['scheme']}://{request.headers.get('host', '')}"
    return oidc.Oidc(site.settings, site.signin_key, f"{base}/sign-in/callback", site.discovery)


def _target(to: str) -> str:
    """A path of this site; UsageError for anything that a browser could interpret as another
    site.
    """
    plain = (
        to.startswith("/")
        and not to.startswith("//")
        and "\\" not in to
        and to.isascii()
        and to.isprintable()
    )
    if not plain or len(to) > TARGET_CHARACTERS_MAX:
        raise UsageError("`to` is not a path of this site")
    return to


def _continue_page(target: str) -> Response[Any]:
    shown = escape(target, quote=True)
    return _page(
        "Signing in",
        f'<p><a href="{shown}">Go on</a></p>',
        f'<meta http-equiv="refresh" content="0; url={shown}">',
    )


# a literal of Litestar's
def _cookie(name: str, value: str, same_site: Any, seconds: int | None) -> Cookie:  # noqa: ANN401
    return Cookie(
        key=name,
        value=value,
        path="/",
        secure=True,
        httponly=True,
        samesite=same_site,
        max_age=seconds,
    )


def _deleting_cookie(name: str) -> Cookie:
    """The cookie that deletes one: a `__Host-` cookie is deleted only with all the attributes with
    which it was set.
    """
    return _cookie(name, "", "strict", 0)


def _page(title: str, body: str, head: str = "") -> Response[str]:
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width">{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>'
    )
    return Response(html, media_type="text/html")


ROUTES = [
    enter_with_token,
    enter_on,
    enter_as,
    sign_in,
    callback,
    link,
    use_link,
    sign_out,
    signed_out,
]
