"""Reading real dialogues with tools, against what decoding their JSON alone takes.

python -m bench research

The files are those of tau-bench and SWE-agent in BENCH_DATA, by default ../shared/data. Without them there are no rows.
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench import Row
from bench.readers import swe_agent, tau_bench
from licet.intake.read_turn import ReadTurn

DATA = Path(os.environ.get("BENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
ROUNDS = 3


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    rows: list[Row] = []
    for reader, pattern in ((tau_bench, "tau-bench-traj/*.json.gz"), (swe_agent, "swe-agent-traj/*.traj.gz")):
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, path.stem) for path in sorted(DATA.glob(pattern))]
            for source, path in zip(sorted(DATA.glob(pattern)), paths, strict=True):
                path.write_bytes(gzip.decompress(source.read_bytes()))
            if not paths:
                continue
            megabytes = sum(path.stat().st_size for path in paths) / 1e6
            floor = min(decoded(paths) for _ in range(ROUNDS))
            seconds, turns = min(reading(reader, paths) for _ in range(ROUNDS))
        what = f"{reader.name}, {turns:,} turns of {megabytes:.0f} MB read, MB/s"
        rows.append(Row(what, f"{megabytes / seconds:.0f}", f"{megabytes / floor:.0f}", f"{floor / seconds:.2f}"))
    return rows


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


if __name__ == "__main__":
    for row in main(sys.argv[1:]):
        print(" | ".join(row))
