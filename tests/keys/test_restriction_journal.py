"""The restriction journal: what was acknowledged is in it, a torn end is cut, other damage
refuses.
"""

from __future__ import annotations

import hmac
import os
import threading
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.errors import BrokenError, BusyError, RefusedError
from licet.keys import journal_frames
from licet.keys.journal_frames import journal_key
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.keys.restriction_journal import (
    FolderSegments,
    Journal,
    Restriction,
    RestrictionKind,
    WaitingRecords,
)
from licet.policy.file import extend
from licet.store.connect import OutcomeUnknownError, Pool, transaction
from licet.vault import apply, journal_state, restriction
from licet.vault import commands as do
from licet.vault.installation import load_policies
from licet.vault.journal_state import JournalState

from ..installed import DAY, House
from ..journals import KEY
from ..waiting import wait_until

AT = datetime(2025, 9, 1, tzinfo=UTC)


def told(number: int, kind: RestrictionKind = RestrictionKind.refused) -> Restriction:
    return Restriction(life=0, kind=kind, at=AT, account=UUID(int=number), seq=number)


def stop_writing(journal: Journal) -> None:
    """From here on the disk takes nothing more."""
    segments = journal.storage
    assert isinstance(segments, FolderSegments)
    os.close(segments._file)
    segments._file = os.open(segments.folder / "00000001.log", os.O_RDONLY)


def kept(folder: Path) -> list[int]:
    return [record.seq for record in Journal(folder, key=KEY).records()]


def test_what_was_appended_is_there_in_order_after_opening_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", key=KEY)
    journal.append([told(1), told(2)])
    journal.append([told(3)])
    assert kept(tmp_path / "j") == [1, 2, 3]
    assert Journal(tmp_path / "j", key=KEY).id == journal.id
    assert [record.seq for record in journal.newest(2)] == [2, 3]


def test_the_bytes_of_a_record_are_pinned(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", lambda count: bytes(range(count)), key=KEY)
    journal.append([told(7)])
    journal.append([told(8)])
    head = b"licet restrictions v2\n" + bytes(range(16))
    key, before = hmac.digest(KEY, head, "sha256"), bytes(32)
    whole = head
    for number in (1, 2):
        payload = (
            b'{"account":"00000000-0000-0000-0000-00000000000%d","at":"2025-09-01T00:00:00Z",'
            b'"kind":"refused","life":0,"seq":%d}' % (number + 6, number + 6)
        )
        before = hmac.digest(key, before + number.to_bytes(8, "big") + payload, "sha256")
        checked, length = (
            number.to_bytes(8, "big") + before + payload,
            len(payload).to_bytes(4, "big"),
        )
        whole += (
            length
            + zlib.crc32(length).to_bytes(4, "big")
            + zlib.crc32(checked).to_bytes(4, "big")
            + checked
        )
    assert (tmp_path / "j" / "00000001.log").read_bytes() == whole
    assert (
        journal_key(bytes(32)).hex()
        == "84203ea765558b8abfe337dc1eb01f4d95abc30c64ab8fc86f84032625229b84"
    )


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 400), tail=st.binary(max_size=40))
def test_a_torn_end_is_cut_and_what_was_acknowledged_before_it_stays(
    tmp_path_factory: pytest.TempPathFactory, cut: int, tail: bytes
) -> None:
    """A write that was never answered leaves any beginning of itself, and anything where the disk
    had no order.
    """
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, key=KEY)
    journal.append([told(1), told(2)])
    file = folder / "00000001.log"
    whole = file.read_bytes()
    journal.append([told(3)])
    half = file.read_bytes()[len(whole) :][:cut]
    file.write_bytes(whole + (half[:-1] + tail if cut < len(half) + 1 else half))
    assert kept(folder)[:2] == [1, 2]
    Journal(folder, key=KEY).append([told(4)])
    assert kept(folder)[-1] == 4


def test_zeros_that_a_crash_left_are_cut(tmp_path: Path) -> None:
    Journal(tmp_path, key=KEY).append([told(1)])
    with (tmp_path / "00000001.log").open("ab") as file:
        file.write(bytes(5_000))
    assert kept(tmp_path) == [1]


def test_a_damaged_end_is_torn_up_to_the_length_of_a_write_and_damage_beyond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_frames, "TORN_BYTES_MAX", 400)
    Journal(tmp_path, key=KEY).append([told(1)])
    file = tmp_path / "00000001.log"
    whole = file.read_bytes()
    file.write_bytes(whole + bytes(400))
    assert kept(tmp_path) == [1]
    file.write_bytes(whole + bytes(401))
    with pytest.raises(BrokenError, match="cannot be read"):
        kept(tmp_path)


def test_a_journal_that_is_closed_or_goes_on_in_another_segment_holds_no_file(
    tmp_path: Path,
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    journal = Journal(tmp_path, segment_bytes_max=200, key=KEY)
    for number in range(9):
        journal.append([told(number)])
    assert len(list(tmp_path.glob("*.log"))) > 3
    assert len(os.listdir("/proc/self/fd")) == before + 1
    journal.close()
    journal.close()
    assert len(os.listdir("/proc/self/fd")) == before


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_damage_in_the_middle_refuses(
    tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, key=KEY)
    journal.append([told(1), told(2)])
    file = folder / "00000001.log"
    end = len(file.read_bytes())
    journal.append([told(3)])
    data = bytearray(file.read_bytes())
    where = int(place * end)
    data[where] ^= 1 << bit
    file.write_bytes(data)
    if where in range(22, 38):  # its id: the database belongs to another journal then
        assert Journal(folder, key=KEY).id != journal.id
        return
    with pytest.raises(BrokenError, match="damaged"):
        list(Journal(folder, key=KEY).records())
    assert file.read_bytes() == data, "nothing was cut"


def test_a_missing_segment_or_one_of_another_journal_refuses(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a", segment_bytes_max=500, key=KEY)
    for number in range(20):
        journal.append([told(number)])
    assert kept(tmp_path / "a") == list(range(20))
    assert len(list((tmp_path / "a").glob("*.log"))) > 3
    other = Journal(tmp_path / "b", key=KEY)
    other.append([told(1)])
    second = tmp_path / "a" / "00000002.log"
    right = second.read_bytes()
    second.write_bytes((tmp_path / "b" / "00000001.log").read_bytes())
    with pytest.raises(BrokenError, match="another journal"):
        kept(tmp_path / "a")
    second.write_bytes(right)
    second.rename(tmp_path / "a" / "aside")
    with pytest.raises(BrokenError, match="missing"):
        Journal(tmp_path / "a", key=KEY)


def lived(life: int, number: int) -> Restriction:
    return Restriction(
        life=life, kind=RestrictionKind.refused, at=AT, account=UUID(int=number), seq=number
    )


def begin_segment(folder: Path, number: int) -> None:
    """As a crash leaves it between a segment's beginning and its first record."""
    head = (folder / "00000001.log").read_bytes()[:38]
    (folder / f"{number:08}.log").write_bytes(head)


@pytest.mark.parametrize("begun", [0, 1])
@pytest.mark.parametrize("segment_bytes_max", [4096, 1])
def test_what_another_process_appends_between_the_opening_and_the_key_is_followed_once(
    tmp_path: Path, segment_bytes_max: int, begun: int
) -> None:
    other = Journal(tmp_path, key=KEY, segment_bytes_max=segment_bytes_max)
    other.append([told(number) for number in range(1, begun + 1)])
    opening = Journal(tmp_path, segment_bytes_max=segment_bytes_max)
    other.append([told(2), told(3)])
    other.append([told(4)])
    opening.unlock(KEY)
    opening.append([told(5)])
    other.append([told(6)])
    assert kept(tmp_path) == [*range(1, begun + 1), 2, 3, 4, 5, 6]


@pytest.mark.parametrize("opened_before", [True, False])
def test_an_append_of_an_earlier_life_is_refused_though_the_newest_segment_has_no_record(
    tmp_path: Path, opened_before: bool
) -> None:
    journal = Journal(tmp_path, key=KEY)
    journal.append([lived(3, 1), lived(5, 2), lived(4, 3)])
    begin_segment(tmp_path, 2)
    if not opened_before:
        journal = Journal(tmp_path, key=KEY)
    with pytest.raises(RefusedError) as refused:
        journal.append([lived(4, 4)])
    assert refused.value.because == "restored"
    journal.append([lived(5, 5)])
    assert kept(tmp_path) == [1, 2, 3, 5]
    assert [record.seq for record in Journal(tmp_path, key=KEY).records()] == [1, 2, 3, 5]


def test_an_append_of_an_earlier_life_is_refused_whoever_wrote_the_newer_one(
    tmp_path: Path,
) -> None:
    slow, restored = Journal(tmp_path, key=KEY), Journal(tmp_path, key=KEY)
    slow.append([lived(1, 1)])
    restored.append([lived(2, 2)])
    for _ in range(2):
        with pytest.raises(RefusedError):
            slow.append([lived(1, 3)])
    slow.append([lived(3, 4)])
    with pytest.raises(RefusedError):
        slow.append([lived(2, 5)])
    assert kept(tmp_path) == [1, 2, 4]


def test_what_waits_is_changed_by_nobody_but_who_holds_the_gate(tmp_path: Path) -> None:
    class Watched(Journal):
        """A journal that sees who changes its queue."""

        changed: int | None = None

        def __setattr__(self, name: str, value: object) -> None:
            if name in {"_waiting", "_asked"} and self.changed is not None:
                assert self._gate.locked(), name
                object.__setattr__(self, "changed", self.changed + 1)
            super().__setattr__(name, value)

    journal = Watched(tmp_path, key=KEY)
    journal.changed = 0
    journal.append([told(1)])
    journal.append([told(2)])
    assert (journal.changed, kept(tmp_path)) == (4, [1, 2])


def test_many_writers_share_one_fsync_and_none_is_lost(tmp_path: Path) -> None:
    journals = [Journal(tmp_path, key=KEY), Journal(tmp_path, key=KEY)]  # two processes, as it were
    threads = [
        threading.Thread(
            target=lambda n=n: [journals[n % 2].append([told(n * 10 + k)]) for k in range(10)]
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kept(tmp_path)) == list(range(80))


def test_the_newest_record_of_any_process_is_the_head_of_each(tmp_path: Path) -> None:
    one, two = Journal(tmp_path, key=KEY), Journal(tmp_path, key=KEY)
    one.append([told(1), told(2)])
    assert two.current_head() == one.durable
    assert two.current_head().number == 2


def test_a_first_record_that_another_process_wrote_without_the_key_refuses(tmp_path: Path) -> None:
    journal = Journal(tmp_path, key=KEY)
    Journal(tmp_path, key=bytes(32)).append([told(1)])
    with pytest.raises(BrokenError, match=r"record 1, in .* not as it was written"):
        journal.append([told(2)])


def test_records_that_are_longer_than_a_segment_have_one_of_their_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes_max=1, key=KEY)
    for number in (1, 2):
        journal.append([told(number)])
    assert sorted(path.name for path in tmp_path.glob("*.log")) == ["00000001.log", "00000002.log"]
    assert kept(tmp_path) == [1, 2]


class UnansweredStorage(FolderSegments):
    """Answers its first write once `release` is set, and no later one."""

    writes = 0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, os.urandom, 4096)
        self.release = threading.Event()

    def write(self, waiting: Sequence[WaitingRecords]) -> set[int]:
        self.writes += 1
        if self.writes > 1:
            raise BusyError("not answered")
        self.release.wait()
        return super().write(waiting)


def test_callers_who_share_a_write_that_is_not_answered_are_all_told_so_and_it_is_not_repeated(
    tmp_path: Path,
) -> None:
    storage = UnansweredStorage(tmp_path)
    journal = Journal(storage, key=KEY)
    answers: list[str] = []

    def append(number: int) -> None:
        try:
            journal.append([told(number)])
            answers.append("written")
        except BusyError:
            answers.append("busy")

    threads = [threading.Thread(target=append, args=[number]) for number in (1, 2, 3)]
    threads[0].start()
    wait_until(lambda: storage.writes == 1)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: len(journal._waiting) == 2)
    storage.release.set()
    for thread in threads:
        thread.join()
    assert (sorted(answers), storage.writes) == (["busy", "busy", "written"], 2)


def test_after_a_write_that_failed_nothing_is_written_any_more(tmp_path: Path) -> None:
    journal = Journal(tmp_path, key=KEY)
    journal.append([told(1)])
    stop_writing(journal)
    for _ in range(2):
        with pytest.raises((OSError, BrokenError)):
            journal.append([told(2)])
    with pytest.raises(BrokenError, match="stopped"):
        journal.check()
    assert kept(tmp_path) == [1]


# At the one way in


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    house = House(pool, tmp_path)
    journal = Journal(tmp_path / "restrictions", key=KEY)
    keyring = Keyring(FileProvider(tmp_path / "keys"), restrictions=journal)
    house.installation = type(house.installation)(
        config=house.installation.config, pool=pool, keyring=keyring, clock=house.clock
    )
    with transaction(pool) as tx:
        assert journal_state.state_of(tx, journal, house.now) is JournalState.current
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    return house


def journal_of(house: House) -> Journal:
    assert house.installation.keyring.restrictions is not None
    return house.installation.keyring.restrictions


def take_back_everything(house: House) -> None:
    house.about(do.Narrow, "ana", "chat")
    house.about(do.Widen, "ana", "chat")
    house.about(do.Flag, "ana", "chat", score=0.5)
    house.about(do.Unflag, "ana", "chat")
    house.about(do.Hold, "ana", "chat", matter="a matter of kettles")
    house.about(do.Unhold, "ana", "chat", matter="a matter of kettles")
    house.about(do.Delete, "ana", "chat")
    house.account(do.SetPlan, "ana", plan="max")
    house.account(do.SetAge, "ana", age=17)
    house.account(do.SetRegion, "ana", region="US-CA")
    house.choose("ana", False)
    house.account(do.CloseAccount, "ana")


def test_every_restriction_is_kept_and_nothing_that_permits(house: House) -> None:
    take_back_everything(house)
    assert [record.kind.value for record in journal_of(house).records()] == [
        "narrowed",
        "unflagged",
        "held",
        "unheld",
        "deleted",
        "plan",
        "age",
        "region",
        "refused",
        "closed",
    ]


def test_the_journal_holds_no_words(house: House) -> None:
    take_back_everything(house)
    held = b"".join(path.read_bytes() for path in (house.installation.config.journal).glob("*.log"))
    assert b"deleted" in held
    assert b"kettle" not in held
    assert b"ana" not in held


def test_a_record_says_the_command_again(house: House) -> None:
    take_back_everything(house)
    with transaction(house.installation.pool) as tx:
        key = house.installation.keyring.host_key(tx)
    again = [restriction.command_of(record, key) for record in journal_of(house).records()]
    ana, chat, at = house.accounts["ana"], house.chats["chat"], house.now
    assert again == [
        do.Narrow(account=ana, at=at, conversation=chat),
        do.Unflag(account=ana, at=at, conversation=chat),
        do.Hold(account=ana, at=at, conversation=chat, matter="a matter of kettles"),
        do.Unhold(account=ana, at=at, conversation=chat, matter="a matter of kettles"),
        do.Delete(account=ana, at=at, conversation=chat),
        do.SetPlan(account=ana, at=at, plan="max"),
        do.SetAge(account=ana, at=at, age=17),
        do.SetRegion(account=ana, at=at, region="US-CA"),
        do.Choose(account=ana, at=at, allow=False, via="restore"),
        do.CloseAccount(account=ana, at=at),
    ]


def test_what_is_rolled_back_is_not_kept(house: House) -> None:
    class OnPurpose(Exception):
        pass

    with pytest.raises(OnPurpose), transaction(house.installation.pool) as tx:
        known = load_policies(house.installation)
        apply.apply(
            tx,
            house.installation.keyring,
            known,
            [do.CloseAccount(account=house.accounts["ana"], at=house.now)],
        )
        raise OnPurpose
    house.about(do.Widen, "ana", "chat")
    assert list(journal_of(house).records()) == []


def test_nobody_is_answered_where_the_journal_cannot_be_written_and_then_nothing_is_taken(
    house: House,
) -> None:
    journal = journal_of(house)
    stop_writing(journal)
    with pytest.raises(OutcomeUnknownError):
        house.choose("ana", False)
    with pytest.raises(BrokenError, match="stopped"):
        house.about(do.Delete, "ana", "chat")
    assert house.query("SELECT deleted_at FROM conversations") == [(None,)]
    assert house.say("ana", "other", "what takes nothing back goes on", incognito=True)


def test_what_a_crash_committed_and_did_not_keep_is_kept_at_the_next_opening(
    house: House, tmp_path: Path
) -> None:
    journal = journal_of(house)
    house.choose("ana", False)
    house.passes(1)
    # killed between the commit and the fsync, each time
    without = Keyring(FileProvider(tmp_path / "keys"))
    house.installation = type(house.installation)(
        config=house.installation.config,
        pool=house.installation.pool,
        keyring=without,
        clock=house.clock,
    )
    house.open("ben")
    house.choose("ben", False)
    house.about(do.Delete, "ana", "chat")
    with transaction(house.installation.pool) as tx:
        assert restriction.catch_up(tx, journal) == 2
    found = [(record.kind.value, record.account, record.at) for record in journal.records()]
    assert found[1:] == [
        ("refused", house.accounts["ben"], house.now),
        ("deleted", house.accounts["ana"], house.now),
    ]
    with transaction(house.installation.pool) as tx:
        assert restriction.catch_up(tx, journal) == 0


def test_what_one_killed_process_did_not_keep_is_kept_though_others_went_on(
    house: House, tmp_path: Path
) -> None:
    """Two processes serve one account: the first is killed between a commit and the fsync, the
    second goes on.
    """
    journal, with_it = journal_of(house), house.installation
    house.say("ana", "second", "a line")
    house.say("ana", "third", "a line")
    house.about(do.Delete, "ana", "chat")
    without = Keyring(FileProvider(tmp_path / "keys"))
    house.installation = type(house.installation)(
        config=house.installation.config,
        pool=house.installation.pool,
        keyring=without,
        clock=house.clock,
    )
    house.about(do.Delete, "ana", "second")
    house.installation = with_it
    house.about(do.Delete, "ana", "third")
    assert len([one for one in journal.records() if one.kind is RestrictionKind.deleted]) == 2
    with transaction(house.installation.pool) as tx:
        assert restriction.catch_up(tx, journal) == 1
        assert restriction.catch_up(tx, journal) == 0
    recorded = {
        one.conversation for one in journal.records() if one.kind is RestrictionKind.deleted
    }
    assert recorded == {house.chats[name] for name in ("chat", "second", "third")}


def test_a_database_that_lacks_a_record_is_older_and_one_of_another_journal_is_foreign(
    house: House, tmp_path: Path
) -> None:
    journal = journal_of(house)
    house.choose("ana", False)
    seq = house.query("SELECT last_seq FROM accounts")[0][0]
    with transaction(house.installation.pool) as tx:
        assert journal_state.state_of(tx, journal, house.now) is JournalState.current
        assert (
            journal_state.state_of(tx, Journal(tmp_path / "other", key=KEY), house.now)
            is JournalState.foreign
        )
    journal.append(
        [
            Restriction(
                life=0,
                kind=RestrictionKind.closed,
                at=house.now + DAY,
                account=house.accounts["ana"],
                seq=seq + 1,
            )
        ]
    )
    with transaction(house.installation.pool) as tx:
        assert journal_state.state_of(tx, journal, house.now) is JournalState.older


# By question, project and chat


TWO = [
    {"question": "models", "covers": ["improve_models"]},
    {"question": "safety", "covers": ["safety_classifiers"]},
]


@pytest.fixture
def asked(pool: Pool, tmp_path: Path) -> House:
    """Ana allowed both questions for all she says, then models for one project and one chat alone:
    grants 2, 3 and 4.
    """
    house = House(pool, tmp_path, extend({"extends": "article-2025", "choice": TWO}))
    keyring = Keyring(
        FileProvider(tmp_path / "keys"), restrictions=Journal(tmp_path / "restrictions", key=KEY)
    )
    house.installation = type(house.installation)(
        config=house.installation.config, pool=pool, keyring=keyring, clock=house.clock
    )
    house.open("ana", allow=True)
    house.say("ana", "chat", "boils", host_project=house.host("project", "kettles"))
    house.say("ana", "single", "whistles")
    house.choose("ana", False, question="models")
    for scope in by_the_host(house):
        house.choose("ana", True, question="models", scope=scope)
    assert [record.question for record in journal_of(house).records()] == ["models"]
    return house


def by_the_host(house: House) -> list[do.ChosenScope]:
    return [
        do.ChosenScope(host_project=house.host("project", "kettles")),
        do.ChosenScope(host_conversation=house.host("conversation", "single")),
    ]


def in_force(house: House) -> list[int]:
    return [
        row[0]
        for row in house.query(
            """SELECT grant_no FROM standings WHERE grant_no IS NOT NULL
               UNION ALL SELECT grant_no FROM scoped_grants ORDER BY 1"""
        )
    ]


def again(house: House) -> do.Command:
    """What applies the newest record again."""
    with transaction(house.installation.pool) as tx:
        key = house.installation.keyring.host_key(tx)
    return restriction.command_of(journal_of(house).newest(1)[0], key)


def without_journal(house: House) -> Journal:
    """The house goes on as one that is killed between each commit and the fsync."""
    journal, installation = journal_of(house), house.installation
    keyring = Keyring(FileProvider(installation.config.data / "keys"))
    house.installation = type(installation)(
        config=installation.config, pool=installation.pool, keyring=keyring, clock=house.clock
    )
    return journal


def test_a_no_that_is_told_again_answers_its_question_and_leaves_what_it_left_however_that_was_named(
    asked: House,
) -> None:
    assert in_force(asked) == [2, 3, 4]
    asked.choose("ana", False, question="models", keep=tuple(by_the_host(asked)))
    ((project,),) = asked.query("SELECT project_id FROM projects")
    told_again = again(asked)
    assert told_again == do.Choose(
        account=asked.accounts["ana"],
        at=asked.now,
        allow=False,
        question="models",
        via="restore",
        keep=(do.ChosenScope(conversation=asked.chats["single"]), do.ChosenScope(project=project)),
    )
    asked.choose("ana", True, question="models")
    assert in_force(asked) == [2, 3, 4, 5]
    assert [grant.number for grant in asked.tell(told_again)[0].ended] == [5]
    assert in_force(asked) == [2, 3, 4]


def test_a_no_that_named_nothing_in_force_leaves_nothing_when_it_is_told_again(
    asked: House,
) -> None:
    asked.choose("ana", False, question="safety", keep=tuple(by_the_host(asked)))
    told_again = again(asked)
    assert isinstance(told_again, do.Choose)
    assert told_again.keep == ()
    asked.choose("ana", False)
    assert in_force(asked) == []


def test_an_age_is_in_a_record_only_where_the_choice_lowered_it(asked: House) -> None:
    for allow, age in [(False, 40), (False, 25), (True, 40), (True, 24)]:
        asked.choose("ana", allow, question="safety", age=age)
    assert asked.query("SELECT age FROM accounts") == [(24,)]
    found = [(record.kind.value, record.age) for record in journal_of(asked).records()][1:]
    assert found == [("refused", None), ("refused", 25), ("age", 24)]


@pytest.mark.parametrize("by_our_id", [True, False])
def test_a_project_kept_out_is_kept_out_again_by_the_host_s_id(
    asked: House, by_our_id: bool
) -> None:
    ((project,),) = asked.query("SELECT project_id FROM projects")
    host = asked.host("project", "kettles")
    named = {"project": project} if by_our_id else {"host_project": host}
    asked.account(do.KeepProjectOut, "ana", **named)
    assert [record.kind.value for record in journal_of(asked).records()][1:] == ["project_kept_out"]
    told_again = again(asked)
    assert told_again == do.KeepProjectOut(
        account=asked.accounts["ana"], at=asked.now, host_project=host
    )
    asked.account(do.LetProjectIn, "ana", **named)
    asked.about(do.Widen, "ana", "chat")
    assert in_force(asked) == [2, 4]
    out = """SELECT p.kept_out_at IS NOT NULL, c.narrowed FROM projects p
      JOIN conversations c USING (project_id)"""
    assert asked.query(out) == [(False, False)]
    asked.tell(told_again)
    assert asked.query(out) == [(True, True)]
    assert len(list(journal_of(asked).records())) == 3


def test_a_crash_keeps_from_no_record_what_a_no_answered_or_which_project_was_kept_out(
    asked: House,
) -> None:
    journal = without_journal(asked)
    asked.passes(1)
    asked.choose("ana", False, question="models", keep=tuple(by_the_host(asked)))
    asked.account(do.KeepProjectOut, "ana", host_project=asked.host("project", "kettles"))
    with transaction(asked.installation.pool) as tx:
        assert restriction.catch_up(tx, journal) == 3
    ((project,),) = asked.query("SELECT project_id FROM projects")
    found = [
        (record.kind.value, record.question, record.kept, record.project, record.conversation)
        for record in journal.records()
    ][1:]
    assert found == [
        # its project is out since
        ("refused", "models", (f"conversation:{asked.chats['single'].hex}",), None, None),
        ("project_kept_out", "", (), project, None),
        ("narrowed", "", (), None, asked.chats["chat"]),
    ]
