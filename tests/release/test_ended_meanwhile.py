"""Whatever ends while a release is sealed, at whichever step: one attempt seals it, and nothing
that ended comes out.

An ending comes before each statement of the seal, from a connection of its own. One that waits for
the builder's lock is left waiting, and the builder goes on. TESTS_SEALS sets how many seals are
drawn: 96, of which a run takes six.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from licet import verifier
from licet.curate import release_build
from licet.proof import documents
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult
from licet.store.connect import Pool, transaction
from licet.train import bitmap, gate_files
from licet.vault import account_journal
from licet.vault import commands as do
from licet.vault.installation import load_policies

from ..installed import House
from ..meanwhile import WAITERS
from ..tiers import SIXTEENTH, share
from .test_build import IMPROVE, check_whole, sealed_rows

SEALS = int(os.environ.get("TESTS_SEALS") or share(96))
STEPS = 64  # more than the seal has
Act = Callable[[], object]
LOCKED = "SELECT pg_advisory_xact_lock(%s)"


class Steps:
    """The statements of a seal, by number; ``acts`` happen before them, each on a thread of its
    own.

    ``waited`` are the steps at which one waited for what the builder holds.
    """

    def __init__(self, house: House, acts: Callable[[int, str], Act | None]) -> None:
        self.house, self.acts = house, acts
        self.texts: list[str] = []
        self.waited: list[int] = []
        self.failed: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._elected = False

    def before(self, text: str, params: Any) -> None:
        if not self._elected:
            self._elected = "UPDATE builds SET stage" in text and "elected" in params
            return
        self.texts.append(text)
        act = self.acts(len(self.texts) - 1, text)
        if act is None:
            return
        thread = threading.Thread(target=self._guarded, args=[act])
        self._threads.append(thread)
        thread.start()
        while thread.is_alive():
            if self.house.query(WAITERS):
                self.waited.append(len(self.texts) - 1)
                return
            time.sleep(0.002)

    def _guarded(self, act: Act) -> None:
        try:
            act()
        except BaseException as error:
            self.failed.append(error)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)
        assert self.failed == []


@contextmanager
def watched(dsn: str, before: Callable[[str, Any], None]) -> Iterator[Pool]:
    """A pool whose connections tell of each statement before it is sent."""

    class Watched(psycopg.Connection[TupleRow]):
        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            before(str(query), params)
            return super().execute(query, params, **more)

    def configure(conn: psycopg.Connection[Any]) -> None:
        psycopg.Connection.execute(conn, "SET timezone = 'UTC'")
        conn.commit()

    with Pool(
        dsn, connection_class=Watched, min_size=1, max_size=4, configure=configure, open=True
    ) as pool:
        yield pool


def sealed_among(
    house: House, dsn: str, acts: Callable[[int, str], Act | None], **more: Any
) -> tuple[BuildResult, Steps]:
    steps = Steps(house, acts)
    with watched(dsn, steps.before) as pool:
        installation = house.installation
        cleaner = more.pop("cleaner", release_build.RuleCleaner())
        builder = Builder(
            pool,
            installation.keyring,
            load_policies(installation),
            cleaner,
            installation.clock,
            rows_per_part=7,
        )
        order = BuildOrder(
            name="r", purpose=IMPROVE, folder=installation.config.releases / "r", software="test"
        )
        built = builder.run(order)
    steps.join()
    return built, steps


def report_of(house: House, built: BuildResult, year: int = 2025) -> verifier.VerifierReport:
    """What strangers find with the log as it is now."""
    documents.append(house.installation)
    log = verifier.FolderFiles(house.installation.config.data / "log" / str(year))
    trusted = verifier.trust(documents.key(house.installation, year).vkey)
    return verifier.check_release(verifier.FolderFiles(built.folder), trusted, log)


def withdrawn(house: House, built: BuildResult) -> set[int]:
    """The rows that the gate of a training holds back."""
    made = gate_files.Publisher(house.installation).publish(UUID(hex=built.manifest.release))
    return set(
        bitmap.verify_file(made.file, gate_files.signer(house.installation).verifier).ordinals
    )


def ended_before_the_leaf(house: House, ordinals: dict[UUID, int]) -> set[int]:
    """The rows of accounts of which the log tells between the decision and the leaf of the
    release.
    """
    found = house.query(
        """SELECT DISTINCT o.account_id FROM outbox o, outbox d, outbox s
            WHERE d.entry = 'release_decided' AND s.entry = 'release_sealed'
              AND o.index BETWEEN d.index AND s.index"""
    )
    return {ordinals[account] for (account,) in found if account in ordinals}


def assert_sealed(house: House, built: BuildResult, ended: set[str], moved: set[str]) -> None:
    """One decision, nothing that ended comes out of anything, and strangers see which rows ended
    before the leaf.

    ``ended`` are people of whom nothing may be used, ``moved`` those whose rows rest on something
    else by now.
    """
    assert house.query("SELECT count(*) FROM outbox WHERE entry = 'release_decided'") == [(1,)]
    check_whole(house, built)
    names = {account: name for name, account in house.accounts.items()}
    rows = {row.account: row.ordinal for row in sealed_rows(house, "r")}
    positions = dict(
        house.query("SELECT account_id, min(position) FROM journal WHERE ends GROUP BY 1")
    )
    out = {name for name in ended if positions[house.accounts[name]] <= built.manifest.journal}
    assert {names[account] for account in rows} == set(names.values()) - out
    living = set(names.values()) - ended
    assert {words.split()[0] for words in house.words("r") if "asks" in words} == living
    assert withdrawn(house, built) == {
        ordinal for account, ordinal in rows.items() if names[account] in ended
    }
    report = report_of(house, built)
    assert (report.answer, report.findings) == ("proved", []), report.lacks
    late = ended_before_the_leaf(
        house, {house.accounts[name]: rows[house.accounts[name]] for name in (ended | moved) - out}
    )
    told = [note for note in report.notes if note.startswith("not usable")]
    if not late:
        assert told == []
        return
    (note,) = told
    assert f"`{len(late)}` rows" in note
    named = note.rpartition(": ")[2].removesuffix(", ..").split(", ")
    assert [int(ordinal) for ordinal in named] == sorted(late)[:20]


# What may happen to somebody whose only conversation is named after them


def deletes(house: House, name: str) -> None:
    house.about(do.Delete, name, f"{name}-1")


def withdraws(house: House, name: str) -> None:
    house.choose(name, False)


def keeps_out(house: House, name: str) -> None:
    house.about(do.Narrow, name, f"{name}-1")


def closes(house: House, name: str) -> None:
    house.account(do.CloseAccount, name)


def withdraws_and_allows(house: House, name: str) -> None:
    house.choose(name, False)
    house.choose(name, True)


def keeps_out_and_lets_in(house: House, name: str) -> None:
    house.about(do.Narrow, name, f"{name}-1")
    house.about(do.Widen, name, f"{name}-1")


def comes_back(house: House, name: str) -> None:
    """An ending after which the same row may be used, by the new turn: it rests on more than
    before.
    """
    keeps_out_and_lets_in(house, name)
    house.say(name, f"{name}-1", "and on")


ENDINGS = (deletes, withdraws, keeps_out, closes, withdraws_and_allows, keeps_out_and_lets_in)


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return House(pool, tmp_path / "data")


def people(house: House, count: int) -> list[str]:
    names = [f"p{n:02}" for n in range(count)]
    for name in names:
        house.open(name, allow=True)
        house.talk(name, f"{name}-1", f"{name} asks", f"{name} is answered")
    return names


def test_something_ends_at_each_step_of_the_seal_and_one_attempt_seals(
    house: House, dsn: str
) -> None:
    names = people(house, STEPS + 4)
    ended: list[str] = []

    def acts(step: int, text: str) -> Act:
        ended.append(names[step])
        return lambda: ENDINGS[step % len(ENDINGS)](house, names[step])

    built, steps = sealed_among(house, dsn, acts)
    assert len(steps.texts) == len(ended) < STEPS
    assert steps.waited, "some came while the builder held the lock"
    assert_sealed(house, built, set(ended), set())


@pytest.mark.parametrize(
    "where", [LOCKED, "FROM journal_position", "INSERT INTO outbox", "UPDATE releases"]
)
def test_an_ending_is_before_the_decision_and_out_or_after_it_and_comes_out_of_nothing(
    house: House, dsn: str, where: str
) -> None:
    """Before the lock is asked for, under it before and after the snapshot, and after the leaf of
    the decision.
    """
    names = people(house, 4)
    met: list[int] = []

    def acts(step: int, text: str) -> Act | None:
        if met or where not in text:
            return None
        met.append(step)
        return lambda: withdraws(house, "p01")

    built, steps = sealed_among(house, dsn, acts)
    assert len(met) == 1
    assert built.manifest.rows == (3 if where == LOCKED else 4)
    assert steps.waited == (met if where in ("FROM journal_position", "INSERT INTO outbox") else [])
    assert_sealed(house, built, {"p01"}, set())
    assert len(names) == 4


def test_what_ends_and_comes_back_before_the_decision_is_decided_anew_and_stays(
    house: House, dsn: str
) -> None:
    people(house, 3)
    built, _ = sealed_among(
        house,
        dsn,
        lambda step, text: (lambda: comes_back(house, "p02")) if text == LOCKED else None,
    )
    assert built.manifest.rows == 3
    assert_sealed(house, built, set(), {"p02"})


@pytest.mark.parametrize("seal", range(SEALS))
def test_wherever_endings_fall_what_may_be_used_is_what_comes_out(
    house: House, dsn: str, seal: int
) -> None:
    """Endings are drawn for people and moments: while pages are read, at steps of the seal, and
    after it.
    """
    draw = Random(seal + SEALS * SIXTEENTH)
    names = people(house, 8)
    chosen = {
        name: draw.choice((*ENDINGS, comes_back)) for name in draw.sample(names, draw.randint(1, 7))
    }
    moments = {name: draw.choice(("pages", "after", *["seal"] * 4)) for name in chosen}
    steps = {name: draw.randrange(26) for name in chosen}

    def all_of(moment: str, step: int | None = None) -> list[str]:
        return [n for n in chosen if moments[n] == moment and (step is None or steps[n] == step)]

    def act(few: Sequence[str]) -> Act:
        return lambda: [chosen[name](house, name) for name in few]

    class Reading(release_build.RuleCleaner):
        def clean(self, texts: Sequence[str], key: bytes) -> Any:
            few, self.few = self.few, []
            act(few)()
            return super().clean(texts, key)

        few = all_of("pages")

    built, seen = sealed_among(
        house,
        dsn,
        lambda step, _: act(all_of("seal", step)) if all_of("seal", step) else None,
        cleaner=Reading(),
    )
    late = [name for name in all_of("seal") if steps[name] >= len(seen.texts)]
    act([*all_of("after"), *late])()
    ended = {name for name in chosen if chosen[name] is not comes_back}
    assert_sealed(house, built, ended, set(chosen) - ended)


def test_what_waits_for_the_lock_of_endings_has_no_number_yet(house: House, pool: Pool) -> None:
    """Neither in the journal nor in the outbox: the log tells of it after whatever is told under
    the lock.
    """
    people(house, 3)
    numbers = "SELECT last_value FROM outbox_outbox_id_seq"
    for act in (
        lambda: withdraws(house, "p00"),
        lambda: deletes(house, "p01"),
        lambda: closes(house, "p02"),
    ):
        with transaction(pool) as tx:
            account_journal.block_endings(tx)
            before = house.query(numbers), account_journal.last_position(tx)
            waits = threading.Thread(target=act)
            waits.start()
            while not house.query(WAITERS):
                time.sleep(0.002)
                assert waits.is_alive()
            assert (house.query(numbers), account_journal.last_position(tx)) == before
        waits.join()
        assert house.query(numbers) > before[0]


def test_a_row_that_comes_to_rest_on_a_wider_grant_of_the_year_before_is_proved(
    house: House, dsn: str
) -> None:
    """The chat's own grant ends after the log was told what stands, and the account's decides from
    then on.
    """
    house.open("ana", allow=False)
    house.say("ana", "new", "before any answer")
    house.choose(
        "ana", True, question="training", scope=do.ChosenScope(conversation=house.chats["new"])
    )
    house.choose("ana", True)
    house.say("ana", "new", "under both")
    documents.append(house.installation)
    house.passes(150)
    assert house.now.year == 2026

    def back() -> None:
        house.about(do.Narrow, "ana", "new")
        house.about(do.Widen, "ana", "new")
        house.say("ana", "new", "and on")

    built, _ = sealed_among(house, dsn, lambda _, text: back if text == LOCKED else None)
    assert house.chats["new"] in {row.conversation for row in sealed_rows(house, "r")}
    report = report_of(house, built, 2026)
    assert (report.answer, report.findings) == ("proved", []), report.lacks


def test_a_build_that_is_killed_after_the_decision_is_decided_again(house: House, dsn: str) -> None:
    people(house, 3)

    class StopError(Exception):
        pass

    def stops(text: str, params: Any) -> None:
        if "UPDATE releases" in text:
            raise StopError

    order = BuildOrder(
        name="r", purpose=IMPROVE, folder=house.installation.config.releases / "r", software="test"
    )
    said: list[str] = []

    def builder(pool: Pool) -> Builder:
        known = load_policies(house.installation)
        return Builder(
            pool,
            house.installation.keyring,
            known,
            release_build.RuleCleaner(),
            house.installation.clock,
            says=said.append,
            rows_per_part=1,
        )

    with watched(dsn, stops) as pool, pytest.raises(StopError):
        builder(pool).run(order)
    withdraws(house, "p01")
    assert house.query("SELECT state FROM releases") == [("building",)]
    built = builder(house.installation.pool).run(order)
    assert said == ["resumed from part 3"]
    assert built.manifest.rows == 2
    assert house.query("SELECT count(*) FROM outbox WHERE entry = 'release_decided'") == [(2,)]
    report = report_of(house, built)
    assert (report.answer, report.findings, report.lacks) == ("proved", [], [])
