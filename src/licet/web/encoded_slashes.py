"""A host's id with a slash, percent-encoded in a path, is one segment: servers decode a path before
it is matched.

In the paths of accounts and conversations an encoded slash becomes `SLASH` before the routes see
it, and `named` turns it back. `SLASH` is a code point that Unicode keeps free of characters; one
that a caller sends becomes a replacement character.
"""

from __future__ import annotations

from urllib.parse import unquote

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

SLASH = "\ufdd0"
PATHS = (b"/v1/accounts/", b"/v1/conversations/")


def named(text: str) -> str:
    """An id as its caller wrote it, of a segment of a path."""
    return text.replace(SLASH, "/")


def keeping(app: ASGIApp) -> ASGIApp:
    """``app``, to which an encoded slash separates nothing."""

    async def kept(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            raw = scope["raw_path"].partition(b"?")[0]
            if raw.startswith(PATHS) and (b"%2f" in raw.lower() or SLASH in scope["path"]):
                parts = (
                    unquote(part).replace(SLASH, "\ufffd")
                    for part in raw.decode("ascii").split("/")
                )
                scope["path"] = "/".join(part.replace("/", SLASH) for part in parts)
        await app(scope, receive, send)

    return kept
