"""A host for the examples beside it: serves one of them, and signs a short token for its person.

    python examples/hosts/host.py html --key KEY_FILE --account ana --licet http://127.0.0.1:8787

In a product, the server that knows who is signed in signs the token; this one takes the name from
its command line. The page's own origin must stand in LICET_WEB__EMBED_ORIGINS of the server of
Licet.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LICET = "http://127.0.0.1:8787"  # as it stands in the examples
HERE = Path(__file__).parent


def signed(key: bytes, account: str, seconds: int = 300) -> str:
    """A token as docs/api.md has it: a JWT, HS256."""
    now = int(time.time())
    claims = {"sub": account, "aud": "licet", "iat": now, "exp": now + seconds}
    head, body = (
        _base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    return f"{head}.{body}.{_base64(hmac.digest(key, f'{head}.{body}'.encode(), 'sha256'))}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Host(SimpleHTTPRequestHandler):
    """The files of an example, and `/licet-token`."""

    extensions_map = {  # noqa: RUF012  # as the base has it
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
    }

    def __init__(
        self, *given: object, key: bytes, account: str, licet: str, directory: str
    ) -> None:
        self._key, self._account, self._licet = key, account, licet
        super().__init__(*given, directory=directory)  # type: ignore[arg-type]  # the server's

    def do_GET(self) -> None:
        if self.path == "/licet-token":
            self._answer(signed(self._key, self._account).encode(), "text/plain")
        elif self.path == "/":
            page = (Path(self.directory) / "index.html").read_text("utf-8")
            self._answer(page.replace(LICET, self._licet).encode(), "text/html; charset=utf-8")
        else:
            super().do_GET()

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("example", choices=["html", "vue", "react"])
    parser.add_argument(
        "--key", type=Path, required=True, help="the file of LICET_WEB__TOKEN_KEY_FILE"
    )
    parser.add_argument("--account", default="ana", help="the id of the person, as Licet knows it")
    parser.add_argument("--licet", default=LICET)
    parser.add_argument("--port", type=int, default=8788)
    given = parser.parse_args()
    made = partial(
        Host,
        key=given.key.read_bytes().strip(),
        account=given.account,
        licet=given.licet,
        directory=str(HERE / given.example),
    )
    server = ThreadingHTTPServer(("127.0.0.1", given.port), made)
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
