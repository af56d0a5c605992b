"""No word is lost in silence: of a file with broken, missing and unknown parts every word of a
message is handed on, or something at its place, or at the place of what it stands in, is reported.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from licet.errors import InputError
from licet.intake import formats
from licet.intake.read_turn import Read, ReadTurn

from ..reads import documents

FIXTURES = Path(__file__).parent / "fixtures"
SAID = frozenset(
    {"text", "content", "thinking", "arguments", "extracted_content", "output", "result", "parts", "args", "input", "refusal"}
)  # fmt: skip
CALLED = frozenset({"arguments", "args", "input"})
PLANTED = "quokka"
BARE: list[Any] = [None, 7, True, "", [], {}]
ODD: list[Any] = [
    *BARE,
    PLANTED,
    [PLANTED],
    {"text": PLANTED},
    {"type": "novelty", "text": PLANTED},
    [{"type": "novelty", "text": PLANTED}],
    [{"type": "text", "text": PLANTED}, {"type": "novelty", "content": PLANTED}, 7],
]
_TAG = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[^\W\d_]{3,}")
_PLACE = re.compile(r"(?::|#\[|#history\[|#loglines\[)(\d+)(?!\d)\]?(.*)")


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value of a document."""
    if at:
        yield at
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(one, (*at, key))


def spoilt(data: st.DataObject, value: Any) -> Any:
    """``value`` with up to three of its parts replaced, removed, or given a neighbour of no known
    kind.
    """
    value = deepcopy(value)
    for _ in range(data.draw(st.integers(0, 3))):
        way = data.draw(st.sampled_from(list(places(value)) or [()]))
        if not way:
            break
        holder = value
        for key in way[:-1]:
            holder = holder[key]
        said = next((key for key in reversed(way) if isinstance(key, str)), "") in SAID
        odd = deepcopy(data.draw(st.sampled_from(ODD if said else BARE)))
        match data.draw(st.sampled_from(["replace", "remove", "beside"])):
            case "replace":
                holder[way[-1]] = odd
            case "remove":
                del holder[way[-1]]
            case "beside" if isinstance(holder, list):
                holder.insert(way[-1], odd)
            case _:
                holder["of_later"] = data.draw(st.sampled_from(BARE))
    return value


def messages_of(record: Any) -> dict[str, Any]:
    """Each message of a record by the end of its place; the record itself where it is one."""
    if not isinstance(record, dict):
        return {}
    for key in ("chat_messages", "messages"):
        if isinstance(record.get(key), list):
            found = list(nested(record[key]))
            answers = (
                (record.get("response") or {}).get("choices")
                if isinstance(record.get("response"), dict)
                else None
            )
            named = {f".{key}[{n}]": one for n, one in enumerate(found)}
            if isinstance(answers, list) and answers:
                named[".response.choices[0]"] = answers[0]
            return named
    if isinstance(record.get("mapping"), dict):
        nodes = enumerate(record["mapping"].values())
        return {
            f".mapping[{n}]": node.get("message") for n, node in nodes if isinstance(node, dict)
        }
    tree = record.get("chat") if isinstance(record.get("chat"), dict) else {}
    held = tree.get("history") if isinstance(tree.get("history"), dict) else {}
    if isinstance(held.get("messages"), dict):
        return {f".messages[{n}]": one for n, one in enumerate(held["messages"].values())}
    return {"": record}


def nested(messages: list[Any]) -> Iterator[Any]:
    """Messages and those that lie in them, in the order of the document."""
    for one in messages:
        yield (
            {key: value for key, value in one.items() if key != "children"}
            if isinstance(one, dict)
            else one
        )
        if isinstance(one, dict) and isinstance(one.get("children"), list):
            yield from nested(one["children"])


def words_said(value: Any, key: str = "") -> set[str]:
    """The words that stand in a message where words are said: under such a key, and anywhere in a
    call's arguments.
    """
    if isinstance(value, str):
        return words_of(value) if key in SAID and not value.startswith("data:") else set()
    if isinstance(value, list):
        return {word for one in value for word in words_said(one, key)}
    pairs = value.items() if isinstance(value, dict) else ()
    return {word for name, one in pairs for word in words_said(one, key if key in CALLED else name)}


def words_of(text: str) -> set[str]:
    return set(_WORD.findall(html.unescape(_TAG.sub(" ", html.unescape(text)))))


def words_given(item: ReadTurn) -> set[str]:
    said = item.content
    given = (
        said.text,
        said.tool_name,
        *said.attachments,
        *(f"{call.name} {call.arguments}" for call in said.tool_calls),
    )
    text = " ".join(given)
    return (
        set(_WORD.findall(html.unescape(text)))
        | words_of(text)
        | words_of(text.replace("\\n", " "))
    )


def numbered(file: Path) -> Iterator[tuple[str, Any]]:
    """The records of a file with their numbers; those of JSON lines count from 1, of a single one
    too.
    """
    for number, record in documents(file):
        yield "1" if file.suffix == ".jsonl" and number == "0" else number, record


def lost(items: list[Read], file: Path) -> list[tuple[str, set[str]]]:
    """The words of each message that no turn of its place has, where nothing at that place is
    reported.
    """
    given, reported = dict[tuple[str, str], set[str]](), set[tuple[str, str]]()
    for item in items:
        found = _PLACE.fullmatch(item.place.removeprefix(str(file)))
        if found is None:
            return []  # the whole file is reported
        place = (found[1], found[2].replace("#", "."))
        if isinstance(item, ReadTurn):
            given.setdefault(place, set()).update(words_given(item))
        else:
            reported.add(place)
    told = [
        (f"{number}{rest}", words_said(message) - given.get((number, rest), set()))
        for number, record in numbered(file)
        for rest, message in messages_of(record).items()
        if not any(at == number and rest.startswith(above) for at, above in reported)
    ]
    return [(place, missing) for place, missing in told if missing]


@pytest.mark.parametrize("name", formats.names())
def test_every_word_of_the_fixtures_is_handed_on_or_reported(name: str) -> None:
    for file in sorted(path for path in (FIXTURES / name).rglob("*.json*")):
        assert lost(list(formats.read(file)), file) == []


@pytest.mark.parametrize("name", formats.names())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_of_a_file_with_broken_missing_and_unknown_parts_every_word_is_handed_on_or_reported(
    name: str, tmp_path: Path, data: st.DataObject
) -> None:
    chosen = data.draw(st.sampled_from(sorted(path for path in (FIXTURES / name).rglob("*.json*"))))
    file = tmp_path / chosen.name
    lines = chosen.suffix == ".jsonl"
    text = chosen.read_text("utf-8", "replace")
    parsed = (
        [json.loads(line) for line in text.splitlines() if is_json(line)]
        if lines
        else json.loads(text)
    )
    written = spoilt(data, parsed)
    file.write_text("\n".join(map(json.dumps, written)) if lines else json.dumps(written, indent=1))
    try:
        items = list(formats.read(file))
    except InputError:  # of no known format any more, which is said of the whole file
        return
    assert lost(items, file) == [], written


def is_json(line: str) -> bool:
    try:
        return json.loads(line) is not None
    except ValueError:
        return False
