"""Would the tests notice? Small wrong changes of the source, room by room, and the share that no
test fails on.

Mutants are drawn by a seed from every mutation of a room's files (`bench/_mutations.py`). One run
of the tests tells which of them execute which lines; of those the fastest run first, and the first
failure ends the matter. A file's second test counts as twice as slow, its third as three times, so
that many files are asked within the time; and what failed on another mutant of the same file goes
before. A mutant whose lines no test executes is asked of the tests of its room's folder. Each runs
in a copy of the repository, against one PostgreSQL, in a fork of a process that has collected the
tests, whose functions are given the mutant's code; where that is not enough (a constant, what runs
at import), in a fork of one that has imported all but the source. What fails in the first counts
only if it passes there on the source as it is. A quarter of a minute of processor time is spent on
a mutant at most. One that ends without a failed test (it stands still, or takes all its time)
counts as killed only if the same tests then pass on the source as it is; a second such end leaves
it undecided, which counts as survived.

`bench/mutants_equivalent.csv` lists mutants that no test can tell from the source, each with why.
What a test executes is kept in `.mutants/` and asked again only when the test's file changes; so is
the verdict on a mutant whose file, and the files of the tests that it rests on, are as they were. A
survivor is judged again by the tests alone that are new or have changed. Needs Python 3.12.

    python -m bench mutants [ROOM[=COUNT] ...]   names of rooms, and how many mutants of each; all of them without
    MUTANTS_SEED=8 MUTANTS_SHARE=0.5 ...         another draw, or half as many
    MUTANTS_WITHOUT="test_x.py ..."              test files that are passed over too
    MUTANTS_NOT="web/pages/ ..."                 source that is not mutated: what these paths begin
    MUTANTS_TESTS="tests/ledger/test_note.py ..."  these files alone are counted, and mutants drawn
                                             from lines that a counted test executes
    MUTANTS_SECONDS=4 MUTANTS_COUNT_SECONDS=20   less time for a mutant (15), and for counting one file (all it needs)
"""

from __future__ import annotations

import ast
import compileall
import contextlib
import csv
import difflib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Container, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from bench import Row, _mutant_lines
from bench._mutations import Identity, Mutant, compiles, mutants

ROOT = Path(__file__).parent.parent
KEPT = ROOT / ".mutants"
at = {"tree": ROOT}
EQUIVALENT = Path(__file__).parent / "mutants_equivalent.csv"
SEED = int(os.environ.get("MUTANTS_SEED", "7"))
SHARE = float(os.environ.get("MUTANTS_SHARE", "1"))
CPU_SECONDS_MAX = float(os.environ.get("MUTANTS_SECONDS", "15"))  # of tests for one mutant
# of one test file, counting; all of it without
COUNT_SECONDS_MAX = os.environ.get("MUTANTS_COUNT_SECONDS", "")
FIRST_SECONDS_MAX = 2.0  # of tests in the first try, which mostly suffices
TESTS_MAX = 400  # for one mutant
FIRST_TESTS_MAX = 12  # each may be of a file that is to be imported
TRIES_MAX = 2  # of a mutant that ended without a failed test
FAILED_BEFORE_MAX = 6  # tests that failed on another mutant of the file and go first

ROOMS = {  # files, how many mutants
    "access": (("access/*.py",), 60),
    "agent": (("agent/*.py",), 40),
    "backup": (("backup/*.py",), 50),
    "cli": (("cli/*.py",), 60),
    "client": (("client/*.py",), 40),
    "consent": (("consent/*.py",), 90),
    "curate": (("curate/*.py",), 130),
    "demo": (("demo/*.py",), 30),
    "erasure": (("erasure/*.py",), 70),
    "host": (("host/*.py",), 40),
    "intake": (("intake/*.py",), 100),
    "keys": (("keys/*.py",), 60),
    "ledger": (("ledger/*.py",), 100),
    "legal": (("legal/*.py",), 30),
    "misuse": (("misuse/*.py",), 50),
    "plugins": (("plugins/*.py",), 40),
    "policy": (("policy/*.py",), 90),
    "proof": (("proof/*.py",), 50),
    "release": (("release/*.py",), 110),
    "service": (("service/*.py",), 80),
    "store": (("store/*.py",), 60),
    "train": (("train/*.py",), 80),
    "vault": (("vault/*.py",), 90),
    "verifier": (("verifier/*.py",), 100),
    "web": (("web/*.py", "web/*/*.py"), 130),
    "webhooks": (("webhooks/*.py",), 50),
}
NOT_MUTATED = {
    "policy/cases.py",
    "keys/openbao.py",
    "keys/pkcs11.py",
    "train/ray_data.py",
}
# What is counted for a room's lines where that is not its folder alone: `web/holds` is
# `tests/web/test_holds.py`. Every file below `tests` that was counted before is asked too.
TESTS = {
    "access":
        "access cli/inbox store/decided_meanwhile web/caller_limits web/console_inbox "
        "web/console_orders web/entering web/inbox_items web/shared_rates web/staff_acts_api "
        "web/staff_api web/staff_orders_api web/two_identities web/who",
    "agent": "agent intake/turn_spool store/durable_writes store/file_locks",
    "backup":
        "backup erasure/faults erasure/killed store/decided_meanwhile store/durable_writes "
        "store/file_locks store/held_locks store/programs store/wal_archive web/console_orders "
        "web/day_of_five web/fenced",
    "consent":
        "consent client/client erasure/planted_sentence intake/turn_spool legal/papers web/api "
        "web/as_settings web/choices web/console_rights web/everybody web/inbox_items "
        "web/lower_age web/pages_choices web/purposes web/reader_language web/rights_pages "
        "web/settings_page web/takeout_papers web/timeline web/your_data",
    "cli":
        "cli agent/hook demo/town erasure/certificates intake/replay keys/providers "
        "legal/document_commands misuse/commands proof/proving release/review train/leases "
        "train/lineage train/recipe vault/certificate webhooks/webhooks",
    "client":
        "client host/host host/host_package plugins/dialogue web/fenced web/generated_clients "
        "web/kept",
    "curate": "curate release/changed_words release/curated release/names_term",
    "erasure":
        "erasure/certified_leases erasure/dumps erasure/epochs erasure/files_that_stay "
        "erasure/other_stores erasure/sweeping proof/pruning vault/certificate vault/erase "
        "vault/expiry vault/rotate",
    "host":
        "host client/client client/misconfigurations plugins/dialogue plugins/litellm "
        "plugins/litellm_callback plugins/open_webui store/durable_writes",
    "keys":
        "keys erasure/epochs store/held_locks vault/cold vault/erase vault/journal_frames "
        "vault/rotate vault/whose",
    "misuse":
        "misuse release/curated release/review train/label_filter web/console_inbox "
        "web/declared_verb web/staff_acts_api",
    "policy": "policy web/purposes",
    "proof":
        "proof legal consent/controller consent/receipt ledger/cosigning ledger/proof "
        "ledger/served release/proofs release/scoped_rows web/console_system web/papers_page "
        "web/takeout_papers",
    "release":
        "release curate/kernels erasure/faults policy/verifier_rule store/decided_meanwhile "
        "store/durable_writes store/file_locks store/found_by_id train/instructions train/loading "
        "train/mix train/streamed web/console_releases web/console_replacements "
        "web/console_review_tool",
    "service":
        "service cli/inbox erasure/sweeping legal/papers release/build release/proofs "
        "release/purge release/resume release/shared_releases release/slice_sample "
        "release/tool_results train/ablation train/canaries train/leases train/recipe "
        "train/recipients train/unmeasured vault/certificate vault/cold vault/counts "
        "vault/expiry web/console_inbox web/console_orders web/console_releases "
        "web/console_replacements web/console_rights web/console_tables web/holds "
        "web/inbox_items web/model_page web/policy_proposals web/preview_api web/staff_orders_api "
        "web/two_identities",
    "store":
        "store access/rate_counts backup/dump_durable cli/bad_days keys/journal_bucket "
        "ledger/bucket_log service/bad_nights web/connections web/three_hosts",
    "train":
        "train misuse/commands release/ended_meanwhile release/ratings release/row_runs "
        "release/shared_releases store/durable_writes store/file_locks verifier/levels "
        "verifier/row_sets web/console_releases web/forecasts web/model_page",
    "vault": "vault webhooks/event_pruning webhooks/webhooks",
    "verifier":
        "verifier ledger/cosigning ledger/note ledger/quorum ledger/tree ledger/vectors "
        "legal/papers policy/verifier_rule proof/proving release/contents release/proof_lines "
        "release/proofs release/purge release/scoped_rows vault/certificate",
    "webhooks":
        "webhooks host/host host/host_package service/bad_nights service/recent_faults "
        "web/console_inbox web/console_system web/events web/matrix",
}  # fmt: skip
# Longer than what they would tell: they kill, race or start browsers, trainers and every version's
# database.
PASSED_OVER = {
    "test_browser_safety.py",
    "test_build_races.py",
    "test_console_pages.py",
    "test_following.py",
    "test_killed_writer.py",
    "test_order.py",
    "test_pages_quality.py",
    "test_pages_stories.py",
    "test_pages_takeout.py",
    "test_pages_truth.py",
    "test_plan_growth.py",
    "test_providers.py",
    "test_recipients_page.py",
    "test_schema.py",
    "test_sentences.py",
    "test_stale_pages.py",
    "test_upgrade.py",
    "test_workers.py",
    "test_worst.py",
}
PASSED_OVER |= set(os.environ.get("MUTANTS_WITHOUT", "").split())
NOT_NOW = tuple(os.environ.get("MUTANTS_NOT", "").split())
TESTS_ONLY = os.environ.get("MUTANTS_TESTS", "").split()


def main(arguments: list[str]) -> list[Row]:
    """How many survived, by room."""
    if sys.version_info < (3, 12):
        raise SystemExit(
            "error: counting lines needs Python 3.12\nhint: make the environment with a newer one"
        )
    asked = [argument.partition("=") for argument in arguments] or [
        (room, "", "") for room in ROOMS
    ]
    rooms = {
        room: int(count) if count else round(ROOMS[room][1] * SHARE)
        for room, _, count in asked
        if room in ROOMS
    }
    if wrong := {room for room, *_ in asked} - set(ROOMS):
        raise SystemExit(
            f"error: there is no room `{min(wrong)}`\nhint: there are {', '.join(ROOMS)}"
        )
    rows = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Copy.made() as copy:
        for room in rooms:
            copy.lines(TESTS_ONLY or tests_of(room))
        covered = Covered(copy.lines(["tests"], known_only=True))
        copy.counted = {test.split("::")[0] for test in covered.seconds}
        for room in rooms:
            executed = covered.by_line.keys() if TESTS_ONLY else None
            verdicts = judge(copy, covered, drawn(room, rooms[room], executed))
            rows.append(_row(room, verdicts))
    return rows


def tests_of(room: str) -> list[str]:
    words = TESTS.get(room, room).split()
    return [f"tests/{word.replace('/', '/test_')}{'.py' if '/' in word else ''}" for word in words]


def _row(room: str, verdicts: dict[Mutant, dict[str, Any]]) -> Row:
    explained = equivalents()
    outcomes = [verdict["outcome"] for verdict in verdicts.values()]
    left = [
        one for one, verdict in verdicts.items() if verdict["outcome"] not in {"killed", "hung"}
    ]
    same = [one for one in left if one.identity in explained]
    killed = f"{len(verdicts) - len(left)} killed ({outcomes.count('hung')} never end)"
    asked, survived = len(verdicts) - len(same), len(left) - len(same)
    figure = f"{survived} of {asked} survive, {100 * survived / max(1, asked):.1f} %"
    return Row(
        f"mutants of {room}: {len(verdicts)} judged, {killed}, {len(same)} explained",
        figure,
        "under 3 %",
    )


@cache
def equivalents() -> set[Identity]:
    return {identity for identity, _ in read_equivalents()}


def read_equivalents() -> list[tuple[Identity, str]]:
    """The rows of `mutants_equivalent.csv`, each with its reason."""
    with EQUIVALENT.open(encoding="utf-8", newline="") as text:
        _, *rows = csv.reader(text)
    return [
        ((file, function, line, mutation, put, int(nth)), why)
        for file, function, line, mutation, put, nth, why in rows
    ]


# Drawing


def licet() -> Path:
    return at["tree"] / "src" / "licet"


def files(room: str) -> list[str]:
    source = licet()
    found = sorted(
        path.relative_to(source).as_posix()
        for pattern in ROOMS[room][0]
        for path in source.glob(pattern)
    )
    return [file for file in found if file not in NOT_MUTATED and not file.startswith(NOT_NOW)]


def drawn(room: str, wanted: int, lines: Container[tuple[str, int]] | None = None) -> list[Mutant]:
    """The room's mutants, or those on ``lines`` alone: whose keys come first under the seed, so
    that an edit moves few of them.
    """
    every = [
        one
        for file in files(room)
        for one in mutants(file, _source(file))
        if lines is None or (one.file, one.line) in lines
    ]
    every.sort(key=lambda one: hashlib.sha256(f"{SEED}{one.key}".encode()).digest())
    chosen: list[Mutant] = []
    for one in every:
        if len(chosen) == wanted:
            break
        if compiles(one.applied(_source(one.file))):
            chosen.append(one)
    return chosen


def _source(file: str) -> bytes:
    return (licet() / file).read_bytes()


# What is executed by whom


class Covered:
    """Which tests execute a line, and how long each takes."""

    def __init__(self, told: dict[str, dict[str, Any]]) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: dict[str, dict[str, int]] = {}
        self.by_line: dict[tuple[str, int], set[str]] = {}
        for test, one in told.items():
            self.seconds[test] = one["seconds"]
            for file, lines in one["lines"].items():
                for line in lines:
                    self.by_line.setdefault((file, line), set()).add(test)

    def tests(self, mutant: Mutant) -> list[str]:
        """Those that execute the mutant, in the order in which they are tried."""
        replaced = _source(mutant.file)[mutant.start : mutant.end].count(b"\n")
        found = self._span(mutant.file, mutant.line, mutant.line + replaced)
        found = found or self._span(mutant.file, *mutant.lines)
        if (
            mutant.function == ""
            or not found
            or mutant.function.rpartition(".")[2][:1].isupper()
            or _is_cached(mutant)
        ):
            found = found | self._by_name(mutant)
        found = found | self._called(mutant) or self._of_room(mutant)
        stem = Path(mutant.file).stem

        places: dict[str, int] = {}
        weights: dict[str, tuple[float, str]] = {}
        for test in sorted(found, key=lambda one: (self.seconds[one], one)):
            file = test.split("::")[0]
            places[file] = place = places.get(file, 0) + 1
            weights[test] = place * self.seconds[test] * (0.1 if stem in file else 1), test
        failed = self.failed.get(mutant.file, {})
        first = sorted((test for test in failed if test in found), key=lambda test: -failed[test])[
            :FAILED_BEFORE_MAX
        ]
        return [*first, *sorted(found - set(first), key=weights.__getitem__)]

    def _called(self, mutant: Mutant) -> set[str]:
        """For the default of an argument, which is executed at import: the tests that execute the
        function.
        """
        for node in ast.walk(ast.parse(_source(mutant.file))):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.lineno == mutant.lines[0]
            ):
                return self._span(mutant.file, node.body[0].lineno, node.end_lineno or node.lineno)
        return set()

    def _of_room(self, mutant: Mutant) -> set[str]:
        """For what only a collection executes, or no test: all that lie in the room's folder."""
        room = f"tests/{mutant.file.split('/')[0]}/"
        return {test for test in self.seconds if test.startswith(room)}

    def note(self, mutant: Mutant, test: str) -> None:
        """That ``test`` failed on it."""
        if test:
            counts = self.failed.setdefault(mutant.file, {})
            counts[test] = counts.get(test, 0) + 1

    def _of(self, file: str, line: int) -> set[str]:
        return self.by_line.get((file, line), set())

    def _span(self, file: str, first: int, last: int) -> set[str]:
        return set().union(*(self._of(file, line) for line in range(first, last + 1)))

    def _by_name(self, mutant: Mutant) -> set[str]:
        """For what is executed at import, or once a process: the tests that execute a line with its
        name, or with a name made of it.
        """
        lines = _source(mutant.file).decode().split("\n")
        cached = _is_cached(mutant)
        if (
            not cached
            and mutant.function
            and not mutant.function[0].isupper()
            and "." not in mutant.function
        ):
            return self._function(mutant)
        named = re.match(r"\s*(\w+)\s*(?::.*)?=", lines[mutant.lines[0] - 1])
        names, found = {named[1]} if named else set(), set()
        if cached:
            names = {mutant.function.rpartition(".")[2]}
        elif not named:
            return self._function(mutant)
        for _ in range(4):
            pattern = re.compile(r"\b(" + "|".join(sorted(names)) + r")\b")
            for file in sorted(licet().rglob("*.py")):
                name, text = file.relative_to(licet()).as_posix(), file.read_text("utf-8")
                if not pattern.search(text):
                    continue
                assigned = None
                for number, line in enumerate(text.split("\n"), start=1):
                    if start := re.match(r"([A-Z_]\w+)\s*(?::.*)?= ", line):
                        assigned = start[1]
                    elif re.match(r"\S", line) and not re.match(r"[\"')\]}]", line):
                        assigned = None
                    if pattern.search(line):
                        found |= self._of(name, number)
                        if assigned:
                            names.add(assigned)
        return found

    def _function(self, mutant: Mutant) -> set[str]:
        """The tests that execute any line around it: for lines that are newer than the count."""
        return self._span(mutant.file, mutant.lines[0] - 6, mutant.lines[1] + 6)


def _is_cached(mutant: Mutant) -> bool:
    """Whether its function answers from a cache: the first test that calls it is not the only one
    that relies on it.
    """
    name = mutant.function.rpartition(".")[2]
    return bool(
        name
        and re.search(rf"@(?:lru_)?cache\b[^\n]*\n\s*def {name}\(", _source(mutant.file).decode())
    )


# A copy to break


class Copy:
    """A copy of the repository, a server in it, and the lines that its tests execute."""

    def __init__(self, folder: Path, server: subprocess.Popen[str]) -> None:
        self.folder, self.tree, self.holder = folder, folder / "tree", server
        self.forks: subprocess.Popen[str] | None = None
        self.session: subprocess.Popen[str] | None = None
        self.witnesses: dict[str, bool] = {}  # whether a test passes in the session on the source
        self.counted: set[str] = set()  # the files whose tests are asked
        self.passed_over = PASSED_OVER
        self.runs = 0

    @classmethod
    @contextlib.contextmanager
    def made(cls) -> Iterator[Copy]:
        with tempfile.TemporaryDirectory(
            prefix="licet-mutants-", ignore_cleanup_errors=True
        ) as name:
            folder = Path(name)
            skipped = shutil.ignore_patterns(
                ".git", ".venv*", ".mutants", ".hypothesis", ".*_cache", "*.egg-info"
            )
            shutil.copytree(ROOT, folder / "tree", ignore=skipped, symlinks=True)
            (folder / "tree" / ".venv").symlink_to(ROOT / ".venv")
            # what is asked from now on is asked of the copy: the repository may move on
            at["tree"] = folder / "tree"
            (folder / "tree" / "src" / "sitecustomize.py").write_text(
                _mutant_lines.SITE, encoding="utf-8"
            )
            # Nothing is compiled anew for each mutant but its file; `compiled` does the same for
            # the tests.
            compileall.compile_dir(folder / "tree" / "src", quiet=2)
            with holding(folder / "postgres") as server:
                copy = cls(folder, server)
                try:
                    yield copy
                finally:
                    for one in (copy.forks, copy.session):
                        if one:
                            one.kill()
                            one.wait()

    def environment(self, **more: str) -> dict[str, str]:
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("LICET_", "PYTEST_", "MUTANTS_"))
            and key != "PYTHONDONTWRITEBYTECODE"
        }
        source = str(self.tree / "src")
        # of what is drawn
        few = {"TESTS_HISTORIES": "40", "TESTS_MACHINE_RUNS": "5", "TESTS_CRASH_STATES": "500"}
        return {
            **clean,
            **few,
            "PYTHONPATH": source,
            "MUTANTS_SOURCE": f"{source}/licet/",
            "OMP_NUM_THREADS": "1",
            **more,
        }

    def lines(self, paths: list[str], *, known_only: bool = False) -> dict[str, dict[str, Any]]:
        """Test by test, its seconds and its lines. What is not known yet is counted in one run."""
        tests = []
        for path in paths:
            whole = self.tree / path
            for file in sorted(whole.rglob("test_*.py")) if whole.is_dir() else [whole]:
                if file.name not in self.passed_over:
                    tests.append(file.relative_to(self.tree).as_posix())
        unknown = [test for test in tests if self._known(test) is None]
        if unknown and not known_only:
            self._count(unknown)
        found: dict[str, dict[str, Any]] = {}
        for test in tests:
            found |= self._placed(self._known(test) or {"tests": {}, "shared": {}, "sources": {}})
        return found

    def _known(self, test: str) -> dict[str, Any] | None:
        """What was counted, unless the test's file has changed or only its first tests were counted
        and all are asked.
        """
        kept = KEPT / "lines" / f"{test.replace('/', '.')}.json"
        if not kept.exists():
            return None
        told: dict[str, Any] = json.loads(kept.read_text("utf-8"))
        current = told["sha"] == _sha((self.tree / test).read_bytes()) and (
            COUNT_SECONDS_MAX or not told.get("cut")
        )
        return told if current else None

    @staticmethod
    def _placed(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The lines where they are now."""
        moved = {file: _moved(sha, file) for file, sha in told["sources"].items()}
        for one in told["tests"].values():
            for file, lines in told["shared"].items():
                one["lines"][file] = sorted(set(one["lines"].get(file, [])) | set(lines))
            one["lines"] = {
                file: [moved[file].get(line, 0) for line in lines] if moved[file] else lines
                for file, lines in one["lines"].items()
                if file in moved
            }
        return dict(told["tests"])

    def _count(self, tests: list[str]) -> None:
        print(f"counting {' '.join(tests)}", file=sys.stderr, flush=True)
        lines = self.folder / "lines.json"
        lines.unlink(missing_ok=True)
        quiet = ["-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
        quiet += [
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
            f"--basetemp={self.folder / 'count'}",
        ]
        command = [sys.executable, "-m", "pytest", *quiet, "-p", "licet_mutant_lines", *tests]
        (self.tree / "src" / "licet_mutant_lines.py").write_bytes(
            Path(_mutant_lines.__file__).read_bytes()
        )
        name = self._name()
        environment = self.environment(MUTANTS_LINES=str(lines), PYTEST_XDIST_WORKER=name)
        if COUNT_SECONDS_MAX:
            environment["MUTANTS_COUNT_SECONDS"] = COUNT_SECONDS_MAX
        with (self.folder / "counting").open("w") as output:
            subprocess.run(
                command, cwd=self.tree, env=environment, stdout=output, stderr=output, check=False
            )
        if not lines.exists():
            print((self.folder / "counting").read_text("utf-8")[-2000:], file=sys.stderr)
            return
        told = json.loads(lines.read_text("utf-8"))
        if told["failed"]:
            print(
                f"  not counted, because they failed or were skipped: {', '.join(told['failed'])}",
                file=sys.stderr,
            )
        modules = KEPT / "modules.json"
        before = json.loads(modules.read_text("utf-8")) if modules.exists() else []
        modules.parent.mkdir(parents=True, exist_ok=True)
        modules.write_text(
            json.dumps([*before, *(name for name in told["modules"] if name not in before)]),
            encoding="utf-8",
        )
        for test in tests:
            self._keep_lines(test, told)

    def _keep_lines(self, test: str, told: dict[str, Any]) -> None:
        """Keeps what one file of a count tells, and the source that it was counted in."""
        mine = {name: one for name, one in told["tests"].items() if name.split("::")[0] == test}
        shared: dict[str, list[int]] = told["shared"].get(test, {})
        sources = {}
        for file in sorted({file for one in mine.values() for file in one["lines"]} | set(shared)):
            content = (self.tree / "src" / "licet" / file).read_bytes()
            sources[file] = _sha(content)
            store = KEPT / "sources" / sources[file]
            store.parent.mkdir(parents=True, exist_ok=True)
            store.write_bytes(content)
        kept = KEPT / "lines" / f"{test.replace('/', '.')}.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        cut = bool(COUNT_SECONDS_MAX) and any(
            name.split("::")[0] == test for name in told["failed"]
        )
        sha = _sha((self.tree / test).read_bytes())
        if mine:
            one = {"sha": sha, "cut": cut, "tests": mine, "shared": shared, "sources": sources}
            kept.write_text(json.dumps(one), encoding="utf-8")

    def _name(self) -> str:
        self.runs += 1
        return f"m{os.getpid()}x{self.runs}"

    def tried(self, mutant: Mutant | None, tests: list[str], seconds: float) -> dict[str, Any]:
        """The verdict of ``tests`` on the mutant, or on the source as it is."""
        order = {"tests": tests, "name": self._name(), "cpu": 6 + 3 * seconds}
        if mutant is None:
            return self._ask(order)
        path = self.tree / "src" / "licet" / mutant.file
        source = path.read_bytes()
        stamp = path.stat()
        try:
            path.write_bytes(mutant.applied(source))
            return self._ask(order)
        finally:
            path.write_bytes(source)
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    def compiled(self) -> None:
        """Has pytest rewrite and keep the tests that were counted, once: the forks keep nothing."""
        quiet = ["-q", "--collect-only", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command = [sys.executable, "-m", "pytest", *quiet, *sorted(self.counted)]
        subprocess.run(
            command, cwd=self.tree, env=self.environment(), capture_output=True, check=False
        )

    def tried_in_session(
        self, mutant: Mutant, tests: list[str], seconds: float
    ) -> dict[str, Any] | None:
        """As `tried`, by tests that are collected already; None where that says nothing."""
        if self.session is None or self.session.poll() is not None:
            return None
        path = self.tree / "src" / "licet" / mutant.file
        source = path.read_bytes()
        after = mutant.applied(source)
        texts = {"file": str(path), "before": source.decode(), "after": after.decode()}
        order = {"tests": tests, "cpu": 6 + 3 * seconds, **texts}
        stamp = path.stat()
        try:
            path.write_bytes(after)  # for programs that the tests start
            verdict = self._answer(self.session, {**order, "name": self._name()})
        finally:
            path.write_bytes(source)
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        test = verdict["test"]
        if verdict["outcome"] == "killed" and test not in self.witnesses:
            alone = {"tests": [test], "cpu": 60, "file": "", "name": self._name()}
            self.witnesses[test] = self._answer(self.session, alone)["outcome"] == "survived"
        is_witness = verdict["outcome"] == "killed" and self.witnesses[test]
        return verdict if verdict["outcome"] == "survived" or is_witness else None

    def collect(self, modules: set[str], files: set[str]) -> None:
        """Has a process import the mutants' modules and collect the tests of these files, for
        `tried_in_session`.
        """
        if self.session is not None:
            self.session.kill()
            self.session.wait()
        self.session = self._started(
            "_mutant_session.py", str(self.folder), ",".join(sorted(modules)), *sorted(files)
        )

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        if self.forks is None or self.forks.poll() is not None:
            self.compiled()
            modules = str(KEPT / "modules.json")
            self.forks = self._started("_mutant_server.py", str(self.folder), modules)
        return self._answer(self.forks, order)

    def _started(self, program: str, *words: str) -> subprocess.Popen[str]:
        with (self.folder / "server").open("a") as said:
            return subprocess.Popen(
                [sys.executable, str(self.tree / "bench" / program), *words],
                cwd=self.tree,
                env=self.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )

    def _answer(self, server: subprocess.Popen[str], order: dict[str, Any]) -> dict[str, Any]:
        assert server.stdin and server.stdout
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        line = server.stdout.readline()
        shutil.rmtree(self.folder / order["name"], ignore_errors=True)
        if not line:
            raise SystemExit(
                "error: the process that runs mutants died\n"
                + (self.folder / "server").read_text("utf-8")[-2000:]
            )
        return dict(json.loads(line))


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that keeps the tests' PostgreSQL up, from the source as it is."""
    folder.mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from licet.store import embedded\n"
        "with embedded.running(Path(sys.argv[1]), embedded.Options(durable=False)):\n"
        "    print('up', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    server = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert server.stdin and server.stdout
    try:
        assert server.stdout.readline() == "up\n"
        yield server
    finally:
        server.stdin.close()
        server.wait()


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def _moved(sha: str, file: str) -> dict[int, int]:
    """Where the lines of the counted source are now; empty where nothing changed."""
    path = licet() / file
    if not path.exists():
        return {0: 0}
    if _sha(path.read_bytes()) == sha:
        return {}
    old, new = ((one.read_text("utf-8")).split("\n") for one in (KEPT / "sources" / sha, path))
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return {0: 0} | {
        block.a + i + 1: block.b + i + 1 for block in blocks for i in range(block.size)
    }


# Judging


def judge(copy: Copy, covered: Covered, chosen: list[Mutant]) -> dict[Mutant, dict[str, Any]]:
    """What became of each."""
    verdicts = {}
    executed = {mutant: covered.tests(mutant) for mutant in chosen}
    left = [tests for one, tests in executed.items() if _kept(one, _asked(tests)) is None]
    if left:
        within = [_within(covered, tests, CPU_SECONDS_MAX, TESTS_MAX) for tests in left]
        modules = {f"licet.{one.file[:-3].replace('/', '.')}" for one in chosen}
        copy.collect(modules, {test.split("::")[0] for tests in within for test in tests})
    for number, mutant in enumerate(chosen, start=1):
        tests = covered.tests(mutant)
        asked = _asked(tests)
        verdicts[mutant] = verdict = _kept(mutant, asked) or {
            **_judged(copy, covered, mutant, tests),
            "asked": asked,
        }
        covered.note(mutant, verdict["test"])
        _keep(mutant, verdict)
        where = f"{number}/{len(chosen)} {verdict['outcome']} {mutant.file}:{mutant.line}"
        what = f"{mutant.what} -> {mutant.put!r} #{mutant.nth}"
        print(f"{where} {what} | {mutant.text} | {verdict['test']}", file=sys.stderr, flush=True)
    return verdicts


def _judged(copy: Copy, covered: Covered, mutant: Mutant, tests: list[str]) -> dict[str, Any]:
    if not tests:
        return {"outcome": "not executed", "test": ""}
    verdict: dict[str, Any] = {"outcome": "survived", "test": ""}
    chosen, passed = _within(covered, tests, CPU_SECONDS_MAX, TESTS_MAX), _passed(mutant)
    left = [test for test in chosen if test not in passed or passed[test] != _proof(test)]
    first = _within(covered, left, FIRST_SECONDS_MAX, FIRST_TESTS_MAX)
    for some in (first, left[len(first) :]):
        if some:
            verdict = _tried(copy, mutant, some, sum(covered.seconds[test] for test in some))
        if verdict["outcome"] != "survived":
            return {**verdict, "tried": len(tests)}
    return {**verdict, "tried": len(tests), "passed": {test: _proof(test) for test in chosen}}


def _tried(copy: Copy, mutant: Mutant, tests: list[str], seconds: float) -> dict[str, Any]:
    """The verdict of ``tests``. Where no test failed but the run did not end well (a file could not
    be imported, say), the same tests are run on the source as it is: only if they pass there is it
    the mutant that stopped them. What fails on the source too is no witness.
    """
    at_once = copy.tried_in_session(mutant, tests, seconds)
    if at_once is not None:
        return at_once
    for _ in range(TRIES_MAX):
        verdict = copy.tried(mutant, tests, seconds)
        if verdict["outcome"] == "survived" or "::" in verdict["test"]:
            return verdict
        if copy.tried(None, tests, seconds)["outcome"] == "survived":
            return verdict
    return {**verdict, "outcome": "undecided"}


def _within(covered: Covered, tests: list[str], seconds: float, count: int) -> list[str]:
    if not tests:
        return []
    chosen, spent = tests[:1], covered.seconds[tests[0]]
    for test in tests[1:count]:
        spent += covered.seconds[test]
        if spent > seconds:
            break
        chosen.append(test)
    return chosen


def _kept(mutant: Mutant, asked: str) -> dict[str, Any] | None:
    told = _verdict(mutant)
    if told is None or told["outcome"] == "undecided":
        return None
    failed = told["outcome"] in {"killed", "hung"}
    same = told["proof"] == _proof(told["test"]) if failed else told.get("asked") == asked
    return told if same else None


def _verdict(mutant: Mutant) -> dict[str, Any] | None:
    """The last verdict on the mutant, unless its file has changed since."""
    path = KEPT / "verdicts" / f"{mutant.key}.json"
    if not path.exists():
        return None
    told: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return told if told["source"] == _sha(_source(mutant.file)) else None


def _passed(mutant: Mutant) -> dict[str, str]:
    """The tests that did not notice the mutant when it was last judged, each with its `proof`."""
    told = _verdict(mutant) or {}
    return dict(told.get("passed", {}))


def _asked(tests: list[str]) -> str:
    """The tests that execute a mutant, their files as they are, and how long they may take: a
    survivor's proof.
    """
    files = {
        file: _sha((at["tree"] / file).read_bytes())
        for file in sorted({test.split("::")[0] for test in tests})
    }
    return _sha(json.dumps([sorted(tests), files, CPU_SECONDS_MAX]).encode())


def _keep(mutant: Mutant, verdict: dict[str, Any]) -> None:
    path = KEPT / "verdicts" / f"{mutant.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        **verdict,
        "source": _sha(_source(mutant.file)),
        "proof": _proof(verdict["test"]),
        "mutant": f"{mutant.file}:{mutant.line} {mutant.what} {mutant.text}",
    }
    path.write_text(json.dumps(told), encoding="utf-8")


def _proof(test: str) -> str:
    """The test as it is: its file without the other tests and without what it imports."""
    file, *names = test.split("::")
    path = at["tree"] / file
    if not names or not path.is_file():
        return ""
    return proof(path.read_text("utf-8"), names[0].partition("[")[0])


def proof(text: str, test: str) -> str:
    """The hash of the lines on which ``test`` rests, of the text of its file."""
    lines = text.split("\n")
    for name, first, last in _passed_over_by(text):
        if name != test:
            lines[first - 1 : last] = [""] * (last - first + 1)
    return _sha("\n".join(line for line in lines if line.strip()).encode())


@cache
def _passed_over_by(text: str) -> list[tuple[str, int, int]]:
    """The tests of a file, and its imports under an empty name: each with first and last line."""
    found = []
    for node in ast.parse(text).body:
        name = ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = node.name
        if name.startswith("test_") or isinstance(node, ast.Import | ast.ImportFrom):
            first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
            found.append((name, first, node.end_lineno or node.lineno))
    return found
