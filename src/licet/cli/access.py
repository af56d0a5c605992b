"""The commands of service API keys, and of staff."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from licet.access import service_keys, sessions
from licet.access.service_keys import KeyLimits, ServiceKey
from licet.cli.root import CommandGroup
from licet.cli.shell import CliCall, local_options
from licet.cli.verb_commands import Printing, declare_commands, url_option
from licet.clock import utc_now
from licet.config import PORT
from licet.policy.period import rfc3339
from licet.store.connect import transaction
from licet.vault.installation import Installation

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.service.access_verbs import NewApiKey, NewRoles, NewStaff
    from licet.service.staff_verb import AnyCall, VerbCall


@click.group("api-key", cls=CommandGroup)
def api_key() -> None:
    """Creates, lists, limits and revokes the API keys of services."""


@api_key.command("list")
@local_options
def list_keys(call: CliCall) -> None:
    """Lists the API keys without their secrets.

    \b
    Example:  licet api-key list
    """
    with call.installation() as installation, transaction(installation.pool) as tx:
        known, now = service_keys.list_keys(tx), installation.clock()
    lines = [
        (
            f"{key.name:<20} {key.state(now):<8} {rfc3339(key.made_at)}  "
            f"{' '.join(key.scopes)}{_bound(key)}{_limited(key)}"
        )
        for key in known
    ]
    call.show(known, lambda: "\n".join(lines) or "no keys")


def _bound(key: ServiceKey) -> str:
    """Formats a key's bindings, or their absence in an old key."""
    text = ""
    if "release:lease" in key.scopes:
        whose = f"own machines `{key.recipient}`" if key.own else f"`{key.recipient}`"
        text += (
            f"; leases {', '.join(key.releases)} to {whose}"
            if key.recipient
            else "; leases nothing: make another"
        )
    if "events:acknowledge" in key.scopes:
        text += (
            f"; answers for `{key.endpoint}`"
            if key.endpoint
            else "; answers for nobody: make another"
        )
    return text


def _limited(key: ServiceKey) -> str:
    """Formats a key's limits beside its scopes, and its version."""
    text = (
        f"; {key.requests_per_minute:,} requests a minute"
        if key.requests_per_minute is not None
        else ""
    )
    text += f"; until {rfc3339(key.expires_at)}" if key.expires_at is not None else ""
    return f"{text}; version {key.version}"


@click.group(cls=CommandGroup)
def staff() -> None:
    """Adds staff, and gives them roles."""


@staff.command("bootstrap")
@click.argument("email")
@url_option
@local_options
def bootstrap(email: str, url: str | None, call: CliCall) -> None:
    """Makes EMAIL the first owner and prints a sign-in link. The link works once, within an hour.

    \b
    Example:  licet staff bootstrap ana@example.org
    """
    with call.installation() as installation, transaction(installation.pool) as tx:
        secret = sessions.bootstrap(tx, email, utc_now(), installation.keyring.random)
    link = _link(installation, url, secret)
    call.show({"email": email, "link": link}, lambda: link)


@staff.command("list")
@local_options
def list_staff(call: CliCall) -> None:
    """Lists staff, with the roles that were given here.

    \b
    Example:  licet staff list
    """
    with call.installation() as installation, transaction(installation.pool) as tx:
        known = sessions.list_staff(tx, utc_now())
    lines = [
        f"{member.email:<32} {', '.join(member.roles) or '-'}; signed in: {member.sessions}"
        for member in known
    ]
    call.show(known, lambda: "\n".join(lines) or "nobody")


def _link(installation: Installation, url: str | None, secret: str) -> str:
    base = url or installation.config.web.url or f"http://127.0.0.1:{PORT}"
    return f"{base.rstrip('/')}/sign-in/link/{secret}"


def _key_with_secret(call: VerbCall[NewApiKey], key: str) -> dict[str, object]:
    sent = msgspec.structs.asdict(call.sent)
    return {**sent, "key": key, "scopes": sorted(call.sent.scopes)}


def _limits_text(_: AnyCall, done: KeyLimits | ServiceKey) -> str:
    if isinstance(done, KeyLimits):
        return f"would be: {done}"
    return f"`{done.name}`: {' '.join(done.scopes)}{_bound(done)}{_limited(done)}"


def _roles(call: VerbCall[NewStaff] | VerbCall[NewRoles]) -> dict[str, object]:
    return {"email": call.target, "roles": sorted(call.sent.roles)}


PRINTING = {
    "make_api_key": Printing(text=lambda _, key: str(key), value=_key_with_secret),
    "limit_api_key": Printing(text=_limits_text),
    "revoke_api_key": Printing(value=lambda call, _: {"revoked": call.target}),
    "add_staff": Printing(
        text=lambda _, link: str(link), value=lambda call, link: {**_roles(call), "link": link}
    ),
    "set_staff_roles": Printing(value=lambda call, _: _roles(call)),
    "end_staff": Printing(value=lambda call, _: {"ended": call.target}),
}
declare_commands(api_key, PRINTING, "access_verbs")
declare_commands(staff, PRINTING, "access_verbs")
