"""Run alone, as `python -m tests.train.ray_alone FOLDER`: a data set of Ray's behind the gate, its
rows read by a worker of Ray's, some withdrawn before and some while it is iterated. Prints what was
used.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from licet.curate.runners import SILENT

os.environ.update(SILENT)
os.environ["RAY_raylet_start_wait_time_s"] = "600"  # noqa: SIM112 on a machine that has other work
os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).resolve().parents[2]), *sys.path])

import ray

from licet.train.batch_mask import MaskedBatches
from licet.train.ray_data import gated

from .publishing import Office


def main(folder: Path) -> None:
    ray.init(num_cpus=1, include_dashboard=False, logging_level="error", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    office = Office(folder, clock=time.time)
    office.withdraw(3, 4, *range(10, 20))
    rows = ray.data.from_items(
        [{"ordinal": n, "text": f"text {n}"} for n in range(40)], override_num_blocks=4
    )
    made = gated(rows, office.gate()).iter_batches(batch_size=5, prefetch_batches=4)
    used: list[list[int]] = []
    texts: list[str] = []
    for step, batch in enumerate(
        MaskedBatches(made, office.gate(), used=lambda _, found: used.append(list(found)))
    ):
        texts += [str(text) for text in batch["text"]]
        if step == 3:
            office.withdraw(*range(25, 40))
    ray.shutdown()
    print(json.dumps({"used": used, "rows": len(texts), "texts": sorted(set(texts))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
