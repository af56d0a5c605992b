"""A repository is one project, whatever its address was written as and wherever it was cloned."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from licet.agent.repository import Repository, find_repository, normalise_address


@pytest.fixture(autouse=True)
def fresh() -> None:
    find_repository.cache_clear()


@pytest.mark.parametrize(
    "address",
    [
        "git@github.com:Example/app.git",
        "https://github.com/Example/app.git",
        "https://ana:secret@github.com/Example/app",
        "ssh://git@github.com:22/Example/app.git/",
        "git://GitHub.com/Example/app",
    ],
)
def test_every_address_of_a_repository_is_one_name_without_a_user_or_a_password(
    address: str,
) -> None:
    assert normalise_address(address) == "github.com/Example/app"


@pytest.mark.parametrize(
    "address", ["", "/srv/git/app.git", "../app", "https://", "https://[half/app"]
)
def test_an_address_that_names_no_host_names_no_project(address: str) -> None:
    assert normalise_address(address) is None


def made(folder: Path, *remotes: tuple[str, str]) -> Path:
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    for name, address in remotes:
        subprocess.run(["git", "-C", str(folder), "remote", "add", name, address], check=True)
    return folder


def test_a_folder_below_and_another_clone_are_the_same_project(tmp_path: Path) -> None:
    one = made(tmp_path / "one", ("origin", "git@example.org:team/app.git"))
    two = made(
        tmp_path / "two",
        ("backup", "https://elsewhere.example/x"),
        ("origin", "https://example.org/team/app"),
    )
    (one / "src" / "deep").mkdir(parents=True)
    expected = Repository("git:example.org/team/app", "app")
    assert find_repository(str(one / "src" / "deep")) == find_repository(str(two)) == expected


def test_without_an_origin_the_first_remote_by_name_counts(tmp_path: Path) -> None:
    folder = made(tmp_path / "one", ("z", "https://z.example/app"), ("b", "https://b.example/app"))
    assert find_repository(str(folder)) == Repository("git:b.example/app", "app")


def test_a_work_tree_belongs_to_its_repository(tmp_path: Path) -> None:
    folder = made(tmp_path / "one", ("origin", "https://example.org/team/app"))
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(
        ["git", "-C", str(folder), *who, "commit", "-q", "--allow-empty", "-m", "first"], check=True
    )
    subprocess.run(
        ["git", "-C", str(folder), "worktree", "add", "-q", str(tmp_path / "tree")], check=True
    )
    assert find_repository(str(tmp_path / "tree")) == find_repository(str(folder))


def test_without_a_remote_the_top_folder_is_the_project_and_without_git_the_folder(
    tmp_path: Path,
) -> None:
    folder = made(tmp_path / "one")
    (folder / "src").mkdir()
    (tmp_path / "plain").mkdir()
    assert find_repository(str(folder / "src")) == Repository(f"folder:{folder}", "one")
    assert find_repository(str(tmp_path / "plain")) == Repository(
        f"folder:{tmp_path / 'plain'}", "plain"
    )
    assert find_repository("") is None


def test_a_configuration_that_is_not_understood_names_the_folder(tmp_path: Path) -> None:
    folder = made(tmp_path / "one", ("origin", "https://example.org/team/app"))
    (folder / ".git" / "config").write_bytes(b"\xff[[[\nurl")
    assert find_repository(str(folder)) == Repository(f"folder:{folder}", "one")
