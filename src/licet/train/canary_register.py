"""The stored results of canary audits, each with its model.

An audit trains a small model with the installed code (`train.canaries`); it does not read the
registered model's weights. Only figures are stored, not the canaries, which are random words.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.store.connect import Transaction
from licet.store.rows import select

AUDITS_MAX = 20  # the newest of a model that are shown


class CanaryGroup(StrEnum):
    """Why a planted account's rows may not be trained on; ``permitted``: the control."""

    permitted = "permitted"
    incognito = "incognito"
    deleted = "deleted"
    expired = "expired"
    out_of_scope = "out_of_scope"
    withdrawn_before = "withdrawn_before"
    withdrawn_during = "withdrawn_during"
    undecided = "undecided"


class AuditResult(StrEnum):
    """``inconclusive``: the control is not detected either, so the test shows nothing."""

    passed = "passed"
    failed = "failed"
    inconclusive = "inconclusive"


class AuditedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group's figures: ``handed`` counts its rows that the run consumed, ``exposure`` is the mean
    in bits.
    """

    group: CanaryGroup
    planted: int
    handed: int
    exposure: float
    p: float


class RecordedAudit(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded audit. ``planted`` counts the canaries that may not be learnt, ``exposed`` those
    whose group has a p-value below ``bound``; ``licet`` and ``recipe`` are the audited version and
    code.
    """

    audited_at: datetime
    audited_by: str
    licet: str
    recipe: str
    verdict: AuditResult
    planted: int
    exposed: int
    bound: float
    rows: int
    steps: int
    seed: int
    broken: str
    groups: tuple[AuditedGroup, ...]


def add(tx: Transaction, audit: UUID, model: UUID, new: RecordedAudit) -> None:
    tx.execute(
        """INSERT INTO canary_audits (audit_id, model_id, audited_at, audited_by, licet, recipe,
                                      verdict, planted, exposed,
                                      bound, rows, steps, seed, broken)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            audit,
            model,
            new.audited_at,
            new.audited_by,
            new.licet,
            new.recipe,
            new.verdict.value,
            new.planted,
            new.exposed,
            new.bound,
            new.rows,
            new.steps,
            new.seed,
            new.broken,
        ],
    )
    for group in new.groups:
        tx.execute(
            """INSERT INTO canary_audit_groups (audit_id, canary_group, planted, handed, exposure,
               p)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            [audit, group.group.value, group.planted, group.handed, group.exposure, group.p],
        )


def list_by_model(tx: Transaction, model: UUID) -> list[RecordedAudit]:
    """The newest audits of a model, newest first."""
    return select(
        tx,
        RecordedAudit,
        """SELECT audited_at, audited_by, licet, recipe, verdict, planted, exposed, bound, rows,
             steps, seed, broken,
             (SELECT json_agg(json_build_object('group', canary_group, 'planted', planted,
                                'handed', handed, 'exposure', exposure, 'p', p)
                              ORDER BY array_position(%(groups)s::text[], canary_group))
                FROM canary_audit_groups g WHERE g.audit_id = a.audit_id) AS groups
             FROM canary_audits a WHERE model_id = %(model)s
               ORDER BY audited_at DESC, audit_id DESC LIMIT %(limit)s""",
        {"groups": [group.value for group in CanaryGroup], "model": model, "limit": AUDITS_MAX},
    )


def newest_by_model(tx: Transaction) -> dict[UUID, tuple[datetime, AuditResult]]:
    """The time and result of each model's latest audit; models without one are absent."""
    rows = tx.execute(
        """SELECT DISTINCT ON (model_id) model_id, audited_at, verdict FROM canary_audits
            ORDER BY model_id, audited_at DESC, audit_id DESC"""
    )
    return {model: (at, AuditResult(verdict)) for model, at, verdict in rows}
