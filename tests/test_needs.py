"""What the tests need of the machine is named, with the line that installs it; CI installs the same
list.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from . import needs
from .needs import Need, main

ROOT = Path(__file__).parent.parent


def test_what_is_not_there_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there, gone = (
        Need(("sh",), "dash", "shells"),
        Need(("no-such-program", "/no/such/file"), "one two", "nothing"),
    )
    monkeypatch.setattr(needs, "NEEDS", (there, gone))
    assert main([]) == 1
    assert (
        capsys.readouterr().err.splitlines()[-1]
        == "hint: apt-get install --no-install-recommends one two"
    )
    assert main(["--packages"]) == 0
    assert capsys.readouterr().out == "one two\n"
    monkeypatch.setattr(needs, "NEEDS", (there,))
    assert main([]) == 0


# What a test looks for and need not be there: it says nothing of the product, or another need or a
# wheel brings it.
OPTIONAL = {
    "apt-get",
    "bash",
    "convert",
    "faketime",
    "fc-list",
    "firefox",
    "gcc",
    "node",
    "softhsm2-util",
    "unshare",
}


def test_every_program_that_a_test_looks_for_is_among_them() -> None:
    calls = [
        node
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "shutil.which"
    ]
    programs = {one.args[0].value for one in calls if isinstance(one.args[0], ast.Constant)}
    assert len(programs) > 8
    assert programs - {name for need in needs.NEEDS for name in need.any_of} - OPTIONAL == set()


def test_it_needs_no_environment() -> None:
    done = subprocess.run(
        [sys.executable, "-IS", ROOT / "tests" / "needs.py", "--packages"],
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
