"""Claude Code: what was typed while the model worked is there, what was taken back is not, and
nobody's words are another's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from licet.intake import formats
from licet.intake.read_turn import ReadTurn, SkippedRecord
from licet.policy.state import TurnRole


def record(name: str, parent: str | None, kind: str, content: Any, **more: Any) -> dict[str, Any]:
    common = {
        "uuid": name,
        "parentUuid": parent,
        "sessionId": "s1",
        "timestamp": "2025-10-07T10:00:00Z",
        "type": kind,
    }
    return {**common, "message": {"role": kind, "content": content}, **more}


def queued(name: str, parent: str | None, prompt: Any, **more: Any) -> dict[str, Any]:
    attachment = {"type": "queued_command", "prompt": prompt, "commandMode": "prompt", **more}
    return {**record(name, parent, "attachment", None), "message": None, "attachment": attachment}


def read(folder: Path, *records: dict[str, Any]) -> list[Any]:
    file = folder / "s1.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in records))
    return list(formats.read(file))


def said(items: list[Any]) -> list[tuple[str, str, str]]:
    return [
        (item.role.value, item.origin, item.content.text)
        for item in items
        if isinstance(item, ReadTurn)
    ]


def call(number: int) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"t{number}", "name": "Read", "input": {}}


def given(number: int) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": f"t{number}", "content": f"file {number}"}


def test_a_prompt_that_was_typed_while_the_model_worked_stands_in_its_place(tmp_path: Path) -> None:
    items = read(
        tmp_path,
        record("a", None, "user", "first"),
        record("b", "a", "assistant", "working"),
        queued("c", "b", "and second"),
        queued(
            "d",
            "c",
            [
                {"type": "text", "text": "and third"},
                {"type": "image", "source": {"media_type": "image/png"}},
            ],
        ),
        record("e", "d", "assistant", "all three"),
    )
    assert said(items) == [
        ("user", "typed", "first"),
        ("assistant", "assistant", "working"),
        ("user", "typed", "and second"),
        ("user", "typed", "and third"),
        ("assistant", "assistant", "all three"),
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"commandMode": "task-notification"},
        {"origin": {"kind": "peer"}},
        {"isMeta": True},
        {"commandMode": None},
    ],
    ids=str,
)
def test_what_waited_and_was_typed_by_nobody_is_never_the_persons(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    items = read(
        tmp_path, record("a", None, "user", "first"), queued("b", "a", "not typed", **more)
    )
    assert [text for role, _, text in said(items) if role == "user"] == ["first"]


@pytest.mark.parametrize("user_first", [True, False])
def test_a_prompt_that_has_a_record_of_its_own_too_is_one_turn(
    tmp_path: Path, user_first: bool
) -> None:
    both = [queued("b", "a", "typed once", source_uuid="u"), record("u", "a", "user", "typed once")]
    items = read(
        tmp_path, record("a", None, "user", "first"), *(reversed(both) if user_first else both)
    )
    assert [text for _, _, text in said(items)] == ["first", "typed once"]


def test_of_a_rewound_session_the_path_that_was_kept_is_read_and_the_rest_is_reported(
    tmp_path: Path,
) -> None:
    items = read(
        tmp_path,
        record("a", None, "user", "plan it"),
        record("b", "a", "assistant", "planned"),
        record("c", "b", "user", "delete it"),
        record("d", "c", "assistant", [call(1)]),
        record("e", "d", "user", [given(1)]),
        record("f", "b", "user", "archive it"),
        record("g", "f", "assistant", "archived"),
        record("h", "g", "user", "twice rewound"),
        record("i", "g", "user", "thanks"),
    )
    assert [text for _, _, text in said(items)] == [
        "plan it",
        "planned",
        "archive it",
        "archived",
        "thanks",
    ]
    left = [item.place.rpartition(":")[2] for item in items if isinstance(item, SkippedRecord)]
    assert left == ["3", "4", "5", "8"]


def test_a_session_rewound_to_its_first_prompt_is_what_was_kept_and_no_talk_that_nobody_had(
    tmp_path: Path,
) -> None:
    items = read(
        tmp_path,
        record("a", None, "user", "delete it"),
        record("b", "a", "assistant", [call(1)]),
        record("c", "b", "user", [given(1)]),
        record("d", None, "user", "archive it"),
        record("e", "d", "assistant", "archived"),
        record("f", None, "user", "of another session", sessionId="s2"),
        record("g", "f", "assistant", "which has a beginning of its own"),
    )
    assert [text for _, _, text in said(items)] == [
        "archive it",
        "archived",
        "of another session",
        "which has a beginning of its own",
    ]
    left = [item.place.rpartition(":")[2] for item in items if isinstance(item, SkippedRecord)]
    assert left == ["1", "2", "3"]


def test_records_that_name_no_parent_are_one_conversation(tmp_path: Path) -> None:
    told = [record(name, None, "user", f"prompt {name}") for name in "abc"]
    for one in told:
        del one["parentUuid"]
    assert [text for _, _, text in said(read(tmp_path, *told))] == [
        "prompt a",
        "prompt b",
        "prompt c",
    ]


def test_prompts_beside_answers_that_name_no_parent_are_no_rewind(tmp_path: Path) -> None:
    told = [
        record(f"{kind}{number}", None, kind, f"{kind} {number}")
        for number in (1, 2)
        for kind in ("user", "assistant")
    ]
    assert [text for _, _, text in said(read(tmp_path, *told))] == [
        "user 1",
        "assistant 1",
        "user 2",
        "assistant 2",
    ]


def test_calls_of_tools_in_parallel_are_no_branches_that_were_left(tmp_path: Path) -> None:
    items = read(
        tmp_path,
        record("a", None, "user", "read both"),
        record("b", "a", "assistant", [call(1)]),
        record("c", "b", "assistant", [call(2)]),
        record("d", "b", "user", [given(1)]),
        record("e", "c", "user", [given(2)]),
        record("f", "e", "assistant", "read"),
    )
    assert [item for item in items if not isinstance(item, ReadTurn)] == []
    assert [text for role, _, text in said(items) if role == "tool"] == ["file 1", "file 2"]


def test_a_session_goes_on_over_what_was_compacted(tmp_path: Path) -> None:
    boundary = record("c", None, "system", "", logicalParentUuid="b", subtype="compact_boundary")
    items = read(
        tmp_path,
        record("a", None, "user", "before"),
        record("b", "a", "assistant", "answer"),
        record("x", "a", "assistant", "the same answer, again"),
        boundary,
        record("d", "c", "user", "what was said", isCompactSummary=True),
        record("e", "d", "user", "after"),
    )
    assert [text for role, _, text in said(items) if role == TurnRole.user] == ["before", "after"]
    assert ("assistant", "assistant", "answer") in said(items)


TAG = "<system-reminder>\nThe file was changed.\n</system-reminder>"


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        (f"{TAG}\nrename it", "rename it"),
        (f"rename it\n{TAG}", "rename it"),
        (f"rename\n{TAG}\nit", "rename\nit"),
        (f"{TAG}\nrename it\n<ide_opened_file>a.py</ide_opened_file>", "rename it"),
        (f"{TAG}\nnot typed for certain\n{TAG}", ""),
        ("<system-reminder>\nends nowhere\nrename it", ""),
        (f"<system-reminder>a file says </system-reminder> {TAG}</system-reminder>", ""),
        ("[Request interrupted by user]", ""),
        ("what does <b> mean, and <system> ?", "what does <b> mean, and <system> ?"),
    ],
)
@pytest.mark.parametrize("as_block", [True, False])
def test_what_was_typed_beside_a_tag_of_the_client_stays_typed(
    tmp_path: Path, text: str, typed: str, as_block: bool
) -> None:
    content = [{"type": "text", "text": text}] if as_block else text
    items = said(read(tmp_path, record("a", None, "user", content)))
    assert [text for _, origin, text in items if origin == "typed"] == ([typed] if typed else [])
    rest = "".join(text for _, origin, text in items if origin == "tool")
    # nothing is lost on the way
    assert sum(map(len, (typed, rest))) >= len(text) - text.count("\n") - 2


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("<command-name>/review</command-name>\n<command-args>it</command-args>", "/review it"),
        (
            "<command-message>review</command-message>\n<command-name>/review</command-name>",
            "/review",
        ),
        (
            "<command-name>/clear</command-name>\n<command-message>clear</command-message>\n<command-args></command-args>",
            "",
        ),
        (
            (
                "<command-message>The skill is "
                "loading</command-message>\n<command-name>pdf</command-name>"
            ),
            "",
        ),
        (
            "<command-name>/review</command-name>\n<command-args>a</command-args> b</command-args>",
            "",
        ),
    ],
)
def test_a_command_with_its_arguments_was_typed_and_what_the_client_or_the_assistant_called_was_not(
    tmp_path: Path, text: str, typed: str
) -> None:
    [(role, origin, words)] = said(read(tmp_path, record("a", None, "user", text)))
    assert (role, origin, words) == (("user", "typed", typed) if typed else ("tool", "tool", text))
