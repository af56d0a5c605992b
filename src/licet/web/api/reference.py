"""The API's description: what Litestar generates, with the meaning of each operation, schema and
field, and example requests.

An operation means what the docstring of its handler says, and has its name; a schema means what the
docstring of its class says. What a field means stands in ``reference.yaml``, once for all schemas
that have a field of that name. `licet serve` answers the description at ``/openapi.json`` (OpenAPI
3.1.0, https://spec.openapis.org/oas/v3.1.0), and as a page at ``/docs``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import yaml
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from licet.access.roles import NOBODY, May

Document = dict[str, Any]
METHODS = ("get", "put", "post", "delete")


class ReferenceTexts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``reference.yaml``: meanings by field, and by schema and field; an example of a body by
    operation.
    """

    fields: dict[str, str]
    of: dict[str, str]
    requests: dict[str, Any]


class SchemaField(msgspec.Struct, frozen=True, kw_only=True):
    """A field as the page shows it."""

    name: str
    type: str
    is_required: bool
    text: str


class OperationShown(msgspec.Struct, frozen=True, kw_only=True):
    """An operation as the page shows it: its callers, its parameters, an example of its body, and
    its responses.
    """

    id: str
    method: str
    path: str
    summary: str
    text: str
    callers: str
    parameters: tuple[SchemaField, ...]
    takes: str
    body: tuple[SchemaField, ...]
    example: str
    gives: str
    answer: tuple[SchemaField, ...]
    problems: tuple[tuple[str, str], ...]


@cache
def texts() -> ReferenceTexts:
    text = files(__package__).joinpath("reference.yaml").read_text("utf-8")
    return msgspec.convert(yaml.load(text, Loader=yaml.CSafeLoader), ReferenceTexts)


def operation_id(handler: HTTPRouteHandler, _method: object, _path: object) -> str:
    """The name of the handler: it stays when a path is reworded, and is a function's name in
    generated clients.
    """
    # Litestar wraps one that is not `async`
    return str(getattr(handler.fn, "func", handler.fn).__name__)


def callers(may: May) -> str:
    """The callers that a route admits, in Markdown."""
    if may.anybody or may.known:
        return "anybody" if may.anybody else "any known caller"
    scope = [f"`{may.scope.value}`"] if may.scope is not None else []
    return ", ".join(
        ["a person"] * may.person + scope + [f"`{role.value}`" for role in sorted(may.staff)]
    )


def description(app: Litestar) -> bytes:
    """The description of the routes of ``app`` that are part of the API, as JSON."""
    answers = {
        operation_id(handler, None, None): handler.opt.get("may", NOBODY)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
    }
    return msgspec.json.encode(described(app.openapi_schema.to_schema(), answers))


def read(description: bytes) -> Document:
    found: Document = msgspec.json.decode(description)
    return found


def described(document: Document, answers: Mapping[str, May]) -> Document:
    """Completes Litestar's document with ``answers``, the callers by operation; changes and returns
    ``document``.
    """
    known = texts()
    _name_items(document)
    for operation in _operations(document):
        name = operation["operationId"]
        text = _plain(operation.get("description", ""))
        operation["summary"] = re.split(r"(?<=\.)\s", text)[0].removesuffix(".")
        operation["description"] = f"{text}\n\nAnswers: {callers(answers[name])}."
        if name in known.requests:
            # JSON comes last beside another
            (*_, content) = operation["requestBody"]["content"].values()
            content["example"] = known.requests[name]
    # other programs of the process have classes of the same names
    ours = (one for one in _structs(msgspec.Struct) if one.__module__.startswith("licet."))
    classes = {one.__name__: one for one in ours}
    for name, schema in document["components"]["schemas"].items():
        about = classes[name].__dict__.get("__doc__") if name in classes else None
        if about and "description" not in schema:
            schema["description"] = _plain(about)
        for field, value in schema.get("properties", {}).items():
            meaning = known.of.get(f"{name}.{field}") or known.fields.get(field)
            if meaning and "description" not in value:
                value["description"] = meaning
    return document


def _name_items(schema: object) -> None:
    """Litestar takes the ``...`` of ``tuple[X, ...]`` for a second type, which is any: ``oneOf: [X,
    {}]``. Items are X alone.
    """
    if isinstance(schema, list):
        for one in schema:
            _name_items(one)
    elif isinstance(schema, dict):
        match schema.get("items"):
            case {"oneOf": [named, {**rest}]} if not rest:
                schema["items"] = named
        for one in schema.values():
            _name_items(one)


def shown(document: Document) -> dict[str, list[OperationShown]]:
    """The operations by their tag, in the order of their paths."""
    found: dict[str, list[OperationShown]] = {}
    for path, item in sorted(document["paths"].items()):
        for method in METHODS:
            if method in item:
                operation = item[method]
                found.setdefault(operation["tags"][0], []).append(
                    _shown(document, method.upper(), path, operation)
                )
    return found


def _shown(document: Document, method: str, path: str, operation: Document) -> OperationShown:
    text, _, answered = operation["description"].partition("\n\nAnswers: ")
    body, takes = _content(operation.get("requestBody", {}))
    succeeded = min(status for status in operation["responses"] if status < "300")
    answer, gives = _content(operation["responses"][succeeded])
    example = next((one["example"] for one in body.values() if "example" in one), None)
    return OperationShown(
        id=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        text=text,
        callers=answered.removesuffix("."),
        parameters=tuple(_parameter(document, one) for one in operation.get("parameters", ())),
        takes=takes,
        body=tuple(_fields(document, body)),
        example=_written(example),
        gives=f"{succeeded} {gives}".strip(),
        answer=tuple(_fields(document, answer)),
        problems=tuple(
            (status, _plain(one["description"]))
            for status, one in operation["responses"].items()
            if status >= "300"
        ),
    )


def _content(holder: Document) -> tuple[Document, str]:
    """The types of a body by media type, and their names."""
    content: Document = holder.get("content", {})
    return content, ", ".join(content)


def _written(example: object) -> str:
    if example is None or isinstance(example, str):
        return example or ""
    return msgspec.json.format(msgspec.json.encode(example), indent=2).decode()


def _fields(document: Document, content: Document) -> Iterator[SchemaField]:
    """The fields of a body that is an object, and of the items of one that is a page of them."""
    schema: Document = next((one["schema"] for one in content.values() if "schema" in one), {})
    yield from _properties(document, _resolved(document, schema))


def _properties(document: Document, schema: Document, within: str = "") -> Iterator[SchemaField]:
    required = schema.get("required", ())
    for name, value in schema.get("properties", {}).items():
        yield SchemaField(
            name=within + name,
            type=_type(value),
            is_required=name in required,
            text=value.get("description", ""),
        )
        if name == "items":
            yield from _properties(
                document, _resolved(document, value.get("items", {})), "items[]."
            )


def _parameter(document: Document, parameter: Document) -> SchemaField:
    return SchemaField(
        name=parameter["name"],
        type=f"{_type(parameter['schema'])}, {parameter['in']}",
        is_required=parameter.get("required", False),
        text=parameter.get("description") or "",
    )


def _type(schema: Document) -> str:
    """A type in a word or two: `string or null`, `GrantAnswer[]`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(_type(one) for one in schema[several])
    if schema.get("type") == "array":
        return f"{_type(schema.get('items', {}))}[]"
    kinds: str | Sequence[str] = schema.get("type", "any")
    named = kinds if isinstance(kinds, str) else " or ".join(kinds)
    return f"{named} ({schema['format']})" if "format" in schema else named


def _resolved(document: Document, schema: Document) -> Document:
    if "$ref" not in schema:
        return schema
    found: Document = document["components"]["schemas"][_type(schema)]
    return found


def _operations(document: Document) -> Iterator[Document]:
    for item in document["paths"].values():
        yield from (item[method] for method in METHODS if method in item)


def _structs(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for one in base.__subclasses__():
        yield one
        yield from _structs(one)


def _plain(docstring: str) -> str:
    """A docstring as one paragraph of Markdown."""
    return " ".join(docstring.replace("``", "`").split())
