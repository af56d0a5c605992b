"""Expiry at scale: the sweep goes by the day's index, and a date within its day moves without
touching one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from licet.erasure import sweep_batches
from licet.policy.period import instant
from licet.service import population_status
from licet.store.connect import Transaction
from licet.vault import commands as do

from ..installed import House
from .model import insert_versions
from .test_population import copy_population, lived

SEEN = instant("2025-11-01")
HISTORIES = range(600)
# of the segments, wherever they lie
EACH_TWENTIETH = "abs(hashtext(conversation_id::text || segment)) % 20"


@pytest.fixture
def town(conn: Transaction) -> Iterator[Transaction]:
    """Some two thousand segments, with their statistics, in a transaction that is rolled back."""
    with conn.transaction(force_rollback=True):
        policies, people = lived(5, HISTORIES, SEEN)
        insert_versions(conn, policies)
        copy_population(conn, people)
        yield conn


def index_scans(tx: Transaction) -> int:
    return tx.execute("SELECT pg_stat_get_xact_numscans('segments_due'::regclass)").fetchone()[0]


def of_table(tx: Transaction, counter: str) -> int:
    return tx.execute(
        f"SELECT {counter} FROM pg_stat_xact_user_tables WHERE relname = 'segments'"
    ).fetchone()[0]


def quiet_day(tx: Transaction) -> date:
    """The first day on which something ends: little is due then, as on any day."""
    return tx.execute("SELECT min(due_on) FROM segments").fetchone()[0]


def test_the_sweep_reads_what_is_due_from_the_day_s_index_and_never_the_whole_table(
    town: Transaction,
) -> None:
    at = instant(quiet_day(town) + timedelta(days=1)) - timedelta.resolution
    scans, whole = index_scans(town), of_table(town, "seq_scan")
    swept = sweep_batches.sweep_batch(town, at)
    assert 0 < swept.segments < 100
    assert index_scans(town) > scans
    assert of_table(town, "seq_scan") == whole
    assert not sweep_batches.sweep_batch(town, at).more


def test_a_dry_run_reads_what_is_due_from_the_day_s_index(town: Transaction) -> None:
    scans = index_scans(town)
    assert sweep_batches.count_due(town, instant(quiet_day(town) + timedelta(days=1))).segments > 0
    assert index_scans(town) > scans


def test_a_date_that_moves_within_its_day_is_rewritten_in_place_and_to_another_day_is_not(
    town: Transaction,
) -> None:
    before = of_table(town, "n_tup_hot_upd")
    halved = "due_on::timestamptz + (keep_until - due_on::timestamptz) / 2"
    moved = town.execute(
        f"UPDATE segments SET keep_until = {halved} WHERE {EACH_TWENTIETH} = 0"
    ).rowcount
    within = of_table(town, "n_tup_hot_upd")
    assert moved > 50
    assert within - before > 0.9 * moved
    later = "keep_until + interval '1 day'"
    assert (
        town.execute(
            f"UPDATE segments SET keep_until = {later} WHERE {EACH_TWENTIETH} = 1"
        ).rowcount
        > 50
    )
    assert of_table(town, "n_tup_hot_upd") == within
    wrong = "SELECT count(*) FROM segments WHERE due_on <> (keep_until AT TIME ZONE 'UTC')::date"
    assert town.execute(wrong).fetchone() == (0,)


def test_what_a_hold_keeps_expires_at_no_horizon_until_the_hold_ends(house: House) -> None:
    house.open("ana", allow=True)
    house.say("ana", "pears", "When do I prune?")
    ends = population_status.status(house.installation).expires
    assert sum(ends.values()) == 1
    about = {
        "account": house.accounts["ana"],
        "conversation": house.chats["pears"],
        "matter": "Smith v. Jones",
    }
    house.tell(do.Hold(at=house.now, **about))
    assert population_status.status(house.installation).expires == {}
    house.tell(do.Unhold(at=house.now, **about))
    assert population_status.status(house.installation).expires == ends
