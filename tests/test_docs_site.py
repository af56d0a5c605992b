"""The site of the documentation: every page is in it, every link of it leads somewhere, and it asks
no other host.

It is built once, and opened as somebody without a network would: from the disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote, urldefrag

import pytest
from tools.docs_site.sources import OUTSIDE, pages, stage, with_links_moved
from tools.docs_site.versions import list_versions

from . import tiers
from .web import axe
from .web.browsing import MILLISECONDS_MAX, browser  # noqa: F401  # a fixture

ROOT = Path(__file__).parent.parent
VERSION = "1.0"
FETCHED = {
    "script": "src",
    "img": "src",
    "source": "src",
    "iframe": "src",
    "link": "href",
    "object": "data",
}
FORMAT = re.compile(r"url\((?!['\"]?(?:data:|#))([^)]+)\)|@import")


class Page(HTMLParser):
    """What a page names: its anchors, its links, and what a browser fetches for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.ids.add(named.get("id", ""))
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        if (
            tag in FETCHED
            and FETCHED[tag] in named
            and named.get("rel") not in ("next", "prev", "index", "search")
        ):
            self.fetched.append(named[FETCHED[tag]])
        if "srcset" in named:
            self.fetched += [part.split()[0] for part in named["srcset"].split(",")]


def build(root: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """A process apart: Sphinx leaves much behind in the one that it was in."""
    asked = ["--root", str(root), "--into", str(into), "--version", VERSION]
    return subprocess.run(
        [sys.executable, "-m", "tools.docs_site", *asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site")
    done = build(ROOT, made)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def site(folder: Path) -> dict[Path, Page]:
    return {
        path: Page(path.read_text("utf-8")) for path in sorted((folder / VERSION).rglob("*.html"))
    }


def test_every_page_of_the_documentation_is_in_the_site_and_in_its_navigation(folder: Path) -> None:
    navigation = Page((folder / VERSION / "index.html").read_text("utf-8")).links
    for path, target in pages(ROOT).items():
        made = target.replace(".md", ".html")
        assert (folder / VERSION / made).exists(), path
        if target != "index.md":
            assert made in navigation, (
                f"{path} is in no list of docs/index.md, nor of an index that it names"
            )
    assert len(pages(ROOT)) > 80
    assert set(OUTSIDE) < set(pages(ROOT))


def test_every_link_leads_to_a_page_and_an_anchor_that_is_there(site: dict[Path, Page]) -> None:
    wrong, count = [], 0
    for path, page in site.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            target, anchor = urldefrag(unquote(link))
            file = (path.parent / target).resolve() if target else path
            count += 1
            if not file.exists() or (anchor and anchor not in site[file].ids):
                wrong.append(f"{path.name}: {link}")
    assert wrong == []
    assert count > 5000


def test_no_page_fetches_anything_from_elsewhere(folder: Path, site: dict[Path, Page]) -> None:
    for path, page in site.items():
        for link in page.fetched:
            assert not re.match(r"[a-z]+:|//", link.removeprefix("data:")), f"{path.name}: {link}"
            assert (
                link.startswith("data:")
                or (path.parent / urldefrag(link)[0].split("?")[0]).exists()
            ), link
    for path in sorted(folder.rglob("*.css")):
        for match in FORMAT.finditer(path.read_text("utf-8")):
            assert match[1] and not re.match(r"['\"]?(?:[a-z]+:|//)", match[1]), (
                f"{path.name}: {match[0]}"
            )


# A fixture, asked for by its name.
def test_the_first_pages_search_dark_and_versions_work_from_a_disk(
    folder: Path,
    browser: Any,  # noqa: F811  # the fixture
) -> None:
    """Without a console error, and without a request that is no file."""
    (folder / "0.9").mkdir(exist_ok=True)
    (folder / "0.9" / "index.html").write_text("<!doctype html><title>Before</title>")
    list_versions(folder)
    context = browser.new_context(color_scheme="light")
    context.set_default_timeout(MILLISECONDS_MAX)
    page = context.new_page()
    said: list[str] = []
    page.on(
        "console",
        lambda one: one.type in ("error", "warning") and said.append(f"{page.url}: {one.text}"),
    )
    page.on("pageerror", lambda one: said.append(f"{page.url}: {one}"))
    page.on("request", lambda one: one.url.startswith(("file:", "data:")) or said.append(one.url))
    page.goto((folder / "index.html").as_uri())
    page.wait_for_url(f"**/{VERSION}/index.html")

    page.get_by_role("textbox", name="Search").fill("rotated destroyed epoch")
    page.keyboard.press("Enter")
    page.locator("#search-results").get_by_role("link", name="Keys: rotate them").click()
    page.wait_for_url("**/keys.html*")
    assert page.locator("h1").inner_text().startswith("Keys")

    light = background(page)
    page.locator(".theme-toggle-header:visible, .theme-toggle-content:visible").first.click()
    assert background(page) != light
    page.goto((folder / VERSION / "decide.html").as_uri())
    assert background(page) != light  # it is remembered

    page.get_by_label("Version").select_option("0.9")  # which lacks the page
    page.wait_for_url("**/0.9/index.html")
    assert said == []
    context.close()


QUESTIONS = """
webhook signature: events
gate: decide
legal hold: erase
rotate keys: keys
delete a conversation: erase
certificate of erasure: erase
restore a backup: backup
import chatgpt export: import
litellm: quickstart/litellm
open webui: quickstart/open-webui
claude code: quickstart/claude-code
build a training set: release
train on multiple gpus: train
recall: release
export rows: export
verify a receipt: verify
witness: audit
publish a notice: notices
translate the notice: languages
react component: elements
api key: api
typescript client: client
fastapi: host
outage: host
withdraw: decide
retention period: decide
minors: decide
environment variables: configuration
kubernetes: install
upgrade: operate
alerts: runbooks/index
several hosts: many-hosts
s3: cold
subject access request: requests
dpia: for-counsel
names replaced: curate
which model learned: lineage
threat model: security
console roles: console
existing users: you-already-have-users
"""


# A fixture, asked for by its name.
def test_a_question_finds_the_page_of_its_task_first(
    folder: Path,
    browser: Any,  # noqa: F811  # the fixture
) -> None:
    page = browser.new_page()
    page.set_default_timeout(MILLISECONDS_MAX)
    wrong = []
    for line in QUESTIONS.split("\n")[1:-1]:
        question, wanted = line.split(": ")
        page.goto(f"{(folder / VERSION / 'search.html').as_uri()}?q={quote_plus(question)}")
        first = page.locator("#search-results li > a").first.get_attribute("href")
        if first.split(".html")[0] != wanted:
            wrong.append(f"{question}: {first}, not {wanted}")
    page.close()
    assert wrong == []


def test_no_page_is_wider_than_a_phone(folder: Path, browser: Any) -> None:  # noqa: F811 a fixture
    """A run looks at a quarter of the pages, another one each day."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(MILLISECONDS_MAX)
    wide, share = [], 1 if tiers.WHOLE else 4
    for file in sorted((folder / VERSION).rglob("*.html"))[tiers.SIXTEENTH % share :: share]:
        page.goto(file.as_uri(), wait_until="domcontentloaded")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            wide.append(f"{file.name}: {width}")
    page.close()
    assert wide == []


def test_the_first_page_sends_each_reader_on_and_its_picture_follows_the_scheme(
    folder: Path,
    browser: Any,  # noqa: F811  # the fixture
) -> None:
    page = browser.new_page(color_scheme="dark", viewport={"width": 1440, "height": 900})
    page.set_default_timeout(MILLISECONDS_MAX)
    page.goto((folder / VERSION / "index.html").as_uri())
    cards = page.locator(".sd-card")
    assert cards.count() == 6
    for place in range(6):
        box = cards.nth(place).bounding_box()
        assert box["y"] + box["height"] < 900, cards.nth(place).inner_text()
    assert page.locator("img.only-light:visible").count() == 0
    assert page.locator("img.only-dark:visible").count() == 3
    cards.filter(has_text="An auditor").click()
    page.wait_for_url("**/audit.html")
    page.close()


def test_a_block_is_copied_by_one_click_and_a_language_chosen_once(
    folder: Path,
    browser: Any,  # noqa: F811  # the fixture
) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(MILLISECONDS_MAX)
    page.goto((folder / VERSION / "api.html").as_uri())
    page.get_by_text("Python", exact=True).first.click()
    block = page.locator(".highlight-python:visible").first
    assert "from licet.client import" in block.inner_text()
    assert page.locator(".highlight-js:visible").count() == 0
    block.hover()
    block.locator("button.copybtn").click()
    page.wait_for_function("document.querySelector('.copybtn.success')")
    assert page.evaluate("navigator.clipboard.readText()") == block.locator(
        "pre"
    ).inner_text().rstrip("\n")
    assert page.locator(".highlight-text button.copybtn").count() == 0  # what is printed
    context.close()


def test_what_axe_looks_for_is_in_order_light_and_dark(folder: Path, browser: Any) -> None:  # noqa: F811 a fixture
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.set_default_timeout(MILLISECONDS_MAX)
        for name in ("index", "api", "decide", "routes", "search"):
            page.goto((folder / VERSION / f"{name}.html").as_uri())
            assert axe.violations(page) == [], (scheme, name)
        page.close()


def background(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


# The parts


def test_links_are_moved_with_their_pages_and_code_is_left_alone() -> None:
    moved = {"docs/a.md": "a.md", "docs/x/b.md": "x/b.md", "README.md": "readme.md"}
    text = (
        "[a](docs/a.md#b) [w](https://a.example/docs/a.md) `[a](docs/a.md)`\n\n    "
        "[a](docs/a.md)\n\n[a](docs/x/b.md)\n"
    )
    assert with_links_moved(text, "README.md", moved) == text.replace(
        "[a](docs/a.md#b)", "[a](a.md#b)", 1
    ).replace("(docs/x/b.md)", "(x/b.md)")
    assert (
        with_links_moved("[r](../../README.md) [a](../a.md)\n", "docs/x/b.md", moved)
        == "[r](../readme.md) [a](../a.md)\n"
    )
    picture = '<p>\n<img src="docs/screenshots/n.png" alt="N">\n</p>\n'
    assert (
        with_links_moved(picture, "README.md", moved) == '<img src="screenshots/n.png" alt="N">\n'
    )


def test_the_newest_version_is_the_first(tmp_path: Path) -> None:
    for name in ("0.9", "0.10", "next", "0.2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text("")
    assert list_versions(tmp_path) == ["0.10", "0.9", "0.2", "next"]
    assert "0.10/index.html" in (tmp_path / "index.html").read_text("utf-8")


def root_of(folder: Path, page: str) -> Path:
    """A repository of the pages that a site must have, one of which says ``page``."""
    root = folder / "root"
    for path in OUTSIDE:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"# {path}\n")
    listed = "".join(f"- [{path}]({os.path.relpath(path, 'docs')}): it.\n" for path in OUTSIDE)
    (root / "docs" / "screenshots").mkdir(exist_ok=True)
    (root / "docs" / "index.md").write_text(f"# All\n\n## Start\n\n{listed}\n- [P](p.md): p.\n")
    (root / "docs" / "p.md").write_text(f"# P\n\n{page}\n")
    (root / "docs" / "search.csv").write_text("page,words\np.md,it\n")
    return root


@pytest.mark.parametrize(
    "page",
    [
        "<script src='https://evil.example/x.js'></script>",
        "<SCRIPT>alert(1)</SCRIPT>",
        "a <img src='x' onerror='alert(1)'> b",
        "<iframe src='/x'></iframe>",
        "<svg/onload=alert(1)>",
        "[x](javascript:alert(1))",
        "<style>*{}</style>",
        "![x](https://evil.example/pixel.png)",
        "![x](//evil.example/pixel.png)",
        '<img src="https://evil.example/pixel.png">',
        "<a href='x'>x</a>",
    ],
)
def test_a_page_that_would_run_or_fetch_something_is_refused(tmp_path: Path, page: str) -> None:
    moved = root_of(tmp_path, page)
    with pytest.raises(ValueError, match=r"docs/p.md: .* no markup"):
        stage(moved, tmp_path / "source")


def test_code_that_shows_markup_is_no_markup(tmp_path: Path) -> None:
    stage(
        root_of(tmp_path, "`<script>` and\n\n    <script>x</script>\n\n```\n<script>\n```\n"),
        tmp_path / "source",
    )
    assert "<script>" in (tmp_path / "source" / "p.md").read_text()


@pytest.mark.parametrize("link", ["../../outside.txt", "../.env", "../.git/config", "linked.txt"])
def test_a_link_out_of_the_repository_copies_nothing(tmp_path: Path, link: str) -> None:
    root = root_of(tmp_path, f"[x]({link})")
    for path in (tmp_path / "outside.txt", root / ".env", root / ".git" / "config"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("secret")
    (root / "docs" / "linked.txt").symlink_to(tmp_path / "outside.txt")
    (tmp_path / "source").mkdir()
    for named in (link, f"docs/{link}"):  # as the page says it, and as it leads from the site
        (root / "docs" / "p.md").write_text(f"# P\n\n[x]({named})\n")
        with contextlib.suppress(ValueError):
            stage(root, tmp_path / "source")
        shutil.rmtree(tmp_path / "source" / "screenshots", ignore_errors=True)
    copied = [
        path for path in tmp_path.rglob("*") if path.is_file() and path.read_text() == "secret"
    ]
    assert len([path for path in copied if not path.is_symlink()]) == 3, copied


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for path in OUTSIDE:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"# {path}\n")
    listed = "".join(f"- [{path}]({os.path.relpath(path, 'docs')}): it.\n" for path in OUTSIDE)
    (root / "docs" / "screenshots").mkdir(exist_ok=True)
    (root / "docs" / "search.csv").write_text("page,words\n")
    (root / "docs" / "index.md").write_text(f"# All\n\n## Start\n\n{listed}\n[no](nowhere.md)\n")
    done = build(root, tmp_path / "into")
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr
    (root / "docs" / "index.md").write_text(f"# All\n\n## Start\n\n{listed}")
    (root / "docs" / "forgotten.md").write_text("# Forgotten\n")
    done = build(root, tmp_path / "into")
    assert done.returncode == 1
    assert "forgotten.md" in done.stderr
