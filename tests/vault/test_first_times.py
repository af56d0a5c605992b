"""What happened first stays the time at which it happened: a deletion, a closure; and what is
deleted is never let in.
"""

from __future__ import annotations

import pytest

from licet.policy import fold
from licet.policy.file import Policies, preset
from licet.vault import commands as do
from licet.vault.commands import Outcome

from ..installed import BEGIN, DAY, House


@pytest.fixture
def house(house: House) -> House:
    house.open("ana", allow=True)
    house.talk("ana", "pears")
    return house


def test_a_second_deletion_moves_neither_its_time_nor_its_end(house: House) -> None:
    asked = (
        "SELECT c.deleted_at, s.keep_until FROM conversations c JOIN segments s USING "
        "(account_id, conversation_id)"
    )
    house.about(do.Delete, "ana", "pears")
    first = house.query(asked)
    assert first == [(BEGIN, BEGIN + 30 * DAY)]
    house.passes(10)
    house.about(do.Delete, "ana", "pears")
    assert house.query(asked) == first
    assert house.query("SELECT requested_at FROM erasures") == [(BEGIN,)]


def test_a_second_closure_moves_neither_its_time_nor_its_end(house: House) -> None:
    asked = "SELECT a.closed_at, s.keep_until FROM accounts a JOIN segments s USING (account_id)"
    house.account(do.CloseAccount, "ana")
    first = house.query(asked)
    assert first == [(BEGIN, BEGIN + 30 * DAY)]
    house.passes(10)
    house.account(do.CloseAccount, "ana")
    assert house.query(asked) == first


def test_what_was_kept_out_and_deleted_is_not_let_in_again(house: House) -> None:
    house.about(do.Narrow, "ana", "pears")
    house.about(do.Delete, "ana", "pears")
    answer = house.about(do.Widen, "ana", "pears")
    assert answer.outcome is not Outcome.done
    assert house.query("SELECT narrowed, narrowings, deleted_at FROM conversations") == [
        (True, 1, BEGIN)
    ]
    assert house.query("SELECT count(*) FROM outbox WHERE entry = 'widened'") == [(0,)]


def test_the_rule_itself_keeps_the_first_time() -> None:
    from licet.policy.state import AccountState, ConversationKind, ConversationState

    policies = Policies([preset("article-2025")])
    account = AccountState(plan="pro", age=30, opened_at=BEGIN, last_at=BEGIN, seen=0)
    empty = ConversationState(name="chat", kind=ConversationKind.chat, incognito=False)
    once = fold.delete(fold.narrow(account, empty, policies, BEGIN).conversation, policies, BEGIN)
    assert fold.delete(once, policies, BEGIN + DAY).deleted_at == BEGIN
    assert fold.widen_conversation(once) is once
    closed = fold.close_account(account, policies, BEGIN).account
    assert fold.close_account(closed, policies, BEGIN + DAY).account.closed_at == BEGIN
