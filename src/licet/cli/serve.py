"""The commands of the server, of API keys and of staff. The web is imported only where one of them
needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from licet.cli.root import CommandGroup
from licet.cli.shell import (
    at_option,
    by_option,
    data_option,
    dry_option,
    json_option,
    listen_options,
    moment,
    open_installation,
    show,
    user,
)
from licet.clock import utc_now
from licet.config import PORT
from licet.errors import NotFoundError, UsageError
from licet.policy.period import written
from licet.store.connect import transaction
from licet.vault.installation import Installation

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.access.roles import Scope, StaffRole
    from licet.access.service_keys import ServiceKey


WORKERS_MAX = 10
url_option = click.option(
    "--url", help="Where browsers reach Licet; by default LICET_WEB__URL, or this machine."
)


@click.command()
@listen_options(PORT)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, WORKERS_MAX),
    help="How many processes serve; another one watches and replaces them.",
)
@data_option
@at_option
def serve(host: str, port: int, workers: int, data: Path | None, at: str | None) -> None:
    """Serves the API and the pages. Settings are the variables LICET_WEB__..: docs/api.md.

    With several workers, SIGHUP replaces them one after the other, and no request is lost:
    docs/operate.md.

    \b
    Example:  licet serve --port 8787
              licet serve --workers 4
    """
    from licet.web.serve import serve as run

    with open_installation(data, at) as here:
        run(here, host, port, lambda line: click.echo(line, err=True), workers=workers, at=at)


@click.group("api-key", cls=CommandGroup)
def api_key() -> None:
    """Creates, lists, limits and revokes the API keys of services."""


@api_key.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help="What the key may do, such as gate:read; repeatable.",
)
@click.option(
    "--recipient",
    help="With release:lease: who gets the row keys; the policy in force must name it.",
)
@click.option(
    "--own",
    is_flag=True,
    help="With --recipient: these are your own machines, so nothing is handed over.",
)
@click.option(
    "--release",
    "releases",
    multiple=True,
    help="With release:lease: a release, or a pattern like `autumn-*`; repeatable.",
)
@click.option("--endpoint", help="With events:acknowledge: the endpoint that it acknowledges for.")
@click.option(
    "--per-minute",
    type=int,
    help="Requests a minute, below LICET_WEB__SERVICE_REQUESTS_PER_MINUTE.",
)
@click.option("--expires", help="When it stops working, such as 2027-01-31; by default never.")
@data_option
@json_option
def create(
    name: str,
    scopes: tuple[str, ...],
    recipient: str | None,
    own: bool,
    releases: tuple[str, ...],
    endpoint: str | None,
    per_minute: int | None,
    expires: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Creates an API key and prints it, once.

    A key that leases rows is bound to one recipient and to releases, and works for no others. At
    each lease the policy in force must name the recipient, as for an export, unless the recipient
    is your own machines (--own). A key that acknowledges events is bound to one endpoint.

    \b
    Example:  licet api-key create assistant --scope gate:read --scope turns:write
              licet api-key create cluster --scope release:lease --recipient training --own --release 'autumn-*'
              licet api-key create archive --scope events:read --scope events:acknowledge --endpoint archive
    """
    from licet.access import service_keys
    from licet.access.roles import KeyBinding
    from licet.webhooks import endpoints

    granted = _scopes(scopes)
    with open_installation(data) as here, transaction(here.pool) as tx:
        bound = KeyBinding(
            recipient=recipient,
            own=own,
            releases=releases,
            endpoint=endpoints.id_of(tx, endpoint) if endpoint is not None else None,
        )
        text = service_keys.create_key(
            tx,
            name,
            granted,
            here.clock(),
            here.keyring.random,
            bound,
            requests_per_minute=per_minute,
            expires_at=moment(expires) if expires is not None else None,
        )
    made: dict[str, object] = {"name": name, "key": text, "scopes": sorted(scopes)}
    made |= {"recipient": recipient, "own": own, "releases": releases, "endpoint": endpoint}
    made |= {"requests_per_minute": per_minute, "expires_at": expires}
    show(made, as_json, lambda: text)


def _scopes(named: tuple[str, ...]) -> tuple[Scope, ...]:
    from licet.access.roles import Scope

    unknown = sorted(set(named) - {scope.value for scope in Scope})
    if unknown:
        raise UsageError(f"no scope `{unknown[0]}`", f"scopes are {', '.join(Scope)}")
    return tuple(map(Scope, named))


@api_key.command("list")
@data_option
@json_option
def list_(data: Path | None, as_json: bool) -> None:
    """Lists the API keys without their secrets.

    \b
    Example:  licet api-key list
    """
    from licet.access import service_keys as access_service_keys

    with open_installation(data) as here, transaction(here.pool) as tx:
        known, now = access_service_keys.list_keys(tx), here.clock()
    lines = [
        (
            f"{k.name:<20} {k.state(now):<8} {written(k.made_at)}  "
            f"{' '.join(k.scopes)}{_bound(k)}{_limited(k)}"
        )
        for k in known
    ]
    show(known, as_json, lambda: "\n".join(lines) or "no keys")


def _bound(known: ServiceKey) -> str:
    """What a key is bound to, or that an old key is bound to nothing."""
    said = ""
    if "release:lease" in known.scopes:
        whose = f"own machines `{known.recipient}`" if known.own else f"`{known.recipient}`"
        said += (
            f"; leases {', '.join(known.releases)} to {whose}"
            if known.recipient
            else "; leases nothing: make another"
        )
    if "events:acknowledge" in known.scopes:
        said += (
            f"; answers for `{known.endpoint}`"
            if known.endpoint
            else "; answers for nobody: make another"
        )
    return said


def _limited(known: ServiceKey) -> str:
    """A key's limits beside its scopes, and its version."""
    said = (
        f"; {known.requests_per_minute:,} requests a minute"
        if known.requests_per_minute is not None
        else ""
    )
    said += f"; until {written(known.expires_at)}" if known.expires_at is not None else ""
    return f"{said}; version {known.version}"


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
@data_option
@json_option
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
    data: Path | None,
    as_json: bool,
) -> None:
    """Changes what an API key may do, how often and until when. A running server heeds it within a
    second.

    What is not named stays as it is. The change is on record with its reason, and a restore keeps
    it.

    \b
    Example:  licet api-key limit assistant --scope gate:read --expires 2027-01-31 --reason 'writes
    by another key now'
    """
    from licet.access import service_keys as keys

    with open_installation(data) as here, transaction(here.pool) as tx:
        known = keys.find_by_name(tx, name)
        until = (
            known.expires_at if expires is None else None if expires == "never" else moment(expires)
        )
        wanted = keys.KeyLimits(
            scopes=_scopes(scopes) or known.scopes,
            releases=releases or known.releases,
            requests_per_minute=known.requests_per_minute
            if per_minute is None
            else per_minute or None,
            expires_at=until,
        )
        if dry_run:
            show(wanted, as_json, lambda: f"would be: {wanted}")
            return
        act = keys.KeyAct(by=by or f"user:{user()}", reason=reason, at=here.clock())
        seen = known.version if version is None else version
        after = keys.set_limits(tx, name, wanted, act, here.keyring.restrictions, version=seen)
    show(
        after,
        as_json,
        lambda: f"`{name}`: {' '.join(after.scopes)}{_bound(after)}{_limited(after)}",
    )


@api_key.command("revoke")
@click.argument("name")
@click.option("--reason", default="revoked", show_default=True, help="Why, for the record.")
@by_option("revokes it")
@data_option
@json_option
def revoke(name: str, reason: str, by: str | None, data: Path | None, as_json: bool) -> None:
    """Revokes an API key. A running server refuses it within a second.

    \b
    Example:  licet api-key revoke assistant --reason 'it lay in a log'
    """
    from licet.access import service_keys as keys

    with open_installation(data) as here, transaction(here.pool) as tx:
        act = keys.KeyAct(by=by or f"user:{user()}", reason=reason, at=here.clock())
        keys.revoke(tx, name, act, here.keyring.restrictions)
    show({"revoked": name}, as_json, lambda: f"`{name}` is revoked")


@click.group(cls=CommandGroup)
def staff() -> None:
    """Adds staff, and gives them roles."""


@staff.command("bootstrap")
@click.argument("email")
@url_option
@data_option
@json_option
def bootstrap(email: str, url: str | None, data: Path | None, as_json: bool) -> None:
    """Makes EMAIL the first owner and prints a sign-in link. The link works once, within an hour.

    \b
    Example:  licet staff bootstrap ana@example.org
    """
    from licet.access import sessions

    with open_installation(data) as here, transaction(here.pool) as tx:
        secret = sessions.bootstrap(tx, email, utc_now(), here.keyring.random)
    link = _link(here, url, secret)
    show({"email": email, "link": link}, as_json, lambda: link)


@staff.command("add")
@click.argument("email")
@click.option(
    "--role", "roles", multiple=True, required=True, help="A role, such as reviewer; repeatable."
)
@url_option
@data_option
@json_option
def add(
    email: str, roles: tuple[str, ...], url: str | None, data: Path | None, as_json: bool
) -> None:
    """Gives EMAIL roles here and prints a sign-in link. The link works once, within an hour.

    For installations without an identity provider. `licet staff roles` takes roles back.

    \b
    Example:  licet staff add bo@example.org --role reviewer --role curator
    """
    from licet.access import sessions

    given = _roles(roles)
    with open_installation(data) as here, transaction(here.pool) as tx:
        secret = sessions.add_staff(tx, email, given, utc_now(), here.keyring.random)
    link = _link(here, url, secret)
    show({"email": email, "roles": sorted(roles), "link": link}, as_json, lambda: link)


def _roles(named: tuple[str, ...]) -> tuple[StaffRole, ...]:
    from licet.access.roles import StaffRole

    unknown = sorted(set(named) - {role.value for role in StaffRole})
    if unknown:
        raise UsageError(f"no role `{unknown[0]}`", f"roles are {', '.join(StaffRole)}")
    return tuple(map(StaffRole, named))


@staff.command("list")
@data_option
@json_option
def list_staff(data: Path | None, as_json: bool) -> None:
    """Lists staff, with the roles that were given here.

    \b
    Example:  licet staff list
    """
    from licet.access import sessions

    with open_installation(data) as here, transaction(here.pool) as tx:
        known = sessions.list_staff(tx, utc_now())
    lines = [
        f"{one.email:<32} {', '.join(one.roles) or '-'}; signed in: {one.sessions}" for one in known
    ]
    show(known, as_json, lambda: "\n".join(lines) or "nobody")


@staff.command("roles")
@click.argument("email")
@click.option(
    "--role",
    "roles",
    multiple=True,
    help="A role that EMAIL has from now on; repeatable. Without one: none.",
)
@data_option
@json_option
def roles_(email: str, roles: tuple[str, ...], data: Path | None, as_json: bool) -> None:
    """Gives EMAIL these roles in the place of those that were given here. They hold from the next
    request on.

    \b
    Example:  licet staff roles bo@example.org --role reviewer
    """
    from licet.access import sessions

    given = _roles(roles)
    with open_installation(data) as here, transaction(here.pool) as tx:
        who, was = _known(sessions.find_staff(tx, email), email)
        sessions.set_roles(tx, who, given, was)
    show(
        {"email": email, "roles": sorted(given)},
        as_json,
        lambda: f"{email}: {', '.join(given) or 'no role'}",
    )


@staff.command("end")
@click.argument("email")
@data_option
@json_option
def end(email: str, data: Path | None, as_json: bool) -> None:
    """Takes away the roles given here to EMAIL, and signs them out.

    \b
    Example:  licet staff end bo@example.org
    """
    from licet.access import sessions

    with open_installation(data) as here, transaction(here.pool) as tx:
        sessions.revoke_staff(tx, _known(sessions.find_staff(tx, email), email)[0])
    show({"ended": email}, as_json, lambda: f"{email} has no role here, and is signed out")


def _known(result: tuple[UUID, list[StaffRole]] | None, email: str) -> tuple[UUID, list[StaffRole]]:
    if result is None:
        raise NotFoundError(f"no member of staff `{email}`", "`licet staff list` shows them")
    return result


def _link(installation: Installation, url: str | None, secret: str) -> str:
    base = url or installation.config.web.url or f"http://127.0.0.1:{PORT}"
    return f"{base.rstrip('/')}/sign-in/link/{secret}"
