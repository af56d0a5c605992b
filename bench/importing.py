"""Import beside its floor: compressing, sealing and COPYing the same bytes with no logic at all;
the same file again; a turn that arrives alone, beside sealing and inserting it; and the memory that
a turn takes while it waits for the rest of its file.

Every time is processor time, of this process and of the database's backends together. Bytes are
those of the whole import: accounts, conversations, keys and indexes are in them, as are what the
log has yet to take.

python -m bench importing [MEGABYTES]
"""

from __future__ import annotations

import gc
import os
import resource
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

import msgspec

from bench import Row, server_seconds
from licet.backup import archives
from licet.config import Configuration
from licet.intake import formats, imports
from licet.intake.import_records import RecordedAccount
from licet.intake.read_turn import ReadTurn
from licet.intake.replay import Import
from licet.keys.material import seal
from licet.policy.file import preset
from licet.policy.state import TurnRole
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.store.rows import copy_in
from licet.vault import commands, verbs
from licet.vault.content import Content, encode
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies, open_installation

Answer = TypeVar("Answer")
WAITING_TURNS = 20_000
LONE_TURNS = 500
NOW = datetime(2025, 9, 20, tzinfo=UTC)
WORDS = [
    "the",
    "river",
    "bread",
    "light",
    "paper",
    "seven",
    "garden",
    "train",
    "letter",
    "winter",
    "apple",
    "window",
    "music",
    "green",
    "stone",
    "bridge",
]


def write_messages(path: Path, megabytes: int, random: Random) -> None:
    """A file of conversations of ten turns of some 600 characters, of a thousand accounts."""
    size = number = 0
    with path.open("wb") as file:
        while size < megabytes * 1_000_000:
            begun = datetime(2025, 9, 1 + number % 18, number % 24, tzinfo=UTC)
            messages = [
                {
                    "role": ("user", "assistant")[n % 2],
                    "content": " ".join(random.choices(WORDS, k=100)),
                    "id": str(n),
                }
                for n in range(10)
            ]
            line = {
                "id": f"c{number}",
                "account": f"a{number % 1000}",
                "created_at": begun,
                "messages": messages,
            }
            encoded = msgspec.json.encode(line) + b"\n"
            file.write(encoded)
            size, number = size + len(encoded), number + 1


def floor(installation: Installation, path: Path) -> int:
    """Reads, compresses, seals and COPYs every turn, and nothing else."""
    key = os.urandom(32)
    columns = {"number": "int8", "sealed": "bytea"}
    rows: list[tuple[int, bytes]] = []
    count = 0
    with transaction(installation.pool) as tx:
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


class Spent(NamedTuple):
    """Processor seconds of this process and of the database."""

    process: float
    database: float

    def each(self, turns: int) -> float:
        """Microseconds a turn, of both."""
        return (self.process + self.database) / turns * 1e6


def timed(pool: Pool, act: Callable[[], Answer]) -> tuple[Spent, Answer]:
    """The processor time of an act, and what it answered."""
    with pool.connection() as conn:
        before, begun = server_seconds(conn), time.process_time()
        answer = act()
        return Spent(time.process_time() - begun, server_seconds(conn) - before), answer


def children_seconds() -> float:
    """The processor seconds of programs that this one started and that have ended: `pg_dump`."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Stored(NamedTuple):
    """Bytes of the database and of the WAL that was written so far."""

    database: int
    wal: int


def stored(pool: Pool) -> Stored:
    with transaction(pool) as tx:
        found = tx.execute(
            "SELECT pg_database_size(current_database()), "
            "pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
        ).fetchone()
    assert found is not None
    return Stored(*found)


def waiting_bytes(installation: Installation, path: Path, default: RecordedAccount) -> float:
    """Bytes of memory a turn that was read and not stored, beside what is kept of its text, which
    has a bound.
    """
    known = load_policies(installation)
    bringing = Import(
        installation.pool,
        installation.keyring,
        known,
        NOW,
        default=default,
        folder=path.parent,
        memory_bytes_max=0,
    )
    with closing(bringing):
        bringing.read(islice(formats.read(path), 1_000))  # what is made once is made here
        tracemalloc.start()
        try:
            bringing.read(islice(formats.read(path), 1_000, 1_000 + WAITING_TURNS))
            gc.collect()
            return tracemalloc.get_traced_memory()[0] / WAITING_TURNS
        finally:
            tracemalloc.stop()


def lone_turns(installation: Installation) -> Row:
    """Turns in a transaction each, ten a conversation of an account, beside as many transactions
    that seal the same and insert one row.
    """
    account, contents = uuid7(NOW, os.urandom(10)), encode(Content(text=" ".join(WORDS * 5)))
    opening = commands.OpenAccount(
        account=account, at=NOW, host=os.urandom(16), plan="free", age=30
    )
    verbs.apply_commands(installation, [opening])

    def add_turns() -> None:
        for number in range(LONE_TURNS):
            verbs.apply_commands(
                installation,
                [
                    commands.AddTurn(
                        account=account,
                        at=NOW,
                        host_conversation=(number // 10).to_bytes(16, "big"),
                        role=(TurnRole.user, TurnRole.assistant)[number % 2],
                        content=contents,
                    )
                ],
            )

    def insert_rows() -> None:
        key = os.urandom(32)
        for number in range(LONE_TURNS):
            with transaction(installation.pool) as tx:
                tx.execute(
                    "INSERT INTO floor VALUES (%s, %s)", [-1 - number, seal(key, contents, b"")]
                )

    add_turns()
    added, _ = timed(installation.pool, add_turns)
    bare, _ = timed(installation.pool, insert_rows)
    return row("a lone turn, us", added, bare, LONE_TURNS)


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    megabytes = int(arguments[0]) if arguments else 50
    with tempfile.TemporaryDirectory() as folder:
        path, data = Path(folder) / "chats.jsonl", Path(folder) / "data"
        write_messages(path, megabytes, Random(1))
        data.mkdir()
        with open_installation(Configuration(data=data), lambda: NOW) as installation:
            policy_changes.apply_policy(installation, preset("article-2025"), actor="bench")
            empty = stored(installation.pool)
            bare, turns = timed(installation.pool, lambda: floor(installation, path))
            default = RecordedAccount(host="me", plan="free", age=30)
            waiting = waiting_bytes(installation, path, default)
            lone = lone_turns(installation)
            before = stored(installation.pool)
            first, imported = timed(
                installation.pool,
                lambda: imports.import_files(installation, [path], default=default),
            )
            after = stored(installation.pool)
            others = children_seconds()
            dump, kept = timed(
                installation.pool, lambda: archives.back_up(installation, Path(folder) / "backups")
            )
            dump = dump._replace(process=dump.process + children_seconds() - others)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            again, known = timed(
                installation.pool,
                lambda: imports.import_files(installation, [path], default=default),
            )
    assert imported.stored == turns == known.known
    return [
        row(f"import of {megabytes} MB, us a turn (goal: 0.5)", first, bare, turns),
        row(
            "  the same file again, beside importing it (goal: 0.3 of it)",
            again,
            first,
            turns,
            inverse=True,
        ),
        Row(
            "  bytes a turn in the database",
            f"{(after.database - before.database) / turns:,.0f}",
            f"{(before.database - empty.database) / turns:,.0f}",
        ),
        Row(
            "  bytes a turn in its WAL",
            f"{(after.wal - before.wal) / turns:,.0f}",
            f"{(before.wal - empty.wal) / turns:,.0f}",
        ),
        Row(
            "  a dump of it, us a turn",
            f"{dump.each(turns):.0f}, of it {dump.database / turns * 1e6:.0f} of the database",
        ),
        Row("  a dump of it, bytes a turn", f"{kept.size / turns:,.0f}"),
        Row("  memory of a turn that waits, bytes (goal: 50)", f"{waiting:.0f}"),
        Row("  peak memory, MB", f"{memory:,.0f}"),
        lone,
    ]


def row(what: str, spent: Spent, bare: Spent, turns: int, *, inverse: bool = False) -> Row:
    """``inverse``: the ratio is of the figure to what it is beside."""
    one, other = spent.each(turns), bare.each(turns)
    figure = f"{one:.0f}, of it {spent.database / turns * 1e6:.0f} of the database"
    return Row(what, figure, f"{other:.0f}", f"{one / other if inverse else other / one:.2f}")
