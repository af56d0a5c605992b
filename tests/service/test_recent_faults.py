"""`licet doctor --since` tells what is on record, each with the next command, and what it cannot
know.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from licet import doctor
from licet.access import staff_orders
from licet.access.staff_orders import OrderKind, OrderOutcome
from licet.config import Webhooks
from licet.ledger import sequence
from licet.service import recent_faults
from licet.store.connect import Pool, transaction
from licet.store.database_activity import read_activity
from licet.store.outage_file import DATABASE_LOCKED, DATABASE_SLOW, OutageFile
from licet.vault.ids import uuid7
from licet.webhooks import endpoints

from ..installed import House
from ..waiting import wait_until


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    made = House(pool, tmp_path / "data")
    config = replace(made.installation.config, webhooks=Webhooks(inside=("127.0.0.1",)))
    made.installation = replace(made.installation, config=config)
    return made


def faults(house: House, hours: int = 1) -> list[tuple[str, str, bool]]:
    """What, the next command, and whether it stands."""
    until = house.now
    found = recent_faults.find_faults(house.installation, until - timedelta(hours=hours), until)
    assert found.unknown == recent_faults.UNKNOWN
    for fault in found.faults:
        assert f"next: {fault.next}" in recent_faults.describe(found)
    return [(one.what, one.next, one.ended is None) for one in found.faults]


def test_an_hour_in_which_nothing_was_wrong(house: House) -> None:
    assert faults(house) == []


def test_each_fault_of_the_last_hour_has_its_next_command(house: House) -> None:
    kept = OutageFile(house.installation.config.data)
    kept.note(("bucket",), house.now - timedelta(minutes=30))
    kept.note((), house.now - timedelta(minutes=20))
    endpoints.add(house.installation, "archive", "https://127.0.0.1:9/")
    endpoints.pause(house.installation, "archive")
    order = uuid7(house.now, bytes(10))
    with transaction(house.installation.pool) as tx:
        staff_orders.record(
            tx,
            order,
            OrderKind.rotate_keys,
            "",
            reason="due",
            by="staff:ada",
            now=house.now,
            result=None,
        )
        staff_orders.end(tx, order, OrderOutcome.failed, "no key", house.now)
    assert faults(house) == [
        ("bucket", "licet doctor", False),
        ("endpoint", "licet webhooks resume archive", True),
        ("order", "licet doctor", False),
    ]
    with transaction(house.installation.pool) as tx:
        tx.execute("UPDATE outbox SET added_at = %s", [house.now])  # by the clock of this house
    house.passes(1)
    assert {what for what, *_ in faults(house)} == {"endpoint", "log"}, "what stands"


def test_an_imported_history_waits_for_the_log_since_its_import(house: House) -> None:
    with transaction(house.installation.pool) as tx:
        tx.execute("UPDATE outbox SET occurred_at = %s", [house.now - timedelta(days=900)])
        tx.execute("UPDATE outbox SET added_at = %s", [house.now])
        assert sequence.count_waiting(tx).since == house.now
    assert "log" not in {what for what, *_ in faults(house)}


def test_a_transaction_that_others_wait_for_is_named_with_the_command_that_ends_it(
    house: House, dsn: str
) -> None:
    house.open("ana")
    with psycopg.connect(dsn, application_name="report") as open_:
        open_.execute("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
        with psycopg.connect(dsn) as waits, ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(waits.execute, "SELECT count(*) FROM accounts")
            with psycopg.connect(dsn, autocommit=True) as asks:
                wait_until(lambda: read_activity(asks).blocking, "it waits for a second")
                (blocking,) = read_activity(asks).blocking
            assert (blocking.application, blocking.waiting) == ("report", 1)
            assert blocking.state == "idle in transaction"
            (fault,) = [
                one
                for one in recent_faults.find_faults(
                    house.installation, house.now, house.now
                ).faults
                if one.what == DATABASE_LOCKED
            ]
            assert f"session {blocking.pid} (`report`, idle in transaction)" in fault.seen
            assert str(blocking.pid) in fault.next
            (found,) = [
                one for one in doctor.examine(house.installation) if "sessions wait" in one.seen
            ]
            assert str(blocking.pid) in found.mend
            open_.rollback()
            assert waiting.result().fetchone() == (1,)


def test_a_statement_that_takes_long_is_named_with_what_it_waits_for(
    house: House, dsn: str
) -> None:
    with psycopg.connect(dsn) as slow, ThreadPoolExecutor(1) as threads:
        running = threads.submit(slow.execute, "SELECT pg_sleep(600)")
        with psycopg.connect(dsn, autocommit=True) as asks:
            wait_until(lambda: read_activity(asks).slow, "it takes a second")
            assert read_activity(asks).slowest_waits_for == "Timeout/PgSleep"
        assert (DATABASE_SLOW, "licet doctor", True) in faults(house)
        assert any("Timeout/PgSleep" in one.seen for one in doctor.examine(house.installation))
        slow.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            running.result()


def test_while_the_database_cannot_be_asked_the_outages_are_told(house: House) -> None:
    kept = OutageFile(house.installation.config.data)
    kept.note(("database",), house.now - timedelta(minutes=30))
    kept.note((), house.now - timedelta(minutes=20))
    found = recent_faults.without_database(
        house.installation.config, house.now - timedelta(hours=1), house.now, "cannot connect"
    )
    assert [(one.what, one.seen, one.ended is None) for one in found.faults] == [
        ("database", "did not answer", False),
        ("database", "cannot connect", True),
    ]
    assert found.stands
    assert found.unknown[0] == "what the database has of work that failed or became late"
