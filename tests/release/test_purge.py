"""A purge takes out of a release the rows that are dead for ever, and those alone; every reader
takes what it leaves.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from licet import verifier
from licet.cli.command import main
from licet.clock import utc_now
from licet.curate import release_build
from licet.erasure import sweeper
from licet.errors import BrokenError, LicetError
from licet.ledger import jws, publication
from licet.policy.period import rfc3339
from licet.proof import documents
from licet.release import catalog, croissant, manifest, purge
from licet.release.catalog import log_key as log_key_of
from licet.release.folder_check import UNFINISHED, ReleasePromise, verify
from licet.release.live_leases import DatabaseLeases
from licet.release.manifest import ReleaseManifest
from licet.release.part import groups
from licet.release.purge import Addendum, Chain
from licet.release.purge_verbs import purge_release
from licet.release.reader import load
from licet.release.row_keys import open_row
from licet.service import verification
from licet.store.connect import Pool, transaction
from licet.vault import commands as do

from ..installed import House
from .world import LOG_SEED, START, Town, build, log_key, row_of

LATER = START + timedelta(days=40)
ROWS = [row_of(n) for n in range(12)]  # in parts of four
DEAD = (1, 4, 5, 6, 7, 9)  # one of the first part, all of the second, one of the third


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("honest") / "autumn"
    build(folder, ROWS)
    return folder


@pytest.fixture
def folder(honest: Path, tmp_path: Path) -> Path:
    return shutil.copytree(honest, tmp_path / "autumn")


def opened(folder: Path) -> tuple[ReleaseManifest, Chain]:
    promised, sha256 = manifest.read_manifest(folder)
    return promised, purge.read_chain(folder, promised, sha256, log_key)


def purged(folder: Path, dead: Sequence[int], *, days: int = 0) -> Addendum:
    promised, chain = opened(folder)
    made = purge.prepare(folder, promised, chain, dead, LATER + timedelta(days=days))
    assert made is not None
    signed = purge.sign(made, LOG_SEED)
    bring(folder, signed)
    return signed


def bring(folder: Path, made: Addendum) -> None:
    promised, chain = opened(folder)
    purge.clear(folder)
    croissant.write(folder, promised, purge.apply(folder, chain, promised, made))


def words(folder: Path, dead: Collection[int] = DEAD) -> tuple[list[int], int]:
    town = Town(ROWS)
    for ordinal in dead:
        town.kill(ordinal)
    rows = load(folder, town, now=town.clock)
    return [row["ordinal"] for row in rows], rows.withheld


def hashes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# What a purge leaves


def test_a_purge_takes_out_the_dead_rows_and_leaves_every_other_part_to_the_byte(
    folder: Path,
) -> None:
    before, promised = hashes(folder), opened(folder)[0]
    made = purged(folder, [4, 5, 6, 7, 9])
    after = hashes(folder)
    assert made.purge.rows == 5
    assert {name for name in before if after.get(name) != before[name]} == {
        "part-00001.parquet",
        "part-00002.parquet",
        "croissant.json",
    }
    assert set(after) - set(before) == {"purge-1.json"}
    assert "part-00001.parquet" not in after
    assert opened(folder)[0] == promised


def test_a_purged_folder_keeps_every_promise_and_its_rows_come_out_as_before(folder: Path) -> None:
    expected = words(folder)
    purged(folder, DEAD)
    assert verify(folder, key=log_key) == []
    assert verify(folder, key=log_key, living=lambda _: []) == []
    assert words(folder) == expected == ([0, 2, 3, 8, 10, 11], 6)
    report = verifier.check_release(verifier.FolderFiles(folder))
    assert (report.findings, report.purged) == ([], 6)


def test_a_second_purge_follows_the_first_and_leaves_what_one_of_both_would(
    folder: Path, tmp_path: Path
) -> None:
    whole = shutil.copytree(folder, tmp_path / "whole")
    purged(folder, DEAD[:3])
    purged(folder, DEAD, days=1)
    purged(whole, DEAD)
    assert verify(folder, key=log_key) == []
    assert verifier.check_release(verifier.FolderFiles(folder)).findings == []
    parts = [
        {name: data for name, data in hashes(each).items() if name.startswith("part-")}
        for each in (folder, whole)
    ]
    assert parts[0] == parts[1]


def test_a_purge_of_what_is_out_already_is_none(folder: Path) -> None:
    purged(folder, DEAD)
    promised, chain = opened(folder)
    assert purge.prepare(folder, promised, chain, DEAD, LATER) is None


def test_a_row_of_no_part_is_refused_and_nothing_is_prepared(folder: Path) -> None:
    promised, chain = opened(folder)
    with pytest.raises(BrokenError, match="no part of the release has the row `-1`"):
        purge.prepare(folder, promised, chain, [-1, 4], LATER)


def test_every_row_may_go(folder: Path) -> None:
    purged(folder, range(12))
    assert verify(folder, key=log_key) == []
    assert words(folder, range(12)) == ([], 12)
    assert verifier.check_release(verifier.FolderFiles(folder)).findings == []


def test_an_older_copy_is_brought_forward_by_the_same_addenda(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    first, second = purged(folder, DEAD[:2]), purged(folder, DEAD, days=1)
    bring(copy, first)
    bring(copy, second)
    assert hashes(copy) == hashes(folder)


# What a liar leaves


def test_a_row_that_lives_may_not_be_taken_out(folder: Path) -> None:
    purged(folder, DEAD)
    assert [(c.file, c.promise) for c in verify(folder, key=log_key, living=lambda _: [9])] == [
        ("purge-1.json", ReleasePromise.DEAD)
    ]
    town = Town(ROWS)
    with pytest.raises(BrokenError, match="row `9` was removed from the release, but is not dead"):
        list(load(folder, town, now=town.clock, living=lambda gone: [9] if 9 in gone else []))


def forged(folder: Path, **changes: Any) -> None:
    """Another addendum, signed: what holds must not rest on the signature alone."""
    honest = purge.decode((folder / "purge-1.json").read_bytes(), "p", log_key).purge
    made = purge.sign(msgspec.structs.replace(honest, **changes), LOG_SEED)
    (folder / "purge-1.json").write_bytes(made.data)


def part_of(folder: Path, number: int, **changes: Any) -> None:
    made = purge.decode((folder / "purge-1.json").read_bytes(), "p", log_key).purge
    parts = list(made.parts)
    parts[number] = msgspec.structs.replace(parts[number], **changes)
    forged(folder, parts=tuple(parts))


@pytest.mark.parametrize(
    "lie",
    [
        lambda folder: forged(folder, before="0" * 64),
        lambda folder: forged(folder, number=2),
        lambda folder: forged(folder, release="0" * 32),
        lambda folder: forged(folder, purged_at=rfc3339(START - timedelta(days=1))),
        lambda folder: forged(folder, parts=()),
        lambda folder: part_of(folder, 0, gone=((1, 2),)),
        lambda folder: part_of(folder, 0, gone=((5, 5),)),
        lambda folder: part_of(folder, 0, was="0" * 64),
        lambda folder: part_of(folder, 1, gone=((4, 6),)),
        lambda folder: part_of(folder, 1, gone=((3, 6),)),
        lambda folder: part_of(folder, 1, gone=((5, 8),)),
        lambda folder: part_of(folder, 2, file="part-00007.parquet"),
        lambda folder: (folder / "purge-1.json").write_bytes(
            (folder / "purge-1.json").read_bytes() + b"\n"
        ),
        lambda folder: (folder / "purge-1.json").write_bytes(b"{}"),
        lambda folder: (folder / "purge-1.json").unlink(),
        lambda folder: (folder / "purge-1.json").rename(folder / "purge-2.json"),
    ],
)
def test_no_forged_addendum_is_taken_for_one(folder: Path, lie: Callable[[Path], object]) -> None:
    purged(folder, DEAD)
    lie(folder)
    assert verify(folder, key=log_key) != []
    assert verifier.check_release(verifier.FolderFiles(folder)).findings != []
    with pytest.raises(LicetError):
        words(folder)


def unsigned(folder: Path) -> None:
    """The addendum as it was before version 2: the same words, and nobody's signature."""
    said = purge.decode((folder / "purge-1.json").read_bytes(), "p", log_key).purge
    (folder / "purge-1.json").write_bytes(msgspec.json.encode(said, order="sorted"))


def resigned(folder: Path, seed: bytes, typ: str = purge.TYP) -> None:
    said = purge.decode((folder / "purge-1.json").read_bytes(), "p", log_key).purge
    made = Addendum(purge=said, jws=jws.sign(said.payload(), seed, typ))
    (folder / "purge-1.json").write_bytes(made.data)


def cut(folder: Path) -> None:
    """The signature of another text."""
    honest = purge.decode((folder / "purge-1.json").read_bytes(), "p", log_key)
    other = jws.sign(msgspec.structs.replace(honest.purge, number=2).payload(), LOG_SEED, purge.TYP)
    mixed = ".".join([*honest.jws.split(".")[:2], other.split(".")[2]])
    (folder / "purge-1.json").write_bytes(Addendum(purge=honest.purge, jws=mixed).data)


@pytest.mark.parametrize(
    "lie",
    [
        unsigned,
        lambda folder: resigned(folder, bytes(32)),
        lambda folder: resigned(folder, LOG_SEED, "licet-review+jws"),
        cut,
    ],
)
def test_rows_that_an_addendum_drops_without_the_logs_signature_are_an_error_and_never_complete(
    folder: Path, lie: Callable[[Path], object]
) -> None:
    town = Town(ROWS)
    for ordinal in DEAD:
        town.kill(ordinal)
    purged(folder, DEAD)
    lie(folder)
    with pytest.raises(LicetError, match=r"was not signed by the log|is not a signed addendum"):
        load(folder, town, now=town.clock)
    assert (
        next(c.promise for c in verify(folder, key=log_key) if c.file == "purge-1.json")
        is ReleasePromise.PURGES
    )
    promised, sha256 = manifest.read_manifest(folder)
    with pytest.raises(LicetError, match=r"was not signed by the log|is not a signed addendum"):
        purge.read_chain(folder, promised, sha256, log_key)


def test_without_a_key_to_hold_it_to_no_addendum_is_taken(folder: Path) -> None:
    purged(folder, DEAD)
    found = [c.found for c in verify(folder) if c.promise is ReleasePromise.PURGES]
    assert found == ["the signature cannot be checked: no key of the log was named"]


def test_a_part_that_is_gone_without_an_addendum_is_an_error_while_reading(folder: Path) -> None:
    (folder / "part-00001.parquet").unlink()
    town = Town(ROWS)
    rows = load(folder, town, now=town.clock)
    with pytest.raises(BrokenError, match=r"part-00001\.parquet` cannot be read"):
        list(rows)
    assert not rows.complete


# Stopped anywhere


def stopped_at(step: int, act: Callable[[], object]) -> bool:
    """Whether a child that dies at its nth change of a file died; none of what it would have
    cleaned up is.
    """
    child = os.fork()
    if child == 0:
        left = step

        def dies(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            is_change = event in (
                "os.rename",
                "os.remove",
                "os.rmdir",
                "os.mkdir",
                "os.symlink",
            ) or (event == "open" and isinstance(arguments[1], str) and "w" in arguments[1])
            if is_change:
                left -= 1
                if left == 0:
                    os._exit(9)

        sys.addaudithook(dies)
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_purge_that_is_killed_at_any_step_can_be_read_then_and_goes_on_to_the_same_bytes(
    folder: Path, tmp_path: Path
) -> None:
    whole = shutil.copytree(folder, tmp_path / "whole")
    made, expected = purged(whole, DEAD), words(folder)
    step = 0
    while True:
        step += 1
        copy = shutil.copytree(folder, tmp_path / f"copy-{step}")
        # a default names it
        died = stopped_at(step, lambda copy=copy: bring(copy, made))  # type: ignore[misc]
        assert words(copy) == expected
        is_done = {"croissant.json", "purge-1.json"} & {
            c.file for c in verify(copy, key=log_key)
        } == set()
        found = verify(copy, key=log_key)
        assert (
            found == []
            or not is_done
            or {c.found for c in found} & {UNFINISHED, "not of the release"}
        )
        bring(copy, made)
        assert hashes(copy) == hashes(whole)
        assert verify(copy, key=log_key) == []
        assert not [path for path in copy.iterdir() if path.name.startswith(".")]
        if not died:
            break
    assert step > 8


# At an installation


def test_the_leaf_of_a_purge_has_the_files_own_date_hash_and_rows(house: House) -> None:
    lived_in(house)
    house.about(do.Delete, "ana", "ana-1")
    house.passes(40)
    sweeper.sweep(house.installation)
    purge_release(house.installation, "r")
    data = (house.installation.config.releases / "r" / "purge-1.json").read_bytes()
    said = purge.decode(data, "p", log_key_of(house.installation)).purge
    documents.append(house.installation)
    log = publication.PublishedLog(
        documents.place(house.installation).folder / "2025", documents.key(house.installation)
    )
    leaves = [msgspec.json.decode(entry) for entry in log.entries()]
    (leaf,) = [leaf for leaf in leaves if leaf["t"] == "release_purged"]
    assert leaf["at"] == said.purged_at
    assert leaf["facts"] == {
        "release": said.release,
        "number": 1,
        "rows": 1,
        "sha256": sha256(data).hexdigest(),
    }


def test_an_installation_takes_no_addendum_that_it_did_not_sign_though_the_rows_are_dead(
    house: House,
) -> None:
    lived_in(house)
    house.about(do.Delete, "ana", "ana-1")
    house.passes(40)
    sweeper.sweep(house.installation)
    purge_release(house.installation, "r")
    folder = house.installation.config.releases / "r"
    said = purge.decode(
        (folder / "purge-1.json").read_bytes(), "p", log_key_of(house.installation)
    ).purge
    for lie in (msgspec.json.encode(said, order="sorted"), purge.sign(said, bytes(32)).data):
        (folder / "purge-1.json").write_bytes(lie)
        found = [
            c.promise
            for c in catalog.verify_release(house.installation, "r")
            if c.file == "purge-1.json"
        ]
        assert found[0] is ReleasePromise.PURGES
        for act in (house.rows, lambda name: purge_release(house.installation, name)):
            with pytest.raises(
                LicetError, match=r"was not signed by the log|is not a signed addendum"
            ):
                act("r")


def lived_in(house: House) -> None:
    for name in ("ana", "bo", "cy"):
        house.open(name, allow=True)
        house.talk(name, f"{name}-1")
        house.talk(name, f"{name}-2")
    release_build.build_release(house.installation, name="r", purpose="improve_models")


def test_dead_are_the_rows_whose_keys_were_destroyed_and_not_those_that_were_withdrawn(
    house: House,
) -> None:
    lived_in(house)
    house.choose("bo", False)
    house.about(do.Delete, "ana", "ana-1")
    assert purge_release(house.installation, "r", dry_run=True).rows == 0
    house.passes(40)
    sweeper.sweep(house.installation)
    rows = purge_release(house.installation, "r", dry_run=True).rows
    assert rows == 3  # the deletion, and with bo's grant the time of both chats has come
    folder = house.installation.config.releases / "r"
    before = hashes(folder)
    done = purge_release(house.installation, "r")
    assert (done.rows, done.addendum, done.brought) == (3, "purge-1.json", ())
    assert sorted(set(hashes(folder)) - set(before)) == ["purge-1.json"]
    assert catalog.verify_release(house.installation, "r") == []
    assert len(house.rows("r")) == 3
    again = purge_release(house.installation, "r")
    assert (again.rows, again.addendum) == (0, None)


def test_a_row_key_that_was_leased_and_kept_opens_its_row_after_the_erasure_and_no_other_is_given(
    house: House,
) -> None:
    """The limit that the docs, the card and the page state: a lease cannot be taken back from
    anyone who keeps its keys.
    """
    lived_in(house)
    ((release, ordinal),) = house.query(
        "SELECT release_id, ordinal FROM release_rows WHERE conversation_id = %s",
        house.chats["ana-1"],
    )
    leases = DatabaseLeases(house.installation.pool, house.installation.keyring, house.clock, 1)
    kept = leases.lease(release.bytes, 0, [ordinal]).keys[ordinal]
    house.about(do.Delete, "ana", "ana-1")
    house.passes(40)
    sweeper.sweep(house.installation)
    assert leases.lease(release.bytes, 0, [ordinal]).keys == {}
    with (house.installation.config.releases / "r" / "part-00000.parquet").open("rb") as file:
        (group,) = groups(file)
    place = list(group.ordinals).index(ordinal)
    opened_row = open_row(group.sealed[place], kept, release.bytes, group.row_ids[place])
    assert opened_row.messages[0]["content"] == "ana asks in ana-1"


def test_a_dry_run_touches_nothing(house: House) -> None:
    lived_in(house)
    house.about(do.Delete, "ana", "ana-1")
    house.passes(40)
    sweeper.sweep(house.installation)
    folder = house.installation.config.releases / "r"
    before, dumped = hashes(folder), house.dump()
    assert purge_release(house.installation, "r", dry_run=True).parts == {"part-00000.parquet": 1}
    assert (hashes(folder), house.dump()) == (before, dumped)


def test_any_copy_is_brought_forward_and_a_stranger_checks_it_by_the_log(
    house: House, tmp_path: Path
) -> None:
    lived_in(house)
    folder = house.installation.config.releases / "r"
    copy = shutil.copytree(folder, tmp_path / "copy")
    house.about(do.Delete, "ana", "ana-1")
    house.passes(40)
    sweeper.sweep(house.installation)
    purge_release(house.installation, "r")
    house.about(do.Delete, "cy", "cy-1")
    house.passes(40)
    sweeper.sweep(house.installation)
    assert purge_release(house.installation, "r").rows == 1
    assert purge_release(house.installation, str(copy)).brought == ("purge-1.json", "purge-2.json")
    assert hashes(copy) == hashes(folder)
    documents.append(house.installation)
    own = verifier.trust(documents.key(house.installation).vkey)
    log = verifier.FolderFiles(documents.place(house.installation).folder / "2025")
    report = verifier.check_release(verifier.FolderFiles(copy), own, log)
    assert (report.findings, report.purged) == ([], 2)
    checked = verification.verify(
        copy,
        (documents.key(house.installation).vkey,),
        log=documents.place(house.installation).folder,
    )
    assert checked.broken == ()
    assert "2 rows of it were taken out by purges; their proofs stay" in checked.checked


def test_an_addendum_that_the_log_was_not_told_is_never_proved(house: House) -> None:
    lived_in(house)
    documents.append(house.installation)
    folder = house.installation.config.releases / "r"
    own_key = log_key_of(house.installation)
    promised, sha256 = manifest.read_manifest(folder)
    chain = purge.read_chain(folder, promised, sha256, own_key)
    made = purge.prepare(folder, promised, chain, [0], house.now)
    assert made is not None
    with transaction(house.installation.pool) as tx:
        signed = purge.sign(made, house.installation.keyring.log_seed(tx))
    croissant.write(folder, promised, purge.apply(folder, chain, promised, signed))
    own = verifier.trust(documents.key(house.installation).vkey)
    log = verifier.FolderFiles(documents.place(house.installation).folder / "2025")
    report = verifier.check_release(verifier.FolderFiles(folder), own, log)
    assert (report.answer, "purge-1.json" in [lack.place for lack in report.lacks]) == (
        "not proved",
        True,
    )
    with pytest.raises(BrokenError, match="is not dead"):
        house.rows("r")
    with pytest.raises(BrokenError, match="is not dead"):
        purge_release(house.installation, "r")


def test_a_database_from_before_a_purge_learns_of_it_from_the_folder(house: House) -> None:
    lived_in(house)
    house.about(do.Delete, "ana", "ana-1")
    house.passes(40)
    sweeper.sweep(house.installation)
    purge_release(house.installation, "r")
    told = house.query("SELECT count(*) FROM outbox WHERE entry = 'release_purged'")
    with house.installation.pool.connection() as tx:
        tx.execute("DELETE FROM purges")
    assert catalog.verify_release(house.installation, "r") == []
    assert purge_release(house.installation, "r").rows == 0
    assert house.query("SELECT number FROM purges") == [(1,)]
    assert house.query("SELECT count(*) FROM outbox WHERE entry = 'release_purged'") == told


def test_the_commands_tell_what_is_dead_take_it_out_and_compare(
    pool: Pool, dsn: str, tmp_path: Path
) -> None:
    house = House(pool, tmp_path / "data", at=utc_now())
    lived_in(house)
    runner = CliRunner(env={"LICET_DATABASE_URL": dsn, "LICET_DATA": str(tmp_path / "data")})

    def run(*arguments: str) -> tuple[int, str]:
        result = runner.invoke(main, [*arguments])
        return result.exit_code, result.output

    assert run("release", "purge", "r", "--dry-run") == (
        0,
        "would take out 0 dead rows of 0 parts\n",
    )
    house.about(do.Delete, "ana", "ana-1")
    assert run("erase", "run", "--now")[0] == 0
    code, said = run("release", "purge", "r", "--dry-run", "--json")
    assert (code, json.loads(said)["rows"]) == (2, 1)
    assert "1 more are dead" in run("release", "status", "r")[1]
    code, said = run("release", "purge", "r")
    assert code == 0
    assert "took out 1 dead row of" in said
    assert run("release", "verify", "r")[0] == 0
    assert run("release", "build", "s", "--purpose", "improve_models")[0] == 0
    code, said = run("release", "diff", "r", "s")
    assert code == 2
    assert "~ rows: 6 -> 5" in said
    assert "- 1 rows went" in said
    assert run("release", "diff", "s", "s")[0] == 0
