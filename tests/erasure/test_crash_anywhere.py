"""A crash at every step of every verb: nothing acknowledged is lost, nothing erased returns, log,
keys and rows agree.

A state is what a crash leaves in the folder, beside what was committed in the database; equal
states count once. TESTS_CRASH_STATES sets how many are tried (10,000, of which a run tries a
sixteenth: `tests/tiers.py`).
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from licet.errors import LicetError
from licet.store.connect import transaction

from ..tiers import SIXTEENTH, SIXTEENTHS, WHOLE, share
from . import crashing
from .commits import Undone
from .crashing import Databases, Run, Trials, runs, scaled, states
from .disk import Step, Watch
from .verbs import VERBS, Base, Verb, make_base

STATES = int(os.environ.get("TESTS_CRASH_STATES") or share(10_000))


@pytest.fixture(scope="module")
def clones(postgres: str) -> Databases:
    return Databases(postgres)


@pytest.fixture(scope="module")
def blank(databases: Callable[..., str]) -> str:
    return databases()


@pytest.fixture(scope="module")
def base(clones: Databases, blank: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    dsn = clones.clone(blank)
    folder = tmp_path_factory.mktemp("base") / "house"
    with Watch(folder):
        made = make_base(dsn, folder)
    yield made
    clones.drop(dsn)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """In memory where that is to be had: thousands of folders are made and removed."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else tmp_path
    with tempfile.TemporaryDirectory(dir=place) as folder, Watch(Path(folder) / "house") as watch:
        yield watch


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_no_crash_loses_what_was_acknowledged_or_brings_back_what_was_erased(
    verb: Verb, clones: Databases, blank: str, base: Base, watch: Watch
) -> None:
    # Of what is drawn a run draws less; of what is enumerated it tries each sixteenth state, others
    # every day.
    part = (SIXTEENTH, SIXTEENTHS) if not (verb.drawn or WHOLE) else (0, 1)
    trials = Trials(watch, verb, base, random.Random(1 + SIXTEENTH), part=part)
    for run in runs(clones, watch, verb, base, blank, scaled(1, STATES)):
        with Undone(run.dsn) as undone:
            trials.each(run, undone, states(run, trials.choose, scaled(verb.drawn, STATES)))
    print(
        f"{verb.name}: {trials.tried} of {trials.found} states, {trials.crashed_again} "
        "crashed again"
    )
    assert trials.found >= (scaled(verb.states, STATES) if verb.drawn else verb.states)
    assert trials.tried >= trials.found // part[1]


def lying(run: Run, lie: str) -> Callable[[Step], bool]:
    """A disk that does nothing where fsync asks it for files, or for folders."""
    return lambda step: (
        step[0] != "sync" or (run.disk.look(step[1]).names is None) != (lie == "files")
    )


LIES = [
    ("refuse", "files"),
    ("rotate", "files"),
    ("sequence", "files"),
    ("back up", "folders"),
    ("release", "folders"),
]


@pytest.mark.parametrize(("name", "lie"), LIES)
def test_the_enumeration_finds_a_verb_that_does_not_wait_for_the_disk(
    name: str, lie: str, clones: Databases, blank: str, base: Base, watch: Watch
) -> None:
    """The control: on a disk that lies, something that was acknowledged is lost."""

    verb = next(verb for verb in VERBS if verb.name == name)
    trials = Trials(watch, verb, base, random.Random(1), again_share=0)
    with pytest.raises((AssertionError, LicetError)):
        for run in runs(clones, watch, verb, base, blank, 1, commit=crashing.NONE):
            with Undone(run.dsn) as undone:
                trials.each(run, undone, states(run, trials.choose, 20, does=lying(run, lie)))


def test_a_trial_s_connection_rolls_back_what_it_has_open_and_nothing_else(blank: str) -> None:
    """As a real one does: neither before its first statement nor after a commit is anything of it
    open.
    """
    raised = "INSERT INTO fence (begun_at) VALUES (now())"
    with Undone(blank) as undone:
        with undone.trial() as pool, pool.connection() as outer:
            outer.rollback()
            with transaction(pool) as tx:
                tx.execute(raised)
            outer.rollback()
            assert outer.execute("SELECT count(*) FROM fence").fetchone() == (1,), (
                "another's, and committed"
            )
            outer.commit()
            with transaction(pool) as tx:
                tx.execute("DELETE FROM fence")
            outer.rollback()
            assert outer.execute("SELECT count(*) FROM fence").fetchone() == (0,), (
                "another's, since its own commit"
            )
            outer.execute(raised)
            outer.rollback()
            assert outer.execute("SELECT count(*) FROM fence").fetchone() == (0,), (
                "its own, and open"
            )
        with undone.trial() as pool, transaction(pool) as tx:
            assert tx.execute("SELECT count(*) FROM fence").fetchone() == (0,), "of another trial"


def test_the_verbs_come_to_ten_thousand_states() -> None:
    assert sum(verb.states for verb in VERBS) >= crashing.STATES
