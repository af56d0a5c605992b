"""Real sessions with tools: what the policy permits of them reaches an export."""

from __future__ import annotations

import gzip
from itertools import groupby
from pathlib import Path
from typing import Any

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

DIALOGUES = 40
FILE = "tau-bench-traj/historical_trajectories__gpt-4o-airline.json.gz"


def characters(messages: list[dict[str, Any]]) -> int:
    """Of what the person and the assistant wrote, arguments of calls included."""
    return sum(
        len(message["content"]) + sum(len(call["function"]["arguments"]) for call in message.get("tool_calls", ()))
        for message in messages
        if message["role"] != "tool"
    )


def test_four_fifths_of_what_is_permitted_of_sessions_with_tools_reach_an_export(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "dialogues.json"
    path.write_bytes(gzip.decompress(sample(FILE).read_bytes()))
    turns = [item for item in tau_bench.read(path) if isinstance(item, ReadTurn)]
    dialogues = [list(dialogue) for _, dialogue in groupby(turns, key=lambda turn: turn.host_conversation)]
    with_tools = [one for one in dialogues if any(turn.role is TurnRole.tool for turn in one)]
    house = House(pool, tmp_path / "data", preset("article-2025"))
    house.open("ana", allow=True)
    for number, dialogue in enumerate(with_tools[:DIALOGUES]):
        house.tell(*(house.saying("ana", f"d{number}", turn.content, turn.role) for turn in dialogue))
    build(house)
    permitted = reached = answers = 0
    for row in catalog.open_release(house.here, "r"):
        permitted += characters(row["messages"])
        for line in shaped(row, {}, Format.trl).lines["sft"]:
            reached += characters(line["messages"])
            results = [message["content"] for message in line["messages"] if message["role"] == "tool"]
            assert set(results) <= {RESULT_LEFT_OUT}
            answers += len(results)
    assert answers > DIALOGUES, "real dialogues call tools more than once"
    assert reached >= 0.8 * permitted > 0
