"""The commands of the server, of API keys and of staff. The web is imported only where one of them needs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.root import CommandGroup
from licet.cli.shell import at_option, data_option, json_option, listen_options, opened, show
from licet.config import PORT
from licet.errors import UsageError
from licet.policy.period import written
from licet.store.connect import transaction
from licet.vault.installation import Installation, utc_now

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.access.service_keys import ServiceKey


WORKERS_MAX = 10
url_option = click.option("--url", help="Where browsers reach Licet; by default LICET_WEB__URL, or this machine.")


@click.command()
@listen_options(PORT)
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, WORKERS_MAX),
    help="How many processes serve; another one watches and replaces them.",
)  # fmt: skip
@data_option
@at_option
def serve(host: str, port: int, workers: int, data: Path | None, at: str | None) -> None:
    """Serves the API and the pages. Settings are the variables LICET_WEB__..: docs/api.md.

    With several workers, SIGHUP replaces them one after the other, and no request is lost: docs/operate.md.

    \b
    Example:  licet serve --port 8787
              licet serve --workers 4
    """
    from licet.web.serve import serve as run

    with opened(data, at) as here:
        run(here, host, port, lambda line: click.echo(line, err=True), workers=workers, at=at)


@click.group("api-key", cls=CommandGroup)
def api_key() -> None:
    """Creates, lists and revokes the API keys of services."""


@api_key.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="What the key may do, such as gate:read; repeatable."
)
@click.option("--recipient", help="With release:lease: who gets the row keys; the policy in force must name it.")
@click.option("--own", is_flag=True, help="With --recipient: these are your own machines, so nothing is handed over.")
@click.option(
    "--release",
    "releases",
    multiple=True,
    help="With release:lease: a release, or a pattern like `autumn-*`; repeatable.",
)
@click.option("--endpoint", help="With events:acknowledge: the endpoint that it acknowledges for.")
@data_option
@json_option
def create(
    name: str, scopes: tuple[str, ...], recipient: str | None, own: bool, releases: tuple[str, ...],
    endpoint: str | None, data: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Creates an API key and prints it, once.

    A key that leases rows is bound to one recipient and to releases, and works for no others. At each lease the policy
    in force must name the recipient, as for an export, unless the recipient is your own machines (--own). A key that
    acknowledges events is bound to one endpoint.

    \b
    Example:  licet api-key create assistant --scope gate:read --scope turns:write
              licet api-key create cluster --scope release:lease --recipient training --own --release 'autumn-*'
              licet api-key create archive --scope events:read --scope events:acknowledge --endpoint archive
    """
    from licet.access import service_keys
    from licet.access.roles import KeyBinding, Scope
    from licet.webhooks import endpoints

    unknown = sorted(set(scopes) - {scope.value for scope in Scope})
    if unknown:
        raise UsageError(f"no scope `{unknown[0]}`", f"scopes are {', '.join(Scope)}")
    with opened(data) as here, transaction(here.pool) as tx:
        bound = KeyBinding(
            recipient=recipient, own=own, releases=releases,
            endpoint=endpoints.id_of(tx, endpoint) if endpoint is not None else None,
        )  # fmt: skip
        text = service_keys.make(tx, name, map(Scope, scopes), here.clock(), here.keyring.random, bound)
    made: dict[str, object] = {"name": name, "key": text, "scopes": sorted(scopes)}
    made |= {"recipient": recipient, "own": own, "releases": releases, "endpoint": endpoint}
    show(made, as_json, lambda: text)


@api_key.command("list")
@data_option
@json_option
def list_(data: Path | None, as_json: bool) -> None:
    """Lists the API keys without their secrets.

    \b
    Example:  licet api-key list
    """
    from licet.access import service_keys as access_service_keys

    with opened(data) as here, transaction(here.pool) as tx:
        known = access_service_keys.every(tx)
    lines = [
        f"{k.name:<20} {'revoked' if k.revoked_at else 'valid':<8} {written(k.made_at)}  {' '.join(k.scopes)}"
        f"{_bound(k)}"
        for k in known
    ]
    show(known, as_json, lambda: "\n".join(lines) or "no keys")


def _bound(known: ServiceKey) -> str:
    """What a key is bound to, or that an old key is bound to nothing."""
    said = ""
    if "release:lease" in known.scopes:
        whose = f"own machines `{known.recipient}`" if known.own else f"`{known.recipient}`"
        said += (
            f"; leases {', '.join(known.releases)} to {whose}" if known.recipient else "; leases nothing: make another"
        )
    if "events:acknowledge" in known.scopes:
        said += f"; answers for `{known.endpoint}`" if known.endpoint else "; answers for nobody: make another"
    return said


@api_key.command("revoke")
@click.argument("name")
@data_option
@json_option
def revoke(name: str, data: Path | None, as_json: bool) -> None:
    """Revokes an API key. A running server refuses it within a second.

    \b
    Example:  licet api-key revoke assistant
    """
    from licet.access import service_keys as keys

    with opened(data) as here, transaction(here.pool) as tx:
        keys.revoke(tx, name, here.clock(), here.keyring.restrictions)
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

    with opened(data) as here, transaction(here.pool) as tx:
        secret = sessions.bootstrap(tx, email, utc_now(), here.keyring.random)
    link = _link(here, url, secret)
    show({"email": email, "link": link}, as_json, lambda: link)


@staff.command("add")
@click.argument("email")
@click.option("--role", "roles", multiple=True, required=True, help="A role, such as reviewer; repeatable.")
@url_option
@data_option
@json_option
def add(email: str, roles: tuple[str, ...], url: str | None, data: Path | None, as_json: bool) -> None:
    """Gives EMAIL roles here and prints a sign-in link. The link works once, within an hour.

    For installations without an identity provider. The owner takes roles back in the console.

    \b
    Example:  licet staff add bo@example.org --role reviewer --role curator
    """
    from licet.access import sessions
    from licet.access.roles import StaffRole

    unknown = sorted(set(roles) - {role.value for role in StaffRole})
    if unknown:
        raise UsageError(f"no role `{unknown[0]}`", f"roles are {', '.join(StaffRole)}")
    with opened(data) as here, transaction(here.pool) as tx:
        secret = sessions.add(tx, email, map(StaffRole, roles), utc_now(), here.keyring.random)
    link = _link(here, url, secret)
    show({"email": email, "roles": sorted(roles), "link": link}, as_json, lambda: link)


def _link(here: Installation, url: str | None, secret: str) -> str:
    base = url or here.config.web.url or f"http://127.0.0.1:{PORT}"
    return f"{base.rstrip('/')}/sign-in/link/{secret}"
