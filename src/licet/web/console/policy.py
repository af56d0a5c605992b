"""The policy on the console: its versions, what each changed, and proposals that one person makes
and another applies.

/console/policy                        versions, notices, open proposals, and the form that proposes
../versions/N                          a version: its text, its diff, the plan it was applied with
../proposals                  officer  stores a file or a text as a proposal, checked strictly
../proposals/ID                        a proposal: its text, its diff, its plan as bars
../proposals/ID/plan  withdraw  apply  officer; who proposed it is refused when they apply it
"""

from __future__ import annotations

from typing import Any

import msgspec
import yaml
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath, URLEncodedBody

from licet.errors import InputError, LicetError, RefusedError, UsageError
from licet.policy.file import POLICY_BYTES_MAX
from licet.service import oversight, policy_proposals
from licet.service.policy_proposals import REASON_CHARACTERS_MAX, ProposalDetail
from licet.vault import installation, policy_plan
from licet.web.console import plan_bars
from licet.web.console import shared as shell
from licet.web.console.shared import HOLDS, OFFICE, STAFF, Visit
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults, seen_other

SECTION = "/console/policy"
FORM_BYTES_MAX = 2 * POLICY_BYTES_MAX + 2**14  # a file and a text
PARTS_MAX = 8
_SAID = {
    "proposed": "The proposal is stored. Another privacy officer reads its plan and applies it.",
    "planned": "The plan is drawn on the accounts as they are now.",
    "withdrawn": "The proposal is withdrawn.",
    "applied": "The version is applied, and the log takes its entry next.",
}


class EndForm(msgspec.Struct, frozen=True, kw_only=True):
    """``plan`` names the plan that the page showed."""

    reason: str = ""
    plan: str = ""


@get("/console/policy", may=STAFF, sync_to_thread=True, include_in_schema=False)
def policy(request: AnyRequest) -> Response[Any]:
    """Every version, its published notices, and the proposals."""
    return _listing(shell.opened(request))


def _listing(visit: Visit, kept: str = "", faults: Faults = NO_FAULTS) -> Response[Any]:
    values = {
        "in_force": installation.policies(visit.here).in_force(visit.here.clock()),
        "versions": oversight.versions(visit.here),
        "notices": oversight.notices(visit.here),
        "kept": kept,
        "proposals": policy_proposals.listed(visit.here) if visit.allows(OFFICE) else (),
        "proposes": visit.allows(HOLDS),
    }
    return shell.page(
        "console_policy.html",
        visit,
        title="Policy",
        section=SECTION,
        values=values,
        errors=faults,
        status=422 if faults else 200,
    )


@get(
    "/console/policy/versions/{number:int}", may=STAFF, sync_to_thread=True, include_in_schema=False
)
def version(request: AnyRequest, number: FromPath[int]) -> Response[Any]:
    """A version whole."""
    visit = shell.opened(request)
    seen = policy_proposals.version(visit.here, number)
    text = yaml.safe_dump(seen.policy.document(), sort_keys=False, allow_unicode=True)
    values = {"seen": seen, "text": text, **_drawn(seen.plan)}
    title = f"{seen.policy.policy}, version {seen.policy.version}"
    return shell.page(
        "console_policy_version.html", visit, title=title, section=SECTION, values=values
    )


def _drawn(plan: policy_plan.PolicyPlan | None) -> dict[str, Any]:
    return {
        "plan": plan,
        "drawings": plan_bars.drawn(plan) if plan else (),
        "counts": policy_plan.counts_of(plan) if plan else {},
    }


@post(
    "/console/policy/proposals",
    may=HOLDS,
    include_in_schema=False,
    request_max_body_size=FORM_BYTES_MAX,
    multipart_form_part_limit=PARTS_MAX,
)
async def propose(request: AnyRequest) -> Response[Any]:
    """Stores a file, or a text, as a proposal; a mistake comes back with its line."""
    visit, form = shell.opened(request), await request.form()
    sent, pasted = form.get("file"), form.get("text", "")
    text = await sent.read() if isinstance(sent, UploadFile) else b""
    text = text or (pasted.encode("utf-8", "replace") if isinstance(pasted, str) else b"")
    return await visit.site.calling(lambda: _proposed(visit, text))


def _proposed(visit: Visit, text: bytes) -> Response[Any]:
    try:
        if not text.strip():
            raise UsageError("choose a file, or paste its text")
        made = policy_proposals.propose(
            visit.here, text, actor=_by(visit), identity=visit.staff.identity
        )
    except (InputError, UsageError, RefusedError) as error:
        return _listing(
            visit, text.decode("utf-8", "replace"), Faults((("text", "text", _told(error)),))
        )
    return seen_other(f"{SECTION}/proposals/{made.proposal.id}?said=proposed")


def _told(error: LicetError) -> str:
    """An error with its line and its key, as a sentence."""
    return shell.sentence(": ".join(filter(None, [error.message, error.hint])))


@get(
    "/console/policy/proposals/{proposal:str}",
    may=OFFICE,
    sync_to_thread=True,
    include_in_schema=False,
)
def proposal(request: AnyRequest, proposal: FromPath[str]) -> Response[Any]:
    """A proposal, and what may be done with it."""
    visit = shell.opened(request)
    said = _SAID.get(request.query_params.get("said", ""), "")
    return _shown(visit, policy_proposals.show(visit.here, proposal), said=said)


def _shown(
    visit: Visit,
    seen: ProposalDetail,
    *,
    said: str = "",
    reason: str = "",
    faults: Faults = NO_FAULTS,
    status: int = 200,
) -> Response[Any]:
    applier = policy_proposals.applier(
        visit.here, seen.proposal.id, actor=_by(visit), identity=visit.staff.identity
    )
    values = {
        "seen": seen,
        "saved": said,
        "kept": reason,
        "acts": visit.allows(HOLDS) and seen.proposal.state.value == "open",
        "applier": applier,
        "reason_max": REASON_CHARACTERS_MAX,
        "planned_here": policy_proposals.is_planned_here(visit.here),
        **_drawn(seen.plan),
    }
    return shell.page(
        "console_policy_proposal.html",
        visit,
        title=f"Proposal: version {seen.proposal.version}",
        section=SECTION,
        values=values,
        errors=faults,
        status=status,
    )


@post(
    "/console/policy/proposals/{proposal:str}/plan",
    may=HOLDS,
    sync_to_thread=True,
    include_in_schema=False,
)
def plan(
    request: AnyRequest, proposal: FromPath[str], data: URLEncodedBody[EndForm]
) -> Response[Any]:
    """Draws the plan again."""
    visit = shell.opened(request)
    try:
        policy_proposals.plan(visit.here, proposal, actor=_by(visit))
    except RefusedError as error:
        return _refused(visit, proposal, data, error)
    return seen_other(f"{SECTION}/proposals/{proposal}?said=planned")


@post(
    "/console/policy/proposals/{proposal:str}/withdraw",
    may=HOLDS,
    sync_to_thread=True,
    include_in_schema=False,
)
def withdraw(
    request: AnyRequest, proposal: FromPath[str], data: URLEncodedBody[EndForm]
) -> Response[Any]:
    """Ends a proposal without applying it."""
    visit = shell.opened(request)
    try:
        policy_proposals.withdraw(
            visit.here,
            proposal,
            actor=_by(visit),
            identity=visit.staff.identity,
            reason=data.reason,
        )
    except (RefusedError, UsageError) as error:
        return _refused(visit, proposal, data, error)
    return seen_other(f"{SECTION}/proposals/{proposal}?said=withdrawn")


@post(
    "/console/policy/proposals/{proposal:str}/apply",
    may=HOLDS,
    sync_to_thread=True,
    include_in_schema=False,
)
def apply(
    request: AnyRequest, proposal: FromPath[str], data: URLEncodedBody[EndForm]
) -> Response[Any]:
    """Applies a proposal of somebody else, whose plan was read."""
    visit = shell.opened(request)
    try:
        policy_proposals.apply(
            visit.here,
            proposal,
            actor=_by(visit),
            identity=visit.staff.identity,
            reason=data.reason,
            plan_sha256=data.plan,
        )
    except (RefusedError, UsageError) as error:
        return _refused(visit, proposal, data, error)
    return seen_other(f"{SECTION}/proposals/{proposal}?said=applied")


def _refused(visit: Visit, proposal: str, data: EndForm, error: LicetError) -> Response[Any]:
    faults = Faults((("reason", "reason", _told(error)),))
    status = 409 if isinstance(error, RefusedError) else 422
    return _shown(
        visit,
        policy_proposals.show(visit.here, proposal),
        reason=data.reason,
        faults=faults,
        status=status,
    )


def _by(visit: Visit) -> str:
    return visit.staff.recorded_as


ROUTES = (policy, version, propose, proposal, plan, withdraw, apply)
