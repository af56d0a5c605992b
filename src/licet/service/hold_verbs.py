"""Staff verbs on legal holds, for privacy officers: place, review and end one.

A command's target may be several conversations, joined by `+`: if one does not exist, none is held.
The API and the console name one, and refuse a hold that would keep none of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from licet import wire
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.masked import Masked
from licet.policy.period import rfc3339
from licet.service.inbox_sources import hold_keys
from licet.service.staff_verb import (
    OFFICER,
    VERBATIM,
    AnyCall,
    AnyVerb,
    StaffVerb,
    VerbBody,
    VerbCall,
    no_sentences,
)
from licet.store.connect import transaction
from licet.vault import account_view, holds
from licet.vault.commands import EXPIRED, HoldReason, Outcome
from licet.vault.hold_coverage import HoldCoverage, describe_coverage
from licet.vault.holds import MATTER_CHARACTERS_MAX, HoldAct
from licet.vault.ids import Prefix, format_id, parse

REASONS = {
    HoldReason.litigation: "a lawsuit",
    HoldReason.investigation: "an investigation",
    HoldReason.regulator: "a request of a regulator",
    HoldReason.preservation_order: "an order to preserve it",
    HoldReason.other: "another legal reason",
}
NEXT = "What nothing else holds and is over its time is erased by the next sweep."
Matter = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MATTER_CHARACTERS_MAX,
        description="Its purpose, in your own words. It is sealed; the same words end the hold.",
        extra=VERBATIM,
    ),
]


class NewHold(VerbBody, frozen=True, kw_only=True):
    """``matter`` is its purpose in your own words, encrypted; the same words end the hold.
    ``told``: the person may see it.

    ``review_at`` is the day on which to review the hold, by default after 180 days. The hold does
    not end on it. ``dry_run`` changes nothing.
    """

    matter: Matter
    reason: Annotated[HoldReason, Meta(description="The reason.")]
    review_at: (
        Annotated[
            datetime,
            Meta(
                description="The day on which to review the hold; by default in 180 days.",
                extra={"option": "--review"},
            ),
        ]
        | None
    ) = None
    told: Annotated[
        bool,
        Meta(
            description="Do not tell the person, because the matter forbids it; this goes on record.",
            extra={"option": "--untold"},
        ),
    ] = True
    dry_run: bool = False


class EndHold(VerbBody, frozen=True, kw_only=True):
    matter: Matter
    dry_run: bool = False


class HoldReview(VerbBody, frozen=True, kw_only=True):
    matter: Matter
    review_at: datetime | None  # None is refused


class HeldAnswer(Masked, wire.Done, frozen=True, kw_only=True):
    """A hold: ``done``, or ``unchanged`` with ``because`` `held_already`; ``coverage`` is what it
    keeps.

    A conversation without anything to hold is refused (409, `expired`).
    """

    outcome: Outcome
    conversation: str
    because: str
    review_at: datetime
    coverage: HoldCoverage


class HoldEnded(Masked, wire.ChangeResult, frozen=True, kw_only=True):
    """``done``, or ``unchanged`` if the matter held nothing."""

    outcome: Outcome


Acts = list[HoldAct]


def _place(call: VerbCall[NewHold]) -> Acts:
    return holds.place(
        call.installation,
        call.target.split("+"),
        matter=call.sent.matter,
        reason=call.sent.reason,
        by=call.actor,
        review_at=call.sent.review_at,
        is_told=call.sent.told,
        dry_run=call.dry_run,
    )


def _place_one(call: VerbCall[NewHold]) -> Acts:
    (act,) = _place(call)
    if act.outcome is Outcome.refused:
        raise RefusedError(
            f"nothing of it can be held: {describe_coverage(act.coverage)}", because=EXPIRED
        )
    return [act]


def _hold_answer(call: VerbCall[NewHold], done: Acts | None) -> HeldAnswer:
    (act,) = done or _place_one(msgspec.structs.replace(call, dry_run=True))
    assert act.review_at is not None
    return HeldAnswer(
        outcome=act.outcome,
        at=call.installation.clock(),
        account=act.account,
        because=act.because,
        conversation=act.conversation,
        review_at=act.review_at,
        coverage=act.coverage,
    )


def _would_place(call: VerbCall[NewHold], done: Acts) -> tuple[str, ...]:
    sent, (act,) = call.sent, done
    return (
        "This matter holds it already: the reason, the day of review and the telling become these."
        if act.outcome is Outcome.unchanged
        else "What is held of it stays until the last hold on it ends.",
        f"{describe_coverage(act.coverage)}.",
        f"Matter: {sent.matter}",
        f"Reason: {REASONS[sent.reason]}",
        f"Review: {act.review_at:%Y-%m-%d}",
        f"The person {'sees the hold' if sent.told else 'does not see the hold'}.",
    )


PLACE: StaffVerb[NewHold, Acts] = StaffVerb(
    name="place_hold",
    about="Places a legal hold: stored content stays, and nothing becomes usable. For an existing "
    "matter, moves its day of review.",
    who=OFFICER,
    takes=NewHold,
    run=_place_one,
    route="conversations/{conversation:str}/holds",
    answers=HeldAnswer,
    answer=_hold_answer,
    page="conversations/{conversation:str}/hold",
    label="Place the hold",
    title=lambda *_: "Place a legal hold",
    means="A hold restores nothing, and makes nothing usable.",
    would=_would_place,
    flash="The hold is placed, and on record.",
)


def _end(call: VerbCall[EndHold]) -> Acts:
    names = call.target.split("+")
    return holds.end(call.installation, names, matter=call.sent.matter, dry_run=call.dry_run)


def _end_if_held(call: VerbCall[EndHold]) -> Acts:
    try:
        return _end(call)
    except NotFoundError:
        _account(call)
        return []


def _account(call: AnyCall) -> str:
    with transaction(call.installation.pool) as tx:
        account = account_view.owner(tx, parse(Prefix.conversation, call.target))
    if account is None:
        raise NotFoundError(f"no conversation `{call.target}`")
    return format_id(Prefix.account, account)


def _end_answer(call: VerbCall[EndHold], done: Acts | None) -> HoldEnded:
    return HoldEnded(
        outcome=Outcome.unchanged if done == [] else Outcome.done,
        at=call.installation.clock(),
        account=_account(call),
        conversation=call.target,
    )


END_ROUTE: StaffVerb[EndHold, Acts] = StaffVerb(
    name="end_hold",
    about="Ends the hold of a matter; ``unchanged`` if there is none. The next sweep erases what is "
    "overdue.",
    who=OFFICER,
    takes=EndHold,
    run=_end_if_held,
    route="conversations/{conversation:str}/holds/end",
    answers=HoldEnded,
    answer=_end_answer,
    would=no_sentences,
)
END: StaffVerb[EndHold, Acts] = StaffVerb(
    name="free_conversation",
    about="Ends the hold of a matter on a conversation.",
    who=OFFICER,
    takes=EndHold,
    run=_end,
    page="conversations/{conversation:str}/end-hold",
    label="End the hold",
    title=lambda *_: "End a legal hold",
    means=NEXT,
    would=lambda call, done: (
        "It stays held for another matter."
        if done[0].keeps
        else "It is held for nothing else: what is over its time is erased by the next sweep, and "
        "cannot be brought back.",
        f"{describe_coverage(done[0].coverage)}.",
        f"Matter: {call.sent.matter}",
    ),
    flash="The hold is ended, and that is on record.",
    did=lambda *_: f"The hold has ended. {NEXT}",
    destroys=True,
)


# Several conversations, by command


def _placed_text(act: HoldAct, dry_run: bool) -> str:
    match act.outcome:
        case Outcome.refused:
            verb = f"{'would not be' if dry_run else 'is not'} held ({act.because})"
        case Outcome.unchanged:
            verb = (
                f"is held for this matter already, {'would be' if dry_run else 'is'} reviewed anew"
            )
        case _:
            verb = f"{'would be' if dry_run else 'is'} held"
    review = f", review {rfc3339(act.review_at)}" if act.review_at else ""
    return f"{act.conversation} {verb}{review}: {describe_coverage(act.coverage)}"


def _freed_text(act: HoldAct, dry_run: bool) -> str:
    if act.keeps:
        verb = f"{'would stay' if dry_run else 'stays'} held for another matter"
    else:
        verb = f"{'would be' if dry_run else 'is'} free"
    return f"{act.conversation} {verb}: {describe_coverage(act.coverage)}"


PLACE_SEVERAL: StaffVerb[NewHold, Acts] = StaffVerb(
    name="place_holds",
    about="""Places a legal hold on CONVERSATIONS, and says what it holds.

Of each it says what is held and what is not. Exits 1 if nothing of one could be held.

What is stored now stays, sealed, until the last hold on it ends. A hold restores nothing, and
makes nothing usable. A conversation whose time is over is refused (`expired`), also before the
sweep; the others are held. Placing it again for the same matter updates its reason and its day
of review. If one does not exist, none is held.""",
    who=OFFICER,
    takes=NewHold,
    run=_place,
    would=lambda _, done: tuple(_placed_text(act, True) for act in done),
    did=lambda _, done: "\n".join(_placed_text(act, False) for act in done),
    failed=lambda done: any(act.outcome is Outcome.refused for act in done),
    command="hold place",
    noun="CONVERSATIONS...",
    example='conv_1 --matter "Smith v. Acme, 2026-17" --reason litigation --review 2026-06-01',
)
END_SEVERAL: StaffVerb[EndHold, Acts] = StaffVerb(
    name="end_holds",
    about="""Ends the hold of a matter on CONVERSATIONS: on all or none.

When the last hold on a conversation ends, the next sweep erases what is past its end date, with
a certificate.""",
    who=OFFICER,
    takes=EndHold,
    run=_end,
    would=lambda _, done: tuple(_freed_text(act, True) for act in done),
    did=lambda _, done: "\n".join(_freed_text(act, False) for act in done),
    by="",
    command="hold end",
    noun="CONVERSATIONS...",
    example='conv_0190f3a4c2d87b6e9a51c3d4e5f60718 --matter "Smith v. Acme, 2026-17"',
)


# An inbox item, which names the conversation and its matter


def _of_item(call: AnyCall) -> AnyCall:
    """Returns the call for an item's conversation, if its matter is the sent one; NotFoundError."""
    with transaction(call.installation.pool) as tx:
        if holds.matter_hash(call.installation, tx, call.sent.matter) != hold_keys(call.target)[1]:
            raise NotFoundError(
                "this hold is for another matter", "write it exactly as when it was placed"
            )
    return msgspec.structs.replace(call, target=call.target.partition("+")[0])


def _review(call: VerbCall[HoldReview]) -> HoldAct:
    item, until = _of_item(call), call.sent.review_at
    if until is None or until.tzinfo is None or until <= call.installation.clock():
        raise UsageError("`review_at` is no day that is still to come", "write it as 2026-06-01")
    return holds.review(
        call.installation, item.target, matter=call.sent.matter, review_at=until, by=call.actor
    )


END_ITEM: StaffVerb[EndHold, Acts] = msgspec.structs.replace(
    END, page="", run=lambda call: _end(_of_item(call))
)
REVIEW: StaffVerb[HoldReview, HoldAct] = StaffVerb(
    name="review_hold",
    about="Sets the next review of a hold.",
    who=OFFICER,
    takes=HoldReview,
    run=_review,
    label="Set its next review",
    means="The hold stays until then, and beyond.",
    did=lambda _, done: f"Held; to be reviewed on {done.review_at:%Y-%m-%d}.",
)
VERBS: tuple[AnyVerb, ...] = (PLACE, END_ROUTE, END, PLACE_SEVERAL, END_SEVERAL)
