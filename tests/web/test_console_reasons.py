"""Whatever staff do in the console they say why: a form that changes something asks for it, or
stands here with its why.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from litestar.routes import HTTPRoute

from licet.service.staff_verbs import VERBS
from licet.web.console import lists
from licet.web.console.tables import ConsoleTable

from .served import World, api, world

__all__ = ["api", "world"]

# The names of the field in which a form asks why.
REASONS = {"why", "reason", "words"}
# Forms without one.
WITHOUT = {
    "/console/look-up": "it changes nothing",
    "/console/documents": "a paper is made of the log, and says by whom",
    "/console/conversations/{conversation:str}/end-hold": "the matter names what it was for",
    "/console/releases/{release:str}/sample": "a sample is read whatever it was drawn for",
    "/console/releases/{release:str}/slice": "its rows are read as those of a review are, and on record",
    "/console/releases/{release:str}/close": "the statement is what was found",
    "/console/releases/{release:str}/row": "a row is opened for the review, and so on record",
    "/console/releases/{release:str}/replacements": "rows are opened as those of a review are, and on record",
    "/console/releases/{release:str}/replacements/marks": "the mark is what was found, and is counted",
    "/console/releases/{release:str}/finding": "the finding is the reason",
    "/console/releases/{release:str}/sign": "a signature stands for the statement that it signs",
    "/console/access/keys": "a key says what it is for by its name and its limits",
    "/console/access/staff": "roles say what they are for",
    "/console/access/staff/{staff:str}/roles": "roles say what they are for",
    "/console/policy/proposals/{proposal:str}/plan": "it is drawn again, and changes nothing",
    "/console/policy/proposals": "the file says what it changes, and its applier says why",
    "/console/access/staff/{staff:str}/revoke": "it takes a right away and gives none",
}
# Forms made from declarations, which take a reason where their verb does.
DECLARED = {verb.page_path: verb for verb in VERBS if verb.page_path}
TABLES = {one.path: one for one in vars(lists).values() if isinstance(one, ConsoleTable)}


def forms(world: World) -> Iterator[tuple[str, Any]]:
    """Every address of the console that takes a form, with the type of the form; None of one that
    takes no fields.
    """
    for route in world.app.routes:
        if isinstance(route, HTTPRoute) and route.path.startswith("/console"):
            for handler in route.route_handlers:
                if "POST" in handler.http_methods:
                    taken = handler.parsed_fn_signature.parameters.get("data")
                    yield route.path, taken.annotation if taken is not None else None


def asks(path: str, form: Any) -> bool:
    """Whether a form has a field for a reason; of a table, whether each of its acts asks for
    one.
    """
    if path in DECLARED:
        return not REASONS.isdisjoint(DECLARED[path].takes.__struct_fields__)
    table = TABLES.get(path.removesuffix("/act"))
    if table is not None:
        return all(one.item is not None or one.fields == "hold" for one in table.acts)
    fields = next(iter(get_args(form)), form)
    return (
        isinstance(fields, type)
        and issubclass(fields, msgspec.Struct)
        and not REASONS.isdisjoint(fields.__struct_fields__)
    )


def test_every_form_of_the_console_asks_why_or_says_here_why_not(world: World) -> None:
    found = dict(forms(world))
    assert len(found) > 25
    assert set(WITHOUT) <= set(found)
    assert [
        path for path, form in found.items() if path not in WITHOUT and not asks(path, form)
    ] == []
