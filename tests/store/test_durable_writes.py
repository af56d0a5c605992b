"""What writes durably leaves nothing to a crash when it returns: every name is on the disk, and
every byte of every file.

The writes run under the watch of `erasure.disk`, which sees each change and each fsync; `Disk`
keeps for each name and file what a crash may still leave of it. With any fsync of these functions
left out something remains open.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path

import pytest

from licet.backup import wal_seals
from licet.cli.key_files import key_file
from licet.host.spool import Spool
from licet.host.spool import key_of as spool_key
from licet.keys.journal_mend import _FolderPlace
from licet.keys.journal_move import _rename as rename_journal
from licet.keys.material import FileProvider
from licet.keys.objects import Stored
from licet.keys.restriction_journal import _HEAD, Journal
from licet.ledger.note import SignatureType
from licet.ledger.storage import Durable, Folder
from licet.proof.log_retention import _rename as rename_year
from licet.release import part
from licet.service.store_move import _rename_moved as keep_log
from licet.store import files
from licet.store.embedded import CLUSTER, REPLACED, Cluster, Identity, Options
from licet.train.consumption import ConsumedLog
from licet.train.export_files import _atomic_folder as whole_export

from ..erasure.disk import Disk, Node, Step, Watch
from ..journals import KEY
from ..keys.test_restriction_journal import told
from ..release.world import build, row_of
from ..train.publishing import Office

SEGMENT = "0000000100000000000000A1"


@dataclass(frozen=True, slots=True)
class Writer:
    """``prepare`` makes what is on the disk already; names in ``free`` may be there or not."""

    write: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda _: None
    free: tuple[str, ...] = ()


def make_and_sync(root: Path) -> None:
    files.make_folder(root / "a" / "b")
    (root / "a" / "b" / "file").write_bytes(b"content")
    files.sync(root / "a" / "b" / "file")
    files.sync(root / "a" / "b")


def replace_file(root: Path) -> None:
    with part.replacing(root / "file") as file:
        file.write(b"new")


def export(root: Path) -> None:
    with whole_export(root / "exports" / "autumn") as folder:
        (folder / "data").mkdir()
        (folder / "data" / "train.jsonl").write_bytes(b"{}\n")
        (folder / "README.md").write_bytes(b"read me")


def spool(root: Path) -> None:
    made = Spool(root / "new" / "spool", root / "key", 2**20)
    made.put(b"record").result()
    made.close()


def journal(root: Path) -> None:
    made = Journal(root / "new" / "journal", segment_bytes_max=300, key=KEY)
    for number in range(4):
        made.append([told(number)])
    made.close()


def consume(root: Path) -> None:
    office = Office(root.parent / "office")
    log = ConsumedLog(root / "rank-0.consumed", office.gate())
    log.used(0, [1, 2, 3])
    log.close()


def make(name: str, content: bytes = b"before") -> Callable[[Path], object]:
    def made(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    return made


def swap(root: Path) -> None:
    """The data of a cluster is replaced by what was restored beside it."""
    cluster = Cluster(root, Options(durable=False))
    cluster.replace_by(root / "restored")


def go_on_with_a_swap(root: Path) -> None:
    """A start that finds only the replaced data puts them back."""
    Cluster(root, Options(durable=False))._end_swap()


class InitialisedCluster(Cluster):
    """``initdb`` is no Python and is not watched: what it leaves on the disk is written here."""

    def _run(self, program: str, *arguments: str) -> None:
        assert program == "initdb"
        fresh = self.folder / arguments[arguments.index("-D") + 1]
        for name in ("PG_VERSION", "postgresql.conf"):
            (fresh / name).write_text("18\n", encoding="utf-8")
            files.sync(fresh / name)
        files.sync(fresh)


def clusters(*names: str) -> Callable[[Path], object]:
    def made(root: Path) -> None:
        for name in names:
            (root / name).mkdir(parents=True)
            (root / name / "PG_VERSION").write_text("18")

    return made


def office_beside(root: Path) -> None:
    (root.parent / "office").mkdir()


WRITERS: dict[str, Writer] = {
    "a file and a folder": Writer(make_and_sync),
    "a key file": Writer(
        lambda root: key_file(root / "key", "log.example", SignatureType.ed25519, "licet")
    ),
    "a part set aside": Writer(
        lambda root: _FolderPlace(root).set_aside("1.log", b"content", remove=True), make("1.log")
    ),
    "a part mended": Writer(
        lambda root: _FolderPlace(root).write("1.log", b"content"), make("1.log")
    ),
    "a journal that moved": Writer(
        lambda root: rename_journal(root / "journal", root / "journal.moved"), make("journal/1.log")
    ),
    "a new epoch key": Writer(lambda root: FileProvider(root / "deep" / "keys").newest()),
    "a destroyed epoch key": Writer(
        lambda root: FileProvider(root / "keys").destroy(1), make("keys/epoch-000001.key")
    ),
    "a seal of WAL": Writer(lambda root: wal_seals.seal(root, KEY), make(SEGMENT)),
    "a year of the log that goes": Writer(
        lambda root: rename_year(root / "2020", root / "2020.gone"), make("2020/tile")
    ),
    "a file that is replaced": Writer(replace_file, make("file")),
    "a part of a release": Writer(
        lambda root: part.rewrite_part(root / "part-00000.parquet", {0}),
        lambda root: build(root, [row_of(n) for n in range(4)]),
    ),
    "the last rows of a part": Writer(
        lambda root: part.rewrite_part(root / "part-00000.parquet", {0, 1, 2, 3}),
        lambda root: build(root, [row_of(n) for n in range(4)]),
    ),
    "a log that moved": Writer(lambda root: keep_log(root / "log"), make("log/2025/checkpoint")),
    "an export": Writer(export),
    "the record of a run": Writer(consume, office_beside),
    "a spool": Writer(spool, free=("lock",)),
    "a spool's key": Writer(lambda root: spool_key(root / "key")),
    "a journal": Writer(journal, free=("lock",)),
    "a new cluster": Writer(
        lambda root: InitialisedCluster(root, Options(identity=Identity.OWN))._create()
    ),
    "a cluster that is replaced": Writer(swap, clusters("data", "restored"), free=("replaced",)),
    "a cluster where there was none": Writer(swap, clusters("restored")),
    "a cluster whose swap was killed": Writer(go_on_with_a_swap, clusters(REPLACED)),
    "a cluster whose swap was killed at its end": Writer(
        go_on_with_a_swap, clusters(REPLACED, "data")
    ),
    "files of a log": Writer(
        lambda root: Durable(Folder(root)).write(
            {"2025/tile/0": b"hashes", "2025/checkpoint": b"signed"}
        )
    ),
}


def left_open(node: Node, path: str, free: tuple[str, ...]) -> Iterator[str]:
    """The names and files of which a crash may leave something else."""
    if node.names is None:
        if len(node.contents) > 1:
            yield f"content of {path}"
        return
    for name, values in node.names.items():
        if name in free:
            continue
        if len(values) > 1:
            yield f"name {path}/{name}"
        if values[-1] is not None:
            yield from left_open(values[-1], f"{path}/{name}", free)


def found(node: Node, path: str = "") -> dict[str, bytes | None]:
    """The files that readers see."""
    if node.names is None:
        return {path: node.contents[-1]}
    below = {name: values[-1] for name, values in node.names.items()}
    seen: dict[str, bytes | None] = {}
    for name, one in below.items():
        seen |= found(one, f"{path}/{name}") if one is not None else {}
    return seen


def lying(root: Path) -> dict[str, bytes | None]:
    return {
        f"/{one.relative_to(root)}": one.read_bytes() for one in root.rglob("*") if one.is_file()
    }


def steps_of(root: Path, writer: Writer) -> tuple[Disk, list[Step]]:
    """The disk before the writes of a real run, and its steps."""
    root.mkdir()
    writer.prepare(root)
    with Watch(root) as watch:
        disk = Disk(root)
        watch.record()
        writer.write(root)
        watch.mood = "quiet"
        return disk, watch.steps


def watched(root: Path, writer: Writer) -> Disk:
    """The disk after the writes of a real run."""
    disk, steps = steps_of(root, writer)
    for step in steps:
        disk.apply(step)
    return disk


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_durably_is_on_the_disk_when_it_returns(tmp_path: Path, name: str) -> None:
    writer = WRITERS[name]
    disk = watched(tmp_path / "root", writer)
    assert list(left_open(disk.root, "", writer.free)) == []
    free = {
        path: data
        for path, data in lying(tmp_path / "root").items()
        if Path(path).name not in writer.free
    }
    assert {
        path: data for path, data in found(disk.root).items() if Path(path).name not in writer.free
    } == free


def test_a_segment_of_the_journal_has_its_whole_head_before_it_has_its_name(tmp_path: Path) -> None:
    """A crash that left a named segment without one would leave a journal that is refused."""
    disk, steps = steps_of(tmp_path / "root", WRITERS["a journal"])
    heads = {path.name: path.read_bytes()[:_HEAD] for path in (tmp_path / "root").rglob("0*.log")}
    seen = set()
    for step in steps:
        disk.apply(step)
        match step:
            case ("move", _, path) if (name := Path(path).name) in heads:
                seen.add(name)
                assert disk.look(path).contents == [heads[name]], name
    assert seen == set(heads) and len(seen) > 2


def after_crash(names: dict[str, str], steps: Sequence[Step]) -> dict[str, str]:
    """The folders of clusters, with the version in each, of which ``steps`` reached the disk; a
    rename is whole, as journaling file systems make it.
    """
    left = dict(names)
    for step in steps:
        match step:
            case ("move", old, new) if old in left:
                left[new] = left.pop(old)
            case ("gone", path) if path in left:
                del left[path]
            case ("gone", path) if Path(path).parts[0] in left:
                left[Path(path).parts[0]] = "damaged"
    return left


def test_a_crash_amid_a_swap_of_clusters_leaves_one_of_the_two(tmp_path: Path) -> None:
    """Whichever of the renames and removals that were not synced yet are on the disk."""
    before = {CLUSTER: "old", "restored": "new"}
    _, steps = steps_of(tmp_path / "root", Writer(swap, clusters(*before)))
    found, certain, pending = set(), before, list[Step]()
    for step in steps:
        if step == ("sync", "."):
            certain, pending = after_crash(certain, pending), []
            continue
        pending.append(step)
        for kept in powerset(pending):
            left = tmp_path / f"left-{len(found)}"
            left.mkdir()
            for name, version in after_crash(certain, kept).items():
                (left / name).mkdir()
                (left / name / "PG_VERSION").write_text(version)
            Cluster(left, Options(durable=False))._end_swap()
            found.add((left / CLUSTER / "PG_VERSION").read_text())
            shutil.rmtree(left)
    assert found == {"old", "new"}


def powerset(steps: Sequence[Step]) -> Iterator[tuple[Step, ...]]:
    return chain.from_iterable(combinations(steps, count) for count in range(len(steps) + 1))


def test_an_object_is_synced_with_every_folder_up_to_the_one_that_has_the_store_s(
    tmp_path: Path,
) -> None:
    """The library that writes it is no Python and is not watched: what is asked for is."""
    root = tmp_path / "root"
    root.mkdir()
    with Watch(root) as watch:
        watch.record()
        Stored(folder=root / "cold").put("ab/object", b"content")
        watch.mood = "quiet"
        synced = [step[1] for step in watch.steps if step[0] == "sync"]
    assert synced == ["cold/ab/object", "cold/ab", "cold", "."]


def test_the_watch_finds_what_nobody_waited_for(tmp_path: Path) -> None:
    """A file that is moved into its place unsynced, in a folder that is."""

    def careless(root: Path) -> None:
        (root / "draft").write_bytes(b"content")
        (root / "draft").rename(root / "file")
        files.sync(root)
        (root / "folder").mkdir()

    disk = watched(tmp_path / "root", Writer(careless))
    assert list(left_open(disk.root, "", ())) == ["content of /file", "name /folder"]
    shutil.rmtree(tmp_path / "root")


def test_the_name_of_a_folder_that_is_there_already_is_synced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who made it may have been killed before."""
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync", synced.append)
    (tmp_path / "a").mkdir()
    files.make_folder(tmp_path / "a")
    assert synced == [tmp_path]
