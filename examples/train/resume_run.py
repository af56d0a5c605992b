# torchrun --nproc-per-node 4 examples/train/resume_run.py autumn /run/licet withdrawn.pub
import sys
from pathlib import Path

import torch
import torch.distributed as dist

import licet
from licet.train.mix import RankBatches
from licet.train.step_mask import MaskedSteps, TorchRanks

dist.init_process_group("gloo")  # "nccl" on GPUs
kept = torch.load("checkpoint.pt") if Path("checkpoint.pt").exists() else []
gate = licet.gate(*sys.argv[1:4], held=bytes(kept[3]) if kept else None)
rows = licet.load(sys.argv[1], gate=gate)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(64, 1))  # yours
optimizer = torch.optim.AdamW(model.parameters())


def tensor(rows):  # yours: a chat template and a tokenizer; here bytes stand for tokens
    return torch.tensor([list(str(row["messages"]).encode()[:64].ljust(64)) for row in rows]) / 255


batches = RankBatches(0, len(rows), 2, dist.get_rank(), dist.get_world_size())
loader = torch.utils.data.DataLoader(rows, batch_sampler=batches, collate_fn=list)
steps = MaskedSteps(loader, gate, ranks=TorchRanks())
for part, state in zip((model, optimizer, steps), kept, strict=False):
    part.load_state_dict(state)
for step in steps:
    for attempt in step:
        optimizer.zero_grad()
        sum(model(tensor(batch)).square().mean() for batch in attempt).backward()
    optimizer.step()
    if dist.get_rank() == 0:
        states = [part.state_dict() for part in (model, optimizer, steps)]
        torch.save([*states, list(gate.signed_withdrawals())], "checkpoint.new")
        Path("checkpoint.new").replace("checkpoint.pt")
