"""What lies outside the database is altered by somebody without the key: no decision changes in
silence, nothing is stuck.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from bench._altered import BYTES, OF_A_JOURNAL, JournalParts
from bench._altered_world import AlteredWorld, Judged, Verdict, altered_world
from click.testing import CliRunner

from licet import doctor
from licet.backup import archives
from licet.backup.log_union import RestoreFinish
from licet.cli.command import main
from licet.curate import release_build
from licet.doctor import FindingState
from licet.errors import BrokenError, ContradictedError, LicetError, RefusedError
from licet.keys import fence
from licet.keys.restriction_journal import Restriction, RestrictionKind
from licet.policy.decide import DecisionReason
from licet.policy.file import from_document
from licet.proof import documents
from licet.service import policy_changes
from licet.store import embedded
from licet.store.bucket import Bucket
from licet.store.connect import Pool, transaction
from licet.vault.installation import open_installation

from .. import seaweed
from ..buckets import HeldBucket
from ..installed import BEGIN
from ..terms import preset
from ..tiers import WHOLE, share
from .test_backup import DAY, Home, Place, place, talk

__all__ = ["place"]

RUNS = int(os.environ.get("TESTS_ALTERATIONS") or (share(10_000) if WHOLE else 120))
SEED = int(os.environ.get("TESTS_SEED", "1"))
# Of a hundred runs: what is altered, and where it lies.
SHARES = {
    "journal in a folder": 50,
    "journal in a bucket": 24,
    "log": 16,
    "log state": 8,
    "journal in S3": 2,
}


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AlteredWorld, Pool]]:
    with altered_world(tmp_path_factory.mktemp("altered") / "world") as made:
        yield made


def test_what_is_not_altered_is_restored_as_it_was(altered: tuple[AlteredWorld, Pool]) -> None:
    world, _ = altered
    assert world.truth == world.lived
    assert set(world.truth.values()) == {True, False}


def of_journals(
    world: AlteredWorld, pool: Pool, share: str, bucket: Bucket | None
) -> Iterator[Judged]:
    artefact = share if share.startswith("log") else "journal"
    kinds = sorted(OF_A_JOURNAL if artefact == "journal" else BYTES)
    for number in range(
        max(len(kinds), RUNS * SHARES[share] // 100)
        if RUNS >= 1_000
        else RUNS * SHARES[share] // 100
    ):
        yield world.judge(
            pool, artefact, kinds[(number + SEED) % len(kinds)], SEED * 1_000_000 + number, bucket
        )


def check(runs: Iterator[Judged]) -> Counter[Verdict]:
    found: Counter[Verdict] = Counter()
    for run in runs:
        found[run.verdict] += 1
        assert run.verdict not in (Verdict.silent, Verdict.stuck), f"TESTS_SEED={SEED}: {run}"
    return found


@pytest.mark.parametrize("share", ["journal in a folder", "log", "log state"])
def test_no_alteration_of_journal_or_log_in_folders_changes_a_decision_in_silence(
    altered: tuple[AlteredWorld, Pool], share: str
) -> None:
    print(f"TESTS_SEED={SEED}", found := check(of_journals(*altered, share, None)))
    assert found[Verdict.refused] > 0


def test_no_alteration_of_a_bucket_changes_a_decision_in_silence(
    altered: tuple[AlteredWorld, Pool],
) -> None:
    print(
        f"TESTS_SEED={SEED}",
        found := check(of_journals(*altered, "journal in a bucket", HeldBucket())),
    )
    assert found[Verdict.refused] > 0


def test_no_alteration_of_an_s3_service_changes_a_decision_in_silence(
    altered: tuple[AlteredWorld, Pool], tmp_path: Path
) -> None:
    with seaweed.running(tmp_path) as server:
        told = {
            "endpoint": server.endpoint,
            "region": "us-east-1",
            "access_key_id": "ana",
            "secret_access_key": seaweed.SECRET,
            "client_options": {"allow_http": True},
        }
        bucket = Bucket("s3://licet/altered", told)
        assert check(of_journals(*altered, "journal in S3", bucket)).total() > 1


# The attacks of which it is known that they once undid a withdrawal


def change_record(kind: str, /, **more: object) -> Callable[[Path], None]:
    """The record of that kind says something else."""

    def change(folder: Path) -> None:
        parts = JournalParts(folder)
        for part, at in parts.all():
            frame = parts.frames[part][at]
            record = json.loads(frame.payload)
            if record["kind"] == kind:
                told = record | more
                parts.frames[part][at] = frame._replace(
                    payload=json.dumps(told, sort_keys=True).encode()
                )
        parts.write()

    return change


def drop_record(folder: Path) -> None:
    parts = JournalParts(folder)
    for part, frames in enumerate(parts.frames):
        parts.frames[part] = [
            frame for frame in frames if json.loads(frame.payload)["kind"] != "refused"
        ]
    parts.write()


def add_record(**told: object) -> Callable[[Path], None]:
    def add(folder: Path) -> None:
        parts = JournalParts(folder)
        last = parts.frames[-1][-1]
        parts.frames[-1].append(
            last._replace(number=last.number + 1, payload=json.dumps(told, sort_keys=True).encode())
        )
        parts.write()

    return add


def policy_for(recipient: str) -> str:
    return json.dumps(
        preset("article-2025").document() | {"recipients": [recipient], "version": "2025-09-09"},
        default=str,
    )


ATTACKS: dict[str, Callable[[Path], None]] = {
    "another account": change_record("refused", account="0190f3a4-c2d8-7b6e-9a51-c3d4e5f60718"),
    "another kind": change_record("refused", kind="backup"),
    "taken out": drop_record,
    "forged policy": add_record(
        kind="policy",
        life=0,
        seq=1,
        at="2025-09-03T00:00:00Z",
        by="x",
        document=policy_for("databroker"),
    ),
    "forged policy of the past": add_record(
        kind="policy",
        life=0,
        seq=1,
        at="2025-08-01T00:00:00Z",
        by="x",
        document=policy_for("databroker"),
    ),
    "forged life": add_record(kind="life", life=2**31, at="2025-09-03T00:00:00Z"),
}


@pytest.mark.parametrize("attack", [*ATTACKS, "forged closure"])
def test_a_forged_record_is_named_and_nothing_is_restored_until_the_operator_finishes(
    place: Place, attack: str
) -> None:
    home, folder = talk(place)
    forge = add_record(
        kind="closed", life=0, seq=99, at="2025-09-03T00:00:00Z", account=str(home.accounts["fay"])
    )
    ATTACKS.get(attack, forge)(place.config.journal)
    with pytest.raises(BrokenError, match=r"the restriction journal was changed .* record"):
        archives.restore(place.config, folder, place.clock)
    with (
        open_installation(place.config, place.clock, behind_fence=True) as installation,
        transaction(installation.pool) as tx,
    ):
        assert not fence.is_standing(tx), "nothing was changed"
    with (
        pytest.raises(BrokenError, match="record"),
        open_installation(place.config, place.clock),
    ):
        pass
    environment = {"LICET_DATA": str(place.config.data)}
    dry = CliRunner(env=environment).invoke(
        main, ["restore", str(folder), "--finish", "narrow", "--dry-run", "--json"]
    )
    assert json.loads(dry.stdout)["unfit"], dry.output
    done = CliRunner(env=environment).invoke(
        main, ["restore", str(folder), "--finish", "narrow", "--json"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["unfit"]
    assert told["withdrawn"] > 0
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, home)
        assert again.decided("ben-chat") is DecisionReason.withdrawn
        assert again.decided("fay-chat") in (DecisionReason.withdrawn, DecisionReason.closed)
        assert {f.what: f for f in doctor.examine(installation)}[
            "restriction journal"
        ].state is not FindingState.broken
        again.choose("fay", True)
        again.choose("fay", False)
        kept = archives.back_up(installation, place.backups)
    assert archives.restore(place.config, kept.folder, place.clock).unfit == (), (
        "what was finished is not told again"
    )


def test_the_doctor_names_the_record_of_a_running_installation_that_does_not_fit(
    place: Place,
) -> None:
    talk(place)
    with open_installation(place.config, place.clock) as installation:
        found = {finding.what: finding for finding in doctor.examine(installation)}[
            "restriction journal"
        ]
        assert found.state is FindingState.well
        ATTACKS["another account"](place.config.journal)
        found = {finding.what: finding for finding in doctor.examine(installation)}[
            "restriction journal"
        ]
        assert found.state is FindingState.broken
        assert re.search(r"record \d+, in `00000001.log`: not as it was written", found.seen)
        assert "--finish narrow" in found.mend


def test_a_journal_that_lost_its_end_is_made_up_for_by_the_log_on_a_new_machine(
    place: Place,
) -> None:
    """The database is lost too, so that only the backup and the log remember how far the journal
    had come.
    """
    home, folder = talk(place)
    embedded.stop(place.config.data / "postgres")
    shutil.rmtree(place.config.data / "postgres")
    parts = JournalParts(place.config.journal)
    # the policy, the backup
    parts.frames[0] = [frame for frame in parts.frames[0] if frame.number <= 2]
    parts.write()
    with pytest.raises(
        RefusedError, match=r"neither .* explains entry \d+ of the log of 2025"
    ) as refused:
        archives.restore(place.config, folder, place.clock)
    assert refused.value.because == "unexplained"
    done = archives.restore(place.config, folder, place.clock, finish=RestoreFinish.narrow)
    assert done.from_log == {"closed": 1, "deleted": 1, "narrowed": 1, "refused": 1, "unflagged": 1}
    assert done.withdrawn == 2, "eva, whose plan is lost, and fay, whose hold is"
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, home)
        expected = {
            "ana": "deleted", "ben": "withdrawn", "cem": "narrowed", "dia": "closed", "eva": "withdrawn", "fay": "withdrawn"
        }  # fmt: skip
        assert {name: again.decided(f"{name}-chat").value for name in expected} == expected


def test_a_record_that_could_widen_is_not_applied_where_the_log_lacks_its_leaf(
    place: Place,
) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    with open_installation(place.config, place.clock) as installation:
        home = Home(installation, place)
        for name in ("ana", "ben"):
            home.open(name, allow=True)
            home.talk(name, f"{name}-chat")
        folder = archives.back_up(installation, place.backups).folder
        documents.append(installation)
        place.now += DAY
        journal = installation.keyring.restrictions
        assert journal is not None
        journal.append(
            [
                Restriction(
                    life=0,
                    kind=RestrictionKind.plan,
                    at=place.now,
                    account=home.accounts["ana"],
                    seq=99,
                    plan="max",
                )
            ]
        )
    done = archives.restore(place.config, folder, place.clock)
    assert (done.applied, done.withdrawn) == ({}, 1)
    with open_installation(place.config, place.clock) as installation:
        again = Home(installation, place, home)
        assert again.decided("ana-chat") is DecisionReason.withdrawn
        assert again.decided("ben-chat") is DecisionReason.permitted
        assert again.query("SELECT DISTINCT plan FROM accounts") == [("pro",)]


def test_a_policy_that_the_log_lacks_is_refused_until_the_operator_finishes(place: Place) -> None:
    home, folder = talk(place)
    with open_installation(place.config, place.clock) as installation:
        later = preset("article-2025").document() | {
            "version": "2025-12-01",
            "effective": "2025-12-01",
            "decide_by": None,
        }
        policy_changes.apply_policy(installation, from_document(later), actor="test")
    with pytest.raises(RefusedError, match="policy version 1"):
        archives.restore(place.config, folder, place.clock)
    done = archives.restore(place.config, folder, place.clock, finish=RestoreFinish.narrow)
    assert "policy" not in done.applied
    with open_installation(place.config, place.clock) as installation:
        assert Home(installation, place, home).decided("fay-chat") is DecisionReason.withdrawn


# Backups and releases


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def altered_files(folder: Path, count: int) -> Iterator[tuple[str, Path]]:
    """Copies of a folder, each altered in one way."""
    for number in range(count):
        draw = random.Random(f"files/{SEED}/{number}")
        target = folder.with_name("altered")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target)
        what = BYTES[sorted(BYTES)[number % len(BYTES)]](draw, target)
        if contents(target) != contents(folder):
            yield what, target


def test_no_alteration_of_a_backup_is_verified(altered: tuple[AlteredWorld, Pool]) -> None:
    world, _ = altered
    tried = 0
    for what, target in altered_files(world.folder, max(60, RUNS // 10)):
        with pytest.raises((ContradictedError, RefusedError, LicetError)):
            archives.verify(world.config, target)
            raise AssertionError(f"TESTS_SEED={SEED}: {what} was verified")
        tried += 1
    assert tried > 30


def test_no_alteration_of_a_release_gives_other_rows(place: Place) -> None:
    embedded.start(place.config.data / "postgres", embedded.Options(durable=False))
    place.now = BEGIN
    with open_installation(place.config, place.clock) as installation:
        home = Home(installation, place)
        for name in ("ana", "ben", "cem"):
            home.open(name, allow=True)
            home.talk(name, f"{name}-chat")
        release_build.build_release(installation, name="one", purpose="improve_models")
        home.choose("cem", False)
        rows = home.rows("one")
        folder = installation.config.releases / "one"
        kept = folder.with_name("kept")
        folder.rename(kept)
        refused = 0
        for what, target in altered_files(kept, max(30, RUNS // 20)):
            shutil.rmtree(folder, ignore_errors=True)
            target.rename(folder)
            found: list[object] = []
            with suppress(LicetError):
                found = list(home.rows("one"))
            assert all(row in rows for row in found), f"TESTS_SEED={SEED}: {what}"
            refused += not found
        assert refused > 5
