"""The command as somebody meets it who has never seen it: what it says, where it says it, and what
it exits with.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from licet.cli.command import GROUPS, main
from licet.cli.root import LISTS, first_sentence
from licet.policy.period import instant
from licet.vault.simulated_clock import SimulatedClock, save

from ..commands import below, every, groups
from ..forking import FORKED
from ..waiting import heeds_ctrl_c, wait_until

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "spec" / "cases.yaml"

PLANTED = "the lamplighter of Gotland keeps seven blue herons"

Run = Callable[..., Result]


def runner(environment: dict[str, str]) -> Run:
    def run(*arguments: str | Path, code: int = 0) -> Result:
        result = CliRunner(env=environment).invoke(
            main, [str(a) for a in arguments], catch_exceptions=True
        )
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        assert result.exit_code == code, (result.stdout, result.stderr)
        if code == 64:
            assert "error: " in result.stderr
            assert result.stdout == ""
        return result

    return run


@pytest.fixture
def run(dsn: str, tmp_path: Path) -> Run:
    """The command on the tests' own database and an empty folder."""
    return runner({"LICET_DATABASE_URL": dsn, "LICET_DATA": str(tmp_path / "data")})


@pytest.fixture
def simulated(run: Run, tmp_path: Path) -> Run:
    """An installation whose clock says 15 December 2025, under terms in force since the first of
    that month.
    """
    (tmp_path / "data").mkdir()
    save(tmp_path / "data", SimulatedClock(instant("2025-12-01")))
    run("init", "--preset", "strict", "--names-left-in")
    save(tmp_path / "data", SimulatedClock(instant("2025-12-15")))
    return run


def chats(
    path: Path, *names: str, said: str = "how do I keep basil alive?", account: str = ""
) -> Path:
    lines = []
    for n, name in enumerate(names):
        at = f"2025-12-10T{10 + n % 10}:00:00Z"
        messages = [
            {"role": "user", "content": f"{said} {name}"},
            {"role": "assistant", "content": "with water"},
        ]
        owner = {"account": account} if account else {}
        lines.append(
            json.dumps({"conversation_id": name, "created_at": at, "messages": messages, **owner})
            + "\n"
        )
    path.write_text("".join(lines), encoding="utf-8")
    return path


def error(result: Result) -> tuple[str, str]:
    """The error and the hint, of an answer that says no other thing."""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("(simulated")]
    assert lines[0].startswith("error: ")
    assert len(lines) <= 2
    assert len(lines) == 1 or lines[1].startswith("hint: ")
    assert not lines[0].endswith(".")
    return lines[0].removeprefix("error: "), lines[1].removeprefix("hint: ") if len(
        lines
    ) == 2 else ""


# Every command


@pytest.mark.parametrize("path", [path for path, _ in every(main)], ids=" ".join)
def test_every_command_explains_itself_and_gives_an_example(path: Sequence[str]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    if path[0] != "db":
        assert "Example:" in result.stdout
        assert f"licet {' '.join(path)}" in result.stdout
    assert len(result.stdout.splitlines()) > 4


AS_JSON = [
    path for path, command in every(main) if any("--json" in one.opts for one in command.params)
]


@pytest.mark.parametrize("path", AS_JSON, ids=" ".join)
def test_an_error_of_a_command_that_answers_as_json_is_one_line_of_json(
    path: Sequence[str],
) -> None:
    result = CliRunner().invoke(main, [*path, "--json", "--no-such-option"])
    said = json.loads(result.stderr)
    assert (result.exit_code, result.stdout) == (64, "")
    assert said == {
        "error": "no such option `--no-such-option`",
        "hint": f"`main {' '.join(path)} --help` shows how",
        "exit": 64,
    }
    assert len(result.stderr.splitlines()) == 1


def test_an_error_as_json_says_what_the_text_says_and_why_for_programs(
    simulated: Run, tmp_path: Path
) -> None:
    simulated("import", chats(tmp_path / "c.jsonl", "c1"), "--account", "ana", "--plan", "pro")
    for words, code in (
        (["explain", "nobody"], 1),
        (["release", "show", "x"], 1),
        (["receipt", "ana", "--choice", "9"], 64),
        (["import", str(tmp_path / "none.jsonl"), "--account", "ana", "--plan", "pro"], 64),
    ):
        message, hint = error(simulated(*words, code=code))
        said = failed(CliRunner(env=database(simulated)).invoke(main, [*words, "--json"]))
        assert said == {"error": message, "hint": hint, "exit": code}
    simulated("release", "build", "e", "--purpose", "improve_models", code=1)
    again = ["release", "build", "e", "--purpose", "improve_models", "--json"]
    refused = failed(CliRunner(env=database(simulated)).invoke(main, again))
    assert (refused["exit"], bool(refused["because"])) == (1, True)


def test_a_word_behind_two_dashes_is_no_wish_for_json() -> None:
    result = CliRunner().invoke(main, ["explain", "--no-such-option", "--", "--json"])
    assert result.stderr.startswith("error: no such option")


def failed(result: Result) -> dict[str, Any]:
    """The error of an answer as JSON: the only line besides what says that the clock is
    simulated.
    """
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("(simulated")]
    said: dict[str, Any] = json.loads(line)
    assert said["exit"] == result.exit_code
    return said


def test_the_line_of_each_command_in_the_list_is_the_first_sentence_of_its_help() -> None:
    """The list is printed from `GROUPS`, so that no command is loaded for it."""
    lines = {name: line for lines in GROUPS.values() for name, line in lines.items()}
    assert {name: first_sentence(command) for name, command in below(main).items()} == lines
    assert sum(map(len, GROUPS.values())) == len(lines)


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("path", [(), *(path for path, _ in groups(main))], ids=" ".join)
def test_a_list_of_commands_has_a_line_for_each_and_cuts_none(
    path: Sequence[str], columns: int
) -> None:
    """A first sentence that is too long for its line would be wrapped, and make two lines of it."""
    result = CliRunner().invoke(main, [*path, "--help"], terminal_width=columns)
    group = dict(groups(main)).get(tuple(path), main)
    lines = [line for line in result.stdout.splitlines() if re.match(r"  (?=\S)", line)]
    for name, command in below(group).items():
        (line,) = [line for line in lines if line.split()[0] == name]
        assert re.fullmatch(rf"  {name} {{2,}}{re.escape(first_sentence(command))}", line)
        assert line.endswith(".")
        assert len(line) <= columns
    listed = result.stdout[result.stdout.rindex("Options:") :]
    assert "..." not in listed


ASKED_LOADS = """
import sys
from contextlib import suppress
from licet.cli.command import main
from licet.cli.command import GROUPS
from licet.cli.root import first_sentence
with suppress(SystemExit):
    main.main(sys.argv[1:])
loaded = sorted(name for name in sys.modules if name.startswith("licet."))
print(*loaded, file=sys.stderr)
"""


ASKED_STANDS_ON = (
    ASKED_LOADS.rpartition("loaded = ")[0]
    + """
print(*{name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names, file=sys.stderr)
"""
)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [], ["-h"]], ids=repr)
def test_help_and_version_load_no_command(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKED_LOADS, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout
    loaded = set(done.stderr.split())
    assert loaded == {
        "licet.cli",
        "licet.cli.command",
        "licet.cli.root",
        "licet.errors",
    }


# What a command stands on besides the standard library, whatever it is asked. A command is started
# a hundred times a day, a hook at each prompt: Arrow and NumPy take a third of a second, Rich, the
# HTTP client and structlog a tenth each.
FILES_ALONE = {"click", "licet", "msgspec", "typing_extensions", "yaml"}
DATABASE = {*FILES_ALONE, "cryptography", "psycopg", "psycopg_binary", "psycopg_pool", "zstandard"}
STANDS_ON = {
    "policy test": FILES_ALONE,
    "policy check": FILES_ALONE,
    "hook": {*FILES_ALONE, "zstandard"} - {"yaml"},
    "status": DATABASE - {"yaml"},  # the versions are read from the database, as values
    "explain": DATABASE,
    "import": DATABASE,
    "sweep": DATABASE,
    "erase": DATABASE,
    "keys rotate": DATABASE - {"yaml"},
    "release show": DATABASE,
    "serve": DATABASE - {"yaml"},
    "verify": DATABASE,
}
# What the interpreter or a compiled module loads on its own.
COMES_ALONG = re.compile(r"_.*|sitecustomize|usercustomize|.*cython.*")


@pytest.mark.parametrize("command", STANDS_ON)
def test_a_command_loads_no_more_than_it_stands_on(command: str) -> None:
    asked = [*command.split(), "--help"]
    done = subprocess.run(
        [sys.executable, "-c", ASKED_STANDS_ON, *asked], capture_output=True, text=True, check=True
    )
    loaded = {name for name in done.stderr.split() if not COMES_ALONG.fullmatch(name)}
    assert "licet" in loaded <= STANDS_ON[command], loaded - STANDS_ON[command]


def test_the_status_loads_nothing_of_consent_and_of_what_builds_or_trains() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKED_LOADS, "status", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    rooms = {name.split(".")[1] for name in done.stderr.split()}
    assert rooms <= {
        "cli",
        "clock",
        "config",
        "undecodable",
        "errors",
        "keys",
        "ledger",
        "masked",
        "policy",
        "release",
        "service",
        "store",
        "traces",
        "train",
        "vault",
    }, rooms
    loaded = set(done.stderr.split())
    assert {name for name in loaded if name.startswith(("licet.release.", "licet.train."))} == {
        "licet.release.registry",
        "licet.release.row_runs",
        "licet.train.model_registry",
        "licet.train.run_marks",
    }
    assert "licet.vault.apply" not in loaded


def test_the_shell_completes_a_word_without_loading_a_command() -> None:
    asked = {"_LICET_COMPLETE": "bash_complete", "COMP_WORDS": "licet sta", "COMP_CWORD": "1"}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            ASKED_LOADS.replace("main.main(", "main.main(prog_name='licet', args="),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **asked},
    )
    assert [line.split(",")[-1] for line in done.stdout.splitlines()] == ["staff", "status"]
    assert "licet.service" not in done.stderr.split()


def test_the_command_alone_explains_itself() -> None:
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 0
    assert "licet init" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["polcy"], "no such command `polcy`"),
        (["backup", "prun"], "no such command `prun`"),
        (["status", "--jsn"], "no such option `--jsn`"),
        (["policy", "test"], "missing argument `FILES...`"),
        (["release", "build", "x"], "missing option `--purpose`"),
        (["init", "--preset", "lax"], "`lax`"),
        (["import"], "missing argument `PATHS...`"),
        (["demo", "--accounts", "3"], "`3` is out of range"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_where_help_is(
    run: Run, arguments: list[str], said: str
) -> None:
    what, hint = error(run(*arguments, code=64))
    assert said in what
    assert "--help" in hint


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["polcy"], "did you mean `policy`? `main --help` shows how"),
        (["key", "create", "app"], "did you mean `keys` or `api-key`? `main --help` shows how"),
        (["backup", "prun", "x"], "did you mean `prune`? `main backup --help` shows how"),
        (["status", "--jsn"], "did you mean `--json`? `main status --help` shows how"),
        (["xyzzy"], "`main --help` shows how"),
        (["status", "--xyzzy"], "`main status --help` shows how"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistyped_word_is_answered_with_the_words_that_are_near(
    run: Run, tmp_path: Path, words: list[str], hint: str
) -> None:
    assert error(run(*words, code=64))[1] == hint
    as_json = CliRunner().invoke(main, [*words, "--json"])
    assert (as_json.exit_code, json.loads(as_json.stderr)["hint"]) == (64, hint)
    assert list(tmp_path.iterdir()) == []


def test_the_first_installation_beside_a_database_of_ones_own_makes_its_folder(
    run: Run, tmp_path: Path
) -> None:
    begun = json.loads(run("init", "--preset", "article-2025", "--json").stdout)
    assert begun["file"] == str(tmp_path / "data" / "policy.yaml")
    assert (tmp_path / "data" / "policy.yaml").is_file()


def test_an_installation_says_from_when_its_terms_hold_and_what_that_means_for_who_is_there(
    run: Run,
) -> None:
    said = run(
        "init", "--preset", "strict", "--effective", "2999-02-01", "--decide-by", "2999-03-15"
    ).stdout
    assert "effective  2999-02-01T00:00:00Z" in said
    assert "decide by  2999-03-15" in said
    assert "Before 2999-02-01 (UTC) nobody is asked and nothing can be chosen." in said
    assert (
        "Until the end of 2999-03-15 (UTC) an account that was opened before 2999-02-01 may "
        "put the notice off"
    ) in said
    assert "An account that was opened on 2999-02-01 or later must decide before it writes." in said
    assert "A choice that was made before 2999-02-01 has no effect." in said


def test_an_installation_whose_deadline_is_over_says_so(run: Run) -> None:
    said = run("init", "--effective", "2025-02-01", "--decide-by", "2025-03-15").stdout
    assert (
        "2025-03-15 is over: who has not answered can read, export, delete and choose, but "
        "not write."
    ) in said
    assert "may put the notice off" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--effective", "2999-02-01", "--decide-by", "2999-01-31"),
            "`2999-01-31` is before `2999-02-01`",
        ),
        (
            ("--policy", "policy.yaml", "--effective", "2999-02-01"),
            "a file of your own has its own days",
        ),
        (("--effective", "tomorrow"), "`tomorrow`"),
    ],
)
def test_days_that_no_policy_can_have_make_no_installation(
    run: Run, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    what, _ = error(run("init", *words, code=64))
    assert said in what
    assert not (tmp_path / "data" / "policy.yaml").exists()
    run("init")


def test_an_import_says_what_it_opened_and_which_choices_came_too_early(
    run: Run, tmp_path: Path
) -> None:
    run("init", "--effective", "2026-01-12")
    for name, text in {
        "accounts.csv": "account,plan,age,opened\nana,pro,30,2024-05-02\ngus,free,52,2024-01-20\nivo,free,40,\n",
        "choices.csv": "account,time,allow,question\nana,2025-12-24T09:00:00Z,yes,models\n",
    }.items():
        (tmp_path / name).write_text(text)
    files = ("--accounts", tmp_path / "accounts.csv", "--choices", tmp_path / "choices.csv")
    said = run("import", chats(tmp_path / "c.jsonl", "c1", account="ana"), *files).stdout
    assert "3 accounts\n2 accounts of the file opened that nothing was brought in of\n" in said
    assert "1 account of these opened as of now: the file does not say when\n" in said
    assert (
        "1 recorded choice made before 2026-01-12, from which day the policy is effective: "
        "without effect."
    ) in said


def test_a_misspelt_setting_is_an_error(dsn: str, tmp_path: Path) -> None:
    run = runner({"LICET_DATABASE_URL": dsn, "LICET_DTA": str(tmp_path)})
    what, hint = error(run("status", code=64))
    assert what == "unknown setting `LICET_DTA`"
    assert "LICET_DATA" in hint


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["sweep"],
        ["explain", "ana"],
        ["release", "show", "x"],
        ["import", "x.jsonl", "--plan", "pro"],
    ],
    ids=" ".join,
)
def test_before_an_installation_is_made_nothing_is_made_silently(
    run: Run, tmp_path: Path, arguments: list[str]
) -> None:
    what, hint = error(run(*arguments, code=64))
    assert "there is no installation in" in what
    assert "licet init" in hint
    assert not (tmp_path / "data").exists()


# Policy


def test_the_cases_of_the_specification_pass() -> None:
    result = CliRunner().invoke(main, ["policy", "test", str(CASES)])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "226 cases, 1002 expectations, 0 differ"


def test_a_difference_is_printed_expected_against_actual_and_exits_one(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "- case: silence\n  policy: article-2025\n"
        "  events: [{at: 2025-09-01, do: open_account, account: ana, plan: pro, age: 30}]\n"
        "  expect: [{at: 2025-09-02, account: ana, gate: open}]\n",
        encoding="utf-8",
    )
    result = CliRunner().invoke(main, ["policy", "test", str(wrong)])
    assert result.exit_code == 1
    assert "expected `open`, actual `must_decide`" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 cases, 1 expectations, 1 differ"
    answered = json.loads(CliRunner().invoke(main, ["policy", "test", str(wrong), "--json"]).stdout)
    assert (answered["differ"], answered["differences"][0]["actual"]) == (1, "must_decide")


def test_a_missing_file_is_named() -> None:
    result = CliRunner().invoke(main, ["policy", "test", "nowhere.yaml"])
    assert result.exit_code == 64
    assert "nowhere.yaml" in error(result)[0]


# From nothing to a release


def test_a_second_installation_in_one_place_is_refused(simulated: Run) -> None:
    what, hint = error(simulated("init", code=1))
    assert what == "a policy has been applied already"
    assert "licet policy apply" in hint


def test_an_import_and_the_status_count_the_same_conversations(
    simulated: Run, tmp_path: Path
) -> None:
    file = chats(tmp_path / "c.jsonl", "c1", "c2", "c3")
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    # nobody allowed anything: it would have been erased
    lines[0]["created_at"] = "2025-10-01T10:00:00Z"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    told = simulated(
        "import", file, "--account", "ana", "--plan", "pro", "--age", "30"
    ).stdout.splitlines()
    assert told[0] == "6 turns read: 4 stored in 2 of 3 conversations, 0 here already; 1 account"
    status = simulated("status").stdout.splitlines()
    assert "known      3 conversations, also those of which nothing is kept any more" in status
    assert [line for line in status if line.startswith("kept       4 turns, ")]


def test_from_a_file_to_a_release_and_back(simulated: Run, tmp_path: Path) -> None:
    run = simulated
    file = chats(tmp_path / "c.jsonl", "c1", "c2")
    choices = tmp_path / "choices.csv"
    choices.write_text("account,time,allow,question\nana,2025-12-02,yes,models\n", encoding="utf-8")
    first = run(
        "import", file, "--account", "ana", "--plan", "pro", "--age", "30", "--choices", choices
    )
    assert first.stdout.splitlines() == [
        "4 turns read: 4 stored in 2 conversations, 0 here already; 1 account",
        "1 recorded choice: 1 gave permission",
    ]
    again = run(
        "import", file, "--account", "ana", "--plan", "pro", "--age", "30", "--choices", choices
    )
    assert again.stdout.splitlines() == [
        "4 turns read: 0 stored in 0 conversations, 4 here already; 0 accounts"
    ]
    assert "1 pro" in run("status").stdout
    built = json.loads(run("release", "build", "r", "--purpose", "improve_models", "--json").stdout)
    assert built["manifest"]["counts"] == {"candidates": 4, "included": 4, "dropped": {}}
    assert "usable now 2 of 2 rows" in run("release", "show", "r").stdout
    assert run("release", "verify", "r").stdout == "0 contradictions\n"
    explained = json.loads(run("explain", "ana", "--json").stdout)
    assert explained["turns"]["improve_models"] == {"permitted": 4}
    part = tmp_path / "data" / "releases" / "r" / built["manifest"]["parts"][0]["file"]
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    assert "1 contradictions" in run("release", "verify", "r", code=1).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["sweep"],
        ["sweep", "--dry-run"],
        ["doctor"],
        ["policy", "test", str(CASES)],
        ["explain", "ana"],
        ["release", "build", "r", "--purpose", "improve_models"],
        ["release", "show", "e"],
        ["release", "verify", "e"],
    ],
    ids=" ".join,
)
def test_every_answer_can_be_had_as_json(
    simulated: Run, tmp_path: Path, arguments: list[str]
) -> None:
    simulated("import", chats(tmp_path / "c.jsonl", "c1"), "--account", "ana", "--plan", "pro")
    # nobody has allowed anything
    simulated("release", "build", "e", "--purpose", "improve_models", code=1)
    result = CliRunner(env={"LICET_DATA": str(tmp_path / "data"), **database(simulated)}).invoke(
        main, [*arguments, "--json"]
    )
    assert result.exit_code in (0, 1), result.stderr
    assert json.loads(result.stdout) is not None


def database(run: Run) -> dict[str, str]:
    """The environment that a runner was made with."""
    environment: dict[str, str] = run.__closure__[0].cell_contents
    return environment


def test_a_plan_that_no_version_names_is_pointed_out(simulated: Run, tmp_path: Path) -> None:
    file = chats(tmp_path / "c.jsonl", "c1")
    assert (
        "plan `prro` is in no policy version" in simulated("import", file, "--plan", "prro").stdout
    )


def test_an_import_must_say_whose_the_conversations_are(simulated: Run, tmp_path: Path) -> None:
    what, hint = error(
        simulated("import", chats(tmp_path / "c.jsonl", "c1"), "--account", "ana", code=64)
    )
    assert what == "whose conversations are these?"
    assert "--plan" in hint


def test_a_file_that_cannot_be_imported_is_named_before_what_is_missing_beside_it(
    run: Run, tmp_path: Path
) -> None:
    none, noise = tmp_path / "none.json", tmp_path / "noise.json"
    noise.write_bytes(bytes(range(256)))
    assert error(run("import", none, code=64))[0] == f"{none}: there is no such file or folder"
    assert error(run("import", noise, code=64))[0] == f"{noise}: the file is of no known format"


def test_an_account_that_is_not_there_is_named(simulated: Run) -> None:
    what, hint = error(simulated("receipt", "bob", code=1))
    assert (what, hint) == (
        "no account has the host's id `bob`",
        "Licet's account ids begin with acc_",
    )


def test_what_could_not_be_read_is_listed_with_its_place_and_exits_one(
    simulated: Run, tmp_path: Path
) -> None:
    file = chats(tmp_path / "c.jsonl", "c1")
    file.write_text(file.read_text() + "not json\n")
    result = simulated("import", file, "--plan", "pro", code=1)
    assert "2 stored" in result.stdout
    assert f"{file}:2: " in result.stdout


def test_a_mistake_in_a_file_of_accounts_names_line_and_key(simulated: Run, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.csv"
    accounts.write_text("account,plan\nana,Claude Pro\n")
    what, hint = error(
        simulated("import", chats(tmp_path / "c.jsonl", "c1"), "--accounts", accounts, code=64)
    )
    assert what == f"{accounts}:2: key `plan`: `Claude Pro` is not a name"
    assert hint


def test_files_may_be_given_to_an_account_of_the_file_of_accounts(
    simulated: Run, tmp_path: Path
) -> None:
    accounts = tmp_path / "accounts.csv"
    accounts.write_text("account,plan\nana,pro\n")
    file = chats(tmp_path / "c.jsonl", "c1")
    assert (
        "2 stored" in simulated("import", file, "--accounts", accounts, "--account", "ana").stdout
    )


def test_an_unknown_id_is_answered_as_one_that_never_was(simulated: Run, tmp_path: Path) -> None:
    simulated("import", chats(tmp_path / "c.jsonl", "c1"), "--account", "ana", "--plan", "pro")
    known = json.loads(simulated("explain", "ana", "--json").stdout)["account"]
    other = known[:-1] + ("0" if known[-1] != "0" else "1")
    for name in (other, "acc_zz", "acc_"):
        said = (f"no account `{name}`", LISTS["account"])
        assert error(simulated("explain", name, code=1)) == said
    for name in ("conv_" + "0" * 32, "conv_x"):
        said = (f"no conversation `{name}`", LISTS["conversation"])
        assert error(simulated("explain", name, code=1)) == said
    for name in ("turn_x", "turn_" + "0" * 32):
        said = (f"no turn `{name}`", LISTS["turn"])
        assert error(simulated("explain", name, code=1)) == said
    assert (
        error(simulated("explain", "nobody", code=1))[0]
        == "no account, conversation or turn `nobody`"
    )
    assert error(simulated("release", "show", "nothing", code=1))[0] == "no release `nothing`"


@pytest.mark.parametrize("name", ["receipt.json", "receipt.html", "receipts.zip"])
def test_a_receipt_that_goes_to_a_file_says_which(
    simulated: Run, tmp_path: Path, name: str
) -> None:
    choices = tmp_path / "choices.csv"
    choices.write_text("account,time,allow,question\nana,2025-12-02,yes,models\n", encoding="utf-8")
    simulated(
        "import",
        chats(tmp_path / "c.jsonl", "c1"),
        "--account",
        "ana",
        "--plan",
        "pro",
        "--choices",
        choices,
    )
    out = tmp_path / name
    assert simulated("receipt", "ana", "--out", out).stdout == f"written to {out}\n"
    assert out.stat().st_size > 0
    out.unlink()
    assert json.loads(simulated("receipt", "ana", "--out", out, "--json").stdout) == {
        "file": str(out)
    }
    assert out.stat().st_size > 0


def test_a_dry_run_counts_and_touches_nothing(simulated: Run, tmp_path: Path) -> None:
    simulated("import", chats(tmp_path / "c.jsonl", "c1"), "--account", "ana", "--plan", "pro")
    at = ("--at", "2026-03-01")
    dry = simulated("sweep", "--dry-run", *at).stdout
    assert dry.startswith("would erase 2 turns in 1 segment,")
    assert simulated("sweep", "--dry-run", *at).stdout == dry
    status = simulated("status", *at).stdout
    assert "known      1 conversation, also" in status
    assert "kept       2 turns," in status
    assert simulated("sweep", *at).stdout == dry.replace("would erase", "erased")
    assert simulated("sweep", "--dry-run", *at).stdout.startswith("would erase 0 turns")


def test_a_moment_can_be_given_on_a_simulated_clock_only(run: Run, tmp_path: Path) -> None:
    run("init")
    assert "runs on the real one" in error(run("status", "--at", "2025-12-01", code=64))[0]
    save(tmp_path / "data", SimulatedClock(instant("2030-01-01")))
    result = run("status", "--at", "2031-01-01")
    assert "(simulated clock: 2031-01-01T00:00:00Z)" in result.stderr
    assert "simulated" not in result.stdout
    assert "is not a time" in error(run("status", "--at", "soon", code=64))[0]


def test_a_demonstration_clears_no_folder_but_its_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    what, hint = error(run("demo", "--accounts", "50", "--data", tmp_path / "thesis", code=64))
    assert "is not the folder of a demonstration" in what
    assert "--data" in hint
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


# The installed command


def licet(*arguments: str | Path, data: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LICET_")}
    command, names = [FORKED, *map(str, arguments)], {"LICET_CURATE__NAMES": "off"}
    return subprocess.run(
        command,
        env={**environment, **names, "LICET_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        **more,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an installation of its own, its embedded database kept running meanwhile."""
    data = tmp_path_factory.mktemp("installed") / "data"
    assert licet("init", "--names-left-in", data=data).returncode == 0
    assert json.loads(licet("db", "start", "--json", data=data).stdout)["running"] is True
    yield data
    assert licet("db", "stop", data=data).returncode == 0


@pytest.mark.parametrize("command", ["status", "policy test", "release show"])
def test_a_command_at_work_loads_no_more_either(command: str, installed: Path) -> None:
    """What it asks of the installation loads nothing besides."""
    told = {
        "policy test": [str(ROOT / "tests" / "spec" / "cases.yaml")],
        "release show": ["of-no-name"],
    }.get(command, [])
    done = subprocess.run(
        [sys.executable, "-c", ASKED_STANDS_ON, *command.split(), *told],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LICET_DATA": str(installed)},
    )
    loaded = {
        name for name in done.stderr.splitlines()[-1].split() if not COMES_ALONG.fullmatch(name)
    }
    assert "licet" in loaded <= STANDS_ON[command], loaded - STANDS_ON[command]


def test_a_reader_that_leaves_early_is_no_error(installed: Path) -> None:
    command = f"{FORKED} status | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env={**os.environ, "LICET_DATA": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("policy     strict")
    assert done.stderr == ""


def many(path: Path, count: int) -> Path:
    """Conversations of today, more than are brought in in a moment."""
    now = time.time() - 3600
    with path.open("w", encoding="utf-8") as file:
        for n in range(count):
            said = [
                {"role": "user", "content": f"question {n}"},
                {"role": "assistant", "content": f"answer {n}"},
            ]
            file.write(
                json.dumps(
                    {"conversation_id": f"c{n}", "created_at": now + n / 1000, "messages": said}
                )
                + "\n"
            )
    return path


def interrupted(*arguments: str | Path, data: Path, when: Callable[[], bool]) -> tuple[int, str]:
    """Runs the command, and presses Ctrl-C when it is time: the terminal tells every process of the
    group.
    """
    environment = {**os.environ, "LICET_DATA": str(data)}
    command = [FORKED, *map(str, arguments)]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heeds_ctrl_c,
    ) as running:
        wait_until(lambda: running.poll() is not None or when(), "it works")
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=600)
    return running.returncode, said


def test_an_interrupted_import_keeps_what_it_stored_and_goes_on(
    installed: Path, tmp_path: Path
) -> None:
    file = many(tmp_path / "many.jsonl", 10_000)

    def stored() -> bool:
        told = licet("status", "--json", data=installed)
        return told.returncode == 0 and json.loads(told.stdout)["turns_kept"] > 0

    arguments = ("import", file, "--account", "kim", "--plan", "pro", "--age", "30")
    code, said = interrupted(*arguments, data=installed, when=stored)
    assert (code, said.strip()[:18]) == (130, "error: interrupted")
    kept = json.loads(licet("status", "--json", data=installed).stdout)["turns_kept"]
    assert 0 < kept < 20_000
    done = licet(*arguments, data=installed)
    assert done.stdout.startswith(f"20,000 turns read: {20_000 - kept:,} stored")
    assert json.loads(licet("status", "--json", data=installed).stdout)["turns_kept"] == 20_000


def test_an_interrupted_release_leaves_nothing_and_starts_over(
    installed: Path, tmp_path: Path
) -> None:
    assert (
        licet(
            "import",
            many(tmp_path / "many.jsonl", 6_000),
            "--account",
            "lou",
            "--plan",
            "pro",
            data=installed,
        ).returncode
        == 0
    )
    folder = installed / "releases" / "ctrl-c"
    arguments = ("release", "build", "ctrl-c", "--purpose", "improve_models")
    code, said = interrupted(*arguments, data=installed, when=folder.exists)
    assert (code, said.strip()[:18]) == (130, "error: interrupted")
    assert licet("release", "verify", "ctrl-c", data=installed).returncode != 0
    # whole, and empty: nobody has allowed anything
    assert licet(*arguments, data=installed).returncode == 1
    assert licet("release", "verify", "ctrl-c", data=installed).stdout == "0 contradictions\n"


def test_a_sentence_that_was_brought_in_lies_nowhere_in_clear(
    installed: Path, tmp_path: Path
) -> None:
    file = tmp_path / "planted.jsonl"
    messages = [{"role": "user", "content": PLANTED, "id": PLANTED}]
    line = {
        "conversation_id": PLANTED,
        "title": PLANTED,
        "created_at": time.time() - 60,
        "messages": messages,
    }
    file.write_text(json.dumps(line) + "\n")
    assert (
        "1 stored"
        in licet("import", file, "--account", PLANTED, "--plan", "pro", data=installed).stdout
    )
    control = installed / "control.txt"
    control.write_text(PLANTED)
    files = [path for path in installed.rglob("*") if path.is_file()]
    holding = [path for path in files if PLANTED.encode() in path.read_bytes()]
    control.unlink()
    assert holding == [control]
    assert len(files) > 100
    assert list((installed / "spool").iterdir()) == []


def test_a_hold_is_placed_listed_and_ended_by_commands(simulated: Run, tmp_path: Path) -> None:
    simulated(
        "import",
        chats(tmp_path / "chats.jsonl", "kettle"),
        "--account",
        "ana",
        "--plan",
        "pro",
        "--age",
        30,
    )
    assert simulated("hold", "list").stdout == "nothing is held\n"
    with_matter = ["--matter", PLANTED]
    (chat,) = conversations(simulated)
    place = [
        "hold",
        "place",
        chat,
        *with_matter,
        "--reason",
        "litigation",
        "--review",
        "2025-12-20",
    ]
    assert "would be held" in simulated(*place, "--dry-run").stdout
    assert json.loads(simulated("hold", "list", "--json").stdout)["total"] == 0
    assert (
        f"{chat} is held, review 2025-12-20T00:00:00Z"
        in simulated(*place, "--untold", "--by", "counsel").stdout
    )
    assert (
        "litigation since 2025-12-15T00:00:00Z by user:counsel, not to be disclosed"
        in simulated("hold", "list").stdout
    )
    save(tmp_path / "data", SimulatedClock(instant("2025-12-21")))
    late = simulated("hold", "list", code=1).stdout
    assert "OVERDUE" in late
    assert PLANTED not in late
    assert (
        "no hold for that matter"
        in error(simulated("hold", "end", chat, "--matter", "another", code=1))[0]
    )
    assert "would be free" in simulated("hold", "end", chat, *with_matter, "--dry-run").stdout
    assert (
        json.loads(simulated("hold", "end", chat, *with_matter, "--json").stdout)[0]["outcome"]
        == "done"
    )
    assert json.loads(simulated("hold", "list", "--json").stdout)["total"] == 0
    simulated("hold", "place", chat, *with_matter, "--reason", "because", code=64)


def conversations(run: Run) -> list[str]:
    """The ids of the conversations of ana."""
    return sorted(json.loads(run("ledger", "handles", "ana", "--json").stdout)["conversations"])
