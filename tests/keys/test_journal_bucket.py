"""The restriction journal in a bucket: one order of all hosts, nothing acknowledged is lost, and a
newer life refuses.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from licet.config import Configuration
from licet.errors import BrokenError, BusyError, RefusedError, UsageError
from licet.keys import journal_bucket
from licet.keys.journal_bucket import HEAD_BYTES, BucketObjects
from licet.keys.journal_frames import frames_in
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.keys.restriction_journal import (
    Journal,
    Restriction,
    RestrictionKind,
    WaitingRecords,
)
from licet.store.bucket import TaggedObject
from licet.store.connect import OutcomeUnknownError, Pool, transaction
from licet.vault import commands as do
from licet.vault import idempotency, journal_state, restriction
from licet.vault.installation import Installation
from licet.vault.journal_state import JournalState
from licet.vault.requests import Write, WriteBatch, WriteResult

from ..buckets import HeldBucket
from ..installed import House
from ..journals import KEY

AT = datetime(2025, 9, 1, tzinfo=UTC)


def told(number: int, life: int = 0) -> Restriction:
    return Restriction(
        life=life, kind=RestrictionKind.refused, at=AT, account=UUID(int=number), seq=number
    )


def begun(life: int) -> Restriction:
    return Restriction(life=life, kind=RestrictionKind.life, at=AT)


def journal_on(bucket: HeldBucket) -> Journal:
    return Journal(BucketObjects(bucket), key=KEY)


def kept(bucket: HeldBucket) -> list[int]:
    return [record.seq for record in journal_on(bucket.beside()).records()]


def test_two_hosts_append_to_one_journal_in_one_order() -> None:
    bucket = HeldBucket()
    one, two = journal_on(bucket), journal_on(bucket.beside())
    assert one.id == two.id
    one.append([told(1), told(2)])
    two.append([told(3)])
    two.append([told(4)])
    one.append([told(5)])
    assert kept(bucket) == [1, 2, 3, 4, 5]
    assert sorted(bucket.held) == [f"journal/{number:010}" for number in range(1, 6)]
    assert [record.seq for record in one.newest(2)] == [4, 5]
    assert [record.seq for record in one.newest(100)] == [1, 2, 3, 4, 5]


def test_what_another_host_appends_between_the_opening_and_the_key_is_followed_once() -> None:
    bucket = HeldBucket()
    one = journal_on(bucket)
    one.append([told(1)])
    opening = Journal(BucketObjects(bucket.beside()))
    one.append([told(2), told(3)])
    one.append([told(4)])
    opening.unlock(KEY)
    opening.append([told(5)])
    one.append([told(6)])
    assert kept(bucket) == [1, 2, 3, 4, 5, 6]


def test_the_newest_record_of_any_host_is_the_head_of_each() -> None:
    bucket = HeldBucket()
    one, two = journal_on(bucket), journal_on(bucket.beside())
    for number in range(1, 4):
        one.append([told(number)])
    assert two.current_head() == one.durable
    assert two.current_head().number == 3


def test_the_bytes_of_an_object_are_pinned() -> None:
    bucket = HeldBucket()
    journal = Journal(BucketObjects(bucket, lambda count: bytes(range(count))), key=KEY)
    journal.append([told(7)])
    head = b"licet restrictions v2\n" + bytes(range(16)) * 2
    assert bucket.held["journal/0000000001"].content == head
    assert bucket.held["journal/0000000002"].content[: len(head)] == head
    assert b'"seq":7' in bucket.held["journal/0000000002"].content[len(head) :]


def test_threads_of_three_hosts_lose_nothing_and_share_writes() -> None:
    bucket = HeldBucket()
    journals = [journal_on(bucket if n == 0 else bucket.beside()) for n in range(3)]
    lock = threading.Lock()
    for journal in journals:
        assert isinstance(journal.storage, BucketObjects)
        journal.storage._bucket._one = lock  # type: ignore[attr-defined]  # a test's lock

    def work(n: int) -> None:
        for k in range(10):
            journals[n % 3].append([told(n * 10 + k)])

    threads = [threading.Thread(target=work, args=[n]) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = kept(bucket)
    assert sorted(found) == list(range(120))
    for n in range(12):  # each thread's own order
        assert [seq for seq in found if seq // 10 == n] == list(range(n * 10, n * 10 + 10))


def test_what_is_of_an_older_life_than_a_restore_on_another_host_is_refused_and_not_written() -> (
    None
):
    bucket = HeldBucket()
    restoring, other = journal_on(bucket), journal_on(bucket.beside())
    other.append([told(1)])
    restoring.append([begun(1)])
    with pytest.raises(RefusedError) as caught:
        other.append([told(2)])
    assert caught.value.because == "restored"
    assert [(r.life, r.seq) for r in restoring.records()] == [(0, 1), (1, 0)]
    other.append([told(3, life=1)])
    late = journal_on(bucket.beside())  # opened after it: it knows the life from the last object
    with pytest.raises(RefusedError):
        late.append([told(4)])


@pytest.mark.parametrize("word", ["lost", "unheard"])
def test_wherever_the_service_does_not_answer_nothing_acknowledged_is_lost_and_the_order_stays(
    word: str,
) -> None:
    """A caller makes the change again until it is answered; another host writes between."""
    call = 0
    while True:
        bucket = HeldBucket()
        bucket.fails = {call: word, call + 3: word}
        acknowledged: list[int] = []
        journal: Journal | None = None
        other: Journal | None = None
        for number in range(1, 7):
            for _ in range(9):
                with suppress(BusyError):
                    journal = journal or journal_on(bucket)
                    journal.append([told(number)])
                    acknowledged.append(number)
                    break
            other = other or journal_on(bucket.beside())
            if number % 2:
                other.append([told(number + 100)])
        found = kept(bucket)
        assert acknowledged == [1, 2, 3, 4, 5, 6]
        assert list(dict.fromkeys(seq for seq in found if seq < 100)) == acknowledged
        assert [seq for seq in found if seq > 100] == [101, 103, 105]
        if bucket.calls <= call:
            break
        call += 1
    assert call > 9


def test_what_was_accepted_and_not_written_is_written_before_anything_else_is_accepted() -> None:
    bucket = HeldBucket()
    journal = journal_on(bucket)
    bucket.fails = {bucket.calls + n: "lost" for n in range(2)}
    with pytest.raises(BusyError):
        journal.append([told(1)])
    with pytest.raises(BusyError):
        journal.accept()
    assert kept(bucket) == []
    journal.accept()
    assert kept(bucket) == [1]
    journal.check()


def test_a_missing_a_damaged_and_a_foreign_object_are_errors() -> None:
    bucket = HeldBucket()
    journal = journal_on(bucket)
    for number in range(3):
        journal.append([told(number)])
    whole = dict(bucket.held)
    second = "journal/0000000002"

    def refused() -> None:
        with pytest.raises(BrokenError):
            list(journal_on(bucket.beside()).records())

    del bucket.held[second]
    refused()
    for place in range(len(whole[second].content)):
        content = bytearray(whole[second].content)
        content[place] ^= 1
        bucket.held[second] = TaggedObject(bytes(content), "damaged")
        if 38 <= place < 54:  # the mark says nothing
            assert kept(bucket) == [0, 1, 2]
        else:
            refused()
    bucket.held[second] = TaggedObject(whole[second].content[:-1], "cut")
    refused()
    elsewhere = HeldBucket()
    journal_on(elsewhere).append([told(1)])
    bucket.held[second] = elsewhere.held[second]
    refused()


@pytest.mark.parametrize("many", [0, 1, 3, 4, 5, 11, 12, 13, 40, 97])
def test_the_end_of_a_long_journal_is_found_without_reading_all_of_it(
    many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_bucket, "PAGE_NAMES", 4)
    bucket = HeldBucket()
    journal = journal_on(bucket)
    for number in range(many):
        journal.append([told(number, life=number // 3)])
    seen = bucket.beside()
    again = journal_on(seen)
    assert seen.calls <= 6 + 4 * many.bit_length()
    assert [record.seq for record in again.newest(5)] == list(range(many))[-5:]
    with pytest.raises(RefusedError) if many > 3 else nullcontext():
        again.append([told(1_000)])
    for gone in range(1, many + 1):  # one that is missing is found now or by anyone who reads all
        fewer = HeldBucket(
            {name: one for name, one in bucket.held.items() if name != f"journal/{gone:010}"}
        )
        with pytest.raises(BrokenError):
            list(journal_on(fewer).records())


def test_one_callers_records_are_in_one_object_and_many_callers_share_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_bucket, "OBJECT_BYTES_WANTED", 400)
    bucket = HeldBucket()
    journal = journal_on(bucket)
    journal.append([told(number) for number in range(10)])
    assert len(bucket.held) == 2
    assert kept(bucket) == list(range(10))
    content = bucket.held["journal/0000000002"].content[HEAD_BYTES:]
    frame = next(frames_in(content, "x", is_last=False))
    callers = [WaitingRecords(ticket, 0, (frame.payload,)) for ticket in range(3)]
    journal.storage.write(callers)
    assert len(bucket.held) == 4, "two callers' records fit into an object, the third's do not"


def test_an_installation_names_one_place_of_its_journal(tmp_path: Path) -> None:
    both = {"LICET_STORE__URL": "s3://bucket/licet", "LICET_RESTRICTIONS": str(tmp_path)}
    with pytest.raises(UsageError, match="LICET_STORE__URL"):
        journal_bucket.journal(Configuration.from_environment(both))


# At the one way in


@pytest.fixture
def bucket() -> HeldBucket:
    return HeldBucket()


@pytest.fixture
def house(pool: Pool, tmp_path: Path, bucket: HeldBucket) -> House:
    """Ana, with a chat, on a host whose journal is in the bucket."""
    house = House(pool, tmp_path)
    keyring = Keyring(FileProvider(tmp_path / "keys"), restrictions=journal_on(bucket))
    house.installation = Installation(
        config=house.installation.config, pool=pool, keyring=keyring, clock=house.clock
    )
    house.open("ana", allow=True)
    house.say("ana", "chat", "the kettle")
    return house


def state(house: House, journal: Journal) -> JournalState:
    with transaction(house.installation.pool) as tx:
        return journal_state.state_of(tx, journal, house.now)


def test_the_database_is_bound_to_the_journal_of_its_bucket_whichever_host_asks(
    house: House, bucket: HeldBucket
) -> None:
    assert state(house, journal_on(bucket)) is JournalState.current
    house.choose("ana", False)
    assert state(house, journal_on(bucket.beside())) is JournalState.current
    assert state(house, journal_on(HeldBucket())) is JournalState.foreign


def test_while_the_bucket_does_not_answer_no_restriction_is_accepted_and_nobody_is_told_of_one(
    house: House, bucket: HeldBucket
) -> None:
    bucket.fails = {bucket.calls + n: "lost" for n in range(2)}
    with pytest.raises(OutcomeUnknownError):
        house.choose("ana", False)
    with pytest.raises(BusyError):
        house.about(do.Delete, "ana", "chat")
    assert house.query("SELECT deleted_at FROM conversations") == [(None,)]
    assert house.say("ana", "other", "what takes nothing back goes on", incognito=True)
    house.about(do.Delete, "ana", "chat")
    journal = house.installation.keyring.restrictions
    assert journal is not None
    assert [record.kind.value for record in journal.records()] == ["refused", "deleted"]
    with transaction(house.installation.pool) as tx:
        assert restriction.catch_up(tx, journal) == 0


def test_a_repeated_request_is_answered_once_its_record_is_written_although_the_first_process_was_killed(
    house: House, bucket: HeldBucket
) -> None:
    """It was killed between the commit and the journal, and its host does not come back; another
    host answers.
    """
    assert state(house, journal_on(bucket)) is JournalState.current
    chat = house.chats["chat"]
    asked = do.Delete(account=house.accounts["ana"], at=house.now, conversation=chat)
    once = idempotency.make_call(b"secret", b"caller", "key", b"delete")
    killed = Keyring(FileProvider(house.installation.config.data / "keys"))
    for keyring in (killed, house.installation.keyring):
        with transaction(house.installation.pool) as tx:
            (result,) = WriteBatch(keyring, house.clock).apply(
                tx, [Write(command=asked, once=once)]
            )
        assert isinstance(result, WriteResult)
        assert result.answer.outcome is do.Outcome.done
    assert result.replayed
    (record,) = journal_on(bucket.beside()).records()
    assert (record.kind, record.conversation, record.at) == (
        RestrictionKind.deleted,
        chat,
        house.now,
    )
    assert state(house, journal_on(bucket)) is JournalState.current
    house.passes(1)
    with transaction(house.installation.pool) as tx:
        saying = [
            Write(
                command=house.saying("ana", "other", "said"),
                once=idempotency.make_call(b"s", b"c", "k", b"say"),
            )
        ]
        for _ in range(2):
            WriteBatch(house.installation.keyring, house.clock).apply(tx, saying)
    assert len(list(journal_on(bucket.beside()).records())) == 1
