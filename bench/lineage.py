"""The way from a person to the models that learnt from them, with a thousand runs on record; and
what signing costs.

Runs are spread over releases, which hold rows of the person who asks; each learnt from half of its
release. The floor of a question is one query by primary key; of signing, SHA-256 of the same bytes
in one call; of a record of a step, the same bytes appended to a file.
Goals: which-models within 1 ms at a thousand runs, signing at 250 MB per CPU second.

    python -m bench lineage [RUNS [RELEASES [ROWS]]]
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from pyroaring import BitMap

from bench import NO_NAMES, Row
from licet.config import Configuration
from licet.ledger.note import SignatureType, Signer
from licet.policy.file import preset
from licet.release import registry
from licet.release.row_runs import RowSource, RowSources
from licet.service import policy_changes
from licet.store import embedded
from licet.store.connect import transaction
from licet.train import bitmap, consumption, lineage, statement
from licet.train.bitmap import BitmapHead, serialize
from licet.vault import commands as do
from licet.vault import verbs
from licet.vault.copies import CopyPlace
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, load_host_key, open_installation

RUNS, RELEASES, ROWS = 1_000, 20, 100_000
CHATS = 100  # of one person: half of them a row of two releases, half of every one
SIGNED_BYTES = 200 * 2**20
STEPS, BATCH = 2_000, 32
AT = datetime(2026, 1, 5, tzinfo=UTC)


def main(arguments: list[str]) -> list[Row]:
    """Figures of questions, of signing, and of records."""
    runs, releases, rows = [*map(int, arguments), *(RUNS, RELEASES, ROWS)[len(arguments) :]]
    return [*_asking(runs, releases, rows), _signing(), _stating(), _recording()]


def _asking(runs: int, releases: int, rows: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="licet-lineage-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        with open_installation(
            Configuration(data=data, curate=NO_NAMES), lambda: AT
        ) as installation:
            policy_changes.apply_policy(installation, preset("article-2025"), actor="bench")
            account, chats = _on_record(installation, runs, releases, rows)
            with transaction(installation.pool) as tx:
                key = (
                    "SELECT name FROM releases WHERE release_id = (SELECT release_id FROM "
                    "releases LIMIT 1)"
                )
                floor = _seconds(lambda: tx.execute(key).fetchall())
                asked = {
                    "a conversation in two releases": chats[0],
                    "one in every release": chats[-1],
                    f"a person with {CHATS}": None,
                }
                found = {
                    of: len(lineage.models_trained_on(tx, account, chat))
                    for of, chat in asked.items()
                }
                took = {
                    of: _seconds(partial(lineage.models_trained_on, tx, account, chat))
                    for of, chat in asked.items()
                }
        embedded.stop(data / "postgres")
    over = f"{runs:,} runs over {releases} releases of {rows:,} rows"
    return [
        Row(
            f"which models learnt from {of}: {found[of]:,}, of {over} (goal: under 1 ms)",
            f"{seconds * 1000:.2f} ms",
            f"{floor * 1000:.2f} ms",
            f"{seconds / floor:.1f}",
        )
        for of, seconds in took.items()
    ]


def _seconds(ask: Callable[[], object], times: int = 200) -> float:
    """The least of several times: what others do on the machine only adds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - began)
    return min(taken)


def _on_record(
    installation: Installation, runs: int, releases: int, rows: int
) -> tuple[UUID, list[UUID]]:
    """Runs that each consumed half of a release's rows, drawn at random, and one person with rows
    in them.
    """
    drawn = random.Random(1)
    account, host = uuid7(AT, installation.keyring.random(10)), load_host_key(installation)
    verbs.apply_commands(
        installation,
        [
            do.OpenAccount(
                account=account, at=AT, host=host_hmac(host, "account", "ana"), plan="pro", age=30
            )
        ],
    )
    chats = [uuid7(AT, installation.keyring.random(10)) for _ in range(CHATS)]
    known = [uuid7(AT, installation.keyring.random(10)) for _ in range(releases)]
    with transaction(installation.pool) as tx:
        for n, release in enumerate(known):
            tx.execute(
                """INSERT INTO releases (release_id, name, purpose, state, version, pinned,
                                         begun_at, sealed_at, position,
                                         rows, turns, root, manifest_sha256)
                   VALUES (%s, %s, 'improve_models', 'sealed', 0, 0, %s, %s, 0, %s, %s, '', '')""",
                [release, f"release-{n}", AT, AT, rows, rows],
            )
            mine = chats if n < 2 else chats[CHATS // 2 :]
            made = [
                RowSources(
                    account=account,
                    conversation=chat,
                    ordinal=ordinal,
                    keys=((0, CopyPlace.vault),),
                    sources=(RowSource(segment=0, origin="typed", turn=1, count=1),),
                )
                for chat, ordinal in zip(mine, drawn.sample(range(rows), len(mine)), strict=True)
            ]
            registry.add_rows(tx, release, made)
    for n in range(runs):
        model, release = uuid7(AT, installation.keyring.random(10)), known[n % releases]
        ordinals = BitMap(drawn.sample(range(rows), rows // 2))
        with transaction(installation.pool) as tx:
            tx.execute(
                """INSERT INTO models (model_id, name, release_id, recipe, rows, first_gate,
                                       last_gate, started_at,
                                       finished_at, recorded_at, statement, consumed)
                   VALUES (%s, %s, %s, 'bench', %s, 0, 0, %s, %s, %s, '', '')""",
                [model, f"model-{n}", release, len(ordinals), AT, AT, AT],
            )
            lineage.add_rows(tx, release, model, ordinals)
    with installation.pool.connection() as connection:
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE model_rows")
        connection.execute("ANALYZE release_runs")
        connection.autocommit = False
    return account, chats


def _signing() -> Row:
    with tempfile.TemporaryDirectory(prefix="licet-signing-") as name:
        folder = Path(name)
        data = os.urandom(2**20) * (SIGNED_BYTES // 2 // 2**20)
        for weights in ("model-1.safetensors", "model-2.safetensors"):
            (folder / weights).write_bytes(data)
        began = time.process_time()
        sha256(data).digest()
        sha256(data).digest()
        floor = SIGNED_BYTES / (time.process_time() - began)
        began = time.process_time()
        statement.sign_model(
            "bench", statement.hash_files(folder), statement.derive_p256(bytes(32))
        )
        signed = SIGNED_BYTES / (time.process_time() - began)
    return Row(
        "signing a model of 200 MiB, MB a CPU second (goal: 250)",
        f"{signed / 1e6:.0f}",
        f"{floor / 1e6:.0f}",
        f"{signed / floor:.2f}",
    )


def _head(ordinals: BitMap, number: int, signer: Signer) -> bytes:
    rows = serialize(ordinals)
    head = BitmapHead(
        release="ab" * 16,
        manifest_sha256="cd" * 32,
        number=number,
        issued=AT,
        until=AT.replace(hour=1),
        rows=len(ordinals),
        sha256=sha256(rows).hexdigest(),
    )
    return bitmap.encode_file(bitmap.sign(head, signer), rows)


def _stating() -> Row:
    key = statement.signer("bench/models", bytes(32)).verifier
    signer = Signer("bench/withdrawn", SignatureType.ed25519, bytes(32))
    head = consumption.parse_unverified_head(bitmap.split_file(_head(BitMap(), 0, signer))[0])
    run = statement.RunStatement(
        model="0" * 32,
        name="bench",
        recipe="bench",
        parameters={},
        sources=(),
        first=head,
        last=head,
        results={},
        software={},
        started=AT,
        finished=AT,
    )
    files = {f"model-{n}.safetensors": "ab" * 32 for n in range(10)}
    signed = statement.sign_statement(statement.build_statement(run, files, {}), key, bytes(32))
    took = _seconds(
        lambda: statement.sign_statement(statement.build_statement(run, files, {}), key, bytes(32))
    )
    return Row("a signed statement about ten files", f"{took * 1e3:.2f} ms, {len(signed):,} bytes")


class _Gate:
    release, manifest_sha256, number = "ab" * 16, "cd" * 32, 0

    def __init__(self) -> None:
        self._held = _head(BitMap(), 0, Signer("bench/withdrawn", SignatureType.ed25519, bytes(32)))

    def signed_withdrawals(self) -> bytes:
        return self._held


def _recording() -> Row:
    drawn = random.Random(1)
    batches = [drawn.sample(range(10**6), BATCH) for _ in range(STEPS)]
    with tempfile.TemporaryDirectory(prefix="licet-recording-") as name:
        log = consumption.ConsumedLog(Path(name) / "consumed", _Gate())
        began = time.process_time()
        for step, ordinals in enumerate(batches):
            log.used(step, ordinals)
        took = (time.process_time() - began) / STEPS
        log.close()
        each = bytes((Path(name) / "consumed").stat().st_size // STEPS)
        floor_file = os.open(Path(name) / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        began = time.process_time()
        for _ in range(STEPS):
            os.write(floor_file, each)
        floor = (time.process_time() - began) / STEPS
        os.close(floor_file)
    return Row(
        f"a step of {BATCH} rows put on record before it is taken, us of CPU",
        f"{took * 1e6:.1f}",
        f"{floor * 1e6:.1f}",
        f"{took / floor:.1f}",
    )
