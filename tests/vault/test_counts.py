"""What is counted as it changes is what a recount says, costs the same whatever is counted, and is
mended by a recount.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import psycopg
import pytest

from licet import doctor
from licet.erasure import sweeper
from licet.policy.decide import gate
from licet.policy.file import Policies, extend
from licet.policy.period import instant
from licet.policy.state import Share
from licet.service import population_status
from licet.store.connect import Pool, Transaction, transaction
from licet.vault import account_view, counts, tables
from licet.vault import commands as do
from licet.vault.content import Content, encode

from ..conftest import Databases
from ..installed import House
from ..state_hook import unlived
from .model import insert_versions
from .test_plan_growth import FIRST, NOW, peopled

FEW, MANY = 200, 2_000  # accounts
SINCE = instant("2025-09-01")


@pytest.fixture
def house(house: House) -> House:
    """Everything that is counted: answers, a flag, feedback, a hold, a deletion, a withdrawal, a
    closure.
    """
    house.open("ana", allow=True)
    house.open("ben", allow=False)
    house.open("cleo", plan="free", age=70, allow=False)
    for name in ("ana", "ben", "cleo"):
        for chat in ("pears", "plums", "figs"):
            house.talk(name, f"{name}'s {chat}")
    house.passes(1)
    comment = encode(Content(text="that was of great help"))
    house.about(
        do.GiveFeedback,
        "ana",
        "ana's pears",
        rating="up",
        share=Share.conversation,
        comment=comment,
    )
    house.about(do.Flag, "ana", "ana's pears", score=0.9)
    house.about(do.Hold, "ben", "ben's pears", matter="case 7")
    house.about(do.Delete, "ana", "ana's plums")
    house.choose("ana", False)
    house.tell(do.CloseAccount(account=house.accounts["cleo"], at=house.now))
    return house


def differences(pool: Pool) -> list[str]:
    with transaction(pool) as tx:
        return counts.differences(tx)


def read_each(
    tx: Transaction, known: Policies, at: datetime
) -> tuple[Counter[str], Counter[str], Counter[tuple[str, str]]]:
    """Plans, gates and standings, from every account."""
    plans, gates, standings = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for row in tables.every_account(tx):
        account = account_view.account_at(row, known, at).account
        plans[account.plan] += 1
        gates[gate(account, known, at).value] += 1
        for question in known.in_force(at).asks:
            standings[
                question, "closed" if account.closed_at else account.standing(question).value
            ] += 1
    return plans, gates, standings


def test_whatever_is_erased_the_counts_are_what_a_recount_says(house: House, pool: Pool) -> None:
    for days in (0, 1, 30, 60, 400, 2_000):
        house.passes(days)
        if days == 400:
            house.about(do.Unhold, "ben", "ben's pears", matter="case 7")
        sweeper.sweep(house.installation)
        assert differences(pool) == [], days
    assert population_status.status(house.installation).bytes_kept == 0


def test_accounts_of_one_kind_stand_where_each_of_them_stands(house: House, pool: Pool) -> None:
    known = Policies([extend({"extends": "article-2025"})])
    with transaction(pool) as tx:
        seen = counts.accounts(tx, known, house.now)
        plans, gates, standings = read_each(tx, known, house.now)
    assert (seen.plans, seen.gates) == (dict(plans), dict(gates))
    assert {(q, word): n for q, of in seen.standings.items() for word, n in of.items()} == dict(
        standings
    )


def opened_at(tx: Transaction, at: datetime, *ages: int | None) -> None:
    """Accounts that say nothing, by statement."""
    tx.execute("INSERT INTO buckets VALUES (0, 1, '\\x00')")
    tx.execute(
        """INSERT INTO accounts (account_id, bucket, wrapped_key, plan, age, opened_at, last_at,
           seen)
           SELECT gen_random_uuid(), 0, '\\x00', 'pro', age, %(at)s, %(at)s, 0
             FROM unnest(%(ages)s::smallint[]) age""",
        {"at": at, "ages": list(ages)},
    )


def test_where_a_version_asks_for_an_age_that_the_counts_do_not_tell_apart_the_accounts_are_read(
    conn: Transaction,
) -> None:
    with conn.transaction(force_rollback=True):
        asks_for = Policies([extend({"extends": "article-2025", "min_age": counts.AGE_MAX + 5})])
        insert_versions(conn, asks_for)
        opened_at(conn, SINCE, counts.AGE_MAX, counts.AGE_MAX + 4, counts.AGE_MAX + 5, 70, None)
        seen = counts.accounts(conn, asks_for, SINCE)
        assert (seen.accounts, seen.gates["not_asked"]) == (5, 2)


def test_a_version_that_is_effective_at_once_moves_the_accounts_that_were_opened_since(
    conn: Transaction,
) -> None:
    with conn.transaction(force_rollback=True):
        insert_versions(
            conn, Policies([extend({"extends": "article-2025", "effective": "2025-08-28"})])
        )
        opened_at(conn, SINCE, 30, 30, None)
        conn.execute(
            """INSERT INTO policies SELECT 1, policy, '2', %s, document, sha256, applied_at,
              applied_by FROM policies""",
            [SINCE],
        )
        assert counts.differences(conn) == []


def test_what_gathered_is_put_together_and_says_the_same(house: House, pool: Pool) -> None:
    before = population_status.status(house.installation)
    with transaction(pool) as tx:
        tx.execute(
            """INSERT INTO content_counts SELECT 'segments', '2030-01-01', false, s, s, s
                 FROM generate_series(1, %(most)s) n, (VALUES (1), (-1)) v(s)""",
            {"most": counts.FOLDED_ROWS_MIN},
        )
    assert population_status.status(house.installation) == before
    with transaction(pool) as tx:
        left = tx.execute(
            "SELECT count(*), count(DISTINCT (what, ends_on, is_long)) FROM content_counts"
        ).fetchone()
    assert left is not None
    assert left[0] == left[1] < 30


def test_a_recount_beside_a_verb_that_has_not_committed_counts_what_it_did_once(
    house: House, pool: Pool
) -> None:
    with transaction(pool) as telling:
        telling.execute("UPDATE accounts SET plan = 'max'")
        with transaction(pool) as tx:
            counts.recount(tx)
    assert differences(pool) == []
    assert population_status.status(house.installation).plans == {"max": 3}


def test_the_doctor_says_that_a_count_differs_and_the_recount_mends_it(
    house: House, pool: Pool
) -> None:
    def said() -> doctor.DoctorFinding:
        (found,) = [each for each in doctor.examine(house.installation) if each.what == "counts"]
        return found

    assert said().state is doctor.FindingState.well
    with transaction(pool) as tx:
        tx.execute("UPDATE content_counts SET items = items + 1 WHERE what = 'flagged'")
        tx.execute("DELETE FROM account_counts")
        tx.execute("UPDATE segments SET stored_bytes = stored_bytes + 1 WHERE erased_at IS NULL")
    assert said().state is doctor.FindingState.warning
    assert "licet db recount" in said().mend
    with transaction(pool) as tx:
        counts.recount(tx)
    assert said().state is doctor.FindingState.well
    assert differences(pool) == []


def blocks_read(dsn: str) -> int:
    """The pages that the figures of `licet status` look at, in cache or not."""
    with psycopg.connect(dsn) as conn:
        counts.recount(conn)
        conn.commit()
        looked = """SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))
                      FROM pg_statio_user_tables"""
        conn.execute("SELECT pg_stat_force_next_flush()")
        conn.commit()
        before = conn.execute(looked).fetchone()
        known = Policies([FIRST])
        counts.accounts(conn, known, NOW + timedelta(days=1))
        counts.content(conn)
        counts.held(conn)
        conn.execute("SELECT pg_stat_force_next_flush()")
        conn.commit()
        after = conn.execute(looked).fetchone()
    assert before is not None
    assert after is not None
    return int(after[0] - before[0])


def test_ten_times_the_accounts_and_their_content_are_counted_by_the_same_reads(
    databases: Databases,
) -> None:
    looked = dict[int, int]()
    for accounts in (FEW, MANY):
        dsn = unlived(databases())
        peopled(dsn, 10 * accounts)
        looked[accounts] = blocks_read(dsn)
    assert looked[MANY] <= 2 * looked[FEW], looked
