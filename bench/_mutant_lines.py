"""A pytest plugin: which lines of the source each test executes, and the seconds of processor time
that it takes.

It counts with `sys.monitoring`: a line reports once a test and is silent until the next one, so a
run costs little more than without. What a fixture that many tests share executes counts for every
test of its file. Programs that a test starts report too: `sitecustomize` beside the copied source
begins the same count in them.

    python -m pytest -p bench._mutant_lines FILE      MUTANTS_SOURCE and MUTANTS_LINES are set
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

SOURCE = os.environ.get("MUTANTS_SOURCE", "")
LINES = os.environ.get("MUTANTS_LINES", "")
FILE_SECONDS_MAX = float(
    os.environ.get("MUTANTS_COUNT_SECONDS", "inf")
)  # of one test file; its later tests are skipped
TOOL = 4
SITE = """import os, sys
folder, source = os.environ.get("MUTANTS_PROGRAMS"), os.environ.get("MUTANTS_SOURCE")
if folder and source:
    import atexit, json, time
    hit, watch = {}, sys.monitoring
    def line(code, number):
        if code.co_filename.startswith(source):
            hit.setdefault(code.co_filename[len(source):], set()).add(number)
        return watch.DISABLE
    def write():
        path = os.path.join(folder, f"{os.getpid()}-{time.monotonic_ns()}")
        with open(path + ".new", "w") as file:
            json.dump({name: sorted(lines) for name, lines in hit.items()}, file)
        os.replace(path + ".new", path + ".json")
    watch.use_tool_id(4, "licet-mutants")
    watch.register_callback(4, watch.events.LINE, line)
    watch.set_events(4, watch.events.LINE)
    atexit.register(write)
"""
Lines = dict[str, set[int]]

hit: Lines = defaultdict(set)


def begin() -> None:
    """Count every line of the source from now on."""
    watch = sys.monitoring
    watch.use_tool_id(TOOL, "licet-mutants")

    def line(code: CodeType, number: int) -> Any:
        if code.co_filename.startswith(SOURCE):
            hit[code.co_filename[len(SOURCE) :]].add(number)
        return watch.DISABLE

    watch.register_callback(TOOL, watch.events.LINE, line)
    watch.set_events(TOOL, watch.events.LINE)


def taken() -> Lines:
    """The lines since the last call; every line reports again."""
    found = {file: set(lines) for file, lines in hit.items() if lines}
    hit.clear()
    sys.monitoring.restart_events()
    return found


def _write(path: Path, value: object) -> None:
    path.with_suffix(".new").write_text(json.dumps(value), encoding="utf-8")
    path.with_suffix(".new").replace(path)


def _plain(lines: Lines) -> dict[str, list[int]]:
    return {file: sorted(numbers) for file, numbers in lines.items()}


def _merge(into: Lines, lines: Lines) -> None:
    for file, numbers in lines.items():
        into.setdefault(file, set()).update(numbers)


def _spent() -> float:
    """Seconds of processor time of this process and of the programs that it waited for: a busy
    machine changes nothing.
    """
    return time.process_time() + sum(os.times()[2:4])


def _of_others(module: object) -> bool:
    """Whether it is a module that no mutation changes: of the standard library or an installed
    package.
    """
    origin = getattr(getattr(module, "__spec__", None), "origin", None) or ""
    return (
        origin in {"built-in", "frozen"}
        or "site-packages" in origin
        or origin.startswith(sys.base_prefix)
    )


class Watching:
    """What is hooked into a run of pytest."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.tests: dict[str, dict[str, Any]] = {}
        self.shared: dict[str, Lines] = {}
        self.failed: set[str] = set()
        self.began: dict[str, float] = {}
        begin()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The first case of every test goes before the second case of any: a file may be cut
        short.
        """
        files: dict[str, int] = {}
        cases: dict[str, int] = {}
        places = {}
        for item in items:
            file, name = item.nodeid.split("::")[0], item.nodeid.partition("[")[0]
            cases[name] = cases.get(name, -1) + 1
            places[item] = files.setdefault(file, len(files)), cases[name]
        items.sort(key=places.__getitem__)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        taken()
        began = _spent()
        result = yield
        lines = taken()
        for path in self.programs.glob("*.json"):
            _merge(
                lines,
                {
                    file: set(numbers)
                    for file, numbers in json.loads(path.read_text("utf-8")).items()
                },
            )
            path.unlink()
        seconds = _spent() - began
        self.tests[item.nodeid] = {"seconds": seconds, "lines": _plain(lines)}
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        now = _spent()
        if now - self.began.setdefault(item.nodeid.split("::")[0], now) > FILE_SECONDS_MAX:
            pytest.skip("its file was counted for long enough")

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[None]:
        if fixturedef.scope == "function":
            return (yield)
        before = taken()
        result = yield
        file = request.node.nodeid.split("::")[0]
        if file:  # a fixture of the whole session says nothing of one file
            _merge(self.shared.setdefault(file, {}), taken())
        _merge(hit, before)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or (report.skipped and report.when == "setup"):
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        tests = {name: told for name, told in self.tests.items() if name not in self.failed}
        shared = {file: _plain(lines) for file, lines in self.shared.items()}
        modules = [name for name, module in sys.modules.items() if _of_others(module)]
        told = {"tests": tests, "shared": shared, "failed": sorted(self.failed), "modules": modules}
        _write(Path(LINES), told)


def pytest_configure(config: pytest.Config) -> None:
    if LINES:
        config.workeroutput = {}  # type: ignore[attr-defined]  # as in xdist's workers
        programs = Path(LINES + ".programs")
        programs.mkdir(exist_ok=True)
        os.environ["MUTANTS_PROGRAMS"] = str(programs)
        config.pluginmanager.register(Watching(programs))
