"""Who waits for whom: each lock that a statement takes is held until its transaction ends, and what
passes by waits for none.

A verb that reads before it changes takes what it read; another one that would read the same
meanwhile waits, and then sees what became of it. Without the lock both would decide by what was
there before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from licet.backup import archives, wal_receiver
from licet.consent import request_register
from licet.erasure import sweeper
from licet.errors import BusyError
from licet.keys import chain, fence, journal_heads
from licet.keys.keyring import EPOCHS_LOCK
from licet.keys.material import KeyMaterial
from licet.keys.restriction_journal import Journal, JournalHead
from licet.proof import documents, log_retention
from licet.store.connect import Pool, Transaction, advisory_lock, transaction
from licet.store.migrate import _advance as advance
from licet.store.migrate import migrations
from licet.vault import (
    account_journal,
    account_keys,
    cold_tier,
    counts,
    found_names,
    host_events,
    idempotency,
    policy_proposals,
    policy_versions,
    tables,
)
from licet.webhooks import endpoints

from ..installed import House
from ..journals import KEY
from ..meanwhile import in_transaction, meanwhile

ID = UUID(int=7)
Verb = Callable[[House, Transaction], object]


def bucket_of(house: House, tx: Transaction) -> int:
    row = tx.execute(
        "SELECT bucket FROM accounts WHERE account_id = %s", [house.accounts["ana"]]
    ).fetchone()
    assert row is not None
    return int(row[0])


def proposed(house: House, tx: Transaction) -> object:
    return policy_proposals.get(tx, ID, lock=True)


def endpoint(house: House, tx: Transaction) -> object:
    return endpoints.id_of(tx, "reader")


def bucket(house: House, tx: Transaction) -> object:
    return chain.lock_bucket_below(tx, 2**31 - 1)


def held_bucket(house: House, tx: Transaction) -> object:
    return chain.lock_existing_buckets(tx, [bucket_of(house, tx)])


WAITS: dict[str, tuple[Verb, Verb]] = {
    "a proposal": (proposed, proposed),
    "an endpoint": (endpoint, endpoint),
    "a bucket, by two rotations": (bucket, bucket),
    "a bucket, by who uses its key": (bucket, held_bucket),
    "a bucket, by who rotates it": (held_bucket, bucket),
    "secrets": (lambda _, tx: chain.lock_secrets(tx), lambda _, tx: chain.lock_secrets(tx)),
    "accounts of a bucket": (
        lambda house, tx: account_keys.lock_wrapped_keys(tx, bucket_of(house, tx)),
        lambda house, tx: account_keys.lock_wrapped_keys(tx, bucket_of(house, tx)),
    ),
    "the newest epoch": (
        lambda house, tx: house.installation.keyring.newest(tx),
        lambda _, tx: tx.execute("SELECT pg_advisory_xact_lock(%s)", [EPOCHS_LOCK]),
    ),
    "the newest epoch, by who uses it": (
        lambda _, tx: tx.execute("SELECT pg_advisory_xact_lock(%s)", [EPOCHS_LOCK]),
        lambda house, tx: house.installation.keyring.newest(tx),
    ),
    "the fence, by who raises it": (
        lambda _, tx: fence.check_before_snapshot(tx),
        lambda _, tx: fence.wait_for_readers(tx),
    ),
    "the fence, by who reads it": (
        lambda _, tx: fence.wait_for_readers(tx),
        lambda _, tx: fence.check_before_snapshot(tx),
    ),
    "lives": (lambda _, tx: fence.lock_lives(tx), lambda _, tx: fence.lock_lives(tx)),
    "versions of the policy": (
        lambda _, tx: policy_versions.block_changes(tx),
        lambda _, tx: tx.execute("LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE"),
    ),
    "counts": (lambda _, tx: counts.recount(tx), lambda _, tx: counts.recount(tx)),
    "endings": (
        lambda _, tx: account_journal.block_endings(tx),
        lambda _, tx: account_journal.block_endings(tx),
    ),
    "numbers of events": (
        lambda _, tx: tx.execute("SELECT pg_advisory_xact_lock(%s)", [host_events.NUMBERING_LOCK]),
        lambda _, tx: host_events.give_numbers(tx),
    ),
    "migrations": (
        lambda _, tx: (tx.execute("SELECT"), advance(tx, migrations())),
        lambda _, tx: advance(tx, migrations()),
    ),
}


@pytest.fixture
def house(house: House, pool: Pool) -> House:
    endpoints.add(house.installation, "reader", None)
    house.open("ana", allow=True)
    with transaction(pool) as tx:
        policy_proposals.add(tx, ID, bytes(32), "2030-01-01", "text", house.now, "staff:ana", None)
    return house


@pytest.mark.parametrize("what", WAITS)
def test_what_one_holds_until_its_end_another_waits_for(house: House, what: str) -> None:
    first, second = WAITS[what]
    pool = house.installation.pool
    done = meanwhile(
        pool, lambda tx: first(house, tx), in_transaction(pool, lambda tx: second(house, tx))
    )
    assert done.error is None
    assert done.waited


def test_two_hosts_that_begin_to_archive_the_wal_have_one_slot(
    house: House, tmp_path: Path
) -> None:
    house.installation.keyring.restrictions = Journal(tmp_path / "restrictions", key=KEY)
    pool, own = (
        house.installation.pool,
        wal_receiver.prefix(house.installation.keyring.restrictions),
    )
    begin = partial(wal_receiver._begin, house.installation)

    def hold(tx: Transaction) -> None:
        tx.execute("SELECT pg_advisory_xact_lock(%s)", [wal_receiver._LOCK])
        tx.execute("SELECT pg_create_physical_replication_slot(%s)", [own + "first"])

    try:
        done = meanwhile(pool, hold, begin)
        assert (done.waited, done.error, done.result) == (True, None, own + "first")
    finally:
        house.query(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE "
            "starts_with(slot_name, %s)",
            own,
        )


# What waits for nobody


def test_the_newest_record_of_the_journal_is_remembered_by_who_is_free_to(house: House) -> None:
    pool, journal = house.installation.pool, uuid4()
    with transaction(pool) as tx:
        journal_heads.save_head(tx, journal, JournalHead(1, bytes(32)))
    done = meanwhile(
        pool,
        lambda tx: journal_heads.save_head(tx, journal, JournalHead(5, bytes(32))),
        in_transaction(
            pool, lambda tx: journal_heads.save_head_if_free(tx, journal, JournalHead(9, bytes(32)))
        ),
    )
    assert (done.waited, done.error) == (False, None)
    assert house.query("SELECT number FROM journal_heads WHERE journal = %s", journal) == [(5,)]


@pytest.mark.state_is_broken  # a request without its steps
def test_of_two_that_forget_a_stranger_s_request_one_does(house: House) -> None:
    house.now = house.now.replace(year=2031)
    with transaction(house.installation.pool) as tx:
        tx.execute(
            """INSERT INTO rights_requests (request_id, kind, via, received_at, ended_at, state,
               due_at)
               VALUES (%(id)s, 'access', 'staff', %(at)s, %(at)s, 'answered',
                 %(at)s + interval '1 month')""",
            {"id": ID, "at": house.now.replace(year=2020)},
        )
    pool = house.installation.pool
    done = meanwhile(
        pool,
        lambda tx: request_register.forget(tx, house.now),
        in_transaction(pool, lambda tx: request_register.forget(tx, house.now)),
    )
    assert (done.waited, done.error, done.result) == (True, None, 0)


def test_names_that_were_found_are_kept_by_who_finds_the_account_free(house: House) -> None:
    house.talk("ana", "chat")
    pool, account = house.installation.pool, house.accounts["ana"]
    segment = found_names.NamedSegment(
        account=account,
        conversation=house.chats["chat"],
        segment=0,
        slot=0,
        key=KeyMaterial(bytes(32)),
    )
    done = meanwhile(
        pool,
        lambda tx: tables.lock_accounts(tx, [account]),
        in_transaction(pool, lambda tx: found_names.save(tx, [(segment, {})], "finder")),
    )
    assert (done.waited, done.error, done.result) == (False, None, 0)


# What is tried


def test_a_lock_of_a_process_is_had_by_one_connection(pool: Pool) -> None:
    with (
        advisory_lock(pool, 7) as mine,
        advisory_lock(pool, 7) as another,
        advisory_lock(pool, 8) as other,
    ):
        assert (mine, another, other) == (True, False, True)
    with advisory_lock(pool, 7) as again:
        assert again


@pytest.mark.parametrize("one", [archives._lock_installation, log_retention._lock_sequencer])
def test_neither_a_restore_nor_the_end_of_a_year_begins_beside_a_sequencer(
    house: House, one: Any
) -> None:
    with (
        documents.open_sequencer(house.installation),
        pytest.raises(BusyError),
        one(house.installation),
    ):
        raise AssertionError("it began")
    with advisory_lock(house.installation.pool, sweeper.SWEEPS_LOCK) as mine:
        assert mine
        if one is archives._lock_installation:
            with pytest.raises(BusyError), one(house.installation):
                raise AssertionError("it began")
    with (
        one(house.installation),
        pytest.raises(BusyError),
        documents.open_sequencer(house.installation),
    ):
        raise AssertionError("it began")


def test_bodies_move_to_the_cold_store_by_one_run(house: House) -> None:
    with (
        cold_tier._lock_cooling(house.installation.pool),
        pytest.raises(BusyError),
        cold_tier._lock_cooling(house.installation.pool),
    ):
        raise AssertionError("it began")


def test_a_request_whose_key_is_in_use_is_told_so_and_another_one_goes_on(house: House) -> None:
    pool, now = house.installation.pool, house.now
    one, other = (
        idempotency.make_call(bytes(32), b"caller", key, b"request") for key in ("one", "other")
    )
    done = meanwhile(
        pool,
        lambda tx: idempotency.claim(tx, [one], now),
        in_transaction(pool, lambda tx: idempotency.claim(tx, [one, other], now)),
    )
    assert (done.waited, done.error) == (False, None)
    assert {place: type(answer) for place, answer in done.result.items()} == {
        one.place: idempotency.RunningKeyError
    }


def test_counts_are_put_together_by_one_and_the_other_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "FOLDED_ROWS_MIN", 1)
    pool = house.installation.pool
    done = meanwhile(pool, counts.recount, in_transaction(pool, counts.fold))
    assert (done.waited, done.error) == (False, None)
    with transaction(pool) as tx:
        assert counts.differences(tx) == []
