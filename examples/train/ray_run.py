# python examples/train/ray_run.py autumn /run/licet withdrawn.pub
import sys

import ray

import licet
from licet.train.batch_mask import MaskedBatches
from licet.train.ray_data import gated

gate = licet.gate(sys.argv[1], sys.argv[2], sys.argv[3])
rows = licet.load(sys.argv[1], gate=gate)
ray.init(num_cpus=1, include_dashboard=False)
texts = [{"ordinal": row["ordinal"], "text": str(row["messages"])} for row in rows]
data = gated(ray.data.from_items(texts), gate)  # each worker asks the gate again
# and so does this process, before each step
for batch in MaskedBatches(data.iter_batches(batch_size=2), gate):
    print(len(batch["ordinal"]), "rows", flush=True)
ray.shutdown()
