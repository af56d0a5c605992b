"""What is read of an account is of that account alone, and what is said of several begins with the
first of them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest

from licet.erasure import certificates, epochs
from licet.erasure.key_rotation import Rotation
from licet.keys import chain
from licet.policy.file import preset
from licet.policy.state import Share
from licet.store.connect import Pool, Transaction, transaction
from licet.vault import (
    account_journal,
    account_view,
    certificate,
    integrity,
    policy_versions,
    verbs,
)
from licet.vault import commands as do
from licet.vault.certificate import ErasureState
from licet.vault.copies import CopyPlace

from ..installed import DAY, House


@pytest.fixture
def house(house: House) -> House:
    for name in ("ana", "ben"):
        house.open(name, allow=True)
        house.talk(name, f"chat of {name}")
    return house


def test_the_hosts_ids_of_an_account_are_its_own_and_what_has_none_is_left_out(
    house: House,
) -> None:
    for name in ("ana", "ben"):
        house.about(
            do.GiveFeedback,
            name,
            f"chat of {name}",
            rating="up",
            share=Share.rating,
            host=house.host("feedback", name),
        )
        house.about(do.GiveFeedback, name, f"chat of {name}", rating="up", share=Share.rating)
        house.tell(
            msgspec.structs.replace(
                house.saying(name, f"chat of {name}", "without an id"), host_turn=None
            )
        )
    with transaction(house.installation.pool) as tx:
        given, said = (
            read(tx, house.accounts["ana"])
            for read in (account_view.feedback_by_host, account_view.turns_by_host)
        )
    assert given == {house.host("feedback", "ana")}
    assert said == {house.host("turn", "chat of ana", str(n)) for n in (1, 2)}


def test_before_the_first_event_the_journal_gave_out_no_position(
    pool: Pool, tmp_path: Path
) -> None:
    """Who reads endings reads those behind a position: a first one that counted as given out would
    never be read.
    """
    with transaction(pool) as tx:
        assert account_journal.last_position(tx) == 0
    house = House(pool, tmp_path)
    house.open("ana")
    (last,) = house.query("SELECT max(position) FROM journal")
    with transaction(pool) as tx:
        assert account_journal.last_position(tx) == last[0] >= 1


def test_closures_wait_for_the_log_since_the_first_of_them(house: House) -> None:
    swept = []
    for name in ("ana", "ben"):
        house.account(do.CloseAccount, name)
        certificates.advance_erasures(house.installation, at_once=True)
        (erasure,) = certificates.list_by_account(house.installation, house.accounts[name])
        assert erasure.state is ErasureState.swept
        swept.append(erasure.swept_at)
        house.passes(1)
    with transaction(house.installation.pool) as tx:
        assert certificate.unlogged_closures(tx) == (2, swept[0])
    assert swept[0] != swept[1]


def test_a_place_is_listed_since_its_first_copy_and_until_the_last_is_gone(house: House) -> None:
    first = house.now
    house.passes(1)
    house.choose("ana", False)
    house.passes(1)
    house.say("ana", "chat of ana", "in another segment")
    house.about(do.Delete, "ana", "chat of ana")
    with transaction(house.installation.pool) as tx:
        (of,) = certificate.list_by_account(tx, house.accounts["ana"])
        (seen,) = certificate.read_back(tx, of, {})
    assert (seen.place, seen.copies, seen.registered_at) == (CopyPlace.vault, 2, first)
    assert seen.left is not None
    assert seen.left > 0


def test_a_key_is_out_of_reach_by_the_first_epoch_that_was_opened_no_earlier(house: House) -> None:
    opened = []
    for _ in range(2):
        house.passes(1)
        epochs.rotate(house.installation, Rotation.daily)
        opened.append(house.now)
    with transaction(house.installation.pool) as tx:

        def since(at: datetime) -> datetime | None:
            row = tx.execute(f"SELECT {chain.OPENED_SINCE}", {"since": at}).fetchone()
            assert row is not None
            return cast("datetime | None", row[0])

        assert since(opened[0] - DAY) == opened[0]
        assert since(opened[0]) == opened[0], "of the same instant it is no earlier"
        assert since(opened[0] + timedelta.resolution) == opened[1]
        assert since(opened[1] + DAY) is None


def test_a_version_is_amended_by_a_later_deadline_alone(conn: Transaction) -> None:
    asked = preset("strict")
    assert asked.decide_by is not None
    later, endless = (
        msgspec.structs.replace(asked, decide_by=day)
        for day in (asked.decide_by + timedelta(days=1), None)
    )
    amends = policy_versions.amends
    assert amends(asked, later)
    assert amends(asked, endless)
    assert not amends(asked, asked)
    assert not amends(later, asked)
    assert not amends(endless, endless)
    assert not amends(endless, asked), "who was told no deadline is not given one"
    assert not amends(asked, msgspec.structs.replace(later, material=not later.material))


def test_the_conversations_of_an_account_by_the_hosts_id_are_its_own_oldest_first(
    house: House,
) -> None:
    house.passes(1)
    house.talk("ana", "a later one")
    ids = [f"conv_{house.chats[chat].hex}" for chat in ("chat of ana", "a later one")]
    assert verbs.conversations_of(house.installation, "ana") == ids
    assert verbs.account_of(house.installation, "ana") == house.accounts["ana"]
    assert verbs.conversations_of(house.installation, "nobody") == []
    assert verbs.account_of(house.installation, "nobody") is None


def test_a_sound_vault_counts_none_of_what_may_not_be_and_each_of_it_is_counted(
    house: House,
) -> None:
    def counted(tx: Transaction) -> list[int]:
        return [
            count(tx)
            for count in (
                integrity.blocks_without_segment,
                integrity.blocks_without_key,
                integrity.keys_without_block,
                integrity.segments_unregistered,
            )
        ]

    mine = [house.accounts["ana"]]
    with house.installation.pool.connection() as tx:
        assert counted(tx) == [0, 0, 0, 0]
        for broken, found in (
            ("DELETE FROM segments WHERE account_id = %s", [2, 0, 0, 0]),
            ("UPDATE segments SET key_slot = NULL WHERE account_id = %s", [0, 2, 0, 0]),
            ("DELETE FROM blocks WHERE account_id = %s", [0, 0, 1, 0]),
            ("UPDATE copies SET ended_at = now() WHERE account_id = %s", [0, 0, 0, 1]),
        ):
            with tx.transaction(force_rollback=True):
                tx.execute("SET LOCAL session_replication_role = replica")
                tx.execute(broken, mine)
                assert counted(tx) == found, broken
        assert integrity.segments_erased(tx) == 0
    house.about(do.Delete, "ana", "chat of ana")
    certificates.advance_erasures(house.installation, at_once=True)
    with transaction(house.installation.pool) as tx:
        assert (counted(tx), integrity.segments_erased(tx)) == ([0, 0, 0, 0], 1)
