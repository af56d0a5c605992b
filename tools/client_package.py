"""Makes the npm package `@licet/client` from the API's description and `packages/client/src`.

    python -m tools.client_package [FOLDER]    # compiles it into FOLDER, or `packages/client/build`
    python -m tools.client_package --generate  # writes what is generated in `src` anew

`api.ts` has the types, by openapi-typescript, `operations.ts` how each operation is sent, from the
routes themselves, and `reasons.ts` the codes of `licet.client`. They are committed;
`tests/client/test_package.py` holds them to the API. They have what a person's token or a service's
key may call: what needs a session of staff belongs to the console. The compilers are those of
`packages/client/compiler`, whose lock has hashes and no addresses: npm takes them from the registry
that it is set to.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from litestar.routes import HTTPRoute

from licet import __version__
from licet.access.roles import May
from licet.client.reasons import TABLE
from licet.web.api import problems, reference
from licet.web.app import routed

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "packages" / "client"
BUILD = SOURCE / "build"
COMPILER = SOURCE / "compiler"
JSON = "application/json"
KEY = "Idempotency-Key"
Operations = dict[str, tuple[str, str, dict[str, Any]]]


def description() -> dict[str, Any]:
    """Returns the API's description without operations that no token or key may call, and without
    refusals, which are all a `Problem`.
    """
    app = routed()
    may: dict[str, May] = {
        reference.operation_id(handler, None, None): handler.opt["may"]
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if "may" in handler.opt
    }
    document: dict[str, Any] = json.loads(reference.description(app))
    for path, item in list(document["paths"].items()):
        for method, one in list(item.items()):
            allowed = may[one["operationId"]]
            if not (allowed.person or allowed.scope or allowed.anybody or allowed.known):
                del item[method]
                continue
            one["responses"] = {
                status: said for status, said in one["responses"].items() if status < "300"
            }
        if not item:
            del document["paths"][path]
    _keep_used(document)
    return document


def operations(document: dict[str, Any]) -> Operations:
    """Returns method, path and description of each operation by its id, sorted."""
    return dict(
        sorted(
            (one["operationId"], (method.upper(), path, one))
            for path, item in document["paths"].items()
            for method, one in item.items()
        )
    )


def table(document: dict[str, Any]) -> str:
    """Returns `operations.ts`: how each operation is sent and read, and the types of problems."""
    lines = [f"  {name}: {_entry(*about)}," for name, about in operations(document).items()]
    types = sorted(
        {name for _, name, _ in problems.TYPES} | {name for name, _ in problems.OF_STATUS.values()}
    )
    named = "\n".join(f'  | "{name}"' for name in types)
    return (
        "// Made by `python -m tools.client_package --generate`: do not change it by hand.\n\n"
        "/** How each operation is sent and read; `once`: with an `Idempotency-Key`. */\n"
        f"export const OPERATIONS = {{\n{chr(10).join(lines)}\n}} as const;\n\n"
        "export type OperationName = keyof typeof OPERATIONS;\n\n"
        "/** The types of problems, without `urn:licet:problem:`. */\nexport type ProblemType "
        f"=\n{named};\n"
    )


def types(document: dict[str, Any], compiler: Path, scratch: Path) -> str:
    """Returns `api.ts`, by openapi-typescript."""
    written, into = scratch / "openapi.json", scratch / "api.ts"
    written.write_text(json.dumps(document), "utf-8")
    words = ["openapi-typescript", str(written), "-o", str(into), "--default-non-nullable", "false"]
    subprocess.run(["npm", "exec", "--", *words], cwd=compiler, check=True, capture_output=True)
    return into.read_text("utf-8")


def install(into: Path) -> None:
    """Installs the locked compilers in the folder ``into``."""
    into.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(COMPILER / name, into / name)
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts"]
    subprocess.run(["npm", "ci", *quiet], cwd=into, check=True, capture_output=True)


def write(folder: Path, compiler: Path, source: Path = SOURCE) -> None:
    """Compiles the whole package of ``source`` to the fresh ``folder``; ``compiler`` is the folder
    of `install`.
    """
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    program = compiler / "node_modules" / "typescript" / "bin" / "tsc"
    words = ["node", str(program), "-p", str(source), "--outDir", str(folder.absolute())]
    ran = subprocess.run(words, check=False, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"error: the client does not compile:\n{ran.stdout}{ran.stderr}")
    package = json.loads((source / "package.json").read_text("utf-8"))
    (folder / "package.json").write_text(
        json.dumps({**package, "version": __version__}, indent=2) + "\n", "utf-8"
    )
    for path in (source / "README.md", ROOT / "LICENSE"):
        shutil.copy(path, folder / path.name)


def generate(compiler: Path, scratch: Path) -> dict[str, str]:
    """Returns the generated files of `src`, by name."""
    document = description()
    return {
        "api.ts": types(document, compiler, scratch),
        "operations.ts": table(document),
        "reasons.ts": reasons(),
    }


def reasons() -> str:
    """Returns `reasons.ts`: the codes of `licet.client.reasons`, with their sentences and
    remedies.
    """
    lines = [
        f"  {code}: [{json.dumps(said)}, {json.dumps(remedy)}]," for code, said, remedy in TABLE
    ]
    return (
        "// Made by `python -m tools.client_package --generate`: do not change it by hand.\n\n"
        "/** Why an answer is a no: each code with its sentence and what to do. */\n"
        f"export const REASONS = {{\n{chr(10).join(lines)}\n}} as const;\n\n"
        "export type ReasonCode = keyof typeof REASONS;\n"
    )


def _entry(method: str, path: str, one: dict[str, Any]) -> str:
    sent = list(one.get("requestBody", {}).get("content", {}))
    (read, *_) = [said["content"] for said in one["responses"].values()]
    once = any(each["name"] == KEY for each in one.get("parameters", ()))
    sends = JSON if JSON in sent or not sent else sent[0]
    # JSON described as a string is a signed file, whose bytes are kept
    lines = any(kind.startswith("text/") or kind.endswith("ndjson") for kind in read)
    text = lines or read.get(JSON, {}).get("schema") == {"type": "string"}
    reads = "text" if text else "json" if JSON in read else "bytes"
    said = {"method": method, "path": path, "sends": sends, "reads": reads, "once": once}
    return "{ " + ", ".join(f"{name}: {json.dumps(value)}" for name, value in said.items()) + " }"


def _keep_used(document: dict[str, Any]) -> None:
    """Removes unused schemas."""
    schemas = document["components"]["schemas"]
    used: set[str] = set()
    waiting: list[Any] = [document["paths"]]
    while waiting:
        match waiting.pop():
            case {"$ref": str() as named}:
                name = named.rsplit("/", 1)[1]
                if name not in used:
                    used.add(name)
                    waiting.append(schemas[name])
            case dict() as found:
                waiting.extend(found.values())
            case list() as several:
                waiting.extend(several)
    document["components"]["schemas"] = {
        name: schema for name, schema in schemas.items() if name in used
    }


def main(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        compiler = Path(scratch) / "compiler"
        install(compiler)
        if words == ["--generate"]:
            for name, text in generate(compiler, Path(scratch)).items():
                (SOURCE / "src" / name).write_text(text, "utf-8")
                print(SOURCE / "src" / name)
            return
        target = Path(words[0]) if words else BUILD
        write(target, compiler)
        print(target)


if __name__ == "__main__":
    main(sys.argv[1:])
