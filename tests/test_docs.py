"""What the documents name is there, and what is there is in the documents: commands, options,
routes, settings.

The other halves: tests/test_configuration.py has the settings row by row, tests/web/test_api.py the
problems and scopes, tests/web/test_events.py the events. `docs/routes.md` is made from the
application: TESTS_WRITE_GOLDEN=1 writes it anew.
"""

import ast
import os
import re
import shlex
from pathlib import Path

import click
import msgspec
import pytest

from licet.access.roles import May
from licet.cli import command as cli
from licet.config import Configuration
from licet.host import HostSettings
from licet.host.settings import PREFIX as HOST_PREFIX
from licet.plugins.settings import PREFIX, PluginSettings
from licet.policy.decide import DecisionReason
from licet.store.connect import Pool
from licet.web.api import reference

from .commands import below, every
from .test_configuration import settings
from .web.served import World

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "quickstart").glob("*.md")),
    *sorted((ROOT / "docs" / "runbooks").glob("*.md")),
]
ROUTES = ROOT / "docs" / "routes.md"
COMMANDS = ROOT / "docs" / "commands.md"
# LiteLLM's own, and the base that an exporter of OpenTelemetry adds to.
NO_ROUTES = {"/v1/chat/completions", "/v1/otlp"}
# words of ./run itself; `demo` is a command too
OWN_WORDS = {"demo", "test", "bench", "setup", "docs"}


def commands() -> list[tuple[str, str]]:
    """Every line in a document that calls the program, with the document's name."""
    found = []
    for document in DOCUMENTS:
        for block in re.findall(
            r"(?m)(?:^    .*\n)+|^```.*?^```", document.read_text(encoding="utf-8"), re.DOTALL
        ):
            block = re.sub(r"\\\n\s*", "", block)
            for line in block.splitlines():
                for call in re.findall(
                    r"(?:^|\(| {3,})(?:\./run|licet) ([a-z].*?)(?: {3,}|\)|$)", line.split(" #")[0]
                ):
                    found.append((document.name, call.split(" | ")[0].strip()))
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


def texts() -> dict[str, str]:
    return {document.name: document.read_text("utf-8") for document in DOCUMENTS}


def test_every_command_is_in_a_document() -> None:
    text = re.sub(
        r"\s+", " ", "\n".join(text for name, text in texts().items() if name != COMMANDS.name)
    )
    silent = [
        " ".join(p)
        for p, _ in every(cli.main)
        if not re.search(rf"(?:licet|/run) {' '.join(p)}(?![\w-])", text)
    ]
    assert silent == []


def test_every_command_is_in_the_list_of_commands_with_its_options_and_none_is_invented() -> None:
    made = COMMANDS_HEAD
    for word, command in below(cli.main).items():
        made += (
            f"\n## licet {word}\n\n{first_sentence(command)}\n\n| command | what it does | "
            "options |\n|---|---|---|\n"
        )
        held = (
            list(every(command, word)) if isinstance(command, click.Group) else [((word,), command)]
        )
        made += "".join(
            (
                f"| `licet {' '.join((*path, *arguments(one)))}` | {first_sentence(one)} | "
                f"{options(one)} |\n"
            )
            for path, one in held
        )
    if os.environ.get("TESTS_WRITE_GOLDEN"):
        COMMANDS.write_text(made, encoding="utf-8")
    assert COMMANDS.read_text("utf-8") == made, "TESTS_WRITE_GOLDEN=1 writes docs/commands.md anew"
    assert len(made.splitlines()) > 150


COMMANDS_HEAD = """# Commands

Every command of `licet`, by the first word. `licet WORD --help` has each option in full, with an example. All commands take
`--help`; most take `--data PATH`, the data folder, and `--json`. In a clone `./run` stands for `licet`.

They end with 0 for yes or done, 1 for an answer of no, 2 for a plan that has changes, 64 for a wrong use, 70 for an error
of ours, and 75 for what to try again. Words of ours in the table: the [training gate](glossary.md#training-gate), a
[legal hold](glossary.md#hold), an [epoch](glossary.md#epoch), a [handle](glossary.md#handle).
"""
COMMON = {"--data", "--json", "--help"}


def first_sentence(command: click.Command) -> str:
    said = " ".join((command.help or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", said)[0]


def arguments(command: click.Command) -> list[str]:
    return [
        str(one.make_metavar(click.Context(command))).replace("|", "\\|")
        for one in command.params
        if isinstance(one, click.Argument)
    ]


def options(command: click.Command) -> str:
    named = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    return ", ".join(f"`{one.opts[-1]}`" for one in named if not COMMON & set(one.opts))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "src" / "licet").rglob("*.py")), ids=lambda path: path.stem
)
def test_a_command_that_the_program_names_in_a_text_exists(path: Path) -> None:
    """Of the words between backticks: those before what stands for a name, a path or an option's
    value.
    """
    for call in re.findall(r"`licet ([a-z][^`]*)`", path.read_text("utf-8")):
        command: click.Command = cli.main
        words = re.sub(r"[\"']?\s+[\"']?", " ", call).split()
        while (
            isinstance(command, click.Group) and words and re.fullmatch(r"[a-z][a-z-]*", words[0])
        ):
            assert words[0] in below(command), f"`licet {call}`"
            command = below(command)[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= options, f"`licet {call}`"


@pytest.fixture
def world(pool: Pool, tmp_path: Path) -> World:
    return World(pool, tmp_path / "data")


def served(world: World) -> dict[str, tuple[May, str]]:
    """By method and path: who may call it, and the first sentence of what it says of itself."""
    found: dict[str, tuple[May, str]] = {}
    for route in world.app.routes:
        for handler in getattr(route, "route_handlers", ()):
            verb = getattr(handler.fn, "func", handler.fn)  # Litestar wraps one that is not `async`
            said = " ".join((verb.__doc__ or "").replace("``", "`").split())
            for method in handler.http_methods - {"OPTIONS", "HEAD"}:
                path = re.sub(r":(?:str|path|int|uuid)\}", "}", route.path)
                found[f"{method} {path}"] = (
                    handler.opt.get("may", May()),
                    re.split(r"(?<=\.)\s", said)[0],
                )
    return {
        one: who for one, who in sorted(found.items()) if not re.match(r"GET /openapi(/|$)", one)
    }


def row(name: str, may: May, said: str) -> str:
    return f"| `{name}` | {reference.callers(may)} | {said} |"


def test_every_route_is_in_the_list_of_routes_and_none_is_invented(world: World) -> None:
    api = [row(name, *found) for name, found in served(world).items() if " /v1/" in name]
    pages = [row(name, *found) for name, found in served(world).items() if " /v1/" not in name]
    head = "| route | who | what |\n|---|---|---|\n"
    made = ROUTES.read_text("utf-8").split(head)[0] if ROUTES.exists() else "# Routes\n\n"
    made += head + "\n".join(api) + "\n\n## Pages, the console, and what watches the server\n\n"
    made += head + "\n".join(pages) + "\n"
    if os.environ.get("TESTS_WRITE_GOLDEN"):
        ROUTES.write_text(made, encoding="utf-8")
    assert ROUTES.read_text("utf-8") == made, "TESTS_WRITE_GOLDEN=1 writes docs/routes.md anew"
    assert len(api) > 40
    assert [line for line in made.splitlines() if line.endswith("|  |")] == []


def test_a_path_of_the_api_in_a_document_exists(world: World) -> None:
    known = {name.partition(" ")[2] for name in served(world)}
    patterns = [re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))) for path in known]
    named = {
        (name, path.rstrip(".,;"))
        for name, text in texts().items()
        for path in re.findall(r"(?<![\w.])(?:http://[\w.:]+)?(/v1/[^\s`'\"?|)]+)", text)
    }
    assert len(named) > 40
    wrong = [
        one
        for one in sorted(named)
        if one[1] not in NO_ROUTES and not any(p.fullmatch(one[1]) for p in patterns)
    ]
    assert wrong == []


def test_a_setting_in_a_document_exists() -> None:
    plugins = {PREFIX + field.name.upper() for field in msgspec.structs.fields(PluginSettings)}
    hosts = {HOST_PREFIX + field.name.upper() for field in msgspec.structs.fields(HostSettings)}
    known = {*settings(Configuration), *plugins, *hosts}
    for document, text in texts().items():
        for name, more in re.findall(r"\b((?:LITELLM_|HOST_)?LICET_[A-Z0-9_]+)(\.\.)?", text):
            begins = [one for one in known if one.startswith(name)] if more else []
            assert name in known or begins, f"{document}: {name}"


def test_every_setting_of_a_plugin_is_in_its_document() -> None:
    page = (ROOT / "docs" / "quickstart" / "litellm.md").read_text("utf-8")
    table = page[page.index(f"| `{PREFIX}..`") :].split("\n\n")[0]
    rows = re.findall(r"(?m)^\| `([A-Z_]+)`", table)
    assert sorted(rows) == sorted(
        field.name.upper() for field in msgspec.structs.fields(PluginSettings)
    )


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
        if line.startswith("| ") and not line.startswith(("| who |", "| who is outside"))
    ]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`(tests/\S+?\.py)::(test_\w+)`", row.split(" | ")[-1])
        assert named, row
        for file, name in named:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert name in {
                node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
            }, f"{file}::{name}"


SWITCH = re.compile(
    r"(?:environ(?:\.get\(|\.setdefault\(|\[)|seeds_(?:of|until)\([^\n]*)\"(TESTS_[A-Z_]+)\""
)


def test_every_switch_of_the_tests_is_on_their_page_and_no_other() -> None:
    read = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in SWITCH.findall(path.read_text(encoding="utf-8"))
    }
    rows = re.findall(
        r"(?m)^\| `(TESTS_[A-Z_]+)` \|", (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    )
    assert sorted(rows) == sorted(read)


def test_every_file_of_tests_that_a_document_names_is_there() -> None:
    for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md"]:
        for path in re.findall(r"`(tests/[\w/.]+)`", document.read_text(encoding="utf-8")):
            assert "NAME" in path or (ROOT / path).exists(), (document.name, path)
