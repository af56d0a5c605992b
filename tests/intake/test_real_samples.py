"""Real transcripts and exports, counted by hand: what each author said, and what nobody did."""

import gzip
import json

import pytest

from licet.errors import InputError
from licet.intake import formats
from licet.intake.read_turn import ReadTurn

from ..reads import counts, sample

EXPECTED = {
    "claude-code/edge_cases.jsonl": {
        "typed": 3,
        "assistant": 4,
        "tool": 4,
        "skipped": 3,
        "broken": 5,
    },
    "claude-code/representative_messages.jsonl": {
        "typed": 4,
        "assistant": 5,
        "tool": 2,
        "skipped": 1,
    },
    "claude-code/session_b.jsonl": {"typed": 2, "assistant": 1},
    "claude-code/todowrite_examples.jsonl": {"typed": 2, "assistant": 6, "tool": 3, "skipped": 1},
    # The folder as a whole: the one record that edge_cases took from todowrite_examples is a copy.
    "claude-code": {"typed": 11, "assistant": 15, "tool": 9, "skipped": 6, "broken": 5},
    # Thirteen of the tool: twelve results and the summary of what was compacted. Thinking in one
    # message is passed over.
    "claude-code-2/sample_session.json": {"typed": 5, "assistant": 15, "tool": 13, "skipped": 1},
    "claude-code-2/sample_session.jsonl": {"typed": 2, "assistant": 3, "tool": 2, "skipped": 1},
    "claude-code-3/chat.jsonl": {"skipped": 3},
    "chatgpt/chatgpt-export.json": {"typed": 5, "assistant": 9, "tool": 5, "skipped": 2},
    # Five of eleven messages lie on branches that were left, one is the system's.
    "chatgpt/chatgpt-tree.json": {"typed": 3, "assistant": 3, "skipped": 6},
    "claude-ai/claude_export.json": {"typed": 8, "assistant": 2},
    "librechat/librechat-export.json": {"typed": 3, "assistant": 3},
    "librechat/librechat-linear.json": {"typed": 1, "assistant": 1},
    # The newest of two questions, of two answers each: one question and one answer are what the
    # client shows.
    "librechat/librechat-opts-nonr-branches.json": {"typed": 1, "assistant": 1, "skipped": 3},
    "librechat/librechat-tree.json": {"typed": 2, "assistant": 2, "skipped": 5},
    # The answer with a tool is three turns: the call, its output, the words after it. Another has
    # thinking, passed over.
    "open-webui/openwebui-export.json": {"typed": 2, "assistant": 3, "tool": 1, "skipped": 1},
    # What a message names as a file has the file's words, which are nobody's in the chat.
    "cline/session.messages.json": {"typed": 5, "assistant": 16, "tool": 11, "skipped": 1},
    "litellm/standard_logging_payload.json": {"typed": 1, "assistant": 1},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_sample_is_read_as_it_was_counted_by_hand(name):
    path = sample(f"export-formats/{name}")
    assert counts(formats.read(path)) == EXPECTED[name]
    assert list(formats.read(path)) == list(formats.read(path))
    assert formats.detect(path).name == name.split("/")[0].rstrip("-23")


def test_chatbot_uis_export_is_read_among_librechats_and_as_its_own_format():
    path = sample("export-formats/librechat/chatbotui-export.json")
    assert counts(formats.read(path)) == {"typed": 3, "assistant": 3}
    assert formats.detect(path).name == "chatbot-ui"


@pytest.mark.parametrize("name", ["export-formats/otel-genai", "oasst-samples", "sms-spam"])
def test_a_sample_of_another_format_is_refused_and_not_misread(name):
    path = sample(name)
    with pytest.raises(InputError, match="no file in it is of a known format"):
        formats.read(path)


def test_recordings_of_a_clients_network_traffic_hold_no_conversation():
    folder = sample("cline-fixtures")
    items = list(formats.read(folder))
    assert {
        item.place.split("#")[0].rpartition("__")[2] for item in items if isinstance(item, ReadTurn)
    } == {"session.messages.json.gz"}
    assert counts(items) == {"typed": 5, "assistant": 16, "tool": 11, "skipped": 19}


def test_two_hundred_real_dialogues_with_tools_survive_as_messages(tmp_path):
    packed = sample("tau-bench-traj/historical_trajectories__gpt-4o-airline.json.gz")
    dialogues = [dialogue["traj"] for dialogue in json.loads(gzip.decompress(packed.read_bytes()))]
    path = tmp_path / "dialogues.jsonl.gz"
    lines = [json.dumps({"id": n, "messages": messages}) for n, messages in enumerate(dialogues)]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), 1))
    items = list(formats.read(path))
    assert counts(items) == {"typed": 1490, "assistant": 2454, "tool": 1164, "system": 200}
    turns = [item for item in items if isinstance(item, ReadTurn)]
    for is_told in (True, False):  # instructions stand behind the person's first words
        said = [
            one["content"] or ""
            for all_of in dialogues
            for one in all_of
            if (one["role"] == "system") is is_told
        ]
        assert [turn.content.text for turn in turns if (turn.origin == "system") is is_told] == said
    answered = [
        item.content for item in items if isinstance(item, ReadTurn) and item.origin == "tool"
    ]
    assert all(content.tool_call_id and content.tool_name for content in answered)
