"""A small office for the log's tests: a database whose people choose, and the sequencer over
folders of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from licet import verifier
from licet.keys.keyring import Keyring
from licet.keys.log_keys import LogKeys
from licet.ledger import sequence
from licet.ledger.publication import PublishedLog
from licet.ledger.sequence import LogPlace, Sequencer
from licet.policy.file import Policies, preset
from licet.policy.period import instant
from licet.store.connect import Pool, transaction
from licet.vault import commands as do
from licet.vault import policy_versions
from licet.vault.apply import apply
from licet.vault.ids import host_hmac, uuid7

BEGIN = instant("2025-09-01T10:00:00Z")
PLANTED = "the yellow kettle of Tartu sings only for locksmiths"
HOST = "ana@people.example"


@dataclass(slots=True)
class Office:
    """An installation under a clock that moves by a second with each verb. ``base`` holds its
    logs.
    """

    pool: Pool
    keyring: Keyring
    base: Path
    now: datetime = BEGIN
    policies: Policies = field(default_factory=lambda: Policies([preset("article-2025")]))

    @classmethod
    def opened(cls, pool: Pool, keyring: Keyring, base: Path) -> Office:
        office = cls(pool, keyring, base)
        with transaction(pool) as tx:
            policy_versions.add(tx, office.policies[0], BEGIN, "test")
        return office

    @property
    def place(self) -> LogPlace:
        return LogPlace(
            folder=self.base / "log", state=self.base / "log-state", name="log.example/ledger"
        )

    @property
    def keys(self) -> LogKeys:
        return LogKeys(self.keyring)

    @property
    def seed(self) -> bytes:
        with transaction(self.pool) as tx:
            return self.keyring.log_seed(tx)

    def clock(self) -> datetime:
        return self.now

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def tell(self, *commands: do.Command) -> None:
        with transaction(self.pool) as tx:
            apply(tx, self.keyring, self.policies, commands)

    def account(self, host: str) -> UUID:
        with transaction(self.pool) as tx:
            hashed = host_hmac(self.keyring.host_key(tx), "account", host)
        account = uuid7(self.tick(), os.urandom(10))
        self.tell(do.OpenAccount(account=account, at=self.now, host=hashed, plan="pro", age=30))
        return account

    def choose(self, account: UUID, allow: bool) -> None:
        self.tell(
            do.Choose(account=account, at=self.tick(), allow=allow, via="notice", evidence=PLANTED)
        )

    def destroy_key(self, account: UUID) -> None:
        """What erasing an account does to its key: nothing is left in its place."""
        with transaction(self.pool) as tx:
            tx.execute(
                "UPDATE accounts SET wrapped_key = %s WHERE account_id = %s", [bytes(60), account]
            )

    def sequencing(self) -> AbstractContextManager[Sequencer]:
        return sequence.open_sequencer(
            self.pool, self.place, self.seed, self.keys, self.clock, os.urandom
        )

    def sequence(self) -> int:
        """Takes everything that waits into the log."""
        with self.sequencing() as sequencer:
            return sum(iter(sequencer.run_once, 0))

    @contextmanager
    def faulty(self, kind: type[Sequencer]) -> Iterator[Sequencer]:
        """A sequencer that is built to fail, on a connection of its own."""
        with self.pool.connection() as conn:
            sequencer = kind(conn, self.place, self.seed, self.keys, self.clock, os.urandom)
            try:
                yield sequencer
            finally:
                sequencer.close()

    # What readers see

    def log(self, year: int = 2025) -> PublishedLog:
        return PublishedLog(
            self.place.folder / str(year), self.place.signer(self.seed, year).verifier
        )

    def vkey(self, year: int = 2025) -> str:
        return self.place.signer(self.seed, year).verifier.vkey

    def entries(self, year: int = 2025) -> list[dict]:
        log = self.log(year)
        return [msgspec.json.decode(log.entry(index)) for index in range(log.checkpoint.size)]

    def report(self, year: int = 2025) -> verifier.VerifierReport:
        folder = verifier.FolderFiles(self.place.folder / str(year))
        return verifier.check_log(folder, verifier.trust(self.vkey(year)))

    def rows(
        self, columns: str = "outbox_id, account_id, entry, log_year, index", rest: str = ""
    ) -> list[tuple]:
        with transaction(self.pool) as tx:
            return tx.execute(f"SELECT {columns} FROM outbox {rest} ORDER BY outbox_id").fetchall()
