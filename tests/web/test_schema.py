"""The OpenAPI document is kept: whatever is asked, no answer is a 5xx, and none is one that the
document does not list.

Schemathesis asks, with values that fit and values that do not, as a service with every scope, as a
person and as staff. TESTS_EXAMPLES sets how many examples there are for each operation (12, of
which a run asks a sixteenth: `tests/tiers.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from licet.access.roles import StaffRole
from licet.webhooks import endpoints

from ..terms import preset
from ..tiers import SIXTEENTH, share
from .served import NOTICE, World, listening

# the first that is drawn is always the simplest
EXAMPLES = int(os.environ.get("TESTS_EXAMPLES") or share(12) + 1)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/x-ndjson")
def ndjson(_: Any, value: Any) -> bytes:
    """Lines as they are; what is no text goes as the JSON that it would be."""
    return (
        value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()
    )


@pytest.fixture(scope="module")
def served(worker_pool, tmp_path_factory) -> Iterator[tuple[World, str]]:
    from tests.conftest import empty_tables  # the module's world outlives a test

    empty_tables(worker_pool.conninfo)
    plenty = dict.fromkeys(("person", "service", "unknown"), 10**7)
    world = World(
        worker_pool,
        tmp_path_factory.mktemp("schema") / "data",
        preset("article-2025"),
        **{f"{name}_requests_per_minute": count for name, count in plenty.items()},
    )
    world.clock.set(NOTICE)
    endpoints.add(world.installation, "reader", None)  # so that there are events
    world.open("ana", allow=True)
    world.chat = world.say("ana", "c1")
    with listening(world.app) as url:
        yield world, url


@pytest.fixture(scope="module")
def operations(served) -> list[Any]:
    _, url = served
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    return [one.ok() for one in schema.get_all_operations()]


def test_the_document_describes_every_route_of_the_api(served, operations) -> None:
    world, url = served
    document = httpx.get(f"{url}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    described = {(path, method) for path, of in document["paths"].items() for method in of}
    routes = {
        (route.path_format, method.lower())
        for route in world.app.routes
        if route.path.startswith("/v1/")
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS"}
    }
    assert described == routes
    assert len(operations) == len(routes)


@pytest.mark.parametrize("caller", ["service", "person", "staff", "nobody"])
def test_no_answer_is_a_5xx_or_one_that_is_not_listed(served, operations, caller) -> None:
    world, url = served
    headers = {
        "service": lambda: world.service(),
        "person": lambda: world.person("ana"),
        "staff": lambda: {**world.staff(*StaffRole), "origin": url},
        "nobody": dict,
    }[caller]()
    count = EXAMPLES if caller == "service" else max(EXAMPLES // 3, 2)
    for operation in operations:
        assert answers(operation, count, url, headers, world.chat) > 0, operation.label


def answers(operation: Any, count: int, url: str, headers: dict[str, str], chat: str) -> int:
    """Asks ``count`` times with what fits and what does not; returns how often."""
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    asked = 0

    @seed(SIXTEENTH)
    @given(st.data())
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(data: Any) -> None:
        nonlocal asked
        case = data.draw(operation.as_strategy(generation_mode=data.draw(st.sampled_from(modes))))
        known(case, data, chat)
        asked += 1
        case.call_and_validate(base_url=url, headers=headers, checks=CHECKS, timeout=600)

    ask()
    return asked


def known(case: Any, data: Any, chat: str) -> None:
    """Half of the time an id that exists, so that more than 404 is seen."""
    names = {
        "account": "host:ana",
        "conversation": chat,
        "turn": chat.replace("conv_", "turn_") + "-1",
    }
    for name, value in names.items():
        if name in (case.path_parameters or {}) and data.draw(st.booleans()):
            case.path_parameters[name] = value
    if isinstance(case.body, dict) and "account" in case.body and data.draw(st.booleans()):
        case.body["account"] = "host:ana"
