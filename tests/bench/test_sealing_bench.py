"""The bench of the seal, small: it seals while people delete, and says for how long they had to
wait.
"""

from __future__ import annotations

from bench import sealing


def test_the_bench_of_the_seal_runs_and_seals_among_deletions() -> None:
    lock, deletions = sealing.main(["60"])
    assert lock.what == "endings lock held for a release of 60 rows, ms"
    assert 0 < float(lock.figure) < 10_000
    assert float(deletions.figure) > 0
