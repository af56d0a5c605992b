"""The npm package `@licet/host`: built from its source on the client, the same bytes twice, and its
spool as that of Python.

Node runs `packages/host/test/spool.test.mjs`; `test_apps.py` has the whole package in two programs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from tools import client_package, host_package

from licet.host.settings import HostSettings

from ..web import npm


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = tmp_path_factory.mktemp("compiler")
    try:
        client_package.install(compiler)
    except (OSError, subprocess.CalledProcessError) as error:
        npm.absent(f"npm ci failed: {error}")
    ours = tmp_path_factory.mktemp("host") / "node_modules" / "@licet"
    client_package.write(ours / "client", compiler)
    host_package.write(ours / "host", compiler, ours / "client")
    host_package.write(ours / "again", compiler, ours / "client")
    return ours / "host"


def test_its_spool_holds_what_the_one_in_python_holds(built: Path, tmp_path: Path) -> None:
    told = {"package": str(built), "folder": str(tmp_path)}
    tests = host_package.SOURCE / "test" / "spool.test.mjs"
    done = subprocess.run(
        ["node", "--test", str(tests)],
        env={"PATH": os.environ["PATH"], "LICET_TEST": json.dumps(told)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_two_builds_are_the_same_bytes(built: Path, tmp_path: Path) -> None:
    hashes = set()
    for folder in (built, built.with_name("again")):
        (packed,) = json.loads(
            npm.run(folder, "pack", "--json", "--pack-destination", str(tmp_path))
        )
        hashes.add(hashlib.sha256((tmp_path / packed["filename"]).read_bytes()).hexdigest())
    assert len(hashes) == 1
    about = json.loads((built / "package.json").read_text("utf-8"))
    assert about["name"] == "@licet/host"
    assert all(
        (built / path).is_file()
        for one in about["exports"].values()
        if isinstance(one, dict)
        for path in one.values()
    )


def test_the_page_lists_every_setting_of_both_languages() -> None:
    page = (client_package.ROOT / "docs" / "host.md").read_text("utf-8")
    source = (host_package.SOURCE / "src" / "index.ts").read_text("utf-8")
    (body,) = re.findall(r"(?s)export interface HostSettings {\n(.*?)\n}", source)
    for name in (
        *(one.upper() for one in HostSettings.__struct_fields__),
        *re.findall(r"(?m)^  (\w+)\??:", body),
    ):
        assert f"`{name}`" in page, name
