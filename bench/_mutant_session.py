"""Runs the tests of one mutant after another, each in a fork of a process that has imported the
source and collected the tests: of what a mutant costs, most was that.

It reads one order a line, `{"tests": [...], "name": ..., "cpu": seconds, "file": ..., "before":
..., "after": ...}`, and answers each with one line, as `_mutant_server.py` does. In the fork the
functions of ``file`` that are alive get the code of the text ``after`` in place of that of
``before``. The answer is `unfit` where that would not be the mutant: what differs ran when the
source was imported, or a test was not collected; and where the fork ended otherwise than by its
tests.

    python bench/_mutant_session.py FOLDER MODULE,... FILE ...   the mutants' modules, tests' files
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import _mutant_server as server
import pytest

TOOL = 4
Place = tuple[
    str, ...
]  # the names of the enclosing functions and classes, and which of several alike


def main(folder: Path, modules: list[str], files: list[str]) -> None:
    # the repository, as pytest has it, in place of this file's folder
    sys.path[0] = str(Path.cwd())
    session = Session(folder, modules, os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    os.environ["PYTEST_XDIST_WORKER"] = "session"
    quiet = ["-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    quiet += ["-W", "ignore::pytest.PytestAssertRewriteWarning", "-W", "ignore::DeprecationWarning"]
    with session.watched():
        pytest.main([*quiet, f"--basetemp={folder / 'session'}", *files], plugins=[session])


class Session:
    """The plugin that takes the place of pytest's loop over the tests."""

    def __init__(self, folder: Path, modules: list[str], orders: Any, answers: Any) -> None:
        self.folder, self.modules = folder, modules
        self.orders, self.answers = orders, answers
        self.source = os.environ["MUTANTS_SOURCE"]
        self.at_import: set[tuple[str, str]] = set()  # file and name of what ran by then
        self.functions: dict[str, list[FunctionType]] = {}
        self.failed = ""

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Notes what of the source runs until the tests are collected."""

        def began(code: CodeType, _offset: int) -> object:
            if code.co_filename.startswith(self.source):
                self.at_import.add((code.co_filename, code.co_qualname))
            return sys.monitoring.DISABLE

        sys.monitoring.use_tool_id(TOOL, "licet-mutants")
        sys.monitoring.register_callback(TOOL, sys.monitoring.events.PY_START, began)
        sys.monitoring.set_events(TOOL, sys.monitoring.events.PY_START)
        yield

    def pytest_configure(self, config: Any) -> None:
        config.workeroutput = {}  # as a worker of xdist has it

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for module in self.modules:
            with contextlib.suppress(Exception, SystemExit):
                importlib.import_module(module)
        sys.monitoring.set_events(TOOL, 0)
        gc.unfreeze()
        for one in gc.get_objects():
            # `isinstance` would ask torch for what it deprecates, which is an error here
            if type(one) is FunctionType and one.__code__.co_filename.startswith(self.source):
                self.functions.setdefault(one.__code__.co_filename, []).append(one)
        gc.collect()
        gc.freeze()
        items = {item.nodeid: item for item in session.items}
        for line in self.orders:
            self.answers.write(json.dumps(self.answer(items, json.loads(line))) + "\n")
            self.answers.flush()
        return True

    def answer(self, items: dict[str, pytest.Item], order: dict[str, Any]) -> dict[str, Any]:
        told = self.folder / "session-told"
        told.write_text("")
        if any(test not in items for test in order["tests"]):
            return {"outcome": "unfit", "test": "", "seconds": 0.0}
        child = os.fork()
        if child == 0:
            self.in_child([items[test] for test in order["tests"]], order, told)
        code, cpu = server.wait(child, order["name"], order["cpu"])
        outcome = {0: "survived", 1: "killed"}.get(code if code is not None else -1, "unfit")
        return {"outcome": outcome, "test": told.read_text("utf-8"), "seconds": cpu, "code": code}

    def in_child(self, items: list[pytest.Item], order: dict[str, Any], told: Path) -> None:
        code = 70
        try:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            cpu = int(order["cpu"])
            resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
            os.environ["PYTEST_XDIST_WORKER"] = os.environ["MUTANTS_RUN"] = order["name"]
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            config = items[0].config
            capture = config.pluginmanager.getplugin("capturemanager")
            capture.stop_global_capturing()
            nothing = os.open(os.devnull, os.O_RDWR)
            for file in (0, 1, 2):
                os.dup2(nothing, file)
            capture.start_global_capturing()
            folders: Any = config._tmp_path_factory  # type: ignore[attr-defined]  # of a plugin
            folders._given_basetemp, folders._basetemp = self.folder / order["name"], None
            if not order["file"] or self.patched(order["file"], order["before"], order["after"]):
                code = self.run(items)
                told.write_text(self.failed)
        except BaseException:
            (self.folder / "session-error").write_text(traceback.format_exc())
        finally:
            os._exit(code)

    def run(self, items: list[pytest.Item]) -> int:
        """1 if one failed; the others are not run then."""
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                items[0].session._setupstate.teardown_exact(None)
                return 1
        return 0

    def patched(self, file: str, old: str, new: str) -> bool:
        """Whether the functions that are alive could be given the mutant's code."""
        before = codes(compile(old, file, "exec", dont_inherit=True))
        after = codes(compile(new, file, "exec", dont_inherit=True))
        changed = [place for place in before if own(before[place]) != own(after.get(place))]
        if before.keys() != after.keys() or any(
            (file, before[place].co_qualname) in self.at_import for place in changed
        ):
            return False
        places = {code: place for place, code in before.items()}
        given = set()
        for function in self.functions.get(file, []):
            place = places.get(function.__code__)
            if place is not None:
                function.__code__ = after[place]
                given.add(place)
        return bool(changed) and all(
            any(place[:count] in given for count in range(1, len(place) + 1)) for place in changed
        )


def codes(code: CodeType, within: Place = ()) -> dict[Place, CodeType]:
    """The code of a module and of all that is defined in it, by place."""
    found: dict[Place, CodeType] = {within: code}
    counts: dict[str, int] = {}
    for one in code.co_consts:
        if isinstance(one, CodeType):
            counts[one.co_name] = count = counts.get(one.co_name, -1) + 1
            found |= codes(one, (*within, f"{one.co_name}#{count}"))
    return found


def own(code: CodeType | None) -> object:
    """What a function does, without what is defined within it and without its line numbers."""
    if code is None:
        return None
    constants = [
        None if isinstance(one, CodeType) else (type(one), repr(one)) for one in code.co_consts
    ]
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_flags


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:])
