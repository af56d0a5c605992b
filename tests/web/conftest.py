"""What holds in every file of this folder: a client of the application follows no redirect that a test did not ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from .served import ApplicationClient


@pytest.fixture(scope="module", autouse=True)
def _clients_follow_no_redirect() -> Iterator[None]:
    """Litestar's own client follows each: a refusal could come from the page that it was sent to."""
    begin = TestClient.__init__

    def checked(self: TestClient[Any], *args: Any, **settings: Any) -> None:
        assert isinstance(self, ApplicationClient), "use `ApplicationClient` of tests/web/served.py"
        begin(self, *args, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TestClient, "__init__", checked)
        yield
