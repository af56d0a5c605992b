"""tau-bench's dialogues: result files of runs (``traj`` in the shape of OpenAI's messages) and
few-shot lines.

A result file is an array of ``{"task_id", "reward", "info", "traj", "trial"}``; a few-shot file is
JSON lines of ``{"messages_display": "user: ..\\nassistant: .."}``.

* The user's part is played, by a model or a script, for the account that brings the file in; nobody
  else's words are in it. So it is Role.user and typed: what may be learnt from it is that account's
  to say. The task that the player was given, the reward and the expected actions are the bench's
  and are not turns.
* The player ends a dialogue by a sign such as ``###STOP###``. It is no word to the assistant and is
  cut off.
* In a few-shot text the assistant's ``None`` stands for a call that is not shown, and is Skipped. A
  message goes on until a line that begins with an author; the text has no other mark of an end.
* A task has many runs and runs have no id, so a dialogue is named by the hash of its messages in
  canonical form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from licet.intake import json_stream
from licet.intake.lines import Source
from licet.intake.messages import Dialogue, canonical, read_message
from licet.intake.read_turn import BrokenRecord, Read, ReadTurn, SkippedRecord
from licet.intake.records import Pass, Setting, UnreadableRecord, decode, empty_record, stable_id
from licet.policy.state import ConversationKind, TurnRole

name = "tau-bench"

HEAD_BYTES_MAX = 256

_SIGN = re.compile(r"\s*###(?:STOP|TRANSFER|OUT-OF-SCOPE)###\s*\Z")
_AUTHOR = re.compile(r"^(user|assistant|tool|system): ", re.M)
_NOT_SHOWN = "None"


class _Run(msgspec.Struct):
    traj: list[msgspec.Raw]


class _Shot(msgspec.Struct):
    messages_display: str


_run = msgspec.json.Decoder(_Run)
_shot = msgspec.json.Decoder(_Shot)
_trajectory = msgspec.json.Encoder()


def recognises(path: Source, head: bytes) -> bool:
    """Whether the head is that of an array of runs, or of lines with messages for display."""
    keys = json_stream.first_keys(head)
    return (
        _is_shots(head) or keys >= {b"task_id", b"traj"} or keys >= {b"task_id", b"reward", b"info"}
    )


def read(path: Source, one_pass: Pass | None = None) -> Iterator[Read]:
    """Every message of every dialogue, as turns, Skipped or Broken."""
    one_pass = one_pass or Pass()
    for place, raw in json_stream.records(path, one_pass.progress):
        if isinstance(raw, BrokenRecord):
            yield raw
        elif _is_shots(raw[:HEAD_BYTES_MAX]):
            yield from _read_shot(place, raw)
        else:
            yield from _read_run(place, raw)


def _is_shots(head: bytes) -> bool:
    return json_stream.keys(head[:HEAD_BYTES_MAX]) == {b"messages_display"}


def _read_run(place: str, raw: bytes) -> Iterator[Read]:
    run = decode(raw, _run, in_parts=True)
    if isinstance(run, UnreadableRecord):
        yield BrokenRecord(place=place, message=run.message)
        return
    dialogue = _dialogue(_trajectory.encode(run.traj))
    if not run.traj:
        yield empty_record(place)
    for index, message in enumerate(run.traj):
        for item in read_message(f"{place}.traj[{index}]", dialogue, str(index), bytes(message)):
            yield _without_sign(item)


def _read_shot(place: str, raw: bytes) -> Iterator[Read]:
    shot = decode(raw, _shot)
    if isinstance(shot, UnreadableRecord):
        yield BrokenRecord(place=place, message=shot.message)
        return
    text = shot.messages_display
    dialogue, found = _dialogue(raw), list(_AUTHOR.finditer(text))
    if not found or text[: found[0].start()].strip():
        yield SkippedRecord(place=place, reason="text without an author")
    for index, author in enumerate(found):
        end = found[index + 1].start() if index + 1 < len(found) else len(text)
        said = text[author.end() : end].rstrip("\n")
        here = f"{place}.messages_display[{index}]"
        if author[1] == TurnRole.assistant and said == _NOT_SHOWN:
            yield SkippedRecord(place=here, reason="a call that is not shown")
            continue
        message = msgspec.json.encode({"role": author[1], "content": said})
        for item in read_message(here, dialogue, str(index), message):
            yield _without_sign(item)


def _dialogue(raw: bytes) -> Dialogue:
    return Dialogue(Setting(stable_id(canonical(raw)), kind=ConversationKind.chat, surface="app"))


def _without_sign(item: Read) -> Read:
    if not (
        isinstance(item, ReadTurn) and item.role is TurnRole.user and "###" in item.content.text
    ):
        return item
    text = _SIGN.sub("", item.content.text)
    if not text:
        return SkippedRecord(place=item.place, reason="the sign that a dialogue is over")
    return msgspec.structs.replace(item, content=msgspec.structs.replace(item.content, text=text))
