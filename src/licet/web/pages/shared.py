"""Shared by every page: the templates, the texts in the reader's language, and the response as HTML.

The templates escape everything. The only markup that they pass is a notice's, which `consent.markdown` makes from
escaped text. No page contains an inline script or style, so `script-src 'self'; style-src 'self'` is enough. A page
that is requested with ``Licet-Fragment: 1`` comes without its frame, for the components, which put it into their shadow
roots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Request, Response
from litestar.exceptions import ValidationException
from litestar.params import URLEncodedBody
from litestar.response import Redirect
from markupsafe import Markup

from licet.access.roles import Person, UnauthenticatedError, may
from licet.consent.catalogue import Catalogue, catalogue, preferred
from licet.errors import NotFoundError
from licet.policy.decide import SAFETY
from licet.vault.commands import NAME
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation, utc_now
from licet.web.access.authentication import csrf_token
from licet.web.api.references import site_of

AnyRequest = Request[Any, Any, Any]


class PageReader(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads a page, and how: the language, the surface, the GPC signal, and whether a component requested it."""

    account: UUID
    words: Catalogue
    surface: str
    gpc: bool
    fragment: bool
    simulated: bool
    csrf: str


def opened(request: AnyRequest) -> tuple[Installation, PageReader]:
    """The installation and the reader of a request; UnauthenticatedError for anybody but a known person."""
    here, caller = site_of(request).here, request.scope["auth"]
    if not isinstance(caller, Person) or caller.account is None:
        raise UnauthenticatedError("no account of this person is known here")
    surface = request.query_params.get("surface", "app")
    who = PageReader(
        account=caller.account,
        words=catalogue(preferred(request.headers.get("accept-language", ""))),
        surface=surface if NAME.fullmatch(surface) else "app",
        gpc=request.headers.get("sec-gpc") == "1",
        fragment=request.headers.get("licet-fragment") == "1",
        simulated=here.clock is not utc_now,
        csrf=csrf_token.get(),
    )
    return here, who


class Faults(msgspec.Struct, frozen=True):
    """What is wrong with a form: the field's name, its anchor on the page, and the message."""

    found: tuple[tuple[str, str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def places(self) -> list[tuple[str, str]]:
        return [(place, text) for _, place, text in self.found]

    @property
    def of(self) -> dict[str, str]:
        return {name: text for name, _, text in self.found}


Field = Annotated[str, msgspec.Meta(max_length=200)]


NO_FAULTS = Faults()


class PageForm(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a form, as far as a page uses them. ``came_from`` is the conversation whose page sent it.

    ``showing``, ``narrowings`` and ``out_at`` record the state on the page: a permission counts only while it is unchanged.
    ``answers`` are by question, where several are asked; ``keep`` the numbers of grants that a no leaves.
    """

    act: Field = ""
    allow: Field = ""
    question: Field = ""
    answers: dict[Field, Field] = {}
    keep: tuple[Field, ...] = ()
    terms: Field = ""
    age: Field = ""
    age_again: Field = ""
    showing: Field = ""
    narrowings: Field = ""
    out_at: Field = ""
    came_from: Field = msgspec.field(default="", name="from")

    @property
    def said(self) -> dict[str, str]:
        """The answers by question; the name is empty where the form asks one without naming it."""
        return {**self.answers, **({self.question: self.allow} if self.allow else {})}

    @property
    def kept(self) -> frozenset[int]:
        return frozenset(int(number) for number in self.keep if number.isdecimal() and len(number) <= 9)


Sent = URLEncodedBody[PageForm]
Fields = URLEncodedBody[dict[str, Any]]
PERSONS = may(person=True)
_PLAIN = frozenset(f.encode_name for f in msgspec.structs.fields(PageForm)) - {"answers", "keep"}


def form_of(fields: Mapping[str, Any]) -> PageForm:
    """A form whose fields name questions: `allow-NAME`, and `keep` as often as there is something to keep."""
    keep = fields.get("keep", [])
    values = {name: value for name, value in fields.items() if name in _PLAIN}
    values["answers"] = {n.removeprefix(ALLOW): value for n, value in fields.items() if n.startswith(ALLOW)}
    values["keep"] = [keep] if isinstance(keep, str) else keep
    try:
        return msgspec.convert(values, PageForm)
    except msgspec.ValidationError as error:
        raise ValidationException(f"the form is wrong: {error}") from None


ALLOW = "allow-"


def showing_of(text: str) -> UUID | None:
    """The showing that a form answers; NotFoundError for text that is not an id of one."""
    if not text:
        return None
    try:
        return UUID(hex=text)
    except ValueError:
        raise NotFoundError("no such showing") from None


def conversation_of(text: str) -> UUID:
    return parse(Prefix.conversation, text)


def project_of(text: str) -> UUID:
    return parse(Prefix.project, text)


@cache
def templates() -> Environment:
    return Environment(
        loader=PackageLoader("licet.web", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip


@cache
def static_path(name: str) -> str:
    """The path of a file that never changes under that path, because its hash is part of it."""
    return f"/static/{hashlib.sha256(static_bytes(name)).hexdigest()[:12]}/{name}"


@cache
def static_bytes(name: str) -> bytes:
    return (files("licet.web") / "static" / name).read_bytes()


def markup(template: str, words: Catalogue, **values: Any) -> Markup:  # noqa: ANN401 whatever a template takes
    """A part of a page, rendered separately, so that its exact bytes can be hashed."""
    return Markup(templates().get_template(template).render(say=words.say, **values))  # noqa: S704 it was escaped


def page(
    template: str, who: PageReader, at: datetime, *, title: str, place: str = "", nav: bool = True, outcome: str = "",
    errors: Faults = NO_FAULTS, status: int = 200, values: Mapping[str, Any] | None = None,
) -> Response[str]:  # fmt: skip
    """A whole page, or its content alone for a component."""
    words = who.words
    html = templates().get_template(template).render(
        words=words, say=words.say, day=words.day, at=at, title=title, place=place, nav=nav, outcome=outcome,
        static=static_path, fragment=who.fragment, csrf=who.csrf, simulated=who.simulated,
        errors=errors.places, errors_of=errors.of,
        **(values or {}),
    )  # fmt: skip
    return Response(
        html, status_code=status, media_type=MediaType.HTML,
        headers={"cache-control": "no-store", "content-language": words.language, "vary": "accept-language"},
    )  # fmt: skip


def plain(
    who: PageReader, at: datetime, *, title: str, lines: Sequence[str], links: Sequence[tuple[str, str]] = (),
    nav: bool = True, outcome: str = "", status: int = 200, icon: str = "info",
) -> Response[str]:  # fmt: skip
    """A page of a few sentences under an icon, to which the focus goes after a form."""
    values = {"lines": lines, "links": links, "icon_name": icon}
    return page("plain.html", who, at, title=title, nav=nav, outcome=outcome, status=status, values=values)


def for_anybody(
    words: Catalogue, *, title: str, lines: Sequence[str], links: Sequence[tuple[str, str]] = (), outcome: str = "",
    fragment: bool = False,
) -> str:  # fmt: skip
    """A page of a few sentences for anybody, signed in or not."""
    return templates().get_template("plain.html").render(
        words=words, say=words.say, title=title, place="", nav=False, outcome=outcome, static=static_path,
        fragment=fragment, csrf="", simulated=False, errors=[], errors_of={}, lines=lines, links=links,
        icon_name="alert" if outcome == "refused" else "info",
    )  # fmt: skip


def refusal(words: Catalogue, lines: Sequence[str], *, fragment: bool) -> str:
    """A page that explains why the request was refused."""
    return for_anybody(words, title=words.say("error.title"), lines=lines, outcome="refused", fragment=fragment)


def allowed(words: Catalogue, covers: Collection[str]) -> str:
    """What a yes allows, as the end of "may be used to .."."""
    return words.listed([words.purpose(name) for name in sorted(covers)])


def refused(words: Catalogue, covers: Collection[str]) -> str:
    """What a no refuses, as the end of "never used to ..". What the safety team flags is kept in either case."""
    names = sorted(set(covers) - {SAFETY})
    return words.listed([words.purpose(name) for name in names], "or") if names else words.say("purpose.unflagged")


def seen_other(path: str) -> Redirect:
    """After a form: redirects to the page to show, so that a reload sends nothing twice."""
    return Redirect(path, status_code=303)


def then(who: PageReader, path: str, *, place: str = "", **query: str) -> Redirect:
    """`seen_other` with ``query``, on the same surface as the form, and at a ``place`` of the page."""
    named = query if who.surface == "app" else {**query, "surface": who.surface}
    return seen_other(f"{path}?{urlencode(named)}{'#' if place else ''}{place}")
