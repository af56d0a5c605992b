"""A release build by the number of turns, beside decrypting, decompressing, splitting into words,
packing, compressing, sealing and writing the same rows; the load, beside reading, decrypting and
unpacking the same with keys at hand; each in processor time of the process and of the database. And
what the database keeps of a row, beside the id of its conversation; and the memory of a process that
does nothing but build.

python -m bench building [TURNS ...]
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from itertools import islice
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench import NAMES_LEFT_IN, NO_NAMES, Row, server_seconds
from licet.config import Configuration, Curate
from licet.curate import compiled, release_build
from licet.policy.state import TurnRole
from licet.release import catalog, registry
from licet.release.build_order import BuildResult
from licet.release.live_leases import DatabaseLeases
from licet.release.part import groups
from licet.release.row_runs import RowSource, RowSources
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.vault import blocks, commands, verbs
from licet.vault.content import Content, decode, encode
from licet.vault.copies import CopyPlace
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, open_installation

NOW = datetime(2025, 9, 20, tzinfo=UTC)
SAID = datetime(2025, 9, 10, tzinfo=UTC)
TURNS_A_CONVERSATION = 10
TURNS_AN_ACCOUNT = 20 * TURNS_A_CONVERSATION
BATCH = 2_000
KEPT_ROWS = 20_000
SECONDS_MIN = 2.0
ID_BYTES = 16  # of a conversation
MIN_TURNS = 200


@contextmanager
def installed(curate: Curate = NO_NAMES) -> Iterator[Installation]:
    """A temporary installation whose policy leaves names in, on 20 September 2025."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        with open_installation(
            Configuration(data=data, curate=curate), lambda: NOW
        ) as installation:
            policy_changes.apply_policy(installation, NAMES_LEFT_IN, actor="bench")
            yield installation


def fill(
    installation: Installation, turns: int, random: Random, words_a_turn: int = 100
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
            commands.AddTurn(
                account=account, at=SAID, host_conversation=host, role=role, content=encode(content)
            )
        )
        if len(queue) >= BATCH:
            verbs.apply_commands(installation, queue)
            queue = []
    if queue:
        verbs.apply_commands(installation, queue)
    return accounts


def rows_only(installation: Installation, folder: Path) -> Callable[[], None]:
    """The floor of a build: the same blocks read and decrypted, each under its key, their turns
    decompressed and their words split; the texts of a segment packed, compressed, sealed under a
    key of their own, and written as Parquet.

    Keys are at hand: nobody decides about them. Nothing is cleaned, compared, labelled, proved or
    registered.
    """
    schema = pa.schema([pa.field("sealed", pa.binary())])
    compress, pack = zstandard.ZstdCompressor(level=-1).compress, msgspec.msgpack.encode
    keys = block_keys(installation)

    def sealed_rows() -> Iterator[bytes]:
        with transaction(installation.pool) as tx, tx.cursor("blocks", binary=True) as cursor:
            cursor.itersize = BATCH
            cursor.execute(
                """SELECT account_id, conversation_id, segment, first_turn, sizes, sealed
                     FROM blocks ORDER BY account_id, conversation_id, first_turn"""
            )
            for account, conversation, segment, first, sizes, sealed in cursor:
                key = AESGCM(keys[conversation, segment])
                place = blocks.associated_data(account, conversation, segment, first, sizes)
                opened = key.decrypt(sealed[:12], sealed[12:], place)
                texts = []
                for envelope in blocks.envelopes(first, sizes, opened).values():
                    texts.append(decode(envelope).text)
                    texts[-1].casefold().split()
                packed = compress(pack(texts))
                yield AESGCM(os.urandom(32)).encrypt(b"\0" * 12, packed, None)

    def work() -> None:
        rows = sealed_rows()
        with pq.ParquetWriter(folder / "floor.parquet", schema, compression="none") as writer:
            while batch := list(islice(rows, BATCH)):
                column = pa.array(batch, pa.binary())
                writer.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))

    return work


def block_keys(installation: Installation) -> dict[tuple[UUID, int], bytes]:
    """The key of each segment, by its conversation and number."""
    with transaction(installation.pool) as tx:
        places = tx.execute(
            "SELECT account_id, key_slot, conversation_id, segment FROM segments"
        ).fetchall()
        slots = installation.keyring.slot_keys(
            tx, [(account, slot) for account, slot, *_ in places]
        )
    found = {(place[2], place[3]): slots[place[0], place[1]] for place in places}
    return {segment: key for segment, key in found.items() if key is not None}


def opened_only(installation: Installation, built: BuildResult) -> Callable[[], None]:
    """The floor of a load: the same parts hashed once and read, each row decrypted, decompressed
    and unpacked, with keys that nobody had to decide about.
    """
    leases, release_id = (
        DatabaseLeases(installation.pool, installation.keyring, installation.clock),
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
    installation: Installation,
    work: Callable[[], object],
    rows: int,
    seconds_min: float = SECONDS_MIN,
) -> tuple[float, float]:
    """The microseconds of this process and of the database a row of ``rows``: warm, and of at least
    ``seconds_min``.
    """
    work()
    before, times = spent(installation), 0
    while times == 0 or time.process_time() - before[0] < seconds_min:
        work()
        times += 1
    process, database = (
        1e6 * (now - then) / (times * rows)
        for now, then in zip(spent(installation), before, strict=True)
    )
    return process, database


def spent(installation: Installation) -> tuple[float, float]:
    """The processor seconds of this process and of the database so far."""
    with transaction(installation.pool) as tx:
        return time.process_time(), server_seconds(tx)


def kept_bytes(installation: Installation, rows_an_account: int) -> float:
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
    with transaction(installation.pool) as tx:
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
        with open_installation(
            Configuration(data=data, curate=NO_NAMES), lambda: NOW
        ) as installation:
            found = {each: kept_bytes(installation, each) for each in (1, 10, 100)}
    return [
        Row(
            f"bytes of the database a row of a release, {each} an account (goal: 58)",
            f"{one:.0f}",
            f"{ID_BYTES}",
            f"{ID_BYTES / one:.2f}",
        )
        for each, one in found.items()
    ]


def loaded(installation: Installation, built: BuildResult) -> Row:
    """What a row costs to load, beside its floor in the same run."""
    count = built.manifest.rows
    process, database = repeated(
        installation,
        lambda: deque(catalog.open_release(installation, built.manifest.name), maxlen=0),
        count,
    )
    low, _ = repeated(installation, opened_only(installation, built), count)
    load = process + database
    return Row(
        "  load, us a row of ten turns (goal: 0.60)",
        f"{load:.1f}, of it {database:.1f} of the database",
        f"{low:.1f}",
        f"{low / load:.2f}",
    )


def built(
    installation: Installation, turns: int, name: str, workers: int = 1
) -> tuple[BuildResult, float, float, float]:
    """A build, with what a turn of it cost in microseconds: of this process, of the database, and
    by the clock.
    """
    before, began = spent(installation), time.perf_counter()
    made = release_build.build_release(
        installation, name=name, purpose="improve_models", workers=workers
    )
    clock = 1e6 * (time.perf_counter() - began) / turns
    process, database = (
        1e6 * (now - then) / turns for now, then in zip(spent(installation), before, strict=True)
    )
    return made, process, database, clock


def measured(turns: int) -> Iterator[Row]:
    """A build of so many turns beside its floor, the default one first; and its load."""
    with installed(Curate(names="built-in")) as installation:
        fill(installation, max(turns // 20, MIN_TURNS), Random(1))
        low = sum(
            repeated(
                installation,
                rows_only(installation, installation.config.data),
                max(turns // 20, MIN_TURNS),
            )
        )
        _, process, database, _ = built(installation, max(turns // 20, MIN_TURNS), "names")
    yield _beside(
        f"build with names, a twentieth of {turns:,} turns, us a turn", process, database, low
    )
    with installed() as installation:
        fill(installation, turns, Random(1))
        low = sum(repeated(installation, rows_only(installation, installation.config.data), turns))
        made, process, database, one = built(installation, turns, "first")
        yield _beside(
            f"build without names, {turns:,} turns, us a turn (goal: 50; 0.50)",
            process,
            database,
            low,
        )
        two = built(installation, turns, "second", workers=2)[3]
        yield Row(
            "  by the clock, 2 workers beside one, us a turn (goal: 1.80)",
            f"{two:.1f}",
            f"{one:.1f}",
            f"{one / two:.2f}",
        )
        yield loaded(installation, made)


def memory_bytes(data: Path) -> int:
    """The most memory that this process, whose first work is a build, ever had resident."""
    with open_installation(Configuration(data=data, curate=NO_NAMES), lambda: NOW) as installation:
        built(installation, 1, "alone")
    status = Path("/proc/self/status").read_text("utf-8")
    return next(1024 * int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)


def alone(turns: int) -> Row:
    """The peak memory of a process whose only work is a build of ``turns``."""
    with installed() as installation:
        fill(installation, turns, Random(1))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            resident = process.submit(memory_bytes, installation.config.data).result()
    return Row(
        f"memory of a process that builds {turns:,} turns, MB (goal: 250)", f"{resident / 1e6:.0f}"
    )


def _beside(what: str, process: float, database: float, low: float) -> Row:
    cost = process + database
    return Row(
        what, f"{cost:.1f}, of it {database:.1f} of the database", f"{low:.1f}", f"{low / cost:.2f}"
    )


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio. A first build of a process loads what it needs (rules,
    the model of languages, the compiled loops): one that is not counted comes before.
    """
    with installed() as installation:
        fill(installation, MIN_TURNS, Random(1))
        compiled.load()
        built(installation, MIN_TURNS, "warm")
    sizes = [int(a) for a in arguments] or [10_000, 100_000]
    rows = [row for turns in sizes for row in measured(turns)]
    return [*rows, alone(sizes[-1]), *kept()]
