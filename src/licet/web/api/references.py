"""Resolves ids: `me`, our own ids, and ids of the host, which are hashed before anything else is
done with them.

A person reaches only what is theirs. Everything else, whoever it belongs to and whether it exists
or not, is the same NotFoundError. A service or a member of staff whom the route admits reaches
every account of the installation.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from litestar import Request

from licet.access.roles import Caller, Person
from licet.errors import NotFoundError, UsageError
from licet.store.connect import Transaction
from licet.vault import account_view
from licet.vault.commands import ChosenScope
from licet.vault.ids import Prefix, host_hmac, parse
from licet.web.encoded_slashes import named
from licet.web.site import Site

AnyRequest = Request[Any, Any, Any]
HOST = "host:"
ME = "me"
_PROJECT = re.compile(r"proj_[0-9a-f]{32}")


def site_of(request: AnyRequest) -> Site:
    site: Site = request.app.state.site
    return site


def own(caller: Caller) -> UUID | None:
    """A person's account; None for any other caller."""
    return caller.account if isinstance(caller, Person) else None


def not_found() -> NotFoundError:
    return NotFoundError("no such thing, or not yours")


def require_account(tx: Transaction, account: UUID) -> None:
    """NotFoundError for an account that does not exist."""
    if account not in account_view.load_accounts(tx, [account]):
        raise not_found()


async def account_of(request: AnyRequest, text: str) -> UUID:
    """The account that ``text`` names, if the caller may reach it."""
    text = named(text)
    caller: Caller = request.auth
    mine = own(caller)
    if isinstance(caller, Person) and mine is None:
        raise not_found()
    if text == ME:
        account = mine
    elif text.startswith(HOST):
        site, name = site_of(request), text.removeprefix(HOST)
        # The response time must not tell a person which ids are cached. A service may know the
        # accounts that it names.
        account = await (
            site.account_by_host(name) if mine is None else site.account_looked_up(name)
        )
    else:
        account = parse(Prefix.account, text)
    if account is None or (mine is not None and account != mine):
        raise not_found()
    return account


async def conversation_of(request: AnyRequest, text: str, account: str | None) -> tuple[UUID, UUID]:
    """The account and the conversation that ``text`` names; an id of the host needs its
    ``account``.

    Whether a conversation is that account's is checked by the verb that follows, in one transaction
    with it; all verbs treat another account's as unknown.
    """
    text = named(text)
    caller: Caller = request.auth
    site, mine = site_of(request), own(caller)
    if isinstance(caller, Person) and mine is None:
        raise not_found()
    holder = await account_of(request, account) if account is not None else mine
    if text.startswith(HOST):
        if holder is None:
            raise UsageError(
                "`account` is needed beside an id of the host",
                "give `?account=`, or an id that begins with conv_",
            )
        key = host_hmac(site.host_key, "conversation", text.removeprefix(HOST))
        whose = holder
        found = await site.reading(lambda tx: account_view.conversation_by_host(tx, whose, key))
        if found is None:
            raise not_found()
        return whose, found
    conversation = parse(Prefix.conversation, text)
    if holder is not None:
        return holder, conversation
    owner = await site.reading(lambda tx: account_view.owner(tx, conversation))
    if owner is None:
        raise not_found()
    return owner, conversation


def project_of(text: str, host_key: bytes) -> ChosenScope:
    """The project that ``text`` names: ours, `proj_..`, or the host's id of it, with or without
    `host:`.
    """
    if _PROJECT.fullmatch(text):
        return ChosenScope(project=parse(Prefix.project, text))
    return ChosenScope(host_project=host_project(text, host_key))


def host_project(text: str, host_key: bytes) -> bytes:
    """The HMAC of the host's id of a project; UsageError for an id of ours, which creates none."""
    if _PROJECT.fullmatch(text):
        raise UsageError(
            "`project` is an id of ours",
            "name it by your own id: a conversation's first turn may begin it",
        )
    return host_hmac(host_key, "project", text.removeprefix(HOST))
