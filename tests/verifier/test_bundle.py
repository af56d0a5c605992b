"""The one file that strangers get is the package: the same definitions, bytes that change on
purpose, and no other need.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib
import re
import struct
import subprocess
import sys
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from licet.ledger.canonical_json import canonical
from licet.verifier import bundle

from ..ledger.world import ORIGIN, SIGNER, STRANGER
from . import lies, mutants, release_lies, since_lies
from .shipped import bare, run, saved, shipped

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "licet" / "verifier"
WRITTEN_DOWN = ROOT / "docs" / "verifier.sha256"
MADE_OF = tuple((name, (PACKAGE / f"{name}.py").read_text("utf-8")) for name in bundle.PARTS)


def test_its_bytes_are_those_whose_hash_the_documents_name() -> None:
    """If the change is meant: python -m licet.verifier.bundle >verifier.py; sha256sum verifier.py
    >docs/verifier.sha256
    """
    assert (
        WRITTEN_DOWN.read_text() == f"{hashlib.sha256(bundle.source()).hexdigest()}  verifier.py\n"
    )


def test_each_run_gives_the_same_bytes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "licet.verifier.bundle"], capture_output=True, check=True, cwd=ROOT
    )
    assert done.stdout == bundle.source()


def test_every_module_of_the_package_is_a_part() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == {*bundle.PARTS, "__init__", "bundle"}
    assert len(set(bundle.PARTS)) == len(bundle.PARTS)


def definitions(text: str | bytes) -> list[str]:
    imports = (ast.Import, ast.ImportFrom, ast.Expr)
    return [ast.dump(node) for node in ast.parse(text).body if not isinstance(node, imports)]


def test_it_holds_every_definition_of_the_package_and_no_other() -> None:
    theirs = [one for _, text in MADE_OF for one in definitions(text)]
    assert len(theirs) > 200
    assert definitions(bundle.source()) == theirs


def without_module(value: object) -> str:
    if isinstance(value, struct.Struct):  # before Python 3.13 its repr was its address
        return value.format
    text = re.sub(r"\b(licet\.verifier\.\w+|shipped_verifier)\.", "", repr(value))
    return re.sub(
        r"frozenset\(\{([^{}]*)\}\)", lambda m: f"frozenset({sorted(m[1].split(', '))})", text
    )


@pytest.mark.parametrize("part", bundle.PARTS)
def test_every_name_means_in_it_what_it_means_in_the_package(part: str) -> None:
    """Of what is defined here or imported: a class or function by its name, which no two have,
    anything else by value.
    """
    here = {
        name: value
        for name, value in vars(importlib.import_module(f"licet.verifier.{part}")).items()
        if name[:2] != "__"
    }
    for name, value in here.items():
        other = vars(shipped())[name]
        if getattr(value, "__module__", "").startswith("licet.") and hasattr(value, "__qualname__"):
            assert other.__module__ == shipped().__name__, name
            assert other.__qualname__ == value.__qualname__, name
        else:
            if isinstance(value, struct.Struct):  # which Python names by its address before 3.13
                other, value = other.format, value.format
            assert other == value or without_module(other) == without_module(value), name


def test_it_reads_like_any_file_of_ours() -> None:
    for command in (["check", "-"], ["format", "--check", "-"]):
        call = [
            sys.executable,
            "-m",
            "ruff",
            command[0],
            "--stdin-filename",
            "src/verifier.py",
            *command[1:],
        ]
        done = subprocess.run(
            call, input=bundle.source(), capture_output=True, cwd=ROOT, check=False
        )
        assert done.returncode == 0, done.stdout.decode()
    titles = [
        line.split()[2]
        for line in bundle.source().decode().splitlines()
        if line.startswith("# ---- ")
    ]
    assert tuple(titles) == bundle.PARTS


HEAD = '"""Says what it is."""\n'
LOW = ("low", f"{HEAD}from re import match\n\nFIRST = 1\n")
WRONG = {
    "no docstring": ("FIRST = 1\nSECOND = 2\n",),
    "an import after a definition": (f"{HEAD}FIRST = 1\nimport re\n",),
    "an import under another name": (f"{HEAD}import re as words\n",),
    "a name of ours under another name": (
        LOW[1],
        f"{HEAD}from licet.verifier.low import FIRST as ONE\n",
    ),
    "a relative import": (LOW[1], f"{HEAD}from .low import FIRST\n"),
    "a module of ours as a whole": (LOW[1], f"{HEAD}from licet.verifier import low\n"),
    "another package of ours": (f"{HEAD}from licet.errors import LicetError\n",),
    "a name that is not defined above": (f"{HEAD}from licet.verifier.above import FIRST\n", LOW[1]),
    "a name that the named part only imports": (
        LOW[1],
        f"{HEAD}from licet.verifier.low import match\n",
    ),
    "a statement that does something": (f"{HEAD}print(1)\n",),
    "a statement under a condition": (f"{HEAD}if True:\n    FIRST = 1\n",),
    "a name that is defined twice": (LOW[1], f"{HEAD}FIRST = 2\n"),
    "a name that is imported elsewhere": (LOW[1], f"{HEAD}def match() -> None: ...\n"),
    "a name that is imported from two places": (
        LOW[1],
        f"{HEAD}from fnmatch import fnmatch\nfrom glob import match\n",
    ),
    "a name that is a module elsewhere": (
        f"{HEAD}import datetime\n",
        f"{HEAD}from datetime import datetime\n",
    ),
    "a name of Python's own": (f"{HEAD}def open() -> None: ...\n",),
    "a part below the start": (f"{HEAD}if __name__ == '__main__':\n    sys.exit(main())\n", LOW[1]),
}


@pytest.mark.parametrize("texts", WRONG.values(), ids=WRONG)
def test_modules_that_would_mean_something_else_in_one_file_make_none(
    texts: tuple[str, ...],
) -> None:
    named = [("low", texts[0]), ("above", texts[-1])][: len(texts)]
    with pytest.raises(ValueError, match=r"^(low|above): "):
        bundle.join_modules(HEAD, named)


def test_modules_that_mean_the_same_in_one_file_make_it() -> None:
    above = (
        "above",
        (
            f"{HEAD}import re\nfrom licet.verifier.low import FIRST\n\n\ndef twice() -> int:\n  "
            "  return 2 * FIRST\n"
        ),
    )
    made: dict[str, Any] = {}
    exec(bundle.join_modules('"""Of two."""', [LOW, above]), made)
    assert (made["twice"](), made["__doc__"]) == (2, "Of two.")


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def calls(at: Path) -> Iterable[tuple[object, ...]]:
    """A call for each kind of artefact, each an honest one."""
    shown, ((release, its_log), *_) = lies.honest(), release_lies.shown_honest().releases
    (proof, entry), (old, new, path) = shown.proofs[0], shown.pairs[0]
    files = {
        "receipt": shown.receipts[0],
        "certificate": since_lies.shown_honest().certificates[0],
        "proof": proof,
        "entry": entry,
        "old": old,
        "new": new,
        "policy": canonical(lies.POLICY.document()),
        "path": b"".join(base64.b64encode(one) + b"\n" for one in path),
    }
    laid_out(at, files)
    log, told = laid_out(at / "log", shown.files or {}), laid_out(at / "told", its_log)
    folder = laid_out(at / "release", release)
    file, logged = mutants.paper_file(mutants.papers()[0])
    laid_out(at, {"document": file})
    manifest = mutants.sealed(deepcopy(mutants.releases()[0]))[0]["manifest.json"]
    counted = laid_out(at / "counted", {"spring/manifest.json": manifest})
    yield (
        "document",
        at / "document",
        "--log",
        laid_out(at / "logged", logged),
        "--release",
        counted,
    )
    yield "log", log
    yield "receipt", at / "receipt"
    yield "certificate", at / "certificate"
    yield "release", folder, "--log", told
    yield "conversation", folder, release_lies.handle("a1"), "--log", told
    yield "text", at / "policy", "--log", log
    yield "proof", at / "proof", "--entry", at / "entry"
    yield "checkpoint", at / "old", at / "new", "--proof", at / "path"


def test_it_runs_alone_on_every_kind_of_artefact(tmp_path: Path) -> None:
    python, file = bare(tmp_path / "bare"), saved(tmp_path)
    alone = [str(python), "-I", "-c", "import licet"]
    assert subprocess.run(alone, capture_output=True, check=False).returncode == 1
    key, other = SIGNER.verifier.vkey, STRANGER.renamed(ORIGIN).verifier.vkey
    kinds = list(calls(tmp_path / "shown"))
    for words in kinds:
        honest, lie = (run(file, *words, "--key", vkey, python=python) for vkey in (key, other))
        assert (honest.returncode, honest.stderr) == (4 if words[0] == "certificate" else 0, ""), (
            words,
            honest.stdout,
        )
        assert (lie.returncode, lie.stderr) == (1, ""), (words, lie.stdout)
    usage = run(file, "--help", python=python).stdout
    # a model takes a run: tests/train/test_recipe.py
    named = {*(str(words[0]) for words in kinds), "model"}
    assert f"{{{','.join(sorted(named, key=usage.index))}}}" in usage
