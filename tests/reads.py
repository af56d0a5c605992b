"""What every reader of conversations must do, for tests of several folders: golden lines, every
message accounted for, damaged files, and counts of real samples.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from licet.intake.read_turn import BrokenRecord, Read, ReadTurn, SkippedRecord
from licet.vault.content import decode, encode

DATA = Path(os.environ.get("TESTS_DATA") or Path(__file__).parents[2] / "shared" / "data")
LISTS = ("chat_messages", "messages", "traj", "children")


def told(item: Read, fixtures: Path) -> str:
    """One line of a golden file: everything that a reader said of an item."""
    place = item.place.replace(f"{fixtures}/", "")
    match item:
        case BrokenRecord():
            return f"{place}\n    broken: {item.message}"
        case SkippedRecord():
            return f"{place}\n    skipped: {item.reason}"
    said = item.content
    rest = {
        "text": said.text,
        "calls": [(call.id, call.name, call.arguments) for call in said.tool_calls],
        "answers": (said.tool_call_id, said.tool_name),
        "thread": said.thread,
        "attachments": said.attachments,
        "context": (said.model, said.folder, said.branch),
    }
    when = item.at.isoformat() if item.at else "no time"
    lines = [
        f"{key}: {value!r}"
        for key, value in rest.items()
        if value and value != ("", "") and value != ("", "", "")
    ]
    return "\n    ".join(
        [
            place,
            f"{item.role} {item.origin} {item.kind} {item.surface} {when}",
            f"{item.host_conversation} {item.host_turn} {item.title!r}"
            + (f" of {item.host_account}" if item.host_account else ""),
            *lines,
        ]
    )


def documents(file: Path) -> Iterator[tuple[str, Any]]:
    """Each record of a file, with the beginning of its place: a line, or an element of an array."""
    text = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        whole = json.loads(text)
    except ValueError:
        first = 0 if b'"messages_display"' in text else 1  # tau-bench counts as in an array
        for number, line in enumerate(text.split(b"\n"), first):
            if line.strip():
                yield f"{number}", _parsed(line)
        return
    # Chatbot UI
    if isinstance(whole, dict) and "version" in whole and isinstance(whole.get("history"), list):
        whole = whole["history"]
    if isinstance(whole, dict) and isinstance(whole.get("loglines"), list):
        whole = whole["loglines"]
    for number, one in enumerate(whole if isinstance(whole, list) else [whole]):
        yield f"{number}", one


def _parsed(line: bytes) -> Any:
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
        held = [
            n
            for n in record["mapping"].values()
            if isinstance(n, dict) and n.get("message") is not None
        ]
    if isinstance(record.get("messages_display"), str):  # tau-bench
        held = re.findall(r"(?m)^(?:user|assistant|tool): ", record["messages_display"])
    answers = (
        record.get("response", {}).get("choices", [])[:1]
        if isinstance(record.get("response"), dict)
        else []
    )
    return (
        len(held)
        + len(answers)
        + sum(messages({"children": one.get("children")}) for one in held if isinstance(one, dict))
    )


def accounted(items: Sequence[Read], folder: Path) -> int:
    """How many places of ``folder`` are handed on or reported: every record of every file, in
    numbers, or it fails.
    """
    checked = 0
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        said = [
            item.place.removeprefix(str(file)) for item in items if item.place.startswith(str(file))
        ]
        if said == [""]:  # a file of no known format, which is reported whole
            continue
        for number, record in documents(file):
            own = re.compile(rf"(?::|#\[|#history\[|#loglines\[){number}(?!\d)\]?(.*)")
            places = {match[1] for place in said if (match := own.fullmatch(place))}
            assert places, (file, number)
            checked += len(places)
            if "" not in places:  # else it is one message, or is reported whole
                assert len(places) == messages(record), (file, number, sorted(places))
    return checked


def places_of(items: Sequence[Read], folder: Path) -> int:
    """How many places ``items`` have below the files of ``folder``."""
    return len({item.place for item in items if item.place not in map(str, folder.rglob("*"))})


def damaged(data: st.DataObject, files: Sequence[Path]) -> bytes:
    """Up to three of ``files`` joined, with some bytes changed, cut anywhere."""
    pieces = [
        file.read_bytes()
        for file in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=3))
    ]
    raw = bytearray(b"".join(pieces))
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=4)):
        raw[at] = data.draw(st.integers(0, 255))
    return bytes(raw[: data.draw(st.integers(0, len(raw)))])


def storable(item: Any) -> bool:
    """Whether an item is what a reader may yield: a turn, which comes back from its envelope as it
    was, or a report.
    """
    if isinstance(item, ReadTurn):
        return decode(encode(item.content)) == item.content
    return isinstance(item, SkippedRecord | BrokenRecord)


def sample(name: str) -> Path:
    """A real sample. They are not part of the repository: they are looked for in TESTS_DATA, else
    beside the repository.
    """
    path = DATA / name
    if not path.exists():
        pytest.skip(
            f"the real sample `{name}` is not here; set TESTS_DATA to the folder that holds it"
        )
    return path


def counts(items: Iterable[Read]) -> Counter[str]:
    """Turns by origin, and the other items as `broken` or `skipped`: what belongs to whom."""
    return Counter(
        str(item.origin)
        if isinstance(item, ReadTurn)
        else "broken"
        if isinstance(item, BrokenRecord)
        else "skipped"
        for item in items
    )
