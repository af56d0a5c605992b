"""The chain of the restriction journal: what must fail without the key, and what an operator's new
beginning allows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from bench._altered import packed

from licet.errors import BrokenError
from licet.keys import journal_heads, journal_mend
from licet.keys.journal_frames import (
    START,
    ChainWalk,
    JournalFrame,
    JournalHead,
    chain_key,
    chain_value,
    extend,
    frames_in,
)
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.keys.restriction_journal import Journal, Restriction, RestrictionKind
from licet.ledger import outbox
from licet.store.connect import Pool, transaction
from licet.vault import journal_evidence, restriction
from licet.vault.installation import Installation

from ..installed import House
from ..journals import KEY

ID, AT = UUID(int=7), datetime(2025, 9, 1, tzinfo=UTC)


def five() -> list[JournalFrame]:
    frames, _ = extend(chain_key(KEY, ID), START, [b'{"n":%d}' % n for n in range(1, 6)])
    return [frame for one in frames for frame in frames_in(one, "x", is_last=False)]


def walked(
    frames: list[JournalFrame], key: bytes = KEY, journal: UUID = ID, **more: object
) -> tuple[list[int], list[str]]:
    """The numbers of the frames that count, and what does not fit."""
    walk = ChainWalk(chain_key(key, journal), **more)  # type: ignore[arg-type]  # fields by name
    counted = [frame.number for frame in frames if walk.counts(frame, "x")]
    return counted, [str(misfit) for misfit in walk.finish()]


def test_what_was_written_counts() -> None:
    assert walked(five()) == ([1, 2, 3, 4, 5], [])
    assert walked(five(), known=[JournalHead(f.number, f.chain) for f in five()]) == (
        [1, 2, 3, 4, 5],
        [],
    )
    assert [packed(frame) for frame in five()] == extend(
        chain_key(KEY, ID), START, [f.payload for f in five()]
    )[0]


def changed(place: int, **more: object) -> Callable[[list[JournalFrame]], list[JournalFrame]]:
    # Fields by name.
    return lambda frames: [f._replace(**more) if n == place else f for n, f in enumerate(frames)]  # type: ignore[arg-type]


MUST_FAIL: dict[str, tuple[Callable[[list[JournalFrame]], list[JournalFrame]], str]] = {
    "another payload": (changed(2, payload=b'{"n":9}'), "record 3, in `x`: not as it was written"),
    "another number": (changed(2, number=4), "record 4, in `x`: not as it was written"),
    "another chain value": (changed(2, chain=bytes(32)), "record 3, in `x`: not as it was written"),
    "one that is gone": (lambda f: f[:2] + f[3:], "record 4, in `x`: not as it was written"),
    "the first ones gone": (lambda f: f[2:], "record 3, in `x`: not as it was written"),
    "one there twice": (lambda f: [*f[:3], f[2], *f[3:]], "record 3, in `x`: repeated"),
    "two exchanged": (
        lambda f: [f[0], f[2], f[1], *f[3:]],
        "record 3, in `x`: not as it was written",
    ),
    "one more at the end": (
        lambda f: [*f, f[4]._replace(number=6)],
        "record 6, in `x`: not as it was written",
    ),
    "one more inside": (
        lambda f: [*f[:2], JournalFrame(3, bytes(32), b"{}"), *f[2:]],
        "record 3, in `x`: not as it was written",
    ),
    "a new beginning": (
        lambda f: [*f, JournalFrame(99, chain_value(bytes(32), bytes(32), 99, b"{}"), b"{}")],
        "record 99, in `x`: not as it was written",
    ),
}


@pytest.mark.parametrize("name", MUST_FAIL)
def test_what_somebody_without_the_key_makes_of_it_is_named(name: str) -> None:
    change, what = MUST_FAIL[name]
    counted, misfits = walked(change(five()))
    assert misfits[0] == what
    assert set(counted) <= {1, 2, 3, 4, 5}, "what was put there does not count"


def test_another_key_or_another_journal_proves_nothing() -> None:
    assert walked(five(), key=bytes(32))[0] == []
    assert walked(five(), journal=UUID(int=8))[0] == []


def test_an_end_that_somebody_remembers_is_missed_and_another_record_there_is_named() -> None:
    last = JournalHead(five()[4].number, five()[4].chain)
    assert walked(five()[:3], known=[last])[1] == [
        "records 4 to 5, in `the end of the journal`: missing"
    ]
    other = [JournalHead(3, bytes(32))]
    assert walked(five(), known=other)[1] == [
        "record 3, in `x`: another one than the database or the log knows"
    ]


def test_only_the_key_begins_anew_and_what_lies_before_is_asked_of_nobody_then() -> None:
    number = 1_000_006
    anew = JournalFrame(number, chain_value(chain_key(KEY, ID), START.chain, number, b"{}"), b"{}")
    broken = [*changed(2, payload=b"{}")(five()), anew]
    counted, misfits = walked(broken)
    assert counted == [1, 2, 4, 5, number]
    assert misfits[-1] == "records 6 to 1000005, in `x`: missing, or not as it was written"
    since, third = JournalHead(number, anew.chain), JournalHead(3, five()[2].chain)
    assert walked(broken, known=[third], since=since)[1] == []


def test_a_record_continues_the_last_that_counted_under_the_next_number_alone() -> None:
    frames, key = five(), chain_key(KEY, ID)
    put_between = JournalFrame(3, bytes(32), b"{}")
    assert walked([*frames[:2], put_between, *frames[2:]])[0] == [1, 2, 3, 4, 5]
    skipping = JournalFrame(8, chain_value(key, frames[4].chain, 8, b"{}"), b"{}")
    assert walked([*frames, skipping]) == (
        [1, 2, 3, 4, 5],
        ["record 8, in `x`: not as it was written"],
    )


def told(number: int, life: int = 0) -> Restriction:
    return Restriction(
        life=life, kind=RestrictionKind.refused, at=AT, account=UUID(int=number), seq=number
    )


def test_a_journal_of_the_form_before_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path, key=KEY).append([told(1)])
    file = tmp_path / "00000001.log"
    file.write_bytes(file.read_bytes().replace(b"restrictions v2", b"restrictions v1"))
    with pytest.raises(BrokenError, match="header of a segment"):
        Journal(tmp_path, key=KEY)


def test_a_journal_that_is_refused_leaves_no_file_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path, key=KEY)
    journal.append([told(1)])
    journal.append([told(2)])
    journal.close()
    file = tmp_path / "00000001.log"
    file.write_bytes(file.read_bytes().replace(b"refused", b"allowed", 1))
    for refused in range(2):
        with pytest.raises(BrokenError):
            Journal(tmp_path, key=KEY)
        opened = [
            os.readlink(place) for place in Path("/proc/self/fd").iterdir() if place.is_symlink()
        ]
        assert [place for place in opened if place.startswith(str(tmp_path))] == [], refused


def test_what_another_process_put_behind_the_end_without_the_key_is_not_continued(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path, key=KEY)
    journal.append([told(1)])
    forged = Restriction(life=2**31, kind=RestrictionKind.life, at=AT)
    Journal(tmp_path / "other", key=bytes(32)).append([told(1), forged])
    data = (tmp_path / "other" / "00000001.log").read_bytes()
    second = list(frames_in(data[38:], "x", is_last=False))[1]
    with (tmp_path / "00000001.log").open("ab") as file:
        file.write(packed(second))
    with pytest.raises(BrokenError, match=r"record 2, in `00000001.log`: not as it was written"):
        journal.append([told(2)])
    again = Journal(tmp_path, key=KEY)
    assert again.newest_life().life == 0, "a life that nobody began refuses nobody"
    assert [record.seq for record in again.newest(9)] == [1]


def test_mending_keeps_every_record_that_can_be_read_and_what_it_replaces(tmp_path: Path) -> None:
    journal = Journal(tmp_path, key=KEY, segment_bytes_max=300)
    for number in range(1, 7):
        journal.append([told(number)])
    journal.close()
    files = sorted(tmp_path.glob("*.log"))
    assert len(files) > 3
    files[0].write_bytes(b"x" * 20 + files[0].read_bytes()[20:])
    files[1].unlink()
    (tmp_path / "99999999.log").write_bytes(b"put there")
    for _ in range(2):
        kept = journal_mend.mend(tmp_path, journal.id)
    assert kept == (), "done once, it is whole"
    assert len(list(tmp_path.glob("set-aside-*"))) == 2
    mended = Journal(tmp_path, key=KEY)
    assert mended.id == journal.id
    counted = [one.record.seq for one in mended.survey(mended.walk())]
    assert {1, 5, 6} <= set(counted) < {1, 2, 3, 4, 5, 6}


# What the database and the log remember


@pytest.fixture
def house(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(restriction, "REMEMBERED_EVERY", 1)
    house = House(pool, tmp_path)
    keyring = Keyring(
        FileProvider(tmp_path / "keys"), restrictions=Journal(tmp_path / "restrictions", key=KEY)
    )
    house.installation = Installation(
        config=house.installation.config, pool=pool, keyring=keyring, clock=house.clock
    )
    with transaction(pool) as tx:
        assert keyring.restrictions is not None
        journal_heads.save_head(tx, keyring.restrictions.id, JournalHead(0, b""))
    house.open("ana", allow=True)
    return house


def journal_of(house: House) -> Journal:
    assert house.installation.keyring.restrictions is not None
    return house.installation.keyring.restrictions


def test_the_database_remembers_what_was_durable_before_and_never_more(house: House) -> None:
    for count in range(1, 4):
        house.choose("ana", False)
        with transaction(house.installation.pool) as tx:
            heads = journal_heads.load_head(tx, journal_of(house).id)
        assert [head.number for head in heads] == ([count - 1] if count > 1 else [])
        assert journal_of(house).durable.number == count
    with transaction(house.installation.pool) as tx:
        journal_evidence.check_journal(tx, journal_of(house))


def test_a_journal_that_lost_what_the_database_remembers_is_refused(
    house: House, tmp_path: Path
) -> None:
    for _ in range(3):
        house.choose("ana", False)
    file = tmp_path / "restrictions" / "00000001.log"
    frames = list(frames_in(file.read_bytes()[38:], "x", is_last=False))
    file.write_bytes(file.read_bytes()[:38] + packed(frames[0]))
    shorter = Journal(tmp_path / "restrictions", key=KEY)
    with (
        transaction(house.installation.pool) as tx,
        pytest.raises(BrokenError, match=r"record 2, .* missing"),
    ):
        journal_evidence.check_journal(tx, shorter)


def test_the_log_is_told_of_a_journal_that_grows_and_at_most_once_an_hour(house: House) -> None:
    def told_now() -> bool:
        with transaction(house.installation.pool) as tx:
            return journal_evidence.log_head_if_due(tx, journal_of(house), house.now)

    assert not told_now(), "an empty journal has no head"
    house.choose("ana", False)
    assert told_now()
    assert not told_now(), "it has not grown"
    house.choose("ana", False)
    assert not told_now(), "an hour has not passed"
    house.now += timedelta(minutes=journal_evidence.HEAD_MINUTES_MAX)
    assert told_now()
    rows = house.query(
        "SELECT payload::jsonb ->> 'number' FROM outbox WHERE entry = 'journal_head' ORDER "
        "BY outbox_id"
    )
    assert rows == [("1",), ("2",)]
    with transaction(house.installation.pool) as tx:
        assert outbox.logged_heads(tx, journal_of(house).id) == [], (
            "the log has them once it is sequenced"
        )
