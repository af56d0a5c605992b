"""Killed at any moment and begun again, hundreds of times: nothing acknowledged is lost, and
nothing erased returns.

TESTS_KILLS sets how often Licet's programs are killed (200), TESTS_POSTMASTERS how often the
postmaster is (20); a run kills a sixteenth as often: `tests/tiers.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from licet import verifier
from licet.backup import archives, backup_manifest
from licet.config import Configuration
from licet.erasure import certificates, epochs
from licet.erasure.key_rotation import Rotation
from licet.errors import BusyError, RefusedError
from licet.proof import documents
from licet.release import catalog
from licet.service import policy_changes
from licet.store import embedded
from licet.store.connect import transaction
from licet.vault import account_keys, certificate
from licet.vault import commands as do
from licet.vault.installation import Installation, load_host_key, open_installation

from ..installed import House
from ..terms import preset
from ..tiers import SIXTEENTH, share
from ..vault.model import sound
from ..waiting import HANG_SECONDS, wait_until
from .killing import BEGIN

# `check_all` finds something of each kind
KILLS = int(os.environ.get("TESTS_KILLS") or share(200, least=32))
POSTMASTERS = int(os.environ.get("TESTS_POSTMASTERS") or share(20))
SHARES = 2
# what must have been done for a run to prove anything
KINDS = frozenset({"say", "delete", "choose", "append"})


def begin(config: Configuration) -> None:
    with open_installation(config, lambda: BEGIN) as installation:
        policy_changes.apply_policy(installation, preset("article-2025"), actor="test")


@pytest.mark.parametrize("number", range(SHARES))
def test_nothing_acknowledged_is_lost_and_nothing_erased_returns(
    databases: Callable[..., str], tmp_path: Path, number: int
) -> None:
    config = Configuration(data=tmp_path / "data", database_url=databases())
    begin(config)
    acknowledged, lives = tmp_path / "acknowledged", KILLS // SHARES
    program = [sys.executable, str(Path(__file__).with_name("killing.py"))]
    environment = {**os.environ, "LICET_DATABASE_URL": config.database_url or ""}
    subprocess.run(
        [
            *program,
            str(config.data),
            str(SHARES * SIXTEENTH + number),
            str(lives),
            str(acknowledged),
        ],
        env=environment,
        check=True,
    )
    told = [json.loads(line) for line in acknowledged.read_text().splitlines()]
    assert [line for line in told if line["did"] == "fail"] == []
    assert len([line for line in told if line["did"] == "life" and line["back"]]) >= lives // 2
    with open_installation(config, lambda: BEGIN + lives * timedelta(days=1)) as installation:
        check_all(installation, told)


def of(told: list[dict[str, Any]], did: str) -> list[dict[str, Any]]:
    return [line for line in told if line["did"] == did]


def kinds(told: list[dict[str, Any]]) -> set[str]:
    return {line["did"] for line in list(told)}


def check_all(installation: Installation, told: list[dict[str, Any]]) -> None:
    """Log, keys and rows agree with one another and with everything that was acknowledged."""
    assert kinds(told) >= KINDS, "the lives did too little to prove anything"
    check_rows(installation, told)
    check_restrictions(installation, told)
    check_keys(installation)
    check_log(installation)
    for built in of(told, "release"):
        if built["rows"]:
            assert catalog.verify_release(installation, built["name"]) == []
    for kept in of(told, "backup"):
        check_backup(installation, Path(kept["folder"]))
    certificates.advance_erasures(installation, at_once=True)
    documents.append(installation)  # a closure waits for its leaves
    certificates.advance_erasures(installation)
    with transaction(installation.pool) as tx:
        assert certificate.unfinished(tx, 1) == [], "whatever was asked for ends with a certificate"
        sound(tx, installation.keyring)


def check_backup(installation: Installation, folder: Path) -> None:
    """It is whole; only when it is older than backups are kept may the keys that it needs be
    destroyed.
    """
    try:
        archives.verify(installation.config, folder)
    except RefusedError as error:
        assert error.because == "dead_epoch", error
        assert backup_manifest.read_manifest(folder).expires_at <= installation.clock()


def check_rows(installation: Installation, told: list[dict[str, Any]]) -> None:
    with transaction(installation.pool) as tx:
        contents = {
            (key[1], key[2]): content.text
            for key, content in sound(tx, installation.keyring).items()
        }
        ended = {
            row[0]
            for row in tx.execute(
                "SELECT conversation_id FROM segments WHERE erased_at IS NOT NULL"
            )
        }
        deleted = {
            row[0]
            for row in tx.execute(
                "SELECT conversation_id FROM conversations WHERE deleted_at IS NOT NULL"
            )
        }
        closed = {
            row[0]
            for row in tx.execute("SELECT account_id FROM accounts WHERE closed_at IS NOT NULL")
        }
        known = {row[0] for row in tx.execute("SELECT account_id FROM accounts")}
    for said in of(told, "say"):
        place = (UUID(hex=said["conversation"]), said["turn"])
        assert contents.get(place) == said["text"] or place[0] in ended, (
            "acknowledged, and neither there nor erased"
        )
    assert {UUID(hex=line["conversation"]) for line in of(told, "delete")} <= deleted
    assert {UUID(hex=line["account"]) for line in of(told, "close")} <= closed
    assert {UUID(hex=line["account"]) for line in of(told, "open")} <= known


def check_restrictions(installation: Installation, told: list[dict[str, Any]]) -> None:
    """What was taken back and acknowledged is in the journal, so that no restore brings it back."""
    assert installation.keyring.restrictions is not None
    kept = list(installation.keyring.restrictions.records())
    assert {UUID(hex=line["conversation"]) for line in of(told, "delete")} <= {
        one.conversation for one in kept
    }
    refused = {one.account for one in kept if one.kind in ("refused", "closed")}
    assert {
        UUID(hex=line["account"]) for line in of(told, "choose") if not line["allow"]
    } <= refused


def check_keys(installation: Installation) -> None:
    """A rotation that was begun is finished, every key opens, and no slot that nothing names holds
    one.
    """
    # what was destroyed after it began waits for the next
    if epochs.status(installation).unfinished is not None:
        epochs.rotate(installation, Rotation.weekly)
    epochs.rotate(installation, Rotation.weekly)
    status = epochs.status(installation)
    assert status.unfinished is None
    assert sum(status.waiting.values()) == 0
    with transaction(installation.pool) as tx:
        accounts = [row[0] for row in tx.execute("SELECT account_id FROM accounts")]
        stray = f"SELECT {account_keys.STRAY_KEYS}"
        assert {tx.execute(stray, {"account": one}).fetchone() for one in accounts} == {(0,)}
        assert len(installation.keyring.account_keys(tx, accounts)) >= 1


def check_log(installation: Installation) -> None:
    documents.append(installation)
    for year in documents.years(installation):
        log = documents.place(installation).folder / year
        trusted = verifier.trust(documents.key(installation, int(year)).vkey)
        report = verifier.check_log(
            verifier.FolderFiles(log), trusted, (), verifier.new_story(trusted.origin)
        )
        assert report.ok, report.findings
        with transaction(installation.pool) as tx:
            placed = tx.execute(
                "SELECT count(*), max(index) FROM outbox WHERE log_year = %s", [int(year)]
            ).fetchone()
        assert placed == (report.size, report.size - 1), (
            "every leaf is a row's, and every row's place is a leaf"
        )


# The postmaster


class Worker(threading.Thread):
    """Works on an installation, as a server does, through every death of its database; counts what
    it was told.
    """

    def __init__(self, house: House) -> None:
        super().__init__(daemon=True)
        self.house, self.stopped = house, threading.Event()
        self.told: list[dict[str, Any]] = []
        self.steps = 0
        self.unexpected: list[BaseException] = []

    def run(self) -> None:
        number = 0
        while not self.stopped.is_set():
            number += 1
            try:
                self.step(number)
                self.steps += 1
            except BusyError:
                time.sleep(0.02)
            except BaseException as error:
                self.unexpected.append(error)
                return

    def step(self, number: int) -> None:
        # a chat is deleted after its last turn
        text, chat = f"said {number}", f"chat-{(number - 1) // 6}"
        said = self.house.say("ana", chat, text)
        assert said.conversation is not None
        self.told.append(
            {"did": "say", "conversation": said.conversation.hex, "turn": said.turn, "text": text}
        )
        if number % 12 == 0:
            self.house.about(do.Delete, "ana", chat)
            self.told.append({"did": "delete", "conversation": said.conversation.hex})
        if number % 5 == 0:
            self.house.choose("ana", number % 10 != 0)
            self.told.append(
                {
                    "did": "choose",
                    "account": self.house.accounts["ana"].hex,
                    "allow": number % 10 != 0,
                }
            )
        if number % 7 == 0:
            documents.append(self.house.installation)
            self.told.append({"did": "append"})
        if number % 40 == 0:
            epochs.rotate(self.house.installation, Rotation.daily)


class Standing(House):
    """A `House` over an opened installation."""

    def __init__(self, installation: Installation) -> None:
        self.now, self.installation = BEGIN, installation
        self.accounts: dict[str, UUID] = {}
        self.chats: dict[str, UUID] = {}
        self._host_key = load_host_key(installation)
        self._turns: dict[str, int] = {}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Configuration]:
    """An installation on a durable server of its own."""
    config = Configuration(data=tmp_path / "data")
    begin(config)
    yield config
    embedded.stop(config.data / "postgres")


def test_the_database_is_killed_over_and_over_and_what_was_acknowledged_is_there(
    own: Configuration,
) -> None:
    moment: list[datetime] = [BEGIN]
    with open_installation(own, lambda: moment[0]) as installation:
        house = Standing(installation)
        house.open("ana", allow=True)
        worker = Worker(house)
        worker.start()
        for number in range(POSTMASTERS):
            time.sleep(0.1 + 0.03 * (number % 5))
            kill(own, worker)
        wait_until(
            lambda: kinds(worker.told) >= KINDS,
            "it has done each of its verbs",
            alive=worker.is_alive,
        )
        worker.stopped.set()
        worker.join(HANG_SECONDS)
        assert worker.unexpected == []
        assert len(worker.told) > POSTMASTERS
    with open_installation(own, lambda: BEGIN) as installation:
        check_all(installation, worker.told)


def kill(own: Configuration, worker: Worker) -> None:
    """Kills the postmaster, and waits until another has answered."""
    pid = embedded.status(own.data / "postgres").pid
    os.kill(pid, signal.SIGKILL)
    # A statement that was under way may still be answered: a backend outlives its postmaster for a
    # moment.
    wait_until(
        lambda: embedded.status(own.data / "postgres").pid not in (0, pid),
        "another comes",
        alive=worker.is_alive,
    )
    before = worker.steps
    wait_until(lambda: worker.steps > before + 1, "it works on", alive=worker.is_alive)
