"""The consent prompt: what an account is to be asked now, and why.

After an answer, yes or no, no surface asks again until a material new version. A notice that was
put off is not shown for some days, and with `Sec-GPC: 1` a notice that can be put off is not shown
at all: only the gate, after the last day, and the settings ask. Nothing here begins or ends a
grant.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never
from uuid import UUID

import msgspec

from licet.consent import notice as notices
from licet.consent import notice_views
from licet.consent.language_tags import ENGLISH
from licet.consent.notice import PublishedNotice, Variant
from licet.errors import NotFoundError, RefusedError
from licet.policy.decide import Gate, gate, unanswered_questions
from licet.policy.file import Policies, Policy
from licet.policy.state import AccountState
from licet.store.connect import Transaction
from licet.vault import account_view
from licet.vault.account_choices import NewestChoice

REST_DAYS = 7


class Reason(StrEnum):
    """Why a notice is shown (`first`, `must_decide`) or not."""

    closed = "closed"
    not_asked = "not_asked"
    answered = "answered"
    gpc = "gpc"
    put_off = "put_off"
    first = "first"
    must_decide = "must_decide"


class Uncovered(StrEnum):
    """Why a yes of the account would have no effect now."""

    closed = "closed"
    terms = "terms"
    plan = "plan"
    age = "age"


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask. ``number`` is the policy version, ``ends`` the first instant at which it cannot
    be put off, if any.

    ``unanswered`` are the open questions, in order; ``answers`` the newest answer to each question,
    as of which the prompt was made, and ``newest_choice`` the number of the newest of them, 0 for
    none. ``terms_waiting``: one of Licet's pages asked for choice and terms, and only the choice
    was answered.
    """

    account: UUID
    state: AccountState
    gate: Gate
    show: bool
    because: Reason
    number: int | None
    variant: Variant
    notice: PublishedNotice | None
    may_put_off: bool
    ends: datetime | None
    asks_age: bool
    terms_accepted_at: datetime | None
    terms_waiting: bool
    unanswered: tuple[str, ...]
    answers: dict[str, NewestChoice]
    put_off_at: datetime | None
    uncovered: Uncovered | None
    in_force: Policy

    @property
    def newest_choice(self) -> int:
        return notice_views.newest_number(self.answers)

    @property
    def min_age(self) -> int | None:
        """The minimum age in the account's region."""
        return self.in_force.min_age_of(self.state.region)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that must be offered in the account's region."""
        return self.in_force.languages_of(self.state.region)

    @property
    def allows_any(self) -> bool:
        """Whether a grant is in force for the account, or for anything below it."""
        return bool(self.state.grants)

    @property
    def asks_again(self) -> datetime | None:
        """When a notice that was put off may be shown again: after its rest, or once it can be put
        off no longer.
        """
        if self.put_off_at is None:
            return None
        rested = self.put_off_at + timedelta(days=REST_DAYS)
        return rested if self.ends is None else min(rested, self.ends)


def load_prompt(
    tx: Transaction,
    account: UUID,
    policies: Policies,
    now: datetime,
    *,
    language: str = ENGLISH,
    gpc: bool = False,
) -> Prompt:
    """The prompt for ``account`` at ``now``; NotFoundError if it does not exist."""
    # read first: concurrent answers count as newer
    answers = notice_views.newest_answers(tx, account)
    row = account_view.load_accounts(tx, [account]).get(account)
    if row is None:
        raise NotFoundError("no such account")
    state = account_view.account_at(row, policies, now).account
    answer, number = gate(state, policies, now), policies.newest_material(now)
    asking = policies.versions[number] if number is not None else None
    policy = policies.in_force(now)
    signing_up = asking is not None and state.opened_at >= asking.effective
    new = signing_up and None in [state.answered_version(question) for question in policy.asks]
    variant = Variant.signup if new else Variant.existing
    put_off_at, accepted_at = (
        _terms_times(tx, account, number) if number is not None else (None, None)
    )
    because = _reason(answer, put_off_at, gpc, now)
    waiting = (
        answer is Gate.open
        and accepted_at is None
        and number is not None
        and _has_been_shown(tx, account, number)
    )
    return Prompt(
        account=account,
        state=state,
        gate=answer,
        show=because in (Reason.first, Reason.must_decide),
        because=because,
        number=number,
        variant=variant,
        notice=notices.find(tx, number, language, variant) if number is not None else None,
        may_put_off=answer is Gate.notice,
        ends=asking.notice_ends if asking is not None else None,
        asks_age=policy.min_age_of(state.region) is not None and state.age is None,
        terms_accepted_at=accepted_at,
        terms_waiting=waiting,
        unanswered=unanswered_questions(state, policies, now),
        answers=answers,
        put_off_at=put_off_at,
        uncovered=_find_uncovered(state, policy, number),
        in_force=policy,
    )


def preview_prompt(notice: PublishedNotice, policy: Policy, now: datetime) -> Prompt:
    """The prompt of an account that was never asked, for staff's preview of a notice."""
    state = AccountState(plan=min(policy.plans), age=None, opened_at=now, last_at=now, seen=0)
    existing = notice.variant is Variant.existing
    return Prompt(
        account=UUID(int=0),
        state=state,
        gate=Gate.notice if existing else Gate.must_decide,
        show=True,
        because=Reason.first,
        number=notice.number,
        variant=notice.variant,
        notice=notice,
        may_put_off=existing,
        ends=policy.notice_ends,
        asks_age=policy.min_age is not None,
        terms_accepted_at=None,
        terms_waiting=False,
        unanswered=policy.asks,
        answers={},
        put_off_at=None,
        uncovered=None,
        in_force=policy,
    )


def _find_uncovered(account: AccountState, policy: Policy, number: int | None) -> Uncovered | None:
    """Why a yes would have no effect; an unknown age is asked for and is no reason."""
    if account.closed_at is not None:
        return Uncovered.closed
    if number is None:
        return Uncovered.terms
    if account.plan not in policy.plans:
        return Uncovered.plan
    return (
        Uncovered.age
        if account.age is not None and policy.refuses_age(account.age, account.region)
        else None
    )


def _reason(answer: Gate, put_off_at: datetime | None, gpc: bool, now: datetime) -> Reason:
    match answer:
        case Gate.closed:
            return Reason.closed
        case Gate.not_asked:
            return Reason.not_asked
        case Gate.open:
            return Reason.answered
        case Gate.must_decide:
            return Reason.must_decide
        case Gate.notice:
            if gpc:
                return Reason.gpc
            rests = put_off_at is not None and now < put_off_at + timedelta(days=REST_DAYS)
            return Reason.put_off if rests else Reason.first
        case _:
            assert_never(answer)


def require_notice(prompt: Prompt) -> PublishedNotice:
    """The notice to show; RefusedError if none is published."""
    if prompt.notice is None:
        raise RefusedError(
            "no notice has been published for the terms in force",
            "run `licet notice publish`",
            because="no_notice",
        )
    return prompt.notice


def _terms_times(
    tx: Transaction, account: UUID, number: int
) -> tuple[datetime | None, datetime | None]:
    """When the account last put off the notice of a version, and when it accepted its terms."""
    row = tx.execute(
        f"""SELECT ({notice_views.LAST_PUT_OFF}),
                   (SELECT accepted_at FROM terms WHERE account_id = %(account)s
                     AND version = %(number)s)""",
        {"account": account, "number": number},
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def _has_been_shown(tx: Transaction, account: UUID, number: int) -> bool:
    row = tx.execute(
        """SELECT EXISTS (SELECT FROM shown s JOIN notices n USING (notice_id)
            WHERE s.account_id = %s AND n.version = %s AND s.place IN ('notice', 'signup'))""",
        [account, number],
    ).fetchone()
    return row is not None and bool(row[0])
