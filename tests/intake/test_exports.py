"""What the readers of exports promise beyond their fixtures: nothing is lost unsaid, nobody else
speaks for a person.
"""

import json
import random
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.intake import (
    chatgpt,
    claude_ai,
    claude_code,
    cline,
    formats,
    json_stream,
    librechat,
    litellm,
    open_webui,
)
from licet.intake.read_turn import BrokenRecord, ReadTurn, SkippedRecord
from licet.intake.records import OVER_LONG
from licet.policy.state import TurnRole
from licet.vault.content import TURN_BYTES_MAX

FIXTURES = Path(__file__).parent / "fixtures"
ARRAYS = sorted(path for path in FIXTURES.rglob("*.json") if path.read_bytes().lstrip()[:1] == b"[")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


def written(path: Path, value: object) -> Path:
    path.write_text(
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8"
    )
    return path


def turns(items) -> list[ReadTurn]:
    return [item for item in items if isinstance(item, ReadTurn)]


def chatgpt_conversation(name: str, *texts: str) -> dict:
    mapping = {
        f"{name}{n}": {
            "parent": f"{name}{n - 1}" if n else None,
            "children": [f"{name}{n + 1}"],
            "message": {
                "id": f"{name}{n}",
                "author": {"role": "user"},
                "content": {"parts": [text]},
            },
        }
        for n, text in enumerate(texts)
    }
    return {"id": name, "current_node": f"{name}{len(texts) - 1}", "mapping": mapping}


@pytest.mark.parametrize("path", ARRAYS, ids=lambda path: f"{path.parent.name}/{path.name}")
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_an_export_that_is_cut_off_yields_a_prefix_of_itself_and_then_says_where_it_ends(
    folder, path, data
):
    raw = path.read_bytes()
    cut = folder / path.parent.name / path.name
    cut.parent.mkdir(exist_ok=True)
    end = data.draw(st.integers(raw.index(b"[") + 1, len(raw.rstrip()) - 1))
    cut.write_bytes(raw[:end])
    reader = formats.detect(path)
    whole = [str(item).replace(str(path), "") for item in reader.read(path)]
    items = list(reader.read(cut))
    told = [str(item).replace(str(cut), "") for item in items]
    assert told[:-1] == whole[: len(told) - 1] or _one_owner_left(reader, items)
    assert items[-1].message == "the file ends before the array does"


def _one_owner_left(reader, items) -> bool:
    """Where the cut leaves one person's conversations, they are no longer several people's."""
    return reader in (claude_ai, open_webui) and not any(turn.host_account for turn in turns(items))


@pytest.mark.parametrize("reader", [chatgpt, claude_ai, librechat, open_webui, cline, litellm])
def test_nesting_without_end_is_one_broken_item_and_what_stands_beside_it_is_read(folder, reader):
    fixture = next(
        path for path in sorted((FIXTURES / reader.name).rglob("*")) if path.suffix == ".json"
    )
    text = fixture.read_text().strip()
    deep = '{"mapping": ' + "[" * 100_000 + "]" * 100_000 + "}"
    path = folder / fixture.name
    path.write_text(f"{deep}\n{text}")
    first, *rest = reader.read(path)
    assert isinstance(first, BrokenRecord | SkippedRecord)
    if isinstance(first, BrokenRecord):
        assert first.message == "nested too deeply" or first.message.startswith("not as expected")
    assert len(turns(rest)) == len(turns(reader.read(fixture)))


def test_a_conversation_as_long_as_librechat_nests_it_is_read_whole(folder):
    raw = "".join(
        json.dumps({"messageId": f"m{n}", "isCreatedByUser": n % 2 == 0, "text": f"word {n}"})[:-1]
        + ', "children": ['
        for n in range(20_000)
    )
    path = written(
        folder / "deep.json", '{"conversationId": "d", "messages": [' + raw + "]}" * 20_000 + "]}"
    )
    assert [turn.content.text for turn in librechat.read(path)] == [
        f"word {n}" for n in range(20_000)
    ]


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_librechats_tree_and_its_flat_form_show_the_same_branch(folder, data):
    count = data.draw(st.integers(1, 9))
    parents = [None, *(data.draw(st.none() | st.integers(0, n - 1)) for n in range(1, count))]
    message = [
        {
            "messageId": f"m{n}",
            "isCreatedByUser": True,
            "text": f"{n}",
            "parentMessageId": p if p is None else f"m{p}",
        }
        for n, p in enumerate(parents)
    ]
    flat = {"conversationId": "x", "recursive": False, "messages": message}

    def nested(n: int) -> dict:
        return {**message[n], "children": [nested(c) for c, p in enumerate(parents) if p == n]}

    tree = {
        "conversationId": "x",
        "messages": [nested(n) for n, p in enumerate(parents) if p is None],
    }
    said = [
        [turn.content.text for turn in turns(librechat.read(written(folder / "l.json", shape)))]
        for shape in (flat, tree)
    ]
    assert said[0] == said[1]
    assert said[0][-1] not in {str(p) for p in parents}


def test_a_message_without_end_is_one_broken_turn_in_bounded_memory_and_its_conversation_is_kept(
    folder,
):
    path = folder / "long.json"
    before = json.dumps([chatgpt_conversation("a", "first")])[:-1]
    head, tail = json.dumps(chatgpt_conversation("b", "one", "X", "three")).split('"X"')
    with path.open("wb") as file:
        file.write(f'{before}, {head}"'.encode())
        for _ in range(200):
            file.write(b"y" * 2**20)
        file.write(f'"{tail}]'.encode())
    tracemalloc.start()
    items = list(chatgpt.read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [turn.content.text for turn in turns(items)] == ["first", "one", "three"]
    assert [item for item in items if isinstance(item, BrokenRecord)] == [
        BrokenRecord(place=f"{path}#[1].mapping[1]", message="the turn is over 64 MiB")
    ]
    assert peak < TURN_BYTES_MAX + 16 * 2**20


SPEAKERS = [chatgpt, claude_ai, librechat, open_webui, cline]


@pytest.mark.parametrize("reader", SPEAKERS, ids=lambda reader: reader.name)
def test_a_message_that_is_not_utf8_costs_itself_and_not_its_conversation(folder, reader):
    fixture = {path.name: path for path in (FIXTURES / reader.name).iterdir()}[
        FIRST_FIXTURE[reader.name]
    ]
    said = turns(reader.read(fixture))
    words = max(
        (turn.content.text for turn in said if turn.role is TurnRole.user), key=len
    ).splitlines()[0]
    raw = fixture.read_bytes()
    mark = json.dumps(words)[1:-1].encode()
    path = folder / fixture.name
    path.write_bytes(raw.replace(mark, b"\xff" + mark[1:], 1))
    items = list(reader.read(path))
    assert [item.message for item in items if isinstance(item, BrokenRecord)].count(
        "not valid UTF-8"
    ) == 1
    broken = {item.place.split("#")[1] for item in items if isinstance(item, BrokenRecord)}
    assert len(turns(items)) == len(
        [turn for turn in said if turn.place.split("#")[1] not in broken]
    )


FIRST_FIXTURE = {
    "chatgpt": "conversations.json",
    "claude-ai": "conversations.json",
    "librechat": "recursive.json",
    "open-webui": "chats.json",
    "cline": "1784094124598_rruoq.messages.json",
}


@given(
    st.lists(st.text(alphabet='ab"\\é☂', max_size=30), max_size=6),
    st.integers(1, 12),
    st.integers(1, 24),
)
def test_only_strings_that_are_over_the_bound_are_replaced_wherever_chunks_are_cut(
    texts, size, bound
):
    array = [{"a": text, "b": [1, "}"]} for text in texts]
    raw = json.dumps(array, ensure_ascii=False).encode()
    cut = [raw[i : i + size] for i in range(0, len(raw), size)]
    found = [json.loads(e.raw) for e in json_stream.elements(cut, string_bytes_max=bound)]
    for was, became in zip(array, found, strict=True):
        taken = len(json.dumps(was["a"], ensure_ascii=False).encode()) - 2
        assert became["a"] == was["a"] or (became["a"] == OVER_LONG and taken > bound)
        assert became["b"] == [1, "}"]


def test_memory_is_flat_however_many_conversations_an_export_holds(folder):
    one = json.dumps(chatgpt_conversation("a", *("words " * 2_000 for _ in range(20))))

    def peak(count: int) -> int:
        path = written(folder / "many.json", "[" + ",".join([one] * count) + "]")
        tracemalloc.start()
        assert sum(1 for _ in chatgpt.read(path)) == 20 * count
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    assert peak(120) < 1.3 * peak(30)


def test_one_persons_export_is_the_importers_and_several_peoples_is_each_owners(folder):
    def chats(*owners: str) -> list[dict]:
        return [
            {
                "uuid": f"c{n}",
                "account": {"uuid": owner},
                "chat_messages": [{"uuid": "m", "sender": "human", "text": "x"}],
            }
            for n, owner in enumerate(owners)
        ]

    def owners(*given: str) -> list[str]:
        return [
            turn.host_account
            for turn in claude_ai.read(written(folder / "owners.json", chats(*given)))
        ]

    assert owners("a", "a", "a") == ["", "", ""]
    assert owners(*["a"] * 50, "b") == ["a"] * 50 + ["b"]


def test_what_a_person_quotes_of_a_tool_stays_theirs_and_what_a_tool_quotes_of_a_person_stays_the_tools(
    folder,
):
    session = {
        "sessionId": "s",
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": 'it printed {"type": "tool_result"}'}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": "I typed this"}],
            },
        ],
    }
    assert [
        turn.origin for turn in cline.read(written(folder / "quoted.messages.json", session))
    ] == ["typed", "tool"]


CALL = {"id": "c", "call_type": "completion", "messages": [{"role": "user", "content": "words"}]}
FLAGS = [
    {"no-log": True},
    {"turn_off_message_logging": "true"},
    {"metadata": {"no-log": True}},
    {"metadata": {"requester_metadata": {"no_log": 1}}},
    {"model_parameters": {"no-log": True}},
    {"model_parameters": {"extra_body": {"no-log": True}}},
    {"litellm_params": {"no-log": True}},
    {"standard_callback_dynamic_params": {"turn_off_message_logging": True}},
]


@pytest.mark.parametrize("flag", FLAGS, ids=str)
def test_a_call_that_asks_not_to_be_logged_gives_no_turn(folder, flag):
    [item] = litellm.read(written(folder / "flag.json", CALL | flag))
    assert item == SkippedRecord(place=item.place, reason="a call that asks not to be logged")


def test_no_mark_makes_a_call_anything_but_traffic_of_an_api(folder):
    marks = {"metadata": {"no-log": False, "allow": True, "surface": "app"}, "surface": "app"}
    [turn] = litellm.read(written(folder / "mark.json", CALL | marks))
    assert turn.surface == "api"


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=8), st.integers(1, 8))
@settings(max_examples=50, deadline=None)
def test_calls_that_repeat_a_session_give_every_message_once_in_however_wide_a_window(
    folder, said, window
):
    calls = []
    for n, text in enumerate(said):
        history = [
            {"role": role, "content": words}
            for past, word in enumerate([*said[:n], text])
            for role, words in (("user", f"{past}{word}"), ("assistant", f"re {past}{word}"))
        ][:-1]
        choices = {"choices": [{"message": {"role": "assistant", "content": f"re {n}{text}"}}]}
        calls.append({**CALL, "trace_id": "s", "messages": history[-window:], "response": choices})
    path = written(folder / "session.jsonl", "\n".join(map(json.dumps, calls)))
    found = turns(litellm.read(path))
    assert Counter(turn.content.text for turn in found) == Counter(
        words for n, text in enumerate(said) for words in (f"{n}{text}", f"re {n}{text}")
    )
    assert {turn.host_turn for turn in turns(litellm.read(path))} == {
        turn.host_turn for turn in found
    }


OPENERS = ["reasoning", "tool_calls", "code_interpreter"]


@given(st.lists(st.tuples(st.sampled_from(OPENERS), st.booleans()), max_size=4))
@settings(max_examples=50, deadline=None)
def test_nothing_that_a_tool_gave_to_open_webui_is_in_the_assistants_words(folder, blocks):
    text = "said\n" + "\n".join(
        f'<details type="{kind}" done="true">\n<summary>s</summary>\nSECRET\n{"</details>" if closed else ""}\nsaid'
        for kind, closed in blocks
    )
    message = {"id": "a", "parentId": None, "role": "assistant", "content": text}
    chat = {
        "id": "c",
        "title": "t",
        "chat": {"history": {"currentId": "a", "messages": {"a": message}}},
    }
    found = turns(open_webui.read(written(folder / "details.json", [chat])))
    assert not any(
        "SECRET" in turn.content.text for turn in found if turn.role is not TurnRole.tool
    )
    assert found[0].content.text.startswith("said")


@pytest.mark.parametrize("reader", [claude_ai, chatgpt, claude_code])
def test_ten_thousand_random_lines_cost_no_reader_more_than_a_broken_item(folder, reader):
    numbers = random.Random(2)
    path = folder / "noise.json"
    path.write_bytes(b"".join(numbers.randbytes(12) + b"\n" for _ in range(10_000)))
    assert not turns(reader.read(path))
