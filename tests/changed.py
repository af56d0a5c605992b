"""The test files that a change can reach, nearest first: `python -m tests.changed [COMMIT]`, as
`./run test --changed` does.

What changed is what differs from COMMIT, by default from the last one, with files that git does not
know yet. A test file is as near as the shortest chain of imports from it to what changed; one that
ran what changed, when its run was last recorded (`touched.py`), is as near as one that imports it,
and so are all of the room of what changed. A file that is no module counts as the modules and tests
that name it.

Files are taken until their tests, by what they cost when they last ran, come to SECONDS_MAX of the
processor: what is farther is left out, and said. `./run test` takes all.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from .recorded import COSTS
from .touched import TOUCHED

ROOT = Path(__file__).parent.parent
SECONDS_MAX = 150  # of the processor, on two cores a little over a minute
UNKNOWN_SECONDS = 5  # of a file whose tests were never recorded
FORM = ("tests/test_tidy.py", "tests/test_promises.py")  # they read all files, and are cheap
PAGES = ("tests/test_docs.py", "tests/test_docs_site.py")
Graph = dict[str, set[str]]


def files_changed(commit: str) -> list[str]:
    """The files that differ from a commit and those that git does not know, from the root."""
    asked = (
        ["diff", "--name-only", "--no-renames", commit],
        ["ls-files", "--others", "--exclude-standard"],
    )
    return sorted({name for words in asked for name in _git(*words).splitlines()})


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def sources(root: Path = ROOT) -> dict[str, Path]:
    """Each module of ours and of the tests, by its name."""
    found = {}
    for top in (root / "src", root):
        for path in sorted((top / "licet" if top.name == "src" else top / "tests").rglob("*.py")):
            parts = list(path.relative_to(top).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(modules: Mapping[str, Path]) -> Graph:
    """What each module imports of the others, wherever in its text that stands."""
    graph: Graph = {}
    for name, path in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        graph[name] = {
            one for node in ast.walk(tree) for one in _named(node, package) if one in modules
        } - {name}
    return graph


def _named(node: ast.AST, package: str) -> Iterable[str]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                yield alias.name
        case ast.ImportFrom(module=module, names=names, level=level):
            above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            base = ".".join([*above, *([module] if module else [])])
            yield base
            for alias in names:
                yield f"{base}.{alias.name}"


def distances(
    graph: Graph, changed: Iterable[str], touched: Mapping[str, set[str]]
) -> dict[str, int]:
    """How far each module that a change reaches is from it; ``touched``: by module, what its tests
    ran.
    """
    importers: dict[str, set[str]] = {}
    for name, imported in graph.items():
        for one in imported:
            importers.setdefault(one, set()).add(name)
    found = dict.fromkeys(changed, 0)
    for name, ran in touched.items():
        if name not in found and not ran.isdisjoint(found):
            found[name] = 1
    queue = deque(sorted(found, key=found.__getitem__))
    while queue:
        name = queue.popleft()
        for importer in importers.get(name, ()):
            if found.get(importer, found[name] + 2) > found[name] + 1:
                found[importer] = found[name] + 1
                queue.append(importer)
    return found


def modules_of(file: str, modules: Mapping[str, Path], root: Path = ROOT) -> set[str]:
    """The modules that a changed file is or, where it is none, those that name it."""
    if own := {name for name, path in modules.items() if path == root / file}:
        return own
    name = re.compile(rf"[\"'/]{re.escape(Path(file).name)}[\"']")
    texts = (
        {module: path.read_text(encoding="utf-8") for module, path in modules.items()}
        if Path(file).suffix
        else {}
    )
    named = {module for module, text in texts.items() if name.search(text)}
    beside = {module for module, path in modules.items() if path.parent == (root / file).parent}
    return named or beside


def recorded_touches() -> dict[str, set[str]]:
    """By module of tests, the modules that they ran when that was last recorded."""
    return {
        name: set(ran)
        for name, ran in (json.loads(TOUCHED.read_text()) if TOUCHED.is_file() else {}).items()
    }


def costs() -> Counter[str]:
    """What the tests of each file cost when they last ran, in seconds of the processor."""
    found: Counter[str] = Counter()
    if COSTS.is_file():
        for nodeid, (spent, _, _) in json.loads(COSTS.read_text("utf-8"))["tests"].items():
            found[nodeid.partition("::")[0]] += spent
    return found


def chosen(near: Mapping[str, int], spent: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Of the test files the nearest, to as many seconds as are given; and those that are left
    out.
    """
    taken, left, seconds = [], [], 0.0
    for file in sorted(near, key=lambda one: (near[one], spent.get(one, UNKNOWN_SECONDS), one)):
        seconds += spent.get(file, UNKNOWN_SECONDS)
        (taken if near[file] == 0 or seconds <= SECONDS_MAX else left).append(file)
    return taken, left


def main(words: list[str]) -> int:
    changed = files_changed(words[0] if words else "HEAD")
    if not changed:
        print(
            "nothing differs from the last commit; name another one: ./run test --changed main",
            file=sys.stderr,
        )
        return 0
    modules = sources()
    names = {one for file in changed for one in modules_of(file, modules)}
    reached = distances(imports(modules), names, recorded_touches())
    rooms_changed = {Path(file).parts[2] for file in changed if file.startswith("src/licet/")}
    near = {}
    for name, far in reached.items():
        if modules[name].name.startswith("test_"):
            file = modules[name].relative_to(ROOT)
            near[file.as_posix()] = min(far, 1) if file.parts[1] in rooms_changed else far
    taken, left = chosen(near, costs())
    print(
        f"{len(changed)} files changed; {len(taken)} test files are nearest to them",
        file=sys.stderr,
    )
    if left:
        rooms = Counter(str(Path(file).parent) for file in left)
        print(
            f"left out, as farther away ({len(left)} files; ./run test runs them): "
            + ", ".join(f"{room} {count}" for room, count in rooms.most_common()),
            file=sys.stderr,
        )
    pages = PAGES if any(file.endswith(".md") for file in changed) else ()
    print(*sorted({*taken, *FORM, *pages}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
