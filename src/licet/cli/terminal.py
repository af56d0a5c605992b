"""How the commands print at length: lines of a bounded width, colours where the terminal has them,
and progress.

To a terminal, lines are no wider than it is, nor than `COLUMNS_MAX`; what stands on either side of
a column stays there when a line is broken. Colours only mark what the text says anyway, and
NO_COLOR is honoured. To a file or a pipe go the same lines, without a control code and without
progress.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.theme import Theme

COLUMNS_MAX, COLUMNS_MIN = 100, 40
HANGING_MAX = 16  # the widest first column that a broken line goes on behind
_COLUMN = re.compile(rf"(?=.{{1,{HANGING_MAX}}}\S)(\s*\S+(?: \S+)?\s{{2,}})\S")
_COUNTED = re.compile(r"(?<=\d) (?=[A-Za-z_])")  # a figure stays on the line of what it counts
_THEME = Theme(
    {
        "said.heading": "bold",
        "said.day": "bold cyan",
        "said.command": "cyan",
        "said.link": "cyan underline",
        "said.kept": "green",
        "said.broken": "bold red",
        "said.plot": "blue",
        "said.first": "bold",
    }
)


class SaidHighlighter(RegexHighlighter):
    """The coloured parts of a line of text."""

    base_style = "said."
    highlights = [  # noqa: RUF012 as the base class declares it
        r"^(?P<day>\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December)) ",
        r"^  (?P<kept>kept)  ",
        r"^  (?P<broken>BROKEN) ",
        r"^(?P<kept>\d+ promises checked, 0 broken)$",
        r"^(?P<broken>\d+ promises checked, [1-9]\d* broken)$",
        r"^\s+(?P<command>\./run .*)$",
        r"(?P<link>https?://\S+)",
        r"(?P<plot>[▁▂▃▄▅▆▇█]+)",
        r"(?P<heading>\A\S[^│]*:)$",
    ]


def console(*, stderr: bool = False) -> Console:
    """The output of a command."""
    return Console(
        stderr=stderr,
        highlighter=SaidHighlighter(),
        markup=False,
        emoji=False,
        soft_wrap=True,
        theme=_THEME,
    )


def columns(out: Console) -> int:
    """The maximum width of a line."""
    return max(COLUMNS_MIN, min(COLUMNS_MAX, out.width)) if out.is_terminal else COLUMNS_MAX


def wrap_line(line: str, width: int) -> list[str]:
    """Breaks a line at blanks; continuations are indented to the start of its last column."""
    if len(line) <= width:
        return [line]
    column = _COLUMN.match(line)
    indent = len(column[1]) if column else len(line) - len(line.lstrip()) + 2
    whole = _COUNTED.sub("\N{NO-BREAK SPACE}", line)
    parts = textwrap.wrap(
        whole,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return [part.replace("\N{NO-BREAK SPACE}", " ") for part in parts]


def printer(out: Console) -> Callable[[str], None]:
    """Prints text, line by line, at once."""

    def say(text: str) -> None:
        width = columns(out)
        for line in text.split("\n"):
            for part in wrap_line(line, width):
                out.print(part.rstrip())
        out.file.flush()

    return say


@contextmanager
def whole_progress(out: Console) -> Iterator[Callable[[str, float], None]]:
    """A progress bar below the output, with a description; silent without a terminal."""
    # only where shown
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description:<34.34}", style="said.first"),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=out,
        transient=True,
        refresh_per_second=4,
        disable=not out.is_terminal or out.is_dumb_terminal,
    )
    with bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
