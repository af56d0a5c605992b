"""Nothing is lost in silence: what a reader reads is what it hands on and what it reports, each
with its place, in numbers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from licet.intake import formats, imports
from licet.intake.import_records import RecordedAccount
from licet.intake.read_turn import BrokenRecord, ReadTurn, SkippedRecord
from licet.policy.period import instant
from licet.store.connect import Pool

from ..installed import House
from ..reads import accounted, places_of

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("name", formats.names())
def test_every_message_of_every_format_is_handed_on_or_reported_with_its_place(name: str) -> None:
    items = list(formats.read(FIXTURES / name))
    assert accounted(items, FIXTURES / name) == places_of(items, FIXTURES / name)


@pytest.mark.parametrize("name", formats.names())
def test_an_import_of_every_format_stores_what_it_read_and_reports_the_rest(
    name: str, pool: Pool, tmp_path: Path
) -> None:
    """Turns read = stored + known + erased by now + refused + broken, and so are the items of the
    reader.
    """
    house = House(pool, tmp_path / "data", at=instant("2024-01-01"))
    house.now = instant("2025-12-31")
    items = list(formats.read(FIXTURES / name))
    imported = imports.import_files(
        house.installation,
        [FIXTURES / name],
        default=RecordedAccount(host="ana", plan="pro", age=30),
        assume_at=instant("2025-12-30"),
    )
    turns = sum(isinstance(item, ReadTurn) for item in items)
    broken = sum(isinstance(item, BrokenRecord) for item in items)
    untaken = imported.broken - broken  # turns whose time cannot be
    assert turns - untaken == imported.turns
    erased = sum(imported.would_be_erased.values())
    assert imported.turns == imported.stored + imported.known + erased + sum(
        imported.refused.values()
    )
    assert imported.skipped >= sum(isinstance(item, SkippedRecord) for item in items)
    assert {item.place for item in items if isinstance(item, BrokenRecord)} <= {
        item.place for item in imported.broken_places
    }
    assert house.query("SELECT count(*) FROM turns WHERE size > 0") == [(imported.stored,)]
