"""The source holds itself to the house rules: sizes, names, clocks, leftovers, and what the
repository may not name.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Set
from functools import cache
from pathlib import Path

import pytest

from .evidence import checks, parse

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "licet"
MODULE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
SMALL_MODULE_LINES = 100  # below it, a module with one importer is joined to it or named
LINE_CHARACTERS_MAX = 100
FORMATTED = {"src": 601, "tests": 340, "bench": 70, "tools": 12, "examples": 2}
TABLES_MAX = {"src": 68, "tests": 62, "bench": 12, "tools": 2, "examples": 0}

# The edge: the only modules that may read a clock, each with its reason.
CLOCKS = {
    "cli": "a command acts now",
    "clock.py": "an installation that is opened without a clock runs on the system's",
    "web": "a request arrives now",
}
# The only module that prints: the command of the verifier, which strangers run alone. Ours write
# through click.
PRINTS = {"src/licet/verifier/command.py"}

# The only tests that read a clock, each with its reason. None asserts on it.
DRAWS = {
    "tests/waiting.py": "gives up on a program that hangs",
    "tests/recorded.py": "tells what a run took, and asserts nothing",
    "tests/web/test_probes.py": "allows as many questions as there were moments to ask in",
    "tests/walkthrough.py": "gives up on a shell that hangs",
    "tests/vault/test_rotate.py": "draws the moment of a kill",
    "tests/release/test_build_races.py": "races for some seconds, under a clock that runs",
}

# Words that name nothing. Standard names of others (`handle` of a framework, say) are not
# definitions of ours.
EMPTY_WORDS = {
    "user_data",
    "manager",
    "util",
    "utils",
    "helper",
    "helpers",
    "process",
    "handle",
    "info",
}

SKIPPED_FOLDERS = {
    ".git",
    ".mutants",
    ".venv",
    ".venv-litellm",
    "__pycache__",
    "licet-data",
    "build",
    "dist",
    "node_modules",
}


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository, or of the folder where it came without its history."""
    try:
        command = [
            "git",
            "-C",
            str(ROOT),
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]
        listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split(
            "\0"
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        listed = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
    paths = [ROOT / name for name in listed if name and not SKIPPED_FOLDERS & set(Path(name).parts)]
    return tuple(
        path
        for path in paths
        if path.is_file() and not any(p.startswith(".mypy") for p in path.parts)
    )


@cache
def tree(path: Path) -> ast.Module:
    return parse(path)


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file: each rule looks at all of them."""
    return tuple(ast.walk(tree(path)))


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """The trees go with the last of these tests that runs here: a million nodes, which others would
    carry along.
    """
    yield
    nodes.cache_clear()
    tree.cache_clear()


def python(folder: Path) -> list[Path]:
    return sorted(
        path for path in tracked() if path.suffix == ".py" and path.is_relative_to(folder)
    )


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (
        node for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def found(folder: Path, rule: Callable[[Path], Iterator[str]]) -> list[str]:
    """What breaks ``rule``, as `file:line what`."""
    assert python(folder), f"no source in {folder}"
    return [f"{name(path)}:{what}" for path in python(folder) for what in rule(path)]


def lines_where(path: Path, pattern: re.Pattern[str]) -> Iterator[str]:
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1):
        if match := pattern.search(line):
            yield f"{number} {match[0]}"


def is_edge(path: Path) -> bool:
    inside = path.relative_to(SRC)
    return inside.parts[0] in CLOCKS or inside.as_posix() in CLOCKS


def test_every_module_fits_in_a_sitting_and_every_function_on_a_screen() -> None:
    def rule(path: Path) -> Iterator[str]:
        lines = path.read_text("utf-8").count("\n")
        if lines > MODULE_LINES_MAX:
            yield f"1 {lines} lines"
        for node in functions(path):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > FUNCTION_LINES_MAX:
                yield f"{node.lineno} {node.name} has {size} lines"

    assert found(SRC, rule) == []


def test_the_formatter_decides_but_for_tables_and_text_that_it_cannot_break() -> None:
    """No statement is kept from it but a table of data, which is assigned; of those, and of lines
    over 100 characters (tables, programs and documents in a string), there are no more than before.
    """

    def rule(path: Path) -> Iterator[str]:
        lines = path.read_text("utf-8").splitlines()
        tables = {
            node.end_lineno
            for node in nodes(path)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.lineno < node.end_lineno
        }
        for number, line in enumerate(lines, start=1):
            if line.endswith("# fmt: skip") and number not in tables:
                yield f"{number} {line.strip()}"

    assert [fault for folder in FORMATTED for fault in found(ROOT / folder, rule)] == []
    long = {
        folder: sum(
            len(line) > LINE_CHARACTERS_MAX
            for path in python(ROOT / folder)
            for line in path.read_text("utf-8").splitlines()
        )
        for folder in FORMATTED
    }
    assert all(long[folder] <= most for folder, most in FORMATTED.items()), long
    kept = {
        folder: sum(
            path.read_text("utf-8").count("  # fmt: skip\n") for path in python(ROOT / folder)
        )
        for folder in TABLES_MAX
    }
    assert all(kept[folder] <= most for folder, most in TABLES_MAX.items()), kept


def test_every_module_states_its_promise() -> None:
    assert (
        found(SRC, lambda path: iter([] if ast.get_docstring(tree(path)) else ["1 no docstring"]))
        == []
    )


def test_only_the_edge_prints() -> None:
    def rule(path: Path) -> Iterator[str]:
        for node in nodes(path):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "print"
            ):
                yield f"{node.lineno} print"

    assert [place for place in found(SRC, rule) if place.split(":")[0] not in PRINTS] == []


def test_only_the_edge_reads_a_clock() -> None:
    clock = {
        ("datetime", "now"),
        ("datetime", "utcnow"),
        ("datetime", "today"),
        ("date", "today"),
        ("time", "time"),
    }

    def rule(path: Path) -> Iterator[str]:
        for node in nodes(path):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            base = node.func.value
            owner = (
                base.attr
                if isinstance(base, ast.Attribute)
                else base.id
                if isinstance(base, ast.Name)
                else ""
            )
            naive = node.func.attr in {"utcnow", "now"} and not node.args and not node.keywords
            if (owner, node.func.attr) in clock and (naive or not is_edge(path)):
                yield f"{node.lineno} {owner}.{node.func.attr}"

    assert found(SRC, rule) == []


def test_no_error_is_swallowed_whole() -> None:
    def rule(path: Path) -> Iterator[str]:
        for node in nodes(path):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else "everything"
                silent = all(isinstance(step, ast.Pass) for step in node.body)
                if silent and caught in {"everything", "Exception", "BaseException"}:
                    yield f"{node.lineno} swallows {caught}"

    assert found(SRC, rule) == []


def test_every_name_says_something() -> None:
    def words(identifier: str) -> set[str]:
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier).lower()
        return set(snake.split("_")) | {snake.strip("_")}

    def rule(path: Path) -> Iterator[str]:
        for part in path.relative_to(SRC).with_suffix("").parts:
            if words(part) & EMPTY_WORDS:
                yield f"1 module {part}"
        for node in nodes(path):
            defined = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            if defined and words(node.name) & EMPTY_WORDS:
                yield f"{node.lineno} {node.name}"

    assert found(SRC, rule) == []


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in python(SRC):
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(name(path))
    assert len(places) > 500
    assert {shared: where for shared, where in places.items() if len(where) > 1} == {}


def test_a_module_is_called_by_a_noun() -> None:
    verbs = {path.stem for path in python(SRC) if path.stem.endswith("ing")}
    assert verbs <= {"housekeeping", "keyring"}


def test_no_files_import_each_other_in_a_circle() -> None:
    known = {module(path) for path in python(SRC)}
    left = {module(path): imports(path, known) for path in python(SRC)}
    while free := [one for one, needs in left.items() if not needs & set(left)]:
        for one in free:
            del left[one]
    assert sorted(left) == []


def module(path: Path) -> str:
    return ".".join(path.relative_to(SRC.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, known: Set[str]) -> set[str]:
    """The modules of ``known`` that a module imports, those for types and those inside of functions
    among them.
    """
    named: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                named.add(inner if inner in known else node.module)
        elif isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
    return (named & known) - {module(path)}


def test_a_small_module_with_one_importer_stands_for_an_idea_that_is_named() -> None:
    places = {module(path): path for path in python(SRC)}
    importers = Counter(one for path in places.values() for one in imports(path, set(places)))
    small = {
        path.relative_to(SRC).as_posix()
        for named, path in places.items()
        if importers[named] == 1
        and path.name != "__init__.py"
        and path.read_text("utf-8").count("\n") < SMALL_MODULE_LINES
    }
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("\n## Small modules\n")[2]
    listed = set(re.findall(r"`([\w/]+\.py)`(?=.*\|.*\|)", table.partition("\n## ")[0]))
    assert small == listed


def test_nothing_is_left_open() -> None:
    left = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + r"Error)\b")
    assert found(SRC, lambda path: lines_where(path, left)) == []


def test_every_test_file_holds_a_test() -> None:
    def rule(path: Path) -> Iterator[str]:
        if path.name.startswith("test_") and not any(
            node.name.startswith("test_") for node in functions(path)
        ):
            yield "1 no test"

    assert found(ROOT / "tests", rule) == []


def test_no_two_test_files_share_a_name() -> None:
    names = [path.name for path in python(ROOT / "tests") if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


def test_every_skip_has_its_reason() -> None:
    def rule(path: Path) -> Iterator[str]:
        for node in nodes(path):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in {"pytest.skip", "pytest.xfail"} and not (node.args or node.keywords):
                yield f"{node.lineno} {called}"
            if called in {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"}:
                reasons = [word.value for word in node.keywords if word.arg == "reason"]
                if not reasons or ast.unparse(reasons[0]) in {"''", '""'}:
                    yield f"{node.lineno} {called}"
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {
                "pytest.mark.skip",
                "pytest.mark.xfail",
            }:
                decorated = [d for f in functions(path) for d in f.decorator_list]
                if node in decorated:
                    yield f"{node.lineno} {ast.unparse(node)}"

    assert found(ROOT / "tests", rule) == []


SILENCED = re.compile(
    r"# (?:type: ignore(?:\[[a-z, -]+\])?|noqa(?:: ?[A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*)?)\s*"
)


def test_every_check_that_is_silenced_has_its_reason_beside_it_or_above() -> None:
    def rule(path: Path) -> Iterator[str]:
        lines = ["", *path.read_text("utf-8").splitlines()]
        for number, line in enumerate(lines):
            above = lines[number - 1].lstrip()
            silenced = SILENCED.search(line)
            if silenced and not line[silenced.end() :].strip("# ") and not above.startswith("# "):
                yield f"{number} {silenced[0].strip()}"

    tops = ("src", "tests", "bench", "tools", "examples")
    assert [fault for top in tops for fault in found(ROOT / top, rule)] == []


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for node in nodes(path):
        if isinstance(node, ast.Call):
            yield (
                node,
                node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func),
            )


def test_no_test_asks_how_long_anything_took() -> None:
    """A machine may be as busy as it likes: what is counted is done, statements, bytes or processor
    time.
    """
    clocks = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}

    def rule(path: Path) -> Iterator[str]:
        for node, called in calls(path):
            if (
                called in clocks
                and ast.unparse(node.func).startswith("time.")
                and name(path) not in DRAWS
            ):
                yield f"{node.lineno} {called}"
        for node in nodes(path):
            compared = isinstance(node, ast.Compare) and any(
                isinstance(one, ast.Call) and ast.unparse(one.func) == "time.time"
                for one in ast.walk(node)
            )
            if compared or (
                isinstance(node, ast.ImportFrom)
                and node.module == "time"
                and name(path) not in DRAWS
            ):
                yield f"{node.lineno} {ast.unparse(node)}"

    assert found(ROOT / "tests", rule) == []


def test_no_test_gives_up_on_a_busy_machine() -> None:
    """A pause is short, and a limit is that of a program that hangs; in between is a test that
    fails under load.
    """
    waits = {
        "wait",
        "join",
        "result",
        "exception",
        "communicate",
        "run",
        "get",
        "post",
        "create_connection",
    }

    def rule(path: Path) -> Iterator[str]:
        for node, called in calls(path):
            limits = [
                word.value
                for word in node.keywords
                if word.arg in {"timeout", "within", "seconds_max"}
            ]
            limits += node.args[:1] if called in waits - {"run", "get", "post"} else []
            for limit in limits:
                seconds = limit.value if isinstance(limit, ast.Constant) else None
                if isinstance(seconds, int | float) and 1 < seconds < 60:
                    yield f"{node.lineno} {called} gives up after {seconds} s"

    assert found(ROOT / "tests", rule) == []


def test_every_test_can_fail() -> None:
    def rule(path: Path) -> Iterator[str]:
        there = {node.name: node for node in functions(path)}
        for test, node in there.items():
            if test.startswith("test_") and not checks(node, there):
                yield f"{node.lineno} {test} asserts nothing"

    assert found(ROOT / "tests", rule) == []


def test_no_test_reads_the_source_of_what_it_tests() -> None:
    def rule(path: Path) -> Iterator[str]:
        for node, called in calls(path):
            if called in {"getsource", "getsourcelines"}:
                yield f"{node.lineno} {called}"

    assert found(ROOT / "tests", rule) == []


def test_no_test_is_steered_by_a_setting_of_the_product() -> None:
    asks = re.compile(r"environ(?:\.get\(|\[)[\"']LICET_\w*")

    def rule(path: Path) -> Iterator[str]:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if (match := asks.search(line)) and not line.strip().startswith("asks ="):
                yield f"{number} {match[0]}"

    assert found(ROOT / "tests", rule) == []
    assert found(ROOT / "bench", rule) == []


def test_the_settings_of_whoever_starts_the_tests_reach_none_of_them() -> None:
    assert {setting for setting in os.environ if setting.startswith("LICET_")} <= {
        "LICET_CURATE__NAMES"
    }


def test_settings_that_stand_in_the_environment_make_no_test_fail() -> None:
    one = f"{Path(__file__)}::{test_the_settings_of_whoever_starts_the_tests_reach_none_of_them.__name__}"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        one,
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {
        "LICET_DATA": "/nowhere",
        "LICET_MACHINE_RUNS": "3",
        "LICET_CURATE__NAMES": "spacy",
    }
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    "pattern",
    [
        r"files\.pythonhoste[d]|pypi\.or[g]/simple|registry\.npmj[s]|deb\.debia[n]|proxy\.golan[g]",
        r"(?<![\w.<{}*-])/(wor[k]|roo[t])/",
    ],
    ids=["registry hosts", "paths of one machine"],
)
def test_the_repository_does_not_name(pattern: str) -> None:
    what = re.compile(pattern)
    text = [path for path in tracked() if b"\0" not in path.read_bytes()[:8192]]
    assert [f"{name(path)}:{line}" for path in text for line in lines_where(path, what)] == []


def test_the_projects_cases_are_the_specifications() -> None:
    ours, theirs = (
        ROOT / "tests" / "spec" / "cases.yaml",
        ROOT.parent / "shared" / "spec" / "v2" / "cases.yaml",
    )
    if not theirs.is_file():
        pytest.skip("the specification is not beside the repository")
    assert ours.read_bytes() == theirs.read_bytes()
