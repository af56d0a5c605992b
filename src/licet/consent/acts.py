"""The act behind a decision: the choice that gave or last affirmed the grant in force, or what
ended it (a no, a lapse, a keeping out), with its time, channel and surface.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet import wire
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
    """An act of the person, or what ended a permission."""

    yes = "yes"
    no = "no"
    lapsed = "lapsed"
    kept_out = "kept_out"


class ConsentAct(wire.Said, frozen=True, kw_only=True):
    """``via`` and ``surface`` are its channel, None if unknown; ``policy`` is the version in force
    then.

    ``cause`` is why a permission lapsed: `plan_set`, `age_found`, `region_set` or `policy`.
    """

    act: ActKind
    via: str | None = None
    surface: str | None = None
    policy: str | None = None
    cause: str | None = None


class ConsentActs(msgspec.Struct, frozen=True, kw_only=True):
    """The acts in effect for an account: by the number of each grant in force, and by question for
    the account as a whole.
    """

    grants: Mapping[int, ConsentAct]
    questions: Mapping[str, ConsentAct]

    def behind(self, decision: Decision, kept_out_at: datetime | None = None) -> ConsentAct | None:
        """The act behind a decision; ``kept_out_at`` is when its conversation was last kept out."""
        if decision.because is DecisionReason.narrowed and kept_out_at is not None:
            return ConsentAct(act=ActKind.kept_out, at=kept_out_at)
        if decision.grant is not None:
            return self.grants.get(decision.grant)
        return None if decision.question is None else self.questions.get(decision.question)


def standing_acts(
    tx: Transaction, keyring: Keyring, policies: Policies, holder: AccountRow, now: datetime
) -> ConsentActs:
    """The acts behind the grants and the standings of an account at ``now``."""
    account, changed = holder.account_id, account_view.account_at(holder, policies, now)
    state = changed.account
    keys = keyring.account_keys(tx, [account]).get(account)
    choices = account_choices.newest_by_grant(tx, account, [grant.number for grant in state.grants])
    # A no that kept a grant by name was a yes to it.
    grants = {
        number: _choice_act(made, account, keys, ActKind.yes) for number, made in choices.items()
    }
    questions: dict[str, ConsentAct] = {}
    for question, made in account_choices.last_by_question(tx, account).items():
        if state.standing(question) is not GrantStanding.lapsed:
            questions[question] = _choice_act(
                made, account, keys, ActKind.yes if made.allow else ActKind.no
            )
        elif (lapse := _lapse_act(tx, policies, account, question, made.seq)) is not None:
            questions[question] = lapse
        else:  # by a version, which no verb has written yet
            ended = [
                e.at
                for e in changed.endings
                if any(grant.question == question for grant in e.grants)
            ]
            if ended:
                questions[question] = _policy_act(policies, ended[0])
    return ConsentActs(grants=grants, questions=questions)


def evidence_of(choice: StoredChoice, account: UUID, keys: AccountKeys | None) -> Evidence | None:
    """The evidence stored with a choice; None if its key is destroyed or another component wrote it
    in a format of its own.
    """
    if not choice.evidence or keys is None:
        return None
    return read_evidence(unseal(keys.own, choice.evidence, account_place(account)).decode())


def _choice_act(
    choice: StoredChoice, account: UUID, keys: AccountKeys | None, act: ActKind
) -> ConsentAct:
    evidence = evidence_of(choice, account, keys)
    return ConsentAct(
        act=act,
        at=choice.at,
        via=choice.via,
        surface=evidence.surface if evidence is not None else None,
        policy=choice.version,
    )


def _lapse_act(
    tx: Transaction, policies: Policies, account: UUID, question: str, after: int
) -> ConsentAct | None:
    """The first lapse after ``after``, when the account's grant for the question was in force.

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
            return _policy_act(policies, at)
    return None


def _policy_act(policies: Policies, now: datetime) -> ConsentAct:
    return ConsentAct(
        act=ActKind.lapsed, at=now, policy=policies.in_force(now).version, cause="policy"
    )


def kept_out_times(
    tx: Transaction, account: UUID, conversations: Collection[UUID]
) -> dict[UUID, datetime]:
    """When each of these conversations was last kept out."""
    return account_journal.newest_times(tx, account, "narrowed", conversations)
