"""The commands of legal documents."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.root import EXIT_CHANGES, CommandGroup
from licet.cli.shell import PATH, CliCall, by_option, choice, dry_option, local_options, show, user
from licet.errors import UsageError
from licet.legal import papers
from licet.legal.paper import PaperKind

_KIND = choice(PaperKind)
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
out_option = click.option("--out", type=PATH, help="Write it to a file instead of printing it.")


@click.group(cls=CommandGroup)
def document() -> None:
    """Makes the legal documents, signed and logged.

    Numbers are counted from the log and the manifests of releases, at a position of the log. What
    only you know comes from controller.yaml; what is not answered there is printed as "to be
    provided".
    """


def _add_paper(kind: PaperKind, purpose: str, law: str) -> None:
    help_text = f"{purpose}\n\nLaw: {law}\n\n\b\nExample:  licet document {kind} --out {kind}.md"

    @document.command(kind.value, help=help_text)
    @position_option
    @release_option
    @format_option
    @out_option
    @dry_option("Print it without signing or keeping it.")
    @by_option("makes it")
    @local_options
    def make(
        position: str | None,
        releases: tuple[str, ...],
        form: str,
        out: Path | None,
        dry_run: bool,
        by: str | None,
        call: CliCall,
    ) -> None:
        if dry_run and form == "json":
            raise UsageError("a dry run makes no signed file", "ask for markdown or html")
        with call.installation() as installation:
            made = papers.make(
                installation,
                kind,
                actor=by or user(),
                log_position=position,
                releases=releases,
                dry_run=dry_run,
            )
            text = papers.render(installation, made, form)
        if out is not None:
            out.write_bytes(text)
        elif not call.as_json:
            click.echo(text.decode(), nl=False)
        if call.as_json:
            fields = ("kind", "position", "sha256", "releases", "kept", "again", "to_be_provided")
            show({**{name: getattr(made, name) for name in fields}, "file": out}, True, str)
            return
        left = ", ".join(made.to_be_provided) or "nothing"
        click.echo(
            f"position {made.position}, SHA-256 {made.sha256}; to be provided: {left}", err=True
        )
        if out is not None:
            click.echo(f"written to {out}")


_add_paper(PaperKind.ropa, "Makes the record of processing activities.", "GDPR Article 30.")
_add_paper(
    PaperKind.training_summary,
    "Makes the public summary of training content.",
    "AI Act Article 53(1)(d). It follows the order of the Commission's template.",
)
_add_paper(
    PaperKind.ab2013,
    "Makes California's statement on training data.",
    "Civil Code 3111 (AB 2013), its twelve items.",
)
_add_paper(
    PaperKind.risk_assessment,
    "Makes California's risk assessment of training.",
    "11 CCR 7150 to 7157 (CCPA).",
)


@document.command("list")
@click.option("--kind", type=_KIND, help="Only papers of this kind.")
@local_options
def document_list(kind: str | None, call: CliCall) -> None:
    """Lists the papers that were made, the newest first.

    \b
    Example:  licet document list --kind ropa
    """
    with call.installation() as installation:
        found = papers.list_papers(installation, PaperKind(kind) if kind else None)
        lines = [
            (
                f"{doc.made_at[:16]}  {doc.kind:<17} {doc.position:>12}  {doc.sha256[:12]}  "
                f"{doc.made_by}"
            )
            for doc in found
        ]
        call.show(found, lambda: "\n".join(lines) or "no paper was made yet")


@document.command("show")
@click.argument("sha256")
@out_option
@local_options
def document_show(sha256: str, out: Path | None, call: CliCall) -> None:
    """Prints the signed file of a paper. The hash may be shortened.

    The file has its proof once the log has its leaf.

    \b
    Example:  licet document show 4be1f0a2 --out ropa.json
    """
    with call.installation() as installation:
        file = papers.load_file(installation, sha256)
    if out is None:
        click.echo(file.decode(), nl=False)
        return
    out.write_bytes(file)
    call.show({"file": out}, lambda: f"written to {out}")


@document.command("diff")
@click.argument("kind", type=_KIND)
@click.argument("before", required=False)
@click.argument("after", required=False)
@local_options
def document_diff(kind: str, before: str | None, after: str | None, call: CliCall) -> int:
    """Shows what changed since the last paper.

    With hashes, compares two papers of the kind. Exits 2 if anything differs.

    \b
    Example:  licet document diff training-summary
    """
    with call.installation() as installation:
        found = papers.diff(installation, PaperKind(kind), before, after)
        lines = [
            f"{change.place}: {change.before or '-'} -> {change.after or '-'}"
            for change in found.changes
        ]
        call.show(found, lambda: "\n".join(lines) or "nothing changed")
        return EXIT_CHANGES if found.changes else 0
