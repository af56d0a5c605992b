"""A whole application on an installation whose clock is set: callers of every kind, and a server on
a real port.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from litestar import Litestar
from litestar.testing import TestClient

from licet.access import service_keys, sessions
from licet.access.roles import KeyBinding, Scope, StaffRole
from licet.config import Configuration, Web
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.file import Policy
from licet.policy.period import instant
from licet.policy.state import TurnRole
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.vault import verbs
from licet.vault.commands import AddTurn, Choose, Command, CommandResult, Flag, OpenAccount
from licet.vault.content import Content, encode
from licet.vault.ids import Prefix, format_id, host_hmac, uuid7
from licet.vault.installation import Installation, load_policies
from licet.vault.simulated_clock import SimulatedClock
from licet.web.access import tokens
from licet.web.serve import server

from ..state_hook import lived
from ..terms import preset
from ..waiting import wait_until
from .shared_app import application

BEFORE, NOTICE, AFTER = (
    instant("2025-08-20"),
    instant("2025-09-01T10:00:00Z"),
    instant("2025-09-30T09:00:00Z"),
)
TOKEN_KEY = b"the host application's key, for tests"
ORIGIN = "http://testserver.local"


class World:
    """An installation, its application, and who may call it. Names are the host's ids."""

    def __init__(
        self, pool: Pool, folder: Path, policy: Policy | None = None, **settings: Any
    ) -> None:
        folder.mkdir(exist_ok=True)
        key_file = folder / "token.key"
        key_file.write_bytes(TOKEN_KEY)
        self.clock = SimulatedClock(BEFORE)
        self.web = Web(**{"token_key_file": key_file, **settings})
        self.installation = Installation(
            config=Configuration(data=folder, web=self.web),
            pool=pool,
            keyring=Keyring(FileProvider(folder / "keys")),
            clock=self.clock,
        )
        lived(self.installation)
        policy_changes.apply_policy(
            self.installation, policy or preset("article-2025"), actor="test"
        )
        self.wall = datetime.now(UTC)
        self.app = application(self.installation, self.web, wall=lambda: self.wall)
        self.site = self.app.state.site
        self.accounts: dict[str, UUID] = {}

    def tell(self, *commands: Command) -> list[CommandResult]:
        return verbs.apply_commands(self.installation, commands)

    def open(
        self, name: str, *, plan: str = "pro", age: int | None = 30, allow: bool | None = None
    ) -> str:
        """Opens an account, and answers for it; returns its id."""
        return self.open_each([name], plan=plan, age=age, allow=allow)[0]

    def open_each(
        self,
        names: Sequence[str],
        *,
        plan: str = "pro",
        age: int | None = 30,
        allow: bool | None = None,
    ) -> list[str]:
        """`open` for many names, in two transactions."""
        now = self.clock.now
        accounts = [uuid7(now, os.urandom(10)) for _ in names]
        hosts = [host_hmac(self.site.host_key, "account", name) for name in names]
        self.tell(
            *(
                OpenAccount(account=account, at=now, host=host, plan=plan, age=age)
                for account, host in zip(accounts, hosts, strict=True)
            )
        )
        self.accounts.update(zip(names, accounts, strict=True))
        if allow is not None:
            asks = load_policies(self.installation).in_force(now).asks
            self.tell(
                *(
                    Choose(account=account, at=now, allow=allow, question=question, via="notice")
                    for account in accounts
                    for question in asks
                )
            )
        return [format_id(Prefix.account, account) for account in accounts]

    def say(
        self,
        name: str,
        chat: str,
        text: str = "How do I plant a pear tree?",
        role: TurnRole = TurnRole.user,
    ) -> str:
        """A turn; returns the conversation's id."""
        return self.say_each([(name, chat)], text, role)[0]

    def say_each(
        self,
        chats: Sequence[tuple[str, str]],
        text: str = "How do I plant a pear tree?",
        role: TurnRole = TurnRole.user,
    ) -> list[str]:
        """`say` in many conversations, each of a name, in one transaction."""
        answers = self.tell(
            *(
                AddTurn(
                    account=self.accounts[name],
                    at=self.clock.now,
                    role=role,
                    content=encode(Content(text=text)),
                    host_conversation=host_hmac(self.site.host_key, "conversation", chat),
                    title=encode(Content(text=chat)),
                )
                for name, chat in chats
            )
        )
        assert all(answer.conversation is not None for answer in answers), answers[0].because
        return [
            format_id(Prefix.conversation, answer.conversation)
            for answer in answers
            if answer.conversation
        ]

    def flag(self, name: str, conversation: str) -> None:
        named = UUID(hex=conversation.removeprefix("conv_"))
        self.tell(
            Flag(account=self.accounts[name], at=self.clock.now, conversation=named, score=0.9)
        )

    def rows(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        with transaction(self.installation.pool) as tx:
            return tx.execute(statement, params).fetchall()

    def token(self, name: str, seconds: int = 600) -> str:
        return tokens.sign_token(TOKEN_KEY, name, "licet", self.wall.timestamp(), seconds)

    def link_token(self, name: str, seconds: int = 600) -> str:
        """A token for a link that opens a page."""
        return tokens.sign_token(TOKEN_KEY, name, "licet-enter", self.wall.timestamp(), seconds)

    def person(self, name: str) -> dict[str, str]:
        """The headers of a person with a token of the host application."""
        return {"authorization": f"Bearer {self.token(name)}"}

    def key(self, *scopes: Scope, name: str = "", bound: KeyBinding | None = None) -> str:
        """A key with these scopes, or with all; without ``bound`` it leases every release to our
        own machines, and acknowledges for the endpoint that was made first, if there is one.
        """
        with transaction(self.installation.pool) as tx:
            made = name or f"key-{os.urandom(4).hex()}"
            granted = set(scopes or Scope)
            if bound is None:
                first = tx.execute(
                    "SELECT endpoint_id FROM endpoints ORDER BY made_at, endpoint_id LIMIT 1"
                ).fetchone()
                leases = Scope.release_lease in granted
                if first is None:
                    granted.discard(Scope.events_acknowledge)
                bound = KeyBinding(
                    recipient="training" if leases else None,
                    own=leases,
                    releases=("*",) if leases else (),
                    endpoint=first[0] if first and Scope.events_acknowledge in granted else None,
                )
            return service_keys.create_key(tx, made, granted, self.clock.now, os.urandom, bound)

    def service(self, *scopes: Scope) -> dict[str, str]:
        """The headers of a service with these scopes, or with all."""
        return {"authorization": f"Bearer {self.key(*scopes)}"}

    def staff(
        self, *roles: StaffRole, email: str = "", identity: bytes | None = None
    ) -> dict[str, str]:
        """The headers of a signed-in member of staff, meaning what they send; without ``identity``
        a link signed them in.
        """
        with transaction(self.installation.pool) as tx:
            who = sessions.find_or_add_staff(
                tx, email or f"{os.urandom(4).hex()}@example.org", self.wall, os.urandom
            )
            return browser(
                sessions.begin_staff(tx, who, roles, self.wall, os.urandom, identity=identity)
            )

    def browser(self, name: str) -> dict[str, str]:
        """The headers of a person's own browser."""
        with transaction(self.installation.pool) as tx:
            return browser(sessions.begin_person(tx, self.accounts[name], self.wall, os.urandom))


def browser(secret: str) -> dict[str, str]:
    return {
        "cookie": f"{sessions.COOKIE}={secret}",
        "origin": ORIGIN,
        "x-csrf-token": sessions.csrf_token(secret),
    }


@pytest.fixture
def world(pool: Pool, tmp_path: Path) -> World:
    return World(pool, tmp_path / "data")


class ApplicationClient(TestClient[Litestar]):
    """A client of the application in this process, which follows a redirect only where a request
    asks for it.

    It fails where a refusal comes from a page to which such a request was redirected: what was
    asked for was then not refused, and a test that expects the refusal would hold whatever the
    application does.
    """

    def __init__(self, app: Litestar, **settings: Any) -> None:
        super().__init__(app, **settings)
        self.follow_redirects = False

    def send(self, *args: Any, **settings: Any) -> Any:
        response = super().send(*args, **settings)
        if response.history and response.status_code in REFUSALS:
            first = response.history[0]
            raise AssertionError(
                f"{first.request.method} {first.request.url.path} answered {first.status_code}, "
                "and the page that it "
                f"leads to {response.status_code}: ask without `follow_redirects`"
            )
        return response


REFUSALS = frozenset({400, 401, 403, 404, 405, 409, 410, 422, 429})


@pytest.fixture
def api(world: World) -> Iterator[TestClient[Litestar]]:
    """A client of the application in this process."""
    with ApplicationClient(world.app) as client:
        yield client


@contextmanager
def listening(app: Any, settings: Web | None = None) -> Iterator[str]:
    """The address of a real server around ``app``."""
    with running(server(app, "127.0.0.1", 0, settings)) as url:
        yield url


@contextmanager
def running(made: uvicorn.Server) -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    wait_until(lambda: made.started, "the server starts", alive=thread.is_alive)
    try:
        yield f"http://127.0.0.1:{made.servers[0].sockets[0].getsockname()[1]}"
    finally:
        made.should_exit = True
        thread.join(600)


@pytest.fixture
def url(world: World) -> Iterator[str]:
    with listening(world.app) as address:
        yield address
