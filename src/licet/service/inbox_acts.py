"""The acts on inbox items, by kind: each calls the same verb as its page and command. Work for the
operator's host alone (backups, rotations, repairing an endpoint) has none: such an item names the
command.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Literal, TypeAlias

import msgspec

from licet.access import identities
from licet.access.roles import StaffRole
from licet.consent import rights_requests
from licet.consent.rights_requests import StaffAct
from licet.errors import RefusedError
from licet.masked import Masked
from licet.release import signatures
from licet.release.signatures import ReleaseStanding, StaffMember
from licet.service import erasure_verbs, hold_verbs, release_verbs, request_verbs
from licet.service.erasure_verbs import MisuseDecision, RunErasure, SweepApproval
from licet.service.hold_verbs import EndHold, HoldReview
from licet.service.inbox_sources import ItemKind
from licet.service.release_verbs import NewSample, SignRelease
from licet.service.staff_verb import AnyCall, AnyVerb, GivenReason, NoBody, VerbCall, unwrapped
from licet.store.connect import transaction
from licet.vault.installation import Installation


class ActField(StrEnum):
    """The fields of an act besides its reason."""

    code = "code"  # one of the act's words
    matter = "matter"  # a hold's, verbatim
    review_at = "review_at"
    amount = "amount"  # the one shown for approval
    names_in = "names_in"  # confirms that a release was not searched for names


class ActValues(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """``reason`` always, the other fields if the act has them."""

    reason: str
    code: str = ""
    matter: str = ""
    review_at: datetime | None = None
    amount: int | None = None
    names_in: bool = False


ActRefusal: TypeAlias = Callable[[Installation, StaffMember, str], str]


class InboxAct(msgspec.Struct, frozen=True, kw_only=True):
    """``codes`` are the allowed values of `code`. ``has_words``: the act itself stores the reason,
    where the person reads it; ``needs_words``: it requires one. ``waits_for`` says why the act
    cannot be done now, and is empty if it can.
    """

    name: str
    label: str
    means: str
    who: tuple[StaffRole, ...]
    does: Callable[[Installation, StaffMember, str, ActValues], str]
    forecast: Callable[[Installation, StaffMember, str, ActValues], str] = lambda *_: ""
    waits_for: ActRefusal = lambda *_: ""
    fields: tuple[ActField, ...] = ()
    codes: tuple[str, ...] = ()
    destroys: bool = False
    has_words: bool = False
    needs_words: bool = True


def list_acts(kind: ItemKind) -> tuple[InboxAct, ...]:
    return _ACTS.get(kind, ())


# Acts of declared verbs


def act_of(
    verb: AnyVerb,
    name: str,
    sent: Callable[[ActValues], msgspec.Struct] = lambda _: NoBody(),
    *,
    label: str = "",
    means: str = "",
    fields: tuple[ActField, ...] = (),
    destroys: bool = False,
    waits_for: ActRefusal = lambda *_: "",
) -> InboxAct:
    """Returns the act of a declared verb. ``sent`` makes its body of the values; its wording is the
    verb's by default.
    """

    def call(
        installation: Installation, actor: StaffMember, subject: str, values: ActValues
    ) -> AnyCall:
        return VerbCall(
            installation=installation,
            actor=f"staff:{actor.email}",
            member=actor,
            wall=installation.clock(),
            sent=sent(values),
            target=subject,
        )

    def does(
        installation: Installation, actor: StaffMember, subject: str, values: ActValues
    ) -> str:
        made = call(installation, actor, subject, values)
        return verb.did(made, verb.run(made))

    def forecast(
        installation: Installation, actor: StaffMember, subject: str, values: ActValues
    ) -> str:
        made = msgspec.structs.replace(call(installation, actor, subject, values), dry_run=True)
        return " ".join(verb.would(made, verb.run(made)))

    return InboxAct(
        name=name,
        label=label or verb.label,
        means=means or str(verb.means),
        who=verb.who,
        does=does,
        forecast=forecast,
        waits_for=waits_for,
        fields=fields,
        destroys=destroys or verb.destroys,
    )


def _stepping(
    act: StaffAct, code: str, installation: Installation, _: StaffMember, request: str
) -> str:
    with transaction(installation.pool) as tx:
        clock = rights_requests.require(tx, request).clock
    try:
        moved = rights_requests.next_step(clock, act, code, installation.clock())[1]
    except RefusedError as error:
        return error.message
    return "" if moved != clock else "its receipt is confirmed already"


def _request_act(verb: AnyVerb) -> InboxAct:
    """Returns the act of a step: its reason is sent to the person, and stored in no other
    record.
    """
    fields = {field.name: field for field in msgspec.structs.fields(verb.takes)}
    codes = tuple(unwrapped(fields["code"].type)[0]) if "code" in fields else ()
    act = act_of(
        verb,
        verb.word,
        lambda values: verb.body(
            {"words": values.reason.strip(), **({"code": values.code} if codes else {})}
        ),
        fields=(ActField.code,) if codes else (),
        waits_for=partial(_stepping, StaffAct(verb.word), next(iter(codes), "")),
    )
    return msgspec.structs.replace(
        act,
        has_words=True,
        needs_words=fields["words"].required,
        codes=codes,
    )


def _decision(
    decision: Literal["flag", "dismiss", "overturn", "uphold"],
) -> Callable[..., msgspec.Struct]:
    return lambda _: MisuseDecision(decision=decision)


# not marked as destructive: a sweep does it too
RUN = act_of(erasure_verbs.RUN, "run", lambda _: RunErasure())
ERASE_AT_ONCE = act_of(
    erasure_verbs.RUN,
    "at-once",
    lambda _: RunErasure(at_once=True),
    label="Erase without waiting",
    means="Their keys are destroyed now, before the period ends. Nobody can bring it back, the "
    "person included.",
    destroys=True,
)
ACKNOWLEDGE = act_of(
    erasure_verbs.ACKNOWLEDGE,
    "acknowledge",
    waits_for=lambda *call: "" if "+" in call[2] else "licet recall ack does it for each export",
)
FLAG = act_of(
    erasure_verbs.DECIDE_OPEN,
    "flag",
    _decision("flag"),
    label="Flag as misuse",
    means="A safety copy of what is flagged is kept for the period of the policy. The person sees "
    "the flag.",
)
DISMISS = act_of(
    erasure_verbs.DECIDE_OPEN,
    "dismiss",
    _decision("dismiss"),
    label="Dismiss",
    means="It is no misuse. Nothing of it changes.",
)
OVERTURN = act_of(
    erasure_verbs.DECIDE_OPEN,
    "overturn",
    _decision("overturn"),
    label="Overturn the flag",
    means="The safety copy ends with its flag.",
    destroys=True,
)
UPHOLD = act_of(
    erasure_verbs.DECIDE_OPEN,
    "uphold",
    _decision("uphold"),
    label="Uphold the flag",
    means="It is misuse, and the flag stands. Somebody looks at it again after 90 days.",
)


# The acts of a release, by its state


def _drawing(installation: Installation, _: StaffMember, release: str) -> str:
    return "a sample is open" if _standing(installation, release).sample else ""


def _closing(installation: Installation, _: StaffMember, release: str) -> str:
    sample = _standing(installation, release).sample
    if sample is None:
        return "no sample is drawn"
    return f"rows that are not read: {sample.left:,}" if sample.left else ""


def _signing(installation: Installation, actor: StaffMember, release: str) -> str:
    try:
        identities.check(installation.config.web, actor.identity)
    except RefusedError as error:
        return error.message
    signed = _standing(installation, release).signatures
    if actor.email in {signature.email for signature in signed}:
        return "you have signed it, and the other signature must be another person's"
    return ""


def _standing(installation: Installation, release: str) -> ReleaseStanding:
    return signatures.get_standing(installation, release_verbs.folder_of(installation, release))


_ACTS: dict[ItemKind, tuple[InboxAct, ...]] = {
    ItemKind.request: tuple(map(_request_act, request_verbs.STEPS)),
    ItemKind.erasure: (RUN,),
    ItemKind.recall: (ACKNOWLEDGE,),
    ItemKind.misuse: (FLAG, DISMISS),
    ItemKind.flag: (UPHOLD, OVERTURN),
    ItemKind.hold: (
        act_of(
            hold_verbs.REVIEW,
            "review",
            lambda values: HoldReview(matter=values.matter, review_at=values.review_at),
            fields=(ActField.matter, ActField.review_at),
        ),
        act_of(
            hold_verbs.END_ITEM,
            "end",
            lambda values: EndHold(matter=values.matter),
            fields=(ActField.matter,),
            destroys=True,
        ),
    ),
    ItemKind.review: (
        act_of(
            release_verbs.DRAW,
            "draw",
            lambda _: NewSample(),
            means="100 rows by chance and 20 by risk.",
            waits_for=_drawing,
        ),
        act_of(
            release_verbs.CLOSE,
            "close",
            means="It is signed, beside the manifest.",
            waits_for=_closing,
        ),
    ),
    ItemKind.signature: (
        act_of(
            release_verbs.SIGN,
            "sign",
            lambda values: SignRelease(names_in=values.names_in),
            means="Every check of the release is made before it is signed.",
            fields=(ActField.names_in,),
            waits_for=_signing,
        ),
    ),
    ItemKind.sweep: (
        act_of(
            erasure_verbs.APPROVE,
            "approve",
            lambda values: SweepApproval(due=-1 if values.amount is None else values.amount),
            fields=(ActField.amount,),
            destroys=True,
        ),
    ),
    ItemKind.model: (
        act_of(release_verbs.RETIRE, "retire", lambda values: GivenReason(reason=values.reason)),
    ),
}
