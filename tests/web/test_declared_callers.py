"""Who each route says may call it, held against the golden matrix without a request; and the pages
that it leaves out.

`test_matrix.py` asks the running application with the same table: what is declared here is enforced
there.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from uuid import UUID

import pytest
from litestar.routes import HTTPRoute

from licet.access.roles import (
    ANYBODY,
    NOBODY,
    Caller,
    ForbiddenError,
    May,
    Nobody,
    Person,
    Scope,
    Service,
    Staff,
    StaffRole,
    UnauthenticatedError,
)
from licet.web.app import routed
from licet.web.console.shared import SECTIONS
from licet.web.console.tables import ConsoleTable

from .test_matrix import GOLDEN, OPEN

ID = UUID(int=1)
CALLERS: dict[str, Caller] = {
    "nobody": Nobody("192.0.2.1"),
    "person": Person(account=ID),
    **{scope.value: Service(key_id=ID, name="key", scopes=frozenset({scope})) for scope in Scope},
    **{
        role.value: Staff(
            staff_id=ID, email="ana@example.org", roles=frozenset({role}), session=b""
        )
        for role in StaffRole
    },
}
# What is asked for, or of which item, decides further: the verb refuses them, and the matrix has
# that.
NARROWER = {
    "/conversations/{conversation:str}/read": ("reviewer",),
    "/conversations/{conversation:str}/reads": ("reviewer",),
    "/inbox/{item:str}/act": ("owner", "curator", "reviewer"),
}


@pytest.fixture(scope="module")
def declared() -> dict[str, May]:
    return {
        f"{method} {route.path}": handler.opt.get("may", NOBODY)
        for route in routed().routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS", "HEAD"}
    }


def answer(may: May, caller: Caller) -> str:
    """The status that the declaration gives this caller; empty where it lets them in."""
    try:
        may.check(caller)
    except (UnauthenticatedError, ForbiddenError) as refused:
        return str(refused.status)
    return ""


def golden() -> Iterator[tuple[str, dict[str, str]]]:
    """Each route of the matrix, and what its callers are answered about what is theirs."""
    with GOLDEN.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["object"] in ("own", "-"):
                yield row["route"], row


def test_each_route_declares_exactly_the_callers_whom_the_matrix_lets_in(
    declared: dict[str, May],
) -> None:
    wrong = [
        (route, name, row[name])
        for route, row in golden()
        for name, caller in CALLERS.items()
        if (row[name] if row[name] in ("401", "403") else "") != answer(declared[route], caller)
        and name
        not in NARROWER.get(
            route.partition(" ")[2].removeprefix("/v1").removeprefix("/console"), ()
        )
    ]
    assert wrong == []


def test_pages_of_people_are_for_people_alone(declared: dict[str, May]) -> None:
    pages = {
        route: may
        for route, may in declared.items()
        if not route.partition(" ")[2].startswith(
            ("/v1/", "/console", "/openapi", "/static", "/elements", *OPEN)
        )
        and may != ANYBODY
    }
    assert len(pages) > 40
    who = {
        route: [name for name, caller in CALLERS.items() if not answer(may, caller)]
        for route, may in pages.items()
    }
    assert {route: names for route, names in who.items() if names != ["person"]} == {
        "POST /sign-out": [name for name in CALLERS if name != "nobody"]
    }


def test_a_section_of_the_console_is_named_to_those_who_may_open_it(
    declared: dict[str, May],
) -> None:
    for section in SECTIONS:
        assert section.may == declared[f"GET {section.path}"], section.path


def test_the_acts_of_a_table_are_shown_to_those_whose_form_is_taken(
    declared: dict[str, May],
) -> None:
    modules = [
        module for name, module in sys.modules.items() if name.startswith("licet.web.console.")
    ]
    tables = {
        one.path: one
        for module in modules
        for one in vars(module).values()
        if isinstance(one, ConsoleTable)
    }
    assert len(tables) > 8
    acting = {path: one.acts_may for path, one in tables.items() if one.acts}
    assert acting == {path: declared[f"POST {path}/act"] for path in acting}
    adding = {path: one.acts_may for path, one in tables.items() if one.adds and not one.acts}
    assert adding == {path: declared[f"GET {tables[path].adds[1]}"] for path in adding}
    others = tables.keys() - acting.keys() - adding.keys()
    assert {tables[path].acts_may for path in others} == {NOBODY}
