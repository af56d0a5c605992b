"""An installation that moves from folders into a bucket: killed on its way, it goes on, and another
host serves what it had.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from licet.config import Configuration
from licet.ledger.sequence import SEQUENCER_LOCK
from licet.store import bucket as buckets
from licet.store.bucket import Bucket

from .. import seaweed
from ..forking import FORKED
from ..waiting import wait_until
from .test_serve import LICET

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


class Place:
    """An installation in folders, what it is told of a bucket, and that bucket."""

    def __init__(self, folder: Path, dsn: str, server: seaweed.S3Server) -> None:
        self.data, self.dsn = folder / "one", dsn
        self.folders = {**os.environ, "LICET_DATABASE_URL": dsn, "LICET_DATA": str(self.data)}
        settings = server.settings("STORE", "moved")
        self.shared = {**self.folders, **settings}
        found = buckets.open_bucket(Configuration.from_environment(settings).store)
        assert found is not None
        self.bucket: Bucket = found

    def run(self, *words: str, env: dict[str, str], code: int = 0) -> str:
        done = subprocess.run(
            [FORKED, *words], env=env, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout if code == 0 else done.stderr

    def answer(self, *words: str, env: dict[str, str]) -> dict[str, Any]:
        return dict(json.loads(self.run(*words, "--json", env=env)))

    def make(self) -> None:
        self.data.mkdir()
        self.run("init", "--policy", str(EXAMPLES / "policy.yaml"), env=self.folders)
        choices = str(EXAMPLES / "choices-of-one-question.csv")
        people = str(EXAMPLES / "accounts.csv")
        words = (
            "import",
            str(EXAMPLES / "chats.jsonl"),
            "--accounts",
            people,
            "--choices",
            choices,
        )
        self.run(*words, env=self.folders)
        self.run("release", "build", "october", "--purpose", "improve_models", env=self.folders)
        self.run("ledger", "append", env=self.folders)


def files(data: Path, folder: str) -> dict[str, bytes]:
    found = [path for path in (data / folder).rglob("*") if path.is_file()]
    return {path.relative_to(data).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def place(tmp_path: Path, databases: Callable[..., str]) -> Iterator[Place]:
    (tmp_path / "weed").mkdir()
    with seaweed.running(tmp_path / "weed") as server:
        made = Place(tmp_path, databases(migrated=False), server)
        made.make()
        yield made


def test_an_installation_is_moved_into_a_bucket_though_it_is_killed_and_another_host_has_all_of_it(
    place: Place,
) -> None:
    assert "stop every server" in refused_while_a_server_runs(place)
    log, release = files(place.data, "log"), files(place.data, "releases/october")
    planned = place.answer("store", "move", "--dry-run", env=place.shared)
    assert place.bucket.names("") == []
    assert (planned["moved"], planned["missing"]) == (False, [])
    for objects in (1, 4):
        kill_when(place, objects)
    done = place.answer("store", "move", env=place.shared)
    assert done["moved"] is True
    assert done["releases"].keys() == planned["releases"].keys() == {"october"}
    again = place.answer("store", "move", env=place.shared)
    assert again == done, "another run finds everything moved, and changes nothing"
    for name, content in log.items():
        found = place.bucket.read(name)
        assert found is not None
        assert found.content == content, name
    two = {**place.shared, "LICET_DATA": str(place.data.with_name("two"))}
    (place.data.with_name("two")).mkdir()
    refused = place.run("serve", "--port", "0", env=two, code=1)
    assert "is not in the key folder of this host" in refused
    assert "serving" not in refused, "a host without the keys is refused before it serves"
    (place.data / "keys").rename(place.data.with_name("two") / "keys")
    assert "0 contradictions" in place.run("release", "verify", "october", env=two)
    assert files(place.data.with_name("two"), "releases/october") == release
    place.run("ledger", "append", env=two)
    left = place.run("status", env=place.folders, code=75)
    assert "another restriction journal" in left, "the folders of before are refused"


def refused_while_a_server_runs(place: Place) -> str:
    with psycopg.connect(place.dsn) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [SEQUENCER_LOCK])
        said = place.run("store", "move", env=place.shared, code=75)
        assert place.run("store", "move", "--dry-run", env=place.shared, code=75)
    assert place.bucket.names("") == []
    return said


def kill_when(place: Place, objects: int) -> None:
    """Kills a run when the bucket has so many objects, or lets it end."""
    process = subprocess.Popen(
        [*LICET, "store", "move"], env=place.shared, stdout=subprocess.DEVNULL
    )
    wait_until(
        lambda: process.poll() is not None or len(place.bucket.names("")) >= objects,
        f"there are {objects} objects",
    )
    process.send_signal(signal.SIGKILL)
    process.wait(600)
    place.bucket._fixed.clear()
