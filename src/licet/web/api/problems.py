"""Errors as problem+json (RFC 9457): a stable `type` for each class of error, and no content of
anybody.

`type` is a URN that programs may compare. A 404 is the same whatever was asked for and whoever it
belongs to. A 500 says only that something is broken; the log says where.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from licet.access.roles import ForbiddenError, TokenError, UnauthenticatedError
from licet.errors import (
    BrokenError,
    BusyError,
    DeniedError,
    DiskFailedError,
    GateError,
    InputError,
    LicetError,
    NotFoundError,
    RefusedError,
    UsageError,
    error_places,
)
from licet.keys.fence import FencedError
from licet.store.connect import OutcomeUnknownError
from licet.vault.commands import ChoiceFault
from licet.vault.idempotency import ReusedKeyError, RunningKeyError

URN = "urn:licet:problem:"
MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1
# Litestar's message: nothing is broken, and nobody reads the response
_LEFT = "client disconnected prematurely"
GONE_OR_NEVER = "there is nothing here that you may see"

_log = structlog.get_logger("licet.web")


class BodyTooLargeError(UsageError):
    status = 413


class ContradictoryRequestError(UsageError):
    """Parts of a request that are valid alone, but not together."""

    status = 422


class UnknownShowingError(NotFoundError):
    """A yes to a question that was never shown to the account."""


class RateLimitedError(BusyError):
    """``seconds`` is when to try again."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__("too many requests", "slow down")
        self.seconds = seconds


class MustDecideError(GateError):
    """A person writes while their gate is `must_decide`. ``choice`` is the URL where the account
    answers.
    """

    def __init__(self, choice: str) -> None:
        super().__init__(
            "the account must decide first",
            "show the notice; either answer opens the gate",
            because="must_decide",
        )
        self.choice = choice


# The order matters: the first matching class gives the type.
TYPES: tuple[tuple[type[LicetError], str, str], ...] = (
    (UnauthenticatedError, "unauthenticated", "Who is calling is not known"),
    (ForbiddenError, "forbidden", "The caller may not do this"),
    (RateLimitedError, "rate_limited", "Too many requests"),
    (
        ReusedKeyError,
        "idempotency_key_reused",
        "The Idempotency-Key came with another request before",
    ),
    (
        RunningKeyError,
        "idempotency_key_running",
        "The first request with this Idempotency-Key is still under way",
    ),
    (BodyTooLargeError, "too_large", "The request is larger than is taken"),
    (ContradictoryRequestError, "contradiction", "Parts of the request contradict each other"),
    (GateError, "must_decide", "The account must decide first"),
    (InputError, "bad_request", "The request cannot be understood"),
    (UsageError, "bad_request", "The request cannot be understood"),
    (NotFoundError, "not_found", "Not found"),
    (FencedError, "fenced", "The database is being restored"),
    (RefusedError, "refused", "Understood and refused"),
    (DeniedError, "denied", "The content may not be opened"),
    (OutcomeUnknownError, "outcome_unknown", "The outcome is not known"),
    (BusyError, "busy", "Try again in a moment"),
    (BrokenError, "broken", "Something is broken"),
    (LicetError, "broken", "Something is broken"),
)
OF_STATUS = {
    400: ("bad_request", "The request cannot be understood"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "The method is not allowed here"),
    413: ("too_large", "The request is larger than is taken"),
}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One value that does not fit."""

    key: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal. ``because`` is a stable word; ``choice`` is the URL where the account answers."""

    type: str
    title: str
    status: int
    detail: str = ""
    hint: str = ""
    because: str = ""
    choice: str = ""
    faults: tuple[Fault, ...] = ()


def problem_of(error: LicetError) -> Problem:
    """The problem for one of our errors."""
    name, title = next((name, title) for kind, name, title in TYPES if isinstance(error, kind))
    if isinstance(error, NotFoundError):
        because = ChoiceFault.showing.value if isinstance(error, UnknownShowingError) else ""
        return Problem(
            type=URN + name, title=title, status=404, detail=GONE_OR_NEVER, because=because
        )
    if error.status >= 500 and not isinstance(error, BusyError | FencedError | DiskFailedError):
        return Problem(type=URN + name, title=title, status=500)
    return Problem(
        type=URN + name,
        title=title,
        status=error.status,
        detail=error.message,
        hint=error.hint,
        because=error.because
        if isinstance(error, RefusedError | BusyError | DiskFailedError | TokenError)
        else "",
        choice=error.choice if isinstance(error, MustDecideError) else "",
    )


def headers_of(error: LicetError) -> dict[str, str]:
    """The response headers for one of our errors."""
    if isinstance(error, UnauthenticatedError):
        return {"www-authenticate": 'Bearer realm="licet"'}
    if isinstance(error, RateLimitedError):
        return {"retry-after": str(error.seconds)}
    if isinstance(error, MustDecideError):
        return {"link": f'<{error.choice}>; rel="blocked-by"'}
    if isinstance(error, BusyError | RunningKeyError | FencedError):
        return {"retry-after": str(RETRY_SECONDS)}
    return {}


def answered(problem: Problem, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers or {},
    )


def on_ours(_: Request[Any, Any, Any], error: LicetError) -> Response[bytes]:
    problem = problem_of(error)
    if problem.status == 500:
        note(error)
    return answered(problem, headers_of(error))


def on_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Handles what Litestar refuses before one of our routes sees it."""
    if error.status_code >= 500 and error.detail != _LEFT:
        note(error)
    name, title = OF_STATUS.get(
        error.status_code, ("broken" if error.status_code >= 500 else "bad_request", "")
    )
    problem = Problem(
        type=URN + name,
        title=title or "The request cannot be taken",
        status=error.status_code,
        detail=GONE_OR_NEVER if error.status_code == 404 else "",
        faults=_faults(error),
    )
    kept = {k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"}
    return answered(problem, kept)


def on_unknown(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    note(error)
    return answered(Problem(type=URN + "broken", title="Something is broken", status=500))


_QUOTED = re.compile(r"(Invalid enum value) .*?(?= - at `|$)", re.DOTALL)


def unquoted(message: str) -> str:
    """A decoder's message without the rejected value, because a value in the wrong place may be
    content.
    """
    return _QUOTED.sub(r"\1", message)


def _faults(error: HTTPException) -> tuple[Fault, ...]:
    """The rejected values."""
    if not isinstance(error, ValidationException) or not isinstance(error.extra, list):
        return ()
    return tuple(
        Fault(key=str(one.get("key", "")), message=unquoted(str(one.get("message", ""))))
        for one in error.extra
        if isinstance(one, dict)
    )


def note(error: BaseException) -> None:
    """Logs an error that no caller caused: its type and its places, and only messages of our
    own.
    """
    message = error.message if isinstance(error, LicetError) else ""
    _log.error("broken", error=type(error).__name__, message=message, places=error_places(error))
