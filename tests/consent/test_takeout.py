"""What is taken out is every conversation of the account that can be read, once, and no other's."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from licet.consent import takeout
from licet.policy.state import Share
from licet.store.connect import transaction
from licet.vault import commands as do
from licet.vault.content import Content, encode
from licet.vault.installation import load_policies

from ..installed import House

MANY = takeout.BATCH_CONVERSATIONS_MAX + 1


@pytest.fixture
def house(house: House) -> House:
    for name in ("ana", "ben"):
        house.open(name, allow=True)
    return house


def say_in_many(house: House, name: str) -> list[str]:
    """One turn in each of more conversations than one batch holds; their ids as they are shown,
    oldest first.
    """
    told = house.tell(*(house.saying(name, f"{name} {n}", f"{name} says {n}") for n in range(MANY)))
    for n, answer in enumerate(told):
        assert answer.conversation is not None
        house.chats[f"{name} {n}"] = answer.conversation
    return sorted(f"conv_{answer.conversation.hex}" for answer in told if answer.conversation)


def taken(
    house: House, name: str, lines: Callable[..., Iterator[bytes]], at: datetime | None = None
) -> list[Any]:
    found = lines(
        lambda: transaction(house.installation.pool),
        house.installation.keyring,
        load_policies(house.installation),
        house.accounts[name],
        at or house.now,
    )
    return [json.loads(line) for line in found]


def test_every_conversation_is_in_it_once_however_many_there_are(house: House) -> None:
    mine = say_in_many(house, "ana")
    house.talk("ben", "bens")
    found = taken(house, "ana", takeout.conversation_lines)
    assert [line["conversation_id"] for line in found] == mine
    assert {line["messages"][0]["content"] for line in found} == {
        f"ana says {n}" for n in range(MANY)
    }
    house.about(do.Delete, "ana", "ana 0")
    assert len(taken(house, "ana", takeout.conversation_lines)) == MANY - 1
    assert len(taken(house, "ben", takeout.conversation_lines)) == 1


def test_a_conversation_says_whether_it_was_ever_kept_out(house: House) -> None:
    for chat in ("plain", "out", "in again"):
        house.talk("ana", chat)
    house.about(do.Narrow, "ana", "out")
    house.about(do.Narrow, "ana", "in again")
    house.about(do.Widen, "ana", "in again")
    found = {
        line["conversation_id"]: line["kept_out"]
        for line in taken(house, "ana", takeout.conversation_lines)
    }
    told = {chat: found[f"conv_{house.chats[chat].hex}"] for chat in ("plain", "out", "in again")}
    assert told == {"plain": False, "out": True, "in again": True}


def test_every_safety_copy_is_in_it_until_its_end_and_holds_what_was_said_until_the_flag(
    house: House,
) -> None:
    mine = say_in_many(house, "ana")
    house.talk("ana", "not flagged")
    house.talk("ben", "bens")
    account, at = house.accounts["ana"], house.now
    house.tell(
        *(
            do.Flag(account=account, at=at, conversation=house.chats[f"ana {n}"], score=0.5)
            for n in range(MANY)
        )
    )
    house.say("ana", "ana 0", "said since")
    found = taken(house, "ana", takeout.safety_copies)
    assert [line["conversation"] for line in found] == mine
    assert sorted(turn["text"] for line in found for turn in line["copied"]) == sorted(
        f"ana says {n}" for n in range(MANY)
    )
    (until,) = {line["kept_until"] for line in found}
    end = datetime.fromisoformat(until)
    assert len(taken(house, "ana", takeout.safety_copies, end - timedelta.resolution)) == MANY
    assert taken(house, "ana", takeout.safety_copies, end) == []
    assert taken(house, "ben", takeout.safety_copies) == []


def test_a_safety_copy_holds_each_turn_of_its_own_conversation(house: House) -> None:
    house.talk("ana", "short", "one")
    house.talk("ana", "long", "two", "three", "four")
    for chat in ("short", "long"):
        house.about(do.Flag, "ana", chat, score=0.5)
    found = [
        [turn["text"] for turn in line["copied"]]
        for line in taken(house, "ana", takeout.safety_copies)
    ]
    assert sorted(found) == [["one"], ["two", "three", "four"]]


def test_feedback_says_its_end_unless_a_hold_that_may_be_told_keeps_it(house: House) -> None:
    for chat, is_told in (("free", None), ("told", True), ("untold", False)):
        house.talk("ana", chat)
        house.about(
            do.GiveFeedback,
            "ana",
            chat,
            rating="up",
            share=Share.conversation,
            comment=None,
            turn=0,
        )
        if is_told is not None:
            house.about(do.Hold, "ana", chat, matter="kettles", is_told=is_told)
    found = {line["conversation"]: line for line in taken(house, "ana", takeout.feedback_lines)}
    ends = {
        chat: found[f"conv_{house.chats[chat].hex}"]["kept_until"]
        for chat in ("free", "told", "untold")
    }
    assert ends["told"] is None
    assert ends["free"] == ends["untold"] is not None
    assert [turn["text"] for turn in found[f"conv_{house.chats['free'].hex}"]["shared"]] == [
        "ana asks in free",
        "answer in free",
    ]
    assert taken(house, "ben", takeout.feedback_lines) == []


def files(house: House, name: str) -> dict[str, list[dict[str, str]]]:
    """The tables of a take-out, by name, a row a dictionary."""
    pieces = takeout.takeout(
        lambda: transaction(house.installation.pool),
        house.installation.keyring,
        load_policies(house.installation),
        house.accounts[name],
        house.now,
    )
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        return {
            file: list(csv.DictReader(io.StringIO(archive.read(file).decode())))
            for file in archive.namelist()
            if file.endswith(".csv")
        }


def test_choices_name_question_scope_what_was_kept_and_why_one_had_no_effect_and_projects_are_in_it(
    house: House,
) -> None:
    account, at = house.accounts["ana"], house.now
    garden = do.ChosenScope(host_project=b"garden" * 2)
    house.talk("ana", "tea")
    tea = do.ChosenScope(conversation=house.chats["tea"])
    house.tell(
        do.Choose(account=account, at=at, allow=False),
        do.Choose(account=account, at=at, allow=True, scope=garden),
        do.Choose(account=account, at=at, allow=True, scope=tea),
        do.Choose(account=account, at=at, allow=True, scope=tea),
        do.Choose(account=account, at=at, allow=False, keep=(garden, tea)),
        do.KeepProjectOut(
            account=account, at=at, host_project=b"work" * 3, title=encode(Content(text="Work"))
        ),
    )
    found = files(house, "ana")
    projects = {row["title"]: row for row in found["projects.csv"]}
    assert projects["Work"]["kept_out"]
    assert projects[""]["kept_out"] == ""
    within, chat = (
        f"project:{projects['']['project']}",
        f"conversation:conv_{house.chats['tea'].hex}",
    )
    told = [
        (row["allow"], row["question"], row["scope"], row["keep"], row["because"])
        for row in found["choices.csv"]
    ]
    assert told == [
        ("true", "training", "", "", ""),
        ("false", "training", "", "", ""),
        ("true", "training", within, "", ""),
        ("true", "training", chat, "", ""),
        ("true", "training", chat, "", "covered"),
        ("false", "training", "", f"{within}|{chat}", ""),
    ]
    assert all(row["account"] == f"acc_{account.hex}" for row in found["choices.csv"])


def test_a_conversation_names_its_project(house: House) -> None:
    house.tell(
        msgspec.structs.replace(
            house.saying("ana", "beds", "What grows in the shade?"), host_project=b"garden" * 2
        )
    )
    (line,) = taken(house, "ana", takeout.conversation_lines)
    (project,) = files(house, "ana")["projects.csv"]
    assert line["project"] == project["project"]
