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
from licet.host import Host
from licet.host.settings import HostSettings
from licet.webhooks import endpoints

from ..waiting import wait_until
from ..web import npm
from ..web.served import listening
from .test_host import HEARD_OF_HOLD, Beside, Gates, beside, hold_and_delete, open_gates

__all__ = ["beside", "open_gates"]  # fixtures


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
    endpoints.add(beside.world.installation, "archive", None)
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


RECORD = """
import {{ Host }} from {index};
const warnings = [];
const log = (message) => warnings.push(message);
const host = new Host({{ url: {url}, keyFile: {key}, spool: {spool}, log }});
await host.verify();
const permit = await host.gate("host:ana");
const turns = [300, 300, 300, 3000].map((size, number) =>
  ({{ conversation: "host:c", id: String(number), text: "x".repeat(size) }}));
await host.record(permit, turns);
while (await host.waiting()) await new Promise((done) => setTimeout(done, 20));
await host.close();
process.stdout.write(JSON.stringify([Object.fromEntries(host.counts), warnings]));
"""


def test_turns_wait_while_a_proxy_answers_and_are_sent_in_requests_as_large_as_it_takes(
    built: Path, open_gates: tuple[Gates, Host], tmp_path: Path
) -> None:
    server, _ = open_gates
    server.proxy_status, server.body_bytes_max = 400, 2_000
    given = {"url": server.url, "key": str(tmp_path / "key"), "spool": str(tmp_path / "node")}
    program = RECORD.format(
        index=json.dumps(str(built / "index.js")),
        **{name: json.dumps(value) for name, value in given.items()},
    )
    with subprocess.Popen(
        ["node", "--input-type=module", "--eval", program], stdout=subprocess.PIPE, text=True
    ) as running:
        wait_until(lambda: server.proxied > 2, alive=lambda: running.poll() is None)
        assert server.taken == []
        server.proxy_status = 0
        printed, _ = running.communicate(timeout=600)
    counts, warnings = json.loads(printed)
    assert counts == {"spooled": 4, "delivered: done": 3, "refused: too_large": 1}
    assert server.taken == ["0", "1", "2"]
    assert any("not delivered, again in" in one for one in warnings)
    assert any("not recorded: too_large" in one for one in warnings)
    assert "xxx" not in "".join(warnings)


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
