"""Whether a test is evidence of anything: what it calls by name is not, what can fail is."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path

FAILS = {"pytest.raises", "pytest.fail", "run_state_machine_as_test"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def parse(path: Path) -> ast.Module:
    """The tree of a file."""
    # A parser makes millions of objects and no garbage: looking for some took longer than the rest.
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    finally:
        gc.enable()


@cache
def functions_of(path: Path) -> dict[str, Function]:
    tree = parse(path)
    return {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}


def checks(test: Function, others: dict[str, Function], depth: int = 0) -> bool:
    """Whether it, or a function of its file that it calls, can fail: by an assertion, or where an
    error does not come.
    """
    for node in ast.walk(test):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if (
                called in FAILS
                or called.startswith("expect(")
                or any(_is_checked(word) for word in node.keywords)
            ):
                return True
            if depth < 2 and called in others and checks(others[called], others, depth + 1):
                return True
    return False


def switched_off(test: Function) -> list[str]:
    """The marks by which it does not run."""
    marks = [ast.unparse(mark) for mark in test.decorator_list]
    return [mark for mark in marks if mark.startswith(("pytest.mark.skip", "pytest.mark.xfail"))]


def _is_checked(word: ast.keyword) -> bool:
    """`subprocess.run(.., check=True)` fails where the program does."""
    return word.arg == "check" and isinstance(word.value, ast.Constant) and word.value.value is True
