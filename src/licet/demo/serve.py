"""Serves the town's pages on this machine, with links that sign in without a password or host."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import msgspec
import structlog
from litestar import Litestar, get
from litestar.params import FromPath
from litestar.response import Redirect

from licet.access import sessions
from licet.access.roles import ANYBODY, StaffRole
from licet.clock import utc_now
from licet.config import PORT, Configuration, Web
from licet.demo import scenes
from licet.demo.office import SIGHTS
from licet.demo.people import COVERED_PLANS
from licet.demo.stage import Say
from licet.demo.town import SHOWCASE
from licet.errors import NotFoundError
from licet.policy.state import GrantStanding
from licet.release import registry
from licet.store.connect import Transaction, transaction
from licet.vault import account_view, tables, verbs
from licet.vault.commands import OpenAccount, SetRegion
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, load_host_key, open_installation
from licet.vault.simulated_clock import SimulatedClock, save
from licet.vault.tables import AccountRow
from licet.web.access import tokens
from licet.web.access.connections import BACKLOG
from licet.web.app import create_app
from licet.web.serve import server

HOST = "127.0.0.1"
KEY_BYTES = 32
NAMES_MAX = 1_000_000


class DemoRole(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in role: its link's word, a description, the person's host id, and the first page."""

    word: str
    what: str
    name: str
    to: str


def serve(folder: Path, began: datetime, say: Say) -> None:
    """Serves the town in ``folder`` until interrupted; its clock continues from ``began``."""
    start = utc_now()

    def clock() -> datetime:
        return began + (utc_now() - start)

    key = secrets.token_bytes(KEY_BYTES)
    key_file = folder / "keys" / "demo-token.key"
    key_file.write_bytes(key)
    key_file.chmod(0o600)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        with open_installation(
            Configuration(data=folder, web=Web(token_key_file=key_file)), clock
        ) as installation:
            app, links = build_application(installation, key)
            with bind_listener(PORT) as listening:
                port = listening.getsockname()[1]
                say(
                    f"\nthe town's pages are served on http://localhost:{port} until you "
                    "press ctrl-c; sign in as"
                )
                for link, description in links:
                    say(f"  http://localhost:{port}{link:<22}  {description}")
                say("\nand look, as the privacy officer, at")
                for path, description in SIGHTS:
                    say(f"  http://localhost:{port}{path:<30}  {description}")
                # raised again by uvicorn after an orderly end
                with contextlib.suppress(KeyboardInterrupt):
                    server(app, HOST, port).run([listening])
            save(folder, SimulatedClock(clock()))
    finally:
        key_file.unlink(missing_ok=True)


def build_application(
    installation: Installation, key: bytes
) -> tuple[Litestar, list[tuple[str, str]]]:
    """Returns the application and its sign-in links."""
    people = {role.word: role for role in pick_people(installation)}

    @get("/as/{word:str}", may=ANYBODY, include_in_schema=False, sync_to_thread=True)
    def sign_in_as(word: FromPath[str]) -> Redirect:
        """Signs in as a person of the town."""
        if word == "privacy-officer":
            return Redirect(f"/sign-in/link/{officer_link(installation)}")
        if word not in people:
            raise NotFoundError("nobody of that name")
        role = people[word]
        token = tokens.sign_token(
            key,
            role.name,
            tokens.audience_of(installation.config.web, tokens.TokenUse.enter),
            utc_now().timestamp(),
        )
        return Redirect(f"/enter?token={token}&to={quote(role.to, safe='/')}")

    app = create_app(installation, installation.config.web, sequencer=True)
    app.register(sign_in_as)
    links = [(f"/as/{role.word}", role.what) for role in people.values()]
    return app, [*links, ("/as/privacy-officer", "the privacy officer")]


def pick_people(installation: Installation) -> list[DemoRole]:
    """Picks the people to show: one undecided, one new, and one who said yes."""
    roles = []
    with transaction(installation.pool) as tx:
        accounts = list(tables.every_account(tx))
        names = _names(tx, installation, len(accounts))
        shown = installation.config.data / SHOWCASE
        english = set(shown.read_text(encoding="utf-8").split()) if shown.exists() else set()
        preferred = {account for account, name in names.items() if name in english}
        undecided, granted = (
            _account_with_standing(tx, accounts, standing, preferred)
            for standing in (GrantStanding.undecided, GrantStanding.granted)
        )
    for word, description, account, to in (
        ("undecided", "an account that has not decided", undecided, "/notice"),
        ("decided", "an account that said yes, with chats in a release", granted, "/chats"),
    ):
        if account is not None and account in names:
            roles.append(DemoRole(word=word, what=description, name=names[account], to=to))
    return [
        *roles,
        _open_account(installation, "new", 30, "a new user, who signs up", "/signup"),
        _open_account(
            installation, "minor", scenes.MIN_AGE - 2, "somebody too young to be asked", "/notice"
        ),
    ]


def _open_account(
    installation: Installation, word: str, age: int, description: str, to: str
) -> DemoRole:
    """Opens an account now, in the region with a minimum age; returns its role."""
    name, now = f"{word}-{secrets.token_hex(4)}", installation.clock()
    account = uuid7(now, installation.keyring.random(10))
    host = host_hmac(load_host_key(installation), "account", name)
    verbs.apply_commands(
        installation, [OpenAccount(account=account, at=now, host=host, plan="free", age=age)]
    )
    verbs.apply_commands(
        installation, [SetRegion(account=account, at=now, region=scenes.AGED_REGION)]
    )
    return DemoRole(word=word, what=description, name=name, to=to)


def _account_with_standing(
    tx: Transaction,
    accounts: Sequence[AccountRow],
    standing: GrantStanding,
    preferred: Collection[UUID],
) -> UUID | None:
    """Returns an account with that standing, within the terms: a preferred one, else the one with
    the most content.
    """
    rows, chats = registry.rows_by_account(tx), account_view.segments_by_account(tx)
    found = [
        account.account_id
        for account in accounts
        if (
            {standings.standing for standings in account.state.standings}
            or {GrantStanding.undecided}
        )
        == {standing}
        and account.state.closed_at is None
        and account.state.plan in COVERED_PLANS
    ]
    return min(
        found,
        key=lambda person: (
            person not in preferred,
            -rows.get(person, 0),
            -chats.get(person, 0),
            person,
        ),
        default=None,
    )


def _names(tx: Transaction, installation: Installation, accounts: int) -> dict[UUID, str]:
    """Finds the accounts' names: the vault stores only hashes, so all names are tried."""
    key = installation.keyring.host_key(tx)
    names = {
        host_hmac(key, "account", f"p{n}"): f"p{n}" for n in range(1, min(accounts, NAMES_MAX) + 1)
    }
    return {
        account: names[host] for host, account in account_view.accounts_by_host(tx, names).items()
    }


def officer_link(installation: Installation) -> str:
    """Returns the secret of a one-time sign-in link of the privacy officer."""
    now = utc_now()
    with transaction(installation.pool) as tx:
        return sessions.add_staff(
            tx, scenes.OFFICER, [StaffRole.privacy_officer], now, installation.keyring.random
        )


def bind_listener(preferred_port: int) -> socket.socket:
    """Binds a socket to ``preferred_port``, or to any free port if it is taken, before anybody else can."""
    for port in (preferred_port, 0):
        try:
            return socket.create_server((HOST, port), backlog=BACKLOG)
        except OSError:
            continue
    raise OSError(f"no port of {HOST} is free")
