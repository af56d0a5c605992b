"""Case files: worked examples of the policy, run against the rule.

A case begins with an empty world; its events are in order; an expectation applies to the state
after all events at or before its time. A difference has the expected and the actual value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from licet.errors import InputError
from licet.policy.diff import check_material
from licet.policy.events import Event
from licet.policy.file import Policies, Policy, extend, not_yaml, preset
from licet.policy.period import instant, rfc3339
from licet.policy.world import World
from licet.undecodable import UNDECODABLE

ASKED = {
    "turn": ("use", "because", "until"),
    "conversation": ("keep_until", "safety_until"),
    "account": ("gate",),
    "feedback": ("share", "use", "because", "keep_until"),
}
SCALARS_MAX = 1 << 16
PLAIN_DEPTH_MAX = 100
_MERGE = "<<"
_KEYS = ("case", "why", "policy", "events", "expect")


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A difference of ``key`` at ``case`` and ``subject``. ``values`` names the region whose values
    apply, if any do.
    """

    case: str
    subject: str
    key: str
    expected: object
    actual: object
    values: str = ""

    def __str__(self) -> str:
        region = f" ({self.values})" if self.values else ""
        return (
            f"{self.case}: {self.subject}: {self.key}: expected `{_value_text(self.expected)}`, "
            f"actual `{_value_text(self.actual)}`{region}"
        )


class CasesResult(msgspec.Struct, frozen=True, kw_only=True):
    cases: int
    expectations: int
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        return (
            f"{self.cases} cases, {self.expectations} expectations, {len(self.differences)} differ"
        )


def run_file(path: Path) -> CasesResult:
    """Runs a file's cases; InputError for an invalid file, naming the case and the fix."""
    cases = _load_cases(path)
    differences: list[Difference] = []
    expectations = 0
    for number, case in enumerate(cases, 1):
        name, expected, found = _run_case(case, str(path), number)
        expectations += expected
        differences += [msgspec.structs.replace(d, case=name) for d in found]
    return CasesResult(cases=len(cases), expectations=expectations, differences=tuple(differences))


def _load_cases(path: Path) -> list[Any]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read: {(error.strerror or 'unknown').lower()}",
            "name a YAML file that can be read",
            file=str(path),
        ) from error
    try:
        value = _parse_text(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise not_yaml(problem, str(path), mark.line + 1 if mark else 0) from error
    if not isinstance(value, list):
        raise InputError(
            "is not a list of cases", "begin each case with `- case: name`", file=str(path)
        )
    return value


def _parse_text(text: bytes) -> object:
    """Parses YAML, or JSON as JSON, which is much faster; invalid JSON is parsed as YAML."""
    if text.startswith(b"["):
        try:
            return msgspec.json.decode(text)
        except UNDECODABLE:
            pass
    return parse_plain(text)


def _run_case(case: object, file: str, number: int) -> tuple[str, int, list[Difference]]:
    if not isinstance(case, Mapping):
        raise InputError(
            f"case {number} is not a mapping", "begin each case with `- case: name`", file=file
        )
    name = str(case.get("case", f"case {number}"))
    for key in case:
        if key not in _KEYS:
            raise InputError(
                f"case `{name}`: unknown key",
                f"keys are {', '.join(_KEYS)}",
                file=file,
                key=str(key),
            )
    policies = Policies(_policies(case.get("policy"), file, name))
    try:
        check_material(policies.versions)
    except InputError as error:
        raise InputError(
            f"case `{name}`: policy: {error.message}", error.hint, file=file
        ) from error
    events = [_event(e, file, name, n) for n, e in enumerate(_list(case, "events", file, name), 1)]
    expect = [
        _expectation(e, file, name, n) for n, e in enumerate(_list(case, "expect", file, name), 1)
    ]
    found = [
        d for _, differences in sorted(_evaluate(policies, events, expect)) for d in differences
    ]
    return name, len(expect), found


def _evaluate(
    policies: Policies, events: list[Event], expect: list[dict[str, Any]]
) -> Iterator[tuple[int, list[Difference]]]:
    """Returns each expectation's place and differences, in order of their times."""
    world = World(policies)
    times = []
    latest = None
    # times never decrease along the list, whose order is that of the events
    for event in events:
        latest = event.at if latest is None else max(latest, event.at)
        times.append(latest)
    applied = 0
    for place in sorted(range(len(expect)), key=lambda n: expect[n]["at"]):
        at = expect[place]["at"]
        while applied < len(events) and times[applied] <= at:
            world.apply(msgspec.structs.replace(events[applied], at=times[applied]))
            applied += 1
        world.advance(at)
        yield place, list(_differences(world, expect[place]))


def _differences(world: World, expected: Mapping[str, Any]) -> Iterator[Difference]:
    asked = next(key for key in ASKED if key in expected)
    actual = _actual(world, asked, expected)
    subject = f"{asked} {expected[asked]}"
    if "purpose" in expected:
        subject += f" for {expected['purpose']}"
    subject += f" at {rfc3339(expected['at'])}"
    for key in ASKED[asked]:
        if key in expected and expected[key] != actual[key]:
            values = _values(world, asked, expected[asked], expected["at"])
            yield Difference(
                case="",
                subject=subject,
                key=key,
                expected=expected[key],
                actual=actual[key],
                values=values,
            )


def _values(world: World, subject_kind: str, name: str, at: datetime) -> str:
    """Returns the region whose values of the version in force apply to the account; empty if it has
    none.
    """
    owned = (
        world.turns.get(name)
        if subject_kind == "turn"
        else world.feedback.get(name)
        if subject_kind == "feedback"
        else None
    )
    conversation = world.conversations.get(owned[0] if owned else name)
    account = world.accounts.get(
        name if subject_kind == "account" else conversation.account if conversation else ""
    )
    version = world.policies.in_force(at)
    if account is None or not version.regions:
        return ""
    return f"region {account.region or 'unknown'}, terms: {version.values_of(account.region)}"


def _actual(world: World, subject_kind: str, expected: Mapping[str, Any]) -> dict[str, Any]:
    name, at = expected[subject_kind], expected["at"]
    match subject_kind:
        case "turn":
            decision = world.decide(name, expected["purpose"], at)
            return {"use": decision.use, "because": decision.because.value, "until": decision.until}
        case "conversation":
            owned = world.conversations.get(name)
            if owned is None:
                return {"keep_until": "unknown", "safety_until": "unknown"}
            return {
                "keep_until": owned.conversation.keep_until,
                "safety_until": owned.conversation.safety_until,
            }
        case "account":
            answer = world.gate(name, at)
            return {"gate": answer.value if answer else "unknown"}
        case _:
            return _actual_feedback(world, name, expected)


def _actual_feedback(world: World, name: str, expected: Mapping[str, Any]) -> dict[str, Any]:
    decision = world.decide_feedback(name, expected["at"])
    answer: dict[str, Any] = {"use": decision.use, "because": decision.because.value}
    answer |= {"share": "none", "keep_until": None}
    if name in world.feedback:
        conversation, feedback = world.feedback[name]
        held = bool(world.conversations[conversation].conversation.holds)
        answer |= {
            "share": feedback.share.value,
            "keep_until": None if held else feedback.keep_until,
        }
    return answer


def _policies(value: object, file: str, case: str) -> list[Policy]:
    versions = value if isinstance(value, list) else [value]
    result = []
    for version in versions:
        try:
            if isinstance(version, str):
                result.append(preset(version))
            elif isinstance(version, Mapping):
                result.append(extend(version))
            else:
                raise InputError(
                    "is neither a preset nor a mapping", "write a preset's name", key="policy"
                )
        except InputError as error:
            raise InputError(
                f"case `{case}`: policy: {error.message}", error.hint, file=file
            ) from error
    if not result:
        raise InputError(
            f"case `{case}`: names no policy", "write `policy: article-2025`", file=file
        )
    return result


def _list(case: Mapping[str, Any], key: str, file: str, name: str) -> list[Any]:
    value = case.get(key)
    if not isinstance(value, list):
        raise InputError(
            f"case `{name}`: is missing or not a list",
            f"write `{key}:` and a list",
            file=file,
            key=key,
        )
    return value


def _event(value: object, file: str, case: str, number: int) -> Event:
    try:
        if not isinstance(value, dict):
            raise ValueError("is not a mapping")
        event: Event = msgspec.convert({**value, "at": instant(value.get("at"))}, Event)
        return event
    except (ValueError, msgspec.ValidationError) as error:
        raise InputError(
            f"case `{case}`: event {number}: {error}", "see spec/policy.md", file=file
        ) from error


def _expectation(value: object, file: str, case: str, number: int) -> dict[str, Any]:
    place = f"case `{case}`: expectation {number}"
    if not isinstance(value, dict):
        raise InputError(f"{place}: is not a mapping", "write {at: ..., turn: ..., ...}", file=file)
    subjects = [key for key in ASKED if key in value]
    if len(subjects) != 1:
        raise InputError(
            f"{place}: asks for {len(subjects)} things",
            f"name one of {', '.join(ASKED)}",
            file=file,
        )
    known = {
        "at",
        subjects[0],
        *ASKED[subjects[0]],
        *(["purpose"] if subjects[0] == "turn" else []),
    }
    for key in value:
        if key not in known:
            raise InputError(
                f"{place}: unknown key",
                f"keys are {', '.join(sorted(known))}",
                file=file,
                key=str(key),
            )
    if subjects[0] == "turn" and "purpose" not in value:
        raise InputError(f"{place}: has no purpose", "write `purpose: improve_models`", file=file)
    if not any(key in value for key in ASKED[subjects[0]]):
        raise InputError(
            f"{place}: expects nothing", f"give one of {', '.join(ASKED[subjects[0]])}", file=file
        )
    result = dict(value)
    try:
        for key in ("at", "until", "keep_until", "safety_until"):
            if result.get(key) is not None:
                result[key] = instant(result[key])
        instant(result.get("at"))
    except ValueError as error:
        raise InputError(f"{place}: {error}", "see spec/policy.md", file=file) from error
    return result


def _value_text(value: object) -> object:
    return rfc3339(value) if hasattr(value, "tzinfo") else value  # type: ignore[arg-type]  # a time


def parse_plain(text: bytes) -> object:
    """Parses a large YAML text to plain values, None if it is empty; yaml.YAMLError or
    UnicodeDecodeError.

    Built from parser events as they arrive, without a tree of nodes, resolving each scalar once: 1
    s against 7 s on 10,000 cases (8 MB). The values are the safe loader's, except that an
    impossible date stays text, so that the caller can name its place, and an alias inside its own
    anchor is an error.
    """
    events = iter(yaml.parse(text, Loader=yaml.CSafeLoader))
    documents = 0
    value: object = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _error("another document begins", event)
            value = _parse_node(next(events), events, {}, 0)
    return value


def _parse_node(
    event: yaml.Event, events: Iterator[yaml.Event], anchors: dict[str, object], depth: int
) -> object:
    if isinstance(event, yaml.ScalarEvent):
        value = _scalar_at(event)
    elif isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise _error(f"`*{event.anchor}` names no value before it", event)
        return anchors[event.anchor]
    elif depth == PLAIN_DEPTH_MAX:
        raise _error(f"nested deeper than {PLAIN_DEPTH_MAX}", event)
    elif isinstance(event, yaml.SequenceStartEvent):
        value = _plain_sequence(events, anchors, depth + 1)
    else:
        value = _plain_mapping(events, anchors, depth + 1)
    anchor = getattr(event, "anchor", None)
    if anchor is not None:
        anchors[anchor] = value
    return value


def _plain_sequence(
    events: Iterator[yaml.Event], anchors: dict[str, object], depth: int
) -> list[object]:
    result = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        result.append(_parse_node(event, events, anchors, depth))
    return result


def _plain_mapping(
    events: Iterator[yaml.Event], anchors: dict[str, object], depth: int
) -> dict[Any, object]:
    result: dict[Any, object] = {}
    merged: dict[Any, object] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        if not isinstance(event, yaml.ScalarEvent):
            raise _error("a key is not a name", event)
        key = event.value if event.value == _MERGE else _scalar_at(event)
        value = _parse_node(next(events), events, anchors, depth)
        if key != _MERGE or event.style:
            result[key] = value
            continue
        for below in value if isinstance(value, list) else [value]:
            if not isinstance(below, dict):
                raise _error("`<<` merges what is not a mapping", event)
            merged = {**below, **merged}
    return {**merged, **result} if merged else result


def _scalar_at(event: yaml.ScalarEvent) -> object:
    try:
        return _scalar(event.value, event.tag, event.implicit[0])
    except yaml.YAMLError:
        raise _error(f"`{event.tag}` is not a tag of plain YAML", event) from None


@lru_cache(maxsize=SCALARS_MAX)
def _scalar(text: str, tag: str | None, implicit: bool) -> object:
    loader = yaml.SafeLoader("")
    if tag is None or tag == "!":
        tag = loader.resolve(yaml.ScalarNode, text, (implicit, not implicit))  # type: ignore[no-untyped-call]  # PyYAML has no types here
    try:
        return loader.construct_object(yaml.ScalarNode(tag, text), deep=True)
    # AttributeError: PyYAML's, for an explicit tag that the text does not fit
    except (ValueError, AttributeError):
        return text


def _error(problem: str, event: yaml.Event) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]  # its stubs know one of two mark classes
