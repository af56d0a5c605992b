"""Bundles this package into one file for third parties, `verifier.py`.

It contains each module in the order of ``PARTS``, headed by its name and docstring as a comment;
all imports come first. `source` generates it when it is served or published; `python -m
licet.verifier.bundle` writes it to standard output.

Promises: the same sources give the same bytes, and the file behaves as the package does: modules
have only imports and definitions, a name has one meaning in all of them, and a module imports only
from modules before it. Otherwise `join_modules` raises `ValueError`.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

PACKAGE = "licet.verifier"
PARTS = (
    "answer", "levels", "forms", "tree", "keys", "note", "files", "grants", "invariants", "permissions", "entries", "log",
    "proof", "statement", "certificate", "manifest", "terms", "receipt", "decision", "parquet",
    "rows", "base", "addenda", "release", "line_index", "conversation", "document", "row_sets", "consumption_record",
    "model",
    "command",
)  # fmt: skip
WIDTH = 120
_HEAD = '''#!/usr/bin/env python3
"""{docstring}"""

from __future__ import annotations

{imports}

# Generated from the package {package} by its bundle.py: each part below is one module, without its
# imports.
'''
_MAIN_BLOCK = "if __name__ == '__main__':\n    sys.exit(main())"


@dataclass(frozen=True, slots=True)
class BundlePart:
    """A parsed module. ``imports`` are (module, name); for `import module` the name is empty."""

    name: str
    docstring: str
    imports: tuple[tuple[str, str], ...]
    defines: tuple[str, ...]
    code: str


@cache
def source() -> bytes:
    """The bundle as UTF-8."""
    package_files = files(PACKAGE)
    texts = [(name, package_files.joinpath(f"{name}.py").read_text("utf-8")) for name in PARTS]
    return join_modules(package_files.joinpath("__init__.py").read_text("utf-8"), texts).encode()


def join_modules(package: str, texts: Sequence[tuple[str, str]]) -> str:
    """Joins modules, given as (name, text) in import order, into one with the docstring of
    ``package``.
    """
    parts = [parse_module(name, text) for name, text in texts]
    above: dict[str, str] = {}  # name -> defining module
    outside: dict[str, str] = {}  # imported name -> its meaning
    for part in parts:
        for module, name in part.imports:
            if _is_ours(module):
                if module != f"{PACKAGE}.{above.get(name)}":
                    raise ValueError(
                        f"{part.name}: `{name}` is not defined before it, in `{module}`"
                    )
                continue
            bound, meaning = (name, f"{module}.{name}") if name else (module.partition(".")[0], "")
            if outside.setdefault(bound, meaning) != meaning:
                raise ValueError(f"{part.name}: `{bound}` has another meaning before it")
        for name in part.defines:
            if name in above or _MAIN_BLOCK in above or hasattr(builtins, name):
                raise ValueError(
                    f"{part.name}: `{name}` has another meaning before it, or follows the program"
                )
            above[name] = part.name
    for name in sorted(above.keys() & outside.keys()):
        raise ValueError(f"{above[name]}: `{name}` is imported in another part")
    wanted = {name for part in parts for name in part.imports if not _is_ours(name[0])}
    docstring = ast.get_docstring(ast.parse(package), clean=False)
    return _HEAD.format(docstring=docstring, package=PACKAGE, imports=_imports(wanted)) + "".join(
        map(_section, parts)
    )


def parse_module(name: str, text: str) -> BundlePart:
    """Raises `ValueError` unless a module is a docstring, then imports, then definitions."""
    module = ast.parse(text)
    docstring = ast.get_docstring(module)
    imports: list[tuple[str, str]] = []
    defines: list[str] = []
    end = 0
    for node in module.body[1:]:
        found = _imported_names(node)
        if docstring is None or (found and defines):
            raise ValueError(
                f"{name}: line {node.lineno}: the docstring and the imports come first"
            )
        if found:
            imports += found
            end = node.end_lineno or 0
        elif names := _defined_names(node):
            defines += names
        else:
            raise ValueError(
                f"{name}: line {node.lineno}: neither a definition nor an import without `as`"
            )
    code = "\n".join(text.splitlines()[end:]).strip("\n")
    needed = tuple(name for name in imports if name[0] != "__future__")
    return BundlePart(name, docstring or "", needed, tuple(defines), code)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE.partition(".")[0]


def _imported_names(node: ast.stmt) -> list[tuple[str, str]]:
    match node:
        case ast.Import(names) if all(alias.asname is None for alias in names):
            return [(alias.name, "") for alias in names]
        case ast.ImportFrom(str(module), names, 0) if all(alias.asname is None for alias in names):
            return [(module, alias.name) for alias in names]
        case _:
            return []


def _defined_names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name) | ast.ClassDef(name) | ast.AnnAssign(ast.Name(name)):
            return [name]
        case ast.Assign([ast.Name(name)]):
            return [name]
        case ast.Assign([ast.Tuple(places)]):
            return [place.id for place in places if isinstance(place, ast.Name)]
        case ast.If() if ast.unparse(node) == _MAIN_BLOCK:
            return [_MAIN_BLOCK]
        case _:
            return []


def _imports(imports: Iterable[tuple[str, str]]) -> str:
    """The import block: the standard library's, then the others'."""
    names: dict[str, list[str]] = {}
    for module, name in sorted(imports):
        names.setdefault(module, []).append(name)
    plain = {module for module, listed in names.items() if "" in listed}
    blocks = []
    for is_standard in (True, False):
        chosen = [
            name
            for name in names
            if (name.partition(".")[0] in sys.stdlib_module_names) is is_standard
        ]
        lines = [f"import {module}" for module in chosen if module in plain]
        lines += [
            f"from {module} import {', '.join(filter(None, names[module]))}"
            for module in chosen
            if any(names[module])
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(filter(None, blocks))


def _section(part: BundlePart) -> str:
    title = f"# ---- {part.name} "
    lines = [
        title + "-" * (WIDTH - len(title)),
        *(f"# {line}".rstrip() for line in part.docstring.splitlines()),
    ]
    gap = "\n" if part.code.startswith(("def ", "class ", "@")) else ""
    return "\n\n" + "\n".join(lines) + "\n" + gap + "\n" + part.code + "\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(source())
