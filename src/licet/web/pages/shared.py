"""Shared by every page: the templates, the texts in the reader's language, and the response as
HTML.

The templates escape everything. The only markup that they pass is a notice's, which
`consent.markdown` makes from escaped text. No page contains an inline script or style, so
`script-src 'self'; style-src 'self'` is enough. A page that is requested with ``Licet-Fragment: 1``
comes without its frame, for the components, which put it into their shadow roots.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import URLEncodedBody
from litestar.response import Redirect
from markupsafe import Markup

from licet.access.roles import Person, UnauthenticatedError, may
from licet.clock import utc_now
from licet.consent import language_tags
from licet.consent.catalogue import Catalogue
from licet.policy.decide import SAFETY
from licet.vault.commands import NAME
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation
from licet.web import static_files
from licet.web.access.authentication import csrf_token
from licet.web.api.references import site_of
from licet.web.pages import reader_language
from licet.web.site import Site

AnyRequest = Request[Any, Any, Any]


# Routes of pages: they wait for the database.
get_page = partial(get, sync_to_thread=True)
post_page = partial(post, sync_to_thread=True)
PERSONS = may(person=True)
# The same for people, where what they do or see waits for the fence.
fenced_page = partial(get_page, may=PERSONS, checks_fence=True)
fenced_form = partial(post, may=PERSONS, checks_fence=True)


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The languages offered at the foot of a page, and the path of the page in another one.
    ``picks`` is the language that the request picks, ``gzip`` whether it accepts compressed
    responses.
    """

    picks: str = ""
    gzip: bool = False
    languages: tuple[tuple[str, str], ...] = ()
    path: str = "/"
    surface: str = "app"

    @classmethod
    def of(cls, request: AnyRequest) -> Frame:
        """The frame of a request; without languages for a component, whose host picks, and if there
        is only one.
        """
        found = site_of(request).languages
        shows = len(found.names) > 1 and not reader_language.is_fragment(request)
        asked = request.url.path
        path = asked if request.method == "GET" or asked in _ASK_AGAIN else "/settings"
        picks, languages = (
            reader_language.picked_language(request, found),
            found.own_names if shows else (),
        )
        gzip = static_files.accepts_gzip(request.headers.get("accept-encoding", ""))
        return cls(
            picks=picks, gzip=gzip, languages=languages, path=path, surface=surface_of(request)
        )


def offer_languages(reader: PageReader, first: tuple[str, ...]) -> PageReader:
    """The reader, for a page that offers the region's required languages before all others."""

    def frame() -> Frame:
        found, order = reader.frame(), dict.fromkeys(first)
        named = dict(found.languages)
        ranked = (
            *(tag for tag in order if tag in named),
            *(tag for tag in named if tag not in order),
        )
        return msgspec.structs.replace(found, languages=tuple((tag, named[tag]) for tag in ranked))

    return msgspec.structs.replace(reader, frame=frame) if first else reader


_ASK_AGAIN = frozenset({"/notice", "/signup", "/settings"})  # paths of forms that are pages too


def surface_of(request: AnyRequest) -> str:
    surface = request.query_params.get("surface", "app")
    return surface if NAME.fullmatch(surface) else "app"


class PageReader(msgspec.Struct, frozen=True, kw_only=True):
    """The reader of a page: language, surface, GPC signal, and whether a component requested it.
    ``frame`` is called only for a whole page.
    """

    site: Site
    account: UUID
    words: Catalogue
    query: Mapping[str, str] = {}
    surface: str = ""
    gpc: bool = False
    fragment: bool = False
    simulated: bool = False
    csrf: str = ""
    frame: Callable[[], Frame] = Frame

    @property
    def installation(self) -> Installation:
        return self.site.installation

    @property
    def now(self) -> datetime:
        return self.installation.clock()


RouteReader: TypeAlias = NamedDependency[PageReader]  # as a route takes it


def open_reader(request: AnyRequest) -> PageReader:
    """The reader of a request; UnauthenticatedError for anybody but a known person."""
    site, caller = site_of(request), request.scope["auth"]
    if not isinstance(caller, Person) or caller.account is None:
        raise UnauthenticatedError("no account of this person is known here")
    fragment = reader_language.is_fragment(request)
    return PageReader(
        site=site,
        account=caller.account,
        words=reader_language.choose_catalogue(request, site.languages, fragment=fragment),
        query=dict(request.query_params),
        surface=surface_of(request),
        gpc=request.headers.get("sec-gpc") == "1",
        fragment=fragment,
        simulated=site.installation.clock is not utc_now,
        csrf=csrf_token.get(),
        frame=partial(Frame.of, request),
    )


class Faults(msgspec.Struct, frozen=True):
    """The faults of a form: the field's name, its anchor on the page, and the message."""

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


NO_FAULTS, NO_FRAME = Faults(), Frame()


class PageForm(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a form, as far as a page uses them. ``came_from`` is the conversation whose
    page sent it. ``showing``, ``narrowings`` and ``out_at`` record the state on the page: a
    permission counts only while it is unchanged. ``answers`` are by question, if several are asked;
    ``keep`` the numbers of grants that a no leaves.

    Fields that are mere references have no bound of their own: a no is accepted whatever they
    contain.
    """

    act: Field = ""
    allow: Field = ""
    question: Field = ""
    answers: dict[Field, Field] = {}
    keep: tuple[str, ...] = ()
    terms: Field = ""
    age: Field = ""
    age_again: Field = ""
    showing: str = ""
    narrowings: str = ""
    out_at: str = ""
    came_from: Field = msgspec.field(default="", name="from")

    @property
    def all_answers(self) -> dict[str, str]:
        """The answers by question; the name is empty if the form asks one without naming it."""
        return {**self.answers, **({self.question: self.allow} if self.allow else {})}

    @property
    def kept(self) -> frozenset[int]:
        return frozenset(
            int(number) for number in self.keep if number.isdecimal() and len(number) <= 9
        )


Sent = URLEncodedBody[PageForm]
Fields = URLEncodedBody[dict[str, Any]]
_PLAIN = frozenset(f.encode_name for f in msgspec.structs.fields(PageForm)) - {"answers", "keep"}


def form_of(fields: Mapping[str, Any]) -> PageForm:
    """A form with fields by question: `allow-NAME`, and repeated `keep`."""
    keep = fields.get("keep", [])
    values = {name: value for name, value in fields.items() if name in _PLAIN}
    values["answers"] = {
        n.removeprefix(ALLOW): value for n, value in fields.items() if n.startswith(ALLOW)
    }
    values["keep"] = [keep] if isinstance(keep, str) else keep
    if not isinstance(values.get("showing", ""), str):
        values["showing"] = _SEVERAL
    try:
        return msgspec.convert(values, PageForm)
    except msgspec.ValidationError as error:
        raise ValidationException(f"the form is wrong: {error}") from None


ALLOW = "allow-"
_SEVERAL = "several"  # in the place of a showing that a form names more than once: the id of none


def conversation_of(text: str) -> UUID:
    return parse(Prefix.conversation, text)


def project_of(text: str) -> UUID:
    return parse(Prefix.project, text)


@cache
def templates() -> Environment:
    made = Environment(
        loader=PackageLoader("licet.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["direction"] = language_tags.direction
    return made


# whatever a template takes
def markup(template: str, words: Catalogue, **values: Any) -> Markup:  # noqa: ANN401
    """A part of a page, rendered separately, so that its exact bytes can be hashed."""
    html = (
        templates()
        .get_template(template)
        .render(say=words.say, quoted=words.mark_language, **values)
    )
    return Markup(reader_language.set_off(html))  # noqa: S704 it was escaped


def compress_page(page: bytes) -> bytes:
    return gzip.compress(page, compresslevel=6, mtime=0)


class GzippedPage(Response[str]):
    """A page that is sent compressed."""

    # Litestar's signature
    def render(self, content: Any, media_type: str, enc_hook: Any = None) -> bytes:  # noqa: ANN401
        return compress_page(super().render(content, media_type, enc_hook))


def detail(words: Catalogue, more: Mapping[str, Any] | None = None) -> str:
    """The event detail of a page and the labels of a component's own controls, as JSON."""
    return json.dumps(
        {**(more or {}), "close": words.say("element.close")},
        separators=(",", ":"),
        ensure_ascii=False,
    )


def render(
    template: str, words: Catalogue, *, title: str, errors: Faults = NO_FAULTS, **values: object
) -> str:
    """A page as markup, with what each template takes."""
    shown = {
        "words": words,
        "say": words.say,
        "quoted": words.mark_language,
        "day": words.day,
        "static": static_files.path,
        "errors": errors.places,
        "errors_of": errors.of,
        "nav": False,
        "fragment": False,
        "simulated": False,
        **dict.fromkeys(("place", "outcome", "csrf"), ""),
    }
    return templates().get_template(template).render(title=title, **{**shown, **values})


def page(
    template: str,
    reader: PageReader,
    *,
    title: str,
    nav: bool = True,
    status: int = 200,
    event_detail: Mapping[str, Any] | None = None,
    **values: Any,  # noqa: ANN401 as the template takes them
) -> Response[str]:
    """A whole page, or its content alone for a component, whose event carries ``event_detail``."""
    words, frame = reader.words, reader.frame()
    # never beside the secret of a session (BREACH)
    compressed = frame.gzip and reader.fragment and not reader.csrf
    html = render(
        template,
        words,
        title=title,
        at=reader.now,
        nav=nav,
        fragment=reader.fragment,
        csrf=reader.csrf,
        simulated=reader.simulated,
        **_framed(frame),
        detail=detail(words, event_detail),
        **values,
    )
    headers = {
        "cache-control": "no-store",
        "content-language": words.language,
        "vary": "accept-language, accept-encoding, cookie",
        **({"content-encoding": "gzip"} if compressed else {}),
    }
    made = GzippedPage if compressed else Response[str]
    return made(
        reader_language.set_off(html),
        status_code=status,
        media_type=MediaType.HTML,
        headers=headers,
        cookies=reader_language.language_cookie(frame.picks) if not reader.fragment else [],
    )


def _framed(frame: Frame) -> dict[str, Any]:
    return {"languages": frame.languages, "path": frame.path, "surface": frame.surface}


def message_page(
    reader: PageReader,
    *,
    title: str,
    lines: Sequence[str],
    links: Sequence[tuple[str, str]] = (),
    icon: str = "info",
    **values: Any,  # noqa: ANN401 as `page` takes them
) -> Response[str]:
    """A page of a few sentences under an icon, to which the focus goes after a form."""
    return page(
        "plain.html", reader, title=title, lines=lines, links=links, icon_name=icon, **values
    )


def public_page(
    words: Catalogue,
    *,
    title: str,
    lines: Sequence[str],
    links: Sequence[tuple[str, str]] = (),
    outcome: str = "",
    fragment: bool = False,
    frame: Frame = NO_FRAME,
) -> str:
    """A page of a few sentences for anybody, signed in or not."""
    html = render(
        "plain.html",
        words,
        title=title,
        outcome=outcome,
        fragment=fragment,
        lines=lines,
        links=links,
        **_framed(frame),
        icon_name="alert" if outcome == "refused" else "info",
        detail=detail(words),
    )
    return reader_language.set_off(html)


def allowed_phrase(words: Catalogue, covers: Collection[str]) -> str:
    """What a yes allows, as the end of "may be used to .."."""
    return words.join_names([words.purpose(name) for name in sorted(covers)])


def refused_phrase(words: Catalogue, covers: Collection[str]) -> str:
    """What a no refuses, as the end of "never used to ..". What the safety team flags is kept in
    either case.
    """
    names = sorted(set(covers) - {SAFETY})
    return (
        words.join_names([words.purpose(name) for name in names], "or")
        if names
        else words.say("purpose.unflagged")
    )


def seen_other(path: str) -> Redirect:
    """After a form: redirects to the page to show, so that a reload sends nothing twice."""
    return Redirect(path, status_code=303)


def redirect_to(reader: PageReader, path: str, **query: str) -> Redirect:
    """`seen_other` with ``query``, on the same surface as the form, and at the flash if there is
    one.
    """
    named = query if reader.surface == "app" else {**query, "surface": reader.surface}
    place = "#flash" if query.keys() & {"flash", "again"} else ""
    return seen_other(f"{path}?{urlencode(named)}{place}")
