"""The primary of the database is killed while Licet serves: what was acknowledged is there, and no
former server is believed.

TESTS_FAILOVERS is how often (2); `bench/RESULTS.md`, "failover", has the figures of more.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from licet.client import Client, choose, delete, explain, gate, open_account, say
from licet.keys.restriction_journal import Journal, RestrictionKind

from ..forking import FORKED
from ..journals import lying
from ..state_hook import MADE
from ..waiting import wait_until
from ..web.test_serve import licet
from ..web.test_workers import Place, Served, at_once
from .cluster import HaCluster, cluster

FAILOVERS = int(os.environ.get("TESTS_FAILOVERS", "2"))
ATTEMPTS_MAX = 1_000


@pytest.fixture
def ha(tmp_path: Path) -> Iterator[HaCluster]:
    folder = tmp_path / "ha"
    folder.mkdir()
    with cluster(folder) as made:
        yield made


class Load:
    """People who talk, delete and decide; each thing that was acknowledged is noted after its
    answer.
    """

    def __init__(self, served: Served, key: str) -> None:
        self._served, self._key = served, key
        self.said: list[str] = []
        self.deleted: list[str] = []
        self.decided: list[bool] = []

    def talk(self, stop: threading.Event) -> None:
        with Client(self._served.url, self._key, attempts_max=ATTEMPTS_MAX) as client:
            while not stop.is_set():
                n = len(self.said)
                answer = client.send(say("host:ana", f"turn {n}", conversation=f"host:c{n}"))
                assert answer.conversation is not None
                self.said.append(answer.conversation)
                if n % 2:
                    client.send(delete(answer.conversation, "host:ana"))
                    self.deleted.append(answer.conversation)

    def decide(self, stop: threading.Event) -> None:
        """A new person each time: one who has just answered is never told that they must decide
        first.
        """
        with Client(self._served.url, self._key, attempts_max=ATTEMPTS_MAX) as client:
            while not stop.is_set():
                n = len(self.decided)
                client.send(open_account(f"p{n}", "pro"))
                client.send(choose(f"host:p{n}", allow=n % 3 > 0))
                self.decided.append(n % 3 > 0)
                assert client.send(gate(f"host:p{n}")).gate == "open"

    def goes_on(self) -> None:
        said, decided = len(self.said) + 5, len(self.decided) + 5
        wait_until(
            lambda: len(self.said) >= said and len(self.decided) >= decided, "the load goes on"
        )


def test_the_primary_is_killed_under_load_and_every_acknowledged_choice_deletion_and_turn_is_there(
    ha: HaCluster, tmp_path: Path
) -> None:
    """Every other time its PostgreSQL runs on without Patroni: a server that takes itself for the
    primary is not asked.
    """
    place = Place(tmp_path / "data", ha.dsn)
    with place.serving() as served:
        place.open(served.url)
        load = Load(served, place.key)
        with at_once(load.talk, load.decide):
            for number in range(FAILOVERS):
                load.goes_on()
                ha.wait_whole()
                killed = ha.kill_primary(leave_postgres=number % 2 == 1)
                load.goes_on()
                if killed.postmaster() is not None:
                    assert_refused(place, killed.dsn, "the server is a former primary")
                    killed.kill_postgres()
                killed.start()
            load.goes_on()
        with Client(served.url, place.key, attempts_max=ATTEMPTS_MAX) as client:
            for conversation in load.deleted:
                seen = client.send(explain(conversation, "host:ana"))
                assert seen.deleted_at is not None and not any(
                    answer.use for answer in seen.answers
                )
        assert_all_there(ha, place, load)
    ha.wait_whole()
    assert_refused(place, killed.dsn, "session is read-only")
    primary = ha.wait_primary()
    MADE.append(primary.dsn)
    published = tmp_path / "published"
    for words in (["ledger", "append"], ["ledger", "publish", str(published)]):
        done = licet(place.data, ha.dsn, *words)
        assert done.returncode == 0, done.stderr
    key = licet(place.data, ha.dsn, "ledger", "key").stdout.strip()
    (year,) = published.glob("[0-9]*")
    proved = subprocess.run(
        [FORKED, "verify", "log", str(year), "--key", key],
        capture_output=True,
        text=True,
        check=False,
    )
    assert proved.returncode == 0, proved.stdout + proved.stderr
    print(
        f"{ha.kills} failovers, {len(load.said)} turns, {len(load.deleted)} deletions, "
        f"{len(load.decided)} choices"
    )


def assert_refused(place: Place, dsn: str, why: str) -> None:
    """Neither a command nor a server that is told to use this server of the database asks it
    anything.
    """
    refused = licet(place.data, dsn, "status")
    assert (refused.returncode, refused.stdout) == (75, "")
    assert why in refused.stderr, refused.stderr


def assert_all_there(ha: HaCluster, place: Place, load: Load) -> None:
    place.dsn = ha.wait_primary().dsn
    kept = {
        f"conv_{row[0].hex}"
        for row in place.rows("SELECT conversation_id FROM conversations WHERE deleted_at IS NULL")
    }
    assert kept == set(load.said) - set(load.deleted)
    turns = (
        "SELECT count(*) FROM turns JOIN conversations USING (conversation_id) WHERE "
        "deleted_at "
        "IS NULL"
    )
    assert place.rows(turns) == [(len(kept),)]
    assert place.rows("SELECT count(*) FILTER (WHERE allow), count(*) FROM choices") == [
        (sum(load.decided) + 1, len(load.decided) + 1)
    ]
    journal = Journal(place.data / "restrictions")
    restricted = lying(journal)
    journal.close()
    recorded = {one.conversation for one in restricted if one.kind is RestrictionKind.deleted}
    assert {f"conv_{one.hex}" for one in recorded if one} == set(load.deleted)
    assert len(
        {one.account for one in restricted if one.kind is RestrictionKind.refused}
    ) == load.decided.count(False)
    with psycopg.connect(place.dsn) as conn:
        lives = [row[0] for row in conn.execute("SELECT life FROM lives ORDER BY life")]
    assert len(lives) > ha.kills and lives == sorted(lives)
