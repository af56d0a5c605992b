"""A program that is killed over and over while it works, and says what was acknowledged to it
before it died.

    python killing.py DATA SEED KILLS ACKNOWLEDGED

It imports everything once and forks for each life, so that a life begins in milliseconds. A life
opens the installation as every command does, says `back`, and does verbs at random until SIGKILL
comes, at a random moment, in every fourth life even before it is open. What it was told goes into a
pipe, so that nothing is lost with it, and from there into the file ACKNOWLEDGED, a line each.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from licet.backup import archives
from licet.config import Configuration
from licet.curate import pipeline, release_build
from licet.erasure import certificates, epochs, sweeper
from licet.erasure.key_rotation import Rotation
from licet.errors import BusyError, RefusedError
from licet.proof import documents
from licet.store.connect import transaction
from licet.vault import block_joins
from licet.vault import commands as do
from licet.vault import verbs as vault_verbs
from licet.vault.commands import CommandResult, Outcome
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, load_host_key, open_installation

BEGIN = datetime(2025, 9, 1, tzinfo=UTC)
DONE_MAX = 6  # verbs that are answered in one life
assert pipeline


class Life:
    """One life: an open installation, and verbs on whatever is there."""

    def __init__(self, installation: Installation, choose: Random, told: int) -> None:
        self.installation, self.choose, self._told = installation, choose, told
        self.backups = installation.config.data.parent / "backups"

    def tell(self, *commands: do.Command) -> list[CommandResult]:
        return vault_verbs.apply_commands(self.installation, commands)

    def ack(self, what: str, **more: Any) -> None:
        os.write(self._told, json.dumps({"did": what, **more}).encode() + b"\n")

    def any_account(self) -> UUID | None:
        return self._any(
            "SELECT account_id FROM accounts WHERE closed_at IS NULL ORDER BY account_id "
            "LIMIT 1 OFFSET {}"
        )

    def _any(self, statement: str) -> Any:
        with transaction(self.installation.pool) as tx:
            row = tx.execute(statement.format(self.choose.randrange(5))).fetchone()
        return row[0] if row is not None else None

    def open(self) -> None:
        account, at = uuid7(self.installation.clock(), os.urandom(10)), self.installation.clock()
        self.tell(do.OpenAccount(account=account, at=at, host=os.urandom(16), plan="pro", age=30))
        self.ack("open", account=account.hex)

    def say(self) -> None:
        account = self.any_account()
        if account is None:
            return self.open()
        at, text = self.installation.clock(), f"said {os.urandom(8).hex()}"
        with suppress(RefusedError):  # the gate asks first
            self.tell(do.Choose(account=account, at=at, allow=True))
            self.ack("choose", account=account.hex, allow=True)
        chat = host_hmac(
            load_host_key(self.installation),
            "conversation",
            str(self.choose.randrange(4)) + account.hex,
        )
        content = encode(Content(text=text))
        (said,) = self.tell(
            do.AddTurn(account=account, at=at, host_conversation=chat, content=content)
        )
        if said.outcome is Outcome.done and said.conversation is not None:
            self.ack("say", conversation=said.conversation.hex, turn=said.turn, text=text)
        return None

    def refuse(self) -> None:
        account = self.any_account()
        if account is not None:
            self.tell(do.Choose(account=account, at=self.installation.clock(), allow=False))
            self.ack("choose", account=account.hex, allow=False)

    def delete(self) -> None:
        with transaction(self.installation.pool) as tx:
            rows = tx.execute(
                "SELECT account_id, conversation_id FROM conversations WHERE deleted_at IS NULL"
            ).fetchall()
        if rows:
            account, conversation = self.choose.choice(rows)
            (answer,) = self.tell(
                do.Delete(account=account, at=self.installation.clock(), conversation=conversation)
            )
            if answer.outcome in (Outcome.done, Outcome.unchanged):
                self.ack("delete", conversation=conversation.hex)

    def close(self) -> None:
        account = self.any_account()
        if account is not None and self.choose.random() < 0.3:
            self.tell(do.CloseAccount(account=account, at=self.installation.clock()))
            self.ack("close", account=account.hex)

    def sweep(self) -> None:
        sweeper.sweep(self.installation)
        self.ack("sweep")

    def join(self) -> None:
        joined = block_joins.join(self.installation, timedelta())
        self.ack("join", blocks=joined.blocks_before)

    def erase(self) -> None:
        certificates.advance_erasures(self.installation, at_once=self.choose.random() < 0.5)
        self.ack("erase")

    def rotate(self) -> None:
        done = epochs.rotate(self.installation, self.choose.choice(list(Rotation)))
        epochs.destroy_due(self.installation)
        self.ack("rotate", epoch=done.epoch)

    def append(self) -> None:
        # the sequencer of the life before may hold the lock for a moment yet
        with suppress(BusyError):
            self.ack("append", rows=documents.append(self.installation))

    def release(self) -> None:
        name = f"r{os.urandom(6).hex()}"
        built = release_build.build_release(self.installation, name=name, purpose="improve_models")
        self.ack("release", name=name, rows=built.manifest.rows)

    def back_up(self) -> None:
        self.ack("backup", folder=str(archives.back_up(self.installation, self.backups).folder))

    def verbs(self) -> tuple[list[Callable[[], None]], list[int]]:
        weights = {
            self.say: 12, self.open: 2, self.refuse: 2, self.delete: 3, self.close: 1, self.sweep: 2, self.join: 2, self.erase: 2,
            self.rotate: 2, self.append: 4, self.release: 1, self.back_up: 1,
        }  # fmt: skip
        return list(weights), list(weights.values())


def live(config: Configuration, choose: Random, number: int, told: int) -> None:
    """Works until it is killed; a day of the simulation passes from life to life.

    Lives begin in turn with what each run must prove, so that no draw of a short run leaves it out.
    """
    moment = BEGIN + number * timedelta(days=1)
    with open_installation(config, lambda: moment) as installation:
        life = Life(installation, choose, told)
        life.say()
        life.ack("back")
        with suppress(RefusedError):
            (life.delete if number % 2 else life.append)()
        verbs, weights = life.verbs()
        while True:
            with suppress(RefusedError):
                choose.choices(verbs, weights)[0]()


def one_life(config: Configuration, number: int, choose: Random) -> tuple[list[str], bool]:
    """Forks, waits, kills; answers what was acknowledged, and whether the installation was back
    before.
    """
    reading, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            live(config, Random(choose.random()), number, telling)
        except BaseException as error:
            os.write(
                telling,
                json.dumps({"did": "fail", "error": f"{type(error).__name__}: {error}"}).encode()
                + b"\n",
            )
        finally:
            os._exit(1)
    os.close(telling)
    back, seen = False, b""
    if number % 4 == 3:
        time.sleep(choose.uniform(0, 0.15))
    else:
        seen += told_until(reading, lambda told: b'"back"' in told)
        back = True
        # By what was done, not by the time: a machine that does other work too would kill before
        # anything was.
        done = choose.randrange(DONE_MAX)
        seen += told_until(reading, lambda told: told.count(b"\n") >= done)
        time.sleep(choose.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while part := os.read(reading, 65536):
        seen += part
    os.close(reading)
    return seen.decode().split("\n")[:-1], back


def told_until(reading: int, enough: Callable[[bytes], bool]) -> bytes:
    """What a life tells until it is enough, or it dies."""
    told = b""
    while not enough(told) and (part := os.read(reading, 65536)):
        told += part
    return told


def main(data: str, seed: str, kills: str, acknowledged: str) -> None:
    config, choose = Configuration.from_environment(os.environ, Path(data)), Random(int(seed))
    (Path(data).parent / "backups").mkdir(exist_ok=True)
    with open(acknowledged, "w") as out:
        for number in range(int(kills)):
            lines, back = one_life(config, number, choose)
            out.write("".join(f"{line}\n" for line in lines))
            out.write(json.dumps({"did": "life", "back": back}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
