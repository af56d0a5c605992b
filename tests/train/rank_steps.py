"""One rank of a run with accumulated gradients; `ranks.py` starts it.

The model is one weight, and the loss of a row is the weight times two to the power of its place in
the step, so that the gradient of a step, summed over ranks, is a bitmap of the rows that are in it.
A barrier stands on each side of a withdrawal, so that it lands where it is said to. PART `first`
withdraws between read and step, and in the middle of an accumulation, and then the last rank is
killed in the middle of a step; `again` goes on from what was kept. Prints, as JSON, for each step
that was taken its first position, the gradient as places (`again`: the rows that every rank read),
and the attempts.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

from licet.release import manifest
from licet.train.dataset import ORDINAL, RowDataset
from licet.train.mix import RankBatches
from licet.train.step_mask import MaskedSteps, TorchRanks

from .publishing import ROWS, Keys, Listened

BATCH, ACCUMULATE, POSITIONS, DIES_AT = 2, 3, 168, 4
STEP = BATCH * ACCUMULATE * 4  # positions of a step of the four ranks that begin


def tensors(rows: Sequence[Any]) -> dict[str, Any]:
    """A batch: the place of each row in the numbering of positions, which is its ordinal here, and
    its share of the loss.
    """
    found = torch.tensor([row[ORDINAL] for row in rows])
    return {
        ORDINAL: found,
        "share": torch.tensor([2.0 ** (row[ORDINAL] % STEP) for row in rows], dtype=torch.float64),
    }


def places(gradient: float) -> list[int]:
    return [place for place in range(STEP) if int(gradient) >> place & 1]


class Run:
    def __init__(self, folder: Path, gates: Path, rank: int, ranks: int, part: str) -> None:
        self.office = Listened(gates, manifest.read_manifest(folder)[1], clock=time.time)
        keys = Keys(ROWS, clock=time.time)
        self.rows = RowDataset(folder, self.office.gate(), keys, now=keys.now)
        self.kept, self.rank, self.ranks, self.part = gates / "checkpoint.json", rank, ranks, part
        self.batches = RankBatches(0, POSITIONS, BATCH, rank, ranks)
        loader: Any = DataLoader(self.rows, batch_sampler=self.batches, collate_fn=tensors)  # type: ignore[arg-type]  # torch's stubs want a Sampler
        self.steps = MaskedSteps(loader, self.rows.gate, accumulate=ACCUMULATE, ranks=TorchRanks())
        if part == "again":
            self.steps.load_state_dict(json.loads(self.kept.read_text())["steps"])

    def withdraw(self, *ordinals: int) -> None:
        """Published by the first rank while all of them wait."""
        dist.barrier()
        if self.rank == 0:
            self.office.ordinals.update(ordinals)
            self.office.number += 1
            super(Listened, self.office).publish()
        dist.barrier()

    def main(self) -> None:
        taken = []
        for done, step in enumerate(self.steps):
            first = self.steps.state_dict()["position"] - BATCH * ACCUMULATE * self.ranks
            if self.part == "first" and done == 0:
                self.withdraw(1, 2)  # read, and not yet checked: of the first rank, and of the last
            gradient, read = 0.0, list[int]()
            for attempt in step:
                gradient, read = 0.0, []
                for number, batch in enumerate(attempt):
                    read += batch[ORDINAL].tolist()
                    gradient += float(batch["share"].sum())
                    if self.part == "first" and done == 2 and number == 1 and step.attempts == 1:
                        # gradients of both were accumulated, on different ranks
                        self.withdraw(first, first + 3)
                    if (
                        self.part == "first"
                        and done == DIES_AT
                        and number == 1
                        and self.rank == self.ranks - 1
                    ):
                        os.kill(os.getpid(), signal.SIGKILL)
            summed = torch.tensor([gradient], dtype=torch.float64)
            dist.all_reduce(summed)
            every: list[Any] = [None] * self.ranks
            dist.all_gather_object(every, read)
            used = (
                places(summed.item()) if self.part == "first" else list(chain.from_iterable(every))
            )
            taken.append([first, used, step.attempts])
            if self.rank == 0:
                written = self.kept.with_suffix(".new")
                written.write_text(json.dumps({"steps": self.steps.state_dict(), "taken": taken}))
                written.replace(self.kept)
        print(json.dumps(taken))


def main(folder: Path, gates: Path, rank: int, ranks: int, part: str) -> None:
    store = f"file://{gates}/store-{part}"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=ranks)
    Run(folder, gates, rank, ranks, part).main()
    dist.destroy_process_group()
