"""The hooks of a coding assistant, as processes, against a server that runs and the installation of
this machine.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from licet.access.roles import Scope
from licet.agent.api_transport import _turn
from licet.intake import imports
from licet.intake.import_records import RecordedAccount
from licet.intake.read_turn import ReadTurn
from licet.intake.transcript_follower import ReadMark, follow
from licet.service import explanations
from licet.vault import verbs
from licet.vault.commands import Choose
from licet.web.api.schema import NewTurn
from licet.web.api.turn_command import content

from ..web.served import AFTER, NOTICE, World, listening, url, world
from .transcripts import LICET, Coder

__all__ = ["url", "world"]  # fixtures

SCOPES = (
    Scope.gate_read,
    Scope.turns_write,
    Scope.accounts_read,
    Scope.conversations_read,
    Scope.conversations_write,
)
PLANTED = "seven blue herons sleep at the weir"
EXCHANGE = ["user", "assistant", "tool", "assistant"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The server runs in this process: what it logs is no answer of a command."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def coder(world: World, url: str, tmp_path: Path) -> Coder:
    return coding(world, url, tmp_path)


def coding(world: World, url: str, folder: Path) -> Coder:
    key = folder / "licet.key"
    key.write_text(world.key(*SCOPES))
    world.open("ana")  # before the version that asks
    world.clock.set(NOTICE)
    return Coder(folder / "home", URL=url, KEY_FILE=str(key))


def chooses(world: World, allow: bool) -> None:
    world.tell(Choose(account=world.accounts["ana"], at=world.clock.now, allow=allow, via="notice"))


def roles(world: World) -> list[str]:
    return [role for (role,) in world.rows("SELECT role FROM turns ORDER BY conversation_id, turn")]


def usable(world: World) -> list[str]:
    seen = explanations.explain(
        world.installation, next(iter(verbs.conversations_of(world.installation, "ana")))
    )
    assert isinstance(seen, explanations.ConversationSeen)
    return sorted({said.because.value for said in seen.answers if said.role == "user"})


def test_a_session_is_recorded_once_as_an_import_of_its_transcript_would(
    world: World, coder: Coder
) -> None:
    chooses(world, True)
    session = coder.begin(apart=True)
    session.hook("SessionStart", source="startup")
    session.exchange()
    assert roles(world) == EXCHANGE
    session.apart = False
    session.exchange("and its tests")
    session.hook("SessionEnd", reason="other")
    assert roles(world) == EXCHANGE * 2
    assert usable(world) == ["permitted"]
    # so that nothing of the file has yet to come
    world.clock.set(world.installation.clock().replace(year=2027))
    default = RecordedAccount(host="ana", plan="pro", age=30)
    again = imports.import_files(world.installation, [session.file], default=default, host="ana")
    assert (again.known, again.stored, again.broken) == (8, 0, 0)


def test_a_prompt_of_who_must_decide_is_blocked_with_where_and_never_recorded(
    world: World, coder: Coder
) -> None:
    world.clock.set(AFTER)
    session = coder.begin()
    assert "/notice" in session.hook("SessionStart", source="startup")["systemMessage"]
    answer = session.exchange(PLANTED)
    assert answer["decision"] == "block"
    assert answer["reason"].startswith("Please decide how your sessions may be used: http")
    session.hook("SessionEnd", reason="other")
    chooses(world, False)
    assert session.exchange() == {}
    assert roles(world) == EXCHANGE


def test_a_notice_that_can_be_put_off_is_told_at_the_start_and_stops_nothing(
    world: World, coder: Coder
) -> None:
    session = coder.begin()
    assert "put it off" in session.hook("SessionStart", source="startup")["systemMessage"]
    assert session.exchange() == {}
    assert roles(world) == EXCHANGE


def test_what_was_said_before_a_yes_is_let_go_and_what_follows_is_usable(
    world: World, coder: Coder
) -> None:
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    session.exchange(PLANTED, hooks=False)  # the hooks did not come through
    chooses(world, True)
    session.exchange("and its tests")
    assert roles(world) == EXCHANGE
    assert usable(world) == ["permitted"]


def test_while_licet_is_away_the_session_goes_on_and_the_watcher_records_it_later(
    world: World, coder: Coder
) -> None:
    chooses(world, True)
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    there = coder.environment["LICET_AGENT__URL"]
    coder.environment["LICET_AGENT__KEY_FILE"], key = (
        "/nowhere",
        coder.environment["LICET_AGENT__KEY_FILE"],
    )
    assert session.exchange() == {}
    assert session.said.startswith("licet: not recorded now: ")
    assert coder.command("watch", coder.transcripts, "--once", code=75).stdout == ""
    coder.environment["LICET_AGENT__KEY_FILE"] = key
    assert there == coder.environment["LICET_AGENT__URL"]
    assert json.loads(coder.command("watch", coder.transcripts, "--once", "--json").stdout) == {
        "recorded": 4
    }
    assert usable(world) == ["permitted"]


@pytest.mark.parametrize(
    "given", ["", "{", "[]", '{"hook_event_name": "Stop"}', '{"hook_event_name": "Later"}']
)
def test_no_event_whatever_breaks_a_session(coder: Coder, given: str) -> None:
    assert coder.command("hook", given=given).stdout == ""


def test_an_agent_that_is_not_set_up_records_nothing_and_stops_nothing(tmp_path: Path) -> None:
    coder = Coder(tmp_path)
    del coder.environment["LICET_AGENT__ACCOUNT"]
    session = coder.begin()
    assert session.exchange(PLANTED) == {}
    assert "no account is configured" in session.said
    line = coder.command(
        "session", "status-line", given=json.dumps({"session_id": session.id})
    ).stdout
    assert line == "Licet: not recorded (not set up)\n"


def test_a_hook_that_is_killed_before_it_hears_back_loses_and_doubles_nothing(
    world: World, tmp_path: Path
) -> None:
    running: list[subprocess.Popen[str]] = []

    class Killing:
        """The application; it kills the hook when its turns are committed, before it answers."""

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def sent(message: Any) -> None:
                if running and scope.get("path") == "/v1/turns:bulk":
                    os.kill(running.pop().pid, signal.SIGKILL)
                await send(message)

            await world.app(scope, receive, sent)

    with listening(Killing()) as url:
        coder = coding(world, url, tmp_path)
        chooses(world, True)
        session = coder.begin()
        session.hook("SessionStart", source="startup")
        session.hook("UserPromptSubmit", prompt="rename")
        session.exchange(hooks=False)
        with subprocess.Popen(
            [*LICET, "hook"], env=coder.environment, stdin=subprocess.PIPE, text=True
        ) as killed:
            running.append(killed)
            killed.communicate(json.dumps(session.event("Stop")), timeout=600)
        assert killed.returncode == -signal.SIGKILL
        assert roles(world) == EXCHANGE  # Licet has them, and the agent does not know it
        session.exchange("and its tests")
    assert roles(world) == EXCHANGE * 2


def test_what_a_resumed_session_copies_is_recorded_once(world: World, coder: Coder) -> None:
    chooses(world, True)
    first = coder.begin()
    first.hook("SessionStart", source="startup")
    first.exchange()
    second = coder.begin()
    copied = first.file.read_text("utf-8").replace(first.id, second.id)
    second.file.write_text(copied, "utf-8")
    second.hook("SessionStart", source="resume")
    second.exchange("and its tests")
    coder.command("watch", coder.transcripts, "--once")
    assert len(roles(world)) == 8
    third = coder.begin()  # seen by nobody until it has grown
    third.file.write_text(copied.replace(second.id, third.id), "utf-8")
    third.exchange(hooks=False)
    counts = json.loads(coder.command("watch", coder.transcripts, "--once", "--json").stdout)
    assert (counts["copies"], counts["recorded"]) == (4, 4)


def test_subagents_are_recorded_from_their_own_transcript_in_the_session_they_serve(
    world: World, coder: Coder
) -> None:
    chooses(world, True)
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    session.exchange()
    side = coder.begin(session.id)
    side.file = side.file.with_name("agent-7f3a.jsonl")
    side.write("user", "count the pots", isSidechain=True, agentId="7f3a")
    side.write("assistant", [{"type": "text", "text": "nine"}], isSidechain=True, agentId="7f3a")
    session.hook("SubagentStop", agent_transcript_path=str(side.file))
    assert roles(world) == [*EXCHANGE, "assistant", "assistant"]
    assert world.rows("SELECT count(*) FROM conversations") == [(1,)]
    read = [
        item
        for step in follow(side.file, ReadMark())
        for item in step.items
        if isinstance(item, ReadTurn)
    ]
    sent = msgspec.json.decode(msgspec.json.encode(_turn("host:ana", read[-1])), type=NewTurn)
    assert content(sent) == msgspec.structs.replace(read[-1].content, folder="", branch="")
    assert content(sent).thread == "7f3a"


def test_a_subagent_that_may_have_begun_before_the_yes_is_not_recorded_under_it(
    world: World, coder: Coder
) -> None:
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    session.exchange()
    side = coder.begin(session.id)
    side.file = side.file.with_name("agent-7f3a.jsonl")
    side.write("assistant", PLANTED, isSidechain=True, agentId="7f3a")
    chooses(world, True)
    session.hook("UserPromptSubmit", prompt="count the pots")
    session.hook("SubagentStop", agent_transcript_path=str(side.file))
    coder.command("watch", coder.transcripts, "--once")
    assert roles(world) == EXCHANGE


def test_nothing_that_was_said_is_kept_beside_the_transcripts(world: World, coder: Coder) -> None:
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    session.exchange(PLANTED)
    assert PLANTED not in session.said
    kept = [path for path in coder.state.rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        assert PLANTED.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


@pytest.fixture
def nearby(world: World, dsn: str, tmp_path: Path) -> Iterator[Coder]:
    """A coder on the installation of this machine, without a server."""
    coder = Coder(tmp_path / "home")
    coder.environment |= {
        "LICET_DATABASE_URL": dsn,
        "LICET_DATA": str(world.installation.config.data),
    }
    yield coder


def test_without_a_server_the_installation_of_this_machine_is_the_same(
    world: World, nearby: Coder
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    chooses(world, True)
    session = nearby.begin()
    session.hook("SessionStart", source="startup")
    session.exchange()
    assert roles(world) == EXCHANGE
    told = json.loads(nearby.command("session", "status", session.id, "--json").stdout)
    assert (told["turns"], told["gate"]) == (4, "open")


def repositories(nearby: Coder, *names: str) -> list[Path]:
    found = []
    for name in names:
        folder = nearby.project.parent / name
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
        subprocess.run(
            [
                "git",
                "-C",
                str(folder),
                "remote",
                "add",
                "origin",
                f"git@example.org:team/{name}.git",
            ],
            check=True,
        )
        found.append(folder)
    return found


def is_used(coder: Coder, session: Any) -> bool:
    return bool(json.loads(coder.command("session", "status", session.id, "--json").stdout)["used"])


def at_work(coder: Coder, folder: Path) -> Any:
    coder.project = folder
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    return session


@pytest.mark.parametrize("way", ["nearby", "coder"], ids=["on this machine", "over the API"])
def test_a_yes_for_a_repository_lets_in_what_is_said_there_and_nothing_elsewhere(
    world: World, way: str, request: pytest.FixtureRequest
) -> None:
    nearby: Coder = request.getfixturevalue(way)
    if way == "coder":
        Path(nearby.environment["LICET_AGENT__KEY_FILE"]).write_text(
            world.key(*SCOPES, Scope.choices_write)
        )
    else:
        world.open("ana")
        world.clock.set(NOTICE)
    chooses(world, False)
    app, other = repositories(nearby, "app", "other")
    before = at_work(nearby, app)
    before.exchange()
    nearby.command("session", "allow", "--project")
    after, elsewhere = at_work(nearby, app), at_work(nearby, other)
    after.exchange()
    nearby.project = other
    elsewhere.exchange()
    assert (is_used(nearby, before), is_used(nearby, elsewhere)) == (False, False)
    nearby.project = app
    told = json.loads(nearby.command("session", "status", after.id, "--json").stdout)
    assert (told["used"], told["scope"]) == (True, "project")
    line = nearby.command(
        "session", "status-line", given=json.dumps({"session_id": after.id, "cwd": str(app)})
    ).stdout
    assert re.search(r"may be used until [-0-9]+ \(this repository, since \d+ [A-Z][a-z]+\)", line)
    before.exchange()  # resumed under the yes: with the reach of this policy all of it counts
    assert is_used(nearby, before)


def test_a_yes_for_a_session_is_for_that_session_alone(world: World, nearby: Coder) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    chooses(world, False)
    (app,) = repositories(nearby, "app")
    one, two = at_work(nearby, app), at_work(nearby, app)
    assert (
        "no turn of this session is recorded yet"
        in nearby.command("session", "allow", one.id, code=1).stderr
    )
    one.exchange()
    two.exchange()
    nearby.command("session", "allow", one.id)
    assert "unchanged (covered)" in nearby.command("session", "allow", one.id).stdout
    one.exchange()
    two.exchange()
    assert (is_used(nearby, one), is_used(nearby, two)) == (True, False)


def test_nobody_allows_what_a_project_s_file_keeps_out_or_what_the_person_did(
    world: World, nearby: Coder
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    chooses(world, False)
    (app,) = repositories(nearby, "app")
    session = at_work(nearby, app)
    session.exchange()
    nearby.command("session", "keep-out", session.id)
    assert "let it in first" in nearby.command("session", "allow", session.id, code=1).stderr
    (app / ".licet.toml").write_text("keep_out = true\n")
    assert (
        "`.licet.toml` keeps this session out"
        in nearby.command("session", "allow", "--project", code=1).stderr
    )
    assert world.rows("SELECT count(*) FROM choices WHERE effect = 'began'") == [(0,)]


def test_what_another_repository_was_allowed_holds_up_no_turn_of_this_one(
    world: World, nearby: Coder
) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    chooses(world, False)
    app, other = repositories(nearby, "app", "other")
    here = at_work(nearby, app)
    nearby.project = app
    here.write("user", "said before the other yes")
    nearby.project = other
    nearby.command("session", "allow", "--project")
    nearby.project = app
    here.hook("Stop")
    assert roles(world) == ["user"]
