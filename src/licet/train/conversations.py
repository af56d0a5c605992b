"""Converts a row to a trainable conversation: the sides alternate, and results follow their calls.

The rule, applied in this order to the messages of a row:

    0. A gap is a place before which a turn was left out. If only results of the preceding calls were left out
       (``results_left_out``), `RESULT_LEFT_OUT` replaces each. At any other gap the row ends before an answer or a tool's
       message, which would refer to something that is not in the row.
    0b. The host's instructions to its model before the first answer come first, and the tools that it offered beside the
       messages. The row ends before an answer given under other instructions.
    1. Of several answers to the same words, one is kept (`kept_answer`). Answers with a gap between them are not to the
       same words.
    2. Messages before the person's first words are dropped: they refer to something that is not in the row.
    3. Consecutive messages of the same side are merged, separated by an empty line; so are calls that follow the
       assistant's own words or calls.
    4. The row ends before what cannot be read: calls of tools whose arguments are no objects or whose ids are ambiguous,
       a result without its call, an empty message of the person's. It ends with calls unless each of their results is
       there with words in it, and then another call or an answer in words.
    5. The row ends with the last words or calls of the assistant.

Invariants of the result: it begins with the person, after any instructions of the host; person and
assistant alternate, and tool steps, each a call with all of its results, stand between a person's
message and its answer; the last message is the assistant's, an answer in words or calls whose
results nobody needs to learn from. No text is changed except by rule 3, and the only added text is
`RESULT_LEFT_OUT`, always as a tool's message, which trainers never count in the loss.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from licet.release.rows import ConversationShape, MessageShape
from licet.vault.content import offered_tools

BETWEEN = "\n\n"
RESULT_LEFT_OUT = "[result left out: it may not be used for training]"


class ConversationCut(StrEnum):
    """Why a row ends before its recorded end."""

    tools = "it ends before, or with, a call of a tool whose results or answer cannot be read"
    empty = "it ends before an empty message"
    gap = "it ends before an answer to something that was left out"
    instructions = "it ends before an answer under other instructions"


class RowConversation(msgspec.Struct, frozen=True, kw_only=True):
    """The ``messages`` after the rule, empty without an answer; the offered ``tools`` as OpenAI
    functions; and why the row was cut, if it was.
    """

    messages: Sequence[MessageShape]
    tools: Sequence[dict[str, Any]] = ()
    cut: ConversationCut | None = None

    def __repr__(self) -> str:
        return f"RowConversation(sealed, {len(self.messages)} messages)"


def conversation(
    row: ConversationShape, ratings: Mapping[int, bool] | None = None, *, tools: bool = True
) -> RowConversation:
    """The conversation in a ``row`` of `licet.load`, which is not changed; ``ratings`` are thumbs
    by position.

    ``tools=False`` is for trainers without tools: the row then ends before the first call.
    """
    split_row = split_instructions(row)
    row, ratings = split_row.row, split_row.move_ratings(ratings or {})
    end = _first_unanswerable(row)
    made, cut = _alternate(_fill_results(row, end, ratings, tools=tools), tools=tools)
    if cut is None and end < len(row["messages"]):
        cut = ConversationCut.gap
    if cut is None and split_row.is_cut:
        cut = ConversationCut.instructions
    while made and made[-1]["role"] != "assistant":
        made.pop()
    return RowConversation(
        messages=[*split_row.first, *made] if made else [],
        tools=split_row.tools if tools else (),
        cut=cut,
    )


class InstructedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row without the host's instructions: ``first`` is their message, ``tools`` those offered.

    ``places``: the original positions of the messages; ``is_cut``: it ends before other
    instructions.
    """

    row: ConversationShape
    places: Sequence[int]
    first: Sequence[MessageShape] = ()
    tools: Sequence[dict[str, Any]] = ()
    is_cut: bool = False

    def __repr__(self) -> str:
        return f"InstructedRow(sealed, {len(self.places)} messages)"

    def move_ratings(self, ratings: Mapping[int, bool]) -> dict[int, bool]:
        """The ratings by position in ``row``, without those beyond its end."""
        return {new: ratings[old] for new, old in enumerate(self.places) if old in ratings}


def split_instructions(row: ConversationShape) -> InstructedRow:
    """Separates a ``row`` from the instructions under which its answers were given. An unparsable
    list of tools (de-identification may damage one) ends the row: later answers were given under
    unknown instructions.
    """
    messages = row["messages"]
    if all(message["role"] != "system" for message in messages):
        return InstructedRow(row=row, places=range(len(messages)))
    instructions: list[MessageShape] = []
    places: list[int] = []
    end, has_answered = len(messages), False
    for place, message in enumerate(messages):
        if message["role"] == "system":
            if (has_answered and message not in instructions) or offered_tools(
                message.get("tools") or "[]"
            ) is None:
                end = place
                break
            instructions += [message] if message not in instructions else []
        else:
            has_answered = has_answered or message["role"] == "assistant"
            places.append(place)
    words = BETWEEN.join(
        instruction["content"] for instruction in instructions if instruction["content"].strip()
    )
    tools = [
        tool
        for instruction in instructions
        for tool in offered_tools(instruction.get("tools") or "[]") or ()
    ]
    return InstructedRow(
        row=_select_messages(row, places),
        places=places,
        first=[{"role": "system", "content": words}] if words else [],
        tools=tools,
        is_cut=end < len(messages),
    )


def _select_messages(row: ConversationShape, places: Sequence[int]) -> ConversationShape:
    """The row with only the messages at ``places``. A gap before a dropped message moves to the
    next kept one; only results are missing there if that holds for each.
    """
    made: ConversationShape = {"messages": [row["messages"][place] for place in places]}
    filled = set(row.get("results_left_out", ()))
    moved = [(bisect_left(places, gap), gap) for gap in row.get("gaps", ())]
    unfilled = {place for place, gap in moved if gap not in filled}
    gaps = sorted({place for place, _ in moved if place < len(places)})
    if gaps:
        made["gaps"] = gaps
    if left_out := [place for place in gaps if place not in unfilled]:
        made["results_left_out"] = left_out
    return made


def prompt(
    row: ConversationShape,
    place: int,
    ratings: Mapping[int, bool] | None = None,
    *,
    tools: bool = True,
) -> list[MessageShape] | None:
    """The messages before an answer at ``place``; None if the rule cuts them, there is nothing to
    answer, or an unfilled gap precedes it. The row must have no instructions
    (`split_instructions`).
    """
    if place in _unfilled(row) or _first_unanswerable(row) < place:
        return None
    made, cut = _alternate(
        _fill_results(row, place, ratings or {}, tools=tools), tools=tools, answered=False
    )
    return made if cut is None and made and made[-1]["role"] != "assistant" else None


def _unfilled(row: ConversationShape) -> set[int]:
    """The gaps that `RESULT_LEFT_OUT` does not fill."""
    return set(row.get("gaps", ())) - set(row.get("results_left_out", ()))


def _first_unanswerable(row: ConversationShape) -> int:
    """The position of the first message that refers to something left out; the end if there is
    none.

    Nothing before the person's first words is kept, so nothing ends there.
    """
    messages, unfilled, begun = row["messages"], _unfilled(row), False
    for place, message in enumerate(messages):
        if begun and place in unfilled and message["role"] != "user":
            return place
        begun = begun or message["role"] == "user"
    return len(messages)


def _fill_results(
    row: ConversationShape, end: int, ratings: Mapping[int, bool], *, tools: bool
) -> list[MessageShape]:
    """The first ``end`` messages without superseded answers, a marker for each missing result, and
    consecutive calls in one message.
    """
    messages, filled = row["messages"][:end], set(row.get("results_left_out", ()))
    superseded = _superseded(messages, ratings)
    made: list[MessageShape] = []
    for place, message in enumerate(messages):
        if place in filled and made:
            made += _markers(made[-1])
        if place in superseded:
            continue
        if tools and place not in filled and made and _continues_calls(made[-1], message):
            made[-1] = _with_calls(made[-1], message)
        else:
            made.append(message)
    if end in filled and made:
        made += _markers(made[-1])
    return made


def _markers(message: MessageShape) -> list[MessageShape]:
    return [
        {
            "role": "tool",
            "content": RESULT_LEFT_OUT,
            "tool_call_id": call["id"],
            "name": call["function"]["name"],
        }
        for call in message.get("tool_calls", ())
    ]


def _continues_calls(earlier: MessageShape, later: MessageShape) -> bool:
    return earlier["role"] == later["role"] == "assistant" and bool(later.get("tool_calls"))


def _with_calls(earlier: MessageShape, later: MessageShape) -> MessageShape:
    texts = (earlier["content"], later["content"])
    words = BETWEEN.join(text for text in texts if text.strip())
    calls = [*earlier.get("tool_calls", ()), *later["tool_calls"]]
    return {"role": "assistant", "content": words, "tool_calls": calls}


# Answers to the same words


def alternatives(messages: Sequence[MessageShape], gaps: Collection[int] = ()) -> Iterator[range]:
    """The positions of answers to the same words: two or more consecutive messages of the assistant
    without tool calls, with nothing left out since those words.
    """
    first = None
    for place in range(len(messages) + 1):
        is_alternative = place < len(messages) and is_answer(messages[place]) and place not in gaps
        if is_alternative and first is None and place > 0 and messages[place - 1]["role"] == "user":
            first = place
        elif not is_alternative and first is not None:
            ends = place == len(messages) or messages[place]["role"] == "user" or place in gaps
            if ends and place - first > 1:
                yield range(first, place)
            first = None


def is_answer(message: MessageShape) -> bool:
    """Whether a message is an answer in words, not a tool step."""
    return (
        message["role"] == "assistant"
        and not message.get("tool_calls")
        and bool(message["content"].strip())
    )


def kept_answer(places: range, ratings: Mapping[int, bool]) -> int:
    """The answer to keep: the last one rated up, or else the last."""
    return max((place for place in places if ratings.get(place)), default=places[-1])


def _superseded(messages: Sequence[MessageShape], ratings: Mapping[int, bool]) -> set[int]:
    return {
        place
        for places in alternatives(messages)
        for place in places
        if place != kept_answer(places, ratings)
    }


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The recorded arguments of a call; None if they are no object."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def decode_arguments(messages: Sequence[MessageShape]) -> list[dict[str, Any]]:
    """``messages`` with call arguments as objects, for chat templates."""
    made: list[dict[str, Any]] = []
    for message in messages:
        shown: dict[str, Any] = dict(message)
        if calls := message.get("tool_calls"):
            shown["tool_calls"] = [
                {
                    **call,
                    "function": {
                        **call["function"],
                        "arguments": parse_arguments(call["function"]["arguments"]),
                    },
                }
                for call in calls
            ]
        made.append(shown)
    return made


# Rules 2 to 4


def _alternate(
    messages: Sequence[MessageShape], *, tools: bool, answered: bool = True
) -> tuple[list[MessageShape], ConversationCut | None]:
    made: list[MessageShape] = []
    place = 0
    while place < len(messages):
        message = messages[place]
        if message["role"] == "tool" or message.get("tool_calls"):
            if not made:
                place += 1
                continue
            steps = _Steps(place, is_read=False)
            if tools and made[-1]["role"] != "assistant":
                steps = _steps(messages, place, answered=answered)
            made += messages[place : steps.end]
            if not steps.is_read:
                return made, ConversationCut.tools
            place = steps.end
            continue
        place += 1
        if not message["content"].strip():
            if message["role"] == "user":
                return made, ConversationCut.empty
        elif message["role"] == "user" or made:
            _add(made, message)
    return made, None


def _add(messages: list[MessageShape], message: MessageShape) -> None:
    if messages and messages[-1]["role"] == message["role"]:
        messages[-1] = {
            "role": message["role"],
            "content": messages[-1]["content"] + BETWEEN + message["content"],
        }
    else:
        messages.append({"role": message["role"], "content": message["content"]})


class _Steps(NamedTuple):
    """The end of the readable tool steps, and whether the rest can be read too."""

    end: int
    is_read: bool


def _steps(messages: Sequence[MessageShape], place: int, *, answered: bool) -> _Steps:
    """The tool steps from ``place`` on. Calls without all results are the last step.

    Without ``answered`` every step has its results, and the answer comes next.
    """
    while place < len(messages) and (calls := messages[place].get("tool_calls")):
        call_ids = [call["id"] for call in calls]
        is_clear = "" not in call_ids and len(set(call_ids)) == len(call_ids)
        if not is_clear or any(
            parse_arguments(call["function"]["arguments"]) is None for call in calls
        ):
            return _Steps(place, is_read=False)
        results = messages[place + 1 : place + 1 + len(calls)]
        answered_ids = [
            result.get("tool_call_id")
            for result in results
            if result["role"] == "tool" and result["content"].strip()
        ]
        if sorted(call_ids) != sorted(call_id or "" for call_id in answered_ids):
            return _Steps(place + 1, is_read=answered and place + 1 == len(messages))
        place += 1 + len(calls)
    if place == len(messages):
        return _Steps(place, is_read=True)
    return _Steps(place, is_read=is_answer(messages[place]))
