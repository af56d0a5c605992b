"""Converts rows of a release to the file formats of other trainers.

    sft    a conversation: `messages`
    dpo    an answer that was regenerated, and the one that was kept, of one person: the same prompt, two completions
    kto    an answer that its own person rated, or the host checked: prompt, completion, thumb

Invariants: every line is a conversation by the rule of `conversations`, or is one up to the answer
that it is about; a pair comes from one row, hence one person, with nothing left out between its
prompt and either answer, and with the same surrogate names; nothing is invented.

Sources of the shapes: TRL 1.16 dataset formats; OpenAI's fine-tuning guides; Axolotl's prompt
strategies (`chat_template`, `chat_template.default`, `chatml.ultra`); LLaMA-Factory's
`data/README.md` and `SharegptDatasetConverter`; torchtune's `OpenAIToMessages` and
`ChosenRejectedToMessages`; verl's `MultiTurnSFTDataset`; NeMo RL's `OpenAIFormatDataset` and
`PreferenceDataset`; Unsloth trains with TRL, and the formats of shards (`line_files`) have its
lines. Chat templates take the arguments of a call as an object, OpenAI and Axolotl as text: Axolotl
parses it, and Hugging Face data sets would give each call the arguments of every other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from licet.curate.made_up_names import find_made_words
from licet.release.reader import LoadedRow
from licet.release.rows import MessageShape
from licet.train.conversations import (
    alternatives,
    conversation,
    decode_arguments,
    is_answer,
    kept_answer,
    prompt,
    split_instructions,
)

Line = dict[str, Any]
LABELS = "row_labels"  # not `labels`, which trainers take for token ids
CHECKS, TOOLS = "row_checks", "tools"
_TURNED = "<|im_"  # the end of a message in Axolotl's prompts: text with it would end one


class Format(StrEnum):
    trl = "trl"
    openai = "openai"
    axolotl = "axolotl"
    llama_factory = "llama-factory"
    torchtune = "torchtune"
    verl = "verl"
    unsloth = "unsloth"
    nemo = "nemo"
    mds = "mds"
    webdataset = "webdataset"
    lance = "lance"


class ExportKind(StrEnum):
    """What a line trains."""

    sft = "sft"
    dpo = "dpo"
    kto = "kto"


# a row ends before its first call
WITHOUT_TOOLS = frozenset({Format.llama_factory, Format.torchtune, Format.verl})
# Unsloth trains on all text from the assistant's beginning to the person's next words, including
# tools' messages.
WITHOUT_MARKERS = frozenset({Format.unsloth})
# folders that loaders stream, of lines as TRL's
AS_SHARDS = frozenset({Format.mds, Format.webdataset, Format.lance})
LIKE_TRL = frozenset({Format.trl, Format.unsloth}) | AS_SHARDS
WITH_OBJECTS = LIKE_TRL | {Format.nemo}
NO_ANSWER = "no answer of the assistant's is in the conversation"
NO_PLACE = "a rated answer has no place in this format"
NO_PAIRS = "a pair has no place in this format"
UNLIKE = "a pair of answers in which names were not replaced alike"
ENDED = "the conversation ends before a rated answer or a pair"


class ShapedLine(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of one row, by kind, and why a possible kind has none or a shorter one."""

    lines: Mapping[ExportKind, Sequence[Line]]
    left_out: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"ShapedLine(sealed, {sum(map(len, self.lines.values()))} lines)"


def shape_row(row: LoadedRow, ratings: Mapping[int, bool], to: Format) -> ShapedLine:
    """Converts one row to ``to``; ``ratings`` say whether answers are good, by position."""
    has_markers = bool(row.get("results_left_out"))
    tools = to not in WITHOUT_TOOLS and not (has_markers and to in WITHOUT_MARKERS)
    left_out: list[str] = []
    lines: dict[ExportKind, list[Line]] = {kind: [] for kind in ExportKind}
    about: Line = {"ordinal": row["ordinal"]}
    if "labels" in row:
        about[LABELS] = row["labels"]
    if "checks" in row:
        about[CHECKS] = row["checks"]
    made = conversation(row, ratings, tools=tools)
    if made.messages:
        offers = {"tools": list(made.tools)} if made.tools else {}
        lines[ExportKind.sft].append(
            {"messages": _messages_for(to, made.messages), **offers, **about}
        )
    else:
        left_out.append(NO_ANSWER)
    if made.messages and made.cut is not None:
        left_out.append(made.cut.value)
    split_row = split_instructions(row)
    plain, ratings = split_row.row, split_row.move_ratings(ratings)
    messages, gaps = plain["messages"], plain.get("gaps", ())
    offered = split_row.tools if tools else ()
    for place, chosen, rejected in pairs(messages, ratings, gaps):
        if find_made_words(chosen["content"]) != find_made_words(rejected["content"]):
            left_out.append(UNLIKE)
            continue
        before = prompt(plain, place, ratings, tools=tools)
        pair = (
            None
            if before is None
            else _dpo(_messages_for(to, [*split_row.first, *before]), chosen, rejected, to, offered)
        )
        if pair is None:
            left_out.append(ENDED if before is None else NO_PAIRS)
        else:
            lines[ExportKind.dpo].append({**pair, **about})
    for place, is_up in sorted(ratings.items()):
        before = prompt(plain, _first_of(messages, place, gaps), ratings, tools=tools)
        rated = (
            None
            if before is None
            else _kto([*split_row.first, *before], messages[place], is_up, to, offered)
        )
        if rated is None:
            left_out.append(ENDED if before is None else NO_PLACE)
        else:
            lines[ExportKind.kto].append({**rated, **about})
    return ShapedLine(lines=lines, left_out=left_out)


def pairs(
    messages: Sequence[MessageShape], ratings: Mapping[int, bool], gaps: Collection[int] = ()
) -> Iterator[tuple[int, MessageShape, MessageShape]]:
    """The position of the answers, the kept one, and one that was not. None if the kept one was
    rated down or has the same text.
    """
    for places in alternatives(messages, gaps):
        chosen = kept_answer(places, ratings)
        if ratings.get(chosen) is False:
            continue
        for place in places:
            if (
                place != chosen
                and not ratings.get(place)
                and messages[place]["content"] != messages[chosen]["content"]
            ):
                yield places[0], messages[chosen], messages[place]


def _first_of(messages: Sequence[MessageShape], place: int, gaps: Collection[int]) -> int:
    return next((places[0] for places in alternatives(messages, gaps) if place in places), place)


# Shapes


def _messages_for(to: Format, messages: Sequence[MessageShape]) -> list[Any]:
    return decode_arguments(messages) if to in WITH_OBJECTS else list(messages)


def _dpo(
    before: list[Any],
    chosen: MessageShape,
    rejected: MessageShape,
    to: Format,
    offered: Sequence[Line],
) -> Line | None:
    offers = {"tools": list(offered)} if offered else {}
    if to in LIKE_TRL:
        return {"prompt": before, "chosen": [chosen], "rejected": [rejected], **offers}
    match to:
        case Format.openai:
            prompt = {"messages": before, "tools": list(offered), "parallel_tool_calls": True}
            return {
                "input": prompt,
                "preferred_output": [chosen],
                "non_preferred_output": [rejected],
            }
        case Format.axolotl | Format.llama_factory:
            return {"messages": before, "chosen": chosen, "rejected": rejected, **offers}
        case Format.torchtune:
            return {"chosen": [*before, chosen], "rejected": [*before, rejected]}
        case Format.nemo:
            ranked = [
                {"rank": rank, "completion": [answer]}
                for rank, answer in enumerate((chosen, rejected))
            ]
            return {"context": before, "completions": ranked, **offers}
        case _:
            return None  # verl trains on conversations alone, and on rewards


def _kto(
    before: Sequence[MessageShape],
    answer: MessageShape,
    is_up: bool,
    to: Format,
    offered: Sequence[Line],
) -> Line | None:
    if not is_answer(answer):
        return None
    if to in LIKE_TRL:
        offers = {"tools": list(offered)} if offered else {}
        return {
            "prompt": decode_arguments(before),
            "completion": [answer],
            "label": is_up,
            **offers,
        }
    match to:
        case Format.llama_factory:
            return {"messages": [*before, answer], "label": is_up}
        case Format.axolotl:
            instructions = [m["content"] for m in before[:1] if m["role"] == "system"]
            text = _chatml(before[len(instructions) :])
            if text is None or any(_TURNED in part for part in (answer["content"], *instructions)):
                return None
            system = {"system": instructions[0]} if instructions else {}
            return {**system, "prompt": text, "completion": answer["content"], "label": is_up}
        case _:
            return None  # the others take pairs alone, or not even these


def _chatml(before: Sequence[MessageShape]) -> str | None:
    """Earlier messages as text inside one user's message of ChatML; None if that is impossible."""
    is_plain = all(
        not m.get("tool_calls") and _TURNED not in m["content"] and m["role"] != "tool"
        for m in before
    )
    if not is_plain or before[0]["role"] != "user" or before[-1]["role"] != "user":
        return None
    first, *others = before
    turns = (
        f"<|im_end|>\n<|im_start|>{message['role']}\n{message['content']}" for message in others
    )
    return first["content"] + "".join(turns)
