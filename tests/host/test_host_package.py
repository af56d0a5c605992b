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

from licet.access.roles import Scope
from licet.host.settings import HostSettings
from licet.webhooks import endpoints

from ..web import npm
from ..web.served import listening
from .test_host import HEARD_OF_HOLD, Beside, beside, hold_and_delete

__all__ = ["beside"]  # a fixture


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm.built_packages(tmp_path_factory) / "node_modules" / "@licet" / "host"


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


FOLLOW = """
import {{ Host }} from {index};
const heard = [];
const onEvent = (event) => {{
  heard.push(event);
  if (heard.length === 3) process.stdout.write(JSON.stringify(heard));
  if (heard.length === 3) setImmediate(() => host.close());
}};
const host = new Host({{ url: {url}, keyFile: {key}, spool: {spool}, onEvent }});
await host.verify();
"""


def test_it_follows_what_must_be_held_and_what_must_leave(
    built: Path, beside: Beside, tmp_path: Path
) -> None:
    endpoints.add(beside.world.here, "archive", None)
    beside.key_file.write_text(
        beside.world.key(Scope.gate_read, Scope.turns_write, Scope.events_read)
    )
    conversation = hold_and_delete(beside.world)
    with listening(beside.world.app) as url:
        given = {"url": url, "key": str(beside.key_file), "spool": str(tmp_path / "spool")}
        program = FOLLOW.format(
            index=json.dumps(str(built / "index.js")),
            **{name: json.dumps(value) for name, value in given.items()},
        )
        done = subprocess.run(
            ["node", "--input-type=module", "--eval", program],
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout)
    assert [event["type"] for event in heard] == HEARD_OF_HOLD
    assert {event["data"]["conversation"] for event in heard} == {conversation}


def test_two_builds_are_the_same_bytes(built: Path, tmp_path: Path) -> None:
    hashes, again = set(), tmp_path / "again"
    host_package.write(again, built.parents[2] / "compiler", built.with_name("client"))
    for folder in (built, again):
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
