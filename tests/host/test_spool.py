"""The spool of a host: what it acknowledged survives a kill, lies sealed, in order and within
its bound.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest

from licet.client import ConversationTurn
from licet.errors import BusyError, UsageError
from licet.host import spool as spools
from licet.host.delivery import Delivery
from licet.host.spool import HEADER, Spool, SpoolDiskError, SpoolFullError, TakenItem, key_of

from ..waiting import wait_until

LARGE = 2**24
WRITER = """
import sys
import threading
from pathlib import Path
from licet.host.spool import Spool
spool = Spool(Path(sys.argv[1]), Path(sys.argv[1]) / "key", 2**24)
for number in range(10**6):
    spool.put(b"record %d" % number).result()
    print(number, flush=True)
"""


def opened(folder: Path, bytes_max: int = LARGE) -> Spool:
    return Spool(folder, folder / "key", bytes_max)


def drained(spool: Spool) -> list[bytes]:
    records = []
    while (taken := spool.take()) is not None:
        records += taken.records
        spool.delivered(taken)
    return records


def test_what_is_put_is_taken_in_order_and_gone_once_delivered(tmp_path) -> None:
    spool = opened(tmp_path)
    for number in range(1_000):
        spool.put(b"%d" % number)
    spool.put(b"last").result()
    assert drained(spool) == [*(b"%d" % number for number in range(1_000)), b"last"]
    assert (spool.size, spool.take(), list(tmp_path.rglob("*.spool"))) == (0, None, [])
    spool.close()


def test_a_writer_that_is_killed_loses_nothing_that_it_acknowledged(tmp_path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(200)]
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.read().splitlines(keepends=True)
        acknowledged = max(int(line) for line in said if line.endswith("\n"))
    spool = opened(tmp_path)
    records = drained(spool)
    spool.close()
    assert records[: acknowledged + 1] == [
        b"record %d" % number for number in range(acknowledged + 1)
    ]
    assert len(records) <= acknowledged + 2  # the one that was on its way


def test_what_was_taken_and_not_delivered_is_taken_again(tmp_path) -> None:
    spool = opened(tmp_path)
    spool.put(b"one").result()
    assert spool.take() == spool.take()
    spool.close()
    again = opened(tmp_path)
    assert drained(again) == [b"one"]
    again.close()


def test_the_bound_refuses_the_newest_and_drops_nothing(tmp_path) -> None:
    spool = opened(tmp_path, 10_000)
    taken = 0
    with pytest.raises(SpoolFullError):
        while True:
            spool.put(bytes(1_000)).result()
            taken += 1
    assert taken == 9
    assert len(drained(spool)) == 9
    spool.put(b"there is room again").result()
    spool.close()


def test_a_record_at_a_files_end_that_is_torn_is_left_and_the_others_stand(tmp_path) -> None:
    spool = opened(tmp_path)
    spool.put(b"whole").result()
    spool.put(b"torn").result()
    spool.close()
    (path,) = tmp_path.rglob("*.spool")
    path.write_bytes(path.read_bytes()[:-1])
    again = opened(tmp_path)
    assert drained(again) == [b"whole"]
    again.close()


@pytest.mark.parametrize("harm", ["flipped", "swapped", "another file's", "another header"])
def test_a_record_that_was_changed_or_moved_does_not_open_and_its_file_is_set_aside(
    tmp_path, harm: str
) -> None:
    spool = opened(tmp_path)
    for record in (b"one", b"two"):
        spool.put(record).result()
    spool.close()
    (path,) = tmp_path.rglob("*.spool")
    raw, size = path.read_bytes(), (len(path.read_bytes()) - len(HEADER)) // 2
    first, second = raw[len(HEADER) : len(HEADER) + size], raw[len(HEADER) + size :]
    if harm == "flipped":
        path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    elif harm == "swapped":
        path.write_bytes(HEADER + second + first)
    elif harm == "another file's":
        path.rename(path.with_name(f"{7:016x}.spool"))
    else:
        path.write_bytes(b"licet-spool-2\n" + raw[len(HEADER) :])
    again = opened(tmp_path)
    taken = again.take()
    assert taken is not None
    assert taken.unreadable >= 1
    assert taken.records == ((b"one",) if harm == "flipped" else ())
    again.delivered(taken)
    assert again.take() is None
    assert len(list(tmp_path.rglob("*.unreadable"))) == 1
    again.close()


def test_nothing_lies_in_it_in_clear_and_none_but_its_owner_may_read_it(tmp_path) -> None:
    spool = opened(tmp_path / "spool")
    spool.put(b"the cat's name is Heliotrope").result()
    spool.close()
    for path in (tmp_path / "spool").rglob("*"):
        assert path.is_dir() or b"Heliotrope" not in path.read_bytes()
    (path,) = (tmp_path / "spool").rglob("*.spool")
    modes = [
        one.stat().st_mode & 0o777
        for one in (tmp_path / "spool", path.parent, path, tmp_path / "spool" / "key")
    ]
    assert modes == [0o700, 0o700, 0o600, 0o600]


def test_its_bytes_are_these(tmp_path) -> None:
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "key").chmod(0o600)
    spool = Spool(tmp_path, tmp_path / "key", LARGE, random=bytes)
    spool.put(b"hello").result()
    spool.close()
    (path,) = tmp_path.rglob("*.spool")
    assert path.name == "0000000000000001.spool"
    sealed = "66d9d9b2da859356745e00c4ebd5fa92130d656f38"  # by AES-256-GCM elsewhere
    assert path.read_bytes().hex() == HEADER.hex() + "00000021" + "00" * 12 + sealed


def test_two_processes_have_places_of_their_own_and_what_one_left_goes_to_the_next(
    tmp_path,
) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    second.put(b"of the second").result()
    second.close()
    third = opened(tmp_path)
    assert drained(third) == [b"of the second"]
    third.close()
    first.close()


def test_a_key_that_others_may_read_or_that_is_none_is_refused(tmp_path) -> None:
    key = tmp_path / "key"
    assert key_of(key) == key_of(key)
    key.chmod(0o640)
    with pytest.raises(UsageError, match="readable by others"):
        key_of(key)
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(UsageError, match="the wrong size"):
        key_of(key)


def test_more_processes_than_there_are_places_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(spools, "PROCESSES_MAX", 1)
    first = opened(tmp_path)
    with pytest.raises(BusyError):
        opened(tmp_path)
    first.close()


def test_a_disk_that_takes_nothing_is_said_and_the_spool_goes_on(tmp_path, monkeypatch) -> None:
    spool, real = opened(tmp_path), os.fsync
    spool.put(b"one").result()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SpoolFullError):
        spool.put(b"two").result()
    monkeypatch.setattr(os, "fsync", real)
    spool.put(b"three").result()
    assert drained(spool) == [b"one", b"three"]
    assert spool.size == 0
    spool.close()


def test_who_puts_a_record_waits_for_no_disk(tmp_path, monkeypatch) -> None:
    spool, real = opened(tmp_path), os.fsync
    syncs, goes_on = threading.Event(), threading.Event()

    def hang(descriptor: int) -> None:
        syncs.set()
        goes_on.wait()
        real(descriptor)

    monkeypatch.setattr(os, "fsync", hang)
    done = [spool.put(b"one")]
    syncs.wait()
    second = threading.Thread(target=lambda: done.append(spool.put(b"two")), daemon=True)
    second.start()
    try:
        wait_until(lambda: len(done) == 2, "a second record is put while the disk hangs")
        assert not any(one.done() for one in done), "neither is acknowledged before it is synced"
    finally:
        goes_on.set()
    for one in done:
        one.result()
    assert drained(spool) == [b"one", b"two"]
    spool.close()


def test_turns_that_are_not_spooled_are_counted_by_reason(tmp_path: Path) -> None:
    class Refusing(Spool):
        def put(self, record: bytes) -> Future[None]:
            done: Future[None] = Future()
            done.set_exception(SpoolDiskError("the disk does not take it"))
            return done

    turn = ConversationTurn(account="host:ana", text="x")
    for kind, bytes_max, reason in ((Refusing, LARGE, "spool_disk"), (Spool, 1, "spool_full")):
        spool = kind(tmp_path, tmp_path / "key", bytes_max)
        made = Delivery(spool, cast("Any", None), cast("Any", None))
        assert made.put([turn, turn]).result() is False
        made.close()
        assert made.counts == {f"refused: {reason}": 2}


def test_after_a_delivery_the_first_wait_is_the_shortest_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = threading.Event()

    class Failing(Spool):
        def take(self) -> TakenItem | None:
            if not asked.is_set():
                asked.set()
                return super().take()
            raise BusyError("Licet is away")

    spool = Failing(tmp_path, tmp_path / "key", LARGE)
    made = Delivery(spool, cast("Any", None), cast("Any", None))
    asked.wait()
    assert made.put([ConversationTurn(account="host:ana", text="x")]).result()
    wait_until(lambda: "not delivered" in caplog.text)
    made.close()
    assert "again in 0.4 s: Licet is away" in caplog.text
