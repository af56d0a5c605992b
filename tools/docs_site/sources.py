"""The site's sources: the repository's pages at their places in the site, with the tables of
contents.

The navigation is `docs/index.md` itself: a list of links under each heading. So readers of the
repository and of the site have the same order, and a page missing from the list fails the build.
The index of a folder of docs/ (`runbooks`, `adr`) lists the pages of its folder.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# Pages from outside docs/, with their names in the site.
OUTSIDE = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "bench/RESULTS.md": "bench.md",
    "docs/screenshots/README.md": "pictures.md",
}
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|[/#])([^)#\s]+)|(?<=<img src=\")([^\"]+)")
_BLOCK = re.compile(r"(?m)^ *```(?:.*\n)+?^ *```[ ]*$|(?:^ {4}.*\n)+|`[^`\n]*`")
_MARKUP = re.compile(
    r"</?(?!(?:p|img)[\s>])[a-z][a-z0-9-]*[\s>/]|\son[a-z]+\s*=|javascript:|!\[[^\]]*\]\([a-z]*:?//|src=.?[a-z]*:?//",
    re.I,
)
_TAB = re.compile(r"(?m)^\*\*([^*\n]+)\*\*[^\n]*\n\n((?:```\w*\n(?:.*\n)*?```\n\n?)+)")
_PICTURE = re.compile(r'<img src="([^"]+)-light((?:\.\w+)?\.png)"([^>]*)>')
READERS = "Who you are"  # the heading of docs/index.md whose list becomes cards
_ITEM = re.compile(r"^- \[([^\]]+)\]\(([^)#]+\.md)\)", re.MULTILINE)


def pages(root: Path) -> dict[str, str]:
    """Returns every page's path in the site by its path in the repository."""
    found = sorted(path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md"))
    return {**{path: path.removeprefix("docs/") for path in found}, **OUTSIDE}


def stage(root: Path, source: Path) -> None:
    """Copies the pages and their pictures into ``source``."""
    moved, words = pages(root), search_words(root)
    for path, target in moved.items():
        raw = (root / path).read_text("utf-8")
        _refuse_markup(raw, path)
        text = with_tabs(with_links_moved(raw, path, moved))
        text = with_both_schemes(text, root / "docs" / PurePosixPath(target).parent)
        if target == "index.md":
            text = with_cards(text)
        if PurePosixPath(target).name == "index.md":
            text += "".join(contents(text, caption=target == "index.md"))
        if target in words:  # found by the search as words of the page
            text = (
                f"---\nmyst:\n  html_meta:\n    keywords: {', '.join(words[target])}\n---\n\n{text}"
            )
        file = source / target
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        for other in _others(root, text, target, moved):
            (source / other).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / other, source / other)
    shutil.copytree(
        root / "docs" / "screenshots", source / "screenshots", ignore=shutil.ignore_patterns("*.md")
    )


def with_links_moved(text: str, path: str, moved: dict[str, str]) -> str:
    """Rewrites a page's links to their targets' places in the site, except in code."""
    here = PurePosixPath(moved[path]).parent

    def lead(match: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(path).parent / match[0])
        return os.path.relpath(moved.get(target, target.removeprefix("docs/")), here)

    made, end = "", 0
    for block in _BLOCK.finditer(text):
        made += _LINK.sub(lead, text[end : block.start()]) + block[0]
        end = block.end()
    made += _LINK.sub(lead, text[end:])
    return re.sub(r"(?m)^</?p[^>]*>\n", "", made)  # markup around pictures in README.md


def with_tabs(text: str) -> str:
    """Turns consecutive code blocks, each under a bold line that names its language (`**Python**`),
    into tabs. The choice holds on all pages.
    """

    def joined(run: re.Match[str]) -> str:
        tabs = [
            f":::{{tab-item}} {name}\n:sync: {name}\n\n{blocks.rstrip()}\n:::\n"
            for name, blocks in _TAB.findall(run[0])
        ]
        return "::::{tab-set}\n:sync-group: language\n\n" + "\n".join(tabs) + "::::\n\n"

    return re.sub(rf"(?m)(?:{_TAB.pattern.removeprefix('(?m)')}){{2,}}", joined, text)


def with_both_schemes(text: str, folder: Path) -> str:
    """Shows a picture `NAME-light.png`, or its `NAME-dark.png`, by the reader's colour scheme."""

    def both(picture: re.Match[str]) -> str:
        name, kind, rest = picture.groups()
        if not (folder / f"{name}-dark{kind}").exists():
            return picture[0]
        return "".join(
            f'<img src="{name}-{scheme}{kind}" class="only-{scheme}"{rest}>'
            for scheme in ("light", "dark")
        )

    return _PICTURE.sub(both, text)


def with_cards(text: str) -> str:
    """Turns the first page's list of readers into cards that link to their pages."""

    def cards(part: re.Match[str]) -> str:
        made = [
            f":::{{grid-item-card}} {title}\n:link: {path.removesuffix('.md')}\n:link-type: doc\n\n"
            f"{words.strip()}\n:::\n"
            for title, path, words in re.findall(
                _ITEM.pattern + r":((?:.|\n(?!-|\n))*)", part[0], re.M
            )
        ]
        return (
            f"## {READERS}\n\n::::{{grid}} 1 2 2 3\n:gutter: 3\n\n" + "\n".join(made) + "::::\n\n"
        )

    return re.sub(rf"(?m)^## {READERS}\n(?:(?!## ).*\n)*", cards, text)


def search_words(root: Path) -> dict[str, list[str]]:
    """Returns each page's additional search words (docs/search.csv), by its path in the site."""
    with (root / "docs" / "search.csv").open(encoding="utf-8", newline="") as file:
        words = {row["page"]: row["words"].split() for row in csv.DictReader(file)}
    if unknown := words.keys() - set(pages(root).values()):
        raise ValueError(f"docs/search.csv: no page is called {', '.join(sorted(unknown))}")
    return words


def _refuse_markup(text: str, path: str) -> None:
    """Raises ValueError for a page's own markup outside code: it could run or fetch something in a
    browser.
    """
    if found := _MARKUP.search(_BLOCK.sub("", text)):
        raise ValueError(
            f"{path}: `{found[0].strip()}`: a page has no markup but `p` and `img`, and no script"
        )


def _others(root: Path, text: str, target: str, moved: dict[str, str]) -> Iterator[str]:
    """Copies the linked files that are no pages to the site."""
    for match in _LINK.finditer(_BLOCK.sub("", text)):
        other = os.path.normpath(PurePosixPath(target).parent / match[0])
        if (
            other not in moved
            and PurePosixPath(other).suffix not in (".md", ".png")
            and (root / other).is_file()
        ):
            if not (root / other).resolve().is_relative_to(root.resolve()) or any(
                p.startswith(".") for p in other.split("/")
            ):
                raise ValueError(f"{target}: `{match[0]}` leads out of the repository")
            yield other


def contents(text: str, *, caption: bool) -> Iterator[str]:
    """Returns the tables of contents of an index: one a heading, or one of all its links."""
    for part in re.split(r"(?m)^## ", text)[1:] if caption else [text]:
        named = part.splitlines()[0]
        if named == READERS:
            continue
        listed = _ITEM.findall(part) if caption else [("", path) for path in _linked(part)]
        if listed:
            yield "\n```{toctree}\n:hidden:\n" + (f":caption: {named}\n" if caption else "") + "\n"
            yield (
                "".join(f"{title} <{path}>\n" if title else f"{path}\n" for title, path in listed)
                + "```\n"
            )


def _linked(text: str) -> list[str]:
    """Returns the pages of the same folder that an index links to, once each."""
    return list(dict.fromkeys(re.findall(r"\]\(([\w-]+\.md)\)", text)))
