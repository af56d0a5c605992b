"""What goes over the wire: how much a component costs, what is compressed, and that no secret of a
session ever is.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from licet import web
from licet.policy.file import preset
from licet.store.connect import Pool
from licet.web import static_files
from licet.web.static_files import accepts_gzip, compact, compact_css

from .served import NOTICE, ApplicationClient, World, api, world

__all__ = ["api", "world"]

STATIC = Path(web.__file__).parent / "static"
NOTICE_BYTES_MAX, SET_BYTES_MAX = 12 * 1024, 25_000
GZIP = {"accept-encoding": "gzip"}


def wire(api: Any, path: str, headers: dict[str, str]) -> int:
    """The bytes of a body as they travel."""
    answer = api.get(path, headers={**headers, **GZIP})
    assert answer.status_code == 200, path
    assert answer.headers["content-encoding"] == "gzip", path
    return int(answer.headers["content-length"])


def loaded(api: Any, entry: str) -> list[str]:
    """The paths of an entry and of all that it imports."""
    found = [entry]
    for path in found:
        for there in re.findall(r'(?:from|import) "(\.[^"]+)"', api.get(path).text):
            absolute = str(api.base_url.join(path).join(there).path)
            if absolute not in found:
                found.append(absolute)
    return found


@pytest.mark.parametrize("name", ["article-2025", "strict"])
def test_the_notice_costs_less_than_twelve_kilobytes_and_all_components_less_than_twenty_five(
    pool: Pool, tmp_path: Path, name: str
) -> None:
    world = World(pool, tmp_path / "data", preset(name))
    world.open("ana", age=None)
    world.open("eve", allow=True)
    chat = world.say("eve", "Pear trees")
    world.clock.set(NOTICE)
    with ApplicationClient(world.app) as api:
        ana, eve = ({**world.person(name), "licet-fragment": "1"} for name in ("ana", "eve"))
        assert "radio" in api.get("/notice", headers=ana).text
        css, html = wire(api, "/static/licet.css", {}), wire(api, "/notice", ana)
        notice = sum(wire(api, path, {}) for path in loaded(api, "/static/elements/notice.js"))
        pages = ("/settings", "/chats", f"/chats/{chat}/badge", "/settings/receipts/newest")
        every = sum(wire(api, path, {}) for path in loaded(api, "/static/licet.js"))
        every += sum(wire(api, path, eve) for path in pages)
        every += wire(api, "/static/chats.css", {})  # which the list of chats asks for
    assert 3_000 < css + html + notice < NOTICE_BYTES_MAX
    assert 3_000 < css + html + every < SET_BYTES_MAX


def test_no_answer_that_holds_the_secret_of_a_session_is_compressed_whoever_asks(
    world: World, api: Any
) -> None:
    world.open("ana", allow=True)
    chat = world.say("ana", "Pear trees")
    world.clock.set(NOTICE)
    ana = world.browser("ana")
    paths = (
        "/settings",
        "/chats",
        f"/chats/{chat}",
        f"/chats/{chat}/delete",
        "/notice",
        "/feedback",
        "/",
    )
    for more in ({}, {"licet-fragment": "1"}):
        for path in paths:
            answer = api.get(path, headers={"cookie": ana["cookie"], **GZIP, **more})
            assert "content-encoding" not in answer.headers, (path, more)
    fragment = api.get(
        "/settings", headers={"cookie": ana["cookie"], **GZIP, "licet-fragment": "1"}
    )
    assert ana["x-csrf-token"] in fragment.text


def test_a_component_is_answered_compressed_and_without_a_secret(world: World, api: Any) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    ana = {**world.person("ana"), "licet-fragment": "1"}
    answer = api.get("/settings", headers={**ana, **GZIP})
    assert answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"]
    assert 'name="csrf"' not in answer.text
    plain = api.get("/settings", headers={**ana, "accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text.startswith('<div class="licet-page"')
    assert (
        "content-encoding"
        not in api.get("/settings", headers={**world.person("ana"), **GZIP}).headers
    )


def test_modules_stand_under_one_hash_that_never_changes_and_entries_lead_there(api: Any) -> None:
    for entry in ("/static/licet.js", "/static/elements/notice.js", "/static/elements/badge.js"):
        head, *modules = loaded(api, entry)
        assert api.get(head).headers["cache-control"] == "public, max-age=300"
        assert len(modules) >= 4
        for path in modules:
            answer = api.get(path, headers=GZIP)
            assert re.fullmatch(r"/static/[0-9a-f]{12}/elements/[a-z]+\.js", path)
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
            assert answer.content == static_files.body(path.split("/", 3)[3])
    every = {path.rpartition("/")[2] for path in loaded(api, "/static/licet.js")[1:]}
    assert (
        every
        == {path.name for path in (STATIC / "elements").glob("*.js")}
        == set(static_files.MODULES)
    )
    old = api.get("/static/000000000000/elements/index.js")
    assert old.headers["cache-control"] == "public, max-age=300", (
        "of an older version: the module of now, and not for good"
    )


def test_only_files_of_ours_are_served(api: Any) -> None:
    strange = (
        "/static/elements/nothing.js",
        "/static/elements/licet.css",
        "/static/notice.js",
        "/static/abc/licet.js",
        "/static/elements/..%2flicet.css",
        "/static/0/elements/",
        "/static/elements/elements/notice.js",
    )
    for path in strange:
        assert api.get(path).status_code == 404, path


def test_the_same_bytes_come_with_and_without_compression(api: Any) -> None:
    for path in (
        "/static/licet.css",
        "/static/console.css",
        "/static/licet.js",
        "/static/elements/notice.js",
    ):
        packed = api.get(path, headers=GZIP)
        plain = api.get(path, headers={"accept-encoding": "identity"})
        assert (packed.headers["content-encoding"], packed.content) == ("gzip", plain.content), path
        assert "content-encoding" not in plain.headers
        assert packed.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    ("header", "may"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("GZIP", True),
        ("identity, gzip; q=0.0", False),
    ],
)
def test_only_what_a_client_reads_is_sent(header: str, may: bool) -> None:
    assert accepts_gzip(header) is may


def test_comments_and_indentation_go_and_nothing_else() -> None:
    source = (
        "/** What it is. */\nexport const a = 1; // why\n\n  // a line\n  /* two\n lines */ "
        "const b = 'x';\n"
    )
    assert compact(source) == "export const a = 1;\nconst b = 'x';\n"
    assert (
        compact_css("a :hover {\n  color: red; /* why */\n}\n\nb { x: y }")
        == "a :hover{color: red;}b{x: y}\n"
    )
    for path in sorted(STATIC.rglob("*.css")):
        source = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
        strings = re.findall(r"\"[^\"]*\"|'[^']*'|url\([^)]*\)", source)
        assert [compact_css(one) for one in strings] == [f"{one}\n" for one in strings], path.name
    for path in sorted(STATIC.rglob("*.js")):
        text = path.read_text("utf-8")
        literals = re.findall(
            r"\"[^\"\n]*\"|'[^'\n]*'", re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
        )
        assert not [one for one in literals if "/*" in one or " //" in one], path.name
        made = compact(text)
        assert compact(made) == made, path.name
        assert len(gzip.compress(made.encode())) < len(gzip.compress(text.encode())), path.name
