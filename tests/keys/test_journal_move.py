"""A restriction journal that is moved into a bucket: wherever the program is killed, one of the two
counts, and it has all.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from licet.errors import BrokenError, BusyError, RefusedError, UsageError
from licet.keys import journal_move
from licet.keys.journal_bucket import BucketObjects
from licet.keys.restriction_journal import Journal, Restriction, RestrictionKind
from licet.store.bucket import TaggedObject

from ..buckets import HeldBucket
from ..journals import KEY

AT = datetime(2025, 9, 1, tzinfo=UTC)
CALLS_MAX = 200


def told(number: int) -> Restriction:
    return Restriction(
        life=0, kind=RestrictionKind.refused, at=AT, account=UUID(int=number), seq=number
    )


def journal_in(folder: Path) -> Journal:
    return Journal(folder, segment_bytes_max=300, key=KEY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = journal_in(tmp_path / "restrictions")
    for number in range(1, 8):
        made.append([told(number)])
    made.close()
    assert len(list((tmp_path / "restrictions").glob("*.log"))) > 2
    return tmp_path / "restrictions"


def kept(bucket: HeldBucket) -> list[int]:
    return [record.seq for record in Journal(BucketObjects(bucket.beside()), key=KEY).records()]


def nothing() -> None:
    """There is no log."""


def test_a_moved_journal_is_the_same_and_goes_on_in_the_bucket(folder: Path) -> None:
    before, bucket = journal_in(folder), HeldBucket()
    ident = before.id
    before.close()
    planned = journal_move.forecast_move(folder, bucket)
    assert not bucket.held
    done = journal_move.move_journal(folder, bucket, nothing)
    assert (done.id, done.records, planned.records) == (ident, 7, 7)
    assert done._replace(folder=folder) == planned
    after = Journal(BucketObjects(bucket), key=KEY)
    assert after.id == ident
    after.append([told(8)])
    assert kept(bucket) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert not folder.exists()
    assert done.folder == journal_move.moved_folder(folder)


def test_what_still_writes_to_the_folder_is_refused_after_the_move(folder: Path) -> None:
    server, bucket = journal_in(folder), HeldBucket()
    journal_move.move_journal(folder, bucket, nothing)
    with pytest.raises(FileNotFoundError):
        server.append([told(8)])
    with pytest.raises(BrokenError, match="stopped"):
        server.append([told(9)])
    assert kept(bucket) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("word", ["lost", "unheard"])
def test_wherever_it_is_killed_another_run_ends_it_and_nothing_is_lost_or_there_twice(
    tmp_path: Path, word: str
) -> None:
    for call in range(CALLS_MAX):
        folder = tmp_path / f"{word}{call}" / "restrictions"
        server = journal_in(folder)
        for number in range(1, 8):
            server.append([told(number)])
        bucket, count = HeldBucket(), 7
        bucket.fails = {call: word}
        with suppress(BusyError):
            journal_move.move_journal(folder, bucket, nothing)
            if bucket.calls <= call:
                return  # it was not killed: every call of it was tried
        refused_half(bucket)
        # until it is moved the folder counts, and a server may have gone on with it
        if folder.is_dir():
            server.append([told(8)])
            count = 8
        server.close()
        journal_move.move_journal(folder, bucket, nothing)
        assert kept(bucket) == list(range(1, count + 1)), call
    raise AssertionError("it asks the bucket more often than was tried")


def refused_half(bucket: HeldBucket) -> None:
    """A journal of which a part is in the bucket is not opened."""
    if bucket.held and "journal/0000000001" not in bucket.held:
        with pytest.raises(BrokenError, match="missing"):
            Journal(BucketObjects(bucket.beside()), key=KEY)


def test_it_is_killed_between_its_two_last_steps(folder: Path) -> None:
    bucket = HeldBucket()
    with pytest.raises(BusyError):
        journal_move.move_journal(folder, FullBucket(bucket.held), nothing)
    assert not folder.exists()
    refused_half(bucket)
    assert journal_in(folder).newest(1) == [], (
        "an older server begins another journal, which the database refuses"
    )
    journal_move.move_journal(folder, bucket, nothing)
    assert kept(bucket) == [1, 2, 3, 4, 5, 6, 7]


class FullBucket(HeldBucket):
    """Takes everything but the object that decides."""

    def create(self, name: str, content: bytes) -> str | None:
        if name == "journal/0000000001":
            raise BusyError("not answered")
        return super().create(name, content)


def test_a_bucket_with_another_journal_or_log_is_refused_and_stays_as_it_is(
    folder: Path, tmp_path: Path
) -> None:
    other = HeldBucket()
    Journal(BucketObjects(other), key=KEY).append([told(1)])
    log = HeldBucket({"log/2025/checkpoint": TaggedObject(b"other", "1")})
    log_state = HeldBucket({"log-state/2025": TaggedObject(b"other", "1")})
    half = HeldBucket()
    with suppress(BusyError):
        half.fails = {5: "lost"}
        journal = journal_in(tmp_path / "other")
        journal.append([told(1)])
        journal_move.move_journal(tmp_path / "other", half, nothing)
    assert half.held
    for bucket in (other, log, log_state, half):
        before = dict(bucket.held)
        for act in (
            lambda: journal_move.forecast_move(folder, bucket),  # noqa: B023  # called at once
            lambda: journal_move.move_journal(folder, bucket, nothing),  # noqa: B023  # as above
        ):
            with pytest.raises(RefusedError, match="already"):
                act()
        assert bucket.held == before
        assert folder.is_dir()


def test_where_there_is_no_journal_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no restriction journal"):
        journal_move.move_journal(tmp_path / "restrictions", HeldBucket(), nothing)
    assert not (tmp_path / "restrictions").exists()
