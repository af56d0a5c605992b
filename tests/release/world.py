"""Releases made in a folder, and leases given from memory, by verbs: `build`, `withdraw`,
`kill`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from licet.ledger import jws
from licet.policy.file import preset
from licet.policy.state import ConversationKind, TurnRole
from licet.release import card, croissant, manifest, merkle, purge
from licet.release.manifest import (
    PROOF_FOLDER,
    PROOF_NAMES,
    Counts,
    Deidentification,
    PolicyPin,
    ProofFile,
    ProofPins,
    ReleaseManifest,
)
from licet.release.part import EPOCH, PartPromise, groups, moment, write_parts
from licet.release.proof_lines import write_lines
from licet.release.reader import Lease
from licet.release.row_keys import row_key, seal_row
from licet.release.rows import ReleaseRow, RowMessage

RELEASE_ID = bytes(range(16))
UNTIL = datetime(2030, 9, 1, tzinfo=UTC)
POLICY = preset("article-2025")
START = datetime(2025, 10, 1, tzinfo=UTC)
PLANTED = "the heron that nests behind the third lock is called Oswin"


LOG_SEED = bytes(range(32))


def log_key() -> bytes:
    """The public key that signs addenda here."""
    return jws.public_key(LOG_SEED)


def keyed(*names: object) -> bytes:
    """A key, or other bytes of its length, that a name stands for."""
    return sha256(repr(names).encode()).digest()


def row_of(
    ordinal: int, text: str = "", *, until: datetime = UNTIL, sources: int = 1
) -> ReleaseRow:
    question = RowMessage(role=TurnRole.user, content=text or f"question {ordinal}")
    answer = RowMessage(role=TurnRole.assistant, content=f"answer {ordinal}")
    return ReleaseRow(
        row_id=keyed("row", ordinal)[:16],
        ordinal=ordinal,
        until=until,
        messages=(question, answer),
        kind=ConversationKind.chat,
        sources=sources,
    )


def source_keys(row: ReleaseRow) -> list[bytes]:
    return [keyed("source", row.ordinal, source) for source in range(row.sources)]


def key_of(row: ReleaseRow, release_id: bytes = RELEASE_ID) -> bytes:
    return row_key(source_keys(row), release_id, row.row_id)


def build(folder: Path, rows: Iterable[ReleaseRow], *, rows_per_part: int = 4) -> ReleaseManifest:
    sealed = (seal_row(row, key_of(row), RELEASE_ID) for row in rows)
    folder.mkdir(exist_ok=True)
    return promise(folder, tuple(write_parts(folder, sealed, rows_per_part=rows_per_part)))


def promise(folder: Path, parts: tuple[PartPromise, ...]) -> ReleaseManifest:
    """Write the manifest and card of the parts that lie in ``folder``."""
    tree, proved = merkle.Tree(), []
    for part in parts:
        with (folder / part.file).open("rb") as file:
            for group in groups(file):
                for columns in zip(
                    group.ordinals, group.row_ids, group.until_us, group.sealed, strict=True
                ):
                    tree.append(merkle.leaf(*columns))
                    proved.append(proof_of(*columns))
    made = manifest_of(parts, tree.root(), write_proofs(folder, proved))
    card.write(folder, made)
    croissant.write(folder, made, purge.empty_chain(made, ""))
    manifest.write(folder, made)
    return made


def proof_of(ordinal: int, row_id: bytes, until_us: int, sealed: bytes) -> dict[str, Any]:
    """What a row's decision was made from: one segment of its own conversation, of two turns, under
    one grant.
    """
    until = moment(until_us).date()
    last_on = until.replace(year=until.year - 5).isoformat()
    source = {
        "segment": 0,
        "place": "vault",
        "because": "permitted",
        "turns": {"typed": 1, "assistant": 1},
        "mark": 0,
        "last_on": last_on,
        "keep_until": until.isoformat(),
        "grant": 1,
        "widening": 0,
        "said_on": last_on,
    }
    return {
        "v": 1,
        "conversation": keyed("chat", ordinal).hex(),
        "who": keyed("who", ordinal).hex(),
        "ordinal": ordinal,
        "row_id": row_id.hex(),
        "sealed_sha256": sha256(sealed).hexdigest(),
        "until": until.isoformat(),
        "policy_sha256": POLICY.sha256().hex(),
        "last_on": last_on,
        "marks": [["pro", "app", 0]],
        "sources": [source],
    }


def write_proofs(folder: Path, rows: Sequence[dict[str, Any]]) -> ProofPins:
    """The proof files of these rows, and of one candidate more, which is out."""
    (folder / PROOF_FOLDER).mkdir(exist_ok=True)
    candidates = [
        {"v": 1, "conversation": row["conversation"], "in": 2, "out": {}, "salted": {}}
        for row in rows
    ] + [
        {
            "v": 1,
            "conversation": keyed("out").hex(),
            "in": 0,
            "out": {},
            "salted": {"c" * 64: 3, "d" * 64: 2},
        }
    ]
    ordered = (
        [POLICY.document()],
        sorted(candidates, key=lambda one: one["conversation"]),
        sorted(rows, key=lambda one: (one["conversation"], one["ordinal"])),
    )
    return ProofPins(
        **{
            name: write_lines(
                folder, file, [msgspec.json.encode(line, order="sorted") for line in lines]
            )
            for (name, file), lines in zip(PROOF_NAMES.items(), ordered, strict=True)
        }
    )


def promised_proof(rows: int) -> ProofPins:
    """The proof of a manifest that is read for its form alone."""
    lines = {"policies": 1, "candidates": rows + 1, "rows": rows}
    return ProofPins(
        **{
            name: ProofFile(file=file, sha256="c" * 64, bytes=100, lines=lines[name], root="d" * 64)
            for name, file in PROOF_NAMES.items()
        }
    )


def manifest_of(
    parts: tuple[PartPromise, ...], root: bytes, proof: ProofPins | None = None
) -> ReleaseManifest:
    rows = sum(part.rows for part in parts)
    return ReleaseManifest(
        release=RELEASE_ID.hex(),
        name="autumn",
        purpose="improve_models",
        built_at=START,
        policy=PolicyPin(name="article-2025", version="2025-08-28", sha256=POLICY.sha256().hex()),
        journal=77,
        counts=Counts(
            candidates=2 * rows + 5, included=2 * rows, dropped={"withdrawn": 3, "deleted": 2}
        ),
        rows=rows,
        parts=parts,
        root=root.hex(),
        deidentification=Deidentification(
            rules="structured-1", sha256="b" * 64, counts={"email": 4}
        ),
        licet="0.1.0",
        proof=proof or promised_proof(rows),
    )


def until_us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


class Town:
    """Gives leases, in memory: a clock that is moved by hand, rows that are withdrawn, keys that
    die.
    """

    def __init__(self, rows: Sequence[ReleaseRow], *, lease_seconds: float = 60) -> None:
        self.now = START
        self.lease_seconds = lease_seconds
        self.asked: list[tuple[int, list[int]]] = []
        self.closed: Exception | None = None
        self._rows = {row.ordinal: row for row in rows}
        self._sources = {row.ordinal: source_keys(row) for row in rows}
        self._withdrawn: set[int] = set()

    def clock(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def withdraw(self, ordinal: int) -> None:
        self._withdrawn.add(ordinal)

    def kill(self, ordinal: int) -> None:
        """Destroy the key of one of the row's sources."""
        self._sources[ordinal].pop()

    def log_key(self, release_id: bytes) -> bytes:
        return log_key()

    def lease(self, release_id: bytes, part: int, ordinals: Sequence[int]) -> Lease:
        if self.closed:
            raise self.closed
        self.asked.append((part, list(ordinals)))
        permitted = (self._rows[o] for o in ordinals if o not in self._withdrawn)
        keys = {
            row.ordinal: row_key(self._sources[row.ordinal], release_id, row.row_id)
            for row in permitted
            if len(self._sources[row.ordinal]) == row.sources
        }
        return Lease(keys=keys, expires=self.now + timedelta(seconds=self.lease_seconds))
