"""Run alone: the plan on Ray and in this process, compared.

There are two nodes on this machine, and the first worker to come to a certain document dies.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pyarrow as pa
from tests.curate.documents import KEY, Cleaner
from tests.curate.test_kernels import as_bytes, town

from licet.curate import runners
from licet.curate.batches import batches
from licet.curate.plan import CurationPlan, plan


class Dying:
    """Kills the process that runs it, once: the first to take the file away."""

    def __init__(self, once: str) -> None:
        self.once = once

    @property
    def declared(self) -> Mapping[str, object]:
        return {}

    def __call__(self, batch: pa.RecordBatch, /) -> pa.RecordBatch:
        if 300 in batch.column("number").to_pylist():
            try:
                Path(self.once).unlink()
            except FileNotFoundError:
                return batch
            os._exit(1)
        return batch


def on_ray(documents: list[pa.RecordBatch]) -> list[bytes]:
    os.environ.update(runners.SILENT)
    # on a machine that has other work
    os.environ["RAY_raylet_start_wait_time_s"] = "600"  # noqa: SIM112 Ray's own name
    # Workers start elsewhere, and import this file and the package from where we did.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [*map(str, Path(__file__).resolve().parents), *sys.path]
    )
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=1)
    runner = runners.runner(runners.Engine.ray, cluster.address)
    import ray

    assert len(ray.nodes()) == 2
    with tempfile.TemporaryDirectory() as folder:
        once = Path(folder) / "once"
        once.touch()
        made = as_bytes(
            runner.run(CurationPlan((Dying(str(once)), *plan(Cleaner(), KEY).steps)), documents)
        )
        assert not once.exists(), "nobody died"
    runner.close()
    cluster.shutdown()
    return made


if __name__ == "__main__":
    given = [
        part for batch in batches(town(400)) for part in (batch.slice(0, 100), batch.slice(100))
    ]
    expected = as_bytes(runners.Local().run(plan(Cleaner(), KEY), given))
    print("same bytes" if on_ray(given) == expected else "other bytes")
