"""`licet review`: people review a sample of a release in the terminal; the console offers
the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from licet.cli.release_sign import standing_text
from licet.cli.shell import CliCall, answer_options, show
from licet.cli.verb_commands import Printing, run_verb
from licet.errors import UsageError
from licet.release import signatures
from licet.release.review import ReviewFinding
from licet.release.rows import MessageShape
from licet.release.signatures import CHANCE_ROWS, RISK_ROWS, RowShown, StaffMember
from licet.service.review_verbs import CLOSE, FIND
from licet.vault.installation import Installation

FINDINGS = [finding.value for finding in ReviewFinding if finding is not ReviewFinding.out_of_reach]
STOP = "stop"
ANSWERS = (*FINDINGS, STOP)
QUESTION = f"what is in it: {', '.join(ANSWERS)} (or the first letters of one)"


class FirstLetters(click.ParamType[str]):
    """One of some words, or an unambiguous prefix of one."""

    name = "word"

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        typed = value.strip().lower()
        found = [word for word in self._words if word.startswith(typed)] if typed else []
        if typed in self._words:
            found = [typed]
        if len(found) != 1:
            between = (
                f"it can be {' or '.join(found)}"
                if found
                else f"it is none of {', '.join(self._words)}"
            )
            self.fail(f"`{value}`: {between}", param, ctx)
        return found[0]


@click.command("review")
@click.argument("release")
@click.option(
    "--by",
    help="The e-mail address of the member of staff who reads; without it, no row is opened.",
)
@click.option(
    "--chance",
    type=int,
    default=CHANCE_ROWS,
    show_default=True,
    help="Rows drawn at random for a new sample.",
)
@click.option(
    "--risk",
    type=int,
    default=RISK_ROWS,
    show_default=True,
    help="Rows drawn by risk for a new sample.",
)
@click.option("--new", "again", is_flag=True, help="Draw another sample although one was closed.")
@click.option(
    "--row", type=int, help="With --by and --finding: the row to judge, without prompting."
)
@click.option("--finding", type=click.Choice(FINDINGS), help="What was found in --row.")
@click.option(
    "--close",
    "closing",
    is_flag=True,
    help="Close the review: write a signed statement beside the manifest.",
)
@answer_options
def review(
    release: str,
    by: str | None,
    chance: int,
    risk: int,
    again: bool,
    row: int | None,
    finding: str | None,
    closing: bool,
    call: CliCall,
) -> None:
    """Reviews a sample of a release, row by row. Draws the sample, shows each row, and states what
    was found.

    Part of the sample is drawn at random, on which the stated bound is based, and part by risk.
    Each opened row is recorded, and its person sees that. A sample is closed when every row has its
    finding.

    \b
    Example:  licet review tuesday                          # draws a sample, or says how it stands
              licet review tuesday --by ana@example.org     # row after row
              licet review tuesday --close                  # the signed statement
    """
    if (row is None) != (finding is None) or (row is not None and by is None):
        raise UsageError("a finding needs --by, --row and --finding")
    if closing:
        run_verb(CLOSE, release, {}, call, Printing(text=lambda _, closed: standing_text(closed)))
        return
    if row is not None:
        run_verb(FIND, release, {"row": row, "finding": finding}, call, by=by)
        return
    with call.installation() as installation:
        seen = signatures.get_standing(installation, release)
        if seen.sample is None and (again or seen.statement is None):
            seen = signatures.draw(installation, release, chance=chance, by_risk=risk)
        if by is None:
            call.show(seen, lambda: standing_text(seen))
            return
        reader = signatures.find_member(installation, by)
        if call.as_json:
            show(signatures.read_next(installation, release, reader), True, str)
        else:
            _read(installation, release, reader)


def _read(installation: Installation, release: str, reader: StaffMember) -> None:
    """Shows row after row, until none is left or the reader stops."""
    while (read := signatures.read_next(installation, release, reader)) is not None:
        click.echo(row_text(read))
        try:
            finding = click.prompt(QUESTION, type=FirstLetters(ANSWERS), default=FINDINGS[0])
        except click.Abort:
            finding = STOP
        if finding == STOP:
            click.echo("stopped: the same command goes on with this row")
            return
        signatures.record_finding(
            installation, release, reader, read.ordinal, ReviewFinding(finding)
        )
    click.echo(f"every row has its finding: `licet review {release} --close` states what was found")


def row_text(read: RowShown) -> str:
    head = (
        f"row {read.ordinal}, {read.left:,} left; this reading is on record, and the person sees it"
    )
    return "\n".join([head, "", *message_lines(read.messages)])


def message_lines(messages: Sequence[MessageShape]) -> list[str]:
    """Formats a row's messages. Characters that would move the terminal's cursor are escaped."""
    lines = []
    for message in messages:
        lines += [f"[{message['role']}]", _plain(message["content"])]
        for call in message.get("tool_calls", ()):
            lines.append(
                f"  {_plain(call['function']['name'])}({_plain(call['function']['arguments'])})"
            )
    return [*lines, ""]


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)
