"""An installation with verbs: people who choose, write, delete; on a database of the tests, on a
clock moved by hand.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from licet.config import Configuration, Curate
from licet.curate import splits
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.file import Policy
from licet.policy.period import instant
from licet.policy.state import TurnRole
from licet.proof import documents
from licet.release import catalog
from licet.service import policy_changes
from licet.store.circuit import CallWatch
from licet.store.connect import Pool, transaction
from licet.vault import apply
from licet.vault import commands as do
from licet.vault.commands import CommandResult, Outcome
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, load_host_key, load_policies

from .state_hook import lived
from .terms import preset

BEGIN = instant("2025-09-01")
DAY = timedelta(days=1)


class House:
    """One installation. Names of people, chats and turns are the host's; each verb is a transaction
    of its own.
    """

    def __init__(
        self, pool: Pool, folder: Path, policy: Policy | None = None, *, at: datetime = BEGIN
    ) -> None:
        self.now = at
        self.installation = Installation(
            # unless a test asks for them
            config=Configuration(data=folder, curate=Curate(names="off")),
            pool=pool,
            keyring=Keyring(FileProvider(folder / "keys")),
            clock=self.clock,
        )
        lived(self.installation)
        policy_changes.apply_policy(
            self.installation, policy or preset("article-2025"), actor="test"
        )
        self.accounts: dict[str, UUID] = {}
        self.chats: dict[str, UUID] = {}
        self._host_key = load_host_key(self.installation)
        self._turns: dict[str, int] = {}

    def clock(self) -> datetime:
        return self.now

    def passes(self, days: float) -> None:
        self.now += days * DAY

    def host(self, what: str, *names: str) -> bytes:
        return host_hmac(self._host_key, what, *names)

    def tell(self, *commands: do.Command) -> list[CommandResult]:
        known = load_policies(self.installation)
        with transaction(self.installation.pool) as tx:
            return apply.apply(tx, self.installation.keyring, known, commands)

    def open(
        self,
        name: str,
        *,
        plan: str = "pro",
        age: int | None = 30,
        allow: bool | None = None,
        split: str = "",
    ) -> UUID:
        """Opens an account, with an id that falls into ``split`` where one is named."""
        account = uuid7(self.now, self.installation.keyring.random(10))
        while split and splits.assign_split(account.bytes, splits.Shares()) != split:
            account = uuid7(self.now, self.installation.keyring.random(10))
        self.accounts[name] = account
        self.tell(
            do.OpenAccount(
                account=account, at=self.now, host=self.host("account", name), plan=plan, age=age
            )
        )
        if allow is not None:
            self.choose(name, allow)
        return account

    def choose(self, name: str, allow: bool, **more: Any) -> CommandResult:
        """A choice; a yes that names no question is one to each that is asked, and the last one's
        answer is returned.
        """
        asked = (
            load_policies(self.installation).in_force(self.now).asks
            if allow and "question" not in more
            else (None,)
        )
        return self.tell(
            *(
                do.Choose(
                    account=self.accounts[name],
                    at=self.now,
                    allow=allow,
                    **{"question": question} | more,
                )
                for question in asked
            )
        )[-1]

    def saying(
        self, name: str, chat: str, said: Content | str, role: TurnRole = TurnRole.user, **more: Any
    ) -> do.AddTurn:
        number = self._turns[chat] = self._turns.get(chat, 0) + 1
        content = said if isinstance(said, Content) else Content(text=said)
        return do.AddTurn(
            account=self.accounts[name],
            at=self.now,
            host_conversation=self.host("conversation", chat),
            host_turn=self.host("turn", chat, str(number)),
            role=role,
            content=encode(content),
            **more,
        )

    def say(
        self, name: str, chat: str, said: Content | str, role: TurnRole = TurnRole.user, **more: Any
    ) -> CommandResult:
        answer = self.tell(self.saying(name, chat, said, role, **more))[0]
        assert answer.outcome is Outcome.done, answer
        assert answer.conversation is not None
        self.chats[chat] = answer.conversation
        return answer

    def talk(self, name: str, chat: str, *texts: str, **more: Any) -> None:
        """A person and the assistant by turns."""
        for n, text in enumerate(texts or (f"{name} asks in {chat}", f"answer in {chat}")):
            self.say(name, chat, text, TurnRole.assistant if n % 2 else TurnRole.user, **more)

    def about(self, kind: type[Any], name: str, chat: str, **more: Any) -> CommandResult:
        told = kind(account=self.accounts[name], at=self.now, conversation=self.chats[chat], **more)
        return self.tell(told)[0]

    def account(self, kind: type[Any], name: str, **more: Any) -> CommandResult:
        return self.tell(kind(account=self.accounts[name], at=self.now, **more))[0]

    def rows(self, release: str | Path) -> list[list[Any]]:
        """The messages of the rows that come out now."""
        return [row["messages"] for row in catalog.open_release(self.installation, str(release))]

    def words(self, release: str | Path) -> list[str]:
        """All that comes out now, message by message."""
        return [message["content"] for messages in self.rows(release) for message in messages]

    def query(self, statement: str, *params: object) -> Sequence[Sequence[Any]]:
        with transaction(self.installation.pool) as tx:
            return tx.execute(statement, params or None).fetchall()

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table, as text, in order; but for what says that somebody opened the
        database.

        That is `lives`, and `journal_heads`, where anyone who opens it notes how far the
        restriction journal has come.
        """
        tables = (
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename NOT IN ('lives', 'journal_heads') ORDER BY 1"
        )
        names = [row[0] for row in self.query(tables)]
        return {
            name: sorted(str(row[0]) for row in self.query(f"SELECT t::text FROM {name} t"))
            for name in names
        }


@contextmanager
def followed(installation: Installation, watch: CallWatch | None = None) -> Iterator[None]:
    """Meanwhile the log follows what commits, on a thread; what that raises is raised here at the
    end.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(documents.follow, installation, stop, watch)
        try:
            yield
        finally:
            stop.set()
        following.result()
