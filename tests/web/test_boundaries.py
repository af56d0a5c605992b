"""The web asks: it has no SQL of its own, and of the vault it knows what is meant to be asked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import licet

WEB = Path(licet.__file__).parent / "web"
SENDS_SQL = {"execute", "executemany", "copy", "cursor", "pipeline"}
# What the vault shows to anyone who stands above it. The rest is how it keeps what it was told:
# rows, locks, keys, folding.
FACE = {
    "account_choices", "account_region", "account_view", "certificate", "commands", "content", "feedback",
    "hold_coverage", "holds", "host_events", "idempotency", "ids", "installation", "policy_plan", "policy_versions",
    "projects", "requests", "staff_reads", "verbs",
}  # fmt: skip


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(WEB.rglob("*.py")):
        yield str(path.relative_to(WEB)), ast.parse(path.read_text())


def test_the_web_sends_no_sql() -> None:
    sent = [
        f"{name}:{node.lineno}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in SENDS_SQL
    ]
    assert sent == []


def test_the_web_imports_of_the_vault_its_face_alone() -> None:
    behind = set()
    for name, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(
                "licet.vault"
            ):
                continue
            inner = (node.module or "").removeprefix("licet.vault").strip(".")
            behind |= {
                (name, one)
                for one in ([inner] if inner else [a.name for a in node.names])
                if one not in FACE
            }
    assert behind == set()
