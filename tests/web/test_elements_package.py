"""The npm package: the bytes that the server serves, types that hold, and a manifest that says what
is there.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from tools import elements_package as package

from licet import __version__, web

from . import npm
from .served import api, world

__all__ = ["api", "world"]

STATIC = Path(web.__file__).parent / "static" / "elements"
SOURCE = {path.name: path.read_text("utf-8") for path in sorted(STATIC.glob("*.js"))}
HOST = """import { LicetNotice, type Answer, type LicetNoticeAttributes } from "@licet/elements";
import "@licet/elements/badge.js";
const notice: LicetNotice = document.createElement("licet-notice");
notice.token = async () => "token";
notice.addEventListener("licet-answered", (event) => {
  const answers: Answer[] = event.detail.answers;
  console.log(answers[0].receipt.toUpperCase(), event.detail.answers[0].allow === true);
});
document.addEventListener("licet-put-off", (event) => console.log(event.detail.again.length));
const attributes: LicetNoticeAttributes = { base: "https://privacy.example.org", display: "dialog", theme: "auto" };
// @ts-expect-error there is no such display
const wrong: LicetNoticeAttributes = { display: "popup" };
// @ts-expect-error a state is read, not set
notice.state = "shown";
"""
TSCONFIG: dict[str, Any] = {
    "compilerOptions": {
        "strict": True, "noEmit": True, "module": "nodenext", "target": "es2022", "lib": ["es2022", "dom", "dom.iterable"],
        "types": [],
    },
    "files": ["host.ts"],
}  # fmt: skip


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    package.write(folder)
    return folder


def test_the_modules_of_the_package_are_the_bytes_that_the_server_serves(
    made: Path, api: TestClient[Any]
) -> None:
    names = {path.name for path in made.glob("*.js")}
    assert names == set(SOURCE)
    entry = api.get("/static/licet.js").text
    there = re.search(r'"\./([0-9a-f]{12}/elements/)index\.js"', entry)
    assert there is not None
    for name in names:
        assert (made / name).read_bytes() == api.get(f"/static/{there[1]}{name}").content, name


def test_the_package_depends_on_nothing_and_names_only_what_is_in_it(made: Path) -> None:
    about = json.loads((made / "package.json").read_text("utf-8"))
    assert (about["name"], about["version"]) == ("@licet/elements", __version__)
    assert not {"dependencies", "peerDependencies", "scripts"} & set(about)
    for target in about["exports"].values():
        for path in target.values() if isinstance(target, dict) else [target]:
            assert (made / path).is_file(), path
    for name, text in SOURCE.items():
        assert set(re.findall(r'from "([^"]+)"', text)) <= {f"./{one}" for one in SOURCE}, name


def test_the_package_packs_with_all_that_it_exports(made: Path) -> None:
    (packed,) = json.loads(npm.run(made, "pack", "--dry-run", "--json"))
    files = {one["path"] for one in packed["files"]}
    assert files == {path.name for path in made.iterdir()}


def test_the_manifest_says_what_the_modules_have() -> None:
    manifest = package.manifest()
    (shared,) = re.findall(r"observedAttributes = (\[.*?\])", SOURCE["element.js"])
    words = set(
        re.findall(r"(?m)^  (\w+):", SOURCE["element.js"].split("SAYS = ")[1].split("};")[0])
    )
    attributes = {*json.loads(shared), *words, "theme"} - {"lang"}
    names = re.findall(r'tell\("([a-z-]+)"', "".join(SOURCE.values()))
    (outcomes,) = re.findall(r"EVENTS = (\{.*?\})", SOURCE["element.js"])
    events = {f"licet-{name}" for name in (*names, *re.findall(r': "([a-z-]+)"', outcomes))}
    parts = set(
        re.findall(r"(?m)^  (\w+): ", SOURCE["fragment.js"].split("PARTS = ")[1].split("};")[0])
    )
    parts |= {
        part
        for text in SOURCE.values()
        for found in re.findall(r'part: "([a-z ]+)"', text)
        for part in found.split()
    }
    slots = set(re.findall(r'element\("slot", \{ name: "([a-z]+)"', SOURCE["element.js"]))
    known: set[str] = set()
    for module in manifest["modules"]:
        (declared,) = module["declarations"]
        assert f'define("{declared["tagName"]}", {declared["name"]});' in SOURCE[module["path"]]
        assert {one["name"] for one in declared["events"]} == events
        assert {one["name"] for one in declared["cssParts"]} == parts
        assert {one["name"] for one in declared["slots"]} == slots
        known |= {one["name"] for one in declared["attributes"]}
        for one in declared["attributes"]:
            assert re.search(rf"[\"'\[ ]{one['name']}\b", "".join(SOURCE.values())), one
    assert known == attributes
    assert len(manifest["modules"]) == 5


def test_the_page_of_the_components_names_all_that_the_manifest_has() -> None:
    page = (Path(__file__).parents[2] / "docs" / "elements.md").read_text("utf-8")
    for tag in package.ELEMENTS:
        assert f"`<licet-{tag}>`" in page
    for table in (package.ATTRIBUTES, package.EVENTS, package.PARTS, package.SLOTS):
        for name in table:
            assert f"`{name}`" in page, name


def test_types_hold_for_a_host_and_for_the_source_of_the_modules(
    made: Path, tmp_path: Path
) -> None:
    there = tmp_path / "node_modules" / "@licet" / "elements"
    there.parent.mkdir(parents=True)
    made.rename(there)
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    compiler = tmp_path / "compiler"
    compiler.mkdir()
    (compiler / "package.json").write_text(
        '{"private": true, "dependencies": {"typescript": "7.0.2"}}'
    )
    npm.run(compiler, "install")
    (tmp_path / "host.ts").write_text(HOST, "utf-8")
    (tmp_path / "tsconfig.json").write_text(json.dumps(TSCONFIG))
    assert npm.run(compiler, "exec", "--", "tsc", "-p", str(tmp_path)) == ""
    checked = {
        **TSCONFIG["compilerOptions"],
        "checkJs": True,
        "allowJs": True,
        "module": "es2022",
        "moduleResolution": "bundler",
    }
    source = {
        "compilerOptions": checked,
        "files": [str(path) for path in sorted(STATIC.glob("*.js"))],
    }
    (tmp_path / "source.json").write_text(json.dumps(source))
    assert npm.run(compiler, "exec", "--", "tsc", "-p", str(tmp_path / "source.json")) == "", (
        "tsc names no error"
    )
