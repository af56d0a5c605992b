"""Recording of turns: one, or many as NDJSON, each line answered separately.

A bulk request is read completely, checked against its bounds before anything is done, and written
in bounded transactions. The outcome of a line is as durable as that of a single request. A broken,
unknown or refused line does not stop the others. With the host's own ids for conversation and turn,
a repeated request adds nothing. An `Idempotency-Key` is only for a single turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import JSONBody

from licet.access.roles import Scope, may
from licet.errors import BrokenError, BusyError, LicetError, NotFoundError, UsageError
from licet.store.connect import Transaction, transaction
from licet.undecodable import UNDECODABLE
from licet.vault import account_view, verbs
from licet.vault.commands import AddTurn, CommandResult, check
from licet.vault.ids import Prefix, format_id, format_turn_id, host_hmac, parse
from licet.web.access.limits import BULK_BYTES_MAX, BULK_LINES_MAX, TURN_REQUEST_BYTES_MAX
from licet.web.api import schema, turn_command
from licet.web.api import shared as shell
from licet.web.api.problems import BodyTooLargeError, note, problem_of, unquoted
from licet.web.api.references import HOST, account_of, site_of
from licet.web.api.shared import AnyRequest, IdempotencyKey
from licet.web.site import Site

TAG = ["turns"]
NDJSON = "application/x-ndjson"
CHUNK_LINES_MAX = 1_000
CHUNK_BYTES_MAX = 4 * 2**20

_turn = msgspec.json.Decoder(schema.NewTurn)


@post(
    "/v1/turns",
    may=may(scope=Scope.turns_write),
    responses=shell.refusals(404, 409, 413, 422, 451),
    tags=TAG,
    request_max_body_size=TURN_REQUEST_BYTES_MAX,
)
async def say(
    request: AnyRequest, data: JSONBody[schema.NewTurn], idempotency_key: IdempotencyKey = None
) -> Response[schema.TurnTakenAnswer]:
    """Records a turn. At `must_decide`, a person's turn is answered 451, with the URL where the
    account can answer.
    """
    site, holder = site_of(request), await account_of(request, data.account)
    command = turn_command.command(data, holder, site.host_key, site.now())
    written = await shell.write(request, command, idempotency_key)
    answer = written.answer
    assert answer.conversation is not None
    body = schema.TurnTakenAnswer(
        outcome=answer.outcome,
        at=answer.at,
        account=format_id(Prefix.account, answer.account),
        conversation=format_id(Prefix.conversation, answer.conversation),
        turn=format_turn_id(answer.conversation, answer.turn),
        segment=answer.segment,
        project=shell.project_shown(answer),
        other_project=answer.other_project,
    )
    return shell.answered(body, written, 201)


@dataclass
class _Bulk(Operation):
    """The body of a bulk request, because Litestar does not know NDJSON."""

    def __post_init__(self) -> None:
        lines = Schema(
            type=OpenAPIType.STRING, description="One turn per line, as in `POST /v1/turns`."
        )
        self.request_body = RequestBody(
            content={NDJSON: OpenAPIMediaType(schema=lines)}, required=True
        )


@post(
    "/v1/turns:bulk",
    may=may(scope=Scope.turns_write),
    responses=shell.refusals(413),
    status_code=200,
    tags=TAG,
    media_type=NDJSON,
    operation_class=_Bulk,
    request_max_body_size=BULK_BYTES_MAX,
)
async def say_in_bulk(request: AnyRequest) -> Response[bytes]:
    """Records turns as NDJSON, one per line as in `POST /v1/turns`. The response has one line for
    each, in order. A body with too many lines, or too long a line, is refused whole.
    """
    site = site_of(request)
    async with site.heavy.body(request.stream(), BULK_LINES_MAX) as body, site.heavy.working():
        answers = await site.calling(partial(_take_all, site, body))
    return Response(answers, media_type=NDJSON, status_code=200)


def _take_all(site: Site, body: bytes) -> bytes:
    """Records the lines of a body in chunks, and answers each."""
    answers, line = bytearray(), 1
    stopped: LicetError | None = None
    if max(map(len, _lines(body)), default=0) > TURN_REQUEST_BYTES_MAX:
        raise BodyTooLargeError(f"a line is larger than {TURN_REQUEST_BYTES_MAX} bytes")
    for lines in _chunks(body):
        if stopped is None:
            try:
                answers += _take(site, line, lines)
            # earlier answers hold; trying the rest would only wait as long again
            except BusyError as error:
                if line == 1:
                    raise
                stopped = error
        if stopped is not None:
            answers += b"".join(
                _line(_refused(line + place, stopped)) for place in range(len(lines))
            )
        line += len(lines)
    return bytes(answers)


def _lines(body: bytes) -> Iterator[bytes]:
    """The lines of a body; an empty one at its end does not count."""
    begin = 0
    while begin < len(body):
        end = body.find(b"\n", begin)
        end = len(body) if end < 0 else end
        yield body[begin:end]
        begin = end + 1


def _chunks(body: bytes) -> Iterator[list[bytes]]:
    """The lines of a body in chunks."""
    lines, size = list[bytes](), 0
    for line in _lines(body):
        lines.append(line)
        size += len(line)
        if len(lines) >= CHUNK_LINES_MAX or size >= CHUNK_BYTES_MAX:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _take(site: Site, first: int, lines: Sequence[bytes]) -> bytes:
    """Decodes some lines, writes them in one transaction, and answers each."""
    items: list[schema.BulkItemAnswer | None] = [None] * len(lines)
    turns: dict[int, schema.NewTurn] = {}
    for place, line in enumerate(lines):
        try:
            turns[place] = _turn.decode(line)
        except UNDECODABLE as error:
            items[place] = _refused(first + place, UsageError(_unread(error)))
    now = site.now()
    with transaction(site.installation.pool) as tx:
        accounts = _accounts(tx, site, turns.values())
    commands: dict[int, AddTurn] = {}
    for place, turn in turns.items():
        try:
            commands[place] = _command(site, turn, accounts, now)
            check(commands[place])
        except LicetError as error:
            commands.pop(place, None)
            items[place] = _refused(first + place, error)
    for place, answer in zip(commands, _apply(site, list(commands.values())), strict=True):
        items[place] = _item_answer(first + place, answer)
    return b"".join(_line(item) for item in items)


def _unread(error: Exception) -> str:
    """Why a line cannot be decoded, without quoting it."""
    match error:
        case msgspec.DecodeError():
            return unquoted(str(error))
        case RecursionError():
            return "nested too deeply"
        case _:
            return "not UTF-8 text"


def _line(item: schema.BulkItemAnswer | None) -> bytes:
    return msgspec.json.encode(item) + b"\n"


def _apply(site: Site, commands: Sequence[AddTurn]) -> list[CommandResult | LicetError]:
    """Applies commands in one transaction; if the database refuses it, applies each half, so that
    only the refused one fails.
    """
    if not commands:
        return []

    try:
        return list(verbs.apply_commands(site.installation, commands))
    except BrokenError as error:
        if len(commands) == 1:
            note(error)
            return [error]
    half = len(commands) // 2
    return _apply(site, commands[:half]) + _apply(site, commands[half:])


def _accounts(tx: Transaction, site: Site, turns: Iterable[schema.NewTurn]) -> dict[str, UUID]:
    """The accounts of turns that name them by the host's ids."""
    names = {t.account for t in turns if t.account.startswith(HOST)}
    hashed = {host_hmac(site.host_key, "account", name.removeprefix(HOST)): name for name in names}
    return {
        hashed[host]: account for host, account in account_view.accounts_by_host(tx, hashed).items()
    }


def _command(site: Site, turn: schema.NewTurn, accounts: dict[str, UUID], now: datetime) -> AddTurn:
    account = (
        accounts.get(turn.account)
        if turn.account.startswith(HOST)
        else parse(Prefix.account, turn.account)
    )
    if account is None:
        raise NotFoundError("no such account")
    return turn_command.command(turn, account, site.host_key, now)


def _item_answer(line: int, answer: CommandResult | LicetError) -> schema.BulkItemAnswer:
    if isinstance(answer, LicetError):
        return _refused(line, answer)
    try:
        shell.refuse(answer, answer.account)
    except LicetError as error:
        return _refused(line, error)
    assert answer.conversation is not None
    return schema.BulkItemAnswer(
        line=line,
        status=201,
        outcome=answer.outcome.value,
        turn=format_turn_id(answer.conversation, answer.turn),
        conversation=format_id(Prefix.conversation, answer.conversation),
        project=shell.project_shown(answer),
        other_project=answer.other_project,
    )


def _refused(line: int, error: LicetError) -> schema.BulkItemAnswer:
    problem = problem_of(error)
    return schema.BulkItemAnswer(
        line=line,
        status=problem.status,
        problem=problem.type,
        because=problem.because,
        detail=problem.detail,
    )


ROUTES = [say, say_in_bulk]
