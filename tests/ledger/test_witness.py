"""A witness signs only the continuation of what it signed, and remembers before it answers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.errors import BrokenError, BusyError, RefusedError, UsageError
from licet.ledger import note, tree
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.tiles import TileEdge, TileReader
from licet.ledger.witness import Request, Witness, WitnessReply, WitnessState, add_checkpoint

from .world import ORIGIN, SIGNER, STRANGER, WITNESS, Disk, entry_of

NOW = 1_800_000_000
LOGS = {ORIGIN: [SIGNER.verifier]}
FILES: dict[str, bytes] = TileEdge().extend([entry_of(i) for i in range(40)])
READER = TileReader(FILES.get, 40)


def shown(
    size: int, signer: note.Signer = SIGNER, root: bytes | None = None, origin: str = ORIGIN
) -> bytes:
    return note.sign(Checkpoint(origin, size, root or tree.root(READER, size)).text, signer)


def request(old: int, size: int) -> bytes:
    return Request(old, tree.prove_consistency(READER, old, size), shown(size)).encode()


def asked(latest: int, body: bytes) -> WitnessReply:
    remembered = {ORIGIN: Checkpoint(ORIGIN, latest, tree.root(READER, latest))} if latest else {}
    return add_checkpoint(WitnessState(LOGS, remembered), body, WITNESS, NOW)


def test_the_bytes_of_a_request_are_these() -> None:
    made = Request(9, (bytes(32),), b"origin\n10\nroot\n\nsigned\n")
    assert (
        made.encode()
        == b"old 9\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\norigin\n10\nroot\n\nsigned\n"
    )
    assert Request.parse(made.encode()) == made
    assert Request(0, (), b"x").encode() == b"old 0\n\nx"


def test_a_continuation_is_cosigned() -> None:
    for old, size in ((0, 0), (0, 7), (7, 7), (7, 8), (8, 40)):
        answer = asked(old, request(old, size))
        assert answer.status == 200, answer
        assert answer.remember == Checkpoint(ORIGIN, size, tree.root(READER, size))
        signed = note.verify(shown(size) + answer.body, [WITNESS.verifier]).signed
        assert [s.at for s in signed] == [NOW]


REFUSED = {
    "not a request": (400, b"hello"),
    "no checkpoint": (400, b"old 0\n\n"),
    "a size with a zero before it": (400, request(7, 9).replace(b"old 7", b"old 07")),
    "64 hashes": (400, Request(7, (bytes(32),) * 64, shown(9)).encode()),
    "a hash of 31 bytes": (
        400,
        b"old 7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n\n" + shown(9),
    ),
    "a checkpoint smaller than its old size": (400, Request(9, (), shown(7)).encode()),
    "an unknown log": (404, Request(7, (), shown(9, STRANGER, origin="stranger.example")).encode()),
    "no signature of the log": (403, Request(7, (), shown(9, STRANGER)).encode()),
    "a forged signature": (403, request(7, 9).replace(b"\n9\n", b"\n8\n")),
    "an old size that is not the latest": (409, request(5, 9)),
    "an old size of zero after the first": (409, request(0, 9)),
    "another root of the same size": (409, Request(7, (), shown(7, root=bytes(32))).encode()),
    "a fork": (
        422,
        Request(7, tree.prove_consistency(READER, 7, 9), shown(9, root=bytes(32))).encode(),
    ),
    "no proof": (422, Request(7, (), shown(9)).encode()),
    "a proof that is not needed": (422, Request(7, (bytes(32),), shown(7)).encode()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_must_not_be_cosigned_is_answered_as_the_spec_says(name: str) -> None:
    status, body = REFUSED[name]
    answer = asked(7, body)
    assert answer.status == status, answer
    assert answer.remember is None
    assert "\u2014".encode() not in answer.body
    if status == 409:
        assert (answer.body, answer.content_type) == (b"7\n", "text/x.tlog.size")


def test_a_proof_for_the_first_checkpoint_must_be_empty() -> None:
    assert asked(0, Request(0, (bytes(32),), shown(9)).encode()).status == 422


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_any_bytes_get_an_answer(body: bytes) -> None:
    assert asked(7, body).status == 400
    assert asked(7, b"old 7\n\n" + body).status in (400, 404)


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=300)
def test_a_changed_byte_of_a_request_is_never_signed(at: int, change: int) -> None:
    body = bytearray(request(7, 9))
    body[at % len(body)] ^= change
    assert asked(7, bytes(body)).status in (400, 403, 404, 409, 422)


def test_a_witness_remembers_before_it_answers_and_after_it_restarts() -> None:
    disk = Disk()
    witness = Witness(disk.folder("witness"), WITNESS, LOGS)
    assert witness.add_checkpoint(request(0, 7), NOW).status == 200
    assert disk.journal[-1] == ("fsync", "witness")
    left = disk.crash(random.Random(1))
    again = Witness(left.folder("witness"), WITNESS, LOGS)
    assert again.add_checkpoint(request(0, 9), NOW).body == b"7\n"
    assert again.add_checkpoint(request(7, 9), NOW).status == 200
    (kept,) = left.files("witness").values()
    assert (
        kept
        == b"licet.ledger/witness@v1\n" + Checkpoint(ORIGIN, 9, tree.root(READER, 9)).text.encode()
    )


def test_no_crash_makes_a_witness_sign_two_histories() -> None:
    """Whatever was answered is remembered; what was not answered may be."""
    disk = Disk()
    witness = Witness(disk.folder("witness"), WITNESS, LOGS)
    marks = [(0, 0)]
    for old, size in ((0, 3), (3, 9), (9, 20)):
        assert witness.add_checkpoint(request(old, size), NOW).status == 200
        marks.append((len(disk.journal), size))
    choose, tried = random.Random(3), 0
    for number in range(len(disk.journal) + 1):
        world = Disk()
        world.folder("witness")
        for step in disk.journal[:number]:
            world.apply(step)
        answered = max(size for at, size in marks if at <= number)
        for _ in range(20):
            left = world.crash(choose)
            body = (
                Witness(left.folder("witness"), WITNESS, LOGS)
                .add_checkpoint(request(0, 40), NOW)
                .body
            )
            assert answered == 0 or int(body) >= answered
            tried += 1
    assert tried > 150


class Dying:
    """A folder on a disk that takes no more."""

    def read(self, path: str) -> None:
        return None

    def create(self, files: dict[str, bytes]) -> None:
        raise OSError(28, "No space left on device")

    def rename(self, old: str, new: str) -> None:
        raise AssertionError

    def fsync_dirs(self, paths: list[str]) -> None:
        raise AssertionError


def test_a_witness_whose_memory_fails_answers_no_more() -> None:
    witness = Witness(Dying(), WITNESS, LOGS)
    with pytest.raises(OSError, match="No space"):
        witness.add_checkpoint(request(0, 7), NOW)
    with pytest.raises(BrokenError, match="stopped"):
        witness.add_checkpoint(request(0, 7), NOW)


def test_a_memory_that_cannot_be_read_stops_the_witness(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Witness(Dying(), SIGNER, LOGS)
    witness = Witness.open(tmp_path, WITNESS, LOGS)
    with pytest.raises(BusyError):
        Witness.open(tmp_path, WITNESS, LOGS)
    witness.add_checkpoint(request(0, 7), NOW)
    witness.close()
    (kept,) = [path for path in tmp_path.iterdir() if path.name != "lock"]
    for bad in (
        b"",
        b"licet.ledger/witness@v2\n" + kept.read_bytes().partition(b"\n")[2],
        kept.read_bytes()[:-3],
    ):
        kept.write_bytes(bad)
        with pytest.raises(BrokenError):
            Witness.open(tmp_path, WITNESS, LOGS)


def test_requests_that_are_too_large_are_refused() -> None:
    with pytest.raises(RefusedError, match="bytes"):
        Request.parse(b"old 0\n\n" + b"x" * (1 << 20))
    hashes = [note.encode_base64(bytes(32))] * (tree.PROOF_HASHES_MAX + 1)
    most = "\n".join(["old 1", *hashes[1:], "", "log\n"]).encode()
    assert len(Request.parse(most).path) == tree.PROOF_HASHES_MAX
    with pytest.raises(RefusedError, match="hashes"):
        Request.parse("\n".join(["old 1", *hashes, "", "log\n"]).encode())


@pytest.mark.parametrize("body", [b"old 0\n", b"new 0\n\nlog\n", b""])
def test_a_request_without_its_first_line_or_its_blank_one_is_refused_as_such(body: bytes) -> None:
    with pytest.raises(RefusedError, match="an `old` line"):
        Request.parse(body)
