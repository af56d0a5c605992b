"""Runs the benches and writes bench/RESULTS.md: each figure beside its floor of the same run.

    python -m bench [NAME [ARGUMENT ...]] [--json]
    python -m bench --sizes [NAME ...]

Without a name every bench runs but the mutants and the removals, which take an hour or more, and
the quickstarts, which download what they install; each in a process of its own, so that none finds
the memory of another. With one, its part of the results is written anew and the others stay. It
exits 1 where a figure is above its limit. ``--json`` prints the rows as an array of objects.
``--sizes`` runs these benches, or all that have a size, at three sizes each (`bench._sizes`) and
prints each figure with the exponent of its growth; the results stay as they are.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench import Row, measured
from bench._sizes import SIZES, arguments_of, growth

FOLDER = Path(__file__).parent
BY_NAME_ALONE = {"mutants", "quickstarts", "removals"}
RESULTS = FOLDER / "RESULTS.md"
HEAD = """# Results

Written by `./run bench`. Every figure stands beside its floor, the same work with none of its meaning, measured in the
same run; the ratio is to the floor, 1.00 as good. Figures differ from machine to machine and hour to hour, ratios less.
"""


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def run(name: str, arguments: list[str]) -> list[Row]:
    """The rows of one bench, in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(measured, name, arguments).result()


def section(name: str, arguments: list[str], rows: list[Row]) -> str:
    command = " ".join(["./run bench", name, *arguments])
    machine = (
        f"{processor()}, {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}"
    )
    lines = [f"`{command}`, {time.strftime('%Y-%m-%d', time.gmtime())}, {machine}", ""]
    lines += ["| what | figure | floor | ratio |", "|---|---:|---:|---:|"]
    lines += [f"| {' | '.join(row.cells)} |" for row in rows]
    return "\n".join(lines)


def processor() -> str:
    """The processor's name where Linux tells it."""
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def written() -> dict[str, str]:
    """The sections of the results as they are."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    return {
        part.split("\n", 1)[0]: part.split("\n", 1)[1].strip()
        for part in re.split(r"^## ", text, flags=re.M)[1:]
    }


def grown(chosen: list[str]) -> int:
    """Prints how the figures of these benches grow, each with the exponent first. A bench that fails
    does not keep the others from running: 70 at the end.
    """
    status = 0
    for name in chosen:
        sizes = SIZES[name]
        try:
            found = growth(sizes, [run(name, arguments_of(name, size)) for size in sizes])
        except Exception:
            traceback.print_exc()
            status = 70
            continue
        print(f"{name}, {' '.join(f'{size:,}' for size in sizes)}")
        for what, figures, exponent in found:
            told = "     " if exponent is None else f"{exponent:5.2f}"
            print(f"  {told}  {what}: {' | '.join(figures)}", flush=True)
    return status


def _refused(name: str, known: list[str]) -> int:
    print(f"error: there is no bench `{name}`\nhint: there are {', '.join(known)}", file=sys.stderr)
    return 64


def main(arguments: list[str]) -> int:
    known = names()
    as_json = "--json" in arguments
    arguments = [argument for argument in arguments if argument != "--json"]
    measured_rows = list[Row]()
    if "--sizes" in arguments:
        arguments.remove("--sizes")
        unknown = [name for name in arguments if name not in SIZES]
        return _refused(unknown[0], list(SIZES)) if unknown else grown(arguments or list(SIZES))
    if arguments and arguments[0] not in known:
        return _refused(arguments[0], known)
    for name in arguments[:1] or [name for name in known if name not in BY_NAME_ALONE]:
        rows = run(name, arguments[1:])
        measured_rows += rows
        for row in [] if as_json else rows:
            print(" | ".join(row.cells), flush=True)
        sections = {**written(), name: section(name, arguments[1:], rows)}
        parts = [HEAD, *(f"## {one}\n\n{sections[one]}\n" for one in sorted(sections))]
        RESULTS.write_text("\n".join(parts), encoding="utf-8")
    if as_json:
        print(json.dumps([row._asdict() for row in measured_rows], indent=2))
    return exit_status(measured_rows)


def exit_status(rows: list[Row]) -> int:
    """1 where a limit is not held; standard error names each."""
    broken = [row for row in rows if not row.is_held]
    for row in broken:
        print(f"error: {row.what}: {row.figure}, at most {row.floor}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
