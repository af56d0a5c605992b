"""A small world for the pages: an installation on a clock that is set, its pages on a real port,
and accounts by name.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from litestar import Litestar

from licet.access import sessions
from licet.access.roles import StaffRole
from licet.config import Configuration, Web
from licet.consent import rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights_requests import EnteredRequest, StaffAct
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.period import instant
from licet.policy.state import TurnRole
from licet.service import explanations, policy_changes
from licet.store.connect import Pool, transaction
from licet.vault import verbs
from licet.vault.commands import AddTurn, Choose, Command, CommandResult, OpenAccount
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, load_host_key, load_policies
from licet.vault.simulated_clock import SimulatedClock
from licet.web.access import tokens
from licet.web.serve import server as server_of

from ..state_hook import lived
from ..terms import preset as policy_of
from ..waiting import wait_until
from . import shared_app

BEFORE, NOTICE, LAST_DAY, AFTER = (
    instant("2025-08-20"),
    instant("2025-09-01T10:00:00Z"),
    instant("2025-09-28"),
    instant("2025-09-30T09:00:00Z"),
)
TOKEN_KEY = b"the host application's key, for tests"


class Town:
    """Accounts by name, on an installation whose clock is set."""

    def __init__(
        self, pool: Pool, folder: Path, preset: str, *, languages: Collection[str] = ()
    ) -> None:
        """``languages`` are those in which its notices are published beside English."""
        self.clock = SimulatedClock(BEFORE)
        self.installation = Installation(
            config=Configuration(data=folder),
            pool=pool,
            keyring=Keyring(FileProvider(folder / "keys")),
            clock=self.clock,
        )
        self.token_key_file = folder / "token.key"
        self.token_key_file.write_bytes(TOKEN_KEY)
        lived(self.installation)
        policy_changes.apply_policy(
            self.installation, policy_of(preset), actor="test", languages=languages
        )
        self.key = load_host_key(self.installation)
        self.accounts: dict[str, UUID] = {}

    def tell(self, command: Command) -> CommandResult:
        return verbs.apply_commands(self.installation, [command])[0]

    def open(self, name: str, *, plan: str = "pro", age: int | None = 30) -> UUID:
        account = uuid7(self.clock.now, os.urandom(10))
        host = host_hmac(self.key, "account", name)
        self.tell(OpenAccount(account=account, at=self.clock.now, host=host, plan=plan, age=age))
        self.accounts[name] = account
        return account

    def ask(self, name: str, words: str = "What do you keep of me?") -> str:
        """A request of the person's that waits for them; returns its id."""
        asked = EnteredRequest(
            kind=RightKind.access,
            words=words,
            identity="a passport",
            account=self.accounts[name],
            region="DE",
        )
        by = "staff:ada@example.org"
        found = rights_requests.enter(self.installation, asked, by)
        rights_requests.take_step(
            self.installation,
            found.shown_id,
            StaffAct.pause,
            by,
            reason="clarification",
            words="Of which year?",
        )
        return found.shown_id

    def say(
        self, name: str, chat: str, text: str = "How do I plant a pear tree?", **more: Any
    ) -> UUID:
        """A turn of the person and its answer; returns the conversation."""
        account = self.accounts[name]
        host = host_hmac(self.key, "conversation", chat)
        asked = AddTurn(
            account=account,
            at=self.clock.now,
            host_conversation=host,
            content=encode(Content(text=text)),
            title=encode(Content(text=chat)),
            **more,
        )
        self.clock.set(self.clock.now + timedelta(seconds=20))
        replied = AddTurn(
            account=account,
            at=self.clock.now,
            host_conversation=host,
            role=TurnRole.assistant,
            content=encode(Content(text="In November, with its roots spread wide.")),
        )
        answers = verbs.apply_commands(self.installation, [asked, replied])
        conversation = answers[0].conversation
        assert conversation is not None, answers[0].because
        return conversation

    def choose(
        self, name: str, allow: bool, question: str | None = None, **more: Any
    ) -> CommandResult:
        """The answer to one question, or the same to each that is asked; returns that of the
        last.
        """
        asks = (
            (question,)
            if question is not None
            else load_policies(self.installation).in_force(self.clock.now).asks
        )
        about: dict[str, Any] = {
            "account": self.accounts[name],
            "at": self.clock.now,
            "allow": allow,
            "via": "cli",
            **more,
        }
        return [self.tell(Choose(question=one, **about)) for one in asks][-1]

    def standing(self, name: str, question: str = "") -> str:
        """Where an account stands with a question, or with all of them where it is the same."""
        stood = {one.question: one.standing.value for one in self.seen(name).questions}
        (found,) = {stood[question]} if question else set(stood.values())
        return found

    def host(self, what: str, name: str) -> bytes:
        return host_hmac(self.key, what, name)

    def staff_link(self, roles: tuple[StaffRole, ...]) -> str:
        """The secret of a link that signs somebody with these roles in, once."""
        now = datetime.now(UTC)
        address = f"{roles[0].value.replace('_', '-') if len(roles) == 1 else 'staff'}@example.org"
        with transaction(self.installation.pool) as tx:
            staff, secret = (
                sessions.find_or_add_staff(tx, address, now, os.urandom),
                sessions.new_secret(os.urandom),
            )
            tx.execute(
                "UPDATE staff SET roles = %s WHERE staff_id = %s",
                [[role.value for role in roles], staff],
            )
            tx.execute(
                "INSERT INTO staff_links (link_sha256, staff_id, expires_at) VALUES (%s, %s, %s)",
                [sessions.digest(secret), staff, now + sessions.LINK_LIFETIME],
            )
        return secret

    def token(self, name: str) -> str:
        """What the host application signs for its person."""
        return tokens.sign_token(TOKEN_KEY, name, "licet", datetime.now(UTC).timestamp(), 600)

    def link_token(self, name: str) -> str:
        """What the host application signs for a link that opens a page."""
        return tokens.sign_token(TOKEN_KEY, name, "licet-enter", datetime.now(UTC).timestamp(), 600)

    def seen(self, name: str) -> explanations.AccountSeen:
        seen = explanations.explain(self.installation, f"acc_{self.accounts[name].hex}")
        assert isinstance(seen, explanations.AccountSeen)
        return seen


def application(town: Town, *embedding: str) -> Litestar:
    """The whole application, the guard before it included."""
    return shared_app.application(
        town.installation, Web(token_key_file=town.token_key_file, embed_origins=embedding)
    )


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a server around ``app``."""
    server = server_of(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the server starts", alive=thread.is_alive)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(600)
