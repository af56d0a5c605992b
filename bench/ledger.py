"""The ledger's figures, each beside its floor in the same run: `python -m bench ledger [FOLDER]`.

Appends a second, durable, at batches of 1, 256 and 4,096, beside one file's write and fsync of the
same bytes; proofs verified a second and core, beside the bare signature check; a proof's size; and
the stand-alone verifier's full check of 1,000,000 entries, beside plain SHA-256 of the same bytes.
FOLDER says on which disk; a temporary one elsewhere. Ratios say how many times the floor's time it
takes.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench import Row
from licet import verifier
from licet.ledger import checkpoint, proof
from licet.ledger.log import LogWriter, prune
from licet.ledger.note import SignatureType, Signer
from licet.ledger.proof import InclusionProof
from licet.ledger.storage import Folder
from licet.ledger.tiles import TileEdge, TileReader
from licet.ledger.tree import prove_inclusion

SIGNER = Signer("log.example/ledger/2026", SignatureType.ed25519, bytes(range(32)))
ENTRY_BYTES = 300
LARGE = 1_000_000


def entry_of(index: int) -> bytes:
    return hashlib.sha256(b"%d" % index).hexdigest().encode().ljust(ENTRY_BYTES, b".")


def seconds(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    run()
    return clock() - start


def cpu(run: Callable[[], object]) -> float:
    """Seconds of one core, whatever else the machine does."""
    return seconds(run, time.process_time)


def fsync_floor(base: Path, size: int, times: int) -> float:
    """Seconds for one append of ``size`` bytes to one open file, and its fsync."""
    with (base / "floor").open("wb") as file:

        def run() -> None:
            for _ in range(times):
                file.write(bytes(size))
                file.flush()
                os.fsync(file.fileno())

        return seconds(run) / times


def appends(base: Path) -> Iterator[str]:
    for batch, times in ((1, 150), (256, 60), (4096, 15)):
        log = LogWriter.create(base / f"log{batch}", base / f"state{batch}", SIGNER.name, SIGNER)
        rows = [[entry_of(i) for i in range(batch)] for _ in range(times)]
        floor = fsync_floor(base, batch * ENTRY_BYTES, times)
        took = [seconds(partial(log.append, row)) for row in rows]
        mean, worst = sum(took) / times, max(took)
        log.close()
        yield (
            f"append, batch {batch} | {batch / mean:,.0f}/s | {mean * 1e3:.1f} ms a batch, slowest "
            f"{worst * 1e3:.1f} ms |"
            f" {mean / floor:.1f} fsyncs' time (floor {floor * 1e3:.2f} ms)"
        )


def proofs(base: Path) -> Iterator[str]:
    log = LogWriter.create(base / "proofs", base / "proofs-state", SIGNER.name, SIGNER)
    entries = [entry_of(i) for i in range(20_000)]
    log.append(entries)
    picked = range(0, 20_000, 10)
    made: list[InclusionProof] = []
    took = cpu(lambda: made.extend(log.prove(i) for i in picked))
    yield f"proofs made from tiles | {len(picked) / took:,.0f}/s | self-checked |"
    raw = [p.encode() for p in made]
    known = SIGNER.verifier
    note = log.published
    floor = cpu(lambda: [checkpoint.verify(note, SIGNER.name, known) for _ in raw])
    pairs = list(zip(raw, picked, strict=True))
    ours = cpu(
        lambda: [
            proof.verify(InclusionProof.parse(r), entries[i], SIGNER.name, known) for r, i in pairs
        ]
    )
    trusted = verifier.trust(known.vkey)
    theirs = cpu(lambda: [verifier.check_proof(r, entries[i], trusted) for r, i in pairs])
    for name, spent in (("package", ours), ("verifier.py", theirs)):
        yield (
            f"proofs verified, {name} | {len(raw) / spent:,.0f}/s and core | signature, path and "
            "text |"
            f" {spent / floor:.2f} of the checkpoint's check alone"
        )
    log.close()


def told(index: int) -> bytes:
    """An entry as licet writes them: every second a yes, and after it the grant that it begins; a
    person for each.
    """
    who, commit = (hashlib.sha256(f"{kind}{index}".encode()).hexdigest() for kind in ("w", "c"))
    at = f"2026-{1 + index * 11 // LARGE:02}-01T10:15:31Z"
    facts, kind = '{"allow":true,"effect":"began","version":0}', "choice"
    if index % 2:
        who = hashlib.sha256(f"w{index - 1}".encode()).hexdigest()
        facts, kind = '{"grant":1,"version":0}', "grant_begun"
    return f'{{"at":"{at}","commit":"{commit}","facts":{facts},"logged":"{at}","t":"{kind}","v":1,"who":"{who}"}}'.encode()


def full_check(base: Path) -> Iterator[str]:
    log = LogWriter.create(base / "full", base / "full-state", SIGNER.name, SIGNER)
    entries = [told(i) for i in range(LARGE)]
    for start in range(0, LARGE, 50_000):
        log.append(entries[start : start + 50_000])
    log.close()
    opened = seconds(
        lambda: LogWriter.open(base / "full", base / "full-state", SIGNER.name, SIGNER).close
    )
    yield (
        f"reopened at {LARGE:,} entries | {opened * 1e3:.0f} ms | does the last append (50,000) "
        "again |"
    )
    prune(Folder(base / "full"), LARGE)
    whole = b"".join(entries)
    floor = cpu(lambda: hashlib.sha256(whole).digest())
    each = cpu(lambda: [hashlib.sha256(entry).digest() for entry in entries])
    trusted = verifier.trust(SIGNER.verifier.vkey)
    for what, story in (
        ("bytes, tiles and root", None),
        ("and what they tell", verifier.new_story(SIGNER.name)),
    ):
        reports: list[verifier.VerifierReport] = []
        files = verifier.FolderFiles(base / "full")
        took = cpu(lambda: reports.append(verifier.check_log(files, trusted, (), story)))  # noqa: B023 called at once
        assert reports[0].ok, reports[0].findings
        yield (
            f"full check of {LARGE:,} entries, {what} | {took:.1f} s | {LARGE / took:,.0f} "
            "entries/s |"
            f" {took / floor:.1f} of one SHA-256 over the {len(whole) >> 20} MB, {took / each:.1f} "
            "of one for each entry"
        )


def proof_size() -> Iterator[str]:
    edge = TileEdge()
    files = edge.extend([b"%d" % i for i in range(LARGE)])
    path = prove_inclusion(TileReader(files.get, LARGE), LARGE // 3, LARGE)
    text = checkpoint.Checkpoint(SIGNER.name, LARGE, edge.root()).text
    cosigner = Signer("witness.example/w1", SignatureType.cosignature, bytes(32))
    note = f"{text}\n{SIGNER.sign(text).line}{cosigner.cosign(text, 1_800_000_000).line}".encode()
    size = len(InclusionProof(LARGE // 3, path, note).encode())
    yield f"a proof at {LARGE:,} entries | {size:,} bytes | {len(path)} hashes, one cosignature |"


def main(arguments: list[str]) -> list[Row]:
    """What, figure, of which, and how often the floor."""
    with tempfile.TemporaryDirectory(dir=arguments[0] if arguments else None) as base:
        parts = (appends(Path(base)), proofs(Path(base)), full_check(Path(base)), proof_size())
        return [Row(*(cell.strip() for cell in row.split("|"))) for rows in parts for row in rows]
