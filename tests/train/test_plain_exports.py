"""What leaves in clear: for a named recipient alone, in the shape that trainers read, on record,
and asked back.
"""

from __future__ import annotations

import base64
import errno
import itertools
import json
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from msgspec.structs import replace
from tests.installed import House

from licet import verifier
from licet.cli.command import main
from licet.curate import release_build
from licet.erasure import certificates, recall_register, recipient_answers
from licet.errors import RefusedError, UsageError
from licet.ledger.note import SignatureType, Signer
from licet.policy.state import Share, TurnRole
from licet.proof import documents
from licet.store.connect import Pool
from licet.train import export_configs, export_files, line_files
from licet.train.conversations import ConversationCut, alternatives, conversation
from licet.train.exports import ENDED, NO_ANSWER, NO_PLACE, ExportKind, Format, pairs, shape_row
from licet.vault import commands as do
from licet.vault.content import Content, ToolCall
from licet.vault.simulated_clock import SimulatedClock, save

from ..terms import preset
from .extras import require

ROOT = Path(__file__).parents[2]
RECIPIENT = "lab-one"
# The kinds of line that a format has, where it has not all of them.
WRITTEN = {
    Format.openai: (ExportKind.sft, ExportKind.dpo),
    Format.torchtune: (ExportKind.sft, ExportKind.dpo),
    Format.verl: (ExportKind.sft,),
    Format.nemo: (ExportKind.sft, ExportKind.dpo),
}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str, *calls: str) -> dict[str, Any]:
    made: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        made["tool_calls"] = [
            {"id": call, "type": "function", "function": {"name": "look", "arguments": "{}"}}
            for call in calls
        ]
    return made


def tool(text: str, call: str) -> dict[str, Any]:
    return {"role": "tool", "content": text, "tool_call_id": call}


def row(*messages: dict[str, Any]) -> Any:
    return {"messages": list(messages), "row_id": "", "ordinal": 7}


def lines(made: Any, kind: str) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in line.items() if k not in ("ordinal", "row_labels")}
        for line in made.lines[kind]
    ]


# Shapes

AGAIN = (user("q"), answer("first"), answer("second"), user("more"), answer("end"))


def test_answers_to_the_same_words_are_those_between_two_of_the_person_s_without_a_call() -> None:
    assert list(alternatives(AGAIN)) == [range(1, 3)]
    assert not list(
        alternatives([user("q"), answer("a", "c"), answer("b"), user("r"), answer("c")])
    )
    assert not list(alternatives([user("q"), tool("t", "c"), answer("a"), answer("b")]))
    assert not list(alternatives([answer("a"), answer("b"), user("q")]))


def test_no_pair_and_no_thumb_is_made_over_a_turn_that_was_left_out() -> None:
    """What was said between two answers may be another question: they are then no answers to the
    same words.
    """
    pair = {"chosen": [answer("second")], "rejected": [answer("first")]}
    for gaps, expected in (([], [pair]), ([3], [pair]), ([0], [pair]), ([2], []), ([1], [])):
        made = shape_row({**row(*AGAIN), "gaps": gaps}, {1: False}, Format.trl)
        assert lines(made, "dpo") == [{"prompt": [user("q")], **one} for one in expected], gaps
        assert len(lines(made, "kto")) == (0 if gaps == [1] else 1), gaps
    assert list(alternatives([*AGAIN[:3], answer("third")], gaps=[3])) == [range(1, 3)]
    assert list(alternatives([*AGAIN[:3], answer("third")], gaps=[2])) == []


@pytest.mark.parametrize(
    ("ratings", "stays"), [({}, "second"), ({1: True}, "first"), ({2: False}, "second")]
)
def test_the_last_answer_stays_unless_another_one_was_rated_up(
    ratings: dict[int, bool], stays: str
) -> None:
    assert [m["content"] for m in conversation(row(*AGAIN), ratings).messages] == [
        "q",
        stays,
        "more",
        "end",
    ]


def test_a_pair_is_the_answer_that_stayed_beside_one_that_did_not() -> None:
    assert list(pairs(AGAIN, {})) == [(1, answer("second"), answer("first"))]
    assert list(pairs(AGAIN, {2: False})) == []
    assert list(pairs([user("q"), answer("same"), answer("same")], {})) == []


def test_every_line_of_sft_is_a_conversation_that_ends_in_an_answer_or_calls() -> None:
    made = shape_row(row(user("q"), tool("t", "c")), {}, Format.trl)
    assert (lines(made, "sft"), made.left_out) == ([], [NO_ANSWER])
    assert shape_row(row(user("q"), answer("   ")), {}, Format.trl).lines["sft"] == []
    assert lines(shape_row(row(user("q"), answer("", "c")), {}, Format.openai), "sft") == [
        {"messages": [user("q"), answer("", "c")]}
    ]
    made = shape_row(
        row(user("q"), user("r"), answer("a"), user("s"), answer("", "c"), answer("b")),
        {5: True},
        Format.trl,
    )
    (line,) = lines(made, "sft")
    assert [one["role"] for one in line["messages"]] == ["user", "assistant"] * 2
    assert (made.lines["kto"], set(made.left_out)) == ([], {ConversationCut.tools.value, ENDED})


SHAPES: list[tuple[Format, dict[str, Any] | None, dict[str, Any] | None]] = [
    (
        Format.trl,
        {"prompt": [user("q")], "chosen": [answer("second")], "rejected": [answer("first")]},
        {
            "prompt": [user("q"), answer("second"), user("more")],
            "completion": [answer("end")],
            "label": True,
        },
    ),
    (
        Format.openai,
        {
            "input": {"messages": [user("q")], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [answer("second")],
            "non_preferred_output": [answer("first")],
        },
        None,
    ),
    (
        Format.axolotl,
        {"messages": [user("q")], "chosen": answer("second"), "rejected": answer("first")},
        {
            "prompt": "q<|im_end|>\n<|im_start|>assistant\nsecond<|im_end|>\n<|im_start|>user\nmore",
            "completion": "end",
            "label": True,
        },
    ),
    (
        Format.llama_factory,
        {"messages": [user("q")], "chosen": answer("second"), "rejected": answer("first")},
        {"messages": [user("q"), answer("second"), user("more"), answer("end")], "label": True},
    ),
    (
        Format.torchtune,
        {"chosen": [user("q"), answer("second")], "rejected": [user("q"), answer("first")]},
        None,
    ),
    (Format.verl, None, None),
    (
        Format.unsloth,
        {"prompt": [user("q")], "chosen": [answer("second")], "rejected": [answer("first")]},
        {
            "prompt": [user("q"), answer("second"), user("more")],
            "completion": [answer("end")],
            "label": True,
        },
    ),
    (
        Format.nemo,
        {
            "context": [user("q")],
            "completions": [
                {"rank": 0, "completion": [answer("second")]},
                {"rank": 1, "completion": [answer("first")]},
            ],
        },
        None,
    ),
]
SHAPES += [(to, *SHAPES[0][1:]) for to in (Format.mds, Format.webdataset, Format.lance)]


def test_every_format_has_a_shape_here_and_a_row_in_its_page() -> None:
    assert {to for to, *_ in SHAPES} == set(Format)
    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    assert [to for to in Format if f"\n| `{to}` |" not in page] == []


@pytest.mark.parametrize(("to", "dpo", "kto"), SHAPES)
def test_each_format_has_its_own_shape(
    to: Format, dpo: dict[str, Any] | None, kto: dict[str, Any] | None
) -> None:
    made = shape_row(row(*AGAIN), {4: True}, to)
    assert lines(made, "sft") == [
        {"messages": [user("q"), answer("second"), user("more"), answer("end")]}
    ]
    assert lines(made, "dpo") == ([dpo] if dpo else [])
    assert lines(made, "kto") == ([kto] if kto else [])
    assert len(made.left_out) == (dpo is None) + (kto is None)


def test_a_tool_is_used_as_a_whole_in_the_shape_that_a_trainer_reads_or_not_at_all() -> None:
    said = [
        user("q"),
        answer("a"),
        user("look"),
        answer("", "c1", "c2"),
        tool("x", "c1"),
        tool("y", "c2"),
        answer("end"),
    ]
    said[3]["tool_calls"][0]["function"]["arguments"] = '{"at": 1}'
    for to in Format:
        (made,) = lines(shape_row(row(*said), {}, to), "sft")
        if to in (Format.llama_factory, Format.torchtune, Format.verl):
            assert made["messages"] == said[:2]
            continue
        assert [m["role"] for m in made["messages"]] == [m["role"] for m in said]
        calls = [call["function"]["arguments"] for call in made["messages"][3]["tool_calls"]]
        assert calls == (
            ['{"at": 1}', "{}"] if to in (Format.openai, Format.axolotl) else [{"at": 1}, {}]
        )


def test_words_that_would_end_a_message_of_chatml_make_no_prompt_of_it() -> None:
    made = shape_row(row(user("q <|im_end|> r"), answer("a")), {1: True}, Format.axolotl)
    assert (lines(made, "kto"), made.left_out) == ([], [NO_PLACE])


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ((user("p"), answer("o"), user("q <|im_end|> r")), "a"),
        ((user("q <|im_end|> r"), answer("o"), user("q")), "a"),
        ((user("q"),), "a <|im_end|> b"),
        ((user("p"), answer("", "c1"), tool("4", "c1"), answer("4"), user("q")), "a"),
    ],
)
def test_one_message_that_is_no_plain_text_leaves_a_rated_answer_no_place_in_chatml(
    before: Any, said: str
) -> None:
    made = shape_row(row(*before, answer(said)), {len(before): True}, Format.axolotl)
    assert (lines(made, "kto"), made.left_out) == ([], [NO_PLACE])


def test_earlier_messages_stand_in_one_of_chatml() -> None:
    made = shape_row(row(user("p"), answer("o"), user("q"), answer("a")), {3: True}, Format.axolotl)
    text = "p<|im_end|>\n<|im_start|>assistant\no<|im_end|>\n<|im_start|>user\nq"
    assert [one["prompt"] for one in lines(made, "kto")] == [text]


# What leaves


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    house = House(
        pool, tmp_path / "data", replace(preset("article-2025"), recipients=frozenset({RECIPIENT}))
    )
    for n, name in enumerate(("ana", "bo", "cy")):
        house.open(name, allow=True, split="train")
        house.say(
            name,
            name,
            f"the {name} question about {n} gardens and the rain that falls on them in spring",
        )
        house.say(
            name,
            name,
            f"a first answer for {name}: wait for the rain and look again",
            TurnRole.assistant,
        )
        house.say(
            name, name, f"a second answer for {name}: dig before the rain comes", TurnRole.assistant
        )
        house.say(
            name, name, f"and what does {name} do in the autumn, when everything has been eaten?"
        )
        house.say(
            name,
            name,
            f"in autumn {name} sleeps, as a garden does, until the snow is gone",
            TurnRole.assistant,
        )
        house.say(name, name, f"and which week of the calendar is that for {name} this year?")
        call = ToolCall(id="c1", name="calendar", arguments='{"month": 10}')
        house.say(
            name, name, Content(text=f"look for {name}", tool_calls=(call,)), TurnRole.assistant
        )
        house.say(
            name,
            name,
            f"for {name} it is the last one of October, says the calendar",
            TurnRole.assistant,
        )
    house.passes(1)
    house.about(do.GiveFeedback, "ana", "ana", rating="up", share=Share.rating, turn=5)
    house.about(do.GiveFeedback, "bo", "bo", rating="down", share=Share.rating, turn=5)
    house.passes(1)
    release_build.build_release(house.installation, name="october", purpose="improve_models")
    return house


def read(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{kind}.jsonl").read_text("utf-8").splitlines()]


def files(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whoever_the_policy_does_not_name_is_refused_and_nothing_is_written(
    house: House, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match="not name the recipient `broker`") as refused:
        export_files.export(
            house.installation, "october", Format.trl, recipient="broker", out=tmp_path / "out"
        )
    assert refused.value.because == "recipient"
    assert not (tmp_path / "out").exists()
    assert export_files.list_exports(house.installation) == []
    assert house.query("SELECT count(*) FROM handouts") == [(0,)]


def test_a_release_for_the_safety_classifiers_is_exported_to_nobody_though_the_policy_names_them(
    house: House, tmp_path: Path
) -> None:
    with house.installation.pool.connection() as tx:
        tx.execute("UPDATE releases SET purpose = 'safety_classifiers'")
    with pytest.raises(RefusedError, match="handed to nobody") as refused:
        export_files.export(
            house.installation, "october", Format.trl, recipient=RECIPIENT, out=tmp_path / "out"
        )
    assert refused.value.because == "purpose"
    assert not (tmp_path / "out").exists()
    assert house.query("SELECT count(*) FROM handouts") == [(0,)]


def test_an_export_is_what_may_be_used_with_its_thumbs_and_its_pairs_and_says_what_it_is(
    house: House, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    made = export_files.export(
        house.installation, "october", Format.trl, recipient=RECIPIENT, out=out
    )
    assert made.lines == {"sft": 3, "dpo": 3, "kto": 2}
    assert files(out) == [
        "README.md",
        "dpo.jsonl",
        "kto.jsonl",
        "sft.jsonl",
        "train_dpo.py",
        "train_kto.py",
        "train_sft.py",
    ]
    assert {line["label"] for line in read(out, "kto")} == {True, False}
    (up,) = [line for line in read(out, "kto") if line["label"]]
    assert "ana sleeps" in up["completion"][0]["content"]
    for line in read(out, "dpo"):
        assert "second answer" in line["chosen"][0]["content"]
        assert "first answer" in line["rejected"][0]["content"]
    for line in read(out, "sft"):
        assert [message["role"] for message in line["messages"]] == ["user", "assistant"] * 3
        assert line["messages"][-1]["tool_calls"], (
            "the call is the assistant's, and its result is not here"
        )
    assert made.left_out == {ConversationCut.tools.value: 3}
    said = (out / "README.md").read_text("utf-8")
    assert made.export is not None
    assert "in clear" in said
    assert made.export in said
    assert f"`{RECIPIENT}`" in said
    for script in out.glob("*.py"):
        compile(script.read_text("utf-8"), str(script), "exec")


def test_people_who_are_held_out_are_in_no_file_that_is_trained_on(
    house: House, tmp_path: Path
) -> None:
    """By default they are not written at all; where they are asked for, each split has a file of
    its own.
    """
    for name in ("test", "validation"):
        house.open(name, allow=True, split=name)
        house.talk(
            name,
            name,
            f"what do {name} people ask about the garden in the snow",
            f"an answer to {name} people",
        )
    release_build.build_release(house.installation, name="november", purpose="improve_models")
    one = export_files.export(
        house.installation, "november", Format.trl, recipient=RECIPIENT, out=tmp_path / "one"
    )
    assert (one.rows, one.splits) == (3, {"train": 8})
    assert not [name for name in files(tmp_path / "one") if "test" in name or "validation" in name]
    out = tmp_path / "all"
    wanted = ("train", "validation", "test")
    every = export_files.export(
        house.installation, "november", Format.trl, recipient=RECIPIENT, out=out, splits=wanted
    )
    assert (every.rows, every.splits) == (5, {"train": 8, "validation": 1, "test": 1})
    assert read(out, "sft") == read(tmp_path / "one", "sft")
    for split in ("test", "validation"):
        (line,) = read(out, f"sft.{split}")
        assert f"{split} people" in json.dumps(line)
        assert line["row_labels"]["split"] == split
    assert "sft.test.jsonl" not in "".join(path.read_text("utf-8") for path in out.glob("*.py"))
    with pytest.raises(UsageError, match="no split `tset`"):
        export_files.export(
            house.installation,
            "november",
            Format.trl,
            recipient=RECIPIENT,
            out=tmp_path / "x",
            splits=("tset",),
        )


def test_each_line_says_what_was_found_out_about_its_row(house: House, tmp_path: Path) -> None:
    export_files.export(
        house.installation, "october", Format.trl, recipient=RECIPIENT, out=tmp_path / "out"
    )
    for kind in ("sft", "dpo", "kto"):
        for line in read(tmp_path / "out", kind):
            about = line["row_labels"]
            assert (about["split"], about["language"], set(about)) == (
                "train",
                "en",
                {"split", "language", "topic", "quality", "scores"},
            )


def test_the_register_holds_the_rows_that_were_written_and_no_others(
    house: House, tmp_path: Path
) -> None:
    house.open("held", allow=True, split="test")
    house.talk("held", "held", "what do people who are held out ask", "an answer")
    release_build.build_release(house.installation, name="november", purpose="improve_models")
    export_files.export(
        house.installation, "november", Format.trl, recipient=RECIPIENT, out=tmp_path / "out"
    )
    exported = {
        row[0] for row in house.query("SELECT conversation_id FROM copies WHERE place = 'export'")
    }
    assert house.chats["ana"] in exported
    assert house.chats["held"] not in exported


def test_a_dry_run_counts_the_same_and_hands_out_nothing(house: House, tmp_path: Path) -> None:
    counted = export_files.export(
        house.installation,
        "october",
        Format.trl,
        recipient=RECIPIENT,
        out=tmp_path / "out",
        dry_run=True,
    )
    assert (counted.lines, counted.export) == ({"sft": 3, "dpo": 3, "kto": 2}, None)
    assert not (tmp_path / "out").exists()
    assert house.query("SELECT count(*) FROM handouts") == [(0,)]


def test_what_was_withdrawn_is_not_exported_and_what_is_withdrawn_after_is_listed(
    house: House, tmp_path: Path
) -> None:
    house.choose("cy", False)
    out = tmp_path / "out"
    made = export_files.export(
        house.installation, "october", Format.openai, recipient=RECIPIENT, out=out
    )
    assert "cy" not in (out / "sft.jsonl").read_text("utf-8")
    assert "kto.jsonl" not in files(out)
    assert made.export is not None
    assert export_files.withdrawn_ordinals_of(house.installation, made.export) == []
    house.choose("ana", False)
    (gone,) = export_files.withdrawn_ordinals_of(house.installation, made.export)
    assert [line["ordinal"] for line in read(out, "sft") if "ana" in json.dumps(line)] == [gone]
    (seen,) = export_files.list_exports(house.installation)
    assert (seen.recipient, seen.rows, seen.withdrawn) == (RECIPIENT, 2, 1)


def test_an_export_that_fails_leaves_no_text_and_is_made_when_it_is_asked_for_again(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, left = tmp_path / "out", tmp_path / ".out.unfinished"
    left.mkdir()
    (left / "sft.jsonl").write_text("what a killed one had written")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(export_files.export_configs, "config_files", full)
        with pytest.raises(OSError, match="No space"):
            export_files.export(
                house.installation, "october", Format.trl, recipient=RECIPIENT, out=out
            )
    assert not left.exists()
    assert not out.exists()
    assert (
        export_files.export(
            house.installation, "october", Format.trl, recipient=RECIPIENT, out=out
        ).folder
        == out
    )
    assert (out / "sft.jsonl").stat().st_size > 0
    assert not left.exists()


def test_an_erasure_is_recalled_from_the_recipient_of_an_export(
    house: House, tmp_path: Path
) -> None:
    export_files.export(
        house.installation, "october", Format.axolotl, recipient=RECIPIENT, out=tmp_path / "out"
    )
    house.about(do.Delete, "bo", "bo")
    certificates.advance_erasures(house.installation)
    (recalled,) = recall_register.list_recalls(house.installation)
    assert (recalled.recipient, recalled.release) == (RECIPIENT, "october")


def test_an_export_is_a_place_of_its_own_in_the_register_and_in_the_certificate(
    house: House, tmp_path: Path
) -> None:
    made = export_files.export(
        house.installation, "october", Format.trl, recipient=RECIPIENT, out=tmp_path / "out"
    )
    assert made.export is not None
    registered = "SELECT conversation_id, ended_at FROM copies WHERE place = 'export'"
    exported = {row[0]: row[1] for row in house.query(registered)}
    assert set(exported.values()) == {None}
    assert house.chats["bo"] in exported
    lab = Signer(RECIPIENT, SignatureType.ed25519, bytes(32))
    recipient_answers.register(house.installation, lab.verifier.vkey)
    for chat, answered in (("bo", False), ("ana", True)):
        assert house.chats[chat] in exported
        house.about(do.Delete, chat, chat)
        (seen,) = certificates.list_by_account(house.installation, house.accounts[chat])
        certificates.advance_erasures(house.installation)
        if answered:
            (recalled,) = (
                one
                for one in recall_register.list_recalls(house.installation)
                if one.erasure == seen.erasure
            )
            signed = recipient_answers.sign(lab, recalled.erasure, recalled.handout, house.now)
            recall_register.acknowledge(
                house.installation, recalled.erasure, recalled.handout, signed
            )
        certificates.advance_erasures(house.installation, at_once=True)
        file = json.loads(certificates.certificate_file(house.installation, seen.erasure))
        payload = json.loads(base64.urlsafe_b64decode(file["certificate"].split(".")[1] + "==="))
        (place,) = [one for one in payload["places"] if one["place"] == "export"]
        assert (place["reference"], place["copies"], place["read_back"]) == (
            made.export.removeprefix("exp_"),
            1,
            None,
        )
        assert (place["done"], place["answered"] is not None) == (
            "answered" if answered else "recalled",
            answered,
        )
        documents.append(house.installation)
        raw, own = (
            certificates.certificate_file(house.installation, seen.erasure),
            documents.key(house.installation).vkey,
        )
        report = verifier.check_certificate(
            raw, verifier.trust(own), "it", [verifier.trust(lab.verifier.vkey)]
        )
        assert (report.answer, report.findings) == ("stated", [])
        proved = [part.what for part in report.parts if part.answer == "proved"]
        assert (f"answer of {RECIPIENT}" in proved) == answered
    export_files.recall(house.installation, made.export)
    export_files.acknowledge(house.installation, made.export)
    assert {row[1] for row in house.query(registered)} == {house.now}


def test_a_whole_export_is_recalled_by_a_day_and_acknowledged(house: House, tmp_path: Path) -> None:
    made = export_files.export(
        house.installation, "october", Format.trl, recipient=RECIPIENT, out=tmp_path / "out"
    )
    assert made.export is not None
    with pytest.raises(RefusedError, match="was not recalled"):
        export_files.acknowledge(house.installation, made.export)
    due = export_files.recall(house.installation, made.export).due_at
    assert due is not None
    house.passes(recall_register.RECALL_DAYS)
    assert export_files.list_exports(house.installation)[0].overdue
    assert export_files.recall(house.installation, made.export).due_at == due
    done = export_files.acknowledge(house.installation, made.export)
    assert done.acknowledged_at is not None
    assert not done.overdue


def test_an_export_is_recalled_listed_and_acknowledged_by_commands(
    house: House, tmp_path: Path, dsn: str
) -> None:
    name = export_files.export(
        house.installation, "october", Format.trl, recipient=RECIPIENT, out=tmp_path / "out"
    ).export
    assert name is not None
    run = CliRunner(env={"LICET_DATABASE_URL": dsn})
    data = house.installation.config.data

    def told(*words: str) -> tuple[int, str]:
        save(data, SimulatedClock(house.now))
        done = run.invoke(main, ["recall", *words, "--data", str(data)])
        return done.exit_code, done.stdout

    assert told("export", name, "--dry-run")[0] == 0
    assert told("list") == (0, "every recall is acknowledged\n")
    assert "recalled, due" in told("export", name)[1]
    assert told("list", "--recipient", "another") == (0, "every recall is acknowledged\n")
    code, listed = told("list", "--recipient", RECIPIENT)
    assert (code, name in listed, "OVERDUE" in listed) == (0, True, False)
    house.passes(recall_register.RECALL_DAYS)
    code, listed = told("list")
    assert (code, "OVERDUE" in listed) == (1, True)
    assert told("ack", name, "hand_" + "0" * 32)[0] == 64
    assert told("ack", "era_" + "0" * 32)[0] == 64
    assert ", deleted " in told("ack", name)[1]
    assert told("list", "--json") == (0, '{\n  "erasures": [],\n  "exports": []\n}\n')


def test_the_configuration_reads_the_files_that_were_written(house: House, tmp_path: Path) -> None:
    house.about(do.GiveFeedback, "cy", "cy", rating="down", share=Share.rating, turn=2)
    done = export_files.export(
        house.installation, "october", Format.axolotl, recipient=RECIPIENT, out=tmp_path / "axolotl"
    )
    assert done.lines == {"sft": 3, "dpo": 3, "kto": 3}
    for kind in done.lines:
        made = yaml.safe_load((tmp_path / "axolotl" / f"{kind}.yaml").read_text("utf-8"))
        (data,) = made["datasets"]
        assert (tmp_path / "axolotl" / data["path"]).is_file()
        fields = [value for key, value in data.items() if key.startswith("field_")]
        assert all(field in line for field in fields for line in read(tmp_path / "axolotl", kind))
    with pytest.raises(UsageError, match="already exists"):
        export_files.export(
            house.installation,
            "october",
            Format.axolotl,
            recipient=RECIPIENT,
            out=tmp_path / "axolotl",
        )


def test_the_settings_of_every_trainer_s_configuration_are_those_of_the_golden_files() -> None:
    """TESTS_WRITE_GOLDEN=1 writes them anew: read the diff as anyone who trains with it would."""
    folder = Path(__file__).parent / "golden"
    for to in Format:
        made, _ = export_configs.config_files(to, dict.fromkeys(WRITTEN.get(to, ExportKind), 1))
        told = "\n".join(f"## {name}\n{content.decode()}" for name, content in made.items())
        if os.environ.get("TESTS_WRITE_GOLDEN"):
            folder.mkdir(exist_ok=True)
            (folder / f"{to}.txt").write_text(told, encoding="utf-8")
        assert told == (folder / f"{to}.txt").read_text("utf-8"), (
            "TESTS_WRITE_GOLDEN=1 writes the golden files anew"
        )


def alternates(messages: list[dict[str, Any]], last: str) -> bool:
    roles = [one["role"] for one in messages]
    return roles == (["user", "assistant"] * len(roles))[: len(roles)] and roles[-1] == last


def test_llama_factory_s_description_names_files_that_its_converter_takes(
    house: House, tmp_path: Path
) -> None:
    """`SharegptDatasetConverter` skips a line whose roles do not alternate, or that does not end as
    it has to.
    """
    done = export_files.export(
        house.installation,
        "october",
        Format.llama_factory,
        recipient=RECIPIENT,
        out=tmp_path / "out",
    )
    assert done.lines == {"sft": 3, "dpo": 3, "kto": 2}
    known = json.loads((tmp_path / "out" / "dataset_info.json").read_text("utf-8"))
    for kind in done.lines:
        stage = yaml.safe_load((tmp_path / "out" / f"{kind}.yaml").read_text("utf-8"))
        described = known[stage["dataset"]]
        columns, tags = described["columns"], described["tags"]
        assert (stage["stage"], described["formatting"], described["file_name"]) == (
            kind,
            "sharegpt",
            f"{kind}.jsonl",
        )
        assert (tags["role_tag"], tags["content_tag"], tags["user_tag"], tags["assistant_tag"]) == (
            "role",
            "content",
            "user",
            "assistant",
        )
        for line in read(tmp_path / "out", kind):
            assert alternates(
                line[columns["messages"]], "user" if described.get("ranking") else "assistant"
            )
            if described.get("ranking"):
                assert (
                    line[columns["chosen"]]["role"]
                    == line[columns["rejected"]]["role"]
                    == "assistant"
                )
            if "kto_tag" in columns:
                assert isinstance(line[columns["kto_tag"]], bool)


def test_verl_s_parquet_is_read_as_its_data_set_reads_it(house: House, tmp_path: Path) -> None:
    pandas = require("pandas")
    done = export_files.export(
        house.installation, "october", Format.verl, recipient=RECIPIENT, out=tmp_path / "out"
    )
    assert done.lines == {"sft": 3}
    assert "data.train_files=sft.parquet" in (tmp_path / "out" / "train_sft.sh").read_text("utf-8")
    frame = pandas.read_parquet(tmp_path / "out" / "sft.parquet")
    assert len(frame) == 3
    for messages, labels in zip(frame["messages"], frame["row_labels"], strict=True):
        assert alternates(list(messages), "assistant")
        assert json.loads(labels)["split"] == "train"
    assert sorted(frame["ordinal"]) == sorted(
        {line["ordinal"] for line in trl_lines(house, tmp_path)}
    )


@pytest.mark.parametrize("to", [Format.mds, Format.webdataset, Format.lance])
def test_shards_hold_the_lines_of_trl_as_their_own_loader_reads_them(
    house: House, tmp_path: Path, to: Format
) -> None:
    if to is Format.lance:
        require("lance")
    made = export_files.export(
        house.installation, "october", to, recipient=RECIPIENT, out=tmp_path / "out"
    )
    assert made.lines == {"sft": 3, "dpo": 3, "kto": 2}
    export_files.export(
        house.installation, "october", Format.trl, recipient=RECIPIENT, out=tmp_path / "trl"
    )
    for kind in made.lines:
        lines_read = READ[to](tmp_path / "out" / f"{kind}.{to}")
        stated = [
            {name: value for name, value in line.items() if value is not None}
            for line in lines_read
        ]
        assert stated == read(tmp_path / "trl", kind)
    assert f"sft.{to}" in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert {one.format for one in export_files.list_exports(house.installation, RECIPIENT)} == {
        "trl",
        to.value,
    }


@pytest.mark.parametrize("to", [Format.mds, Format.webdataset])
def test_shards_are_of_a_bounded_size_and_the_same_lines_give_the_same_bytes(
    tmp_path: Path, to: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_files, "SHARD_BYTES", 20_000)
    said = [{"messages": [user("q" * 5 * n), answer("a")], "ordinal": n} for n in range(200)]
    written = []
    for name in ("one", "other"):
        folder = tmp_path / f"{name}.{to}"
        file = line_files.open_lines(folder, to)
        for start in range(0, 200, 7):
            file.write(said[start : start + 7])
        file.close()
        assert [
            {k: v for k, v in line.items() if v is not None} for line in READ[to](folder)
        ] == said
        shards = [path for path in folder.iterdir() if path.name != "index.json"]
        assert len(shards) > 4
        assert max(path.stat().st_size for path in shards) < 2 * 20_000
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]


def read_mds(folder: Path) -> list[dict[str, Any]]:
    """As MosaicML Streaming reads it: by `index.json`, and by the offsets at the head of each
    shard.
    """
    found = []
    for shard in json.loads((folder / "index.json").read_bytes())["shards"]:
        data = (folder / shard["raw_data"]["basename"]).read_bytes()
        assert len(data) == shard["raw_data"]["bytes"]
        (count,) = struct.unpack_from("<I", data)
        ends = struct.unpack_from(f"<{count + 1}I", data, 4)
        assert (count, ends[-1]) == (shard["samples"], len(data))
        about = json.loads(data[4 * (count + 2) : ends[0]])
        assert all(shard[name] == value for name, value in about.items())
        for start, end in itertools.pairwise(ends):
            sample, line = data[start:end], {}
            free = shard["column_sizes"].count(None)
            sizes, place = iter(struct.unpack_from(f"<{free}I", sample)), 4 * free
            for name, encoding, size in zip(
                shard["column_names"], shard["column_encodings"], shard["column_sizes"], strict=True
            ):
                value = sample[place : place + (length := next(sizes) if size is None else size)]
                line[name] = (
                    json.loads(value) if encoding == "json" else struct.unpack("<q", value)[0]
                )
                place += length
            assert place == len(sample)
            found.append(line)
    return found


def read_tars(folder: Path) -> list[dict[str, Any]]:
    """With WebDataset itself."""
    webdataset = require("webdataset")
    shards = [str(path) for path in sorted(folder.glob("*.tar"))]
    return [sample["json"] for sample in webdataset.WebDataset(shards, shardshuffle=False).decode()]


def read_lance(folder: Path) -> list[dict[str, Any]]:
    """With Lance itself."""
    rows = require("lance").dataset(str(folder)).to_table().to_pylist()
    return [
        {name: value if name == "ordinal" else json.loads(value) for name, value in row.items()}
        for row in rows
    ]


READ = {Format.mds: read_mds, Format.webdataset: read_tars, Format.lance: read_lance}


def trl_lines(house: House, tmp_path: Path) -> list[dict[str, Any]]:
    export_files.export(
        house.installation, "october", Format.trl, recipient=RECIPIENT, out=tmp_path / "trl"
    )
    return read(tmp_path / "trl", "sft")


def test_torchtune_s_and_nemo_s_configurations_name_the_files_and_their_columns(
    house: House, tmp_path: Path
) -> None:
    for to in (Format.torchtune, Format.nemo):
        done = export_files.export(
            house.installation, "october", to, recipient=RECIPIENT, out=tmp_path / to
        )
        assert done.lines == {"sft": 3, "dpo": 3}
    tune = yaml.safe_load((tmp_path / "torchtune" / "sft.yaml").read_text("utf-8"))["dataset"]
    assert tune["_component_"] == "torchtune.datasets.chat_dataset"
    assert all(
        alternates(line[tune["conversation_column"]], "assistant")
        for line in read(tmp_path / "torchtune", "sft")
    )
    for line in read(tmp_path / "torchtune", "dpo"):
        assert line["chosen"][:-1] == line["rejected"][:-1]
        assert alternates(line["chosen"], "assistant")
    nemo = yaml.safe_load((tmp_path / "nemo" / "sft.yaml").read_text("utf-8"))["data"]["train"]
    assert (nemo["dataset_name"], nemo["data_path"]) == ("openai_format", "sft.jsonl")
    assert all(
        line[nemo["chat_key"]][-1]["role"] == "assistant" for line in read(tmp_path / "nemo", "sft")
    )
    assert all(
        [one["rank"] for one in line["completions"]] == [0, 1]
        for line in read(tmp_path / "nemo", "dpo")
    )


def test_the_scripts_are_python_and_shell_and_hugging_face_keeps_each_call_s_own_arguments(
    house: House, tmp_path: Path
) -> None:
    datasets = require("datasets")
    for to in (Format.trl, Format.unsloth, Format.verl):
        export_files.export(
            house.installation, "october", to, recipient=RECIPIENT, out=tmp_path / to
        )
        for script in (tmp_path / to).glob("*.py"):
            compile(script.read_text("utf-8"), str(script), "exec")
        for script in (tmp_path / to).glob("*.sh"):
            subprocess.run(["sh", "-n", str(script)], check=True)
    calls = [{"a": 1}, {"b": ["x"]}]
    rows = [
        {"messages": [{**answer("", "c"), "tool_calls": [{"function": {"arguments": call}}]}]}
        for call in calls
    ]
    assert 'from_list(rows, on_mixed_types="use_json")' in (
        tmp_path / "trl" / "train_sft.py"
    ).read_text("utf-8")
    data = datasets.Dataset.from_list(rows, on_mixed_types="use_json")
    assert [line["messages"][0]["tool_calls"][0]["function"]["arguments"] for line in data] == calls


EACH = (
    "import runpy, sys\n"
    "base, folder, kinds = sys.argv[1], sys.argv[2], sys.argv[3:]\n"
    "for kind in kinds:\n"
    "    sys.argv = [f'train_{kind}.py', base, f'{folder}/out-{kind}']\n"
    "    runpy.run_path(f'{folder}/train_{kind}.py', run_name='__main__')\n"
)


def test_trl_trains_from_each_script_on_the_lines_beside_it(tmp_path: Path) -> None:
    """TRL's own code reads what was written: 15 s of processor time, most of which is its start."""
    trl = require("trl")
    from transformers import LlamaConfig, LlamaForCausalLM

    from licet.train.recipe import vocabulary

    tokenizer = vocabulary(["how are you", "very well thank you"], 400)
    template = Path(trl.__file__).parent / "chat_templates" / "qwen3_training.jinja"
    tokenizer.chat_template = template.read_text("utf-8")
    small: Any = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(small).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    calls = [user("q"), answer("", "c"), tool("r", "c"), answer("so")]
    other = [
        user("q"),
        answer("", "c"),
        tool("r", "c"),
        answer("no"),
        user("z"),
        user("y"),
        answer("k"),
    ]
    for asked, given in ((calls, '{"a": 1}'), (other, '{"b": ["x"]}')):
        asked[1]["tool_calls"][0]["function"]["arguments"] = given
    rows = [list(AGAIN), calls, other, list(AGAIN)]
    made = [
        shape_row(row(*said), {len(said) - 1: n % 2 == 0}, Format.trl)
        for n, said in enumerate(rows)
    ]
    for kind in ExportKind:
        lines_of = [json.dumps(line) + "\n" for one in made for line in one.lines[kind]]
        (tmp_path / f"{kind}.jsonl").write_text("".join(lines_of))
    for name, data in export_configs.config_files(Format.trl, dict.fromkeys(ExportKind, 1))[
        0
    ].items():
        (tmp_path / name).write_bytes(data)
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "HF_HOME": str(tmp_path / "home"),
    }
    ran = subprocess.run(
        [sys.executable, "-c", EACH, str(tmp_path / "base"), str(tmp_path), *ExportKind],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3_000:]
    for kind in ExportKind:
        assert (tmp_path / f"out-{kind}" / "model.safetensors").is_file()
    assert not list((tmp_path / "home").rglob("*.arrow")), "no line is cached"
