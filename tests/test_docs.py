"""What the documents say to type exists: every command and option in them is one that the program has."""

import re
import shlex
from pathlib import Path

import click
import pytest

from licet.cli import command as cli
from licet.policy.decide import Because

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN_WORDS = {"demo", "test", "bench"}  # words of ./run itself; `demo` is a command too


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
        assert words[0] in command.commands, f"{document}: `{call}`"
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        if word.startswith("-"):
            assert word in options | {"--help"}, f"{document}: `{call}`: {word}"


def test_every_reason_is_explained() -> None:
    text = (ROOT / "docs" / "decide.md").read_text(encoding="utf-8")
    missing = [
        because.value for because in Because if because is not Because.unknown and f"`{because.value}`" not in text
    ]
    assert missing == []


def walked(group: click.Group, path: str = "licet") -> list[tuple[str, click.Command]]:
    result: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        result.append((f"{path} {name}", command))
        if isinstance(command, click.Group):
            result += walked(command, f"{path} {name}")
    return result


@pytest.mark.parametrize(("path", "command"), walked(cli.main))
def test_every_command_says_what_it_does(path: str, command: click.Command) -> None:
    assert command.help
    assert (
        isinstance(command, click.Group)
        or path.startswith("licet db")
        or ("Example:" in command.help and path in command.help)
    )
