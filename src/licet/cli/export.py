"""The commands of exports: rows in clear for a recipient that the policy names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import (
    PATH,
    CliCall,
    answer_options,
    choice,
    dry_option,
    pluralize,
    recipient_option,
)
from licet.policy.period import rfc3339
from licet.train.exports import Format

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.train.export_files import Export, ExportResult


@click.group(cls=CommandGroup)
def export() -> None:
    """Exports rows in clear to a recipient. The policy must name the recipient. Each export is a
    registered copy; `licet recall` asks for it back.

    \b
    Example:  licet export release october --format trl --to lab-one --out /secure/october
              licet export list
    """


@export.command("release")
@click.argument("release")
@click.option(
    "--format",
    "form",
    type=choice(Format),
    required=True,
    help="The trainer that the files are written for.",
)
@click.option(
    "--to", "recipient", required=True, help="The recipient; the policy in force must name it."
)
@click.option("--out", required=True, type=PATH, help="The folder to create.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    help="A split to write, each to its own file; repeatable; by default `train`.",
)
@dry_option("Count what would be written, and write nothing.")
@answer_options
def make(
    release: str,
    form: str,
    recipient: str,
    out: Path,
    splits: tuple[str, ...],
    dry_run: bool,
    call: CliCall,
) -> None:
    """Writes the usable rows of RELEASE as plain text. The configuration of a trainer is written
    beside them.

    Rows of held-out people (`validation`, `test`) are written only if --split names them, into
    files of their own.

    \b
    Example:  licet export release october --format axolotl --to lab-one --out /secure/october
    --dry-run
              licet export release october --format trl --to lab-one --out /secure/october --split train --split test
    """
    from licet.train import export_files

    with call.installation() as installation:
        made = export_files.export(
            installation,
            release,
            Format(form),
            recipient=recipient,
            out=out,
            splits=splits,
            dry_run=dry_run,
        )
        call.show(made, lambda: _export_lines(made))


def _export_lines(result: ExportResult) -> str:
    counts = ", ".join(f"{count:,} {kind}" for kind, count in result.lines.items()) or "nothing"
    lines = [
        (
            f"{'would write' if result.folder is None else 'wrote'} {counts} from "
            f"{pluralize(result.rows, 'row')}"
        )
    ]
    if result.splits:
        lines.append(
            "splits     "
            + ", ".join(
                f"{pluralize(count, 'line')} of {split}" for split, count in result.splits.items()
            )
        )
    lines += [
        f"left out   {pluralize(count, 'row')}: {why}" for why, count in result.left_out.items()
    ]
    if result.folder is not None:
        lines += [
            (
                f"PLAIN TEXT of people is in `{result.folder}`, for `{result.recipient}` and "
                "for nobody else"
            ),
            (
                f"it is a copy on record: {result.export}; `licet recall export "
                f"{result.export}` recalls it"
            ),
        ]
    return "\n".join(lines)


@export.command("list")
@recipient_option
@answer_options
def list_exports(recipient: str | None, call: CliCall) -> int:
    """Lists the exports, newest first. Shows how many of their rows may no longer be used. Exits 1
    if a recall is overdue.

    \b
    Example:  licet export list --recipient lab-one
    """
    from licet.train import export_files as train_export_files

    with call.installation() as installation:
        found = train_export_files.list_exports(installation, recipient)
        call.show(found, lambda: "\n".join(map(export_line, found)) or "nothing was exported")
    return EXIT_NO if any(item.overdue for item in found) else 0


@export.command("withdrawn")
@click.argument("name", metavar="EXPORT")
@answer_options
def list_withdrawn(name: str, call: CliCall) -> int:
    """Lists, by `ordinal`, the rows that a recipient must delete. Exits 1 if there are any.

    \b
    Example:  licet export withdrawn exp_0190f3a4c2d87b6e9a51c3d4e5f60718
    """
    from licet.train import export_files as exporting

    with call.installation() as installation:
        found = exporting.withdrawn_ordinals_of(installation, name)
        call.show(found, lambda: "\n".join(map(str, found)) or "every row may be used")
    return EXIT_NO if found else 0


def export_line(item: Export) -> str:
    """Formats an export on one line: its recipient, its rows, and its recalls."""
    if item.acknowledged_at is None and item.due_at is None and item.rows_due_at is not None:
        state = (
            f", {pluralize(item.rows_recalled, 'row')} recalled, due {rfc3339(item.rows_due_at)}"
            + (" OVERDUE" if item.overdue else "")
        )
    elif item.acknowledged_at is not None:
        state = f", deleted {rfc3339(item.acknowledged_at)}"
    elif item.due_at is not None:
        state = f", recalled, due {rfc3339(item.due_at)}" + (" OVERDUE" if item.overdue else "")
    else:
        state = ""
    gone = f", {item.withdrawn:,} of them may no longer be used" if item.withdrawn else ""
    what = (
        f"{pluralize(item.rows, 'row')} of {item.release} as {item.format}, {rfc3339(item.made_at)}"
    )
    return f"{item.export} {item.recipient}: {what}{gone}{state}"
