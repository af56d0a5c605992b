"""The acts on inbox items, by kind: each calls the same function as its page and its command.

What only the operator's host can do has no act here (backups, rotations, fixing an endpoint): such
an item names the command.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

import msgspec

from licet.access.roles import StaffRole
from licet.consent import rights_requests
from licet.consent.rights_requests import StaffAct
from licet.erasure import certificates, recall_register, sweeper
from licet.errors import NotFoundError, UsageError
from licet.masked import Masked
from licet.misuse import suggestions
from licet.release import homes, registry, signatures
from licet.release.signatures import StaffMember
from licet.service.inbox_sources import (
    DRAWING,
    LOOKING,
    OFFICER,
    OWNER,
    SIGNING,
    ItemKind,
    hold_keys,
)
from licet.store.connect import transaction
from licet.train import lineage
from licet.vault import holds
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation

RETIRING = (StaffRole.owner, StaffRole.curator)


class ActField(StrEnum):
    """What an act asks for besides its reason."""

    code = "code"  # one of the words that the act allows
    matter = "matter"  # a hold's, exactly as when it was placed
    review_at = "review_at"
    amount = "amount"  # that was shown for approval
    names_in = "names_in"  # confirms that a release was not searched for names


class ActValues(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """The values filled in: ``reason`` always, the rest if the act asks for it."""

    reason: str
    code: str = ""
    matter: str = ""
    review_at: datetime | None = None
    amount: int | None = None
    names_in: bool = False


class InboxAct(msgspec.Struct, frozen=True, kw_only=True):
    """An act on an item. ``means`` describes it; ``codes`` are the allowed values of `code`.

    ``has_words``: the act itself stores the reason, where the person reads it; ``needs_words``: it
    requires one.
    """

    name: str
    label: str
    means: str
    who: tuple[StaffRole, ...]
    does: Callable[[Installation, StaffMember, str, ActValues], str]
    fields: tuple[ActField, ...] = ()
    codes: tuple[str, ...] = ()
    destroys: bool = False
    has_words: bool = False
    needs_words: bool = True


def list_acts(kind: ItemKind) -> tuple[InboxAct, ...]:
    """The acts on items of a kind."""
    return _ACTS.get(kind, ())


# Requests


def _step(
    what: StaffAct, label: str, means: str, *, needs_words: bool = True, destroys: bool = False
) -> InboxAct:
    def does(
        installation: Installation, actor: StaffMember, subject: str, values: ActValues
    ) -> str:
        found = rights_requests.take_step(
            installation,
            subject,
            what,
            f"staff:{actor.email}",
            reason=values.code,
            words=values.reason.strip(),
        )
        return f"The request is {found.row.clock.state.value}."

    codes = rights_requests.REASONS.get(what)
    return InboxAct(
        name=what.value,
        label=label,
        means=means,
        who=OFFICER,
        does=does,
        has_words=True,
        needs_words=needs_words,
        fields=(ActField.code,) if codes else (),
        codes=tuple(code.value for code in codes) if codes else (),
        destroys=destroys,
    )


# The others


def _run_erasure(installation: Installation, _: StaffMember, subject: str, __: ActValues) -> str:
    (state,) = certificates.advance_erasures(installation, only=subject).states
    return f"It is {state}."


def _acknowledge_recall(
    installation: Installation, _: StaffMember, subject: str, __: ActValues
) -> str:
    erasure, _plus, handout = subject.partition("+")
    return (
        f"On record: {recall_register.acknowledge(installation, erasure, handout).recipient} has "
        "deleted it."
    )


def _decide_suggestion(
    installation: Installation,
    actor: StaffMember,
    subject: str,
    *,
    dismiss: bool = False,
    overturn: bool = False,
) -> str:
    done = suggestions.decide(
        installation, subject, actor, dismiss=dismiss, overturn=overturn, only_open=not overturn
    )
    return f"On record: {done.decision}."


def _end_hold(installation: Installation, _: StaffMember, subject: str, values: ActValues) -> str:
    conversation = _of_matter(installation, subject, values.matter)
    holds.end(installation, [conversation], matter=values.matter)
    return (
        "The hold has ended. What nothing else holds and is over its time is erased by the next "
        "sweep."
    )


def _review_hold(
    installation: Installation, actor: StaffMember, subject: str, values: ActValues
) -> str:
    conversation = _of_matter(installation, subject, values.matter)
    if (
        values.review_at is None
        or values.review_at.tzinfo is None
        or values.review_at <= installation.clock()
    ):
        raise UsageError("`review_at` is no day that is still to come", "write it as 2026-06-01")
    done = holds.review(
        installation,
        conversation,
        matter=values.matter,
        review_at=values.review_at,
        by=f"staff:{actor.email}",
    )
    return f"Held; to be reviewed on {done.review_at:%Y-%m-%d}."


def _of_matter(installation: Installation, subject: str, matter: str) -> str:
    """The conversation of a hold, if ``matter`` is its matter; else NotFoundError."""
    with transaction(installation.pool) as tx:
        if holds.matter_hash(installation, tx, matter) != hold_keys(subject)[1]:
            raise NotFoundError(
                "this hold is for another matter", "write it exactly as when it was placed"
            )
    return subject.partition("+")[0]


def _folder(installation: Installation, subject: str) -> str:
    """Our own copy of a release; NotFoundError."""
    with transaction(installation.pool) as tx:
        known = registry.get(tx, parse(Prefix.release, subject))
    folder = homes.folder(installation, known)
    if folder is None:
        raise NotFoundError(f"our own copy of release `{known.name}` is not here")
    return str(folder)


def _draw_sample(installation: Installation, _: StaffMember, subject: str, __: ActValues) -> str:
    signatures.draw(installation, _folder(installation, subject))
    return "A sample is drawn: read its rows on the page of the release."


def _close_review(installation: Installation, _: StaffMember, subject: str, __: ActValues) -> str:
    signatures.close(installation, _folder(installation, subject))
    return "What was found is stated, beside the manifest."


def _sign_release(
    installation: Installation, actor: StaffMember, subject: str, values: ActValues
) -> str:
    signatures.sign(installation, _folder(installation, subject), actor, names_in=values.names_in)
    return "Signed, and on record."


def _approve_sweep(
    installation: Installation, actor: StaffMember, _: str, values: ActValues
) -> str:
    sweeper.approve(
        installation, f"staff:{actor.email}", due=-1 if values.amount is None else values.amount
    )
    return "Approved, and on record: the next sweep erases that much."


def _retire_model(
    installation: Installation, actor: StaffMember, subject: str, values: ActValues
) -> str:
    lineage.retire(installation, subject, actor=f"staff:{actor.email}", reason=values.reason)
    return "It is retired, and on record as that."


_ACTS: dict[ItemKind, tuple[InboxAct, ...]] = {
    ItemKind.request: (
        _step(
            StaffAct.acknowledge,
            "Confirm its receipt",
            "The person sees that it was received.",
            needs_words=False,
        ),
        _step(
            StaffAct.answer,
            "Answer it",
            "This ends the request. The person reads what you write.",
            destroys=True,
        ),
        _step(
            StaffAct.refuse,
            "Refuse it",
            "This ends the request. The person reads why, and where to complain.",
            destroys=True,
        ),
        _step(
            StaffAct.pause,
            "Ask the person",
            "The clock stops only where the law of the region stops it.",
        ),
        _step(
            StaffAct.resume, "Go on without an answer", "Its clock runs again.", needs_words=False
        ),
        _step(StaffAct.extend, "Extend it", "Once, and the person reads why."),
    ),
    ItemKind.erasure: (
        InboxAct(
            name="run",
            label="Move it on",
            means="What is due of it is erased and certified now.",
            who=OFFICER,
            does=_run_erasure,
            destroys=True,
        ),
    ),
    ItemKind.recall: (
        InboxAct(
            name="acknowledge",
            label="Record the acknowledgement",
            who=OFFICER,
            does=_acknowledge_recall,
            means=(
                "It goes on record that the recipient took these rows out of use. The person "
                "sees it."
            ),
        ),
    ),
    ItemKind.misuse: (
        InboxAct(
            name="flag",
            label="Flag as misuse",
            who=LOOKING,
            does=lambda here, by, subject, _: _decide_suggestion(here, by, subject),
            means=(
                "A safety copy of what is flagged is kept for the period of the policy. The "
                "person sees the flag."
            ),
        ),
        InboxAct(
            name="dismiss",
            label="Dismiss",
            means="It is no misuse. Nothing of it changes.",
            who=LOOKING,
            does=lambda here, by, subject, _: _decide_suggestion(here, by, subject, dismiss=True),
        ),
    ),
    ItemKind.flag: (
        InboxAct(
            name="overturn",
            label="Overturn the flag",
            means="The safety copy ends with its flag.",
            who=LOOKING,
            does=lambda here, by, subject, _: _decide_suggestion(here, by, subject, overturn=True),
            destroys=True,
        ),
    ),
    ItemKind.hold: (
        InboxAct(
            name="review",
            label="Set its next review",
            means="The hold stays until then, and beyond.",
            who=OFFICER,
            does=_review_hold,
            fields=(ActField.matter, ActField.review_at),
        ),
        InboxAct(
            name="end",
            label="End the hold",
            who=OFFICER,
            does=_end_hold,
            fields=(ActField.matter,),
            destroys=True,
            means="What nothing else holds and is over its time is erased by the next sweep.",
        ),
    ),
    ItemKind.review: (
        InboxAct(
            name="draw",
            label="Draw a sample",
            means="100 rows by chance and 20 by risk.",
            who=DRAWING,
            does=_draw_sample,
        ),
        InboxAct(
            name="close",
            label="State what was found",
            means="It is signed, beside the manifest.",
            who=DRAWING,
            does=_close_review,
        ),
    ),
    ItemKind.signature: (
        InboxAct(
            name="sign",
            label="Sign it off",
            means="Every check of the release is made before it is signed.",
            who=SIGNING,
            does=_sign_release,
            fields=(ActField.names_in,),
        ),
    ),
    ItemKind.sweep: (
        InboxAct(
            name="approve",
            label="Approve it",
            who=(*OFFICER, *OWNER),
            does=_approve_sweep,
            fields=(ActField.amount,),
            means="The next sweep erases that much. It cannot be brought back.",
            destroys=True,
        ),
    ),
    ItemKind.model: (
        InboxAct(
            name="retire",
            label="Retire it",
            means="Nobody is told of rows that are withdrawn from it any more.",
            who=RETIRING,
            does=_retire_model,
        ),
    ),
}
