"""Run alone, as `on_cluster.py DATA DSN TIME`: builds by actors on two nodes of Ray on this
machine, one of which is killed.

It says what came to pass: the cluster has too few cores; a build whose actor is killed ends, and
resumes; one is built as `r`, from the same random bytes as others.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import psutil
from tests.release.test_base import forget
from tests.release.test_build_workers import build

from licet.config import Configuration
from licet.curate import ray_workers, runners
from licet.curate.ray_workers import RayActors
from licet.curate.release_build import WORKER_START
from licet.errors import BusyError
from licet.vault.installation import open_installation

ACTOR = "ray::PageActor"


def actors() -> list[psutil.Process]:
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if (one.info["cmdline"] or [""])[0].startswith(ACTOR)
    ]


def refused(house: Any, name: str, crew: RayActors, **more: Any) -> BusyError:
    try:
        build(house, name, crew=crew, **more)
    except BusyError as error:
        return error
    raise AssertionError("nothing was refused")


def main(data: str, dsn: str, now: str) -> None:
    os.environ.update(runners.SILENT)
    # on a machine that has other work
    os.environ["RAY_raylet_start_wait_time_s"] = "600"  # noqa: SIM112 Ray's own name
    # Workers start elsewhere, and import the package from where we did.
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=1)
    at = datetime.fromisoformat(now)
    with open_installation(
        Configuration(data=Path(data), database_url=dsn), lambda: at
    ) as installation:
        house: Any = SimpleNamespace(installation=installation)
        crew = RayActors(cluster.address, WORKER_START)

        ray_workers.START_SECONDS_MAX, usual = 5, ray_workers.START_SECONDS_MAX
        assert "did not start a worker within `5` seconds" in str(
            refused(house, "few", crew, workers=3)
        )
        ray_workers.START_SECONDS_MAX = usual
        print("too-few")

        pages = 0

        def kills(_turns: int) -> None:
            nonlocal pages
            pages += 1
            if pages == 6:
                os.kill(min(one.pid for one in actors()), signal.SIGKILL)

        assert "was ended" in str(refused(house, "few", crew, workers=2, progress=kills))
        print("killed")
        assert build(house, "few", crew=crew, workers=2).resumed_from is not None
        print("resumed")

        forget(house, "few")
        build(house, "r", crew=crew, workers=2, seed=1)
        print("built")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
