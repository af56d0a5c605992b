"""The cold tier: moving sealed bodies beside writing the same bytes to a file, and deleting an
object by its size.

Floor of the move: the same bytes read from the table, written to one file, synced and read back,
with no row changed. Reading a conversation back is beside reading it from the table. Deleting an
object is measured for two sizes: it must not take longer because more bodies lay in it.

    python -m bench cold [TURNS]
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random

from bench import NO_NAMES, Row
from bench.building import NOW, fill
from licet.config import Configuration
from licet.policy.file import preset
from licet.release.decision_pages import PAGE_BYTES_MAX
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.vault import cold_tier
from licet.vault.cold_tier import EMPTY_SECONDS, PLACED, contents
from licet.vault.conversation_pages import START, page_after
from licet.vault.installation import Installation, open_installation

LATER = NOW + timedelta(days=120)


def main(arguments: list[str]) -> list[Row]:
    """Turns a second, microseconds a turn, milliseconds an object."""
    turns = int(arguments[0]) if arguments else 50_000
    move, floor, deletion, from_table, from_objects = measured(turns)
    few = measured(turns // 10)[2]
    what = f"deleting the objects of {turns:,} erased turns, ms an object"
    return [
        Row(
            f"cool {turns:,} turns, a second",
            f"{turns / move:,.0f}",
            f"{turns / floor:,.0f}",
            f"{floor / move:.2f}",
        ),
        Row(
            "  read back a page of conversations, ms, beside the table",
            f"{from_objects * 1e3:.1f}",
            f"{from_table * 1e3:.1f}",
            f"{from_table / from_objects:.2f}",
        ),
        Row(
            f"  {what}, beside a tenth as many",
            f"{deletion * 1e3:.1f}",
            f"{few * 1e3:.1f}",
            f"{few / deletion:.2f}",
        ),
    ]


def timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def measured(turns: int) -> tuple[float, float, float, float, float]:
    """Seconds of the move, of its floor, of deleting an object, of reading from the table and from
    objects.
    """
    at = [NOW]
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        with open_installation(
            Configuration(data=data, curate=NO_NAMES), lambda: at[0]
        ) as installation:
            policy_changes.apply_policy(installation, preset("article-2025"), actor="bench")
            fill(installation, turns, Random(1))
            at[0] = LATER
            floor = timed(lambda: plain(installation, Path(folder) / "plain"))
            from_table = timed(lambda: page(installation))
            move = timed(lambda: cold_tier.cool(installation))
            from_objects = timed(lambda: page(installation))
            with transaction(
                installation.pool
            ) as tx:  # as a sweep leaves it: no row refers to the objects
                tx.execute("DELETE FROM blocks")
            with installation.pool.connection() as conn:  # in time the server does so by itself
                conn.autocommit = True
                conn.execute("VACUUM blocks")
                conn.autocommit = False
            cold_tier.cool(installation)
            at[0] += timedelta(seconds=EMPTY_SECONDS + 1)
            begun = time.perf_counter()
            done = cold_tier.cool(installation)
            deletion = (time.perf_counter() - begun) / max(1, done.deleted)
    return move, floor, deletion, from_table, from_objects


def plain(installation: Installation, path: Path) -> None:
    with transaction(installation.pool) as tx:
        rows = tx.cursor(binary=True).execute(
            "SELECT sealed FROM blocks ORDER BY account_id, conversation_id, first_turn"
        )
        with path.open("wb") as file:
            for (sealed,) in rows:
                file.write(sealed)
            os.fsync(file.fileno())
    path.read_bytes()


def page(installation: Installation) -> None:
    """The sealed bytes of the first page of a release, 256 conversations."""
    with transaction(installation.pool) as tx:
        keys = page_after(tx, START, bytes_max=PAGE_BYTES_MAX)
        rows = tx.cursor(binary=True).execute(
            f"SELECT {PLACED} FROM blocks b WHERE conversation_id = ANY(%s)",
            [[conversation for _, conversation in keys]],
        )
        contents(installation.keyring.cold, rows.fetchall())
