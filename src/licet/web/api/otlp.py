"""OpenTelemetry spans: an exporter posts its traces, and the turns in their model calls are stored.

A span is accepted completely or not at all, under the same rules as the turns of `POST /v1/turns`:
the same gate, the same stamp and the same encryption, and a turn that is already stored is not
added. What is not accepted is counted by reason in the response (OTLP's partial success, which an
exporter does not send again) and in `/metrics`, and is stored nowhere.

A span may arrive long after its turns were said. The sender's clock decides nothing, with one
exception that only narrows: what was said, by that clock, before the account's newest yes, or
before its conversation was let in again, is not accepted, because it would be stamped as said under
that yes.

OTLP has no message for a deletion. The host deletes a conversation here (`DELETE
/v1/conversations/host:ID`). After that no span restores anything of it, because a deleted
conversation accepts no turns, and the id of a turn stays known after it is erased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, RequestBody, Schema

from licet.access.roles import Scope, may
from licet.errors import BrokenError, LicetError, UsageError
from licet.intake import otlp, spans
from licet.intake.otlp import Encoding
from licet.intake.spans import DropReason, ModelCall
from licet.policy.decide import Gate
from licet.store.connect import Transaction, retrying, transaction
from licet.vault import account_view, policy_versions, verbs
from licet.vault.commands import BEFORE_THE_YES, AddTurn, CommandResult, Outcome, check
from licet.vault.ids import host_hmac
from licet.web.access.limits import OTLP_BYTES_MAX, OTLP_INFLATED_BYTES_MAX
from licet.web.api import schema, turn_command
from licet.web.api import shared as shell
from licet.web.api.problems import headers_of, note, problem_of
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest
from licet.web.site import Site

TAG = ["turns"]
CHUNK_TURNS_MAX = 1_000
CHUNK_CHARACTERS_MAX = 4 * 2**20
TAKEN, KNOWN = "taken", "known"
UNKNOWN_ACCOUNT, UNFIT, BROKEN = "unknown_account", "unfit", "broken"
_NOT_REJECTED = frozenset({TAKEN, KNOWN, DropReason.no_model_call.value})
_MORE = "docs/quickstart/opentelemetry.md explains each"


@dataclass
class _Traces(Operation):
    """The bodies: OTLP's own messages, in either encoding. Refusals of the guard are problems, as
    everywhere.
    """

    def __post_init__(self) -> None:
        self.request_body = RequestBody(
            content=_bodies("An ExportTraceServiceRequest of OTLP."), required=True
        )
        for status, answer in (self.responses or {}).items():
            if isinstance(answer, OpenAPIResponse):
                description = (
                    "An ExportTraceServiceResponse of OTLP."
                    if status == "200"
                    else "A Status: why nothing was taken."
                )
                answer.content = {**(answer.content or {}), **_bodies(description)}


def _bodies(description: str) -> dict[str, OpenAPIMediaType]:
    schema = Schema(description=description)
    return {encoding.value: OpenAPIMediaType(schema=schema) for encoding in Encoding}


def _refused(request: AnyRequest, error: LicetError) -> Response[bytes]:
    """A refusal as OTLP defines it, in the encoding of the request if that is known."""
    problem = problem_of(error)
    if problem.status == 500:
        note(error)
    try:
        encoding = otlp.encoding_of(request.headers.get("content-type", ""))
    except UsageError:
        encoding = Encoding.json
    body = otlp.refusal(encoding, problem.detail or problem.title)
    return Response(
        body, status_code=problem.status, media_type=encoding.value, headers=headers_of(error)
    )


@post(
    "/v1/otlp/v1/traces",
    may=may(scope=Scope.turns_write),
    responses=shell.refusals(413),
    status_code=200,
    tags=TAG,
    operation_class=_Traces,
    request_max_body_size=OTLP_BYTES_MAX,
    exception_handlers={LicetError: _refused},
)
async def take_spans(request: AnyRequest) -> Response[bytes]:
    """Accepts an OTLP trace export: the turns that its GenAI spans add. Point
    `OTEL_EXPORTER_OTLP_ENDPOINT` at `/v1/otlp`.
    """
    site, encoding = site_of(request), otlp.encoding_of(request.headers.get("content-type", ""))
    compression = request.headers.get("content-encoding", "").strip().lower()
    async with site.heavy.body(request.stream()) as body, site.heavy.working():
        counts = await site.calling(partial(_take, site, body, encoding, compression))
    request.app.state.edge.count_spans(counts)
    rejected = {
        reason: count for reason, count in sorted(counts.items()) if reason not in _NOT_REJECTED
    }
    why = ", ".join(f"{count} {reason}" for reason, count in rejected.items())
    body = otlp.answer(encoding, sum(rejected.values()), f"{why}; {_MORE}" if why else "")
    return Response(body, status_code=200, media_type=encoding.value)


def _take(site: Site, body: bytes, encoding: Encoding, compression: str) -> Counter[str]:
    """The outcome of each span, by reason. BusyError if some were not written: all may be sent
    again.
    """
    counts: Counter[str] = Counter()
    calls: list[_Fitting] = []
    for span in otlp.parse_spans(
        otlp.inflate(body, compression, OTLP_INFLATED_BYTES_MAX), encoding
    ):
        call = spans.parse_model_call(span)
        fitting = _fit(call) if isinstance(call, ModelCall) else None
        if fitting is not None:
            calls.append(fitting)
        else:
            counts[call.value if isinstance(call, DropReason) else UNFIT] += 1
    calls.sort(key=lambda one: one.started_at)  # a call repeats earlier ones
    for chunk in _chunks(calls):
        counts.update(_write(site, chunk))
    return counts


class _Fitting(msgspec.Struct, frozen=True, kw_only=True):
    """A call whose turns are within the bounds of the API."""

    account: str
    started_at: datetime
    turns: tuple[schema.NewTurn, ...]


def _fit(call: ModelCall) -> _Fitting | None:
    """The call, checked against the bounds of `POST /v1/turns`; None if it exceeds them."""
    try:
        turns = tuple(
            msgspec.convert(turn, schema.NewTurn, from_attributes=True) for turn in call.turns
        )
    except msgspec.ValidationError:
        return None
    return _Fitting(account=call.account, started_at=call.started_at, turns=turns)


def _chunks(calls: Sequence[_Fitting]) -> Iterator[list[_Fitting]]:
    chunk, turns, size = list[_Fitting](), 0, 0
    for call in calls:
        chunk.append(call)
        turns += len(call.turns)
        size += sum(len(turn.text) for turn in call.turns)
        if turns >= CHUNK_TURNS_MAX or size >= CHUNK_CHARACTERS_MAX:
            yield chunk
            chunk, turns, size = [], 0, 0
    if chunk:
        yield chunk


def _write(site: Site, calls: Sequence[_Fitting]) -> list[str]:
    """Writes some calls in one transaction and returns the outcome of each; if that fails, tries
    each half.
    """

    def run() -> list[str]:
        with transaction(site.installation.pool) as tx:
            return _write_in(tx, site, calls)

    try:
        return list(retrying(run))
    except BrokenError as error:
        if len(calls) == 1:
            note(error)
            return [BROKEN]
    half = len(calls) // 2
    return _write(site, calls[:half]) + _write(site, calls[half:])


def _write_in(tx: Transaction, site: Site, calls: Sequence[_Fitting]) -> list[str]:
    known, now = policy_versions.current(tx), site.now()
    accounts = _accounts(tx, site.host_key, {call.account for call in calls})
    outcomes: dict[int, str] = {}
    commands_by_span: dict[int, list[AddTurn]] = {}
    for place, call in enumerate(calls):
        account = accounts.get(call.account)
        try:
            commands_by_span[place] = (
                [] if account is None else _commands(call, account, site.host_key, now)
            )
        except UsageError:
            outcomes[place] = UNFIT
        if account is None:
            outcomes[place] = UNKNOWN_ACCOUNT
    # Locked, so that no choice comes between the check and the turns.
    gates = account_view.locked_gates(tx, set(accounts.values()), known, now)
    since = account_view.permitted_since(tx, _firsts(commands_by_span.values()))
    for place, commands in commands_by_span.items():
        refusal = _refusal(gates, since, calls[place].started_at, commands) if commands else None
        if refusal is not None:
            outcomes[place] = refusal
    taken = [
        (place, one)
        for place, commands in commands_by_span.items()
        if place not in outcomes
        for one in commands
    ]
    answers: dict[int, list[CommandResult]] = {}
    applied = verbs.apply_commands_in(
        tx, site.installation.keyring, known, [one for _, one in taken]
    )
    for (place, _), answer in zip(taken, applied, strict=True):
        answers.setdefault(place, []).append(answer)
    return [outcomes.get(place) or _outcome(answers[place]) for place in range(len(calls))]


def _accounts(tx: Transaction, host_key: bytes, names: Iterable[str]) -> dict[str, UUID]:
    """The accounts for the host's ids."""
    hashed = {host_hmac(host_key, "account", name): name for name in names}
    return {
        hashed[host]: account for host, account in account_view.accounts_by_host(tx, hashed).items()
    }


def _commands(call: _Fitting, account: UUID, host_key: bytes, now: datetime) -> list[AddTurn]:
    commands = [turn_command.command(turn, account, host_key, now) for turn in call.turns]
    for command in commands:
        check(command)
    return commands


def _firsts(batches: Iterable[Sequence[AddTurn]]) -> list[tuple[UUID, bytes]]:
    """The account and the host's conversation of each call that has turns."""
    firsts = [commands[0] for commands in batches if commands]
    return [
        (one.account, one.host_conversation) for one in firsts if one.host_conversation is not None
    ]


def _refusal(
    gates: Mapping[UUID, Gate],
    since: Mapping[tuple[UUID, bytes], datetime],
    started_at: datetime,
    commands: Sequence[AddTurn],
) -> str | None:
    """Why a call is not accepted, as far as its account decides; the vault decides about its
    conversation.
    """
    first = commands[0]
    at_gate = gates[first.account]
    if at_gate in (Gate.closed, Gate.must_decide):
        return at_gate.value
    assert first.host_conversation is not None
    permitted = since.get((first.account, first.host_conversation))
    return BEFORE_THE_YES if permitted is not None and started_at < permitted else None


def _outcome(answers: Sequence[CommandResult]) -> str:
    refused = next((answer.because for answer in answers if answer.outcome is Outcome.refused), "")
    new = any(answer.outcome is Outcome.done for answer in answers)
    return refused or (TAKEN if new else KNOWN)


ROUTES = [take_spans]
