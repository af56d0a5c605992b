"""A suggestion is decided once: who decides while another decision commits goes by that."""

from __future__ import annotations

import os

import pytest

from licet.access import sessions
from licet.errors import DeniedError, RefusedError
from licet.misuse import screener, suggestions
from licet.policy.state import TurnRole
from licet.release.signatures import StaffMember
from licet.store.connect import Transaction, transaction
from licet.vault.ids import Prefix, format_id

from ..installed import House
from ..meanwhile import meanwhile


@pytest.fixture
def house(house: House) -> House:
    house.open("ana", allow=False)
    house.talk("ana", "chat")
    return house


def member(house: House, name: str, *roles: str) -> StaffMember:
    with transaction(house.installation.pool) as tx:
        staff = sessions.find_or_add_staff(tx, f"{name}@example.org", house.now, os.urandom)
    return StaffMember(
        staff_id=staff, email=f"{name}@example.org", roles=frozenset(roles), via="cli"
    )


def suggest(house: House, by: StaffMember) -> str:
    with transaction(house.installation.pool) as tx:
        tx.execute(
            """INSERT INTO suggestions (account_id, conversation_id, model_sha256, score, last_turn,
               suggested_at, suggested_by)
               VALUES (%s, %s, sha256(''), 0.9, 1, %s, %s)""",
            [house.accounts["ana"], house.chats["chat"], house.now, by.staff_id],
        )
    return format_id(Prefix.conversation, house.chats["chat"])


@pytest.mark.parametrize("dismiss", [True, False])
def test_a_suggestion_that_is_decided_meanwhile_is_not_decided_again(
    house: House, dismiss: bool
) -> None:
    rae, dana = member(house, "rae", "reviewer"), member(house, "dana", "privacy_officer")
    chat = suggest(house, dana)

    def dismissing(tx: Transaction) -> None:
        tx.execute(
            "UPDATE suggestions SET (decision, decided_at, decided_by) = ('dismissed', %s, %s)",
            [house.now, rae.staff_id],
        )

    done = meanwhile(
        house.installation.pool,
        dismissing,
        lambda: suggestions.decide(house.installation, chat, dana, dismiss=dismiss, only_open=True),
    )
    assert isinstance(done.error, RefusedError)
    assert house.query("SELECT decision, decided_by FROM suggestions") == [
        ("dismissed", rae.staff_id)
    ]
    assert house.query("SELECT count(*) FROM flags") == [(0,)]


def test_who_neither_reviews_nor_protects_privacy_decides_nothing(house: House) -> None:
    chat = suggest(house, member(house, "dana", "privacy_officer"))
    with pytest.raises(DeniedError, match="may not decide"):
        suggestions.decide(
            house.installation, chat, member(house, "cora", "curator", "auditor", "owner")
        )
    assert house.query("SELECT decision FROM suggestions") == [(None,)]


def test_who_may_not_read_conversations_has_none_screened(house: House) -> None:
    with pytest.raises(DeniedError, match="may not read conversations"):
        screener._check_call(member(house, "cora", "curator", "owner"), "ticket-1", 1, 0.01)


def test_a_chat_in_which_its_person_said_nothing_is_not_read(house: House) -> None:
    house.say("ana", "other", "good morning", TurnRole.assistant)
    ids = house.accounts["ana"], house.chats["other"]
    reader = member(house, "dana", "privacy_officer")
    assert screener._read_text(house.installation, *ids, reader, "T-1") == (None, 0)
    assert house.query("SELECT count(*) FROM staff_reads") == [(0,)]
