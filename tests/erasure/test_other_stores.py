"""Other people's stores, as a control that must fail: what plain PostgreSQL deleted is found by the
search that finds nothing of ours. The figures are those of `./run bench leftovers` (docs/erase.md).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from licet.store import embedded

SENTENCES = 30


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The procedure, which is a bench."""
    path = Path(__file__).parents[2] / "bench" / "leftovers.py"
    spec = importlib.util.spec_from_file_location("bench.leftovers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_plain_postgres_keeps_what_was_deleted(bench: ModuleType, tmp_path: Path) -> None:
    # Durable, as in life: without fsync nothing is written in another place, but at another time.
    before, deleted, vacuumed, rewritten = bench.postgres(tmp_path / "plain", SENTENCES)
    assert before.heap == before.dump == SENTENCES, "the search finds what is there"
    assert deleted.heap == SENTENCES, "a deleted row lies in its page"
    assert deleted.wal > SENTENCES // 2, (
        "and in the write-ahead log, whose own page headers may cut one in two"
    )
    assert vacuumed.wal > SENTENCES // 2
    assert rewritten.wal > SENTENCES // 2
    assert rewritten.dump == SENTENCES, "and in yesterday's backup for as long as that is kept"


def test_the_same_search_finds_nothing_of_ours(
    bench: ModuleType, tmp_path: Path, fast: embedded.Options
) -> None:
    assert bench.licet(tmp_path / "licet", SENTENCES, fast).anywhere == 0
