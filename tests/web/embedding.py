"""A host's page of another origin, with a component of Licet's in it, for the tests of
components.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .browsing import Site
from .people import application, serving

EVENTS = ("shown", "answered", "put-off", "nothing", "refused", "failed", "changed", "navigate")
HOST = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A host</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' {licet}; connect-src {licet}">
<script type="module" src="{licet}/static/licet.js"></script><script type="module" src="host.js"></script></head>
<body><main><h1>The assistant</h1><button id="before">Before</button>{body}<button id="after">After</button></main></body>
</html>"""
SCRIPT = """window.heard = []; window.details = [];
for (const name of {events})
  document.addEventListener(`licet-${{name}}`, (event) => {{
    window.heard.push(name); window.details.push([event.target.localName, name, event.detail]);
  }});
for (const one of document.querySelectorAll({tags})) one.token = async () => "{token}";
"""
TAGS = "licet-notice, licet-settings, licet-data, licet-badge, licet-receipt"


class HostServer(ThreadingHTTPServer):
    """Serves the files of ``folder``, which each test sets: its origin is part of an application's
    routes.
    """

    folder = Path()
    daemon_threads = True

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Quiet(SimpleHTTPRequestHandler):
    server: HostServer

    def translate_path(self, path: str) -> str:
        self.directory = str(self.server.folder)
        return super().translate_path(path)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def hosting() -> Iterator[HostServer]:
    """A server of a host's pages that runs meanwhile."""
    with HostServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def embedded(site: Site, tmp_path: Path, host_server: HostServer) -> Iterator[Any]:
    """Opens a host's page for a person, with a component, given by its tag or its markup."""
    host, host_server.folder = host_server.origin, tmp_path / "host"
    folder = host_server.folder
    folder.mkdir()
    with serving(application(site.town, host)) as licet:

        def visit(name: str, tag: str, **look: Any) -> Any:
            body = tag if tag.startswith("<") else f'<{tag} base="{licet}" surface="app"></{tag}>'
            html = HOST.format(licet=licet, body=body.replace("LICET", licet))
            (folder / "index.html").write_text(html, encoding="utf-8")
            script = SCRIPT.format(
                events=list(EVENTS), tags=repr(TAGS), token=site.town.token(name)
            )
            (folder / "host.js").write_text(script, encoding="utf-8")
            page = site.blank(**look)
            page.goto(f"{host}/index.html")
            return page

        yield visit


def heard(page: Any, name: str) -> None:
    """Waits until the host has heard of something."""
    page.wait_for_function("(name) => window.heard.includes(name)", arg=name)


def details(page: Any, name: str) -> list[Any]:
    """What was told with the events of a name."""
    return [detail for _, event, detail in page.evaluate("() => window.details") if event == name]
