"""Staff verbs on erasures, recalls, misuse suggestions, flags, and a waiting sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from licet.access.roles import StaffRole
from licet.erasure import certificates, recall_register, recipient_answers, sweeper
from licet.erasure.certificates import ErasureForecast, ErasureRun, ErasureStatus
from licet.erasure.recall_register import Recall
from licet.erasure.sweeper import SweepStatus
from licet.errors import NotFoundError, UsageError
from licet.misuse import suggestions
from licet.misuse.suggestions import Suggestion
from licet.service.staff_verb import (
    FROM_FILE,
    OFFICER,
    OWNER,
    AnyCall,
    AnyVerb,
    NoBody,
    StaffVerb,
    VerbAnswer,
    VerbBody,
    VerbCall,
)

if TYPE_CHECKING:
    from licet.train.export_files import Export

LOOKING = (StaffRole.privacy_officer, StaffRole.reviewer)


class RunErasure(VerbBody, frozen=True, kw_only=True):
    """``at_once`` destroys the keys before the period ends; ``dry_run`` changes nothing."""

    at_once: Annotated[
        bool,
        Meta(
            description="Destroy the keys of what was deleted without waiting for the end of its "
            "period.",
            extra={"option": "--now"},
        ),
    ] = False
    dry_run: bool = False


class ErasureMoved(VerbAnswer, frozen=True, kw_only=True):
    """The work that was due, and the erasure's state now."""

    forecast: ErasureForecast
    erasure: ErasureStatus


class MisuseDecision(VerbBody, frozen=True, kw_only=True):
    decision: Literal["flag", "dismiss", "overturn", "uphold"]


class SweepApproval(VerbBody, frozen=True, kw_only=True):
    """``due`` is the waiting sweep's announced amount."""

    due: Annotated[int, Meta(ge=0, le=2**53)]


def _run_erasure(call: VerbCall[RunErasure]) -> ErasureMoved:
    installation, at_once = call.installation, call.sent.at_once
    seen = certificates.forecast_erasures(installation, only=call.target, at_once=at_once)
    if not call.dry_run:
        certificates.advance_erasures(installation, only=call.target, at_once=at_once)
    return ErasureMoved(forecast=seen, erasure=certificates.status(installation, call.target))


def _would_run(_: VerbCall[RunErasure], done: ErasureMoved) -> tuple[str]:
    seen, status = done.forecast, done.erasure
    if status.verified_at is not None:
        return ("Done already: its certificate is signed.",)
    if seen.held:
        return ("Stays: a legal hold keeps it.",)
    if seen.later:
        ends = f": its period ends on {status.due_at:%Y-%m-%d}" if status.due_at else ""
        return (f"Nothing yet{ends}.",)
    return (
        f"Keys to be destroyed: {seen.keys:,}. Then it is swept and certified, where possible.",
    )


def _did_run(_: VerbCall[RunErasure], done: ErasureMoved) -> str:
    state = done.erasure.state
    rest = "" if state == "verified" else ": the rest follows by itself"
    return f"It is {state}{rest}."


RUN: StaffVerb[RunErasure, ErasureMoved] = StaffVerb(
    name="run_erasure",
    about="Moves an erasure as far as it can go now; with `at_once` without waiting for the end of "
    "its period. A dry run says what would be done.",
    who=OFFICER,
    takes=RunErasure,
    run=_run_erasure,
    route="erasures/{erasure:str}/run",
    answers=ErasureMoved,
    answer=lambda call, done: done or _run_erasure(msgspec.structs.replace(call, dry_run=True)),
    label="Advance now",
    means="What is due is erased and certified now, as the next sweep would do.",
    would=_would_run,
    did=_did_run,
)


def _advance(call: VerbCall[RunErasure]) -> ErasureForecast | ErasureRun:
    step = certificates.forecast_erasures if call.dry_run else certificates.advance_erasures
    return step(call.installation, only=call.target or None, at_once=call.sent.at_once)


def _did_advance(call: AnyCall, done: ErasureRun) -> str:
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(done.states.items()))
    waits = certificates.count_unlogged(call.installation).closures
    unlogged = (
        f"; {waits:,} closures wait for the log: `licet serve` or `licet ledger append`"
        if waits
        else ""
    )
    return f"{states or 'none waits'}; {done.certificates:,} certificates signed{unlogged}"


ADVANCE: AnyVerb = StaffVerb(
    name="advance_erasures",
    about="Moves every erasure, or one, as far as it can go now. `licet sweep` does so too. An "
    "interrupted run continues when it is called again.",
    who=OFFICER,
    takes=RunErasure,
    run=_advance,
    would=lambda _, seen: (
        f"would finish {seen.due:,} erasures and destroy {seen.keys:,} keys; {seen.held:,} are "
        f"kept by a hold, {seen.later:,} are not due yet",
    ),
    did=_did_advance,
    command="erase run",
    noun="[ERASURE]",
    by="",
    example="--dry-run",
)


def _acknowledge(call: AnyCall, signed: str | None = None) -> Recall:
    erasure, _, handout = call.target.partition("+")
    if not call.dry_run:
        return recall_register.acknowledge(call.installation, erasure, handout, signed)
    recalls = certificates.status(call.installation, erasure).recalls
    found = next((recall for recall in recalls if recall.handout == handout), None)
    if found is None:
        raise NotFoundError("nothing was recalled there")
    return found


ACKNOWLEDGE: StaffVerb[NoBody, Recall] = StaffVerb(
    name="acknowledge_recall",
    about="Records that a recipient took the rows of an erasure out of use. The person sees it.",
    who=OFFICER,
    takes=NoBody,
    run=_acknowledge,
    route="erasures/{erasure:str}/recalls/{handout:str}/acknowledge",
    answers=Recall,
    answer=lambda call, done: done or _acknowledge(call),  # what was acknowledged stays so
    label="Record the acknowledgement",
    means="It goes on record that the recipient took these rows out of use. The person sees it.",
    would=lambda _, recall: (
        "On record already."
        if recall.acknowledged_at
        else f"{recall.recipient} has deleted what was recalled of {recall.release}.",
    ),
    did=lambda _, recall: f"On record: {recall.recipient} has deleted it.",
)


class SignedRecallAnswer(VerbBody, frozen=True, kw_only=True):
    signed: Annotated[
        str | None, Meta(description="The recipient's signed answer.", extra=FROM_FILE)
    ] = None


def _acknowledge_any(call: VerbCall[SignedRecallAnswer]) -> Recall | Export:
    from licet.train import export_files  # here: no other verb of erasures needs it

    is_export = call.target.startswith("exp_")
    if is_export and call.sent.signed is not None:
        raise UsageError(
            "an export has no signed answer", "the recipient signs for an erasure and a handout"
        )
    if is_export == ("+" in call.target):
        raise UsageError(
            "it takes an erasure and a handout, or an export",
            "`licet recall list` shows what is open",
        )
    if is_export:
        return export_files.acknowledge(call.installation, call.target)
    return _acknowledge(call, call.sent.signed)


ACKNOWLEDGE_BY_COMMAND: AnyVerb = msgspec.structs.replace(
    ACKNOWLEDGE,
    about="""Records that a recipient deleted what was recalled. NAMES are an erasure and the handout
that it was recalled from, or an export.

Of an export, that is all of it if all of it was recalled, or else the recalled rows. A signed
answer is kept, and stands in a certificate that is made later.""",
    takes=SignedRecallAnswer,
    run=_acknowledge_any,
    would=None,
    route="",
    command="recall ack",
    noun="NAMES...",
    by="",
    example="era_0190f3a4c2d87b6e9a51c3d4e5f60718 hand_0190f3a5d1e27c8f8b62d4e5f6071829 "
    "--signed answer.jws\nexp_0190f3a4c2d87b6e9a51c3d4e5f60718",
)


def _recall_ended(call: AnyCall) -> dict[str, int]:
    from licet.train import recipients  # here: no other verb of erasures needs it

    return {"rows": recipients.recall_ended(call.installation)}


def _trust(call: AnyCall) -> dict[str, str]:
    if call.target.count("+") < 2:
        raise UsageError(
            f"`{call.target}` is no vkey", "copy its whole line, as `licet recall key` printed it"
        )
    key = recipient_answers.register(call.installation, call.target)
    return {"recipient": key.name, "vkey": key.vkey}


RECALL_ENDED: StaffVerb[NoBody, dict[str, int]] = StaffVerb(
    name="recall_ended_rows",
    about="Recalls every exported row that may no longer be used. `licet serve` does so every few "
    "minutes.",
    who=OFFICER,
    takes=NoBody,
    run=_recall_ended,
    did=lambda _, done: f"recalled {done['rows']:,} rows: `licet recall list`",
    command="recall run",
    noun="",
    by="",
)
HAND_OUT: StaffVerb[NoBody, dict[str, str]] = StaffVerb(
    name="register_handout",
    about="Registers that RELEASE was given to RECIPIENT. The recipient is then notified of every "
    "erasure in it.",
    who=OFFICER,
    takes=NoBody,
    run=lambda call: {
        "handout": recall_register.hand_out(call.installation, *call.target.split("+"))
    },
    did=lambda _, done: done["handout"],
    command="recall handed",
    noun="RELEASE RECIPIENT",
    by="",
    example="october lab-one",
)
TRUST: StaffVerb[NoBody, dict[str, str]] = StaffVerb(
    name="trust_recipient",
    about="""Registers the key with which a recipient signs their answers.

VKEY is its public half, as `licet recall key` prints it. It replaces an earlier one.""",
    who=OFFICER,
    takes=NoBody,
    run=_trust,
    did=lambda _, done: f"registered for {done['recipient']}",
    command="recall trust",
    noun="VKEY",
    by="",
    example='"$(cat lab-one.vkey)"',
)


def _decide_open(call: VerbCall[MisuseDecision]) -> Suggestion:
    only_open = call.sent.decision not in ("overturn", "uphold")
    if not call.dry_run:
        return _decide(call, only_open)
    found = suggestions.get_suggestion(call.installation, call.target)
    if only_open:
        suggestions.check_undecided(found)
    return found


def _decide(call: VerbCall[MisuseDecision], only_open: bool = False) -> Suggestion:
    decision = call.sent.decision
    return suggestions.decide(
        call.installation,
        call.target,
        call.staff,
        dismiss=decision == "dismiss",
        overturn=decision == "overturn",
        uphold=decision == "uphold",
        only_open=only_open,
    )


DECIDE: StaffVerb[MisuseDecision, Suggestion] = StaffVerb(
    name="decide_misuse",
    about="Flags a conversation, dismisses a suggestion about it, or overturns or upholds "
    "its flag; on record as the caller's decision.",
    who=LOOKING,
    takes=MisuseDecision,
    run=_decide,
    route="conversations/{conversation:str}/misuse",
    answers=Suggestion,
    answer=lambda call, done: done or suggestions.get_suggestion(call.installation, call.target),
    did=lambda _, done: f"{done.conversation}: {done.decision} by {done.decided_by}",
    by="member",
)
# As DECIDE, for undecided suggestions: inbox items, and rows of its table
DECIDE_OPEN: StaffVerb[MisuseDecision, Suggestion] = StaffVerb(
    name="decide_suggestion",
    about="Decides an open suggestion about a conversation.",
    who=LOOKING,
    takes=MisuseDecision,
    run=_decide_open,
    would=lambda _, found: (
        f"Suggested with {found.score:.2f}."
        if found.score is not None
        else "Suggested without a score.",
    ),
    did=lambda _, done: f"On record: {done.decision} by {done.decided_by}.",
)


def _approve(call: VerbCall[SweepApproval]) -> SweepStatus:
    return sweeper.approve(call.installation, call.actor, amount=call.sent.due)


APPROVE: StaffVerb[SweepApproval, SweepStatus] = StaffVerb(
    name="approve_sweep",
    about="Approves the amount that a waiting sweep announced. If more becomes due meanwhile, it "
    "asks again.",
    who=(*OFFICER, *OWNER),
    takes=SweepApproval,
    run=_approve,
    route="sweep/approve",
    answers=SweepStatus,
    answer=lambda call, done: done or sweeper.sweep_status(call.installation),
    label="Approve it",
    means="The next sweep erases that much. It cannot be brought back.",
    did=lambda _, done: f"Approved, and on record: the next sweep erases {done.approved or 0:,}.",
)
# By command: whatever amount it announced
APPROVE_ANY: AnyVerb = msgspec.structs.replace(
    APPROVE,
    takes=NoBody,
    run=lambda call: sweeper.approve(call.installation, call.actor),
    route="",
    command="sweep approve",
    noun="",
    by="",
)
VERBS: tuple[AnyVerb, ...] = (
    RUN,
    ADVANCE,
    ACKNOWLEDGE,
    ACKNOWLEDGE_BY_COMMAND,
    RECALL_ENDED,
    HAND_OUT,
    TRUST,
    DECIDE,
    APPROVE,
    APPROVE_ANY,
)
