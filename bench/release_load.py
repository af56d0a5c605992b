"""How fast a release is written and loaded, beside the floor of each in the same run.

Floor of the load: read the same parts and decrypt each row with AES-GCM, with nothing else: no hash
of the file, no lease, no clock, no decompression, no messages. Floor of reading behind the gate, in
order and in batches of a shuffled order: the load itself. Row keys are at hand in all of them, and
leases are counted in words: what a database takes for one is not in these figures. Floor of the
write: derive no key, seal nothing, write the same sealed bytes as Parquet with one call. CPU time
of this process; medians of five interleaved rounds.

The last rows are `licet.load` itself, from an installation, the database counted, beside `datasets`
on plain Parquet of the same rows: of all columns that a loaded row has, and without its labels.

    python -m bench release_load [ROWS] [WORDS] [ROWS OF THE INSTALLATION]
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench import NAMES_LEFT_IN, NO_NAMES, building
from bench import Row as Figure
from bench.training import published
from licet.config import Configuration
from licet.curate import release_build
from licet.policy.state import ConversationKind, TurnRole
from licet.release import catalog, merkle, part
from licet.release.manifest import (
    PROOF_NAMES,
    Counts,
    Deidentification,
    PolicyPin,
    ProofFile,
    ProofPins,
    ReleaseManifest,
    write,
)
from licet.release.reader import Lease, LoadedRow, load
from licet.release.row_keys import SealedRow, row_key, seal_row
from licet.release.rows import LabelsShape, ReleaseRow, RowMessage
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.train.dataset import RowDataset
from licet.train.label_filter import LabelFilter
from licet.vault.installation import open_installation

UNTIL = datetime(2030, 9, 1, tzinfo=UTC)
ROUNDS = 5
BATCH_ROWS = 32
LOAD = "load: licet"
FLOORS = {
    "write": "write: floor, Parquet of sealed bytes",
    "load": "load: floor, Parquet and AES-GCM",
    "gated": LOAD,
}


class Keys:
    """Leases that have every key at hand, as the floor has."""

    def __init__(self, keys: dict[int, bytes]) -> None:
        self.keys, self.asked = keys, 0

    def log_key(self, release_id: bytes) -> bytes:
        raise AssertionError("nothing is purged here")

    def lease(self, release_id: bytes, part: int, ordinals: Sequence[int]) -> Lease:
        self.asked += 1
        return Lease(keys=self.keys, expires=datetime.now(UTC) + timedelta(seconds=60))


def main(arguments: list[str]) -> list[Figure]:
    """Rows a second of processor time."""
    count, words, installed = [*map(int, arguments), *(50_000, 150, 20_000)[len(arguments) :]]
    source, rows, release_id = drawn(count, words)
    keys = {row.ordinal: row_key([source], release_id, row.row_id) for row in rows}
    sealed = [seal_row(row, keys[row.ordinal], release_id) for row in rows]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        parts = tuple(part.write_parts(path, sealed))
        manifest_sha256 = write(path, manifest_of(release_id, parts, sealed))
        gate = published(path, range(0, count, 100), release_id.hex(), manifest_sha256)
        leases: list[int] = []

        def gated(*, shuffled: bool) -> None:
            given = Keys(keys)
            data = RowDataset(path, gate, given, now=lambda: datetime.now(UTC))
            order = data.shuffled(1) if shuffled else range(count)
            for start in range(0, count, BATCH_ROWS):
                data.__getitems__(order[start : start + BATCH_ROWS])
            leases.append(given.asked)

        figures: dict[str, list[float]] = {}

        def measure(name: str, verb: Callable[[], object]) -> None:
            started = time.process_time()
            verb()
            figures.setdefault(name, []).append(time.process_time() - started)

        for _ in range(ROUNDS):
            measure(FLOORS["write"], lambda: floor_write(path / "floor", sealed))
            measure("write: keys, seals, parts", lambda: full_write(path, rows, source, release_id))
            measure("write: parts only", lambda: list(part.write_parts(path, sealed)))
            measure(FLOORS["load"], lambda: floor_load(path, parts, keys, release_id))
            measure(LOAD, lambda: deque(load(path, Keys(keys), now=lambda: datetime.now(UTC)), 0))
            measure("gated: in order, one in a hundred withdrawn", lambda: gated(shuffled=False))
            measure("gated: shuffled by blocks", lambda: gated(shuffled=True))
    asked = f"{max(leases):,} leases for {-(-count // BATCH_ROWS):,} batches"
    floors = {name: statistics.median(figures[floor]) for name, floor in FLOORS.items()}
    return [
        Figure(
            f"{name}{f', {asked}' if 'shuffled' in name else ''}, {count:,} rows, a second",
            f"{count / median:,.0f}",
            f"{count / low:,.0f}",
            f"{low / median:.2f}",
        )
        for name, seconds in figures.items()
        if name not in FLOORS.values() or name == LOAD
        for median, low in ((statistics.median(seconds), floors[name.split(":")[0]]),)
    ] + beside_datasets(installed)


def beside_datasets(count: int) -> list[Figure]:
    """`licet.load` of ``count`` rows of ten turns from an installation, beside `datasets` on plain
    Parquet of the same rows.
    """
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        data.mkdir()
        with open_installation(
            Configuration(data=data, curate=NO_NAMES), lambda: building.NOW
        ) as installation:
            policy_changes.apply_policy(installation, NAMES_LEFT_IN, actor="bench")
            building.fill(installation, count * building.TURNS_A_CONVERSATION, random.Random(1))
            built = release_build.build_release(
                installation, name="bench", purpose="improve_models"
            ).manifest
            with transaction(installation.pool) as tx:
                tx.execute("ANALYZE")
            rows = list(catalog.open_release(installation, "bench"))
            plain = {
                "messages and ids": plain_rows(
                    Path(place), rows, ("messages", "row_id", "ordinal")
                ),
                "every column": plain_rows(
                    Path(place), rows, ("messages", "row_id", "ordinal", "labels")
                ),
            }

            def chosen(where: str) -> object:
                asked = LabelFilter(where)
                return deque(catalog.open_release(installation, "bench", "", asked), 0)

            read = {
                "every row": lambda: deque(catalog.open_release(installation, "bench"), 0),
                "labels=False": lambda: deque(
                    catalog.open_release(installation, "bench", labels=False), 0
                ),
                "where=\"language = 'xx'\"": lambda: chosen("language = 'xx'"),
                "where=\"split = 'validation'\"": lambda: chosen("split = 'validation'"),
            }
            by_turns = {name: list[float]() for name in (*plain, *read)}
            database = dict.fromkeys(read, 0.0)
            for _ in range(ROUNDS):
                for name, work in (
                    *((name, partial(deque, each, 0)) for name, each in plain.items()),
                    *read.items(),
                ):
                    process, server = building.repeated(
                        installation, work, built.rows, min(building.SECONDS_MIN, count / 10_000)
                    )
                    by_turns[name].append(process + server)
                    database[name] = server
            cost = {name: statistics.median(each) for name, each in by_turns.items()}
    return [
        Figure(
            f"installed: licet.load, {name}, us of {built.rows:,} rows each, beside "
            f"`datasets`, {columns} (goal: 0.67)",
            f"{cost[name]:.1f}, of it {database[name]:.1f} of the database",
            f"{cost[columns]:.1f}",
            f"{cost[columns] / cost[name]:.2f}",
        )
        for name in read
        for columns in plain
    ]


def plain_rows(folder: Path, rows: Sequence[LoadedRow], columns: Sequence[str]) -> Iterable[object]:
    """The columns of the rows as plain Parquet with zstd, opened by `datasets`."""
    import datasets

    datasets.disable_progress_bars()
    path = folder / f"{len(columns)}.parquet"
    table = pa.Table.from_pylist(
        [
            {
                name: _without_scores(row[name]) if name == "labels" else row[name]
                for name in columns
            }
            for row in rows
        ]
    )
    pq.write_table(table, path, compression="zstd")
    return datasets.Dataset.from_parquet(str(path), cache_dir=str(folder / "cache"))  # type: ignore[no-any-return]  # untyped library


def _without_scores(labels: LabelsShape) -> dict[str, object]:
    """Parquet cannot store a mapping that is empty in every row."""
    return {name: value for name, value in labels.items() if name != "scores"}


def drawn(count: int, words: int) -> tuple[bytes, list[ReleaseRow], bytes]:
    """The key of a source, rows of two messages, and the id of their release."""
    rng = random.Random(1)
    vocabulary = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(5000)]
    release_id, source = rng.randbytes(16), rng.randbytes(32)

    def text(length: int) -> str:
        return " ".join(rng.choices(vocabulary, k=length))

    rows = [
        ReleaseRow(
            row_id=rng.randbytes(16),
            ordinal=ordinal,
            until=UNTIL,
            messages=(
                RowMessage(role=TurnRole.user, content=text(words // 4)),
                RowMessage(role=TurnRole.assistant, content=text(words)),
            ),
            kind=ConversationKind.chat,
            sources=1,
        )
        for ordinal in range(count)
    ]
    return source, rows, release_id


def made(
    folder: Path, count: int, words: int, rows_per_part: int
) -> tuple[dict[int, bytes], bytes, str]:
    """A release in ``folder``: the keys of its rows, its id, and the hash of its manifest."""
    source, rows, release_id = drawn(count, words)
    keys = {row.ordinal: row_key([source], release_id, row.row_id) for row in rows}
    sealed = [seal_row(row, keys[row.ordinal], release_id) for row in rows]
    parts = tuple(part.write_parts(folder, sealed, rows_per_part=rows_per_part))
    return keys, release_id, write(folder, manifest_of(release_id, parts, sealed))


def full_write(folder: Path, rows: list[ReleaseRow], source: bytes, release_id: bytes) -> None:
    sealed = (seal_row(row, row_key([source], release_id, row.row_id), release_id) for row in rows)
    list(part.write_parts(folder, sealed))


def floor_write(path: Path, sealed: list[SealedRow]) -> None:
    table = pa.table(
        {
            "row_id": [row.row_id for row in sealed],
            "ordinal": [row.ordinal for row in sealed],
            "sealed": [row.sealed for row in sealed],
        }
    )
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)


def floor_load(
    folder: Path, parts: tuple[part.PartPromise, ...], keys: dict[int, bytes], release_id: bytes
) -> None:
    for one in parts:
        parquet = pq.ParquetFile(folder / one.file)
        for number in range(parquet.num_row_groups):
            table = parquet.read_row_group(number, columns=["row_id", "ordinal", "sealed"])
            columns = (
                table["row_id"].to_pylist(),
                table["ordinal"].to_pylist(),
                table["sealed"].to_pylist(),
            )
            for row_id, ordinal, sealed in zip(*columns, strict=True):
                end = 3 + int.from_bytes(sealed[1:3], "big")  # behind the labels
                AESGCM(keys[ordinal]).decrypt(
                    sealed[end : end + 12], sealed[end + 12 :], release_id + row_id + sealed[:end]
                )


def manifest_of(
    release_id: bytes, parts: tuple[part.PartPromise, ...], sealed: list[SealedRow]
) -> ReleaseManifest:
    tree = merkle.Tree()
    until_us = (UNTIL - part.EPOCH) // timedelta(microseconds=1)
    for row in sealed:
        tree.append(merkle.leaf(row.ordinal, row.row_id, until_us, row.sealed))
    count = len(sealed)
    return ReleaseManifest(
        release=release_id.hex(),
        name="bench",
        purpose="improve_models",
        built_at=datetime(2025, 9, 1, tzinfo=UTC),
        policy=PolicyPin(name="strict", version="1", sha256="0" * 64),
        journal=count,
        counts=Counts(candidates=2 * count, included=2 * count, dropped={}),
        rows=count,
        parts=parts,
        root=tree.root().hex(),
        deidentification=Deidentification(rules="none", sha256="0" * 64, counts={}),
        licet="bench",
        proof=ProofPins(**{name: unproved(file, count) for name, file in PROOF_NAMES.items()}),
    )


def unproved(file: str, lines: int) -> ProofFile:
    """A proof file that nothing here reads."""
    return ProofFile(file=file, sha256="0" * 64, bytes=0, lines=lines, root="0" * 64)
