"""Makes the npm package `@licet/elements` from the modules that the server serves, byte for byte.

    python -m tools.elements_package [FOLDER]

writes it to FOLDER, or to `packages/elements/build`. Other files are in `packages/elements`; the
manifest (`custom-elements.json`) is made from the tables below, which
`tests/web/test_elements_package.py` compares with the source.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from licet import __version__
from licet.web import static_files

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "packages" / "elements"
BUILD = SOURCE / "build"

ATTRIBUTES = {
    "base": "The address of Licet",
    "surface": "Where it is shown, as it goes on record; `app` if nothing is said",
    "locale": "The language, as in Accept-Language; without it that of `lang`, or the browser's",
    "theme": "`light`, `dark` or `auto`; without it the host's color-scheme",
    "heading-level": "The level of the first heading, 2 if nothing is said",
    "loading": "The host's words while it loads",
    "failed": "The host's words where Licet does not answer",
    "offline": "The host's words where the browser is offline",
    "unsent": "The host's words where it is not known whether a form arrived",
    "retry": "The host's words on the button that tries again",
}
EVENTS = {
    "licet-shown": "A question is shown; of a badge, what it says",
    "licet-answered": "Answers were saved: `answers`",
    "licet-put-off": "The question rests until `again`",
    "licet-nothing": "There is nothing to say: `because`",
    "licet-refused": "The token does not hold, or there is no such thing: `status`",
    "licet-failed": "Licet did not answer: `sent`, `offline`, `status`",
    "licet-changed": "Something else than an answer was changed: `act`, `chat`",
    "licet-navigate": "A link is about to be followed: `path`; can be prevented",
}
PARTS = {
    "page": "All that Licet shows", "title": "The first heading", "heading": "The other headings", "form": "A form",
    "question": "A question with its answers", "answer": "One answer", "button": "A button, or a link like one",
    "field": "What is typed into or picked from", "status": "What was done", "errors": "What is wrong with a form",
    "loading": "The words while it loads", "failed": "What is said where Licet does not answer",
    "retry": "The button that tries again", "dialog": "The dialog of a notice",
    "close": "The button that closes a banner or a dialog",
}  # fmt: skip
SLOTS = {
    "loading": "In the place of the words while it loads",
    "failed": "In the place of the words where Licet does not answer",
    "empty": "What is shown where there is nothing to say; without it the element takes no room",
}
ELEMENTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "notice": ("LicetNotice", "The question, where one waits for an answer", {"display": "`inline`, `banner` or `dialog`"}),
    "settings": ("LicetSettings", "What holds, one step to change it, and all that is on record", {}),
    "data": ("LicetData", "Every chat and whether it may be used", {}),
    "badge": ("LicetBadge", "Whether one chat may be used", {"chat": "Licet's id of it, or `host:` and the host's own"}),
    "receipt": ("LicetReceipt", "The receipt of one choice", {"receipt": "Its name; without it the newest"}),
}  # fmt: skip
MEMBERS = [
    {
        "kind": "field",
        "name": "base",
        "type": {"text": "string"},
        "attribute": "base",
        "reflects": True,
    },
    {
        "kind": "field",
        "name": "token",
        "type": {"text": "string | (() => string | Promise<string>)"},
    },
    {"kind": "field", "name": "fetch", "type": {"text": "typeof globalThis.fetch"}},
    {"kind": "field", "name": "state", "type": {"text": "State"}, "readonly": True},
    {"kind": "method", "name": "reload", "return": {"type": {"text": "void"}}},
    {"kind": "method", "name": "open", "return": {"type": {"text": "Promise<void>"}}},
]


def manifest() -> dict[str, Any]:
    """Returns the custom-elements manifest, schema 1.0.0."""
    return {
        "schemaVersion": "1.0.0",
        "readme": "README.md",
        "modules": [_module(name, *about) for name, about in ELEMENTS.items()],
    }


def write(folder: Path) -> None:
    """Writes the whole package to the fresh ``folder``."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name in static_files.MODULES:
        (folder / name).write_bytes(static_files.body(f"elements/{name}"))
    package = json.loads((SOURCE / "package.json").read_text("utf-8"))
    (folder / "package.json").write_text(
        json.dumps({**package, "version": __version__}, indent=2) + "\n", "utf-8"
    )
    (folder / "custom-elements.json").write_text(json.dumps(manifest(), indent=2) + "\n", "utf-8")
    for path in (SOURCE / "README.md", SOURCE / "index.d.ts", ROOT / "LICENSE"):
        shutil.copy(path, folder / path.name)


def _module(name: str, made: str, text: str, more: dict[str, str]) -> dict[str, Any]:
    tag, path = f"licet-{name}", f"{name}.js"
    here = {"name": made, "module": path}
    declared = {
        "kind": "class",
        "name": made,
        "tagName": tag,
        "customElement": True,
        "description": text,
        "members": MEMBERS,
        "superclass": {"name": "LicetElement", "module": "element.js"},
        "attributes": _listed({**ATTRIBUTES, **more}),
        "slots": _listed(SLOTS),
        "cssParts": _listed(PARTS),
        "events": [
            {"name": n, "type": {"text": "CustomEvent"}, "description": d}
            for n, d in EVENTS.items()
        ],
    }
    exports = [
        {"kind": "js", "name": made, "declaration": here},
        {"kind": "custom-element-definition", "name": tag, "declaration": here},
    ]
    return {
        "kind": "javascript-module",
        "path": path,
        "declarations": [declared],
        "exports": exports,
    }


def _listed(found: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "description": text} for name, text in found.items()]


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else BUILD
    write(target)
    print(target)
