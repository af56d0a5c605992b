"""The policy on the console: its versions, what each changed, and proposals that one person makes
and another applies.

/console/policy                        versions, notices, open proposals, and the form that proposes
../versions/N                          a version: its text, its diff, the plan it was applied with
../proposals                  officer  stores a file or a text as a proposal, checked strictly
../proposals/ID                        a proposal: its text, its diff, its plan as bars
../proposals/ID/plan  withdraw  apply  officer; who proposed it is refused when they apply it

    /console/notices                       every published notice, as a table
    ../notices/ID                          one in its frame, its lint, and how many saw it and answered
    ../notices/ID/page                     the page of it that people see, for that frame
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import yaml
from litestar import Response, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath

from licet.consent import lint, notice, notice_views
from licet.consent.notice import PublishedNotice
from licet.errors import InputError, LicetError, NotFoundError, RefusedError, UsageError
from licet.policy.file import POLICY_BYTES_MAX
from licet.service import policy_proposals, staff_lists, staff_tables
from licet.service.policy_proposals import REASON_CHARACTERS_MAX, ProposalDetail
from licet.service.policy_verbs import APPLY, PLAN, PROPOSE, WITHDRAW
from licet.store.connect import Transaction, transaction
from licet.vault import policy_plan
from licet.vault.installation import load_policies
from licet.web.console import chart, tables
from licet.web.console import shared as shell
from licet.web.console import verb_forms as forms
from licet.web.console.shared import HOLDS, OFFICE, STAFF, RouteVisit, Visit
from licet.web.console.tables import ConsoleTable
from licet.web.pages import notice as notice_pages
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults, get_page, seen_other

SECTION = "/console/policy"
FORM_BYTES_MAX = 2 * POLICY_BYTES_MAX + 2**14  # a file and a text
PARTS_MAX = 8


@get_page("/console/policy", may=STAFF)
def policy(visit: RouteVisit) -> Response[Any]:
    """Every version, its published notices, and the proposals."""
    return _listing(visit)


def _listing(visit: Visit, kept: str = "", faults: Faults = NO_FAULTS) -> Response[Any]:
    installation, now = visit.installation, visit.installation.clock()
    listed = staff_lists.list_versions(installation)
    versions = [(listed.total - place, seen) for place, seen in enumerate(listed.items, 1)]
    proposals = policy_proposals.list_proposals(installation) if visit.allows(OFFICE) else ()
    foremost = next((one for one in proposals if one.is_open), None)
    with transaction(installation.pool) as tx:
        notices = [
            (seen.version, variant, found)
            for number, seen in versions
            for variant in notice.Variant
            if (found := notice.list_by_version(tx, number, variant))
        ]
    return shell.page(
        "console_policy.html",
        visit,
        errors=faults,
        in_force=load_policies(installation).in_force(now),
        listed=listed,
        versions=versions,
        planned=[one for one in versions if one[1].effective > now],
        notices=notices,
        kept=kept,
        proposals=proposals,
        foremost=foremost,
        **_drawn(policy_proposals.show(installation, foremost.id).plan if foremost else None),
    )


@get_page("/console/policy/versions/{number:int}", may=STAFF)
def version(visit: RouteVisit, number: FromPath[int]) -> Response[Any]:
    """All of a version."""
    seen = policy_proposals.version(visit.installation, number)
    text = yaml.safe_dump(seen.policy.document(), sort_keys=False, allow_unicode=True)
    title = shell.unbroken(f"{seen.policy.policy}, version {seen.policy.version}")
    return shell.page(
        "console_policy_version.html",
        visit,
        title=title,
        seen=seen,
        text=text,
        **_drawn(seen.plan),
    )


def _drawn(plan: policy_plan.PolicyPlan | None) -> dict[str, Any]:
    return {
        "plan": plan,
        "drawings": chart.draw_plan(plan) if plan else (),
        "counts": policy_plan.counts_of(plan) if plan else {},
    }


@post(
    "/console/policy/proposals",
    may=HOLDS,
    request_max_body_size=FORM_BYTES_MAX,
    multipart_form_part_limit=PARTS_MAX,
)
async def propose(request: AnyRequest, visit: RouteVisit) -> Response[Any]:
    """Stores an uploaded file or a text as a proposal; a mistake is shown with its line."""
    form = await request.form()
    sent, pasted = form.get("file"), form.get("text", "")
    text = await sent.read() if isinstance(sent, UploadFile) else b""
    text = text or (pasted.encode("utf-8", "replace") if isinstance(pasted, str) else b"")
    return await visit.site.calling(lambda: _proposed(visit, text))


def _proposed(visit: Visit, text: bytes) -> Response[Any]:
    try:
        if not text.strip():
            raise UsageError("choose a file, or paste its text")
        made = policy_proposals.propose(
            visit.installation, text, actor=_by(visit), identity=visit.staff.identity
        )
    except (InputError, UsageError, RefusedError) as error:
        return _listing(visit, text.decode("utf-8", "replace"), shell.fault("text", error))
    return seen_other(f"{SECTION}/proposals/{made.proposal.id}?flash={PROPOSE.name}")


@get_page("/console/policy/proposals/{proposal:str}", may=OFFICE)
def proposal(visit: RouteVisit, proposal: FromPath[str]) -> Response[Any]:
    """A proposal, and the acts that the reader may perform on it."""
    return _shown(visit, policy_proposals.show(visit.installation, proposal))


def _shown(
    visit: Visit,
    proposal: ProposalDetail,
    *,
    reason: str = "",
    faults: Faults = NO_FAULTS,
    status: int = 200,
) -> Response[Any]:
    applier = policy_proposals.applier(
        visit.installation, proposal.proposal.id, actor=_by(visit), identity=visit.staff.identity
    )
    return shell.page(
        "console_policy_proposal.html",
        visit,
        title=shell.unbroken(f"Proposal: version {proposal.proposal.version}"),
        errors=faults,
        status_code=status,
        seen=proposal,
        kept=reason,
        acts=visit.allows(HOLDS) and proposal.proposal.state.value == "open",
        applier=applier,
        reason_max=REASON_CHARACTERS_MAX,
        planned_here=policy_proposals.is_planned_here(visit.installation),
        **_drawn(proposal.plan),
    )


def _refused(
    visit: Visit, proposal: str, data: Mapping[str, Any], error: LicetError
) -> Response[Any]:
    """The proposal again, with the error beside its form."""
    if not isinstance(error, RefusedError | UsageError):
        raise error
    return _shown(
        visit,
        policy_proposals.show(visit.installation, proposal),
        reason=str(data.get("reason", "")),
        faults=shell.fault("reason", error),
        status=409 if isinstance(error, RefusedError) else 422,
    )


def _by(visit: Visit) -> str:
    return visit.staff.recorded_as


# Published notices


NOTICES = ConsoleTable(
    table=staff_tables.NOTICES,
    may=STAFF,
    about=(
        "All published notices. A published notice never changes. Publish one on the host, from its file."
    ),
    views={
        "All": "",
        "At sign-up": "for=signup",
        "Existing accounts": "for=existing",
    },
)


@get_page("/console/notices/{notice_id:str}", may=STAFF)
def show_notice(visit: RouteVisit, notice_id: FromPath[str]) -> Response[Any]:
    """One notice as it is shown; NotFoundError for an unpublished one."""
    with transaction(visit.installation.pool) as tx:
        seen = _notice(tx, notice_id)
        went = notice_views.count_by_notice(tx, seen.notice_id)
        others = notice.list_by_version(tx, seen.number, seen.variant)
    policy = load_policies(visit.installation)[seen.number]
    return shell.page(
        "console_notice.html",
        visit,
        title="Notice at sign-up"
        if seen.variant is notice.Variant.signup
        else "Notice for existing accounts",
        seen=seen,
        went=went,
        others=others,
        version=policy.version,
        found=lint.lint_source(seen.document, policy),
    )


@get_page("/console/notices/{notice_id:str}/page", may=STAFF)
def notice_page(visit: RouteVisit, notice_id: FromPath[str]) -> Response[Any]:
    """The page of a notice as people see it, in its language; the console frames it."""
    with transaction(visit.installation.pool) as tx:
        seen = _notice(tx, notice_id)
    words = visit.site.languages.catalogue(seen.language, marked=True)
    return notice_pages.preview_page(
        visit.site, seen, load_policies(visit.installation)[seen.number], words
    )


def _notice(tx: Transaction, text: str) -> PublishedNotice:
    """A published notice by the id in the URL; NotFoundError for an unknown one."""
    try:
        seen = notice.get(tx, UUID(hex=text))
    except ValueError:
        seen = None
    if seen is None:
        raise NotFoundError("no such notice")
    return seen


ROUTES = (
    policy,
    version,
    propose,
    proposal,
    *(forms.form_of(verb, refused=_refused) for verb in (PLAN, WITHDRAW, APPLY)),
    *tables.routes_of(NOTICES),
    show_notice,
    notice_page,
)
