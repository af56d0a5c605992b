"""Real sessions with tools: what the policy permits of them reaches an export."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from bench.readers import swe_agent, tau_bench

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
    written = [message for message in messages if message["role"] not in ("tool", "system")]
    calls = [
        call["function"]["arguments"]
        for message in written
        for call in message.get("tool_calls", ())
    ]
    objects = [json.loads(one) if isinstance(one, str) else one for one in calls]
    return sum(len(one["content"]) for one in written) + sum(
        len(json.dumps(one)) for one in objects
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
    for row in catalog.open_release(house.installation, "r"):
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


def test_four_fifths_of_coding_agents_sessions_that_end_in_a_call_reach_an_export(
    pool: Pool, tmp_path: Path, templates: dict[str, str]
) -> None:
    """Those with calls, of a person's problem; what the harness wraps the problem in is its
    instruction. Older files have commands in the assistant's words, and results of no call, after
    which a row must end: a host must send calls as calls.
    """
    house, sessions = instructed_house(pool, tmp_path), 0
    for source in sorted(sample("swe-agent-traj").glob("*.traj.gz")):
        path = tmp_path / source.stem
        path.write_bytes(gzip.decompress(source.read_bytes()))
        turns = [item for item in swe_agent.read(path) if isinstance(item, ReadTurn)]
        first = next(
            (place for place, turn in enumerate(turns) if turn.role is TurnRole.user), None
        )
        if first is not None and any(turn.content.tool_calls for turn in turns):
            answer = next(
                place for place, turn in enumerate(turns) if turn.role is TurnRole.assistant
            )
            said = [(turn.role, turn.content) for turn in (turns[first], *turns[answer:])]
            said[1:1] = [(TurnRole.system, turn.content) for turn in turns[first + 1 : answer]]
            tell(house, path.stem[-60:], said)
            assert turns[-1].role is TurnRole.tool, "it ends without an answer in words"
            sessions += 1
    build(house)
    permitted, reached, _ = reaching(house, templates)
    assert sessions == 3
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
