"""The published vectors are what the code makes, and both implementations give each its verdict."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from licet import verifier
from licet.errors import RefusedError
from licet.ledger import checkpoint as checkpoints
from licet.ledger import note, proof, quorum, tree
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.note import Verifier
from licet.ledger.tiles import TileReader
from licet.ledger.witness import WitnessState, add_checkpoint

from .make_vectors import VECTORS, made
from .world import ORIGIN, WITNESS, Held


def table(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


KEYS = table("keys.json")
LOG = Verifier.parse(KEYS["log"]["vkey"])
TRUST = verifier.trust(KEYS["log"]["vkey"])


def named(name: str) -> pytest.MarkDecorator:
    rows = table(name)
    assert {row["verdict"] for row in rows} > {"good"}
    return pytest.mark.parametrize("row", rows, ids=[row["name"] for row in rows])


def test_the_vectors_are_what_the_code_makes() -> None:
    """A change here is a change of a published format: think, and make them anew only then."""
    expected = made()
    found = {
        p.relative_to(VECTORS).as_posix(): p.read_bytes() for p in VECTORS.rglob("*") if p.is_file()
    }
    found.pop("README.md")
    assert sorted(found) == sorted(expected)
    for path, data in expected.items():
        assert found[path] == data, path


@named("notes.json")
def test_a_note_gets_its_verdict(row: dict[str, str]) -> None:
    raw, verdict = row["note"].encode(), "good"
    try:
        checkpoints.verify(raw, ORIGIN, LOG)
    except RefusedError as error:
        verdict = error.because
    assert verdict == row["verdict"]
    try:
        verifier.open_checkpoint(raw, "note", TRUST)
        held = True
    except verifier.ContradictionError:
        held = False
    assert held == (row["verdict"] == "good")


@named("proofs.json")
def test_a_proof_gets_its_verdict(row: dict[str, str]) -> None:
    raw, entry, verdict = row["proof"].encode(), bytes.fromhex(row["entry"]), "good"
    try:
        proof.verify(proof.InclusionProof.parse(raw), entry, ORIGIN, LOG)
    except RefusedError as error:
        verdict = error.because
    assert verdict == row["verdict"]
    assert verifier.check_proof(raw, entry, TRUST).ok == (row["verdict"] == "good")


@named("consistency.json")
def test_a_consistency_proof_gets_its_verdict(row: dict[str, Any]) -> None:
    old, size = row["old"], row["size"]
    old_root, root = base64.b64decode(row["old_root"]), base64.b64decode(row["root"])
    path, verdict = [base64.b64decode(h) for h in row["path"]], "good"
    try:
        tree.check_consistency(old, old_root, size, root, path)
    except RefusedError as error:
        verdict = error.because
    assert verdict == row["verdict"]
    if 0 < old <= size:
        held = verifier.roots_of_proof(old, size, old_root, path) == (old_root, root)
        assert held == (row["verdict"] == "good")


@named("logs.json")
def test_a_changed_log_gets_its_verdict(row: dict[str, Any]) -> None:
    root = VECTORS / "log"
    files = {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    older = [("older.txt", (VECTORS / "older.txt").read_bytes())]
    trusted = verifier.trust(KEYS["log"]["vkey"], witnesses=[KEYS["witness"]["vkey"]])
    assert verifier.check_log(Held(files), trusted, older).ok
    assert files.get(row["path"], b"") != (row["data"] and bytes.fromhex(row["data"]))
    files.pop(row["path"], None)
    if row["data"] is not None:
        files[row["path"]] = bytes.fromhex(row["data"])
    assert verifier.check_log(Held(files), trusted, older).ok == (row["verdict"] == "good")


def one_witness() -> bytes:
    return bytes.fromhex(
        next(row["file"] for row in table("quorums.json") if row["name"] == "one witness")
    )


@named("cosignatures.json")
def test_a_cosignature_gets_its_verdict(row: dict[str, str]) -> None:
    raw, verdict = row["note"].encode(), "good"
    witness = Verifier.parse(KEYS["witness"]["vkey"])
    try:
        checkpoints.verify(raw, ORIGIN, LOG)
        signed = {one.by for one in note.verify(raw, [LOG, witness]).signed}
        verdict = "good" if quorum.parse_quorum(one_witness()).is_met(signed) else "unmet"
    except RefusedError as error:
        verdict = error.because
    assert verdict == row["verdict"]
    trusted = verifier.trust(KEYS["log"]["vkey"], policy=one_witness())
    try:
        verifier.open_checkpoint(raw, "note", trusted)
        held = True
    except verifier.ContradictionError:
        held = False
    assert held == (row["verdict"] == "good")


@pytest.mark.parametrize(
    "row", table("witness.json"), ids=[row["name"] for row in table("witness.json")]
)
def test_a_request_to_a_witness_gets_its_status(row: dict[str, Any]) -> None:
    files = {
        p.relative_to(VECTORS / "log").as_posix(): p.read_bytes()
        for p in VECTORS.glob("log/**/*")
        if p.is_file()
    }
    latest = Checkpoint(ORIGIN, 100, tree.root(TileReader(files.get, 259), 100))
    answer = add_checkpoint(
        WitnessState({ORIGIN: [LOG]}, {ORIGIN: latest}), row["request"].encode(), WITNESS, 1
    )
    assert answer.status == row["status"], answer


def test_there_are_vectors_that_must_fail_in_every_table() -> None:
    for name in (
        "notes.json",
        "proofs.json",
        "consistency.json",
        "logs.json",
        "quorums.json",
        "cosignatures.json",
    ):
        bad = [row for row in table(name) if row["verdict"] != "good"]
        assert len(bad) >= 9, name
    assert {row["status"] for row in table("witness.json")} == {200, 400, 403, 404, 409, 422}
    assert Path(VECTORS / "log" / "checkpoint").is_file()
