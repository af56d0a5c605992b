"""Showing a release by the number of its rows, and where the rows were decided when: `python -m
bench shown [TURNS ...]`.

First with none of its rows decided yet, beside asking for a lease of every row, as a load does and
as `release show` did before; then while the server keeps the rows up, and one conversation was
deleted since. Processor time of the process and of the database.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from bench import Row
from bench.building import NOW, fill, installed, spent
from licet.curate import release_build
from licet.release import catalog
from licet.service import release_view
from licet.store.connect import transaction
from licet.train import gate_files
from licet.vault import commands, verbs
from licet.vault.installation import Installation

WORDS_A_TURN = 8
TIMES = 5


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    return [
        row for turns in [int(a) for a in arguments] or [2_000, 20_000] for row in _shown(turns)
    ]


def _shown(turns: int) -> list[Row]:
    with installed() as installation:
        fill(installation, turns, Random(1), WORDS_A_TURN)
        built = release_build.build_release(
            installation, name="bench", purpose="improve_models"
        ).manifest
        release_view.show(installation, "bench")  # warm
        leased = _milliseconds(
            installation, lambda: deque(catalog.usable_rows(installation, built), maxlen=0)
        )
        undecided = _milliseconds(installation, lambda: release_view.show(installation, "bench"))
        gate_files.update_all(installation)
        _delete_one(installation)
        kept = _milliseconds(installation, lambda: release_view.show(installation, "bench"))
    what = f"release of {built.rows:,} rows shown, undecided, ms, beside a lease of every row"
    return [
        Row(what, f"{undecided:.1f}", f"{leased:.1f}", f"{leased / undecided:.1f}"),
        Row(
            "  kept up, one conversation deleted since, ms",
            f"{kept:.1f}",
            f"{leased:.1f}",
            f"{leased / kept:.1f}",
        ),
    ]


def _delete_one(installation: Installation) -> None:
    with transaction(installation.pool) as tx:
        row = tx.execute(
            "SELECT account_id, conversation_id FROM release_rows ORDER BY ordinal LIMIT 1"
        ).fetchone()
    assert row is not None
    verbs.apply_commands(
        installation, [commands.Delete(account=row[0], conversation=row[1], at=NOW)]
    )


def _milliseconds(installation: Installation, run: Callable[[], object]) -> float:
    before = sum(spent(installation))
    for _ in range(TIMES):
        run()
    return 1e3 * (sum(spent(installation)) - before) / TIMES
