"""The demonstration's links sign in as somebody of the town; a run without a terminal serves
nothing.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import msgspec
from litestar.testing import TestClient

from licet.config import Web
from licet.demo import serve
from licet.policy.decide import Gate
from licet.store.connect import Pool

from ..waiting import HANG_SECONDS, heeds_ctrl_c, wait_until
from ..web.people import AFTER, NOTICE, TOKEN_KEY, Town


def test_the_links_sign_in_as_somebody_undecided_somebody_who_said_yes_somebody_new_and_the_officer(
    pool: Pool, tmp_path: Path
) -> None:
    town = Town(pool, tmp_path, "article-2025")
    for name in ("p1", "p2"):
        town.open(name)
        town.say(name, "Bees")
    town.clock.set(NOTICE)
    town.choose("p2", True)
    town.say("p2", "Bees")
    town.clock.set(AFTER)
    installation = msgspec.structs.replace(
        town.installation,
        config=msgspec.structs.replace(
            town.installation.config, web=Web(token_key_file=town.token_key_file)
        ),
    )
    app, links = serve.build_application(installation, TOKEN_KEY)
    assert [link for link, _ in links] == [
        "/as/undecided",
        "/as/decided",
        "/as/new",
        "/as/minor",
        "/as/privacy-officer",
    ]
    arrives = {
        "/as/undecided": "Writing waits",
        "/as/decided": "May be used",
        "/as/new": "Finish signing up",
    }
    for link, words in arrives.items():
        with TestClient(app, base_url="https://town.example") as browser:
            entered = browser.get(link)
            assert entered.status_code == 200, link
            target = entered.text.split('href="')[1].split('"')[0]
            assert words in browser.get(target).text, link
    with TestClient(app, base_url="https://town.example") as browser:
        assert "Sign in" in browser.get("/as/privacy-officer").text
        assert browser.get("/as/nobody").status_code == 404
    assert town.seen("p1").gate is Gate.must_decide


def test_a_port_that_is_taken_is_left_to_whoever_has_it() -> None:
    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serve.bind_listener(port) as ours:
            assert ours.getsockname()[1] not in (0, port)


def test_two_demonstrations_at_once_have_a_port_each() -> None:
    with serve.bind_listener(0) as first:
        wanted = first.getsockname()[1]
        with serve.bind_listener(wanted) as second, serve.bind_listener(wanted) as third:
            assert len({one.getsockname()[1] for one in (first, second, third)}) == 3


def demonstrate(folder: Path, *, terminal: bool) -> tuple[int, str]:
    """Runs `licet demo` and presses Ctrl-C once it says that it serves; how it ended and what it
    said.
    """
    ours, its = pty.openpty()
    command = [
        str(Path(sys.executable).parent / "licet"),
        "demo",
        "--accounts",
        "50",
        "--data",
        str(folder),
    ]
    with (folder.parent / f"{folder.name}.txt").open("w+") as file:
        said = its if terminal else file.fileno()
        with subprocess.Popen(
            command, stdin=its, stdout=said, stderr=said, preexec_fn=heeds_ctrl_c
        ) as program:
            os.close(its)
            text, interrupted = "", False
            while terminal and (part := some(ours)):
                text += part
                served = re.search(r"http://localhost:(\d+)/as/privacy-officer", text)
                # what it says after that comes in a part of its own, or does not
                if served and not interrupted:
                    wait_until(
                        lambda port=int(served[1]): answers(port),
                        alive=lambda: program.poll() is None,
                    )
                    program.send_signal(signal.SIGINT)
                    interrupted = True
            code = program.wait(HANG_SECONDS)
        os.close(ours)
        file.seek(0)
        return code, text or file.read()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError, HTTPException):
        connection = HTTPConnection(serve.HOST, port, timeout=HANG_SECONDS)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    return False


def some(terminal: int) -> str:
    """What a terminal shows next; nothing once its program has ended."""
    try:
        return os.read(terminal, 65_536).decode()
    except OSError:
        return ""


def test_only_a_terminal_is_served_and_until_ctrl_c(tmp_path: Path) -> None:
    code, said = demonstrate(tmp_path / "shown", terminal=True)
    assert (code, "the town's pages are served on" in said) == (0, True), said
    code, said = demonstrate(tmp_path / "piped", terminal=False)
    assert (code, "are served on" in said) == (0, False), said
