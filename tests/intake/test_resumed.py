"""A resumed Claude Code session that copies earlier records into a file of its own: what was said
once is there once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from licet.intake import imports
from licet.intake.import_records import Imported, RecordedAccount
from licet.policy.period import instant

from ..installed import House

FIRST, COPY = "5b1f0c52-first", "0a3c9d11-copy"  # by name, the copy comes first


def record(
    session: str, number: int, content: Any = "rename the parser", kind: str = "user"
) -> str:
    message = {"role": kind, "content": content}
    at = f"2025-09-10T10:{number:02}:00Z"
    return json.dumps(
        {
            "type": kind,
            "uuid": f"u-{number}",
            "sessionId": session,
            "timestamp": at,
            "message": message,
        }
    )


def lines(session: str, count: int) -> list[str]:
    results = [
        {"type": "tool_result", "tool_use_id": f"t{n}", "content": "found"} for n in range(2)
    ]
    said = [("what next?", "user"), ("this", "assistant"), (results, "user")]
    return [record(session, n, *said[n % 3]) for n in range(count)]


@pytest.fixture
def house(house: House) -> House:
    house.now = instant("2025-09-20")
    return house


def bring(house: House, folder: Path) -> Imported:
    default = RecordedAccount(host="ana", plan="pro", age=30)
    return imports.import_files(house.installation, [folder], default=default, host="ana")


def test_a_copy_that_comes_in_with_a_later_import_adds_only_what_is_new(
    house: House, tmp_path: Path
) -> None:
    folder = tmp_path / "projects"
    folder.mkdir()
    (folder / f"{FIRST}.jsonl").write_text("\n".join(lines(FIRST, 6)))
    assert bring(house, folder).stored == 8  # two of the six records hold two results each
    (folder / f"{COPY}.jsonl").write_text("\n".join([*lines(COPY, 6), record(COPY, 30)]))
    done = bring(house, folder)
    assert (done.stored, done.known) == (1, 8)
    assert house.query("SELECT count(*) FROM turns") == [(9,)]
    assert bring(house, folder).stored == 0


def test_copies_in_one_import_are_kept_once_and_the_sessions_may_go_on(
    house: House, tmp_path: Path
) -> None:
    folder = tmp_path / "projects"
    folder.mkdir()
    (folder / f"{FIRST}.jsonl").write_text("\n".join(lines(FIRST, 3)))
    (folder / f"{COPY}.jsonl").write_text("\n".join([*lines(COPY, 3), record(COPY, 30)]))
    assert bring(house, folder).stored == 5
    with (folder / f"{FIRST}.jsonl").open("a") as file:
        file.write("\n" + record(FIRST, 40))
    assert bring(house, folder).stored == 1
    assert house.query("SELECT count(*) FROM turns") == [(6,)]
