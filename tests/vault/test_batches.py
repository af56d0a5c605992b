"""Commands of one batch leave what they would leave one by one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from licet.keys.keyring import Keyring
from licet.store.connect import Transaction
from licet.vault import commands as do

from .town import SAID, Town

DAY = timedelta(days=1)


@pytest.fixture
def town(conn: Transaction, keyring: Keyring) -> Town:
    return Town(conn, keyring)


def test_a_hold_reviewed_released_and_placed_again_in_one_batch_takes_the_last_reason_and_day(
    town: Town,
) -> None:
    said = town.say(town.account(allow=False))
    base = {"account": said.account, "at": SAID, "conversation": said.conversation, "matter": "m"}
    town.take(do.Hold(**base))
    town.take(
        do.Hold(
            **base,
            reason=do.HoldReason.litigation,
            review_at=SAID + 9 * DAY,
            is_told=False,
            by="staff:a",
        ),
        do.Unhold(**base),
        do.Hold(**base, reason=do.HoldReason.regulator, review_at=SAID + 30 * DAY, by="staff:b"),
    )
    kept = town.tx.execute("SELECT reason, review_at, placed_by, is_told FROM holds").fetchall()
    assert kept == [("regulator", SAID + 30 * DAY, "staff:b", True)]


@pytest.mark.parametrize("together", [True, False])
def test_a_refusal_in_the_batch_of_the_turn_dates_the_turn_from_the_refusal(
    town: Town, together: bool
) -> None:
    said = town.say(town.account())
    later = do.AddTurn(
        account=said.account,
        at=SAID + DAY,
        conversation=said.conversation,
        content=b"sealed elsewhere",
    )
    refused = do.Choose(account=said.account, at=SAID + 2 * DAY, allow=False)
    for batch in [[later, refused]] if together else [[later], [refused]]:
        town.take(*batch)
    (until,) = town.tx.execute("SELECT max(keep_until) FROM segments").fetchone() or (None,)
    assert until == SAID + 32 * DAY  # 30 days without consent, from the refusal
