"""The command that imports recorded conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from licet.cli.root import EXIT_NO
from licet.cli.shell import (
    PATH,
    CliCall,
    answer_options,
    moment,
    pluralize,
    progress,
)
from licet.errors import UsageError
from licet.intake import imports, takeouts
from licet.intake.import_records import Imported, LateHistory, RecordedAccount
from licet.intake.recorded_history import read_accounts, read_choices
from licet.intake.takeouts import TakenOut
from licet.policy.file import Policies
from licet.vault.installation import load_policies


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--accounts", type=PATH, help="CSV or JSONL: account, plan, age, opened.")
@click.option(
    "--choices",
    type=PATH,
    help="CSV or JSONL: account, time, allow, channel, ...",
)
@click.option("--account", help="The account that the files belong to, by the host's id.")
@click.option("--plan", help="The plan of accounts that --accounts does not name.")
@click.option(
    "--age", type=click.IntRange(0, 150), help="The age of those accounts; by default unknown."
)
@click.option("--surface", help="The surface that was used; by default that of the format.")
@click.option("--assume-time", help="The time of conversations that record none.")
@answer_options
def import_(
    paths: tuple[Path, ...],
    accounts: Path | None,
    choices: Path | None,
    account: str | None,
    plan: str | None,
    age: int | None,
    surface: str | None,
    assume_time: str | None,
    call: CliCall,
) -> int:
    """Imports recorded conversations, as they would stand today. Recorded times are kept.

    A take-out of another installation, zip or unpacked, needs no options: its account, choices and
    feedback come with it. Reads files of Claude Code, Claude.ai, ChatGPT, LibreChat, Chatbot UI,
    Open WebUI, Cline, LiteLLM, and OpenAI-style messages as JSONL, also in a zip; a folder may
    contain several. The same file twice adds nothing. What cannot be read is reported with its
    place and left out, and the command exits 1.

    \b
    Example:  licet import ~/.claude/projects --account ana --plan pro --age 30
              licet import chats.jsonl --accounts accounts.csv --choices choices.csv
              licet import takeout.zip
    """
    alone = (
        takeouts.recognise(paths[0])
        if len(paths) == 1 and not (accounts or choices or account or plan)
        else None
    )
    if alone is not None:
        return _import_takeout(alone, call)
    if accounts is None and plan is None:
        imports.import_size(paths)  # unreadable files are reported before missing options
        raise UsageError(
            "whose conversations are these?",
            "give --account, --plan and --age, or a file of --accounts",
        )
    with call.installation() as opened:
        default = (
            RecordedAccount(host=account or "me", plan=plan, age=age) if plan is not None else None
        )
        known, now = load_policies(opened), opened.clock()
        recorded = read_accounts(accounts, now) if accounts else []
        chosen = (
            read_choices(choices, known, now, _may_choose(recorded, default)) if choices else []
        )
        with progress("{task.completed:,.0f} {task.fields[unit]}") as bar:
            read = bar.add_task("reading", total=imports.import_size(paths), unit="bytes")
            store = bar.add_task("storing", total=None, unit="turns")
            imported = imports.import_files(
                opened,
                paths,
                recorded=recorded,
                choices=chosen,
                default=default,
                host=account or "",
                surface=surface,
                assume_at=moment(assume_time) if assume_time else None,
                read_progress=lambda count: bar.advance(read, count),
                store_progress=lambda count: bar.advance(store, count),
            )
        plans = {account.plan for account in recorded} | ({default.plan} if default else set())
        notes = _notes(imported, known, plans)
        call.show(imported, lambda: "\n".join([imported_text(imported), *notes]))
    return EXIT_NO if imported.broken or imported.refused else 0


def _notes(imported: Imported, policies: Policies, plans: set[str]) -> list[str]:
    """Returns notes on an import for the operator, beside its figures."""
    foreign = sorted(plans - {name for version in policies.versions for name in version.plans})
    notes = [
        f"plan `{name}` is in no policy version: nothing said on it may be used" for name in foreign
    ]
    if imported.choices_too_early:
        first = policies.versions[0].effective.date()
        notes.append(
            f"{pluralize(imported.choices_too_early, 'recorded choice')} made before {first}, from "
            "which day the policy is effective: without effect. `licet init --effective DAY` says "
            "from which day your terms have held"
        )
    return notes


def _import_takeout(taken: TakenOut, call: CliCall) -> int:
    """Imports a take-out, with its account and choices."""
    with (
        call.installation() as installation,
        progress("{task.completed:,.0f} {task.fields[unit]}") as bar,
    ):
        read = bar.add_task("reading", total=takeouts.size(taken), unit="bytes")
        store = bar.add_task("storing", total=None, unit="turns")
        imported, foreign = imports.import_takeout(
            installation,
            taken,
            read_progress=lambda count: bar.advance(read, count),
            store_progress=lambda count: bar.advance(store, count),
        )
    notes = [
        (
            f"{pluralize(count, 'choice')} made under the terms `{version}`, which were not in "
            "force here: left out"
        )
        for version, count in Counter(foreign).items()
    ]
    call.show(imported, lambda: "\n".join([imported_text(imported), *notes]))
    return EXIT_NO if imported.broken or imported.refused else 0


def _may_choose(
    recorded: Sequence[RecordedAccount], default: RecordedAccount | None
) -> frozenset[str] | None:
    """Returns the accounts whose recorded choices are imported: any, if accounts without a name in
    the file have a plan.
    """
    return None if default is not None else frozenset(account.host for account in recorded)


def imported_text(imported: Imported) -> str:
    """Formats an import's result in a few lines."""
    known = imported.conversations_known
    where = pluralize(imported.conversations, "conversation")
    # the others have no stored content, but `licet status` counts them
    if imported.conversations < known:
        where = f"{imported.conversations:,} of {pluralize(known, 'conversation')}"
    lines = [
        f"{pluralize(imported.turns, 'turn')} read: {imported.stored:,} stored in {where}, "
        f"{imported.known:,} here already; "
        f"{pluralize(imported.accounts, 'account')}"
    ]
    if imported.other_projects:
        lines.append(
            f"{pluralize(imported.other_projects, 'turn')} named another project than the one that "
            "the conversation began in, which counts"
        )
    if imported.opened_alone:
        lines.append(
            f"{pluralize(imported.opened_alone, 'account')} of the file opened that nothing was "
            "brought in of"
        )
    if imported.opened_now:
        lines.append(
            f"{pluralize(imported.opened_now, 'account')} of these opened as of now: the file "
            "does not say when"
        )
    if imported.choices:
        effects = ", ".join(
            f"{count:,} {_EFFECTS.get(what, what)}" for what, count in imported.effects.items()
        )
        lines.append(f"{pluralize(imported.choices, 'recorded choice')}: {effects}")
    lines += [_late_text(late) for late in imported.late]
    if imported.late_accounts > len(imported.late):
        lines.append(
            f"... and {pluralize(imported.late_accounts - len(imported.late), 'account')} more "
            "with later events"
        )
    if imported.feedback:
        lines.append(f"{pluralize(imported.feedback, 'rating')} stored as feedback")
    for day, count in imported.would_be_erased.items():
        lines.append(f"{pluralize(count, 'turn')} would have been erased on {day}: not stored")
    lines += [
        f"{pluralize(count, 'turn')} refused: {_REFUSED.get(why, why)}"
        for why, count in imported.refused.items()
    ]
    lines += [
        f"{pluralize(count, 'record')} passed over: {why}"
        for why, count in sorted(imported.skipped_reasons.items())
    ]
    if imported.broken:
        lines.append(f"{pluralize(imported.broken, 'item')} could not be read and left out:")
        lines += [f"  {item.place}: {item.message}" for item in imported.broken_places]
        if imported.broken > len(imported.broken_places):
            lines.append(f"  ... and {imported.broken - len(imported.broken_places):,} more")
    return "\n".join(lines)


def _late_text(late: LateHistory) -> str:
    """Describes an account's history from before its newest event."""
    done = [
        (late.turns, "turn", "stored under no permission"),
        (late.refusals, "refusal", "in effect from now on"),
        (late.permissions, "permission", "left out"),
        (late.ratings, "rating", "left out"),
    ]
    effects = ", ".join(f"{pluralize(count, what)} {how}" for count, what, how in done if count)
    return f"`{late.host}` has later events than what is brought in: {effects}"


_REFUSED = {
    "closed": "the account is closed",
    "deleted": "the conversation was deleted",
    "too_many_segments": "the conversation changed its surface, plan or permission too often",
    "out_of_order": "the conversation has later turns, and the account later events",
}
_EFFECTS = {
    "began": "gave permission", "affirmed": "affirmed it", "withdrew": "withdrew it", "declined": "declined",
    "none": "had no effect, as the terms did not cover the account then",
    "late": "gave nothing, as the account has later events",
}  # fmt: skip
