"""Run alone, as `python -m tests.train.rank_sharded FOLDER GATES RANK RANKS HOW`: one rank of a run
whose weights are sharded by FSDP (`fsdp`), or that Accelerate runs (`accelerate`).

The model is a weight for each place of a step, and the loss of a row is the weight of its place, so
that the gradient of a step has 1 over the number of ranks for each row that is in it, and 0 for
each that is not. In the second step two rows are withdrawn while gradients are accumulated, one of
the first rank and one of the last, between two barriers. Prints, as JSON, for each step the places
of the rows that are in its gradient, and the attempts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
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

BATCH, ACCUMULATE, STEPS = 2, 2, 3


class Places(torch.nn.Module):
    """One weight for each place of a step."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(places))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """The weights of the rows of a batch, which is (rows, places): a row's place is 1, and a
        masked row's none.
        """
        return (batch @ self.weight).sum()


def main(folder: Path, gates: Path, rank: int, ranks: int, how: str) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{gates}/store-{how}", rank=rank, world_size=ranks
    )
    office = Listened(gates, manifest.read_manifest(folder)[1], clock=time.time)
    keys, places = Keys(ROWS, clock=time.time), BATCH * ACCUMULATE * ranks
    rows = RowDataset(folder, office.gate(), keys, now=keys.now)
    batches = RankBatches(0, STEPS * places, BATCH, rank, ranks)

    def tensors(found: Sequence[Any]) -> dict[str, Any]:
        ordinals = torch.tensor([row[ORDINAL] for row in found])
        return {
            ORDINAL: ordinals,
            "place": torch.nn.functional.one_hot(ordinals % places, places).float(),
        }

    def withdraw(*ordinals: int) -> None:
        dist.barrier()
        if rank == 0:
            office.ordinals.update(ordinals)
            office.number += 1
            super(Listened, office).publish()
        dist.barrier()

    loader: Any = DataLoader(rows, batch_sampler=batches, collate_fn=tensors)  # type: ignore[arg-type]  # torch's stubs want a Sampler
    steps = MaskedSteps(loader, rows.gate, accumulate=ACCUMULATE, ranks=TorchRanks())
    model, learn, gradient = RUN[how](Places(places))
    taken = []
    for done, step in enumerate(steps):
        for attempt in step:
            model.zero_grad()
            for number, batch in enumerate(attempt):
                learn(batch["place"], number == ACCUMULATE - 1)
                if done == 1 and number == 0 and step.attempts == 1:
                    # a row of the first rank, and one of the last
                    withdraw(places, places + BATCH * ranks - 1)
        taken.append(
            [[place for place, share in enumerate(gradient().tolist()) if share > 0], step.attempts]
        )
    print(json.dumps(taken))
    dist.destroy_process_group()


Made = tuple[Any, Callable[[torch.Tensor, bool], None], Callable[[], torch.Tensor]]


def with_fsdp(model: Places) -> Made:
    """The model, sharded; what adds a batch to its gradient, for all ranks with the last; and the
    gradient, whole.
    """
    from torch.distributed.fsdp import fully_shard

    sharded: Any = fully_shard(model)

    def learn(batch: torch.Tensor, is_last: bool) -> None:
        sharded.set_requires_gradient_sync(is_last)
        sharded(batch).backward()

    return sharded, learn, lambda: sharded.weight.grad.full_tensor()


def with_accelerate(model: Places) -> Made:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    prepared: Any = accelerator.prepare(model)

    def learn(batch: torch.Tensor, is_last: bool) -> None:
        with nullcontext() if is_last else accelerator.no_sync(prepared):
            accelerator.backward(prepared(batch))

    return prepared, learn, lambda: accelerator.unwrap_model(prepared).weight.grad


RUN = {"fsdp": with_fsdp, "accelerate": with_accelerate}
