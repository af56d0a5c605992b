"""Choices of an account with their evidence, and its acceptance of the terms.

A choice goes to the vault with its evidence: which showing it answers, the hash of what was shown,
what was pre-selected (nothing), and the browser's signal. Accepting the terms is a record of its
own and no choice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from licet.consent import notice_views
from licet.consent.notice_views import DEFAULT_STATE, ShowingRecord
from licet.errors import RefusedError
from licet.ledger import outbox
from licet.policy.file import Policies
from licet.policy.state import Grant, ScopeKind
from licet.store.connect import Transaction
from licet.undecodable import UNDECODABLE
from licet.vault.commands import (
    KEPT_SCOPES_MAX,
    STALE,
    ChoiceFault,
    Choose,
    ChosenScope,
    CommandResult,
    Outcome,
)
from licet.vault.requests import VerbRequest, VerbStep

EVIDENCE_V1: Literal[1] = 1


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The evidence of a choice. ``v`` is the version of the format and never reused."""

    v: Literal[1]
    default_state: str
    surface: str
    gpc: bool
    shown: str = ""
    notice: str = ""
    sha256: str = ""
    language: str = ""
    variant: str = ""
    place: str = ""
    shown_at: str = ""


def evidence(answered: ShowingRecord | None, *, surface: str, gpc: bool) -> str:
    """The evidence of a choice as JSON text; without a showing only its channel and signal."""
    record = Evidence(v=EVIDENCE_V1, default_state=DEFAULT_STATE, surface=surface, gpc=gpc)
    if answered is not None:
        record = msgspec.structs.replace(
            record,
            shown=answered.shown_id.hex,
            notice=answered.notice_id.hex,
            sha256=answered.sha256.hex(),
            language=answered.language,
            variant=answered.variant.value,
            place=answered.place.value,
            shown_at=answered.shown_at.isoformat(),
            default_state=answered.default_state,
        )
    return msgspec.json.encode(record, order="sorted").decode()


def read_evidence(text: str) -> Evidence | None:
    """Parses the evidence of a stored choice; None for a format of another component."""
    try:
        return msgspec.json.decode(text, type=Evidence)
    except UNDECODABLE:
        return None


class ChoiceRequest(VerbRequest, frozen=True, kw_only=True):
    """A choice to record. ``showing`` is the sender's reference to the showing that it answers.

    ``question`` None answers all that are asked; ``scope``, ``keep`` and ``fault`` are those of
    `commands.Choose`. A no has no scope: it is for the account.
    """

    allow: bool
    via: str
    question: str | None = None
    scope: ChosenScope | None = None
    keep: tuple[ChosenScope, ...] = ()
    surface: str = "app"
    showing: str | None = None
    age: int | None = None
    gpc: bool = False
    fault: ChoiceFault | None = None

    @property
    def may_restrict(self) -> bool:
        return not self.allow

    def prepare(self, tx: Transaction, versions: Policies) -> VerbStep:
        """One command. The age counts, and so does a no, even if a reference is unknown."""
        answered = (
            notice_views.find(tx, self.account, self.showing) if self.showing is not None else None
        )
        return VerbStep(commands=(self.command(answered),))

    def command(self, answered: ShowingRecord | None) -> Choose:
        """The command, with its evidence: what was shown, and where from."""
        is_unknown = self.showing is not None and answered is None
        not_taken = ["showing"] if is_unknown else []
        not_taken += [f"keep[{KEPT_SCOPES_MAX}:]"] if len(self.keep) > KEPT_SCOPES_MAX else []
        keep = () if self.allow else self.keep[:KEPT_SCOPES_MAX]
        return Choose(
            account=self.account,
            at=self.at,
            allow=self.allow,
            question=self.question,
            scope=self.scope,
            keep=keep,
            age=self.age,
            via=self.via,
            evidence=evidence(answered, surface=self.surface, gpc=self.gpc),
            answers=answered.question if answered is not None else None,
            fault=self.fault or (ChoiceFault.showing if is_unknown else None),
            not_taken=tuple(not_taken),
        )


def scope_of(grant: Grant) -> ChosenScope:
    """The scope of a grant below the account, as a choice names it."""
    named = UUID(hex=grant.scope.name)
    return (
        ChosenScope(project=named)
        if grant.scope.kind is ScopeKind.project
        else ChosenScope(conversation=named)
    )


def is_stale(answer: CommandResult) -> bool:
    """Whether a yes was refused because its showing is older than the newest answer or the terms in
    force, or unknown.
    """
    return answer.outcome is Outcome.refused and answer.because in (STALE, ChoiceFault.showing)


def shows_terms(policies: Policies, now: datetime, answered: ShowingRecord | None) -> bool:
    """Whether the showing showed the terms in force; True without a showing, or before the first
    material version.
    """
    number = policies.newest_material(now)
    return number is None or answered is None or answered.number == number


def accept_terms(
    tx: Transaction, account: UUID, policies: Policies, now: datetime, *, showing: UUID | None
) -> bool:
    """Records that the terms in force were accepted; False where they had been already.

    RefusedError (`stale`) where ``showing`` showed other terms than those in force.
    """
    answered = notice_views.get(tx, account, showing) if showing is not None else None
    if not shows_terms(policies, now, answered):
        raise RefusedError(
            "other terms are in force than those that were shown",
            "show the notice again",
            because=STALE,
        )
    number = policies.newest_material(now)
    return number is not None and record_terms(tx, account, number, now, showing=showing)


def record_terms(
    tx: Transaction, account: UUID, number: int, now: datetime, *, showing: UUID | None
) -> bool:
    """Records that the terms of a version were accepted; False where they had been already."""
    added = tx.execute(
        """INSERT INTO terms (account_id, version, accepted_at, shown_id) VALUES (%s, %s, %s, %s)
           ON CONFLICT DO NOTHING RETURNING version""",
        [account, number, now, showing],
    ).fetchone()
    if added is not None:
        facts: dict[str, str | int | bool | None] = {"number": number}
        outbox.append(
            tx,
            [
                outbox.Entry(
                    kind=outbox.EntryKind.terms_accepted,
                    occurred_at=now,
                    account=account,
                    facts=facts,
                )
            ],
        )
    return added is not None
