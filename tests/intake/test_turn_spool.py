"""Turns that wait for their account's history: found again wherever they lie, sealed beyond a
bound, and few bytes each.
"""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from licet.intake.import_records import RecordedAccount
from licet.intake.read_turn import ReadTurn
from licet.intake.replay import Import
from licet.intake.turn_spool import BLOCK_BYTES, SpooledTurn, TurnSpool, WaitingTurns
from licet.policy.period import instant
from licet.policy.state import ConversationKind, TurnRole
from licet.store.connect import Pool
from licet.vault.content import Content
from licet.vault.installation import load_policies

from ..installed import House

AT = instant("2025-09-10")


def spooled(draw: Random, size: int) -> SpooledTurn:
    return SpooledTurn(
        conversation=draw.randbytes(16),
        host_turn=draw.randbytes(16),
        role=TurnRole.user,
        origin="typed",
        kind=ConversationKind.chat,
        surface="app",
        envelope=draw.randbytes(size),
        title=None,
        incognito=False,
        kept_out=False,
        project=None,
        project_title=None,
    )


@pytest.mark.parametrize("memory", [0, 3 * BLOCK_BYTES, 2**40], ids=["sealed", "both", "memory"])
def test_every_turn_is_found_again_in_any_order_wherever_it_lies(
    tmp_path: Path, memory: int
) -> None:
    draw = Random(7)
    sizes = [draw.choice([0, 40, 900, 3 * BLOCK_BYTES]) for _ in range(200)]
    turns = [spooled(draw, size) for size in sizes]
    with closing(TurnSpool(tmp_path, os.urandom, memory)) as spool:
        places = [spool.put(turn) for turn in turns]
        for number in draw.sample(range(len(turns)), len(turns)):
            assert spool.name(places[number]) == turns[number].host_turn
            assert spool.get(places[number]) == turns[number]


def test_the_turns_of_an_account_come_back_in_the_order_in_which_they_came() -> None:
    waiting = WaitingTurns()
    for number in range(30):
        waiting.add(
            ("ana", "bo")[number % 3 == 0], AT - timedelta(microseconds=number), 100 + number
        )
    assert [turn.number for turn in waiting.list_by_host("bo")] == list(range(0, 30, 3))
    assert [turn.at for turn in waiting.list_by_host("bo")] == [
        AT - timedelta(microseconds=n) for n in range(0, 30, 3)
    ]
    assert [turn.place for turn in waiting.list_by_host("bo")] == list(range(100, 130, 3))
    assert waiting.first_at("bo") == AT - timedelta(microseconds=27)
    assert (waiting.list_by_host("cy"), waiting.first_at("cy")) == ([], None)


def said(first: int, last: int) -> Iterator[ReadTurn]:
    for number in range(first, last):
        yield ReadTurn(
            place="",
            host_conversation=f"c{number // 10}",
            host_turn=str(number % 10),
            at=AT,
            role=TurnRole.user,
            origin="typed",
            kind=ConversationKind.chat,
            surface="app",
            content=Content(text=f"turn {number}"),
            host_account=f"a{number // 10 % 50}",
        )


def test_a_turn_that_waits_takes_at_most_fifty_bytes(pool: Pool, tmp_path: Path) -> None:
    house = House(pool, tmp_path / "data")
    house.now = instant("2025-09-20")
    bringing = Import(
        house.installation.pool,
        house.installation.keyring,
        load_policies(house.installation),
        house.now,
        folder=tmp_path,
        default=RecordedAccount(host="ana", plan="pro", age=30),
        memory_bytes_max=0,
    )
    with closing(bringing):
        bringing.read(said(0, 4_000))
        gc.collect()
        tracemalloc.start()
        try:
            bringing.read(said(4_000, 20_000))
            gc.collect()
            grown, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert grown / 16_000 <= 50
