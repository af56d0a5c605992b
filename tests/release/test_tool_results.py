"""What becomes of a row with results of tools that may not be used: the cases of decision record
28, built and read.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from licet.policy.file import Policy, ToolResultsTerm
from licet.policy.period import instant
from licet.policy.state import TurnRole
from licet.release import catalog
from licet.service import policy_changes
from licet.store.connect import Pool
from licet.train.conversations import RESULT_LEFT_OUT, conversation
from licet.train.exports import Format, shape_row
from licet.vault.content import Content, ToolCall
from licet.vault.installation import load_policies

from ..installed import House
from ..terms import preset
from .test_build import build

RECORD = (
    Path(__file__).parents[2] / "docs" / "adr" / "0028-results-that-may-not-be-used-are-masked.md"
)
SECRET = "what the tool answered"
CASES = [
    tuple(cell.strip() for cell in line.strip("| \n").split("|"))[1:]
    for line in RECORD.read_text("utf-8").splitlines()
    if line.startswith("| ") and line[2].isdigit()
]


def policy_of(terms: str) -> list[Policy]:
    """The versions that the first cell of a case describes."""
    first = preset("article-2025")
    if terms == "masked, tools among the origins":
        return [msgspec.structs.replace(first, origins=first.origins | {"tool"})]
    return [
        msgspec.structs.replace(
            first,
            version=str(number),
            tool_results=ToolResultsTerm(term),
            effective=instant("2025-08-28") if number == 0 else instant("2025-10-01"),
        )
        for number, term in enumerate(terms.split(", then "))
    ]


def call(number: int, arguments: str = "{}") -> ToolCall:
    return ToolCall(id=f"call-{number}", name="look", arguments=arguments)


def tell_turns(house: House, chat: str, turns: str) -> None:
    made = 0
    pending: list[ToolCall] = []
    for turn in turns.split():
        kind, count = turn[0], int(turn[1:] or 0)
        calls = tuple(call(made + n, "{" if kind == "j" else "{}") for n in range(count))
        made += count
        pending += calls
        if kind == "t":
            answered = pending.pop(0).id if pending else "unasked"
            said = Content(text=SECRET, tool_call_id=answered, tool_name="look")
            house.say("ana", chat, said, TurnRole.tool)
        else:
            text = "" if kind in "cj" else f"words of {kind} in {chat}"
            said = Content(text=text, tool_calls=calls, thread="agent" if kind == "x" else "")
            house.say("ana", chat, said, TurnRole.user if kind == "u" else TurnRole.assistant)


def described(messages: list[dict[str, object]]) -> str:
    words = []
    for message in messages:
        calls = len(message.get("tool_calls", ()))
        if message["role"] == "tool":
            assert "agent" not in str(message["content"])
            words.append("m" if message["content"] == RESULT_LEFT_OUT else "r")
        elif calls:
            words.append(f"{'w' if message['content'] else 'c'}{calls}")
        else:
            words.append("u" if message["role"] == "user" else "a")
    return " ".join(words) or "-"


def test_there_are_five_and_twenty_cases_and_more() -> None:
    assert len(CASES) >= 25
    assert {terms for terms, _, _ in CASES} > {str(term) for term in ToolResultsTerm}


@pytest.mark.parametrize("terms", sorted({terms for terms, _, _ in CASES}))
def test_a_row_with_results_that_may_not_be_used_is_as_the_decision_record_says(
    pool: Pool, tmp_path: Path, terms: str
) -> None:
    mine = {f"chat{n}": case for n, case in enumerate(CASES) if case[0] == terms}
    # without a result of a tool nothing is left out, whatever the term
    mine["chat"] = (terms, "u a", "u a")
    first, *later = policy_of(terms)
    house = House(pool, tmp_path / "data", first)
    house.open("ana", allow=True)
    for chat, (_, turns, _) in mine.items():
        tell_turns(house, chat, turns)
    house.open("bob", allow=True)
    house.talk("bob", "other")
    for version in later:
        policy_changes.apply_policy(house.installation, version, actor="test")
        house.passes(40)
        assert load_policies(house.installation).in_force(house.now).version == version.version
        house.choose("ana", True)
    build(house)
    rows = {}
    for row in catalog.open_release(house.installation, "r"):
        texts = [message["content"] for message in row["messages"]]
        chats = {text.rpartition(" in ")[2] for text in texts if " in chat" in text}
        if chats and "words of x" not in texts[0]:
            rows[chats.pop()] = row
    for chat, (_, turns, expected) in mine.items():
        found = "no row"
        if chat in rows:
            row = rows[chat]
            assert set(row.get("results_left_out", ())) <= set(row.get("gaps", ()))
            found = described(list(conversation(row).messages))
        assert found == expected, turns
    if "tools" not in terms:
        assert SECRET not in str(list(rows.values()))


def test_a_marker_is_a_tools_message_with_the_id_and_name_of_its_call_and_is_in_no_completion() -> (
    None
):
    row = {
        "messages": [
            {"role": "user", "content": "q"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "1",
                        "type": "function",
                        "function": {"name": "look", "arguments": '{"a": 1}'},
                    }
                ],
            },
            {"role": "assistant", "content": "so"},
        ],
        "gaps": [2],
        "results_left_out": [2],
        "row_id": "",
        "ordinal": 0,
    }
    marker = {"role": "tool", "content": RESULT_LEFT_OUT, "tool_call_id": "1", "name": "look"}
    assert conversation(row).messages[2] == marker
    made = shape_row(row, {2: True}, Format.trl).lines
    assert made["sft"][0]["messages"][2] == marker
    assert (made["kto"][0]["prompt"][2], made["kto"][0]["completion"][0]["content"]) == (
        marker,
        "so",
    )
    for to in (Format.unsloth, Format.llama_factory, Format.torchtune, Format.verl):
        assert shape_row(row, {}, to).lines["sft"] == [], (
            "it would count the marker, or has no place for it"
        )
