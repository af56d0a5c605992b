"""The parts of the agent that are used alone: its state, the files that narrow, and the transport
over the API.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from licet.agent.api_transport import ApiTransport
from licet.agent.local_transport import open_local
from licet.agent.memory import TURNS_MAX, AgentMemory
from licet.agent.project_file import Narrowing, find_narrowing
from licet.config import Agent, Configuration
from licet.errors import BusyError, LicetError, UsageError
from licet.intake.read_turn import ReadTurn
from licet.policy.state import ConversationKind, TurnRole
from licet.vault.content import Content

from ..conftest import Databases


def turn(number: int, **more: Any) -> ReadTurn:
    return ReadTurn(
        place="",
        host_conversation="s",
        host_turn=f"t{number}",
        at=None,
        role=TurnRole.user,
        origin="typed",
        kind=ConversationKind.code,
        surface="code",
        content=Content(text="hello"),
        **more,
    )


@contextmanager
def answering(answer: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Iterator[str]:
    """A server that answers what comes in bulk."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            lines = answer([json.loads(line) for line in body.splitlines()])
            text = "\n".join(map(json.dumps, lines)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def transport(url: str, folder: Path) -> Iterator[ApiTransport]:
    (folder / "key").write_text("key")
    with closing(ApiTransport(url, folder / "key", "ana")) as made:
        yield made


@pytest.mark.parametrize("status", [429, 500, 503])
def test_turns_of_which_one_may_be_sent_again_are_all_sent_again(
    tmp_path: Path, status: int
) -> None:
    def answer(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"line": 1, "status": 201}, {"line": 2, "status": status}]

    with (
        answering(answer) as url,
        transport(url, tmp_path) as api,
        pytest.raises(BusyError, match="not accepted"),
    ):
        api.send([turn(1), turn(2)])


def test_a_turn_outside_of_every_project_names_none(tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []

    def answer(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
        sent.extend(turns)
        return [{"line": number, "status": 201} for number, _ in enumerate(turns, start=1)]

    with answering(answer) as url, transport(url, tmp_path) as api:
        assert api.send([turn(1), turn(2, project="git:example.org/app")]) == ["", ""]
    assert [one.get("project") for one in sent] == [None, "git:example.org/app"]


def test_a_file_that_cannot_be_read_lets_nothing_be_recorded(tmp_path: Path) -> None:
    (tmp_path / ".licet.toml").mkdir()
    found = find_narrowing(str(tmp_path), [], Narrowing(keep_out=True, by="you"))
    assert found.incognito
    assert found.by == "`.licet.toml`, whose file cannot be read"


def test_the_state_of_the_agent_is_its_person_s_alone(tmp_path: Path) -> None:
    with closing(AgentMemory(tmp_path / "state", "ana")) as memory, memory.exclusive():
        pass
    places = [tmp_path / "state", *(tmp_path / "state").iterdir()]
    assert len(places) == 3
    assert [place.stat().st_mode & 0o077 for place in places] == [0, 0, 0]


def test_the_state_forgets_the_oldest_turns_and_stays_bounded(tmp_path: Path) -> None:
    with closing(AgentMemory(tmp_path, "ana")) as memory:
        assert memory.claim([("old", "one")]) == [True]
        (file,) = tmp_path.glob("*.sqlite")
        with closing(sqlite3.connect(file, autocommit=True)) as other:
            other.execute(
                "INSERT INTO turns (rowid, turn, session) VALUES (?, x'00', x'00')", [TURNS_MAX]
            )
        assert memory.claim([("old", "two"), ("new", "one")]) == [False, True]
        assert memory.claim([("old", "two")]) == [True]


def test_no_command_of_the_agent_makes_an_installation_in_an_empty_database(
    tmp_path: Path, databases: Databases
) -> None:
    dsn = databases(migrated=False)
    config = Configuration(data=tmp_path, database_url=dsn, agent=Agent(account="ana"))
    with pytest.raises(UsageError, match="is empty"), open_local(config, start=False):
        pass


def test_no_command_of_the_agent_makes_an_installation(tmp_path: Path) -> None:
    config = Configuration(data=tmp_path / "data", agent=Agent(account="ana"))
    for start in (False, True):
        with pytest.raises(LicetError), open_local(config, start=start):
            pass
    assert not (tmp_path / "data").exists()
