"""Lists the versions in a folder of sites: `versions.js`, which each page reads, and `index.html`,
which leads to the newest.

A script, not data: a page opened from a disk may load a script beside it, and nothing else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

FRONT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Licet</title>
<meta http-equiv="refresh" content="0; url={version}/index.html"></head>
<body><p><a href="{version}/index.html">The documentation of Licet {version}</a></p></body></html>
"""


def list_versions(folder: Path) -> list[str]:
    """Rewrites both files; returns the versions, newest first."""
    versions = sorted(
        (path.parent.name for path in folder.glob("*/index.html")), key=_order, reverse=True
    )
    held = [
        {
            "name": name,
            "pages": sorted(
                p.relative_to(folder / name).as_posix() for p in (folder / name).rglob("*.html")
            ),
        }
        for name in versions
    ]
    (folder / "versions.js").write_text(f"window.licetVersions = {json.dumps(held)};\n", "utf-8")
    (folder / "index.html").write_text(FRONT.format(version=versions[0]), "utf-8")
    return versions


def _order(name: str) -> tuple[bool, list[int], str]:
    """Sorts by the numbers of the name; a name without a number, as `next`, is the oldest."""
    numbers = [int(part) for part in re.findall(r"\d+", name)]
    return bool(numbers), numbers, name
