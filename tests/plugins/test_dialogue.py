"""What one call of a model adds, which marks keep it out, and how a plugin is set up."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.errors import UsageError
from licet.host import Outage
from licet.intake import litellm as logged
from licet.intake.read_turn import ReadTurn
from licet.plugins.dialogue import FLAGS_DEPTH_MAX, DialoguePlace, is_marked, new_turns
from licet.plugins.settings import PluginSettings, plugin_settings

WHERE = DialoguePlace(account="host:ana", conversation="host:c", surface="app", model="mock")
CALL = {
    "id": "1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Bonn"}'},
}


def user(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}


def bot(text: str) -> dict[str, object]:
    return {"role": "assistant", "content": text}


def said(messages: list[dict[str, object]], answer: object) -> list[tuple[str, str]]:
    turns = new_turns(messages, answer, WHERE)
    assert turns is not None
    return [(turn.role, turn.text) for turn in turns]


def test_a_call_adds_what_came_since_the_last_answer_and_the_answer() -> None:
    assert said([user("a")], bot("b")) == [("user", "a"), ("assistant", "b")]
    assert said([user("a"), bot("b"), user("c")], bot("d")) == [("user", "c"), ("assistant", "d")]
    assert said([{"role": "system", "content": "x"}, user("a"), user("b")], None) == [
        ("user", "a"),
        ("user", "b"),
    ]


def test_the_hosts_instructions_are_a_turn_behind_the_persons_words_where_the_operator_wants_them() -> (
    None
):
    """As they were sent: the tools with their own keys in their own order, of either shape."""
    where = msgspec.structs.replace(WHERE, instructions=True)
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"z": 1, "a": 2}}}]
    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Metric."},
        user("a"),
    ]
    turns = new_turns(asked, bot("b"), where, offered=tools)
    assert turns is not None
    assert [(turn.role, turn.origin, turn.text, turn.tools) for turn in turns] == [
        ("user", "typed", "a", ""),
        (
            "system",
            "system",
            "Be brief.",
            '[{"type":"function","function":{"name":"weather","parameters":{"z":1,"a":2}}}]',
        ),
        ("system", "system", "Metric.", ""),
        ("assistant", "assistant", "b", ""),
    ]
    later = new_turns([*asked, bot("b"), user("c")], bot("d"), where, offered=tools)
    assert later is not None
    assert {turn.id for turn in turns if turn.role == "system"} == {
        turn.id for turn in later if turn.role == "system"
    }
    alone = new_turns([user("a")], bot("b"), where, offered=tools)
    assert alone is not None and [(turn.role, turn.text) for turn in alone] == [
        ("user", "a"),
        ("system", ""),
        ("assistant", "b"),
    ]
    assert new_turns(asked, bot("b"), WHERE, offered=tools) == [
        turn for turn in turns if turn.role != "system"
    ]
    redacted = [{"role": "system", "content": "redacted-by-litellm"}, user("a")]
    assert new_turns(redacted, bot("b"), where) is None


def test_an_import_of_the_log_names_the_instructions_of_a_call_as_the_plugin_does(
    tmp_path: Path,
) -> None:
    where = msgspec.structs.replace(WHERE, instructions=True)
    asked = [{"role": "system", "content": "Be brief."}, user("a")]
    tools = [{"type": "function", "function": {"name": "weather"}}]
    for messages, key in ((asked, "tools"), (asked[1:], "tools"), (asked[1:], "functions")):
        turns = new_turns(messages, bot("b"), where, offered=tools)
        call = {
            "id": "1",
            "call_type": "acompletion",
            "end_user": "ana",
            "messages": messages,
            "model_parameters": {key: tools},
            "response": {"created": 1760000000, "choices": [{"message": bot("b")}]},
        }
        path = tmp_path / f"{len(messages)}-{key}.jsonl"
        path.write_bytes(msgspec.json.encode(call))
        read = [item for item in logged.read(path) if isinstance(item, ReadTurn)]
        assert turns is not None
        assert [(one.host_turn, one.role, one.content.tools) for one in read] == [
            (turn.id, turn.role, turn.tools) for turn in turns
        ]


def test_the_same_words_said_twice_are_two_turns_and_the_same_call_sent_twice_is_one() -> None:
    first, again = (
        new_turns([user("yes")], bot("?"), WHERE),
        new_turns([user("yes")], bot("?"), WHERE),
    )
    later = new_turns([user("yes"), bot("?"), user("yes")], bot("?"), WHERE)
    assert first is not None
    assert again is not None
    assert later is not None
    assert [turn.id for turn in first] == [turn.id for turn in again]
    assert not {turn.id for turn in first} & {turn.id for turn in later}


def test_tools_are_named_by_the_calls_that_they_answer() -> None:
    turns = new_turns(
        [
            user("?"),
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "1", "content": "clear"},
        ],
        bot("Clear."),
        WHERE,
    )
    assert turns is not None
    assert [(turn.role, turn.origin, turn.tool_name) for turn in turns] == [
        ("tool", "tool", "weather"),
        ("assistant", "assistant", ""),
    ]


def test_the_proxys_own_log_imported_later_names_every_turn_the_same(tmp_path) -> None:
    messages = [
        user("a"),
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "1", "content": "clear"},
        user("a"),
    ]
    payload = {
        "id": "1",
        "call_type": "acompletion",
        "trace_id": "c",
        "startTime": 1.0,
        "end_user": "ana",
        "messages": messages,
        "response": {"model": "mock", "choices": [{"message": bot("b")}]},
        "metadata": {},
        "model_parameters": {},
    }
    file = tmp_path / "log.jsonl"
    file.write_bytes(msgspec.json.encode(payload))
    read = {
        turn.host_turn: turn.content.text
        for turn in logged.read(file)
        if isinstance(turn, ReadTurn)
    }
    turns = new_turns(messages, bot("b"), WHERE)
    assert turns is not None
    assert {turn.id: turn.text for turn in turns}.items() <= read.items()


def test_words_that_the_proxy_redacted_are_no_turns() -> None:
    assert new_turns([user("redacted-by-litellm")], bot("b"), WHERE) is None
    assert new_turns([user("a"), bot("b"), user("c")], bot("redacted-by-litellm"), WHERE) is None
    redacted = {"name": "weather", "arguments": "redacted-by-litellm"}
    call = {"role": "assistant", "content": None, "tool_calls": [CALL | {"function": redacted}]}
    assert new_turns([user("a")], call, WHERE) is None


def test_a_part_that_is_no_text_is_named_and_a_refusal_is_what_was_said() -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_id": "file-1"}},
        {"type": "file", "file": {"file_id": "file-2"}},
    ]
    refused = [{"type": "refusal", "refusal": "I cannot say."}]
    asked, answered = new_turns(
        [{"role": "user", "content": parts}], {"role": "assistant", "content": refused}, WHERE
    ) or (None, None)
    assert asked is not None and answered is not None
    names = ("https://example.org/a.png", "image_url", "a.pdf", "file-2")
    assert (asked.text, asked.attachments) == ("look", names)
    assert (answered.text, answered.attachments) == ("I cannot say.", ())


@pytest.mark.parametrize(
    "name", ["no-log", "no_log", "turn_off_message_logging", "incognito", "X-Licet-Keep-Out"]
)
@pytest.mark.parametrize("value", [True, 1, "true", "yes"])
def test_a_mark_keeps_a_call_out_wherever_it_stands(name: str, value: object) -> None:
    assert is_marked({name: value})
    assert is_marked({"metadata": {"requester_metadata": {"headers": {name: value}}}})


@pytest.mark.parametrize("value", [None, False, 0, "", "false", "0"])
def test_a_mark_that_is_off_is_none(value: object) -> None:
    assert not is_marked({"no-log": value, "metadata": {"incognito": value}})


def test_what_is_said_is_no_mark_and_what_is_too_deep_to_judge_is_one() -> None:
    assert not is_marked(
        {
            "messages": [{"incognito": True}],
            "tools": {"no-log": True},
            "response_format": {"incognito": 1},
        }
    )
    deep: dict[str, object] = {"a": 1}
    for _ in range(FLAGS_DEPTH_MAX + 1):
        deep = {"a": deep}
    assert is_marked(deep)
    around: dict[str, object] = {}
    around["again"] = around
    assert not is_marked(around)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "tool_calls", "function", "name", "text", "image_url", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@settings(max_examples=300, deadline=None)
@given(anything, anything)
def test_whatever_a_call_holds_it_adds_turns_or_none_and_nothing_is_raised(
    messages: object, answer: object
) -> None:
    for turn in new_turns(messages, answer, WHERE) or ():
        assert turn.role in ("user", "assistant", "tool")
        assert turn.id


def test_settings_come_from_the_environment_and_an_unknown_one_is_an_error() -> None:
    environment = {
        "LITELLM_LICET_URL": "http://x",
        "LITELLM_LICET_KEY_FILE": "/k",
        "LITELLM_LICET_SPOOL": "/s",
        "PATH": "/",
    }
    made = plugin_settings(
        environment | {"LITELLM_LICET_OUTAGE": "block", "LITELLM_LICET_SPOOL_BYTES_MAX": "7"}
    )
    assert made == PluginSettings(
        url="http://x",
        key_file=Path("/k"),
        spool=Path("/s"),
        outage=Outage.block,
        spool_bytes_max=7,
    )
    for bad in (
        {"LITELLM_LICET_KEY": "k"},
        {"LITELLM_LICET_SURFACE": "My App"},
        {"LITELLM_LICET_SPOOL_BYTES_MAX": "much"},
    ):
        with pytest.raises(UsageError):
            plugin_settings(environment | bad)
    with pytest.raises(UsageError):
        plugin_settings({"LITELLM_LICET_URL": "http://x"})


def test_a_published_surface_is_said_by_the_operator_alone() -> None:
    assert PluginSettings(url="u", key_file=Path("k"), spool=Path("s")).surface == "api"
    assert {
        turn.surface for turn in new_turns([{**user("a"), "surface": "app"}], bot("b"), WHERE) or ()
    } == {WHERE.surface}
