"""A note is believed only where a known key signed it and no known key's signature fails."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet import verifier
from licet.errors import RefusedError, UsageError
from licet.ledger import checkpoint as checkpoints
from licet.ledger import note, tree
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.note import NoteRefusal, SignatureType, Signer, Verifier

from .world import ORIGIN, SIGNER, STRANGER, WITNESS

TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your "
    "problem is.\n"
)
# The example key, text and signature of Go's golang.org/x/mod/sumdb/note documentation: public
# facts.
PETER_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    TEXT + "\n\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)


def test_the_note_of_the_go_documentation_holds() -> None:
    assert note.verify(PETER_NOTE.encode(), [Verifier.parse(PETER_VKEY)]).text == TEXT
    assert Verifier.parse(PETER_VKEY).vkey == PETER_VKEY


def test_the_bytes_of_a_note_are_these() -> None:
    assert (
        SIGNER.verifier.vkey
        == "log.example/ledger/2026+e73f4d0b+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    )
    assert note.sign("hello\n", SIGNER).decode() == (
        "hello\n\n\u2014 log.example/ledger/2026 "
        "5z9NC7CB8qZ4IxEGL9BaMuh6upuVa6ngpVI4rJA32UgutelhwQq7kVTch1z0fFcvy569zJn9RWfo5C2apY591ftvWQY=\n"
    )


def test_the_bytes_of_a_cosignature_are_these() -> None:
    assert WITNESS.cosign("hello\n", 1_700_000_000).line == (
        "\u2014 witness.example/w1 "
        "IDJKvgAAAABlU/EAdOFhnD9760XMHLnlaWxlvmzF6Eqr22l31GaqlLB8SKzbxFEy2f6QGQG806KFQ3kX6Hji/NA7g60HiR2TD6IhCA==\n"
    )


def test_keys_round_trip_and_hide_their_secret() -> None:
    for signer in (SIGNER, WITNESS):
        assert Signer.parse(signer.skey) == signer
        assert Verifier.parse(signer.verifier.vkey) == signer.verifier
        assert signer.skey.startswith("PRIVATE+KEY+")
        assert base64.b64encode(signer.seed).decode() not in repr(signer)
        assert signer.seed.hex() not in repr(signer)
        assert "seed" not in repr(signer)


def test_unknown_signatures_are_ignored_and_one_forged_one_condemns() -> None:
    both = note.sign(TEXT, SIGNER, STRANGER)
    assert [s.by for s in note.verify(both, [SIGNER.verifier]).signed] == [SIGNER.verifier]
    with pytest.raises(RefusedError) as refusal:
        note.verify(both, [WITNESS.verifier])
    assert refusal.value.because == NoteRefusal.unsigned
    forged = both.replace(b"answer", b"anwser")
    honest = note.Note(note.parse(forged).text, (SIGNER.sign(note.parse(forged).text),))
    mixed = honest.encode() + note.parse(both).signatures[1].line.encode()
    assert note.verify(mixed, [SIGNER.verifier]).text == honest.text
    with pytest.raises(RefusedError) as refusal:
        note.verify(mixed, [SIGNER.verifier, STRANGER.verifier])
    assert refusal.value.because == NoteRefusal.forged


def test_sixteen_signatures_are_accepted_and_a_hundred_and_one_are_not() -> None:
    many = b"".join(SIGNER.renamed(f"key{i}").sign(TEXT).line.encode() for i in range(101))
    start = f"{TEXT}\n".encode()
    known = [SIGNER.renamed("key15").verifier]
    assert note.verify(start + b"\n".join(many.split(b"\n")[:16]) + b"\n", known).text == TEXT
    with pytest.raises(RefusedError):
        note.verify(start + many, known)


def test_a_cosignature_carries_its_time_and_signs_it() -> None:
    line = WITNESS.cosign(TEXT, 1234).line.encode()
    signed = note.verify(f"{TEXT}\n".encode() + line, [WITNESS.verifier]).signed
    assert [(s.by.name, s.at) for s in signed] == [(WITNESS.name, 1234)]
    raw = bytearray(base64.b64decode(line.split()[-1]))
    raw[11] ^= 1
    later = b"\xe2\x80\x94 " + WITNESS.name.encode() + b" " + base64.b64encode(raw) + b"\n"
    with pytest.raises(RefusedError):
        note.verify(f"{TEXT}\n".encode() + later, [WITNESS.verifier])


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=400)
def test_a_changed_byte_is_found_or_changes_nothing_that_is_believed(at: int, change: int) -> None:
    data = bytearray(note.sign(TEXT, SIGNER))
    data[at % len(data)] ^= change
    with pytest.raises(RefusedError):
        note.verify(bytes(data), [SIGNER.verifier])
    with pytest.raises(verifier.ContradictionError):
        verifier.open_note(bytes(data), "note", verifier.trust(SIGNER.verifier.vkey))


def test_a_signer_signs_only_what_its_kind_allows() -> None:
    for wrong in (
        lambda: WITNESS.sign(TEXT),
        lambda: SIGNER.cosign(TEXT, 1),
        lambda: WITNESS.cosign(TEXT, -1),
    ):
        with pytest.raises(UsageError):
            wrong()
    for text in ("no newline", "a tab\t\n", ""):
        with pytest.raises(RefusedError):
            SIGNER.sign(text)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+e73f4d0b",
        "+e73f4d0b+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "log.example/ledger/2026+e73f4d0c+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "log.example/ledger/2026+E73F4D0B+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "log.example/ledger/2027+e73f4d0b+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "log.example/ledger/2026+e73f4d0b+AgOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "log.example/ledger/2026+e73f4d0b+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVT==",
    ],
)
def test_a_bad_vkey_is_refused_by_both(vkey: str) -> None:
    with pytest.raises(RefusedError):
        Verifier.parse(vkey)
    with pytest.raises(ValueError, match=r"."):
        verifier.read_key(vkey)


def test_the_text_of_a_checkpoint_is_these_bytes() -> None:
    assert Checkpoint(ORIGIN, 0, tree.EMPTY_ROOT).text == (
        "log.example/ledger/2026\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    )


@given(
    st.integers(0, checkpoints.SIZE_MAX),
    st.binary(min_size=32, max_size=32),
    st.lists(st.just("more")),
)
def test_checkpoints_round_trip(size: int, root: bytes, more: list[str]) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root, tuple(more))
    assert checkpoints.parse(checkpoint.text) == checkpoint


def test_a_checkpoint_of_another_log_is_refused() -> None:
    other = Checkpoint("log.example/other", 0, tree.EMPTY_ROOT)
    with pytest.raises(RefusedError) as refusal:
        checkpoints.verify(note.sign(other.text, SIGNER), ORIGIN, SIGNER.verifier)
    assert refusal.value.because == NoteRefusal.foreign


def test_a_years_log_is_named_for_the_year() -> None:
    assert checkpoints.origin_of("log.example/ledger", 2026) == ORIGIN
    assert SIGNER.renamed("log.example/ledger/2027").verifier.key_id != SIGNER.verifier.key_id
    for name, year in (("", 2026), ("a b", 2026), ("a/", 2026), ("a+b", 2026), ("a", 26)):
        with pytest.raises(UsageError):
            checkpoints.origin_of(name, year)


def test_signature_types_keep_their_numbers() -> None:
    assert [(t.name, t.value) for t in SignatureType] == [("ed25519", 1), ("cosignature", 4)]


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\x01b", "n" * (note.NAME_BYTES_MAX + 1)])
def test_no_key_has_a_name_that_no_note_can_hold(name: str) -> None:
    assert Signer("n" * note.NAME_BYTES_MAX, SignatureType.ed25519, bytes(32)).verifier
    with pytest.raises(RefusedError):
        Signer(name, SignatureType.ed25519, bytes(32))


def test_two_keys_are_equal_by_their_name_kind_and_seed() -> None:
    again = Signer(SIGNER.name, SIGNER.type, SIGNER.seed)
    assert again == SIGNER
    assert again != Signer(SIGNER.name, SIGNER.type, bytes(32))
