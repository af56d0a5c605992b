"""Maps failed attempts to errors of `licet.errors` with a code of `ReasonCode`."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx2
import msgspec

from licet.client.reasons import REMEDIES, SENTENCES, SILENT, ReasonCode
from licet.errors import (
    BrokenError,
    BusyError,
    DeniedError,
    GateError,
    LicetError,
    NotFoundError,
    RefusedError,
    UsageError,
)

URN = "urn:licet:problem:"
_OF_TYPE = {
    "unauthenticated": ReasonCode.key_unknown,
    "forbidden": ReasonCode.scope_missing,
    "not_found": ReasonCode.not_found,
    "bad_request": ReasonCode.bad_request,
    "contradiction": ReasonCode.bad_request,
    "method_not_allowed": ReasonCode.bad_request,
    "too_large": ReasonCode.too_large,
    "must_decide": ReasonCode.must_decide,
    "rate_limited": ReasonCode.rate_limited,
    "busy": ReasonCode.busy,
    "outcome_unknown": ReasonCode.busy,
    "idempotency_key_running": ReasonCode.busy,
    "fenced": ReasonCode.fenced,
    "broken": ReasonCode.broken,
}
# also of a proxy before Licet
_OF_STATUS = {413: ReasonCode.too_large, 429: ReasonCode.rate_limited}
_GATEWAY = frozenset({429, 502, 503, 504})


class SetupError(UsageError):
    """A setting of the client is wrong; ``because`` is the mistake."""

    def __init__(self, because: ReasonCode, detail: str = "") -> None:
        sentence = SENTENCES[because]
        super().__init__(f"{sentence}: {detail}" if detail else sentence, REMEDIES[because])
        self.because: ReasonCode = because


class UnansweredError(BusyError):
    """Nobody answered, or Licet could not; ``because`` is the cause. ``retry_after`` is the
    requested wait in seconds, 0 for none.
    """

    def __init__(
        self, because: ReasonCode, detail: str = "", hint: str = "", retry_after: float = 0.0
    ) -> None:
        sentence = SENTENCES[because]
        super().__init__(f"{sentence}: {detail}" if detail else sentence, hint or REMEDIES[because])
        self.because, self.retry_after = because, retry_after


class Reply(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    retry_after: str | None


class Lost(msgspec.Struct, frozen=True):
    """No response outcome: it is unknown whether the request arrived."""

    because: ReasonCode
    what: str = ""


class ReceivedFault(msgspec.Struct, frozen=True):
    """A rejected value."""

    key: str
    message: str


class ReceivedProblem(msgspec.Struct, frozen=True):
    """A received refusal; ``type`` is empty unless it is one of Licet's problems."""

    type: str = ""
    title: str = ""
    detail: str = ""
    hint: str = ""
    because: str = ""
    choice: str = ""
    faults: tuple[ReceivedFault, ...] = ()


def lost_reply(error: httpx2.TransportError) -> Lost:
    """Returns why no response came."""
    causes = list(_causes(error))
    kind = type(error).__name__
    for cause in causes:
        match cause:
            case socket.gaierror():
                return Lost(ReasonCode.name_unknown, kind)
            case ssl.SSLCertVerificationError():
                return Lost(ReasonCode.certificate_unknown, cause.verify_message or kind)
            case ssl.SSLError():
                return Lost(ReasonCode.tls_failed, kind)
            case ConnectionRefusedError():
                return Lost(ReasonCode.connection_refused, kind)
            case _:
                pass
    match error:
        case httpx2.TimeoutException():
            return Lost(ReasonCode.late, kind)
        case httpx2.UnsupportedProtocol():
            return Lost(ReasonCode.address_scheme, kind)
        case httpx2.RemoteProtocolError() if "complete" in str(error):
            return Lost(ReasonCode.cut_off, kind)
        case httpx2.RemoteProtocolError() if "disconnected" not in str(error):
            return Lost(ReasonCode.not_http, kind)
        case httpx2.RemoteProtocolError() | httpx2.NetworkError():
            return Lost(ReasonCode.connection_lost, kind)
        case _:
            return Lost(ReasonCode.no_answer, kind)


def parse_problem(outcome: Reply) -> ReceivedProblem:
    """Parses a response's problem; without a type if it is not Licet's."""
    try:
        problem = msgspec.json.decode(outcome.body, type=ReceivedProblem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ReceivedProblem(title=f"status `{outcome.status}`")
    return (
        problem
        if problem.type.startswith(URN)
        else ReceivedProblem(title=f"status `{outcome.status}`")
    )


def error_for(outcome: Reply | Lost) -> LicetError:
    """Returns the error for an outcome, with its code in ``because``."""
    if isinstance(outcome, Lost):
        return UnansweredError(outcome.because, outcome.what)
    problem = parse_problem(outcome)
    because = _reason_code(outcome, problem)
    message, hint = problem.detail or problem.title or SENTENCES[because], problem.hint
    message = "; ".join([message, *(f"`{fault.key}`: {fault.message}" for fault in problem.faults)])
    if problem.type == f"{URN}contradiction":
        return _coded(UsageError(message, hint), because)
    match outcome.status:
        case 401 | 403:
            return _coded(DeniedError(message, hint or REMEDIES[because]), because)
        case 404:
            return _coded(NotFoundError(message, hint), because)
        case 409 | 422:
            return RefusedError(message, hint, because=problem.because or "refused")
        case 451:
            return GateError(
                message, problem.choice or hint, because=problem.because or ReasonCode.must_decide
            )
        case status if status in _GATEWAY:
            return UnansweredError(because, message, hint, _seconds(outcome.retry_after))
        case status if 400 <= status < 500:
            return _coded(UsageError(message, hint), because)
        case _:
            return _coded(BrokenError(message, hint or REMEDIES[because]), because)


def unreadable_error(outcome: Reply) -> LicetError:
    """Returns the error for a success with an unknown body: another program's, or a later
    version's.
    """
    because = ReasonCode.unreadable if outcome.body[:1] in (b"{", b"[") else ReasonCode.not_licet
    because = ReasonCode.cut_off if not outcome.body else because
    return _coded(BrokenError(SENTENCES[because], REMEDIES[because]), because)


def reason_of(error: BaseException) -> ReasonCode:
    """Returns the code of any error of a call."""
    if isinstance(error, TimeoutError):
        return ReasonCode.late
    because = getattr(error, "because", "")
    return ReasonCode.of(because) if because else ReasonCode.no_answer


def gate_reason(error: BaseException) -> ReasonCode:
    """`reason_of` for a gate, where the missing thing is the account."""
    because = reason_of(error)
    return ReasonCode.no_account if because is ReasonCode.not_found else because


def sentence_of(error: BaseException, because: ReasonCode) -> str:
    """Returns the sentence of an error beside its code."""
    has_own = isinstance(error, LicetError) and because is not ReasonCode.no_account
    return str(error) if has_own else SENTENCES[because]


def _reason_code(outcome: Reply, problem: ReceivedProblem) -> ReasonCode:
    if not problem.type:
        if 300 <= outcome.status < 400:
            return ReasonCode.redirected
        return _OF_STATUS.get(outcome.status, ReasonCode.not_licet)
    if problem.because in SILENT or problem.because == ReasonCode.token_refused:
        return ReasonCode(problem.because)
    return _OF_TYPE.get(problem.type.removeprefix(URN), ReasonCode.refused)


def _coded(error: LicetError, because: ReasonCode) -> LicetError:
    error.because = because
    return error


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() else 0.0


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(10):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
