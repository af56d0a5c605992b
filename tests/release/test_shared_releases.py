"""A release in the bucket that hosts share: built on one, it is read, purged and reviewed on
another, whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from licet import doctor
from licet.clock import utc_now
from licet.config import Configuration
from licet.curate import release_build
from licet.erasure import sweeper
from licet.errors import BrokenError, BusyError, NotFoundError
from licet.release import catalog, manifest, registry, release_store, signatures
from licet.release.purge_verbs import purge_release
from licet.release.registry import Release
from licet.release.review import ReviewFinding
from licet.service import release_view
from licet.store import bucket as buckets
from licet.store.bucket import Bucket
from licet.store.connect import Pool, transaction
from licet.train import gate_files, node
from licet.train.gate_files import LeaseHolder, LeaseRequest
from licet.vault import commands as do
from licet.vault.installation import Installation

from .. import seaweed
from ..installed import House
from .test_review import hired

IMPROVE = "improve_models"
AFTER = utc_now() + timedelta(days=release_store.LEFT_DAYS + 1)


class Killed(BaseException):
    """The process is killed here."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweed.S3Server]:
    with seaweed.running(tmp_path_factory.mktemp("weed")) as server:
        yield server


class Hosts:
    """Two hosts of one installation: each has a data folder of its own, and both the same
    bucket.
    """

    def __init__(self, pool: Pool, folder: Path, settings: dict[str, str]) -> None:
        self.house = House(pool, folder / "one")
        self.store = Configuration.from_environment(settings).store
        self.house.installation = self.one = self._host(folder / "one")
        self.two = self._host(folder / "two")

    def _host(self, data: Path) -> Installation:
        config = msgspec.structs.replace(
            self.house.installation.config, data=data, store=self.store
        )
        return msgspec.structs.replace(self.house.installation, config=config)

    @property
    def bucket(self) -> Bucket:
        found = buckets.open_bucket(self.store)
        assert found is not None
        return found

    def live(self) -> None:
        for n in range(6):
            self.house.open(f"p{n}", allow=True)
            self.house.talk(f"p{n}", f"c{n}", f"how do pears grow, {n}", "slowly")

    def build(self, name: str = "r") -> Release:
        release_build.build_release(self.one, name=name, purpose=IMPROVE)
        return self.known(name)

    def known(self, name: str = "r") -> Release:
        with transaction(self.one.pool) as tx:
            found = registry.find(tx, name)
        assert found is not None
        return found

    def delete(self, number: int) -> None:
        self.house.about(do.Delete, f"p{number}", f"c{number}")
        self.house.passes(40)
        sweeper.sweep(self.one)

    def objects(self, known: Release) -> list[str]:
        return self.bucket.names(f"releases/{known.release_id.hex}/")


@pytest.fixture
def hosts(pool: Pool, tmp_path: Path, server: seaweed.S3Server) -> Hosts:
    made = Hosts(pool, tmp_path, server.settings("STORE", tmp_path.name[:40]))
    made.live()
    return made


def texts(installation: Installation, name: str = "r") -> list[str]:
    return [row["messages"][0]["content"] for row in catalog.open_release(installation, name)]


def files(installation: Installation, name: str = "r") -> dict[str, bytes]:
    folder = installation.config.releases / name
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_release_is_read_shown_verified_and_leased_on_a_host_that_did_not_build_it(
    hosts: Hosts,
) -> None:
    known = hosts.build()
    asked = LeaseRequest(release_id=known.release_id, part=0, recipient="lab")
    with hosts.two.pool.connection() as tx:
        tx.execute(
            "INSERT INTO api_keys (key_id, name, secret_sha256, scopes, made_at) VALUES "
            "(%s, 'k', %s, '{x}', now())",
            [UUID(int=0), bytes(32)],
        )
    holder = LeaseHolder(key_id=UUID(int=0), recipient="lab", own=True, releases=("r",))
    assert len(gate_files.lease_keys(hosts.two, asked, holder).ordinals) == 6
    assert not hosts.two.config.releases.exists(), "a lease needs the manifest alone"
    assert catalog.verify_release(hosts.two, "r") == []
    assert (
        release_view.show(hosts.two, "r").rows_usable_now
        == release_view.view(hosts.two, known).usable
        == 6
    )
    assert texts(hosts.two) == texts(hosts.one)
    assert files(hosts.two) == files(hosts.one)
    assert catalog.list_without_names(hosts.two) == catalog.list_without_names(hosts.one)


def test_what_one_host_does_after_the_seal_all_hosts_see(hosts: Hosts) -> None:
    known = hosts.build()
    before = set(hosts.objects(known))
    reader = hired(hosts.house, "rae", "reviewer")
    signatures.draw(hosts.two, "r", chance=6, by_risk=0)
    while (row := signatures.read_next(hosts.two, "r", reader)) is not None:
        signatures.record_finding(hosts.two, "r", reader, row.ordinal, ReviewFinding.nothing)
    signatures.close(hosts.two, "r")
    hosts.delete(2)
    assert purge_release(hosts.one, "r").rows == 1
    for installation in (hosts.two, hosts.one):
        assert catalog.verify_release(installation, "r") == []
        assert {"review.json", "purge-1.json"} < set(files(installation))
        assert len(texts(installation)) == 5
    assert files(hosts.two) == files(hosts.one)
    gone = before - set(hosts.objects(known))
    assert len(gone) >= 2, (
        "the part with the deleted row, and the card of before, are not in the bucket any more"
    )


def test_of_a_host_that_was_killed_before_the_last_file_nothing_half_is_read(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "create", killed)
        with pytest.raises(Killed):
            hosts.build()
    known = hosts.known()
    assert known.state == "sealed"
    assert hosts.objects(known), "its files are there, and nothing that names them"
    with pytest.raises(NotFoundError):
        texts(hosts.two)
    assert release_store.find_folder(hosts.two, known) is None
    assert not (hosts.two.config.releases / "r").exists()
    assert len(texts(hosts.one)) == 6  # the host that built it goes on
    assert texts(hosts.two) == texts(hosts.one)


def test_of_a_host_that_was_killed_while_it_fetched_the_next_use_fetches_the_rest(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.build()
    fetched, chunks = list[str](), Bucket.chunks

    def some(self: Bucket, name: str) -> Iterator[bytes] | None:
        fetched.append(name)
        if len(fetched) == 3:
            raise Killed
        return chunks(self, name)

    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "chunks", some)
        with pytest.raises(Killed):
            texts(hosts.two)
        assert catalog.verify_release(hosts.two, "r") == []
    assert len(fetched) == len(files(hosts.one)) + 1, "what was there already is not fetched again"
    assert files(hosts.two) == files(hosts.one)


def test_a_file_that_is_not_what_was_written_is_refused_and_not_kept(hosts: Hosts) -> None:
    known = hosts.build()
    name = f"releases/{known.release_id.hex}/{release_store.digest(hosts.one.config.releases / 'r' / 'part-00000.parquet')}"
    found = hosts.bucket.read(name)
    assert found is not None
    assert hosts.bucket.replace(name, found.content[::-1], found.tag)
    with pytest.raises(BrokenError, match=r"`part-00000\.parquet` of release `r`"):
        texts(hosts.two)
    assert "part-00000.parquet" not in files(hosts.two)


def test_a_change_of_a_host_that_was_killed_is_published_unless_another_changed_the_release_since(
    hosts: Hosts,
) -> None:
    known = hosts.build()
    folder = hosts.one.config.releases / "r"

    def killed_with(text: str) -> None:
        with pytest.raises(Killed), release_store.publish_changes(hosts.one, known, folder):
            (folder / "README.md").write_text(text)
            raise Killed

    killed_with("first")
    assert release_store.find_folder(hosts.one, known) == folder
    other = release_store.find_folder(hosts.two, known)
    assert other is not None
    assert (other / "README.md").read_text() == "first"

    killed_with("second")
    with release_store.publish_changes(hosts.two, known, other):
        (other / "README.md").write_text("third")
    release_store.find_folder(hosts.one, known)
    assert (folder / "README.md").read_text() == (other / "README.md").read_text() == "third"


def test_a_purge_of_a_host_that_was_killed_is_done_by_another(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.build()
    hosts.delete(2)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        # the database has the addendum, and no folder has it
        patched.setattr("licet.release.purge.apply", killed)
        with pytest.raises(Killed):
            purge_release(hosts.one, "r")
    assert purge_release(hosts.two, "r").brought == ("purge-1.json",)
    for installation in (hosts.two, hosts.one):
        assert catalog.verify_release(installation, "r") == []
        assert len(texts(installation)) == 5
    assert files(hosts.one) == files(hosts.two)


def test_one_host_at_a_time_changes_a_release_and_others_read_it_meanwhile(hosts: Hosts) -> None:
    known = hosts.build()
    other = release_store.find_folder(hosts.two, known)
    assert other is not None
    with release_store.publish_changes(hosts.one, known, hosts.one.config.releases / "r"):
        with (
            pytest.raises(BusyError, match="another host"),
            release_store.publish_changes(hosts.two, known, other),
        ):
            raise AssertionError
        assert texts(hosts.one) == texts(hosts.two)


def test_something_else_in_its_place_is_refused_and_stays(hosts: Hosts) -> None:
    hosts.build()
    place = hosts.two.config.releases / "r"
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("mine")
    with pytest.raises(BrokenError, match="has the path of release `r`"):
        texts(hosts.two)
    assert files(hosts.two) == {"notes.txt": b"mine"}


def test_what_was_used_longest_ago_makes_room_and_comes_back_when_it_is_used(hosts: Hosts) -> None:
    hosts.build("r")
    hosts.build("s")
    two = hosts.two
    hosts.store = msgspec.structs.replace(hosts.store, releases_bytes=1)
    small = msgspec.structs.replace(
        two, config=msgspec.structs.replace(two.config, store=hosts.store)
    )
    assert len(texts(small, "r")) == 6
    used = small.config.releases / ".r.json"
    assert len(texts(small, "s")) == 6
    assert used.exists(), "it was used within the hour"
    (small.config.releases / "s").rename(small.config.releases / "moved")
    os.utime(used, (0, 0))
    assert len(texts(small, "s")) == 6
    assert not used.exists()
    assert not (small.config.releases / "r").exists()
    assert len(texts(small, "r")) == 6


def test_what_a_killed_publish_left_is_deleted_after_a_week_and_the_release_can_be_published_still(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Bucket, "create", killed)
        hosts.build()
    known = hosts.known()
    left = hosts.objects(known)
    assert len(left) > 3
    assert release_store.delete_unreferenced(hosts.two, utc_now()) == {}, "it may be going on"
    assert release_store.delete_unreferenced(hosts.two, AFTER, dry_run=True) == {"r": left}
    assert hosts.objects(known) == left
    assert release_store.delete_unreferenced(hosts.two, AFTER) == {"r": left}
    assert hosts.objects(known) == []
    assert catalog.verify_release(hosts.one, "r") == []
    assert texts(hosts.two) == texts(hosts.one)
    whole = hosts.objects(known)
    assert release_store.delete_unreferenced(hosts.two, AFTER) == {}
    assert hosts.objects(known) == whole, "nothing that the release has is ever taken"


def test_a_part_of_before_a_purge_that_a_killed_host_did_not_delete_is_deleted(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    known = hosts.build()
    hosts.delete(2)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Bucket, "delete", killed)
        purge_release(hosts.one, "r")
    before = len(hosts.objects(known))
    (gone,) = release_store.delete_unreferenced(hosts.two, AFTER).values()
    assert len(hosts.objects(known)) == before - len(gone)
    assert catalog.verify_release(hosts.two, "r") == []
    assert len(texts(hosts.two)) == 5


def test_nothing_of_a_release_that_is_being_published_is_deleted(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, found = Bucket.send, list[dict[str, list[str]]]()

    def send(self: Bucket, name: str, file: Path) -> None:
        honest(self, name, file)
        found.append(release_store.delete_unreferenced(hosts.two, AFTER))

    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "send", send)
        hosts.build()
        hosts.delete(2)
        purge_release(hosts.one, "r")
    assert len(found) > 5
    assert not any(found)
    assert catalog.verify_release(hosts.two, "r") == []


def test_a_machine_that_trains_finds_what_hosts_published_by_its_name(
    hosts: Hosts, tmp_path: Path
) -> None:
    hosts.build()
    machine = Configuration(data=tmp_path / "machine", store=hosts.store)
    folder = node.find_folder("r", machine)
    assert manifest.read_manifest(folder) == manifest.read_manifest(hosts.one.config.releases / "r")
    hosts.delete(2)
    purge_release(hosts.one, "r")
    assert (node.find_folder("r", machine) / "purge-1.json").is_file()


def test_the_doctor_tries_the_bucket_and_leaves_nothing_in_it(hosts: Hosts) -> None:
    found = {one.what: one for one in doctor.examine(hosts.one)}
    assert (found["bucket"].state, "If-None-Match and If-Match" in found["bucket"].seen) == (
        "well",
        True,
    )
    assert "bucket clock" not in found
    assert hosts.bucket.names("doctor/") == []
    wrong = msgspec.structs.replace(hosts.store, access_key_id="nobody")
    config = msgspec.structs.replace(hosts.one.config, store=wrong)
    broken = {
        one.what: one for one in doctor.examine(msgspec.structs.replace(hosts.one, config=config))
    }["bucket"]
    assert broken.state == "broken"
    assert broken.mend
