"""The version before serves, is upgraded in place as docs/operate.md says, and nobody notices.

The version before is the newest tag `v..` that is not of this commit. While there is none it is the
oldest commit behind this one that has its schema and its way to close connections, under a lower
version number: the schema is edited in place until the first tag, so an older program could not
open this one's database.
"""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import tarfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from licet.web.access import tokens

from ..test_packages import ROOT, Environment, built, packed
from ..waiting import wait_until
from .served import TOKEN_KEY
from .test_workers import IDLE_SECONDS, WORKERS, Place, Served, at_once

SAME = ("src/licet/store/migrations", "src/licet/web/access/connections.py")
PROJECT = "pyproject.toml"
NAMES = (PROJECT, "MANIFEST.in", "README.md", "LICENSE", "src", "tools/packaging")
LOCK = "requirements.lock"


class Version(NamedTuple):
    """A version that can be installed."""

    name: str
    wheel: Path
    lock: Path


def git(*words: str) -> bytes:
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True).stdout


def commit_before() -> tuple[str, bool]:
    """The commit of the version before, and whether it is a tag's."""
    tags = git("tag", "--list", "v*", "--sort=-version:refname", "--merged", "HEAD")
    here = git("tag", "--points-at", "HEAD").split()
    for tag in tags.decode().split():
        if tag.encode() not in here:
            return tag, True
    found = ""
    for commit in git("rev-list", "--first-parent", "HEAD").decode().split():
        if git("diff", "--name-only", commit, "HEAD", "--", *SAME):
            break
        found = commit
    if not found or git("diff", "--name-only", "HEAD", "--", SAME[0]):
        pytest.skip("no commit has the schema of this tree: there is no version before")
    return found, False


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Version, Version]:
    """The version before, and that of this tree."""
    commit, is_tag = commit_before()
    folder = tmp_path_factory.mktemp("versions")
    source = folder / "source"
    archive = git("archive", commit, *NAMES, LOCK)
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed_source:
        packed_source.extractall(source, filter="data")
    text = (source / PROJECT).read_text("utf-8")
    if not is_tag:
        text = re.sub(r'(?m)^version = "(.+)"', r'version = "\1.dev0"', text)
        (source / PROJECT).write_text(text, "utf-8")
    built(source, folder / "before")
    (folder / "after").mkdir()
    packed(folder / "after")
    found = []
    for place, lock in (("before", source / LOCK), ("after/dist", ROOT / LOCK)):
        (wheel,) = (folder / place).glob("*.whl")
        found.append(Version(wheel.name.split("-")[1], wheel, lock))
    return found[0], found[1]


def running(served: Served) -> set[str]:
    """The versions that the workers say that they are of, asked often enough to meet each."""
    asked = [httpx.get(f"{served.url}/openapi.json", timeout=600).json() for _ in range(20)]
    return {one["info"]["version"] for one in asked}


def stored(url: str, conversation: str) -> list[str]:
    """The texts of a conversation, as their person reads them."""
    signed = tokens.sign_token(TOKEN_KEY, "ana", "licet", datetime.now(UTC).timestamp())
    texts: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = httpx.get(
            f"{url}/v1/conversations/host:{conversation}/turns",
            params={"limit": 200} | ({"cursor": cursor} if cursor else {}),
            headers={"authorization": f"Bearer {signed}"},
            timeout=600,
        ).json()
        texts += [turn["text"] for turn in page["items"]]
        cursor = page["next"]
    return texts


def test_the_version_before_is_upgraded_while_it_serves_and_no_request_fails(
    dsn: str, tmp_path: Path, versions: tuple[Version, Version]
) -> None:
    place = Place(tmp_path / "data", dsn)
    before, after = versions
    installed = Environment(tmp_path / "licet", before.wheel, str(before.lock))
    head = {"authorization": f"Bearer {place.key}"}
    said: dict[str, list[str]] = {"c1": [], "c2": []}
    statuses: list[int] = []

    def talk(conversation: str, stop: threading.Event) -> None:
        """Keeps its connection, and repeats nothing."""
        with httpx.Client(base_url=served.url, headers=head, timeout=600) as client:
            while not stop.wait(IDLE_SECONDS):
                text = f"turn {len(said[conversation])}"
                about = {"account": "host:ana", "conversation": f"host:{conversation}"}
                answer = client.post("/v1/turns", json={**about, "text": text})
                statuses.append(answer.status_code)
                if answer.is_success:
                    said[conversation].append(text)

    def ask(stop: threading.Event) -> None:
        """Opens a connection each time; says yes again and again."""
        while not stop.wait(IDLE_SECONDS):
            account = f"{served.url}/v1/accounts/host:ana"
            statuses.append(httpx.get(f"{account}/gate", headers=head, timeout=600).status_code)
            yes = httpx.post(f"{account}/choices", json={"allow": True}, headers=head, timeout=600)
            statuses.append(yes.status_code)

    def goes_on() -> None:
        many = len(statuses) + 50
        wait_until(lambda: len(statuses) >= many, "the load goes on")

    with place.serving([installed.folder / "bin" / "licet"]) as served:
        place.open(served.url)
        assert running(served) == {before.name}
        with at_once(lambda stop: talk("c1", stop), lambda stop: talk("c2", stop), ask):
            goes_on()
            install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"]
            install += ["--python", str(installed.python)]
            subprocess.run([*install, "--require-hashes", "--requirement", after.lock], check=True)
            subprocess.run([*install, after.wheel], check=True)
            goes_on()
            upgraded = subprocess.run(
                [installed.folder / "bin" / "licet", "upgrade", "--data", place.data],
                env={"PATH": "/usr/bin:/bin", "LICET_DATABASE_URL": place.dsn},
                capture_output=True,
                text=True,
            )
            assert upgraded.returncode == 0, upgraded.stderr
            goes_on()
            served.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(served.told("worker has left")) == WORKERS, "both have left")
            goes_on()
        assert running(served) == {after.name}
        assert before.name != after.name
        for conversation, texts in said.items():
            assert stored(served.url, conversation) == texts
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(600) == 0
    assert set(statuses) <= {200, 201}
    assert served.told("worker has ended") == []
