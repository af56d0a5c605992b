"""Real sessions with tools: what the policy permits of them reaches an export."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from bench.readers import tau_bench

from licet.demo.code_sessions import CodingSession, repository
from licet.intake.read_turn import ReadTurn
from licet.policy.state import TurnRole
from licet.release import catalog
from licet.store.connect import Pool
from licet.train.conversations import RESULT_LEFT_OUT
from licet.train.exports import Format, shape_row
from licet.vault.content import Content

from ..installed import House
from ..reads import sample
from ..release.test_build import build
from ..terms import preset
from .test_instructions import INSTRUCTIONS, assert_rendered, templates

__all__ = ["templates"]

DIALOGUES, SESSIONS = 40, 20
FILE = "tau-bench-traj/historical_trajectories__gpt-4o-airline.json.gz"


def characters(messages: list[dict[str, Any]]) -> int:
    """Of what the person and the assistant wrote, arguments of calls included."""
    return sum(
        len(message["content"])
        + sum(len(call["function"]["arguments"]) for call in message.get("tool_calls", ()))
        for message in messages
        if message["role"] not in ("tool", "system")
    )


def instructed_house(pool: Pool, folder: Path) -> House:
    """An installation whose policy permits what a host instructs its model with, and one person who
    allows use.
    """
    policy = preset("article-2025")
    house = House(
        pool, folder / "data", msgspec.structs.replace(policy, origins=policy.origins | {"system"})
    )
    house.open("ana", allow=True)
    return house


def tell(house: House, chat: str, said: Sequence[tuple[TurnRole, Content]]) -> None:
    """A conversation, with instructions behind the person's first words."""
    first, *others = said
    house.tell(
        *(
            house.saying("ana", chat, content, role)
            for role, content in (first, (TurnRole.system, INSTRUCTIONS), *others)
        )
    )


def released(pool: Pool, folder: Path) -> House:
    """A release of real dialogues with tools, their instructions included."""
    path = folder / "dialogues.json"
    path.write_bytes(gzip.decompress(sample(FILE).read_bytes()))
    turns = [item for item in tau_bench.read(path) if isinstance(item, ReadTurn)]
    dialogues = [
        list(dialogue) for _, dialogue in groupby(turns, key=lambda turn: turn.host_conversation)
    ]
    with_tools = [one for one in dialogues if any(turn.role is TurnRole.tool for turn in one)]
    house = instructed_house(pool, folder)
    for number, dialogue in enumerate(with_tools[:DIALOGUES]):
        tell(house, f"d{number}", [(turn.role, turn.content) for turn in dialogue])
    build(house)
    return house


def reaching(house: House, templates: dict[str, str]) -> tuple[int, int, int]:
    """The characters that the policy permits, those in an export, and how many results are masked;
    each line is rendered.
    """
    permitted = reached = masked = 0
    for row in catalog.open_release(house.here, "r"):
        permitted += characters(row["messages"])
        for line in shape_row(row, {}, Format.trl).lines["sft"]:
            reached += characters(line["messages"])
            results = [
                message["content"] for message in line["messages"] if message["role"] == "tool"
            ]
            assert set(results) <= {RESULT_LEFT_OUT}
            masked += len(results)
            assert line["messages"][0]["role"] == "system" and line["tools"]
            assert assert_rendered(templates, line) >= 3
    return permitted, reached, masked


def test_four_fifths_of_what_is_permitted_of_sessions_with_tools_reach_an_export(
    pool: Pool, tmp_path: Path, templates: dict[str, str]
) -> None:
    """Real ones; and public templates render each line of them."""
    permitted, reached, masked = reaching(released(pool, tmp_path), templates)
    assert masked > DIALOGUES, "real dialogues call tools more than once"
    assert reached >= 0.8 * permitted > 0


def test_four_fifths_of_made_coding_sessions_reach_an_export(
    pool: Pool, tmp_path: Path, templates: dict[str, str]
) -> None:
    house, draw = instructed_house(pool, tmp_path), Random(31)
    for number in range(SESSIONS):
        session = CodingSession(draw, repository(draw))
        said = [turn for n in range(2) for turn in session.exchange(draw, first=n == 0)]
        tell(house, f"s{number}", said)
    build(house)
    permitted, reached, masked = reaching(house, templates)
    assert masked >= SESSIONS
    assert reached >= 0.8 * permitted > 0
