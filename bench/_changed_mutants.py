"""Would the tests notice a small wrong change of what was changed lately? `./run test --whole` ends
with this.

Mutants are drawn by the day from the functions that differ from COMMIT, by default from the newest
commit that is a week old, and judged by the test files that are nearest to them
(`tests/changed.py`). It ends with 1 where no test notices one that `bench/mutants_equivalent.csv`
does not explain.

    python -m bench._changed_mutants [COMMIT]
    MUTANTS_DAY=20788                         the day, since 1970, whose mutants are drawn; by default today
    MUTANTS_JUDGED=24                         how many are judged
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests import changed as nearest

from bench import mutants as bench
from bench._mutations import Mutant, compiles, mutants

DAY = int(os.environ.get("MUTANTS_DAY", time.time() // 86_400))
JUDGED_MAX = int(os.environ.get("MUTANTS_JUDGED", "24"))
AGE = "1 week ago"
NOTHING = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git's name for a tree without a file
SOURCE = "src/licet/"
HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")


def lines_changed(commit: str, root: Path) -> dict[str, set[int]]:
    """By file below `src/licet`, the lines that differ from ``commit``."""
    words = ["git", "diff", "--unified=0", "--no-renames", "--no-color", commit, "--", SOURCE]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(
            f"error: git does not say what differs from `{commit}`: {done.stderr.strip()}"
        )
    found: dict[str, set[int]] = {}
    file = ""
    for line in done.stdout.splitlines():
        if line.startswith("+++ "):
            file = line.removeprefix("+++ b/").removeprefix(SOURCE)
        elif hunk := HUNK.match(line):
            first, count = int(hunk[1]), int(hunk[2] or "1")
            found.setdefault(file, set()).update(range(first, first + count))
    return {file: lines for file, lines in found.items() if file.endswith(".py")}


def in_changed_functions(
    source: bytes, lines: set[int], made: Iterable[Mutant]
) -> Iterator[Mutant]:
    """The mutants of those functions of ``source`` of which a line is in ``lines``."""
    functions = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    def innermost(line: int) -> range | None:
        return max(
            (one for one in functions if line in one), key=lambda one: one.start, default=None
        )

    touched = {innermost(line) for line in lines} - {None}
    yield from (one for one in made if innermost(one.line) in touched)


def drawn(files: Mapping[str, set[int]], source: Path, day: int, count: int) -> list[Mutant]:
    """``count`` mutants of the changed functions, other ones each day."""
    found: list[Mutant] = []
    for file, lines in files.items():
        path = source / file
        if path.is_file() and file not in bench.NOT_MUTATED:
            text = path.read_bytes()
            every = in_changed_functions(text, lines, mutants(file, text))
            found += [one for one in every if compiles(one.applied(text))]
    found.sort(key=lambda one: hashlib.sha256(f"{day}{one.key}".encode()).digest())
    return found[:count]


def nearest_tests(files: Iterable[str]) -> list[str]:
    """The test files nearest to source files, as many as cost what `./run test --changed` may."""
    modules = nearest.sources()
    names = {name for file in files for name in nearest.modules_of(SOURCE + file, modules)}
    far = nearest.distances(nearest.imports(modules), names, nearest.recorded_touches())
    near = {
        modules[name].relative_to(nearest.ROOT).as_posix(): distance
        for name, distance in far.items()
        if modules[name].name.startswith("test_")
    }
    return nearest.chosen(near, nearest.costs())[0]


def survivors(verdicts: Mapping[Mutant, Mapping[str, Any]]) -> list[Mutant]:
    """Those that no test failed on and nothing explains."""
    return [
        one
        for one, verdict in verdicts.items()
        if verdict["outcome"] not in {"killed", "hung"} and one.identity not in bench.equivalents()
    ]


def a_week_ago(root: Path) -> str:
    """The newest commit that is a week old; where there is none, everything is new."""
    words = ["git", "rev-list", "-1", f"--before={AGE}", "HEAD"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() or NOTHING


def main(words: list[str]) -> int:
    files = lines_changed(words[0] if words else a_week_ago(bench.ROOT), bench.ROOT)
    chosen = drawn(files, bench.licet(), DAY, JUDGED_MAX)
    if not chosen:
        print("no function differs", file=sys.stderr)
        return 0
    tests = [
        test
        for test in nearest_tests({one.file for one in chosen})
        if Path(test).name not in bench.PASSED_OVER
    ]
    with bench.Copy.made() as copy:
        covered = bench.Covered(copy.lines(tests))
        copy.counted = {test.split("::")[0] for test in covered.seconds}
        left = survivors(bench.judge(copy, covered, chosen))
    print(f"{len(chosen)} mutants of day {DAY} judged, {len(left)} noticed by no test")
    for one in left:
        print(f"  src/licet/{one.file}:{one.line} {one.what}: `{one.text}`")
    if left:
        print(
            "hint: write the test that fails on it, or say in bench/mutants_equivalent.csv "
            "why none can",
            file=sys.stderr,
        )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
