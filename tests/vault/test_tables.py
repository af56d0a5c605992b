"""What the tables hold of an account is read whole, and nothing of another's."""

from __future__ import annotations

import pytest

from licet.keys.keyring import Keyring
from licet.store.connect import Transaction
from licet.vault import commands as do
from licet.vault import tables

from .town import SAID, Town


@pytest.fixture
def town(conn: Transaction, keyring: Keyring) -> Town:
    return Town(conn, keyring)


def test_the_conversations_of_an_account_are_all_of_its_own_with_their_segments_and_holds(
    town: Town,
) -> None:
    ana, ben = town.account("ana"), town.account("ben")
    first, second = town.say(ana, chat="first"), town.say(ana, chat="second")
    of_ben = town.say(ben, chat="third")
    assert first.conversation is not None
    town.take(do.Hold(account=ana, at=SAID, conversation=first.conversation, matter="kettles"))
    found = {row.conversation_id: row for row in tables.conversations_of(town.tx, ana)}
    assert found.keys() == {first.conversation, second.conversation}
    assert {row.account_id for row in found.values()} == {ana}
    assert [len(row.keys) for row in found.values()] == [1, 1]
    keys = [(ana, conversation) for conversation in found]
    assert found == {row.conversation_id: row for row in tables.load_conversations(town.tx, keys)}
    assert len(found[first.conversation].state.holds) == 1
    assert [row.conversation_id for row in tables.conversations_of(town.tx, ben)] == [
        of_ben.conversation
    ]
