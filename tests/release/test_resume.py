"""A build that was killed goes on: whatever was written when, the release is the one that would
have been.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from licet.curate import release_build
from licet.curate.pipeline import Pipeline
from licet.curate.plan import plan
from licet.curate.runners import Local
from licet.curate.splits import Shares
from licet.erasure import sweeper
from licet.errors import BusyError
from licet.policy.file import from_document
from licet.policy.state import TurnRole
from licet.release import card, catalog, manifest
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult
from licet.release.part import groups
from licet.service import policy_changes
from licet.store.connect import Pool
from licet.vault import commands as do
from licet.vault.content import Content
from licet.vault.installation import load_policies

from ..erasure.commits import Count, counted
from ..erasure.disk import Crash, Watch
from ..installed import DAY, House
from ..terms import preset
from ..tiers import SIXTEENTH, WHOLE
from .test_build import IMPROVE, Meddling, Stopped, check_whole, ids, sealed_rows, stop


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return lived_in(House(pool, tmp_path / "data"))


def lived_in(house: House) -> House:
    """People who say the same, alike and other things; chats with side threads, of two segments,
    dull and left out.
    """
    for n in range(5):
        name = f"p{n}"
        house.passes(1e-6)  # so that a build reads them in this order
        house.open(name, allow=n != 3)
        house.talk(
            name,
            f"{name}same",
            "what is the tallest tower in the town",
            "the old mill by the river",
        )
        house.talk(name, f"{name}alike", ALIKE.format(n), "so it is")
        house.talk(
            name, f"{name}own", f"question number {n}, write to p{n}@p{n}-mail.net", "answer"
        )
        house.say(
            name, f"{name}own", Content(text=f"look there {n}", thread="agent"), TurnRole.assistant
        )
    house.talk("p0", "dull", "buy this now, buy it\n" * 40, "no")
    house.account(do.SetPlan, "p0", plan="max")
    house.talk("p0", "p0own", "and on", "yes")
    house.about(do.Delete, "p1", "p1own")
    house.passes(1)
    return house


ALIKE = (
    "the ferry leaves from the third quay at six in the morning and comes back at ten in the "
    "evening, but on sundays "
    "it stays where it is and nobody can say why it does so, not even the {}th man who keeps the "
    "keys of the house"
)


def build(
    house: House,
    name: str = "r",
    *,
    pool: Pool | None = None,
    cleaner: Any = None,
    curated: bool = True,
    says: Callable[[str], None] = lambda _line: None,
    progress: Callable[[int], None] = lambda _turns: None,
    afresh: bool = False,
    software: str = "test",
    shares: Shares | None = None,
    **bounds: int,
) -> BuildResult:
    installation, cleaner = house.installation, cleaner or release_build.RuleCleaner()
    order = BuildOrder(
        name=name,
        purpose=IMPROVE,
        folder=installation.config.releases / name,
        software=software,
        afresh=afresh,
    )
    shares = shares or Shares(test=300_000, validation=300_000)
    pipeline = Pipeline(
        plan(cleaner, os.urandom(32), shares=shares), Local(), installation.config.data
    )
    with closing(pipeline):
        return Builder(
            pool or installation.pool,
            installation.keyring,
            load_policies(installation),
            cleaner,
            installation.clock,
            progress,
            curation=pipeline if curated else None,
            says=says,
            **{"rows_per_part": 3, "page_bytes_max": 1, **bounds},
        ).run(order)


def lines(built: BuildResult, name: str) -> list[dict[str, Any]]:
    packed = (built.folder / f"proof/{name}.jsonl.gz").read_bytes()
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]


def told(house: House, built: BuildResult) -> dict[str, Any]:
    """All that two builds of the same have in common: everything but ids, keys, hashes and what
    follows from them.
    """
    promised = built.manifest
    rows = [
        (row["messages"], row["labels"]["split"] if "labels" in row else "")
        for row in catalog.open_release(house.installation, promised.name)
    ]
    candidates = lines(built, "candidates")
    proved = {
        line["ordinal"]: {
            k: line[k]
            for k in ("conversation", "who", "until", "policy_sha256", "sources", "marks")
        }
        for line in lines(built, "rows")
    }
    return {
        "rows": rows,
        "counts": promised.counts,
        "replaced": promised.deidentification.counts,
        "parts": [(part.rows, part.first_ordinal, part.bytes) for part in promised.parts],
        "splits": promised.curation and promised.curation.splits,
        "candidates": {
            c["conversation"]: (c["in"], c["out"], sorted(c["salted"].values())) for c in candidates
        },
        "proved": proved,
        "policies": lines(built, "policies"),
    }


def crashing(
    house: House, dsn: str, before: Callable[[str], object] = lambda _name: None, **bounds: int
) -> Iterator[str]:
    """Builds that die at a commit, then at a later one and so on, by name, until one needs no more.

    Of the commits a run tries each fourth, another run the others: `tests/tiers.py`.
    """
    for commit in part():
        name = f"r{commit}"
        before(name)
        try:
            with closing(counted(dsn, Count(commit, lambda: None))) as pool:
                build(house, name, pool=pool, **bounds)
        except Crash:
            yield name
        else:
            assert commit > 10, "it died too rarely to prove anything"
            return


def part() -> range:
    """The steps of a build at which this run kills it."""
    return range(10_000) if WHOLE else range(SIXTEENTH % 4, 10_000, 4)


def assert_resumed(house: House, built: BuildResult, whole: dict[str, Any]) -> None:
    check_whole(house, built)
    assert told(house, built) == whole
    check_nothing_is_left(house)
    assert not [path.name for path in built.folder.rglob("*") if path.name.startswith(".")]


def check_nothing_is_left(house: House) -> None:
    for table in ("builds", "build_pages", "build_parts", "build_gone"):
        assert house.query(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert house.query("SELECT count(*) FROM secrets WHERE name LIKE 'build%%'") == [(0,)]


SIZES = [
    {"page_bytes_max": 1},
    {"page_bytes_max": 3_000},
    {"rows_per_part": 1},
    {"page_bytes_max": 10**9},
]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_build_killed_before_any_of_its_commits_goes_on(
    house: House, dsn: str, size: dict[str, int]
) -> None:
    whole = told(house, build(house, "whole", **size))
    assert whole["counts"].dropped.keys() >= {"declined", "deleted", "duplicate", "low_quality"}
    resumed = []
    for name in crashing(house, dsn, **size):
        if house.query("SELECT 1 FROM releases WHERE name = %s AND state = 'sealed'", name):
            release_build.build_release(
                house.installation, name=f"{name}-after", purpose=IMPROVE
            )  # clears away what the seal left
            check_nothing_is_left(house)
            continue
        built = build(house, name, **size)
        assert_resumed(house, built, whole)
        resumed.append(built.resumed_from)
    kinds = 1 if size.get("page_bytes_max", 1) > 3_000 else 2
    assert len(set(resumed)) > (kinds if WHOLE else 1)


def test_a_build_killed_before_any_change_of_its_files_goes_on(house: House) -> None:
    whole = told(house, build(house, "whole"))
    folder = house.installation.config.releases
    resumed = set()
    with Watch(folder) as watch:
        for step in part():
            name = f"r{step}"
            watch.record(crash_at=step)
            try:
                build(house, name)
            except Crash:
                watch.mood = "quiet"
            else:
                break
            built = build(house, name)
            assert_resumed(house, built, whole)
            resumed.add(built.resumed_from)
    assert step > 50 and len(resumed) > (3 if WHOLE else 1)


def test_a_build_killed_again_while_it_is_taken_up_goes_on(house: House, dsn: str) -> None:
    whole = told(house, build(house, "whole"))
    for name in crashing(house, dsn, lambda name: killed(house, 8, name)):
        if not house.query("SELECT 1 FROM releases WHERE name = %s AND state = 'sealed'", name):
            assert_resumed(house, build(house, name), whole)


def test_a_part_that_is_torn_when_rows_have_gone_already_is_made_again(
    house: House, dsn: str
) -> None:
    """Killed anywhere, while duplicates go too: rows that went before the part stay gone, those
    behind it go again.
    """
    whole, torn_parts = told(house, build(house, "whole")), 0
    for crash, name in enumerate(crashing(house, dsn)):
        path = house.installation.config.releases / name / f"part-{crash % 3:05d}.parquet"
        if path.exists() and not house.query(
            "SELECT 1 FROM releases WHERE name = %s AND state = 'sealed'", name
        ):
            torn_parts += 1
            torn(path)
            built = build(house, name)
            check_whole(house, built)
            assert told(house, built) == whole
    assert torn_parts > (5 if WHOLE else 0)


def test_what_ends_after_a_kill_at_many_commits_is_in_no_part(house: House, dsn: str) -> None:
    crashed = 0
    for commit in range(8, 60, 3):
        name, chat = f"r{commit}", f"x{commit}"
        house.talk("p4", chat, f"something about {chat}", "indeed")
        with closing(counted(dsn, Count(commit, lambda: None))) as pool, suppress(Crash):
            build(house, name, pool=pool)
        house.about(do.Delete, "p4", chat)
        if house.query("SELECT 1 FROM releases WHERE name = %s AND state = 'sealed'", name):
            break
        crashed += 1
        check_whole(house, build(house, name))
        assert lying(house, name) == ids(house, name)
        assert house.chats[chat] not in {row.conversation for row in sealed_rows(house, name)}
    assert crashed > 8


KILLED = """
import sys, time
from licet.curate import release_build
from licet.release import decision_pages
from licet.vault.installation import open_installation
from licet.config import Configuration, Curate
from licet.policy.period import instant
from licet.release import build
from licet.release import catalog

class Slow(release_build.RuleCleaner):
    def clean(self, texts, key):
        print("cleaning", flush=True)
        time.sleep(0.02)
        return super().clean(texts, key)

release_build.RuleCleaner = Slow
decision_pages.PAGE_BYTES_MAX = build.ROWS_PER_PART = 1
defaults = build.Builder.__init__.__kwdefaults__
defaults["rows_per_part"], defaults["page_bytes_max"] = 2, 1
from pathlib import Path
config = Configuration(data=Path(sys.argv[1]), database_url=sys.argv[2], curate=Curate(names="off"))
with open_installation(config, lambda: instant("2025-09-02")) as installation:
    release_build.build_release(installation, name="r", purpose="improve_models", says=lambda line: print(line, flush=True))
"""


@contextmanager
def building(house: House, dsn: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", KILLED, str(house.installation.config.data), dsn]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        yield child


def test_a_process_that_is_killed_over_and_over_gets_there(house: House, dsn: str) -> None:
    bounds = {"rows_per_part": 2, "shares": Shares()}
    whole = told(house, build(house, "whole", **bounds))
    lives, said = 0, []
    while not house.query("SELECT 1 FROM releases WHERE name = 'r' AND state = 'sealed'"):
        lives += 1
        with building(house, dsn) as child:
            assert child.stdout is not None
            cleaned = 0
            for line in child.stdout:
                said += [line.strip()] if line != "cleaning\n" else []
                cleaned += line == "cleaning\n"
                if cleaned == 4 and lives < 30:
                    with pytest.raises(BusyError, match="is being built already"):
                        build(house)
                    time.sleep(0.01 * (lives % 3))
                    child.send_signal(signal.SIGKILL)
        time.sleep(0.2)  # the server notices that its client is gone a moment later
    built = BuildResult(
        folder=house.installation.config.releases / "r",
        manifest=manifest.read_manifest(house.installation.config.releases / "r")[0],
        lock_seconds=0,
    )
    starts = [
        int(line.removeprefix("resumed from part ")) for line in said if line.startswith("resumed")
    ]
    assert lives > 3 and starts == sorted(starts) and len(set(starts)) > 2, said
    assert {key: told(house, built)[key] for key in ("rows", "counts", "proved")} == {
        key: whole[key] for key in ("rows", "counts", "proved")
    }


# What changes in between


def killed(house: House, nth: int = 9, name: str = "r", **bounds: int) -> set[bytes]:
    """A build that was killed while it made its ``nth`` row; the ids of rows that lie in its
    parts.
    """
    with pytest.raises(Stopped):
        build(house, name, cleaner=Meddling(stop, nth), **bounds)
    return lying(house, name)


def lying(house: House, name: str = "r") -> set[bytes]:
    found = set()
    for path in sorted((house.installation.config.releases / name).glob("part-*.parquet")):
        with path.open("rb") as file:
            found |= {row_id for group in groups(file) for row_id in group.row_ids}
    return found


def withdraws(house: House) -> None:
    house.choose("p0", False)


def deletes(house: House) -> None:
    house.about(do.Delete, "p0", "p0own")


def deletes_and_sweeps(house: House) -> None:
    house.account(do.CloseAccount, "p0")
    house.passes(40)
    sweeper.sweep(house.installation)


def goes_on(house: House) -> None:
    house.talk("p0", "p0own", "one more thing", "yes")
    house.say("p0", "p0own", Content(text="and there", thread="agent"), TurnRole.assistant)


@pytest.mark.parametrize("ends", [withdraws, deletes, deletes_and_sweeps, goes_on])
def test_what_ends_between_the_kill_and_the_resume_is_in_no_part(
    house: House, ends: Callable[[House], None]
) -> None:
    before = killed(house)
    assert before
    ends(house)
    built = build(house)
    check_whole(house, built)
    assert built.resumed_from is not None
    assert lying(house) == ids(house)
    fresh = build(house, "fresh")
    ours = {key: told(house, built)[key] for key in ("rows", "proved")}
    if ends is not goes_on:
        mine = Counter(json.dumps(messages) for messages, _ in ours["rows"])
        assert mine == Counter(json.dumps(messages) for messages, _ in told(house, fresh)["rows"])
    else:
        assert [
            m for messages, _ in ours["rows"] for m in messages if m["content"] == "one more thing"
        ] == []
    assert not {row["content"] for messages in house.rows("r") for row in messages} & {
        "one more thing",
        *(["question number 0"] if ends is not goes_on else []),
    }


def test_what_the_draft_keeps_opens_for_nobody_without_its_secret(house: House) -> None:
    killed(house)
    dump = "\n".join(
        row for table in ("build_pages", "build_parts", "builds") for row in house.dump()[table]
    )
    assert "low_quality" not in dump and "question" not in dump
    house.query("DELETE FROM secrets WHERE name LIKE 'build%%' RETURNING 1")
    house.installation.keyring._known.clear()
    said: list[str] = []
    check_whole(house, build(house, says=said.append))
    assert said == ["starts over: nothing of the unfinished build was kept"]


def next_version(house: House) -> None:
    document = preset("article-2025").document()
    effective = (house.now + DAY).isoformat()
    policy_changes.apply_policy(
        house.installation,
        from_document({**document, "version": "next", "effective": effective, "decide_by": None}),
        actor="test",
    )
    house.passes(2)


def a_year_passes(house: House) -> None:
    house.now += timedelta(days=150)
    for n in (0, 1, 2, 4):
        house.choose(f"p{n}", True)


@pytest.mark.parametrize(
    ("change", "how", "why"),
    [
        (next_version, {}, "another policy version is in force"),
        (a_year_passes, {}, "a new year began, which has a new log"),
        (lambda _: None, {"software": "other"}, "the software version differs"),
        (lambda _: None, {"rows_per_part": 4}, "the part size differs"),
        (lambda _: None, {"shares": Shares(test=1, validation=1)}, "the curation plan differs"),
        (lambda _: None, {"curated": False}, "the curation plan differs"),
        (lambda _: None, {"afresh": True}, "--afresh was given"),
    ],
)
def test_a_build_that_would_be_another_starts_over_and_says_why(
    house: House, change: Callable[[House], None], how: dict[str, Any], why: str
) -> None:
    before = killed(house)
    change(house)
    said: list[str] = []
    built = build(house, says=said.append, **how)
    check_whole(house, built)
    assert said == [f"starts over: {why}"] and built.resumed_from is None
    assert not before & lying(house)
    assert house.query("SELECT count(*) FROM releases") == [(1,)]
    check_nothing_is_left(house)


# Files that are not what was written


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def tampered(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("harm", [torn, tampered, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_part_that_is_not_what_was_written_is_made_again(
    house: House, harm: Callable[[Path], object], number: int
) -> None:
    whole = told(house, build(house, "whole"))
    killed(house, 12)
    path = house.installation.config.releases / "r" / f"part-{number:05d}.parquet"
    assert path.exists()
    harm(path)
    built = build(house)
    assert_resumed(house, built, whole)
    assert built.resumed_from is None or built.resumed_from <= number


def test_parts_that_changed_places_are_made_again(house: House) -> None:
    whole = told(house, build(house, "whole"))
    killed(house, 12)
    folder = house.installation.config.releases / "r"
    one, other = folder / "part-00000.parquet", folder / "part-00001.parquet"
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    assert_resumed(house, build(house), whole)


def test_progress_begins_with_what_was_kept(house: House) -> None:
    killed(house)
    told_first: list[int] = []
    said: list[str] = []
    built = build(house, progress=told_first.append, says=said.append)
    assert said == [f"resumed from part {built.resumed_from}"]
    assert told_first[0] > 2 and sum(told_first) == built.manifest.counts.candidates


def test_a_build_that_is_taken_up_opens_no_kept_row_to_clean_it(house: House) -> None:
    class Counting(release_build.RuleCleaner):
        cleaned = 0

        def clean(
            self, texts: Sequence[str], key: bytes
        ) -> tuple[Sequence[str], Mapping[str, int]]:
            Counting.cleaned += 1
            return super().clean(texts, key)

    build(house, "whole", cleaner=Counting())
    once, Counting.cleaned = Counting.cleaned, 0
    killed(house, 12)
    built = build(house, cleaner=Counting())
    assert built.resumed_from in (2, 3), (
        "a page of two rows may lie across the border of the third part"
    )
    assert Counting.cleaned <= once - 3 * built.resumed_from, "whole parts of three rows"
    assert (built.folder / card.FILE).exists()
