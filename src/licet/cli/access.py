"""The commands of service API keys, and of staff."""

from __future__ import annotations

from uuid import UUID

import click
import msgspec

from licet.access import service_keys, sessions
from licet.access.roles import Scope, StaffRole
from licet.access.service_keys import KeyAct, KeyLimits, ServiceKey
from licet.cli.root import CommandGroup
from licet.cli.shell import (
    CliCall,
    by_option,
    dry_option,
    local_options,
    moment,
    user,
)
from licet.cli.verb_commands import Printing, add_commands, run_verb
from licet.clock import utc_now
from licet.config import PORT
from licet.errors import NotFoundError, UsageError
from licet.policy.period import rfc3339
from licet.service import access_verbs
from licet.service.access_verbs import NewApiKey
from licet.service.staff_verb import VerbCall
from licet.store.connect import transaction
from licet.vault.installation import Installation

url_option = click.option(
    "--url", help="Where browsers reach Licet; by default LICET_WEB__URL, or this machine."
)


@click.group("api-key", cls=CommandGroup)
def api_key() -> None:
    """Creates, lists, limits and revokes the API keys of services."""


def _key_with_secret(call: VerbCall[NewApiKey], key: str) -> dict[str, object]:
    sent = msgspec.structs.asdict(call.sent)
    return {**sent, "key": key, "scopes": sorted(call.sent.scopes)}


PRINTING = {
    access_verbs.MAKE_KEY.name: Printing(text=lambda _, key: str(key), value=_key_with_secret),
    access_verbs.REVOKE_KEY.name: Printing(value=lambda call, _: {"revoked": call.target}),
    access_verbs.END_STAFF.name: Printing(value=lambda call, _: {"ended": call.target}),
}
add_commands(api_key, access_verbs.VERBS, PRINTING)


def _scopes(named: tuple[str, ...]) -> tuple[Scope, ...]:
    unknown = sorted(set(named) - {scope.value for scope in Scope})
    if unknown:
        raise UsageError(f"no scope `{unknown[0]}`", f"scopes are {', '.join(Scope)}")
    return tuple(map(Scope, named))


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


@api_key.command("limit")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="What it may do from now on; repeatable. By default as before.",
)
@click.option(
    "--release",
    "releases",
    multiple=True,
    help="Releases that it may lease from now on; repeatable.",
)
@click.option(
    "--per-minute", type=int, help="Requests a minute from now on; 0 for no limit of its own."
)
@click.option("--expires", help="When it stops working, such as 2027-01-31; `never` for no end.")
@click.option("--reason", required=True, help="Why, for the record.")
@click.option(
    "--version",
    type=int,
    help="The version that you saw, as `licet api-key list` has it: refused at another.",
)
@dry_option("Show the limits that it would have, and change nothing.")
@by_option("changes it")
@local_options
def limit(
    name: str,
    scopes: tuple[str, ...],
    releases: tuple[str, ...],
    per_minute: int | None,
    expires: str | None,
    reason: str,
    version: int | None,
    dry_run: bool,
    by: str | None,
    call: CliCall,
) -> None:
    """Changes what an API key may do, how often and until when. A running server heeds it within a
    second.

    What is not named stays as it is. The change is on record with its reason, and a restore keeps
    it.

    \b
    Example:  licet api-key limit assistant --scope gate:read --expires 2027-01-31 --reason 'writes
    by another key now'
    """
    with call.installation() as installation, transaction(installation.pool) as tx:
        known = service_keys.find_by_name(tx, name)
        until = (
            known.expires_at if expires is None else None if expires == "never" else moment(expires)
        )
        wanted = KeyLimits(
            scopes=_scopes(scopes) or known.scopes,
            releases=releases or known.releases,
            requests_per_minute=known.requests_per_minute
            if per_minute is None
            else per_minute or None,
            expires_at=until,
        )
        if dry_run:
            call.show(wanted, lambda: f"would be: {wanted}")
            return
        act = KeyAct(by=by or f"user:{user()}", reason=reason, at=installation.clock())
        seen = known.version if version is None else version
        after = service_keys.set_limits(
            tx, name, wanted, act, installation.keyring.restrictions, version=seen
        )
    call.show(
        after,
        lambda: f"`{name}`: {' '.join(after.scopes)}{_bound(after)}{_limited(after)}",
    )


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


@staff.command("add")
@click.argument("email")
@click.option(
    "--role", "roles", multiple=True, required=True, help="A role, such as reviewer; repeatable."
)
@url_option
@local_options
def add(email: str, roles: tuple[str, ...], url: str | None, call: CliCall) -> None:
    """Gives EMAIL roles here and prints a sign-in link. The link works once, within an hour.

    For installations without an identity provider. `licet staff roles` takes roles back.

    \b
    Example:  licet staff add bo@example.org --role reviewer --role curator
    """
    run_verb(
        access_verbs.ADD_STAFF,
        email,
        {"email": email, "roles": roles},
        call,
        Printing(
            text=lambda _, link: str(link),
            value=lambda _, link: {"email": email, "roles": sorted(roles), "link": link},
        ),
        url=url,
    )


def _roles(named: tuple[str, ...]) -> tuple[StaffRole, ...]:
    unknown = sorted(set(named) - {role.value for role in StaffRole})
    if unknown:
        raise UsageError(f"no role `{unknown[0]}`", f"roles are {', '.join(StaffRole)}")
    return tuple(map(StaffRole, named))


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


@staff.command("roles")
@click.argument("email")
@click.option(
    "--role",
    "roles",
    multiple=True,
    help="A role that EMAIL has from now on; repeatable. Without one: none.",
)
@local_options
def set_roles(email: str, roles: tuple[str, ...], call: CliCall) -> None:
    """Replaces the roles that EMAIL was given here. They hold from the next request on.

    \b
    Example:  licet staff roles bo@example.org --role reviewer
    """
    given = _roles(roles)
    with call.installation() as installation, transaction(installation.pool) as tx:
        member, was = _require_member(sessions.find_staff(tx, email), email)
        sessions.set_roles(tx, member, given, was)
    call.show(
        {"email": email, "roles": sorted(given)},
        lambda: f"{email}: {', '.join(given) or 'no role'}",
    )


add_commands(staff, access_verbs.VERBS, PRINTING)


def _require_member(
    result: tuple[UUID, list[StaffRole]] | None, email: str
) -> tuple[UUID, list[StaffRole]]:
    if result is None:
        raise NotFoundError(f"no member of staff `{email}`", "`licet staff list` shows them")
    return result


def _link(installation: Installation, url: str | None, secret: str) -> str:
    base = url or installation.config.web.url or f"http://127.0.0.1:{PORT}"
    return f"{base.rstrip('/')}/sign-in/link/{secret}"
