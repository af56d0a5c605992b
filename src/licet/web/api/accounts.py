"""Accounts: open, read, plan, age, close; the gate; who of the staff read what; everything of one's
own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from litestar import Response, get, post, put
from litestar.params import JSONBody
from litestar.response import Stream

from licet.access import sessions
from licet.access.roles import HELPS, Scope, may
from licet.consent import consent_status, takeout
from licet.errors import UsageError
from licet.intake.replay import TIME_MIN
from licet.policy.decide import Gate, gate
from licet.service import explanations
from licet.store.connect import Transaction, transaction
from licet.vault import account_view, policy_versions, staff_reads
from licet.vault.commands import CloseAccount, OpenAccount, SetAge, SetPlan
from licet.vault.ids import Prefix, format_id, host_hmac, uuid7
from licet.vault.installation import load_policies
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.references import account_of, not_found, require_account, site_of
from licet.web.api.shared import (
    READS,
    WRITES,
    AccountRef,
    AnyRequest,
    Cursor,
    IdempotencyKey,
    Limit,
)

SEES = may(person=True, scope=Scope.accounts_read, staff=HELPS)
TAG = ["accounts"]
_HOST_WRITES: dict[str, Any] = {
    "may": may(scope=Scope.accounts_write),
    "responses": WRITES,
    "tags": TAG,
}
_CLOSED_GATES = {
    Gate.closed: "the account is closed",
    Gate.must_decide: "the account must decide first",
}


@post(
    "/v1/accounts",
    may=may(scope=Scope.accounts_write),
    responses=shell.refusals(409, 413, 422),
    tags=TAG,
)
async def open_account(
    request: AnyRequest, data: JSONBody[schema.NewAccount], idempotency_key: IdempotencyKey = None
) -> Response[schema.OpenedAnswer]:
    """Opens an account; the account of a known host's id is returned unchanged, even if it is
    closed.
    """
    site = site_of(request)
    now = site.now()
    _check_opened(data.opened, now)
    command = OpenAccount(
        account=uuid7(now, site.installation.keyring.random(10)),
        at=now,
        plan=data.plan,
        age=data.age,
        host=host_hmac(site.host_key, "account", data.host),
        opened_at=data.opened,
        begin_anew=data.begin_anew,
    )
    written = await shell.write(request, command, idempotency_key)
    if data.begin_anew:
        site.forget_account(command.host)
    answer = written.answer
    body = schema.OpenedAnswer(
        outcome=answer.outcome,
        at=answer.at,
        account=format_id(Prefix.account, answer.account),
        closed_at=answer.closed_at,
    )
    return shell.answered(body, written, 201)


def _check_opened(opened: datetime | None, now: datetime) -> None:
    """UsageError for a time at which no account can have been opened."""
    if opened is None:
        return
    if opened.tzinfo is None:
        raise UsageError(
            f"`opened`: `{opened.isoformat()}` has no offset",
            f"write {opened.isoformat()}Z, if that is UTC",
        )
    if opened > now:
        raise UsageError(
            f"`opened`: `{opened.isoformat()}` has not come yet",
            "leave it out for an account that is opened now",
        )
    if opened < TIME_MIN:
        raise UsageError(
            f"`opened`: `{opened.isoformat()}` is before 1970", "write when it was opened"
        )


@get("/v1/accounts/{account:str}", may=SEES, responses=READS, tags=TAG)
async def get_account(request: AnyRequest, account: AccountRef) -> schema.AccountAnswer:
    """An account, its gate, and its standing in each question."""
    site, holder = site_of(request), await account_of(request, account)
    at = site.now()

    def read(tx: Transaction) -> schema.AccountAnswer:
        row = account_view.load_accounts(tx, [holder]).get(holder)
        known = policy_versions.current(tx)
        if row is None:
            raise not_found()
        state = account_view.account_at(row, known, at).account
        return schema.AccountAnswer(
            id=format_id(Prefix.account, holder),
            plan=state.plan,
            age_known=state.age is not None,
            opened_at=state.opened_at,
            closed_at=state.closed_at,
            gate=gate(state, known, at),
            region=state.region,
            questions=tuple(
                schema.QuestionAnswer(
                    question=one.question,
                    covers=one.covers,
                    standing=one.standing,
                    answered=one.answered,
                    unanswered=one.unanswered,
                )
                for one in consent_status.question_statuses(state, known, at)
            ),
        )

    return await site.reading(read)


@put("/v1/accounts/{account:str}/plan", **_HOST_WRITES)
async def set_plan(
    request: AnyRequest,
    account: AccountRef,
    data: JSONBody[schema.NewPlan],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ChangeAnswer]:
    """Sets the plan; a plan out of scope ends every grant. `ended` are the ended grants, for the
    host to tell its person.
    """
    holder = await account_of(request, account)
    command = SetPlan(account=holder, at=site_of(request).now(), plan=data.plan)
    return await shell.write_change(request, command, idempotency_key)


@put("/v1/accounts/{account:str}/age", **_HOST_WRITES)
async def set_age(
    request: AnyRequest,
    account: AccountRef,
    data: JSONBody[schema.NewAge],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ChangeAnswer]:
    """Sets the age; one that is unknown or below the minimum ends every grant, listed in
    `ended`.
    """
    holder = await account_of(request, account)
    command = SetAge(account=holder, at=site_of(request).now(), age=data.age)
    return await shell.write_change(request, command, idempotency_key)


@post("/v1/accounts/{account:str}/close", status_code=200, **_HOST_WRITES)
async def close_account(
    request: AnyRequest, account: AccountRef, idempotency_key: IdempotencyKey = None
) -> Response[schema.ChangeAnswer]:
    """Closes the account: its content is no longer used, and is erased after the period in the
    policy.
    """
    holder = await account_of(request, account)
    command = CloseAccount(account=holder, at=site_of(request).now())
    written = await shell.write(request, command, idempotency_key)
    await site_of(request).reading(lambda tx: sessions.end_person(tx, holder))
    return shell.change_answer(written)


@get(
    "/v1/accounts/{account:str}/gate",
    may=may(person=True, scope=Scope.gate_read),
    responses=READS,
    tags=TAG,
)
async def get_gate(request: AnyRequest, account: AccountRef) -> schema.GateAnswer:
    """Whether the person may write now. If this cannot be determined, the request is refused, never
    allowed.
    """
    holder = await account_of(request, account)
    seen = await site_of(request).gate(holder)
    if seen is None:
        raise not_found()
    request.app.state.edge.count_gate(seen.gate.value)
    detail = _CLOSED_GATES.get(seen.gate, "")
    return schema.GateAnswer(
        account=format_id(Prefix.account, holder),
        gate=seen.gate,
        may_write=seen.gate in (Gate.open, Gate.notice, Gate.not_asked),
        standings=seen.standings,
        unanswered=seen.unanswered,
        grant=seen.grant,
        policy=seen.version,
        decide_by=seen.decide_by,
        because=seen.gate.value if detail else "",
        detail=detail,
        fresh_seconds=_fresh_seconds(seen, site_of(request).now()),
    )


def _fresh_seconds(account_gate: account_view.AccountGate, now: datetime) -> int:
    """Whole seconds until the gate may close by itself, at most `GATE_SECONDS`; fewer if an answer
    of the person opens it, so that they can write at once.
    """
    if account_gate.gate is Gate.must_decide:
        return schema.UNDECIDED_GATE_SECONDS
    if account_gate.gate is not Gate.notice or account_gate.decide_by is None:
        return schema.GATE_SECONDS
    end = datetime.combine(account_gate.decide_by, time.min, UTC) + timedelta(days=1)
    return max(0, min(schema.GATE_SECONDS, int((end - now).total_seconds())))


@get("/v1/accounts/{account:str}/explain", may=SEES, responses=READS, tags=TAG)
async def explain_account(request: AnyRequest, account: AccountRef) -> explanations.AccountSeen:
    """Which content of the account may be used, and why the rest may not."""
    site, holder = site_of(request), await account_of(request, account)

    def see(tx: Transaction) -> explanations.AccountSeen:
        return explanations.explain_account(
            tx, site.installation.keyring, policy_versions.current(tx), holder, site.now()
        )

    return await site.seeing(see)


@get(
    "/v1/accounts/{account:str}/reads",
    may=may(person=True, staff=HELPS),
    responses=READS,
    tags=TAG,
)
async def list_reads(
    request: AnyRequest, account: AccountRef, cursor: Cursor = None, limit: Limit = shell.LIMIT
) -> schema.ReadPage:
    """Every reading of the account's content by staff, with role and reason, newest first."""
    holder, before = await account_of(request, account), shell.uuid_cursor(cursor)

    def read(tx: Transaction) -> schema.ReadPage:
        require_account(tx, holder)
        found = staff_reads.newest(tx, limit + 1, account=holder, before=before)
        return schema.ReadPage(
            items=tuple(
                schema.StaffReadAnswer(
                    id=one.read_id.hex,
                    conversation=format_id(Prefix.conversation, one.conversation),
                    role=one.role,
                    reason=one.reason,
                    turns=one.turns,
                    at=one.at,
                )
                for one in found[:limit]
            ),
            next=shell.cursor_of(found[limit - 1].read_id) if len(found) > limit else None,
        )

    return await site_of(request).reading(read)


@get(
    "/v1/accounts/{account:str}/export",
    may=may(person=True),
    responses=READS,
    tags=TAG,
    media_type="application/x-ndjson",
)
async def export(request: AnyRequest, account: AccountRef) -> Stream:
    """The person's own conversations, one per line, as `licet import` reads them. `/takeout.zip`
    has everything.
    """
    site, holder = site_of(request), await account_of(request, account)
    at = site.now()
    await site.reading(lambda tx: require_account(tx, holder))
    known = await site.calling(lambda: load_policies(site.installation))

    def lines(at: datetime = at) -> Iterator[bytes]:
        return takeout.conversation_lines(
            lambda: transaction(site.installation.pool),
            site.installation.keyring,
            known,
            holder,
            at,
        )

    return Stream(lines(), media_type="application/x-ndjson")


ROUTES = [
    open_account,
    get_account,
    set_plan,
    set_age,
    close_account,
    get_gate,
    explain_account,
    list_reads,
    export,
]
