"""A release in an object store is read as its folder is, through a cache of bounded size, and
follows purges.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from licet.config import Configuration
from licet.errors import BrokenError, BusyError, NotFoundError, UsageError
from licet.ledger.canonical_json import canonical
from licet.release import manifest, purge, release_store
from licet.release.push import INDEX_FILE, open_store, push
from licet.store import bucket as buckets
from licet.store.bucket import Bucket
from licet.train import node, streamed
from licet.train.dataset import RowDataset

from ..release import world as releases
from ..vault.test_cold import bucket
from .publishing import ROWS, World

__all__ = ["bucket"]
ROOM = 40_000


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A release of many small parts."""
    folder = tmp_path / "release"
    releases.build(folder, ROWS, rows_per_part=50)
    return folder


@pytest.fixture
def url(built: Path, tmp_path: Path) -> str:
    there = tmp_path / "bucket"
    there.mkdir()
    push(built, f"file://{there}")
    return f"file://{there}"


def here(url: str, tmp_path: Path, room: int = ROOM) -> Path:
    config = Configuration.from_environment(
        {"LICET_LOADER__CACHE": str(tmp_path / "cache"), "LICET_LOADER__CACHE_BYTES": str(room)}
    )
    return node.find_folder(url, config)


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def rows_of(folder: Path, tmp_path: Path) -> RowDataset:
    gates = tmp_path / "gates"
    gates.mkdir(exist_ok=True)
    return World(folder, gates).rows()


def purged(folder: Path, gone: set[int]) -> None:
    promised, digest = manifest.read_manifest(folder)
    chain = purge.read_chain(folder, promised, digest, releases.log_key)
    made = purge.prepare(folder, promised, chain, sorted(gone), releases.START)
    assert made is not None
    purge.apply(folder, chain, promised, purge.sign(made, releases.LOG_SEED))


def test_rows_come_from_the_store_as_from_the_folder_in_any_order(
    built: Path, url: str, tmp_path: Path
) -> None:
    from_store, own = rows_of(here(url, tmp_path), tmp_path), rows_of(built, tmp_path)
    assert len(from_store) == len(own) == len(ROWS)
    order = random.Random(3).sample(range(len(ROWS)), 120)
    assert from_store[order[0]] == own[order[0]]
    for start in range(0, len(order), 8):
        batch = order[start : start + 8]
        assert from_store.__getitems__(batch) == own.__getitems__(batch)


def test_the_cache_never_has_more_than_its_bytes_or_one_part(
    built: Path, url: str, tmp_path: Path
) -> None:
    size = parts(built)[0].stat().st_size
    room = 2 * size + size // 2
    folder = here(url, tmp_path, room)
    assert parts(folder) == []
    rows = rows_of(folder, tmp_path)
    assert parts(folder) == [], "positions are read by ranges"
    for position in range(0, len(ROWS), 10):
        rows[position]
        assert sum(path.stat().st_size for path in parts(folder)) <= room
    assert len(parts(folder)) == 2
    small = here(url, tmp_path, 1)
    rows = rows_of(small, tmp_path)
    assert rows[0]["ordinal"] == 0
    assert [path.name for path in parts(small)] == ["part-00000.parquet"]


def test_the_part_that_was_used_longest_ago_goes_first(
    built: Path, url: str, tmp_path: Path
) -> None:
    folder = here(url, tmp_path, 2 * max(path.stat().st_size for path in parts(built)) + 500)
    stream = streamed.open_parts(folder)
    assert isinstance(stream, streamed.Streamed)
    names = [path.name for path in parts(built)]
    for name in (names[0], names[1], names[0], names[2]):
        stream.provide(name)
    assert [path.name for path in parts(folder)] == [names[0], names[2]]


def test_workers_and_ranks_share_a_cache_and_each_part_is_fetched_once(
    url: str, tmp_path: Path
) -> None:
    folder = here(url, tmp_path, 10**9)
    stream = streamed.open_parts(folder)
    assert isinstance(stream, streamed.Streamed)
    copies = [pickle.loads(pickle.dumps(stream)) for _ in range(6)]
    fetched: list[str] = []
    for copy in copies:
        honest = copy._fetch
        copy._fetch = lambda file, honest=honest: (fetched.append(file), honest(file))
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda copy: copy.provide("part-00001.parquet"), copies))
    assert fetched == ["part-00001.parquet"]


def test_a_part_that_is_not_the_manifest_s_gives_no_row(url: str, tmp_path: Path) -> None:
    store = Path(url.removeprefix("file://"))
    damaged = bytearray((store / "part-00000.parquet").read_bytes())
    damaged[200] ^= 1
    (store / "part-00000.parquet").write_bytes(damaged)
    rows = rows_of(here(url, tmp_path), tmp_path)
    with pytest.raises(BrokenError, match="hash differs"):
        rows[0]
    assert rows[60]["ordinal"] == 60


def test_a_purge_reaches_the_copy_with_the_next_push_and_readers_that_are_open_go_on(
    built: Path, url: str, tmp_path: Path
) -> None:
    folder, gone = here(url, tmp_path), {3, 7, *range(100, 150)}
    rows = rows_of(folder, tmp_path)
    assert rows[0]["ordinal"] == 0
    before = set(Path(url.removeprefix("file://")).iterdir())
    purged(built, gone)
    done = push(built, url)
    after = set(Path(url.removeprefix("file://")).iterdir())
    assert {path.name for path in after - before} == {"purge-1.json"}
    assert {path.name for path in before - after} == {"part-00002.parquet"} == set(done.deleted)
    assert set(done.sent) >= {"part-00000.parquet", "purge-1.json"}
    again = rows_of(here(url, tmp_path), tmp_path)
    read = {row["ordinal"] for row in again.readable(range(len(ROWS)))}
    assert read == set(range(len(ROWS))) - gone
    assert rows[20]["ordinal"] == 20
    assert {row["ordinal"] for row in rows.readable(range(100, 160))} == set(range(150, 160))


def test_a_push_sends_what_changed_and_a_dry_run_nothing(
    built: Path, url: str, tmp_path: Path
) -> None:
    assert (push(built, url).sent, push(built, url).deleted) == ((), ())
    (built / "README.md").write_text("another card")
    planned = push(built, url, dry_run=True)
    assert planned.sent == ("README.md",)
    assert push(built, url, dry_run=True) == planned
    assert push(built, url).sent == ("README.md",)
    assert push(built, url).sent == ()


def test_a_push_that_was_killed_is_made_again_and_the_manifest_comes_last(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import obstore

    (tmp_path / "other").mkdir()
    url, names, honest = f"file://{tmp_path / 'other'}", list[str](), obstore.put

    def dies(store: object, name: str, data: object) -> None:
        names.append(name)
        if len(names) == 4:
            raise OSError("the network is gone")
        honest(store, name, data)  # type: ignore[arg-type]  # a store and bytes

    monkeypatch.setattr(obstore, "put", dies)
    with pytest.raises(BusyError, match="written"):
        push(built, url)
    with pytest.raises(NotFoundError, match="no release lies"):
        here(url, tmp_path)
    push(built, url)
    assert names[-2:] == [manifest.FILE, INDEX_FILE]
    assert len(rows_of(here(url, tmp_path), tmp_path)) == len(ROWS)


def test_another_release_is_neither_pushed_over_one_nor_read_in_its_place(
    url: str, tmp_path: Path
) -> None:
    other = tmp_path / "release2"
    releases.build(other, ROWS[:10])
    with pytest.raises(BrokenError, match="another release lies"):
        push(other, url)
    here(url, tmp_path)
    store = Path(url.removeprefix("file://"))
    (store / manifest.FILE).write_bytes((other / manifest.FILE).read_bytes())
    with pytest.raises(BrokenError, match="another release lies"):
        here(url, tmp_path)


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    for wrong, why in (("bucket/folder", "is not the address"), ("gopher://bucket", "be opened")):
        with pytest.raises(UsageError, match=why):
            open_store(wrong)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError):
        here(f"file://{tmp_path / 'empty'}", tmp_path)


# S3


@pytest.fixture
def s3(bucket: Configuration, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    cold = bucket.cold
    assert cold.endpoint is not None and cold.secret_access_key_file is not None
    monkeypatch.setenv("AWS_ENDPOINT_URL", cold.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ana")
    monkeypatch.setenv(
        "AWS_SECRET_ACCESS_KEY", Path(cold.secret_access_key_file).read_text().strip()
    )
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    yield "s3://licet/releases/october"


def test_a_bucket_of_s3_holds_a_release_with_the_credentials_of_the_environment(
    built: Path, s3: str, tmp_path: Path
) -> None:
    done = push(built, s3)
    assert len(done.sent) == len([path for path in built.rglob("*") if path.is_file()])
    rows = rows_of(here(s3, tmp_path), tmp_path)
    assert [rows[n]["ordinal"] for n in (0, 399, 120)] == [0, 399, 120]
    assert push(built, s3).sent == ()


# The bucket that the hosts of an installation share


class Shared:
    """A training machine that knows the bucket of the installation, and what a host put there."""

    def __init__(self, cold: Configuration, folder: Path) -> None:
        found = cold.cold
        settings = {
            "URL": f"s3://licet/{folder.name}",
            "ENDPOINT": found.endpoint,
            "REGION": "us-east-1",
            "ACCESS_KEY_ID": "ana",
            "SECRET_ACCESS_KEY_FILE": str(found.secret_access_key_file),
        }
        told = {f"LICET_STORE__{name}": str(value) for name, value in settings.items()}
        self.config = Configuration.from_environment(
            told | {"LICET_DATA": str(folder / "machine"), "LICET_LOADER__CACHE_BYTES": "40000"}
        )
        bucket = buckets.open_bucket(self.config.store)
        assert bucket is not None
        self.bucket: Bucket = bucket

    def publish(self, folder: Path, ident: str) -> None:
        """As `release.release_store` writes a release: each file under its hash, then `files.json`;
        what it no longer names goes.
        """
        index = f"releases/{ident}/{INDEX_FILE}"
        own = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file()
        }
        digests = {name: release_store.digest(path) for name, path in own.items()}
        for name, path in own.items():
            self.bucket.send(f"releases/{ident}/{digests[name]}", path)
        self.bucket.put_compared(index, canonical({"files": digests, "v": 1}))
        for name in self.bucket.names(f"releases/{ident}/"):
            if name not in {*digests.values(), INDEX_FILE}:
                self.bucket.delete(f"releases/{ident}/{name}")


@pytest.fixture
def shared(bucket: Configuration, tmp_path: Path) -> Shared:
    return Shared(bucket, tmp_path)


def test_a_name_is_found_in_the_bucket_that_hosts_share_and_its_cache_is_bounded(
    built: Path, shared: Shared, tmp_path: Path
) -> None:
    name = manifest.read_manifest(built)[0].name
    with pytest.raises(NotFoundError, match="no release `winter` is in the bucket"):
        node.find_folder("winter", shared.config)
    shared.bucket.put_compared("releases/00/half", b"of a release that is being written")
    shared.publish(built, "ab")
    folder = node.find_folder(name, shared.config)
    assert folder.is_relative_to(shared.config.data / "parts")
    rows = rows_of(folder, tmp_path)
    assert [rows[n]["ordinal"] for n in (0, 399, 120)] == [0, 399, 120]
    for position in range(0, len(ROWS), 10):
        rows[position]
        assert sum(path.stat().st_size for path in parts(folder)) <= ROOM
    assert pickle.loads(pickle.dumps(rows))[60]["ordinal"] == 60
    assert secret(shared) not in b"".join(path.read_bytes() for path in folder.rglob("*.json"))
    assert node.find_folder(built, shared.config) == built, (
        "a folder that somebody names is that folder"
    )


def secret(shared: Shared) -> bytes:
    file = shared.config.store.secret_access_key_file
    assert file is not None
    return file.read_bytes().strip()


def test_a_run_goes_on_when_a_host_purges_the_release_in_the_shared_bucket(
    built: Path, shared: Shared, tmp_path: Path
) -> None:
    shared.publish(built, "cd")
    rows = rows_of(
        streamed.shared_folder(
            manifest.read_manifest(built)[0].name, shared.config.store, tmp_path / "cache", 1
        ),
        tmp_path,
    )
    assert rows[0]["ordinal"] == 0
    purged(built, {3})
    shared.publish(built, "cd")
    assert [rows[n]["ordinal"] for n in (60, 2)] == [60, 2], (
        "the purged part lies under another name"
    )
