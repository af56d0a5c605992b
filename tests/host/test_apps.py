"""The programs of docs/host.md as they stand there, each with Licet and a model beside it: a chat
is streamed and recorded, a closed gate is answered, and nothing is lost when both are killed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ..plugins.beside import LITELLM, Licet, free_port, needed
from ..waiting import wait_until
from ..web import npm

PAGE = Path(__file__).parents[2] / "docs" / "host.md"
LINES_MAX = 20
EXPRESS, HONO, NODE_SERVER = "5.3.0", "4.13.19", "2.1.9"
MODEL_PY = """
async def stream(text):
    for word in ("You said: ", text, "."):
        yield word
"""
MODEL_JS = """
export async function* stream(text) {
  yield* ["You said: ", text, "."];
}
"""


def program(name: str) -> str:
    """The program below the heading that begins with ``name``."""
    page = PAGE.read_text("utf-8")
    (shown,) = re.findall(rf"(?s)## {name}.*?```(?:python|js)\n(.*?)```", page)[:1]
    return str(shown)


class App:
    """One of the three, running on a port of its own."""

    def __init__(self, name: str, folder: Path, licet: Licet) -> None:
        self.name, self.folder, self.port = name, folder, free_port()
        self.url, self.spool = f"http://127.0.0.1:{self.port}", folder / "spool"
        given = {
            "URL": licet.url,
            "KEY_FILE": str(licet.key_file),
            "SPOOL": str(self.spool),
            "OUTAGE": "allow_and_keep",
        }
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PORT": str(self.port),
            **(
                {"HOST_LICET_" + key: value for key, value in given.items()}
                if name == "FastAPI"
                else given
            ),
        }
        if name == "FastAPI":
            needed()
            (folder / "app.py").write_text(program(name))
            (folder / "model.py").write_text(MODEL_PY)
            python = LITELLM.with_name("python")
            self.words = [str(python), "-m", "uvicorn", "app:app", "--port", str(self.port)]
        else:
            (folder / "app.mjs").write_text(program(name))
            (folder / "model.js").write_text(MODEL_JS)
            self.words = ["node", "app.mjs"]
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.running = subprocess.Popen(
                self.words, cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        made = self.running
        wait_until(
            lambda: answers_at_all(self.url),
            f"{self.name}: {(self.folder / 'log').read_text()}",
            alive=lambda: made.poll() is None,
        )

    def kill(self) -> None:
        if self.running is not None:
            self.running.send_signal(signal.SIGKILL)
            self.running.wait(600)
            self.running = None

    def chat(self, user: str, chat: str, text: str) -> httpx.Response:
        return httpx.post(
            f"{self.url}/chat/{chat}",
            content=text,
            headers={"x-user": user, "content-type": "text/plain"},
            timeout=600,
        )

    def spooled(self) -> int:
        return sum(path.stat().st_size for path in self.spool.rglob("*.spool"))


def answers_at_all(url: str) -> bool:
    try:
        httpx.get(url, headers={"x-user": "nobody"}, timeout=600)
    except httpx.TransportError:
        return False
    return True


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two packages of ours, and the two frameworks."""
    folder = tmp_path_factory.mktemp("node")
    named = {"express": EXPRESS, "hono": HONO, "@hono/node-server": NODE_SERVER}
    about = {"private": True, "type": "module", "dependencies": named}
    (folder / "package.json").write_text(json.dumps(about))
    npm.run(folder, "install")
    ours = npm.built_packages(tmp_path_factory) / "node_modules" / "@licet"
    shutil.copytree(ours, folder / "node_modules" / "@licet")
    return folder


@pytest.fixture
def licet(dsn: str, tmp_path: Path) -> Iterator[Licet]:
    made = Licet(tmp_path / "licet", dsn)
    made.start()
    made.open("ana", allow=True)
    made.open("bo")
    yield made
    made.stop()


@pytest.mark.parametrize("name", ["FastAPI", "Express", "Hono"])
def test_a_program_of_the_page_records_each_chat_once_whatever_dies(
    name: str, licet: Licet, modules: Path, tmp_path: Path
) -> None:
    if name == "FastAPI":
        folder = tmp_path / "app"
        folder.mkdir()
    else:
        folder = modules
    app = App(name, folder, licet)
    app.spool = folder / f"spool {name}"
    app.environment["HOST_LICET_SPOOL" if name == "FastAPI" else "SPOOL"] = str(app.spool)
    app.start()
    try:
        said = app.chat("ana", "before", "hello")
        assert (said.status_code, said.text) == (200, "You said: hello.")
        refused = app.chat("bo", "bo's", "hello")
        assert (refused.status_code, refused.json()["because"]) == (451, "must_decide")
        assert refused.json()["choice"] == f"{licet.url}/notice"
        stranger = app.chat("nobody", "nobody's", "hello")
        assert (stranger.status_code, stranger.json()["because"]) == (403, "no_account")
        both = [("user", "hello"), ("assistant", "You said: hello.")]
        wait_until(lambda: licet.kept("ana", "before") == both)
        licet.stop()
        for number in range(3):
            size = app.spooled()
            assert app.chat("ana", f"away {number}", "hello").status_code == 200
            wait_until(lambda size=size: app.spooled() > size)
        app.kill()
        licet.start()
        app.start()
        wait_until(lambda: app.spooled() == 0)
        assert [licet.kept("ana", f"away {number}") for number in range(3)] == [both] * 3
        assert licet.kept("bo", "bo's") == []
    finally:
        app.kill()


def test_each_program_of_the_page_has_twenty_lines() -> None:
    for name in ("FastAPI", "Express", "Hono"):
        lines = [line for line in program(name).splitlines() if line.strip()]
        assert len(lines) <= LINES_MAX, name
