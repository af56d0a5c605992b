"""The commands of the policy file: test, plan and apply a version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from licet.access.identities import NOT_CONFIRMED
from licet.cli.root import EXIT_CHANGES, EXIT_NO, CommandGroup
from licet.cli.shell import (
    PATH,
    CliCall,
    actor_name,
    answer_options,
    by_option,
    json_option,
    local_options,
    pluralize,
    show,
)
from licet.errors import UsageError
from licet.policy import diff
from licet.policy.cases import run_file
from licet.policy.file import load, schema_text
from licet.policy.period import rfc3339

if TYPE_CHECKING:
    from licet.service.policy_changes import PlannedPolicy
    from licet.service.policy_proposals import ProposalDetail
    from licet.vault.policy_plan import PolicyPlan
    from licet.vault.stored_dates import DatesPage


@click.group(cls=CommandGroup)
def policy() -> None:
    """Checks, tests, plans and applies the policy file."""


@policy.command("test")
@click.argument("files", nargs=-1, required=True, type=PATH)
@json_option
def policy_test(files: tuple[Path, ...], as_json: bool) -> int:
    """Runs case files and prints each difference. Exits 1 if there are any.

    \b
    Example:  licet policy test tests/spec/cases.yaml
    """
    ran = [run_file(path) for path in files]
    differences = [d for r in ran for d in r.differences]
    cases, expectations = sum(r.cases for r in ran), sum(r.expectations for r in ran)
    last = f"{cases} cases, {expectations} expectations, {len(differences)} differ"
    value = {
        "cases": cases,
        "expectations": expectations,
        "differ": len(differences),
        "differences": [msgspec.structs.asdict(d) for d in differences],
    }
    show(value, as_json, lambda: "\n".join([*map(str, differences), last]))
    return EXIT_NO if differences else 0


@policy.command("check")
@click.argument("file", type=PATH)
@json_option
def policy_check(file: Path, as_json: bool) -> None:
    """Loads a policy file strictly and prints it with its hash.

    \b
    Example:  licet policy check licet-data/policy.yaml
    """
    checked = load(file)
    value = {**checked.document(), "sha256": checked.sha256().hex()}
    show(
        value,
        as_json,
        lambda: f"{checked.policy} {checked.version} is well formed: {checked.sha256().hex()}",
    )


@policy.command("diff")
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@json_option
def policy_diff(old: Path, new: Path, as_json: bool) -> int:
    """Shows what one policy file changes in another. Shows each key and the direction of its
    change. Exits 2 if there are changes.

    \b
    Example:  licet policy diff policy.yaml policy-2026.yaml
    """
    changed = diff.compare(load(old), load(new))
    lines = [
        f"{_SIGNS[c.direction]} {c.key}: {_plain(c.old)} -> {_plain(c.new)}"
        for c in changed.changes
    ]
    show(changed, as_json, lambda: "\n".join([*lines, diff.describe(changed)]))
    return EXIT_CHANGES if changed.changes else 0


_SIGNS = {diff.Direction.widens: "+", diff.Direction.narrows: "-", diff.Direction.neither: "~"}


def _plain(value: object) -> str:
    return ", ".join(value) or "nothing" if isinstance(value, tuple) else str(value)


@policy.command("plan")
@click.argument("file", type=PATH)
@click.option(
    "--shorten-stored",
    is_flag=True,
    help="Also plan to shorten stored dates, and list each with its new one.",
)
@click.option("--limit", default=50, show_default=True, help="How many dates to list at once.")
@click.option(
    "--after",
    default="",
    help="List the dates behind this one of the plan that --plan names, and draw no new one.",
)
@click.option(
    "--plan", "plan_sha256", default="", help="With --after: the plan, as it names itself."
)
@by_option("plans")
@answer_options
def policy_plan(
    file: Path,
    shorten_stored: bool,
    limit: int,
    after: str,
    plan_sha256: str,
    by: str | None,
    call: CliCall,
) -> int:
    """Shows what a policy file would do to the accounts here. Changes nothing. Exits 2 if there are
    changes.

    With --shorten-stored it lists, person by person, each stored date that would come nearer, with
    the date now and the date after. `licet policy apply --shorten-stored --plan SHA256` then
    shortens these and no others.

    \b
    Example:  licet policy plan policy-2026.yaml
              licet policy plan policy-2026.yaml --shorten-stored --limit 1000 --json
    """
    # here: a policy is tested and checked without the database's driver
    from licet.service import policy_changes

    if bool(after) != bool(plan_sha256) or (after and not shorten_stored):
        raise UsageError(
            "--after lists more of one plan",
            "give --shorten-stored, --plan and --after as they were printed",
        )
    with call.installation() as installation:
        if after:
            page = policy_changes.planned_dates(
                installation, file, plan_sha256, cursor=after, limit=limit
            )
            call.show(page, lambda: "\n".join(_date_lines(page)))
            return EXIT_CHANGES if page.items else 0
        planned = policy_changes.plan_policy(
            installation, file, actor=actor_name(by), shorten_stored=shorten_stored, limit=limit
        )
        call.show(planned, lambda: plan_text(planned))
    return (
        EXIT_CHANGES if planned.plan.has_changes or (planned.dates and planned.dates.items) else 0
    )


def _date_lines(page: DatesPage) -> list[str]:
    """Formats dates by account and conversation."""
    lines, account = list[str](), ""
    for item in page.items:
        if item.account != account:
            account = item.account
            lines.append(
                f"  {account}"
                + (
                    " has changed since the plan, and is not shortened by it"
                    if item.changed
                    else ""
                )
            )
        dates = f"{rfc3339(item.keep_until)} -> {rfc3339(item.becomes)}"
        lines.append(
            f"    {item.conversation} part {item.segment + 1}, "
            f"{pluralize(item.turns, 'turn')}: {dates}"
        )
    return [*lines, *([f"  .. more: --after {page.next}"] if page.next else [])]


def plan_text(planned: PlannedPolicy) -> str:
    """Formats a plan with Terraform's signs: + more, - less, ~ otherwise."""
    plan = planned.plan
    lines = [
        (
            f"{plan.policy} {plan.base} -> {plan.version}, as of {rfc3339(plan.at)} if nobody "
            "does anything until then"
        ),
        plan.direction,
        "",
    ]
    lines += [
        f"  {_SIGNS[c.direction]} {c.key}: {_plain(c.old)} -> {_plain(c.new)}" for c in plan.changes
    ]
    lines += ["", f"  ~ {plan.asked_again:,} accounts asked again"]
    lines += [f"  ~ {count:,} accounts move from gate {move}" for move, count in plan.gates.items()]
    for question, question_counts in plan.questions.items():
        lines.append(f"  ~ {question_counts.asked:,} accounts are asked `{question}`, and were not")
        lines.append(
            f"  - {question_counts.ended:,} permissions for `{question}` end, of any scope"
        )
    for purpose, rows in plan.purposes.items():
        lines.append(f"  + {rows.entering:,} stored turns enter {purpose}")
        lines.append(
            f"  - {rows.leaving:,} stored turns leave {purpose} ({rows.before:,} -> {rows.after:,})"
        )
    lines += _nearer_lines(plan)
    lines += [
        f"  ~ the pages have no words for `{name}`, and say its name" for name in planned.unworded
    ]
    lines += [f"  ! {finding}" for finding in planned.findings]
    lines += ["", "sealed bytes kept if nobody says anything more"]
    for horizon, before in plan.kept_before.items():
        lines.append(f"    {horizon:<8} {before:>14,} -> {plan.kept_after[horizon]:,}")
    if planned.dates is not None:
        lines += ["", "stored dates now, and after the shortening", *_date_lines(planned.dates)]
    lines += [
        "",
        f"nothing was changed; `licet policy apply` takes this file (sha256 {planned.sha256})",
    ]
    if planned.dates is not None:
        lines.append(
            f"to shorten these dates and no others: --shorten-stored --plan {planned.plan_sha256}"
        )
    return "\n".join(lines)


def _nearer_lines(plan: PolicyPlan) -> list[str]:
    """Formats which stored dates come nearer, and why."""
    lines = [
        f"  - {plan.nearer:,} stored segments get a nearer date, because their permission ends"
    ]
    if plan.shortening is None:
        many = (
            f"{plan.shortened_on_request:,} stored segments get a nearer date only with "
            "--shorten-stored"
        )
        return [*lines, f"  ~ {many}, which lists them"]
    shortening = plan.shortening
    accounts = pluralize(shortening.accounts, "account")
    whose = f"{pluralize(shortening.conversations, 'conversation')} of {accounts}"
    stored = f"{pluralize(shortening.turns, 'turn')}, {pluralize(shortening.bytes, 'sealed byte')}"
    lines.append(
        f"  - {shortening.segments:,} stored segments get a nearer date by --shorten-stored: "
        f"{stored}, in {whose}"
    )
    if shortening.nearest is not None and shortening.furthest is not None:
        lines.append(
            f"  - the new dates are from {rfc3339(shortening.nearest)} to "
            f"{rfc3339(shortening.furthest)}"
        )
        lines.append(
            f"  - {shortening.due_at_first:,} of these segments are due as soon as the version is "
            "effective"
        )
    return lines


@policy.command("proposals")
@click.argument("proposal", required=False)
@local_options
def policy_proposals_command(proposal: str | None, call: CliCall) -> None:
    """Lists the proposals, or shows one with its diff and plan.

    \b
    Example:  licet policy proposals
              licet policy proposals prop_0199107f2c0078e7a6e4da4810be10b0
    """
    from licet.service import policy_proposals

    with call.installation() as installation:
        if proposal is None:
            found = policy_proposals.list_proposals(installation)
            lines = [
                f"{row.id}  {row.state.value:<9}  version {row.version}, by {row.proposed_by}"
                for row in found
            ]
            call.show({"items": found}, lambda: "\n".join(lines) or "no proposals")
            return
        seen = policy_proposals.show(installation, proposal)
        call.show(seen, lambda: proposal_text(seen))


def proposal_text(view: ProposalDetail) -> str:
    """Formats a proposal with its diff and the numbers of its plan."""
    from licet.vault.policy_plan import counts_of
    from licet.vault.policy_proposals import ProposalState

    proposal = view.proposal
    lines = [
        f"{proposal.id}  version {proposal.version}",
        f"{proposal.state.value}, proposed by {proposal.proposed_by} on "
        f"{rfc3339(proposal.proposed_at)}",
        view.direction,
    ]
    if proposal.state is ProposalState.applied and not proposal.second_identity:
        lines.insert(2, f"applied by {proposal.ended_by}, {NOT_CONFIRMED}")
    lines += [
        f"  {_SIGNS[c.direction]} {c.key}: {_plain(c.old)} -> {_plain(c.new)}" for c in view.changes
    ]
    lines += [f"  ! {finding}" for finding in view.findings]
    if view.refusal:
        lines.append(f"it cannot be applied any more: {view.refusal}")
    if view.plan is None:
        lines.append(
            "it has no plan against the version in force: `licet policy plan-proposal "
            f"{proposal.id}` draws one"
        )
    else:
        lines += [f"  ~ {count:,} {name}" for name, count in counts_of(view.plan).items() if count]
        lines.append(f"plan {view.plan_sha256}")
    return "\n".join(lines)


@policy.command("apply")
@click.argument("file", type=PATH)
@click.option(
    "--plan",
    "plan_sha256",
    default="",
    help="With --shorten-stored: the plan that you read, as it names itself.",
)
@by_option("applies it")
@click.option(
    "--shorten-stored",
    is_flag=True,
    help=(
        "Also shorten the stored dates that the plan of `licet policy plan --shorten-stored` "
        "listed; --plan names it."
    ),
)
@answer_options
def policy_apply(
    file: Path, plan_sha256: str, by: str | None, shorten_stored: bool, call: CliCall
) -> int:
    """Applies a policy file that was planned. Records who applied it, its hash and the day. `licet
    policy plan` is its dry run.

    Refuses a version that is not newer, that widens without being material, or whose plan is stale.
    The version in force may be amended by a later deadline, and by nothing else. With
    --shorten-stored it shortens what the plan listed and nothing else; an account that has changed
    since is left as it is, and then the command exits 1: plan again.

    \b
    Example:  licet policy plan policy-2026.yaml
              licet policy apply policy-2026.yaml --by "counsel"
              licet policy apply policy-2026.yaml --shorten-stored --plan SHA256
    """
    from licet.service import policy_changes

    with call.installation() as installation:
        applied = policy_changes.apply_planned(
            installation,
            file,
            actor=actor_name(by),
            shorten_stored=shorten_stored,
            plan_sha256=plan_sha256,
        )
        shortened = f"; {applied.shortened:,} stored segments shortened" if shorten_stored else ""
        lines = [
            f"version {applied.version} is applied, effective "
            f"{rfc3339(applied.effective)}{shortened}"
        ]
        if applied.left_accounts:
            left = pluralize(applied.left_accounts, "account")
            lines.append(
                f"{left} changed since the plan, and left as they are: plan the shortening again"
            )
        call.show(applied, lambda: "\n".join([*lines, f"sha256 {applied.sha256}"]))
    return EXIT_NO if applied.left_accounts else 0


@policy.command("schema")
def policy_schema() -> None:
    """Prints the JSON Schema of the policy file, for editors.

    \b
    Example:  licet policy schema > policy.schema.json
    """
    click.echo(schema_text())


def _add_declared() -> None:
    from licet.cli.verb_commands import Printing, add_commands
    from licet.service.policy_verbs import VERBS

    view = Printing(text=lambda _, done: proposal_text(done))
    add_commands(policy, VERBS, {"propose_policy": view, "plan_proposal": view})


policy.declared = _add_declared
