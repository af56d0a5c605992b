"""One key of a service: what it may do and how often, until when, what was changed of it, and the
form that changes it.

    /console/access/keys/NAME            its limits, its history, and the form
    /console/access/keys/NAME/limit      shows what would change, then changes it
    /console/access/keys/NAME/revoke     asks why, then revokes it

The form carries the version of the key that its reader saw. Whoever confirms a change of an older
version is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, URLEncodedBody

from licet.access import service_keys
from licet.access.roles import Scope
from licet.access.service_keys import KeyAct, KeyLimits, ServiceKey
from licet.errors import LicetError, UsageError
from licet.policy.period import instant
from licet.store.connect import transaction
from licet.web.console import shared as shell
from licet.web.console.shared import OWNS, ConfirmForm, Visit
from licet.web.console.tables import Fields
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults, seen_other

SECTION = "/console/access"
_SAID = {"limited": "Its limits are changed, and hold from now on."}


@get("/console/access/keys/{name:str}", may=OWNS, sync_to_thread=True, include_in_schema=False)
def one(request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """One key: its limits, what was changed of it, and the form that changes it."""
    return _shown(
        shell.opened(request), name, said=_SAID.get(request.query_params.get("said", ""), "")
    )


@post(
    "/console/access/keys/{name:str}/limit", may=OWNS, sync_to_thread=True, include_in_schema=False
)
def limit(request: AnyRequest, name: FromPath[str], data: Fields) -> Response[Any]:
    """Gives a key other limits, after the page that shows what would change."""
    visit = shell.opened(request)
    sent = {field: str(value) for field, value in data.items() if isinstance(value, str)}
    scopes = many(data, "scope") or sent.get("scopes", "").split()
    with transaction(visit.here.pool) as tx:
        known = service_keys.find_by_name(tx, name)
    try:
        wanted, version = _wanted(sent, scopes), number(sent.get("version", ""), "version")
        if sent.get("confirmed") != "yes":
            return _asks(
                visit, known, wanted, {**sent, "scopes": " ".join(scopes), "version": str(version)}
            )
        with transaction(visit.here.pool) as tx:
            act = act_of(visit, sent.get("reason", ""))
            service_keys.set_limits(
                tx, name, wanted, act, visit.here.keyring.restrictions, version=version
            )
    except LicetError as error:
        return _shown(
            visit,
            name,
            faults=fault("key-limits", error),
            kept={**sent, "scopes": " ".join(scopes)},
        )
    visit.site.forget_keys()
    return seen_other(f"{SECTION}/keys/{name}?said=limited")


def _wanted(sent: Mapping[str, str], scopes: list[str]) -> KeyLimits:
    if not set(scopes) <= set(Scope):
        raise UsageError("that is no scope")
    rate, day = sent.get("rate", "").strip(), sent.get("expires", "").strip()
    return KeyLimits(
        scopes=tuple(Scope(one) for one in sorted(set(scopes))),
        releases=tuple(sent.get("releases", "").split()),
        requests_per_minute=number(rate, "number of requests") if rate else None,
        expires_at=day_of(day),
    )


def day_of(text: str) -> datetime | None:
    """The day at whose beginning a key ends; None for no text."""
    try:
        return instant(text) if text else None
    except (ValueError, UsageError):
        raise UsageError(f"`{text[:30]}` is no day", "write it as 2027-01-31") from None


def number(text: str, what: str) -> int:
    """A field that is a number; UsageError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise UsageError(f"`{text[:20]}` is no {what}")
    return int(text)


def _asks(
    visit: Visit, known: ServiceKey, wanted: KeyLimits, sent: Mapping[str, str]
) -> Response[Any]:
    """The page that shows what would change."""
    changed = list(_differences(known.limits, wanted))
    if not changed:
        raise UsageError("nothing would change", "change a limit first")
    if shell.reason_faults(sent.get("reason", "")):
        raise UsageError("say why")
    kept = ("scopes", "releases", "rate", "expires", "version", "reason")
    return shell.confirm(
        visit,
        title=f"Change the limits of {known.name}",
        section=SECTION,
        label="Change the limits",
        about="They hold at once, for every request that comes after.",
        lines=changed,
        action=f"{SECTION}/keys/{known.name}/limit",
        back=f"{SECTION}/keys/{known.name}",
        fields={field: sent.get(field, "") for field in kept},
    )


def _differences(old: KeyLimits, new: KeyLimits) -> Iterator[str]:
    """What would change, in a line each."""
    for said, before, after in (
        ("Scope", set(old.scopes), set(new.scopes)),
        ("Release", set(old.releases), set(new.releases)),
    ):
        yield from (f"{said} {one}: taken away" for one in sorted(before - after))
        yield from (f"{said} {one}: added" for one in sorted(after - before))
    if old.requests_per_minute != new.requests_per_minute:
        yield (
            f"Requests a minute: {old.requests_per_minute or 'no limit'} becomes "
            f"{new.requests_per_minute or 'no limit'}"
        )
    if old.expires_at != new.expires_at:
        yield f"Works until: {shell.moment(old.expires_at)} becomes {shell.moment(new.expires_at)}"


@post(
    "/console/access/keys/{name:str}/revoke", may=OWNS, sync_to_thread=True, include_in_schema=False
)
def revoke(
    request: AnyRequest, name: FromPath[str], data: URLEncodedBody[ConfirmForm]
) -> Response[Any]:
    """Revokes a key, after the confirmation, with a reason."""
    visit, faults = shell.opened(request), NO_FAULTS
    with transaction(visit.here.pool) as tx:
        service_keys.find_by_name(tx, name)
        if data.confirmed == "yes" and not (faults := shell.reason_faults(data.reason)):
            service_keys.revoke(
                tx, name, act_of(visit, data.reason), visit.here.keyring.restrictions
            )
    if data.confirmed == "yes" and not faults:
        visit.site.forget_keys()
        return seen_other(f"{SECTION}?said=key")
    return shell.confirm(
        visit,
        title=f"Revoke the key {name}",
        section=SECTION,
        label="Revoke",
        back=SECTION,
        asks_reason=True,
        about=(
            "Whoever has it is refused within a second. It cannot be taken back: another key "
            "has another secret."
        ),
        action=f"{SECTION}/keys/{name}/revoke",
        errors=faults,
    )


def act_of(visit: Visit, reason: str) -> KeyAct:
    """Who changes a key, and why."""
    return KeyAct(by=visit.staff.recorded_as, reason=reason, at=visit.here.clock())


def many(data: Mapping[str, Any], name: str) -> list[str]:
    """The values of a field that a form may send several times."""
    found = data.get(name, [])
    return [str(one) for one in (found if isinstance(found, list) else [found]) if one]


def fault(place: str, error: LicetError) -> Faults:
    """What a verb refused, beside the form that was sent."""
    said = shell.sentence(f"{error.message}: {error.hint}" if error.hint else error.message)
    return Faults(((place, place, said),))


def _shown(
    visit: Visit,
    name: str,
    *,
    said: str = "",
    faults: Faults = NO_FAULTS,
    kept: Mapping[str, str] | None = None,
) -> Response[Any]:
    with transaction(visit.here.pool) as tx:
        known = service_keys.find_by_name(tx, name)
        changes = service_keys.list_changes(tx, known.key_id)
    now = {
        "scopes": " ".join(known.scopes),
        "releases": " ".join(known.releases),
        "rate": str(known.requests_per_minute or ""),
        "reason": "",
        "expires": f"{known.expires_at:%Y-%m-%d}" if known.expires_at else "",
        **(kept or {}),
    }
    values = {
        "key": known,
        "changes": changes,
        "kept": now,
        "scopes": tuple(Scope),
        "saved": said,
        "state": known.state(visit.here.clock()),
        "ticked": now["scopes"].split(),
    }
    return shell.page(
        "console_key.html",
        visit,
        title=f"Key {name}",
        section=SECTION,
        errors=faults,
        values=values,
        status=422 if faults else 200,
    )


ROUTES = (one, limit, revoke)
