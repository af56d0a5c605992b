"""What tests, benches, tools and examples ask of Licet's modules is there: types are checked in
`src` alone, and a name that was renamed would fail only in the run that reaches it.
"""

from __future__ import annotations

import ast
import importlib
import re
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("tests", "bench", "tools", "examples")
PROGRAM = re.compile(r"^\s*(from licet[\w.]* import|import licet)", re.M)
# Their text is about modules of its own.
INVENTED = ("tests/test_names_there.py", "tests/verifier/test_bundle.py")
EXTRA = re.compile(r"No module named '(?!licet)")


def programs(path: Path) -> Iterator[tuple[int, ast.Module]]:
    """The file's own code, and the programs that stand in it as text, each with its line."""
    own = ast.parse(path.read_text(encoding="utf-8"))
    yield 0, own
    if path.relative_to(ROOT).as_posix() in INVENTED:
        return
    texts = (node for node in ast.walk(own) if isinstance(node, ast.Constant))
    for node in texts:
        if isinstance(node.value, str) and PROGRAM.search(node.value):
            try:
                yield node.lineno, ast.parse(textwrap.dedent(node.value))
            except SyntaxError:
                continue  # a document that shows a line, or a template


def has(name: str, attribute: str) -> bool:
    """Whether the module has it; true if the module needs what is not installed here."""
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError as error:
        return EXTRA.match(str(error)) is not None
    if hasattr(found, attribute):
        return True
    return hasattr(found, "__path__") and find_spec(f"{name}.{attribute}") is not None


def asked(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line, module, name: each import from Licet, and each attribute of a module of its."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "licet":
            assert node.module is not None
            for one in node.names:
                yield node.lineno, node.module, one.name
                whole = f"{node.module}.{one.name}"
                if (ROOT / "src" / whole.replace(".", "/")).with_suffix(".py").is_file():
                    modules[one.asname or one.name] = whole
    bound = {
        node.arg if isinstance(node, ast.arg) else node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.arg)
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules.keys() - bound
        ):
            yield node.lineno, modules[node.value.id], node.attr


def test_every_name_of_licet_that_tests_benches_and_examples_use_is_there() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{begins + line}: {name}.{attribute}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for begins, tree in programs(path)
        for line, name, attribute in asked(tree)
        if not has(name, attribute)
    ]
    assert found == []


def test_a_name_that_is_not_there_is_found() -> None:
    text = "from licet.keys import fence\nfrom licet.keys.fence import nothing\nfence.gone()\n"
    assert [has(name, attribute) for _, name, attribute in asked(ast.parse(text))] == [
        True,
        False,
        False,
    ]
