"""The ASGI middleware: what a request is answered whose gate is closed, or not known."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from licet.host import Host, HostSettings, ReasonCode
from licet.host.asgi import LicetMiddleware

from ..web.served import listening
from .test_host import Beside, beside, nobody

__all__ = ["beside"]  # a fixture


async def _never(_scope: Any, _receive: Any, _send: Any) -> None:
    pytest.fail("the program behind it was asked")


def refused(host: Host, account: str) -> tuple[int, dict[bytes, bytes], dict[str, Any]]:
    """The status, headers and problem of a request of an account."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    app = LicetMiddleware(_never, host=host, account=lambda _scope: account)
    asyncio.run(app({"type": "http"}, receive, send))
    start, body = sent
    return start["status"], dict(start["headers"]), json.loads(body["body"])


def test_while_nobody_answers_a_request_is_to_come_again_in_seconds(beside: Beside) -> None:
    host = beside.host(nobody())
    status, headers, problem = refused(host, "host:ana")
    host.close()
    assert (status, headers[b"retry-after"]) == (503, b"5")
    assert headers[b"content-type"] == b"application/problem+json"
    assert (problem["status"], problem["choice"]) == (503, "")
    assert problem["type"] == f"urn:licet:problem:{problem['because']}"


def test_an_account_that_is_not_known_is_refused_for_good(beside: Beside) -> None:
    with listening(beside.world.app) as url:
        host = beside.host(url)
        status, headers, problem = refused(host, "host:zoe")
        host.close()
    assert (status, problem["because"]) == (403, ReasonCode.no_account)
    assert b"retry-after" not in headers


def test_without_a_word_no_events_are_followed_and_the_key_needs_no_right_to_them(
    tmp_path: Path,
) -> None:
    settings = HostSettings(url="https://x.example", key_file=tmp_path, spool=tmp_path)
    assert settings.scopes == ("gate:read", "turns:write")
