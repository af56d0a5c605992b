"""What every command has in common: `--json`, `--dry-run` before anything is destroyed, and exit
codes that its help says.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from licet.cli.command import main
from licet.errors import UsageError
from licet.ledger.tree import EMPTY_ROOT
from licet.policy.period import instant
from licet.service.staff_verb import AnyVerb
from licet.service.staff_verbs import VERBS
from licet.vault.simulated_clock import SimulatedClock, save

from ..commands import every, groups

# The commands without `--json`, each with its reason.
WITHOUT_JSON = {
    "completion": "prints a script for a shell",
    "events": "prints NDJSON",
    "hook": "answers in the JSON of Claude Code's hooks",
    "ledger serve": "serves until it is interrupted",
    "policy schema": "prints JSON",
    "serve": "serves until it is interrupted",
    "session status-line": "prints the one line that Claude Code shows",
    "witness serve": "serves until it is interrupted",
}
# The commands that destroy keys, content or files, and how each shows first what it would destroy.
DESTROYS = {
    "backup prune": "--dry-run",
    "demo": "--dry-run",
    "erase run": "--dry-run",
    "hold end": "--dry-run",
    "keys destroy-due": "--dry-run",
    "keys rotate": "--dry-run",
    "ledger prune": "--apply",  # shows, unless it is given
    "recall export": "--dry-run",
    "release collect": "--dry-run",
    "release purge": "--dry-run",
    "restore": "--dry-run",
    "sweep": "--dry-run",
    "train purge": "--dry-run",
    "train safety": "--dry-run",
    "vault cool": "--dry-run",
    "webhooks remove": "--dry-run",
}


def options(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def working() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something by itself, and the groups that do so without a
    subcommand.
    """
    yield from ((" ".join(path), command) for path, command in every(main))
    yield from (
        (" ".join(path), group) for path, group in groups(main) if group.invoke_without_command
    )


def test_every_command_takes_json_but_those_with_a_reason() -> None:
    assert {name for name, command in working() if "--json" not in options(command)} == set(
        WITHOUT_JSON
    )


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_verb_without_a_required_field_names_it_and_says_what_it_means(verb: AnyVerb) -> None:
    required = [field.name for field in msgspec.structs.fields(verb.takes) if field.required]
    if not required:
        return
    with pytest.raises(UsageError) as refused:
        verb.body({})
    assert str(refused.value).startswith(f"`{required[0]}` is missing")
    if required[0] == "reason":
        assert "object missing" not in f"{refused.value.args} {vars(refused.value)}"


def test_what_destroys_can_show_first_what_it_would_destroy() -> None:
    known = dict(working())
    assert {name for name, how in DESTROYS.items() if how not in options(known[name])} == set()


def test_an_option_of_many_commands_is_one_declaration() -> None:
    """The same words everywhere, but for `--dry-run` and `--by`, which say of what."""
    told: dict[str, set[str | None]] = {}
    for _, command in working():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.opts[0] in (
                "--data",
                "--at",
                "--json",
                "--host",
            ):
                told.setdefault(parameter.opts[0], set()).add(parameter.help)
    by_itself = {"The folder of the demo.", "Answer as JSON, one line per look."}
    assert {name: len(words - by_itself) for name, words in told.items()} == dict.fromkeys(told, 1)


def test_a_command_that_answers_no_by_its_exit_code_says_so_in_its_help() -> None:
    silent, never = set(), {verb.command for verb in VERBS if verb.failed is None}
    for name, command in working():
        assert command.callback is not None
        answers = inspect.signature(inspect.unwrap(command.callback)).return_annotation
        helps = " ".join(
            [command.help or "", *(getattr(each, "help", None) or "" for each in command.params)]
        )
        may_answer_no = answers == "int" and name not in never
        if may_answer_no and "exits " not in " ".join(helps.lower().split()):
            silent.add(name)
    assert silent == set()


# The commands that got theirs last, at work


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    save(folder, SimulatedClock(instant("2025-12-01")))
    return folder


@pytest.fixture
def run(dsn: str, data: Path) -> Any:
    def run(*words: str | Path, code: int = 0) -> Result:
        environment = {"LICET_DATABASE_URL": dsn, "LICET_DATA": str(data)}
        result = CliRunner(env=environment).invoke(main, list(map(str, words)))
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    run("init", "--preset", "strict")
    return run


def told(result: Result) -> Any:
    return json.loads(result.stdout)


def imported(run: Any, folder: Path) -> None:
    chats = folder / "chats.jsonl"
    messages = [{"role": "user", "content": "how do I keep basil alive?"}]
    chats.write_text(
        json.dumps(
            {"conversation_id": "c", "created_at": "2025-11-30T10:00:00Z", "messages": messages}
        )
    )
    run("import", chats, "--account", "ana", "--plan", "pro", "--age", "30")


def test_keys_and_handles_are_said_for_people_and_for_programs(run: Any, tmp_path: Path) -> None:
    imported(run, tmp_path)
    log = told(run("ledger", "key", "--json"))
    assert log["vkey"].startswith(f"{log['origin']}+")
    assert run("ledger", "key").stdout == f"{log['vkey']}\n"
    models = told(run("models", "key", "--json"))
    assert run("models", "key").stdout == f"{models['vkey']}\n"
    assert run("models", "key", "--pem").stdout == models["pem"]
    witness = told(run("witness", "key", tmp_path / "w.key", "--name", "example.org/w", "--json"))
    assert run("witness", "key", tmp_path / "w.key").stdout == f"{witness['vkey']}\n"
    assert witness["name"] == "example.org/w"
    names = told(run("ledger", "handles", "ana", "--json"))
    ((conversation, handle),) = names["conversations"].items()
    assert run("ledger", "handles", "ana").stdout.splitlines() == [
        f"year  {names['year']}",
        f"who   {names['who']}",
        f"salt  {names['salt']}",
        f"{handle}  {conversation}",
    ]


def test_the_status_of_a_log_without_a_checkpoint_is_an_answer(
    run: Any, data: Path, tmp_path: Path
) -> None:
    assert told(run("ledger", "status", "--json"))["logs"] == []
    imported(run, tmp_path)
    waiting = told(run("ledger", "status", "--json"))["waiting"]
    assert told(run("ledger", "append", "--json")) == {"appended": waiting}
    assert told(run("ledger", "status", "--json"))["logs"][0]["begun"] is True
    (checkpoint,) = (data / "log").glob("*/checkpoint")
    checkpoint.unlink()
    (seen,) = told(run("ledger", "status", "--json"))["logs"]
    assert (seen["begun"], seen["size"], seen["placed"], seen["root"]) == (
        False,
        0,
        waiting,
        EMPTY_ROOT.hex(),
    )
    assert f"no checkpoint yet, {waiting} entries placed" in run("ledger", "status").stdout


def test_publishing_the_log_prints_its_files_and_entries_and_answers_both_as_json(
    run: Any, tmp_path: Path
) -> None:
    imported(run, tmp_path)
    entries = told(run("ledger", "append", "--json"))["appended"]
    published = tmp_path / "published"
    (line,) = run("ledger", "publish", published).stdout.splitlines()
    tiles = sum(path.is_file() for path in published.rglob("tile/**/*"))
    assert line.partition(":")[0] == f"{tiles} new tiles; 2025"
    assert line.endswith(f": {entries} entries")
    again = told(run("ledger", "publish", published, "--json"))
    assert (list(again["sizes"].values()), again["missing"]) == ([entries], [])


def test_a_dry_run_says_what_the_command_then_does(run: Any, data: Path, tmp_path: Path) -> None:
    imported(run, tmp_path)
    run("backup", "make", tmp_path / "backups")
    assert told(run("erase", "run", "--dry-run", "--json")) == {
        "due": 0,
        "keys": 0,
        "held": 0,
        "later": 0,
    }
    assert run("backup", "prune", tmp_path / "backups", "--dry-run").stdout == "nothing to remove\n"
    run("keys", "rotate", "--weekly")
    save(data, SimulatedClock(instant("2026-03-01")))
    assert told(run("keys", "destroy-due", "--dry-run", "--json")) == {"due": [1]}
    assert run("keys", "destroy-due", "--dry-run").stdout == "would destroy: epoch 1\n"
    assert told(run("keys", "destroy-due", "--json")) == {"destroyed": [1]}
    (folder,) = [each for each in (tmp_path / "backups").iterdir() if each.is_dir()]
    assert (
        run("backup", "prune", tmp_path / "backups", "--dry-run").stdout
        == f"would remove {folder}\n"
    )
    assert folder.is_dir()
    assert run("backup", "prune", tmp_path / "backups").stdout == f"removed {folder}\n"
    assert not folder.exists()
