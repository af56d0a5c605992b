"""Reading real dialogues with tools, against what decoding their JSON alone takes; and how much of
them reaches an export.

python -m bench research

The files are those of tau-bench and SWE-agent in BENCH_DATA, by default ../shared/data. Without
them there are no rows.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import msgspec

from bench import Row
from bench.readers import swe_agent, tau_bench
from licet.intake.read_turn import ReadTurn
from licet.policy.state import TurnRole
from licet.release.reader import LoadedRow
from licet.release.rows import MessageShape
from licet.train.exports import Format, shape_row

DATA = Path(os.environ.get("BENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
ROUNDS = 3


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    rows: list[Row] = []
    for reader, pattern in (
        (tau_bench, "tau-bench-traj/*.json.gz"),
        (swe_agent, "swe-agent-traj/*.traj.gz"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, path.stem) for path in sorted(DATA.glob(pattern))]
            for source, path in zip(sorted(DATA.glob(pattern)), paths, strict=True):
                path.write_bytes(gzip.decompress(source.read_bytes()))
            if not paths:
                continue
            megabytes = sum(path.stat().st_size for path in paths) / 1e6
            floor = min(decoded(paths) for _ in range(ROUNDS))
            seconds, turns = min(reading(reader, paths) for _ in range(ROUNDS))
            reached = [reaching(reader, paths)]
        what = f"{reader.name}, {turns:,} turns of {megabytes:.0f} MB read, MB/s"
        rows.append(
            Row(
                what,
                f"{megabytes / seconds:.0f}",
                f"{megabytes / floor:.0f}",
                f"{floor / seconds:.2f}",
            )
        )
        rows += reached
    return rows


def reaching(reader, paths: list[Path]) -> Row:
    """Of the characters of persons and assistants in dialogues with tools, the share that is in an
    export, results masked.
    """
    turns = [item for path in paths for item in reader.read(path) if isinstance(item, ReadTurn)]
    said = reached = dialogues = 0
    for _, dialogue in groupby(turns, key=lambda turn: turn.host_conversation):
        row = row_of(list(dialogue))
        if "results_left_out" in row and any(
            message["role"] == "user" for message in row["messages"]
        ):
            dialogues += 1
            said += characters(row["messages"])
            reached += sum(
                characters(line["messages"]) for line in shape_row(row, {}, Format.trl).lines["sft"]
            )
    what = (
        f"{reader.name}, {dialogues:,} dialogues of a person with tools: characters in an export, %"
    )
    return Row(what, f"{100 * reached / said:.1f}" if said else "", "80")


def row_of(turns: Sequence[ReadTurn]) -> LoadedRow:
    """A dialogue as a row whose results of tools may not be used."""
    row: LoadedRow = {"messages": [], "row_id": "", "ordinal": 0}
    gaps = list[int]()
    for turn in turns:
        if turn.role is TurnRole.tool:
            gaps += [len(row["messages"])] if len(row["messages"]) not in gaps else []
            continue
        calls = [
            {
                "id": one.id,
                "type": "function",
                "function": {"name": one.name, "arguments": one.arguments},
            }
            for one in turn.content.tool_calls
        ]
        message = {"role": turn.role.value, "content": turn.content.text} | (
            {"tool_calls": calls} if calls else {}
        )
        row["messages"].append(cast("MessageShape", message))
    if gaps := [place for place in gaps if place < len(row["messages"])]:
        row["gaps"] = row["results_left_out"] = gaps
    return row


def characters(messages: Sequence[Mapping[str, Any]]) -> int:
    """Of what the person and the assistant wrote, arguments of calls included."""
    return sum(
        len(one["content"])
        + sum(len(str(call["function"]["arguments"])) for call in one.get("tool_calls", ()))
        for one in messages
        if one["role"] in ("user", "assistant")
    )


def decoded(paths: list[Path]) -> float:
    """Seconds to decode the files' JSON, and nothing else."""
    begun = time.perf_counter()
    for path in paths:
        msgspec.json.decode(path.read_bytes())
    return time.perf_counter() - begun


def reading(reader, paths: list[Path]) -> tuple[float, int]:
    """Seconds to read the files, and how many turns they hold."""
    begun = time.perf_counter()
    turns = sum(isinstance(item, ReadTurn) for path in paths for item in reader.read(path))
    return time.perf_counter() - begun, turns
