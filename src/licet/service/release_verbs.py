"""Staff verbs on releases: build and purge, review, signatures, marks of replaced names, recalls of
exports; and retiring a model.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from licet.access.roles import StaffRole
from licet.access.staff_orders import OrderKind
from licet.erasure.recall_register import RECALL_DAYS
from licet.release import registry
from licet.service import model_view
from licet.service.model_view import ModelView
from licet.service.order_verbs import BEGINS, place_order
from licet.service.orders import OrderForecast
from licet.service.staff_verb import (
    OFFICER,
    AnyCall,
    AnyVerb,
    GivenReason,
    Reason,
    StaffVerb,
    VerbAnswer,
    VerbBody,
    VerbCall,
    no_sentences,
)
from licet.store.connect import transaction
from licet.train import export_files, lineage
from licet.train.canary_register import AuditResult
from licet.train.export_files import Export
from licet.train.lineage import Affected
from licet.train.model_registry import RecordedModel
from licet.vault.ids import Prefix, parse

RETIRING = BUILDING = (StaffRole.owner, StaffRole.curator)


class NewBuild(VerbBody, frozen=True, kw_only=True):
    name: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9][a-z0-9_.-]{0,63}$",
            description="Lower-case letters, digits, `-`, `_` and `.`, 64 at most.",
        ),
    ]
    purpose: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]
    reason: Reason


class ModelAnswer(VerbAnswer, frozen=True, kw_only=True):
    """``affected`` is null if none of its rows was withdrawn or erased since, ``audit`` without a
    canary audit.
    """

    model: RecordedModel
    affected: Affected | None
    audited_at: datetime | None
    audit: AuditResult | None

    @classmethod
    def from_view(cls, seen: ModelView) -> ModelAnswer:
        return msgspec.convert(seen, cls, from_attributes=True)


def _retire(call: VerbCall[GivenReason]) -> ModelView:
    if not call.dry_run:
        lineage.retire(call.installation, call.target, actor=call.actor, reason=call.sent.reason)
    return model_view.show(call.installation, call.target).seen


RETIRE: StaffVerb[GivenReason, ModelView] = StaffVerb(
    name="retire_model",
    about="Records that a model is used no more, and why. It stays on record, and a repetition "
    "changes nothing.",
    who=RETIRING,
    takes=GivenReason,
    run=_retire,
    path="models/{model:str}/retire",
    tag="models",
    answers=ModelAnswer,
    answer=lambda call, done: ModelAnswer.from_view(
        done or model_view.show(call.installation, call.target).seen
    ),
    label="Retire it",
    title=lambda _, seen: f"Retire {seen.model.name}",
    means="It stays on record, but later withdrawals of its rows are not reported any more. "
    "Retire it when its weights are deleted.",
    would=no_sentences,
    flash="It is retired, and on record as that.",
    did=lambda *_: "It is retired, and on record as that.",
    destroys=True,
    command="models retire",
    needs_reason=True,
    noun="MODEL",
    example="model_0190f3a4c2d87b6e9a51c3d4e5f60718 --reason 'its weights are deleted'",
)


BUILD: StaffVerb[NewBuild, OrderForecast] = StaffVerb(
    name="build_release",
    about="Orders the build of a release.",
    who=BUILDING,
    takes=NewBuild,
    run=lambda call: place_order(
        call, OrderKind.build_release, f"{call.sent.name} {call.sent.purpose}"
    ),
    page="releases/build",
    named_by="name",
    label="Build it",
    title=lambda call, _: f"Build {call.sent.name}",
    means="The server reads what may be used, takes out what identifies, and seals it into a new "
    "release. It is handed to nobody by that. If the server is stopped, it goes on when it runs "
    "again.",
    would=lambda _, would: would.would,
    flash=BEGINS,
)


def _name_of(call: AnyCall) -> str:
    with transaction(call.installation.pool) as tx:
        return registry.get(tx, parse(Prefix.release, f"rel_{call.target}")).name


PURGE: StaffVerb[GivenReason, OrderForecast] = StaffVerb(
    name="purge_release",
    about="Orders the removal of a release's dead rows.",
    who=BUILDING,
    takes=GivenReason,
    run=lambda call: place_order(call, OrderKind.purge_release, _name_of(call)),
    page="releases/{release:str}/purge",
    label="Purge it",
    title=lambda _, would: f"Purge {would.about}",
    means="Rows whose keys are destroyed are removed from its files; nobody can open them "
    "any more. "
    "A signed addendum states it. Copies that were handed out take it up with the same command.",
    would=lambda _, would: would.would,
    flash=BEGINS,
)


class ExportRecall(GivenReason, frozen=True, kw_only=True):
    dry_run: bool = False


def _recall(call: VerbCall[ExportRecall]) -> Export:
    if call.dry_run:
        return export_files.get(call.installation, call.target)
    return export_files.recall(call.installation, call.target)


RECALL: StaffVerb[ExportRecall, Export] = StaffVerb(
    name="recall_export",
    about="Asks the recipient of an export to delete all of it.",
    who=OFFICER,
    takes=ExportRecall,
    run=_recall,
    order=OrderKind.recall_export,
    page="exports/{export:str}/recall",
    label="Recall it",
    title=lambda _, export: f"Recall what {export.recipient} was given",
    means=f"The recipient is to delete all of it within {RECALL_DAYS} days, and to say so.",
    would=lambda _, export: (
        f"{export.rows:,} rows of {export.release}, exported as {export.format}.",
    ),
    did=lambda _, export: f"{export.recipient} is to delete it.",
    back="/console/recalls",
    flash="It is recalled, and on record.",
    command="recall export",
    noun="EXPORT",
    example="exp_0190f3a4c2d87b6e9a51c3d4e5f60718",
)


VERBS: tuple[AnyVerb, ...] = (BUILD, PURGE, RECALL, RETIRE)
