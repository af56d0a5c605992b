"""A release build by the number of turns, beside moving the same bytes; the load, beside reading,
decrypting and unpacking the same with keys at hand; each in processor time of the process and of
the database. And what the database keeps of a row, beside the id of its conversation.

python -m bench building [TURNS ...]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench import NAMES_LEFT_IN, NO_NAMES, Row, server_seconds
from licet.config import Configuration
from licet.curate import release_build
from licet.policy.state import TurnRole
from licet.release import catalog, registry
from licet.release.build_order import BuildResult
from licet.release.live_leases import DatabaseLeases
from licet.release.part import groups
from licet.release.row_runs import RowSource, RowSources
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.vault import commands, installation, verbs
from licet.vault.content import Content, encode
from licet.vault.copies import CopyPlace
from licet.vault.ids import uuid7

NOW = datetime(2025, 9, 20, tzinfo=UTC)
SAID = datetime(2025, 9, 10, tzinfo=UTC)
TURNS_A_CONVERSATION = 10
TURNS_AN_ACCOUNT = 20 * TURNS_A_CONVERSATION
BATCH = 2_000
KEPT_ROWS = 100_000
SECONDS_MIN = 2.0
ID_BYTES = 16  # of a conversation


def fill(
    here: installation.Installation, turns: int, random: Random, words_a_turn: int = 100
) -> list[UUID]:
    """Accounts that said yes, each with a few conversations of ten turns of some 600 characters, or
    as many words.
    """
    # every turn its own words: a build leaves out what repeats
    words = ["".join(random.choices("etaoinshrdlu", k=random.randint(2, 9))) for _ in range(5_000)]
    queue: list[commands.Command] = []
    accounts: list[UUID] = []
    for number in range(turns):
        if number % TURNS_AN_ACCOUNT == 0:
            account = uuid7(SAID, os.urandom(10))
            accounts.append(account)
            queue.append(
                commands.OpenAccount(
                    account=account, at=SAID, host=os.urandom(16), plan="free", age=30
                )
            )
            queue.append(commands.Choose(account=account, at=SAID, allow=True, via="notice"))
        host = (number // TURNS_A_CONVERSATION).to_bytes(16, "big")
        role = (TurnRole.user, TurnRole.assistant)[number % 2]
        content = Content(text=" ".join(random.choices(words, k=words_a_turn)))
        queue.append(
            commands.Say(
                account=account, at=SAID, host_conversation=host, role=role, content=encode(content)
            )
        )
        if len(queue) >= BATCH:
            verbs.tell(here, queue)
            queue = []
    if queue:
        verbs.tell(here, queue)
    return accounts


def moved_only(here: installation.Installation, folder: Path) -> None:
    """The floor of a build: the same sealed blocks read, decrypted, encrypted again and written as
    Parquet with zstd.

    Both are the work of AES-GCM, whatever the key: no key is looked up here, nothing is decided,
    and no text is seen.
    """
    key, place = AESGCM(os.urandom(32)), pa.schema([pa.field("sealed", pa.binary())])
    with transaction(here.pool) as tx, tx.cursor("blocks", binary=True) as cursor:
        cursor.itersize = BATCH
        cursor.execute("SELECT sealed FROM blocks ORDER BY account_id, conversation_id, first_turn")
        with pq.ParquetWriter(folder / "moved.parquet", place, compression="zstd") as writer:
            while rows := cursor.fetchmany(BATCH):
                opened = [key.encrypt(b"\0" * 12, sealed, None)[:-16] for (sealed,) in rows]
                again = [key.encrypt(b"\0" * 12, sealed, None) for sealed in opened]
                writer.write_batch(
                    pa.RecordBatch.from_arrays([pa.array(again, pa.binary())], schema=place)
                )


def opened_only(here: installation.Installation, built: BuildResult) -> Callable[[], None]:
    """The floor of a load: the same parts hashed once and read, each row decrypted, decompressed
    and unpacked, with keys that nobody had to decide about.
    """
    leases, release_id = (
        DatabaseLeases(here.pool, here.keyring, here.clock),
        built.manifest.release_id,
    )
    paths, keys = sorted(built.folder.glob("part-*.parquet")), dict[int, bytes]()
    for path in paths:
        with path.open("rb") as file:
            for group in groups(file):
                keys |= leases.lease(release_id, 0, group.ordinals).keys
    decompress, unpack = zstandard.ZstdDecompressor().decompress, msgspec.msgpack.Decoder().decode

    def work() -> None:
        for path in paths:
            with path.open("rb") as file:
                file_digest(file, sha256)
                file.seek(0)
                for group in groups(file):
                    for ordinal, row_id, sealed in zip(
                        group.ordinals, group.row_ids, group.sealed, strict=True
                    ):
                        end = 3 + int.from_bytes(sealed[1:3], "big")  # behind the labels
                        place, nonce = release_id + row_id + sealed[:end], sealed[end : end + 12]
                        opened = AESGCM(keys[ordinal]).decrypt(nonce, sealed[end + 12 :], place)
                        unpack(decompress(opened[1:]))

    return work


def repeated(
    here: installation.Installation, work: Callable[[], object], rows: int
) -> tuple[float, float]:
    """The microseconds of this process and of the database a row of ``rows``: warm, and of at least
    `SECONDS_MIN`.
    """
    work()
    before, times = spent(here), 0
    while times == 0 or time.process_time() - before[0] < SECONDS_MIN:
        work()
        times += 1
    process, database = (
        1e6 * (now - then) / (times * rows) for now, then in zip(spent(here), before, strict=True)
    )
    return process, database


def spent(here: installation.Installation) -> tuple[float, float]:
    """The processor seconds of this process and of the database so far."""
    with transaction(here.pool) as tx:
        return time.process_time(), server_seconds(tx)


def kept_bytes(here: installation.Installation, rows_an_account: int) -> float:
    """The bytes of the database for a row of a release, with its indexes: each of one segment and
    two origins.
    """
    release = uuid7(NOW, os.urandom(10))
    accounts = sorted(uuid7(SAID, os.urandom(10)) for _ in range(KEPT_ROWS // rows_an_account))
    origins = (("typed", TURNS_A_CONVERSATION - 1), ("assistant", TURNS_A_CONVERSATION))
    sources = tuple(
        RowSource(segment=0, origin=origin, turn=turn, count=5) for origin, turn in origins
    )
    rows = [
        RowSources(
            account=accounts[n // rows_an_account],
            conversation=uuid7(SAID, os.urandom(10)),
            ordinal=n,
            keys=((0, CopyPlace.vault),),
            sources=sources,
        )
        for n in range(KEPT_ROWS)
    ]
    with transaction(here.pool) as tx:
        tx.execute("SET LOCAL session_replication_role = replica")  # there is no such release
        tx.execute("TRUNCATE release_runs")
        for start in range(0, KEPT_ROWS, BATCH):
            registry.add_rows(tx, release, rows[start : start + BATCH])
        row = tx.execute("SELECT pg_total_relation_size('release_runs')").fetchone()
    assert row is not None
    return int(row[0]) / KEPT_ROWS


def kept() -> list[Row]:
    """What the database keeps of a row, by how many an account has."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        with installation.installation(
            Configuration(data=data, curate=NO_NAMES), lambda: NOW
        ) as here:
            found = {each: kept_bytes(here, each) for each in (1, 10, 100)}
    return [
        Row(
            f"bytes of the database a row of a release, {each} an account (goal: 58)",
            f"{one:.0f}",
            f"{ID_BYTES}",
            f"{ID_BYTES / one:.2f}",
        )
        for each, one in found.items()
    ]


def loaded(here: installation.Installation, built: BuildResult) -> Row:
    """What a row costs to load, beside its floor in the same run."""
    count = built.manifest.rows
    process, database = repeated(
        here, lambda: deque(catalog.open_release(here, "bench"), maxlen=0), count
    )
    low, _ = repeated(here, opened_only(here, built), count)
    load = process + database
    return Row(
        "  load, us a row of ten turns (goal: 0.50)",
        f"{load:.1f}, of it {database:.1f} of the database",
        f"{low:.1f}",
        f"{low / load:.2f}",
    )


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    rows = []
    first = 0.0
    for turns in [int(a) for a in arguments] or [10_000, 100_000]:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            data.mkdir()
            with installation.installation(
                Configuration(data=data, curate=NO_NAMES), lambda: NOW
            ) as here:
                policy_changes.apply_policy(here, NAMES_LEFT_IN, actor="bench")
                fill(here, turns, Random(1))
                before = spent(here)
                built = release_build.build_release(here, name="bench", purpose="improve_models")
                process, database = (
                    1e6 * (now - then) / turns
                    for now, then in zip(spent(here), before, strict=True)
                )
                cost = process + database
                first = first or cost
                rows.append(
                    Row(
                        f"build of {turns:,} turns, us a turn (goal: 45)",
                        f"{cost:.0f}, of it {database:.0f} of the database",
                        f"{first:.0f}",
                        f"{first / cost:.2f}",
                    )
                )
                before = spent(here)
                moved_only(here, Path(folder))
                moved = 1e6 * (sum(spent(here)) - sum(before)) / turns
                what = "  beside reading, decrypting, encrypting and writing the same bytes"
                rows.append(Row(what, f"{cost:.0f}", f"{moved:.1f}", f"{moved / cost:.3f}"))
                rows.append(loaded(here, built))
    return rows + kept()


if __name__ == "__main__":
    for row in main(sys.argv[1:]):
        print(" | ".join(row))
