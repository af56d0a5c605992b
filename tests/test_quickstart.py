"""The quickstarts beside the programs that they are about: the page as it is written, and what
those programs do meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .agent.transcripts import Coder
from .conftest import Databases
from .person import allows
from .plugins.beside import ANSWER, LITELLM, MASTER_KEY, needed
from .plugins.test_open_webui import Host, asked
from .waiting import wait_until
from .walkthrough import ROOT, Step, Walk, steps

PAGES = ROOT / "docs" / "quickstart"


def walked(walk: Walk, name: str) -> Iterator[Step]:
    """The page's steps, each done when the next one is asked for: what a program does in between is
    done before it.
    """
    for step in steps(PAGES / name):
        yield step
        walk.step(step, name)


def test_litellm(tmp_path: Path, databases: Databases) -> None:
    needed()
    text = (PAGES / "litellm.md").read_text("utf-8")
    assert ANSWER in text
    assert MASTER_KEY in text
    with Walk(tmp_path, databases(), person=allows) as walk:
        walk.environment_beside(LITELLM.parents[1], "proxy")
        walk.do(PAGES / "litellm.md")


def test_claude_code(tmp_path: Path, databases: Databases) -> None:
    stopped, status, printed = do_claude_code(tmp_path, databases())
    assert stopped.endswith("/notice")
    assert status.startswith("Licet: may be used until 20")
    assert "4 recorded\n" in printed


def do_claude_code(folder: Path, dsn: str | None) -> tuple[str, str, str]:
    """The page, beside a session whose hooks are called as Claude Code calls them: it is stopped
    until the notice is answered, and then two exchanges are recorded. Returns why it is stopped,
    the status line that is shown between the two, and all that was printed.
    """
    stopped = status = ""
    with Walk(folder / "walk", dsn, person=allows) as walk:
        coder = Coder(folder / "coder")
        (walk.folder / "home" / ".claude").mkdir(parents=True)
        (walk.folder / "home" / ".claude" / "projects").symlink_to(coder.transcripts)
        session = coder.begin()

        def settings() -> Any:
            return json.loads((walk.folder / "home" / ".claude" / "settings.json").read_text())

        def called(command: str, event: dict[str, Any]) -> str:
            """What Claude Code gets from a command of its settings."""
            here = settings()["env"] | {
                "LICET_AGENT__KEY_FILE": str(walk.folder / "licet.key")
            }  # a whole path, as is advised
            (folder / "event.json").write_text(json.dumps(event))
            names = " ".join(f"{name}={shlex.quote(value)}" for name, value in here.items())
            return walk.type(
                f"{names} {command} <{folder}/event.json 2>>{folder}/hook.err\n",
                "claude-code.md",
            )

        def hook(name: str) -> str:
            (entry,) = settings()["hooks"][name]
            return called(
                entry["hooks"][0]["command"], session.event(name, prompt="rename the parser")
            )

        for step in walked(walk, "claude-code.md"):
            if "examples/enter.py" in step.code:
                hook("SessionStart")
                stopped = json.loads(hook("UserPromptSubmit"))["reason"]
            if "licet watch" in step.code:
                assert hook("UserPromptSubmit") == ""
                session.exchange(hooks=False)
                assert hook("Stop") == ""
                seen = {"session_id": session.id, "cwd": str(session.folder)}
                status = called(settings()["statusLine"]["command"], seen)
                session.exchange(hooks=False)
        return stopped, status, walk.printed


def test_open_webui(tmp_path: Path, databases: Databases) -> None:
    status = do_open_webui(tmp_path, databases())
    assert status["turns_kept"] == 2


def do_open_webui(folder: Path, dsn: str | None) -> dict[str, Any]:
    """The page, and its function in a driver that calls it as Open WebUI does: a message is stopped
    until the notice is answered, and then an exchange is recorded. Returns the installation's
    status after it.
    """
    text = (PAGES / "open-webui.md").read_text("utf-8")
    person = re.search(r'"host": "([0-9a-f-]{36})"', text)
    assert person is not None
    with Walk(folder, dsn) as walk:
        walk.do(PAGES / "open-webui.md")
        url = f"http://127.0.0.1:{walk.port('8787')}"
        valves = {
            "url": url,
            "key_file": str(folder / "licet.key"),
            "spool": str(folder / "spool"),
            "token_key_file": str(folder / "token.key"),
        }
        pasted = next(
            step.code
            for step in steps(PAGES / "open-webui.md")
            if "plugins.open_webui" in step.code
        )
        host = Host(pasted, valves)
        try:
            with pytest.raises(
                PermissionError, match="decide how your chats may be used"
            ) as stopped:
                host.run(person[1], "c1", asked())
            allows(str(stopped.value).rpartition(" ")[2])
            # the gate is asked again after five seconds
            wait_until(lambda: is_let_through(host, person[1]), "who answered goes on")
            wait_until(lambda: host.filter._host.counts.get("delivered: done") == 2)
        finally:
            host.loop.run(host.filter._host.aclose())
            host.loop.close()
        return dict(json.loads(walk.type("licet status --json\n")))


def is_let_through(host: Host, person: str) -> bool:
    with contextlib.suppress(PermissionError):
        host.run(person, "c1", asked())
        return True
    return False


@pytest.mark.parametrize("page", ["litellm.md", "opentelemetry.md"])
def test_a_page_names_every_setting_and_every_outcome(page: str) -> None:
    from licet.intake.spans import DropReason
    from licet.plugins.settings import PluginSettings

    text = (PAGES / page).read_text("utf-8")
    words = (
        [name.upper() for name in PluginSettings.__struct_fields__]
        if page == "litellm.md"
        else list(DropReason)
    )
    assert [word for word in words if f"`{word}`" not in text] == []


def test_every_field_of_the_valves_is_on_the_page() -> None:
    from licet.plugins.open_webui import Filter

    page = (PAGES / "open-webui.md").read_text("utf-8")
    assert [
        name
        for name in Filter.Valves.model_fields
        if name != "priority" and f"| `{name}` |" not in page
    ] == []


def test_no_page_and_no_program_tells_anybody_to_install_a_name_that_is_not_registered() -> None:
    """Anyone who registers it would run code where it is installed."""
    named = re.compile(
        r"pip3? install[^\n`]*(?<![\w./-])licet(?![\w./-])|requirements: *licet|install `licet\["
    )
    tracked = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("src/licet/**/*.py"),
        *ROOT.glob("deploy/*"),
    ]
    assert [
        path.name for path in tracked if path.is_file() and named.search(path.read_text("utf-8"))
    ] == []
    assert named.search("    pip install licet")
    assert named.search("proxy/bin/pip install --quiet licet cryptography")
