"""Staff verbs on people's legal requests, for privacy officers: enter one that came by letter, mail
or telephone, and take the steps of its answer. One API route takes every step; each has its own
command and inbox act.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated

from msgspec import Meta

from licet.consent import rights_requests
from licet.consent.deadlines import PauseReason, RightKind
from licet.consent.rights import ExtensionReason, RefusalReason
from licet.consent.rights_requests import (
    WORDS_CHARACTERS_MAX,
    EnteredRequest,
    RightsRequest,
    SeenRequest,
    StaffAct,
)
from licet.policy.regions import REGION
from licet.proof import documents
from licet.service.staff_verb import (
    FROM_FILE,
    OFFICER,
    AnyCall,
    AnyVerb,
    StaffVerb,
    VerbBody,
    VerbCall,
)
from licet.vault.ids import HOST_ID_CHARACTERS_MAX

Written = Annotated[
    str,
    Meta(
        max_length=WORDS_CHARACTERS_MAX,
        description="What somebody writes; it is sealed.",
        extra=FROM_FILE,
    ),
]


class NewEnteredRequest(VerbBody, frozen=True, kw_only=True):
    """A request received by staff on another channel. ``identity`` says how its sender was
    identified; both texts are sealed.

    ``account`` is omitted for somebody without one; the account's own region takes precedence over
    ``region``. ``received_at`` is by default now.
    """

    kind: Annotated[RightKind, Meta(description="What is asked for.")]
    words: Written
    identity: Annotated[Written, Meta(description="How the sender was identified; it is sealed.")]
    account: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=HOST_ID_CHARACTERS_MAX,
                description="`acc_..`, or `host:` and the host's own id; none for somebody without "
                "one.",
            ),
        ]
        | None
    ) = None
    region: (
        Annotated[
            str,
            Meta(
                pattern=f"^{REGION.pattern}$",
                examples=["DE", "US-CA"],
                description="Where the person lives, as DE or US-CA.",
            ),
        ]
        | None
    ) = None
    received_at: (
        Annotated[
            datetime,
            Meta(description="When it came; by default now.", extra={"option": "--received"}),
        ]
        | None
    ) = None


class NewRequestAct(VerbBody, frozen=True, kw_only=True):
    """A step by staff. ``reason`` is a word of the list of a pause (`identity`, `clarification`),
    an extension (`complexity`, `number`) or a refusal; ``words`` are sent to the person.
    """

    act: StaffAct
    reason: Annotated[str, Meta(max_length=200)] = ""
    words: Written = ""


def _enter(call: VerbCall[NewEnteredRequest]) -> RightsRequest:
    sent, installation = call.sent, call.installation
    account = sent.account.removeprefix("host:") if sent.account else ""
    entered = EnteredRequest(
        kind=sent.kind,
        words=sent.words.strip(),
        identity=sent.identity.strip(),
        account=documents.account_named(installation, account) if account else None,
        region=sent.region,
        received_at=sent.received_at,
    )
    return rights_requests.enter(installation, entered, call.actor)


def answer(call: AnyCall, done: RightsRequest | None) -> SeenRequest:
    """Returns the request as staff see it, with its words."""
    if done is None:
        name = call.made or call.target
        return rights_requests.get_request(call.installation, name, with_words=True)
    return rights_requests.detail(done, call.installation.clock(), for_staff=True)


ENTER: StaffVerb[NewEnteredRequest, RightsRequest] = StaffVerb(
    name="enter_request",
    about="Enters a request that came by letter, mail or telephone. How its sender was "
    "identified is recorded with it. Its clock begins with its receipt.",
    who=OFFICER,
    takes=NewEnteredRequest,
    run=_enter,
    route="requests",
    page="rights/enter",
    named_by="kind",
    status=201,
    tag="rights",
    answers=SeenRequest,
    answer=answer,
    made=lambda done: done.shown_id,
    command="request enter",
    example="erasure --words letter.txt --identity identity.txt --region FR",
)


def _take_step(call: AnyCall, act: StaffAct, reason: str, words: str) -> RightsRequest:
    return rights_requests.take_step(
        call.installation, call.target, act, call.actor, reason=reason, words=words.strip()
    )


STEP: StaffVerb[NewRequestAct, RightsRequest] = StaffVerb(
    name="act_on_request",
    about="Acknowledges, pauses, resumes, extends, answers or refuses a request. The person reads "
    "``words``.",
    who=OFFICER,
    takes=NewRequestAct,
    run=lambda call: _take_step(call, call.sent.act, call.sent.reason, call.sent.words),
    route="requests/{request_id:str}/steps",
    page="rights/{request_id:str}/step",
    tag="rights",
    answers=SeenRequest,
    answer=answer,
    flash="Done: it is the last step below.",
)

ToPerson = Annotated[Written, Meta(description="What the person reads.")]


class RequestNote(VerbBody, frozen=True, kw_only=True):
    words: ToPerson = ""


class RequestWords(VerbBody, frozen=True, kw_only=True):
    words: ToPerson


class RequestPause(RequestWords, frozen=True, kw_only=True):
    code: Annotated[PauseReason, Meta(description="The reason.", extra={"option": "--reason"})]


class RequestExtension(RequestWords, frozen=True, kw_only=True):
    code: Annotated[ExtensionReason, Meta(description="The reason.", extra={"option": "--reason"})]


class RequestRefusal(RequestWords, frozen=True, kw_only=True):
    code: Annotated[RefusalReason, Meta(description="The reason.", extra={"option": "--reason"})]


def _run(act: StaffAct, call: AnyCall) -> RightsRequest:
    return _take_step(call, act, getattr(call.sent, "code", ""), call.sent.words)


def _step(
    act: StaffAct,
    takes: type[VerbBody],
    about: str,
    label: str,
    means: str,
    example: str = "",
    *,
    destroys: bool = False,
) -> AnyVerb:
    return StaffVerb(
        name=f"{act.value}_request",
        about=about,
        who=OFFICER,
        takes=takes,
        run=partial(_run, act),
        answer=answer,
        label=label,
        means=means,
        destroys=destroys,
        did=lambda _, done: f"The request is {done.row.clock.state.value}.",
        command=f"request {act.value}",
        noun="REQUEST",
        example=f"req_0190f3a4c2d87b6e9a51c3d4e5f60718{example}",
    )


STEPS = (
    _step(
        StaffAct.acknowledge,
        RequestNote,
        "Confirms the receipt of REQUEST. The first confirmation stands.",
        "Confirm its receipt",
        "The person sees that it was received.",
    ),
    _step(
        StaffAct.answer,
        RequestWords,
        "Answers REQUEST, which ends it.",
        "Answer it",
        "This ends the request. The person reads what you write.",
        " --words answer.txt",
        destroys=True,
    ),
    _step(
        StaffAct.refuse,
        RequestRefusal,
        "Refuses REQUEST, which ends it. The person reads the reason, and where to complain.",
        "Refuse it",
        "This ends the request. The person reads why, and where to complain.",
        " --reason unfounded --words why.txt",
        destroys=True,
    ),
    _step(
        StaffAct.pause,
        RequestPause,
        "Asks the person of REQUEST something, and waits. The clock stops where the law stops it.",
        "Ask the person",
        "The clock stops only where the law of the region stops it.",
        " --reason identity --words question.txt",
    ),
    _step(
        StaffAct.resume,
        RequestNote,
        "Goes on with REQUEST without an answer of its person.",
        "Go on without an answer",
        "Its clock runs again.",
    ),
    _step(
        StaffAct.extend,
        RequestExtension,
        "Extends REQUEST by what the law allows. That is possible once, before it is due.",
        "Extend it",
        "Once, and the person reads why.",
        " --reason complexity --words why.txt",
    ),
)
VERBS: tuple[AnyVerb, ...] = (ENTER, STEP, *STEPS)
