"""The commands of a witness, which somebody else runs for the logs of others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import uvicorn

from licet.cli.key_files import key_file
from licet.cli.root import CommandGroup
from licet.cli.shell import EXISTING, PATH, json_option, listen_options, show
from licet.clock import utc_now
from licet.config import Web
from licet.ledger.note import SignatureType, Verifier
from licet.ledger.witness import Witness
from licet.ledger.witness_http import WitnessApp
from licet.web.access.connections import (
    BoundedServer,
    Connections,
    bind_socket,
    bounds_of,
    format_host,
    protocol,
)

CONNECTIONS_MAX = 256
GRACE_SECONDS = 10

App = Callable[[Any, Any, Any], Awaitable[None]]


@click.group(cls=CommandGroup)
def witness() -> None:
    """Runs a witness that cosigns the logs of others. It cosigns a log only as a continuation of
    what it cosigned before.
    """


@witness.command("key")
@click.argument("file", type=PATH)
@click.option("--name", help="The witness's name if FILE is new: a URL without its scheme.")
@json_option
def witness_key(file: Path, name: str | None, as_json: bool) -> None:
    """Creates a witness key in FILE and prints its public key. An existing key is kept.

    \b
    Example:  licet witness key witness.key --name witness.example.org/w1
    """
    key = key_file(file, name, SignatureType.cosignature, "licet witness key").verifier
    show({"name": key.name, "vkey": key.vkey}, as_json, lambda: key.vkey)


@witness.command("serve")
@click.option(
    "--state",
    type=PATH,
    required=True,
    help="The folder that remembers what was cosigned.",
)
@click.option(
    "--key",
    "key",
    type=EXISTING,
    required=True,
    help="The witness's key file.",
)
@click.option(
    "--log", "logs", multiple=True, required=True, help="The vkey of a log to cosign; repeatable."
)
@listen_options(8402)
def witness_serve(state: Path, key: Path, logs: tuple[str, ...], host: str, port: int) -> None:
    """Answers logs that ask for a cosignature, until interrupted. The protocol is
    c2sp.org/tlog-witness.

    Without its state folder, a witness cannot keep its promise: store it on a persistent disk.

    \b
    Example:  licet witness serve --state witness --key witness.key --log "$(licet ledger key)"
    """
    watched: dict[str, list[Verifier]] = {}
    for vkey in logs:
        log = Verifier.parse(vkey)
        watched.setdefault(log.name, []).append(log)
    with closing(
        Witness.open(
            state, key_file(key, None, SignatureType.cosignature, "licet witness key"), watched
        )
    ) as witness_:
        serve(WitnessApp(witness_, lambda: int(utc_now().timestamp())), host, port)


def serve(app: App, host: str, port: int) -> None:
    """Runs an application until it is interrupted, and says where once it listens."""
    bounds = bounds_of(Web(connections_max=CONNECTIONS_MAX), CONNECTIONS_MAX)
    connections = Connections(bounds)
    with bind_socket(host, port) as listening:
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            server_header=False,
            http=protocol(connections),
            ws="none",
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        address = f"http://{format_host(host)}:{listening.getsockname()[1]}"
        server = BoundedServer(config, connections)
        server.on_listening = lambda: click.echo(f"serving on {address}")
        asyncio.run(server.serve(sockets=[listening]))
