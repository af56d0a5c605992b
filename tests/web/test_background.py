"""A background task that fails is begun again; the log's sequencer stops for good, and says so."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from licet.store.connect import Pool
from licet.vault.installation import Installation
from licet.web.background import BackgroundTask

from ..installed import House
from ..waiting import wait_until


@pytest.fixture
def installation(pool: Pool, tmp_path: Path) -> Installation:
    return House(pool, tmp_path / "data").installation


class Work:
    """Fails ``failures`` times, then waits until it is stopped."""

    def __init__(self, failures: int) -> None:
        self.failures, self.begun = failures, 0

    def __call__(self, _: Installation, stop: threading.Event) -> None:
        self.begun += 1
        if self.begun <= self.failures:
            raise KeyError("words of a person")
        stop.wait()


def test_a_task_that_fails_is_noted_without_its_message_and_begun_again(
    installation: Installation,
) -> None:
    work = Work(failures=2)
    task = BackgroundTask(installation, work, "licet-test", retry_seconds=0.01)

    async def run() -> None:
        async with task.running():
            await asyncio.to_thread(wait_until, lambda: work.begun == 3, "it is at work again")

    with capture_logs() as logs:
        asyncio.run(run())
    assert [(line["event"], line["error"]) for line in logs] == [("broken", "KeyError")] * 2
    assert "person" not in str(logs)
    assert task.fault == ""


def test_the_sequencer_that_fails_has_stopped_for_good_and_names_the_error(
    installation: Installation,
) -> None:
    work = Work(failures=1)
    task = BackgroundTask(installation, work)

    async def run() -> None:
        async with task.running():
            await asyncio.to_thread(wait_until, lambda: task.fault, "it has stopped")

    asyncio.run(run())
    assert (task.fault, work.begun) == ("KeyError", 1)
