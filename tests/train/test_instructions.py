"""What a host instructs its model with: in a row where the policy lists its origin, cleaned as text
is, and in each export.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from licet.policy.file import Policy
from licet.policy.state import TurnRole
from licet.release import catalog
from licet.store.connect import Pool
from licet.train.conversations import RESULT_LEFT_OUT, ConversationCut, conversation
from licet.train.exports import UNLIKE, WITHOUT_TOOLS, Format, shape_row
from licet.vault.content import Content, ToolCall

from ..installed import House
from ..release.test_build import build
from ..terms import preset
from .extras import require
from .test_conversations import rendered
from .test_plain_exports import answer, lines, row, user

ADDRESS = "ops@acme-hosting.net"
TOOL = {
    "type": "function",
    "function": {
        "name": "lookUp_v2",
        "description": f"Finds an order. Ask {ADDRESS} if it fails.",
        "parameters": {
            "type": "object",
            "properties": {"order": {"type": "string"}},
            "required": ["order"],
        },
    },
}
INSTRUCTIONS = Content(text=f"You are a clerk. Never write to {ADDRESS}.", tools=json.dumps([TOOL]))
EXCHANGE = [
    (TurnRole.user, Content(text="where is my order")),
    (TurnRole.system, INSTRUCTIONS),
    (
        TurnRole.assistant,
        Content(tool_calls=(ToolCall(id="1", name="lookUp_v2", arguments='{"order": "7"}'),)),
    ),
    (TurnRole.tool, Content(text="in the post", tool_call_id="1", tool_name="lookUp_v2")),
    (TurnRole.assistant, Content(text="It is in the post.")),
]
# Public chat templates, as TRL ships them: of Qwen2.5 (the format of Hermes), Qwen3, GLM-4 and
# Llama 3.1.
TEMPLATES = ("qwen2_5", "qwen3", "glm4moe", "llama3_1")


def allowing(*origins: str) -> Policy:
    policy = preset("article-2025")
    return msgspec.structs.replace(policy, origins=policy.origins | set(origins))


def told(pool: Pool, folder: Path, policy: Policy, *more: tuple[TurnRole, Content]) -> Any:
    """The one row of a release of the exchange and what follows it."""
    house = House(pool, folder / "data", policy)
    house.open("ana", allow=True)
    house.tell(*(house.saying("ana", "c", content, role) for role, content in (*EXCHANGE, *more)))
    build(house)
    (found,) = catalog.open_release(house.installation, "r")
    return found


def test_instructions_travel_as_they_were_sent_where_their_origin_is_allowed_and_are_cleaned(
    pool: Pool, tmp_path: Path
) -> None:
    found = told(pool, tmp_path, allowing("system"))
    system = found["messages"][1]
    assert system["role"] == "system" and "You are a clerk. Never write to" in system["content"]
    assert ADDRESS not in json.dumps(found), (
        "an address in instructions and in a schema is replaced as in any text"
    )
    made = conversation(found)
    assert [message["role"] for message in made.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    (tool,) = made.tools
    assert tool["function"]["parameters"] == TOOL["function"]["parameters"]
    assert (
        tool["function"]["name"]
        == made.messages[2]["tool_calls"][0]["function"]["name"]
        == "lookUp_v2"
    )
    assert made.messages[3]["content"] == RESULT_LEFT_OUT
    for to in Format:
        line = lines(shape_row(found, {4: True}, to), "sft")
        if to in WITHOUT_TOOLS or to is Format.unsloth:
            assert line == [], "such a row ends before its first call"
            continue
        assert line[0]["messages"][0] == {"role": "system", "content": system["content"]}
        assert line[0]["tools"] == [tool]


def test_instructions_that_are_not_allowed_leave_the_conversation_whole_and_no_word_of_them(
    pool: Pool, tmp_path: Path
) -> None:
    found = told(pool, tmp_path, allowing())
    assert "clerk" not in json.dumps(found) and "lookUp_v2" in json.dumps(found)
    assert found["gaps"] == found["results_left_out"] == [2], "what is missing is the result alone"
    made = conversation(found)
    assert [message["role"] for message in made.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert (made.tools, made.cut) == ((), None)


def test_a_row_ends_before_an_answer_under_other_instructions(pool: Pool, tmp_path: Path) -> None:
    again = [
        (TurnRole.user, Content(text="thanks")),
        (TurnRole.system, INSTRUCTIONS),
        (TurnRole.assistant, Content(text="sure")),
    ]
    other = [
        (TurnRole.user, Content(text="and now")),
        (TurnRole.system, Content(text="Be rude.")),
        (TurnRole.assistant, Content(text="no")),
    ]
    made = conversation(told(pool, tmp_path, allowing("system"), *again, *other))
    assert [message["content"] for message in made.messages if message["role"] == "assistant"][
        -1
    ] == "sure"
    assert made.cut is ConversationCut.instructions
    assert "rude" not in str(made.messages)


def system(text: str, *tools: Any) -> dict[str, Any]:
    return {"role": "system", "content": text, **({"tools": json.dumps(tools)} if tools else {})}


def test_each_kind_of_line_of_each_format_has_the_instructions_in_front() -> None:
    """Pairs and thumbs keep their places, though a message stands before them."""
    found = row(
        user("q"),
        system("Be brief.", TOOL),
        answer("first"),
        answer("second"),
        user("more"),
        answer("end"),
    )
    first = {"role": "system", "content": "Be brief."}
    made = shape_row(found, {2: False, 5: True}, Format.trl)
    (pair,) = lines(made, "dpo")
    assert (pair["prompt"], pair["chosen"], pair["rejected"]) == (
        [first, user("q")],
        [answer("second")],
        [answer("first")],
    )
    assert [(line["prompt"][0], line["label"]) for line in lines(made, "kto")] == [
        (first, False),
        (first, True),
    ]
    assert all(
        line["tools"] == [TOOL] for kind in ("sft", "dpo", "kto") for line in lines(made, kind)
    )
    (given,) = lines(shape_row(found, {}, Format.openai), "dpo")
    assert (given["input"]["messages"][0], given["input"]["tools"]) == (first, [TOOL])
    kto = lines(shape_row(found, {5: True}, Format.axolotl), "kto")
    assert (kto[0]["system"], kto[0]["completion"]) == ("Be brief.", "end")
    for to in WITHOUT_TOOLS:
        (line,) = lines(shape_row(found, {}, to), "sft")
        assert line["messages"][0] == first and "tools" not in line
    broken = row(user("q"), answer("a"), user("r"), {**system("x"), "tools": "[{"}, answer("b"))
    assert [one["content"] for one in conversation(broken).messages] == ["q", "a"]


def test_gaps_are_moved_to_the_message_behind_the_instructions() -> None:
    call = answer("", "1")
    filled = {
        **row(user("q"), call, system("s"), answer("end")),
        "gaps": [2],
        "results_left_out": [2],
    }
    assert [
        one["role"]
        for one in conversation({**filled, "messages": [user("q"), call, answer("end")]}).messages
    ][2] == "tool"
    other = {**row(user("q"), system("s"), answer("a")), "gaps": [1]}
    assert conversation(other).cut is ConversationCut.gap


def test_a_pair_in_which_a_name_was_replaced_in_one_answer_alone_is_left_out_and_counted() -> None:
    plain, named, other = "It is ready.", "It is ready, Avelka.", "It is ready, Brinneth."
    for first, second, stays in (
        (plain, "It is done.", True),
        (named, "Done, Avelka Kestrelby.", False),
        (named, "Done, AVELKA.", True),
        (named, plain, False),
        (plain, named, False),
        (named, other, False),
        ("12 Kestrelby Lane", plain, False),
        ("我叫Avelka。", "Avelka 你好", True),
    ):
        made = shape_row(row(user("q Avelka"), answer(first), answer(second)), {}, Format.trl)
        assert len(lines(made, "dpo")) == stays, (first, second)
        assert (UNLIKE in made.left_out) is not stays
        assert len(lines(made, "sft")) == 1, "the conversation itself stays"


@pytest.fixture(scope="module")
def templates() -> dict[str, str]:
    trl = require("trl")
    folder = Path(trl.__file__).parent / "chat_templates"
    return {name: (folder / f"{name}.jinja").read_text("utf-8") for name in TEMPLATES}


def assert_rendered(templates: dict[str, str], line: dict[str, Any]) -> int:
    """How many of the templates took a line; Llama 3.1's takes one call at a time, by its own
    words, and the others any.
    """
    parallel = any(len(message.get("tool_calls", ())) > 1 for message in line["messages"])
    taken = 0
    for name, template in templates.items():
        if parallel and name == "llama3_1":
            continue
        text = rendered(template, line["messages"], tools=line.get("tools"))
        assert all(tool["function"]["name"] in text for tool in line.get("tools", ())), name
        last = line["messages"][-1]
        calls = last.get("tool_calls", ())  # beside which Llama 3.1's writes no words
        assert all(call["function"]["name"] in text for call in calls), name
        assert calls or last["content"].strip() in text, name
        taken += 1
    return taken


def test_three_public_templates_render_a_row_with_instructions_tools_and_masked_results(
    pool: Pool, tmp_path: Path, templates: dict[str, str]
) -> None:
    parallel = tuple(ToolCall(id=n, name="lookUp_v2", arguments="{}") for n in ("2", "3"))
    more = [
        (TurnRole.user, Content(text="and the others")),
        (TurnRole.assistant, Content(text="wait", tool_calls=parallel)),
        *((TurnRole.tool, Content(text="lost", tool_call_id=n)) for n in ("2", "3")),
        (TurnRole.assistant, Content(text="Lost.")),
    ]
    found = told(pool, tmp_path, allowing("system"), *more)
    (line,) = lines(shape_row(found, {}, Format.trl), "sft")
    assert assert_rendered(templates, line) == 3 and line["messages"][-1]["content"] == "Lost."
