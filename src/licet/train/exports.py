"""Rows of a release in the file formats of other trainers: plain text, with the configuration that reads it.

    sft    a conversation with the answers that were kept: `messages`
    dpo    an answer that was regenerated, and the one that was kept, of one person: the same prompt, two completions
    kto    an answer that its own person rated: prompt, completion, thumb

Invariants: every row of `sft` has an answer of the assistant's; a pair is of one row, hence of one person; nothing is
invented except, for OpenAI's shape, an empty message in place of a tool's result, which never leaves the vault.

Consecutive answers of the assistant's, without a tool call or another author between them, are answers to the same
message: the last one was kept, unless its person rated another one up. Sources of the shapes: TRL 1.16 dataset formats,
OpenAI's fine-tuning guides, Axolotl's prompt strategies (`chat_template`, `chat_template.default`, `chatml.ultra`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import takewhile
from typing import Any

import msgspec

from licet.release.reader import LoadedRow
from licet.release.rows import MessageShape

Line = dict[str, Any]
LABELS = "row_labels"  # not `labels`, which trainers take for token ids
_TURNED = "<|im_"  # the end of a message in Axolotl's prompts: text with it would end one


class Format(StrEnum):
    trl = "trl"
    openai = "openai"
    axolotl = "axolotl"


class ExportKind(StrEnum):
    """What a line is used to train."""

    sft = "sft"
    dpo = "dpo"
    kto = "kto"


class ShapedLine(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of one row, by kind, and why a kind that was possible has none."""

    lines: Mapping[ExportKind, Sequence[Line]]
    left_out: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"Shaped(sealed, {sum(map(len, self.lines.values()))} lines)"


def shaped(row: LoadedRow, ratings: Mapping[int, bool], to: Format) -> ShapedLine:
    """One row in the shape of ``to``; ``ratings`` are its person's thumbs, by the position of the answer in the row."""
    messages, ordinal = row["messages"], row["ordinal"]
    left_out: list[str] = []
    lines: dict[ExportKind, list[Line]] = {kind: [] for kind in ExportKind}
    stays = standing(messages, ratings)
    about: Line = {"ordinal": ordinal}
    if "labels" in row:
        about[LABELS] = row["labels"]
    if any(_speaks(message) for message in stays):
        lines[ExportKind.sft].append({**_sft(stays, to), **about})
    else:
        left_out.append("no answer of the assistant's")
    for prompt, chosen, rejected in pairs(messages, ratings):
        lines[ExportKind.dpo].append({**_dpo(prompt, chosen, rejected, to), **about})
    for place, is_up in sorted(ratings.items()):
        made = _kto(standing(messages[: _first_of(messages, place)], ratings), messages[place], is_up, to)
        if made is None:
            left_out.append("a rated answer has no place in this format")
        else:
            lines[ExportKind.kto].append({**made, **about})
    return ShapedLine(lines=lines, left_out=left_out)


# Answers to the same message


def alternatives(messages: Sequence[MessageShape]) -> Iterator[range]:
    """The positions of answers to the same message: two or more of the assistant's in a row, none with a tool call."""
    first = None
    for place in range(len(messages) + 1):
        is_answer = place < len(messages) and _answers(messages[place])
        if is_answer and first is None and place > 0 and messages[place - 1]["role"] == "user":
            first = place
        elif not is_answer and first is not None:
            ends = place == len(messages) or messages[place]["role"] == "user"
            if ends and place - first > 1:
                yield range(first, place)
            first = None


def _answers(message: MessageShape) -> bool:
    return message["role"] == "assistant" and not message.get("tool_calls") and bool(message["content"].strip())


def _speaks(message: MessageShape) -> bool:
    return message["role"] == "assistant" and bool(message["content"].strip() or message.get("tool_calls"))


def _stayed(places: range, ratings: Mapping[int, bool]) -> int:
    """The answer that was kept: the last that was rated up, or else the last."""
    return max((place for place in places if ratings.get(place)), default=places[-1])


def standing(messages: Sequence[MessageShape], ratings: Mapping[int, bool]) -> list[MessageShape]:
    """The conversation without the answers that were regenerated."""
    gone = {place for places in alternatives(messages) for place in places if place != _stayed(places, ratings)}
    return [message for place, message in enumerate(messages) if place not in gone]


def pairs(
    messages: Sequence[MessageShape], ratings: Mapping[int, bool]
) -> Iterator[tuple[list[MessageShape], MessageShape, MessageShape]]:
    """Prompt, the answer that was kept, and one that was not. None if the kept one was rated down, or has the same
    text.
    """
    for places in alternatives(messages):
        chosen = _stayed(places, ratings)
        if ratings.get(chosen) is False:
            continue
        prompt = standing(messages[: places[0]], ratings)
        for place in places:
            if place != chosen and not ratings.get(place) and messages[place]["content"] != messages[chosen]["content"]:
                yield prompt, messages[chosen], messages[place]


def _first_of(messages: Sequence[MessageShape], place: int) -> int:
    return next((places[0] for places in alternatives(messages) if place in places), place)


# Shapes


def _sft(messages: Sequence[MessageShape], to: Format) -> Line:
    return {"messages": _answered(messages) if to is Format.openai else list(messages)}


def _answered(messages: Sequence[MessageShape]) -> list[Line]:
    """Adds an empty message for each call without a result, as OpenAI's shape requires; omits results without a call."""
    result: list[Line] = []
    for place, message in enumerate(messages):
        if message["role"] == "tool" and not message.get("tool_call_id"):
            continue
        result.append(dict(message))
        if message["role"] == "assistant" and message.get("tool_calls"):
            after = takewhile(lambda each: each["role"] == "tool", messages[place + 1 :])
            answered = {each.get("tool_call_id") for each in after}
            waits = [call["id"] for call in message["tool_calls"] if call["id"] not in answered]
            result += [{"role": "tool", "tool_call_id": call, "content": ""} for call in waits]
    return result


def _dpo(prompt: Sequence[MessageShape], chosen: MessageShape, rejected: MessageShape, to: Format) -> Line:
    match to:
        case Format.trl:
            return {"prompt": list(prompt), "chosen": [chosen], "rejected": [rejected]}
        case Format.openai:
            given = {"messages": _answered(prompt), "tools": [], "parallel_tool_calls": True}
            return {"input": given, "preferred_output": [chosen], "non_preferred_output": [rejected]}
        case Format.axolotl:
            return {"messages": list(prompt), "chosen": chosen, "rejected": rejected}


def _kto(prompt: Sequence[MessageShape], answer: MessageShape, is_up: bool, to: Format) -> Line | None:
    if not prompt or not _answers(answer):
        return None
    match to:
        case Format.trl:
            return {"prompt": list(prompt), "completion": [answer], "label": is_up}
        case Format.openai:
            return None  # it accepts only pairs
        case Format.axolotl:
            text = _chatml(prompt)
            if text is None or _TURNED in answer["content"]:
                return None
            return {"prompt": text, "completion": answer["content"], "label": is_up}


def _chatml(prompt: Sequence[MessageShape]) -> str | None:
    """Earlier messages as one text inside a user's message of ChatML; None if that is not possible."""
    is_plain = all(not m.get("tool_calls") and _TURNED not in m["content"] and m["role"] != "tool" for m in prompt)
    if not is_plain or prompt[0]["role"] != "user" or prompt[-1]["role"] != "user":
        return None
    first, *others = prompt
    turns = (f"<|im_end|>\n<|im_start|>{message['role']}\n{message['content']}" for message in others)
    return first["content"] + "".join(turns)
