"""The commands of the papers that the law asks for."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.root import EXIT_CHANGES, CommandGroup
from licet.cli.shell import (
    by_option,
    data_option,
    dry_option,
    json_option,
    open_installation,
    show,
    user,
)
from licet.errors import UsageError
from licet.legal import papers
from licet.legal.paper import PaperKind

_KIND = click.Choice([kind.value for kind in PaperKind])
_FORMATS = ("markdown", "html", "json")
position_option = click.option(
    "--at",
    "position",
    metavar="POSITION",
    help="How many entries of the log count: 1234, or 2026/1234; by default all.",
)
release_option = click.option(
    "--release",
    "releases",
    multiple=True,
    help="Only this release; repeatable. By default every one up to there.",
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="markdown",
    show_default=True,
    help="To read (markdown, html), or the signed file (json).",
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="Write it to a file instead of printing it."
)


@click.group(cls=CommandGroup)
def document() -> None:
    """Makes the papers that the law asks for, signed and logged.

    Numbers are counted from the log and the manifests of releases, at a position of the log. What
    only you know comes from controller.yaml; what is not answered there is printed as "to be
    provided".
    """


def _make(
    kind: PaperKind,
    position: str | None,
    releases: tuple[str, ...],
    form: str,
    out: Path | None,
    dry_run: bool,
    by: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    if dry_run and form == "json":
        raise UsageError("a dry run makes no signed file", "ask for markdown or html")
    with open_installation(data) as here:
        made = papers.make(
            here, kind, actor=by or user(), at=position, releases=releases, dry_run=dry_run
        )
        text = papers.written_as(here, made, form)
    if out is not None:
        out.write_bytes(text)
    elif not as_json:
        click.echo(text.decode(), nl=False)
    told = {
        "kind": made.kind, "position": made.position, "sha256": made.sha256, "releases": made.releases, "kept": made.kept,
        "again": made.again, "to_be_provided": made.to_be_provided, "file": out,
    }  # fmt: skip
    if as_json:
        show(told, True, str)
        return
    left = ", ".join(made.to_be_provided) or "nothing"
    click.echo(f"position {made.position}, SHA-256 {made.sha256}; to be provided: {left}", err=True)
    if out is not None:
        click.echo(f"written to {out}")


def _command(kind: PaperKind, says: str) -> None:
    """Adds the command of one paper."""

    @document.command(kind.value, help=says)
    @position_option
    @release_option
    @format_option
    @out_option
    @dry_option("Print it without signing or keeping it.")
    @by_option("makes it")
    @data_option
    @json_option
    def make(
        position: str | None,
        releases: tuple[str, ...],
        form: str,
        out: Path | None,
        dry_run: bool,
        by: str | None,
        data: Path | None,
        as_json: bool,
    ) -> None:
        _make(kind, position, releases, form, out, dry_run, by, data, as_json)


def _help(first: str, then: str, kind: PaperKind) -> str:
    return f"{first}\n\n{then}\n\n\b\nExample:  licet document {kind.value} --out {kind.value}.md"


_command(
    PaperKind.ropa,
    _help("Makes the record of processing activities.", "Law: GDPR Article 30.", PaperKind.ropa),
)
_command(
    PaperKind.training_summary,
    _help(
        "Makes the public summary of training content.",
        "Law: AI Act Article 53(1)(d). It follows the order of the Commission's template.",
        PaperKind.training_summary,
    ),
)
_command(
    PaperKind.ab2013,
    _help(
        "Makes California's statement on training data.",
        "Law: Civil Code 3111 (AB 2013), its twelve items.",
        PaperKind.ab2013,
    ),
)
_command(
    PaperKind.risk_assessment,
    _help(
        "Makes California's risk assessment of training.",
        "Law: 11 CCR 7150 to 7157 (CCPA).",
        PaperKind.risk_assessment,
    ),
)


@document.command("list")
@click.option("--kind", type=_KIND, help="Only papers of this kind.")
@data_option
@json_option
def document_list(kind: str | None, data: Path | None, as_json: bool) -> None:
    """Lists the papers that were made, the newest first.

    \b
    Example:  licet document list --kind ropa
    """
    with open_installation(data) as here:
        found = papers.listed(here, PaperKind(kind) if kind else None)
        lines = [
            (
                f"{one.made_at[:16]}  {one.kind:<17} {one.position:>12}  {one.sha256[:12]}  "
                f"{one.made_by}"
            )
            for one in found
        ]
        show(found, as_json, lambda: "\n".join(lines) or "no paper was made yet")


@document.command("show")
@click.argument("sha256")
@out_option
@data_option
@json_option
def document_show(sha256: str, out: Path | None, data: Path | None, as_json: bool) -> None:
    """Prints the signed file of a paper. The hash may be shortened.

    The file has its proof once the log has its leaf.

    \b
    Example:  licet document show 4be1f0a2 --out ropa.json
    """
    with open_installation(data) as here:
        file = papers.file_of(here, sha256)
    if out is None:
        click.echo(file.decode(), nl=False)
        return
    out.write_bytes(file)
    show({"file": out}, as_json, lambda: f"written to {out}")


@document.command("diff")
@click.argument("kind", type=_KIND)
@click.argument("before", required=False)
@click.argument("after", required=False)
@data_option
@json_option
def document_diff(
    kind: str, before: str | None, after: str | None, data: Path | None, as_json: bool
) -> int:
    """Shows what changed since the last paper.

    With hashes, compares two papers of the kind. Exits 2 if anything differs.

    \b
    Example:  licet document diff training-summary
    """
    with open_installation(data) as here:
        found = papers.diff(here, PaperKind(kind), before, after)
        lines = [f"{one.place}: {one.before or '-'} -> {one.after or '-'}" for one in found.changes]
        show(found, as_json, lambda: "\n".join(lines) or "nothing changed")
        return EXIT_CHANGES if found.changes else 0
