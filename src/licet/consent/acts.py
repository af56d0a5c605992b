"""The act behind an answer: who said yes or no, when and where, or what took a yes away.

An answer of the rule names a question and the grant in force for it, or says why there is none. The
act is the choice that gave or last affirmed this grant, the no, the lapse, or the keeping out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.consent.choices import Evidence, read_evidence
from licet.keys.keyring import Keyring
from licet.keys.material import AccountKeys, account_place, unseal
from licet.policy.decide import Decision, DecisionReason
from licet.policy.file import Policies
from licet.policy.state import GrantStanding
from licet.store.connect import Transaction
from licet.vault import account_choices, account_journal, account_view
from licet.vault.account_choices import StoredChoice
from licet.vault.tables import AccountRow


class ActKind(StrEnum):
    """An act of the person, or what took a permission away."""

    yes = "yes"
    no = "no"
    lapsed = "lapsed"
    kept_out = "kept_out"


class ConsentAct(msgspec.Struct, frozen=True, kw_only=True):
    """``via`` and ``surface`` are where it was said, None where that is not known; ``policy`` the
    version in force then.

    ``cause`` says by what a permission lapsed: `plan_set`, `age_found`, `region_set` or `policy`.
    """

    act: ActKind
    at: datetime
    via: str | None = None
    surface: str | None = None
    policy: str | None = None
    cause: str | None = None


class ConsentActs(msgspec.Struct, frozen=True, kw_only=True):
    """The acts of an account that stand now: behind each grant in force, by its number, and behind
    where it stands with each question as a whole.
    """

    grants: Mapping[int, ConsentAct]
    questions: Mapping[str, ConsentAct]

    def behind(self, decision: Decision, kept_out_at: datetime | None = None) -> ConsentAct | None:
        """The act behind an answer; ``kept_out_at`` is when its conversation was last kept out."""
        if decision.because is DecisionReason.narrowed and kept_out_at is not None:
            return ConsentAct(act=ActKind.kept_out, at=kept_out_at)
        if decision.grant is not None:
            return self.grants.get(decision.grant)
        return None if decision.question is None else self.questions.get(decision.question)


def standing_acts(
    tx: Transaction, keyring: Keyring, policies: Policies, holder: AccountRow, at: datetime
) -> ConsentActs:
    """The acts behind the grants and the standings of an account at ``at``."""
    account, changed = holder.account_id, account_view.brought(holder, policies, at)
    state = changed.account
    keys = keyring.account_keys(tx, [account]).get(account)
    given = account_choices.behind(tx, account, [grant.number for grant in state.grants])
    # A no that kept a grant by name was a yes to it.
    grants = {number: _said(made, account, keys, ActKind.yes) for number, made in given.items()}
    questions: dict[str, ConsentAct] = {}
    for question, made in account_choices.last_by_question(tx, account).items():
        if state.standing(question) is not GrantStanding.lapsed:
            questions[question] = _said(
                made, account, keys, ActKind.yes if made.allow else ActKind.no
            )
        elif (lapse := _lapse(tx, policies, account, question, made.seq)) is not None:
            questions[question] = lapse
        else:  # by a version, which no verb has written yet
            ended = [
                e.at
                for e in changed.endings
                if any(grant.question == question for grant in e.grants)
            ]
            if ended:
                questions[question] = _by_version(policies, ended[0])
    return ConsentActs(grants=grants, questions=questions)


def evidence_of(made: StoredChoice, account: UUID, keys: AccountKeys | None) -> Evidence | None:
    """What stands behind a choice; None where its key is gone, or another edge wrote it in words of
    its own.
    """
    if not made.evidence or keys is None:
        return None
    return read_evidence(unseal(keys.own, made.evidence, account_place(account)).decode())


def _said(made: StoredChoice, account: UUID, keys: AccountKeys | None, act: ActKind) -> ConsentAct:
    evidence = evidence_of(made, account, keys)
    return ConsentAct(
        act=act,
        at=made.at,
        via=made.via,
        surface=evidence.surface if evidence is not None else None,
        policy=made.version,
    )


def _lapse(
    tx: Transaction, policies: Policies, account: UUID, question: str, after: int
) -> ConsentAct | None:
    """What ended the account's grant for the question, which was in force at ``after``: the first
    lapse since.

    A version that only dropped another question ended none of this one.
    """
    for at, before in account_journal.lapses_after(tx, account, after):
        number = policies.number(at)
        if before in ("plan_set", "age_found", "region_set"):
            return ConsentAct(
                act=ActKind.lapsed, at=at, policy=policies[number].version, cause=before
            )
        dropped = (
            set(policies[number - 1].asks) - set(policies[number].asks) if number > 0 else set()
        )
        if not dropped or question in dropped:
            return _by_version(policies, at)
    return None


def _by_version(policies: Policies, at: datetime) -> ConsentAct:
    return ConsentAct(
        act=ActKind.lapsed, at=at, policy=policies.in_force(at).version, cause="policy"
    )


def kept_out_times(
    tx: Transaction, account: UUID, conversations: Collection[UUID]
) -> dict[UUID, datetime]:
    """When each of these conversations was last kept out."""
    return account_journal.newest(tx, account, "narrowed", conversations)
