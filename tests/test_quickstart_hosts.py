"""The quickstarts of Claude Code and Open WebUI, from a clean folder, with the commands as they are written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .plugins.test_open_webui import Host, asked
from .transcripts import Coder
from .web.test_serve import answers, free_port

DOCS = Path(__file__).parent.parent / "docs" / "quickstart"
PROGRAM = f"#!{sys.executable}\nfrom licet.cli import main\nmain()\n"


class Reader:
    """Somebody who types what a page says, in an empty folder, on a database of the tests."""

    def __init__(self, page: str, folder: Path, dsn: str) -> None:
        self.port = free_port()
        self.text = (DOCS / page).read_text("utf-8").replace("8787", str(self.port))
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin" / "licet").write_text(PROGRAM)
        (folder / "bin" / "licet").chmod(0o755)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LICET_")}
        self.environment = {
            **kept, "HOME": str(folder), "LICET_DATABASE_URL": dsn, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }  # fmt: skip
        self.commands: Iterator[str] = iter(self.blocks("sh"))

    def blocks(self, language: str) -> list[str]:
        return re.findall(rf"(?m)^```{language}\n(.*?)^```", self.text, re.DOTALL)

    def type_next(self) -> str:
        """The next block of commands, typed; what it printed."""
        return self.shell(next(self.commands))

    def shell(self, commands: str, given: str = "", **environment: str) -> str:
        done = subprocess.run(
            ["bash", "-e", "-c", commands], cwd=self.folder, env=self.environment | environment, input=given,
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, (commands, done.stdout, done.stderr)
        return done.stdout

    @contextmanager
    def terminal(self) -> Iterator[str]:
        """The next block in a terminal of its own: a server, which answers within."""
        command = ["bash", "-c", re.sub(r"(?m)^((?:[A-Z_]+=\S+ )*)licet", r"\1exec licet", next(self.commands))]
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, text=True
        ) as server:
            try:
                answers(server, url := f"http://127.0.0.1:{self.port}")
                yield url
            finally:
                server.terminate()
                server.wait(600)


def test_claude_code_in_a_clean_folder(tmp_path: Path, dsn: str) -> None:
    reader = Reader("claude-code.md", tmp_path, dsn)
    coder = Coder(tmp_path / "home")
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "projects").symlink_to(coder.transcripts)
    reader.type_next()
    settings = json.loads(reader.blocks("json")[0])
    key = {"LICET_AGENT__KEY_FILE": str(tmp_path / "licet.key")}  # a whole path, as the page advises
    here = settings["env"] | key

    def hook(name: str) -> str:
        (entry,) = settings["hooks"][name]
        event = json.dumps(session.event(name, prompt="rename the parser"))
        return reader.shell(entry["hooks"][0]["command"], event, **here)

    def line() -> str:
        given = json.dumps({"session_id": session.id, "cwd": str(session.folder)})
        return reader.shell(settings["statusLine"]["command"], given, **here)

    session = coder.begin()
    with reader.terminal() as url:
        assert '"outcome":"done"' in reader.type_next()
        hook("SessionStart")
        assert json.loads(hook("UserPromptSubmit"))["reason"].endswith(f"{url}/notice")
        assert '"effect":"began"' in reader.type_next()
        assert hook("UserPromptSubmit") == ""
        session.exchange(hooks=False)
        assert hook("Stop") == ""
        assert line().startswith("Licet: may be used until 20")
        session.exchange(hooks=False)
        reader.environment |= here
        assert reader.type_next() == "4 recorded\n"
        assert {"licet hook", "licet session status-line"} <= set(re.findall(r'"(licet [a-z -]+)"', reader.text))


def test_open_webui_in_a_clean_folder(tmp_path: Path, dsn: str) -> None:
    reader = Reader("open-webui.md", tmp_path, dsn)
    reader.type_next()
    with reader.terminal() as url:
        assert '"outcome":"done"' in reader.type_next()
        valves = {
            "url": url, "key_file": str(tmp_path / "licet.key"), "spool": str(tmp_path / "spool"),
            "token_key_file": str(tmp_path / "token.key"),
        }  # fmt: skip
        host = Host(reader.blocks("python")[0], valves)
        person = re.search(r'"host": "([0-9a-f-]{36})"', reader.text)[1]
        with pytest.raises(PermissionError, match="decide how your chats may be used") as stopped:
            host.run(person, "c1", asked())
        link = str(stopped.value).rpartition(" ")[2]
        reader.shell(f"curl --fail --silent --cookie-jar jar '{link}'")
        page = reader.shell(f"curl --fail --silent --cookie jar {url}/notice")
        assert "<form" in page  # the notice, of a person who is signed in
        host.loop.run(host.filter._recorder.aclose())
        host.loop.close()


def test_every_field_of_the_valves_is_on_the_page() -> None:
    from licet.plugins.open_webui import Filter

    page = (DOCS / "open-webui.md").read_text("utf-8")
    assert [name for name in Filter.Valves.model_fields if name != "priority" and f"| `{name}` |" not in page] == []
