"""SWE-agent's trajectories: ``.traj`` files, a document with the run's ``history`` of messages.

This follows files of SWE-agent 0.5 to 1.x. Who speaks in one cannot be told from `role` alone:
before the model had tools of its own, what a command printed was written as "user", and the first
"user" is a prompt that the harness made of its template and of the task. What counts as said by a
person:

* The statement of the task, and only that, where the file says that a person gave it as text
  (``replay_config.problem_statement.text``) and the prompt holds it word for word. It is a turn of
  Role.user, typed. A statement that was fetched, from an issue's address or a benchmark, was
  written by others than the account that ran the agent, and one in a file without that
  configuration by nobody can tell whom: neither is a person's here.
* The rest of the prompt is the harness's, and every other "user" is what the environment answered.
  Both are Role.tool with origin `tool`, which no policy uses for training: in doubt nobody spoke. A
  trajectory without a statement is kept, shown and deleted like any other, but no person's turn
  puts it under a choice, so none of it is learnt from.
* `system` is an instruction; a demonstration is Skipped (``is_demo``): another run, shown as an
  example.
* Thought and action are parts of what the assistant wrote and are not read twice. ``trajectory``
  repeats the history.

A run has no id, so it is named by the hash of its history; a run that goes on is another. It has no
times.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from licet.intake import json_stream
from licet.intake.lines import Source
from licet.intake.messages import (
    Dialogue,
    DialogueMessage,
    canonical,
    parts_of,
    read_message,
    text_of,
)
from licet.intake.read_turn import BrokenRecord, Read, SkippedRecord
from licet.intake.records import (
    Pass,
    RecordedPart,
    Setting,
    UnreadableRecord,
    decode,
    decode_or,
    empty_record,
    part_of_role,
    stable_id,
)
from licet.policy.state import ConversationKind, TurnRole
from licet.vault.content import Content

name = "swe-agent"


class _Step(DialogueMessage):
    """A message of the history, which is one in OpenAI's shape with the harness's marks."""

    is_demo: bool | None = None
    tool_call_ids: list[str] | None = None


class _Problem(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    id: str | None = None


class _Model(msgspec.Struct):
    name: str | None = None


class _Agent(msgspec.Struct):
    model: _Model | None = None


class _Config(msgspec.Struct):
    problem_statement: _Problem | None = None
    agent: _Agent | None = None


class _Run(msgspec.Struct):
    history: list[msgspec.Raw]
    replay_config: msgspec.Raw = msgspec.Raw()


_run = msgspec.json.Decoder(_Run)
_step = msgspec.json.Decoder(_Step)
_config: msgspec.json.Decoder[_Config | None] = msgspec.json.Decoder(_Config | None)
_text: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)


def recognises(path: Source, head: bytes) -> bool:
    """Whether the head is that of a run's document; one with a history alone is known by the name
    of its file.
    """
    keys = json_stream.keys(head)
    named = path.name.removesuffix(".gz").endswith(".traj")
    return b"trajectory" in keys or (named and b"history" in keys and b"version" not in keys)


def read(path: Source, one_pass: Pass | None = None) -> Iterator[Read]:
    """Every message of a run, as turns, Skipped or Broken."""
    one_pass = one_pass or Pass()
    for place, raw in json_stream.records(path, one_pass.progress):
        if isinstance(raw, BrokenRecord):
            yield raw
            continue
        run = decode(raw, _run, in_parts=True)
        if isinstance(run, UnreadableRecord):
            yield BrokenRecord(place=place, message=run.message)
        else:
            yield from _read_run(place, run)


def _read_run(place: str, run: _Run) -> Iterator[Read]:
    config = _configured(bytes(run.replay_config))
    problem = config.problem_statement or _Problem()
    # Of the messages one by one: a history can be as large as the bound of a record, and is not
    # held twice.
    named = stable_id(
        "".join(stable_id(canonical(bytes(message))) for message in run.history).encode()
    )
    setting = Setting(named, kind=ConversationKind.code, surface="cli", title=problem.id or "")
    model = ((config.agent or _Agent()).model or _Model()).name or ""
    dialogue = Dialogue(setting, model=model)
    statement = (problem.text or "").strip() if problem.type in (None, "text") else ""
    if not run.history:
        yield empty_record(place)
    # the statement can only be in the first message that is no system's and no demonstration
    prompted = False
    for index, raw in enumerate(run.history):
        here = f"{place}.history[{index}]"
        step = decode(bytes(raw), _step)
        if isinstance(step, UnreadableRecord):
            yield BrokenRecord(place=here, message=step.message)
        elif step.is_demo:
            yield SkippedRecord(place=here, reason="a demonstration of another run")
            continue
        elif step.role in ("user", "tool"):
            yield from setting.turns(
                here, str(index), None, _said(dialogue, step, "" if prompted else statement)
            )
        else:
            yield from read_message(here, dialogue, str(index), bytes(raw))
        prompted = prompted or isinstance(step, UnreadableRecord) or step.role != "system"


def _configured(raw: bytes) -> _Config:
    """The configuration of a run, which is an object, or the text of one; an empty one where it is
    of another kind.
    """
    document = decode_or(raw, _text, "").encode() if raw.startswith(b'"') else raw
    return decode_or(document or b"null", _config, None) or _Config()


def _said(dialogue: Dialogue, step: _Step, statement: str) -> Iterator[RecordedPart]:
    """What a person stated, if that is in the step, and what the harness or the environment wrote
    around it.
    """
    text = text_of(parts_of(step))
    call_id = next(iter(step.tool_call_ids or []), step.tool_call_id or "")
    named = step.name or dialogue.calls.get(call_id) or ""
    if statement and step.role == "user" and statement in text:
        yield part_of_role(TurnRole.user, Content(text=statement))
        before, _, behind = text.partition(statement)
        text = "\n".join(part.strip() for part in (before, behind))
    yield part_of_role(TurnRole.tool, Content(text=text, tool_call_id=call_id, tool_name=named))
