"""Run alone, as `python -m tests.train.rank_slices FOLDER GATES RANK RANKS PART`: one of four
ranks, of which each two share their sequences.

A sequence is three rows of four tokens, cut in two, so that the row in its middle lies on both
ranks. Rows are withdrawn between two barriers: after a step was read, while gradients are
accumulated, and after the first rank of a group has read and before the other one would. Prints, as
JSON, for each step the slices of each rank as they are used, and the attempts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

from licet.release import manifest
from licet.train.dataset import ORDINAL, RowDataset
from licet.train.mix import RankBatches
from licet.train.sequence_parallel import SequenceGroup, SharedBatches
from licet.train.step_mask import MaskedSteps, TorchRanks

from .publishing import ROWS, Keys, Listened

SHARED_BY, BATCH, TOKENS, ACCUMULATE, STEPS = 2, 3, 4, 2, 4
STEP = BATCH * ACCUMULATE * 2  # rows of a step of the two groups


def packed_sequence(rows: Sequence[Any]) -> dict[str, Any]:
    """A batch of one sequence: each token says whose it is and the how manieth, and so does its
    label.
    """
    ordinals = torch.tensor([[row[ORDINAL] for row in rows for _ in range(TOKENS)]])
    tokens = torch.tensor([[1 + row[ORDINAL] * TOKENS + n for row in rows for n in range(TOKENS)]])
    return {"input_ids": tokens, "labels": tokens.clone(), ORDINAL: ordinals}


def main(folder: Path, gates: Path, rank: int, ranks: int) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{gates}/store", rank=rank, world_size=ranks
    )
    group = SequenceGroup.of_consecutive(SHARED_BY)
    office = Listened(gates, manifest.read_manifest(folder)[1], clock=time.time)
    keys = Keys(ROWS, clock=time.time)
    rows = RowDataset(folder, office.gate(), keys, now=keys.now)
    batches = RankBatches(0, STEPS * STEP, BATCH, rank, ranks, SHARED_BY)
    loader: Any = DataLoader(rows, batch_sampler=batches, collate_fn=packed_sequence)  # type: ignore[arg-type]  # torch's stubs want a Sampler

    def withdraw(*ordinals: int) -> None:
        dist.barrier()
        if rank == 0:
            office.ordinals.update(ordinals)
            office.number += 1
            super(Listened, office).publish()
        dist.barrier()

    slices = map(group.cut, SharedBatches(loader, group))
    taken = []
    for done, step in enumerate(
        MaskedSteps(slices, rows.gate, accumulate=ACCUMULATE, ranks=TorchRanks())
    ):
        first, used = done * STEP, [[0]]
        if done == 0:
            withdraw(1, 10)  # read, and not yet checked: each in the middle of a sequence
        for attempt in step:
            used = []
            for number, batch in enumerate(attempt):
                used.append([batch["input_ids"].tolist()[0], batch["shift_labels"].tolist()[0]])
                if done == 1 and number == 0 and step.attempts == 1:
                    # their gradients were accumulated, on all four ranks
                    withdraw(first + 1, first + 4)
        if done == 1:
            withdraw(2 * STEP + 1)  # neither rank has read it: it is replaced
            # a reader looks at the file twenty times a second, and would find it only at the check
            rows.gate.current()
        found: list[Any] = [None] * ranks
        dist.all_gather_object(found, used)
        taken.append([found, step.attempts])
    print(json.dumps({"taken": taken, "asked": len(keys.retry_while_busy)}))
    dist.destroy_process_group()
