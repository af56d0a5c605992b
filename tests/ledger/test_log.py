"""The log keeps what it acknowledged, and refuses to start where nothing explains what it finds."""

from __future__ import annotations

import multiprocessing
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet import verifier
from licet.errors import BrokenError, BusyError, NotFoundError, RefusedError, UsageError
from licet.ledger import checkpoint as checkpoints
from licet.ledger import note, proof, tree
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.log import BATCH_ENTRIES_MAX, LogHead, LogWriter, prune
from licet.ledger.storage import Folder, Lock

from ..hanging import small_disk
from .world import ORIGIN, SIGNER, STRANGER, WITNESS, Disk, Held, Mount, entry_of, naive_root

TRUST = verifier.trust(SIGNER.verifier.vkey)
ENTRIES = [entry_of(i) for i in range(700)]


def opened(base: Path) -> LogWriter:
    return LogWriter.open(base / "log", base / "state", ORIGIN, SIGNER)


def created(base: Path, *batches: int) -> LogWriter:
    log = LogWriter.create(base / "log", base / "state", ORIGIN, SIGNER)
    for batch in batches:
        log.append(ENTRIES[log.checkpoint.size :][:batch])
    return log


def test_appended_entries_are_where_they_were_said_to_be(tmp_path: Path) -> None:
    with created(tmp_path) as log:
        sizes = [0]
        for batch in (1, 2, 253, 1, 300, 0, 5):
            appended = log.append(ENTRIES[sizes[-1] :][:batch])
            assert appended.first_index == sizes[-1]
            sizes.append(sizes[-1] + batch)
            assert (appended.size, appended.root) == (sizes[-1], naive_root(ENTRIES[: sizes[-1]]))
        assert list(log.entries(0, 562)) == ENTRIES[:562]
        for index in range(562):
            path = log.prove(index)
            assert proof.verify(path, ENTRIES[index], ORIGIN, SIGNER.verifier).size == 562
        for old in range(563):
            hashes = log.prove_consistency(old)
            tree.check_consistency(old, naive_root(ENTRIES[:old]), 562, log.checkpoint.root, hashes)
    assert verifier.check_log(verifier.FolderFiles(tmp_path / "log"), TRUST).ok


def test_a_reopened_log_goes_on(tmp_path: Path) -> None:
    created(tmp_path, 100).close()
    for size in range(100, 600, 60):
        with opened(tmp_path) as log:
            assert log.checkpoint == Checkpoint(ORIGIN, size, naive_root(ENTRIES[:size]))
            log.append(ENTRIES[size : size + 60])


def test_a_full_disk_refuses_a_batch_and_takes_it_once_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    with small_disk(folder, 1 << 20):
        created(folder, 100).close()
        with suppress(OSError), (folder / "full").open("wb", buffering=0) as full:
            while True:
                full.write(bytes(4_096))
        with (
            pytest.raises(BusyError, match="disk of the log") as refused,
            opened(folder) as log,
        ):
            log.append(ENTRIES[100:400])
        assert refused.value.because == "disk_full"
        (folder / "full").unlink()
        with opened(folder) as log:
            assert log.checkpoint == Checkpoint(ORIGIN, 100, naive_root(ENTRIES[:100]))
            log.append(ENTRIES[100:400])
            assert log.checkpoint == Checkpoint(ORIGIN, 400, naive_root(ENTRIES[:400]))


def test_a_log_is_created_once_and_never_by_opening(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        opened(tmp_path)
    created(tmp_path).close()
    with pytest.raises(RefusedError, match="exists"):
        created(tmp_path)
    shutil.rmtree(tmp_path / "state")
    with pytest.raises(RefusedError, match="exists"):
        created(tmp_path)


def test_a_log_has_one_writer(tmp_path: Path) -> None:
    with created(tmp_path, 1):
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            assert pool.apply(_try_to_open, (tmp_path,)) == "BusyError"
        with pytest.raises(BusyError):
            opened(tmp_path)
    opened(tmp_path).close()


def test_a_log_is_not_locked_through_a_link(tmp_path: Path) -> None:
    created(tmp_path, 1).close()
    (lock,) = tmp_path.glob("*/lock")
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        opened(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def _try_to_open(base: Path) -> str:
    try:
        opened(base)
    except BusyError as error:
        return type(error).__name__
    return "opened"


def test_a_key_of_another_name_opens_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"stranger\.example"):
        LogWriter.create(tmp_path / "log", tmp_path / "state", ORIGIN, STRANGER)
    created(tmp_path).close()
    other = type(SIGNER)(ORIGIN, SIGNER.type, STRANGER.seed)
    with pytest.raises(BrokenError, match="no known key"):
        LogWriter.open(tmp_path / "log", tmp_path / "state", ORIGIN, other)


@pytest.mark.parametrize("behind", ["log", "state"])
@pytest.mark.parametrize("appends", [1, 2])
def test_a_rollback_of_one_side_refuses_to_start(tmp_path: Path, behind: str, appends: int) -> None:
    """One append behind is a crash cut short, and mended, for the folder only: the head never
    lags.
    """
    created(tmp_path, 10).close()
    shutil.copytree(tmp_path / behind, tmp_path / "backup")
    with opened(tmp_path) as log:
        for _ in range(appends):
            log.append(ENTRIES[log.checkpoint.size :][:3])
        size = log.checkpoint.size
    shutil.rmtree(tmp_path / behind)
    shutil.copytree(tmp_path / "backup", tmp_path / behind)
    if (behind, appends) == ("log", 1):
        with opened(tmp_path) as log:
            assert log.checkpoint.size == size
        return
    with pytest.raises(
        BrokenError, match="rolled back" if behind == "log" else "ahead of its head"
    ):
        opened(tmp_path)


def test_a_lost_side_refuses_to_start(tmp_path: Path) -> None:
    created(tmp_path, 10).close()
    shutil.copytree(tmp_path, tmp_path.with_name("whole"))
    shutil.rmtree(tmp_path / "log")
    with pytest.raises(BrokenError, match=r"checkpoint of .* is gone"):
        opened(tmp_path)
    shutil.copytree(tmp_path.with_name("whole") / "log", tmp_path / "log", dirs_exist_ok=True)
    (tmp_path / "state" / "head").unlink()
    with pytest.raises(BrokenError, match="head is gone"):
        opened(tmp_path)


def test_a_fork_refuses_to_start(tmp_path: Path) -> None:
    created(tmp_path / "ours", 10).close()
    with created(tmp_path / "theirs", 9) as log:
        log.append([b"another tenth"])
    shutil.rmtree(tmp_path / "ours" / "log")
    shutil.copytree(tmp_path / "theirs" / "log", tmp_path / "ours" / "log")
    with pytest.raises(BrokenError, match="forked"):
        opened(tmp_path / "ours")


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000.p/10", "tile/entries/000.p/10"])
def test_a_changed_right_edge_refuses_to_start(tmp_path: Path, path: str) -> None:
    created(tmp_path, 4, 6).close()
    target = tmp_path / "log" / path
    data = bytearray(target.read_bytes())
    data[-5] ^= 1
    target.write_bytes(data)
    with pytest.raises(BrokenError):
        opened(tmp_path)
    target.unlink()
    with pytest.raises(BrokenError):
        opened(tmp_path)


def test_every_changed_byte_of_the_head_refuses_to_start() -> None:
    disk = Disk()
    storage, state = disk.folder("log"), disk.folder("state")
    LogWriter.begin(storage, state, ORIGIN, SIGNER).append([b"one", b"two"])
    head = state.read("head")
    assert head is not None
    for at in range(len(head)):
        state.create({"head": head[:at] + bytes([head[at] ^ 1]) + head[at + 1 :]})
        with pytest.raises(BrokenError):
            LogWriter.recover(storage, state, ORIGIN, SIGNER)
    state.create({"head": head})
    assert LogWriter.recover(storage, state, ORIGIN, SIGNER).checkpoint.size == 2


def test_the_bytes_of_a_head_are_these() -> None:
    head = LogHead(5, b"text\n\nsigned\n", (b"", b"abc"))
    assert head.encode() == b"licet.ledger/head@v1\nold 5\nnote 13\ntext\n\nsigned\n\0\0\0\3abc"
    assert LogHead.parse(head.encode()) == head


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_no_bytes_but_a_head_are_read_as_one(data: bytes) -> None:
    for raw in (
        data,
        b"licet.ledger/head@v1\n" + data,
        b"licet.ledger/head@v1\nold 1\nnote 3\n" + data,
    ):
        try:
            head = LogHead.parse(raw)
        except RefusedError:
            continue
        assert head.encode() == raw or len(head.note) < 3


class Failing(Mount):
    """A folder whose nth step fails, as a full or dying disk does."""

    def __init__(self, mount: Mount, at: int) -> None:
        super().__init__(mount.disk, mount.name)
        self.left = at

    def _step(self, step: tuple) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(5, "Input/output error")
        super()._step(step)


@pytest.mark.parametrize("side", ["log", "state"])
def test_after_a_failed_step_the_log_is_dead_and_reopens_whole(side: str) -> None:
    failed = 0
    for at in range(1, 30):
        disk = Disk()
        mounts = {"log": disk.folder("log"), "state": disk.folder("state")}
        LogWriter.begin(mounts["log"], mounts["state"], ORIGIN, SIGNER).append(ENTRIES[:255])
        recovering = len(disk.journal)
        LogWriter.recover(mounts["log"], mounts["state"], ORIGIN, SIGNER)
        before = sum(step[1].startswith(side) for step in disk.journal[recovering:])
        broken = mounts | {side: Failing(mounts[side], before + at)}
        log = LogWriter.recover(broken["log"], broken["state"], ORIGIN, SIGNER)
        try:
            log.append(ENTRIES[255:258])
        except OSError:
            failed += 1
            with pytest.raises(BrokenError, match="stopped"):
                log.append([b"again"])
            with pytest.raises(BrokenError, match="stopped"):
                log.cosign(b"", [])
            assert log.checkpoint.size == 255
        again = LogWriter.recover(mounts["log"], mounts["state"], ORIGIN, SIGNER)
        assert again.checkpoint.size in (255, 258)
        assert verifier.check_log(Held(disk.files("log")), TRUST).ok
    assert failed >= (3 if side == "state" else 12)


@given(st.lists(st.sampled_from(["one", "few", "many", "reopen", "prune"]), max_size=12))
@settings(max_examples=40, deadline=None)
def test_after_any_history_the_log_is_the_list_of_its_entries(steps: list[str]) -> None:
    """A model test: after every step the stand-alone verifier derives the whole log anew."""
    disk = Disk()
    storage, state = disk.folder("log"), disk.folder("state")
    log, model, older = (
        LogWriter.begin(storage, state, ORIGIN, SIGNER),
        list[bytes](),
        list[tuple[str, bytes]](),
    )
    for number, step in enumerate(steps):
        match step:
            case "reopen":
                log = LogWriter.recover(storage, state, ORIGIN, SIGNER)
            case "prune":
                prune(storage, log.checkpoint.size)
            case _:
                batch = [
                    b"%d/%d" % (number, i) for i in range({"one": 1, "few": 37, "many": 300}[step])
                ]
                assert log.append(batch).first_index == len(model)
                model += batch
        older.append((f"after {number}", log.published))
        report = verifier.check_log(Held(disk.files("log")), TRUST, older)
        assert report.ok, report.findings
        assert (report.size, log.checkpoint.root) == (len(model), naive_root(model))
    assert list(log.entries(0, len(model))) == model


def test_batches_have_bounds_and_a_refused_one_writes_nothing(tmp_path: Path) -> None:
    with created(tmp_path, 3) as log:
        before = log.published
        too_many = [b""] * (BATCH_ENTRIES_MAX + 1)
        too_much = [b"x" * 65_535] * 1025
        for batch in ([b"x" * 65_536], too_many, too_much):
            with pytest.raises(UsageError):
                log.append(batch)
        assert log.published == before
        assert log.append([b"x" * 65_535]).size == 4
        for wrong in (lambda: log.prove(4), lambda: log.prove_consistency(5)):
            with pytest.raises(NotFoundError):
                wrong()
        with pytest.raises(UsageError):
            list(log.entries(0, 5))
        assert log.append(too_many[1:]).size == 4 + BATCH_ENTRIES_MAX
    with pytest.raises(BrokenError, match="closed"):
        log.append([b"late"])


def test_an_entry_that_was_changed_is_not_handed_out(tmp_path: Path) -> None:
    with created(tmp_path, 20) as log:
        target = tmp_path / "log" / "tile/entries/000.p/20"
        target.write_bytes(target.read_bytes().replace(b"entry 3", b"entry 4"))
        with pytest.raises(BrokenError, match="entry `3`"):
            list(log.entries(0, 20))


def test_a_proof_from_a_changed_tile_is_not_handed_out(tmp_path: Path) -> None:
    with created(tmp_path, 20) as log:
        tile = tmp_path / "log" / "tile/0/000.p/20"
        tile.write_bytes(tile.read_bytes()[::-1])
        with pytest.raises(BrokenError, match="contradict"):
            log.prove(3)
        with pytest.raises(BrokenError, match="contradict"):
            log.prove_consistency(7)


def test_a_log_whose_entries_contradict_its_tiles_does_not_open(tmp_path: Path) -> None:
    created(tmp_path, 20).close()
    bundle = tmp_path / "log" / "tile/entries/000.p/20"
    bundle.write_bytes(bundle.read_bytes().replace(b"entry 3", b"entry 4"))
    with pytest.raises(BrokenError, match=r"`tile/entries/000\.p/20` does not match its tile"):
        opened(tmp_path)


def test_a_cosignature_is_published_and_survives_reopening(tmp_path: Path) -> None:
    with created(tmp_path, 5) as log:
        line = WITNESS.cosign(log.checkpoint.text, 1_800_000_000).line.encode()
        stranger = STRANGER.sign(log.checkpoint.text).line.encode()
        stale = WITNESS.cosign(
            Checkpoint(ORIGIN, 4, log.checkpoint.root).text, 1_800_000_000
        ).line.encode()
        for lines in (stranger, stale, line + line, b"nonsense\n", b""):
            if lines:
                with pytest.raises(RefusedError):
                    log.cosign(lines, [WITNESS.verifier])
        log.cosign(line, [WITNESS.verifier])
    with opened(tmp_path) as log:
        assert log.published.endswith(line)
        assert note.verify(log.published, [WITNESS.verifier]).signed[0].at == 1_800_000_000
        trusted = verifier.trust(SIGNER.verifier.vkey, witnesses=[WITNESS.verifier.vkey])
        assert verifier.check_log(verifier.FolderFiles(tmp_path / "log"), trusted).cosigned == [
            WITNESS.name
        ]
        log.append([b"next"])
        assert checkpoints.verify(log.published, ORIGIN, SIGNER.verifier).size == 6
        report = verifier.check_log(verifier.FolderFiles(tmp_path / "log"), trusted)
        assert [f.promise for f in report.findings] == [
            "the quorum of the named witnesses cosigned it"
        ]


def test_pruning_takes_only_what_a_full_tile_stands_for(tmp_path: Path) -> None:
    with created(tmp_path, *[7] * 40) as log:
        partial = len(list((tmp_path / "log").rglob("*.p/*")))
        assert prune(Folder(tmp_path / "log"), log.checkpoint.size) > 60
        left = [
            p.relative_to(tmp_path / "log").as_posix() for p in (tmp_path / "log").rglob("*.p/*")
        ]
        assert len(left) < partial
        assert all(any(path.iterdir()) for path in (tmp_path / "log").rglob("*.p"))
        assert not any(path.startswith(("tile/0/000.p", "tile/entries/000.p")) for path in left)
        for index in (0, 255, 256, 279):
            assert proof.verify(log.prove(index), ENTRIES[index], ORIGIN, SIGNER.verifier)
    assert verifier.check_log(verifier.FolderFiles(tmp_path / "log"), TRUST).ok
    with opened(tmp_path) as log:
        assert log.append([b"on"]).size == 281


def test_a_lock_that_is_closed_twice_closes_no_file_of_anybody_else(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    lock.close()
    with (tmp_path / "another").open("w") as file:
        lock.close()
        file.write("there")
    assert (tmp_path / "another").read_text() == "there"
