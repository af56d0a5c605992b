"""The watcher of transcripts, and what a person, a project and an organisation may leave out of a
session.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from licet.vault.commands import Choose
from licet.web.access.limits import TURN_REQUEST_BYTES_MAX

from ..web.served import AFTER, World, url, world
from .test_hook import EXCHANGE, PLANTED, chooses, coder, quiet, roles, usable
from .transcripts import LICET, Coder, Session

__all__ = ["coder", "quiet", "url", "world"]  # fixtures


def looks(coder: Coder) -> dict[str, int]:
    return json.loads(coder.command("watch", coder.transcripts, "--once", "--json").stdout)


def line(session: Session) -> str:
    given = json.dumps({"session_id": session.id, "cwd": str(session.folder), "model": {"id": "m"}})
    return session.coder.command("session", "status-line", given=given).stdout.strip()


def kept_out(world: World) -> list[bool]:
    return [
        out for (out,) in world.rows("SELECT narrowed FROM conversations ORDER BY conversation_id")
    ]


def test_what_was_there_before_is_history_and_what_comes_is_recorded_once(
    world: World, coder: Coder
) -> None:
    chooses(world, True)
    old = coder.begin()
    old.exchange(PLANTED, hooks=False)
    assert looks(coder) == {}
    old.exchange(hooks=False)
    new = coder.begin()
    new.exchange(hooks=False)
    assert looks(coder) == {"recorded": 8}
    assert looks(coder) == {}
    assert roles(world) == EXCHANGE * 2
    assert usable(world) == ["permitted"]


def test_a_line_that_is_still_being_written_waits_until_it_is_whole(
    world: World, coder: Coder
) -> None:
    session = coder.begin()
    assert looks(coder) == {}
    session.write("user", "rename the parser")
    whole = session.file.read_bytes()
    session.file.write_bytes(whole[:-20])
    assert looks(coder) == {}
    session.file.write_bytes(whole)
    assert looks(coder) == {"recorded": 1}
    assert roles(world) == ["user"]


def test_a_turn_that_licet_cannot_take_does_not_hold_up_the_others(
    world: World, coder: Coder
) -> None:
    session = coder.begin()
    assert looks(coder) == {}
    session.write("user", "x" * (TURN_REQUEST_BYTES_MAX + 1))
    session.exchange(hooks=False)
    assert looks(coder) == {"recorded": 4, "refused: bad_request": 1}
    assert looks(coder) == {}
    assert roles(world) == EXCHANGE


def test_a_watcher_that_is_killed_goes_on_where_it_was(world: World, coder: Coder) -> None:
    session = coder.begin()
    assert looks(coder) == {}
    command = [*LICET, "watch", str(coder.transcripts), "--every", "0.1"]
    for expected in (4, 8):
        session.exchange(hooks=False)
        with subprocess.Popen(
            command, env=coder.environment, stdout=subprocess.PIPE, text=True
        ) as watcher:
            assert watcher.stdout is not None
            assert watcher.stdout.readline() == "4 recorded\n"
            os.kill(watcher.pid, signal.SIGKILL)
        assert len(roles(world)) == expected


def test_a_watcher_ends_when_it_is_told_to(coder: Coder) -> None:
    command = [*LICET, "watch", str(coder.transcripts), "--every", "0.1"]
    with subprocess.Popen(
        command, env=coder.environment, stdout=subprocess.PIPE, text=True
    ) as watcher:
        while not any(coder.state.glob("*.lock")):  # it has looked
            time.sleep(0.05)
        watcher.terminate()
        assert watcher.wait(600) == 0


def test_a_session_that_its_person_keeps_out_is_recorded_and_never_used(
    world: World, coder: Coder
) -> None:
    chooses(world, True)
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    # before a word of it is there: the one at work in this folder
    told = coder.command("session", "keep-out").stdout
    assert told == f"{session.id} is kept out; Licet hears of it before anything more is recorded\n"
    session.exchange()
    assert kept_out(world) == [True]
    assert usable(world) == ["narrowed"]
    assert line(session) == "Licet: kept out (you)"
    coder.command("session", "let-in")
    session.exchange("and its tests")
    assert kept_out(world) == [False]
    assert usable(world) == ["narrowed", "permitted"]
    assert line(session).startswith("Licet: may be used until 20")
    coder.command("session", "keep-out", session.id)
    assert kept_out(world) == [True]


def test_a_choice_that_narrows_holds_while_licet_is_away(world: World, coder: Coder) -> None:
    chooses(world, True)
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    session.exchange()
    coder.environment["LICET_AGENT__KEY_FILE"], key = (
        "/nowhere",
        coder.environment["LICET_AGENT__KEY_FILE"],
    )
    assert json.loads(coder.command("session", "keep-out", "--json").stdout)["told"] is False
    assert line(session) == "Licet: away, nothing is used"
    coder.environment["LICET_AGENT__KEY_FILE"] = key
    session.exchange("and its tests")
    assert kept_out(world) == [True]
    assert usable(world) == ["narrowed"]


def test_of_an_incognito_session_nothing_more_is_recorded_not_even_by_a_copy(
    world: World, coder: Coder
) -> None:
    chooses(world, True)
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    coder.command("session", "incognito")
    session.exchange(PLANTED)
    assert line(session) == "Licet: not recorded (incognito: you)"
    assert "begin another one" in coder.command("session", "let-in", code=1).stderr
    copy = coder.begin()
    copy.hook("SessionStart", source="resume")
    copy.file.write_text(session.file.read_text("utf-8").replace(session.id, copy.id), "utf-8")
    copy.exchange()
    assert roles(world) == EXCHANGE
    assert PLANTED not in str(world.rows("SELECT * FROM conversations"))


@pytest.mark.parametrize("place", ["project", "folder above", "organisation"])
def test_a_project_or_the_organisation_can_keep_sessions_out_and_nobody_lets_them_in(
    world: World, coder: Coder, tmp_path: Path, place: str
) -> None:
    chooses(world, True)
    files = {
        "project": coder.project / ".licet.toml",
        "folder above": coder.project.parent / ".licet.toml",
    }
    file = files.get(place, tmp_path / "agent.toml")
    file.write_text("keep_out = true\n")
    if place == "organisation":
        coder.environment["LICET_AGENT__LOCK_FILE"] = str(file)
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    session.exchange()
    assert usable(world) == ["narrowed"]
    assert "keeps this session out" in coder.command("session", "let-in", code=1).stderr
    assert line(session).startswith("Licet: kept out (")
    file.write_text("keep_out = false\n")  # a file that narrows no longer widens nothing
    session.exchange("and its tests")
    assert usable(world) == ["narrowed"]


@pytest.mark.parametrize(
    "text", ["incognito = true", "keep_out = 'perhaps'", "allow = true", "keep_out = true\n["]
)
def test_a_file_that_says_anything_else_is_taken_for_the_narrowest(
    world: World, coder: Coder, text: str
) -> None:
    chooses(world, True)
    (coder.project / ".licet.toml").write_text(text)
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    session.exchange(PLANTED)
    assert roles(world) == []
    assert line(session).startswith("Licet: not recorded (incognito: `.licet.toml`")


def test_no_file_turns_on_what_the_person_did_not_allow(world: World, coder: Coder) -> None:
    chooses(world, False)
    (coder.project / ".licet.toml").write_text("keep_out = false\nincognito = false\n")
    session = coder.begin()
    session.hook("SessionStart", source="startup")
    session.exchange()
    assert usable(world) == ["declined"]
    assert line(session) == "Licet: not used (declined)"


def test_the_status_line_says_who_must_decide_first(world: World, coder: Coder) -> None:
    world.clock.set(AFTER)
    session = coder.begin()
    assert (
        line(session)
        == f"Licet: please decide first {coder.environment['LICET_AGENT__URL']}/notice"
    )
    world.tell(Choose(account=world.accounts["ana"], at=world.clock.now, allow=True, via="notice"))
    assert line(session) == "Licet: may be used"
    told = json.loads(coder.command("session", "status", session.id, "--json").stdout)
    assert (told["gate"], told["turns"], told["used"]) == ("open", 0, True)


def test_a_session_of_nobody_in_this_folder_is_asked_for_by_name(coder: Coder) -> None:
    assert (
        "no session was at work in this folder" in coder.command("session", "status", code=1).stderr
    )


def test_whatever_is_read_is_recorded_or_counted_by_its_reason_and_what_is_broken_is_told_with_its_place(
    world: World, coder: Coder
) -> None:
    chooses(world, True)
    session = coder.begin()
    assert looks(coder) == {}
    session.exchange(hooks=False)
    session.write(
        "user",
        "<command-message>prune</command-message>\n<command-name>/prune</command-name>\n<command-args>it</command-args>",
    )
    session.write(
        "assistant",
        [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "Done."},
            {"type": "new"},
        ],
    )
    session.write("user", {"of": "no shape"})
    session.write("system", None, message=None)
    with session.file.open("a", encoding="utf-8") as file:
        file.write('{"type": "user", "mess\n')
    seen = coder.command("watch", coder.transcripts, "--once", "--json")
    assert json.loads(seen.stdout) == {
        "broken": 2,
        "recorded": 6,
        "passed over: a block of a type that is not known": 1,
        "passed over: a record of type `system`": 1,
        "passed over: thinking, which was not part of the answer that was shown": 1,
    }
    told = [
        line.removeprefix(f"licet: left out: {session.file}") for line in seen.stderr.splitlines()
    ]
    assert [line.partition(": ")[0] for line in told] == [":7", ":9"]
    assert "no shape" not in seen.stderr
    assert roles(world) == [*EXCHANGE, "user", "assistant"]
