"""What newcomers do wrong, as a table: each answer names the place, the value and the mend.

`mistakes.yaml` says what each row has. All rows share one installation, which no row may change.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from licet.store import embedded

from ..forking import FORKED, STARTED

TABLE: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("mistakes.yaml").read_text("utf-8")
)
STRICT = (files("licet.policy") / "presets" / "strict.yaml").read_text("utf-8")
SECONDS_MAX = 60
RESPONSIBLE = [
    *("--controller-name", "Example Ltd", "--controller-address", "1 Example Street"),
    *("--controller-contact", "privacy@example.org"),
    *("--controller-jurisdiction", "IE", "--controller-storage", "IE"),
]
# A root that may read what it has no permission for would see no such mistake.
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installation whose database runs, with a backup beside it."""
    data = tmp_path_factory.mktemp("mistakes") / "data"
    for words in (
        ["init", "--preset", "strict", "--effective", "2026-01-12", *RESPONSIBLE],
        ["ledger", "append"],
        ["db", "start"],
        ["backup", "make", str(data.parent / "backups")],
    ):
        done = run(words, data.parent, {"LICET_DATA": str(data)})
        assert done.returncode == 0, done.stderr
    yield data
    embedded.stop(data / "postgres")


def run(
    words: list[str], folder: Path, settings: dict[str, str], *, privileged: bool = True
) -> subprocess.CompletedProcess[str]:
    """A command of `licet` with no setting but ``settings``."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("LICET_")}
    program: list[Any] = [FORKED] if privileged or os.geteuid() else [*UNPRIVILEGED, *STARTED]
    return subprocess.run(
        [*program, *words],
        cwd=folder,
        env=clean | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
        stdin=subprocess.DEVNULL,
    )


def backup(folder: Path, data: Path) -> Path:
    """A copy of the installation's backup."""
    (made,) = (data.parent / "backups").glob("*/manifest.json")
    shutil.copytree(made.parent, folder / "backup")
    return folder / "backup"


def truncated_backup(folder: Path, data: Path) -> None:
    os.truncate(backup(folder, data) / "database.dump", 1_000)


def longer_manifest(folder: Path, data: Path) -> None:
    with (backup(folder, data) / "manifest.json").open("ab") as file:
        file.write(b"x")


def binary(folder: Path, _data: Path) -> None:
    (folder / "chats.jsonl").write_bytes(bytes(range(256)))


def unreadable(folder: Path, _data: Path) -> None:
    file = folder / "chats.jsonl"
    file.write_text('{"conversation_id": "a", "messages": []}')
    file.chmod(0)


def other_keys(folder: Path, data: Path) -> None:
    """A copy of the installation with the keys of nobody."""
    done = run(["db", "stop"], folder, {"LICET_DATA": str(data)})
    assert done.returncode == 0, done.stderr
    shutil.copytree(data, folder / "data", symlinks=True)
    for key in (folder / "data" / "keys").iterdir():
        if key.is_file():
            key.write_bytes(os.urandom(len(key.read_bytes())))


@contextmanager
def used_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        yield int(listener.getsockname()[1])


PREPARATIONS = {
    each.__name__: each
    for each in (backup, truncated_backup, longer_manifest, binary, unreadable, other_keys)
}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row["mistake"]).replace(" ", "-"))
def test_the_answer_to_a_mistake_names_place_value_and_mend(
    row: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    with used_port() as port:
        for name, text in row.get("files", {}).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        if "change" in row:
            before, after = row["change"]
            assert before in STRICT
            (tmp_path / "policy.yaml").write_text(STRICT.replace(before, after, 1), "utf-8")
        preparation = row.get("prepare", "")
        if preparation in PREPARATIONS:
            PREPARATIONS[preparation](tmp_path, data)
        known = {"folder": str(tmp_path), "data": str(data), "port": str(port)}
        settings = {name: text.format(**known) for name, text in row.get("set", {}).items()}
        done = run(
            row["words"].format(**known).split(),
            tmp_path,
            {"LICET_DATA": str(data)} | settings,
            privileged=preparation != "unreadable",
        )
    answer = done.stdout + done.stderr
    assert done.returncode == row["exit"], answer
    assert "Traceback" not in answer
    for part in row["says"]:
        assert part.format(**known) in answer, (part, answer)
    if "error: " in answer:
        assert "hint: " in answer, answer


def test_the_table_has_eighty_mistakes_and_each_says_three_things() -> None:
    assert len(TABLE) >= 80
    assert len({row["mistake"] for row in TABLE}) == len(TABLE)
    for row in TABLE:
        assert len(row["says"]) == 3 and all(row["says"]), row["mistake"]
