"""The commands of legal documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.root import EXIT_CHANGES, CommandGroup
from licet.cli.shell import PATH, CliCall, choice, local_options
from licet.cli.verb_commands import Printing, declare_commands
from licet.legal import paper_pages, papers
from licet.legal.paper import PaperKind

if TYPE_CHECKING:
    from licet.legal.papers import MadePaper
    from licet.service.staff_verb import AnyCall

_KIND = choice(PaperKind)
_FORMATS = ("json", "markdown", "html")


@click.group(cls=CommandGroup)
def document() -> None:
    """Makes the legal documents, signed and logged.

    Numbers are counted from the log and the manifests of releases, at a position of the log. What
    only you know comes from controller.yaml; what is not answered there is printed as "to be
    provided". `make` prints the paper in Markdown.
    """


def _paper_text(_: object, made: MadePaper) -> str:
    return paper_pages.render_markdown(made.payload, made.sha256).removesuffix("\n")


def _paper_value(call: AnyCall, made: MadePaper) -> object:
    from licet.service.paper_verbs import MAKE

    return MAKE.answer(call, made)


MADE = Printing(text=_paper_text, value=_paper_value)


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
@click.argument("paper")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="json",
    show_default=True,
    help="The signed file (json), or a text to read (markdown, html).",
)
@click.option("--out", type=PATH, help="Write it to a file instead of printing it.")
@local_options
def document_show(paper: str, form: str, out: Path | None, call: CliCall) -> None:
    """Prints a paper: the newest of a kind, or the one whose hash begins so.

    The signed file has its proof once the log has its leaf.

    \b
    Example:  licet document show 4be1f0a2 --out ropa.json
              licet document show training-summary --format html --out summary.html
    """
    with call.installation() as installation:
        file = papers.render(installation, paper, form)
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


declare_commands(document, {"make_document": MADE}, "paper_verbs")
