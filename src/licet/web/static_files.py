"""The files that pages and hosts load: stylesheets, and the modules of the components.

A file under its hash never changes, so a browser keeps it for good; the same under its bare name
may change within minutes. The modules of the components import each other, so they share one hash,
and `/static/licet.js` and `/static/elements/NAME.js` are entries of a line or two that name it.
Files are served without the comments and the indentation that are for their readers here: a phone
does not pay for them.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from litestar import Request, Response

from licet.errors import NotFoundError

CSS, JAVASCRIPT = "text/css", "text/javascript"  # Litestar adds the charset
STYLESHEETS = ("licet.css", "chats.css", "console.css", "design.css")
MODULES = (
    "badge.js",
    "data.js",
    "element.js",
    "fragment.js",
    "index.js",
    "notice.js",
    "receipt.js",
    "settings.js",
    "sheets.js",
)
SCRIPTS = ("console.js", "examples.js", "reference.js")
ENTRY = "licet.js"
FOREVER, MINUTES = "public, max-age=31536000, immutable", "public, max-age=300"

_BLOCK = re.compile(r"/\*.*?\*/[ ]?", re.DOTALL)
_LINE = re.compile(r"(?m)^\s*//.*$|\s+//\s.*$")
_BLANKS = re.compile(r"(?m)^[ \t]+|[ \t]+$|\n(?=\s*\n)")
_BRACES = re.compile(r"\s*([{};])\s*")
_IMPORT = re.compile(r'from "\./([a-z]+\.js)"')


def compact(text: str) -> str:
    """JavaScript without comments, indentation and empty lines. None of our literals looks like a
    comment.
    """
    return _BLANKS.sub("", _LINE.sub("", _BLOCK.sub("", text))).strip() + "\n"


def compact_css(text: str) -> str:
    """CSS without comments, and without blanks around the ends of rules and declarations."""
    return _BRACES.sub(r"\1", _BLOCK.sub("", text)).strip() + "\n"


@cache
def body(name: str) -> bytes:
    """A file as it is served: a stylesheet, a page's own script, or `elements/NAME.js`."""
    text = (files("licet.web") / "static" / name).read_text("utf-8")
    return (compact_css(text) if name.endswith(".css") else compact(text)).encode()


@cache
def packed(name: str) -> bytes:
    return gzip.compress(_served(name), mtime=0)


@cache
def elements_hash() -> str:
    """The hash of all modules together."""
    return hashlib.sha256(b"".join(body(f"elements/{name}") for name in MODULES)).hexdigest()[:12]


@cache
def path(name: str) -> str:
    """The path of a file that never changes under it."""
    if name.startswith("elements/"):
        return f"/static/{elements_hash()}/{name}"
    return f"/static/{hashlib.sha256(body(name)).hexdigest()[:12]}/{name}"


def response(request: Request[Any, Any, Any], name: str, version: str = "") -> Response[bytes]:
    """A file, compressed if the browser accepts that; NotFoundError for an unknown name.
    ``version`` is the hash in its path, if any; an old one gets the present file, cached for
    minutes.
    """
    stylesheet, module = (
        name in STYLESHEETS,
        name.removeprefix("elements/") in MODULES and name.startswith("elements/"),
    )
    if not (stylesheet or module or (name == ENTRY and not version) or name in SCRIPTS):
        raise NotFoundError("no such file")
    fixed = bool(version) and path(name) == f"/static/{version}/{name}"
    served = name if version or not module else f"entry {name}"
    headers = {
        "cache-control": FOREVER if fixed else MINUTES,
        "vary": "accept-encoding",
        "access-control-allow-origin": "*",
        "cross-origin-resource-policy": "cross-origin",
        "x-content-type-options": "nosniff",
    }
    media = CSS if stylesheet else JAVASCRIPT
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        return Response(
            packed(served), media_type=media, headers={**headers, "content-encoding": "gzip"}
        )
    return Response(_served(served), media_type=media, headers=headers)


def accepts_gzip(header: str) -> bool:
    """Whether an `Accept-Encoding` allows gzip (RFC 9110, 12.5.3)."""
    for part in header.lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";")
        if coding in ("gzip", "*"):
            return not re.fullmatch(r"q=0(\.0*)?", weight)
    return False


def _served(name: str) -> bytes:
    if name == ENTRY:
        return _entry("index.js", "./")
    if name.startswith("entry "):
        return _entry(name.removeprefix("entry elements/"), "../")
    return body(name)


def _entry(module: str, up: str) -> bytes:
    """A module that exports another under its hash, and preloads all that it imports."""
    there = f"{up}{elements_hash()}/elements/"
    needed = [f'import "{there}{name}";' for name in dict.fromkeys(_imports(module))]
    return "\n".join([*needed, f'export * from "{there}{module}";', ""]).encode()


def _imports(module: str) -> Iterator[str]:
    for name in _IMPORT.findall(body(f"elements/{module}").decode()):
        yield name
        yield from _imports(name)
