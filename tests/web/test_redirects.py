"""The client that the tests of this folder ask with: a refusal is of what was asked for."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar, get
from litestar.exceptions import NotAuthorizedException
from litestar.response import Redirect
from litestar.testing import TestClient

from .served import ApplicationClient


@get("/page")
async def _moved() -> Redirect:
    return Redirect("/elsewhere")


@get("/elsewhere")
async def _refused() -> None:
    raise NotAuthorizedException


@pytest.fixture
def moving() -> Litestar:
    """An application whose only page leads to a refusal."""
    return Litestar([_moved, _refused], openapi_config=None)


def test_a_client_follows_no_redirect_by_itself(moving: Litestar) -> None:
    with ApplicationClient(moving) as api:
        assert api.get("/page").status_code == 302
        assert api.get("/elsewhere").status_code == 401


def test_a_refusal_behind_a_redirect_is_no_refusal_of_what_was_asked_for(moving: Litestar) -> None:
    with (
        ApplicationClient(moving) as api,
        pytest.raises(AssertionError, match="GET /page answered 302"),
    ):
        api.get("/page", follow_redirects=True)


def test_a_client_that_follows_each_redirect_is_made_nowhere_here(moving: Litestar) -> None:
    client: Any = TestClient
    with pytest.raises(AssertionError, match="use `ApplicationClient`"):
        client(moving)
