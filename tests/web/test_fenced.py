"""While a database is being restored it answers nobody: not that it is ready, not a gate, and no
page.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from licet.access import service_keys
from licet.access.roles import ANYBODY, Scope, StaffRole
from licet.backup import archives
from licet.client import ReasonCode
from licet.errors import BusyError
from licet.keys import fence
from licet.policy.decide import DecisionReason
from licet.store import embedded
from licet.store.connect import Pool, transaction
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import open_installation
from licet.web.app import create_app

from ..backup.test_backup import Home, Place, check_nothing_came_back, talk
from ..meanwhile import WAITERS
from ..waiting import wait_until
from .served import NOTICE, World, api, listening
from .test_matrix import BODIES, FORMS

__all__ = ["api"]

# What is answered of the caller's own token or key alone.
ASKS_NOTHING = {"/v1/me", "/sign-out"}
# What a key may do that stands for no recipient and no endpoint.
UNBOUND_SCOPES = set(Scope) - {Scope.release_lease, Scope.events_acknowledge}


@pytest.fixture
def world(pool: Pool, tmp_path: Path) -> World:
    """No rate answers for a route."""
    callers = ("person", "service", "unknown")
    return World(
        pool, tmp_path / "data", **{f"{one}_requests_per_minute": 1_000_000 for one in callers}
    )


def test_behind_the_fence_every_route_that_asks_the_database_answers_503(
    world: World, api: TestClient[Litestar]
) -> None:
    account, chat = world.open("ana", allow=True), ""
    world.clock.set(NOTICE)
    chat = world.say("ana", "pears")
    callers = [world.person("ana"), world.browser("ana"), world.service(), world.staff(*StaffRole)]
    named = {
        "account:str": account,
        "conversation:str": chat,
        "turn:str": f"{chat.replace('conv', 'turn')}-1",
    }
    for caller in callers:  # who they are is remembered now, where that may be
        assert api.get("/v1/me", headers=caller).status_code == 200
    with transaction(world.installation.pool) as tx:
        fence.raise_fence(tx, world.clock.now)
    asked = 0
    for route in (one for one in world.app.routes if isinstance(one, HTTPRoute)):
        path = route.path_format
        for parameter, value in named.items():
            path = path.replace("{" + parameter.partition(":")[0] + "}", value)
        for handler in route.route_handlers:
            may = handler.opt.get("may")
            if may is None or may == ANYBODY or route.path in ASKS_NOTHING:
                continue
            for method in handler.http_methods - {"OPTIONS", "HEAD"}:
                name = f"{method} {route.path}"
                for caller in callers:
                    answer = api.request(
                        method,
                        path.replace("{", "").replace("}", ""),
                        headers=caller,
                        json=BODIES.get(name),
                        data=FORMS.get(name),
                        follow_redirects=False,
                    )
                    assert answer.status_code >= 400, (name, answer.status_code, answer.text)
                    if answer.status_code == 503:
                        asked += 1
                        assert answer.headers["retry-after"]
    assert asked > 60
    ready = api.get("/readyz")
    assert (ready.status_code, ready.json()["type"]) == (503, "urn:licet:problem:fenced")
    assert api.get("/healthz").status_code == 200
    with transaction(world.installation.pool) as tx:
        fence.lift_fence(tx)
    # It asks the database at most once a second.
    wait_until(lambda: api.get("/readyz").status_code == 200, "the server is ready again")


def test_a_server_is_not_ready_once_the_schema_was_contracted_past_its_version(
    world: World, api: TestClient[Litestar]
) -> None:
    """A newer version may take its statements away; what only expands leaves them."""
    step = (
        "INSERT INTO migrations (number, name, sha256, expands) "
        "VALUES (%s, 'later', decode(repeat('00', 32), 'hex'), %s)"
    )
    with transaction(world.installation.pool) as tx:
        tx.execute(step, (10_000, True))
    assert api.get("/readyz").status_code == 200
    with transaction(world.installation.pool) as tx:
        tx.execute(step, (10_001, False))
    # It asks the database at most once a second.
    wait_until(lambda: api.get("/readyz").status_code == 503, "the server is not ready")
    refused = api.get("/readyz").json()
    with transaction(world.installation.pool) as tx:
        tx.execute("DELETE FROM migrations WHERE number >= 10000")
    assert refused["because"] == ReasonCode.newer_schema
    assert "`10001`" in refused["detail"]
    assert api.get("/healthz").status_code == 200


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    embedded.stop(place.config.data / "postgres")


def test_a_restore_beside_a_server_that_takes_the_log_is_refused_before_anything_is_changed(
    place: Place,
) -> None:
    home, folder = talk(place)
    with open_installation(place.config, place.clock) as installation:
        with transaction(installation.pool) as tx:
            key = service_keys.create_key(
                tx, "host", UNBOUND_SCOPES, place.now, installation.keyring.random
            )
        with listening(
            create_app(installation, installation.config.web, sequencer=True)
        ) as address:
            with pytest.raises(
                BusyError, match="is adding entries to the log; nothing was changed"
            ):
                archives.restore(place.config, folder, place.clock)
            assert httpx.get(f"{address}/readyz").status_code == 200
            ben = f"{address}/v1/accounts/{format_id(Prefix.account, home.accounts['ben'])}"
            seen = httpx.get(f"{ben}/gate", headers={"authorization": f"Bearer {key}"}).json()
            assert set(seen["standings"].values()) == {"withdrawn"}
        check_nothing_came_back(Home(installation, place, home))


def test_a_server_beside_a_restore_says_nothing_that_was_taken_back(place: Place) -> None:
    """It asks all the while; every answer is that it must wait, or what was so before and is so
    after.
    """
    home, folder = talk(place)
    with open_installation(place.config, place.clock) as installation:
        with transaction(installation.pool) as tx:
            key = service_keys.create_key(
                tx, "host", UNBOUND_SCOPES, place.now, installation.keyring.random
            )
        with listening(create_app(installation, installation.config.web)) as address:
            ben = f"{address}/v1/accounts/{format_id(Prefix.account, home.accounts['ben'])}"
            answers: list[tuple[int, str]] = []
            done = threading.Event()

            def ask() -> None:
                with httpx.Client(headers={"authorization": f"Bearer {key}"}, timeout=60) as client:
                    while not done.is_set():
                        for path in (f"{ben}/gate", ben, f"{ben}/choices", f"{address}/readyz"):
                            answer = client.get(path)
                            said = answer.json()
                            answers.append((answer.status_code, str(said.get("standing", ""))))
                        time.sleep(0.01)

            asking = threading.Thread(target=ask)
            asking.start()
            while not answers:
                time.sleep(0.01)
            try:
                archives.restore(place.config, folder, place.clock)
            finally:
                done.set()
                asking.join(600)
        # The key was made after the backup: restored, it is not known any more, which is the safe
        # side.
        assert {status for status, _ in answers} <= {200, 401, 503}
        assert {standing for status, standing in answers if status == 200} <= {"withdrawn", ""}
        assert 503 in {status for status, _ in answers}
        assert Home(installation, place, home).decided("ben-chat") is DecisionReason.withdrawn


def test_the_fence_waits_for_whoever_looked_before_it_went_up(place: Place) -> None:
    talk(place)
    with open_installation(place.config, place.clock) as installation:
        looked, go_on = threading.Event(), threading.Event()
        ended: list[str] = []

        def read() -> None:
            with transaction(installation.pool) as tx:
                fence.check(tx)
                looked.set()
                go_on.wait(600)
                ended.append("reader")

        reader = threading.Thread(target=read)
        reader.start()
        assert looked.wait(600)

        def raise_fence() -> None:
            with transaction(installation.pool) as tx:
                fence.raise_fence(tx, place.now)
            with transaction(installation.pool) as tx:
                fence.wait_for_readers(tx)
                ended.append("fence")

        raising = threading.Thread(target=raise_fence)
        raising.start()
        with installation.pool.connection() as conn:
            while not conn.execute(WAITERS).fetchone():
                assert not ended
                time.sleep(0.01)
        go_on.set()
        reader.join(600)
        raising.join(600)
        assert ended == ["reader", "fence"]
