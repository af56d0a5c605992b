"""Rows of a slice are read under the rules of a review: by whom, of which rows, and on record."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from licet.cli.command import main
from licet.clock import utc_now
from licet.errors import DeniedError, UsageError
from licet.service import slice_sample
from licet.store.connect import Pool

from ..installed import House
from .test_review import hired, lived_in

GERMAN = (
    "warum wachsen die alten Birnen hinter dem Haus so langsam, und wann werden sie endlich reif"
)


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return filled(House(pool, tmp_path / "data"))


def filled(house: House) -> House:
    for n in range(3):
        house.open(f"g{n}", allow=True)
        house.talk(
            f"g{n}",
            f"d{n}",
            f"{GERMAN}, und was ist mit Nummer {n}?",
            f"weil die Nummer {n} im Schatten steht",
        )
    lived_in(house)
    return house


def readings(house: House) -> list[tuple[str, str]]:
    found = house.query("SELECT reason, role FROM staff_reads")
    return [(str(reason), str(role)) for reason, role in found]


def test_rows_whose_labels_match_are_opened_each_on_record_and_no_other(house: House) -> None:
    reader = hired(house, "rae", "reviewer")
    seen = slice_sample.read_slice(house.installation, "r", reader, "language = 'de'", 2)
    assert (seen.matching, len(seen.rows)) == (3, 2)
    assert seen.scanned > seen.matching
    assert all("Birnen" in row.messages[0]["content"] and row.language == "de" for row in seen.rows)
    assert readings(house) == [("release_review", "reviewer")] * 2
    (told,) = house.query("SELECT count(*) FROM outbox WHERE entry = 'content_read'")
    assert told == (2,)
    assert "Birnen" not in repr(seen)


def test_every_row_of_a_slice_is_drawn_as_often_as_another(house: House) -> None:
    reader = hired(house, "di", "privacy_officer")
    drawn = Counter(
        row.ordinal
        for _ in range(60)
        for row in slice_sample.read_slice(
            house.installation, "r", reader, "language = 'de'", 1
        ).rows
    )
    assert len(drawn) == 3, (
        "each is drawn with a chance of a third: that one is missing is less likely than 1 "
        "in 10**10"
    )


def test_what_may_not_be_used_is_not_read_and_a_slice_of_nothing_reads_nothing(
    house: House,
) -> None:
    reader = hired(house, "rae", "reviewer")
    for n in range(3):
        house.choose(f"g{n}", False)
    seen = slice_sample.read_slice(house.installation, "r", reader, "language = 'de'")
    assert (seen.matching, seen.rows) == (0, ())
    assert readings(house) == []


def test_who_may_not_read_is_refused_and_what_does_not_read_too(house: House) -> None:
    for role in ("owner", "curator", "auditor"):
        with pytest.raises(DeniedError, match="may not read rows"):
            slice_sample.read_slice(house.installation, "r", hired(house, role, role), "words > 1")
    reader = hired(house, "rae", "reviewer")
    with pytest.raises(UsageError):
        slice_sample.read_slice(house.installation, "r", reader, "words >")
    for rows in (0, 51):
        with pytest.raises(UsageError, match="from 1 to 50"):
            slice_sample.read_slice(house.installation, "r", reader, "words > 1", rows)
    assert readings(house) == []


def test_the_command_shows_rows_and_says_that_it_is_on_record(
    pool: Pool, dsn: str, tmp_path: Path
) -> None:
    filled(House(pool, tmp_path / "data", at=utc_now()))
    runner = CliRunner(env={"LICET_DATABASE_URL": dsn, "LICET_DATA": str(tmp_path / "data")})
    runner.invoke(main, ["staff", "add", "rae@example.org", "--role", "reviewer"])
    asked = [
        "release",
        "read",
        "r",
        "--where",
        "language = 'de'",
        "--rows",
        "1",
        "--by",
        "rae@example.org",
    ]
    said = runner.invoke(main, asked)
    assert said.exit_code == 0, said.output
    assert said.output.startswith("3 of ")
    assert "opened: 1" in said.output
    assert "the person sees it" in said.output
    assert said.output.count("Birnen") == 1
