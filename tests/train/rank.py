"""One of two ranks of a run on the release in a folder; `ranks.py` starts it.

Every step ends in an exchange between the ranks, so that one that took fewer would leave the other
waiting. After ten steps the first rank publishes that much was withdrawn. Prints, for both, the
steps and the withdrawn rows used after.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, DistributedSampler

from licet.release import manifest
from licet.train.batch_mask import MaskedBatches
from licet.train.dataset import RowDataset

from .publishing import ROWS, Keys, Listened, ordinals

STEPS_BEFORE = 10
WITHDRAWN = set(range(0, 400, 2))


def main(folder: Path, gates: Path, rank: int, ranks: int) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{gates}/store", rank=rank, world_size=ranks
    )
    office = Listened(gates, manifest.read_manifest(folder)[1], clock=time.time)
    keys = Keys(ROWS, clock=time.time)
    rows = RowDataset(folder, office.gate(), keys, now=keys.now)
    # Only the first rank's share is withdrawn, so that rows which were dropped would leave it with
    # fewer batches.
    sampler: DistributedSampler[int] = DistributedSampler(
        rows, num_replicas=ranks, rank=rank, shuffle=False
    )
    steps, used = 0, 0
    for batch in MaskedBatches(
        DataLoader(rows, batch_size=8, sampler=sampler, collate_fn=list), rows.gate
    ):
        if steps > STEPS_BEFORE:
            used += len(set(ordinals(batch)) & WITHDRAWN)
        dist.all_reduce(torch.ones(len(batch)))
        steps += 1
        if steps == STEPS_BEFORE + 1:
            if rank == 0:
                office.withdraw(*WITHDRAWN)
            dist.barrier()
    found: list[tuple[int, int] | None] = [None, None]
    dist.all_gather_object(found, (steps, used))
    print(found)
    dist.destroy_process_group()
