# torchrun --nproc-per-node 4 examples/train/torch_run.py autumn /run/licet withdrawn.pub
import sys

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

import licet
from licet.train.mix import RankBatches
from licet.train.step_mask import MaskedSteps, TorchRanks

dist.init_process_group("gloo")  # "nccl" on GPUs
gate = licet.gate(sys.argv[1], sys.argv[2], sys.argv[3])
rows = licet.load(sys.argv[1], gate=gate)
model = torch.nn.Sequential(torch.nn.Embedding(256, 8), torch.nn.Linear(8, 256))
model = torch.nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.AdamW(model.parameters())


def collate(rows):  # yours: a chat template and a tokenizer; here bytes stand for tokens
    texts = [str(row["messages"]).encode()[:64].ljust(64) for row in rows]
    ids = torch.tensor([list(text) for text in texts])
    ordinals = torch.tensor([row["ordinal"] for row in rows])
    return {"input_ids": ids, "labels": ids.clone(), "ordinal": ordinals}


batches = RankBatches(0, len(rows), 2, dist.get_rank(), dist.get_world_size())
loader = DataLoader(rows, batch_sampler=batches, collate_fn=collate)
for step in MaskedSteps(loader, gate, ranks=TorchRanks()):
    for attempt in step:  # again, on every rank, where a row was withdrawn meanwhile
        optimizer.zero_grad()
        for batch in attempt:
            logits = model(batch["input_ids"]).flatten(0, 1)
            torch.nn.functional.cross_entropy(logits, batch["labels"].flatten()).backward()
    optimizer.step()
    print(f"rank {dist.get_rank()} took a step", flush=True)
dist.destroy_process_group()
