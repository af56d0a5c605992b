"""From a model to the consents behind it: what is on record holds after a kill, is signed, and is
found again by person.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from licet.errors import BrokenError, LicetError, RefusedError
from licet.ledger.note import SignatureType, Signer
from licet.policy.period import instant
from licet.train import bitmap, consumption, statement
from licet.train.bitmap import BitmapHead, serialize
from licet.verifier.answer import VerifierReport
from licet.verifier.consumption_record import RECORD, ConsumedRows
from licet.verifier.keys import read_key
from licet.verifier.row_sets import CHUNK_BITS

RELEASE, MANIFEST = "ab" * 16, "cd" * 32
AT = instant("2026-01-05")
SIGNER = Signer("licet.test/withdrawn", SignatureType.ed25519, bytes(32))


class Gate:
    """A gate in memory, moved by hand: what is withdrawn is under a number more."""

    release, manifest_sha256 = RELEASE, MANIFEST

    def __init__(self) -> None:
        self.number, self.withdrawn, self.minutes = 0, BitMap(), 0

    def withdraw(self, *ordinals: int) -> None:
        new = BitMap(ordinals) - self.withdrawn
        self.withdrawn |= new
        self.number += bool(new)

    def check(self, ordinals: Sequence[int]) -> list[int]:
        return [place for place, ordinal in enumerate(ordinals) if ordinal in self.withdrawn]

    def signed_withdrawals(self) -> bytes:
        self.minutes += 1
        rows = serialize(self.withdrawn)
        head = BitmapHead(
            release=RELEASE,
            manifest_sha256=MANIFEST,
            number=self.number,
            issued=AT + timedelta(minutes=self.minutes),
            until=AT + timedelta(minutes=self.minutes + 5),
            rows=len(self.withdrawn),
            sha256=sha256(rows).hexdigest(),
        )
        return bitmap.encode_file(bitmap.sign(head, SIGNER), rows)


def examined(data: bytes) -> tuple[list[str], BitMap, BitMap]:
    """What a stranger finds broken in a record, and the rows that it names as consumed and as
    withdrawn.
    """
    report = VerifierReport("model")
    held = ConsumedRows([read_key(SIGNER.verifier.vkey)], report)
    report.step(RECORD, "it holds", lambda: held.read(data))
    assert not report.lacks
    consumed, withdrawn = (
        BitMap(
            key * CHUNK_BITS + n
            for key, bits in some.items()
            for n in range(CHUNK_BITS)
            if bits >> n & 1
        )
        for some in (held.consumed, held.withdrawn)
    )
    return [one.promise for one in report.findings], consumed, withdrawn


# What was consumed


@given(
    st.lists(
        st.tuples(st.booleans(), st.sets(st.integers(0, 300), min_size=1, max_size=20)), max_size=30
    )
)
@settings(deadline=None, max_examples=60)
def test_whatever_is_withdrawn_while_a_run_goes_on_its_record_says_what_it_learnt_from_and_holds(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[bool, set[int]]]
) -> None:
    path = tmp_path_factory.mktemp("run") / "consumed"
    gate, learnt = Gate(), BitMap()
    log = consumption.ConsumedLog(path, gate)
    for step, (is_withdrawal, ordinals) in enumerate(told):
        if is_withdrawal:
            gate.withdraw(*ordinals)
            continue
        used = sorted(ordinals - set(gate.withdrawn))
        log.used(step, used)
        learnt |= BitMap(used)
    log.close()
    for _ in range(2):  # as it was written, and made briefer
        assert examined(path.read_bytes()) == ([], learnt, gate.withdrawn)
        consumption.merge([path], path)


def test_a_row_that_was_consumed_after_it_was_withdrawn_is_found(tmp_path: Path) -> None:
    gate = Gate()
    log = consumption.ConsumedLog(tmp_path / "consumed", gate)
    log.used(1, [1, 2, 3])
    gate.withdraw(2)
    log.used(2, [1, 2])
    log.close()
    assert examined((tmp_path / "consumed").read_bytes())[0] == [
        "row 2, consumed in steps 2 to 2, was not withdrawn before"
    ]


def test_a_run_that_was_killed_has_every_step_on_record_that_it_took(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path[:0] = {[*sys.path]!r}
from tests.train.test_lineage import Gate
from licet.train.consumption import ConsumedLog
from pathlib import Path
log = ConsumedLog(Path({str(tmp_path / "consumed")!r}), Gate())
for step in range(10**9):
    log.used(step, [step % 1000])
    sys.stdout.write(f"{{step}}\\n")
    sys.stdout.flush()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if int(line) == 50:
                break
        os.kill(run.pid, signal.SIGKILL)
        last = max([50, *(int(line) for line in run.stdout.read().splitlines() if line)])
    record, _ = consumption.parse((tmp_path / "consumed").read_bytes())
    taken = [frame.first for frame in record.frames if isinstance(frame, consumption.Steps)]
    assert taken[: last + 1] == list(range(last + 1))
    assert len(taken) <= last + 2


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_frame_that_was_cut_short_is_cut_off_and_the_run_goes_on(
    tmp_path: Path, cut: int
) -> None:
    path, gate = tmp_path / "consumed", Gate()
    log = consumption.ConsumedLog(path, gate)
    log.used(1, [1])
    whole = path.stat().st_size
    log.used(2, [2, 3])
    log.close()
    path.write_bytes(path.read_bytes()[: max(whole, path.stat().st_size - cut)])
    gate.withdraw(1)
    again = consumption.ConsumedLog(path, gate)
    again.used(2, [2, 3])
    again.close()
    assert examined(path.read_bytes())[:2] == ([], BitMap([1, 2, 3]))


def test_a_record_of_another_release_is_not_gone_on_with(tmp_path: Path) -> None:
    gate = Gate()
    consumption.ConsumedLog(tmp_path / "consumed", gate).close()
    gate.release = "ef" * 16
    with pytest.raises(BrokenError, match="another release"):
        consumption.ConsumedLog(tmp_path / "consumed", gate)


def test_what_several_processes_consumed_is_one_record(tmp_path: Path) -> None:
    gate = Gate()
    one, other = (
        consumption.ConsumedLog(tmp_path / "0", gate),
        consumption.ConsumedLog(tmp_path / "1", gate),
    )
    one.used(1, [1, 2])
    gate.withdraw(4)
    other.used(1, [3])
    gate.withdraw(5)
    one.used(2, [6])
    one.close()
    other.close()
    consumption.merge([tmp_path / "0", tmp_path / "1"], tmp_path / "whole")
    assert examined((tmp_path / "whole").read_bytes()) == ([], BitMap([1, 2, 3, 6]), BitMap([4, 5]))


def test_the_bytes_of_a_record_stay_as_they_are(tmp_path: Path) -> None:
    log = consumption.ConsumedLog(tmp_path / "consumed", Gate())
    log.used(7, [1, 5])
    data = (tmp_path / "consumed").read_bytes()
    log.close()
    head, _, rest = data.partition(b"\n")
    assert head == b'licet-consumed-1 {"manifest_sha256":"%s","release":"%s"}' % (
        MANIFEST.encode(),
        RELEASE.encode(),
    )
    assert rest.hex().endswith(
        "0200000000"
        + "0000000000000007" * 2
        + "3a300000"
        + "01000000"
        + "00000100"
        + "10000000"
        + "01000500"
    )


@pytest.mark.parametrize("place", ["format", "head", "bitmap", "number"])
def test_a_record_that_was_changed_is_refused_or_found_broken(tmp_path: Path, place: str) -> None:
    gate = Gate()
    log = consumption.ConsumedLog(tmp_path / "consumed", gate)
    log.used(1, [1])
    gate.withdraw(9)
    log.used(2, [2])
    log.close()
    record = consumption.read_record(tmp_path / "consumed")
    frames = list(record.frames)
    if place == "format":
        (tmp_path / "consumed").write_bytes(b"licet-consumed-9 {}\n")
        with pytest.raises(BrokenError):
            consumption.read_record(tmp_path / "consumed")
        return
    if place == "head":
        frames[0] = consumption.GateState(
            signed=frames[0].signed.replace(b"T00:01", b"T00:00"), added=frames[0].added
        )
    if place == "bitmap":
        frames[2] = consumption.GateState(signed=frames[2].signed, added=BitMap([8]))
    if place == "number":
        frames[1] = consumption.Steps(number=5, first=1, last=1, ordinals=BitMap([1]))
    changed = (tmp_path / "consumed").read_bytes().partition(b"\n")[0] + b"\n" + written(frames)
    assert examined(changed)[0]


def written(frames: Sequence[consumption.GateState | consumption.Steps]) -> bytes:
    return b"".join(
        consumption.encode_frame(
            consumption.encode_gate_state(one.signed, one.added)
            if isinstance(one, consumption.GateState)
            else consumption.encode_steps(one.number, one.first, one.last, one.ordinals)
        )
        for one in frames
    )


@pytest.mark.parametrize(
    ("begin", "why"),
    [
        (b'{"release":7}', "which release"),
        (b"{", "which release"),
        (b" " * consumption.HEADER_BYTES_MAX, "not the"),
    ],
)
def test_a_file_that_does_not_state_its_release_is_no_record(
    tmp_path: Path, begin: bytes, why: str
) -> None:
    (tmp_path / "consumed").write_bytes(consumption.FORMAT + begin + b"\n")
    with pytest.raises(BrokenError, match=why):
        consumption.read_record(tmp_path / "consumed")


# What is signed


def test_a_statement_is_believed_by_its_own_key_alone() -> None:
    key, seed = statement.signer("licet.test/models", b"1" * 32).verifier, b"1" * 32
    content = {
        "_type": statement.STATEMENT_TYPE,
        "predicateType": statement.PROVENANCE_TYPE,
        "predicate": {},
    }
    signed = statement.sign_statement(content, key, seed)
    assert statement.verify(signed, key) == content
    with pytest.raises(RefusedError, match="not signed"):
        statement.verify(signed, statement.signer("licet.test/models", b"2" * 32).verifier)
    with pytest.raises(LicetError):
        statement.verify(signed.replace(b'"payload":"ey', b'"payload":"ez'), key)


def test_a_model_s_signature_names_its_files_in_the_order_of_their_paths_and_hashes_them_in_it() -> (
    None
):
    files = {"b/a": "11" * 32, "b.json": "22" * 32, "a": "33" * 32}
    made = json.loads(statement.sign_model("small", files, statement.derive_p256(b"1" * 32)))
    signed = json.loads(base64.b64decode(made["dsseEnvelope"]["payload"]))
    assert [one["name"] for one in signed["predicate"]["resources"]] == ["a", "b/a", "b.json"]
    assert [one["digest"] for one in signed["predicate"]["resources"]] == [
        "33" * 32,
        "11" * 32,
        "22" * 32,
    ]
    root = sha256(bytes.fromhex("33" * 32 + "11" * 32 + "22" * 32)).hexdigest()
    assert signed["subject"] == [{"name": "small", "digest": {"sha256": root}}]
    assert signed["predicate"]["serialization"] == {
        "method": "files",
        "hash_type": "sha256",
        "allow_symlinks": False,
        "ignore_paths": [statement.SIGNATURE_FILE, *statement.IGNORED],
    }


def test_the_bytes_that_are_signed_of_a_statement_are_those_of_dsse() -> None:
    assert statement.pae(b"{}") == b"DSSEv1 28 application/vnd.in-toto+json 2 {}"


def test_a_link_in_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights").symlink_to("/etc/hostname")
    with pytest.raises(BrokenError, match="is a link"):
        statement.hash_files(tmp_path)
