"""Builds the site of the documentation.

    ./run docs [--into FOLDER] [--version NAME]

The pages of docs/, with README.md and a few others, go into FOLDER/VERSION. FOLDER lists its
versions, so that each page links to the same page of another. The site requests nothing from other
hosts and can be opened from a disk. A broken link fails the build.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import build_main

from licet import __version__

from .sources import search_words, stage
from .versions import list_versions

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def build(root: Path, into: Path, version: str) -> int:
    """Builds the pages of ``root`` into ``into``/``version``; returns 0 without errors."""
    with tempfile.TemporaryDirectory(prefix="licet-docs-") as folder:
        source = Path(folder) / "source"
        stage(root, source)
        scorer = Path(folder) / "scorer.js"
        words = {page.removesuffix(".md"): named for page, named in search_words(root).items()}
        scorer.write_text(
            f"const licetSearchWords = {json.dumps(words)};\n"
            + (HERE / "scorer.js").read_text("utf-8"),
            "utf-8",
        )
        asked = [
            "-q",
            "-b",
            "html",
            "-c",
            str(HERE),
            "-d",
            f"{folder}/doctrees",
            "-D",
            f"release={version}",
            "-D",
            f"html_search_scorer={scorer}",
        ]
        failed = build_main([*asked, "--fail-on-warning", str(source), str(into / version)])
    if not failed:
        list_versions(into)
    return failed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run docs", description="Builds the site of the documentation."
    )
    parser.add_argument(
        "--into", type=Path, default=ROOT / "build" / "docs", help="the folder of all versions"
    )
    parser.add_argument(
        "--version", default=__version__, help="the name of this version (default: %(default)s)"
    )
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="the repository (default: this one)"
    )
    asked = parser.parse_args(arguments)
    try:
        failed = build(asked.root, asked.into.resolve(), asked.version)
    except ValueError as error:
        print(error, file=sys.stderr)
        failed = 1
    if failed:
        print("error: the site was not built", file=sys.stderr)
        print("hint: each line above names a page and what is wrong with it", file=sys.stderr)
        return 1
    print(asked.into.resolve() / asked.version / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
