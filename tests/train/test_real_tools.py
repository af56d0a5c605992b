"""Real sessions with tools: what the policy permits of them reaches an export."""

from __future__ import annotations

import gzip
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from bench.readers import tau_bench

from licet.intake.read_turn import ReadTurn
from licet.policy.state import TurnRole
from licet.release import catalog
from licet.store.connect import Pool
from licet.train.conversations import RESULT_LEFT_OUT
from licet.train.exports import Format, shaped

from ..installed import House
from ..reads import sample
from ..release.test_build import build
from ..terms import preset
from .test_instructions import INSTRUCTIONS, assert_rendered, templates

__all__ = ["templates"]

DIALOGUES = 40
FILE = "tau-bench-traj/historical_trajectories__gpt-4o-airline.json.gz"


def characters(messages: list[dict[str, Any]]) -> int:
    """Of what the person and the assistant wrote, arguments of calls included."""
    return sum(
        len(message["content"]) + sum(len(call["function"]["arguments"]) for call in message.get("tool_calls", ()))
        for message in messages
        if message["role"] not in ("tool", "system")
    )


def released(pool: Pool, folder: Path) -> House:
    """A release of real dialogues with tools, their instructions included."""
    path = folder / "dialogues.json"
    path.write_bytes(gzip.decompress(sample(FILE).read_bytes()))
    turns = [item for item in tau_bench.read(path) if isinstance(item, ReadTurn)]
    dialogues = [list(dialogue) for _, dialogue in groupby(turns, key=lambda turn: turn.host_conversation)]
    with_tools = [one for one in dialogues if any(turn.role is TurnRole.tool for turn in one)]
    policy = preset("article-2025")
    house = House(pool, folder / "data", msgspec.structs.replace(policy, origins=policy.origins | {"system"}))
    house.open("ana", allow=True)
    for number, dialogue in enumerate(with_tools[:DIALOGUES]):
        first, *others = dialogue
        told = [
            (first.role, first.content),
            (TurnRole.system, INSTRUCTIONS),
            *((one.role, one.content) for one in others),
        ]
        house.tell(*(house.saying("ana", f"d{number}", content, role) for role, content in told))
    build(house)
    return house


def test_four_fifths_of_what_is_permitted_of_sessions_with_tools_reach_an_export(
    pool: Pool, tmp_path: Path, templates: dict[str, str]
) -> None:
    """And public templates render each line of them."""
    house = released(pool, tmp_path)
    permitted = reached = answers = 0
    for row in catalog.open_release(house.here, "r"):
        permitted += characters(row["messages"])
        for line in shaped(row, {}, Format.trl).lines["sft"]:
            reached += characters(line["messages"])
            results = [message["content"] for message in line["messages"] if message["role"] == "tool"]
            assert set(results) <= {RESULT_LEFT_OUT}
            answers += len(results)
            assert line["messages"][0]["role"] == "system" and line["tools"]
            assert assert_rendered(templates, line) >= 3
    assert answers > DIALOGUES, "real dialogues call tools more than once"
    assert reached >= 0.8 * permitted > 0
