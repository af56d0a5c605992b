"""The quickstarts work as they are written: their commands are run, with ports and environments of this test's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Databases
from .plugins.beside import ANSWER, LITELLM, MASTER_KEY, free_port, needed

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "quickstart"
RUN = '#!/bin/sh\nexec "{python}" -c "from licet.cli import main; main()" "$@"\n'
SECONDS_MAX = 900


def blocks(page: str) -> dict[str, str]:
    """The page's code by its kind: `sh licet`, `yaml`, ..."""
    text = (PAGES / page).read_text("utf-8")
    return dict(re.findall(r"(?ms)^```([a-z][a-z ]*)\n(.*?)^```", text))


def typed(folder: Path, script: str, dsn: str, ports: dict[str, int]) -> str:
    """What a shell prints that is given these commands; ``ports`` are put for those of the page."""
    run = folder / "run"
    run.write_text(RUN.format(python=sys.executable))
    run.chmod(0o755)
    for was, now in ports.items():
        script = script.replace(f":{was}", f":{now}").replace(f"--port {was}", f"--port {now}")
    script = script.replace("./run serve", f"./run serve --port {ports['8787']}")
    begin = "set -eu\ntrap 'kill $(jobs -p); wait' EXIT\n"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("LICET_", "OTEL_", "LITELLM_"))
    }
    ran = subprocess.run(
        ["bash", "-c", begin + script], cwd=folder, env={**environment, "LICET_DATABASE_URL": dsn},
        capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    assert ran.returncode in (0, 143), ran.stderr
    return ran.stdout


def usable(out: str) -> list[tuple[int, str]]:
    """The conversations that the last answer lists: turns, and whether they may be used."""
    listed, _ = json.JSONDecoder().raw_decode(out, out.rindex('{"items"'))
    return [(one["turns"], one["badges"][0]["use"]) for one in listed["items"]]


def test_opentelemetry(tmp_path: Path, databases: Databases) -> None:
    page = blocks("opentelemetry.md")
    (tmp_path / "ask.py").write_text(page["python"])
    script = page["sh licet"] + page["sh exporter"] + page["sh try"].replace("app/bin/python", sys.executable)
    assert usable(typed(tmp_path, script, databases(), {"8787": free_port()})) == [(2, "whole")]


def test_litellm(tmp_path: Path, databases: Databases) -> None:
    needed()
    page = blocks("litellm.md")
    assert ANSWER in page["yaml"]
    assert MASTER_KEY in page["yaml"]
    (tmp_path / "config.yaml").write_text(page["yaml"])
    (tmp_path / "proxy").symlink_to(LITELLM.parents[1])
    ports = {"8787": free_port(), "4000": free_port()}
    wait = "".join(
        f"until curl -sf -o /dev/null http://127.0.0.1:{ports[port]}/{path}; do sleep 0.2; done\n"
        for port, path in (("8787", "readyz"), ("4000", "health/liveliness"))
    )
    script = page["sh licet"] + "export LITELLM_LOCAL_MODEL_COST_MAP=True\n" + page["sh proxy"] + wait + page["sh try"]
    listing = page["sh try"].strip().splitlines()[-1]
    assert "sleep 2\n" in script  # which is enough where nothing else runs
    script = script.replace("sleep 2\n", f"until {{ {listing}; }} | grep -q turns.:2; do sleep 0.2; done\n")
    assert usable(typed(tmp_path, script, databases(), ports)) == [(2, "whole")]


@pytest.mark.parametrize("page", ["litellm.md", "opentelemetry.md"])
def test_a_page_names_every_setting_and_every_outcome(page: str) -> None:
    from licet.intake.spans import Dropped
    from licet.plugins.settings import Settings

    text = (PAGES / page).read_text("utf-8")
    words = [name.upper() for name in Settings.__struct_fields__] if page == "litellm.md" else list(Dropped)
    assert [word for word in words if f"`{word}`" not in text] == []
