"""What a command does to one thing is done in the console too: each command has its row here, and a
new one without fails.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
from litestar.routes import HTTPRoute

from licet.cli import command
from licet.cli.root import RootCommand

from .served import World, world

__all__ = ["world"]

# By command: the route of the console that does it, after `GET` or `POST`; or why none does.
KEY = "it needs a private key, or makes a secret for a machine, that the server does not have"
MACHINE = "it works on files or programs of the machine that it runs on"
FIRST = "it is how an installation, or the first of its staff, begins"
HOST = "the assistant or a person does it: by the API, or on the person's own pages"
RUNS = "it runs a program until it is stopped; the server does the same work by itself"
STRANGER = "it is for somebody who has no account here: it reads files alone"
RELEASE = "/console/releases/{release:str}"
RIGHT = "/console/rights/{request_id:str}"
TABLE = {
    "api-key create": "POST /console/access/keys",
    "api-key limit": "POST /console/access/keys/{name:str}/limit",
    "api-key list": "GET /console/access",
    "api-key revoke": "POST /console/access/keys/{name:str}/revoke",
    "backup drill": "POST /console/backups/drill",
    "backup list": "GET /console/backups",
    "backup make": MACHINE,
    "backup prune": MACHINE,
    "backup verify": "POST /console/backups/drill",  # a drill begins with it
    "backup wal": RUNS,
    "completion": MACHINE,
    "db recount": MACHINE,
    "db start": MACHINE,
    "db status": MACHINE,
    "db stop": MACHINE,
    "deidentify measure": MACHINE,
    "deidentify text": MACHINE,
    "demo": FIRST,
    "doctor": "GET /console/inbox",
    "document diff": STRANGER,
    "document list": "GET /console/documents",
    "document make": "POST /console/documents",
    "document show": "GET /console/documents/{sha256:str}/{form:str}",
    "erase certificate": "GET /console/erasures/{erasure:str}/certificate",
    "erase run": "POST /console/erasures/act",
    "erase status": "GET /console/erasures/{erasure:str}",
    "events": "GET /console/webhooks/{endpoint:str}",
    "explain": "POST /console/look-up",
    "export list": "GET /console/recipients/{recipient:str}",
    "export release": MACHINE,
    "export withdrawn": "GET /console/recipients/{recipient:str}",
    "flag": "POST /console/suggestions/act",
    "hold end": "POST /console/holds/act",
    "hold list": "GET /console/holds",
    "hold place": "POST /console/conversations/act",
    "hook": HOST,
    "import": MACHINE,
    "inbox give-back": "POST /console/inbox/{item:str}/give-back",
    "inbox hand": "POST /console/inbox/{item:str}/hand",
    "inbox list": "GET /console/inbox",
    "inbox note": "POST /console/inbox/{item:str}/note",
    "inbox show": "GET /console/inbox/{item:str}",
    "inbox take": "POST /console/inbox/{item:str}/take",
    "init": FIRST,
    "keys destroy-due": "POST /console/keys/destroy",
    "keys rotate": "POST /console/keys/rotate",
    "keys status": "GET /console/keys",
    "languages check": MACHINE,
    "languages list": MACHINE,
    "languages stamp": MACHINE,
    "ledger append": RUNS,
    "ledger handles": STRANGER,
    "ledger key": "GET /console/log",
    "ledger prune": MACHINE,
    "ledger publish": MACHINE,
    "ledger serve": RUNS,
    "ledger status": "GET /console/log",
    "ledger witness": "POST /console/log/witness",
    "models affected": "GET /console/models",
    "models key": "GET /console/models",
    "models list": "GET /console/models",
    "models record": MACHINE,
    "models retire": "POST /console/models/{model:str}/retire",
    "models show": "GET /console/models/{model:str}",
    "models trace": "GET /console/models",
    "notice lint": "GET /console/notices/{notice_id:str}",
    "notice publish": MACHINE,
    "policy apply": MACHINE,
    "policy apply-proposal": "POST /console/policy/proposals/{proposal:str}/apply",
    "policy check": MACHINE,
    "policy diff": MACHINE,
    "policy plan": MACHINE,
    "policy plan-proposal": "POST /console/policy/proposals/{proposal:str}/plan",
    "policy proposals": "GET /console/policy/proposals/{proposal:str}",
    "policy propose": "POST /console/policy/proposals",
    "policy schema": MACHINE,
    "policy test": MACHINE,
    "policy withdraw-proposal": "POST /console/policy/proposals/{proposal:str}/withdraw",
    "preview": HOST,
    "recall ack": "POST /console/recalls/act",
    "recall export": "POST /console/exports/{export:str}/recall",
    "recall handed": MACHINE,
    "recall key": KEY,
    "recall list": "GET /console/recalls",
    "recall run": RUNS,
    "recall sign": KEY,
    "recall trust": MACHINE,
    "receipt": HOST,
    "release build": "POST /console/releases/build",
    "release collect": RUNS,
    "release diff": f"GET {RELEASE}/against/{{other:str}}",
    "release duplicates": f"GET {RELEASE}",
    "release measure": MACHINE,
    "release purge": f"POST {RELEASE}/purge",
    "release push": MACHINE,
    "release read": f"POST {RELEASE}/slice",
    "release show": f"GET {RELEASE}",
    "release sign": f"POST {RELEASE}/sign",
    "release stats": f"GET {RELEASE}",
    "release status": f"GET {RELEASE}",
    "release verify": STRANGER,
    "request acknowledge": f"POST {RIGHT}/step",
    "request answer": f"POST {RIGHT}/step",
    "request enter": "POST /console/rights/enter",
    "request extend": f"POST {RIGHT}/step",
    "request list": "GET /console/rights",
    "request pause": f"POST {RIGHT}/step",
    "request refuse": f"POST {RIGHT}/step",
    "request resume": f"POST {RIGHT}/step",
    "request show": f"GET {RIGHT}",
    "restore": "no server may run while a database is replaced",
    "review": f"POST {RELEASE}/finding",
    "serve": RUNS,
    "session allow": HOST,
    "session incognito": HOST,
    "session keep-out": HOST,
    "session let-in": HOST,
    "session status": HOST,
    "session status-line": HOST,
    "staff end": "POST /console/access/staff/{staff:str}/revoke",
    "staff list": "GET /console/access",
    "staff roles": "POST /console/access/staff/{staff:str}/roles",
    "staff add": "POST /console/access/staff",
    "staff bootstrap": FIRST,
    "status": "GET /console",
    "store move": "no server may run while what it writes is moved",
    "sweep": RUNS,
    "sweep approve": "POST /console/inbox/{item:str}/act",
    "sweep status": "GET /console/background",
    "train cache": MACHINE,
    "train canaries": MACHINE,
    "train gate": RUNS,
    "train gate-key": KEY,
    "train purge": MACHINE,
    "train safety": MACHINE,
    "train sft": MACHINE,
    "upgrade": MACHINE,
    "vault cool": MACHINE,
    "verify": STRANGER,
    "watch": RUNS,
    "webhooks add": "POST /console/webhooks",
    "webhooks list": "GET /console/webhooks",
    "webhooks pause": "POST /console/webhooks/{endpoint:str}/pause",
    "webhooks remove": "POST /console/webhooks/{endpoint:str}/remove",
    "webhooks resume": "POST /console/webhooks/{endpoint:str}/resume",
    "webhooks replay": "POST /console/webhooks/{endpoint:str}/replay",
    "webhooks rotate": "POST /console/webhooks/{endpoint:str}/secret",
    "webhooks run": RUNS,
    "witness key": KEY,
    "witness serve": RUNS,
}


def commands(group: click.Group, *path: str) -> Iterator[str]:
    """The commands below a group, each by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        one = group.get_command(context, name)
        if isinstance(one, click.Group):
            if one.invoke_without_command:
                yield " ".join((*path, name))
            yield from commands(one, *path, name)
        else:
            yield " ".join((*path, name))


def root() -> RootCommand:
    (found,) = [one for one in vars(command).values() if isinstance(one, RootCommand)]
    return found


def test_every_command_has_a_row_and_every_row_a_command() -> None:
    assert sorted(commands(root())) == sorted(TABLE), "say where the console does it, or why not"


def test_the_console_has_each_route_that_a_row_names(world: World) -> None:
    routes = {
        f"{method} {one.path}"
        for one in world.app.routes
        if isinstance(one, HTTPRoute)
        for method in one.methods
    }
    named = {row for row in TABLE.values() if row.startswith(("GET ", "POST "))}
    assert named <= routes, named - routes


def test_whoever_destroys_with_a_command_can_do_so_in_the_console_or_reads_why_not() -> None:
    reasons = {row for row in TABLE.values() if not row.startswith(("GET ", "POST "))}
    assert all(len(reason) > 20 for reason in reasons)
    assert len(reasons) <= 10, "a few reasons, each for several commands"
