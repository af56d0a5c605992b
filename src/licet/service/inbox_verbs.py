"""Staff operations on inbox items: take, give back, hand over, note, and act.

An act is recorded with its reason before it runs and completed after it: a crash between leaves an
act without an outcome, and the item still open. A refusal is recorded too. The act itself belongs
to the room that owns the subject (`inbox_acts`). With an `Idempotency-Key`, a repeated step is not
executed again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from licet.access import inbox_register, sessions
from licet.access.inbox_register import ItemSubject
from licet.access.roles import StaffRole
from licet.consent.rights_requests import WORDS_CHARACTERS_MAX
from licet.errors import DeniedError, LicetError, NotFoundError, RefusedError
from licet.keys.keyring import Keyring
from licet.release.signatures import StaffMember
from licet.service import inbox, inbox_acts
from licet.service.inbox import ItemSeen
from licet.service.inbox_acts import ActValues, InboxAct
from licet.service.inbox_sources import KINDS
from licet.service.staff_verb import VerbBody
from licet.store.connect import Transaction, transaction
from licet.vault import idempotency
from licet.vault.commands import CommandResult, Outcome
from licet.vault.idempotency import IdempotentCall
from licet.vault.installation import Installation

_NOBODY = UUID(int=0)


class InboxResult(msgspec.Struct, frozen=True, kw_only=True):
    """``said`` describes what an act did; ``replayed``: the step had been taken under the same
    key.
    """

    seen: ItemSeen
    said: str = ""
    replayed: bool = False


def take(
    installation: Installation,
    actor: StaffMember,
    item: str,
    reason: str = "",
    *,
    once: IdempotentCall | None = None,
) -> InboxResult:
    """Takes an item; RefusedError if a colleague holds it or it is done."""
    inbox_register.check_words(reason, needed=False)
    return _take_step(installation, actor, item, inbox_register.take_item, reason, once)


def give_back(
    installation: Installation,
    actor: StaffMember,
    item: str,
    reason: str = "",
    *,
    holder: str = "",
    once: IdempotentCall | None = None,
) -> InboxResult:
    """Gives an item back: one's own, or with ``holder`` a colleague's."""
    inbox_register.check_words(reason, needed=bool(holder) and holder != actor.email)

    def record(tx: Transaction, *step: Any) -> None:  # noqa: ANN401 as of `give_back`
        inbox_register.give_back(tx, *step, holder=_colleague(tx, holder)[0] if holder else None)

    return _take_step(installation, actor, item, record, reason, once, include_done=True)


def hand(
    installation: Installation,
    actor: StaffMember,
    item: str,
    to: str,
    reason: str,
    *,
    holder: str = "",
    once: IdempotentCall | None = None,
) -> InboxResult:
    """Hands an item to a colleague: one's own, or that of ``holder``. RefusedError if no role of
    the colleague, assigned or from a session, may act on it.
    """
    inbox_register.check_words(reason, needed=True)

    def record(tx: Transaction, *step: Any) -> None:  # noqa: ANN401 as of `hand_over`
        colleague, roles = _colleague(tx, to)
        roles_of_kind = KINDS[inbox.kind_of(item)]
        if roles.isdisjoint(roles_of_kind):
            raise RefusedError(
                f"`{to}` has no role that does something about it",
                f"these do: {', '.join(role.value for role in roles_of_kind)}",
                because="role",
            )
        held_by = _colleague(tx, holder)[0] if holder else None
        inbox_register.hand_over(tx, *step, to=colleague, holder=held_by)

    return _take_step(installation, actor, item, record, reason, once)


def note(
    installation: Installation,
    actor: StaffMember,
    item: str,
    reason: str,
    *,
    once: IdempotentCall | None = None,
) -> InboxResult:
    """Adds a note to an item, whoever holds it."""
    inbox_register.check_words(reason, needed=True)
    register = inbox_register.add_note
    return _take_step(installation, actor, item, register, reason, once, include_done=True)


def _take_step(
    installation: Installation,
    actor: StaffMember,
    item: str,
    record: Callable[[Transaction, Keyring, ItemSubject, UUID, datetime, str], object],
    reason: str,
    once: IdempotentCall | None,
    *,
    include_done: bool = False,
) -> InboxResult:
    """Records a step on an item that the actor may act on, unless it is a repetition."""
    access = _check_access_later(installation, actor, item, include_done=include_done)
    with transaction(installation.pool) as tx:
        replayed = _is_repeat(tx, installation, once)
        if not replayed:
            about, now = _raise_if_error(access), installation.clock()
            record(tx, installation.keyring, about, actor.staff_id, now, reason.strip())
    return InboxResult(seen=inbox.get(installation, actor, item), replayed=replayed)


def act(
    installation: Installation,
    actor: StaffMember,
    item: str,
    name: str,
    values: ActValues,
    *,
    once: IdempotentCall | None = None,
) -> InboxResult:
    """Performs an act on an item, with a reason; NotFoundError for an act that its kind does not
    have, RefusedError if a colleague holds it, and the act's own errors.
    """
    kind = inbox.kind_of(item)
    inbox_act = next((act for act in inbox_acts.list_acts(kind) if act.name == name), None)
    if inbox_act is None:
        raise NotFoundError(f"no act `{name[:40]}` on an item of the kind `{kind.value}`")
    _check_role(actor, inbox_act)
    if not inbox_act.has_words:
        inbox_register.check_words(values.reason, needed=True)
    access, number = _check_access_later(installation, actor, item), -1
    with transaction(installation.pool) as tx:
        if not _is_repeat(tx, installation, once):
            number = _begin(
                tx, installation, actor, _raise_if_error(access), inbox_act, values.reason.strip()
            )
    if number < 0:
        return InboxResult(seen=inbox.get(installation, actor, item), replayed=True)
    outcome = _run_act(
        installation,
        item,
        number,
        lambda: inbox_act.does(installation, actor, item.partition(":")[2], values),
        once,
    )
    return InboxResult(seen=inbox.get(installation, actor, item), said=outcome)


def _begin(
    tx: Transaction,
    installation: Installation,
    actor: StaffMember,
    about: ItemSubject,
    act: InboxAct,
    words: str,
) -> int:
    if act.has_words:  # the verb keeps them where the person reads them
        about, words = msgspec.structs.replace(about, tells=False), ""
    return inbox_register.begin_act(
        tx, installation.keyring, about, actor.staff_id, installation.clock(), words, act.name
    )


def _run_act(
    installation: Installation,
    item: str,
    number: int,
    does: Callable[[], str],
    once: IdempotentCall | None = None,
) -> str:
    try:
        outcome = does()
    except LicetError:
        with transaction(installation.pool) as tx:
            inbox_register.end_act(tx, item, number, done=False)
            if once is not None:
                idempotency.forget(tx, once)
        raise
    with transaction(installation.pool) as tx:
        inbox_register.end_act(tx, item, number, done=True)
    return outcome


def run_recorded(
    installation: Installation,
    actor: StaffMember,
    item: str,
    name: str,
    reason: str,
    does: Callable[[], str],
) -> str:
    """Runs ``does`` on a subject that need not be open in the inbox, recorded like an act;
    RefusedError if a colleague holds the item.
    """
    inbox_register.check_words(reason, needed=True)
    with transaction(installation.pool) as tx:
        about = inbox.subject_of(tx, item)
        number = inbox_register.begin_act(
            tx,
            installation.keyring,
            about,
            actor.staff_id,
            installation.clock(),
            reason.strip(),
            name,
        )
    return _run_act(installation, item, number, does)


def acts(actor: StaffMember, item: str) -> list[InboxAct]:
    """The acts that the actor's roles allow on an item of its kind."""
    return [
        act
        for act in inbox_acts.list_acts(inbox.kind_of(item))
        if not actor.roles.isdisjoint(act.who)
    ]


def _check_role(actor: StaffMember, act: InboxAct) -> None:
    if actor.roles.isdisjoint(act.who):
        raise DeniedError(
            f"`{actor.email}` may not do that",
            f"these may: {', '.join(role.value for role in act.who)}",
        )


def _is_repeat(tx: Transaction, installation: Installation, once: IdempotentCall | None) -> bool:
    """Whether this step is a repetition; if not, stores its key. Raises the error that a repetition
    gets.
    """
    if once is None:
        return False
    now = installation.clock()
    match idempotency.remembered(tx, [once], now).get(once.place):
        case None:
            idempotency.keep(
                tx, [(once, CommandResult(outcome=Outcome.done, at=now, account=_NOBODY))], now
            )
            return False
        case LicetError() as error:
            raise error
        case _:
            return True


def _check_access_later(
    installation: Installation, actor: StaffMember, item: str, *, include_done: bool = False
) -> ItemSubject | LicetError:
    """The result or the error of `_check_access`: the error counts only if the step is no
    repetition.
    """
    try:
        return _check_access(installation, actor, item, include_done=include_done)
    except LicetError as error:
        return error


def _raise_if_error(access: ItemSubject | LicetError) -> ItemSubject:
    if isinstance(access, LicetError):
        raise access
    return access


def _check_access(
    installation: Installation, actor: StaffMember, item: str, *, include_done: bool = False
) -> ItemSubject:
    """The subject of an item that the actor may act on; with ``include_done`` also once it is
    done.
    """
    waits, about = inbox.find(installation, actor, item)
    if not inbox.may_act(actor, waits, item):
        raise DeniedError(f"`{actor.email}` sees items of this kind, and does nothing about them")
    if waits is None and not include_done:
        raise RefusedError("nothing of it waits any more", because="done")
    if waits is None:
        with transaction(installation.pool) as tx:
            if not inbox_register.list_steps(tx, installation.keyring, about):
                raise NotFoundError(f"no item `{item}`", "`licet inbox list` shows them")
    return about


def _colleague(tx: Transaction, email: str) -> tuple[UUID, frozenset[StaffRole]]:
    """A member of staff and their roles; NotFoundError for an unknown address."""
    found = sessions.find_staff(tx, email)
    if found is None:
        raise NotFoundError(f"no member of staff `{email}`", "`licet staff add` adds one")
    return found[0], frozenset(found[1]) | sessions.session_roles(tx, found[0])


# The steps, as their route, form and command have them


class ItemStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step with an item beside its acts. ``does`` is given what was sent, and the request under
    its `Idempotency-Key`; ``said`` is what the item's page says after it.
    """

    name: str
    operation: str
    about: str
    takes: type[VerbBody]
    does: Callable[[Installation, StaffMember, str, Any, IdempotentCall | None], InboxResult]
    said: str
    example: str = ""


ItemReason = Annotated[
    str,
    Meta(
        max_length=WORDS_CHARACTERS_MAX, description="Why; it is sealed, and the person reads it."
    ),
]
Address = Annotated[str, Meta(max_length=254)]


class NewItemTaking(VerbBody, frozen=True, kw_only=True):
    """``reason`` may be left out."""

    reason: ItemReason = ""


class NewItemReturn(VerbBody, frozen=True, kw_only=True):
    """``holder`` names a colleague for what they have."""

    reason: ItemReason = ""
    holder: Address = ""


class NewItemHanding(VerbBody, frozen=True, kw_only=True):
    """``holder`` names a colleague for what they have."""

    to: Address
    reason: ItemReason
    holder: Address = ""


class NewItemNote(VerbBody, frozen=True, kw_only=True):
    reason: ItemReason


STEPS = (
    ItemStep(
        name="take",
        operation="take_item",
        about="Takes an item. Where a colleague has it, they are named.",
        takes=NewItemTaking,
        does=lambda installation, actor, item, sent, once: take(
            installation, actor, item, sent.reason, once=once
        ),
        said="It is yours now.",
    ),
    ItemStep(
        name="give-back",
        operation="give_back_item",
        about="Gives an item back, so that somebody else takes it. That of a colleague needs their "
        "address and a reason.",
        takes=NewItemReturn,
        does=lambda installation, actor, item, sent, once: give_back(
            installation, actor, item, sent.reason, holder=sent.holder, once=once
        ),
        said="It is given back.",
    ),
    ItemStep(
        name="hand",
        operation="hand_item",
        about="Hands an item to a colleague with a role for it, with a reason.",
        takes=NewItemHanding,
        does=lambda installation, actor, item, sent, once: hand(
            installation, actor, item, sent.to.strip(), sent.reason, holder=sent.holder, once=once
        ),
        said="It is handed over.",
        example=" --to bea@example.org --reason why.txt",
    ),
    ItemStep(
        name="note",
        operation="note_item",
        about="Adds a note to an item. The person whose item it is reads it.",
        takes=NewItemNote,
        does=lambda installation, actor, item, sent, once: note(
            installation, actor, item, sent.reason, once=once
        ),
        said="Noted.",
        example=" --reason note.txt",
    ),
)
