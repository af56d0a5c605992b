"""Staff verbs on inbox items: take, give back, hand over, note, and act.

An act is recorded with its reason before it runs and completed after it: a crash between leaves an
act without an outcome, and the item open. A refusal is recorded too. The act itself belongs to the
package that owns the subject (`inbox_acts`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from licet.access import inbox_register, sessions
from licet.access.inbox_register import InboxStepKind, ItemSubject
from licet.access.roles import StaffRole
from licet.errors import DeniedError, LicetError, NotFoundError, RefusedError
from licet.keys.keyring import Keyring
from licet.release.signatures import StaffMember
from licet.service import inbox, inbox_acts
from licet.service.inbox import ItemSeen
from licet.service.inbox_acts import ActValues, InboxAct, ItemReason
from licet.service.inbox_sources import KINDS, InboxItem, ItemKind
from licet.service.staff_verb import (
    AnyCall,
    AnyVerb,
    StaffVerb,
    VerbAnswer,
    VerbBody,
    VerbCall,
)
from licet.store.connect import Transaction, transaction
from licet.vault.installation import Installation

ACTING = tuple(role for role in StaffRole if any(role in who for who in KINDS.values()))
Holder = Annotated[
    str, Meta(max_length=254, description="Who has it now; by default the one who asks.")
]


class InboxResult(msgspec.Struct, frozen=True, kw_only=True):
    """``said`` is an act's outcome in words."""

    seen: ItemSeen
    said: str = ""


def _take(call: AnyCall) -> InboxResult:
    """Takes an item; RefusedError if a colleague holds it or it is done."""
    inbox_register.check_words(call.sent.reason, needed=False)
    return _take_step(call, inbox_register.take_item)


def _give_back(call: AnyCall) -> InboxResult:
    """Gives back one's own item, or that of a colleague, the holder."""
    holder = call.sent.holder
    inbox_register.check_words(call.sent.reason, needed=bool(holder) and holder != call.staff.email)

    def record(tx: Transaction, *step: Any) -> None:  # noqa: ANN401 as of `give_back`
        inbox_register.give_back(tx, *step, holder=_colleague(tx, holder)[0] if holder else None)

    return _take_step(call, record, include_done=True)


def _hand_over(call: AnyCall) -> InboxResult:
    """Hands one's own item, or that of the holder, to a colleague. RefusedError if no role of the
    colleague, assigned or from a session, may act on it.
    """
    inbox_register.check_words(call.sent.reason, needed=True)
    to, holder = call.sent.to.strip(), call.sent.holder

    def record(tx: Transaction, *step: Any) -> None:  # noqa: ANN401 as of `hand_over`
        colleague, roles = _colleague(tx, to)
        roles_of_kind = KINDS[inbox.kind_of(call.target)]
        if roles.isdisjoint(roles_of_kind):
            raise RefusedError(
                f"`{to}` has no role that does something about it",
                f"these do: {', '.join(role.value for role in roles_of_kind)}",
                because="role",
            )
        held_by = _colleague(tx, holder)[0] if holder else None
        inbox_register.hand_over(tx, *step, to=colleague, holder=held_by)

    return _take_step(call, record)


def _add_note(call: AnyCall) -> InboxResult:
    """Adds a note to an item, whoever holds it."""
    inbox_register.check_words(call.sent.reason, needed=True)
    return _take_step(call, inbox_register.add_note, include_done=True)


def _take_step(
    call: AnyCall,
    record: Callable[[Transaction, Keyring, ItemSubject, UUID, datetime, str], object],
    *,
    include_done: bool = False,
) -> InboxResult:
    """Records a step on an item that the actor may act on."""
    installation, actor = call.installation, call.staff
    about = _check_access(installation, actor, call.target, include_done=include_done)
    with transaction(installation.pool) as tx:
        now, reason = installation.clock(), call.sent.reason.strip()
        record(tx, installation.keyring, about, actor.staff_id, now, reason)
    return InboxResult(seen=inbox.get(installation, actor, call.target))


def _act(call: VerbCall[NewItemAct]) -> InboxResult:
    """Performs an act on an item, with a reason. NotFoundError for an act of another kind,
    RefusedError if a colleague holds it, and the act's own errors.
    """
    installation, actor, item, sent = call.installation, call.staff, call.target, call.sent
    kind = inbox.kind_of(item)
    act = next((act for act in inbox_acts.list_acts(kind) if act.name == sent.act), None)
    if act is None:
        raise NotFoundError(f"no act `{sent.act}` on an item of the kind `{kind.value}`")
    if actor.roles.isdisjoint(act.who):
        raise DeniedError(
            f"`{actor.email}` may not do that",
            f"these may: {', '.join(role.value for role in act.who)}",
        )
    if not act.has_words:
        inbox_register.check_words(sent.reason, needed=True)
    about, words = _check_access(installation, actor, item), sent.reason.strip()
    if act.has_words:  # the verb stores them for the person
        about, words = msgspec.structs.replace(about, is_disclosed=False), ""
    outcome = _run_act(
        installation,
        actor,
        about,
        act.name,
        words,
        lambda: act.does(installation, actor, item.partition(":")[2], sent),
    )
    return InboxResult(seen=inbox.get(installation, actor, item), said=outcome)


def _run_act(
    installation: Installation,
    actor: StaffMember,
    about: ItemSubject,
    name: str,
    words: str,
    does: Callable[[], str],
) -> str:
    with transaction(installation.pool) as tx:
        now, keyring = installation.clock(), installation.keyring
        number = inbox_register.begin_act(tx, keyring, about, actor.staff_id, now, words, name)
    try:
        outcome = does()
    except LicetError:
        with transaction(installation.pool) as tx:
            inbox_register.end_act(tx, about.item, number, done=False)
        raise
    with transaction(installation.pool) as tx:
        inbox_register.end_act(tx, about.item, number, done=True)
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
    return _run_act(installation, actor, about, name, reason.strip(), does)


def list_acts(
    installation: Installation, actor: StaffMember, seen: ItemSeen
) -> list[tuple[InboxAct, str]]:
    """Returns the acts that the actor's roles allow on an open item, each with what it waits for;
    empty if it can be done now.
    """
    if seen.waits is None or not seen.may_act:
        return []
    kind, _, subject = seen.item.partition(":")
    return [
        (act, act.waits_for(installation, actor, subject).replace("`", ""))
        for act in inbox_acts.list_acts(ItemKind(kind))
        if not actor.roles.isdisjoint(act.who)
    ]


def _check_access(
    installation: Installation, actor: StaffMember, item: str, *, include_done: bool = False
) -> ItemSubject:
    """Returns the subject of an item that the actor may act on; with ``include_done`` also once it
    is done.
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
    """Returns a member's id and roles; NotFoundError for an unknown address."""
    found = sessions.find_staff(tx, email)
    if found is None:
        raise NotFoundError(f"no member of staff `{email}`", "`licet staff add` adds one")
    return found[0], frozenset(found[1]) | sessions.session_roles(tx, found[0])


# The declarations


class NewItemTaking(VerbBody, frozen=True, kw_only=True):
    """``reason`` is optional."""

    reason: ItemReason = ""


class NewItemReturn(VerbBody, frozen=True, kw_only=True):
    """``holder`` names a colleague whose item it is."""

    reason: ItemReason = ""
    holder: Holder = ""


class NewItemHanding(VerbBody, frozen=True, kw_only=True):
    """``holder`` names a colleague whose item it is."""

    to: Annotated[str, Meta(max_length=254, description="The colleague's e-mail address.")]
    reason: ItemReason
    holder: Holder = ""


class NewItemNote(VerbBody, frozen=True, kw_only=True):
    reason: ItemReason


class NewItemAct(ActValues, frozen=True, kw_only=True):
    """``act`` and its fields are those that the item lists."""

    act: Annotated[str, Meta(max_length=32)]


class PossibleAct(VerbAnswer, frozen=True, kw_only=True):
    """An act that the caller can perform on an item, with its ``fields``; ``codes`` are the values
    of `code`.
    """

    act: str
    means: str
    fields: tuple[str, ...]
    codes: tuple[str, ...]


class StepShown(VerbAnswer, frozen=True, kw_only=True):
    """A step of an item. ``act`` is empty for a step without an act; ``done`` is null for that and
    while an act is in progress.
    """

    step: InboxStepKind
    act: str
    at: datetime
    by: str
    to: str | None
    done: bool | None
    reason: str


class ItemAnswer(VerbAnswer, frozen=True, kw_only=True):
    """All of an item. ``waits`` is null once it is done; ``said`` is the result of this request's
    act.
    """

    item: str
    kind: ItemKind
    waits: InboxItem | None
    holder: str | None
    taken_at: datetime | None
    acts: tuple[PossibleAct, ...]
    steps: tuple[StepShown, ...]
    said: str = ""


def item_answer(
    installation: Installation, actor: StaffMember, seen: ItemSeen, outcome: str = ""
) -> ItemAnswer:
    """Returns an item as ``actor`` sees it, with the acts that they can do now."""
    possible = [
        PossibleAct(
            act=act.name,
            means=act.means,
            fields=("reason", *(field.value for field in act.fields)),
            codes=act.codes,
        )
        for act, waits_for in list_acts(installation, actor, seen)
        if not waits_for
    ]
    steps = [{**msgspec.structs.asdict(step), "reason": step.words} for step in seen.steps]
    shown = {"said": outcome, "acts": possible, "steps": steps}
    return msgspec.convert({**msgspec.structs.asdict(seen), **shown}, ItemAnswer)


def _answer(call: AnyCall, done: InboxResult | None) -> ItemAnswer:
    found = done or InboxResult(seen=inbox.get(call.installation, call.staff, call.target))
    return item_answer(call.installation, call.staff, found.seen, found.said)


def _declare(
    name: str,
    word: str,
    about: str,
    takes: type[VerbBody],
    run: Callable[[AnyCall], InboxResult],
    flash: str,
    example: str = "",
) -> AnyVerb:
    return StaffVerb(
        name=name,
        about=about,
        who=ACTING,
        takes=takes,
        run=run,
        path=f"inbox/{{item:str}}/{word or 'act'}",
        answers=ItemAnswer,
        answer=_answer,
        flash=flash,
        by="member",
        command=f"inbox {word}" if word else "",
        noun="ITEM",
        example=f"request:req_0190f3a4c2d87b6e9a51c3d4e5f60718 --by ada@example.org{example}",
    )


STEPS = (
    _declare(
        "take_item",
        "take",
        "Takes an item. Where a colleague has it, they are named.",
        NewItemTaking,
        _take,
        "It is yours now.",
    ),
    _declare(
        "give_back_item",
        "give-back",
        "Gives an item back, so that somebody else takes it. That of a colleague needs their "
        "address and a reason.",
        NewItemReturn,
        _give_back,
        "It is given back.",
    ),
    _declare(
        "hand_item",
        "hand",
        "Hands an item to a colleague with a role for it, with a reason.",
        NewItemHanding,
        _hand_over,
        "It is handed over.",
        " --to bea@example.org --reason why.txt",
    ),
    _declare(
        "note_item",
        "note",
        "Adds a note to an item. The person whose item it is reads it.",
        NewItemNote,
        _add_note,
        "Noted.",
        " --reason note.txt",
    ),
)
ACT = _declare(
    "act_on_item",
    "",
    "Does something about an item, with a reason: one of the acts that the item names.",
    NewItemAct,
    _act,
    "Done, and on record.",
)
VERBS: tuple[AnyVerb, ...] = (*STEPS, ACT)
