"""All routes of the pages for people, as one router. No page needs a script.

    /                        what this is, and how to sign in
    /notice /signup          the question, if there is one
    /settings                what holds by question, one step to change it, the record and its receipts
    /chats /chats/ID         every conversation and whether it may be used; keep out, let in, delete
    /projects/ID             a project and its chats; use it, keep it out, as in the settings
    /rights /rights/KIND     each right with its form, and the state of each request
    /takeout.zip             everything
    /design                  every part of these pages, as the design system has it
    /docs                    the API, operation by operation
    /chats/ID/badge          whether one chat may be used, for a component
    /elements                the components, each in every state, for anybody
    /static/HASH/NAME        stylesheets, and the modules of the components

The reader is the person whom the guard admitted. A refusal is a page of text, and reveals nothing
about what somebody else may have.
"""

from __future__ import annotations

from typing import Any

from litestar import Response, Router, get
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from licet.access.roles import ANYBODY
from licet.errors import BusyError, LicetError, RefusedError
from licet.keys.fence import FencedError
from licet.web import static_files
from licet.web.access import signin
from licet.web.api import problems
from licet.web.api.references import site_of
from licet.web.pages import (
    api_reference,
    badge,
    conversations,
    design,
    elements,
    erasures,
    feedback,
    notice,
    preview,
    reader_language,
    rights,
    scopes,
    selection,
    settings,
    timeline,
)
from licet.web.pages import shared as shell
from licet.web.pages.shared import AnyRequest


@get(
    ["/static/{version:str}/elements/{name:str}", "/static/elements/{name:str}"],
    may=ANYBODY,
    sync_to_thread=False,
)
def module(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A module of the components. Under the hash of all modules it never changes; without the hash,
    redirects there.
    """
    return static_files.response(
        request, f"elements/{name}", request.path_params.get("version", "")
    )


@get(
    ["/static/{version:str}/{name:str}", "/static/{name:str}"],
    may=ANYBODY,
    sync_to_thread=False,
)
def static(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A file for pages and hosts. Under its hash it never changes; under its bare name it may,
    within minutes.
    """
    return static_files.response(request, name, request.path_params.get("version", ""))


def on_refusal(request: AnyRequest, error: Exception) -> Response[Any]:
    """A refusal as a page."""
    problem = problems.problem_of(error) if isinstance(error, LicetError) else None
    status = (
        problem.status
        if problem
        else error.status_code
        if isinstance(error, HTTPException)
        else 500
    )
    if status >= 500 and not isinstance(error, BusyError | FencedError):
        problems.note(error)
    fragment = reader_language.is_fragment(request)
    words = reader_language.choose_catalogue(request, site_of(request).languages, fragment=fragment)
    lines = [words.say(line) for line in _reasons(request, error, status)]
    html = shell.public_page(
        words,
        title=words.say("error.title"),
        lines=lines,
        outcome="refused",
        fragment=fragment,
        frame=shell.Frame.of(request),
    )
    headers = problems.headers_of(error) if isinstance(error, LicetError) else {}
    return Response(
        html,
        status_code=status,
        media_type="text/html",
        headers={**headers, "cache-control": "no-store"},
    )


def _reasons(request: AnyRequest, error: Exception, status: int) -> tuple[str, ...]:
    """The sentences that explain why there is no page."""
    if isinstance(error, RefusedError) and error.because == "no_notice":
        return ("error.no_notice",)
    if isinstance(error, BusyError | FencedError):
        return ("error.busy",)
    if status == 401 and not site_of(request).tokens.configured:
        return ("error.no_sign_in", "error.no_sign_in.operator")
    if status == 401 and request.url.path.startswith(("/enter", "/sign-in")):
        return ("error.link",)
    return ({401: "error.signed_out", 404: "error.unknown"}.get(status, "error.other"),)


def on_entrance(request: AnyRequest, error: Exception) -> Response[Any]:
    """A refused sign-in: a page for a browser, problem+json for a program. Failed sign-ins are
    counted.
    """
    error = signin.count_refusal(request, error)
    if "text/html" in request.headers.get("accept", ""):
        return on_refusal(request, error)
    if isinstance(error, LicetError):
        return problems.on_ours(request, error)
    return (
        problems.on_http(request, error)
        if isinstance(error, HTTPException)
        else problems.on_unknown(request, error)
    )


@get("/", may=ANYBODY, sync_to_thread=False)
def home(request: AnyRequest) -> Response[str]:
    """The start page: what this is, how to sign in, and links."""
    words, site = (
        reader_language.choose_catalogue(request, site_of(request).languages, fragment=False),
        site_of(request),
    )
    lines = [words.say("home.what"), words.say("home.person")]
    if not site.tokens.configured:
        lines += [words.say("error.no_sign_in"), words.say("error.no_sign_in.operator")]
    links = [("/settings", words.say("site.settings")), ("/chats", words.say("site.chats"))]
    links += [("/sign-in", words.say("home.staff"))] if site.settings.oidc_issuer else []
    frame, picks = shell.Frame.of(request), reader_language.picked_language(request, site.languages)
    html = shell.public_page(
        words, title=words.say("site.name"), lines=lines, links=links, frame=frame
    )
    headers = {
        "cache-control": "no-store",
        "content-language": words.language,
        "vary": "accept-language, cookie",
    }
    return Response(
        html,
        media_type="text/html",
        headers=headers,
        cookies=reader_language.language_cookie(picks),
    )


ENTRANCE = Router(
    path="/",
    include_in_schema=False,
    route_handlers=signin.ROUTES,
    exception_handlers={
        LicetError: on_entrance,
        HTTPException: on_entrance,
        Exception: on_entrance,
    },
)

ROUTES = (
    Router(
        path="/",
        include_in_schema=False,
        dependencies={"reader": Provide(shell.open_reader, sync_to_thread=False)},
        route_handlers=[
            *notice.ROUTES,
            *settings.ROUTES,
            *conversations.ROUTES,
            *selection.ROUTES,
            *timeline.ROUTES,
            *erasures.ROUTES,
            *preview.ROUTES,
            *scopes.ROUTES,
            *feedback.ROUTES,
            *rights.ROUTES,
            *design.ROUTES,
            *api_reference.ROUTES,
            badge.badge,
            elements.elements,
            module,
            static,
            home,
        ],
        exception_handlers={
            LicetError: on_refusal,
            HTTPException: on_refusal,
            Exception: on_refusal,
        },
    ),
)
