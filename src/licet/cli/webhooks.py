"""The commands of events: endpoints, delivery, and reading events."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import click
import msgspec

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import (
    CliCall,
    answer_options,
    at_option,
    data_option,
    open_installation,
    stop_on_signals,
)
from licet.cli.verb_commands import Printing, add_commands
from licet.errors import LicetError
from licet.policy.period import rfc3339
from licet.service import endpoint_verbs
from licet.service.endpoint_verbs import NewEndpoint, NewSecret
from licet.service.staff_verb import VerbCall
from licet.webhooks import delivery, endpoints, feed
from licet.webhooks.delivery import DeliveryRound
from licet.webhooks.endpoints import AddedEndpoint, EndpointStatus, RotatedSecret

FOLLOW_SECONDS = 0.5


@click.group(cls=CommandGroup)
def webhooks() -> None:
    """Manages the endpoints that receive events."""


@webhooks.command("list")
@answer_options
def list_endpoints(call: CliCall) -> int:
    """Lists the endpoints and what waits for each. Exits 1 if one fails, is disabled or owes an
    answer.

    \b
    Example:  licet webhooks list
    """
    with call.installation() as installation:
        found = endpoints.list_endpoints(installation)
        owed = feed.overdue(installation)
        lines = [line for item in found for line in _lines(item)]
        lines += [
            f"overdue: {item.endpoint} has not answered {item.event}, due {rfc3339(item.due_at)}"
            for item in owed
        ]
        call.show(
            {"endpoints": found, "overdue": owed},
            lambda: "\n".join(lines) or "no endpoints: nothing is kept",
        )
    return (
        EXIT_NO
        if any(item.failing_since or item.disabled_at or item.overdue for item in found)
        else 0
    )


def _lines(item: EndpointStatus) -> list[str]:
    state = "works"
    if item.disabled_at is not None:
        state = (
            f"DISABLED {rfc3339(item.disabled_at)} ({item.disabled_because}): `licet webhooks "
            f"resume {item.endpoint}`"
        )
    elif item.failing_since is not None:
        state = f"FAILS since {rfc3339(item.failing_since)} ({item.last_failure})"
    waits = f"{item.waiting:,} wait" + (
        f" since {rfc3339(item.waiting_since)}" if item.waiting_since else ""
    )
    blocked = f", {item.blocked:,} accounts held up" if item.blocked else ""
    lines = [
        f"{item.endpoint}: {item.url or 'reads by itself'}, {state}",
        f"  hears {', '.join(item.kinds)}",
    ]
    if item.url is not None:
        lines += [f"  {waits}{blocked}; {item.secrets} secrets, public key {item.public_key}"]
    return lines


def _new_secret(call: VerbCall[NewSecret], done: RotatedSecret) -> str:
    return f"{done.secret}\n{endpoint_verbs.ROTATE.did(call, done)}"


def _added(call: VerbCall[NewEndpoint], done: AddedEndpoint) -> str:
    lines = [endpoint_verbs.ADD.did(call, done)]
    if done.secret is not None:
        lines += [
            f"secret      {done.secret}   (shown this once)",
            f"public key  {done.public_key}",
        ]
    return "\n".join(lines)


PRINTING = {"add_webhook": Printing(text=_added), "rotate_webhook": Printing(text=_new_secret)}
add_commands(webhooks, endpoint_verbs.VERBS, PRINTING)


@webhooks.command("run")
@click.option(
    "--once",
    is_flag=True,
    help="Send what is due now, and exit; exits 1 if an endpoint did not take an event.",
)
@answer_options
def run(once: bool, call: CliCall) -> int:
    """Sends events until interrupted, as `licet serve` also does. Of several, one works at a time.

    \b
    Example:  licet webhooks run --once
    """
    with call.installation() as installation:
        if once:
            done = delivery.deliver_due(installation)
            call.show(done, lambda: _round(done))
            return EXIT_NO if done.failed else 0
        stop = stop_on_signals()

        def report(error: LicetError) -> None:
            click.echo(f"error: {error.message}", err=True)

        click.echo("sending events", err=True)
        delivery.follow(
            installation, stop, lambda result: call.show(result, lambda: _round(result)), report
        )
    return 0


def _round(result: DeliveryRound) -> str:
    failed = "".join(f", {count:,} {failure}" for failure, count in sorted(result.failed.items()))
    disabled = f"; DISABLED: {', '.join(result.disabled)}" if result.disabled else ""
    return f"{result.delivered:,} taken{failed}{disabled}"


@click.command()
@click.option(
    "--since", default="0", show_default=True, help="Begin after the event with this cursor."
)
@click.option("--follow", is_flag=True, help="Wait for more until interrupted.")
@data_option
@at_option
def events(since: str, follow: bool, data: Path | None, at: str | None) -> None:
    """Prints events as NDJSON, oldest first. Each has the cursor to continue from.

    \b
    Example:  licet events --since 1041 --follow
    """
    with open_installation(data, at) as installation:
        stop = stop_on_signals() if follow else Event()
        while not stop.is_set():
            page = feed.events_after(installation, since)
            for event in page.items:
                click.echo(msgspec.json.encode(event))
            since = page.next
            if not page.items:
                if not follow:
                    return
                stop.wait(FOLLOW_SECONDS)
