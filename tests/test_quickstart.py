"""The quickstarts beside the programs that they are about: the page as it is written, and what
those programs do meanwhile.
"""

from __future__ import annotations

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
    done = []
    with Walk(tmp_path / "walk", databases(), person=allows) as walk:
        coder = Coder(tmp_path / "coder")
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
            (tmp_path / "event.json").write_text(json.dumps(event))
            names = " ".join(f"{name}={shlex.quote(value)}" for name, value in here.items())
            return walk.type(
                f"{names} {command} <{tmp_path}/event.json 2>>{tmp_path}/hook.err\n",
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
                assert json.loads(hook("UserPromptSubmit"))["reason"].endswith("/notice")
                done.append("stopped")
            if "licet watch" in step.code:
                assert hook("UserPromptSubmit") == ""
                session.exchange(hooks=False)
                assert hook("Stop") == ""
                seen = {"session_id": session.id, "cwd": str(session.folder)}
                assert called(settings()["statusLine"]["command"], seen).startswith(
                    "Licet: may be used until 20"
                )
                session.exchange(hooks=False)
                done.append("recorded")
        assert "4 recorded\n" in walk.printed
    assert done == ["stopped", "recorded"]


def test_open_webui(tmp_path: Path, databases: Databases) -> None:
    text = (PAGES / "open-webui.md").read_text("utf-8")
    person = re.search(r'"host": "([0-9a-f-]{36})"', text)
    assert person is not None
    with Walk(tmp_path, databases()) as walk:
        walk.do(PAGES / "open-webui.md")
        url = f"http://127.0.0.1:{walk.port('8787')}"
        valves = {
            "url": url,
            "key_file": str(tmp_path / "licet.key"),
            "spool": str(tmp_path / "spool"),
            "token_key_file": str(tmp_path / "token.key"),
        }
        pasted = next(
            step.code
            for step in steps(PAGES / "open-webui.md")
            if "plugins.open_webui" in step.code
        )
        host = Host(pasted, valves)
        with pytest.raises(PermissionError, match="decide how your chats may be used") as stopped:
            host.run(person[1], "c1", asked())
        host.loop.run(host.filter._recorder.aclose())
        host.loop.close()
        allows(str(stopped.value).rpartition(" ")[2])
        assert '"standings":{"training":"granted"}' in walk.type(
            f'curl -sf -H "Authorization: Bearer $(cat licet.key)" {url}/v1/accounts/host:{person[1]}/gate\n'
        )


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
