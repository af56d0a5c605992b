"""Shared by the routes under /v1: the refusals that they may return, idempotency, and cursors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Generic, TypeAlias, TypedDict, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from licet.access.roles import Caller, Nobody, Person, Service, Staff
from licet.errors import BrokenError, LicetError, RefusedError, UsageError
from licet.policy.state import NOTHING, Grant, GrantScope, ScopeKind, TurnState
from licet.release.signatures import StaffMember
from licet.store.connect import OutcomeUnknownError
from licet.vault import idempotency
from licet.vault.commands import ChoiceFault, Command, CommandResult, Outcome
from licet.vault.content import Content
from licet.vault.idempotency import IdempotentCall
from licet.vault.ids import Prefix, format_id, format_turn_id
from licet.vault.requests import VerbRequest, WriteResult
from licet.web.access.limits import PAGE_ROWS, PAGE_ROWS_MAX
from licet.web.api import schema
from licet.web.api.problems import (
    MEDIA_TYPE,
    ContradictoryRequestError,
    MustDecideError,
    Problem,
    UnknownShowingError,
)
from licet.web.api.references import not_found, site_of

AnyRequest = Request[Any, Any, Any]
Body = TypeVar("Body")


class Acted(msgspec.Struct, Generic[Body], frozen=True):
    """The result of a verb of staff, and the id or name of what it created, if the URL does not
    name it.
    """

    body: Body
    made: str = ""


REPLAYED = {"idempotent-replayed": "true"}
CURSOR_CHARACTERS_MAX = 100

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        max_length=idempotency.KEY_CHARACTERS_MAX,
        required=False,
        description="The same key twice is one request. Kept for 24 hours.",
    ),
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor",
        max_length=CURSOR_CHARACTERS_MAX,
        required=False,
        description="`next` of the page before.",
    ),
]
Limit = Annotated[
    int,
    QueryParameter(
        name="limit", ge=1, le=PAGE_ROWS_MAX, required=False, description="Items a page at most."
    ),
]


def id_parameter(description: str) -> Any:  # noqa: ANN401 Litestar's
    """The parameter of a path that is an id of ours."""
    return PathParameter(description=description, min_length=1, max_length=64)


AccountRef = Annotated[
    str,
    PathParameter(
        description="`acc_..`, `host:` and the host's own id, or `me` for a person's own.",
        min_length=1,
        max_length=600,
    ),
]
ConversationRef = Annotated[
    str,
    PathParameter(
        description="`conv_..`, or `host:` and the host's own id.", min_length=1, max_length=600
    ),
]
HandoutRef = Annotated[str, id_parameter("`hand_..`, as the recalls of an erasure have it.")]
OfAccount = Annotated[
    str | None,
    QueryParameter(
        name="account",
        required=False,
        max_length=600,
        description="Whose it is, beside an id of the host's.",
    ),
]
LIMIT = PAGE_ROWS

_COMMON = {
    400: "The request cannot be understood",
    401: "Who is calling is not known",
    403: "The caller may not do this",
    404: "Not found, or not yours",
    405: "The method is not allowed here",
    409: "Understood and refused, or the first request with this key is still under way",
    413: "The request is larger than is taken",
    422: (
        "Parts of the request contradict each other, or the Idempotency-Key came with another "
        "request before"
    ),
    429: "Too many requests",
    451: "The account must decide first; `choice` says where",
    503: "Try again in a moment",
}


def refusals(*more: int) -> dict[int, ResponseSpec]:
    """The refusals of a route: those of every route, and ``more``."""
    return {
        status: ResponseSpec(
            data_container=Problem,
            description=_COMMON[status],
            media_type=MEDIA_TYPE,
            generate_examples=False,
        )
        for status in sorted({400, 401, 403, 429, 503, *more})
    }


_REFUSED = {
    "too_many_segments": "the conversation changed its surface, plan or permission too often: begin another one",
    "closed": "the account is closed",
    "deleted": "the conversation was deleted",
    "expired": "the conversation has expired",
    "stale": (
        "it answers a question that is older than the newest choice or than the terms in force: "
        "show it again"
    ),
    "closed_deleted_or_expired": "the account is closed, or the conversation was deleted or has expired",
}

_CONTRADICTIONS: dict[str, tuple[str, str]] = {
    ChoiceFault.scope: ("a scope names a project or a conversation", "name one of them"),
    ChoiceFault.keep: ("`keep` belongs to a no", "leave it out: a yes ends nothing"),
}

READS = refusals(404)
WRITES = refusals(404, 409, 413, 422)


def caller_name(caller: Caller) -> bytes:
    """The caller as a key for data kept per caller."""
    match caller:
        case Person():
            return b"p" + (caller.account.bytes if caller.account else b"")
        case Service():
            return b"k" + caller.key_id.bytes
        case Staff():
            return b"s" + caller.staff_id.bytes
        case Nobody():
            raise not_found()


def member_of(staff: Staff) -> StaffMember:
    """The acting member of staff, in the form that release and misuse verbs take."""
    return StaffMember(
        staff_id=staff.staff_id,
        email=staff.email,
        roles=frozenset(role.value for role in staff.roles),
        via="console",
        identity=staff.identity,
    )


async def once_of(request: AnyRequest, key: str | None) -> IdempotentCall | None:
    """The request's `Idempotency-Key`, if it has one, as a call."""
    if key is None:
        return None
    site = site_of(request)
    path = f"{request.method} {request.scope['path']}?".encode() + request.scope["query_string"]
    return idempotency.make_call(
        site.host_key, caller_name(request.auth), key, path, await request.body()
    )


async def write(
    request: AnyRequest, command: Command | VerbRequest, key: str | None
) -> WriteResult:
    """Applies a command of a request; NotFoundError if its account or conversation is unknown."""
    written = await site_of(request).write(command, await once_of(request, key))
    refuse(written.answer, command.account)
    return written


Again: TypeAlias = Callable[[str], Body]
"""What there is now of what a call made, whose id or name it is given."""


async def acted(
    request: AnyRequest,
    key: str | None,
    act: Callable[[], Acted[Body]],
    again: Again[Body],
    status: int = 200,
) -> Response[Body]:
    """Runs a verb of staff once, on a thread, and returns its result; for a repetition the present
    state.

    ``again`` gets what the first call created. A refused call is forgotten, so that it can be tried
    again.
    """
    site, once = site_of(request), await once_of(request, key)
    if once is None:
        return Response((await site.calling(act)).body, status_code=status)
    began = site.now()
    before = await site.reading(lambda tx: idempotency.begin(tx, once, began))
    if before is not None:
        body = await site.calling(lambda: again(before.made))
        return Response(body, status_code=status, headers=REPLAYED)
    try:
        result = await site.calling(act)
    except (BrokenError, OutcomeUnknownError):
        raise  # it stays begun: nobody knows how far it came
    except LicetError:
        await site.reading(lambda tx: idempotency.cancel(tx, once))
        raise
    await site.reading(lambda tx: idempotency.finish(tx, once, result.made))
    return Response(result.body, status_code=status)


def refuse(answer: CommandResult, account: UUID) -> None:
    """Raises the error for a command that did nothing."""
    if answer.outcome is Outcome.unknown:
        raise not_found()
    if answer.outcome is Outcome.refused:
        if answer.because == "must_decide":
            raise MustDecideError(f"/v1/accounts/{format_id(Prefix.account, account)}/choices")
        if answer.because == ChoiceFault.showing:
            raise UnknownShowingError("the account was shown no such question")
        if answer.because in _CONTRADICTIONS:
            raise ContradictoryRequestError(*_CONTRADICTIONS[answer.because])
        raise RefusedError(_REFUSED.get(answer.because, "refused"), because=answer.because)


def answered(body: Body, written: WriteResult, status: int) -> Response[Body]:
    return Response(body, status_code=status, headers=REPLAYED if written.replayed else {})


async def write_change(
    request: AnyRequest, command: Command | VerbRequest, key: str | None
) -> Response[schema.ChangeAnswer]:
    """Applies a command as `write` does, and returns its changes."""
    return change_answer(await write(request, command, key))


def change_answer(written: WriteResult) -> Response[schema.ChangeAnswer]:
    answer = written.answer
    conversation = (
        format_id(Prefix.conversation, answer.conversation)
        if answer.conversation is not None
        else None
    )
    body = schema.ChangeAnswer(
        outcome=answer.outcome,
        at=answer.at,
        account=format_id(Prefix.account, answer.account),
        conversation=conversation,
        project=project_shown(answer),
        erasure=format_id(Prefix.erasure, answer.erasure) if answer.erasure is not None else None,
        ended=tuple(map(grant_shown, answer.ended)),
    )
    return answered(body, written, 200)


def project_shown(answer: CommandResult) -> str | None:
    """Our id of the project of a command's result."""
    return format_id(Prefix.project, answer.project) if answer.project is not None else None


class ScopeShown(TypedDict):
    """A scope as answers show it, by our ids."""

    scope: ScopeKind
    project: str | None
    conversation: str | None


def scope_shown(scope: GrantScope) -> ScopeShown:
    named = UUID(hex=scope.name) if scope.name not in ("", NOTHING) else None
    return ScopeShown(
        scope=scope.kind,
        project=format_id(Prefix.project, named)
        if named is not None and scope.kind is ScopeKind.project
        else None,
        conversation=(
            format_id(Prefix.conversation, named)
            if named is not None and scope.kind is ScopeKind.conversation
            else None
        ),
    )


def grant_shown(grant: Grant) -> schema.GrantAnswer:
    return schema.GrantAnswer(
        number=grant.number, question=grant.question, **scope_shown(grant.scope)
    )


def cursor_of(value: UUID | int) -> str:
    """An opaque cursor."""
    raw = value.bytes if isinstance(value, UUID) else value.to_bytes(8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(cursor: str, size: int) -> bytes:
    try:
        raw = base64.b64decode(
            cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != size:
        raise UsageError("`cursor` is none that a page gave", "take `next` of the page before")
    return raw


def uuid_cursor(cursor: str | None) -> UUID | None:
    return UUID(bytes=_raw(cursor, 16)) if cursor is not None else None


def int_cursor(cursor: str | None) -> int | None:
    return (
        int.from_bytes(_raw(cursor, 8), "big") & 0x7FFF_FFFF_FFFF_FFFF
        if cursor is not None
        else None
    )


def pair_cursor_of(value: tuple[UUID, UUID]) -> str:
    """An opaque cursor of two ids."""
    return base64.urlsafe_b64encode(value[0].bytes + value[1].bytes).rstrip(b"=").decode()


def pair_cursor(cursor: str | None) -> tuple[UUID, UUID] | None:
    if cursor is None:
        return None
    raw = _raw(cursor, 32)
    return UUID(bytes=raw[:16]), UUID(bytes=raw[16:])


def uuid_of(text: str) -> UUID:
    """An id without a prefix; NotFoundError for any other text."""
    try:
        if len(text) == 32:
            return UUID(hex=text)
    except ValueError:
        pass
    raise not_found()


def turn_shown(
    conversation: UUID, turn: TurnState, at: datetime, content: Content | None
) -> schema.TurnAnswer:
    """A turn, with its content if it could be opened."""
    shown = content or Content()
    return schema.TurnAnswer(
        id=format_turn_id(conversation, turn.number),
        number=turn.number,
        role=turn.role,
        origin=turn.origin,
        at=at,
        readable=content is not None,
        text=shown.text,
        tools=shown.tools,
        attachments=shown.attachments,
        tool_calls=tuple(
            schema.ToolCallAnswer(id=c.id, name=c.name, arguments=c.arguments)
            for c in shown.tool_calls
        ),
    )
