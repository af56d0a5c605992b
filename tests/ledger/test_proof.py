"""A proof file says one thing in one way, and proves only the entry it was made for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet import verifier
from licet.errors import RefusedError
from licet.ledger import note, proof
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.log import LogWriter
from licet.ledger.proof import InclusionProof

from .world import ORIGIN, SIGNER, Disk, entry_of

TRUST = verifier.trust(SIGNER.verifier.vkey)


def small() -> tuple[LogWriter, list[bytes]]:
    disk, entries = Disk(), [entry_of(i) for i in range(11)]
    log = LogWriter.begin(disk.folder("log"), disk.folder("state"), ORIGIN, SIGNER)
    log.append(entries)
    return log, entries


def test_the_bytes_of_a_proof_are_these() -> None:
    made = InclusionProof(
        7, (bytes(32), bytes([255] * 32)), b"origin\n9\nroot\n\nsignatures\n", b"more"
    )
    text = (
        "c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 7\n"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n//////////////////////////////////////////8=\n"
        "\norigin\n9\nroot\n\nsignatures\n"
    )
    assert made.encode().decode() == text
    assert InclusionProof.parse(made.encode()) == made


def test_a_proof_has_a_bound() -> None:
    whole = InclusionProof(7, (), b"origin\n9\nroot\n\nsignatures\n").encode()
    most = whole + b"x" * (proof.PROOF_BYTES_MAX - len(whole))
    assert InclusionProof.parse(most).encode() == most
    with pytest.raises(RefusedError, match="has at most"):
        InclusionProof.parse(most + b"x")


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(max_size=200),
    st.none() | st.binary(max_size=100),
)
@settings(max_examples=100)
def test_proofs_round_trip(
    index: int, path: list[bytes], checkpoint: bytes, extra: bytes | None
) -> None:
    made = InclusionProof(index, tuple(path), checkpoint, extra)
    assert InclusionProof.parse(made.encode()) == made


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_whatever_is_read_as_a_proof_is_spelt_in_its_one_way(data: bytes) -> None:
    for raw in (
        data,
        b"c2sp.org/tlog-proof@v1\nindex " + data,
        b"c2sp.org/tlog-proof@v1\nindex 1\n\n" + data,
    ):
        try:
            assert InclusionProof.parse(raw).encode() == raw
        except RefusedError:
            continue


def test_a_proof_proves_its_entry_and_no_other() -> None:
    log, entries = small()
    for index, entry in enumerate(entries):
        made = log.prove(index)
        assert proof.verify(made, entry, ORIGIN, SIGNER.verifier).size == 11
        assert verifier.check_proof(made.encode(), entry, TRUST).ok
        for other in (entry + b".", entries[index - 1]):
            with pytest.raises(RefusedError):
                proof.verify(made, other, ORIGIN, SIGNER.verifier)
            assert not verifier.check_proof(made.encode(), other, TRUST).ok


def test_every_changed_byte_of_a_proof_is_found_by_both() -> None:
    log, entries = small()
    raw = log.prove(5).encode()
    for at in range(len(raw)):
        for change in (1, 0x20, 0x80):
            changed = raw[:at] + bytes([raw[at] ^ change]) + raw[at + 1 :]
            with pytest.raises(RefusedError):
                proof.verify(InclusionProof.parse(changed), entries[5], ORIGIN, SIGNER.verifier)
            assert not verifier.check_proof(changed, entries[5], TRUST).ok


def test_a_proof_is_bounded() -> None:
    checkpoint = note.sign(Checkpoint(ORIGIN, 1, bytes(32)).text, SIGNER)
    for raw in (
        InclusionProof(0, (bytes(32),) * 64, checkpoint).encode(),
        b"c2sp.org/tlog-proof@v1\n" + b"x" * (1 << 20),
    ):
        with pytest.raises(RefusedError):
            InclusionProof.parse(raw)
        assert not verifier.check_proof(raw, b"", TRUST).ok
