"""Clients that public generators make from the API's description compile, and the one in Python is
answered.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..plugins import beside
from . import npm
from .served import NOTICE, World, url, world

__all__ = ["url", "world"]

# What the generator cannot make, as bodies and answers that are lines or protobuf have no model;
# `licet.client` has them.
NOT_MADE = {"/v1/turns:bulk", "/v1/otlp/v1/traces", "/v1/accounts/{account}/export"}
GENERATORS = {
    "openapi-typescript": "7.13.0",
    "@hey-api/openapi-ts": "0.88.0",
    "typescript": "5.9.3",
}
STRICT = {
    "strict": True, "target": "es2022", "module": "es2022", "moduleResolution": "bundler", "noEmit": True, "types": [],
    "lib": ["es2022", "dom", "dom.iterable"],
}  # fmt: skip
HOST = """import type { paths } from "./types";
import { getGate, say } from "./client";

type Said = paths["/v1/turns"]["post"]["requestBody"]["content"]["application/json"];
const turn: Said = { account: "host:ada", text: "hello" };
const gate = await getGate({ path: { account: "host:ada" } });
if (gate.data?.may_write) await say({ body: turn });
// @ts-expect-error: an account is needed
const none: Said = { text: "hello" };
void none;
"""


@pytest.fixture
def description(url: str, tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_bytes(httpx.get(f"{url}/openapi.json").content)
    return file


@pytest.fixture
def generated(description: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A client by openapi-python-client, as a package that can be imported; what the generator
    said.
    """
    beside.needed()
    made = subprocess.run(
        [
            beside.LITELLM.with_name("openapi-python-client"),
            "generate",
            "--path",
            description,
            "--meta",
            "none",
            "--output-path",
            tmp_path / "generated_api",
        ],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    monkeypatch.syspath_prepend(tmp_path)
    yield made.stdout + made.stderr
    for name in [name for name in sys.modules if name.partition(".")[0] == "generated_api"]:
        del sys.modules[name]


def test_a_python_client_has_every_operation_and_is_answered(
    generated: str, description: Path, url: str, world: World, tmp_path: Path
) -> None:
    left_out = set(re.findall(r"WARNING parsing [A-Z]+ (\S+) within", generated))
    assert left_out == NOT_MADE
    compiled = subprocess.run(
        [sys.executable, "-m", "compileall", "-q", tmp_path / "generated_api"], capture_output=True
    )
    assert compiled.returncode == 0
    paths = json.loads(description.read_bytes())["paths"]
    wanted = {
        one["operationId"]
        for path, item in paths.items()
        if path not in NOT_MADE
        for one in item.values()
    }
    made = {file.stem for file in (tmp_path / "generated_api" / "api").glob("*/*.py")}
    assert wanted <= made
    world.clock.set(NOTICE)
    client = importlib.import_module("generated_api").AuthenticatedClient(
        base_url=url, token=world.service()["authorization"].removeprefix("Bearer ")
    )
    models, api = importlib.import_module("generated_api.models"), "generated_api.api"

    def send(operation: str, *words: str, **more: Any) -> Any:
        (tag,) = (
            file.parent.name
            for file in (tmp_path / "generated_api" / "api").glob(f"*/{operation}.py")
        )
        return importlib.import_module(f"{api}.{tag}.{operation}").sync(
            *words, client=client, **more
        )

    opened = send("open_account", body=models.NewAccount(host="ada", plan="pro", age=36))
    assert opened.account.startswith("acc_")
    chosen = send("choose", "host:ada", body=models.NewChoice(allow=True, question="training"))
    assert [one.effect.value for one in chosen.answers] == ["began"]
    gate = send("get_gate", "host:ada")
    assert gate.may_write
    taken = send(
        "say", body=models.NewTurn(account="host:ada", conversation="host:chat", text="hello")
    )
    assert taken.outcome.value == "done"
    refused = send("get_gate", "host:nobody")
    assert (refused.status, refused.type_) == (404, "urn:licet:problem:not_found")


def test_typescript_clients_compile_and_know_what_a_request_needs(
    description: Path, tmp_path: Path
) -> None:
    (tmp_path / "package.json").write_text(
        json.dumps({"private": True, "type": "module", "dependencies": GENERATORS})
    )
    npm.run(tmp_path, "install")
    npm.run(
        tmp_path,
        "exec",
        "--",
        "openapi-typescript",
        str(description),
        "-o",
        "types.d.ts",
        "--default-non-nullable",
        "false",
    )
    npm.run(tmp_path, "exec", "--", "openapi-ts", "-i", str(description), "-o", "client")
    (tmp_path / "host.ts").write_text(HOST, "utf-8")
    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": STRICT, "include": ["client", "*.ts"]})
    )
    assert npm.run(tmp_path, "exec", "--", "tsc", "-p", ".") == "", "tsc names no error"
