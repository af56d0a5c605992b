"""PostgreSQL's programs, files and processes as the store uses them: what they are told, and what
is said of a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from licet.backup import base_recovery, postgres_programs
from licet.errors import BrokenError, UsageError
from licet.store import embedded, files


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo a row of words >&2; echo 'ERROR: no such table' >&2; echo ERROR: another >&2",
            "ERROR: no such table",
        ),
        ("echo first >&2; echo second >&2", "first"),
        ("true", "no reason given"),
    ],
)
def test_a_program_that_fails_is_named_with_its_trouble_and_quotes_nothing_else(
    script: str, said: str
) -> None:
    with pytest.raises(BrokenError) as failed:
        postgres_programs.run_program(["sh", "-c", f"{script}; exit 3"], hint="try again")
    assert (failed.value.message, failed.value.hint) == (f"`sh` failed: {said}", "try again")
    postgres_programs.run_program(["sh", "-c", f"{script}; exit 0"])


def test_what_a_program_says_of_its_failure_is_bounded() -> None:
    with pytest.raises(BrokenError) as failed:
        postgres_programs.run_program(["sh", "-c", "printf %01000d 7 >&2; exit 1"])
    assert (
        len(failed.value.message) == len("`sh` failed: ") + postgres_programs.OUTPUT_CHARACTERS_MAX
    )


def test_a_program_is_told_the_connection_by_its_environment_and_nothing_else_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "planted")
    running = postgres_programs.start_program(
        ["env"],
        "host=/run/x dbname=licet user=ana password=p port=5433 application_name=tests",
        stdout=subprocess.PIPE,
    )
    assert running.stdout is not None
    with running.stdout as output:
        told = dict(line.split("=", 1) for line in output.read().decode().splitlines())
    postgres_programs.wait_program(running)
    kept = {name: told.pop(name) for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in told}
    assert kept == {name: os.environ[name] for name in kept}
    assert told == {
        "PGHOST": "/run/x",
        "PGDATABASE": "licet",
        "PGUSER": "ana",
        "PGPASSWORD": "p",
        "PGPORT": "5433",
        "PGAPPNAME": "tests",
        "LC_ALL": "C.UTF-8",
    }


def test_where_no_postgresql_is_new_enough_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (embedded.binaries() / "postgres").is_file()
    monkeypatch.setattr(embedded, "VERSION_MIN", 1_000)
    with pytest.raises(UsageError, match="no PostgreSQL 1000 or newer"):
        embedded.binaries()


def test_a_process_lives_until_it_was_waited_for() -> None:
    running = subprocess.Popen(["sleep", "600"])
    assert embedded.pid_exists(running.pid)
    assert embedded.pid_exists(1), "one that is another's lives too"
    running.kill()
    running.wait()
    assert not embedded.pid_exists(running.pid)


def test_making_a_folder_durable_leaves_no_file_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    files.make_folder(tmp_path / "a" / "b", 0o700)
    files.make_folder(tmp_path / "a" / "b")
    assert len(os.listdir("/proc/self/fd")) == before
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_folder_s_name_is_synced_though_somebody_else_made_it(tmp_path: Path) -> None:
    """Anyone who made it may have been killed before the name was on the disk."""
    watched = (
        "import sys; from pathlib import Path; from licet.store import files\n"
        "sys.addaudithook(lambda event, said: event == 'open' and print('opened', said[0]))\n"
        "files.make_folder(Path(sys.argv[1]))"
    )
    made = tmp_path / "a" / "b"
    for opened in ({tmp_path, tmp_path / "a"}, {tmp_path / "a"}):
        done = subprocess.run(
            [sys.executable, "-c", watched, str(made)], capture_output=True, text=True, check=True
        )
        assert {Path(line.removeprefix("opened ")) for line in done.stdout.splitlines()} == opened


def test_a_program_of_postgresql_is_told_nothing_of_our_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LICET_SECRET", "a secret")
    monkeypatch.setenv("HOME", "/home/of-somebody")
    running = postgres_programs.start_program(["env"], stdout=subprocess.PIPE)
    assert running.stdout is not None
    told = dict(line.partition("=")[::2] for line in running.stdout.read().decode().splitlines())
    postgres_programs.wait_program(running)
    assert (told["HOME"], told["PATH"]) == ("/home/of-somebody", os.environ["PATH"])
    assert not [name for name in told if name.startswith("LICET")]


def test_what_a_restore_removes_is_the_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("kept")
    (tmp_path / "link").symlink_to(kept)
    base_recovery._remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    base_recovery._remove(tmp_path / "nothing")
    base_recovery._remove(kept)
    assert list(tmp_path.iterdir()) == []
