"""What staff do with an item of the inbox: take it, give it back, hand it on, note something, and
act on it.

An act is put on record with its reason before it is done, and ended after it: a crash between
leaves an act of which nobody said whether it was done, and the item, which still waits, says that
it was not. What refuses it is said of the step. The act itself is the verb of the room that owns
the subject (`inbox_acts`).

With an `Idempotency-Key` a step that came before is not taken again.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec

from licet.access import inbox_register, sessions
from licet.access.inbox_register import ItemSubject
from licet.access.roles import StaffRole
from licet.errors import DeniedError, LicetError, NotFoundError, RefusedError
from licet.release.signatures import StaffMember
from licet.service import inbox, inbox_acts
from licet.service.inbox import ItemSeen
from licet.service.inbox_acts import ActValues, InboxAct
from licet.service.inbox_sources import KINDS
from licet.store.connect import Transaction, transaction
from licet.vault import idempotency
from licet.vault.commands import CommandResult, Outcome
from licet.vault.idempotency import IdempotentCall
from licet.vault.installation import Installation

_NOBODY = UUID(int=0)


class InboxResult(msgspec.Struct, frozen=True, kw_only=True):
    """An item after a step. ``said`` is what an act did, ``replayed`` that the step was taken
    before under the same key.
    """

    seen: ItemSeen
    said: str = ""
    replayed: bool = False


def take(
    here: Installation,
    by: StaffMember,
    item: str,
    reason: str = "",
    *,
    once: IdempotentCall | None = None,
) -> InboxResult:
    """Takes an item; RefusedError where another has it, or nothing of it waits any more."""
    inbox_register.check_words(reason, needed=False)
    asked = _asked(here, by, item)
    with transaction(here.pool) as tx:
        replayed = _known(tx, here, once)
        if not replayed:
            about = _granted(asked)
            inbox_register.take_item(
                tx, here.keyring, about, by.staff_id, here.clock(), reason.strip()
            )
    return InboxResult(seen=inbox.seen(here, by, item), replayed=replayed)


def give_back(
    here: Installation,
    by: StaffMember,
    item: str,
    reason: str = "",
    *,
    holder: str = "",
    once: IdempotentCall | None = None,
) -> InboxResult:
    """Gives an item back: one's own, or with ``holder`` that of a colleague who was seen to have
    it.
    """
    inbox_register.check_words(reason, needed=bool(holder) and holder != by.email)
    asked = _asked(here, by, item, done=True)
    with transaction(here.pool) as tx:
        replayed = _known(tx, here, once)
        if not replayed:
            about = _granted(asked)
            of = _colleague(tx, holder)[0] if holder else None
            inbox_register.give_back(
                tx, here.keyring, about, by.staff_id, here.clock(), reason.strip(), holder=of
            )
    return InboxResult(seen=inbox.seen(here, by, item), replayed=replayed)


def hand(
    here: Installation,
    by: StaffMember,
    item: str,
    to: str,
    reason: str,
    *,
    holder: str = "",
    once: IdempotentCall | None = None,
) -> InboxResult:
    """Hands an item to a colleague: one's own, or that of ``holder``. RefusedError where the roles
    of the colleague, given here or with a session, do nothing about it.
    """
    inbox_register.check_words(reason, needed=True)
    asked = _asked(here, by, item)
    with transaction(here.pool) as tx:
        replayed = _known(tx, here, once)
        if not replayed:
            about = _granted(asked)
            other, roles = _colleague(tx, to)
            who = KINDS[inbox.kind_of(item)]
            if roles.isdisjoint(who):
                raise RefusedError(
                    f"`{to}` has no role that does something about it",
                    f"these do: {', '.join(role.value for role in who)}",
                    because="role",
                )
            of = _colleague(tx, holder)[0] if holder else None
            inbox_register.hand_over(
                tx,
                here.keyring,
                about,
                by.staff_id,
                here.clock(),
                reason.strip(),
                to=other,
                holder=of,
            )
    return InboxResult(seen=inbox.seen(here, by, item), replayed=replayed)


def note(
    here: Installation,
    by: StaffMember,
    item: str,
    reason: str,
    *,
    once: IdempotentCall | None = None,
) -> InboxResult:
    """Adds a note to an item, whoever has it."""
    inbox_register.check_words(reason, needed=True)
    asked = _asked(here, by, item, done=True)
    with transaction(here.pool) as tx:
        replayed = _known(tx, here, once)
        if not replayed:
            about = _granted(asked)
            inbox_register.add_note(
                tx, here.keyring, about, by.staff_id, here.clock(), reason.strip()
            )
    return InboxResult(seen=inbox.seen(here, by, item), replayed=replayed)


def act(
    here: Installation,
    by: StaffMember,
    item: str,
    name: str,
    values: ActValues,
    *,
    once: IdempotentCall | None = None,
) -> InboxResult:
    """Does something about an item, with a reason; NotFoundError for an act that its kind does not
    have, RefusedError where another has it, and whatever refuses the act itself.
    """
    kind = inbox.kind_of(item)
    wanted = next((one for one in inbox_acts.of(kind) if one.name == name), None)
    if wanted is None:
        raise NotFoundError(f"no act `{name[:40]}` on an item of the kind `{kind.value}`")
    _may(by, wanted)
    if not wanted.has_words:
        inbox_register.check_words(values.reason, needed=True)
    asked, number = _asked(here, by, item), -1
    with transaction(here.pool) as tx:
        if not _known(tx, here, once):
            number = _begin(tx, here, by, _granted(asked), wanted, values.reason.strip())
    if number < 0:
        return InboxResult(seen=inbox.seen(here, by, item), replayed=True)
    said = _done(
        here, item, number, lambda: wanted.does(here, by, item.partition(":")[2], values), once
    )
    return InboxResult(seen=inbox.seen(here, by, item), said=said)


def _begin(
    tx: Transaction,
    here: Installation,
    by: StaffMember,
    about: ItemSubject,
    wanted: InboxAct,
    words: str,
) -> int:
    if wanted.has_words:  # the verb keeps them where the person reads them
        about, words = msgspec.structs.replace(about, tells=False), ""
    return inbox_register.begin_act(
        tx, here.keyring, about, by.staff_id, here.clock(), words, wanted.name
    )


def _done(
    here: Installation,
    item: str,
    number: int,
    does: Callable[[], str],
    once: IdempotentCall | None = None,
) -> str:
    """Does what is on record, and says of its step whether it was done."""
    try:
        said = does()
    except LicetError:
        with transaction(here.pool) as tx:
            inbox_register.end_act(tx, item, number, done=False)
            if once is not None:
                idempotency.forget(tx, once)
        raise
    with transaction(here.pool) as tx:
        inbox_register.end_act(tx, item, number, done=True)
    return said


def on_record(
    here: Installation, by: StaffMember, item: str, name: str, reason: str, does: Callable[[], str]
) -> str:
    """Does something about a subject that need not wait in the inbox, with its reason on record as
    that of an act on an item; RefusedError where a colleague has the item.
    """
    inbox_register.check_words(reason, needed=True)
    with transaction(here.pool) as tx:
        about = inbox.about(tx, item)
        number = inbox_register.begin_act(
            tx, here.keyring, about, by.staff_id, here.clock(), reason.strip(), name
        )
    return _done(here, item, number, does)


def acts(by: StaffMember, item: str) -> list[InboxAct]:
    """What somebody with these roles can do about an item of its kind."""
    return [one for one in inbox_acts.of(inbox.kind_of(item)) if not by.roles.isdisjoint(one.who)]


def _may(by: StaffMember, wanted: InboxAct) -> None:
    if by.roles.isdisjoint(wanted.who):
        raise DeniedError(
            f"`{by.email}` may not do that",
            f"these may: {', '.join(role.value for role in wanted.who)}",
        )


def _known(tx: Transaction, here: Installation, once: IdempotentCall | None) -> bool:
    """Whether this step was taken before; if not, its key is kept with it. What refuses a second
    one is raised.
    """
    if once is None:
        return False
    at = here.clock()
    match idempotency.remembered(tx, [once], at).get(once.place):
        case None:
            idempotency.keep(
                tx, [(once, CommandResult(outcome=Outcome.done, at=at, account=_NOBODY))], at
            )
            return False
        case LicetError() as error:
            raise error
        case _:
            return True


def _asked(
    here: Installation, by: StaffMember, item: str, *, done: bool = False
) -> ItemSubject | LicetError:
    """`_acting`, or what refuses it: that counts only where the step was not taken before."""
    try:
        return _acting(here, by, item, done=done)
    except LicetError as error:
        return error


def _granted(asked: ItemSubject | LicetError) -> ItemSubject:
    if isinstance(asked, LicetError):
        raise asked
    return asked


def _acting(here: Installation, by: StaffMember, item: str, *, done: bool = False) -> ItemSubject:
    """Whose an item is, for whoever does something with it; with ``done`` also once nothing of it
    waits.
    """
    waits, about = inbox.named(here, by, item)
    if not inbox.may_act(by, waits, item):
        raise DeniedError(f"`{by.email}` sees items of this kind, and does nothing about them")
    if waits is None and not done:
        raise RefusedError("nothing of it waits any more", because="done")
    if waits is None:
        with transaction(here.pool) as tx:
            if not inbox_register.list_steps(tx, here.keyring, about):
                raise NotFoundError(f"no item `{item}`", "`licet inbox list` shows them")
    return about


def _colleague(tx: Transaction, email: str) -> tuple[UUID, frozenset[StaffRole]]:
    """A member of staff, and the roles that they have; NotFoundError for an unknown address."""
    found = sessions.find_staff(tx, email)
    if found is None:
        raise NotFoundError(f"no member of staff `{email}`", "`licet staff add` adds one")
    return found[0], frozenset(found[1]) | sessions.session_roles(tx, found[0])
