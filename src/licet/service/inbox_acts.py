"""The acts on inbox items, by kind: each calls the same verb as its page and command. Work for the
operator's host alone (backups, rotations, repairing an endpoint) has none: such an item names the
command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

from licet.access import identities
from licet.access.roles import StaffRole
from licet.consent import rights_requests
from licet.consent.rights_requests import WORDS_CHARACTERS_MAX, StaffAct
from licet.errors import RefusedError
from licet.release import signatures
from licet.release.signatures import ReleaseStanding, StaffMember
from licet.service import erasure_verbs, hold_verbs, release_verbs, request_verbs, review_verbs
from licet.service.inbox_sources import ItemKind
from licet.service.staff_verb import (
    FROM_FILE,
    VERBATIM,
    AnyCall,
    AnyVerb,
    VerbBody,
    VerbCall,
    unwrapped,
)
from licet.store.connect import transaction
from licet.vault.holds import MATTER_CHARACTERS_MAX
from licet.vault.installation import Installation


class ActField(StrEnum):
    """The fields of an act besides its reason."""

    code = "code"  # one of the act's words
    matter = "matter"  # a hold's, verbatim
    review_at = "review_at"
    amount = "amount"  # the one shown for approval
    names_in = "names_in"  # confirms that a release was not searched for names


ItemReason = Annotated[
    str,
    Meta(
        max_length=WORDS_CHARACTERS_MAX,
        description="Why; it is sealed, and the person reads it.",
        extra=FROM_FILE,
    ),
]


class ActValues(VerbBody, frozen=True, kw_only=True):
    """``reason`` always, the other fields if the act has them."""

    reason: ItemReason = ""
    code: Annotated[str, Meta(max_length=32)] = ""
    matter: Annotated[str, Meta(max_length=MATTER_CHARACTERS_MAX, extra=VERBATIM)] = ""
    review_at: datetime | None = None
    amount: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    names_in: bool = False


ActRefusal: TypeAlias = Callable[[Installation, StaffMember, str], str]


class InboxAct(msgspec.Struct, frozen=True, kw_only=True):
    """An act by a declared verb, whose body has what the form gives and what the act ``sets``.

    ``waits_for`` says why the act cannot be done now, and is empty if it can.
    """

    verb: AnyVerb
    name: str
    label: str
    means: str
    sets: Mapping[str, object] = {}
    waits_for: ActRefusal = lambda *_: ""
    destroys: bool = False

    @property
    def who(self) -> tuple[StaffRole, ...]:
        return self.verb.who

    @property
    def _takes(self) -> dict[str, FieldInfo]:
        return {field.name: field for field in msgspec.structs.fields(self.verb.takes)}

    @property
    def fields(self) -> tuple[ActField, ...]:
        return tuple(_FIELDS[name] for name in self._takes if name in _FIELDS)

    @property
    def codes(self) -> tuple[str, ...]:
        """The allowed values of `code`."""
        return tuple(unwrapped(self._takes["code"].type)[0]) if "code" in self._takes else ()

    @property
    def has_words(self) -> bool:
        """Whether the verb itself stores the reason, where the person reads it."""
        return "words" in self._takes

    @property
    def needs_words(self) -> bool:
        return not self.has_words or self._takes["words"].required

    def does(
        self, installation: Installation, actor: StaffMember, subject: str, values: ActValues
    ) -> str:
        """Performs the act, and describes its result."""
        call = self._call(installation, actor, subject, values)
        return self.verb.did(call, self.verb.run(call))

    def forecast(
        self, installation: Installation, actor: StaffMember, subject: str, values: ActValues
    ) -> str:
        return " ".join(self.verb.forecast(self._call(installation, actor, subject, values))[1])

    def _call(
        self, installation: Installation, actor: StaffMember, subject: str, values: ActValues
    ) -> AnyCall:
        given = {
            **msgspec.structs.asdict(values),
            "words": values.reason.strip(),
            "due": -1 if values.amount is None else values.amount,
            **self.sets,
        }
        sent = {name: given[name] for name in self._takes if name in given}
        return VerbCall(
            installation=installation,
            actor=f"staff:{actor.email}",
            member=actor,
            wall=installation.clock(),
            sent=self.verb.body(sent) if self.has_words else self.verb.takes(**sent),
            target=subject,
        )


_FIELDS = {
    "code": ActField.code,
    "matter": ActField.matter,
    "review_at": ActField.review_at,
    "due": ActField.amount,
    "names_in": ActField.names_in,
}


def list_acts(kind: ItemKind) -> tuple[InboxAct, ...]:
    return _ACTS.get(kind, ())


def act_of(
    verb: AnyVerb,
    name: str,
    *,
    label: str = "",
    means: str = "",
    destroys: bool = False,
    waits_for: ActRefusal = lambda *_: "",
    **sets: object,
) -> InboxAct:
    """Returns the act of a declared verb, with its wording by default."""
    return InboxAct(
        verb=verb,
        name=name,
        label=label or verb.label,
        means=means or str(verb.means),
        destroys=destroys or verb.destroys,
        waits_for=waits_for,
        sets=sets,
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
    act = act_of(verb, verb.word)
    code = next(iter(act.codes), "")
    return msgspec.structs.replace(act, waits_for=partial(_stepping, StaffAct(verb.word), code))


# not marked as destructive: a sweep does it too
RUN = act_of(erasure_verbs.RUN, "run")
ERASE_AT_ONCE = act_of(
    erasure_verbs.RUN,
    "at-once",
    at_once=True,
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
    decision="flag",
    label="Flag as misuse",
    means="A safety copy of what is flagged is kept for the period of the policy. The person sees "
    "the flag.",
)
DISMISS = act_of(
    erasure_verbs.DECIDE_OPEN,
    "dismiss",
    decision="dismiss",
    label="Dismiss",
    means="It is no misuse. Nothing of it changes.",
)
OVERTURN = act_of(
    erasure_verbs.DECIDE_OPEN,
    "overturn",
    decision="overturn",
    label="Overturn the flag",
    means="The safety copy ends with its flag.",
    destroys=True,
)
UPHOLD = act_of(
    erasure_verbs.DECIDE_OPEN,
    "uphold",
    decision="uphold",
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
    return signatures.get_standing(installation, review_verbs.folder_of(installation, release))


_ACTS: dict[ItemKind, tuple[InboxAct, ...]] = {
    ItemKind.request: tuple(map(_request_act, request_verbs.STEPS)),
    ItemKind.erasure: (RUN,),
    ItemKind.recall: (ACKNOWLEDGE,),
    ItemKind.misuse: (FLAG, DISMISS),
    ItemKind.flag: (UPHOLD, OVERTURN),
    ItemKind.hold: (
        act_of(hold_verbs.REVIEW, "review"),
        act_of(hold_verbs.END_ITEM, "end", destroys=True),
    ),
    ItemKind.review: (
        act_of(
            review_verbs.DRAW,
            "draw",
            means="100 rows by chance and 20 by risk.",
            waits_for=_drawing,
        ),
        act_of(
            review_verbs.CLOSE,
            "close",
            means="It is signed, beside the manifest.",
            waits_for=_closing,
        ),
    ),
    ItemKind.signature: (
        act_of(
            review_verbs.SIGN,
            "sign",
            means="Every check of the release is made before it is signed.",
            waits_for=_signing,
        ),
    ),
    ItemKind.sweep: (act_of(erasure_verbs.APPROVE, "approve", destroys=True),),
    ItemKind.model: (act_of(release_verbs.RETIRE, "retire"),),
}
