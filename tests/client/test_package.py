"""The npm package `@licet/client`: what it is generated from, the same bytes twice, and calls to a
real server.

Node runs `packages/client/test/client.test.mjs` with its own test runner; Deno and the page of the
docs make calls too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tools import client_package as package

from licet import __version__
from licet.client import Client, choose, open_account
from licet.web.api import problems, schema

from ..web import npm
from ..web.served import NOTICE, World, url, world
from .test_client import losing_wire

__all__ = ["url", "world"]

GOLDEN = bool(os.environ.get("TESTS_WRITE_GOLDEN"))
PAGE = package.ROOT / "docs" / "client.md"
DENO = "2.9.6"
SECONDS_MAX = 600
TYPED = """import { Licet, RefusedError, type CallRequest, type ErrorType, type Schemas } from "@licet/client";
const licet = new Licet("https://privacy.example.org", async () => "token", { attemptsMax: 2 });
const path = { account: "host:ana" };
const gate: Schemas["GateAnswer"] = await licet.send("get_gate", { path });
const checked = await licet.check("host:ana");
const may: boolean = checked.may_write;
if (checked.gate !== "unknown") console.log(checked.standings, gate.unanswered, may);
const file: string = await licet.send("get_certificate", { path: { erasure: "era_1" } });
const lines: string = await licet.send("export", { path: { account: "me" }, signal: AbortSignal.timeout(1) });
const bytes: Uint8Array = await licet.send("get_withdrawn", { path: { release: "october" } });
await licet.send("close_account", { path, key: "1" });
await licet.send("myself");
for await (const one of licet.items("list_choices", { path })) console.log(one.question, file, lines, bytes);
const asked: CallRequest<"choose"> = { path, body: { allow: true } };
const late: ErrorType = "no_answer";
await licet.send("choose", asked).catch((error) => error instanceof RefusedError && error.because === late);
// @ts-expect-error an account is needed
await licet.send("get_gate");
// @ts-expect-error there is no such operation
await licet.send("get_gates", { path });
// @ts-expect-error a choice says yes or no
await licet.send("choose", { path, body: {} });
// @ts-expect-error this operation has no body
await licet.send("get_gate", { path, body: {} });
// @ts-expect-error a gate is no list
licet.items("get_gate", { path });
// @ts-expect-error what needs a session of staff is not sent with a key
await licet.send("run_erasure", { path: { erasure: "era_1" }, body: {} });
"""
ON_DENO = """
import * as client from "%s/index.js";
import { roundtrip } from "%s";
const { account, seen } = await roundtrip(client, Deno.args[0], Deno.args[1], "deno");
console.log(JSON.stringify({ account, effects: seen.effects, may: seen.after.may_write, refused: seen.refused[1] }));
"""


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm.built_packages(tmp_path_factory) / "compiler"


@pytest.fixture(scope="module")
def built(compiler: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package where a program finds it by its name."""
    folder = tmp_path_factory.mktemp("host") / "node_modules" / "@licet" / "client"
    return shutil.copytree(compiler.with_name("node_modules") / "@licet" / "client", folder)


@pytest.fixture
def asked(world: World) -> Iterator[World]:
    world.clock.set(NOTICE)
    yield world


def test_the_generated_files_are_what_the_api_says(compiler: Path, tmp_path: Path) -> None:
    for name, text in package.generate(compiler, tmp_path).items():
        file = package.SOURCE / "src" / name
        if GOLDEN:
            file.write_text(text, "utf-8")
        assert file.read_text("utf-8") == text, f"{name}: python -m tools.client_package --generate"


def test_how_operations_are_sent_is_what_the_api_says() -> None:
    """The same of the table alone, which needs no npm."""
    document = package.description()
    if not GOLDEN:
        assert (package.SOURCE / "src" / "operations.ts").read_text("utf-8") == package.table(
            document
        )
    named = package.operations(document)
    assert {"choose", "get_gate", "say", "say_in_bulk", "lease_rows"} <= named.keys()
    assert not {"run_erasure", "make_api_key", "read_conversation"} & named.keys()
    for name, (_, _, one) in named.items():
        assert len(one["responses"]) == 1, f"{name} has one kind of success"


def test_what_is_written_by_hand_has_the_fields_of_the_server() -> None:
    sources = {
        name: (package.SOURCE / "src" / name).read_text("utf-8")
        for name in ("index.ts", "errors.ts")
    }
    for name, text, struct in (
        ("BulkItem", sources["index.ts"], schema.BulkItemAnswer),
        ("Problem", sources["errors.ts"], problems.Problem),
        ("Fault", sources["errors.ts"], problems.Fault),
    ):
        (body,) = re.findall(rf"export interface {name} {{\n(.*?)\n}}", text, re.DOTALL)
        fields = {field.encode_name for field in msgspec.structs.fields(struct)}
        assert set(re.findall(r"(?m)^  (\w+)\??:", body)) == fields - {"status"} | (
            fields & {"line"} and {"status"}
        )


def test_it_depends_on_nothing_and_its_lock_names_no_address() -> None:
    about = json.loads((package.SOURCE / "package.json").read_text("utf-8"))
    assert not {"dependencies", "peerDependencies", "scripts"} & set(about)
    for file in (package.SOURCE / "src").glob("*.ts"):
        named = re.findall(
            r'(?:from|import)\s*\(?"([^"]+)"',
            re.sub(r"(?ms)/\*.*?\*/", "", file.read_text("utf-8")),
        )
        assert set(named) <= {
            f"./{name}.js" for name in ("api", "errors", "operations", "reasons", "setup")
        }, file.name
    lock = json.loads((package.COMPILER / "package-lock.json").read_text("utf-8"))["packages"]
    pinned = {name: one for name, one in lock.items() if name}
    assert pinned and all(
        one["integrity"].startswith("sha512-") and "resolved" not in one for one in pinned.values()
    )


def test_two_builds_are_the_same_bytes_and_have_what_they_export(
    built: Path, compiler: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    package.write(again, compiler)
    hashes = set()
    for folder in (built, again):
        (packed,) = json.loads(
            npm.run(folder, "pack", "--json", "--pack-destination", str(tmp_path))
        )
        assert {one["path"] for one in packed["files"]} == {file.name for file in folder.iterdir()}
        hashes.add(hashlib.sha256((tmp_path / packed["filename"]).read_bytes()).hexdigest())
    assert len(hashes) == 1
    about = json.loads((built / "package.json").read_text("utf-8"))
    assert (about["name"], about["version"]) == ("@licet/client", __version__)
    assert all((built / path).is_file() for path in about["exports"]["."].values())


def test_the_compiler_knows_what_a_request_needs_and_what_it_answers(
    built: Path, compiler: Path
) -> None:
    host = built.parents[2]
    (host / "host.ts").write_text(TYPED, "utf-8")
    (host / "package.json").write_text('{"private": true, "type": "module"}')
    options = {
        "strict": True, "noEmit": True, "module": "nodenext", "target": "es2022", "types": [], "lib": ["es2022", "dom"],
    }  # fmt: skip
    (host / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": options, "files": ["host.ts"]})
    )
    program = compiler / "node_modules" / "typescript" / "bin" / "tsc"
    compiled = ran(["node", str(program), "-p", str(host)], host)
    assert (compiled.returncode, compiled.stdout) == (0, "")


def test_node_calls_a_real_server(built: Path, asked: World, url: str) -> None:
    with losing_wire(url, 1) as (cut, requests):
        told = {"url": url, "key": asked.key(), "cut": cut, "package": str(built)}
        tests = package.SOURCE / "test" / "client.test.mjs"
        done = ran(
            ["node", "--experimental-vm-modules", "--test", str(tests)],
            built,
            {"LICET_TEST": json.dumps(told)},
        )
    assert done.returncode == 0, done.stdout + done.stderr
    keys = [re.search(rb"(?i)idempotency-key: (\S+)", one) for one in requests]
    assert len(keys) == 2, "the answer to the first request was lost"
    assert keys[0] and keys[1] and keys[0][1] == keys[1][1]
    assert asked.rows("SELECT count(*) FROM choices WHERE NOT allow") == [
        (3,)
    ]  # of Node, of the worker, of the cut wire


def test_deno_calls_a_real_server(built: Path, asked: World, url: str, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(
        json.dumps({"private": True, "dependencies": {"deno": DENO}})
    )
    npm.run(tmp_path, "install")
    program = next((tmp_path / "node_modules" / "@deno").glob("*/deno"), None)
    if program is None:
        npm.absent("there is no Deno for this machine")
    shutil.copy(package.SOURCE / "test" / "roundtrip.mjs", tmp_path / "roundtrip.mjs")
    (tmp_path / "day.mjs").write_text(ON_DENO % (built, tmp_path / "roundtrip.mjs"))
    words = [
        "run",
        "--quiet",
        "--no-remote",
        "--no-config",
        f"--allow-net={url.removeprefix('http://')}",
    ]
    done = ran(
        [str(program), *words, "day.mjs", url, asked.key()],
        tmp_path,
        {"DENO_DIR": str(tmp_path / "cache"), "DENO_NO_UPDATE_CHECK": "1"},
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen.pop("account").startswith("acc_")
    assert seen == {"effects": ["began"], "may": True, "refused": "must_decide"}


def test_the_page_of_the_client_does_what_it_shows(built: Path, asked: World, url: str) -> None:
    (program,) = re.findall(r"(?s)```js\n(.*?)```", PAGE.read_text("utf-8"))
    (shown,) = re.findall(r"(?s)```text\n(.*?)```", PAGE.read_text("utf-8"))
    (built.parents[2] / "page.mjs").write_text(program, "utf-8")
    done = ran(["node", "page.mjs"], built.parents[2], {"URL": url, "KEY": asked.key()})
    assert (done.stdout, done.returncode) == (shown, 0), done.stderr


def test_the_page_of_the_api_does_the_same_in_typescript(
    built: Path, asked: World, url: str
) -> None:
    """Its commands and its Python are run by the walk through the page."""
    page = PAGE.with_name("api.md").read_text("utf-8")
    (program,) = re.findall(r"(?s)```js\n(.*?)```", page)
    (built.parents[2] / "calls.mjs").write_text(program, "utf-8")
    with Client(url, asked.key()) as client:
        client.send(open_account("ana", plan="pro", age=30))
        client.send(choose("host:ana", allow=True))
    done = ran(["node", "calls.mjs"], built.parents[2], {"URL": url, "KEY": asked.key()})
    assert (done.stdout, done.returncode) == ("open done\n", 0), done.stderr


def test_the_page_names_each_class_of_error_and_each_option() -> None:
    page = PAGE.read_text("utf-8")
    sources = "".join(file.read_text("utf-8") for file in (package.SOURCE / "src").glob("[ei]*.ts"))
    for name in re.findall(r"export class (\w+Error)\b", sources):
        assert f"`{name}`" in page, name
    (options,) = re.findall(r"(?s)export interface ClientOptions {\n(.*?)\n}", sources)
    (call,) = re.findall(r"(?s)export interface CallOptions {\n(.*?)\n}", sources)
    for name in re.findall(r"(?m)^  (\w+)\?:", options + call):
        assert f"`{name}`" in page, name


def ran(
    words: list[str], folder: Path, more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A program that is given no setting of anyone who runs the tests."""
    kept = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1"}
    return subprocess.run(
        words,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=kept | (more or {}),
    )
