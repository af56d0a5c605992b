"""`licet doctor --since` tells what is on record, each with the next command, and what it cannot
know.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from licet.access import staff_orders
from licet.access.staff_orders import OrderKind, OrderOutcome
from licet.config import Webhooks
from licet.service import recent_faults
from licet.store.connect import Pool, transaction
from licet.store.outage_file import OutageFile
from licet.vault.ids import uuid7
from licet.webhooks import endpoints

from ..installed import House


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    made = House(pool, tmp_path / "data")
    config = replace(made.here.config, webhooks=Webhooks(inside=("127.0.0.1",)))
    made.here = replace(made.here, config=config)
    return made


def faults(house: House, hours: int = 1) -> list[tuple[str, str, bool]]:
    """What, the next command, and whether it stands."""
    until = house.now
    found = recent_faults.find_faults(house.here, until - timedelta(hours=hours), until)
    assert found.unknown == recent_faults.UNKNOWN
    for fault in found.faults:
        assert f"next: {fault.next}" in recent_faults.describe(found)
    return [(one.what, one.next, one.ended is None) for one in found.faults]


def test_an_hour_in_which_nothing_was_wrong(house: House) -> None:
    assert faults(house) == []


def test_each_fault_of_the_last_hour_has_its_next_command(house: House) -> None:
    kept = OutageFile(house.here.config.data)
    kept.note(("bucket",), house.now - timedelta(minutes=30))
    kept.note((), house.now - timedelta(minutes=20))
    endpoints.add(house.here, "archive", "https://127.0.0.1:9/")
    endpoints.pause(house.here, "archive")
    order = uuid7(house.now, bytes(10))
    with transaction(house.here.pool) as tx:
        staff_orders.record(
            tx,
            order,
            OrderKind.rotate_keys,
            "",
            reason="due",
            by="staff:ada",
            now=house.now,
            said=None,
        )
        staff_orders.end(tx, order, OrderOutcome.failed, "no key", house.now)
    assert faults(house) == [
        ("bucket", "licet doctor", False),
        ("endpoint", "licet webhooks replay archive", True),
        ("order", "licet doctor", False),
    ]
    house.passes(1)
    assert {what for what, *_ in faults(house)} == {"endpoint", "log"}, "what stands"


def test_while_the_database_cannot_be_asked_the_outages_are_told(house: House) -> None:
    kept = OutageFile(house.here.config.data)
    kept.note(("database",), house.now - timedelta(minutes=30))
    kept.note((), house.now - timedelta(minutes=20))
    found = recent_faults.without_database(
        house.here.config, house.now - timedelta(hours=1), house.now, "cannot connect"
    )
    assert [(one.what, one.seen, one.ended is None) for one in found.faults] == [
        ("database", "did not answer", False),
        ("database", "cannot connect", True),
    ]
    assert found.stands
    assert found.unknown[0] == "what the database has of work that failed or became late"
