"""A reviewer of misuse opens the copy kept for that, up to the flagged turn and to the copy's last
instant.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from licet.errors import DeniedError
from licet.keys.keyring import Keyring
from licet.policy.period import instant
from licet.store.connect import Transaction
from licet.vault import account_view, staff_reads
from licet.vault import commands as do
from licet.vault.commands import CommandResult

from .town import SAID, Town

TICK = timedelta.resolution
SAFETY_UNTIL = instant("2027-09-02")


@pytest.fixture
def town(conn: Transaction, keyring: Keyring) -> Town:
    return Town(conn, keyring)


def turns_read(town: Town, said: CommandResult, at: datetime) -> list[int]:
    key = (said.account, said.conversation)
    seen = account_view.load_views(town.tx, [key], town.policies, at)[said.conversation]
    staff = uuid4()
    town.tx.execute(
        "INSERT INTO staff (staff_id, email, roles, made_at) VALUES (%s, %s, '{reviewer}', %s)",
        [staff, f"{staff}@example.org", SAID],
    )
    reading = staff_reads.Reading(
        staff=staff,
        role=staff_reads.ReaderRole.reviewer,
        reason=staff_reads.ReadReason.misuse_review,
        ticket="T-1",
    )
    opened = staff_reads.read(
        town.tx, town.keyring, seen, account_view.list_turns(town.tx, *key), reading, os.urandom
    )
    return sorted(opened)


def test_the_copy_for_an_investigation_is_read_to_its_last_instant_and_no_turn_after_the_flag(
    town: Town,
) -> None:
    said = town.say(town.account())
    town.about(said, do.Flag, score=0.5)
    town.say(said.account, turn="t2", at=SAID + TICK)
    assert turns_read(town, said, SAFETY_UNTIL - TICK) == [said.turn]
    with pytest.raises(DeniedError):
        turns_read(town, said, SAFETY_UNTIL)  # not swept yet: its key and its words still lie there
    assert town.tx.execute("SELECT count(*) FROM staff_reads").fetchone() == (1,)


def test_what_nobody_flagged_is_not_read_by_a_reviewer_of_misuse(town: Town) -> None:
    said = town.say(town.account())
    with pytest.raises(DeniedError):
        turns_read(town, said, SAID)
