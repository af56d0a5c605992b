"""Run alone, as `python -m tests.train.ranks PROGRAM FOLDER GATES COUNT [PART]`: a run's ranks.

They are forked from one process that has imported PROGRAM, a module beside this one: a start of
each would import Torch anew, which takes two seconds of the processor. Each rank calls
`PROGRAM.main` and writes into GATES what it says, `said-RANK` and `errors-RANK`. Prints the exit
codes by rank, as JSON; a signal that ended a rank is negative.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path


def main(program: str, folder: str, gates: str, count: str, *part: str) -> None:
    module = importlib.import_module(f"tests.train.{program}")
    pids = []
    for rank in range(int(count)):
        pid = os.fork()
        if pid == 0:
            _become(Path(gates), str(rank), count)
            module.main(Path(folder), Path(gates), rank, int(count), *part)
            return
        pids.append(pid)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]))


def _become(gates: Path, rank: str, count: str) -> None:
    os.environ |= {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count}
    for number, name in ((1, "said"), (2, "errors")):
        with (gates / f"{name}-{rank}").open("wb") as file:
            os.dup2(file.fileno(), number)


if __name__ == "__main__":
    main(*sys.argv[1:])
