"""The forms of what staff do, made from their declarations (`service.staff_verb`).

The first form of a verb has no confirmation: its answer says what the verb means and what it would
do now, and asks for the reason where the verb takes one. The second form has both; only then the
verb is called. A field of a form has the name of the field that the verb takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, get_origin

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from licet.errors import LicetError, RefusedError, UsageError
from licet.policy.period import instant
from licet.service.staff_verb import VERBATIM, AnyVerb, VerbCall, is_reason, unwrapped
from licet.service.staff_verbs import VERBS
from licet.web.api.verb_routes import declare
from licet.web.console import shared as shell
from licet.web.console.shared import RouteVisit, Visit
from licet.web.console.tables import Fields
from licet.web.pages.shared import NO_FAULTS, post_page, seen_other

Then: TypeAlias = Callable[[Visit, VerbCall[Any], Any], Response[Any]]
Refused: TypeAlias = Callable[[Visit, str, Mapping[str, Any], LicetError], Response[Any]]


def form_of(
    verb: AnyVerb, then: Then | None = None, refused: Refused | None = None
) -> HTTPRouteHandler:
    """The route for a verb's form; see `take`."""

    def act(visit: Visit, data: Any, **named: str) -> Response[Any]:  # noqa: ANN401 a form
        return take(visit, verb, data, "+".join(named.values()), then, refused)

    names = re.findall(r"\{(\w+):str\}", verb.page_path)
    types = {"visit": RouteVisit, "data": Fields, **dict.fromkeys(names, FromPath[str])}
    declare(act, verb.name, verb.about, types, {}, Response[Any])
    return post_page(verb.page_path, may=verb.may)(act)


def take(
    visit: Visit,
    verb: AnyVerb,
    data: Mapping[str, Any],
    target: str = "",
    then: Then | None = None,
    refused: Refused | None = None,
) -> Response[Any]:
    """Asks for confirmation of a verb, or calls it and redirects; a verb without a forecast is not
    confirmed. ``then`` makes the response afterwards, by default a redirect to the form's page;
    ``refused`` that to an error.
    """
    reason, faults = str(data.get("reason", "")), NO_FAULTS
    sentences: tuple[str, ...] = ()
    confirmed, version, would = data.get("confirmed") == "yes" or not verb.means, "", None
    try:
        call = call_of(visit, verb, data, target)
        address = re.sub(r"{[^}]*}", call.target, verb.page_path)
        back = verb.back or address.rpartition("/")[0]
        if verb.means:
            would, sentences = verb.forecast(call)
        if verb.version is not None:
            version = verb.version(call)
        if confirmed and data.get("seen", "") != version:
            raise RefusedError("it was changed meanwhile", "load its page again", because="changed")
        if confirmed and verb.means and verb.asks_reason:
            faults = shell.reason_faults(reason)
        if confirmed and not faults:
            done = verb.perform(call)
            if verb.clears_key_cache:
                visit.site.forget_keys()
            flash = f"?flash={verb.name}" if verb.flash else ""
            return then(visit, call, done) if then else seen_other(f"{back}{flash}")
    except LicetError as error:
        if refused is None:
            raise
        return refused(visit, target, data, error)
    title = f"{verb.label}: {call.target}" if call.target else verb.label
    return shell.page(
        "console_order.html",
        visit,
        title=verb.title(call, would) if verb.title is not None else title,
        errors=faults,
        verb=verb,
        means=verb.means if isinstance(verb.means, str) else verb.means(call),
        would=sentences,
        fields=[*_sent_again(verb, data), *([("seen", version)] if version else [])],
        action=address,
        back=back,
        reason=reason,
        reason_max=shell.REASON_CHARACTERS_MAX,
    )


def call_of(visit: Visit, verb: AnyVerb, data: Mapping[str, Any], target: str) -> VerbCall[Any]:
    """The call in a form; UsageError for an invalid field."""
    values: dict[str, Any] = {"reason": "-"} if verb.asks_reason else {}
    verbatim = {
        field.name
        for field in msgspec.structs.fields(verb.takes)
        if any(meta.extra == VERBATIM for meta in unwrapped(field.type)[1])
    }
    for name, field in _fields(verb).items():
        given = many(data, name)
        if not given and not (name in data and get_origin(field) is tuple):
            continue
        if get_origin(field) is tuple:
            values[name] = " ".join(given).split()
        elif field is bool:
            values[name] = given[0] == "yes"
        elif field is datetime:
            values[name] = day_of(given[0])
        elif name in verbatim:
            values[name] = str(data[name])
        else:
            values[name] = given[0]
    sent = verb.body(values)
    if any(map(is_reason, msgspec.structs.fields(verb.takes))):
        sent = msgspec.structs.replace(sent, reason=str(data.get("reason", "")))
    return VerbCall(
        installation=visit.installation,
        actor=visit.staff.recorded_as,
        member=visit.member,
        wall=visit.site.wall(),
        url=visit.site.settings.url or "",
        sent=sent,
        target=target or str(getattr(sent, verb.named_by, "")),
    )


def _fields(verb: AnyVerb) -> dict[str, Any]:
    """The types of a verb's form fields beside its reason, without their bounds."""
    return {
        field.name: unwrapped(field.type)[0]
        for field in msgspec.structs.fields(verb.takes)
        if field.name != "dry_run" and not is_reason(field)
    }


def _sent_again(verb: AnyVerb, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The first form's fields, to be sent again by the second."""
    return [(name, one) for name in _fields(verb) for one in many(data, name)]


def forms_beside(routes: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """The form routes of verbs that have no handler of their own among ``routes``."""
    own = {path for route in routes for path in route.paths}
    return [form_of(verb) for verb in VERBS if verb.page_path and verb.page_path not in own]


def many(data: Mapping[str, Any], name: str) -> list[str]:
    """The non-empty values of a repeatable field."""
    found = data.get(name, [])
    texts = (str(one).strip() for one in (found if isinstance(found, list) else [found]))
    return [one for one in texts if one]


def day_of(text: str) -> datetime | None:
    """The day at whose beginning something ends; None for an empty text."""
    try:
        return instant(text) if text else None
    except (ValueError, UsageError):
        raise UsageError(f"`{text[:30]}` is no day", "write it as 2027-01-31") from None
