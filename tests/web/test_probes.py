"""Probes that anybody may call: the database is asked at most once a second, and nobody waits long
for it.
"""

from __future__ import annotations

import asyncio
from time import monotonic

import httpx
import psycopg
import pytest

from licet.errors import BusyError
from licet.store.connect import open_pool
from licet.web.probes import REMEMBERED_SECONDS, WAITED_SECONDS_MAX, Probe
from licet.web.site import FIGURES_SECONDS

from .served import ApplicationClient, World, listening


@pytest.mark.parametrize(
    ("path", "transactions", "remembered"),
    [("/readyz", 1, REMEMBERED_SECONDS), ("/metrics", 40, FIGURES_SECONDS)],
)
def test_a_hundred_probes_at_once_ask_the_database_a_few_times(
    pool, tmp_path, path, transactions, remembered
) -> None:
    world = World(pool, tmp_path / "data")
    with ApplicationClient(world.app) as api:
        begun, before = monotonic(), pool.get_stats().get("requests_num", 0)
        for _ in range(100):
            assert api.get(path).status_code == 200
        seconds = monotonic() - begun
        assert pool.get_stats().get("requests_num", 0) - before <= 2 * transactions * (
            seconds / remembered * 2 + 1
        )


def test_what_was_answered_is_counted_by_route_and_by_gate(pool, tmp_path) -> None:
    world = World(pool, tmp_path / "data")
    world.open("ana", allow=True)
    with ApplicationClient(world.app) as api:
        gates = [
            api.get("/v1/accounts/me/gate", headers=world.person("ana")).json()["gate"]
            for _ in range(3)
        ]
        counted = api.get("/metrics").text.splitlines()
    place = 'route="/v1/accounts/{account}/gate",status="200"'
    assert [
        line for line in counted if line.startswith("licet_requests_total") and place in line
    ] == ['licet_requests_total{caller="person",method="GET",' + place + "} 3.0"]
    assert f'licet_gate_answers_total{{gate="{gates[0]}"}} 3.0' in counted
    assert 'licet_request_seconds_count{route="/v1/accounts/{account}/gate"} 3.0' in counted
    states = ("used", "idle", "waited_for")
    pool_now = {
        state: [line for line in counted if f'pool_connections{{state="{state}"}}' in line]
        for state in states
    }
    assert all(len(found) == 1 for found in pool_now.values())


def test_an_answer_is_asked_for_once_by_many_and_again_when_it_is_old() -> None:
    asked = []

    async def ask() -> int:
        asked.append(len(asked))
        await asyncio.sleep(0.01)
        return asked[-1]

    async def run() -> None:
        probe = Probe(ask)
        assert await asyncio.gather(*(probe.answer() for _ in range(50))) == [0] * 50
        await asyncio.sleep(REMEMBERED_SECONDS)
        assert await probe.answer() == 1

    asyncio.run(run())


def test_a_refusal_is_remembered_and_a_question_without_an_answer_is_not_waited_for() -> None:
    async def run() -> None:
        never = asyncio.Event()
        probe = Probe(never.wait)
        with pytest.raises(BusyError, match="does not answer"):
            await probe.answer()
        with pytest.raises(BusyError, match="does not answer"):
            await probe.answer()
        never.set()
        assert await probe.answer() is True

    asyncio.run(asyncio.wait_for(run(), 60 * WAITED_SECONDS_MAX))


def test_without_the_database_readiness_is_refused_with_its_cause_and_life_is_not(
    databases, tmp_path
) -> None:
    """The database is there and takes no connection: what waits for one would wait ten seconds."""
    dsn = databases()
    with open_pool(dsn) as pool:
        world = World(pool, tmp_path / "data")
        with listening(world.app) as url:
            assert httpx.get(f"{url}/readyz", timeout=60).status_code == 200
            name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
            with psycopg.connect(dsn, dbname="postgres", autocommit=True) as admin:
                admin.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    [name],
                )
                try:
                    answers = [httpx.get(f"{url}/readyz", timeout=60) for _ in range(20)]
                    refused = answers[-1]
                    while refused.status_code == 200:
                        refused = httpx.get(f"{url}/readyz", timeout=60)
                    assert refused.status_code == 503
                    assert "database" in refused.json()["detail"]
                    assert httpx.get(f"{url}/healthz").status_code == 200
                    assert httpx.get(f"{url}/metrics", timeout=60).status_code == 200
                finally:
                    admin.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')
