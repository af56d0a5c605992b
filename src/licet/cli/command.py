"""The `licet` command: reads the environment and the clock, calls one verb, prints what it answers.

Exit codes: 0 yes or done, 1 answered no (differences, contradictions, refused), 2 a plan has changes, 64 usage,
70 internal, 75 try again, 130 interrupted. Answers go to standard output, progress and errors to standard error.
Every command takes ``--json``.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from click.shell_completion import get_completion_class
from rich.console import Console
from rich.progress import MofNCompleteColumn, TextColumn

from licet import demo as town
from licet import doctor, service
from licet.cli import (
    backup,
    canaries,
    cold,
    deidentify,
    erasure,
    handles,
    hook,
    keys,
    lineage,
    proof,
    release_diff,
    release_purge,
    release_sign,
    review,
    safety,
    session,
    sweep,
    train,
    watch,
    webhooks,
    witness,
)
from licet.cli.root import EXIT_NO, Root
from licet.cli.shell import at_option as _at
from licet.cli.shell import data_option as _data
from licet.cli.shell import json_option as _as_json
from licet.cli.shell import moment as _moment
from licet.cli.shell import opened as _open
from licet.cli.shell import progress as _progress
from licet.cli.shell import show as _show
from licet.config import Config
from licet.consent import lint, rendered
from licet.errors import UsageError
from licet.intake.recorded import read_accounts, read_choices
from licet.intake.replay import Imported, Recorded
from licet.policy import diff
from licet.policy.cases import run_file
from licet.policy.file import PRESETS, schema_text
from licet.policy.file import load as load_policy
from licet.policy.period import written
from licet.service import reviewing
from licet.store import embedded, migrations
from licet.web import console

EXIT_CHANGES = 2


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="licet", message="licet %(version)s")
def main() -> None:
    """Decides, keeps and proves what an AI assistant may learn from the people who use it.

    \b
    Begin with:  licet init --preset strict
                 licet import PATH --account ana --plan pro --age 30
                 licet status
    """


@main.group()
def policy() -> None:
    """The policy file: test its meaning, check a file."""


@policy.command("test")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@_as_json
def policy_test(files: tuple[Path, ...], as_json: bool) -> int:
    """Runs case files and prints each difference, expected against actual; exits 1 if there is any.

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
    _show(value, as_json, lambda: "\n".join([*map(str, differences), last]))
    return EXIT_NO if differences else 0


@policy.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@_as_json
def policy_check(file: Path, as_json: bool) -> None:
    """Loads a policy file strictly and prints it with its hash.

    \b
    Example:  licet policy check licet-data/policy.yaml
    """
    checked = load_policy(file)
    value = {**checked.document(), "sha256": checked.sha256().hex()}
    _show(value, as_json, lambda: f"{checked.policy} {checked.version} is well formed: {checked.sha256().hex()}")


@policy.command("diff")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@_as_json
def policy_diff(old: Path, new: Path, as_json: bool) -> int:
    """What a policy file changes in another, key by key, and in which direction; exits 2 if there are changes.

    \b
    Example:  licet policy diff policy.yaml policy-2026.yaml
    """
    changed = diff.diff(load_policy(old), load_policy(new))
    lines = [f"{_SIGNS[c.direction]} {c.key}: {_plain(c.old)} -> {_plain(c.new)}" for c in changed.changes]
    _show(changed, as_json, lambda: "\n".join([*lines, diff.sentence(changed)]))
    return EXIT_CHANGES if changed.changes else 0


_SIGNS = {diff.Direction.widens: "+", diff.Direction.narrows: "-", diff.Direction.neither: "~"}


def _plain(value: object) -> str:
    return ", ".join(value) or "nothing" if isinstance(value, tuple) else str(value)


@policy.command("plan")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", default=None, help="Who asks; by default the user of this system.")
@_data
@_at
@_as_json
def policy_plan(file: Path, by: str | None, data: Path | None, at: str | None, as_json: bool) -> int:
    """What applying a policy file would do to the real population; changes nothing. Exits 2 if there are changes.

    \b
    Example:  licet policy plan policy-2026.yaml
    """
    with _open(data, at) as here:
        planned = service.plan_policy(here, file, by=by or _user())
        _show(planned, as_json, lambda: plan_text(planned))
    return EXIT_CHANGES if planned.plan.has_changes else 0


def plan_text(planned: service.Planned) -> str:
    """A plan for counsel to read, with Terraform's signs: + more, - less, ~ otherwise."""
    plan = planned.plan
    lines = [
        f"{plan.policy} {plan.base} -> {plan.version}, as of {written(plan.at)} if nobody does anything until then",
        plan.direction,
        "",
    ]
    lines += [f"  {_SIGNS[c.direction]} {c.key}: {_plain(c.old)} -> {_plain(c.new)}" for c in plan.changes]
    lines += ["", f"  ~ {plan.asked_again:,} accounts asked again"]
    lines += [f"  ~ {count:,} accounts move from gate {move}" for move, count in plan.gates.items()]
    lines.append(f"  - {plan.grants_ended:,} permissions end, because the version does not allow the account")
    for purpose, rows in plan.purposes.items():
        lines.append(f"  + {rows.entering:,} stored turns enter {purpose}")
        lines.append(f"  - {rows.leaving:,} stored turns leave {purpose} ({rows.before:,} -> {rows.after:,})")
    lines.append(f"  - {plan.nearer:,} segments will be erased sooner")
    lines.append(f"  ~ with --shorten-stored, {plan.shortened_on_request:,} stored segments come to the new periods")
    lines += ["", "sealed bytes kept if nobody says anything more"]
    for horizon, before in plan.kept_before.items():
        lines.append(f"    {horizon:<8} {before:>14,} -> {plan.kept_after[horizon]:,}")
    lines += ["", f"nothing was changed; `licet policy apply` takes this file (sha256 {planned.sha256})"]
    return "\n".join(lines)


@policy.command("apply")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", default=None, help="Who applies it; by default the user of this system.")
@click.option(
    "--shorten-stored", is_flag=True,
    help="Also bring stored segments to at most their last turn and the new period, never before the version's day.",
)  # fmt: skip
@_data
@_at
@_as_json
def policy_apply(
    file: Path, by: str | None, shorten_stored: bool, data: Path | None, at: str | None, as_json: bool
) -> None:
    """Applies a policy file that was planned, and records who, its hash and the day.

    Refuses a version that is not newer, that widens without being material, or whose plan is stale. The version in
    force may be amended by a later deadline, and by nothing else.

    \b
    Example:  licet policy plan policy-2026.yaml
              licet policy apply policy-2026.yaml --by "counsel"
    """
    with _open(data, at) as here:
        applied = service.apply_planned(here, file, by=by or _user(), shorten_stored=shorten_stored)
        shortened = f"; {applied.shortened:,} stored segments shortened" if shorten_stored else ""
        text = f"version {applied.version} is applied, effective {written(applied.effective)}{shortened}"
        _show(applied, as_json, lambda: f"{text}\nsha256 {applied.sha256}")


@policy.command("schema")
def policy_schema() -> None:
    """Prints the JSON Schema of the policy file, for editors.

    \b
    Example:  licet policy schema > policy.schema.json
    """
    click.echo(schema_text())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@main.command()
@click.option("--preset", type=click.Choice(PRESETS), default="strict", show_default=True, help="What to begin with.")
@click.option("--policy", "file", type=click.Path(path_type=Path), help="A policy file of your own, instead.")
@_data
@_as_json
def init(preset: str, file: Path | None, data: Path | None, as_json: bool) -> None:
    """Makes an installation: its database, its keys, and its first policy.

    \b
    Example:  licet init --preset strict
    """
    with _open(data, make=True) as here:
        begun = service.init(here, preset=preset, file=file)
        _show(begun, as_json, lambda: _begun(begun, here.config.data))


def _begun(begun: service.Begun, data: Path) -> str:
    lines = [
        f"policy     {begun.policy}, version {begun.version}: {begun.file}",
        f"effective  {written(begun.effective)}",
        f"decide by  {begun.decide_by or 'no last day: the notice can be put off without end'}",
        f"data       {data}",
        "",
    ]
    if begun.decide_by is not None:
        lines += [
            f"Until the end of {begun.decide_by} (UTC) an existing account may put the notice off and go on writing.",
            f"After it, an account that has not answered can read, export, delete and choose, but not write, until it"
            f" answers; either answer opens it again. Silence is never consent: nothing becomes usable on {begun.decide_by}.",
        ]
    return "\n".join(lines)


@main.group()
def notice() -> None:
    """What people are asked: publish a notice, hold one against what makes a choice free."""


@notice.command("publish")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--version", help="The policy version that it asks about; by default the newest.")
@click.option("--by", help="Who publishes; by default the user of this system.")
@_data
@_at
@_as_json
def notice_publish(
    files: tuple[Path, ...], version: str | None, by: str | None, data: Path | None, at: str | None, as_json: bool
) -> None:
    """Publishes notices; without FILES those that ship for the policy. Their bytes never change again.

    \b
    Example:  licet notice publish our-notice.en.md
    """
    sources = [file.read_text(encoding="utf-8") for file in files] or None
    with _open(data, at) as here:
        made = service.publish_notices(here, sources, version=version, by=by or _user())
        lines = [
            f"{n.variant.value} {n.language} for {n.version}: {n.sha256}{'' if n.new else ' (as before)'}" for n in made
        ]
        _show(made, as_json, lambda: "\n".join(lines))


@notice.command("lint")
@click.argument("target")
@click.option("--settings", help="The page or file of the settings: withdrawing there may not take longer than giving.")
@_as_json
def notice_lint(target: str, settings: str | None, as_json: bool) -> int:
    """Fails a notice (.md), a page's markup (.html) or a page (URL, measured in a browser) that presses; exits 1.

    \b
    Example:  licet notice lint our-notice.en.md
              licet notice lint https://privacy.example.org/notice --settings https://privacy.example.org/settings
    """
    found = rendered.lint_notice(target, settings, os.environ)
    _show(found, as_json, lambda: lint.shown_text(found))
    return EXIT_NO if found else 0


@main.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--accounts", type=click.Path(path_type=Path), help="CSV or JSONL: account, plan, age, opened.")
@click.option("--choices", type=click.Path(path_type=Path), help="CSV or JSONL: account, time, allow, channel, ...")
@click.option("--account", help="The host's id of the account whose files these are.")
@click.option("--plan", help="The plan of accounts that the file of accounts does not name.")
@click.option("--age", type=click.IntRange(0, 150), help="Their age; without it, unknown.")
@click.option("--surface", help="The way in that these were said through; by default the format's own.")
@click.option("--assume-time", help="For conversations without any time of their own.")
@_data
@_at
@_as_json
def import_(
    paths: tuple[Path, ...], accounts: Path | None, choices: Path | None, account: str | None, plan: str | None,
    age: int | None, surface: str | None, assume_time: str | None, data: Path | None, at: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Brings in recorded conversations, with their recorded times, as they would stand today.

    Takes the files of Claude Code, Claude.ai, ChatGPT, LibreChat, Chatbot UI, Open WebUI, Cline, LiteLLM, SWE-agent,
    tau-bench, and OpenAI-style messages as JSONL, also in a zip; a folder may hold
    several. The same file twice adds nothing. What cannot be read is reported with its place and left out; exits 1 then.

    \b
    Example:  licet import ~/.claude/projects --account ana --plan pro --age 30
              licet import chats.jsonl --accounts accounts.csv --choices choices.csv
    """
    if accounts is None and plan is None:
        raise UsageError("whose conversations are these?", "give --account, --plan and --age, or a file of --accounts")
    with _open(data, at) as here:
        default = Recorded(host=account or "me", plan=plan, age=age) if plan is not None else None
        known, now = service.policies(here), here.clock()
        recorded = read_accounts(accounts, now) if accounts else []
        chosen = read_choices(choices, known, now, _may_choose(recorded, default)) if choices else []
        with _progress(TextColumn("{task.completed:,.0f} {task.fields[unit]}")) as bar:
            read = bar.add_task("reading", total=service.import_size(paths), unit="bytes")
            store = bar.add_task("storing", total=None, unit="turns")
            imported = service.import_files(
                here, paths, recorded=recorded, choices=chosen, default=default, host=account or "", surface=surface,
                assume_at=_moment(assume_time) if assume_time else None,
                read_progress=lambda count: bar.advance(read, count),
                store_progress=lambda count: bar.advance(store, count),
            )  # fmt: skip
        plans = {account.plan for account in recorded} | ({default.plan} if default else set())
        foreign = sorted(plans - {name for version in known.versions for name in version.plans})
        notes = [f"plan `{name}` is in no policy version: nothing said on it may be used" for name in foreign]
        _show(imported, as_json, lambda: "\n".join([imported_text(imported), *notes]))
    return EXIT_NO if imported.broken or imported.refused else 0


def _may_choose(recorded: Sequence[Recorded], default: Recorded | None) -> frozenset[str] | None:
    """The accounts whose choices are taken: any, where unnamed ones have a plan."""
    return None if default is not None else frozenset(account.host for account in recorded)


def imported_text(imported: Imported) -> str:
    """What an import did, in a few lines."""
    lines = [
        f"{_of(imported.turns, 'turn')} read: {imported.stored:,} stored in "
        f"{_of(imported.conversations, 'conversation')}, {imported.known:,} here already; "
        f"{_of(imported.accounts, 'account')}"
    ]
    if imported.choices:
        effects = ", ".join(f"{count:,} {_EFFECTS.get(what, what)}" for what, count in imported.effects.items())
        lines.append(f"{_of(imported.choices, 'recorded choice')}: {effects}")
    if imported.feedback:
        lines.append(f"{_of(imported.feedback, 'rating')} stored as feedback")
    for day, count in imported.would_be_erased.items():
        lines.append(f"{_of(count, 'turn')} would have been erased on {day}: not stored")
    lines += [f"{_of(count, 'turn')} refused: {_REFUSED.get(why, why)}" for why, count in imported.refused.items()]
    lines += [f"{_of(count, 'record')} passed over: {why}" for why, count in sorted(imported.skipped_reasons.items())]
    if imported.broken:
        lines.append(f"{_of(imported.broken, 'item')} could not be read and left out:")
        lines += [f"  {item.place}: {item.message}" for item in imported.broken_places]
        if imported.broken > len(imported.broken_places):
            lines.append(f"  ... and {imported.broken - len(imported.broken_places):,} more")
    return "\n".join(lines)


_REFUSED = {"closed": "the account is closed", "deleted": "the conversation was deleted"}
_EFFECTS = {
    "began": "gave permission", "affirmed": "affirmed it", "withdrew": "withdrew it", "declined": "declined",
    "none": "had no effect, as the terms did not cover the account, or not yet",
}  # fmt: skip


def _of(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


@main.group()
def release() -> None:
    """Training sets that hold exactly what may be used."""


@release.command("build")
@click.argument("name")
@click.option("--purpose", required=True, help="improve_models or safety_classifiers.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write it; by default with the installation.")
@click.option("--misuse", "model", type=click.Path(path_type=Path), help="A classifier whose score goes with each row.")
@_data
@_at
@_as_json
def release_build(
    name: str, purpose: str, folder: Path | None, model: Path | None, data: Path | None, at: str | None, as_json: bool
) -> None:
    """Decides for every turn, and seals what may be used into a release.

    Interrupted, it leaves nothing that can be read; the same command starts over.

    \b
    Example:  licet release build tuesday --purpose improve_models
    """
    with _open(data, at) as here, _progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("deciding", total=service.turns_kept(here))
        built = service.build_release(
            here, name=name, purpose=purpose, folder=folder, progress=lambda count: bar.advance(task, count),
            scorers=safety.scorers(model),
        )  # fmt: skip
        bar.stop()
        _show(built, as_json, lambda: _release_text(built.folder, built.manifest))


def _release_text(folder: Path, promised: Any) -> str:  # noqa: ANN401 a Manifest, named in service
    counts = promised.counts
    lines = [
        f"release    {promised.name}: {promised.rows:,} rows for {promised.purpose}, sealed {written(promised.built_at)}",
        f"folder     {folder}",
        f"policy     {promised.policy.name} {promised.policy.version}, journal position {promised.journal}",
        f"turns      {counts.candidates:,} candidates = {counts.included:,} included"
        f" + {counts.candidates - counts.included:,} left out",
    ]
    lines += [
        f"           {count:>9,}  {reason}" for reason, count in sorted(counts.dropped.items(), key=lambda kv: -kv[1])
    ]
    replaced = promised.deidentification.counts
    if replaced:
        lines.append("replaced   " + ", ".join(f"{count} {kind}" for kind, count in replaced.items()))
    lines.append(f"root       {promised.root}")
    return "\n".join(lines)


@release.command("show")
@click.argument("name")
@_data
@_at
@_as_json
def release_show(name: str, data: Path | None, at: str | None, as_json: bool) -> None:
    """What a release holds, why the rest was left out, and how many of its rows may be used now.

    \b
    Example:  licet release show tuesday
    """
    with _open(data, at) as here:
        seen = service.show_release(here, name)
        since = reviewing.standing(here, name) if seen.state == "sealed" else None
        usable = f"\nusable now {seen.rows_usable_now:,} of {seen.manifest.rows:,} rows\n"
        _show(
            {**msgspec.structs.asdict(seen), "standing": since}, as_json,
            lambda: _release_text(seen.folder, seen.manifest) + usable + (release_sign.since_text(since) if since else ""),
        )  # fmt: skip


@release.command("verify")
@click.argument("name")
@_data
@_at
@_as_json
def release_verify(name: str, data: Path | None, at: str | None, as_json: bool) -> int:
    """Holds every file of a release against its manifest and its seal; exits 1 on any contradiction.

    \b
    Example:  licet release verify tuesday
              licet release verify /mnt/copies/tuesday
    """
    with _open(data, at) as here:
        found = service.verify_release(here, name)
        lines = [f"{c.file}: {c.promise.value}: found {c.found}" for c in found]
        _show(found, as_json, lambda: "\n".join([*lines, f"{len(found)} contradictions"]))
    return EXIT_NO if found else 0


@main.command()
@click.argument("name")
@_data
@_at
@_as_json
def explain(name: str, data: Path | None, at: str | None, as_json: bool) -> None:
    """Whether and why a CONVERSATION, a TURN or what an ACCOUNT said may be used, and until when.

    Ids begin with conv_, turn_ and acc_; an account may also be named by the host's own id.

    \b
    Example:  licet explain conv_0199107f2c0078e7a6e4da4810be10b0
              licet explain ana
    """
    with _open(data, at) as here:
        seen = service.explain(here, name)
        if isinstance(seen, service.AccountSeen):
            _show(seen, as_json, lambda: account_text(seen))
        else:
            _show(seen, as_json, lambda: conversation_text(seen))


def conversation_text(seen: service.ConversationSeen) -> str:
    """A conversation's answers, for a person to read."""
    kept = "erased" if seen.erased else (written(seen.keep_until) if seen.keep_until else "while a legal hold stands")
    marks = [
        word
        for word, holds in (
            ("incognito", seen.incognito), ("kept out", seen.kept_out), ("deleted", seen.deleted_at is not None),
            ("held", seen.held),
        )
        if holds
    ]  # fmt: skip
    lines = [f"{seen.conversation}  {seen.kind} of {seen.account}" + (f"  ({', '.join(marks)})" if marks else "")]
    lines.append(f"kept until  {kept}")
    if seen.safety_until:
        lines.append(f"safety copy until  {written(seen.safety_until)}")
    for said in seen.answers:
        what = "may be used" if said.use else "will not be used"
        until = f" until {written(said.until)}" if said.until else ""
        turns = "1 turn" if said.turns == 1 else f"{said.turns} turns"
        lines.append(f"{said.purpose}: {turns} from {said.turn} {what}{until}")
        lines.append(
            f"    because: {said.because.value}: {said.meaning} (policy {said.policy}, now {said.policy_in_force})"
        )
    lines.append("choice      " + (_choice(seen.choice) if seen.choice else "none was made"))
    if seen.releases:
        lines.append(f"releases    {', '.join(seen.releases)}")
    return "\n".join(lines)


def account_text(seen: service.AccountSeen) -> str:
    """An account's standing and what of it may be used, for a person to read."""
    lines = [
        f"{seen.account}  plan {seen.plan}, opened {written(seen.opened_at)}",
        f"standing  {seen.standing}, gate {seen.gate.value}"
        + (f", answered version {seen.answered}" if seen.answered else ""),
        f"holds     {seen.conversations:,} conversations",
    ]
    for purpose, reasons in seen.turns.items():
        lines.append(f"{purpose}: " + (", ".join(f"{count:,} {why}" for why, count in reasons.items()) or "no turns"))
    lines += [f"choice    {_choice(choice)}" for choice in seen.choices]
    return "\n".join(lines)


def _choice(choice: service.ChoiceSeen) -> str:
    said = "yes" if choice.allow else "no"
    grant = f", grant {choice.grant}" if choice.grant else ""
    return f"{said} on {written(choice.at)} by {choice.via} ({choice.effect}{grant}, policy {choice.policy})"


@main.command()
@_data
@_at
@_as_json
def status(data: Path | None, at: str | None, as_json: bool) -> None:
    """The population, its gates, what expires when, and the releases.

    \b
    Example:  licet status --json
    """
    with _open(data, at) as here:
        seen = service.status(here)
        _show(seen, as_json, lambda: status_text(seen))


def status_text(seen: service.Status) -> str:
    """The status, in a few lines."""

    def counts(of: Mapping[str, int]) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in of.items()) or "none"

    lines = [
        f"policy     {seen.policy} {seen.version}",
        f"accounts   {seen.accounts:,}: {counts(seen.plans)}",
        f"choices    {counts(seen.standings)}",
        f"gates      {counts(seen.gates)}",
        f"kept       {seen.turns_kept:,} turns of {seen.conversations:,} conversations, {seen.bytes_kept:,} sealed bytes",
        f"expires    {', '.join(f'{count:,} turns within {name}' for name, count in seen.expires.items()) or 'nothing'}",
        f"overdue    {seen.overdue:,} segments; `licet sweep` erases them",
        f"held       {seen.held:,} conversations; flagged {seen.flagged:,}",
    ]
    for due in seen.retraining_due:
        lines.append(
            f"to forget  {due.name}: {due.withdrawn:,} of {due.consumed:,} rows that it learnt from were withdrawn"
        )
    for known in seen.releases:
        size = f"{known.rows:,} rows" if known.rows is not None else "unfinished"
        lines.append(f"release    {known.name}: {size} for {known.purpose}, {known.state}")
    return "\n".join(lines)


@main.command("doctor")
@_data
@_at
@_as_json
def doctor_(data: Path | None, at: str | None, as_json: bool) -> int:
    """Looks at the installation and says what is well, what to know, and what is broken; exits 1 if anything is.

    \b
    Example:  licet doctor
    """
    with _open(data, at) as here:
        findings = doctor.examine(here)
        lines = [
            f"{f.state.value:<8} {f.what:<14} {f.seen}" + (f"\n{'':<23} mend: {f.mend}" if f.mend else "")
            for f in findings
        ]
        _show(findings, as_json, lambda: "\n".join(lines))
    return EXIT_NO if any(f.state is doctor.State.broken for f in findings) else 0


@main.command()
@_data
@_as_json
def upgrade(data: Path | None, as_json: bool) -> None:
    """Brings the database's schema up to this version, under a lock; a newer schema than this version is refused.

    \b
    Example:  licet upgrade
    """
    config = Config.of(os.environ, data)
    with service.installation(config, upgrade=True):
        steps = [f"{step.number:04} {step.name}" for step in migrations()]
        _show(steps, as_json, lambda: f"the schema is at migration {steps[-1]}")


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Prints what makes SHELL complete the words of this command.

    \b
    Example:  eval "$(licet completion bash)"
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "licet", "_LICET_COMPLETE").source())


for _command in (release_diff.diff, release_purge.purge, release_sign.sign, release_sign.status):
    release.add_command(_command)
main.add_command(review.review)
main.add_command(handles.handles)
main.add_command(canaries.audit)
for _command in (hook.hook, watch.watch, session.session):
    main.add_command(_command)
main.add_command(cold.vault)
main.add_command(sweep.sweep)
lineage.join(main, train.train)
safety.join(main, train.train)
main.add_command(train.train)
main.add_command(deidentify.deidentify)
for _command in (
    backup.backup, backup.restore, erasure.erase, erasure.recall, keys.keys, proof.ledger, proof.receipt,
    proof.verify, webhooks.events, webhooks.webhooks, witness.witness,
):  # fmt: skip
    main.add_command(_command)


@main.group()
def db() -> None:
    """The embedded database: keep it running between commands, or stop it."""


def _database(name: str, act: Callable[[Path], embedded.Status]) -> None:
    @db.command(name, help=act.__doc__)
    @_data
    @_as_json
    def command(data: Path | None, as_json: bool) -> None:
        config = Config.of(os.environ, data)
        if config.database_url:
            raise UsageError("LICET_DATABASE_URL names a database of your own", "start and stop it where it runs")
        state = act(config.data / "postgres")
        _show(state, as_json, lambda: "\n".join(f"{k:<10} {v}" for k, v in msgspec.structs.asdict(state).items()))


def _start(folder: Path) -> embedded.Status:
    """Starts the embedded database and keeps it running until `licet db stop`."""
    return embedded.start(folder)


def _stop(folder: Path) -> embedded.Status:
    """Stops the embedded database."""
    return embedded.stop(folder)


def _state(folder: Path) -> embedded.Status:
    """Whether the embedded database runs, and who uses it."""
    return embedded.status(folder)


for _name, _act in (("start", _start), ("stop", _stop), ("status", _state)):
    _database(_name, _act)


for _command in console.commands(_open, _show):
    main.add_command(_command)


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--allow-from", help="With files: the day from which the account allows use; without it, never.")
@click.option("--plan", default="pro", show_default=True, help="With files: the account's plan.")
@click.option("--age", type=click.IntRange(0, 150), default=30, show_default=True, help="With files: its age.")
@click.option("--accounts", "population", type=click.IntRange(50, 1_000_000), default=2_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Another town.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Its folder.")
@click.option(
    "--no-serve", is_flag=True, help="End without serving the town's pages, as a run without a terminal does."
)
@_as_json
def demo(
    paths: tuple[Path, ...], allow_from: str | None, plan: str, age: int, population: int, seed: int, data: Path,
    no_serve: bool, as_json: bool,
) -> int:  # fmt: skip
    """Plays a small town through the real code, from August to December 2025; or does the same job on your own files.

    The folder that it leaves is an installation on a simulated clock: the other commands work on it.

    \b
    Example:  licet demo
              licet demo ~/.claude/projects --allow-from 2025-09-01
    """
    out = Console(stderr=as_json, highlight=False, soft_wrap=True)
    if paths:
        report = town.play_files(
            data, paths, plan=plan, age=age, allow_from=_moment(allow_from) if allow_from else None, say=out.print
        )
    else:
        report = town.play_town(data, population=population, seed=seed, say=out.print)
    if as_json:
        _show(report, True, str)
    if not (no_serve or as_json or paths) and sys.stdin.isatty() and sys.stdout.isatty():
        from licet.demo.serve import serve

        serve(data, report.clock, out.print)
    return 0 if report.kept else EXIT_NO
