"""Import beside its floor: compressing, sealing and COPYing the same bytes with no logic at all.

python -m bench importing [MEGABYTES]
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec

from bench import Row
from licet.config import Configuration
from licet.intake import formats, imports
from licet.intake.read_turn import ReadTurn
from licet.intake.replay import RecordedAccount
from licet.keys.material import seal
from licet.policy.file import preset
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.store.rows import copy_in
from licet.vault import installation
from licet.vault.content import encode

Answer = TypeVar("Answer")
NOW = datetime(2025, 9, 20, tzinfo=UTC)
WORDS = ("the river bread light paper seven garden train letter winter apple window music green stone bridge").split()  # noqa: SIM905 easier to read


def write_messages(path: Path, megabytes: int, random: Random) -> None:
    """A file of conversations of ten turns of some 600 characters, of a thousand accounts."""
    size = number = 0
    with path.open("wb") as file:
        while size < megabytes * 1_000_000:
            begun = datetime(2025, 9, 1 + number % 18, number % 24, tzinfo=UTC)
            messages = [
                {"role": ("user", "assistant")[n % 2], "content": " ".join(random.choices(WORDS, k=100)), "id": str(n)}
                for n in range(10)
            ]
            line = {"id": f"c{number}", "account": f"a{number % 1000}", "created_at": begun, "messages": messages}
            encoded = msgspec.json.encode(line) + b"\n"
            file.write(encoded)
            size, number = size + len(encoded), number + 1


def floor(here: installation.Installation, path: Path) -> int:
    """Reads, compresses, seals and COPYs every turn, and nothing else."""
    key = os.urandom(32)
    columns = {"number": "int8", "sealed": "bytea"}
    rows: list[tuple[int, bytes]] = []
    count = 0
    with transaction(here.pool) as tx:
        tx.execute("CREATE TABLE floor (number bigint PRIMARY KEY, sealed bytea NOT NULL)")
        for item in formats.read(path):
            if isinstance(item, ReadTurn):
                rows.append((count, seal(key, encode(item.content), b"floor")))
                count += 1
            if len(rows) == 2_000:
                copy_in(tx, "floor", columns, rows)
                rows = []
        copy_in(tx, "floor", columns, rows)
    return count


def timed(act: Callable[[], Answer]) -> tuple[float, float, Answer]:
    """Wall and processor seconds of this process, and what ``act`` answered."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = act()
    return time.perf_counter() - wall, time.process_time() - cpu, answer


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    megabytes = int(arguments[0]) if arguments else 50
    with tempfile.TemporaryDirectory() as folder:
        path, data = Path(folder) / "chats.jsonl", Path(folder) / "data"
        write_messages(path, megabytes, Random(1))
        data.mkdir()
        with installation.installation(Configuration(data=data), lambda: NOW) as here:
            policy_changes.apply_policy(here, preset("article-2025"), by="bench")
            low_wall, low_cpu, turns = timed(lambda: floor(here, path))
            default = RecordedAccount(host="me", plan="free", age=30)
            wall, cpu, imported = timed(lambda: imports.import_files(here, [path], default=default))
    assert imported.stored == turns
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return [
        Row(
            f"import of {megabytes} MB, turns/s",
            f"{turns / wall:,.0f}",
            f"{turns / low_wall:,.0f}",
            f"{low_wall / wall:.2f}",
        ),
        Row(
            "  CPU of this process, us/turn",
            f"{cpu / turns * 1e6:.0f}",
            f"{low_cpu / turns * 1e6:.0f}",
            f"{low_cpu / cpu:.2f}",
        ),
        Row("  peak memory, MB", f"{memory:,.0f}"),
    ]


if __name__ == "__main__":
    for row in main(sys.argv[1:]):
        print(" | ".join(row))
