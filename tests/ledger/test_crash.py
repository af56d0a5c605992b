"""Every crash is recovered: the disk may lose, keep or tear whatever was not yet fsynced, after any
step.

TESTS_CRASH_STATES sets how many states there are (10,000, of which a run tries a sixteenth:
`tests/tiers.py`).
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from functools import cache

import pytest

from licet import verifier
from licet.errors import LicetError
from licet.ledger.log import LogWriter, prune

from ..tiers import SIXTEENTH, SIXTEENTHS, WHOLE
from .world import ORIGIN, SIGNER, Disk, Held, entry_of

STATES = int(os.environ.get("TESTS_CRASH_STATES", "10000"))
SHARE = STATES // (4 if WHOLE else SIXTEENTHS)
BATCHES = (1, 252, 2, 1, 1, 3, 1, 520, 1, 2)
TRUST = verifier.trust(SIGNER.verifier.vkey)
MODEL = [entry_of(i) for i in range(4000)]
LEAVES = [verifier.leaf(entry) for entry in MODEL]


@cache
def root_of(size: int) -> bytes:
    return verifier.tree_hash(LEAVES[:size])


def written(disk: Disk, batches: Sequence[int]) -> list[tuple]:
    """Run the workload; the disk's journal holds every step and, as `ack`, what was promised
    between them.
    """
    log = LogWriter.begin(disk.folder("log"), disk.folder("state"), ORIGIN, SIGNER)
    disk.journal.append(("ack", 0))
    size = 0
    for number, batch in enumerate(batches):
        log.append(MODEL[size : size + batch])
        size += batch
        disk.journal.append(("ack", size))
        if number % 4 == 3:
            prune(disk.folder("log"), size)
    return disk.journal


def drawn(choose: random.Random) -> list[int]:
    """Batches that end close to where tiles do, most of them small."""
    batches = [choose.choice([1, 5, 254, 255, 256, 257, 511])]
    return batches + [
        choose.choice([1, 1, 2, 3, 30, 250, 256, 300]) for _ in range(choose.randrange(2, 9))
    ]


def recovered(disk: Disk, acked: int | None, seen: dict[str, bytes], whole: bool) -> int | None:
    """Open what a crash left, and hold it against all that was promised; answers the size, None
    before creation.
    """
    storage, state = disk.folder("log"), disk.folder("state")
    if acked is None and state.read("head") is None:
        return None
    log = LogWriter.recover(storage, state, ORIGIN, SIGNER)
    size = log.checkpoint.size
    assert size >= (acked or 0), "an acknowledged entry is lost"
    assert log.checkpoint.root == root_of(size), "the log contradicts an earlier checkpoint"
    assert storage.read("checkpoint") == log.published
    for path, data in seen.items():
        assert (
            not path.startswith("tile/")
            or path.endswith(".tmp")
            or storage.read(path) in (None, data)
        ), path
    if whole:
        report = verifier.check_log(Held(disk.files("log")), TRUST)
        assert report.ok, report.findings
        assert report.size == size
        assert report.ahead == 0, "a tile is left that no checkpoint explains"
        assert log.append([MODEL[size]]).root == root_of(size + 1)
    return size


def crashed(disk: Disk, step: tuple, choose: random.Random) -> list[Disk]:
    """All kept, all lost, killed without loss, torn, and a choice at random."""
    torn = disk.copy()
    if step[0] == "create":
        torn.apply(("torn", *step[1:]))
    return [
        disk.crash(None, kept=True),
        disk.crash(None),
        disk.copy(),
        torn.crash(choose),
        *(disk.crash(choose) for _ in range(4)),
    ]


def explore(blank: Disk, states: int, seed: int = 1) -> int:
    """Run a workload, crash before each of its steps, recover, and crash the recovery too.

    The first workload is `BATCHES`, others are drawn, until enough different states were tried;
    answers how many.
    """
    choose, tried, rounds = random.Random(seed), set[tuple[int, ...]](), 0
    while len(tried) < states:
        journal = list(written(blank.copy(), drawn(choose) if rounds else BATCHES))
        world, acked, rounds = blank.copy(), None, rounds + 1
        world.folder("log"), world.folder("state")
        for number, step in enumerate(journal):
            if step[0] == "ack":
                acked = step[1]
                continue
            seen = world.files("log")
            for left in crashed(world, step, choose):
                first = (rounds, number, left.fingerprint())
                again = left.copy()
                recovered(left, acked, seen, whole=choose.random() < 0.05)
                tried.add(first)
                for _ in range(4 if again.pending() else 1):
                    tried.add(
                        (*first, crashed_again(again.copy(), left.journal, acked, seen, choose))
                    )
            world.apply(step)
            if rounds > 1 and len(tried) >= states:
                break
    return len(tried)


def crashed_again(
    disk: Disk,
    journal: list[tuple],
    acked: int | None,
    seen: dict[str, bytes],
    choose: random.Random,
) -> int:
    """Crash a recovery, which began at this disk, before one of its steps; answers what was
    left.
    """
    for step in journal[: choose.randrange(len(journal) + 1)]:
        disk.apply(step)
    left = disk.crash(choose)
    found = left.fingerprint()
    recovered(left, acked, seen, whole=choose.random() < 0.05)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3, 4] if WHOLE else [1 + SIXTEENTH])
def test_no_crash_loses_an_acknowledged_entry_or_contradicts_a_checkpoint(seed: int) -> None:
    assert explore(Disk(), SHARE, seed) >= SHARE


@pytest.mark.parametrize("fault", ["lazy", "deaf", "parentless"])
def test_the_enumeration_finds_a_writer_that_forgets_an_fsync(fault: str) -> None:
    """lazy: files are not fsynced; deaf: folders are not; parentless: new parents are not."""
    with pytest.raises((LicetError, AssertionError)):
        explore(Disk(**{fault: True}), 5000)


def test_a_crash_while_pruning_loses_nothing() -> None:
    disk = Disk()
    log = LogWriter.begin(disk.folder("log"), disk.folder("state"), ORIGIN, SIGNER)
    for size in range(0, 300, 10):
        log.append(MODEL[size : size + 10])
    before = len(disk.journal)
    assert prune(disk.folder("log"), log.checkpoint.size) > 40
    steps = disk.journal[before:]
    world = Disk()
    world.folder("log"), world.folder("state")
    for step in disk.journal[:before]:
        world.apply(step)
    choose = random.Random(2)
    for step in steps:
        recovered(world.crash(choose), 300, {}, whole=True)
        world.apply(step)
    recovered(world, 300, {}, whole=True)
