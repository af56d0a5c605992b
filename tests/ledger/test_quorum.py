"""A quorum file weakens for no mistake, and both implementations read it alike."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet import verifier
from licet.errors import InputError, LicetError
from licet.ledger import quorum
from licet.ledger.note import SignatureType, Signer, Verifier

from .make_vectors import VECTORS
from .world import SIGNER, WITNESS

WITNESSES = [
    Signer(f"w{i}.example", SignatureType.cosignature, bytes([i]) * 32).verifier for i in range(7)
]
VKEYS = [one.vkey for one in WITNESSES]
SPEC = "".join(
    f"witness {name} {vkey}\n"
    for name, vkey in zip(("X1", "X2", "X3", "Y1", "Y2", "Y3"), VKEYS, strict=False)
)
TWO_LEVELS = SPEC + "group X 2 X1 X2 X3\ngroup Y any Y1 Y2 Y3\ngroup both all X Y\nquorum both\n"
ROWS = json.loads((VECTORS / "quorums.json").read_text())


def both(data: bytes, cosigned: list[Verifier]) -> tuple[bool, bool]:
    """Whether the quorum is met, as each implementation says."""
    ours = quorum.parse_quorum(data).is_met(cosigned)
    _, _, group = verifier.read_policy(data)
    return ours, group.is_met({verifier.read_key(one.vkey) for one in cosigned})


@pytest.mark.parametrize("size", range(7))
def test_the_example_of_the_spec_means_what_it_says(size: int) -> None:
    for held in itertools.combinations(range(6), size):
        expected = sum(i < 3 for i in held) >= 2 and any(i >= 3 for i in held)
        assert both(TWO_LEVELS.encode(), [WITNESSES[i] for i in held]) == (expected, expected), held


@given(st.integers(1, 6), st.sets(st.integers(0, 6)))
@settings(max_examples=100)
def test_k_of_n_counts_only_those_that_it_names(needed: int, held: set[int]) -> None:
    text = SPEC + f"group g {needed} X1 X2 X3 Y1 Y2 Y3\nquorum g\n"
    expected = len(held - {6}) >= needed
    assert both(text.encode(), [WITNESSES[i] for i in held]) == (expected, expected)


def test_none_asks_for_nobody() -> None:
    assert both(b"quorum none\n", []) == (True, True)
    assert both(f"{SPEC}quorum X1\n".encode(), WITNESSES[1:]) == (False, False)


def refused_by_both(data: bytes) -> tuple[bool, bool]:
    answers = []
    for read in (quorum.parse_quorum, verifier.read_policy):
        try:
            read(data)
            answers.append(False)
        except (LicetError, ValueError):
            answers.append(True)
    return answers[0], answers[1]


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_a_quorum_file_gets_its_verdict(row: dict[str, str]) -> None:
    data = bytes.fromhex(row["file"])
    if row["verdict"] == "malformed":
        assert refused_by_both(data) == (True, True)
        return
    known = {one.vkey: one for one in (WITNESS.verifier, *WITNESSES)}
    cosigned = [known[vkey] for vkey in row["cosigned"]]
    assert both(data, cosigned) == ((row["verdict"] == "good"),) * 2


@given(
    st.lists(
        st.sampled_from(
            [*TWO_LEVELS.splitlines(True), "quorum X1\n", "x\n", "\n", "#\n", "quorum none\n"]
        )
    )
)
@settings(max_examples=300)
def test_both_implementations_take_the_same_files(lines: list[str]) -> None:
    ours, theirs = refused_by_both("".join(lines).encode())
    assert ours == theirs


@given(st.binary(max_size=200), st.integers(0, 2000))
@settings(max_examples=300)
def test_both_implementations_agree_about_broken_bytes(noise: bytes, at: int) -> None:
    whole = TWO_LEVELS.encode()
    data = whole[: at % len(whole)] + noise + whole[at % len(whole) :]
    ours, theirs = refused_by_both(data)
    assert ours == theirs
    if not ours:
        assert both(data, []) == (False, False)


def test_a_mistake_is_named_by_file_and_line() -> None:
    with pytest.raises(InputError, match=r"^witnesses\.txt:7: `Z9` is not defined above$"):
        quorum.parse_quorum((SPEC + "group g any Z9\nquorum g\n").encode(), "witnesses.txt")
    with pytest.raises(ValueError, match="line 1 of the policy: `Z9` is not defined above"):
        verifier.read_policy(b"quorum Z9\n")


def test_a_file_that_may_be_cut_off_is_not_read() -> None:
    with pytest.raises(InputError, match="the last line has no newline"):
        quorum.parse_quorum(b"quorum none")
    assert quorum.parse_quorum(b"quorum none\n").is_met([])


def test_a_policy_that_lists_the_log_brings_its_key() -> None:
    data = f"log {SIGNER.verifier.vkey} https://log.example/2026\n{SPEC}quorum X1\n".encode()
    assert verifier.trust(None, policy=data).key.name == SIGNER.name
    assert quorum.parse_quorum(data).logs[0].url == "https://log.example/2026"
    other = Signer("other.example/2026", SignatureType.ed25519, bytes(32)).verifier.vkey
    with pytest.raises(ValueError, match="none of the policy's logs"):
        verifier.trust(other, policy=data)
    with pytest.raises(ValueError, match="name the log's key"):
        verifier.trust(None, policy=f"{SPEC}quorum X1\n".encode())
    with pytest.raises(
        ValueError, match="a policy names the witnesses: give no --witness or --quorum"
    ):
        verifier.trust(None, quorum=0, policy=data)
