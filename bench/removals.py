"""Is each safeguard held by a test? Every fsync, lock and authorization is taken out alone, and the
tests are run until one fails.

What counts as a safeguard is in `bench/_removals.py`; how one is judged, and what is kept in
`.mutants/` so that a run that was interrupted goes on, in `bench/mutants.py`. Tests that race and
kill are asked here. A route's `may` is first asked of those in `FIRST`.
`bench/mutants_equivalent.csv` has the safeguards without which no test can fail, each with why.

    python -m bench removals [WHAT ...]     kinds (`fsync`, `row-lock`), or what the source's path begins with (`keys/`)
    python -m bench removals --json         the table as JSON; progress goes to standard error
    python -m bench removals --counted      asks only tests whose lines were counted before; what no such test reaches is
                                            told as `not executed`
    MUTANTS_TESTS="tests/web/test_a.py .."  ask these tests alone, and count their lines
    MUTANTS_COUNT_SECONDS=15                count the lines of each test file for as long, and no longer
    MUTANTS_SECONDS=30                      more time of tests for each safeguard (15)
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from bench import Row
from bench._mutations import Mutant, compiles
from bench._removals import Kind, kind_of, removals
from bench.mutants import PASSED_OVER, Copy, Covered, equivalents, judge, licet

RACES = {"test_build_races.py", "test_killed_writer.py", "test_order.py", "test_providers.py"}
TESTS = (  # every room whose tests need no browser, no trainer and no other program
    "tests/access", "tests/keys", "tests/ledger", "tests/plugins", "tests/webhooks", "tests/vault", "tests/store",
    "tests/erasure", "tests/proof", "tests/backup", "tests/release", "tests/web", "tests/train", "tests/misuse",
    "tests/agent", "tests/consent", "tests/service", "tests/cli", "tests/client",
)  # fmt: skip
FIRST = ("tests/web/test_declared_callers.py", "tests/web/test_not_found.py")
GUARDS = {  # tests that are about safeguards alone go first among those that reach one
    "tests/store/test_durable_writes.py",
    "tests/release/test_release_on_disk.py",
    "tests/keys/test_journal_after_kill.py",
    "tests/store/test_file_locks.py",
    "tests/store/test_held_locks.py",
    "tests/store/test_decided_meanwhile.py",
}
LASTING = {
    "test_crash_anywhere.py", "test_faults.py", "test_races.py", "test_killed.py", "test_planted_sentence.py",
    "test_notebook.py", "test_real_tools.py", "test_trainers.py", "test_ablation.py", "test_sequence_parallel.py",
    "test_axe.py", "test_day_of_five.py", "test_design.py", "test_element_examples.py", "test_elements.py",
    "test_everybody.py", "test_example_hosts.py", "test_firefox.py", "test_generated_clients.py", "test_journeys.py",
    "test_preview_page.py", "test_three_hosts.py", "test_serve.py", "test_drills.py", "test_base_backup.py",
}  # fmt: skip


UNREACHED = "not executed"


class Reaching(Covered):
    """The tests that reach a safeguard, first those that are about nothing else."""

    def tests(self, mutant: Mutant) -> list[str]:
        found = sorted(super().tests(mutant), key=lambda test: test.split("::")[0] not in GUARDS)
        if kind_of(mutant) is not Kind.authorization or not mutant.file.startswith(
            ("web/", "access/")
        ):
            return found
        first = [test for file in FIRST for test in self.seconds if test.startswith(f"{file}::")]
        return [*first, *(test for test in found if test not in first)]


def main(arguments: list[str]) -> list[Row]:
    """How many of each kind are held by a test, and each that is not."""
    if sys.version_info < (3, 12):
        raise SystemExit(
            "error: counting lines needs Python 3.12\nhint: make the environment with a newer one"
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Copy.made() as copy:
        chosen = asked(arguments)
        tests = tuple(os.environ.get("MUTANTS_TESTS", "").split())
        if missing := [test for test in tests if not (copy.tree / test).exists()]:
            raise SystemExit(f"error: there is no `{missing[0]}`")
        copy.passed_over = set() if tests else (PASSED_OVER | LASTING) - RACES
        for path in (tests or TESTS) if "--counted" not in arguments else ():
            copy.lines([path])
        covered = Reaching(copy.lines(list(tests or TESTS), known_only=True))
        copy.counted = {test.split("::")[0] for test in covered.seconds}
        verdicts = judge(copy, covered, chosen)
    return [
        *(row_of(kind, verdicts) for kind in Kind if any(kind_of(one) is kind for one in chosen)),
        *left(verdicts),
    ]


def asked(arguments: list[str]) -> list[Mutant]:
    """The safeguards of the source that are meant, by kind and place; all of them without."""
    words = [one for one in arguments if not one.startswith("--")]
    kinds = {Kind(one.replace("-", " ")) for one in words if one.replace("-", " ") in set(Kind)}
    places = tuple(one for one in words if one.replace("-", " ") not in set(Kind))
    found = []
    for path in sorted(licet().rglob("*.py")):
        file, source = path.relative_to(licet()).as_posix(), path.read_bytes()
        if not places or file.startswith(places):
            made = [one for one in removals(file, source) if not kinds or kind_of(one) in kinds]
            found += [one for one in made if compiles(one.applied(source))]
    if not found:
        raise SystemExit(f"error: nothing of that kind or place\nhint: kinds are {', '.join(Kind)}")
    return sorted(found, key=lambda one: list(Kind).index(kind_of(one)))


def row_of(kind: Kind, verdicts: dict[Mutant, dict[str, Any]]) -> Row:
    mine = {one: verdict for one, verdict in verdicts.items() if kind_of(one) is kind}
    killed = [one for one, verdict in mine.items() if verdict["outcome"] in {"killed", "hung"}]
    same = [one for one in mine if one not in killed and is_explained(one)]
    unreached = [one for one in mine if mine[one]["outcome"] == UNREACHED and one not in same]
    judged, survived = (
        len(mine) - len(unreached),
        len(mine) - len(killed) - len(same) - len(unreached),
    )
    what = (
        f"{kind}: {len(mine)} found, {judged} judged, {len(killed)} killed, {len(same)} explained"
    )
    return Row(
        what, f"{survived} survive, {len(unreached)} reached by no test that was asked", "none", ""
    )


def left(verdicts: dict[Mutant, dict[str, Any]]) -> list[Row]:
    """Each that nothing killed and nothing explains."""
    return [
        Row(
            f"`{one.file}:{one.line}` {one.what}: `{one.text}`".replace("|", "\\|"),
            outcome["outcome"],
        )
        for one, outcome in verdicts.items()
        if outcome["outcome"] not in {"killed", "hung"} and not is_explained(one)
    ]


def is_explained(mutant: Mutant) -> bool:
    return mutant.identity in equivalents()
