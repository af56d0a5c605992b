"""Nothing is lost in silence: what a reader reads is what it hands on and what it reports, each with its place, in numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from licet.intake import formats, imports
from licet.intake.read_turn import BrokenRecord, ReadTurn, SkippedRecord
from licet.intake.replay import RecordedAccount
from licet.policy.period import instant
from licet.store.connect import Pool

from ..installed import House

FIXTURES = Path(__file__).parent / "fixtures"
LISTS = ("chat_messages", "messages", "traj", "children")


def documents(file: Path) -> Iterator[tuple[str, Any]]:
    """Each record of a file, with the beginning of its place: a line, or an element of an array."""
    text = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        whole = json.loads(text)
    except ValueError:
        first = 0 if b'"messages_display"' in text else 1  # tau-bench counts as in an array
        for number, line in enumerate(text.split(b"\n"), first):
            if line.strip():
                yield f"{number}", parsed(line)
        return
    if isinstance(whole, dict) and "version" in whole and isinstance(whole.get("history"), list):  # Chatbot UI
        whole = whole["history"]
    if isinstance(whole, dict) and isinstance(whole.get("loglines"), list):
        whole = whole["loglines"]
    for number, one in enumerate(whole if isinstance(whole, list) else [whole]):
        yield f"{number}", one


def parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def messages(record: Any) -> int:
    """How many messages a record holds, by the names that the formats give to where they are."""
    if not isinstance(record, dict):
        return 0
    held = [one for key in LISTS if isinstance(record.get(key), list) for one in record[key]]
    if record.keys() == {"children"}:
        held = [one for one in held if isinstance(one, dict)]  # ChatGPT lists ids there
    if isinstance(record.get("history"), list):  # SWE-agent
        held += record["history"]
    if isinstance(record.get("chat"), dict):  # Open WebUI
        tree = (record["chat"].get("history") or {}).get("messages") or {}
        held = list(tree.values()) if isinstance(tree, dict) else []
    if isinstance(record.get("mapping"), dict):  # ChatGPT
        held = [n for n in record["mapping"].values() if isinstance(n, dict) and n.get("message") is not None]
    if isinstance(record.get("messages_display"), str):  # tau-bench
        held = re.findall(r"(?m)^(?:user|assistant|tool): ", record["messages_display"])
    answers = record.get("response", {}).get("choices", [])[:1] if isinstance(record.get("response"), dict) else []
    return (
        len(held)
        + len(answers)
        + sum(messages({"children": one.get("children")}) for one in held if isinstance(one, dict))
    )


@pytest.mark.parametrize("name", formats.names())
def test_every_message_of_every_format_is_handed_on_or_reported_with_its_place(name: str) -> None:
    items = list(formats.read(FIXTURES / name))
    checked = 0
    for file in sorted(path for path in (FIXTURES / name).rglob("*") if path.is_file()):
        said = [item.place.removeprefix(str(file)) for item in items if item.place.startswith(str(file))]
        if said == [""]:  # a file of no known format, which is reported whole
            continue
        for number, record in documents(file):
            own = re.compile(rf"(?::|#\[|#history\[|#loglines\[){number}(?!\d)\]?(.*)")
            places = {match[1] for place in said if (match := own.fullmatch(place))}
            assert places, (file, number)
            checked += len(places)
            if "" not in places:  # else it is one message, or is reported whole
                assert len(places) == messages(record), (file, number, sorted(places))
    assert checked == len({item.place for item in items if item.place not in map(str, (FIXTURES / name).rglob("*"))})


@pytest.mark.parametrize("name", formats.names())
def test_an_import_of_every_format_stores_what_it_read_and_reports_the_rest(
    name: str, pool: Pool, tmp_path: Path
) -> None:
    """Turns read = stored + known + erased by now + refused + broken, and so are the items of the reader."""
    house = House(pool, tmp_path / "data", at=instant("2024-01-01"))
    house.now = instant("2025-12-31")
    items = list(formats.read(FIXTURES / name))
    imported = imports.import_files(
        house.here,
        [FIXTURES / name],
        default=RecordedAccount(host="ana", plan="pro", age=30),
        assume_at=instant("2025-12-30"),
    )
    turns = sum(isinstance(item, ReadTurn) for item in items)
    broken = sum(isinstance(item, BrokenRecord) for item in items)
    untaken = imported.broken - broken  # turns whose time cannot be
    assert turns - untaken == imported.turns
    erased = sum(imported.would_be_erased.values())
    assert imported.turns == imported.stored + imported.known + erased + sum(imported.refused.values())
    assert imported.skipped >= sum(isinstance(item, SkippedRecord) for item in items)
    assert {item.place for item in items if isinstance(item, BrokenRecord)} <= {
        item.place for item in imported.broken_places
    }
    assert house.query("SELECT count(*) FROM bodies WHERE turn > 0") == [(imported.stored,)]
