"""Several processes build what one builds, byte for byte; whichever of them is killed, nothing is
lost or made twice.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import psutil
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from licet.config import Configuration, Curate
from licet.curate import release_build, runners
from licet.curate.pipeline import Pipeline
from licet.curate.plan import CurationPlan, plan
from licet.curate.runners import Local, Runner
from licet.curate.splits import Shares
from licet.errors import BusyError, LicetError, UsageError
from licet.keys.keyring import Keyring
from licet.release import catalog
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult
from licet.release.build_workers import Crew, Processes, WorkerSettings
from licet.release.page_builder import PAGES_LOCK
from licet.store.connect import Pool, transaction
from licet.vault import commands as do
from licet.vault.installation import load_policies

from ..installed import House
from ..meanwhile import WAITERS
from ..waiting import wait_until
from .test_base import files_of, forget
from .test_build import IMPROVE, check_whole, ids, sealed_rows
from .test_resume import check_nothing_is_left, lived_in, lying, told

SHARES = Shares(test=300_000, validation=300_000)
ON_THIS_MACHINE = Processes((release_build.WORKER_START,))


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return lived_in(House(pool, tmp_path / "data"))


def build(
    house: House,
    name: str = "r",
    *,
    workers: int = 2,
    seed: int | None = None,
    base: str | None = None,
    progress: Callable[[int], None] = lambda _turns: None,
    says: Callable[[str], None] = lambda _line: None,
    engine: Runner | None = None,
    scorers: Sequence[Any] = (),
    crew: Crew = ON_THIS_MACHINE,
    **bounds: int,
) -> BuildResult:
    installation, cleaner = house.installation, release_build.RuleCleaner()
    order = BuildOrder(
        name=name,
        purpose=IMPROVE,
        folder=installation.config.releases / name,
        software="test",
        base=catalog.find_release(installation, base) if base is not None else None,
    )
    made = plan(cleaner, os.urandom(32), shares=SHARES, scorers=scorers)
    keyring = (
        installation.keyring
        if seed is None
        else Keyring(installation.keyring.provider, Random(seed).randbytes)
    )
    with closing(Pipeline(made, engine or Local(), installation.config.data)) as pipeline:
        return Builder(
            installation.pool,
            drawn(keyring) if seed is not None else keyring,
            load_policies(installation),
            cleaner,
            installation.clock,
            progress,
            curation=pipeline,
            says=says,
            workers=WorkerSettings(count=workers, config=installation.config, crew=crew),
            **{"rows_per_part": 3, "page_bytes_max": 1, **bounds},
        ).run(order)


def drawn(keyring: Keyring) -> Keyring:
    """Draws each kind of random bytes, told by its length, from its own source: a worker draws its
    nonces itself.
    """
    sources = [Random(length).randbytes for length in range(65)]
    return Keyring(keyring.provider, lambda length: sources[length](length))


def test_the_release_is_the_same_byte_for_byte_whatever_the_number_of_workers(house: House) -> None:
    files = {}
    for workers in (1, 2, 3):
        built = build(house, workers=workers, seed=1)
        check_whole(house, built)
        check_nothing_is_left(house)
        files[workers] = files_of(built)
        assert {"duplicate", "low_quality"} <= built.manifest.counts.dropped.keys()
        assert len(built.manifest.parts) > 2
        forget(house, "r")
        built.folder.rename(built.folder.with_name(f"of-{workers}"))
    assert files[1] == files[2] == files[3]


class Travelling:
    """Runs a plan as a worker of Ray does: the plan arrives pickled and the batch sealed, and goes
    back sealed.
    """

    def run(
        self, plan: CurationPlan, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            key = os.urandom(32)
            sealed = AESGCM(key).encrypt(runners._NONCE, runners._written(batch), None)
            made = runners._curated(pickle.loads(pickle.dumps(plan)), sealed, key)
            yield runners._read(AESGCM(key).decrypt(runners._NONCE_BACK, made, None))

    def close(self) -> None:
        """There is nothing to let go of."""


def test_what_curates_on_a_cluster_gives_the_bytes_that_workers_give(house: House) -> None:
    built = build(house, workers=2, seed=1)
    by_workers = files_of(built)
    built.folder.rename(built.folder.with_name("by-workers"))
    forget(house, "r")
    assert files_of(build(house, workers=1, seed=1, engine=Travelling())) == by_workers


def test_actors_of_a_cluster_build_what_processes_build_though_one_is_killed(
    house: House, dsn: str
) -> None:
    """On two nodes of Ray, by `on_cluster.py`, in a process of its own: an engine leaves threads
    and warnings behind.
    """
    if importlib.util.find_spec("ray") is None:
        assert os.environ.get("CI") != "true", (
            "CI installs the extra `cluster`, but `ray` is missing"
        )
        pytest.skip("`ray` is not installed: install the extra `cluster`")

    def files(folder: Path) -> dict[Path, bytes]:
        return {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    built = build(house, workers=2, seed=1)
    by_processes = built.folder.rename(built.folder.with_name("by-processes"))
    forget(house, "r")
    script = Path(__file__).parent / "on_cluster.py"
    command = [
        sys.executable,
        str(script),
        str(house.installation.config.data),
        dsn,
        house.now.isoformat(),
    ]
    child = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert child.returncode == 0, child.stderr[-4000:]
    steps = ["too-few", "killed", "resumed", "built"]
    # Ray says something between them
    assert [line for line in child.stdout.splitlines() if line in steps] == steps
    check_nothing_is_left(house)
    assert files(built.folder) == files(by_processes)


def test_rows_carried_from_a_base_are_the_same_by_workers(house: House) -> None:
    build(house, "base", workers=1)
    house.talk("p2", "p2more", "a question that came since", "and its answer")
    built = build(house, base="base", seed=1)
    check_whole(house, built)
    base = built.manifest.base
    assert base is not msgspec.UNSET and base.carried and base.rebuilt
    built.folder.rename(built.folder.with_name("by-workers"))
    files = files_of(msgspec.structs.replace(built, folder=built.folder.with_name("by-workers")))
    forget(house, "r")
    assert files == files_of(build(house, workers=1, seed=1))


# What happens meanwhile


def test_what_ends_while_workers_build_is_in_no_part(house: House) -> None:
    pages = 0

    def ends(_turns: int) -> None:
        nonlocal pages
        pages += 1
        if pages == 3:
            house.choose("p0", False)
        if pages == 5:
            house.account(do.CloseAccount, "p2")

    built = build(house, progress=ends)
    check_whole(house, built)
    rows = sealed_rows(house, "r")
    assert rows and not {row.account for row in rows} & {house.accounts["p0"], house.accounts["p2"]}
    assert lying(house) == ids(house)


def test_the_arguments_of_a_worker_name_no_database_and_no_key(house: House, dsn: str) -> None:
    lines: dict[int, str] = {}

    def looks(_turns: int) -> None:
        for child in psutil.Process().children(recursive=True):
            lines[child.pid] = " ".join(child.cmdline())

    build(house, progress=looks)
    workers = {pid: line for pid, line in lines.items() if "forkserver" in line}
    assert len(workers) >= 3, "two, and the process that they are forked from"
    assert not [
        line
        for line in workers.values()
        if dsn in line or str(house.installation.config.data) in line
    ]


def test_a_build_waits_for_the_page_that_a_worker_of_a_killed_one_still_makes(
    house: House, pool: Pool
) -> None:
    made: list[BuildResult] = []
    with transaction(pool) as tx:
        tx.execute("SELECT pg_advisory_xact_lock_shared(%s, hashtext('r'))", [PAGES_LOCK])
        waits = threading.Thread(target=lambda: made.append(build(house, workers=1)))
        waits.start()
        wait_until(
            lambda: house.query(WAITERS),
            "the build waits",
            alive=waits.is_alive,
        )
        assert not house.query("SELECT 1 FROM releases")
    waits.join()
    check_whole(house, made[0])


# Killed


@pytest.mark.parametrize("pages", [1, 6])
def test_a_build_whose_worker_is_killed_says_so_and_resumes(house: House, pages: int) -> None:
    whole = told(house, build(house, "whole", workers=1))
    left = pages

    def kills(_turns: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    with pytest.raises(
        BusyError, match="a worker process of the build was ended by `SIGKILL`"
    ) as caught:
        build(house, progress=kills)
    assert "resumes" in caught.value.hint
    assert multiprocessing.active_children() == []
    built = build(house)
    check_whole(house, built)
    check_nothing_is_left(house)
    assert told(house, built) == whole


def test_a_build_whose_workers_cannot_be_forked_says_so_and_the_next_one_can(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def servers() -> list[psutil.Process]:
        return [
            one
            for one in psutil.Process().children()
            if is_alive(one) and "forkserver" in " ".join(one.cmdline())
        ]

    (tmp_path / "ends_at_once.py").write_text("raise SystemExit(1)")
    monkeypatch.syspath_prepend(tmp_path)
    for one in servers():
        one.kill()
    wait_until(lambda: not servers(), "the process that workers are forked from ends")
    with pytest.raises(BusyError, match="the process that workers are forked from has ended"):
        build(house, crew=Processes(("ends_at_once",)))
    check_whole(house, build(house))


KILLED = """
import sys
from pathlib import Path
from licet.config import Configuration, Curate
from licet.curate import release_build
from licet.policy.period import instant
from licet.release import build
from licet.vault.installation import open_installation

defaults = build.Builder.__init__.__kwdefaults__
defaults["rows_per_part"], defaults["page_bytes_max"] = 2, 1
config = Configuration(data=Path(sys.argv[1]), database_url=sys.argv[2], curate=Curate(names="off"))
with open_installation(config, lambda: instant("2025-09-02")) as installation:
    release_build.build_release(
        installation, name="r", purpose="improve_models", workers=2,
        progress=lambda _: (print("page", flush=True), sys.stdin.readline()),
    )
"""


def is_alive(program: psutil.Process) -> bool:
    try:
        return program.is_running() and program.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_workers_end_with_a_build_that_is_killed_and_any_number_of_them_goes_on(
    house: House, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = Builder.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "rows_per_part", 2)
    monkeypatch.setitem(defaults, "page_bytes_max", 1)
    config = Configuration(data=house.installation.config.data, curate=Curate(names="off"))
    installation = msgspec.structs.replace(house.installation, config=config)
    whole = told(house, release_build.build_release(installation, name="whole", purpose=IMPROVE))
    for pages in (3, 9):
        command = [sys.executable, "-c", KILLED, str(config.data), dsn]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            for page in range(pages):
                assert child.stdout.readline() == "page\n"
                if page < pages - 1:  # it stands still at the last one
                    print(file=child.stdin, flush=True)
            begun = psutil.Process(child.pid).children(recursive=True)
            workers = [one for one in begun if "forkserver" in " ".join(one.cmdline())]
            child.kill()
        assert len(workers) == 3, "two, and the process that they are forked from"
        # called before the next turn of the loop
        wait_until(lambda: not any(map(is_alive, workers)), "the workers end")  # noqa: B023
        assert house.query("SELECT 1 FROM build_pages"), (
            "a page is committed when the third asks for its rows"
        )
    built = release_build.build_release(installation, name="r", purpose=IMPROVE, workers=3)
    check_whole(house, built)
    check_nothing_is_left(house)
    assert told(house, built) == whole
    assert built.resumed_from


# Refused


def test_what_curates_elsewhere_or_does_not_pickle_takes_no_workers(house: House) -> None:
    class Scores:
        name, sha256 = "here", "a" * 64

        def scores(self, texts: Sequence[str]) -> Sequence[float]:
            return [0.0 for _ in texts]

    with pytest.raises(UsageError, match="another engine is configured"):
        build(house, engine=Travelling())
    with pytest.raises(UsageError, match="does not pickle"):
        build(house, scorers=(Scores(),))
    with pytest.raises(UsageError, match="a build has 1 to `256` workers, not `0`"):
        build(house, workers=0)
    assert not house.query("SELECT 1 FROM releases")


def test_an_error_of_a_worker_is_that_of_the_build(house: House, tmp_path: Path) -> None:
    foreign = msgspec.structs.replace(
        house.installation, config=Configuration(data=tmp_path / "foreign")
    )
    ours, house.installation = house.installation, foreign
    keyring = ours.keyring
    with pytest.raises(LicetError) as caught:
        Builder(
            ours.pool,
            keyring,
            load_policies(ours),
            release_build.RuleCleaner(),
            ours.clock,
            workers=WorkerSettings(count=2, config=foreign.config),
        ).run(
            BuildOrder(
                name="r", purpose=IMPROVE, folder=ours.config.releases / "r", software="test"
            )
        )
    house.installation = ours
    assert type(caught.value) is not LicetError
    assert multiprocessing.active_children() == []
