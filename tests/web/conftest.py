"""What holds in every file of this folder: a client of the application follows no redirect that a
test did not ask for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from .embedding import HostServer, hosting
from .served import ApplicationClient


@pytest.fixture(scope="session")
def host_server() -> Iterator[HostServer]:
    """A host's server for each worker, on another origin than Licet's."""
    with hosting() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def _clients_follow_no_redirect() -> Iterator[None]:
    """Litestar's own client follows each: a refusal could come from the page that it was sent
    to.
    """
    begin = TestClient.__init__

    def checked(self: TestClient[Any], *args: Any, **settings: Any) -> None:
        assert isinstance(self, ApplicationClient), "use `ApplicationClient` of tests/web/served.py"
        begin(self, *args, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TestClient, "__init__", checked)
        yield


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """A client of httpx reads the certificates of the world, for 8 ms, though nothing here is asked
    by TLS.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            httpx._transports.default, "create_ssl_context", cache(httpx.create_ssl_context)
        )
        yield
