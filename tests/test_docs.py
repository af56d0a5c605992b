"""What the documents say to type exists: every command and option in them is one that the program has."""

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from licet.cli import command as cli
from licet.policy.decide import DecisionReason

from .commands import below

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN_WORDS = {"demo", "test", "bench", "setup"}  # words of ./run itself; `demo` is a command too


def commands() -> list[tuple[str, str]]:
    """Every line in a document that calls the program, with the document's name."""
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"(?m)(?:^    .*\n)+|^```.*?^```", document.read_text(encoding="utf-8"), re.DOTALL):
            block = re.sub(r"\\\n\s*", "", block)
            for line in block.splitlines():
                for call in re.findall(r"(?:^|\(| {3,})(?:\./run|licet) ([a-z].*?)(?: {3,}|\)|$)", line.split(" #")[0]):
                    found.append((document.name, call.strip()))
    return found


def test_the_documents_hold_commands() -> None:
    assert len(commands()) > 30


@pytest.mark.parametrize(("document", "call"), commands())
def test_a_command_in_a_document_exists(document: str, call: str) -> None:
    words = shlex.split(call)
    if words[0] in OWN_WORDS - {"demo"}:
        return
    command: click.Command = cli.main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        known = below(command)
        assert words[0] in known, f"{document}: `{call}`"
        command = known[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        if word.startswith("-"):
            assert word in options | {"--help"}, f"{document}: `{call}`: {word}"


def test_every_reason_is_explained() -> None:
    text = (ROOT / "docs" / "decide.md").read_text(encoding="utf-8")
    missing = [
        because.value
        for because in DecisionReason
        if because is not DecisionReason.unknown and f"`{because.value}`" not in text
    ]
    assert missing == []


def test_every_bound_of_the_threat_model_names_a_test_that_is_there() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    model = text[text.index("## Threat model") : text.index("### What is not bounded")]
    rows = [
        line
        for line in model.splitlines()
        if line.startswith("| ") and not line.startswith(("| who |", "| who stands"))
    ]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`(tests/\S+?\.py)::(test_\w+)`", row.split(" | ")[-1])
        assert named, row
        for file, name in named:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (
                f"{file}::{name}"
            )
