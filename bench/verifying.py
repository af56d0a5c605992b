"""The strangers' verifier over much: `python -m bench verifying [ROWS] [ENTRIES]`, a million of
each by default.

Decides again, without content, every row of a release whose proofs the writer's own functions made,
against the log that tells of its grants; checks every entry, tile and root of a log; finds one
conversation and proves it; and checks proofs of single entries. Each beside its floor: SHA-256 over
the same bytes, or the bare signature check.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from bench import Row
from licet import verifier
from licet.ledger import checkpoint, entries
from licet.ledger.canonical_json import Fact
from licet.ledger.log import LogWriter, prune
from licet.ledger.note import SignatureType, Signer
from licet.ledger.storage import Folder
from licet.policy.file import preset
from licet.policy.period import instant, rfc3339
from licet.release import merkle
from licet.release.part import EPOCH, write_parts
from licet.release.proof_lines import write_lines
from licet.release.proofs import candidate_line
from licet.release.row_keys import SealedRow

SIGNER = Signer("log.example/ledger/2026", SignatureType.ed25519, bytes(range(32)))
POLICY = preset("strict")
QUESTION = "models"
RELEASE = UUID(int=5)
SAID, BUILT = instant("2026-03-02T09:00:00Z"), instant("2026-03-05T12:00:00Z")
ROWS, PROOFS = 1_000_000, 10_000
ROWS_EACH = 10  # rows of one account
BATCH = 10_000


def spent(run: Callable[[], object]) -> float:
    """Seconds of one core, whatever else the machine does."""
    start = time.process_time()
    run()
    return time.process_time() - start


def key_of(number: int) -> bytes:
    return hashlib.sha256(b"account %d" % number).digest()


def encoded(row: entries.OutboxRow, number: int, key: bytes | None) -> bytes:
    return entries.encode(
        row,
        key,
        SAID + timedelta(microseconds=number),
        lambda size: hashlib.sha256(b"%d" % number).digest()[:size],
    )


def told(count: int) -> Iterator[bytes]:
    """The policy, and for each account its opening, a yes and the grant that it begins, until there
    are ``count`` entries.
    """
    facts: dict[str, Fact] = {"number": 0, "sha256": POLICY.sha256().hex()}
    yield encoded(
        entries.OutboxRow(
            outbox_id=1, account=None, kind="policy_applied", occurred_at=SAID, facts=facts
        ),
        0,
        None,
    )
    for number in range(1, count):
        account, which = divmod(number - 1, 3)
        kind = ("account_opened", "choice", "grant_begun")[which]
        facts = {"allow": True, "effect": "began"} if kind == "choice" else {"grant": 1}
        facts |= {"version": 0, "question": QUESTION, "scope": "account"}
        row = entries.OutboxRow(
            outbox_id=number + 1,
            account=UUID(int=account + 1),
            kind=kind,
            occurred_at=SAID,
            facts={} if kind == "account_opened" else facts,
        )
        yield encoded(row, number, key_of(account))


def row_handle(ordinal: int) -> str:
    """The handle of the conversation that a row is of."""
    return entries.conversation_pseudonym(
        entries.derive_salt(key_of(ordinal // ROWS_EACH)), UUID(int=ordinal)
    )


def row_lines(count: int) -> tuple[list[bytes], list[bytes], list[SealedRow], bytes]:
    """The lines of rows and candidates in order, the rows, and the root over them."""
    until = "2031-03-02"
    until_us = (instant(until) - EPOCH) // timedelta(microseconds=1)
    tree = merkle.Tree()
    rows, candidates, parted = [], [], []
    for ordinal in range(count):
        salt = entries.derive_salt(key_of(ordinal // ROWS_EACH))
        handle, sealed = row_handle(ordinal), hashlib.sha256(b"%d" % ordinal).digest()
        tree.append(merkle.leaf(ordinal, sealed[:16], until_us, sealed))
        parted.append(
            SealedRow(row_id=sealed[:16], ordinal=ordinal, until=instant(until), sealed=sealed)
        )
        source = {
            "segment": 0, "place": "vault", "because": "permitted", "turns": {"typed": 3, "assistant": 3}, "mark": 0,
            "last_on": "2026-03-02", "keep_until": until, "grant": 1, "narrowing": 0, "said_on": "2026-03-02",
        }  # fmt: skip
        line: dict[str, Any] = {
            "v": 2,
            "conversation": handle,
            "who": entries.account_tag(salt),
            "ordinal": ordinal,
            "row_id": sealed[:16].hex(),
            "question": QUESTION,
            "project": None,
            "sealed_sha256": hashlib.sha256(sealed).hexdigest(),
            "until": until,
            "last_on": "2026-03-02",
            "policy_sha256": POLICY.sha256().hex(),
            "marks": [["pro", "app", 0]],
            "sources": [source],
        }
        rows.append((handle, msgspec.json.encode(line, order="sorted")))
        candidates.append((handle, candidate_line(handle, 6, {"origin": 1}, RELEASE, salt)))
    lines, others = ([line for _, line in sorted(each)] for each in (rows, candidates))
    return lines, others, parted, tree.root()


def release(folder: Path, count: int) -> bytes:
    """A release of ``count`` rows, which no key opens; returns its manifest."""
    (folder / "proof").mkdir(parents=True)
    rows, candidates, parted, root = row_lines(count)
    document = POLICY.text()
    proof = {
        name: write_lines(folder, f"proof/{name}.jsonl.gz", lines)
        for name, lines in (("policies", [document]), ("candidates", candidates), ("rows", rows))
    }
    (folder / "README.md").write_bytes(b"")
    parts = list(map(msgspec.structs.asdict, write_parts(folder, parted)))
    manifest = {
        "format": "licet-release-1",
        "release": RELEASE.hex,
        "name": "bench",
        "purpose": "improve_models",
        "built_at": rfc3339(BUILT),
        "policy": {
            "name": POLICY.policy,
            "version": POLICY.version,
            "sha256": POLICY.sha256().hex(),
        },
        "journal": 1,
        "rows": count,
        "root": root.hex(),
        "parts": parts,
        "licet": "bench",
        "counts": {"candidates": 7 * count, "included": 6 * count, "dropped": {"origin": count}},
        "deidentification": {
            "rules": "none",
            "sha256": "0" * 64,
            "counts": {},
            "names": {"kinds": ["person"]},
        },
        "proof": proof,
    }
    data = msgspec.json.encode(manifest, order="sorted")
    (folder / "manifest.json").write_bytes(data)
    return data


def log_of(base: Path, name: str, told_entries: Iterator[bytes]) -> LogWriter:
    log = LogWriter.create(base / name, base / f"{name}-state", SIGNER.name, SIGNER)
    batch: list[bytes] = []
    for entry in told_entries:
        batch.append(entry)
        if len(batch) == BATCH:
            log.append(batch)
            batch = []
    if batch:
        log.append(batch)
    return log


def with_leaf(count: int, manifest: bytes) -> Iterator[bytes]:
    yield from told(3 * -(-count // ROWS_EACH) + 1)
    said = json.loads(manifest)
    facts: dict[str, Fact] = {
        "release": RELEASE.hex,
        "purpose": said["purpose"],
        "version": 0,
        "position": 1,
        "rows": count,
        "root": said["root"],
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
    }
    row = entries.OutboxRow(
        outbox_id=1, account=None, kind="release_sealed", occurred_at=BUILT, facts=facts
    )
    yield entries.encode(row, None, BUILT, lambda size: bytes(size))


def decided(base: Path, count: int) -> Iterator[Row]:
    manifest = release(base / "release", count)
    log_of(base, "told", with_leaf(count, manifest)).close()
    files, log = verifier.FolderFiles(base / "release"), verifier.FolderFiles(base / "told")
    reports: list[verifier.VerifierReport] = []
    took = spent(
        lambda: reports.append(
            verifier.check_release(files, verifier.trust(SIGNER.verifier.vkey), log)
        )
    )
    assert reports[0].ok, reports[0].findings
    proofs = [
        gzip.decompress((base / f"release/proof/{name}.jsonl.gz").read_bytes())
        for name in ("rows", "candidates")
    ]
    floor = spent(
        lambda: [hashlib.sha256(line).digest() for data in proofs for line in data.splitlines()]
    )
    yield Row(
        f"{count:,} rows decided again, seconds (goal: under 300)",
        f"{took:.1f}",
        f"{floor:.1f}",
        f"{took / floor:.1f}",
    )
    yield Row("  a row, us", f"{took / count * 1e6:.1f}", "one SHA-256 a line", "")
    size = sum(path.stat().st_size for path in (base / "release/proof").iterdir())
    yield Row("  the proofs of a row, bytes, packed", f"{size / count:.0f}", "", "")
    handle = json.loads(proofs[0].partition(b"\n")[0])["conversation"]
    shown: list[dict[str, Any]] = []
    took = spent(lambda: shown.append(verifier.prove_conversation(files, handle)))
    bytes_shown = len(json.dumps(shown[0]))
    yield Row(
        "  one conversation found and proved, ms (goal: under 50)",
        f"{took * 1e3:.1f}",
        f"a proof of {bytes_shown:,} bytes",
        "",
    )
    many = 2_000
    took = spent(
        lambda: [verifier.check_conversation(manifest, shown[0], handle) for _ in range(many)]
    )
    yield Row("  such proofs checked, a second and core", f"{many / took:,.0f}", "", "")


def full_check(base: Path, count: int) -> Iterator[Row]:
    log = log_of(base, "full", told(count))
    trusted = verifier.trust(SIGNER.verifier.vkey)
    picked = range(0, count, max(1, count // PROOFS))
    made = [(log.prove(n).encode(), entry) for n in picked for entry in log.entries(n, n + 1)]
    note = log.published
    log.close()
    took = spent(lambda: [verifier.check_proof(raw, entry, trusted) for raw, entry in made])
    floor = spent(lambda: [checkpoint.verify(note, SIGNER.name, SIGNER.verifier) for _ in made])
    yield Row(
        "proofs of entries verified, a second and core (goal 5,000)",
        f"{len(made) / took:,.0f}",
        f"{len(made) / floor:,.0f}",
        f"{took / floor:.2f}",
    )
    prune(Folder(base / "full"), count)
    for what, story in (
        ("hashes and signatures", None),
        ("and what they tell", verifier.new_story(SIGNER.name)),
    ):
        reports: list[verifier.VerifierReport] = []
        files = verifier.FolderFiles(base / "full")
        took = spent(
            lambda f=files, s=story, r=reports: r.append(verifier.check_log(f, trusted, (), s))
        )
        assert reports[0].ok, reports[0].findings
        data = b"".join(told(1000)) * (count // 1000)
        floor = spent(lambda d=data: hashlib.sha256(d).digest())
        yield Row(
            f"{count:,} entries checked whole: {what}, seconds (goal: under 60)",
            f"{took:.1f}",
            f"{floor:.2f}",
            f"{took / floor:.0f}",
        )


def main(arguments: list[str]) -> list[Row]:
    """What, figure, floor, and how often the floor."""
    rows = int(arguments[0]) if arguments else ROWS
    count = int(arguments[1]) if len(arguments) > 1 else rows
    with tempfile.TemporaryDirectory() as base:
        return [*decided(Path(base), rows), *full_check(Path(base), count)]
