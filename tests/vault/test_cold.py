"""What was moved to the cold store reads back everywhere, a crash loses nothing, and erasing stays
the key's death.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from licet.config import Configuration
from licet.consent import takeout
from licet.curate import release_build
from licet.erasure import sweeper
from licet.errors import BrokenError, BusyError
from licet.keys import objects
from licet.keys.objects import Stored
from licet.policy.decide import IMPROVE, SAFETY
from licet.policy.state import Share
from licet.service import population_status
from licet.store.connect import Pool, transaction
from licet.vault import cold_tier
from licet.vault import commands as do
from licet.vault.installation import load_policies

from .. import seaweed
from ..installed import House

Meddle = Callable[[], None]


class Stopped(Exception):
    pass


class Meddled:
    """Objects that something happens around."""

    def __init__(
        self, inner: Stored, before: Meddle = lambda: None, after: Meddle = lambda: None
    ) -> None:
        self._inner, self._before, self._after = inner, before, after

    def put(self, name: str, content: bytes) -> None:
        self._before()
        self._inner.put(name, content)
        self._after()

    def read(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        return self._inner.read(name, spans)

    def delete(self, name: str) -> None:
        self._inner.delete(name)


def stop() -> None:
    raise Stopped


@pytest.fixture
def house(house: House) -> House:
    house.installation.keyring.cold = Stored(house.installation.config.data / "cold")
    return lived_in(house)


def lived_in(house: House) -> House:
    """Ana, who allows, has three chats that nobody added to for a hundred days, and one of
    today.
    """
    house.open("ana", allow=True)
    for chat in ("river", "stone", "paper"):
        house.talk("ana", chat)
    house.say("ana", "river", "and in the afternoon")
    house.passes(100)
    house.talk("ana", "today")
    return house


def cool(house: House) -> cold_tier.CoolingResult:
    return cold_tier.cool(house.installation)


def said(house: House) -> str:
    """Everything of Ana's, as she takes it out."""
    known = load_policies(house.installation)
    pieces = takeout.conversation_lines(
        lambda: transaction(house.installation.pool),
        house.installation.keyring,
        known,
        house.accounts["ana"],
        house.now,
    )
    return b"".join(pieces).decode()


def places(house: House) -> dict[str, tuple[int, int]]:
    """Of each chat: how many blocks are in the table, and how many in an object."""
    names = {chat: name for name, chat in house.chats.items()}
    rows = house.query(
        "SELECT conversation_id, count(sealed), count(object_id) FROM blocks "
        "WHERE sizes IS NOT NULL GROUP BY 1"
    )
    return {names[chat]: (hot, gone) for chat, hot, gone in rows}


def files(house: House) -> set[str]:
    folder = house.installation.config.data / "cold"
    return (
        {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        if folder.exists()
        else set()
    )


def known_objects(house: House) -> set[str]:
    return {
        cold_tier.name_of(row[0])
        for row in house.query("SELECT object_id FROM cold_objects WHERE written_at IS NOT NULL")
    }


def erase(house: House, chat: str) -> None:
    house.about(do.Delete, "ana", chat)
    house.passes(31)
    sweeper.sweep(house.installation)


# Moving and reading


def test_what_was_said_long_ago_moves_whole_segments_at_a_time_and_what_is_new_stays(
    house: House,
) -> None:
    planned = cold_tier.coolable(house.installation)
    assert (planned.segments, planned.turns) == (3, 7)
    done = cool(house)
    assert (done.segments, done.turns, done.bytes, done.objects) == (3, 7, planned.bytes, 1)
    assert places(house) == {"river": (0, 3), "stone": (0, 2), "paper": (0, 2), "today": (2, 0)}
    assert files(house) == known_objects(house)
    assert cold_tier.coolable(house.installation) == cold_tier.Coolable(
        segments=0, turns=0, bytes=0
    )
    assert cool(house).objects == 0


def test_a_dry_run_touches_nothing(house: House) -> None:
    before = house.dump()
    cold_tier.coolable(house.installation)
    assert house.dump() == before
    assert files(house) == set()


def test_what_moved_reads_back_for_its_person_for_a_release_for_a_flag_and_for_feedback(
    house: House,
) -> None:
    before, weight = said(house), population_status.status(house.installation).bytes_kept
    release_build.build_release(house.installation, name="hot", purpose=IMPROVE)
    cool(house)
    assert said(house) == before
    assert population_status.status(house.installation).bytes_kept == weight
    release_build.build_release(house.installation, name="cold", purpose=IMPROVE)
    assert house.rows("cold") == house.rows("hot") != []
    house.about(do.Flag, "ana", "stone")
    house.about(do.GiveFeedback, "ana", "paper", rating="up", share=Share.conversation)
    assert house.query("SELECT count(*) FROM safety_bodies") == [(2,)]
    assert house.query("SELECT count(*) FROM feedback_bodies") == [(2,)]
    release_build.build_release(house.installation, name="safety", purpose=SAFETY)
    assert "ana asks in stone" in house.words("safety")


def test_a_chat_that_moved_goes_on_and_its_new_turns_are_moved_later(house: House) -> None:
    cool(house)
    house.say("ana", "river", "back again")
    assert places(house)["river"] == (1, 3)
    house.passes(100)
    cool(house)
    assert places(house)["river"] == (0, 4)
    assert "back again" in said(house)
    assert "and in the afternoon" in said(house)


def test_no_object_holds_more_than_it_may_and_none_parts_a_segment(house: House) -> None:
    before = said(house)
    done = cold_tier.cool(house.installation, bytes_max=1)
    assert done.objects == 3
    parted = house.query(
        "SELECT FROM blocks WHERE object_id IS NOT NULL GROUP BY conversation_id, segment "
        "HAVING count(DISTINCT object_id) > 1"
    )
    assert parted == []
    assert said(house) == before


def test_an_object_is_of_one_due_month(house: House) -> None:
    house.passes(40)
    house.talk("ana", "later")
    house.passes(100)
    assert cool(house).objects == 3
    found = house.query(
        """SELECT count(DISTINCT date_trunc('month', s.due_on)) FROM blocks b
             JOIN segments s USING (account_id, conversation_id, segment)
               WHERE object_id IS NOT NULL GROUP BY object_id"""
    )
    assert found == [(1,), (1,), (1,)]


def test_what_is_soon_due_is_not_worth_the_way(house: House) -> None:
    house.choose("ana", False)  # thirty days are left
    assert cold_tier.coolable(house.installation).segments == 0


# Crashes


@pytest.mark.parametrize("where", ["before the object is written", "after it is written"])
def test_a_crash_loses_nothing_and_leaves_nothing(house: House, where: str) -> None:
    before, inner = said(house), house.installation.keyring.cold
    assert isinstance(inner, Stored)
    house.installation.keyring.cold = (
        Meddled(inner, stop) if where.startswith("before") else Meddled(inner, after=stop)
    )
    with pytest.raises(Stopped):
        cool(house)
    assert said(house) == before
    assert house.query("SELECT count(*) FROM blocks WHERE object_id IS NOT NULL") == [(0,)]
    house.installation.keyring.cold = inner
    done = cool(house)
    assert (done.segments, done.deleted) == (3, 1)
    assert files(house) == known_objects(house)
    assert said(house) == before


def test_a_crash_between_two_objects_keeps_the_first_and_goes_on_with_the_second(
    house: House,
) -> None:
    before, inner = said(house), house.installation.keyring.cold
    assert isinstance(inner, Stored)
    house.passes(40)
    house.talk("ana", "later")
    house.passes(100)
    counted: list[int] = []

    def second() -> None:
        counted.append(1)
        if len(counted) == 2:
            raise Stopped

    house.installation.keyring.cold = Meddled(inner, second)
    with pytest.raises(Stopped):
        cool(house)
    house.installation.keyring.cold = inner
    assert len(known_objects(house)) == 1
    cool(house)
    assert all(hot == 0 for hot, _ in places(house).values())
    assert before.splitlines()[0] in said(house)


KILLED = """
import os, signal, sys
from pathlib import Path
from licet.config import Configuration
from licet.vault.installation import open_installation

from licet.policy.period import instant
from licet.vault import cold_tier
from licet.keys.objects import Stored
class Killing(Stored):
    def put(self, name, content):
        super().put(name, content)
        os.kill(os.getpid(), signal.SIGKILL)
config = Configuration(data=Path(sys.argv[1]), database_url=sys.argv[2])
with open_installation(config, lambda: instant(sys.argv[3])) as installation:
    installation.keyring.cold = Killing(installation.config.data / "cold")
    cold_tier.cool(installation)
"""


def test_a_run_that_is_killed_after_an_object_is_written_is_taken_up_by_the_next(
    house: House, dsn: str
) -> None:
    before = said(house)
    moment = house.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    arguments = [sys.executable, "-c", KILLED, str(house.installation.config.data), dsn, moment]
    assert subprocess.run(arguments, capture_output=True, timeout=600).returncode == -9
    assert len(files(house)) == 1
    done = retrying(lambda: cool(house))
    assert (done.deleted, done.segments) == (1, 3)
    assert files(house) == known_objects(house)
    assert said(house) == before


def retrying(act: Callable[[], cold_tier.CoolingResult]) -> cold_tier.CoolingResult:
    """Until the server has seen that the killed run's connection is gone, and with it its lock."""
    for _ in range(100):
        try:
            return act()
        except BusyError:
            time.sleep(0.1)
    return act()


def test_two_runs_do_not_meet(house: House) -> None:
    inner = house.installation.keyring.cold
    assert isinstance(inner, Stored)

    def another() -> None:
        with pytest.raises(BusyError):
            cool(house)

    house.installation.keyring.cold = Meddled(inner, another)
    assert cool(house).segments == 3


# Erasing


def test_a_body_that_is_erased_while_it_is_moved_is_gone(house: House) -> None:
    inner = house.installation.keyring.cold
    assert isinstance(inner, Stored)
    house.installation.keyring.cold = Meddled(inner, lambda: erase(house, "river"))
    cool(house)
    assert "river" not in places(house)
    assert "ana asks in river" not in said(house)
    assert "ana asks in stone" in said(house)


def test_an_object_is_deleted_when_nothing_in_it_lives_and_never_before(house: House) -> None:
    cool(house)
    (name,) = files(house)
    for chat in ("river", "stone"):
        erase(house, chat)
        house.passes(1)
        assert cool(house).deleted == 0
        assert name in files(house)
    assert "ana asks in paper" in said(house)
    erase(house, "paper")
    assert cool(house).deleted == 0, "who found it before it was erased may be reading"
    assert name in files(house)
    house.passes(1)
    assert cool(house).deleted == 1
    assert name not in files(house)
    assert files(house) == known_objects(house)


def test_an_empty_object_is_deleted_after_the_time_of_a_reader_and_no_earlier(house: House) -> None:
    cool(house)
    (name,) = files(house)
    for chat in ("river", "stone", "paper"):
        erase(house, chat)
    assert cool(house).deleted == 0
    house.now += timedelta(seconds=cold_tier.EMPTY_SECONDS) - timedelta.resolution
    assert (cool(house).deleted, name in files(house)) == (0, True)
    house.now += timedelta.resolution
    assert (cool(house).deleted, name in files(house)) == (1, False)


def test_a_hold_keeps_what_lies_in_an_object(house: House) -> None:
    cool(house)
    house.about(do.Hold, "ana", "river", matter="case 7")
    names = files(house)
    for chat in ("river", "stone", "paper"):
        erase(house, chat)
    for _ in range(3):
        house.passes(1)
        cool(house)
    assert names <= files(house)
    assert places(house)["river"] == (0, 3)


def test_nothing_that_was_said_lies_in_an_object_in_clear(house: House) -> None:
    cool(house)
    folder = house.installation.config.data / "cold"
    for name in files(house):
        content = (folder / name).read_bytes()
        assert b"ana" not in content
        assert b"river" not in content


# A store that is not what it should be


@pytest.mark.parametrize("damage", ["missing", "cut short", "changed"])
def test_an_object_that_is_not_what_was_written_is_an_error_that_quotes_nothing(
    house: House, damage: str
) -> None:
    cool(house)
    (name,) = files(house)
    path = house.installation.config.data / "cold" / name
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:10] if damage == "cut short" else bytes(len(whole)))
    with pytest.raises(BrokenError) as caught:
        said(house)
    assert "asks" not in str(caught.value)


def test_an_object_that_reads_back_otherwise_lets_go_of_nothing(house: House) -> None:
    class Lying(Stored):
        def put(self, name: str, content: bytes) -> None:
            super().put(name, content[:-1] + bytes([content[-1] ^ 1]))
            raise BrokenError("as `put` does when what it reads back differs")

    before = said(house)
    house.installation.keyring.cold = Lying(house.installation.config.data / "cold")
    with pytest.raises(BrokenError):
        cool(house)
    assert said(house) == before
    assert house.query("SELECT count(*) FROM blocks WHERE sealed IS NULL") == [(0,)]


def test_an_object_is_never_written_over(tmp_path: Path) -> None:
    store = Stored(tmp_path / "cold")
    store.put("bodies/aa/one", b"first")
    with pytest.raises(BusyError):
        store.put("bodies/aa/one", b"second")
    assert store.read("bodies/aa/one", [(0, 5), (1, 2)]) == [b"first", b"ir"]
    store.delete("bodies/aa/one")
    store.delete("bodies/aa/one")


# A real S3


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Configuration]:
    """A bucket of a SeaweedFS of its own."""
    with seaweed.running(tmp_path_factory.mktemp("weed")) as server:
        yield Configuration.from_environment(server.settings("COLD", "cold"))


def test_a_bucket_takes_gives_back_and_deletes_as_the_folder_does(
    pool: Pool, tmp_path: Path, bucket: Configuration
) -> None:
    house = House(pool, tmp_path)
    house.installation.keyring.cold = objects.open_cold_store(bucket)
    lived_in(house)
    before = said(house)
    assert cool(house).segments == 3
    assert places(house) == {"river": (0, 3), "stone": (0, 2), "paper": (0, 2), "today": (2, 0)}
    assert said(house) == before
    release_build.build_release(house.installation, name="r", purpose=IMPROVE)
    assert "and in the afternoon" in house.words("r")
    for chat in ("river", "stone", "paper"):
        erase(house, chat)
    cool(house)
    house.passes(1)
    assert cool(house).deleted == 1


def test_a_bucket_never_has_an_object_written_over(bucket: Configuration) -> None:
    store = objects.open_cold_store(bucket)
    store.put("bodies/aa/one", b"first")
    with pytest.raises(BusyError):
        store.put("bodies/aa/one", b"second")
    assert store.read("bodies/aa/one", [(0, 5)]) == [b"first"]


def test_a_wrong_secret_is_refused_and_quoted_nowhere(
    bucket: Configuration, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-secret")
    environment = {
        "LICET_COLD__URL": str(bucket.cold.url),
        "LICET_COLD__ENDPOINT": str(bucket.cold.endpoint),
        "LICET_COLD__ACCESS_KEY_ID": "ana",
        "LICET_COLD__SECRET_ACCESS_KEY_FILE": str(wrong),
    }
    with pytest.raises(BusyError) as caught:
        objects.open_cold_store(Configuration.from_environment(environment)).put(
            "bodies/aa/two", b"x"
        )
    assert "not-the-secret" not in str(caught.value)


def test_content_that_lies_in_a_store_that_is_not_given_is_an_error(house: House) -> None:
    cool(house)
    house.installation.keyring.cold = None
    with pytest.raises(BrokenError, match="cold store"):
        said(house)
