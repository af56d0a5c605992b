"""What a command prints at length: bounded lines that go on in their column, colours only for a
terminal that has them.
"""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from licet.cli import terminal

CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SAID = (
    "promises, checked on what is stored:\n"
    "28 August     the new terms, and the notice that asks everybody: 1,541 accounts may put it "
    "off\n"
    "  kept    a sentence said in a chat lies nowhere in clear\n"
    "  BROKEN  nothing is usable without an act\n"
    "            │█▁▁▁\n"
    "  ./run status --data demo\n"
    "11 promises checked, 1 broken"
)


def printed(
    monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool, columns: int = 100, **env: str
) -> str:
    """What is printed of `SAID`, by the console that the commands have."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **env}.items():
        monkeypatch.setenv(name, value)
    out = terminal.console()
    made = Console(
        file=io.StringIO(),
        force_terminal=is_terminal,
        width=columns,
        theme=terminal._THEME,
        markup=False,
        soft_wrap=True,
        highlighter=out.highlighter,
    )
    terminal.printer(made)(SAID)
    assert isinstance(made.file, io.StringIO)
    return made.file.getvalue()


def test_a_pipe_gets_the_same_lines_without_a_control_code(monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(monkeypatch, is_terminal=False)
    assert said == SAID + "\n"


def test_a_terminal_gets_colours_and_none_where_no_color_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coloured, plain = (
        printed(monkeypatch, is_terminal=True, **env) for env in ({}, {"NO_COLOR": "1"})
    )
    assert CODE.sub("", coloured) == CODE.sub("", plain) == SAID + "\n"
    colours = re.compile(r"\x1b\[[0-9;]*(?:3[0-7]|38;|9[0-7])[0-9;]*m")
    assert len(colours.findall(coloured)) > 5
    assert not colours.search(plain)


@pytest.mark.parametrize("columns", [40, 80, 100, 240])
def test_no_line_is_wider_than_the_terminal_or_than_the_bound(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    said = CODE.sub("", printed(monkeypatch, is_terminal=True, columns=columns))
    assert max(map(len, said.splitlines())) <= min(columns, terminal.COLUMNS_MAX)
    assert said.split() == SAID.split()


def test_a_broken_line_goes_on_in_its_last_column_and_keeps_a_figure_with_what_it_counts() -> None:
    line = "9 December    not permitted: 2,646 declined, 2,103 out_of_scope"
    assert terminal.wrap_line(line, 36) == [
        "9 December    not permitted:",
        "              2,646 declined,",
        "              2,103 out_of_scope",
    ]
    assert terminal.wrap_line("    indented words go on", 20) == [
        "    indented words",
        "      go on",
    ]
    assert terminal.wrap_line(line, 100) == [line]
