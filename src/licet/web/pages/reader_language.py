"""In which language a page speaks, and how it sets off what it says in another one.

A person's pages follow the browser's ``Accept-Language``, unless the person picked a language at
the foot of a page: ``?lang=TAG`` shows that page in it and keeps the pick in a cookie of its own,
which holds the tag and nothing else and is read for nothing else. It is set by that pick alone. A
component's request speaks the language that its host asks for, and neither reads nor sets the
cookie.

Within a page, a text in another language (an English sentence that has no translation, a notice
that was published in English alone) stands in an element with its ``lang`` and ``dir``, so that it
is pronounced and laid out as what it is.
"""

from __future__ import annotations

import re
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie

from licet.consent import language_tags
from licet.consent.catalogue import BORROWED, BORROWED_END, Catalogue, Languages
from licet.consent.language_tags import ENGLISH

AnyRequest = Request[Any, Any, Any]

COOKIE = "__Host-licet_language"
COOKIE_SECONDS = 365 * 86_400
_TAGS = re.compile(r"(<title>[^<]*</title>|<option[^<]*</option>|<[^>]*>)")
_MARKS = re.compile(f"[{BORROWED}{BORROWED_END}]")
_OPENED = f'<span lang="{ENGLISH}" dir="{language_tags.direction(ENGLISH)}">'


def picked_language(request: AnyRequest, languages: Languages) -> str:
    """The available language that this request picks, or empty."""
    asked = request.query_params.get("lang", "")
    return asked if asked in languages.names else ""


def choose_catalogue(request: AnyRequest, languages: Languages, *, fragment: bool) -> Catalogue:
    """The sentences for a request, which may be those of a component."""
    kept = "" if fragment else request.cookies.get(COOKIE, "")
    language = picked_language(request, languages) or (kept if kept in languages.names else "")
    header = request.headers.get("accept-language", "")
    return languages.catalogue(language or languages.preferred(header), marked=True)


def is_fragment(request: AnyRequest) -> bool:
    """Whether a component makes the request, for its shadow root."""
    return request.headers.get("licet-fragment") == "1"


def language_cookie(language: str) -> list[Cookie]:
    """The cookie that stores a picked language; none without one."""
    cookie = Cookie(
        key=COOKIE,
        value=language,
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
        max_age=COOKIE_SECONDS,
    )
    return [cookie] if language else []


def set_off(html: str) -> str:
    """The markup with an element around each text in English that a `marked` catalogue borrowed.
    Leaves text in attributes and titles, which can contain no element.
    """
    if BORROWED not in html and BORROWED_END not in html:
        return html
    depth, parts = 0, []
    for place, part in enumerate(_TAGS.split(html)):
        if place % 2:
            parts.append(_MARKS.sub("", part))
            continue
        for piece in re.split(f"([{BORROWED}{BORROWED_END}])", part):
            if piece == BORROWED:
                depth += 1
                parts.append(_OPENED if depth == 1 else "")
            elif piece == BORROWED_END:
                parts.append("</span>" if depth == 1 else "")
                depth = max(depth - 1, 0)
            else:
                parts.append(piece)
    return "".join([*parts, "</span>" * bool(depth)])


def strip_marks(text: str) -> str:
    """A text without the marks of borrowed English, for hashes and attributes."""
    return _MARKS.sub("", text)
