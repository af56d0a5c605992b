"""Serves a published folder over HTTP: static files, read only, with the headers that
c2sp.org/tlog-tiles asks for.

Promise: only the files that `licet ledger publish` writes are served, by their exact names.
Immutable files (tiles, entry bundles, texts under their hash) may be cached for ever, changing ones
not at all. A stateless ASGI application for operators without a web server; any web server can
serve the folder instead. Everything in it is public.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Iterable
from pathlib import Path

from licet.ledger.witness_http import Message, Receive, Send, answer_lifespan

GZIP_LEVEL = 6
FOR_EVER = "public, max-age=31536000, immutable"
NOT_A_MOMENT = "no-cache"

_TEXT, _BYTES, _JSON = "text/plain; charset=utf-8", "application/octet-stream", "application/json"
_PARTIAL = r"(?:\.p/(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
# The served files, their media types, and whether their bytes never change.
_KINDS = (
    (
        re.compile(
            rf"/(?:[0-9]{{4}}/)?tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/(?:x[0-9]{{3}}/)*[0-9]{{3}}{_PARTIAL}"
        ),
        _BYTES,
        FOR_EVER,
    ),
    (re.compile(r"/(?:policies|notices)/[0-9a-f]{64}\.json"), _JSON, FOR_EVER),
    (
        re.compile(
            r"/(?:(?:[0-9]{4}/)?checkpoint|pruned/[0-9]{4}|vkeys\.txt|verifier\.py|(?:retention|witnesses)\.txt)"
        ),
        _TEXT,
        NOT_A_MOMENT,
    ),
)


class ServedFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, send)

    async def _answer(self, scope: Message, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _send(send, 405, b"a log is read\n", [("allow", "GET, HEAD")])
            return
        path = scope["path"]
        for pattern, content_type, caching in _KINDS:
            if pattern.fullmatch(path):
                data = await asyncio.to_thread(self._read, path[1:])
                if data is not None:
                    headers = [("cache-control", caching), ("access-control-allow-origin", "*")]
                    data, more = _compress(path, data, scope["headers"])
                    shown = b"" if scope["method"] == "HEAD" else data
                    await _send(send, 200, shown, [*headers, *more], content_type, len(data))
                    return
        await _send(send, 404, b"not here\n", [("cache-control", NOT_A_MOMENT)])

    def _read(self, path: str) -> bytes | None:
        try:
            return (self._folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None


def _compress(
    path: str, data: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> tuple[bytes, list[tuple[str, str]]]:
    """Compresses entry bundles, which are text, if the caller accepts that; hashes would not
    shrink.
    """
    if "/tile/entries/" not in path:
        return data, []
    taken = b",".join(value for name, value in headers if name == b"accept-encoding")
    offers = {
        offer.split(";")[0].strip()
        for offer in taken.decode("latin-1").split(",")
        if ";q=0" not in offer
    }
    if "gzip" not in offers:
        return data, [("vary", "accept-encoding")]
    # no time in the gzip header: the same bundle always gives the same bytes
    return gzip.compress(data, GZIP_LEVEL, mtime=0), [
        ("vary", "accept-encoding"),
        ("content-encoding", "gzip"),
    ]


async def _send(
    send: Send,
    status: int,
    body: bytes,
    headers: list[tuple[str, str]],
    content_type: str = _TEXT,
    size: int = -1,
) -> None:
    length = len(body) if size < 0 else size
    every = [
        ("content-type", content_type),
        ("content-length", str(length)),
        ("x-content-type-options", "nosniff"),
    ]
    raw = [(name.encode(), value.encode()) for name, value in (*every, *headers)]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
