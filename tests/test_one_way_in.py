"""One way in: every route by which content can enter is found in the code, and each passes the same
four checks.

The vault's `Say` and `GiveFeedback` are the only commands that carry content. Who makes them, and
which routes, commands and plugins lead to a maker, is read from the source: a new one fails here
until it stands in `WAYS` with its proof. Proved for each: nothing passes that the gate refuses;
what enters is stamped with the grant in force, or none; it lies sealed; and the same again adds
nothing.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from licet.agent import api_transport, local_transport
from licet.cli import command as cli
from licet.client import ConversationTurn
from licet.host import Host, HostSettings
from licet.intake import imports
from licet.intake.import_records import RecordedAccount
from licet.intake.read_turn import ReadFeedback, ReadTurn
from licet.intake.replay import Import
from licet.policy.state import ConversationKind, TurnRole
from licet.store.connect import Pool
from licet.vault.commands import CloseAccount
from licet.vault.content import Content
from licet.vault.installation import load_policies

from .commands import every
from .waiting import wait_until
from .web.served import AFTER, NOTICE, World, listening

SRC = Path(__file__).parent.parent / "src" / "licet"
SAY, FEEDBACK = "licet.vault.commands.AddTurn", "licet.vault.commands.GiveFeedback"
# Where a command with content is made. The demonstration and the canary audit make them in a folder
# of their own.
MAKERS = {
    "licet.web.api.turn_command": {SAY},
    "licet.web.api.conversations": {FEEDBACK},
    "licet.intake.import_records": {SAY},
    "licet.intake.replay": {FEEDBACK},
    "licet.agent.local_transport": {SAY},
    "licet.demo.checks": {SAY},
    "licet.demo.town": {SAY, FEEDBACK},
    "licet.service.canary_audit": {SAY},
}
# What sends to the API above and to nothing else: the contract of the imports holds them to the
# client.
SENDERS = {f"licet.client.{name}" for name in ("say", "say_all", "give_feedback")}
DEMO = {"licet demo", "licet train canaries"}
PLANTED, SECOND = "Heliotrope", timedelta(seconds=1)


# What the source says: a graph of who names whom


@cache
def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = ("licet", *path.relative_to(SRC).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(
            path.read_text("utf-8")
        )
    return found


@cache
def names(module: str) -> dict[str, str]:
    """What each name at a module's top means, in full."""
    meaning = {}
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("licet"):
            meaning |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        if isinstance(node, ast.Import):
            meaning |= {
                one.asname: one.name
                for one in node.names
                if one.asname and one.name.startswith("licet")
            }
    for node in modules()[module].body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            meaning[node.name] = f"{module}.{node.name}"
    return meaning


def resolved(name: str) -> str:
    """A name through the packages that only pass it on."""
    for _ in range(4):
        module, _, last = name.rpartition(".")
        if module not in modules() or names(module).get(last, name) == name:
            return name
        name = names(module)[last]
    return name


def named(module: str, node: ast.AST) -> Iterator[str]:
    """What of ours a piece of code names."""
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and one.id in names(module):
            yield resolved(names(module)[one.id])
        if (
            isinstance(one, ast.Attribute)
            and isinstance(one.value, ast.Name)
            and one.value.id in names(module)
        ):
            yield resolved(f"{names(module)[one.value.id]}.{one.attr}")


def made(module: str, node: ast.AST) -> set[str]:
    """What of ours a piece of code calls."""
    return {
        name
        for one in ast.walk(node)
        if isinstance(one, ast.Call)
        for name in named(module, one.func)
    }


@cache
def graph() -> dict[str, tuple[set[str], set[str]]]:
    """Every function and class at the top of a module: what it names, and what it calls."""
    return {
        f"{module}.{node.name}": (set(named(module, node)), made(module, node))
        for module, tree in modules().items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def leads_to(start: str, ends: set[str]) -> bool:
    """Whether code that begins at ``start`` may call one of ``ends``, other than through a module
    that is proved.
    """
    waiting, seen = [start], set[str]()
    while waiting:
        one = waiting.pop()
        if one in seen or one not in graph() or one.rpartition(".")[0] in WAYS:
            continue
        seen.add(one)
        if graph()[one][1] & ends:
            return True
        waiting += graph()[one][0]
    return False


def commands() -> Iterator[tuple[str, str]]:
    for path, one in every(cli.main):
        assert one.callback is not None
        yield f"licet {' '.join(path)}", f"{one.callback.__module__}.{one.callback.__qualname__}"


def routes(app: Litestar) -> Iterator[tuple[str, str]]:
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                # one that is not asynchronous is wrapped
                function = getattr(handler.fn, "func", handler.fn)
                yield f"{method} {route.path}", f"{function.__module__}.{function.__qualname__}"


# The ways


class Transport:
    """How a test sends a person's words by one way. ``send`` must not fail where they are
    refused.
    """

    def __init__(self, world: World, api: Any, folder: Path) -> None:
        self.world, self.api, self.folder, self.key = world, api, folder, world.service()

    def send(self, name: str, text: str) -> None:
        raise AssertionError

    def key_file(self) -> Path:
        file = self.folder / "key"
        file.write_text(self.key["authorization"].removeprefix("Bearer "))
        return file

    def count(self) -> int:
        return int(self.world.rows("SELECT count(*) FROM turns WHERE size > 0")[0][0])

    def grant(self) -> Any:
        """The grant in the stamp of what came in last."""
        return self.world.rows(
            "SELECT grants[1] FROM segments ORDER BY conversation_id DESC LIMIT 1"
        )[0][0]


class One(Transport):
    def send(self, name: str, text: str) -> None:
        turn = {
            "account": f"host:{name}",
            "conversation": f"host:{name}'s",
            "id": "1",
            "text": text,
        }
        self.api.post("/v1/turns", json=turn, headers=self.key)


class Bulk(Transport):
    def send(self, name: str, text: str) -> None:
        turn = {
            "account": f"host:{name}",
            "conversation": f"host:{name}'s",
            "id": "1",
            "text": text,
        }
        self.api.post("/v1/turns:bulk", content=json.dumps(turn), headers=self.key)


class Spans(Transport):
    def send(self, name: str, text: str) -> None:
        values = {
            "enduser.id": name,
            "gen_ai.conversation.id": f"{name}'s",
            "gen_ai.input.messages": json.dumps([{"role": "user", "content": text}]),
        }
        span = {
            "startTimeUnixNano": int(self.world.clock.now.timestamp() * 10**9),
            "attributes": [
                {"key": key, "value": {"stringValue": value}} for key, value in values.items()
            ],
        }
        resource = {"attributes": [{"key": "licet.surface", "value": {"stringValue": "app"}}]}
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
        assert self.api.post("/v1/otlp/v1/traces", json=body, headers=self.key).status_code == 200


class Spooled(Transport):
    """The spool of a host, delivering to a real port."""

    def send(self, name: str, text: str) -> None:
        with listening(self.world.app) as url:
            spool = self.folder / f"spool {name}"
            host = Host(HostSettings(url=url, key_file=self.key_file(), spool=spool))
            permit = host.gate_now(f"host:{name}")
            if permit.may_write:
                turn = ConversationTurn(
                    account=f"host:{name}", conversation=f"host:{name}'s", id="1", text=text
                )
                assert host.record(permit, [turn]).result()
                assert all(
                    text.encode() not in p.read_bytes() for p in self.folder.rglob("*.spool")
                )
                wait_until(lambda: host.spool.size == 0)
            host.close()


class Feedback(Transport):
    def send(self, name: str, text: str) -> None:
        self.api.post(
            f"/v1/conversations/host:{name}'s/feedback",
            params={"account": f"host:{name}"},
            headers=self.key,
            json={"rating": "up", "share": "conversation", "comment": text, "id": "1"},
        )

    def count(self) -> int:
        return int(self.world.rows("SELECT count(*) FROM feedback_bodies")[0][0])

    def grant(self) -> Any:
        return self.world.rows(
            "SELECT grant_no FROM feedback ORDER BY given_at DESC, feedback_id DESC LIMIT 1"
        )[0][0]


class Imported(Transport):
    def send(self, name: str, text: str) -> None:
        line = {
            "conversation_id": f"{name}'s",
            "created_at": self.world.clock.now.isoformat(),
            "messages": [{"role": "user", "content": text}],
        }
        file = self.folder / "export.jsonl"
        file.write_text(json.dumps(line))
        imports.import_files(
            self.world.installation, [file], default=RecordedAccount(host=name, plan="pro", age=30)
        )


class ImportedFeedback(Feedback):
    """What a person said of an answer, in an export beside it."""

    def send(self, name: str, text: str) -> None:
        installation, at = self.world.installation, self.world.clock.now
        turn = ReadTurn(
            place="1",
            host_conversation=f"{name}'s own",
            host_turn="1",
            at=at,
            role=TurnRole.user,
            origin="typed",
            kind=ConversationKind.chat,
            surface="app",
            content=Content(text="How?"),
            host_account=name,
        )
        rated = ReadFeedback(
            place="2",
            host_conversation=f"{name}'s own",
            host_turn="1",
            host_feedback="1",
            at=at,
            rating="up",
            comment=text,
            host_account=name,
        )
        default = RecordedAccount(host=name, plan="pro", age=30)
        with closing(
            Import(
                installation.pool,
                installation.keyring,
                load_policies(installation),
                at,
                default=default,
            )
        ) as bringing:
            bringing.read([turn, rated])
            bringing.store()


class Nearby(Transport):
    """What the commands of a coding agent do at the installation's own machine."""

    def send(self, name: str, text: str) -> None:
        local_transport.LocalTransport(self.world.installation, name).send([self.turn(name, text)])

    def turn(self, name: str, text: str) -> ReadTurn:
        return ReadTurn(
            place="1",
            host_conversation=f"{name}'s",
            host_turn="1",
            at=None,
            role=TurnRole.user,
            origin="typed",
            kind=ConversationKind.code,
            surface="cli",
            content=Content(text=text),
        )


class ApiTransport(Nearby):
    """The same from another machine."""

    def send(self, name: str, text: str) -> None:
        with listening(self.world.app) as url:
            over = api_transport.ApiTransport(url, self.key_file(), name)
            over.send([self.turn(name, text)])
            over.close()


WAYS: dict[str, type[Transport]] = {
    "POST /v1/turns": One,
    "POST /v1/turns:bulk": Bulk,
    "POST /v1/otlp/v1/traces": Spans,
    "POST /v1/conversations/{conversation:str}/feedback": Feedback,
    "licet import": Imported,
    "licet import, feedback": ImportedFeedback,
    "licet.host.delivery": Spooled,
    "licet.agent.local_transport": Nearby,
    "licet.agent.api_transport": ApiTransport,
}


def test_commands_with_content_are_made_in_these_modules_alone() -> None:
    found: dict[str, set[str]] = {}
    for module, tree in modules().items():
        if made(module, tree) & {SAY, FEEDBACK}:
            found[module] = made(module, tree) & {SAY, FEEDBACK}
    assert found == MAKERS


def test_content_is_written_by_the_vault_alone() -> None:
    tables = ("bodies", "feedback_bodies", "safety_bodies", "turns", "segments", "feedback")
    for module, tree in modules().items():
        if any(
            isinstance(node, ast.Import) and node.names[0].name == "sqlite3" for node in tree.body
        ):
            continue  # a file of its own
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words = node.value.split()
                brings = {b for a, b in pairwise(words) if a in ("INTO", "COPY")}
                changes = {b for a, b in pairwise(words) if a == "UPDATE"}
                assert not brings.intersection(tables) or module.startswith("licet.vault."), (
                    module,
                    node.value,
                )
                assert not changes.intersection(tables) or module.startswith(
                    ("licet.vault.", "licet.erasure.")
                ), module


def test_every_way_in_is_listed(world: World) -> None:
    everywhere = [*routes(world.app), *commands()]
    found = {way for way, start in everywhere if leads_to(start, {SAY, FEEDBACK} | SENDERS)} - DEMO
    found |= {module for module, tree in modules().items() if made(module, tree) & SENDERS}
    found |= {module for module in MAKERS if module.startswith("licet.agent.")}
    assert found == {way.partition(", ")[0] for way in WAYS}


@pytest.fixture
def world(pool: Pool, tmp_path: Path) -> World:
    return World(pool, tmp_path / "data", service_requests_per_minute=10**6)


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Iterator[Transport]:
    world.clock.set(NOTICE)
    for name, allow in (("ana", True), ("nils", False)):
        world.open(name, allow=allow)
    if request.param == "POST /v1/conversations/{conversation:str}/feedback":
        for name in ("ana", "nils"):
            world.say(name, f"{name}'s")
    if WAYS[request.param] in (Spooled, ApiTransport):  # which need a real port
        yield WAYS[request.param](world, None, tmp_path)
        return
    with TestClient(world.app) as api:
        yield WAYS[request.param](world, api, tmp_path)


def test_each_way_in_passes_the_gate_the_stamp_the_seal_and_the_idempotency_check(
    way: Transport,
) -> None:
    later(way)
    way.send("ana", f"{PLANTED}, who may be learnt from")
    entered = way.count()
    assert entered > 0
    assert way.grant() is not None, "the stamp of who said yes"
    way.send("ana", f"{PLANTED}, who may be learnt from")
    assert way.count() == entered, "the same again adds nothing"
    later(way)
    way.send("nils", f"{PLANTED}, who may not")
    assert way.count() > entered
    assert way.grant() is None, "the stamp of who said no"
    assert lies_in_clear(way.world) == []


def test_each_way_in_is_closed_where_the_gate_is(way: Transport) -> None:
    way.world.open("bo")
    way.world.clock.set(AFTER)
    if isinstance(way, Feedback):  # which is taken at any gate but a closed account's
        way.world.tell(CloseAccount(account=way.world.accounts["ana"], at=AFTER))
        way.send("ana", PLANTED)
        assert way.count() == 0
        return
    way.send("bo", PLANTED)
    if isinstance(way, Imported):  # what was said is recorded; that it was said is no permission
        assert way.grant() is None
    else:
        assert way.world.rows("SELECT count(*) FROM turns") == [(0,)]


def later(way: Transport) -> None:
    """A moment, so that nothing was said before the yes."""
    way.world.clock.set(way.world.clock.now + SECOND)


def lies_in_clear(world: World) -> list[str]:
    """The tables that hold the planted word, as text or as bytes."""
    found = []
    for (table,) in world.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        statement = f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s OR t::text LIKE %s'
        if world.rows(statement, f"%{PLANTED}%", f"%{PLANTED.encode().hex()}%") != [(0,)]:
            found.append(table)
    return found
