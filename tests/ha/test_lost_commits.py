"""A replica takes over without synchronous replication: what may be lost is said, and what was
restricted comes back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from licet import doctor
from licet.clock import utc_now
from licet.config import Configuration
from licet.doctor import FindingState
from licet.errors import BusyError
from licet.store import connect
from licet.store.connect import OutcomeUnknownError, UnreachableError, open_pool, transaction
from licet.vault import verbs
from licet.vault.commands import AddTurn, Choose, Delete, OpenAccount
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, from_pool, load_host_key, open_installation

from ..waiting import wait_until
from ..web.test_serve import licet
from .pair import Server, pair


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    with pair(tmp_path) as made:
        data = tmp_path / "data"
        data.mkdir()
        begun = licet(data, made[0].dsn, "init", "--preset", "article-2025")
        assert begun.returncode == 0, begun.stderr
        yield made


def caught_up(first: Server, second: Server) -> None:
    """Waits until the replica has all that the primary has."""
    (newest,) = first.rows("SELECT pg_current_wal_lsn()")[0]
    wait_until(
        lambda: second.rows(f"SELECT pg_last_wal_replay_lsn() >= '{newest}'") == [(True,)],
        "the replica has it",
    )


def configuration(data: Path, server: Server) -> Configuration:
    return Configuration(data=data, database_url=server.dsn)


def person(installation: Installation) -> tuple[UUID, UUID]:
    """Somebody who allowed it, and one conversation."""
    account, now = uuid7(utc_now(), os.urandom(10)), utc_now()
    key = load_host_key(installation)
    verbs.apply_commands(
        installation,
        [
            OpenAccount(
                account=account, at=now, host=host_hmac(key, "account", "ana"), plan="pro", age=30
            )
        ],
    )
    verbs.apply_commands(
        installation,
        [Choose(account=account, at=now, allow=True, question="training", via="notice")],
    )
    chat = host_hmac(key, "conversation", "chat")
    said = AddTurn(
        account=account, at=now, content=encode(Content(text="boils")), host_conversation=chat
    )
    (answer,) = verbs.apply_commands(installation, [said])
    assert answer.conversation is not None
    return account, answer.conversation


def test_commits_that_a_failover_lost_are_noticed_and_restrictions_come_back(
    two: tuple[Server, Server], tmp_path: Path
) -> None:
    (first, second), data = two, tmp_path / "data"
    with open_installation(configuration(data, first)) as installation:
        account, conversation = person(installation)
        caught_up(first, second)
        (found,) = [one for one in doctor.examine(installation) if one.what == "replicas"]
        assert found.state is FindingState.warning
        assert (
            "may lose what was acknowledged last" in found.seen
            and "restriction journal" in found.seen
        )
        second.stop()
        verbs.apply_commands(
            installation, [Delete(account=account, at=utc_now(), conversation=conversation)]
        )
        verbs.apply_commands(
            installation, [Choose(account=account, at=utc_now(), allow=False, via="settings")]
        )
    first.stop()
    second.start()
    second.promote()
    refused = licet(data, second.dsn, "status")
    assert (refused.returncode, refused.stdout) == (75, "")
    assert "failed over to a server that lacks later withdrawals and deletions" in refused.stderr
    assert "licet restore --here" in refused.stderr
    restored = licet(data, second.dsn, "restore", "--here")
    assert restored.returncode == 0, restored.stderr
    deleted = (
        f"SELECT deleted_at IS NOT NULL FROM conversations WHERE conversation_id = '{conversation}'"
    )
    assert second.rows(deleted) == [(True,)]
    assert second.rows("SELECT allow FROM choices ORDER BY seq DESC LIMIT 1") == [(False,)]
    assert licet(data, second.dsn, "status").returncode == 0
    first.start()  # it has everything, but another server is lived on by now
    former = licet(data, first.dsn, "status")
    assert former.returncode == 75
    assert "a former primary" in former.stderr


def test_a_replica_is_asked_nothing_and_a_promotion_that_lost_nothing_begins_a_life_by_itself(
    two: tuple[Server, Server], tmp_path: Path
) -> None:
    (first, second), data = two, tmp_path / "data"
    with open_installation(configuration(data, first)) as installation:
        account, conversation = person(installation)
        verbs.apply_commands(
            installation, [Delete(account=account, at=utc_now(), conversation=conversation)]
        )
    caught_up(first, second)
    behind = licet(data, second.dsn, "status")
    assert (behind.returncode, behind.stdout) == (75, "")
    assert "read-only" in behind.stderr
    with (
        open_pool(f"{second.dsn} target_session_attrs=any") as pool,
        pytest.raises(UnreachableError, match="the server of the connection only reads"),
        transaction(pool),
    ):
        pytest.fail("a replica was asked")
    second.promote()
    for _ in range(2):
        assert licet(data, second.dsn, "status").returncode == 0
    assert second.rows("SELECT life FROM lives ORDER BY life") == [(0,), (1,)]
    assert "a former primary" in licet(data, first.dsn, "status").stderr


def test_what_waits_on_a_former_primary_is_cut_when_the_present_one_is_found(
    two: tuple[Server, Server], tmp_path: Path
) -> None:
    """As behind a balancer: the same connection string leads to another server from now on."""
    (first, second), data = two, tmp_path / "data"
    leads, errors = [first.dsn], list[BaseException]()

    def wait() -> None:
        try:
            with transaction(pool) as tx:
                waiting.set()
                tx.execute("SELECT pg_sleep(3600)")
        except BusyError as error:
            errors.append(error)

    with (
        open_pool(lambda: leads[0]) as pool,
        from_pool(pool, configuration(data, first), utc_now),
    ):
        waiting = threading.Event()
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        assert waiting.wait(600)
        caught_up(first, second)
        second.promote()
        leads[0] = second.dsn
        connect.probe(pool)
        thread.join(600)
        assert not thread.is_alive()
        with transaction(pool) as tx:
            assert tx.execute("SELECT inet_server_port()").fetchone() == (second.port,)
        leads[0] = first.dsn
        with pytest.raises(BusyError, match="a former primary"):
            connect.probe(pool)
    assert [type(error) for error in errors] == [UnreachableError]


def test_a_commit_that_no_replica_confirmed_is_acknowledged_to_nobody(
    two: tuple[Server, Server],
) -> None:
    """A cancelled wait for a replica ends as a success with a warning."""
    first, errors = two[0], list[BaseException]()
    first.set("synchronous_standby_names", "nobody")
    wait_until(
        lambda: first.rows("SHOW synchronous_standby_names") == [("nobody",)],
        "it waits for a replica",
    )

    def change() -> None:
        try:
            with transaction(pool) as tx:
                tx.execute("CREATE TABLE kept (n int)")
        except OutcomeUnknownError as error:
            errors.append(error)

    with open_pool(first.dsn) as pool:
        thread = threading.Thread(target=change, daemon=True)
        thread.start()
        waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        wait_until(lambda: first.rows(waiting), "the commit waits")
        thread.join(600)
    assert [str(error) for error in errors] == ["no replica has confirmed the commit"]
    first.set("synchronous_standby_names", "")
